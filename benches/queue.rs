//! Messages per second from a real RabbitMQ's queue to the journal, beside the same records from the spool, in turns. Every lane is
//! paused: what is timed is intake, evidence, judging and the journal's commit.
//!
//! `cargo bench --bench queue [-- --full | --requests N] [--rounds N]`
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a bench that cannot go on ends")]

#[path = "../tests/peers/mod.rs"]
mod peers;
mod support;

use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use lapin::{BasicProperties, Confirmation};
use peers::RabbitMq;
use std::fs;
use std::io::Write as _;
use std::time::{Duration, Instant};
use support::{Daemon, Site, records, watch};

const QUEUE: &str = "akund.requests";

fn main() {
    if support::flag("--test") {
        return;
    }
    let requests = support::number("--requests", if support::flag("--full") { 10_000 } else { 2_000 });
    let rounds = support::number("--rounds", 3);
    let all = "^akund\\.";
    let broker = RabbitMq::start(&[("akund", [all, all, all])]);
    println!(
        "{requests} records of one each, lanes paused; seconds, records/s, ms of processor per record, records per commit"
    );
    // Kept to the end: ext4 does not give out an inode again within seconds of its deletion, and looks for long for another.
    let mut sites = Vec::new();
    for _ in 0..rounds {
        sites.push(by_spool_one_by_one(requests));
        sites.push(by_spool_at_the_start(requests));
        sites.push(by_queue(requests, &broker));
    }
}

fn paused(more: &str) -> Site {
    let site = Site::new();
    let mut config = fs::File::options().append(true).open(site.path("akund.toml")).unwrap();
    config.write_all(more.as_bytes()).unwrap();
    site.start().stop();
    site.command(&["pause", "--reason", "bench"]);
    site
}

/// Renamed into place while akund takes them, as messages arrive.
fn by_spool_one_by_one(requests: usize) -> Site {
    let site = paused("");
    let mut daemon = site.start();
    let begun = Instant::now();
    site.hand_in(records::json(0..requests));
    daemon.until_admitted(requests as u64);
    tell("spool, one file each", requests, begun, &daemon);
    daemon.stop();
    site
}

/// Lying there when akund starts: no writer competes for the disk.
fn by_spool_at_the_start(requests: usize) -> Site {
    let site = paused("");
    site.hand_in(records::json(0..requests));
    let begun = Instant::now();
    let mut daemon = site.start();
    daemon.until_admitted(requests as u64);
    tell("spool, files lying there at the start", requests, begun, &daemon);
    daemon.stop();
    site
}

fn by_queue(requests: usize, broker: &RabbitMq) -> Site {
    let site = paused(&format!(
        "[queue.requests]\nurl = \"amqp://akund@127.0.0.1:{}/kampus\"\npassword_file = {:?}\nqueue = \"{QUEUE}\"\ndeclare = true\n\
         [[source]]\nname = \"bench\"\nqueue = \"requests\"\nusers = [\"admin\"]\n",
        broker.port(),
        broker.password_file()
    ));
    // akund declares its queue: what is published before that comes back.
    let daemon = site.start();
    while daemon.metrics().get("akund_queue_up{queue=\"requests\"}") < 1.0 {
        std::thread::sleep(Duration::from_millis(20));
    }
    daemon.stop();
    publish(requests, broker);
    let begun = Instant::now();
    let mut daemon = site.start();
    daemon.until_admitted(requests as u64);
    tell("queue, messages lying there at the start", requests, begun, &daemon);
    daemon.stop();
    assert_eq!(broker.depth(QUEUE), (0, 0), "all are acknowledged");
    site
}

fn publish(requests: usize, broker: &RabbitMq) {
    broker.block_on(async {
        let (_connection, channel) = broker.client("admin").await;
        channel.confirm_select(ConfirmSelectOptions::default()).await.unwrap();
        let mut confirms = Vec::new();
        for (name, text) in records::json(0..requests) {
            let properties =
                BasicProperties::default().with_user_id("admin".into()).with_message_id(name.as_str().into());
            let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
            let sent = channel.basic_publish("".into(), QUEUE.into(), options, text.as_bytes(), properties);
            confirms.push(sent.await.unwrap());
        }
        for confirm in confirms {
            assert!(matches!(confirm.await.unwrap(), Confirmation::Ack(None)), "taken, and not given back");
        }
    });
}

/// Its time, its share of the processor's, and how many records one commit of the journal held.
fn tell(how: &str, requests: usize, begun: Instant, daemon: &Daemon) {
    let requests = requests as f64;
    let seconds = begun.elapsed().as_secs_f64();
    let (user, system) = watch::processor_time(daemon.pid());
    let processor = (user + system).as_secs_f64() * 1000.0 / requests;
    let group = requests / daemon.metrics().get("akund_journal_commit_seconds_count").max(1.0);
    println!("{how:<44} {seconds:>8.2} {:>8.0} {processor:>14.3} {group:>14.1}", requests / seconds);
}
