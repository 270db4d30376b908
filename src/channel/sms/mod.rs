//! Text messages: through Kannel ([`kannel`]), gammu-smsd ([`gammu`]), or any HTTP gateway by a template ([`template`]).
//!
//! What they have in common: the number is E.164, a text that takes more parts than allowed is refused before it is sent, and what a
//! gateway answers is shown without the number and never where it repeats the text, which may hold a password.

pub mod gammu;
pub mod kannel;
pub mod segments;
pub mod template;

use super::{Destination, Envelope};
use crate::model::said::tidy;
use crate::model::{Fault, Phone};
use crate::web::Unanswered;
use segments::{Segments, segments};

/// As long a run of the message's own characters in an answer makes it unfit to be shown.
const ECHO: usize = 8;
/// As many last digits of a number in an answer are the number.
const LAST_DIGITS: usize = 7;

/// Where a text message goes, and that it is no longer than allowed.
///
/// # Errors
/// Permanent: no phone number, no text, or too many parts.
fn addressed(notice: &Envelope, max_parts: usize) -> Result<(&Phone, Segments), Fault> {
    let Destination::Phone(phone) = &notice.to else {
        return Err(Fault::permanent("a text message needs a phone number, and the recipient has none"));
    };
    let text = notice.text.expose();
    if text.trim().is_empty() {
        return Err(Fault::permanent("the notice has no text"));
    }
    let taken = segments(text);
    if taken.parts > max_parts {
        return Err(Fault::permanent(format!(
            "the notice takes {taken}, and max_segments is {max_parts}; shorten the template or allow more"
        )));
    }
    Ok((phone, taken))
}

/// A gateway's answer on one line, fit for logs and outcomes.
fn shown(answer: &str, phone: &Phone, text: &str) -> String {
    if repeats(answer, text) {
        return "(its answer repeats the message and is not shown)".into();
    }
    let line = tidy(&without_number(answer, phone), "");
    if line.is_empty() { "(an empty answer)".into() } else { line }
}

/// Whether a part of the message stands in the answer.
fn repeats(answer: &str, text: &str) -> bool {
    let text: Vec<char> = text.chars().collect();
    text.windows(ECHO).any(|part| answer.contains(&part.iter().collect::<String>()))
}

fn without_number(answer: &str, phone: &Phone) -> String {
    let digits = phone.as_str().trim_start_matches('+');
    let tail = digits.get(digits.len().saturating_sub(LAST_DIGITS)..).unwrap_or(digits);
    let mut out = String::with_capacity(answer.len());
    let mut rest = answer;
    while let Some(begin) = rest.find(|c: char| c.is_ascii_digit()) {
        let (before, run) = rest.split_at(begin);
        let end = run.find(|c: char| !c.is_ascii_digit()).unwrap_or(run.len());
        let (run, after) = run.split_at(end);
        out.push_str(before.strip_suffix('+').filter(|_| run.contains(tail)).unwrap_or(before));
        out.push_str(if run.contains(tail) { "…" } else { run });
        rest = after;
    }
    out.push_str(rest);
    out
}

/// A request that got no answer. Only one that surely was not sent may be sent again.
fn unanswered(gateway: &str, phone: &Phone, why: Unanswered) -> Fault {
    let to = phone.masked();
    match why {
        Unanswered::NotSent(why) => Fault::transient(format!("gateway {gateway}: {why}")),
        Unanswered::Lost(why) => Fault::unknown(format!(
            "gateway {gateway}: the message to {to} was sent, and {why}: whether it was taken is not known"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{FaultClass, Secret};

    fn phone() -> Phone {
        Phone::parse("081234567890", "ID").unwrap()
    }

    #[test]
    fn an_answer_shows_neither_the_number_nor_the_text() {
        let text = "Kata sandi awal: hT4k-rxA7-bcde-fghj. Segera ganti.";
        for (answer, expected) in [
            ("0: Accepted for delivery", "0: Accepted for delivery"),
            ("to +6281234567890 refused", "to … refused"),
            ("081234567890: barred; id 20261122070000", "…: barred; id 20261122070000"),
            ("{\"message\":\"hT4k-rxA7-bcde-fghj\"}", "(its answer repeats the message and is not shown)"),
            ("", "(an empty answer)"),
            ("a@example.org said\r\nno", "a…@example.org said no"),
        ] {
            assert_eq!(shown(answer, &phone(), text), expected);
        }
    }

    #[test]
    fn a_text_that_takes_too_many_parts_is_refused_for_good_with_the_numbers() {
        let notice = |text: String| Envelope {
            message_id: "1.0@x".into(),
            to: Destination::Phone(phone()),
            to_name: String::new(),
            language: "id".into(),
            subject: String::new(),
            text: Secret::new(text),
            html: None,
            receipt: None,
            attachments: Vec::new(),
        };
        assert_eq!(addressed(&notice("a".repeat(306)), 2).unwrap().1.parts, 2);
        let fault = addressed(&notice("a".repeat(307)), 2).unwrap_err();
        assert_eq!(fault.class, FaultClass::Permanent);
        assert!(
            fault.message.contains("3 parts (GSM 7-bit, 307 units)") && fault.message.contains("max_segments is 2")
        );
        assert_eq!(addressed(&notice(" ".into()), 2).unwrap_err().class, FaultClass::Permanent);
    }
}
