//! The same thing told once, and then how often: so that an outage of 5,000 steps is a few lines a minute in the log.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long what is the same is counted before it is told again.
const WINDOW: Duration = Duration::from_secs(60);
/// Most things that are told apart; what comes beyond is one.
const MOST: usize = 64;
/// Longest word that stands for itself where it has a digit in it.
const LONGEST: usize = 5;

/// Counts what is the same.
#[derive(Debug, Default)]
pub struct Fold(Mutex<BTreeMap<String, Counted>>);

#[derive(Debug)]
struct Counted {
    since: Instant,
    more: u64,
}

impl Fold {
    /// Whether this is to be told now; else it is counted.
    pub fn first(&self, what: &str, now: Instant) -> bool {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let key = if kept.len() < MOST || kept.contains_key(what) { what } else { "and others" };
        match kept.get_mut(key) {
            Some(counted) => {
                counted.more += 1;
                false
            }
            None => {
                kept.insert(key.to_owned(), Counted { since: now, more: 0 });
                true
            }
        }
    }

    /// What was counted for long enough: what, and how often. What did not come again is forgotten.
    pub fn due(&self, now: Instant) -> Vec<(String, u64)> {
        self.take(|counted| now.saturating_duration_since(counted.since) >= WINDOW, now)
    }

    /// Everything that was counted and not told.
    pub fn rest(&self) -> Vec<(String, u64)> {
        self.take(|_| true, Instant::now())
    }

    fn take(&self, due: impl Fn(&Counted) -> bool, now: Instant) -> Vec<(String, u64)> {
        let mut told = Vec::new();
        self.0.lock().unwrap_or_else(PoisonError::into_inner).retain(|what, counted| {
            if !due(counted) {
                return true;
            }
            let more = std::mem::take(&mut counted.more);
            counted.since = now;
            if more > 0 {
                told.push((what.clone(), more));
            }
            more > 0
        });
        told
    }

    /// When something will be due.
    pub fn next(&self) -> Option<Instant> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.values().map(|counted| counted.since + WINDOW).min()
    }
}

/// A fault without what differs from one account to the next: uids, addresses, long numbers.
pub fn alike(message: &str) -> String {
    let word = |word: &str| {
        let digits = word.bytes().any(|b| b.is_ascii_digit());
        if word.contains('@') || digits && word.len() > LONGEST { "…".to_owned() } else { word.to_owned() }
    };
    message.split_whitespace().map(word).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_is_told_first_and_then_once_a_minute_with_its_count() {
        let fold = Fold::default();
        let begun = Instant::now();
        assert!(fold.first("refused", begun));
        assert_eq!((0..4999).filter(|_| fold.first("refused", begun)).count(), 0);
        assert!(fold.first("no route", begun));
        assert!(fold.due(begun + WINDOW / 2).is_empty());
        assert_eq!(fold.next(), Some(begun + WINDOW));
        assert_eq!(fold.due(begun + WINDOW), [("refused".to_owned(), 4999)]);
        assert!(!fold.first("refused", begun + WINDOW), "it goes on being counted");
        assert!(fold.first("no route", begun + WINDOW), "what did not come again is news");
        assert_eq!(fold.rest(), [("refused".to_owned(), 1)]);
    }

    #[test]
    fn however_many_differ_the_lines_are_bounded() {
        let fold = Fold::default();
        let now = Instant::now();
        let told = (0..10_000).filter(|n| fold.first(&format!("fault {n}"), now)).count();
        assert!(told <= MOST + 1, "{told}");
        assert_eq!(fold.rest(), [("and others".to_owned(), 10_000 - told as u64)]);
    }

    #[test]
    fn faults_that_differ_in_the_account_only_are_alike() {
        let fault = |uid: &str, address: &str| alike(&format!("account {uid}: 550 5.1.1 <{address}> is unknown"));
        let one = fault("0193f6a2-7b1c-7c3d-9e4f-0123456789ab", "budi@example.org");
        assert_eq!(one, fault("0193f6a2-7b1c-7c3d-9e4f-ba9876543210", "siti@example.org"));
        assert!(one.contains("550 5.1.1"), "{one}");
        assert_ne!(alike("connection refused"), alike("connection reset"));
    }
}
