//! gammu-smsd with its dummy phone.

use crate::daemon::records::key;
use crate::office::*;
use crate::peers::{Gammu, MariaDb, Postgres, gammu_tables};
use akund::channel::sms::gammu::Gammu as Channel;
use akund::channel::{Arrival, Channel as _, Destination, Envelope};
use akund::config::ChannelConfig;
use akund::model::{FaultClass, Phone, Secret};
use std::path::Path;
use std::time::{Duration, Instant};

fn section(gammu: &Gammu, more: &str) -> String {
    format!("[channel.sms]\nkind = \"sms-gammu\"\ndatabase = {:?}\nwait_seconds = 20\n{more}", gammu.database())
}

const SENT: &str =
    "SELECT DestinationNumber, TextDecoded, Status, CreatorID, UDH FROM sentitems ORDER BY ID, SequencePosition";

#[test]
fn a_new_account_is_handed_over_by_gammu_with_the_working_password_in_its_parts() {
    let gammu = Gammu::start();
    let site = office(&section(&gammu, "keep_text = true\n"), "channels = [\"sms\", \"email\"]");
    let (_, told) = site.told(&["check"]);
    assert!(told.contains("can be used; phones at work: 1"), "{told}");
    let daemon = site.start();
    site.drop_in("a.toml", with_phone("a", "siti", TYPED));
    site.until_rest(1);
    assert_eq!(site.state(&key("a")), "done", "{}\n{}", site.log(), gammu.log());
    let sent = gammu.rows(SENT);
    assert_eq!(sent.len(), 2, "{sent:?}");
    assert!(
        sent.iter().all(|row| row[0] == NUMBER && row[2].starts_with("SendingOK") && row[3].starts_with("akund:")),
        "{sent:?}"
    );
    assert!(sent[0][4].ends_with("0201") && sent[1][4].ends_with("0202"), "{sent:?}");
    let text = format!("{}{}", sent[0][1], sent[1][1]);
    assert!(opens(&site, "siti@example.ac.id", &password(&text)), "{text}");
    assert_eq!((gammu.rows("SELECT * FROM outbox").len(), sealed(&site)), (0, 0));
    daemon.terminate();
}

#[test]
fn what_gammu_keeps_of_the_text_is_emptied_once_it_is_sent() {
    let gammu = Gammu::start();
    let site = office(&section(&gammu, ""), "channels = [\"sms\"]");
    let daemon = site.start();
    site.drop_in("a.toml", with_phone("a", "siti", TYPED));
    site.until_rest(1);
    assert_eq!(site.state(&key("a")), "done", "{}", site.log());
    let sent = gammu.rows(SENT);
    assert!(sent.len() == 2 && sent.iter().all(|row| row[1].is_empty()), "{sent:?}");
    daemon.terminate();
}

#[test]
fn killed_while_a_message_lies_in_the_outbox_it_is_sent_once_all_the_same() {
    for place in ["sms-claimed", "gammu-written", "sms-done"] {
        let mut gammu = Gammu::prepare();
        if place == "sms-done" {
            gammu.resume();
        }
        let site = office(&section(&gammu, "keep_text = true\n"), "channels = [\"sms\", \"email\"]");
        let mut daemon = site.spawn(&[("AKUND_CRASH_AT", place)]);
        site.drop_in("a.toml", with_phone("a", "siti", TYPED));
        site.until("it dies", || daemon.has_ended());
        assert!(crate::daemon::crashed(daemon.ended()), "{place}: {}", site.log());
        if place != "sms-done" {
            gammu.resume();
        }
        let daemon = site.start();
        site.until_rest(1);
        assert_eq!(site.state(&key("a")), "done", "{place}: {}", site.log());
        let sent = gammu.rows(SENT);
        assert_eq!(sent.len(), 2, "{place}: one message of two parts: {sent:?}");
        assert!(opens(&site, "siti@example.ac.id", &password(&format!("{}{}", sent[0][1], sent[1][1]))));
        daemon.terminate();
    }
}

#[test]
fn while_smsd_is_away_a_message_waits_in_the_outbox_once_and_is_neither_repeated_nor_passed_on() {
    let mut gammu = Gammu::prepare();
    let site = office(
        &section(&gammu, "").replace("wait_seconds = 20", "wait_seconds = 1"),
        "channels = [\"sms\", \"email\"]",
    );
    let (_, told) = site.told(&["check"]);
    assert!(told.contains("no gammu-smsd has its phone there now"), "{told}");
    let daemon = site.start();
    site.drop_in("a.toml", with_phone("a", "siti", TYPED));
    site.until("it was tried several times", || handed(&site, "a").iter().any(|s| s["attempts"].as_u64() >= Some(3)));
    let [step] = &handed(&site, "a")[..] else { panic!() };
    assert!(step["fault"].as_str().unwrap().contains("lies in gammu's outbox"), "{step}");
    assert_eq!((gammu.rows("SELECT * FROM outbox").len(), mails(&site).len()), (1, 0));
    gammu.resume();
    site.until_rest(1);
    assert_eq!((site.state(&key("a")), gammu.rows(SENT).len()), ("done".into(), 2), "{}", site.log());
    daemon.terminate();
}

#[test]
fn a_message_that_the_modem_cannot_send_passes_on_to_the_next_channel() {
    let gammu = Gammu::prepare();
    let site = office(&section(&gammu, ""), "channels = [\"sms\", \"email\"]");
    let daemon = site.start();
    site.drop_in("a.toml", with_phone("a", "siti", TYPED));
    site.until("it lies in the outbox", || gammu.rows("SELECT * FROM outbox").len() == 1);
    // The dummy phone sends everything: this is what smsd writes when a modem has refused its last try.
    gammu.run(
        "BEGIN IMMEDIATE;
         INSERT INTO sentitems (Text, DestinationNumber, Coding, UDH, TextDecoded, ID, SenderID, SequencePosition, Status, CreatorID)
           SELECT '', DestinationNumber, Coding, UDH, TextDecoded, ID, 'dummy1', 1, 'SendingError', CreatorID FROM outbox;
         DELETE FROM outbox; DELETE FROM outbox_multipart; COMMIT;",
    );
    site.until_rest(1);
    assert_eq!(site.state(&key("a")), "done", "{}\n{}", site.log(), gammu.log());
    let [step] = &handed(&site, "a")[..] else { panic!() };
    assert_eq!((step["lane"].as_str(), step["refused"][0]["channel"].as_str()), (Some("email"), Some("sms")));
    assert!(step["refused"][0]["fault"].as_str().unwrap().contains("gammu could not send"), "{step}");
    assert_eq!(mails(&site).len(), 1);
    daemon.terminate();
}

#[test]
fn what_the_modem_could_not_send_is_sent_when_an_order_tries_again() {
    let mut gammu = Gammu::prepare();
    let site = office(&section(&gammu, "keep_text = true\n"), "channels = [\"sms\"]");
    let daemon = site.start();
    site.drop_in("a.toml", with_phone("a", "siti", TYPED));
    site.until("it lies in the outbox", || gammu.rows("SELECT * FROM outbox").len() == 1);
    // What smsd writes when a modem without credit has refused its last try.
    gammu.run(
        "BEGIN IMMEDIATE;
         INSERT INTO sentitems (Text, DestinationNumber, Coding, UDH, TextDecoded, ID, SenderID, SequencePosition, Status, CreatorID)
           SELECT '', DestinationNumber, Coding, UDH, TextDecoded, ID, 'dummy1', 1, 'SendingError', CreatorID FROM outbox;
         DELETE FROM outbox; DELETE FROM outbox_multipart; COMMIT;",
    );
    site.until("it is stuck", || site.state(&key("a")) == "stuck");
    gammu.resume();
    let (code, told) = site.told(&["retry", &key("a"), "--reason", "credit was bought"]);
    assert_eq!(code, 0, "{told}");
    site.until_rest(1);
    assert_eq!(site.state(&key("a")), "done", "{}\n{}", site.log(), gammu.log());
    let sent = gammu.rows(&SENT.replace("FROM sentitems", "FROM sentitems WHERE Status <> 'SendingError'"));
    assert!(opens(&site, "siti@example.ac.id", &password(&format!("{}{}", sent[0][1], sent[1][1]))), "{sent:?}");
    assert_eq!((sent.len(), gammu.rows("SELECT * FROM sentitems").len()), (2, 3));
    daemon.terminate();
}

#[test]
fn a_delivery_report_of_the_network_confirms_what_was_handed_over() {
    let gammu = Gammu::start();
    let site = office(&section(&gammu, "reports = true\n"), "channels = [\"sms\"]");
    let daemon = site.start();
    site.drop_in("a.toml", with_phone("a", "siti", TYPED));
    site.drop_in("b.toml", with_phone("b", "budi", "0812-3456-7891"));
    site.until_rest(2);
    assert_eq!(handed(&site, "a")[0]["arrival"], "expected", "{}", site.log());
    // The dummy phone gets no reports: this is what smsd writes when one comes.
    gammu.run("UPDATE sentitems SET Status = 'DeliveryOK' WHERE DestinationNumber = '+6281234567890'");
    gammu.run("UPDATE sentitems SET Status = 'DeliveryFailed' WHERE DestinationNumber = '+6281234567891' AND SequencePosition = 2");
    site.until("both are reported", || {
        handed(&site, "a")[0]["arrival"] == "confirmed" && handed(&site, "b")[0]["arrival"] == "failed"
    });
    assert_eq!(site.state(&key("b")), "done");
    let (_, shown) = site.told(&["show", &key("b")]);
    assert!(shown.contains("arrival failed"), "{shown}");
    daemon.terminate();
}

fn channel(section: &str) -> Channel {
    let config = akund::config::load::from_text(&format!("akund = 1\n{section}"), Path::new("/")).unwrap();
    let ChannelConfig::SmsGammu(config) = &config.channel["sms"] else { panic!() };
    Channel::open("sms", config).unwrap()
}

fn message(id: &str, text: &str) -> Envelope {
    Envelope {
        message_id: format!("{id}@sms.localhost"),
        to: Destination::Phone(Phone::parse(TYPED, "ID").unwrap()),
        to_name: String::new(),
        language: "id".into(),
        subject: String::new(),
        text: Secret::new(text),
        html: None,
        receipt: None,
        attachments: Vec::new(),
    }
}

/// What every database of smsd's must show: sent once, whatever is asked again; arrival by reference.
async fn serves(section: &str, count: impl Fn(&str) -> String, report: impl Fn()) {
    let channel = channel(section);
    // smsd renews every few seconds that it has its phone; on a busy machine that is late.
    let begun = Instant::now();
    loop {
        let checked = channel.check().await;
        if checked.iter().all(Result::is_ok) {
            break;
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "{checked:?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let long = format!("{} é€ {}", "panjang ".repeat(30), "akhir");
    let first = channel.send(&message("1.4", &long)).await.unwrap();
    let again = channel.send(&message("1.4", &long)).await.unwrap();
    assert_eq!(first, again);
    assert!(first.reply.starts_with("sent by gammu: SendingOK"), "{}", first.reply);
    let unicode = channel.send(&message("2.4", "Selamat pagi ☀")).await.unwrap();
    assert!(unicode.reply.contains("1 part (UCS-2"), "{}", unicode.reply);
    assert_eq!(last(&count("akund:1.4")), "2");
    assert_eq!(last(&count("akund:2.4")), "1");
    let reference = first.reference.unwrap();
    assert_eq!(channel.arrived(&reference).unwrap().await.unwrap(), None);
    report();
    assert_eq!(channel.arrived(&reference).unwrap().await.unwrap(), Some(Arrival::Confirmed));
    let fault = channel.send(&message("3.4", &"x".repeat(700))).await.unwrap_err();
    assert_eq!(fault.class, FaultClass::Permanent);
    assert!(fault.message.contains("max_segments is 4"), "{}", fault.message);
}

/// The one cell of an answer, below its heading.
fn last(answer: &str) -> &str {
    answer.trim().lines().last().unwrap_or_default()
}

const REPORTS: &str = "reports = true\nwait_seconds = 60\n";

#[tokio::test(flavor = "multi_thread")]
async fn a_message_is_sent_once_by_an_smsd_on_sqlite() {
    let gammu = Gammu::start();
    let section = section(&gammu, "").replace("wait_seconds = 20\n", REPORTS);
    let count =
        |id: &str| gammu.rows(&format!("SELECT count(*) FROM sentitems WHERE CreatorID = '{id}'"))[0][0].clone();
    serves(&section, count, || gammu.run("UPDATE sentitems SET Status = 'DeliveryOK'")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_smsd_on_sqlite_sends_at_once_in_whatever_time_zone_it_is() {
    // Ten hours behind UTC, and seven ahead.
    for zone in ["HST10", "WIB-7"] {
        let gammu = Gammu::start_in(zone);
        let section = section(&gammu, "").replace("wait_seconds = 20\n", REPORTS);
        channel(&section).send(&message("1.4", &"panjang ".repeat(30))).await.expect(zone);
        assert_eq!(gammu.rows(SENT).len(), 2, "{zone}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_is_sent_once_by_an_smsd_on_postgresql() {
    let server = Postgres::shared();
    let (name, port) = (server.database(), server.port());
    // Any database of today has the language already.
    let tables: String =
        gammu_tables("pgsql").lines().filter(|l| !l.starts_with("CREATE LANGUAGE")).map(|l| format!("{l}\n")).collect();
    server.sql(&name, &format!("SET ROLE akund;\n{tables}"));
    let password = std::fs::read_to_string(server.password_file()).unwrap();
    let gammu = Gammu::on_server("native_pgsql", port, &name, "akund", password.trim());
    let section = format!(
        "[channel.sms]\nkind = \"sms-gammu\"\ndatabase = {:?}\npassword_file = {:?}\n{REPORTS}",
        server.url(&name, port),
        server.password_file()
    );
    let count = |id: &str| server.sql(&name, &format!("SELECT count(*) FROM sentitems WHERE \"CreatorID\" = '{id}'"));
    serves(&section, count, || drop(server.sql(&name, "UPDATE sentitems SET \"Status\" = 'DeliveryOK'"))).await;
    drop(gammu);
    // By the clock on the server's wall, which is not UTC's.
    server.sql(&name, "UPDATE phones SET \"TimeOut\" = LOCALTIMESTAMP - INTERVAL '1 minute'");
    let checked = channel(&section).check().await;
    assert!(checked.iter().any(Result::is_err), "smsd ended a minute ago: {checked:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_is_sent_once_by_an_smsd_on_mariadb() {
    let server = MariaDb::shared();
    let (name, port) = (server.database(), server.port());
    server.sql(&name, &gammu_tables("mysql"));
    let password = std::fs::read_to_string(server.password_file()).unwrap();
    let gammu = Gammu::on_server("native_mysql", port, &name, "akund", password.trim());
    let section = format!(
        "[channel.sms]\nkind = \"sms-gammu\"\ndatabase = {:?}\npassword_file = {:?}\n{REPORTS}",
        server.url(&name, port),
        server.password_file()
    );
    let count = |id: &str| server.sql(&name, &format!("SELECT count(*) FROM sentitems WHERE CreatorID = '{id}'"));
    serves(&section, count, || drop(server.sql(&name, "UPDATE sentitems SET Status = 'DeliveryOK'"))).await;
    // An attempt that ended between the parts: its row is held back, and made anew.
    server.sql(
        &name,
        "INSERT INTO outbox (DestinationNumber, TextDecoded, CreatorID, MultiPart, SendingDateTime) \
         VALUES ('+6281234567890', 'setengah', 'akund:9.4', 'true', NOW() + INTERVAL 1 DAY)",
    );
    let text = "utuh ".repeat(50);
    channel(&section).send(&message("9.4", &text)).await.unwrap();
    assert_eq!(last(&count("akund:9.4")), "2");
    drop(gammu);
}
