//! Accounts to write, and asking a target about one of them.

use akund::model::{Account, AccountUid, Action, Address, Credential, Fault, FaultClass, Proof, Scheme, StepId};
use akund::secret::hash;
use akund::target::{Applied, Found, Target, Work};
use jiff::Timestamp;
use uuid::Uuid;

pub fn address(text: &str) -> Address {
    text.parse().unwrap_or_else(|e| panic!("{text}: {e}"))
}

/// An ordinary account, `nNNN@example.org` with the user name `nNNN`.
pub fn account(n: usize) -> Account {
    named(&format!("n{n:03}"))
}

pub fn named(local: &str) -> Account {
    Account {
        address: Some(address(&format!("{local}@example.org"))),
        name: "Biro Humas".into(),
        given_name: "Biro".into(),
        family_name: "Humas".into(),
        category: "unit".into(),
        unit: "Biro Administrasi".into(),
        services: vec!["mail".into(), "hotspot".into()],
        ..Account::bare(AccountUid(Uuid::now_v7()), local.parse().unwrap())
    }
}

pub fn work(action: Action, account: &Account, credential: Option<Credential>) -> Work {
    Work {
        step: StepId(1),
        action,
        account: account.clone(),
        external_id: None,
        credential,
        uncertain: false,
        adopted: None,
    }
}

pub fn plain(action: Action, account: &Account) -> Work {
    work(action, account, None)
}

/// A create with a fresh password, and its hash in these schemes.
pub fn create(account: &Account, schemes: &[Scheme]) -> Work {
    work(Action::Create, account, Some(hash::new_credential(schemes).unwrap()))
}

/// Creates with the same password, which is quicker.
pub fn creates(accounts: impl Iterator<Item = Account>, schemes: &[Scheme]) -> Vec<Work> {
    let credential = hash::new_credential(schemes).unwrap();
    accounts.map(|account| work(Action::Create, &account, Some(credential.clone()))).collect()
}

pub fn from_now(seconds: i64) -> Option<Timestamp> {
    Some(Timestamp::from_second(Timestamp::now().as_second() + seconds).unwrap())
}

pub fn password(work: &Work) -> &str {
    work.credential.as_ref().unwrap().password.expose()
}

#[track_caller]
pub fn class_of<T: std::fmt::Debug>(result: &Result<T, Fault>) -> FaultClass {
    result.as_ref().expect_err("this should have failed").class
}

#[allow(dead_code, reason = "the contract asks again by itself")]
pub async fn apply(target: &dyn Target, work: &Work) -> Result<Applied, Fault> {
    target.apply(std::slice::from_ref(work)).await.remove(0)
}

pub async fn prove(target: &dyn Target, work: &Work) -> Result<Proof, Fault> {
    target.prove(std::slice::from_ref(work)).await.remove(0)
}

#[allow(dead_code, reason = "the contract asks again by itself")]
pub async fn undo(target: &dyn Target, work: &Work) -> Result<(), Fault> {
    target.undo(std::slice::from_ref(work)).await.remove(0)
}

pub async fn find(target: &dyn Target, names: &[&str]) -> Vec<Found> {
    let names: Vec<String> = names.iter().map(|n| (*n).to_owned()).collect();
    target.find(&names).await.unwrap()
}
