//! `[target.NAME.proof]` and `[[target.NAME.nas]]`: the servers that show whether an account works.

use serde::Deserialize;
use std::path::PathBuf;

/// How a mail account's password is tried. At least one of `imap` and `submission`; both must accept it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MailProofConfig {
    /// `imaps://HOST[:PORT]` (TLS, port 993) or `imap://HOST[:PORT]` (STARTTLS, port 143). HOST is what the certificate must name.
    #[serde(default)]
    pub imap: Option<String>,
    /// `submissions://HOST[:PORT]` (TLS, port 465) or `submission://HOST[:PORT]` (STARTTLS, port 587): AUTH only, nothing is sent.
    #[serde(default)]
    pub submission: Option<String>,
    /// `false`: clear text with `imap://` and `submission://`, to a server on this machine only. Default `true`: STARTTLS is required.
    #[serde(default = "yes")]
    pub starttls: bool,
    /// PEM file with the CA of a private server certificate; default: the system's.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
    /// With `imap`: a master user of the server, as whom akund asks whether a suspended account is closed and a resumed one open, for
    /// nobody has its password any more. Default: none, and these are read back only.
    #[serde(default)]
    pub master_user: Option<String>,
    /// File with its password, or the name of a systemd credential (a bare name without `/`).
    #[serde(default)]
    pub master_password_file: Option<PathBuf>,
    /// Logins at once. Default 8.
    #[serde(default = "eight")]
    pub concurrency: usize,
    /// Limit for one login at one server, seconds. Default 20: longer than Dovecot lets an address wait from which logins were refused (15 s).
    #[serde(default = "twenty")]
    pub timeout_seconds: u64,
}

/// How a hotspot account's password is tried.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RadiusProofConfig {
    /// `HOST[:PORT]` of the RADIUS server; default port 1812. akund must be one of its clients.
    pub server: String,
    /// File with the shared secret, or the name of a systemd credential (a bare name without `/`).
    pub secret_file: PathBuf,
    /// Each is tried, and all must be accepted. Default: `pap`, and `mschapv2` too where `password` is `nt-hash` or `cleartext`.
    #[serde(default)]
    pub methods: Option<Vec<RadiusMethod>>,
    /// NAS-Identifier by which the server can tell akund's requests from the hotspot's. Default `akund`.
    #[serde(default = "akund")]
    pub nas_identifier: String,
    /// Logins at once. Default 8.
    #[serde(default = "eight")]
    pub concurrency: usize,
    /// Limit for one exchange with its repetitions, seconds. Default 5.
    #[serde(default = "five")]
    pub timeout_seconds: u64,
}

/// How a password is shown to a RADIUS server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RadiusMethod {
    /// The password itself, hidden with the shared secret (RFC 2865 §5.2).
    Pap,
    /// Both sides show that they know the password's NT hash (RFC 2759).
    Mschapv2,
}

impl RadiusMethod {
    /// The name in sentences.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pap => "PAP",
            Self::Mschapv2 => "MS-CHAPv2",
        }
    }
}

/// An access server (NAS) that is told to end the sessions of suspended and removed accounts, and to change those of changed ones
/// (RFC 5176).
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NasConfig {
    /// `HOST[:PORT]`; default port 3799.
    pub address: String,
    /// File with the shared secret, or the name of a systemd credential (a bare name without `/`).
    pub secret_file: PathBuf,
    /// What it is told of an account that was changed (group, end). Default `none`.
    #[serde(default)]
    pub change: NasChange,
    /// Limit for one exchange with its repetitions, seconds. Default 5.
    #[serde(default = "five")]
    pub timeout_seconds: u64,
}

/// What becomes of an open session when its account is changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NasChange {
    /// Nothing: what was changed holds from the next log-in on.
    #[default]
    None,
    /// CoA-Request with the attributes that the configuration gives the account's profile, and the time that it has left. Where these
    /// cannot replace what the session has (another profile has an attribute that this one has not), it is ended as with
    /// `disconnect`.
    Coa,
    /// Disconnect-Request: the user logs in again.
    Disconnect,
}

/// `HOST:PORT` of `HOST[:PORT]`; none if it is neither. An IPv6 address stands in brackets where a port follows.
pub fn with_port(text: &str, usual: u16) -> Option<String> {
    let named = |host: &str| !host.is_empty() && host.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
    if let Ok(address) = text.parse::<std::net::IpAddr>() {
        return Some(std::net::SocketAddr::new(address, usual).to_string());
    }
    if let Ok(address) = text.parse::<std::net::SocketAddr>() {
        return Some(address.to_string()).filter(|_| address.port() != 0);
    }
    match text.split_once(':') {
        None if named(text) => Some(format!("{text}:{usual}")),
        Some((host, port)) if named(host) && port.parse::<u16>().is_ok_and(|p| p != 0) => Some(text.to_owned()),
        _ => None,
    }
}

fn yes() -> bool {
    true
}
fn five() -> u64 {
    5
}
fn twenty() -> u64 {
    20
}
fn eight() -> usize {
    8
}
fn akund() -> String {
    "akund".into()
}

#[cfg(test)]
mod tests {
    use super::with_port;

    #[test]
    fn a_port_is_added_where_there_is_none() {
        for (text, expected) in [
            ("radius.example.org", Some("radius.example.org:1812")),
            ("radius.example.org:18120", Some("radius.example.org:18120")),
            ("192.0.2.1", Some("192.0.2.1:1812")),
            ("2001:db8::1", Some("[2001:db8::1]:1812")),
            ("[2001:db8::1]:1645", Some("[2001:db8::1]:1645")),
            ("", None),
            ("a b", None),
            ("host:", None),
            ("host:0", None),
            ("192.0.2.1:0", None),
            ("host:99999", None),
            ("radius://host", None),
        ] {
            assert_eq!(with_port(text, 1812).as_deref(), expected, "{text}");
        }
    }
}
