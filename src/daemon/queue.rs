//! A queue's task: takes messages in small groups and hands them to admission. Without its broker or its queue it waits and
//! tries again; that is a source without anything to take, and never an unhealthy daemon.

use super::gauges::Gauges;
use crate::admission::{Admitter, Postponed};
use crate::amqp::Trouble;
use crate::intake::amqp::{Desk, Message, Queue, Read, Session};
use crate::intake::{Handed, Source};
use crate::journal::Submission;
use crate::observe::metrics::FileResult;
use crate::observe::systemd;
use jiff::Timestamp;
use lapin::message::Delivery;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// Messages admitted together at most.
const GROUP: usize = 128;
/// How long after a failure a message is tried again. It stays with akund, unacknowledged, meanwhile: given back to the queue it
/// would count as delivered once more, and be set aside after some times.
const AGAIN: Duration = Duration::from_secs(2);
/// The first wait after a lost connection, and the longest.
const RECONNECT: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(60)];

/// How long the next session is waited for: longer each time, until one was of use.
struct Backoff(Duration);

impl Backoff {
    /// After a session. One that ends at once over a message on which akund fails is none to begin anew from: each time all that it
    /// had not acknowledged count as delivered once more.
    fn had(&mut self, useful: bool, stood: Duration) {
        if useful || stood >= RECONNECT[1] {
            self.0 = RECONNECT[0];
        }
    }

    fn next(&mut self) -> Duration {
        let wait = self.0;
        self.0 = (wait * 2).min(RECONNECT[1]);
        wait
    }
}

/// The task.
pub struct QueueTask {
    /// Where messages come from.
    pub queue: Arc<Queue>,
    /// Takes them further.
    pub admitter: Admitter,
    /// For the status line.
    pub gauges: Gauges,
    /// Ends it.
    pub shutdown: CancellationToken,
}

/// What waits with akund, and why it does.
#[derive(Default)]
struct Held {
    deliveries: Vec<Delivery>,
    messages: Vec<Message>,
    /// With the reasons for which they are to be given back.
    bad: Vec<(Message, String)>,
    why: Option<String>,
}

impl Held {
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn len(&self) -> usize {
        self.deliveries.len() + self.messages.len() + self.bad.len()
    }

    /// Says why something waits, once for each reason.
    fn because(&mut self, queue: &str, why: String) {
        if self.why.as_ref() != Some(&why) {
            tracing::error!(queue, %why, "messages wait unacknowledged and are tried again");
            self.why = Some(why);
        }
    }
}

impl QueueTask {
    /// Runs until shutdown; what was taken by then is admitted and acknowledged.
    pub async fn run(self) {
        let name = self.queue.name.clone();
        let (mut backoff, mut told) = (Backoff(RECONNECT[0]), None);
        self.show(false);
        while self.until_writable().await {
            let opened = tokio::select! {
                () = self.shutdown.cancelled() => break,
                opened = Session::open(self.queue.clone()) => opened,
            };
            let trouble = match opened {
                Ok(session) => {
                    tracing::info!(queue = name, broker = %self.queue.config.url.server(), "messages are taken from the queue");
                    told = None;
                    self.show(true);
                    let (desk, began) = (Desk::new(self.queue.clone(), self.admitter.metrics.clone()), Instant::now());
                    let ended = self.serve(session, &desk).await;
                    self.show(false);
                    backoff.had(desk.is_useful(), began.elapsed());
                    match ended {
                        Ok(()) => {
                            desk.close().await;
                            break;
                        }
                        Err(trouble) => trouble,
                    }
                }
                Err(trouble) => trouble,
            };
            if told.as_ref() != Some(&trouble.said) {
                tracing::warn!(queue = name, why = %trouble, "the queue is waited for");
                told = Some(trouble.said);
            }
            tokio::select! {
                () = self.shutdown.cancelled() => break,
                () = tokio::time::sleep(backoff.next().mul_f64(rand::random_range(0.5..1.0))) => {}
            }
        }
    }

    fn show(&self, connected: bool) {
        self.admitter.metrics.set_queue_up(&self.queue.name, connected);
    }

    /// Takes messages until the shutdown, or until the connection is lost.
    async fn serve(&self, mut session: Session, desk: &Desk) -> Result<(), Trouble> {
        let mut held = Held::default();
        loop {
            let group = tokio::select! {
                biased;
                () = self.shutdown.cancelled() => break,
                () = tokio::time::sleep(AGAIN), if !held.is_empty() => Vec::new(),
                group = session.next(GROUP) => group?,
            };
            if !self.until_writable().await {
                break;
            }
            if group.is_empty() {
                self.again(desk, &mut held).await?;
            } else {
                self.take(desk, group, &mut held).await?;
            }
            self.admitter.metrics.set_queue_held(&self.queue.name, held.len());
            if !session.is_open() {
                return Err(Trouble::new("the connection was lost while messages were on their way"));
            }
            systemd::status(&self.gauges.status());
        }
        session.close().await;
        Ok(())
    }

    /// Tries what waits.
    ///
    /// # Errors
    /// As [`Self::take`].
    async fn again(&self, desk: &Desk, held: &mut Held) -> Result<(), Trouble> {
        let waited = Held { why: held.why.clone(), ..std::mem::take(held) };
        held.why = waited.why;
        self.refuse(desk, waited.bad, held).await;
        self.admit(desk, waited.messages, held).await?;
        self.take(desk, waited.deliveries, held).await?;
        if held.is_empty() {
            held.why = None;
        }
        Ok(())
    }

    /// Reads deliveries and takes them to the end of admission; what cannot be taken now is held.
    ///
    /// # Errors
    /// [`Trouble`]: akund failed on one of them. With the session's end they go back to the queue, and one that comes back too
    /// often is set aside by the broker.
    async fn take(&self, desk: &Desk, deliveries: Vec<Delivery>, held: &mut Held) -> Result<(), Trouble> {
        let queue = self.queue.clone();
        let read = blocking(move || {
            let now = Timestamp::now();
            deliveries.into_iter().map(|delivery| queue.read(delivery, now)).collect::<Vec<_>>()
        });
        let (mut good, mut bad) = (Vec::new(), Vec::new());
        for one in read.await? {
            match one {
                Read::Message(message) => good.push(message),
                Read::Bad(message, why) => bad.push((message, why)),
                Read::Later(delivery, why) => {
                    held.deliveries.push(delivery);
                    held.because(&self.queue.name, why);
                }
            }
        }
        self.refuse(desk, bad, held).await;
        self.admit(desk, good, held).await
    }

    /// Admits a group; where that fails, each alone, so that one message does not keep the others out.
    ///
    /// # Errors
    /// As [`Self::take`], after the others were admitted.
    async fn admit(&self, desk: &Desk, group: Vec<Message>, held: &mut Held) -> Result<(), Trouble> {
        if group.is_empty() {
            return Ok(());
        }
        let whole = self.admitter.admit(desk, group.clone()).await;
        let passes = matches!(&whole, Err(Postponed::Ending | Postponed::Target { .. }))
            || matches!(&whole, Err(Postponed::Journal(error)) if error.may_pass());
        let mut outcome = Ok(());
        match whole {
            Ok(()) => {}
            Err(Postponed::Internal(why)) if group.len() == 1 => outcome = Err(failed(&why)),
            Err(postponed) if passes || group.len() == 1 => {
                held.because(&self.queue.name, postponed.to_string());
                held.messages.extend(group);
            }
            Err(_) => {
                for message in group {
                    match self.admitter.admit(desk, vec![message.clone()]).await {
                        Ok(()) => {}
                        Err(Postponed::Internal(why)) => outcome = Err(failed(&why)),
                        Err(postponed) => {
                            held.because(&self.queue.name, postponed.to_string());
                            held.messages.push(message);
                        }
                    }
                }
            }
        }
        outcome
    }

    /// Gives back what can be no record at all.
    async fn refuse(&self, desk: &Desk, bad: Vec<(Message, String)>, held: &mut Held) {
        for (message, why) in bad {
            if let Err(postponed) = self.give_back(desk, message.clone(), why.clone()).await {
                held.because(&self.queue.name, postponed.to_string());
                held.bad.push((message, why));
            }
        }
    }

    async fn give_back(&self, desk: &Desk, message: Message, why: String) -> Result<(), Postponed> {
        let submission = Submission {
            source: message.source().to_owned(),
            name: message.name().to_owned(),
            sha256: message.sha256(),
            evidence: String::new(),
            bulk: false,
        };
        let message = self.admitter.give_back(desk, message, submission, None, (why, 1)).await?;
        self.admitter.metrics.intake_file(message.source(), FileResult::Rejected);
        desk.acknowledge(vec![message]).await?;
        Ok(())
    }

    /// Nothing is taken while it could not be made durable. False: akund is ending.
    async fn until_writable(&self) -> bool {
        let mut writable = self.admitter.journal.writable();
        loop {
            if writable.borrow_and_update().is_ok() {
                return !self.shutdown.is_cancelled();
            }
            tokio::select! {
                () = self.shutdown.cancelled() => return false,
                changed = writable.changed() => if changed.is_err() { return false },
            }
        }
    }
}

/// Off the async threads. Where it panics, the deliveries that it had are lost to this session.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Trouble> {
    tokio::task::spawn_blocking(work).await.map_err(crate::panics::how).map_err(|error| failed(&error))
}

/// What ends a session that gave akund something on which it failed.
fn failed(why: &dyn std::fmt::Display) -> Trouble {
    Trouble::new(format!("akund failed on a message, which goes back to the queue; report this to its makers: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_reader_that_panics_ends_the_session() {
        let trouble = blocking(|| -> Vec<Read> { panic!("a message that nobody thought of") }).await.err().unwrap();
        assert!(trouble.said.contains("goes back to the queue"), "{}", trouble.said);
        assert!(!trouble.said.contains("nobody"), "a panic may quote what was read: {}", trouble.said);
        assert_eq!(blocking(|| 1).await.ok(), Some(1));
    }

    #[test]
    fn a_message_on_which_every_session_ends_is_waited_for_ever_longer_until_one_was_of_use() {
        let mut backoff = Backoff(RECONNECT[0]);
        let mut wait = |useful, stood| {
            backoff.had(useful, Duration::from_secs(stood));
            backoff.next().as_secs()
        };
        assert_eq!([1, 2, 4, 8, 16, 32, 60, 60], std::array::from_fn(|_| wait(false, 0)));
        assert_eq!([wait(true, 0), wait(false, 0), wait(false, 59), wait(false, 60)], [1, 2, 4, 1]);
    }
}
