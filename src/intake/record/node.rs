//! The one tree that the readers of all formats produce: values that know where they stood.

use std::ops::Range;

/// Where something stands in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum At {
    /// Byte range of the text.
    Span(Range<usize>),
    /// The cell of the row in hand, counted from 0.
    Cell(usize),
}

/// A value and its place.
#[derive(Debug, Clone)]
pub(super) struct Node {
    pub at: At,
    pub value: Value,
}

/// What the formats can say.
#[derive(Debug, Clone)]
pub(super) enum Value {
    /// A string.
    Text(String),
    /// A cell of a CSV row, not blank: text that may also stand for a number, a date or a list.
    Cell(String),
    /// A number as it is written, in decimal.
    Number(String),
    /// `true`, `false`.
    Bool(bool),
    /// TOML's own date, time or date-time, as ISO 8601 writes it.
    Date(String),
    /// JSON's `null`.
    Null,
    /// A blank cell: absent, but its place is known.
    Blank,
    /// An array.
    List(Vec<Node>),
    /// An object.
    Table(Vec<Entry>),
}

/// One key of a table.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub key: String,
    /// The key's place.
    pub at: At,
    pub node: Node,
}

impl Node {
    /// A table without one of its keys.
    pub fn without(mut self, key: &str) -> Self {
        if let Value::Table(entries) = &mut self.value {
            entries.retain(|e| e.key != key);
        }
        self
    }

    /// Whether the record reads as if this were not there: a blank cell, an empty text, or nothing but such.
    pub fn is_absent(&self) -> bool {
        match &self.value {
            Value::Blank => true,
            Value::Text(text) | Value::Cell(text) => text.trim().is_empty(),
            // An empty `[change]` or `[]` in TOML or JSON was written by somebody; a group of blank cells was not.
            Value::List(nodes) => !nodes.is_empty() && nodes.iter().all(|n| n.is_blank()),
            Value::Table(entries) => !entries.is_empty() && entries.iter().all(|e| e.node.is_blank()),
            _ => false,
        }
    }

    fn is_blank(&self) -> bool {
        match &self.value {
            Value::Blank => true,
            Value::List(_) | Value::Table(_) => self.is_absent(),
            _ => false,
        }
    }

    /// What it is, for "found …".
    pub fn shown(&self) -> String {
        use crate::model::letters::quoted;
        match &self.value {
            Value::Text(text) | Value::Cell(text) if text.trim().is_empty() => "an empty text".into(),
            Value::Text(text) | Value::Cell(text) => quoted(text),
            Value::Number(text) => format!("the number {}", quoted(text).trim_matches('"')),
            Value::Bool(value) => value.to_string(),
            Value::Date(text) => format!("the date {text}"),
            Value::Null => "null".into(),
            Value::Blank => "an empty cell".into(),
            Value::List(_) => "a list".into(),
            Value::Table(_) => "a table".into(),
        }
    }
}
