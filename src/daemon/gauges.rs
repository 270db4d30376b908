//! What stands where, for metrics and `systemctl status`: read from the journal when somebody asks, so that an idle daemon
//! stays idle.

use crate::journal::read::Reader;
use crate::journal::{Journal, JournalError, State};
use crate::observe::health::Health;
use crate::observe::metrics::Metrics;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

/// How often what has ended is counted from the beginning: a clock that was set back would hide some of it.
const COUNT_ANEW: Duration = Duration::from_secs(3600);

/// Clones share the connection.
#[derive(Clone)]
pub struct Gauges {
    reader: Arc<Mutex<Reader>>,
    metrics: Metrics,
    health: Health,
    lanes: Arc<Vec<String>>,
    outlets: Arc<Vec<String>>,
    path: PathBuf,
    ended: Arc<Mutex<Ended>>,
}

/// Requests that have ended, by state: counted once, then only what has come since.
#[derive(Default)]
struct Ended {
    counts: BTreeMap<String, u64>,
    until: i64,
    begun: Option<Instant>,
}

impl Ended {
    fn count(&mut self, reader: &Reader) -> Result<(), JournalError> {
        if self.begun.is_none_or(|begun| begun.elapsed() > COUNT_ANEW) {
            *self = Self { begun: Some(Instant::now()), ..Self::default() };
        }
        for (state, count, last) in reader.ended_since(self.until)? {
            *self.counts.entry(state).or_default() += count;
            self.until = self.until.max(last);
        }
        Ok(())
    }
}

impl Gauges {
    /// Opens a connection for reading.
    ///
    /// # Errors
    /// Where the journal cannot be read.
    pub fn open(
        journal: &Journal,
        metrics: &Metrics,
        health: &Health,
        lanes: &[String],
        outlets: Vec<String>,
    ) -> Result<Self, JournalError> {
        Ok(Self {
            reader: Arc::new(Mutex::new(Reader::open(journal.path())?)),
            metrics: metrics.clone(),
            health: health.clone(),
            lanes: Arc::new(lanes.to_vec()),
            outlets: Arc::new(outlets),
            path: journal.path().to_owned(),
            ended: Arc::default(),
        })
    }

    /// Sets every gauge to what the journal says now. Blocks on the disk.
    pub fn refresh(&self) {
        self.metrics.set_well(self.health.problems(Instant::now()).is_empty());
        for (server, until) in crate::tls::seen() {
            self.metrics.set_certificate_expiry(&server, until);
        }
        for (file, until) in crate::tls::files_that_end(jiff::Timestamp::now().as_second()) {
            self.metrics.set_credential_expiry(&file.display().to_string(), until);
        }
        for (file, changed) in crate::secret::place::files_read() {
            let at = changed.duration_since(SystemTime::UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64());
            self.metrics.set_credential_modified(&file.display().to_string(), at);
        }
        if let Err(error) = self.try_refresh() {
            tracing::warn!(%error, "the journal could not be read for the metrics");
        }
    }

    fn try_refresh(&self) -> Result<(), JournalError> {
        let reader = self.reader.lock().unwrap_or_else(PoisonError::into_inner);
        let open = reader.open_counts()?;
        let mut ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        ended.count(&reader)?;
        for state in State::ALL {
            let count = match ended.counts.get(state.as_str()) {
                Some(count) => *count,
                None => open.iter().find(|(word, _)| word == state.as_str()).map_or(0, |(_, count)| *count),
            };
            self.metrics.set_requests_in_state(state.as_str(), count);
        }
        for lane in self.lanes.iter() {
            let status = reader.lane(lane)?;
            self.metrics.set_lane_ready(lane, status.ready + status.retry + status.running, status.oldest);
            self.metrics.set_lane_stuck(lane, status.stuck);
            self.metrics.set_lane_paused(&status.lane, status.paused);
        }
        for outlet in self.outlets.iter() {
            let status = reader.outlet(outlet)?;
            self.metrics.set_publications_due(outlet, status.ready + status.retry + status.running);
            self.metrics.set_lane_stuck(outlet, status.stuck);
            self.metrics.set_lane_paused(outlet, status.paused);
        }
        let size = |path: &Path| std::fs::metadata(path).map_or(0, |metadata| metadata.len());
        self.metrics.set_journal_bytes(size(&self.path));
        let mut wal = self.path.clone().into_os_string();
        wal.push("-wal");
        let free = nix::sys::statvfs::statvfs(&self.path)
            .map_or(0, |disk| disk.blocks_available().saturating_mul(disk.fragment_size()));
        self.metrics.set_journal_room(size(Path::new(&wal)), free);
        Ok(())
    }

    /// One line for `systemctl status`. Asked for after every group of files: it must not count what has ended.
    pub fn status(&self) -> String {
        let reader = self.reader.lock().unwrap_or_else(PoisonError::into_inner);
        match reader.open_counts() {
            Ok(counts) => {
                let of = |wanted: State| counts.iter().find(|(word, _)| word == wanted.as_str()).map_or(0, |(_, n)| *n);
                format!(
                    "takes requests; {} working, {} waiting, {} held, {} stuck",
                    of(State::Working),
                    of(State::Waiting),
                    of(State::Held),
                    of(State::Stuck)
                )
            }
            Err(error) => format!("takes requests; {error}"),
        }
    }

    /// Lanes with open steps whose target or channel is no longer configured. They wait for ever: said once, here.
    pub fn orphans(&self) -> Vec<String> {
        let reader = self.reader.lock().unwrap_or_else(PoisonError::into_inner);
        let mut lanes = reader.lanes_with_open_steps().unwrap_or_default();
        lanes.retain(|lane| !self.lanes.contains(lane));
        for lane in &lanes {
            tracing::error!(%lane, "requests wait for a target or channel that is no longer configured; configure it again, or withdraw them");
        }
        lanes
    }
}
