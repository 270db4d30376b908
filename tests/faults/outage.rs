//! What an outage left stuck, tried again with one order.

use crate::daemon::{Setup, Site, count, crashed, records};
use crate::smtp::Server;
use std::sync::atomic::Ordering;

const MANY: usize = 5000;
/// Each of which may take as long as anything may.
const PARTS: u64 = 5;

/// A site whose mail server took nothing, so that many students' notices are stuck there; and takes everything now.
fn after_an_outage(server: &Server, rows: usize) -> Site {
    let site = server.site_with(8);
    server.refuses.store(true, Ordering::Relaxed);
    let daemon = site.start();
    site.drop_in("a.csv", records::students("a", rows, None));
    for part in 1..=PARTS {
        site.until("all notices are stuck", || {
            site.reader().lane("email").unwrap().stuck >= rows as u64 * part / PARTS
        });
    }
    daemon.terminate();
    server.refuses.store(false, Ordering::Relaxed);
    site
}

#[test]
fn one_order_moves_five_thousand_stuck_notices_and_leaves_the_uncertain_alone() {
    let server = Server::start();
    let site = after_an_outage(&server, MANY);
    let journal = rusqlite::Connection::open(&site.journal).unwrap();
    // Ten may have been sent; ten were stuck long before.
    journal
        .execute_batch(
            "UPDATE step SET uncertain = 1, fault_class = 'unknown' WHERE id IN (SELECT id FROM step WHERE state = 'stuck' ORDER BY id LIMIT 10);
             UPDATE step SET stuck_at = 1 WHERE id IN (SELECT id FROM step WHERE state = 'stuck' ORDER BY id DESC LIMIT 10);",
        )
        .unwrap();
    drop(journal);
    let (code, said) = site.told(&["retry", "--lane", "email", "--since", "1d", "--dry-run", "--json"]);
    assert_eq!(code, 0, "{said}");
    let counted: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert_eq!(
        (&counted["total"], &counted["counted"]["uncertain"], &counted["counted"]["earlier"]),
        (&4980.into(), &10.into(), &10.into())
    );
    assert_eq!(site.reader().lane("email").unwrap().stuck, MANY as u64, "a dry run changes nothing");

    // It dies after a part of the order: the rest is moved at the next start.
    let (code, said) = site.told(&["retry", "--lane", "email", "--since", "1d", "--reason", "server surel hidup"]);
    assert_eq!(code, 75, "{said}");
    let status = site.spawn(&[("AKUND_CRASH_AT", "order-in-part:3")]).ended();
    assert!(crashed(status), "{status}");
    assert_eq!(site.reader().lane("email").unwrap().stuck, MANY as u64 - 1500, "each part is a commit of its own");
    let daemon = site.start();
    for part in 1..=PARTS {
        site.until("the rest is sent", || server.taken_count() >= 4980 * usize::try_from(part).unwrap() / 5);
    }
    site.until("the rest is recorded", || {
        let lane = site.reader().lane("email").unwrap();
        lane.ready + lane.retry + lane.running == 0
    });
    assert_eq!(site.reader().lane("email").unwrap().stuck, 20);
    assert_eq!(server.taken_count(), 4980);
    let journal = rusqlite::Connection::open(&site.journal).unwrap();
    let result: String =
        journal.query_row("SELECT result FROM orders WHERE verb = 'retry-lane'", [], |row| row.get(0)).unwrap();
    assert!(result.contains("4980"), "{result}");
    assert_eq!(count(&journal, "SELECT count(*) FROM event WHERE kind = 'order'"), 1);
    drop(journal);

    let (code, said) = site.told(&["retry", "--lane", "email", "--since", "1d"]);
    assert!(code == 1 && said.contains("left alone: 10 that may have been sent"), "{said}");
    let (code, said) = site.told(&["retry", "--lane", "email", "--since", "1d", "--uncertain"]);
    assert!(code == 0 && said.contains("10"), "{said}");
    let (code, said) = site.told(&["retry", "--lane", "surat", "--since", "1d"]);
    assert!(code == 1 && said.contains("email"), "{said}");
    site.until("those, too", || site.reader().lane("email").unwrap().stuck == 10);
    daemon.terminate();
}

/// What stands at the target is not what was written: proving it again would never help.
#[test]
fn a_retry_of_a_stuck_proof_writes_the_account_again() {
    let site = Site::with(Setup { lane: "retry_seconds = 1\nsettle_seconds = 1", ..Setup::default() });
    let mut daemon = site.start();
    site.mail()
        .execute_batch(
            "CREATE TRIGGER lain AFTER INSERT ON mailboxes BEGIN
               UPDATE mailboxes SET password = '$6$lain$' WHERE address = new.address; END",
        )
        .unwrap();
    site.drop_in("a.toml", records::good("1", "humas"));
    site.until("its proof is stuck", || site.state(&records::key("1")) == "stuck");
    assert!(daemon.until_says("a step is stuck"));
    site.mail().execute_batch("DROP TRIGGER lain").unwrap();
    let (code, said) = site.told(&["retry", "1", "--reason", "pemicu dihapus"]);
    assert_eq!(code, 0, "{said}");
    site.until("it is done", || site.state(&records::key("1")) == "done");
    daemon.terminate();
}
