//! LibreOffice opens what akund wrote, and reads in it what akund was told.

use crate::fixture::read_by_libreoffice;
use akund::channel::letter::{LetterFacts, LetterTemplate, PLACEHOLDERS, Values};
use akund::model::{Account, AccountUid, Document, Person, Record, RequestKey};
use jiff::civil::date;
use std::collections::BTreeMap;
use std::process::Command;

const SHIPPED: &[u8] = include_bytes!("../../config/templates/surat-pemberitahuan.docx");

fn record() -> Record {
    Record {
        key: RequestKey { procedure: "p".into(), id: "B-12/2026".into(), revision: 1 },
        action: akund::model::Action::Create,
        applicant: Person {
            name: "Dinas <Perhubungan> & \"Co\" ]]> {{ nama }}".into(),
            unit: "Bidang Lalu Lintas".into(),
            ..Person::default()
        },
        responsible: Some(Person { name: "Siti Aminah".into(), identifier: "1985".into(), ..Person::default() }),
        account: Default::default(),
        change: None,
        documents: vec![Document {
            kind: "letter".into(),
            number: "005/77.2/2026".into(),
            date: Some(date(2026, 11, 3)),
            register: "SM-881".into(),
            signed_by: "Kepala".into(),
        }],
        approvals: Vec::new(),
    }
}

fn filled(template: &LetterTemplate) -> Vec<u8> {
    let record = record();
    let account = Account {
        address: Some("dishub@kab.example".parse().unwrap()),
        name: "Dinas Perhubungan".into(),
        given_name: "Dinas".into(),
        family_name: "Perhubungan".into(),
        category: "office".into(),
        unit: "Dinas Perhubungan".into(),
        services: vec!["mail".into()],
        ..Account::bare(AccountUid(uuid::Uuid::nil()), "dishub".parse().unwrap())
    };
    let texts: BTreeMap<String, String> = [
        ("institution", "Dinas Kominfo Uji"),
        ("help", "Seksi PPI SPBE\ntelepon 0334-000"),
        ("obligations", "Untuk dinas saja."),
        ("login_url", "https://surel.kab.example/"),
    ]
    .map(|(key, text)| (key.to_owned(), text.to_owned()))
    .into();
    let signers = ["Kepala Dinas".to_owned(), "Sekretaris".to_owned()];
    let values = Values::of(&LetterFacts {
        record: &record,
        account: Some(&account),
        last_day: Some(date(2027, 6, 30)),
        texts: &texts,
        signers: &signers,
        today: date(2026, 11, 22),
        language: "id",
    });
    template.fill(&values).unwrap()
}

#[test]
fn the_shipped_letter_filled_reads_in_libreoffice_as_it_should() {
    let template = LetterTemplate::parse("surat-pemberitahuan.docx", SHIPPED.to_vec()).unwrap();
    let text = read_by_libreoffice("surat.docx", &filled(&template));
    for expected in [
        "22 November 2026",
        "Nomor: ....................",
        "Hal: Pemberitahuan akun dishub@kab.example",
        "Yth. Dinas <Perhubungan> & \"Co\" ]]> {{ nama }}",
        "Bidang Lalu Lintas",
        "surat Saudara nomor 005/77.2/2026 tanggal 3 November 2026",
        "nomor SM-881",
        "Siti Aminah (1985)",
        "30 Juni 2027",
        "https://surel.kab.example/",
        "Untuk dinas saja.",
        "Kepala Dinas / Sekretaris,",
    ] {
        assert!(text.contains(expected), "{expected}\n{text}");
    }
    assert_eq!(text.matches("{{").count(), 1, "only the applicant's own braces are left:\n{text}");
}

/// The text export leaves headers and footers out; a page does not.
#[test]
fn header_and_footer_are_filled_on_the_page() {
    let template = LetterTemplate::parse("surat-pemberitahuan.docx", SHIPPED.to_vec()).unwrap();
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("surat.docx"), filled(&template)).unwrap();
    let output = Command::new("soffice")
        .arg(format!("-env:UserInstallation=file://{}/profile", dir.path().display()))
        .args(["--headless", "--convert-to", "fodt", "--outdir"])
        .arg(dir.path())
        .arg(dir.path().join("surat.docx"))
        .env("HOME", dir.path())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let page = std::fs::read_to_string(dir.path().join("surat.fodt")).unwrap();
    let within = |tag: &str| {
        let (_, rest) = page.split_once(&format!("<style:{tag}>")).unwrap();
        rest.split_once(&format!("</style:{tag}>")).unwrap().0.to_owned()
    };
    assert!(within("header").contains("Dinas Kominfo Uji"), "{}", within("header"));
    let footer = within("footer");
    assert!(footer.contains("Permohonan B-12/2026 · Seksi PPI SPBE<text:line-break/>telepon 0334-000"), "{footer}");
}

/// As a secretary would: the source is opened, every placeholder there is is written into it, and it is saved as .docx by LibreOffice.
#[test]
fn a_letter_that_libreoffice_saved_with_every_placeholder_is_taken_and_the_shipped_one_comes_from_its_source() {
    let dir = tempfile::tempdir().unwrap();
    let source = include_str!("../../config/templates/surat-pemberitahuan.fodt");
    let all: String = PLACEHOLDERS
        .iter()
        .map(|p| {
            format!(
                "<text:p>{{{{<text:span text:style-name=\"Bold\">{}</text:span>}}}} {{{{{}}}}}</text:p>",
                p.name, p.english
            )
        })
        .collect();
    let more = source.replace("</office:text>", &format!("{all}</office:text>"));
    for (name, text) in [("same", source), ("more", more.as_str())] {
        std::fs::write(dir.path().join(format!("{name}.fodt")), text).unwrap();
        let output = Command::new("soffice")
            .arg(format!("-env:UserInstallation=file://{}/profile", dir.path().display()))
            .args(["--headless", "--convert-to", "docx", "--outdir"])
            .arg(dir.path())
            .arg(dir.path().join(format!("{name}.fodt")))
            .env("HOME", dir.path())
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    let read = |name: &str| std::fs::read(dir.path().join(format!("{name}.docx"))).unwrap();
    let more = LetterTemplate::parse("more.docx", read("more")).unwrap_or_else(|problems| panic!("{problems:#?}"));
    assert_eq!(more.names().len(), PLACEHOLDERS.len());
    let text = read_by_libreoffice("more.docx", &filled(&more));
    assert!(text.contains("dishub dishub"), "{text}");
    assert_eq!(read_by_libreoffice("same.docx", &read("same")), read_by_libreoffice("same.docx", SHIPPED));
}
