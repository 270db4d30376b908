//! One account in a directory, at a mail server and at a hotspot, from its making to its end.

use crate::campus::{Campus, three};
use crate::office::Engine;
use crate::peers::Method;

#[tokio::test(flavor = "multi_thread")]
async fn one_request_makes_three_accounts_that_follow_every_action_with_mail_in_tables() {
    whole_life(Engine::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_request_makes_three_accounts_that_follow_every_action_with_mail_in_flat_files() {
    whole_life(Engine::Files).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_request_makes_three_accounts_that_follow_every_action_with_tables_in_postgresql() {
    whole_life(Engine::Postgres).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_request_makes_three_accounts_that_follow_every_action_with_tables_in_mariadb() {
    whole_life(Engine::MariaDb).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_that_akund_did_not_make_is_left_alone_and_its_request_held() {
    let campus = Campus::on(Engine::Sqlite);
    let daemon = campus.start();
    campus.put_foreign(USER);
    campus
        .slapd
        .by_hand(&format!("dn: uid={USER},ou=people,dc=example,dc=org\nchangetype: modify\nadd: mail\nmail: {OLD}\n"));
    let before = campus.entries(USER);
    for action in ["suspend", "reset", "remove"] {
        campus.office.ask(&format!("F-{action}"), action, USER);
        assert_eq!(campus.office.site.state(&format!("generic:F-{action}@1")), "held");
        let shown = campus.akund(&["show", &format!("F-{action}")]);
        assert!(shown.contains("tree"), "it is told where the account is:\n{shown}");
    }
    assert_eq!(campus.entries(USER), before);
    assert!(campus.slapd.logs_in(&format!("uid={USER},ou=people,dc=example,dc=org"), "rahasia-orang-lain"));
    assert_eq!(campus.office.passwords(), Vec::<String>::new());
    daemon.terminate();
}

const USER: &str = "rukmini";
const OLD: &str = "rukmini@example.ac.id";
const NEW: &str = "r.wulandari@example.ac.id";

async fn whole_life(engine: Engine) {
    let campus = Campus::on(engine);
    let daemon = campus.start();
    let first = made(&campus).await;
    changed(&campus, &first).await;
    let second = shut_and_opened(&campus, &first).await;
    removed(&campus, &second).await;
    assert!(campus.akund(&["check"]).contains("tree"));
    daemon.terminate();
    for password in [&first, &second] {
        assert!(!campus.office.site.log().contains(password.as_str()));
    }
}

async fn made(campus: &Campus) -> String {
    let office = &campus.office;
    office.ask("A-1", "create", USER);
    assert_eq!(office.proofs("A-1"), three(["login"; 3]));
    let password = office.passwords().remove(0);
    assert_eq!(campus.takes(OLD, USER, &password).await, [true; 3]);
    assert_eq!(campus.takes(OLD, USER, "salah").await, [false; 3]);
    assert!(office.mail.deliver(OLD, "Selamat datang"), "{}", office.mail.log());
    let inbox = office.mails(1, OLD, &password).await;
    assert!(inbox[0].contains("Subject: Selamat datang"), "{}", inbox[0]);
    password
}

/// A new address, with the old one as an alias; a new name, quota, profile and last day; the password stays.
async fn changed(campus: &Campus, password: &str) {
    let office = &campus.office;
    let last = jiff::Zoned::now().date() + jiff::Span::new().days(100);
    let values = "name = \"Rukmini W. Lestari\"\nquota = \"7GB\"\ngroup = \"dosen\"";
    office.ask_change("A-2", USER, &format!("address = {NEW:?}\n{values}\nexpires = {last}\n"));
    assert_eq!(office.proofs("A-2"), three(["observed"; 3]));
    campus.comes_to_take(NEW, USER, password, true).await;
    assert!(!office.imap_takes(OLD, password).await, "the old address only receives");
    for (address, subject) in [(NEW, "Alamat baru"), (OLD, "Alamat lama")] {
        assert!(office.mail.deliver(address, subject), "{address}: {}", office.mail.log());
    }
    let inbox = office.mails(3, NEW, password).await;
    for subject in ["Selamat datang", "Alamat baru", "Alamat lama"] {
        assert!(inbox.iter().any(|mail| mail.contains(&format!("Subject: {subject}"))), "{subject}");
    }
    assert_eq!(office.mail.user(NEW)["quota_rule"], "*:bytes=7000000000");
    let answer = office.radius.login(Method::Pap, USER, password).unwrap();
    for attribute in ["Mikrotik-Rate-Limit = \"5M/7M\"", "Session-Timeout = "] {
        assert!(answer.contains(attribute), "{attribute} is not in\n{answer}");
    }
    // The day ends at midnight in Jakarta.
    let end = format!("pwdEndTime: {}170000Z", last.strftime("%Y%m%d"));
    let entry = campus.entries(USER).remove(0);
    for line in [
        format!("mail: {NEW}"),
        format!("mail: {OLD}"),
        "cn: Rukmini W. Lestari".into(),
        "sn: Lestari".into(),
        "description: quota 7000000000".into(),
        end,
    ] {
        assert!(entry.lines().any(|l| l == line), "{line} is not in\n{entry}");
    }
}

/// Suspended, resumed, and given a new password; that is answered.
async fn shut_and_opened(campus: &Campus, first: &str) -> String {
    let office = &campus.office;
    let local = "r.wulandari";
    office.ask("A-3", "suspend", local);
    campus.comes_to_take(NEW, USER, first, false).await;
    // slapd and FreeRADIUS say that it is the account that is closed, and Dovecot refuses its master user as this account.
    assert_eq!(office.proofs("A-3"), three(["login"; 3]));
    assert!(office.mail.deliver(NEW, "Selama cuti"), "a suspended account still receives mail");

    office.ask("A-4", "resume", local);
    assert_eq!(office.proofs("A-4"), three(["login", "observed", "observed"]));
    campus.comes_to_take(NEW, USER, first, true).await;
    office.mails(4, NEW, first).await;

    office.ask("A-5", "reset", local);
    assert_eq!(office.proofs("A-5"), three(["login"; 3]));
    let second = office.passwords().into_iter().find(|password| password != first).unwrap();
    assert_eq!(campus.takes(NEW, USER, &second).await, [true; 3]);
    assert_eq!(campus.takes(NEW, USER, first).await, [false; 3]);
    second
}

/// Everything is gone but the mail.
async fn removed(campus: &Campus, password: &str) {
    let office = &campus.office;
    let before = campus.stored_mail(USER);
    assert_eq!(before.len(), 4, "{before:?}");
    office.ask("A-6", "remove", "r.wulandari");
    assert_eq!(office.proofs("A-6"), three(["login", "observed", "observed"]));
    campus.comes_to_take(NEW, USER, password, false).await;
    assert_eq!(campus.entries(USER), Vec::<String>::new());
    for address in [NEW, OLD] {
        assert!(!office.mail.deliver(address, "Terlambat"), "{address} still receives");
    }
    assert_eq!(campus.stored_mail(USER), before, "mail is not deleted");
    assert!(office.radius.disconnected().len() >= 2, "the suspension and the removal each end the sessions");
}
