//! One connection that takes messages.

use super::Queue;
use crate::amqp::{Link, Trouble, short, topology};
use futures_util::{FutureExt, StreamExt};
use lapin::message::Delivery;
use lapin::options::{BasicCancelOptions, BasicConsumeOptions, BasicQosOptions};
use lapin::types::FieldTable;
use lapin::{Channel, Consumer};
use std::sync::Arc;

/// From the log-in to the first trouble. Dropping it gives back to the queue what was not acknowledged.
pub struct Session {
    queue: Arc<Queue>,
    link: Link,
    channel: Channel,
    consumer: Consumer,
}

impl Session {
    /// Logs in, declares or looks for the queue, and asks for its messages.
    ///
    /// # Errors
    /// [`Trouble`]; that the queue is not there has the code 404.
    pub async fn open(queue: Arc<Queue>) -> Result<Self, Trouble> {
        let link = queue.broker.connect(&format!("queue {}", queue.name)).await?;
        let channel = link.channel().await?;
        topology::prepare(&link, &channel, &queue.config).await?;
        link.within(channel.basic_qos(queue.config.prefetch, BasicQosOptions::default())).await?;
        let name = short(&queue.config.queue);
        let asked = channel.basic_consume(name, "".into(), BasicConsumeOptions::default(), FieldTable::default());
        let consumer = link.within(asked).await?;
        Ok(Self { queue, link, channel, consumer })
    }

    /// Waits for a message; gives it and those that have come with it, at most `most`.
    ///
    /// # Errors
    /// [`Trouble`]: the session has ended.
    pub async fn next(&mut self, most: usize) -> Result<Vec<Delivery>, Trouble> {
        let mut group = vec![self.delivery().await?];
        while group.len() < most
            && let Some(more) = self.delivery().now_or_never()
        {
            // Its error is there at the next call, too; what came before it can no longer be acknowledged.
            group.push(more?);
        }
        Ok(group)
    }

    async fn delivery(&mut self) -> Result<Delivery, Trouble> {
        match self.consumer.next().await {
            Some(Ok(delivery)) => Ok(delivery),
            Some(Err(error)) => Err(Trouble::of(&error, self.link.url())),
            None => Err(Trouble::new(format!(
                "the broker takes the queue {} away: it was deleted, or its leader is lost",
                self.queue.config.queue
            ))),
        }
    }

    /// Whether what was delivered can still be acknowledged.
    pub fn is_open(&self) -> bool {
        self.channel.status().connected()
    }

    /// Takes no more messages and takes leave; the broker then has every acknowledgement.
    pub async fn close(self) {
        let Self { link, channel, consumer, .. } = self;
        let cancelled = link.within(channel.basic_cancel(consumer.tag(), BasicCancelOptions::default())).await;
        let closed = link.close().await;
        if let Err(trouble) = cancelled.and(closed) {
            tracing::debug!(%trouble, "a session with a queue did not end well");
        }
    }
}
