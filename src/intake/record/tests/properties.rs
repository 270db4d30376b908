//! Whatever the bytes, no panic; whatever the record, the same record from every format.

use super::super::wire::RequestRecord as Wire;
use super::*;
use crate::model::request::{Change, WantedAccount};
use crate::model::{Action, Approval, Decision, Document, Person, Quota, RequestKey};
use ::csv::WriterBuilder;
use proptest::option;
use proptest::prelude::*;
use serde_json::Value;

const NAMES: [&str; 4] = ["x.toml", "x.json", "x.jsonl", "x.csv"];

/// Flattens a record's JSON to the columns and cells of a CSV file.
fn flatten(prefix: &str, value: &Value, into: &mut Vec<(String, String)>) {
    let dotted = |key: &str| if prefix.is_empty() { key.to_owned() } else { format!("{prefix}.{key}") };
    match value {
        Value::Object(map) => map.iter().for_each(|(k, v)| flatten(&dotted(k), v, into)),
        Value::Array(items) if items.iter().all(Value::is_object) && !items.is_empty() => {
            items.iter().enumerate().for_each(|(n, v)| flatten(&dotted(&(n + 1).to_string()), v, into));
        }
        Value::Array(items) => {
            let items: Vec<&str> = items.iter().filter_map(Value::as_str).collect();
            into.push((prefix.to_owned(), items.join("|")));
        }
        Value::String(text) => into.push((prefix.to_owned(), text.clone())),
        other => into.push((prefix.to_owned(), other.to_string())),
    }
}

pub(super) fn as_csv(record: &Record, delimiter: u8) -> Vec<u8> {
    let mut cells = Vec::new();
    flatten("", &serde_json::to_value(Wire::from(record)).unwrap(), &mut cells);
    let mut out = WriterBuilder::new().delimiter(delimiter).from_writer(Vec::new());
    out.write_record(cells.iter().map(|(name, _)| name)).unwrap();
    out.write_record(cells.iter().map(|(_, cell)| cell)).unwrap();
    out.into_inner().unwrap()
}

fn utf16(text: &[u8], big: bool) -> Vec<u8> {
    let units = std::str::from_utf8(text).unwrap().encode_utf16();
    let bytes = |u: u16| if big { u.to_be_bytes() } else { u.to_le_bytes() };
    bytes(0xFEFF).into_iter().chain(units.flat_map(bytes)).collect()
}

fn text() -> impl Strategy<Value = String> {
    "[A-Za-z0-9À-ſ][A-Za-z0-9 ,;\"'|\\\\/.À-ſ漢-漿-]{0,18}[A-Za-z0-9]".prop_map(|t| {
        use unicode_normalization::UnicodeNormalization;
        t.nfc().collect()
    })
}

fn word() -> impl Strategy<Value = String> {
    "[a-z][a-z0-9-]{0,10}"
}

fn optional_text() -> impl Strategy<Value = String> {
    prop_oneof![Just(String::new()), text()]
}

fn address() -> impl Strategy<Value = crate::model::Address> {
    "[a-z][a-z0-9+_']{0,9}@[a-z][a-z0-9]{0,8}\\.(org|example)".prop_map(|t| t.parse().unwrap())
}

fn phone() -> impl Strategy<Value = crate::model::Phone> {
    (100_000_000_u64..999_999_999).prop_map(|n| crate::model::Phone::parse(&format!("+62812{}", n / 10), "ID").unwrap())
}

fn date() -> impl Strategy<Value = jiff::civil::Date> {
    (1900_i16..=2200, 1_i8..=12, 1_i8..=28).prop_map(|(y, m, d)| jiff::civil::date(y, m, d))
}

fn quota() -> impl Strategy<Value = Quota> {
    (1..=1_000_000_000_000_000_u64).prop_map(Quota)
}

fn person(category: bool) -> impl Strategy<Value = Person> {
    let texts = (text(), optional_text(), optional_text(), word(), optional_text(), optional_text());
    (texts, option::of(address()), option::of(phone())).prop_map(move |(texts, email, phone)| {
        let (name, given_name, family_name, word, identifier, unit) = texts;
        let person = Person { name, identifier, email, phone, ..Person::default() };
        if category { Person { given_name, family_name, category: word, unit, ..person } } else { person }
    })
}

fn account() -> impl Strategy<Value = WantedAccount> {
    let username = "[a-z0-9][a-z0-9._-]{0,9}".prop_map(|t| t.parse().unwrap());
    (
        option::of(address()),
        username,
        prop::collection::vec(word(), 0..3),
        option::of(date()),
        option::of(quota()),
        option::of(word()),
    )
        .prop_map(|(address, username, services, expires, quota, group)| WantedAccount {
            address,
            username: Some(username),
            services,
            expires,
            quota,
            group,
        })
}

fn change() -> impl Strategy<Value = Change> {
    (
        option::of(address()),
        text(),
        option::of(quota()),
        option::of(date()),
        option::of(prop::collection::vec(address(), 1..3)),
    )
        .prop_map(|(address, name, quota, expires, aliases)| Change {
            address,
            name: Some(name),
            quota,
            group: None,
            expires,
            aliases,
        })
}

fn approval() -> impl Strategy<Value = Approval> {
    let at = (0..4_000_000_000_i64, 0..1_000_000_000_i32).prop_map(|(s, n)| jiff::Timestamp::new(s, n).unwrap());
    let reason = "[a-z]{1,5}(\n[a-z\"]{0,5}x)?";
    (word(), text(), any::<bool>(), reason, at).prop_map(|(role, by, approved, reason, at)| {
        let decision = if approved { Decision::Approved } else { Decision::Refused };
        Approval { role, by, decision, reason, at }
    })
}

fn document() -> impl Strategy<Value = Document> {
    (word(), optional_text(), option::of(date()), optional_text(), optional_text())
        .prop_map(|(kind, number, date, register, signed_by)| Document { kind, number, date, register, signed_by })
}

pub(super) fn record() -> impl Strategy<Value = Record> {
    let key =
        (word(), text(), 1..1_000_000_u32).prop_map(|(procedure, id, revision)| RequestKey { procedure, id, revision });
    let lists = (prop::collection::vec(document(), 0..3), prop::collection::vec(approval(), 0..3));
    (key, person(true), option::of(person(false)), account(), option::of(change()), lists).prop_map(
        |(key, applicant, responsible, account, change, (documents, approvals))| Record {
            key,
            action: if change.is_some() { Action::Change } else { Action::Suspend },
            applicant,
            responsible,
            account,
            change,
            documents,
            approvals,
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn the_same_record_comes_out_of_every_format_with_the_same_digest(record in record()) {
        let wire = Wire::from(&record);
        let json = serde_json::to_string(&wire).unwrap();
        let digest = content_digest(&record);
        let csv = as_csv(&record, b';');
        for (name, bytes) in [
            ("r.toml", ::toml::to_string(&wire).unwrap().into_bytes()),
            ("r.json", serde_json::to_string_pretty(&wire).unwrap().into_bytes()),
            ("R.JSON", [b"\xEF\xBB\xBF", json.as_bytes()].concat()),
            ("r.jsonl", format!("\r\n{json}\r\n").into_bytes()),
            ("r.ndjson", json.into_bytes()),
            ("r.csv", as_csv(&record, b',')),
            ("tab.csv", as_csv(&record, b'\t')),
            ("le.csv", utf16(&csv, false)),
            ("be.csv", utf16(&csv, true)),
            ("r.csv", csv),
        ] {
            let read = good(name, bytes);
            prop_assert_eq!(&read, &record, "{}", name);
            prop_assert_eq!(content_digest(&read), digest);
        }
    }

    #[test]
    fn a_different_record_has_a_different_digest(one in record(), other in record()) {
        prop_assert_eq!(one == other, content_digest(&one) == content_digest(&other));
    }

    #[test]
    fn no_bytes_make_the_parser_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        for name in NAMES {
            check_report(name, &bytes);
        }
    }

    #[test]
    fn no_damage_to_a_good_file_makes_the_parser_panic(
        record in record(),
        cut in any::<prop::sample::Index>(),
        at in any::<prop::sample::Index>(),
        junk in prop::collection::vec(prop_oneof![any::<u8>(), Just(b'"'), Just(b'{'), Just(b','), Just(b'\n'), Just(0)], 0..4),
    ) {
        let wire = Wire::from(&record);
        let files = [
            ::toml::to_string(&wire).unwrap().into_bytes(),
            serde_json::to_string_pretty(&wire).unwrap().into_bytes(),
            serde_json::to_string(&wire).unwrap().into_bytes(),
            as_csv(&record, b','),
        ];
        for (name, file) in NAMES.iter().zip(files) {
            check_report(name, &file[..cut.index(file.len())]);
            let mut damaged = file.clone();
            let place = at.index(file.len());
            damaged.splice(place..place, junk.iter().copied());
            check_report(name, &damaged);
        }
    }
}

/// Every report can be rendered, and its places are in the file.
fn check_report(name: &str, bytes: &[u8]) {
    let check = |problems: &Problems| {
        assert!(!problems.is_empty() && !problems.to_string().is_empty() && !problems.one_line().contains('\n'));
        for p in problems.iter() {
            assert!(p.line >= 1 && p.column >= 1, "{p}");
            assert!(!p.found.is_empty() && !p.expected.is_empty(), "{p}");
        }
        let report = problems.to_string();
        assert!(!report.chars().any(|c| c.is_control() && c != '\n' && c != '\t'), "{report:?}");
    };
    match parse(name, bytes, &no_rules) {
        Err(problems) => check(&problems),
        Ok(parsed) => {
            assert!(!parsed.rows.is_empty());
            parsed.rows.iter().filter_map(|r| r.record.as_ref().err()).for_each(check);
            if let Some(file) = parsed.bad_rows_file() {
                // What was bad is bad again or was damage that rewriting repaired; it is never unreadable as a file.
                assert!(parse(name, &file, &no_rules).is_ok(), "{}", String::from_utf8_lossy(&file));
            }
        }
    }
}
