use super::{PORT_TRIES, Server, free_tcp_port, open_dir, run, write};
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use tempfile::TempDir;

const PACKAGES: &str = "kannel, kannel-extras and gcc";
const FAKE_SMSC: &str = "/usr/lib/kannel/test/fakesmsc";
/// Holds what listens on all addresses (Kannel's fake SMS centre) on loopback.
const HOLD: &str = r#"#define _GNU_SOURCE
#include <dlfcn.h>
#include <netinet/in.h>
#include <sys/socket.h>
int bind(int fd, const struct sockaddr *to, socklen_t length) {
    static int (*real)(int, const struct sockaddr *, socklen_t);
    struct sockaddr_in held;
    if (!real) real = dlsym(RTLD_NEXT, "bind");
    if (!to || to->sa_family != AF_INET) return real(fd, to, length);
    held = *(const struct sockaddr_in *)to;
    if (held.sin_addr.s_addr == htonl(INADDR_ANY)) held.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return real(fd, (struct sockaddr *)&held, sizeof held);
}
"#;

/// Kannel with its fake SMS centre, whose phone shows what it gets.
pub struct Kannel {
    smsbox: Server,
    bearerbox: Server,
    smsc: Option<(Server, OwnedFd)>,
    dir: TempDir,
    smsc_port: u16,
    admin: u16,
    /// Where sendsms listens.
    pub port: u16,
}

/// A user of sendsms, and the password.
pub const USER: (&str, &str) = ("akund", "rahasia-kannel");

impl Kannel {
    /// Starts all three.
    pub fn start() -> Self {
        for _ in 0..PORT_TRIES {
            let dir = open_dir();
            let [admin, box_port, port, smsc_port] = std::array::from_fn(|_| free_tcp_port());
            write(&dir.path().join("kannel.conf"), &config(dir.path(), [admin, box_port, port, smsc_port]));
            let hold = hold(dir.path());
            let Some(bearerbox) = start(dir.path(), "/usr/sbin/bearerbox", Some(&hold), box_port) else { continue };
            let Some(smsbox) = start(dir.path(), "/usr/sbin/smsbox", None, port) else { continue };
            let mut kannel = Self { smsbox, bearerbox, smsc: None, dir, smsc_port, admin, port };
            kannel.connect_smsc();
            return kannel;
        }
        panic!("Kannel did not start {PORT_TRIES} times on {PORT_TRIES} groups of free ports");
    }

    /// The address of sendsms.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/cgi-bin/sendsms", self.port)
    }

    /// Brings the SMS centre up, and waits until Kannel says that it is.
    pub fn connect_smsc(&mut self) {
        // It ends when its input does: the pipe's other end is held here.
        let (input, held) = nix::unistd::pipe().expect("a pipe");
        let log = fs::OpenOptions::new().create(true).append(true).open(self.phone()).expect("a log file");
        let child = Command::new(FAKE_SMSC)
            .args(["-H", "127.0.0.1", "-r", &self.smsc_port.to_string(), "-m", "0", "-v", "0"])
            .stdin(Stdio::from(input))
            .stdout(log.try_clone().expect("a second handle"))
            .stderr(log)
            .spawn()
            .unwrap_or_else(|e| panic!("{FAKE_SMSC} cannot be started ({e}): install {PACKAGES}"));
        self.smsc = Some((Server { child }, held));
        super::wait_for("Kannel to have its SMS centre", || self.status().contains("online"));
    }

    /// Takes the SMS centre away.
    pub fn lose_smsc(&mut self) {
        self.smsc = None;
        super::wait_for("Kannel to miss its SMS centre", || !self.status().contains("online"));
    }

    fn status(&self) -> String {
        get(self.admin, "/status.txt?password=admin")
    }

    fn phone(&self) -> PathBuf {
        self.dir.path().join("phone")
    }

    /// What the SMS centre has received: the number and the text, one for each part.
    pub fn received(&self) -> Vec<(String, String)> {
        let log = fs::read_to_string(self.phone()).unwrap_or_default();
        log.lines()
            .filter_map(|line| line.split_once("Got message ")?.1.split_once('<'))
            .filter_map(|(_, m)| part(m))
            .collect()
    }

    /// Kannel's logs, for a test that fails.
    pub fn log(&self) -> String {
        ["bearerbox.log", "smsbox.log"]
            .map(|name| fs::read_to_string(self.dir.path().join(name)).unwrap_or_default())
            .concat()
    }
}

/// `SENDER NUMBER text TEXT>` or `SENDER NUMBER udh HEADER data TEXT>`, the latter encoded.
fn part(message: &str) -> Option<(String, String)> {
    let message = message.strip_suffix('>')?;
    let mut words = message.split(' ');
    let number = words.nth(1)?.to_owned();
    if let Some((_, text)) = message.split_once(" data ") {
        let spaces = text.replace('+', " ");
        return Some((number, percent_encoding::percent_decode_str(&spaces).decode_utf8_lossy().into_owned()));
    }
    message.split_once(" text ").map(|(_, text)| (number, text.to_owned()))
}

/// The body that a GET gives.
fn get(port: u16, path: &str) -> String {
    let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)) else { return String::new() };
    let request = format!("GET {path} HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n");
    let mut answer = String::new();
    let read = stream.write_all(request.as_bytes()).and_then(|()| stream.read_to_string(&mut answer));
    if read.is_ok() { answer } else { String::new() }
}

fn hold(dir: &Path) -> PathBuf {
    let (source, library) = (dir.join("hold.c"), dir.join("hold.so"));
    write(&source, HOLD);
    let built =
        run(Command::new("gcc").args(["-shared", "-fPIC", "-o"]).arg(&library).arg(&source).arg("-ldl"), PACKAGES);
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    library
}

fn start(dir: &Path, program: &str, preload: Option<&Path>, port: u16) -> Option<Server> {
    let mut command = Command::new(program);
    command.args(["-v", "4"]).arg(dir.join("kannel.conf")).current_dir(dir);
    if let Some(library) = preload {
        command.env("LD_PRELOAD", library);
    }
    let name = Path::new(program).file_name().and_then(|n| n.to_str()).unwrap_or("kannel");
    let mut server = Server::spawn(&mut command, &dir.join(format!("{name}.out")), PACKAGES);
    server.ready(program, || TcpStream::connect(("127.0.0.1", port)).is_ok()).then_some(server)
}

fn config(dir: &Path, [admin, box_port, port, smsc]: [u16; 4]) -> String {
    let r = dir.display();
    let (user, password) = USER;
    format!(
        "group = core
admin-port = {admin}
admin-interface = 127.0.0.1
admin-password = admin
smsbox-port = {box_port}
smsbox-interface = 127.0.0.1
box-deny-ip = \"*.*.*.*\"
box-allow-ip = \"127.0.0.1\"
log-file = {r}/bearerbox.log
log-level = 0
access-log = {r}/access.log
store-type = file
store-location = {r}/store
dlr-storage = internal

group = smsc
smsc = fake
smsc-id = FAKE
port = {smsc}
connect-allow-ip = 127.0.0.1
denied-prefix = \"+62899;62899\"

group = smsbox
bearerbox-host = 127.0.0.1
bearerbox-port = {box_port}
sendsms-port = {port}
sendsms-interface = 127.0.0.1
log-file = {r}/smsbox.log
log-level = 0
access-log = {r}/smsbox-access.log
global-sender = 1234

group = sendsms-user
username = {user}
password = {password}
concatenation = true
max-messages = 5
user-deny-ip = \"*.*.*.*\"
user-allow-ip = \"127.0.0.1\"
black-list-regex = \"^[+]?62813\"

group = sms-service
keyword = default
text = \"ok\"
"
    )
}
