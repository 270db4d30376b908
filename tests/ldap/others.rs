//! 389 Directory Server and Samba's Active Directory: one instance each, since they take long to make, and the contract on it.

use crate::bench::*;
use crate::broken::{cut_at_every_point, ends_in_mid_batch};
use crate::contract;
use crate::peers::{Ds389, Samba, shipped};
use akund::model::{Account, Action, FaultClass, Proof};
use akund::target::Target;
use std::net::SocketAddr;

/// The section that is shipped for such a server, with what a site puts in for the examples.
fn filled_in(name: &str, more: &[(&str, &str)]) -> String {
    let section = [
        ("[target.directory]\nkind = \"ldap\"\n", ""),
        ("target.directory.", ""),
        ("server =", "timeout_seconds = 60\nserver ="),
    ];
    section.iter().chain(more).fold(shipped(name), |text, (from, to)| {
        assert!(text.contains(from), "{name}: {from}");
        text.replace(from, to)
    })
}

impl Site for Ds389 {
    fn toml(&self) -> String {
        let (url, ca, password) = (format!("ldaps://localhost:{}", self.tls_port), self.ca(), self.path("password"));
        filled_in(
            "389ds/target.toml",
            &[
                ("ldaps://ldap.example.org", &url),
                ("# ca_file = \"/etc/akund/ca.pem\"", &format!("ca_file = {ca:?}")),
                ("\"ldap-password\"", &format!("{password:?}")),
            ],
        )
    }
    fn dn_of(&self, account: &Account) -> String {
        format!("uid={},{PEOPLE}", account.username)
    }
    fn entries(&self) -> Vec<String> {
        Ds389::search(self, "(objectClass=inetOrgPerson)", &["*", "nsAccountLock"])
    }
    fn logs_in(&self, dn: &str, password: &str) -> bool {
        Ds389::logs_in(self, dn, password)
    }
    fn put_foreign(&self, account: &Account) {
        let (name, address) = (&account.username, account.address.as_ref().unwrap());
        self.by_hand(&format!(
            "dn: cn=Foreign {name},{PEOPLE}\nchangetype: add\nobjectClass: inetOrgPerson\ncn: Foreign {name}\nsn: x\n\
             uid: {}\nmail: {address}\n",
            name.as_str().to_uppercase()
        ));
    }
    fn by_hand(&self, ldif: &str) {
        Ds389::by_hand(self, ldif);
    }
    fn volatile(&self) -> &[&str] {
        // It hashes by itself, each time with another salt.
        &["userPassword"]
    }
    fn line(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.tls_port))
    }
    fn toml_through(&self, port: u16) -> String {
        self.toml().replace(&format!("localhost:{}", self.tls_port), &format!("localhost:{port}"))
    }
    fn kill(&mut self) {
        Ds389::kill(self);
    }
    fn start_again(&mut self) {
        Ds389::start_again(self);
    }
}

const ACCOUNTS: &str = "ou=Accounts,dc=akund,dc=test";

impl Site for Samba {
    // It makes some ten a second.
    fn listed(&self) -> usize {
        60
    }
    fn toml(&self) -> String {
        filled_in(
            "active-directory/target.toml",
            &[
                ("ldaps://dc1.example.org", &self.ldaps()),
                ("# ca_file = \"/etc/akund/ad-ca.pem\"", &format!("ca_file = {:?}", self.authority.ca)),
                ("\"ad-password\"", &format!("{:?}", self.path("password"))),
                ("dc=example,dc=org", "dc=akund,dc=test"),
            ],
        )
    }
    fn dn_of(&self, account: &Account) -> String {
        format!("CN={},OU=Accounts,DC=akund,DC=test", account.username)
    }
    fn entries(&self) -> Vec<String> {
        // What a domain controller counts itself is left out.
        let asked = [
            "cn",
            "sAMAccountName",
            "mail",
            "otherMailbox",
            "displayName",
            "description",
            "adminDescription",
            "userAccountControl",
        ];
        Samba::search(self, "(&(objectClass=user)(mail=*))", &asked)
    }
    fn logs_in(&self, dn: &str, password: &str) -> bool {
        Samba::logs_in(self, dn, password)
    }
    fn put_foreign(&self, account: &Account) {
        let (name, address) = (&account.username, account.address.as_ref().unwrap());
        self.by_hand(&format!(
            "dn: cn=Foreign {name},{ACCOUNTS}\nchangetype: add\nobjectClass: user\nsAMAccountName: {}\nmail: {address}\n",
            name.as_str().to_uppercase()
        ));
    }
    fn by_hand(&self, ldif: &str) {
        Samba::by_hand(self, ldif);
    }
    fn needs_a_name(&self) -> bool {
        false
    }
    fn line(&self) -> SocketAddr {
        self.tls_address()
    }
    fn toml_through(&self, port: u16) -> String {
        self.toml().replace(&self.ldaps(), &format!("ldaps://127.0.0.1:{port}"))
    }
    fn kill(&mut self) {
        Samba::kill(self);
    }
    fn start_again(&mut self) {
        Samba::start_again(self);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_to_389_cut_at_any_point_and_its_end_in_mid_batch_lose_nothing_and_double_nothing() {
    let mut site = Ds389::start();
    cut_at_every_point(&mut site).await;
    ends_in_mid_batch(&mut site).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_to_active_directory_cut_at_any_point_and_its_end_in_mid_batch_lose_nothing_and_double_nothing() {
    let mut site = Samba::start();
    cut_at_every_point(&mut site).await;
    ends_in_mid_batch(&mut site).await;
}

/// As README has it: it says "locked" whatever the password, and of an entry that is not there what it says of a wrong password.
async fn what_it_shows_of_an_account_that_is_shut_or_gone(site: &Ds389) {
    let (target, account) = (directory(&site.toml()), named("tutup"));
    apply(&target, &create(&account, target.schemes())).await.unwrap();
    for (action, proof) in [(Action::Suspend, Proof::Login), (Action::Remove, Proof::Observed)] {
        let work = plain(action, &account);
        apply(&target, &work).await.unwrap();
        assert_eq!(prove(&target, &work).await.unwrap(), proof, "{action:?}");
    }
}

async fn rights_that_are_missing_are_told(site: &Ds389) {
    let of = |name: &str| site.toml().replace("cn=akund,", &format!("cn={name},"));
    for name in ["reader", "half"] {
        site.by_hand(&format!(
            "dn: cn={name},dc=example,dc=org\nchangetype: add\nobjectClass: organizationalRole\n\
             objectClass: simpleSecurityObject\ncn: {name}\nuserPassword: change-me\n\n\
             dn: dc=example,dc=org\nchangetype: modify\nadd: aci\n\
             aci: (targetattr=\"*\")(version 3.0; acl \"{name} reads\"; allow (read, search, compare) userdn=\"ldap:///cn={name},dc=example,dc=org\";)\n",
        ));
    }
    site.by_hand(&format!(
        "dn: {PEOPLE}\nchangetype: modify\nadd: aci\n\
         aci: (targetattr!=\"userPassword\")(version 3.0; acl \"half writes\"; allow (all) userdn=\"ldap:///cn=half,dc=example,dc=org\";)\n",
    ));
    let told = wrong(directory(&of("reader")).check().await);
    assert_eq!(told[0], format!("akund's bind_dn may not add accounts under {PEOPLE}"));
    assert!(told[1].contains("mail") && told[1].contains("userPassword"), "{told:?}");
    assert_eq!(told.len(), 2);
    site.by_hand(
        "dn: cn=all,ou=groups,dc=example,dc=org\nchangetype: add\nobjectClass: groupOfNames\ncn: all\nmember: cn=nobody\n",
    );
    let groups = "\n[[groups]]\ndn = \"cn=all,ou=groups,dc=example,dc=org\"\n";
    assert_eq!(wrong(directory(&(site.toml() + groups)).check().await), Vec::<String>::new());
    let told = wrong(directory(&(of("half") + groups)).check().await);
    assert_eq!(
        told,
        [
            format!("akund's bind_dn may not write userPassword of the accounts under {PEOPLE}"),
            "akund's bind_dn may not write member of cn=all,ou=groups,dc=example,dc=org".into()
        ]
    );
}

#[tokio::test]
async fn the_contract_holds_on_389_directory_server() {
    let mut site = Ds389::start();
    assert_eq!(wrong(directory(&site.toml()).check().await), Vec::<String>::new());
    rights_that_are_missing_are_told(&site).await;
    what_it_shows_of_an_account_that_is_shut_or_gone(&site).await;
    contract::all(&mut site).await;
    a_password_whose_answer_was_lost_is_not_set_again(&site).await;
    let hashed = directory(&site.toml().replace("base =", "password = \"ssha512\"\nbase ="));
    let refused = apply(&hashed, &create(&named("hash"), hashed.schemes())).await.unwrap_err();
    assert!(
        refused.class == FaultClass::Permanent && refused.message.contains("nsslapd-allow-hashed-passwords"),
        "{refused}"
    );
    site.by_hand("dn: cn=config\nchangetype: modify\nreplace: nsslapd-allow-hashed-passwords\nnsslapd-allow-hashed-passwords: on\n");
    for (n, scheme) in ["sha512-crypt", "ssha512", "bcrypt", "clear"].iter().enumerate() {
        let target = directory(&site.toml().replace("base =", &format!("password = \"{scheme}\"\nbase =")));
        let work = create(&account(n), target.schemes());
        apply(&target, &work).await.unwrap();
        assert_eq!(prove(&target, &work).await.unwrap_or_else(|e| panic!("{scheme}: {e}")), Proof::Login);
    }
    let argon = config(&site.toml().replace("base =", "password = \"argon2id\"\nbase ="));
    assert!(
        argon.problems().iter().any(|(_, told)| told.contains("{ARGON2}")),
        "389 would take the hash for a password"
    );
    let target = directory(&site.toml().replace("base =", "must_change = true\nbase ="));
    let work = create(&named("baru"), target.schemes());
    apply(&target, &work).await.unwrap();
    for _ in 0..2 {
        assert_eq!(prove(&target, &work).await.unwrap(), Proof::Login);
    }
    assert!(site.search("(uid=baru)", &["passwordExpirationTime"])[0].contains("19700101000000Z"));
}

/// A server that keeps a history refuses the password that it has already.
async fn a_password_whose_answer_was_lost_is_not_set_again(site: &Ds389) {
    let history = |word: &str| {
        site.by_hand(&format!(
            "dn: cn=config\nchangetype: modify\nreplace: passwordHistory\npasswordHistory: {word}\n"
        ));
    };
    history("on");
    let target = directory(&site.toml());
    let account = named("humas");
    let mut step = create(&account, target.schemes());
    for _ in 0..2 {
        apply(&target, &step).await.unwrap();
    }
    step = work(Action::Reset, &account, create(&account, target.schemes()).credential);
    apply(&target, &step).await.unwrap();
    let refused = apply(&target, &step).await.unwrap_err();
    assert!(refused.message.contains("constraintViolation"), "there is a history: {refused}");
    step.uncertain = true;
    apply(&target, &step).await.unwrap();
    prove(&target, &step).await.unwrap();
    history("off");
    Site::clear(site);
}

async fn groups_of_active_directory_are_joined_where_akund_may(site: &Samba) {
    let group = "CN=staf,CN=Users,DC=akund,DC=test";
    site.by_hand(&format!("dn: {group}\nchangetype: add\nobjectClass: group\nsAMAccountName: staf\n"));
    let target = directory(&format!("{}\n[[groups]]\ndn = {group:?}\n", site.toml()));
    assert_eq!(wrong(target.check().await), [format!("akund's bind_dn may not write member of {group}")]);
    site.give(group, "group-rights.sddl");
    assert_eq!(wrong(target.check().await), Vec::<String>::new());
    let account = named("anggota");
    apply(&target, &create(&account, target.schemes())).await.unwrap();
    assert!(Samba::search(site, "(sAMAccountName=staf)", &["member"])[0].contains("CN=anggota,"));
    apply(&target, &plain(Action::Remove, &account)).await.unwrap();
}

#[tokio::test]
async fn the_contract_holds_on_active_directory() {
    let mut site = Samba::start();
    assert_eq!(wrong(directory(&site.toml()).check().await), Vec::<String>::new());
    groups_of_active_directory_are_joined_where_akund_may(&site).await;
    contract::all(&mut site).await;
    // To a wrong password it says the same of a disabled account as of any other (52e): nothing is proven by that.
    let (target, shut) = (directory(&site.toml()), named("tutup"));
    let made = create(&shut, target.schemes());
    apply(&target, &made).await.unwrap();
    apply(&target, &plain(Action::Suspend, &shut)).await.unwrap();
    assert_eq!(prove(&target, &plain(Action::Suspend, &shut)).await.unwrap(), Proof::Observed);
    let with_password = work(Action::Suspend, &shut, made.credential.clone());
    assert_eq!(prove(&target, &with_password).await.unwrap(), Proof::Login);
    apply(&target, &plain(Action::Remove, &shut)).await.unwrap();
    let target = directory(&site.toml().replace("server =", "must_change = true\nserver ="));
    let account = named("baru");
    let work = create(&account, target.schemes());
    apply(&target, &work).await.unwrap();
    assert!(site.logs_in(&site.dn_of(&account), password(&work)));
    for _ in 0..2 {
        assert_eq!(
            prove(&target, &work).await.unwrap(),
            Proof::Login,
            "refused with 773 it is still the right password"
        );
        assert!(!site.logs_in(&site.dn_of(&account), password(&work)), "until it is changed");
    }
    let mut wrong_password = work.clone();
    wrong_password.credential = create(&account, target.schemes()).credential;
    let refused = prove(&target, &wrong_password).await;
    assert_eq!(class_of(&refused), FaultClass::Permanent);
    // Its own limit on names (20 characters) is its own words' to tell.
    let long = apply(&target, &create(&named(&"x".repeat(64)), target.schemes())).await;
    assert!(long.is_ok() || class_of(&long) == FaultClass::Permanent, "{long:?}");
}
