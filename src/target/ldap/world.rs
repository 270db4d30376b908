//! What was seen of a directory, and whose it is. Pure.

use super::entry::Entry;
use super::layout::Layout;
use crate::model::{AccountUid, Fault};
use crate::target::Work;
use std::collections::{BTreeSet, HashMap};

/// Entries, by all that akund knows them by.
#[derive(Default)]
pub struct World {
    entries: Vec<Entry>,
    by_dn: HashMap<String, usize>,
    by_id: HashMap<String, usize>,
    by_uid: HashMap<AccountUid, Vec<usize>>,
    by_name: HashMap<String, Vec<usize>>,
    /// Accounts whose stored password was seen to be the one of the work.
    passwords: BTreeSet<AccountUid>,
}

impl World {
    /// Of entries, each counted once.
    pub fn of(entries: impl IntoIterator<Item = Entry>, layout: &Layout) -> Self {
        let mut world = Self::default();
        for entry in entries {
            world.put(entry, layout);
        }
        world
    }

    /// One more entry.
    pub fn put(&mut self, entry: Entry, layout: &Layout) {
        self.put_once(entry, layout);
    }

    /// One more entry, which the server says has this name (in lower case).
    pub fn put_as(&mut self, name: &str, entry: Entry, layout: &Layout) {
        let at = self.put_once(entry, layout);
        let holders = self.by_name.entry(name.to_owned()).or_default();
        if !holders.contains(&at) {
            holders.push(at);
        }
    }

    /// Notes that an account's stored password is the one of the work.
    pub fn note_password(&mut self, uid: AccountUid) {
        self.passwords.insert(uid);
    }

    /// Whether it was noted.
    pub fn has_password(&self, uid: AccountUid) -> bool {
        self.passwords.contains(&uid)
    }

    /// All of them.
    pub fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter()
    }

    /// Whether one of these names (in lower case) is to be seen in an entry.
    pub fn shows_one_of(entry: &Entry, names: &BTreeSet<String>, layout: &Layout) -> bool {
        layout.naming().flat_map(|attribute| entry.texts(attribute)).any(|name| names.contains(&name.to_lowercase()))
    }

    fn put_once(&mut self, entry: Entry, layout: &Layout) -> usize {
        let at = self.entries.len();
        if let Some(earlier) = self.by_dn.get(&entry.dn.key()) {
            return *earlier;
        }
        self.by_dn.insert(entry.dn.key(), at);
        if let Some(id) = entry.id(layout.server) {
            self.by_id.insert(id, at);
        }
        if let Some(uid) = entry.uid_at(&layout.marker, &layout.target) {
            self.by_uid.entry(uid).or_default().push(at);
        }
        for name in layout.naming().flat_map(|attribute| entry.texts(attribute)) {
            let holders = self.by_name.entry(name.to_lowercase()).or_default();
            if holders.last() != Some(&at) {
                holders.push(at);
            }
        }
        self.entries.push(entry);
        at
    }

    /// The entry of an account: that with the id that the directory gave when it was made, else that with its mark.
    ///
    /// # Errors
    /// Conflict: it lost its mark, or two entries carry it. akund touches neither.
    pub fn own(&self, work: &Work, layout: &Layout) -> Result<Option<&Entry>, Fault> {
        let uid = work.account.uid;
        let by_id = work.external_id.as_ref().and_then(|id| self.by_id.get(id)).and_then(|at| self.entries.get(*at));
        if let Some(entry) = by_id {
            let mark = entry.uid(&layout.marker);
            return if mark == Some(uid) || (mark.is_none() && work.adopted.is_some()) {
                Ok(Some(entry))
            } else {
                Err(Fault::conflict(format!(
                    "account {uid}: its entry {} no longer carries akund's mark in {}, so it counts as somebody else's; give the mark \
                     back or remove the account's entry",
                    entry.dn.masked(),
                    layout.marker.as_str()
                )))
            };
        }
        match self.by_uid.get(&uid).map(Vec::as_slice) {
            None | Some([]) => Ok(None),
            Some([one]) => Ok(self.entries.get(*one)),
            Some(many) => Err(Fault::conflict(format!(
                "account {uid}: {} entries carry its mark in {}; a copy must lose it",
                many.len(),
                layout.marker.as_str()
            ))),
        }
    }

    /// Who has this name (in lower case).
    pub fn holder(&self, name: &str) -> Option<&Entry> {
        self.by_name.get(name)?.iter().find_map(|at| self.entries.get(*at))
    }

    /// Everybody who has this name (in lower case).
    pub fn holders(&self, name: &str) -> Vec<&Entry> {
        self.by_name.get(name).into_iter().flatten().filter_map(|at| self.entries.get(*at)).collect()
    }

    /// Whether this name (in lower case) is somebody else's: not of this account's entry, nor of its entry at another target.
    pub fn is_taken(&self, name: &str, uid: AccountUid, own: Option<&Entry>, layout: &Layout) -> bool {
        let holders = self.by_name.get(name).into_iter().flatten().filter_map(|at| self.entries.get(*at));
        let elsewhere = |holder: &Entry| {
            holder.uid(&layout.marker) == Some(uid) && holder.uid_at(&layout.marker, &layout.target).is_none()
        };
        holders.into_iter().any(|holder| own.is_none_or(|own| own.dn.key() != holder.dn.key()) && !elsewhere(holder))
    }

    /// The entry of this name, if it was seen.
    pub fn at(&self, dn: &super::name::Dn) -> Option<&Entry> {
        self.by_dn.get(&dn.key()).and_then(|at| self.entries.get(*at))
    }
}
