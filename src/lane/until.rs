//! Waiting for a moment by the wall clock.

use jiff::Timestamp;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// The clock is looked at so often.
const LOOK: Duration = Duration::from_secs(60);

/// Returns when the moment has come; never, where there is none. It may return earlier: whoever waits looks again.
///
/// Timers stand still while a machine is suspended, and know nothing of a clock that is set forward: an account would end that
/// much later, and so would a deadline's alarm be raised. So the clock itself is looked at, each minute. A clock that is set back
/// would delay all by as much: no wait is longer than it was at its beginning.
pub async fn until(at: Option<Timestamp>) {
    until_by(at, Timestamp::now).await;
}

async fn until_by(at: Option<Timestamp>, now: impl Fn() -> Timestamp) {
    let Some(at) = at else { return std::future::pending().await };
    let (began, mut longest) = (Instant::now(), None);
    loop {
        let left = Duration::try_from(at.duration_since(now())).unwrap_or_default();
        let left = left.min(longest.get_or_insert(left).saturating_sub(began.elapsed()));
        if left.is_zero() {
            return;
        }
        sleep(left.min(LOOK)).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::SignedDuration;

    /// How long a wait of ten hours takes, on a machine whose clock is set forward by so much half an hour after its beginning.
    async fn takes(set_forward: SignedDuration) -> Duration {
        let (began, first) = (Instant::now(), Timestamp::UNIX_EPOCH);
        let now = || {
            let passed = began.elapsed();
            let by = if passed >= Duration::from_secs(1800) { set_forward } else { SignedDuration::ZERO };
            first + SignedDuration::try_from(passed).unwrap() + by
        };
        until_by(Some(first + SignedDuration::from_hours(10)), now).await;
        began.elapsed()
    }

    #[tokio::test(start_paused = true)]
    async fn a_moment_comes_in_time_also_after_the_machine_was_suspended() {
        for (set_forward, hours) in [(0, 10.0), (3, 7.0), (9, 1.0), (24, 0.5)] {
            let took = takes(SignedDuration::from_hours(set_forward)).await.as_secs_f64() / 3600.0;
            assert!((hours..=hours + 0.02).contains(&took), "set forward by {set_forward} h: {took} h");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_clock_that_is_set_back_delays_nothing() {
        for set_back in [1, 7, 24 * 365] {
            let took = takes(SignedDuration::from_hours(-set_back)).await.as_secs_f64() / 3600.0;
            assert!((10.0..=10.02).contains(&took), "set back by {set_back} h: {took} h");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_past_is_not_waited_for_and_nothing_never_comes() {
        let began = Instant::now();
        until(Some(Timestamp::UNIX_EPOCH)).await;
        assert_eq!(began.elapsed(), Duration::ZERO);
        assert!(tokio::time::timeout(Duration::from_secs(100_000), until(None)).await.is_err());
    }
}
