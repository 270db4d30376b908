//! What the mail tables hold of a batch's accounts and of the names they want, and what they shall hold.

use super::HomeTemplate;
use super::tables;
use crate::model::{Account, Address, Fault, Scheme, Secret};
use crate::sql::{Session, Trouble};
use crate::target::work::{end_seconds, wanted_hash};
use crate::target::{Work, adopt};
use jiff::Timestamp;
use std::collections::{BTreeMap, HashMap, HashSet};

/// Rows, and what becomes of them. By account id as text.
#[derive(Debug, Default)]
pub struct Picture {
    pub(super) own: HashMap<String, Own>,
    /// Every address asked for that is somebody's, as a mailbox or an alias: the ids that mark it; none for one put there by hand.
    pub(super) taken: HashMap<String, Vec<Option<String>>>,
    /// Mailboxes without a mark, of the addresses of accounts that are adopted; by address in lower case.
    pub(super) unmarked: HashMap<String, Vec<Mailbox>>,
    /// Mailboxes that get their mark: address as it is written, and account.
    pub(super) claimed: Vec<(String, String)>,
    /// Homes of mailboxes, of those that are asked for.
    pub(super) homes: HashSet<String>,
    /// Homes of accounts that are gone, and whose they were.
    pub(super) retired: HashMap<String, String>,
    /// Domains that Postfix takes mail for, of those asked for.
    pub(super) domains: HashSet<String>,
    /// Domains to add, and the account that they come with.
    pub(super) new_domains: Vec<(String, String)>,
    /// Accounts whose domains go where nobody else lives there.
    pub(super) leaving: Vec<String>,
    /// Homes to retire: home, account, second since 1970.
    pub(super) retiring: Vec<(String, String, i64)>,
}

/// One account.
#[derive(Debug, Default)]
pub struct Own {
    pub(super) before: Held,
    pub(super) now: Held,
}

/// The rows of one account.
#[derive(Debug, Default, Clone)]
pub struct Held {
    pub(super) mailbox: Option<Mailbox>,
    /// Address and destination.
    pub(super) aliases: BTreeMap<String, String>,
}

/// A row of `mailboxes`.
#[derive(Debug, Clone)]
pub struct Mailbox {
    pub(super) address: String,
    pub(super) password: Secret,
    pub(super) home: String,
    pub(super) quota: Option<i64>,
    pub(super) enabled: bool,
    pub(super) ends_at: Option<i64>,
}

impl Mailbox {
    pub(super) fn same(&self, other: &Self) -> bool {
        self.address == other.address
            && self.password.expose() == other.password.expose()
            && self.home == other.home
            && self.quota == other.quota
            && self.enabled == other.enabled
            && self.ends_at == other.ends_at
    }
}

impl Picture {
    /// Reads what there is.
    pub fn load(db: &mut dyn Session, batch: &[Work], template: &HomeTemplate) -> Result<Self, Trouble> {
        let mut picture = Self::default();
        let mut names = HashSet::new();
        let mut homes = HashSet::new();
        let mut domains = HashSet::new();
        for work in batch {
            let account = &work.account;
            let uid = account.uid.to_string();
            for name in account.address.iter().chain(&account.aliases) {
                names.insert(name.as_str().to_owned());
                domains.insert(name.domain().to_owned());
            }
            homes.extend(account.address.as_ref().and_then(|address| template.home(address, &uid).ok()));
            picture.own.insert(uid, Own::default());
        }
        // Whose they are is to be told from the address that they have now.
        let adopted: HashSet<String> = batch.iter().filter(|work| work.adopted.is_some()).map(adopt::name).collect();
        names.extend(adopted.iter().cloned());
        tables::load(db, &mut picture, &names, &homes, &domains)?;
        tables::load_unmarked(db, &mut picture, &adopted)?;
        for own in picture.own.values_mut() {
            own.now = own.before.clone();
        }
        Ok(picture)
    }

    /// What the account holds.
    pub(super) fn held(&self, uid: &str) -> Option<&Held> {
        self.own.get(uid).map(|own| &own.now)
    }

    pub fn create(&mut self, work: &Work, scheme: Scheme, template: &HomeTemplate) -> Result<(), Fault> {
        let account = &work.account;
        let uid = account.uid.to_string();
        let address = address_of(account)?;
        let hash = wanted_hash(work, scheme)?;
        self.refuse_taken_names(account, address, &uid)?;
        let home = match self.held(&uid).and_then(|held| held.mailbox.as_ref()) {
            Some(mailbox) => mailbox.home.clone(),
            None => self.free_home(template.home(address, &uid)?, &uid),
        };
        self.homes.insert(home.clone());
        let mailbox = Mailbox {
            address: address.as_str().to_owned(),
            password: hash.clone(),
            home,
            quota: quota(account),
            enabled: true,
            ends_at: end_seconds(account),
        };
        self.settle(account, address, mailbox);
        Ok(())
    }

    /// New values for an account; its password, its home and whether it is enabled stay.
    pub fn change(&mut self, work: &Work) -> Result<(), Fault> {
        let account = &work.account;
        let uid = account.uid.to_string();
        let address = address_of(account)?;
        self.refuse_taken_names(account, address, &uid)?;
        let mut mailbox = self.mailbox(&uid)?.clone();
        mailbox.address = address.as_str().to_owned();
        mailbox.quota = quota(account);
        mailbox.ends_at = end_seconds(account);
        self.settle(account, address, mailbox);
        Ok(())
    }

    pub fn reset(&mut self, work: &Work, scheme: Scheme) -> Result<(), Fault> {
        let hash = wanted_hash(work, scheme)?;
        self.mailbox(&work.account.uid.to_string())?.password = hash.clone();
        Ok(())
    }

    pub fn set_enabled(&mut self, uid: &str, enabled: Enabled) -> Result<(), Fault> {
        self.mailbox(uid)?.enabled = enabled == Enabled::Yes;
        Ok(())
    }

    /// The account's rows go; its mail on the disk is not touched, and its home is nobody else's.
    pub fn remove(&mut self, uid: &str, now: Timestamp) {
        let Some(own) = self.own.get_mut(uid) else { return };
        let held = std::mem::take(&mut own.now);
        for name in held.aliases.keys().chain(held.mailbox.iter().map(|m| &m.address)) {
            give_up(&mut self.taken, name, uid);
        }
        if let Some(mailbox) = held.mailbox {
            self.homes.remove(&mailbox.home);
            self.retired.entry(mailbox.home.clone()).or_insert_with(|| uid.to_owned());
            self.retiring.push((mailbox.home, uid.to_owned(), now.as_second()));
        }
    }

    /// Domains that came with this account go with it, unless somebody else has moved in.
    pub fn forget_domains(&mut self, uid: &str) {
        self.leaving.push(uid.to_owned());
    }

    pub(super) fn mailbox(&mut self, uid: &str) -> Result<&mut Mailbox, Fault> {
        self.own.get_mut(uid).and_then(|own| own.now.mailbox.as_mut()).ok_or_else(|| {
            Fault::permanent(format!("account {uid}: it has no mailbox here; it was removed, or never made here"))
        })
    }

    /// An address that is another account's, or was put here by hand, as a mailbox or as an alias, is a conflict.
    pub(super) fn refuse_taken_names(&self, account: &Account, address: &Address, uid: &str) -> Result<(), Fault> {
        for name in std::iter::once(address).chain(wanted_aliases(account, address)) {
            let holders = self.taken.get(name.as_str()).into_iter().flatten();
            if let Some(holder) = holders.into_iter().find(|holder| holder.as_deref() != Some(uid)) {
                let holder = match holder {
                    Some(other) => format!("belongs to account {other}"),
                    None => "was put here by hand".into(),
                };
                return Err(Fault::conflict(format!("account {uid}: {} {holder}", name.masked())));
            }
        }
        Ok(())
    }

    /// The wanted home, or, where it is or was somebody else's, one marked with this account's id.
    fn free_home(&self, wanted: String, uid: &str) -> String {
        let was_anothers = self.retired.get(&wanted).is_some_and(|whose| whose != uid);
        if self.homes.contains(&wanted) || was_anothers { format!("{wanted}.{uid}") } else { wanted }
    }

    /// Names, domains and rows, after everything has been found to be in order.
    pub(super) fn settle(&mut self, account: &Account, address: &Address, mailbox: Mailbox) {
        let uid = account.uid.to_string();
        let own = self.own.entry(uid.clone()).or_default();
        for name in own.now.aliases.keys().chain(own.now.mailbox.iter().map(|m| &m.address)) {
            give_up(&mut self.taken, name, &uid);
        }
        let aliases = wanted_aliases(account, address);
        for name in std::iter::once(&address).chain(&aliases) {
            self.taken.entry(name.as_str().to_owned()).or_default().push(Some(uid.clone()));
            if self.domains.insert(name.domain().to_owned()) {
                self.new_domains.push((name.domain().to_owned(), uid.clone()));
            }
        }
        let to = address.as_str();
        own.now.aliases = aliases.into_iter().map(|alias| (alias.as_str().to_owned(), to.to_owned())).collect();
        own.now.mailbox = Some(mailbox);
    }
}

/// Whether an account may log in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Enabled {
    /// It may.
    Yes,
    /// It may not; mail still arrives.
    No,
}

fn give_up(taken: &mut HashMap<String, Vec<Option<String>>>, name: &str, uid: &str) {
    if let Some(holders) = taken.get_mut(&name.to_ascii_lowercase()) {
        holders.retain(|holder| holder.as_deref() != Some(uid));
    }
}

pub(super) fn address_of(account: &Account) -> Result<&Address, Fault> {
    account.address.as_ref().ok_or_else(|| Fault::permanent(format!("account {}: it has no mail address", account.uid)))
}

/// Bytes, as the table has them.
pub(super) fn quota(account: &Account) -> Option<i64> {
    account.quota.map(|q| i64::try_from(q.0).unwrap_or(i64::MAX))
}

/// Its further addresses, without the main one and without repetition.
pub fn wanted_aliases<'a>(account: &'a Account, address: &Address) -> Vec<&'a Address> {
    let mut aliases: Vec<&Address> = account.aliases.iter().filter(|a| *a != address).collect();
    aliases.sort();
    aliases.dedup();
    aliases
}
