//! How a lane's server stands: by what its turns bring, and by asking it while there is nothing to do.

use super::idle::Idle;
use super::{LONGEST_LANE_WAIT, PATIENT_TURNS, Slot, Success, met, retry};
use crate::journal::Turn;
use crate::model::{Fault, FaultClass};
use jiff::Timestamp;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// What came of asking a server whether it answers.
pub(super) enum Asked {
    /// Now, or not: when to ask next, if ever.
    Until(Option<Instant>),
    /// There is something else to do.
    Interrupted,
}

impl Slot {
    pub(super) fn count_transient(&self, answers: &[Option<Result<Success, Fault>>]) {
        let passing = |fault: &Fault| matches!(fault.class, FaultClass::Transient | FaultClass::Unknown);
        let answers: Vec<_> = answers.iter().flatten().collect();
        let Some(last) = answers.last() else { return };
        let only_transient = answers.iter().all(|answer| met(answer).is_some_and(passing));
        if only_transient {
            self.transient_turns.fetch_add(1, Ordering::Relaxed);
        } else {
            self.transient_turns.store(0, Ordering::Relaxed);
        }
        self.stands(met(last).filter(|_| only_transient));
    }

    /// How the server stands, as was just seen.
    fn stands(&self, fault: Option<&Fault>) {
        let lane = self.worker.lane();
        self.context.metrics.set_target_up(lane, fault.is_none());
        if self.context.watch.saw(lane, fault.map(|fault| fault.message.as_str()), Timestamp::now()) {
            self.context.journal.bell(crate::journal::operator::LANE).notify_one();
        }
    }

    /// Asks the server whether it answers, if it is time to: so one that is down is seen before a request needs it. Work that comes
    /// meanwhile comes first.
    pub(super) async fn ask(&self, idle: &mut Idle, turn: &Turn) -> Asked {
        let failing = self.transient_turns.load(Ordering::Relaxed) > 0;
        let when = |idle: &Idle| idle.when(turn, failing, &self.context.policy, Timestamp::now());
        if when(idle).is_none_or(|when| when > Instant::now()) {
            return Asked::Until(when(idle));
        }
        let Some(question) = self.worker.answers() else { return Asked::Until(None) };
        let answer = tokio::select! {
            answer = question => answer,
            () = self.bell.notified() => return Asked::Interrupted,
            () = self.context.shutdown.cancelled() => return Asked::Interrupted,
        };
        idle.put_off(&self.context.policy, Instant::now());
        let lane = self.worker.lane();
        match &answer {
            Ok(()) if idle.down => tracing::info!(lane, "its server can be used again"),
            Err(fault) if !idle.down => {
                tracing::warn!(lane, %fault, "its server cannot be used now; it is asked again")
            }
            _ => {}
        }
        idle.down = answer.is_err();
        if answer.is_ok() {
            self.transient_turns.store(0, Ordering::Relaxed);
        }
        self.stands(answer.err().as_ref());
        Asked::Until(when(idle))
    }

    /// Whether the last turns brought nothing but transient faults.
    pub(super) fn is_down(&self) -> bool {
        self.transient_turns.load(Ordering::Relaxed) >= PATIENT_TURNS
    }

    /// The server answers again. Where the journal cannot be written, each step waits for its own time, as it would have.
    pub(super) async fn hurry(&self) {
        match self.context.journal.hurry(self.worker.lane()).await {
            Ok(0) => {}
            Ok(steps) => {
                tracing::info!(lane = self.worker.lane(), steps, "it answers again; what waited for it is tried now")
            }
            Err(error) => {
                tracing::warn!(lane = self.worker.lane(), %error, "what waits for its next attempt is not tried at once")
            }
        }
    }

    /// Spares a server that is down: after some turns with nothing but transient faults, the lane waits before the next.
    pub(super) fn needs_rest(&self) -> Option<Duration> {
        let beyond = self.transient_turns.load(Ordering::Relaxed).checked_sub(PATIENT_TURNS)?;
        let wait = retry::wait(&self.context.policy, beyond + 1, rand::random());
        Some(Duration::try_from(wait).unwrap_or(LONGEST_LANE_WAIT).min(LONGEST_LANE_WAIT))
    }
}
