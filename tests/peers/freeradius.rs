use super::{PORT_TRIES, Server, free_udp_port, open_dir, run, snippet, write};
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use tempfile::TempDir;

const PACKAGE: &str = "freeradius, freeradius-utils, freeradius-postgresql and freeradius-mysql";
const DATABASE: &str = "/var/lib/akund/radius/radius.db";
const SECRET: &str = "testing123";

/// A FreeRADIUS, running as freerad, that knows akund's hotspot accounts.
pub struct FreeRadius {
    _server: Server,
    dir: TempDir,
    port: u16,
    accounting_port: u16,
}

/// How a password is shown to the server.
#[derive(Debug, Clone, Copy)]
pub enum Method {
    Pap,
    MsChap,
}

impl FreeRadius {
    /// Starts one with the shipped module, in a time zone.
    pub fn start(database: &Path, time_zone: &str) -> Self {
        Self::start_on("akund", "akund_sessions", &[(DATABASE, database)], time_zone)
    }

    /// Starts one with the module shipped for a server: `postgresql` or `mysql`.
    pub fn start_on_server(kind: &str, port: u16, database: &str, password: &str) -> Self {
        let usual = if kind == "postgresql" { "port = 5432" } else { "port = 3306" };
        let port = format!("port = {port}");
        let replaced =
            [(usual, Path::new(&port)), ("akund_radius", Path::new(database)), ("CHANGE-ME", Path::new(password))];
        Self::start_on(&format!("akund-{kind}"), "akund", &replaced, "UTC")
    }

    fn start_on(module: &str, sessions: &str, replaced: &[(&str, &Path)], time_zone: &str) -> Self {
        for _ in 0..PORT_TRIES {
            let dir = open_dir();
            let (port, accounting_port) = (free_udp_port(), free_udp_port());
            configure(dir.path(), &snippet(&format!("freeradius/{module}"), replaced), sessions, port, accounting_port);
            let mut command = Command::new("/usr/sbin/freeradius");
            command.args(["-f", "-n", "radiusd", "-d"]).arg(dir.path().join("etc")).env("TZ", time_zone);
            let mut server = Server::spawn(&mut command, &dir.path().join("stdout"), PACKAGE);
            if server.ready("FreeRADIUS to answer", || status(port)) {
                return Self { _server: server, dir, port, accounting_port };
            }
            let log = fs::read_to_string(dir.path().join("log/radius.log")).unwrap_or_default();
            assert!(log.contains("Address already in use"), "FreeRADIUS did not start: {log}");
        }
        panic!("FreeRADIUS did not start {PORT_TRIES} times on {PORT_TRIES} free ports");
    }

    /// `radtest`: the answer's attributes when the user gets in, nothing when refused. A server that cannot read its
    /// database refuses as well: ask for a user that gets in first.
    pub fn login(&self, method: Method, user: &str, password: &str) -> Option<String> {
        let kind = match method {
            Method::Pap => "pap",
            Method::MsChap => "mschap",
        };
        let server = format!("127.0.0.1:{}", self.port);
        let output = run(Command::new("radtest").args(["-t", kind, user, password, &server, "0", SECRET]), PACKAGE);
        let answer = String::from_utf8_lossy(&output.stdout).into_owned();
        if answer.contains("Received Access-Accept") {
            return Some(answer);
        }
        assert!(answer.contains("Received Access-Reject"), "radtest: {answer}");
        None
    }

    /// Reports the start of a session; whether the server took it.
    pub fn session_starts(&self, user: &str) -> bool {
        let request = format!(
            "User-Name = \"{user}\"\nAcct-Status-Type = Start\nAcct-Session-Id = \"0001\"\nNAS-IP-Address = 127.0.0.1\nNAS-Port = 0\n"
        );
        radclient(self.accounting_port, "acct", &request).contains("Received Accounting-Response")
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        let log = fs::read_to_string(self.dir.path().join("log/radius.log")).unwrap_or_default();
        log.lines().filter(|l| l.contains("Error") || l.contains("Warning")).collect::<Vec<_>>().join("\n")
    }
}

fn status(port: u16) -> bool {
    radclient(port, "status", "Message-Authenticator = 0x00\n").contains("Received Access-Accept")
}

fn radclient(port: u16, what: &str, request: &str) -> String {
    let mut child = Command::new("radclient")
        .args(["-x", "-r", "1", "-t", "2", &format!("127.0.0.1:{port}"), what, SECRET])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap_or_else(|e| panic!("radclient cannot be run ({e}): install {PACKAGE}"));
    child.stdin.take().expect("radclient's input").write_all(request.as_bytes()).expect("writing to radclient");
    String::from_utf8_lossy(&child.wait_with_output().expect("radclient ends").stdout).into_owned()
}

fn configure(dir: &Path, module: &str, sessions: &str, port: u16, accounting_port: u16) {
    let freerad = nix::unistd::User::from_name("freerad")
        .expect("looking up a user")
        .unwrap_or_else(|| panic!("the user freerad is missing: install {PACKAGE}"));
    for sub in ["etc", "log", "run", "data"] {
        fs::create_dir(dir.join(sub)).expect("making a directory");
        nix::unistd::chown(&dir.join(sub), Some(freerad.uid), Some(freerad.gid))
            .expect("giving a directory to freerad");
    }
    write(&dir.join("etc/akund"), module);
    let r = dir.display();
    let shipped = "/etc/freeradius/3.0";
    write(
        &dir.join("etc/radiusd.conf"),
        &format!(
            "prefix = /usr
name = radiusd
confdir = {r}/etc
modconfdir = {shipped}/mods-config
logdir = {r}/log
radacctdir = {r}/data
run_dir = {r}/run
libdir = /usr/lib/freeradius
pidfile = {r}/run/radiusd.pid
log {{
	destination = files
	file = {r}/log/radius.log
}}
security {{
	user = freerad
	group = freerad
	allow_core_dumps = no
	max_attributes = 200
	reject_delay = 0
	status_server = yes
}}
proxy_requests = no
thread pool {{
	start_servers = 2
	max_servers = 4
	min_spare_servers = 1
	max_spare_servers = 2
}}
client localhost {{
	ipaddr = 127.0.0.1
	secret = {SECRET}
	require_message_authenticator = no
}}
modules {{
	$INCLUDE {shipped}/mods-available/pap
	$INCLUDE {shipped}/mods-available/chap
	$INCLUDE {shipped}/mods-available/expiration
	$INCLUDE {shipped}/mods-available/logintime
	$INCLUDE {shipped}/mods-available/expr
	$INCLUDE {shipped}/mods-available/always
	mschap {{
	}}
	$INCLUDE {r}/etc/akund
}}
policy {{
	$INCLUDE {shipped}/policy.d/accounting
}}
server default {{
	listen {{
		type = auth
		ipaddr = 127.0.0.1
		port = {port}
	}}
	listen {{
		type = acct
		ipaddr = 127.0.0.1
		port = {accounting_port}
	}}
	authorize {{
		chap
		mschap
		akund
		expiration
		logintime
		pap
	}}
	authenticate {{
		Auth-Type PAP {{
			pap
		}}
		Auth-Type CHAP {{
			chap
		}}
		Auth-Type MS-CHAP {{
			mschap
		}}
	}}
	preacct {{
		acct_unique
	}}
	accounting {{
		{sessions}
	}}
	session {{
		{sessions}
	}}
}}
"
        ),
    );
}
