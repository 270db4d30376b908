//! `akund check` says what is wrong, and changes nothing.

use crate::service::{Site, text, wait};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

type Tree = BTreeMap<PathBuf, Option<Vec<u8>>>;

fn same(after: &Tree, before: &Tree, when: &str) {
    let paths: BTreeSet<_> = after.keys().chain(before.keys()).collect();
    let changed: Vec<_> = paths.into_iter().filter(|path| after.get(*path) != before.get(*path)).collect();
    assert!(changed.is_empty(), "{when}: {changed:?}");
}

/// Every path below a directory with its content.
fn tree(dir: &Path) -> Tree {
    let mut found = BTreeMap::new();
    let mut waiting = vec![dir.to_owned()];
    while let Some(dir) = waiting.pop() {
        for path in fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()) {
            match path.is_dir() {
                true => {
                    waiting.push(path.clone());
                    found.insert(path, None);
                }
                // Readers of a database mark in this file how far they have read.
                false if path.to_string_lossy().ends_with("-shm") => drop(found.insert(path, None)),
                false => drop(found.insert(path.clone(), fs::read(&path).ok())),
            }
        }
    }
    found
}

#[test]
fn before_the_first_start_all_is_in_order_and_nothing_is_made() {
    let site = Site::new();
    let before = tree(&site.here);
    let said = site.exits(0, &["check"]);
    assert!(said.contains("all is in order") && said.contains("will be made"), "{said}");
    site.json(&["check"]);
    same(&tree(&site.here), &before, "before any start");
}

#[test]
fn on_an_installation_that_has_worked_it_changes_nothing_whether_akund_runs_or_not() {
    let site = Site::new();
    let daemon = site.start();
    let before = tree(&site.here);
    site.exits(0, &["check"]);
    same(&tree(&site.here), &before, "while akund runs");
    assert_eq!(daemon.stop(), Some(0));
    let before = tree(&site.here);
    site.exits(0, &["check"]);
    same(&tree(&site.here), &before, "while akund is stopped");
}

#[test]
fn a_lost_key_is_told_and_no_other_is_made_in_its_place() {
    let site = Site::new();
    assert_eq!(site.start().stop(), Some(0));
    let key = site.at("state/journal.key");
    let kept = fs::read(&key).unwrap();
    fs::remove_file(&key).unwrap();
    for (arguments, code) in [(["check"].as_slice(), 78), (&["run"], 78)] {
        let said = site.exits(code, arguments);
        assert!(said.contains("sealed with key") && said.contains("there is no key at"), "{said}");
        assert!(!key.exists(), "a new key would hide that the right one is lost");
    }
    // Another one is no better.
    fs::write(&key, kept.iter().rev().copied().collect::<Vec<u8>>()).unwrap();
    std::os::unix::fs::chown(&key, None, None).unwrap();
    fs::set_permissions(&key, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let said = site.exits(78, &["check"]);
    assert!(said.contains("give back that one") || said.contains("sealing key"), "{said}");
    fs::write(&key, kept).unwrap();
    site.exits(0, &["check"]);
}

/// As README.md has it installed: `LoadCredential=` for the service, and `akund check` typed by a person.
#[test]
fn a_key_that_only_the_service_sees_is_not_told_as_lost_while_it_runs() {
    let site = Site::new();
    assert_eq!(site.start().stop(), Some(0));
    let credentials = site.at("credentials");
    fs::create_dir(&credentials).unwrap();
    fs::rename(site.at("state/journal.key"), credentials.join("akund-key")).unwrap();
    let daemon = site.start_with(&[("CREDENTIALS_DIRECTORY", credentials.to_str().unwrap())]);
    let said = site.exits(0, &["check"]);
    assert!(said.contains("the running akund has"), "{said}");
    assert_eq!(daemon.stop(), Some(0));
    let said = site.exits(78, &["check"]);
    assert!(said.contains("akund-as-service check"), "{said}");
}

#[test]
fn a_bare_name_of_a_secret_is_told_by_hand_with_how_to_run_it_instead() {
    let site = Site::new();
    let config = fs::read_to_string(site.config()).unwrap();
    let (rest, _) = config.split_once("[channel.email]").unwrap();
    let smtp = "[channel.email]\nkind = \"smtp\"\nhost = \"127.0.0.1\"\ntls = \"none\"\nfrom = \"a@example.org\"\n\
                username = \"akund\"\npassword_file = \"smtp-password\"\n";
    fs::write(site.config(), format!("{rest}{smtp}")).unwrap();
    for command in ["check", "run"] {
        let said = site.exits(78, &[command]);
        assert!(said.contains("smtp-password is the name of a systemd credential"), "{said}");
        assert!(said.contains("akund-as-service check") && said.contains("the path of a file"), "{said}");
    }
}

#[test]
fn a_record_that_was_cut_off_is_told_by_the_head_beside_the_journal() {
    let site = Site::new();
    assert_eq!(site.start().stop(), Some(0));
    site.exits(0, &["audit", "verify"]);
    let journal = rusqlite::Connection::open(site.at("state/journal.db")).unwrap();
    journal
        .execute_batch(
            "DROP TRIGGER event_is_never_removed; DELETE FROM event WHERE seq = (SELECT max(seq) FROM event);",
        )
        .unwrap();
    drop(journal);
    let said = site.exits(1, &["audit", "verify"]);
    assert!(said.contains("its tail was cut off"), "{said}");
}

#[test]
fn a_test_notice_is_sent_only_when_asked_for_and_over_the_channels_that_go_there() {
    let site = Site::new();
    site.exits(0, &["check"]);
    let sent = || match fs::read_dir(site.at("outbox")) {
        Ok(files) => files.map(|file| fs::read_to_string(file.unwrap().path()).unwrap()).collect::<Vec<_>>(),
        Err(_) => Vec::new(),
    };
    assert!(sent().is_empty());
    let said = site.exits(0, &["check", "--send-to", "admin@example.org"]);
    assert!(said.contains("took the test notice"), "{said}");
    let notices = sent();
    assert_eq!(notices.len(), 1);
    assert!(notices[0].contains("To: admin@example.org") && notices[0].contains("pesan percobaan"), "{}", notices[0]);
    let said = site.exits(78, &["check", "--send-to", "081234567890"]);
    assert!(said.contains("no channel of the configuration goes there"), "{said}");
    let said = site.exits(64, &["check", "--send-to", "notanaddress"]);
    assert!(said.contains("an e-mail address") && said.contains("or a phone number"), "{said}");
    assert_eq!(sent().len(), 1);
}

#[test]
fn every_part_that_is_wrong_is_named_in_one_go_and_nothing_is_made() {
    let site = Site::new();
    let config = fs::read_to_string(site.config()).unwrap();
    let more = "[[source]]\nname = \"helpdesk\"\nowners = [\"no-such-user\"]\nsignature = \"required\"\nallowed_signers = \"none\"\n";
    fs::write(site.config(), config + more).unwrap();
    let procedure = site.at("procedures/generic.toml");
    let text = fs::read_to_string(&procedure).unwrap();
    fs::write(&procedure, text.replace("route = \"refuse\"", "route = \"refuze\"")).unwrap();
    fs::create_dir_all(site.at("templates")).unwrap();
    fs::write(site.at("templates/refusal.id.txt"), "Subject: x\n\n{{ no_such_value }}\n").unwrap();
    fs::create_dir_all(site.at("targets/mail")).unwrap();
    fs::write(site.at("targets/mail/mail.db"), "not a database").unwrap();
    fs::create_dir_all(site.at("state")).unwrap();
    fs::write(site.at("state/journal.key"), "not a key").unwrap();
    fs::create_dir_all(site.at("outbox")).unwrap();
    fs::set_permissions(site.at("outbox"), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let before = tree(&site.here);
    let said = site.exits(78, &["check"]);
    for wrong in ["no-such-user", "allowed signers", "refuze", "no_such_value", "mail.db", "journal.key", "outbox"] {
        assert!(said.lines().any(|line| line.contains(wrong)), "{wrong} is not told of: {said}");
    }
    assert!(said.contains("✗ ") && said.contains("something must be mended first"), "{said}");
    let document = site.json(&["check"]);
    let bad = document.as_array().unwrap().iter().filter(|line| line["good"] == false).count();
    assert!(bad >= 7, "{document:#}");
    same(&tree(&site.here), &before, "before any start");
}

#[test]
fn a_mistake_in_the_configuration_is_shown_where_it_is() {
    let site = Site::new();
    let config = fs::read_to_string(site.config()).unwrap().replace("listen =", "lisen =");
    fs::write(site.config(), config).unwrap();
    let said = site.exits(78, &["check"]);
    assert!(said.contains("lisen") && said.contains("listen") && said.contains("akund.toml"), "{said}");
    assert_eq!(site.json(&["check"])["exit"], 78);
}

#[test]
fn a_server_that_is_down_is_unavailable_and_no_mistake_in_the_configuration() {
    let site = Site::new();
    let config = fs::read_to_string(site.config()).unwrap();
    // A port that was free a moment ago, on a loopback address of its own.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let (rest, _) = config.split_once("[channel.email]").unwrap();
    let smtp = format!(
        "[channel.email]\nkind = \"smtp\"\nhost = \"127.0.0.1\"\nport = {port}\ntls = \"none\"\nfrom = \"a@example.org\"\n"
    );
    fs::write(site.config(), format!("{rest}{smtp}")).unwrap();
    let said = site.exits(69, &["check"]);
    assert!(said.contains(&port.to_string()) && said.contains("✗ channel email"), "{said}");
}

#[test]
fn a_journal_that_was_overwritten_is_not_called_readable_and_is_told_of_once() {
    let site = Site::new();
    assert_eq!(site.start().stop(), Some(0));
    let config = fs::read_to_string(site.config()).unwrap();
    fs::write(site.config(), config + "[retention]\noutcomes_days = 90\n").unwrap();
    site.exits(0, &["check"]);
    let journal = site.at("state/journal.db");
    let good = fs::read(&journal).unwrap();
    let mut middle = good.clone();
    middle[8192..24_576].fill(0xa5);
    for (what, bytes) in [("all of it", vec![0x5a; good.len()]), ("its middle", middle), ("a text", b"hello".to_vec())]
    {
        fs::write(&journal, bytes).unwrap();
        let said = site.exits(69, &["check"]);
        let wrong: Vec<_> = said.lines().filter(|line| line.starts_with('✗')).collect();
        assert_eq!(wrong.len(), 1, "{what}: {said}");
        assert!(wrong[0].starts_with("✗ journal: ") && wrong[0].contains("damaged"), "{what}: {said}");
    }
    fs::write(&journal, good).unwrap();
    site.exits(0, &["check"]);
}

#[test]
fn what_somebody_elses_directory_hides_is_told_once() {
    assert!(nix::unistd::geteuid().is_root(), "run as root, so that there are users who may not");
    let site = Site::new();
    assert_eq!(site.start().stop(), Some(0));
    fs::create_dir_all(site.at("templates")).unwrap();
    for open in ["", "akund-demo"] {
        fs::set_permissions(site.here.join(open), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    }
    let program = site.here.join("akund");
    fs::copy(env!("CARGO_BIN_EXE_akund"), &program).unwrap();
    let nobody = nix::unistd::User::from_name("nobody").unwrap().unwrap();
    let wrong = |part: &str, closed: &str| {
        let mode = |mode| {
            let permissions = std::os::unix::fs::PermissionsExt::from_mode(mode);
            fs::set_permissions(site.at(closed), permissions).unwrap();
        };
        mode(0o700);
        let mut command = site.command(program.to_str().unwrap());
        std::os::unix::process::CommandExt::uid(&mut command, nobody.uid.as_raw()).arg("check");
        let mut output = command.output();
        // A process that another test forks at this moment may still hold the copy open.
        wait("the copied program to be nobody else's", || {
            let busy = matches!(&output, Err(error) if error.kind() == std::io::ErrorKind::ExecutableFileBusy);
            if busy {
                output = command.output();
            }
            !busy
        });
        mode(0o755);
        let said = text(&output.unwrap());
        let of = |line: &&str| line.starts_with('✗') && line.contains(closed);
        let lines: Vec<_> = said.lines().filter(of).map(str::to_owned).collect();
        assert_eq!(lines.len(), 1, "{closed}: {said}");
        assert!(lines[0].starts_with(&format!("✗ {part}: ")) && lines[0].contains("ermission denied"), "{said}");
    };
    wrong("journal", "state");
    wrong("templates", "templates");
}

#[test]
fn a_mistake_in_names_that_user_names_take_over_is_told_once() {
    let site = Site::new();
    let procedure = site.at("procedures/generic.toml");
    let written = fs::read_to_string(&procedure).unwrap();
    let mended = "[\"{given}.{family}\", \"{initial}{family}\", \"{name}\"]";
    assert_eq!(written.matches(mended).count(), 1);
    fs::write(&procedure, written.replace(mended, "[\"{givn}.{family}\", \"{name}\"]")).unwrap();
    let said = site.exits(78, &["check"]);
    assert_eq!(said.matches("unknown placeholder").count(), 1, "{said}");
}
