//! After the journal was put back: a target is looked at before anything is written to it ([`crate::journal::restored`]).

use super::Success;
use crate::model::AccountUid;
use crate::model::{Action, Fault, FaultClass};
use crate::target::{Target, Work};
use std::collections::BTreeSet;

/// What looking came to.
#[derive(Debug)]
pub(super) enum Looked {
    /// It is to be written: it is not there, or not yet as wanted.
    Write,
    /// Nothing needs to be written, or may be.
    Settled(Result<Success, Fault>),
}

/// Looks at each work's account: one answer each, in order. Asks the target once for the names of all of them; and for the marks of
/// those that would be made and are not there under their names: they may have been given others after the backup, or be gone.
pub(super) async fn look(target: &dyn Target, works: &[Work]) -> Vec<Looked> {
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
    let made = |work: &Work| work.action == Action::Create || (work.action == Action::Reset && work.adopted.is_none());
    let unseen = |n: &usize| made(&works[*n]) && !there.contains(&works[*n].account.uid);
    let unseen: Vec<usize> = (0..works.len()).filter(unseen).collect();
    let uids: Vec<AccountUid> = unseen.iter().map(|n| works[*n].account.uid).collect();
    let renamed = match uids.is_empty() {
        true => Ok(BTreeSet::new()),
        false => target.marked(&uids).await,
    };
    for n in unseen {
        let found = renamed.as_ref().map(|renamed| renamed.contains(&works[n].account.uid));
        match (works[n].action, found) {
            (Action::Create, Ok(false)) | (Action::Reset, Ok(true)) => {}
            (Action::Reset, Ok(false)) => looked[n] = Looked::Settled(Err(gone(&works[n]))),
            (_, Ok(_)) => looked[n] = Looked::Settled(Err(under_another_name(&works[n]))),
            (_, Err(fault)) => looked[n] = Looked::Settled(Err(fault.clone())),
        }
    }
    let mut shown = shown.into_iter();
    for n in own {
        let proof = shown.next().unwrap_or_else(|| Err(Fault::transient("its account was not looked at yet")));
        looked[n] = judge(&works[n], proof.map(drop));
    }
    looked
}

fn under_another_name(work: &Work) -> Fault {
    Fault::conflict(format!(
        "account {}: it is there under another name: it was made, and renamed, after the backup that was put back. Nothing was \
         written. `akund retry` gives it the journal's names and password, `akund withdraw` ends the request and leaves the \
         account alone",
        work.account.uid
    ))
}

/// A reset would make it anew.
fn gone(work: &Work) -> Fault {
    Fault::conflict(format!(
        "account {}: it is not there: it may have been removed after the backup that was put back. Nothing was written. `akund \
         retry` makes it anew with the journal's password, `akund withdraw` ends the request",
        work.account.uid
    ))
}

/// What the proof of an account that is there says of the step. Pure.
fn judge(work: &Work, proof: Result<(), Fault>) -> Looked {
    match proof {
        Ok(()) => Looked::Settled(Ok(Success { found: true, ..Success::default() })),
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
    use crate::model::{Account, Answer, Finding, Proof, Scheme, StepId};
    use crate::target::{Applied, Found, Held};

    fn work(action: Action) -> Work {
        let account = Account::bare(AccountUid(uuid::Uuid::nil()), "humas".parse().unwrap());
        Work { step: StepId(1), action, account, external_id: None, credential: None, uncertain: true, adopted: None }
    }

    /// A server that shows some accounts by their marks, none by their names, and never everything.
    struct Limited(BTreeSet<AccountUid>);

    impl Target for Limited {
        fn name(&self) -> &str {
            "limited"
        }
        fn services(&self) -> &[String] {
            &[]
        }
        fn schemes(&self) -> &[Scheme] {
            &[]
        }
        fn find<'a>(&'a self, _: &'a [String]) -> Answer<'a, Result<Vec<Found>, Fault>> {
            Box::pin(async { Ok(Vec::new()) })
        }
        fn identify<'a>(&'a self, _: &'a [Work]) -> Answer<'a, Vec<Result<Applied, Fault>>> {
            Box::pin(async { Vec::new() })
        }
        fn apply<'a>(&'a self, _: &'a [Work]) -> Answer<'a, Vec<Result<Applied, Fault>>> {
            Box::pin(async { Vec::new() })
        }
        fn prove<'a>(&'a self, _: &'a [Work]) -> Answer<'a, Vec<Result<Proof, Fault>>> {
            Box::pin(async { Vec::new() })
        }
        fn undo<'a>(&'a self, _: &'a [Work]) -> Answer<'a, Vec<Result<(), Fault>>> {
            Box::pin(async { Vec::new() })
        }
        fn answers<'a>(&'a self) -> Answer<'a, Result<(), Fault>> {
            Box::pin(async { Ok(()) })
        }
        fn list<'a>(&'a self) -> Answer<'a, Result<Vec<Held>, Fault>> {
            Box::pin(async { Err(Fault::permanent("sizeLimitExceeded (4)")) })
        }
        fn marked<'a>(&'a self, uids: &'a [AccountUid]) -> Answer<'a, Result<BTreeSet<AccountUid>, Fault>> {
            Box::pin(async { Ok(uids.iter().copied().filter(|uid| self.0.contains(uid)).collect()) })
        }
        fn check<'a>(&'a self) -> Answer<'a, Vec<Finding>> {
            Box::pin(async { Vec::new() })
        }
    }

    #[tokio::test]
    async fn a_server_that_does_not_show_everything_keeps_no_create_waiting() {
        let of = |n: u128| {
            let mut work = work(Action::Create);
            work.account.uid = AccountUid(uuid::Uuid::from_u128(n));
            work
        };
        let reset = |n| Work { action: Action::Reset, ..of(n) };
        let adopted = Work { adopted: Some(Box::new(of(6).account)), ..reset(6) };
        let works = [of(1), of(2), Work { action: Action::Suspend, ..of(3) }, reset(4), reset(5), adopted];
        let target = Limited([works[1].account.uid, works[2].account.uid, works[4].account.uid].into());
        let looked = look(&target, &works).await;
        assert!(
            matches!(&looked[3], Looked::Settled(Err(fault)) if fault.message.contains("makes it anew")),
            "{looked:?}"
        );
        assert!(matches!(looked[4..], [Looked::Write, Looked::Write]), "{looked:?}");
        assert!(matches!(looked[0], Looked::Write), "{looked:?}");
        assert!(matches!(&looked[1], Looked::Settled(Err(fault)) if fault.message.contains("under another name")));
        assert!(matches!(looked[2], Looked::Write), "{looked:?}");
    }

    #[test]
    fn an_account_that_opens_is_not_written_and_one_that_does_not_waits_for_a_person() {
        let refused = || Err(Fault::permanent("refused"));
        for action in [Action::Create, Action::Reset, Action::Suspend, Action::Remove, Action::Change, Action::Resume] {
            assert!(
                matches!(judge(&work(action), Ok(())), Looked::Settled(Ok(Success { found: true, .. }))),
                "{action:?}"
            );
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
