//! From a configuration to a connection: names, TCP, TLS, EHLO, AUTH.

use super::default_port;
use super::dialogue::Connection;
use super::reply::{Progress, Server, Stage, line, tidy};
use crate::config::channel::{SmtpConfig, SmtpTls};
use crate::model::Finding;
use crate::model::{Fault, Secret};
use lettre::transport::smtp::Error;
use lettre::transport::smtp::authentication::{Credentials, DEFAULT_MECHANISMS};
use lettre::transport::smtp::client::{
    AsyncSmtpConnection, AsyncTokioStream, Certificate, CertificateStore, TlsParameters,
};
use lettre::transport::smtp::commands::Ehlo;
use lettre::transport::smtp::extension::ClientId;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::Path;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncBufRead, AsyncRead, AsyncWrite, BufReader, ReadBuf};
use tokio::net::TcpStream;

/// How long one address of the server may take over TCP.
const ONE_ADDRESS: Duration = Duration::from_secs(10);

/// Makes connections to one server.
pub(super) struct Dialer {
    host: String,
    port: u16,
    protection: Protection,
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
            SmtpTls::Starttls => Protection::Starttls(tls(host, config.ca_file.as_deref())?),
            SmtpTls::Tls => Protection::Tls(tls(host, config.ca_file.as_deref())?),
            SmtpTls::None if config.ca_file.is_some() => return Err("ca_file has no use with tls = \"none\"".into()),
            SmtpTls::None => {
                // A name that cannot be looked up now is looked at again before each connection.
                if let Ok(addresses) = (host, port).to_socket_addrs() {
                    only_loopback(host, &addresses.collect::<Vec<_>>())?;
                }
                Protection::LoopbackOnly
            }
        };
        let login = match (&config.username, &config.password_file) {
            (None, None) => None,
            (Some(user), Some(file)) => Some((user.clone(), read_secret(file)?)),
            (Some(_), None) => return Err("username is set, but password_file is not".into()),
            (None, Some(_)) => return Err("password_file is set, but username is not".into()),
        };
        Ok(Self { host: host.to_owned(), port, protection, hello: hello(config.hello.as_deref())?, login })
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
                AsyncSmtpConnection::connect_tokio1(&addresses[..], limit, &self.hello, tls, None)
                    .await
                    .map_err(lost)?
            }
            Protection::Starttls(_) | Protection::LoopbackOnly => {
                progress.enter(Stage::Connect);
                let tcp = connect(&addresses).await.map_err(|e| {
                    Fault::transient(server.says(&format!("cannot be reached: {}", tidy(&e.to_string(), ""))))
                })?;
                progress.enter(Stage::Greet);
                AsyncSmtpConnection::connect_with_transport(Box::new(tcp), &self.hello).await.map_err(lost)?
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
            smtp.starttls(parameters.clone(), &self.hello).await.map_err(lost)?;
        }
        self.authenticate(&mut smtp, server, progress).await?;
        let dsn = self.offers_dsn(&mut smtp).await.map_err(lost)?;
        Ok(Connection::new(smtp, dsn))
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

/// RFC 8314 §4 for the versions: TLS 1.2 or later. With `ca_file`, that CA alone is trusted.
fn tls(host: &str, ca_file: Option<&Path>) -> Result<TlsParameters, String> {
    let builder = TlsParameters::builder(host.to_owned());
    let builder = match ca_file {
        None => builder,
        Some(path) => {
            let broken = |cause: String| format!("ca_file {}: {cause}", path.display());
            let pem = std::fs::read(path).map_err(|e| broken(e.to_string()))?;
            if !pem.windows(27).any(|w| w == b"-----BEGIN CERTIFICATE-----") {
                return Err(broken("holds no certificate in PEM form".into()));
            }
            let certificate = Certificate::from_pem(&pem).map_err(|e| broken(e.to_string()))?;
            builder.certificate_store(CertificateStore::None).add_root_certificate(certificate)
        }
    };
    builder.build().map_err(|e| match ca_file {
        Some(path) => format!("ca_file {}: cannot be used: {e}", path.display()),
        None => format!("TLS cannot be set up with the system's CAs: {e}"),
    })
}

fn hello(configured: Option<&str>) -> Result<ClientId, String> {
    let Some(name) = configured else { return Ok(ClientId::default()) };
    if name.is_empty() || name.len() > 255 || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-.".contains(&b)) {
        return Err(format!("hello = {name:?}: expected a host name"));
    }
    Ok(ClientId::Domain(name.to_owned()))
}

fn only_loopback(host: &str, addresses: &[SocketAddr]) -> Result<(), String> {
    match addresses.iter().find(|a| !a.ip().to_canonical().is_loopback()) {
        None => Ok(()),
        Some(other) => Err(format!(
            "tls = \"none\" is for a server on this machine only, and {host} is {}; use \"starttls\" or \"tls\"",
            other.ip()
        )),
    }
}

/// The first address that takes the connection; else the last one's error.
async fn connect(addresses: &[SocketAddr]) -> io::Result<LineWise> {
    let mut last = io::Error::other("its name has no address");
    for address in addresses {
        match tokio::time::timeout(ONE_ADDRESS, TcpStream::connect(address)).await {
            Ok(Ok(tcp)) => {
                tcp.set_nodelay(true)?;
                return Ok(LineWise(BufReader::new(tcp)));
            }
            Ok(Err(error)) => last = error,
            Err(_) => {
                last = io::Error::new(io::ErrorKind::TimedOut, format!("no answer within {} s", ONE_ADDRESS.as_secs()))
            }
        }
    }
    Err(last)
}

/// Hands out at most one line per read, so that nobody above buffers what follows a line.
///
/// Without it, clear text that a third party puts behind the reply to STARTTLS would wait in lettre's
/// buffer and be taken for replies inside TLS (the flaw of CVE-2011-0411, on the client's side). So it meets the TLS
/// handshake instead, which fails.
#[derive(Debug)]
struct LineWise(BufReader<TcpStream>);

impl AsyncRead for LineWise {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let available = ready!(Pin::new(&mut self.0).poll_fill_buf(cx))?;
        let line = available.iter().position(|b| *b == b'\n').map_or(available.len(), |end| end + 1);
        let taken = line.min(into.remaining());
        into.put_slice(available.get(..taken).unwrap_or_default());
        Pin::new(&mut self.0).consume(taken);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for LineWise {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

impl AsyncTokioStream for LineWise {
    fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.0.get_ref().peer_addr()
    }
}
