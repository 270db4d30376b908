//! A target that is gone, and whose accounts the register still has.

use crate::daemon::{Daemon, Setup, Site, count, records};

#[test]
fn a_database_that_was_lost_while_akund_was_down_is_waited_for_and_not_made_anew() {
    let site = Site::new();
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let config = std::fs::read_to_string(site.path("akund.toml")).unwrap();
    std::fs::write(site.path("akund.toml"), config.replace("127.0.0.1:0", &format!("127.0.0.1:{port}"))).unwrap();
    let daemon = site.start();
    site.drop_in("a.toml", records::good("1", "humas"));
    site.until_rest(1);
    daemon.terminate();
    let kept = site.path("targets/kept");
    std::fs::rename(site.path("targets/mail"), &kept).unwrap();

    let (code, said) = site.told(&["check"]);
    assert!(code == 69 && said.contains("has lost what akund wrote into it: there is no such file"), "{code} {said}");
    let (code, said) = site.told(&["reconcile"]);
    assert!(code == 69 && said.contains("has lost what akund wrote into it"), "{code} {said}");
    let mut daemon = site.spawn(&[]);
    assert!(daemon.takes_requests(), "{}", site.log());
    assert_eq!(daemon.get("/healthz").0, 200, "a target that is down is no unhealthy daemon");
    site.drop_in("b.toml", records::good("2", "pers"));
    assert!(daemon.until_says("has lost what akund wrote into it"));
    assert!(!site.path("targets/mail").exists());
    assert_eq!(site.state(&records::key("2")), "", "the name cannot be looked up yet");
    let closed = "takes no requests now: target mail cannot be asked which addresses are taken: the database";
    // It has said so at its start already; of the intake it says so with the first file.
    site.until("it is told that nothing is taken", || site.told(&["list"]).1.contains(closed));
    assert!(!site.told(&["list"]).1.contains("(transient)"));
    let (code, said) = site.told(&["check", "--nagios"]);
    assert!(code == 2 && said.starts_with("AKUND CRITICAL - takes no requests: target mail"), "{code} {said}");
    std::fs::write(site.path("c.toml"), records::good("3", "dekan")).unwrap();
    let (code, said) = site.told(&["submit", site.path("c.toml").to_str().unwrap()]);
    assert!(
        code == 0 && said.contains("as soon as akund takes requests again, which it does not now"),
        "{code} {said}"
    );

    std::fs::rename(&kept, site.path("targets/mail")).unwrap();
    site.until_rest(3);
    assert_eq!(site.state(&records::key("2")), "done");
    assert_eq!(count(&site.mail(), "SELECT count(*) FROM mailboxes"), 3);
    assert!(!site.told(&["list"]).1.contains("takes no requests"));
    daemon.terminate();
}

/// Nobody hands anything in for days: who watches akund must hear of it before the first applicant waits.
#[test]
fn a_database_that_is_lost_while_there_is_nothing_to_do_is_seen_and_so_is_that_it_is_back() {
    let site = Site::with(Setup { lane: "look_seconds = 1", ..Setup::default() });
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let config = std::fs::read_to_string(site.path("akund.toml")).unwrap();
    std::fs::write(site.path("akund.toml"), config.replace("127.0.0.1:0", &format!("127.0.0.1:{port}"))).unwrap();
    let up =
        |daemon: &Daemon, up: u8| daemon.get("/metrics").1.contains(&format!("akund_target_up{{lane=\"mail\"}} {up}"));
    let mut daemon = site.start();
    site.until("it is asked at the start", || up(&daemon, 1));
    site.drop_in("a.toml", records::good("1", "humas"));
    site.until_rest(1);
    assert_eq!(site.told(&["check", "--nagios"]).0, 0);

    site.mail().execute_batch("ALTER TABLE retired_homes RENAME TO kept").unwrap();
    site.until("it is seen", || up(&daemon, 0));
    let (code, said) = site.told(&["check", "--nagios"]);
    assert!(code == 1 && said.contains("not reached: mail"), "{code} {said}");
    assert!(daemon.until_says("its server cannot be used now"));
    assert!(daemon.until_says("retired_homes"));
    assert_eq!(daemon.get("/readyz").0, 200, "it is not known that a request would meet it");
    daemon.terminate();

    let mut daemon = site.start();
    site.until("a start sees it, too", || up(&daemon, 0));
    site.mail().execute_batch("ALTER TABLE kept RENAME TO retired_homes").unwrap();
    site.until("it is back", || up(&daemon, 1));
    assert!(daemon.until_says("its server can be used again"));
    assert_eq!(site.told(&["check", "--nagios"]).0, 0);
    daemon.terminate();
}

/// What is at the target is whole and as akund made it; only nobody is in it.
#[test]
fn check_tells_a_target_that_was_emptied() {
    let site = Site::new();
    let daemon = site.start();
    site.drop_in("a.toml", records::good("1", "humas"));
    site.drop_in("b.toml", records::good("2", "pers"));
    site.until_rest(2);
    daemon.terminate();
    let (code, said) = site.told(&["check"]);
    assert!(code == 0 && said.contains("it has the newest accounts of the register (2 were looked for)"), "{said}");
    site.mail().execute_batch("DELETE FROM mailboxes WHERE address LIKE 'pers%'").unwrap();
    let (code, said) = site.told(&["check"]);
    assert!(
        code == 0 && said.contains("! target mail: of the newest accounts") && said.contains("it lacks 1; "),
        "{said}"
    );
    site.mail().execute_batch("DELETE FROM mailboxes").unwrap();
    let (code, said) = site.told(&["check"]);
    assert!(code == 69 && said.contains("(2 were looked for) it has none"), "{code} {said}");
}
