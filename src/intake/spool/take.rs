//! Reading one dropped file: once, bounded, without following links, and only if it stood still.

use super::desk::{Lease, Report, StayingWhy};
use super::look::{Identity, Kind, Look, open_dir};
use super::name::{safe_name, signature_name};
use super::{Candidate, Spool, rules};
use crate::durable::explain;
use crate::intake::signature::{NAMESPACE, VerifiedSigner};
use jiff::Timestamp;
use nix::errno::Errno;
use nix::fcntl::{OFlag, openat};
use nix::sys::stat::Mode;
use sha2::{Digest, Sha256};
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;

/// Largest signature taken, bytes; OpenSSH's own have a few hundred.
const SIGNATURE_MAX: u64 = 64 * 1024;

/// What taking a candidate gave.
#[derive(Debug)]
#[must_use]
pub enum Taken {
    /// Bytes with provenance.
    File(Dropped),
    /// Nothing that can be a record: to be rejected.
    Bad(Bad),
    /// Not now: it changed while it was read, its source's allowed signers cannot be read, or it stays where it is and has been
    /// reported. It will be offered again if there is reason to.
    Later,
    /// Its submitter has taken it back.
    Gone,
}

/// A file's bytes, and where they come from.
#[derive(Debug)]
pub struct Dropped {
    /// The source's name: which directory it lay in.
    pub source: String,
    /// Its name, safe to show and to log.
    pub name: String,
    /// Where it lies.
    pub path: PathBuf,
    /// What was read. It may be taken out once the evidence is kept.
    pub bytes: Vec<u8>,
    /// Of `bytes`.
    pub sha256: [u8; 32],
    /// Uid of its owner.
    pub owner: u32,
    /// When it was read.
    pub received: Timestamp,
    /// Who signed it; always there where the source requires signatures. Whether the signer holds an approving role of the
    /// record is the caller's to ask ([`VerifiedSigner::holds`]).
    pub signature: Option<VerifiedSigner>,
    /// For [`Spool::acknowledge`].
    pub seen: Seen,
}

/// What cannot be a record, and why.
#[derive(Debug)]
pub struct Bad {
    /// The source's name.
    pub source: String,
    /// Its name, safe to show and to log.
    pub name: String,
    /// Where it lies.
    pub path: PathBuf,
    /// A sentence for its submitter.
    pub reason: String,
    /// Its content, where it could be read and it was safe to.
    pub bytes: Option<Vec<u8>>,
    /// Uid of its owner.
    pub owner: u32,
    /// For [`Spool::acknowledge`], once the rejection is kept and journaled.
    pub seen: Seen,
}

/// What was seen of a dropped file, and what is to become of it. Keeps the file in hand while it lives.
#[derive(Debug, Clone)]
pub struct Seen {
    pub(super) source: usize,
    pub(super) name: OsString,
    pub(super) identity: Identity,
    pub(super) sidecar: Option<Sidecar>,
    /// Why it stays; `None`: it goes.
    pub(super) stays: Option<StayingWhy>,
    _lease: Arc<Lease>,
}

impl Seen {
    /// The state in which the file was read.
    pub fn identity(&self) -> Identity {
        self.identity
    }
    /// The detached signature as it was read, for the evidence.
    pub fn signature_bytes(&self) -> Option<&[u8]> {
        self.sidecar.as_ref().map(|s| s.bytes.as_slice())
    }
}

/// A detached signature as read.
#[derive(Debug, Clone)]
pub(super) struct Sidecar {
    pub name: OsString,
    pub identity: Identity,
    pub bytes: Vec<u8>,
}

/// What reading a name gave.
enum Content {
    Read(Vec<u8>),
    /// Reason, to follow the name, and whether the thing stays.
    Unfit(String, Option<StayingWhy>),
    Moving,
    Gone,
}

impl Spool {
    /// Reads a candidate, once. `now` is when.
    ///
    /// # Errors
    /// What is wrong on akund's own side (out of descriptors, a disk that cannot be read); the file is offered again at the
    /// next rescan.
    pub fn take(&self, candidate: &Candidate, now: Timestamp) -> io::Result<Taken> {
        let source = &self.sources[candidate.source];
        let dir = open_dir(&source.dir)?;
        let Some(look) = Look::at(&dir, &candidate.name)? else { return Ok(Taken::Gone) };
        let path = source.dir.join(&candidate.name);
        let content = self.read(&dir, &candidate.name, &look, self.limits.max_bytes).map_err(explain("read", &path))?;
        match content {
            Content::Gone => Ok(Taken::Gone),
            Content::Moving => {
                self.desk.look_again(candidate.source, &candidate.name);
                Ok(Taken::Later)
            }
            Content::Unfit(reason, stays) => Ok(self.unfit(candidate, &look, reason, stays)),
            Content::Read(bytes) if !source.owners.contains(&look.owner) => {
                let reason = rules::not_accepted(look.owner, &source.config.name);
                Ok(Taken::Bad(self.bad(candidate, &look, reason, Some(bytes), None)))
            }
            Content::Read(bytes) => self.signed(&dir, candidate, &look, bytes, now),
        }
    }

    /// The bytes, with the signature verified where the source wants one.
    fn signed(&self, dir: &OwnedFd, of: &Candidate, look: &Look, bytes: Vec<u8>, now: Timestamp) -> io::Result<Taken> {
        let mut seen = seen(of, look, None);
        let mut signature = None;
        if let Some(signers) = &self.sources[of.source].signers {
            // The file's state is logged where it is read; until it is good again the record waits.
            let Ok(signers) = signers.current() else { return Ok(Taken::Later) };
            let verified = self.read_signature(dir, of)?.and_then(|sidecar| {
                let text = String::from_utf8_lossy(&sidecar.bytes).into_owned();
                seen.sidecar = Some(sidecar);
                signers.verify(&bytes, &text, NAMESPACE, now)
            });
            match verified {
                Ok(signer) => signature = Some(signer),
                Err(reason) => {
                    let reason = rules::unsigned(&reason);
                    let mut bad = self.bad(of, look, reason, Some(bytes), None);
                    bad.seen = seen;
                    return Ok(Taken::Bad(bad));
                }
            }
        }
        Ok(Taken::File(Dropped {
            source: self.sources[of.source].config.name.clone(),
            name: safe_name(&of.name),
            path: self.sources[of.source].dir.join(&of.name),
            sha256: Sha256::digest(&bytes).into(),
            bytes,
            owner: look.owner,
            received: now,
            signature,
            seen,
        }))
    }

    /// `NAME.sig`; inside, what is wrong with it.
    fn read_signature(&self, dir: &OwnedFd, of: &Candidate) -> io::Result<Result<Sidecar, String>> {
        let name = signature_name(&of.name);
        let shown = safe_name(&name);
        let missing = || {
            let late = format!("did not come within {} s", self.limits.signature_wait_seconds);
            Ok(Err(rules::no_signature(&shown, &late)))
        };
        let path = self.sources[of.source].dir.join(&name);
        let look = match Look::at(dir, &name) {
            Ok(Some(look)) => look,
            Ok(None) => return missing(),
            // A name of 255 bytes has no room for `.sig`.
            Err(e) if e.raw_os_error() == Some(nix::libc::ENAMETOOLONG) => return missing(),
            Err(e) => return Err(explain("look at", &path)(e)),
        };
        Ok(match self.read(dir, &name, &look, SIGNATURE_MAX).map_err(explain("read", &path))? {
            Content::Read(_) if !self.sources[of.source].owners.contains(&look.owner) => {
                Err(format!("`{shown}` belongs to user {}, whom the source does not accept", look.owner))
            }
            Content::Read(bytes) => Ok(Sidecar { name, identity: look.identity, bytes }),
            Content::Unfit(reason, _) => Err(format!("`{shown}` {reason}")),
            Content::Moving => Err(format!("`{shown}` was changed while it was read")),
            Content::Gone => return missing(),
        })
    }

    /// Reads a name that `look` was just made at.
    fn read(&self, dir: &OwnedFd, name: &OsStr, look: &Look, most: u64) -> io::Result<Content> {
        if let Some((reason, stays)) = unfit_kind(look, most) {
            return Ok(Content::Unfit(reason, stays));
        }
        let flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
        let file = match openat(dir, name, flags, Mode::empty()) {
            Ok(fd) => File::from(fd),
            Err(Errno::ENOENT) => return Ok(Content::Gone),
            // Something else has taken the name since.
            Err(Errno::ELOOP | Errno::ENXIO) => return Ok(Content::Moving),
            Err(Errno::EACCES | Errno::EPERM) => {
                let reason = "cannot be read by akund: give its group the right to read it (chmod g+r)";
                return Ok(Content::Unfit(reason.into(), Some(StayingWhy::Unreadable)));
            }
            Err(e) => return Err(e.into()),
        };
        if Look::of(&file)? != *look {
            return Ok(Content::Moving);
        }
        // One byte more than allowed shows a file that grows.
        let mut bytes = Vec::with_capacity(usize::try_from(look.identity.size).unwrap_or(0) + 1);
        (&file).take(most.saturating_add(1)).read_to_end(&mut bytes)?;
        let still = Look::of(&file)? == *look && bytes.len() as u64 == look.identity.size;
        Ok(if still { Content::Read(bytes) } else { Content::Moving })
    }

    fn unfit(&self, candidate: &Candidate, look: &Look, reason: String, stays: Option<StayingWhy>) -> Taken {
        let reported = |why| {
            let report = Report { identity: look.identity, why };
            self.desk.was_reported(candidate.source, &candidate.name, report)
        };
        if let Some(why) = stays.filter(|why| reported(*why)) {
            self.desk.reported(candidate.source, &candidate.name, Report { identity: look.identity, why });
            return Taken::Later;
        }
        Taken::Bad(self.bad(candidate, look, reason, None, stays))
    }

    fn bad(
        &self,
        of: &Candidate,
        look: &Look,
        reason: String,
        bytes: Option<Vec<u8>>,
        stays: Option<StayingWhy>,
    ) -> Bad {
        let name = safe_name(&of.name);
        Bad {
            source: self.sources[of.source].config.name.clone(),
            path: self.sources[of.source].dir.join(&of.name),
            reason: format!("`{name}` {reason}."),
            name,
            bytes,
            owner: look.owner,
            seen: seen(of, look, stays),
        }
    }
}

fn seen(of: &Candidate, look: &Look, stays: Option<StayingWhy>) -> Seen {
    Seen {
        source: of.source,
        name: of.name.clone(),
        identity: look.identity,
        sidecar: None,
        stays,
        _lease: Arc::clone(&of.lease),
    }
}

/// Why a thing is not even opened, to follow its name, and whether it stays where it is.
fn unfit_kind(look: &Look, most: u64) -> Option<(String, Option<StayingWhy>)> {
    let gone = |what: &str| Some((format!("{what}; only regular files with one link are taken"), None));
    match look.kind {
        Kind::File if look.links > 1 => gone(&format!("has {} hard links", look.links)),
        Kind::File if look.identity.size > most => {
            let reason = format!("{}, and stays where it is", rules::too_large(most));
            Some((reason, Some(StayingWhy::TooLarge)))
        }
        Kind::File => None,
        Kind::Directory => {
            let reason = "is a directory and no source of this name is configured; it stays where it is";
            Some((reason.into(), Some(StayingWhy::Directory)))
        }
        Kind::Link => gone("is a symbolic link"),
        Kind::Fifo => gone("is a fifo"),
        Kind::Socket => gone("is a socket"),
        Kind::Device => gone("is a device"),
    }
}
