//! A strict SMTP server for tests: it speaks RFC 5321 with STARTTLS, AUTH and DSN on an ephemeral loopback port, notes
//! every command and every breach of protocol, and misbehaves exactly where a test's hook tells it to.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::PrivateKeyDer;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio_rustls::TlsAcceptor;

/// Where in a dialogue the hook is asked, before the server answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum At {
    Connect,
    Ehlo,
    Starttls,
    Auth,
    Mail,
    Rcpt,
    Data,
    /// The first line of the message has arrived.
    MidData,
    /// The final dot has arrived.
    Dot,
    Rset,
}

/// What the server does instead of its usual answer.
#[derive(Debug, Clone)]
pub enum Act {
    Usual,
    /// The usual answer, and these bytes right behind it.
    UsualAnd(String),
    /// These bytes, CRLF included by the test.
    Say(String),
    /// These bytes, then the connection is cut.
    SayAndCut(String),
    Cut,
    /// Nothing, ever.
    Silent,
    /// The usual answer, once the test has called `Server::release`.
    Late,
}

pub fn say(reply: &str) -> Act {
    Act::Say(format!("{reply}\r\n"))
}

/// Asked with the place, the connection's number and the message's number on the server, both from 1.
type Hook = Arc<dyn Fn(At, usize, usize) -> Act + Send + Sync>;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protection {
    Clear,
    Starttls,
    Tls,
}

/// What it offers; the rest is the hook's.
#[derive(Clone)]
pub struct Options {
    pub protection: Protection,
    pub dsn: bool,
    /// Mechanisms ("PLAIN", "LOGIN"), user, password.
    pub auth: Option<(&'static str, &'static str, &'static str)>,
    /// The name in its certificate.
    pub certificate_name: &'static str,
    pub hook: Hook,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            protection: Protection::Clear,
            dsn: true,
            auth: None,
            certificate_name: "localhost",
            hook: Arc::new(|_, _, _| Act::Usual),
        }
    }
}

impl Options {
    pub fn hooked(hook: impl Fn(At, usize, usize) -> Act + Send + Sync + 'static) -> Self {
        Self { hook: Arc::new(hook), ..Self::default() }
    }
}

/// A message it took, or would have taken but for the hook.
#[derive(Debug, Clone)]
pub struct Received {
    pub mail: String,
    pub rcpt: String,
    /// Unstuffed.
    pub data: String,
}

#[derive(Debug, Default)]
struct Notes {
    connections: usize,
    open: usize,
    messages: Vec<Received>,
    commands: Vec<String>,
    breaches: Vec<String>,
}

struct Inner {
    options: Options,
    notes: Mutex<Notes>,
    changed: Notify,
    release: Notify,
    tls: TlsAcceptor,
}

pub struct Server {
    inner: Arc<Inner>,
    pub address: SocketAddr,
    /// The CA's certificate.
    pub ca_pem: String,
    task: tokio::task::JoinHandle<()>,
}

impl Server {
    pub async fn start(options: Options) -> Self {
        let (tls, ca_pem) = tls(options.certificate_name);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let inner =
            Arc::new(Inner { options, notes: Mutex::default(), changed: Notify::new(), release: Notify::new(), tls });
        let task = tokio::spawn(accept(listener, inner.clone()));
        Self { inner, address, ca_pem, task }
    }
    pub fn messages(&self) -> Vec<Received> {
        self.inner.notes.lock().unwrap().messages.clone()
    }
    pub fn connections(&self) -> usize {
        self.inner.notes.lock().unwrap().connections
    }
    /// Every command line, in the order of arrival.
    pub fn commands(&self) -> Vec<String> {
        self.inner.notes.lock().unwrap().commands.clone()
    }
    pub fn breaches(&self) -> Vec<String> {
        self.inner.notes.lock().unwrap().breaches.clone()
    }
    /// Lets one answer that is `Late` go.
    pub fn release(&self) {
        self.inner.release.notify_one();
    }
    /// Waits until no connection is open.
    pub async fn all_closed(&self) {
        loop {
            let changed = self.inner.changed.notified();
            if self.inner.notes.lock().unwrap().open == 0 {
                return;
            }
            changed.await;
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn tls(name: &str) -> (TlsAcceptor, String) {
    let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let leaf = CertificateParams::new(vec![name.to_owned()]).unwrap().signed_by(&key, &ca).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![leaf.der().clone()], PrivateKeyDer::try_from(key.serialize_der()).unwrap())
        .unwrap();
    (TlsAcceptor::from(Arc::new(config)), ca.pem())
}

async fn accept(listener: TcpListener, inner: Arc<Inner>) {
    while let Ok((tcp, _)) = listener.accept().await {
        let inner = inner.clone();
        let number = {
            let mut notes = inner.notes.lock().unwrap();
            notes.connections += 1;
            notes.open += 1;
            notes.connections
        };
        tokio::spawn(async move {
            let _ = serve(&inner, tcp, number).await;
            inner.notes.lock().unwrap().open -= 1;
            inner.changed.notify_waiters();
        });
    }
}

/// Why a dialogue ended.
enum End {
    Gone,
    Starttls,
}

async fn serve(inner: &Inner, tcp: TcpStream, number: usize) -> io::Result<()> {
    if inner.options.protection == Protection::Tls {
        let stream = inner.tls.accept(tcp).await?;
        Dialogue::new(inner, stream, number, true).run(true).await?;
        return Ok(());
    }
    let mut dialogue = Dialogue::new(inner, tcp, number, false);
    if let End::Starttls = dialogue.run(true).await? {
        let stream = inner.tls.accept(dialogue.stream.into_inner()).await?;
        Dialogue::new(inner, stream, number, true).run(false).await?;
    }
    Ok(())
}

struct Dialogue<'a, S> {
    inner: &'a Inner,
    stream: BufReader<S>,
    number: usize,
    secure: bool,
    greeted: bool,
    authenticated: bool,
    mail: Option<String>,
    rcpt: Option<String>,
}

impl<'a, S: AsyncRead + AsyncWrite + Unpin> Dialogue<'a, S> {
    fn new(inner: &'a Inner, stream: S, number: usize, secure: bool) -> Self {
        let stream = BufReader::new(stream);
        Self { inner, stream, number, secure, greeted: false, authenticated: false, mail: None, rcpt: None }
    }

    fn breach(&self, what: String) {
        self.inner.notes.lock().unwrap().breaches.push(what);
    }

    async fn write(&mut self, text: &str) -> io::Result<()> {
        if !self.stream.buffer().is_empty() {
            self.breach(format!("pipelined: {:?}", String::from_utf8_lossy(self.stream.buffer())));
        }
        self.stream.write_all(text.as_bytes()).await?;
        self.stream.flush().await
    }

    /// Says what the hook wants, or `usual`. `false`: the usual answer was not given.
    async fn answer(&mut self, at: At, usual: &str) -> io::Result<bool> {
        let message = self.inner.notes.lock().unwrap().messages.len() + usize::from(at != At::Dot);
        match (self.inner.options.hook)(at, self.number, message) {
            Act::Usual if at == At::MidData => Ok(true),
            Act::Usual => self.write(&format!("{usual}\r\n")).await.map(|()| true),
            Act::UsualAnd(more) => self.write(&format!("{usual}\r\n{more}")).await.map(|()| true),
            Act::Say(text) => self.write(&text).await.map(|()| false),
            Act::SayAndCut(text) => {
                self.write(&text).await?;
                Err(io::ErrorKind::ConnectionAborted.into())
            }
            Act::Cut => Err(io::ErrorKind::ConnectionAborted.into()),
            Act::Silent => self.silent().await,
            Act::Late => {
                self.inner.release.notified().await;
                self.write(&format!("{usual}\r\n")).await.map(|()| true)
            }
        }
    }

    /// Reads and says nothing until the client goes.
    async fn silent(&mut self) -> io::Result<bool> {
        loop {
            let read = self.stream.fill_buf().await?.len();
            if read == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            self.stream.consume(read);
        }
    }

    async fn line(&mut self) -> io::Result<String> {
        let mut bytes = Vec::new();
        if self.stream.read_until(b'\n', &mut bytes).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if !bytes.ends_with(b"\r\n") || bytes.iter().filter(|b| **b == b'\r').count() != 1 {
            self.breach(format!("not a line: {:?}", String::from_utf8_lossy(&bytes)));
        }
        if bytes.len() > 1000 || !bytes.is_ascii() {
            self.breach(format!("a line of {} octets, ASCII: {}", bytes.len(), bytes.is_ascii()));
        }
        Ok(String::from_utf8_lossy(&bytes).trim_end_matches(['\r', '\n']).to_owned())
    }

    async fn run(&mut self, greet: bool) -> io::Result<End> {
        if greet {
            self.answer(At::Connect, "220 fake.example.org ESMTP").await?;
        }
        loop {
            let line = self.line().await?;
            self.inner.notes.lock().unwrap().commands.push(line.clone());
            let verb = line.split(' ').next().unwrap_or_default().to_ascii_uppercase();
            match verb.as_str() {
                "EHLO" => self.ehlo().await?,
                "STARTTLS" if self.inner.options.protection == Protection::Starttls && !self.secure => {
                    if self.answer(At::Starttls, "220 go ahead").await? {
                        return Ok(End::Starttls);
                    }
                }
                "AUTH" if self.greeted && self.inner.options.auth.is_some() => self.auth(&line).await?,
                "MAIL" if self.greeted && self.mail.is_none() => self.mail(&line).await?,
                "RCPT" if self.mail.is_some() && self.rcpt.is_none() => {
                    if self.answer(At::Rcpt, "250 2.1.5 Ok").await? {
                        self.rcpt = Some(line);
                    }
                }
                "DATA" if self.rcpt.is_some() => self.data().await?,
                "RSET" => {
                    (self.mail, self.rcpt) = (None, None);
                    self.answer(At::Rset, "250 2.0.0 Ok").await?;
                }
                "QUIT" => {
                    self.write("221 2.0.0 Bye\r\n").await?;
                    return Ok(End::Gone);
                }
                _ => {
                    self.breach(format!("not now: {line}"));
                    self.write("503 5.5.1 Bad sequence of commands\r\n").await?;
                }
            }
        }
    }

    async fn ehlo(&mut self) -> io::Result<()> {
        self.greeted = true;
        let options = &self.inner.options;
        let mut lines = vec!["fake.example.org".to_owned(), "SIZE 10240000".into(), "8BITMIME".into()];
        if options.protection == Protection::Starttls && !self.secure {
            lines.push("STARTTLS".into());
        }
        if let Some((mechanisms, _, _)) =
            options.auth.filter(|_| options.protection == Protection::Clear || self.secure)
        {
            lines.push(format!("AUTH {mechanisms}"));
        }
        if options.dsn {
            lines.push("DSN".into());
        }
        let last = lines.pop().unwrap();
        let mut reply: String = lines.iter().map(|l| format!("250-{l}\r\n")).collect();
        reply.push_str(&format!("250 {last}"));
        self.answer(At::Ehlo, &reply).await.map(drop)
    }

    async fn auth(&mut self, line: &str) -> io::Result<()> {
        let (_, user, password) = self.inner.options.auth.unwrap();
        let decode = |text: &str| String::from_utf8(STANDARD.decode(text).unwrap_or_default()).unwrap_or_default();
        let right = match line.split(' ').collect::<Vec<_>>()[..] {
            ["AUTH", "PLAIN", response] => decode(response) == format!("\0{user}\0{password}"),
            ["AUTH", "LOGIN"] => {
                self.write(&format!("334 {}\r\n", STANDARD.encode("Username:"))).await?;
                let given_user = decode(&self.line().await?);
                self.write(&format!("334 {}\r\n", STANDARD.encode("Password:"))).await?;
                given_user == user && decode(&self.line().await?) == password
            }
            _ => false,
        };
        let usual = if right { "235 2.7.0 Welcome" } else { "535 5.7.8 Authentication failed" };
        if self.answer(At::Auth, usual).await? {
            self.authenticated = right;
        }
        Ok(())
    }

    async fn mail(&mut self, line: &str) -> io::Result<()> {
        if self.inner.options.auth.is_some() && !self.authenticated {
            return self.write("530 5.7.0 Authentication required\r\n").await;
        }
        for parameter in line.split(' ').skip(2) {
            if !(self.inner.options.dsn && parameter == "RET=HDRS") {
                self.breach(format!("not offered: {parameter}"));
            }
        }
        if self.answer(At::Mail, "250 2.1.0 Ok").await? {
            self.mail = Some(line.to_owned());
        }
        Ok(())
    }

    async fn data(&mut self) -> io::Result<()> {
        if !self.answer(At::Data, "354 End data with <CR><LF>.<CR><LF>").await? {
            return Ok(());
        }
        let mut data = self.line().await? + "\r\n";
        self.answer(At::MidData, "").await?;
        loop {
            let line = self.line().await?;
            if line == "." {
                break;
            }
            data.push_str(line.strip_prefix('.').unwrap_or(&line));
            data.push_str("\r\n");
        }
        let (mail, rcpt) = (self.mail.take().unwrap(), self.rcpt.take().unwrap());
        let queued = {
            let mut notes = self.inner.notes.lock().unwrap();
            notes.messages.push(Received { mail, rcpt, data });
            notes.messages.len()
        };
        self.answer(At::Dot, &format!("250 2.0.0 Ok: queued as Q{queued}")).await.map(drop)
    }
}
