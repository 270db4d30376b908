//! Targets: where accounts are made. A target knows nothing of retries, leases or the journal.

pub mod adopt;
mod blocking;
pub mod google;
pub mod home;
pub mod ldap;
pub mod login;
pub mod mailmaps;
pub mod mapfiles;
pub mod nas;
pub mod radius;
pub mod sql;
mod work;

use crate::model::{
    Account, AccountUid, Action, Answer, Credential, Fault, FaultClass, Finding, Proof, Scheme, StepId,
};
use jiff::Timestamp;
use std::collections::BTreeSet;
use std::time::Duration;

/// One account's worth of work in a batch.
#[derive(Debug, Clone)]
pub struct Work {
    /// The step it carries out; only for messages.
    pub step: StepId,
    /// What the request asks for. `apply` brings it about, `prove` shows it, `undo` takes it back.
    pub action: Action,
    /// The account as it shall be.
    pub account: Account,
    /// What [`Applied::external_id`] was when the account was last written here; none before the first time.
    pub external_id: Option<String>,
    /// With create and reset: the password and the hashes.
    pub credential: Option<Credential>,
    /// An earlier attempt's answer was lost: it may have happened already.
    pub uncertain: bool,
    /// Of an account that akund did not make: as the register knew it before this request. It is the one with
    /// [`Work::external_id`], whether it bears a mark yet or not, and of it only what differs from this is changed: the register
    /// does not know the rest.
    pub adopted: Option<Box<Account>>,
}

/// What `apply` has done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applied {
    /// The target's immutable id of the account (entryUUID, Google id, row id), where it has one.
    pub external_id: Option<String>,
}

/// How long a target goes on beginning log-ins of one batch. What it has proven by then is recorded, and its notices leave.
pub const PROVING: Duration = Duration::from_secs(30);

/// A server (or database) that holds accounts.
///
/// The lane calls one method at a time per target, with batches of one or more, and expects exactly one
/// answer per work, in the same order. Methods must be **idempotent**: a target that has been written to
/// twice with the same work is as if written to once. An implementation must *not* retry, must not
/// wait longer than its own time-outs, must not touch what `account.uid` does not mark as the same
/// account (that is `Fault::conflict`; an adopted one is known by its `external_id`, too, and gets the mark with the first change), must not log secrets, and must not fail a whole batch for one bad entry.
pub trait Target: Send + Sync {
    /// Its name in the configuration; the name of its lane.
    fn name(&self) -> &str;
    /// The services it provides ("mail", "hotspot").
    fn services(&self) -> &[String];
    /// The password schemes it needs with create and reset.
    fn schemes(&self) -> &[Scheme];
    /// How many batches it takes at once, of different accounts. More than one is worth it where waiting is most of the work.
    fn at_once(&self) -> usize {
        1
    }
    /// There must be accounts here: where what held them is gone, it was lost, and is not made anew. Told before
    /// [`Self::make_ready`], by the register.
    fn expect_accounts(&self) {}
    /// Makes what is missing on this machine, before the lane starts; blocks. What may pass (no permission, no disk) is left to later
    /// attempts, so that a target that is down is a waiting lane and not a daemon that does not start.
    ///
    /// # Errors
    /// Permanent.
    fn make_ready(&self) -> Result<(), Fault> {
        Ok(())
    }
    /// Which of these names (addresses, aliases, user names; lower case) exist here, and are they akund's:
    /// for each name found, the name, and the `uid` that marks the account, if any.
    fn find<'a>(&'a self, names: &'a [String]) -> Answer<'a, Result<Vec<Found>, Fault>>;
    /// Of accounts that akund did not make: the immutable id of the one that has the account's address (or, without one, its user
    /// name). None there is permanent; two, or one that is marked as another account's, is a conflict; one that is this account's
    /// already is a success. Changes nothing.
    fn identify<'a>(&'a self, batch: &'a [Work]) -> Answer<'a, Vec<Result<Applied, Fault>>>;
    /// Brings each work's action about. Create of an account that is there with the same uid is a success
    /// after making it as wanted; with another uid or none it is a conflict, and nothing is written.
    fn apply<'a>(&'a self, batch: &'a [Work]) -> Answer<'a, Vec<Result<Applied, Fault>>>;
    /// Shows that it works: after create and reset that the password opens the account, after suspend and remove that
    /// it does not. Through a new connection; never from memory of what was written. Where logging in takes long, the answers may be
    /// fewer than the works, from the first on and at least one: after [`PROVING`] no further log-in is begun, and what is left
    /// is asked for again.
    fn prove<'a>(&'a self, batch: &'a [Work]) -> Answer<'a, Vec<Result<Proof, Fault>>>;
    /// Whether each account is as its work wants it, by what the target itself holds: as `prove`, but nobody else is asked or told. No
    /// log-in is tried at another server, no session is ended. For a comparison with the register.
    fn read_back<'a>(&'a self, batch: &'a [Work]) -> Answer<'a, Vec<Result<Proof, Fault>>> {
        self.prove(batch)
    }
    /// Takes back exactly what a create with this uid made; nothing there is a success.
    fn undo<'a>(&'a self, batch: &'a [Work]) -> Answer<'a, Vec<Result<(), Fault>>>;
    /// Does what no request asks for: makes tables, and what time alone brings about where the server cannot tell the time itself.
    /// Answers when to ask again. The lane asks at its start, when it has nothing else to do, and then.
    fn keep_up<'a>(&'a self) -> Answer<'a, Result<Option<Timestamp>, Fault>> {
        Box::pin(async { Ok(None) })
    }
    /// Whether it answers, and has what accounts are kept in: the cheapest question that shows it. The lane asks while it has nothing to
    /// do, so that a server that is down is seen before a request needs it. Changes nothing in any account.
    fn answers<'a>(&'a self) -> Answer<'a, Result<(), Fault>>;
    /// Everything that is an account here, akund's and others', for a comparison with the register. Reads in bulk, through a new
    /// connection; changes nothing. What cannot be read to its end is a fault, and never a shorter list.
    fn list<'a>(&'a self) -> Answer<'a, Result<Vec<Held>, Fault>>;
    /// Which of these accounts are here by akund's mark, whatever they are called. A target asks for just these, where it can: a server
    /// may limit how much it shows of everything ([`Self::list`], which this does by default), and that must not keep one account
    /// waiting. Changes nothing.
    fn marked<'a>(&'a self, uids: &'a [AccountUid]) -> Answer<'a, Result<BTreeSet<AccountUid>, Fault>> {
        Box::pin(async move {
            let there: BTreeSet<AccountUid> = self.list().await?.into_iter().filter_map(|held| held.uid).collect();
            Ok(uids.iter().copied().filter(|uid| there.contains(uid)).collect())
        })
    }
    /// Whether reading a thousand accounts back (`prove` of a change) costs it hardly more than reading one.
    fn reads_in_bulk(&self) -> bool {
        true
    }
    /// Looks whether it can be used; changes nothing.
    fn check<'a>(&'a self) -> Answer<'a, Vec<Finding>>;
}

/// Of making a target ready: what will not pass; what may is told.
fn unless_it_may_pass<T>(target: &str, made: Result<T, Fault>) -> Result<(), Fault> {
    match made {
        Err(fault) if fault.class != FaultClass::Transient => Err(fault),
        Err(fault) => {
            tracing::warn!(target_name = target, "{fault}");
            Ok(())
        }
        Ok(_) => Ok(()),
    }
}

/// A name that exists at a target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The name asked for.
    pub name: String,
    /// The uid that marks the account as akund's, if it is marked.
    pub uid: Option<AccountUid>,
}

/// An account that exists at a target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// What it is called there: its address, or its user name.
    pub name: String,
    /// The uid that marks it as this target's and akund's, if it is marked.
    pub uid: Option<AccountUid>,
    /// The target's immutable id of it, where it has one.
    pub external_id: Option<String>,
    /// Whether somebody can log in to it.
    pub state: HeldState,
    /// By what else people get in under its name, in words; none: by nothing that is to be seen.
    pub way_in: Option<String>,
}

/// What there is of an account at a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeldState {
    /// Somebody can log in.
    Open,
    /// Logging in is stopped.
    Closed,
    /// Only akund's own note of it is left: what it was made of is gone.
    Gone,
}

impl HeldState {
    /// Of an account that is there.
    pub fn of(closed: bool) -> Self {
        if closed { Self::Closed } else { Self::Open }
    }
}
