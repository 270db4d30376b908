//! The course of a request: which of its steps is next, when it is stuck, how it ends and how it is taken back.
//!
//! Each function carries out one arrow of [`super::state`] with all that belongs to it, inside the caller's transaction.

use super::state::{Move, State};
use super::tx::{Tx, from_word};
use super::{JournalError, register, restored, state};
use crate::model::{Action, Fault, FaultClass, Refused, StepDetail, Verb};

/// A step's id from its request and its place.
pub(super) fn step_id(request: i64, place: usize) -> Result<i64, JournalError> {
    match u8::try_from(place) {
        Ok(place) => Ok(request << 8 | i64::from(place)),
        Err(_) => Err(JournalError::Refused("a plan of more than 256 steps cannot be carried out".into())),
    }
}

/// Makes a step claimable, behind what waits at its lane, and wakes it.
pub(super) fn make_ready(tx: &mut Tx<'_>, id: i64, lane: &str, flow: i64) -> Result<(), JournalError> {
    let turn = tx.turn(lane, flow);
    make_ready_at(tx, id, lane, turn)
}

fn make_ready_at(tx: &mut Tx<'_>, id: i64, lane: &str, turn: i64) -> Result<(), JournalError> {
    // A notice of a journal that was put back may have been sent already (restored.rs).
    let made = tx.run(
        "UPDATE step SET state = 'ready', turn = ?2, due = 0 WHERE id = ?1 AND NOT (restored = 1 AND verb = 'deliver')",
        (id, turn),
    )?;
    if made == 0 {
        let fault = restored::why_it_waits(tx, id)?;
        return stick_step(tx, id, &fault);
    }
    tx.wake(lane);
    tx.wake(super::overdue::LANE);
    Ok(())
}

/// Makes the next blocked step of a working or withdrawn request ready, or ends the request if none is left.
/// Whether it ended.
pub(super) fn advance(tx: &mut Tx<'_>, request: i64) -> Result<bool, JournalError> {
    let (state, flow): (String, i64) = tx
        .row("SELECT state, flow FROM request WHERE id = ?1", [request], |row| Ok((row.get(0)?, row.get(1)?)))?
        .ok_or_else(|| JournalError::Internal(format!("request number {request} is gone")))?;
    advance_from(tx, request, State::from_word(&state), flow, None)
}

/// The step that was done last, and its turn at its lane.
#[derive(Clone, Copy)]
pub(super) struct Last<'a> {
    pub lane: &'a str,
    pub turn: i64,
}

/// [`advance`] for a caller that has just read where the request stands. What follows at the lane of the last step follows at its
/// turn: what is begun comes to its end before the lane begins what came later.
pub(super) fn advance_from(
    tx: &mut Tx<'_>,
    request: i64,
    state: Option<State>,
    flow: i64,
    last: Option<Last<'_>>,
) -> Result<bool, JournalError> {
    let part = match state {
        Some(State::Working) => "plan",
        Some(State::Withdrawing) => "undo",
        _ => return Ok(false),
    };
    let next: Option<(i64, String, String, String, String)> = tx.row(
        "SELECT id, state, lane, verb, part FROM step WHERE id BETWEEN ?1 << 8 AND ?1 << 8 | 255
           AND (part = ?2 AND state NOT IN ('done', 'cancelled') OR part = 'notice' AND state = 'blocked' AND ?2 = 'plan')
         ORDER BY id LIMIT 1",
        (request, part),
        |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?)),
    )?;
    if let Some((id, _, lane, _, part)) = &next
        && part == "notice"
    {
        begin_aside(tx, *id, lane, flow)?;
        return advance_from(tx, request, state, flow, last);
    }
    match next.map(|(id, state, lane, verb, _)| (id, state, lane, verb)) {
        // No lane brings it: an order does.
        Some((id, state, _, verb)) if state == "blocked" && verb == Verb::Sign.as_str() => {
            let now = tx.micros();
            tx.run("UPDATE step SET first_at = coalesce(first_at, ?2) WHERE id = ?1", (id, now))?;
            tx.move_request(request, Move::Wait, "the signed letter")?;
            Ok(false)
        }
        Some((id, state, lane, _)) if state == "blocked" => {
            match last {
                Some(last) if last.lane == lane => make_ready_at(tx, id, &lane, last.turn)?,
                _ => make_ready(tx, id, &lane, flow)?,
            }
            Ok(false)
        }
        // It moves on when that one is settled.
        Some(_) => Ok(false),
        None => {
            finish(tx, request)?;
            Ok(true)
        }
    }
}

/// A notice that nothing waits for leaves; unless the request's own notice was handed over at the very same address.
fn begin_aside(tx: &mut Tx<'_>, id: i64, lane: &str, flow: i64) -> Result<(), JournalError> {
    let detail: Option<String> = tx.row("SELECT detail FROM step WHERE id = ?1", [id], |row| row.get(0))?;
    // One that cannot be read is stuck by itself, at its lane, and nothing else with it.
    let detail = detail.and_then(|detail| serde_json::from_str::<StepDetail>(&detail).ok());
    let unless = detail.map(|detail| detail.unless).unwrap_or_default();
    let handed_over: Vec<String> = match unless.is_empty() {
        true => Vec::new(),
        false => tx.rows(
            "SELECT lane FROM step WHERE id BETWEEN ?1 << 8 AND ?1 << 8 | 255 AND part = 'plan' AND verb = 'deliver'
               AND state = 'done' AND CASE WHEN json_valid(detail) THEN detail ->> '$.notice' END IN ('changed', 'credentials', 'username')",
            [id >> 8],
            |row| row.get(0),
        )?,
    };
    if handed_over.iter().any(|lane| unless.contains(lane)) {
        return tx.run("UPDATE step SET state = 'cancelled' WHERE id = ?1", [id]).map(drop);
    }
    make_ready(tx, id, lane, flow)
}

/// A request whose own notice is stuck has been carried out: what is told aside does not wait for a person.
fn begin_asides(tx: &mut Tx<'_>, request: i64) -> Result<(), JournalError> {
    let blocked: Vec<(i64, String, i64)> = tx.rows(
        "SELECT s.id, s.lane, r.flow FROM step s JOIN request r ON r.id = ?1
         WHERE s.id BETWEEN ?1 << 8 AND ?1 << 8 | 255 AND s.part = 'notice' AND s.state = 'blocked' ORDER BY s.id",
        [request],
        |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
    )?;
    for (id, lane, flow) in blocked {
        begin_aside(tx, id, &lane, flow)?;
    }
    Ok(())
}

/// Cancels every step of a request that is not done and not in flight, but what tells a holder of what was carried out.
pub(super) fn cancel(tx: &mut Tx<'_>, request: i64) -> Result<(), JournalError> {
    tx.run(
        &format!(
            "UPDATE step AS s SET state = 'cancelled' WHERE s.id BETWEEN ?1 << 8 AND ?1 << 8 | 255
               AND s.state IN ('blocked', 'ready', 'retry', 'stuck') AND NOT (s.state IN ('ready', 'retry') AND {ASIDE})"
        ),
        [request],
    )
    .map(drop)
}

/// A notice that was in flight while a higher revision took its request's place is not sent again: what it says is no longer so.
pub(super) fn cancel_if_replaced(tx: &mut Tx<'_>, step: i64) -> Result<(), JournalError> {
    tx.run(
        "UPDATE step SET state = 'cancelled' WHERE id = ?1 AND part = 'notice'
           AND EXISTS (SELECT 1 FROM request WHERE id = ?1 >> 8 AND replaced_by IS NOT NULL)",
        [step],
    )
    .map(drop)
}

/// The lane gives up on a step; a working request is stuck with it.
pub(super) fn stick_step(tx: &mut Tx<'_>, id: i64, fault: &Fault) -> Result<(), JournalError> {
    let now = tx.micros();
    tx.run(
        "UPDATE step SET state = 'stuck', fault = ?2, fault_class = ?3, uncertain = max(uncertain, ?4), stuck_at = ?5,
           restored = CASE WHEN restored = 1 AND verb = 'apply' AND ?3 = 'conflict' THEN 2 ELSE restored END WHERE id = ?1",
        (id, &fault.message, fault.class.as_str(), fault.class == FaultClass::Unknown, now),
    )?;
    let request = id >> 8;
    let (uid, state, lane, verb, part): (uuid::Uuid, String, String, String, String) = tx
        .row(
            "SELECT r.uid, r.state, s.lane, s.verb, s.part FROM step s JOIN request r ON r.id = s.id >> 8 WHERE s.id = ?1",
            [id],
            |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?)),
        )?
        .ok_or_else(|| JournalError::Internal(format!("step {id} is gone")))?;
    tx.wake(super::operator::LANE);
    tx.event(uid.as_bytes(), "stuck", &serde_json::json!({"verb": verb, "lane": lane, "fault": fault.class.as_str()}))?;
    let carries = matches!(
        (State::from_word(&state), part.as_str()),
        (Some(State::Working), "plan") | (Some(State::Withdrawing), "undo")
    );
    if carries {
        tx.move_request(request, Move::GiveUp, "a lane gave up")?;
        if part == "plan" && verb == Verb::Deliver.as_str() {
            begin_asides(tx, request)?;
        }
    } else {
        register::report(tx, request)?;
    }
    Ok(())
}

/// A channel will not take a notice: the next one of the step's own list is to.
pub(super) fn pass_on(tx: &mut Tx<'_>, id: i64, to: &str, flow: i64, fault: &Fault) -> Result<(), JournalError> {
    let (lane, detail, uid): (String, String, uuid::Uuid) = tx
        .row(
            "SELECT s.lane, s.detail, r.uid FROM step s JOIN request r ON r.id = s.id >> 8 WHERE s.id = ?1",
            [id],
            |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
        )?
        .ok_or_else(|| JournalError::Internal(format!("step {id} is gone")))?;
    let mut detail: StepDetail = serde_json::from_str(&detail)?;
    if detail.next.first().is_none_or(|next| next != to) {
        return stick_step(tx, id, fault);
    }
    detail.next.remove(0);
    detail.refused.push(Refused { channel: lane.clone(), fault: fault.message.clone() });
    tx.run(
        "UPDATE step SET lane = ?2, detail = ?3, first_at = NULL, fault = NULL, fault_class = NULL WHERE id = ?1",
        (id, to, serde_json::to_string(&detail)?),
    )?;
    make_ready(tx, id, to, flow)?;
    let detail = serde_json::json!({"from": lane, "to": to, "fault": fault.class.as_str()});
    tx.event(uid.as_bytes(), "passed-on", &detail).map(drop)
}

/// Whether another request works on the same account: this one then waits for its end. At a release the other one may be the
/// younger.
pub(super) fn waits_for_account(tx: &mut Tx<'_>, request: i64) -> Result<bool, JournalError> {
    let earlier: Option<i64> = tx.row(
        "SELECT o.id FROM request r JOIN request o ON o.account = r.account AND o.id <> r.id
           AND o.state IN ('working', 'waiting', 'stuck', 'withdrawing') WHERE r.id = ?1 LIMIT 1",
        [request],
        |row| row.get(0),
    )?;
    Ok(earlier.is_some())
}

/// The last step is done: the register gets its final word, the secret is wiped, and the next request for the account starts.
pub(super) fn finish(tx: &mut Tx<'_>, request: i64) -> Result<(), JournalError> {
    let (state, action, account): (String, String, Option<uuid::Uuid>) = tx
        .row("SELECT state, action, account FROM request WHERE id = ?1", [request], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        })?
        .ok_or_else(|| JournalError::Internal(format!("request number {request} is gone")))?;
    let action: Action = from_word(&action)?;
    tx.run("DELETE FROM secret WHERE request = ?1", [request])?;
    if State::from_word(&state) == Some(State::Withdrawing) {
        register::void(tx, request)?;
        tx.move_request(request, Move::Undone, "nothing is left to undo")?;
    } else {
        register::enter(tx, request, action, account)?;
        tx.move_request(request, Move::Finish, "every step is done")?;
    }
    next_for_account(tx, account)
}

/// Starts the earliest request that waits for the account; none where another one has begun: who ended was then itself waiting.
fn next_for_account(tx: &mut Tx<'_>, account: Option<uuid::Uuid>) -> Result<(), JournalError> {
    let next: Option<i64> = tx
        .row(
            "SELECT min(r.id) FROM request r
             WHERE r.account = ?1 AND r.state IN ('working', 'waiting', 'stuck', 'withdrawing') AND NOT EXISTS (
               SELECT 1 FROM request o JOIN step s ON s.id BETWEEN o.id << 8 AND o.id << 8 | 255
               WHERE o.account = ?1 AND o.state IN ('working', 'waiting', 'stuck', 'withdrawing')
                 AND s.part <> 'notice' AND s.state NOT IN ('blocked', 'cancelled'))",
            [account],
            |row| row.get(0),
        )?
        .flatten();
    match next {
        Some(next) => advance(tx, next).map(drop),
        None => Ok(()),
    }
}

/// Begins a withdrawal: what is not in flight is cancelled; what may have been made gets its undo steps, last made first.
pub(super) fn withdraw(tx: &mut Tx<'_>, request: i64) -> Result<(), JournalError> {
    let (action, state): (String, String) = tx
        .row("SELECT action, state FROM request WHERE id = ?1", [request], |row| Ok((row.get(0)?, row.get(1)?)))?
        .ok_or_else(|| JournalError::Internal(format!("request number {request} is gone")))?;
    let stays = register::stays_as_it_is(tx, request)?;
    if let Some(why) = state::why_not_withdrawn(from_word(&state)?, from_word(&action)?, stays) {
        return Err(JournalError::Refused(why));
    }
    tx.move_request(request, Move::Withdraw, "order")?;
    cancel(tx, request)?;
    settle_withdrawal(tx, request)
}

/// A step at a target where nothing was written in this journal's life, since the journal was put back: it was given up before, or
/// found the account as wanted. What stands there may be in use for long, and only the forgotten part of the record says whose it is.
const NOT_OURS: &str = "(s.verb = 'apply' AND (s.state = 'cancelled' AND s.restored <> 0 OR s.restored = 4))";

/// Where a withdrawal leaves alone what may stand there, after the journal was put back: names of targets.
pub(super) fn left_alone(tx: &mut Tx<'_>, request: i64) -> Result<Vec<String>, JournalError> {
    tx.rows(
        &format!(
            "SELECT s.lane FROM step s JOIN request r ON r.id = s.id >> 8
             WHERE s.id BETWEEN ?1 << 8 AND ?1 << 8 | 255 AND r.action = 'create' AND {NOT_OURS} ORDER BY s.id"
        ),
        [request],
        |row| row.get(0),
    )
}

fn running(tx: &mut Tx<'_>, request: i64) -> Result<i64, JournalError> {
    Ok(tx
        .row(
            "SELECT count(*) FROM step WHERE id BETWEEN ?1 << 8 AND ?1 << 8 | 255 AND state = 'running'",
            [request],
            |row| row.get(0),
        )?
        .unwrap_or(0))
}

/// Of step `s`: it tells somebody aside of what was carried out.
pub(super) const ASIDE: &str =
    "(CASE WHEN json_valid(s.detail) THEN coalesce(s.detail ->> '$.aside', 0) ELSE 0 END AND s.part = 'notice')";

/// Whether a step is none of the undo steps of a request that is being withdrawn, and none that tells of what was carried out.
pub(super) fn is_taken_back(tx: &mut Tx<'_>, step: i64) -> Result<bool, JournalError> {
    let found: Option<i64> = tx.row(
        &format!(
            "SELECT s.id FROM step s JOIN request r ON r.id = s.id >> 8
             WHERE s.id = ?1 AND s.part <> 'undo' AND NOT {ASIDE} AND r.state = 'withdrawing'"
        ),
        [step],
        |row| row.get(0),
    )?;
    Ok(found.is_some())
}

/// Whether a withdrawal has come as far as its undo steps.
pub(super) fn undo_is_planned(tx: &mut Tx<'_>, request: i64) -> Result<bool, JournalError> {
    let planned: Option<i64> = tx.row(
        "SELECT id FROM step WHERE id BETWEEN ?1 << 8 AND ?1 << 8 | 255 AND part = 'undo' LIMIT 1",
        [request],
        |row| row.get(0),
    )?;
    Ok(planned.is_some())
}

/// Of a request that is being withdrawn: once nothing is in flight, plans the undo steps.
pub(super) fn settle_withdrawal(tx: &mut Tx<'_>, request: i64) -> Result<(), JournalError> {
    let state: Option<String> = tx.row("SELECT state FROM request WHERE id = ?1", [request], |row| row.get(0))?;
    if state.as_deref() != Some(State::Withdrawing.as_str()) {
        return Ok(());
    }
    if undo_is_planned(tx, request)? || running(tx, request)? > 0 {
        return Ok(());
    }
    cancel(tx, request)?;
    let touched: Vec<(String, String)> = tx.rows(
        &format!(
            "SELECT s.lane, s.detail FROM step s JOIN request r ON r.id = s.id >> 8
             WHERE s.id BETWEEN ?1 << 8 AND ?1 << 8 | 255 AND s.attempts > 0 AND r.action = 'create' AND NOT {NOT_OURS}
               AND s.verb = 'apply' ORDER BY s.id DESC"
        ),
        [request],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )?;
    let last: i64 = tx
        .row("SELECT max(id) & 255 FROM step WHERE id BETWEEN ?1 << 8 AND ?1 << 8 | 255", [request], |row| row.get(0))?
        .unwrap_or(0);
    for (place, (lane, detail)) in touched.into_iter().enumerate() {
        let id = step_id(request, usize::try_from(last).unwrap_or(0) + 1 + place)?;
        tx.run(
            "INSERT INTO step (id, part, lane, verb, detail, state) VALUES (?1, 'undo', ?2, 'undo', ?3, 'blocked')",
            (id, lane, detail),
        )?;
    }
    advance(tx, request).map(drop)
}
