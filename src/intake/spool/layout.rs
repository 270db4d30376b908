//! The spool's directories, their modes and groups, and the sources' rules resolved.

use super::LOCAL;
use super::rules::{self, resolve_owner};
use crate::config::SourceConfig;
use crate::config::SpoolConfig;
use crate::config::source::SignatureRule;
use crate::durable::{explain, make_dir};
use crate::intake::signature::SignersFile;
use nix::fcntl::{Flock, FlockArg};
use nix::unistd::{AccessFlags, access, chown, geteuid};
use std::collections::BTreeSet;
use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Where files are written before they get their names; beside those names, on their file system, and akund's alone.
pub(super) const STAGE: &str = ".stage";
/// Where a dropped file is, out of its submitter's reach, between the last look at it and its end.
pub(super) const LEAVING: &str = ".leaving";

/// Where it waits to be unlinked after that.
pub(super) const GONE: &str = ".gone";

/// A source with its rules resolved.
#[derive(Debug)]
pub(super) struct Source {
    pub config: SourceConfig,
    /// `incoming/` or `incoming/NAME`.
    pub dir: PathBuf,
    pub owners: BTreeSet<u32>,
    /// Where the source needs signatures.
    pub signers: Option<SignersFile>,
}

/// The rules of [`LOCAL`] where the configuration does not give them.
fn implied_local() -> SourceConfig {
    SourceConfig { name: LOCAL.into(), ..SourceConfig::default() }
}

pub(super) fn problems(config: &SpoolConfig, sources: &[SourceConfig]) -> Vec<String> {
    let mut problems = Vec::new();
    if config.path.as_os_str().is_empty() {
        problems.push("spool.path is empty; expected a directory, as /var/spool/akund".into());
    }
    for (name, value) in [("max_bytes", config.max_bytes), ("rescan_seconds", config.rescan_seconds)] {
        if value == 0 {
            problems.push(format!("spool.{name} is 0; expected 1 or more"));
        }
    }
    let mut names = BTreeSet::new();
    for source in sources {
        if !names.insert(&source.name) {
            problems.push(format!("source `{}` is configured twice", source.name));
        }
        problems.extend(source_problems(source));
    }
    problems
}

fn source_problems(source: &SourceConfig) -> Vec<String> {
    let name = source.name.escape_debug();
    let mut problems = Vec::new();
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    if source.name.is_empty()
        || source.name.len() > 64
        || source.name.starts_with('-')
        || !source.name.bytes().all(plain)
    {
        problems.push(format!(
            "source name `{name}` is not allowed; expected 1 to 64 lower-case letters, digits and `-`, not beginning with `-`"
        ));
    }
    problems
        .extend(source.owners.iter().filter_map(|o| resolve_owner(o).err()).map(|e| format!("source `{name}`: {e}")));
    match (source.signature, &source.allowed_signers) {
        (SignatureRule::Required, None) => {
            problems.push(format!("source `{name}` requires signatures but names no file in `allowed_signers`"));
        }
        (SignatureRule::Required, Some(path)) => {
            problems.extend(SignersFile::new(path).current().err().map(|e| format!("source `{name}`: {e}")));
        }
        (SignatureRule::None, _) => {}
    }
    problems
}

/// Makes and checks every directory and takes the lock. The configuration has been found free of [`problems`].
pub(super) fn prepare(root: &Path, sources: &[SourceConfig]) -> io::Result<(Flock<File>, Vec<Source>)> {
    make_dir(root, 0o755)?;
    let lock = lock(root)?;
    let incoming = root.join("incoming");
    // Members of a source's group have to pass through incoming/ to reach their own; they cannot list it.
    let sources: Vec<&SourceConfig> = sources.iter().filter(|source| source.queue.is_none()).collect();
    let shared = sources.iter().any(|s| s.name != LOCAL);
    make_dir(&incoming, if shared { 0o2771 } else { 0o2770 })?;
    for (dir, mode) in [("accepted", 0o750), ("rejected", 0o750), ("outcome", 0o751)] {
        let dir = root.join(dir);
        make_dir(&dir, mode)?;
        require_usable(&dir)?;
        if mode == 0o750 {
            empty_stage(&dir, 0o700)?;
        }
    }
    make_dir(&root.join(GONE), 0o700)?;
    let mut resolved: Vec<Source> = sources.into_iter().map(|s| resolve(s, &incoming)).collect::<io::Result<_>>()?;
    if !resolved.iter().any(|s| s.config.name == LOCAL) {
        resolved.insert(0, resolve(&implied_local(), &incoming)?);
    }
    for source in &resolved {
        make_dir(&source.dir, 0o2770)?;
        require_usable(&source.dir)?;
        make_dir(&root.join(LEAVING).join(&source.config.name), 0o700)?;
        outcome_dir(root, source)?;
    }
    if shared && fs::metadata(&incoming)?.mode() & 0o001 == 0 {
        tracing::warn!(dir = %incoming.display(), "other sources' groups cannot pass through this directory: `chmod o+x` it");
    }
    Ok((lock, resolved))
}

fn resolve(config: &SourceConfig, incoming: &Path) -> io::Result<Source> {
    let owners =
        rules::owners(config, geteuid().as_raw()).map_err(|e| io::Error::new(io::ErrorKind::InvalidInput, e))?;
    let dir = if config.name == LOCAL { incoming.to_owned() } else { incoming.join(&config.name) };
    let signers = match config.signature {
        SignatureRule::Required => config.allowed_signers.as_deref().map(SignersFile::new),
        SignatureRule::None => None,
    };
    Ok(Source { config: config.clone(), dir, owners, signers })
}

/// Two daemons on one spool would put back what the other is about to unlink.
fn lock(root: &Path) -> io::Result<Flock<File>> {
    let path = root.join(".lock");
    let file = File::options()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .custom_flags(nix::libc::O_NOFOLLOW)
        .open(&path)
        .map_err(explain("open the lock", &path))?;
    Flock::lock(file, FlockArg::LockExclusiveNonblock).map_err(|(_, errno)| match errno {
        nix::errno::Errno::EWOULDBLOCK => {
            let why = format!("the spool {} is in use by another akund process", root.display());
            io::Error::new(io::ErrorKind::WouldBlock, why)
        }
        other => explain("lock", &path)(other.into()),
    })
}

/// A real directory that akund can read and change, and that not everybody can write to.
fn require_usable(dir: &Path) -> io::Result<()> {
    let found = fs::symlink_metadata(dir).map_err(explain("look at", dir))?;
    if !found.is_dir() {
        let why = format!("{} is a link or a file; expected a directory", dir.display());
        return Err(io::Error::new(io::ErrorKind::NotADirectory, why));
    }
    if found.mode() & 0o002 != 0 {
        let why = format!("{} can be written by everybody; expected mode 2770 (chmod o-w)", dir.display());
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, why));
    }
    let needed = AccessFlags::R_OK | AccessFlags::W_OK | AccessFlags::X_OK;
    access(dir, needed).map_err(io::Error::from).map_err(explain("read and change the directory", dir))
}

/// Makes the staging directory in `dir`, or empties it of what a crash left.
fn empty_stage(dir: &Path, mode: u32) -> io::Result<()> {
    let stage = dir.join(STAGE);
    make_dir(&stage, mode)?;
    for leftover in fs::read_dir(&stage).map_err(explain("read the directory", &stage))? {
        let leftover = leftover?.path();
        fs::remove_file(&leftover).map_err(explain("remove the leftover", &leftover))?;
    }
    Ok(())
}

/// `outcome/SOURCE`, of the group of the source's own directory, so that submitters can read in it and nobody else can.
fn outcome_dir(root: &Path, source: &Source) -> io::Result<()> {
    let dir = root.join("outcome").join(&source.config.name);
    make_dir(&dir, 0o2750)?;
    require_usable(&dir)?;
    let group = fs::metadata(&source.dir)?.gid();
    if fs::metadata(&dir)?.gid() != group {
        let given = chown(&dir, None, Some(group.into())).map_err(io::Error::from);
        match given.and_then(|()| fs::set_permissions(&dir, Permissions::from_mode(0o2750))) {
            Ok(()) => {}
            Err(error) => tracing::warn!(
                dir = %dir.display(), group, %error,
                "cannot give outcomes to the source's group, which so cannot read them: make akund's user a member of it"
            ),
        }
    }
    // The files get the group from the directory that they are made in.
    empty_stage(&dir, 0o2700)?;
    let stage = dir.join(STAGE);
    if fs::metadata(&stage)?.gid() != fs::metadata(&dir)?.gid() {
        let given = chown(&stage, None, Some(group.into())).map_err(io::Error::from);
        let _ = given.and_then(|()| fs::set_permissions(&stage, Permissions::from_mode(0o2700)));
    }
    Ok(())
}

/// The staging directory of a source's outcomes, made where the source is not (or no longer) a spool directory.
pub(super) fn outcome_stage(root: &Path, component: &str) -> io::Result<PathBuf> {
    let dir = root.join("outcome").join(component);
    make_dir(&dir, 0o2750)?;
    make_dir(&dir.join(STAGE), 0o2700)?;
    Ok(dir)
}
