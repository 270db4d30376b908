//! One request alone, from drop to handed over, with the time of each step; and how often an idle daemon wakes up.
//!
//! `cargo bench --bench alone [-- --requests N] [--idle-seconds N]`
#![allow(clippy::unwrap_used, reason = "a bench that cannot go on ends")]

mod support;

use jiff::Timestamp;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};
use support::{Daemon, Site, records, watch};

fn main() {
    if support::flag("--test") {
        return;
    }
    let requests = support::number("--requests", 10);
    let site = Site::new();
    let mut daemon = site.start();
    let mut rows: BTreeMap<(usize, String), Vec<f64>> = BTreeMap::new();
    for number in 0..requests {
        let dropped = Timestamp::now();
        site.hand_in(records::single(number * 2..number * 2 + 1));
        daemon.until_done(number as u64 + 1);
        // The drop itself is synced; what is counted begins when the file has its name.
        for (place, (name, milliseconds)) in times(&outcome(&site, number * 2), dropped).into_iter().enumerate() {
            rows.entry((place, name)).or_default().push(milliseconds);
        }
    }
    println!("one request alone, {requests} times, one after the other: milliseconds");
    println!("{:<44} {:>9} {:>9} {:>9}", "", "least", "median", "most");
    for ((_, name), mut values) in rows {
        values.sort_by(f64::total_cmp);
        let (least, median, most) = (values[0], values[values.len() / 2], values[values.len() - 1]);
        println!("{name:<44} {least:>9.1} {median:>9.1} {most:>9.1}");
    }
    idle(&daemon, support::number("--idle-seconds", 35));
    daemon.stop();
}

fn outcome(site: &Site, number: usize) -> Value {
    let id = format!("T-{number}/2026");
    let name = akund::intake::spool::encode_component(&id);
    let path = site.path("spool/outcome/local/generic").join(format!("{name}@1.json"));
    read(&path)
}

fn read(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// From one entry of the outcome document to the next.
fn times(outcome: &Value, dropped: Timestamp) -> Vec<(String, f64)> {
    let at = |value: &Value| value.as_str().and_then(|text| text.parse::<Timestamp>().ok());
    let between = |from: Timestamp, to: Timestamp| to.duration_since(from).as_secs_f64() * 1e3;
    let received = at(&outcome["received_at"]).unwrap();
    let mut times = vec![("drop to judged, planned and journaled".to_owned(), between(dropped, received))];
    let mut last = received;
    for step in outcome["steps"].as_array().unwrap() {
        let (began, done) = (at(&step["began_at"]).unwrap(), at(&step["done_at"]).unwrap());
        let name = format!("{} {}", step["verb"].as_str().unwrap(), step["lane"].as_str().unwrap());
        times.push((format!("{name}: until claimed"), between(last, began)));
        times.push((format!("{name}: claimed to recorded"), between(began, done)));
        last = done;
    }
    times.push(("drop to handed over".to_owned(), between(dropped, last)));
    times
}

fn idle(daemon: &Daemon, seconds: usize) {
    // Until what the last request started has come to rest.
    std::thread::sleep(Duration::from_secs(12));
    let before = watch::wake_ups(daemon.pid());
    let begun = Instant::now();
    std::thread::sleep(Duration::from_secs(seconds as u64));
    let after = watch::wake_ups(daemon.pid());
    println!("\nidle for {:.0} s, without a watchdog: how often its threads woke up", begun.elapsed().as_secs_f64());
    let mut all = 0;
    for (thread, (name, woken)) in &after {
        let woken = woken - before.get(thread).map_or(0, |(_, woken)| *woken);
        all += woken;
        if woken > 0 {
            println!("  {name:<42} {woken:>9}");
        }
    }
    println!(
        "  all {} threads {:>33}   (expected: those of one rescan of the spool, which comes every 30 s)",
        after.len(),
        all
    );
}
