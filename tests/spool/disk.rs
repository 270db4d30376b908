//! A disk that is full.

use crate::bench::*;
use akund::durable::{DiskTrouble, disk_trouble};
use akund::intake::spool::{OutcomeKey, Parted, Spool};
use akund::model::RequestKey;
use std::fs;

#[test]
fn a_full_disk_is_told_and_nothing_is_lost() {
    let dir = tempfile::tempdir().unwrap();
    let mount = format!("mount -t tmpfs -o size=400k,mode=755 akund-test {} && exec \"$@\"", dir.path().display());
    let wrapper = ["unshare", "-m", "sh", "-c", &mount, "sh"];
    let output = child(&wrapper, "disk::child_fills_its_disk", dir.path()).output().unwrap();
    assert_passed(&output);
}

#[test]
#[ignore = "run by a_full_disk_is_told_and_nothing_is_lost, on a small file system of its own"]
fn child_fills_its_disk() {
    let mut bench = Bench::new();
    bench.config.path = child_dir().join("spool");
    let spool = bench.open();
    bench.drop_file("a.csv", vec![b'x'; 100_000]);
    let candidate = only(&spool);
    let dropped = good(take(&spool, &candidate));
    let ballast = child_dir().join("ballast");
    let filled = fs::write(&ballast, vec![0; 1_000_000]).unwrap_err();
    assert_eq!(disk_trouble(&filled), Some(DiskTrouble::Full));

    let key =
        OutcomeKey { source: "uin".into(), request: RequestKey { procedure: "p".into(), id: "1".into(), revision: 1 } };
    type Write<'a> = Box<dyn Fn(&Spool) -> std::io::Result<()> + 'a>;
    let writes: [(&str, Write<'_>); 3] = [
        ("accepted", Box::new(|s| s.keep_evidence(&[&dropped]).map(drop))),
        ("rejected", Box::new(|s| s.reject(&[dropped.rejection("no")]).map(drop))),
        ("outcome", Box::new(|s| s.write_outcomes(&[(key.clone(), vec![b'{'; 50_000])]))),
    ];
    for (dir, write) in &writes {
        let error = write(&spool).unwrap_err();
        assert_eq!(disk_trouble(&error), Some(DiskTrouble::Full), "{error}");
        assert!(error.to_string().contains(bench.root().to_str().unwrap()), "{error}");
        assert!(bench.files(dir).values().all(Vec::is_empty), "{dir} holds a half-written file");
    }
    assert_eq!(fs::read(bench.incoming("a.csv")).unwrap().len(), 100_000);

    fs::remove_file(&ballast).unwrap();
    for (dir, write) in &writes {
        write(&spool).unwrap();
        assert!(!bench.files(dir).is_empty());
    }
    assert_eq!(spool.acknowledge(&[&dropped.seen]).unwrap(), [Parted::Removed]);
}
