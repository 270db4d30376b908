//! Which dropped files are complete, and which go first. Pure: told what was seen when, and asked what is ready when.
//!
//! A file is complete when
//! - it was renamed into place: at once;
//! - it was written in place and closed: after a tenth of the settling time, lest a script append to it with the next command;
//! - nobody saw it made (akund was not running, or it was linked): when it has not changed for the settling time;
//! - it was seen being written, or is empty, and was never closed: when it has not changed for 60 settling times.

use super::look::Look;
use super::name::signature_name;
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::time::{Duration, Instant};

/// A big file that others were preferred to this often goes next.
const PASSES_MAX: u32 = 8;
/// For a file that somebody was seen writing and not closing, in settling times.
const PATIENCE: u32 = 60;
/// A file's age before akund saw it counts up to this.
const AGE_MAX: Duration = Duration::from_secs(3600);

/// What the last event told of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hint {
    /// That it is there.
    There,
    /// It is being written.
    Writing,
    /// A writer has closed it.
    Closed,
    /// It was renamed into place.
    Moved,
}

/// How long what takes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rules {
    pub settle: Duration,
    pub signature_wait: Duration,
}

/// How much is offered at once, and how many files of a source are kept in mind.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    pub files: usize,
    pub bytes: u64,
    /// A file larger than this, bytes, is offered alone. Not more than `bytes`.
    pub big: u64,
    pub tracked: usize,
}

/// The present, on both clocks.
#[derive(Debug, Clone, Copy)]
pub(super) struct Now {
    pub instant: Instant,
    /// Seconds since 1970 and nanoseconds, as in file times.
    pub wall: (i64, i64),
}

#[derive(Debug, Clone, Copy)]
struct Tracked {
    look: Look,
    /// Since when the file has been there.
    since: Instant,
    /// Since when it has been as it is.
    unchanged: Instant,
    hint: Hint,
    /// How many files had been seen before it.
    seen: u64,
    /// How often others were preferred.
    passes: u32,
}

#[derive(Debug, Default)]
struct PerSource {
    needs_signature: bool,
    records: BTreeMap<OsString, Tracked>,
    signatures: BTreeMap<OsString, Tracked>,
    more: bool,
}

/// The files that akund knows of and nobody has in hand.
#[derive(Debug)]
pub(super) struct Queue {
    rules: Rules,
    limits: Limits,
    sources: Vec<PerSource>,
    seen: u64,
    turn: usize,
    last_was_big: bool,
}

/// A file that may be offered.
#[derive(Debug, Clone)]
struct Ready {
    /// When the kernel noted its last change (a rename is one). Its clock ticks some hundred times a second: of two that came within
    /// one tick, that which was seen first.
    came: ((i64, i64), u64),
    size: u64,
    passes: u32,
    name: OsString,
}

impl Queue {
    /// One entry of `needs_signature` for each source.
    pub(super) fn new(rules: Rules, limits: Limits, needs_signature: impl Iterator<Item = bool>) -> Self {
        let sources = needs_signature.map(|needs_signature| PerSource { needs_signature, ..Default::default() });
        Self { rules, limits, sources: sources.collect(), seen: 0, turn: 0, last_was_big: false }
    }

    /// A record's file was looked at. `hint`: what an event said, if one did.
    pub(super) fn see(&mut self, source: usize, name: OsString, look: Look, hint: Option<Hint>, now: Now) {
        let (most, seen) = (self.limits.tracked, self.seen);
        self.seen += 1;
        let per_source = &mut self.sources[source];
        per_source.more |= !track(&mut per_source.records, most, (name, seen), look, hint, now);
    }

    /// The same of a signature's file.
    pub(super) fn see_signature(&mut self, source: usize, name: OsString, look: Look, hint: Option<Hint>, now: Now) {
        let (most, seen) = (self.limits.tracked, self.seen);
        self.seen += 1;
        let per_source = &mut self.sources[source];
        per_source.more |= !track(&mut per_source.signatures, most, (name, seen), look, hint, now);
    }

    /// No file has this name any more.
    pub(super) fn gone(&mut self, source: usize, name: &OsStr) {
        self.sources[source].records.remove(name);
        self.sources[source].signatures.remove(name);
    }

    /// A whole listing of the source has been seen: what is not `there` is gone.
    pub(super) fn keep_only(&mut self, source: usize, there: impl Fn(&OsStr) -> bool) {
        self.sources[source].records.retain(|name, _| there(name));
        self.sources[source].signatures.retain(|name, _| there(name));
    }

    /// Events were lost: who closed what is no longer known.
    pub(super) fn events_lost(&mut self) {
        for tracked in self.sources.iter_mut().flat_map(|s| s.records.values_mut().chain(s.signatures.values_mut())) {
            if tracked.hint == Hint::Writing {
                tracked.hint = Hint::There;
            }
        }
    }

    /// There is more in the source's directory than is kept in mind.
    pub(super) fn set_more(&mut self, source: usize, more: bool) {
        self.sources[source].more = more;
    }

    /// Whether the source's directory should be listed again, for what was not kept in mind.
    pub(super) fn wants_listing(&self, source: usize) -> bool {
        let per_source = &self.sources[source];
        per_source.more && per_source.records.len().max(per_source.signatures.len()) <= self.limits.tracked / 2
    }

    /// When the next file that is not ready yet will be, if nothing changes.
    pub(super) fn next_deadline(&self, now: Instant) -> Option<Instant> {
        let all = self.sources.iter().flat_map(|s| s.records.iter().map(|(name, t)| s.ready_at(name, t, &self.rules)));
        all.filter(|at| *at > now).min()
    }

    /// Takes out what is ready, up to the limits: the sources in turn, in each the small files in the order in which they came (a
    /// suspension and then a resumption), and a big file alone when no small one is left, or between two batches of small ones when
    /// it has been passed over for long.
    pub(super) fn choose(&mut self, now: Instant) -> Vec<(usize, OsString, Look)> {
        let rules = self.rules;
        let mut small: Vec<Vec<Ready>> = self.sources.iter_mut().map(|s| s.ready(now, &rules)).collect();
        let big = take_big(&mut small, self.turn, self.limits.big);
        let any_small = small.iter().any(|files| !files.is_empty());
        let picked = match big {
            Some((source, big)) if !any_small || (big.passes >= PASSES_MAX && !self.last_was_big) => {
                self.last_was_big = true;
                vec![(source, big.name)]
            }
            _ => {
                self.last_was_big = false;
                pick(small, self.turn, self.limits)
            }
        };
        self.turn = (self.turn + 1) % self.sources.len().max(1);
        picked.into_iter().filter_map(|(source, name)| self.take_out(source, name)).collect()
    }

    fn take_out(&mut self, source: usize, name: OsString) -> Option<(usize, OsString, Look)> {
        let per_source = &mut self.sources[source];
        let look = per_source.records.remove(&name)?.look;
        per_source.signatures.remove(&signature_name(&name));
        Some((source, name, look))
    }
}

impl PerSource {
    fn ready_at(&self, name: &OsStr, tracked: &Tracked, rules: &Rules) -> Instant {
        let complete = tracked.complete_at(rules);
        if !self.needs_signature {
            return complete;
        }
        match self.signatures.get(&signature_name(name)) {
            Some(signature) => complete.max(signature.complete_at(rules)),
            None => complete.max(tracked.since + rules.signature_wait),
        }
    }

    /// What is ready, which is thereby passed over once more.
    fn ready(&mut self, now: Instant, rules: &Rules) -> Vec<Ready> {
        let is_ready = |name: &OsStr, tracked: &Tracked| self.ready_at(name, tracked, rules) <= now;
        let names: Vec<OsString> = self
            .records
            .iter()
            .filter(|(name, tracked)| is_ready(name, tracked))
            .map(|(name, _)| name.clone())
            .collect();
        let mut ready = Vec::with_capacity(names.len());
        for name in names {
            if let Some(tracked) = self.records.get_mut(&name) {
                let identity = &tracked.look.identity;
                let came = (identity.changed, tracked.seen);
                ready.push(Ready { came, size: identity.size, passes: tracked.passes, name });
                tracked.passes = tracked.passes.saturating_add(1);
            }
        }
        ready
    }
}

impl Tracked {
    fn complete_at(&self, rules: &Rules) -> Instant {
        let empty = self.look.identity.size == 0;
        // `ln` and then `rm` of the other name is a way of renaming: for a moment there are two links.
        let linking = self.look.links > 1;
        let wait = match self.hint {
            Hint::Moved | Hint::Closed | Hint::There if linking => rules.settle,
            Hint::Moved => Duration::ZERO,
            Hint::Closed if empty => rules.settle,
            Hint::Closed => rules.settle / 10,
            Hint::There if !empty => rules.settle,
            Hint::There | Hint::Writing => rules.settle * PATIENCE,
        };
        self.unchanged + wait
    }
}

/// False: there is no room to keep it in mind.
fn track(
    files: &mut BTreeMap<OsString, Tracked>,
    most: usize,
    (name, seen): (OsString, u64),
    look: Look,
    hint: Option<Hint>,
    now: Now,
) -> bool {
    let Some(known) = files.get_mut(&name) else {
        if files.len() >= most {
            return false;
        }
        let since = now.instant.checked_sub(age(&look, now)).unwrap_or(now.instant);
        let hint = hint.unwrap_or(Hint::There);
        files.insert(name, Tracked { look, since, unchanged: since, hint, seen, passes: 0 });
        return true;
    };
    if known.look != look {
        if known.look.identity.ino != look.identity.ino {
            known.since = now.instant;
        }
        known.unchanged = now.instant;
        if known.hint != Hint::Writing {
            known.hint = Hint::There;
        }
        known.look = look;
    }
    known.hint = hint.unwrap_or(known.hint);
    true
}

/// How long ago the kernel noted the last change; none where the clock says that it is still to come.
fn age(look: &Look, now: Now) -> Duration {
    let changed = look.identity.changed;
    let seconds = now.wall.0.saturating_sub(changed.0);
    let nanos = seconds.saturating_mul(1_000_000_000).saturating_add(now.wall.1 - changed.1);
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(0)).min(AGE_MAX)
}

/// Takes all files over `big` bytes out of `ready` and gives the one that is next: passed over most often, then the smallest.
fn take_big(ready: &mut [Vec<Ready>], turn: usize, big: u64) -> Option<(usize, Ready)> {
    let sources = ready.len();
    let mut all = Vec::new();
    for (source, files) in ready.iter_mut().enumerate() {
        all.extend(files.extract_if(.., |file| file.size > big).map(|file| (source, file)));
    }
    let from_turn = |source: usize| (source + sources - turn) % sources;
    all.into_iter()
        .min_by_key(|(source, file)| (std::cmp::Reverse(file.passes.min(PASSES_MAX)), from_turn(*source), file.size))
}

/// Sources in turn from `turn`; in each what came first.
fn pick(mut ready: Vec<Vec<Ready>>, turn: usize, limits: Limits) -> Vec<(usize, OsString)> {
    // The first last, to be popped.
    for files in &mut ready {
        files.sort_unstable_by_key(|file| std::cmp::Reverse(file.came));
    }
    let (mut picked, mut bytes) = (Vec::new(), 0u64);
    let mut open: Vec<usize> = (0..ready.len()).map(|i| (turn + i) % ready.len()).collect();
    while !open.is_empty() {
        open.retain(|&source| {
            let Some(file) = ready[source].pop().filter(|file| fits(file, &picked, bytes, limits)) else {
                return false;
            };
            bytes += file.size;
            picked.push((source, file.name));
            true
        });
    }
    picked
}

fn fits(file: &Ready, picked: &[(usize, OsString)], bytes: u64, limits: Limits) -> bool {
    picked.len() < limits.files && bytes.saturating_add(file.size) <= limits.bytes
}

#[cfg(test)]
#[path = "queue_tests.rs"]
mod tests;
