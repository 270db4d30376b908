//! What a lane has done: recorded, and what follows from it.

use super::letters::{self, Kept};
use super::state::State;
use super::tx::{Tx, from_word, steps as ids};
use super::{JournalError, course, receipt, register};
use crate::model::{Fault, Proof, StepId, Verb};
use jiff::Timestamp;
use std::collections::HashMap;

/// What became of a claimed step.
#[derive(Debug)]
pub struct Settled {
    /// The step.
    pub step: StepId,
    /// The attempt that it was claimed for.
    pub attempt: u32,
    /// What became of it.
    pub settlement: Settlement,
    /// What became of its [proof](super::Claim::proof), if that was made in the same turn.
    pub proof: Option<Box<Settled>>,
}

impl Settled {
    /// With no proof made in the same turn.
    pub fn new(step: StepId, attempt: u32, settlement: Settlement) -> Self {
        Self { step, attempt, settlement, proof: None }
    }

    /// For a proof that succeeded: how it was shown.
    fn shown(&self) -> Option<Proof> {
        match self.settlement {
            Settlement::Done { proof, .. } => proof,
            _ => None,
        }
    }
}

/// The lane's decision about one attempt.
#[derive(Debug)]
pub enum Settlement {
    /// It succeeded.
    Done {
        /// For `Prove`: how it was shown.
        proof: Option<Proof>,
        /// For `Apply`: the target's immutable id.
        external_id: Option<String>,
        /// For `Deliver`: the next system's answer. No secret, no address.
        note: Option<String>,
        /// For `Mint`: the sealed credential.
        sealed: Option<Vec<u8>>,
        /// For `Deliver`: by what the channel knows the notice when its arrival is reported.
        reference: Option<String>,
        /// For `Draft`: the letter.
        kept: Option<Kept>,
        /// For `Apply`: after the journal was put back, it was found as wanted, and not written.
        found: bool,
    },
    /// Again at `due`.
    Retry {
        /// Not before.
        due: Timestamp,
        /// Why it failed.
        fault: Fault,
    },
    /// Not again by itself.
    Stuck {
        /// Why.
        fault: Fault,
    },
    /// It was not begun: again in the lane's next turn, and no attempt.
    NotBegun,
    /// For `Deliver`: another channel takes it now.
    PassedOn {
        /// Why this one does not.
        fault: Fault,
        /// The first of the step's `next`.
        to: String,
    },
}

impl Settlement {
    /// Something was handed over, with this answer.
    pub fn done(note: Option<String>) -> Self {
        Self::Done { proof: None, external_id: None, note, sealed: None, reference: None, kept: None, found: false }
    }
}

/// Records what became of the steps of a lane. How many requests ended by it.
pub fn settle(tx: &mut Tx<'_>, lane: &str, settled: &[Settled]) -> Result<usize, JournalError> {
    let mut standings = standings(tx, settled)?;
    let mut ended = 0;
    for one in settled {
        let standing = standings.remove(&one.step.0);
        ended += usize::from(settle_one(tx, lane, one, standing)?);
        if let Some(proof) = one.proof.as_deref().filter(|proof| proof.shown().is_none()) {
            ended += usize::from(settle_proof(tx, lane, proof)?);
        }
    }
    Ok(ended)
}

/// A step that comes back from its lane, and where its request stands.
struct Standing {
    state: String,
    attempts: u32,
    verb: String,
    turn: i64,
    uid: uuid::Uuid,
    request_state: Option<State>,
    flow: i64,
}

/// Of each step that comes back and is still known. What they are at is read once for all of them, and read again where the
/// settling of another one has moved its request.
fn standings(tx: &mut Tx<'_>, settled: &[Settled]) -> Result<HashMap<i64, Standing>, JournalError> {
    if settled.is_empty() {
        return Ok(HashMap::new());
    }
    standing(tx, ids(settled.iter().map(|one| one.step))?).map(|found| found.into_iter().collect())
}

fn standing(tx: &mut Tx<'_>, ids: String) -> Result<Vec<(i64, Standing)>, JournalError> {
    tx.rows(
        "SELECT s.id, s.state, s.attempts, s.verb, s.turn, r.uid, r.state, r.flow
         FROM json_each(?1) AS sought CROSS JOIN step s ON s.id = sought.value JOIN request r ON r.id = s.id >> 8",
        [ids],
        |row| {
            let standing = Standing {
                state: row.get(1)?,
                attempts: row.get(2)?,
                verb: row.get(3)?,
                turn: row.get(4)?,
                uid: row.get(5)?,
                request_state: State::from_word(row.get_ref(6)?.as_str()?),
                flow: row.get(7)?,
            };
            Ok((row.get(0)?, standing))
        },
    )
}

/// Whether the request ended by it.
fn settle_one(tx: &mut Tx<'_>, lane: &str, settled: &Settled, read: Option<Standing>) -> Result<bool, JournalError> {
    let id = settled.step.0;
    let request = id >> 8;
    let now_at = match read {
        Some(_) if tx.has_moved(request) => {
            standing(tx, ids(std::iter::once(settled.step))?)?.pop().map(|(_, now)| now)
        }
        read => read,
    };
    let Some(Standing { state, attempts, verb, turn, uid, request_state, flow }) = now_at else { return Ok(false) };
    let verb: Verb = from_word(&verb)?;
    if state != "running" || attempts != settled.attempt {
        tracing::warn!(step = id, %state, attempts, attempt = settled.attempt, "an outcome came for an attempt that is not running; it is not recorded");
        return Ok(false);
    }
    let now = tx.micros();
    match &settled.settlement {
        Settlement::Done { proof, external_id, note, sealed, reference, kept, found } => {
            tx.run(
                "UPDATE step SET state = 'done', done_at = ?2, proof = ?3, note = ?4, fault = NULL, fault_class = NULL,
                   uncertain = 0, restored = CASE WHEN ?5 THEN 4 ELSE restored END WHERE id = ?1",
                (id, now, proof.map(Proof::as_str), note, found),
            )?;
            tx.event(
                uid.as_bytes(),
                "done",
                &serde_json::json!({"verb": verb.as_str(), "lane": lane, "attempt": attempts, "proof": proof}),
            )?;
            register::done(tx, request, lane, verb, *proof, external_id.as_deref(), sealed.as_deref())?;
            if verb == Verb::Deliver {
                receipt::expect(tx, id, lane, reference.as_deref())?;
            }
            if let Some(kept) = kept {
                letters::drafted(tx, request, kept)?;
            }
            if verb == Verb::Deliver && request_state.is_some_and(State::reported) {
                register::report(tx, request)?;
            }
            if request_state == Some(State::Withdrawing) {
                course::settle_withdrawal(tx, request)?;
                return course::advance(tx, request);
            }
            if request_state == Some(State::Working)
                && let Some(proof) = settled.proof.as_deref()
            {
                prove(tx, uid, lane, proof)?;
            }
            course::advance_from(tx, request, request_state, flow, Some(course::Last { lane, turn }))
        }
        Settlement::Retry { due, fault } => {
            tx.run(
                "UPDATE step SET state = 'retry', due = ?2, fault = ?3, fault_class = ?4, uncertain = max(uncertain, ?5) WHERE id = ?1",
                (
                    id,
                    due.as_microsecond(),
                    &fault.message,
                    fault.class.as_str(),
                    fault.class == crate::model::FaultClass::Unknown,
                ),
            )?;
            course::cancel_if_replaced(tx, id)?;
            course::settle_withdrawal(tx, request)?;
            Ok(false)
        }
        Settlement::NotBegun => {
            tx.run(
                "UPDATE step SET state = 'ready', first_at = CASE attempts WHEN 1 THEN NULL ELSE first_at END, attempts = attempts - 1
                 WHERE id = ?1",
                [id],
            )?;
            course::cancel_if_replaced(tx, id)?;
            course::settle_withdrawal(tx, request)?;
            Ok(false)
        }
        Settlement::PassedOn { fault, to } => {
            course::pass_on(tx, id, to, flow, fault)?;
            course::cancel_if_replaced(tx, id)?;
            course::settle_withdrawal(tx, request)?;
            Ok(false)
        }
        Settlement::Stuck { fault } => {
            course::stick_step(tx, id, fault)?;
            course::settle_withdrawal(tx, request)?;
            Ok(false)
        }
    }
}

/// A proof that was made with what it proves, and succeeded, is done at once: nothing else can have begun it.
fn prove(tx: &mut Tx<'_>, uid: uuid::Uuid, lane: &str, proof: &Settled) -> Result<(), JournalError> {
    let Some(shown) = proof.shown() else { return Ok(()) };
    let done = tx.run(
        "UPDATE step SET state = 'done', attempts = ?2, claimed_at = ?3, first_at = coalesce(first_at, ?3), done_at = ?3, proof = ?4,
           fault = NULL, fault_class = NULL, uncertain = 0 WHERE id = ?1 AND state = 'blocked' AND attempts + 1 = ?2",
        (proof.step.0, proof.attempt, tx.micros(), shown.as_str()),
    )?;
    if done == 0 {
        return Ok(());
    }
    let said =
        serde_json::json!({"verb": Verb::Prove.as_str(), "lane": lane, "attempt": proof.attempt, "proof": shown});
    tx.event(uid.as_bytes(), "done", &said)?;
    register::done(tx, proof.step.0 >> 8, lane, Verb::Prove, Some(shown), None, None)
}

/// A proof that was made with what it proves, and did not succeed, was an attempt of the step that is ready now. Whether the request
/// ended by it.
fn settle_proof(tx: &mut Tx<'_>, lane: &str, proof: &Settled) -> Result<bool, JournalError> {
    let now = tx.micros();
    let begun = tx.run(
        "UPDATE step SET state = 'running', attempts = ?2, claimed_at = ?3, first_at = coalesce(first_at, ?3)
         WHERE id = ?1 AND state = 'ready' AND attempts + 1 = ?2",
        (proof.step.0, proof.attempt, now),
    )?;
    if begun == 0 {
        return Ok(false);
    }
    let standing = standing(tx, ids(std::iter::once(proof.step))?)?.pop();
    settle_one(tx, lane, proof, standing.map(|(_, standing)| standing))
}
