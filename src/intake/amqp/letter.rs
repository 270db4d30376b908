//! A dead letter: the message as it came, with the reasons. Pure.

use super::{Message, Queue};
use crate::amqp::{Letter, short};
use crate::intake::Handed;
use crate::model::hex::hex;
use lapin::BasicProperties;
use lapin::types::{AMQPValue, FieldTable, LongString, ShortString};

/// Longest reasons that go into a header, bytes; all headers together have to fit one frame of 128 KiB.
const REASON_MAX: usize = 8 * 1024;
/// Durable (AMQP 0-9-1 §3.1.2, delivery-mode).
const PERSISTENT: u8 = 2;

/// What goes to the dead-letter exchange for a message.
///
/// The body and the properties are the publisher's own, but for these: `user_id`, which only the publisher may set, stands in the
/// header `akund-user-id`; `expiration` is left out, for a dead letter shall not vanish; headers that steer brokers (`CC`,
/// `BCC`, `x-…`) and those that pretend to be akund's are left out.
pub fn dead_letter(queue: &Queue, message: &Message, reason: &str) -> Letter {
    let given = &message.properties;
    let mut headers = FieldTable::default();
    for (name, value) in given.headers().iter().flatten().filter(|(name, _)| harmless(name.as_str())) {
        headers.insert(name.clone(), value.clone());
    }
    let mut say = |name: &str, value: &str| {
        headers.insert(name.into(), AMQPValue::LongString(LongString::from(value)));
    };
    say("akund-reason", cut(reason.trim_end()));
    say("akund-source", message.source());
    say("akund-queue", &queue.config.queue);
    say("akund-exchange", &message.exchange);
    say("akund-routing-key", &message.routing_key);
    say("akund-sha256", &hex(&message.sha256()));
    if let Some(user) = given.user_id() {
        say("akund-user-id", user.as_str());
    }
    if message.redelivered {
        headers.insert("akund-redelivered".into(), AMQPValue::Boolean(true));
    }
    let id = given.message_id().clone().unwrap_or_else(|| short(&hex(&message.sha256())));
    let mut properties =
        BasicProperties::default().with_headers(headers).with_delivery_mode(PERSISTENT).with_message_id(id);
    type Set = fn(BasicProperties, ShortString) -> BasicProperties;
    for (value, set) in [
        (given.content_type(), BasicProperties::with_content_type as Set),
        (given.content_encoding(), BasicProperties::with_content_encoding),
        (given.correlation_id(), BasicProperties::with_correlation_id),
        (given.reply_to(), BasicProperties::with_reply_to),
        (given.kind(), BasicProperties::with_type),
        (given.app_id(), BasicProperties::with_app_id),
    ] {
        if let Some(value) = value {
            properties = set(properties, value.clone());
        }
    }
    if let Some(time) = given.timestamp() {
        properties = properties.with_timestamp(*time);
    }
    Letter {
        exchange: queue.config.dead_letter_exchange.clone(),
        key: queue.config.queue.clone(),
        properties,
        body: message.bytes().to_vec(),
    }
}

fn harmless(header: &str) -> bool {
    let lower = header.to_ascii_lowercase();
    let ours = lower.starts_with("akund-") && lower != super::message::SIGNATURE;
    !(ours || lower.starts_with("x-") || lower == "cc" || lower == "bcc")
}

fn cut(text: &str) -> &str {
    &text[..text.floor_char_boundary(REASON_MAX)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_that_steer_a_broker_or_pass_for_akunds_are_left_out() {
        for (name, stays) in [
            ("priority-of-office", true),
            ("akund-signature", true),
            ("akund-reason", false),
            ("Akund-Source", false),
            ("CC", false),
            ("bcc", false),
            ("x-death", false),
        ] {
            assert_eq!(harmless(name), stays, "{name}");
        }
    }
}
