//! The one writer: a thread that commits what has gathered in one transaction.
//!
//! An operation is a closure over `Tx`. The writer begins a transaction, runs every operation that waits (each in a
//! savepoint, so that one that fails takes nothing of another with it), and commits. They are answered once that is on the disk, by
//! `super::sync`, while the writer goes on. If the commit fails, all of them failed.
//!
//! A full or read-only disk does not end the writer: the operations are answered with
//! [`JournalError::Unwritable`], the `writable` watch turns to the cause, and a small write is tried every two seconds until
//! one succeeds.

use super::chain::Head;
use super::restored::{self, Hold, Suspicion};
use super::shared::{Answer, Moment, Observe, Shared, Wakers};
use super::sync::{self, Sync, Syncer, Unsynced};
use super::tx::{Memory, Tx};
use super::witness::Witness;
use super::{JournalError, schema};
use rusqlite::{Connection, OpenFlags};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};
use tokio::sync::{Notify, oneshot, watch};
use tokio_util::sync::CancellationToken;

/// Most operations in one commit: bounds how long the first one waits for its answer.
const MOST_OPERATIONS: usize = 64;
/// How often an unwritable journal is tried again, and an idle writer looks whether the log was lost.
const PROBE: Duration = Duration::from_secs(2);

/// How a journal is opened.
#[derive(Debug, Clone)]
pub struct OpenOptions {
    /// The SQLite file; made with mode 0640 if missing.
    pub path: PathBuf,
}

/// A handle on the writer; cheap to clone.
#[derive(Clone)]
pub struct Journal {
    jobs: Sender<Job>,
    path: Arc<Path>,
    wakers: Wakers,
    writable: watch::Receiver<Result<(), String>>,
    head: watch::Receiver<Head>,
    suspicion: Option<Suspicion>,
    /// False until what is suspected of the journal is durable in it.
    trusted: Arc<AtomicBool>,
    hold: Arc<watch::Sender<Option<Hold>>>,
}

/// Runs in the transaction; without one (it could not begin) it only makes its answer.
type Job = Box<dyn FnOnce(Option<&mut Tx<'_>>) -> Answer + Send>;
impl Journal {
    /// As [`Self::open_watched`], with nothing kept elsewhere.
    ///
    /// # Errors
    /// As [`Self::open_watched`].
    pub fn open(
        options: &OpenOptions,
        observe: impl Fn(Moment) + Send + std::marker::Sync + 'static,
    ) -> Result<(Self, std::thread::JoinHandle<()>), JournalError> {
        Self::open_watched(options, &[], observe)
    }

    /// Opens or makes the journal, migrates it, and starts the writer's thread. `observe` hears of each transaction. How far the
    /// journal is, is noted beside it and in the files `elsewhere`, too; whether it is what they say, is for
    /// [`Self::recognise`].
    ///
    /// # Errors
    /// [`JournalError::Unusable`] for a journal of a newer akund, one that another akund has open, or no journal at all.
    pub fn open_watched(
        options: &OpenOptions,
        elsewhere: &[PathBuf],
        observe: impl Fn(Moment) + Send + std::marker::Sync + 'static,
    ) -> Result<(Self, std::thread::JoinHandle<()>), JournalError> {
        Self::open_syncing(options, elsewhere, Box::new(observe), sync::of_log)
    }

    /// As [`Self::open_watched`]; `sync` gives what brings the log of the database at a path to the disk.
    pub(super) fn open_syncing(
        options: &OpenOptions,
        elsewhere: &[PathBuf],
        observe: Box<Observe>,
        sync: impl FnOnce(&Path) -> std::io::Result<Sync>,
    ) -> Result<(Self, std::thread::JoinHandle<()>), JournalError> {
        let path: Arc<Path> = options.path.as_path().into();
        let lock = lock(&path)?;
        let mut connection = connect(&path)?;
        schema::migrate(&mut connection, &path)?;
        let memory = Memory::load(&connection)?;
        let witness = Witness::at(&path, elsewhere);
        let suspicion = Suspicion::of(&connection, memory.head, witness.look(&connection)?)?;
        let trusted = Arc::new(AtomicBool::new(suspicion.is_none()));
        let hold = Arc::new(watch::Sender::new(restored::hold(&connection)?));
        let unusable = |cause: String| JournalError::Unusable { path: path.to_path_buf(), cause };
        let sync = sync(&path).map_err(|error| unusable(error.to_string()))?;
        // From here on the log is synced beside.
        connection.pragma_update(None, "synchronous", "NORMAL")?;
        let (jobs, inbox) = channel();
        let (writable_tx, writable) = watch::channel(Ok(()));
        let (head_tx, head) = watch::channel(memory.head);
        let wakers = Wakers::default();
        let shared = Shared::new(path.clone(), wakers.clone(), writable_tx, observe, trusted.clone());
        let (committed, commits) = channel();
        let syncer = Syncer { shared: shared.clone(), inbox: commits, sync, head: head_tx, witness };
        let writer = Writer { connection, memory, inbox, shared, committed };
        let thread = |name: &str, run: Box<dyn FnOnce() + Send>| {
            std::thread::Builder::new()
                .name(name.into())
                .spawn(run)
                .map_err(|error| JournalError::Internal(format!("its thread could not be started: {error}")))
        };
        let syncing = thread("journal-sync", Box::new(|| syncer.run()))?;
        let writing = move || {
            writer.run(syncing);
            drop(lock);
        };
        let thread = thread("journal", Box::new(writing))?;
        Ok((Self { jobs, path, wakers, writable, head, suspicion, trusted, hold }, thread))
    }

    /// Runs an operation in the next transaction; its answer comes after the commit. It is in the writer's queue when this
    /// returns, before the future is first polled: operations run in the order in which they were called.
    pub(super) fn call<R, F>(&self, operation: F) -> impl Future<Output = Result<R, JournalError>> + use<R, F>
    where
        R: Send + 'static,
        F: FnOnce(&mut Tx<'_>) -> Result<R, JournalError> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let job: Job = Box::new(move |tx| {
            let result = tx.map_or(Err(JournalError::Closed), |tx| tx.savepoint(operation));
            Box::new(move |committed: Result<(), JournalError>| {
                // A caller that has gone needs no answer.
                let _ = reply.send(committed.and(result));
            })
        });
        let sent = self.jobs.send(job).map_err(|_| JournalError::Closed);
        async move {
            sent?;
            answer.await.map_err(|_| JournalError::Closed)?
        }
    }

    /// The bell that rings when a lane has a step to claim.
    pub fn bell(&self, lane: &str) -> Arc<Notify> {
        self.wakers.of(lane)
    }

    /// Waits until all that a reader has seen so far is on the disk.
    ///
    /// # Errors
    /// Where it cannot be brought there.
    pub async fn on_disk(&self) -> Result<(), JournalError> {
        self.call(|_| Ok(())).await
    }

    /// Rings every lane's bell.
    pub fn ring_all(&self) {
        self.wakers.ring_all();
    }

    /// Whether the last write succeeded; else why not.
    pub fn writable(&self) -> watch::Receiver<Result<(), String>> {
        self.writable.clone()
    }

    /// The head of the audit chain, as committed.
    pub fn head(&self) -> Head {
        *self.head.borrow()
    }

    /// Why the journal was not taken for what it was when it was opened, if it was not.
    pub(super) fn suspicion(&self) -> Option<Suspicion> {
        self.suspicion.filter(|_| !self.trusted.load(Ordering::Acquire))
    }

    /// Whether [`Self::recognise`] has something to do.
    pub fn is_suspect(&self) -> bool {
        self.suspicion().is_some()
    }

    /// What was suspected is durable in the journal now.
    pub(super) fn trust(&self, hold: Option<Hold>) {
        self.trusted.store(true, Ordering::Release);
        self.holds(hold);
    }

    /// What holds everything, as just committed.
    pub(super) fn holds(&self, hold: Option<Hold>) {
        self.hold.send_if_modified(|stands| std::mem::replace(stands, hold) != *stands);
    }

    /// Whether everything is paused since the journal was put back; and why.
    pub fn hold(&self) -> watch::Receiver<Option<Hold>> {
        self.hold.subscribe()
    }

    /// Waits until nothing holds everything any more; false: `end` came first.
    pub async fn released(&self, end: &CancellationToken) -> bool {
        let mut hold = self.hold();
        tokio::select! {
            () = end.cancelled() => false,
            // The sender lives in `self`.
            released = hold.wait_for(Option::is_none) => released.is_ok(),
        }
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// The file beside the journal that says that an akund has it open.
pub(super) fn lock(path: &Path) -> Result<std::fs::File, JournalError> {
    use std::os::unix::fs::OpenOptionsExt;
    let name = path.with_extension("lock");
    let unusable = |cause: String| JournalError::Unusable { path: path.to_owned(), cause };
    let file = std::fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o640)
        .open(&name)
        .map_err(|error| unusable(format!("its lock {} cannot be opened: {error}", name.display())))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(std::fs::TryLockError::WouldBlock) => {
            Err(unusable(format!("another akund has it open (it holds {})", name.display())))
        }
        Err(std::fs::TryLockError::Error(error)) => {
            Err(unusable(format!("its lock {} cannot be taken: {error}", name.display())))
        }
    }
}

/// Opens the database for writing with full sync.
fn connect(path: &Path) -> Result<Connection, JournalError> {
    let unusable = |error: rusqlite::Error| JournalError::Unusable {
        path: path.to_owned(),
        cause: format!("it cannot be opened: {error}"),
    };
    {
        use std::os::unix::fs::OpenOptionsExt;
        // SQLite would make it with the umask's mode; its -wal and -shm take the mode of this file.
        let _ = std::fs::OpenOptions::new().append(true).create(true).mode(0o640).open(path);
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(unusable)?;
    connection.busy_timeout(Duration::from_secs(10)).map_err(unusable)?;
    connection
        .execute_batch(
            // Until somebody else syncs the log.
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA secure_delete = ON;
             PRAGMA foreign_keys = OFF; PRAGMA temp_store = MEMORY; PRAGMA cache_size = -8192;
             PRAGMA wal_autocheckpoint = 8000; PRAGMA journal_size_limit = 67108864; PRAGMA mmap_size = 0;",
        )
        .map_err(unusable)?;
    connection.set_prepared_statement_cache_capacity(128);
    Ok(connection)
}

struct Writer {
    connection: Connection,
    memory: Memory,
    inbox: Receiver<Job>,
    shared: Shared,
    committed: Sender<Unsynced>,
}

impl Writer {
    fn run(mut self, syncing: std::thread::JoinHandle<()>) {
        while !self.shared.is_lost() {
            let writable = self.shared.writable.borrow().is_ok();
            let first = match self.inbox.recv_timeout(PROBE) {
                Ok(job) => Some(job),
                // A look whether the log was lost meanwhile.
                Err(RecvTimeoutError::Timeout) if writable => continue,
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => break,
            };
            let mut batch: Vec<Job> = first.into_iter().collect();
            // That a turn which changed nothing was committed does not show that something can be written.
            if !writable {
                batch.push(Box::new(|tx| {
                    let _ = tx.map(|tx| tx.savepoint(|tx| tx.touch()));
                    Box::new(|_| ())
                }));
            }
            batch.extend(self.inbox.try_iter().take(MOST_OPERATIONS - 1));
            self.commit(batch, !writable);
        }
        drop(self.committed);
        if syncing.join().is_ok() && !self.shared.is_lost() {
            let _ = self.connection.execute_batch("PRAGMA optimize; PRAGMA wal_checkpoint(TRUNCATE)");
        }
    }

    /// `heals`: nothing could be written before.
    fn commit(&mut self, batch: Vec<Job>, heals: bool) {
        let begun = Instant::now();
        self.shared.begins();
        let (before, latest) = (self.memory.head, self.memory.latest);
        let mut answers = Vec::with_capacity(batch.len());
        let mut wakes = BTreeSet::new();
        if let Err(error) = self.transaction(batch, &mut answers, &mut wakes) {
            (self.shared.observe)(Moment::Failed);
            if !self.connection.is_autocommit() {
                let _ = self.connection.execute_batch("ROLLBACK");
            }
            self.memory.put_back(before, latest);
            let cause = error.to_string();
            let news = |state: &mut Result<(), String>| std::mem::replace(state, Err(cause.clone())).is_ok();
            if self.shared.writable.send_if_modified(news) {
                tracing::error!(journal = %self.shared.path.display(), %cause, "the journal cannot be written; nothing is taken until it can");
            }
            self.shared.ends(answers, Some(&cause));
            return;
        }
        let commit = Unsynced { answers, wakes, head: self.memory.head, begun, heals };
        if let Err(unsynced) = self.committed.send(commit) {
            self.shared.ends(unsynced.0.answers, Some("what brings it to the disk has ended"));
        }
    }

    fn transaction(
        &mut self,
        batch: Vec<Job>,
        answers: &mut Vec<Answer>,
        wakes: &mut BTreeSet<String>,
    ) -> Result<(), rusqlite::Error> {
        if let Err(error) = self.connection.execute_batch("BEGIN IMMEDIATE") {
            answers.extend(batch.into_iter().map(|job| job(None)));
            return Err(error);
        }
        let mut tx = Tx::new(&self.connection, &mut self.memory, wakes);
        if let Err(error) = tx.mind_clock() {
            tracing::error!(%error, "what waits to be repeated could not be looked at");
        }
        answers.extend(batch.into_iter().map(|job| job(Some(&mut tx))));
        if let Some(error) = tx.fatal.take() {
            return Err(error);
        }
        crate::crash::point("journal-before-commit");
        self.connection.execute_batch("COMMIT")
    }
}
