//! `kill -9` between any two renames: readers find whole maps, Postfix takes no mail that Dovecot does not know, and the same
//! batch, applied again, completes the work.

use crate::fixture::*;
use akund::config::target::{MapFile, MapFilesConfig, MapKind};
use akund::model::{AccountUid, Action};
use akund::target::mapfiles::MapFiles;
use akund::target::mapfiles::postmap::Postmap;
use akund::target::{Target, Work};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use tempfile::TempDir;
use uuid::Uuid;

const DIRECTORY: &str = "AKUND_TEST_MAPS";

fn fixed(n: u128, local: &str) -> akund::model::Account {
    let mut account = named(local);
    account.uid = AccountUid(Uuid::from_u128(n));
    account
}

fn credential(target: &MapFiles) -> Option<akund::model::Credential> {
    Some(akund::secret::hash::new_credential(target.schemes()).unwrap())
}

/// What is there before.
fn before(target: &MapFiles) -> Vec<Work> {
    ["lama", "cuti", "pergi"]
        .iter()
        .zip(1..)
        .map(|(local, n)| work(Action::Create, &fixed(n, local), credential(target)))
        .collect()
}

/// A batch that makes every file change: one comes, with a domain and an alias; one gets another address; one is suspended;
/// one goes.
fn batch(target: &MapFiles) -> Vec<Work> {
    let mut comes = fixed(4, "datang");
    comes.aliases = vec![address("datang@baru.example.net")];
    let mut renamed = fixed(1, "baru");
    renamed.aliases = vec![address("lama@example.org")];
    vec![
        work(Action::Create, &comes, credential(target)),
        plain(Action::Change, &renamed),
        plain(Action::Suspend, &fixed(2, "cuti")),
        plain(Action::Remove, &fixed(3, "pergi")),
    ]
}

fn open(dir: &Path, kind: MapKind) -> (MapFilesConfig, MapFiles) {
    let config = config(dir, kind);
    let target = MapFiles::open("mail", &config).unwrap();
    (config, target)
}

fn die_at(dir: &Path, kind: MapKind, place: &str) -> bool {
    let status = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "crash::applies_a_batch_and_dies", "--ignored"])
        .env(DIRECTORY, dir)
        .env("AKUND_TEST_KIND", kind.as_str())
        .env("AKUND_CRASH_AT", place)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .unwrap();
    !status.success()
}

#[test]
#[ignore = "run by other tests, as the child process that dies"]
fn applies_a_batch_and_dies() {
    let dir = PathBuf::from(std::env::var_os(DIRECTORY).expect("only other tests run this"));
    let word = std::env::var("AKUND_TEST_KIND").unwrap();
    let kind = MapKind::ALL.into_iter().find(|kind| kind.as_str() == word).unwrap();
    // Not `open`, which would pass crash points of its own.
    let target = MapFiles::configured("mail", &config(&dir, kind)).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    for answer in runtime.block_on(target.apply(&batch(&target))) {
        answer.unwrap();
    }
}

/// What of all names ever used here Postfix finds in a map.
fn seen(config: &MapFilesConfig, map: &MapFile) -> BTreeMap<String, String> {
    let names = ["lama", "baru", "cuti", "pergi", "datang", "root"].map(|local| format!("{local}@example.org"));
    let names: Vec<String> = names.into_iter().chain(["datang@baru.example.net".into()]).collect();
    let postmap = Postmap { program: config.postmap.clone(), config: config.postfix.clone() };
    postmap.query(map, &names).unwrap().into_iter().collect()
}

fn dovecots_users(config: &MapFilesConfig) -> Vec<String> {
    let text = fs::read_to_string(&config.passwd).unwrap();
    let users = text.lines().filter(|l| !l.is_empty() && !l.starts_with('#'));
    users.map(|line| line.split_once(':').unwrap().0.to_owned()).collect()
}

/// Whatever Postfix takes mail for, Dovecot knows.
fn no_mail_is_lost(config: &MapFilesConfig, place: &str) {
    let users = dovecots_users(config);
    let (mailboxes, aliases) = (seen(config, &config.mailboxes), seen(config, &config.aliases));
    for (address, to) in mailboxes.keys().map(|a| (a, aliases.get(a).unwrap_or(a))).chain(&aliases) {
        assert!(users.contains(to), "{place}: Postfix takes mail for {address} and Dovecot knows no {to}: {users:?}");
    }
    for stays in ["lama@example.org", "cuti@example.org"] {
        assert!(
            mailboxes.contains_key(stays) || aliases.contains_key(stays),
            "{place}: {stays} is refused for a moment"
        );
    }
}

async fn dies_and_completes(kind: MapKind, place: &str) {
    let dir = TempDir::new().unwrap();
    let (config, target) = open(dir.path(), kind);
    for made in target.apply(&before(&target)).await {
        made.unwrap();
    }
    let foreign = "# theirs\nroot@example.org root\n";
    fs::write(&config.mailboxes.path, foreign.to_owned() + &fs::read_to_string(&config.mailboxes.path).unwrap())
        .unwrap();
    MapFiles::open("mail", &config).unwrap();
    assert!(die_at(dir.path(), kind, place), "{kind:?}: it never came to {place}");
    if kind != MapKind::Texthash {
        let users = dovecots_users(&config);
        assert!(!users.is_empty(), "{place}");
        fs::write(&config.passwd, fs::read_to_string(&config.passwd).unwrap() + "root@example.org:x\n").unwrap();
        no_mail_is_lost(&config, place);
    }
    let works = batch(&target);
    for answer in target.apply(&works).await {
        answer.unwrap();
    }
    for proof in target.prove(&works).await {
        proof.unwrap_or_else(|fault| panic!("{kind:?} {place}: {fault}"));
    }
    let mut users = dovecots_users(&config);
    users.sort();
    users.retain(|user| user != "root@example.org");
    assert_eq!(users, ["baru@example.org", "cuti@example.org", "datang@example.org"], "{kind:?} {place}");
    assert!(fs::read_to_string(&config.mailboxes.path).unwrap().starts_with(foreign));
    for entry in fs::read_dir(dir.path()).unwrap() {
        let name = entry.unwrap().file_name();
        assert!(!name.to_string_lossy().contains("akund-tmp"), "{kind:?} {place}: {name:?} is left over");
    }
}

#[tokio::test]
async fn a_death_at_any_boundary_loses_nothing_and_is_completed() {
    for kind in [MapKind::Lmdb, MapKind::Hash, MapKind::Cdb] {
        for place in [
            "maps-staged",
            "maps-passwd",
            "maps-index",
            "maps-text",
            "maps-index:2",
            "maps-text:2",
            "maps-index:3",
            "maps-text:3",
            "maps-passwd:2",
            "maps-placed",
        ] {
            dies_and_completes(kind, place).await;
        }
    }
    for place in ["maps-staged", "maps-text", "maps-text:3", "maps-passwd:2"] {
        dies_and_completes(MapKind::Texthash, place).await;
    }
}

#[tokio::test]
async fn a_withdrawal_after_a_death_takes_back_what_postfix_was_already_shown() {
    let dir = TempDir::new().unwrap();
    let (config, target) = open(dir.path(), MapKind::Hash);
    for made in target.apply(&before(&target)).await {
        made.unwrap();
    }
    assert!(die_at(dir.path(), MapKind::Hash, "maps-text:3"), "the index of the mailboxes is new, their text is old");
    assert!(seen(&config, &config.mailboxes).contains_key("datang@example.org"));
    target.undo(&batch(&target)[..1]).await.remove(0).unwrap();
    assert!(!seen(&config, &config.mailboxes).contains_key("datang@example.org"));
}
