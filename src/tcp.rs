//! TCP as a client: look a name up, try its addresses in turn, keep clear text on this machine, read by lines.

use lettre::transport::smtp::client::AsyncTokioStream;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncBufRead, AsyncRead, AsyncWrite, BufReader, ReadBuf};
use tokio::net::TcpStream;

/// How long one address of a server may take over TCP.
pub const ONE_ADDRESS: Duration = Duration::from_secs(10);

/// The first address that takes the connection; else the last one's error. At most [`ONE_ADDRESS`] for each.
///
/// # Errors
/// The last address's, or that there is none.
pub async fn connect(addresses: &[SocketAddr]) -> io::Result<TcpStream> {
    let mut last = io::Error::other("its name has no address");
    for address in addresses {
        match tokio::time::timeout(ONE_ADDRESS, TcpStream::connect(address)).await {
            Ok(Ok(tcp)) => {
                tcp.set_nodelay(true)?;
                return Ok(tcp);
            }
            Ok(Err(error)) => last = error,
            Err(_) => {
                last = io::Error::new(io::ErrorKind::TimedOut, format!("no answer within {} s", ONE_ADDRESS.as_secs()))
            }
        }
    }
    Err(last)
}

/// The first address that is not this machine's own: clear text would leave it.
pub fn off_loopback(addresses: &[SocketAddr]) -> Option<SocketAddr> {
    addresses.iter().find(|a| !a.ip().to_canonical().is_loopback()).copied()
}

/// Hands out at most one line per read, so that nobody above buffers what follows a line.
///
/// Without it, clear text that a third party puts behind the reply to STARTTLS would wait in the
/// buffer above and be taken for replies inside TLS (the flaw of CVE-2011-0411, on the client's side). So it meets the TLS
/// handshake instead, which fails.
#[derive(Debug)]
pub struct LineWise(BufReader<TcpStream>);

impl LineWise {
    /// Over a connection of which nothing has been read.
    pub fn new(tcp: TcpStream) -> Self {
        Self(BufReader::new(tcp))
    }
}

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
