use super::{Server, open_dir, run, snippet, write};
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use tempfile::TempDir;

const PACKAGE: &str = "dovecot-core, dovecot-sqlite, dovecot-pgsql and dovecot-mysql";
const DATABASE: &str = "/var/lib/akund/mail/mail.db";
const QUERIES: &str = "/etc/dovecot/akund-sql.conf.ext";

/// A Dovecot that knows akund's mail accounts; it serves no network protocol, only `doveadm`.
pub struct Dovecot {
    _server: Server,
    dir: TempDir,
}

impl Dovecot {
    /// Starts one with the shipped passdb and userdb.
    pub fn start(database: &Path) -> Self {
        Self::start_on("sql", &[(DATABASE, database)])
    }

    /// Starts one with the queries shipped for a server: `pgsql` or `mysql`.
    pub fn start_on_server(kind: &str, port: u16, database: &str, password: &str) -> Self {
        let usual = if kind == "pgsql" { "port=5432" } else { "port=3306" };
        let port = format!("port={port}");
        Self::start_on(
            kind,
            &[(usual, Path::new(&port)), ("akund_mail", Path::new(database)), ("CHANGE-ME", Path::new(password))],
        )
    }

    fn start_on(kind: &str, replaced: &[(&str, &Path)]) -> Self {
        let dir = open_dir();
        configure(dir.path(), kind, replaced);
        let config = dir.path().join("dovecot.conf");
        let mut command = Command::new("/usr/sbin/dovecot");
        command.arg("-F").arg("-c").arg(&config);
        let mut server = Server::spawn(&mut command, &dir.path().join("stderr"), PACKAGE);
        let socket = dir.path().join("base/auth-userdb");
        assert!(
            server.ready("Dovecot's auth socket", || socket.exists()),
            "Dovecot did not start: {}",
            std::fs::read_to_string(dir.path().join("stderr")).unwrap_or_default()
        );
        Self { _server: server, dir }
    }

    /// `doveadm auth test`: whether the password opens the account.
    pub fn logs_in(&self, user: &str, password: &str) -> bool {
        let output = self.doveadm(&["auth", "test", user, password]);
        let answer = String::from_utf8_lossy(&output.stdout);
        match (answer.contains("auth succeeded"), answer.contains("auth failed")) {
            (true, false) => true,
            (false, true) => {
                let log = std::fs::read_to_string(self.dir.path().join("log")).unwrap_or_default();
                assert!(!log.contains("Error:"), "Dovecot could not look: {log}");
                false
            }
            _ => panic!("doveadm auth test: {answer}{}", String::from_utf8_lossy(&output.stderr)),
        }
    }

    /// `doveadm user`: what Dovecot knows of an account (home, quota_rule, …).
    pub fn user(&self, user: &str) -> BTreeMap<String, String> {
        let output = self.doveadm(&["user", user]);
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        text.lines().filter_map(|l| l.split_once('\t')).map(|(k, v)| (k.to_owned(), v.to_owned())).collect()
    }

    fn doveadm(&self, arguments: &[&str]) -> std::process::Output {
        run(Command::new("doveadm").arg("-c").arg(self.dir.path().join("dovecot.conf")).args(arguments), PACKAGE)
    }
}

fn configure(dir: &Path, kind: &str, replaced: &[(&str, &Path)]) {
    let queries = dir.join("akund-sql.conf.ext");
    write(&queries, &snippet(&format!("dovecot/akund-{kind}.conf.ext"), replaced));
    let auth = dir.join("auth-akund.conf.ext");
    write(&auth, &snippet("dovecot/auth-akund.conf.ext", &[(QUERIES, &queries)]));
    let r = dir.display();
    write(
        &dir.join("dovecot.conf"),
        &format!(
            "base_dir = {r}/base
state_dir = {r}/state
instance_name = akund-test-{}
protocols =
log_path = {r}/log
auth_verbose = yes
auth_mechanisms = plain
auth_failure_delay = 0
ssl = no
mail_location = maildir:~/Maildir
!include {}
",
            std::process::id(),
            auth.display()
        ),
    );
}
