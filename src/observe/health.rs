//! Whether akund is well: what `/healthz`, `/readyz` and the watchdog go by.

use super::pulse::Pulse;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Instant;

/// Shared state; clones share it. Well means: the journal can be written and everything that must move moves. A target
/// that is down is none of it.
#[derive(Debug, Clone)]
pub struct Health(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    pulse: Pulse,
    journal: RwLock<Result<(), String>>,
    intake: RwLock<Result<(), String>>,
}

impl Health {
    /// At first neither the journal nor the intake is open.
    pub fn new(pulse: Pulse) -> Self {
        let starting = |what: &str| RwLock::new(Err(format!("akund is starting: {what} is not open yet")));
        Self(Arc::new(Inner { pulse, journal: starting("the journal"), intake: starting("the intake") }))
    }

    /// The registry of what must move.
    pub fn pulse(&self) -> &Pulse {
        &self.0.pulse
    }

    /// Notes whether the last write to the journal succeeded; `Err` is a sentence for the person on call.
    pub fn set_journal(&self, writable: Result<(), String>) {
        set(&self.0.journal, writable);
    }

    /// `Err` says why the journal cannot be written.
    pub fn journal(&self) -> Result<(), String> {
        get(&self.0.journal)
    }

    /// Notes whether requests are taken; `Err` is a sentence that says why not.
    pub fn set_intake(&self, open: Result<(), String>) {
        set(&self.0.intake, open);
    }

    /// `Err` says why no requests are taken.
    pub fn intake(&self) -> Result<(), String> {
        get(&self.0.intake)
    }

    /// Everything that makes akund unwell at `now`, a sentence each. Empty: well.
    pub fn problems(&self, now: Instant) -> Vec<String> {
        self.journal().err().into_iter().chain(self.0.pulse.stalled(now)).collect()
    }
}

fn set(state: &RwLock<Result<(), String>>, value: Result<(), String>) {
    *state.write().unwrap_or_else(PoisonError::into_inner) = value;
}

fn get(state: &RwLock<Result<(), String>>) -> Result<(), String> {
    state.read().unwrap_or_else(PoisonError::into_inner).clone()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn it_is_unwell_until_the_journal_is_open_and_again_when_it_cannot_be_written() {
        let health = Health::new(Pulse::new());
        assert_eq!(health.problems(Instant::now()), ["akund is starting: the journal is not open yet"]);
        health.set_journal(Ok(()));
        assert!(health.problems(Instant::now()).is_empty());
        health.set_journal(Err("the journal cannot be written: disk full".into()));
        assert_eq!(health.problems(Instant::now()), ["the journal cannot be written: disk full"]);
    }

    #[test]
    fn a_closed_intake_is_not_unwell() {
        let health = Health::new(Pulse::new());
        health.set_journal(Ok(()));
        assert_eq!(health.intake(), Err("akund is starting: the intake is not open yet".into()));
        assert!(health.problems(Instant::now()).is_empty());
        health.set_intake(Ok(()));
        assert_eq!(health.intake(), Ok(()));
    }

    #[test]
    fn a_part_that_does_not_move_makes_it_unwell() {
        let pulse = Pulse::new();
        let beat = pulse.register("lane mail", Duration::from_secs(1));
        let health = Health::new(pulse);
        health.set_journal(Ok(()));
        beat.busy();
        let later = Instant::now() + Duration::from_secs(5);
        assert_eq!(health.problems(later).len(), 1);
    }
}
