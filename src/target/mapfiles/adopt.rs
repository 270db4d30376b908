//! Mailboxes that a person wrote into the files: finding one, marking it, and changing of it only what a request changes.
//!
//! Aliases that a person wrote stay that person's, whatever mailbox they lead to.

use super::accounts::{Held, Maps, Which, address_of, home_in, wanted_aliases};
use super::login::quota;
use crate::model::{Account, Address, Fault};
use crate::target::work::end_seconds;
use crate::target::{Work, adopt};

impl Maps {
    /// As [`crate::target::Target::identify`].
    pub fn identify(&self, work: &Work) -> Result<String, Fault> {
        let (uid, name) = (work.account.uid, adopt::name(work));
        let passwd = self.sheet(Which::Passwd);
        let more_than_one = |which| self.sheet(which).named(&name).nth(1).is_some();
        if [Which::Passwd, Which::Mailboxes, Which::Aliases].into_iter().any(more_than_one) {
            return Err(adopt::several(uid, &name));
        }
        let Some(entry) = passwd.of(uid).next().or_else(|| passwd.named(&name).next()) else {
            return Err(adopt::none(uid, &name));
        };
        let entries = Which::ALL.into_iter().filter(|which| *which != Which::Domains);
        let marks = entries.flat_map(|which| self.sheet(which).named(&name)).filter_map(|entry| entry.uid);
        if let Some(other) = marks.chain(entry.uid).find(|other| *other != uid) {
            return Err(adopt::anothers(uid, &name, &other.to_string()));
        }
        if [Which::Mailboxes, Which::Aliases].into_iter().any(|which| self.sheet(which).goes_on(&name)) {
            let told = format!(
                "account {uid}: an entry of its address goes on in further lines, and is left alone; write it in one"
            );
            return Err(Fault::permanent(told));
        }
        match home_in(entry.value.expose()) {
            Some(home) => Ok(adopt::row_id(&[&entry.key.to_lowercase(), home])),
            None => Err(Fault::permanent(format!(
                "account {uid}: its line in the passwd-file has no home, by which akund would know it again"
            ))),
        }
    }

    /// Its lines bear the mark from now on, if they do not yet.
    ///
    /// # Errors
    /// Conflict: what has its name is not what was adopted. Nothing has been changed then.
    pub fn claim(&mut self, work: &Work) -> Result<(), Fault> {
        let (uid, name) = (work.account.uid, adopt::name(work));
        let Some(wanted) = &work.external_id else { return Ok(()) };
        let passwd = self.sheet(Which::Passwd);
        if passwd.of(uid).next().is_some() || passwd.named(&name).next().is_none() {
            return Ok(());
        }
        if self.identify(work)? != *wanted {
            return Err(adopt::replaced(uid, &name));
        }
        for which in [Which::Passwd, Which::Mailboxes] {
            self.sheet_mut(which).claim(&name, uid);
        }
        Ok(())
    }

    /// As it shall be: what differs from what the register knew, and else as it stands.
    pub(super) fn changed_adopted(&self, work: &Work, mut held: Held) -> Result<Held, Fault> {
        let (account, known) = (&work.account, adopt::known(work));
        let address = address_of(account)?;
        let aliases = self.own_aliases(account, known, address);
        for name in std::iter::once(address).chain(&aliases) {
            self.refuse_taken(account.uid, name)?;
        }
        held.aliases = aliases;
        if account.address != known.address {
            held.address = address.clone();
        }
        if account.ends_at != known.ends_at {
            held.ends_at = end_seconds(account);
        }
        if account.quota != known.quota {
            held.login.quota = quota(account.quota);
        }
        Ok(held)
    }

    /// Of the wanted aliases, those that are not a person's own and were known before.
    fn own_aliases(&self, account: &Account, known: &Account, address: &Address) -> Vec<Address> {
        let by_hand = |alias: &Address| {
            let mut there = self.sheet(Which::Aliases).named(alias.as_str()).peekable();
            there.peek().is_some() && there.all(|entry| entry.uid.is_none())
        };
        let mut aliases = wanted_aliases(account, address);
        aliases.retain(|alias| !(known.aliases.contains(alias) && by_hand(alias)));
        aliases
    }
}

/// What of an adopted account is not as a change wants it.
pub fn differs(work: &Work, held: &Held) -> Option<&'static str> {
    let (account, known) = (&work.account, adopt::known(work));
    let Some(address) = account.address.as_ref().filter(|address| **address == held.address) else {
        return Some("the address");
    };
    if account.quota != known.quota && held.login.quota != quota(account.quota) {
        return Some("the quota");
    }
    if account.ends_at != known.ends_at && held.ends_at != end_seconds(account) {
        return Some("the end date");
    }
    let wanted = wanted_aliases(account, address);
    let mut new = wanted.iter().filter(|alias| !known.aliases.contains(alias));
    new.any(|alias| !held.aliases.contains(alias)).then_some("the set of aliases")
}
