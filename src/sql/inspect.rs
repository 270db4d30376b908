//! `check` of an SQLite database: looks, and changes nothing, so that it may run beside the daemon or without it.

use super::lite::Lite;
use super::sqlite::{Store, beside, schema_version};
use crate::model::Finding;
use nix::unistd::{AccessFlags, Gid, Group, access};
use rusqlite::Connection;
use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// All findings about a database; `readers` says who reads it and what they need.
pub fn inspect(store: &Store, readers: &str) -> Vec<Finding> {
    let path = store.path();
    let meta = match fs::metadata(path) {
        Ok(meta) => meta,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return vec![can_be_made(store)],
        Err(e) => {
            return vec![Err(format!("the database {} cannot be looked at: {e}", path.display()))];
        }
    };
    if let Some(words) = store.made_by_another() {
        return vec![Err(words)];
    }
    let mut findings = vec![writable(store), reachable(path, &meta, readers)];
    match store.reader() {
        Ok(db) => {
            findings.push(whole(store, &db));
            let known = known_schema(store, &db);
            let has_tables = known.is_ok() && schema_version(&db).is_ok_and(|found| found > 0);
            findings.push(known);
            if has_tables && let Ok(Some(said)) = store.schema().without_readers_tables(&mut Lite(&db)) {
                findings.push(Ok(said));
            }
            findings.push(readable_when_stopped(store, &db));
        }
        Err(fault) => findings.push(Err(fault.message)),
    }
    findings
}

fn can_be_made(store: &Store) -> Finding {
    if let Ok(Some(lost)) = store.lost(None) {
        return Err(lost);
    }
    let path = store.path();
    let dir = path.ancestors().skip(1).find(|d| d.is_dir()).unwrap_or(Path::new("."));
    match access(dir, AccessFlags::W_OK | AccessFlags::X_OK) {
        // akund makes directories, too; in a mistyped one its readers find nothing.
        Ok(()) if path.parent() != Some(dir) && path.parent() != Some(Path::new("")) => Ok(format!(
            "there is no directory {}: it and the database {} will be made when akund starts; if that is a slip of the \
             pen, mend `database`",
            path.parent().unwrap_or(path).display(),
            path.display()
        )),
        Ok(()) => Ok(format!("the database {} will be made when akund starts", path.display())),
        Err(e) => Err(format!(
            "the database {} is missing and akund may not make it in {}: {e}",
            path.display(),
            dir.display()
        )),
    }
}

fn writable(store: &Store) -> Finding {
    let path = store.path();
    let dir = path.parent().filter(|d| !d.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let no = |what: &Path, e: nix::Error| {
        Err(format!("akund's user may not write {}: {e}; give it to that user", what.display()))
    };
    if let Err(e) = access(path, AccessFlags::R_OK | AccessFlags::W_OK) {
        return no(path, e);
    }
    if let Err(e) = access(dir, AccessFlags::W_OK | AccessFlags::X_OK) {
        return no(dir, e);
    }
    Ok(format!("akund can write {}", path.display()))
}

/// Says who can read the file, and finds the directory that stands in their way.
pub fn reachable(path: &Path, meta: &Metadata, readers: &str) -> Finding {
    let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let mode = meta.mode() & 0o777;
    let group = group_name(meta.gid());
    if mode & 0o044 == 0 {
        return Err(format!("{} has mode {mode:04o}: nobody but its owner can read it. {readers}", path.display()));
    }
    for dir in path.ancestors().skip(1) {
        let Ok(dir_meta) = fs::metadata(dir) else { continue };
        let by_group = mode & 0o040 != 0 && dir_meta.mode() & 0o010 != 0 && dir_meta.gid() == meta.gid();
        if dir_meta.mode() & 0o001 == 0 && !by_group {
            return Err(format!(
                "readers of {} cannot pass through {} (mode {:04o}, group {}). {readers}",
                path.display(),
                dir.display(),
                dir_meta.mode() & 0o7777,
                group_name(dir_meta.gid())
            ));
        }
    }
    let who = if mode & 0o004 == 0 { format!("group {group}") } else { "every user".into() };
    Ok(format!("{} can be read by {who} (mode {mode:04o}). {readers}", path.display()))
}

fn group_name(gid: u32) -> String {
    Group::from_gid(Gid::from_raw(gid)).ok().flatten().map_or_else(|| gid.to_string(), |g| g.name)
}

fn whole(store: &Store, db: &Connection) -> Finding {
    match db.query_row("PRAGMA quick_check(1)", [], |row| row.get::<_, String>(0)) {
        Ok(text) if text == "ok" => Ok(format!("{} is undamaged", store.path().display())),
        Ok(text) => Err(format!("{} is damaged: {text}", store.path().display())),
        Err(e) => Err(store.explain("checking it for damage", e.into()).message),
    }
}

fn known_schema(store: &Store, db: &Connection) -> Finding {
    let expected = store.schema().version;
    let found = schema_version(db).map_err(|e| store.explain("looking at its tables", e.into()).message)?;
    let lost = store.lost(Some((&mut Lite(db), found)));
    if let Some(lost) = lost.map_err(|trouble| store.explain("looking at its tables", trouble.into()).message)? {
        return Err(lost);
    }
    if found == 0 {
        return Ok(format!("{} gets akund's tables when akund starts", store.path().display()));
    }
    if found > expected {
        return Err(format!(
            "{} was made by a newer akund (schema {found}, this one knows {expected})",
            store.path().display()
        ));
    }
    let looked = store.schema().first_wrong(&mut Lite(db));
    if let Ok(Some(trouble)) | Err(trouble) = looked {
        return Err(store.explain("looking at its tables", trouble.into()).message);
    }
    Ok(format!("{} has the tables of schema {found}", store.path().display()))
}

/// A reader without write permission needs `-wal` and `-shm`, with the same mode.
fn readable_when_stopped(store: &Store, db: &Connection) -> Finding {
    let name = store.path().display();
    let mode: String = db
        .query_row("PRAGMA journal_mode", [], |row| row.get(0))
        .map_err(|e| store.explain("asking for its journal mode", e.into()).message)?;
    if mode != "wal" {
        return Err(format!(
            "{name} is in journal mode {mode}, and its readers fail after a crash; akund sets WAL mode when it starts"
        ));
    }
    let wanted = fs::metadata(store.path()).map(|m| (m.mode() & 0o777, m.gid())).ok();
    for suffix in ["-wal", "-shm"] {
        let file = beside(store.path(), suffix);
        match fs::metadata(&file).map(|m| (m.mode() & 0o777, m.gid())) {
            Ok(found) if Some(found) == wanted => {}
            Ok((mode, gid)) => {
                return Err(format!(
                    "{} has mode {mode:04o} and group {}, other than {name}: give it the same",
                    file.display(),
                    group_name(gid)
                ));
            }
            Err(_) => {
                return Err(format!(
                    "{} is missing, and readers without write permission fail; start akund, which keeps it. \
                     A program that opened {name} as root has deleted it: use `sqlite3 -readonly`",
                    file.display()
                ));
            }
        }
    }
    Ok(format!("{name} stays readable when akund is stopped"))
}
