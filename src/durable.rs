//! Files that survive a power cut: temporary name, sync, rename, sync the directory. The only place that does it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Syncs a directory, so that names made or removed in it survive.
pub fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

/// Writes `bytes` to `path` whole or not at all, replacing what was there, and syncs file and directory.
///
/// The temporary name begins with `.`, in the same directory. `mode` is the permission of a new file (octal, before umask).
pub fn replace(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    replace_all(&[(path.to_owned(), bytes)], mode)
}

/// Like [`replace`] for many files: every file is written and synced before the first is renamed, and
/// each directory is synced once. On error some files may have been replaced and others not; none is half-written.
pub fn replace_all<B: AsRef<[u8]>>(files: &[(PathBuf, B)], mode: u32) -> io::Result<()> {
    let mut written = Vec::with_capacity(files.len());
    let result = write_and_rename(files, mode, &mut written);
    if result.is_err() {
        for temporary in &written {
            let _ = fs::remove_file(temporary);
        }
    }
    result
}

fn write_and_rename<B: AsRef<[u8]>>(files: &[(PathBuf, B)], mode: u32, written: &mut Vec<PathBuf>) -> io::Result<()> {
    for (path, bytes) in files {
        let temporary = temporary_name(path)?;
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(mode).open(&temporary)?;
        written.push(temporary);
        file.write_all(bytes.as_ref())?;
        file.sync_all()?;
    }
    let mut dirs: Vec<&Path> = Vec::new();
    for ((path, _), temporary) in files.iter().zip(written.iter()) {
        fs::rename(temporary, path)?;
        if let Some(dir) = path.parent().filter(|d| !dirs.contains(d)) {
            dirs.push(dir);
        }
    }
    dirs.into_iter().try_for_each(sync_dir)
}

/// `.NAME.akund-tmp` beside `path`. Fixed, so that a crash leaves at most one to be overwritten.
fn temporary_name(path: &Path) -> io::Result<PathBuf> {
    let name = path
        .file_name()
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, format!("{} names no file", path.display())))?;
    let mut temporary = std::ffi::OsString::from(".");
    temporary.push(name);
    temporary.push(".akund-tmp");
    Ok(path.with_file_name(temporary))
}

/// Makes a directory and its parents with `mode`, if missing, and syncs the parent.
pub fn make_dir(dir: &Path, mode: u32) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    if dir.is_dir() {
        return Ok(());
    }
    fs::DirBuilder::new().recursive(true).mode(mode).create(dir)?;
    dir.parent().filter(|p| !p.as_os_str().is_empty()).map_or(Ok(()), sync_dir)
}
