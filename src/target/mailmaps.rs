//! Mail accounts in an SQL database that Postfix (`sqlite:`, `pgsql:`, `mysql:` maps) and Dovecot (`sql`) read as it stands.
//!
//! `config/integration/postfix/` and `config/integration/dovecot/` have the queries. A suspended account can't log in and still
//! receives mail, for a suspension ends; an expired one neither logs in nor receives. No NT hash is ever in here.

mod adopt;
mod picture;
mod proof;
mod tables;

use super::home::HomeTemplate;
use super::sql::{SqlTarget, Tables};
use super::work::action_where;
use super::{Found, Held, Work};
use crate::config::target::MailMapsConfig;
use crate::model::{Action, Fault, Scheme};
use crate::sql::{Schema, Session, Store, Trouble};
use jiff::Timestamp;
use picture::{Enabled, Picture};

/// The mail-maps target.
pub type MailMaps = SqlTarget<MailTables>;

/// How mail accounts are laid out.
#[derive(Debug)]
pub struct MailTables {
    password: Scheme,
    home: HomeTemplate,
}

impl SqlTarget<MailTables> {
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
        let home = HomeTemplate::parse(&config.home).map_err(wrong)?;
        let store = Store::new(name, config.access(), MailTables::SCHEMA).map_err(wrong)?;
        let tables = MailTables { password: config.password, home };
        Ok(Self::assemble(store, &config.services, vec![config.password], tables))
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
    type Picture = Picture;

    const SCHEMA: Schema = Schema {
        version: 1,
        versions: "akund_mail_schema",
        scripts: "mail.*.sql",
        missing: "mail for everybody who is missing in it would be bounced",
        writes: &[("domains", "domain"), ("mailboxes", "address"), ("aliases", "address"), ("retired_homes", "home")],
        readers: (&[], ""),
        ddl: tables::ddl,
        probes: &[
            "SELECT domain, uid FROM domains",
            "SELECT address, uid, password, home, quota, enabled, ends_at FROM mailboxes",
            "SELECT address, destination, uid FROM aliases",
            "SELECT home, uid, retired_at FROM retired_homes",
        ],
    };

    fn find(&self, db: &mut dyn Session, names: &[String]) -> Result<Vec<Found>, Trouble> {
        tables::find(db, names)
    }

    fn list(&self, db: &mut dyn Session) -> Result<Vec<Held>, Trouble> {
        tables::list(db)
    }

    fn marked(&self, db: &mut dyn Session, uids: &[String]) -> Result<Vec<String>, Trouble> {
        tables::marked(db, uids)
    }

    fn load(&self, db: &mut dyn Session, batch: &[Work]) -> Result<Picture, Trouble> {
        Picture::load(db, batch, &self.home)
    }

    fn identify(&self, picture: &Picture, work: &Work) -> Result<String, Fault> {
        picture.identify(work)
    }

    fn claim(&self, picture: &mut Picture, work: &Work) -> Result<(), Fault> {
        picture.claim(work)
    }

    fn disclaim(&self, picture: &mut Picture, work: &Work) {
        picture.disclaim(work);
    }

    fn apply(&self, picture: &mut Picture, work: &Work, now: Timestamp) -> Result<(), Fault> {
        let uid = work.account.uid.to_string();
        let is_there = picture.held(&uid).is_some_and(|held| held.mailbox.is_some());
        match action_where(work, is_there) {
            Action::Create => picture.create(work, self.password, &self.home),
            Action::Change if work.adopted.is_some() => picture.change_adopted(work),
            Action::Change => picture.change(work),
            Action::Reset => picture.reset(work, self.password),
            Action::Suspend => picture.set_enabled(&uid, Enabled::No),
            Action::Resume => picture.set_enabled(&uid, Enabled::Yes),
            Action::Remove => {
                picture.remove(&uid, now);
                Ok(())
            }
        }
    }

    fn undo(&self, picture: &mut Picture, work: &Work, now: Timestamp) -> Result<(), Fault> {
        let uid = work.account.uid.to_string();
        picture.remove(&uid, now);
        picture.forget_domains(&uid);
        Ok(())
    }

    fn store(&self, db: &mut dyn Session, picture: Picture) -> Result<(), Trouble> {
        tables::store(db, &picture)
    }

    fn as_wanted(&self, picture: &Picture, work: &Work, now: Timestamp) -> Result<(), Fault> {
        proof::as_wanted(work, picture, now)
    }

    fn opens(&self, picture: &Picture, work: &Work) -> Result<(), Fault> {
        proof::opens(work, picture, self.password)
    }

    fn readers(&self) -> &'static str {
        "Postfix reads it as user and group postfix, without further groups: give its directory group postfix and mode 2750, \
         and Dovecot's auth-worker that group (config/integration/dovecot)"
    }
}
