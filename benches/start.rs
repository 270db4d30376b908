//! Start with a journal of many finished requests: the time from the process's start to READY=1.
//!
//! `cargo bench --bench start [-- --full | --requests N]`
#![allow(clippy::unwrap_used, reason = "a bench that cannot go on ends")]

mod support;

use std::time::Duration;
use support::{Site, records, watch};

const ROWS: usize = 10_000;
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

/// Makes the journal in the daemon's own way: it carries out every request.
fn fill(site: &Site, requests: usize) {
    site.hand_in((0..requests.div_ceil(ROWS)).map(|file| records::bulk(file * ROWS..requests.min((file + 1) * ROWS))));
    std::thread::sleep(Duration::from_millis(1100));
    let mut daemon = site.start();
    daemon.until_done(requests as u64);
    println!(
        "filled in {:.0} s; peak {} KiB",
        daemon.begun.elapsed().as_secs_f64(),
        watch::status_kib(daemon.pid(), "VmHWM")
    );
    daemon.stop();
}
