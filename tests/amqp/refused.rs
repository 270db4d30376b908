//! When a message is acknowledged, and what becomes of one that cannot be accepted.

use crate::campus::{Campus, student};
use crate::daemon::disk::Disk;
use crate::daemon::{Site, count, crashed, files_under};
use lapin::options::{BasicPublishOptions, ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable, LongString};
use lapin::{BasicProperties, ExchangeKind};
use std::process::Command;

fn journaled(site: &Site, sql: &str) -> usize {
    count(&rusqlite::Connection::open(&site.journal).unwrap(), sql)
}

fn metric(page: &str, sample: &str) -> String {
    let line = page.lines().find_map(|line| line.strip_prefix(sample));
    line.map(|value| value.trim().to_owned()).unwrap_or_default()
}

/// A report without its frame and its line ends.
fn words(report: &str) -> String {
    report.replace('│', " ").split_whitespace().collect::<Vec<_>>().join(" ")
}

pub fn a_message_is_acknowledged_only_after_the_commit_and_accepted_once(campus: &Campus) {
    const QUEUE: &str = "akund.once";
    let site = campus.site(QUEUE, "");
    for (point, requests) in [("evidence-kept", 0), ("admitted", 1)] {
        let mut dying = site.spawn(&[("AKUND_CRASH_AT", point)]);
        assert!(dying.until_says("messages are taken from the queue"));
        if point == "evidence-kept" {
            campus.producer("siakad").hand_in(QUEUE, "S-1@1", &student("S-1", 1).to_string());
        }
        assert!(crashed(dying.ended()), "{point}");
        assert_eq!(journaled(&site, "SELECT count(*) FROM request"), requests, "{point}");
        site.until("the broker has the message again", || campus.broker.depth(QUEUE).0 == 1);
    }
    let daemon = site.start();
    site.until_rest(1);
    site.until("the message is acknowledged", || campus.broker.depth(QUEUE).0 == 0);
    let duplicates = || metric(&daemon.get("/metrics").1, "akund_duplicates_total{source=\"siakad\"}");
    site.until("the second copy is counted", || duplicates() == "1");
    daemon.terminate();
    assert_eq!(campus.broker.depth(QUEUE), (0, 0), "nothing was left unacknowledged");
    assert_eq!(journaled(&site, "SELECT count(*) FROM event WHERE kind = 'received'"), 1);
    let evidence = files_under(&site.spool.join("accepted"));
    assert_eq!(evidence.len(), 1);
    assert!(evidence[0].to_string_lossy().ends_with("-S-1@1.json"), "{evidence:?}");
    assert_eq!(std::fs::read_to_string(&evidence[0]).unwrap(), std::fs::read_to_string(&evidence[0]).unwrap());
    assert_eq!(site.outcomes().len(), 1, "the outcome file is there as for a file");
}

pub fn what_cannot_be_accepted_is_in_the_dead_letter_queue_with_readable_reasons(campus: &Campus) {
    const QUEUE: &str = "akund.refused";
    let site = campus.site(QUEUE, "max_bytes = 20000");
    let mut daemon = site.start();
    assert!(daemon.until_says("messages are taken from the queue"));
    let (siakad, tamu) = (campus.producer("siakad"), campus.producer("tamu"));
    siakad.hand_in(QUEUE, "baik", &student("T-1", 1).to_string());
    let mut staff = student("T-2", 2);
    staff["applicant"]["category"] = "staff".into();
    let mut unknown_key = student("T-3", 3);
    unknown_key["applicant"]["nama"] = "x".into();
    let id = |of: &BasicProperties, id: &str| of.clone().with_message_id(id.into());
    let (of_siakad, nobody) = (siakad.properties(), BasicProperties::default());
    let big = format!("{{\"akund\": 1, \"id\": \"{}\"}}", "x".repeat(20_000));
    let mut steering = FieldTable::default();
    steering.insert("CC".into(), AMQPValue::FieldArray(vec![AMQPValue::LongString("akund.once".into())].into()));
    steering.insert("akund-reason".into(), AMQPValue::LongString("semua baik".into()));
    steering.insert("loket".into(), AMQPValue::LongString("3".into()));
    let letters = [
        (&siakad, id(&of_siakad, "bukan-json"), "{\"akund\": 1,\n \"id\": }".to_owned(), "line 2"),
        (&siakad, id(&of_siakad, "kunci").with_headers(steering), unknown_key.to_string(), "nama"),
        (&siakad, id(&of_siakad, "pegawai"), staff.to_string(), "source siakad may not ask for the category staff"),
        (&siakad, id(&of_siakad, "isi-lain"), student("T-1", 9).to_string(), "was accepted before with other content"),
        (&siakad, id(&of_siakad, "besar"), big, "more than the 20000"),
        (&siakad, id(&of_siakad, "gzip").with_content_encoding("gzip".into()), "x".into(), "content encoding gzip"),
        (&siakad, id(&of_siakad, "usang").with_expiration("600000".into()), "[]".into(), "usang.json"),
        (&tamu, id(&tamu.properties(), "tamu"), student("T-4", 4).to_string(), "user tamu, who may hand in nothing"),
        (&siakad, id(&nobody, "tanpa-nama"), student("T-5", 5).to_string(), "has no user_id"),
    ];
    // The first is in the journal before another comes with its id.
    site.until("the good one is taken", || journaled(&site, "SELECT count(*) FROM request") == 1);
    for (producer, properties, body, _) in &letters {
        producer.publish(QUEUE, properties.clone(), body.as_bytes());
    }
    let dead_queue = format!("{QUEUE}.dead");
    site.until("all dead letters are there", || campus.broker.depth(&dead_queue).0 as usize == letters.len());
    let dead = campus.broker.drain(&dead_queue);
    for (_, properties, body, expected) in &letters {
        let id = properties.message_id().clone().unwrap();
        let letter = dead.iter().find(|one| one.delivery.properties.message_id().as_ref() == Some(&id)).unwrap();
        let of = &letter.delivery.properties;
        let headers = of.headers().clone().unwrap();
        let text = |name: &str| headers.inner().get(name).and_then(|v| v.as_long_string()).map(ToString::to_string);
        let reason = words(&text("akund-reason").unwrap());
        assert!(reason.contains(expected), "{id}: {reason}");
        assert_eq!(letter.delivery.data, body.as_bytes());
        assert_eq!(text("akund-user-id"), properties.user_id().as_ref().map(ToString::to_string));
        assert_eq!((of.user_id(), of.expiration(), of.delivery_mode()), (&None, &None, &Some(2)));
        assert_eq!(text("akund-queue").as_deref(), Some(QUEUE));
        assert!(!headers.inner().contains_key("CC") && !headers.inner().contains_key("akund-redelivered"));
        if id.as_str() == "kunci" {
            assert_eq!(text("loket").as_deref(), Some("3"));
            assert_eq!(text("akund-source").as_deref(), Some("siakad"));
        }
    }
    let copies = campus.broker.drain("akund.once").len();
    assert_eq!(copies, 1, "the publisher's own copy, and none that akund was made to publish");
    let dead = || metric(&daemon.get("/metrics").1, "akund_queue_dead_letters_total{queue=\"requests\"}");
    site.until("all are counted", || dead() == letters.len().to_string());
    let page = daemon.get("/metrics").1;
    assert_eq!(metric(&page, "akund_queue_up{queue=\"requests\"}"), "1");
    assert_eq!(metric(&page, "akund_intake_files_total{source=\"siakad\",result=\"accepted\"}"), "1");
    // The broker itself refuses a name that is not the publisher's.
    let forged = campus.broker.block_on(async {
        let (_connection, channel) = campus.broker.client("tamu").await;
        channel.confirm_select(Default::default()).await.unwrap();
        let (options, forged) =
            (BasicPublishOptions::default(), BasicProperties::default().with_user_id("siakad".into()));
        channel.basic_publish("".into(), QUEUE.into(), options, b"{}", forged).await?.await
    });
    assert!(forged.unwrap_err().to_string().contains("user_id"));
    site.until_rest(1);
    daemon.terminate();
    assert_eq!(campus.broker.depth(QUEUE), (0, 0));
    assert_eq!(journaled(&site, "SELECT count(*) FROM request"), 1);
    assert_eq!(journaled(&site, "SELECT count(*) FROM event WHERE kind = 'rejected'"), letters.len());
    let log = site.log();
    assert!(!log.contains("Mahasiswa") && !log.contains(crate::peers::BROKER_PASSWORD), "{log}");
}

pub fn a_signature_travels_in_a_header_and_must_be_good(campus: &Campus) {
    const QUEUE: &str = "akund.signed";
    let site = campus.site(QUEUE, "");
    let config = std::fs::read_to_string(site.path("akund.toml")).unwrap();
    let rule = "users = [\"siakad\"]\n";
    let signed = format!("{rule}signature = \"required\"\nallowed_signers = \"signers\"\n");
    std::fs::write(site.path("akund.toml"), config.replace(rule, &signed)).unwrap();
    let key = |name: &str| {
        let made =
            Command::new("ssh-keygen").args(["-q", "-N", "", "-t", "ed25519", "-f"]).arg(site.path(name)).status();
        assert!(made.unwrap().success());
        std::fs::read_to_string(site.path(&format!("{name}.pub"))).unwrap()
    };
    let sign = |name: &str, body: &str| {
        let file = site.path("to-sign");
        let _ = std::fs::remove_file(site.path("to-sign.sig"));
        std::fs::write(&file, body).unwrap();
        let signed = Command::new("ssh-keygen")
            .args(["-q", "-Y", "sign", "-n", "akund-request", "-f"])
            .args([site.path(name), file])
            .status();
        assert!(signed.unwrap().success());
        std::fs::read_to_string(site.path("to-sign.sig")).unwrap()
    };
    let (head, clerk) = (key("head"), key("clerk"));
    key("stranger");
    std::fs::write(site.path("signers"), format!("head {head}clerk {clerk}")).unwrap();
    let mut daemon = site.start();
    assert!(daemon.until_says("messages are taken from the queue"));
    // Until the signers can be read again, messages wait; then they are taken by themselves.
    std::fs::write(site.path("signers"), "this is no key\n").unwrap();
    let siakad = campus.producer("siakad");
    let bodies: Vec<String> = (0..6).map(|n| student(&format!("G-{n}"), 100 + n).to_string()).collect();
    let body = |n: usize| bodies[n].clone();
    let publish = |id: &str, body: &str, signature: Option<&str>| {
        let mut properties = siakad.properties().with_message_id(id.into());
        if let Some(signature) = signature {
            let mut headers = FieldTable::default();
            headers.insert("akund-signature".into(), AMQPValue::LongString(LongString::from(signature)));
            properties = properties.with_headers(headers);
        }
        siakad.publish(QUEUE, properties, body.as_bytes());
    };
    publish("baik", &body(1), Some(&sign("head", &body(1))));
    assert!(daemon.until_says("messages wait unacknowledged"));
    let waits = || metric(&daemon.get("/metrics").1, "akund_queue_held{queue=\"requests\"}") == "1";
    site.until("it is measured", waits);
    std::fs::write(site.path("signers"), format!("head {head}clerk {clerk}")).unwrap();
    site.until("the good one is taken", || journaled(&site, "SELECT count(*) FROM request") == 1);
    publish("tanpa", &body(2), None);
    publish("lain", &body(3), Some(&sign("head", &body(2))));
    publish("asing", &body(4), Some(&sign("stranger", &body(4))));
    publish("juru-tulis", &body(5), Some(&sign("clerk", &body(5))));
    let dead_queue = format!("{QUEUE}.dead");
    site.until("all dead letters are there", || campus.broker.depth(&dead_queue).0 == 4);
    for letter in campus.broker.drain(&dead_queue) {
        let id = letter.delivery.properties.message_id().clone().unwrap();
        let headers = letter.delivery.properties.headers().clone().unwrap();
        let reason = words(&headers.inner()["akund-reason"].as_long_string().unwrap().to_string());
        let expected = match id.as_str() {
            "tanpa" => "the header akund-signature is missing",
            "lain" => "is not over this content",
            "asing" => "is not listed in",
            _ => "may not sign as head",
        };
        assert!(reason.contains(expected), "{id}: {reason}");
    }
    site.until_rest(1);
    daemon.terminate();
    let evidence = files_under(&site.spool.join("accepted"));
    assert!(evidence.iter().any(|path| path.to_string_lossy().ends_with("-baik.json.sig")), "{evidence:?}");
    assert_eq!(journaled(&site, "SELECT count(*) FROM request"), 1);
}

/// A disk that takes nothing is played by a file where the directory for evidence should be.
pub fn what_cannot_be_kept_now_waits_unacknowledged_and_is_taken_later(campus: &Campus) {
    const QUEUE: &str = "akund.patient";
    let site = campus.site(QUEUE, "");
    let mut daemon = site.start();
    assert!(daemon.until_says("messages are taken from the queue"));
    let (accepted, aside) = (site.spool.join("accepted"), site.spool.join("aside"));
    std::fs::rename(&accepted, &aside).unwrap();
    std::fs::write(&accepted, "").unwrap();
    for number in 0..3 {
        let id = format!("P-{number}");
        campus.producer("siakad").hand_in(QUEUE, &id, &student(&id, 300 + number).to_string());
    }
    let held =
        |daemon: &crate::daemon::Daemon| metric(&daemon.get("/metrics").1, "akund_queue_held{queue=\"requests\"}");
    site.until("all of them wait with akund", || held(&daemon) == "3");
    assert_eq!(journaled(&site, "SELECT count(*) FROM request"), 0);
    assert_eq!(daemon.get("/healthz").0, 200);
    // They are the broker's still.
    daemon.terminate();
    assert_eq!(campus.broker.depth(QUEUE).0, 3);
    std::fs::remove_file(&accepted).unwrap();
    std::fs::rename(&aside, &accepted).unwrap();
    let daemon = site.start();
    site.until_rest(3);
    daemon.terminate();
    assert_eq!(campus.broker.depth(QUEUE), (0, 0));
    assert_eq!(campus.broker.depth(&format!("{QUEUE}.dead")).0, 0);
}

pub fn what_cannot_be_journaled_for_a_full_disk_stays_the_brokers(campus: &Campus) {
    const QUEUE: &str = "akund.full";
    let site = campus.site(QUEUE, "");
    let disk = Disk::mount(site.path("state"), "4m");
    let mut daemon = site.start();
    assert!(daemon.until_says("messages are taken from the queue"));
    disk.fill();
    for number in 0..3 {
        let id = format!("F-{number}");
        campus.producer("siakad").hand_in(QUEUE, &id, &student(&id, 400 + number).to_string());
    }
    site.until("the journal is said to be full", || {
        let (code, body) = daemon.get("/healthz");
        code == 503 && body.contains("full")
    });
    assert_eq!(journaled(&site, "SELECT count(*) FROM request"), 0);
    // Killed now, akund leaves them where they were.
    daemon.kill();
    site.until("the broker has them again", || campus.broker.depth(QUEUE) == (3, 0));
    disk.make_room();
    let daemon = site.start();
    site.until_rest(3);
    daemon.terminate();
    assert_eq!(campus.broker.depth(QUEUE), (0, 0));
    assert_eq!(campus.broker.depth(&format!("{QUEUE}.dead")).0, 0);
    assert_eq!(files_under(&site.spool.join("accepted")).len(), 3, "evidence of each, and once");
}

pub fn a_dead_letter_is_sent_once_though_the_journal_cannot_be_written_after_it(campus: &Campus) {
    const QUEUE: &str = "akund.unwritable";
    let site = campus.site(QUEUE, "");
    let disk = Disk::mount(site.path("state"), "4m");
    let mut daemon = site.start();
    assert!(daemon.until_says("messages are taken from the queue"));
    disk.fill();
    // One that is no record, and one that is not even looked into.
    let siakad = campus.producer("siakad");
    siakad.hand_in(QUEUE, "racun", "{");
    siakad.publish(QUEUE, siakad.properties().with_content_encoding("gzip".into()), b"x");
    let dead_queue = format!("{QUEUE}.dead");
    site.until("a dead letter is there", || campus.broker.depth(&dead_queue).0 >= 1);
    site.until("the journal is said to be full", || daemon.get("/healthz").0 == 503);
    assert_eq!(journaled(&site, "SELECT count(*) FROM event WHERE kind = 'rejected'"), 0);
    disk.make_room();
    site.until("both are journaled", || journaled(&site, "SELECT count(*) FROM event WHERE kind = 'rejected'") == 2);
    daemon.terminate();
    assert_eq!(campus.broker.depth(QUEUE), (0, 0));
    assert_eq!(campus.broker.depth(&dead_queue).0, 2, "each once");
}

/// The queue is the administrator's here, and so is the exchange, to which nothing is bound yet.
pub fn a_dead_letter_that_nobody_would_get_holds_its_message_and_no_other(campus: &Campus) {
    const QUEUE: &str = "akund.lonely";
    let table = FieldTable::default;
    campus.broker.block_on(async {
        let (_connection, channel) = campus.broker.client("admin").await;
        let mut quorum = table();
        quorum.insert("x-queue-type".into(), AMQPValue::LongString("quorum".into()));
        channel.queue_declare(QUEUE.into(), QueueDeclareOptions::durable(), quorum).await.unwrap();
        let durable = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
        channel.exchange_declare("akund.lonely.dead".into(), ExchangeKind::Fanout, durable, table()).await.unwrap();
    });
    let more = "dead_letter_exchange = \"akund.lonely.dead\"";
    let site = Campus::with(campus.sections(campus.broker.port(), QUEUE, more));
    let daemon = site.start();
    let siakad = campus.producer("siakad");
    siakad.hand_in(QUEUE, "racun", "{");
    siakad.hand_in(QUEUE, "baik", &student("L-1", 1).to_string());
    site.until_rest(1);
    let held = || metric(&daemon.get("/metrics").1, "akund_queue_held{queue=\"requests\"}");
    site.until("the other waits", || held() == "1");
    assert!(site.log().contains("exchange akund.lonely.dead has no queue bound to it"), "{}", site.log());
    campus.broker.block_on(async {
        let (_connection, channel) = campus.broker.client("admin").await;
        let (queue, exchange) = ("akund.lonely.found", "akund.lonely.dead");
        channel.queue_declare(queue.into(), QueueDeclareOptions::durable(), table()).await.unwrap();
        let options = QueueBindOptions::default();
        channel.queue_bind(queue.into(), exchange.into(), "".into(), options, table()).await.unwrap();
    });
    site.until("the dead letter arrives", || campus.broker.depth("akund.lonely.found").0 == 1);
    site.until("nothing waits", || held() == "0");
    daemon.terminate();
    assert_eq!(campus.broker.depth(QUEUE), (0, 0));
}
