//! Which outcome documents are due, and that they were written.

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

/// What the journal keeps of a document that was written.
struct Written {
    request: i64,
    asked: i64,
    uid: String,
    source: String,
    body: Vec<u8>,
}

impl Journal {
    /// Records that documents were written and synced, and, in the same commit, puts them on their way to the outlets that want them.
    ///
    /// # Errors
    /// Where it could not be written; the documents are then written again.
    pub async fn outcomes_written(&self, written: &[Due], outlets: Vec<Wanted>) -> Result<(), JournalError> {
        let keep = !outlets.is_empty();
        let written: Vec<Written> = written
            .iter()
            .map(|due| Written {
                request: due.request,
                asked: due.asked,
                uid: due.outcome.request.uid.clone(),
                source: due.outcome.request.source.clone(),
                body: if keep { due.body.clone() } else { Vec::new() },
            })
            .collect();
        self.call(move |tx| {
            for Written { request, asked, uid, source, body } in written {
                let number: Option<i64> = tx.row(
                    "UPDATE request SET documents = documents + 1, outcome_due = iif(outcome_due = ?2, 0, outcome_due)
                     WHERE id = ?1 RETURNING documents",
                    (request, asked),
                    |row| row.get(0),
                )?;
                super::retention::outcome_is_back(tx, request)?;
                let delivery = format!("{uid}.{}", number.unwrap_or_default());
                let wanted = outlets.iter().filter(|(_, sources)| sources.is_empty() || sources.contains(&source));
                for (outlet, _) in wanted {
                    post::put(tx, outlet, request, &delivery, &body)?;
                }
                restored::keep_back(tx, request)?;
            }
            Ok(())
        })
        .await
    }
}
