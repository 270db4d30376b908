//! An entry as a server shows it.

use super::name::{Attribute, Dn};
use super::server;
use crate::config::target::ldap::LdapServer;
use crate::model::AccountUid;
use ldap3::ResultEntry;
use std::collections::BTreeMap;

/// An entry: its name, and the attributes that were asked for and may be seen, by names in lower case.
#[derive(Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its name.
    pub dn: Dn,
    attributes: BTreeMap<String, Vec<Vec<u8>>>,
}

impl Entry {
    /// Reads a search result (RFC 4511 §4.5.2); None for one that is no entry or is malformed.
    pub fn read(found: ResultEntry) -> Option<Self> {
        let mut parts = found.0.match_id(4)?.expect_constructed()?.into_iter();
        let dn = String::from_utf8(parts.next()?.expect_primitive()?).ok()?;
        let mut attributes: BTreeMap<String, Vec<Vec<u8>>> = BTreeMap::new();
        for attribute in parts.next()?.expect_constructed()? {
            let mut pair = attribute.expect_constructed()?.into_iter();
            let name = String::from_utf8(pair.next()?.expect_primitive()?).ok()?;
            let values = pair.next()?.expect_constructed()?.into_iter().map(|v| v.expect_primitive());
            attributes.insert(name.to_ascii_lowercase(), values.collect::<Option<_>>()?);
        }
        Some(Self { dn: Dn::given(dn), attributes })
    }

    /// An attribute's values; none where it is not there or may not be seen.
    pub fn values(&self, attribute: &Attribute) -> &[Vec<u8>] {
        self.attributes.get(&attribute.key()).map_or(&[], Vec::as_slice)
    }

    /// Its values that are text.
    pub fn texts(&self, attribute: &Attribute) -> impl Iterator<Item = &str> {
        self.values(attribute).iter().filter_map(|v| std::str::from_utf8(v).ok())
    }

    /// The first of them, of an attribute that is written in akund itself.
    pub fn text(&self, attribute: &'static str) -> Option<&str> {
        self.attributes.get(&attribute.to_ascii_lowercase())?.iter().find_map(|v| std::str::from_utf8(v).ok())
    }

    /// Which account of akund's it is, if it is marked as one.
    pub fn uid(&self, marker: &Attribute) -> Option<AccountUid> {
        self.texts(marker).find_map(|text| Some(marked(text)?.0))
    }

    /// Which account of a target's it is: of two targets in one tree each has its own entry of an account.
    pub fn uid_at(&self, marker: &Attribute, target: &str) -> Option<AccountUid> {
        let (uid, at) = self.texts(marker).find_map(marked)?;
        (at == target).then_some(uid)
    }

    /// What the server calls it for ever.
    pub fn id(&self, kind: LdapServer) -> Option<String> {
        let values = self.attributes.get(&server::id_attribute(kind).to_ascii_lowercase())?;
        server::id_text(kind, values.first()?)
    }
}

/// akund's mark: a URI and a label (RFC 2079), so that people see what it is and whose.
pub fn mark(uid: AccountUid, target: &str) -> String {
    format!("urn:uuid:{uid} akund {target}")
}

/// Account and target.
fn marked(text: &str) -> Option<(AccountUid, &str)> {
    let (uid, target) = text.strip_prefix("urn:uuid:")?.split_once(" akund ")?;
    Some((AccountUid(uid.parse().ok()?), target))
}

#[cfg(test)]
pub(super) fn entry(dn: &str, attributes: &[(&str, &[&str])]) -> Entry {
    let values = |v: &[&str]| v.iter().map(|text| text.as_bytes().to_vec()).collect();
    Entry {
        dn: Dn::given(dn.into()),
        attributes: attributes.iter().map(|(name, v)| (name.to_ascii_lowercase(), values(v))).collect(),
    }
}
