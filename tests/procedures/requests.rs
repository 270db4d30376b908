//! The sample requests of the five procedures, as records and as files; `akund demo` hands the same ones in.

use akund::intake::record::{self, Rules};
use akund::model::Record;
use akund::procedure::Procedure;
use jiff::{SignedDuration, Timestamp};
use std::path::PathBuf;

/// The five, each with a request that it permits.
pub const FIVE: [(&str, &str); 5] = [
    ("uin-malang-email", "1-unit.toml"),
    ("uin-malang-hotspot", "1-event.toml"),
    ("uin-raden-intan-email", "1-unit.toml"),
    ("unja-email", "1-lecturer.toml"),
    ("lumajang-email", "1-office.toml"),
];

fn shipped(path: &str) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// A shipped procedure file's text.
pub fn file(procedure: &str) -> String {
    shipped(&format!("config/procedures/{procedure}.toml"))
}

pub fn procedure(name: &str) -> Procedure {
    procedure_of(name, &file(name))
}

/// The same with every `# signed = true` in force.
pub fn that_wants_signatures(name: &str) -> Procedure {
    procedure_of(name, &with_signatures(name))
}

pub fn with_signatures(name: &str) -> String {
    let text = file(name);
    assert!(text.contains("\n# signed = true"), "{name}");
    text.replace("\n# signed = true", "\nsigned = true")
}

fn procedure_of(name: &str, text: &str) -> Procedure {
    Procedure::parse(&format!("{name}.toml"), text).unwrap_or_else(|report| panic!("{report}"))
}

/// A sample request file, its dates counted from `now`.
pub fn text(procedure: &str, name: &str, now: Timestamp) -> String {
    dated(&shipped(&format!("src/cli/demo/requests/{procedure}/{name}")), now)
}

/// `{day-4}` and `{at-4}` written out.
pub fn dated(text: &str, now: Timestamp) -> String {
    let mut parts = text.split('{');
    let mut dated = parts.next().unwrap().to_owned();
    for part in parts {
        let (mark, after) = part.split_once('}').unwrap();
        let (kind, days) = mark.split_at(mark.find(['+', '-']).unwrap());
        let at = now + SignedDuration::from_hours(24 * days.parse::<i64>().unwrap());
        let format = if kind == "day" { "%Y-%m-%d" } else { "%Y-%m-%dT02:00:00Z" };
        dated += &at.strftime(format).to_string();
        dated += after;
    }
    dated
}

/// The records of a file, read as the daemon reads them.
pub fn records(name: &str, text: &str) -> Vec<Record> {
    let mut parsed = record::parse(name, text.as_bytes()).unwrap_or_else(|problems| panic!("{problems}"));
    let rows = 0..parsed.count();
    let found = parsed.read(rows, &|_: &str| Some(Rules::default()));
    assert_eq!(parsed.problems().len(), 0, "{}", parsed.report());
    found.into_iter().map(|(_, record)| *record).collect()
}

pub fn sample(procedure: &str, name: &str, now: Timestamp) -> Record {
    records(name, &text(procedure, name, now)).remove(0)
}
