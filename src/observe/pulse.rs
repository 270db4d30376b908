//! Whether the parts that must move do move.
//!
//! Each part holds a [`Beat`]. Waiting for work is healthy for ever, and costs no wake-up; being at one piece of work for
//! longer than its limit is not moving. Nothing here has a timer: who wants to know asks [`Pulse::stalled`].

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

/// The registry of beats. Clones share it.
#[derive(Debug, Clone)]
pub struct Pulse(Arc<Registry>);

#[derive(Debug)]
struct Registry {
    epoch: Instant,
    parts: Mutex<Vec<Weak<Part>>>,
}

#[derive(Debug)]
struct Part {
    name: String,
    limit: Duration,
    /// 0: idle. Else: microseconds since the epoch at which it became busy, plus 1.
    busy_since: AtomicU64,
}

/// One part's own handle. Dropping it takes the part off the registry: a part that ends is its owner's affair.
#[derive(Debug)]
pub struct Beat {
    part: Arc<Part>,
    pulse: Pulse,
}

impl Default for Pulse {
    fn default() -> Self {
        Self::new()
    }
}

impl Pulse {
    /// An empty registry.
    pub fn new() -> Self {
        Self(Arc::new(Registry { epoch: Instant::now(), parts: Mutex::default() }))
    }

    /// Adds a part, idle. `name` is for people ("lane mail"); `limit` is the longest that one piece of work may take.
    pub fn register(&self, name: impl Into<String>, limit: Duration) -> Beat {
        let part = Arc::new(Part { name: name.into(), limit, busy_since: AtomicU64::new(0) });
        let mut parts = self.parts();
        parts.retain(|p| p.strong_count() > 0);
        parts.push(Arc::downgrade(&part));
        drop(parts);
        Beat { part, pulse: self.clone() }
    }

    /// A sentence for each part that has been busy for longer than its limit at `now`. Empty: everything moves.
    pub fn stalled(&self, now: Instant) -> Vec<String> {
        let now = self.since_epoch(now);
        self.parts().iter().filter_map(Weak::upgrade).filter_map(|part| part.stalled(now)).collect()
    }

    fn parts(&self) -> MutexGuard<'_, Vec<Weak<Part>>> {
        self.0.parts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn since_epoch(&self, now: Instant) -> u64 {
        u64::try_from(now.saturating_duration_since(self.0.epoch).as_micros()).unwrap_or(u64::MAX)
    }
}

impl Part {
    fn stalled(&self, now: u64) -> Option<String> {
        let since = self.busy_since.load(Ordering::Relaxed).checked_sub(1)?;
        let busy = Duration::from_micros(now.saturating_sub(since));
        (busy > self.limit)
            .then(|| format!("{} has not moved for {} s (limit {} s)", self.name, busy.as_secs(), self.limit.as_secs()))
    }
}

impl Beat {
    /// A piece of work begins. Called again while busy: the next piece begins.
    pub fn busy(&self) {
        let since = self.pulse.since_epoch(Instant::now()).saturating_add(1);
        self.part.busy_since.store(since, Ordering::Relaxed);
    }

    /// Waiting for work.
    pub fn idle(&self) {
        self.part.busy_since.store(0, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(60);

    #[test]
    fn a_part_that_waits_for_work_is_healthy_for_ever() {
        let pulse = Pulse::new();
        let beat = pulse.register("lane mail", LIMIT);
        let much_later = Instant::now() + Duration::from_secs(1_000_000);
        assert!(pulse.stalled(much_later).is_empty());
        beat.busy();
        beat.idle();
        assert!(pulse.stalled(much_later).is_empty());
    }

    #[test]
    fn a_part_that_is_busy_beyond_its_limit_is_named() {
        let pulse = Pulse::new();
        let mail = pulse.register("lane mail", LIMIT);
        let journal = pulse.register("journal", LIMIT * 10);
        mail.busy();
        journal.busy();
        let begun = Instant::now();
        assert!(pulse.stalled(begun + LIMIT - Duration::from_secs(1)).is_empty());
        let stalled = pulse.stalled(begun + LIMIT + Duration::from_millis(2_500));
        assert_eq!(stalled, ["lane mail has not moved for 62 s (limit 60 s)"]);
        assert_eq!(pulse.stalled(begun + LIMIT * 11).len(), 2);
    }

    #[test]
    fn each_new_piece_of_work_starts_the_clock_anew() {
        let pulse = Pulse::new();
        let beat = pulse.register("lane mail", Duration::from_millis(200));
        beat.busy();
        std::thread::sleep(Duration::from_millis(150));
        beat.busy();
        let second = Instant::now();
        assert!(pulse.stalled(second + Duration::from_millis(190)).is_empty());
        assert_eq!(pulse.stalled(second + Duration::from_millis(210)).len(), 1);
    }

    #[test]
    fn a_part_that_is_gone_is_not_waited_for() {
        let pulse = Pulse::new();
        let beat = pulse.register("lane mail", LIMIT);
        beat.busy();
        drop(beat);
        assert!(pulse.stalled(Instant::now() + LIMIT * 2).is_empty());
    }

    #[test]
    fn an_instant_from_before_the_start_is_not_a_stall() {
        let earlier = Instant::now();
        let pulse = Pulse::new();
        let beat = pulse.register("journal", Duration::ZERO);
        beat.busy();
        assert!(pulse.stalled(earlier).is_empty());
    }
}
