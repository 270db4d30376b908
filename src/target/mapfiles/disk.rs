//! The four files on the disk: read together, written together.
//!
//! A map is prepared under a temporary name (text, sync, `postmap`, sync) while readers go on with the old one; then index and
//! text are renamed, and the directory is synced. Postfix reads the index only, so it finds the old map or the new one, whole.
//! An index belongs to its text when both have the same time stamp, to the nanosecond: akund sets it, and so notices an
//! index that a crash, a restored backup or an edit has left behind, and makes it anew.
//!
//! The order is [`Which::ALL`]'s, with the passwd-file once more at the end where names leave it: Postfix never takes mail that
//! Dovecot does not know, and after a crash between any two renames the same batch, applied again, completes the work.

use super::accounts::{Maps, Which};
use super::ledger::{Ledger, Stamp};
use super::postmap::{Postmap, run_command};
use crate::config::target::MapFile;
use crate::model::Fault;
use crate::{crash, durable};
use nix::fcntl::{Flock, FlockArg};
use std::ffi::OsString;
use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, fchown};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// How long another writer's lock is waited for.
const LOCKED: Duration = Duration::from_secs(10);

/// Where the four files are and how they are made.
#[derive(Debug)]
pub struct Disk {
    /// Dovecot's passwd-file.
    pub passwd: PathBuf,
    /// Postfix's maps, in the order of [`Which::ALL`] behind the passwd-file.
    pub maps: [MapFile; 3],
    /// Permission bits.
    pub mode: u32,
    /// Makes indexes.
    pub postmap: Postmap,
    /// Makes Postfix read texthash files again; empty: something else does; none: the configuration does not say.
    pub reload: Option<Vec<String>>,
    /// There must be accounts.
    pub expected: AtomicBool,
}

/// All four as they were read, and what akund remembers of them.
#[derive(Debug)]
pub struct Snapshot {
    texts: [Option<Vec<u8>>; 4],
    /// Which files are there.
    there: [bool; 4],
    /// Whether the index is there and belongs to the text.
    indexed: [bool; 4],
    /// As it was read; saved again with the next writing.
    pub ledger: Ledger,
}

/// What came of writing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Written {
    /// All is in place.
    Done,
    /// Somebody has changed a file since it was read: nothing was written, read again.
    Overtaken,
}

impl Disk {
    /// Where a map's text is.
    pub fn path(&self, which: Which) -> &Path {
        match self.map(which) {
            None => &self.passwd,
            Some(map) => &map.path,
        }
    }

    /// A map of Postfix's.
    pub fn map(&self, which: Which) -> Option<&MapFile> {
        Which::ALL.iter().position(|w| *w == which).and_then(|n| self.maps.get(n.checked_sub(1)?))
    }

    /// Where a map's index is, if its type has one.
    pub fn index(&self, which: Which) -> Option<PathBuf> {
        let map = self.map(which)?;
        Some(index_of(&map.path, map.kind.suffix()?))
    }

    /// The file beside the passwd-file that holds the [`Ledger`].
    pub fn ledger_path(&self) -> PathBuf {
        self.beside("akund-state")
    }

    /// Keeps other writers away as long as it lives.
    ///
    /// # Errors
    /// Transient: it cannot be made, or somebody holds it for long.
    pub fn lock(&self) -> Result<Flock<File>, Fault> {
        let path = self.beside("akund-lock");
        self.make_directories()?;
        let mut options = OpenOptions::new();
        options.create(true).truncate(false).write(true).mode(0o600).custom_flags(nix::libc::O_NOFOLLOW);
        let begun = Instant::now();
        loop {
            let file = options.open(&path).map_err(durable::explain("open", &path)).map_err(|e| self.fault(e))?;
            match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
                Ok(lock) => return Ok(lock),
                Err((_, nix::Error::EWOULDBLOCK)) if begun.elapsed() < LOCKED => {
                    std::thread::sleep(Duration::from_millis(5));
                }
                Err((_, e)) => return Err(self.fault(format!("cannot lock {}: {e}", path.display()))),
            }
        }
    }

    /// Reads everything.
    ///
    /// # Errors
    /// Transient: a file cannot be read, or has lost so much that it is not believed.
    pub fn read(&self) -> Result<Snapshot, Fault> {
        let mut snapshot = Snapshot {
            texts: Default::default(),
            there: [false; 4],
            indexed: [true; 4],
            ledger: Ledger::load(&self.ledger_path()).map_err(|why| self.fault(why))?,
        };
        for (n, which) in Which::ALL.into_iter().enumerate() {
            let path = self.path(which);
            let (text, stamp) = match read_text(path).map_err(|e| self.fault(e))? {
                Some((text, stamp)) => (Some(text), Some(stamp)),
                None => (None, None),
            };
            if let Some(index) = self.index(which) {
                snapshot.indexed[n] = stamp.is_some() && stamp_of(&index) == stamp;
            }
            snapshot.there[n] = text.is_some();
            snapshot.texts[n] = text;
        }
        Ok(snapshot)
    }

    /// Refuses files that have lost more entries than akund took away, or that are gone though there must be accounts.
    ///
    /// # Errors
    /// Transient: what was lost may be on its way back.
    pub fn believe(&self, snapshot: &Snapshot, maps: &Maps) -> Result<(), Fault> {
        Which::ALL.into_iter().zip(snapshot.there).try_for_each(|(which, is_there)| {
            self.believe_one(&snapshot.ledger, which, is_there.then(|| maps.sheet(which).count().entries))
        })
    }

    /// Refuses files that are gone, empty or not to be read though there must be accounts, without reading them.
    ///
    /// # Errors
    /// As [`Self::believe`].
    pub fn are_there(&self) -> Result<(), Fault> {
        let ledger = Ledger::load(&self.ledger_path()).map_err(|why| self.fault(why))?;
        Which::ALL.into_iter().try_for_each(|which| {
            let opened = open_text(self.path(which)).map_err(|e| self.fault(e))?;
            // How many entries there are is known of an empty one only.
            match opened.map(|(_, meta)| meta.len()) {
                Some(1..) => Ok(()),
                length => self.believe_one(&ledger, which, length.map(|_| 0)),
            }
        })
    }

    /// `entries`: how many there are; none: the file is not there.
    fn believe_one(&self, ledger: &Ledger, which: Which, entries: Option<usize>) -> Result<(), Fault> {
        if let Some(doubt) = ledger.doubt(which.as_str(), entries) {
            return Err(self.fault(format!(
                "{} {doubt}; nothing is written, and nothing believed. Put the file back; or, if it is as it should be, \
                 delete {}",
                self.path(which).display(),
                self.ledger_path().display()
            )));
        }
        let needed = matches!(which, Which::Passwd | Which::Mailboxes) && self.expected.load(Ordering::Relaxed);
        if needed && entries.is_none() {
            return Err(self.fault(format!(
                "{} is gone, and the register has accounts here; nothing is written, and nothing believed. Put the file back; \
                 or, if nobody shall be in it, make it, empty",
                self.path(which).display()
            )));
        }
        Ok(())
    }

    /// Writes what differs from the snapshot.
    ///
    /// # Errors
    /// Transient: disk, permissions, `postmap`. Nothing was put in place, or a part that a second try completes.
    pub fn write(&self, snapshot: &mut Snapshot, originals: &Originals, maps: &Maps) -> Result<Written, Fault> {
        let mut staged = Vec::new();
        let written = self.stage_all(snapshot, originals, maps, &mut staged).and_then(|()| {
            if staged.is_empty() {
                return self.reload(snapshot).map(|()| Written::Done);
            }
            crash::point("maps-staged");
            if self.overtaken(originals, maps)? {
                return Ok(Written::Overtaken);
            }
            self.commit(snapshot, maps, &staged)
        });
        if !matches!(written, Ok(Written::Done)) {
            for file in &staged {
                let _ = fs::remove_file(&file.temporary);
            }
        }
        written
    }

    fn stage_all(
        &self,
        snapshot: &mut Snapshot,
        originals: &Originals,
        maps: &Maps,
        staged: &mut Vec<Staged>,
    ) -> Result<(), Fault> {
        let mut last = Vec::new();
        for (n, which) in Which::ALL.into_iter().enumerate() {
            let sheet = maps.sheet(which);
            if !sheet.changed() && originals.there[n] && snapshot.indexed[n] {
                continue;
            }
            if which == Which::Passwd {
                let union = sheet.loses_keys();
                if union {
                    staged.push(self.stage_passwd(&sheet.render_union(), "akund-tmp", &mut snapshot.ledger)?);
                }
                let whole = self.stage_passwd(
                    &sheet.render(),
                    if union { "akund-tmp2" } else { "akund-tmp" },
                    &mut snapshot.ledger,
                )?;
                if union { last.push(whole) } else { staged.push(whole) }
            } else {
                self.stage_map(which, &sheet.render(), staged)?;
            }
        }
        staged.append(&mut last);
        Ok(())
    }

    /// Dovecot reads a passwd-file again when its size or its time stamp in whole seconds differs from what it last saw. So each
    /// writing gets a second of its own, later than any before, even if that is ahead of the clock.
    fn stage_passwd(&self, text: &[u8], suffix: &str, ledger: &mut Ledger) -> Result<Staged, Fault> {
        let now = UNIX_EPOCH.elapsed().map_or(0, |d| d.as_secs() as i64);
        let there = fs::metadata(&self.passwd).map_or(0, |meta| meta.mtime());
        let second = now.max(there + 1).max(ledger.passwd_mtime + 1);
        ledger.passwd_mtime = second;
        let staged = Staged { temporary: self.beside(suffix), path: self.passwd.clone(), point: "maps-passwd" };
        let stamp = UNIX_EPOCH + Duration::from_secs(second.unsigned_abs());
        self.stage_text(&staged, text, Some(stamp))?;
        Ok(staged)
    }

    fn stage_map(&self, which: Which, text: &[u8], staged: &mut Vec<Staged>) -> Result<(), Fault> {
        let path = self.path(which).to_owned();
        let temporary = durable::temporary_name(&path).map_err(|e| self.fault(e))?;
        let text_file = Staged { temporary, path, point: "maps-text" };
        let stamp = self.stage_text(&text_file, text, None)?;
        if let Some((kind, suffix)) = self.map(which).and_then(|map| Some((map.kind, map.kind.suffix()?))) {
            let index = Staged {
                temporary: index_of(&text_file.temporary, suffix),
                path: index_of(&text_file.path, suffix),
                point: "maps-index",
            };
            // postmap would take a leftover of a crash for a map to be opened, and wait for ever for what was begun when the disk was full.
            forget(&index.temporary);
            let made = self.postmap.index(kind, &text_file.temporary);
            let made = made.and_then(|()| self.postmap.holds(kind, &text_file.temporary, text)).map_err(|why| {
                forget(&index.temporary);
                self.fault(why)
            });
            let made = made.and_then(|()| self.finish_index(&index, stamp));
            staged.push(index);
            staged.push(text_file);
            return made;
        }
        staged.push(text_file);
        Ok(())
    }

    /// Written and synced under its temporary name; its time stamp.
    fn stage_text(&self, file: &Staged, text: &[u8], stamp: Option<SystemTime>) -> Result<SystemTime, Fault> {
        let write = || -> io::Result<SystemTime> {
            let opened = durable::stage(&file.temporary, text, self.mode)?;
            keep_group(&opened, &file.path)?;
            if let Some(stamp) = stamp {
                opened.set_modified(stamp)?;
            }
            opened.sync_all().map_err(durable::explain("sync", &file.temporary))?;
            opened.metadata()?.modified()
        };
        write().map_err(|e| {
            let _ = fs::remove_file(&file.temporary);
            self.fault(e)
        })
    }

    /// The index that postmap has made gets mode, group and time stamp of its text, and is synced.
    fn finish_index(&self, index: &Staged, stamp: SystemTime) -> Result<(), Fault> {
        let finish = || -> io::Result<()> {
            let made = OpenOptions::new().read(true).write(true).open(&index.temporary)?;
            made.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(self.mode))?;
            keep_group(&made, &index.path)?;
            made.set_modified(stamp)?;
            made.sync_all()
        };
        finish().map_err(durable::explain("finish", &index.temporary)).map_err(|e| self.fault(e))
    }

    fn overtaken(&self, originals: &Originals, maps: &Maps) -> Result<bool, Fault> {
        for (n, which) in Which::ALL.into_iter().enumerate() {
            let there = originals.there[n].then(|| maps.sheet(which).text());
            if !is_still(self.path(which), there).map_err(|e| self.fault(e))? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn commit(&self, snapshot: &mut Snapshot, maps: &Maps, staged: &[Staged]) -> Result<Written, Fault> {
        // What is about to shrink is noted first, so that a crash does not leave files that nobody believes.
        let mut shrinks = false;
        for which in Which::ALL {
            let sheet = maps.sheet(which);
            let least = sheet.count().entries.min(sheet.count_now());
            shrinks |= least < snapshot.ledger.entries.get(which.as_str()).copied().unwrap_or(0);
            snapshot.ledger.entries.insert(which.as_str().into(), least);
        }
        let path = self.ledger_path();
        let save = |ledger: &Ledger| ledger.save(&path).map_err(|e| self.fault(e));
        if shrinks {
            save(&snapshot.ledger)?;
        }
        for file in staged {
            crash::point(file.point);
            durable::put_in_place(&file.temporary, &file.path).map_err(|e| self.fault(e))?;
        }
        crash::point("maps-placed");
        for which in Which::ALL {
            snapshot.ledger.entries.insert(which.as_str().into(), maps.sheet(which).count_now());
        }
        save(&snapshot.ledger)?;
        self.reload(snapshot)?;
        Ok(Written::Done)
    }

    /// Has Postfix read again what it reads as text only, where that has changed since it was last told to.
    fn reload(&self, snapshot: &mut Snapshot) -> Result<(), Fault> {
        let Some(command) = self.reload.as_ref().filter(|command| !command.is_empty()) else { return Ok(()) };
        let mut stamps = snapshot.ledger.reloaded.clone();
        for which in Which::ALL.into_iter().filter(|which| self.map(*which).is_some() && self.index(*which).is_none()) {
            stamps.insert(which.as_str().into(), stamp_of(self.path(which)).unwrap_or_default());
        }
        if stamps == snapshot.ledger.reloaded {
            return Ok(());
        }
        run_command(command)
            .map_err(|why| self.fault(format!("the maps are written, but Postfix was not reloaded: {why}")))?;
        snapshot.ledger.reloaded = stamps;
        snapshot.ledger.save(&self.ledger_path()).map_err(|e| self.fault(e))
    }

    /// The directories of the four files, where they are missing.
    fn make_directories(&self) -> Result<(), Fault> {
        let searchable = self.mode | ((self.mode & 0o444) >> 2) | 0o100;
        for which in Which::ALL {
            durable::make_dir(durable::parent(self.path(which)), searchable).map_err(|e| self.fault(e))?;
        }
        Ok(())
    }

    fn beside(&self, suffix: &str) -> PathBuf {
        let name = self.passwd.file_name().unwrap_or_default().to_string_lossy();
        self.passwd.with_file_name(format!(".{name}.{suffix}"))
    }

    /// All that goes wrong with files may pass: somebody frees the disk, gives permission, installs a package.
    pub fn fault(&self, why: impl std::fmt::Display) -> Fault {
        Fault::transient(why.to_string())
    }
}

/// Which of the texts were there; the texts themselves are in the sheets.
#[derive(Debug, Clone, Copy)]
pub struct Originals {
    there: [bool; 4],
}

impl Snapshot {
    /// Whether a map is there whose index is not that of its text.
    pub fn is_stale(&self, which: Which) -> bool {
        Which::ALL.iter().position(|w| *w == which).is_some_and(|n| self.texts[n].is_some() && !self.indexed[n])
    }

    /// Hands the texts over; empty ones for files that are not there.
    pub fn take_texts(&mut self) -> ([Vec<u8>; 4], Originals) {
        (std::mem::take(&mut self.texts).map(Option::unwrap_or_default), Originals { there: self.there })
    }
}

#[derive(Debug)]
struct Staged {
    temporary: PathBuf,
    path: PathBuf,
    /// The crash point before its rename.
    point: &'static str,
}

fn index_of(text: &Path, suffix: &str) -> PathBuf {
    let mut name = text.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

fn stamp_of(path: &Path) -> Option<Stamp> {
    fs::metadata(path).ok().map(|meta| (meta.mtime(), meta.mtime_nsec()))
}

/// A text and its time stamp. None: not there.
fn read_text(path: &Path) -> io::Result<Option<(Vec<u8>, Stamp)>> {
    let Some((mut file, meta)) = open_text(path)? else { return Ok(None) };
    let mut text = Vec::with_capacity(usize::try_from(meta.len()).unwrap_or(0) + 1);
    file.read_to_end(&mut text).map_err(durable::explain("read", path))?;
    Ok(Some((text, (meta.mtime(), meta.mtime_nsec()))))
}

/// None: not there. A link is not followed: the rename would replace it and not what it points to.
fn open_text(path: &Path) -> io::Result<Option<(File, Metadata)>> {
    let opened = OpenOptions::new().read(true).custom_flags(nix::libc::O_NOFOLLOW | nix::libc::O_NONBLOCK).open(path);
    let file = match opened {
        Ok(file) => file,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(e) if e.raw_os_error() == Some(nix::libc::ELOOP) => {
            let why = format!("{} is a symbolic link; give akund the name of the file itself", path.display());
            return Err(io::Error::other(why));
        }
        Err(e) => return Err(durable::explain("open", path)(e)),
    };
    let meta = file.metadata().map_err(durable::explain("look at", path))?;
    if !meta.is_file() {
        return Err(io::Error::other(format!("{} is not a file", path.display())));
    }
    Ok(Some((file, meta)))
}

/// Whether a file has this content still; none: it is not there.
fn is_still(path: &Path, content: Option<&[u8]>) -> io::Result<bool> {
    let mut file = match (File::open(path), content) {
        (Ok(file), Some(_)) => file,
        (Err(e), wanted) if e.kind() == io::ErrorKind::NotFound => return Ok(wanted.is_none()),
        (Ok(_), None) => return Ok(false),
        (Err(e), _) => return Err(durable::explain("open", path)(e)),
    };
    let mut rest = content.unwrap_or_default();
    let mut buffer = vec![0; 1 << 16];
    loop {
        let read = file.read(&mut buffer).map_err(durable::explain("read", path))?;
        if read == 0 {
            return Ok(rest.is_empty());
        }
        match rest.strip_prefix(&buffer[..read]) {
            Some(more) => rest = more,
            None => return Ok(false),
        }
    }
}

/// Removes an index that was not finished, and the file of which Berkeley DB makes it: `__db.` and the index's name.
fn forget(index: &Path) {
    let _ = fs::remove_file(index);
    if let Some(name) = index.file_name() {
        let mut begun = OsString::from("__db.");
        begun.push(name);
        let _ = fs::remove_file(index.with_file_name(begun));
    }
}

/// A file that replaces another has its group, if that is not the directory's.
fn keep_group(new: &File, old: &Path) -> io::Result<()> {
    let Ok(old_meta) = fs::symlink_metadata(old) else { return Ok(()) };
    if new.metadata()?.gid() == old_meta.gid() {
        return Ok(());
    }
    fchown(new, None, Some(old_meta.gid())).map_err(durable::explain("keep the group of", old))
}
