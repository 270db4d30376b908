//! Retention with the real program: what is too old goes, journaled before, and stands nowhere any more; the rest stays.

use crate::daemon::{Setup, Site, count, crashed, files_under, records};
use std::time::{Duration, SystemTime};

const DAYS: u64 = 100;
const AGES: &str = "[retention]\noutcomes_days = 30\noriginals_days = 40\npersonal_days = 50\nregister_days = 60\n";
const SOURCE: &str = "[[source]]\nname = \"local\"\nactions = [\"create\", \"remove\"]\n";
const SWEPT: &str = "what is kept no longer was removed";

/// Its procedure also removes.
fn site() -> Site {
    let site = Site::with(Setup { more: format!("{SOURCE}{AGES}"), ..Setup::default() });
    let usual = "\"suspend\", \"resume\"]";
    assert!(records::PROCEDURE.contains(usual));
    let procedure = records::PROCEDURE.replacen(usual, "\"suspend\", \"resume\", \"remove\"]", 1);
    std::fs::write(site.path("procedures/generic.toml"), procedure).unwrap();
    site
}

/// Everything as if it had happened so many days earlier, and retention had last looked two days ago. No daemon runs.
fn age(site: &Site) {
    let journal = rusqlite::Connection::open(&site.journal).unwrap();
    let by = i64::try_from(DAYS * 86_400_000_000).unwrap();
    for sql in [
        "UPDATE request SET received_at = received_at - ?1, state_at = state_at - ?1, ended_at = ended_at - ?1",
        "UPDATE submission SET received_at = received_at - ?1",
        "UPDATE account SET created_at = created_at - ?1, ended_at = ended_at - ?1",
        "UPDATE orders SET at = at - ?1, done_at = done_at - ?1",
        "UPDATE retention SET swept_at = swept_at - ?1 / 50",
    ] {
        journal.execute(sql, [by]).unwrap();
    }
    let then = SystemTime::now() - Duration::from_secs(DAYS * 86_400);
    for file in files_under(&site.spool) {
        std::fs::File::options().append(true).open(&file).map(|file| file.set_modified(then).unwrap()).unwrap();
    }
}

/// The request of which everything must go in the end.
fn tuti() -> String {
    records::good("TUTI/1", "tuti-wahyuni")
        .replace("Rukmini", "Tuti")
        .replace("197003031995031003", "199912312024012007")
}

fn remove_tuti() -> String {
    tuti().replace("id = \"TUTI/1\"", "id = \"TUTI/2\"\naction = \"remove\"")
}

/// Where a text stands of the journal, its log and the spool: the names of files and what is in them.
fn stands_in(site: &Site, text: &str) -> Vec<String> {
    let mut files = files_under(&site.spool);
    files.extend(files_under(site.journal.parent().unwrap()));
    let holds = |path: &std::path::PathBuf| {
        path.to_string_lossy().to_lowercase().contains(text)
            || std::fs::read(path).unwrap().windows(text.len()).any(|w| w.eq_ignore_ascii_case(text.as_bytes()))
    };
    files.iter().filter(|path| holds(path)).map(|path| path.display().to_string()).collect()
}

fn kept(site: &Site, dir: &str) -> Vec<String> {
    let files = files_under(&site.spool.join(dir));
    files.iter().map(|path| path.file_name().unwrap().to_string_lossy().into_owned()).collect()
}

#[test]
fn what_is_too_old_goes_and_stands_nowhere_in_database_log_or_spool() {
    let site = site();
    for (name, text) in [
        ("tuti-wahyuni.toml", tuti()),
        ("tolak.toml", records::refused("TOLAK/1", "ditolak")),
        ("tanpa-formulir.toml", records::formless("TUNDA/1", "hukum")),
        ("mahasiswa.csv", records::students("mhs-", 12, Some(7))),
        ("rusak.toml", "akund = 1\nid = \"RUSAK/1\"\n".into()),
    ] {
        site.drop_in(name, text);
    }
    let daemon = site.start();
    site.until_rest(14);
    let head = site.reader().head().unwrap().to_string();
    daemon.terminate();
    assert_eq!(kept(&site, "outcome").len(), 14);
    assert!(kept(&site, "rejected").len() >= 4);

    age(&site);
    let (code, said) = site.told(&["check"]);
    assert!(code == 0 && said.contains("13 outcome documents, 4 originals"), "{said}");
    assert!(said.contains("came before that and still open: 1 request"), "{said}");
    assert!(said.contains("outcome documents 30 days after the request's end"), "{said}");
    let mut daemon = site.start();
    assert!(daemon.until_says(SWEPT));
    let metrics = daemon.get("/metrics").1;
    daemon.terminate();
    let value = |name: &str| {
        let line = metrics.lines().find_map(|line| line.strip_prefix(&format!("akund_retention_{name} ")));
        line.unwrap_or_else(|| panic!("{name} is not in {metrics}")).parse::<f64>().unwrap()
    };
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs_f64();
    assert!((now - 600.0..=now).contains(&value("swept_seconds")), "{metrics}");
    assert_eq!((value("failing"), value("removed_total{what=\"requests\"}")), (0.0, 1.0));
    assert!(value("removed_total{what=\"files\"}") >= 17.0, "{metrics}");
    // Of what has ended, no document and no original; what is held keeps both.
    assert_eq!(kept(&site, "outcome"), ["TUNDA%2F1@1.json"]);
    let originals = kept(&site, "accepted");
    assert!(originals.len() == 1 && originals[0].ends_with("-tanpa-formulir.toml"), "{originals:?}");
    assert_eq!(kept(&site, "rejected"), Vec::<String>::new());
    // Refused, nothing of it is needed. Whose the accounts are is.
    assert_eq!(stands_in(&site, "ditolak"), Vec::<String>::new());
    assert_eq!(site.told(&["register", "find", "tuti-wahyuni"]).0, 0);
    let (_, shown) = site.told(&["show", "TOLAK/1"]);
    assert!(shown.contains("removed by retention on"), "{shown}");
    assert!(!site.told(&["show", "TUTI/1"]).1.contains("removed by retention"));

    // Its account is removed, and that, too, was long ago.
    site.drop_in("hapus.toml", remove_tuti());
    let daemon = site.start();
    site.until("the account is removed", || site.state(&records::key("TUTI/2")) == "done");
    daemon.terminate();
    age(&site);
    assert!(!stands_in(&site, "tuti").is_empty());
    let mut daemon = site.start();
    assert!(daemon.until_says(SWEPT));
    // While it still runs: the log was emptied, too. The letter's number is what a duplicate is known by.
    for text in ["wahyuni", "199912312024012007"] {
        assert_eq!(stands_in(&site, text), Vec::<String>::new());
    }
    // What looks at it does not break.
    let (code, shown) = site.told(&["show", "TUTI/1"]);
    assert!(code == 0 && shown.contains("removed by retention on"), "{shown}");
    assert_eq!(site.told(&["list"]).0, 0);
    assert_eq!(site.told(&["register", "find", "tuti-wahyuni"]).0, 1);
    let (code, exported) = site.told(&["register", "export", "--language", "en"]);
    assert!(code == 0 && exported.contains("removed by retention on") && exported.contains("removed"), "{exported}");
    for page in ["/", "/healthz", "/metrics"] {
        assert_eq!(daemon.get(page).0, 200, "{page}");
    }
    let (code, verified) = site.told(&["audit", "verify", "--head", &head]);
    assert_eq!(code, 0, "{verified}");

    // The same again is a duplicate; nobody else is given the address.
    site.drop_in("tuti-lagi.toml", tuti());
    site.drop_in("lain.toml", records::good("LAIN/1", "tuti-wahyuni"));
    site.until("the other one is judged", || {
        !site.state(&records::key("LAIN/1")).is_empty() && site.incoming().is_empty()
    });
    assert_eq!(site.state(&records::key("LAIN/1")), "conflicted");
    assert_eq!(site.state(&records::key("TUTI/1")), "done");
    assert_eq!(site.states().len(), 16);
    assert_eq!(count(&site.mail(), "SELECT count(*) FROM mailboxes WHERE address LIKE 'tuti%'"), 0);
    daemon.terminate();
    assert_eq!(site.told(&["audit", "verify", "--head", &head]).0, 0);
}

#[test]
fn a_kill_at_any_boundary_leaves_what_the_next_start_finishes_once() {
    for place in [
        "retention-intended",
        "retention-unlinked",
        "retention-intended:2",
        "retention-unlinked:2",
        "journal-before-commit:3",
        "journal-committed:4",
        "journal-committed:6",
    ] {
        let site = site();
        site.drop_in("tolak.toml", records::refused("TOLAK/1", "ditolak"));
        site.drop_in("rusak.toml", "akund = 1\nid = \"RUSAK/1\"\n");
        let daemon = site.start();
        site.until_rest(1);
        daemon.terminate();
        age(&site);
        let status = site.spawn(&[("AKUND_CRASH_AT", place)]).ended();
        assert!(crashed(status), "{place}: {status}\n{}", site.log());
        let daemon = site.start();
        let journal = rusqlite::Connection::open(&site.journal).unwrap();
        site.until("all is removed", || {
            count(&journal, "SELECT count(*) FROM removal") == 0
                && count(&journal, "SELECT count(*) FROM personal") == 0
                && files_under(&site.spool.join("rejected")).is_empty()
        });
        daemon.terminate();
        assert_eq!((kept(&site, "outcome").len(), kept(&site, "accepted").len()), (0, 0), "{place}");
        let of = |kind: &str, what: &str| {
            let sql = format!("SELECT count(*) FROM event WHERE kind = '{kind}' AND detail ->> 'what' = '{what}'");
            count(&journal, &sql)
        };
        let found = [of("erasing", "outcome"), of("erasing", "original"), of("erased", "personal")];
        assert_eq!(found, [1, 2, 1], "{place}: each is said once");
        assert_eq!(site.told(&["audit", "verify"]).0, 0, "{place}");
    }
}

#[test]
fn new_ages_are_told_by_check_and_take_effect_a_day_after_they_were_first_read() {
    let site = Site::new();
    site.drop_in("tolak.toml", records::refused("TOLAK/1", "ditolak"));
    let daemon = site.start();
    site.until_rest(1);
    daemon.terminate();
    age(&site);
    assert!(site.told(&["check"]).1.contains("retention: everything is kept for ever"));
    let path = site.path("akund.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, format!("{text}\n{AGES}")).unwrap();
    let said = site.told(&["check"]).1;
    assert!(
        said.contains("a day after akund starts with these ages goes what is older: 1 outcome document,"),
        "{said}"
    );
    let daemon = site.start();
    let journal = rusqlite::Connection::open(&site.journal).unwrap();
    site.until("the ages are recorded", || count(&journal, "SELECT count(*) FROM event WHERE kind = 'retention'") == 1);
    assert!(site.told(&["check"]).1.contains(" on goes what is older: 1 outcome document,"));
    daemon.terminate();
    assert_eq!(kept(&site, "outcome").len(), 1);
    assert_eq!(count(&journal, "SELECT count(*) FROM personal"), 1);
}
