use super::*;
use crate::model::{Document, Person, Record, RequestKey};
use jiff::civil::date;
use proptest::prelude::*;
use std::io::{Cursor, Write};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

const HEAD: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"yes\"?><w:document \
     xmlns:w=\"http://schemas.openxmlformats.org/wordprocessingml/2006/main\"><w:body>";
const TAIL: &str = "</w:body></w:document>";
const TYPES: &str = "<?xml version=\"1.0\"?><Types xmlns=\"http://schemas.openxmlformats.org/package/2006/content-types\">\
     <Default Extension=\"xml\" ContentType=\"application/xml\"/>\
     <Override PartName=\"/word/document.xml\" ContentType=\"application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml\"/>\
     <Override PartName=\"/word/header1.xml\" ContentType=\"application/vnd.openxmlformats-officedocument.wordprocessingml.header+xml\"/>\
     </Types>";
const HEADER: &str = "<w:hdr xmlns:w=\"http://schemas.openxmlformats.org/wordprocessingml/2006/main\"><w:p><w:r><w:t>kop</w:t></w:r></w:p></w:hdr>";

fn zip(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in files {
        let options = SimpleFileOptions::default().compression_method(CompressionMethod::Deflated);
        writer.start_file(*name, options).unwrap();
        writer.write_all(content).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

/// A Word file with this body and this header.
fn docx(body: &str, header: &str) -> Vec<u8> {
    let document = format!("{HEAD}{body}{TAIL}");
    zip(&[
        ("[Content_Types].xml", TYPES.as_bytes()),
        ("word/document.xml", document.as_bytes()),
        ("word/header1.xml", header.as_bytes()),
        ("word/media/image1.png", b"not looked at"),
    ])
}

fn runs(texts: &[&str]) -> String {
    let run = |text: &&str| format!("<w:r><w:t xml:space=\"preserve\">{text}</w:t></w:r>");
    format!("<w:p>{}</w:p>", texts.iter().map(run).collect::<String>())
}

fn part_of(bytes: &[u8], name: &str) -> String {
    String::from_utf8(archive::unpack(bytes).unwrap()[name].clone()).unwrap()
}

/// What a reader sees of a part: told apart by another hand than the code under test.
fn seen(xml: &str) -> String {
    let mut text = String::new();
    for piece in xml.split('<').skip(1) {
        let (tag, after) = piece.split_once('>').unwrap();
        match tag {
            "w:br/" | "/w:p" => text.push('\n'),
            _ if tag == "w:t" || tag.starts_with("w:t ") => text.push_str(after),
            _ => {}
        }
    }
    text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
}

fn body_of(bytes: &[u8]) -> String {
    let part = part_of(bytes, "word/document.xml");
    part.strip_prefix(HEAD).unwrap().strip_suffix(TAIL).unwrap().to_owned()
}

fn parse(body: &str) -> LetterTemplate {
    LetterTemplate::parse("surat.docx", docx(body, HEADER)).unwrap_or_else(|problems| panic!("{problems:#?}"))
}

fn problems(body: &str) -> Vec<String> {
    LetterTemplate::parse("surat.docx", docx(body, HEADER)).unwrap_err()
}

fn filled(body: &str, value: &str) -> String {
    body_of(&parse(body).fill(&Values::each(value)).unwrap())
}

fn record() -> Record {
    Record {
        key: RequestKey { procedure: "p".into(), id: "B-12/2026".into(), revision: 1 },
        action: crate::model::Action::Create,
        applicant: Person { name: "Dinas <Perhubungan> & Co, http://jahat.example".into(), ..Person::default() },
        responsible: Some(Person { name: "Siti Aminah".into(), identifier: "1985".into(), ..Person::default() }),
        account: Default::default(),
        change: None,
        documents: vec![Document {
            kind: "letter".into(),
            number: "B-5/Un.03/PP.00.9/2026 evil.com".into(),
            date: Some(date(2026, 11, 3)),
            register: "SM-9".into(),
            signed_by: "Kepala".into(),
        }],
        approvals: Vec::new(),
    }
}

fn values() -> Values {
    values_of(&record())
}

fn values_of(record: &Record) -> Values {
    let texts = BTreeMap::from([("help".to_owned(), "baris satu\nbaris dua".to_owned())]);
    let signers = ["Kepala Dinas".to_owned(), "Sekretaris".to_owned()];
    let facts = LetterFacts {
        record,
        account: None,
        last_day: None,
        texts: &texts,
        signers: &signers,
        today: date(2026, 11, 22),
        language: "id",
    };
    Values::of(&facts)
}

#[test]
fn a_placeholder_is_filled_however_it_is_split_over_runs() {
    let text = "Yth. {{ nama }}, di tempat";
    for first in 0..=text.len() {
        for second in first..=text.len() {
            let body = runs(&[&text[..first], &text[first..second], &text[second..]]);
            assert_eq!(seen(&filled(&body, "Budi")), "Yth. Budi, di tempat\n", "{body}");
        }
    }
    let letters: Vec<String> = text.chars().map(String::from).collect();
    let body = runs(&letters.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(seen(&filled(&body, "Budi")), "Yth. Budi, di tempat\n");
}

#[test]
fn a_value_has_the_formatting_of_the_run_where_its_placeholder_begins_and_nothing_else_changes() {
    let body = "<w:p w:rsidR=\"00A1\"><w:pPr><w:jc w:val=\"both\"/><w:tabs><w:tab w:val=\"left\" w:pos=\"9\"/></w:tabs></w:pPr>\
         <w:r><w:rPr><w:i/></w:rPr><w:t>Yth. </w:t></w:r><w:proofErr w:type=\"spellStart\"/>\
         <w:r><w:rPr><w:b/></w:rPr><w:t>{{ </w:t></w:r><w:bookmarkStart w:id=\"0\" w:name=\"x\"/>\
         <w:r><w:rPr><w:u/></w:rPr><w:t>nama</w:t></w:r><w:proofErr w:type=\"spellEnd\"/>\
         <w:hyperlink><w:r><w:t> }} !</w:t></w:r></w:hyperlink></w:p>";
    let expected = body
        .replace("<w:t>{{ </w:t>", "<w:t xml:space=\"preserve\">Budi</w:t>")
        .replace("<w:t>nama</w:t>", "<w:t xml:space=\"preserve\"></w:t>")
        .replace("<w:t> }} !</w:t>", "<w:t xml:space=\"preserve\"> !</w:t>");
    assert_eq!(filled(body, "Budi"), expected);
}

#[test]
fn tables_text_boxes_headers_and_several_in_a_row_are_filled() {
    let cell = |inner: &str| format!("<w:tbl><w:tr><w:tc>{inner}</w:tc></w:tr></w:tbl>");
    let textbox = format!(
        "<w:p><w:r><w:t>a{{{{nama}}}}</w:t></w:r><w:r><w:pict><w:txbxContent>{}</w:txbxContent></w:pict></w:r>\
         <w:r><w:t>{{{{unit}}}}b</w:t></w:r></w:p>",
        runs(&["[{{ alamat", "}}]"])
    );
    let body =
        format!("{}{textbox}{}", cell(&cell(&runs(&["{{nama}}{{ unit }}{{na", "ma}}"]))), runs(&["{{ NAMA\u{a0}}}"]));
    let header = HEADER.replace("kop", "{{ institution }}");
    let template = LetterTemplate::parse("surat.docx", docx(&body, &header)).unwrap();
    assert_eq!(template.names().into_iter().collect::<Vec<_>>(), ["alamat", "instansi", "nama", "unit"]);
    let letter = template.fill(&Values::each("V")).unwrap();
    assert_eq!(seen(&body_of(&letter)), "VVV\naV[V]\nVb\nV\n");
    assert_eq!(seen(&part_of(&letter, "word/header1.xml")), "V\n");
    assert_eq!(archive::unpack(&letter).unwrap()["word/media/image1.png"], b"not looked at");
}

#[test]
fn strict_files_and_other_prefixes_are_read() {
    let document = "<document xmlns=\"http://purl.oclc.org/ooxml/wordprocessingml/main\"><body><p><r><t>{{ help }}</t></r></p></body></document>";
    let bytes = zip(&[
        ("[Content_Types].xml", TYPES.as_bytes()),
        ("word/document.xml", document.as_bytes()),
        ("word/header1.xml", HEADER.as_bytes()),
    ]);
    let letter = LetterTemplate::parse("surat.docx", bytes).unwrap().fill(&values()).unwrap();
    assert!(
        part_of(&letter, "word/document.xml")
            .contains("<r><t xml:space=\"preserve\">baris satu</t><br/><t xml:space=\"preserve\">baris dua</t></r>")
    );
}

#[test]
fn what_cannot_be_filled_names_file_part_and_paragraph() {
    let body = format!(
        "{}<w:p/>{}{}{}{}{}",
        runs(&["Salam"]),
        runs(&["Yth. {{ nam }} dan {{ sesuatu }}"]),
        runs(&["{{ nama"]),
        runs(&["unit }}"]),
        runs(&["Sandi: {{ kata_sandi }}"]),
        "<w:p><w:r><w:t>{{ nama</w:t><w:br/><w:t>}}</w:t></w:r></w:p>"
    );
    let found = problems(&body);
    for expected in [
        "surat.docx: word/document.xml, paragraph 3 (\"Yth. {{ nam }} dan {{ sesuatu }}\"): there is no placeholder `nam`; did you \
         mean `{{ name }}`?",
        "surat.docx: word/document.xml, paragraph 4 (\"{{ nama\"): a `{{` has no `}}` after it on the same line",
        "surat.docx: word/document.xml, paragraph 5 (\"unit }}\"): a `}}` has no `{{` before it",
        "surat.docx: word/document.xml, paragraph 6 (\"Sandi: {{ kata_sandi }}\"): there is no placeholder `kata_sandi`: no \
         password is ever in a letter",
    ] {
        assert!(found.iter().any(|line| line == expected), "{expected}\n{found:#?}");
    }
    assert!(found.iter().any(|line| line.contains("no placeholder `sesuatu`; there are nomor, ")), "{found:#?}");
    assert!(found.iter().any(|line| line.contains("paragraph 7") && line.contains("same line")), "{found:#?}");
}

#[test]
fn a_placeholder_in_a_header_a_comment_or_a_drawing_is_not_overlooked() {
    let header = HEADER.replace("kop", "{{ instansii }}");
    let found = LetterTemplate::parse("surat.docx", docx("", &header)).unwrap_err();
    assert!(found[0].starts_with("surat.docx: word/header1.xml, paragraph 1 "), "{found:?}");
    let drawing = "<w:p><w:r><w:t>x</w:t><a:t xmlns:a=\"urn:a\">{{ nama }}</a:t></w:r></w:p>";
    assert!(problems(drawing)[0].contains("in a drawing or diagram"));
    let document = format!("{HEAD}{TAIL}");
    let comment = zip(&[
        ("[Content_Types].xml", TYPES.as_bytes()),
        ("word/document.xml", document.as_bytes()),
        ("word/header1.xml", HEADER.as_bytes()),
        ("word/comments.xml", b"<c>{{ nama }}</c>"),
    ]);
    assert!(
        LetterTemplate::parse("surat.docx", comment).unwrap_err()[0]
            .contains("word/comments.xml: a placeholder stands here")
    );
    // What was deleted with tracked changes, and codes of fields, are not text.
    parse(
        "<w:p><w:del><w:r><w:delText>{{ lama }}</w:delText></w:r></w:del><w:r><w:instrText>{{x</w:instrText></w:r></w:p>",
    );
}

#[test]
fn archives_that_are_odd_are_refused_and_say_why() {
    let document = format!("{HEAD}{TAIL}");
    let types = |old: &str, new: &str| {
        let types = TYPES.replace(old, new);
        zip(&[
            ("[Content_Types].xml", types.as_bytes()),
            ("word/document.xml", document.as_bytes()),
            ("word/header1.xml", HEADER.as_bytes()),
        ])
    };
    let with = |name: &str, content: &[u8]| {
        zip(&[
            ("[Content_Types].xml", TYPES.as_bytes()),
            ("word/document.xml", document.as_bytes()),
            ("word/header1.xml", HEADER.as_bytes()),
            (name, content),
        ])
    };
    let bomb = vec![b' '; 60 * 1024 * 1024];
    let outside = |kind: &str, target: &str| {
        let text = format!(
            "<Relationships><Relationship Id=\"a\" Type=\"http://x/{kind}\" Target=\"{target}\" TargetMode=\"External\"/></Relationships>"
        );
        with("word/_rels/document.xml.rels", text.as_bytes())
    };
    let mut encrypted = with("word/x.xml", b"x");
    // The flag of encryption in the last local and the last central header (APPNOTE 4.4.4).
    for (signature, flags) in [(b"PK\x03\x04", 6), (b"PK\x01\x02", 8)] {
        let at = encrypted.windows(4).rposition(|four| four == signature).unwrap();
        encrypted[at + flags] |= 1;
    }
    for (bytes, expected) in [
        (b"".to_vec(), "it is no .docx"),
        (b"PK\x03\x04 and nothing".to_vec(), "it is no .docx"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1".to_vec(), "old .doc or is protected with a password"),
        (vec![0; archive::LARGEST + 1], "at most 10485760 are taken"),
        (zip(&[("a.txt", b"x")]), "a zip archive, but no .docx"),
        (types("document.main+xml", "document.other+xml"), "no Word file"),
        (
            types(
                "openxmlformats-officedocument.wordprocessingml.document.main+xml",
                "ms-word.document.macroEnabled.main+xml",
            ),
            "macros",
        ),
        (types("document.main+xml", "template.main+xml"), ".dotx"),
        (types("/word/header1.xml", "/word/header9.xml"), "names `word/header9.xml`, which is not in it"),
        (types("<Types", "<!DOCTYPE x [<!ENTITY y \"z\">]><Types"), "DOCTYPE"),
        (with("word/bomb.xml", &bomb), "more than 50331648 bytes unpacked"),
        (with("word/vbaProject.bin", b"x"), "macros"),
        (with("../../etc/passwd", b"x"), "none that a .docx has"),
        (with("/etc/passwd", b"x"), "none that a .docx has"),
        (with("C:\\x", b"x"), "none that a .docx has"),
        (encrypted, "encrypted"),
        (outside("image", "https://jejak.example/x.png"), "fetches something from outside when it is opened (image)"),
        (outside("attachedTemplate", "https://jahat.example/x.dotm"), "(attachedTemplate)"),
        (outside("attachedTemplate", "file:///\\\\jahat.example\\x.dotm"), "(attachedTemplate)"),
    ] {
        let found = LetterTemplate::parse("surat.docx", bytes).unwrap_err().join("\n");
        assert!(found.starts_with("surat.docx: ") && found.contains(expected), "{expected}: {found}");
    }
    for (kind, target) in [
        ("hyperlink", "https://example.ac.id/"),
        ("attachedTemplate", "file:///C:\\Users\\sekretaris\\Surat.dotx"),
        ("attachedTemplate", "Normal.dotm"),
    ] {
        LetterTemplate::parse("surat.docx", outside(kind, target)).unwrap();
    }
    let many: Vec<String> = (0..600).map(|n| format!("word/{n}")).collect();
    let many: Vec<(&str, &[u8])> = many.iter().map(|name| (name.as_str(), b"x".as_slice())).collect();
    assert!(LetterTemplate::parse("s", zip(&many)).unwrap_err()[0].contains("600 files"));
    for broken in ["<w:p>", "</w:p>", "<w:p><w:r></w:p></w:r>", "<w:p>&unknown;</w:p>", "<w:p a=>{{"] {
        assert!(problems(broken)[0].contains("XML"), "{broken}");
    }
}

#[test]
fn a_template_of_another_encoding_is_refused() {
    let utf16: Vec<u8> = format!("{HEAD}{TAIL}").encode_utf16().flat_map(u16::to_le_bytes).collect();
    let bytes = zip(&[
        ("[Content_Types].xml", TYPES.as_bytes()),
        ("word/document.xml", &utf16),
        ("word/header1.xml", HEADER.as_bytes()),
    ]);
    assert!(LetterTemplate::parse("s.docx", bytes).unwrap_err()[0].contains("not UTF-8"));
}

#[test]
fn values_are_bounded_and_applicants_write_no_links() {
    let values = values();
    assert_eq!(values.get("nama"), "Dinas <Perhubungan> & Co, http: / /jahat. example");
    assert_eq!(
        (values.get("nomor_surat"), values.get("tanggal_surat")),
        ("B-5/Un.03/PP.00.9/2026 evil. com", "3 November 2026")
    );
    assert_eq!((values.get("tanggal"), values.get("berlaku_sampai")), ("22 November 2026", "-"));
    assert_eq!(
        (values.get("penanggung_jawab"), values.get("penanda_tangan")),
        ("Siti Aminah", "Kepala Dinas / Sekretaris")
    );
    let mut long = record();
    long.applicant.name = "x".repeat(100_000);
    let texts =
        BTreeMap::from([("help".to_owned(), "y\n".repeat(100_000)), ("obligations".to_owned(), "z".repeat(100_000))]);
    let facts = LetterFacts {
        record: &long,
        account: None,
        last_day: None,
        texts: &texts,
        signers: &[],
        today: date(2026, 1, 1),
        language: "en",
    };
    let values = Values::of(&facts);
    for placeholder in PLACEHOLDERS {
        assert!(values.get(placeholder.name).chars().count() <= values::LONGEST + 1, "{}", placeholder.name);
    }
    assert_eq!(values.get("bantuan").lines().count(), 40);
    assert_eq!(values.get("tanggal"), "1 January 2026");
}

#[test]
fn each_placeholder_has_a_value_and_two_names_of_its_own() {
    let names: BTreeSet<&str> = PLACEHOLDERS.iter().flat_map(|p| [p.name, p.english]).collect();
    // `unit` is the one whose English name is another.
    assert_eq!(names.len(), 2 * PLACEHOLDERS.len());
    assert!(names.iter().all(|name| !name.contains("sandi") || *name == "tautan_sandi"));
    let values = values();
    for placeholder in PLACEHOLDERS {
        assert_eq!(values::known(&format!(" {} ", placeholder.english)), Ok(placeholder.name));
        assert_eq!(values::known(placeholder.name), Ok(placeholder.name));
        if !["identitas", "unit", "kategori", "instansi", "prosedur", "sop"].contains(&placeholder.name)
            && !placeholder.name.starts_with("tautan")
            && !["ketentuan", "petunjuk"].contains(&placeholder.name)
        {
            assert!(!values.get(placeholder.name).is_empty(), "{}", placeholder.name);
        }
    }
}

#[test]
fn the_readme_of_the_templates_lists_every_placeholder() {
    let readme = include_str!("../../../config/templates/README.md");
    for p in PLACEHOLDERS {
        let row = format!("| `{{{{ {} }}}}` | `{{{{ {} }}}}` | {} |\n", p.name, p.english, p.means);
        assert!(readme.contains(&row), "{row}");
    }
    assert_eq!(readme.matches("\n| `{{").count(), PLACEHOLDERS.len());
}

#[test]
fn the_built_in_letter_is_taken_and_the_directory_goes_before_it() {
    let dir = tempfile::tempdir().unwrap();
    let letters = Letters::load(dir.path(), [BUILT_IN.0]).unwrap();
    let template = letters.get(BUILT_IN.0).unwrap();
    for needed in ["tujuan", "alamat", "nomor", "tanggal", "penanda_tangan", "nomor_surat"] {
        assert!(template.names().contains(needed), "{needed}");
    }
    assert!(
        Letters::load(dir.path(), ["lain.docx"]).unwrap_err()[0]
            .contains("lain.docx: there is no such letter template")
    );
    std::fs::write(dir.path().join(BUILT_IN.0), docx(&runs(&["{{ unit }}"]), HEADER)).unwrap();
    let letters = Letters::load(dir.path(), [BUILT_IN.0]).unwrap();
    assert_eq!(letters.get(BUILT_IN.0).unwrap().names().into_iter().collect::<Vec<_>>(), ["unit"]);
    std::fs::write(dir.path().join(BUILT_IN.0), "no zip").unwrap();
    let problem = Letters::load(dir.path(), [BUILT_IN.0]).unwrap_err().join("\n");
    assert!(problem.contains(&dir.path().join(BUILT_IN.0).display().to_string()), "{problem}");
    nix::unistd::mkfifo(&dir.path().join("fifo.docx"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    assert!(Letters::load(dir.path(), ["fifo.docx"]).unwrap_err()[0].contains("not a regular file"));
}

#[test]
fn signed_letters_are_told_by_their_bytes() {
    assert_eq!(Kind::of(b"%PDF-1.7\n..."), Ok(Kind::Pdf));
    assert_eq!(Kind::of(&docx("", HEADER)), Ok(Kind::Docx));
    for bad in [b"".as_slice(), b"PDF", b"<html>", b"\x89PNG", b"PK\x03\x04", b" %PDF-1.7"] {
        assert!(Kind::of(bad).is_err(), "{bad:?}");
    }
    assert!(Kind::of(&zip(&[("x", b"y")])).is_err());
    assert!(Kind::of(&[b"%PDF-".as_slice(), &vec![0; LARGEST]].concat()).unwrap_err().contains("at most"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn hostile_values_stay_text(value in any::<String>(), split in 0..=14_usize) {
        let text = "x{{ bantuan }}y";
        let value = value.replace(['\r', '\t'], " ");
        let body = runs(&[&text[..split], &text[split..]]);
        let shown = seen(&filled(&body, &value));
        let legal = |c: &char| !(c.is_control() && *c != '\n' || matches!(c, '\u{fffe}' | '\u{ffff}'));
        let expected: String = value.chars().filter(legal).collect();
        prop_assert_eq!(shown, format!("x{expected}y\n"));
    }

    #[test]
    fn a_filled_letter_is_a_word_file_again_and_the_same_every_time(value in "[<>&\"'{}a-z\\n ]{0,40}") {
        let template = parse(&runs(&["{{ nama }} dan {{ unit }}"]));
        let letter = template.fill(&Values::each(&value)).unwrap();
        prop_assert_eq!(Kind::of(&letter), Ok(Kind::Docx));
        prop_assert_eq!(&letter, &template.fill(&Values::each(&value)).unwrap());
    }

    #[test]
    fn no_bytes_and_no_body_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..300), body in "(<w:p>|</w:p>|<w:r>|</w:r>|<w:t>|</w:t>|\\{\\{|\\}\\}|nama| |é|\\n|<w:br/>){0,30}") {
        let _ = LetterTemplate::parse("s", bytes.clone());
        let _ = LetterTemplate::parse("s", [b"PK\x03\x04".as_slice(), &bytes].concat());
        if let Ok(template) = LetterTemplate::parse("s", docx(&body, HEADER)) {
            template.fill(&Values::each("v")).unwrap();
        }
    }
}

#[test]
fn a_unit_that_applies_for_itself_is_named_once() {
    let shown = |name: &str, unit: &str| {
        let mut record = record();
        (record.applicant.name, record.applicant.unit) = (name.into(), unit.into());
        values_of(&record).get("tujuan").to_owned()
    };
    assert_eq!(shown("Dinas Contoh", "DINAS Contoh"), "Dinas Contoh");
    assert_eq!(shown("Dinas Contoh", ""), "Dinas Contoh");
    assert_eq!(shown("Siti Aminah", "Dinas Contoh"), "Siti Aminah\nDinas Contoh");
}
