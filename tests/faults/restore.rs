//! A journal that was put back: nothing is sent, nothing is made twice, nothing is written over, until a person says so.

use crate::daemon::{Daemon, Site, count, crashed, records};
use crate::put_back::put_back;
use crate::smtp::Server;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

const REQUESTS: usize = 100;

/// A copy of a journal, in a directory of its own.
struct Copy {
    dir: tempfile::TempDir,
    file: PathBuf,
}

impl Copy {
    /// Where one is to be.
    fn place() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("journal-copy.db");
        Self { dir, file }
    }

    /// What the command that makes one says.
    fn ordered(&self, site: &Site) -> (i32, String) {
        site.told(&["journal", "backup", self.file.to_str().unwrap(), "--json"])
    }

    fn of(site: &Site) -> Self {
        let copy = Self::place();
        let (code, said) = copy.ordered(site);
        assert_eq!(code, 0, "{said}");
        copy
    }

    /// With the daemon stopped.
    fn put_back(&self, site: &Site) {
        put_back(&self.file, &site.journal);
    }

    /// Puts it back and lets it go on.
    fn put_back_and_unpaused(&self, site: &Site) -> Daemon {
        self.put_back(site);
        started_and_unpaused(site)
    }
}

fn started_and_unpaused(site: &Site) -> Daemon {
    let daemon = site.start();
    assert_eq!(site.told(&["unpause"]).0, 0);
    daemon
}

/// Some of a hundred students, as a file of their own.
fn some(rows: std::ops::Range<usize>) -> String {
    let all = records::students("s", REQUESTS, None);
    let mut lines = all.split_inclusive('\n');
    let head = lines.next().unwrap().to_owned();
    let rows: String = lines.skip(rows.start).take(rows.len()).collect();
    head + &rows
}

/// Every row of the mail target, and of the hotspot's.
fn at_targets(site: &Site) -> Vec<String> {
    let all = |database: &rusqlite::Connection, sql: &str| -> Vec<String> {
        database.prepare(sql).unwrap().query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    };
    let mut rows = all(&site.mail(), "SELECT json_array(address, password) FROM mailboxes ORDER BY address");
    rows.extend(all(&site.radius(), "SELECT json_array(username, attribute, value) FROM radcheck ORDER BY 1"));
    rows
}

fn stuck_notices(site: &Site) -> usize {
    let journal = rusqlite::Connection::open(&site.journal).unwrap();
    count(
        &journal,
        "SELECT count(*) FROM step WHERE verb = 'deliver' AND state = 'stuck' AND fault LIKE '%after the backup%'",
    )
}

/// Everything is paused, and says so.
fn is_paused(site: &Site, daemon: &Daemon) {
    let (status, said) = daemon.get("/readyz");
    assert!(status == 503 && said.contains("put back") && said.contains("unpause"), "{status}: {said}");
    assert_eq!(daemon.get("/healthz").0, 200, "it is well, and waits");
    let (_, metrics) = daemon.get("/metrics");
    for line in ["akund_intake_open 0", "akund_lane_paused{lane=\"email\"} 1", "akund_lane_paused{lane=\"mail\"} 1"] {
        assert!(metrics.contains(line), "{line}: {metrics}");
    }
    let (_, shown) = site.told(&["audit", "show", "--json"]);
    assert!(shown.contains("\"restored\""), "{shown}");
    assert_eq!(site.told(&["audit", "verify"]).0, 0);
}

#[test]
fn of_a_backup_from_before_a_hundred_deliveries_nothing_is_sent_or_written_again_without_an_order() {
    let server = Server::start();
    let site = server.site();
    let mut daemon = site.start();
    // A third is made and waits for its notice, a third stands before the target, a third is not begun.
    assert_eq!(site.told(&["pause", "email"]).0, 0);
    site.drop_in("a.csv", some(0..34));
    site.until("the first third waits for its notices", || site.reader().lane("email").unwrap().ready == 34);
    for lane in ["mail", "radius"] {
        assert_eq!(site.told(&["pause", lane]).0, 0);
    }
    site.drop_in("b.csv", some(34..67));
    site.until("the second third waits for the target", || {
        ["mail", "radius"].iter().map(|lane| site.reader().lane(lane).unwrap().ready).sum::<u64>() == 33
    });
    assert_eq!(site.told(&["pause", "credentials"]).0, 0);
    site.drop_in("c.csv", some(67..REQUESTS));
    site.until("the last third has no password yet", || site.reader().lane("credentials").unwrap().ready == 33);
    let copy = Copy::place();
    let (code, report) = copy.ordered(&site);
    assert_eq!(code, 0, "{report}");
    let report: serde_json::Value = serde_json::from_str(&report).unwrap();
    assert_eq!(server.taken().len(), 0);
    assert_eq!(report["key"]["in_the_copy"], false, "{report}");
    assert!(report["key"]["place"].as_str().unwrap().ends_with("journal.key"), "{report}");

    assert_eq!(site.told(&["unpause"]).0, 0);
    site.until_rest(REQUESTS);
    assert!(site.states().values().all(|state| state == "done"), "{:?}", site.states());
    // Two more, of which the backup knows nothing.
    site.drop_in("d.toml", records::good("D/1", "kemudian"));
    site.until_rest(REQUESTS + 1);
    daemon.terminate();
    let passwords: BTreeMap<String, String> = server
        .taken()
        .into_iter()
        .map(|notice| (notice.message_id.clone(), notice.password().unwrap_or_default().to_owned()))
        .collect();
    assert_eq!(passwords.len(), REQUESTS + 1);
    let made = at_targets(&site);

    copy.put_back(&site);
    daemon = site.start();
    is_paused(&site, &daemon);
    assert!(site.log().contains("files that were accepted are unknown"), "{}", site.log());
    assert_eq!(stuck_notices(&site), 34, "what was on its way is stuck at once");
    let (code, unknown) = site.told(&["journal", "unknown"]);
    assert!(code == 1 && unknown.contains("d.toml") && unknown.lines().count() == 2, "{unknown}");

    // A restart changes nothing, nor is it a second time put back.
    daemon.kill();
    daemon = site.start();
    is_paused(&site, &daemon);
    let (_, shown) = site.told(&["audit", "show", "--json", "--most", "100000"]);
    assert_eq!(shown.matches("\"kind\": \"restored\"").count(), 1);

    assert_eq!(site.told(&["unpause", "--reason", "dilihat"]).0, 0);
    site.until("intake opens", || daemon.get("/readyz").0 == 200);
    site.until("everything came to a stop", || {
        site.reader().open_counts().unwrap().iter().all(|(state, _)| state == "stuck")
    });
    assert_eq!(server.taken().len(), REQUESTS + 1, "no notice has left");
    assert_eq!(at_targets(&site), made, "no account twice, and none was written over");
    let journal = rusqlite::Connection::open(&site.journal).unwrap();
    // Those whose password was minted after the backup have another one now: they wait for a person at the target.
    assert_eq!(
        count(
            &journal,
            "SELECT count(*) FROM step WHERE verb = 'apply' AND state = 'stuck' AND fault_class = 'conflict'"
        ),
        33
    );
    assert_eq!(stuck_notices(&site), 67);

    // By order they go, with the same password and the same Message-ID.
    let (code, said) = site.told(&["retry", "--lane", "email", "--since", "1d", "--dry-run"]);
    assert!(code == 0 && said.contains("left alone: 67"), "{said}");
    let (code, said) =
        site.told(&["retry", "--lane", "email", "--since", "1d", "--uncertain", "--reason", "ditanyakan"]);
    assert_eq!(code, 0, "{said}");
    site.until("the notices were sent again", || server.taken().len() == REQUESTS + 1 + 67);
    for notice in server.taken().iter().skip(REQUESTS + 1) {
        assert_eq!(passwords.get(&notice.message_id).map(String::as_str), notice.password(), "{}", notice.message_id);
    }
    assert_eq!(at_targets(&site), made);

    // One of the others: the operator has its password set anew, and only that one is written.
    let (one, _) = site.states().into_iter().find(|(_, state)| state == "stuck").unwrap();
    for _targets in 0..2 {
        assert_eq!(at_targets(&site).len(), made.len());
        if site.state(&one) == "stuck" {
            assert_eq!(site.told(&["retry", &one]).0, 0);
        }
        site.until("it comes to rest", || ["stuck", "done"].contains(&site.state(&one).as_str()));
    }
    assert_eq!(site.state(&one), "done");
    assert_eq!(server.taken().len(), REQUESTS + 1 + 67 + 1, "its notice brings the password");
    let changed = at_targets(&site).iter().filter(|row| !made.contains(row)).count();
    assert!((1..=3).contains(&changed), "one account: {changed}");
    assert_eq!(at_targets(&site).len(), made.len());
    assert_eq!(site.told(&["audit", "verify"]).0, 0);
    daemon.terminate();
}

#[test]
fn a_request_that_the_backup_does_not_know_is_handed_in_again_and_takes_up_the_account_that_it_made() {
    let server = Server::start();
    let site = server.site();
    let daemon = site.start();
    site.drop_in("a.toml", records::good("A/1", "satu"));
    site.until_rest(1);
    let copy = Copy::of(&site);
    site.drop_in("b.toml", records::good("B/1", "dua"));
    site.until_rest(2);
    daemon.terminate();
    let accounts = |site: &Site| count(&site.mail(), "SELECT count(*) FROM mailboxes");
    assert_eq!(accounts(&site), 2);

    let daemon = copy.put_back_and_unpaused(&site);
    site.until("intake opens", || daemon.get("/readyz").0 == 200);
    let (code, paths) = site.told(&["journal", "unknown", "--paths"]);
    assert_eq!((code, paths.lines().count()), (1, 1), "{paths}");
    let (code, said) = site.told(&["submit", paths.trim()]);
    assert_eq!(code, 0, "{said}");
    site.until_rest(2);
    assert_eq!(site.state(&records::key("B/1")), "done", "it is no stranger's address");
    assert_eq!(accounts(&site), 2);
    assert_eq!(server.taken().len(), 3, "by the operator's order it hands out a new password");
    assert_eq!(site.told(&["journal", "unknown"]).0, 0, "it is known now");
    // Somebody else's request for that address is a conflict as ever.
    site.drop_in("c.toml", records::good("C/1", "dua"));
    site.until_rest(3);
    assert_eq!(site.state(&records::key("C/1")), "conflicted");
    daemon.terminate();
}

#[test]
fn an_account_that_was_renamed_after_the_backup_is_known_by_its_uid_and_never_made_twice() {
    let server = Server::start();
    let site = server.site();
    let daemon = site.start();
    assert_eq!(site.told(&["pause", "mail"]).0, 0);
    site.drop_in("a.toml", records::good("A/1", "satu"));
    site.drop_in("b.toml", records::good("B/1", "dua"));
    site.until("they wait for the target", || site.reader().lane("mail").unwrap().ready == 2);
    let copy = Copy::of(&site);
    assert_eq!(site.told(&["unpause"]).0, 0);
    site.until_rest(2);
    daemon.terminate();
    let mail = site.mail();
    let changed = mail.execute("UPDATE mailboxes SET address = 'lain@example.ac.id' WHERE address LIKE 'satu%'", []);
    assert_eq!(changed, Ok(1));
    mail.execute("DELETE FROM aliases", []).unwrap();
    // The other one is not there at all.
    assert_eq!(mail.execute("DELETE FROM mailboxes WHERE address LIKE 'dua%'", []), Ok(1));
    let made = at_targets(&site);

    let daemon = copy.put_back_and_unpaused(&site);
    site.until_rest(2);
    site.until("the other one is made", || at_targets(&site).iter().any(|row| row.contains("dua@")));
    assert!(made.iter().all(|row| at_targets(&site).contains(row)), "it is not written over: {:?}", at_targets(&site));
    assert_eq!(site.state(&records::key("A/1")), "stuck");
    let (_, shown) = site.told(&["show", "A/1"]);
    assert!(shown.contains("under another name"), "{shown}");
    assert_eq!(site.told(&["retry", "A/1"]).0, 0);
    site.until("it has its name again", || {
        count(&site.mail(), "SELECT count(*) FROM mailboxes WHERE address LIKE 'satu%'") == 1
    });
    assert_eq!(count(&site.mail(), "SELECT count(*) FROM mailboxes"), 2, "{:?}", at_targets(&site));
    daemon.terminate();
}

#[test]
fn what_was_withdrawn_after_the_backup_is_not_made_again() {
    let site = Site::new();
    let daemon = site.start();
    for lane in ["mail", "radius"] {
        assert_eq!(site.told(&["pause", lane]).0, 0);
    }
    site.drop_in("a.toml", records::good("A/1", "satu"));
    site.drop_in("b.toml", records::good("B/1", "dua"));
    site.until("both wait for a target", || {
        ["mail", "radius"].iter().map(|lane| site.reader().lane(lane).unwrap().ready).sum::<u64>() == 2
    });
    let copy = Copy::of(&site);
    assert_eq!(site.told(&["withdraw", "A/1"]).0, 0);
    assert_eq!(site.told(&["unpause"]).0, 0);
    site.until_rest(2);
    assert_eq!(site.state(&records::key("A/1")), "withdrawn");
    site.until("its outcome says so", || {
        site.outcomes().values().filter(|outcome| outcome["state"] == "withdrawn" || outcome["state"] == "done").count()
            == 2
    });
    daemon.terminate();
    let made = at_targets(&site);

    copy.put_back(&site);
    let daemon = site.start();
    assert_eq!(site.state(&records::key("A/1")), "stuck");
    assert_eq!(site.told(&["unpause"]).0, 0);
    site.until_rest(2);
    assert_eq!(at_targets(&site), made, "neither made again nor written over");
    assert_eq!(site.told(&["withdraw", "A/1"]).0, 0);
    site.until("it is withdrawn again", || site.state(&records::key("A/1")) == "withdrawn");
    assert_eq!(at_targets(&site), made);
    daemon.terminate();
}

/// The lane at which a request is stuck.
fn stuck_at(site: &Site, key: &str) -> String {
    site.until("it is stuck at a target", || site.state(key) == "stuck");
    let (_, shown) = site.told(&["show", key, "--json"]);
    let shown: serde_json::Value = serde_json::from_str(&shown).unwrap();
    let steps = shown["steps"].as_array().unwrap();
    steps.iter().find(|step| step["state"] == "stuck").unwrap()["lane"].as_str().unwrap().to_owned()
}

#[test]
fn a_withdrawal_takes_away_what_was_made_in_this_journal_and_not_what_it_only_found() {
    for by_hand in [false, true] {
        let site = Site::new();
        let daemon = site.start();
        assert_eq!(site.told(&["pause", "credentials"]).0, 0);
        site.drop_in("a.toml", records::good("A/1", "satu"));
        site.until("it has no password yet", || site.reader().lane("credentials").unwrap().ready == 1);
        let copy = Copy::of(&site);
        assert_eq!(site.told(&["unpause"]).0, 0);
        site.until_rest(1);
        let key = records::key("A/1");
        assert_eq!(site.state(&key), "done");
        daemon.terminate();
        copy.put_back(&site);
        if by_hand {
            // Somebody took half of it away meanwhile: that half is made anew, in this journal.
            site.mail().execute_batch("DELETE FROM mailboxes; DELETE FROM aliases").unwrap();
        }
        let there = at_targets(&site);

        let daemon = started_and_unpaused(&site);
        let lane = stuck_at(&site, &key);
        assert_eq!(lane, if by_hand { "radius" } else { "mail" });
        let mailboxes = || count(&site.mail(), "SELECT count(*) FROM mailboxes");
        assert_eq!(mailboxes(), 1, "found, or made anew");
        let (code, said) = site.told(&["withdraw", "A/1", "--reason", "salah"]);
        assert!(code == 0 && said.contains(&lane) && said.contains("left alone"), "{code} {said}");
        site.until("it is withdrawn", || site.state(&key) == "withdrawn");
        assert_eq!(at_targets(&site), there, "with half of it taken away: {by_hand}");
        let (code, said) = site.told(&["reconcile"]);
        assert!(code == 1 && said.contains("void in the register, and it is there"), "{code} {said}");
        daemon.terminate();
    }
}

#[test]
fn a_withdrawal_leaves_alone_what_was_found_as_wanted_and_may_be_in_use_for_long() {
    let server = Server::start();
    let site = server.site();
    let daemon = site.start();
    for lane in ["mail", "radius"] {
        assert_eq!(site.told(&["pause", lane]).0, 0);
    }
    site.drop_in("a.toml", records::good("A/1", "satu"));
    site.until("it has its password", || {
        ["mail", "radius"].iter().map(|lane| site.reader().lane(lane).unwrap().ready).sum::<u64>() == 1
    });
    let copy = Copy::of(&site);
    assert_eq!(site.told(&["unpause"]).0, 0);
    site.until_rest(1);
    let key = records::key("A/1");
    assert_eq!(site.state(&key), "done");
    daemon.terminate();
    copy.put_back(&site);
    let there = at_targets(&site);
    let daemon = started_and_unpaused(&site);
    assert_eq!(stuck_at(&site, &key), "email", "it is there with the password that the journal has");
    let (code, said) = site.told(&["withdraw", "A/1", "--reason", "salah"]);
    assert!(
        code == 0 && said.contains("left alone") && said.contains("mail") && said.contains("radius"),
        "{code} {said}"
    );
    site.until("it is withdrawn", || site.state(&key) == "withdrawn");
    assert_eq!(at_targets(&site), there, "its owner has it");
    daemon.terminate();
}

#[test]
fn a_password_that_was_made_after_the_backup_was_put_back_cannot_have_arrived() {
    let server = Server::start();
    let site = server.site();
    let daemon = site.start();
    assert_eq!(site.told(&["pause", "credentials"]).0, 0);
    site.drop_in("a.toml", records::good("A/1", "satu"));
    site.until("it has no password yet", || site.reader().lane("credentials").unwrap().ready == 1);
    let copy = Copy::of(&site);
    assert_eq!(site.told(&["unpause"]).0, 0);
    site.until_rest(1);
    daemon.terminate();
    copy.put_back(&site);
    // Somebody cleared it all away, so that it is made anew, with another password than the one that was sent.
    site.mail().execute_batch("DELETE FROM mailboxes; DELETE FROM aliases").unwrap();
    site.radius().execute_batch("DELETE FROM radcheck; DELETE FROM radusergroup; DELETE FROM akund_account").unwrap();
    let daemon = started_and_unpaused(&site);
    let key = records::key("A/1");
    assert_eq!(stuck_at(&site, &key), "email");
    let (code, said) = site.told(&["arrived", "A/1", "--reason", "kata pemohon sudah"]);
    assert!(
        code == 1 && said.contains("made after the journal was put back") && said.contains("akund retry"),
        "{code} {said}"
    );
    let (_, shown) = site.told(&["show", "A/1"]);
    assert!(shown.contains("password was made after the journal was put back"), "{shown}");
    assert_eq!(site.told(&["retry", "A/1", "--reason", "kirim"]).0, 0);
    site.until("it is done", || site.state(&key) == "done");
    let sent: Vec<Option<String>> = server.taken().iter().map(|notice| notice.password().map(str::to_owned)).collect();
    assert!(sent.len() == 2 && sent[0] != sent[1], "another password");
    daemon.terminate();
}

#[test]
fn a_raw_copy_put_back_is_recognised_by_what_the_journal_is_known_to_have_had() {
    for in_the_spool_only in [false, true] {
        let server = Server::start();
        let site = server.site();
        let daemon = site.start();
        site.drop_in("a.toml", records::good("A/1", "satu"));
        site.until_rest(1);
        daemon.terminate();
        let copy = Copy::place();
        std::fs::copy(&site.journal, &copy.file).unwrap();
        let head = site.journal.with_extension("head");
        let head_then = std::fs::read(&head).unwrap();
        let daemon = site.start();
        site.drop_in("b.toml", records::good("B/1", "dua"));
        site.until_rest(2);
        daemon.kill();
        copy.put_back(&site);
        if in_the_spool_only {
            // The whole directory was put back.
            std::fs::write(&head, head_then).unwrap();
        }
        let daemon = site.start();
        is_paused(&site, &daemon);
        assert_eq!(server.taken().len(), 2);
        assert_eq!(site.told(&["unpause"]).0, 0);
        site.until("intake opens", || daemon.get("/readyz").0 == 200);
        site.drop_in("c.toml", records::good("C/1", "tiga"));
        site.until_rest(2);
        assert_eq!(server.taken().len(), 3, "what is new goes its way");
        daemon.terminate();
        let daemon = site.start();
        site.until("it is the journal now", || daemon.get("/readyz").0 == 200);
        daemon.terminate();
    }
}

#[test]
fn a_machine_put_back_whole_is_told_by_a_command() {
    let site = Site::new();
    let daemon = site.start();
    let (code, said) = site.told(&["journal", "restored"]);
    assert_eq!(code, 69, "a daemon has it open: {said}");
    daemon.terminate();
    assert_eq!(site.told(&["journal", "restored"]).0, 0);
    let daemon = site.start();
    is_paused(&site, &daemon);
    daemon.terminate();
}

#[test]
fn a_death_while_it_is_marked_leaves_it_to_be_recognised_again() {
    let server = Server::start();
    let site = server.site();
    let daemon = site.start();
    assert_eq!(site.told(&["pause", "email"]).0, 0);
    site.drop_in("a.toml", records::good("A/1", "satu"));
    site.until("it waits for its notice", || site.reader().lane("email").unwrap().ready == 1);
    let copy = Copy::of(&site);
    assert_eq!(site.told(&["unpause"]).0, 0);
    site.until_rest(1);
    // An order from before must not lift what is to come.
    daemon.terminate();
    copy.put_back(&site);
    assert_eq!(site.told(&["unpause"]).0, 75, "kept for the next start");
    for place in ["journal-put-back", "journal-before-commit", "journal-committed"] {
        let status = site.spawn(&[("AKUND_CRASH_AT", place)]).ended();
        assert!(crashed(status), "{place}: {status}");
    }
    let daemon = site.start();
    is_paused(&site, &daemon);
    assert_eq!(server.taken().len(), 1);
    let journal = rusqlite::Connection::open(&site.journal).unwrap();
    assert_eq!(count(&journal, "SELECT count(*) FROM orders WHERE verb = 'unpause' AND state = 'refused'"), 1);
    drop(journal);
    daemon.terminate();
}

#[test]
fn a_backup_with_nothing_unfinished_starts_paused_too() {
    let server = Server::start();
    let site = server.site();
    let daemon = site.start();
    site.drop_in("a.toml", records::good("A/1", "satu"));
    site.until_rest(1);
    daemon.terminate();
    let copy = Copy::of(&site);
    copy.put_back(&site);
    let daemon = site.start();
    is_paused(&site, &daemon);
    assert_eq!(stuck_notices(&site), 0);
    site.drop_in("b.toml", records::good("B/1", "dua"));
    assert_eq!(site.told(&["unpause"]).0, 0);
    site.until_rest(2);
    assert_eq!(server.taken().len(), 2);
    daemon.terminate();
}

#[test]
fn a_copy_is_whole_private_and_never_in_the_way() {
    use std::os::unix::fs::MetadataExt;
    let site = Site::new();
    let Copy { dir, file } = Copy::place();
    let (code, said) = site.told(&["journal", "backup", file.to_str().unwrap()]);
    assert_eq!(code, 69, "there is no journal yet: {said}");
    let daemon = site.start();
    site.drop_in("a.csv", records::students("a", 60, None));
    // While it is written to.
    let (code, said) = site.told(&["journal", "backup", file.to_str().unwrap()]);
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("is not in it") && said.contains("journal.key") && said.contains("verified"), "{said}");
    assert_eq!(std::fs::metadata(&file).unwrap().mode() & 0o7777, 0o600);
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1, "nothing is left beside it");
    let before = std::fs::read(&file).unwrap();
    for (place, words) in [
        (file.clone(), "there already"),
        (dir.path().to_owned(), "directory"),
        (dir.path().join("missing/journal.db"), "No such file"),
        (site.path("state/copy.db"), "own directory"),
        (site.spool.join("incoming/copy.db"), "own directory"),
    ] {
        let (code, said) = site.told(&["journal", "backup", place.to_str().unwrap()]);
        assert!(code == 74 && said.contains(words), "{code} {}: {said}", place.display());
    }
    assert_eq!(std::fs::read(&file).unwrap(), before);
    let full = Path::new("/dev/full/copy.db");
    assert_ne!(site.told(&["journal", "backup", full.to_str().unwrap()]).0, 0);
    site.until_rest(60);
    let copy = rusqlite::Connection::open(&file).unwrap();
    assert_eq!(count(&copy, "SELECT count(*) FROM meta WHERE key = 'copy'"), 1);
    daemon.terminate();
    let original = rusqlite::Connection::open(&site.journal).unwrap();
    assert_eq!(count(&original, "SELECT count(*) FROM meta WHERE key = 'copy'"), 0);
}
