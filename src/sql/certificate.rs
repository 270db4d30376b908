//! Until when a database server's certificate is valid. The library that speaks with the server sets TLS up by itself and shows
//! nobody what it saw, so that akund looks once an hour, through a connection that ends with the handshake.

use super::line;
use crate::config::database::{DatabaseServer, ServerKind, ServerPlace};
use std::io;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::runtime::Handle;
use tokio_rustls::TlsConnector;

/// How often it is looked at.
const AGAIN: Duration = Duration::from_secs(3600);
/// How long that may take; work waits for it.
const LIMIT: Duration = Duration::from_secs(5);
/// PostgreSQL's SSLRequest (Frontend/Backend Protocol, 55.7): length, and 1234.5679.
const POSTGRES: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 47];
/// Of MySQL's capabilities: TLS, the protocol of 4.1, its authentication.
const SSL: u32 = 1 << 11;
const CAPABILITIES: u32 = SSL | 1 << 9 | 1 << 15;

/// When it was looked last.
#[derive(Debug, Default)]
pub(super) struct Glance(Mutex<Option<Instant>>);

impl Glance {
    /// Notes the certificate that the server shows, where TLS is used and nobody has looked for an hour; also one that is not
    /// trusted, or has ended. What fails here is said by the connection that is made for the work.
    pub(super) fn look(&self, at: &DatabaseServer, ca_file: Option<&Path>) {
        let (ServerPlace::Host(host), Some(ca_file), Ok(handle)) = (&at.place, ca_file, Handle::try_current()) else {
            return;
        };
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if last.is_some_and(|last| last.elapsed() < AGAIN) {
            return;
        }
        *last = Some(Instant::now());
        drop(last);
        let looked = line::within(&handle, LIMIT, handshake(at.kind, host, at.port, ca_file));
        if let Some(Err(why)) = looked {
            tracing::debug!(server = host, why, "the certificate could not be looked at");
        }
    }
}

async fn handshake(kind: ServerKind, host: &str, port: u16, ca_file: &Path) -> Result<(), String> {
    let connector = TlsConnector::from(crate::tls::client_config(Some(ca_file), port)?);
    let name = crate::tls::server_name(host)?;
    let said = |error: io::Error| error.to_string();
    let addresses: Vec<_> = tokio::net::lookup_host((host, port)).await.map_err(said)?.collect();
    let mut tcp = crate::tcp::connect(&addresses).await.map_err(said)?;
    match kind {
        ServerKind::Postgres => ask_postgres(&mut tcp).await,
        ServerKind::MariaDb => ask_mariadb(&mut tcp).await,
    }
    .map_err(said)?;
    connector.connect(name, tcp).await.map(drop).map_err(said)
}

/// `S`: it goes on with TLS.
async fn ask_postgres(tcp: &mut TcpStream) -> io::Result<()> {
    tcp.write_all(&POSTGRES).await?;
    match tcp.read_u8().await? {
        b'S' => Ok(()),
        _ => Err(io::Error::other("it offers no TLS")),
    }
}

/// The server greets first; what follows an SSLRequest is TLS (MySQL's client/server protocol, connection phase).
async fn ask_mariadb(tcp: &mut TcpStream) -> io::Result<()> {
    let length = usize::try_from(tcp.read_u32_le().await? & 0x00ff_ffff).map_err(io::Error::other)?;
    let mut greeting = vec![0; length];
    tcp.read_exact(&mut greeting).await?;
    if !offers_tls(&greeting) {
        return Err(io::Error::other("it offers no TLS"));
    }
    let mut request = vec![32, 0, 0, 1];
    request.extend(CAPABILITIES.to_le_bytes());
    request.extend((1_u32 << 24).to_le_bytes());
    // utf8mb4, and 23 bytes that mean nothing.
    request.push(45);
    request.extend([0; 23]);
    tcp.write_all(&request).await
}

/// Protocol 10: version (to a zero byte), connection (4), eight bytes of a challenge, a zero byte, the lower capabilities (2).
fn offers_tls(greeting: &[u8]) -> bool {
    let Some((10, rest)) = greeting.split_first() else { return false };
    let Some(end) = rest.iter().position(|byte| *byte == 0) else { return false };
    match rest.get(end + 14..end + 16) {
        Some(&[low, high]) => u32::from(u16::from_le_bytes([low, high])) & SSL != 0,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_greeting_without_tls_or_cut_anywhere_is_no_offer() {
        let greeting = |capabilities: u16| {
            let mut bytes = b"\x0a10.11.6-MariaDB\0".to_vec();
            bytes.extend([1, 0, 0, 0]);
            bytes.extend(*b"abcdefgh\0");
            bytes.extend(capabilities.to_le_bytes());
            bytes
        };
        let with = greeting(0xffff);
        assert!(offers_tls(&with));
        assert!(!offers_tls(&greeting(!0x0800)));
        for cut in 0..with.len() {
            assert!(!offers_tls(&with[..cut]), "{cut}");
        }
        assert!(!offers_tls(b"\xff\x10\x04Too many connections"));
    }
}
