//! What targets ask of a work, whatever they keep accounts in.

use super::Work;
use crate::model::{Account, Action, Fault, Scheme, Secret};
use crate::secret::hash;
use jiff::Timestamp;

/// What brings a work about: a reset of an account that the target has lost makes it anew, with the new password. That the register
/// has it, open, was judged. What akund did not make stays lost.
pub(super) fn action_where(work: &Work, is_there: bool) -> Action {
    match work.action {
        Action::Reset if !is_there && work.adopted.is_none() => Action::Create,
        action => action,
    }
}

/// The hash that a create or reset brings along.
pub(super) fn wanted_hash(work: &Work, scheme: Scheme) -> Result<&Secret, Fault> {
    work.credential.as_ref().and_then(|c| c.hash(scheme)).ok_or_else(|| {
        Fault::permanent(format!("account {}: there is no {scheme:?} hash of its password to store", work.account.uid))
    })
}

/// Whether the password about to be handed over opens what is stored: it is the hash that was made of it, or another one of it.
pub(super) fn check_password(work: &Work, stored: &str, scheme: Scheme) -> Result<(), Fault> {
    let Some(credential) = &work.credential else {
        return Err(Fault::permanent(format!("account {}: there is no password to prove it with", work.account.uid)));
    };
    let made_of_it = credential.hash(scheme).is_some_and(|made| made.expose() == stored);
    if made_of_it || hash::verify(&credential.password, stored, scheme) {
        return Ok(());
    }
    Err(Fault::permanent(format!(
        "account {}: the stored hash is not one of the password about to be handed over; somebody else has changed it",
        work.account.uid
    )))
}

/// Undoing anything else by deleting would take away an account that another request made.
pub(super) fn only_a_create(work: &Work) -> Result<(), Fault> {
    match work.action {
        Action::Create => Ok(()),
        other => Err(Fault::permanent(format!(
            "account {}: the action {} cannot be taken back, only create can",
            work.account.uid,
            other.as_str()
        ))),
    }
}

/// For sentences: the first character of a user name.
pub(super) fn masked(name: &str) -> String {
    name.chars().take(1).chain(['…']).collect()
}

/// The last instant, as seconds since 1970: from then on the account is no longer valid.
pub(super) fn end_seconds(account: &Account) -> Option<i64> {
    account.ends_at.map(Timestamp::as_second)
}
