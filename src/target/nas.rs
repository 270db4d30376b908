//! Access servers (NAS): ending the sessions of an account that may no longer log in (RFC 5176).
//!
//! A suspended account is refused by the RADIUS server from the moment its rows are written, but a session that is open stays
//! open until it ends by itself. So after suspend and remove every configured NAS is told to disconnect the user, and the
//! account counts as proven shut out when each has done so or says that nobody of that name is logged in.
//!
//! A NAS that does not answer is a transient fault: the account is suspended and its apply step done, the proof is tried
//! again as long as the lane is patient (`lane.give_up_hours`), and then the request is stuck with the name of the NAS.
//! The others are asked at every try; being disconnected twice hurts nobody.

use super::Work;
use super::login::radius::exchange::Peer;
use super::login::radius::packet::{Attributes, Reply, Request, Signed, attribute, code};
use crate::model::said::{masked, tidy};
use crate::model::{Action, Fault, FaultClass, Finding, Proof};
use futures_util::StreamExt;
use futures_util::future::join_all;
use jiff::Timestamp;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Nobody of that name is logged in there (RFC 5176 §3.5).
const SESSION_CONTEXT_NOT_FOUND: u32 = 503;
/// How many accounts are asked about at once.
const AT_ONCE: usize = 16;

/// The access servers of a target.
#[derive(Debug, Default)]
pub struct AccessServers(Vec<Peer>);

impl AccessServers {
    /// None at all is good, too: then no session is ended.
    pub fn new(peers: Vec<Peer>) -> Self {
        Self(peers)
    }

    /// Ends the sessions of those accounts that have been seen to be shut out: `seen` has one answer per work, and what was
    /// no success stays as it is.
    pub async fn after_reading_back(
        &self,
        batch: &[Work],
        seen: Vec<Result<Proof, Fault>>,
    ) -> Vec<Result<Proof, Fault>> {
        let silent: Vec<AtomicUsize> = self.0.iter().map(|_| AtomicUsize::new(0)).collect();
        let silent = &silent;
        let tries = batch.iter().zip(seen).map(|(work, seen)| async move {
            let proof = seen?;
            if matches!(work.action, Action::Suspend | Action::Remove) {
                self.disconnect(work, work.account.username.as_str(), silent).await?;
            }
            Ok(proof)
        });
        // Collected first: the closure is not general enough for the stream's adaptor.
        let tries: Vec<_> = tries.collect();
        futures_util::stream::iter(tries).buffered(AT_ONCE).collect().await
    }

    /// Asks each NAS about a user that cannot be logged in: nobody's session ends.
    pub async fn check(&self) -> Vec<Finding> {
        let nobody = format!("akund-check-{}", uuid::Uuid::new_v4().simple());
        let look = |peer: &'_ Peer| {
            let (peer, nobody) = (peer.clone(), nobody.clone());
            async move {
                match disconnect_at(&peer, &nobody).await {
                    Ok(()) => Ok(format!("NAS {} answers Disconnect-Requests, and shares the secret", peer.place())),
                    Err(fault) => Err(fault.message),
                }
            }
        };
        join_all(self.0.iter().map(look)).await
    }

    /// Once a NAS has left as many requests in a row unanswered as may be under way, `silent` says so, and it is not asked about
    /// the rest of the batch: a batch must not wait for each of them.
    async fn disconnect(&self, work: &Work, user: &str, silent: &[AtomicUsize]) -> Result<(), Fault> {
        let asks = self.0.iter().zip(silent).map(|(peer, silent)| async move {
            if silent.load(Ordering::Relaxed) >= AT_ONCE {
                let place = peer.place();
                return Err(Fault::transient(format!("NAS {place} was not asked, for it left others unanswered")));
            }
            let answer = disconnect_at(peer, user).await;
            match &answer {
                Err(fault) if fault.class == FaultClass::Transient => silent.fetch_add(1, Ordering::Relaxed),
                _ => silent.swap(0, Ordering::Relaxed),
            };
            answer
        });
        let answers = join_all(asks).await;
        let mut faults: Vec<Fault> = answers.into_iter().filter_map(Result::err).collect();
        // What repeating may mend goes first: after it the rest is looked at again.
        faults.sort_by_key(|fault| fault.class == FaultClass::Permanent);
        let Some(first) = faults.first() else { return Ok(()) };
        let told: Vec<&str> = faults.iter().map(|fault| fault.message.as_str()).collect();
        Err(Fault {
            class: first.class,
            message: format!(
                "account {}: it can no longer log in, but a session may still be open: {}",
                work.account.uid,
                told.join("; ")
            ),
        })
    }
}

async fn disconnect_at(peer: &Peer, user: &str) -> Result<(), Fault> {
    let says = |rest: &str| format!("NAS {} {rest}", peer.place());
    let request = request(peer, user).map_err(|long| Fault::permanent(says(&format!("cannot be told: {long}"))))?;
    let reply = peer.ask(&request, Signed::IfThere).await.map_err(|why| Fault::transient(says(&why)))?;
    match reply.code {
        code::DISCONNECT_ACK => Ok(()),
        code::DISCONNECT_NAK => refused(&reply, user).map_err(|(fault, why)| fault(says(&why))),
        other => Err(Fault::transient(says(&format!("gave an answer that does not fit (code {other})")))),
    }
}

fn request(peer: &Peer, user: &str) -> Result<Request, super::login::radius::packet::TooLong> {
    let now = u32::try_from(Timestamp::now().as_second()).unwrap_or_default();
    let attributes = Attributes::default()
        .add(attribute::USER_NAME, user.as_bytes(), "the user name")?
        // Against replay (RFC 5176 §3.3).
        .add(attribute::EVENT_TIMESTAMP, &now.to_be_bytes(), "the time")?;
    Request::change(code::DISCONNECT_REQUEST, rand::random(), &attributes, peer.secret())
}

type MakesFault = fn(String) -> Fault;

/// A Disconnect-NAK by its Error-Cause (RFC 5176 §3.5).
fn refused(reply: &Reply, user: &str) -> Result<(), (MakesFault, String)> {
    let cause = reply.error_cause();
    let (fault, meaning): (MakesFault, &str) = match cause {
        Some(SESSION_CONTEXT_NOT_FOUND) => return Ok(()),
        Some(402) => (Fault::permanent, "it misses an attribute"),
        Some(401) => (Fault::permanent, "it does not know one of the attributes"),
        Some(403) => (Fault::permanent, "the request is for another NAS"),
        Some(404) => (Fault::permanent, "it does not understand the request"),
        Some(405 | 406) => (Fault::permanent, "it cannot disconnect users; switch on its incoming RADIUS requests"),
        Some(501) => (Fault::permanent, "its administrator forbids it"),
        Some(502 | 505) => (Fault::transient, "it could not pass the request on"),
        Some(504) => (Fault::permanent, "the session cannot be ended"),
        Some(506) => (Fault::transient, "it has no resources left"),
        Some(508) => (Fault::permanent, "there is more than one session, and it ends only one at a time"),
        _ => (Fault::permanent, "it does not say why"),
    };
    let number = cause.map(|cause| format!(" (Error-Cause {cause})")).unwrap_or_default();
    let said = match tidy(&reply.message(), user) {
        nothing if nothing.is_empty() => nothing,
        said => format!("; it said: {said}"),
    };
    Err((fault, format!("refused to end the session of {}: {meaning}{number}{said}", masked(user))))
}

#[cfg(test)]
mod tests;
