//! The site's configuration: one struct per concern. Unknown keys are errors.
//!
//! [`load()`] reads it. The kinds of targets and channels are enums told apart by their `kind` key: that is done by
//! [`mod@load`]'s own decoding and not by serde's tag, which would lose the line of a mistake inside.

pub mod channel;
mod check;
pub mod database;
pub mod load;
pub mod operator;
pub mod place;
pub mod proof;
pub mod queue;
mod report;
pub mod retention;
pub mod source;
pub mod target;
mod tree;

use serde::Deserialize;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

pub use channel::ChannelConfig;
pub use check::problems;
pub use load::load;
pub use operator::OperatorConfig;
pub use queue::QueueConfig;
pub use report::ConfigReport;
pub use retention::RetentionConfig;
pub use source::SourceConfig;
pub use target::TargetConfig;

/// The format version that this akund reads.
pub const VERSION: u32 = 1;

/// `/etc/akund/akund.toml`, with `conf.d/*.toml` and `AKUND_*` over it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Format version: 1.
    pub akund: u32,
    /// Where the durable truth lives.
    #[serde(default)]
    pub journal: JournalConfig,
    /// Where files are handed in.
    #[serde(default)]
    pub spool: SpoolConfig,
    /// Who may hand in what. Without an entry, `incoming/` itself is source `local` and takes files of root and of akund's own user.
    #[serde(default)]
    pub source: Vec<SourceConfig>,
    /// By name: queues of RabbitMQ from which requests are taken.
    #[serde(default)]
    pub queue: BTreeMap<String, QueueConfig>,
    /// The written procedures.
    #[serde(default)]
    pub procedures: ProceduresConfig,
    /// Templates over the built-in ones.
    #[serde(default)]
    pub templates: TemplatesConfig,
    /// Health, readiness, metrics.
    #[serde(default)]
    pub http: HttpConfig,
    /// The socket by which commands wake the daemon.
    #[serde(default)]
    pub control: ControlConfig,
    /// Retry and batches; the same for every lane.
    #[serde(default)]
    pub lane: LaneConfig,
    /// By name; the name is the lane's.
    #[serde(default)]
    pub target: BTreeMap<String, TargetConfig>,
    /// By name; the name is the lane's.
    #[serde(default)]
    pub channel: BTreeMap<String, ChannelConfig>,
    /// Who is told when something needs a person. Without it nobody is.
    #[serde(default)]
    pub operator: Option<OperatorConfig>,
    /// How long what is kept.
    #[serde(default)]
    pub retention: RetentionConfig,
    /// Diagnosis log.
    #[serde(default)]
    pub log: LogConfig,
}

impl Config {
    /// Makes relative paths absolute: they are relative to `base`.
    fn anchor(&mut self, base: &Path) {
        let mut paths = vec![
            &mut self.journal.path,
            &mut self.spool.path,
            &mut self.procedures.path,
            &mut self.templates.path,
            &mut self.control.socket,
        ];
        paths.extend(self.journal.key_file.as_mut());
        paths.extend(self.source.iter_mut().filter_map(|s| s.allowed_signers.as_mut()));
        for queue in self.queue.values_mut() {
            paths.extend(queue.ca_file.as_mut());
            // A bare name is a systemd credential's.
            paths.extend(Some(&mut queue.password_file).filter(|p| p.components().count() > 1));
        }
        for target in self.target.values_mut() {
            let mut secrets: Vec<&mut PathBuf> = Vec::new();
            let (database, password_file, ca_file) = match target {
                TargetConfig::MailMaps(maps) => {
                    paths.extend(maps.proof.as_mut().and_then(|proof| proof.ca_file.as_mut()));
                    (&mut maps.database, &mut maps.password_file, &mut maps.ca_file)
                }
                TargetConfig::MapFiles(files) => {
                    paths.extend(files.paths_mut());
                    continue;
                }
                TargetConfig::Ldap(ldap) => {
                    paths.extend(ldap.ca_file.as_mut());
                    paths.extend(ldap.password_file.as_mut().filter(|p| p.components().count() > 1));
                    continue;
                }
                TargetConfig::Google(google) => {
                    paths.extend(google.ca_file.as_mut());
                    paths.extend([&mut google.key_file].into_iter().filter(|p| p.components().count() > 1));
                    continue;
                }
                TargetConfig::Radius(radius) => {
                    paths.push(&mut radius.dictionary);
                    secrets.extend(radius.nas.iter_mut().map(|nas| &mut nas.secret_file));
                    secrets.extend(radius.proof.as_mut().map(|proof| &mut proof.secret_file));
                    (&mut radius.database, &mut radius.password_file, &mut radius.ca_file)
                }
            };
            paths.extend(database.file_mut());
            paths.extend(ca_file.as_mut());
            secrets.extend(password_file.as_mut());
            // A bare name is a systemd credential's.
            paths.extend(secrets.into_iter().filter(|p| p.components().count() > 1));
        }
        for channel in self.channel.values_mut() {
            let (files, secrets) = channel.paths_mut();
            paths.extend(files);
            // A bare name is a systemd credential's.
            paths.extend(secrets.into_iter().filter(|p| p.components().count() > 1));
        }
        for path in paths {
            *path = base.join(&*path);
        }
    }
}

/// `[journal]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct JournalConfig {
    /// The SQLite file. Default `/var/lib/akund/journal.db`.
    pub path: PathBuf,
    /// The sealing key: 32 bytes as 64 hex digits. Default: systemd credential `akund-key` if there is one, else
    /// `journal.key` beside the journal, made with mode 0600 at first start.
    pub key_file: Option<PathBuf>,
}

impl Default for JournalConfig {
    fn default() -> Self {
        Self { path: "/var/lib/akund/journal.db".into(), key_file: None }
    }
}

/// `[spool]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SpoolConfig {
    /// Default `/var/spool/akund`.
    pub path: PathBuf,
    /// Largest file taken, bytes. Default 64 MiB.
    pub max_bytes: u64,
    /// Whole rescan, seconds. Default 30.
    pub rescan_seconds: u64,
    /// A file not closed by a rename is taken when it has not changed for this long, milliseconds. Default 1000.
    pub settle_ms: u64,
    /// How long a record waits for its detached signature, seconds. Default 10.
    pub signature_wait_seconds: u64,
}

impl Default for SpoolConfig {
    fn default() -> Self {
        Self {
            path: "/var/spool/akund".into(),
            max_bytes: 64 * 1024 * 1024,
            rescan_seconds: 30,
            settle_ms: 1000,
            signature_wait_seconds: 10,
        }
    }
}

/// `[procedures]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ProceduresConfig {
    /// Directory of procedure files. Default `/etc/akund/procedures`.
    pub path: PathBuf,
}
impl Default for ProceduresConfig {
    fn default() -> Self {
        Self { path: "/etc/akund/procedures".into() }
    }
}

/// `[templates]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TemplatesConfig {
    /// Directory of templates that go before the built-in ones. Default `/etc/akund/templates`.
    pub path: PathBuf,
}
impl Default for TemplatesConfig {
    fn default() -> Self {
        Self { path: "/etc/akund/templates".into() }
    }
}

/// `[http]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HttpConfig {
    /// Default `127.0.0.1:9380`; port 0 takes a free one and logs it.
    pub listen: SocketAddr,
}
impl Default for HttpConfig {
    fn default() -> Self {
        Self { listen: SocketAddr::from(([127, 0, 0, 1], 9380)) }
    }
}

/// `[control]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ControlConfig {
    /// Default `/run/akund/control.sock`.
    pub socket: PathBuf,
}
impl Default for ControlConfig {
    fn default() -> Self {
        Self { socket: "/run/akund/control.sock".into() }
    }
}

/// `[lane]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LaneConfig {
    /// Most steps in one batch. Default 256.
    pub batch: usize,
    /// First wait after a transient fault, seconds. Doubles up to `retry_max_seconds`. Default 2.
    pub retry_seconds: u64,
    /// Longest wait between attempts, seconds. Default 900.
    pub retry_max_seconds: u64,
    /// A step that has not succeeded this long after its first attempt is stuck, hours. Default 72.
    pub give_up_hours: u64,
    /// A failed proof is repeated for this long before it is stuck, seconds. Default 30.
    pub settle_seconds: u64,
    /// A target's lane that has had nothing to do for this long asks its server whether it answers, seconds. Default 60.
    pub look_seconds: u64,
}
impl Default for LaneConfig {
    fn default() -> Self {
        Self {
            batch: 256,
            retry_seconds: 2,
            retry_max_seconds: 900,
            give_up_hours: 72,
            settle_seconds: 30,
            look_seconds: 60,
        }
    }
}

/// `[log]`
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LogConfig {
    /// A tracing filter; default `info`. `AKUND_LOG` overrides it.
    pub filter: Option<String>,
    /// `auto` (journald under systemd, else text on stderr), `text`, `json` or `journald`.
    pub format: LogFormat,
}

/// How log lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LogFormat {
    /// journald under systemd, else text.
    #[default]
    Auto,
    /// Lines for people, on stderr.
    Text,
    /// One JSON object per line, on stderr.
    Json,
    /// systemd's journal.
    Journald,
}
