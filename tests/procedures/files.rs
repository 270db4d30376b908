//! The five files beside the documents that they carry.

use crate::requests::{FIVE, file, procedure, that_wants_signatures};
use crate::site;
use std::collections::BTreeSet;

/// Number and standard minutes of each row of a document's table.
type Rows = &'static [(&'static str, Option<i64>)];

/// The documents' tables; the fourth row of the last one is not in the document either. Times of approvals, drafting and signing
/// are people's.
const TABLES: [(&str, &str, Rows); 5] = [
    (
        "uin-malang-email",
        "B-23",
        &[("1", Some(5)), ("2", Some(5)), ("3", Some(120)), ("4", Some(60)), ("5", Some(30)), ("6", None)],
    ),
    (
        "uin-malang-hotspot",
        "B-21",
        &[("1", Some(5)), ("2", Some(5)), ("3", None), ("4", Some(30)), ("5", Some(30)), ("6", None)],
    ),
    (
        "uin-raden-intan-email",
        "SOP 2018",
        &[
            ("1", Some(10)),
            ("2", Some(15)),
            ("3", Some(15)),
            ("4", Some(20)),
            ("5", Some(20)),
            ("6", Some(15)),
            ("7", Some(10)),
        ],
    ),
    (
        "unja-email",
        "SOP-LPTIK-DAT-004",
        &[("1", Some(5)), ("2", Some(5)), ("3", Some(5)), ("4", Some(5)), ("5", Some(20)), ("6", Some(5))],
    ),
    (
        "lumajang-email",
        "427.53/4/2.04/2021",
        &[
            ("1", None),
            ("2", None),
            ("3", None),
            ("5", None),
            ("6", Some(5)),
            ("7", Some(5)),
            ("8", Some(5)),
            ("9", Some(10)),
            ("10", Some(10)),
            ("11", Some(10)),
            ("12", Some(10)),
            ("13", None),
        ],
    ),
];

#[test]
fn each_file_numbers_its_steps_and_allows_the_minutes_as_its_sop_does() {
    for (name, sop, rows) in TABLES {
        let table: toml::Table = file(name).parse().unwrap();
        assert_eq!(table["sop"].as_str(), Some(sop), "{name}");
        let steps = table["step"].as_array().unwrap();
        let found: Vec<_> = steps
            .iter()
            .map(|step| (step["number"].as_str().unwrap(), step.get("minutes").and_then(toml::Value::as_integer)))
            .collect();
        assert_eq!(found, rows, "{name}");
        for step in steps {
            let number = step["number"].as_str().unwrap();
            for key in ["title", "title_en", "actor"] {
                let said = step.get(key).and_then(toml::Value::as_str).unwrap_or_default();
                assert!(!said.is_empty(), "{name}: step {number} has no {key}");
            }
        }
    }
}

/// That each row is carried, or people's, is a finding of the check: see the corpus. Here: akund's part is where the SOP has it.
#[test]
fn what_akund_does_stands_at_the_rows_where_the_sop_has_it() {
    for (name, made, handed_over, told) in [
        ("uin-malang-email", "5", "6", &[("redirect", "2"), ("form", "2"), ("refusal", "4")][..]),
        ("uin-malang-hotspot", "5", "6", &[("redirect", "2"), ("form", "2"), ("refusal", "4")]),
        ("uin-raden-intan-email", "5", "6", &[("conflict", "4")]),
        ("unja-email", "5", "6", &[("conflict", "4"), ("refusal", "4")]),
        ("lumajang-email", "6", "12", &[]),
    ] {
        let table: toml::Table = file(name).parse().unwrap();
        let row_of = |key: &str, word: &str| {
            let rows = table["step"].as_array().unwrap().iter();
            let mut carrying = rows.filter(|row| {
                let words = row.get(key).and_then(toml::Value::as_array).into_iter().flatten();
                words.filter_map(toml::Value::as_str).any(|w| w == word)
            });
            carrying.next().map(|row| row["number"].as_str().unwrap().to_owned())
        };
        for verb in ["mint", "apply", "prove", "undo"] {
            assert_eq!(row_of("verbs", verb).as_deref(), Some(made), "{name}: {verb}");
        }
        assert_eq!(row_of("notices", "credentials").as_deref(), Some(handed_over), "{name}");
        for (notice, row) in told {
            assert_eq!(row_of("notices", notice).as_deref(), Some(*row), "{name}: {notice}");
        }
        for notice in ["refusal", "conflict", "incomplete"] {
            assert!(row_of("notices", notice).is_some(), "{name}: nothing carries {notice}");
        }
        for check in
            ["category", "fields", "documents", "approvals", "contact", "account", "expiry", "register", "targets"]
        {
            assert!(row_of("checks", check).is_some(), "{name}: nothing carries {check}");
        }
    }
}

#[test]
fn each_file_can_be_carried_out_where_its_channels_and_targets_are_and_may_demand_a_signature() {
    for (name, _) in FIVE {
        assert_eq!(procedure(name).check_site(&site()), [""; 0], "{name}");
        that_wants_signatures(name);
        let mut bare = site();
        bare.channels.clear();
        assert!(!procedure(name).check_site(&bare).is_empty(), "{name}");
    }
}

/// The schema that editors use: every key that a file writes is one that the schema knows.
#[test]
fn the_schema_knows_every_key_of_the_five() {
    let schema = akund::procedure::schema();
    let mut known: BTreeSet<&str> = schema["properties"].as_object().unwrap().keys().map(String::as_str).collect();
    for definition in schema["$defs"].as_object().unwrap().values() {
        let keys = definition.get("properties").and_then(|p| p.as_object());
        known.extend(keys.into_iter().flat_map(|keys| keys.keys().map(String::as_str)));
    }
    for (name, _) in FIVE {
        let mut table: toml::Table = file(name).parse().unwrap();
        table.remove("texts");
        let mut tables = vec![toml::Value::Table(table)];
        while let Some(value) = tables.pop() {
            match value {
                toml::Value::Table(table) => {
                    for (key, value) in table {
                        assert!(known.contains(key.as_str()), "{name}: {key}");
                        tables.push(value);
                    }
                }
                toml::Value::Array(values) => tables.extend(values),
                _ => {}
            }
        }
    }
}

/// The five in the directory of an installation with mail, hotspot, e-mail and SMS.
fn installation() -> crate::daemon::Site {
    let site = crate::daemon::Site::new();
    for (name, _) in FIVE {
        std::fs::write(site.path(&format!("procedures/{name}.toml")), file(name)).unwrap();
    }
    std::fs::create_dir_all(site.path("conf.d")).unwrap();
    let sms = "[channel.sms]\nkind = \"outbox\"\ncarries = \"sms\"\npath = \"outbox-sms\"\n";
    std::fs::write(site.path("conf.d/sms.toml"), sms).unwrap();
    site
}

#[test]
fn check_passes_with_all_five_and_names_what_a_copy_has_wrong() {
    let site = installation();
    site.start().terminate();
    let (code, said) = site.told(&["check"]);
    assert_eq!(code, 0, "{said}");
    for (name, _) in FIVE {
        assert!(said.contains(name), "{name}: {said}");
        let copy = site.path("procedures/sixth.toml");
        std::fs::write(&copy, file(name)).unwrap();
        let (code, said) = site.told(&["check"]);
        assert_eq!(code, 78, "{said}");
        assert!(said.contains("sixth.toml") && said.contains("write `name = \"sixth\"`"), "{said}");
        // With its own name it is a sixth procedure.
        let renamed = file(name).replace(&format!("\nname = \"{name}\""), "\nname = \"sixth\"");
        std::fs::write(&copy, renamed).unwrap();
        let (code, said) = site.told(&["check"]);
        assert_eq!(code, 0, "{said}");
    }
    std::fs::remove_file(site.path("conf.d/sms.toml")).unwrap();
    let (code, said) = site.told(&["check"]);
    assert_eq!(code, 78, "{said}");
    assert!(said.contains("`unja-email` delivers through the channel `sms`"), "{said}");
}

#[test]
fn each_message_can_be_previewed_as_each_procedure_sends_it() {
    let site = installation();
    for (name, kind, language, category, expected) in [
        ("uin-malang-email", "redirect", "id", "student", "Masuk ke Siakad dengan NIM Anda."),
        ("uin-malang-email", "redirect", "en", "lecturer", "Log in to Simpeg with your staff number"),
        ("uin-malang-hotspot", "form", "id", "", "https://ptipd.uin-malang.ac.id/formulir-hotspot"),
        ("uin-raden-intan-email", "credentials", "id", "", "humas@radenintan.ac.id"),
        ("unja-email", "conflict", "id", "event", "humas2@unja.ac.id"),
        ("lumajang-email", "refusal", "en", "", "Kabupaten Lumajang could not be granted"),
    ] {
        let mut arguments = vec!["template", "preview", kind, "--language", language, "--procedure", name];
        if !category.is_empty() {
            arguments.extend(["--category", category]);
        }
        let (code, said) = site.told(&arguments);
        assert!(code == 0 && said.starts_with("Subject: ") && said.contains(expected), "{arguments:?}: {said}");
    }
    for (arguments, expected) in [
        (&["--procedure", "none"][..], "there is no procedure none; there are generic, lumajang-email"),
        (
            &["--procedure", "unja-email", "--category", "alien"],
            "procedure unja-email has no category alien; it has unit",
        ),
        (&["--procedure", "lumajang-email"], "procedure lumajang-email never sends the notice redirect"),
    ] {
        let (code, said) = site.told(&[&["template", "preview", "redirect"], arguments].concat());
        assert!(code == 64 && said.contains(expected), "{arguments:?}: {code} {said}");
    }
}
