//! One order for what an outage left stuck: `akund retry --lane L --since T`.
//!
//! It is carried out in pieces of `PIECE` steps, each in a commit of its own, between which others write; a crash leaves the order
//! new, and the rest is moved at the next start. What becomes stuck again meanwhile is not moved again: only what was stuck
//! when the order was given is meant.
//!
//! Documents are tried again at this outlet only: what is kept back at another, since the journal was put back, stays so.
//!
//! Left alone: what was stuck before T; and notices of which it is not known whether they were sent (an SMS whose answer was lost,
//! a notice from before a backup), unless the order says so.

use super::read::Reader;
use super::tx::Tx;
use super::{JournalError, orders, post, restored};
use jiff::Timestamp;
use rusqlite::Connection;
use serde::{Deserialize, Serialize};

/// Steps in one commit.
const PIECE: i64 = 500;

/// What is meant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outage {
    /// The lane: a target, a channel, or an outlet of outcome documents (a webhook, a queue).
    pub lane: String,
    /// What has been stuck since then.
    pub since: Timestamp,
    /// Also notices that may have been sent already.
    #[serde(default)]
    pub uncertain: bool,
}

/// Steps of one kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Kind {
    /// apply, prove, deliver …; `document` for an outcome document.
    pub verb: String,
    /// The class of the last fault.
    pub fault: String,
    /// How many.
    pub count: u64,
}

/// What an order would come to.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Counted {
    /// Tried again, by kind.
    pub again: Vec<Kind>,
    /// Left alone: notices and documents that may have been sent already.
    pub uncertain: u64,
    /// Left alone: stuck before that time.
    pub earlier: u64,
}

impl Counted {
    /// How many are tried again.
    pub fn total(&self) -> u64 {
        self.again.iter().map(|kind| kind.count).sum()
    }
}

/// Since when a step is stuck: journals of before schema 10 know only when it was last tried.
const STUCK_AT: &str = "coalesce(s.stuck_at, s.claimed_at, s.first_at, 0)";
/// A notice of which it is not known whether it was sent.
pub(super) const UNCERTAIN: &str =
    "(s.verb = 'deliver' AND (s.uncertain OR s.fault_class = 'unknown' OR s.restored = 1))";

impl Reader {
    /// What is stuck in a lane now, and would be tried again.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub fn count_outage(&self, outage: &Outage) -> Result<Counted, JournalError> {
        let snapshot = self.connection.unchecked_transaction()?;
        let counted = count(&self.connection, outage)?;
        snapshot.finish()?;
        Ok(counted)
    }
}

fn count(connection: &Connection, outage: &Outage) -> Result<Counted, JournalError> {
    let since = outage.since.as_microsecond();
    let mut counted = Counted::default();
    let mut kinds = connection.prepare(&format!(
        "SELECT s.verb, coalesce(s.fault_class, ''), count(*), {STUCK_AT} >= ?2, {UNCERTAIN} FROM step s
         WHERE s.lane = ?1 AND s.state = 'stuck' GROUP BY 1, 2, 4, 5 ORDER BY 1, 2"
    ))?;
    let mut rows = kinds.query((&outage.lane, since))?;
    while let Some(row) = rows.next()? {
        let kind = Kind { verb: row.get(0)?, fault: row.get(1)?, count: row.get::<_, i64>(2)?.unsigned_abs() };
        counted.add(kind, row.get(3)?, row.get(4)?, outage);
    }
    let mut documents = connection.prepare(
        "SELECT coalesce(fault_class, ''), count(*), stuck_at >= ?2, restored = 1 FROM posting
         WHERE outlet = ?1 AND state = 'stuck' GROUP BY 1, 3, 4 ORDER BY 1",
    )?;
    let mut rows = documents.query((&outage.lane, since))?;
    while let Some(row) = rows.next()? {
        let count = row.get::<_, i64>(1)?.unsigned_abs();
        let kind = Kind { verb: "document".into(), fault: row.get(0)?, count };
        counted.add(kind, row.get::<_, Option<bool>>(2)?.unwrap_or(false), row.get(3)?, outage);
    }
    Ok(counted)
}

impl Counted {
    fn add(&mut self, kind: Kind, recent: bool, uncertain: bool, outage: &Outage) {
        match (recent, uncertain && !outage.uncertain) {
            (false, _) => self.earlier += kind.count,
            (true, true) => self.uncertain += kind.count,
            (true, false) => match self.again.iter_mut().find(|k| k.verb == kind.verb && k.fault == kind.fault) {
                Some(known) => known.count += kind.count,
                None => self.again.push(kind),
            },
        }
    }
}

/// Moves the next piece. A sentence once nothing is left of it; none: call again.
pub(super) fn carry_out(tx: &mut Tx<'_>, order: i64, argument: &str) -> Result<Option<String>, JournalError> {
    let outage: Outage = serde_json::from_str(argument)?;
    let (given, before): (i64, i64) = tx
        .row("SELECT at, coalesce(CAST(result AS INTEGER), 0) FROM orders WHERE id = ?1", [order], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })?
        .unwrap_or((tx.micros(), 0));
    let moved = steps(tx, &outage, given)? + documents(tx, &outage, given)?;
    let all = before + moved;
    if moved >= PIECE {
        tx.run("UPDATE orders SET result = ?2 WHERE id = ?1", (order, all.to_string()))?;
        return Ok(None);
    }
    if all == 0 {
        return Err(JournalError::Refused(format!(
            "nothing of lane {} that has been stuck since {} can be tried again; `--dry-run` says what is left alone",
            outage.lane, outage.since
        )));
    }
    Ok(Some(format!("{all} stuck steps of lane {} are tried again", outage.lane)))
}

fn steps(tx: &mut Tx<'_>, outage: &Outage, given: i64) -> Result<i64, JournalError> {
    let stuck: Vec<(i64, String, i64)> = tx.rows(
        &format!(
            "SELECT s.id, s.part, r.flow FROM step s JOIN request r ON r.id = s.id >> 8
             WHERE s.lane = ?1 AND s.state = 'stuck' AND {STUCK_AT} >= ?2 AND {STUCK_AT} <= ?3 AND (?4 OR NOT {UNCERTAIN})
             ORDER BY s.id LIMIT ?5"
        ),
        (&outage.lane, outage.since.as_microsecond(), given, outage.uncertain, PIECE),
        |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
    )?;
    for (step, part, flow) in &stuck {
        restored::ordered(tx, step >> 8)?;
        // Those of the same request and lane that come later are meant, too.
        tx.run(
            "UPDATE step SET restored = 0 WHERE id BETWEEN ?1 << 8 AND ?1 << 8 | 255 AND lane = ?2 AND verb = 'deliver'",
            (step >> 8, &outage.lane),
        )?;
        orders::try_again(tx, *step, &outage.lane, part, *flow)?;
    }
    Ok(i64::try_from(stuck.len()).unwrap_or(i64::MAX))
}

fn documents(tx: &mut Tx<'_>, outage: &Outage, given: i64) -> Result<i64, JournalError> {
    let Outage { lane, since, uncertain } = outage;
    let posts: Vec<i64> = tx.rows(
        "SELECT request FROM posting WHERE outlet = ?1 AND state = 'stuck' AND stuck_at BETWEEN ?2 AND ?3
           AND (?4 OR restored <> 1) ORDER BY request LIMIT ?5",
        (lane, since.as_microsecond(), given, uncertain, PIECE),
        |row| row.get(0),
    )?;
    let sent = if *uncertain { post::Sent::Perhaps } else { post::Sent::Surely };
    for request in &posts {
        post::retry(tx, *request, post::Which::At(lane, sent))?;
    }
    Ok(i64::try_from(posts.len()).unwrap_or(i64::MAX))
}

/// Whether an order of this kind has only been carried out in part.
pub(super) fn is_under_way(tx: &mut Tx<'_>) -> Result<bool, JournalError> {
    let found = tx.row("SELECT 1 FROM orders WHERE state = 'new' AND verb = 'retry-lane' LIMIT 1", [], |_| Ok(()))?;
    Ok(found.is_some())
}
