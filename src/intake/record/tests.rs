//! Tables of the rules, the corpus of bad files, and properties.

mod corpus;
mod properties;
mod rules;
mod schema;

use super::*;

pub(super) fn no_rules(_: &str) -> Option<Rules> {
    None
}

/// A record with every field, as a clerk writes it.
pub(super) const FULL: &str = r#"
akund = 1
id = "B-12/Un.03/2026"
revision = 2
procedure = "uin-malang-email"
action = "change"

[applicant]
name = "Biro Humas"
given_name = "Biro"
family_name = "Humas"
category = "unit"
identifier = "198501012015041003"
unit = "Biro Administrasi"
email = "Humas.Pribadi@example.org"
phone = "0812-3456-7890"

[responsible]
name = "Siti"
identifier = "19870101"
email = "siti@example.org"
phone = "+62 812 3456 7891"

[account]
address = "humas@uin-malang.ac.id"
username = "humas"
services = ["mail", "hotspot"]
expires = 2027-06-30
quota = "5GB"
group = "tamu"

[change]
address = "humas2@uin-malang.ac.id"
name = "Humas"
quota = 1000
group = "tamu2"
expires = "2028-06-30"
aliases = ["a@uin-malang.ac.id", "b@uin-malang.ac.id"]

[[document]]
kind = "letter"
number = "B-12/Un.03/2026"
date = 2026-11-18
register = "SM-2026-881"
signed_by = "Kepala Biro"

[[approval]]
role = "head"
by = "Kepala"
decision = "refused"
reason = """
satu
dua"""
at = 2026-11-20T09:00:00+07:00

[[approval]]
role = "chair"
by = "Ketua"
decision = "approved"
at = 2026-11-20T09:30:00
"#;

/// A file with all its records read.
#[derive(Debug)]
pub(super) struct Whole {
    pub rows: Vec<Row>,
    parsed: Parsed,
}

#[derive(Debug)]
pub(super) struct Row {
    pub line: usize,
    pub record: Result<Box<Record>, Problems>,
}

impl Whole {
    pub fn bad_rows_file(&self) -> Option<Vec<u8>> {
        self.parsed.bad_rows_file()
    }
}

/// Parses a file and reads all of it, in pieces as admission does.
pub(super) fn parse(name: &str, bytes: &[u8], rules: &dyn Fn(&str) -> Option<Rules>) -> Result<Whole, Problems> {
    let mut parsed = super::parse(name, bytes)?;
    let mut records = std::collections::BTreeMap::new();
    for start in (0..parsed.count()).step_by(3) {
        records.extend(parsed.read(start..(start + 3).min(parsed.count()), rules));
    }
    records.extend(parsed.read(0..0, rules));
    let problems: std::collections::BTreeMap<usize, Problems> =
        parsed.problems().map(|(place, problems)| (place, problems.clone())).collect();
    let row = |place: usize| Row {
        line: parsed.line(place),
        record: records.remove(&place).ok_or_else(|| problems[&place].clone()),
    };
    let rows = (0..parsed.count()).map(row).collect();
    Ok(Whole { rows, parsed })
}

/// Parses a file of one record that must be good.
#[track_caller]
pub(super) fn good(name: &str, bytes: impl AsRef<[u8]>) -> Record {
    match parse(name, bytes.as_ref(), &no_rules) {
        Ok(mut parsed) => match parsed.rows.remove(0).record {
            Ok(record) => *record,
            Err(problems) => panic!("{problems}"),
        },
        Err(problems) => panic!("{problems}"),
    }
}

/// All problems of a file, those of the file itself or of its rows.
#[track_caller]
pub(super) fn bad(name: &str, bytes: impl AsRef<[u8]>) -> Vec<Problem> {
    let problems: Vec<Problem> = match parse(name, bytes.as_ref(), &no_rules) {
        Ok(parsed) => parsed.rows.iter().filter_map(|r| r.record.as_ref().err()).flatten().cloned().collect(),
        Err(problems) => problems.iter().cloned().collect(),
    };
    assert!(!problems.is_empty(), "{name} is good");
    problems
}

/// The problems as lines of text.
#[track_caller]
pub(super) fn said(name: &str, bytes: impl AsRef<[u8]>) -> String {
    bad(name, bytes).iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}
