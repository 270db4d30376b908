//! Where a target's tables are: a file, or a server.

use super::lite::Lite;
use super::server::Server;
use super::transaction::{self, Writing};
use super::{Kind, Schema, Session, Stop, Trouble, sqlite};
use crate::config::database::{Database, SqlAccess};
use crate::model::{Fault, Finding};

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

    /// There must be accounts in it from now on: where it, or a table of it, is gone, it is not made anew.
    pub fn expect_accounts(&self) {
        match self {
            Self::File(file) => file.expect_accounts(),
            Self::Server(server) => server.expect_accounts(),
        }
    }

    /// Opens it now, if that is of use before there is anything to write.
    ///
    /// # Errors
    /// As [`Self::write_batch`].
    pub fn open(&self) -> Result<(), Fault> {
        match self {
            Self::File(_) => self.write("opening it", |_| Ok(())),
            // Its lane connects, and waits while it is down.
            Self::Server(_) => Ok(()),
        }
    }

    /// Reaches a server, and makes its tables where they are missing and akund is to make them.
    ///
    /// # Errors
    /// As [`Self::write_batch`].
    pub fn make_ready(&self) -> Result<(), Fault> {
        match self {
            Self::File(_) => Ok(()),
            Self::Server(_) => self.write("opening it", |_| Ok(())),
        }
    }

    /// Reads through the connection that writes.
    ///
    /// # Errors
    /// As [`Self::write_batch`].
    pub fn ask<T>(&self, doing: &str, ask: impl Fn(&mut dyn Session) -> Result<T, Trouble>) -> Result<T, Fault> {
        self.with_all_tables(doing, || self.with_writer(|db| Ok(ask(db)?)))
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
        self.with_all_tables(doing, || match self {
            Self::File(file) => {
                let reader = file.reader()?;
                Ok(snapshot(&mut Lite(&reader))?)
            }
            Self::Server(server) => server.with_reader(snapshot),
        })
    }

    /// Reads, and once more when a table was missing and could be made: names are looked up before anything was ever written.
    fn with_all_tables<T>(&self, doing: &str, read: impl Fn() -> Result<T, Stop>) -> Result<T, Fault> {
        let mut answer = read();
        if answer.as_ref().is_err_and(|stop| stop.is(Kind::NoTable)) {
            match self {
                Self::File(file) => file.forget(),
                Self::Server(server) => server.forget(),
            }
            self.write("making its tables", |_| Ok(()))?;
            answer = read();
        }
        answer.map_err(|stop| self.explain(doing, stop))
    }

    fn with_writer<T>(&self, work: impl FnOnce(&mut dyn Session) -> Result<T, Stop>) -> Result<T, Stop> {
        match self {
            Self::File(file) => file.with_writer(|db| work(&mut Lite(db))),
            Self::Server(server) => server.with_writer(work),
        }
    }

    fn write<T>(&self, doing: &str, work: impl FnOnce(&mut dyn Session) -> Result<T, Stop>) -> Result<T, Fault> {
        self.with_writer(work).map_err(|stop| self.explain(doing, stop))
    }

    /// Writes a batch in one transaction. An entry that cannot be written is taken back alone; what may pass takes back the
    /// whole batch, and each entry says so. One answer per entry, in order.
    ///
    /// Transient: disk full, busy, server down, connection lost before the end. Permanent: not a database, damaged, of a newer
    /// akund, somebody else's tables. Unknown: the answer to `COMMIT` was lost.
    pub fn write_batch<W, R>(&self, doing: &str, batch: &[W], writing: &Writing<'_, W, R>) -> Vec<Result<R, Fault>> {
        let explain = |trouble: Trouble| self.explain(doing, trouble.into());
        let written = self.write(doing, |db| transaction::write(db, batch, writing, &explain));
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
