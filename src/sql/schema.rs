//! The tables of one kind of target: whether they are there, and making them.

use super::{Engine, Kind, Session, Trouble};

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

impl Schema {
    /// What the database says of the first table that is missing or lacks a column.
    pub(super) fn first_wrong(&self, db: &mut dyn Session) -> Result<Option<Trouble>, Trouble> {
        for probe in self.probes {
            match db.rows(&format!("{probe} LIMIT 0"), &[]) {
                Ok(_) => {}
                Err(trouble) if trouble.kind == Kind::Disconnected => return Err(trouble),
                Err(trouble) => return Ok(Some(trouble)),
            }
        }
        Ok(None)
    }

    /// What the database says of a table that was there once: `found` is the version that is noted.
    pub(super) fn lost(&self, db: &mut dyn Session, found: i64) -> Result<Option<Trouble>, Trouble> {
        if found < self.version {
            return Ok(None);
        }
        Ok(self.first_wrong(db)?.filter(|trouble| trouble.kind == Kind::NoTable))
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

/// Tells that a table which was lost has been made anew.
pub(super) fn tell_of_lost(target: &str, at: &dyn std::fmt::Display, lost: &Trouble) {
    tracing::warn!(
        target_name = target,
        "the database {at} had lost a table ({}): it was made anew and is empty; put its rows back from a backup",
        lost.cause
    );
}
