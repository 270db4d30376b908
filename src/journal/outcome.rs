//! Which outcome documents are due, and that they were written; and where else they are to be published after that.

use super::post::{self, Wanted};
use super::read::Reader;
use super::{Journal, JournalError, restored};
use crate::model::Outcome;

/// The bell of whoever writes outcome documents. No target or channel can be called so: a bell wakes one.
pub const LANE: &str = "outcome documents";

/// A document that is due.
#[derive(Debug)]
pub struct Due {
    request: i64,
    /// How often it was asked for so far: what is asked for while it is being written stays due.
    asked: i64,
    /// The document as things stand.
    pub outcome: Outcome,
    /// The bytes that were written of it, for other outlets.
    pub body: Vec<u8>,
}

impl Reader {
    /// At most `most` documents that are due, the longest waiting first.
    ///
    /// # Errors
    /// Where they cannot be read.
    pub fn outcomes_due(&self, most: usize) -> Result<Vec<Due>, JournalError> {
        let snapshot = self.connection.unchecked_transaction()?;
        let due: Vec<(i64, i64)> = self
            .connection
            .prepare_cached("SELECT id, outcome_due FROM request WHERE outcome_due > 0 ORDER BY state_at LIMIT ?1")?
            .query_map([i64::try_from(most).unwrap_or(i64::MAX)], |row| Ok((row.get(0)?, row.get(1)?)))?
            .collect::<Result<_, _>>()?;
        let due = due
            .into_iter()
            .map(|(request, asked)| Ok(Due { request, asked, outcome: self.outcome(request)?, body: Vec::new() }))
            .collect::<Result<_, JournalError>>()?;
        snapshot.finish()?;
        Ok(due)
    }
}

impl Due {
    /// What names it in [`PassedOver`].
    pub fn publication(&self) -> (i64, i64) {
        (self.request, self.asked)
    }

    /// The id of this publication of the document: the same however often it is sent, another for the next one.
    pub fn message_id(&self) -> String {
        format!("{}.{}", self.outcome.request.uid, self.asked)
    }
}

/// Publications that came back unroutable and are left out for a while: request, and how often it was asked for.
pub type PassedOver = std::collections::HashSet<(i64, i64)>;

/// The bell of whoever publishes outcome documents by a queue's broker.
pub fn publishing_lane(queue: &str) -> String {
    format!("publish {queue}")
}

impl Reader {
    /// At most `most` documents that are to be published by a queue's broker, the longest waiting first, but those in `passed_over`.
    ///
    /// # Errors
    /// Where they cannot be read.
    pub fn publications_due(
        &self,
        queue: &str,
        most: usize,
        passed_over: &PassedOver,
    ) -> Result<Vec<Due>, JournalError> {
        let snapshot = self.connection.unchecked_transaction()?;
        let most_of_all = most.saturating_add(passed_over.len());
        let mut due: Vec<(i64, i64)> = self
            .connection
            .prepare_cached(
                "SELECT request, asked FROM publication WHERE queue = ?1 AND asked > done AND NOT held ORDER BY at, request LIMIT ?2",
            )?
            .query_map((queue, i64::try_from(most_of_all).unwrap_or(i64::MAX)), |row| Ok((row.get(0)?, row.get(1)?)))?
            .collect::<Result<_, _>>()?;
        due.retain(|one| !passed_over.contains(one));
        due.truncate(most);
        let due = due
            .into_iter()
            .map(|(request, asked)| Ok(Due { request, asked, outcome: self.outcome(request)?, body: Vec::new() }))
            .collect::<Result<_, JournalError>>()?;
        snapshot.finish()?;
        Ok(due)
    }

    /// How many documents are to be published by a queue's broker.
    ///
    /// # Errors
    /// Where that cannot be read.
    pub fn publications_waiting(&self, queue: &str) -> Result<u64, JournalError> {
        // Without the hint all that were ever published are looked through.
        let count = "SELECT count(*) FROM publication INDEXED BY publication_due WHERE queue = ?1 AND asked > done AND NOT held";
        Ok(self.connection.prepare_cached(count)?.query_row([queue], |row| row.get::<_, i64>(0))?.unsigned_abs())
    }
}

/// What the journal keeps of a document that was written.
struct Written {
    request: i64,
    asked: i64,
    queues: Vec<String>,
    source: String,
    body: Vec<u8>,
}

impl Journal {
    /// Records that documents were published.
    ///
    /// # Errors
    /// Where it could not be written; the documents are then published again, with the same ids.
    pub async fn outcomes_published(&self, queue: &str, published: &[Due]) -> Result<(), JournalError> {
        let published: Vec<(i64, i64)> = published.iter().map(|due| (due.request, due.asked)).collect();
        let queue = queue.to_owned();
        self.call(move |tx| {
            for (request, asked) in published {
                tx.run(
                    "UPDATE publication SET done = ?3 WHERE queue = ?1 AND request = ?2 AND done < ?3",
                    (&queue, request, asked),
                )?;
            }
            Ok(())
        })
        .await
    }

    /// Records that documents were written and synced, and, in the same commit, by which queues' brokers `publish` wants each
    /// of them published, by its source; and puts them on their way to the outlets that want them.
    ///
    /// # Errors
    /// Where it could not be written; the documents are then written again.
    pub async fn outcomes_written(
        &self,
        written: &[Due],
        publish: impl Fn(&str) -> Vec<String>,
        outlets: Vec<Wanted>,
    ) -> Result<(), JournalError> {
        let keep = !outlets.is_empty();
        let written: Vec<Written> = written
            .iter()
            .map(|due| Written {
                request: due.request,
                asked: due.asked,
                queues: publish(&due.outcome.request.source),
                source: due.outcome.request.source.clone(),
                body: if keep { due.body.clone() } else { Vec::new() },
            })
            .collect();
        self.call(move |tx| {
            for Written { request, asked, queues, source, body } in written {
                tx.run("UPDATE request SET outcome_due = 0 WHERE id = ?1 AND outcome_due = ?2", (request, asked))?;
                super::retention::outcome_is_back(tx, request)?;
                let now = tx.micros();
                for queue in queues {
                    tx.run(
                        "INSERT INTO publication (queue, request, asked, at) VALUES (?1, ?2, 1, ?3)
                         ON CONFLICT (queue, request) DO UPDATE SET asked = asked + 1,
                           at = CASE WHEN asked > done THEN at ELSE ?3 END",
                        (&queue, request, now),
                    )?;
                    tx.wake(&publishing_lane(&queue));
                }
                post::put(tx, request, &source, &body, &outlets)?;
                restored::keep_back(tx, request)?;
            }
            Ok(())
        })
        .await
    }
}
