//! Exactly once: what must hold after everything has come to rest, whatever happened in between.

use crate::daemon::{Site, count, files_under, mailbox, records};
use akund::model::{Scheme, Secret};
use akund::secret::hash;
use std::collections::{BTreeMap, BTreeSet};

/// Files to hand in, and what must become of them.
pub struct Work {
    pub files: Vec<(String, String)>,
    /// By request; of the requests in `rivals` one is done and the others are conflicted.
    pub expected: BTreeMap<String, &'static str>,
    /// Want the same address.
    pub rivals: Vec<String>,
    /// The files of which something is rejected.
    pub rejected: Vec<&'static str>,
}

impl Work {
    /// Twelve single files and a bulk file of 30 rows, one of them bad.
    pub fn mixed() -> Self {
        let mut files = Vec::new();
        let mut expected = BTreeMap::new();
        for number in 0..8 {
            let id = format!("BAIK/{number}");
            files.push((format!("baik-{number}.toml"), records::good(&id, &format!("pegawai{number}"))));
            expected.insert(records::key(&id), "done");
        }
        files.push(("30-mahasiswa.csv".to_owned(), records::students("mhs-", 30, Some(7))));
        expected.extend((0..30).filter(|row| *row != 7).map(|row| (records::key(&format!("mhs-{row}")), "done")));
        for rival in ["SAING/1", "SAING/2"] {
            files.push((format!("{}.toml", rival.replace('/', "-")), records::good(rival, "rebutan")));
        }
        files.push(("tolak.toml".into(), records::refused("TOLAK/1", "ditolak")));
        expected.insert(records::key("TOLAK/1"), "refused");
        files.push(("tanpa-formulir.toml".into(), records::formless("TUNDA/1", "hukum")));
        expected.insert(records::key("TUNDA/1"), "held");
        let rivals = vec![records::key("SAING/1"), records::key("SAING/2")];
        Self { files, expected, rivals, rejected: vec!["30-mahasiswa.csv"] }
    }

    /// One request, and a file that is none.
    pub fn single() -> Self {
        let files = vec![
            ("rusak.toml".to_owned(), "akund = 1\nid = \"RUSAK/1\"\n".to_owned()),
            ("satu.toml".to_owned(), records::good("SATU/1", "satu")),
        ];
        let expected = BTreeMap::from([(records::key("SATU/1"), "done")]);
        Self { files, expected, rivals: Vec::new(), rejected: vec!["rusak.toml"] }
    }

    /// A bulk file of this many good rows.
    pub fn bulk(rows: usize) -> Self {
        let files = vec![("mahasiswa.csv".to_owned(), records::students("mhs-", rows, None))];
        let expected = (0..rows).map(|row| (records::key(&format!("mhs-{row}")), "done")).collect();
        Self { files, expected, rivals: Vec::new(), rejected: Vec::new() }
    }

    pub fn requests(&self) -> usize {
        self.expected.len() + self.rivals.len()
    }
}

/// The heads of the audit chain that outcome documents carry so far.
pub fn kept_heads(site: &Site) -> BTreeSet<String> {
    site.outcomes().values().map(|document| document["audit_head"].as_str().unwrap().to_owned()).collect()
}

/// The daemon has ended, and everything has come to rest before.
pub fn check(site: &Site, work: &Work, kept: &BTreeSet<String>) {
    check_states(site, work);
    check_spool(site, work);
    check_register(site, work);
    check_accounts(site);
    check_audit(site, kept);
    assert!(!site.log().contains("panicked at"), "{}", site.log());
}

fn check_states(site: &Site, work: &Work) {
    let mut states = site.states();
    let mut rivals: Vec<String> = work.rivals.iter().filter_map(|rival| states.remove(rival)).collect();
    rivals.sort();
    let mut expected_rivals = vec!["conflicted"; work.rivals.len().saturating_sub(1)];
    expected_rivals.extend(work.rivals.first().map(|_| "done"));
    assert_eq!(rivals, expected_rivals, "of rivals one gets the address");
    for (request, expected) in &work.expected {
        assert_eq!(states.remove(request).as_deref(), Some(*expected), "{request}");
    }
    assert_eq!(states, BTreeMap::new(), "requests that nobody handed in");
}

/// Nothing is left on the way, one outcome document per request, each rejection once.
fn check_spool(site: &Site, work: &Work) {
    assert_eq!(site.incoming(), Vec::<String>::new());
    for hidden in [".leaving", "accepted/.stage", "rejected/.stage"] {
        assert_eq!(files_under(&site.spool.join(hidden)), Vec::<std::path::PathBuf>::new());
    }
    let outcomes = site.outcomes();
    assert_eq!(outcomes.len(), work.requests());
    let states = site.states();
    for document in outcomes.values() {
        let request = &document["request"];
        let key = format!("generic:{}@{}", request["id"].as_str().unwrap(), request["revision"]);
        assert_eq!(document["state"].as_str(), states.get(&key).map(String::as_str), "{key}");
    }
    let rejected: Vec<String> = files_under(&site.spool.join("rejected"))
        .iter()
        .map(|path| path.file_name().unwrap().to_string_lossy().into_owned())
        .collect();
    let mut expected: Vec<String> =
        work.rejected.iter().flat_map(|name| [(*name).to_owned(), format!("{name}.reason.txt")]).collect();
    expected.sort();
    assert_eq!(rejected, expected);
}

/// The journal's own books agree: no secret is kept, no reservation left over, every request received and ended once.
fn check_register(site: &Site, work: &Work) {
    let journal = rusqlite::Connection::open(&site.journal).unwrap();
    let done = count(&journal, "SELECT count(*) FROM request WHERE state = 'done'");
    assert_eq!(count(&journal, "SELECT count(*) FROM secret"), 0, "sealed passwords are kept after the end");
    assert_eq!(count(&journal, "SELECT count(*) FROM account WHERE state = 'active'"), done);
    assert_eq!(count(&journal, "SELECT count(*) FROM account WHERE state = 'reserved'"), 0);
    assert_eq!(
        count(
            &journal,
            "SELECT count(*) FROM name WHERE account NOT IN (SELECT uid FROM account WHERE state = 'active')"
        ),
        0
    );
    let open = "SELECT count(*) FROM step s JOIN request r ON r.id = s.id >> 8
                WHERE s.state NOT IN ('done', 'cancelled') AND r.state <> 'held'";
    assert_eq!(count(&journal, open), 0, "steps are open");
    let repeated = "SELECT count(*) FROM (SELECT 1 FROM event WHERE length(subject) > 0 AND kind = ?
                    GROUP BY subject, detail HAVING count(*) > 1)";
    for kind in ["received", "state", "done"] {
        let number = count(&journal, &repeated.replace('?', &format!("'{kind}'")));
        // Several steps of one lane and verb have events that differ; the same one twice is a step that was done twice.
        assert_eq!(number, 0, "the event {kind} of a request stands twice in the record");
    }
    assert_eq!(
        count(&journal, "SELECT count(*) FROM event WHERE kind = 'received'"),
        count(&journal, "SELECT count(*) FROM request")
    );
    let rejected = count(&journal, "SELECT count(*) FROM event WHERE kind = 'rejected'");
    assert_eq!(rejected, work.rejected.len(), "each rejection stands in the record once");
}

/// Each account is at each target once, opens with the password in its one notice, and nothing else is there.
fn check_accounts(site: &Site) {
    let (mail, radius) = (site.mail(), site.radius());
    let mut notices = BTreeMap::new();
    for notice in mailbox::notices(site) {
        let before = notices.insert(notice.request.clone(), notice);
        assert!(before.is_none(), "two notices for request {}", before.unwrap().request);
    }
    let outcomes = site.outcomes();
    assert_eq!(notices.len(), outcomes.len(), "each of these requests is answered by one notice");
    let mut done = 0;
    for document in outcomes.values() {
        let notice = &notices[document["request"]["uid"].as_str().unwrap()];
        if document["state"] != "done" {
            assert_eq!(notice.password(), None);
            continue;
        }
        done += 1;
        let text = |key: &str| document["account"][key].as_str().unwrap().to_owned();
        let password = Secret::new(notice.password().unwrap());
        let stored: String = mail
            .query_row(
                "SELECT password FROM mailboxes WHERE uid = ?1 AND address = ?2",
                (text("uid"), text("address")),
                |row| row.get(0),
            )
            .unwrap();
        assert!(hash::verify(&password, &stored, Scheme::Sha512Crypt), "the notice has another password than mail");
        let stored: String = radius
            .query_row(
                "SELECT value FROM radcheck WHERE username = ?1 AND attribute = 'Crypt-Password'",
                [text("username")],
                |row| row.get(0),
            )
            .unwrap();
        assert!(hash::verify(&password, &stored, Scheme::Sha512Crypt), "the notice has another password than radius");
    }
    assert_eq!(count(&mail, "SELECT count(*) FROM mailboxes"), done);
    assert_eq!(count(&mail, "SELECT count(*) FROM retired_homes"), 0);
    for table in ["radcheck", "radusergroup", "akund_account"] {
        assert_eq!(count(&radius, &format!("SELECT count(*) FROM {table}")), done, "{table}");
    }
}

fn check_audit(site: &Site, kept: &BTreeSet<String>) {
    assert_eq!(site.told(&["audit", "verify"]).0, 0);
    // The first and the last stand for all.
    for head in kept.first().into_iter().chain(kept.last()) {
        let (code, printed) = site.told(&["audit", "verify", "--head", head]);
        assert_eq!(code, 0, "{printed}");
    }
}
