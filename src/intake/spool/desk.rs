//! What is in hand: no file is offered twice at once, and what changes meanwhile is looked at again.

use super::look::Identity;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::ffi::{OsStr, OsString};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// Index of the source, and name.
pub(super) type Key = (usize, OsString);

/// What was reported of a thing that stays where it is, so that it is reported once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Report {
    pub identity: Identity,
    pub why: StayingWhy,
}

/// Why a thing stays where it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum StayingWhy {
    Directory,
    TooLarge,
    Unreadable,
}

/// Shared by [`super::Spool`], which works, and [`super::Arrivals`], which offers work.
#[derive(Debug, Default)]
pub(super) struct Desk {
    state: Mutex<State>,
    /// Told when [`Desk::again`] has something.
    pub changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    in_hand: HashSet<Key>,
    /// In hand, and to be looked at again after that.
    wanted: HashSet<Key>,
    again: Vec<Key>,
    reported: HashMap<Key, Report>,
    /// By source: why its directory cannot be read.
    troubles: BTreeMap<usize, String>,
}

/// Held by whoever works on a file; the last one to go frees it.
#[derive(Debug)]
pub(super) struct Lease {
    desk: Arc<Desk>,
    key: Key,
}

impl Desk {
    /// `None` while somebody holds it.
    pub(super) fn lease(desk: &Arc<Self>, source: usize, name: &OsStr) -> Option<Arc<Lease>> {
        let key = (source, name.to_owned());
        desk.state().in_hand.insert(key.clone()).then(|| Arc::new(Lease { desk: Arc::clone(desk), key }))
    }

    /// Has the file looked at again: now, or as soon as nobody holds it.
    pub(super) fn look_again(&self, source: usize, name: &OsStr) {
        let key = (source, name.to_owned());
        let mut state = self.state();
        if state.in_hand.contains(&key) {
            state.wanted.insert(key);
        } else {
            state.again.push(key);
            self.changed.notify_one();
        }
    }

    /// What is to be looked at again; forgets it.
    pub(super) fn again(&self) -> Vec<Key> {
        std::mem::take(&mut self.state().again)
    }

    /// Whether the same was said of the same thing, whatever its size and times were then.
    pub(super) fn was_reported(&self, source: usize, name: &OsStr, report: Report) -> bool {
        self.state().reported.get(&(source, name.to_owned())).is_some_and(|last| {
            (last.why, last.identity.dev, last.identity.ino) == (report.why, report.identity.dev, report.identity.ino)
        })
    }

    /// Whether it stays, was reported, and has not been touched since: no reason to try again.
    pub(super) fn is_settled(&self, source: usize, name: &OsStr, identity: &Identity) -> bool {
        let state = self.state();
        !state.reported.is_empty()
            && state.reported.get(&(source, name.to_owned())).is_some_and(|last| last.identity == *identity)
    }

    pub(super) fn reported(&self, source: usize, name: &OsStr, report: Report) {
        self.state().reported.insert((source, name.to_owned()), report);
    }

    /// Forgets the reports on things of `source` that are no longer `there`.
    pub(super) fn forget_reports(&self, source: usize, there: impl Fn(&OsStr) -> bool) {
        self.state().reported.retain(|(of, name), _| *of != source || there(name));
    }

    /// Notes why a source's directory cannot be read, or that it can; whether that is news.
    pub(super) fn trouble(&self, source: usize, why: Option<String>) -> bool {
        let troubles = &mut self.state().troubles;
        match why {
            Some(why) => troubles.insert(source, why.clone()) != Some(why),
            None => troubles.remove(&source).is_some(),
        }
    }

    /// Why which directories cannot be read.
    pub(super) fn troubles(&self) -> Vec<String> {
        self.state().troubles.values().cloned().collect()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let mut state = self.desk.state();
        state.in_hand.remove(&self.key);
        if let Some(key) = state.wanted.take(&self.key) {
            state.again.push(key);
            self.desk.changed.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_in_hand_is_not_leased_again_until_the_last_holder_is_gone() {
        let desk = Arc::new(Desk::default());
        let name = OsStr::new("a");
        let first = Desk::lease(&desk, 0, name).unwrap();
        let second = Arc::clone(&first);
        assert!(Desk::lease(&desk, 0, name).is_none());
        assert!(Desk::lease(&desk, 1, name).is_some());
        drop(first);
        assert!(Desk::lease(&desk, 0, name).is_none());
        drop(second);
        assert!(Desk::lease(&desk, 0, name).is_some());
    }

    #[test]
    fn what_changes_while_in_hand_is_looked_at_once_it_is_free() {
        let desk = Arc::new(Desk::default());
        let name = OsStr::new("a");
        let lease = Desk::lease(&desk, 0, name).unwrap();
        desk.look_again(0, name);
        desk.look_again(0, name);
        assert!(desk.again().is_empty());
        drop(lease);
        assert_eq!(desk.again(), [(0, name.to_owned())]);
        desk.look_again(0, name);
        assert_eq!(desk.again().len(), 1);
        assert!(desk.again().is_empty());
    }
}
