use super::*;
use crate::procedure::Language;
use crate::register::Csv;
use crate::register::page::tests::entries;
use proptest::prelude::*;

fn settings() -> Settings {
    let zone = TimeZone::get("Asia/Jakarta").unwrap();
    Settings { procedure: Some("generic".into()), category: "unit".into(), zone }
}

fn mistakes(text: &str) -> Vec<String> {
    read("lama.csv", text.as_bytes(), &settings()).unwrap_err()
}

#[test]
fn an_export_in_either_language_is_read_back() {
    for language in [Language::Id, Language::En] {
        for (delimiter, bom) in [(b';', true), (b',', false), (b'\t', true)] {
            let csv = Csv { language, zone: settings().zone, delimiter, bom };
            let entries = entries();
            let mut bytes = csv.head();
            entries.iter().for_each(|entry| bytes.extend(csv.row(entry)));
            let listed = read("x.csv", &bytes, &settings()).unwrap();
            assert!(listed.unknown.is_empty());
            for (import, entry) in listed.accounts.iter().zip(&entries) {
                assert_eq!(import.entry, Entry { uid: String::new(), ..entry.clone() });
            }
            assert_eq!(listed.accounts.len(), entries.len());
            assert_eq!(listed.accounts[0].account.ends_at, "2027-07-01T00:00:00+07:00".parse().ok());
        }
    }
}

#[test]
fn an_offices_own_list_is_read_by_its_usual_words() {
    let text = "No;EMAIL;Nama Lengkap;NIP;OPD;Keterangan;Tanggal Berakhir;Status\r\n\
                1;Humas@Lumajangkab.go.id;Bagian Humas;198501012015041003;Sekretariat Daerah;lama;31/12/2027;Aktif\r\n\
                ;;;;;;;\r\n\
                2;kominfo@lumajangkab.go.id;Dinas Kominfo;;;;;dihapus\r\n";
    let utf16: Vec<u8> = [0xFF, 0xFE].into_iter().chain(text.encode_utf16().flat_map(u16::to_le_bytes)).collect();
    let sep = format!("\u{feff}sep=;\r\n{text}").into_bytes();
    let plain = [text.as_bytes().to_vec(), format!("\u{feff}{text}").into_bytes(), utf16];
    for (bytes, line) in plain.into_iter().map(|bytes| (bytes, 2)).chain([(sep, 3)]) {
        let listed = read("lama.csv", &bytes, &settings()).unwrap();
        assert_eq!((listed.accounts.len(), listed.removed), (1, 1));
        assert_eq!(listed.unknown, ["No", "Keterangan"]);
        let import = &listed.accounts[0];
        assert_eq!(
            (import.line, import.entry.procedure.as_str(), import.entry.category.as_str()),
            (line, "generic", "unit")
        );
        assert_eq!(import.entry.identifier, "198501012015041003");
        assert_eq!(import.entry.last_day, "2027-12-31".parse().ok());
        assert_eq!(import.names(), ["humas@lumajangkab.go.id"], "nobody said that it has a user name");
    }
}

#[test]
fn every_bad_cell_is_told_with_its_line() {
    for (text, said) in [
        ("", "lama.csv: there is nothing in it"),
        ("\n;;\n", "lama.csv: there is nothing in it"),
        ("Nama;Unit\nx;y\n", "lama.csv:1: no column holds the accounts' names"),
        ("Email;Surel\n", "lama.csv:1: two columns are Address"),
        (
            "Email;Nama\nbukan alamat;x\n",
            "lama.csv:2: column 1 (Address): found \"bukan alamat\"; expected a mail address",
        ),
        ("Email;Nama\n;x\n", "lama.csv:2: it names neither an address nor a user name"),
        ("Email\na@b.id\nA@B.ID\n", "lama.csv:3: \"a@b.id\" is the name of the account in line 2, too"),
        ("Email;Berakhir\na@b.id;31/31/2027\n", "column 2 (Valid until): found \"31/31/2027\"; expected a day"),
        ("Email;NIP\na@b.id;1,98501E+17\n", "column 2 (Identifier): found \"1,98501E+17\"; expected all of its digits"),
        ("Email;Status\na@b.id;entah\n", "column 2 (State): found \"entah\"; expected active"),
        ("Email;Nama\na@b.id;;x\n", "lama.csv:2: it has 3 cells; expected at most 2"),
        ("Email;Alias\na@b.id;x|y\n", "column 2 (Aliases): found \"x|y\""),
    ] {
        let mistakes = mistakes(text);
        assert!(mistakes.iter().any(|mistake| mistake.contains(said)), "{text:?}: {mistakes:?}");
    }
    let none = Settings { procedure: None, ..settings() };
    let mistakes = read("x.csv", b"Email\na@b.id\n", &none).unwrap_err();
    assert!(mistakes[0].contains("x.csv:2: no procedure is named"), "{mistakes:?}");
    let mistakes = read("x.csv", b"Email;Nama\na@b.id;\xe9\n", &settings()).unwrap_err();
    assert!(mistakes[0].starts_with("x.csv:2:8:") && mistakes[0].contains("CSV UTF-8"), "{mistakes:?}");
}

proptest! {
    #[test]
    fn whatever_is_in_a_list_is_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..300), text in "[a-z@.;,\"\n=+ ]{0,200}") {
        let _ = read("x.csv", &bytes, &settings());
        let _ = read("x.csv", format!("Email;Nama;NIP\n{text}").as_bytes(), &settings());
    }

    #[test]
    fn whatever_a_holder_is_called_survives_export_and_import(name in "[^\u{0}-\u{1f}\u{7f}-\u{9f}|\u{feff}\u{fffd}]{0,40}") {
        let mut entry = entries().remove(0);
        entry.name = name.split_whitespace().collect::<Vec<_>>().join(" ");
        let csv = Csv { language: Language::Id, zone: settings().zone, delimiter: b';', bom: true };
        let listed = read("x.csv", &[csv.head(), csv.row(&entry)].concat(), &settings()).unwrap();
        prop_assert_eq!(&listed.accounts[0].entry.name, &entry.name);
    }
}
