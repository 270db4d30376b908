//! What can be done to a directory. Data: made by `plan`, carried out by `batch`.

use super::name::{Attribute, Dn, Rdn};
use zeroize::Zeroizing;

/// A value of an attribute: text, a number, a password. Zeroed when dropped; `Debug` shows none.
#[derive(Clone, PartialEq, Eq)]
pub struct Value(Zeroizing<Vec<u8>>);

impl Value {
    /// From text.
    pub fn text(text: impl Into<String>) -> Self {
        Self(Zeroizing::new(text.into().into_bytes()))
    }
    /// From bytes.
    pub fn of(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }
    /// As it is sent.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl std::fmt::Debug for Value {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("…")
    }
}

/// One operation (RFC 4511 §4.6 to §4.9).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Operation {
    /// A new entry.
    Add {
        /// Its name.
        dn: Dn,
        /// No attribute without a value.
        attributes: Vec<(Attribute, Vec<Value>)>,
    },
    /// Changes to an entry, all or none of them.
    Modify {
        /// Its name.
        dn: Dn,
        /// In this order.
        changes: Vec<Change>,
    },
    /// A new first part of an entry's name; the old value goes.
    Rename {
        /// Its name until then.
        dn: Dn,
        /// The new first part.
        rdn: Rdn,
    },
    /// The entry ends.
    Delete {
        /// Its name.
        dn: Dn,
    },
}

impl Operation {
    /// The entry that it is about.
    pub fn dn(&self) -> &Dn {
        match self {
            Self::Add { dn, .. } | Self::Modify { dn, .. } | Self::Rename { dn, .. } | Self::Delete { dn } => dn,
        }
    }
}

/// One change to an attribute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// These values and no others; none of them: the attribute goes.
    Replace(Attribute, Vec<Value>),
    /// Further values.
    Add(Attribute, Vec<Value>),
    /// Values that go.
    Delete(Attribute, Vec<Value>),
}
