//! Writes outcome documents for those who handed requests in; what outlets get is put into the journal in the same commit.

use super::Context;
use crate::intake::spool::{OutcomeKey, Spool};
use crate::journal::JournalError;
use crate::journal::outcome::{Due, LANE};
use crate::journal::post::Wanted;
use crate::journal::read::Reader;
use crate::model::RequestKey;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Most documents written together.
const BATCH: usize = 256;
/// How long after a failure it is tried again.
const AGAIN: Duration = Duration::from_secs(5);
/// How often, at most, it is told that documents were written.
const TOLD_EVERY: Duration = Duration::from_secs(30);
/// A batch that takes longer is not moving.
const LONGEST: Duration = Duration::from_secs(300);

/// Runs until shutdown; whatever is due by then is still written.
///
/// # Errors
/// Where the journal is closed or faulty.
pub async fn run(spool: Arc<Spool>, outlets: Vec<Wanted>, context: Context) -> Result<(), JournalError> {
    let bell = context.journal.bell(LANE);
    let beat = context.pulse.register(LANE, LONGEST);
    let path = context.journal.path().to_owned();
    let mut reader = Reader::open(&path)?;
    let mut written_lately = Lately::default();
    loop {
        beat.busy();
        let (same, due) = blocking(move || {
            let due = reader.outcomes_due(BATCH).map_err(|error| error.to_string());
            (reader, due)
        })
        .await?;
        reader = same;
        let result = match due {
            Ok(due) if !due.is_empty() => {
                // Nobody is told what a power cut could take back.
                match context.journal.on_disk().await {
                    Ok(()) => {
                        let spool = spool.clone();
                        blocking(move || write(due, &spool)).await?
                    }
                    Err(error) => Err(error.to_string()),
                }
            }
            nothing => nothing,
        };
        let recorded = match result {
            Ok(due) if due.is_empty() => {
                if context.shutdown.is_cancelled() {
                    written_lately.tell(&context);
                    return Ok(());
                }
                beat.idle();
                tokio::select! {
                    () = bell.notified() => {}
                    () = tokio::time::sleep(TOLD_EVERY), if written_lately.documents > 0 => written_lately.tell(&context),
                    () = context.shutdown.cancelled() => {}
                }
                continue;
            }
            Ok(due) => {
                written_lately.wrote(due.len(), &context);
                let recorded = context.journal.outcomes_written(&due, outlets.clone()).await;
                recorded.map_err(|error| error.to_string())
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

/// Documents that were written and not told yet: a line for each would be one for each request.
#[derive(Default)]
struct Lately {
    documents: usize,
    told: Option<Instant>,
}

impl Lately {
    fn wrote(&mut self, documents: usize, context: &Context) {
        self.documents += documents;
        if self.told.is_none_or(|told| told.elapsed() >= TOLD_EVERY) {
            self.tell(context);
        }
    }

    /// The head of the audit chain goes to the system journal, too: with it a cut-off record is found.
    fn tell(&mut self, context: &Context) {
        if self.documents > 0 {
            tracing::info!(documents = self.documents, head = %context.journal.head(), "outcome documents were written");
        }
        *self = Self { documents: 0, told: Some(Instant::now()) };
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, JournalError> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(crate::panics::how)
        .map_err(|error| JournalError::Internal(format!("writing outcome documents ended: {error}")))
}

fn write(mut due: Vec<Due>, spool: &Spool) -> Result<Vec<Due>, String> {
    let mut documents = Vec::with_capacity(due.len());
    for one in &mut due {
        let request = &one.outcome.request;
        let key = OutcomeKey {
            source: request.source.clone(),
            request: RequestKey {
                procedure: request.procedure.clone(),
                id: request.id.clone(),
                revision: request.revision,
            },
        };
        let bytes = one.outcome.bytes().map_err(|error| error.to_string())?;
        one.body.clone_from(&bytes);
        documents.push((key, bytes));
    }
    spool.write_outcomes(&documents).map_err(|error| format!("outcome directory: {error}"))?;
    crate::crash::point("outcome-written");
    Ok(due)
}
