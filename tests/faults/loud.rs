//! How much akund says: a bulk file or an outage must not flood the system's journal.

use crate::daemon::{Setup, Site, records};

fn lines(site: &Site) -> usize {
    site.log().lines().count()
}

#[test]
fn a_bulk_file_of_five_thousand_rows_is_a_handful_of_lines() {
    let site = Site::new();
    let daemon = site.start();
    site.drop_in("a.csv", records::students("a", 5000, None));
    // Each part may take as long as anything may.
    for done in [1, 1000, 2000, 3000, 4000, 5000] {
        site.until("so many are done", || {
            let counts = site.reader().counts().unwrap();
            counts.iter().any(|(state, count)| state == "done" && *count >= done)
        });
    }
    daemon.terminate();
    let log = site.log();
    assert!(log.contains("requests were received") && log.contains("requests=5000"), "{log}");
    assert!(lines(&site) < 40, "{} lines:\n{log}", lines(&site));
}

#[test]
fn a_lane_that_is_down_says_so_once_and_then_how_often() {
    const ROWS: usize = 300;
    let site = Site::with(Setup { lane: "retry_seconds = 1\nretry_max_seconds = 1", ..Setup::default() });
    let mut daemon = site.start();
    // No directory: each attempt fails.
    std::fs::write(site.path("outbox"), "").unwrap();
    site.drop_in("a.csv", records::students("a", ROWS, None));
    let attempts = || {
        let journal = rusqlite::Connection::open(&site.journal).unwrap();
        crate::daemon::count(&journal, "SELECT coalesce(sum(attempts), 0) FROM step WHERE lane = 'email'")
    };
    site.until("it has failed often", || attempts() >= ROWS);
    assert!(daemon.until_says("an attempt failed and is repeated"));
    let first = site.log().matches("an attempt failed and is repeated").count();
    assert!(first <= 2, "told once: {first}\n{}", site.log());
    std::fs::remove_file(site.path("outbox")).unwrap();
    site.until_rest(ROWS);
    daemon.terminate();
    let log = site.log();
    assert!(log.contains("the same again") && log.contains("more="), "the count is told: {log}");
    assert!(lines(&site) < 60, "{} lines:\n{log}", lines(&site));
}
