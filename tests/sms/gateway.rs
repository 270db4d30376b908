//! A gateway by HTTP, of the test's own.

use crate::daemon::records::key;
use crate::office::*;
use crate::web_server::{Reply, WebServer};
use serde_json::json;

fn section(url: &str) -> String {
    format!(
        "[channel.sms]\nkind = \"sms-http\"\nurl = \"{url}\"\nsecret_file = \"./sms-key\"\nheaders = {{ X-Api-Key = \"{{secret}}\" }}\n\
         json = {{ to = \"{{to}}\", message = \"{{text}}\", ref = \"{{id}}\" }}\ntimeout_seconds = 10\n\
         [channel.sms.answer]\nid = \"/id\"\n"
    )
}

fn text_of(body: &str) -> String {
    let body: serde_json::Value = serde_json::from_str(body).unwrap();
    body["message"].as_str().unwrap().to_owned()
}

#[test]
fn a_new_account_is_handed_over_by_text_message_with_the_working_password_and_the_password_is_wiped() {
    let gateway = WebServer::start(|_| Reply::Answer(200, json!({"id": "m-77"}).to_string()));
    let site = office(&section(&gateway.url("/send")), "channels = [\"sms\", \"email\"]");
    secret(&site, "sms-key", "kunci-rahasia");
    let daemon = site.start();
    site.drop_in("a.toml", with_phone("a", "siti", TYPED));
    site.until_rest(1);
    assert_eq!(site.state(&key("a")), "done");
    let [sent] = &gateway.received()[..] else { panic!("{:?}", gateway.received()) };
    assert_eq!((sent.method.as_str(), sent.header("x-api-key")), ("POST", "kunci-rahasia"));
    let body: serde_json::Value = serde_json::from_str(&sent.body).unwrap();
    assert_eq!(body["to"], NUMBER);
    let text = text_of(&sent.body);
    assert!(text.contains("siti@example.ac.id") && text.contains("https://akun.example.ac.id/sandi"), "{text}");
    let password = password(&text);
    assert!(opens(&site, "siti@example.ac.id", &password));
    assert_eq!(sealed(&site), 0);
    assert!(mails(&site).is_empty());
    let [step] = &handed(&site, "a")[..] else { panic!() };
    assert!(step["reply"].as_str().unwrap().contains("message m-77"), "{step}");
    daemon.terminate();
    // Neither the number nor the password stands in the log, the outcome or the audit record.
    let journal = std::fs::read(&site.journal).unwrap();
    let outcomes = format!("{:?}", site.outcomes());
    assert!(!site.log().contains("1234567890") && !site.log().contains(&password), "{}", site.log());
    assert!(!outcomes.contains("1234567890") && !outcomes.contains(&password));
    assert!(!journal.windows(password.len()).any(|w| w == password.as_bytes()));
}

#[test]
fn a_channel_that_refuses_for_good_passes_the_notice_on_and_others_are_not_held_up() {
    // The first number is barred; the gateway takes all others.
    let gateway = WebServer::start(|request| {
        if request.body.contains(NUMBER) {
            Reply::Answer(422, "barred: +6281234567890".into())
        } else {
            Reply::Answer(200, "{}".into())
        }
    });
    let site = office(&section(&gateway.url("/send")), "channels = [\"sms\", \"email\"]");
    secret(&site, "sms-key", "kunci-rahasia");
    let daemon = site.start();
    site.drop_in("a.toml", with_phone("a", "siti", TYPED));
    site.drop_in("b.toml", with_phone("b", "budi", "0812-3456-7891"));
    site.until_rest(2);
    assert_eq!((site.state(&key("a")), site.state(&key("b"))), ("done".into(), "done".into()));
    let [mail] = &mails(&site)[..] else { panic!("{}", site.log()) };
    assert!(opens(&site, "siti@example.ac.id", mail.password().unwrap()));
    let [step] = &handed(&site, "a")[..] else { panic!() };
    assert_eq!((step["lane"].as_str(), step["state"].as_str()), (Some("email"), Some("done")));
    assert_eq!(step["refused"][0]["channel"], "sms");
    let fault = step["refused"][0]["fault"].as_str().unwrap();
    assert!(fault.contains("422 barred: …") && !fault.contains("1234567890"), "{fault}");
    assert_eq!(handed(&site, "b")[0]["lane"], "sms");
    assert_eq!(gateway.received().len(), 2);
    let (_, shown) = site.told(&["show", &key("a")]);
    assert!(shown.contains("sms refused: "), "{shown}");
    let (_, audit) = site.told(&["audit", "show"]);
    assert!(audit.contains("passed-on"), "{audit}");
    assert_eq!(sealed(&site), 0);
    daemon.terminate();
}

#[test]
fn a_message_whose_answer_was_lost_is_stuck_and_never_sent_again_by_itself() {
    let gateway = WebServer::start(|_| Reply::Cut);
    let site = office(&section(&gateway.url("/send")), "channels = [\"sms\", \"email\"]");
    secret(&site, "sms-key", "kunci-rahasia");
    let daemon = site.start();
    site.drop_in("a.toml", with_phone("a", "siti", TYPED));
    site.until_rest(1);
    assert_eq!(site.state(&key("a")), "stuck");
    assert_eq!(gateway.received().len(), 1);
    let [step] = &handed(&site, "a")[..] else { panic!() };
    assert!(step["fault"].as_str().unwrap().contains("whether it was taken is not known"), "{step}");
    // It was not handed over another way either, and the password is there for a person to decide.
    assert!(mails(&site).is_empty());
    assert_eq!(sealed(&site), 1);
    // Not by a restart, either.
    daemon.terminate();
    let daemon = site.start();
    site.drop_in("b.toml", crate::daemon::records::good("b", "budi"));
    site.until("the other request is done", || site.state(&key("b")) == "done");
    assert_eq!(gateway.received().len(), 1);
    daemon.terminate();
}

#[test]
fn an_akund_that_is_killed_while_a_message_leaves_sends_it_no_second_time() {
    for (place, sent) in [("sms-claimed", 0), ("sms-done", 1)] {
        let gateway = WebServer::start(|_| Reply::Answer(200, "{}".into()));
        let site = office(&section(&gateway.url("/send")), "channels = [\"sms\", \"email\"]");
        secret(&site, "sms-key", "kunci-rahasia");
        let mut daemon = site.spawn(&[("AKUND_CRASH_AT", place)]);
        site.drop_in("a.toml", with_phone("a", "siti", TYPED));
        site.until("it dies", || daemon.has_ended());
        assert!(crate::daemon::crashed(daemon.ended()), "{}", site.log());
        assert_eq!(gateway.received().len(), sent, "{place}");
        let daemon = site.start();
        site.until("it is stuck", || site.state(&key("a")) == "stuck");
        assert_eq!(gateway.received().len(), sent, "{place}: not again by itself");
        assert!(mails(&site).is_empty());
        // A person looked, and says that it did not arrive.
        let (code, told) = site.told(&["retry", &key("a"), "--reason", "tidak sampai"]);
        assert_eq!(code, 0, "{told}");
        site.until_rest(1);
        assert_eq!((site.state(&key("a")), gateway.received().len()), ("done".into(), sent + 1), "{place}");
        let text = text_of(&gateway.received().last().unwrap().body);
        assert!(opens(&site, "siti@example.ac.id", &password(&text)));
        daemon.terminate();
    }
}

#[test]
fn a_gateway_that_is_away_is_waited_for_and_one_that_redirects_is_not_followed() {
    let elsewhere = WebServer::start(|_| Reply::Answer(200, "{}".into()));
    let target = elsewhere.url("/");
    let gateway = WebServer::start({
        let tries = std::sync::atomic::AtomicUsize::new(0);
        move |_| match tries.fetch_add(1, std::sync::atomic::Ordering::SeqCst) {
            0 => Reply::Answer(503, "busy".into()),
            1 => Reply::Elsewhere(308, target.clone()),
            _ => Reply::Answer(202, "{}".into()),
        }
    });
    let site = office(&section(&gateway.url("/send")), "channels = [\"sms\", \"email\"]");
    secret(&site, "sms-key", "kunci-rahasia");
    let daemon = site.start();
    site.drop_in("a.toml", with_phone("a", "siti", TYPED));
    site.until_rest(1);
    assert_eq!((site.state(&key("a")), gateway.received().len()), ("done".into(), 3), "{}", site.log());
    assert!(elsewhere.received().is_empty());
    daemon.terminate();
}

#[test]
fn user_name_and_password_go_two_ways_and_neither_shows_the_other() {
    let gateway = WebServer::start(|_| Reply::Answer(200, "{}".into()));
    let delivery = "channels = [\"sms\"]\nusername_channels = [\"email\"]";
    let site = office(&section(&gateway.url("/send")), delivery);
    secret(&site, "sms-key", "kunci-rahasia");
    let daemon = site.start();
    site.drop_in("a.toml", with_phone("a", "siti", TYPED));
    site.until_rest(1);
    assert_eq!(site.state(&key("a")), "done");
    let [mail] = &mails(&site)[..] else { panic!("{}", site.log()) };
    assert!(mail.text.contains("siti@example.ac.id") && mail.password().is_none(), "{}", mail.text);
    let text = text_of(&gateway.received()[0].body);
    let password = password(&text);
    assert!(opens(&site, "siti@example.ac.id", &password));
    assert!(!text.contains("siti") && !mail.text.contains(&password), "{text}");
    let kinds: Vec<_> = handed(&site, "a").iter().map(|s| (s["lane"].clone(), s["notice"].clone())).collect();
    assert_eq!(json!(kinds), json!([["email", "username"], ["sms", "credentials"]]));
    assert_eq!(sealed(&site), 0);
    daemon.terminate();
}

#[test]
fn a_password_stays_sealed_until_its_notice_is_handed_over_and_a_user_name_does_not_wipe_it() {
    let gateway = WebServer::start(|_| Reply::Cut);
    let delivery = "channels = [\"sms\"]\nusername_channels = [\"email\"]";
    let site = office(&section(&gateway.url("/send")), delivery);
    secret(&site, "sms-key", "kunci-rahasia");
    let daemon = site.start();
    site.drop_in("a.toml", with_phone("a", "siti", TYPED));
    site.until("it is stuck", || site.state(&key("a")) == "stuck");
    assert_eq!((mails(&site).len(), sealed(&site)), (1, 1));
    daemon.terminate();
}

#[test]
fn check_looks_at_a_gateway_and_sends_a_test_message_only_when_told_to() {
    let gateway = WebServer::start(|_| Reply::Answer(200, json!({"id": 5}).to_string()));
    let site = office(&section(&gateway.url("/send")), "channels = [\"sms\", \"email\"]");
    secret(&site, "sms-key", "kunci-rahasia");
    let (_, told) = site.told(&["check"]);
    assert!(told.contains("can be reached; whether it takes messages shows with --send-to"), "{told}");
    assert!(gateway.received().is_empty());
    let (_, told) = site.told(&["check", "--send-to", TYPED]);
    assert!(told.contains("took the test notice: 200 message 5 (1 part"), "{told}");
    let [sent] = &gateway.received()[..] else { panic!() };
    let body: serde_json::Value = serde_json::from_str(&sent.body).unwrap();
    assert_eq!(body["to"], NUMBER);
    let (_, told) = site.told(&["template", "preview", "credentials"]);
    assert!(told.contains("As a text message, 2 parts (GSM 7-bit"), "{told}");
}

#[test]
fn a_text_message_without_a_place_to_change_the_password_is_a_mistake_of_the_procedure() {
    let site = office(&section("https://sms.example.org/"), "channels = [\"sms\"]");
    secret(&site, "sms-key", "kunci-rahasia");
    let path = site.path("procedures/generic.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    let without: Vec<&str> = text.lines().filter(|line| !line.starts_with("change_url")).collect();
    std::fs::write(&path, without.join("\n")).unwrap();
    let (code, told) = site.told(&["check"]);
    assert_eq!(code, 78, "{told}");
    assert!(told.contains("say where in [texts], as `change_url"), "{told}");
}
