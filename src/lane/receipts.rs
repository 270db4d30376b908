//! What became of notices that were handed over: asks the channels that can be asked, and gives up where no report came.

use super::Context;
use crate::channel::{Arrival, Channel};
use crate::journal::JournalError;
use crate::journal::read::Reader;
use crate::journal::receipt::{Expected, Report, bell};
use jiff::{SignedDuration, Timestamp};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

/// Most notices asked about in one go.
const BATCH: usize = 500;
/// Between two rounds at least; and how often a notice is asked about while it is this fresh, and later.
const SOON: Duration = Duration::from_secs(5);
const LATER: Duration = Duration::from_secs(300);
const FRESH: SignedDuration = SignedDuration::from_mins(15);
/// How long a channel that could not be asked is left alone.
const AGAIN: Duration = Duration::from_secs(30);
/// Networks keep a text message for at most some days; after this nobody is asked any more.
const PATIENCE: SignedDuration = SignedDuration::from_hours(96);
/// A round that takes longer is not moving.
const LONGEST: Duration = Duration::from_secs(600);

/// When each notice was last asked about. Not kept: after a start all are due.
type Asked = HashMap<i64, Timestamp>;

/// Runs until shutdown. Sleeps while nothing is expected.
///
/// # Errors
/// Where the journal is closed or faulty.
pub async fn run(channel: Arc<dyn Channel>, context: Context) -> Result<(), JournalError> {
    let lane = channel.name().to_owned();
    let beat = context.pulse.register(format!("arrivals of {lane}"), LONGEST);
    let bell = context.journal.bell(&bell(&lane));
    let asks = channel.arrived("").is_some();
    let mut asked = Asked::new();
    loop {
        beat.busy();
        let (path, of) = (context.journal.path().to_owned(), lane.clone());
        let read = tokio::task::spawn_blocking(move || {
            let reader = Reader::open(&path)?;
            let expected = if asks { reader.expected(&of)? } else { Vec::new() };
            Ok::<_, JournalError>((expected, reader.expected_since(&of)?))
        });
        let read = read
            .await
            .map_err(crate::panics::how)
            .map_err(|error| JournalError::Internal(format!("looking for expected reports ended: {error}")))?;
        let wait = match read {
            Ok((expected, Some(oldest))) => {
                let answers = round(&*channel, &context, &lane, &expected, &mut asked).await?;
                let wait = wait(&expected, &asked, oldest, Timestamp::now());
                Some(if answers { wait } else { wait.max(AGAIN) })
            }
            Ok((_, None)) => {
                asked.clear();
                None
            }
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

/// Asks about some of those that are due, and records what was found. Whether the channel could be asked.
async fn round(
    channel: &dyn Channel,
    context: &Context,
    lane: &str,
    expected: &[Expected],
    asked: &mut Asked,
) -> Result<bool, JournalError> {
    let still: HashSet<i64> = expected.iter().map(|one| one.step).collect();
    asked.retain(|step, _| still.contains(step));
    let (mut found, mut answers) = (Vec::new(), true);
    for one in due(expected, asked, Timestamp::now()) {
        let Some(asking) = channel.arrived(&one.reference) else { break };
        let answer = asking.await;
        // Also after a fault: the one that caused it must not stand before all others.
        asked.insert(one.step, Timestamp::now());
        match answer {
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
                answers = false;
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
    Ok(answers)
}

/// When a notice is to be asked about next. Pure.
fn next(one: &Expected, asked: &Asked, now: Timestamp) -> Timestamp {
    let Some(last) = asked.get(&one.step) else { return Timestamp::MIN };
    let apart = if now.duration_since(one.since) < FRESH { SOON } else { LATER };
    // A clock that went back must not put it off for ever.
    (*last).min(now).saturating_add(apart).unwrap_or(Timestamp::MAX)
}

/// Whom to ask about in one round, those first that were asked about longest ago: so the round comes to each of them, however
/// many there are. Pure.
fn due<'a>(expected: &'a [Expected], asked: &Asked, now: Timestamp) -> Vec<&'a Expected> {
    let mut due: Vec<&Expected> = expected.iter().filter(|one| next(one, asked, now) <= now).collect();
    due.sort_by_key(|one| asked.get(&one.step));
    due.truncate(BATCH);
    due
}

/// When to look again: when the next notice is to be asked about, and at the latest when the oldest is given up. Pure.
fn wait(expected: &[Expected], asked: &Asked, oldest: Timestamp, now: Timestamp) -> Duration {
    let given_up = oldest.saturating_add(PATIENCE).unwrap_or(Timestamp::MAX);
    let first = expected.iter().map(|one| next(one, asked, now)).min();
    let left = first.map_or(given_up, |first| first.min(given_up)).duration_since(now);
    Duration::try_from(left).unwrap_or(Duration::ZERO).max(SOON)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expected(step: i64, since: Timestamp) -> Expected {
        Expected { step, reference: step.to_string(), since }
    }

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;

    fn hours_ago(hours: i64) -> Timestamp {
        NOW - SignedDuration::from_hours(hours)
    }

    #[test]
    fn a_channel_that_cannot_be_asked_is_left_alone_until_a_report_is_given_up() {
        let wait = |hours: i64| wait(&[], &Asked::new(), hours_ago(hours), NOW);
        assert_eq!(wait(0), Duration::from_secs(96 * 3600));
        assert_eq!(wait(90), Duration::from_secs(6 * 3600));
        assert_eq!(wait(100), SOON);
    }

    #[test]
    fn a_fresh_notice_is_asked_about_soon_and_an_older_one_later() {
        for (hours, apart) in [(0, SOON), (1, LATER)] {
            let all = [expected(1, hours_ago(hours))];
            assert_eq!(due(&all, &Asked::new(), NOW).len(), 1);
            let asked = Asked::from([(1, NOW)]);
            assert!(due(&all, &asked, NOW).is_empty());
            assert_eq!(wait(&all, &asked, hours_ago(hours), NOW), apart);
            assert_eq!(due(&all, &asked, NOW + apart).len(), 1);
            // The clock was set back by a day.
            let ahead = Asked::from([(1, NOW + SignedDuration::from_hours(24))]);
            assert_eq!(wait(&all, &ahead, hours_ago(hours), NOW), apart);
        }
    }

    #[test]
    fn every_notice_has_its_turn_however_many_fresh_ones_there_are() {
        let old = (0..700).map(|step| expected(step, hours_ago(2)));
        let fresh = (700..2000).map(|step| expected(step, hours_ago(0)));
        let all: Vec<Expected> = old.chain(fresh).collect();
        let (mut asked, mut now) = (Asked::new(), NOW);
        let mut seen = HashSet::<i64>::new();
        for _ in 0..4 {
            let round: Vec<i64> = due(&all, &asked, now).iter().map(|one| one.step).collect();
            assert_eq!(round.len(), BATCH);
            assert_eq!(wait(&all, &asked, hours_ago(2), now), SOON);
            seen.extend(&round);
            asked.extend(round.into_iter().map(|step| (step, now)));
            now += SOON;
        }
        assert_eq!(seen.len(), all.len(), "nobody waits while another is asked about again");
    }
}
