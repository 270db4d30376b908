use super::{Server, free_tcp_port, open_dir, run, snippet, write};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::time::Duration;
use tempfile::TempDir;

const PACKAGE: &str = "dovecot-core, dovecot-sqlite, dovecot-pgsql and dovecot-mysql";
const DATABASE: &str = "/var/lib/akund/mail/mail.db";
const PASSWD: &str = "/var/lib/akund/dovecot/passwd";
const QUERIES: &str = "/etc/dovecot/akund-sql.conf.ext";

/// A Dovecot that knows akund's mail accounts.
pub struct Dovecot {
    _server: Server,
    dir: TempDir,
    /// Its port, if it serves IMAP.
    imap: Option<u16>,
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
        let queries = dir.path().join("akund-sql.conf.ext");
        write(&queries, &snippet(&format!("dovecot/akund-{kind}.conf.ext"), replaced));
        Self::launch(dir, &snippet("dovecot/auth-akund.conf.ext", &[(QUERIES, &queries)]))
    }

    /// Starts one with the shipped passwd-file databases.
    pub fn with_passwd(passwd: &Path) -> Self {
        let databases = snippet("dovecot/auth-akund-files.conf.ext", &[(PASSWD, passwd)]);
        let port = free_tcp_port();
        let imap = format!(
            "protocols = imap
disable_plaintext_auth = no
first_valid_uid = 5000
service imap-login {{
  inet_listener imap {{
    address = 127.0.0.1
    port = {port}
  }}
  inet_listener imaps {{
    port = 0
  }}
}}
service stats {{
  unix_listener stats-writer {{
    mode = 0666
  }}
}}
"
        );
        Self { imap: Some(port), ..Self::launch(open_dir(), &(imap + &databases)) }
    }

    /// Logs in by IMAP and opens the inbox; what the server said to what failed, if anything did.
    pub fn imap(&self, user: &str, password: &str) -> Result<(), String> {
        let port = self.imap.expect("a Dovecot that serves IMAP");
        let stream = TcpStream::connect(("127.0.0.1", port)).expect("connecting to Dovecot");
        stream.set_read_timeout(Some(Duration::from_secs(60))).expect("setting a time-out");
        let mut lines = BufReader::new(stream);
        for (tag, command) in [("*", ""), ("a", &format!("a LOGIN {user} {password}\r\n")), ("b", "b SELECT INBOX\r\n")]
        {
            lines.get_mut().write_all(command.as_bytes()).expect("talking to Dovecot");
            let answer = loop {
                let mut line = String::new();
                lines.read_line(&mut line).expect("an answer of Dovecot's");
                assert!(!line.is_empty(), "Dovecot hung up");
                if let Some(answer) = line.strip_prefix(tag).and_then(|rest| rest.strip_prefix(' ')) {
                    break answer.to_owned();
                }
            };
            if !answer.starts_with("OK") {
                return Err(answer);
            }
        }
        Ok(())
    }

    fn launch(dir: TempDir, auth: &str) -> Self {
        configure(dir.path(), auth);
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
        Self { _server: server, dir, imap: None }
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

    /// Its configuration file.
    pub fn config(&self) -> std::path::PathBuf {
        self.dir.path().join("dovecot.conf")
    }

    fn doveadm(&self, arguments: &[&str]) -> std::process::Output {
        run(Command::new("doveadm").arg("-c").arg(self.config()).args(arguments), PACKAGE)
    }
}

fn configure(dir: &Path, databases: &str) {
    let auth = dir.join("auth-akund.conf.ext");
    write(&auth, databases);
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
