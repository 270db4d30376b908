//! Publishes outcome documents by a queue's broker, for those who subscribe.
//!
//! What is due stands in the journal, and is done when the broker has confirmed it: at least once, always with the same message
//! id for the same document. It has nothing to do with the outcome files, which do not wait for it.

use super::Context;
use crate::amqp::{Broker, Letter, Publisher, Trouble, Unpublished, topology};
use crate::config::QueueConfig;
use crate::journal::JournalError;
use crate::journal::outcome::{Due, PassedOver, publishing_lane};
use crate::journal::read::Reader;
use crate::observe::metrics::PublicationResult;
use lapin::BasicProperties;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Most documents published together.
const BATCH: usize = 64;
/// The first wait after a trouble, and the longest; also for documents that nobody has bound a queue for.
const WAITS: [Duration; 2] = [Duration::from_secs(2), Duration::from_secs(300)];
/// An unused connection is closed after this long.
const UNUSED: Duration = Duration::from_secs(60);
/// How long a round may still take when akund ends.
const LAST_ROUND: Duration = Duration::from_secs(5);
/// Durable (AMQP 0-9-1 §3.1.2, delivery-mode).
const PERSISTENT: u8 = 2;
/// The property `type` of an outcome, with its format version.
const TYPE: &str = "akund.outcome.1";

/// One `[queue.NAME.outcomes]`.
pub struct Publishing {
    /// The queue's name in the configuration.
    pub name: String,
    /// Its settings.
    pub config: QueueConfig,
    /// Where it is.
    pub broker: Broker,
    /// The exchange.
    pub exchange: String,
}

/// What a round came to.
enum Round {
    /// Nothing is due, but what was passed over.
    Idle,
    /// Something was published, or came back: there may be more.
    More,
}

/// What came back, since nobody has bound a queue for it. It must not keep waiting what somebody has: it is passed over, and all of
/// it tried again after a wait.
#[derive(Default)]
struct Returned {
    passed_over: PassedOver,
    why: Option<String>,
}

impl Publishing {
    /// Runs until shutdown. What is due then is published after the next start.
    ///
    /// # Errors
    /// Where the journal is closed or faulty.
    pub async fn run(self, context: Context) -> Result<(), JournalError> {
        let lane = publishing_lane(&self.name);
        let bell = context.journal.bell(&lane);
        let mut reader = Some(Reader::open(context.journal.path())?);
        let (mut publisher, mut told) = (None, None);
        // After a trouble, and for what came back.
        let (mut wait, mut until_again) = (WAITS[0], WAITS[0]);
        let mut returned = Returned::default();
        while !context.shutdown.is_cancelled() {
            let round = self.patient_round(&mut reader, &mut publisher, &mut returned, &context).await;
            let trouble = round.as_ref().err().or(returned.why.as_ref()).cloned();
            if trouble.is_some() && told != trouble {
                let why = trouble.as_deref().unwrap_or_default();
                tracing::warn!(queue = self.name, %why, "outcomes cannot be published; they wait and are tried again");
            }
            told = trouble;
            match round {
                Ok(Round::More) => wait = WAITS[0],
                Ok(Round::Idle) if returned.passed_over.is_empty() => {
                    until_again = WAITS[0];
                    tokio::select! {
                        () = bell.notified() => {}
                        () = tokio::time::sleep(UNUSED), if publisher.is_some() => close(publisher.take()).await,
                        () = context.shutdown.cancelled() => {}
                    }
                }
                Ok(Round::Idle) => tokio::select! {
                    // What has come since may be for somebody.
                    () = bell.notified() => {}
                    () = tokio::time::sleep(until_again) => {
                        returned.passed_over.clear();
                        until_again = (until_again * 2).min(WAITS[1]);
                    }
                    () = context.shutdown.cancelled() => {}
                },
                Err(_) => {
                    publisher = None;
                    pause(&context.shutdown, wait).await;
                    wait = (wait * 2).min(WAITS[1]);
                }
            }
        }
        close(publisher).await;
        Ok(())
    }

    /// [`Self::round`], which akund's end leaves little time: what it does not reach is published after the next start.
    async fn patient_round(
        &self,
        slot: &mut Option<Reader>,
        publisher: &mut Option<Publisher>,
        returned: &mut Returned,
        context: &Context,
    ) -> Result<Round, String> {
        let mut round = std::pin::pin!(self.round(slot, publisher, returned, context));
        tokio::select! {
            round = &mut round => round,
            () = context.shutdown.cancelled() => match tokio::time::timeout(LAST_ROUND, round).await {
                Ok(round) => round,
                Err(_) => Err("akund is ending".into()),
            },
        }
    }

    /// Publishes what is due, once.
    async fn round(
        &self,
        slot: &mut Option<Reader>,
        publisher: &mut Option<Publisher>,
        returned: &mut Returned,
        context: &Context,
    ) -> Result<Round, String> {
        let (due, waiting) = self.due(slot, &returned.passed_over, context).await?;
        context.metrics.set_publications_due(&self.name, waiting);
        if due.is_empty() {
            return Ok(Round::Idle);
        }
        if returned.passed_over.is_empty() {
            returned.why = None;
        }
        let letters: Vec<Letter> = due.iter().map(|due| self.letter(due)).collect::<Result<_, _>>()?;
        let open = match publisher {
            Some(open) => open,
            None => publisher.insert(self.open().await.map_err(|trouble| trouble.to_string())?),
        };
        let answers = open.publish(&letters).await.map_err(|trouble| trouble.to_string())?;
        crate::crash::point("outcome-published");
        let mut published = Vec::new();
        for (due, answer) in due.into_iter().zip(answers) {
            match answer {
                Ok(()) => {
                    context.metrics.publication(&self.name, PublicationResult::Confirmed);
                    published.push(due);
                }
                Err(unpublished) => {
                    if matches!(unpublished, Unpublished::Unroutable { .. }) {
                        context.metrics.publication(&self.name, PublicationResult::Unroutable);
                    }
                    returned.passed_over.insert(due.publication());
                    returned.why.get_or_insert(unpublished.to_string());
                }
            }
        }
        let said = |error: JournalError| error.to_string();
        context.journal.outcomes_published(&self.name, &published).await.map_err(said)?;
        Ok(Round::More)
    }

    /// What is due, and how much waits in all.
    async fn due(
        &self,
        slot: &mut Option<Reader>,
        passed_over: &PassedOver,
        context: &Context,
    ) -> Result<(Vec<Due>, u64), String> {
        let (taken, path, name) = (slot.take(), context.journal.path().to_owned(), self.name.clone());
        let passed_over = passed_over.clone();
        let read = tokio::task::spawn_blocking(move || {
            let reader = match taken {
                Some(reader) => reader,
                None => Reader::open(&path).map_err(|error| error.to_string())?,
            };
            let due = reader.publications_due(&name, BATCH, &passed_over);
            let due = due.and_then(|due| Ok((due, reader.publications_waiting(&name)?)));
            Ok::<_, String>((reader, due.map_err(|error| error.to_string())?))
        });
        let (reader, due) = read.await.map_err(|error| error.to_string())??;
        *slot = Some(reader);
        Ok(due)
    }

    async fn open(&self) -> Result<Publisher, Trouble> {
        let link = self.broker.connect(&format!("outcomes' exchange of {}", self.name)).await?;
        topology::declare_outcomes(&link, &link.channel().await?, &self.config).await?;
        Publisher::over(link).await
    }

    fn letter(&self, due: &Due) -> Result<Letter, String> {
        let (outcome, request) = (&due.outcome, &due.outcome.request);
        let body = serde_json::to_vec(outcome).map_err(|error| error.to_string())?;
        let properties = BasicProperties::default()
            .with_content_type("application/json".into())
            .with_delivery_mode(PERSISTENT)
            .with_message_id(crate::amqp::short(&due.message_id()))
            .with_correlation_id(crate::amqp::short(&request.id))
            .with_type(TYPE.into())
            .with_app_id("akund".into())
            // The broker vouches for it: subscribers see that it is akund's.
            .with_user_id(crate::amqp::short(&self.config.url.user))
            .with_timestamp(outcome.state_at.as_second().unsigned_abs());
        Ok(Letter {
            exchange: self.exchange.clone(),
            key: format!("{}.{}.{}", request.source, request.procedure, outcome.state),
            properties,
            body,
        })
    }
}

async fn close(publisher: Option<Publisher>) {
    if let Some(publisher) = publisher {
        publisher.close().await;
    }
}

async fn pause(shutdown: &CancellationToken, wait: Duration) {
    tokio::select! {
        () = shutdown.cancelled() => {}
        () = tokio::time::sleep(wait) => {}
    }
}
