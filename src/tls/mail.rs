//! The certificate of a mail server that was refused. The library for SMTP sets TLS up by itself and shows only those that it
//! trusts: for the metrics a refused one is looked at through a connection of akund's own, over which nothing is sent.

use super::{cause_among, client_config, server_name};
use crate::tcp::{LineWise, connect};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::TlsConnector;

/// Most bytes of one reply.
const MOST: usize = 16 * 1024;

/// Looks at one server.
#[derive(Debug, Clone)]
pub struct MailGlance {
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
    starttls: bool,
}

impl MailGlance {
    /// Connects nowhere.
    ///
    /// # Errors
    /// As [`client_config`] and [`server_name`].
    pub fn new(host: &str, port: u16, starttls: bool, ca_file: Option<&Path>) -> Result<Self, String> {
        Ok(Self { config: client_config(ca_file, port)?, name: server_name(host)?, starttls })
    }

    /// Notes the certificate that the server shows, where its refusal is why `error` came about, within `limit`. What fails here
    /// is of no consequence.
    pub async fn after(&self, error: &lettre::transport::smtp::Error, addresses: &[SocketAddr], limit: Duration) {
        if let Some(rustls::Error::InvalidCertificate(_)) = cause_among(error) {
            self.look(addresses, limit).await;
        }
    }

    async fn look(&self, addresses: &[SocketAddr], limit: Duration) {
        match tokio::time::timeout(limit, self.handshake(addresses)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::debug!(%error, "a mail server's certificate was looked at"),
            Err(_) => tracing::debug!("a mail server's certificate could not be looked at in time"),
        }
    }

    async fn handshake(&self, addresses: &[SocketAddr]) -> io::Result<()> {
        let mut stream = LineWise::new(connect(addresses).await?);
        if self.starttls {
            // RFC 3207 §4
            expect(&mut stream, "220").await?;
            stream.write_all(b"EHLO [127.0.0.1]\r\n").await?;
            expect(&mut stream, "250").await?;
            stream.write_all(b"STARTTLS\r\n").await?;
            expect(&mut stream, "220").await?;
        }
        TlsConnector::from(self.config.clone()).connect(self.name.clone(), stream).await.map(drop)
    }
}

/// Reads one reply (RFC 5321 §4.2.1): lines `CODE-text`, the last one `CODE text`.
async fn expect(stream: &mut LineWise, code: &str) -> io::Result<()> {
    let mut reply = Vec::new();
    while reply.len() < MOST {
        reply.push(stream.read_u8().await?);
        let Some(lines) = reply.strip_suffix(b"\n") else { continue };
        let last = lines.rsplit(|byte| *byte == b'\n').next().unwrap_or_default();
        if last.get(3) != Some(&b'-') {
            return match last.starts_with(code.as_bytes()) {
                true => Ok(()),
                false => Err(io::Error::other("a reply that does not fit")),
            };
        }
    }
    Err(io::Error::other("a reply without end"))
}
