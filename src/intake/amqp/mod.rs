//! The queue: messages of RabbitMQ become bytes with provenance; what cannot be accepted goes to the dead-letter exchange.
//!
//! ```text
//!  queue ──► Session::next ──► Queue::read ──► Message ──► keep_evidence ──► (journal) ──► acknowledge
//!                                   └────────► Bad ──────► dead letter, confirmed ──► (journal) ──► acknowledge
//! ```
//!
//! **The source is the queue together with the `user_id` property**, which the broker compares with who is logged in: a
//! publisher cannot give another's. The rules of `[[source]]` hold as for a directory; a detached signature is in the header
//! `akund-signature`. A message holds one JSON record.
//!
//! Nothing is acknowledged before the journal's commit, nor before the broker has confirmed a dead letter. A crash, a lost
//! connection or a broker's restart in between brings the message back: its evidence is kept already, and the journal knows the
//! request. A dead letter may so be there twice, where what was lost is the broker's confirmation, or akund before it could
//! journal it; the second has the same message id and says `akund-redelivered`. Within a session each is sent once.

mod desk;
mod letter;
mod message;
mod session;

pub use desk::Desk;
pub use message::{Message, Read};
pub use session::Session;

use crate::amqp::Broker;
use crate::config::source::SignatureRule;
use crate::config::{QueueConfig, SourceConfig};
use crate::intake::signature::SignersFile;
use std::collections::BTreeMap;

/// One `[queue.NAME]`, and the sources that hand in through it.
pub struct Queue {
    /// Its name in the configuration; what comes from nobody known is put down to it.
    pub name: String,
    /// Its settings.
    pub config: QueueConfig,
    /// Where it is.
    pub broker: Broker,
    /// By the broker's user.
    users: BTreeMap<String, User>,
}

struct User {
    source: String,
    /// Where the source needs signatures.
    signers: Option<SignersFile>,
}

impl Queue {
    /// Connects nowhere.
    ///
    /// # Errors
    /// A sentence: CAs or a password that cannot be read.
    pub fn configured(name: &str, config: &QueueConfig, sources: &[SourceConfig]) -> Result<Self, String> {
        let broker = Broker::configured(config).map_err(|problem| format!("[queue.{name}]: {problem}"))?;
        let mut users = BTreeMap::new();
        for source in sources.iter().filter(|source| source.queue.as_deref() == Some(name)) {
            for user in &source.users {
                let signers = match (source.signature, &source.allowed_signers) {
                    (SignatureRule::Required, Some(path)) => Some(SignersFile::new(path)),
                    _ => None,
                };
                users.insert(user.clone(), User { source: source.name.clone(), signers });
            }
        }
        Ok(Self { name: name.to_owned(), config: config.clone(), broker, users })
    }

    /// Whether anybody hands in through it; else it is there for outcomes only.
    pub fn takes_messages(&self) -> bool {
        !self.users.is_empty()
    }
}
