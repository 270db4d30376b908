//! What a lane does after a failed attempt. Pure.

use crate::journal::Settlement;
use crate::model::{Fault, FaultClass, Verb};
use jiff::{SignedDuration, Timestamp};

/// How patient a lane is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// First wait; doubles with each attempt.
    pub first: SignedDuration,
    /// Longest wait between two attempts.
    pub longest: SignedDuration,
    /// A step that has not succeeded this long after its first attempt is stuck.
    pub give_up: SignedDuration,
    /// A proof that fails outright is repeated for this long: what was written may not be visible yet.
    pub settle: SignedDuration,
    /// A server that nothing was asked of for this long is asked whether it answers.
    pub look: SignedDuration,
    /// The channel's notices are never repeated when it is not known whether they were taken.
    pub never_blindly: bool,
}

/// One failed attempt.
#[derive(Debug, Clone)]
pub struct Failure {
    /// For `Deliver`: the channel that takes the notice when this one will not.
    pub next: Option<String>,
    /// An earlier attempt may have got through.
    pub uncertain: bool,
    /// What was tried.
    pub verb: Verb,
    /// Which attempt it was, from 1.
    pub attempt: u32,
    /// When the first one began.
    pub first_at: Timestamp,
    /// What it met.
    pub fault: Fault,
}

/// Whether, and when, to try again. `jitter` in 0..1 spreads the attempts of many steps.
pub fn decide(policy: &Policy, failure: Failure, now: Timestamp, jitter: f64) -> Settlement {
    let Failure { verb, attempt, first_at, fault, next, uncertain } = failure;
    // What may have been taken is never sent another way by itself.
    let sure = !uncertain && fault.class != FaultClass::Unknown;
    let give_up = |fault: Fault| match next {
        Some(to) if sure && verb == Verb::Deliver => Settlement::PassedOn { fault, to },
        _ => Settlement::Stuck { fault },
    };
    let patience = match (fault.class, verb) {
        (FaultClass::Unknown, Verb::Deliver) if policy.never_blindly => return Settlement::Stuck { fault },
        (FaultClass::Transient | FaultClass::Unknown, _) => policy.give_up,
        (FaultClass::Permanent | FaultClass::Conflict, Verb::Prove) => policy.settle,
        (FaultClass::Permanent | FaultClass::Conflict, _) => return give_up(fault),
    };
    let due = now.saturating_add(wait(policy, attempt, jitter)).unwrap_or(now);
    // A server that is slow to refuse a log-in (they are, on purpose) must not use up the time to settle by that alone.
    let only_once = verb == Verb::Prove && attempt == 1;
    match first_at.saturating_add(patience) {
        Ok(end) if due <= end || only_once => Settlement::Retry { due, fault },
        _ => give_up(fault),
    }
}

/// How long to wait after the n-th attempt: `first · 2^(n-1)` up to `longest`, of which between half and the whole.
pub fn wait(policy: &Policy, attempt: u32, jitter: f64) -> SignedDuration {
    let doublings = attempt.saturating_sub(1).min(30);
    let whole = policy.first.as_secs_f64() * f64::from(1_u32 << doublings);
    let whole = whole.min(policy.longest.as_secs_f64());
    SignedDuration::try_from_secs_f64(whole * (0.5 + 0.5 * jitter.clamp(0.0, 1.0))).unwrap_or(policy.longest)
}

#[cfg(test)]
pub(super) mod sample {
    use super::*;

    pub fn policy() -> Policy {
        Policy {
            first: SignedDuration::from_secs(2),
            longest: SignedDuration::from_mins(15),
            give_up: SignedDuration::from_hours(72),
            settle: SignedDuration::from_secs(30),
            look: SignedDuration::from_secs(60),
            never_blindly: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::sample::policy;
    use super::*;
    use proptest::prelude::*;

    fn failure(verb: Verb, class: FaultClass, age: SignedDuration) -> (Failure, Timestamp) {
        let first_at = Timestamp::UNIX_EPOCH;
        let fault = Fault { class, message: "x".into() };
        (Failure { verb, attempt: 1, first_at, fault, next: None, uncertain: false }, first_at + age)
    }

    #[test]
    fn each_class_of_fault_has_its_end() {
        let hour = SignedDuration::from_hours(1);
        let week = SignedDuration::from_hours(168);
        let second = SignedDuration::from_secs(1);
        for (verb, class, age, again) in [
            (Verb::Apply, FaultClass::Transient, hour, true),
            (Verb::Apply, FaultClass::Transient, week, false),
            (Verb::Apply, FaultClass::Unknown, hour, true),
            (Verb::Apply, FaultClass::Permanent, second, false),
            (Verb::Apply, FaultClass::Conflict, second, false),
            (Verb::Prove, FaultClass::Permanent, second, true),
            (Verb::Prove, FaultClass::Transient, hour, true),
            (Verb::Deliver, FaultClass::Unknown, hour, true),
            (Verb::Deliver, FaultClass::Permanent, second, false),
        ] {
            let (failure, now) = failure(verb, class, age);
            let decided = decide(&policy(), failure, now, 0.5);
            assert_eq!(matches!(decided, Settlement::Retry { .. }), again, "{verb:?} {class:?} {age}");
        }
    }

    #[test]
    fn a_proof_is_tried_twice_at_least_and_no_longer_than_it_may_take_to_settle() {
        for (attempt, seconds, again) in
            [(1, 29, true), (1, 3600, true), (2, 20, true), (2, 31, false), (3, 3600, false)]
        {
            let (mut failure, now) = failure(Verb::Prove, FaultClass::Permanent, SignedDuration::from_secs(seconds));
            failure.attempt = attempt;
            let decided = decide(&policy(), failure, now, 0.5);
            assert_eq!(matches!(decided, Settlement::Retry { .. }), again, "attempt {attempt} after {seconds} s");
        }
    }

    #[test]
    fn an_uncertain_sms_is_never_sent_again_by_itself() {
        let (failure, now) = failure(Verb::Deliver, FaultClass::Unknown, SignedDuration::from_secs(1));
        let policy = Policy { never_blindly: true, ..policy() };
        assert!(matches!(decide(&policy, failure, now, 0.0), Settlement::Stuck { .. }));
    }

    #[test]
    fn a_notice_passes_on_when_its_channel_refuses_or_stays_away_and_never_when_it_may_have_been_taken() {
        let (second, week) = (SignedDuration::from_secs(1), SignedDuration::from_hours(168));
        for (verb, class, age, uncertain, passes) in [
            (Verb::Deliver, FaultClass::Permanent, second, false, true),
            (Verb::Deliver, FaultClass::Transient, week, false, true),
            (Verb::Deliver, FaultClass::Transient, second, false, false),
            (Verb::Deliver, FaultClass::Unknown, week, false, false),
            (Verb::Deliver, FaultClass::Permanent, second, true, false),
            (Verb::Apply, FaultClass::Permanent, second, false, false),
        ] {
            for never_blindly in [false, true] {
                let (failure, now) = failure(verb, class, age);
                let failure = Failure { next: Some("email".into()), uncertain, ..failure };
                let decided = decide(&Policy { never_blindly, ..policy() }, failure, now, 0.5);
                let passed = matches!(&decided, Settlement::PassedOn { to, .. } if to == "email");
                assert_eq!(passed, passes, "{verb:?} {class:?} {age} {uncertain}: {decided:?}");
            }
        }
    }

    proptest! {
        #[test]
        fn a_wait_lies_between_half_the_first_and_the_longest(attempt in 0_u32..10_000, jitter in -1.0_f64..2.0) {
            let policy = policy();
            let wait = wait(&policy, attempt, jitter);
            prop_assert!(wait >= policy.first / 2 && wait <= policy.longest);
        }

        #[test]
        fn a_retry_is_never_due_after_the_deadline(age in 0_i64..400_000, attempt in 1_u32..100, jitter in 0.0_f64..1.0) {
            let (mut failure, now) = failure(Verb::Apply, FaultClass::Transient, SignedDuration::from_secs(age));
            failure.attempt = attempt;
            let end = failure.first_at + policy().give_up;
            if let Settlement::Retry { due, .. } = decide(&policy(), failure, now, jitter) {
                prop_assert!(due <= end && due >= now);
            }
        }
    }
}
