//! A Workspace account at the test server, and a lane's patience.

use crate::google::directory::User;
use crate::google::server::{ADMIN, Server};
use akund::config::{self, TargetConfig};
use akund::lane::retry::{self, Policy};
use akund::model::{Account, AccountUid, Action, Address, Credential, Fault, FaultClass, Proof, Scheme, StepId};
use akund::secret::{hash, place::read_secret};
use akund::target::google::Workspace;
use akund::target::{Found, Target, Work};
use jiff::SignedDuration;
use serde_json::json;
use std::path::Path;
use tempfile::TempDir;
use tokio::time::Instant;
use uuid::Uuid;

pub struct Bench {
    pub server: Server,
    pub target: Workspace,
    pub dir: TempDir,
}

/// A lane's, as configured by default.
pub const PATIENCE: Policy = Policy {
    first: SignedDuration::from_secs(2),
    longest: SignedDuration::from_secs(900),
    give_up: SignedDuration::from_hours(72),
    settle: SignedDuration::from_secs(30),
    look: SignedDuration::from_secs(60),
    never_blindly: false,
};

/// A target with these lines beside the required ones.
pub fn workspace(server: &Server, dir: &Path, more: &str) -> Workspace {
    configured(&toml(server, dir, more), dir)
}

pub fn configured(text: &str, dir: &Path) -> Workspace {
    let config = config::load::from_text(text, dir).unwrap_or_else(|report| panic!("{report}"));
    let Some(TargetConfig::Google(google)) = config.target.get("google") else { panic!("another kind") };
    Workspace::configured("google", google, &read_secret).unwrap_or_else(|fault| panic!("{fault}"))
}

pub fn toml(server: &Server, dir: &Path, more: &str) -> String {
    let key = dir.join("key.json");
    std::fs::write(&key, Server::key_file()).unwrap();
    format!(
        "akund = 1\n[target.google]\nkind = \"google\"\nkey_file = {key:?}\nsubject = \"{ADMIN}\"\n\
         domains = [\"example.org\", \"unit.example.org\"]\nroot_url = \"{}\"\ntoken_url = \"{}\"\n{more}",
        server.root_url(),
        server.token_url()
    )
}

pub const GROUPS: &str = "[[target.google.groups]]\nemail = \"semua@example.org\"\n\
                          [[target.google.groups]]\nemail = \"tamu@example.org\"\ngroup = \"tamu\"\n";

impl Bench {
    pub async fn new() -> Self {
        Self::with("").await
    }

    pub async fn with(more: &str) -> Self {
        let server = Server::start().await;
        for group in ["semua@example.org", "tamu@example.org"] {
            server.state().directory.groups.insert(group.into(), Default::default());
        }
        let dir = tempfile::tempdir().unwrap();
        let target = workspace(&server, dir.path(), more);
        Self { server, target, dir }
    }

    /// Once.
    pub async fn apply_once(&self, work: &Work) -> Result<Option<String>, Fault> {
        self.target.apply(std::slice::from_ref(work)).await.remove(0).map(|applied| applied.external_id)
    }

    /// As a lane does: again, until it is done or will never be.
    pub async fn apply(&self, work: &Work) -> Result<Option<String>, Fault> {
        self.apply_all(vec![work.clone()]).await.remove(0)
    }

    pub async fn apply_all(&self, works: Vec<Work>) -> Vec<Result<Option<String>, Fault>> {
        patiently(works, async |batch| {
            self.target.apply(batch).await.into_iter().map(|answer| answer.map(|applied| applied.external_id)).collect()
        })
        .await
    }

    pub async fn prove_once(&self, work: &Work) -> Result<Proof, Fault> {
        self.target.prove(std::slice::from_ref(work)).await.remove(0)
    }

    pub async fn prove(&self, work: &Work) -> Result<Proof, Fault> {
        self.prove_all(vec![work.clone()]).await.remove(0)
    }

    pub async fn prove_all(&self, works: Vec<Work>) -> Vec<Result<Proof, Fault>> {
        patiently(works, async |batch| self.target.prove(batch).await).await
    }

    pub async fn undo_once(&self, work: &Work) -> Result<(), Fault> {
        self.target.undo(std::slice::from_ref(work)).await.remove(0)
    }

    pub async fn undo(&self, work: &Work) -> Result<(), Fault> {
        patiently(vec![work.clone()], async |batch| self.target.undo(batch).await).await.remove(0)
    }

    pub async fn find(&self, names: &[&str]) -> Vec<Found> {
        let names: Vec<String> = names.iter().map(|n| (*n).to_owned()).collect();
        self.target.find(&names).await.unwrap()
    }

    /// Every user but the administrator, as it really is.
    pub fn users(&self) -> Vec<User> {
        let state = self.server.state();
        let mut users: Vec<User> = state.directory.living().filter(|user| user.email() != ADMIN).cloned().collect();
        users.sort_by(|a, b| a.email().cmp(b.email()));
        users
    }

    pub fn user(&self, email: &str) -> User {
        self.users().into_iter().find(|user| user.email() == email).unwrap_or_else(|| panic!("no {email}"))
    }

    /// A user that somebody else made.
    pub fn put_foreign(&self, account: &Account) {
        self.server.state().directory.put(json!({
            "primaryEmail": account.address.as_ref().unwrap().as_str(),
            "name": {"givenName": "Orang", "familyName": "Lain"}, "suspended": false, "orgUnitPath": "/"
        }));
    }
}

/// What a lane makes of a batch: what failed and may pass is tried again after a while, together.
async fn patiently<T>(
    works: Vec<Work>,
    mut batch: impl AsyncFnMut(&[Work]) -> Vec<Result<T, Fault>>,
) -> Vec<Result<T, Fault>> {
    let mut answers: Vec<Option<Result<T, Fault>>> = works.iter().map(|_| None).collect();
    let mut left: Vec<(usize, Work)> = works.into_iter().enumerate().collect();
    let begun = Instant::now();
    for attempt in 1.. {
        let now: Vec<Work> = left.iter().map(|(_, work)| work.clone()).collect();
        let mut again = Vec::new();
        for ((at, mut work), answer) in left.into_iter().zip(batch(&now).await) {
            match answer {
                Err(fault) if matches!(fault.class, FaultClass::Transient | FaultClass::Unknown) => {
                    work.uncertain = fault.class == FaultClass::Unknown;
                    assert!(begun.elapsed().as_secs() < 72 * 3600, "given up: {fault}");
                    again.push((at, work));
                }
                answer => answers[at] = Some(answer),
            }
        }
        left = again;
        if left.is_empty() {
            break;
        }
        let wait = retry::wait(&PATIENCE, attempt, rand::random());
        tokio::time::sleep(wait.try_into().unwrap()).await;
    }
    answers.into_iter().map(Option::unwrap).collect()
}

pub fn address(text: &str) -> Address {
    text.parse().unwrap_or_else(|e| panic!("{text}: {e}"))
}

/// `nNNNN@example.org`.
pub fn account(n: usize) -> Account {
    named(&format!("n{n:04}"))
}

pub fn named(local: &str) -> Account {
    Account {
        address: Some(address(&format!("{local}@example.org"))),
        name: "Siti Aminah".into(),
        given_name: "Siti".into(),
        family_name: "Aminah".into(),
        category: "staff".into(),
        unit: "Biro Administrasi".into(),
        services: vec!["mail".into()],
        recovery_email: Some(address("siti@example.net")),
        recovery_phone: Some(akund::model::Phone::parse("081234567890", "ID").unwrap()),
        ..Account::bare(AccountUid(Uuid::now_v7()), local.parse().unwrap_or_else(|_| "user".parse().unwrap()))
    }
}

pub fn credential() -> Credential {
    hash::new_credential(&[Scheme::Sha512Crypt]).unwrap()
}

pub fn create(account: &Account) -> Work {
    work(Action::Create, account, Some(credential()))
}

/// Creates with one password for all: hashing takes its time.
pub fn creates(accounts: impl IntoIterator<Item = Account>) -> Vec<Work> {
    let credential = credential();
    accounts.into_iter().map(|account| work(Action::Create, &account, Some(credential.clone()))).collect()
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

pub fn with_id(mut work: Work, id: &Option<String>) -> Work {
    work.external_id = id.clone();
    work
}

pub fn hash_of(work: &Work) -> &str {
    work.credential.as_ref().unwrap().hash(Scheme::Sha512Crypt).unwrap().expose()
}

#[track_caller]
pub fn class_of<T: std::fmt::Debug>(result: &Result<T, Fault>) -> FaultClass {
    result.as_ref().expect_err("this should have failed").class
}
