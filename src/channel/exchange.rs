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

    /// One answer for each letter. The broker refuses a letter by closing the channel, and tells nothing of those beside it: then
    /// each goes alone.
    async fn publish(&self, letters: &[Letter]) -> Vec<Result<String, NotTaken>> {
        let mut open = self.open.lock().await;
        match self.together(&mut open, letters).await {
            Ok(answers) => answers,
            Err(Failed::Refused(_)) if letters.len() > 1 => self.each_alone(&mut open, letters).await,
            Err(failed) => letters.iter().map(|letter| Err(failed.of_letter(letter))).collect(),
        }
    }

    /// Ends where the broker is away: the rest is not tried.
    async fn each_alone(&self, open: &mut Option<Publisher>, letters: &[Letter]) -> Vec<Result<String, NotTaken>> {
        let mut answers = Vec::with_capacity(letters.len());
        for (place, letter) in letters.iter().enumerate() {
            match self.together(open, std::slice::from_ref(letter)).await {
                Ok(answer) => answers.extend(answer),
                Err(refused @ Failed::Refused(_)) => answers.push(Err(refused.of_letter(letter))),
                Err(failed) => {
                    answers.extend(letters.iter().skip(place).map(|letter| Err(failed.of_letter(letter))));
                    break;
                }
            }
        }
        answers
    }

    /// After a trouble the next ones go over a new connection.
    async fn together(
        &self,
        open: &mut Option<Publisher>,
        letters: &[Letter],
    ) -> Result<Vec<Result<String, NotTaken>>, Failed> {
        let publisher = match open.take() {
            Some(publisher) => publisher,
            None => self.connect().await.map_err(Failed::Away)?,
        };
        let answers = publisher.publish(letters).await.map_err(Failed::of)?;
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
        let published = if letters.is_empty() { Vec::new() } else { self.publish(&letters).await };
        let mut published = published.into_iter();
        let mut answer = |()| {
            let none = || Fault::unknown("the broker gave no answer for this document; this is a fault of akund");
            published.next().unwrap_or_else(|| Err(none().into()))
        };
        answers.into_iter().map(|letter| letter.map_err(NotTaken::from).and_then(&mut answer)).collect()
    }
}

/// Why letters have no answers.
enum Failed {
    /// There is no connection: nothing was sent.
    Away(Trouble),
    /// The broker closed the channel over one of them.
    Refused(Trouble),
    /// Which of them the broker has is not known.
    Lost(Trouble),
}

impl Failed {
    /// What came about while letters were on their way. That the broker stops (320) or has no such exchange (404) is about none of
    /// them.
    fn of(trouble: Trouble) -> Self {
        match trouble.code {
            None | Some(320 | 404) => Self::Lost(trouble),
            Some(_) => Self::Refused(trouble),
        }
    }

    /// For one letter; a refusal must be of this very one.
    fn of_letter(&self, letter: &Letter) -> NotTaken {
        let Letter { exchange, key, properties, .. } = letter;
        NotTaken::Fault(match self {
            Self::Away(trouble) => Fault::transient(trouble.to_string()),
            // PRECONDITION_FAILED: larger than the broker takes.
            Self::Refused(trouble @ Trouble { code: Some(406), .. }) => {
                let delivery = properties.message_id().as_ref().map(ToString::to_string).unwrap_or_default();
                Fault::permanent(format!("exchange {exchange}: document {delivery} is refused: {trouble}"))
            }
            // ACCESS_REFUSED: it may be of this routing key only (topic permissions).
            Self::Refused(trouble @ Trouble { code: Some(403), .. }) => {
                let refused = Fault::transient(format!("exchange {exchange}, routing key {key}: {trouble}"));
                return NotTaken::Refused(refused);
            }
            Self::Refused(trouble) | Self::Lost(trouble) => Fault::unknown(trouble.to_string()),
        })
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
