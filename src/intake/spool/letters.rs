//! Letters among the evidence: drafts that akund wrote and signed letters that were brought, each under the hash of its bytes.

use super::Spool;
use super::keep::{Kept, place};
use crate::durable::{self, explain, make_dir};
use crate::model::hex::hex;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use sha2::{Digest, Sha256};
use std::fs;
use std::io::{self, Read};
use std::path::{Component, Path};

impl Spool {
    /// Writes a letter to `accepted/YYYY-MM/SHA256-NAME` (the month in UTC of `at`); that path, relative to [`Spool::root`], and the hash.
    /// When this returns it is on the disk. What is there already is not written again. `name` is akund's own: it names nobody.
    ///
    /// # Errors
    /// The disk's.
    pub fn keep_letter(&self, name: &str, bytes: &[u8], at: Timestamp) -> io::Result<(String, [u8; 32])> {
        let accepted = self.root.join("accepted");
        let month = at.to_zoned(TimeZone::UTC).strftime("%Y-%m").to_string();
        let sha256: [u8; 32] = Sha256::digest(bytes).into();
        let relative = format!("accepted/{month}/{}-{name}", hex(&sha256));
        let (path, dir) = (self.root.join(&relative), accepted.join(month));
        make_dir(&dir, 0o750)?;
        if fs::read(&path).is_ok_and(|there| there == bytes) {
            // It may have got its name just before a crash, and the name not be on the disk yet.
            durable::sync_dir(&dir)?;
        } else {
            place(&[Kept { temporary: self.stage(&accepted), path, bytes }], 0o440)?;
        }
        Ok((relative, sha256))
    }

    /// Reads a letter back.
    ///
    /// # Errors
    /// The disk's; `InvalidData` where it is not the file that was kept.
    pub fn read_letter(&self, relative: &str, sha256: &[u8; 32], most: usize) -> io::Result<Vec<u8>> {
        let path = self.root.join(relative);
        let odd = |why: &str| io::Error::new(io::ErrorKind::InvalidData, format!("{}: {why}", path.display()));
        let plain = Path::new(relative).components().all(|part| matches!(part, Component::Normal(_)));
        if !plain || !relative.starts_with("accepted/") {
            return Err(odd("no letter is kept there"));
        }
        let mut bytes = Vec::new();
        let file = fs::File::open(&path).map_err(explain("read", &path))?;
        file.take(most as u64 + 1).read_to_end(&mut bytes).map_err(explain("read", &path))?;
        if bytes.len() > most || Sha256::digest(&bytes).as_slice() != sha256 {
            return Err(odd("this is not the letter that was kept here: its hash is another"));
        }
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::SpoolConfig;

    #[test]
    fn a_letter_is_kept_once_and_one_that_was_changed_is_not_read() {
        let dir = tempfile::tempdir().unwrap();
        let config = SpoolConfig { path: dir.path().to_owned(), ..SpoolConfig::default() };
        let spool = Spool::open(&config, &[]).unwrap();
        let at = "2026-11-30T20:00:00Z".parse().unwrap();
        let (path, sha256) = spool.keep_letter("letter.pdf", b"%PDF-1.7", at).unwrap();
        assert_eq!(path, format!("accepted/2026-11/{}-letter.pdf", hex(&sha256)));
        assert_eq!(spool.keep_letter("letter.pdf", b"%PDF-1.7", at).unwrap(), (path.clone(), sha256));
        assert_eq!(fs::read_dir(dir.path().join("accepted/2026-11")).unwrap().count(), 1);
        assert_eq!(spool.read_letter(&path, &sha256, 100).unwrap(), b"%PDF-1.7");
        assert_eq!(spool.read_letter(&path, &sha256, 5).unwrap_err().kind(), io::ErrorKind::InvalidData);
        for odd in ["/etc/passwd", "accepted/../../etc/passwd", "incoming/x"] {
            assert_eq!(spool.read_letter(odd, &sha256, 100).unwrap_err().kind(), io::ErrorKind::InvalidData);
        }
        fs::remove_file(dir.path().join(&path)).unwrap();
        assert_eq!(spool.read_letter(&path, &sha256, 100).unwrap_err().kind(), io::ErrorKind::NotFound);
        fs::write(dir.path().join(&path), "another").unwrap();
        assert_eq!(spool.read_letter(&path, &sha256, 100).unwrap_err().kind(), io::ErrorKind::InvalidData);
    }
}
