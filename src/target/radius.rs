//! Hotspot accounts in an SQL database with FreeRADIUS's own schema (`rlm_sql`), which it reads as it stands.
//!
//! `config/integration/freeradius/` has the module. What akund writes of an account, all in one transaction because
//! `radcheck` has no unique key: one password row (`Crypt-Password`, `NT-Password` or `Cleartext-Password`), `Expiration` where it
//! ends, one `radusergroup` row for its profile, and the attributes that the configuration gives every account. A suspended
//! account has no password row but `Auth-Type := Reject`, and a `Reply-Message` that says so; its hash is kept aside in `akund_account`, akund's own table, which also
//! says whose account a user name is. `akund_attribute` and `akund_profile` say which further rows are akund's.
//!
//! `Expiration` is written in seconds since 1970. FreeRADIUS reads a date in words in the time zone of its own host (tried with
//! 3.2.1 under three time zones), and digits alone as what they are.

pub mod adopt;
mod attributes;
pub mod dictionary;
pub(in crate::target) mod held;
mod picture;
mod profiles;
mod proof;
mod tables;
pub mod wire;

use super::sql::{SqlTarget, Tables};
use super::work::{action_where, check_password, wanted_hash};
use super::{Found, Held, Work};
use crate::config::target::{RadiusConfig, RadiusPassword};
use crate::model::{Account, Action, Fault, Scheme, Secret};
use crate::sql::{Schema, Session, Store, Trouble};
use attributes::Attributes;
use jiff::Timestamp;
use picture::Picture;
use std::collections::BTreeMap;

/// The RADIUS target.
pub type Radius = SqlTarget<RadiusTables>;

/// Longest user or group name, characters (`varchar(64)` in FreeRADIUS's schema, which SQLite does not enforce).
const LONGEST_NAME: usize = 64;

/// How hotspot accounts are laid out.
#[derive(Debug)]
pub struct RadiusTables {
    password: RadiusPassword,
    default_group: Option<String>,
    /// By category.
    groups: BTreeMap<String, String>,
    /// What every account gets.
    attributes: Attributes,
    /// What groups get that akund writes; by group.
    profiles: BTreeMap<String, Attributes>,
}

impl SqlTarget<RadiusTables> {
    /// Checks the configuration; touches no file.
    ///
    /// # Errors
    /// Permanent, for what the configuration must not say: a scheme that FreeRADIUS can't use from there, a bad mode or group.
    pub fn configured(name: &str, config: &RadiusConfig) -> Result<Self, Fault> {
        let wrong = |what: String| Fault::permanent(format!("[target.{name}]: {what}"));
        if !matches!(config.password.scheme(), None | Some(Scheme::Sha512Crypt | Scheme::NtHash)) {
            return Err(wrong(
                "that password scheme will not do for radius; use \"sha512-crypt\" or \"nt-hash\"".into(),
            ));
        }
        if config.default_group.as_ref().is_some_and(|g| !name_fits(g)) {
            return Err(wrong(format!(
                "default_group must have 1 to {LONGEST_NAME} characters and no control character"
            )));
        }
        let store = Store::new(name, config.access(), RadiusTables::SCHEMA).map_err(wrong)?;
        let bad_group = |(_, group): &(&String, &String)| !name_fits(group);
        if let Some((category, _)) = config.groups.iter().find(bad_group) {
            return Err(wrong(format!(
                "the group of category {category} must have 1 to {LONGEST_NAME} characters and no control character"
            )));
        }
        let (attributes, profiles) = attributes::configured(config).map_err(wrong)?;
        let tables = RadiusTables {
            password: config.password,
            default_group: config.default_group.clone(),
            groups: config.groups.clone(),
            attributes,
            profiles,
        };
        Ok(Self::assemble(store, &config.services, config.password.scheme().into_iter().collect(), tables))
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
            RadiusPassword::Cleartext => "Cleartext-Password",
            RadiusPassword::Hash(Scheme::NtHash) => "NT-Password",
            RadiusPassword::Hash(_) => "Crypt-Password",
        }
    }

    fn group<'a>(&'a self, work: &'a Work) -> Option<&'a str> {
        self.group_of(&work.account)
    }

    fn group_of<'a>(&'a self, account: &'a Account) -> Option<&'a str> {
        group_of(account, &self.groups, self.default_group.as_deref())
    }

    /// What to write as the password of a create or reset.
    fn wanted_password(&self, work: &Work) -> Result<Secret, Fault> {
        match (self.password, &work.credential) {
            (RadiusPassword::Hash(scheme), _) => wanted_hash(work, scheme).cloned(),
            (RadiusPassword::Cleartext, Some(credential)) => Ok(credential.password.clone()),
            (RadiusPassword::Cleartext, None) => {
                Err(Fault::permanent(format!("account {}: there is no password to store", work.account.uid)))
            }
        }
    }

    fn check_password(&self, work: &Work, stored: &Secret) -> Result<(), Fault> {
        match (self.password, &work.credential) {
            (RadiusPassword::Hash(scheme), _) => check_password(work, stored.expose(), scheme),
            (RadiusPassword::Cleartext, Some(credential)) if credential.password.expose() == stored.expose() => Ok(()),
            (RadiusPassword::Cleartext, _) => Err(Fault::permanent(format!(
                "account {}: the stored password is not the one about to be handed over; somebody else has changed it",
                work.account.uid
            ))),
        }
    }
}

impl Tables for RadiusTables {
    type Picture = Picture;

    const SCHEMA: Schema = Schema {
        version: 2,
        versions: "akund_radius_schema",
        scripts: "radius.*.sql",
        missing: "everybody who is missing in it would be refused as if there were no such account",
        writes: &[
            ("radcheck", "username"),
            ("radreply", "username"),
            ("radusergroup", "username"),
            ("radgroupcheck", "groupname"),
            ("radgroupreply", "groupname"),
            ("akund_account", "username"),
            ("akund_attribute", "attribute"),
            ("akund_profile", "groupname"),
        ],
        readers: (
            &["radacct", "radpostauth", "nas"],
            "FreeRADIUS keeps sessions, log-ins and access points there, if its configuration says so",
        ),
        ddl: tables::ddl,
        probes: &[
            "SELECT id, username, attribute, op, value FROM radcheck",
            "SELECT id, username, attribute, op, value FROM radreply",
            "SELECT id, groupname, attribute, op, value FROM radgroupcheck",
            "SELECT id, groupname, attribute, op, value FROM radgroupreply",
            "SELECT username, groupname, priority FROM radusergroup",
            "SELECT uid, username, groupname, suspended, held_attribute, held_value FROM akund_account",
            "SELECT uid, place, attribute FROM akund_attribute",
            "SELECT groupname FROM akund_profile",
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
        Picture::load(db, batch, self)
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

    fn apply(&self, picture: &mut Picture, work: &Work, _now: Timestamp) -> Result<(), Fault> {
        let uid = work.account.uid.to_string();
        match action_where(work, picture.is_there(&uid)) {
            Action::Create => picture.create(work, self),
            Action::Change if work.adopted.is_some() => picture.change_adopted(work, self),
            Action::Change => picture.change(work, self),
            Action::Reset => picture.reset(work, self),
            Action::Suspend => picture.suspend(&uid, self),
            Action::Resume => picture.resume(&uid),
            Action::Remove => {
                picture.remove(&uid);
                Ok(())
            }
        }
    }

    fn undo(&self, picture: &mut Picture, work: &Work, _now: Timestamp) -> Result<(), Fault> {
        picture.undo(work, self);
        Ok(())
    }

    fn store(&self, db: &mut dyn Session, picture: Picture) -> Result<(), Trouble> {
        tables::store(db, &picture)
    }

    fn as_wanted(&self, picture: &Picture, work: &Work, now: Timestamp) -> Result<(), Fault> {
        proof::as_wanted(work, picture, self, now)
    }

    fn opens(&self, picture: &Picture, work: &Work) -> Result<(), Fault> {
        proof::opens(work, picture, self)
    }

    fn beware(&self) -> Option<String> {
        (self.password == RadiusPassword::Cleartext).then(|| {
            "beware: password = \"cleartext\": whoever can read radcheck, or a backup of it, has every hotspot password; \
             \"nt-hash\" serves PAP and MS-CHAP, only CHAP needs this"
                .into()
        })
    }

    fn readers(&self) -> &'static str {
        "FreeRADIUS reads it as user freerad: give its directory group freerad and mode 2750; accounting needs a file of its own \
         (config/integration/freeradius)"
    }
}

/// The profile of an account: the request's, its category's, or the usual one.
fn group_of<'a>(
    account: &'a Account,
    groups: &'a BTreeMap<String, String>,
    default: Option<&'a str>,
) -> Option<&'a str> {
    let group = account.group.as_ref().or_else(|| groups.get(&account.category));
    group.map(String::as_str).or(default)
}

/// Whether FreeRADIUS's columns take a user or group name.
fn name_fits(name: &str) -> bool {
    !name.is_empty() && name.chars().count() <= LONGEST_NAME && !name.chars().any(char::is_control)
}
