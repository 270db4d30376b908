//! Real servers as private processes: in a temporary directory, on free loopback ports, stopped by process id when dropped.
//! A server that is not installed fails the test.
#![allow(dead_code, unused_imports, reason = "each test program asks some of them only")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a bench that uses one is no test to clippy")]

mod authority;
mod dovecot;
mod ds389;
mod freeradius;
mod gammu;
mod guard;
mod kannel;
mod ldap_clients;
mod mailhost;
mod mariadb;
mod postfix;
mod postgres;
mod rabbitmq;
mod samba;
mod slapd;

pub use authority::Authority;
pub use dovecot::Dovecot;
pub use ds389::Ds389;
pub use freeradius::{FreeRadius, Method, SECRET};
pub use gammu::{Gammu, tables as gammu_tables};
pub use kannel::{Kannel, USER as KANNEL_USER};
pub use ldap_clients::{logs_in, modify, search};
pub use mailhost::{MASTER_USER, MailHost, SUBMITTER};
pub use mariadb::MariaDb;
pub use postfix::Postfix;
pub use postgres::Postgres;
pub use rabbitmq::{BROKER_PASSWORD, RabbitMq};
pub use samba::Samba;
pub use slapd::Slapd;

use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;
use std::fs;
use std::hash::{BuildHasher, Hasher};
use std::net::{TcpListener, UdpSocket};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// How often a server is started again because somebody else took its port in the meantime.
const PORT_TRIES: usize = 5;

/// A temporary directory that other users can pass through.
pub fn open_dir() -> TempDir {
    let dir = TempDir::new().expect("a temporary directory");
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755))
        .expect("opening the temporary directory to others");
    dir
}

/// A directory as the integration notes want it: group's readers may pass, files inherit the group.
pub fn setgid_dir(parent: &Path, name: &str, group: &str) -> PathBuf {
    let dir = parent.join(name);
    fs::create_dir(&dir).expect("making a directory");
    let gid = nix::unistd::Group::from_name(group)
        .expect("looking up a group")
        .unwrap_or_else(|| panic!("the group {group} is missing: install the package of the server that it belongs to"))
        .gid;
    nix::unistd::chown(&dir, None, Some(gid))
        .expect("giving a directory to a group (the tests with real servers run as root)");
    fs::set_permissions(&dir, fs::Permissions::from_mode(0o2750)).expect("setting a directory's mode");
    dir
}

/// A shipped snippet as it is.
pub fn shipped(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/integration").join(name);
    fs::read_to_string(&path).unwrap_or_else(|e| panic!("reading {}: {e}", path.display()))
}

/// A shipped snippet, with its paths replaced.
fn snippet(name: &str, paths: &[(&str, &Path)]) -> String {
    let mut text = shipped(name);
    for (from, to) in paths {
        assert!(text.contains(from), "{name} does not mention {from}");
        text = text.replace(from, to.to_str().expect("a path in UTF-8"));
    }
    text
}

fn write(path: &Path, text: &str) {
    fs::write(path, text).unwrap_or_else(|e| panic!("writing {}: {e}", path.display()));
}

/// Runs a program to its end; one that is missing fails the test with what to install.
fn run(command: &mut Command, package: &str) -> Output {
    let program = command.get_program().to_owned();
    command.stdin(Stdio::null()).output().unwrap_or_else(|e| {
        panic!("{} cannot be run ({e}): install {package}", program.to_string_lossy());
    })
}

/// Runs a program as an unprivileged user with that user's own group only.
fn as_user(user: &str, program: &str) -> Command {
    let mut command = Command::new("setpriv");
    command.args([&format!("--reuid={user}"), &format!("--regid={user}"), "--clear-groups", "--", program]);
    command
}

/// How long a condition may take on a busy machine.
const LONGEST: Duration = Duration::from_secs(120);

/// Waits until a condition holds; says what it was when it does not come true.
pub fn wait_for(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < LONGEST, "waited {LONGEST:?} for: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn free_tcp_port() -> u16 {
    free_port(|port| TcpListener::bind(("127.0.0.1", port)).is_ok())
}

fn free_udp_port() -> u16 {
    free_port(|port| UdpSocket::bind(("127.0.0.1", port)).is_ok())
}

/// A port below those that the kernel gives to clients (ip(7), `ip_local_port_range`): until the server has bound it, only
/// another test could take it, and hardly will.
fn free_port(is_free: impl Fn(u16) -> bool) -> u16 {
    const PORTS: std::ops::Range<u16> = 10_240..32_000;
    let mut random = std::hash::RandomState::new().build_hasher();
    let tries = std::iter::repeat_with(|| {
        random.write_u8(0);
        PORTS.start + (random.finish() % u64::from(PORTS.end - PORTS.start)) as u16
    });
    tries.take(1000).find(|port| is_free(*port)).expect("a free port")
}

/// A server process with all that it started; they share a process group of their own.
struct Server {
    child: Child,
}

impl Server {
    fn spawn(command: &mut Command, log: &Path, package: &str) -> Self {
        let log = fs::File::create(log).expect("making a log file");
        let copy = log.try_clone().expect("a second handle of a log file");
        let program = command.get_program().to_owned();
        let child = command
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(copy)
            .spawn()
            .unwrap_or_else(|e| panic!("{} cannot be started ({e}): install {package}", program.to_string_lossy()));
        Self { child }
    }

    /// Sends it a signal.
    fn signal(&self, signal: Signal) {
        if let Ok(pid) = i32::try_from(self.child.id()) {
            let _ = kill(Pid::from_raw(pid), signal);
        }
    }

    /// Whether it has ended by itself.
    fn ended(&mut self) -> bool {
        self.child.try_wait().expect("asking for a server's state").is_some()
    }

    /// Waits until it answers. `false` when it ended before it did.
    fn ready(&mut self, what: &str, mut answers: impl FnMut() -> bool) -> bool {
        let mut ended = false;
        wait_for(what, || {
            ended = self.ended();
            ended || answers()
        });
        !ended
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let Ok(pid) = i32::try_from(self.child.id()).map(Pid::from_raw) else { return };
        if !matches!(self.child.try_wait(), Ok(Some(_))) {
            let _ = kill(pid, Signal::SIGTERM);
            let start = Instant::now();
            while matches!(self.child.try_wait(), Ok(None)) && start.elapsed() < Duration::from_secs(5) {
                std::thread::sleep(Duration::from_millis(10));
            }
        }
        let _ = killpg(pid, Signal::SIGKILL);
        let _ = self.child.wait();
    }
}
