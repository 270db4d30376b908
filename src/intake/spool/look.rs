//! Looking at directory entries without following, opening or trusting them.

use crate::durable::explain;
use nix::dir::Dir;
use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, open};
use nix::sys::stat::{FileStat, Mode, SFlag, fstat, fstatat};
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;

/// Which file it is and in which state: what is unlinked must be what was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Identity {
    /// Device number.
    pub dev: u64,
    /// Inode number.
    pub ino: u64,
    /// Bytes.
    pub size: u64,
    /// Last change of the content: seconds since 1970 and nanoseconds. Its owner can set it.
    pub modified: (i64, i64),
    /// Last change of content or attributes, likewise. Set by the kernel alone; a rename changes it.
    pub changed: (i64, i64),
}

impl Identity {
    /// The same file with the same content, as far as can be told after akund itself has renamed it.
    pub(super) fn same_content(&self, other: &Self) -> bool {
        Self { changed: other.changed, ..*self } == *other
    }
}

/// What kind of thing has the name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    File,
    Directory,
    Link,
    Fifo,
    Socket,
    Device,
}

/// One entry, as `lstat` shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Look {
    pub identity: Identity,
    pub kind: Kind,
    pub links: u64,
    pub owner: u32,
}

impl Look {
    fn from_stat(stat: &FileStat) -> Self {
        let kind = match SFlag::from_bits_truncate(stat.st_mode & SFlag::S_IFMT.bits()) {
            SFlag::S_IFREG => Kind::File,
            SFlag::S_IFDIR => Kind::Directory,
            SFlag::S_IFLNK => Kind::Link,
            SFlag::S_IFIFO => Kind::Fifo,
            SFlag::S_IFSOCK => Kind::Socket,
            _ => Kind::Device,
        };
        let identity = Identity {
            dev: stat.st_dev,
            ino: stat.st_ino,
            size: u64::try_from(stat.st_size).unwrap_or(0),
            modified: (stat.st_mtime, stat.st_mtime_nsec),
            changed: (stat.st_ctime, stat.st_ctime_nsec),
        };
        // The width of st_nlink differs between platforms.
        #[allow(clippy::useless_conversion)]
        let links = u64::from(stat.st_nlink);
        Self { identity, kind, links, owner: stat.st_uid }
    }

    /// Of an open file.
    pub(super) fn of(file: impl AsFd) -> io::Result<Self> {
        Ok(Self::from_stat(&fstat(file)?))
    }

    /// Of a name in an open directory, links not followed; `None` if there is no such name.
    pub(super) fn at(dir: &OwnedFd, name: &OsStr) -> io::Result<Option<Self>> {
        match fstatat(dir, name, AtFlags::AT_SYMLINK_NOFOLLOW) {
            Ok(stat) => Ok(Some(Self::from_stat(&stat))),
            Err(Errno::ENOENT) => Ok(None),
            Err(e) => Err(e.into()),
        }
    }
}

/// Opens a directory; a link in its place is an error.
pub(super) fn open_dir(path: &Path) -> io::Result<OwnedFd> {
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    open(path, flags, Mode::empty()).map_err(io::Error::from).map_err(explain("open the directory", path))
}

/// What [`list`] found.
#[derive(Debug, Default)]
pub(super) struct Listing {
    pub files: Vec<(OsString, Look)>,
    /// There are more than were asked for.
    pub more: bool,
}

/// Up to `most` entries of a directory with names that are `wanted` and looks that are `news`, in the directory's own order.
pub(super) fn list(
    path: &Path,
    wanted: impl Fn(&OsStr) -> bool,
    news: impl Fn(&OsStr, &Look) -> bool,
    most: usize,
) -> io::Result<Listing> {
    let dir = open_dir(path)?;
    let mut entries = Dir::from_fd(dir.try_clone()?).map_err(io::Error::from)?;
    let mut listing = Listing::default();
    for entry in entries.iter() {
        let entry = entry.map_err(io::Error::from).map_err(explain("read the directory", path))?;
        let name = OsStr::from_bytes(entry.file_name().to_bytes());
        if !wanted(name) {
            continue;
        }
        if listing.files.len() >= most {
            listing.more = true;
            return Ok(listing);
        }
        if let Some(look) = Look::at(&dir, name)?.filter(|look| news(name, look)) {
            listing.files.push((OsString::from_vec(name.as_bytes().to_vec()), look));
        }
    }
    Ok(listing)
}
