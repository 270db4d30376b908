//! What is offered, when.

use crate::bench::*;
use akund::intake::spool::{Arrivals, Parted, Taken};
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::Write;
use std::time::Duration;

#[tokio::test]
async fn what_lies_there_at_the_start_is_found() {
    let bench = Bench::new();
    let spool = bench.open();
    bench.drop_file("a", "x");
    bench.drop_file("uin/b", "x");
    let mut arrivals = Arrivals::new(spool.clone());
    let mut found = BTreeSet::new();
    while found.len() < 2 {
        found.extend(next(&mut arrivals).await.iter().map(|c| good(take(&spool, c)).name));
    }
    assert_eq!(found.into_iter().collect::<Vec<_>>(), ["a", "b"]);
}

/// A daemon that has said READY must not keep the first request waiting.
#[tokio::test]
async fn what_is_renamed_into_place_before_the_first_look_need_not_settle() {
    let mut bench = Bench::new();
    bench.config.settle_ms = 3_600_000;
    let spool = bench.open();
    let mut arrivals = Arrivals::new(spool.clone());
    bench.drop_file("uin/a", "x");
    assert_eq!(good(take(&spool, &next_one(&mut arrivals).await)).name, "a");
}

#[tokio::test]
async fn a_slow_writer_is_waited_for_however_long_it_pauses() {
    let bench = Bench::new();
    let spool = bench.open();
    let mut arrivals = Arrivals::new(spool.clone());
    begin(&bench, &mut arrivals).await;
    let mut file = File::create(bench.incoming("slow.csv")).unwrap();
    for row in 0..4 {
        writeln!(file, "row {row}").unwrap();
        // Many settling times.
        let pause = Duration::from_millis(bench.config.settle_ms * 5);
        assert!(tokio::time::timeout(pause, arrivals.next()).await.is_err(), "taken while it was being written");
    }
    drop(file);
    assert_eq!(good(take(&spool, &next_one(&mut arrivals).await)).bytes, b"row 0\nrow 1\nrow 2\nrow 3\n");
}

#[tokio::test]
async fn a_file_appended_to_by_one_command_after_the_other_is_taken_whole() {
    let mut bench = Bench::new();
    bench.config.settle_ms = 5000;
    let spool = bench.open();
    let mut arrivals = Arrivals::new(spool.clone());
    begin(&bench, &mut arrivals).await;
    let path = bench.incoming("a.csv");
    let script = format!("for i in 1 2 3 4 5 6 7 8 9; do echo $i >> {}; sleep 0.02; done", path.display());
    let writer = std::thread::spawn(move || std::process::Command::new("sh").args(["-c", &script]).status().unwrap());
    let dropped = good(take(&spool, &next_one(&mut arrivals).await));
    assert_eq!(dropped.bytes, b"1\n2\n3\n4\n5\n6\n7\n8\n9\n");
    assert!(writer.join().unwrap().success());
}

/// Every file is offered, taken and let go once, though inotify's queue holds far fewer events than came; rescans are an hour apart.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_files_than_inotify_can_tell_of_are_all_taken() {
    let bench = Bench::new();
    let spool = bench.open();
    let mut arrivals = Arrivals::new(spool.clone());
    begin(&bench, &mut arrivals).await;
    let queue: usize = fs::read_to_string("/proc/sys/fs/inotify/max_queued_events").unwrap().trim().parse().unwrap();
    // At least two events each: made, and closed.
    let files = (queue / 2 + 1000).max(10_000);
    for i in 0..files {
        fs::write(bench.incoming(&format!("uin/{i}")), format!("{i}")).unwrap();
    }
    let mut taken = BTreeSet::new();
    while taken.len() < files {
        let offered = next(&mut arrivals).await;
        assert!(offered.len() <= 256);
        let batch: Vec<_> = offered.iter().map(|c| good(take(&spool, c))).collect();
        for dropped in &batch {
            assert_eq!(dropped.bytes, dropped.name.as_bytes());
            assert!(taken.insert(dropped.name.clone()), "{} was offered twice", dropped.name);
        }
        let parted = spool.acknowledge(&batch.iter().map(|d| &d.seen).collect::<Vec<_>>()).unwrap();
        assert!(parted.iter().all(|p| *p == Parted::Removed));
    }
    assert!(bench.files("incoming").is_empty());
    quiet(&mut arrivals).await;
}

#[tokio::test]
async fn a_huge_file_does_not_hold_up_small_ones() {
    let mut bench = Bench::new();
    bench.config.max_bytes = 64 * 1024 * 1024;
    let spool = bench.open();
    bench.drop_file("a-huge.csv", vec![b'x'; 40 * 1024 * 1024]);
    for i in 0..300 {
        bench.drop_file(&format!("{i}"), "x");
    }
    bench.drop_file("uin/urgent", "x");
    // Old enough to be ready when found.
    std::thread::sleep(Duration::from_millis(bench.config.settle_ms + 50));
    let mut arrivals = Arrivals::new(spool.clone());
    let first = next(&mut arrivals).await;
    assert_eq!(first.len(), 256);
    assert!(first.iter().any(|c| c.name() == "urgent"));
    let second = next(&mut arrivals).await;
    assert_eq!(second.len(), 45);
    assert!(first.iter().chain(&second).all(|c| c.name() != "a-huge.csv"));
    assert_eq!(next_one(&mut arrivals).await.name(), "a-huge.csv");
}

#[tokio::test]
async fn a_sources_directory_made_anew_is_watched_again() {
    let bench = Bench::new();
    let spool = bench.open();
    let mut arrivals = Arrivals::new(spool.clone());
    begin(&bench, &mut arrivals).await;
    let away = bench.dir.path().join("away");
    fs::rename(bench.incoming("uin"), &away).unwrap();
    until(&mut arrivals, "the loss is noticed", || !spool.troubles().is_empty()).await;
    assert!(spool.troubles()[0].contains("source `uin`: cannot open the directory"), "{:?}", spool.troubles());
    fs::create_dir(bench.incoming("uin")).unwrap();
    until(&mut arrivals, "the new directory is watched", || spool.troubles().is_empty()).await;
    bench.drop_file("uin/a", "x");
    let dropped = good(take(&spool, &next_one(&mut arrivals).await));
    assert_eq!((dropped.source.as_str(), dropped.name.as_str()), ("uin", "a"));
    fs::write(away.join("b"), "x").unwrap();
    quiet(&mut arrivals).await;
}

#[tokio::test]
async fn a_file_taken_back_in_time_is_gone_without_a_trace() {
    let bench = Bench::new();
    let spool = bench.open();
    let mut arrivals = Arrivals::new(spool.clone());
    bench.drop_file("a", "x");
    let candidate = next_one(&mut arrivals).await;
    fs::remove_file(bench.incoming("a")).unwrap();
    assert!(matches!(take(&spool, &candidate), Taken::Gone));
}

#[tokio::test]
async fn a_future_that_is_dropped_loses_nothing() {
    let bench = Bench::new();
    let spool = bench.open();
    let mut arrivals = Arrivals::new(spool.clone());
    for i in 0..50 {
        bench.drop_file(&format!("{i}"), "x");
    }
    let mut names = BTreeSet::new();
    let start = std::time::Instant::now();
    while names.len() < 50 {
        assert!(start.elapsed() < PATIENCE);
        let Ok(offered) = tokio::time::timeout(Duration::from_micros(200), arrivals.next()).await else { continue };
        for candidate in offered {
            let dropped = good(take(&spool, &candidate));
            spool.acknowledge(&[&dropped.seen]).unwrap();
            assert!(names.insert(dropped.name));
        }
    }
}
