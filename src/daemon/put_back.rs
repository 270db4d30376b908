//! At the start: whether the journal was put back, and what the operator must know then ([`crate::journal::restored`]).

use crate::intake::spool::{OutcomeKey, Spool};
use crate::journal::read::Reader;
use crate::journal::restored::Recognised;
use crate::journal::unknown;
use crate::journal::{Head, Journal, JournalError, State};
use crate::observe::health::Health;
use crate::observe::metrics::Metrics;
use serde::Deserialize;
use std::path::Path;
use std::sync::Arc;
use uuid::Uuid;

/// In the spool: how far the journal was.
pub const WITNESS: &str = ".journal.head";

/// Pauses everything if it was, and says so.
pub async fn recognise(journal: &Journal, spool: &Arc<Spool>, lanes: Vec<String>) -> Result<(), JournalError> {
    if !journal.is_suspect() {
        return Ok(());
    }
    let (path, root, head) = (journal.path().to_owned(), spool.root().to_owned(), journal.head());
    let withdrawn = tokio::task::spawn_blocking(move || withdrawn(&path, &root, head)).await;
    let withdrawn =
        withdrawn.map_err(crate::panics::how).map_err(|error| JournalError::Internal(error.to_string()))??;
    let Some(recognised) = journal.recognise(lanes, withdrawn).await? else { return Ok(()) };
    let Recognised { hold, notices, steps, documents, orders, withdrawn } = recognised;
    tracing::error!(
        why = %hold.why, notices, steps, documents, orders, withdrawn,
        "everything is paused; no older notice leaves without an order; look at `akund list --state stuck`, then `akund unpause`"
    );
    let (path, root) = (journal.path().to_owned(), spool.root().to_owned());
    let unknown = tokio::task::spawn_blocking(move || unknown::evidence(&path, &root)).await;
    match unknown.map_err(crate::panics::how).map_err(|error| JournalError::Internal(error.to_string()))? {
        Ok(unknown) if unknown.is_empty() => {}
        Ok(unknown) => tracing::error!(
            files = unknown.len(),
            "files that were accepted are unknown to this journal: `akund journal unknown` lists them, to be handed in again"
        ),
        Err(error) => tracing::error!(%error, "whether the journal knows every file that was accepted cannot be told"),
    }
    Ok(())
}

/// What of an outcome document matters here.
#[derive(Deserialize)]
struct Ending {
    request: Whose,
    state: State,
    audit_head: String,
}

#[derive(Deserialize)]
struct Whose {
    uid: Uuid,
}

/// Of the requests that the journal has under way, those whose outcome document is younger and says that they were withdrawn.
fn withdrawn(journal: &Path, spool: &Path, is: Head) -> Result<Vec<Uuid>, JournalError> {
    let mut found = Vec::new();
    for (uid, source, request) in Reader::open(journal)?.working()? {
        let Ok(bytes) = std::fs::read(spool.join(OutcomeKey { source, request }.path())) else { continue };
        let Ok(ending) = serde_json::from_slice::<Ending>(&bytes) else { continue };
        let younger = ending.audit_head.parse().is_ok_and(|head: Head| head.seq > is.seq);
        if younger && ending.request.uid == uid && matches!(ending.state, State::Withdrawing | State::Withdrawn) {
            found.push(uid);
        }
    }
    Ok(found)
}

/// Says why no requests are taken, if they are not.
pub fn close_intake(journal: &Journal, health: &Health, metrics: &Metrics) -> Option<String> {
    let why = journal.hold().borrow().as_ref().map(|hold| hold.why.clone())?;
    health.set_intake(Err(format!("{why}; `akund unpause` lets it go on")));
    metrics.set_intake_open(false);
    Some(why)
}
