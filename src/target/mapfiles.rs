//! Mail accounts in flat files: a passwd-file that Dovecot reads, and three look-up tables that Postfix reads.
//!
//! A batch reads all four once, is worked out in memory, and writes each that differs once. What akund did not write is kept byte
//! for byte, and akund knows its own by the mark above each entry ([`entry`]). A suspended account can't log in and still
//! receives mail; an ended one neither logs in nor receives: files can't tell the time, so its entries are commented
//! out when its end has come ([`Target::keep_up`]). No NT hash is ever in here.

pub mod accounts;
mod adopt;
pub mod disk;
pub mod entry;
mod inspect;
pub mod ledger;
pub mod login;
pub mod postmap;
mod proof;
pub mod sheet;

use super::home::HomeTemplate;
use super::login::Proofs;
use super::{Applied, Found, Held, HeldState, Target, Work, blocking, unless_it_may_pass, work};
use crate::config::target::MapFilesConfig;
use crate::model::{AccountUid, Answer, Fault, Finding, Proof, Scheme};
use crate::secret::hash;
use crate::sql::sqlite::parse_mode;
use accounts::{Maps, Rules, Which, interest};
use disk::{Disk, Written};
use entry::{Entry, State};
use jiff::Timestamp;
use login::{Login, Owner};
use postmap::Postmap;
use sheet::Interest;
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// How often a batch is begun again because somebody else has changed a file meanwhile.
const TRIES: usize = 5;

/// The map-files target.
#[derive(Debug)]
pub struct MapFiles {
    name: String,
    services: Vec<String>,
    schemes: [Scheme; 1],
    shared: Arc<Shared>,
    proofs: Proofs,
}

#[derive(Debug)]
struct Shared {
    disk: Disk,
    rules: Rules,
    /// When the next account ends, seconds since 1970, if any does; none: not known.
    next_end: Mutex<Option<Option<i64>>>,
}

impl MapFiles {
    /// Checks the configuration; touches no file.
    ///
    /// # Errors
    /// Permanent, for what the configuration must not say: NT hashes, a mode or a home that will not do.
    pub fn configured(name: &str, config: &MapFilesConfig) -> Result<Self, Fault> {
        let wrong = |what: String| Fault::permanent(format!("[target.{name}]: {what}"));
        if config.password == Scheme::NtHash {
            let why = "password = \"nt-hash\" will not do for map-files: an NT hash is as good as the password, and mail's \
                       readers must not see it; use \"sha512-crypt\" or \"ssha512\"";
            return Err(wrong(why.into()));
        }
        let disk = Disk {
            passwd: config.passwd.clone(),
            maps: [config.domains.clone(), config.aliases.clone(), config.mailboxes.clone()],
            mode: parse_mode(&config.mode).map_err(wrong)?,
            postmap: Postmap { program: config.postmap.clone(), config: config.postfix.clone() },
            reload: config.reload.clone(),
            expected: AtomicBool::new(false),
        };
        let rules = Rules {
            scheme: config.password,
            home: HomeTemplate::parse(&config.home).map_err(wrong)?,
            owner: config.mail_uid.zip(config.mail_gid).map(|(uid, gid)| Owner { uid, gid }),
        };
        Ok(Self {
            name: name.to_owned(),
            services: config.services.clone(),
            schemes: [config.password],
            shared: Arc::new(Shared { disk, rules, next_end: Mutex::new(None) }),
            proofs: Proofs::default(),
        })
    }

    /// Lets servers prove what was written.
    pub fn proven_by(self, proofs: Proofs) -> Self {
        Self { proofs, ..self }
    }

    /// Checks the configuration, and makes files and indexes that are missing: Postfix takes no mail at all while one is.
    ///
    /// # Errors
    /// Permanent, as [`Self::configured`]. What may pass is logged and left to later attempts.
    pub fn open(name: &str, config: &MapFilesConfig) -> Result<Self, Fault> {
        let target = Self::configured(name, config)?;
        target.make_ready().map(|()| target)
    }

    fn blocking<R: Send + 'static>(
        &self,
        batch: &[Work],
        work: impl FnOnce(&Shared, &[Work]) -> Result<Vec<Result<R, Fault>>, Fault> + Send + 'static,
    ) -> Answer<'_, Vec<Result<R, Fault>>> {
        blocking::each(&self.shared, batch, work)
    }
}

impl Target for MapFiles {
    fn name(&self) -> &str {
        &self.name
    }
    fn services(&self) -> &[String] {
        &self.services
    }
    fn schemes(&self) -> &[Scheme] {
        &self.schemes
    }

    fn expect_accounts(&self) {
        self.shared.disk.expected.store(true, Ordering::Relaxed);
    }

    fn make_ready(&self) -> Result<(), Fault> {
        unless_it_may_pass(&self.name, self.shared.write(&[], |_, _, _| Ok(())))
    }

    fn find<'a>(&'a self, names: &'a [String]) -> Answer<'a, Result<Vec<Found>, Fault>> {
        let names = names.to_vec();
        blocking::ask(&self.shared, "looking names up", move |shared| shared.find(&names))
    }

    fn identify<'a>(&'a self, batch: &'a [Work]) -> Answer<'a, Vec<Result<Applied, Fault>>> {
        self.blocking(batch, |shared, batch| {
            let accounts = batch.iter().flat_map(accounts::concerned);
            let maps = shared.read(interest(accounts, &shared.rules))?;
            Ok(batch.iter().map(|work| Ok(Applied { external_id: Some(maps.identify(work)?) })).collect())
        })
    }

    fn apply<'a>(&'a self, batch: &'a [Work]) -> Answer<'a, Vec<Result<Applied, Fault>>> {
        self.blocking(batch, |shared, batch| {
            // How much may be taken away is decided where it is approved (the change budget), not here again.
            shared.write(batch, |maps, work, now| {
                maps.apply(work, &shared.rules, now)?;
                Ok(Applied { external_id: None })
            })
        })
    }

    fn prove<'a>(&'a self, batch: &'a [Work]) -> Answer<'a, Vec<Result<Proof, Fault>>> {
        let seen = self.read_back(batch);
        Box::pin(async move { self.proofs.after_reading_back(batch, seen.await).await })
    }

    fn read_back<'a>(&'a self, batch: &'a [Work]) -> Answer<'a, Vec<Result<Proof, Fault>>> {
        let by_login = self.proofs.by_login();
        self.blocking(batch, move |shared, batch| {
            let stored = proof::read_back(shared, batch)?;
            let now = Timestamp::now().as_second();
            Ok(hash::on_every_core(&stored, |(work, stored)| {
                proof::as_wanted(work, stored, now)?;
                if by_login || !work.action.mints() {
                    return Ok(Proof::Observed);
                }
                proof::password_opens(work, stored, shared.rules.scheme)?;
                Ok(Proof::Stored)
            }))
        })
    }

    fn undo<'a>(&'a self, batch: &'a [Work]) -> Answer<'a, Vec<Result<(), Fault>>> {
        self.blocking(batch, |shared, batch| {
            shared.write(batch, |maps, work, _| {
                work::only_a_create(work)?;
                maps.undo(work.account.uid);
                Ok(())
            })
        })
    }

    fn keep_up<'a>(&'a self) -> Answer<'a, Result<Option<Timestamp>, Fault>> {
        blocking::ask(&self.shared, "closing ended accounts", Shared::keep_up)
    }

    fn answers<'a>(&'a self) -> Answer<'a, Result<(), Fault>> {
        blocking::ask(&self.shared, "looking for its files", |shared| shared.disk.are_there())
    }

    fn list<'a>(&'a self) -> Answer<'a, Result<Vec<Held>, Fault>> {
        blocking::ask(&self.shared, "reading all accounts", Shared::list)
    }

    fn marked<'a>(&'a self, uids: &'a [AccountUid]) -> Answer<'a, Result<BTreeSet<AccountUid>, Fault>> {
        let uids = uids.to_vec();
        blocking::ask(&self.shared, "looking for accounts", move |shared| shared.marked(&uids))
    }

    fn check<'a>(&'a self) -> Answer<'a, Vec<Finding>> {
        let shared = Arc::clone(&self.shared);
        Box::pin(async move {
            let mut findings = tokio::task::spawn_blocking(move || inspect::inspect(&shared))
                .await
                .map_err(crate::panics::how)
                .unwrap_or_else(|e| vec![Err(format!("looking at its files ended unexpectedly: {e}"))]);
            findings.extend(self.proofs.check().await);
            findings
        })
    }
}

impl Shared {
    /// Works a batch out on what the files hold, and writes them. Begun again when somebody else was faster.
    fn write<R>(
        &self,
        batch: &[Work],
        entry: impl Fn(&mut Maps, &Work, i64) -> Result<R, Fault>,
    ) -> Result<Vec<Result<R, Fault>>, Fault> {
        let _lock = self.disk.lock()?;
        for _ in 0..TRIES {
            let now = Timestamp::now().as_second();
            let mut interest = interest(batch.iter().flat_map(accounts::concerned), &self.rules);
            interest.ended_by = Some(now);
            let mut snapshot = self.disk.read()?;
            let (texts, originals) = snapshot.take_texts();
            let (mut maps, ended) = Maps::read(texts, interest);
            self.disk.believe(&snapshot, &maps)?;
            let answers = batch.iter().map(|work| entry(&mut maps, work, now)).collect();
            self.close(&mut maps, &ended, now);
            if self.disk.write(&mut snapshot, &originals, &maps)? == Written::Done {
                *self.next_end() = Some(maps.sheet(Which::Passwd).next_end(now));
                return Ok(answers);
            }
        }
        Err(self.disk.fault(format!(
            "its files were changed by somebody else {TRIES} times while akund was about to write them"
        )))
    }

    fn close(&self, maps: &mut Maps, ended: &[AccountUid], now: i64) {
        for uid in ended {
            maps.close_if_ended(*uid, &self.rules, now);
        }
    }

    fn find(&self, names: &[String]) -> Result<Vec<Found>, Fault> {
        let keys = names.iter().map(|name| name.clone().into_bytes()).collect();
        Ok(self.read(Interest { keys, ..Interest::default() })?.find(names))
    }

    /// Which of these accounts have a line in the passwd-file.
    fn marked(&self, uids: &[AccountUid]) -> Result<BTreeSet<AccountUid>, Fault> {
        let asked = uids.iter().map(|uid| uid.to_string().into_bytes()).collect();
        let maps = self.read(Interest { uids: asked, ..Interest::default() })?;
        let there = |uid: &AccountUid| maps.sheet(Which::Passwd).of(*uid).any(|entry| entry.state != State::Retired);
        Ok(uids.iter().copied().filter(there).collect())
    }

    /// Every line of the passwd-file that is an account's.
    fn list(&self) -> Result<Vec<Held>, Fault> {
        let maps = self.read(Interest { everything: true, ..Interest::default() })?;
        let held = |entry: &Entry| Held {
            name: entry.key.clone(),
            uid: entry.uid,
            external_id: None,
            state: HeldState::of(Login::read(entry.value.expose()).is_some_and(|login| login.locked)),
            way_in: None,
        };
        Ok(maps.sheet(Which::Passwd).all().filter(|entry| entry.state != State::Retired).map(held).collect())
    }

    /// Closes accounts whose end has come; when the next one's comes. Goes through the files only when one has, or when that is not
    /// known yet.
    fn keep_up(&self) -> Result<Option<Timestamp>, Fault> {
        let known = *self.next_end();
        let now = Timestamp::now().as_second();
        if known.is_none_or(|next| next.is_some_and(|end| end <= now)) {
            self.write(&[], |_, _, _| Ok(()))?;
        }
        let next = self.next_end().flatten();
        Ok(next.and_then(|end| Timestamp::from_second(end).ok()))
    }

    fn next_end(&self) -> MutexGuard<'_, Option<Option<i64>>> {
        self.next_end.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The files as they are now.
    fn read(&self, interest: Interest) -> Result<Maps, Fault> {
        let mut snapshot = self.disk.read()?;
        let (maps, _) = Maps::read(snapshot.take_texts().0, interest);
        self.disk.believe(&snapshot, &maps)?;
        Ok(maps)
    }
}
