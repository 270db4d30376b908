//! Whether an outlet is away, and how long it is spared then. Pure.

use super::retry::{self, Policy};
use super::{LONGEST_LANE_WAIT, PATIENT_TURNS};
use crate::channel::NotTaken;
use crate::model::FaultClass;
use std::time::Duration;

/// How many turns in a row nobody was there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Away(u32);

impl Away {
    /// After one more turn, in which these answers came. Only one that gave nothing but faults that may pass counts: whoever refuses a
    /// document, for now or for good, or has nobody to route it to, is there. That such a document is tried again is its own matter,
    /// and must not hold up the others.
    pub fn after(self, answers: &[Result<String, NotTaken>]) -> Self {
        let nobody = |answer: &Result<String, NotTaken>| match answer {
            Err(NotTaken::Fault(fault)) => matches!(fault.class, FaultClass::Transient | FaultClass::Unknown),
            Ok(_) | Err(NotTaken::Refused(_) | NotTaken::Unroutable(_)) => false,
        };
        match answers {
            // Nothing was asked.
            [] => self,
            some if some.iter().all(nobody) => Self(self.0.saturating_add(1)),
            _ => Self(0),
        }
    }

    /// Whether it is.
    pub fn is(self) -> bool {
        self.0 > 0
    }

    /// How long nothing is handed to it; none: go on. `jitter` in 0..1, as [`retry::wait`].
    pub fn spared(self, policy: &Policy, jitter: f64) -> Option<Duration> {
        let beyond = self.0.checked_sub(PATIENT_TURNS)?;
        let wait = retry::wait(policy, beyond.saturating_add(1), jitter);
        Some(Duration::try_from(wait).unwrap_or(LONGEST_LANE_WAIT).min(LONGEST_LANE_WAIT))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lane::retry::sample::policy;
    use crate::model::Fault;

    type Answers = [Result<String, NotTaken>];

    #[test]
    fn only_where_nobody_answered_for_any_document_is_an_outlet_away() {
        let taken = || Ok("confirmed".to_owned());
        let lost = || Err(NotTaken::Fault(Fault::unknown("the answer was lost")));
        let unreachable = || Err(NotTaken::Fault(Fault::transient("connection refused")));
        let damaged = || Err(NotTaken::Fault(Fault::permanent("the document is damaged")));
        let forbidden = || Err(NotTaken::Refused(Fault::transient("may not write with this routing key")));
        let unheard = || Err(NotTaken::Unroutable("no queue is bound".into()));
        let table: [(&Answers, u32); 11] = [
            (&[taken()], 0),
            (&[unreachable()], 3),
            (&[lost(), unreachable()], 3),
            (&[forbidden()], 0),
            (&[forbidden(), forbidden()], 0),
            (&[forbidden(), unreachable()], 0),
            (&[unheard()], 0),
            (&[unheard(), lost()], 0),
            (&[damaged()], 0),
            (&[taken(), unreachable()], 0),
            (&[], 2),
        ];
        for (answers, turns) in table {
            let after = Away(2).after(answers);
            assert_eq!((after, after.is()), (Away(turns), turns > 0), "{answers:?}");
        }
    }

    #[test]
    fn it_is_spared_after_some_turns_and_longer_each_time_up_to_half_a_minute() {
        let spared = |turns| Away(turns).spared(&policy(), 1.0).map(|wait| wait.as_secs());
        for (turns, seconds) in [
            (0, None),
            (1, None),
            (2, None),
            (3, Some(2)),
            (4, Some(4)),
            (6, Some(16)),
            (7, Some(30)),
            (1000, Some(30)),
            (u32::MAX, Some(30)),
        ] {
            assert_eq!(spared(turns), seconds, "{turns}");
        }
        let again = Away(u32::MAX).after(&[Err(NotTaken::Fault(Fault::transient("away")))]);
        assert_eq!(again, Away(u32::MAX));
    }
}
