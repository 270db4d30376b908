//! The proof by AUTH at a submission server (RFC 4954); no message is sent.

use super::Denial;
use crate::config::place::{Place, Protection};
use crate::model::said::{masked, tidy};
use crate::model::{Finding, Secret};
use crate::tcp::{LineWise, ONE_ADDRESS, connect, off_loopback};
use crate::tls::{self, MailGlance};
use lettre::transport::smtp::Error;
use lettre::transport::smtp::authentication::{Credentials, DEFAULT_MECHANISMS};
use lettre::transport::smtp::client::{AsyncSmtpConnection, TlsParameters};
use lettre::transport::smtp::commands::Quit;
use lettre::transport::smtp::extension::ClientId;
use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

/// The longest that a proof waits for the look at the certificate that was refused.
const PROOF_GLANCE: Duration = Duration::from_secs(2);

/// A submission server.
pub struct Submission {
    place: Place,
    tls: Option<(TlsParameters, MailGlance)>,
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
            Protection::Tls | Protection::Starttls => {
                let starttls = place.protection == Protection::Starttls;
                let glance = MailGlance::new(&place.host, place.port, starttls, ca_file)?;
                Some((tls::smtp_parameters(&place.host, ca_file)?, glance))
            }
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
        let began = Instant::now();
        // The refusal must be told before the attempt is too late.
        let glance_limit = || PROOF_GLANCE.min(self.limit.saturating_sub(began.elapsed()) / 2);
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
            (Some((parameters, glance)), Protection::Tls) => {
                let (tls, limit) = (Some(parameters.clone()), Some(ONE_ADDRESS));
                let connected = AsyncSmtpConnection::connect_tokio1(&addresses[..], limit, &hello, tls, None).await;
                if let Err(error) = &connected {
                    glance.after(error, &addresses, glance_limit()).await;
                }
                connected.map_err(lost)?
            }
            (tls, _) => {
                let tcp = connect(&addresses)
                    .await
                    .map_err(|e| self.says(&format!("cannot be reached: {}", tidy(&e.to_string(), ""))))?;
                let stream = Box::new(LineWise::new(tcp));
                let mut smtp = AsyncSmtpConnection::connect_with_transport(stream, &hello).await.map_err(lost)?;
                if let Some((parameters, glance)) = tls {
                    if !smtp.can_starttls() {
                        return Err(self.says(
                            "does not offer STARTTLS; akund sends no password in clear text: use submissions:// or correct \
                             the server",
                        ));
                    }
                    let protected = smtp.starttls(parameters.clone(), &hello).await;
                    if let Err(error) = &protected {
                        glance.after(error, &addresses, glance_limit()).await;
                    }
                    protected.map_err(lost)?;
                }
                smtp
            }
        };
        if let (Some(_), Ok(certificate)) = (&self.tls, smtp.peer_certificate()) {
            tls::saw(&self.place.host, self.place.port, &certificate);
        }
        Ok(smtp)
    }

    fn lost(&self, error: &Error) -> String {
        match tls::cause_among(error) {
            Some(failed) => self.says(&tls::explain(failed)),
            None => self.says(&format!("could not be used: {}", said(error, ""))),
        }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::place::{SUBMISSION, Starttls};
    use std::sync::Arc;
    use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufStream};
    use tokio::net::{TcpListener, TcpStream};

    fn certificate(year: i32) -> (rcgen::Certificate, rcgen::KeyPair) {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut parameters = rcgen::CertificateParams::new(["127.0.0.1".to_owned()]).unwrap();
        parameters.not_after = rcgen::date_time_ymd(year, 3, 9);
        (parameters.self_signed(&key).unwrap(), key)
    }

    fn acceptor(shown: &rcgen::Certificate, key: &rcgen::KeyPair) -> tokio_rustls::TlsAcceptor {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let key = rustls::pki_types::PrivateKeyDer::Pkcs8(key.serialize_der().into());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(rustls::ALL_VERSIONS)
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![shown.der().clone()], key)
            .unwrap();
        tokio_rustls::TlsAcceptor::from(Arc::new(config))
    }

    async fn greet(tcp: TcpStream) -> std::io::Result<TcpStream> {
        let (mut stream, mut line) = (BufStream::new(tcp), String::new());
        for said in ["220-welcome\r\n220 here\r\n", "250-here\r\n250 STARTTLS\r\n", "220 go on\r\n"] {
            stream.write_all(said.as_bytes()).await?;
            stream.flush().await?;
            if !said.contains("go on") {
                stream.read_line(&mut line).await?;
            }
        }
        Ok(stream.into_inner())
    }

    #[tokio::test]
    async fn a_certificate_that_is_refused_is_noted() {
        let (ca, _) = certificate(2040);
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), ca.pem()).unwrap();
        for (scheme, starttls) in [("submission", true), ("submissions", false)] {
            let (shown, key) = certificate(2031);
            let acceptor = acceptor(&shown, &key);
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let port = listener.local_addr().unwrap().port();
            let server = tokio::spawn(async move {
                while let Ok((tcp, _)) = listener.accept().await {
                    let tcp = if starttls { greet(tcp).await } else { Ok(tcp) };
                    let _ = acceptor.accept(tcp.unwrap()).await;
                }
            });
            let place = Place::parse(&format!("{scheme}://127.0.0.1:{port}"), &SUBMISSION, Starttls::Required).unwrap();
            let submission = Submission::new(place, Some(file.path()), Duration::from_secs(60)).unwrap();
            let told = submission.look().await.unwrap_err();
            assert!(told.contains("not trusted"), "{told}");
            // date -ud 2031-03-09 +%s
            assert!(tls::seen().contains(&(format!("127.0.0.1:{port}"), 1_930_780_800)), "{scheme}: {:?}", tls::seen());
            server.abort();
        }
    }

    #[tokio::test]
    async fn a_server_that_is_silent_at_the_second_look_does_not_hide_what_is_wrong_with_its_certificate() {
        let (ca, _) = certificate(2040);
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), ca.pem()).unwrap();
        let (shown, key) = certificate(2032);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let acceptor = acceptor(&shown, &key);
        let server = tokio::spawn(async move {
            let (tcp, _) = listener.accept().await.unwrap();
            let _ = acceptor.accept(tcp).await;
            let silent = listener.accept().await.unwrap();
            std::future::pending::<()>().await;
            drop(silent);
        });
        let place = Place::parse(&format!("submissions://127.0.0.1:{port}"), &SUBMISSION, Starttls::Required).unwrap();
        let submission = Submission::new(place, Some(file.path()), Duration::from_secs(8)).unwrap();
        let told = submission.look().await.unwrap_err();
        assert!(told.contains("not trusted"), "{told}");
        server.abort();
    }
}
