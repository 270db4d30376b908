//! Evidence: what was read, written by akund itself, out of the submitter's reach.

use super::Spool;
use super::name::{SIGNATURE_SUFFIX, fit_before};
use crate::durable::{self, Placement, make_dir};
use crate::intake::Handed;
use crate::model::hex::hex;
use jiff::tz::TimeZone;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// A file to be written.
pub(super) struct Kept<'a> {
    pub temporary: PathBuf,
    pub path: PathBuf,
    pub bytes: &'a [u8],
}

impl Spool {
    /// Writes the bytes of each file or message to `accepted/YYYY-MM/SHA256-NAME` (the month in UTC when it was read), its detached signature beside it as
    /// `….sig`, and gives back the first path of each, relative to [`Spool::root`]. When this returns they are on the disk. A
    /// batch costs one sync of the files and one of the directory. What is there already is not written again.
    ///
    /// # Errors
    /// `InvalidInput` where `bytes` have been taken out; else the disk's ([`durable::disk_trouble`] tells a full one). The dropped
    /// files are untouched: the same call can be repeated.
    pub fn keep_evidence<H: Handed>(&self, files: &[&H]) -> io::Result<Vec<PathBuf>> {
        let accepted = self.root.join("accepted");
        let (mut paths, mut kept) = (Vec::with_capacity(files.len()), Vec::new());
        for file in files {
            if file.bytes().len() as u64 != file.size() {
                let why = format!("the bytes of {} are no longer there to be kept as evidence", file.name());
                return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
            }
            let month = file.received().to_zoned(TimeZone::UTC).strftime("%Y-%m").to_string();
            make_dir(&accepted.join(&month), 0o750)?;
            let relative = Path::new("accepted").join(month);
            let name = fit_before(SIGNATURE_SUFFIX, &format!("{}-", hex(&file.sha256())), file.name());
            let mut keep = |name: &str, bytes| {
                let path = relative.join(name);
                kept.push(Kept { temporary: self.stage(&accepted), path: self.root.join(&path), bytes });
                path
            };
            paths.push(keep(&name, file.bytes()));
            if let Some(signature) = file.signature_bytes() {
                keep(&format!("{name}{SIGNATURE_SUFFIX}"), signature);
            }
        }
        let mut found: Vec<_> = kept
            .extract_if(.., |k| fs::read(&k.path).is_ok_and(|there| there == k.bytes))
            .filter_map(|k| k.path.parent().map(Path::to_owned))
            .collect();
        place(&kept, 0o440)?;
        // What was found in place may have got its name just before a crash, and the name not be on the disk yet.
        found.sort_unstable();
        found.dedup();
        found.iter().try_for_each(|month| durable::sync_dir(month))?;
        Ok(paths)
    }
}

/// Writes them all, in this order.
pub(super) fn place(kept: &[Kept<'_>], mode: u32) -> io::Result<()> {
    let placements: Vec<_> =
        kept.iter().map(|k| Placement { temporary: &k.temporary, path: &k.path, bytes: k.bytes }).collect();
    durable::place_all(&placements, mode)
}
