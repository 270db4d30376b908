//! From a configuration to a connection: names, TCP, TLS, EHLO, AUTH.

use super::default_port;
use super::dialogue::Connection;
use super::reply::{Progress, Server, Stage, line};
use crate::config::channel::{SmtpConfig, SmtpTls};
use crate::model::Finding;
use crate::model::said::tidy;
use crate::model::{Fault, Secret};
use crate::tcp::{LineWise, ONE_ADDRESS, connect, off_loopback};
use crate::tls::{MailGlance, smtp_parameters};
use lettre::transport::smtp::Error;
use lettre::transport::smtp::authentication::{Credentials, DEFAULT_MECHANISMS};
use lettre::transport::smtp::client::{AsyncSmtpConnection, TlsParameters};
use lettre::transport::smtp::commands::Ehlo;
use lettre::transport::smtp::extension::ClientId;
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::Path;
use std::time::Duration;

/// The longest that a notice which could not be handed over waits for the look at the certificate that was refused.
const CHANNEL_GLANCE: Duration = Duration::from_secs(10);

/// Makes connections to one server.
pub(super) struct Dialer {
    host: String,
    port: u16,
    protection: Protection,
    /// Where it is protected.
    glance: Option<MailGlance>,
    hello: ClientId,
    login: Option<(String, Secret)>,
}

enum Protection {
    Starttls(TlsParameters),
    Tls(TlsParameters),
    LoopbackOnly,
}

impl Dialer {
    pub(super) fn new(
        config: &SmtpConfig,
        read_secret: &dyn Fn(&Path) -> Result<Secret, String>,
    ) -> Result<Self, String> {
        let host = config.host.trim();
        if host.is_empty() || !host.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.:".contains(&b)) {
            return Err(format!("host = {:?}: expected a host name or an IP address", config.host));
        }
        let port = config.port.unwrap_or_else(|| default_port(config.tls));
        let protection = match config.tls {
            SmtpTls::Starttls => Protection::Starttls(smtp_parameters(host, config.ca_file.as_deref())?),
            SmtpTls::Tls => Protection::Tls(smtp_parameters(host, config.ca_file.as_deref())?),
            SmtpTls::None if config.ca_file.is_some() => return Err("ca_file has no use with tls = \"none\"".into()),
            SmtpTls::None => {
                // A name that cannot be looked up now is looked at again before each connection.
                if let Ok(addresses) = (host, port).to_socket_addrs() {
                    only_loopback(host, &addresses.collect::<Vec<_>>())?;
                }
                Protection::LoopbackOnly
            }
        };
        let glance = match config.tls {
            SmtpTls::None => None,
            tls => Some(MailGlance::new(host, port, tls == SmtpTls::Starttls, config.ca_file.as_deref())?),
        };
        let login = match (&config.username, &config.password_file) {
            (None, None) => None,
            (Some(user), Some(file)) => Some((user.clone(), read_secret(file)?)),
            (Some(_), None) => return Err("username is set, but password_file is not".into()),
            (None, Some(_)) => return Err("password_file is set, but username is not".into()),
        };
        Ok(Self { host: host.to_owned(), port, protection, glance, hello: hello(config.hello.as_deref())?, login })
    }

    /// `HOST:PORT`, for sentences.
    pub(super) fn place(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }

    /// A connection that is ready for MAIL FROM. Every fault is transient: nothing here is about a notice.
    pub(super) async fn dial(&self, server: &Server, progress: &Progress) -> Result<Connection, Fault> {
        progress.enter(Stage::Connect);
        let addresses = self.resolve(server).await?;
        progress.enter(Stage::Greet);
        let lost = |error: Error| server.no_connection(progress.stage(), &error);
        let mut smtp = match &self.protection {
            Protection::Tls(parameters) => {
                let (tls, limit) = (Some(parameters.clone()), Some(ONE_ADDRESS));
                let connected =
                    AsyncSmtpConnection::connect_tokio1(&addresses[..], limit, &self.hello, tls, None).await;
                self.note_refused(&connected, &addresses).await;
                connected.map_err(lost)?
            }
            Protection::Starttls(_) | Protection::LoopbackOnly => {
                progress.enter(Stage::Connect);
                let tcp = connect(&addresses).await.map_err(|e| {
                    Fault::transient(server.says(&format!("cannot be reached: {}", tidy(&e.to_string(), ""))))
                })?;
                progress.enter(Stage::Greet);
                AsyncSmtpConnection::connect_with_transport(Box::new(LineWise::new(tcp)), &self.hello)
                    .await
                    .map_err(lost)?
            }
        };
        if let Protection::Starttls(parameters) = &self.protection {
            progress.enter(Stage::Starttls);
            if !smtp.can_starttls() {
                return Err(Fault::transient(
                    server
                        .says("does not offer STARTTLS; akund sends nothing in clear text: correct tls or the server"),
                ));
            }
            let protected = smtp.starttls(parameters.clone(), &self.hello).await;
            self.note_refused(&protected, &addresses).await;
            protected.map_err(lost)?;
        }
        if !matches!(self.protection, Protection::LoopbackOnly)
            && let Ok(certificate) = smtp.peer_certificate()
        {
            crate::tls::saw(&self.host, self.port, &certificate);
        }
        self.authenticate(&mut smtp, server, progress).await?;
        let dsn = self.offers_dsn(&mut smtp).await.map_err(lost)?;
        Ok(Connection::new(smtp, dsn))
    }

    async fn note_refused<T>(&self, outcome: &Result<T, Error>, addresses: &[SocketAddr]) {
        if let (Some(glance), Err(error)) = (&self.glance, outcome) {
            glance.after(error, addresses, CHANNEL_GLANCE).await;
        }
    }

    async fn resolve(&self, server: &Server) -> Result<Vec<SocketAddr>, Fault> {
        let found = tokio::net::lookup_host((self.host.as_str(), self.port)).await;
        let addresses: Vec<SocketAddr> = found
            .map_err(|e| Fault::transient(server.says(&format!("cannot be looked up: {}", tidy(&e.to_string(), "")))))?
            .collect();
        if matches!(self.protection, Protection::LoopbackOnly) {
            only_loopback(&self.host, &addresses)
                .map_err(|e| Fault::transient(server.says(&format!("is not used: {e}"))))?;
        }
        Ok(addresses)
    }

    async fn authenticate(
        &self,
        smtp: &mut AsyncSmtpConnection,
        server: &Server,
        progress: &Progress,
    ) -> Result<(), Fault> {
        let Some((user, password)) = &self.login else { return Ok(()) };
        progress.enter(Stage::Auth);
        let credentials = Credentials::new(user.clone(), password.expose().to_owned());
        let response = smtp
            .auth(DEFAULT_MECHANISMS, &credentials)
            .await
            .map_err(|error| server.no_connection(Stage::Auth, &error))?;
        if response.has_code(235) {
            return Ok(());
        }
        Err(Fault::transient(server.says(&format!("gave a reply to AUTH that does not fit: {}", line(&response, "")))))
    }

    /// lettre keeps of the reply to EHLO only what it knows, so the server is asked once more (RFC 5321 §4.1.4 allows it).
    async fn offers_dsn(&self, smtp: &mut AsyncSmtpConnection) -> Result<bool, Error> {
        let response = smtp.command(Ehlo::new(self.hello.clone())).await?;
        Ok(response
            .message()
            .skip(1)
            .any(|l| l.split_whitespace().next().is_some_and(|w| w.eq_ignore_ascii_case("DSN"))))
    }

    /// What `check` says of a connection that came about.
    pub(super) fn findings(&self, server: &Server, connection: &Connection) -> Vec<Finding> {
        let name = tidy(&connection.name, "");
        let protection = match self.protection {
            Protection::Starttls(_) => "protected by STARTTLS, certificate verified",
            Protection::Tls(_) => "protected by TLS, certificate verified",
            Protection::LoopbackOnly => "in clear text, on loopback",
        };
        let login = match &self.login {
            Some(_) => "authenticated",
            None => "without authentication",
        };
        let bounces = if connection.dsn {
            "offers DSN: bounces are asked to leave the message's body out"
        } else {
            "does not offer DSN: a bounce may bring back the whole message"
        };
        vec![Ok(server.says(&format!("answers as {name}, {protection}, {login}"))), Ok(server.says(bounces))]
    }
}

fn hello(configured: Option<&str>) -> Result<ClientId, String> {
    let Some(name) = configured else { return Ok(ClientId::default()) };
    if name.is_empty() || name.len() > 255 || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-.".contains(&b)) {
        return Err(format!("hello = {name:?}: expected a host name"));
    }
    Ok(ClientId::Domain(name.to_owned()))
}

fn only_loopback(host: &str, addresses: &[SocketAddr]) -> Result<(), String> {
    match off_loopback(addresses) {
        None => Ok(()),
        Some(other) => Err(format!(
            "tls = \"none\" is for a server on this machine only, and {host} is {}; use \"starttls\" or \"tls\"",
            other.ip()
        )),
    }
}
