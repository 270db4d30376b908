//! A lane's turn at the journal: what it has done is recorded, and what it does next is claimed, in one commit.
//!
//! The claim is the intent: a step is `running` in the journal before anything happens outside. Its number of attempts
//! is the fencing token: an outcome is recorded only for the attempt that is running.

use super::letters::{self, Kept, Paper};
use super::paused::is_paused;
use super::state::State;
use super::tx::{Tx, from_word};
use super::{Journal, JournalError, course, rebase, receipt, register};
use crate::model::request::Change;
use crate::model::verdict::Check;
use crate::model::{
    Account, Action, Fault, NoticeKind, Proof, Record, RequestKey, RequestUid, StepDetail, StepId, Verb,
};
use jiff::Timestamp;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, LazyLock};

/// A step that a lane has claimed, with what it needs to carry it out.
#[derive(Debug, Clone)]
pub struct Claim {
    /// The step.
    pub step: StepId,
    /// Which attempt this is, from 1; the fencing token.
    pub attempt: u32,
    /// An earlier attempt's answer was lost.
    pub uncertain: bool,
    /// When the first attempt began.
    pub first_at: Timestamp,
    /// What is done.
    pub verb: Verb,
    /// What it needs to know.
    pub detail: StepDetail,
    /// The request's uid.
    pub uid: RequestUid,
    /// The request's key, for messages.
    pub key: RequestKey,
    /// What the request asks for.
    pub action: Action,
    /// The account as it shall be; none for the notices of a request that got no grant.
    pub account: Option<Account>,
    /// What the lane's target called the account when it was last written there.
    pub external_id: Option<String>,
    /// Of an account that akund did not make: as the register has it.
    pub adopted: Option<Account>,
    /// Sealed credential, once minted.
    pub sealed: Option<Vec<u8>>,
    /// The journal was put back since it was planned: look at the target before anything is written.
    pub restored: bool,
    /// For `Deliver` and `Draft` only: what the notice or letter says.
    pub notice: Option<Box<NoticeFacts>>,
    /// For `Apply`: its proof, where that is next and at the same lane. It may be made before the apply is recorded.
    pub proof: Option<Proving>,
}

/// A proof that may be made in the turn of the step that it proves.
#[derive(Debug, Clone, Copy)]
pub struct Proving {
    /// The step.
    pub step: StepId,
    /// Which attempt this would be, from 1.
    pub attempt: u32,
    /// When the first attempt began, or begins.
    pub first_at: Timestamp,
}

/// What a notice is rendered from, besides the account and the password.
#[derive(Debug, Clone)]
pub struct NoticeFacts {
    /// The record.
    pub record: Record,
    /// The verdict.
    pub verdict: crate::model::Verdict,
    /// A result per requirement.
    pub checklist: Vec<Check>,
    /// The procedure's own texts, as they were when it was judged.
    pub texts: Arc<BTreeMap<String, String>>,
    /// For the notices that a letter goes with.
    pub paper: Option<Paper>,
}

/// What became of a claimed step.
#[derive(Debug)]
pub struct Settled {
    /// The step.
    pub step: StepId,
    /// The attempt that it was claimed for.
    pub attempt: u32,
    /// What became of it.
    pub settlement: Settlement,
    /// What became of its [proof](Claim::proof), if that was made in the same turn.
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

/// What a lane's turn gives.
#[derive(Debug, Default)]
pub struct Turn {
    /// Claimed now, in the order in which to serve them.
    pub claims: Vec<Claim>,
    /// If nothing was claimed: when the next retry is due.
    pub next_due: Option<Timestamp>,
    /// The lane is paused: nothing is claimed until it is not.
    pub paused: bool,
    /// Steps that would have been claimed, but are stuck since the journal's data of them cannot be read: look again at once.
    pub unreadable: usize,
    /// How many requests ended by what was recorded.
    pub requests_ended: usize,
}

impl Journal {
    /// Records what became of claimed steps, and claims at most `most` more, in one commit.
    ///
    /// # Errors
    /// Where nothing could be written; the same call may be repeated until it succeeds.
    pub async fn turn(&self, lane: &str, settled: Arc<Vec<Settled>>, most: usize) -> Result<Turn, JournalError> {
        let lane = lane.to_owned();
        self.call(move |tx| {
            let mut turn = Turn::default();
            let mut standings = standings(tx, &settled)?;
            for one in settled.iter() {
                let standing = standings.remove(&one.step.0);
                turn.requests_ended += usize::from(settle(tx, &lane, one, standing)?);
                if let Some(proof) = one.proof.as_deref().filter(|proof| proof.shown().is_none()) {
                    turn.requests_ended += usize::from(settle_proof(tx, &lane, proof)?);
                }
            }
            claim(tx, &lane, most, &mut turn)?;
            Ok(turn)
        })
        .await
    }

    /// At start: steps that were running when akund ended are made ready again, marked uncertain. With `stick` (a channel whose
    /// notices must never be repeated blindly, or a lane of which nobody knows what it was) notices are stuck instead. The number
    /// of them.
    ///
    /// # Errors
    /// Where it could not be written.
    pub async fn recover(&self, lane: &str, stick: bool) -> Result<usize, JournalError> {
        let lane = lane.to_owned();
        self.call(move |tx| {
            let running: Vec<(i64, i64, bool)> = tx.rows(
                "SELECT s.id, r.flow, s.verb = 'deliver' FROM step s JOIN request r ON r.id = s.id >> 8
                 WHERE s.lane = ?1 AND s.state = 'running' ORDER BY s.turn, s.id",
                [&lane],
                |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
            )?;
            for (id, flow, notice) in &running {
                tx.run("UPDATE step SET uncertain = 1 WHERE id = ?1", [id])?;
                if course::is_taken_back(tx, *id)? {
                    // Nobody is sent the password of an account that is being undone.
                    tx.run("UPDATE step SET state = 'cancelled' WHERE id = ?1", [id])?;
                } else if stick && *notice {
                    let fault =
                        Fault::unknown("akund ended while this was being sent; whether it was taken is not known");
                    course::stick_step(tx, *id, &fault)?;
                } else {
                    course::make_ready(tx, *id, &lane, *flow)?;
                    course::cancel_if_replaced(tx, *id)?;
                }
                course::settle_withdrawal(tx, id >> 8)?;
            }
            Ok(running.len())
        })
        .await
    }

    /// At start, of a lane that is no longer configured: what is in flight there is [recovered](Self::recover), and what tells
    /// somebody aside, or of a request that has ended (a refusal), is stuck. Nobody could withdraw it to be rid of the notice, and it
    /// would keep the request's personal data for ever.
    ///
    /// # Errors
    /// Where it could not be written.
    pub async fn orphan(&self, lane: &str) -> Result<(), JournalError> {
        self.recover(lane, true).await?;
        let lane = lane.to_owned();
        self.call(move |tx| {
            let fault = Fault::permanent(format!(
                "there is no channel {lane} any more; with one of that name `akund retry` sends it, `akund arrived` ends it"
            ));
            let open: Vec<i64> = tx.rows(
                &format!(
                    "SELECT s.id FROM step s JOIN request r ON r.id = s.id >> 8 WHERE s.lane = ?1 AND s.state IN ('ready', 'retry')
                       AND (s.part = 'notice' AND r.ended_at IS NOT NULL OR {}) ORDER BY s.id /* once */",
                    course::ASIDE
                ),
                [&lane],
                |row| row.get(0),
            )?;
            open.into_iter().try_for_each(|id| course::stick_step(tx, id, &fault))
        })
        .await
    }
}

fn claim(tx: &mut Tx<'_>, lane: &str, most: usize, turn: &mut Turn) -> Result<(), JournalError> {
    turn.paused = is_paused(tx, lane)?;
    if most == 0 || turn.paused {
        return Ok(());
    }
    let now = tx.micros();
    // A step that waited for its retry is served as if it came now, whatever the clock stood at before a restart.
    let turn_now = tx.turn(lane, 0);
    tx.run(
        "UPDATE step SET state = 'ready', turn = min(turn, ?3) WHERE lane = ?1 AND state = 'retry' AND due <= ?2",
        (lane, now, turn_now),
    )?;
    let ready = tx.rows(&READY, (lane, i64::try_from(most).unwrap_or(i64::MAX)), |row| {
        Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?, Ready::read(row)))
    })?;
    for (id, at_turn, ready) in ready {
        tx.served(lane, at_turn);
        // One step that cannot be read must not stop the others, nor the daemon.
        match ready.map_err(JournalError::from).and_then(|ready| claim_of(tx, id, ready)) {
            Ok(claim) => turn.claims.push(claim),
            Err(error) if tx.fatal.is_some() => return Err(error),
            Err(error) => {
                tracing::error!(step = id, lane, %error, "a step cannot be carried out");
                course::stick_step(
                    tx,
                    id,
                    &Fault::permanent(format!("its data in the journal cannot be read: {error}")),
                )?;
                course::settle_withdrawal(tx, id >> 8)?;
                turn.unreadable += 1;
            }
        }
    }
    begin(tx, &turn.claims)?;
    if turn.claims.is_empty() {
        let due: Option<i64> = tx
            .row("SELECT min(due) FROM step WHERE lane = ?1 AND state = 'retry'", [lane], |row| row.get(0))?
            .flatten();
        turn.next_due = due.and_then(|due| Timestamp::from_microsecond(due).ok());
    }
    Ok(())
}

/// A ready step and its request, as the journal has them.
struct Ready {
    verb: String,
    detail: String,
    attempts: u32,
    uncertain: bool,
    first_at: Option<i64>,
    uid: uuid::Uuid,
    key: RequestKey,
    action: String,
    sealed: Option<Vec<u8>>,
    external_id: Option<String>,
    adopted: bool,
    /// Of an adopted account: what its request changes, as JSON.
    change: Option<String>,
    restored: bool,
    /// The step of its proof, that one's attempts, and when the first of them began.
    proof: Option<(i64, u32, Option<i64>)>,
    accounts: rebase::Accounts,
}

impl Ready {
    /// A row of [`READY`].
    fn read(row: &rusqlite::Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            verb: row.get(2)?,
            detail: row.get(3)?,
            attempts: row.get(4)?,
            uncertain: row.get(5)?,
            first_at: row.get(6)?,
            uid: row.get(7)?,
            key: RequestKey { procedure: row.get(8)?, id: row.get(9)?, revision: row.get(10)? },
            action: row.get(11)?,
            sealed: row.get(12)?,
            external_id: row.get(13)?,
            adopted: row.get(14)?,
            change: row.get(15)?,
            restored: row.get(16)?,
            proof: match row.get(17)? {
                Some(step) => Some((step, row.get(18)?, row.get(19)?)),
                None => None,
            },
            accounts: rebase::Accounts::read(row, 20)?,
        })
    }

    /// What is known of an adopted account before its request. The register may say of it what a list said, or the request itself, and
    /// not what its targets hold: so what the request changes counts as not known, and is written.
    fn known(&self) -> Result<Option<Account>, JournalError> {
        let change: Option<Option<Change>> = self.change.as_deref().map(serde_json::from_str).transpose()?;
        let (Some(mut known), Some(change)) = (self.accounts.current()?, change.flatten()) else {
            return self.accounts.current();
        };
        if change.name.is_some() {
            for name in [&mut known.name, &mut known.given_name, &mut known.family_name] {
                *name = "?".into();
            }
        }
        known.quota = known.quota.filter(|_| change.quota.is_none());
        known.ends_at = known.ends_at.filter(|_| change.expires.is_none());
        known.group = known.group.filter(|group| change.group.as_ref() != Some(group));
        Ok(Some(known))
    }
}

/// The steps of a lane (?1) that are ready, at most ?2, in the order in which to serve them. A proof comes with what it proves, but
/// where more than the request decides about either: after the journal was put back, and of an account that was adopted.
static READY: LazyLock<String> = LazyLock::new(|| {
    format!(
        "SELECT s.id, s.turn, s.verb, s.detail, s.attempts, s.uncertain, s.first_at, r.uid, r.procedure, r.ext_id, r.revision, r.action,
           c.sealed, t.external_id, a.adopted IS NOT NULL,
           CASE WHEN a.adopted IS NOT NULL THEN iif(json_valid(p.record), p.record -> '$.change', p.record) END, s.restored = 1,
           n.id, n.attempts, n.first_at, {}
         FROM step s LEFT JOIN request r ON r.id = s.id >> 8 LEFT JOIN secret c ON c.request = r.id
         LEFT JOIN placed t ON t.account = r.account AND t.target = s.lane {}
         LEFT JOIN step n ON n.id = s.id + 1 AND s.verb = 'apply' AND s.part = 'plan' AND s.restored = 0 AND a.adopted IS NULL
           AND n.verb = 'prove' AND n.part = 'plan' AND n.restored = 0 AND n.lane = s.lane AND n.state = 'blocked'
         WHERE s.lane = ?1 AND s.state = 'ready' ORDER BY s.turn, s.id LIMIT ?2",
        rebase::COLUMNS,
        rebase::JOIN
    )
});

/// What it takes to carry a step out. One that cannot be read is left untouched.
fn claim_of(tx: &mut Tx<'_>, id: i64, ready: Ready) -> Result<Claim, JournalError> {
    let verb: Verb = from_word(&ready.verb)?;
    let detail: StepDetail = serde_json::from_str(&ready.detail)?;
    let told = matches!(verb, Verb::Deliver | Verb::Draft);
    let adopted = if ready.adopted || verb == Verb::Adopt { ready.known()? } else { None };
    let at = |micros: Option<i64>| micros.and_then(|at| Timestamp::from_microsecond(at).ok());
    let proof = ready.proof.map(|(step, attempts, first_at)| Proving {
        step: StepId(step),
        attempt: attempts + 1,
        first_at: at(first_at).unwrap_or(tx.now),
    });
    let notice = told.then(|| notice_facts(tx, id >> 8, detail.notice)).transpose()?.map(Box::new);
    Ok(Claim {
        step: StepId(id),
        attempt: ready.attempts + 1,
        uncertain: ready.uncertain,
        first_at: at(ready.first_at).unwrap_or(tx.now),
        verb,
        detail,
        uid: RequestUid(ready.uid),
        key: ready.key,
        action: from_word(&ready.action)?,
        account: ready.accounts.wanted()?,
        external_id: ready.external_id,
        adopted,
        sealed: ready.sealed,
        restored: ready.restored,
        notice,
        proof,
    })
}

/// The intent, before anything happens outside.
fn begin(tx: &mut Tx<'_>, claims: &[Claim]) -> Result<(), JournalError> {
    if claims.is_empty() {
        return Ok(());
    }
    let now = tx.micros();
    tx.run(
        "UPDATE step SET state = 'running', attempts = attempts + 1, claimed_at = ?2, first_at = coalesce(first_at, ?2),
           restored = CASE restored WHEN 3 THEN 0 ELSE restored END WHERE id IN (SELECT value FROM json_each(?1))",
        (ids(claims.iter().map(|claim| claim.step))?, now),
    )
    .map(drop)
}

/// Ids of steps as SQLite's `json_each` reads them.
fn ids(steps: impl Iterator<Item = StepId>) -> Result<String, JournalError> {
    Ok(serde_json::to_string(&steps.map(|step| step.0).collect::<Vec<_>>())?)
}

fn notice_facts(tx: &mut Tx<'_>, request: i64, kind: Option<NoticeKind>) -> Result<NoticeFacts, JournalError> {
    #[derive(serde::Deserialize)]
    struct Stored {
        verdict: crate::model::Verdict,
        checklist: Vec<Check>,
    }
    let (record, judgement, texts): (String, String, i64) = tx
        .row(
            "SELECT p.record, p.judgement, r.texts FROM personal p JOIN request r ON r.id = p.request WHERE p.request = ?1",
            [request],
            |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
        )?
        .ok_or_else(|| JournalError::Internal(format!("the personal data of request number {request} are gone")))?;
    let stored: Stored = serde_json::from_str(&judgement)?;
    Ok(NoticeFacts {
        record: serde_json::from_str(&record)?,
        verdict: stored.verdict,
        checklist: stored.checklist,
        texts: tx.texts(texts)?,
        paper: match kind {
            Some(NoticeKind::LetterDraft) => letters::draft(tx, request)?,
            Some(NoticeKind::Letter) => letters::signed(tx, request)?,
            _ => None,
        },
    })
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
fn settle(tx: &mut Tx<'_>, lane: &str, settled: &Settled, read: Option<Standing>) -> Result<bool, JournalError> {
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
    settle(tx, lane, proof, standing.map(|(_, standing)| standing))
}
