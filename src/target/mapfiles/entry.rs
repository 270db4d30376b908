//! One entry of a map, and the lines that it is written as.
//!
//! ```text
//! # akund 0199… humas@example.org until 2027-06-30T17:00:00Z
//! humas@example.org pers@example.org
//! ```
//!
//! The comment is akund's mark: it stands directly above the entry and names it. An entry without it, or with one that names
//! another, is somebody else's. An entry that is itself commented out is **idle**: nobody who reads the map sees it, and its
//! name stays taken. Of a removed account the passwd-file keeps one comment that says where its mail is:
//!
//! ```text
//! # akund-retired 0199… /var/mail/vhosts/example.org/humas
//! ```

use crate::model::{AccountUid, Secret};
use jiff::Timestamp;

const MARK: &[u8] = b"# akund ";
const RETIRED: &[u8] = b"# akund-retired ";
const UNTIL: &str = " until ";
const UID_LENGTH: usize = 36;

/// How lines are read and written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Syntax {
    /// `KEY whitespace VALUE`; lines that begin with whitespace go on with the entry above (postmap(1)).
    Postfix,
    /// `USER:FIELDS`, one line each (Dovecot's passwd-file).
    Passwd,
}

/// What readers make of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// They see it.
    Live,
    /// It is commented out.
    Idle,
    /// It is gone, and its home (the key) is given to nobody else.
    Retired,
}

/// One entry. `Debug` shows no value: a passwd-file's hold hashes.
#[derive(Debug, Clone)]
pub struct Entry {
    /// What it is found under; of somebody else's as it is written.
    pub key: String,
    /// Whose it is; none: somebody else's.
    pub uid: Option<AccountUid>,
    /// All behind the key and what divides them.
    pub value: Secret,
    /// Whether readers see it.
    pub state: State,
    /// From then on it is to be idle; seconds since 1970.
    pub ends_at: Option<i64>,
}

impl Entry {
    /// Whether two would be written alike.
    pub fn same(&self, other: &Self) -> bool {
        (&self.key, self.uid, self.state, self.ends_at) == (&other.key, other.uid, other.state, other.ends_at)
            && self.value.expose() == other.value.expose()
    }

    /// Whether readers find it.
    pub fn is_seen(&self) -> bool {
        self.state == State::Live
    }

    /// Appends its lines. Only akund's own are ever written, and what goes into them has passed [`fits`].
    pub fn write(&self, syntax: Syntax, out: &mut Vec<u8>) {
        let uid = self.uid.map(|uid| uid.to_string()).unwrap_or_default();
        let mark = if self.state == State::Retired { RETIRED } else { MARK };
        for part in [mark, uid.as_bytes(), b" ", self.key.as_bytes()] {
            out.extend_from_slice(part);
        }
        if self.state == State::Retired {
            return out.push(b'\n');
        }
        if let Some(end) = self.ends_at.and_then(|end| Timestamp::from_second(end).ok()) {
            out.extend_from_slice(format!("{UNTIL}{end}").as_bytes());
        }
        out.push(b'\n');
        if self.state == State::Idle {
            out.push(b'#');
        }
        out.extend_from_slice(self.key.as_bytes());
        out.push(if syntax == Syntax::Passwd { b':' } else { b' ' });
        out.extend_from_slice(self.value.expose().as_bytes());
        out.push(b'\n');
    }
}

/// Whether text can stand in a field of either syntax without being taken for anything else.
pub fn fits(text: &str) -> bool {
    !text.is_empty() && !text.contains(|c: char| c.is_whitespace() || c.is_control() || ":%\"\\#,".contains(c))
}

/// A comment of akund's, as it stands in the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark<'t> {
    /// The next line is this account's entry, if it has this key.
    Entry {
        /// Whose.
        uid: &'t [u8],
        /// Of which key.
        key: &'t [u8],
        /// Seconds since 1970.
        ends_at: Option<i64>,
    },
    /// A home that stays somebody's.
    Retired {
        /// Whose.
        uid: &'t [u8],
        /// The directory.
        home: &'t [u8],
    },
}

impl<'t> Mark<'t> {
    /// Reads a line without its end. None: no mark, or one that was edited.
    pub fn read(line: &'t [u8]) -> Option<Self> {
        let (retired, rest) = match (line.strip_prefix(MARK), line.strip_prefix(RETIRED)) {
            (Some(rest), _) => (false, rest),
            (_, Some(rest)) => (true, rest),
            _ => return None,
        };
        let (uid, rest) = rest.split_at_checked(UID_LENGTH)?;
        let rest = rest.strip_prefix(b" ")?;
        if retired {
            return Some(Self::Retired { uid, home: rest });
        }
        let Some(space) = rest.iter().position(|b| *b == b' ') else {
            return Some(Self::Entry { uid, key: rest, ends_at: None });
        };
        let (key, rest) = rest.split_at(space);
        let end: Timestamp = std::str::from_utf8(rest).ok()?.strip_prefix(UNTIL)?.parse().ok()?;
        Some(Self::Entry { uid, key, ends_at: Some(end.as_second()) })
    }
}

/// Key and value of a line with an entry, without its end. A Postfix key may stand in double quotes (since Postfix 3.2).
pub fn split(syntax: Syntax, line: &[u8]) -> (std::borrow::Cow<'_, [u8]>, &[u8]) {
    let at = |place: usize| line.split_at(place.min(line.len()));
    match syntax {
        Syntax::Passwd => match line.iter().position(|b| *b == b':') {
            Some(colon) => (line[..colon].into(), &line[colon + 1..]),
            None => (line.into(), &[]),
        },
        Syntax::Postfix if line.first() == Some(&b'"') => {
            let (key, end) = unquote(line);
            (key.into(), at(end).1.trim_ascii())
        }
        Syntax::Postfix => {
            let (key, value) = at(line.iter().position(u8::is_ascii_whitespace).unwrap_or(line.len()));
            (key.into(), value.trim_ascii())
        }
    }
}

/// The key inside the quotes that a line begins with, and where they end.
fn unquote(line: &[u8]) -> (Vec<u8>, usize) {
    let mut key = Vec::new();
    let mut place = 1;
    while let Some(byte) = line.get(place) {
        match byte {
            b'"' => return (key, place + 1),
            b'\\' => {
                place += 1;
                key.extend(line.get(place));
            }
            other => key.push(*other),
        }
        place += 1;
    }
    (key, line.len())
}

/// The account that a mark names.
pub fn parse_uid(text: &[u8]) -> Option<AccountUid> {
    std::str::from_utf8(text).ok()?.parse().ok().map(AccountUid)
}
