//! Hotspot accounts in an SQLite database with FreeRADIUS's own schema (`rlm_sql_sqlite`), which it reads as it stands.
//!
//! `config/integration/freeradius/` has the module. What akund writes of an account, all in one transaction because
//! `radcheck` has no unique key: one password row (`Crypt-Password` or `NT-Password`), `Expiration` where it ends, and one
//! `radusergroup` row for its profile. A suspended account has no password row but `Auth-Type := Reject`; its hash is kept
//! aside in `akund_account`, akund's own table, which also says whose account a user name is.
//!
//! `Expiration` is written in seconds since 1970. FreeRADIUS reads a date in words in the time zone of its own host (tried with
//! 3.2.1 under three time zones), and digits alone as what they are.

mod proof;
mod rows;

use super::embedded::{Embedded, Tables};
use super::sqlite::{Schema, Stop, Store, parse_mode};
use super::{Found, Work};
use crate::config::target::RadiusConfig;
use crate::model::{Action, Fault, Scheme};
use jiff::Timestamp;
use proof::Stored;
use rusqlite::Connection;

/// The RADIUS target.
pub type Radius = Embedded<RadiusTables>;

/// Longest user or group name, characters (`varchar(64)` in FreeRADIUS's schema, which SQLite does not enforce).
const LONGEST_NAME: usize = 64;

/// How hotspot accounts are laid out.
#[derive(Debug)]
pub struct RadiusTables {
    password: Scheme,
    default_group: Option<String>,
}

impl Embedded<RadiusTables> {
    /// Checks the configuration; touches no file.
    ///
    /// # Errors
    /// Permanent, for what the configuration must not say: a scheme that FreeRADIUS can't use from there, a bad mode or group.
    pub fn configured(name: &str, config: &RadiusConfig) -> Result<Self, Fault> {
        let wrong = |what: String| Fault::permanent(format!("[target.{name}]: {what}"));
        if !matches!(config.password, Scheme::Sha512Crypt | Scheme::NtHash) {
            return Err(wrong(
                "that password scheme will not do for radius; use \"sha512-crypt\" or \"nt-hash\"".into(),
            ));
        }
        let mode = parse_mode(&config.mode).map_err(wrong)?;
        if config.default_group.as_ref().is_some_and(|g| !name_fits(g)) {
            return Err(wrong(format!(
                "default_group must have 1 to {LONGEST_NAME} characters and no control character"
            )));
        }
        let store = Store::new(name, &config.database, mode, RadiusTables::SCHEMA);
        let tables = RadiusTables { password: config.password, default_group: config.default_group.clone() };
        Ok(Self::assemble(store, &config.services, config.password, tables))
    }

    /// Checks the configuration and opens the database, making it if it is missing.
    ///
    /// # Errors
    /// Permanent, as [`Self::configured`], and for a file that is not a RADIUS database. What may pass is logged and left to
    /// later attempts.
    pub fn open(name: &str, config: &RadiusConfig) -> Result<Self, Fault> {
        Self::configured(name, config)?.opened()
    }
}

impl RadiusTables {
    fn password_attribute(&self) -> &'static str {
        match self.password {
            Scheme::NtHash => "NT-Password",
            Scheme::Sha512Crypt | Scheme::Ssha512 | Scheme::Bcrypt | Scheme::Argon2id => "Crypt-Password",
        }
    }

    fn group<'a>(&'a self, work: &'a Work) -> Option<&'a str> {
        work.account.group.as_deref().or(self.default_group.as_deref())
    }
}

impl Tables for RadiusTables {
    type Stored = Stored;

    const SCHEMA: Schema = Schema {
        version: 1,
        ddl: include_str!("radius/schema.sql"),
        probes: &[
            "SELECT id, username, attribute, op, value FROM radcheck",
            "SELECT id, username, attribute, op, value FROM radreply",
            "SELECT username, groupname, priority FROM radusergroup",
            "SELECT uid, username, groupname, suspended, held_attribute, held_value FROM akund_account",
        ],
    };

    fn find(&self, db: &Connection, names: &str) -> rusqlite::Result<Vec<Found>> {
        rows::find(db, names)
    }

    fn apply(&self, db: &Connection, work: &Work) -> Result<(), Stop> {
        let uid = work.account.uid.to_string();
        match work.action {
            Action::Create => rows::create(db, work, self),
            Action::Change => rows::change(db, work, self),
            Action::Reset => rows::reset(db, work, self),
            Action::Suspend => rows::suspend(db, &uid),
            Action::Resume => rows::resume(db, &uid),
            Action::Remove => Ok(rows::remove(db, &uid)?),
        }
    }

    fn undo(&self, db: &Connection, work: &Work) -> Result<(), Stop> {
        Ok(rows::undo(db, &work.account.uid.to_string())?)
    }

    fn read(&self, db: &Connection, work: &Work) -> rusqlite::Result<Stored> {
        proof::read(db, &work.account)
    }

    fn judge(&self, work: &Work, stored: &Stored, now: Timestamp) -> Result<(), Fault> {
        proof::judge(work, stored, self, now)
    }

    fn readers(&self) -> &'static str {
        "FreeRADIUS reads it as user freerad: give its directory group freerad and mode 2750; accounting needs a file of its own \
         (config/integration/freeradius)"
    }
}

/// Whether FreeRADIUS's columns take a user or group name.
fn name_fits(name: &str) -> bool {
    !name.is_empty() && name.chars().count() <= LONGEST_NAME && !name.chars().any(char::is_control)
}
