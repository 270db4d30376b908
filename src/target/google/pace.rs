//! How fast a Workspace account may be asked: token buckets, and a pause that holds for everybody.
//!
//! Google counts per domain and per administrator, not per connection. So all targets of one domain share one [`Pace`], and
//! what slows one of them down slows all.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{Instant, sleep_until, timeout_at};

/// What is asked for stays this much under what Google allows: calls that set out evenly arrive unevenly.
const MARGIN: f64 = 0.95;
/// The part of a minute's queries that may be asked at once.
const BURST: f64 = 0.05;
/// First pause where Google does not say how long; doubles with each further refusal, up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// The longest pause of akund's own making. Google may ask for a longer one.
const LONGEST_PAUSE: Duration = Duration::from_secs(32);

/// What Google allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Accounts made in a second.
    pub creations_per_second: u32,
    /// Calls in a minute, creations among them.
    pub queries_per_minute: u32,
    /// Calls under way at once.
    pub concurrency: usize,
}

/// Tokens that come at a steady rate and are kept up to a number. Pure.
#[derive(Debug, Clone, Copy)]
struct Bucket {
    keeps: f64,
    per_second: f64,
    tokens: f64,
    at: Instant,
}

impl Bucket {
    /// Empty: what was used up before akund started is not known.
    fn new(keeps: f64, per_second: f64, now: Instant) -> Self {
        Self { keeps, per_second, tokens: 0.0, at: now }
    }

    /// Takes a token, or says when there will be one.
    fn take(&mut self, now: Instant) -> Result<(), Instant> {
        let passed = now.saturating_duration_since(self.at).as_secs_f64();
        self.tokens = (self.tokens + passed * self.per_second).min(self.keeps);
        self.at = self.at.max(now);
        // A timer may be a hair early.
        if self.tokens >= 1.0 - 1e-6 {
            self.tokens -= 1.0;
            return Ok(());
        }
        Err(now + Duration::from_secs_f64((1.0 - self.tokens) / self.per_second))
    }
}

/// The pause that holds for everybody. Pure.
#[derive(Debug, Clone, Copy)]
struct Brake {
    until: Instant,
    set_at: Instant,
    refusals: u32,
}

impl Brake {
    /// A call that was let in at `admitted` was told to slow down, for as long as the server says or by akund's own
    /// schedule. Calls that were under way together count as one refusal.
    fn slow_down(&mut self, admitted: Instant, asked: Option<Duration>, jitter: f64, now: Instant) {
        if admitted > self.set_at || self.refusals == 0 {
            self.refusals = self.refusals.saturating_add(1);
            self.set_at = now;
        }
        let doubled = FIRST_PAUSE.saturating_mul(1 << self.refusals.saturating_sub(1).min(10)).min(LONGEST_PAUSE);
        let pause = asked.unwrap_or(Duration::ZERO).max(doubled) + Duration::from_secs_f64(jitter.clamp(0.0, 1.0));
        self.until = self.until.max(now + pause);
    }

    /// A call that was let in after the last refusal went well.
    fn went_well(&mut self, admitted: Instant) {
        if admitted > self.set_at {
            self.refusals = 0;
        }
    }
}

/// What a call asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// It makes an account.
    Creation,
    /// Anything else.
    Query,
}

/// The pace of one Workspace account.
pub struct Pace {
    // Each is held while its holder waits: whoever comes next stands in the queue.
    creations: tokio::sync::Mutex<Bucket>,
    queries: tokio::sync::Mutex<Bucket>,
    brake: Mutex<Brake>,
    slots: Semaphore,
}

/// A call may be made now.
pub struct Admitted<'p> {
    at: Instant,
    _slot: SemaphorePermit<'p>,
}

/// How long Google, or its quota, leaves no room; the call was not made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoRoom;

/// By server and domain.
type Known = HashMap<(String, String), Weak<Pace>>;

static SHARED: LazyLock<Mutex<Known>> = LazyLock::new(Mutex::default);

impl Pace {
    /// That of a domain at a server, shared by all who ask for it.
    pub fn shared(root_url: &str, domain: &str, limits: Limits) -> Arc<Self> {
        let mut known = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|_, pace| pace.strong_count() > 0);
        let key = (root_url.to_owned(), domain.to_owned());
        if let Some(pace) = known.get(&key).and_then(Weak::upgrade) {
            return pace;
        }
        let pace = Arc::new(Self::new(limits));
        known.insert(key, Arc::downgrade(&pace));
        pace
    }

    fn new(limits: Limits) -> Self {
        let now = Instant::now();
        let per_minute = f64::from(limits.queries_per_minute);
        Self {
            creations: tokio::sync::Mutex::new(Bucket::new(1.0, f64::from(limits.creations_per_second) * MARGIN, now)),
            queries: tokio::sync::Mutex::new(Bucket::new(
                (per_minute * BURST).max(1.0),
                per_minute * (MARGIN - BURST / 2.0) / 60.0,
                now,
            )),
            brake: Mutex::new(Brake { until: now, set_at: now, refusals: 0 }),
            slots: Semaphore::new(limits.concurrency),
        }
    }

    /// Waits for its turn.
    ///
    /// # Errors
    /// There is no room before the deadline.
    pub async fn admit(&self, kind: Kind, deadline: Instant) -> Result<Admitted<'_>, NoRoom> {
        let slot = timeout_at(deadline, self.slots.acquire()).await.map_err(|_| NoRoom)?.map_err(|_| NoRoom)?;
        self.through(&self.queries, deadline).await?;
        // Last, for whatever waits behind this gate could then set out together.
        if kind == Kind::Creation {
            self.through(&self.creations, deadline).await?;
        }
        Ok(Admitted { at: Instant::now(), _slot: slot })
    }

    async fn through(&self, gate: &tokio::sync::Mutex<Bucket>, deadline: Instant) -> Result<(), NoRoom> {
        let mut bucket = timeout_at(deadline, gate.lock()).await.map_err(|_| NoRoom)?;
        loop {
            let now = Instant::now();
            let paused_until = self.brake().until;
            let next = if paused_until > now { Err(paused_until) } else { bucket.take(now) };
            match next {
                Ok(()) => return Ok(()),
                Err(then) if then > deadline => return Err(NoRoom),
                Err(then) => sleep_until(then).await,
            }
        }
    }

    /// The server told this call to slow down, perhaps for how long.
    pub fn slow_down(&self, admitted: &Admitted<'_>, asked: Option<Duration>) {
        let now = Instant::now();
        let mut brake = self.brake();
        brake.slow_down(admitted.at, asked, rand::random(), now);
        let pause = brake.until.saturating_duration_since(now);
        tracing::warn!(seconds = pause.as_secs_f32(), "Google asks for fewer calls; all of them pause");
    }

    /// The server answered this call without such a word.
    pub fn went_well(&self, admitted: &Admitted<'_>) {
        self.brake().went_well(admitted.at);
    }

    fn brake(&self) -> MutexGuard<'_, Brake> {
        self.brake.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::VecDeque;

    const GOOGLE: Limits = Limits { creations_per_second: 10, queries_per_minute: 2400, concurrency: 8 };

    fn far(now: Instant) -> Instant {
        now + Duration::from_secs(3600)
    }

    #[tokio::test(start_paused = true)]
    async fn no_second_sees_more_creations_than_allowed_and_little_time_is_given_away() {
        let pace = Pace::new(GOOGLE);
        let begun = Instant::now();
        let mut window = VecDeque::new();
        for _ in 0..2000 {
            let admitted = pace.admit(Kind::Creation, far(begun)).await.unwrap();
            window.push_back(admitted.at);
            if window.len() > 10 {
                let before = window.pop_front().unwrap();
                assert!(admitted.at - before > Duration::from_secs(1), "{:?}", admitted.at - before);
            }
        }
        let took = begun.elapsed().as_secs_f64();
        assert!((200.0..=220.0).contains(&took), "{took}");
    }

    #[tokio::test(start_paused = true)]
    async fn creations_that_waited_for_slow_answers_do_not_set_out_together() {
        let pace = Pace::new(GOOGLE);
        let begun = Instant::now();
        let silent = (0..8).map(|_| pace.admit(Kind::Query, far(begun)));
        let silent = futures_util::future::join_all(silent).await;
        let waiting = futures_util::future::join_all((0..40).map(|_| async {
            let admitted = pace.admit(Kind::Creation, far(begun)).await;
            admitted.map(|admitted| admitted.at)
        }));
        let answered = async {
            tokio::time::sleep(Duration::from_secs(30)).await;
            drop(silent);
        };
        let (times, ()) = tokio::join!(waiting, answered);
        let mut times: Vec<Instant> = times.into_iter().map(Result::unwrap).collect();
        times.sort();
        for pair in times.windows(11) {
            assert!(pair[10] - pair[0] > Duration::from_secs(1));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn no_minute_sees_more_queries_than_allowed() {
        let pace = Pace::new(GOOGLE);
        let begun = Instant::now();
        let mut window = VecDeque::new();
        for n in 0..10_000 {
            if n == 5000 {
                // What is not used is kept for a burst only.
                tokio::time::sleep(Duration::from_secs(300)).await;
            }
            let admitted = pace.admit(Kind::Query, far(begun)).await.unwrap();
            window.push_back(admitted.at);
            if window.len() > 2400 {
                let before = window.pop_front().unwrap();
                assert!(admitted.at - before >= Duration::from_secs(60), "{n}: {:?}", admitted.at - before);
            }
        }
        assert!(begun.elapsed() < Duration::from_secs(300 + 275), "{:?}", begun.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn a_refusal_holds_everybody_back_and_grows_until_one_goes_well() {
        let pace = Pace::new(GOOGLE);
        let begun = Instant::now();
        let first = pace.admit(Kind::Query, far(begun)).await.unwrap();
        let second = pace.admit(Kind::Query, far(begun)).await.unwrap();
        for asked in [None, None] {
            pace.slow_down(&first, asked);
        }
        pace.slow_down(&second, Some(Duration::from_secs(20)));
        let refused_at = Instant::now();
        let third = pace.admit(Kind::Query, far(begun)).await.unwrap();
        let waited = refused_at.elapsed().as_secs_f64();
        assert!(
            (20.0..=21.1).contains(&waited),
            "{waited}: as long as the server says, once for all that were under way"
        );
        pace.slow_down(&third, None);
        let again = Instant::now();
        let fourth = pace.admit(Kind::Creation, far(begun)).await.unwrap();
        let waited = again.elapsed().as_secs_f64();
        assert!((2.0..=3.1).contains(&waited), "{waited}: twice the first");
        pace.went_well(&fourth);
        pace.slow_down(&fourth, None);
        let after = Instant::now();
        pace.admit(Kind::Query, far(begun)).await.unwrap();
        assert!((1.0..=2.1).contains(&after.elapsed().as_secs_f64()), "the first again");
    }

    #[tokio::test(start_paused = true)]
    async fn who_cannot_be_let_in_before_the_deadline_is_told_so() {
        let pace = Pace::new(GOOGLE);
        let begun = Instant::now();
        let admitted = pace.admit(Kind::Query, far(begun)).await.unwrap();
        pace.slow_down(&admitted, Some(Duration::from_secs(3600)));
        let deadline = Instant::now() + Duration::from_secs(30);
        assert!(pace.admit(Kind::Query, deadline).await.is_err());
        assert!(begun.elapsed() < Duration::from_secs(1), "at once, where it is plain");
    }

    #[tokio::test]
    async fn targets_of_one_domain_share_their_pace() {
        let of = |domain| Pace::shared("https://here/", domain, GOOGLE);
        let (one, same, other) = (of("a.example.org"), of("a.example.org"), of("b.example.org"));
        assert!(Arc::ptr_eq(&one, &same) && !Arc::ptr_eq(&one, &other));
    }

    proptest! {
        #[test]
        fn a_bucket_never_gives_more_than_its_rate_and_what_it_keeps(
            waits in prop::collection::vec(0_u64..2_000, 1..200), keeps in 1_u8..20, rate in 1_u8..50
        ) {
            let begun = Instant::now();
            let mut bucket = Bucket::new(f64::from(keeps), f64::from(rate), begun);
            let (mut now, mut taken) = (begun, 0.0);
            for wait in waits {
                now += Duration::from_millis(wait);
                match bucket.take(now) {
                    Ok(()) => taken += 1.0,
                    Err(then) => prop_assert!(then > now),
                }
                let earned = (now - begun).as_secs_f64() * f64::from(rate);
                prop_assert!(taken <= earned.min(earned + f64::from(keeps)) + 1e-3);
            }
        }
    }
}
