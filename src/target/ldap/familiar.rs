//! What a server has stored before: only that goes into a transaction.
//!
//! slapd's mdb (2.5.13, and its sources of today: servers/slapd/back-mdb, `mdb_ad_get` and `mdb_txn`) gives each attribute a number when the
//! first entry has it. Where the transaction that brought it is aborted, or the operation that did so was only to be tried (No-Op
//! control), the number is gone from the database and not from slapd's memory: entries that are written later are stored by a number that
//! nobody knows, and cannot be read again ("internal error in mdb_entry_decode"), nor can anything that is searched together with
//! them. So what has not been stored yet goes by itself, where nothing is aborted.
//!
//! Overlays bring attributes of their own: to a changed entry by what stands in it (a policy of its own with a history of passwords), to a new
//! one by its kind. So only new entries go into a transaction; and what is known is known of one connection, which ends with slapd: another
//! database, or another overlay, may be there when it is back.

use super::operation::Operation;
use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Attributes of the entries that were added singly, through one connection.
#[derive(Debug, Default)]
pub struct Familiar(Mutex<BTreeSet<String>>);

impl Familiar {
    /// Whether all of these are new entries, of which the server has stored the like.
    pub fn has_all(&self, plans: &[&[Operation]]) -> bool {
        let known = self.lock();
        plans.iter().copied().flatten().all(|operation| match added(operation) {
            Some(mut attributes) => attributes.all(|attribute| known.contains(&attribute)),
            None => false,
        })
    }

    /// The server has done these.
    pub fn note(&self, operations: &[Operation]) {
        self.lock().extend(operations.iter().filter_map(added).flatten());
    }

    fn lock(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The attributes of a new entry.
fn added(operation: &Operation) -> Option<impl Iterator<Item = String>> {
    let Operation::Add { attributes, .. } = operation else { return None };
    Some(attributes.iter().map(|(attribute, _)| attribute.key()))
}

#[cfg(test)]
mod tests {
    use super::super::name::{Attribute, Dn};
    use super::super::operation::{Change, Value};
    use super::*;

    #[test]
    fn only_new_entries_whose_attributes_were_stored_are_familiar() {
        let dn = || Dn::parse("uid=a,dc=example,dc=org").unwrap();
        let some = || vec![Value::text("x")];
        let entry = |names: &[&'static str]| Operation::Add {
            dn: dn(),
            attributes: names.iter().map(|name| (Attribute::known(name), some())).collect(),
        };
        let familiar = Familiar::default();
        let knows = |operation: &Operation| familiar.has_all(&[std::slice::from_ref(operation)]);
        assert!(familiar.has_all(&[]) && !knows(&entry(&["cn"])));
        familiar.note(&[entry(&["cn", "userPassword"])]);
        assert!(knows(&entry(&["CN"])) && !knows(&entry(&["cn", "sn"])));
        for other in [
            Operation::Modify { dn: dn(), changes: vec![Change::Replace(Attribute::known("cn"), some())] },
            Operation::Delete { dn: dn() },
        ] {
            familiar.note(std::slice::from_ref(&other));
            assert!(!knows(&other), "{other:?}");
        }
    }
}
