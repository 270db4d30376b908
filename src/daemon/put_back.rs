//! At the start: whether the journal was put back, and what the operator must know then ([`crate::journal::restored`]).

use crate::intake::spool::Spool;
use crate::journal::restored::Recognised;
use crate::journal::unknown;
use crate::journal::{Journal, JournalError};
use crate::observe::health::Health;
use crate::observe::metrics::Metrics;
use std::sync::Arc;

/// In the spool: how far the journal was.
pub const WITNESS: &str = ".journal.head";

/// Pauses everything if it was, and says so.
pub async fn recognise(journal: &Journal, spool: &Arc<Spool>, lanes: Vec<String>) -> Result<(), JournalError> {
    let Some(recognised) = journal.recognise(lanes).await? else { return Ok(()) };
    let Recognised { hold, notices, steps, documents, orders } = recognised;
    tracing::error!(
        why = %hold.why, notices, steps, documents, orders,
        "everything is paused; no older notice leaves without an order; look at `akund list --state stuck`, then `akund unpause`"
    );
    let (path, root) = (journal.path().to_owned(), spool.root().to_owned());
    let unknown = tokio::task::spawn_blocking(move || unknown::evidence(&path, &root)).await;
    match unknown.map_err(|error| JournalError::Internal(error.to_string()))? {
        Ok(unknown) if unknown.is_empty() => {}
        Ok(unknown) => tracing::error!(
            files = unknown.len(),
            "files that were accepted are unknown to this journal: `akund journal unknown` lists them, to be handed in again"
        ),
        Err(error) => tracing::error!(%error, "whether the journal knows every file that was accepted cannot be told"),
    }
    Ok(())
}

/// Says why no requests are taken, if they are not.
pub fn close_intake(journal: &Journal, health: &Health, metrics: &Metrics) -> Option<String> {
    let why = journal.hold().borrow().as_ref().map(|hold| hold.why.clone())?;
    health.set_intake(Err(format!("{why}; `akund unpause` lets it go on")));
    metrics.set_intake_open(false);
    Some(why)
}
