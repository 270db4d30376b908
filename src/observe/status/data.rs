//! What the first page is made of: read from the journal at most every two seconds, however many look.

use super::Source;
use super::volume::{Day, Days};
use crate::journal::read::{LaneStatus, Reader};
use crate::journal::status::{LaneFault, Seen};
use crate::journal::{JournalError, State};
use crate::model::FaultClass;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Who looks again sooner sees the same.
const AGAIN: Duration = Duration::from_secs(2);
/// Most requests in one list.
pub const MOST: u32 = 12;
/// The states that are listed, the most urgent first.
pub const LISTED: [State; 5] = [State::Stuck, State::Held, State::Waiting, State::Working, State::Withdrawing];

/// One moment of akund.
#[derive(Debug)]
pub struct Data {
    /// When.
    pub at: Timestamp,
    /// The zone that times are shown in.
    pub zone: TimeZone,
    /// How many there are in each of [`LISTED`].
    pub counts: Vec<(State, u64)>,
    /// The first of them.
    pub open: Vec<(State, Vec<Seen>)>,
    /// Those that ended last.
    pub ended: Vec<Seen>,
    /// On how many requests something is past its end, as the clock saw it last.
    pub late: u64,
    /// Every lane.
    pub lanes: Vec<Lane>,
    /// Every outlet of outcome documents.
    pub outlets: Vec<Lane>,
    /// The last 30 days.
    pub days: Vec<Day>,
}

/// One lane.
#[derive(Debug)]
pub struct Lane {
    /// What waits there.
    pub status: LaneStatus,
    /// Whether its last attempt reached its server; none: nothing was tried yet.
    pub up: Option<bool>,
    /// What is wrong there now.
    pub fault: Option<LaneFault>,
    /// When it last met a fault since the start, and of which class.
    pub last_fault: Option<(Timestamp, FaultClass)>,
    /// Since when nothing has succeeded there.
    pub away: Option<Timestamp>,
}

/// The connection, and what was read last.
pub struct Desk {
    reader: Reader,
    days: Days,
    last: Option<(Instant, Arc<Data>)>,
}

impl Desk {
    /// With a connection of its own.
    pub fn new(reader: Reader) -> Self {
        Self { reader, days: Days::default(), last: None }
    }

    /// For one request.
    pub fn reader(&self) -> &Reader {
        &self.reader
    }

    /// As it is, or was two seconds ago.
    ///
    /// # Errors
    /// Where the journal cannot be read.
    pub fn look(&mut self, source: &Source, zone: TimeZone) -> Result<Arc<Data>, JournalError> {
        if let Some((at, data)) = &self.last
            && at.elapsed() < AGAIN
        {
            return Ok(data.clone());
        }
        let data = Arc::new(self.read(source, zone, Timestamp::now())?);
        self.last = Some((Instant::now(), data.clone()));
        Ok(data)
    }

    fn read(&mut self, source: &Source, zone: TimeZone, now: Timestamp) -> Result<Data, JournalError> {
        let reader = &self.reader;
        let found = reader.open_counts()?;
        let count = |state: State| found.iter().find(|(word, _)| word == state.as_str()).map_or(0, |(_, n)| *n);
        let counts: Vec<(State, u64)> = LISTED.into_iter().map(|state| (state, count(state))).collect();
        let open = LISTED.into_iter().map(|state| Ok((state, reader.seen_in(state, MOST)?)));
        // Since before the start, where that was recorded.
        let known = reader.lanes_down()?;
        let (seen, _) = source.watch.down(SignedDuration::ZERO, now);
        let away = |name: &str| {
            let before = known.iter().filter(|down| down.lane == name).map(|down| down.since);
            let seen = seen.iter().filter(|(lane, ..)| lane == name).map(|(_, since, _)| *since);
            before.chain(seen).min()
        };
        let lane = |status: LaneStatus, fault: Option<LaneFault>| Lane {
            up: source.metrics.target_up(&status.lane),
            last_fault: source.metrics.last_fault(&status.lane),
            away: away(&status.lane),
            fault,
            status,
        };
        let lanes = source.lanes.iter().map(|name| Ok(lane(reader.lane(name)?, reader.lane_fault(name)?)));
        let outlets = source.outlets.iter().map(|name| Ok(lane(reader.outlet(name)?, reader.outlet_fault(name)?)));
        Ok(Data {
            at: now,
            counts,
            open: open.collect::<Result<_, JournalError>>()?,
            ended: reader.seen_ended(MOST)?,
            late: source.metrics.breached(),
            lanes: lanes.collect::<Result<_, JournalError>>()?,
            outlets: outlets.collect::<Result<_, JournalError>>()?,
            days: self.days.read(reader, now, &zone)?,
            zone,
        })
    }
}
