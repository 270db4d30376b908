use super::guard::Guard;
use super::{PORT_TRIES, free_tcp_port, open_dir, run, wait_for, write};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

const PACKAGE: &str = "mariadb-server";
pub const PASSWORD: &str = "rahasia-akund";

/// A MariaDB of our own, with a socket and a loopback port. `akund` needs its password at both.
pub struct MariaDb {
    guard: Option<Guard>,
    dir: PathBuf,
    port: u16,
    number: AtomicUsize,
    durable: bool,
}

impl MariaDb {
    /// One for the whole test program, which does not care for power cuts.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<MariaDb> = OnceLock::new();
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
        let mysql = nix::unistd::User::from_name("mysql")
            .expect("looking up a user")
            .unwrap_or_else(|| panic!("the user mysql is missing: install {PACKAGE}"));
        nix::unistd::chown(&dir, Some(mysql.uid), Some(mysql.gid)).expect("giving a directory to mysql");
        let made = run(
            // Each start removes the temporary tables that it finds in TMPDIR, another server's among them.
            Command::new("mariadb-install-db").env("TMPDIR", &dir).args([
                "--no-defaults".into(),
                "--user=mysql".into(),
                "--skip-test-db".into(),
                format!("--datadir={}", dir.join("data").display()),
                "--auth-root-authentication-method=socket".into(),
            ]),
            PACKAGE,
        );
        assert!(made.status.success(), "mariadb-install-db: {}", String::from_utf8_lossy(&made.stderr));
        let mut server = Self { guard: None, dir, port, number: AtomicUsize::new(0), durable };
        let started = (0..PORT_TRIES).any(|again| {
            if again > 0 {
                server.let_go();
                server.port = free_tcp_port();
            }
            server.try_start()
        });
        assert!(started, "MariaDB did not start: {}", server.log());
        server.sql(
            "mysql",
            &format!("CREATE USER akund@'%' IDENTIFIED BY '{PASSWORD}', akund@localhost IDENTIFIED BY '{PASSWORD}'"),
        );
        write(&server.password_file(), PASSWORD);
        server
    }

    fn try_start(&mut self) -> bool {
        let d = self.dir.display();
        let mut arguments: Vec<String> =
            vec!["mariadbd".into(), "--no-defaults".into(), "--bind-address=127.0.0.1".into()];
        arguments.extend([format!("--datadir={d}/data"), format!("--socket={d}/sock"), format!("--pid-file={d}/pid")]);
        arguments.extend([
            format!("--port={}", self.port),
            format!("--tmpdir={d}"),
            format!("--log-error={d}/log.err"),
        ]);
        arguments.push("--innodb-buffer-pool-size=32M".into());
        // As Debian sets it.
        arguments.push("--character-set-server=utf8mb4".into());
        if !self.durable {
            arguments.extend(["--innodb-doublewrite=0".into(), "--innodb-flush-method=nosync".into()]);
        }
        let cert = self.dir.join("server.pem");
        if cert.exists() {
            arguments.extend([format!("--ssl-cert={}", cert.display()), format!("--ssl-key={d}/server.key")]);
        }
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        // What an earlier start complained of is not this one's.
        let _ = fs::remove_file(self.dir.join("log.err"));
        self.guard = Some(Guard::spawn("mysql", &arguments, &self.dir.join("out"), "TERM", Some(&self.dir)));
        let socket = format!("--socket={d}/sock");
        let mut good = false;
        wait_for("MariaDB to answer", || {
            good =
                run(Command::new("mariadb-admin").args(["--no-defaults", &socket, "ping"]), PACKAGE).status.success();
            good || self.log().contains("Aborting")
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
        let pid = fs::read_to_string(self.dir.join("pid")).expect("MariaDB's process id");
        let pid = nix::unistd::Pid::from_raw(pid.trim().parse().expect("a process id"));
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL).expect("ending MariaDB");
    }

    /// Starts it again on its port.
    pub fn start_again(&mut self) {
        self.let_go();
        for left in ["sock", "pid"] {
            let _ = fs::remove_file(self.dir.join(left));
        }
        assert!(self.try_start(), "MariaDB did not start again: {}", self.log());
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
        self.sql(
            "mysql",
            &format!(
                "CREATE DATABASE {name}; GRANT ALL ON {name}.* TO akund@'%'; GRANT ALL ON {name}.* TO akund@localhost"
            ),
        );
        name
    }

    /// What the administrator says; the answer's rows, cells between tabs.
    pub fn sql(&self, database: &str, sql: &str) -> String {
        let socket = format!("--socket={}/sock", self.dir.display());
        let answer = run(
            Command::new("mariadb").args([
                "--no-defaults",
                "--default-character-set=utf8mb4",
                "--batch",
                "--raw",
                &socket,
                "-u",
                "root",
                "-e",
                sql,
                database,
            ]),
            PACKAGE,
        );
        assert!(answer.status.success(), "{sql}: {}", String::from_utf8_lossy(&answer.stderr));
        String::from_utf8_lossy(&answer.stdout).into_owned()
    }

    /// By the socket.
    pub fn socket_url(&self, database: &str) -> String {
        format!("mysql://akund@/{database}?socket={}/sock", self.dir.display())
    }

    /// By TCP, or through something that stands in front of it.
    pub fn url(&self, database: &str, port: u16) -> String {
        format!("mysql://akund@127.0.0.1:{port}/{database}")
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
        fs::read_to_string(self.dir.join("log.err")).unwrap_or_default()
    }
}
