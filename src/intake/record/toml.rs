//! TOML with places.

use super::json::Fault;
use super::node::{At, Entry, Node, Value};
use crate::model::letters::quoted;
use toml::Spanned;
use toml::de::{DeInteger, DeTable, DeValue};

/// Parses a document; on failure every fault that the parser could tell apart. The parser limits its own depth (80).
pub(super) fn parse(text: &str) -> Result<Node, Vec<Fault>> {
    let (table, errors) = DeTable::parse_recoverable(text);
    if !errors.is_empty() {
        return Err(errors.iter().map(|e| fault(e, text)).collect());
    }
    // What the record as a whole lacks is shown at its first line that is not blank.
    let start = text.len() - text.trim_start().len();
    let span = start..start + text[start..].lines().next().map_or(0, str::len);
    Ok(Node { at: At::Span(span), value: table_value(table.into_inner()) })
}

fn table_value(table: DeTable<'_>) -> Value {
    let entry = |(key, value): (Spanned<_>, Spanned<DeValue<'_>>)| {
        let at = At::Span(key.span());
        let key: std::borrow::Cow<'_, str> = key.into_inner();
        Entry { key: key.into_owned(), at, node: convert(value) }
    };
    Value::Table(table.into_iter().map(entry).collect())
}

fn convert(value: Spanned<DeValue<'_>>) -> Node {
    let at = At::Span(value.span());
    let value = match value.into_inner() {
        DeValue::String(text) => Value::Text(text.into_owned()),
        DeValue::Integer(number) => Value::Number(decimal(&number)),
        DeValue::Float(number) => Value::Number(number.as_str().to_owned()),
        DeValue::Boolean(value) => Value::Bool(value),
        DeValue::Datetime(date) => Value::Date(date.to_string()),
        DeValue::Array(items) => Value::List(items.into_iter().map(convert).collect()),
        DeValue::Table(table) => table_value(table),
    };
    Node { at, value }
}

fn decimal(number: &DeInteger<'_>) -> String {
    match i128::from_str_radix(number.as_str(), number.radix()) {
        Ok(value) => value.to_string(),
        Err(_) => number.as_str().to_owned(),
    }
}

fn fault(error: &toml::de::Error, text: &str) -> Fault {
    let span = error.span().unwrap_or(0..0);
    let found = match text.get(span.clone()) {
        Some(part) if !part.is_empty() => quoted(part),
        _ => match text.get(span.start..).and_then(|rest| rest.chars().next()) {
            Some('\r' | '\n') => "the end of the line".into(),
            Some(c) => quoted(c.encode_utf8(&mut [0; 4])),
            None => "the end of the file".into(),
        },
    };
    Fault { span, found, expected: format!("valid TOML ({})", error.message()) }
}
