//! Carrying plans out: in one transaction (RFC 5805) where the server offers it, else each by itself, many at a time.

use super::connection::{Lost, Session, said};
use super::operation::Operation;
use super::server;
use futures_util::stream::{self, StreamExt};
use ldap3::LdapResult;
use ldap3::controls::RawControl;
use ldap3::exop::Exop;
use std::time::Duration;

/// Operations under way at once. Servers bound what one connection may have pending (OpenLDAP: 1000, less where its
/// administrator says so).
pub const WINDOW: usize = 64;

/// From the last answer inside a transaction to its end. slapd answers an operation before it is through with it, and forgets it at
/// the end of the transaction: an end that comes too soon lets slapd crash (seen with 2.5.13 and 2.5.19, `ldapadd -E txn=commit`).
const LULL: Duration = Duration::from_millis(50);

/// The control that puts an operation into a transaction.
const TRANSACTION_SPECIFICATION: &str = "1.3.6.1.1.21.2";

/// What became of one plan.
#[derive(Debug, Clone)]
pub enum Outcome {
    /// All of it was done.
    Done,
    /// The server refused this operation; those before it were done.
    Refused(usize, Box<LdapResult>),
    /// No answer to this operation; those before it were done.
    Lost(usize, Lost),
}

/// Carries out lists of operations; one answer for each list, in order. With `transaction` all of them succeed together; if they
/// do not, each list is tried by itself, so that only the bad one fails.
pub async fn carry_out(session: &Session, plans: &[&[Operation]], transaction: bool) -> Vec<Outcome> {
    if transaction && plans.iter().map(|operations| operations.len()).sum::<usize>() > 1 {
        match together(session, plans).await {
            Together::Done => return vec![Outcome::Done; plans.len()],
            Together::Lost(lost) => return vec![Outcome::Lost(0, lost); plans.len()],
            Together::Refused(why) => {
                tracing::debug!(%why, entries = plans.len(), "a transaction was refused; its entries are written one by one");
            }
        }
    }
    each(session, plans, None).await
}

/// Every list by itself, many at a time.
async fn each(session: &Session, plans: &[&[Operation]], control: Option<&RawControl>) -> Vec<Outcome> {
    let mut lists = Vec::with_capacity(plans.len());
    for operations in plans {
        lists.push(one(session.clone(), operations, control));
    }
    stream::iter(lists).buffered(WINDOW).collect().await
}

async fn one(mut session: Session, operations: &[Operation], control: Option<&RawControl>) -> Outcome {
    for (at, operation) in operations.iter().enumerate() {
        match session.carry_out(operation, control.cloned()).await {
            Ok(answer) if answer.rc == 0 => {}
            Ok(answer) => return Outcome::Refused(at, Box::new(answer)),
            Err(lost) => return Outcome::Lost(at, lost),
        }
    }
    Outcome::Done
}

enum Together {
    Done,
    /// Nothing was done.
    Refused(String),
    Lost(Lost),
}

async fn together(session: &Session, plans: &[&[Operation]]) -> Together {
    let id = match begin(session.clone()).await {
        Ok(id) => id,
        Err(refused) => return refused,
    };
    let control = RawControl { ctype: TRANSACTION_SPECIFICATION.into(), crit: true, val: Some(id.clone()) };
    let outcomes = each(session, plans, Some(&control)).await;
    tokio::time::sleep(LULL).await;
    // What was only announced has not happened: without the commit the server forgets it.
    let trouble = outcomes.into_iter().find(|outcome| !matches!(outcome, Outcome::Done));
    match trouble {
        None => {}
        Some(Outcome::Lost(_, lost)) => return Together::Lost(Lost::NotSent(lost.to_string())),
        Some(Outcome::Refused(_, answer)) => {
            return match end(session.clone(), &id, End::Abort).await {
                Ok(_) => Together::Refused(said(&answer)),
                Err(lost) => Together::Lost(Lost::NotSent(lost.to_string())),
            };
        }
        Some(Outcome::Done) => {}
    }
    let operations: usize = plans.iter().map(|p| p.len()).sum();
    let patience = Duration::from_millis(10_000 + 10 * u64::try_from(operations).unwrap_or(u64::MAX / 100));
    match end(session.clone().patient(patience), &id, End::Commit).await {
        Ok(answer) if answer.rc == 0 => Together::Done,
        Ok(answer) => Together::Refused(said(&answer)),
        Err(lost) => Together::Lost(lost),
    }
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

    #[test]
    fn the_end_of_a_transaction_is_encoded_as_rfc_5805_has_it() {
        assert_eq!(end_value(b"", End::Commit), [0x30, 0x02, 0x04, 0x00]);
        assert_eq!(end_value(b"T1", End::Abort), [0x30, 0x07, 0x01, 0x01, 0x00, 0x04, 0x02, b'T', b'1']);
        let long = end_value(&[7; 300], End::Commit);
        assert_eq!(long[..8], [0x30, 0x82, 0x01, 0x30, 0x04, 0x82, 0x01, 0x2c]);
    }
}
