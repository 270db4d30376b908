//! Every message of the five procedures, as it was reviewed, in both languages.

use crate::requests::{FIVE, procedure};
use akund::channel::notice::{LANGUAGES, Rendered, SAMPLE_PASSWORD, Templates};
use akund::model::NoticeKind;
use akund::procedure::Language;
use std::fmt::Write as _;

/// Longest text, characters: three screens of a small phone.
const LONGEST: usize = 1200;
/// Longest subject that a mail program shows whole, with a request number of 16 characters in it.
const LONGEST_SUBJECT: usize = 78;

/// The categories whose applicants get different instructions; for every other notice the first that gets it.
fn categories(name: &str, kind: NoticeKind) -> Vec<Option<&'static str>> {
    match (name, kind) {
        ("uin-malang-email" | "uin-malang-hotspot", NoticeKind::Redirect) => vec![Some("student"), Some("lecturer")],
        _ => vec![None],
    }
}

fn each(mut look: impl FnMut(&str, NoticeKind, &str, &str, Rendered)) {
    let templates = Templates::load(None).unwrap();
    for (name, _) in FIVE {
        let procedure = procedure(name);
        for language in LANGUAGES {
            let tongue = if language == "en" { Language::En } else { Language::Id };
            for kind in NoticeKind::ALL {
                for category in categories(name, kind) {
                    // The chains of letters have no applications and no form.
                    let Ok(specimen) = procedure.specimen(kind, tongue, category) else { continue };
                    let rendered = templates.preview_for(kind, language, &specimen).unwrap();
                    look(name, kind, language, &specimen.category, rendered);
                }
            }
        }
    }
}

#[test]
fn every_message_reads_as_it_was_reviewed() {
    let mut pages = std::collections::BTreeMap::<String, String>::new();
    each(|name, kind, language, category, rendered| {
        let page = pages.entry(format!("{name}.{language}")).or_default();
        let _ = write!(
            page,
            "=== {} ({category})\nSubject: {}\n\n{}\n",
            kind.as_str(),
            rendered.subject,
            rendered.text.expose()
        );
    });
    assert_eq!(pages.len(), 10);
    insta::with_settings!({ omit_expression => true, snapshot_path => "snapshots", prepend_module_to_snapshot => false }, {
        for (name, page) in pages {
            insta::assert_snapshot!(name, page);
        }
    });
}

#[test]
fn every_message_fits_a_phone_and_no_subject_shows_a_password() {
    each(|name, kind, language, _, rendered| {
        let text = rendered.text.expose();
        let what = format!("{name} {} {language}", kind.as_str());
        assert!(text.chars().count() <= LONGEST, "{what}: {} characters", text.chars().count());
        // A report goes to an official's desk, and names the account.
        let most = if kind == NoticeKind::Report { 100 } else { LONGEST_SUBJECT };
        assert!(rendered.subject.chars().count() <= most, "{what}: {}", rendered.subject);
        assert!(!rendered.subject.contains(SAMPLE_PASSWORD), "{what}");
        assert_eq!(text.contains(SAMPLE_PASSWORD), kind == NoticeKind::Credentials, "{what}");
        let html = rendered.html.unwrap();
        assert!(html.expose().contains("width=device-width"), "{what}");
    });
}

#[test]
fn what_a_sop_wants_said_is_said() {
    each(|name, kind, language, category, rendered| {
        let text = rendered.text.expose();
        let says = |words: &str| assert!(text.contains(words), "{name} {} {language}: {words}", kind.as_str());
        match (name, kind, language) {
            ("uin-raden-intan-email", NoticeKind::Credentials, "id") => {
                says("sepenuhnya milik dan tanggung jawab pemegangnya");
                says("transaksi elektronik kedinasan");
            }
            ("uin-raden-intan-email", NoticeKind::Credentials, _) => {
                says("belongs wholly to its holder");
                says("electronic transactions only");
            }
            (_, NoticeKind::Redirect, _) => says(if category == "student" { "Siakad" } else { "Simpeg" }),
            (_, NoticeKind::Form, _) => says("https://ptipd.uin-malang.ac.id/formulir"),
            ("uin-malang-hotspot", NoticeKind::Credentials, _) => says("https://hotspot.uin-malang.ac.id/sandi"),
            _ => {}
        }
        if kind == NoticeKind::Credentials {
            // Where to log in, and where to change the password.
            assert!(text.matches("https://").count() >= 2, "{name}: {text}");
        }
    });
}
