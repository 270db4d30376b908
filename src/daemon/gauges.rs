//! What stands where, for metrics and `systemctl status`: read from the journal when somebody asks, so that an idle daemon
//! stays idle.

use crate::journal::read::Reader;
use crate::journal::{Journal, JournalError, State};
use crate::observe::metrics::Metrics;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

/// Clones share the connection.
#[derive(Clone)]
pub struct Gauges {
    reader: Arc<Mutex<Reader>>,
    metrics: Metrics,
    lanes: Arc<Vec<String>>,
    path: PathBuf,
}

impl Gauges {
    /// Opens a connection for reading.
    ///
    /// # Errors
    /// Where the journal cannot be read.
    pub fn open(journal: &Journal, metrics: &Metrics, lanes: &[String]) -> Result<Self, JournalError> {
        Ok(Self {
            reader: Arc::new(Mutex::new(Reader::open(journal.path())?)),
            metrics: metrics.clone(),
            lanes: Arc::new(lanes.to_vec()),
            path: journal.path().to_owned(),
        })
    }

    /// Sets every gauge to what the journal says now. Blocks on the disk.
    pub fn refresh(&self) {
        if let Err(error) = self.try_refresh() {
            tracing::warn!(%error, "the journal could not be read for the metrics");
        }
    }

    fn try_refresh(&self) -> Result<(), JournalError> {
        let reader = self.reader.lock().unwrap_or_else(PoisonError::into_inner);
        let counts = reader.counts()?;
        for state in State::ALL {
            let count = counts.iter().find(|(word, _)| word == state.as_str()).map_or(0, |(_, count)| *count);
            self.metrics.set_requests_in_state(state.as_str(), count);
        }
        for lane in self.lanes.iter() {
            let status = reader.lane(lane)?;
            self.metrics.set_lane_ready(lane, status.ready + status.retry + status.running, status.oldest);
            self.metrics.set_lane_stuck(lane, status.stuck);
            self.metrics.set_lane_paused(&status.lane, status.paused);
        }
        self.metrics.set_journal_bytes(std::fs::metadata(&self.path).map_or(0, |metadata| metadata.len()));
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
