use super::*;
use crate::model::{Action, FaultClass};
use proptest::prelude::*;

fn built_in() -> Templates {
    Templates::load(None).unwrap()
}

/// A directory with these templates.
fn site(files: &[(&str, &str)]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in files {
        std::fs::write(dir.path().join(name), text).unwrap();
    }
    dir
}

fn problems(files: &[(&str, &str)]) -> String {
    let dir = site(files);
    let problems = Templates::load(Some(dir.path())).unwrap_err().join("\n");
    problems.replace(&format!("{}/", dir.path().display()), "")
}

fn whole(rendered: &Rendered) -> String {
    let html = rendered.html.as_ref().map_or("", |h| h.expose());
    format!("Subject: {}\n\n{}\n=== html ===\n{html}", rendered.subject, rendered.text.expose())
}

#[test]
fn every_notice_reads_as_it_was_agreed() {
    let templates = built_in();
    for kind in NoticeKind::ALL {
        for language in LANGUAGES {
            let rendered = templates.preview(kind, language).unwrap();
            insta::with_settings!({ snapshot_path => "../snapshots", prepend_module_to_snapshot => false, omit_expression => true }, {
                insta::assert_snapshot!(format!("{}.{language}", kind.as_str()), whole(&rendered));
            });
        }
    }
}

#[test]
fn every_notice_to_the_operator_reads_as_it_was_agreed() {
    let templates = built_in();
    for notice in OperatorNotice::ALL {
        for language in LANGUAGES {
            let rendered = templates.preview_operator(notice, language).unwrap();
            insta::with_settings!({ snapshot_path => "../snapshots", prepend_module_to_snapshot => false, omit_expression => true }, {
                insta::assert_snapshot!(format!("{}.{language}", notice.as_str()), whole(&rendered));
            });
        }
    }
}

#[test]
fn whoever_it_goes_to_is_greeted_and_nobody_else() {
    let templates = built_in();
    let sample = sample::full();
    for kind in NoticeKind::ALL {
        for language in LANGUAGES {
            for (to, other) in [("Biro Humas", "Penanggung Jawab"), ("Penanggung Jawab", "Biro Humas")] {
                let context = NoticeContext { recipient: to, ..sample.context(kind) };
                let rendered = templates.render(kind, language, &context).unwrap();
                let hello = if language == "id" { "Yth." } else { "Dear" };
                for text in [rendered.text.expose(), rendered.html.as_ref().unwrap().expose()] {
                    assert!(text.contains(&format!("{hello} {to},")), "{kind:?} {language}: {text}");
                    assert!(!text.contains(&format!("{hello} {other}")), "{kind:?} {language}: {text}");
                }
            }
        }
    }
}

#[test]
fn a_site_may_word_the_operators_notices_itself_and_a_mistake_in_them_is_found() {
    let dir = site(&[("operator-alert.id.txt", "Subject: {{ total }} hal\nMacet: {{ stuck_count }}\n")]);
    let templates = Templates::load(Some(dir.path())).unwrap();
    let rendered = templates.preview_operator(OperatorNotice::Alert, "id").unwrap();
    assert_eq!((rendered.subject.as_str(), rendered.text.expose()), ("27 hal", "Macet: 22\n"));
    let said = problems(&[("operator-digest.en.txt", "Subject: x\n\n{{ recieved }}\n")]);
    assert!(said.contains("operator-digest.en.txt:3: undefined value"), "{said}");
    let said = problems(&[("operator-alert.id.html", "<p></p>")]);
    assert!(said.contains("no notice has this name"), "{said}");
}

#[test]
fn a_masked_address_of_the_institutions_own_stays_whole_and_any_other_does_not() {
    let mut sample = sample::full();
    sample.record.account.address = "layanan@uin.example".parse().ok();
    let reasons =
        ["Unit sudah memiliki akun (p…@uin.example). Lihat x…@evil.example atau evil.example/p…@uin.example."
            .to_owned()];
    let texts = BTreeMap::from([("domains".to_owned(), "uin.example student.uin.example".to_owned())]);
    let context =
        NoticeContext { reasons: &reasons, alternatives: &[], texts: &texts, ..sample.context(NoticeKind::Conflict) };
    let rendered = built_in().render(NoticeKind::Conflict, "id", &context).unwrap();
    let text = rendered.text.expose();
    assert!(text.contains(" untuk layanan@uin.example belum") && text.contains("(p…@uin.example)"), "{text}");
    assert!(!text.contains("evil.example"), "{text}");
}

#[test]
fn every_notice_names_the_institution_and_the_request_and_says_that_it_is_automatic() {
    let templates = built_in();
    for kind in NoticeKind::ALL {
        for (language, automatic) in [("id", "secara otomatis"), ("en", "automatically")] {
            for sample in [sample::full(), sample::bare()] {
                let rendered = templates.render(kind, language, &sample.context(kind)).unwrap();
                let number = plain::plain(&sample.record.key.id, 200);
                let named = if sample.record.key.id == "1" { "contoh" } else { "Pusat TI Universitas Contoh" };
                for text in [rendered.text.expose(), rendered.html.as_ref().unwrap().expose()] {
                    for wanted in [named, number.replace('/', "&#x2f;").as_str(), automatic] {
                        assert!(text.replace('/', "&#x2f;").contains(wanted), "{kind:?} {language}: {wanted}\n{text}");
                    }
                }
                assert!(rendered.subject.contains(&number));
            }
        }
    }
}

#[test]
fn only_credentials_show_the_password_and_never_in_the_subject() {
    let templates = built_in();
    let password = Secret::new(SAMPLE_PASSWORD);
    for kind in NoticeKind::ALL {
        for language in LANGUAGES {
            let sample = sample::full();
            let context = NoticeContext { password: Some(&password), ..sample.context(kind) };
            let rendered = templates.render(kind, language, &context).unwrap();
            assert!(!rendered.subject.contains(SAMPLE_PASSWORD));
            let shown = [rendered.text.expose(), rendered.html.as_ref().unwrap().expose()]
                .map(|t| t.matches(SAMPLE_PASSWORD).count());
            assert_eq!(shown, if kind == NoticeKind::Credentials { [1, 1] } else { [0, 0] }, "{kind:?}");
            assert!(!format!("{rendered:?}").contains(SAMPLE_PASSWORD));
        }
    }
}

#[test]
fn a_password_with_markup_is_shown_as_it_is_and_escaped_in_html() {
    let sample = sample::full();
    let password = Secret::new("<b>&\"'{{ number }}");
    let context = NoticeContext { password: Some(&password), ..sample.context(NoticeKind::Credentials) };
    let rendered = built_in().render(NoticeKind::Credentials, "en", &context).unwrap();
    assert!(rendered.text.expose().contains("Initial password: <b>&\"'{{ number }}\n"));
    assert!(rendered.html.unwrap().expose().contains("<code>&lt;b&gt;&amp;&quot;&#x27;{{ number }}</code>"));
}

#[test]
fn credentials_without_a_password_are_not_sent() {
    let sample = sample::full();
    let context = NoticeContext { password: None, ..sample.context(NoticeKind::Credentials) };
    let fault = built_in().render(NoticeKind::Credentials, "id", &context).unwrap_err();
    assert_eq!(fault.class, FaultClass::Permanent);
}

#[test]
fn a_language_without_templates_falls_back_to_indonesian() {
    let templates = built_in();
    for (asked, got) in [("en", "en"), ("EN-gb", "en"), ("id-ID", "id"), ("jv", "id"), ("", "id"), ("../en", "id")] {
        assert_eq!(templates.preview(NoticeKind::Refusal, asked).unwrap().language, got, "{asked}");
    }
    let dir = site(&[("refusal.jv.txt", "Subject: Panyuwunan {{ number }}\nNuwun sewu.\n")]);
    let templates = Templates::load(Some(dir.path())).unwrap();
    let rendered = templates.preview(NoticeKind::Refusal, "jv").unwrap();
    assert_eq!((rendered.subject.as_str(), rendered.text.expose()), ("Panyuwunan B-12/Un.03/2026", "Nuwun sewu.\n"));
    assert!(rendered.html.is_none());
    assert_eq!(templates.preview(NoticeKind::Form, "jv").unwrap().language, "id");
}

#[test]
fn a_sites_own_text_goes_before_the_built_in_one_and_without_its_html() {
    let text = "Subject: Maaf ({{ number }})\r\n\r\nDitolak: {{ reasons|join(\"; \") }}\r\n";
    let dir = site(&[("refusal.id.txt", text), ("README", "not a template"), (".refusal.id.txt.swp", "x")]);
    let templates = Templates::load(Some(dir.path())).unwrap();
    let rendered = templates.preview(NoticeKind::Refusal, "id").unwrap();
    assert_eq!(rendered.text.expose(), "Ditolak: Alamat humas@universitas.example sudah dipakai oleh akun lain.\n");
    assert!(rendered.html.is_none());
    assert!(templates.preview(NoticeKind::Refusal, "en").unwrap().html.is_some());
    let dir = site(&[("refusal.id.html", "<p>{{ number }}</p>")]);
    let rendered = Templates::load(Some(dir.path())).unwrap().preview(NoticeKind::Refusal, "id").unwrap();
    assert_eq!(rendered.html.unwrap().expose(), "<p>B-12&#x2f;Un.03&#x2f;2026</p>");
}

#[test]
fn a_directory_that_is_not_there_has_no_templates() {
    assert!(Templates::load(Some(Path::new("/nonexistent/templates"))).is_ok());
}

#[test]
fn mistakes_in_templates_name_file_and_line() {
    let cases: &[(&str, &str, &str)] = &[
        ("refusal.id.txt", "Subject: a\n\n{{ nubmer }}\n", "refusal.id.txt:3: unknown value `nubmer`"),
        (
            "refusal.id.txt",
            "Subject: a\n{% if false %}\n{{ nubmer }}{% endif %}",
            "refusal.id.txt:3: unknown value `nubmer`",
        ),
        ("refusal.id.txt", "Subject: {{ nubmer }}\n", "refusal.id.txt:1: unknown value `nubmer`"),
        ("refusal.id.html", "<p>\n{{ account.adress }}", "refusal.id.html:2: unknown value `account.adress`"),
        ("refusal.id.txt", "Subject: a\n\n{% if %}\n", "refusal.id.txt:3: syntax error"),
        ("refusal.id.txt", "Halo\n", "refusal.id.txt:1: expected the first line to be `Subject: …`"),
        ("refusal.id.txt", "Subject: a\n\n{{ texts.nothing }}\n", "refusal.id.txt:3: undefined value"),
        ("refusal.id.txt", "Subject: a\n{% include \"nowhere.txt\" %}", "template not found"),
        ("refusal.id.txt", "Subject: a\n{{ number|safe }}", "refusal.id.txt:2: unknown filter"),
        (
            "refusal.id.html",
            "<p>\n{% autoescape false %}{{ number }}{% endautoescape %}",
            "refusal.id.html:2: autoescape",
        ),
        ("refusal.id.txt", "Subject: a\n{{ debug() }}", "refusal.id.txt:2: unknown value `debug`"),
        (
            "refusal.id.txt",
            "Subject: a\n{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}",
            "refusal.id.txt:2: engine ran out of fuel",
        ),
        (
            "refusal.id.txt",
            "Subject: a\n{{ password }}",
            "refusal.id.txt:2: only the notice credentials has a `password`",
        ),
        (
            "credentials.id.txt",
            "Subject: {{ password }}\n{{ password }}",
            "credentials.id.txt:1: a subject must not show the `password`",
        ),
        ("credentials.id.txt", "Subject: a\nno secret here", "credentials.id.txt does not show the password as it is"),
        (
            "credentials.id.txt",
            "Subject: a\n{{ password|upper }}",
            "credentials.id.txt does not show the password as it is",
        ),
        ("refusals.id.txt", "Subject: a\n", "refusals.id.txt: no notice has this name"),
        ("refusal.indonesian.txt", "Subject: a\n", "refusal.indonesian.txt: no notice has this name"),
        ("refusal.jv.html", "<p>", "refusal.jv.html needs refusal.jv.txt"),
        ("footer.id.txt", "{{ nobody }}", "footer.id.txt:1: unknown value `nobody`"),
    ];
    for (name, text, expected) in cases {
        let found = problems(&[(name, text)]);
        assert!(found.contains(expected), "{name} {text:?}: {found}");
    }
    let dir = site(&[]);
    std::fs::write(dir.path().join("refusal.id.txt"), b"Subject: \xff\n").unwrap();
    assert!(Templates::load(Some(dir.path())).unwrap_err()[0].contains("expected UTF-8"));
}

#[test]
fn each_action_has_its_own_words() {
    let templates = built_in();
    let mut subjects = std::collections::BTreeSet::new();
    for action in [Action::Change, Action::Suspend, Action::Resume, Action::Remove] {
        for language in LANGUAGES {
            let sample = sample::full().asking_for(action);
            let rendered =
                templates.render(NoticeKind::Changed, language, &sample.context(NoticeKind::Changed)).unwrap();
            assert!(rendered.text.expose().contains("humas@universitas.example"));
            subjects.insert(rendered.subject);
        }
    }
    assert_eq!(subjects.len(), 8);
    let reset = sample::full().asking_for(Action::Reset);
    let rendered = templates.render(NoticeKind::Credentials, "id", &reset.context(NoticeKind::Credentials)).unwrap();
    assert!(rendered.subject.starts_with("Kata sandi baru"));
}

#[test]
fn the_holder_is_told_as_the_holder_in_few_words_and_without_a_password() {
    let templates = built_in();
    for (action, id, en) in [
        (Action::Suspend, "menangguhkan akun humas@", "suspended the account humas@"),
        (Action::Remove, "menghapus akun humas@", "removed the account humas@"),
        (Action::Change, "mengubah data akun humas@", "changed the account humas@"),
        (Action::Reset, "mengganti kata sandi akun humas@", "replaced the password of the account humas@"),
    ] {
        let sample = sample::full().asking_for(action);
        let context = NoticeContext { holder: true, ..sample.context(NoticeKind::Changed) };
        for (language, done, holder) in
            [("id", id, "sebagai pemegang akun"), ("en", en, "as the holder of the account")]
        {
            let rendered = templates.render(NoticeKind::Changed, language, &context).unwrap();
            let whole = whole(&rendered);
            assert!(whole.contains(done) && whole.matches(holder).count() == 2, "{whole}");
            assert!(!whole.contains(SAMPLE_PASSWORD), "{whole}");
            let short = templates.render_short(NoticeKind::Changed, language, &context).unwrap();
            let taken = crate::channel::sms::segments::segments(short.text.expose());
            assert!(taken.parts <= 2, "{taken}: {}", short.text.expose());
        }
    }
}

#[test]
fn html_loads_nothing_from_outside_and_fits_a_phone() {
    for kind in NoticeKind::ALL {
        for language in LANGUAGES {
            let html = built_in().preview(kind, language).unwrap().html.unwrap();
            let html = html.expose();
            for foreign in ["<img", "<script", "<link", "url(", "@import", "src="] {
                assert!(!html.contains(foreign), "{kind:?} {language}: {foreign}");
            }
            assert!(html.contains("width=device-width") && html.contains("prefers-color-scheme: dark"));
            assert!(html.contains(&format!("<html lang=\"{language}\">")));
        }
    }
}

#[test]
fn a_script_in_place_of_an_address_is_no_link() {
    let sample = sample::full();
    let texts = BTreeMap::from([("login_url".to_owned(), "javascript:alert(1)".to_owned())]);
    let context = NoticeContext { texts: &texts, ..sample.context(NoticeKind::Redirect) };
    let rendered = built_in().render(NoticeKind::Redirect, "id", &context).unwrap();
    assert!(!rendered.html.unwrap().expose().contains("href=\"javascript"));
}

/// Pieces of which hostile texts are made.
fn hostile() -> impl Strategy<Value = String> {
    let parts = prop::sample::select(vec![
        "{{ password }}",
        "{% raw %}",
        "{{",
        "}}",
        "<script>",
        "</p>",
        "\"><a href=x>",
        "&",
        "\r\nBcc: x@example.net",
        "\n",
        "https://",
        "evil.com",
        "www.",
        "javascript:",
        "\u{202e}",
        "\u{200b}",
        "'",
        "Budi",
        " ",
        "S.Kom",
        "。com",
        "\0",
        "akund",
        "10.0.0.1",
    ]);
    prop_oneof![prop::collection::vec(parts, 0..12).prop_map(|p| p.concat()), any::<String>()]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn hostile_names_break_no_notice_add_no_header_and_yield_no_link(
        name in hostile(), id in hostile(), reason in hostile(), unit in hostile(), kind in prop::sample::select(&NoticeKind::ALL[..]),
        language in prop::sample::select(vec!["id", "en"])
    ) {
        let templates = built_in();
        let mut sample = sample::full();
        let harmless = templates.render(kind, language, &sample.context(kind)).unwrap();
        sample.record.responsible = None;
        sample.record.applicant.name = name.clone();
        sample.record.applicant.unit = unit;
        sample.record.key.id = id;
        let (reasons, texts) = ([reason], BTreeMap::from([("institution".to_owned(), "Universitas Contoh".to_owned())]));
        let context = NoticeContext {
            reasons: &reasons, missing: &reasons, alternatives: &[], texts: &texts, ..sample.context(kind)
        };
        let rendered = templates.render(kind, language, &context).unwrap();
        prop_assert!(!rendered.subject.chars().any(char::is_control));
        let html = rendered.html.as_ref().unwrap().expose().to_lowercase();
        let text = rendered.text.expose().to_lowercase();
        for bad in ["<script", "<a ", "href=\"", "evil.com", "https://", "www.e", "10.0.0.1", "javascript:a"] {
            prop_assert!(!html.contains(bad), "{bad}: {html}");
        }
        for bad in ["evil.com", "https://", "www.e", "10.0.0.1", "\u{202e}"] {
            prop_assert!(!text.contains(bad) && !rendered.subject.contains(bad), "{bad}: {text}");
        }
        // As a message: as many headers as a harmless one has.
        let count = |rendered: &Rendered| headers(rendered, "Biro Humas");
        prop_assert_eq!(count(&rendered), count(&harmless));
    }

    #[test]
    fn two_notices_for_two_people_share_nothing(
        first in "[a-z]{12}", second in "[a-z]{12}", kind in prop::sample::select(&NoticeKind::ALL[..])
    ) {
        prop_assume!(first != second);
        let templates = built_in();
        let render = |mark: &str| {
            let mut sample = sample::full();
            sample.record.responsible = None;
            sample.record.applicant.name = format!("nama-{mark}");
            sample.record.key.id = format!("id-{mark}");
            let password = Secret::new(format!("sandi-{mark}"));
            let reasons = [format!("alasan-{mark}")];
            let context = NoticeContext {
                password: Some(&password), reasons: &reasons, missing: &reasons, alternatives: &reasons, ..sample.context(kind)
            };
            whole(&templates.render(kind, "id", &context).unwrap())
        };
        let (one, other, again) = (render(&first), render(&second), render(&first));
        prop_assert!(!one.contains(&second) && !other.contains(&first));
        prop_assert_eq!(one, again);
    }
}

/// How many headers a message with these words has.
fn headers(rendered: &Rendered, name: &str) -> usize {
    use crate::channel::message::{Sender, build};
    use crate::channel::{Destination, Envelope};
    let notice = Envelope {
        message_id: "1@akund.example.org".into(),
        to: Destination::Email("a@example.org".parse().unwrap()),
        to_name: name.into(),
        language: rendered.language.clone(),
        subject: rendered.subject.clone(),
        text: rendered.text.clone(),
        html: rendered.html.clone(),
        receipt: None,
        attachments: Vec::new(),
    };
    let sender = Sender::parse("b@example.org", None).unwrap();
    let bytes = build(&sender, &notice, std::time::UNIX_EPOCH).unwrap().bytes.to_vec();
    let message = String::from_utf8(bytes).unwrap();
    let (head, _) = message.split_once("\r\n\r\n").unwrap();
    head.split("\r\n").filter(|l| !l.starts_with([' ', '\t'])).count()
}
