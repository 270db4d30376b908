//! From the configuration to a connection that is bound, and the operations on it. Every wait has an end.

use super::entry::Entry;
use super::name::{Dn, Filter};
use super::operation::{Change, Operation};
use crate::config::target::ldap::{Endpoint, LdapConfig, LdapTls};
use crate::model::{Fault, Secret};
use ldap3::adapters::{Adapter, EntriesOnly, PagedResults};
use ldap3::controls::RawControl;
use ldap3::exop::Exop;
use ldap3::{Ldap, LdapConnAsync, LdapConnSettings, LdapError, LdapResult, Mod, Scope, SearchOptions, StdStream};
use rustls::ClientConfig;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::task::JoinHandle;

/// Entries in one page of a long answer.
const PAGE: i32 = 500;

/// Makes connections to one directory.
#[derive(Debug)]
pub struct Dialer {
    endpoint: Endpoint,
    protection: Protection,
    bind: Bind,
    timeout: Duration,
}

#[derive(Debug)]
enum Protection {
    Ldaps(Arc<ClientConfig>),
    Starttls(Arc<ClientConfig>),
    /// A Unix socket, or TCP to loopback; looked at before each connection.
    ClearOnLoopback,
}

impl Protection {
    /// Whether TLS begins with the first byte; none where there is no TLS.
    fn ldaps(&self) -> Option<bool> {
        match self {
            Self::Ldaps(_) => Some(true),
            Self::Starttls(_) => Some(false),
            Self::ClearOnLoopback => None,
        }
    }
}

#[derive(Debug)]
enum Bind {
    Simple { dn: String, password: Secret },
    External,
}

impl Dialer {
    /// Reads the CA file and the password.
    ///
    /// # Errors
    /// A sentence about what cannot be used.
    pub fn new(config: &LdapConfig, read_secret: &dyn Fn(&Path) -> Result<Secret, String>) -> Result<Self, String> {
        let endpoint = Endpoint::parse(&config.url)?;
        let tls = |port: u16| crate::tls::client_config(config.ca_file.as_deref(), port);
        let protection = match (&endpoint, config.tls) {
            (Endpoint::Tcp { ldaps: true, port, .. }, _) => Protection::Ldaps(tls(*port)?),
            (Endpoint::Tcp { port, .. }, None | Some(LdapTls::Starttls)) => Protection::Starttls(tls(*port)?),
            (Endpoint::Tcp { .. }, Some(LdapTls::None)) | (Endpoint::Unix { .. }, _) => Protection::ClearOnLoopback,
        };
        let bind = match (&config.bind_dn, &config.password_file) {
            (Some(dn), Some(file)) => Bind::Simple { dn: dn.clone(), password: read_secret(file)? },
            (None, None) => Bind::External,
            _ => return Err("bind_dn and password_file go together".into()),
        };
        Ok(Self { endpoint, protection, bind, timeout: Duration::from_secs(config.timeout_seconds.max(1)) })
    }

    /// Where it leads, for sentences.
    pub fn place(&self) -> String {
        self.endpoint.to_string()
    }

    /// How it is protected, for `check`.
    pub fn protected(&self) -> &'static str {
        match (&self.protection, &self.endpoint) {
            (Protection::Ldaps(_), _) => "by TLS, certificate verified",
            (Protection::Starttls(_), _) => "by StartTLS, certificate verified",
            (Protection::ClearOnLoopback, Endpoint::Unix { .. }) => "by its Unix socket",
            (Protection::ClearOnLoopback, Endpoint::Tcp { .. }) => "by nothing, on loopback",
        }
    }

    /// Whom akund binds as, for sentences.
    pub fn bound_as(&self) -> &str {
        match &self.bind {
            Bind::Simple { dn, .. } => dn,
            Bind::External => "the user that akund runs as (SASL EXTERNAL)",
        }
    }

    /// A connection on which nobody is bound yet.
    ///
    /// # Errors
    /// Transient, all of them: nothing was asked for yet.
    pub async fn connect(&self) -> Result<Session, Fault> {
        let place = self.place();
        let told = |what: String| Fault::transient(format!("the directory {place} cannot be reached: {what}"));
        let reached = AtomicBool::new(false);
        match tokio::time::timeout(self.timeout, self.dial(&reached)).await {
            Ok(result) => result.map_err(told),
            Err(_) => {
                let late = format!("no answer within {} s", self.timeout.as_secs());
                // Some servers wait for the rest of what they cannot read.
                let port = self.protection.ldaps().filter(|_| reached.into_inner()).map(super::fault::right_port);
                Err(told(port.map_or(late.clone(), |port| format!("{late}, when TLS was to begin; {port}"))))
            }
        }
    }

    /// A connection on which akund is bound.
    ///
    /// # Errors
    /// Transient: what is wrong with akund's own log-in is wrong for all accounts, and is mended at the server or in the
    /// configuration.
    pub async fn open(&self) -> Result<Session, Fault> {
        let mut session = self.connect().await?;
        let answer = match &self.bind {
            Bind::Simple { dn, password } => session.bind(dn, password).await,
            Bind::External => session.prepared().sasl_external_bind().await.map_err(Lost::from),
        };
        let refused = |what: String| {
            Fault::transient(format!(
                "the directory {} does not let akund in as {}: {what}",
                self.place(),
                self.bound_as()
            ))
        };
        match answer {
            Ok(answer) if answer.rc == 0 => Ok(session),
            Ok(answer) => Err(refused(said(&answer))),
            Err(lost) => Err(refused(lost.to_string())),
        }
    }

    /// `reached` is set once the server takes the connection over TCP.
    async fn dial(&self, reached: &AtomicBool) -> Result<Session, String> {
        let (stream, url, own) = match &self.endpoint {
            Endpoint::Unix { path } => {
                let stream = tokio::net::UnixStream::connect(path).await.map_err(|e| e.to_string())?;
                (StdStream::Unix(stream.into_std().map_err(|e| e.to_string())?), "ldapi:///".to_owned(), None)
            }
            Endpoint::Tcp { host, port, ldaps } => {
                let stream = self.tcp(host, *port).await?;
                reached.store(true, Ordering::Relaxed);
                // The name is what the certificate must be for.
                let scheme = if *ldaps { "ldaps" } else { "ldap" };
                let host = if host.contains(':') { format!("[{host}]") } else { host.clone() };
                let own = stream.local_addr().map_err(|e| e.to_string())?;
                (StdStream::Tcp(stream), format!("{scheme}://{host}:{port}"), Some(own))
            }
        };
        let settings = LdapConnSettings::new().set_std_stream(stream);
        let settings = match &self.protection {
            Protection::Ldaps(tls) => settings.set_config(tls.clone()),
            Protection::Starttls(tls) => settings.set_config(tls.clone()).set_starttls(true),
            Protection::ClearOnLoopback => settings,
        };
        let (connection, ldap) =
            LdapConnAsync::with_settings(settings, &url).await.map_err(|e| match self.protection.ldaps() {
                None => brief(&e),
                Some(ldaps) => super::fault::tls_failed(&e, ldaps),
            })?;
        let driver = tokio::spawn(async move {
            if let Err(e) = connection.drive().await {
                tracing::debug!(error = %brief(&e), "a connection to a directory ended");
            }
        });
        Ok(Session { ldap, _driver: Arc::new(Driver(driver)), timeout: self.timeout, own })
    }

    /// The first address that takes the connection; else the last one's error.
    async fn tcp(&self, host: &str, port: u16) -> Result<std::net::TcpStream, String> {
        let found = tokio::net::lookup_host((host, port)).await;
        let addresses: Vec<SocketAddr> = found.map_err(|e| format!("its name cannot be looked up: {e}"))?.collect();
        if matches!(self.protection, Protection::ClearOnLoopback)
            && let Some(other) = addresses.iter().find(|a| !a.ip().to_canonical().is_loopback())
        {
            return Err(format!("tls = \"none\" is for a server on this machine only, and {host} is {}", other.ip()));
        }
        let mut last = "its name has no address".to_owned();
        for address in addresses {
            match tokio::net::TcpStream::connect(address).await.and_then(settled) {
                Ok(stream) => return Ok(stream),
                Err(e) => last = format!("{address}: {e}"),
            }
        }
        Err(last)
    }
}

/// Without delay for small requests, and with the kernel asking whether the other side is still there.
fn settled(stream: tokio::net::TcpStream) -> std::io::Result<std::net::TcpStream> {
    stream.set_nodelay(true)?;
    nix::sys::socket::setsockopt(&stream, nix::sys::socket::sockopt::KeepAlive, &true)?;
    stream.into_std()
}

/// The task that moves a connection's bytes; ends with the last handle of its session.
struct Driver(JoinHandle<()>);

impl Drop for Driver {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// A connection; clones share it, and their operations are under way at the same time.
#[derive(Clone)]
pub struct Session {
    ldap: Ldap,
    _driver: Arc<Driver>,
    timeout: Duration,
    /// This end of the line; none at a Unix socket.
    own: Option<SocketAddr>,
}

/// No answer came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lost {
    /// And the question did not go out either.
    NotSent(String),
    /// It may have been carried out.
    Unanswered(String),
}

impl std::fmt::Display for Lost {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NotSent(what) | Self::Unanswered(what) => f.write_str(what),
        }
    }
}

impl From<LdapError> for Lost {
    fn from(error: LdapError) -> Self {
        match error {
            LdapError::OpSend { .. } | LdapError::AddNoValues | LdapError::FilterParsing => {
                Self::NotSent(brief(&error))
            }
            other => Self::Unanswered(brief(&other)),
        }
    }
}

impl Session {
    /// Whether the connection is gone.
    pub fn ended(&mut self) -> bool {
        self.ldap.is_closed()
    }

    /// What slapd calls this connection's other end, `IP=192.0.2.7:4711` or `IP=[2001:db8::7]:4711`; none at a Unix socket, where
    /// all have the same name.
    pub fn peer_name(&self) -> Option<String> {
        self.own.map(|own| format!("IP={}", SocketAddr::new(own.ip().to_canonical(), own.port())))
    }

    /// Longest wait for one answer.
    pub fn timeout(&self) -> Duration {
        self.timeout
    }

    /// For a longer wait: a commit takes as long as what it commits.
    pub fn patient(mut self, timeout: Duration) -> Self {
        self.timeout = self.timeout.max(timeout);
        self
    }

    /// The next operation goes with this control.
    fn with(&mut self, control: RawControl) -> &mut Self {
        self.ldap.with_controls(vec![control]);
        self
    }

    fn prepared(&mut self) -> &mut Ldap {
        self.ldap.with_timeout(self.timeout)
    }

    /// A simple bind (RFC 4513 §5.1). An empty password is never sent: a server would take it for an anonymous bind.
    pub async fn bind(&mut self, dn: &str, password: &Secret) -> Result<LdapResult, Lost> {
        if password.expose().is_empty() || dn.is_empty() {
            return Err(Lost::NotSent("akund does not bind without a name or a password".into()));
        }
        Ok(self.prepared().simple_bind(dn, password.expose()).await?)
    }

    /// Likewise, with the password policy control: the reply says then why it was refused, if the server tells.
    pub async fn bind_asking_why(&mut self, dn: &str, password: &Secret) -> Result<LdapResult, Lost> {
        let control = RawControl { ctype: super::server::PASSWORD_POLICY.into(), crit: false, val: None };
        self.with(control).bind(dn, password).await
    }

    /// What a search finds. Result codes other than success are faults.
    ///
    /// # Errors
    /// Transient where asking again may help, else permanent. Nothing was changed.
    pub async fn search(
        &mut self,
        base: &str,
        scope: Scope,
        filter: &str,
        attributes: &[&str],
    ) -> Result<Vec<Entry>, Fault> {
        let searched = match self.prepared().search(base, scope, filter, attributes).await {
            Ok(searched) => searched,
            Err(e) => return Err(Fault::transient(format!("a search under {base} got no answer: {}", brief(&e)))),
        };
        let answer = &searched.1;
        match answer.rc {
            0 => Ok(searched.0.into_iter().filter_map(Entry::read).collect()),
            _ => {
                let hint = match answer.rc {
                    4 | 11 => "; index the attributes that akund searches, and give its bind_dn larger limits",
                    // It has looked at nothing, which is not the same as finding nothing.
                    10 => "; this server does not hold that part of the directory: point url to the one that does",
                    _ => "",
                };
                let told = format!("a search under {base} was refused: {}{hint}", said(answer));
                Err(if super::fault::may_pass(answer.rc) { Fault::transient(told) } else { Fault::permanent(told) })
            }
        }
    }

    /// [`Self::search`] of one entry, with a control.
    ///
    /// # Errors
    /// As there.
    pub async fn entry_with(
        &mut self,
        control: RawControl,
        dn: &str,
        attributes: &[&str],
    ) -> Result<Vec<Entry>, Fault> {
        let everything = Filter::present(&super::name::Attribute::known("objectClass"));
        self.with(control).search(dn, Scope::Base, everything.as_str(), attributes).await
    }

    /// Some of the entries that a search finds, no more than `most`.
    ///
    /// # Errors
    /// As [`Self::search`].
    pub async fn some(
        &mut self,
        most: i32,
        base: &str,
        filter: &Filter,
        attributes: &[&str],
    ) -> Result<Vec<Entry>, Fault> {
        self.ldap.with_search_options(SearchOptions::new().sizelimit(most));
        match self.prepared().search(base, Scope::Subtree, filter.as_str(), attributes).await {
            // 4: there are more.
            Ok(found) if matches!(found.1.rc, 0 | 4) => Ok(found.0.into_iter().filter_map(Entry::read).collect()),
            Ok(found) => Err(Fault::transient(format!("a search under {base} was refused: {}", said(&found.1)))),
            Err(e) => Err(Fault::transient(format!("a search under {base} got no answer: {}", brief(&e)))),
        }
    }

    /// Everything that a search under a base finds, in pages (RFC 2696), so that the server's limit for one answer does not hold.
    ///
    /// # Errors
    /// As [`Self::search`]; what was found until then is not given.
    pub async fn search_all(&mut self, base: &str, filter: &str, attributes: &[&str]) -> Result<Vec<Entry>, Fault> {
        let lost = |e: &LdapError| Fault::transient(format!("reading all under {base} got no answer: {}", brief(e)));
        let adapters: Vec<Box<dyn Adapter<_, _>>> =
            vec![Box::new(EntriesOnly::new()), Box::new(PagedResults::new(PAGE))];
        let started = self.prepared().streaming_search_with(adapters, base, Scope::Subtree, filter, attributes).await;
        let mut stream = started.map_err(|e| lost(&e))?;
        let mut entries = Vec::new();
        while let Some(found) = stream.next().await.map_err(|e| lost(&e))? {
            entries.extend(Entry::read(found));
        }
        let answer = stream.finish().await;
        if answer.rc == 0 {
            return Ok(entries);
        }
        let hint = if matches!(answer.rc, 4 | 11) { "; give its bind_dn larger limits (of pages, too)" } else { "" };
        let told = format!("reading all under {base} was refused: {}{hint}", said(&answer));
        Err(if super::fault::may_pass(answer.rc) { Fault::transient(told) } else { Fault::permanent(told) })
    }

    /// Sends one operation, with a control if it belongs to a transaction.
    pub async fn carry_out(&mut self, operation: &Operation, control: Option<RawControl>) -> Result<LdapResult, Lost> {
        if let Some(control) = control {
            self.with(control);
        }
        let ldap = self.prepared();
        Ok(match operation {
            Operation::Add { dn, attributes } => {
                let attributes = attributes
                    .iter()
                    .map(|(name, values)| (name.as_str().as_bytes(), values.iter().map(|v| v.bytes()).collect()))
                    .collect();
                ldap.add(dn.as_str(), attributes).await?
            }
            Operation::Modify { dn, changes } => {
                ldap.modify(dn.as_str(), changes.iter().map(modification).collect()).await?
            }
            Operation::Rename { dn, rdn } => ldap.modifydn(dn.as_str(), &rdn.to_string(), true, None).await?,
            Operation::Delete { dn } => ldap.delete(dn.as_str()).await?,
        })
    }

    /// Whether an entry has a value (RFC 4511 §4.10); what the server will not tell counts as no.
    pub async fn has(&mut self, dn: &Dn, attribute: &str, value: &[u8]) -> Result<bool, Lost> {
        Ok(self.prepared().compare(dn.as_str(), attribute, value).await?.0.rc == 6)
    }

    /// An extended operation.
    pub async fn extended(&mut self, operation: Exop) -> Result<(Exop, LdapResult), Lost> {
        let answer = self.prepared().extended(operation).await?;
        Ok((answer.0, answer.1))
    }

    /// The entry of that name, if it is there and may be seen.
    pub async fn entry(&mut self, dn: &str, attributes: &[&str]) -> Result<Option<Entry>, Fault> {
        let everything = Filter::present(&super::name::Attribute::known("objectClass"));
        match self.prepared().search(dn, Scope::Base, everything.as_str(), attributes).await {
            Ok(found) if matches!(found.1.rc, 0 | 32) => Ok(found.0.into_iter().find_map(Entry::read)),
            Ok(found) => Err(Fault::transient(format!("looking at {dn} was refused: {}", said(&found.1)))),
            Err(e) => Err(Fault::transient(format!("looking at {dn} got no answer: {}", brief(&e)))),
        }
    }
}

fn modification(change: &Change) -> Mod<&[u8]> {
    match change {
        Change::Replace(name, values) => {
            Mod::Replace(name.as_str().as_bytes(), values.iter().map(|v| v.bytes()).collect())
        }
        Change::Add(name, values) => Mod::Add(name.as_str().as_bytes(), values.iter().map(|v| v.bytes()).collect()),
        Change::Delete(name, values) => {
            Mod::Delete(name.as_str().as_bytes(), values.iter().map(|v| v.bytes()).collect())
        }
    }
}

/// A library's error, without the payload that some carry.
pub fn brief(error: &LdapError) -> String {
    match error {
        LdapError::OpSend { .. } | LdapError::IdScrubSend { .. } | LdapError::MiscSend { .. } => {
            "the connection is closed".into()
        }
        LdapError::ResultRecv { .. } | LdapError::EndOfStream => "the connection was closed before the answer".into(),
        LdapError::Timeout { .. } => "no answer in time".into(),
        LdapError::Io { source } => source.to_string(),
        LdapError::LdapResult { result } => said(result),
        other => other.to_string(),
    }
}

/// What a server answered, in its words, on one line and not too long.
pub fn said(answer: &LdapResult) -> String {
    let name = super::fault::name(answer.rc);
    let text: String = answer.text.chars().filter(|c| !c.is_control()).take(200).collect();
    if text.is_empty() { format!("{name} ({})", answer.rc) } else { format!("{name} ({}): {text}", answer.rc) }
}
