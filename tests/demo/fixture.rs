//! One demo in a directory of its own.

use crate::peers::open_dir;
use akund::journal::read::{Listed, Reader};
use rusqlite::{Connection, OpenFlags};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;

/// Accounts of the generic procedure, each with mail and hotspot: a unit's, and the good rows of the bulk file.
pub const GENERIC: usize = 200;
/// Accounts with mail: those, and what three of the shipped procedures make.
pub const MAILBOXES: usize = GENERIC + 3 + 1 + 3 + 1;
/// Accounts with a hotspot: those, and an event's.
pub const HOTSPOTS: usize = GENERIC + 1;
/// Accounts that the samples become.
pub const ACCOUNTS: usize = MAILBOXES + HOTSPOTS - GENERIC;
/// Accounts whose request waits for its signed letter: their credentials are not handed over yet.
pub const WAITING: usize = 1;
/// Requests of the samples: the accounts', and those that end otherwise; 3 of the generic procedure, 3 of the first shipped one,
/// and one of each of the others.
pub const REQUESTS: usize = ACCOUNTS + 3 + 3 + 4;
/// What was sent: to everybody one notice, and of a request that waits report and two drafts to officials.
pub const MESSAGES: usize = REQUESTS - WAITING + 3 * WAITING;

pub struct Demo {
    _above: TempDir,
    pub dir: PathBuf,
}

/// A run that ended by itself.
pub struct Ended {
    pub code: Option<i32>,
    pub samples: Vec<Value>,
    pub stderr: String,
}

/// What a notice with credentials says; a part that it does not have is empty.
#[derive(Debug)]
pub struct Credentials {
    pub to: String,
    pub address: String,
    pub username: String,
    pub password: String,
}

impl Demo {
    /// In a directory that other users can pass through; nothing is in it yet.
    pub fn new() -> Self {
        let above = open_dir();
        let dir = above.path().join("demo");
        Self { _above: above, dir }
    }

    /// `akund demo --exit --json`, begun.
    pub fn start(&self) -> Child {
        let mut command = akund();
        command.args(["demo", "--exit", "--json", "--dir"]).arg(&self.dir);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().unwrap()
    }

    /// `akund demo --exit`, to its end: what it prints.
    pub fn shows(&self) -> String {
        let output = akund().args(["demo", "--exit", "--dir"]).arg(&self.dir).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// The same, to its end.
    pub fn run(&self) -> Ended {
        let output = self.start().wait_with_output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        let document = serde_json::from_slice(&output.stdout);
        let document: Value = document
            .unwrap_or_else(|e| panic!("one JSON document: {e}: {}{stderr}", String::from_utf8_lossy(&output.stdout)));
        let samples = document.as_array().unwrap_or_else(|| panic!("{document}: {stderr}")).clone();
        Ended { code: output.status.code(), samples, stderr }
    }

    pub fn journal(&self) -> PathBuf {
        self.dir.join("state/journal.db")
    }
    pub fn mail_database(&self) -> PathBuf {
        self.dir.join("targets/mail/mail.db")
    }
    pub fn radius_database(&self) -> PathBuf {
        self.dir.join("targets/radius/radius.db")
    }

    /// The requests that the journal knows; none where there is no journal yet.
    pub fn requests(&self) -> Vec<Listed> {
        Reader::open(&self.journal()).and_then(|reader| reader.list(&[], usize::MAX)).unwrap_or_default()
    }

    pub fn done(&self) -> usize {
        self.requests().iter().filter(|one| one.state == "done").count()
    }

    /// The messages in the outboxes, mails and SMS alike.
    pub fn messages(&self) -> Vec<String> {
        let of = |outbox: &str, ending: &str| -> Vec<String> {
            let Ok(entries) = std::fs::read_dir(self.dir.join(outbox)) else { return Vec::new() };
            let files = entries.map(|entry| entry.unwrap().path());
            let files = files.filter(|path| path.extension().is_some_and(|e| e == ending));
            files.map(|path| std::fs::read_to_string(path).unwrap()).collect()
        };
        [of("outbox", "eml"), of("outbox-sms", "txt")].concat()
    }

    /// What the messages with credentials say.
    pub fn credentials(&self) -> Vec<Credentials> {
        self.messages().iter().filter_map(|message| Credentials::read(message)).collect()
    }

    /// The credentials of one address.
    pub fn credentials_of(&self, address: &str) -> Credentials {
        self.credentials().into_iter().find(|found| found.address == address).expect("a message with this address")
    }
}

impl Credentials {
    fn read(message: &str) -> Option<Self> {
        let (head, body) = message.split_once("\r\n\r\n").or(message.split_once("\n\n"))?;
        let text = from_quoted_printable(body);
        let after =
            |label: &str| text.lines().find_map(|line| line.strip_prefix(label)).map(|rest| rest.trim().to_owned());
        let to = head.lines().find_map(|line| line.strip_prefix("To: "))?;
        if !head.contains("Subject:") {
            // A text message: all on one line.
            let word = |label: &str| Some(text.split_once(label)?.1.split_whitespace().next()?.trim_end_matches('.'));
            let word = |label: &str| word(label).map(str::to_owned);
            return Some(Self {
                to: to.to_owned(),
                address: word("Alamat: ").unwrap_or_default(),
                username: word("Nama pengguna: ").unwrap_or_default(),
                password: word("Kata sandi awal: ")?,
            });
        }
        Some(Self {
            to: to.split(['<', '>']).nth(1).unwrap_or(to).to_owned(),
            address: after("Alamat surel:").unwrap_or_default(),
            username: after("Nama pengguna hotspot:").unwrap_or_default(),
            password: after("Kata sandi awal:")?,
        })
    }
}

/// The program, with none of the caller's settings.
pub fn akund() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_akund"));
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("AKUND_")) {
        command.env_remove(name);
    }
    command
}

/// RFC 2045, section 6.7, as far as a mail with short lines of text needs it.
fn from_quoted_printable(text: &str) -> String {
    let joined = text.replace("=\r\n", "");
    let mut bytes = Vec::new();
    let mut rest = joined.as_bytes();
    while let Some((first, more)) = rest.split_first() {
        let coded = (*first == b'=').then(|| more.get(..2).and_then(|hex| std::str::from_utf8(hex).ok())).flatten();
        match coded.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = more.get(2..).unwrap_or_default();
            }
            None => {
                bytes.push(*first);
                rest = more;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// First column → second column of a query on a database that is only read.
pub fn pairs(database: &Path, query: &str) -> Vec<(String, String)> {
    let db = Connection::open_with_flags(database, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    let mut statement = db.prepare(query).unwrap();
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    rows.map(Result::unwrap).collect()
}

/// As a map; two rows with one key fail.
pub fn unique(pairs: Vec<(String, String)>) -> BTreeMap<String, String> {
    let mut map = BTreeMap::new();
    for (key, value) in pairs {
        assert!(map.insert(key.clone(), value).is_none(), "{key} stands twice");
    }
    map
}
