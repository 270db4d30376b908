//! Somebody changes what was stored between writing and proving: nobody is sent a password that does not open.

use crate::daemon::{Setup, Site, count, mailbox, records};

const SETTLE: &str = "retry_seconds = 1\nretry_max_seconds = 1\nsettle_seconds = 2";

/// Corrupts the hash of one account whenever it is written.
const MAIL: &str = "CREATE TRIGGER meddler AFTER INSERT ON mailboxes WHEN NEW.address LIKE 'korban@%'
    BEGIN UPDATE mailboxes SET password = replace(password, substr(password, -9), 'xxxxxxxxx') WHERE address = NEW.address; END;
  CREATE TRIGGER meddler_again AFTER UPDATE OF password ON mailboxes
    WHEN NEW.address LIKE 'korban@%' AND NEW.password NOT LIKE '%xxxxxxxxx'
    BEGIN UPDATE mailboxes SET password = replace(password, substr(password, -9), 'xxxxxxxxx') WHERE address = NEW.address; END;";

const RADIUS: &str = "CREATE TRIGGER meddler AFTER INSERT ON radcheck WHEN NEW.username = 'korban'
    BEGIN UPDATE radcheck SET value = replace(value, substr(value, -9), 'xxxxxxxxx') WHERE id = NEW.id; END;";

/// The victim is stuck and gets nothing; the bystander of the same batch is done.
fn meddled_with(database: &str, triggers: &str) -> (Site, crate::daemon::Daemon) {
    let site = Site::with(Setup { lane: SETTLE, ..Setup::default() });
    site.start().terminate();
    rusqlite::Connection::open(site.path(database)).unwrap().execute_batch(triggers).unwrap();
    site.drop_in("korban.toml", records::good("KORBAN/1", "korban"));
    site.drop_in("lain.toml", records::good("LAIN/1", "lain"));
    let daemon = site.start();
    site.until_rest(2);
    assert_eq!(site.state(&records::key("KORBAN/1")), "stuck");
    assert_eq!(site.state(&records::key("LAIN/1")), "done");
    let notices = mailbox::notices(&site);
    assert_eq!(notices.len(), 1, "one notice: the bystander's");
    assert!(notices[0].text.contains("lain@example.ac.id"));
    assert!(!notices.iter().any(|notice| notice.text.contains("korban")));
    (site, daemon)
}

#[test]
fn a_hash_tampered_with_before_the_proof_keeps_the_notice_back() {
    let (site, daemon) = meddled_with("targets/mail/mail.db", MAIL);
    let (code, shown) = site.told(&["show", "KORBAN/1"]);
    assert_eq!(code, 0);
    assert!(shown.contains("the stored hash is not one of the password"), "{shown}");

    // Withdrawn, it leaves nothing behind, and nothing of the other is touched.
    let (code, said) = site.told(&["withdraw", "KORBAN/1", "--reason", "diubah orang"]);
    assert_eq!(code, 0, "{said}");
    site.until("the request is withdrawn", || site.state(&records::key("KORBAN/1")) == "withdrawn");
    assert_eq!(count(&site.mail(), "SELECT count(*) FROM mailboxes WHERE address LIKE 'korban@%'"), 0);
    assert_eq!(count(&site.mail(), "SELECT count(*) FROM mailboxes WHERE address = 'lain@example.ac.id'"), 1);
    assert_eq!(count(&site.mail(), "SELECT count(*) FROM domains WHERE domain = 'example.ac.id'"), 1);
    assert_eq!(count(&site.radius(), "SELECT count(*) FROM radcheck WHERE username = 'korban'"), 0);
    assert_eq!(count(&site.radius(), "SELECT count(*) FROM radcheck WHERE username = 'lain'"), 1);
    let journal = rusqlite::Connection::open(&site.journal).unwrap();
    assert_eq!(count(&journal, "SELECT count(*) FROM secret"), 0);
    assert_eq!(count(&journal, "SELECT count(*) FROM name WHERE name LIKE 'korban%'"), 0);
    // Its names are free for another.
    site.mail().execute_batch("DROP TRIGGER meddler; DROP TRIGGER meddler_again").unwrap();
    site.drop_in("baru.toml", records::good("BARU/1", "korban"));
    site.until_rest(3);
    assert_eq!(site.state(&records::key("BARU/1")), "done");
    daemon.terminate();
    assert_eq!(site.told(&["audit", "verify"]).0, 0);
}

#[test]
fn a_stuck_request_is_finished_by_retry_once_the_cause_is_mended() {
    let (site, daemon) = meddled_with("targets/radius/radius.db", RADIUS);
    site.radius().execute_batch("DROP TRIGGER meddler").unwrap();
    let value = site.path("targets/mail/mail.db");
    // What the meddler left is put right, as an operator would: the mail database still holds the hash.
    site.radius()
        .execute_batch(&format!(
            "ATTACH {value:?} AS mail; UPDATE radcheck SET value = (SELECT password FROM mail.mailboxes WHERE address LIKE 'korban@%')
             WHERE username = 'korban'"
        ))
        .unwrap();
    assert_eq!(site.told(&["retry", "KORBAN/1", "--reason", "sudah diperbaiki"]).0, 0);
    site.until("the request is done", || site.state(&records::key("KORBAN/1")) == "done");
    site.until_rest(2);
    daemon.terminate();
    assert_eq!(mailbox::notices(&site).len(), 2);
    assert_eq!(site.told(&["audit", "verify"]).0, 0);
}
