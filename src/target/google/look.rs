//! Looking: which of Google's users is an account's.

use super::answer::Kind;
use super::api::{Api, Failure, List};
use super::user::User;
use super::{Why, Workspace};
use crate::model::Fault;
use crate::target::Work;
use tokio::time::Instant;

/// What was seen of an account.
pub enum Seen {
    /// Its user.
    Own(Box<User>),
    /// Its address is somebody else's.
    Others,
    /// Nothing.
    Nothing,
}

impl Workspace {
    /// By Google's id where it is known, else by the address. An alias leads to its holder: the mark decides.
    pub(super) async fn look(&self, api: &Api, work: &Work, until: Instant) -> Result<Seen, Fault> {
        let uid = work.account.uid;
        let told = format!("looking for account {uid}");
        if let Some(id) = &work.external_id
            && let Some(user) = api.user(id, until).await.map_err(|f| self.unseen(work, &f, &told))?
        {
            return if user.uid() == Some(uid) || (user.uid().is_none() && work.adopted.is_some()) {
                Ok(Seen::Own(Box::new(user)))
            } else {
                Err(Fault::conflict(format!(
                    "account {uid}: its user in Google no longer carries akund's mark among its external ids, so it counts as \
                     somebody else's; give the mark back or remove the user"
                )))
            };
        }
        let Some(address) = work.account.address.as_ref().filter(|a| self.layout.may_be_here(a.as_str())) else {
            return Ok(Seen::Nothing);
        };
        match api.user(address.as_str(), until).await.map_err(|f| self.unseen(work, &f, &told))? {
            Some(user) if user.uid() == Some(uid) => Ok(Seen::Own(Box::new(user))),
            Some(_) => Ok(Seen::Others),
            None => Ok(Seen::Nothing),
        }
    }

    /// The fault of a look at an account. Google may for a while forbid or not find what it has just made.
    pub(super) fn unseen(&self, work: &Work, failure: &Failure, told: &str) -> Fault {
        let fault = failure.fault_of_a_look(told);
        match failure.kind() {
            Some(Kind::Forbidden) => self.while_settling(work.account.uid, Why::Forbidden, fault),
            Some(Kind::Missing(_)) => self.while_settling(work.account.uid, Why::NotFound, fault),
            _ => fault,
        }
    }

    /// The user of an account that was made earlier, wherever it is now; a search may lag behind by hours, and is the last resort.
    pub(super) async fn look_everywhere(&self, api: &Api, work: &Work, until: Instant) -> Result<Option<User>, Fault> {
        if let Seen::Own(user) = self.look(api, work, until).await? {
            return Ok(Some(*user));
        }
        self.searched(api, work, until).await
    }

    /// The user with an account's mark, whatever it is called. A search may lag behind by hours.
    pub(super) async fn searched(&self, api: &Api, work: &Work, until: Instant) -> Result<Option<User>, Fault> {
        let uid = work.account.uid;
        let search = format!("externalId='{uid}'");
        let told = format!("searching for account {uid}");
        api.first_of(List::Found(&search), |user| user.uid() == Some(uid), until)
            .await
            .map_err(|f| f.fault_of_a_look(&told))
    }

    /// A user that was removed within the last 20 days and can be brought back.
    pub(super) async fn removed(&self, work: &Work, until: Instant) -> Result<Option<User>, Fault> {
        let uid = work.account.uid;
        let Some(id) = &work.external_id else { return Ok(None) };
        let told = format!("looking for account {uid} among the removed users");
        let own = |user: &User| user.id == *id && user.uid() == Some(uid);
        self.api.first_of(List::Removed, own, until).await.map_err(|f| f.fault_of_a_look(&told))
    }

    /// Whether an address is free, or this user's own.
    ///
    /// # Errors
    /// Conflict: it is somebody else's.
    pub(super) async fn is_free(
        &self,
        work: &Work,
        name: &str,
        own: Option<&User>,
        until: Instant,
    ) -> Result<(), Fault> {
        let told = format!("account {}: asking whether {} is free", work.account.uid, crate::model::said::masked(name));
        match self.api.user(name, until).await.map_err(|f| self.unseen(work, &f, &told))? {
            Some(user) if user.uid() != Some(work.account.uid) && own.is_none_or(|own| own.id != user.id) => {
                Err(taken(work, name))
            }
            _ => Ok(()),
        }
    }
}

/// The fault for a name that is somebody else's.
pub fn taken(work: &Work, name: &str) -> Fault {
    Fault::conflict(format!(
        "account {}: {} belongs to somebody else in Google Workspace",
        work.account.uid,
        crate::model::said::masked(name)
    ))
}
