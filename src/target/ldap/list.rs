//! Everything that is an account in the directory, page by page (RFC 2696).

use super::Directory;
use super::entry::Entry;
use super::lock;
use super::name::{Attribute, Filter};
use super::server;
use crate::model::Fault;
use crate::target::Held;
use std::collections::BTreeSet;

impl Directory {
    /// Entries that carry a mark, and all that have a name by which somebody could be known.
    pub(super) async fn list_all(&self) -> Result<Vec<Held>, Fault> {
        let mut session = self.dialer.open().await?;
        let base = self.layout.search_base.as_str();
        // No answer at all and an empty one must not look alike.
        if session.entry(base, &["1.1"]).await?.is_none() {
            return Err(Fault::transient(format!("{base} is not there, or akund's bind_dn may not see it")));
        }
        let mut named: Vec<&Attribute> = vec![&self.layout.marker];
        named.extend(self.layout.naming());
        let Some(filter) = Filter::any(named.iter().map(|attribute| Filter::present(attribute))) else {
            return Err(Fault::permanent("the directory's layout names no attribute to look for"));
        };
        let lock = server::lock_attribute(self.layout.server);
        let password = server::password_attribute(self.layout.server);
        let mut asked: BTreeSet<&str> = named.iter().map(|attribute| attribute.as_str()).collect();
        asked.extend([server::id_attribute(self.layout.server), lock.as_str(), password.as_str()]);
        let asked: Vec<&str> = asked.into_iter().collect();
        let entries = session.search_all(base, filter.as_str(), &asked).await?;
        Ok(entries.iter().map(|entry| self.held(entry)).collect())
    }

    fn held(&self, entry: &Entry) -> Held {
        let name = self.layout.naming().find_map(|attribute| entry.texts(attribute).next());
        Held {
            name: name.map_or_else(|| entry.dn.to_string(), str::to_lowercase),
            uid: entry.uid_at(&self.layout.marker, &self.layout.target),
            external_id: entry.id(self.layout.server),
            suspended: lock::is_locked(entry, &self.layout),
        }
    }
}
