//! `[queue.NAME]`: a queue of RabbitMQ from which requests are taken, and where their outcomes are published.

use percent_encoding::percent_decode_str;
use serde::de::Error;
use serde::{Deserialize, Deserializer};
use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::str::FromStr;

/// One queue. Who may hand in what through it stands in the `[[source]]` entries that name it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QueueConfig {
    /// The broker, the user and the vhost.
    pub url: BrokerUrl,
    /// Holds the user's password; a bare name is a systemd credential.
    pub password_file: PathBuf,
    /// With `amqps://`: the CAs to trust in place of the system's.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
    /// Its name on the broker.
    pub queue: String,
    /// Whether akund declares queue and exchanges; else somebody else has, and it only looks for them. Default false.
    #[serde(default)]
    pub declare: bool,
    /// With `declare`: after so many deliveries without an acknowledgement the broker sets a message aside. A connection that is
    /// lost, and a restart of akund, counts as one for each message on its way. Default 100.
    #[serde(default = "delivery_limit")]
    pub delivery_limit: u32,
    /// Where messages go that cannot be accepted, with the queue's name as routing key. Default `akund.dead`.
    #[serde(default = "dead_letter_exchange")]
    pub dead_letter_exchange: String,
    /// Most messages that the broker hands out ahead of their acknowledgement. Default 256.
    #[serde(default = "prefetch")]
    pub prefetch: u16,
    /// Largest message taken, bytes. Default 1 MiB.
    #[serde(default = "max_bytes")]
    pub max_bytes: u64,
    /// Where outcome documents are published, if anywhere.
    #[serde(default)]
    pub outcomes: Option<OutcomesConfig>,
}

/// `[queue.NAME.outcomes]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OutcomesConfig {
    /// The exchange; the routing key is `SOURCE.PROCEDURE.STATE`.
    pub exchange: String,
    /// The sources whose outcomes are published, spool directories among them. Empty: those of this queue.
    #[serde(default)]
    pub sources: Vec<String>,
}

fn delivery_limit() -> u32 {
    100
}
fn dead_letter_exchange() -> String {
    "akund.dead".into()
}
fn prefetch() -> u16 {
    256
}
fn max_bytes() -> u64 {
    1024 * 1024
}

/// `amqps://USER@HOST:PORT/VHOST`, or `amqp://` to this machine. Without a path the vhost is `/`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrokerUrl {
    /// Whether the connection is protected.
    pub tls: bool,
    /// The user to log in as.
    pub user: String,
    /// Name or address, without brackets.
    pub host: String,
    /// Port: 5671 with TLS, else 5672.
    pub port: u16,
    /// The virtual host.
    pub vhost: String,
}

impl BrokerUrl {
    /// `HOST:PORT`.
    pub fn server(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }

    /// Whether it names this machine.
    pub fn is_local(&self) -> bool {
        self.host.eq_ignore_ascii_case("localhost") || self.host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
    }
}

impl FromStr for BrokerUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        const FORM: &str = "expected amqps://USER@HOST[:PORT][/VHOST], or amqp:// to this machine";
        // Not quoted: it may hold a password.
        let wrong = |what: &str| format!("url {what}; {FORM}");
        let (scheme, rest) = text.split_once("://").ok_or_else(|| wrong("has no scheme"))?;
        let tls = match scheme.to_ascii_lowercase().as_str() {
            "amqps" => true,
            "amqp" => false,
            other => return Err(wrong(&format!("has the scheme {other}"))),
        };
        if rest.contains(['?', '#']) {
            return Err(wrong("has parameters"));
        }
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (user, place) = authority.rsplit_once('@').ok_or_else(|| wrong("names no user"))?;
        if user.contains(':') {
            return Err("url has a password in it, where everybody who may read the configuration sees it: put it into a file and \
                        name that as password_file"
                .into());
        }
        let (host, port) = match place.strip_prefix('[').and_then(|inner| inner.split_once(']')) {
            Some((host, "")) => (host, None),
            Some((host, port)) => {
                (host, Some(port.strip_prefix(':').ok_or_else(|| wrong("has no port after the address"))?))
            }
            None => place.split_once(':').map_or((place, None), |(host, port)| (host, Some(port))),
        };
        let port = match port {
            None => {
                if tls {
                    5671
                } else {
                    5672
                }
            }
            Some(port) => port.parse().ok().filter(|p| *p > 0).ok_or_else(|| wrong("has a port that is none"))?,
        };
        let named = !host.is_empty() && host.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.:".contains(&b));
        if !named {
            return Err(wrong("names no host"));
        }
        let decoded = |text: &str| {
            let text = percent_decode_str(text).decode_utf8().map_err(|_| wrong("is not UTF-8 text"))?;
            if text.chars().any(char::is_control) {
                Err(wrong("has a control character in it"))
            } else {
                Ok(text.into_owned())
            }
        };
        let user = decoded(user)?;
        if user.is_empty() {
            return Err(wrong("names no user"));
        }
        let vhost = if path.is_empty() { "/".into() } else { decoded(path)? };
        Ok(Self { tls, user, host: host.to_owned(), port, vhost })
    }
}

impl fmt::Display for BrokerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}://{}@{} (vhost {})",
            if self.tls { "amqps" } else { "amqp" },
            self.user,
            self.server(),
            self.vhost
        )
    }
}

impl<'de> Deserialize<'de> for BrokerUrl {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_read_with_the_usual_ports_and_the_default_vhost() {
        for (text, tls, user, server, vhost) in [
            ("amqps://akund@mq.example.org/kampus", true, "akund", "mq.example.org:5671", "kampus"),
            ("amqp://akund@127.0.0.1", false, "akund", "127.0.0.1:5672", "/"),
            ("AMQP://akund@localhost:1/", false, "akund", "localhost:1", "/"),
            ("amqps://a%40b@[2001:db8::1]:5000/%2Fx", true, "a@b", "[2001:db8::1]:5000", "/x"),
        ] {
            let url: BrokerUrl = text.parse().unwrap();
            assert_eq!(
                (url.tls, url.user.as_str(), url.server().as_str(), url.vhost.as_str()),
                (tls, user, server, vhost)
            );
        }
        let local = |text: &str| text.parse::<BrokerUrl>().unwrap().is_local();
        assert!(local("amqp://a@localhost") && local("amqp://a@[::1]") && !local("amqp://a@mq"));
    }

    #[test]
    fn a_url_that_will_not_do_is_refused_with_the_reason_and_without_the_password() {
        for (text, reason) in [
            ("mq.example.org", "no scheme"),
            ("http://a@b", "scheme http"),
            ("amqps://mq.example.org", "no user"),
            ("amqps://@mq", "no user"),
            ("amqps://a:rahasia@mq", "password_file"),
            ("amqps://a@", "no host"),
            ("amqps://a@mq:0", "port"),
            ("amqps://a@mq:x", "port"),
            ("amqps://a@[::1]x", "port"),
            ("amqps://a@mq/x?heartbeat=1", "parameters"),
            ("amqps://a@mq/%00", "control"),
        ] {
            let told = text.parse::<BrokerUrl>().unwrap_err();
            assert!(told.contains(reason) && !told.contains("rahasia"), "{text}: {told}");
        }
    }
}
