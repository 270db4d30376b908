//! Hotspot users that a person put into the tables: finding one, marking it, and changing of it only what a request changes.

use super::RadiusTables;
use super::attributes::{Attribute, Place};
use super::held::Known;
use super::picture::{Picture, end_text, fitting_name};
use crate::model::{Account, Fault};
use crate::target::{Work, adopt};
use std::collections::BTreeSet;

/// Here a user is found by the user name, whatever addresses the account has.
fn name(work: &Work) -> String {
    adopt::known(work).username.as_str().to_ascii_lowercase()
}

impl Picture {
    pub fn identify(&self, work: &Work) -> Result<String, Fault> {
        let (uid, name) = (work.account.uid, name(work));
        let held = self.known(&uid.to_string()).map(|known| known.username.clone());
        let holders = self.names.get(&name).map_or(&[][..], |named| named.holders.as_slice());
        if let Some(other) = holders.iter().find(|holder| **holder != uid.to_string()) {
            return Err(adopt::anothers(uid, &name, other));
        }
        if held.is_some_and(|username| username.to_ascii_lowercase() != name) {
            return Err(adopt::replaced(uid, &name));
        }
        self.row_of(work, &name).map(|(id, _)| id)
    }

    /// The number of the row by which the user gets in, or else of its first, and the user name as it is written.
    fn row_of(&self, work: &Work, name: &str) -> Result<(String, String), Fault> {
        let uid = work.account.uid;
        let none = || adopt::none(uid, name);
        let named = self.names.get(name).ok_or_else(none)?;
        let rows = named.pairs.get(&Place::Check).map_or(&[][..], Vec::as_slice);
        let first = rows.first().ok_or_else(none)?;
        let all = named.pairs.values().flatten().map(|pair| pair.name.as_str());
        let mut all = all.chain(named.memberships.iter().map(|membership| membership.username.as_str()));
        let mut passwords = rows.iter().filter(|pair| pair.is_password());
        let (password, second) = (passwords.next(), passwords.next());
        if second.is_some() || all.any(|other| !self.same_user(other, &first.name)) {
            return Err(adopt::several(uid, name));
        }
        let id = password.unwrap_or(first).id.ok_or_else(none)?;
        Ok((format!("radcheck {id}"), first.name.clone()))
    }

    pub fn claim(&mut self, work: &Work) -> Result<(), Fault> {
        let (uid, name) = (work.account.uid.to_string(), name(work));
        let Some(wanted) = work.external_id.as_ref().filter(|_| self.known(&uid).is_none()) else { return Ok(()) };
        // Nothing has its name any more: what is to be done says what that means.
        let Ok((found, username)) = self.row_of(work, &name) else { return Ok(()) };
        let Some(named) = self.names.get_mut(&name).filter(|named| found == *wanted && named.holders.is_empty()) else {
            return Err(adopt::replaced(work.account.uid, &name));
        };
        named.holders.push(uid.clone());
        let suspended = self.pairs(Place::Check, &username).any(super::held::Pair::is_reject);
        let known = Known { username, groupname: None, suspended, held: None, written: BTreeSet::new() };
        self.accounts.entry(uid).or_default().now = Some(known);
        Ok(())
    }

    pub fn disclaim(&mut self, work: &Work) {
        let uid = work.account.uid.to_string();
        let Some(own) = self.accounts.get_mut(&uid).filter(|own| own.before.is_none()) else { return };
        if let Some(known) = own.now.take()
            && let Some(named) = self.names.get_mut(&known.username.to_ascii_lowercase())
        {
            named.holders.retain(|holder| *holder != uid);
        }
    }

    /// Only what differs from what the register knew; what a person has made of the user besides stays.
    pub fn change_adopted(&mut self, work: &Work, settings: &RadiusTables) -> Result<(), Fault> {
        let (account, known) = (&work.account, adopt::known(work));
        let uid = account.uid.to_string();
        fitting_name(work, settings)?;
        let username = self.expect_known(&uid)?.username.clone();
        let (old, new) = (settings.group_of(known), settings.group_of(account));
        if old != new {
            self.refuse_foreign_profile(work, settings)?;
            let memberships =
                self.names.get(&username.to_ascii_lowercase()).map_or(&[][..], |n| n.memberships.as_slice());
            if memberships.iter().any(|m| Some(m.groupname.as_str()) != old && Some(m.groupname.as_str()) != new) {
                return Err(Fault::conflict(format!(
                    "account {uid}: its hotspot user is in a group that the register does not know of, and that akund leaves alone"
                )));
            }
            self.expect_known(&uid)?.groupname = old.map(ToOwned::to_owned);
            self.set_group(&uid, &username, new)?;
            self.set_profile(work, settings);
        }
        if known.ends_at != account.ends_at {
            let end: Vec<Attribute> =
                end_text(account).map(|end| Attribute::new("Expiration", end)).into_iter().collect();
            self.set_pairs(Place::Check, &username, &BTreeSet::from(["Expiration".to_owned()]), &end);
        }
        Ok(())
    }
}

/// What of an adopted account is not as a change wants it.
pub fn differs(
    known: &Account,
    account: &Account,
    ends: &[&str],
    groups: &[&str],
    settings: &RadiusTables,
) -> Option<&'static str> {
    if known.ends_at != account.ends_at && ends != end_text(account).iter().map(String::as_str).collect::<Vec<_>>() {
        return Some("the Expiration");
    }
    let (old, new) = (settings.group_of(known), settings.group_of(account));
    (old != new && new.is_some_and(|group| !groups.contains(&group))).then_some("the group")
}
