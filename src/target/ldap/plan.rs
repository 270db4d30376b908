//! From what is there to what must be done for one account. Pure.

use super::adopt;
use super::entry::{Entry, mark};
use super::layout::Layout;
use super::lock;
use super::name::{Attribute, Dn};
use super::operation::{Change, Operation, Value};
use super::server;
use super::world::World;
use crate::config::target::ldap::LdapServer;
use crate::model::{Account, Action, Fault};
use crate::target::Work;
use crate::target::work::action_where;

/// What one account needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// In this order, each after the one before has succeeded; none: all is as wanted.
    pub operations: Vec<Operation>,
    /// Its entry's name before; none for a new one, or where there is nothing.
    pub was: Option<Dn>,
    /// Its entry's name afterwards; none when it is gone.
    pub dn: Option<Dn>,
    /// Its user name before, where that was another.
    pub was_called: Option<String>,
    /// The immutable id of its entry, where it is known already.
    pub id: Option<String>,
}

impl Plan {
    const NOTHING: Self = Self { operations: Vec::new(), was: None, dn: None, was_called: None, id: None };
}

/// What brings a work's action about.
///
/// # Errors
/// Conflict: a name is somebody else's. Permanent: there is no such account, or no password. Nothing is written then.
pub fn decide(work: &Work, world: &World, layout: &Layout) -> Result<Plan, Fault> {
    let own = world.own(work, layout)?;
    match (action_where(work, own.is_some()), own) {
        (Action::Remove, None) => Ok(Plan::NOTHING),
        (Action::Remove, Some(entry)) => {
            let was_called = work.adopted.as_ref().and_then(|_| adopt::own_user_name(entry, layout));
            Ok(Plan { was_called, ..removed(entry, layout) })
        }
        (Action::Create, None) => {
            refuse_taken(work, None, world, layout)?;
            created(work, layout)
        }
        (Action::Create | Action::Change, Some(entry)) => {
            refuse_taken(work, Some(entry), world, layout)?;
            if let Some(known) = &work.adopted {
                return adopt::changed(work, known, entry, layout);
            }
            changed(work, entry, world, layout)
        }
        (Action::Reset | Action::Suspend | Action::Resume, Some(entry)) => {
            let mut changes: Vec<Change> = adopt::claim(work, entry, layout).into_iter().collect();
            match work.action {
                Action::Reset => {
                    let password = new_password(work, entry, world, layout)?;
                    if password.is_some() {
                        let (before, after) = lock::around_a_reset(entry, layout);
                        changes.extend(before.into_iter().chain(password).chain(after));
                    }
                }
                Action::Suspend => changes.extend(lock::locking(entry, layout)?),
                _ => changes.extend(lock::unlocking(entry, layout)?),
            }
            let dn = entry.dn.clone();
            Ok(modified(entry, dn, Vec::new(), changes, layout))
        }
        (Action::Change | Action::Reset | Action::Suspend | Action::Resume, None) => Err(Fault::permanent(format!(
            "account {}: there is no entry with its mark under {}",
            work.account.uid, layout.search_base
        ))),
    }
}

/// What takes a create back: the entry with this uid's mark goes.
///
/// # Errors
/// As [`decide`].
pub fn undo(work: &Work, world: &World, layout: &Layout) -> Result<Plan, Fault> {
    if work.action != Action::Create {
        return Err(Fault::permanent(format!(
            "account {}: only a create can be undone; what a {} did stands",
            work.account.uid,
            work.action.as_str()
        )));
    }
    Ok(world.own(work, layout)?.map_or(Plan::NOTHING, |entry| removed(entry, layout)))
}

/// The names that an account needs for itself, in lower case.
pub fn names(account: &Account) -> Vec<String> {
    let mut names = vec![account.username.as_str().to_lowercase()];
    names.extend(account.address.iter().chain(&account.aliases).map(|a| a.as_str().to_lowercase()));
    names
}

fn refuse_taken(work: &Work, own: Option<&Entry>, world: &World, layout: &Layout) -> Result<(), Fault> {
    match adopt::new_names(work, names(&work.account))
        .iter()
        .find(|name| world.is_taken(name, work.account.uid, own, layout))
    {
        None => Ok(()),
        Some(name) => Err(taken(&work.account, name)),
    }
}

/// The fault for a name that is somebody else's.
pub fn taken(account: &Account, name: &str) -> Fault {
    let first: String = name.chars().take(1).collect();
    let domain = name.split_once('@').map_or(String::new(), |(_, domain)| format!("@{domain}"));
    Fault::conflict(format!(
        "account {}: the name {first}…{domain} belongs to another entry of the directory",
        account.uid
    ))
}

fn created(work: &Work, layout: &Layout) -> Result<Plan, Fault> {
    let rdn = layout.rdn(&work.account)?;
    let dn = layout.base.child(&rdn);
    let password = layout.password(work)?;
    let mut attributes = vec![(
        Attribute::known("objectClass"),
        layout.object_classes.iter().map(|class| Value::text(class.as_str())).collect(),
    )];
    attributes.extend(layout.wanted(&work.account, &rdn).into_iter().filter(|(_, values)| !values.is_empty()));
    attributes.push((layout.marker.clone(), vec![Value::text(mark(work.account.uid, &layout.target))]));
    let mut operations = Vec::new();
    if layout.server == LdapServer::ActiveDirectory {
        // A password that its policy refuses must leave nothing that can log in: disabled first, enabled with the password.
        let control = |bits: u32| Value::text(bits.to_string());
        let name = server::lock_attribute(layout.server);
        attributes.push((name.clone(), vec![control(server::NORMAL_ACCOUNT | server::ACCOUNT_DISABLED)]));
        operations.push(Operation::Add { dn: dn.clone(), attributes });
        let changes = vec![
            Change::Replace(server::password_attribute(layout.server), vec![password]),
            Change::Replace(name, vec![control(server::NORMAL_ACCOUNT)]),
        ];
        operations.push(Operation::Modify { dn: dn.clone(), changes });
    } else {
        attributes.push((server::password_attribute(layout.server), vec![password]));
        operations.push(Operation::Add { dn: dn.clone(), attributes });
    }
    Ok(Plan { operations, was: None, dn: Some(dn), was_called: None, id: None })
}

/// An entry that is there is made as wanted. A create also sets the password and opens it.
fn changed(work: &Work, entry: &Entry, world: &World, layout: &Layout) -> Result<Plan, Fault> {
    let rdn = layout.rdn(&work.account)?;
    let mut operations = Vec::new();
    let mut dn = entry.dn.clone();
    let named = entry.dn.value_of(&rdn.attribute).map(|value| value.to_lowercase());
    if named.as_ref() != Some(&rdn.value.to_lowercase()) {
        operations.push(Operation::Rename { dn: entry.dn.clone(), rdn: rdn.clone() });
        dn = entry.dn.renamed(&rdn);
    }
    let mut changes = missing_classes(entry, layout);
    let renamed = !operations.is_empty();
    for (name, wanted) in layout.wanted(&work.account, &rdn) {
        let mut there = entry.values(&name).to_vec();
        if renamed && name.key() == rdn.attribute.key() {
            // The rename has done that already, and some servers take it from nothing else.
            there.retain(|value| std::str::from_utf8(value).map(str::to_lowercase).ok() != named);
            if !there.iter().any(|value| value == rdn.value.as_bytes()) {
                there.push(rdn.value.as_bytes().to_vec());
            }
        }
        if !same(&there, &wanted) {
            changes.push(Change::Replace(name, wanted));
        }
    }
    if work.action == Action::Create {
        changes.extend(new_password(work, entry, world, layout)?);
        let unlocking = lock::unlocking(entry, layout)?;
        changes.extend(unlocking.filter(|change| !overlaps(&changes, change)));
    }
    let was_called =
        layout.user_name_of(entry).filter(|name| !name.eq_ignore_ascii_case(work.account.username.as_str()));
    Ok(Plan { was_called: was_called.map(str::to_owned), ..modified(entry, dn, operations, changes, layout) })
}

pub(super) fn modified(
    entry: &Entry,
    dn: Dn,
    mut operations: Vec<Operation>,
    changes: Vec<Change>,
    layout: &Layout,
) -> Plan {
    if !changes.is_empty() {
        operations.push(Operation::Modify { dn: dn.clone(), changes });
    }
    let was = Some(entry.dn.clone());
    Plan { operations, was, dn: Some(dn), was_called: None, id: entry.id(layout.server) }
}

fn removed(entry: &Entry, layout: &Layout) -> Plan {
    Plan {
        operations: vec![Operation::Delete { dn: entry.dn.clone() }],
        was: Some(entry.dn.clone()),
        dn: None,
        was_called: None,
        id: entry.id(layout.server),
    }
}

/// Further classes that the server or somebody else has added stay.
fn missing_classes(entry: &Entry, layout: &Layout) -> Vec<Change> {
    let name = Attribute::known("objectClass");
    let has = |class: &str| entry.texts(&name).any(|there| there.eq_ignore_ascii_case(class));
    let missing: Vec<Value> =
        layout.object_classes.iter().filter(|class| !has(class)).map(|class| Value::text(class.as_str())).collect();
    if missing.is_empty() { Vec::new() } else { vec![Change::Add(name, missing)] }
}

/// None where the stored password is that one already. A suspended account stays so until it is resumed or created anew.
fn new_password(work: &Work, entry: &Entry, world: &World, layout: &Layout) -> Result<Option<Change>, Fault> {
    if world.has_password(work.account.uid) {
        return Ok(None);
    }
    let name = server::password_attribute(layout.server);
    let mut password = layout.password(work)?;
    if work.action == Action::Reset && lock::is_barred(entry, layout) {
        password = lock::barred(&password);
    }
    let there = entry.values(&name);
    Ok((!same(there, std::slice::from_ref(&password))).then(|| Change::Replace(name, vec![password])))
}

fn overlaps(changes: &[Change], other: &Change) -> bool {
    let name = |change: &Change| match change {
        Change::Replace(name, _) | Change::Add(name, _) | Change::Delete(name, _) => name.key(),
    };
    changes.iter().any(|change| name(change) == name(other))
}

pub(super) fn same(there: &[Vec<u8>], wanted: &[Value]) -> bool {
    there.len() == wanted.len() && wanted.iter().all(|value| there.iter().any(|t| t.as_slice() == value.bytes()))
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
