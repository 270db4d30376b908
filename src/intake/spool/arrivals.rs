//! Waiting for files: inotify tells of most at once, a rescan finds the rest.

use super::look::{Listing, Look, open_dir};
use super::queue::{Hint, Limits, Now, Queue, Rules};
use super::{Candidate, Spool, is_record_name};
use futures_util::{FutureExt, StreamExt};
use inotify::{EventMask, EventOwned, EventStream, Inotify, WatchDescriptor, WatchMask};
use jiff::Timestamp;
use std::collections::{HashMap, HashSet};
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// One batch is at most this much; the caller holds all of it in memory.
const LIMITS: Limits = Limits { files: 256, bytes: 32 * 1024 * 1024, big: 1024 * 1024, tracked: 10_000 };
/// Bytes read from inotify at once: about a thousand events.
const EVENT_BUFFER: usize = 64 * 1024;
/// Events looked at before files are offered again.
const EVENTS_AT_ONCE: usize = 4096;

/// Offers the dropped files that are complete. One of it for a [`Spool`].
#[derive(Debug)]
pub struct Arrivals {
    spool: Arc<Spool>,
    queue: Queue,
    watch: Option<Watch>,
    /// By source: its directory, as opened last.
    dirs: Vec<Option<OwnedFd>>,
    /// Sources to be listed.
    due: HashSet<usize>,
    next_rescan: Instant,
}

#[derive(Debug)]
struct Watch {
    stream: EventStream<Vec<u8>>,
    sources: HashMap<WatchDescriptor, usize>,
}

impl Arrivals {
    /// Begins to watch. Must be called in a tokio runtime with I/O and time. Where inotify is not to be had, the rescans do alone.
    pub fn new(spool: Arc<Spool>) -> Self {
        let rules = Rules {
            settle: Duration::from_millis(spool.limits.settle_ms),
            signature_wait: Duration::from_secs(spool.limits.signature_wait_seconds),
        };
        let queue = Queue::new(rules, LIMITS, spool.sources.iter().map(|s| s.signers.is_some()));
        let dirs = spool.sources.iter().map(|_| None).collect();
        let mut arrivals = Self { spool, queue, watch: None, dirs, due: HashSet::new(), next_rescan: Instant::now() };
        for source in 0..arrivals.dirs.len() {
            // What is dropped from here on is told of. A directory that cannot be opened is told of by the first listing.
            let _ = arrivals.watch_source(source);
        }
        arrivals
    }

    /// Waits until files are complete and gives some of them, at most 256 and 32 MiB: the sources in turn, small files first; one
    /// larger than 1 MiB comes alone, and does not hold up small ones. Each stays in hand until the last of candidate, [`super::Dropped`], [`super::Bad`] and
    /// [`super::Seen`] of it is dropped; if it still lies there then, the next rescan finds it again.
    ///
    /// Never empty, never fails: what cannot be read is logged, shown by [`Spool::troubles`] and tried again. Cancel-safe.
    pub async fn next(&mut self) -> Vec<Candidate> {
        loop {
            self.take_events();
            self.look_again();
            self.rescan().await;
            let offered = self.offer();
            if !offered.is_empty() {
                return offered;
            }
            let now = Instant::now();
            let deadline = self.queue.next_deadline(now).map_or(self.next_rescan, |at| at.min(self.next_rescan));
            tokio::select! {
                event = next_event(&mut self.watch) => self.absorb(event),
                () = self.spool.desk.changed.notified() => {}
                () = tokio::time::sleep_until(deadline.into()) => {}
            }
        }
    }

    /// What inotify has now, without waiting.
    fn take_events(&mut self) {
        for _ in 0..EVENTS_AT_ONCE {
            match next_event(&mut self.watch).now_or_never() {
                Some(event) => self.absorb(event),
                None => return,
            }
        }
    }

    /// What changed while it was in hand.
    fn look_again(&mut self) {
        for (source, name) in self.spool.desk.again() {
            self.look(source, &name, None);
        }
    }

    /// Lists what is due. A listing that is not finished, because this future was dropped, stays due.
    async fn rescan(&mut self) {
        let now = Instant::now();
        if now >= self.next_rescan {
            self.due.extend(0..self.dirs.len());
            self.next_rescan = now + Duration::from_secs(self.spool.limits.rescan_seconds);
        }
        self.due.extend((0..self.dirs.len()).filter(|&source| self.queue.wants_listing(source)));
        while let Some(&source) = self.due.iter().next() {
            let watched = self.watch_source(source);
            let spool = Arc::clone(&self.spool);
            let listed = tokio::task::spawn_blocking(move || spool.list(source, LIMITS.tracked)).await;
            let listed = watched.and(listed.map_err(crate::panics::how).unwrap_or_else(|e| Err(io::Error::other(e))));
            self.due.remove(&source);
            self.listed(source, listed);
        }
    }

    /// Watches a source's directory, also one that was made anew. Before it is listed, so that nothing falls between.
    fn watch_source(&mut self, source: usize) -> io::Result<()> {
        self.dirs[source] = None;
        let path = &self.spool.sources[source].dir;
        self.dirs[source] = Some(open_dir(path)?);
        if self.watch.is_none() {
            self.watch = Watch::new();
        }
        if let Some(watch) = &mut self.watch {
            let mask = WatchMask::CREATE
                | WatchMask::MODIFY
                | WatchMask::CLOSE_WRITE
                | WatchMask::MOVED_TO
                | WatchMask::ATTRIB
                | WatchMask::DELETE_SELF
                | WatchMask::MOVE_SELF
                | WatchMask::ONLYDIR
                | WatchMask::DONT_FOLLOW;
            // Adding a directory that is watched gives the same descriptor again (inotify_add_watch(2)).
            match watch.stream.watches().add(path, mask) {
                Ok(descriptor) => {
                    watch.sources.insert(descriptor, source);
                }
                Err(error) => {
                    tracing::warn!(dir = %path.display(), %error, "cannot watch the directory; rescans find what is dropped");
                }
            }
        }
        Ok(())
    }

    fn listed(&mut self, source: usize, listed: io::Result<Listing>) {
        let Listing { mut files, more } = match listed {
            Ok(listing) => listing,
            Err(error) => {
                let source_name = &self.spool.sources[source].config.name;
                if self.spool.desk.trouble(source, Some(format!("source `{source_name}`: {error}"))) {
                    tracing::error!(source = source_name, %error, "cannot look for dropped files; trying again at each rescan");
                }
                return;
            }
        };
        if self.spool.desk.trouble(source, None) {
            tracing::info!(source = self.spool.sources[source].config.name, "the directory can be read again");
        }
        self.queue.set_more(source, more);
        if !more {
            let there: HashSet<&OsStr> = files.iter().map(|(name, _)| name.as_os_str()).collect();
            self.queue.keep_only(source, |name| there.contains(name));
        }
        let now = present();
        files.sort_unstable_by(|(a, at), (b, bt)| (at.identity.changed, a).cmp(&(bt.identity.changed, b)));
        for (name, look) in files {
            self.saw(source, name, look, None, now);
        }
        let dir = &self.dirs[source];
        self.spool
            .desk
            .forget_reports(source, |name| dir.as_ref().is_none_or(|dir| !matches!(Look::at(dir, name), Ok(None))));
    }

    fn absorb(&mut self, event: Option<io::Result<EventOwned>>) {
        let event = match event {
            Some(Ok(event)) => event,
            Some(Err(error)) => {
                tracing::warn!(%error, "the spool's inotify failed; beginning anew at the next rescan");
                self.watch = None;
                return;
            }
            None => {
                self.watch = None;
                return;
            }
        };
        if event.mask.contains(EventMask::Q_OVERFLOW) {
            tracing::info!("more files came than inotify could hold; looking through the spool");
            self.queue.events_lost();
            self.due.extend(0..self.dirs.len());
            return;
        }
        let Some(watch) = &mut self.watch else { return };
        let Some(&source) = watch.sources.get(&event.wd) else { return };
        if event.mask.contains(EventMask::IGNORED) {
            watch.sources.remove(&event.wd);
            self.due.insert(source);
        } else if event.mask.intersects(EventMask::DELETE_SELF | EventMask::MOVE_SELF) {
            self.due.insert(source);
        } else if let Some(name) = event.name {
            self.touched(source, &name, event.mask);
        }
    }

    fn touched(&mut self, source: usize, name: &OsStr, mask: EventMask) {
        if self.spool.is_source_dir(source, name) {
            // Its directory was made anew.
            self.due.extend(name.to_str().and_then(|name| self.spool.source_index(name)));
            return;
        }
        let hint = if mask.contains(EventMask::MOVED_TO) {
            Some(Hint::Moved)
        } else if mask.contains(EventMask::CLOSE_WRITE) {
            Some(Hint::Closed)
        } else if mask.contains(EventMask::MODIFY) {
            Some(Hint::Writing)
        } else {
            None
        };
        if is_record_name(name) || self.spool.awaits_signature(source, name) {
            self.look(source, name, hint);
        }
    }

    fn look(&mut self, source: usize, name: &OsStr, hint: Option<Hint>) {
        let Some(dir) = &self.dirs[source] else { return };
        match Look::at(dir, name) {
            Ok(Some(look)) => self.saw(source, name.to_owned(), look, hint, present()),
            Ok(None) => self.queue.gone(source, name),
            Err(_) => {
                self.due.insert(source);
            }
        }
    }

    fn saw(&mut self, source: usize, name: OsString, look: Look, hint: Option<Hint>, now: Now) {
        if is_record_name(&name) {
            self.queue.see(source, name, look, hint, now);
        } else {
            self.queue.see_signature(source, name, look, hint, now);
        }
    }

    /// What is ready and, at a last look, still as it was. What somebody has in hand is looked at when it is free.
    fn offer(&mut self) -> Vec<Candidate> {
        let mut offered = Vec::new();
        for (source, name, seen) in self.queue.choose(Instant::now()) {
            let Some(dir) = &self.dirs[source] else { continue };
            match Look::at(dir, &name) {
                Ok(None) => {}
                Ok(Some(look)) if look == seen => match self.spool.candidate(source, name.clone(), look) {
                    Some(candidate) => offered.push(candidate),
                    None => self.spool.desk.look_again(source, &name),
                },
                Ok(Some(look)) => self.changed_since(source, name, look),
                Err(_) => {
                    self.due.insert(source);
                }
            }
        }
        offered
    }

    /// Changed without an event having told so yet: its time begins now, whatever it was before.
    fn changed_since(&mut self, source: usize, name: OsString, look: Look) {
        self.queue.see(source, name, look, None, present());
    }
}

impl Watch {
    fn new() -> Option<Self> {
        let stream = Inotify::init().and_then(|inotify| inotify.into_event_stream(vec![0; EVENT_BUFFER]));
        match stream {
            Ok(stream) => Some(Self { stream, sources: HashMap::new() }),
            Err(error) => {
                tracing::warn!(%error, "no inotify (fs.inotify.max_user_instances?); rescans find what is dropped");
                None
            }
        }
    }
}

/// Never comes where nothing is watched.
async fn next_event(watch: &mut Option<Watch>) -> Option<io::Result<EventOwned>> {
    match watch {
        Some(watch) => watch.stream.next().await,
        None => std::future::pending().await,
    }
}

fn present() -> Now {
    let wall = Timestamp::now();
    Now { instant: Instant::now(), wall: (wall.as_second(), i64::from(wall.subsec_nanosecond())) }
}
