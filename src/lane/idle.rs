//! When a lane that has nothing to do asks its server whether it answers. Pure.

use super::retry::Policy;
use crate::journal::Turn;
use jiff::Timestamp;
use std::time::Instant;

/// What a slot knows of its own questions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Idle {
    /// When to ask next; none: this slot never does.
    next: Option<Instant>,
    /// Whether the last question was answered badly, or not at all.
    pub down: bool,
}

impl Idle {
    /// At a lane's start it is asked at once. Of a lane's slots one asks.
    pub fn new(asks: bool, now: Instant) -> Self {
        Self { next: asks.then_some(now), down: false }
    }

    /// The server was asked, or worked with.
    pub fn put_off(&mut self, policy: &Policy, now: Instant) {
        self.next = self.next.and_then(|_| now.checked_add(policy.look.unsigned_abs()));
    }

    /// When to ask after this turn, which brought nothing to do. Not while the lane is paused: whoever works on the server knows. And
    /// not while attempts that failed wait for their repetition: these tell more than a question, which the server may well answer.
    pub fn when(self, turn: &Turn, failing: bool, policy: &Policy, now: Timestamp) -> Option<Instant> {
        let repeated = |due| now.saturating_add(policy.longest).is_ok_and(|longest| due <= longest);
        let tells_itself = failing && turn.next_due.is_some_and(repeated);
        self.next.filter(|_| !turn.paused && !tells_itself)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lane::retry::sample::policy;
    use jiff::SignedDuration;
    use std::time::Duration;

    #[test]
    fn a_lane_asks_at_its_start_and_then_after_each_minute_without_work() {
        let (start, now) = (Instant::now(), Timestamp::now());
        let mut idle = Idle::new(true, start);
        let when = |idle: Idle| idle.when(&Turn::default(), false, &policy(), now);
        assert_eq!(when(idle), Some(start));
        idle.put_off(&policy(), start);
        assert_eq!(when(idle), Some(start + Duration::from_secs(60)));
        let mut other = Idle::new(false, start);
        other.put_off(&policy(), start);
        assert_eq!(when(other), None, "the other slots never ask");
    }

    #[test]
    fn nobody_asks_while_a_lane_is_paused_or_its_own_attempts_tell() {
        let (start, now) = (Instant::now(), Timestamp::now());
        let retry = now + SignedDuration::from_secs(20);
        let end_of_an_account = now + SignedDuration::from_hours(24 * 200);
        for (paused, failing, next_due, asks) in [
            (false, false, None, true),
            (true, false, None, false),
            (false, true, Some(retry), false),
            (false, true, Some(end_of_an_account), true),
            (false, true, None, true),
            (false, false, Some(retry), true),
        ] {
            let turn = Turn { paused, next_due, ..Turn::default() };
            let when = Idle::new(true, start).when(&turn, failing, &policy(), now);
            assert_eq!(when.is_some(), asks, "{paused} {failing} {next_due:?}");
        }
    }
}
