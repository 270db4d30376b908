use super::{PORT_TRIES, Server, free_udp_port, open_dir, run, snippet, write};
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use tempfile::TempDir;

const PACKAGE: &str = "freeradius, freeradius-utils, freeradius-postgresql and freeradius-mysql";
const DATABASE: &str = "/var/lib/akund/radius/radius.db";
/// Shared with every client.
pub const SECRET: &str = "testing123";

/// A FreeRADIUS, running as freerad, that knows akund's hotspot accounts.
pub struct FreeRadius {
    server: Option<Server>,
    dir: TempDir,
    time_zone: String,
    /// Authentication.
    pub port: u16,
    accounting_port: u16,
    /// Disconnect-Requests (RFC 5176), as a NAS takes them.
    pub nas_port: u16,
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
            let (port, accounting_port, nas_port) = (free_udp_port(), free_udp_port(), free_udp_port());
            let module = snippet(&format!("freeradius/{module}"), replaced);
            configure(dir.path(), &module, sessions, [port, accounting_port, nas_port]);
            let time_zone = time_zone.to_owned();
            let mut radius = Self { server: None, dir, time_zone, port, accounting_port, nas_port };
            if radius.go_on() {
                return radius;
            }
            let log = fs::read_to_string(radius.dir.path().join("log/radius.log")).unwrap_or_default();
            assert!(log.contains("Address already in use"), "FreeRADIUS did not start: {log}");
        }
        panic!("FreeRADIUS did not start {PORT_TRIES} times on {PORT_TRIES} free ports");
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.server.as_ref().expect("a FreeRADIUS that runs").child.id()
    }

    /// Ends the server.
    pub fn stop(&mut self) {
        self.server = None;
    }

    /// Starts it, again on the same ports; whether it came up.
    pub fn go_on(&mut self) -> bool {
        let mut command = Command::new("/usr/sbin/freeradius");
        command.args(["-f", "-n", "radiusd", "-d"]).arg(self.dir.path().join("etc")).env("TZ", &self.time_zone);
        let mut server = Server::spawn(&mut command, &self.dir.path().join("stdout"), PACKAGE);
        let up = server.ready("FreeRADIUS to answer", || status(self.port));
        self.server = Some(server);
        up
    }

    /// The users that it was told to disconnect, as a NAS.
    pub fn disconnected(&self) -> Vec<String> {
        let log = fs::read_to_string(self.dir.path().join("log/disconnected")).unwrap_or_default();
        log.lines().map(str::to_owned).collect()
    }

    /// The users whose sessions it was told to change, as a NAS, with rate and time.
    pub fn changed(&self) -> Vec<String> {
        let log = fs::read_to_string(self.dir.path().join("log/changed")).unwrap_or_default();
        log.lines().map(str::to_owned).collect()
    }

    /// `radtest`: the answer's attributes when the user gets in, nothing when refused. A server that cannot read its
    /// database refuses as well: ask for a user that gets in first.
    pub fn login(&self, method: Method, user: &str, password: &str) -> Option<String> {
        let kind = match method {
            Method::Pap => "pap",
            Method::MsChap => "mschap",
        };
        let output =
            run(Command::new("radtest").args(["-t", kind, user, password, &self.server(), "0", SECRET]), PACKAGE);
        let answer = String::from_utf8_lossy(&output.stdout).into_owned();
        if answer.contains("Received Access-Accept") {
            return Some(answer);
        }
        assert!(answer.contains("Received Access-Reject"), "radtest: {answer}");
        None
    }

    /// Where it answers; its secret is `testing123`.
    pub fn server(&self) -> String {
        format!("127.0.0.1:{}", self.port)
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

fn configure(dir: &Path, module: &str, sessions: &str, [port, accounting_port, nas_port]: [u16; 3]) {
    let freerad = nix::unistd::User::from_name("freerad")
        .expect("looking up a user")
        .unwrap_or_else(|| panic!("the user freerad is missing: install {PACKAGE}"));
    for sub in ["etc", "log", "run", "data"] {
        fs::create_dir(dir.join(sub)).expect("making a directory");
        nix::unistd::chown(&dir.join(sub), Some(freerad.uid), Some(freerad.gid))
            .expect("giving a directory to freerad");
    }
    write(&dir.join("etc/proof"), &snippet("freeradius/akund-proof", &[]));
    write(&dir.join("etc/signed"), &snippet("freeradius/akund-signed", &[]));
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
# As Debian has it. It counts what was answered in the last 5 s, too, and what comes beyond it is dropped in silence.
max_requests = 16384
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
	linelog disconnected {{
		filename = {r}/log/disconnected
		format = \"%{{User-Name}}\"
	}}
	linelog changed {{
		filename = {r}/log/changed
		format = \"%{{User-Name}} %{{Mikrotik-Rate-Limit}} %{{Session-Timeout}}\"
	}}
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
		$INCLUDE {r}/etc/proof
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
	$INCLUDE {r}/etc/signed
}}
server nas {{
	listen {{
		type = coa
		ipaddr = 127.0.0.1
		port = {nas_port}
	}}
	recv-coa {{
		if (&User-Name =~ /^akund-check-/) {{
			update reply {{
				&Error-Cause := Session-Context-Not-Found
			}}
			reject
		}}
		if (&Packet-Type == CoA-Request) {{
			changed
		}}
		else {{
			disconnected
		}}
		ok
	}}
	send-coa {{
		ok
	}}
}}
"
        ),
    );
}
