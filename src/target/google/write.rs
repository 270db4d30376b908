//! What is done to an account that is there, and what takes one away.

use super::adopt;
use super::answer::{Kind, Missing};
use super::api::Failure;
use super::create::password;
use super::layout::Wanted;
use super::look::{Seen, taken};
use super::user::{Edit, User};
use super::{Why, Workspace};
use crate::model::{Action, Fault};
use crate::target::Work;
use tokio::time::Instant;

/// Google's id of the account, where there is one.
pub(super) type Done = Result<Option<String>, Fault>;

impl Workspace {
    pub(super) async fn apply_one(&self, work: &Work, until: Instant) -> Done {
        match work.action {
            Action::Create => return self.create(work, until).await,
            Action::Remove => return self.remove(work, until).await,
            Action::Change | Action::Reset | Action::Suspend | Action::Resume => {}
        }
        // What it can never be is told before anybody is asked.
        let wanted = if work.action == Action::Change { Some(self.layout.wanted(&work.account)?) } else { None };
        let hash = if work.action == Action::Reset { Some(password(work)?) } else { None };
        let user = self.existing(work, until).await?;
        if let Some(wanted) = wanted {
            let mut edit = Edit::of_account(&user, &wanted);
            let mut wanted = wanted;
            if let Some(known) = self.known(work)? {
                edit = adopt::claiming(work, &user, adopt::of_change(&known, &wanted, edit));
                wanted = adopt::with_own(&known, &wanted, &user);
            }
            return self.make_as_wanted(work, &wanted, &user, edit, until).await;
        }
        let edit = match work.action {
            Action::Reset => Edit { password: hash.map(|hash| (hash, self.layout.must_change)), ..Edit::default() },
            Action::Suspend => Edit { suspended: (!user.suspended).then_some(true), ..Edit::default() },
            _ => Edit { suspended: user.suspended.then_some(false), ..Edit::default() },
        };
        let user = self.update(work, &user, &adopt::claiming(work, &user, edit), until).await?;
        self.is_clear(work.account.uid);
        Ok(Some(user.id))
    }

    /// The account's user, brought back where it was removed and is to be resumed.
    async fn existing(&self, work: &Work, until: Instant) -> Result<User, Fault> {
        let uid = work.account.uid;
        if let Some(user) = self.look_everywhere(&self.api, work, until).await? {
            return Ok(user);
        }
        if work.action == Action::Resume
            && let Some(user) = self.removed(work, until).await?
        {
            let org_unit = user.org_unit();
            return self.bring_back(work, user, &org_unit, until).await;
        }
        let none = Fault::permanent(format!("account {uid}: there is no user with its mark in Google Workspace"));
        // One that was made here is known to have been there.
        Err(if work.external_id.is_some() { self.while_settling(uid, Why::NotFound, none) } else { none })
    }

    /// Undeletes a user, and sees it.
    pub(super) async fn bring_back(
        &self,
        work: &Work,
        user: User,
        org_unit: &str,
        until: Instant,
    ) -> Result<User, Fault> {
        let uid = work.account.uid;
        let told = format!("bringing the removed user of account {uid} back");
        if let Err(failure) = self.api.undelete(&user.id, org_unit, until).await {
            let fault = failure.fault(&told);
            return Err(match failure.kind() {
                Some(Kind::Taken) => taken(work, &user.primary_email),
                Some(Kind::Missing(_)) => self.while_settling(uid, Why::NotFound, fault),
                _ => fault,
            });
        }
        tracing::info!(account = %uid, target = %self.name, "a removed user was brought back");
        match self.look(&self.api, work, until).await? {
            Seen::Own(user) => Ok(*user),
            Seen::Others | Seen::Nothing => Err(Fault::unknown(format!("{told}: it is not to be seen yet"))),
        }
    }

    /// Changes what differs, then aliases and groups. Names are looked up first: a conflict leaves all as it was.
    pub(super) async fn make_as_wanted(
        &self,
        work: &Work,
        wanted: &Wanted,
        user: &User,
        edit: Edit,
        until: Instant,
    ) -> Done {
        let has = |name: &String| user.is_called(name) || user.alias_names().any(|alias| alias == *name);
        for name in [&wanted.address].into_iter().chain(&wanted.aliases).filter(|name| !has(name)) {
            self.is_free(work, name, Some(user), until).await?;
        }
        let mut now = self.update(work, user, &edit, until).await?;
        if edit.primary_email.is_some() && !user.alias_names().any(|alias| user.is_called(&alias)) {
            // The old address is an alias from now on, whether this answer shows it or not.
            now.aliases.push(user.primary_email.clone());
        }
        self.follow_up(work, wanted, &now, work.action == Action::Create, until).await?;
        self.is_clear(work.account.uid);
        Ok(Some(now.id))
    }

    /// Aliases and groups. What is done already is not done again.
    pub(super) async fn follow_up(
        &self,
        work: &Work,
        wanted: &Wanted,
        user: &User,
        is_new: bool,
        until: Instant,
    ) -> Result<(), Fault> {
        let has: Vec<String> = user.alias_names().collect();
        for alias in has.iter().filter(|alias| !wanted.aliases.contains(alias) && **alias != wanted.address) {
            let done = self.api.remove_alias(&user.id, alias, until).await;
            self.done_or(work, "taking an alias from", done, |kind| matches!(kind, Kind::Missing(_)))?;
        }
        for alias in wanted.aliases.iter().filter(|alias| !has.contains(alias)) {
            match self.api.add_alias(&user.id, alias, until).await {
                Err(failure) if failure.kind() == Some(Kind::Taken) => self.own_alias(work, user, alias, until).await?,
                done => self.done_or(work, "giving an alias to", done, |_| false)?,
            }
        }
        for group in &self.layout.groups {
            let wants = wanted.groups.contains(&group.email);
            let known = self.known(work)?;
            if (is_new && !wants) || known.is_some_and(|known| known.groups.contains(&group.email) == wants) {
                continue;
            }
            // The first time it is simply tried.
            let tried = is_new && self.join(work, user, &group.email, until).await?;
            if tried || self.is_in(work, user, &group.email, until).await? == wants {
                continue;
            }
            if wants {
                self.join(work, user, &group.email, until).await?;
            } else {
                let done = self.api.leave(&group.email, &user.id, until).await;
                self.done_or(work, "taking out of a group", done, |kind| kind == Kind::Missing(Missing::Member))?;
            }
        }
        Ok(())
    }

    /// An alias that "exists already" is this user's own, or somebody else's.
    async fn own_alias(&self, work: &Work, user: &User, alias: &str, until: Instant) -> Result<(), Fault> {
        let uid = work.account.uid;
        let told = format!("asking whose an alias of account {uid} is");
        match self.api.user(alias, until).await.map_err(|f| self.unseen(work, &f, &told))? {
            Some(holder) if holder.id == user.id => Ok(()),
            Some(_) => Err(taken(work, alias)),
            None => Err(self.while_settling(uid, Why::Taken, taken(work, alias))),
        }
    }

    /// Puts it into a group; false: it is said to be there already.
    async fn join(&self, work: &Work, user: &User, group: &str, until: Instant) -> Result<bool, Fault> {
        let done = self.api.join(group, &user.primary_email, until).await;
        if matches!(&done, Err(failure) if failure.kind() == Some(Kind::Taken)) {
            return Ok(false);
        }
        self.done_or(work, &format!("putting into the group {group}"), done, |_| false).map(|()| true)
    }

    pub(super) async fn is_in(&self, work: &Work, user: &User, group: &str, until: Instant) -> Result<bool, Fault> {
        let told = format!("account {}: looking into the group {group}", work.account.uid);
        self.api.is_member(group, &user.id, until).await.map_err(|f| self.unseen(work, &f, &told))
    }

    /// A change to a user. Google may have done it whatever it answers, and says so only when it is looked at.
    async fn update(&self, work: &Work, user: &User, edit: &Edit, until: Instant) -> Result<User, Fault> {
        if edit.is_empty() {
            return Ok(user.clone());
        }
        let uid = work.account.uid;
        let failure = match self.api.update(&user.id, &edit.body(), until).await {
            Ok(user) => return Ok(user),
            Err(failure) => failure,
        };
        let fault = failure.fault(&format!("changing account {uid}"));
        match failure.kind() {
            // Seen a moment ago: Google has not told all its servers.
            Some(Kind::Missing(Missing::User)) => return Err(self.while_settling(uid, Why::NotFound, fault)),
            Some(Kind::Forbidden) => return Err(self.while_settling(uid, Why::Forbidden, fault)),
            _ if !failure.leaves_open() => return Err(fault),
            _ => {}
        }
        let told = format!("{}; looking at it", fault.message);
        let there = self.api.user(&user.id, until).await.map_err(|f| Fault::unknown(f.fault(&told).message))?;
        if let Some(there) = there.filter(|there| edit.shows_in(there)) {
            return Ok(there);
        }
        match (failure.kind(), &edit.primary_email) {
            (Some(Kind::Taken), Some(name)) => {
                self.is_free(work, name, Some(user), until).await?;
                let conflict = Fault::conflict(format!("account {uid}: its new address is taken: {}", fault.message));
                Err(self.while_settling(uid, Why::Taken, conflict))
            }
            (Some(Kind::NotComplete), _) => Err(self.while_settling(uid, Why::NotComplete, fault)),
            _ => Err(fault),
        }
    }

    async fn remove(&self, work: &Work, until: Instant) -> Done {
        match self.look_everywhere(&self.api, work, until).await? {
            Some(user) => self.delete(work, &user, until).await.map(|()| Some(user.id)),
            None => Ok(work.external_id.clone()),
        }
    }

    pub(super) async fn undo_one(&self, work: &Work, until: Instant) -> Result<(), Fault> {
        let uid = work.account.uid;
        if work.action != Action::Create {
            return Err(Fault::permanent(format!(
                "account {uid}: only a create can be undone; what a {} did stands",
                work.action.as_str()
            )));
        }
        let seen = match self.look(&self.api, work, until).await? {
            // Its address is somebody else's: it was never made, or has another address now.
            Seen::Others => {
                self.look_everywhere(&self.api, work, until).await?.map_or(Seen::Others, |u| Seen::Own(Box::new(u)))
            }
            seen => seen,
        };
        match seen {
            Seen::Own(user) => self.delete(work, &user, until).await?,
            Seen::Others => {}
            // A create whose answer was lost may come to light yet, whether this akund remembers it or the one before it.
            Seen::Nothing if self.in_doubt(uid) < self.recheck => {
                return Err(Fault::unknown(format!(
                    "account {uid}: it may have been made, and is not to be seen yet; it is looked for again before it counts as undone"
                )));
            }
            Seen::Nothing => {}
        }
        self.is_clear(uid);
        Ok(())
    }

    async fn delete(&self, work: &Work, user: &User, until: Instant) -> Result<(), Fault> {
        let uid = work.account.uid;
        let Err(failure) = self.api.delete(&user.id, until).await else { return Ok(()) };
        if failure.kind() == Some(Kind::Missing(Missing::User)) {
            return Ok(());
        }
        let fault = failure.fault(&format!("removing account {uid}"));
        match failure.kind() {
            Some(Kind::NotComplete) => Err(self.while_settling(uid, Why::NotComplete, fault)),
            Some(Kind::Forbidden) => Err(self.while_settling(uid, Why::Forbidden, fault)),
            _ if !failure.leaves_open() => Err(fault),
            _ => match self.api.user(&user.id, until).await {
                Ok(None) => Ok(()),
                Ok(Some(_)) | Err(_) => Err(Fault::unknown(fault.message)),
            },
        }
    }

    /// A follow-up on a user: done, as good as done, or a fault; one that Google's delay explains is waited out.
    fn done_or(
        &self,
        work: &Work,
        what: &str,
        done: Result<(), Failure>,
        as_good: impl Fn(Kind) -> bool,
    ) -> Result<(), Fault> {
        let Err(failure) = done else { return Ok(()) };
        let uid = work.account.uid;
        let fault = failure.fault(&format!("{what} account {uid}"));
        match failure.kind() {
            Some(kind) if as_good(kind) => Ok(()),
            Some(Kind::Missing(_)) => Err(self.while_settling(uid, Why::NotFound, fault)),
            Some(Kind::Forbidden) => Err(self.while_settling(uid, Why::Forbidden, fault)),
            Some(Kind::NotComplete | Kind::Precondition) => Err(self.while_settling(uid, Why::NotComplete, fault)),
            _ => Err(fault),
        }
    }
}
