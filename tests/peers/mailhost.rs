use super::{PORT_TRIES, Server, free_tcp_port, open_dir, run, snippet, write};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use tempfile::TempDir;

const PACKAGES: &str = "postfix, postfix-lmdb, postfix-sqlite, postfix-pgsql, postfix-mysql, dovecot-core, dovecot-imapd, dovecot-lmtpd, \
                        dovecot-sqlite, dovecot-pgsql, dovecot-mysql and swaks";
const DATABASE: &str = "/var/lib/akund/mail/mail.db";
const PASSWD: &str = "/var/lib/akund/dovecot/passwd";
const QUERIES: &str = "/etc/dovecot/akund-sql.conf.ext";
const MASTER: &str = "/usr/lib/postfix/sbin/master";
/// Dovecot's master user, and its password.
pub const MASTER_USER: (&str, &str) = ("akund-prove", "rahasia-penguji");
/// Whose the mail is, in the shipped queries.
const VMAIL: u32 = 5000;
/// Who may hand mail in for other servers, and the password.
pub const SUBMITTER: (&str, &str) = ("akund@mx.example.net", "rahasia-kanal-surel");
/// Keeps a message for another server: the recipient, then the message.
const SINK: &str =
    "#!/bin/sh\nt=$(mktemp \"$1/.XXXXXXXXXX\") && { echo \"$2\"; cat; } >\"$t\" && mv \"$t\" \"$1/m${t##*/.}\"\n";

/// A mail server as an office runs it: Postfix takes mail and hands it to Dovecot by LMTP, and asks Dovecot about passwords;
/// both know the accounts from akund's database.
pub struct MailHost {
    dovecot: Option<Server>,
    _postfix: Server,
    dir: TempDir,
    /// IMAP with STARTTLS.
    pub imap: u16,
    /// IMAP with TLS from the first byte.
    pub imaps: u16,
    /// SMTP.
    pub smtp: u16,
    /// Submission with STARTTLS.
    pub submission: u16,
    /// When its certificate ends, Unix time.
    pub until: i64,
}

/// Where both look accounts up.
enum Lookups<'a> {
    Sql { queries: &'a str, in_queries: &'a [(&'a str, &'a Path)], maps: &'a str, in_maps: &'a [(&'a str, &'a Path)] },
    Files { passwd: &'a Path, maps: [String; 3] },
}

impl Lookups<'_> {
    /// Dovecot's databases, a master user's first.
    fn databases(&self, dir: &Path) -> String {
        let masters = dir.join("masters");
        write(&masters, &format!("{}:{{PLAIN}}{}\n", MASTER_USER.0, MASTER_USER.1));
        let master = snippet("dovecot/auth-akund-master.conf.ext", &[("/etc/dovecot/akund-master", &masters)]);
        master + &self.accounts(dir)
    }

    fn accounts(&self, dir: &Path) -> String {
        match self {
            Self::Sql { queries, in_queries, .. } => {
                let file = dir.join("akund-sql.conf.ext");
                write(&file, &snippet(&format!("dovecot/akund-{queries}.conf.ext"), in_queries));
                snippet("dovecot/auth-akund.conf.ext", &[(QUERIES, &file)])
            }
            Self::Files { passwd, .. } => snippet("dovecot/auth-akund-files.conf.ext", &[(PASSWD, passwd)]),
        }
    }

    /// Postfix's maps for domains, mailboxes and aliases, as `main.cf` names them.
    fn maps(&self, etc: &Path) -> [String; 3] {
        let (kind, replaced) = match self {
            Self::Files { maps, .. } => return maps.clone(),
            Self::Sql { maps, in_maps, .. } => (maps, in_maps),
        };
        let folder = if *kind == "sqlite" { String::new() } else { format!("{kind}/") };
        ["domains", "mailboxes", "aliases"].map(|table| {
            let file = etc.join(format!("akund-{table}.cf"));
            write(&file, &snippet(&format!("postfix/{folder}akund-{table}.cf"), replaced));
            format!("{kind}:{}", file.display())
        })
    }
}

impl MailHost {
    /// Starts both with the look-ups shipped for an SQLite database.
    pub fn start(database: &Path) -> Self {
        let replaced = [(DATABASE, database)];
        Self::start_on(&Lookups::Sql { queries: "sql", in_queries: &replaced, maps: "sqlite", in_maps: &replaced })
    }

    /// Starts both with the look-ups shipped for a server: `pgsql` or `mysql`.
    pub fn start_on_server(kind: &str, port: u16, database: &str, password: &str) -> Self {
        let usual = if kind == "pgsql" { "port=5432" } else { "port=3306" };
        let (host, port) = (format!("127.0.0.1:{port}"), format!("port={port}"));
        let [database, password] = [("akund_mail", Path::new(database)), ("CHANGE-ME", Path::new(password))];
        let in_queries = [(usual, Path::new(&port)), database, password];
        let in_maps = [("127.0.0.1", Path::new(&host)), database, password];
        Self::start_on(&Lookups::Sql { queries: kind, in_queries: &in_queries, maps: kind, in_maps: &in_maps })
    }

    /// Starts both on flat files: Dovecot with the databases shipped for a passwd-file, Postfix with these maps for domains,
    /// mailboxes and aliases.
    pub fn start_on_files(passwd: &Path, maps: [String; 3]) -> Self {
        Self::start_on(&Lookups::Files { passwd, maps })
    }

    fn start_on(lookups: &Lookups<'_>) -> Self {
        for _ in 0..PORT_TRIES {
            let dir = open_dir();
            let ports = [free_tcp_port(), free_tcp_port(), free_tcp_port(), free_tcp_port()];
            let [imap, imaps, smtp, submission] = ports;
            let until = certificates(dir.path());
            configure_dovecot(dir.path(), lookups, imap, imaps);
            configure_postfix(dir.path(), lookups, smtp, submission);
            let Some(dovecot) = start_dovecot(dir.path(), imap) else { continue };
            let Some(postfix) = start_postfix(dir.path(), smtp) else { continue };
            return Self { dovecot: Some(dovecot), _postfix: postfix, dir, imap, imaps, smtp, submission, until };
        }
        panic!("Postfix and Dovecot did not start {PORT_TRIES} times on {PORT_TRIES} free ports");
    }

    /// `doveadm user`: what Dovecot knows of an account (home, quota_rule, …).
    pub fn user(&self, address: &str) -> BTreeMap<String, String> {
        let config = self.dir.path().join("dovecot.conf");
        let output = run(Command::new("doveadm").arg("-c").arg(config).args(["user", address]), PACKAGES);
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        text.lines().filter_map(|l| l.split_once('\t')).map(|(k, v)| (k.to_owned(), v.to_owned())).collect()
    }

    /// The CA of the server's certificate, which is for 127.0.0.1 and localhost.
    pub fn ca_file(&self) -> PathBuf {
        self.dir.path().join("ca.pem")
    }

    /// A home template for accounts whose mail this server can keep.
    pub fn homes(&self) -> String {
        self.dir.path().join("mail/{domain}/{local}").display().to_string()
    }

    /// What went to other servers, in no order: the recipient, and the message with CRLF.
    pub fn sent_away(&self) -> Vec<(String, String)> {
        let files = fs::read_dir(self.dir.path().join("away")).expect("a directory");
        let files = files.map(|entry| entry.expect("an entry").path());
        let whole =
            files.filter(|path| !path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b".")));
        let read = |path: PathBuf| {
            let text = fs::read_to_string(path).expect("a message");
            let (to, message) = text.split_once('\n').expect("a recipient");
            (to.to_owned(), message.replace('\n', "\r\n"))
        };
        whole.map(read).collect()
    }

    /// From now on Postfix refuses a recipient.
    pub fn refuse(&self, address: &str) {
        self.refused().execute("INSERT INTO refused VALUES (?1)", [address]).expect("a row");
    }

    /// From now on Postfix takes the recipient.
    pub fn take_again(&self, address: &str) {
        self.refused().execute("DELETE FROM refused WHERE address = ?1", [address]).expect("a row");
    }

    fn refused(&self) -> rusqlite::Connection {
        refused(self.dir.path())
    }

    /// The process that all of Dovecot's are below.
    pub fn dovecot_pid(&self) -> u32 {
        self.dovecot.as_ref().expect("a Dovecot that runs").child.id()
    }

    /// Ends Dovecot; Postfix goes on.
    pub fn stop_dovecot(&mut self) {
        self.dovecot = None;
    }

    /// Starts Dovecot again on the same ports.
    pub fn start_dovecot(&mut self) {
        self.dovecot = Some(start_dovecot(self.dir.path(), self.imap).expect("Dovecot comes up again"));
    }

    /// Hands a message in by SMTP, as a stranger; whether Postfix took it.
    pub fn deliver(&self, to: &str, subject: &str) -> bool {
        let subject = format!("Subject: {subject}");
        let output = run(
            Command::new("swaks")
                .args(["--server", "127.0.0.1", "--port", &self.smtp.to_string(), "--from", "stranger@example.net"])
                .args(["--helo", "client.example.net", "--to", to, "--header", &subject, "--body", "Isi pesan."]),
            PACKAGES,
        );
        output.status.success()
    }

    /// What both have logged, for a test that fails.
    pub fn log(&self) -> String {
        let read = |name: &str| fs::read_to_string(self.dir.path().join(name)).unwrap_or_default();
        format!("{}\n{}", read("dovecot.log"), read("log/mail"))
    }
}

/// The recipients that Postfix refuses.
fn refused(dir: &Path) -> rusqlite::Connection {
    let database = rusqlite::Connection::open(dir.join("refused.db")).expect("a database");
    database.busy_timeout(Duration::from_secs(60)).expect("a time limit");
    database.execute_batch("CREATE TABLE IF NOT EXISTS refused (address TEXT)").expect("a table");
    database
}

fn greets(port: u16, greeting: &str) -> bool {
    let Ok(stream) = TcpStream::connect(("127.0.0.1", port)) else { return false };
    let mut line = String::new();
    stream.set_read_timeout(Some(Duration::from_secs(60))).is_ok()
        && BufReader::new(stream).read_line(&mut line).is_ok()
        && line.starts_with(greeting)
}

fn start_dovecot(dir: &Path, imap: u16) -> Option<Server> {
    let mut command = Command::new("/usr/sbin/dovecot");
    command.arg("-F").arg("-c").arg(dir.join("dovecot.conf"));
    let mut server = Server::spawn(&mut command, &dir.join("dovecot.stderr"), PACKAGES);
    server.ready("Dovecot to greet", || greets(imap, "* OK")).then_some(server)
}

fn start_postfix(dir: &Path, smtp: u16) -> Option<Server> {
    let etc = dir.join("etc");
    let checked = run(Command::new("postfix").arg("-c").arg(&etc).arg("check"), PACKAGES);
    assert!(checked.status.success(), "postfix check: {}", String::from_utf8_lossy(&checked.stderr));
    let mut master = Command::new(MASTER);
    master.arg("-d").arg("-c").arg(&etc);
    let mut server = Server::spawn(&mut master, &dir.join("postfix.stderr"), PACKAGES);
    server.ready("Postfix to greet", || greets(smtp, "220")).then_some(server)
}

/// A CA and a certificate that ends the day after tomorrow; when that is, Unix time.
fn certificates(dir: &Path) -> i64 {
    let mut params = CertificateParams::new(Vec::<String>::new()).expect("parameters of a CA");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca = CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("a CA");
    let key = KeyPair::generate().expect("a key");
    let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
    let mut params = CertificateParams::new(names).expect("parameters");
    let end = (jiff::Timestamp::now() + jiff::SignedDuration::from_hours(48)).to_zoned(jiff::tz::TimeZone::UTC).date();
    params.not_after = rcgen::date_time_ymd(end.year().into(), end.month().unsigned_abs(), end.day().unsigned_abs());
    let leaf = params.signed_by(&key, &ca).expect("a certificate");
    write(&dir.join("ca.pem"), &ca.pem());
    write(&dir.join("server.pem"), &leaf.pem());
    write(&dir.join("server.key"), &key.serialize_pem());
    end.to_zoned(jiff::tz::TimeZone::UTC).expect("midnight").timestamp().as_second()
}

/// The penalty for refused logins would keep tests with many of them waiting (config/integration/dovecot).
fn configure_dovecot(dir: &Path, lookups: &Lookups<'_>, imap: u16, imaps: u16) {
    let auth = dir.join("auth-akund.conf.ext");
    write(&auth, &lookups.databases(dir));
    fs::create_dir(dir.join("mail")).expect("making a directory");
    std::os::unix::fs::chown(dir.join("mail"), Some(VMAIL), Some(VMAIL)).expect("giving a directory away");
    let (r, auth) = (dir.display(), auth.display());
    write(
        &dir.join("dovecot.conf"),
        &format!(
            "base_dir = {r}/base
state_dir = {r}/state
instance_name = akund-test-{imap}
listen = 127.0.0.1
protocols = imap lmtp
log_path = {r}/dovecot.log
auth_verbose = yes
auth_mechanisms = plain login
service anvil {{
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
ssl = yes
ssl_cert = <{r}/server.pem
ssl_key = <{r}/server.key
mail_location = maildir:~/Maildir
first_valid_uid = {VMAIL}
service imap-login {{
  inet_listener imap {{
    port = {imap}
  }}
  inet_listener imaps {{
    port = {imaps}
    ssl = yes
  }}
}}
service lmtp {{
  unix_listener lmtp {{
    mode = 0666
  }}
}}
service auth {{
  unix_listener auth-postfix {{
    mode = 0666
  }}
}}
service stats {{
  unix_listener stats-writer {{
    mode = 0666
  }}
}}
!include {auth}
passdb {{
  driver = passwd-file
  args = {r}/submitters
}}
"
        ),
    );
}

fn configure_postfix(dir: &Path, lookups: &Lookups<'_>, smtp: u16, submission: u16) {
    let etc = dir.join("etc");
    for sub in ["etc", "spool", "lib", "log"] {
        fs::create_dir(dir.join(sub)).expect("making a directory");
    }
    let postfix = nix::unistd::User::from_name("postfix")
        .expect("looking up a user")
        .unwrap_or_else(|| panic!("the user postfix is missing: install {PACKAGES}"));
    nix::unistd::chown(&dir.join("lib"), Some(postfix.uid), Some(postfix.gid)).expect("giving a directory to postfix");
    let [domains, mailboxes, aliases] = lookups.maps(&etc);
    let (r, e) = (dir.display(), etc.display());
    write(
        &etc.join("main.cf"),
        &format!(
            "compatibility_level = 3.6
config_directory = {e}
queue_directory = {r}/spool
data_directory = {r}/lib
maillog_file = {r}/log/mail
maillog_file_prefixes = {r}
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
myhostname = mx.example.net
mydestination =
alias_maps =
alias_database =
local_recipient_maps =
smtp_dns_support_level = disabled
default_transport = away
away_destination_recipient_limit = 1
virtual_transport = lmtp:unix:{r}/base/lmtp
virtual_mailbox_domains = {domains}
virtual_mailbox_maps = {mailboxes}
virtual_alias_maps = {aliases}
smtpd_relay_restrictions = permit_sasl_authenticated, reject_unauth_destination
smtpd_recipient_restrictions = check_recipient_access sqlite:{e}/refused.cf, permit_sasl_authenticated, reject_unlisted_recipient
smtpd_sasl_type = dovecot
smtpd_sasl_path = {r}/base/auth-postfix
smtpd_tls_cert_file = {r}/server.pem
smtpd_tls_key_file = {r}/server.key
smtpd_tls_security_level = may
smtpd_tls_session_cache_database =
smtp_tls_session_cache_database =
"
        ),
    );
    let query = "SELECT '550 5.1.1 no such mailbox' FROM refused WHERE address = '%s'";
    write(&etc.join("refused.cf"), &format!("dbpath = {r}/refused.db\nquery = {query}\n"));
    write(&dir.join("submitters"), &format!("{}:{{PLAIN}}{}\n", SUBMITTER.0, SUBMITTER.1));
    write(&dir.join("sink"), SINK);
    fs::set_permissions(dir.join("sink"), fs::Permissions::from_mode(0o755)).expect("making a program");
    fs::create_dir(dir.join("away")).expect("making a directory");
    let nobody = nix::unistd::User::from_name("nobody").expect("looking up a user").expect("the user nobody");
    nix::unistd::chown(&dir.join("away"), Some(nobody.uid), None).expect("giving a directory away");
    drop(refused(dir));
    let mut master = format!(
        "away unix - n n - - pipe\n  user=nobody argv={r}/sink {r}/away ${{recipient}}\n127.0.0.1:{smtp} inet n - n - - smtpd\n127.0.0.1:{submission} inet n - n - - smtpd\n  \
         -o smtpd_tls_security_level=encrypt -o smtpd_sasl_auth_enable=yes\n"
    );
    for (service, kind, private, wake, limit, program) in [
        ("cleanup", "unix", "n", "-", "0", "cleanup"),
        ("qmgr", "unix", "n", "300", "1", "qmgr"),
        ("rewrite", "unix", "-", "-", "-", "trivial-rewrite"),
        ("bounce", "unix", "-", "-", "0", "bounce"),
        ("defer", "unix", "-", "-", "0", "bounce"),
        ("proxymap", "unix", "-", "-", "-", "proxymap"),
        ("anvil", "unix", "-", "-", "1", "anvil"),
        ("error", "unix", "-", "-", "-", "error"),
        ("retry", "unix", "-", "-", "-", "error"),
        ("lmtp", "unix", "-", "-", "-", "lmtp"),
        ("tlsmgr", "unix", "-", "1000?", "1", "tlsmgr"),
        ("postlog", "unix-dgram", "n", "-", "1", "postlogd"),
    ] {
        master.push_str(&format!("{service} {kind} {private} - n {wake} {limit} {program}\n"));
    }
    write(&etc.join("master.cf"), &master);
}
