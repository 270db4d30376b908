//! Accounts in Google Workspace, by the Directory API.
//!
//! An account carries akund's mark among its external ids, and nothing without it is ever touched. Google answers late, twice,
//! wrongly or not at all, and shows what it has taken only after a while: so every doubtful answer is followed by a look, and
//! what is not to be seen yet is waited for. Its quota is kept here, for all targets of the same Workspace account.

mod adopt;
mod answer;
mod api;
mod check;
mod create;
mod explain;
mod http;
mod key;
mod layout;
mod look;
mod pace;
mod proof;
mod token;
mod user;
mod write;

use super::{Applied, Found, Held, HeldState, Target, Work};
use crate::config::target::GoogleConfig;
use crate::model::{AccountUid, Answer, Fault, FaultClass, Finding, Proof, Scheme, Secret};
use api::Api;
use futures_util::stream::{self, StreamExt, TryStreamExt};
use http::Http;
use key::ServiceAccount;
use layout::Layout;
use pace::{Limits, Pace};
use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use token::Tokens;
use tokio::time::Instant;
use user::User;

/// Accounts of a batch that are worked on at once, for each call that may be under way: most of them wait for their turn.
const WORKS_PER_CALL: usize = 4;
/// What a batch has not begun after this long is left to the next.
const LONGEST_BATCH: Duration = Duration::from_secs(400);

/// How long reading all users may take.
const LONGEST_LIST: Duration = Duration::from_secs(3600);

/// A Google Workspace account as a target.
pub struct Workspace {
    name: String,
    services: Vec<String>,
    layout: Layout,
    api: Api,
    works_at_once: usize,
    settle: Duration,
    recheck: Duration,
    /// What is not (yet) known of accounts.
    doubts: Mutex<HashMap<AccountUid, Doubt>>,
}

/// What is not (yet) known of an account. A restart forgets it, and only makes the waits begin again.
#[derive(Default)]
struct Doubt {
    /// Whether it was made, and since when.
    made: Option<Instant>,
    /// It was made, as Google itself has said, and is not finished.
    user: Option<(Instant, User)>,
    /// What its attempts meet one after the other, since when, and how often.
    met: Option<(Why, Instant, u32)>,
}

/// What Google's delay may explain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Why {
    /// What is there is not found.
    NotFound,
    /// Forbidden, as of what was just made.
    Forbidden,
    /// A name is taken, and nobody is seen to have it.
    Taken,
    /// It is not made whole yet.
    NotComplete,
    /// It does not show what was written.
    NotAsWritten,
}

/// How many attempts in a row must have met the same, before it is more than a delay.
const LEAST_TIMES: u32 = 4;

impl Workspace {
    /// Reads the configuration, the CA file and the key; connects to nothing.
    ///
    /// # Errors
    /// Permanent: what of it cannot be used.
    pub fn configured(
        name: &str,
        config: &GoogleConfig,
        read_secret: &dyn Fn(&Path) -> Result<Secret, String>,
    ) -> Result<Self, Fault> {
        let wrong = |what: String| Fault::permanent(format!("[target.{name}]: {what}"));
        if let Some((_, problem)) = config.problems().into_iter().next() {
            return Err(wrong(problem));
        }
        let account = ServiceAccount::read(&read_secret(&config.key_file).map_err(wrong)?).map_err(wrong)?;
        let timeout = Duration::from_secs(config.timeout_seconds);
        let http = Arc::new(Http::new(&config.root_url, timeout, config.ca_file.as_deref()).map_err(wrong)?);
        let tokens = Arc::new(Tokens::new(account, &config.subject, &config.token_url));
        let limits = Limits {
            creations_per_second: config.creations_per_second,
            queries_per_minute: config.queries_per_minute,
            concurrency: config.concurrency,
        };
        let pace = Pace::shared(&config.root_url, config.primary_domain(), limits);
        let root = reqwest::Url::parse(&config.root_url).map_err(|e| wrong(format!("root_url: {e}")))?;
        let scopes = if config.groups.is_empty() { vec![api::USERS] } else { vec![api::USERS, api::MEMBERS] };
        Ok(Self {
            name: name.into(),
            services: config.services.clone(),
            layout: Layout::of(config),
            api: Api::new(http, tokens, pace, root, &scopes.join(" ")),
            works_at_once: config.concurrency * WORKS_PER_CALL,
            settle: Duration::from_secs(config.settle_seconds),
            recheck: Duration::from_secs(config.recheck_seconds),
            doubts: Mutex::default(),
        })
    }

    /// How long it has been unknown whether this account was made; the first time counts from now.
    fn in_doubt(&self, uid: AccountUid) -> Duration {
        self.doubts().entry(uid).or_default().made.get_or_insert_with(Instant::now).elapsed()
    }

    /// It was tried just now, and it is not known whether it was made.
    fn doubt_anew(&self, uid: AccountUid) {
        self.doubts().entry(uid).or_default().made = Some(Instant::now());
    }

    /// It was made: what is left to do needs no look.
    fn was_made(&self, uid: AccountUid, user: &User) {
        self.doubts().entry(uid).or_default().user = Some((Instant::now(), user.clone()));
    }

    fn just_made(&self, uid: AccountUid) -> Option<User> {
        self.doubts().get(&uid)?.user.as_ref().map(|(_, user)| user.clone())
    }

    fn is_in_doubt(&self, uid: AccountUid) -> bool {
        self.doubts().get(&uid).is_some_and(|doubt| doubt.made.is_some())
    }

    /// It is known whether it was made.
    fn is_clear(&self, uid: AccountUid) {
        self.doubts().remove(&uid);
    }

    /// A fault that Google's delay explains is waited out; one that every attempt meets for longer than that is as it says.
    fn while_settling(&self, uid: AccountUid, why: Why, fault: Fault) -> Fault {
        let lasting = {
            let mut doubts = self.doubts();
            let met = &mut doubts.entry(uid).or_default().met;
            let (since, times) = match met {
                Some((before, since, times)) if *before == why => (*since, *times + 1),
                _ => (Instant::now(), 1),
            };
            *met = Some((why, since, times));
            // A lane waits longer and longer between its attempts: two of them alone would be no sign of anything.
            since.elapsed() >= self.settle && times >= LEAST_TIMES
        };
        match fault.class {
            _ if !lasting => Fault::transient(fault.message),
            FaultClass::Transient => Fault::permanent(fault.message),
            _ => fault,
        }
    }

    /// How often in a row attempts have met what Google's delay explains.
    fn times_met(&self, uid: AccountUid) -> u32 {
        self.doubts().get(&uid).and_then(|doubt| doubt.met).map_or(0, |(_, _, times)| times)
    }

    /// One attempt; if it did not meet what the one before met, that has passed.
    async fn attempt<T>(&self, uid: AccountUid, attempt: impl Future<Output = Result<T, Fault>>) -> Result<T, Fault> {
        let before = self.times_met(uid);
        let answer = attempt.await;
        if before == self.times_met(uid)
            && let Some(doubt) = self.doubts().get_mut(&uid)
        {
            doubt.met = None;
        }
        answer
    }

    /// Long after the longest wait, whatever became of an account is known or lies with a person.
    fn forget_old_doubts(&self) {
        let longest = self.settle.max(self.recheck) * 10 + LONGEST_BATCH;
        let recent = |since: Option<Instant>| since.is_some_and(|since| since.elapsed() < longest);
        self.doubts().retain(|_, doubt| {
            let (user, met) = (doubt.user.as_ref().map(|(since, _)| *since), doubt.met.map(|(_, since, _)| since));
            recent(doubt.made) || recent(user) || recent(met)
        });
    }

    fn doubts(&self) -> MutexGuard<'_, HashMap<AccountUid, Doubt>> {
        self.doubts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn find_names(&self, names: &[String]) -> Result<Vec<Found>, Fault> {
        let until = Instant::now() + LONGEST_BATCH;
        let mut questions = Vec::new();
        for name in names.iter().filter(|name| self.layout.may_be_here(name)) {
            questions.push(async move {
                let user = self.api.user(name, until).await.map_err(|failure| {
                    failure.fault_of_a_look(&format!("asking for {}", crate::model::said::masked(name)))
                })?;
                Ok::<_, Fault>(user.map(|user| Found { name: name.clone(), uid: user.uid() }))
            });
        }
        let found: Vec<Option<Found>> = stream::iter(questions).buffered(self.works_at_once).try_collect().await?;
        Ok(found.into_iter().flatten().collect())
    }

    /// Works on a batch: accounts side by side, what is asked of one account in order. One answer per work.
    async fn each<T, F, A>(&self, batch: &[Work], one: F) -> Vec<Result<T, Fault>>
    where
        F: Fn(usize, Instant) -> A,
        A: Future<Output = Result<T, Fault>>,
    {
        self.forget_old_doubts();
        let until = Instant::now() + LONGEST_BATCH;
        let mut by_account: HashMap<AccountUid, Vec<usize>> = HashMap::new();
        let mut order = Vec::new();
        for (at, work) in batch.iter().enumerate() {
            let places = by_account.entry(work.account.uid).or_default();
            if places.is_empty() {
                order.push(work.account.uid);
            }
            places.push(at);
        }
        let one = &one;
        let mut accounts = Vec::with_capacity(order.len());
        for (uid, places) in order.into_iter().filter_map(|uid| Some((uid, by_account.remove(&uid)?))) {
            accounts.push(async move {
                let mut done = Vec::with_capacity(places.len());
                for at in places {
                    done.push((at, self.attempt(uid, one(at, until)).await));
                }
                done
            });
        }
        let mut answers: Vec<Option<Result<T, Fault>>> = Vec::new();
        answers.resize_with(batch.len(), || None);
        let mut running = stream::iter(accounts).buffer_unordered(self.works_at_once);
        while let Some(done) = running.next().await {
            for (at, answer) in done {
                if let Some(place) = answers.get_mut(at) {
                    *place = Some(answer);
                }
            }
        }
        let missing = || Err(Fault::unknown("an account of the batch got no answer; this is a fault of akund"));
        answers.into_iter().map(|answer| answer.unwrap_or_else(missing)).collect()
    }
}

impl Target for Workspace {
    fn name(&self) -> &str {
        &self.name
    }
    fn services(&self) -> &[String] {
        &self.services
    }
    fn schemes(&self) -> &[Scheme] {
        &[Scheme::Sha512Crypt]
    }
    fn find<'a>(&'a self, names: &'a [String]) -> Answer<'a, Result<Vec<Found>, Fault>> {
        Box::pin(self.find_names(names))
    }
    fn identify<'a>(&'a self, batch: &'a [Work]) -> Answer<'a, Vec<Result<Applied, Fault>>> {
        Box::pin(self.each(batch, move |at, until| self.identify_one(&batch[at], until)))
    }
    fn apply<'a>(&'a self, batch: &'a [Work]) -> Answer<'a, Vec<Result<Applied, Fault>>> {
        Box::pin(self.each(batch, move |at, until| async move {
            let id = self.apply_one(&batch[at], until).await?;
            Ok(Applied { external_id: id })
        }))
    }
    fn prove<'a>(&'a self, batch: &'a [Work]) -> Answer<'a, Vec<Result<Proof, Fault>>> {
        Box::pin(self.prove_all(batch))
    }
    fn undo<'a>(&'a self, batch: &'a [Work]) -> Answer<'a, Vec<Result<(), Fault>>> {
        Box::pin(self.each(batch, move |at, until| self.undo_one(&batch[at], until)))
    }
    fn answers<'a>(&'a self) -> Answer<'a, Result<(), Fault>> {
        Box::pin(async move {
            let asked = self.api.user(self.api.tokens.subject(), Instant::now() + LONGEST_BATCH).await;
            asked.map(drop).map_err(|failure| failure.fault_of_a_look("asking for the administrator (subject)"))
        })
    }
    fn list<'a>(&'a self) -> Answer<'a, Result<Vec<Held>, Fault>> {
        Box::pin(async move {
            let api = self.api.anew().map_err(Fault::transient)?;
            let users = api.everybody(LONGEST_LIST).await.map_err(|f| f.fault_of_a_look("reading all users"))?;
            let held = |user: User| Held {
                name: user.primary_email.to_lowercase(),
                uid: user.uid(),
                external_id: Some(user.id),
                state: HeldState::of(user.suspended),
                way_in: None,
            };
            Ok(users.into_iter().filter(|user| self.layout.may_be_here(&user.primary_email)).map(held).collect())
        })
    }
    fn reads_in_bulk(&self) -> bool {
        false
    }
    fn check<'a>(&'a self) -> Answer<'a, Vec<Finding>> {
        Box::pin(self.look_over())
    }
}
