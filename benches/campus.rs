//! A campus on one machine: directory, mail and hotspot, with everything that akund does for an account beside what it cannot do
//! without, and beside the tools that people use otherwise. All of one round on the same slapd.
//!
//! `cargo bench --bench campus [-- --full | --accounts N] [--others N | --others-only | --proven-only | --fast-only | --strong-only] [--rounds N]`
//!
//! Each line: wall time, accounts per second, and the processor time of each part (proc(5), getrusage(2)). Compare within a round.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a bench that cannot go on ends")]

#[path = "campus/others.rs"]
mod others;
#[path = "../tests/peers/mod.rs"]
mod peers;
#[path = "campus/proven.rs"]
mod proven;
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
use support::{Site, records, watch};
use uuid::Uuid;

const PEOPLE: &str = "ou=people,dc=example,dc=org";

fn main() {
    if support::flag("--test") {
        return;
    }
    let accounts = support::number("--accounts", if support::flag("--full") { 10_000 } else { 1_000 });
    let others = support::number("--others", if support::flag("--full") { 200 } else { 50 });
    let rounds = support::number("--rounds", if support::flag("--full") { 3 } else { 1 });
    // Kept to the end: ext4 looks past each inode of a directory just deleted for every new file.
    let mut sites = Vec::new();
    for round in 1..=rounds {
        println!("\n== {accounts} accounts, round {round} of {rounds}; every commit synced, unique and ppolicy on");
        println!("{:<58} {:>8} {:>9}   processor seconds", "", "s", "each s");
        let slapd = Slapd::on_disk(env!("CARGO_TARGET_TMPDIR").as_ref());
        if support::flag("--others-only") {
            others::all(&slapd, others);
            continue;
        }
        if support::flag("--proven-only") {
            sites.push(proven::all(&slapd, accounts));
            continue;
        }
        let plain = ldapadd(&slapd, accounts);
        if support::flag("--fast-only") {
            for way in [FAST, FAST.singly()] {
                println!("/ ldapadd {:.2}", plain / pipeline(&slapd, accounts, way, &mut sites));
            }
            continue;
        }
        if support::flag("--strong-only") {
            let (hashing, system) = (hashing(accounts), hashing_by_the_system(accounts));
            for way in [STRONG, STRONG.singly()] {
                let took = pipeline(&slapd, accounts, way, &mut sites);
                println!("/ hashing alone {:.2}, / hashing alone by crypt(3) {:.2}", hashing / took, system / took);
            }
            continue;
        }
        let together = lane(&slapd, accounts, true);
        let singly = lane(&slapd, accounts, false);
        let mut both = |way: Way| [way, way.singly()].map(|way| pipeline(&slapd, accounts, way, &mut sites));
        let fast = both(FAST);
        let (hashing, system) = (hashing(accounts), hashing_by_the_system(accounts));
        let strong = both(STRONG);
        let verifying = verifying(&slapd, accounts);
        let proven = both(PROVEN);
        println!("the lane / ldapadd {:.2} (aim 2); entry by entry {:.2}", plain / together, plain / singly);
        let told = |what: &str, base: f64, aim: f64, took: [f64; 2]| {
            println!("{what} {:.2} (aim {aim}); entry by entry {:.2}", base / took[0], base / took[1]);
        };
        told("the whole pipeline, fast hashes, no log-ins / ldapadd", plain, 1.0, fast);
        told("with SHA-512-crypt / hashing alone", hashing, 0.8, strong);
        told("with SHA-512-crypt / hashing alone by crypt(3)", system, 0.8, strong);
        told("with log-ins / hashing and slapd's verifying", hashing + verifying, 0.7, proven);
        sites.push(proven::all(&slapd, accounts));
        others::all(&slapd, others);
    }
}

/// Prints a line and answers the seconds.
fn told(name: &str, accounts: usize, took: Duration, parts: &[(&str, Duration)]) -> f64 {
    let seconds = took.as_secs_f64();
    let parts: Vec<String> = parts.iter().map(|(part, time)| format!("{part} {:.2}", time.as_secs_f64())).collect();
    println!("{name:<58} {seconds:>8.2} {:>9.0}   {}", accounts as f64 / seconds, parts.join(", "));
    seconds
}

fn cpu(who: UsageWho) -> Duration {
    let usage = getrusage(who).unwrap();
    let part =
        |t: nix::sys::time::TimeVal| Duration::from_micros((t.tv_sec() * 1_000_000 + t.tv_usec()).unsigned_abs());
    part(usage.user_time()) + part(usage.system_time())
}

/// Runs something beside a slapd, and prints its line.
fn beside(slapd: &Slapd, name: &str, accounts: usize, who: UsageWho, what: impl FnOnce()) -> f64 {
    let (client, server, begun) = (cpu(who), slapd.cpu(), Instant::now());
    what();
    let took = begun.elapsed();
    told(name, accounts, took, &[("client", cpu(who) - client), ("slapd", slapd.cpu() - server)])
}

fn ldapadd(slapd: &Slapd, accounts: usize) -> f64 {
    let works = works(accounts, Scheme::Ssha512);
    let ldif = slapd.path("accounts.ldif");
    std::fs::write(&ldif, as_ldif(&works)).unwrap();
    let took = beside(slapd, "ldapadd, hashes ready", accounts, UsageWho::RUSAGE_CHILDREN, || {
        let status = Command::new("ldapadd")
            .args(["-x", "-H", &slapd.url(), "-D", "cn=akund,ou=services,dc=example,dc=org", "-w", "change-me", "-f"])
            .arg(&ldif)
            .stdout(Stdio::null())
            .status()
            .expect("ldapadd (package ldap-utils)");
        assert!(status.success());
    });
    empty(slapd, &works);
    took
}

/// The target by itself: a transaction for each batch, or entry by entry.
fn lane(slapd: &Slapd, accounts: usize, transactions: bool) -> f64 {
    let works = works(accounts, Scheme::Ssha512);
    let settings = format!("{}{}", if transactions { "transactions = true\n" } else { "" }, settings(slapd, "ssha512"));
    let (target, runtime) = (of_settings(&settings), runtime());
    let name = if transactions {
        "the LDAP lane alone, a transaction for each batch"
    } else {
        "the LDAP lane alone, entry by entry"
    };
    let took = beside(slapd, name, accounts, UsageWho::RUSAGE_SELF, || {
        for part in works.chunks(256) {
            assert!(runtime.block_on(target.apply(part)).iter().all(Result::is_ok));
        }
    });
    empty(slapd, &works);
    took
}

/// How a pipeline is measured.
#[derive(Clone, Copy)]
struct Way {
    name: &'static str,
    /// At the directory and in the mail maps; and at RADIUS.
    schemes: [&'static str; 2],
    /// A transaction for each batch, as akund has it by itself on this slapd; else entry by entry.
    transactions: bool,
    /// Proofs by log-in at the directory, many at a time.
    log_ins: usize,
}

const FAST: Way = Way {
    name: "the whole pipeline, SSHA512 and NT, nobody logs in",
    schemes: ["ssha512", "nt-hash"],
    transactions: true,
    log_ins: 0,
};
const STRONG: Way = Way {
    name: "the whole pipeline, SHA-512-crypt, nobody logs in",
    schemes: ["sha512-crypt", "sha512-crypt"],
    ..FAST
};
const PROVEN: Way = Way { name: "the whole pipeline, SHA-512-crypt, each logs in at slapd", log_ins: 4, ..STRONG };

impl Way {
    fn singly(self) -> Self {
        Self { name: "the same, entry by entry", transactions: false, ..self }
    }
}

/// From the spool to the notice, all three targets, on the same slapd.
fn pipeline(slapd: &Slapd, accounts: usize, way: Way, sites: &mut Vec<Site>) -> f64 {
    let Way { name, schemes: [scheme, radius], transactions, log_ins } = way;
    let site = Site::with(&format!(
        "[target.directory]\nkind = \"ldap\"\n{}proofs = {log_ins}\n{}{ATTRIBUTES}\n\
         [target.mail]\nkind = \"mail-maps\"\ndatabase = \"targets/mail/mail.db\"\npassword = \"{scheme}\"\n\
         [target.radius]\nkind = \"radius\"\ndatabase = \"targets/radius/radius.db\"\npassword = \"{radius}\"\n",
        settings(slapd, scheme),
        if transactions { "transactions = true\n" } else { "" }
    ));
    site.hand_in(std::iter::once(records::bulk(0..accounts)));
    // What lies there for longer than the settling time is taken at once, as after a weekend.
    std::thread::sleep(Duration::from_millis(1100));
    let server = slapd.cpu();
    let mut daemon = site.start();
    daemon.until_done(accounts as u64);
    let took = daemon.begun.elapsed();
    let (user, system) = watch::processor_time(daemon.pid());
    let parts = [("akund user", user), ("akund system", system), ("slapd", slapd.cpu() - server)];
    let took = told(name, accounts, took, &parts);
    let samples = daemon.metrics();
    for lane in ["credentials", "directory", "mail", "radius", "email"] {
        let spent = |part: &str| samples.get(&format!("akund_lane_seconds_total{{lane=\"{lane}\",part=\"{part}\"}}"));
        println!("    lane {lane:<12} work {:>7.2} s, journal {:>7.2} s", spent("work"), spent("journal"));
    }
    println!(
        "    journal: {} commits in {:.2} s, {:.1} operations each",
        samples.get("akund_journal_commit_seconds_count"),
        samples.get("akund_journal_commit_seconds_sum"),
        samples.get("akund_journal_ops_per_commit_sum") / samples.get("akund_journal_commit_seconds_count")
    );
    for (thread, time) in watch::processor_time_by_thread(daemon.pid()) {
        if time > (user + system) / 50 {
            println!("    threads {thread:<16} {:>7.2} s of the processor", time.as_secs_f64());
        }
    }
    for (lane, from, to) in support::spans(&site, daemon.begun) {
        println!("    {lane:<22} from {from:>6.2} s to {to:>6.2} s");
    }
    daemon.stop();
    println!("    ended: {}", support::states(&site));
    sites.push(site);
    remove_everybody(slapd);
    took
}

/// The hashing that the pipeline with SHA-512-crypt cannot do without, on all cores: each password once.
fn hashing(accounts: usize) -> f64 {
    let works: Vec<usize> = (0..accounts).collect();
    let (before, begun) = (cpu(UsageWho::RUSAGE_SELF), Instant::now());
    let answers = hash::on_every_core(&works, |_| hash::new_credential(&[Scheme::Sha512Crypt]));
    assert!(answers.iter().all(Result::is_ok));
    let took = begun.elapsed();
    told("hashing alone", accounts, took, &[("self", cpu(UsageWho::RUSAGE_SELF) - before)])
}

/// The same by the system's crypt(3), with which slapd, Dovecot and FreeRADIUS verify: a process on each core.
fn hashing_by_the_system(accounts: usize) -> f64 {
    const EACH: &str = r"for my $n (1..$ARGV[0]) { crypt(sprintf('sandi-%013d', $n), sprintf('$6$%016d', $n)) =~ /^\$6\$.{100}/ or die }";
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let (before, begun) = (cpu(UsageWho::RUSAGE_CHILDREN), Instant::now());
    let processes: Vec<_> = (0..cores)
        .map(|core| (accounts + core) / cores)
        .map(|part| Command::new("perl").args(["-e", EACH, &part.to_string()]).spawn().expect("perl"))
        .collect();
    for mut process in processes {
        assert!(process.wait().unwrap().success());
    }
    let took = begun.elapsed();
    told("hashing alone, by crypt(3)", accounts, took, &[("self", cpu(UsageWho::RUSAGE_CHILDREN) - before)])
}

/// slapd's own verification: binds over as many connections as the target has, and nothing else.
fn verifying(slapd: &Slapd, accounts: usize) -> f64 {
    let works = works(accounts, Scheme::Sha512Crypt);
    let (target, runtime) = (target(slapd, "sha512-crypt"), runtime());
    for part in works.chunks(256) {
        assert!(runtime.block_on(target.apply(part)).iter().all(Result::is_ok));
    }
    let name = "slapd verifying SHA-512-crypt: a bind for each";
    let took = beside(slapd, name, accounts, UsageWho::RUSAGE_SELF, || {
        for part in works.chunks(256) {
            assert!(runtime.block_on(target.prove(part)).iter().all(Result::is_ok));
        }
    });
    empty(slapd, &works);
    took
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap()
}

fn empty(slapd: &Slapd, works: &[Work]) {
    let (target, runtime) = (target(slapd, "ssha512"), runtime());
    for part in works.chunks(1_000) {
        assert!(runtime.block_on(target.undo(part)).iter().all(Result::is_ok));
    }
}

fn remove_everybody(slapd: &Slapd) {
    let names = slapd.search("(objectClass=inetOrgPerson)", &["1.1"]);
    for part in names.chunks(1_000) {
        let ldif: String = part.iter().map(|dn| format!("{}\nchangetype: delete\n\n", dn.trim_end())).collect();
        slapd.by_hand(&ldif);
    }
}

fn settings(slapd: &Slapd, scheme: &str) -> String {
    format!(
        "url = \"{}\"\ntls = \"none\"\nbind_dn = \"cn=akund,ou=services,dc=example,dc=org\"\npassword_file = \"{}\"\n\
         base = \"{PEOPLE}\"\nobject_classes = [\"inetOrgPerson\"]\npassword = \"{scheme}\"\ntimeout_seconds = 60\n",
        slapd.url(),
        slapd.path("password").display()
    )
}

const ATTRIBUTES: &str =
    "[target.directory.attributes]\ncn = \"{name}\"\nsn = \"{family_name}\"\nmail = \"{address}\"\n";

fn target(slapd: &Slapd, scheme: &str) -> Directory {
    of_settings(&settings(slapd, scheme))
}

fn of_settings(settings: &str) -> Directory {
    let attributes = ATTRIBUTES.replace("target.directory.", "");
    let config: LdapConfig = toml::from_str(&format!("{settings}{attributes}")).unwrap();
    Directory::configured("directory", &config, &|_| Ok(Secret::new("change-me"))).unwrap()
}

fn works(n: usize, scheme: Scheme) -> Vec<Work> {
    let credential: Credential = hash::new_credential(&[scheme]).unwrap();
    let account = |i: usize| Account {
        address: Some(format!("user{i}@example.org").parse().unwrap()),
        name: format!("User Number {i}"),
        given_name: "User".into(),
        family_name: format!("Number {i}"),
        category: "staff".into(),
        services: vec!["mail".into()],
        ..Account::bare(AccountUid(Uuid::now_v7()), format!("user{i}").parse().unwrap())
    };
    let work = |i| Work {
        step: StepId(1),
        action: Action::Create,
        account: account(i),
        external_id: None,
        credential: Some(credential.clone()),
        uncertain: false,
        adopted: None,
    };
    (0..n).map(work).collect()
}

fn as_ldif(works: &[Work]) -> String {
    let mut ldif = String::new();
    for work in works {
        let account = &work.account;
        let (uid, mail) = (&account.username, account.address.as_ref().unwrap());
        let hash = work.credential.as_ref().unwrap().hash(Scheme::Ssha512).unwrap().expose();
        write!(
            ldif,
            "dn: uid={uid},{PEOPLE}\nobjectClass: inetOrgPerson\ncn: {}\nmail: {mail}\nsn: {}\nuid: {uid}\n\
             labeledURI: urn:uuid:{} akund directory\nuserPassword: {hash}\n\n",
            account.name, account.family_name, account.uid
        )
        .unwrap();
    }
    ldif
}
