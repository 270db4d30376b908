//! Where a target's tables are: a file, or a server.

use super::server::Server;
use super::transaction::{self, Writing};
use super::{Engine, Session, Stop, Trouble, sqlite};
use crate::config::database::{Database, SqlAccess};
use crate::model::{Fault, Finding};

/// The tables of one kind of target.
#[derive(Debug, Clone, Copy)]
pub struct Schema {
    /// Counts up with every change. An older akund refuses a newer one.
    pub version: i64,
    /// The table that says which version it is, on a server, where several kinds may share a database.
    pub versions: &'static str,
    /// Makes what is missing; changes nothing that is there.
    pub ddl: fn(Engine) -> &'static str,
    /// Queries that must compile: they show that tables which were there already have the columns.
    pub probes: &'static [&'static str],
    /// Tables that akund writes to, each with a column of text.
    pub writes: &'static [(&'static str, &'static str)],
}

/// A database and the way to it.
#[derive(Debug)]
pub enum Store {
    /// An SQLite file.
    File(sqlite::Store),
    /// A server.
    Server(Server),
}

impl Store {
    /// Describes the database of a target; touches nothing yet.
    ///
    /// # Errors
    /// A sentence, for permission bits that will not do.
    pub fn new(target: &str, access: SqlAccess<'_>, schema: Schema) -> Result<Self, String> {
        Ok(match access.database {
            Database::File(path) => {
                Self::File(sqlite::Store::new(target, path, sqlite::parse_mode(access.mode)?, schema))
            }
            Database::Server(at) => Self::Server(Server::new(target, at, access, schema)),
        })
    }

    /// The target that it belongs to.
    pub fn target(&self) -> &str {
        match self {
            Self::File(file) => file.target(),
            Self::Server(server) => server.target(),
        }
    }

    /// Opens it now, if that is of use before there is anything to write.
    ///
    /// # Errors
    /// As [`Self::write_batch`].
    pub fn open(&self) -> Result<(), Fault> {
        match self {
            Self::File(file) => file.with_writer("opening it", |_| Ok(())),
            // Its lane connects, and waits while it is down.
            Self::Server(_) => Ok(()),
        }
    }

    /// Reads through the connection that writes.
    ///
    /// # Errors
    /// As [`Self::write_batch`].
    pub fn ask<T>(&self, doing: &str, ask: impl Fn(&mut dyn Session) -> Result<T, Trouble>) -> Result<T, Fault> {
        self.with_all_tables(|| match self {
            Self::File(file) => file.with_writer(doing, |db| Ok(ask(&mut sqlite::Lite(db))?)),
            Self::Server(server) => server.with_writer(doing, |db| Ok(ask(db)?)),
        })
    }

    /// Reads, and once more when a table was missing and could be made: names are looked up before anything is written.
    fn with_all_tables<T>(&self, read: impl Fn() -> Result<T, Fault>) -> Result<T, Fault> {
        let lacking = |answer: &Result<T, Fault>| {
            answer.is_err()
                && match self {
                    Self::File(file) => file.lacks_table(),
                    Self::Server(server) => server.lacks_table(),
                }
        };
        let answer = read();
        if !lacking(&answer) {
            return answer;
        }
        match self {
            Self::File(file) => file.with_writer("making its tables", |_| Ok(()))?,
            Self::Server(server) => server.with_writer("making its tables", |_| Ok(()))?,
        }
        read()
    }

    /// Reads through a connection opened for it, everything as it is at one moment.
    ///
    /// # Errors
    /// As [`Self::write_batch`].
    pub fn look<T>(&self, doing: &str, look: impl Fn(&mut dyn Session) -> Result<T, Trouble>) -> Result<T, Fault> {
        let snapshot = |db: &mut dyn Session| {
            db.run(db.engine().begin_snapshot(), &[])?;
            look(db)
        };
        self.with_all_tables(|| match self {
            Self::File(file) => {
                let reader = file.reader()?;
                snapshot(&mut sqlite::Lite(&reader)).map_err(|trouble| file.explain(doing, trouble.into()))
            }
            Self::Server(server) => server.with_reader(doing, snapshot),
        })
    }

    /// Writes a batch in one transaction. An entry that cannot be written is taken back alone; what may pass takes back the
    /// whole batch, and each entry says so. One answer per entry, in order.
    ///
    /// Transient: disk full, busy, server down, connection lost before the end. Permanent: not a database, damaged, of a newer
    /// akund, somebody else's tables. Unknown: the answer to `COMMIT` was lost.
    pub fn write_batch<W, R>(&self, doing: &str, batch: &[W], writing: &Writing<'_, W, R>) -> Vec<Result<R, Fault>> {
        let written = match self {
            Self::File(file) => file.with_writer(doing, |db| {
                let explain = |trouble: Trouble| file.explain(doing, trouble.into());
                transaction::write(&mut sqlite::Lite(db), batch, writing, &explain)
            }),
            Self::Server(server) => server.with_writer(doing, |db| {
                transaction::write(db, batch, writing, &|trouble| server.explain(doing, trouble.into()))
            }),
        };
        written.unwrap_or_else(|fault: Fault| batch.iter().map(|_| Err(fault.clone())).collect())
    }

    /// Looks whether it can be used; changes nothing. `readers` says who reads it and what they need.
    pub fn check(&self, readers: &str) -> Vec<Finding> {
        match self {
            Self::File(file) => super::inspect::inspect(file, readers),
            Self::Server(server) => super::inspect_server::inspect(server),
        }
    }

    /// A fault from what stopped some work.
    pub fn explain(&self, doing: &str, stop: Stop) -> Fault {
        match self {
            Self::File(file) => file.explain(doing, stop),
            Self::Server(server) => server.explain(doing, stop),
        }
    }
}
