//! Adding accounts to flat files that hold many already: one alone, and a batch.
//!
//! `cargo bench --bench mapfiles [-- --entries N] [--many N] [--batch N] [--rounds N] [--kinds lmdb,hash,cdb]`, or `--full` for a
//! million entries.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a bench that cannot go on ends")]

mod support;

use akund::config::target::{MapFile, MapFilesConfig, MapKind};
use akund::model::{Account, AccountUid, Action, Credential, Scheme, StepId};
use akund::secret::hash;
use akund::target::mapfiles::MapFiles;
use akund::target::{Target, Work};
use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};
use uuid::Uuid;

fn main() {
    if support::flag("--test") {
        return;
    }
    let few = support::number("--entries", 1000);
    let many = support::number("--many", if support::flag("--full") { 1_000_000 } else { 20_000 });
    let (batch, rounds) = (support::number("--batch", 256), support::number("--rounds", 3));
    let kinds = support::argument("--kinds").unwrap_or_else(|| "lmdb,hash,cdb".into());
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    println!(
        "adding accounts to map files: median of {rounds}, milliseconds; the passwd-file's size, and the peak of memory so far"
    );
    println!(
        "{:<8}{:>10}{:>9}{:>12}{:>14}{:>16}{:>14}{:>12}{:>12}",
        "type",
        "entries",
        "MB",
        "one alone",
        &format!("batch of {batch}"),
        "per account",
        "batch effect",
        "prove one",
        "peak MB"
    );
    for kind in MapKind::ALL.into_iter().filter(|kind| kinds.split(',').any(|word| word == kind.as_str())) {
        for entries in [few, many] {
            runtime.block_on(measure(kind, entries, batch, rounds));
        }
    }
}

async fn measure(kind: MapKind, entries: usize, batch: usize, rounds: usize) {
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let config = config(dir.path(), kind);
    fill(&config, entries);
    let target = MapFiles::open("mail", &config).unwrap();
    let credential = hash::new_credential(target.schemes()).unwrap();
    let (mut alone, mut together, mut proven) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..rounds {
        let works: Vec<Work> = (0..=batch).map(|_| work(&credential)).collect();
        alone.push(apply(&target, &works[..1]).await);
        together.push(apply(&target, &works[1..]).await);
        let begun = Instant::now();
        target.prove(&works[..1]).await.remove(0).unwrap();
        proven.push(begun.elapsed());
    }
    let (alone, together, proven) = (median(alone), median(together), median(proven));
    let each = together / batch as f64;
    let size = fs::metadata(&config.passwd).unwrap().len() as f64 / 1e6;
    println!(
        "{:<8}{entries:>10}{size:>9.1}{alone:>12.1}{together:>14.1}{each:>16.3}{:>13.0}x{proven:>12.1}{:>12.0}",
        kind.as_str(),
        alone / each,
        peak_megabytes()
    );
}

async fn apply(target: &MapFiles, works: &[Work]) -> Duration {
    let begun = Instant::now();
    for applied in target.apply(works).await {
        applied.unwrap();
    }
    begun.elapsed()
}

fn median(mut times: Vec<Duration>) -> f64 {
    times.sort();
    times[times.len() / 2].as_secs_f64() * 1e3
}

/// The most memory that this process has had, from `/proc/self/status`.
fn peak_megabytes() -> f64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.split_whitespace().next().unwrap().parse::<f64>().unwrap() / 1e3
}

/// Files with accounts of akund's in them, and one in ten of somebody else's.
fn fill(config: &MapFilesConfig, entries: usize) {
    let hash = hash::new_credential(&[Scheme::Sha512Crypt]).unwrap();
    let hash = hash.hash(Scheme::Sha512Crypt).unwrap().expose().to_owned();
    let (mut passwd, mut mailboxes) = (String::new(), String::new());
    for n in 0..entries {
        // In no order, as they come.
        let address = format!("u{:08x}@example.org", (n as u32).wrapping_mul(2_654_435_761));
        if n % 10 > 0 {
            let uid = Uuid::from_u128(n as u128);
            writeln!(passwd, "# akund {uid} {address}").unwrap();
            writeln!(mailboxes, "# akund {uid} {address}").unwrap();
        }
        writeln!(passwd, "{address}:{{SHA512-CRYPT}}{hash}:5000:5000::/var/mail/vhosts/example.org/u{n}::").unwrap();
        writeln!(mailboxes, "{address} {address}").unwrap();
    }
    fs::write(&config.passwd, passwd).unwrap();
    fs::write(&config.mailboxes.path, mailboxes).unwrap();
}

fn work(credential: &Credential) -> Work {
    let uid = Uuid::new_v4();
    let local = format!("baru-{}", &uid.simple().to_string()[..12]);
    let account = Account {
        address: Some(format!("{local}@example.org").parse().unwrap()),
        name: "Biro Humas".into(),
        given_name: "Biro".into(),
        family_name: "Humas".into(),
        category: "unit".into(),
        services: vec!["mail".into()],
        ..Account::bare(AccountUid(uid), local.parse().unwrap())
    };
    let credential = Some(credential.clone());
    Work {
        step: StepId(1),
        action: Action::Create,
        account,
        external_id: None,
        credential,
        uncertain: false,
        adopted: None,
    }
}

fn config(dir: &Path, kind: MapKind) -> MapFilesConfig {
    let postfix = dir.join("postfix");
    fs::create_dir(&postfix).unwrap();
    fs::write(postfix.join("main.cf"), "compatibility_level = 3.6\n").unwrap();
    // Postfix's programs wait until a main.cf that was just written is two seconds old.
    fs::File::open(postfix.join("main.cf")).unwrap().set_modified(std::time::UNIX_EPOCH).unwrap();
    let map = |name: &str| MapFile { kind, path: dir.join(name) };
    MapFilesConfig {
        passwd: dir.join("passwd"),
        mailboxes: map("mailboxes"),
        aliases: map("aliases"),
        domains: map("domains"),
        services: vec!["mail".into()],
        password: Scheme::Sha512Crypt,
        home: "/var/mail/vhosts/{domain}/{local}".into(),
        mail_uid: Some(5000),
        mail_gid: Some(5000),
        mode: "0640".into(),
        postmap: "/usr/sbin/postmap".into(),
        postfix,
        reload: None,
        proof: None,
    }
}
