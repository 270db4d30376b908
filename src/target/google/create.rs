//! Making an account, exactly once.
//!
//! An address can be given out once: that Google sees to. What it does not see to is that an answer arrives, or that what was
//! made is to be seen at once. So a first try goes ahead without a look, and whatever comes back but a plain yes or no
//! is followed by one; a user that carries this account's mark is taken up, another is a conflict, and where there is none to be
//! seen, akund waits before it tries again.

use super::answer::Kind;
use super::api::{Failure, Inserted};
use super::layout::Wanted;
use super::look::{Seen, taken};
use super::user::{Edit, User};
use super::write::Done;
use super::{Why, Workspace};
use crate::model::{Fault, FaultClass, Scheme, Secret};
use crate::target::Work;
use tokio::time::Instant;

impl Workspace {
    pub(super) async fn create(&self, work: &Work, until: Instant) -> Done {
        let uid = work.account.uid;
        let wanted = self.layout.wanted(&work.account)?;
        let password = password(work)?;
        if let Some(user) = self.just_made(uid) {
            return self.finish(work, &wanted, user, until).await;
        }
        if work.uncertain || work.external_id.is_some() || self.is_in_doubt(uid) {
            match self.look(&self.api, work, until).await? {
                Seen::Own(user) => return self.take_up(work, &wanted, &password, *user, until).await,
                Seen::Others => return Err(self.not_made(work, taken(work, &wanted.address))),
                // It may have been given another address since, as in a journal that was put back.
                Seen::Nothing if work.uncertain => {
                    if let Some(user) = self.searched(&self.api, work, until).await? {
                        return self.take_up(work, &wanted, &password, user, until).await;
                    }
                }
                Seen::Nothing => {}
            }
            if let Some(user) = self.removed(work, until).await? {
                let user = self.bring_back(work, user, &wanted.org_unit, until).await?;
                return self.take_up(work, &wanted, &password, user, until).await;
            }
            if self.in_doubt(uid) < self.recheck {
                return Err(Fault::unknown(format!(
                    "account {uid}: it may have been made, and is not to be seen yet; it is looked for again"
                )));
            }
        }
        for alias in &wanted.aliases {
            self.is_free(work, alias, None, until).await?;
        }
        let body = Edit::everything(&wanted, password.clone(), self.layout.must_change).body_of_new(uid);
        match self.api.insert(&body, until).await {
            Ok(Inserted::Made(user)) if user.uid() == Some(uid) => {
                self.was_made(uid, &user);
                self.finish(work, &wanted, *user, until).await
            }
            // Made, by all appearances, and what it answered is not to be relied on.
            Ok(Inserted::Made(_)) => self.after_doubt(work, &wanted, &password, None, until).await,
            Ok(Inserted::Invited) => Err(self.not_made(
                work,
                Fault::permanent(format!(
                    "account {uid}: somebody has a private Google account of this name, whom Google has invited to give it up; \
                     there is no account until they have: retry then"
                )),
            )),
            Err(failure) if failure.leaves_open() => {
                self.after_doubt(work, &wanted, &password, Some(failure), until).await
            }
            Err(failure) => Err(failure.fault(&format!("making account {uid}"))),
        }
    }

    /// What belongs to a new account beside its user. Google may not show the user yet, which is known from its own answer.
    async fn finish(&self, work: &Work, wanted: &Wanted, user: User, until: Instant) -> Done {
        self.follow_up(work, wanted, &user, true, until).await?;
        self.is_clear(work.account.uid);
        Ok(Some(user.id))
    }

    /// After an answer that leaves open whether the account was made.
    async fn after_doubt(
        &self,
        work: &Work,
        wanted: &Wanted,
        password: &Secret,
        failure: Option<Failure>,
        until: Instant,
    ) -> Done {
        let uid = work.account.uid;
        self.doubt_anew(uid);
        let said = failure.as_ref().map_or_else(
            || format!("making account {uid}: Google answered with another user than was asked for"),
            |failure| failure.fault(&format!("making account {uid}")).message,
        );
        // Whatever goes wrong now, it was sent.
        let unknown = |fault: Fault| Fault::unknown(format!("{said}; {}", fault.message));
        match self.look(&self.api, work, until).await.map_err(unknown)? {
            Seen::Own(user) => return self.take_up(work, wanted, password, *user, until).await,
            Seen::Others => return Err(self.not_made(work, taken(work, &wanted.address))),
            Seen::Nothing => {}
        }
        let kind = failure.and_then(|failure| failure.kind());
        if kind == Some(Kind::Precondition) {
            return Err(Fault::permanent(said));
        }
        if kind == Some(Kind::Taken) {
            let is_group = !self.layout.groups.is_empty()
                && self
                    .api
                    .is_group(&wanted.address, until)
                    .await
                    .map_err(|f| unknown(f.fault_of_a_look("asking for a group")))?;
            let address = crate::model::said::masked(&wanted.address);
            let taken = |whose| Fault::conflict(format!("account {uid}: the name {address} is taken: it is {whose}"));
            if is_group {
                return Err(self.not_made(work, taken("a group")));
            }
            let lasting = taken("no user's, and Google does not show whose (a group's?)");
            if self.while_settling(uid, Why::Taken, lasting.clone()).class == FaultClass::Conflict {
                return Err(self.not_made(work, lasting));
            }
        }
        Err(Fault::unknown(format!("{said}; it is not to be seen (yet), and is looked for again")))
    }

    /// It is known that no account of this work was made.
    fn not_made(&self, work: &Work, fault: Fault) -> Fault {
        self.is_clear(work.account.uid);
        fault
    }

    /// An account of this work that is there already is made as wanted. Its password is sent again: nobody can see which it has.
    async fn take_up(&self, work: &Work, wanted: &Wanted, password: &Secret, user: User, until: Instant) -> Done {
        let edit = Edit {
            suspended: user.suspended.then_some(false),
            password: Some((password.clone(), self.layout.must_change)),
            recovery: (wanted.recovery_email.clone(), wanted.recovery_phone.clone()),
            ..Edit::of_account(&user, wanted)
        };
        self.make_as_wanted(work, wanted, &user, edit, until).await
    }
}

/// The hash that Google takes as `crypt`.
pub(super) fn password(work: &Work) -> Result<Secret, Fault> {
    let hash = work.credential.as_ref().and_then(|credential| credential.hash(Scheme::Sha512Crypt));
    hash.cloned().ok_or_else(|| {
        Fault::permanent(format!("account {}: there is no sha512-crypt hash of its password", work.account.uid))
    })
}
