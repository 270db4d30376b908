//! A source's allowed-signers file, read anew whenever it changes: a key taken out of it is out at once.

use super::AllowedSigners;
use std::fs::{File, Metadata};
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// Larger files are taken for a mistake, bytes.
const LARGEST: u64 = 4 * 1024 * 1024;

/// Path and last state.
#[derive(Debug)]
pub struct SignersFile {
    path: PathBuf,
    last: Mutex<Option<LastRead>>,
}

type Parsed = Result<Arc<AllowedSigners>, String>;

/// Device, inode, size, last change of the content and of anything.
type Identity = (u64, u64, u64, (i64, i64), (i64, i64));

#[derive(Debug)]
struct LastRead {
    identity: Identity,
    parsed: Parsed,
}

impl SignersFile {
    /// Reads nothing yet.
    pub fn new(path: &Path) -> Self {
        Self { path: path.to_owned(), last: Mutex::new(None) }
    }

    /// The file as it stands now. A bad one never stands in for the good one before it: a key that was just revoked would sign on.
    ///
    /// # Errors
    /// A sentence with the file and what is wrong; the records of the source wait.
    pub fn current(&self) -> Parsed {
        let why = |e: std::io::Error| format!("cannot read the allowed signers {}: {e}", self.path.display());
        let mut file = File::open(&self.path).map_err(why)?;
        let metadata = file.metadata().map_err(why)?;
        let identity = identity(&metadata);
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(last) = last.as_ref().filter(|last| last.identity == identity) {
            return last.parsed.clone();
        }
        let parsed = self.parse(&mut file, &metadata);
        if let Err(error) = &parsed {
            tracing::error!(file = %self.path.display(), %error, "records that need a signature wait until the allowed signers can be read");
        }
        *last = Some(LastRead { identity, parsed: parsed.clone() });
        parsed
    }

    fn parse(&self, file: &mut File, metadata: &Metadata) -> Parsed {
        let shown = self.path.display();
        if !metadata.is_file() || metadata.len() > LARGEST {
            return Err(format!("the allowed signers {shown} are no regular file of at most {LARGEST} bytes"));
        }
        if metadata.mode() & 0o002 != 0 {
            return Err(format!("the allowed signers {shown} can be written by everybody (chmod o-w)"));
        }
        let mut text = String::new();
        file.take(LARGEST)
            .read_to_string(&mut text)
            .map_err(|e| format!("cannot read the allowed signers {shown}: {e}"))?;
        let parsed = AllowedSigners::parse(&shown.to_string(), &text).map_err(|errors| errors.join("\n"))?;
        crate::tls::file_ends(&self.path, parsed.ends());
        Ok(Arc::new(parsed))
    }
}

fn identity(of: &Metadata) -> Identity {
    (of.dev(), of.ino(), of.len(), (of.mtime(), of.mtime_nsec()), (of.ctime(), of.ctime_nsec()))
}
