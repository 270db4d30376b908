//! Single values: texts by rule, numbers, dates, sizes. Each reader says what it found and what it expected.

use super::node::{Node, Value};
use super::suggest;
use crate::model::letters::{self, nfc, point_at, quoted};
use crate::model::phone::{scientific, scientific_expected};
use crate::model::{Invalid, Quota};
use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;

/// What a text may be.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rule {
    /// "a name", for messages.
    what: &'static str,
    /// In characters, after trimming.
    most: usize,
    kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// What people and units are called: has a letter, does not begin like a spreadsheet formula.
    Name,
    /// A number or code that a spreadsheet may have spoiled.
    Code,
    /// A word of the procedure's own lists.
    Word,
    /// Several lines.
    Note,
}

pub(super) const NAME: Rule = Rule { what: "a name", most: 200, kind: Kind::Name };
pub(super) const UNIT: Rule = Rule { what: "a unit", most: 200, kind: Kind::Name };
pub(super) const IDENTIFIER: Rule = Rule { what: "an identifier", most: 64, kind: Kind::Code };
pub(super) const NUMBER: Rule = Rule { what: "a number", most: 200, kind: Kind::Code };
pub(super) const WORD: Rule = Rule { what: "a word", most: 64, kind: Kind::Word };
pub(super) const REASON: Rule = Rule { what: "a reason", most: 2000, kind: Kind::Note };

impl Rule {
    /// The same rule under another name.
    pub const fn called(self, what: &'static str) -> Self {
        Self { what, ..self }
    }
}

/// A text by its rule: trimmed, NFC.
pub(super) fn text(node: &Node, rule: Rule) -> Result<String, Invalid> {
    let raw = plain(node, rule.what)?;
    let refuse = |expected: String| Err(Invalid::new(raw, expected));
    let clean: String = match rule.kind {
        Kind::Note => nfc(&raw.trim().replace("\r\n", "\n")),
        _ => nfc(raw.trim()),
    };
    let what = rule.what;
    let bad = |c: char| match c {
        '\n' | '\t' if rule.kind == Kind::Note => None,
        char::REPLACEMENT_CHARACTER => Some("a character that was lost when the text was converted"),
        c => letters::hidden(c),
    };
    if let Some((at, c, why)) = clean.chars().enumerate().find_map(|(at, c)| bad(c).map(|why| (at, c, why))) {
        let at = at + 1;
        return refuse(format!("{what} without {why} (character {at} is U+{:04X})", u32::from(c)));
    }
    let length = clean.chars().count();
    if length > rule.most {
        return refuse(format!("{what} of at most {} characters (this has {length})", rule.most));
    }
    match rule.kind {
        Kind::Name if clean.starts_with(['=', '+', '-', '@']) => {
            refuse(format!("{what} that begins with a letter or digit"))
        }
        Kind::Name if !clean.chars().any(char::is_alphanumeric) => refuse(format!("{what} with at least one letter")),
        Kind::Code if scientific(&clean) => refuse(scientific_expected(what)),
        _ => Ok(clean),
    }
}

/// The text of a node that must be one.
pub(super) fn plain<'n>(node: &'n Node, what: &str) -> Result<&'n str, Invalid> {
    match &node.value {
        Value::Text(text) | Value::Cell(text) => Ok(text),
        Value::Number(number) => {
            Err(misfit(node, format!("{what} as text in quotation marks, such as {}", quoted(number))))
        }
        _ => Err(misfit(node, format!("{what} as text"))),
    }
}

fn misfit(node: &Node, expected: impl Into<String>) -> Invalid {
    Invalid { found: node.shown(), expected: expected.into() }
}

/// The sender's id: 1 to 200 characters, and no name that means a directory.
pub(super) fn id(node: &Node) -> Result<String, Invalid> {
    let id = text(node, NUMBER.called("the ticket's or letter's number"))?;
    if id == "." || id == ".." {
        return Err(misfit(node, "the ticket's or letter's number"));
    }
    Ok(id)
}

/// A procedure's name: letters, digits, `-`, `_`, `.`; at most 64, beginning with a letter or digit.
pub(super) fn procedure(node: &Node) -> Result<String, Invalid> {
    let what = "the name of a procedure";
    let name = text(node, WORD.called(what))?;
    let good = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    if let Some((at, c)) = name.chars().enumerate().find(|(_, c)| !good(*c)) {
        return Err(misfit(node, format!("{what}: letters, digits and - _ . only; {}", point_at(at, c))));
    }
    if !name.starts_with(|c: char| c.is_ascii_alphanumeric()) {
        return Err(misfit(node, format!("{what}, which begins with a letter or digit")));
    }
    Ok(name)
}

/// A whole number within bounds.
pub(super) fn integer(node: &Node, bounds: std::ops::RangeInclusive<u32>) -> Result<u32, Invalid> {
    let parsed = match &node.value {
        Value::Number(text) | Value::Cell(text) => text.parse::<u32>().ok(),
        _ => None,
    };
    let expected = || match (bounds.start(), bounds.end()) {
        (a, b) if a == b => format!("the number {a}"),
        (a, b) => format!("a whole number from {a} to {b}"),
    };
    parsed.filter(|n| bounds.contains(n)).ok_or_else(|| misfit(node, expected()))
}

/// One of a few fixed words. In a CSV cell capitals don't matter.
pub(super) fn choice<T: Copy>(node: &Node, choices: &[(&'static str, T)]) -> Result<T, Invalid> {
    let names = || choices.iter().map(|(name, _)| *name);
    let list = names().collect::<Vec<_>>().join(", ");
    let text = plain(node, &format!("one of {list}"))?.trim();
    let same = |name: &str| match node.value {
        Value::Cell(_) => name.eq_ignore_ascii_case(text),
        _ => name == text,
    };
    choices.iter().find(|(name, _)| same(name)).map(|(_, value)| *value).ok_or_else(|| {
        match suggest::nearest(text, names()) {
            Some(name) => misfit(node, format!("one of {list} (did you mean \"{name}\"?)")),
            None => misfit(node, format!("one of {list}")),
        }
    })
}

/// A calendar day, `2026-06-30`, from 1900 to 2200.
pub(super) fn date(node: &Node) -> Result<Date, Invalid> {
    let text = match &node.value {
        Value::Date(text) | Value::Text(text) | Value::Cell(text) => text.trim(),
        _ => return Err(misfit(node, DATE)),
    };
    if !shaped(text, "dddd-dd-dd") {
        return Err(misfit(node, format!("{DATE}{}", hint(text))));
    }
    let date = text.parse::<Date>().map_err(|_| misfit(node, format!("{DATE}, that is in the calendar")))?;
    if !(1900..=2200).contains(&date.year()) {
        return Err(misfit(node, format!("{DATE}, between 1900 and 2200")));
    }
    Ok(date)
}

const DATE: &str = "a date as year-month-day, such as 2026-06-30";

/// For `30/06/2026`: how that is written here. Silent where day and month could be the other way round.
fn hint(text: &str) -> String {
    let parts: Vec<&str> = text.split(['/', '.', '-']).collect();
    let numbers: Option<Vec<u16>> = parts.iter().map(|p| p.parse().ok()).collect();
    match numbers.as_deref() {
        Some([day @ 13..=31, month @ 1..=12, year @ 1900..=2200]) => format!(" (here: {year}-{month:02}-{day:02})"),
        _ => String::new(),
    }
}

/// Whether a text has the given form; `d` stands for a digit, ` ` for a space or T.
fn shaped(text: &str, form: &str) -> bool {
    text.len() == form.len()
        && text.bytes().zip(form.bytes()).all(|(b, f)| match f {
            b'd' => b.is_ascii_digit(),
            b' ' => matches!(b, b' ' | b'T' | b't'),
            f => b == f,
        })
}

const INSTANT: &str = "a date and time such as 2026-11-20T09:00:00+07:00 (without +07:00: the procedure's local time)";

/// An instant: RFC 3339, or a date-time without offset, which is read in `zone`.
pub(super) fn instant(node: &Node, zone: &TimeZone) -> Result<Timestamp, Invalid> {
    let text = match &node.value {
        Value::Date(text) | Value::Text(text) | Value::Cell(text) => text.trim(),
        _ => return Err(misfit(node, INSTANT)),
    };
    let (local, offset) = split_offset(text);
    let (base, fraction) = local.split_once('.').unwrap_or((local, "0"));
    let whole = ["dddd-dd-dd dd:dd", "dddd-dd-dd dd:dd:dd"].iter().any(|form| shaped(base, form));
    let fraction_good = (1..=9).contains(&fraction.len()) && fraction.bytes().all(|b| b.is_ascii_digit());
    if !whole || !fraction_good || !offset.is_none_or(|o| o.eq_ignore_ascii_case("z") || shaped(&o[1..], "dd:dd")) {
        return Err(misfit(node, format!("{INSTANT}{}", hint(text.split(' ').next().unwrap_or("")))));
    }
    let impossible = || misfit(node, format!("{INSTANT}, that is in the calendar and between 1900 and 2200"));
    let time: DateTime = local.to_ascii_uppercase().parse().map_err(|_| impossible())?;
    if !(1900..=2200).contains(&time.year()) {
        return Err(impossible());
    }
    match offset {
        Some(_) => text.to_ascii_uppercase().parse().map_err(|_| impossible()),
        None => zone.to_ambiguous_timestamp(time).unambiguous().map_err(|_| {
            misfit(
                node,
                "a date and time with its offset: where the clocks change, this one is there twice or not at all",
            )
        }),
    }
}

/// Splits `Z` or `±hh:mm` off the end.
fn split_offset(text: &str) -> (&str, Option<&str>) {
    let time = text.find([' ', 'T', 't']).unwrap_or(text.len());
    match text.get(time..).and_then(|t| t.find(['Z', 'z', '+', '-'])) {
        Some(at) => (&text[..time + at], Some(&text[time + at..])),
        None => (text, None),
    }
}

const QUOTA: &str = "a size such as 5GB or 500 MB, or a number of bytes";
/// 1 PB.
const LARGEST: u64 = 1_000_000_000_000_000;

/// A mailbox size: bytes, or with a unit: kB MB GB TB are powers of 1000, KiB MiB GiB TiB of 1024.
pub(super) fn quota(node: &Node) -> Result<Quota, Invalid> {
    let text = match &node.value {
        Value::Number(text) | Value::Text(text) | Value::Cell(text) => text.trim(),
        _ => return Err(misfit(node, QUOTA)),
    };
    let end = text.bytes().position(|b| !b.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let factor = match unit.trim_start().to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "kb" => 1_000,
        "mb" => 1_000_000,
        "gb" => 1_000_000_000,
        "tb" => 1_000_000_000_000,
        "kib" => 1 << 10,
        "mib" => 1 << 20,
        "gib" => 1 << 30,
        "tib" => 1 << 40,
        _ => return Err(misfit(node, QUOTA)),
    };
    if number.is_empty() {
        return Err(misfit(node, QUOTA));
    }
    match number.parse::<u64>().ok().and_then(|n| n.checked_mul(factor)) {
        Some(0) => Err(misfit(node, format!("{QUOTA}, more than 0"))),
        Some(bytes) if bytes <= LARGEST => Ok(Quota(bytes)),
        _ => Err(misfit(node, format!("{QUOTA}, at most 1000 TB"))),
    }
}
