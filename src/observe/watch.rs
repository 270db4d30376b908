//! Which lanes get nothing done: seen by the lanes themselves, told by [`crate::lane::operator`] and the status page.

use jiff::{SignedDuration, Timestamp};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Watch(Arc<Mutex<Seen>>);

#[derive(Debug, Default)]
struct Seen {
    /// Lanes whose last batches all failed: since when, and the last fault.
    down: BTreeMap<String, (Timestamp, String)>,
    /// Lanes that have done something since the start, or since they were last down.
    up: BTreeSet<String>,
}

impl Watch {
    /// A batch ended: with a fault, if nothing of it reached the server. Whether that changed how the lane stands.
    pub fn saw(&self, lane: &str, fault: Option<&str>, now: Timestamp) -> bool {
        let mut seen = self.seen();
        match fault {
            Some(fault) => {
                seen.up.remove(lane);
                match seen.down.get_mut(lane) {
                    Some((_, last)) => {
                        fault.clone_into(last);
                        false
                    }
                    None => seen.down.insert(lane.to_owned(), (now, fault.to_owned())).is_none(),
                }
            }
            None => {
                seen.down.remove(lane);
                !seen.up.contains(lane) && seen.up.insert(lane.to_owned())
            }
        }
    }

    /// Lanes in which nothing has succeeded for this long, with since when and the last fault; and when the next one will be such.
    pub fn down(
        &self,
        patience: SignedDuration,
        now: Timestamp,
    ) -> (Vec<(String, Timestamp, String)>, Option<Timestamp>) {
        let seen = self.seen();
        let end = |since: &Timestamp| since.saturating_add(patience).unwrap_or(Timestamp::MAX);
        let (long, short): (Vec<_>, Vec<_>) = seen.down.iter().partition(|(_, (since, _))| end(since) <= now);
        let long = long.into_iter().map(|(lane, (since, fault))| (lane.clone(), *since, fault.clone())).collect();
        (long, short.into_iter().map(|(_, (since, _))| end(since)).min())
    }

    /// Whether a lane has been seen to work.
    pub fn works(&self, lane: &str) -> bool {
        self.seen().up.contains(lane)
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lane_is_down_once_nothing_has_succeeded_for_long_and_up_with_the_first_success() {
        let at = |second: i64| Timestamp::from_second(1_790_000_000 + second).unwrap();
        let patience = SignedDuration::from_secs(300);
        let watch = Watch::default();
        assert!(watch.saw("email", Some("refused"), at(0)));
        assert!(!watch.saw("email", Some("timed out"), at(100)), "it was down already");
        assert_eq!(watch.down(patience, at(299)), (Vec::new(), Some(at(300))));
        assert_eq!(watch.down(patience, at(300)), (vec![("email".into(), at(0), "timed out".into())], None));
        assert!(!watch.works("email"));
        assert!(watch.saw("email", None, at(400)));
        assert!(!watch.saw("email", None, at(401)), "nothing new");
        assert!(watch.works("email"));
        assert_eq!(watch.down(patience, at(900)), (Vec::new(), None));
    }
}
