//! Outcome documents for outlets other than the spool: which are due, and what became of them.
//!
//! A document is put here in the commit that records its outcome file as written, with the very bytes of that file. A newer document
//! of the same request takes the place of one that is still waiting: the newest says all.

use super::tx::Tx;
use super::{Journal, JournalError};
use crate::model::Posting;
use jiff::Timestamp;
use std::sync::Arc;
use uuid::Uuid;

/// The bell of whoever serves an outlet.
pub fn bell(outlet: &str) -> String {
    format!("post:{outlet}")
}

/// An outlet, and the sources whose requests' documents it takes; none named: all.
pub type Wanted = (String, Vec<String>);

/// A document that is being posted.
#[derive(Debug, Clone)]
pub struct ClaimedPost {
    /// Its number.
    pub id: i64,
    /// When the first attempt began.
    pub first_at: Timestamp,
    /// What is posted.
    pub posting: Posting,
}

/// What became of an attempt.
#[derive(Debug, Clone)]
pub enum PostSettlement {
    /// The other system took it; what it said.
    Done(String),
    /// Again at this time, and why.
    Retry(Timestamp, String),
    /// Not again by itself, and why.
    Stuck(String),
}

/// One document and what became of it: number, attempt, settlement.
pub type SettledPost = (i64, u32, PostSettlement);

/// What there is to do at an outlet.
#[derive(Debug, Default)]
pub struct Posts {
    /// To be posted now.
    pub claims: Vec<ClaimedPost>,
    /// If there is none: when the next is due.
    pub next_due: Option<Timestamp>,
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

impl super::read::Reader {
    /// The latest document of a request at each outlet.
    ///
    /// # Errors
    /// Where they cannot be read.
    pub fn posts(&self, request: i64) -> Result<Vec<PostStatus>, JournalError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT outlet, delivery, state, attempts, done_at, coalesce(fault, reply) FROM post
             WHERE request = ?1 AND id IN (SELECT max(id) FROM post WHERE request = ?1 GROUP BY outlet) ORDER BY outlet",
        )?;
        let rows = statement.query_map([request], |row| {
            let done: Option<i64> = row.get(4)?;
            Ok(PostStatus {
                outlet: row.get(0)?,
                delivery: row.get::<_, Uuid>(1)?.to_string(),
                state: row.get(2)?,
                attempts: row.get(3)?,
                done_at: done.and_then(|at| Timestamp::from_microsecond(at).ok()),
                said: row.get(5)?,
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}

impl Journal {
    /// Records what became of documents and claims at most `most` more, in one commit.
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
                "SELECT id FROM post WHERE outlet = ?1 AND state IN ('ready', 'retry', 'running') AND state = 'running'",
                [&outlet],
                |row| row.get(0),
            )?;
            for id in &running {
                tx.run("UPDATE post SET state = 'ready', due = 0 WHERE id = ?1", [id])?;
                yield_to_newer(tx, *id)?;
            }
            Ok(running.len())
        })
        .await
    }
}

/// Puts a document that was written to the spool on its way to the outlets that want it.
pub(super) fn put(
    tx: &mut Tx<'_>,
    request: i64,
    source: &str,
    body: &[u8],
    outlets: &[Wanted],
) -> Result<(), JournalError> {
    let now = tx.micros();
    for (outlet, sources) in outlets {
        if !sources.is_empty() && !sources.iter().any(|wanted| wanted == source) {
            continue;
        }
        tx.run(
            "DELETE FROM post WHERE request = ?1 AND outlet = ?2 AND state IN ('ready', 'retry', 'stuck')",
            (request, outlet),
        )?;
        tx.run(
            "INSERT INTO post (outlet, request, delivery, body, made_at) VALUES (?1, ?2, ?3, ?4, ?5)",
            (outlet, request, Uuid::now_v7(), body, now),
        )?;
        tx.wake(&bell(outlet));
    }
    Ok(())
}

/// Makes the documents of a request that were given up on due again. How many.
pub(super) fn retry(tx: &mut Tx<'_>, request: i64) -> Result<usize, JournalError> {
    let outlets: Vec<String> =
        tx.rows("SELECT outlet FROM post WHERE request = ?1 AND state = 'stuck'", [request], |row| row.get(0))?;
    for outlet in &outlets {
        tx.wake(&bell(outlet));
    }
    tx.run(
        "UPDATE post SET state = 'ready', due = 0, first_at = NULL WHERE request = ?1 AND state = 'stuck'",
        [request],
    )
}

/// After the journal was put back: what is on its way is stuck. How many.
pub(super) fn hold_all(tx: &mut Tx<'_>, why: &str) -> Result<usize, JournalError> {
    tx.run("UPDATE post SET state = 'stuck', fault = ?1 WHERE state IN ('ready', 'retry', 'running') /* once */", [why])
}

/// The same, for one request's.
pub(super) fn hold(tx: &mut Tx<'_>, request: i64, why: &str) -> Result<(), JournalError> {
    tx.run("UPDATE post SET state = 'stuck', fault = ?2 WHERE request = ?1 AND state = 'ready'", (request, why))
        .map(drop)
}

fn claim(tx: &mut Tx<'_>, outlet: &str, most: usize) -> Result<Posts, JournalError> {
    let mut posts = Posts::default();
    if most == 0 {
        return Ok(posts);
    }
    let now = tx.micros();
    // Documents of one request go one after the other. The index `post_open` serves what names its three states.
    let due: Vec<(i64, Option<i64>, Posting)> = tx.rows(
        "SELECT p.id, p.first_at, p.attempts, p.delivery, p.body, r.procedure || ':' || r.ext_id || '@' || r.revision
         FROM post p JOIN request r ON r.id = p.request
         WHERE p.outlet = ?1 AND p.state IN ('ready', 'retry', 'running') AND p.state <> 'running' AND p.due <= ?2
           AND NOT EXISTS (SELECT 1 FROM post o WHERE o.request = p.request AND o.outlet = p.outlet AND o.state = 'running')
         ORDER BY p.due, p.id LIMIT ?3",
        (outlet, now, i64::try_from(most).unwrap_or(i64::MAX)),
        |row| {
            let attempt = row.get::<_, u32>(2)? + 1;
            let posting = Posting { delivery: row.get(3)?, request: row.get(5)?, attempt, body: row.get(4)? };
            Ok((row.get(0)?, row.get(1)?, posting))
        },
    )?;
    for (id, first_at, posting) in due {
        tx.run(
            "UPDATE post SET state = 'running', attempts = ?2, first_at = coalesce(first_at, ?3) WHERE id = ?1",
            (id, posting.attempt, now),
        )?;
        let first_at = Timestamp::from_microsecond(first_at.unwrap_or(now)).unwrap_or(tx.now);
        posts.claims.push(ClaimedPost { id, first_at, posting });
    }
    if posts.claims.is_empty() {
        let next: Option<i64> = tx
            .row(
                "SELECT min(due) FROM post WHERE outlet = ?1 AND state IN ('ready', 'retry', 'running') AND state = 'retry'",
                [outlet],
                |row| row.get(0),
            )?
            .flatten();
        posts.next_due = next.and_then(|due| Timestamp::from_microsecond(due).ok());
    }
    Ok(posts)
}

fn settle(tx: &mut Tx<'_>, id: i64, attempt: u32, settlement: &PostSettlement) -> Result<(), JournalError> {
    let running: Option<(Uuid, Uuid, String)> = tx.row(
        "SELECT r.uid, p.delivery, p.outlet FROM post p JOIN request r ON r.id = p.request
         WHERE p.id = ?1 AND p.state = 'running' AND p.attempts = ?2",
        (id, attempt),
        |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
    )?;
    let Some((uid, delivery, outlet)) = running else { return Ok(()) };
    let now = tx.micros();
    let event =
        |what: &str| serde_json::json!({"outlet": outlet, "delivery": delivery, "attempt": attempt, "state": what});
    match settlement {
        PostSettlement::Done(reply) => {
            tx.run(
                "UPDATE post SET state = 'done', done_at = ?2, reply = ?3, fault = NULL, body = NULL WHERE id = ?1",
                (id, now, reply),
            )?;
            tx.event(uid.as_bytes(), "posted", &event("done"))?;
        }
        PostSettlement::Retry(due, fault) => {
            tx.run(
                "UPDATE post SET state = 'retry', due = ?2, fault = ?3 WHERE id = ?1",
                (id, due.as_microsecond(), fault),
            )?;
            yield_to_newer(tx, id)?;
        }
        PostSettlement::Stuck(fault) => {
            tx.run("UPDATE post SET state = 'stuck', fault = ?2 WHERE id = ?1", (id, fault))?;
            tx.event(uid.as_bytes(), "posted", &event("stuck"))?;
            yield_to_newer(tx, id)?;
        }
    }
    Ok(())
}

/// A newer document that came meanwhile says all that this one would: tried again later, this one would take its place.
fn yield_to_newer(tx: &mut Tx<'_>, id: i64) -> Result<(), JournalError> {
    tx.run(
        "DELETE FROM post WHERE id = ?1 AND EXISTS (SELECT 1 FROM post n JOIN post o ON o.id = ?1
           WHERE n.request = o.request AND n.outlet = o.outlet AND n.id > o.id)",
        [id],
    )
    .map(drop)
}
