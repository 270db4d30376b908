//! One account from its making to a new password.

use crate::office::{Engine, Office, both};
use crate::peers::wait_for;

#[tokio::test(flavor = "multi_thread")]
async fn one_request_makes_accounts_that_work_until_they_are_suspended_with_sqlite() {
    from_create_to_reset(Engine::Sqlite).await;
}

/// A mailbox and a hotspot account by one request; suspended, resumed, and given a new password by three more.
async fn from_create_to_reset(engine: Engine) {
    let office = Office::on(engine);
    let daemon = office.start();
    let (address, user) = ("rukmini@example.ac.id", "rukmini");

    office.ask("A-1", "create", user);
    assert_eq!(office.proofs("A-1"), both("login"));
    let first = office.passwords().remove(0);
    assert!(office.imap_takes(address, &first).await && office.hotspot_takes(user, &first));
    assert!(!office.imap_takes(address, "salah").await && !office.hotspot_takes(user, "salah"));

    assert!(office.mail.deliver(address, "Selamat datang"), "{}", office.mail.log());
    let inbox = office.mails(1, address, &first).await;
    assert!(inbox[0].contains("Subject: Selamat datang") && inbox[0].contains("Isi pesan."), "{}", inbox[0]);

    office.ask("A-2", "suspend", user);
    // FreeRADIUS says that it is the account that is closed, and Dovecot refuses its master user as this account.
    assert_eq!(office.proofs("A-2"), both("login"));
    assert!(!office.imap_takes(address, &first).await && !office.hotspot_takes(user, &first));
    wait_for("the session to be ended", || office.radius.disconnected() == [user]);
    assert!(office.mail.deliver(address, "Selama cuti"), "a suspended account still receives mail");

    office.ask("A-3", "resume", user);
    assert_eq!(office.proofs("A-3"), [("mail".into(), "login".into()), ("radius".into(), "observed".into())]);
    assert!(office.imap_takes(address, &first).await && office.hotspot_takes(user, &first));

    office.ask("A-4", "reset", user);
    assert_eq!(office.proofs("A-4"), both("login"));
    let second = office.passwords().into_iter().find(|password| *password != first).unwrap();
    assert!(office.imap_takes(address, &second).await && office.hotspot_takes(user, &second));
    assert!(!office.imap_takes(address, &first).await && !office.hotspot_takes(user, &first));
    assert_eq!(office.radius.disconnected(), [user], "only the suspension ended a session");

    let (code, told) = office.site.told(&["check"]);
    assert_eq!(code, 0, "{told}");
    for said in [
        "offers AUTHENTICATE PLAIN",
        "answers and offers AUTH",
        "signs its answers and shares the secret",
        "answers Disconnect-Requests",
    ] {
        assert!(told.contains(said), "{said} is not in\n{told}");
    }
    daemon.terminate();
    for password in [&first, &second] {
        assert!(!office.site.log().contains(password.as_str()) && !office.mail.log().contains(password.as_str()));
    }
}
