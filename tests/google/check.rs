//! `check` says what is wrong with the delegation, and changes nothing.

use crate::bench::*;
use akund::model::{FaultClass, Finding};
use akund::target::Target;
use std::time::Duration;

const ALL: &str = "org_unit = \"/Staf\"\n[target.google.org_units]\nlecturer = \"/Staf/Dosen Tetap\"\n";

fn told(findings: &[Finding]) -> String {
    findings
        .iter()
        .map(|f| match f {
            Ok(t) => format!("ok: {t}\n"),
            Err(t) => format!("WRONG: {t}\n"),
        })
        .collect()
}

#[tokio::test(start_paused = true)]
async fn a_good_account_is_found_good_and_nothing_is_changed() {
    let bench = Bench::with(&format!("{ALL}{GROUPS}")).await;
    let findings = bench.target.check().await;
    let told = told(&findings);
    assert!(findings.iter().all(Result::is_ok), "{told}");
    for says in [
        "act as a…@example.org",
        "admin.directory.user,",
        "is a super administrator",
        "the mail domain example.org is",
        "the mail domain unit.example.org is",
        "unit /Staf is there",
        "unit /Staf/Dosen Tetap is there",
        "the group tamu@example.org is there",
    ] {
        assert!(told.contains(says), "{says} is not in\n{told}");
    }
    let state = bench.server.state();
    let wrote: Vec<&String> =
        state.calls.keys().filter(|id| !(id.ends_with(".get") || id.ends_with(".list"))).collect();
    assert!(wrote.is_empty(), "{wrote:?}");
    drop(state);
    bench.server.assert_no_complaints();
}

#[tokio::test(start_paused = true)]
async fn each_thing_that_is_wrong_is_named() {
    type Spoil = fn(&mut crate::google::server::State);
    let cases: [(Spoil, &str); 9] = [
        (|s| s.delegated.clear(), "WRONG: Google gives no access token: the service account is not delegated"),
        (
            |s| s.delegated.retain(|scope| !scope.contains("orgunit")),
            "WRONG: the delegation lacks the scope https://www.googleapis.com/auth/admin.directory.orgunit.readonly:",
        ),
        (|s| s.admins.clear(), "(subject) is no user of the Workspace account"),
        (|s| s.clock_ahead = -420, "clock is 420 s ahead of Google's"),
        (|s| s.directory.domains.retain(|d| d != "unit.example.org"), "WRONG: the mail domain unit.example.org is not"),
        (
            |s| s.directory.org_units.retain(|path| path == "/Staf"),
            "WRONG: the organisational unit /Staf/Dosen Tetap is not there",
        ),
        (|s| s.directory.groups.clear(), "WRONG: the group semua@example.org is not there"),
        (
            |s| {
                s.directory.by_hand("admin@example.org", |user| {
                    user.fields.insert("isAdmin".into(), false.into());
                })
            },
            "is no administrator",
        ),
        (
            |s| s.mood.then("users.get", crate::google::trouble::Trouble::Forbidden("accessNotConfigured")),
            "switch the Admin SDK API on",
        ),
    ];
    for (spoil, says) in cases {
        let bench = Bench::with(&format!("{ALL}{GROUPS}")).await;
        spoil(&mut bench.server.state());
        let told = told(&bench.target.check().await);
        assert!(told.contains(says), "{says} is not in\n{told}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_missing_delegation_is_waited_out_and_does_not_burn_a_try_for_each_account() {
    let bench = Bench::new().await;
    bench.server.state().delegated.clear();
    let answers = bench.target.apply(&creates((0..100).map(account))).await;
    for answer in &answers {
        assert_eq!(class_of(answer), FaultClass::Transient);
        let told = &answer.as_ref().unwrap_err().message;
        assert!(
            told.contains(
                "client id 112233445566778899001 with exactly: https://www.googleapis.com/auth/admin.directory.user"
            ),
            "{told}"
        );
    }
    assert!(bench.target.answers().await.unwrap_err().message.contains("112233445566778899001"));
    assert_eq!(bench.server.state().calls.len(), 0, "the API was not asked");
    bench.server.state().delegated.insert("https://www.googleapis.com/auth/admin.directory.user".into());
    tokio::time::sleep(Duration::from_secs(30)).await;
    bench.target.answers().await.unwrap();
    for answer in bench.apply_all(creates((0..10).map(account))).await {
        answer.unwrap();
    }
}

#[tokio::test]
async fn a_server_that_is_not_there_is_a_fault_that_may_pass_and_says_so() {
    let bench = Bench::new().await;
    let dead = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap()
    };
    let text = toml(&bench.server, bench.dir.path(), "").replace(&bench.server.root_url(), &format!("http://{dead}/"));
    let config = akund::config::load::from_text(&text, bench.dir.path()).unwrap();
    let Some(akund::config::TargetConfig::Google(google)) = config.target.get("google") else { panic!() };
    let target =
        akund::target::google::Workspace::configured("google", google, &akund::secret::place::read_secret).unwrap();
    let refused = target.apply(&[create(&named("humas"))]).await.remove(0);
    assert_eq!(class_of(&refused), FaultClass::Transient);
    assert!(refused.unwrap_err().message.contains("cannot be reached (Connection refused"));
}

#[test]
fn a_key_that_is_none_is_refused_with_what_is_wrong_and_nothing_of_it() {
    let dir = tempfile::tempdir().unwrap();
    let key = dir.path().join("key.json");
    let good = crate::google::server::Server::key_file();
    let text = format!(
        "akund = 1\n[target.google]\nkind = \"google\"\nkey_file = {key:?}\nsubject = \"a@example.org\"\ndomains = [\"example.org\"]\n"
    );
    let config = akund::config::load::from_text(&text, dir.path()).unwrap();
    let Some(akund::config::TargetConfig::Google(google)) = config.target.get("google") else { panic!() };
    for (content, says) in [
        ("rahasia".to_owned(), "no service account's key (line 1"),
        (good.replace("service_account", "authorized_user"), "another type"),
        (good.replace("BEGIN PRIVATE KEY", "BEGIN PUBLIC KEY"), "no RSA key in PEM form"),
        (good.replace("\"client_email\"", "\"e-mail\""), "no service account's key"),
        (String::new(), "is empty"),
    ] {
        std::fs::write(&key, content).unwrap();
        let fault = akund::target::google::Workspace::configured("google", google, &akund::secret::place::read_secret)
            .map(|_| ())
            .unwrap_err();
        assert!(
            fault.message.contains(says) && !fault.message.contains("rahasia") && !fault.message.contains("MII"),
            "{fault}"
        );
    }
}
