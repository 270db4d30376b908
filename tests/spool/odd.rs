//! Things that are no records.

use crate::bench::*;
use akund::intake::spool::{Arrivals, Bad, Parted, Rejected, Spool};
use std::ffi::OsString;
use std::fs::{self, File};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::os::unix::net::UnixListener;
use std::path::Path;

/// What the caller does with every [`Bad`].
fn dispose(spool: &Spool, bad: &Bad) -> (Rejected, Parted) {
    let rejected = spool.reject(&[bad.rejection()]).unwrap().remove(0);
    let parted = spool.acknowledge(&[&bad.seen]).unwrap()[0];
    (rejected, parted)
}

fn reason(bench: &Bench, name: &str) -> String {
    fs::read_to_string(bench.root().join("rejected").join(format!("{name}.reason.txt"))).unwrap()
}

fn fifo(path: &Path) {
    nix::unistd::mkfifo(path, nix::sys::stat::Mode::from_bits_truncate(0o666)).unwrap();
}

#[tokio::test]
async fn links_fifos_and_sockets_are_removed_with_a_reason_and_never_followed() {
    let bench = Bench::new();
    let spool = bench.open();
    let mut arrivals = Arrivals::new(spool.clone());
    let target = bench.dir.path().join("target");
    fs::write(&target, "precious").unwrap();
    type Make = fn(&Path, &Path);
    let things: [(&str, &str, Make); 6] = [
        ("link", "is a symbolic link", |path, target| symlink(target, path).unwrap()),
        ("dangling", "is a symbolic link", |path, _| symlink("/no/such/file", path).unwrap()),
        ("loop", "is a symbolic link", |path, _| symlink("loop", path).unwrap()),
        ("hard", "has 2 hard links", |path, target| fs::hard_link(target, path).unwrap()),
        ("fifo", "is a fifo", |path, _| fifo(path)),
        ("socket", "is a socket", |path, _| drop(UnixListener::bind(path).unwrap())),
    ];
    for (name, why, make) in things {
        make(&bench.incoming(name), &target);
        let bad = bad(take(&spool, &next_one(&mut arrivals).await));
        assert!(bad.reason.contains(why), "{}", bad.reason);
        assert_eq!(bad.bytes, None, "{name}");
        let (rejected, parted) = dispose(&spool, &bad);
        assert_eq!((rejected.path, parted), (None, Parted::Removed), "{name}");
        assert!(
            reason(&bench, name).starts_with(&format!("`{name}` {why}; only regular files with one link are taken."))
        );
        assert!(fs::symlink_metadata(bench.incoming(name)).is_err(), "{name} is still there");
    }
    assert_eq!(fs::read_to_string(&target).unwrap(), "precious");
}

#[tokio::test]
async fn a_file_delivered_by_link_and_unlink_is_taken() {
    let bench = Bench::new();
    let spool = bench.open();
    let mut arrivals = Arrivals::new(spool.clone());
    begin(&bench, &mut arrivals).await;
    fs::write(bench.incoming(".a"), "x").unwrap();
    fs::hard_link(bench.incoming(".a"), bench.incoming("a")).unwrap();
    fs::remove_file(bench.incoming(".a")).unwrap();
    assert_eq!(good(take(&spool, &next_one(&mut arrivals).await)).bytes, b"x");
}

#[tokio::test]
async fn a_directory_and_a_file_too_large_stay_and_are_reported_once_for_all() {
    let bench = Bench::new();
    {
        let spool = bench.open();
        let mut arrivals = Arrivals::new(spool.clone());
        fs::create_dir(bench.incoming("uin/sub")).unwrap();
        File::create(bench.incoming("uin/huge")).unwrap().set_len(bench.config.max_bytes + 1).unwrap();
        let mut seen = Vec::new();
        while seen.len() < 2 {
            for candidate in next(&mut arrivals).await {
                let bad = bad(take(&spool, &candidate));
                let (rejected, parted) = dispose(&spool, &bad);
                assert_eq!((rejected.repeated, parted), (false, Parted::Stays));
                seen.push(bad.name.clone());
            }
        }
        assert!(spool.scan().unwrap().is_empty(), "they are offered again");
        assert!(reason(&bench, "sub").contains("is a directory"));
        assert!(reason(&bench, "huge").contains("larger than the 1048576 bytes"));
        // Touched, it is looked at again, but not reported again.
        fs::set_permissions(bench.incoming("uin/sub"), fs::Permissions::from_mode(0o700)).unwrap();
        let again = take(&spool, &next_one(&mut arrivals).await);
        assert!(matches!(again, akund::intake::spool::Taken::Later), "{again:?}");
    }
    // After a restart they are seen again, and known from what is in rejected/.
    let spool = bench.open();
    for candidate in spool.scan().unwrap() {
        let (rejected, _) = dispose(&spool, &bad(take(&spool, &candidate)));
        assert!(rejected.repeated);
    }
    assert_eq!(bench.files("rejected").len(), 2);
    assert!(bench.incoming("uin/sub").is_dir() && bench.incoming("uin/huge").is_file());
    // Made small enough, it is a file like any other.
    fs::write(bench.incoming("uin/huge"), "small").unwrap();
    assert_eq!(good(take(&spool, &only(&spool))).bytes, b"small");
}

#[test]
fn a_file_at_the_limit_is_taken() {
    let bench = Bench::new();
    let spool = bench.open();
    File::create(bench.incoming("a")).unwrap().set_len(bench.config.max_bytes).unwrap();
    assert_eq!(good(take(&spool, &only(&spool))).bytes.len() as u64, bench.config.max_bytes);
}

#[test]
fn a_file_of_a_stranger_is_rejected_and_one_of_a_named_owner_taken() {
    let mut bench = Bench::new();
    bench.sources[0].owners = vec!["65534".into()];
    let spool = bench.open();
    for (name, owner) in [("uin/a", NOBODY), ("uin/b", 0), ("c", NOBODY), ("d", 0)] {
        chown(bench.drop_file(name, name), Some(owner), None).unwrap();
    }
    let (mut taken, mut refused) = (Vec::new(), Vec::new());
    for candidate in spool.scan().unwrap() {
        match take(&spool, &candidate) {
            akund::intake::spool::Taken::File(dropped) => taken.push((dropped.name, dropped.owner)),
            other => {
                let bad = bad(other);
                assert!(bad.reason.contains("whom source"), "{}", bad.reason);
                let (rejected, parted) = dispose(&spool, &bad);
                assert_eq!(parted, Parted::Removed);
                refused.push(fs::read_to_string(bench.root().join(rejected.path.unwrap())).unwrap());
            }
        }
    }
    taken.sort();
    refused.sort();
    assert_eq!(taken, [("a".to_owned(), NOBODY), ("d".to_owned(), 0)]);
    assert_eq!(refused, ["c", "uin/b"]);
}

#[test]
fn an_unreadable_file_is_reported_once_and_taken_when_it_can_be_read() {
    let dir = tempfile::tempdir().unwrap();
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o777)).unwrap();
    let wrapper = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];
    let mut command = child(&wrapper, "odd::child_meets_an_unreadable_file", dir.path());
    let running = command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped()).spawn().unwrap();
    wait_until("the spool is open", || dir.path().join("open").exists());
    let path = dir.path().join("spool/incoming/secret.toml");
    let temporary = dir.path().join("secret");
    fs::write(&temporary, "content").unwrap();
    fs::set_permissions(&temporary, fs::Permissions::from_mode(0o600)).unwrap();
    fs::rename(&temporary, &path).unwrap();
    wait_until("it is reported", || dir.path().join("reported").exists());
    assert!(path.exists());
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    assert_passed(&running.wait_with_output().unwrap());
    assert!(!path.exists());
}

#[tokio::test]
#[ignore = "run by an_unreadable_file_is_reported_once_and_taken_when_it_can_be_read, as another user"]
async fn child_meets_an_unreadable_file() {
    let dir = child_dir();
    let mut bench = Bench::new();
    bench.config.path = dir.join("spool");
    let spool = bench.open();
    let mut arrivals = Arrivals::new(spool.clone());
    begin(&bench, &mut arrivals).await;
    fs::write(dir.join("open"), "").unwrap();
    let bad = bad(take(&spool, &next_one(&mut arrivals).await));
    assert!(bad.reason.contains("cannot be read by akund"), "{}", bad.reason);
    let (rejected, parted) = dispose(&spool, &bad);
    assert_eq!((rejected.path, parted), (None, Parted::Stays));
    drop(bad);
    assert!(spool.scan().unwrap().is_empty());
    fs::write(dir.join("reported"), "").unwrap();
    let dropped = good(take(&spool, &next_one(&mut arrivals).await));
    assert_eq!(dropped.bytes, b"content");
    assert_eq!(spool.acknowledge(&[&dropped.seen]).unwrap(), [Parted::Removed]);
}

#[test]
fn odd_names_are_taken_and_kept_under_safe_ones() {
    let bench = Bench::new();
    let spool = bench.open();
    let long = "n".repeat(250);
    let long_utf8 = format!("{}.csv", "é".repeat(125));
    let names: Vec<(Vec<u8>, &str)> = vec![
        (b"two\nlines.toml".to_vec(), "two%0Alines.toml"),
        (b"\xff\xfe.toml".to_vec(), "%FF%FE.toml"),
        ("surat tugas é.toml".into(), "surat tugas é.toml"),
        (b"-rf".to_vec(), "-rf"),
        (b"%2e%2e%2fetc".to_vec(), "%2e%2e%2fetc"),
        (b"a\\..\\b".to_vec(), "a\\..\\b"),
        (long.clone().into_bytes(), &long),
        (long_utf8.clone().into_bytes(), &long_utf8),
        (vec![0xff; 255], ""),
    ];
    for (bytes, shown) in names {
        let name = OsString::from_vec(bytes);
        fs::write(bench.root().join("incoming").join(&name), "x").unwrap();
        let dropped = good(take(&spool, &only(&spool)));
        if !shown.is_empty() {
            assert_eq!(dropped.name, shown);
        }
        let kept = spool.keep_evidence(&[&dropped]).unwrap();
        assert_eq!(kept[0].components().count(), 3, "{kept:?}");
        assert_eq!(fs::read(bench.root().join(&kept[0])).unwrap(), b"x");
        let rejected = spool.reject(&[dropped.rejection("why not")]).unwrap().remove(0);
        assert_eq!(fs::read(bench.root().join(rejected.path.unwrap())).unwrap(), b"x");
        assert!(fs::read_to_string(bench.root().join(rejected.reason_path)).unwrap().starts_with("why not\n"));
        assert_eq!(spool.acknowledge(&[&dropped.seen]).unwrap(), [Parted::Removed]);
    }
    let long_ending = bench.files("accepted").into_keys().find(|name| name.ends_with(".csv"));
    assert!(long_ending.is_some(), "a shortened name loses what says its format");
}

#[tokio::test]
async fn names_that_are_no_records_are_left_alone() {
    let bench = Bench::new();
    let spool = bench.open();
    let mut arrivals = Arrivals::new(spool.clone());
    for name in [".hidden", "a.tmp", "a.part", "a.toml~", "a.toml.sig"] {
        fs::write(bench.incoming(name), "x").unwrap();
    }
    quiet(&mut arrivals).await;
    bench.drop_file("z", "x");
    assert_eq!(next_one(&mut arrivals).await.name(), "z");
    assert_eq!(spool.scan().unwrap().len(), 1);
}
