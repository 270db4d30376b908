//! Publishing that the broker has confirmed.

use super::{Broker, Link, Trouble, short};
use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use lapin::{BasicProperties, Channel, Confirmation};
use std::collections::BTreeSet;

/// Most messages on their way at once.
const WAVE: usize = 64;

/// A message to publish. Its properties must have a `message_id`: by it a message that comes back is known.
#[derive(Debug)]
pub struct Letter {
    /// Where to.
    pub exchange: String,
    /// With which routing key.
    pub key: String,
    /// Its properties.
    pub properties: BasicProperties,
    /// Its body.
    pub body: Vec<u8>,
}

/// Why a message is not with the broker.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unpublished {
    /// The exchange took it, and no queue is bound to it for the routing key: it is stored nowhere.
    #[error("exchange {exchange} has no queue bound to it for the routing key {key}")]
    Unroutable {
        /// The exchange.
        exchange: String,
        /// The routing key.
        key: String,
    },
    /// Whether the broker has it is not known.
    #[error(transparent)]
    Trouble(#[from] Trouble),
}

/// A connection for publishing only: one that the broker makes wait, because its disk is full, must not hold up acknowledgements.
pub struct Publisher {
    link: Link,
    channel: Channel,
}

impl Publisher {
    /// Connects.
    ///
    /// # Errors
    /// [`Trouble`].
    pub async fn open(broker: &Broker, purpose: &str) -> Result<Self, Trouble> {
        Self::over(broker.connect(purpose).await?).await
    }

    /// Over a connection that nobody else uses.
    ///
    /// # Errors
    /// [`Trouble`].
    pub async fn over(link: Link) -> Result<Self, Trouble> {
        let channel = link.channel().await?;
        link.within(channel.confirm_select(ConfirmSelectOptions::default())).await?;
        Ok(Self { link, channel })
    }

    /// Publishes messages, durably and only where they can be routed to a queue; returns when the broker has answered for each
    /// of them, in order. After [`Unpublished::Trouble`] the publisher is to be dropped.
    ///
    /// # Errors
    /// [`Trouble`]: which of them the broker has is not known. It has a code where the broker refused one of them.
    pub async fn publish(&self, letters: &[Letter]) -> Result<Vec<Result<(), Unpublished>>, Trouble> {
        let mut answers = Vec::with_capacity(letters.len());
        for wave in letters.chunks(WAVE) {
            let refusals = self.link.refusals();
            answers.extend(self.link.within_or_refused(self.wave(wave), refusals).await?);
        }
        Ok(answers)
    }

    async fn wave(&self, letters: &[Letter]) -> lapin::Result<Vec<Result<(), Unpublished>>> {
        let mut confirms = Vec::with_capacity(letters.len());
        for letter in letters {
            let options = BasicPublishOptions { mandatory: true, immediate: false };
            let (exchange, key) = (short(&letter.exchange), short(&letter.key));
            let sent = self.channel.basic_publish(exchange, key, options, &letter.body, letter.properties.clone());
            confirms.push(sent.await?);
        }
        let (mut taken, mut returned) = (Vec::with_capacity(letters.len()), BTreeSet::new());
        for confirm in confirms {
            let confirmation = confirm.await?;
            taken.push(confirmation.is_ack());
            // lapin gives what came back to whichever confirmation comes next: it belongs to the message of its id.
            if let Confirmation::Ack(Some(back)) | Confirmation::Nack(Some(back)) = confirmation
                && let Some(id) = back.delivery.properties.message_id()
            {
                returned.insert(id.to_string());
            }
        }
        let id = |letter: &Letter| letter.properties.message_id().as_ref().map(ToString::to_string);
        Ok(letters
            .iter()
            .zip(taken)
            .map(|(letter, taken)| {
                if id(letter).is_some_and(|id| returned.contains(&id)) {
                    Err(Unpublished::Unroutable { exchange: letter.exchange.clone(), key: letter.key.clone() })
                } else if taken {
                    Ok(())
                } else {
                    let said = format!("a queue behind exchange {} refused a message (is it full?)", letter.exchange);
                    Err(Trouble::new(said).into())
                }
            })
            .collect())
    }

    /// Takes leave.
    pub async fn close(self) {
        if let Err(trouble) = self.link.close().await {
            tracing::debug!(%trouble, "a connection did not end well");
        }
    }
}
