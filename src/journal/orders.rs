//! Orders: what operators' commands ask of the daemon. A command writes the order; the daemon, woken by its
//! socket or at its next start, carries it out and writes what came of it.

use super::arrived::Arrived;
use super::letters::{self, Kept, KeptLetters, NewLetter};
use super::officials::{self, InForce};
use super::state::{Move, State, why_not_withdrawn};
use super::tx::{Tx, from_word};
use super::{
    Journal, JournalError, arrived, audit, bulk, course, holdings, post, read, reconcile, register, restored, schema,
};
use crate::model::HoldReason;
use crate::model::entry::Import;
use rusqlite::{Connection, OpenFlags, OptionalExtension};
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::sync::Arc;

/// What can be ordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OrderVerb {
    /// Try a stuck request's step again.
    Retry,
    /// Try again what an outage left stuck in a lane ([`super::bulk`]).
    RetryLane,
    /// Let a request go that is held for review, or that waits for its signed letter.
    Release,
    /// Hand out a new password for what a request made.
    Redeliver,
    /// Count a notice as handed over of which it is not known whether it was taken ([`super::arrived`]).
    Arrived,
    /// Undo what a request made and end it.
    Withdraw,
    /// Let a lane claim nothing (all lanes, without an argument).
    Pause,
    /// Let it claim again.
    Unpause,
    /// Enter accounts into the register that akund has not made.
    Import,
    /// Write accounts at targets as the register has them.
    Reconcile,
}

impl OrderVerb {
    /// The word in journal, events and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Retry => "retry",
            Self::RetryLane => "retry-lane",
            Self::Release => "release",
            Self::Redeliver => "redeliver",
            Self::Arrived => "arrived",
            Self::Withdraw => "withdraw",
            Self::Pause => "pause",
            Self::Unpause => "unpause",
            Self::Import => "import",
            Self::Reconcile => "reconcile",
        }
    }
}

/// An order as a command gives it.
#[derive(Debug, Clone)]
pub struct NewOrder {
    /// The login uid (proc(5), `loginuid`), which `su` and `sudo` do not change; none where the kernel keeps none.
    pub login_uid: Option<u32>,
    /// That user's name, for people.
    pub login: String,
    /// What.
    pub verb: OrderVerb,
    /// The request's reference, or the lane; may be empty with pause and unpause. With import, the list's name and digest;
    /// with retry-lane, [`super::bulk::Outage`] as JSON; with arrived, [`super::arrived::Arrived`].
    pub argument: String,
    /// Why.
    pub reason: String,
    /// With [`OrderVerb::Release`]: the signed letter that the request waits for.
    pub letter: Option<NewLetter>,
}

/// What came of an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OrderResult {
    /// Its number.
    pub order: i64,
    /// `new` (not yet carried out), `done` or `refused`.
    pub state: String,
    /// A sentence.
    pub result: String,
}

/// Opens the journal to place an order in it.
pub(super) fn connect(path: &Path) -> Result<Connection, JournalError> {
    let unusable = |cause: String| JournalError::Unusable { path: path.to_owned(), cause };
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(|error| unusable(error.to_string()))?;
    connection.busy_timeout(std::time::Duration::from_secs(10))?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    let version: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    if version != schema::VERSION {
        return Err(unusable(format!("it has schema {version}, and this akund writes {}", schema::VERSION)));
    }
    Ok(connection)
}

/// Writes an order into the journal; its number.
///
/// # Errors
/// Where the journal cannot be opened or written.
pub fn place(path: &Path, order: &NewOrder) -> Result<i64, JournalError> {
    place_import(path, order, &[])
}

/// As [`place`], with the accounts that are to be imported.
///
/// # Errors
/// As [`place`].
pub fn place_import(path: &Path, order: &NewOrder, imports: &[Import]) -> Result<i64, JournalError> {
    place_rows(path, order, &imports.iter().map(serde_json::to_string).collect::<Result<Vec<_>, _>>()?)
}

/// As [`place`], with what it is about, row by row, each a JSON document; forgotten when the order is carried out.
///
/// # Errors
/// As [`place`].
pub fn place_rows(path: &Path, order: &NewOrder, rows: &[String]) -> Result<i64, JournalError> {
    let mut connection = connect(path)?;
    let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    transaction.execute(
        "INSERT INTO orders (at, login_uid, login, verb, argument, reason) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        (
            jiff::Timestamp::now().as_microsecond(),
            order.login_uid,
            &order.login,
            order.verb.as_str(),
            &order.argument,
            &order.reason,
        ),
    )?;
    let number = transaction.last_insert_rowid();
    for (row, entry) in rows.iter().enumerate() {
        transaction.prepare_cached("INSERT INTO import (orders, row, entry) VALUES (?1, ?2, ?3)")?.execute((
            number,
            i64::try_from(row).unwrap_or(i64::MAX),
            entry,
        ))?;
    }
    if let Some(NewLetter { signed, bytes }) = &order.letter {
        transaction.execute(
            "INSERT INTO brought (ordered, number, role, signed_on, letter) VALUES (?1, ?2, ?3, ?4, ?5)",
            (number, &signed.number, &signed.role, signed.on.to_string(), bytes),
        )?;
    }
    transaction.commit()?;
    Ok(number)
}

/// What came of an order so far.
///
/// # Errors
/// Where it cannot be read.
pub fn result(path: &Path, order: i64) -> Result<OrderResult, JournalError> {
    let reader = read::Reader::open(path)?;
    reader
        .connection
        .query_row("SELECT state, coalesce(result, '') FROM orders WHERE id = ?1", [order], |row| {
            Ok(OrderResult { order, state: row.get(0)?, result: row.get(1)? })
        })
        .optional()?
        .ok_or_else(|| JournalError::NotFound(format!("there is no order number {order}")))
}

/// An order that was carried out (or refused) just now; for the log and the metrics.
#[derive(Debug, Clone)]
pub struct CarriedOut {
    /// What was ordered.
    pub verb: OrderVerb,
    /// Whether it was done.
    pub done: bool,
    /// A sentence.
    pub result: String,
    /// By whom.
    pub login: String,
}

/// What can be paused.
#[derive(Debug, Clone, Default)]
pub struct Lanes {
    /// Every lane there is.
    pub lanes: Vec<String>,
    /// Every outlet of outcome documents, which is paused as a lane is.
    pub outlets: Vec<String>,
}

impl From<Vec<String>> for Lanes {
    fn from(lanes: Vec<String>) -> Self {
        Self { lanes, outlets: Vec::new() }
    }
}

impl Journal {
    /// Carries out every new order. `lanes` are those that exist; `procedures` is what is needed of them for retry and redeliver; `kept`
    /// are the signed letters that lie in the spool: an order that brings one which does not yet stays new.
    ///
    /// # Errors
    /// Where nothing could be written.
    pub async fn carry_out_orders(
        &self,
        lanes: impl Into<Lanes>,
        procedures: Option<Arc<InForce>>,
        kept: KeptLetters,
    ) -> Result<Vec<CarriedOut>, JournalError> {
        let lanes = Arc::new(lanes.into());
        let mut done = Vec::new();
        loop {
            let (lanes, procedures, kept) = (lanes.clone(), procedures.clone(), kept.clone());
            let operation = move |tx: &mut Tx<'_>| {
                let done = carry_out(tx, &lanes, procedures.as_deref(), &kept)?;
                Ok((done, bulk::is_under_way(tx)?, restored::standing(tx)?))
            };
            let (some, more, hold) = self.call(operation).await?;
            done.extend(some);
            self.holds(hold);
            if !more {
                break;
            }
            crate::crash::point("order-in-part");
        }
        if done.iter().any(|order| order.done && matches!(order.verb, OrderVerb::Pause | OrderVerb::Unpause)) {
            self.ring_all();
        }
        Ok(done)
    }
}

fn carry_out(
    tx: &mut Tx<'_>,
    lanes: &Lanes,
    procedures: Option<&InForce>,
    kept: &KeptLetters,
) -> Result<Vec<CarriedOut>, JournalError> {
    let new: Vec<(i64, Option<u32>, String, String, String, String)> = tx.rows(
        "SELECT id, login_uid, login, verb, argument, reason FROM orders WHERE state = 'new' ORDER BY id",
        [],
        |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?)),
    )?;
    let mut all = Vec::with_capacity(new.len());
    for (id, login_uid, login, verb, argument, reason) in new {
        let Ok(verb) = from_word::<OrderVerb>(&verb) else {
            let now = tx.micros();
            tx.run(
                "UPDATE orders SET state = 'refused', result = ?2, done_at = ?3 WHERE id = ?1",
                (id, format!("this akund knows no order `{verb}`"), now),
            )?;
            continue;
        };
        let order = One { id, verb, argument: &argument, reason: &reason, lanes, procedures, kept: kept.get(&id) };
        let outcome = tx.savepoint(|tx| match verb {
            OrderVerb::Redeliver => anew(tx, id, &argument, procedures).map(Some),
            OrderVerb::RetryLane => {
                bulk::carry_out(tx, id, &argument).map(|done| done.map(|result| (Vec::new(), result)))
            }
            OrderVerb::Import => holdings::import(tx, id).map(|result| Some((Vec::new(), result))),
            OrderVerb::Reconcile => reconcile::carry_out(tx, id, &lanes.lanes).map(|result| Some((Vec::new(), result))),
            OrderVerb::Arrived => arrived(tx, id, &argument).map(Some),
            _ => one(tx, &order),
        });
        let (subject, done, result) = match outcome {
            Ok(Some((subject, result))) => (subject, true, result),
            Ok(None) => continue,
            Err(error) if tx.fatal.is_some() => return Err(error),
            // One order that cannot be carried out must not keep the others waiting.
            Err(error) => (Vec::new(), false, error.to_string()),
        };
        letters::forget(tx, id)?;
        let now = tx.micros();
        tx.run(
            "UPDATE orders SET state = ?2, result = ?3, done_at = ?4 WHERE id = ?1",
            (id, if done { "done" } else { "refused" }, &result, now),
        )?;
        let lane = matches!(verb, OrderVerb::Pause | OrderVerb::Unpause).then_some(argument.as_str());
        let (by, why) = audit::said(tx.name_salt(), id, &login, &reason);
        tx.event(
            &subject,
            "order",
            &serde_json::json!({
                "order": id, "verb": verb.as_str(), "lane": lane, "login_uid": login_uid, "by": by, "why": why,
                "done": done,
            }),
        )?;
        all.push(CarriedOut { verb, done, result, login });
    }
    Ok(all)
}

fn anew(
    tx: &mut Tx<'_>,
    order: i64,
    argument: &str,
    procedures: Option<&InForce>,
) -> Result<(Vec<u8>, String), JournalError> {
    let request = tx.resolve(argument)?;
    let judge = procedures.map(|procedures| procedures.judge.as_ref());
    let key = super::redeliver::redeliver(tx, request, order, judge)?;
    let uid: Option<uuid::Uuid> = tx.row("SELECT uid FROM request WHERE id = ?1", [request], |row| row.get(0))?;
    let subject = uid.map(|uid| uid.as_bytes().to_vec()).unwrap_or_default();
    Ok((subject, format!("`{key}` hands out a new password to the same people")))
}

fn arrived(tx: &mut Tx<'_>, order: i64, argument: &str) -> Result<(Vec<u8>, String), JournalError> {
    let Arrived { request: reference, channel } = arrived::read(argument)?;
    let request = tx.resolve(&reference)?;
    let counted = arrived::carry_out(tx, order, request, channel.as_deref())?;
    restored::ordered(tx, request)?;
    let (uid, state): (uuid::Uuid, String) = tx
        .row("SELECT uid, state FROM request WHERE id = ?1", [request], |row| Ok((row.get(0)?, row.get(1)?)))?
        .ok_or_else(|| JournalError::NotFound(format!("no request is called `{reference}`")))?;
    Ok((uid.as_bytes().to_vec(), format!("`{reference}` is {state} now; counted as arrived: {counted}")))
}

/// One order, and what carrying it out needs.
struct One<'o> {
    id: i64,
    verb: OrderVerb,
    argument: &'o str,
    reason: &'o str,
    lanes: &'o Lanes,
    procedures: Option<&'o InForce>,
    kept: Option<&'o Kept>,
}

/// The request that it was about, and a sentence; none where it cannot be carried out yet.
fn one(tx: &mut Tx<'_>, order: &One<'_>) -> Result<Option<(Vec<u8>, String)>, JournalError> {
    let One { verb, argument, reason, lanes, .. } = *order;
    if matches!(verb, OrderVerb::Pause | OrderVerb::Unpause) {
        return pause(tx, verb == OrderVerb::Pause, argument, reason, lanes).map(|result| Some((Vec::new(), result)));
    }
    let request = tx.resolve(argument)?;
    let (uid, state, hold, action): (uuid::Uuid, String, Option<String>, String) = tx
        .row("SELECT uid, state, hold, action FROM request WHERE id = ?1", [request], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
        })?
        .ok_or_else(|| JournalError::NotFound(format!("no request is called `{argument}`")))?;
    let mut rest = String::new();
    match verb {
        OrderVerb::Retry => {
            let officials = order.procedures.map(|procedures| &procedures.officials);
            let roles =
                officials.map(|officials| officials::readdress(tx, request, order.id, officials)).transpose()?;
            if let Some(roles) = roles.filter(|roles| !roles.is_empty()) {
                rest = format!("; the addresses of {} are the procedure's of today", roles.join(", "));
            }
            if !retry(tx, request)? {
                return Err(JournalError::Refused(format!("the request is {state}, and has no step that is stuck")));
            }
        }
        OrderVerb::Release => match letters::brought(tx, order.id)? {
            None => release(tx, request, &state, hold.as_deref(), argument)?,
            Some((letter, sha256)) => {
                if letters::sign(tx, request, order.id, (&letter, &sha256), order.kept)?.is_none() {
                    return Ok(None);
                }
            }
        },
        // What is being undone already is not begun anew: its stuck undo step is tried again.
        OrderVerb::Withdraw if course::undo_is_planned(tx, request)? => {
            if !retry(tx, request)? {
                let why = why_not_withdrawn(from_word(&state)?, from_word(&action)?, false);
                return Err(JournalError::Refused(why.unwrap_or_else(|| format!("the request is {state} already"))));
            }
        }
        OrderVerb::Withdraw => course::withdraw(tx, request)?,
        OrderVerb::Pause
        | OrderVerb::Unpause
        | OrderVerb::Redeliver
        | OrderVerb::Arrived
        | OrderVerb::Import
        | OrderVerb::Reconcile
        | OrderVerb::RetryLane => {}
    }
    restored::ordered(tx, request)?;
    let state: String =
        tx.row("SELECT state FROM request WHERE id = ?1", [request], |row| row.get(0))?.unwrap_or_default();
    if verb == OrderVerb::Withdraw && register::stays_as_it_is(tx, request)? {
        rest = "; what it has done at a target stays: hand in a new request that says how the account shall be".into();
    }
    if verb == OrderVerb::Withdraw {
        let left = course::left_alone(tx, request)?;
        if !left.is_empty() {
            let places = left.join(" and ");
            rest = format!(
                "; what may stand at {places} is left alone, for akund cannot know whose it is since the journal was put back: \
                 `akund reconcile` shows it"
            );
        }
    }
    Ok(Some((uid.as_bytes().to_vec(), format!("`{argument}` is {state} now{rest}"))))
}

/// Whether anything was stuck.
fn retry(tx: &mut Tx<'_>, request: i64) -> Result<bool, JournalError> {
    let stuck: Vec<(i64, String, String, i64)> = tx.rows(
        "SELECT s.id, s.lane, s.part, r.flow FROM step s JOIN request r ON r.id = s.id >> 8
         WHERE s.id BETWEEN ?1 << 8 AND ?1 << 8 | 255 AND s.state = 'stuck' ORDER BY s.id",
        [request],
        |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)),
    )?;
    // Its outcome document may have been given up on, too.
    let posted = post::retry(tx, request, post::Which::All)?;
    restored::ordered(tx, request)?;
    // Whoever orders that a request goes on means all its notices.
    tx.run("UPDATE step SET restored = 0 WHERE id BETWEEN ?1 << 8 AND ?1 << 8 | 255 AND verb = 'deliver'", [request])?;
    let some = !stuck.is_empty() || posted > 0;
    for (id, lane, part, flow) in stuck {
        try_again(tx, id, &lane, &part, flow)?;
    }
    Ok(some)
}

/// Makes a stuck step ready, and lets its request go on. Of a proof it is what it proves that is done again first: what stands at the
/// target may not be what was written, and a proof alone does not mend that.
pub(super) fn try_again(tx: &mut Tx<'_>, step: i64, lane: &str, part: &str, flow: i64) -> Result<(), JournalError> {
    restored::step_ordered(tx, step)?;
    tx.run("UPDATE step SET first_at = NULL, stuck_at = NULL WHERE id = ?1", [step])?;
    let proven: Option<i64> = tx.row(
        "SELECT a.id FROM step p JOIN step a ON a.id = p.id - 1 AND a.lane = p.lane AND a.part = p.part
         WHERE p.id = ?1 AND p.part = 'plan' AND p.verb = 'prove' AND a.verb = 'apply' AND a.state = 'done' AND a.restored = 0",
        [step],
        |row| row.get(0),
    )?;
    if let Some(apply) = proven {
        tx.run("UPDATE step SET state = 'blocked' WHERE id = ?1", [step])?;
        tx.run("UPDATE step SET first_at = NULL, done_at = NULL WHERE id = ?1", [apply])?;
    }
    course::make_ready(tx, proven.unwrap_or(step), lane, flow)?;
    match part {
        "plan" => tx.move_request(step >> 8, Move::Retry, "order").map(drop),
        "undo" => tx.move_request(step >> 8, Move::Withdraw, "order").map(drop),
        _ => Ok(()),
    }
}

fn release(tx: &mut Tx<'_>, request: i64, state: &str, hold: Option<&str>, argument: &str) -> Result<(), JournalError> {
    if let Some(asked) = letters::asks_for(tx, request, argument)? {
        return Err(JournalError::Refused(asked));
    }
    if state == State::Held.as_str() {
        let reason: Option<HoldReason> = hold.map(from_word).transpose()?;
        if !reason.is_some_and(HoldReason::releasable) {
            return Err(JournalError::Refused(
                "it is held because something is missing; only a higher revision of the request supplies it".into(),
            ));
        }
    }
    tx.move_request(request, Move::Release, "order")?;
    if !course::waits_for_account(tx, request)? {
        course::advance(tx, request)?;
    }
    Ok(())
}

fn pause(tx: &mut Tx<'_>, pause: bool, lane: &str, reason: &str, lanes: &Lanes) -> Result<String, JournalError> {
    let lanes: Vec<&str> = lanes.lanes.iter().chain(&lanes.outlets).map(String::as_str).collect();
    if !lane.is_empty() && !lanes.contains(&lane) {
        return Err(JournalError::NotFound(format!("there is no lane `{lane}`; there are {}", lanes.join(", "))));
    }
    let now = tx.micros();
    if !pause && lane.is_empty() {
        restored::lift(tx)?;
    }
    for name in lanes.into_iter().filter(|name| lane.is_empty() || *name == lane) {
        tx.run(
            "INSERT INTO lane (name, paused, at, reason) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (name) DO UPDATE SET paused = ?2, at = ?3, reason = ?4",
            (name, pause, now, reason),
        )?;
        tx.wake(name);
    }
    let which = if lane.is_empty() { "every lane".to_owned() } else { format!("lane {lane}") };
    Ok(format!("{which} is {}", if pause { "paused" } else { "running" }))
}
