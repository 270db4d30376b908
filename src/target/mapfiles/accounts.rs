//! What the four maps say of accounts, and what an action makes of it. Pure: text in, text out, and `now`.

use super::entry::{Entry, State, Syntax, fits};
use super::login::{Login, Owner, quota, with_scheme};
use super::sheet::{Interest, Sheet};
use crate::model::{Account, AccountUid, Action, Address, Fault, Scheme, Secret};
use crate::target::home::HomeTemplate;
use crate::target::work::{action_where, end_seconds, wanted_hash};
use crate::target::{Found, Work};
use std::collections::{BTreeSet, HashSet};

/// Which of the four.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Which {
    /// Dovecot's passwd-file.
    Passwd,
    /// `virtual_mailbox_domains`.
    Domains,
    /// `virtual_alias_maps`.
    Aliases,
    /// `virtual_mailbox_maps`.
    Mailboxes,
}

impl Which {
    /// All, in the order in which they are read and written: Postfix takes mail only for what Dovecot knows already, and
    /// an address that becomes an alias is one before it ceases to be a mailbox.
    pub const ALL: [Self; 4] = [Self::Passwd, Self::Domains, Self::Aliases, Self::Mailboxes];

    /// The key in the configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Passwd => "passwd",
            Self::Domains => "domains",
            Self::Aliases => "aliases",
            Self::Mailboxes => "mailboxes",
        }
    }

    fn syntax(self) -> Syntax {
        if self == Self::Passwd { Syntax::Passwd } else { Syntax::Postfix }
    }
}

/// What of the configuration decides how an account is written.
#[derive(Debug, Clone)]
pub struct Rules {
    /// Scheme of the stored password.
    pub scheme: Scheme,
    /// Where mail is kept.
    pub home: HomeTemplate,
    /// Uid and gid of the mail's files.
    pub owner: Option<Owner>,
}

/// The four maps.
#[derive(Debug)]
pub struct Maps {
    /// In the order of [`Which::ALL`].
    sheets: Vec<Sheet>,
    /// Those whose inhabitants were counted.
    domains: HashSet<Vec<u8>>,
}

impl Maps {
    /// Goes through the texts, in the order of [`Which::ALL`]. Accounts that end by `interest.ended_by` and are still
    /// open are taken up as well; their uids are answered.
    pub fn read(texts: [Vec<u8>; 4], mut interest: Interest) -> (Self, Vec<AccountUid>) {
        let mut ended = Vec::new();
        let mut sheets = Vec::with_capacity(texts.len());
        for (which, text) in Which::ALL.into_iter().zip(texts) {
            let sheet = Sheet::read(which.syntax(), text, &interest);
            if which == Which::Passwd {
                ended = ended_uids(&sheet, interest.ended_by.take());
                interest.uids.extend(ended.iter().map(|uid| uid.to_string().into_bytes()));
            }
            sheets.push(sheet);
        }
        (Self { sheets, domains: interest.domains }, ended)
    }

    /// One of them.
    pub fn sheet(&self, which: Which) -> &Sheet {
        &self.sheets[which as usize]
    }

    pub(super) fn sheet_mut(&mut self, which: Which) -> &mut Sheet {
        &mut self.sheets[which as usize]
    }

    /// What is known of an account. Two lines in the passwd-file (akund died between the two writings of a change of
    /// address): the one under `address` counts.
    pub fn held(&self, uid: AccountUid, address: Option<&Address>) -> Option<Held> {
        let wanted = |entry: &&Entry| address.is_some_and(|a| a.as_str() == entry.key);
        let passwd = self.sheet(Which::Passwd);
        let entry = passwd.of(uid).find(wanted).or_else(|| passwd.of(uid).last())?;
        let mut aliases: Vec<Address> = self
            .sheet(Which::Aliases)
            .of(uid)
            .filter(|alias| alias.key != alias.value.expose() && alias.key != entry.key)
            .filter_map(|alias| alias.key.parse().ok())
            .collect();
        aliases.sort();
        aliases.dedup();
        Some(Held {
            address: entry.key.parse().ok()?,
            login: Login::read(entry.value.expose())?,
            aliases,
            ends_at: entry.ends_at,
        })
    }

    /// Brings an action about. On an error nothing has been changed.
    ///
    /// # Errors
    /// Conflict: a name is somebody else's. Permanent: nothing there to act on, no hash, values that fit in no line.
    pub fn apply(&mut self, work: &Work, rules: &Rules, now: i64) -> Result<(), Fault> {
        if work.adopted.is_none() {
            return self.bring_about(work, rules, now);
        }
        self.claim(work)?;
        let done = self.bring_about(work, rules, now);
        if done.is_err() {
            Which::ALL.into_iter().for_each(|which| self.sheet_mut(which).disclaim(work.account.uid));
        }
        done
    }

    fn bring_about(&mut self, work: &Work, rules: &Rules, now: i64) -> Result<(), Fault> {
        let account = &work.account;
        let held = self.held(account.uid, account.address.as_ref());
        if held.is_none() && self.sheet(Which::Passwd).of(account.uid).next().is_some() && work.action != Action::Remove
        {
            return Err(Fault::permanent(format!(
                "account {}: its line in the passwd-file was edited, and has no address or no home any more; put it right, or \
                 delete it and the mark above it",
                account.uid
            )));
        }
        let action = action_where(work, held.is_some());
        let held = match (action, held) {
            (Action::Remove, _) => {
                self.remove(account.uid);
                return Ok(());
            }
            (Action::Create, held) => self.created(work, held, rules)?,
            (_, None) => {
                return Err(Fault::permanent(format!(
                    "account {}: it has no mailbox here; it was removed, or never made here",
                    account.uid
                )));
            }
            (Action::Change, Some(held)) if work.adopted.is_some() => self.changed_adopted(work, held)?,
            (Action::Change, Some(held)) => {
                let mut held = self.placed(account, held)?;
                held.login.quota = quota(account.quota);
                held
            }
            (Action::Reset, Some(held)) => {
                let hash = with_scheme(wanted_hash(work, rules.scheme)?).map_err(|fault| about(account.uid, fault))?;
                Held { login: Login { hash, ..held.login }, ..held }
            }
            (Action::Suspend, Some(held)) => Held { login: Login { locked: true, ..held.login }, ..held },
            (Action::Resume, Some(held)) => Held { login: Login { locked: false, ..held.login }, ..held },
        };
        self.write(account.uid, &held, rules, now);
        if matches!(action, Action::Create | Action::Change) {
            self.add_domains(account.uid, &held);
        }
        Ok(())
    }

    /// Takes back what a create made, with the domains that came with it, unless somebody else has moved in.
    pub fn undo(&mut self, uid: AccountUid) {
        self.remove(uid);
        let inhabited = |domain: &&Entry| {
            !self.domains.contains(domain.key.as_bytes())
                || [Which::Passwd, Which::Mailboxes, Which::Aliases]
                    .iter()
                    .any(|w| self.sheet(*w).in_domain(&domain.key) > 0)
        };
        let kept = self.sheet(Which::Domains).of(uid).filter(inhabited).cloned().collect();
        self.sheet_mut(Which::Domains).set(uid, kept);
    }

    /// Writes an account anew, as it is: one whose end has come is closed.
    pub fn close_if_ended(&mut self, uid: AccountUid, rules: &Rules, now: i64) {
        if let Some(held) = self.held(uid, None) {
            self.write(uid, &held, rules, now);
        }
    }

    /// Which of these names exist; each with the mark, if all who have it are of one account of akund's.
    pub fn find(&self, names: &[String]) -> Vec<Found> {
        let holders = |name: &String| -> Vec<Option<AccountUid>> {
            let which = [Which::Passwd, Which::Mailboxes, Which::Aliases];
            which.iter().flat_map(|w| self.sheet(*w).named(name)).map(|entry| entry.uid).collect()
        };
        let found = |name: &String| {
            let holders = holders(name);
            let first = *holders.first()?;
            let uid = first.filter(|_| holders.iter().all(|holder| *holder == first));
            Some(Found { name: name.clone(), uid })
        };
        names.iter().collect::<BTreeSet<_>>().into_iter().filter_map(found).collect()
    }

    fn created(&self, work: &Work, held: Option<Held>, rules: &Rules) -> Result<Held, Fault> {
        let account = &work.account;
        let address = address_of(account)?;
        let hash = with_scheme(wanted_hash(work, rules.scheme)?).map_err(|fault| about(account.uid, fault))?;
        let (home, extra) = match held {
            Some(held) => (held.login.home, held.login.extra),
            None => (self.free_home(account.uid, address, rules)?, Vec::new()),
        };
        let others = Default::default();
        let login = Login { hash, locked: false, home, quota: quota(account.quota), extra, others };
        self.placed(account, Held { address: address.clone(), login, aliases: Vec::new(), ends_at: None })
    }

    /// The account under the names and with the end that it shall have, if nobody else has a name of it.
    fn placed(&self, account: &Account, held: Held) -> Result<Held, Fault> {
        let address = address_of(account)?;
        let aliases = wanted_aliases(account, address);
        for name in std::iter::once(address).chain(&aliases) {
            self.refuse_taken(account.uid, name)?;
        }
        if !fits(&held.login.home) {
            return Err(Fault::permanent(format!(
                "account {}: its home would break a line of the passwd-file",
                account.uid
            )));
        }
        Ok(Held { address: address.clone(), aliases, ends_at: end_seconds(account), ..held })
    }

    pub(super) fn refuse_taken(&self, uid: AccountUid, name: &Address) -> Result<(), Fault> {
        if !fits(name.as_str()) {
            return Err(Fault::permanent(format!("account {uid}: {} would break a line of a map", name.masked())));
        }
        for which in [Which::Passwd, Which::Mailboxes, Which::Aliases] {
            if let Some(other) = self.sheet(which).named(name.as_str()).find(|entry| entry.uid != Some(uid)) {
                let holder =
                    other.uid.map_or("was put there by hand".into(), |other| format!("belongs to account {other}"));
                return Err(Fault::conflict(format!(
                    "account {uid}: {} in {} {holder}",
                    name.masked(),
                    which.as_str()
                )));
            }
        }
        Ok(())
    }

    /// The home that it had before it was removed; else the template's, marked with its id where that is or was somebody else's.
    fn free_home(&self, uid: AccountUid, address: &Address, rules: &Rules) -> Result<String, Fault> {
        let passwd = self.sheet(Which::Passwd);
        let retired = |entry: &&Entry| entry.state == State::Retired;
        if let Some(own) = passwd.all().filter(retired).find(|entry| entry.uid == Some(uid)) {
            return Ok(own.key.clone());
        }
        let wanted = rules.home.home(address, &uid.to_string())?;
        let taken = passwd.all().any(|entry| match entry.state {
            State::Retired => entry.key == wanted,
            State::Live | State::Idle => home_in(entry.value.expose()) == Some(wanted.as_str()),
        });
        Ok(if taken { format!("{wanted}.{uid}") } else { wanted })
    }

    fn write(&mut self, uid: AccountUid, held: &Held, rules: &Rules, now: i64) {
        let open = held.ends_at.is_none_or(|end| end > now);
        let state = if open { State::Live } else { State::Idle };
        let entry =
            |key: &Address, value: Secret| Entry { key: key.to_string(), uid: Some(uid), value, state, ends_at: None };
        let target = Secret::new(held.address.as_str());
        let login = Entry { ends_at: held.ends_at, ..entry(&held.address, held.login.write(rules.owner)) };
        // One that a person wrote may name a directory.
        let by_hand =
            self.sheet(Which::Mailboxes).of(uid).find(|entry| !entry.key.eq_ignore_ascii_case(entry.value.expose()));
        let mailbox = by_hand.map_or_else(|| target.clone(), |entry| entry.value.clone());
        let mut aliases: Vec<Entry> = held.aliases.iter().map(|alias| entry(alias, target.clone())).collect();
        if self.caught(&held.address) {
            aliases.push(entry(&held.address, target.clone()));
        }
        self.sheet_mut(Which::Passwd).set(uid, vec![login]);
        self.sheet_mut(Which::Aliases).set(uid, aliases);
        self.sheet_mut(Which::Mailboxes).set(uid, vec![entry(&held.address, mailbox)]);
    }

    /// Whether a catch-all would take this address's mail: Postfix asks `virtual_alias_maps` for `@domain` before it looks at
    /// the mailbox (virtual(5)), so that the mailbox needs an alias to itself.
    fn caught(&self, address: &Address) -> bool {
        self.sheet(Which::Aliases).named(&format!("@{}", address.domain())).any(|entry| entry.state == State::Live)
    }

    fn add_domains(&mut self, uid: AccountUid, held: &Held) {
        let domains = self.sheet_mut(Which::Domains);
        let mut own: Vec<Entry> = domains.of(uid).cloned().collect();
        for name in std::iter::once(&held.address).chain(&held.aliases) {
            let domain = name.domain();
            if domains.named(domain).next().is_none() && !own.iter().any(|entry| entry.key == domain) {
                let (key, value) = (domain.to_owned(), Secret::new(domain));
                own.push(Entry { key, uid: Some(uid), value, state: State::Live, ends_at: None });
            }
        }
        domains.set(uid, own);
    }

    /// The account's entries go. Its mail on the disk is not touched, and its home is nobody else's.
    fn remove(&mut self, uid: AccountUid) {
        let passwd = self.sheet(Which::Passwd);
        let mut homes: Vec<String> =
            passwd.of(uid).filter_map(|e| home_in(e.value.expose()).map(str::to_owned)).collect();
        homes.extend(passwd.all().filter(|e| e.state == State::Retired && e.uid == Some(uid)).map(|e| e.key.clone()));
        homes.sort();
        homes.dedup();
        let retire =
            |home| Entry { key: home, uid: Some(uid), value: Secret::new(""), state: State::Retired, ends_at: None };
        self.sheet_mut(Which::Passwd).set(uid, homes.into_iter().map(retire).collect());
        self.sheet_mut(Which::Aliases).set(uid, Vec::new());
        self.sheet_mut(Which::Mailboxes).set(uid, Vec::new());
    }
}

/// What the maps hold of an account.
#[derive(Debug, Clone)]
pub struct Held {
    /// Its address.
    pub address: Address,
    /// Its line in the passwd-file.
    pub login: Login,
    /// Further addresses, sorted.
    pub aliases: Vec<Address>,
    /// Seconds since 1970.
    pub ends_at: Option<i64>,
}

/// Its further addresses, sorted, without the main one and without repetition.
pub fn wanted_aliases(account: &Account, address: &Address) -> Vec<Address> {
    let mut aliases: Vec<Address> = account.aliases.iter().filter(|a| *a != address).cloned().collect();
    aliases.sort();
    aliases.dedup();
    aliases
}

pub(super) fn address_of(account: &Account) -> Result<&Address, Fault> {
    account.address.as_ref().ok_or_else(|| Fault::permanent(format!("account {}: it has no mail address", account.uid)))
}

fn about(uid: AccountUid, fault: Fault) -> Fault {
    Fault { message: format!("account {uid}: {}", fault.message), ..fault }
}

pub(super) fn home_in(value: &str) -> Option<&str> {
    value.split(':').nth(4).filter(|home| !home.is_empty())
}

fn ended_uids(passwd: &Sheet, by: Option<i64>) -> Vec<AccountUid> {
    let Some(by) = by else { return Vec::new() };
    let ended = |entry: &&Entry| entry.state == State::Live && entry.ends_at.is_some_and(|end| end <= by);
    passwd.all().filter(ended).filter_map(|entry| entry.uid).collect()
}

/// The accounts that a work is about: as it shall be, and, of an adopted one, as it was.
pub fn concerned(work: &Work) -> impl Iterator<Item = &Account> {
    std::iter::once(&work.account).chain(work.adopted.as_deref())
}

/// What must be known to decide about these accounts.
pub fn interest<'a>(accounts: impl IntoIterator<Item = &'a Account>, rules: &Rules) -> Interest {
    let mut interest = Interest::default();
    for account in accounts {
        let uid = account.uid.to_string();
        let address = account.address.as_ref();
        for name in address.into_iter().chain(&account.aliases) {
            interest.keys.insert(name.as_str().as_bytes().to_vec());
            interest.keys.insert(name.domain().as_bytes().to_vec());
            interest.keys.insert(format!("@{}", name.domain()).into_bytes());
            interest.domains.insert(name.domain().as_bytes().to_vec());
        }
        interest.homes.extend(address.and_then(|a| rules.home.home(a, &uid).ok()).map(String::into_bytes));
        interest.uids.insert(uid.into_bytes());
    }
    interest
}
