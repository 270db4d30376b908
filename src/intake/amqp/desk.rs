//! Where messages are acknowledged, and given back.

use super::letter::dead_letter;
use super::{Message, Queue};
use crate::amqp::{Publisher, Unpublished};
use crate::intake::{GivenBack, Source};
use crate::observe::metrics::Metrics;
use futures_util::future::join_all;
use lapin::options::BasicAckOptions;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::Mutex;

/// A queue as a source. Its connection for dead letters is opened when the first is to be sent, and kept.
pub struct Desk {
    queue: Arc<Queue>,
    metrics: Metrics,
    publisher: Mutex<Option<Publisher>>,
    useful: AtomicBool,
}

impl Desk {
    /// For one session with the queue.
    pub fn new(queue: Arc<Queue>, metrics: Metrics) -> Self {
        Self { queue, metrics, publisher: Mutex::new(None), useful: AtomicBool::new(false) }
    }

    async fn publish(&self, message: &Message, reason: &str) -> Result<(), Unpublished> {
        let mut slot = self.publisher.lock().await;
        // One that failed is gone: it was taken out before.
        let publisher = match slot.take() {
            Some(publisher) => publisher,
            None => Publisher::open(&self.queue.broker, &format!("dead letters of {}", self.queue.name)).await?,
        };
        let letters = [dead_letter(&self.queue, message, reason)];
        let answer = publisher.publish(&letters).await?.pop().unwrap_or(Ok(()));
        if !matches!(answer, Err(Unpublished::Trouble(_))) {
            *slot = Some(publisher);
        }
        answer
    }

    /// Whether anything was acknowledged.
    pub fn is_useful(&self) -> bool {
        self.useful.load(Ordering::Acquire)
    }

    /// Takes leave of the broker.
    pub async fn close(self) {
        if let Some(publisher) = self.publisher.into_inner() {
            publisher.close().await;
        }
    }
}

impl Source for Desk {
    type Item = Message;

    /// To the dead-letter exchange, confirmed. A message that comes a second time, and whose dead letter was journaled, is not
    /// sent there again; nor is one that is tried again in the same session, because the journal could not be written after
    /// the confirmation.
    async fn give_back(
        &self,
        message: Message,
        _: Option<Vec<u8>>,
        reason: String,
        known: bool,
    ) -> io::Result<(Message, GivenBack)> {
        let place = format!("exchange {}", self.queue.config.dead_letter_exchange);
        let known = known || message.set_aside.load(Ordering::Acquire);
        if !known {
            self.publish(&message, &reason)
                .await
                .map_err(|unpublished| io::Error::other(format!("a dead letter cannot be sent: {unpublished}")))?;
            message.set_aside.store(true, Ordering::Release);
            self.metrics.dead_letter(&self.queue.name);
            crate::crash::point("dead-letter-sent");
        }
        Ok((message, GivenBack { place, repeated: known }))
    }

    /// Acknowledges them, each by itself.
    async fn acknowledge(&self, messages: Vec<Message>) -> io::Result<()> {
        let acknowledged = messages.iter().map(|message| message.acker.ack(BasicAckOptions::default()));
        for answer in join_all(acknowledged).await {
            match answer {
                Ok(true) => self.useful.store(true, Ordering::Release),
                // It comes again, and is then known.
                Ok(false) => return Err(io::Error::other("the queue's connection ended before the acknowledgement")),
                Err(error) => return Err(io::Error::other(error.to_string())),
            }
        }
        Ok(())
    }
}
