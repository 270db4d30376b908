//! A process seen from outside: /proc (proc(5)) and its metrics.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// One field of /proc/PID/status, kibibytes.
pub fn status_kib(pid: u32, field: &str) -> u64 {
    field_of(&std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap(), field)
}

fn field_of(status: &str, field: &str) -> u64 {
    let line = status.lines().find(|line| line.split(':').next() == Some(field)).unwrap_or_else(|| panic!("{field}"));
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// How often each thread was woken (gave up the processor of itself), by thread id, with its name.
pub fn wake_ups(pid: u32) -> BTreeMap<u32, (String, u64)> {
    let mut threads = BTreeMap::new();
    for entry in std::fs::read_dir(format!("/proc/{pid}/task")).unwrap() {
        let entry = entry.unwrap();
        let Ok(status) = std::fs::read_to_string(entry.path().join("status")) else { continue };
        let name = status.lines().next().unwrap_or_default().trim_start_matches("Name:").trim().to_owned();
        let id = entry.file_name().to_string_lossy().parse().unwrap();
        threads.insert(id, (name, field_of(&status, "voluntary_ctxt_switches")));
    }
    threads
}

/// Processor time of the whole process: in user mode and in the kernel.
pub fn processor_time(pid: u32) -> (Duration, Duration) {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    times(&stat)
}

/// Processor time of a process and everybody below it, those that have ended too (once they were waited for).
pub fn processor_time_of_tree(pid: u32) -> Duration {
    let Ok(stat) = std::fs::read_to_string(format!("/proc/{pid}/stat")) else { return Duration::ZERO };
    let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    // utime, stime, cutime and cstime: fields 14 to 17.
    let ticks: u64 = fields[11..15].iter().map(|ticks| ticks.parse::<u64>().unwrap_or(0)).sum();
    let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    let below = children.split_whitespace().filter_map(|child| child.parse().ok()).map(processor_time_of_tree);
    Duration::from_millis(ticks * 10) + below.sum::<Duration>()
}

/// The same by name of thread, of those that still live.
pub fn processor_time_by_thread(pid: u32) -> BTreeMap<String, Duration> {
    let mut threads = BTreeMap::new();
    for entry in std::fs::read_dir(format!("/proc/{pid}/task")).unwrap() {
        let Ok(stat) = std::fs::read_to_string(entry.unwrap().path().join("stat")) else { continue };
        let name = stat.split_once('(').and_then(|(_, rest)| rest.rsplit_once(')')).map_or("", |(name, _)| name);
        let (user, system) = times(&stat);
        *threads.entry(name.to_owned()).or_insert(Duration::ZERO) += user + system;
    }
    threads
}

/// Fields 14 and 15 of /proc/PID/stat, in ticks of a hundredth of a second.
fn times(stat: &str) -> (Duration, Duration) {
    let after_name = stat.rsplit_once(')').unwrap().1;
    let fields: Vec<&str> = after_name.split_whitespace().collect();
    let ticks = |field: usize| Duration::from_millis(fields[field - 3].parse::<u64>().unwrap() * 10);
    (ticks(14), ticks(15))
}

/// Samples of /metrics.
pub struct Samples(BTreeMap<String, f64>);

impl Samples {
    pub fn fetch(port: u16) -> Self {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: akund\r\nConnection: close\r\n\r\n").unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        let samples = text.lines().filter(|line| line.starts_with("akund_"));
        let samples = samples.filter_map(|line| line.rsplit_once(' '));
        Self(samples.filter_map(|(name, value)| Some((name.to_owned(), value.parse().ok()?))).collect())
    }

    /// One sample, 0 where there is none.
    pub fn get(&self, name: &str) -> f64 {
        self.0.get(name).copied().unwrap_or(0.0)
    }
}
