//! The register beside a directory, a mail server and a hotspot on which somebody has worked by hand.

use crate::campus::Campus;
use crate::office::Engine;

const PEOPLE: &str = "ou=people,dc=example,dc=org";

#[tokio::test(flavor = "multi_thread")]
async fn what_was_done_by_hand_in_three_places_is_told_and_put_right_with_mail_in_flat_files() {
    reconciled(Engine::Files).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_done_by_hand_in_three_places_is_told_and_put_right_with_tables_in_postgresql() {
    reconciled(Engine::Postgres).await;
}

/// `TARGET KIND ACCOUNT` of each difference, and the exit code.
fn differences(campus: &Campus) -> (Option<i32>, Vec<String>) {
    let output = campus.office.site.akund(&["reconcile", "--json"]);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let report: serde_json::Value = serde_json::from_str(&said).unwrap_or_else(|e| panic!("{e}: {said}"));
    let text = |one: &serde_json::Value, key: &str| one[key].as_str().unwrap().to_owned();
    let all = report["differences"].as_array().unwrap().iter();
    let all = all.map(|one| [text(one, "target"), text(one, "kind"), text(one, "account")].join(" "));
    let all: Vec<String> = all.collect();
    let errors = report["targets"].as_array().unwrap().iter().filter_map(|target| target["error"].as_str());
    (output.status.code(), all.into_iter().chain(errors.map(str::to_owned)).collect())
}

async fn reconciled(engine: Engine) {
    let campus = Campus::on(engine);
    let daemon = campus.start();
    for (id, user) in [("A-1", "rukmini"), ("A-2", "sukarno"), ("A-3", "siti")] {
        campus.office.ask(id, "create", user);
    }
    campus.office.ask("A-4", "suspend", "sukarno");
    campus.put_foreign("tamu");
    assert_eq!(differences(&campus), (Some(0), vec![]));

    // Locked no more; another name; and no longer akund's, by its mark.
    campus.slapd.by_hand(&format!(
        "dn: uid=sukarno,{PEOPLE}\nchangetype: modify\ndelete: pwdAccountLockedTime\n\n\
         dn: uid=rukmini,{PEOPLE}\nchangetype: modify\nreplace: sn\nsn: Lain\n\n\
         dn: uid=siti,{PEOPLE}\nchangetype: modify\ndelete: labeledURI\n"
    ));
    let (code, found) = differences(&campus);
    let expected = |kind: &str, user: &str| format!("tree {kind} {user}@example.ac.id");
    assert_eq!(code, Some(1));
    assert_eq!(found, [expected("foreign", "siti"), expected("open", "sukarno"), expected("differs", "rukmini")]);
    let (code, said) = campus.office.site.told(&["reconcile", "--fix", "--reason", "slapd dipulihkan"]);
    assert!(code == 1 && said.contains("2 are being put right"), "{code} {said}");
    campus.office.site.until_rest(6);
    assert_eq!(differences(&campus), (Some(1), vec![expected("foreign", "siti")]));
    assert!(campus.entries("rukmini")[0].lines().any(|line| line.starts_with("sn: ") && !line.contains("Lain")));
    assert!(campus.entries("sukarno")[0].contains("sn: "));
    // Whoever is not akund's was left alone.
    assert!(campus.slapd.logs_in(&format!("uid=tamu,{PEOPLE}"), "rahasia-orang-lain"));
    daemon.terminate();
}
