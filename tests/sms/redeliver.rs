//! `akund redeliver`: a linked reset request.

use crate::daemon::mailbox::Notice;
use crate::daemon::records::key;
use crate::daemon::{Site, records};
use crate::office::*;

fn redeliver(site: &Site, id: &str) -> (i32, String) {
    site.told(&["redeliver", &key(id), "--reason", "surel tidak sampai"])
}

/// The password of a reset that an order made.
fn anew(notice: &Notice) -> Option<String> {
    let is_one = notice.text.contains("+redeliver-") && notice.text.contains("kata sandi akun ini telah diganti");
    is_one.then(|| notice.password().map(str::to_owned)).flatten()
}

#[test]
fn a_new_password_goes_to_the_same_people_by_a_request_that_is_linked_both_ways() {
    let site = Site::new();
    let daemon = site.start();
    site.drop_in("a.toml", records::good("a", "siti"));
    site.until_rest(1);
    let first = mails(&site)[0].password().unwrap().to_owned();
    let (code, told) = redeliver(&site, "a");
    assert_eq!(code, 0, "{told}");
    assert!(told.contains("`generic:a+redeliver-1@1` hands out a new password"), "{told}");
    site.until_rest(2);
    assert_eq!(site.state("generic:a+redeliver-1@1"), "done", "{}", site.log());
    let second = mails(&site).into_iter().find_map(|m| anew(&m)).unwrap();
    assert!(opens(&site, "siti@example.ac.id", &second) && !opens(&site, "siti@example.ac.id", &first));
    let (original, linked) = (outcome(&site, "a"), outcome(&site, "a+redeliver-1"));
    assert_eq!(original["request"]["redelivered_by"][0], "generic:a+redeliver-1@1");
    assert_eq!(
        (linked["request"]["redelivers"].as_str(), linked["request"]["action"].as_str()),
        (Some("generic:a@1"), Some("reset"))
    );
    let documents = site.outcomes();
    assert_eq!(documents.len(), 2);
    let of = |name: &str| documents.iter().find(|(path, _)| path.ends_with(name)).map(|(_, d)| d.clone()).unwrap();
    assert_eq!(of("a@1.json")["request"]["redelivered_by"][0], "generic:a+redeliver-1@1");
    let (_, shown) = site.told(&["show", &key("a")]);
    assert!(shown.contains("redelivered by generic:a+redeliver-1@1"), "{shown}");
    let (_, shown) = site.told(&["show", "a+redeliver-1"]);
    assert!(shown.contains("redelivers generic:a@1"), "{shown}");
    assert_eq!(site.told(&["audit", "verify"]).0, 0);
    assert_eq!(sealed(&site), 0);
    // Once more, of either of them.
    let (code, told) = site.told(&["redeliver", "a+redeliver-1", "--reason", "lagi"]);
    assert!(code == 0 && told.contains("a+redeliver-2"), "{told}");
    site.until_rest(3);
    daemon.terminate();
}

#[test]
fn what_cannot_be_handed_out_anew_is_refused_in_a_clear_sentence() {
    let site = Site::new();
    let daemon = site.start();
    site.drop_in("a.toml", records::good("a", "siti"));
    site.drop_in("b.toml", records::refused("b", "budi"));
    site.until_rest(2);
    let (code, told) = redeliver(&site, "b");
    assert!(code == 1 && told.contains("it is refused: only a request that is done"), "{told}");
    assert_ne!(site.told(&["redeliver", "nobody"]).0, 0);
    // Suspended meanwhile.
    let suspend =
        records::good("c", "siti").replace("procedure = \"generic\"", "procedure = \"generic\"\naction = \"suspend\"");
    let config = std::fs::read_to_string(site.path("akund.toml")).unwrap();
    daemon.terminate();
    std::fs::write(
        site.path("akund.toml"),
        format!("{config}\n[[source]]\nname = \"local\"\nactions = [\"create\", \"suspend\"]\n"),
    )
    .unwrap();
    let daemon = site.start();
    site.drop_in("c.toml", suspend);
    site.until_rest(3);
    assert_eq!(site.state(&key("c")), "done", "{}", site.log());
    let (code, told) = redeliver(&site, "a");
    assert!(code == 1 && told.contains("suspended: hand in a request with action = \"resume\" first"), "{told}");
    assert_eq!(site.states().len(), 3);
    daemon.terminate();
}

#[test]
fn an_order_without_a_daemon_is_carried_out_at_its_next_start_once() {
    let site = Site::new();
    let daemon = site.start();
    site.drop_in("a.toml", records::good("a", "siti"));
    site.until_rest(1);
    daemon.terminate();
    let (code, told) = redeliver(&site, "a");
    assert!(code == 75 && told.contains("kept"), "{code} {told}");
    let daemon = site.start();
    site.until_rest(2);
    daemon.terminate();
    let daemon = site.start();
    site.until_rest(2);
    assert_eq!(site.states().len(), 2);
    daemon.terminate();
}
