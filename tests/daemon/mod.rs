//! A whole installation in a directory of its own, on which the real program runs as a child process.
//!
//! Tests wait for conditions through the journal and the spool, never for a time; whatever takes longer than
//! [`PATIENCE`] fails with the daemon's own log.

pub mod disk;
pub mod mailbox;
pub mod records;

use akund::journal::read::{Listed, Reader};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

/// The longest that anything may take, on a machine that is busy with other tests.
pub const PATIENCE: Duration = Duration::from_secs(240);
const LOOK: Duration = Duration::from_millis(20);
const PROGRAM: &str = env!("CARGO_BIN_EXE_akund");
const OUTBOX: &str = "kind = \"outbox\"\npath = \"outbox\"\nfrom = \"Helpdesk TIK <helpdesk@example.ac.id>\"\n";

/// What differs from the demo's configuration. Paths are relative to the site's directory.
pub struct Setup {
    pub journal: PathBuf,
    pub spool: PathBuf,
    /// Lines of `[spool]`.
    pub spool_more: &'static str,
    /// Lines of `[lane]`.
    pub lane: &'static str,
    /// Lines of `[channel.email]`.
    pub channel: String,
    /// Further sections.
    pub more: String,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            journal: "state/journal.db".into(),
            spool: "spool".into(),
            spool_more: "settle_ms = 300",
            lane: "retry_seconds = 1",
            channel: OUTBOX.into(),
            more: String::new(),
        }
    }
}

/// The directory with its configuration.
pub struct Site {
    root: tempfile::TempDir,
    pub journal: PathBuf,
    pub spool: PathBuf,
    log: Arc<Log>,
}

/// What every daemon of the site has written to stderr.
#[derive(Default)]
struct Log {
    text: Mutex<String>,
    grown: Condvar,
}

impl Site {
    pub fn new() -> Self {
        Self::with(Setup::default())
    }

    pub fn with(setup: Setup) -> Self {
        let root = tempfile::tempdir().unwrap();
        for part in ["state", "procedures", "templates", "run", "targets/mail", "targets/radius"] {
            std::fs::create_dir_all(root.path().join(part)).unwrap();
        }
        std::fs::write(root.path().join("procedures/generic.toml"), records::PROCEDURE).unwrap();
        let text = format!(
            "akund = 1\n[journal]\npath = {journal:?}\n[spool]\npath = {spool:?}\n{spool_more}\n\
             [procedures]\npath = \"procedures\"\n[templates]\npath = \"templates\"\n[http]\nlisten = \"127.0.0.1:0\"\n\
             [control]\nsocket = \"run/control.sock\"\n[log]\nformat = \"text\"\n[lane]\n{lane}\n\
             [target.mail]\nkind = \"mail-maps\"\ndatabase = \"targets/mail/mail.db\"\n\
             [target.radius]\nkind = \"radius\"\ndatabase = \"targets/radius/radius.db\"\n[channel.email]\n{channel}\n{more}",
            journal = setup.journal,
            spool = setup.spool,
            spool_more = setup.spool_more,
            lane = setup.lane,
            channel = setup.channel,
            more = setup.more,
        );
        std::fs::write(root.path().join("akund.toml"), text).unwrap();
        let (journal, spool) = (root.path().join(setup.journal), root.path().join(setup.spool));
        Self { root, journal, spool, log: Arc::default() }
    }

    pub fn path(&self, part: &str) -> PathBuf {
        self.root.path().join(part)
    }

    /// The program with the site's configuration, and nothing of the caller's.
    fn program(&self) -> Command {
        let mut command = Command::new(PROGRAM);
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("AKUND_")) {
            command.env_remove(name);
        }
        command.arg("--config").arg(self.path("akund.toml"));
        command
    }

    /// A command other than `run`.
    pub fn akund(&self, arguments: &[&str]) -> Output {
        self.program().args(arguments).output().unwrap()
    }

    /// A command's exit code, and what it printed.
    pub fn told(&self, arguments: &[&str]) -> (i32, String) {
        let output = self.akund(arguments);
        let printed = [output.stdout, output.stderr].concat();
        (output.status.code().unwrap_or(-1), String::from_utf8_lossy(&printed).into_owned())
    }

    /// Starts the daemon with these variables, and does not wait.
    pub fn spawn(&self, environment: &[(&str, &str)]) -> Daemon {
        let mut command = self.program();
        command.arg("run").envs(environment.iter().copied());
        self.launch(command)
    }

    /// Starts the daemon so that permissions hold for it, even where the tests run as root.
    pub fn spawn_unprivileged(&self) -> Daemon {
        if !nix::unistd::geteuid().is_root() {
            return self.spawn(&[]);
        }
        let program = self.program();
        let mut command = Command::new("setpriv");
        command.args(["--bounding-set", "-dac_override,-dac_read_search", "--"]).arg(program.get_program());
        for (name, value) in program.get_envs() {
            assert!(value.is_none());
            command.env_remove(name);
        }
        command.args(program.get_args()).arg("run");
        self.launch(command)
    }

    fn launch(&self, mut command: Command) -> Daemon {
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn();
        let mut child = child.unwrap();
        let (log, stderr) = (self.log.clone(), child.stderr.take().unwrap());
        let begins = log.text.lock().unwrap().len();
        let reader = std::thread::spawn(move || {
            let mut stderr = BufReader::new(stderr);
            let mut line = Vec::new();
            while stderr.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
                log.text.lock().unwrap().push_str(&String::from_utf8_lossy(&line));
                log.grown.notify_all();
                line.clear();
            }
            log.grown.notify_all();
        });
        Daemon { child, log: self.log.clone(), begins, reader: Some(reader) }
    }

    /// Starts the daemon; returns once it takes requests.
    pub fn start(&self) -> Daemon {
        let mut daemon = self.spawn(&[]);
        assert!(daemon.takes_requests(), "the daemon ended at its start:\n{}", self.log());
        daemon
    }

    pub fn log(&self) -> String {
        self.log.text.lock().unwrap().clone()
    }

    /// Hands a file in whole.
    pub fn drop_in(&self, name: &str, bytes: impl AsRef<[u8]>) {
        let incoming = self.spool.join("incoming");
        std::fs::create_dir_all(&incoming).unwrap();
        let hidden = incoming.join(format!(".{name}"));
        std::fs::write(&hidden, bytes).unwrap();
        std::fs::rename(&hidden, incoming.join(name)).unwrap();
    }

    /// What lies in `incoming/`.
    pub fn incoming(&self) -> Vec<String> {
        let Ok(entries) = std::fs::read_dir(self.spool.join("incoming")) else { return Vec::new() };
        entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect()
    }

    pub fn reader(&self) -> Reader {
        Reader::open(&self.journal).unwrap()
    }

    /// Every request and where it stands.
    pub fn states(&self) -> BTreeMap<String, String> {
        let listed: Vec<Listed> = self.reader().list(&[], usize::MAX).unwrap();
        let count = listed.len();
        let states: BTreeMap<_, _> = listed.into_iter().map(|one| (one.request, one.state)).collect();
        assert_eq!(states.len(), count, "a request is in the journal twice");
        states
    }

    pub fn state(&self, request: &str) -> String {
        self.states().get(request).cloned().unwrap_or_default()
    }

    /// Waits for a condition.
    pub fn until(&self, what: &str, mut condition: impl FnMut() -> bool) {
        assert!(eventually(&mut condition), "not within {PATIENCE:?}: {what}\n{}", self.log());
    }

    /// Waits until this many requests are where nothing moves them any more, and nothing waits to be taken.
    pub fn until_rest(&self, requests: usize) {
        self.until("everything comes to rest", || {
            self.journal.exists() && self.reader().head().is_ok() && self.rests(requests)
        });
    }

    pub fn rests(&self, requests: usize) -> bool {
        let reader = self.reader();
        let listed = reader.list(&[], usize::MAX).unwrap();
        listed.len() >= requests
            && listed.iter().all(Listed::rests)
            && !reader.moving().unwrap()
            && self.incoming().is_empty()
    }

    /// Every outcome document, by its path under `outcome/`.
    pub fn outcomes(&self) -> BTreeMap<PathBuf, serde_json::Value> {
        let root = self.spool.join("outcome");
        let files = files_under(&root).into_iter().filter(|path| path.extension().is_some_and(|e| e == "json"));
        files
            .map(|path| {
                let document = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
                (path.strip_prefix(&root).unwrap().to_owned(), document)
            })
            .collect()
    }

    pub fn mail(&self) -> rusqlite::Connection {
        rusqlite::Connection::open(self.path("targets/mail/mail.db")).unwrap()
    }

    pub fn radius(&self) -> rusqlite::Connection {
        rusqlite::Connection::open(self.path("targets/radius/radius.db")).unwrap()
    }
}

/// Whether it becomes true within [`PATIENCE`].
pub fn eventually(condition: &mut dyn FnMut() -> bool) -> bool {
    let begun = Instant::now();
    while !condition() {
        if begun.elapsed() > PATIENCE {
            return false;
        }
        std::thread::sleep(LOOK);
    }
    true
}

/// Every regular file in a directory and below.
pub fn files_under(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut dirs = vec![dir.to_owned()];
    while let Some(dir) = dirs.pop() {
        for entry in std::fs::read_dir(&dir).into_iter().flatten() {
            let entry = entry.unwrap();
            match entry.file_type().unwrap() {
                kind if kind.is_dir() => dirs.push(entry.path()),
                kind if kind.is_file() => found.push(entry.path()),
                _ => {}
            }
        }
    }
    found.sort();
    found
}

/// The number that a query gives.
pub fn count(database: &rusqlite::Connection, sql: &str) -> usize {
    let number: i64 = database.query_row(sql, [], |row| row.get(0)).unwrap();
    usize::try_from(number).unwrap()
}

/// A daemon that was started; killed at the end of the test if it still runs.
pub struct Daemon {
    child: Child,
    log: Arc<Log>,
    begins: usize,
    reader: Option<std::thread::JoinHandle<()>>,
}

impl Daemon {
    /// Waits until it takes requests; false: it has ended instead.
    pub fn takes_requests(&mut self) -> bool {
        self.until_says("akund takes requests")
    }

    /// Waits until the log of this daemon has the words; false: it has ended without them.
    pub fn until_says(&mut self, words: &str) -> bool {
        let begun = Instant::now();
        let log = self.log.clone();
        let mut text = log.text.lock().unwrap();
        loop {
            if text[self.begins..].contains(words) {
                return true;
            }
            let read_to_its_end = self.reader.as_ref().is_none_or(std::thread::JoinHandle::is_finished);
            if read_to_its_end {
                return text[self.begins..].contains(words);
            }
            assert!(begun.elapsed() < PATIENCE, "the daemon never said {words:?}:\n{}", &text[self.begins..]);
            text = log.grown.wait_timeout(text, LOOK).unwrap().0;
        }
    }

    /// Where it listens for HTTP.
    pub fn http(&self) -> SocketAddr {
        let text = self.log.text.lock().unwrap();
        let (_, line) = text[self.begins..].split_once("akund takes requests").unwrap();
        let (_, address) = line.split_once("http=").unwrap();
        address.split_whitespace().next().unwrap().parse().unwrap()
    }

    /// Status and body of a page.
    pub fn get(&self, path: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(self.http()).unwrap();
        stream
            .write_all(format!("GET {path} HTTP/1.1\r\nHost: akund\r\nConnection: close\r\n\r\n").as_bytes())
            .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
    }

    pub fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(i32::try_from(self.child.id()).unwrap()), signal).unwrap();
    }

    /// Whether it has ended.
    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Waits for its end.
    pub fn ended(mut self) -> ExitStatus {
        let ended = eventually(&mut || self.has_ended());
        assert!(ended, "the daemon does not end:\n{}", self.log.text.lock().unwrap());
        let status = self.child.wait().unwrap();
        if let Some(reader) = self.reader.take() {
            reader.join().unwrap();
        }
        status
    }

    /// Ends it as the machine would, without a word.
    pub fn kill(self) {
        self.signal(Signal::SIGKILL);
        self.ended();
    }

    /// Drains it; it must end well.
    pub fn terminate(self) {
        self.signal(Signal::SIGTERM);
        let log = self.log.clone();
        let status = self.ended();
        assert_eq!(status.code(), Some(0), "{status}:\n{}", log.text.lock().unwrap());
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // An error means that it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Whether a crash point ended it.
pub fn crashed(status: ExitStatus) -> bool {
    status.signal() == Some(Signal::SIGABRT as i32)
}
