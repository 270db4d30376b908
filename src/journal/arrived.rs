//! An order that says of a notice whose fate is not known that it arrived: it counts as handed over, and its request goes on.
//!
//! Meant are only notices that are stuck and may have been taken (an SMS whose answer was lost, a notice that may have been sent after
//! the backup that was put back). What a channel has refused did not arrive, whatever somebody says; nor did a password that was
//! minted after the journal was put back (`restored::MINTED_SINCE`): what the recipient may have got is another, and opens nothing.

use super::bulk::UNCERTAIN;
use super::state::Move;
use super::tx::Tx;
use super::{JournalError, course, register, restored};
use crate::model::{StepDetail, Verb};
use serde::{Deserialize, Serialize};

/// What has arrived.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Arrived {
    /// The request's reference.
    pub request: String,
    /// Only what went by this channel; needed where notices at several channels are meant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel: Option<String>,
}

/// A stuck notice that may have been taken; or one of which only a person can say that nobody waits for it any more.
struct Uncertain {
    step: i64,
    lane: String,
    part: String,
    attempts: u32,
    what: String,
    /// What may have been taken is an earlier one, with another password.
    minted_since: bool,
    /// A holder's notice that was refused: a person told the holder.
    refused: bool,
}

/// Carries the order out: what was counted as handed over.
pub(super) fn carry_out(
    tx: &mut Tx<'_>,
    order: i64,
    request: i64,
    channel: Option<&str>,
) -> Result<String, JournalError> {
    let all = uncertain(tx, request)?;
    let named = |one: &&Uncertain| channel.is_none_or(|channel| channel == one.lane);
    let (unsent, mut meant): (Vec<&Uncertain>, Vec<&Uncertain>) =
        all.iter().filter(named).partition(|one| one.minted_since);
    // What was refused is not what somebody has got, where another notice may have been taken.
    if meant.iter().any(|one| !one.refused) {
        meant.retain(|one| !one.refused);
    }
    let at = |notices: &[&Uncertain]| {
        notices.iter().map(|one| format!("{} at {}", one.what, one.lane)).collect::<Vec<_>>().join(", ")
    };
    if meant.is_empty() && !unsent.is_empty() {
        return Err(JournalError::Refused(format!(
            "{}: the password was made after the journal was put back, and was sent to nobody: whatever has arrived before has another one, \
             which does not open the account; `akund retry` sends it",
            at(&unsent)
        )));
    }
    if meant.is_empty() {
        let there = match all.is_empty() {
            true => String::new(),
            false => format!("; there is {}", at(&all.iter().collect::<Vec<_>>())),
        };
        return Err(JournalError::Refused(format!("it has no stuck notice that may have been taken{there}")));
    }
    if meant.iter().any(|one| one.lane != meant[0].lane) {
        return Err(JournalError::Refused(format!("say by --channel which has arrived: {}", at(&meant))));
    }
    let uid: Option<uuid::Uuid> = tx.row("SELECT uid FROM request WHERE id = ?1", [request], |row| row.get(0))?;
    for one in &meant {
        let now = tx.micros();
        tx.run(
            "UPDATE step SET state = 'done', done_at = ?2, note = ?3, fault = NULL, fault_class = NULL, stuck_at = NULL,
               uncertain = 0, restored = 0 WHERE id = ?1",
            (one.step, now, format!("it arrived, by order {order}")),
        )?;
        let detail = serde_json::json!({
            "verb": Verb::Deliver.as_str(), "lane": one.lane, "attempt": one.attempts, "proof": null, "order": order,
        });
        tx.event(uid.as_ref().map_or(&[][..], |uid| uid.as_bytes()), "done", &detail)?;
        register::done(tx, request, &one.lane, Verb::Deliver, None, None, None)?;
    }
    if meant.iter().any(|one| one.part == "plan") && !still_stuck(tx, request)? {
        tx.move_request(request, Move::Retry, "order")?;
        course::advance(tx, request)?;
    }
    register::report(tx, request)?;
    Ok(at(&meant))
}

fn uncertain(tx: &mut Tx<'_>, request: i64) -> Result<Vec<Uncertain>, JournalError> {
    type Row = (i64, String, String, u32, String, bool, bool);
    let found: Vec<Row> = tx.rows(
        &format!(
            "SELECT s.id, s.lane, s.part, s.attempts, s.detail, {}, NOT ({UNCERTAIN}) FROM step s
             WHERE s.id BETWEEN ?1 << 8 AND ?1 << 8 | 255 AND s.state = 'stuck' AND ({UNCERTAIN} OR {}) ORDER BY s.id",
            restored::MINTED_SINCE,
            course::ASIDE
        ),
        [request],
        |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?, row.get(6)?)),
    )?;
    let read = |(step, lane, part, attempts, detail, minted_since, refused): Row| {
        let detail: StepDetail = serde_json::from_str(&detail)?;
        let what = detail.notice.map_or("a notice", |notice| notice.as_str()).to_owned();
        Ok(Uncertain { step, lane, part, attempts, what, minted_since, refused })
    };
    found.into_iter().map(read).collect()
}

fn still_stuck(tx: &mut Tx<'_>, request: i64) -> Result<bool, JournalError> {
    let found: Option<i64> = tx.row(
        "SELECT id FROM step WHERE id BETWEEN ?1 << 8 AND ?1 << 8 | 255 AND part = 'plan' AND state = 'stuck' LIMIT 1",
        [request],
        |row| row.get(0),
    )?;
    Ok(found.is_some())
}

/// The order, of its argument.
pub(super) fn read(argument: &str) -> Result<Arrived, JournalError> {
    Ok(serde_json::from_str(argument)?)
}
