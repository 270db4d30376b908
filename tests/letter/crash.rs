//! `kill -9` around each boundary of the letter: no notice leaves twice under another name, no number is used twice, and the request
//! comes to its end.

use crate::daemon::{Site, count, crashed, eventually, files_under};
use crate::deaths::{at_every_commit, each};
use crate::fixture::{self, PDF, release, request, today};
use nix::sys::signal::Signal;

fn stands(site: &Site, state: &str) -> bool {
    fixture::stands(site, "K/1", state)
}

/// Brings the letter; the daemon may die of it, and the order is then kept.
fn bring(site: &Site) {
    let (code, told) = release(site, "K/1", "signed.pdf", "1/2026", "head", today());
    assert!([0, 75].contains(&code), "{code} {told}");
}

/// Runs one request into a death at the place, then to its end. Whether it died.
fn dies_and_finishes(place: &str) -> bool {
    let site = fixture::site();
    site.drop_in("a.toml", request("K/1", "dishub"));
    let mut daemon = site.spawn(&[("AKUND_CRASH_AT", place)]);
    let over = eventually(&mut || daemon.has_ended() || (stands(&site, "waiting") && site.rests(1)));
    assert!(over, "{}", site.log());
    let mut brought = false;
    if !daemon.has_ended() {
        bring(&site);
        brought = true;
        let over = eventually(&mut || daemon.has_ended() || (stands(&site, "done") && site.rests(1)));
        assert!(over, "{}", site.log());
    }
    if !daemon.has_ended() {
        daemon.signal(Signal::SIGTERM);
    }
    let status = daemon.ended();
    assert!(status.success() || crashed(status), "{status}:\n{}", site.log());
    let died = crashed(status);
    let daemon = site.start();
    if !brought {
        site.until("it waits for its letter", || stands(&site, "waiting"));
        bring(&site);
    }
    site.until("it is done", || stands(&site, "done") && site.rests(1));
    daemon.terminate();
    check(&site);
    died
}

fn check(site: &Site) {
    assert!(!site.log().contains("panicked at"), "{}", site.log());
    let mails = fixture::outbox(site);
    let subjects: Vec<String> = mails.iter().map(|m| m.subject.split([' ', ':']).next().unwrap().to_owned()).collect();
    assert_eq!(subjects, ["Laporan", "Draf", "Draf", "Surat", "Akun"], "each notice once");
    assert_eq!(mails[1].files[0].1, mails[2].files[0].1);
    assert_eq!(mails[3].files[0].1, PDF);
    assert_eq!(mails.iter().filter_map(fixture::Mail::password).count(), 1);
    assert_eq!(count(&site.mail(), "SELECT count(*) FROM mailboxes"), 1);
    let journal = rusqlite::Connection::open(&site.journal).unwrap();
    for (sql, expected) in [
        ("SELECT count(*) FROM outgoing", 1),
        ("SELECT count(*) FROM draft", 1),
        ("SELECT count(*) FROM brought", 0),
        ("SELECT count(*) FROM secret", 0),
        ("SELECT count(*) FROM step WHERE state <> 'done'", 0),
        ("SELECT count(*) FROM orders WHERE state = 'done'", 1),
        ("SELECT count(*) FROM event WHERE kind = 'done' AND detail LIKE '%\"sign\"%'", 1),
    ] {
        assert_eq!(count(&journal, sql), expected, "{sql}");
    }
    let kept = files_under(&site.spool.join("accepted"));
    assert_eq!(kept.iter().filter(|path| path.to_string_lossy().ends_with("-letter.pdf")).count(), 1);
    assert_eq!(kept.iter().filter(|path| path.to_string_lossy().ends_with("-draft.docx")).count(), 1);
    assert_eq!(files_under(&site.spool.join("accepted/.stage")), Vec::<std::path::PathBuf>::new());
    assert_eq!(site.told(&["audit", "verify"]).0, 0);
}

#[test]
fn a_death_at_any_boundary_of_the_letter_is_followed_by_its_end() {
    let places = [
        "letter-claimed",
        "draft-kept",
        "letter-done",
        "letter-kept",
        // Report, two drafts, letter, credentials.
        "email-claimed",
        "email-done",
        "email-claimed:2",
        "email-done:2",
        "email-claimed:3",
        "email-done:3",
        "email-claimed:4",
        "email-done:4",
        "email-claimed:5",
        "email-done:5",
    ];
    each(places, |place| (*place).to_owned(), |place| assert!(dies_and_finishes(place), "it never came to {place}"));
}

/// From the first commit to the last, the order that brings the letter among them.
#[test]
fn a_death_before_or_after_any_commit_of_a_request_with_a_letter_is_followed_by_its_end() {
    at_every_commit(20, dies_and_finishes);
}
