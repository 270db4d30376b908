//! From what went wrong in a dialogue to a classified fault with a sentence for the person on call.

use crate::model::Fault;
use crate::model::said::{masked, tidy};
use crate::tls;
use lettre::transport::smtp::Error;
use lettre::transport::smtp::response::Response;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

/// How far a dialogue has come. Ordered: from [`Stage::Answer`] on, the notice may have been taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(super) enum Stage {
    /// Name look-up and TCP.
    Connect,
    /// TLS from the first byte, greeting, EHLO.
    Greet,
    /// STARTTLS, handshake, EHLO.
    Starttls,
    /// AUTH.
    Auth,
    /// RSET of a connection taken from the pool.
    Reset,
    /// MAIL FROM.
    Mail,
    /// RCPT TO.
    Rcpt,
    /// DATA, until 354.
    Data,
    /// The message is being sent; its final dot is not.
    Content,
    /// The final dot may have left; the reply to it has not been read whole.
    Answer,
}

impl Stage {
    const ALL: [Self; 10] = [
        Self::Connect,
        Self::Greet,
        Self::Starttls,
        Self::Auth,
        Self::Reset,
        Self::Mail,
        Self::Rcpt,
        Self::Data,
        Self::Content,
        Self::Answer,
    ];

    fn doing(self) -> &'static str {
        match self {
            Self::Connect => "connecting",
            Self::Greet => "waiting for the greeting and EHLO",
            Self::Starttls => "starting TLS",
            Self::Auth => "authenticating",
            Self::Reset => "resetting an idle connection",
            Self::Mail => "naming the sender (MAIL FROM)",
            Self::Rcpt => "naming the recipient (RCPT TO)",
            Self::Data => "asking to send the message (DATA)",
            Self::Content => "sending the message",
            Self::Answer => "waiting for the reply to the message",
        }
    }
}

/// The stage that a dialogue is in, readable also when its future has been dropped.
#[derive(Debug)]
pub(super) struct Progress(AtomicU8);

impl Default for Progress {
    fn default() -> Self {
        Self(AtomicU8::new(Stage::Connect as u8))
    }
}

impl Progress {
    pub(super) fn enter(&self, stage: Stage) {
        self.0.store(stage as u8, Ordering::Release);
    }
    pub(super) fn stage(&self) -> Stage {
        let number = usize::from(self.0.load(Ordering::Acquire));
        Stage::ALL.get(number).copied().unwrap_or(Stage::Answer)
    }
}

/// The channel, and its server for sentences.
#[derive(Debug, Clone)]
pub(super) struct Server {
    channel: String,
    place: String,
}

impl Server {
    pub(super) fn new(channel: &str, place: &str) -> Self {
        Self { channel: channel.to_owned(), place: place.to_owned() }
    }
    pub(super) fn channel(&self) -> &str {
        &self.channel
    }
    /// `HOST:PORT` + `rest`
    pub(super) fn says(&self, rest: &str) -> String {
        format!("{} {rest}", self.place)
    }

    pub(super) fn all_busy(&self, connections: usize) -> Fault {
        Fault::transient(self.says(&format!("was not asked: all {connections} connections are busy")))
    }

    pub(super) fn too_late(&self, stage: Stage, limit: Duration, to: &lettre::Address) -> Fault {
        let sentence = self.too_late_to_look(stage, limit);
        if stage >= Stage::Answer {
            return Fault::unknown(format!("{sentence}; the notice for {} may have been taken", masked(to.as_ref())));
        }
        Fault::transient(sentence)
    }

    pub(super) fn too_late_to_look(&self, stage: Stage, limit: Duration) -> String {
        self.says(&format!("did not answer within {} s, while {}", limit.as_secs(), stage.doing()))
    }

    /// Before any notice: whatever the server answers is not about the notice, so nothing is permanent.
    pub(super) fn no_connection(&self, stage: Stage, error: &Error) -> Fault {
        if let Some(tls) = tls_error(error) {
            return Fault::transient(self.says(&tls));
        }
        let sentence = match (error.status(), stage) {
            (Some(_), Stage::Auth) => format!(
                "refused the user name or password of this channel ({}); correct username and password_file",
                cause(error, "")
            ),
            (None, Stage::Auth) if error.is_client() => {
                format!("offers no way to authenticate that akund knows (AUTH PLAIN or LOGIN): {}", cause(error, ""))
            }
            (Some(_), _) => format!("turned the connection away, while {}: {}", stage.doing(), cause(error, "")),
            (None, _) => format!("could not be used, while {}: {}", stage.doing(), cause(error, "")),
        };
        Fault::transient(self.says(&sentence))
    }

    /// A command of the dialogue failed, or the reply to the message was not had.
    pub(super) fn failed(&self, stage: Stage, error: &Error, to: &lettre::Address) -> Fault {
        let cause = cause(error, to.user());
        let who = masked(to.as_ref());
        match error.status().map(u16::from) {
            // The operator's matter, not the recipient's (RFC 4954 §6).
            Some(530 | 534 | 535 | 538) => Fault::transient(self.says(&format!(
                "wants other authentication before it takes mail: {cause}; correct tls, username and password_file"
            ))),
            Some(code) => {
                let sentence = self.says(&format!("refused the notice for {who}, {}: {cause}", at(stage)));
                if code >= 500 { Fault::permanent(sentence) } else { Fault::transient(sentence) }
            }
            None if stage >= Stage::Answer => Fault::unknown(self.says(&format!(
                "was lost before its reply to the notice for {who} was read whole ({cause}); it may have been taken"
            ))),
            None => Fault::transient(self.says(&format!("was lost, while {}: {cause}", stage.doing()))),
        }
    }

    /// A positive reply, but not the one the command calls for: replies and commands are out of step.
    pub(super) fn out_of_step(&self, stage: Stage, response: &Response, to: &lettre::Address) -> Fault {
        let sentence = self.says(&format!(
            "gave a reply that does not fit, while {}: {}",
            stage.doing(),
            line(response, to.user())
        ));
        if stage >= Stage::Answer {
            return Fault::unknown(format!("{sentence}; the notice for {} may have been taken", masked(to.as_ref())));
        }
        Fault::transient(sentence)
    }
}

fn at(stage: Stage) -> &'static str {
    match stage {
        Stage::Mail => "at the sender (MAIL FROM)",
        Stage::Rcpt => "at the recipient (RCPT TO)",
        Stage::Data => "at DATA",
        _ => "after the whole message",
    }
}

/// A reply as one line for logs and outcomes: addresses masked, `local` likewise, shortened.
pub(super) fn line(response: &Response, local: &str) -> String {
    let text: Vec<&str> = response.message().collect();
    tidy(&format!("{} {}", response.code(), text.join(" ")), local)
}

/// The server's words where it gave any, else the cause of the failure.
fn cause(error: &Error, local: &str) -> String {
    let source = std::error::Error::source(error).map(ToString::to_string);
    match (error.status(), source) {
        (Some(code), source) => tidy(&format!("{code} {}", source.unwrap_or_default()), local),
        (None, Some(source)) => tidy(&source, local),
        (None, None) => tidy(&error.to_string(), local),
    }
}

/// If TLS failed: what to say of it.
fn tls_error(error: &Error) -> Option<String> {
    let mut next = std::error::Error::source(error);
    while let Some(cause) = next {
        let inner = cause.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        let failed = cause.downcast_ref::<rustls::Error>().or_else(|| inner.and_then(|i| i.downcast_ref()));
        if let Some(failed) = failed {
            return Some(tls::explain(failed));
        }
        next = cause.source();
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stages_are_numbered_as_they_are_listed() {
        for (number, stage) in Stage::ALL.into_iter().enumerate() {
            assert_eq!(stage as usize, number);
            let progress = Progress::default();
            progress.enter(stage);
            assert_eq!(progress.stage(), stage);
        }
    }
}
