//! An installation in a directory, with its daemon in a child process.

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::LazyLock;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// What `akund demo` writes, here with a filter that shows where health is served.
const CONFIG: &str = r#"akund = 1
[journal]
path = "state/journal.db"
[spool]
path = "spool"
[procedures]
path = "procedures"
[templates]
path = "templates"
[http]
listen = "127.0.0.1:0"
[control]
socket = "run/control.sock"
[target.mail]
kind = "mail-maps"
database = "targets/mail/mail.db"
mode = "0644"
[target.radius]
kind = "radius"
database = "targets/radius/radius.db"
mode = "0644"
[channel.email]
kind = "outbox"
path = "outbox"
from = "Helpdesk TIK <helpdesk@example.ac.id>"
"#;

pub struct Site {
    _above: TempDir,
    /// Where commands are run; the installation is in `akund-demo/` below, as the READMEs have it.
    pub here: PathBuf,
}

/// A daemon, killed when dropped.
pub struct Daemon {
    child: Child,
    /// Where it serves health.
    pub http: String,
}

impl Site {
    pub fn new() -> Self {
        let above = TempDir::new().unwrap();
        let site = Self { here: above.path().to_owned(), _above: above };
        std::fs::create_dir_all(site.at("procedures")).unwrap();
        let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/procedures/generic.toml");
        std::fs::copy(shipped, site.at("procedures/generic.toml")).unwrap();
        std::fs::write(site.config(), CONFIG).unwrap();
        site
    }

    /// A path in the installation.
    pub fn at(&self, path: &str) -> PathBuf {
        self.here.join("akund-demo").join(path)
    }

    pub fn config(&self) -> PathBuf {
        self.at("akund.toml")
    }

    /// A command that finds `akund` and its configuration as the READMEs arrange it.
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("AKUND_")) {
            command.env_remove(name);
        }
        let bin = Path::new(env!("CARGO_BIN_EXE_akund")).parent().unwrap();
        let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
        command.env("PATH", path).env("AKUND_CONFIG", self.config()).env("LC_ALL", "C.UTF-8");
        command.current_dir(&self.here).stdin(Stdio::null());
        command
    }

    /// Runs akund to its end.
    pub fn akund(&self, arguments: &[&str]) -> Output {
        self.command(env!("CARGO_BIN_EXE_akund")).args(arguments).output().unwrap()
    }

    /// The exit code, with what was said if it is another than expected.
    pub fn exits(&self, code: i32, arguments: &[&str]) -> String {
        let output = self.akund(arguments);
        let said = text(&output);
        assert_eq!(output.status.code(), Some(code), "akund {arguments:?}: {said}");
        said
    }

    /// The one JSON document that a command prints.
    pub fn json(&self, arguments: &[&str]) -> Value {
        let output = self.akund(&[arguments, &["--json"]].concat());
        let document = serde_json::from_slice(&output.stdout);
        document.unwrap_or_else(|error| panic!("akund {arguments:?} --json: {error}: {}", text(&output)))
    }

    pub fn start(&self) -> Daemon {
        self.start_with(&[])
    }

    /// With these variables in its environment.
    pub fn start_with(&self, variables: &[(&str, &str)]) -> Daemon {
        let mut command = self.command(env!("CARGO_BIN_EXE_akund"));
        let mut child = command
            .args(["run"])
            .envs(variables.iter().copied())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap());
        let mut seen = String::new();
        let http = loop {
            let mut line = String::new();
            assert!(log.read_line(&mut line).unwrap() > 0, "the daemon ended: {seen}");
            seen.push_str(&line);
            if line.contains("akund takes requests") {
                let (_, rest) = line.split_once("http=").unwrap();
                break rest.split_whitespace().next().unwrap().to_owned();
            }
        };
        std::thread::spawn(move || log.read_to_end(&mut Vec::new()));
        Daemon { child, http }
    }

    /// Writes a file beside the installation.
    pub fn write(&self, name: &str, text: &str) {
        std::fs::write(self.here.join(name), text).unwrap();
    }

    /// Waits until a request (`PROCEDURE:ID@REVISION`) is in this state.
    pub fn wait_for(&self, request: &str, state: &str) {
        let mut seen = Value::Null;
        wait(&format!("{request} to be {state}"), || {
            seen = self.json(&["show", request]);
            seen["state"] == state
        });
    }
}

impl Daemon {
    /// Ends it as systemd does, and says how.
    pub fn stop(mut self) -> Option<i32> {
        self.signal(nix::sys::signal::Signal::SIGTERM);
        self.child.wait().unwrap().code()
    }
    pub fn signal(&self, signal: nix::sys::signal::Signal) {
        let pid = nix::unistd::Pid::from_raw(i32::try_from(self.child.id()).unwrap());
        nix::sys::signal::kill(pid, signal).unwrap();
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

pub fn wait(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < Duration::from_secs(120), "waited 120 s for {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A record with the dates of the last days, whenever and wherever the test is run. Written again it is the same.
pub fn dated(record: &str) -> String {
    static NOW: LazyLock<Timestamp> = LazyLock::new(Timestamp::now);
    let ago = |hours: i64, format: &str| (*NOW - SignedDuration::from_hours(hours)).strftime(format).to_string();
    record
        .replace("2026-11-20T09:00:00+07:00", &ago(24, "%Y-%m-%dT%H:%M:%SZ"))
        .replace("2026-11-18", &ago(48, "%Y-%m-%d"))
}
