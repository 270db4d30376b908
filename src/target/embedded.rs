//! A target that is an SQLite database of akund's own: what the mail maps and RADIUS have in common.

use super::sqlite::{Schema, Stop, Store};
use super::{Applied, Found, Target, Work};
use crate::model::{Account, Action, Fault, Proof, Scheme, Secret};
use crate::model::{Answer, Finding};
use crate::secret::hash;
use jiff::Timestamp;
use rusqlite::Connection;
use std::sync::Arc;

/// What one kind of embedded database does with its tables. Everything here blocks, and knows nothing of transactions.
pub trait Tables: Send + Sync + 'static {
    /// What is read back for a proof.
    type Stored: Send + Sync;
    /// The tables.
    const SCHEMA: Schema;
    /// Which of the names in a JSON array exist.
    fn find(&self, db: &Connection, names: &str) -> rusqlite::Result<Vec<Found>>;
    /// Brings one work's action about; inside a savepoint.
    fn apply(&self, db: &Connection, work: &Work) -> Result<(), Stop>;
    /// Takes back what a create made; inside a savepoint.
    fn undo(&self, db: &Connection, work: &Work) -> Result<(), Stop>;
    /// Reads what is stored of an account.
    fn read(&self, db: &Connection, work: &Work) -> rusqlite::Result<Self::Stored>;
    /// Whether what is stored does what the work wants. Pure but for the time that hashing takes.
    fn judge(&self, work: &Work, stored: &Self::Stored, now: Timestamp) -> Result<(), Fault>;
    /// What a file needs so that its readers can use it, for `check`.
    fn readers(&self) -> &'static str;
}

/// An embedded target.
#[derive(Debug)]
pub struct Embedded<T> {
    name: String,
    services: Vec<String>,
    schemes: [Scheme; 1],
    shared: Arc<Shared<T>>,
}

#[derive(Debug)]
struct Shared<T> {
    store: Store,
    tables: T,
}

impl<T: Tables> Embedded<T> {
    /// Puts a target together; touches nothing yet.
    pub(super) fn assemble(store: Store, services: &[String], scheme: Scheme, tables: T) -> Self {
        Self {
            name: store.target().to_owned(),
            services: services.to_vec(),
            schemes: [scheme],
            shared: Arc::new(Shared { store, tables }),
        }
    }

    /// Opens the database now, making it if it is missing. What may pass (no permission, no disk) is left to later
    /// attempts, so that a target that is down is a waiting lane and not a daemon that does not start.
    pub(super) fn opened(self) -> Result<Self, Fault> {
        match self.shared.store.with_writer("opening it", |_| Ok(())) {
            Err(fault) if fault.class != crate::model::FaultClass::Transient => Err(fault),
            Err(fault) => {
                tracing::warn!(target_name = %self.name, "{fault}");
                Ok(self)
            }
            Ok(()) => Ok(self),
        }
    }

    /// Runs blocking work for a batch off the async threads; one answer per entry even if it panics.
    fn blocking<R: Send + 'static>(
        &self,
        batch: &[Work],
        work: impl FnOnce(&Shared<T>, &[Work]) -> Vec<Result<R, Fault>> + Send + 'static,
    ) -> Answer<'_, Vec<Result<R, Fault>>> {
        let (shared, batch) = (Arc::clone(&self.shared), batch.to_vec());
        let (name, entries) = (self.name.clone(), batch.len());
        Box::pin(async move {
            tokio::task::spawn_blocking(move || work(&shared, &batch)).await.unwrap_or_else(|e| {
                let fault = Fault::unknown(format!("target {name}: its work on a batch ended unexpectedly: {e}"));
                (0..entries).map(|_| Err(fault.clone())).collect()
            })
        })
    }
}

impl<T: Tables> Target for Embedded<T> {
    fn name(&self) -> &str {
        &self.name
    }
    fn services(&self) -> &[String] {
        &self.services
    }
    fn schemes(&self) -> &[Scheme] {
        &self.schemes
    }

    fn find<'a>(&'a self, names: &'a [String]) -> Answer<'a, Result<Vec<Found>, Fault>> {
        let shared = Arc::clone(&self.shared);
        let json = serde_json::Value::from(names.to_vec()).to_string();
        Box::pin(async move {
            tokio::task::spawn_blocking(move || {
                shared.store.with_writer("looking names up", |db| Ok(one_per_name(shared.tables.find(db, &json)?)))
            })
            .await
            .unwrap_or_else(|e| {
                Err(Fault::transient(format!("target {}: looking names up ended unexpectedly: {e}", self.name)))
            })
        })
    }

    fn apply<'a>(&'a self, batch: &'a [Work]) -> Answer<'a, Vec<Result<Applied, Fault>>> {
        self.blocking(batch, |shared, batch| {
            shared.store.write_batch("writing accounts", batch, |db, work| {
                shared.tables.apply(db, work).map(|()| Applied { external_id: None })
            })
        })
    }

    fn prove<'a>(&'a self, batch: &'a [Work]) -> Answer<'a, Vec<Result<Proof, Fault>>> {
        self.blocking(batch, |shared, batch| match shared.read_back(batch) {
            Ok(stored) => {
                let now = Timestamp::now();
                hash::on_every_core(&stored, |(work, stored)| {
                    shared.tables.judge(work, stored, now).map(|()| Proof::Stored)
                })
            }
            Err(fault) => batch.iter().map(|_| Err(fault.clone())).collect(),
        })
    }

    fn undo<'a>(&'a self, batch: &'a [Work]) -> Answer<'a, Vec<Result<(), Fault>>> {
        self.blocking(batch, |shared, batch| {
            shared.store.write_batch("taking accounts back", batch, |db, work| {
                if work.action != Action::Create {
                    // Undoing anything else by deleting would take away an account that another request made.
                    let text = format!(
                        "account {}: the action {} cannot be taken back, only create can",
                        work.account.uid,
                        work.action.as_str()
                    );
                    return Err(Fault::permanent(text).into());
                }
                shared.tables.undo(db, work)
            })
        })
    }

    fn check<'a>(&'a self) -> Answer<'a, Vec<Finding>> {
        let shared = Arc::clone(&self.shared);
        Box::pin(async move {
            tokio::task::spawn_blocking(move || super::inspect::inspect(&shared.store, shared.tables.readers()))
                .await
                .unwrap_or_else(|e| {
                    vec![Err(format!("target {}: looking at its database ended unexpectedly: {e}", self.name))]
                })
        })
    }
}

impl<T: Tables> Shared<T> {
    /// Everything that a batch needs to know, through a connection that was opened for it and in one snapshot.
    fn read_back<'w>(&self, batch: &'w [Work]) -> Result<Vec<(&'w Work, T::Stored)>, Fault> {
        let reader = self.store.reader()?;
        let read = || -> rusqlite::Result<Vec<(&'w Work, T::Stored)>> {
            let snapshot = reader.unchecked_transaction()?;
            batch.iter().map(|work| Ok((work, self.tables.read(&snapshot, work)?))).collect()
        };
        read().map_err(|e| self.store.explain("reading accounts back", Stop::Sqlite(e)))
    }
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

/// The hash that a create or reset brings along.
pub(super) fn wanted_hash(work: &Work, scheme: Scheme) -> Result<&Secret, Fault> {
    work.credential.as_ref().and_then(|c| c.hash(scheme)).ok_or_else(|| {
        Fault::permanent(format!("account {}: there is no {scheme:?} hash of its password to store", work.account.uid))
    })
}

/// Whether the password about to be handed over opens what is stored.
pub(super) fn check_password(work: &Work, stored: &str, scheme: Scheme) -> Result<(), Fault> {
    let Some(credential) = &work.credential else {
        return Err(Fault::permanent(format!("account {}: there is no password to prove it with", work.account.uid)));
    };
    if hash::verify(&credential.password, stored, scheme) {
        return Ok(());
    }
    Err(Fault::permanent(format!(
        "account {}: the stored hash is not one of the password about to be handed over; somebody else has changed it",
        work.account.uid
    )))
}

/// For sentences: the first character of a user name.
pub(super) fn masked(name: &str) -> String {
    name.chars().take(1).chain(['…']).collect()
}

/// The last instant, as seconds since 1970: from then on the account is no longer valid.
pub(super) fn end_seconds(account: &Account) -> Option<i64> {
    account.ends_at.map(Timestamp::as_second)
}
