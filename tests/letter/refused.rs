//! What is refused: letters that do not fit, and templates that cannot be filled.

use crate::daemon::count;
use crate::fixture::{self, key, release, request, today, until};
use jiff::ToSpan;

#[test]
fn a_letter_that_does_not_fit_is_refused_and_the_request_goes_on_waiting() {
    let site = fixture::site();
    let daemon = site.start();
    site.drop_in("a.toml", request("R/1", "dishub"));
    until(&site, "R/1", "waiting");
    site.drop_in("b.toml", request("R/2", "dinkes"));
    until(&site, "R/2", "waiting");
    std::fs::write(site.path("page.html"), "<html>").unwrap();
    std::fs::write(site.path("empty.pdf"), "").unwrap();
    std::fs::write(site.path("large.pdf"), [b"%PDF-".as_slice(), &vec![0; 11_000_000]].concat()).unwrap();
    std::fs::write(site.path("archive.docx"), b"PK\x03\x04").unwrap();
    let draft = fixture::outbox(&site).into_iter().find_map(|mail| mail.files.into_iter().next()).unwrap().1;
    std::fs::write(site.path("draft.docx"), &draft).unwrap();
    // A week off: a day may begin while this runs.
    let (to_come, long_ago) = (today().checked_add(7.days()).unwrap(), today().checked_sub(7.days()).unwrap());
    for (letter, number, role, on, code, expected) in [
        (
            "signed.pdf",
            "1/2026",
            "kasi",
            today(),
            1,
            "`kasi` may not sign this letter; who may is head, secretary, acting-head",
        ),
        ("signed.pdf", "1/2026", "head", to_come, 1, "and today is"),
        ("signed.pdf", "1/2026", "head", long_ago, 1, "its draft was made on"),
        ("signed.pdf", " ", "head", today(), 1, "number is empty"),
        ("draft.docx", "1/2026", "head", today(), 1, "the draft as akund wrote it"),
        ("page.html", "1/2026", "head", today(), 65, "neither a PDF nor a Word file"),
        ("empty.pdf", "1/2026", "head", today(), 65, "neither a PDF nor a Word file"),
        ("archive.docx", "1/2026", "head", today(), 65, "it is no .docx"),
        ("large.pdf", "1/2026", "head", today(), 65, "at most 10485760 are taken"),
        ("nowhere.pdf", "1/2026", "head", today(), 74, "nowhere.pdf"),
        ("templates", "1/2026", "head", today(), 65, "not a regular file"),
    ] {
        let (got, told) = release(&site, "R/1", letter, number, role, on);
        assert!(got == code && told.contains(expected), "{letter} {number} {role} {on}: {got} {told}");
    }
    for incomplete in [
        &["release", "R/1", "--letter", "x.pdf"][..],
        &["release", "R/1", "--number", "1"],
        &["release", "R/1", "--letter", "x", "--number", "1", "--signed-by", "head", "--signed-on", "kemarin"],
    ] {
        assert_eq!(site.told(incomplete).0, 64);
    }
    assert_eq!(site.state(&key("R/1")), "waiting");
    let journal = rusqlite::Connection::open(&site.journal).unwrap();
    assert_eq!(count(&journal, "SELECT count(*) FROM outgoing"), 0);
    assert_eq!(count(&journal, "SELECT count(*) FROM brought"), 0, "what was refused is not kept");

    assert_eq!(release(&site, "R/1", "signed.pdf", "1/2026/a", "head", today()).0, 0);
    until(&site, "R/1", "done");
    let (code, told) = release(&site, "R/1", "signed.pdf", "2/2026", "head", today());
    assert!(code == 1 && told.contains("it waits for no signed letter: it is done"), "{told}");
    let (code, told) = release(&site, "R/2", "signed.pdf", "1/2026/A", "head", today());
    assert!(
        code == 1 && told.contains("the number 1/2026/A is used: it is that of the letter for lumajang-email:R/1@1"),
        "{told}"
    );
    // A Word file that somebody signed is taken as well.
    let entry = draft.windows(4).position(|four| four == b"PK\x01\x02").unwrap();
    let mut signed = draft.clone();
    signed[entry + 12] ^= 1;
    std::fs::write(site.path("signed.docx"), &signed).unwrap();
    let (code, told) = release(&site, "R/2", "signed.docx", "2/2026", "secretary", today());
    assert_eq!(code, 0, "{told}");
    until(&site, "R/2", "done");
    let letter = fixture::outbox(&site).into_iter().find(|mail| mail.subject.contains("2/2026")).unwrap();
    assert_eq!(letter.files, [("surat-2-2026.docx".to_owned(), signed)]);
    daemon.terminate();
}

#[test]
fn a_letter_that_was_changed_in_the_evidence_is_not_sent() {
    let site = fixture::site();
    let daemon = site.start();
    assert_eq!(site.told(&["pause", "email"]).0, 0);
    site.drop_in("a.toml", request("E/1", "dishub"));
    site.until("the report waits", || site.journal.exists() && site.reader().lane("email").unwrap().ready == 1);
    // The report leaves, then the draft is written; the lane is paused again before it can be sent.
    std::fs::write(site.path("procedures/other.tmp"), "").unwrap();
    daemon.terminate();
    let mut daemon = site.spawn(&[("AKUND_CRASH_AT", "draft-kept")]);
    assert!(daemon.takes_requests());
    assert_eq!(site.told(&["unpause", "email"]).0 & !75, 0);
    site.until("it dies when the draft is kept", || daemon.has_ended());
    assert_eq!(site.told(&["pause", "email"]).0, 75);
    let daemon = site.start();
    site.until("the draft waits to be sent", || site.reader().lane("email").unwrap().ready == 1);
    let draft = crate::daemon::files_under(&site.spool.join("accepted"))
        .into_iter()
        .find(|path| path.ends_with("") && path.to_string_lossy().ends_with("draft.docx"));
    std::fs::remove_file(draft.as_ref().unwrap()).unwrap();
    std::fs::write(draft.as_ref().unwrap(), b"PK\x03\x04 something else").unwrap();
    assert_eq!(site.told(&["unpause", "email"]).0, 0);
    until(&site, "E/1", "stuck");
    let (_, shown) = site.told(&["show", "E/1", "--json"]);
    assert!(shown.contains("its hash is another"), "{shown}");
    assert_eq!(fixture::outbox(&site).len(), 1, "only the report left");
    daemon.terminate();
}

#[test]
fn a_template_with_a_mistake_stops_the_start_and_is_named_by_check() {
    let site = fixture::site();
    std::fs::write(site.path("templates/surat-pemberitahuan.docx"), "no archive").unwrap();
    let (code, told) = site.told(&["check"]);
    assert!(
        code == 78 && told.contains("letters:") && told.contains("templates/surat-pemberitahuan.docx: it is no .docx"),
        "{told}"
    );
    let status = site.spawn(&[]).ended();
    assert_eq!(status.code(), Some(78), "{}", site.log());

    // A secretary's slip: {{ nama }} became {{ nam }} in a table.
    let shipped = include_bytes!("../../config/templates/surat-pemberitahuan.docx");
    let slip =
        crate::fixture::edited(shipped, "word/document.xml", |text| text.replace("{{ atas_nama }}", "{{ atas_nam }}"));
    std::fs::write(site.path("templates/surat-pemberitahuan.docx"), slip).unwrap();
    let (code, told) = site.told(&["check"]);
    assert!(
        code == 78
            && told.contains("surat-pemberitahuan.docx: word/document.xml, paragraph ")
            && told.contains("there is no placeholder `atas_nam`; did you mean `{{ atas_nama }}`?"),
        "{told}"
    );
    let preview = site.path("contoh.docx").display().to_string();
    let (code, told) = site.told(&["template", "letter", "surat-pemberitahuan.docx", &preview]);
    assert!(code == 78 && told.contains("`atas_nam`") && !site.path("contoh.docx").exists(), "{told}");
    std::fs::write(site.path("templates/surat-pemberitahuan.docx"), shipped).unwrap();
    let (code, told) = site.told(&["template", "letter", "surat-pemberitahuan.docx", &preview]);
    assert_eq!(code, 0, "{told}");
    let read = fixture::read_by_libreoffice("contoh.docx", &std::fs::read(site.path("contoh.docx")).unwrap());
    assert!(read.contains("dinas@kabupaten.example") && !read.contains("{{"), "{read}");
    let (code, told) = site.told(&["check"]);
    assert!(code == 0 && told.contains("letters: every placeholder is known in surat-pemberitahuan.docx"), "{told}");
}

#[test]
fn a_reload_with_a_bad_letter_keeps_the_old_one() {
    let site = fixture::site();
    let mut daemon = site.start();
    let shipped = include_bytes!("../../config/templates/surat-pemberitahuan.docx");
    let bad = fixture::edited(shipped, "word/header1.xml", |text| text.replace("{{ instansi }}", "{{ instansi }"));
    std::fs::write(site.path("templates/surat-pemberitahuan.docx"), bad).unwrap();
    daemon.signal(nix::sys::signal::Signal::SIGHUP);
    assert!(daemon.until_says("the old ones stay in force"));
    assert!(site.log().contains("word/header1.xml, paragraph 1"), "{}", site.log());
    site.drop_in("a.toml", request("L/1", "dishub"));
    until(&site, "L/1", "waiting");
    let own = fixture::edited(shipped, "word/document.xml", |text| text.replace("di tempat", "di Lumajang"));
    std::fs::write(site.path("templates/surat-pemberitahuan.docx"), own).unwrap();
    daemon.signal(nix::sys::signal::Signal::SIGHUP);
    assert!(daemon.until_says("procedures and templates were read anew"));
    site.drop_in("b.toml", request("L/2", "dinkes"));
    until(&site, "L/2", "waiting");
    site.until_rest(2);
    let drafts: Vec<_> = fixture::outbox(&site).into_iter().flat_map(|mail| mail.files).collect();
    let read = |name: &str| fixture::read_by_libreoffice("d.docx", &drafts.iter().find(|(n, _)| n == name).unwrap().1);
    assert!(read("draf-surat-L-1.docx").contains("di tempat"));
    assert!(read("draf-surat-L-2.docx").contains("di Lumajang"));
    daemon.terminate();
}
