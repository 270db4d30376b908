//! Brings to the disk what the writer has committed, on a thread of its own: the writer goes on with the next transaction meanwhile.
//!
//! A commit writes to SQLite's log without waiting for the disk (`synchronous = NORMAL`, with which SQLite itself still syncs the log
//! before anything of it goes into the database). Whoever asked for it is answered once the log is synced here; one sync serves all
//! commits that have gathered. Of a log that could not be synced nobody knows what is on the disk: akund ends then, and finds at its next
//! start what is there.

use super::chain::Head;
use super::shared::{Answer, Committed, Moment, Shared};
use super::witness::Witness;
use crate::durable::{explain, parent, sync_dir};
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::mpsc::Receiver;
use std::time::Instant;
use tokio::sync::watch;

/// What is called to sync the log.
pub type Sync = Box<dyn FnMut() -> io::Result<()> + Send>;

/// A commit of which nobody has been told yet.
pub struct Unsynced {
    /// To those who asked for it.
    pub answers: Vec<Answer>,
    /// Lanes that have something to do by it.
    pub wakes: BTreeSet<String>,
    /// The end of the audit chain with it.
    pub head: Head,
    /// When its transaction began.
    pub begun: Instant,
    /// Nothing could be written before it.
    pub heals: bool,
}

/// The thread's own things.
pub struct Syncer {
    pub shared: Shared,
    pub inbox: Receiver<Unsynced>,
    pub sync: Sync,
    pub head: watch::Sender<Head>,
    pub witness: Witness,
}

impl Syncer {
    /// Until the writer has gone.
    pub fn run(mut self) {
        while let Ok(first) = self.inbox.recv() {
            let commits: Vec<Unsynced> = std::iter::once(first).chain(self.inbox.try_iter()).collect();
            let failed = match (self.sync)() {
                _ if self.shared.is_lost() => Some("an earlier commit could not be brought to the disk".to_owned()),
                Ok(()) => None,
                Err(error) => Some(format!("its log cannot be brought to the disk: {error}")),
            };
            if let Some(cause) = &failed {
                self.lose(cause);
            }
            crate::crash::point("journal-committed");
            for commit in commits {
                self.tell(commit, failed.as_deref());
            }
        }
    }

    fn lose(&self, cause: &str) {
        if self.shared.lose() {
            tracing::error!(journal = %self.shared.path.display(), %cause, "what is on the disk of the journal is not known any more; akund ends");
        }
        self.shared.writable.send_modify(|state| *state = Err(cause.to_owned()));
    }

    fn tell(&mut self, commit: Unsynced, failed: Option<&str>) {
        let Unsynced { answers, wakes, head, begun, heals } = commit;
        let shared = &self.shared;
        if failed.is_none() {
            (shared.observe)(Moment::Committed(Committed { operations: answers.len(), took: begun.elapsed() }));
            self.head.send_if_modified(|stands| std::mem::replace(stands, head) != head);
            if shared.trusted.load(Ordering::Acquire) {
                self.witness.committed(head);
            }
            if heals && shared.writable.send_if_modified(|state| std::mem::replace(state, Ok(())).is_err()) {
                tracing::info!(journal = %shared.path.display(), "the journal can be written again");
                shared.wakers.ring_all();
            }
        } else {
            (shared.observe)(Moment::Failed);
        }
        shared.ends(answers, failed);
        if failed.is_none() {
            shared.wakers.ring(&wakes);
        }
    }
}

/// Syncs the log of the database that is open at `path`: it stays the same file for as long as it is.
///
/// # Errors
/// Where it is not there or cannot be opened.
pub fn of_log(path: &Path) -> io::Result<Sync> {
    let mut name = OsString::from(path);
    name.push("-wal");
    let name = PathBuf::from(name);
    let log = File::open(&name).map_err(explain("open", &name))?;
    sync_dir(parent(&name))?;
    Ok(Box::new(move || log.sync_data()))
}
