//! A directory server, and a target that writes to it.

use crate::contract::Subject;
use crate::peers::Slapd;
pub use crate::works::*;
use akund::config::target::LdapConfig;
use akund::model::{Account, Finding, Proof, Secret};
use akund::target::ldap::Directory;
use akund::target::{Target, Work};
use std::net::SocketAddr;
use std::path::Path;

/// A directory of any kind.
pub trait Site: Send {
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
    /// What a person does by hand, as LDIF.
    fn by_hand(&self, ldif: &str);
    /// Attributes that the server fills in anew at each writing.
    fn volatile(&self) -> &[&str] {
        &[]
    }
    /// Whether the server itself takes each address once.
    fn is_unique(&self) -> bool {
        false
    }
    /// Whether an account without a name that shows is refused.
    fn needs_a_name(&self) -> bool {
        true
    }
    /// Where it listens, for a proxy; and the configuration with the way through one.
    fn line(&self) -> SocketAddr;
    fn toml_through(&self, port: u16) -> String;
    /// See [`Subject`].
    fn kill(&mut self);
    fn start_again(&mut self);
    fn recover(&mut self) {}
    fn cuts(&self) -> u64 {
        30
    }
    fn ends_at(&self) -> &[u64] {
        &[50, 85]
    }
    fn many(&self) -> usize {
        200
    }
    fn listed(&self) -> usize {
        600
    }
    fn clear(&self) {
        let gone: String = self
            .entries()
            .iter()
            .map(|entry| format!("{}\nchangetype: delete\n\n", entry.lines().next().unwrap()))
            .collect();
        if !gone.is_empty() {
            self.by_hand(&gone);
        }
    }
}

impl<S: Site> Subject for S {
    fn target(&self) -> Box<dyn Target> {
        Box::new(directory(&self.toml()))
    }
    fn rows(&self) -> Vec<String> {
        let lasting = |line: &&str| !self.volatile().iter().any(|name| line.starts_with(name));
        let entries = self.entries();
        entries.iter().map(|entry| entry.lines().filter(lasting).collect::<Vec<_>>().join("\n")).collect()
    }
    fn put_foreign(&self, account: &Account) {
        Site::put_foreign(self, account);
    }
    fn put_foreign_twice(&self, account: &Account) -> bool {
        let other = Account { username: format!("{}2", account.username).parse().unwrap(), ..account.clone() };
        Site::put_foreign(self, account);
        if self.is_unique() {
            return false;
        }
        Site::put_foreign(self, &other);
        true
    }
    fn clear(&self) {
        Site::clear(self);
    }
    fn proof(&self) -> Proof {
        Proof::Login
    }
    fn refuses(&self, text: &str) -> bool {
        // Blanks are no value of a directory, and `cn` must have one.
        text.trim().is_empty() && self.needs_a_name()
    }
    fn opens(&self, work: &Work) -> Option<bool> {
        Some(self.logs_in(&self.dn_of(&work.account), password(work)))
    }
    fn line(&self) -> SocketAddr {
        Site::line(self)
    }
    fn through(&self, port: u16) -> Box<dyn Target> {
        Box::new(directory(&self.toml_through(port)))
    }
    fn cuts(&self) -> u64 {
        Site::cuts(self)
    }
    fn recover(&mut self) {
        Site::recover(self);
    }
    fn kill(&mut self) {
        Site::kill(self);
    }
    fn start_again(&mut self) {
        Site::start_again(self);
    }
    fn ends_at(&self) -> &[u64] {
        Site::ends_at(self)
    }
    fn many(&self) -> usize {
        Site::many(self)
    }
    fn listed(&self) -> usize {
        Site::listed(self)
    }
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

/// A site with another configuration.
pub struct Varied<S, F>(pub S, pub F);

impl<S: Site, F: Fn(String) -> String + Send> Site for Varied<S, F> {
    fn toml(&self) -> String {
        self.1(self.0.toml())
    }
    fn dn_of(&self, account: &Account) -> String {
        self.0.dn_of(account)
    }
    fn entries(&self) -> Vec<String> {
        self.0.entries()
    }
    fn logs_in(&self, dn: &str, password: &str) -> bool {
        self.0.logs_in(dn, password)
    }
    fn put_foreign(&self, account: &Account) {
        Site::put_foreign(&self.0, account);
    }
    fn by_hand(&self, ldif: &str) {
        self.0.by_hand(ldif);
    }
    fn volatile(&self) -> &[&str] {
        self.0.volatile()
    }
    fn line(&self) -> SocketAddr {
        Site::line(&self.0)
    }
    fn toml_through(&self, port: u16) -> String {
        self.1(self.0.toml_through(port))
    }
    fn kill(&mut self) {
        Site::kill(&mut self.0);
    }
    fn start_again(&mut self) {
        Site::start_again(&mut self.0);
    }
    fn recover(&mut self) {
        Site::recover(&mut self.0);
    }
    fn cuts(&self) -> u64 {
        Site::cuts(&self.0)
    }
    fn ends_at(&self) -> &[u64] {
        Site::ends_at(&self.0)
    }
    fn many(&self) -> usize {
        Site::many(&self.0)
    }
    fn listed(&self) -> usize {
        Site::listed(&self.0)
    }
}

pub const PEOPLE: &str = "ou=people,dc=example,dc=org";

impl Site for OpenLdap {
    fn is_unique(&self) -> bool {
        true
    }
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
    fn by_hand(&self, ldif: &str) {
        self.slapd.by_hand(ldif);
    }
    fn line(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.slapd.port))
    }
    fn toml_through(&self, port: u16) -> String {
        // In clear text, so that each run has the same bytes.
        self.toml().replace(&self.slapd.url(), &format!("ldap://127.0.0.1:{port}")).replace(
            &format!("ca_file = \"{}\"", self.slapd.authority.ca.display()),
            "tls = \"none\"\ntimeout_seconds = 60",
        )
    }
    fn kill(&mut self) {
        self.slapd.kill();
    }
    fn start_again(&mut self) {
        self.slapd.start_again();
    }
    fn recover(&mut self) {
        // OpenLDAP 2.5.13 aborts when a connection breaks inside a transaction.
        if !self.slapd.is_up() {
            self.slapd.start_again();
        }
    }
    fn cuts(&self) -> u64 {
        100
    }
    fn ends_at(&self) -> &[u64] {
        // While it looks, while it announces, and at the commit: the last bytes ask for the ids.
        &[10, 50, 70, 72, 74]
    }
    fn many(&self) -> usize {
        1000
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
    named_directory("directory", toml)
}

pub fn named_directory(name: &str, toml: &str) -> Directory {
    Directory::configured(name, &config(toml), &secret_in).unwrap()
}

/// What `check` finds wrong.
pub fn wrong(findings: Vec<Finding>) -> Vec<String> {
    findings.into_iter().filter_map(Result::err).collect()
}
