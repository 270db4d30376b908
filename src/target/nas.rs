//! Access servers (NAS): ending the sessions of an account that may no longer log in, and changing those of one that was changed
//! (RFC 5176).
//!
//! A suspended account is refused by the RADIUS server from the moment its rows are written, but a session that is open stays
//! open until it ends by itself. So after suspend and remove every configured NAS is told to disconnect the user, and the
//! account counts as proven shut out when each has done so or says that nobody of that name is logged in.
//!
//! After a change, a NAS whose configuration says `change = "coa"` is given the new attributes for the session (CoA-Request), one
//! with `"disconnect"` ends it, so that the user logs in anew. A session under a user name that the account no longer has is not
//! found by either: its name is known to nobody but the NAS.
//!
//! A NAS that does not answer is a transient fault: the account is suspended and its apply step done, the proof is tried
//! again as long as the lane is patient (`lane.give_up_hours`), and then the request is stuck with the name of the NAS.
//! The others are asked at every try; being disconnected twice hurts nobody.

use super::Work;
use super::login::radius::exchange::Peer;
use super::login::radius::packet::{Attributes, Reply, Request, Signed, attribute, code};
use super::radius::wire::Sessions;
use crate::config::proof::NasChange;
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

/// An access server.
#[derive(Debug, Clone)]
pub struct Nas {
    /// Where it is.
    pub peer: Peer,
    /// What it is told of a changed account.
    pub change: NasChange,
}

/// The access servers of a target.
#[derive(Debug, Default)]
pub struct AccessServers {
    servers: Vec<Nas>,
    sessions: Sessions,
}

/// What a NAS is asked for.
#[derive(Debug, Clone)]
enum Wish {
    /// Disconnect-Request.
    End,
    /// CoA-Request.
    Give(Attributes),
}

impl AccessServers {
    /// None at all is good, too: then no session is ended. `sessions`: what a CoA-Request gives.
    pub fn new(servers: Vec<Nas>, sessions: Sessions) -> Self {
        Self { servers, sessions }
    }

    /// What is to become of a work's session at a NAS, if anything.
    fn wish(&self, nas: &Nas, work: &Work) -> Option<Wish> {
        match (work.action, nas.change) {
            (Action::Suspend | Action::Remove, _) | (Action::Change, NasChange::Disconnect) => Some(Wish::End),
            (Action::Change, NasChange::Coa) => {
                let given = self.sessions.of(&work.account, Timestamp::now().as_second());
                Some(given.map_or(Wish::End, Wish::Give))
            }
            _ => None,
        }
    }

    /// Ends the sessions of those accounts that have been seen to be shut out, and sees to those of changed ones: `seen` has one
    /// answer per work, and what was no success stays as it is.
    pub async fn after_reading_back(
        &self,
        batch: &[Work],
        seen: Vec<Result<Proof, Fault>>,
    ) -> Vec<Result<Proof, Fault>> {
        let silent: Vec<AtomicUsize> = self.servers.iter().map(|_| AtomicUsize::new(0)).collect();
        let silent = &silent;
        let tries = batch.iter().zip(seen).map(|(work, seen)| async move {
            let proof = seen?;
            self.tell(work, work.account.username.as_str(), silent).await?;
            Ok(proof)
        });
        // Collected first: the closure is not general enough for the stream's adaptor.
        let tries: Vec<_> = tries.collect();
        futures_util::stream::iter(tries).buffered(AT_ONCE).collect().await
    }

    /// Asks each NAS about a user that cannot be logged in: nobody's session ends.
    pub async fn check(&self) -> Vec<Finding> {
        let nobody = format!("akund-check-{}", uuid::Uuid::new_v4().simple());
        let look = |nas: &'_ Nas| {
            let (Nas { peer, change }, nobody) = (nas.clone(), nobody.clone());
            async move {
                let told = |fault: Fault| fault.message;
                ask(&peer, &nobody, &Wish::End).await.map_err(told)?;
                if change != NasChange::Coa {
                    return Ok(format!("NAS {} answers Disconnect-Requests, and shares the secret", peer.place()));
                }
                // Shorter than any session lasts, and for nobody.
                let time = Attributes::default().add(attribute::SESSION_TIMEOUT, &1_u32.to_be_bytes(), "the time");
                ask(&peer, &nobody, &Wish::Give(time.unwrap_or_default())).await.map_err(told)?;
                Ok(format!("NAS {} answers Disconnect- and CoA-Requests, and shares the secret", peer.place()))
            }
        };
        join_all(self.servers.iter().map(look)).await
    }

    /// Once a NAS has left as many requests in a row unanswered as may be under way, `silent` says so, and it is not asked about
    /// the rest of the batch: a batch must not wait for each of them.
    async fn tell(&self, work: &Work, user: &str, silent: &[AtomicUsize]) -> Result<(), Fault> {
        let asks = self.servers.iter().zip(silent).map(|(nas, silent)| async move {
            let (peer, Some(wish)) = (&nas.peer, self.wish(nas, work)) else { return Ok(()) };
            if silent.load(Ordering::Relaxed) >= AT_ONCE {
                let place = peer.place();
                return Err(Fault::transient(format!("NAS {place} was not asked, for it left others unanswered")));
            }
            let answer = ask(peer, user, &wish).await;
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
        let state = match work.action {
            Action::Change => "it is changed, but a session may go on as it was",
            _ => "it can no longer log in, but a session may still be open",
        };
        Err(Fault {
            class: first.class,
            message: format!("account {}: {state}: {}", work.account.uid, told.join("; ")),
        })
    }
}

async fn ask(peer: &Peer, user: &str, wish: &Wish) -> Result<(), Fault> {
    let says = |rest: &str| format!("NAS {} {rest}", peer.place());
    let request =
        request(peer, user, wish).map_err(|long| Fault::permanent(says(&format!("cannot be told: {long}"))))?;
    let reply = peer.ask(&request, Signed::IfThere).await.map_err(|why| Fault::transient(says(&why)))?;
    match (wish, reply.code) {
        (Wish::End, code::DISCONNECT_ACK) | (Wish::Give(_), code::COA_ACK) => Ok(()),
        (Wish::End, code::DISCONNECT_NAK) | (Wish::Give(_), code::COA_NAK) => {
            refused(&reply, user, wish).map_err(|(fault, why)| fault(says(&why)))
        }
        (_, other) => Err(Fault::transient(says(&format!("gave an answer that does not fit (code {other})")))),
    }
}

fn request(peer: &Peer, user: &str, wish: &Wish) -> Result<Request, super::login::radius::packet::TooLong> {
    let now = u32::try_from(Timestamp::now().as_second()).unwrap_or_default();
    let attributes = Attributes::default()
        .add(attribute::USER_NAME, user.as_bytes(), "the user name")?
        // Against replay (RFC 5176 §3.3).
        .add(attribute::EVENT_TIMESTAMP, &now.to_be_bytes(), "the time")?;
    let (code, attributes) = match wish {
        Wish::End => (code::DISCONNECT_REQUEST, attributes),
        Wish::Give(given) => (code::COA_REQUEST, attributes.with(given)),
    };
    Request::change(code, rand::random(), &attributes, peer.secret())
}

type MakesFault = fn(String) -> Fault;

/// A Disconnect-NAK or CoA-NAK by its Error-Cause (RFC 5176 §3.5).
fn refused(reply: &Reply, user: &str, wish: &Wish) -> Result<(), (MakesFault, String)> {
    let cause = reply.error_cause();
    let (fault, meaning): (MakesFault, &str) = match cause {
        Some(SESSION_CONTEXT_NOT_FOUND) => return Ok(()),
        Some(402) => (Fault::permanent, "it misses an attribute"),
        Some(401) => (Fault::permanent, "it does not know one of the attributes"),
        Some(403) => (Fault::permanent, "the request is for another NAS"),
        Some(404) => (Fault::permanent, "it does not understand the request"),
        Some(407) => (Fault::permanent, "it takes one of the values for wrong"),
        Some(405 | 406) => match wish {
            Wish::End => (Fault::permanent, "it cannot disconnect users; switch on its incoming RADIUS requests"),
            Wish::Give(_) => {
                (Fault::permanent, "it cannot change sessions; set change = \"disconnect\" or \"none\" for it")
            }
        },
        Some(501) => (Fault::permanent, "its administrator forbids it"),
        Some(502 | 505) => (Fault::transient, "it could not pass the request on"),
        Some(504) => (Fault::permanent, "the session cannot be removed"),
        Some(506) => (Fault::transient, "it has no resources left"),
        Some(508) => (Fault::permanent, "there is more than one session, and it ends only one at a time"),
        _ => (Fault::permanent, "it does not say why"),
    };
    let number = cause.map(|cause| format!(" (Error-Cause {cause})")).unwrap_or_default();
    let said = match tidy(&reply.message(), user) {
        nothing if nothing.is_empty() => nothing,
        said => format!("; it said: {said}"),
    };
    let what = match wish {
        Wish::End => "end",
        Wish::Give(_) => "change",
    };
    Err((fault, format!("refused to {what} the session of {}: {meaning}{number}{said}", masked(user))))
}

#[cfg(test)]
pub(super) mod tests;
