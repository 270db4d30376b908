//! The end of a dropped file: unlinked, if it still is what was read.

use super::desk::Report;
use super::layout::LEAVING;
use super::look::{Identity, Look, open_dir};
use super::name::{numbered, safe_name};
use super::remover::Remover;
use super::{Seen, Spool};
use crate::durable::explain;
use nix::errno::Errno;
use nix::fcntl::{RenameFlags, renameat, renameat2};
use nix::unistd::{UnlinkatFlags, fsync, unlinkat};
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

/// What became of a dropped file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Parted {
    /// Out of the source's directory, and unlinked in a while.
    Removed,
    /// It was no longer there.
    Gone,
    /// It changed after it was read: it stays, and is taken anew.
    Changed,
    /// It stays where it is, and was noted as reported.
    Stays,
}

impl Spool {
    /// Removes what was read, now that the journal has it: each file and its signature, if they still are the same and unchanged.
    /// What changed meanwhile stays, and is offered again. Each directory is synced once.
    ///
    /// Before its last look each file is renamed into a directory of akund's own, so that nobody can put another in its
    /// place. It is unlinked by a thread of the spool's, after this has returned.
    ///
    /// # Errors
    /// The disk's. What was not reached stays, and is taken again, as a duplicate.
    pub fn acknowledge(&self, files: &[&Seen]) -> io::Result<Vec<Parted>> {
        let mut dirs = BTreeMap::new();
        let mut parted = Vec::with_capacity(files.len());
        for seen in files {
            if let Some(why) = seen.stays {
                self.desk.reported(seen.source, &seen.name, Report { identity: seen.identity, why });
                parted.push(Parted::Stays);
                continue;
            }
            let ways = match dirs.entry(seen.source) {
                std::collections::btree_map::Entry::Occupied(there) => there.into_mut(),
                std::collections::btree_map::Entry::Vacant(new) => new.insert(Ways::open(self, seen.source)?),
            };
            parted.push(self.part(ways, seen)?);
        }
        for (source, ways) in &dirs {
            let path = &self.sources[*source].dir;
            fsync(&ways.from).map_err(io::Error::from).map_err(explain("sync the directory", path))?;
        }
        Ok(parted)
    }

    fn part(&self, ways: &Ways, seen: &Seen) -> io::Result<Parted> {
        let path = self.sources[seen.source].dir.join(&seen.name);
        let parted = ways.part(&seen.name, &seen.identity, &self.remover).map_err(explain("remove", &path))?;
        match parted {
            Parted::Changed => self.desk.look_again(seen.source, &seen.name),
            _ => {
                if let Some(sidecar) = &seen.sidecar {
                    ways.part(&sidecar.name, &sidecar.identity, &self.remover)
                        .map_err(explain("remove the signature of", &path))?;
                }
            }
        }
        Ok(parted)
    }

    /// Puts back what a crash caught on its way out: whether the journal has it is seen when it is taken again.
    pub(super) fn restore_leaving(&self) -> io::Result<()> {
        for source in 0..self.sources.len() {
            let ways = Ways::open(self, source)?;
            let leaving = self.leaving(source);
            let mut names = Vec::new();
            for entry in fs::read_dir(&leaving).map_err(explain("read the directory", &leaving))? {
                names.push(entry?.file_name());
            }
            for name in &names {
                ways.put_back(name).map_err(explain("put back", &leaving.join(name)))?;
                tracing::info!(
                    file = safe_name(name),
                    "put back a dropped file that was on its way out when akund ended"
                );
            }
            if !names.is_empty() {
                fsync(&ways.from).map_err(io::Error::from).map_err(explain("sync", &self.sources[source].dir))?;
            }
        }
        Ok(())
    }

    fn leaving(&self, source: usize) -> std::path::PathBuf {
        self.root.join(LEAVING).join(&self.sources[source].config.name)
    }
}

/// From a source's directory to akund's own.
struct Ways {
    from: OwnedFd,
    to: OwnedFd,
}

impl Ways {
    fn open(spool: &Spool, source: usize) -> io::Result<Self> {
        Ok(Self { from: open_dir(&spool.sources[source].dir)?, to: open_dir(&spool.leaving(source))? })
    }

    fn part(&self, name: &OsStr, identity: &Identity, remover: &Remover) -> io::Result<Parted> {
        match Look::at(&self.from, name)? {
            None => return Ok(Parted::Gone),
            Some(look) if look.identity != *identity => return Ok(Parted::Changed),
            Some(_) => {}
        }
        match rename_anew(&self.from, name, &self.to, name) {
            Ok(()) => {}
            Err(Errno::ENOENT) => return Ok(Parted::Gone),
            // The source's directory is a file system of its own: the look just made has to do.
            Err(Errno::EXDEV) => {
                unlinkat(&self.from, name, UnlinkatFlags::NoRemoveDir)?;
                return Ok(Parted::Removed);
            }
            Err(e) => return Err(e.into()),
        }
        // The rename itself has changed the time of change.
        if Look::at(&self.to, name)?.is_some_and(|look| look.identity.same_content(identity)) {
            remover.take_over(&self.to, name)?;
            return Ok(Parted::Removed);
        }
        self.put_back(name)?;
        Ok(Parted::Changed)
    }

    /// Under its own name, or, where that has been taken since, under a numbered one.
    fn put_back(&self, name: &OsStr) -> io::Result<()> {
        let mut number = 1;
        loop {
            let as_name = if number == 1 { name.to_owned() } else { again_as(name, number) };
            match rename_anew(&self.to, name, &self.from, &as_name) {
                Err(Errno::EEXIST) => number += 1,
                done => return Ok(done?),
            }
        }
    }
}

fn again_as(name: &OsStr, number: u64) -> OsString {
    OsString::from(super::name::fit("", &numbered(&safe_name(name), number), ""))
}

/// A rename that overwrites nothing, where the file system can promise that.
fn rename_anew(from: &OwnedFd, name: &OsStr, to: &OwnedFd, as_name: &OsStr) -> nix::Result<()> {
    match renameat2(from, Path::new(name), to, Path::new(as_name), RenameFlags::RENAME_NOREPLACE) {
        Err(Errno::EINVAL | Errno::ENOSYS) => match Look::at(to, as_name) {
            Ok(None) => renameat(from, name, to, as_name),
            _ => Err(Errno::EEXIST),
        },
        done => done,
    }
}
