//! Rejections: what came, and why it was not taken, for a person to read.

use super::keep::{Kept, place};
use super::name::{REASON_SUFFIX, SIGNATURE_SUFFIX, fit_before, numbered};
use super::{Bad, Dropped, Spool};
use crate::model::hex::hex;
use sha2::{Digest, Sha256};
use std::collections::HashSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::PoisonError;

/// How many of the last rejections of a name are compared, to know one that a crash has had repeated.
const COMPARED: u64 = 8;

/// What to keep of something rejected.
#[derive(Debug, Clone, Copy)]
pub struct Rejection<'a> {
    /// The source's name.
    pub source: &'a str,
    /// The file's name, safe to show ([`super::safe_name`]).
    pub name: &'a str,
    /// Uid of its owner, where known.
    pub owner: Option<u32>,
    /// What came: the whole file, or the bad rows of it. `None` where there is nothing to be read.
    pub bytes: Option<&'a [u8]>,
    /// Its detached signature.
    pub signature: Option<&'a [u8]>,
    /// What is wrong, in as many lines as it takes.
    pub reason: &'a str,
}

impl Bad {
    /// The rejection of what could not be taken.
    pub fn rejection(&self) -> Rejection<'_> {
        Rejection {
            source: &self.source,
            name: &self.name,
            owner: Some(self.owner),
            bytes: self.bytes.as_deref(),
            signature: self.seen.signature_bytes(),
            reason: &self.reason,
        }
    }
}

impl Dropped {
    /// The rejection of the whole file for `reason`. For some rows of it, put them into `bytes`.
    pub fn rejection<'a>(&'a self, reason: &'a str) -> Rejection<'a> {
        Rejection {
            source: &self.source,
            name: &self.name,
            owner: Some(self.owner),
            bytes: Some(&self.bytes),
            signature: self.seen.signature_bytes(),
            reason,
        }
    }
}

/// Where a rejection is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejected {
    /// `rejected/NAME`, relative to [`Spool::root`]; `None` where nothing could be read.
    pub path: Option<PathBuf>,
    /// `rejected/NAME.reason.txt`, likewise.
    pub reason_path: PathBuf,
    /// The same rejection was there already: kept before a crash, or of a thing that stays where it is.
    pub repeated: bool,
}

impl Spool {
    /// Writes `rejected/NAME`, `rejected/NAME.sig` and `rejected/NAME.reason.txt` for each, synced in one go. A taken name gets a
    /// number before its extension (`a-2.toml`); nothing is ever overwritten.
    ///
    /// # Errors
    /// The disk's. The dropped files are untouched: the same call can be repeated.
    pub fn reject(&self, rejections: &[Rejection<'_>]) -> io::Result<Vec<Rejected>> {
        let _one_at_a_time = self.rejecting.lock().unwrap_or_else(PoisonError::into_inner);
        let dir = self.root.join("rejected");
        let reasons: Vec<String> = rejections.iter().map(reason_text).collect();
        let (mut used, mut kept, mut rejected) = (HashSet::new(), Vec::new(), Vec::with_capacity(rejections.len()));
        for (rejection, reason) in rejections.iter().zip(&reasons) {
            let number = free_number(&dir, rejection.name, &used);
            let same = (number.saturating_sub(COMPARED).max(1)..number)
                .rev()
                .map(|n| Names::new(rejection.name, n))
                .find(|names| names.hold(&dir, rejection, reason));
            let repeated = same.is_some();
            let names = same.unwrap_or_else(|| Names::new(rejection.name, number));
            if !repeated {
                let mut keep = |name: &str, bytes| {
                    kept.push(Kept { temporary: self.stage(&dir), path: dir.join(name), bytes });
                    used.insert(name.to_owned());
                };
                rejection.bytes.into_iter().for_each(|bytes| keep(&names.whole, bytes));
                rejection.signature.into_iter().for_each(|bytes| keep(&names.signature, bytes));
                // The reason comes last: where it is, the rejection is complete.
                keep(&names.reason, reason.as_bytes());
            }
            let relative = |name: &str| Path::new("rejected").join(name);
            rejected.push(Rejected {
                path: rejection.bytes.map(|_| relative(&names.whole)),
                reason_path: relative(&names.reason),
                repeated,
            });
        }
        place(&kept, 0o640)?;
        crate::durable::sync_dir(&dir)?;
        Ok(rejected)
    }
}

/// The three names of one rejection.
struct Names {
    whole: String,
    signature: String,
    reason: String,
}

impl Names {
    fn new(name: &str, number: u64) -> Self {
        let name = numbered(name, number);
        // All three are cut alike, so that they go on belonging together.
        let whole = fit_before(REASON_SUFFIX, "", &name);
        Self { signature: format!("{whole}{SIGNATURE_SUFFIX}"), reason: format!("{whole}{REASON_SUFFIX}"), whole }
    }

    fn free(&self, dir: &Path, used: &HashSet<String>) -> bool {
        [&self.whole, &self.signature, &self.reason]
            .into_iter()
            .all(|name| !used.contains(name) && fs::symlink_metadata(dir.join(name)).is_err())
    }

    /// Whether these names hold exactly this rejection.
    fn hold(&self, dir: &Path, rejection: &Rejection<'_>, reason: &str) -> bool {
        fs::read(dir.join(&self.reason)).is_ok_and(|there| there == reason.as_bytes())
            && fs::read(dir.join(&self.whole)).ok().as_deref() == rejection.bytes
    }
}

/// A number whose names are free, behind all that are taken without a gap. Few looks even where thousands are taken.
fn free_number(dir: &Path, name: &str, used: &HashSet<String>) -> u64 {
    let free = |number| Names::new(name, number).free(dir, used);
    let mut high = 1;
    while !free(high) {
        high *= 2;
    }
    // Taken is everything up to `low`, free is `high`.
    let mut low = high / 2;
    while high - low > 1 {
        let middle = low + (high - low) / 2;
        if free(middle) {
            high = middle;
        } else {
            low = middle;
        }
    }
    high
}

/// The reason first; below it, where the file came from. Without a time, so that the same rejection gives the same text.
fn reason_text(rejection: &Rejection<'_>) -> String {
    let mut text =
        format!("{}\n\nsource: {}\nfile: {}\n", rejection.reason.trim_end(), rejection.source, rejection.name);
    if let Some(owner) = rejection.owner {
        text.push_str(&format!("owner: {owner}\n"));
    }
    if let Some(bytes) = rejection.bytes {
        text.push_str(&format!("sha256: {}\n", hex(&Sha256::digest(bytes))));
    }
    text
}
