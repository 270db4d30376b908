//! Carrying plans out: in one transaction (RFC 5805) where the server offers it, else each by itself, many at a time.

use super::connection::{Lost, Session};
use super::operation::Operation;
use super::transaction::{Together, Transactions, together};
use futures_util::stream::{self, StreamExt};
use ldap3::LdapResult;
use ldap3::controls::RawControl;

/// Operations under way at once. Servers bound what one connection may have pending (OpenLDAP: 1000, less where its
/// administrator says so).
pub const WINDOW: usize = 64;

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

/// Carries out lists of operations; one answer for each list, in order. In a transaction all of them succeed
/// together; if they do not, each list is tried by itself, so that only the bad one fails.
pub async fn carry_out(
    session: &Session,
    plans: &[&[Operation]],
    transactions: Option<Transactions<'_>>,
) -> Vec<Outcome> {
    if let Some(how) = transactions
        && plans.iter().map(|operations| operations.len()).sum::<usize>() > 1
    {
        match together(session, plans, how).await {
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
pub async fn each(session: &Session, plans: &[&[Operation]], control: Option<&RawControl>) -> Vec<Outcome> {
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
