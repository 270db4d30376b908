//! Unlinking, beside the work: on a disk that discards what it frees, an unlink can take longer than everything else
//! that is done to a file (3 ms each were measured).

use super::look::open_dir;
use super::name::safe_name;
use crate::durable::explain;
use nix::errno::Errno;
use nix::fcntl::renameat;
use nix::unistd::{UnlinkatFlags, unlinkat};
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{self, JoinHandle};

/// Takes over files that are done with, and removes them. What it has not come to when it is dropped, or at a crash, it
/// removes after the next start: what is in its directory has been acknowledged.
#[derive(Debug)]
pub(super) struct Remover {
    dir: Arc<OwnedFd>,
    number: AtomicU64,
    names: Option<Sender<OsString>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Remover {
    /// On a directory of its own, whose leftovers it begins with.
    pub(super) fn start(path: &Path) -> io::Result<Self> {
        let dir = Arc::new(open_dir(path)?);
        let (names, received) = channel();
        for leftover in fs::read_dir(path).map_err(explain("read the directory", path))? {
            // It is received below; until then the channel holds it.
            let _ = names.send(leftover?.file_name());
        }
        let stop = Arc::new(AtomicBool::new(false));
        let (its_dir, its_stop) = (Arc::clone(&dir), Arc::clone(&stop));
        let thread = thread::Builder::new()
            .name("spool-remover".into())
            .spawn(move || remove_all(&its_dir, &received, &its_stop))
            .map_err(explain("start the thread that empties", path))?;
        Ok(Self { dir, number: AtomicU64::new(0), names: Some(names), stop, thread: Some(thread) })
    }

    /// Takes a file out of a directory, to be removed in a while. A rename, which the caller syncs.
    pub(super) fn take_over(&self, from: &OwnedFd, name: &OsStr) -> io::Result<()> {
        // A number of an earlier run may be there still; that file is to go too.
        let number = OsString::from(self.number.fetch_add(1, Ordering::Relaxed).to_string());
        renameat(from, name, &self.dir, number.as_os_str())?;
        if let Some(names) = &self.names {
            // Only a thread that has died does not receive; then the next start removes it.
            let _ = names.send(number);
        }
        Ok(())
    }
}

impl Drop for Remover {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        self.names = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn remove_all(dir: &OwnedFd, names: &Receiver<OsString>, stop: &AtomicBool) {
    for name in names {
        if stop.load(Ordering::Relaxed) {
            return;
        }
        match unlinkat(dir, name.as_os_str(), UnlinkatFlags::NoRemoveDir) {
            Ok(()) | Err(Errno::ENOENT) => {}
            Err(error) => {
                tracing::warn!(file = safe_name(&name), %error, "cannot remove a file that was taken; trying again at the next start");
            }
        }
    }
}
