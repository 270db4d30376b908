//! What an outage left stuck, tried again with one order.

use crate::daemon::{Setup, Site, count, crashed, mailbox, records};

const MANY: usize = 5000;

/// A site whose mail server takes nothing, and so many students whose notices are stuck there.
fn after_an_outage(rows: usize) -> Site {
    let site = Site::with(Setup { lane: "retry_seconds = 1\ngive_up_hours = 0", ..Setup::default() });
    // The outbox is no directory: each attempt fails, and none is made twice.
    std::fs::write(site.path("outbox"), "").unwrap();
    let daemon = site.start();
    site.drop_in("a.csv", records::students("a", rows, None));
    site.until("all notices are stuck", || {
        site.journal.exists() && site.reader().lane("email").is_ok_and(|lane| lane.stuck == rows as u64)
    });
    daemon.terminate();
    std::fs::remove_file(site.path("outbox")).unwrap();
    site
}

#[test]
fn one_order_moves_five_thousand_stuck_notices_and_leaves_the_uncertain_alone() {
    let site = after_an_outage(MANY);
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
    site.until("the rest is sent", || {
        let lane = site.reader().lane("email").unwrap();
        lane.ready + lane.retry + lane.running == 0
    });
    assert_eq!(site.reader().lane("email").unwrap().stuck, 20);
    assert_eq!(mailbox::notices(&site).len(), 4980);
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
