//! Users that akund did not make. Finding one, and changing of it only what a request changes.

use super::Workspace;
use super::layout::Wanted;
use super::user::{Edit, User};
use crate::model::Fault;
use crate::target::{Applied, Work, adopt};
use tokio::time::Instant;

impl Workspace {
    /// As [`crate::target::Target::identify`].
    pub(super) async fn identify_one(&self, work: &Work, until: Instant) -> Result<Applied, Fault> {
        let (uid, name) = (work.account.uid, adopt::name(work));
        let told = format!("looking for account {uid}");
        let asked = Some(&name).filter(|name| self.layout.may_be_here(name));
        let user = match asked {
            Some(name) => self.api.user(name, until).await.map_err(|f| f.fault_of_a_look(&told))?,
            None => None,
        };
        let Some(user) = user else { return Err(adopt::none(uid, &name)) };
        if let Some(other) = user.uid().filter(|other| *other != uid) {
            return Err(adopt::anothers(uid, &name, &other.to_string()));
        }
        if user.is_admin || user.is_delegated_admin {
            return Err(Fault::permanent(format!(
                "account {uid}: an administrator of Google Workspace is not adopted"
            )));
        }
        Ok(Applied { external_id: Some(user.id) })
    }

    /// What of an account the register has known otherwise.
    pub(super) fn known(&self, work: &Work) -> Result<Option<Wanted>, Fault> {
        work.adopted.as_ref().map(|known| self.layout.wanted(known)).transpose()
    }
}

/// With the mark, where an adopted user has none yet.
pub fn claiming(work: &Work, user: &User, edit: Edit) -> Edit {
    let unmarked = work.adopted.is_some() && user.uid().is_none();
    Edit { external_ids: unmarked.then(|| user.marked(work.account.uid)), ..edit }
}

/// Of what differs at the user, what the request changes.
pub fn of_change(known: &Wanted, wanted: &Wanted, edit: Edit) -> Edit {
    let name = (&known.given_name, &known.family_name) != (&wanted.given_name, &wanted.family_name);
    Edit {
        primary_email: edit.primary_email.filter(|_| known.address != wanted.address),
        name: edit.name.filter(|_| name),
        org_unit: edit.org_unit.filter(|_| known.org_unit != wanted.org_unit),
        ..edit
    }
}

/// As it shall be with what a person has made of it: further aliases, and groups that the request does not change.
pub fn with_own(known: &Wanted, wanted: &Wanted, user: &User) -> Wanted {
    let mut all = wanted.clone();
    let others = user.alias_names().filter(|alias| !known.aliases.contains(alias) && !wanted.aliases.contains(alias));
    all.aliases.extend(others.filter(|alias| *alias != wanted.address));
    // Known and not there: a person has taken it away.
    let there: Vec<String> = user.alias_names().collect();
    all.aliases.retain(|alias| !known.aliases.contains(alias) || there.contains(alias));
    all
}
