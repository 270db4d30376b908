//! `[channel.NAME]`

use serde::Deserialize;
use std::path::PathBuf;

/// One channel, by `kind`. Read only through [`mod@super::load`].
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ChannelConfig {
    /// A mail submission server.
    Smtp(SmtpConfig),
    /// A directory of files, in place of a mail server or an SMS gateway, for trying akund out.
    Outbox(OutboxConfig),
}

/// `kind = "smtp"`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SmtpConfig {
    /// Server name; also what its certificate must name.
    pub host: String,
    /// Default: 587 with `starttls`, 465 with `tls`, 25 with `none`.
    #[serde(default)]
    pub port: Option<u16>,
    /// Default `starttls`. `none` is refused off loopback.
    #[serde(default)]
    pub tls: SmtpTls,
    /// PEM file with the CA of a private server certificate; default: the system's.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
    /// For AUTH; needs `password_file`.
    #[serde(default)]
    pub username: Option<String>,
    /// File with the password, or the name of a systemd credential (a bare name without `/`).
    #[serde(default)]
    pub password_file: Option<PathBuf>,
    /// `From:`: `Name <address>`, or an address.
    pub from: String,
    /// `Reply-To:`.
    #[serde(default)]
    pub reply_to: Option<String>,
    /// Name given with EHLO and used in Message-IDs; default: the host's.
    #[serde(default)]
    pub hello: Option<String>,
    /// Connections at once. Default 4.
    #[serde(default = "four")]
    pub connections: usize,
    /// Limit for one whole notice, seconds. Default 60.
    #[serde(default = "sixty")]
    pub timeout_seconds: u64,
}

/// How the connection is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SmtpTls {
    /// STARTTLS, required (RFC 3207).
    #[default]
    Starttls,
    /// TLS from the first byte (RFC 8314).
    Tls,
    /// Clear text; loopback only.
    None,
}

/// `kind = "outbox"`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OutboxConfig {
    /// The directory, made with mode 0700. One file per notice, named by its Message-ID.
    pub path: PathBuf,
    /// What its files are. Default `email`.
    #[serde(default)]
    pub carries: OutboxCarries,
    /// `From:`; required of e-mail.
    #[serde(default)]
    pub from: String,
}

/// What an outbox holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OutboxCarries {
    /// `.eml`, as SMTP would have sent it.
    #[default]
    Email,
    /// `.txt`: the phone number and the text that would have gone there.
    Sms,
}

impl OutboxConfig {
    /// Whether it stands in for e-mail (else SMS).
    pub fn carries_email(&self) -> bool {
        self.carries == OutboxCarries::Email
    }
}

fn four() -> usize {
    4
}
fn sixty() -> u64 {
    60
}
