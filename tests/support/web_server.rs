//! An HTTP server of a test's own: it keeps what it is sent and answers what it is told to, or cuts the connection.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// One request as it came.
#[derive(Debug, Clone)]
pub struct Received {
    pub method: String,
    /// Path and query.
    pub target: String,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Received {
    pub fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
    }
}

/// What becomes of a request.
#[derive(Debug, Clone)]
pub enum Reply {
    /// A status and a body.
    Answer(u16, String),
    /// A status and a place to go instead.
    Elsewhere(u16, String),
    /// Read whole, and the connection cut without an answer.
    Cut,
}

type Decide = dyn Fn(&Received) -> Reply + Send + Sync;

/// Listens until the test ends.
pub struct WebServer {
    port: u16,
    received: Arc<Mutex<Vec<Received>>>,
}

impl WebServer {
    pub fn start(decide: impl Fn(&Received) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        Self::on(listener, decide)
    }

    pub fn on(listener: TcpListener, decide: impl Fn(&Received) -> Reply + Send + Sync + 'static) -> Self {
        let port = listener.local_addr().expect("its port").port();
        let (received, decide): (Arc<Mutex<Vec<Received>>>, Arc<Decide>) = (Arc::default(), Arc::new(decide));
        let kept = Arc::clone(&received);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (kept, decide) = (Arc::clone(&kept), Arc::clone(&decide));
                thread::spawn(move || serve(stream, &kept, &*decide));
            }
        });
        Self { port, received }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// Everything that came, in order.
    pub fn received(&self) -> Vec<Received> {
        self.received.lock().expect("nobody panicked").clone()
    }
}

fn serve(stream: TcpStream, kept: &Mutex<Vec<Received>>, decide: &Decide) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let mut parts = line.split_whitespace().map(str::to_owned);
    let (method, target) = (parts.next()?, parts.next()?);
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let length =
        headers.iter().find(|(name, _)| name == "content-length").and_then(|(_, v)| v.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let request = Received { method, target, headers, body: String::from_utf8_lossy(&body).into_owned() };
    kept.lock().expect("nobody panicked").push(request.clone());
    let (status, more, body) = match decide(&request) {
        Reply::Answer(status, body) => (status, String::new(), body),
        Reply::Elsewhere(status, place) => (status, format!("Location: {place}\r\n"), String::new()),
        Reply::Cut => return None,
    };
    let mut stream = stream;
    let head = format!("HTTP/1.1 {status} Said\r\nContent-Length: {}\r\nConnection: close\r\n{more}\r\n", body.len());
    stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body.as_bytes())).ok()
}
