//! What the two threads of the journal have in common: the one that writes (`super::writer`) and the one that brings it to the disk
//! (`super::sync`). Whom they tell of what is done, and what each has seen go wrong.

use super::JournalError;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, watch};

/// Tells whoever asked for an operation how it went.
pub type Answer = Box<dyn FnOnce(Result<(), JournalError>) + Send>;
/// Who hears of each transaction.
pub type Observe = dyn Fn(Moment) + Send + Sync;

/// Who is to be woken when a lane has something to do.
#[derive(Clone, Default)]
pub struct Wakers(Arc<Mutex<BTreeMap<String, Arc<Notify>>>>);

impl Wakers {
    /// The bell of a lane.
    pub fn of(&self, lane: &str) -> Arc<Notify> {
        self.lock().entry(lane.to_owned()).or_default().clone()
    }
    /// Rings those of some lanes.
    pub fn ring(&self, lanes: &BTreeSet<String>) {
        let bells = self.lock();
        lanes.iter().filter_map(|lane| bells.get(lane)).for_each(|bell| bell.notify_one());
    }
    /// Rings every bell: after recovery, or when everything shall look again.
    pub fn ring_all(&self) {
        self.lock().values().for_each(|bell| bell.notify_one());
    }
    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Arc<Notify>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the writer tells while it works; for metrics and the watchdog.
#[derive(Debug, Clone, Copy)]
pub enum Moment {
    /// It begins a transaction.
    Begins,
    /// It has committed one.
    Committed(Committed),
    /// It could not commit one.
    Failed,
    /// Nothing is under way.
    Rests,
}

/// What a commit cost.
#[derive(Debug, Clone, Copy)]
pub struct Committed {
    /// Operations in it.
    pub operations: usize,
    /// From begin to synced.
    pub took: Duration,
}

/// What the two threads have in common.
#[derive(Clone)]
pub struct Shared {
    /// The journal's file.
    pub path: Arc<Path>,
    /// Whom to wake.
    pub wakers: Wakers,
    /// Whether the last write succeeded; else why not.
    pub writable: Arc<watch::Sender<Result<(), String>>>,
    /// Hears of each transaction.
    pub observe: Arc<Observe>,
    /// False until what is suspected of the journal is durable in it.
    pub trusted: Arc<AtomicBool>,
    /// Transactions that have begun and of which nobody has been told.
    under_way: Arc<AtomicUsize>,
    /// The log could not be synced: nothing more is written.
    lost: Arc<AtomicBool>,
}

impl Shared {
    pub fn new(
        path: Arc<Path>,
        wakers: Wakers,
        writable: watch::Sender<Result<(), String>>,
        observe: Box<Observe>,
        trusted: Arc<AtomicBool>,
    ) -> Self {
        let (writable, observe) = (Arc::new(writable), observe.into());
        Self { path, wakers, writable, observe, trusted, under_way: Arc::default(), lost: Arc::default() }
    }

    /// A transaction begins.
    pub fn begins(&self) {
        self.under_way.fetch_add(1, Ordering::AcqRel);
        (self.observe)(Moment::Begins);
    }

    /// Those who wait for one hear how it went.
    pub fn ends(&self, answers: Vec<Answer>, failed: Option<&str>) {
        for answer in answers {
            answer(match failed {
                None => Ok(()),
                Some(cause) => Err(JournalError::Unwritable { path: self.path.to_path_buf(), cause: cause.to_owned() }),
            });
        }
        if self.under_way.fetch_sub(1, Ordering::AcqRel) == 1 {
            (self.observe)(Moment::Rests);
        }
    }

    /// Whether the log could not be synced.
    pub fn is_lost(&self) -> bool {
        self.lost.load(Ordering::Acquire)
    }

    /// The log could not be synced; true the first time.
    pub fn lose(&self) -> bool {
        !self.lost.swap(true, Ordering::AcqRel)
    }
}
