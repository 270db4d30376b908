//! The proof by AUTH at a submission server (RFC 4954); no message is sent.

use super::Denial;
use crate::config::place::{Place, Protection};
use crate::model::said::{masked, tidy};
use crate::model::{Finding, Secret};
use crate::tcp::{LineWise, ONE_ADDRESS, connect, off_loopback};
use crate::tls;
use lettre::transport::smtp::Error;
use lettre::transport::smtp::authentication::{Credentials, DEFAULT_MECHANISMS};
use lettre::transport::smtp::client::{AsyncSmtpConnection, TlsParameters};
use lettre::transport::smtp::commands::Quit;
use lettre::transport::smtp::extension::ClientId;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

/// A submission server.
pub struct Submission {
    place: Place,
    tls: Option<TlsParameters>,
    limit: Duration,
}

impl Submission {
    /// `limit` is for one whole login.
    ///
    /// # Errors
    /// A `ca_file` that cannot be used.
    pub fn new(place: Place, ca_file: Option<&Path>, limit: Duration) -> Result<Self, String> {
        let tls = match place.protection {
            Protection::LoopbackOnly => None,
            Protection::Tls | Protection::Starttls => Some(tls::smtp_parameters(&place.host, ca_file)?),
        };
        Ok(Self { place, tls, limit })
    }

    fn says(&self, rest: &str) -> String {
        format!("{} {rest}", self.place)
    }

    /// Authenticates, and says goodbye.
    ///
    /// # Errors
    /// Refused, with the server's words, or could not be asked.
    pub async fn log_in(&self, user: &str, password: &Secret) -> Result<(), Denial> {
        tokio::time::timeout(self.limit, self.attempt(user, password))
            .await
            .unwrap_or_else(|_| Err(Denial::Unreachable(self.too_late())))
    }

    async fn attempt(&self, user: &str, password: &Secret) -> Result<(), Denial> {
        let mut smtp = self.dial().await.map_err(Denial::Unreachable)?;
        let credentials = Credentials::new(user.to_owned(), password.expose().to_owned());
        let answer = smtp.auth(DEFAULT_MECHANISMS, &credentials).await;
        let denied = match answer {
            Ok(response) if response.has_code(235) => None,
            Ok(response) => Some(Denial::Unreachable(
                self.says(&format!("gave a reply to AUTH that does not fit (code {})", response.code())),
            )),
            Err(error) => Some(self.denied(&error, user)),
        };
        let _ = smtp.command(Quit).await;
        denied.map_or(Ok(()), Err)
    }

    /// 535 is about the password, 534 about the mechanism (RFC 4954 §6), 454 and the rest of 4yz may pass.
    fn denied(&self, error: &Error, user: &str) -> Denial {
        let said = said(error, user);
        match error.status().map(u16::from) {
            Some(535) => Denial::Refused(self.says(&format!("refused the login of {}: {said}", masked(user)))),
            Some(_) => {
                Denial::Unreachable(self.says(&format!("could not look at the login of {}: {said}", masked(user))))
            }
            None if error.is_client() => {
                Denial::Unreachable(self.says("offers no way to log in with a password (AUTH PLAIN or LOGIN)"))
            }
            None => Denial::Unreachable(self.says(&format!("was lost: {said}"))),
        }
    }

    async fn dial(&self) -> Result<AsyncSmtpConnection, String> {
        let found = tokio::net::lookup_host((self.place.host.as_str(), self.place.port)).await;
        let addresses: Vec<SocketAddr> =
            found.map_err(|e| self.says(&format!("cannot be looked up: {}", tidy(&e.to_string(), ""))))?.collect();
        if let (None, Some(other)) = (&self.tls, off_loopback(&addresses)) {
            return Err(self.says(&format!(
                "is not used: starttls = false is for a server on this machine only, and this one is {}",
                other.ip()
            )));
        }
        let hello = ClientId::default();
        let lost = |error: Error| self.lost(&error);
        let smtp = match (&self.tls, self.place.protection) {
            (Some(parameters), Protection::Tls) => {
                let (tls, limit) = (Some(parameters.clone()), Some(ONE_ADDRESS));
                AsyncSmtpConnection::connect_tokio1(&addresses[..], limit, &hello, tls, None).await.map_err(lost)?
            }
            (parameters, _) => {
                let tcp = connect(&addresses)
                    .await
                    .map_err(|e| self.says(&format!("cannot be reached: {}", tidy(&e.to_string(), ""))))?;
                let stream = Box::new(LineWise::new(tcp));
                let mut smtp = AsyncSmtpConnection::connect_with_transport(stream, &hello).await.map_err(lost)?;
                if let Some(parameters) = parameters {
                    if !smtp.can_starttls() {
                        return Err(self.says(
                            "does not offer STARTTLS; akund sends no password in clear text: use submissions:// or correct \
                             the server",
                        ));
                    }
                    smtp.starttls(parameters.clone(), &hello).await.map_err(lost)?;
                }
                smtp
            }
        };
        if let (Some(_), Ok(certificate)) = (&self.tls, smtp.peer_certificate()) {
            tls::saw(&self.place.host, &certificate);
        }
        Ok(smtp)
    }

    fn lost(&self, error: &Error) -> String {
        let mut next = std::error::Error::source(error);
        while let Some(cause) = next {
            let inner = cause.downcast_ref::<std::io::Error>().and_then(tls::cause_of);
            if let Some(failed) = cause.downcast_ref::<rustls::Error>().or(inner) {
                return self.says(&tls::explain(failed));
            }
            next = cause.source();
        }
        self.says(&format!("could not be used: {}", said(error, "")))
    }

    fn too_late(&self) -> String {
        self.says(&format!("did not answer within {} s", self.limit.as_secs()))
    }

    /// DNS, TCP, TLS, greeting and whether it offers AUTH; nobody is logged in.
    pub async fn look(&self) -> Finding {
        let looking = async {
            let mut smtp = self.dial().await?;
            let offers = smtp.server_info().get_auth_mechanism(DEFAULT_MECHANISMS).is_some();
            let _ = smtp.command(Quit).await;
            if offers {
                Ok(self.says("answers and offers AUTH"))
            } else {
                Err(self.says("offers no way to log in with a password (AUTH PLAIN or LOGIN)"))
            }
        };
        tokio::time::timeout(self.limit, looking).await.unwrap_or_else(|_| Err(self.too_late()))
    }
}

/// The server's words where it gave any, else the cause.
fn said(error: &Error, user: &str) -> String {
    let local = user.rsplit_once('@').map_or(user, |(local, _)| local);
    let source = std::error::Error::source(error).map(ToString::to_string);
    tidy(
        &match (error.status(), source) {
            (Some(code), source) => format!("{code} {}", source.unwrap_or_default()),
            (None, Some(source)) => source,
            (None, None) => error.to_string(),
        },
        local,
    )
}
