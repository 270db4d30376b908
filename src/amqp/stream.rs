//! Connections made by akund, as lapin wants to be given them.
//!
//! lapin would look names up, connect and speak TLS by itself, in ways of its own. [`Net`] is its reactor with a stream that
//! is already connected and protected in place of that; [`Line`] can be cut from outside, so that no thread of lapin's waits for
//! a broker that has fallen silent.

use async_compat::Compat;
use async_rs::Tokio;
use async_rs::traits::Reactor;
use async_rs::util::{DummyIO, RuntimeParts};
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

/// A connection, in clear text or in TLS.
pub trait Io: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

/// A connection that ends when its token is cancelled.
pub struct Line {
    io: Box<dyn Io>,
    cut: Pin<Box<WaitForCancellationFutureOwned>>,
}

impl Line {
    /// Over a connection.
    pub fn new(io: Box<dyn Io>, cut: CancellationToken) -> Self {
        Self { io, cut: Box::pin(cut.cancelled_owned()) }
    }

    fn check(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        match self.cut.as_mut().poll(cx) {
            Poll::Ready(()) => Err(io::Error::new(io::ErrorKind::ConnectionAborted, "the connection was given up")),
            Poll::Pending => Ok(()),
        }
    }
}

impl AsyncRead for Line {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.check(cx)?;
        Pin::new(&mut self.io).poll_read(cx, into)
    }
}

impl AsyncWrite for Line {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.check(cx)?;
        Pin::new(&mut self.io).poll_write(cx, bytes)
    }
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.check(cx)?;
        Pin::new(&mut self.io).poll_flush(cx)
    }
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

/// What lapin runs on.
pub type Kit = RuntimeParts<Tokio, Net>;

/// tokio's timers, and [`Line`]s.
#[derive(Debug, Clone)]
pub struct Net(Tokio);

/// On the runtime that this is called in.
pub fn kit() -> Kit {
    RuntimeParts::new(Tokio::current(), Net(Tokio::current()))
}

/// What [`Net`] says where lapin would connect by itself.
fn never<T>() -> io::Result<T> {
    Err(io::Error::new(io::ErrorKind::Unsupported, "connections are made before lapin is given them"))
}

impl Reactor for Net {
    type TcpStream = Compat<Line>;
    type Sleep = <Tokio as Reactor>::Sleep;

    #[allow(refining_impl_trait, reason = "it is never called, and its bound is a private trait")]
    fn register<H: io::Read + io::Write + Send + 'static>(&self, _: H) -> io::Result<DummyIO> {
        never()
    }
    fn sleep(&self, duration: Duration) -> Self::Sleep {
        self.0.sleep(duration)
    }
    fn interval(&self, duration: Duration) -> impl futures_core::Stream<Item = Instant> + Send + 'static {
        self.0.interval(duration)
    }
    fn tcp_connect_addr(&self, _: SocketAddr) -> impl Future<Output = io::Result<Self::TcpStream>> + Send + 'static {
        std::future::ready(never())
    }
}
