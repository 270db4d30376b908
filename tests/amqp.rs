//! The queue: a real RabbitMQ, the real program, and what comes between them.
//!
//! A broker takes Erlang's time to start: each test has one, and what can share it stands in one test.
// Helpers of tests, too, may stop the test.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[allow(dead_code, reason = "others ask more of it")]
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

use campus::Campus;

/// Many claims, each by itself, on one broker.
#[test]
fn a_queue_is_a_source_with_rules_reasons_outcomes_and_tested_producers() {
    let mut campus = Campus::open();
    refused::a_message_is_acknowledged_only_after_the_commit_and_accepted_once(&campus);
    refused::what_cannot_be_accepted_is_in_the_dead_letter_queue_with_readable_reasons(&campus);
    refused::a_signature_travels_in_a_header_and_must_be_good(&campus);
    refused::what_cannot_be_kept_now_waits_unacknowledged_and_is_taken_later(&campus);
    refused::what_cannot_be_journaled_for_a_full_disk_stays_the_brokers(&campus);
    refused::a_dead_letter_is_sent_once_though_the_journal_cannot_be_written_after_it(&campus);
    refused::a_dead_letter_that_nobody_would_get_holds_its_message_and_no_other(&campus);
    outcomes::outcomes_are_published_once_confirmed_and_wait_where_nobody_is_bound(&campus);
    producers::the_examples_hand_in_what_akund_accepts_and_hear_of_its_outcome(&campus);
    explained::check_says_what_is_wrong_in_an_administrators_words(&campus);
    explained::a_queue_that_is_not_there_is_waited_for_by_a_healthy_daemon(&campus);
    outcomes::what_ends_while_the_broker_is_away_is_published_when_it_is_back(&mut campus);
    outcomes::a_document_that_the_broker_refuses_keeps_none_of_its_batch_from_being_published(&mut campus);
}

#[test]
fn ten_thousand_messages_are_each_accepted_once_whatever_is_killed_or_cut() {
    once::ten_thousand_messages();
}
