use super::guard::Guard;
use super::{PORT_TRIES, free_tcp_port, open_dir, run, wait_for, write};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

const PACKAGE: &str = "postgresql";
pub const PASSWORD: &str = "rahasia-akund";

/// A PostgreSQL of our own: a socket without a password, and a loopback port with one.
pub struct Postgres {
    guard: Option<Guard>,
    dir: PathBuf,
    port: u16,
    number: AtomicUsize,
    durable: bool,
}

/// Where Debian puts the programs.
fn program(name: &str) -> String {
    let versions = fs::read_dir("/usr/lib/postgresql").unwrap_or_else(|e| panic!("{e}: install {PACKAGE}"));
    let newest = versions.flatten().map(|entry| entry.path()).max().unwrap_or_else(|| panic!("install {PACKAGE}"));
    newest.join("bin").join(name).display().to_string()
}

impl Postgres {
    /// One for the whole test program, which does not care for power cuts.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Postgres> = OnceLock::new();
        SHARED.get_or_init(|| Self::make(false, free_tcp_port()))
    }

    /// One of one's own, to stop and to start.
    pub fn start() -> Self {
        Self::start_at(free_tcp_port())
    }

    /// The same; on another port if this one is taken.
    pub fn start_at(port: u16) -> Self {
        Self::make(true, port)
    }

    fn make(durable: bool, port: u16) -> Self {
        let dir = open_dir().keep();
        let postgres = nix::unistd::User::from_name("postgres")
            .expect("looking up a user")
            .unwrap_or_else(|| panic!("the user postgres is missing: install {PACKAGE}"));
        nix::unistd::chown(&dir, Some(postgres.uid), Some(postgres.gid)).expect("giving a directory to postgres");
        let data = dir.join("data").display().to_string();
        // Where akund is used: with a server in UTC nobody would notice what mixes up zones.
        let made = run(
            Command::new("setpriv")
                .env("TZ", "Asia/Jakarta")
                .args(["--reuid=postgres", "--regid=postgres", "--init-groups", "--"])
                .args([
                    &program("initdb"),
                    "-D",
                    &data,
                    "-U",
                    "postgres",
                    "--auth-local=trust",
                    "--auth-host=scram-sha-256",
                    "-E",
                    "UTF8",
                    "--locale=C.UTF-8",
                    "--no-sync",
                ]),
            PACKAGE,
        );
        assert!(made.status.success(), "initdb: {}", String::from_utf8_lossy(&made.stderr));
        let mut server = Self { guard: None, dir, port, number: AtomicUsize::new(0), durable };
        let started = (0..PORT_TRIES).any(|again| {
            if again > 0 {
                server.let_go();
                server.port = free_tcp_port();
            }
            server.try_start()
        });
        assert!(started, "PostgreSQL did not start: {}", server.log());
        server.sql("postgres", &format!("CREATE ROLE akund LOGIN PASSWORD '{PASSWORD}'"));
        write(&server.password_file(), PASSWORD);
        server
    }

    fn try_start(&mut self) -> bool {
        let (data, port, dir) =
            (self.dir.join("data").display().to_string(), self.port.to_string(), self.dir.display().to_string());
        let (fsync, sync) = if self.durable { ("fsync=on", "on") } else { ("fsync=off", "off") };
        let socket = format!("unix_socket_directories={dir}");
        let cert = self.dir.join("server.pem");
        let mut arguments =
            vec![program("postgres"), "-D".into(), data, "-p".into(), port.clone(), "-c".into(), socket, "-c".into()];
        arguments.extend(["listen_addresses=127.0.0.1".into(), "-c".into(), fsync.into(), "-c".into()]);
        arguments.push(format!("full_page_writes={sync}"));
        if cert.exists() {
            let key = self.dir.join("server.key").display().to_string();
            arguments.extend(["-c".into(), "ssl=on".into(), "-c".into(), format!("ssl_cert_file={}", cert.display())]);
            arguments.extend(["-c".into(), format!("ssl_key_file={key}")]);
        }
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        self.guard = Some(Guard::spawn("postgres", &arguments, &self.dir.join("log"), "INT", Some(&self.dir)));
        let mut good = false;
        wait_for("PostgreSQL to answer", || {
            let ready = run(Command::new(program("pg_isready")).args(["-q", "-h", &dir, "-p", &port]), PACKAGE);
            good = ready.status.success();
            good || self.log().contains("could not create any")
        });
        good
    }

    /// Ends it at once, as a crash would, and starts it again.
    pub fn restart(&mut self) {
        self.kill();
        self.start_again();
    }

    /// Ends it at once, as a crash would.
    pub fn kill(&mut self) {
        let pid = fs::read_to_string(self.dir.join("data/postmaster.pid")).expect("PostgreSQL's process id");
        let pid = nix::unistd::Pid::from_raw(pid.lines().next().and_then(|l| l.parse().ok()).expect("a process id"));
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGQUIT).expect("ending PostgreSQL");
        wait_for("PostgreSQL to end", || {
            !self.dir.join("data/postmaster.pid").exists() || nix::sys::signal::kill(pid, None).is_err()
        });
    }

    /// Starts it again on its port.
    pub fn start_again(&mut self) {
        self.let_go();
        assert!(self.try_start(), "PostgreSQL did not start again: {}", self.log());
    }

    /// Lets its process end; its files stay.
    fn let_go(&mut self) {
        // What its guard would remove is still needed.
        let dir = self.dir.clone();
        let kept = dir.with_extension("kept");
        fs::rename(&dir, &kept).expect("moving a directory");
        self.guard = None;
        fs::rename(&kept, &dir).expect("moving a directory back");
    }

    /// A new database that belongs to `akund`.
    pub fn database(&self) -> String {
        let name = format!("b{}", self.number.fetch_add(1, Ordering::Relaxed));
        self.sql("postgres", &format!("CREATE DATABASE {name} OWNER akund"));
        name
    }

    /// What the administrator says; the answer's rows, cells between tabs.
    pub fn sql(&self, database: &str, sql: &str) -> String {
        let (dir, port) = (self.dir.display().to_string(), self.port.to_string());
        let answer = run(
            Command::new("psql")
                .args(["-X", "-q", "-A", "-v", "ON_ERROR_STOP=1", "-F", "\t", "-P", "footer=off"])
                .args(["-h", &dir, "-p", &port, "-U", "postgres", "-d", database, "-c", sql]),
            PACKAGE,
        );
        assert!(answer.status.success(), "{sql}: {}", String::from_utf8_lossy(&answer.stderr));
        String::from_utf8_lossy(&answer.stdout).into_owned()
    }

    /// By the socket, without a password.
    pub fn socket_url(&self, database: &str) -> String {
        format!("postgresql://akund@:{}/{database}?host={}", self.port, self.dir.display())
    }

    /// By TCP, or through something that stands in front of it.
    pub fn url(&self, database: &str, port: u16) -> String {
        format!("postgresql://akund@127.0.0.1:{port}/{database}")
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// Holds `akund`'s password.
    pub fn password_file(&self) -> PathBuf {
        self.dir.join("password")
    }

    pub fn dir(&self) -> &Path {
        &self.dir
    }

    fn log(&self) -> String {
        fs::read_to_string(self.dir.join("log")).unwrap_or_default()
    }
}
