//! Queues and exchanges: declared where akund is told to, else looked at.

use super::{Link, Trouble, short};
use crate::config::QueueConfig;
use lapin::options::{ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable, LongString};
use lapin::{Channel, ExchangeKind};

/// The queue's arguments (RabbitMQ, "Quorum Queues"): a message that was delivered `delivery_limit` times and never acknowledged, and
/// one that is rejected, goes to the dead-letter exchange. At least once: it stays in the queue until it has arrived there.
pub fn arguments(config: &QueueConfig) -> FieldTable {
    let mut table = FieldTable::default();
    let mut text = |name: &str, value: &str| {
        table.insert(name.into(), AMQPValue::LongString(LongString::from(value)));
    };
    text("x-queue-type", "quorum");
    text("x-dead-letter-exchange", &config.dead_letter_exchange);
    text("x-dead-letter-routing-key", &config.queue);
    text("x-dead-letter-strategy", "at-least-once");
    text("x-overflow", "reject-publish");
    table.insert(
        "x-delivery-limit".into(),
        AMQPValue::LongInt(i32::try_from(config.delivery_limit).unwrap_or(i32::MAX)),
    );
    table
}

/// The queue in which akund lets dead letters gather where it declares.
pub fn dead_letter_queue(config: &QueueConfig) -> String {
    format!("{}.dead", config.queue)
}

/// Declares the queue, its dead-letter exchange with a queue behind it, and the outcomes' exchange; or, where somebody else
/// does that, looks whether the queue is there.
///
/// # Errors
/// [`Trouble`]; the channel is then closed.
pub async fn prepare(link: &Link, channel: &Channel, config: &QueueConfig) -> Result<(), Trouble> {
    if config.declare {
        declare(link, channel, config).await
    } else {
        look_for_queue(link, channel, &config.queue).await
    }
}

async fn declare(link: &Link, channel: &Channel, config: &QueueConfig) -> Result<(), Trouble> {
    exchange(link, channel, &config.dead_letter_exchange, ExchangeKind::Direct).await?;
    let dead = dead_letter_queue(config);
    let mut quorum = FieldTable::default();
    quorum.insert("x-queue-type".into(), AMQPValue::LongString("quorum".into()));
    link.within(channel.queue_declare(short(&dead), QueueDeclareOptions::durable(), quorum)).await?;
    let (to, from, key) = (short(&dead), short(&config.dead_letter_exchange), short(&config.queue));
    let bind = channel.queue_bind(to, from, key, QueueBindOptions::default(), FieldTable::default());
    link.within(bind).await?;
    declare_queue(link, channel, config).await?;
    declare_outcomes(link, channel, config).await
}

/// Declares the queue itself; an equal one that is there stays as it is.
///
/// # Errors
/// [`Trouble`]; the channel is then closed.
pub async fn declare_queue(link: &Link, channel: &Channel, config: &QueueConfig) -> Result<(), Trouble> {
    let asked = channel.queue_declare(short(&config.queue), QueueDeclareOptions::durable(), arguments(config));
    link.within(asked).await.map(drop)
}

/// Declares the outcomes' exchange, where there is to be one.
///
/// # Errors
/// [`Trouble`]; the channel is then closed.
pub async fn declare_outcomes(link: &Link, channel: &Channel, config: &QueueConfig) -> Result<(), Trouble> {
    match config.outcomes.as_ref().filter(|_| config.declare) {
        Some(outcomes) => exchange(link, channel, &outcomes.exchange, ExchangeKind::Topic).await,
        None => Ok(()),
    }
}

async fn exchange(link: &Link, channel: &Channel, name: &str, kind: ExchangeKind) -> Result<(), Trouble> {
    let options = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
    link.within(channel.exchange_declare(short(name), kind, options, FieldTable::default())).await
}

/// Whether the queue is there.
///
/// # Errors
/// [`Trouble`], of code 404 where it is not; the channel is then closed.
pub async fn look_for_queue(link: &Link, channel: &Channel, name: &str) -> Result<(), Trouble> {
    let options = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::durable() };
    link.within(channel.queue_declare(short(name), options, FieldTable::default())).await.map(drop)
}

/// Whether the exchange is there.
///
/// # Errors
/// [`Trouble`], of code 404 where it is not; the channel is then closed.
pub async fn look_for_exchange(link: &Link, channel: &Channel, name: &str) -> Result<(), Trouble> {
    let options = ExchangeDeclareOptions { passive: true, durable: true, ..ExchangeDeclareOptions::default() };
    link.within(channel.exchange_declare(short(name), ExchangeKind::Direct, options, FieldTable::default())).await
}
