//! Everything that is an account in the directory, page by page (RFC 2696); and whether some are, by their marks.

use super::Directory;
use super::batch::WINDOW;
use super::entry::Entry;
use super::lock;
use super::name::{Attribute, Filter};
use super::server;
use crate::model::{AccountUid, Fault};
use crate::target::{Held, HeldState};
use futures_util::stream::{self, StreamExt, TryStreamExt};
use ldap3::Scope;
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

    /// As [`crate::target::Target::marked`]: one question for each, so that no answer is larger than a server's limit for one.
    pub(super) async fn marked_all(&self, uids: &[AccountUid]) -> Result<BTreeSet<AccountUid>, Fault> {
        if uids.is_empty() {
            return Ok(BTreeSet::new());
        }
        let open = self.open().await?;
        let base = self.layout.search_base.as_str();
        let mut searches = Vec::with_capacity(uids.len());
        for uid in uids {
            let (mut session, filter) = (open.session.clone(), self.mark_of(*uid));
            searches.push(async move {
                let found = session.search(base, Scope::Subtree, filter.as_str(), &["1.1"]).await?;
                Ok::<_, Fault>((!found.is_empty()).then_some(*uid))
            });
        }
        let found: Result<Vec<Option<AccountUid>>, Fault> = stream::iter(searches).buffered(WINDOW).try_collect().await;
        match &found {
            Ok(_) => self.keep(open),
            Err(_) => self.give_up(open),
        }
        Ok(found?.into_iter().flatten().collect())
    }

    fn held(&self, entry: &Entry) -> Held {
        let name = self.layout.naming().find_map(|attribute| entry.texts(attribute).next());
        Held {
            name: name.map_or_else(|| entry.dn.to_string(), str::to_lowercase),
            uid: entry.uid_at(&self.layout.marker, &self.layout.target),
            external_id: entry.id(self.layout.server),
            state: HeldState::of(lock::is_locked(entry, &self.layout)),
            way_in: None,
        }
    }
}
