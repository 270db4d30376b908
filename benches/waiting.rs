//! Memory with many requests waiting: bulk files are admitted while every lane is paused, and the daemon started anew.
//!
//! `cargo bench --bench waiting [-- --full | --requests N]`

mod support;

use std::time::Duration;
use support::{Daemon, Site, records, watch};

/// Rows in one file.
const ROWS: usize = 10_000;
const AIM_MIB: f64 = 64.0;

fn main() {
    if support::flag("--test") {
        return;
    }
    let requests = support::number("--requests", if support::flag("--full") { 100_000 } else { 10_000 });
    let site = Site::new();
    // The order waits in the journal, which the first start makes.
    site.start().stop();
    site.command(&["pause", "--reason", "bench"]);
    let mut daemon = site.start();
    println!("{:<44} {:>10} {:>10}", "MiB", "now", "peak");
    tell("started, every lane paused", &daemon);
    site.hand_in((0..requests.div_ceil(ROWS)).map(|file| records::bulk(file * ROWS..requests.min((file + 1) * ROWS))));
    daemon.until_admitted(requests as u64);
    let took = daemon.begun.elapsed();
    tell(&format!("{requests} requests admitted in {:.0} s", took.as_secs_f64()), &daemon);
    daemon.metrics();
    tell("asked for its metrics", &daemon);
    daemon.stop();
    let daemon = site.start();
    tell("started with them waiting", &daemon);
    println!("ready after {:.0} ms; in the journal: {}", daemon.ready.as_secs_f64() * 1e3, support::states(&site));
    site.command(&["unpause", "--reason", "bench"]);
    // Long enough for all lanes to be at full speed.
    std::thread::sleep(Duration::from_secs(5));
    tell("lanes at work on them for 5 s", &daemon);
    println!("aim: less than {AIM_MIB} MiB at every time");
}

fn tell(when: &str, daemon: &Daemon) {
    let mib = |field| watch::status_kib(daemon.pid(), field) as f64 / 1024.0;
    println!("{when:<44} {:>10.1} {:>10.1}", mib("VmRSS"), mib("VmHWM"));
}
