//! The good path over SMTP with TLS and AUTH, waiting over a restart, and withdrawing while it waits.

use crate::daemon::{Setup, Site, count};
use crate::fixture::{self, Mail, PDF, key, outcome, release, request, today, until};
use crate::smtp_server::{Options, Protection, Server};
use std::collections::BTreeSet;

const KASI: &str = "kasi.spbe@lumajangkab.go.id";
const KABID: &str = "kabid.aptika@lumajangkab.go.id";
const SIGNERS: &str = "Kepala Dinas / Sekretaris Dinas / Plt. Kepala Dinas,";

/// Two workers: the test blocks, the server goes on.
fn runtime() -> tokio::runtime::Runtime {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

/// A site that submits to the server with STARTTLS and AUTH.
fn site_of(server: &Server) -> (Site, tempfile::TempDir) {
    let secret = tempfile::tempdir().unwrap();
    std::fs::write(secret.path().join("smtp-password"), "server-s3cret\n").unwrap();
    let channel = format!(
        "kind = \"smtp\"\nhost = \"localhost\"\nport = {}\ntls = \"starttls\"\nca_file = \"ca.pem\"\nusername = \"akund\"\n\
         password_file = {:?}\nfrom = \"Dinas Kominfo <akun@kab.example>\"\nhello = \"akund.kab.example\"\n",
        server.address.port(),
        secret.path().join("smtp-password"),
    );
    let site = fixture::with(Setup { channel, ..Setup::default() });
    std::fs::write(site.path("ca.pem"), &server.ca_pem).unwrap();
    (site, secret)
}

fn text<'v>(step: &'v serde_json::Value, key: &str) -> &'v str {
    step[key].as_str().unwrap_or_default()
}

/// Every file under the site's journal and spool that holds these bytes.
fn files_with(site: &Site, needle: &str) -> Vec<std::path::PathBuf> {
    let found = |path: &std::path::PathBuf| {
        std::fs::read(path).unwrap().windows(needle.len()).any(|window| window == needle.as_bytes())
    };
    [site.path("state"), site.spool.clone()]
        .iter()
        .flat_map(|dir| crate::daemon::files_under(dir))
        .filter(found)
        .collect()
}

#[test]
fn report_drafts_signature_letter_and_credentials_leave_in_order_over_smtp() {
    let runtime = runtime();
    let options = Options {
        protection: Protection::Starttls,
        auth: Some(("PLAIN", "akund", "server-s3cret")),
        ..Options::default()
    };
    let server = runtime.block_on(Server::start(options));
    let (site, _secret) = site_of(&server);
    let daemon = site.start();
    site.drop_in("dishub.toml", request("DISHUB/1", "dishub"));
    until(&site, "DISHUB/1", "waiting");
    let waiting = outcome(&site, "DISHUB%2F1", "waiting");
    assert_eq!((waiting["ended"].as_bool(), waiting["waits_for"].as_str()), (Some(false), Some("signed-letter")));

    let mails: Vec<Mail> = server.messages().iter().map(|m| Mail::parse(&m.data)).collect();
    let rcpt = |command: &str| command.trim_start_matches("RCPT TO:<").trim_end_matches('>').to_owned();
    let to: Vec<String> = server.messages().iter().map(|m| rcpt(&m.rcpt)).collect();
    assert_eq!(to, [KASI, KASI, KABID], "{to:?}");
    assert!(
        mails[0].subject.starts_with("Laporan: akun dishub@lumajangkab.go.id sudah dibuat"),
        "{}",
        mails[0].subject
    );
    assert!(mails[0].text.contains("Yth. Kepala Seksi PPI SPBE,") && mails[0].files.is_empty());
    assert!(mails[2].text.contains("Yth. Kepala Bidang Aptika,"));
    let (name, draft) = &mails[1].files[0];
    assert_eq!(name, "draf-surat-DISHUB-1.docx");
    assert_eq!(&mails[2].files[0].1, draft, "both officials get the same draft");
    let read = fixture::read_by_libreoffice("draf.docx", draft);
    for expected in ["Yth. Dinas <Perhubungan> & Co", "dishub@lumajangkab.go.id", "005/77.2/2026", "SM-881", SIGNERS] {
        assert!(read.contains(expected), "{expected}\n{read}");
    }

    let (code, listed) = site.told(&["list", "--state", "waiting"]);
    assert!(code == 0 && listed.contains("letter sign"), "{listed}");
    // Whoever forgets the letter is told exactly what to give.
    let (code, told) = site.told(&["release", "DISHUB/1"]);
    let asked = "it waits for the signed letter: akund release DISHUB/1 --letter FILE --number NUMBER --signed-by \
                 head|secretary|acting-head --signed-on YYYY-MM-DD";
    assert!(code == 1 && told.contains(asked), "{code} {told}");
    let day = today();
    let (code, told) = release(&site, "DISHUB/1", "signed.pdf", "480/12/427.53/2026", "secretary", day);
    assert_eq!((code, told.trim()), (0, "`DISHUB/1` is working now"));
    until(&site, "DISHUB/1", "done");

    let all: Vec<Mail> = server.messages().iter().map(|m| Mail::parse(&m.data)).collect();
    let to: Vec<String> = server.messages().iter().skip(3).map(|m| rcpt(&m.rcpt)).collect();
    assert_eq!(
        to,
        ["dishub@lama.example", "siti@lama.example"],
        "the letter to the applicant, the password to the responsible person"
    );
    assert_eq!(all[3].files, [("surat-480-12-427.53-2026.pdf".to_owned(), PDF.to_vec())]);
    assert!(all[3].text.contains("Yth. Dinas <Perhubungan> & Co,"), "{}", all[3].text);
    let password = all[4].password().unwrap().to_owned();
    assert!(all[4].files.is_empty());
    for mail in &all[..4] {
        assert!(!mail.text.contains(&password) && mail.password().is_none(), "{}", mail.text);
        assert!(mail.files.iter().all(|(_, bytes)| !bytes.windows(password.len()).any(|w| w == password.as_bytes())));
    }
    assert_eq!(server.breaches(), Vec::<String>::new());

    // The record can be laid beside the SOP's table: each row, who got it, when it began and was done.
    let done = outcome(&site, "DISHUB%2F1", "done");
    let steps = done["steps"].as_array().unwrap();
    let rows: Vec<String> = steps
        .iter()
        .map(|s| [text(s, "sop"), text(s, "verb"), text(s, "notice"), text(s, "to")].join(" ").trim_end().to_owned())
        .collect();
    assert_eq!(
        rows,
        [
            "6 mint",
            "6 apply",
            "6 prove",
            "7 deliver report kasi",
            "9 draft",
            "9 deliver letter-draft kasi",
            "10 deliver letter-draft kabid",
            "11 sign",
            "12 deliver letter applicant",
            "12 deliver credentials responsible",
        ]
    );
    let mut last = jiff::Timestamp::UNIX_EPOCH;
    for step in steps {
        let (began, done) = (text(step, "began_at").parse().unwrap(), text(step, "done_at").parse().unwrap());
        assert!(last <= began && began <= done, "{step}");
        last = done;
    }
    let letter = &done["letter"];
    assert_eq!((text(letter, "number"), text(letter, "signed_by")), ("480/12/427.53/2026", "secretary"));
    assert_eq!(text(letter, "signed_on"), day.to_string());
    assert_eq!(std::fs::read(site.spool.join(text(letter, "evidence"))).unwrap(), PDF);
    assert!(done["waits_for"].is_null());
    let (code, shown) = site.told(&["show", "DISHUB/1"]);
    assert!(code == 0 && shown.contains("480/12/427.53/2026, signed by secretary on"), "{shown}");
    let (code, shown) = site.told(&["audit", "show", "DISHUB/1"]);
    assert!(code == 0 && shown.contains("signed_on") && !shown.contains("427.53"), "{shown}");
    daemon.terminate();
    assert!(site.told(&["audit", "verify"]).0 == 0);
    assert_eq!(files_with(&site, &password), Vec::<std::path::PathBuf>::new());
    let journal = rusqlite::Connection::open(&site.journal).unwrap();
    assert_eq!(count(&journal, "SELECT count(*) FROM secret"), 0);
    assert_eq!(
        count(&journal, "SELECT count(*) FROM brought"),
        0,
        "the letter lies in the evidence, and no more in the journal"
    );
    let by: (String, String) = journal
        .query_row("SELECT reason, state FROM orders WHERE verb = 'release' AND state = 'done'", [], |r| {
            Ok((r.get(0)?, r.get(1)?))
        })
        .unwrap();
    assert_eq!(by.0, "tanda tangan basah");
}

#[test]
fn a_request_waits_over_a_restart_with_its_password_sealed() {
    let site = fixture::site();
    let daemon = site.start();
    site.drop_in("dishub.toml", request("D/1", "dishub"));
    until(&site, "D/1", "waiting");
    site.until_rest(1);
    let before = fixture::outbox(&site);
    daemon.terminate();
    let journal = rusqlite::Connection::open(&site.journal).unwrap();
    assert_eq!(count(&journal, "SELECT count(*) FROM secret"), 1);
    drop(journal);

    // An order that is given while nobody runs is carried out at the start.
    let (code, told) = release(&site, "D/1", "signed.pdf", "1/2026", "head", today());
    assert!(code == 75 && told.contains("is kept in the journal"), "{code} {told}");
    let daemon = site.start();
    until(&site, "D/1", "done");
    daemon.terminate();
    let after = fixture::outbox(&site);
    assert_eq!((before.len(), after.len()), (3, 5));
    let ids: BTreeSet<_> = after.iter().map(|mail| mail.message_id.clone()).collect();
    assert!(ids.len() == 5 && before.iter().all(|mail| ids.contains(&mail.message_id)));
    let password = after[4].password().unwrap().to_owned();
    assert_eq!(files_with(&site, &password), Vec::<std::path::PathBuf>::new());
}

#[test]
fn a_request_can_be_withdrawn_while_it_waits_and_its_address_given_again() {
    let site = fixture::site();
    let daemon = site.start();
    site.drop_in("a.toml", request("W/1", "dishub"));
    until(&site, "W/1", "waiting");
    assert_eq!(count(&site.mail(), "SELECT count(*) FROM mailboxes"), 1);
    let (code, told) = site.told(&["withdraw", "W/1", "--reason", "keliru"]);
    assert_eq!(code, 0, "{told}");
    until(&site, "W/1", "withdrawn");
    assert_eq!(count(&site.mail(), "SELECT count(*) FROM mailboxes"), 0);
    let (code, told) = release(&site, "W/1", "signed.pdf", "1/2026", "head", today());
    assert!(code == 1 && told.contains("it waits for no signed letter: it is withdrawn"), "{told}");
    site.drop_in("b.toml", request("W/2", "dishub"));
    until(&site, "W/2", "waiting");
    assert_eq!(release(&site, "W/2", "signed.pdf", "1/2026", "head", today()).0, 0);
    until(&site, "W/2", "done");
    daemon.terminate();
    assert_eq!(site.state(&key("W/1")), "withdrawn");
    let passwords: Vec<String> =
        fixture::outbox(&site).iter().filter_map(|mail| mail.password().map(str::to_owned)).collect();
    assert_eq!(passwords.len(), 1, "nobody is sent the password of an account that was withdrawn");
    let journal = rusqlite::Connection::open(&site.journal).unwrap();
    assert_eq!(count(&journal, "SELECT count(*) FROM secret"), 0);
}
