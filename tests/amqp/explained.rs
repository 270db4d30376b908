//! What `akund check` says, and what the daemon does where the broker or the queue is not there.

use crate::campus::Campus;
use crate::campus::student;
use crate::daemon::Site;
use lapin::options::QueueDeclareOptions;
use lapin::types::{AMQPValue, FieldTable};

/// What `check` says of the queue, with these changes to the configuration.
fn told(site: &Site, changes: &[(&str, &str)]) -> (i32, String) {
    let path = site.path("akund.toml");
    let good = std::fs::read_to_string(&path).unwrap();
    let mut text = good.clone();
    for (from, to) in changes {
        assert!(text.contains(from), "{from}");
        text = text.replace(from, to);
    }
    std::fs::write(&path, text).unwrap();
    let told = site.told(&["check"]);
    std::fs::write(&path, good).unwrap();
    told
}

pub fn check_says_what_is_wrong_in_an_administrators_words(campus: &Campus) {
    const QUEUE: &str = "akund.checked";
    let broker = &campus.broker;
    let site = campus.site(QUEUE, "[queue.requests.outcomes]\nexchange = \"akund.checked.outcomes\"");
    let before = told(&site, &[]);
    assert!(before.1.contains("is not there yet, and will be declared"), "{}", before.1);
    assert!(before.1.contains("takes the log-in of akund in vhost kampus"), "{}", before.1);
    let declared = broker.block_on(async {
        let (_connection, channel) = broker.client("admin").await;
        let passive = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::durable() };
        channel.queue_declare(QUEUE.into(), passive, FieldTable::default()).await.is_ok()
    });
    assert!(!declared, "check has declared the queue");
    let mut daemon = site.start();
    assert!(daemon.until_says("messages are taken from the queue"));
    daemon.terminate();
    let good = told(&site, &[]);
    assert_eq!(good.0, 0, "{}", good.1);
    assert!(good.1.contains("queue akund.checked is there, as it is configured"), "{}", good.1);
    assert_eq!(broker.depth("akund.checked.dead").0, 0, "check has published something");

    let plain = format!("amqp://akund@127.0.0.1:{}/kampus", broker.port());
    let with_tls = |host: &str| format!("amqps://akund@{host}:{}/kampus", broker.tls_port());
    let ca =
        format!("password_file = \"{}\"\nca_file = \"{}\"", broker.password_file().display(), broker.ca().display());
    let password = format!("password_file = {:?}", broker.password_file());
    let wrong = site.path("wrong-password");
    std::fs::write(&wrong, "keliru\n").unwrap();
    let wrong = format!("password_file = {wrong:?}");
    let by_tls = told(&site, &[(&plain, &with_tls("localhost")), (&password, &ca)]);
    assert_eq!(by_tls.0, 0, "{}", by_tls.1);
    broker.block_on(async {
        let (_connection, channel) = broker.client("admin").await;
        channel
            .queue_declare("akund.classic".into(), QueueDeclareOptions::durable(), FieldTable::default())
            .await
            .unwrap();
    });
    let declare = "declare = true\n";
    let of = |user: &str| plain.replace("akund@", &format!("{user}@"));
    let cases: [(&str, Vec<(&str, String)>); 13] = [
        ("no-such-host.invalid cannot be looked up", vec![(&plain, "amqps://akund@no-such-host.invalid".into())]),
        ("does not take a connection", vec![(&plain, "amqp://akund@127.0.0.1:1/kampus".into())]),
        ("certificate that is not trusted", vec![(&plain, with_tls("localhost"))]),
        (
            "is this its port for AMQP with TLS?",
            vec![(&plain, plain.replace("amqp:", "amqps:")), (&password, ca.clone())],
        ),
        ("port for AMQP without TLS", vec![(&plain, format!("amqp://akund@127.0.0.1:{}/kampus", broker.tls_port()))]),
        ("refuses the log-in of user akund", vec![(&password, wrong)]),
        ("has no vhost lain: `rabbitmqctl add_vhost lain`", vec![(&plain, plain.replace("kampus", "lain"))]),
        (
            "queue akund.checked exists with another x-delivery-limit: there it is 100, and akund wants 7",
            vec![(declare, format!("{declare}delivery_limit = 7\n"))],
        ),
        (
            "queue akund.classic exists with another x-queue-type: there it is classic",
            vec![("queue = \"akund.checked\"", "queue = \"akund.classic\"".into()), (declare, String::new())],
        ),
        (
            "queue akund.absent does not exist in vhost kampus",
            vec![("queue = \"akund.checked\"", "queue = \"akund.absent\"".into()), (declare, String::new())],
        ),
        (
            "exchange akund.nowhere does not exist in vhost kampus",
            vec![("akund.checked.rejected", "akund.nowhere".into()), (declare, String::new())],
        ),
        (
            "user akund-reader lacks the permission on exchange akund.checked.rejected",
            vec![(&plain, of("akund-reader")), (declare, String::new())],
        ),
        (
            "user akund-writer lacks the permission on queue akund.checked",
            vec![(&plain, of("akund-writer")), (declare, String::new())],
        ),
    ];
    let mut unexpected = Vec::new();
    // The refusal of a publication may come before or after the next word: whichever it is, it is what is told.
    let refused = cases.iter().find(|(expected, _)| expected.contains("akund-reader lacks")).cloned();
    for (expected, changes) in cases.into_iter().chain(refused.into_iter().cycle().take(20)) {
        let changes: Vec<(&str, &str)> = changes.iter().map(|(from, to)| (*from, to.as_str())).collect();
        let (code, said) = told(&site, &changes);
        if !said.contains(expected) || code == 0 {
            let of_queue: Vec<&str> = said.lines().filter(|line| line.contains(" queue ")).collect();
            unexpected.push(format!("expected {expected:?}, and {code}: {}", of_queue.join("\n")));
        }
        assert!(!said.contains("keliru") && !said.contains(crate::peers::BROKER_PASSWORD));
    }
    assert!(unexpected.is_empty(), "{}", unexpected.join("\n\n"));
}

pub fn a_queue_that_is_not_there_is_waited_for_by_a_healthy_daemon(campus: &Campus) {
    const QUEUE: &str = "akund.later";
    let site = Campus::with(campus.sections(campus.broker.port(), QUEUE, ""));
    let mut daemon = site.start();
    assert!(daemon.until_says("the queue is waited for"));
    site.until("it has tried some times", || {
        campus.broker.depth("akund.once").1 == 0 && daemon.get("/readyz").0 == 200
    });
    assert_eq!((daemon.get("/healthz").0, daemon.get("/readyz").0), (200, 200));
    site.until("it is measured", || daemon.get("/metrics").1.contains("akund_queue_up{queue=\"requests\"} 0"));
    // What is handed in as a file does not wait for it.
    site.drop_in("a.toml", crate::daemon::records::good("F-1", "berkas"));
    site.until_rest(1);
    campus.broker.block_on(async {
        let (_connection, channel) = campus.broker.client("admin").await;
        let mut quorum = FieldTable::default();
        quorum.insert("x-queue-type".into(), AMQPValue::LongString("quorum".into()));
        channel.queue_declare(QUEUE.into(), QueueDeclareOptions::durable(), quorum).await.unwrap();
    });
    campus.producer("siakad").hand_in(QUEUE, "Q-1", &student("Q-1", 1).to_string());
    site.until_rest(2);
    site.until("the queue is back", || daemon.get("/metrics").1.contains("akund_queue_up{queue=\"requests\"} 1"));
    daemon.terminate();
    assert_eq!(site.log().matches("the queue is waited for").count(), 1, "it is said once:\n{}", site.log());
}
