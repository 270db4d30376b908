//! The tables of one kind of target: whether they are there, and making them.

use super::{Engine, Kind, Session, Trouble};
use std::fmt::Display;

/// The tables of one kind of target.
#[derive(Debug, Clone, Copy)]
pub struct Schema {
    /// Counts up with every change. An older akund refuses a newer one.
    pub version: i64,
    /// The table that says which version it is, on a server, where several kinds may share a database.
    pub versions: &'static str,
    /// The files of `config/integration/sql` that make the tables, one for each engine.
    pub scripts: &'static str,
    /// What becomes of those who are missing in them.
    pub missing: &'static str,
    /// Makes what is missing; changes nothing that is there.
    pub ddl: fn(Engine) -> &'static str,
    /// Queries that must compile: they show that tables which were there already have the columns.
    pub probes: &'static [&'static str],
    /// Tables that akund writes to, each with a column of text.
    pub writes: &'static [(&'static str, &'static str)],
    /// Tables that the scripts make for the database's readers alone, and what these keep there.
    pub readers: (&'static [&'static str], &'static str),
}

impl Schema {
    /// What the database says of the first table that lacks a column, or else is missing: that can be mended by making it.
    ///
    /// # Errors
    /// What else the database says.
    pub fn first_wrong(&self, db: &mut dyn Session) -> Result<Option<Trouble>, Trouble> {
        let mut missing = None;
        for probe in self.probes {
            match db.rows(&format!("{probe} LIMIT 0"), &[]) {
                Ok(_) => {}
                Err(trouble) if trouble.kind == Kind::Disconnected => return Err(trouble),
                Err(trouble) if trouble.kind == Kind::NoTable => missing = missing.or(Some(trouble)),
                Err(trouble) => return Ok(Some(trouble)),
            }
        }
        Ok(missing)
    }

    /// For `check`: which tables of the readers' are not there. That may be meant.
    pub(super) fn without_readers_tables(&self, db: &mut dyn Session) -> Result<Option<String>, Trouble> {
        let (tables, what) = self.readers;
        let mut missing = Vec::new();
        for table in tables {
            match db.rows(&format!("SELECT 1 FROM {table} LIMIT 0"), &[]) {
                Err(trouble) if trouble.kind == Kind::Disconnected => return Err(trouble),
                Err(trouble) if trouble.kind == Kind::NoTable => missing.push(*table),
                // Whether akund may read it is all the same.
                Ok(_) | Err(_) => {}
            }
        }
        Ok((!missing.is_empty()).then(|| {
            format!(
                "there is no table {}: {what}; if that is not meant, load {} of config/integration/sql",
                missing.join(", "),
                self.scripts
            )
        }))
    }

    /// What the database says of a table that was there once: `found` is the version that is noted, `expected` whether there must be
    /// accounts.
    pub(super) fn lost(&self, db: &mut dyn Session, found: i64, expected: bool) -> Result<Option<Trouble>, Trouble> {
        if found < self.version && !(found == 0 && expected) {
            return Ok(None);
        }
        Ok(self.first_wrong(db)?.filter(|trouble| trouble.kind == Kind::NoTable))
    }

    /// A sentence for tables that were there once. They are not made anew: who reads them would be told that nobody has an account.
    /// Mail would be bounced, which is only deferred now; RADIUS would take a fault of its own for wrong passwords.
    pub(super) fn has_lost(&self, at: &dyn Display, cause: &str) -> String {
        format!(
            "the database {at} has lost what akund wrote into it: {cause}; put it back from a backup. It is not made anew by \
             itself, for then {}; if it shall be empty, load {} of \
             config/integration/sql as akund's user",
            self.missing, self.scripts
        )
    }

    /// Makes what is missing, and notes the version in that table.
    pub(super) fn make(&self, db: &mut dyn Session, versions: &str) -> Result<(), Trouble> {
        db.run((self.ddl)(db.engine()), &[])?;
        let version = self.version;
        db.run(
            &format!(
                "CREATE TABLE IF NOT EXISTS {versions} (version integer NOT NULL); DELETE FROM {versions}; \
                 INSERT INTO {versions} VALUES ({version})"
            ),
            &[],
        )?;
        Ok(())
    }
}
