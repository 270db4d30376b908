//! One RADIUS exchange over UDP: the same packet again until it is answered or the time is over (RFC 5080 §2.2.1).

use super::packet::{NoAnswer, Reply, Request, Signed};
use crate::model::Secret;
use crate::model::said::tidy;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::UdpSocket;
use tokio::time::{Instant, timeout_at};

/// A RADIUS server or a NAS: where it listens, and the secret shared with it.
#[derive(Debug, Clone)]
pub struct Peer {
    place: String,
    secret: Secret,
    limit: Duration,
}

impl Peer {
    /// `place` is `HOST:PORT`; `limit` is for one whole exchange.
    pub fn new(place: &str, secret: Secret, limit: Duration) -> Self {
        Self { place: place.to_owned(), secret, limit }
    }

    /// `HOST:PORT`.
    pub fn place(&self) -> &str {
        &self.place
    }

    /// The secret, as packets are signed with it.
    pub fn secret(&self) -> &[u8] {
        self.secret.expose().as_bytes()
    }

    /// Sends the request and waits for its answer; what does not verify is not an answer.
    ///
    /// # Errors
    /// Why there is none, as the rest of a sentence that begins with the peer.
    pub async fn ask(&self, request: &Request, signed: Signed) -> Result<Reply, String> {
        let end = Instant::now() + self.limit;
        let found = timeout_at(end, tokio::net::lookup_host(&self.place)).await;
        let addresses: Vec<SocketAddr> = match found {
            Ok(Ok(addresses)) => addresses.collect(),
            Ok(Err(error)) => return Err(format!("cannot be looked up: {}", tidy(&error.to_string(), ""))),
            Err(_) => return Err(format!("cannot be looked up within {} s", self.limit.as_secs())),
        };
        let mut last = "has no address".to_owned();
        for address in addresses {
            match self.ask_at(address, request, signed, end).await {
                Err(Silence::Nobody(told)) => last = told,
                Err(Silence::Lost(told)) => return Err(told),
                Ok(reply) => return Ok(reply),
            }
        }
        Err(last)
    }

    async fn ask_at(
        &self,
        address: SocketAddr,
        request: &Request,
        signed: Signed,
        end: Instant,
    ) -> Result<Reply, Silence> {
        let socket = connected(address).await.map_err(|e| nobody(&e))?;
        let mut buffer = [0; 4096];
        let mut doubtful = None;
        let begun = Instant::now();
        for again in repeats(end - begun, rand::random()).map(|wait| begun + wait) {
            socket.send(request.bytes()).await.map_err(|e| nobody(&e))?;
            loop {
                match timeout_at(again.min(end), socket.recv(&mut buffer)).await {
                    Err(_) => break,
                    Ok(Err(error)) => return Err(nobody(&error)),
                    Ok(Ok(length)) => {
                        match request.answer(buffer.get(..length).unwrap_or_default(), self.secret(), signed) {
                            Ok(reply) => return Ok(reply),
                            // Somebody else's datagram must not end the wait for the right one.
                            Err(why) => doubtful = Some(why),
                        }
                    }
                }
            }
        }
        Err(Silence::Lost(self.silence(doubtful)))
    }

    fn silence(&self, doubtful: Option<NoAnswer>) -> String {
        let seconds = self.limit.as_secs();
        match doubtful {
            None => format!(
                "did not answer within {seconds} s; a RADIUS server is silent also when akund's address is not one of its \
                 clients, or when the shared secret is another one"
            ),
            Some(NoAnswer::OtherSecret) => format!(
                "answered within {seconds} s only with what is not signed with the shared secret; correct secret_file or \
                 the secret at the server"
            ),
            Some(NoAnswer::Unsigned) => {
                "answers without Message-Authenticator, so that anybody on the way could forge \
                 the answer (CVE-2024-3596); update the server or let it add one (config/integration/freeradius)"
                    .to_owned()
            }
            Some(NoAnswer::Malformed) => format!("answered within {seconds} s only with what is no RADIUS answer"),
        }
    }
}

enum Silence {
    /// Nobody listens at this address; there may be another.
    Nobody(String),
    Lost(String),
}

fn nobody(error: &io::Error) -> Silence {
    Silence::Nobody(match error.kind() {
        io::ErrorKind::ConnectionRefused => {
            "is not there: nothing listens on that port (connection refused)".to_owned()
        }
        _ => format!("cannot be reached: {}", tidy(&error.to_string(), "")),
    })
}

/// Connected, so that datagrams from elsewhere are not seen, and a closed port is.
async fn connected(address: SocketAddr) -> io::Result<UdpSocket> {
    let own: SocketAddr = if address.is_ipv4() { ([0, 0, 0, 0], 0).into() } else { ([0_u16; 8], 0).into() };
    let socket = UdpSocket::bind(own).await?;
    socket.connect(address).await?;
    Ok(socket)
}

/// The ends of the waits after each sending: three sendings, each wait twice as long as the one before, the last one ending
/// with `limit`, and the others moved by up to a tenth so that many requests don't repeat in step. `jitter` in 0..1.
fn repeats(limit: Duration, jitter: f64) -> impl Iterator<Item = Duration> {
    let moved = 0.9 + 0.2 * jitter.clamp(0.0, 1.0);
    [limit.mul_f64(moved / 7.0), limit.mul_f64(moved * 3.0 / 7.0), limit].into_iter()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::target::login::radius::packet::{Attributes, code};
    use proptest::prelude::*;

    fn request() -> Request {
        Request::change(code::DISCONNECT_REQUEST, 1, &Attributes::default(), b"s").unwrap()
    }

    fn peer(place: &str) -> Peer {
        Peer::new(place, Secret::new("s"), Duration::from_millis(700))
    }

    #[tokio::test]
    async fn a_closed_port_is_told_from_a_silent_server() {
        let silent = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let place = silent.local_addr().unwrap().to_string();
        let told = peer(&place).ask(&request(), Signed::IfThere).await.unwrap_err();
        assert!(told.starts_with("did not answer"), "{told}");
        drop(silent);
        let told = peer(&place).ask(&request(), Signed::IfThere).await.unwrap_err();
        assert!(told.starts_with("is not there"), "{told}");
    }

    #[tokio::test]
    async fn a_request_is_repeated_unchanged_and_a_forged_answer_does_not_end_the_wait() {
        let server = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let asking = peer(&server.local_addr().unwrap().to_string());
        let asked = tokio::spawn(async move { asking.ask(&request(), Signed::IfThere).await });
        let mut seen = Vec::new();
        let mut buffer = [0; 100];
        for _ in 0..3 {
            let (length, from) = server.recv_from(&mut buffer).await.unwrap();
            seen.push(buffer[..length].to_vec());
            let mut forged = vec![code::DISCONNECT_ACK, 1, 0, 20];
            forged.extend([7; 16]);
            server.send_to(&forged, from).await.unwrap();
        }
        assert!(seen.iter().all(|datagram| datagram == request().bytes()));
        let told = asked.await.unwrap().unwrap_err();
        assert!(told.contains("not signed with the shared secret"), "{told}");
    }

    #[tokio::test]
    async fn a_name_that_does_not_exist_is_told() {
        let told = peer("nas.invalid:3799").ask(&request(), Signed::IfThere).await.unwrap_err();
        assert!(told.starts_with("cannot be looked up"), "{told}");
    }

    proptest! {
        #[test]
        fn waits_grow_and_end_with_the_limit(limit in 1_u64..60_000, jitter in -1.0_f64..2.0) {
            let limit = Duration::from_millis(limit);
            let ends: Vec<Duration> = repeats(limit, jitter).collect();
            prop_assert!(ends.is_sorted() && ends.last() == Some(&limit));
        }
    }
}
