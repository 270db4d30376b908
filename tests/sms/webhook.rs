//! Outcome documents posted to a ticket system.

use crate::daemon::records::{self, key};
use crate::office::*;
use crate::web_server::{Received, Reply, WebServer};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use std::net::TcpListener;
use std::sync::atomic::{AtomicUsize, Ordering};

const SECRET: &str = "rahasia-webhook-0123456789";

fn section(url: &str) -> String {
    format!(
        "[channel.tickets]\nkind = \"webhook\"\nurl = \"{url}\"\nsecret_file = \"./webhook-secret\"\ntimeout_seconds = 5\n"
    )
}

/// Verifies as a receiver would: the signature, and that the time stamp is now.
fn is_signed(received: &Received) -> bool {
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
    let (id, at) = (received.header("webhook-id"), received.header("webhook-timestamp"));
    mac.update(format!("{id}.{at}.{}", received.body).as_bytes());
    let expected = format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()));
    let age = jiff::Timestamp::now().as_second() - at.parse::<i64>().unwrap();
    received.header("webhook-signature") == expected && (0..300).contains(&age)
}

#[test]
fn an_outcome_is_posted_signed_and_is_the_outcome_file_byte_for_byte() {
    let tickets = WebServer::start(|_| Reply::Answer(204, String::new()));
    let site = office(&section(&tickets.url("/akund")), "channels = [\"email\"]");
    secret(&site, "webhook-secret", SECRET);
    let (_, told) = site.told(&["check"]);
    assert!(told.contains("can be reached; nothing was posted"), "{told}");
    assert!(tickets.received().is_empty());
    let daemon = site.start();
    site.drop_in("a.toml", records::good("a", "siti"));
    site.drop_in("b.toml", records::refused("b", "budi"));
    site.until_rest(2);
    let of = |id: &str| {
        let all = tickets.received();
        all.into_iter().rfind(|r| r.body.contains(&format!("\"id\": \"{id}\"")))
    };
    let file =
        |id: &str| std::fs::read_to_string(site.spool.join(format!("outcome/local/generic/{id}@1.json"))).unwrap();
    for id in ["a", "b"] {
        site.until("the document that the file has is posted", || of(id).is_some_and(|r| r.body == file(id)));
        let posted = of(id).unwrap();
        assert!(is_signed(&posted), "{posted:?}");
        assert_eq!((posted.method.as_str(), posted.target.as_str()), ("POST", "/akund"));
        assert_eq!(posted.header("content-type"), "application/json");
    }
    let password = mails(&site).iter().find_map(|m| m.password().map(str::to_owned)).unwrap();
    assert!(tickets.received().iter().all(|r| !r.body.contains(&password)));
    site.until("the journal knows", || site.told(&["show", &key("a")]).1.contains("outcome   tickets done"));
    daemon.terminate();
}

#[test]
fn a_webhook_that_is_away_holds_nothing_up_and_gets_the_same_delivery_again() {
    let tries = AtomicUsize::new(0);
    let tickets = WebServer::start(move |_| match tries.fetch_add(1, Ordering::SeqCst) {
        0 => Reply::Answer(500, "broken".into()),
        1 => Reply::Cut,
        2 => Reply::Elsewhere(302, "http://127.0.0.1:9/".into()),
        3 => Reply::Answer(401, "who are you".into()),
        _ => Reply::Answer(200, "thanks".into()),
    });
    let site = office(&section(&tickets.url("/")), "channels = [\"email\"]");
    secret(&site, "webhook-secret", SECRET);
    let daemon = site.start();
    site.drop_in("b.toml", records::refused("b", "budi"));
    site.until("its file is there although nobody takes the post", || !site.outcomes().is_empty());
    site.until("it is taken in the end", || site.told(&["show", &key("b")]).1.contains("outcome   tickets done"));
    let all = tickets.received();
    let last = all.last().unwrap();
    let same = all.iter().filter(|r| r.header("webhook-id") == last.header("webhook-id"));
    assert!(same.clone().count() >= 2 && same.clone().all(|r| r.body == last.body && is_signed(r)), "{all:?}");
    daemon.terminate();
}

#[test]
fn killed_while_a_document_leaves_it_posts_it_again_under_the_same_delivery() {
    let tickets = WebServer::start(|_| Reply::Answer(200, String::new()));
    let site = office(&section(&tickets.url("/")), "channels = []");
    std::fs::write(site.path("procedures/generic.toml"), records::PROCEDURE).unwrap();
    secret(&site, "webhook-secret", SECRET);
    // No notice goes out: its end would make a newer document, which is then posted in place of this one.
    let daemon = site.start();
    assert_eq!(site.told(&["pause", "email"]).0, 0);
    daemon.terminate();
    let mut daemon = site.spawn(&[("AKUND_CRASH_AT", "post-done")]);
    site.drop_in("b.toml", records::formless("b", "hukum"));
    site.until("it dies", || daemon.has_ended());
    assert!(crate::daemon::crashed(daemon.ended()), "{}", site.log());
    let first = tickets.received();
    assert_eq!(first.len(), 1);
    let daemon = site.start();
    site.until("it is recorded", || site.told(&["show", &key("b")]).1.contains("outcome   tickets done"));
    let again = tickets.received();
    assert!(again.iter().skip(1).any(|r| r.header("webhook-id") == first[0].header("webhook-id")), "{again:?}");
    daemon.terminate();
}

#[test]
fn a_document_that_is_refused_for_good_is_told_and_posted_again_by_an_order() {
    let good = std::sync::Arc::new(AtomicUsize::new(0));
    let now = good.clone();
    let tickets = WebServer::start(move |_| match now.load(Ordering::SeqCst) {
        0 => Reply::Answer(422, "no such ticket".into()),
        _ => Reply::Answer(200, String::new()),
    });
    let site = office(&section(&tickets.url("/")), "channels = [\"email\"]");
    secret(&site, "webhook-secret", SECRET);
    let daemon = site.start();
    site.drop_in("b.toml", records::refused("b", "budi"));
    site.until_rest(1);
    site.until("it is given up", || site.told(&["show", &key("b")]).1.contains("outcome   tickets stuck"));
    let count = tickets.received().len();
    good.store(1, Ordering::SeqCst);
    let (code, told) = site.told(&["retry", &key("b"), "--reason", "tiket diperbaiki"]);
    assert_eq!(code, 0, "{told}");
    site.until("it is taken", || site.told(&["show", &key("b")]).1.contains("outcome   tickets done"));
    assert!(tickets.received().len() > count);
    daemon.terminate();
}

#[test]
fn a_webhook_that_comes_back_gets_only_the_newest_document_of_a_request() {
    let held = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", held.local_addr().unwrap());
    let port = held.local_addr().unwrap();
    drop(held);
    let site = office(&section(&url), "channels = [\"email\"]");
    secret(&site, "webhook-secret", SECRET);
    let daemon = site.start();
    site.drop_in("a.toml", records::good("a", "siti"));
    site.until_rest(1);
    let (code, told) = site.told(&["redeliver", &key("a"), "--reason", "uji"]);
    assert_eq!(code, 0, "{told}");
    site.until_rest(2);
    let tickets = WebServer::on(TcpListener::bind(port).unwrap(), |_| Reply::Answer(200, String::new()));
    site.until("both requests' documents are posted", || {
        [key("a"), "generic:a+redeliver-1@1".into()]
            .iter()
            .all(|id| site.told(&["show", id]).1.contains("outcome   tickets done"))
    });
    let of_a: Vec<_> = tickets.received().into_iter().filter(|r| r.body.contains("\"id\": \"a\"")).collect();
    assert!(of_a.last().unwrap().body.contains("generic:a+redeliver-1@1"), "{of_a:?}");
    daemon.terminate();
}

#[test]
fn a_paused_webhook_gets_nothing_until_it_may_and_the_page_and_the_metrics_say_so() {
    let tickets = WebServer::start(|_| Reply::Answer(200, String::new()));
    let site = office(&section(&tickets.url("/")), "channels = [\"email\"]");
    secret(&site, "webhook-secret", SECRET);
    let daemon = site.start();
    let (code, told) = site.told(&["pause", "tickets", "--reason", "sistem tiket diperbarui"]);
    assert_eq!((code, told.trim()), (0, "lane tickets is paused"));
    site.drop_in("a.toml", records::good("a", "siti"));
    site.drop_in("b.toml", records::refused("b", "budi"));
    site.until("both end, and their files are there", || site.outcomes().len() == 2);
    let due = "akund_publications_due{outlet=\"tickets\"} 2";
    site.until("two documents wait", || daemon.get("/metrics").1.contains(due));
    // A later start still knows it.
    daemon.terminate();
    let daemon = site.start();
    site.until("it is paused", || daemon.get("/metrics").1.contains("akund_lane_paused{lane=\"tickets\"} 1"));
    let page = daemon.get("/?lang=en").1;
    assert!(page.contains("Paused: tickets"), "{page}");
    let row = page.split("<tr>").find(|row| row.contains(">tickets</th>")).unwrap();
    assert!(row.contains("paused") && row.contains("data-label=\"Queued\">2<"), "{row}");
    assert!(tickets.received().is_empty());
    let (code, told) = site.told(&["pause", "tikets"]);
    assert!(code == 1 && told.contains("there is no lane `tikets`") && told.contains("tickets"), "{code} {told}");
    assert_eq!(site.told(&["unpause", "tickets"]).0, 0);
    site.until("both are posted", || tickets.received().len() == 2);
    site.until("nothing waits", || daemon.get("/metrics").1.contains("akund_publications_due{outlet=\"tickets\"} 0"));
    assert!(daemon.get("/metrics").1.contains("akund_lane_paused{lane=\"tickets\"} 0"));
    let (_, told) = site.told(&["audit", "show", "--kind", "order"]);
    assert!(told.contains("tickets") && told.contains("sistem tiket diperbarui"), "{told}");
    daemon.terminate();
}
