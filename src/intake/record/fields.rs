//! The names of a record's fields, and the tables of a record opened with every key accounted for.

use super::node::{At, Entry, Node, Value};
use super::suggest;
use crate::model::Invalid;
use crate::model::letters::quoted;
use std::collections::HashSet;

/// Keys of the record itself.
pub(super) const RECORD: &[&str] = &[
    "akund",
    "id",
    "revision",
    "procedure",
    "action",
    "applicant",
    "responsible",
    "account",
    "change",
    "document",
    "approval",
];
/// Those of [`RECORD`] that are no tables.
pub(super) const SCALARS: &[&str] = &["akund", "id", "revision", "procedure", "action"];
pub(super) const APPLICANT: &[&str] =
    &["name", "given_name", "family_name", "category", "identifier", "unit", "email", "phone"];
pub(super) const RESPONSIBLE: &[&str] = &["name", "identifier", "email", "phone"];
pub(super) const ACCOUNT: &[&str] = &["address", "username", "services", "expires", "quota", "group"];
pub(super) const CHANGE: &[&str] = &["address", "name", "quota", "group", "expires", "aliases"];
pub(super) const DOCUMENT: &[&str] = &["kind", "number", "date", "register", "signed_by"];
pub(super) const APPROVAL: &[&str] = &["role", "by", "decision", "reason", "at"];

/// Most problems that are kept of one record: the rest is counted.
const MOST: usize = 50;

/// The keys of `[name]`.
pub(super) fn table(name: &str) -> Option<&'static [&'static str]> {
    match name {
        "applicant" => Some(APPLICANT),
        "responsible" => Some(RESPONSIBLE),
        "account" => Some(ACCOUNT),
        "change" => Some(CHANGE),
        _ => None,
    }
}

/// The keys of each `[[name]]`.
pub(super) fn list(name: &str) -> Option<&'static [&'static str]> {
    match name {
        "document" => Some(DOCUMENT),
        "approval" => Some(APPROVAL),
        _ => None,
    }
}

/// All fields as a CSV header names them, with 1 for the number.
pub(super) fn dotted() -> Vec<String> {
    let tables = RECORD.iter().flat_map(|t| table(t).into_iter().flatten().map(move |name| format!("{t}.{name}")));
    let lists = RECORD.iter().flat_map(|t| list(t).into_iter().flatten().map(move |name| format!("{t}.1.{name}")));
    SCALARS.iter().map(|s| (*s).to_owned()).chain(tables).chain(lists).collect()
}

/// One thing that is wrong, not yet placed in lines and columns.
#[derive(Debug)]
pub(super) struct Finding {
    pub at: At,
    pub field: String,
    pub found: String,
    pub expected: String,
}

/// What was found wrong with one record.
#[derive(Debug, Default)]
pub(super) struct Findings {
    pub list: Vec<Finding>,
    /// Found beyond the most that are kept.
    pub more: usize,
}

impl Findings {
    pub fn push(&mut self, at: &At, field: String, found: String, expected: impl Into<String>) {
        if self.list.len() < MOST {
            self.list.push(Finding { at: at.clone(), field, found, expected: expected.into() });
        } else {
            self.more += 1;
        }
    }

    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }
}

/// A table of the record whose keys are all known and there once.
pub(super) struct Table<'n> {
    entries: &'n [Entry],
    path: String,
    at: &'n At,
}

impl<'n> Table<'n> {
    /// Opens a node as a table; unknown and repeated keys are findings.
    pub fn open(node: &'n Node, path: &str, names: &'static [&'static str], findings: &mut Findings) -> Option<Self> {
        let Value::Table(entries) = &node.value else {
            let what = if path.is_empty() { "a record" } else { "a table of fields" };
            findings.push(&node.at, path.to_owned(), node.shown(), what);
            return None;
        };
        let table = Self { entries, path: path.to_owned(), at: &node.at };
        let mut seen = HashSet::new();
        for entry in entries {
            if !names.contains(&entry.key.as_str()) {
                let expected =
                    if findings.list.len() < MOST { unknown(&entry.key, path, names) } else { String::new() };
                findings.push(&entry.at, table.field(&entry.key), format!("the key {}", quoted(&entry.key)), expected);
            } else if !seen.insert(entry.key.as_str()) {
                findings.push(&entry.at, table.field(&entry.key), "the key a second time".into(), "each key once");
            }
        }
        Some(table)
    }

    /// The dotted name of a key of this table.
    pub fn field(&self, key: &str) -> String {
        let key: String = key.chars().take(60).map(|c| if c.is_control() { '?' } else { c }).collect();
        if self.path.is_empty() { key } else { format!("{}.{key}", self.path) }
    }

    /// The value of a key, unless it is absent.
    pub fn get(&self, key: &str) -> Option<&'n Node> {
        self.node(key).filter(|n| !n.is_absent())
    }

    /// The value of a key, blank or not.
    pub fn node(&self, key: &str) -> Option<&'n Node> {
        self.entries.iter().find(|e| e.key == key).map(|e| &e.node)
    }

    /// The place to point at about a key: its value, else the table.
    pub fn place(&self, key: &str) -> &'n At {
        self.node(key).map_or(self.at, |n| &n.at)
    }

    /// An optional value.
    pub fn read<T>(
        &self,
        key: &str,
        findings: &mut Findings,
        reader: impl FnOnce(&Node) -> Result<T, Invalid>,
    ) -> Option<T> {
        let node = self.get(key)?;
        match reader(node) {
            Ok(value) => Some(value),
            Err(e) => {
                findings.push(&node.at, self.field(key), e.found, e.expected);
                None
            }
        }
    }

    /// A required value; `what` completes "expected …" where it is missing.
    pub fn must<T>(
        &self,
        key: &str,
        what: &str,
        findings: &mut Findings,
        reader: impl FnOnce(&Node) -> Result<T, Invalid>,
    ) -> Option<T> {
        if self.get(key).is_none() {
            self.missing(key, what, findings);
        }
        self.read(key, findings, reader)
    }

    /// Reports that a key is missing.
    pub fn missing(&self, key: &str, what: &str, findings: &mut Findings) {
        let found = match self.node(key).map(|n| &n.value) {
            Some(Value::Blank) => "an empty cell",
            Some(Value::Text(_)) => "an empty text",
            _ => "nothing",
        };
        findings.push(self.place(key), self.field(key), found.into(), what);
    }

    /// A list of at most `most` values; a CSV cell separates them by `|`. `None` where it is absent.
    pub fn items<T>(
        &self,
        key: &str,
        most: usize,
        findings: &mut Findings,
        mut reader: impl FnMut(&Node) -> Result<T, Invalid>,
    ) -> Option<Vec<T>> {
        let node = self.get(key)?;
        let split;
        let nodes = match &node.value {
            Value::List(nodes) => nodes,
            Value::Cell(text) => {
                let parts = text.split('|').map(str::trim).filter(|p| !p.is_empty());
                split = parts.map(|p| Node { at: node.at.clone(), value: Value::Cell(p.to_owned()) }).collect();
                &split
            }
            _ => {
                findings.push(&node.at, self.field(key), node.shown(), "a list of texts");
                return None;
            }
        };
        if nodes.len() > most {
            let (found, expected) = (format!("{} values", nodes.len()), format!("at most {most} values"));
            findings.push(&node.at, self.field(key), found, expected);
            return None;
        }
        let mut values = Vec::with_capacity(nodes.len());
        for (n, item) in nodes.iter().enumerate() {
            match reader(item) {
                Ok(value) => values.push(value),
                Err(e) => findings.push(&item.at, format!("{}.{}", self.field(key), n + 1), e.found, e.expected),
            }
        }
        Some(values)
    }
}

fn unknown(key: &str, path: &str, names: &[&'static str]) -> String {
    let place = if path.is_empty() { "the record".to_owned() } else { format!("[{path}]") };
    if let Some(name) = suggest::nearest(key, names.iter().copied()) {
        return format!("a field of {place} (did you mean \"{name}\"?)");
    }
    let known = dotted();
    match known.iter().find(|k| k.rsplit('.').next() == Some(key)) {
        Some(name) => format!("a field of {place} (did you mean \"{name}\"?)"),
        None => format!("a field of {place}: {}", names.join(", ")),
    }
}
