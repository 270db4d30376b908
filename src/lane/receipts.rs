//! Asks a channel what became of notices that were handed over, for those that can be asked.

use super::Context;
use crate::channel::{Arrival, Channel};
use crate::journal::JournalError;
use crate::journal::read::Reader;
use crate::journal::receipt::{Expected, Report, bell};
use jiff::{SignedDuration, Timestamp};
use std::sync::Arc;
use std::time::Duration;

/// Most notices asked about in one go.
const BATCH: usize = 500;
/// Between two rounds while the youngest notice is this fresh, and later.
const SOON: Duration = Duration::from_secs(5);
const LATER: Duration = Duration::from_secs(300);
const FRESH: SignedDuration = SignedDuration::from_mins(15);
/// Networks keep a text message for at most some days; after this nobody is asked any more.
const PATIENCE: SignedDuration = SignedDuration::from_hours(96);
/// A round that takes longer is not moving.
const LONGEST: Duration = Duration::from_secs(600);

/// Runs until shutdown. Sleeps while nothing is expected.
///
/// # Errors
/// Where the journal is closed or faulty.
pub async fn run(channel: Arc<dyn Channel>, context: Context) -> Result<(), JournalError> {
    let lane = channel.name().to_owned();
    let beat = context.pulse.register(format!("arrivals of {lane}"), LONGEST);
    let bell = context.journal.bell(&bell(&lane));
    loop {
        beat.busy();
        let (path, asked) = (context.journal.path().to_owned(), lane.clone());
        let expected = tokio::task::spawn_blocking(move || Reader::open(&path)?.expected(&asked, BATCH))
            .await
            .map_err(|error| JournalError::Internal(format!("looking for expected reports ended: {error}")))??;
        let wait = round(&*channel, &context, &lane, &expected).await?;
        beat.idle();
        let pause = async {
            match wait {
                Some(wait) => tokio::time::sleep(wait).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = bell.notified() => {}
            () = pause => {}
            () = context.shutdown.cancelled() => return Ok(()),
        }
    }
}

/// When to ask again; none: not before something is expected.
async fn round(
    channel: &dyn Channel,
    context: &Context,
    lane: &str,
    expected: &[Expected],
) -> Result<Option<Duration>, JournalError> {
    let Some(youngest) = expected.first() else { return Ok(None) };
    let mut found = Vec::new();
    for one in expected {
        let Some(asking) = channel.arrived(&one.reference) else { break };
        match asking.await {
            Ok(Some(Arrival::Confirmed)) => found.push((one.step, Report::Confirmed, None)),
            Ok(Some(Arrival::Failed(why))) => {
                tracing::warn!(
                    lane,
                    step = one.step,
                    why,
                    "a notice that was handed over will not arrive; `akund redeliver` hands out a new password"
                );
                found.push((one.step, Report::Failed, Some(why)));
            }
            Ok(None) => {}
            Err(fault) => {
                tracing::warn!(lane, %fault, "a channel cannot be asked what arrived, and is asked again");
                break;
            }
        }
    }
    // An unwritable journal is told elsewhere; what was found is found again.
    let written = match found.is_empty() {
        true => Ok(()),
        false => context.journal.arrivals(lane.to_owned(), found).await,
    };
    let given_up = context.journal.stop_expecting(lane.to_owned(), PATIENCE).await.map(drop);
    for result in [written, given_up] {
        if let Err(error) = result
            && !error.may_pass()
        {
            return Err(error);
        }
    }
    let age = Timestamp::now().duration_since(youngest.since);
    Ok(Some(if age < FRESH { SOON } else { LATER }))
}
