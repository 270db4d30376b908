//! A directory server, a target that writes to it, and accounts to write.

use crate::peers::Slapd;
use akund::config::target::LdapConfig;
use akund::model::{
    Account, AccountUid, Action, Address, Credential, Fault, FaultClass, Proof, Scheme, Secret, StepId,
};
use akund::secret::hash;
use akund::target::ldap::Directory;
use akund::target::{Applied, Found, Target, Work};
use std::path::Path;
use uuid::Uuid;

/// The configuration that the tests begin with, for the server at this URL.
pub fn openldap_toml(slapd: &Slapd) -> String {
    format!(
        r#"
url = "{}"
ca_file = "{}"
bind_dn = "cn=akund,ou=services,dc=example,dc=org"
password_file = "{}"
base = "ou=people,dc=example,dc=org"
object_classes = ["inetOrgPerson"]
timeout_seconds = 10
[attributes]
cn = "{{name}}"
sn = "{{family_name}}"
givenName = "{{given_name}}"
mail = ["{{address}}", "{{aliases}}"]
ou = "{{unit}}"
employeeType = "{{category}}"
description = "quota {{quota}}"
"#,
        slapd.url(),
        slapd.authority.ca.display(),
        slapd.path("password").display()
    )
}

pub fn config(toml: &str) -> LdapConfig {
    toml::from_str(toml).unwrap_or_else(|e| panic!("{e}"))
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
pub fn password(work: &Work) -> &str {
    work.credential.as_ref().unwrap().password.expose()
}

#[track_caller]
pub fn class_of<T: std::fmt::Debug>(result: &Result<T, Fault>) -> FaultClass {
    result.as_ref().expect_err("this should have failed").class
}
