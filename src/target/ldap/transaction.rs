//! Transactions (RFC 5805): operations that are carried out all together or not at all.
//!
//! slapd (2.5 and 2.6, servers/slapd/txn.c) answers an operation of a transaction before its thread is through with it, and frees it
//! at the end: an end that comes while a thread still has one lets slapd crash (seen with 2.5.13 and 2.5.19, `ldapadd -E txn=commit`
//! beside busy processors). What an operation touches last is its connection's count of operations under way, which `cn=Monitor`
//! shows ([`Through::Shown`]): once it is down to the question itself, no thread has anything left.
//!
//! Where slapd logs what is written (overlay accesslog), a transaction and any other writing at the same moment can each wait for what the
//! other has (2.5.13: the overlay's mutex, mdb's write lock), and nothing is ever written again: no transactions there, whoever asks
//! for them.

use super::batch::{Outcome, each};
use super::connection::{Lost, Session, said};
use super::entry::Entry;
use super::name::{Attribute, Dn, Filter};
use super::operation::Operation;
use super::server;
use ldap3::controls::RawControl;
use ldap3::exop::Exop;
use ldap3::{LdapResult, Scope};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// The control that puts an operation into a transaction.
const SPECIFICATION: &str = "1.3.6.1.1.21.2";
/// Where the Monitor shows connections (slapd-monitor(5)).
const CONNECTIONS: &str = "cn=Connections,cn=Monitor";
/// Operations that a connection has sent, and those of them that a thread still has.
const RECEIVED: &str = "monitorConnectionOpsReceived";
const EXECUTING: &str = "monitorConnectionOpsExecuting";

/// What of the root DSE says whether transactions can be used.
pub const ROOT: [&str; 2] = ["supportedExtension", "namingContexts"];

/// Looks until it is plain which of several connections is akund's own.
const LOOKS: u64 = 8;
/// From the last answer inside a transaction to its end, where nothing shows when slapd is through. A guess.
const LULL: Duration = Duration::from_millis(50);
/// Between two looks at the Monitor: doubled with each.
const LOOK_AGAIN: Duration = Duration::from_micros(500);
/// How long a connection with an unfinished transaction is kept for slapd's sake.
const KEPT_OPEN: Duration = Duration::from_secs(600);

/// How it is known that the server is through with the operations of a transaction that it has answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Through {
    /// Shown at this entry, which is akund's connection.
    Shown(String),
    /// Not at all: after a while.
    Assumed,
}

/// Whether batches go in transactions on a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Use {
    /// They do.
    Together(Through),
    /// They do not.
    Singly(Why),
}

/// Why batches go entry by entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// The server knows no transactions.
    NotOffered,
    /// Nobody has asked for them.
    NotAskedFor,
    /// slapd keeps a log of what is written.
    Logged,
    /// akund does not see whether it does.
    LogNotShown,
}

/// What is to be seen of a server on a new connection.
#[derive(Debug, Clone, Default)]
struct Seen {
    /// It offers transactions.
    offered: bool,
    /// It logs what is written; none: that is not to be seen.
    logged: Option<bool>,
    /// The entry at the Monitor that is this connection.
    shown: Option<String>,
}

impl Use {
    /// How transactions go, where batches do; none any more once they have been `doubted`.
    pub fn together<'a>(&'a self, doubted: &'a AtomicBool) -> Option<Transactions<'a>> {
        match self {
            Self::Together(through) if !doubted.load(Ordering::Relaxed) => Some(Transactions { through, doubted }),
            Self::Together(_) | Self::Singly(_) => None,
        }
    }

    fn decide(asked_for: bool, seen: Seen) -> Self {
        match (seen.logged, seen.shown) {
            _ if !seen.offered => Self::Singly(Why::NotOffered),
            _ if !asked_for => Self::Singly(Why::NotAskedFor),
            (Some(true), _) => Self::Singly(Why::Logged),
            (None, _) => Self::Singly(Why::LogNotShown),
            (_, None) => Self::Together(Through::Assumed),
            (_, Some(entry)) => Self::Together(Through::Shown(entry)),
        }
    }

    /// Looks what the server offers on a new connection to write below `base`. `root` has [`ROOT`].
    pub async fn on(session: &mut Session, root: &Entry, asked_for: bool, base: &Dn) -> Self {
        let offered = root.texts(&Attribute::known("supportedExtension")).any(|oid| oid == server::TRANSACTION_START);
        let mut seen = Seen { offered, ..Seen::default() };
        // Nobody looks for what is not going to be used.
        if offered && asked_for {
            seen.logged = is_logged(session, root, base).await;
            seen.shown = own_entry(session).await;
        }
        Self::decide(asked_for, seen)
    }
}

/// Whether what is written below a base is logged (slapo-accesslog(5): `auditContext` at the database's suffix). None where that entry
/// is not shown.
async fn is_logged(session: &mut Session, root: &Entry, base: &Dn) -> Option<bool> {
    let (base, naming) = (base.key(), Attribute::known("namingContexts"));
    let contexts = root.texts(&naming).filter_map(|context| Dn::parse(context).ok());
    let around = contexts.filter(|context| base == context.key() || base.ends_with(&format!(",{}", context.key())));
    let suffix = around.max_by_key(|context| context.key().len())?;
    let (audit, id) = (Attribute::known("auditContext"), Attribute::known("entryUUID"));
    let entry = session.entry(suffix.as_str(), &[audit.as_str(), id.as_str()]).await.ok()??;
    let has = |attribute| !entry.values(attribute).is_empty();
    (has(&audit) || has(&id)).then(|| has(&audit))
}

/// The entry at the Monitor that is this connection; none where it is not shown, as behind a proxy that changes addresses.
///
/// By its address and port. Connections of a Unix socket all have one name: of them, this one has received exactly as many operations
/// from one look to the next as were sent, a further one with each look. Others may have been as busy, but not again and again.
async fn own_entry(session: &mut Session) -> Option<String> {
    let mut before = shown(session).await;
    for more in 0..LOOKS {
        for _ in 0..more {
            session.entry("", &["1.1"]).await.ok()?;
        }
        let now = shown(session).await;
        let mut left = grown(&before, now, more + 1);
        if left.len() <= 1 {
            return left.pop().map(|(entry, _)| entry);
        }
        before = left;
    }
    None
}

/// Those that were there before, and have received this many operations since.
fn grown(before: &[(String, u64)], now: Vec<(String, u64)>, by: u64) -> Vec<(String, u64)> {
    let has_grown =
        |(dn, received): &(String, u64)| before.iter().any(|(other, was)| other == dn && was + by == *received);
    now.into_iter().filter(has_grown).collect()
}

/// What may be this connection, and how many operations it has received.
async fn shown(session: &mut Session) -> Vec<(String, u64)> {
    let address = Attribute::known("monitorConnectionPeerAddress");
    let filter = match session.peer_name() {
        Some(name) => Filter::equal(&address, name.as_bytes()),
        None => Filter::begins(&address, b"PATH="),
    };
    let found = session.search(CONNECTIONS, Scope::OneLevel, filter.as_str(), &[RECEIVED]).await.unwrap_or_default();
    found.iter().filter_map(|e| Some((e.dn.to_string(), e.text(RECEIVED)?.parse().ok()?))).collect()
}

/// Why the wait for the server came to nothing.
enum NotThrough {
    /// It took too long.
    Late,
    /// No answer, or none that says it.
    Lost(Lost),
}

impl Through {
    /// Returns once no thread of the server has an operation of this session that was answered.
    async fn wait(&self, session: &mut Session, longest: Duration) -> Result<(), NotThrough> {
        let Self::Shown(entry) = self else {
            tokio::time::sleep(LULL).await;
            return Ok(());
        };
        let (begun, mut pause) = (Instant::now(), LOOK_AGAIN);
        while is_busy(session, entry).await.map_err(NotThrough::Lost)? {
            if begun.elapsed() > longest {
                return Err(NotThrough::Late);
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LULL);
        }
        Ok(())
    }
}

/// Whether threads have more of a connection than this question. One that has gone has none.
async fn is_busy(session: &mut Session, entry: &str) -> Result<bool, Lost> {
    let found = session.entry(entry, &[EXECUTING]).await.map_err(|fault| Lost::NotSent(fault.message))?;
    let executing = found.as_ref().map(|e| e.text(EXECUTING).and_then(|n| n.parse::<u64>().ok()));
    match executing {
        None => Ok(false),
        Some(Some(n)) => Ok(n > 1),
        Some(None) => Err(Lost::NotSent(format!("{entry} no longer shows {EXECUTING}"))),
    }
}

/// How a transaction went.
pub enum Together {
    /// All of it was done.
    Done,
    /// Nothing was done.
    Refused(String),
    /// No answer.
    Lost(Lost),
}

/// How transactions go on a connection.
#[derive(Clone, Copy)]
pub struct Transactions<'a> {
    through: &'a Through,
    /// Set where the server was not through in time: what it shows is then not to be relied on.
    doubted: &'a AtomicBool,
}

/// Carries out every list of operations in one transaction.
pub async fn together(session: &Session, plans: &[&[Operation]], how: Transactions<'_>) -> Together {
    let through = how.through;
    let id = match begin(session.clone()).await {
        Ok(id) => id,
        Err(refused) => return refused,
    };
    let control = RawControl { ctype: SPECIFICATION.into(), crit: true, val: Some(id.clone()) };
    let outcomes = each(session, plans, Some(&control)).await;
    // What was only announced has not happened: without the commit the server forgets it.
    let trouble = outcomes.into_iter().find(|outcome| !matches!(outcome, Outcome::Done));
    let unfinished = |lost: &Lost| {
        keep_open(session.clone(), through.clone());
        Together::Lost(Lost::NotSent(lost.to_string()))
    };
    if let Some(Outcome::Lost(_, lost)) = &trouble {
        return unfinished(lost);
    }
    match through.wait(&mut session.clone(), session.timeout()).await {
        Ok(()) => {}
        Err(NotThrough::Lost(lost)) => return unfinished(&lost),
        Err(NotThrough::Late) => {
            let late = "the directory is not through with operations that it has answered; from now on each is written by itself";
            tracing::warn!(waited = ?session.timeout(), "{late}");
            how.doubted.store(true, Ordering::Relaxed);
            return unfinished(&Lost::NotSent(late.into()));
        }
    }
    if let Some(Outcome::Refused(_, answer)) = trouble {
        return match end(session.clone(), &id, End::Abort).await {
            Ok(_) => Together::Refused(said(&answer)),
            Err(lost) => Together::Lost(Lost::NotSent(lost.to_string())),
        };
    }
    let operations: usize = plans.iter().map(|p| p.len()).sum();
    let patience = Duration::from_millis(10_000 + 10 * u64::try_from(operations).unwrap_or(u64::MAX / 100));
    match end(session.clone().patient(patience), &id, End::Commit).await {
        Ok(answer) if answer.rc == 0 => Together::Done,
        Ok(answer) => Together::Refused(said(&answer)),
        Err(lost) => Together::Lost(lost),
    }
}

/// A connection that is closed inside a transaction has its operations freed, too: it stays until the server is through with them.
fn keep_open(mut session: Session, through: Through) {
    tokio::spawn(async move {
        let begun = Instant::now();
        while begun.elapsed() < KEPT_OPEN && !session.ended() && through.wait(&mut session, KEPT_OPEN).await.is_err() {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    });
}

async fn begin(mut session: Session) -> Result<Vec<u8>, Together> {
    let start = Exop { name: Some(server::TRANSACTION_START.into()), val: None };
    match session.extended(start).await {
        Ok((answer, result)) if result.rc == 0 => Ok(answer.val.unwrap_or_default()),
        Ok((_, result)) => Err(Together::Refused(said(&result))),
        Err(lost) => Err(Together::Lost(Lost::NotSent(lost.to_string()))),
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Commit,
    Abort,
}

async fn end(mut session: Session, id: &[u8], how: End) -> Result<LdapResult, Lost> {
    let request = Exop { name: Some(server::TRANSACTION_END.into()), val: Some(end_value(id, how)) };
    Ok(session.extended(request).await?.1)
}

/// `SEQUENCE { commit BOOLEAN DEFAULT TRUE, identifier OCTET STRING }`, in BER.
fn end_value(id: &[u8], how: End) -> Vec<u8> {
    let mut inner = Vec::with_capacity(id.len() + 8);
    if how == End::Abort {
        inner.extend([0x01, 0x01, 0x00]);
    }
    inner.push(0x04);
    inner.extend(length(id.len()));
    inner.extend(id);
    let mut value = vec![0x30];
    value.extend(length(inner.len()));
    value.extend(inner);
    value
}

/// A definite length.
fn length(n: usize) -> Vec<u8> {
    match u8::try_from(n) {
        Ok(short) if short < 0x80 => vec![short],
        _ => {
            let bytes = n.to_be_bytes();
            let used: Vec<u8> = bytes.into_iter().skip_while(|b| *b == 0).collect();
            let mut long = vec![0x80 | u8::try_from(used.len()).unwrap_or(8)];
            long.extend(used);
            long
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two connections, one of which is looked for.
    const BEFORE: [(&str, u64); 2] = [("cn=Connection 7", 3), ("cn=Connection 8", 90)];

    fn read(entries: &[(&str, u64)]) -> Vec<(String, u64)> {
        entries.iter().map(|(dn, received)| ((*dn).to_owned(), *received)).collect()
    }

    #[test]
    fn a_connection_is_known_by_the_questions_that_it_asks() {
        const NOW: [&[(&str, u64)]; 6] = [
            &[("cn=Connection 7", 5), ("cn=Connection 8", 90)],
            // Another asked as much meanwhile: it may be either.
            &[("cn=Connection 7", 5), ("cn=Connection 8", 92)],
            &[("cn=Connection 7", 5), ("cn=Connection 8", 91)],
            &[("cn=Connection 7", 3), ("cn=Connection 8", 90)],
            // It was not there when the first question was asked.
            &[("cn=Connection 9", 2)],
            &[],
        ];
        let found =
            NOW.map(|now| grown(&read(&BEFORE), read(now), 2).into_iter().map(|(dn, _)| dn).collect::<Vec<_>>());
        let (one, both) =
            (vec!["cn=Connection 7".to_owned()], vec!["cn=Connection 7".into(), "cn=Connection 8".into()]);
        assert_eq!(found, [one.clone(), both, one, vec![], vec![], vec![]]);
    }

    #[test]
    fn transactions_are_used_where_they_are_asked_for_and_nothing_is_logged() {
        let own = || Some("cn=Connection 7".to_owned());
        let shown = Use::Together(Through::Shown("cn=Connection 7".into()));
        let singly = Use::Singly;
        for (asked_for, offered, logged, entry, expected) in [
            (true, true, Some(false), own(), shown),
            (true, true, Some(false), None, Use::Together(Through::Assumed)),
            (true, true, None, own(), singly(Why::LogNotShown)),
            (true, true, Some(true), own(), singly(Why::Logged)),
            (true, false, None, None, singly(Why::NotOffered)),
            (false, true, Some(false), own(), singly(Why::NotAskedFor)),
            (false, false, None, None, singly(Why::NotOffered)),
        ] {
            assert_eq!(Use::decide(asked_for, Seen { offered, logged, shown: entry }), expected);
        }
    }

    #[test]
    fn the_end_of_a_transaction_is_encoded_as_rfc_5805_has_it() {
        assert_eq!(end_value(b"", End::Commit), [0x30, 0x02, 0x04, 0x00]);
        assert_eq!(end_value(b"T1", End::Abort), [0x30, 0x07, 0x01, 0x01, 0x00, 0x04, 0x02, b'T', b'1']);
        let long = end_value(&[7; 300], End::Commit);
        assert_eq!(long[..8], [0x30, 0x82, 0x01, 0x30, 0x04, 0x82, 0x01, 0x2c]);
    }
}
