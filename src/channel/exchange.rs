//! Outcome documents published to an exchange of RabbitMQ, for those who subscribe.
//!
//! Each document is a message with the very bytes of the outcome file, durable, with the routing key `SOURCE.PROCEDURE.STATE`; it is
//! taken when the broker has confirmed it in a queue. Its `message_id` is the delivery, the same with every repetition.

use super::{NotTaken, Outlet};
use crate::amqp::{Broker, Letter, Publisher, Trouble, Unpublished, short, topology};
use crate::config::QueueConfig;
use crate::model::{Answer, Fault, Posting};
use jiff::Timestamp;
use lapin::BasicProperties;
use serde::Deserialize;
use tokio::sync::Mutex;

/// Most documents published together.
const BATCH: usize = 64;
/// Durable (AMQP 0-9-1 §3.1.2, delivery-mode).
const PERSISTENT: u8 = 2;
/// The property `type` of an outcome, with its format version.
const TYPE: &str = "akund.outcome.1";

/// `[queue.NAME.outcomes]`
pub struct Exchange {
    name: String,
    exchange: String,
    config: QueueConfig,
    broker: Broker,
    /// Its connection, once there was something to publish.
    open: Mutex<Option<Publisher>>,
}

/// What of an outcome document its message shows.
#[derive(Deserialize)]
struct Head {
    request: Whose,
    state: String,
    state_at: Timestamp,
}

#[derive(Deserialize)]
struct Whose {
    source: String,
    procedure: String,
    id: String,
}

impl Exchange {
    /// Of a queue that has one; connects nowhere.
    pub fn of(name: &str, config: &QueueConfig, broker: &Broker) -> Option<Self> {
        Some(Self {
            name: name.to_owned(),
            exchange: config.outcomes.as_ref()?.exchange.clone(),
            config: config.clone(),
            broker: broker.clone(),
            open: Mutex::default(),
        })
    }

    fn letter(&self, posting: &Posting) -> Result<Letter, Fault> {
        let unfit =
            |_| Fault::permanent(format!("exchange {}: document {} is damaged", self.exchange, posting.delivery));
        let Head { request, state, state_at } = serde_json::from_slice(&posting.body).map_err(unfit)?;
        let properties = BasicProperties::default()
            .with_content_type("application/json".into())
            .with_delivery_mode(PERSISTENT)
            .with_message_id(short(&posting.delivery))
            .with_correlation_id(short(&request.id))
            .with_type(TYPE.into())
            .with_app_id("akund".into())
            // The broker vouches for it: subscribers see that it is akund's.
            .with_user_id(short(&self.config.url.user))
            .with_timestamp(state_at.as_second().unsigned_abs());
        let key = format!("{}.{}.{state}", request.source, request.procedure);
        Ok(Letter { exchange: self.exchange.clone(), key, properties, body: posting.body.clone() })
    }

    async fn connect(&self) -> Result<Publisher, Trouble> {
        let link = self.broker.connect(&format!("outcomes' exchange of {}", self.name)).await?;
        topology::declare_outcomes(&link, &link.channel().await?, &self.config).await?;
        Publisher::over(link).await
    }

    /// One answer for each letter. After a trouble the next ones go over a new connection.
    async fn publish(&self, letters: &[Letter]) -> Result<Vec<Result<String, NotTaken>>, Fault> {
        let mut open = self.open.lock().await;
        let publisher = match open.take() {
            Some(publisher) => publisher,
            None => self.connect().await.map_err(|trouble| Fault::transient(trouble.to_string()))?,
        };
        let answers = publisher.publish(letters).await.map_err(|trouble| Fault::unknown(trouble.to_string()))?;
        if !answers.iter().any(|answer| matches!(answer, Err(Unpublished::Trouble(_)))) {
            *open = Some(publisher);
        }
        let answer = |answer: Result<(), Unpublished>| match answer {
            Ok(()) => Ok("confirmed".to_owned()),
            Err(unroutable @ Unpublished::Unroutable { .. }) => Err(NotTaken::Unroutable(unroutable.to_string())),
            Err(Unpublished::Trouble(trouble)) => Err(Fault::transient(trouble.to_string()).into()),
        };
        Ok(answers.into_iter().map(answer).collect())
    }

    /// What is damaged keeps nothing else from being published.
    async fn hand_over(&self, postings: &[Posting]) -> Vec<Result<String, NotTaken>> {
        let (mut letters, mut answers) = (Vec::new(), Vec::new());
        for posting in postings {
            answers.push(self.letter(posting).map(|letter| letters.push(letter)));
        }
        let published = if letters.is_empty() { Ok(Vec::new()) } else { self.publish(&letters).await };
        let lost = match &published {
            Ok(_) => Fault::unknown("the broker gave no answer for this document; this is a fault of akund"),
            Err(fault) => fault.clone(),
        };
        let mut published = published.unwrap_or_default().into_iter();
        let mut answer = |()| published.next().unwrap_or_else(|| Err(lost.clone().into()));
        answers.into_iter().map(|letter| letter.map_err(NotTaken::from).and_then(&mut answer)).collect()
    }
}

impl Outlet for Exchange {
    fn name(&self) -> &str {
        &self.name
    }
    fn batch(&self) -> usize {
        BATCH
    }
    fn post<'a>(&'a self, postings: &'a [Posting]) -> Answer<'a, Vec<Result<String, NotTaken>>> {
        Box::pin(self.hand_over(postings))
    }
    fn rest<'a>(&'a self) -> Answer<'a, ()> {
        Box::pin(async {
            if let Some(publisher) = self.open.lock().await.take() {
                publisher.close().await;
            }
        })
    }
}
