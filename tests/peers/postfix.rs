use super::{PORT_TRIES, Server, as_user, free_tcp_port, open_dir, run, snippet, write};
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::time::Duration;
use tempfile::TempDir;

const PACKAGE: &str = "postfix, postfix-sqlite, postfix-pgsql and postfix-mysql";
const DATABASE: &str = "/var/lib/akund/mail/mail.db";
const TABLES: [&str; 3] = ["domains", "mailboxes", "aliases"];
const MASTER: &str = "/usr/lib/postfix/sbin/master";

/// A Postfix that looks addresses up in akund's mail database.
pub struct Postfix {
    _server: Server,
    dir: TempDir,
    port: u16,
    /// Domains, mailboxes, aliases.
    maps: [String; 3],
}

impl Postfix {
    /// Starts one with the shipped look-up tables.
    pub fn start(database: &Path) -> Self {
        Self::start_on("sqlite", &[(DATABASE, database)])
    }

    /// Starts one with the look-up tables shipped for a server: `pgsql` or `mysql`.
    pub fn start_on_server(kind: &'static str, port: u16, database: &str, password: &str) -> Self {
        let host = format!("127.0.0.1:{port}");
        Self::start_on(
            kind,
            &[("127.0.0.1", Path::new(&host)), ("akund_mail", Path::new(database)), ("CHANGE-ME", Path::new(password))],
        )
    }

    fn start_on(kind: &str, replaced: &[(&str, &Path)]) -> Self {
        let folder = if kind == "sqlite" { String::new() } else { format!("{kind}/") };
        Self::launch(|etc| {
            let maps = TABLES.map(|table| {
                let text = snippet(&format!("postfix/{folder}akund-{table}.cf"), replaced);
                write(&etc.join(format!("akund-{table}.cf")), &text);
                format!("{kind}:{}", etc.join(format!("akund-{table}.cf")).display())
            });
            let settings = format!(
                "virtual_transport = discard:
virtual_mailbox_domains = {}
virtual_mailbox_maps = {}
virtual_alias_maps = {}
",
                maps[0], maps[1], maps[2]
            );
            (maps, settings)
        })
    }

    /// Starts one with the shipped settings for look-up tables in files, `TYPE:FILE` each: domains, mailboxes, aliases.
    pub fn with_maps(maps: [String; 3]) -> Self {
        let shipped = TABLES.map(|table| format!("hash:/var/lib/akund/postfix/{table}"));
        let mut replaced: Vec<(&str, &Path)> =
            shipped.iter().map(String::as_str).zip(maps.iter().map(Path::new)).collect();
        replaced.push(("lmtp:unix:private/dovecot-lmtp", Path::new("discard:")));
        let settings = snippet("postfix/akund-files.cf", &replaced);
        Self::launch(|_| (maps.clone(), settings.clone()))
    }

    fn launch(maps: impl Fn(&Path) -> ([String; 3], String)) -> Self {
        for _ in 0..PORT_TRIES {
            let dir = open_dir();
            let port = free_tcp_port();
            let maps = configure(dir.path(), &maps, port);
            let etc = dir.path().join("etc");
            let checked = run(Command::new("postfix").arg("-c").arg(&etc).arg("check"), PACKAGE);
            assert!(checked.status.success(), "postfix check: {}", String::from_utf8_lossy(&checked.stderr));
            let mut master = Command::new(MASTER);
            master.arg("-d").arg("-c").arg(&etc);
            let mut server = Server::spawn(&mut master, &dir.path().join("stderr"), PACKAGE);
            if server.ready("Postfix to greet", || Dialogue::open(port).is_some()) {
                return Self { _server: server, dir, port, maps };
            }
        }
        panic!("Postfix did not start {PORT_TRIES} times on {PORT_TRIES} free ports");
    }

    /// `postmap -q KEY TYPE:TABLE` as user postfix, without further groups.
    pub fn lookup(&self, table: &str, key: &str) -> Option<String> {
        let etc = self.dir.path().join("etc");
        let map = self.map(table);
        let output = run(as_user("postfix", "postmap").arg("-c").arg(&etc).args(["-q", key, map]), PACKAGE);
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert!(complaint.is_empty(), "postmap -q {key} {map}: {complaint}");
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }

    /// `TYPE:TABLE`, as postmap(1) takes it.
    pub fn map(&self, table: &str) -> &str {
        &self.maps[TABLES.iter().position(|known| *known == table).expect("a table's name")]
    }

    /// Its configuration directory.
    pub fn config(&self) -> std::path::PathBuf {
        self.dir.path().join("etc")
    }

    /// What the running server answers to `RCPT TO`: the reply's code.
    pub fn rcpt(&self, address: &str) -> u16 {
        let mut dialogue = Dialogue::open(self.port).expect("Postfix greets");
        dialogue.say("EHLO client.example.net");
        dialogue.say("MAIL FROM:<sender@example.net>");
        let code = dialogue.say(&format!("RCPT TO:<{address}>"));
        dialogue.say("QUIT");
        code
    }
}

struct Dialogue {
    stream: BufReader<TcpStream>,
}

impl Dialogue {
    fn open(port: u16) -> Option<Self> {
        let stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(60))).ok()?;
        let mut dialogue = Self { stream: BufReader::new(stream) };
        (dialogue.reply()? == 220).then_some(dialogue)
    }

    fn reply(&mut self) -> Option<u16> {
        loop {
            let mut line = String::new();
            self.stream.read_line(&mut line).ok()?;
            if line.as_bytes().get(3) != Some(&b'-') {
                return line.get(..3)?.parse().ok();
            }
        }
    }

    fn say(&mut self, line: &str) -> u16 {
        self.stream.get_mut().write_all(format!("{line}\r\n").as_bytes()).expect("talking to Postfix");
        self.reply().unwrap_or_else(|| panic!("Postfix did not answer {line:?}"))
    }
}

fn configure(dir: &Path, maps: &impl Fn(&Path) -> ([String; 3], String), port: u16) -> [String; 3] {
    let etc = dir.join("etc");
    fs::create_dir(&etc).expect("making a directory");
    for sub in ["spool", "lib", "log"] {
        fs::create_dir(dir.join(sub)).expect("making a directory");
    }
    let postfix = nix::unistd::User::from_name("postfix")
        .expect("looking up a user")
        .unwrap_or_else(|| panic!("the user postfix is missing: install {PACKAGE}"));
    nix::unistd::chown(&dir.join("lib"), Some(postfix.uid), Some(postfix.gid)).expect("giving a directory to postfix");
    let (maps, settings) = maps(&etc);
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
default_transport = error:no mail leaves this test
{settings}
smtpd_relay_restrictions = reject_unauth_destination
smtpd_recipient_restrictions = reject_unlisted_recipient
smtpd_reject_unlisted_recipient = yes
"
        ),
    );
    // Postfix's programs wait until a main.cf that was just written is two seconds old.
    let main_cf = fs::File::open(etc.join("main.cf")).expect("opening main.cf");
    main_cf.set_modified(std::time::UNIX_EPOCH).expect("setting the time of main.cf");
    let mut master = format!("127.0.0.1:{port} inet n - n - - smtpd\n");
    for (service, kind, private, wake, limit, program) in [
        ("cleanup", "unix", "n", "-", "0", "cleanup"),
        ("qmgr", "unix", "n", "300", "1", "qmgr"),
        ("rewrite", "unix", "-", "-", "-", "trivial-rewrite"),
        ("bounce", "unix", "-", "-", "0", "bounce"),
        ("proxymap", "unix", "-", "-", "-", "proxymap"),
        ("anvil", "unix", "-", "-", "1", "anvil"),
        ("error", "unix", "-", "-", "-", "error"),
        ("discard", "unix", "-", "-", "-", "discard"),
        ("postlog", "unix-dgram", "n", "-", "1", "postlogd"),
    ] {
        master.push_str(&format!("{service} {kind} {private} - n {wake} {limit} {program}\n"));
    }
    write(&etc.join("master.cf"), &master);
    maps
}
