//! Requests as they are handed in. Of each two students one has the other's name, so that the share of names that are
//! taken, and so the work of finding a free one, is the same for any number of them.

use jiff::{Timestamp, ToSpan, tz::TimeZone};
use std::fmt::Write as _;

const GIVEN: [&str; 10] = ["Adi", "Budi", "Citra", "Dewi", "Eko", "Fitri", "Gilang", "Hana", "Indra", "Joko"];
const SYLLABLES: [&str; 20] = [
    "ba", "ci", "da", "en", "fa", "gu", "ha", "in", "ja", "ku", "la", "mi", "na", "on", "pa", "ra", "su", "ti", "wa",
    "yu",
];

/// A name for each two numbers.
fn name(number: usize) -> String {
    let mut rest = number / 2;
    let given = GIVEN[rest % GIVEN.len()];
    let mut family = String::new();
    for _ in 0..5 {
        family.push_str(SYLLABLES[rest % SYLLABLES.len()]);
        rest /= SYLLABLES.len();
    }
    format!("{given} {}{}", family[..1].to_uppercase(), &family[1..])
}

/// Yesterday: an approval may lie neither in the future nor far back.
fn approved_at() -> String {
    let day = Timestamp::now().checked_sub(24.hours()).unwrap().to_zoned(TimeZone::UTC);
    day.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// One file for each number.
pub fn single(numbers: std::ops::Range<usize>) -> impl Iterator<Item = (String, String)> {
    let at = approved_at();
    numbers.map(move |number| {
        let text = format!(
            r#"akund = 1
id = "T-{number}/2026"
procedure = "generic"

[applicant]
name = "{}"
category = "student"
identifier = "26{number:08}"
unit = "Fakultas Teknik"
email = "mhs{number}@example.org"
phone = "0812{number:08}"

[[approval]]
role = "head"
by = "Kepala Pusat TIK"
decision = "approved"
at = {at}
"#,
            name(number)
        );
        (format!("student-{number:06}.toml"), text)
    })
}

/// The same in JSON, as a message holds it.
pub fn json(numbers: std::ops::Range<usize>) -> impl Iterator<Item = (String, String)> {
    let at = approved_at();
    numbers.map(move |number| {
        let record = serde_json::json!({
            "akund": 1, "id": format!("T-{number}/2026"), "procedure": "generic",
            "applicant": {
                "name": name(number), "category": "student", "identifier": format!("26{number:08}"),
                "unit": "Fakultas Teknik", "email": format!("mhs{number}@example.org"), "phone": format!("0812{number:08}"),
            },
            "approval": [{"role": "head", "by": "Kepala Pusat TIK", "decision": "approved", "at": at}],
        });
        (format!("student-{number:06}.json"), record.to_string())
    })
}

/// All of them in one spreadsheet.
pub fn bulk(numbers: std::ops::Range<usize>) -> (String, String) {
    let at = approved_at();
    let file = format!("students-{:06}.csv", numbers.start);
    let mut text = String::from(
        "akund,id,procedure,applicant.name,applicant.category,applicant.identifier,applicant.unit,applicant.email,\
         applicant.phone,approval.1.role,approval.1.by,approval.1.decision,approval.1.at\n",
    );
    for number in numbers {
        let _ = writeln!(
            text,
            "1,C-{number}/2026,generic,{},student,26{number:08},Fakultas Teknik,mhs{number}@example.org,0812{number:08},\
             head,Kepala Pusat TIK,approved,{at}",
            name(number)
        );
    }
    (file, text)
}
