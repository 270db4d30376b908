//! AMQP 0-9-1, as a client of RabbitMQ: what takes requests from a queue and what publishes outcomes share it.
//!
//! lapin speaks the protocol over connections that are made here (`link`), and never reconnects by itself: whoever holds a
//! [`Link`] drops it at the first trouble and begins anew. So an acknowledgement can never go to another connection's delivery.

pub mod check;
mod explain;
mod link;
mod publish;
mod stream;
pub mod topology;

pub use explain::Trouble;
pub use link::{Broker, Link};
pub use publish::{Letter, Publisher, Unpublished};

use lapin::types::ShortString;

/// A short string (AMQP 0-9-1 §4.2.5.3: at most 255 bytes); what is longer is cut.
pub fn short(text: &str) -> ShortString {
    ShortString::from(&text[..text.floor_char_boundary(255)])
}
