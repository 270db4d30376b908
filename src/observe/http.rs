//! The read-only HTTP server: `/healthz`, `/readyz`, `/metrics`, and the pages for people that it is given ([`super::status`]).
//!
//! Where a text message gateway reports arrivals by HTTP (`report_url` of a channel), `/receipt/CHANNEL/NOTICE/TOKEN/NUMBER` is there, too:
//! from this machine only, and only with the token that the notice was sent with. All that it can do is to mark that one notice.
//!
//! One request per connection, and a connection lives for ten seconds at most: it serves probes and scrapers, and nobody
//! may hold it up by reading or writing slowly.

use super::health::Health;
use super::metrics::Metrics;
use axum::Router;
use axum::extract::connect_info::Connected;
use axum::extract::{ConnectInfo, Path, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::map_response;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::serve::{IncomingStream, Listener};
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Sleep;
use tokio_util::sync::CancellationToken;

/// The longest that a connection may last.
const LIFETIME: Duration = Duration::from_secs(10);

/// Connections at once; more wait to be accepted.
const CONNECTIONS: usize = 64;

#[derive(Clone)]
struct Shown {
    health: Health,
    metrics: Metrics,
    refresh: Arc<dyn Fn() + Send + Sync>,
    receipts: Option<Receipts>,
}

/// One report of a gateway's, as it stands in the path.
#[derive(Debug, Clone)]
pub struct Receipt {
    /// The channel's name.
    pub channel: String,
    /// The notice.
    pub notice: String,
    /// What only the gateway was told.
    pub token: String,
    /// What became of it, as the gateway counts.
    pub number: u32,
}

/// Takes a report; false: it is not one for akund.
pub type Receipts = Arc<dyn Fn(Receipt) -> Pin<Box<dyn Future<Output = bool> + Send>> + Send + Sync>;

/// Serves until `shutdown`, then lets the requests under way end. `refresh` sets the gauges before a scrape; it may block. `pages` are
/// served besides.
///
/// # Errors
/// What the listener answers when it fails for good.
pub async fn serve(
    listener: TcpListener,
    health: Health,
    metrics: Metrics,
    refresh: impl Fn() + Send + Sync + 'static,
    receipts: Option<Receipts>,
    pages: Router,
    shutdown: CancellationToken,
) -> io::Result<()> {
    let router = router(Shown { health, metrics, refresh: Arc::new(refresh), receipts }, pages);
    let service = router.into_make_service_with_connect_info::<Peer>();
    axum::serve(Limited::new(listener, CONNECTIONS, LIFETIME), service)
        .with_graceful_shutdown(async move { shutdown.cancelled().await })
        .await
}

/// `GET` and `HEAD` only; anything else is 405, any other path 404.
fn router(shown: Shown, pages: Router) -> Router {
    let router = Router::new()
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .route("/metrics", get(show_metrics));
    let router = match shown.receipts {
        Some(_) => router.route("/receipt/{channel}/{notice}/{token}/{number}", get(take_receipt)),
        None => router,
    };
    router.with_state(shown).merge(pages).layer(map_response(close))
}

async fn close(mut response: Response) -> Response {
    const FIXED: [(HeaderName, HeaderValue); 3] = [
        (header::CONNECTION, HeaderValue::from_static("close")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    ];
    response.headers_mut().extend(FIXED);
    response
}

/// 200 `ok`, or 503 with the reasons as JSON: the process lives, its parts move and the journal can be written.
async fn healthz(State(shown): State<Shown>) -> Response {
    answer("unwell", shown.health.problems(Instant::now()))
}

/// 200 `ok`, or 503 with the reason as JSON: requests are taken.
async fn readyz(State(shown): State<Shown>) -> Response {
    answer("closed", shown.health.intake().err().into_iter().collect())
}

fn answer(status: &str, reasons: Vec<String>) -> Response {
    if reasons.is_empty() {
        return (StatusCode::OK, "ok\n").into_response();
    }
    let body = serde_json::json!({ "status": status, "reasons": reasons });
    (StatusCode::SERVICE_UNAVAILABLE, [(header::CONTENT_TYPE, "application/json")], format!("{body}\n")).into_response()
}

/// Who is at the other end.
#[derive(Debug, Clone, Copy)]
struct Peer(SocketAddr);

impl Connected<IncomingStream<'_, Limited>> for Peer {
    fn connect_info(stream: IncomingStream<'_, Limited>) -> Self {
        Self(*stream.remote_addr())
    }
}

/// 204, or 404 for whatever is no report of a gateway on this machine about a notice of akund's.
async fn take_receipt(
    State(shown): State<Shown>,
    ConnectInfo(Peer(peer)): ConnectInfo<Peer>,
    Path((channel, notice, token, number)): Path<(String, String, String, u32)>,
) -> StatusCode {
    let taken = match shown.receipts {
        Some(take) if peer.ip().to_canonical().is_loopback() => take(Receipt { channel, notice, token, number }).await,
        _ => false,
    };
    if taken { StatusCode::NO_CONTENT } else { StatusCode::NOT_FOUND }
}

/// OpenMetrics 1.0.0 to who asks for it, as Prometheus does; to everybody else the Prometheus text format 0.0.4.
async fn show_metrics(State(shown): State<Shown>, headers: HeaderMap) -> Response {
    const OPEN: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    const PLAIN: &str = "text/plain; version=0.0.4; charset=utf-8";
    let refresh = shown.refresh.clone();
    if tokio::task::spawn_blocking(move || refresh()).await.is_err() {
        tracing::warn!("the gauges could not be refreshed");
    }
    let accept = headers.get_all(header::ACCEPT).iter().filter_map(|v| v.to_str().ok());
    let open = accept.flat_map(|v| v.split(',')).any(|v| v.trim_start().starts_with("application/openmetrics-text"));
    let (kind, text) = match open {
        true => (OPEN, shown.metrics.encode()),
        false => (PLAIN, shown.metrics.encode_plain()),
    };
    ([(header::CONTENT_TYPE, kind)], text).into_response()
}

/// A listener that bounds how many connections there are and how long each lasts.
struct Limited {
    listener: TcpListener,
    free: Arc<Semaphore>,
    lifetime: Duration,
}

impl Limited {
    fn new(listener: TcpListener, connections: usize, lifetime: Duration) -> Self {
        Self { listener, free: Arc::new(Semaphore::new(connections)), lifetime }
    }
}

impl Listener for Limited {
    type Io = Connection;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Connection, SocketAddr) {
        // The semaphore is never closed; without a permit the connection is served all the same.
        let permit = self.free.clone().acquire_owned().await.ok();
        let (stream, address) = Listener::accept(&mut self.listener).await;
        (Connection { stream, end: Box::pin(tokio::time::sleep(self.lifetime)), _permit: permit }, address)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// A connection that fails every read and write once its time is over.
struct Connection {
    stream: TcpStream,
    end: Pin<Box<Sleep>>,
    _permit: Option<OwnedSemaphorePermit>,
}

impl Connection {
    fn unless_over<T>(
        &mut self,
        cx: &mut Context<'_>,
        act: impl FnOnce(Pin<&mut TcpStream>, &mut Context<'_>) -> Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        match self.end.as_mut().poll(cx) {
            Poll::Ready(()) => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
            Poll::Pending => act(Pin::new(&mut self.stream), cx),
        }
    }
}

impl AsyncRead for Connection {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.unless_over(cx, |stream, cx| stream.poll_read(cx, buf))
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.unless_over(cx, |stream, cx| stream.poll_write(cx, buf))
    }
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.unless_over(cx, |stream, cx| stream.poll_flush(cx))
    }
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.unless_over(cx, |stream, cx| stream.poll_shutdown(cx))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observe::pulse::Pulse;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    struct Server {
        address: SocketAddr,
        health: Health,
        metrics: Metrics,
        shutdown: CancellationToken,
        task: tokio::task::JoinHandle<io::Result<()>>,
    }

    async fn start() -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (health, metrics, shutdown) = (Health::new(Pulse::new()), Metrics::new(), CancellationToken::new());
        let serving = serve(listener, health.clone(), metrics.clone(), || (), None, Router::new(), shutdown.clone());
        let task = tokio::spawn(serving);
        Server { address, health, metrics, shutdown, task }
    }

    impl Server {
        /// Sends bytes as they are and reads until the server closes.
        async fn raw(&self, request: &str) -> String {
            let mut stream = TcpStream::connect(self.address).await.unwrap();
            stream.write_all(request.as_bytes()).await.unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await.unwrap();
            answer
        }

        async fn get(&self, path: &str, headers: &str) -> (u16, String, String) {
            let answer = self.raw(&format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n")).await;
            let (head, body) = answer.split_once("\r\n\r\n").unwrap();
            let status = head.split(' ').nth(1).unwrap().parse().unwrap();
            (status, head.to_ascii_lowercase(), body.to_owned())
        }
    }

    #[tokio::test]
    async fn health_follows_the_journal_and_says_what_is_wrong() {
        let server = start().await;
        let (status, head, body) = server.get("/healthz", "").await;
        assert_eq!(status, 503);
        assert!(head.contains("content-type: application/json"), "{head}");
        let body: serde_json::Value = serde_json::from_str(&body).unwrap();
        assert_eq!(body["status"], "unwell");
        assert_eq!(body["reasons"][0], "akund is starting: the journal is not open yet");
        server.health.set_journal(Ok(()));
        let (status, head, body) = server.get("/healthz", "").await;
        assert_eq!((status, body.as_str()), (200, "ok\n"));
        assert!(head.contains("connection: close") && head.contains("cache-control: no-store"), "{head}");
        server.health.set_journal(Err("the journal cannot be written: disk full".into()));
        assert_eq!(server.get("/healthz", "").await.0, 503);
    }

    #[tokio::test]
    async fn a_part_that_does_not_move_is_unwell_until_it_moves() {
        let server = start().await;
        server.health.set_journal(Ok(()));
        let beat = server.health.pulse().register("lane mail", Duration::ZERO);
        beat.busy();
        tokio::time::sleep(Duration::from_millis(2)).await;
        let (status, _, body) = server.get("/healthz", "").await;
        assert_eq!(status, 503);
        assert!(body.contains("lane mail has not moved"), "{body}");
        beat.idle();
        assert_eq!(server.get("/healthz", "").await.0, 200);
    }

    #[tokio::test]
    async fn readiness_follows_the_intake() {
        let server = start().await;
        assert_eq!(server.get("/readyz", "").await.0, 503);
        server.health.set_intake(Ok(()));
        assert_eq!(server.get("/readyz?x=1", "").await.0, 200);
        server.health.set_intake(Err("akund is draining".into()));
        let (status, _, body) = server.get("/readyz", "").await;
        assert_eq!((status, body.as_str()), (503, "{\"status\":\"closed\",\"reasons\":[\"akund is draining\"]}\n"));
    }

    #[tokio::test]
    async fn metrics_are_scraped_in_the_format_that_was_asked_for() {
        let server = start().await;
        server.metrics.records_rejected("humas", 1);
        let (status, head, body) = server.get("/metrics", "").await;
        assert_eq!(status, 200);
        assert!(head.contains("content-type: text/plain; version=0.0.4; charset=utf-8"), "{head}");
        assert!(body.contains("akund_records_rejected_total{source=\"humas\"} 1\n"), "{body}");
        assert!(!body.contains("# EOF"));
        let accept = "Accept: application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3\r\n";
        let (_, head, body) = server.get("/metrics", accept).await;
        assert!(head.contains("content-type: application/openmetrics-text; version=1.0.0; charset=utf-8"), "{head}");
        assert!(body.ends_with("# EOF\n"), "{body}");
    }

    #[tokio::test]
    async fn nothing_else_is_there_and_nothing_can_be_written() {
        let server = start().await;
        for path in ["/", "/metrics/", "/healthz/x", "/../etc/passwd"] {
            assert_eq!(server.get(path, "").await.0, 404, "{path}");
        }
        for method in ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"] {
            let answer =
                server.raw(&format!("{method} /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")).await;
            assert!(answer.starts_with("HTTP/1.1 405"), "{method}: {answer}");
            assert!(answer.to_ascii_lowercase().contains("allow: get,head"), "{answer}");
        }
        let head = server.raw("HEAD /metrics HTTP/1.1\r\nHost: x\r\n\r\n").await;
        assert!(head.starts_with("HTTP/1.1 200") && head.ends_with("\r\n\r\n"), "{head}");
        assert!(server.raw("nonsense\r\n\r\n").await.starts_with("HTTP/1.1 400"));
    }

    #[tokio::test]
    async fn it_ends_when_told_to_also_with_a_silent_connection_open() {
        let server = start().await;
        let _silent = TcpStream::connect(server.address).await.unwrap();
        server.get("/healthz", "").await;
        server.shutdown.cancel();
        server.task.await.unwrap().unwrap();
        assert!(TcpStream::connect(server.address).await.is_err());
    }

    #[tokio::test]
    async fn who_is_slow_is_cut_off_and_makes_room_for_the_next() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let limited = Limited::new(listener, 2, Duration::from_millis(300));
        let health = Health::new(Pulse::new());
        let shown = Shown { health, metrics: Metrics::new(), refresh: Arc::new(|| ()), receipts: None };
        let server = tokio::spawn(async move { axum::serve(limited, router(shown, Router::new())).await });
        let mut slow = Vec::new();
        for _ in 0..2 {
            let mut stream = TcpStream::connect(address).await.unwrap();
            stream.write_all(b"GET /metrics HTTP/1.1\r\nX-Slow: ").await.unwrap();
            slow.push(stream);
        }
        let mut next = TcpStream::connect(address).await.unwrap();
        next.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
        let mut answer = String::new();
        next.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
        for stream in &mut slow {
            let mut rest = Vec::new();
            let _ = stream.read_to_end(&mut rest).await;
            assert!(!String::from_utf8_lossy(&rest).starts_with("HTTP/1.1 200"));
        }
        server.abort();
    }
}
