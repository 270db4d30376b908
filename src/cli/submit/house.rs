//! What the rules of the source say before anything is handed in: the daemon's own, in its words.

use super::unreadable;
use crate::admission;
use crate::cli::exit::{Exit, Failure};
use crate::config::source::SignatureRule;
use crate::config::{Config, SourceConfig};
use crate::intake::signature::{NAMESPACE, SignersFile, VerifiedSigner};
use crate::intake::spool::{LOCAL, rules};
use crate::model::Record;
use jiff::Timestamp;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// The source that files are to be handed in as.
pub struct House<'a> {
    config: &'a Config,
    source: SourceConfig,
    /// Where its files are put.
    pub dir: PathBuf,
}

/// What is known of a file that its source takes.
#[derive(Default)]
pub struct Vouched {
    /// Who signed it, where the source asks for that and this user may read who may.
    pub signer: Option<VerifiedSigner>,
    /// The detached signature, where the source reads one.
    pub signature: Option<Vec<u8>>,
}

impl<'a> House<'a> {
    /// # Errors
    /// There is no such source in the spool.
    pub fn of(config: &'a Config, name: &str) -> Result<Self, Failure> {
        let known = config.source.iter().find(|source| source.name == name);
        let source = match known {
            None if name != LOCAL => {
                let mut names: Vec<&str> = config.source.iter().map(|source| source.name.as_str()).collect();
                names.push(LOCAL);
                let said = format!("no [[source]] has the name {name:?}; there are: {}", names.join(", "));
                return Err(Failure::new(Exit::Usage, said));
            }
            None => SourceConfig { name: LOCAL.to_owned(), ..SourceConfig::default() },
            Some(SourceConfig { queue: Some(queue), .. }) => {
                let said = format!("source {name} hands in by the queue {queue}, and has no directory in the spool");
                return Err(Failure::new(Exit::Usage, said));
            }
            Some(source) => source.clone(),
        };
        let incoming = config.spool.path.join("incoming");
        let dir = if name == LOCAL { incoming } else { incoming.join(name) };
        Ok(Self { config, source, dir })
    }

    /// The detached signature beside a file, where the source reads one; none where there is none.
    ///
    /// # Errors
    /// It is there and cannot be read.
    pub fn signature(&self, file: &Path) -> Result<Option<Vec<u8>>, Failure> {
        if self.source.signature != SignatureRule::Required {
            return Ok(None);
        }
        let mut beside = file.as_os_str().to_owned();
        beside.push(".sig");
        match std::fs::read(&beside) {
            Ok(signature) => Ok(Some(signature)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(unreadable(Path::new(&beside), &error)),
        }
    }

    /// What the source asks of a file whatever is in it.
    ///
    /// # Errors
    /// Why the daemon would not take it, a sentence.
    pub fn takes(&self, name: &str, bytes: &[u8], signature: Option<Vec<u8>>) -> Result<Vouched, String> {
        let most = self.config.spool.max_bytes;
        if bytes.len() as u64 > most {
            return Err(format!("`{name}` {}", rules::too_large(most)));
        }
        if let Some(own) = own_user(&self.config.spool.path)
            && let Ok(owners) = rules::owners(&self.source, own)
        {
            let me = nix::unistd::geteuid().as_raw();
            if !owners.contains(&me) {
                return Err(format!("`{name}` {}", rules::not_accepted(me, &self.source.name)));
            }
        }
        let signer = match (self.source.signature, &self.source.allowed_signers) {
            (SignatureRule::Required, Some(allowed)) => verified(allowed, name, bytes, signature.as_deref())
                .map_err(|why| format!("`{name}` {}", rules::unsigned(&why)))?,
            _ => None,
        };
        Ok(Vouched { signer, signature })
    }

    /// What the source may not ask for, a sentence each.
    pub fn not_permitted(&self, vouched: &Vouched, record: &Record) -> Vec<String> {
        admission::not_permitted(&self.source, vouched.signer.as_ref(), record)
    }
}

/// The user that akund runs as: who owns what only akund makes. Directories that take files in may be somebody else's, and before
/// akund's first start nobody can tell.
fn own_user(spool: &Path) -> Option<u32> {
    std::fs::metadata(spool.join("accepted")).ok().map(|dir| dir.uid())
}

/// Who signed; none where this user may not read whose signatures are good, which the daemon then judges alone.
fn verified(
    allowed: &Path,
    name: &str,
    bytes: &[u8],
    signature: Option<&[u8]>,
) -> Result<Option<VerifiedSigner>, String> {
    let Some(signature) = signature else {
        return Err(rules::no_signature(&format!("{name}.sig"), "is not beside it"));
    };
    let Ok(signers) = SignersFile::new(allowed).current() else { return Ok(None) };
    signers.verify(bytes, &String::from_utf8_lossy(signature), NAMESPACE, Timestamp::now()).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn akunds_user_is_told_by_what_akund_makes_and_not_by_who_made_the_directory_that_takes_files_in() {
        let spool = tempfile::tempdir().unwrap();
        let made = |name: &str, user: u32| {
            std::fs::create_dir(spool.path().join(name)).unwrap();
            std::os::unix::fs::chown(spool.path().join(name), Some(user), None).unwrap();
        };
        made("incoming", 1);
        assert_eq!(own_user(spool.path()), None);
        made("accepted", 2);
        assert_eq!(own_user(spool.path()), Some(2));
    }
}
