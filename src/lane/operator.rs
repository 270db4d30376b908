//! Tells the operator, without any monitoring system: a notice when something needs a person, and a digest each day.
//!
//! What is to be told stands in the journal ([`crate::journal::operator`]); a notice takes everything that has gathered, and the
//! next one leaves no sooner than `every_minutes` later: 5,000 stuck requests are one notice. A channel that cannot be reached delays notices and
//! loses none. What leaves holds ids, counts and commands to type; no applicant's name, address or phone.

mod compose;
mod next;

pub use next::{Next, Settings, Standing, next};

use super::Context;
use super::deliver::SharedTemplates;
use super::until::until;
use crate::channel::notice::OperatorNotice;
use crate::channel::{Channel, Destination, Envelope};
use crate::journal::JournalError;
use crate::journal::operator::{LANE, LaneDown};
use crate::journal::orders::Lanes;
use crate::journal::read::Reader;
use crate::model::{Fault, FaultClass};
use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

/// A round that takes longer is not moving.
const LONGEST: Duration = Duration::from_secs(600);
/// First and longest wait after a notice could not be handed over.
const FIRST_WAIT: SignedDuration = SignedDuration::from_secs(10);
const LONGEST_WAIT: SignedDuration = SignedDuration::from_mins(15);
/// How long after the journal could not be read it is tried again.
const AGAIN: SignedDuration = SignedDuration::from_secs(10);
/// After so many events of which none was to be told, they are not looked at again.
const FORGOTTEN: i64 = 10_000;
/// Most requests that a digest names.
const MOST_NAMED: usize = 20;

/// The way to the operator.
#[derive(Clone)]
pub struct Way {
    /// What leaves when.
    pub settings: Settings,
    /// By which channel.
    pub channel: Arc<dyn Channel>,
    /// The right side of Message-IDs.
    pub message_domain: String,
    /// What notices are rendered from.
    pub templates: SharedTemplates,
}

/// Tells the operator until shutdown.
pub struct Operator {
    /// What every lane is given.
    pub context: Context,
    /// Every lane there is, and every outlet.
    pub lanes: Lanes,
    /// How long nothing may succeed in a lane before it is down.
    pub lane_down: SignedDuration,
    /// None: nobody is told; that lanes went down is recorded all the same.
    pub way: Option<Way>,
}

/// After failures, when to try again.
#[derive(Debug, Default)]
struct Patience {
    failures: u32,
    until: Option<Timestamp>,
}

impl Patience {
    fn failed(&mut self, now: Timestamp) {
        let doubled = FIRST_WAIT.checked_mul(1 << self.failures.min(10)).unwrap_or(LONGEST_WAIT).min(LONGEST_WAIT);
        self.failures = self.failures.saturating_add(1);
        self.until = now.checked_add(doubled).ok();
    }
}

impl Operator {
    /// Runs until shutdown.
    ///
    /// # Errors
    /// Where the journal is closed.
    pub async fn run(self) -> Result<(), JournalError> {
        let bell = self.context.journal.bell(LANE);
        let beat = self.context.pulse.register(LANE, LONGEST);
        let mut patience = Patience::default();
        loop {
            beat.busy();
            let wake = match self.round(&mut patience).await {
                Ok(wake) => wake,
                Err(JournalError::Closed) => return Err(JournalError::Closed),
                Err(error) => {
                    tracing::warn!(%error, "the operator could not be told; it is tried again");
                    Timestamp::now().checked_add(AGAIN).ok()
                }
            };
            beat.idle();
            tokio::select! {
                () = until(wake) => {}
                () = bell.notified() => {}
                () = self.context.shutdown.cancelled() => return Ok(()),
            }
        }
    }

    /// Records what lanes did, then tells what is due; when to look again.
    async fn round(&self, patience: &mut Patience) -> Result<Option<Timestamp>, JournalError> {
        let lanes = self.lanes().await?;
        let Some(way) = &self.way else { return Ok(lanes) };
        loop {
            let now = Timestamp::now();
            let standing = self.standing(way, patience.until).await?;
            let told = match next(&way.settings, &standing, now) {
                Next::Wait(until) => return Ok([lanes, until].into_iter().flatten().min()),
                // What was due before there was an operator to tell is not made up for.
                Next::Begin(day) => {
                    self.context.journal.digest_told(day).await?;
                    continue;
                }
                Next::Alert => self.tell_news(way, &standing).await?,
                Next::Digest(day) => self.tell_day(way, &standing, day).await?,
            };
            match told {
                Ok(()) => *patience = Patience::default(),
                Err(fault) => {
                    patience.failed(Timestamp::now());
                    tracing::warn!(channel = way.channel.name(), %fault, "a notice to the operator could not be handed over; it is tried again");
                }
            }
            if self.context.shutdown.is_cancelled() {
                return Ok(None);
            }
        }
    }

    /// Writes down which lanes went down, and which are up again; when the next one will be down.
    async fn lanes(&self) -> Result<Option<Timestamp>, JournalError> {
        let (down, next) = self.context.watch.down(self.lane_down, Timestamp::now());
        let known = self.read(|reader| reader.lanes_down()).await?;
        for (lane, since, fault) in down {
            if !known.iter().any(|known| known.lane == lane) {
                tracing::warn!(lane, %since, "nothing has succeeded in a lane for long");
                let fault = compose::masked(&fault);
                self.context.journal.lane_went_down(LaneDown { lane, since, fault }).await?;
            }
        }
        for lane in known.into_iter().filter(|lane| self.context.watch.works(&lane.lane)) {
            tracing::info!(lane = lane.lane, "a lane that was down works again");
            self.context.journal.lane_came_up(lane.lane).await?;
        }
        Ok(next)
    }

    async fn standing(&self, way: &Way, not_before: Option<Timestamp>) -> Result<Standing, JournalError> {
        let channel = way.channel.name().to_owned();
        let (standing, last) = self
            .read(move |reader| {
                let told = reader.operator_told()?;
                let last = reader.last_event()?;
                let first_news = reader.first_news(told.told)?;
                // That the journal was put back is what the operator must hear of.
                let paused = reader.lane(&channel)?.paused && !reader.paused_by_hold(&channel)?;
                Ok((Standing { first_news, paused, told, not_before }, last))
            })
            .await?;
        let idle = standing.first_news.is_none() && standing.told.telling.is_none();
        if idle && last.saturating_sub(standing.told.told) > FORGOTTEN {
            self.context.journal.operator_told(last, false).await?;
        }
        Ok(standing)
    }

    async fn tell_news(&self, way: &Way, standing: &Standing) -> Result<Result<(), Fault>, JournalError> {
        let told = standing.told.told;
        let upto = self.read(|reader| reader.last_event()).await?;
        let upto = self.context.journal.operator_telling(upto).await?;
        let (items, hash) = self.read(move |reader| reader.news(told, upto)).await?;
        if items.is_empty() {
            self.context.journal.operator_told(upto, false).await?;
            return Ok(Ok(()));
        }
        let values = compose::alert(&items, &way.settings.host, &way.settings.zone);
        let id = format!("alert.{upto}.{}", hash.get(..16).unwrap_or_default());
        let sent = self.send(way, OperatorNotice::Alert, values, id).await;
        if sent.is_ok() {
            self.context.journal.operator_told(upto, true).await?;
            tracing::info!(items = items.len(), "the operator was told");
        }
        Ok(sent)
    }

    async fn tell_day(&self, way: &Way, standing: &Standing, day: Date) -> Result<Result<(), Fault>, JournalError> {
        let since = way.settings.since(&standing.told, day);
        let lanes = self.lanes.clone();
        let facts = self.read(move |reader| reader.digest(since, &lanes, MOST_NAMED)).await?;
        let values = compose::digest(&facts, since, day, &way.settings.host, &way.settings.zone);
        // Of two akunds that tell the same operator, each has its own.
        let first = self.read(|reader| reader.first_hash()).await?;
        let id = format!("digest.{day}.{}", first.get(..16).unwrap_or_default());
        let sent = self.send(way, OperatorNotice::Digest, values, id).await;
        if sent.is_ok() {
            self.context.journal.digest_told(day).await?;
            tracing::info!(%day, "the operator has the day's digest");
        }
        Ok(sent)
    }

    async fn send(&self, way: &Way, notice: OperatorNotice, values: minijinja::Value, id: String) -> Result<(), Fault> {
        let templates = way.templates.read().unwrap_or_else(PoisonError::into_inner).clone();
        let rendered = templates.render_operator(notice, &way.settings.language, values)?;
        let envelope = Envelope {
            message_id: format!("{id}@{}", way.message_domain),
            to: Destination::Email(way.settings.to.clone()),
            to_name: String::new(),
            language: rendered.language,
            subject: rendered.subject,
            text: rendered.text,
            html: None,
            receipt: None,
            attachments: Vec::new(),
        };
        crate::crash::point("operator-before-send");
        let sent = way.channel.send(&envelope).await;
        crate::crash::point("operator-sent");
        let result = match &sent {
            Ok(_) => "handed-over",
            Err(fault) if fault.class == FaultClass::Permanent => "refused",
            Err(_) => "failed",
        };
        self.context.metrics.operator_notice(notice.short(), result);
        sent.map(drop)
    }

    /// Reads the journal off the runtime's threads.
    async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Reader) -> Result<T, JournalError> + Send + 'static,
    ) -> Result<T, JournalError> {
        let path = self.context.journal.path().to_owned();
        tokio::task::spawn_blocking(move || read(&Reader::open(&path)?))
            .await
            .map_err(crate::panics::how)
            .map_err(|error| JournalError::Internal(format!("reading for the operator ended: {error}")))?
    }
}
