//! `[channel.NAME]`

use super::database::Database;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// One channel, by `kind`. Read only through [`mod@super::load`].
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ChannelConfig {
    /// A mail submission server.
    Smtp(SmtpConfig),
    /// A directory of files, in place of a mail server or an SMS gateway, for trying akund out.
    Outbox(OutboxConfig),
    /// Text messages through Kannel.
    SmsKannel(KannelConfig),
    /// Text messages through gammu-smsd's database.
    SmsGammu(GammuConfig),
    /// Text messages through any HTTP gateway.
    SmsHttp(Box<SmsHttpConfig>),
    /// Outcome documents back to a ticket system. Carries no notices.
    Webhook(WebhookConfig),
}

impl ChannelConfig {
    /// Whether it carries notices: a webhook carries outcome documents only.
    pub fn carries_notices(&self) -> bool {
        !matches!(self, Self::Webhook(_))
    }

    /// Whether it carries e-mail; else text messages.
    pub fn carries_email(&self) -> bool {
        matches!(self, Self::Smtp(_) | Self::Outbox(_))
    }

    /// Its files: those that always are, and those whose bare name is a systemd credential's.
    pub(super) fn paths_mut(&mut self) -> (Vec<&mut PathBuf>, Vec<&mut PathBuf>) {
        match self {
            Self::Smtp(smtp) => (smtp.ca_file.iter_mut().collect(), smtp.password_file.iter_mut().collect()),
            Self::Outbox(outbox) => (vec![&mut outbox.path], Vec::new()),
            Self::SmsKannel(kannel) => (kannel.ca_file.iter_mut().collect(), vec![&mut kannel.password_file]),
            Self::SmsGammu(gammu) => {
                let files = gammu.ca_file.iter_mut().chain(gammu.database.file_mut()).collect();
                (files, gammu.password_file.iter_mut().collect())
            }
            Self::SmsHttp(http) => {
                let secrets = http.password_file.iter_mut().chain(http.secret_file.as_mut()).collect();
                (http.ca_file.iter_mut().collect(), secrets)
            }
            Self::Webhook(webhook) => (webhook.ca_file.iter_mut().collect(), vec![&mut webhook.secret_file]),
        }
    }
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

/// `kind = "sms-kannel"`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KannelConfig {
    /// Its sendsms address, `http://127.0.0.1:13013/cgi-bin/sendsms`; `https` off this machine.
    pub url: String,
    /// A sendsms-user of Kannel's.
    pub username: String,
    /// File with that user's password, or the name of a systemd credential.
    pub password_file: PathBuf,
    /// Sender shown on the phone; default: Kannel's.
    #[serde(default)]
    pub from: Option<String>,
    /// SMS centre to use (`smsc-id`); default: by Kannel's routing.
    #[serde(default)]
    pub smsc: Option<String>,
    /// akund's own HTTP listener as Kannel reaches it, `http://127.0.0.1:9380`: delivery reports come there. Default: none are asked for.
    #[serde(default)]
    pub report_url: Option<String>,
    /// PEM file with the CA of a private server certificate; default: the system's.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
    /// Most parts of a message. Default 4.
    #[serde(default = "four")]
    pub max_segments: usize,
    /// Messages at once. Default 4.
    #[serde(default = "four")]
    pub connections: usize,
    /// Limit for one message, seconds. Default 30.
    #[serde(default = "thirty")]
    pub timeout_seconds: u64,
}

/// `kind = "sms-gammu"`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GammuConfig {
    /// The database of gammu-smsd's SQL service: an SQLite file, or `postgresql://…`, `mysql://…` as for a target.
    pub database: Database,
    /// File with the password for a server, or the name of a systemd credential.
    #[serde(default)]
    pub password_file: Option<PathBuf>,
    /// PEM file with the CA of the server's certificate.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
    /// Only the smsd with this PhoneID sends; default: any.
    #[serde(default)]
    pub phone: Option<String>,
    /// Ask the network for delivery reports. Default false.
    #[serde(default)]
    pub reports: bool,
    /// Leave the texts in smsd's tables after sending. Default false: they are emptied, since they hold passwords.
    #[serde(default)]
    pub keep_text: bool,
    /// Most parts of a message. Default 4.
    #[serde(default = "four")]
    pub max_segments: usize,
    /// How long an attempt waits for the modem, seconds; the next attempt goes on waiting. Default 30.
    #[serde(default = "thirty")]
    pub wait_seconds: u64,
}

/// `kind = "sms-http"`. Placeholders in values: `{to}` (E.164), `{to_digits}` (without the `+`), `{to_local}`
/// (0 in place of 62), `{text}`, `{id}` (the notice's own), `{secret}`, `{unicode}` (1 where the text needs UCS-2, else 0).
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SmsHttpConfig {
    /// Where messages go; `https` off this machine. Placeholders in the values of its query only.
    pub url: String,
    /// Default `POST`.
    #[serde(default = "post")]
    pub method: String,
    /// Further headers; placeholders in the values.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// Body as JSON; placeholders in its strings. Not with `form`.
    #[serde(default)]
    pub json: Option<serde_json::Value>,
    /// Body as a form; placeholders in the values. Not with `json`.
    #[serde(default)]
    pub form: Option<BTreeMap<String, String>>,
    /// For HTTP's basic authentication; needs `password_file`.
    #[serde(default)]
    pub username: Option<String>,
    /// File with the password, or the name of a systemd credential.
    #[serde(default)]
    pub password_file: Option<PathBuf>,
    /// File with what `{secret}` stands for (a key, a token), or the name of a systemd credential.
    #[serde(default)]
    pub secret_file: Option<PathBuf>,
    /// How its answer is read.
    #[serde(default)]
    pub answer: AnswerConfig,
    /// PEM file with the CA of a private server certificate; default: the system's.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
    /// Most parts of a message. Default 4.
    #[serde(default = "four")]
    pub max_segments: usize,
    /// Messages at once. Default 4.
    #[serde(default = "four")]
    pub connections: usize,
    /// Limit for one message, seconds. Default 30.
    #[serde(default = "thirty")]
    pub timeout_seconds: u64,
}

/// `[channel.NAME.answer]` of `sms-http`. First its own words (`permanent`, `temporary`), then success, then its status; what fits
/// nothing leaves open whether the message was taken.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AnswerConfig {
    /// Statuses of success. Default 200, 201, 202.
    pub success_status: Vec<u16>,
    /// What a field of the answer's JSON must be for success.
    pub success: Option<FieldConfig>,
    /// What the answer must match for success.
    pub success_pattern: Option<String>,
    /// JSON pointer (RFC 6901) to the gateway's id of the message.
    pub id: Option<String>,
    /// Pattern whose first group is that id.
    pub id_pattern: Option<String>,
    /// Statuses that say: never. Default 400, 422.
    pub permanent_status: Vec<u16>,
    /// What a field is that says: never.
    pub permanent: Option<FieldConfig>,
    /// What the answer matches that says: never.
    pub permanent_pattern: Option<String>,
    /// Statuses that say: not taken, perhaps later. Default 401, 403, 404, 429, 503.
    pub temporary_status: Vec<u16>,
    /// What a field is that says: not taken, perhaps later.
    pub temporary: Option<FieldConfig>,
    /// What the answer matches that says: not taken, perhaps later.
    pub temporary_pattern: Option<String>,
}

impl Default for AnswerConfig {
    fn default() -> Self {
        Self {
            success_status: vec![200, 201, 202],
            success: None,
            success_pattern: None,
            id: None,
            id_pattern: None,
            permanent_status: vec![400, 422],
            permanent: None,
            permanent_pattern: None,
            temporary_status: vec![401, 403, 404, 429, 503],
            temporary: None,
            temporary_pattern: None,
        }
    }
}

/// A field of the answer's JSON and its values.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FieldConfig {
    /// JSON pointer (RFC 6901): `/status`, `/messages/0/status`.
    pub at: String,
    /// Its values, numbers too as text.
    pub is: Vec<String>,
}

/// `kind = "webhook"`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WebhookConfig {
    /// Where outcome documents are posted; `https` off this machine. Redirects are not followed.
    pub url: String,
    /// File with the secret that signs them, or the name of a systemd credential: 16 characters or more, or `whsec_` and base64.
    pub secret_file: PathBuf,
    /// PEM file with the CA of a private server certificate; default: the system's.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
    /// Only documents of these sources' requests; empty: all.
    #[serde(default)]
    pub sources: Vec<String>,
    /// Limit for one document, seconds. Default 30.
    #[serde(default = "thirty")]
    pub timeout_seconds: u64,
}

fn four() -> usize {
    4
}
fn thirty() -> u64 {
    30
}
fn post() -> String {
    "POST".into()
}
fn sixty() -> u64 {
    60
}
