//! Writes outcome documents for those who handed requests in.

use super::Context;
use crate::intake::spool::{OutcomeKey, Spool};
use crate::journal::JournalError;
use crate::journal::outcome::{Due, LANE};
use crate::journal::read::Reader;
use crate::model::RequestKey;
use std::sync::Arc;
use std::time::Duration;

/// Most documents written together.
const BATCH: usize = 256;
/// How long after a failure it is tried again.
const AGAIN: Duration = Duration::from_secs(5);
/// A batch that takes longer is not moving.
const LONGEST: Duration = Duration::from_secs(300);

/// Says by which queues' brokers the outcomes of a source are published, too.
pub type Publish = Arc<dyn Fn(&str) -> Vec<String> + Send + Sync>;

/// Runs until shutdown; whatever is due by then is still written.
///
/// # Errors
/// Where the journal is closed or faulty.
pub async fn run(spool: Arc<Spool>, publish: Publish, context: Context) -> Result<(), JournalError> {
    let bell = context.journal.bell(LANE);
    let beat = context.pulse.register(LANE, LONGEST);
    let path = context.journal.path().to_owned();
    let mut reader = Reader::open(&path)?;
    loop {
        beat.busy();
        let spool = spool.clone();
        let written = tokio::task::spawn_blocking(move || {
            let result = write(&reader, &spool);
            (reader, result)
        });
        let (same, result) = written
            .await
            .map_err(|error| JournalError::Internal(format!("writing outcome documents ended: {error}")))?;
        reader = same;
        let recorded = match result {
            Ok(due) if due.is_empty() => {
                if context.shutdown.is_cancelled() {
                    return Ok(());
                }
                beat.idle();
                tokio::select! {
                    () = bell.notified() => {}
                    () = context.shutdown.cancelled() => {}
                }
                continue;
            }
            Ok(due) => {
                // The head of the audit chain goes to the system journal, too: with it a cut-off record is found.
                tracing::info!(documents = due.len(), head = %context.journal.head(), "outcome documents were written");
                context.journal.outcomes_written(&due, &*publish).await.map_err(|error| error.to_string())
            }
            Err(cause) => Err(cause),
        };
        if let Err(cause) = recorded {
            if context.shutdown.is_cancelled() {
                return Ok(());
            }
            tracing::warn!(%cause, "outcome documents could not be written; they are tried again");
            beat.idle();
            tokio::select! {
                () = tokio::time::sleep(AGAIN) => {}
                () = context.shutdown.cancelled() => {}
            }
        }
    }
}

fn write(reader: &Reader, spool: &Spool) -> Result<Vec<Due>, String> {
    let due = reader.outcomes_due(BATCH).map_err(|error| error.to_string())?;
    let mut documents = Vec::with_capacity(due.len());
    for one in &due {
        let request = &one.outcome.request;
        let key = OutcomeKey {
            source: request.source.clone(),
            request: RequestKey {
                procedure: request.procedure.clone(),
                id: request.id.clone(),
                revision: request.revision,
            },
        };
        let mut bytes = serde_json::to_vec_pretty(&one.outcome).map_err(|error| error.to_string())?;
        bytes.push(b'\n');
        documents.push((key, bytes));
    }
    spool.write_outcomes(&documents).map_err(|error| format!("outcome directory: {error}"))?;
    crate::crash::point("outcome-written");
    Ok(due)
}
