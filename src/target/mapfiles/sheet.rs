//! The text of one map, and changes to it that leave every other line byte for byte as it is.
//!
//! A map may hold a million entries, and a batch touches few: so the text is gone through once, and only entries that the
//! batch is interested in are taken up. Everything else stays a range of bytes. Pure.

use super::entry::{Entry, Mark, State, Syntax, parse_uid, split};
use crate::model::{AccountUid, Secret};
use std::collections::{HashMap, HashSet};
use std::ops::Range;

/// What a batch must know of a map. Keys, homes and domains are in lower case.
#[derive(Debug, Default, Clone)]
pub struct Interest {
    /// Entries found under these,
    pub keys: HashSet<Vec<u8>>,
    /// entries of these accounts,
    pub uids: HashSet<Vec<u8>>,
    /// entries of a passwd-file with these homes,
    pub homes: HashSet<Vec<u8>>,
    /// how many others are in these domains,
    pub domains: HashSet<Vec<u8>>,
    /// live entries that end by then (seconds since 1970),
    pub ended_by: Option<i64>,
    /// or just everything.
    pub everything: bool,
}

/// How many entries a text has.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Count {
    /// All, live and idle.
    pub entries: usize,
    /// Those with akund's mark.
    pub own: usize,
    /// Marks without their entry: it was edited, moved or deleted by hand.
    pub stray_marks: usize,
}

/// One map's text with the entries of interest.
#[derive(Debug)]
pub struct Sheet {
    syntax: Syntax,
    text: Vec<u8>,
    rows: Vec<Row>,
    others: HashMap<Vec<u8>, usize>,
    next_end_of_others: Option<i64>,
    count: Count,
}

#[derive(Debug)]
struct Row {
    /// Where its lines are; none: it is new.
    place: Option<Range<usize>>,
    was: Option<Entry>,
    now: Option<Entry>,
    /// It goes on in lines of continuation.
    goes_on: bool,
}

impl Row {
    fn changed(&self) -> bool {
        match (&self.was, &self.now) {
            (Some(was), Some(now)) => !was.same(now),
            (None, None) => false,
            _ => true,
        }
    }
}

impl Sheet {
    /// Goes through a text.
    pub fn read(syntax: Syntax, text: Vec<u8>, interest: &Interest) -> Self {
        let mut reader = Reader {
            syntax,
            interest,
            rows: Vec::new(),
            others: HashMap::new(),
            next_end: None,
            count: Count::default(),
            logical: 0,
        };
        reader.go_through(&text);
        let Reader { rows, others, next_end, count, .. } = reader;
        Self { syntax, text, rows, others, next_end_of_others: next_end, count }
    }

    /// How many entries the text had when it was read.
    pub fn count(&self) -> Count {
        self.count
    }

    /// How many entries it has with what was changed since.
    pub fn count_now(&self) -> usize {
        let real = |entry: &Option<Entry>| usize::from(entry.as_ref().is_some_and(|e| e.state != State::Retired));
        self.rows.iter().fold(self.count.entries, |sum, row| sum + real(&row.now) - real(&row.was).min(sum))
    }

    /// The earliest end after `now` of an entry that is live; seconds since 1970.
    pub fn next_end(&self, now: i64) -> Option<i64> {
        let taken_up = self.entries().filter(|entry| entry.is_seen()).filter_map(|entry| entry.ends_at);
        taken_up.chain(self.next_end_of_others).filter(|end| *end > now).min()
    }

    /// The text as it was read.
    pub fn text(&self) -> &[u8] {
        &self.text
    }

    fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.rows.iter().filter_map(|row| row.now.as_ref())
    }

    /// Entries with a key, in whatever case; live and idle ones. The key must have been of interest.
    pub fn named<'s>(&'s self, key: &str) -> impl Iterator<Item = &'s Entry> {
        self.entries().filter(move |entry| entry.state != State::Retired && entry.key.eq_ignore_ascii_case(key))
    }

    /// An account's entries; live and idle ones.
    pub fn of(&self, uid: AccountUid) -> impl Iterator<Item = &Entry> {
        self.entries().filter(move |entry| entry.uid == Some(uid) && entry.state != State::Retired)
    }

    /// Every entry of interest, retired ones too.
    pub fn all(&self) -> impl Iterator<Item = &Entry> {
        self.entries()
    }

    /// How many entries are in a domain, live and idle.
    pub fn in_domain(&self, domain: &str) -> usize {
        let inside = |entry: &&Entry| domain_of(entry.key.as_bytes()).eq_ignore_ascii_case(domain.as_bytes());
        let known = self.entries().filter(|e| e.state != State::Retired).filter(inside).count();
        known + self.others.get(domain.as_bytes()).copied().unwrap_or(0)
    }

    /// Makes these an account's entries, retired ones included, and no others. Its entries keep their places in the text as far as
    /// there are any; more are appended.
    pub fn set(&mut self, uid: AccountUid, wanted: Vec<Entry>) {
        let mut spare: Vec<usize> = (0..self.rows.len())
            .filter(|place| self.rows[*place].now.as_ref().is_some_and(|entry| entry.uid == Some(uid)))
            .collect();
        let mut homeless = Vec::new();
        for entry in wanted {
            let alike = |place: &usize| {
                self.rows[*place].now.as_ref().is_some_and(|e| {
                    e.key == entry.key && (e.state == State::Retired) == (entry.state == State::Retired)
                })
            };
            match spare.iter().position(alike) {
                Some(at) => self.rows[spare.remove(at)].now = Some(entry),
                None => homeless.push(entry),
            }
        }
        for entry in homeless {
            match spare.pop() {
                Some(place) => self.rows[place].now = Some(entry),
                None => self.rows.push(Row { place: None, was: None, now: Some(entry), goes_on: false }),
            }
        }
        for place in spare {
            self.rows[place].now = None;
        }
    }

    /// Whether an entry with a key goes on in further lines.
    pub fn goes_on(&self, key: &str) -> bool {
        let named = |entry: &Option<Entry>| entry.as_ref().is_some_and(|entry| entry.key.eq_ignore_ascii_case(key));
        self.rows.iter().any(|row| row.goes_on && named(&row.now))
    }

    /// Entries of nobody's with a key become an account's; they stay what they say.
    pub fn claim(&mut self, key: &str, uid: AccountUid) {
        let entries = self.rows.iter_mut().filter_map(|row| row.now.as_mut());
        let free = |entry: &&mut Entry| entry.uid.is_none() && entry.state == State::Live;
        for entry in entries.filter(free).filter(|entry| entry.key.eq_ignore_ascii_case(key)) {
            entry.uid = Some(uid);
        }
    }

    /// The reverse of [`Self::claim`].
    pub fn disclaim(&mut self, uid: AccountUid) {
        for row in &mut self.rows {
            if row.was.as_ref().is_some_and(|was| was.uid.is_none())
                && row.now.as_ref().is_some_and(|now| now.uid == Some(uid))
            {
                row.now.clone_from(&row.was);
            }
        }
    }

    /// Whether the text is to be written.
    pub fn changed(&self) -> bool {
        self.rows.iter().any(Row::changed)
    }

    /// Whether a key that was live is not any more.
    pub fn loses_keys(&self) -> bool {
        self.rows.iter().any(Row::loses_its_key)
    }

    /// The text with all changes.
    pub fn render(&self) -> Vec<u8> {
        self.rendered(|row| row.changed())
    }

    /// The text with all changes but those that take a live key away: readers of it find what they found before and what is new.
    pub fn render_union(&self) -> Vec<u8> {
        self.rendered(|row| row.changed() && !row.loses_its_key())
    }

    fn rendered(&self, replaced: impl Fn(&Row) -> bool) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.text.len() + 400 * self.rows.len());
        let mut from = 0;
        let mut appended = Vec::new();
        for row in self.rows.iter().filter(|row| row.changed()) {
            match (&row.place, replaced(row)) {
                (Some(place), true) => {
                    out.extend_from_slice(&self.text[from..place.start]);
                    if let Some(entry) = &row.now {
                        entry.write(self.syntax, &mut out);
                    }
                    from = place.end;
                }
                _ => appended.extend(row.now.as_ref()),
            }
        }
        out.extend_from_slice(&self.text[from..]);
        if !appended.is_empty() && out.last().is_some_and(|last| *last != b'\n') {
            out.push(b'\n');
        }
        for entry in appended {
            entry.write(self.syntax, &mut out);
        }
        out
    }
}

impl Row {
    fn loses_its_key(&self) -> bool {
        let live = |entry: &Option<Entry>| entry.as_ref().filter(|e| e.state == State::Live).map(|e| e.key.clone());
        self.place.is_some() && live(&self.was).is_some_and(|was| live(&self.now).as_ref() != Some(&was))
    }
}

/// What is behind the last `@`; the whole where there is none.
fn domain_of(key: &[u8]) -> &[u8] {
    key.rsplit(|b| *b == b'@').next().unwrap_or(key)
}

struct Reader<'i> {
    syntax: Syntax,
    interest: &'i Interest,
    rows: Vec<Row>,
    others: HashMap<Vec<u8>, usize>,
    next_end: Option<i64>,
    count: Count,
    /// The first row that a line of continuation would go on with.
    logical: usize,
}

struct Line<'t> {
    text: &'t [u8],
    place: Range<usize>,
}

impl Reader<'_> {
    fn go_through(&mut self, text: &[u8]) {
        let mut mark: Option<(Mark<'_>, usize)> = None;
        let mut start = 0;
        while start < text.len() {
            let end = text[start..].iter().position(|b| *b == b'\n').map_or(text.len(), |n| start + n + 1);
            let line =
                Line { text: text[start..end].strip_suffix(b"\n").unwrap_or(&text[start..end]), place: start..end };
            mark = self.line(line, mark.take());
            start = end;
        }
        self.count.stray_marks += usize::from(mark.is_some());
    }

    /// One line, with the mark directly above it. The mark for the next one, if this is one.
    fn line<'t>(&mut self, line: Line<'t>, mark: Option<(Mark<'t>, usize)>) -> Option<(Mark<'t>, usize)> {
        let comment = match self.syntax {
            Syntax::Passwd => line.text.first() == Some(&b'#'),
            Syntax::Postfix => line.text.trim_ascii_start().first() == Some(&b'#'),
        };
        let own = mark.and_then(|(mark, from)| self.own(&line, mark, from, comment));
        if own.is_none() {
            self.count.stray_marks += usize::from(mark.is_some());
        }
        match own {
            Some((entry, place)) => {
                self.logical = if comment { self.logical } else { self.rows.len() };
                self.take(entry, place);
                None
            }
            None if comment => self.comment(&line),
            None if line.text.trim_ascii().is_empty() => None,
            None if self.syntax == Syntax::Postfix && line.text[0].is_ascii_whitespace() => {
                self.continued();
                None
            }
            None => {
                self.foreign(&line);
                None
            }
        }
    }

    /// The line as an entry of akund's, if the mark above it says so.
    fn own<'t>(
        &self,
        line: &Line<'t>,
        mark: Mark<'t>,
        from: usize,
        comment: bool,
    ) -> Option<(Found<'t>, Range<usize>)> {
        let Mark::Entry { uid, key, ends_at } = mark else { return None };
        let (text, state) = if comment { (&line.text[1..], State::Idle) } else { (line.text, State::Live) };
        let divided =
            matches!((self.syntax, text.get(key.len())), (Syntax::Passwd, Some(b':')) | (Syntax::Postfix, Some(b' ')));
        if key.is_empty() || !text.starts_with(key) || !divided || (comment && line.text[0] != b'#') {
            return None;
        }
        let value = &text[key.len() + 1..];
        Some((Found { key: key.into(), uid: Some(uid), value, state, ends_at }, from..line.place.end))
    }

    fn comment<'t>(&mut self, line: &Line<'t>) -> Option<(Mark<'t>, usize)> {
        match Mark::read(line.text)? {
            mark @ Mark::Entry { .. } => Some((mark, line.place.start)),
            Mark::Retired { uid, home } => {
                if self.interest.uids.contains(uid) || self.interest.homes.contains(home) {
                    let found =
                        Found { key: home.into(), uid: Some(uid), value: b"", state: State::Retired, ends_at: None };
                    self.rows.push(found.row(line.place.clone()));
                }
                None
            }
        }
    }

    fn foreign(&mut self, line: &Line<'_>) {
        let (key, value) = split(self.syntax, line.text);
        self.logical = self.rows.len();
        self.take(Found { key, uid: None, value, state: State::Live, ends_at: None }, line.place.clone());
    }

    fn take(&mut self, found: Found<'_>, place: Range<usize>) {
        self.count.entries += 1;
        self.count.own += usize::from(found.uid.is_some());
        let lower = found.key.to_ascii_lowercase();
        let ended = |by: i64| found.state == State::Live && found.ends_at.is_some_and(|end| end <= by);
        let home =
            || self.syntax == Syntax::Passwd && found.home().is_some_and(|home| self.interest.homes.contains(home));
        if self.interest.everything
            || self.interest.keys.contains(&lower)
            || found.uid.is_some_and(|uid| self.interest.uids.contains(uid))
            || self.interest.ended_by.is_some_and(ended)
            || home()
        {
            self.rows.push(found.row(place));
            return;
        }
        if found.state == State::Live {
            self.next_end = [self.next_end, found.ends_at].into_iter().flatten().min();
        }
        let domain = domain_of(&lower);
        if self.interest.domains.contains(domain) {
            *self.others.entry(domain.to_owned()).or_default() += 1;
        }
    }

    /// A line of continuation: an entry that akund wrote has none, so what it goes on with was edited and is not akund's.
    fn continued(&mut self) {
        for row in &mut self.rows[self.logical..] {
            row.goes_on = true;
            for entry in [&mut row.was, &mut row.now].into_iter().flatten().filter(|e| e.state != State::Retired) {
                entry.uid = None;
            }
        }
    }
}

/// An entry as it stands in the text.
struct Found<'t> {
    key: std::borrow::Cow<'t, [u8]>,
    uid: Option<&'t [u8]>,
    value: &'t [u8],
    state: State,
    ends_at: Option<i64>,
}

impl Found<'_> {
    /// The home in a line of a passwd-file: the fifth field behind the user.
    fn home(&self) -> Option<&[u8]> {
        self.value.split(|b| *b == b':').nth(4)
    }

    fn row(&self, place: Range<usize>) -> Row {
        let entry = Entry {
            key: String::from_utf8_lossy(&self.key).into_owned(),
            uid: self.uid.and_then(parse_uid),
            value: Secret::new(String::from_utf8_lossy(self.value)),
            state: self.state,
            ends_at: self.ends_at,
        };
        Row { place: Some(place), was: Some(entry.clone()), now: Some(entry), goes_on: false }
    }
}
