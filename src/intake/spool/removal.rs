//! Removing what is kept no longer: only below `accepted/`, `rejected/` and `outcome/`, and only what the caller has journaled.

use super::Spool;
use super::name::SIGNATURE_SUFFIX;
use crate::durable::{self, NAME_MAX};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan};
use std::collections::{BTreeSet, HashSet};
use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};
use std::sync::PoisonError;

/// Hex digits of a SHA-256, by which a file of evidence is called.
const DIGEST: usize = 64;

impl Spool {
    /// Unlinks files (paths relative to the spool), an original's signature with it, and syncs their directories; those that are not
    /// there are as good as unlinked. For each, why it could not be.
    pub fn remove(&self, paths: &[&str]) -> Vec<io::Result<()>> {
        // Between a rejection's finding that the same was kept before and its answer, nothing of it goes.
        let _one_at_a_time = self.rejecting.lock().unwrap_or_else(PoisonError::into_inner);
        let mut dirs = BTreeSet::new();
        let mut answers: Vec<io::Result<()>> = Vec::with_capacity(paths.len());
        for relative in paths {
            answers.push(self.removable(relative).and_then(|path| {
                unlink(&path)?;
                if let Some(signature) = signature_of(&path) {
                    unlink(&signature)?;
                }
                dirs.extend(path.parent().map(Path::to_owned));
                Ok(())
            }));
        }
        for dir in dirs {
            // One that is not there has nothing left in it.
            if let Err(error) = durable::sync_dir(&dir).or_else(absent) {
                for (answer, relative) in answers.iter_mut().zip(paths) {
                    if answer.is_ok() && self.root.join(relative).parent() == Some(&dir) {
                        *answer = Err(io::Error::new(error.kind(), error.to_string()));
                    }
                }
            }
        }
        answers
    }

    fn removable(&self, relative: &str) -> io::Result<PathBuf> {
        let path = Path::new(relative);
        let plain = path.components().all(|part| matches!(part, Component::Normal(_)));
        let below =
            ["accepted", "rejected", "outcome"].iter().any(|dir| path.starts_with(dir) && path != Path::new(dir));
        if plain && below {
            return Ok(self.root.join(path));
        }
        Err(io::Error::new(io::ErrorKind::InvalidInput, format!("{relative}: nothing of akund's is kept there")))
    }

    /// What was rejected before a moment, at most `most` files: paths relative to the spool.
    ///
    /// # Errors
    /// Where the directory cannot be read.
    pub fn rejected_before(&self, at: Timestamp, most: usize) -> io::Result<Vec<String>> {
        rejected_before(&self.root, at, most)
    }

    /// Files among the originals of months that were over a day before a moment, and which belong to none of those `kept`; at
    /// most `most`: paths relative to the spool.
    ///
    /// # Errors
    /// Where a directory cannot be read.
    pub fn strays_before(&self, at: Timestamp, kept: &HashSet<String>, most: usize) -> io::Result<Vec<String>> {
        strays_before(&self.root, at, kept, most)
    }

    /// Takes the directories of months away that are over and empty.
    ///
    /// # Errors
    /// Where a directory cannot be read.
    pub fn remove_empty_months(&self, at: Timestamp) -> io::Result<()> {
        for month in months_before(&self.root, at)? {
            // One that is not empty stays.
            let _ = fs::remove_dir(self.root.join("accepted").join(month));
        }
        Ok(())
    }
}

/// How many files [`Spool::rejected_before`] would give; for who has not opened the spool.
///
/// # Errors
/// Where the directory cannot be read.
pub fn count_rejected_before(root: &Path, at: Timestamp) -> io::Result<usize> {
    rejected_before(root, at, usize::MAX).map(|found| found.len()).or_else(none)
}

/// How many files [`Spool::strays_before`] would give; for who has not opened the spool.
///
/// # Errors
/// Where a directory cannot be read.
pub fn count_strays_before(root: &Path, at: Timestamp, kept: &HashSet<String>) -> io::Result<usize> {
    strays_before(root, at, kept, usize::MAX).map(|found| found.len()).or_else(none)
}

/// A spool that was never opened has nothing in it.
fn none(error: io::Error) -> io::Result<usize> {
    absent(error).map(|()| 0)
}

fn rejected_before(root: &Path, at: Timestamp, most: usize) -> io::Result<Vec<String>> {
    let old = |path: &Path| older(path, at).then(|| name_of(path)).flatten();
    let entries = entries(&root.join("rejected"))?;
    Ok(entries.iter().filter_map(|path| old(path)).take(most).map(|name| format!("rejected/{name}")).collect())
}

fn strays_before(root: &Path, at: Timestamp, kept: &HashSet<String>, most: usize) -> io::Result<Vec<String>> {
    let beginning = |path: &str| path.get(.."accepted/YYYY-MM/".len() + DIGEST).map(str::to_owned);
    let kept: HashSet<String> = kept.iter().filter_map(|path| beginning(path)).collect();
    let mut strays = Vec::new();
    for month in months_before(root, at)? {
        for path in entries(&root.join("accepted").join(&month))? {
            let Some(name) = name_of(&path) else { continue };
            let relative = format!("accepted/{month}/{name}");
            let known = beginning(&relative).is_some_and(|beginning| kept.contains(&beginning));
            if !known && older(&path, at) && strays.len() < most {
                strays.push(relative);
            }
        }
    }
    Ok(strays)
}

fn months_before(root: &Path, at: Timestamp) -> io::Result<Vec<String>> {
    let over = |month: &str| -> Option<bool> {
        let first: Date = format!("{month}-01").parse().ok()?;
        let end = first.checked_add(1.month()).ok()?.to_zoned(TimeZone::UTC).ok()?.timestamp();
        Some(at.duration_since(end) >= SignedDuration::from_hours(24))
    };
    let dir = root.join("accepted");
    let names = fs::read_dir(&dir).map_err(durable::explain("read", &dir))?.collect::<io::Result<Vec<_>>>()?;
    let names = names.iter().filter_map(|entry| entry.file_name().into_string().ok());
    Ok(names.filter(|name| name.len() == "YYYY-MM".len() && over(name) == Some(true)).collect())
}

/// Everything in a directory but what begins with a dot.
fn entries(dir: &Path) -> io::Result<Vec<PathBuf>> {
    let all = fs::read_dir(dir).map_err(durable::explain("read", dir))?.collect::<io::Result<Vec<_>>>()?;
    let shown = all.into_iter().map(|entry| entry.path());
    Ok(shown.filter(|path| name_of(path).is_some_and(|name| !name.starts_with('.'))).collect())
}

fn name_of(path: &Path) -> Option<String> {
    path.file_name()?.to_str().map(str::to_owned)
}

/// Whether it is a file that was written before.
fn older(path: &Path, at: Timestamp) -> bool {
    let Ok(metadata) = fs::symlink_metadata(path) else { return false };
    let written = metadata.modified().ok().and_then(|time| Timestamp::try_from(time).ok());
    metadata.is_file() && written.is_some_and(|written| written <= at)
}

/// Where the signature of an original is kept. An older akund cut long names otherwise; what it left goes with the strays.
fn signature_of(path: &Path) -> Option<PathBuf> {
    let name = name_of(path)?;
    let (digest, rest) = (name.get(..DIGEST)?, name.get(DIGEST + 1..)?);
    let original = digest.bytes().all(|byte| byte.is_ascii_hexdigit()) && !rest.ends_with(SIGNATURE_SUFFIX);
    let signature = format!("{name}{SIGNATURE_SUFFIX}");
    (original && signature.len() <= NAME_MAX).then(|| path.with_file_name(signature))
}

fn unlink(path: &Path) -> io::Result<()> {
    fs::remove_file(path).or_else(absent).map_err(durable::explain("remove", path))
}

fn absent(error: io::Error) -> io::Result<()> {
    if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::SpoolConfig;
    use std::time::{Duration, SystemTime};

    fn write(path: &Path, days_old: u64) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let file = fs::File::create(path).unwrap();
        file.set_modified(SystemTime::now() - Duration::from_secs(days_old * 86_400)).unwrap();
    }

    #[test]
    fn only_what_akund_keeps_is_removed_its_signature_with_it_and_a_second_time_changes_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let config = SpoolConfig { path: dir.path().to_owned(), ..SpoolConfig::default() };
        let spool = Spool::open(&config, &[]).unwrap();
        let digest = "ab".repeat(32);
        let original = format!("accepted/2026-01/{digest}-humas.toml");
        for name in [original.clone(), format!("{original}.sig"), format!("accepted/2026-01/{digest}-other.toml")] {
            write(&dir.path().join(name), 0);
        }
        for _ in 0..2 {
            assert!(spool.remove(&[&original]).into_iter().all(|answer| answer.is_ok()));
        }
        assert_eq!(fs::read_dir(dir.path().join("accepted/2026-01")).unwrap().count(), 1);
        write(&dir.path().join("incoming/new.toml"), 0);
        for odd in ["incoming/new.toml", "accepted", "accepted/../incoming/new.toml", "/etc/passwd", ""] {
            assert!(spool.remove(&[odd]).pop().unwrap().is_err(), "{odd}");
        }
        assert!(dir.path().join("incoming/new.toml").exists());
        assert!(spool.remove(&["outcome/local/p/gone@1.json"]).pop().unwrap().is_ok());
    }

    /// What was handed in, with a signature.
    struct Signed(String);

    impl crate::intake::Handed for Signed {
        fn source(&self) -> &str {
            "local"
        }
        fn name(&self) -> &str {
            &self.0
        }
        fn bytes(&self) -> &[u8] {
            b"record"
        }
        fn size(&self) -> u64 {
            6
        }
        fn let_go(&mut self) {}
        fn sha256(&self) -> [u8; 32] {
            [7; 32]
        }
        fn received(&self) -> Timestamp {
            Timestamp::UNIX_EPOCH
        }
        fn signer(&self) -> Option<&crate::intake::signature::VerifiedSigner> {
            None
        }
        fn again(&self) -> bool {
            false
        }
        fn signature_bytes(&self) -> Option<&[u8]> {
            Some(b"signature")
        }
    }

    #[test]
    fn a_signature_is_filed_beside_its_original_and_goes_with_it_however_long_the_name_is() {
        for length in [10, 180, 181, 185, 186, 190, 191, 240] {
            let dir = tempfile::tempdir().unwrap();
            let config = SpoolConfig { path: dir.path().to_owned(), ..SpoolConfig::default() };
            let spool = Spool::open(&config, &[]).unwrap();
            let path = spool.keep_evidence(&[&Signed(format!("{}.toml", "x".repeat(length)))]).unwrap().remove(0);
            let path = path.to_str().unwrap();
            assert_eq!(fs::read(dir.path().join(path)).unwrap(), b"record");
            assert_eq!(fs::read(dir.path().join(format!("{path}.sig"))).unwrap(), b"signature", "{length}");
            assert!(spool.remove(&[path]).pop().unwrap().is_ok());
            assert_eq!(fs::read_dir(dir.path().join("accepted/1970-01")).unwrap().count(), 0, "{length}");
        }
    }

    #[test]
    fn strays_are_old_files_of_old_months_that_nothing_kept_is_called_by() {
        let dir = tempfile::tempdir().unwrap();
        let config = SpoolConfig { path: dir.path().to_owned(), ..SpoolConfig::default() };
        let spool = Spool::open(&config, &[]).unwrap();
        let now = Timestamp::now();
        let this_month = now.to_zoned(TimeZone::UTC).strftime("%Y-%m").to_string();
        let (kept, stray) = ("aa".repeat(32), "bb".repeat(32));
        for (month, digest, name, days) in [
            ("2024-02", &kept, "a.toml", 600),
            ("2024-02", &kept, "a.toml.sig", 600),
            ("2024-02", &stray, "b.toml", 600),
            ("2024-02", &stray, "fresh.toml", 0),
            (&this_month, &stray, "b.toml", 600),
            ("2023-05", &stray, "gone.toml", 900),
        ] {
            write(&dir.path().join(format!("accepted/{month}/{digest}-{name}")), days);
        }
        write(&dir.path().join("rejected/old.toml"), 100);
        write(&dir.path().join("rejected/new.toml"), 10);
        let at = now.checked_sub(SignedDuration::from_hours(50 * 24)).unwrap();
        let set = HashSet::from([format!("accepted/2024-02/{kept}-a.toml")]);
        let mut strays = spool.strays_before(at, &set, 10).unwrap();
        strays.sort();
        assert_eq!(strays, [format!("accepted/2023-05/{stray}-gone.toml"), format!("accepted/2024-02/{stray}-b.toml")]);
        assert_eq!(spool.rejected_before(at, 10).unwrap(), ["rejected/old.toml"]);
        assert!(spool.remove(&strays.iter().map(String::as_str).collect::<Vec<_>>()).iter().all(Result::is_ok));
        spool.remove_empty_months(at).unwrap();
        let left = |month: &str| dir.path().join("accepted").join(month).exists();
        assert!(!left("2023-05") && left("2024-02") && left(&this_month));
    }
}
