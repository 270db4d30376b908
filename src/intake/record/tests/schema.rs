//! The schema and the reader know the same fields.

use super::super::fields;
use super::*;
use serde_json::Value;
use std::collections::BTreeSet;

/// The schema of a table, its `$ref` followed.
fn table<'s>(schema: &'s Value, of: &'s Value) -> &'s Value {
    let reference = of["$ref"].as_str().or(of["anyOf"][0]["$ref"].as_str()).or(of["items"]["$ref"].as_str());
    match reference {
        Some(reference) => schema.pointer(&reference[1..]).unwrap(),
        None => of,
    }
}

fn properties(of: &Value) -> BTreeSet<&str> {
    assert_eq!(of["additionalProperties"], Value::Bool(false), "{of}");
    of["properties"].as_object().unwrap().keys().map(String::as_str).collect()
}

#[test]
fn the_schema_and_the_reader_have_the_same_fields() {
    let schema = schema();
    assert_eq!(properties(&schema), fields::RECORD.iter().copied().collect());
    for name in fields::RECORD {
        let known = fields::table(name).or(fields::list(name));
        let of = table(&schema, &schema["properties"][name]);
        match known {
            Some(known) => assert_eq!(properties(of), known.iter().copied().collect(), "{name}"),
            None => assert!(of["properties"].is_null(), "{name}"),
        }
    }
}

#[test]
fn the_schema_is_of_2020_12_and_every_field_is_described() {
    let schema = schema();
    assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
    assert_eq!(schema["properties"]["akund"]["maximum"], 1);
    for name in fields::RECORD {
        let of = table(&schema, &schema["properties"][name]);
        let inner = of["properties"].as_object().into_iter().flatten();
        for (key, property) in inner.chain([(&(*name).to_owned(), &schema["properties"][name])]) {
            assert!(property["description"].is_string(), "{name} {key}: {property}");
        }
    }
}

#[test]
fn the_schema_allows_null_nowhere_as_the_reader_does() {
    let schema = schema();
    assert!(!schema.to_string().contains("null"), "{schema:#}");
    assert_eq!(schema["properties"]["responsible"]["$ref"], "#/$defs/Responsible");
    assert!(said("x.json", r#"{"akund":1,"responsible":null}"#).contains("responsible: found null, expected a table"));
}

#[test]
fn what_the_schema_requires_the_reader_requires() {
    let schema = schema();
    let mut required: Vec<String> = vec![];
    for name in fields::RECORD {
        if schema["required"].as_array().unwrap().contains(&Value::from(*name)) && fields::table(name).is_none() {
            required.push((*name).to_owned());
        }
        let of = table(&schema, &schema["properties"][name]);
        let number = if fields::list(name).is_some() { ".1" } else { "" };
        for key in of["required"].as_array().into_iter().flatten().filter(|_| of["properties"].is_object()) {
            required.push(format!("{name}{number}.{}", key.as_str().unwrap()));
        }
    }
    let hollow = "[applicant]\n[responsible]\n[account]\n[[document]]\n[[approval]]\n";
    let missing: BTreeSet<String> = bad("r.toml", hollow).into_iter().map(|p| p.field).collect();
    assert_eq!(missing, required.into_iter().collect());
}

/// Every field of the full record, taken away, changes what is read: so every field of the schema is really read.
#[test]
fn every_field_of_the_schema_reaches_the_record() {
    let full: ::toml::Table = FULL.parse().unwrap();
    let whole = content_digest(&good("r.toml", FULL));
    for dotted in fields::dotted().iter().filter(|d| *d != "akund") {
        let mut less = full.clone();
        let parts: Vec<&str> = dotted.split('.').collect();
        let removed = match parts[..] {
            [name] => less.remove(name),
            [table, name] => less[table].as_table_mut().unwrap().remove(name),
            [list, _, name] => less[list].as_array_mut().unwrap()[0].as_table_mut().unwrap().remove(name),
            _ => None,
        };
        assert!(removed.is_some(), "{dotted} is not in the full record");
        let text = ::toml::to_string(&less).unwrap();
        match &parse("r.toml", text.as_bytes(), &no_rules).unwrap().rows[0].record {
            Ok(record) => assert_ne!(content_digest(record), whole, "{dotted}"),
            Err(problems) => {
                let top = if dotted == "action" { "change" } else { dotted.split('.').next().unwrap() };
                assert!(problems.iter().any(|p| p.field == *dotted || p.field == top), "{dotted}: {problems}");
            }
        }
    }
}
