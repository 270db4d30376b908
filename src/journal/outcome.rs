//! Which outcome documents are due, and that they were written.

use super::post::{self, Wanted};
use super::read::Reader;
use super::{Journal, JournalError};
use crate::model::Outcome;

/// The bell of whoever writes outcome documents.
pub const LANE: &str = "outcome";

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

impl Journal {
    /// Records that documents were written and synced, and puts them on their way to the outlets that want them.
    ///
    /// # Errors
    /// Where it could not be written; the documents are then written again.
    pub async fn outcomes_written(&self, written: &[Due], outlets: Vec<Wanted>) -> Result<(), JournalError> {
        let keep = !outlets.is_empty();
        let written: Vec<(i64, i64, String, Vec<u8>)> = written
            .iter()
            .map(|due| {
                (
                    due.request,
                    due.asked,
                    due.outcome.request.source.clone(),
                    if keep { due.body.clone() } else { Vec::new() },
                )
            })
            .collect();
        self.call(move |tx| {
            for (request, asked, source, body) in written {
                tx.run("UPDATE request SET outcome_due = 0 WHERE id = ?1 AND outcome_due = ?2", (request, asked))?;
                post::put(tx, request, &source, &body, &outlets)?;
            }
            Ok(())
        })
        .await
    }
}
