//! The LDAP lane alone (10,000 accounts with ready hashes) beside `ldapadd` of the same entries on the same slapd, in turns.
//!
//! `cargo bench --bench directory [-- --full] [-- --accounts N] [--rounds N] [--batch N]`
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a bench that cannot go on ends")]

#[path = "../tests/peers/mod.rs"]
mod peers;
mod support;

use akund::config::target::LdapConfig;
use akund::model::{Account, AccountUid, Action, Credential, Scheme, Secret, StepId};
use akund::secret::hash;
use akund::target::ldap::Directory;
use akund::target::{Target, Work};
use nix::sys::resource::{UsageWho, getrusage};
use peers::Slapd;
use std::fmt::Write as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use uuid::Uuid;

fn main() {
    if support::flag("--test") {
        return;
    }
    let full = if support::flag("--full") { 10_000 } else { 2_000 };
    let accounts = support::number("--accounts", full);
    let rounds = support::number("--rounds", 3);
    let batch = support::number("--batch", 256);
    let slapd = Slapd::on_disk(env!("CARGO_TARGET_TMPDIR").as_ref());
    let works = works(accounts);
    let ldif = slapd.path("accounts.ldif");
    std::fs::write(&ldif, as_ldif(&works)).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    println!(
        "{accounts} entries, unique and ppolicy on, every commit synced; seconds, entries/s, CPU seconds of client and of slapd"
    );
    let sizes = [batch, 1_000, accounts];
    let mut rates: Vec<Vec<f64>> = vec![Vec::new(); sizes.len() + 1];
    for _ in 0..rounds {
        let undo = |works: &[Work]| {
            let target = target(&slapd);
            for part in works.chunks(1_000) {
                assert!(runtime.block_on(target.undo(part)).iter().all(Result::is_ok));
            }
        };
        rates[0].push(timed("ldapadd", accounts, &slapd, UsageWho::RUSAGE_CHILDREN, || ldapadd(&slapd, &ldif)));
        undo(&works);
        for (at, size) in sizes.iter().enumerate() {
            let target = target(&slapd);
            let name = format!("the lane, batches of {size}");
            rates[at + 1].push(timed(&name, accounts, &slapd, UsageWho::RUSAGE_SELF, || {
                for part in works.chunks(*size) {
                    assert!(runtime.block_on(target.apply(part)).iter().all(Result::is_ok));
                }
            }));
            undo(&works);
        }
    }
    let median = |rates: &mut Vec<f64>| {
        rates.sort_by(f64::total_cmp);
        rates[rates.len() / 2]
    };
    let base = median(&mut rates[0]);
    for (size, rates) in sizes.iter().zip(rates.iter_mut().skip(1)) {
        println!("the lane in batches of {size}: {:.2} times ldapadd (medians)", median(rates) / base);
    }
}

fn timed(name: &str, entries: usize, slapd: &Slapd, who: UsageWho, what: impl FnOnce()) -> f64 {
    let (client, server) = (cpu(who), slapd.cpu());
    let begun = Instant::now();
    what();
    let took = begun.elapsed().as_secs_f64();
    let rate = entries as f64 / took;
    let (client, server) = (cpu(who) - client, slapd.cpu() - server);
    println!("{name:<34} {took:>7.2} s {rate:>8.0}/s {:>7.2} {:>7.2}", client.as_secs_f64(), server.as_secs_f64());
    rate
}

fn cpu(who: UsageWho) -> Duration {
    let usage = getrusage(who).unwrap();
    let part = |t: nix::sys::time::TimeVal| Duration::from_micros((t.tv_sec() * 1_000_000 + t.tv_usec()) as u64);
    part(usage.user_time()) + part(usage.system_time())
}

fn ldapadd(slapd: &Slapd, ldif: &std::path::Path) {
    let status = Command::new("ldapadd")
        .args(["-x", "-H", &slapd.url(), "-D", "cn=akund,ou=services,dc=example,dc=org", "-w", "change-me", "-f"])
        .arg(ldif)
        .stdout(Stdio::null())
        .status()
        .expect("ldapadd (package ldap-utils)");
    assert!(status.success());
}

fn target(slapd: &Slapd) -> Directory {
    let config: LdapConfig = toml::from_str(&format!(
        "url = \"{}\"\ntls = \"none\"\nbind_dn = \"cn=akund,ou=services,dc=example,dc=org\"\npassword_file = \"x\"\n\
         base = \"ou=people,dc=example,dc=org\"\nobject_classes = [\"inetOrgPerson\"]\npassword = \"ssha512\"\n\
         timeout_seconds = 60\ntransactions = true\n[attributes]\ncn = \"{{name}}\"\nsn = \"{{family_name}}\"\nmail = \"{{address}}\"",
        slapd.url()
    ))
    .unwrap();
    Directory::configured("directory", &config, &|_| Ok(Secret::new("change-me"))).unwrap()
}

fn works(n: usize) -> Vec<Work> {
    let credential: Credential = hash::new_credential(&[Scheme::Ssha512]).unwrap();
    (0..n)
        .map(|i| Work {
            step: StepId(1),
            action: Action::Create,
            account: Account {
                address: Some(format!("user{i}@example.org").parse().unwrap()),
                name: format!("User Number {i}"),
                given_name: "User".into(),
                family_name: format!("Number {i}"),
                category: "staff".into(),
                services: vec!["mail".into()],
                ..Account::bare(AccountUid(Uuid::now_v7()), format!("user{i}").parse().unwrap())
            },
            external_id: None,
            credential: Some(credential.clone()),
            uncertain: false,
            adopted: None,
        })
        .collect()
}

fn as_ldif(works: &[Work]) -> String {
    let mut ldif = String::new();
    for work in works {
        let account = &work.account;
        let (uid, mail) = (&account.username, account.address.as_ref().unwrap());
        let hash = work.credential.as_ref().unwrap().hash(Scheme::Ssha512).unwrap().expose();
        write!(
            ldif,
            "dn: uid={uid},ou=people,dc=example,dc=org\nobjectClass: inetOrgPerson\ncn: {}\nmail: {mail}\nsn: {}\nuid: {uid}\n\
             labeledURI: urn:uuid:{} akund directory\nuserPassword: {hash}\n\n",
            account.name, account.family_name, account.uid
        )
        .unwrap();
    }
    ldif
}
