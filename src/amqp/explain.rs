//! What went wrong with a broker, in the words of whoever administers it. Pure.

use crate::config::queue::BrokerUrl;
use crate::model::said::tidy;
use lapin::ErrorKind;

/// Why something could not be done with a broker. It may pass by itself, or when somebody has done what it says.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{said}")]
pub struct Trouble {
    /// A sentence.
    pub said: String,
    /// The reply code of AMQP 0-9-1, where the broker gave one.
    pub code: Option<u16>,
}

impl Trouble {
    /// One that the broker gave no code for.
    pub fn new(said: impl Into<String>) -> Self {
        Self { said: said.into(), code: None }
    }

    /// What an error of the protocol or of the connection means.
    pub fn of(error: &lapin::Error, url: &BrokerUrl) -> Self {
        match error.kind() {
            ErrorKind::ProtocolError(told) => {
                let code = told.get_id();
                Self { said: reply(code, told.get_message().as_str(), url), code: Some(code) }
            }
            ErrorKind::IOError(cause) => Self::new(format!(
                "{} closed the connection ({}); if it does so always, look whether this is its port for AMQP{}",
                url.server(),
                tidy(&cause.to_string(), ""),
                if url.tls { " with TLS" } else { " without TLS" }
            )),
            ErrorKind::ParsingError(_) => Self::new(format!(
                "{} does not speak AMQP 0-9-1; look whether this is its port for AMQP{}",
                url.server(),
                if url.tls { " with TLS" } else { " without TLS" }
            )),
            ErrorKind::MissingHeartbeatError => Self::new(format!("{} fell silent", url.server())),
            _ => Self::new(format!("{}: {}", url.server(), tidy(&error.to_string(), ""))),
        }
    }
}

/// The broker's reply code (AMQP 0-9-1 §1.2, RabbitMQ's protocol errors) and text.
fn reply(code: u16, text: &str, url: &BrokerUrl) -> String {
    let (user, vhost, server) = (&url.user, &url.vhost, url.server());
    let tidied = tidy(text, "");
    let quoted = |n: usize| text.split('\'').nth(2 * n + 1).unwrap_or("?");
    match code {
        403 if text.contains("Login was refused") => format!(
            "{server} refuses the log-in of user {user}: the password is wrong or the user is not known there (`rabbitmqctl \
             authenticate_user {user}` tells which); guest may log in from the broker's own machine only"
        ),
        403 if text.contains("topic '") => format!(
            "user {user} may not write to {} in vhost {vhost} with this routing key: `rabbitmqctl list_topic_permissions -p {vhost}` \
             shows what it may, `rabbitmqctl set_topic_permissions -p {vhost} {user} EXCHANGE WRITE READ` lets it",
            thing(text)
        ),
        403 => {
            // Since 3.11 it says which right.
            let named = |right: &&str| text.contains(&format!("{right} access to"));
            let right =
                ["configure ", "write ", "read "].into_iter().find(|right| named(&right.trim_end())).unwrap_or("");
            format!(
                "user {user} lacks the {right}permission on {} in vhost {vhost}: `rabbitmqctl list_permissions -p {vhost}` shows \
                 what it has, `rabbitmqctl set_permissions -p {vhost} {user} CONFIGURE WRITE READ` gives it",
                thing(text)
            )
        }
        404 => format!("{} does not exist in vhost {vhost} of {server}", thing(text)),
        405 => format!("{} is held exclusively by another connection: {tidied}", thing(text)),
        406 if text.contains("inequivalent arg") => format!(
            "{} exists with another {}: {}. What a queue or exchange was declared with cannot be changed: set the configuration to \
             it, or delete it (when empty) and let it be declared anew",
            // …'ARGUMENT' for queue 'NAME' in vhost 'VHOST': received … but current is …
            thing(text.split_once(" for ").map_or(text, |(_, rest)| rest)),
            quoted(0),
            difference(text)
        ),
        530 if text.contains("not found") => {
            format!("{server} has no vhost {vhost}: `rabbitmqctl add_vhost {vhost}` makes it")
        }
        530 if text.contains("access to vhost") => format!(
            "user {user} may not use the vhost {vhost}: `rabbitmqctl set_permissions -p {vhost} {user} CONFIGURE WRITE READ` lets it"
        ),
        320 => format!("{server} was stopped, or its administrator closed the connection: {tidied}"),
        _ => format!("{server} says {code}: {tidied}"),
    }
}

/// `queue NAME` or `exchange NAME`, from `…queue 'NAME'…`.
fn thing(text: &str) -> String {
    let of = |kind: &str| {
        let (_, rest) = text.split_once(&format!("{kind} '"))?;
        let (name, _) = rest.split_once('\'')?;
        Some(format!("{kind} {}", if name.is_empty() { "(default)" } else { name }))
    };
    of("queue").or_else(|| of("exchange")).unwrap_or_else(|| tidy(text, ""))
}

/// `received X but current is Y`, as `there it is Y, and akund wants X`.
fn difference(text: &str) -> String {
    let found = text.split_once("received ").and_then(|(_, rest)| rest.split_once(" but current is "));
    let plain = |value: &str| {
        let value = value.trim().trim_start_matches("the value ").trim_end_matches('.');
        let value = value.split_once("' of type").map_or(value, |(value, _)| value).trim_matches('\'');
        tidy(value, "")
    };
    match found {
        // A classic queue may have been declared without saying so.
        Some((wanted, there)) if text.contains("'x-queue-type'") && plain(there) == "none" => {
            format!("there it is classic, and akund wants {}", plain(wanted))
        }
        Some((wanted, there)) => format!("there it is {}, and akund wants {}", plain(there), plain(wanted)),
        None => tidy(text, ""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(code: u16, text: &str) -> String {
        reply(code, text, &"amqp://akund@127.0.0.1/kampus".parse().unwrap())
    }

    /// The texts are those of RabbitMQ 3.10.
    #[test]
    fn what_the_broker_says_is_told_with_what_to_do() {
        for (code, text, expected) in [
            (
                403,
                "ACCESS_REFUSED - Login was refused using authentication mechanism PLAIN. For details see the broker logfile.",
                "refuses the log-in of user akund",
            ),
            (
                403,
                "ACCESS_REFUSED - access to queue 'q' in vhost 'kampus' refused for user 'akund'",
                "user akund lacks the permission on queue q in vhost kampus",
            ),
            (
                403,
                "ACCESS_REFUSED - write access to exchange 'x' in vhost 'kampus' refused for user 'akund'",
                "lacks the write permission on exchange x",
            ),
            (
                403,
                "ACCESS_REFUSED - access to topic 'a.b' in exchange 'x' in vhost 'kampus' refused for user 'akund'",
                "may not write to exchange x in vhost kampus with this routing key: `rabbitmqctl list_topic_permissions",
            ),
            (404, "NOT_FOUND - no queue 'q' in vhost 'kampus'", "queue q does not exist in vhost kampus"),
            (404, "NOT_FOUND - no exchange 'x' in vhost 'kampus'", "exchange x does not exist"),
            (530, "NOT_ALLOWED - vhost kampus not found", "add_vhost kampus"),
            (530, "NOT_ALLOWED - access to vhost 'kampus' refused for user 'akund'", "may not use the vhost kampus"),
            (
                406,
                "PRECONDITION_FAILED - inequivalent arg 'x-queue-type' for queue 'q' in vhost 'kampus': received 'quorum' but current is 'classic'",
                "queue q exists with another x-queue-type: there it is classic, and akund wants quorum",
            ),
            (
                406,
                "PRECONDITION_FAILED - inequivalent arg 'x-queue-type' for queue 'q' in vhost 'kampus': received the value 'quorum' of type 'longstr' but current is none",
                "there it is classic",
            ),
            (
                403,
                "ACCESS_REFUSED - access to queue 'q' in vhost 'kampus' refused for user 'akund-reader'",
                "lacks the permission on queue q",
            ),
            (
                406,
                "PRECONDITION_FAILED - inequivalent arg 'x-delivery-limit' for queue 'q' in vhost 'kampus': received the value '100' of type 'long' but current is none",
                "queue q exists with another x-delivery-limit: there it is none, and akund wants 100",
            ),
            (320, "CONNECTION_FORCED - broker forced connection closure with reason 'shutdown'", "was stopped"),
            (501, "FRAME_ERROR", "says 501"),
        ] {
            let said = said(code, text);
            assert!(said.contains(expected), "{said}");
        }
    }
}
