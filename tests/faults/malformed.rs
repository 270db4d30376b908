//! Everything that is no request, handed in at once together with one that is: each gets its reason, nothing stops.

use crate::daemon::{Setup, Site, files_under, records};
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

const MAX_BYTES: usize = 200_000;

/// Names and contents that become no request, and a word that the reason must have.
fn contents() -> Vec<(&'static str, Vec<u8>, &'static str)> {
    let good = records::good("X/1", "tidak");
    let json = |id: &str| {
        let text = records::good("ID-DI-SINI", "tidak");
        let value: toml::Value = toml::from_str(&text).unwrap();
        // TOML's own dates have no JSON of their own.
        let at = value["approval"][0]["at"].to_string();
        let text = serde_json::to_string(&serde_json::json!({
            "akund": 1, "id": "ID-DI-SINI", "procedure": "generic", "applicant": value["applicant"],
            "account": value["account"],
            "approval": [{"role": "head", "by": "Kepala", "decision": "approved", "at": at}],
        }));
        text.unwrap().replace("ID-DI-SINI", id).into_bytes()
    };
    let deep = |open: &str, close: &str, depth: usize| [open.repeat(depth), close.repeat(depth)].concat();
    let students = records::students("m-", 3, None);
    vec![
        ("terpotong.toml", good.as_bytes()[..good.len() / 2].to_vec(), "terpotong.toml"),
        ("terpotong.json", json("P-1")[..60].to_vec(), "terpotong.json"),
        ("terpotong.jsonl", json("P-2")[..60].to_vec(), "terpotong.jsonl"),
        ("terpotong.csv", students.as_bytes()[..students.find("approval").unwrap()].to_vec(), "terpotong.csv"),
        ("kosong.toml", Vec::new(), "kosong.toml"),
        ("kosong.json", Vec::new(), "kosong.json"),
        ("kosong.csv", Vec::new(), "kosong.csv"),
        ("dalam.json", deep("[", "]", 90_000).into_bytes(), "dalam.json"),
        (
            "dalam-objek.json",
            [r#"{"a":"#.repeat(30_000), "1".into(), "}".repeat(30_000)].concat().into_bytes(),
            "dalam",
        ),
        ("dalam.jsonl", deep("[", "]", 90_000).into_bytes(), "dalam.jsonl"),
        ("dalam.toml", format!("a = {}", deep("[", "]", 90_000)).into_bytes(), "dalam.toml"),
        ("dalam-tabel.toml", format!("[{}a]\nb = 1\n", "a.".repeat(60_000)).into_bytes(), "dalam-tabel.toml"),
        (
            "dalam-inline.toml",
            [format!("a = {}", "{a=".repeat(40_000)), "}".repeat(40_000)].concat().into_bytes(),
            "dalam",
        ),
        ("biner.toml", (0..60_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect(), "biner.toml"),
        ("biner.csv", (0..60_000_u32).map(|n| (n.wrapping_mul(2_246_822_519) >> 24) as u8).collect(), "biner.csv"),
        (
            "bukan-utf8.toml",
            good.replace("Rukmini", "Rukm\u{fffd}ni")
                .replace('\u{fffd}', "?")
                .bytes()
                .map(|b| if b == b'?' { 0xff } else { b })
                .collect(),
            "UTF-8",
        ),
        (
            "bukan-utf8.json",
            json("P-3").into_iter().map(|b| if b == b'3' { 0xc3 } else { b }).collect(),
            "bukan-utf8.json",
        ),
        ("nul.toml", good.replace("Rukmini", "Ruk\0mini").into_bytes(), "nul.toml"),
        ("nul.json", json(r"P-\u0000").to_vec(), "id"),
        ("crlf.json", json(r"P-1\r\nBcc: x@example.org").to_vec(), "id"),
        ("crlf-nama.toml", good.replace("Rukmini", "Ruk\\r\\nBcc: x@example.org\\r\\n").into_bytes(), "name"),
        ("arah.toml", good.replace("Rukmini", "Ruk\u{202e}mini").into_bytes(), "name"),
        ("panjang.toml", good.replace("X/1", &"X".repeat(5000)).into_bytes(), "id"),
        ("titik.toml", records::good("..", "tidak").into_bytes(), "id"),
        ("tanpa-akhiran", good.clone().into_bytes(), "tanpa-akhiran"),
        ("salah.exe", good.into_bytes(), "salah.exe"),
    ]
}

/// Things that are no files to be read, under names of records.
fn oddities(stage: &Path, outside: &Path) -> Vec<(&'static str, &'static str)> {
    let at = |name: &str| stage.join(name);
    fs::write(at("raksasa.toml"), vec![b'#'; MAX_BYTES + 1]).unwrap();
    fs::write(outside, "RAHASIA ORANG LAIN").unwrap();
    fs::hard_link(outside, at("kembar.toml")).unwrap();
    symlink(outside, at("tautan.toml")).unwrap();
    symlink("/proc/self/environ", at("tautan-proc.toml")).unwrap();
    nix::unistd::mkfifo(&at("pipa.toml"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    drop(std::os::unix::net::UnixListener::bind(at("soket.toml")).unwrap());
    fs::create_dir(at("map.toml")).unwrap();
    fs::write(at("tertutup.toml"), records::good("TUTUP/1", "tertutup")).unwrap();
    fs::set_permissions(at("tertutup.toml"), fs::Permissions::from_mode(0o000)).unwrap();
    vec![
        ("raksasa.toml", "larger than"),
        ("kembar.toml", "hard links"),
        ("tautan.toml", "symbolic link"),
        ("tautan-proc.toml", "symbolic link"),
        ("pipa.toml", "fifo"),
        ("soket.toml", "socket"),
        ("map.toml", "directory"),
        ("tertutup.toml", "cannot be read"),
    ]
}

/// Ids that look like paths are ids like any other.
const IDS: [(&str, &str); 5] = [
    ("../../etc/passwd", "jalur1"),
    ("a/b%2f", "jalur2"),
    ("/etc/akund/akund.toml", "jalur4"),
    ("a@2/../b", "jalur5"),
    ("%2e%2e%2f", "jalur6"),
];

#[test]
fn a_heap_of_malformed_files_gets_a_reason_each_and_holds_up_nobody() {
    let site = Site::with(Setup { spool_more: "settle_ms = 300\nmax_bytes = 200000", ..Setup::default() });
    let stage = site.path("stage");
    fs::create_dir(&stage).unwrap();
    let mut expected: Vec<(String, &str)> = Vec::new();
    for (name, bytes, reason) in contents() {
        assert!(bytes.len() <= MAX_BYTES, "{name}");
        fs::write(stage.join(name), bytes).unwrap();
        expected.push((name.to_owned(), reason));
    }
    expected.extend(oddities(&stage, &site.path("orang-lain")).into_iter().map(|(name, why)| (name.to_owned(), why)));
    for (number, (id, local)) in IDS.iter().enumerate() {
        fs::write(stage.join(format!("jalur-{number}.toml")), records::good(id, local)).unwrap();
    }
    fs::write(stage.join("baik.toml"), records::good("BAIK/1", "baik")).unwrap();

    let mut daemon = site.spawn_unprivileged();
    assert!(daemon.takes_requests(), "{}", site.log());
    for entry in fs::read_dir(&stage).unwrap() {
        let name = entry.unwrap().file_name();
        fs::rename(stage.join(&name), site.spool.join("incoming").join(&name)).unwrap();
    }
    let rejected = site.spool.join("rejected");
    let reason_of = |name: &str| rejected.join(format!("{name}.reason.txt"));
    site.until("the good one is done", || site.state(&records::key("BAIK/1")) == "done");
    for (name, word) in &expected {
        site.until(&format!("{name} has its reason"), || reason_of(name).exists());
        let reason = fs::read_to_string(reason_of(name)).unwrap();
        assert!(reason.contains(word), "{name}: {word:?} is not in: {}", &reason[..reason.floor_char_boundary(600)]);
        assert!(reason.len() < 20_000, "{name}: a reason of {} bytes", reason.len());
    }
    site.until("the ids are all served", || {
        site.states().values().filter(|state| *state == "done").count() == 1 + IDS.len()
    });
    assert_eq!(site.states().len(), 1 + IDS.len(), "nothing malformed became a request: {:?}", site.states());
    site.until("what cannot be taken is all that is left", || {
        BTreeSet::from_iter(site.incoming())
            == BTreeSet::from(["raksasa.toml", "map.toml", "tertutup.toml"].map(str::to_owned))
    });
    assert_eq!(daemon.get("/healthz").0, 200);
    assert_eq!(daemon.get("/readyz").0, 200);

    // Once it can be read, it is taken.
    let closed = site.spool.join("incoming/tertutup.toml");
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o640)).unwrap();
    site.until("the file that could not be read is done", || site.state(&records::key("TUTUP/1")) == "done");
    site.until("every outcome is written", || !site.reader().moving().unwrap());
    check_places(&site);
    daemon.terminate();
    assert!(!site.log().contains("panicked at"), "{}", site.log());
}

/// Outcomes lie in their own directory and nowhere else, and nothing of others' files was copied.
fn check_places(site: &Site) {
    let outcomes: BTreeSet<PathBuf> = site.outcomes().into_keys().collect();
    assert_eq!(outcomes.len(), IDS.len() + 2);
    for path in &outcomes {
        assert_eq!(path.parent().unwrap(), Path::new("local/generic"), "{}", path.display());
    }
    let parts: BTreeSet<String> =
        fs::read_dir(site.path("")).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    let known =
        ["akund.toml", "orang-lain", "outbox", "procedures", "run", "spool", "stage", "state", "targets", "templates"];
    assert_eq!(parts, BTreeSet::from(known.map(str::to_owned)), "nothing appears beside what belongs there");
    let secret = "RAHASIA ORANG LAIN".as_bytes();
    let copied =
        |path: &PathBuf| fs::read(path).is_ok_and(|bytes| bytes.windows(secret.len()).any(|part| part == secret));
    let copies: Vec<PathBuf> = files_under(&site.spool).into_iter().filter(copied).collect();
    assert_eq!(copies, Vec::<PathBuf>::new(), "another's file was copied");
    assert_eq!(fs::read_to_string(site.path("orang-lain")).unwrap(), "RAHASIA ORANG LAIN");
}
