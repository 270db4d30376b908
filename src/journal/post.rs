//! Outcome documents for outlets other than the spool: which are due, and what became of them.
//!
//! A document is put here in the commit that records its outcome file as written, with the very bytes of that file. A newer document
//! of the same request takes the place of one that is still waiting: the newest says all.

use super::paused::is_paused;
use super::read::{LaneStatus, Reader, count, maybe_time};
use super::status::{LaneFault, names};
use super::tx::Tx;
use super::{Journal, JournalError, Settlement, restored};
use crate::model::{Fault, Posting};
use jiff::Timestamp;
use rusqlite::OptionalExtension;
use std::sync::Arc;
use uuid::Uuid;

/// The bell of whoever serves an outlet.
pub fn bell(outlet: &str) -> String {
    format!("post:{outlet}")
}

/// An outlet, and the sources whose requests' documents it takes; none named: all.
pub type Wanted = (String, Vec<String>);

/// One document and what became of it: number, attempt, settlement.
pub type SettledPost = (i64, u32, Settlement);

/// A document that was missing: its number, and its bytes or why they cannot be made.
pub type Made = (i64, Result<Vec<u8>, String>);

/// Most documents that are made at a time, where they are missing.
const MAKE: i64 = 256;

/// What is read of an outlet's documents: how many wait and are stuck, which are to be made, and what its last failure was.
pub(super) const READ: [&str; 3] = [
    "SELECT on_way.ready, on_way.again, on_way.running,
       (SELECT count(*) FROM posting WHERE outlet = ?1 AND state = 'stuck'),
       (SELECT made_at FROM posting WHERE id = on_way.first)
     FROM (SELECT count(*) FILTER (WHERE state = 'ready') AS ready, count(*) FILTER (WHERE state = 'retry') AS again,
         count(*) FILTER (WHERE state = 'running') AS running, min(id) AS first
       FROM posting INDEXED BY posting_open WHERE outlet = ?1 AND state IN ('ready', 'retry', 'running')) on_way",
    "SELECT id, request FROM posting WHERE outlet = ?1 AND body IS NULL AND state <> 'done' ORDER BY id LIMIT ?2",
    "SELECT last.fault_class, last.fault, p.account ->> '$.address', p.account ->> '$.username'
     FROM (SELECT request, fault_class, fault FROM (SELECT request, fault_class, fault FROM posting INDEXED BY posting_open
             WHERE outlet = ?1 AND state IN ('ready', 'retry', 'running') AND fault IS NOT NULL
             ORDER BY due DESC LIMIT 1)
       UNION ALL SELECT request, fault_class, fault FROM (SELECT request, fault_class, fault FROM posting INDEXED BY posting_stuck
             WHERE outlet = ?1 AND state = 'stuck' ORDER BY request DESC LIMIT 1)) last
     LEFT JOIN personal p ON p.request = last.request WHERE last.fault IS NOT NULL LIMIT 1",
];

/// What there is to do at an outlet.
#[derive(Debug, Default)]
pub struct Posts {
    /// To be posted now.
    pub claims: Vec<Posting>,
    /// If there is none: when the next is due.
    pub next_due: Option<Timestamp>,
    /// The outlet is paused: nothing is claimed until it is not.
    pub paused: bool,
}

/// How a document stands at an outlet; for people.
#[derive(Debug, Clone, serde::Serialize)]
pub struct PostStatus {
    /// The outlet.
    pub outlet: String,
    /// Its delivery id.
    pub delivery: String,
    /// ready, retry, running, done or stuck.
    pub state: String,
    /// How often it was tried.
    pub attempts: u32,
    /// When the other system took it.
    pub done_at: Option<Timestamp>,
    /// The last failure, or the other system's answer.
    pub said: Option<String>,
}

impl Reader {
    /// The latest document of a request at each outlet.
    ///
    /// # Errors
    /// Where they cannot be read.
    pub fn posts(&self, request: i64) -> Result<Vec<PostStatus>, JournalError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT outlet, delivery, state, attempts, done_at, coalesce(fault, reply) FROM posting
             WHERE request = ?1 AND id IN (SELECT max(id) FROM posting WHERE request = ?1 GROUP BY outlet) ORDER BY outlet",
        )?;
        let rows = statement.query_map([request], |row| {
            let done: Option<i64> = row.get(4)?;
            Ok(PostStatus {
                outlet: row.get(0)?,
                delivery: row.get(1)?,
                state: row.get(2)?,
                attempts: row.get(3)?,
                done_at: done.and_then(|at| Timestamp::from_microsecond(at).ok()),
                said: row.get(5)?,
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// An outlet as it is now, as [`Reader::lane`] tells it of a lane: its steps are documents. `oldest` is when the first of those was
    /// written that are on their way.
    ///
    /// # Errors
    /// Where they cannot be counted.
    pub fn outlet(&self, outlet: &str) -> Result<LaneStatus, JournalError> {
        let paused = self.is_paused(outlet)?;
        let mut statement = self.connection.prepare_cached(READ[0])?;
        Ok(statement.query_row([outlet], |row| {
            Ok(LaneStatus {
                lane: outlet.to_owned(),
                paused,
                ready: count(row, 0)?,
                retry: count(row, 1)?,
                running: count(row, 2)?,
                stuck: count(row, 3)?,
                oldest: maybe_time(row, 4)?,
            })
        })?)
    }

    /// The failure of an outlet's document that waits for its repetition or for a person; none: all went well, or was made good.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub fn outlet_fault(&self, outlet: &str) -> Result<Option<LaneFault>, JournalError> {
        let mut statement = self.connection.prepare_cached(READ[2])?;
        let row = |row: &rusqlite::Row<'_>| {
            let class = row.get::<_, Option<String>>(0)?.unwrap_or_default();
            Ok(LaneFault { class, fault: row.get(1)?, names: names(row, 2)? })
        };
        Ok(statement.query_row([outlet], row).optional()?)
    }

    /// Makes documents that are missing, as things stand: journals of before schema 12 kept none for a queue's broker.
    ///
    /// # Errors
    /// Where they cannot be read.
    pub fn posts_unmade(&self, outlet: &str) -> Result<Vec<Made>, JournalError> {
        let mut statement = self.connection.prepare_cached(READ[1])?;
        let unmade = statement.query_map((outlet, MAKE), |row| Ok((row.get(0)?, row.get(1)?)))?;
        let unmade = unmade.collect::<Result<Vec<(i64, i64)>, _>>()?;
        let made = |request| self.outcome(request)?.bytes().map_err(JournalError::from);
        Ok(unmade.into_iter().map(|(id, request)| (id, made(request).map_err(|error| error.to_string()))).collect())
    }
}

impl Journal {
    /// Records what became of documents and claims at most `most` more, in one commit; none while the outlet is paused.
    ///
    /// # Errors
    /// Where nothing could be written; the same call may be repeated until it succeeds.
    pub async fn posts(
        &self,
        outlet: &str,
        settled: Arc<Vec<SettledPost>>,
        most: usize,
    ) -> Result<Posts, JournalError> {
        let outlet = outlet.to_owned();
        self.call(move |tx| {
            for (id, attempt, settlement) in settled.iter() {
                settle(tx, *id, *attempt, settlement)?;
            }
            claim(tx, &outlet, most)
        })
        .await
    }

    /// At start: documents that were being posted when akund ended are posted again, with the same delivery id.
    ///
    /// # Errors
    /// Where it could not be written.
    pub async fn recover_posts(&self, outlet: &str) -> Result<usize, JournalError> {
        let outlet = outlet.to_owned();
        self.call(move |tx| {
            let running: Vec<i64> = tx.rows(
                "SELECT id FROM posting WHERE outlet = ?1 AND state IN ('ready', 'retry', 'running') AND state = 'running'",
                [&outlet],
                |row| row.get(0),
            )?;
            for id in &running {
                tx.run("UPDATE posting SET state = 'ready', due = 0 WHERE id = ?1", [id])?;
                yield_to_newer(tx, *id)?;
            }
            Ok(running.len())
        })
        .await
    }

    /// Keeps documents that were made ([`super::read::Reader::posts_unmade`]); what could not be made is stuck, and empty.
    ///
    /// # Errors
    /// Where it could not be written.
    pub async fn posts_made(&self, made: Vec<Made>) -> Result<(), JournalError> {
        self.call(move |tx| {
            for (id, made) in &made {
                match made {
                    Ok(body) => tx.run("UPDATE posting SET body = ?2 WHERE id = ?1 AND body IS NULL", (id, body))?,
                    Err(why) => {
                        stick(tx, *id, &Fault::permanent(why))?;
                        tx.run("UPDATE posting SET body = x'' WHERE id = ?1 AND body IS NULL", [id])?
                    }
                };
            }
            Ok(())
        })
        .await
    }
}

/// Puts a document that was written to the spool on its way to an outlet, in place of every older one that is not being handed over.
pub(super) fn put(
    tx: &mut Tx<'_>,
    outlet: &str,
    request: i64,
    delivery: &str,
    body: &[u8],
) -> Result<(), JournalError> {
    let now = tx.micros();
    let let_go =
        format!("SELECT max(restored) FROM posting WHERE request = ?1 AND outlet = ?2 AND restored = {LET_GO}");
    let let_go: Option<i64> = tx.row(&let_go, (request, outlet), |row| row.get(0))?.flatten();
    tx.run("DELETE FROM posting WHERE request = ?1 AND outlet = ?2 AND state <> 'running'", (request, outlet))?;
    tx.run(
        "INSERT INTO posting (outlet, request, delivery, body, made_at, restored) VALUES (?1, ?2, ?3, ?4, ?5, coalesce(?6, 0))",
        (outlet, request, delivery, body, now, let_go),
    )?;
    tx.wake(&bell(outlet));
    Ok(())
}

/// `posting.restored` of one that an order for its outlet alone let go.
const LET_GO: u8 = 2;

/// There is a newer document of the request for the same outlet.
const OUTDATED: &str = "EXISTS (SELECT 1 FROM posting n WHERE n.request = posting.request AND n.outlet = posting.outlet AND n.id > posting.id)";

/// Which of a request's documents that are stuck.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Which<'w> {
    /// All, at every outlet.
    All,
    /// Those that were kept back since the journal was put back, at every outlet.
    KeptBack,
    /// Those at this outlet. What is kept back at another stays so, and so does what comes there later.
    At(&'w str, Sent),
}

/// Of those at an outlet, also what may have been sent already?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sent {
    /// Only what is known not to have been.
    Surely,
    /// That, too.
    Perhaps,
}

/// Makes stuck documents of a request due again. How many.
pub(super) fn retry(tx: &mut Tx<'_>, request: i64, which: Which<'_>) -> Result<usize, JournalError> {
    // At one outlet (none: at all); kept back or not (none: both).
    let (at, kept_back) = match which {
        Which::All => (None, None),
        Which::KeptBack => (None, Some(true)),
        Which::At(outlet, Sent::Perhaps) => (Some(outlet), None),
        Which::At(outlet, Sent::Surely) => (Some(outlet), Some(false)),
    };
    let meant =
        "request = ?1 AND state = 'stuck' AND (?2 IS NULL OR outlet = ?2) AND (?3 IS NULL OR (restored = 1) = ?3)";
    // One that was being handed over when a newer one came, and is not any more: both would leave side by side.
    tx.run(&format!("DELETE FROM posting WHERE {meant} AND {OUTDATED}"), (request, at, kept_back))?;
    let outlets: Vec<String> =
        tx.rows(&format!("SELECT outlet FROM posting WHERE {meant}"), (request, at, kept_back), |row| row.get(0))?;
    for outlet in &outlets {
        tx.wake(&bell(outlet));
    }
    tx.run(
        &format!(
            "UPDATE posting SET state = 'ready', due = 0, first_at = NULL, stuck_at = NULL,
               restored = CASE WHEN ?2 IS NOT NULL AND restored <> 0 THEN {LET_GO} ELSE 0 END WHERE {meant}"
        ),
        (request, at, kept_back),
    )
}

/// After the journal was put back: what is on its way is stuck. How many.
pub(super) fn hold_all(tx: &mut Tx<'_>) -> Result<usize, JournalError> {
    tx.run(&format!("DELETE FROM posting WHERE state IN ('ready', 'retry', 'running') AND {OUTDATED} /* once */"), [])?;
    tx.run(&format!("UPDATE posting SET restored = 0 WHERE restored = {LET_GO} /* once */"), [])?;
    let (now, fault) = (tx.micros(), restored::document_may_have_been_sent());
    tx.run(
        "UPDATE posting SET state = 'stuck', stuck_at = ?1, restored = 1, fault_class = ?2, fault = ?3
         WHERE state IN ('ready', 'retry', 'running') /* once */",
        (now, fault.class.as_str(), &fault.message),
    )
}

/// The same, for one request's; but at an outlet to which an order lets its documents go.
pub(super) fn hold(tx: &mut Tx<'_>, request: i64) -> Result<(), JournalError> {
    let (now, fault) = (tx.micros(), restored::document_may_have_been_sent());
    tx.run(
        &format!(
            "UPDATE posting SET state = 'stuck', stuck_at = ?2, restored = 1, fault_class = ?3, fault = ?4
             WHERE request = ?1 AND state = 'ready' AND restored <> {LET_GO}"
        ),
        (request, now, fault.class.as_str(), &fault.message),
    )
    .map(drop)
}

fn claim(tx: &mut Tx<'_>, outlet: &str, most: usize) -> Result<Posts, JournalError> {
    let paused = is_paused(tx, outlet)?;
    let mut posts = Posts { paused, ..Posts::default() };
    if most == 0 || paused {
        return Ok(posts);
    }
    let (now, began) = (tx.micros(), tx.now);
    // Documents of one request go one after the other. The index `posting_open` serves what names its three states.
    let due: Vec<Posting> = tx.rows(
        "SELECT p.id, p.first_at, p.attempts, p.delivery, p.body FROM posting p
         WHERE p.outlet = ?1 AND p.state IN ('ready', 'retry', 'running') AND p.state <> 'running' AND p.due <= ?2
           AND NOT EXISTS (SELECT 1 FROM posting o WHERE o.request = p.request AND o.outlet = p.outlet AND o.state = 'running')
         ORDER BY p.due, p.id LIMIT ?3",
        (outlet, now, i64::try_from(most).unwrap_or(i64::MAX)),
        |row| {
            let first_at = row.get::<_, Option<i64>>(1)?.and_then(|at| Timestamp::from_microsecond(at).ok());
            Ok(Posting {
                id: row.get(0)?,
                first_at: first_at.unwrap_or(began),
                attempt: row.get::<_, u32>(2)? + 1,
                delivery: row.get(3)?,
                body: row.get::<_, Option<Vec<u8>>>(4)?.unwrap_or_default(),
            })
        },
    )?;
    let (gone, due): (Vec<_>, Vec<_>) = due.into_iter().partition(|posting| posting.body.is_empty());
    for posting in &gone {
        stick(tx, posting.id, &Fault::permanent("the document is not in the journal any more"))?;
    }
    for posting in &due {
        tx.run(
            "UPDATE posting SET state = 'running', attempts = ?2, first_at = coalesce(first_at, ?3) WHERE id = ?1",
            (posting.id, posting.attempt, now),
        )?;
    }
    posts.claims = due;
    if posts.claims.is_empty() && !gone.is_empty() {
        return claim(tx, outlet, most);
    }
    if posts.claims.is_empty() {
        let next: Option<i64> = tx
            .row(
                "SELECT min(due) FROM posting WHERE outlet = ?1 AND state IN ('ready', 'retry', 'running') AND state = 'retry'",
                [outlet],
                |row| row.get(0),
            )?
            .flatten();
        posts.next_due = next.and_then(|due| Timestamp::from_microsecond(due).ok());
    }
    Ok(posts)
}

fn settle(tx: &mut Tx<'_>, id: i64, attempt: u32, settlement: &Settlement) -> Result<(), JournalError> {
    let running: Option<(Uuid, String, String)> = tx.row(
        "SELECT r.uid, p.delivery, p.outlet FROM posting p JOIN request r ON r.id = p.request
         WHERE p.id = ?1 AND p.state = 'running' AND p.attempts = ?2",
        (id, attempt),
        |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
    )?;
    let Some((uid, delivery, outlet)) = running else { return Ok(()) };
    let now = tx.micros();
    let event =
        |what: &str| serde_json::json!({"outlet": outlet, "delivery": delivery, "attempt": attempt, "state": what});
    match settlement {
        Settlement::Done { note, .. } => {
            tx.run(
                "UPDATE posting SET state = 'done', done_at = ?2, reply = ?3, fault = NULL, fault_class = NULL, body = NULL WHERE id = ?1",
                (id, now, note),
            )?;
            tx.event(uid.as_bytes(), "posted", &event("done"))?;
        }
        Settlement::Retry { due, fault } => {
            tx.run(
                "UPDATE posting SET state = 'retry', due = ?2, fault_class = ?3, fault = ?4 WHERE id = ?1",
                (id, due.as_microsecond(), fault.class.as_str(), &fault.message),
            )?;
        }
        Settlement::NotBegun => {
            tx.run("UPDATE posting SET state = 'ready', attempts = attempts - 1 WHERE id = ?1", [id])?;
        }
        Settlement::Stuck { fault } | Settlement::PassedOn { fault, .. } => {
            stick(tx, id, fault)?;
            tx.event(uid.as_bytes(), "posted", &event("stuck"))?;
        }
    }
    yield_to_newer(tx, id)
}

fn stick(tx: &mut Tx<'_>, id: i64, fault: &Fault) -> Result<(), JournalError> {
    let now = tx.micros();
    tx.run(
        "UPDATE posting SET state = 'stuck', stuck_at = ?2, fault_class = ?3, fault = ?4 WHERE id = ?1",
        (id, now, fault.class.as_str(), &fault.message),
    )
    .map(drop)
}

/// A newer document that came meanwhile says all that this one would: tried again later, this one would take its place.
fn yield_to_newer(tx: &mut Tx<'_>, id: i64) -> Result<(), JournalError> {
    tx.run(
        "DELETE FROM posting WHERE id = ?1 AND EXISTS (SELECT 1 FROM posting n JOIN posting o ON o.id = ?1
           WHERE n.request = o.request AND n.outlet = o.outlet AND n.id > o.id)",
        [id],
    )
    .map(drop)
}
