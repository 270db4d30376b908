//! Ten thousand messages, and everything that can be cut or killed between the queue and the journal.

use crate::campus::{AKUND, Campus, PRODUCER, Producer, student};
use crate::cutter::{Cutter, Step};
use crate::daemon::{Daemon, Site, count, files_under};
use crate::peers::RabbitMq;
use nix::sys::signal::Signal;
use std::collections::BTreeSet;

const MESSAGES: usize = 10_000;
const QUEUE: &str = "akund.requests";
/// What is cut, in this order: in the midst of a delivery or an acknowledgement, then in the midst of the log-in that follows.
/// Class and method are those of AMQP 0-9-1: 10 connection, 20 channel, 50 queue, 60 basic, 85 confirm.
const CUTS: [[Step; 2]; 13] = [
    [Step::Broker(60, 60), Step::ProtocolHeader],
    [Step::Client(60, 80), Step::Broker(10, 10)],
    [Step::BrokersContentHeader, Step::Client(10, 11)],
    [Step::BrokersContentBody, Step::Broker(10, 30)],
    [Step::Client(60, 80), Step::Client(10, 31)],
    [Step::Broker(60, 60), Step::Client(10, 40)],
    [Step::Client(60, 80), Step::Broker(10, 41)],
    [Step::BrokersContentBody, Step::Client(20, 10)],
    [Step::Client(60, 80), Step::Broker(20, 11)],
    [Step::Client(60, 80), Step::Client(50, 10)],
    [Step::Broker(60, 60), Step::Broker(50, 11)],
    [Step::Client(60, 80), Step::Client(60, 10)],
    [Step::Client(60, 80), Step::Broker(60, 21)],
];
/// Of the connection for dead letters: it is opened when the first is to be sent.
const DEAD_LETTER_CUTS: [Step; 5] = [
    Step::Client(85, 10),
    Step::Client(60, 40),
    Step::ClientsContentHeader,
    Step::ClientsContentBody,
    Step::Broker(60, 80),
];

/// What is published, and how far it is.
struct Work {
    next: usize,
    poison: usize,
}

impl Work {
    /// Publishes as many again; every fiftieth twice, as an application does that was not sure of the first time.
    fn publish(&mut self, producer: &Producer<'_>, messages: usize) {
        let mut all = Vec::new();
        for number in self.next..(self.next + messages).min(MESSAGES) {
            let id = format!("M-{number}");
            let body = student(&id, number).to_string().into_bytes();
            let properties = producer.properties().with_message_id(id.into());
            if number % 50 == 0 {
                all.push((properties.clone(), body.clone()));
            }
            all.push((properties, body));
        }
        producer.publish_all(QUEUE, &all);
        self.next = (self.next + messages).min(MESSAGES);
    }

    /// Publishes what can be no record.
    fn poison(&mut self, producer: &Producer<'_>) {
        producer.hand_in(
            QUEUE,
            &format!("racun-{}", self.poison),
            &format!("{{\"akund\": 1, \"nomor\": {}", self.poison),
        );
        self.poison += 1;
    }
}

pub fn ten_thousand_messages() {
    let mut campus = Campus { broker: RabbitMq::start(&[("akund", AKUND), ("siakad", PRODUCER)]) };
    let cutter = Cutter::before(campus.broker.port());
    let site = Campus::with(campus.sections(cutter.port(), QUEUE, "declare = true"));
    let mut daemon = site.start();
    assert!(daemon.until_says("messages are taken from the queue"));
    // Nothing is hashed: this is about what becomes of messages.
    assert_eq!(site.told(&["pause", "--reason", "uji antrean"]).0, 0);
    let mut work = Work { next: 0, poison: 0 };
    let each = MESSAGES / (CUTS.len() + 5);

    for cuts in CUTS {
        let producer = campus.producer("siakad");
        cutter.arm(&cuts);
        work.publish(&producer, each);
        site.until(&format!("{cuts:?} are cut"), || cutter.left() == 0);
    }
    for cut in DEAD_LETTER_CUTS {
        cutter.arm(&[cut]);
        work.poison(&campus.producer("siakad"));
        site.until(&format!("{cut:?} is cut"), || cutter.left() == 0);
        // A new connection for the next: the one that was cut is not opened before it is needed.
        let sent = work.poison;
        site.until("the dead letter arrives", || campus.broker.depth(&format!("{QUEUE}.dead")).0 as usize >= sent);
    }

    // Killed in the midst of messages, and at two places where it must not matter.
    work.publish(&campus.producer("siakad"), each);
    site.until("some of them are taken", || taken(&site) > work.next - each);
    daemon.kill();
    for point in ["evidence-kept:3", "admitted:3", "acknowledged:2"] {
        let mut dying = site.spawn(&[("AKUND_CRASH_AT", point)]);
        assert!(dying.takes_requests());
        work.publish(&campus.producer("siakad"), each / 3);
        assert!(crate::daemon::crashed(dying.ended()), "{point}");
    }
    let dying = site.spawn(&[("AKUND_CRASH_AT", "dead-letter-sent")]);
    work.poison(&campus.producer("siakad"));
    assert!(crate::daemon::crashed(dying.ended()));
    daemon = site.start();

    // The broker is killed, and then stopped and started, while messages are on their way.
    work.publish(&campus.producer("siakad"), each);
    campus.broker.crash();
    work.publish(&campus.producer("siakad"), each);
    daemon.signal(Signal::SIGHUP);
    campus.broker.stop();
    assert_eq!(daemon.get("/healthz").0, 200, "a broker that is away is no unhealthy daemon");
    campus.broker.start_again();
    work.publish(&campus.producer("siakad"), MESSAGES);

    all_are_there_once(&site, &campus, daemon, work.poison);
}

fn taken(site: &Site) -> usize {
    let journal = rusqlite::Connection::open(&site.journal).unwrap();
    count(&journal, "SELECT count(*) FROM request")
}

fn all_are_there_once(site: &Site, campus: &Campus, daemon: Daemon, poison: usize) {
    site.until("every message is taken", || taken(site) == MESSAGES && campus.broker.depth(QUEUE).0 == 0);
    daemon.terminate();
    // What had not been acknowledged would be ready again, now that nobody takes from the queue.
    assert_eq!(campus.broker.depth(QUEUE), (0, 0));
    let states = site.states();
    assert_eq!(states.len(), MESSAGES);
    assert!((0..MESSAGES).all(|number| states.contains_key(&format!("generic:M-{number}@1"))));
    let journal = rusqlite::Connection::open(&site.journal).unwrap();
    assert_eq!(count(&journal, "SELECT count(*) FROM submission WHERE rejected = 0"), MESSAGES);
    assert_eq!(count(&journal, "SELECT count(*) FROM event WHERE kind = 'received'"), MESSAGES);
    assert_eq!(files_under(&site.spool.join("accepted")).len(), MESSAGES + poison, "evidence of each, and once");

    let dead = campus.broker.drain(&format!("{QUEUE}.dead"));
    let mut ids = BTreeSet::new();
    for letter in &dead {
        let headers = letter.delivery.properties.headers().clone().unwrap();
        let text = |name: &str| headers.inner().get(name).and_then(|v| v.as_long_string()).map(ToString::to_string);
        let id = letter.delivery.properties.message_id().clone().unwrap().to_string();
        let reason = text("akund-reason").unwrap();
        assert!(reason.contains(&format!("{id}.json")) && reason.contains("line 1"), "{reason}");
        assert_eq!(text("akund-user-id").as_deref(), Some("siakad"));
        let marked = headers.inner().contains_key("akund-redelivered");
        assert!(ids.insert(id.clone()) || marked, "the dead letter {id} is there twice and does not say so");
    }
    assert_eq!(ids.len(), poison, "{ids:?}");
    assert_eq!(count(&journal, "SELECT count(*) FROM event WHERE kind = 'rejected'"), poison);
}
