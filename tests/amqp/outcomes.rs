//! Outcome documents on an exchange.

use crate::campus::{Campus, refused_student};
use crate::daemon::{crashed, records};
use akund::amqp::Broker;
use akund::channel::exchange::Exchange;
use akund::channel::{NotTaken, Outlet};
use akund::config::QueueConfig;
use akund::model::{FaultClass, Outcome, Posting};
use lapin::message::BasicGetMessage;
use lapin::options::{QueueBindOptions, QueueDeclareOptions};
use lapin::types::FieldTable;
use std::collections::BTreeSet;

const EXCHANGE: &str = "akund.outcomes";

fn bind(campus: &Campus, queue: &str, key: &str) {
    bind_to(campus, EXCHANGE, queue, key);
}

fn bind_to(campus: &Campus, exchange: &str, queue: &str, key: &str) {
    campus.broker.block_on(async {
        let (_connection, channel) = campus.broker.client("admin").await;
        channel.queue_declare(queue.into(), QueueDeclareOptions::durable(), FieldTable::default()).await.unwrap();
        let (options, none) = (QueueBindOptions::default(), FieldTable::default());
        channel.queue_bind(queue.into(), exchange.into(), key.into(), options, none).await.unwrap();
    });
}

pub fn outcomes_are_published_once_confirmed_and_wait_where_nobody_is_bound(campus: &Campus) {
    const QUEUE: &str = "akund.reported";
    let site = campus.site(QUEUE, &format!("[queue.requests.outcomes]\nexchange = \"{EXCHANGE}\""));
    let daemon = site.start();
    let siakad = campus.producer("siakad");
    site.until("the queue is declared", || site.log().contains("messages are taken from the queue"));
    // No notice goes out, and so each request has one outcome document.
    assert_eq!(site.told(&["pause", "email", "--reason", "uji hasil"]).0, 0);
    siakad.hand_in(QUEUE, "a", &refused_student("H-1", 1).to_string());
    site.until("the file is there, whatever becomes of the publication", || site.outcomes().len() == 1);
    let counted = |page: &str, sample: &str| page.lines().any(|line| line.starts_with(sample) && !line.ends_with(" 0"));
    let unroutable = "akund_publications_total{outlet=\"requests\",result=\"unroutable\"}";
    site.until("it came back", || counted(&daemon.get("/metrics").1, unroutable));
    site.until("it is said", || site.log().contains(&format!("exchange {EXCHANGE} has no queue bound to it")));
    let due = "akund_publications_due{outlet=\"requests\"}";
    site.until("it is due again", || counted(&daemon.get("/metrics").1, due));
    // More than are tried together, for whom nobody listens, keep none waiting for whom somebody does.
    let helpdesk = campus.producer("helpdesk");
    let unheard =
        |n: usize| (helpdesk.properties(), refused_student(&format!("U-{n}"), 100 + n).to_string().into_bytes());
    helpdesk.publish_all(QUEUE, &(0..150).map(unheard).collect::<Vec<_>>());
    site.until("theirs are written, too", || site.outcomes().len() == 151);
    bind(campus, "akund.heard", "siakad.generic.*");
    site.until("the outcome arrives", || campus.broker.depth("akund.heard").0 == 1);
    bind(campus, "akund.others", "helpdesk.generic.*");
    site.until("the others arrive", || campus.broker.depth("akund.others").0 == 150);
    daemon.terminate();
    let mut heard = campus.broker.drain("akund.heard");
    let of = heard.pop().unwrap().delivery;
    let document: Outcome = serde_json::from_slice(&of.data).unwrap();
    assert_eq!((document.request.id.as_str(), document.state.as_str()), ("H-1", "refused"));
    assert_eq!(of.routing_key.as_str(), "siakad.generic.refused");
    let text = |value: &Option<lapin::types::ShortString>| value.as_ref().map(ToString::to_string).unwrap_or_default();
    assert_eq!(text(of.properties.message_id()), format!("{}.1", document.request.uid));
    assert_eq!((text(of.properties.user_id()).as_str(), *of.properties.delivery_mode()), ("akund", Some(2)));
    assert_eq!(text(of.properties.correlation_id()), "H-1");

    // Killed between the broker's confirmation and the journal's record: it comes again, under the same id.
    let mut dying = site.spawn(&[("AKUND_CRASH_AT", "post-done")]);
    assert!(dying.until_says("messages are taken from the queue"));
    siakad.hand_in(QUEUE, "b", &refused_student("H-2", 2).to_string());
    assert!(crashed(dying.ended()));
    let daemon = site.start();
    site.until("it is there twice", || campus.broker.depth("akund.heard").0 == 2);
    let due = "akund_publications_due{outlet=\"requests\"} 0";
    site.until("nothing is due", || daemon.get("/metrics").1.contains(due));
    daemon.terminate();
    let ids: Vec<String> =
        campus.broker.drain("akund.heard").iter().map(|one| text(one.delivery.properties.message_id())).collect();
    assert_eq!(ids.len(), 2);
    assert_eq!(ids[0], ids[1]);
}

/// By the spool: there is no queue to hand in through.
pub fn what_ends_while_the_broker_is_away_is_published_when_it_is_back(campus: &mut Campus) {
    let outcomes = format!("[queue.requests.outcomes]\nexchange = \"{EXCHANGE}\"\nsources = [\"local\"]");
    let site = campus.site("akund.away", &outcomes);
    let mut daemon = site.start();
    assert!(daemon.until_says("messages are taken from the queue"));
    assert_eq!(site.told(&["pause", "email", "--reason", "uji hasil"]).0, 0);
    bind(campus, "akund.late", "local.#");
    campus.broker.stop();
    for number in 0..3 {
        site.drop_in(&format!("{number}.toml"), records::refused(&format!("AWAY/{number}"), &format!("jauh{number}")));
    }
    site.until("the files do not wait for the broker", || site.outcomes().len() == 3);
    let due = |many: u8| format!("akund_publications_due{{outlet=\"requests\"}} {many}");
    site.until("three are due", || daemon.get("/metrics").1.contains(&due(3)));
    assert_eq!(daemon.get("/healthz").0, 200, "a broker that is away is no unhealthy daemon");
    // Paused, it is left alone when the broker is back, and the page tells both.
    site.until("it is seen to be away", || daemon.get("/?lang=en").1.contains("Cannot be reached: requests"));
    assert_eq!(site.told(&["pause", "requests", "--reason", "pelanggan diganti"]).0, 0);
    campus.broker.start_again();
    site.until("messages are taken again", || {
        daemon.get("/metrics").1.contains("akund_queue_up{queue=\"requests\"} 1")
    });
    let row = |page: &str| page.split("<tr>").find(|row| row.contains(">requests</th>")).unwrap_or_default().to_owned();
    site.until("the page has it", || row(&daemon.get("/?lang=en").1).contains("paused"));
    site.until("three are still due", || daemon.get("/metrics").1.contains(&due(3)));
    assert_eq!(site.told(&["unpause", "requests"]).0, 0);
    site.until("nothing is due", || daemon.get("/metrics").1.contains(&due(0)));
    daemon.terminate();
    assert_eq!(campus.broker.drain("akund.late").len(), 3, "each of them, and once");
}

/// What the broker refuses, it refuses by closing the channel.
pub fn a_document_that_the_broker_refuses_keeps_none_of_its_batch_from_being_published(campus: &mut Campus) {
    const OTHER: &str = "akund.picky";
    let config: QueueConfig = toml::from_str(&format!(
        "url = \"amqp://akund@127.0.0.1:{}/kampus\"\npassword_file = {:?}\nqueue = \"akund.unused\"\ndeclare = true\n\
         dead_letter_exchange = \"akund.unused.rejected\"\n[outcomes]\nexchange = \"{OTHER}\"\n",
        campus.broker.port(),
        campus.broker.password_file()
    ))
    .unwrap();
    let exchange = Exchange::of("requests", &config, &Broker::configured(&config).unwrap()).unwrap();
    let document = |number: i64, source: &str, padding: usize| {
        let request = serde_json::json!({"source": source, "procedure": "generic", "id": format!("R-{number}")});
        let at = jiff::Timestamp::now();
        let body =
            serde_json::json!({"request": request, "state": "done", "state_at": at, "more": "x".repeat(padding)});
        let (delivery, body) = (format!("delivery-{number}"), body.to_string().into_bytes());
        Posting { id: number, delivery, attempt: 1, first_at: at, body }
    };
    let batch: Vec<Posting> = (0..10)
        .map(|number| match number {
            3 => document(number, "siakad", 0),
            6 => document(number, "helpdesk", 20_000),
            _ => document(number, "helpdesk", 0),
        })
        .collect();
    // The first one declares the exchange.
    assert!(matches!(campus.broker.block_on(exchange.post(&batch[..1]))[..], [Err(NotTaken::Unroutable(_))]));
    campus.broker.block_on(exchange.rest());
    bind_to(campus, OTHER, "akund.picked", "#");
    campus.broker.ctl(&["set_topic_permissions", "-p", "kampus", "akund", OTHER, "^helpdesk\\.", ".*"]);
    campus.broker.ctl(&["eval", "application:set_env(rabbit, max_message_size, 10000)."]);

    let answers = campus.broker.block_on(exchange.post(&batch));
    assert_eq!(answers.len(), batch.len());
    for (number, answer) in answers.into_iter().enumerate() {
        match (number, answer) {
            (3, Err(NotTaken::Refused(fault))) => {
                assert_eq!(fault.class, FaultClass::Transient);
                assert!(fault.message.contains("siakad.generic.done"), "{fault}");
                assert!(fault.message.contains("set_topic_permissions"), "{fault}");
            }
            (6, Err(NotTaken::Fault(fault))) => {
                assert_eq!(fault.class, FaultClass::Permanent);
                assert!(fault.message.contains("delivery-6") && fault.message.contains("10000"), "{fault}");
            }
            (_, answer) => assert_eq!(answer, Ok("confirmed".to_owned()), "{number}"),
        }
    }
    let ids: BTreeSet<String> = campus.broker.drain("akund.picked").iter().map(message_id).collect();
    let good = batch.iter().map(|posting| posting.delivery.clone());
    assert_eq!(ids, good.filter(|delivery| !["delivery-3", "delivery-6"].contains(&delivery.as_str())).collect());

    campus.broker.block_on(exchange.rest());
    campus.broker.stop();
    let answers = campus.broker.block_on(exchange.post(&batch));
    let is_transient =
        |answer: &_| matches!(answer, Err(NotTaken::Fault(fault)) if fault.class == FaultClass::Transient);
    assert!(answers.len() == batch.len() && answers.iter().all(is_transient), "{answers:?}");
    campus.broker.start_again();
    campus.broker.ctl(&["clear_topic_permissions", "-p", "kampus", "akund", OTHER]);
}

fn message_id(message: &BasicGetMessage) -> String {
    message.delivery.properties.message_id().as_ref().map(ToString::to_string).unwrap_or_default()
}
