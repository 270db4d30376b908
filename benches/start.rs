//! Start with a journal of many finished requests: the time from the process's start to READY=1.
//!
//! `cargo bench --bench start [-- --full | --requests N]`
#![allow(clippy::unwrap_used, reason = "a bench that cannot go on ends")]

mod support;

use std::time::Duration;
use support::{Site, records};

/// Requests that the daemon itself carries out.
const REAL: usize = 500;
/// Starts measured.
const STARTS: usize = 5;

fn main() {
    if support::flag("--test") {
        return;
    }
    let requests = support::number("--requests", if support::flag("--full") { 100_000 } else { 10_000 });
    let site = Site::new();
    let empty = starts(&site);
    fill(&site, requests);
    let full = starts(&site);
    let size = std::fs::metadata(site.journal()).unwrap().len() as f64 / f64::from(1 << 20);
    println!("journal of {size:.0} MiB: {}", support::states(&site));
    println!("start to READY=1, ms: {:>30} {:>10}", "median", "most");
    println!("{:<40} {:>11.0} {:>10.0}", "empty journal", empty.0, empty.1);
    println!("{:<40} {:>11.0} {:>10.0}", format!("{requests} finished requests"), full.0, full.1);
}

/// Median and longest, in milliseconds.
fn starts(site: &Site) -> (f64, f64) {
    let mut times: Vec<f64> = (0..STARTS)
        .map(|_| {
            let daemon = site.start();
            let ready = daemon.ready.as_secs_f64() * 1e3;
            daemon.stop();
            ready
        })
        .collect();
    times.sort_by(f64::total_cmp);
    (times[STARTS / 2], times[STARTS - 1])
}

/// The daemon carries out the first requests; the rest are copies of them with numbers and uids of their own, in every table
/// that grows with requests. The copied events break the hash chain, which nobody verifies at a start.
fn fill(site: &Site, requests: usize) {
    let real = requests.min(REAL);
    site.hand_in(std::iter::once(records::bulk(0..real)));
    std::thread::sleep(Duration::from_millis(1100));
    let mut daemon = site.start();
    daemon.until_done(real as u64);
    daemon.stop();
    let mut journal = rusqlite::Connection::open(site.journal()).unwrap();
    journal.execute_batch("PRAGMA synchronous = OFF").unwrap();
    let copying = journal.transaction().unwrap();
    for copy in 1..requests.div_ceil(real) {
        let (by, real) = ((copy * real).to_string(), real.to_string());
        for table in [REQUEST, PERSONAL, STEP, ACCOUNT, NAME, PLACED, EVENT] {
            copying.execute_batch(&table.replace("$by", &by).replace("$real", &real)).unwrap();
        }
    }
    copying.commit().unwrap();
}

/// An account's uid in its copy: the number of the copy in its last bytes.
const REQUEST: &str = "INSERT INTO request (id, uid, procedure, ext_id, revision, digest, action, state, verdict, hold, submission, row, flow,
      account, procedure_sha256, texts, received_at, state_at, ended_at, outcome_due)
    SELECT id + $by, randomblob(16), procedure, ext_id || '-' || $by, revision, digest, action, state, verdict, hold, submission, row, flow,
      CAST(substr(account, 1, 12) || printf('%04x', $by / $real) AS BLOB), procedure_sha256, texts, received_at, state_at, ended_at, 0
    FROM request WHERE id <= $real";
const PERSONAL: &str = "INSERT INTO personal (request, salt, record, judgement, account)
    SELECT request + $by, salt, record, judgement, account FROM personal WHERE request <= $real";
const STEP: &str = "INSERT INTO step (id, part, lane, verb, detail, state, turn, due, attempts, uncertain, first_at, claimed_at, done_at,
      fault_class, fault, proof, note)
    SELECT id + ($by << 8), part, lane, verb, detail, state, turn, due, attempts, uncertain, first_at,
      claimed_at, done_at, fault_class, fault, proof, note FROM step WHERE id >> 8 <= $real";
const ACCOUNT: &str = "INSERT OR IGNORE INTO account (uid, request, procedure, state, holder, account, created_at, ends_at)
    SELECT CAST(substr(uid, 1, 12) || printf('%04x', $by / $real) AS BLOB), request + $by, procedure, state, holder, account, created_at, ends_at
    FROM account WHERE request <= $real";
const NAME: &str = "INSERT OR IGNORE INTO name (name, account, request)
    SELECT name || '/' || $by, CAST(substr(account, 1, 12) || printf('%04x', $by / $real) AS BLOB), request + $by
    FROM name WHERE request <= $real";
const PLACED: &str = "INSERT OR IGNORE INTO placed (account, target, external_id, proof, at)
    SELECT CAST(substr(account, 1, 12) || printf('%04x', $by / $real) AS BLOB), target, external_id, proof, at
    FROM placed WHERE account IN (SELECT uid FROM account WHERE request <= $real)";
const EVENT: &str = "INSERT INTO event (seq, at, subject, kind, detail, hash)
    SELECT (SELECT max(seq) FROM event) + row_number() OVER (), at, randomblob(16), kind, detail, hash
    FROM event WHERE seq <= $real * 9";
