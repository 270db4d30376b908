//! A journal, spool or target that cannot be written: work stops, says so, loses nothing, and goes on by itself.

use crate::daemon::disk::Disk;
use crate::daemon::{Daemon, Setup, Site, mailbox, records};
use crate::once::{self, Work};
use std::io::Write;
use std::path::Path;
use std::process::Command;

/// Site and disk; the disk goes last.
fn on_a_disk(part: &str, size: &str, setup: Setup) -> (Site, Disk) {
    let site = Site::with(setup);
    let disk = Disk::mount(site.path(part), size);
    (site, disk)
}

fn impatient() -> Setup {
    Setup { spool_more: "settle_ms = 300\nrescan_seconds = 1", ..Setup::default() }
}

fn is_well(site: &Site, daemon: &Daemon) {
    site.until("it is well again", || daemon.get("/healthz").0 == 200 && daemon.get("/readyz").0 == 200);
}

/// The journal cannot be written: `/healthz` says so, and what is handed in stays where it is.
fn says_that_the_journal_is_unwritable(site: &Site, daemon: &Daemon, cause: &str) {
    site.drop_in("kedua.toml", records::good("KEDUA/1", "kedua"));
    site.until("/healthz answers 503", || daemon.get("/healthz").0 == 503);
    let (_, body) = daemon.get("/healthz");
    assert!(body.contains(cause), "{body}");
    site.until("/readyz answers 503", || daemon.get("/readyz").0 == 503);
    let (_, body) = daemon.get("/readyz");
    assert!(body.contains("the journal cannot be written") || body.contains("cannot be written: "), "{body}");
    assert!(daemon.get("/metrics").1.contains("akund_intake_open 0"));
    assert_eq!(site.incoming(), ["kedua.toml"], "nothing is acknowledged that is not journaled");
}

#[test]
fn a_full_disk_under_the_journal_stops_the_work_until_there_is_room() {
    let (site, disk) = on_a_disk("state", "4m", impatient());
    let daemon = site.start();
    site.drop_in("pertama.toml", records::good("PERTAMA/1", "pertama"));
    site.until_rest(1);
    disk.fill();
    says_that_the_journal_is_unwritable(&site, &daemon, "full");
    let (code, said) = site.told(&["pause", "email"]);
    assert!([74, 75].contains(&code), "an order that cannot be kept is not taken: {code} {said}");
    disk.make_room();
    site.until_rest(2);
    is_well(&site, &daemon);
    assert_eq!(site.state(&records::key("KEDUA/1")), "done");
    daemon.terminate();
    assert_eq!(mailbox::notices(&site).len(), 2);
    assert_eq!(site.told(&["audit", "verify"]).0, 0);
}

#[test]
fn a_disk_that_fills_up_in_the_midst_of_a_bulk_file_loses_nothing() {
    let work = Work::bulk(120);
    let (site, disk) = on_a_disk("state", "24m", Setup { lane: "retry_seconds = 1\nbatch = 8", ..impatient() });
    let daemon = site.start();
    site.drop_in(&work.files[0].0, &work.files[0].1);
    site.until("some requests are done", || site.states().values().filter(|state| *state == "done").count() > 8);
    disk.fill();
    site.until("/healthz answers 503", || daemon.get("/healthz").0 == 503);
    // Killed and started while there is still no room, it does not pretend to be well.
    daemon.kill();
    let status = site.spawn(&[]).ended();
    let code = status.code().unwrap_or(-1);
    assert!([69, 74, 75].contains(&code), "{status}\n{}", site.log());
    let unit = include_str!("../../systemd/akund.service");
    let prevented = unit.lines().find_map(|line| line.strip_prefix("RestartPreventExitStatus=")).unwrap();
    assert!(!prevented.split(' ').any(|status| status == code.to_string()), "systemd starts it again after {code}");
    assert!(unit.lines().any(|line| line == "StartLimitIntervalSec=0"), "and again, however long there is no room");
    disk.make_room();
    let daemon = site.start();
    site.until("some more requests are done", || site.states().values().filter(|state| *state == "done").count() > 40);
    disk.fill();
    site.until("/healthz answers 503", || daemon.get("/healthz").0 == 503);
    disk.make_room();
    site.until_rest(work.requests());
    is_well(&site, &daemon);
    daemon.terminate();
    once::check(&site, &work, &once::kept_heads(&site));
}

/// A file that its file system refuses to have written, also through descriptors that are open already.
struct Immutable<'a>(Vec<&'a Path>);

impl<'a> Immutable<'a> {
    fn make(site: &Site, paths: Vec<&'a Path>) -> Self {
        let probe = site.path("state/probe");
        let mut open = std::fs::File::create(&probe).unwrap();
        let probed = Immutable(vec![&probe]);
        probed.flag("+i");
        assert!(
            open.write_all(b"x").is_err(),
            "the temporary directory is on ext4, xfs or btrfs (TMPDIR), which know chattr +i"
        );
        drop(probed);
        let made = Self(paths);
        made.flag("+i");
        made
    }
    fn flag(&self, flag: &str) {
        let output = Command::new("chattr").arg(flag).args(&self.0).output().expect("e2fsprogs' chattr is installed");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "a file is made read-only by root, on ext4, xfs or btrfs: {said}");
    }
}

impl Drop for Immutable<'_> {
    fn drop(&mut self) {
        self.flag("-i");
    }
}

#[test]
fn a_journal_that_becomes_read_only_stops_the_work_until_it_is_writable_again() {
    let site = Site::with(impatient());
    let daemon = site.start();
    site.drop_in("pertama.toml", records::good("PERTAMA/1", "pertama"));
    site.until_rest(1);
    let wal = site.path("state/journal.db-wal");
    let read_only = Immutable::make(&site, vec![&site.journal, &wal]);
    says_that_the_journal_is_unwritable(&site, &daemon, "I/O error");
    drop(read_only);
    site.until_rest(2);
    is_well(&site, &daemon);
    assert_eq!(site.state(&records::key("KEDUA/1")), "done");
    daemon.terminate();
    assert_eq!(site.told(&["audit", "verify"]).0, 0);
}

#[test]
fn a_daemon_on_a_read_only_disk_does_not_start_and_says_why() {
    let (site, disk) = on_a_disk("state", "8m", Setup::default());
    let daemon = site.start();
    site.drop_in("pertama.toml", records::good("PERTAMA/1", "pertama"));
    site.until_rest(1);
    daemon.terminate();
    disk.remount("ro");
    let mut daemon = site.spawn(&[]);
    assert!(daemon.until_says("journal.db"), "{}", site.log());
    let status = daemon.ended();
    assert_eq!(status.code(), Some(69), "{}", site.log());
    disk.remount("rw");
    site.start().terminate();
    assert_eq!(site.told(&["audit", "verify"]).0, 0);
}

#[test]
fn a_full_spool_stops_intake_and_outcomes_and_nothing_else() {
    let (site, disk) = on_a_disk("spool", "1m", impatient());
    let daemon = site.start();
    // One on its way when the disk fills: its outcome document finds no room.
    assert_eq!(site.told(&["pause", "email"]).0, 0);
    site.drop_in("pertama.toml", records::good("PERTAMA/1", "pertama"));
    site.until("the first is journaled", || site.incoming().is_empty());
    let waiting = site.spool.join("incoming/.kedua");
    std::fs::write(&waiting, records::good("KEDUA/1", "kedua")).unwrap();
    disk.fill();
    std::fs::rename(&waiting, site.spool.join("incoming/kedua.toml")).unwrap();
    site.until("/readyz answers 503", || daemon.get("/readyz").0 == 503);
    let (_, body) = daemon.get("/readyz");
    assert!(body.contains("the spool cannot be written"), "{body}");
    assert_eq!(site.told(&["unpause", "email"]).0, 0);
    site.until("the first is done", || site.state(&records::key("PERTAMA/1")) == "done");
    assert_eq!(daemon.get("/healthz").0, 200, "a full spool is not an unhealthy daemon");
    assert_eq!(site.incoming(), ["kedua.toml"]);
    disk.make_room();
    site.until_rest(2);
    is_well(&site, &daemon);
    assert_eq!(site.outcomes().len(), 2);
    daemon.terminate();
}

#[test]
fn a_full_disk_under_a_target_makes_its_lane_wait() {
    let (site, disk) = on_a_disk("targets/mail", "1m", impatient());
    let daemon = site.start();
    disk.fill();
    site.drop_in("pertama.toml", records::good("PERTAMA/1", "pertama"));
    site.until("its step is tried again", || {
        let listed = site.reader().list(&[], 1).unwrap();
        listed.first().is_some_and(|one| one.fault.is_some())
    });
    assert_eq!(site.state(&records::key("PERTAMA/1")), "working");
    assert_eq!(daemon.get("/healthz").0, 200, "a target that is down is not an unhealthy daemon");
    disk.make_room();
    site.until_rest(1);
    assert_eq!(site.state(&records::key("PERTAMA/1")), "done");
    daemon.terminate();
}

#[test]
fn a_backup_onto_a_full_disk_leaves_nothing_of_itself() {
    let (site, _disk) = on_a_disk("backups", "4m", Setup::default());
    let daemon = site.start();
    let journal = rusqlite::Connection::open(&site.journal).unwrap();
    journal.busy_timeout(std::time::Duration::from_secs(60)).unwrap();
    journal.execute("INSERT INTO meta (key, value) VALUES ('ballast', zeroblob(6000000))", []).unwrap();
    let backups = site.path("backups");
    let file = backups.join("journal.db");
    let (code, said) = site.told(&["journal", "backup", file.to_str().unwrap()]);
    assert_eq!(code, 74, "{said}");
    assert!(said.contains("full"), "{said}");
    assert_eq!(std::fs::read_dir(&backups).unwrap().count(), 0);
    journal.execute("DELETE FROM meta WHERE key = 'ballast'", []).unwrap();
    journal.execute_batch("VACUUM").unwrap();
    drop(journal);
    assert_eq!(site.told(&["journal", "backup", file.to_str().unwrap()]).0, 0);
    daemon.terminate();
}
