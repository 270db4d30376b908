//! Through the whole program: a request file becomes an account and a notice, whatever kills the daemon in between.

use crate::bench::toml;
use crate::daemon::mailbox::notices;
use crate::daemon::{Daemon, Setup, Site, crashed, records};
use crate::google::directory::User;
use crate::google::server::{ADMIN, Server};
use crate::google::trouble::Trouble;
use akund::model::{Scheme, Secret};
use akund::secret::hash;
use std::time::Duration;

/// A site whose mail accounts are at Google. What is waited for is short, for this clock is real.
fn site(server: &Server) -> Site {
    server.state().directory.domains.push("example.ac.id".into());
    let site = Site::with(Setup { lane: "retry_seconds = 1\nretry_max_seconds = 2", ..Setup::default() });
    let config = site.path("akund.toml");
    let text = std::fs::read_to_string(&config).unwrap();
    let tables = "[target.mail]\nkind = \"mail-maps\"\ndatabase = \"targets/mail/mail.db\"\n";
    assert!(text.contains(tables), "{text}");
    let google = toml(server, &site.path("state"), "timeout_seconds = 3\nrecheck_seconds = 5\n")
        .replace("akund = 1\n", "")
        .replace("domains = [", "domains = [\"example.ac.id\", ");
    std::fs::write(&config, text.replace(tables, &google)).unwrap();
    site
}

fn users(server: &Server) -> Vec<User> {
    server
        .state()
        .directory
        .users
        .iter()
        .map(|stored| stored.user.clone())
        .filter(|user| user.email() != ADMIN)
        .collect()
}

/// One account, whose password is the one in the one notice.
#[track_caller]
fn holds(site: &Site, server: &Server, id: &str, address: &str) {
    assert_eq!(site.state(&records::key(id)), "done", "{}", site.log());
    let users = users(server);
    assert_eq!(users.iter().map(User::email).collect::<Vec<_>>(), [address]);
    let notices = notices(site);
    assert_eq!(notices.len(), 1);
    let password = Secret::new(notices[0].password().unwrap());
    assert!(
        hash::verify(&password, users[0].text("password"), Scheme::Sha512Crypt),
        "the password that was sent opens it"
    );
    let outcomes = site.outcomes();
    let proof =
        outcomes.values().flat_map(|o| o["steps"].as_array().unwrap()).find(|step| step["proof"].is_string()).unwrap();
    assert_eq!((&proof["lane"], &proof["proof"]), (&"google".into(), &"observed".into()), "{proof}");
    let log = site.log();
    for secret in [password.expose(), "$6$", "ya29.", "BEGIN PRIVATE"] {
        assert!(!log.contains(secret), "{secret} in the log");
    }
    server.assert_no_complaints();
}

fn killed_at(site: &Site, place: &str) {
    let daemon = site.spawn(&[("AKUND_CRASH_AT", place)]);
    let status = daemon.ended();
    assert!(crashed(status), "{place}: {status}\n{}", site.log());
}

#[test]
fn a_request_becomes_one_account_and_one_notice_though_the_daemon_dies_at_every_step() {
    let server = Server::start_apart();
    let site = site(&server);
    let (code, told) = site.told(&["check"]);
    assert_eq!(code, 0, "{told}");
    assert!(told.contains("the mail domain example.ac.id is this Workspace account's"), "{told}");
    site.drop_in("a.toml", records::good("A-1", "rukmini"));
    // Before it is made, after it was made and before that is recorded, and the same with the proof.
    for place in ["google-claimed", "google-done", "google-done:2", "email-claimed"] {
        killed_at(&site, place);
    }
    let daemon = site.start();
    site.until_rest(1);
    daemon.terminate();
    holds(&site, &server, "A-1", "rukmini@example.ac.id");
}

#[test]
fn a_kill_while_google_is_silent_makes_no_second_account() {
    let server = Server::start_apart();
    let site = site(&server);
    {
        let mut state = server.state();
        state.mood.then("users.insert", Trouble::SilentAfter);
        state.directory.lag = Duration::from_secs(2);
    }
    site.drop_in("a.toml", records::good("A-1", "rukmini"));
    let daemon: Daemon = site.start();
    site.until("Google has made it", || users(&server).len() == 1);
    daemon.kill();
    let daemon = site.start();
    site.until_rest(1);
    daemon.terminate();
    holds(&site, &server, "A-1", "rukmini@example.ac.id");
    assert_eq!(server.state().called("users.insert"), 1);
}
