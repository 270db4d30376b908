//! What is written: rejections and outcomes.

use crate::bench::*;
use akund::intake::spool::{OutcomeKey, Rejection};
use akund::model::RequestKey;
use std::fs;
use std::os::unix::fs::{MetadataExt, chown};

fn rejection<'a>(name: &'a str, bytes: &'a [u8], reason: &'a str) -> Rejection<'a> {
    Rejection { source: "uin", name, owner: Some(1000), bytes: Some(bytes), signature: None, reason }
}

fn key(id: &str, revision: u32) -> OutcomeKey {
    let request = RequestKey { procedure: "uin-malang-email".into(), id: id.into(), revision };
    OutcomeKey { source: "uin".into(), request }
}

#[test]
fn a_rejection_says_why_and_where_from() {
    let bench = Bench::new();
    let spool = bench.open();
    let rejected = spool.reject(&[rejection("a.toml", b"bad", "line 3: no id\nline 4: no name\n")]).unwrap().remove(0);
    assert_eq!(rejected.path.unwrap().to_str(), Some("rejected/a.toml"));
    assert_eq!(rejected.reason_path.to_str(), Some("rejected/a.toml.reason.txt"));
    let files = bench.files("rejected");
    assert_eq!(files["a.toml"], b"bad");
    let sha256 = bad_sha256();
    assert_eq!(
        String::from_utf8_lossy(&files["a.toml.reason.txt"]),
        format!("line 3: no id\nline 4: no name\n\nsource: uin\nfile: a.toml\nowner: 1000\nsha256: {sha256}\n")
    );
}

/// Of "bad", by the system's own tool.
fn bad_sha256() -> String {
    let output = std::process::Command::new("sh").args(["-c", "printf bad | sha256sum"]).output().unwrap();
    String::from_utf8(output.stdout).unwrap().split(' ').next().unwrap().to_owned()
}

#[test]
fn a_taken_name_gets_a_number_and_nothing_is_overwritten() {
    let bench = Bench::new();
    let spool = bench.open();
    for i in 0..40 {
        spool.reject(&[rejection("a.toml", format!("{i}").as_bytes(), "no")]).unwrap();
    }
    let batch: Vec<Vec<u8>> = (40..60).map(|i| format!("{i}").into_bytes()).collect();
    let rejections: Vec<_> = batch.iter().map(|bytes| rejection("a.toml", bytes, "no")).collect();
    spool.reject(&rejections).unwrap();
    let files = bench.files("rejected");
    assert_eq!(files.len(), 120);
    for i in 0..60 {
        let name = if i == 0 { "a.toml".to_owned() } else { format!("a-{}.toml", i + 1) };
        assert_eq!(files[&name], format!("{i}").into_bytes());
        assert!(files.contains_key(&format!("{name}.reason.txt")));
    }
}

#[test]
fn names_that_look_like_another_rejections_parts_harm_neither() {
    let bench = Bench::new();
    let spool = bench.open();
    for name in ["a.reason.txt", "a", "a-2", "a-2.reason.txt", "a.reason.txt.reason.txt"] {
        spool.reject(&[rejection(name, name.as_bytes(), name)]).unwrap();
    }
    let contents: Vec<Vec<u8>> = bench.files("rejected").into_values().collect();
    for name in ["a.reason.txt", "a", "a-2", "a-2.reason.txt", "a.reason.txt.reason.txt"] {
        assert!(contents.iter().any(|c| c == name.as_bytes()), "{name} was overwritten");
        assert!(contents.iter().any(|c| c.starts_with(format!("{name}\n\n").as_bytes())), "{name}'s reason");
    }
    assert_eq!(contents.len(), 10);
}

#[test]
fn the_same_rejection_again_is_the_same_files() {
    let bench = Bench::new();
    let spool = bench.open();
    let (one, two) = (rejection("a", b"1", "no"), rejection("a", b"2", "no"));
    let first = spool.reject(&[one, two]).unwrap();
    assert!(first.iter().all(|r| !r.repeated));
    let again = spool.reject(&[one, two]).unwrap();
    assert!(again.iter().all(|r| r.repeated));
    assert_eq!(first.iter().map(|r| &r.path).collect::<Vec<_>>(), again.iter().map(|r| &r.path).collect::<Vec<_>>());
    // Another reason for the same bytes is another rejection.
    assert!(!spool.reject(&[rejection("a", b"1", "never")]).unwrap()[0].repeated);
    assert_eq!(bench.files("rejected").len(), 6);
}

#[test]
fn outcomes_lie_where_their_source_can_read_them_and_nobody_else() {
    let bench = Bench::new();
    drop(bench.open());
    chown(bench.incoming("uin"), None, Some(NOBODY)).unwrap();
    let spool = bench.open();
    spool.write_outcomes(&[(key("B-12/Un.03/2026", 1), b"{}".to_vec())]).unwrap();
    let dir = bench.root().join("outcome/uin");
    let file = dir.join("uin-malang-email/B-12%2FUn.03%2F2026@1.json");
    assert_eq!(fs::read(&file).unwrap(), b"{}");
    for (path, mode) in [(dir.clone(), 0o2750), (dir.join("uin-malang-email"), 0o2750), (file, 0o640)] {
        let found = fs::metadata(&path).unwrap();
        assert_eq!((found.mode() & 0o7777, found.gid()), (mode, NOBODY), "{}", path.display());
    }
    assert_ne!(fs::metadata(bench.root().join("outcome/local")).unwrap().gid(), NOBODY);
}

#[test]
fn an_outcome_is_replaced_whole_and_a_big_batch_leaves_no_temporaries() {
    let bench = Bench::new();
    let spool = bench.open();
    let batch = |text: &str| -> Vec<_> {
        (0..300).map(|i| (key(&format!("T-{i}"), 1), format!("{text} {i}").into_bytes())).collect()
    };
    spool.write_outcomes(&batch("the first and longer text of")).unwrap();
    spool.write_outcomes(&batch("second")).unwrap();
    let files = bench.files("outcome");
    assert_eq!(files.len(), 300);
    for i in 0..300 {
        assert_eq!(files[&format!("uin/uin-malang-email/T-{i}@1.json")], format!("second {i}").into_bytes());
    }
}

#[test]
fn no_id_leads_out_of_its_directory_or_meets_another() {
    let bench = Bench::new();
    let spool = bench.open();
    let long = "x".repeat(5000);
    let ids = [
        "../../../etc/passwd",
        ".",
        "..",
        "/",
        "a/../b",
        "",
        "a@1",
        "a",
        "%2E",
        "+",
        "\0",
        "a\nb",
        ".stage",
        &long,
        "ü/ü",
    ];
    let mut outcomes = Vec::new();
    for (i, id) in ids.iter().enumerate() {
        let request = RequestKey { procedure: (*id).into(), id: (*id).into(), revision: 1 };
        outcomes.push((OutcomeKey { source: "uin".into(), request }, format!("{i}").into_bytes()));
    }
    let two = RequestKey { procedure: "p".into(), id: "a@1".into(), revision: 2 };
    let other = RequestKey { procedure: "p".into(), id: "a".into(), revision: 2 };
    for request in [two, other] {
        outcomes.push((OutcomeKey { source: "..".into(), request: request.clone() }, request.id.into_bytes()));
    }
    spool.write_outcomes(&outcomes).unwrap();
    let files = bench.files("outcome");
    assert_eq!(files.len(), outcomes.len(), "{:?}", files.keys());
    for (key, document) in &outcomes {
        assert_eq!(&fs::read(bench.root().join(key.path())).unwrap(), document);
        assert_eq!(key.path().components().count(), 4);
    }
    assert_eq!(bench.dir.path().read_dir().unwrap().count(), 1, "something was written beside the spool");
}
