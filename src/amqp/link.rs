//! A connection to a broker: looked up, connected, protected and logged in; each of them with its own error.

use super::explain::Trouble;
use super::stream::{Kit, Line, kit};
use crate::config::QueueConfig;
use crate::config::queue::BrokerUrl;
use crate::model::Secret;
use crate::secret::place::read_secret;
use crate::tcp;
use async_compat::CompatExt;
use async_rs::Runtime;
use futures_util::{Stream, StreamExt};
use lapin::auth::AuthProvider;
use lapin::tcp::AsyncTcpStream;
use lapin::uri::{AMQPAuthority, AMQPQueryString, AMQPScheme, AMQPUri, AMQPUserInfo};
use lapin::{Channel, Connection, ConnectionProperties, Event};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio_rustls::TlsConnector;
use tokio_util::sync::{CancellationToken, DropGuard};

/// How often both sides show that they live, seconds; after two of them without a sign the connection is given up.
const HEARTBEAT: u16 = 10;
/// The longest that one exchange with a broker may take: the handshake of TLS, the log-in, a declaration, a confirmation.
pub const PATIENCE: Duration = Duration::from_secs(30);
/// How long after a channel was closed its reason is waited for: it came before.
const REFUSAL: Duration = Duration::from_secs(5);

/// A broker as it is configured.
#[derive(Clone)]
pub struct Broker {
    /// Where it is, and as whom akund logs in there.
    pub url: BrokerUrl,
    password_file: PathBuf,
    tls: Option<(Arc<ClientConfig>, ServerName<'static>)>,
}

/// A connection. When it is dropped, the connection is cut.
pub struct Link {
    connection: Connection,
    url: BrokerUrl,
    _cut: DropGuard,
}

impl Broker {
    /// Reads the CAs, and looks whether the password can be read. Connects nowhere.
    ///
    /// # Errors
    /// A sentence.
    pub fn configured(config: &QueueConfig) -> Result<Self, String> {
        let url = config.url.clone();
        read_secret(&config.password_file)?;
        let tls = match url.tls {
            true => {
                let name = crate::tls::server_name(&url.host)?;
                Some((crate::tls::client_config(config.ca_file.as_deref(), url.port)?, name))
            }
            false => None,
        };
        Ok(Self { url, password_file: config.password_file.clone(), tls })
    }

    /// Connects and logs in. `purpose` is shown in the broker's list of connections.
    ///
    /// # Errors
    /// [`Trouble`], from the step that failed.
    pub async fn connect(&self, purpose: &str) -> Result<Link, Trouble> {
        let password = read_secret(&self.password_file).map_err(Trouble::new)?;
        let stream = self.dial().await?;
        let cut = CancellationToken::new();
        let guard = cut.clone().drop_guard();
        let line = Mutex::new(Some(Line::new(stream, cut).compat()));
        let connect = async move |_: AMQPUri, _: Runtime<Kit>| {
            // lapin asks once: it does not reconnect.
            match line.lock().unwrap_or_else(PoisonError::into_inner).take() {
                Some(line) => Ok(AsyncTcpStream::Plain(line)),
                None => Err(std::io::Error::from(std::io::ErrorKind::NotConnected).into()),
            }
        };
        let properties = ConnectionProperties::default()
            .with_connection_name(format!("akund: {purpose}").into())
            .with_auth_provider(Plain { user: self.url.user.clone(), password });
        let opening = Connection::connector(self.uri(), Runtime::new(kit()), connect, properties);
        let connection = tokio::time::timeout(PATIENCE, opening)
            .await
            .map_err(|_| self.silent("the log-in"))?
            .map_err(|error| Trouble::of(&error, &self.url))?;
        Ok(Link { connection, url: self.url.clone(), _cut: guard })
    }

    async fn dial(&self) -> Result<Box<dyn super::stream::Io>, Trouble> {
        let (host, port) = (&self.url.host, self.url.port);
        let addresses: Vec<SocketAddr> = tokio::time::timeout(PATIENCE, tokio::net::lookup_host((host.as_str(), port)))
            .await
            .map_err(|_| Trouble::new(format!("the name {host} is looked up for too long: ask the resolver")))?
            .map_err(|error| Trouble::new(format!("the name {host} cannot be looked up: {error}")))?
            .collect();
        if let (None, Some(away)) = (&self.tls, tcp::off_loopback(&addresses)) {
            return Err(Trouble::new(format!(
                "{host} is {away}, not this machine: the password would go there in clear text; use amqps://"
            )));
        }
        let tcp = tcp::connect(&addresses)
            .await
            .map_err(|error| Trouble::new(format!("{} does not take a connection: {error}", self.url.server())))?;
        let Some((config, name)) = &self.tls else { return Ok(Box::new(tcp)) };
        let connector = TlsConnector::from(Arc::clone(config));
        let handshake = tokio::time::timeout(PATIENCE, connector.connect(name.clone(), tcp));
        let stream = handshake.await.map_err(|_| self.silent("TLS"))?.map_err(|error| {
            let why = crate::tls::explain_at(&error, "is this its port for AMQP with TLS?");
            Trouble::new(format!("{} {why}", self.url.server()))
        })?;
        Ok(Box::new(stream))
    }

    fn silent(&self, during: &str) -> Trouble {
        Trouble::new(format!("{} said nothing for {} s during {during}", self.url.server(), PATIENCE.as_secs()))
    }

    /// For lapin; it holds no password.
    fn uri(&self) -> AMQPUri {
        AMQPUri {
            scheme: AMQPScheme::AMQP,
            authority: AMQPAuthority {
                userinfo: AMQPUserInfo { username: self.url.user.clone(), password: String::new() },
                host: self.url.host.clone(),
                port: self.url.port,
            },
            vhost: self.url.vhost.clone(),
            query: AMQPQueryString { heartbeat: Some(HEARTBEAT), ..AMQPQueryString::default() },
        }
    }
}

impl Link {
    /// A new channel. After an error the broker closes a channel, and a new one must be opened.
    ///
    /// # Errors
    /// [`Trouble`].
    pub async fn channel(&self) -> Result<Channel, Trouble> {
        self.within(self.connection.create_channel()).await
    }

    /// What lapin answers, within `PATIENCE`.
    ///
    /// # Errors
    /// [`Trouble`].
    pub async fn within<T>(&self, asked: impl Future<Output = lapin::Result<T>>) -> Result<T, Trouble> {
        match tokio::time::timeout(PATIENCE, asked).await {
            Ok(answer) => answer.map_err(|error| Trouble::of(&error, &self.url)),
            Err(_) => Err(Trouble::new(format!(
                "{} did not answer for {} s; when its disk or memory is full, it makes publishers wait",
                self.url.server(),
                PATIENCE.as_secs()
            ))),
        }
    }

    /// As [`Self::within`], for what follows something that the broker may refuse without being asked about it (a publication):
    /// where the refusal has closed the channel before `asked` was sent, the refusal is the answer. `refusals` is
    /// [`Self::refusals`] from before both.
    ///
    /// # Errors
    /// [`Trouble`].
    pub async fn within_or_refused<T>(
        &self,
        asked: impl Future<Output = lapin::Result<T>>,
        mut refusals: impl Stream<Item = Event> + Unpin,
    ) -> Result<T, Trouble> {
        let answered = self.within(asked).await;
        let Err(Trouble { code: None, .. }) = &answered else { return answered };
        let refusal = async {
            while let Some(event) = refusals.next().await {
                if let Event::Error(error) = event {
                    return Some(Trouble::of(&error, &self.url));
                }
            }
            None
        };
        match tokio::time::timeout(REFUSAL, refusal).await {
            Ok(Some(refused)) => Err(refused),
            Ok(None) | Err(_) => answered,
        }
    }

    /// What the broker refuses from now on, on any channel.
    pub fn refusals(&self) -> impl Stream<Item = Event> + Send + Unpin + use<> {
        self.connection.events_listener().boxed()
    }

    /// Where it goes.
    pub fn url(&self) -> &BrokerUrl {
        &self.url
    }

    /// Takes leave of the broker: what was sent before has then been taken by it.
    ///
    /// # Errors
    /// [`Trouble`]: that is not certain.
    pub async fn close(self) -> Result<(), Trouble> {
        self.within(self.connection.close(200, "akund ends".into())).await
    }
}

/// SASL PLAIN (RFC 4616).
struct Plain {
    user: String,
    password: Secret,
}

impl AuthProvider for Plain {
    fn mechanism(&self) -> lapin::types::ShortString {
        "PLAIN".into()
    }
    fn auth_starter(&self) -> Result<lapin::types::LongString, String> {
        Ok(format!("\0{}\0{}", self.user, self.password.expose()).into())
    }
}
