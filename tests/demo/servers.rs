//! What Postfix, Dovecot and FreeRADIUS make of the accounts.

use crate::fixture::{Credentials, Demo};
use crate::peers::{Dovecot, FreeRadius, Method, Postfix, setgid_dir};
use crate::readme;
use std::io::Write;
use std::process::{Command, Stdio};

#[test]
fn postfix_dovecot_and_freeradius_accept_the_accounts_that_the_demo_made() {
    let demo = Demo::new();
    // As on a real server: the directories belong to the groups of those who read them.
    std::fs::create_dir_all(demo.dir.join("targets")).unwrap();
    setgid_dir(&demo.dir.join("targets"), "mail", "postfix");
    setgid_dir(&demo.dir.join("targets"), "radius", "freerad");
    let ended = demo.run();
    assert_eq!(ended.code, Some(0), "{:?} {}", ended.samples, ended.stderr);

    let unit = demo.credentials_of("humas@example.ac.id");
    assert_eq!(unit.to, "siti.aminah@example.org", "the responsible person gets them");
    let student = demo.credentials_of("adi.santoso@student.example.ac.id");
    assert_ne!(unit.password, student.password);

    let postfix = Postfix::start(&demo.mail_database());
    let dovecot = Dovecot::start(&demo.mail_database());
    let radius = FreeRadius::start(&demo.radius_database(), "Asia/Jakarta");
    for account in [&unit, &student] {
        let (address, user, password) = (&account.address, &account.username, &account.password);
        assert_eq!(postfix.lookup("mailboxes", address).as_ref(), Some(address));
        assert_eq!(postfix.rcpt(address), 250);
        assert!(dovecot.logs_in(address, password), "{address}");
        assert!(dovecot.user(address).contains_key("home"), "{address}");
        assert!(radius.login(Method::Pap, user, password).is_some(), "{user}: {}", radius.log());
        assert!(radius.session_starts(user));
        assert!(radius.login(Method::MsChap, user, password).is_none(), "no NT hash is kept by default");
    }
    assert!(!dovecot.logs_in(&unit.address, &student.password), "another's password");
    assert!(radius.login(Method::Pap, &unit.username, &student.password).is_none(), "another's password");
    as_the_readme_has_it(&unit, &postfix, &dovecot, &radius);
    assert_eq!(postfix.lookup("mailboxes", "hukum@example.ac.id"), None, "a request that is held made nothing");
    assert_eq!(postfix.rcpt("suparman@example.ac.id"), 550, "a refused request made nothing");
}

/// The README's commands for this, on the servers of this test.
fn as_the_readme_has_it(of: &Credentials, postfix: &Postfix, dovecot: &Dovecot, radius: &FreeRadius) {
    let mut script = readme::block("postmap -q");
    for (from, to) in [
        ("perpustakaan@example.ac.id", of.address.clone()),
        ("sqlite:/etc/postfix/akund-mailboxes.cf", postfix.map("mailboxes").to_owned()),
        ("doveadm auth", format!("doveadm -c {} auth", dovecot.config().display())),
        (
            "radtest perpustakaan PASSWORD 127.0.0.1 ",
            format!("radtest {} {} {} ", of.username, of.password, radius.server()),
        ),
    ] {
        assert!(script.contains(from), "{from} is not in {script}");
        script = script.replace(from, &to);
    }
    let mut shell = Command::new("bash");
    shell.args(["-euo", "pipefail", "-c", &script]).env("MAIL_CONFIG", postfix.config());
    let mut shell = shell.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // doveadm asks for it.
    writeln!(shell.stdin.take().unwrap(), "{}", of.password).unwrap();
    let output = shell.wait_with_output().unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{script}: {said}");
    for expected in [&of.address, "auth succeeded", "Received Access-Accept"] {
        assert!(said.contains(expected), "{expected}: {said}");
    }
}
