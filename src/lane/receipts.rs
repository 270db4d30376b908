//! What became of notices that were handed over: asks the channels that can be asked, and gives up where no report came.

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
        let read = tokio::task::spawn_blocking(move || {
            let reader = Reader::open(&path)?;
            Ok::<_, JournalError>((reader.expected(&asked, BATCH)?, reader.expected_since(&asked)?))
        });
        let read = read
            .await
            .map_err(|error| JournalError::Internal(format!("looking for expected reports ended: {error}")))?;
        let wait = match read {
            Ok((expected, Some(oldest))) => Some(round(&*channel, &context, &lane, &expected, oldest).await?),
            Ok((_, None)) => None,
            Err(error) => {
                tracing::warn!(lane, %error, "which reports are expected could not be read; it is tried again");
                Some(LATER)
            }
        };
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

/// When to look again.
async fn round(
    channel: &dyn Channel,
    context: &Context,
    lane: &str,
    expected: &[Expected],
    oldest: Timestamp,
) -> Result<Duration, JournalError> {
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
    let asks = channel.arrived("").is_some();
    Ok(wait(expected.first().map(|youngest| youngest.since).filter(|_| asks), oldest, Timestamp::now()))
}

/// When to look again: soon while a notice is fresh that can be asked about, and at the latest when the oldest is given up. Pure.
fn wait(youngest_asked: Option<Timestamp>, oldest: Timestamp, now: Timestamp) -> Duration {
    match youngest_asked {
        Some(since) if now.duration_since(since) < FRESH => SOON,
        Some(_) => LATER,
        None => {
            let left = PATIENCE.saturating_sub(now.duration_since(oldest));
            Duration::try_from(left).unwrap_or(Duration::ZERO).saturating_add(SOON)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_channel_that_cannot_be_asked_is_left_alone_until_a_report_is_given_up() {
        let now = Timestamp::UNIX_EPOCH;
        let ago = |hours: i64| now - SignedDuration::from_hours(hours);
        assert_eq!(wait(Some(ago(0)), ago(50), now), SOON);
        assert_eq!(wait(Some(ago(1)), ago(50), now), LATER);
        assert_eq!(wait(None, ago(0), now), Duration::from_secs(96 * 3600) + SOON);
        assert_eq!(wait(None, ago(90), now), Duration::from_secs(6 * 3600) + SOON);
        assert_eq!(wait(None, ago(100), now), SOON);
    }
}
