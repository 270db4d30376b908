//! The queue: a real RabbitMQ, the real program, and what comes between them.
//!
//! A broker takes Erlang's time to start: each test has one, and what can share it stands in one test.
// Helpers of tests, too, may stop the test.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod daemon;
mod peers;

#[path = "amqp/campus.rs"]
mod campus;
#[path = "amqp/cutter.rs"]
mod cutter;
#[path = "amqp/explained.rs"]
mod explained;
#[path = "amqp/once.rs"]
mod once;
#[path = "amqp/outcomes.rs"]
mod outcomes;
#[path = "amqp/producers.rs"]
mod producers;
#[path = "amqp/refused.rs"]
mod refused;

#[test]
fn ten_thousand_messages_are_each_accepted_once_whatever_is_killed_or_cut() {
    once::ten_thousand_messages();
}
