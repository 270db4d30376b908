//! Access tokens: one for each set of scopes, kept until shortly before it ends, fetched once for all who wait for it.

use super::explain;
use super::http::{Http, Unanswered};
use super::key::ServiceAccount;
use crate::model::{Fault, Secret};
use serde::Deserialize;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;
use zeroize::Zeroizing;

/// A token is fetched anew this long before it ends, and up to as much again, by chance.
const EARLY: Duration = Duration::from_secs(300);
/// After a refusal nobody asks again for this long: it is a matter of configuration, the same for every account.
const REFUSED_FOR: Duration = Duration::from_secs(20);
/// The same where it may pass by itself.
const FAILED_FOR: Duration = Duration::from_secs(3);
const GRANT: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";

/// Where tokens come from, and those at hand.
pub struct Tokens {
    account: ServiceAccount,
    subject: String,
    url: String,
    slots: Mutex<HashMap<String, Arc<tokio::sync::Mutex<Slot>>>>,
}

/// What is known of one set of scopes. Held by who fetches: the others wait, and find what it brought.
#[derive(Default)]
struct Slot {
    token: Option<Token>,
    fault: Option<(Instant, Fault)>,
}

/// A token, and until when it may be used.
#[derive(Clone)]
pub struct Token {
    /// The token.
    pub secret: Secret,
    until: Instant,
    number: u64,
}

#[derive(Deserialize)]
struct Granted {
    access_token: Zeroizing<String>,
    #[serde(default = "an_hour")]
    expires_in: u64,
}

fn an_hour() -> u64 {
    3600
}

impl Tokens {
    /// Of a service account that acts as `subject`; fetches nothing yet.
    pub fn new(account: ServiceAccount, subject: &str, url: &str) -> Self {
        Self { account, subject: subject.into(), url: url.into(), slots: Mutex::default() }
    }

    /// Whose key it is.
    pub fn account(&self) -> &ServiceAccount {
        &self.account
    }

    /// As whom it acts.
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// A token for these scopes (separated by blanks).
    ///
    /// # Errors
    /// Transient, all of them: what is wrong is wrong for all accounts, and is mended at Google or in the configuration.
    pub async fn get(&self, http: &Http, scope: &str) -> Result<Token, Fault> {
        let slot = self.slot(scope);
        let mut slot = slot.lock().await;
        let now = Instant::now();
        if let Some(token) = slot.token.as_ref().filter(|token| token.until > now) {
            return Ok(token.clone());
        }
        if let Some((_, fault)) = slot.fault.as_ref().filter(|(until, _)| *until > now) {
            return Err(fault.clone());
        }
        match self.fetch(http, scope).await {
            Ok(granted) => {
                let lasts = Duration::from_secs(granted.expires_in);
                let early = EARLY.mul_f64(1.0 + rand::random::<f64>()).min(lasts / 2);
                let secret = Secret::new(granted.access_token.as_str());
                let token = Token { secret, until: now + lasts - early, number: rand::random() };
                *slot = Slot { token: Some(token.clone()), fault: None };
                Ok(token)
            }
            Err((lasts, fault)) => {
                *slot = Slot { token: None, fault: Some((Instant::now() + lasts, fault.clone())) };
                Err(fault)
            }
        }
    }

    /// The API did not take this token: the next who asks gets another.
    pub async fn spoilt(&self, scope: &str, token: &Token) {
        let slot = self.slot(scope);
        let mut slot = slot.lock().await;
        if slot.token.as_ref().is_some_and(|kept| kept.number == token.number) {
            slot.token = None;
        }
    }

    fn slot(&self, scope: &str) -> Arc<tokio::sync::Mutex<Slot>> {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        slots.entry(scope.to_owned()).or_default().clone()
    }

    async fn fetch(&self, http: &Http, scope: &str) -> Result<Granted, (Duration, Fault)> {
        let now = jiff::Timestamp::now().as_second();
        let assertion = self
            .account
            .assertion(&self.subject, scope, now)
            .map_err(|what| (REFUSED_FOR, Fault::transient(format!("no access token: {what}"))))?;
        let form = [("grant_type", GRANT), ("assertion", assertion.expose())];
        let answer = match http.post_form(&self.url, &form).await {
            Ok(answer) => answer,
            Err(Unanswered { said, .. }) => {
                let told = format!("no access token: the token endpoint {} {said}", self.url);
                return Err((FAILED_FOR, Fault::transient(told)));
            }
        };
        if answer.status == 200 {
            return serde_json::from_slice(&answer.body).map_err(|_| {
                let told = format!("no access token: {} answered with something that is no token", self.url);
                (FAILED_FOR, Fault::transient(told))
            });
        }
        let skew = answer.date.map(|theirs| now - theirs);
        let refused = explain::Refused::read(answer.status, &answer.body);
        let lasts = if refused.may_pass() { FAILED_FOR } else { REFUSED_FOR };
        let who = explain::Who {
            email: &self.account.email,
            client_id: &self.account.client_id,
            subject: &self.subject,
            scope,
            url: &self.url,
        };
        Err((lasts, Fault::transient(refused.told(&who, skew))))
    }
}
