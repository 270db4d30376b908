//! From the spool to all done, on the embedded default, with full sync and real hashing: accounts per second, and how far that
//! is from what hashing alone, and the disk alone, would allow.
//!
//! `cargo bench --bench pipeline [-- --full | --requests N] [--rounds N] [--files | --bulk] [--akund OTHER-BINARY]`
//!
//! Every round measures, one after the other: hashing alone, the pipeline, the disk alone, hashing alone again. What other
//! programs do to the machine meanwhile falls on all of them alike; compare within a round, and rounds with each other.
#![allow(clippy::unwrap_used, reason = "a bench that cannot go on ends")]

mod support;

use akund::model::Scheme;
use akund::secret::hash;
use rusqlite::Connection;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use support::watch::Samples;
use support::{Site, records, watch};

/// What the daemon groups at most: files admitted together, outcome documents and messages written together.
const EVIDENCE_GROUP: usize = 64;
const OUTCOME_GROUP: usize = 256;
const MESSAGE_GROUP: usize = 64;

#[derive(Clone, Copy, PartialEq)]
enum Form {
    Files,
    Bulk,
}

fn main() {
    // Of `cargo test --benches` there is nothing to see.
    if support::flag("--test") {
        return;
    }
    let full = support::flag("--full");
    let mut done = Vec::new();
    let rounds = support::number("--rounds", if full { 3 } else { 1 });
    let requests = support::number("--requests", if full { 10_000 } else { 2_000 });
    for form in [Form::Files, Form::Bulk] {
        let only = |flag| support::flag(flag);
        if (only("--files") && form == Form::Bulk) || (only("--bulk") && form == Form::Files) {
            continue;
        }
        for round in 1..=rounds {
            println!("\n== {requests} requests as {}, round {round} of {rounds}", form.as_str());
            let round = Round::run(form, requests);
            round.tell();
            done.push(round);
        }
    }
    if !support::flag("--no-growth") {
        growth(if full { &[1_000, 10_000, 30_000] } else { &[500, 1_000, 2_000] });
    }
}

impl Form {
    fn as_str(self) -> &'static str {
        match self {
            Self::Files => "as many TOML files",
            Self::Bulk => "one CSV file",
        }
    }
}

/// Cost per request must not grow with their number.
fn growth(sizes: &[usize]) {
    println!("\n== cost per request, one CSV file; hashing is measured beside each");
    println!(
        "{:>10} {:>12} {:>14} {:>14} {:>20}",
        "requests", "wall ms", "processor ms", "hashing ms", "wall / first wall"
    );
    let (mut first, mut done) = (None, Vec::new());
    for requests in sizes {
        let round = Round::run(Form::Bulk, *requests);
        let per = |time: Duration| time.as_secs_f64() * 1e3 / *requests as f64;
        let wall = per(round.wall);
        let first = *first.get_or_insert(wall);
        println!(
            "{requests:>10} {wall:>12.3} {:>14.3} {:>14.3} {:>20.2}",
            per(round.user + round.system),
            per(round.hashing_before.wall.min(round.hashing_after.wall)),
            wall / first
        );
        done.push(round);
    }
}

struct Round {
    /// Removed at the end of the bench only: ext4 does not use an inode again for some seconds after its file was removed, and
    /// searching past thousands of them would be counted in the next round.
    _site: Site,
    requests: usize,
    states: String,
    ready: Duration,
    wall: Duration,
    user: Duration,
    system: Duration,
    threads: Vec<(String, Duration)>,
    samples: Samples,
    peak_kib: u64,
    hashing_before: Hashing,
    hashing_after: Hashing,
    disk: Disk,
}

struct Hashing {
    wall: Duration,
    processor: Duration,
}

struct Disk {
    commits: usize,
    files: usize,
    took: Duration,
}

impl Round {
    fn run(form: Form, requests: usize) -> Self {
        let site = Site::new();
        let hashing_before = hashing(requests);
        match form {
            Form::Files => site.hand_in(records::single(0..requests)),
            Form::Bulk => site.hand_in(std::iter::once(records::bulk(0..requests))),
        }
        // What lies there for longer than the settling time is taken at once, as after a weekend.
        std::thread::sleep(Duration::from_millis(1100));
        let mut daemon = site.start();
        daemon.until_done(requests as u64);
        let wall = daemon.begun.elapsed();
        let (user, system) = watch::processor_time(daemon.pid());
        let threads = watch::processor_time_by_thread(daemon.pid()).into_iter().collect();
        let peak_kib = watch::status_kib(daemon.pid(), "VmHWM");
        let (samples, ready) = (daemon.metrics(), daemon.ready);
        daemon.stop();
        let disk = disk(&site, form, requests, &samples);
        let hashing_after = hashing(requests);
        let states = support::states(&site);
        Self {
            _site: site,
            requests,
            states,
            ready,
            wall,
            user,
            system,
            threads,
            samples,
            peak_kib,
            hashing_before,
            hashing_after,
            disk,
        }
    }

    fn tell(&self) {
        let per = |time: Duration| time.as_secs_f64() * 1e3 / self.requests as f64;
        let processor = self.user + self.system;
        let hashing = (self.hashing_before.wall + self.hashing_after.wall) / 2;
        let hashing_processor = (self.hashing_before.processor + self.hashing_after.processor) / 2;
        println!(
            "ended: {}; ready after {:.0} ms; peak {} KiB",
            self.states,
            self.ready.as_secs_f64() * 1e3,
            self.peak_kib
        );
        println!("{:<44} {:>9} {:>12}", "", "s", "ms/request");
        let row = |name: &str, time: Duration| {
            println!("{name:<44} {:>9.2} {:>12.3}", time.as_secs_f64(), per(time));
        };
        row("from start to all done", self.wall);
        row("hashing alone, before", self.hashing_before.wall);
        row("hashing alone, after", self.hashing_after.wall);
        row(&format!("the disk alone: {} commits, {} files", self.disk.commits, self.disk.files), self.disk.took);
        row("processor, hashing alone", hashing_processor);
        row("processor, user", self.user);
        row("processor, system", self.system);
        for (name, time) in self.threads.iter().filter(|(_, time)| *time > processor / 100) {
            row(&format!("  of it in threads called {name}"), *time);
        }
        self.tell_lanes();
        println!("accounts per second                         {:>9.0}", self.requests as f64 / self.wall.as_secs_f64());
        let slowest = hashing.max(self.disk.took);
        println!(
            "hashing alone / end to end {:.2}   disk alone / end to end {:.2}   ==> {:.2} of the slowest part alone (aim 0.80)",
            hashing.as_secs_f64() / self.wall.as_secs_f64(),
            self.disk.took.as_secs_f64() / self.wall.as_secs_f64(),
            slowest.as_secs_f64() / self.wall.as_secs_f64()
        );
        // Other programs on the machine take time from both, but processor time from neither.
        println!(
            "hashing's share of the processor time: {:.2}",
            hashing_processor.as_secs_f64() / processor.as_secs_f64()
        );
    }

    /// Time of the lanes' slots, which overlap each other.
    fn tell_lanes(&self) {
        let commits = self.samples.get("akund_journal_commit_seconds_count");
        println!(
            "journal: {commits} commits in {:.2} s, {:.1} operations each",
            self.samples.get("akund_journal_commit_seconds_sum"),
            self.samples.get("akund_journal_ops_per_commit_sum") / commits
        );
        println!("{:<12} {:>10} {:>10} {:>12} {:>12}", "lane", "batches", "steps each", "work s", "journal s");
        for lane in ["credentials", "mail", "radius", "email"] {
            let batches = self.samples.get(&format!("akund_batch_size_count{{lane=\"{lane}\"}}"));
            let steps = self.samples.get(&format!("akund_batch_size_sum{{lane=\"{lane}\"}}"));
            let spent =
                |part: &str| self.samples.get(&format!("akund_lane_seconds_total{{lane=\"{lane}\",part=\"{part}\"}}"));
            println!(
                "{lane:<12} {batches:>10} {:>10.1} {:>12.2} {:>12.2}",
                steps / batches,
                spent("work"),
                spent("journal")
            );
        }
    }
}

/// The hashes that so many requests for mail and hotspot need, on all cores and nothing else: each scheme of the two targets
/// made once, and what each target has stored verified once for its proof.
fn hashing(requests: usize) -> Hashing {
    // The default of both targets.
    let made = [Scheme::Sha512Crypt];
    let proven = [Scheme::Sha512Crypt, Scheme::Sha512Crypt];
    let next = AtomicUsize::new(0);
    let spent = || watch::processor_time(std::process::id());
    let before = spent();
    let begun = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                while next.fetch_add(1, Ordering::Relaxed) < requests {
                    let credential = hash::new_credential(&made).unwrap();
                    for scheme in proven {
                        let stored = credential.hash(scheme).unwrap();
                        assert!(hash::verify(&credential.password, stored.expose(), scheme));
                    }
                }
            });
        }
    });
    let (wall, after) = (begun.elapsed(), spent());
    Hashing { wall, processor: after.0 + after.1 - before.0 - before.1 }
}

/// The syncs that the run asked of the disk, one after the other and with the like number of bytes: the commits of the journal
/// and of the two targets, and the files of evidence, outcome and message in the groups in which they can come at most.
fn disk(site: &Site, form: Form, requests: usize, samples: &Samples) -> Disk {
    let commits = samples.get("akund_journal_commit_seconds_count") as usize;
    let batches = |lane: &str| samples.get(&format!("akund_batch_size_count{{lane=\"{lane}\"}}")) as usize;
    // A batch of a target is one commit, and its proof none.
    let target_commits = (batches("mail") + batches("radius")) / 2;
    let size = |path: &str| std::fs::metadata(site.path(path)).map_or(0, |found| found.len()) as usize;
    let evidence = if form == Form::Files { requests } else { 1 };
    let scratch = site.path("disk-alone");
    std::fs::create_dir(&scratch).unwrap();
    let begun = Instant::now();
    append(&scratch.join("journal.db"), commits, size("state/journal.db"));
    append(
        &scratch.join("targets.db"),
        target_commits,
        size("targets/mail/mail.db") + size("targets/radius/radius.db"),
    );
    files(&scratch, "evidence", evidence, EVIDENCE_GROUP, 500);
    files(&scratch, "outcome", requests, OUTCOME_GROUP, 4_000);
    files(&scratch, "message", requests, MESSAGE_GROUP, 6_000);
    Disk { commits: commits + target_commits, files: evidence + 2 * requests, took: begun.elapsed() }
}

/// So many commits with full sync, which add up to so many bytes.
fn append(path: &Path, commits: usize, bytes: usize) {
    let database = Connection::open(path).unwrap();
    database.execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; CREATE TABLE t (b BLOB)").unwrap();
    let each = vec![7_u8; bytes / commits.max(1)];
    let mut insert = database.prepare("INSERT INTO t VALUES (?1)").unwrap();
    for _ in 0..commits {
        insert.execute([&each]).unwrap();
    }
}

fn files(scratch: &Path, kind: &str, count: usize, group: usize, bytes: usize) {
    let dir = scratch.join(kind);
    std::fs::create_dir(&dir).unwrap();
    let content = vec![b'x'; bytes];
    let all: Vec<(PathBuf, &[u8])> =
        (0..count).map(|number| (dir.join(number.to_string()), content.as_slice())).collect();
    for group in all.chunks(group) {
        akund::durable::replace_all(group, 0o640).unwrap();
    }
}
