//! Channels: how notices leave. What a channel does cannot be read back, so its lane records per notice.

pub mod exchange;
pub mod letter;
pub mod message;
pub mod notice;
pub mod outbox;
pub mod sms;
pub mod smtp;
pub mod webhook;

use crate::model::{Address, Fault, Phone};
use crate::model::{Answer, Finding, Posting};

/// A rendered notice, for one recipient, once. Its text is zeroed when dropped; `Debug` shows no text.
pub struct Envelope {
    /// Stable per notice: a repeat carries the same (`<uid.step@host>`, without the angle brackets).
    pub message_id: String,
    /// Where it goes.
    pub to: Destination,
    /// The recipient's display name; may be empty.
    pub to_name: String,
    /// Its language ("id", "en"), for `Content-Language:`; empty: not said.
    pub language: String,
    /// Never holds a secret; one line.
    pub subject: String,
    /// Plain text; may hold a password.
    pub text: crate::model::Secret,
    /// The same as HTML, where the template has it.
    pub html: Option<crate::model::Secret>,
    /// Where its arrival is reported to by HTTP: a path with a token of its own. None: nobody listens.
    pub receipt: Option<String>,
    /// Files that go with it; only by e-mail.
    pub attachments: Vec<Attachment>,
}

/// A file that goes with a notice. Never holds a secret.
#[derive(Clone)]
pub struct Attachment {
    /// Its name for the recipient: letters, digits, `.`, `-` and `_`.
    pub name: String,
    /// Its media type.
    pub media_type: &'static str,
    /// Its content.
    pub bytes: Vec<u8>,
}

/// Where a notice goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Destination {
    /// By e-mail.
    Email(Address),
    /// By SMS.
    Phone(Phone),
}

/// What a channel's lane may do with a notice whose fate is unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Uncertain {
    /// Send again with the same message id: the recipient's system can tell.
    SendAgain,
    /// Never send again by itself: `stuck`.
    Stuck,
}

/// The next system took the notice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HandedOver {
    /// What it answered, shortened to one line; its queue id, if it gave one. No secret.
    pub reply: String,
    /// By what the channel will know the notice when its arrival is reported; none where no report is to be expected.
    pub reference: Option<String>,
}

/// What the recipient's system said, after the notice was handed over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Arrival {
    /// It arrived.
    Confirmed,
    /// It will not, and why.
    Failed(String),
}

/// A way for notices to leave.
///
/// An implementation must *not* retry, must not log the text, must put a time limit on every wait, and must answer
/// `Fault::unknown` whenever the notice may have been taken without the answer having been read whole.
pub trait Channel: Send + Sync {
    /// Its name in the configuration; the name of its lane.
    fn name(&self) -> &str;
    /// Whether it carries e-mail (else SMS).
    fn carries_email(&self) -> bool;
    /// What may be done with a notice whose fate is unknown.
    fn uncertain(&self) -> Uncertain;
    /// How many notices may be in flight at once (at least 1).
    fn parallel(&self) -> usize;
    /// How many of these are claimed and recorded together. More than one only where none can arrive twice: what is not recorded when
    /// akund dies is sent again.
    fn together(&self) -> usize {
        1
    }
    /// Hands one notice over.
    fn send<'a>(&'a self, notice: &'a Envelope) -> Answer<'a, Result<HandedOver, Fault>>;
    /// Looks whether it can be used; sends nothing.
    fn check<'a>(&'a self) -> Answer<'a, Vec<Finding>>;
    /// Asks whether a notice that was handed over has arrived, by its `reference`: `Ok(None)` says not yet. None at all for a
    /// channel that cannot be asked.
    fn arrived<'a>(&'a self, _reference: &'a str) -> Option<Answer<'a, Result<Option<Arrival>, Fault>>> {
        None
    }
}

/// Why an outcome document was not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotTaken {
    /// The attempt failed.
    Fault(Fault),
    /// The other system is there, and nobody listens to such a document: a sentence. It may be taken later.
    Unroutable(String),
}

/// A place for outcome documents besides the spool. What holds for a [`Channel`] holds here, but that a document may be handed over again: its
/// `delivery` tells the receiver.
pub trait Outlet: Send + Sync {
    /// Its name in the configuration.
    fn name(&self) -> &str;
    /// Most documents that are handed over together (at least 1).
    fn batch(&self) -> usize;
    /// Hands documents over; for each, in order, what the other system said.
    fn post<'a>(&'a self, postings: &'a [Posting]) -> Answer<'a, Vec<Result<String, NotTaken>>>;
    /// Nothing is to be handed over for a while: closes what was left open.
    fn rest<'a>(&'a self) -> Answer<'a, ()> {
        Box::pin(async {})
    }
}

impl From<Fault> for NotTaken {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl std::fmt::Debug for Envelope {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Envelope").field("message_id", &self.message_id).finish_non_exhaustive()
    }
}
