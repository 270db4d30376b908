//! The register beside what stands at the targets, with the real program: what somebody did there by hand is told, and what may be is
//! put right.

use crate::daemon::{Setup, Site, count, records};
use serde_json::Value;

const SOURCE: &str = "[[source]]\nname = \"local\"\nactions = [\"create\", \"suspend\", \"change\", \"remove\"]\n";

/// Six accounts, one of them suspended; nobody has touched them.
fn site() -> (Site, crate::daemon::Daemon) {
    let site = Site::with(Setup { more: SOURCE.into(), ..Setup::default() });
    for number in 0..6 {
        site.drop_in(&format!("{number}.toml"), records::good(&format!("R/{number}"), &format!("pegawai{number}")));
    }
    let daemon = site.start();
    site.until_rest(6);
    let suspend = records::good("S/1", "pegawai1").replace("id = \"S/1\"", "id = \"S/1\"\naction = \"suspend\"");
    site.drop_in("suspend.toml", suspend);
    site.until("it is suspended", || site.state(&records::key("S/1")) == "done");
    (site, daemon)
}

/// The exit code, and the report.
fn report(site: &Site, more: &[&str]) -> (i32, Value) {
    let output = site.akund(&[&["reconcile", "--json"], more].concat());
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    (output.status.code().unwrap(), serde_json::from_str(&said).unwrap_or_else(|e| panic!("{e}: {said}")))
}

/// `TARGET KIND ACCOUNT` of each difference.
fn found(report: &Value) -> Vec<String> {
    let text = |one: &Value, key: &str| one[key].as_str().unwrap().to_owned();
    let all = report["differences"].as_array().unwrap();
    all.iter().map(|one| [text(one, "target"), text(one, "kind"), text(one, "account")].join(" ")).collect()
}

#[test]
fn what_was_done_by_hand_is_told_and_what_may_be_is_put_right() {
    let (site, daemon) = site();
    let (code, clean) = report(&site, &[]);
    assert_eq!((code, found(&clean)), (0, vec![]), "{clean}");
    assert_eq!(clean["targets"][0]["compared"], 6);

    // Somebody at the database.
    site.mail()
        .execute_batch(
            "DELETE FROM mailboxes WHERE address = 'pegawai0@example.ac.id';
             UPDATE mailboxes SET enabled = 1 WHERE address = 'pegawai1@example.ac.id';
             UPDATE mailboxes SET quota = 5 WHERE address = 'pegawai2@example.ac.id';
             UPDATE mailboxes SET enabled = 0 WHERE address = 'pegawai3@example.ac.id';
             UPDATE mailboxes SET uid = NULL WHERE address = 'pegawai4@example.ac.id';
             INSERT INTO mailboxes (address, uid, password, home, enabled)
               VALUES ('lama@example.ac.id', '01890000-0000-7000-8000-000000000001', 'x', '/lama', 1);",
        )
        .unwrap();
    site.radius()
        .execute_batch(
            "DELETE FROM radusergroup WHERE username = 'pegawai5';
             DELETE FROM radcheck WHERE username IN ('pegawai1', 'pegawai2')",
        )
        .unwrap();
    let before = count(&site.mail(), "SELECT count(*) FROM mailboxes");
    let (code, told) = report(&site, &[]);
    let expected = [
        "mail missing pegawai0@example.ac.id",
        "mail foreign pegawai4@example.ac.id",
        "mail open pegawai1@example.ac.id",
        "mail closed pegawai3@example.ac.id",
        "mail differs pegawai2@example.ac.id",
        "mail unknown lama@example.ac.id",
    ];
    let mut all = found(&told);
    let radius: Vec<String> = all.extract_if(.., |one| one.starts_with("radius")).collect();
    assert_eq!((code, all), (1, expected.map(str::to_owned).to_vec()), "{told}");
    // Nobody has suspended whom nothing is left of; nor is he suspended as he shall be.
    let gone = ["radius missing pegawai1@example.ac.id", "radius missing pegawai2@example.ac.id"];
    assert_eq!(radius, [&gone[..], &["radius differs pegawai5@example.ac.id"]].concat());
    assert_eq!(told["targets"][0]["foreign"], 1);
    assert_eq!(count(&site.mail(), "SELECT count(*) FROM mailboxes"), before, "it has changed nothing");
    let (code, text) = site.told(&["reconcile", "--target", "mail"]);
    assert!(code == 1 && text.contains("never deleted") && !text.contains("radius"), "{text}");
    // The procedure resets and suspends.
    assert!(text.contains("missing: ") && text.contains("or hand in a reset, which makes it anew there"), "{text}");
    assert!(text.contains("hand in a suspend"), "{text}");
    assert_eq!(site.told(&["reconcile", "--fix"]).0, 64, "not without a reason");
    assert_eq!(site.told(&["reconcile", "--target", "surat"]).0, 64);

    // From a report, as somebody without the service's credentials would.
    let path = site.path("report.json");
    std::fs::write(&path, told.to_string()).unwrap();
    let (code, said) = site.told(&["reconcile", "--fix", "--from", path.to_str().unwrap(), "--reason", "dipulihkan"]);
    assert!(code == 1 && said.contains("3 asked for: 3 are being put right, 0 are held"), "{code} {said}");
    assert!(said.contains("of 9 differences 3 were asked for; 6 are left to you"), "{said}");
    site.until("all is put right", || {
        let fixes = site.states().into_iter().filter(|(name, _)| name.contains("+reconcile-"));
        fixes.filter(|(_, state)| state == "done").count() == 3
    });
    let (code, left) = report(&site, &[]);
    let left = found(&left);
    assert_eq!(code, 1);
    assert_eq!(left, [&[expected[0], expected[1], expected[3], expected[5]][..], &gone].concat());
    let quota = "SELECT count(*) FROM mailboxes WHERE quota = 5";
    assert_eq!(count(&site.mail(), quota), 0);
    // Nobody was sent anything, and no password was made.
    let journal = rusqlite::Connection::open(&site.journal).unwrap();
    let sql = "SELECT count(*) FROM step s JOIN request r ON r.id = s.id >> 8 WHERE r.ext_id LIKE '%+reconcile-%' AND verb NOT IN ('apply', 'prove')";
    assert_eq!(count(&journal, sql), 0);
    // The same report once more: what is as it shall be is written once more, and nothing breaks.
    let (_, said) = site.told(&["reconcile", "--fix", "--from", path.to_str().unwrap(), "--reason", "dipulihkan"]);
    assert!(said.contains("being put right"), "{said}");
    site.until("all is done", || site.states().values().all(|state| state == "done"));
    daemon.terminate();
    assert_eq!(site.told(&["audit", "verify"]).0, 0);
}

#[test]
fn what_cannot_be_read_or_is_empty_is_no_missing_account_and_exit_code_69() {
    let (site, daemon) = site();
    daemon.terminate();
    site.mail().execute_batch("DELETE FROM mailboxes; DELETE FROM aliases").unwrap();
    let (code, told) = report(&site, &[]);
    assert_eq!((code, found(&told)), (69, vec![]), "{told}");
    assert!(told["targets"][0]["error"].as_str().unwrap().contains("shows none of the 6 accounts"), "{told}");
    std::fs::rename(site.path("targets/mail"), site.path("targets/elsewhere")).unwrap();
    let (code, told) = report(&site, &[]);
    assert_eq!((code, found(&told)), (69, vec![]), "{told}");
    assert!(!site.path("targets/mail").exists(), "it makes nothing");
    assert_eq!(told["targets"][1]["same"], 6, "the other one is compared all the same");
    assert_eq!(report(&site, &["--target", "radius"]).0, 0);
    site.radius().execute_batch("DELETE FROM radcheck").unwrap();
    let (code, told) = report(&site, &["--target", "radius"]);
    assert_eq!((code, found(&told)), (69, vec![]), "akund's own notes are no accounts: {told}");
}

#[test]
fn beyond_the_change_budget_what_an_order_would_put_right_is_held() {
    let site = Site::with(Setup { more: SOURCE.into(), ..Setup::default() });
    site.drop_in("mahasiswa.csv", records::students("mhs-", 23, None));
    let daemon = site.start();
    site.until_rest(23);
    site.mail().execute_batch("UPDATE mailboxes SET quota = 5").unwrap();
    let (code, told) = report(&site, &["--target", "mail"]);
    assert_eq!((code, told["differences"].as_array().unwrap().len()), (1, 23));
    let (code, said) = site.told(&["reconcile", "--target", "mail", "--fix", "--reason", "kuota rusak"]);
    assert!(code == 0 && said.contains("20 are being put right, 3 are held by the change budget"), "{code} {said}");
    site.until("twenty are put right", || count(&site.mail(), "SELECT count(*) FROM mailboxes WHERE quota = 5") == 3);
    let held = site.states().into_iter().find(|(_, state)| state == "held").unwrap().0;
    site.until("they are done", || site.states().values().filter(|state| *state == "done").count() == 43);
    assert_eq!(site.told(&["release", &held, "--reason", "sudah dilihat"]).0, 0);
    site.until("a released one is put right", || {
        count(&site.mail(), "SELECT count(*) FROM mailboxes WHERE quota = 5") == 2
    });
    daemon.terminate();
}
