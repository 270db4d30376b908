use super::{Server, open_dir, write};
use rusqlite::Connection;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

const PACKAGES: &str = "gammu-smsd";
/// smsd's own tables, as its package has them.
const TABLES: &str = "/usr/share/doc/gammu-smsd/examples";

/// gammu-smsd with a dummy phone, on a database of its SQL service.
pub struct Gammu {
    smsd: Option<Server>,
    dir: TempDir,
    /// Of smsd; the machine's, where there is none.
    zone: Option<&'static str>,
}

impl Gammu {
    /// On an SQLite file of its own.
    pub fn start() -> Self {
        let mut gammu = Self::prepare();
        gammu.resume();
        gammu
    }

    /// The same, with smsd in another time zone than ours, as POSIX writes it.
    pub fn start_in(zone: &'static str) -> Self {
        let mut gammu = Self { zone: Some(zone), ..Self::prepare() };
        gammu.resume();
        gammu
    }

    /// The same with smsd not yet running.
    pub fn prepare() -> Self {
        let dir = open_dir();
        let database = Connection::open(dir.path().join("smsd.db")).expect("an SQLite file");
        database.execute_batch(&tables("sqlite")).expect("smsd's tables");
        configure(dir.path(), &format!("driver = sqlite3\ndatabase = smsd.db\ndbdir = {}/\n", dir.path().display()));
        Self { smsd: None, dir, zone: None }
    }

    /// On a database of a server, in which its tables are.
    pub fn on_server(driver: &str, port: u16, database: &str, user: &str, password: &str) -> Self {
        let dir = open_dir();
        let more = format!(
            "driver = {driver}\nhost = 127.0.0.1:{port}\nuser = {user}\npassword = {password}\ndatabase = {database}\n"
        );
        configure(dir.path(), &more);
        let mut gammu = Self { smsd: None, dir, zone: None };
        gammu.resume();
        gammu
    }

    /// The SQLite file.
    pub fn database(&self) -> PathBuf {
        self.dir.path().join("smsd.db")
    }

    /// Starts smsd.
    pub fn resume(&mut self) {
        let mut command = Command::new("gammu-smsd");
        command.arg("-c").arg(self.dir.path().join("smsdrc")).current_dir(self.dir.path());
        command.envs(self.zone.map(|zone| ("TZ", zone)));
        let mut server = Server::spawn(&mut command, &self.dir.path().join("stdout"), PACKAGES);
        let log = self.dir.path().join("log");
        let before = fs::read_to_string(&log).unwrap_or_default().len();
        let ready = server.ready("gammu-smsd to have its phone", || {
            fs::read_to_string(&log)
                .unwrap_or_default()
                .get(before..)
                .unwrap_or_default()
                .contains("Starting phone communication")
        });
        assert!(ready, "gammu-smsd ended: {}", self.log());
        self.smsd = Some(server);
    }

    /// Ends smsd; its database stays.
    pub fn pause(&mut self) {
        self.smsd = None;
    }

    /// What smsd and its library have logged, with the messages.
    pub fn log(&self) -> String {
        ["log", "stdout"].map(|name| fs::read_to_string(self.dir.path().join(name)).unwrap_or_default()).concat()
    }

    /// Rows of a query on the SQLite file, as text.
    pub fn rows(&self, sql: &str) -> Vec<Vec<String>> {
        let database = Connection::open(self.database()).expect("smsd's database");
        database.busy_timeout(std::time::Duration::from_secs(60)).expect("a time limit");
        let mut statement = database.prepare(sql).expect("a query");
        let width = statement.column_count();
        let text = |row: &rusqlite::Row<'_>, n: usize| -> rusqlite::Result<String> {
            let value: rusqlite::types::Value = row.get(n)?;
            Ok(match value {
                rusqlite::types::Value::Null => String::new(),
                rusqlite::types::Value::Integer(i) => i.to_string(),
                rusqlite::types::Value::Real(r) => r.to_string(),
                rusqlite::types::Value::Text(t) => t,
                rusqlite::types::Value::Blob(b) => String::from_utf8_lossy(&b).into_owned(),
            })
        };
        let rows = statement.query_map([], |row| (0..width).map(|n| text(row, n)).collect()).expect("an answer");
        rows.collect::<Result<_, _>>().expect("rows")
    }

    /// Runs statements on the SQLite file.
    pub fn run(&self, sql: &str) {
        let database = Connection::open(self.database()).expect("smsd's database");
        database.busy_timeout(std::time::Duration::from_secs(60)).expect("a time limit");
        database.execute_batch(sql).expect("a statement");
    }
}

/// smsd's tables for `sqlite`, `pgsql` or `mysql`.
pub fn tables(engine: &str) -> String {
    let plain = Path::new(TABLES).join(format!("{engine}.sql"));
    if plain.exists() {
        return fs::read_to_string(plain).expect("smsd's tables");
    }
    let packed = Path::new(TABLES).join(format!("{engine}.sql.gz"));
    let output = super::run(Command::new("zcat").arg(&packed), "gzip");
    assert!(output.status.success(), "{} is missing: install {PACKAGES}", packed.display());
    String::from_utf8(output.stdout).expect("UTF-8")
}

fn configure(dir: &Path, service: &str) {
    let phone = dir.join("phone");
    for part in
        ["sms/1", "sms/2", "sms/3", "sms/4", "sms/5", "pbk/ME", "pbk/SM", "note", "todo", "calendar", "alarm", "fs"]
    {
        fs::create_dir_all(phone.join(part)).expect("making the dummy phone");
    }
    write(
        &dir.join("smsdrc"),
        &format!(
            "[gammu]
device = {phone}
connection = none
model = dummy
[smsd]
logfile = {r}/log
debuglevel = 255
commtimeout = 1
sendtimeout = 5
loopsleep = 1
receivefrequency = 5
statusfrequency = 5
checksecurity = 0
checkbattery = 0
checksignal = 0
maxretries = 1
retrytimeout = 1
PhoneID = dummy1
service = sql
{service}",
            phone = phone.display(),
            r = dir.display(),
        ),
    );
}
