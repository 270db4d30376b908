//! The spool: files handed in become bytes with provenance; what became of them goes back into the spool.
//!
//! ```text
//!  incoming/[SOURCE/]NAME ──► Arrivals::next ──► Spool::take ──► Dropped ──► keep_evidence ──► (journal) ──► acknowledge
//!                                                     └────────► Bad ──────► reject ─────────► (journal) ──► acknowledge
//!  outcome/SOURCE/PROCEDURE/ID@REVISION.json ◄── write_outcomes
//! ```
//!
//! The order on the right is the caller's duty: evidence, then the journal's commit, then [`Spool::acknowledge`]. A
//! crash between two of them leaves the dropped file where it is; it is then taken again, finds its evidence kept, and the
//! journal knows the request. Nothing here parses a record.
//!
//! Everything but [`Arrivals`] blocks on the disk: call it from a blocking thread. [`super::Source`] does so by itself.

mod arrivals;
mod desk;
mod keep;
mod layout;
mod leave;
mod letters;
mod look;
mod name;
mod outcome;
mod queue;
mod reject;
mod removal;
mod remover;
pub mod rules;
mod source;
mod take;

pub use arrivals::Arrivals;
pub use leave::Parted;
pub use look::Identity;
pub use name::{encode_component, is_record_name, safe_name};
pub use outcome::OutcomeKey;
pub use reject::{Rejected, Rejection};
pub use removal::{count_rejected_before, count_strays_before};
pub use take::{Bad, Dropped, Seen, Taken};

use crate::config::{SourceConfig, SpoolConfig};
use desk::{Desk, Lease};
use layout::Source;
use look::Look;
use nix::fcntl::Flock;
use remover::Remover;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

pub use crate::config::source::LOCAL;

/// The spool's directories, held by one process at a time.
#[derive(Debug)]
pub struct Spool {
    root: PathBuf,
    limits: SpoolConfig,
    sources: Vec<Source>,
    desk: Arc<Desk>,
    stage_number: AtomicU64,
    rejecting: Mutex<()>,
    remover: Remover,
    _lock: Flock<File>,
}

/// A file to take. While it (or what was taken from it) lives, [`Arrivals`] does not offer the file again.
#[derive(Debug, Clone)]
pub struct Candidate {
    source: usize,
    name: OsString,
    look: Look,
    lease: Arc<Lease>,
}

impl Candidate {
    /// The file's name, as it may be shown.
    pub fn name(&self) -> String {
        safe_name(&self.name)
    }
    /// Bytes, when last looked at.
    pub fn size(&self) -> u64 {
        self.look.identity.size
    }
}

impl Spool {
    /// What is wrong with the configuration, in sentences; touches nothing but the user database.
    pub fn problems(config: &SpoolConfig, sources: &[SourceConfig]) -> Vec<String> {
        layout::problems(config, sources)
    }

    /// Opens the spool: makes what is missing of `incoming/`, `incoming/SOURCE/`, `accepted/`, `rejected/` and `outcome/`,
    /// removes its own temporaries, and puts back what a crash caught on its way out.
    ///
    /// # Errors
    /// `InvalidInput` with every problem of the configuration; `WouldBlock` where another process holds the spool; else
    /// what the disk says of which directory.
    pub fn open(config: &SpoolConfig, sources: &[SourceConfig]) -> io::Result<Arc<Self>> {
        let problems = Self::problems(config, sources);
        if !problems.is_empty() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, problems.join("\n")));
        }
        let (lock, sources) = layout::prepare(&config.path, sources)?;
        let spool = Self {
            root: config.path.clone(),
            limits: config.clone(),
            sources,
            desk: Arc::default(),
            stage_number: AtomicU64::new(0),
            rejecting: Mutex::new(()),
            remover: Remover::start(&config.path.join(layout::GONE))?,
            _lock: lock,
        };
        spool.restore_leaving()?;
        Ok(Arc::new(spool))
    }

    /// The spool's own directory, which the paths that are given back are relative to.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The sources, with [`LOCAL`] among them even where the configuration does not name it.
    pub fn sources(&self) -> impl Iterator<Item = &SourceConfig> {
        self.sources.iter().map(|s| &s.config)
    }

    /// The rules of the source of this name.
    pub fn source(&self, name: &str) -> Option<&SourceConfig> {
        self.sources().find(|s| s.name == name)
    }

    /// Which sources' directories [`Arrivals`] cannot read at present, in sentences. Empty: intake is open.
    pub fn troubles(&self) -> Vec<String> {
        self.desk.troubles()
    }

    /// Everything that lies there now under a record's name, ready or still being written, and is not in hand.
    ///
    /// # Errors
    /// A directory that cannot be read.
    pub fn scan(&self) -> io::Result<Vec<Candidate>> {
        let mut found = Vec::new();
        for source in 0..self.sources.len() {
            for (name, look) in self.list(source, usize::MAX)?.files {
                if is_record_name(&name) {
                    found.extend(self.candidate(source, name, look));
                }
            }
        }
        Ok(found)
    }

    /// `None` while somebody has it in hand.
    fn candidate(&self, source: usize, name: OsString, look: Look) -> Option<Candidate> {
        let lease = Desk::lease(&self.desk, source, &name)?;
        Some(Candidate { source, name, look, lease })
    }

    /// Up to `most` entries of a source's directory: records, signatures, and things that should not be there; not
    /// what stays there and was reported.
    fn list(&self, source: usize, most: usize) -> io::Result<look::Listing> {
        let wanted = |name: &OsStr| {
            (is_record_name(name) || self.awaits_signature(source, name)) && !self.is_source_dir(source, name)
        };
        let news = |name: &OsStr, look: &Look| !self.desk.is_settled(source, name, &look.identity);
        look::list(&self.sources[source].dir, wanted, news, most)
    }

    /// Whether this is the name of a signature in a source that needs them.
    fn awaits_signature(&self, source: usize, name: &OsStr) -> bool {
        self.sources[source].signers.is_some() && name::signed_name(name).is_some_and(is_record_name)
    }

    /// Whether this is another source's directory, in `incoming/`.
    fn is_source_dir(&self, source: usize, name: &OsStr) -> bool {
        self.sources[source].config.name == LOCAL
            && self.sources.iter().any(|s| s.config.name != LOCAL && name == s.config.name.as_str())
    }

    fn source_index(&self, name: &str) -> Option<usize> {
        self.sources.iter().position(|s| s.config.name == name)
    }

    /// A name in `dir`'s staging directory that nobody has used since the spool was opened.
    fn stage(&self, dir: &Path) -> PathBuf {
        let number = self.stage_number.fetch_add(1, Ordering::Relaxed);
        dir.join(layout::STAGE).join(number.to_string())
    }
}
