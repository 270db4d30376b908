//! What the benches share: an installation in a directory on the real disk, the real binary as its daemon, and a look at
//! the daemon's process from outside.
//!
//! Figures of one run are compared with each other only; no bench asserts on time.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, missing_docs)]

pub mod records;
pub mod watch;

use akund::journal::read::Reader;
use std::fs::{self, File};
use std::net::TcpListener;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How often a condition is looked at; also the precision of what is timed with it.
const LOOK: Duration = Duration::from_millis(20);
/// A condition that does not come true for this long never will.
const PATIENCE: Duration = Duration::from_secs(1800);

const PROCEDURE: &str = include_str!("../../config/procedures/generic.toml");

/// An installation on the embedded default.
pub struct Site {
    dir: tempfile::TempDir,
    pub http: u16,
}

impl Site {
    pub fn new() -> Self {
        Self::with(TARGETS)
    }

    /// With these targets.
    pub fn with(targets: &str) -> Self {
        // Cargo's own directory: on the disk that the build is on, where /tmp may be memory.
        let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let http = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let site = Self { dir, http };
        for part in ["state", "procedures", "templates", "run", "spool", "targets/mail", "targets/radius", "drop"] {
            fs::create_dir_all(site.path(part)).unwrap();
        }
        fs::write(site.path("procedures/generic.toml"), PROCEDURE).unwrap();
        fs::write(site.path("akund.toml"), config(http, targets)).unwrap();
        site
    }

    pub fn path(&self, relative: &str) -> PathBuf {
        self.dir.path().join(relative)
    }

    pub fn journal(&self) -> PathBuf {
        self.path("state/journal.db")
    }

    pub fn incoming(&self) -> PathBuf {
        self.path("spool/incoming")
    }

    /// Hands files in as `akund submit` does: written elsewhere on the same disk, synced, renamed into place.
    pub fn hand_in(&self, files: impl Iterator<Item = (String, String)>) {
        fs::create_dir_all(self.incoming()).unwrap();
        for (name, text) in files {
            let aside = self.path("drop").join(&name);
            fs::write(&aside, text).unwrap();
            fs::rename(aside, self.incoming().join(name)).unwrap();
        }
        nix::unistd::syncfs(File::open(self.incoming()).unwrap()).unwrap();
    }

    /// Runs one of akund's commands to its end.
    pub fn command(&self, arguments: &[&str]) {
        let status = Command::new(akund())
            .args(arguments)
            .arg("--config")
            .arg(self.path("akund.toml"))
            .stdout(Stdio::null())
            .status()
            .unwrap();
        // 75: the order is kept until a daemon carries it out.
        assert!(status.success() || status.code() == Some(75), "akund {arguments:?}: {status}");
    }

    /// Starts `akund run` and waits until it tells systemd, which is this socket, that it is ready.
    pub fn start(&self) -> Daemon {
        let socket = self.path("run/notify");
        let _ = fs::remove_file(&socket);
        let notified = UnixDatagram::bind(&socket).unwrap();
        notified.set_read_timeout(Some(Duration::from_secs(600))).unwrap();
        let begun = Instant::now();
        let mut child = Command::new(akund());
        let child = child
            .arg("run")
            .arg("--config")
            .arg(self.path("akund.toml"))
            .env("NOTIFY_SOCKET", &socket)
            .env_remove("AKUND_LOG")
            .stderr(File::options().append(true).create(true).open(self.path("log")).unwrap())
            .spawn()
            .unwrap();
        let mut buffer = [0; 4096];
        loop {
            let length = notified.recv(&mut buffer).expect("akund did not become ready");
            if String::from_utf8_lossy(&buffer[..length]).contains("READY=1") {
                break;
            }
        }
        let ready = begun.elapsed();
        // Nobody reads the socket from here on; it must not fill up.
        fs::remove_file(&socket).unwrap();
        Daemon { child, begun, ready, journal: self.journal(), incoming: self.incoming(), http: self.http }
    }
}

/// The binary just built, or another one to compare it with.
fn akund() -> PathBuf {
    argument("--akund").map_or_else(|| env!("CARGO_BIN_EXE_akund").into(), PathBuf::from)
}

const TARGETS: &str = r#"
[target.mail]
kind = "mail-maps"
database = "targets/mail/mail.db"
[target.radius]
kind = "radius"
database = "targets/radius/radius.db"
"#;

fn config(http: u16, targets: &str) -> String {
    format!(
        r#"akund = 1
[journal]
path = "state/journal.db"
[spool]
path = "spool"
[procedures]
path = "procedures"
[templates]
path = "templates"
[http]
listen = "127.0.0.1:{http}"
[control]
socket = "run/control.sock"
{targets}
[channel.email]
kind = "outbox"
path = "outbox"
from = "Helpdesk TIK <helpdesk@example.ac.id>"
"#
    )
}

/// A daemon under observation.
pub struct Daemon {
    child: Child,
    /// When it was started.
    pub begun: Instant,
    /// How long it took to be ready.
    pub ready: Duration,
    journal: PathBuf,
    incoming: PathBuf,
    http: u16,
}

impl Daemon {
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits until the journal holds `requests` requests and the spool is empty.
    pub fn until_admitted(&mut self, requests: u64) {
        let database = connection(&self.journal);
        self.until(|incoming| newest(&database) >= requests && is_empty(incoming));
    }

    /// Waits until that many requests are in the journal and nothing moves any more: every step done, every outcome
    /// document written, every file acknowledged.
    pub fn until_done(&mut self, requests: u64) {
        let database = connection(&self.journal);
        let reader = Reader::open(&self.journal).unwrap();
        self.until(|incoming| newest(&database) >= requests && !reader.moving().unwrap() && is_empty(incoming));
    }

    fn until(&mut self, condition: impl Fn(&Path) -> bool) {
        let begun = Instant::now();
        while !condition(&self.incoming) {
            assert!(self.child.try_wait().unwrap().is_none(), "akund ended");
            assert!(begun.elapsed() < PATIENCE, "it does not come to an end");
            std::thread::sleep(LOOK);
        }
    }

    pub fn metrics(&self) -> watch::Samples {
        watch::Samples::fetch(self.http)
    }

    /// Ends it as systemd does, and waits for it.
    pub fn stop(mut self) {
        let pid = nix::unistd::Pid::from_raw(self.child.id().cast_signed());
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).unwrap();
        assert!(self.child.wait().unwrap().success());
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn connection(journal: &Path) -> rusqlite::Connection {
    rusqlite::Connection::open_with_flags(journal, rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap()
}

/// Number of the newest request. Numbers have no gaps: no request is ever deleted.
fn newest(database: &rusqlite::Connection) -> u64 {
    database
        .prepare_cached("SELECT coalesce(max(id), 0) FROM request")
        .unwrap()
        .query_row([], |row| row.get::<_, i64>(0))
        .unwrap()
        .unsigned_abs()
}

fn is_empty(incoming: &Path) -> bool {
    fs::read_dir(incoming).unwrap().all(|entry| !entry.unwrap().file_type().unwrap().is_file())
}

/// When each lane took its first step and ended its last one, in seconds since akund was started.
pub fn spans(site: &Site, begun: Instant) -> Vec<(String, f64, f64)> {
    let now = jiff::Timestamp::now().as_microsecond() as f64 / 1e6;
    let start = now - begun.elapsed().as_secs_f64();
    let database = connection(&site.journal());
    let mut rows = database
        .prepare("SELECT lane, verb, min(claimed_at), max(done_at) FROM step GROUP BY lane, verb ORDER BY 3")
        .unwrap();
    let since = |at: i64| at as f64 / 1e6 - start;
    let read = |row: &rusqlite::Row<'_>| {
        let name = format!("{} {}", row.get::<_, String>(0)?, row.get::<_, String>(1)?);
        Ok((name, since(row.get(2)?), since(row.get(3)?)))
    };
    rows.query_map([], read).unwrap().map(Result::unwrap).collect()
}

/// How many of the requests ended in which state; the bench's figures mean nothing where it is not `done`.
pub fn states(site: &Site) -> String {
    let counts = Reader::open(&site.journal()).unwrap().counts().unwrap();
    counts.iter().map(|(state, count)| format!("{count} {state}")).collect::<Vec<_>>().join(", ")
}

/// The value after `name` on the command line.
pub fn argument(name: &str) -> Option<String> {
    let mut arguments = std::env::args();
    arguments.find(|argument| argument == name)?;
    arguments.next()
}

pub fn flag(name: &str) -> bool {
    std::env::args().any(|argument| argument == name)
}

pub fn number(name: &str, otherwise: usize) -> usize {
    argument(name).map_or(otherwise, |text| text.parse().unwrap_or_else(|_| panic!("{name} {text}: not a number")))
}
