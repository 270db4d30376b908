//! Mail accounts in an SQLite database that Postfix (`sqlite:` maps) and Dovecot (`sql`) read as it stands.
//!
//! `config/integration/postfix/` and `config/integration/dovecot/` have the queries. A suspended account can't log in and still
//! receives mail, for a suspension ends; an expired one neither logs in nor receives. No NT hash is ever in here.

mod proof;
mod rows;

use super::embedded::{Embedded, Tables};
use super::home::HomeTemplate;
use super::sqlite::{Schema, Stop, Store, parse_mode};
use super::{Found, Work};
use crate::config::target::MailMapsConfig;
use crate::model::{Action, Fault, Scheme};
use jiff::Timestamp;
use proof::Stored;
use rusqlite::Connection;

/// The mail-maps target.
pub type MailMaps = Embedded<MailTables>;

/// How mail accounts are laid out.
#[derive(Debug)]
pub struct MailTables {
    password: Scheme,
    home: HomeTemplate,
}

impl Embedded<MailTables> {
    /// Checks the configuration; touches no file.
    ///
    /// # Errors
    /// Permanent, for what the configuration must not say: NT hashes, a mode or a home that will not do.
    pub fn configured(name: &str, config: &MailMapsConfig) -> Result<Self, Fault> {
        let wrong = |what: String| Fault::permanent(format!("[target.{name}]: {what}"));
        if config.password == Scheme::NtHash {
            return Err(wrong(
                "password = \"nt-hash\" will not do for mail-maps: an NT hash is as good as the password, and mail's readers \
                 must not see it; use \"sha512-crypt\" or \"ssha512\""
                    .into(),
            ));
        }
        let mode = parse_mode(&config.mode).map_err(wrong)?;
        let home = HomeTemplate::parse(&config.home).map_err(wrong)?;
        let store = Store::new(name, &config.database, mode, MailTables::SCHEMA);
        Ok(Self::assemble(store, &config.services, config.password, MailTables { password: config.password, home }))
    }

    /// Checks the configuration and opens the database, making it if it is missing.
    ///
    /// # Errors
    /// Permanent, as [`Self::configured`], and for a file that is not akund's mail database. What may pass is logged and left
    /// to later attempts.
    pub fn open(name: &str, config: &MailMapsConfig) -> Result<Self, Fault> {
        Self::configured(name, config)?.opened()
    }
}

impl Tables for MailTables {
    type Stored = Stored;

    const SCHEMA: Schema = Schema {
        version: 1,
        ddl: include_str!("mailmaps/schema.sql"),
        probes: &[
            "SELECT domain, uid FROM domains",
            "SELECT address, uid, password, home, quota, enabled, ends_at FROM mailboxes",
            "SELECT address, destination, uid FROM aliases",
            "SELECT home, uid, retired_at FROM retired_homes",
        ],
    };

    fn find(&self, db: &Connection, names: &str) -> rusqlite::Result<Vec<Found>> {
        rows::find(db, names)
    }

    fn apply(&self, db: &Connection, work: &Work) -> Result<(), Stop> {
        let uid = work.account.uid.to_string();
        match work.action {
            Action::Create => rows::create(db, work, self.password, &self.home),
            Action::Change => rows::change(db, work),
            Action::Reset => rows::reset(db, work, self.password),
            Action::Suspend => rows::set_enabled(db, &uid, rows::Enabled::No),
            Action::Resume => rows::set_enabled(db, &uid, rows::Enabled::Yes),
            Action::Remove => Ok(rows::remove(db, &uid)?),
        }
    }

    fn undo(&self, db: &Connection, work: &Work) -> Result<(), Stop> {
        let uid = work.account.uid.to_string();
        rows::remove(db, &uid)?;
        Ok(rows::forget_domains(db, &uid)?)
    }

    fn read(&self, db: &Connection, work: &Work) -> rusqlite::Result<Stored> {
        proof::read(db, &work.account)
    }

    fn judge(&self, work: &Work, stored: &Stored, now: Timestamp) -> Result<(), Fault> {
        proof::judge(work, stored, self.password, now)
    }

    fn readers(&self) -> &'static str {
        "Postfix reads it as user and group postfix, without further groups: give its directory group postfix and mode 2750, \
         and Dovecot's auth-worker that group (config/integration/dovecot)"
    }
}
