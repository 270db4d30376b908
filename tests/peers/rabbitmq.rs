use super::guard::Guard;
use super::{Authority, PORT_TRIES, free_tcp_port, open_dir, run, write};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use lapin::message::BasicGetMessage;
use lapin::options::{BasicAckOptions, BasicGetOptions, QueueDeclareOptions};
use lapin::types::FieldTable;
use lapin::{Channel, Connection, ConnectionProperties};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use sha2::{Digest, Sha256};
use std::fs;
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

const PACKAGE: &str = "rabbitmq-server";
/// Everybody's.
pub const BROKER_PASSWORD: &str = "rahasia-antrean";
/// Erlang is slow to start.
const PATIENCE: Duration = Duration::from_secs(120);

/// A RabbitMQ node of our own, on loopback, with a vhost `kampus`.
///
/// The user `admin` may do everything; what others may is given when it starts.
pub struct RabbitMq {
    guard: Option<Guard>,
    epmd: Option<Guard>,
    dir: tempfile::TempDir,
    port: u16,
    tls_port: u16,
    distribution: u16,
    epmd_port: u16,
    runtime: tokio::runtime::Runtime,
}

/// A user, and the three regular expressions of what it may configure, write and read in `kampus`.
pub type User<'a> = (&'a str, [&'a str; 3]);

impl RabbitMq {
    pub fn start(users: &[User<'_>]) -> Self {
        let dir = open_dir();
        for part in ["mnesia", "log", "home"] {
            fs::create_dir(dir.path().join(part)).expect("making a directory");
        }
        Authority::new(dir.path());
        write(&dir.path().join("password"), BROKER_PASSWORD);
        write(&dir.path().join("definitions.json"), &definitions(users));
        write(&dir.path().join("enabled_plugins"), "[].");
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let mut node =
            Self { guard: None, epmd: None, dir, port: 0, tls_port: 0, distribution: 0, epmd_port: 0, runtime };
        let started = (0..PORT_TRIES).any(|_| {
            node.port = free_tcp_port();
            node.tls_port = free_tcp_port();
            node.distribution = free_tcp_port();
            node.epmd_port = free_tcp_port();
            node.configure();
            node.epmd = None;
            let port = node.epmd_port.to_string();
            let log = node.path("epmd.log");
            let epmd = ["epmd", "-address", "127.0.0.1", "-port", &port];
            node.epmd = Some(Guard::spawn("root", &epmd, &log, "TERM", None));
            node.try_start()
        });
        assert!(started, "RabbitMQ did not start: {}", node.log());
        node
    }

    fn configure(&self) {
        let shown = |name: &str| self.path(name).display().to_string();
        write(
            &self.path("rabbitmq.conf"),
            &format!(
                "listeners.tcp.1 = 127.0.0.1:{}\nlisteners.ssl.1 = 127.0.0.1:{}\nssl_options.certfile = {}\n\
                 ssl_options.keyfile = {}\nssl_options.cacertfile = {}\nload_definitions = {}\n\
                 disk_free_limit.absolute = 50MB\nlog.console = true\nlog.console.level = warning\nlog.file = false\n",
                self.port,
                self.tls_port,
                shown("server.pem"),
                shown("server.key"),
                shown("ca.pem"),
                shown("definitions.json"),
            ),
        );
        write(
            &self.path("advanced.config"),
            &format!(
                "[{{kernel,[{{inet_dist_use_interface,{{127,0,0,1}}}},{{inet_dist_listen_min,{d}}},\
                 {{inet_dist_listen_max,{d}}}]}}].\n",
                d = self.distribution
            ),
        );
    }

    fn environment(&self) -> Vec<String> {
        let shown = |name: &str| self.path(name).display().to_string();
        vec![
            format!("HOME={}", shown("home")),
            "ERL_EPMD_ADDRESS=127.0.0.1".into(),
            format!("ERL_EPMD_PORT={}", self.epmd_port),
            format!("RABBITMQ_NODENAME=t{}@localhost", self.port),
            format!("RABBITMQ_CONFIG_FILE={}", shown("rabbitmq.conf")),
            format!("RABBITMQ_ADVANCED_CONFIG_FILE={}", shown("advanced.config")),
            format!("RABBITMQ_MNESIA_BASE={}", shown("mnesia")),
            format!("RABBITMQ_LOG_BASE={}", shown("log")),
            format!("RABBITMQ_ENABLED_PLUGINS_FILE={}", shown("enabled_plugins")),
            format!("RABBITMQ_PID_FILE={}", shown("pid")),
            format!("RABBITMQ_DIST_PORT={}", self.distribution),
            "RABBITMQ_CONF_ENV_FILE=/dev/null".into(),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS=-kernel inet_dist_use_interface {127,0,0,1}".into(),
            "RABBITMQ_CTL_ERL_ARGS=-kernel inet_dist_use_interface {127,0,0,1}".into(),
            "PATH=/usr/lib/rabbitmq/bin:/usr/bin:/bin".into(),
        ]
    }

    fn try_start(&mut self) -> bool {
        let _ = fs::remove_file(self.path("pid"));
        let server = program("rabbitmq-server");
        let environment = self.environment();
        let mut line: Vec<&str> = vec!["env", "-i"];
        line.extend(environment.iter().map(String::as_str));
        line.push(&server);
        self.guard = Some(Guard::spawn("root", &line, &self.path("log.txt"), "TERM", None));
        let begun = Instant::now();
        loop {
            if self.answers() {
                return true;
            }
            let log = self.log();
            if log.contains("eaddrinuse") || log.contains("failed_to_start") || begun.elapsed() > PATIENCE {
                return false;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// Whether it takes a log-in. lapin waits for ever where a connection is refused at once, so that is looked at before.
    fn answers(&self) -> bool {
        let login = async { tokio::time::timeout(Duration::from_secs(10), connect(self.port)).await };
        TcpStream::connect(("127.0.0.1", self.port)).is_ok() && matches!(self.runtime.block_on(login), Ok(Ok(())))
    }

    /// Ends it at once, as a crash would, and starts it again.
    pub fn crash(&mut self) {
        let pid = fs::read_to_string(self.path("pid")).expect("the broker's process id");
        let pid = Pid::from_raw(pid.trim().parse().expect("a process id"));
        kill(pid, Signal::SIGKILL).expect("killing the broker");
        self.start_again();
    }

    /// Ends it.
    pub fn stop(&mut self) {
        self.guard = None;
    }

    pub fn start_again(&mut self) {
        self.guard = None;
        assert!(self.try_start(), "RabbitMQ did not start again: {}", self.log());
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn tls_port(&self) -> u16 {
        self.tls_port
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn ca(&self) -> PathBuf {
        self.path("ca.pem")
    }

    /// Holds everybody's password.
    pub fn password_file(&self) -> PathBuf {
        self.path("password")
    }

    fn log(&self) -> String {
        fs::read_to_string(self.path("log.txt")).unwrap_or_default()
    }

    /// What an administrator says on the command line.
    pub fn ctl(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new("env");
        command.arg("-i").args(self.environment());
        let output = run(command.arg(program("rabbitmqctl")).args(arguments), PACKAGE);
        assert!(output.status.success(), "rabbitmqctl {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        output
    }

    /// Does something as a client; waits for it.
    pub fn block_on<T>(&self, what: impl Future<Output = T>) -> T {
        self.runtime.block_on(what)
    }

    /// A connection and a channel of the user's.
    pub async fn client(&self, user: &str) -> (Connection, Channel) {
        let uri = format!("amqp://{user}:{BROKER_PASSWORD}@127.0.0.1:{}/kampus", self.port);
        let connection =
            Connection::connect(&uri, ConnectionProperties::default()).await.expect("a client's connection");
        let channel = connection.create_channel().await.expect("a client's channel");
        (connection, channel)
    }

    /// How many messages are ready in a queue, and how many take from it.
    pub fn depth(&self, queue: &str) -> (u32, u32) {
        self.block_on(async {
            let (_connection, channel) = self.client("admin").await;
            let options = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::durable() };
            let declared =
                channel.queue_declare(queue.into(), options, FieldTable::default()).await.expect("the queue");
            (declared.message_count(), declared.consumer_count())
        })
    }

    /// Takes every message that is ready in a queue.
    pub fn drain(&self, queue: &str) -> Vec<BasicGetMessage> {
        self.block_on(async {
            let (_connection, channel) = self.client("admin").await;
            let mut all = Vec::new();
            while let Some(message) = channel.basic_get(queue.into(), BasicGetOptions::default()).await.expect("a get")
            {
                assert!(message.delivery.ack(BasicAckOptions::default()).await.expect("an ack"));
                all.push(message);
            }
            all
        })
    }
}

/// RabbitMQ's own: what stands in PATH changes to another user, with another cookie.
fn program(name: &str) -> String {
    let programs = fs::read_dir("/usr/lib/rabbitmq/lib").unwrap_or_else(|e| panic!("{e}: install {PACKAGE}"));
    let newest = programs.flatten().map(|entry| entry.path()).max().unwrap_or_else(|| panic!("install {PACKAGE}"));
    newest.join("sbin").join(name).display().to_string()
}

async fn connect(port: u16) -> lapin::Result<()> {
    let uri = format!("amqp://admin:{BROKER_PASSWORD}@127.0.0.1:{port}/kampus");
    let connection = Connection::connect(&uri, ConnectionProperties::default()).await?;
    connection.close(200, "seen".into()).await
}

/// Users, vhost and permissions (RabbitMQ, "Definition Export and Import"; "Credentials and Passwords": salt and SHA-256).
fn definitions(users: &[User<'_>]) -> String {
    let salt = [0x61, 0x6b, 0x75, 0x6e];
    let digest = Sha256::digest([&salt[..], BROKER_PASSWORD.as_bytes()].concat());
    let hash = STANDARD.encode([&salt[..], &digest].concat());
    let all = [("admin", [".*", ".*", ".*"])];
    let all: Vec<&User<'_>> = all.iter().chain(users).collect();
    let user = |name: &str| {
        serde_json::json!({"name": name, "password_hash": hash, "hashing_algorithm": "rabbit_password_hashing_sha256",
            "tags": if name == "admin" { "administrator" } else { "" }})
    };
    let may = |(user, [configure, write, read]): &User<'_>| serde_json::json!({"user": user, "vhost": "kampus", "configure": configure, "write": write, "read": read});
    serde_json::json!({
        "users": all.iter().map(|(name, _)| user(name)).collect::<Vec<_>>(),
        "vhosts": [{"name": "kampus"}],
        "permissions": all.iter().map(|one| may(one)).collect::<Vec<_>>(),
    })
    .to_string()
}
