//! Google Workspace as akund meets it: strict about what it is sent, and as unreliable as it is told to be. It shares no code with
//! the client.

use super::description::{Call, Description};
use super::directory::{Directory, Reply, refusal};
use super::trouble::{Mood, Trouble};
use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;

pub const ACCOUNT: &str = "akund@project.iam.gserviceaccount.com";
pub const ADMIN: &str = "admin@example.org";
const AUDIENCE: &str = "https://oauth2.googleapis.com/token";
const KEY_ID: &str = "key-1";
pub const SCOPES: [&str; 3] =
    ["admin.directory.user", "admin.directory.group.member", "admin.directory.orgunit.readonly"];

/// Made once: it takes a while.
static KEY: LazyLock<KeyPair> = LazyLock::new(|| KeyPair::generate(KeySize::Rsa2048).unwrap());

/// What a test looks at and changes.
pub struct State {
    pub directory: Directory,
    pub mood: Mood,
    pub delegated: BTreeSet<String>,
    pub admins: BTreeSet<String>,
    /// What a client did that Google's description or the standards forbid.
    pub complaints: Vec<String>,
    /// Every call that arrived, by its id.
    pub calls: BTreeMap<String, usize>,
    /// Tokens given out.
    pub tokens_given: usize,
    /// Calls refused for the quota's sake.
    pub over_quota: usize,
    /// When the last call came.
    pub last_call: Option<Instant>,
    /// How long an answer takes.
    pub slow: Duration,
    /// How far this server's clock is ahead, seconds.
    pub clock_ahead: i64,
    tokens: BTreeMap<String, (BTreeSet<String>, Instant)>,
    creations: VecDeque<Instant>,
    queries: VecDeque<Instant>,
}

/// The server; it ends with its runtime.
pub struct Server {
    pub address: SocketAddr,
    state: Arc<Mutex<State>>,
}

impl Server {
    /// On the runtime of the test, whose clock it shares.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(Mutex::new(State::new()));
        tokio::spawn(serve(listener, state.clone()));
        Self { address, state }
    }

    /// On a thread of its own, for tests of other processes.
    pub fn start_apart() -> Self {
        let (tell, told) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                tell.send(Self::start().await).unwrap();
                std::future::pending::<()>().await;
            });
        });
        told.recv().unwrap()
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    pub fn root_url(&self) -> String {
        format!("http://{}/", self.address)
    }

    pub fn token_url(&self) -> String {
        format!("http://{}/token", self.address)
    }

    /// The service account's key file.
    pub fn key_file() -> String {
        let der = AsDer::<Pkcs8V1Der<'_>>::as_der(&*KEY).unwrap();
        let base64 = STANDARD.encode(der.as_ref());
        let lines: Vec<&str> = base64.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
        let pem = format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", lines.join("\n"));
        let file = json!({
            "type": "service_account", "project_id": "project", "private_key_id": KEY_ID, "private_key": pem,
            "client_email": ACCOUNT, "client_id": "112233445566778899001", "token_uri": "https://oauth2.googleapis.com/token",
            "universe_domain": "googleapis.com"
        });
        serde_json::to_string_pretty(&file).unwrap()
    }

    /// Fails if a client did what the description forbids.
    #[track_caller]
    pub fn assert_no_complaints(&self) {
        let state = self.state();
        assert!(state.complaints.is_empty(), "{:#?}", state.complaints);
    }
}

impl State {
    fn new() -> Self {
        let mut directory = Directory::new(&["example.org", "unit.example.org", "lain.example.org"]);
        directory.org_units.extend(["/Staf".to_owned(), "/Staf/Dosen Tetap".to_owned()]);
        directory.put(json!({
            "primaryEmail": ADMIN, "name": {"givenName": "Admin", "familyName": "Akun"}, "isAdmin": true, "suspended": false,
            "orgUnitPath": "/"
        }));
        Self {
            directory,
            mood: Mood::default(),
            delegated: SCOPES.iter().map(|scope| format!("https://www.googleapis.com/auth/{scope}")).collect(),
            admins: BTreeSet::from([ADMIN.to_owned()]),
            complaints: Vec::new(),
            calls: BTreeMap::new(),
            tokens_given: 0,
            over_quota: 0,
            last_call: None,
            slow: Duration::ZERO,
            clock_ahead: 0,
            tokens: BTreeMap::new(),
            creations: VecDeque::new(),
            queries: VecDeque::new(),
        }
    }

    /// Every token that was given out is worth nothing any more.
    pub fn revoke_tokens(&mut self) {
        self.tokens.clear();
    }

    pub fn called(&self, id: &str) -> usize {
        self.calls.get(&format!("directory.{id}")).copied().unwrap_or(0)
    }

    fn complain(&mut self, what: String) {
        self.complaints.push(what);
    }

    /// An access token for an assertion (RFC 7523).
    fn token(&mut self, body: &[u8], headers: &BTreeMap<String, String>) -> Reply {
        let oauth =
            |code, error: &str, description: &str| (code, json!({"error": error, "error_description": description}));
        if headers.get("content-type").map(String::as_str) != Some("application/x-www-form-urlencoded") {
            self.complain("a token request that is no form".into());
        }
        let form: BTreeMap<String, String> = String::from_utf8_lossy(body)
            .split('&')
            .filter_map(|pair| pair.split_once('='))
            .map(|(k, v)| (k.to_owned(), percent_encoding::percent_decode_str(v).decode_utf8_lossy().into_owned()))
            .collect();
        if form.keys().map(String::as_str).collect::<Vec<_>>() != ["assertion", "grant_type"]
            || form["grant_type"] != "urn:ietf:params:oauth:grant-type:jwt-bearer"
        {
            self.complain(format!("a token request with {:?}", form.keys()));
            return oauth(400, "invalid_request", "");
        }
        let claims = match verified(&form["assertion"]) {
            Ok(claims) => claims,
            Err(what) => {
                self.complain(what.into());
                return oauth(400, "invalid_grant", "Invalid JWT Signature.");
            }
        };
        let now = jiff::Timestamp::now().as_second() + self.clock_ahead;
        let (issued, ends) = (claims["iat"].as_i64().unwrap_or(0), claims["exp"].as_i64().unwrap_or(0));
        if (issued - now).abs() > 300 || ends - issued > 3600 || ends <= now {
            return oauth(
                400,
                "invalid_grant",
                "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe. Check your iat and exp values in the JWT claim.",
            );
        }
        let subject = claims["sub"].as_str().unwrap_or_default();
        if !self.admins.contains(subject) {
            return oauth(400, "invalid_grant", "Invalid email or User ID");
        }
        let scopes: BTreeSet<String> =
            claims["scope"].as_str().unwrap_or_default().split(' ').map(str::to_owned).collect();
        if !scopes.is_subset(&self.delegated) {
            return oauth(
                401,
                "unauthorized_client",
                "Client is unauthorized to retrieve access tokens using this method, or client not authorized for any of the scopes requested.",
            );
        }
        self.tokens_given += 1;
        let token = format!("ya29.{:x}", rand::random::<u128>());
        self.tokens.insert(token.clone(), (scopes, Instant::now() + Duration::from_secs(3599)));
        (200, json!({"access_token": token, "expires_in": 3599, "token_type": "Bearer"}))
    }

    fn allowed(&mut self, call: &Call, headers: &BTreeMap<String, String>, now: Instant) -> Result<(), Reply> {
        let bearer = headers.get("authorization").and_then(|value| value.strip_prefix("Bearer "));
        let known = bearer.and_then(|token| self.tokens.get(token)).filter(|(_, until)| *until > now);
        let Some((scopes, _)) = known else { return Err(refusal(401, "authError", "Invalid Credentials")) };
        if !call.scopes.iter().any(|scope| scopes.contains(scope)) {
            return Err(refusal(403, "insufficientPermissions", "Request had insufficient authentication scopes."));
        }
        // As Google counts: whatever arrives, within the last minute, and creations within the last second.
        let slow_down = |log: &mut VecDeque<Instant>, span: Duration, most: usize| {
            while log.front().is_some_and(|first| now.duration_since(*first) >= span) {
                log.pop_front();
            }
            log.push_back(now);
            log.len() > most
        };
        let creates = call.id == "directory.users.insert";
        if slow_down(&mut self.queries, Duration::from_secs(60), 2400)
            || (creates && slow_down(&mut self.creations, Duration::from_secs(1), 10))
        {
            self.over_quota += 1;
            return Err(refusal(429, "rateLimitExceeded", "Quota exceeded for quota metric"));
        }
        Ok(())
    }

    /// What is answered, and what goes wrong on the way.
    fn answer(
        &mut self,
        verb: &str,
        target: &str,
        headers: &BTreeMap<String, String>,
        body: &[u8],
    ) -> (Reply, Trouble) {
        let now = Instant::now();
        if verb == "POST" && target == "/token" {
            return (self.token(body, headers), Trouble::Nothing);
        }
        self.last_call = Some(now);
        let call = match DESCRIPTION.judge(verb, target, headers, body) {
            Ok(call) => call,
            Err(what) => {
                self.complain(what.clone());
                return (refusal(400, "badRequest", &what), Trouble::Nothing);
            }
        };
        *self.calls.entry(call.id.clone()).or_default() += 1;
        if let Err(reply) = self.allowed(&call, headers, now) {
            return (reply, Trouble::Nothing);
        }
        let trouble = self.mood.next(&call.id);
        if let Some(reply) = trouble.instead() {
            return (reply, trouble);
        }
        if !trouble.is_carried_out() {
            return ((200, Value::Null), trouble);
        }
        let reply = self.directory.answer(&call, now);
        (trouble.after(reply), trouble)
    }
}

static DESCRIPTION: LazyLock<Description> = LazyLock::new(Description::new);

/// The claims of an assertion whose header and signature are right.
fn verified(assertion: &str) -> Result<Value, &'static str> {
    let parts: Vec<&str> = assertion.split('.').collect();
    let [header, claims, signature] = parts[..] else { return Err("an assertion that is no JWT") };
    let read = |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|_| "an assertion that is not base64url");
    let as_json = |part: &str| serde_json::from_slice::<Value>(&read(part)?).map_err(|_| "an assertion without JSON");
    if as_json(header)? != json!({"typ": "JWT", "alg": "RS256", "kid": KEY_ID}) {
        return Err("an assertion with another header");
    }
    let key = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, KEY.public_key().as_ref());
    key.verify(format!("{header}.{claims}").as_bytes(), &read(signature)?)
        .map_err(|_| "an assertion whose signature is wrong")?;
    let claims = as_json(claims)?;
    let names: BTreeSet<&str> =
        claims.as_object().ok_or("claims that are no object")?.keys().map(String::as_str).collect();
    if names != BTreeSet::from(["iss", "sub", "scope", "aud", "iat", "exp"])
        || claims["iss"] != ACCOUNT
        || claims["aud"] != AUDIENCE
    {
        return Err("an assertion with other claims");
    }
    Ok(claims)
}

async fn serve(listener: TcpListener, state: Arc<Mutex<State>>) {
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        stream.set_nodelay(true).unwrap();
        tokio::spawn(converse(stream, state.clone()));
    }
}

/// One connection, HTTP/1.1 (RFC 9112), until one of the two ends it.
async fn converse(mut stream: TcpStream, state: Arc<Mutex<State>>) {
    let mut read = Vec::new();
    loop {
        let head_end = loop {
            if let Some(at) = read.windows(4).position(|w| w == b"\r\n\r\n") {
                break at + 4;
            }
            let mut chunk = [0; 8192];
            match stream.read(&mut chunk).await {
                Ok(n) if n > 0 => read.extend_from_slice(&chunk[..n]),
                _ => return,
            }
        };
        let head = String::from_utf8(read[..head_end].to_vec()).unwrap();
        let mut lines = head.split("\r\n");
        let request: Vec<&str> = lines.next().unwrap().split(' ').collect();
        let headers: BTreeMap<String, String> = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
            .collect();
        let length: usize = headers.get("content-length").map_or(0, |n| n.parse().unwrap());
        while read.len() < head_end + length {
            let mut chunk = [0; 8192];
            match stream.read(&mut chunk).await {
                Ok(n) if n > 0 => read.extend_from_slice(&chunk[..n]),
                _ => return,
            }
        }
        let body = read[head_end..head_end + length].to_vec();
        read.drain(..head_end + length);
        let slow = state.lock().unwrap().slow;
        if !slow.is_zero() {
            tokio::time::sleep(slow).await;
        }
        let ((status, reply), trouble) = state.lock().unwrap().answer(request[0], request[1], &headers, &body);
        let date = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(state.lock().unwrap().clock_ahead);
        match trouble.send(&mut stream, status, &reply, date).await {
            Ok(true) => {}
            Ok(false) | Err(_) => return,
        }
    }
}

/// Writes an answer.
pub async fn write(
    stream: &mut TcpStream,
    status: u16,
    more: &str,
    kind: &str,
    body: &[u8],
    date: jiff::Timestamp,
) -> std::io::Result<()> {
    let date = date.strftime("%a, %d %b %Y %H:%M:%S GMT");
    let head = format!(
        "HTTP/1.1 {status} X\r\nDate: {date}\r\nContent-Type: {kind}\r\n{more}{}\r\n",
        if status == 204 { String::new() } else { format!("Content-Length: {}\r\n", body.len()) }
    );
    stream.write_all(&[head.as_bytes(), body].concat()).await
}
