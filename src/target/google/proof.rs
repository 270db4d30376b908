//! Proof: the account is read back, through connections of its own. Google never shows a password.

use super::api::Api;
use super::layout::Wanted;
use super::user::{Edit, User};
use super::{Why, Workspace};
use crate::model::{Action, Fault, Proof};
use crate::target::Work;
use jiff::Timestamp;
use tokio::time::Instant;

impl Workspace {
    pub(super) async fn prove_all(&self, batch: &[Work]) -> Vec<Result<Proof, Fault>> {
        let api = match self.api.anew() {
            Ok(api) => api,
            Err(what) => return vec![Err(Fault::transient(what)); batch.len()],
        };
        let api = &api;
        self.each(batch, |at, until| async move {
            let work = &batch[at];
            self.prove_one(api, work, until).await?;
            self.is_clear(work.account.uid);
            Ok(Proof::Observed)
        })
        .await
    }

    async fn prove_one(&self, api: &Api, work: &Work, until: Instant) -> Result<(), Fault> {
        let uid = work.account.uid;
        let minted = work.action.mints();
        if minted && work.credential.is_none() {
            return Err(Fault::permanent(format!("account {uid}: there is no password that it could have")));
        }
        if minted && work.account.ends_at.is_some_and(|end| end <= Timestamp::now()) {
            return Err(Fault::permanent(format!("account {uid}: it has ended; nobody may log in to it")));
        }
        let wanted = match work.action {
            Action::Create | Action::Change => Some(self.layout.wanted(&work.account)?),
            _ => None,
        };
        let user = self.look_everywhere(api, work, until).await?;
        let (Some(user), false) = (&user, work.action == Action::Remove) else {
            return match (user, work.action) {
                (None, Action::Remove) => Ok(()),
                (Some(_), _) => self.not_so(work, "its user is still there"),
                (None, _) => self.not_so(work, "its user is not there yet"),
            };
        };
        let closed = user.suspended;
        match work.action {
            Action::Suspend if !closed => return self.not_so(work, "its user is not suspended"),
            Action::Create | Action::Reset | Action::Resume if closed => {
                return self.not_so(work, "its user is suspended");
            }
            _ => {}
        }
        let Some(wanted) = wanted else { return Ok(()) };
        let known = self.known(work)?;
        if known.is_some() && user.uid().is_none() {
            return self.not_so(work, "its user does not bear its mark yet");
        }
        let what = match &known {
            Some(known) => changed_otherwise(known, user, &wanted),
            None => differs(user, &wanted),
        };
        if let Some(what) = what {
            return self.not_so(work, &format!("its user has {what} than what was written"));
        }
        let new = |group: &&String| known.as_ref().is_none_or(|known| !known.groups.contains(group));
        for group in wanted.groups.iter().filter(new) {
            let told = format!("account {uid}: looking into the group {group}");
            let is_in = api.is_member(group, &user.id, until).await.map_err(|f| self.unseen(work, &f, &told))?;
            if !is_in {
                return self.not_so(work, &format!("it is not in the group {group}"));
            }
        }
        Ok(())
    }

    /// Google may need a while to show it; after that somebody else has changed it.
    fn not_so(&self, work: &Work, what: &str) -> Result<(), Fault> {
        let uid = work.account.uid;
        let seconds = self.settle.as_secs();
        let lasting =
            Fault::permanent(format!("account {uid}: {what}, and Google has had {seconds} s to show otherwise"));
        let fault = self.while_settling(uid, Why::NotAsWritten, lasting);
        Err(match fault.class {
            crate::model::FaultClass::Transient => Fault::transient(format!("account {uid}: {what}")),
            _ => fault,
        })
    }
}

/// What of an adopted account is not as a change wants it.
fn changed_otherwise(known: &Wanted, user: &User, wanted: &Wanted) -> Option<&'static str> {
    let edit = super::adopt::of_change(known, wanted, Edit::of_account(user, wanted));
    let has: Vec<String> = user.alias_names().collect();
    let mut new = wanted.aliases.iter().filter(|alias| !known.aliases.contains(alias));
    if edit.primary_email.is_some() {
        Some("another address")
    } else if edit.name.is_some() {
        Some("another name")
    } else if edit.org_unit.is_some() {
        Some("another organisational unit")
    } else if new.any(|alias| !has.contains(alias)) {
        Some("other aliases")
    } else {
        None
    }
}

/// What of an account is not as wanted.
fn differs(user: &User, wanted: &Wanted) -> Option<&'static str> {
    let edit = Edit::of_account(user, wanted);
    let mut aliases: Vec<String> = user.alias_names().collect();
    let mut expected = wanted.aliases.clone();
    aliases.sort();
    expected.sort();
    if edit.primary_email.is_some() {
        Some("another address")
    } else if edit.name.is_some() {
        Some("another name")
    } else if edit.org_unit.is_some() {
        Some("another organisational unit")
    } else if aliases != expected {
        Some("other aliases")
    } else {
        None
    }
}
