//! Targets that are tables of an SQL database: what mail maps and RADIUS have in common.
//!
//! What is done with a batch is the same on every engine: [`Tables::load`] reads what the tables hold of its accounts and of the
//! names they want, pure code changes that picture entry by entry, and [`Tables::store`] writes the difference with statements of
//! many rows, all in one transaction. The number of statements depends on the tables and hardly on the batch.

use super::login::Proofs;
use super::{Applied, Found, Held, Target, Work, blocking, unless_it_may_pass, work};
use crate::model::{AccountUid, Answer, Fault, Finding, Proof, Scheme};
use crate::secret::hash;
use crate::sql::{Schema, Session, Store, Trouble};
use jiff::Timestamp;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// What is being done, for the words of a fault.
const LOOKING: &str = "looking at its tables";

/// What one kind of target does with its tables.
///
/// Only `find`, `load` and `store` meet the database; they block, and know nothing of transactions.
pub trait Tables: Send + Sync + 'static {
    /// What the tables hold of a batch's accounts and of the names that they want, and what they shall hold.
    type Picture: Send + Sync;
    /// The tables.
    const SCHEMA: Schema;
    /// Which of the names (lower case) exist.
    ///
    /// # Errors
    /// What the database says.
    fn find(&self, db: &mut dyn Session, names: &[String]) -> Result<Vec<Found>, Trouble>;
    /// Every account there is.
    ///
    /// # Errors
    /// What the database says.
    fn list(&self, db: &mut dyn Session) -> Result<Vec<Held>, Trouble>;
    /// Which of these accounts bear akund's mark here, by their uids as text.
    ///
    /// # Errors
    /// What the database says.
    fn marked(&self, db: &mut dyn Session, uids: &[String]) -> Result<Vec<String>, Trouble>;
    /// Reads what there is of a batch's accounts.
    ///
    /// # Errors
    /// What the database says.
    fn load(&self, db: &mut dyn Session, batch: &[Work]) -> Result<Self::Picture, Trouble>;
    /// As [`Target::identify`]: the id of the row that has the name. Pure.
    ///
    /// # Errors
    /// As [`Target::identify`].
    fn identify(&self, picture: &Self::Picture, work: &Work) -> Result<String, Fault>;
    /// An adopted account's rows bear its mark from now on, if they do not yet. Pure.
    ///
    /// # Errors
    /// Conflict: what has its name is not what was adopted. The picture is then as it was.
    fn claim(&self, picture: &mut Self::Picture, work: &Work) -> Result<(), Fault>;
    /// Takes back what [`Self::claim`] did in this picture: its work came to nothing. Pure.
    fn disclaim(&self, picture: &mut Self::Picture, work: &Work);
    /// Brings one work's action about in the picture. Pure.
    ///
    /// # Errors
    /// As [`Target::apply`]; the picture is then as it was.
    fn apply(&self, picture: &mut Self::Picture, work: &Work, now: Timestamp) -> Result<(), Fault>;
    /// Takes back what a create made, in the picture. Pure.
    ///
    /// # Errors
    /// As [`Target::undo`]; the picture is then as it was.
    fn undo(&self, picture: &mut Self::Picture, work: &Work, now: Timestamp) -> Result<(), Fault>;
    /// Writes what has changed in the picture.
    ///
    /// # Errors
    /// What the database says.
    fn store(&self, db: &mut dyn Session, picture: Self::Picture) -> Result<(), Trouble>;
    /// Whether what is stored is what the work wants, and lets the account in or keeps it out as it wants. Pure; says nothing
    /// of the password.
    ///
    /// # Errors
    /// As [`Target::prove`].
    fn as_wanted(&self, picture: &Self::Picture, work: &Work, now: Timestamp) -> Result<(), Fault>;
    /// After create and reset: whether the password about to be handed over opens what is stored. Pure but for the time
    /// that hashing takes.
    ///
    /// # Errors
    /// As [`Target::prove`].
    fn opens(&self, picture: &Self::Picture, work: &Work) -> Result<(), Fault>;
    /// What the operator should not forget, for `check`.
    fn beware(&self) -> Option<String> {
        None
    }
    /// What a file needs so that its readers can use it, for `check`.
    fn readers(&self) -> &'static str;
}

/// A target made of tables.
#[derive(Debug)]
pub struct SqlTarget<T> {
    name: String,
    services: Vec<String>,
    schemes: Vec<Scheme>,
    proofs: Proofs,
    shared: Arc<Shared<T>>,
}

#[derive(Debug)]
struct Shared<T> {
    store: Store,
    tables: T,
    /// A server has been reached, and had the tables or got them.
    is_ready: AtomicBool,
}

impl<T: Tables> SqlTarget<T> {
    /// Puts a target together; touches nothing yet.
    pub(super) fn assemble(store: Store, services: &[String], schemes: Vec<Scheme>, tables: T) -> Self {
        Self {
            name: store.target().to_owned(),
            services: services.to_vec(),
            schemes,
            proofs: Proofs::default(),
            shared: Arc::new(Shared { store, tables, is_ready: AtomicBool::new(false) }),
        }
    }

    /// Lets servers prove what was written.
    pub fn proven_by(self, proofs: Proofs) -> Self {
        Self { proofs, ..self }
    }

    /// As [`Target::make_ready`].
    pub(super) fn opened(self) -> Result<Self, Fault> {
        self.make_ready().map(|()| self)
    }

    fn blocking<R: Send + 'static>(
        &self,
        batch: &[Work],
        work: impl FnOnce(&Shared<T>, &[Work]) -> Result<Vec<Result<R, Fault>>, Fault> + Send + 'static,
    ) -> Answer<'_, Vec<Result<R, Fault>>> {
        blocking::each(&self.shared, batch, work)
    }
}

impl<T: Tables> Target for SqlTarget<T> {
    fn name(&self) -> &str {
        &self.name
    }
    fn services(&self) -> &[String] {
        &self.services
    }
    fn schemes(&self) -> &[Scheme] {
        &self.schemes
    }

    /// One is written, or read back, while the journal records the one before it.
    fn at_once(&self) -> usize {
        2
    }

    fn expect_accounts(&self) {
        self.shared.store.expect_accounts();
    }

    fn make_ready(&self) -> Result<(), Fault> {
        unless_it_may_pass(&self.name, self.shared.store.open())
    }

    fn find<'a>(&'a self, names: &'a [String]) -> Answer<'a, Result<Vec<Found>, Fault>> {
        // No text in a database holds a NUL, and some take it for a bad question.
        let names: Vec<String> = names.iter().filter(|name| !name.contains('\0')).cloned().collect();
        blocking::ask(&self.shared, "looking names up", move |shared| {
            shared.store.ask("looking names up", |db| Ok(one_per_name(shared.tables.find(db, &names)?)))
        })
    }

    fn identify<'a>(&'a self, batch: &'a [Work]) -> Answer<'a, Vec<Result<Applied, Fault>>> {
        self.blocking(batch, |shared, batch| {
            let picture = shared.store.look("looking for accounts", |db| shared.tables.load(db, batch))?;
            let named = |work| Ok(Applied { external_id: Some(shared.tables.identify(&picture, work)?) });
            Ok(batch.iter().map(named).collect())
        })
    }

    fn apply<'a>(&'a self, batch: &'a [Work]) -> Answer<'a, Vec<Result<Applied, Fault>>> {
        self.blocking(batch, |shared, batch| {
            Ok(shared.change("writing accounts", batch, |picture, work, now| {
                if work.adopted.is_some() {
                    shared.tables.claim(picture, work)?;
                }
                let done = shared.tables.apply(picture, work, now);
                if done.is_err() && work.adopted.is_some() {
                    shared.tables.disclaim(picture, work);
                }
                done.map(|()| Applied { external_id: None })
            }))
        })
    }

    fn prove<'a>(&'a self, batch: &'a [Work]) -> Answer<'a, Vec<Result<Proof, Fault>>> {
        let hash = if self.proofs.by_login() { Hash::LeftToTheServer } else { Hash::Verified };
        let seen = self.blocking(batch, move |shared, batch| shared.prove(batch, hash));
        Box::pin(async move { self.proofs.after_reading_back(batch, seen.await).await })
    }

    fn read_back<'a>(&'a self, batch: &'a [Work]) -> Answer<'a, Vec<Result<Proof, Fault>>> {
        self.blocking(batch, |shared, batch| shared.prove(batch, Hash::Verified))
    }

    fn undo<'a>(&'a self, batch: &'a [Work]) -> Answer<'a, Vec<Result<(), Fault>>> {
        self.blocking(batch, |shared, batch| {
            Ok(shared.change("taking accounts back", batch, |picture, work, now| {
                work::only_a_create(work)?;
                shared.tables.undo(picture, work, now)
            }))
        })
    }

    /// Makes a server's tables before the first account is written: the rights of those who read them are given on tables that are
    /// there.
    fn keep_up<'a>(&'a self) -> Answer<'a, Result<Option<Timestamp>, Fault>> {
        if self.shared.is_ready.load(Ordering::Relaxed) {
            return Box::pin(async { Ok(None) });
        }
        blocking::ask(&self.shared, "making its tables", |shared| {
            shared.store.make_ready()?;
            shared.is_ready.store(true, Ordering::Relaxed);
            Ok(None)
        })
    }

    fn answers<'a>(&'a self) -> Answer<'a, Result<(), Fault>> {
        blocking::ask(&self.shared, LOOKING, |shared| {
            shared.store.ask(LOOKING, |db| T::SCHEMA.first_wrong(db)?.map_or(Ok(()), Err))
        })
    }

    fn list<'a>(&'a self) -> Answer<'a, Result<Vec<Held>, Fault>> {
        blocking::ask(&self.shared, "reading all accounts", |shared| {
            shared.store.look("reading all accounts", |db| shared.tables.list(db))
        })
    }

    fn marked<'a>(&'a self, uids: &'a [AccountUid]) -> Answer<'a, Result<BTreeSet<AccountUid>, Fault>> {
        let asked: Vec<String> = uids.iter().map(ToString::to_string).collect();
        blocking::ask(&self.shared, "looking for accounts", move |shared| {
            let there = shared.store.look("looking for accounts", |db| shared.tables.marked(db, &asked))?;
            Ok(there.iter().filter_map(|uid| uid.parse().ok()).map(AccountUid).collect())
        })
    }

    fn check<'a>(&'a self) -> Answer<'a, Vec<Finding>> {
        let shared = Arc::clone(&self.shared);
        Box::pin(async move {
            let look = move || {
                let mut findings = shared.store.check(shared.tables.readers());
                findings.extend(shared.tables.beware().map(Ok));
                findings
            };
            let looked = tokio::task::spawn_blocking(look).await;
            let mut findings = looked
                .map_err(crate::panics::how)
                .unwrap_or_else(|e| vec![Err(format!("looking at its database ended unexpectedly: {e}"))]);
            findings.extend(self.proofs.check().await);
            findings
        })
    }
}

impl<T: Tables> Shared<T> {
    /// Loads a picture, changes it entry by entry, and writes the difference; all in one transaction.
    fn change<R>(
        &self,
        doing: &str,
        batch: &[Work],
        change: impl Fn(&mut T::Picture, &Work, Timestamp) -> Result<R, Fault>,
    ) -> Vec<Result<R, Fault>> {
        let answers = self.store.write_batch(doing, batch, &|db, batch| {
            let mut picture = self.tables.load(db, batch)?;
            let now = Timestamp::now();
            let answers = batch.iter().map(|work| change(&mut picture, work, now)).collect();
            self.tables.store(db, picture)?;
            Ok(answers)
        });
        if answers.iter().any(Result::is_ok) {
            self.store.expect_accounts();
        }
        answers
    }

    /// Looks through a connection that was opened for it, and in one snapshot.
    fn prove(&self, batch: &[Work], password: Hash) -> Result<Vec<Result<Proof, Fault>>, Fault> {
        let picture = self.store.look("reading accounts back", |db| self.tables.load(db, batch))?;
        let now = Timestamp::now();
        Ok(hash::on_every_core(batch, |work| {
            self.tables.as_wanted(&picture, work, now)?;
            if !work.action.mints() || password == Hash::LeftToTheServer {
                return Ok(Proof::Observed);
            }
            self.tables.opens(&picture, work)?;
            Ok(Proof::Stored)
        }))
    }
}

/// Who verifies the stored hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hash {
    Verified,
    LeftToTheServer,
}

/// One answer per name. Found twice with different marks, it counts as somebody else's.
fn one_per_name(found: Vec<Found>) -> Vec<Found> {
    let mut seen: std::collections::HashMap<String, usize> = std::collections::HashMap::new();
    let mut unique: Vec<Found> = Vec::with_capacity(found.len());
    for item in found {
        match seen.get(&item.name).and_then(|at| unique.get_mut(*at)) {
            Some(earlier) if earlier.uid != item.uid => earlier.uid = None,
            Some(_) => {}
            None => {
                seen.insert(item.name.clone(), unique.len());
                unique.push(item);
            }
        }
    }
    unique
}
