//! The proof by an IMAP login (RFC 9051 §6.2), over TLS or on this machine.

mod dialogue;

use super::{Denial, Standing};
use crate::config::place::{Place, Protection};
use crate::model::said::{masked, tidy};
use crate::model::{Finding, Secret};
use crate::tcp::{connect, off_loopback};
use crate::tls;
use dialogue::{Broken, Dialogue, Ended, response_code};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// `NO` with one of these says nothing about the password (RFC 5530 §3).
const NOT_ABOUT_THE_PASSWORD: [&str; 5] = ["UNAVAILABLE", "INUSE", "LIMIT", "SERVERBUG", "PRIVACYREQUIRED"];

/// An IMAP server.
pub struct Imap {
    place: Place,
    tls: Option<(TlsConnector, ServerName<'static>)>,
    limit: Duration,
}

/// How far a dialogue has come; for the sentence when it takes too long.
#[derive(Default)]
struct Progress(AtomicU8);

const STAGES: [&str; 5] = [
    "looking its name up",
    "connecting",
    "agreeing on TLS",
    "waiting for the greeting",
    "waiting for the answer to the login",
];

impl Progress {
    fn enter(&self, stage: u8) {
        self.0.store(stage, Ordering::Relaxed);
    }
    fn doing(&self) -> &'static str {
        STAGES.get(usize::from(self.0.load(Ordering::Relaxed))).copied().unwrap_or("talking to it")
    }
}

type Connection = Dialogue<Box<dyn Stream>>;

/// A connection, protected or not.
trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

impl Imap {
    /// `limit` is for one whole login. Without TLS, `config` is not needed.
    ///
    /// # Errors
    /// A host that no certificate can name.
    pub fn new(place: Place, config: Option<Arc<ClientConfig>>, limit: Duration) -> Result<Self, String> {
        let tls = match config.filter(|_| place.protection != Protection::LoopbackOnly) {
            Some(config) => Some((TlsConnector::from(config), tls::server_name(&place.host)?)),
            None => None,
        };
        Ok(Self { place, tls, limit })
    }

    fn says(&self, rest: &str) -> String {
        format!("{} {rest}", self.place)
    }

    /// Logs in and out again.
    ///
    /// # Errors
    /// Refused, with the server's words, or could not be asked.
    pub async fn log_in(&self, user: &str, password: &Secret) -> Result<(), Denial> {
        let progress = Progress::default();
        let attempt = tokio::time::timeout(self.limit, self.attempt(user, password, &progress)).await;
        attempt.unwrap_or_else(|_| Err(Denial::Unreachable(self.too_late(&progress))))
    }

    /// Shows itself as a master user who wants to be let in as this one. Dovecot checks the master user first, and says of the
    /// other one that it is not authorised, or that log-in is disabled for it (RFC 5530 §3): so it is known whom it refused.
    ///
    /// # Errors
    /// It could not be asked, or refused the master user.
    pub async fn standing(&self, user: &str, master: &str, password: &Secret) -> Result<Standing, Denial> {
        let progress = Progress::default();
        let asking = async {
            let (mut dialogue, ended) = self.begin(user, Some(master), password, &progress).await?;
            match ended {
                Ended::Ok => {
                    dialogue.logout().await;
                    Ok(Standing::Open)
                }
                Ended::No(words) | Ended::Bad(words) => match response_code(&words).unwrap_or_default().as_str() {
                    "AUTHORIZATIONFAILED" | "CONTACTADMIN" => Ok(Standing::Closed),
                    _ => Err(Denial::Unreachable(self.says(&format!(
                        "did not look at {} for the master user: {}",
                        masked(user),
                        tidy(&words, local(user))
                    )))),
                },
            }
        };
        let answer = tokio::time::timeout(self.limit, asking).await;
        answer.unwrap_or_else(|_| Err(Denial::Unreachable(self.too_late(&progress))))
    }

    /// Whether the server knows the master user: it then says of an account that nobody has that this one is refused.
    pub async fn look_as(&self, master: &str, password: &Secret) -> Finding {
        let nobody = format!("akund-{}@invalid.invalid", uuid::Uuid::new_v4().simple());
        match self.standing(&nobody, master, password).await {
            Ok(Standing::Closed) => Ok(self.says("knows the master user, and refuses it an account that is not there")),
            Ok(_) => Err(self
                .says("lets the master user in as an account that is not there: suspensions could not be proven so")),
            Err(Denial::Refused(words) | Denial::Unreachable(words)) => Err(words),
        }
    }

    /// The answer to one login; `master` is who shows the password, where that is somebody else.
    async fn begin(
        &self,
        user: &str,
        master: Option<&str>,
        password: &Secret,
        progress: &Progress,
    ) -> Result<(Connection, Ended), Denial> {
        let mut dialogue = self.dial(progress).await.map_err(Denial::Unreachable)?;
        progress.enter(4);
        let broken = |broken| Denial::Unreachable(self.broken(broken, user));
        let capabilities = dialogue.capabilities().await.map_err(broken)?;
        let ended = match (way_in(&capabilities), master) {
            (Some(WayIn::Plain), Some(master)) => dialogue.authenticate_as(user, master, password).await,
            (Some(WayIn::Plain), None) => dialogue.authenticate_as("", user, password).await,
            (Some(WayIn::Login), None) => dialogue.login(user, password).await,
            (Some(WayIn::Login), Some(_)) => {
                let told = "offers no AUTHENTICATE PLAIN, which a master user needs";
                return Err(Denial::Unreachable(self.says(told)));
            }
            (None, _) => return Err(Denial::Unreachable(self.says(NO_WAY_IN))),
        };
        ended.map(|ended| (dialogue, ended)).map_err(broken)
    }

    async fn attempt(&self, user: &str, password: &Secret, progress: &Progress) -> Result<(), Denial> {
        let (mut dialogue, ended) = self.begin(user, None, password, progress).await?;
        match ended {
            Ended::Ok => {
                dialogue.logout().await;
                Ok(())
            }
            Ended::No(words) => Err(self.refused(&words, user)),
            Ended::Bad(words) => Err(Denial::Unreachable(self.says(&format!(
                "did not understand the login of {}: {}",
                masked(user),
                tidy(&words, local(user))
            )))),
        }
    }

    fn refused(&self, words: &str, user: &str) -> Denial {
        let said = tidy(words, local(user));
        let code = response_code(words).unwrap_or_default();
        if NOT_ABOUT_THE_PASSWORD.contains(&code.as_str()) {
            return Denial::Unreachable(self.says(&format!("could not look at the login of {}: {said}", masked(user))));
        }
        Denial::Refused(self.says(&format!("refused the login of {}: {said}", masked(user))))
    }

    /// A connection that has been greeted and is protected.
    async fn dial(&self, progress: &Progress) -> Result<Connection, String> {
        progress.enter(0);
        let found = tokio::net::lookup_host((self.place.host.as_str(), self.place.port)).await;
        let addresses: Vec<SocketAddr> =
            found.map_err(|e| self.says(&format!("cannot be looked up: {}", tidy(&e.to_string(), ""))))?.collect();
        if let (Protection::LoopbackOnly, Some(other)) = (self.place.protection, off_loopback(&addresses)) {
            return Err(self.says(&format!(
                "is not used: starttls = false is for a server on this machine only, and this one is {}",
                other.ip()
            )));
        }
        progress.enter(1);
        let tcp = connect(&addresses)
            .await
            .map_err(|e| self.says(&format!("cannot be reached: {}", tidy(&e.to_string(), ""))))?;
        let stream: Box<dyn Stream> = match self.place.protection {
            Protection::LoopbackOnly => Box::new(tcp),
            Protection::Tls => self.protect(tcp, progress).await?,
            Protection::Starttls => {
                let tcp = self.starttls(tcp, progress).await?;
                return Ok(Dialogue::new(self.protect(tcp, progress).await?));
            }
        };
        let mut dialogue = Dialogue::new(stream);
        progress.enter(3);
        dialogue.greeting().await.map_err(|broken| self.broken(broken, ""))?;
        Ok(dialogue)
    }

    /// What the server sends in clear text behind its `OK` is dropped with the dialogue's buffer, or meets the handshake.
    async fn starttls(&self, tcp: TcpStream, progress: &Progress) -> Result<TcpStream, String> {
        progress.enter(3);
        let broken = |broken| self.broken(broken, "");
        let mut dialogue = Dialogue::new(tcp);
        dialogue.greeting().await.map_err(broken)?;
        let capabilities = dialogue.capabilities().await.map_err(broken)?;
        if !capabilities.iter().any(|c| c == "STARTTLS") {
            return Err(self.says(
                "does not offer STARTTLS; akund sends no password in clear text: use imaps:// or correct the server",
            ));
        }
        match dialogue.starttls().await.map_err(broken)? {
            Ended::Ok => Ok(dialogue.into_inner()),
            Ended::No(words) | Ended::Bad(words) => Err(self.says(&format!("refused STARTTLS: {}", tidy(&words, "")))),
        }
    }

    async fn protect(&self, tcp: TcpStream, progress: &Progress) -> Result<Box<dyn Stream>, String> {
        progress.enter(2);
        let Some((connector, name)) = &self.tls else { return Err(self.says("is not used: TLS is not set up")) };
        match connector.connect(name.clone(), tcp).await {
            Ok(stream) => Ok(Box::new(stream)),
            Err(error) => Err(self.says(&match tls::cause_of(&error) {
                Some(tls) => tls::explain(tls),
                None => format!("was lost, while agreeing on TLS: {}", tidy(&error.to_string(), "")),
            })),
        }
    }

    fn broken(&self, broken: Broken, user: &str) -> String {
        self.says(&match broken {
            Broken::Io(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
                "closed the connection in the middle".to_owned()
            }
            Broken::Io(error) => match tls::cause_of(&error) {
                Some(tls) => tls::explain(tls),
                None => format!("was lost: {}", tidy(&error.to_string(), "")),
            },
            Broken::Bye(words) => format!("said goodbye: {}", tidy(&words, local(user))),
            Broken::Nonsense => "does not speak IMAP, or not as it should".to_owned(),
        })
    }

    fn too_late(&self, progress: &Progress) -> String {
        self.says(&format!("did not answer within {} s, while {}", self.limit.as_secs(), progress.doing()))
    }

    /// DNS, TCP, TLS, greeting and what it offers; nobody is logged in.
    pub async fn look(&self) -> Finding {
        let progress = Progress::default();
        let looking = async {
            let mut dialogue = self.dial(&progress).await?;
            let capabilities = dialogue.capabilities().await.map_err(|broken| self.broken(broken, ""))?;
            dialogue.logout().await;
            let protection = match self.place.protection {
                Protection::Tls => "protected by TLS, certificate verified",
                Protection::Starttls => "protected by STARTTLS, certificate verified",
                Protection::LoopbackOnly => "in clear text, on loopback",
            };
            match way_in(&capabilities) {
                Some(WayIn::Plain) => Ok(self.says(&format!("answers, {protection}; offers AUTHENTICATE PLAIN"))),
                Some(WayIn::Login) => Ok(self.says(&format!("answers, {protection}; offers LOGIN"))),
                None => Err(self.says(NO_WAY_IN)),
            }
        };
        tokio::time::timeout(self.limit, looking).await.unwrap_or_else(|_| Err(self.too_late(&progress)))
    }
}

const NO_WAY_IN: &str = "offers no way to log in with a password (AUTH=PLAIN, or LOGIN without LOGINDISABLED); if it \
     wants TLS first, use imaps:// or starttls";

/// How a password is shown.
enum WayIn {
    Plain,
    Login,
}

fn way_in(capabilities: &[String]) -> Option<WayIn> {
    let offers = |name: &str| capabilities.iter().any(|c| c == name);
    match (offers("AUTH=PLAIN"), offers("LOGINDISABLED")) {
        (true, _) => Some(WayIn::Plain),
        (false, false) => Some(WayIn::Login),
        (false, true) => None,
    }
}

/// The local part of an address, which a server's words may hold by itself.
fn local(user: &str) -> &str {
    user.rsplit_once('@').map_or(user, |(local, _)| local)
}
