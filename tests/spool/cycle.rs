//! From drop to evidence and gone.

use crate::bench::*;
use akund::intake::spool::{Arrivals, Parted, Spool, Taken};
use akund::model::hex::hex;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

#[tokio::test]
async fn a_file_renamed_into_place_is_taken_kept_and_let_go() {
    let bench = Bench::new();
    let spool = bench.open();
    let mut arrivals = Arrivals::new(spool.clone());
    begin(&bench, &mut arrivals).await;
    let path = bench.drop_file("uin/a.toml", "akund = 1\n");
    let dropped = good(take(&spool, &next_one(&mut arrivals).await));
    assert_eq!((dropped.source.as_str(), dropped.name.as_str(), &dropped.path), ("uin", "a.toml", &path));
    assert_eq!(dropped.bytes, b"akund = 1\n");
    assert_eq!(dropped.owner, 0);
    assert!(dropped.signature.is_none());

    let kept = spool.keep_evidence(&[&dropped]).unwrap();
    let month = dropped.received.strftime("%Y-%m").to_string();
    assert_eq!(kept[0].to_str().unwrap(), format!("accepted/{month}/{}-a.toml", hex(&dropped.sha256)));
    let evidence = bench.root().join(&kept[0]);
    assert_eq!(fs::read(&evidence).unwrap(), b"akund = 1\n");
    assert_eq!(fs::metadata(&evidence).unwrap().permissions().mode() & 0o777, 0o440);
    assert!(path.exists(), "nothing is let go before it is acknowledged");

    assert_eq!(spool.acknowledge(&[&dropped.seen]).unwrap(), [Parted::Removed]);
    assert!(!path.exists());
    assert_eq!(spool.acknowledge(&[&dropped.seen]).unwrap(), [Parted::Gone]);
    assert_eq!(bench.files(".leaving").len() + bench.files("incoming").len(), 0);
    wait_until("it is unlinked", || bench.root().join(".gone").read_dir().unwrap().next().is_none());
}

#[test]
fn evidence_kept_twice_is_one_file_and_a_copy_that_was_tampered_with_is_replaced() {
    let bench = Bench::new();
    let spool = bench.open();
    bench.drop_file("a.toml", "x");
    let dropped = good(take(&spool, &only(&spool)));
    let first = spool.keep_evidence(&[&dropped]).unwrap();
    assert_eq!(spool.keep_evidence(&[&dropped]).unwrap(), first);
    let evidence = bench.root().join(&first[0]);
    fs::set_permissions(&evidence, fs::Permissions::from_mode(0o600)).unwrap();
    fs::write(&evidence, "y").unwrap();
    spool.keep_evidence(&[&dropped]).unwrap();
    assert_eq!(fs::read(&evidence).unwrap(), b"x");
    assert_eq!(bench.files("accepted").len(), 1);
}

#[test]
fn bytes_that_were_taken_out_are_not_kept_as_evidence() {
    let bench = Bench::new();
    let spool = bench.open();
    bench.drop_file("a.toml", "x");
    let mut dropped = good(take(&spool, &only(&spool)));
    dropped.bytes.clear();
    assert_eq!(spool.keep_evidence(&[&dropped]).unwrap_err().kind(), io::ErrorKind::InvalidInput);
}

#[test]
fn the_directory_is_the_source() {
    let bench = Bench::new();
    let spool = bench.open();
    bench.drop_file("a.toml", "local");
    bench.drop_file("uin/a.toml", "uin");
    let mut found: Vec<_> =
        spool.scan().unwrap().iter().map(|c| good(take(&spool, c))).map(|d| (d.source, d.bytes)).collect();
    found.sort();
    assert_eq!(found, [("local".into(), b"local".to_vec()), ("uin".into(), b"uin".to_vec())]);
}

#[tokio::test]
async fn what_changes_after_it_was_read_stays_and_is_taken_anew() {
    let bench = Bench::new();
    let spool = bench.open();
    let mut arrivals = Arrivals::new(spool.clone());
    type Change = fn(&Bench);
    let changes: [(&str, Change); 3] = [
        ("appended", |b| File::options().append(true).open(b.incoming("a")).unwrap().write_all(b"!").unwrap()),
        ("replaced", |b| drop(b.drop_file("a", "new!"))),
        // As many bytes, and the old time put back: only the time of change tells.
        ("disguised", |b| {
            let time = fs::metadata(b.incoming("a")).unwrap().modified().unwrap();
            let mut file = File::options().write(true).open(b.incoming("a")).unwrap();
            file.write_all(b"new").unwrap();
            file.set_modified(time).unwrap();
        }),
    ];
    for (what, change) in changes {
        bench.drop_file("a", "old");
        let dropped = good(take(&spool, &next_one(&mut arrivals).await));
        assert_eq!(dropped.bytes, b"old");
        change(&bench);
        assert_eq!(spool.acknowledge(&[&dropped.seen]).unwrap(), [Parted::Changed], "{what}");
        drop(dropped);
        let again = good(take(&spool, &next_one(&mut arrivals).await));
        assert_eq!(again.bytes, fs::read(bench.incoming("a")).unwrap());
        assert_ne!(again.bytes, b"old", "{what}");
        assert_eq!(spool.acknowledge(&[&again.seen]).unwrap(), [Parted::Removed], "{what}");
    }
}

#[tokio::test]
async fn a_file_in_hand_is_not_offered_and_one_given_up_is_found_by_the_rescan() {
    let mut bench = Bench::new();
    bench.config.rescan_seconds = 1;
    let spool = bench.open();
    let mut arrivals = Arrivals::new(spool.clone());
    bench.drop_file("a", "x");
    let candidate = next_one(&mut arrivals).await;
    let dropped = good(take(&spool, &candidate));
    drop(candidate);
    assert!(spool.scan().unwrap().is_empty());
    let long = Duration::from_millis(2500);
    assert!(tokio::time::timeout(long, arrivals.next()).await.is_err(), "offered while in hand");
    drop(dropped);
    assert_eq!(next_one(&mut arrivals).await.name(), "a");
}

/// Stops the writer also when the test fails.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn a_file_that_grows_while_it_is_read_is_left_for_later_and_never_let_go_of() {
    let mut bench = Bench::new();
    bench.config.max_bytes = u64::MAX;
    let spool = bench.open();
    let path = bench.incoming("growing");
    fs::write(&path, vec![b'x'; 2_000_000]).unwrap();
    let stop = AtomicBool::new(false);
    let (mut later, mut as_it_stood) = (0, 0);
    std::thread::scope(|scope| {
        let _stop = Stop(&stop);
        scope.spawn(|| {
            let mut file = File::options().append(true).open(&path).unwrap();
            while !stop.load(Ordering::Relaxed) {
                file.write_all(b"y").unwrap();
                std::thread::sleep(Duration::from_micros(500));
            }
        });
        wait_until("both have been seen", || {
            match take(&spool, &only(&spool)) {
                Taken::Later => later += 1,
                Taken::File(dropped) => {
                    as_it_stood += 1;
                    assert_eq!(dropped.bytes.len() as u64, dropped.seen.identity().size);
                    wait_until("it has grown", || fs::metadata(&path).unwrap().len() > dropped.bytes.len() as u64);
                    assert_eq!(spool.acknowledge(&[&dropped.seen]).unwrap(), [Parted::Changed]);
                }
                other => panic!("{other:?}"),
            }
            later > 2 && as_it_stood > 2
        });
    });
    assert!(path.exists());
}

#[test]
fn what_a_crash_left_is_cleaned_up_or_put_back() {
    let bench = Bench::new();
    drop(bench.open());
    let root = bench.root();
    for stage in ["accepted", "rejected", "outcome/uin", "outcome/local"] {
        fs::write(root.join(stage).join(".stage/17"), "half").unwrap();
    }
    fs::write(root.join(".gone/17"), "acknowledged").unwrap();
    fs::write(root.join(".leaving/uin/a.toml"), "older").unwrap();
    fs::write(root.join(".leaving/uin/b.toml"), "b").unwrap();
    bench.drop_file("uin/a.toml", "newer");
    let spool = bench.open();
    assert_eq!(bench.files("accepted").len() + bench.files("rejected").len() + bench.files("outcome").len(), 0);
    assert_eq!(bench.files(".leaving").len(), 0);
    wait_until("the acknowledged file is unlinked", || !root.join(".gone/17").exists());
    let found = bench.files("incoming/uin");
    assert_eq!(found.keys().collect::<Vec<_>>(), ["a-2.toml", "a.toml", "b.toml"]);
    assert_eq!((found["a.toml"].as_slice(), found["a-2.toml"].as_slice()), (&b"newer"[..], &b"older"[..]));
    assert_eq!(spool.scan().unwrap().len(), 3);
}

#[test]
fn a_spool_belongs_to_one_process_at_a_time() {
    let bench = Bench::new();
    let spool = bench.open();
    let error = Spool::open(&bench.config, &bench.sources).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
    assert!(error.to_string().contains("in use by another akund process"), "{error}");
    drop(spool);
    bench.open();
}

#[test]
fn nonsense_in_the_configuration_is_refused_in_sentences_all_at_once() {
    let mut bench = Bench::new();
    bench.config.max_bytes = 0;
    bench.config.rescan_seconds = 0;
    let owned_by_nobody_known = {
        let mut s = source("a");
        s.owners = vec!["no-such-user-here".into(), "0".into()];
        s
    };
    let unsigned = {
        let mut s = source("b");
        s.signature = akund::config::source::SignatureRule::Required;
        s
    };
    let signers_missing = {
        let mut s = unsigned.clone();
        s.name = "c".into();
        s.allowed_signers = Some("/no/such/file".into());
        s
    };
    bench.sources = vec![source("../x"), source(""), source("Uin"), source("uin"), source("uin")];
    bench.sources.extend([owned_by_nobody_known, unsigned, signers_missing]);
    let error = Spool::open(&bench.config, &bench.sources).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
    let text = error.to_string();
    for expected in [
        "spool.max_bytes is 0",
        "spool.rescan_seconds is 0",
        "source name `../x` is not allowed",
        "source name `` is not allowed",
        "source name `Uin` is not allowed",
        "source `uin` is configured twice",
        "source `a`: owner `no-such-user-here` is no user of this system",
        "source `b` requires signatures but names no file",
        "source `c`: cannot read the allowed signers /no/such/file",
    ] {
        assert!(text.contains(expected), "{expected}\n is not in\n{text}");
    }
    assert!(!bench.root().exists(), "nothing is made for a bad configuration");
}

#[test]
fn directories_have_the_modes_that_keep_sources_apart() {
    let bench = Bench::new();
    bench.open();
    for (dir, mode) in [
        ("incoming", 0o2771),
        ("incoming/uin", 0o2770),
        ("accepted", 0o750),
        ("rejected", 0o750),
        ("outcome", 0o751),
        ("outcome/uin", 0o2750),
        (".leaving/uin", 0o700),
    ] {
        assert_eq!(fs::metadata(bench.root().join(dir)).unwrap().mode() & 0o7777, mode, "{dir}");
    }
    let mut alone = Bench::new();
    alone.sources.clear();
    alone.open();
    assert_eq!(fs::metadata(alone.root().join("incoming")).unwrap().mode() & 0o7777, 0o2770);
}

#[test]
fn a_directory_that_everybody_can_write_to_or_that_is_a_link_is_refused() {
    let bench = Bench::new();
    drop(bench.open());
    let dir = bench.incoming("uin");
    fs::set_permissions(&dir, fs::Permissions::from_mode(0o2777)).unwrap();
    let error = Spool::open(&bench.config, &bench.sources).unwrap_err();
    assert!(error.to_string().contains("can be written by everybody"), "{error}");
    fs::remove_dir(&dir).unwrap();
    let elsewhere = bench.dir.path().join("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    symlink(&elsewhere, &dir).unwrap();
    let error = Spool::open(&bench.config, &bench.sources).unwrap_err();
    assert!(error.to_string().contains("is a link or a file; expected a directory"), "{error}");
}
