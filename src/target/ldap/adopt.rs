//! Entries that akund did not make. Finding one, and changing of it only what a request changes.

use super::connection::Session;
use super::entry::{Entry, mark};
use super::layout::Layout;
use super::operation::{Change, Operation, Value};
use super::plan::{Plan, modified, same};
use super::world::World;
use super::{ASKED_AT_ONCE, Directory, Filter};
use crate::config::target::ldap::LdapServer;
use crate::model::{Account, Fault};
use crate::target::{Applied, Work, adopt};
use std::collections::BTreeSet;

impl Directory {
    /// As [`crate::target::Target::identify`].
    pub(super) async fn identify_all(&self, batch: &[Work]) -> Vec<Result<Applied, Fault>> {
        if batch.is_empty() {
            return Vec::new();
        }
        let names: BTreeSet<String> = batch.iter().map(adopt::name).collect();
        let looked = async {
            let open = self.open().await?;
            match self.holders_of(&open.session, &names).await {
                Ok(world) => {
                    self.keep(open);
                    Ok(world)
                }
                Err(fault) => {
                    self.give_up(open);
                    Err(fault)
                }
            }
        };
        match looked.await {
            Ok(world) => batch.iter().map(|work| identify(work, &world, &self.layout)).collect(),
            Err(fault) => vec![Err(fault); batch.len()],
        }
    }

    async fn holders_of(&self, session: &Session, names: &BTreeSet<String>) -> Result<World, Fault> {
        let all: Vec<&String> = names.iter().collect();
        let filters: Vec<Filter> = all
            .chunks(ASKED_AT_ONCE)
            .filter_map(|chunk| Filter::any(self.layout.holders(chunk.iter().map(|name| name.as_str()))))
            .collect();
        let asked = self.layout.asked();
        let mut world = self.search(session, &filters, &asked).await?;
        self.look_closer(session, &mut world, names, |_| false, &asked).await?;
        Ok(world)
    }
}

fn identify(work: &Work, world: &World, layout: &Layout) -> Result<Applied, Fault> {
    let (uid, name) = (work.account.uid, adopt::name(work));
    let entry = match world.holders(&name).as_slice() {
        [] => return Err(adopt::none(uid, &name)),
        [one] => *one,
        _ => return Err(adopt::several(uid, &name)),
    };
    match entry.uid(&layout.marker) {
        Some(other) if other != uid => return Err(adopt::anothers(uid, &name, &other.to_string())),
        Some(_) => {}
        None => may_be_adopted(work, entry, layout)?,
    }
    let id = entry.id(layout.server).ok_or_else(|| {
        Fault::permanent(format!(
            "account {uid}: akund may not read the {} of its entry",
            super::server::id_attribute(layout.server)
        ))
    })?;
    Ok(Applied { external_id: Some(id) })
}

/// Not what stands beside the accounts (the directory's own administrators, services), nor an administrator among them.
fn may_be_adopted(work: &Work, entry: &Entry, layout: &Layout) -> Result<(), Fault> {
    let uid = work.account.uid;
    let (dn, base) = (entry.dn.key(), layout.base.key());
    if !dn.strip_suffix(&base).is_some_and(|rest| rest.ends_with(',')) {
        let told =
            format!("account {uid}: its entry {} is not below {}, and is not adopted", entry.dn.masked(), layout.base);
        return Err(Fault::permanent(told));
    }
    // Active Directory marks members of its administrators' groups so ([MS-ADTS] 3.1.1.6.1).
    if layout.server == LdapServer::ActiveDirectory && entry.text("adminCount") == Some("1") {
        return Err(Fault::permanent(format!("account {uid}: an administrator's entry is not adopted")));
    }
    Ok(())
}

/// The mark, where an adopted entry has none yet: it goes with the first change.
pub fn claim(work: &Work, entry: &Entry, layout: &Layout) -> Option<Change> {
    let unmarked = work.adopted.is_some() && entry.uid(&layout.marker).is_none();
    let value = || Value::text(mark(work.account.uid, &layout.target));
    unmarked.then(|| Change::Add(layout.marker.clone(), vec![value()]))
}

/// What a change of an adopted account needs: only what differs from what the register knew is made as wanted.
///
/// # Errors
/// Permanent, where an account lacks what its entry's name is made of.
pub fn changed(work: &Work, known: &Account, entry: &Entry, layout: &Layout) -> Result<Plan, Fault> {
    let (before, after) = (layout.rdn(known)?, layout.rdn(&work.account)?);
    let mut operations = Vec::new();
    let mut dn = entry.dn.clone();
    let named = entry.dn.value_of(&before.attribute).map(|value| value.to_lowercase());
    let renamed = before != after && named.as_ref() == Some(&before.value.to_lowercase());
    if renamed {
        operations.push(Operation::Rename { dn: entry.dn.clone(), rdn: after.clone() });
        dn = entry.dn.renamed(&after);
    }
    let mut changes: Vec<Change> = claim(work, entry, layout).into_iter().collect();
    let known_values = layout.wanted(known, &before);
    for (name, wanted) in layout.wanted(&work.account, &after) {
        let known =
            known_values.iter().find(|(other, _)| *other == name).map_or(&[][..], |(_, values)| values.as_slice());
        if known.len() == wanted.len() && wanted.iter().all(|value| known.contains(value)) {
            continue;
        }
        let mut there = entry.values(&name).to_vec();
        if renamed && name.key() == after.attribute.key() {
            there.retain(|value| std::str::from_utf8(value).map(str::to_lowercase).ok() != named);
            there.push(after.value.as_bytes().to_vec());
        }
        let wanted = merged(&there, known, wanted);
        if !same(&there, &wanted) {
            changes.push(Change::Replace(name, wanted));
        }
    }
    Ok(modified(entry, dn, operations, changes, layout))
}

/// What a person has added stays; where there is one value at most, it is replaced.
fn merged(there: &[Vec<u8>], known: &[Value], wanted: Vec<Value>) -> Vec<Value> {
    if there.len() <= 1 && wanted.len() <= 1 {
        return wanted;
    }
    let is = |value: &Value, bytes: &[u8]| value.bytes() == bytes;
    let kept = there.iter().filter(|bytes| !known.iter().chain(&wanted).any(|value| is(value, bytes)));
    let mut all: Vec<Value> = kept.map(|bytes| Value::of(bytes.clone())).collect();
    all.extend(wanted);
    all
}

/// The names that a change gives to an adopted account, and that it did not have.
pub fn new_names(work: &Work, names: Vec<String>) -> Vec<String> {
    match &work.adopted {
        None => names,
        Some(known) => {
            let had = super::plan::names(known);
            names.into_iter().filter(|name| !had.contains(name)).collect()
        }
    }
}

/// Whether a group's membership may be akund's to change: of an adopted account only where the request changes its group.
pub fn concerns(work: &Work, only: Option<&String>) -> bool {
    let Some(known) = &work.adopted else { return true };
    let account = &work.account;
    work.action == crate::model::Action::Remove
        || (known.group != account.group
            && only.is_some()
            && (only == known.group.as_ref() || only == account.group.as_ref()))
}

/// For `user_name_of`, whose answer is the entry's own.
pub fn own_user_name(entry: &Entry, layout: &Layout) -> Option<String> {
    layout.user_name_of(entry).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(texts: &[&str]) -> Vec<Value> {
        texts.iter().map(|text| Value::text(*text)).collect()
    }

    fn bytes(texts: &[&str]) -> Vec<Vec<u8>> {
        texts.iter().map(|text| text.as_bytes().to_vec()).collect()
    }

    #[test]
    fn what_a_person_has_added_stays() {
        for (there, known, wanted, expected) in [
            (&["a"][..], &[][..], &["b"][..], &["b"][..]),
            (&["a"], &["a"], &["a", "b"], &["a", "b"]),
            (&["a", "x"], &["a"], &["b"], &["x", "b"]),
            (&["a", "x"], &["a"], &[], &["x"]),
            (&["x"], &["a"], &["a", "b"], &["x", "a", "b"]),
        ] {
            assert_eq!(merged(&bytes(there), &values(known), values(wanted)), values(expected), "{there:?} {wanted:?}");
        }
    }
}
