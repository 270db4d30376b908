//! Mailboxes that a person put into the tables: finding one, marking it, and changing of it only what a request changes.
//!
//! Aliases that a person made stay that person's, whatever mailbox they lead to.

use super::picture::{Held, Mailbox, Own, Picture, address_of, quota, wanted_aliases};
use crate::model::{Account, Address, Fault};
use crate::target::work::end_seconds;
use crate::target::{Work, adopt};

/// What stays the same while it is the same mailbox: where its mail is.
fn id(mailbox: &Mailbox) -> String {
    adopt::row_id(&[&mailbox.address.to_lowercase(), &mailbox.home])
}

impl Picture {
    pub fn identify(&self, work: &Work) -> Result<String, Fault> {
        let (uid, name) = (work.account.uid, adopt::name(work));
        if let Some(mailbox) = self.held(&uid.to_string()).and_then(|held| held.mailbox.as_ref()) {
            return Ok(id(mailbox));
        }
        if let Some(other) = self.taken.get(&name).into_iter().flatten().flatten().next() {
            return Err(adopt::anothers(uid, &name, other));
        }
        match (self.unmarked.get(&name).map_or(&[][..], Vec::as_slice), self.taken.get(&name).map_or(0, Vec::len)) {
            ([], _) => Err(adopt::none(uid, &name)),
            ([one], 1) => Ok(id(one)),
            _ => Err(adopt::several(uid, &name)),
        }
    }

    pub fn claim(&mut self, work: &Work) -> Result<(), Fault> {
        let (uid, name) = (work.account.uid.to_string(), adopt::name(work));
        if self.held(&uid).is_some_and(|held| held.mailbox.is_some()) {
            return Ok(());
        }
        let Some(wanted) = &work.external_id else { return Ok(()) };
        let Some(found) = self.unmarked.get(&name) else { return Ok(()) };
        let Some(mailbox) = found.iter().find(|mailbox| id(mailbox) == *wanted).cloned() else {
            return Err(adopt::replaced(work.account.uid, &name));
        };
        self.unmarked.remove(&name);
        self.taken.insert(name, vec![Some(uid.clone())]);
        self.claimed.push((mailbox.address.clone(), uid.clone()));
        let held = Held { mailbox: Some(mailbox), ..Held::default() };
        self.own.insert(uid, Own { before: held.clone(), now: held });
        Ok(())
    }

    pub fn disclaim(&mut self, work: &Work) {
        let uid = work.account.uid.to_string();
        let Some(at) = self.claimed.iter().position(|(_, account)| *account == uid) else { return };
        let (address, _) = self.claimed.remove(at);
        self.own.insert(uid, Own::default());
        self.taken.insert(address.to_ascii_lowercase(), vec![None]);
    }

    /// Only what differs from what the register knew; what a person has made of it besides stays.
    pub fn change_adopted(&mut self, work: &Work) -> Result<(), Fault> {
        let (account, known) = (&work.account, adopt::known(work));
        let uid = account.uid.to_string();
        let address = address_of(account)?;
        let mut wanted = account.clone();
        wanted.aliases = self.own_aliases(account, known);
        self.refuse_taken_names(&wanted, address, &uid)?;
        let mut mailbox = self.mailbox(&uid)?.clone();
        if account.address != known.address {
            mailbox.address = address.as_str().to_owned();
        }
        if account.quota != known.quota {
            mailbox.quota = quota(account);
        }
        if account.ends_at != known.ends_at {
            mailbox.ends_at = end_seconds(account);
        }
        self.settle(&wanted, address, mailbox);
        Ok(())
    }

    /// Of the wanted aliases, those that are not a person's own and were known before.
    fn own_aliases(&self, account: &Account, known: &Account) -> Vec<Address> {
        let by_hand =
            |alias: &Address| self.taken.get(alias.as_str()).is_some_and(|marks| marks.iter().all(Option::is_none));
        account.aliases.iter().filter(|alias| !(known.aliases.contains(alias) && by_hand(alias))).cloned().collect()
    }
}

/// Whether an adopted mailbox is as a change wants it.
pub fn as_written(work: &Work, mailbox: &Mailbox, held: &Held) -> Result<(), Fault> {
    let (account, known) = (&work.account, adopt::known(work));
    let address = account.address.as_ref();
    let differs = |what: &str| {
        let told =
            format!("account {}: {what} stored is not the one written; somebody else has changed it", account.uid);
        Err(Fault::permanent(told))
    };
    if !address.is_some_and(|address| address.as_str().eq_ignore_ascii_case(&mailbox.address)) {
        return differs("the address");
    }
    if account.quota != known.quota && mailbox.quota != quota(account) {
        return differs("the quota");
    }
    if account.ends_at != known.ends_at && mailbox.ends_at != end_seconds(account) {
        return differs("the end date");
    }
    let new = address.map(|address| wanted_aliases(account, address)).unwrap_or_default();
    let mut new = new.into_iter().filter(|alias| !known.aliases.contains(alias));
    if new.any(|alias| !held.aliases.contains_key(alias.as_str())) { differs("the set of aliases") } else { Ok(()) }
}
