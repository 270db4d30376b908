//! What goes wrong with a database, and how it is told.

use crate::fixture::*;
use akund::model::{Action, FaultClass, Scheme};
use akund::target::Target;
use akund::target::mailmaps::MailMaps;
use akund::target::radius::Radius;
use rusqlite::Connection;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use tempfile::TempDir;

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().mode() & 0o7777
}

fn beside(path: &Path, suffix: &str) -> std::path::PathBuf {
    format!("{}{suffix}", path.display()).into()
}

#[test]
fn nt_hashes_are_refused_for_mail_and_ssha512_for_radius() {
    let dir = TempDir::new().unwrap();
    let mut config = mail_config(&dir.path().join("mail.db"));
    config.password = Scheme::NtHash;
    let refused = MailMaps::open("mail", &config).map(|_| ());
    assert_eq!(class_of(&refused), FaultClass::Permanent);
    assert!(refused.unwrap_err().message.contains("nt-hash"));
    let refused = Radius::open("r", &radius_config(&dir.path().join("r.db"), Scheme::Ssha512)).map(|_| ());
    assert_eq!(class_of(&refused), FaultClass::Permanent);
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0, "nothing was made");
}

#[test]
fn a_mode_or_home_that_will_not_do_is_refused_with_the_reason() {
    let dir = TempDir::new().unwrap();
    for bad in ["0666", "0660", "640x", "", "0440", "4640", "0750", "-1"] {
        let mut config = mail_config(&dir.path().join("mail.db"));
        config.mode = bad.into();
        let refused = MailMaps::open("mail", &config).map(|_| ()).unwrap_err();
        assert!(refused.message.contains("mode"), "{bad}: {refused}");
    }
    let mut config = mail_config(&dir.path().join("mail.db"));
    config.home = "mail/{local}".into();
    assert!(MailMaps::open("mail", &config).map(|_| ()).unwrap_err().message.contains("home"));
}

#[test]
fn database_wal_and_shm_have_the_mode_asked_for_and_stay_after_closing() {
    for (text, bits) in [("0600", 0o600), ("0640", 0o640), ("0644", 0o644)] {
        let dir = TempDir::new().unwrap();
        let path = dir.path().join("new/mail.db");
        let mut config = mail_config(&path);
        for configured in [text, "0640", text] {
            config.mode = configured.into();
            let target = MailMaps::open("mail", &config).unwrap();
            drop(target);
        }
        for suffix in ["", "-wal", "-shm"] {
            assert_eq!(mode(&beside(&path, suffix)), bits, "{suffix} with {text}");
        }
    }
}

#[test]
fn what_is_no_database_of_akunds_is_refused_and_left_alone() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("x.db");
    fs::write(
        &path,
        "this is certainly not a database, and longer than its header of a hundred bytes is, to be sure of it",
    )
    .unwrap();
    let before = fs::read(&path).unwrap();
    let told = MailMaps::open("mail", &mail_config(&path)).map(|_| ());
    assert_eq!(class_of(&told), FaultClass::Permanent, "{told:?}");
    assert!(told.unwrap_err().message.contains("not an SQLite database"));
    assert_eq!(fs::read(&path).unwrap(), before);

    let path = dir.path().join("other.db");
    by_hand(&path, "CREATE TABLE mailboxes (mail TEXT)");
    let told = MailMaps::open("mail", &mail_config(&path)).map(|_| ()).unwrap_err();
    assert!(told.message.contains("tables that are not akund's"), "{told}");
    assert!(rows(&path).is_empty(), "nothing was added");

    let path = dir.path().join("newer.db");
    drop(MailMaps::open("mail", &mail_config(&path)).unwrap());
    by_hand(&path, "UPDATE akund_schema SET version = 99");
    let told = MailMaps::open("mail", &mail_config(&path)).map(|_| ());
    assert_eq!(class_of(&told), FaultClass::Permanent);
    assert!(told.unwrap_err().message.contains("newer akund"));
}

#[tokio::test]
async fn a_database_that_cannot_be_opened_yet_is_waited_for() {
    let dir = TempDir::new().unwrap();
    let blocker = dir.path().join("mail");
    fs::write(&blocker, "a file where the directory should be").unwrap();
    let target = MailMaps::open("mail", &mail_config(&blocker.join("mail.db"))).unwrap();
    let credential = akund::secret::hash::new_credential(target.schemes()).unwrap();
    let create = work(Action::Create, &named("humas"), Some(credential));
    let batch = [create.clone(), create.clone()];
    for answer in target.apply(&batch).await {
        assert_eq!(class_of(&answer), FaultClass::Transient);
    }
    for answer in target.prove(&batch).await {
        assert_eq!(class_of(&answer), FaultClass::Transient);
    }
    assert_eq!(target.find(&[]).await.unwrap_err().class, FaultClass::Transient);
    fs::remove_file(&blocker).unwrap();
    target.apply(&batch[..1]).await.remove(0).unwrap();
    target.prove(&batch[..1]).await.remove(0).unwrap();
}

#[tokio::test]
async fn a_database_replaced_underneath_is_noticed_and_written_to() {
    let bench = Bench::mail();
    bench.apply(&bench.create(&named("humas"))).await.unwrap();
    for suffix in ["", "-wal", "-shm"] {
        fs::remove_file(beside(&bench.path, suffix)).unwrap();
    }
    let told = bench.target.find(&["humas@example.org".into()]).await.unwrap_err();
    assert!(told.class == FaultClass::Transient && told.message.contains("there is no such file"), "{told}");
    assert!(!bench.path.exists(), "a lost database is not made anew");
    by_hand(&bench.path, include_str!("../../config/integration/sql/mail.sqlite.sql"));
    assert!(bench.find(&["humas@example.org"]).await.is_empty(), "unless an operator does it");
    let again = bench.create(&named("pers"));
    bench.apply(&again).await.unwrap();
    bench.prove(&again).await.unwrap();
    assert!(rows(&bench.path).iter().any(|row| row.contains("pers@example.org")));
}

#[tokio::test]
async fn a_lock_that_another_program_holds_is_transient_and_says_so() {
    let bench = Bench::mail();
    let other = Connection::open(&bench.path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let create = bench.create(&named("humas"));
    let refused = bench.apply(&create).await;
    assert_eq!(class_of(&refused), FaultClass::Transient);
    assert!(refused.unwrap_err().message.contains("lock"));
    assert!(bench.find(&["humas@example.org"]).await.is_empty(), "reading goes on");
    other.execute_batch("ROLLBACK").unwrap();
    bench.apply(&create).await.unwrap();
    bench.prove(&create).await.unwrap();
}

#[tokio::test]
async fn check_says_what_is_in_order_and_what_is_not_and_changes_nothing() {
    let dir = TempDir::new().unwrap();
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let path = dir.path().join("mail.db");
    let target = MailMaps::configured("mail", &mail_config(&path)).unwrap();
    let told = async || {
        let (good, bad): (Vec<_>, Vec<_>) = target.check().await.into_iter().partition(Result::is_ok);
        (good.len(), bad.into_iter().filter_map(Result::err).collect::<Vec<_>>().join("\n"))
    };
    assert_eq!(told().await, (1, String::new()), "it will be made");
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);

    drop(MailMaps::open("mail", &mail_config(&path)).unwrap());
    assert_eq!(told().await, (5, String::new()));
    fs::remove_file(beside(&path, "-shm")).unwrap();
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o700)).unwrap();
    let bad = told().await.1;
    assert!(bad.contains("cannot pass through"), "{bad}");
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    assert!(told().await.1.contains("nobody but its owner"));
    by_hand(&path, "PRAGMA journal_mode = DELETE");
    assert!(told().await.1.contains("journal mode delete"));
}

#[tokio::test]
async fn check_finds_damage() {
    let bench = Bench::mail();
    let batch: Vec<_> = (0..200)
        .map(|n| {
            work(
                Action::Create,
                &account(n),
                Some(akund::secret::hash::new_credential(bench.target.schemes()).unwrap()),
            )
        })
        .collect();
    bench.target.apply(&batch).await;
    bench.by_hand("PRAGMA wal_checkpoint(TRUNCATE)");
    let size = fs::metadata(&bench.path).unwrap().len();
    let mut bytes = fs::read(&bench.path).unwrap();
    for byte in &mut bytes[(size / 2) as usize..(size / 2 + 8192) as usize] {
        *byte = 0xff;
    }
    fs::write(&bench.path, bytes).unwrap();
    let bad: Vec<String> = bench.target.check().await.into_iter().filter_map(Result::err).collect();
    assert!(bad.iter().any(|told| told.contains("damaged")), "{bad:?}");
}
