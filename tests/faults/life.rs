//! Signals, a second instance, keys, and orders with and without a daemon.

use crate::daemon::{Setup, Site, count, mailbox, records};
use crate::once::{self, Work};
use nix::sys::signal::Signal;

#[test]
fn sigterm_in_the_midst_of_a_bulk_file_finishes_what_is_in_flight_and_ends_well() {
    let work = Work::bulk(150);
    let site = Site::with(Setup { lane: "retry_seconds = 1\nbatch = 8", ..Setup::default() });
    let daemon = site.start();
    site.drop_in(&work.files[0].0, &work.files[0].1);
    site.until("some requests are done", || site.states().values().any(|state| state == "done"));
    daemon.terminate();
    let journal = rusqlite::Connection::open(&site.journal).unwrap();
    assert_eq!(count(&journal, "SELECT count(*) FROM step WHERE state = 'running'"), 0, "nothing is left in flight");
    assert!(count(&journal, "SELECT count(*) FROM request WHERE state = 'working'") > 0, "it did not run to the end");
    drop(journal);
    let kept = once::kept_heads(&site);
    let daemon = site.start();
    site.until_rest(work.requests());
    daemon.terminate();
    once::check(&site, &work, &kept);
    let journal = rusqlite::Connection::open(&site.journal).unwrap();
    assert_eq!(count(&journal, "SELECT count(*) FROM step WHERE attempts > 1"), 0, "nothing was tried twice");
}

/// The SHA-256 of the procedure by which a request was judged.
fn judged_by(site: &Site, id: &str) -> String {
    let (code, shown) = site.told(&["show", id, "--json"]);
    assert_eq!(code, 0, "{shown}");
    serde_json::from_str::<serde_json::Value>(&shown).unwrap()["procedure_sha256"].as_str().unwrap().to_owned()
}

#[test]
fn a_reload_keeps_the_old_procedure_if_the_new_one_is_bad_and_running_plans_keep_theirs() {
    let site = Site::new();
    let mut daemon = site.start();
    assert_eq!(site.told(&["pause", "email"]).0, 0);
    site.drop_in("a.toml", records::good("A/1", "satu"));
    site.until("the first is planned", || site.state(&records::key("A/1")) == "working");

    let file = site.path("procedures/generic.toml");
    std::fs::write(&file, records::PROCEDURE.replace("country = \"ID\"", "country = \"Indonesia\"")).unwrap();
    daemon.signal(Signal::SIGHUP);
    assert!(daemon.until_says("the old ones stay in force"));
    assert!(site.log().contains("country"), "the mistake is named: {}", site.log());
    site.drop_in("b.toml", records::good("B/1", "dua"));
    site.until("the second is planned", || site.state(&records::key("B/1")) == "working");
    assert_eq!(judged_by(&site, "A/1"), judged_by(&site, "B/1"));

    std::fs::write(&file, records::PROCEDURE.replace("Universitas Contoh", "Universitas Baru")).unwrap();
    daemon.signal(Signal::SIGHUP);
    assert!(daemon.until_says("procedures and templates were read anew"));
    site.drop_in("c.toml", records::good("C/1", "tiga"));
    site.until("the third is planned", || site.state(&records::key("C/1")) == "working");
    assert_ne!(judged_by(&site, "A/1"), judged_by(&site, "C/1"));

    assert_eq!(site.told(&["unpause", "email"]).0, 0);
    site.until_rest(3);
    let signed = |name: &str| mailbox::notices(&site).iter().filter(|notice| notice.text.contains(name)).count();
    assert_eq!((signed("Universitas Contoh"), signed("Universitas Baru")), (2, 1));
    daemon.terminate();
}

#[test]
fn a_second_instance_is_refused_and_the_first_goes_on() {
    let site = Site::new();
    let daemon = site.start();
    let (code, said) = site.told(&["run"]);
    assert_eq!(code, 69, "{said}");
    assert!(said.contains("another akund"), "{said}");
    // Nor with a spool of its own on the same journal.
    let config = site.path("akund.toml");
    let text = std::fs::read_to_string(&config).unwrap();
    std::fs::write(&config, text.replace("path = \"spool\"", "path = \"spool-2\"")).unwrap();
    let (code, said) = site.told(&["run"]);
    std::fs::write(&config, text).unwrap();
    assert_eq!(code, 69, "{said}");
    assert!(said.contains("another akund has it open"), "{said}");
    assert_eq!(site.told(&["pause", "mail"]).0, 0, "the first still hears orders");
    assert_eq!(site.told(&["unpause", "mail"]).0, 0);
    site.drop_in("a.toml", records::good("A/1", "satu"));
    site.until_rest(1);
    daemon.terminate();
}

#[test]
fn an_order_without_a_daemon_is_kept_and_carried_out_before_anything_else() {
    let site = Site::new();
    assert_eq!(site.told(&["pause"]).0, 69, "there is no journal yet");
    site.drop_in("a.toml", records::good("A/1", "satu"));
    // It dies with the notice claimed: at its next start the notice would leave at once.
    site.spawn(&[("AKUND_CRASH_AT", "email-claimed")]).ended();
    let (code, said) = site.told(&["pause", "email", "--reason", "server surel pindah"]);
    assert_eq!(code, 75, "{said}");
    assert!(said.contains("kept"), "{said}");

    let daemon = site.start();
    site.until("the lane is paused", || site.reader().lane("email").unwrap().paused);
    site.drop_in("b.toml", records::good("B/1", "dua"));
    site.until("both wait at the lane", || site.reader().lane("email").unwrap().ready == 2);
    assert_eq!(mailbox::notices(&site).len(), 0, "a paused lane sends nothing");
    // A pause outlives the daemon.
    daemon.terminate();
    let daemon = site.start();
    assert!(site.reader().lane("email").unwrap().paused);
    let (code, said) = site.told(&["pause", "surat"]);
    assert_eq!(code, 1, "there is no such lane: {said}");
    assert_eq!(site.told(&["unpause", "email"]).0, 0);
    site.until_rest(2);
    assert_eq!(mailbox::notices(&site).len(), 2);
    daemon.terminate();
    let (_, shown) = site.told(&["audit", "show", "--json"]);
    assert!(shown.contains("\"pause\"") && shown.contains("\"unpause\""), "orders are in the record: {shown}");
    assert_eq!(site.told(&["audit", "verify"]).0, 0);
}

#[test]
fn withdrawing_a_request_that_waits_undoes_exactly_its_rows() {
    let site = Site::new();
    let daemon = site.start();
    site.drop_in("lain.toml", records::good("LAIN/1", "lain"));
    site.until_rest(1);
    assert_eq!(site.told(&["pause", "email"]).0, 0);
    site.drop_in("a.toml", records::good("A/1", "satu"));
    site.until("it waits for its notice", || site.reader().lane("email").unwrap().ready == 1);
    let others = |database: &rusqlite::Connection, table: &str, name: &str| -> Vec<String> {
        let sql = format!("SELECT json_array(rowid, {name}) FROM {table} WHERE {name} NOT LIKE 'satu%' ORDER BY rowid");
        database.prepare(&sql).unwrap().query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    };
    let before = (others(&site.mail(), "mailboxes", "address"), others(&site.radius(), "radcheck", "username"));
    let (code, said) = site.told(&["withdraw", "A/1", "--reason", "salah orang"]);
    assert_eq!(code, 0, "{said}");
    site.until("it is withdrawn", || site.state(&records::key("A/1")) == "withdrawn");
    assert_eq!((others(&site.mail(), "mailboxes", "address"), others(&site.radius(), "radcheck", "username")), before);
    assert_eq!(count(&site.mail(), "SELECT count(*) FROM mailboxes"), 1);
    assert_eq!(count(&site.radius(), "SELECT count(*) FROM radcheck"), 1);
    assert_eq!(count(&site.radius(), "SELECT count(*) FROM radusergroup"), 1);
    assert_eq!(site.told(&["unpause", "email"]).0, 0);
    site.until_rest(2);
    assert_eq!(mailbox::notices(&site).len(), 1, "a withdrawn request sends no password");
    assert_eq!(site.told(&["withdraw", "LAIN/1"]).0, 1, "what is done is not withdrawn");
    daemon.terminate();
}

#[test]
fn a_wrong_or_lost_key_refuses_to_start() {
    let site = Site::new();
    assert_eq!(site.told(&["check"]).0, 0);
    site.start().terminate();
    let file = site.path("state/journal.key");
    let right = std::fs::read(&file).unwrap();
    std::fs::write(&file, "0123456789abcdef".repeat(4)).unwrap();
    let (code, said) = site.told(&["run"]);
    assert_eq!(code, 78, "{said}");
    assert!(said.contains("key"), "{said}");
    std::fs::remove_file(&file).unwrap();
    let (code, said) = site.told(&["run"]);
    assert_eq!(code, 78, "a key made anew does not stand for the lost one: {said}");
    assert!(!file.exists(), "none is made anew");
    std::fs::write(&file, right).unwrap();
    std::fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    site.drop_in("a.toml", records::good("A/1", "satu"));
    let daemon = site.start();
    site.until_rest(1);
    daemon.terminate();
}
