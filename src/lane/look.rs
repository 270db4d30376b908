//! After the journal was put back: a target is looked at before anything is written to it ([`crate::journal::restored`]).

use super::Success;
use crate::model::AccountUid;
use crate::model::{Action, Fault, FaultClass};
use crate::target::{Target, Work};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

/// What looking came to.
#[derive(Debug)]
pub(super) enum Looked {
    /// It is to be written: it is not there, or not yet as wanted.
    Write,
    /// Nothing needs to be written, or may be.
    Settled(Result<Success, Fault>),
}

/// How long a list of all accounts serves. What is made meanwhile is made by this lane, and is found by its name.
const LISTED: Duration = Duration::from_secs(600);

/// The uids of all accounts of a target, and when they were listed.
pub(super) type Listed = Option<(Instant, BTreeSet<AccountUid>)>;

/// Looks at each work's account: one answer each, in order. Asks the target once for all of them; and for all of its accounts, at
/// most every ten minutes, where a new one is not there under its names: it may have been given others after the backup.
pub(super) async fn look(target: &dyn Target, works: &[Work], listed: &mut Listed) -> Vec<Looked> {
    let names: BTreeSet<String> = works.iter().flat_map(names).collect();
    let found = match target.find(&names.into_iter().collect::<Vec<_>>()).await {
        Ok(found) => found,
        Err(fault) => return works.iter().map(|_| Looked::Settled(Err(fault.clone()))).collect(),
    };
    let there: BTreeSet<_> = found.into_iter().filter_map(|found| found.uid).collect();
    let own: Vec<usize> = (0..works.len()).filter(|n| there.contains(&works[*n].account.uid)).collect();
    let shown = match own.is_empty() {
        true => Vec::new(),
        false => target.prove(&own.iter().map(|n| works[*n].clone()).collect::<Vec<_>>()).await,
    };
    let mut looked: Vec<Looked> = works.iter().map(|_| Looked::Write).collect();
    for (n, work) in works.iter().enumerate().filter(|(n, work)| work.action == Action::Create && !own.contains(n)) {
        match renamed(target, work.account.uid, listed).await {
            Ok(false) => {}
            Ok(true) => looked[n] = Looked::Settled(Err(under_another_name(work))),
            Err(fault) => looked[n] = Looked::Settled(Err(fault)),
        }
    }
    for (n, proof) in own.into_iter().zip(shown) {
        looked[n] = judge(&works[n], proof.map(drop));
    }
    looked
}

/// Whether an account with this uid is there, whatever it is called.
async fn renamed(target: &dyn Target, uid: AccountUid, listed: &mut Listed) -> Result<bool, Fault> {
    if let Some((at, uids)) = listed
        && at.elapsed() < LISTED
    {
        return Ok(uids.contains(&uid));
    }
    let uids: BTreeSet<AccountUid> = target.list().await?.into_iter().filter_map(|held| held.uid).collect();
    let there = uids.contains(&uid);
    *listed = Some((Instant::now(), uids));
    Ok(there)
}

fn under_another_name(work: &Work) -> Fault {
    Fault::conflict(format!(
        "account {}: it is there under another name: it was made, and renamed, after the backup that was put back. Nothing was \
         written. `akund retry` gives it the journal's names and password, `akund withdraw` ends the request and leaves the \
         account alone",
        work.account.uid
    ))
}

/// What the proof of an account that is there says of the step. Pure.
fn judge(work: &Work, proof: Result<(), Fault>) -> Looked {
    match proof {
        Ok(()) => Looked::Settled(Ok(Success::default())),
        // Nobody is locked out by it, and the target writes only what is not so yet.
        Err(_) if !work.action.mints() => Looked::Write,
        Err(fault) if matches!(fault.class, FaultClass::Transient | FaultClass::Unknown) => Looked::Settled(Err(fault)),
        Err(_) => Looked::Settled(Err(Fault::conflict(format!(
            "account {}: it is there and does not open with the password that the journal has: it was made, or its password \
             changed, after the backup that was put back. Nothing was written. `akund retry` sets the journal's password, \
             `akund withdraw` ends the request and leaves the account alone",
            work.account.uid
        )))),
    }
}

/// By which targets find an account.
fn names(work: &Work) -> impl Iterator<Item = String> + use<> {
    let account = &work.account;
    let address = account.address.as_ref().map(|address| address.as_str().to_lowercase());
    address.into_iter().chain(std::iter::once(account.username.as_str().to_lowercase())).collect::<Vec<_>>().into_iter()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Account, StepId};

    fn work(action: Action) -> Work {
        let account = Account {
            uid: AccountUid(uuid::Uuid::nil()),
            address: None,
            username: "humas".parse().unwrap(),
            aliases: Vec::new(),
            name: "Humas".into(),
            given_name: String::new(),
            family_name: "Humas".into(),
            category: "unit".into(),
            unit: String::new(),
            services: Vec::new(),
            ends_at: None,
            quota: None,
            group: None,
            recovery_email: None,
            recovery_phone: None,
        };
        Work { step: StepId(1), action, account, external_id: None, credential: None, uncertain: true, adopted: None }
    }

    #[test]
    fn an_account_that_opens_is_not_written_and_one_that_does_not_waits_for_a_person() {
        let refused = || Err(Fault::permanent("refused"));
        for action in [Action::Create, Action::Reset, Action::Suspend, Action::Remove, Action::Change, Action::Resume] {
            assert!(matches!(judge(&work(action), Ok(())), Looked::Settled(Ok(_))), "{action:?}");
            let looked = judge(&work(action), refused());
            match action.mints() {
                true => assert!(
                    matches!(&looked, Looked::Settled(Err(fault)) if fault.class == FaultClass::Conflict),
                    "{looked:?}"
                ),
                false => assert!(matches!(looked, Looked::Write), "{looked:?}"),
            }
        }
        let down = judge(&work(Action::Create), Err(Fault::transient("down")));
        assert!(matches!(down, Looked::Settled(Err(fault)) if fault.class == FaultClass::Transient));
    }
}
