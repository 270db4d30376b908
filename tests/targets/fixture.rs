//! Accounts to write, and the targets to write them to.

use crate::peers::{MariaDb, Postgres};
pub use crate::works::*;
use akund::config::database::Database;
use akund::config::target::{MailMapsConfig, RadiusConfig, RadiusPassword};
use akund::model::{Account, Action, Fault, Scheme};
use akund::secret::hash;
use akund::target::mailmaps::MailMaps;
use akund::target::radius::Radius;
use akund::target::{Applied, Found, Target, Work};
use rusqlite::types::Value;
use rusqlite::{Connection, OpenFlags};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tempfile::TempDir;

pub fn mail_config(database: &Path) -> MailMapsConfig {
    MailMapsConfig {
        database: database.into(),
        password_file: None,
        ca_file: None,
        make_tables: true,
        services: vec!["mail".into()],
        password: Scheme::Sha512Crypt,
        home: "/var/mail/vhosts/{domain}/{local}".into(),
        mode: "0640".into(),
        proof: None,
    }
}

pub fn radius_config(database: &Path, password: impl Into<RadiusPassword>) -> RadiusConfig {
    RadiusConfig {
        database: database.into(),
        password_file: None,
        ca_file: None,
        make_tables: true,
        services: vec!["hotspot".into()],
        password: password.into(),
        groups: BTreeMap::new(),
        default_group: None,
        check: BTreeMap::new(),
        reply: BTreeMap::new(),
        profile: BTreeMap::new(),
        dictionary: "/usr/share/freeradius".into(),
        mode: "0640".into(),
        proof: None,
        nas: Vec::new(),
    }
}

/// The three engines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    Sqlite,
    Postgres,
    MariaDb,
}

pub const ENGINES: [Engine; 3] = [Engine::Sqlite, Engine::Postgres, Engine::MariaDb];

const FILE: &str = "test.db";

/// A database, empty at first.
pub enum Base {
    File(TempDir),
    Postgres(&'static Postgres, String),
    MariaDb(&'static MariaDb, String),
}

impl Base {
    pub fn new(engine: Engine) -> Self {
        match engine {
            Engine::Sqlite => Self::File(TempDir::new().unwrap()),
            Engine::Postgres => Self::Postgres(Postgres::shared(), Postgres::shared().database()),
            Engine::MariaDb => Self::MariaDb(MariaDb::shared(), MariaDb::shared().database()),
        }
    }

    /// What stands in the configuration, and the file with the password.
    pub fn access(&self) -> (Database, Option<PathBuf>) {
        match self {
            Self::File(dir) => (dir.path().join(FILE).as_path().into(), None),
            Self::Postgres(server, name) => (Database::parse(&server.socket_url(name)).unwrap(), None),
            Self::MariaDb(server, name) => {
                (Database::parse(&server.socket_url(name)).unwrap(), Some(server.password_file()))
            }
        }
    }

    pub fn mail_config(&self) -> MailMapsConfig {
        let (database, password_file) = self.access();
        MailMapsConfig { database, password_file, ..mail_config(Path::new("")) }
    }

    pub fn radius_config(&self, password: impl Into<RadiusPassword>) -> RadiusConfig {
        let (database, password_file) = self.access();
        RadiusConfig { database, password_file, ..radius_config(Path::new(""), password) }
    }

    /// What a person or another program writes by hand.
    pub fn by_hand(&self, sql: &str) {
        match self {
            Self::File(dir) => by_hand(&dir.path().join(FILE), sql),
            Self::Postgres(server, name) => drop(server.sql(name, sql)),
            Self::MariaDb(server, name) => drop(server.sql(name, sql)),
        }
    }

    /// What a server's own client prints.
    pub fn ask(&self, sql: &str) -> String {
        match self {
            Self::File(_) => panic!("a file has no client here"),
            Self::Postgres(server, name) => server.sql(name, sql),
            Self::MariaDb(server, name) => server.sql(name, sql),
        }
    }

    /// Every row of every table that says something of accounts, without row numbers.
    pub fn rows(&self) -> Vec<String> {
        match self {
            Self::File(dir) => rows(&dir.path().join(FILE)),
            Self::Postgres(server, name) => rows_of(|sql| server.sql(name, sql), "public"),
            Self::MariaDb(server, name) => rows_of(|sql| server.sql(name, sql), name),
        }
    }
}

/// The same as [`rows`], from what a server's own client prints.
pub fn rows_of(sql: impl Fn(&str) -> String, schema: &str) -> Vec<String> {
    let tables = sql(&format!(
        "SELECT table_name FROM information_schema.tables WHERE table_schema = '{schema}' AND table_name <> 'retired_homes'"
    ));
    let tables: Vec<&str> = tables.lines().skip(1).collect();
    let all = tables.iter().map(|table| format!("SELECT '{table}' AS the_table; SELECT * FROM {table};"));
    let all: String = all.collect();
    let printed = if tables.is_empty() { String::new() } else { sql(&all) };
    let mut rows = Vec::new();
    let (mut table, mut columns, mut lines) = ("", Vec::new(), printed.lines());
    while let Some(line) = lines.next() {
        if line == "the_table" {
            table = lines.next().unwrap();
            columns = Vec::new();
        } else if columns.is_empty() {
            columns = line.split('\t').collect();
        } else {
            let cells = columns.iter().zip(line.split('\t')).filter(|(name, _)| **name != "id");
            let cells: Vec<String> = cells.map(|(name, cell)| format!("{name}={cell:?}")).collect();
            rows.push(format!("{table}: {}", cells.join(" ")));
        }
    }
    rows.sort();
    rows
}

/// On a server, the tables are made when they are first needed. Here somebody puts rows into them before that.
pub fn make_tables(engine: Engine, target: impl Target + 'static) {
    if engine == Engine::Sqlite {
        return;
    }
    let make = move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async { target.find(&[]).await.unwrap() });
    };
    std::thread::spawn(make).join().unwrap();
}

/// One target with its database.
pub struct Bench {
    pub target: Box<dyn Target>,
    pub path: PathBuf,
    pub base: Base,
}

impl Bench {
    pub fn mail() -> Self {
        Self::mail_on(Engine::Sqlite)
    }

    pub fn mail_on(engine: Engine) -> Self {
        let base = Base::new(engine);
        let open = || MailMaps::open("mail", &base.mail_config()).unwrap();
        make_tables(engine, open());
        let target = open();
        Self::with(base, Box::new(target))
    }

    pub fn radius(password: Scheme) -> Self {
        Self::radius_on(Engine::Sqlite, password)
    }

    pub fn radius_on(engine: Engine, password: impl Into<RadiusPassword>) -> Self {
        let base = Base::new(engine);
        let config = base.radius_config(password);
        let open = || Radius::open("hotspot", &config).unwrap();
        make_tables(engine, open());
        let target = open();
        Self::with(base, Box::new(target))
    }

    pub fn with(base: Base, target: Box<dyn Target>) -> Self {
        let path = match &base {
            Base::File(dir) => dir.path().join(FILE),
            _ => PathBuf::new(),
        };
        Self { target, path, base }
    }

    /// Every target of tables on every engine, as the contract wants to meet them.
    pub fn each() -> Vec<Self> {
        ENGINES
            .into_iter()
            .flat_map(|engine| {
                [
                    Self::mail_on(engine),
                    Self::radius_on(engine, Scheme::Sha512Crypt),
                    Self::radius_on(engine, Scheme::NtHash),
                ]
            })
            .collect()
    }

    pub fn mail_each() -> Vec<Self> {
        ENGINES.into_iter().map(Self::mail_on).collect()
    }

    pub fn radius_each() -> Vec<Self> {
        ENGINES.into_iter().map(|engine| Self::radius_on(engine, Scheme::Sha512Crypt)).collect()
    }

    pub async fn apply(&self, work: &Work) -> Result<Applied, Fault> {
        self.target.apply(std::slice::from_ref(work)).await.remove(0)
    }

    pub async fn prove(&self, work: &Work) -> Result<akund::model::Proof, Fault> {
        self.target.prove(std::slice::from_ref(work)).await.remove(0)
    }

    pub async fn undo(&self, work: &Work) -> Result<(), Fault> {
        self.target.undo(std::slice::from_ref(work)).await.remove(0)
    }

    pub async fn find(&self, names: &[&str]) -> Vec<Found> {
        let names: Vec<String> = names.iter().map(|n| (*n).to_owned()).collect();
        self.target.find(&names).await.unwrap()
    }

    /// A create of an account with a fresh password.
    pub fn create(&self, account: &Account) -> Work {
        work(Action::Create, account, Some(hash::new_credential(self.target.schemes()).unwrap()))
    }

    /// What a person or another program writes by hand.
    pub fn by_hand(&self, sql: &str) {
        self.base.by_hand(sql);
    }

    /// Puts something else in the place of every account's hash, by hand.
    pub fn spoil_passwords(&self, stored: &str) {
        let column = if self.target.name() == "mail" { "mailboxes SET password" } else { "radcheck SET value" };
        self.by_hand(&format!("UPDATE {column} = '{stored}'"));
    }

    /// Every row of every table that says something of accounts, without row numbers.
    pub fn rows(&self) -> Vec<String> {
        self.base.rows()
    }

    /// The name under which this target finds the account.
    pub fn name_of(&self, account: &Account) -> String {
        match self.target.name() {
            "mail" => account.address.as_ref().unwrap().to_string(),
            _ => account.username.to_string(),
        }
    }
}

pub fn by_hand(path: &Path, sql: &str) {
    let db = Connection::open(path).unwrap();
    db.busy_timeout(Duration::from_secs(60)).unwrap();
    db.execute_batch(sql).unwrap();
}

pub fn rows(path: &Path) -> Vec<String> {
    let db = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    let tables: Vec<String> = db
        .prepare(
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' AND name NOT IN ('retired_homes')",
        )
        .unwrap()
        .query_map([], |r| r.get(0))
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap();
    let mut rows = Vec::new();
    for table in tables {
        let mut query = db.prepare(&format!("SELECT * FROM {table}")).unwrap();
        let columns: Vec<String> = query.column_names().iter().map(|c| (*c).to_owned()).collect();
        let mut found = query.query([]).unwrap();
        while let Some(row) = found.next().unwrap() {
            let values: Vec<String> = columns
                .iter()
                .enumerate()
                .filter(|(_, name)| *name != "id")
                .map(|(i, name)| format!("{name}={:?}", row.get::<_, Value>(i).unwrap()))
                .collect();
            rows.push(format!("{table}: {}", values.join(" ")));
        }
    }
    rows.sort();
    rows
}

const HELD: &str = "AKUND_TEST_HELD_DATABASE";

/// Opens a database as akund does in a process of its own, changes every password in a transaction that has already
/// reached the disk, and dies by `kill -9` before it is committed.
pub fn kill_in_mid_transaction(path: &Path) {
    let mut child: Child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "fixture::holds_a_database_in_mid_transaction", "--ignored", "--nocapture"])
        .env(HELD, path)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let ready = BufReader::new(child.stdout.take().unwrap())
        .lines()
        .map_while(Result::ok)
        .any(|line| line.contains("in mid-transaction"));
    assert!(ready, "the child process ended before it held the database");
    child.kill().unwrap();
    child.wait().unwrap();
    let wal = std::fs::read(format!("{}-wal", path.display())).unwrap();
    assert!(wal.windows(11).any(|w| w == b"uncommitted"), "what was not committed had reached the disk");
}

#[test]
#[ignore = "run by other tests, as the child process that is killed"]
fn holds_a_database_in_mid_transaction() {
    use akund::sql::sqlite::Store;
    use akund::target::mailmaps::MailTables;
    use akund::target::radius::RadiusTables;
    use akund::target::sql::Tables;
    let path = PathBuf::from(std::env::var_os(HELD).expect("only other tests run this"));
    let (schema, change) = if path.ends_with("mail.db") {
        (MailTables::SCHEMA, "UPDATE mailboxes SET password = '$6$uncommitted$' || hex(zeroblob(4000))")
    } else {
        (RadiusTables::SCHEMA, "UPDATE radcheck SET value = '$6$uncommitted$' || hex(zeroblob(4000))")
    };
    let store = Store::new("held", &path, 0o640, schema);
    let _ = store.with_writer(|db| -> Result<(), akund::sql::Stop> {
        db.execute_batch(&format!("PRAGMA cache_size = 2; BEGIN IMMEDIATE; {change};"))?;
        println!("in mid-transaction");
        loop {
            std::thread::park();
        }
    });
}
