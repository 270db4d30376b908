//! The register: found, exported while the daemon runs, read back; accounts from an office's own list.

use crate::daemon::{Site, count, records};

const LIST: &str = "No;Email;Nama Lengkap;NIP;OPD;Keterangan\r\n\
    1;lama@example.ac.id;Hendra Lama;196001011985031001;Arsip;sejak 2015\r\n\
    2;arsip@example.ac.id;Bagian Arsip;;Arsip;\r\n";

#[test]
fn accounts_are_found_and_exported_while_the_daemon_runs_and_an_export_is_read_back() {
    let site = Site::new();
    let daemon = site.start();
    site.drop_in("a.toml", records::good("R/1", "rukmini"));
    site.until_rest(1);
    for known in ["rukmini@example.ac.id", "RUKMINI", "Wulandari", "biro umum", "197003031995031003"] {
        let (code, said) = site.told(&["register", "find", known]);
        assert_eq!(code, 0, "{known}: {said}");
        assert!(said.contains("rukmini@example.ac.id") && said.contains("generic:R/1@1"), "{said}");
        assert!(said.split_whitespace().any(|word| word == "rukmini"), "the user name: {said}");
    }
    let (_, shown) = site.told(&["show", "R/1"]);
    assert!(shown.contains("user name rukmini\n"), "{shown}");
    assert_eq!(site.told(&["register", "find", "nobody"]).0, 1);
    let (code, csv) = site.told(&["register", "export", "--language", "id"]);
    assert_eq!(code, 0);
    assert!(csv.starts_with("Alamat surel;Nama pengguna;"), "{csv}");
    for wanted in [
        "rukmini@example.ac.id;",
        ";197003031995031003;",
        ";head: Kepala Pusat TIK, ",
        ";generic;generic:R/1@1;aktif;",
        ";mail | radius",
    ] {
        assert!(csv.contains(wanted), "{wanted}: {csv}");
    }
    let export = |name: &str| {
        let path = site.path(name);
        let (code, said) = site.told(&["register", "export", "--output", path.to_str().unwrap(), "--language", "id"]);
        assert_eq!(code, 0, "{said}");
        path
    };
    let (xlsx, html, file) = (export("daftar.xlsx"), export("daftar.html"), export("daftar.csv"));
    assert!(std::fs::read(&xlsx).unwrap().starts_with(b"PK"));
    let page = std::fs::read_to_string(html).unwrap();
    assert!(
        page.contains("<b>Universitas Contoh</b>Daftar akun") && page.contains("rukmini@<wbr>example.ac.id"),
        "{page}"
    );
    assert!(std::fs::read(&file).unwrap().starts_with("\u{feff}Alamat surel;".as_bytes()));
    let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&file).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600, "it names people");
    for exported in [&file, &xlsx] {
        let (code, said) = site.told(&["register", "import", exported.to_str().unwrap(), "--reason", "coba"]);
        assert_eq!(code, 0, "{said}");
        assert!(said.contains("0 entered, 1 there already, 0 refused"), "{said}");
    }
    let english = site.akund(&["register", "export"]);
    assert!(String::from_utf8(english.stdout).unwrap().starts_with("Address,User name,"), "the tests' locale");
    daemon.terminate();
}

#[test]
fn what_an_office_has_already_is_entered_once_and_nobody_is_given_its_names() {
    let site = Site::new();
    let daemon = site.start();
    let list = site.path("lama.csv");
    std::fs::write(&list, LIST).unwrap();
    let list = list.to_str().unwrap();
    let import = |more: &[&str]| {
        site.told(&[&["register", "import", list, "--procedure", "generic", "--category", "staff"], more].concat())
    };
    let unknown = ["register", "import", list, "--procedure", "generic", "--category", "dosen", "--dry-run"];
    let (code, said) = site.told(&unknown);
    assert!(
        code == 65 && said.contains("the procedure generic does not know it") && said.contains("lecturer"),
        "{said}"
    );
    let (code, said) = import(&["--dry-run"]);
    assert_eq!(code, 0, "{said}");
    assert!(
        said.contains("would be: 2 entered, 0 there already") && said.contains("not read: No, Keterangan"),
        "{said}"
    );
    assert_eq!(site.told(&["register", "find", "arsip"]).0, 1, "nothing was entered");
    assert!(import(&["--reason", "daftar 2015"]).1.contains("2 entered, 0 there already"));
    assert!(import(&[]).1.contains("0 entered, 2 there already"), "twice is as once");
    let (_, found) = site.told(&["register", "find", "196001011985031001", "--json"]);
    assert!(found.contains("\"state\": \"imported\"") && found.contains("lama@example.ac.id"), "{found}");

    // The name is taken, and nothing acts on the account.
    site.drop_in("a.toml", records::good("R/1", "lama"));
    let suspend = records::good("R/2", "lama")
        .replace("procedure = \"generic\"", "procedure = \"generic\"\naction = \"suspend\"");
    let config = site.path("akund.toml");
    let text = std::fs::read_to_string(&config).unwrap();
    assert!(!text.contains("[[source]]"));
    daemon.terminate();
    std::fs::write(&config, format!("{text}\n[[source]]\nname = \"local\"\nactions = [\"create\", \"suspend\"]\n"))
        .unwrap();
    let daemon = site.start();
    site.drop_in("b.toml", suspend);
    site.until_rest(2);
    assert_eq!(site.state("generic:R/1@1"), "conflicted");
    assert_eq!(site.state("generic:R/2@1"), "held");
    let (_, shown) = site.told(&["show", "R/2"]);
    assert!(
        shown.contains("Akun \"lama@example.ac.id\" tidak dibuat oleh akund")
            || shown.contains("lama@example.ac.id tidak dibuat oleh akund"),
        "{shown}"
    );
    daemon.terminate();

    let journal = rusqlite::Connection::open(&site.journal).unwrap();
    assert_eq!(count(&journal, "SELECT count(*) FROM orders WHERE verb = 'import' AND state = 'done'"), 2);
    assert_eq!(
        count(
            &journal,
            "SELECT count(*) FROM orders WHERE reason = 'daftar 2015' AND argument LIKE 'lama.csv sha256:%'"
        ),
        1
    );
    assert_eq!(count(&journal, "SELECT count(*) FROM import"), 0, "the list is not kept twice");
    assert_eq!(count(&journal, "SELECT count(*) FROM event WHERE detail LIKE '%lama@%' OR detail LIKE '%Hendra%'"), 0);
    assert_eq!(site.told(&["audit", "verify"]).0, 0);
}

#[test]
fn a_list_is_kept_for_a_daemon_that_does_not_run_and_a_bad_one_enters_nothing() {
    let site = Site::new();
    site.start().terminate();
    let list = site.path("lama.csv");
    std::fs::write(&list, LIST).unwrap();
    let import = ["register", "import", list.to_str().unwrap(), "--procedure", "generic"];
    let (code, said) = site.told(&import);
    assert_eq!(code, 75, "{said}");
    site.start().terminate();
    let (_, said) = site.told(&["register", "export", "--language", "en"]);
    assert!(
        said.contains("lama@example.ac.id") && said.contains("arsip@example.ac.id") && said.contains(",imported,"),
        "{said}"
    );

    std::fs::write(&list, LIST.replace("arsip@example.ac.id", "arsip@@example")).unwrap();
    let (code, said) = site.told(&import);
    assert_eq!(code, 65, "{said}");
    assert!(said.contains("lama.csv:3: column 2 (Address): found \"arsip@@example\""), "{said}");
    std::fs::write(&list, LIST).unwrap();
    let (code, said) = site.told(&["register", "import", list.to_str().unwrap(), "--procedure", "umum"]);
    assert_eq!(code, 65, "{said}");
    assert!(said.contains("there is no procedure `umum`") && said.contains("procedures: generic"), "{said}");
}
