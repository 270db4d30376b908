//! Sample requests of the five procedures that ship with akund: each shows what its SOP does with the good path and the others.

use jiff::{SignedDuration, Timestamp};

/// A procedure that ships with akund, and requests that show it.
pub struct Shown {
    /// Its name.
    pub procedure: &'static str,
    /// What it is, in a few words.
    pub about: &'static str,
    /// The file.
    pub text: &'static str,
    /// In the order in which they are handed in.
    pub requests: &'static [Request],
    /// How many of them end in which state.
    pub expected: &'static [(&'static str, usize)],
    /// What whoever tries it may bring as the signed letter, where a request waits for one.
    pub letter: Option<&'static [u8]>,
}

/// A file with requests.
pub struct Request {
    /// Its name.
    pub name: &'static str,
    /// The source that hands it in; none: `local`.
    pub source: Option<&'static str>,
    /// With `{day±N}` for a day and `{at±N}` for an instant, N days from now.
    pub text: &'static str,
}

macro_rules! procedure {
    ($name:literal) => {
        include_str!(concat!("../../../config/procedures/", $name, ".toml"))
    };
}

macro_rules! request {
    ($procedure:literal, $name:literal) => {
        request!($procedure, $name, None)
    };
    ($procedure:literal, $name:literal, $source:expr) => {
        Request { name: $name, source: $source, text: include_str!(concat!("requests/", $procedure, "/", $name)) }
    };
}

/// The five.
pub const SHOWN: [Shown; 5] = [
    Shown {
        procedure: "uin-malang-email",
        about: "units by form, students to Siakad",
        text: procedure!("uin-malang-email"),
        requests: &[
            request!("uin-malang-email", "1-unit.toml"),
            request!("uin-malang-email", "2-student.toml"),
            request!("uin-malang-email", "3-event-without-form.toml"),
            request!("uin-malang-email", "4-refused.toml"),
            request!("uin-malang-email", "5-siakad.csv", Some("siakad")),
        ],
        expected: &[("done", 3), ("redirected", 1), ("held", 1), ("refused", 1)],
        letter: None,
    },
    Shown {
        procedure: "uin-malang-hotspot",
        about: "Wi-Fi for an event, lecturers to Simpeg",
        text: procedure!("uin-malang-hotspot"),
        requests: &[request!("uin-malang-hotspot", "1-event.toml"), request!("uin-malang-hotspot", "2-lecturer.toml")],
        expected: &[("done", 1), ("redirected", 1)],
        letter: None,
    },
    Shown {
        procedure: "uin-raden-intan-email",
        about: "a unit's letter and a chain of three",
        text: procedure!("uin-raden-intan-email"),
        requests: &[
            request!("uin-raden-intan-email", "1-unit.toml"),
            request!("uin-raden-intan-email", "2-same-unit.toml"),
        ],
        expected: &[("done", 1), ("conflicted", 1)],
        letter: None,
    },
    Shown {
        procedure: "unja-email",
        about: "six categories, passwords by SMS",
        text: procedure!("unja-email"),
        requests: &[
            request!("unja-email", "1-lecturer.toml"),
            request!("unja-email", "2-event.toml"),
            request!("unja-email", "3-conflict.toml"),
            request!("unja-email", "4-corrected.toml"),
        ],
        expected: &[("done", 3), ("conflicted", 1)],
        letter: None,
    },
    Shown {
        procedure: "lumajang-email",
        about: "a registered letter in, a signed letter out",
        text: procedure!("lumajang-email"),
        requests: &[request!("lumajang-email", "1-office.toml"), request!("lumajang-email", "2-without-kabid.toml")],
        expected: &[("waiting", 1), ("held", 1)],
        letter: Some(include_bytes!("requests/lumajang-email/surat.pdf")),
    },
];

/// A request's text with its days and instants written out, counted from `now`. What is no such mark stays as it is.
pub fn dated(text: &str, now: Timestamp) -> String {
    let mut dated = String::with_capacity(text.len() + 64);
    let mut rest = text;
    while let Some((before, mark)) = rest.split_once('{') {
        dated.push_str(before);
        match mark.split_once('}').and_then(|(mark, after)| Some((written(mark, now)?, after))) {
            Some((written, after)) => {
                dated.push_str(&written);
                rest = after;
            }
            None => {
                dated.push('{');
                rest = mark;
            }
        }
    }
    dated.push_str(rest);
    dated
}

/// `day-4`, `day+90`, `at-4`
fn written(mark: &str, now: Timestamp) -> Option<String> {
    let place = mark.find(['+', '-'])?;
    let (kind, days) = mark.split_at(place);
    let at = now.checked_add(SignedDuration::from_hours(24 * days.parse::<i64>().ok()?)).ok()?;
    match kind {
        "day" => Some(at.strftime("%Y-%m-%d").to_string()),
        "at" => Some(at.strftime("%Y-%m-%dT02:00:00Z").to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_and_instants_are_counted_from_now_and_all_else_stays() {
        let now: Timestamp = "2026-11-20T05:00:00Z".parse().unwrap();
        for (text, expected) in [
            ("date = {day-4}", "date = 2026-11-16"),
            ("at = {at-1}\nexpires = {day+14}", "at = 2026-11-19T02:00:00Z\nexpires = 2026-12-04"),
            ("{", "{"),
            ("{day} {x-1} {day-x} }", "{day} {x-1} {day-x} }"),
        ] {
            assert_eq!(dated(text, now), expected);
        }
    }

    #[test]
    fn every_sample_has_an_end_and_no_mark_is_left() {
        for shown in &SHOWN {
            let requests: usize = shown.expected.iter().map(|(_, n)| n).sum();
            assert!(requests >= shown.requests.len(), "{}", shown.procedure);
            for request in shown.requests {
                let text = dated(request.text, Timestamp::now());
                assert!(!text.contains('{'), "{}/{}", shown.procedure, request.name);
                assert!(text.contains(shown.procedure), "{}/{}", shown.procedure, request.name);
            }
        }
    }
}
