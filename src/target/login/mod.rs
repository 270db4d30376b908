//! Proofs by login: what a target asks a real server with the credentials that are about to be handed over.
//!
//! A target that has [`Proofs`] reads back what it stored, compares it, and then hands the answers to
//! [`Proofs::after_reading_back`], which logs in where a password is at hand. What each action's proof is:
//!
//! | action | password at hand | proof |
//! |---|---|---|
//! | create, reset | always | the server accepts it: `login` |
//! | suspend, remove | where the request brought one | the server refuses it: `login` |
//! | suspend | no: passwords are wiped once handed over | the server says that the account is closed: `login`. FreeRADIUS says so to a made-up password, by the `Reply-Message` of a suspended user; Dovecot by refusing its own master user as this account, where the configuration names one. Else read back: closed, `observed`. That a made-up password is refused shows nothing: it would be of an open account too |
//! | remove | no | the same of Dovecot's master user; else read back: gone |
//! | resume | no | Dovecot lets its master user in as this account: `login`; else read back: open |
//! | change | no | read back: as wanted |

mod configured;
pub mod imap;
pub mod mail;
pub mod radius;
pub mod submission;

use super::nas::AccessServers;
use super::{PROVING, Work};
use crate::model::{Account, Action, Answer, Fault, Finding, Proof, Secret};
use futures_util::StreamExt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::time::Instant;

/// A server at which a user name and a password can be tried.
pub trait Login: Send + Sync {
    /// Tries once, within the implementation's own time-out. The sentences never hold the password, and the user masked.
    fn log_in<'a>(&'a self, user: &'a str, password: &'a Secret) -> Answer<'a, Result<(), Denial>>;
    /// What the server itself says of an account to somebody who does not have its password.
    ///
    /// # Errors
    /// It could not be asked, or a made-up password opened the account.
    fn standing<'a>(&'a self, _user: &'a str) -> Answer<'a, Result<Standing, Denial>> {
        Box::pin(async { Ok(Standing::Untold) })
    }
    /// The name that an account logs in with here; none where it cannot.
    fn user<'a>(&self, account: &'a Account) -> Option<&'a str>;
    /// How many tries may be under way at once.
    fn concurrency(&self) -> usize;
    /// Looks whether the server can be asked; logs nobody in.
    fn check<'a>(&'a self) -> Answer<'a, Vec<Finding>>;
}

/// What a server says of an account, whatever its password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It lets somebody in as this account.
    Open,
    /// It lets nobody in, and says so.
    Closed,
    /// It does not tell a closed account from a wrong password.
    Untold,
}

/// Why a login did not succeed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Denial {
    /// The server looked and said no; its words.
    Refused(String),
    /// The server could not be asked, or could not look; this says nothing about the password.
    Unreachable(String),
}

/// What a target lets servers show, beside reading back what it wrote. The default: nothing.
#[derive(Default)]
pub struct Proofs {
    login: Option<Box<dyn Login>>,
    sessions: AccessServers,
}

impl Proofs {
    /// `login` where a server can be asked; `sessions` where open sessions can be ended.
    pub fn new(login: Option<Box<dyn Login>>, sessions: AccessServers) -> Self {
        Self { login, sessions }
    }

    /// Whether a server verifies the password, so that the target need not verify the hash that it stored.
    pub fn by_login(&self) -> bool {
        self.login.is_some()
    }

    /// Turns what reading back came to, one answer for each work, into what the proof comes to. What was read back as wrong
    /// stays so, and nobody is asked about it. The answers may be fewer than the works ([`super::Target::prove`]).
    pub async fn after_reading_back(
        &self,
        batch: &[Work],
        seen: Vec<Result<Proof, Fault>>,
    ) -> Vec<Result<Proof, Fault>> {
        let seen = match &self.login {
            Some(login) => log_each_in(login.as_ref(), batch, seen, PROVING).await,
            None => seen,
        };
        self.sessions.after_reading_back(batch, seen).await
    }

    /// What `check` says of the servers.
    pub async fn check(&self) -> Vec<Finding> {
        let mut findings = match &self.login {
            Some(login) => login.check().await,
            None => Vec::new(),
        };
        findings.extend(self.sessions.check().await);
        findings
    }
}

impl std::fmt::Debug for Proofs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Proofs").field("by_login", &self.by_login()).field("sessions", &self.sessions).finish()
    }
}

/// Turns what reading back came to into what the proof comes to: `seen` has one answer per work, and where it is good and
/// there is a password to try, the login decides.
///
/// Once as many tries as may be under way have found the server unreachable in a row, the rest of the batch is not tried. After
/// `patience` the answers end: what has not been begun by then is left to another batch.
async fn log_each_in(
    login: &dyn Login,
    batch: &[Work],
    seen: Vec<Result<Proof, Fault>>,
    patience: Duration,
) -> Vec<Result<Proof, Fault>> {
    let (begun, unreachable) = (Instant::now(), AtomicUsize::new(0));
    let most = login.concurrency().max(1);
    let tries = batch.iter().zip(seen).enumerate().map(|(place, (work, seen))| {
        let unreachable = &unreachable;
        async move {
            let is_late = place > 0 && begun.elapsed() >= patience;
            if is_late { None } else { Some(log_in(login, work, seen, unreachable).await) }
        }
    });
    // Collected first: the closure is not general enough for the stream's adaptor.
    let tries: Vec<_> = tries.collect();
    let answers: Vec<Option<_>> = futures_util::stream::iter(tries).buffered(most).collect().await;
    answers.into_iter().map_while(|answer| answer).collect()
}

/// One work's proof. `unreachable`: how many tries in a row have found the server so.
async fn log_in(
    login: &dyn Login,
    work: &Work,
    seen: Result<Proof, Fault>,
    unreachable: &AtomicUsize,
) -> Result<Proof, Fault> {
    let proof = seen?;
    let Some(user) = login.user(&work.account) else { return Ok(proof) };
    let Some(credential) = &work.credential else {
        return stands(login, work, user, proof).await;
    };
    let Some(wanted) = wanted(work.action) else { return Ok(proof) };
    if unreachable.load(Ordering::Relaxed) >= login.concurrency().max(1) {
        return Err(Fault::transient(format!(
            "account {}: its login was not tried, for the server could not be asked about the accounts before it",
            work.account.uid
        )));
    }
    let answer = login.log_in(user, &credential.password).await;
    match &answer {
        Err(Denial::Unreachable(_)) => unreachable.fetch_add(1, Ordering::Relaxed),
        _ => unreachable.swap(0, Ordering::Relaxed),
    };
    judge(work, wanted, answer)
}

/// What was read back of an account whose password nobody has, and what the server says of it itself.
async fn stands(login: &dyn Login, work: &Work, user: &str, seen: Proof) -> Result<Proof, Fault> {
    let wanted = match work.action {
        Action::Suspend | Action::Remove => Standing::Closed,
        Action::Resume => Standing::Open,
        Action::Create | Action::Change | Action::Reset => return Ok(seen),
    };
    let uid = work.account.uid;
    match (login.standing(user).await, wanted) {
        (Ok(Standing::Untold) | Err(Denial::Unreachable(_)), _) => Ok(seen),
        (Ok(stands), _) if stands == wanted => Ok(Proof::Login),
        (Ok(_), Standing::Open) => {
            Err(Fault::transient(format!("account {uid}: its server still says that it is closed")))
        }
        (Ok(_), _) => Err(Fault::transient(format!("account {uid}: its server still lets somebody in as it"))),
        (Err(Denial::Refused(words)), _) => Err(Fault::permanent(format!("account {uid}: {words}"))),
    }
}

/// What a login with the work's password must come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wanted {
    Opens,
    Refused,
}

fn wanted(action: Action) -> Option<Wanted> {
    match action {
        Action::Create | Action::Reset => Some(Wanted::Opens),
        Action::Suspend | Action::Remove => Some(Wanted::Refused),
        Action::Change | Action::Resume => None,
    }
}

fn judge(work: &Work, wanted: Wanted, answer: Result<(), Denial>) -> Result<Proof, Fault> {
    let uid = work.account.uid;
    match (answer, wanted) {
        (Ok(()), Wanted::Opens) | (Err(Denial::Refused(_)), Wanted::Refused) => Ok(Proof::Login),
        (Ok(()), Wanted::Refused) => {
            Err(Fault::transient(format!("account {uid}: its password still opens it, and should no longer")))
        }
        (Err(Denial::Refused(words)), Wanted::Opens) => Err(Fault::permanent(format!("account {uid}: {words}"))),
        (Err(Denial::Unreachable(words)), _) => Err(Fault::transient(format!("account {uid}: {words}"))),
    }
}

#[cfg(test)]
mod tests;
