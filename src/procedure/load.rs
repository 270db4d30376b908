//! Reading a directory of procedure files: the only place in this module that touches the disk.

use super::{Procedure, Report};
use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Largest procedure file, bytes. A page of SOP takes a few kilobytes.
const MAX_BYTES: u64 = 1024 * 1024;

/// Reads every `*.toml` of a directory (not its subdirectories; names that begin with `.` are left out).
///
/// Good files are loaded even where others are bad: each bad one gives a report, and so does a directory that cannot
/// be read or holds no procedure, because "no procedures" is never what somebody meant.
pub fn load_dir(dir: &Path) -> (BTreeMap<String, Arc<Procedure>>, Vec<Report>) {
    let mut procedures = BTreeMap::new();
    let mut reports = Vec::new();
    let files = match procedure_files(dir) {
        Ok(files) => files,
        Err(error) => {
            let message = format!("the directory of procedures cannot be read: {error}");
            return (procedures, vec![Report::unreadable(&dir.display().to_string(), message)]);
        }
    };
    if files.is_empty() {
        let message = "the directory holds no procedure; copy one to NAME.toml";
        reports.push(Report::unreadable(&dir.display().to_string(), message));
    }
    for path in files {
        let shown = path.display().to_string();
        match read(&path) {
            Ok(text) => match Procedure::parse(&shown, &text) {
                Ok(procedure) => drop(procedures.insert(procedure.name().to_owned(), Arc::new(procedure))),
                Err(report) => reports.push(report),
            },
            Err(error) => reports.push(Report::unreadable(&shown, format!("the file cannot be read: {error}"))),
        }
    }
    (procedures, reports)
}

/// In the order of their names, so that reports come in the same order each time.
fn procedure_files(dir: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        let hidden = path.file_name().is_none_or(|n| n.as_encoded_bytes().starts_with(b"."));
        if !hidden && path.extension().is_some_and(|e| e == "toml") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

fn read(path: &Path) -> io::Result<String> {
    // Looked at before opening, so that a fifo cannot hang the start.
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::other("it is not a regular file"));
    }
    let mut text = String::new();
    fs::File::open(path)?.take(MAX_BYTES + 1).read_to_string(&mut text)?;
    if text.len() as u64 > MAX_BYTES {
        return Err(io::Error::other(format!("it is larger than {MAX_BYTES} bytes")));
    }
    Ok(text)
}
