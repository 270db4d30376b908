use super::super::store::Store as Wrapped;
use super::*;
use tempfile::TempDir;

const SCHEMA: Schema = Schema {
    version: 1,
    versions: "t_schema",
    scripts: "",
    missing: "",
    writes: &[("t", "name")],
    readers: (&[], ""),
    ddl: |_| "CREATE TABLE IF NOT EXISTS t (name TEXT PRIMARY KEY, filler BLOB CHECK (length(filler) <> 1));",
    probes: &["SELECT name, filler FROM t"],
};

fn store(dir: &TempDir) -> Wrapped {
    Wrapped::File(Store::new("test", &dir.path().join("t.db"), 0o600, SCHEMA))
}

/// Writes rows of a name and a size.
fn write(store: &Wrapped, batch: &[(&str, i64)]) -> Vec<Result<(), Fault>> {
    store.write_batch("writing rows", batch, &|db, batch| {
        for (name, size) in batch {
            db.run("INSERT INTO t VALUES (?, zeroblob(?))", &[(*name).into(), (*size).into()])?;
        }
        Ok(batch.iter().map(|_| Ok(())).collect())
    })
}

fn file(store: &Wrapped) -> &Store {
    match store {
        Wrapped::File(file) => file,
        Wrapped::Server(_) => panic!("no file"),
    }
}

fn names(store: &Wrapped) -> Vec<String> {
    let db = file(store).reader().unwrap();
    let mut query = db.prepare("SELECT name FROM t ORDER BY name").unwrap();
    query.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap()
}

fn pragma(store: &Wrapped, sql: &str) {
    file(store).with_writer(|db| Ok(db.execute_batch(sql)?)).unwrap();
}

#[test]
fn one_bad_entry_is_taken_back_alone_and_its_class_tells_why() {
    let dir = TempDir::new().unwrap();
    let store = store(&dir);
    let answers = write(&store, &[("a", 10), ("a", 10), ("b", 1), ("c", 10)]);
    let classes: Vec<_> = answers.iter().map(|a| a.as_ref().err().map(|f| f.class)).collect();
    assert_eq!(classes, [None, Some(FaultClass::Conflict), Some(FaultClass::Permanent), None]);
    assert_eq!(names(&store), ["a", "c"]);
}

#[test]
fn a_full_disk_takes_the_whole_batch_back_and_passes_when_there_is_room() {
    let dir = TempDir::new().unwrap();
    let store = store(&dir);
    assert!(write(&store, &[("first", 10)]).iter().all(Result::is_ok));
    pragma(&store, "PRAGMA max_page_count = 20");
    let batch = [("a", 10), ("big", 1_000_000), ("c", 10)];
    for answer in write(&store, &batch) {
        let fault = answer.unwrap_err();
        assert_eq!(fault.class, FaultClass::Transient);
        assert!(fault.message.contains("the disk is full"), "{fault}");
    }
    assert_eq!(names(&store), ["first"]);
    pragma(&store, "PRAGMA max_page_count = 100000");
    assert!(write(&store, &batch).iter().all(Result::is_ok));
    assert_eq!(names(&store), ["a", "big", "c", "first"]);
}

#[test]
fn a_read_only_connection_is_transient_and_says_so() {
    let dir = TempDir::new().unwrap();
    let store = store(&dir);
    pragma(&store, "PRAGMA query_only = 1");
    let refused = file(&store)
        .with_writer(|_| Ok(()))
        .and_then(|()| file(&store).with_writer(|db| Ok(db.execute("INSERT INTO t VALUES ('x', x'')", [])?)));
    let fault = file(&store).explain("writing", refused.unwrap_err());
    assert_eq!(fault.class, FaultClass::Transient);
    assert!(fault.message.contains("cannot be written"), "{fault}");
    // The connection is opened anew, and writes.
    assert!(write(&store, &[("a", 10)]).iter().all(Result::is_ok));
}

#[test]
fn work_that_panics_in_mid_transaction_leaves_nothing_behind() {
    let dir = TempDir::new().unwrap();
    let store = store(&dir);
    assert!(write(&store, &[("first", 10)]).iter().all(Result::is_ok));
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        store.write_batch("writing rows", &["x", "y"], &|db, batch| {
            db.run("INSERT INTO t VALUES (?, x'')", &[batch[0].into()])?;
            assert_ne!(batch.len(), 2, "this panic is part of the test");
            Ok(vec![Ok(())])
        })
    }));
    assert!(panicked.is_err());
    assert_eq!(names(&store), ["first"]);
    assert!(write(&store, &[("x", 10)]).iter().all(Result::is_ok));
}

#[test]
fn the_connection_keeps_wal_and_shm_and_syncs_fully() {
    let dir = TempDir::new().unwrap();
    let store = store(&dir);
    let settings = file(&store)
        .with_writer(|db| {
            let mode: String = db.query_row("PRAGMA journal_mode", [], |r| r.get(0))?;
            let sync: i64 = db.query_row("PRAGMA synchronous", [], |r| r.get(0))?;
            Ok((mode, sync))
        })
        .unwrap();
    assert_eq!(settings, ("wal".into(), 2));
    assert!(write(&store, &[("a", 100_000)]).iter().all(Result::is_ok));
    drop(store);
    assert!(beside(&dir.path().join("t.db"), "-shm").exists());
    let wal = fs::metadata(beside(&dir.path().join("t.db"), "-wal")).unwrap();
    assert_eq!(wal.len(), 0, "it stays, and is emptied into the database by a clean close");
}

#[test]
fn a_mode_is_octal_and_gives_write_permission_to_nobody_else() {
    for (text, bits) in [("0600", 0o600), ("0640", 0o640), ("644", 0o644), ("0604", 0o604)] {
        assert_eq!(parse_mode(text), Ok(bits));
    }
    for bad in ["", "abc", "8", "0644 ", "0664", "0646", "0744", "0400", "2640", "+640x"] {
        assert!(parse_mode(bad).is_err(), "{bad}");
    }
}
