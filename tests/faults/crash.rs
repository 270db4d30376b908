//! `kill -9` anywhere: the process dies at a named place, is started again, and finishes the work.

use crate::daemon::{Setup, Site, crashed, eventually};
use crate::deaths::{at_every_commit, each};
use crate::once::{self, Work};
use nix::sys::signal::Signal;
use std::time::Duration;

/// Small batches, so that there are many places to die at.
const SMALL_BATCHES: &str = "retry_seconds = 1\nbatch = 5";

/// Runs the daemon until it dies at the place, or has done everything. Half of the files are there when it starts, the
/// others come when the first are taken. Whether it died.
fn run_into(site: &Site, work: &Work, place: &str) -> bool {
    let (early, late) = work.files.split_at(work.files.len().div_ceil(2));
    for (name, text) in early {
        site.drop_in(name, text);
    }
    let mut daemon = site.spawn(&[("AKUND_CRASH_AT", place)]);
    let taken = eventually(&mut || daemon.has_ended() || early.iter().all(|(name, _)| !site.incoming().contains(name)));
    assert!(taken, "{}", site.log());
    for (name, text) in late {
        site.drop_in(name, text);
    }
    let over = eventually(&mut || daemon.has_ended() || (site.journal.exists() && site.rests(work.requests())));
    assert!(over, "it neither dies nor finishes:\n{}", site.log());
    if daemon.has_ended() {
        let status = daemon.ended();
        assert!(crashed(status), "{status}:\n{}", site.log());
        return true;
    }
    // It may also die while it drains.
    daemon.signal(Signal::SIGTERM);
    let status = daemon.ended();
    assert!(status.success() || crashed(status), "{status}:\n{}", site.log());
    crashed(status)
}

/// Dies at each of the places in turn, then finishes. Whether the first was passed at all.
fn dies_and_finishes(work: &Work, places: &[&str]) -> bool {
    let site = Site::with(Setup { lane: SMALL_BATCHES, ..Setup::default() });
    let died = run_into(&site, work, places[0]);
    let kept = once::kept_heads(&site);
    for place in &places[1..] {
        let mut daemon = site.spawn(&[("AKUND_CRASH_AT", place)]);
        let over = eventually(&mut || daemon.has_ended() || site.rests(work.requests()));
        assert!(over, "{}", site.log());
    }
    let daemon = site.start();
    site.until_rest(work.requests());
    daemon.terminate();
    once::check(&site, work, &kept);
    died
}

fn dies_at(places: &[&[&str]]) {
    let work = Work::mixed();
    each(
        places.iter().copied(),
        |places| places.join(", then "),
        |places| {
            assert!(dies_and_finishes(&work, places), "it never came to {}", places[0]);
        },
    );
}

#[test]
fn a_death_during_intake_loses_no_file_and_takes_none_twice() {
    dies_at(&[
        &["evidence-kept"],
        &["evidence-kept:2"],
        &["admitted"],
        &["admitted:2", "admitted"],
        &["acknowledged"],
        &["acknowledged:2", "evidence-kept"],
        &["outcome-written"],
        &["outcome-written:2", "outcome-written"],
    ]);
}

#[test]
fn a_death_in_a_lane_makes_no_account_twice_and_loses_none() {
    dies_at(&[
        &["credentials-claimed"],
        &["credentials-claimed:7"],
        &["credentials-done"],
        &["credentials-done:7", "credentials-done"],
        &["mail-claimed"],
        &["mail-claimed:8"],
        &["mail-applied"],
        &["mail-applied:5", "mail-applied"],
        &["mail-done"],
        &["mail-done:2", "mail-claimed", "mail-done"],
        &["mail-done:8"],
        &["radius-claimed"],
        &["radius-claimed:8"],
        &["radius-applied"],
        &["radius-applied:5", "radius-applied"],
        &["radius-done"],
        &["radius-done:2", "radius-claimed"],
        &["radius-done:8"],
    ]);
}

#[test]
fn a_death_while_notices_leave_sends_none_under_another_name() {
    dies_at(&[
        &["email-claimed"],
        &["email-claimed:4"],
        &["email-claimed:8"],
        &["email-done"],
        &["email-done:2", "email-done:2", "email-claimed:3"],
        &["email-done:4"],
        &["email-done:8"],
    ]);
}

#[test]
fn a_death_around_a_commit_of_many_is_followed_by_the_rest_of_the_work() {
    let numbers = ["3", "5", "8", "13", "21", "34"];
    let places: Vec<String> = ["journal-before-commit", "journal-committed"]
        .iter()
        .flat_map(|place| numbers.map(|number| format!("{place}:{number}")))
        .collect();
    let work = Work::mixed();
    each(
        &places,
        |place| (*place).clone(),
        |place| {
            assert!(dies_and_finishes(&work, &[place]), "it never came to {place}");
        },
    );
}

/// The journal of one request is cut at each of its commits.
#[test]
fn a_death_before_or_after_any_commit_of_one_request_is_followed_by_its_end() {
    let work = Work::single();
    at_every_commit(10, |place| dies_and_finishes(&work, &[place]));
}

#[test]
fn kills_at_random_times_during_a_bulk_file_change_nothing_in_the_end() {
    const ROWS: usize = 300;
    let work = Work::bulk(ROWS);
    let site = Site::with(Setup { lane: "retry_seconds = 1\nbatch = 16", ..Setup::default() });
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    site.drop_in(&work.files[0].0, &work.files[0].1);
    let mut kept = std::collections::BTreeSet::new();
    for _ in 0..8 {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let mut daemon = site.spawn(&[]);
        assert!(daemon.takes_requests(), "{}", site.log());
        // The time is the fault that is injected here; nothing is expected of it.
        std::thread::sleep(Duration::from_millis(random >> 56));
        daemon.kill();
        kept.extend(once::kept_heads(&site));
    }
    let daemon = site.start();
    site.until_rest(ROWS);
    daemon.terminate();
    once::check(&site, &work, &kept);
}
