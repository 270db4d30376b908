//! The Directory API's calls, as far as akund needs them.

use super::answer::{Kind, Missing, Refusal};
use super::http::{Answer, Http, Unanswered};
use super::pace::{self, Pace};
use super::token::Tokens;
use super::user::User;
use crate::model::{Fault, FaultClass};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::{Method, Url};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::sync::Arc;
use tokio::time::Instant;

/// Reads and writes users and their aliases.
pub const USERS: &str = "https://www.googleapis.com/auth/admin.directory.user";
/// Reads and writes who is in a group.
pub const MEMBERS: &str = "https://www.googleapis.com/auth/admin.directory.group.member";
/// Reads organisational units.
pub const ORG_UNITS: &str = "https://www.googleapis.com/auth/admin.directory.orgunit.readonly";

/// Users on one page of a list: the most that Google gives.
const PAGE: &str = "500";
/// Pages that are read of a list before akund gives up on it.
const MOST_PAGES: usize = 1000;
/// What needs no encoding in a part of a path (RFC 3986 §2.3).
const PART: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The API of one Workspace account.
pub struct Api {
    /// Connections.
    pub http: Arc<Http>,
    /// Access tokens.
    pub tokens: Arc<Tokens>,
    /// Quotas.
    pub pace: Arc<Pace>,
    root: Url,
    /// The scopes of its token.
    scope: String,
}

/// Why a call did not give what it should.
#[derive(Debug, Clone)]
pub enum Failure {
    /// There is no access token.
    NoToken(Fault),
    /// The quota leaves no room within this batch.
    NoRoom,
    /// The server was not reached.
    NotSent(String),
    /// No answer: it may have been done.
    Lost(String),
    /// An answer that says no.
    Refused(Refusal),
}

/// What became of `users.insert`.
pub enum Inserted {
    /// The user.
    Made(Box<User>),
    /// 202: somebody with a private account of that name was invited. There is no user.
    Invited,
}

impl Failure {
    /// Whether a call that changes something may have been carried out all the same.
    pub fn leaves_open(&self) -> bool {
        match self {
            Self::Lost(_) => true,
            Self::Refused(refusal) => refusal.leaves_open(),
            Self::NoToken(_) | Self::NoRoom | Self::NotSent(_) => false,
        }
    }

    /// The refusal's meaning, if it is one.
    pub fn kind(&self) -> Option<Kind> {
        match self {
            Self::Refused(refusal) => Some(refusal.kind),
            _ => None,
        }
    }

    /// As a fault of what was being done (`making account …`).
    pub fn fault(&self, what: &str) -> Fault {
        let refusal = match self {
            Self::NoToken(fault) => return fault.clone(),
            Self::NoRoom => return Fault::transient(format!("{what}: Google's quota leaves no room for it now")),
            Self::NotSent(why) => return Fault::transient(format!("{what}: Google {why}")),
            Self::Lost(why) => return Fault::unknown(format!("{what}: Google {why}")),
            Self::Refused(refusal) => refusal,
        };
        let (class, hint) = match refusal.kind {
            Kind::Invalid => (FaultClass::Permanent, ""),
            Kind::Token => (FaultClass::Transient, "; Google does not take the access token that it gave"),
            Kind::Forbidden => (
                FaultClass::Permanent,
                "; the administrator (subject) may not do this, the domain is not this account's, or there is no seat left",
            ),
            Kind::SwitchedOff => (
                FaultClass::Transient,
                "; switch the Admin SDK API on in the service account's project, and API access on in the Admin console",
            ),
            Kind::Missing(_) | Kind::Precondition | Kind::Other => (FaultClass::Permanent, ""),
            Kind::NotComplete => (FaultClass::Transient, ""),
            Kind::SlowDown => (FaultClass::Transient, "; all calls pause"),
            Kind::DailyLimit => (FaultClass::Transient, "; the project's daily limit is used up"),
            Kind::Taken | Kind::Broken => (FaultClass::Unknown, ""),
        };
        Fault { class, message: format!("{what}: {}{hint}", refusal.said) }
    }

    /// As a fault of a call that only looks: nothing was changed.
    pub fn fault_of_a_look(&self, what: &str) -> Fault {
        let fault = self.fault(what);
        let class = if fault.class == FaultClass::Unknown { FaultClass::Transient } else { fault.class };
        Fault { class, ..fault }
    }
}

/// One call.
struct Call<'a> {
    method: Method,
    path: &'a [&'a str],
    query: &'a [(&'a str, &'a str)],
    body: Option<&'a Value>,
    kind: pace::Kind,
}

impl<'a> Call<'a> {
    fn new(method: Method, path: &'a [&'a str]) -> Self {
        Self { method, path, query: &[], body: None, kind: pace::Kind::Query }
    }
    fn asking(mut self, query: &'a [(&'a str, &'a str)]) -> Self {
        self.query = query;
        self
    }
    fn sending(mut self, body: &'a Value) -> Self {
        self.body = Some(body);
        self
    }
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Page {
    users: Vec<User>,
    next_page_token: Option<String>,
}

impl Api {
    /// At `root`, which ends in `/`.
    pub fn new(http: Arc<Http>, tokens: Arc<Tokens>, pace: Arc<Pace>, root: Url, scope: &str) -> Self {
        Self { http, tokens, pace, root, scope: scope.into() }
    }

    /// The same through connections of its own.
    ///
    /// # Errors
    /// A sentence: they cannot be set up.
    pub fn anew(&self) -> Result<Self, String> {
        let http = Arc::new(self.http.anew()?);
        Ok(Self { http, ..self.with_scope(&self.scope) })
    }

    /// The same with other scopes.
    pub fn with_scope(&self, scope: &str) -> Self {
        let (http, tokens, pace) = (self.http.clone(), self.tokens.clone(), self.pace.clone());
        Self::new(http, tokens, pace, self.root.clone(), scope)
    }

    /// The user with this id, or whose first address or alias this is.
    pub async fn user(&self, key: &str, until: Instant) -> Result<Option<User>, Failure> {
        let path = ["users", key];
        match self.send(Call::new(Method::GET, &path).asking(&[("projection", "full")]), until).await {
            Ok(answer) => user(&answer).map(Some),
            Err(Failure::Refused(Refusal { kind: Kind::Missing(Missing::User), .. })) => Ok(None),
            Err(failure) => Err(failure),
        }
    }

    /// Makes a user.
    pub async fn insert(&self, body: &Value, until: Instant) -> Result<Inserted, Failure> {
        let mut call = Call::new(Method::POST, &["users"]).sending(body);
        call.kind = pace::Kind::Creation;
        let answer = self.send(call, until).await?;
        if answer.status == 202 {
            return Ok(Inserted::Invited);
        }
        user(&answer).map(|user| Inserted::Made(Box::new(user)))
    }

    /// Changes what the body names, and leaves the rest.
    pub async fn update(&self, id: &str, body: &Value, until: Instant) -> Result<User, Failure> {
        user(&self.send(Call::new(Method::PUT, &["users", id]).sending(body), until).await?)
    }

    /// Removes a user; Google keeps it for 20 days.
    pub async fn delete(&self, id: &str, until: Instant) -> Result<(), Failure> {
        self.send(Call::new(Method::DELETE, &["users", id]), until).await.and_then(|answer| done(&answer))
    }

    /// Brings a removed user back.
    pub async fn undelete(&self, id: &str, org_unit: &str, until: Instant) -> Result<(), Failure> {
        let body = json!({"orgUnitPath": org_unit});
        self.send(Call::new(Method::POST, &["users", id, "undelete"]).sending(&body), until)
            .await
            .and_then(|answer| done(&answer))
    }

    /// Gives a user another address.
    pub async fn add_alias(&self, id: &str, alias: &str, until: Instant) -> Result<(), Failure> {
        let body = json!({"alias": alias});
        self.send(Call::new(Method::POST, &["users", id, "aliases"]).sending(&body), until)
            .await
            .and_then(|answer| done(&answer))
    }

    /// Takes an address away.
    pub async fn remove_alias(&self, id: &str, alias: &str, until: Instant) -> Result<(), Failure> {
        self.send(Call::new(Method::DELETE, &["users", id, "aliases", alias]), until)
            .await
            .and_then(|answer| done(&answer))
    }

    /// Whether a user is in a group, by itself.
    pub async fn is_member(&self, group: &str, id: &str, until: Instant) -> Result<bool, Failure> {
        match self.send(Call::new(Method::GET, &["groups", group, "members", id]), until).await {
            Ok(answer) => parsed::<Value>(&answer).map(|_| true),
            Err(Failure::Refused(Refusal { kind: Kind::Missing(Missing::Member), .. })) => Ok(false),
            Err(failure) => Err(failure),
        }
    }

    /// Puts a user into a group.
    pub async fn join(&self, group: &str, address: &str, until: Instant) -> Result<(), Failure> {
        let body = json!({"email": address, "role": "MEMBER"});
        self.send(Call::new(Method::POST, &["groups", group, "members"]).sending(&body), until)
            .await
            .and_then(|answer| done(&answer))
    }

    /// Takes a user out of a group.
    pub async fn leave(&self, group: &str, id: &str, until: Instant) -> Result<(), Failure> {
        self.send(Call::new(Method::DELETE, &["groups", group, "members", id]), until)
            .await
            .and_then(|answer| done(&answer))
    }

    /// Whether there is a group of this address.
    pub async fn is_group(&self, address: &str, until: Instant) -> Result<bool, Failure> {
        let path = ["groups", address, "members"];
        match self.send(Call::new(Method::GET, &path).asking(&[("maxResults", "1")]), until).await {
            Ok(answer) => parsed::<Value>(&answer).map(|_| true),
            Err(Failure::Refused(Refusal { kind: Kind::Missing(_), .. })) => Ok(false),
            Err(failure) => Err(failure),
        }
    }

    /// Whether a mail domain is this account's.
    pub async fn has_domain(&self, domain: &str, until: Instant) -> Result<(), Failure> {
        let query = [("domain", domain), ("maxResults", "1")];
        let answer = self.send(Call::new(Method::GET, &["users"]).asking(&query), until).await?;
        parsed::<Page>(&answer).map(drop)
    }

    /// Looks at an organisational unit other than the top.
    pub async fn org_unit(&self, path: &str, until: Instant) -> Result<(), Failure> {
        let parts: Vec<&str> =
            ["customer", "my_customer", "orgunits"].into_iter().chain(path.split('/').skip(1)).collect();
        let answer = self.send(Call::new(Method::GET, &parts), until).await?;
        parsed::<Value>(&answer).map(drop)
    }

    /// The first user of a list for which `fits` holds: those that a search finds, or the removed ones.
    pub async fn first_of(
        &self,
        list: List<'_>,
        fits: impl Fn(&User) -> bool,
        until: Instant,
    ) -> Result<Option<User>, Failure> {
        let mut token: Option<String> = None;
        for _ in 0..MOST_PAGES {
            let mut query = vec![("customer", "my_customer"), ("projection", "full"), ("maxResults", PAGE)];
            match list {
                List::Found(search) => query.push(("query", search)),
                List::Removed => query.push(("showDeleted", "true")),
            }
            query.extend(token.as_deref().map(|token| ("pageToken", token)));
            let answer = self.send(Call::new(Method::GET, &["users"]).asking(&query), until).await?;
            let page: Page = parsed(&answer)?;
            if let Some(user) = page.users.into_iter().find(&fits) {
                return Ok(Some(user));
            }
            match page.next_page_token.filter(|next| !next.is_empty() && token.as_ref() != Some(next)) {
                Some(next) => token = Some(next),
                None => return Ok(None),
            }
        }
        Err(Failure::Refused(Refusal::unreadable(200, "a list without an end")))
    }

    /// Every user, [`PAGE`] in a call.
    pub async fn everybody(&self, longest: std::time::Duration) -> Result<Vec<User>, Failure> {
        let until = Instant::now() + longest;
        let (mut users, mut token): (Vec<User>, Option<String>) = (Vec::new(), None);
        loop {
            let mut query =
                vec![("customer", "my_customer"), ("projection", "full"), ("maxResults", PAGE), ("orderBy", "email")];
            query.extend(token.as_deref().map(|token| ("pageToken", token)));
            let answer = self.send(Call::new(Method::GET, &["users"]).asking(&query), until).await?;
            let page: Page = parsed(&answer)?;
            users.extend(page.users);
            match page.next_page_token.filter(|next| !next.is_empty()) {
                Some(next) if token.as_ref() == Some(&next) => {
                    return Err(Failure::Refused(Refusal::unreadable(200, "a list without an end")));
                }
                Some(next) => token = Some(next),
                None => return Ok(users),
            }
        }
    }

    /// Makes a call: a token, its turn, the answer. A token that is not taken is fetched anew once.
    async fn send(&self, call: Call<'_>, until: Instant) -> Result<Answer, Failure> {
        let mut again = true;
        loop {
            let token = self.tokens.get(&self.http, &self.scope).await.map_err(Failure::NoToken)?;
            let admitted = self.pace.admit(call.kind, until).await.map_err(|_| Failure::NoRoom)?;
            let mut request =
                self.http.request(call.method.clone(), self.url(&call)).bearer_auth(token.secret.expose());
            if let Some(body) = call.body {
                request = request.json(body);
            }
            let answer = match self.http.send(request).await {
                Ok(answer) => answer,
                Err(Unanswered { sent: false, said }) => return Err(Failure::NotSent(said)),
                Err(Unanswered { sent: true, said }) => return Err(Failure::Lost(said)),
            };
            if (200..300).contains(&answer.status) {
                self.pace.went_well(&admitted);
                return Ok(answer);
            }
            let refusal = Refusal::read(answer.status, &answer.body);
            // A 503 may mean that accounts are made too fast.
            let asked = answer.retry_after.filter(|_| matches!(answer.status, 403 | 429 | 503));
            if refusal.kind == Kind::SlowDown || answer.status == 503 || asked.is_some() {
                self.pace.slow_down(&admitted, asked);
            } else {
                self.pace.went_well(&admitted);
            }
            if refusal.kind == Kind::Token && again {
                again = false;
                self.tokens.spoilt(&self.scope, &token).await;
                continue;
            }
            return Err(Failure::Refused(refusal));
        }
    }

    fn url(&self, call: &Call<'_>) -> Url {
        let mut url = self.root.clone();
        let parts: Vec<String> = call.path.iter().map(|part| utf8_percent_encode(part, PART).to_string()).collect();
        url.set_path(&format!("{}admin/directory/v1/{}", self.root.path(), parts.join("/")));
        if !call.query.is_empty() {
            url.query_pairs_mut().extend_pairs(call.query);
        }
        url
    }
}

/// Which users are listed.
#[derive(Clone, Copy)]
pub enum List<'a> {
    /// Those that a search finds.
    Found(&'a str),
    /// Those that were removed within the last 20 days.
    Removed,
}

/// Of calls whose answer says nothing more: none at all (204), or JSON. A page is a proxy's, and leaves open what was done.
fn done(answer: &Answer) -> Result<(), Failure> {
    if answer.body.is_empty() { Ok(()) } else { parsed::<Value>(answer).map(drop) }
}

fn user(answer: &Answer) -> Result<User, Failure> {
    let user: User = parsed(answer)?;
    if user.id.is_empty() || user.primary_email.is_empty() {
        return Err(Failure::Refused(Refusal::unreadable(answer.status, "a user without id or address")));
    }
    Ok(user)
}

fn parsed<T: DeserializeOwned>(answer: &Answer) -> Result<T, Failure> {
    serde_json::from_slice(&answer.body).map_err(|e| {
        Failure::Refused(Refusal::unreadable(answer.status, &format!("line {}, column {}", e.line(), e.column())))
    })
}
