//! What a server has stored before: only that goes into a transaction.
//!
//! slapd's mdb (2.5.13, and its sources of today: servers/slapd/back-mdb, `mdb_ad_get` and `mdb_txn`) gives each attribute a number when the
//! first entry has it. Where the transaction that brought it is aborted, or the operation that did so was only to be tried (No-Op
//! control), the number is gone from the database and not from slapd's memory: entries that are written later are stored by a number that
//! nobody knows, and cannot be read again ("internal error in mdb_entry_decode"), nor can anything that is searched together with
//! them. So an operation of a shape that has not been carried out yet goes by itself, where nothing is aborted.

use super::operation::{Change, Operation};
use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Shapes of operations that were carried out by themselves since akund started.
#[derive(Debug, Default)]
pub struct Familiar(Mutex<BTreeSet<String>>);

impl Familiar {
    /// Whether the server has done the like of all of these.
    pub fn has_all(&self, plans: &[&[Operation]]) -> bool {
        let known = self.lock();
        plans.iter().copied().flatten().flat_map(shapes).all(|shape| known.contains(&shape))
    }

    /// The server has done these.
    pub fn note(&self, operations: &[Operation]) {
        self.lock().extend(operations.iter().flat_map(shapes));
    }

    fn lock(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What an operation does to which attributes. An overlay may add attributes of its own to each (a history of passwords to a new one).
fn shapes(operation: &Operation) -> Vec<String> {
    match operation {
        Operation::Add { attributes, .. } => {
            attributes.iter().map(|(attribute, _)| format!("entry {}", attribute.key())).collect()
        }
        Operation::Modify { changes, .. } => changes.iter().map(shape).collect(),
        Operation::Rename { rdn, .. } => vec![format!("rename {}", rdn.attribute.key())],
        Operation::Delete { .. } => vec!["end".into()],
    }
}

fn shape(change: &Change) -> String {
    match change {
        Change::Replace(attribute, values) if values.is_empty() => format!("empty {}", attribute.key()),
        Change::Replace(attribute, _) => format!("replace {}", attribute.key()),
        Change::Add(attribute, _) => format!("add {}", attribute.key()),
        Change::Delete(attribute, _) => format!("delete {}", attribute.key()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::name::{Attribute, Dn};
    use super::super::operation::Value;
    use super::*;

    #[test]
    fn an_attribute_that_is_new_in_its_place_is_not_familiar() {
        let dn = || Dn::parse("uid=a,dc=example,dc=org").unwrap();
        let some = || vec![Value::text("x")];
        let entry = |names: &[&'static str]| Operation::Add {
            dn: dn(),
            attributes: names.iter().map(|name| (Attribute::known(name), some())).collect(),
        };
        let change = |change| Operation::Modify { dn: dn(), changes: vec![change] };
        let familiar = Familiar::default();
        let knows = |operation: &Operation| familiar.has_all(&[std::slice::from_ref(operation)]);
        assert!(familiar.has_all(&[]) && !knows(&entry(&["cn"])));
        familiar.note(&[entry(&["cn", "userPassword"])]);
        assert!(knows(&entry(&["CN"])) && !knows(&entry(&["cn", "sn"])));
        let replaced = || change(Change::Replace(Attribute::known("userPassword"), some()));
        assert!(!knows(&replaced()), "a password that follows another one is another matter");
        familiar.note(&[replaced()]);
        assert!(knows(&replaced()) && !knows(&change(Change::Replace(Attribute::known("userPassword"), vec![]))));
        assert!(!knows(&Operation::Delete { dn: dn() }));
    }
}
