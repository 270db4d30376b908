//! A directory server, a target that writes to it, and accounts to write.

use crate::peers::Slapd;
use akund::config::target::LdapConfig;
use akund::model::{Account, AccountUid, Action, Address, Credential, Fault, FaultClass, Proof, StepId};
use akund::model::{Finding, Scheme, Secret};
use akund::secret::hash;
use akund::target::ldap::Directory;
use akund::target::{Applied, Found, Target, Work};
use std::path::Path;
use uuid::Uuid;

/// A directory as the contract wants to meet it.
pub trait Site {
    /// The target's configuration.
    fn toml(&self) -> String;
    /// The DN that an account gets.
    fn dn_of(&self, account: &Account) -> String;
    /// What is there of accounts, as the server's own tools show it: one text per entry, without what the server counts itself.
    fn entries(&self) -> Vec<String>;
    /// Whether a password opens an entry, by a real client.
    fn logs_in(&self, dn: &str, password: &str) -> bool;
    /// Makes an entry of somebody else's with this account's names.
    fn put_foreign(&self, account: &Account);
    /// Removes every account.
    fn clear(&self);
}

/// OpenLDAP with the shipped configuration.
pub struct OpenLdap {
    pub slapd: Slapd,
}

impl OpenLdap {
    pub fn start() -> Self {
        Self { slapd: Slapd::start() }
    }
}

pub const PEOPLE: &str = "ou=people,dc=example,dc=org";

impl Site for OpenLdap {
    fn toml(&self) -> String {
        format!(
            "url = \"{}\"\nca_file = \"{}\"\n{}",
            self.slapd.url(),
            self.slapd.authority.ca.display(),
            common(&self.slapd)
        )
    }
    fn dn_of(&self, account: &Account) -> String {
        format!("uid={},{PEOPLE}", account.username)
    }
    fn entries(&self) -> Vec<String> {
        self.slapd.search("(objectClass=inetOrgPerson)", &["*", "pwdAccountLockedTime", "pwdReset"])
    }
    fn logs_in(&self, dn: &str, password: &str) -> bool {
        self.slapd.logs_in(dn, password)
    }
    fn put_foreign(&self, account: &Account) {
        let (name, address) = (&account.username, account.address.as_ref().unwrap());
        self.slapd.by_hand(&format!(
            "dn: cn=Foreign {name},{PEOPLE}\nchangetype: add\nobjectClass: inetOrgPerson\ncn: Foreign {name}\nsn: x\n\
             uid: {}\nmail: {address}\n",
            name.as_str().to_uppercase()
        ));
    }
    fn clear(&self) {
        let gone: String = self
            .entries()
            .iter()
            .map(|entry| format!("{}\nchangetype: delete\n\n", entry.lines().next().unwrap()))
            .collect();
        if !gone.is_empty() {
            self.slapd.by_hand(&gone);
        }
    }
}

/// Everything but the way there.
pub fn common(slapd: &Slapd) -> String {
    format!(
        r#"
bind_dn = "cn=akund,ou=services,dc=example,dc=org"
password_file = "{}"
base = "{PEOPLE}"
object_classes = ["inetOrgPerson"]
{ATTRIBUTES}"#,
        slapd.path("password").display()
    )
}

pub const ATTRIBUTES: &str = r#"
[attributes]
cn = "{name}"
sn = "{family_name}"
givenName = "{given_name}"
mail = ["{address}", "{aliases}"]
ou = "{unit}"
employeeType = "{category}"
description = "quota {quota}"
"#;

pub fn config(toml: &str) -> LdapConfig {
    toml::from_str(toml).unwrap_or_else(|e| panic!("{e}\n{toml}"))
}

pub fn secret_in(path: &Path) -> Result<Secret, String> {
    std::fs::read_to_string(path).map(|text| Secret::new(text.trim_end())).map_err(|e| e.to_string())
}

pub fn directory(toml: &str) -> Directory {
    Directory::configured("directory", &config(toml), &secret_in).unwrap()
}

pub async fn apply(target: &Directory, work: &Work) -> Result<Applied, Fault> {
    target.apply(std::slice::from_ref(work)).await.remove(0)
}
pub async fn prove(target: &Directory, work: &Work) -> Result<Proof, Fault> {
    target.prove(std::slice::from_ref(work)).await.remove(0)
}
pub async fn undo(target: &Directory, work: &Work) -> Result<(), Fault> {
    target.undo(std::slice::from_ref(work)).await.remove(0)
}
pub async fn find(target: &Directory, names: &[&str]) -> Vec<Found> {
    let names: Vec<String> = names.iter().map(|n| (*n).to_owned()).collect();
    target.find(&names).await.unwrap()
}
/// What `check` finds wrong.
pub fn wrong(findings: Vec<Finding>) -> Vec<String> {
    findings.into_iter().filter_map(Result::err).collect()
}

pub fn address(text: &str) -> Address {
    text.parse().unwrap_or_else(|e| panic!("{text}: {e}"))
}

/// An ordinary account, `nNNN@example.org` with the user name `nNNN`.
pub fn account(n: usize) -> Account {
    named(&format!("n{n:03}"))
}

pub fn named(local: &str) -> Account {
    Account {
        uid: AccountUid(Uuid::now_v7()),
        address: Some(address(&format!("{local}@example.org"))),
        username: local.parse().unwrap(),
        aliases: Vec::new(),
        name: "Biro Humas".into(),
        given_name: "Biro".into(),
        family_name: "Humas".into(),
        category: "unit".into(),
        unit: "Biro Administrasi".into(),
        services: vec!["mail".into()],
        ends_at: None,
        quota: None,
        group: None,
        recovery_email: None,
        recovery_phone: None,
    }
}

pub fn work(action: Action, account: &Account, credential: Option<Credential>) -> Work {
    Work { step: StepId(1), action, account: account.clone(), external_id: None, credential, uncertain: false }
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
pub fn password(work: &Work) -> &str {
    work.credential.as_ref().unwrap().password.expose()
}

#[track_caller]
pub fn class_of<T: std::fmt::Debug>(result: &Result<T, Fault>) -> FaultClass {
    result.as_ref().expect_err("this should have failed").class
}
