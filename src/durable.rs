//! Files that survive a power cut: temporary name, sync, rename, sync the directory. The only place that does it.
//!
//! Errors are [`io::Error`]s that name the file and what was done to it, and keep kind and number:
//! [`disk_trouble`] tells a full or failing disk from everything else.

use crate::model::hex::hex;
use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, RenameFlags, renameat2};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// Longest file name of the file systems that akund runs on, bytes (`NAME_MAX`).
pub const NAME_MAX: usize = 255;

/// From this many files on, one `syncfs` replaces one `fsync` for each. Measured on ext4: 16 files take 3.5 ms with
/// `fsync` and 0.8 ms with `syncfs`; below that, other programs' unwritten data would be the larger share.
const SYNC_WHOLE_FROM: usize = 16;

/// What is wrong with a disk, where an error says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DiskTrouble {
    /// No space, no inodes, or the quota is used up.
    Full,
    /// Mounted read-only, as ext4 does to itself after an error.
    ReadOnly,
    /// The device answers with errors.
    Failing,
}

/// Whether `error` comes from a disk that cannot take more: work must stop and wait, nothing is wrong with the input.
pub fn disk_trouble(error: &io::Error) -> Option<DiskTrouble> {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Some(DiskTrouble::Full),
        io::ErrorKind::ReadOnlyFilesystem => Some(DiskTrouble::ReadOnly),
        _ => (os_code(error) == Some(nix::libc::EIO)).then_some(DiskTrouble::Failing),
    }
}

/// The system's error number, also where [`explain`] has added words.
pub fn os_code(error: &io::Error) -> Option<i32> {
    error.raw_os_error().or_else(|| {
        let explained = error.get_ref()?.downcast_ref::<Explained>()?;
        os_code(&explained.cause)
    })
}

#[derive(Debug, thiserror::Error)]
#[error("cannot {action} {}: {cause}", path.display())]
struct Explained {
    action: &'static str,
    path: PathBuf,
    cause: io::Error,
}

/// For `map_err`: "cannot ACTION PATH: CAUSE", of the same kind and with the same number.
pub fn explain(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> io::Error {
    move |cause| io::Error::new(cause.kind(), Explained { action, path: path.to_owned(), cause })
}

/// Syncs a directory, so that names made or removed in it survive.
pub fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir).and_then(|d| d.sync_all()).map_err(explain("sync the directory", dir))
}

/// One file on its way to its name.
#[derive(Debug, Clone, Copy)]
pub struct Placement<'a> {
    /// Where it is written first: on the same file system, in a directory that nobody else writes to. What is there is overwritten.
    pub temporary: &'a Path,
    /// Its name in the end. What is there is replaced.
    pub path: &'a Path,
    /// Its content.
    pub bytes: &'a [u8],
}

/// Writes `bytes` to `path` whole or not at all, replacing what was there, and syncs file and directory.
///
/// The temporary name begins with `.`, in the same directory. `mode` is the permission, whatever the umask.
pub fn replace(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    place_all(&[Placement { temporary: &temporary_name(path)?, path, bytes }], mode)
}

/// Like [`replace`], but what has the name already stays. Of several who do it at once, one succeeds: each writes under a temporary
/// name of its own.
///
/// # Errors
/// `AlreadyExists` where the name is taken. A file system without `RENAME_NOREPLACE` cannot tell those that come at once.
pub fn place_new(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let mut own = OsString::from(format!("{}-{}-", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed)));
    own.push(path.file_name().unwrap_or_default());
    let temporary = &temporary_name(&path.with_file_name(own))?;
    let placed = write_all(&[Placement { temporary, path, bytes }], mode)
        .and_then(|()| rename_anew(temporary, path).map_err(explain("place", path)));
    if placed.is_err() {
        let _ = fs::remove_file(temporary);
    }
    placed.and_then(|()| sync_dir(parent(path)))
}

fn rename_anew(from: &Path, to: &Path) -> io::Result<()> {
    match renameat2(AT_FDCWD, from, AT_FDCWD, to, RenameFlags::RENAME_NOREPLACE) {
        Err(Errno::EINVAL | Errno::ENOSYS) if fs::symlink_metadata(to).is_ok() => Err(Errno::EEXIST.into()),
        Err(Errno::EINVAL | Errno::ENOSYS) => fs::rename(from, to),
        done => Ok(done?),
    }
}

/// Like [`replace`] for many files: every file is written and synced before the first is renamed, and
/// each directory is synced once. On error some files may have been replaced and others not; none is half-written.
pub fn replace_all<B: AsRef<[u8]>>(files: &[(PathBuf, B)], mode: u32) -> io::Result<()> {
    let temporaries = files.iter().map(|(path, _)| temporary_name(path)).collect::<io::Result<Vec<_>>>()?;
    let placements: Vec<_> = files
        .iter()
        .zip(&temporaries)
        .map(|((path, bytes), temporary)| Placement { temporary, path, bytes: bytes.as_ref() })
        .collect();
    place_all(&placements, mode)
}

/// Like [`replace_all`] with the temporary names chosen by the caller. On error the temporaries are removed.
pub fn place_all(files: &[Placement<'_>], mode: u32) -> io::Result<()> {
    let result = write_all(files, mode).and_then(|()| rename_all(files));
    if result.is_err() {
        for file in files {
            let _ = fs::remove_file(file.temporary);
        }
    }
    result
}

/// A new file with content and mode, replacing what was there: the first half of [`replace`], for a file that is to be worked
/// on before it is put in place. Not synced yet.
pub fn stage(temporary: &Path, bytes: &[u8], mode: u32) -> io::Result<File> {
    write_one(&Placement { temporary, path: temporary, bytes }, mode)
}

/// The second half: gives a staged file, which has been synced, its name, and syncs the directory.
pub fn put_in_place(temporary: &Path, path: &Path) -> io::Result<()> {
    fs::rename(temporary, path).map_err(explain("replace", path))?;
    sync_dir(parent(path))
}

/// Every temporary written, and on the disk.
fn write_all(files: &[Placement<'_>], mode: u32) -> io::Result<()> {
    if files.len() < SYNC_WHOLE_FROM {
        return files.iter().try_for_each(|file| {
            let written = write_one(file, mode)?;
            written.sync_all().map_err(explain("sync", file.temporary))
        });
    }
    // The descriptor that syncs is older than the first write: syncfs reports the errors since it was opened (syncfs(2), Linux 5.8).
    let mut disks: BTreeMap<u64, (File, &Path)> = BTreeMap::new();
    let mut known = None;
    for file in files {
        let dir = parent(file.temporary);
        if known != Some(dir) {
            let opened = File::open(dir).map_err(explain("open the directory", dir))?;
            disks.entry(opened.metadata()?.dev()).or_insert((opened, dir));
            known = Some(dir);
        }
        write_one(file, mode)?;
    }
    disks.values().try_for_each(|(disk, dir)| {
        nix::unistd::syncfs(disk).map_err(io::Error::from).map_err(explain("sync the file system of", dir))
    })
}

fn write_one(file: &Placement<'_>, mode: u32) -> io::Result<File> {
    let temporary = file.temporary;
    let mut opened = create_anew(temporary).map_err(explain("create", temporary))?;
    opened.write_all(file.bytes).map_err(explain("write", temporary))?;
    opened.set_permissions(Permissions::from_mode(mode)).map_err(explain("set the permissions of", temporary))?;
    Ok(opened)
}

/// A new file, never one that was there: a leftover may be read-only, and a link must not be followed.
fn create_anew(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(0o600);
    match options.open(path) {
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {
            fs::remove_file(path)?;
            options.open(path)
        }
        opened => opened,
    }
}

fn rename_all(files: &[Placement<'_>]) -> io::Result<()> {
    let mut dirs = Vec::new();
    for file in files {
        fs::rename(file.temporary, file.path).map_err(explain("replace", file.path))?;
        let dir = parent(file.path);
        if dirs.last() != Some(&dir) {
            dirs.push(dir);
        }
    }
    dirs.sort_unstable();
    dirs.dedup();
    dirs.into_iter().try_for_each(sync_dir)
}

/// The directory of a file's path; `.` where the path has none.
pub fn parent(path: &Path) -> &Path {
    path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// `.NAME.akund-tmp` beside `path`. Fixed, so that a crash leaves at most one to be overwritten. A name too long for
/// that is replaced by its SHA-256.
pub fn temporary_name(path: &Path) -> io::Result<PathBuf> {
    let name = path
        .file_name()
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, format!("{} names no file", path.display())))?;
    let whole = affixed(name);
    if whole.len() <= NAME_MAX {
        return Ok(path.with_file_name(whole));
    }
    let digest = hex(&Sha256::digest(name.as_bytes()));
    Ok(path.with_file_name(affixed(OsStr::new(&digest))))
}

fn affixed(name: &OsStr) -> OsString {
    let mut whole = OsString::from(".");
    whole.push(name);
    whole.push(".akund-tmp");
    whole
}

/// Makes a directory and its parents with `mode` (whatever the umask), where missing, and syncs each one's parent.
/// One that is there keeps its mode.
pub fn make_dir(dir: &Path, mode: u32) -> io::Result<()> {
    if dir.is_dir() {
        return Ok(());
    }
    let above = parent(dir);
    make_dir(above, mode)?;
    match fs::DirBuilder::new().mode(mode & 0o700).create(dir) {
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists && dir.is_dir() => return Ok(()),
        made => made.map_err(explain("make the directory", dir))?,
    }
    fs::set_permissions(dir, Permissions::from_mode(mode)).map_err(explain("set the permissions of", dir))?;
    sync_dir(above)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode_of(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o7777
    }

    #[test]
    fn a_file_is_replaced_whole_with_the_mode_asked_for() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        fs::write(&path, "old and longer").unwrap();
        replace(&path, b"new", 0o664).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(mode_of(&path), 0o664);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn of_many_who_place_one_name_at_once_one_does_and_nobody_replaces_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = &dir.path().join("n".repeat(255));
        let contents: Vec<String> = (0..16).map(|i| format!("{i}").repeat(50_000)).collect();
        let placed: Vec<io::Result<()>> = std::thread::scope(|scope| {
            let place = |content| scope.spawn(move || place_new(path, String::as_bytes(content), 0o640));
            let threads: Vec<_> = contents.iter().map(place).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        let there = fs::read_to_string(path).unwrap();
        for (content, placed) in contents.iter().zip(placed) {
            match placed {
                Ok(()) => assert!(*content == there, "what was placed was replaced"),
                Err(error) => {
                    assert_eq!(error.kind(), io::ErrorKind::AlreadyExists, "{error}");
                    assert!(*content != there);
                }
            }
        }
        assert_eq!((mode_of(path), fs::read_dir(dir.path()).unwrap().count()), (0o640, 1));
    }

    #[test]
    fn a_name_of_255_bytes_can_be_written() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("n".repeat(255));
        replace(&path, b"x", 0o600).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"x");
    }

    #[test]
    fn a_leftover_temporary_is_overwritten_and_a_planted_link_is_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        let (path, other) = (dir.path().join("a"), dir.path().join("other"));
        fs::write(&other, "untouched").unwrap();
        std::os::unix::fs::symlink(&other, dir.path().join(".a.akund-tmp")).unwrap();
        replace(&path, b"new", 0o440).unwrap();
        assert_eq!(fs::read_to_string(&other).unwrap(), "untouched");
        assert_eq!(fs::read_to_string(&path).unwrap(), "new");
    }

    #[test]
    fn many_files_in_many_directories_are_written_in_one_call() {
        let dir = tempfile::tempdir().unwrap();
        let files: Vec<_> = (0..100)
            .map(|i| {
                let sub = dir.path().join(format!("d{}", i % 3));
                make_dir(&sub, 0o700).unwrap();
                (sub.join(format!("f{i}")), format!("content {i}"))
            })
            .collect();
        replace_all(&files, 0o640).unwrap();
        for (path, content) in &files {
            assert_eq!(&fs::read_to_string(path).unwrap(), content);
        }
    }

    #[test]
    fn a_failed_write_leaves_the_old_file_and_no_temporary() {
        let dir = tempfile::tempdir().unwrap();
        let good = dir.path().join("good");
        fs::write(&good, "old").unwrap();
        let missing = dir.path().join("no/such/dir");
        let error = replace_all(&[(good.clone(), "new"), (missing, "x")], 0o600).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
        assert_eq!(os_code(&error), Some(nix::libc::ENOENT));
        assert_eq!(fs::read_to_string(&good).unwrap(), "old");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_full_disk_is_told_from_other_errors_and_the_file_is_named() {
        let error = File::options()
            .write(true)
            .open("/dev/full")
            .and_then(|mut f| f.write_all(b"x"))
            .map_err(explain("write", Path::new("/dev/full")))
            .unwrap_err();
        assert_eq!(disk_trouble(&error), Some(DiskTrouble::Full));
        assert!(error.to_string().starts_with("cannot write /dev/full: "), "{error}");
        let failing = explain("read", Path::new("x"))(io::Error::from_raw_os_error(nix::libc::EIO));
        assert_eq!(disk_trouble(&failing), Some(DiskTrouble::Failing));
        let read_only = explain("read", Path::new("x"))(io::Error::from_raw_os_error(nix::libc::EROFS));
        assert_eq!(disk_trouble(&read_only), Some(DiskTrouble::ReadOnly));
        assert_eq!(disk_trouble(&io::Error::from_raw_os_error(nix::libc::EACCES)), None);
    }

    #[test]
    fn a_directory_is_made_with_its_parents_and_an_existing_one_keeps_its_mode() {
        let dir = tempfile::tempdir().unwrap();
        let deep = dir.path().join("a/b");
        make_dir(&deep, 0o2770).unwrap();
        assert_eq!(mode_of(&deep), 0o2770);
        make_dir(&deep, 0o700).unwrap();
        assert_eq!(mode_of(&deep), 0o2770);
    }
}
