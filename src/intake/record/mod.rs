//! Request records, version 1: from bytes to [`Record`]s that cannot hold bad values, or to a report that a clerk
//! can act on.
//!
//! TOML and JSON hold one record, JSON Lines one on each line, CSV one in each row. Every format is read into one
//! small tree of values that know their places (`node`), and one reader (`read`) makes the record, collecting
//! what is wrong as it goes. A bad row never holds up a good one. Nothing here panics or recurses without bound,
//! whatever the bytes.

mod csv;
mod fields;
mod json;
mod node;
mod parsed;
mod problem;
mod read;
mod source;
mod suggest;
mod toml;
mod values;
mod wire;

pub use parsed::Parsed;
pub use problem::{Problem, Problems};
pub use wire::RequestRecord;

use crate::model::Record;
use csv::RowPlace;
use fields::{Finding, Findings};
use jiff::tz::TimeZone;
use node::At;
use parsed::Content;
use problem::Layout;
use serde::Serialize;
use source::Source;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

/// The column or key of a bad-rows file that says what was wrong; it is not read back.
const REASON: &str = "akund.reason";
/// Largest row of a bulk file, in bytes.
const LARGEST_ROW: usize = 1 << 20;

/// What a procedure says about reading its records.
#[derive(Debug, Clone)]
pub struct Rules {
    /// Country of phone numbers without a country code: ISO 3166-1 alpha-2.
    pub country: String,
    /// Zone of date-times without an offset.
    pub time_zone: TimeZone,
}

impl Default for Rules {
    /// For a record whose procedure is not known, which judging refuses: Indonesia, Jakarta.
    fn default() -> Self {
        let time_zone = TimeZone::get("Asia/Jakarta").unwrap_or_else(|_| TimeZone::fixed(jiff::tz::offset(7)));
        Self { country: "ID".into(), time_zone }
    }
}

/// The form of a record file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    /// One record.
    Toml,
    /// One record.
    Json,
    /// One record on each line.
    JsonLines,
    /// One record in each row.
    Csv,
}

impl Format {
    /// By the file name's extension, capitals or not.
    pub fn of_name(name: &str) -> Option<Self> {
        match Path::new(name).extension()?.to_str()?.to_ascii_lowercase().as_str() {
            "toml" => Some(Self::Toml),
            "json" => Some(Self::Json),
            "jsonl" | "ndjson" => Some(Self::JsonLines),
            "csv" => Some(Self::Csv),
            _ => None,
        }
    }

    /// Whether a file of it holds many records.
    pub fn is_bulk(self) -> bool {
        matches!(self, Self::JsonLines | Self::Csv)
    }
}

/// Finds the records of a file; [`Parsed::read`] reads them.
///
/// # Errors
/// Nothing in the file can be read as a record: unknown extension, not text, empty, broken TOML or JSON, a CSV header that
/// cannot be understood.
pub fn parse(name: &str, bytes: &[u8]) -> Result<Parsed, Problems> {
    let Some(format) = Format::of_name(name) else {
        let found = Path::new(name).extension().map_or("none".into(), |e| format!("\".{}\"", e.to_string_lossy()));
        let expected = "a file name that ends in .toml, .json, .jsonl or .csv";
        return Err(of_file(name, format!("the extension {found}"), expected));
    };
    if bytes.starts_with(b"PK\x03\x04") || bytes.starts_with(b"\xD0\xCF\x11\xE0") {
        let expected = "text: save the spreadsheet as \"CSV UTF-8\"";
        return Err(of_file(name, "a spreadsheet workbook".into(), expected));
    }
    let source = Arc::new(Source::decode(name, bytes));
    if source.text.trim().is_empty() {
        return Err(of_file(name, "an empty file".into(), "at least one record"));
    }
    match format {
        Format::Toml | Format::Json => document(format, source),
        Format::JsonLines => Ok(lines(source)),
        Format::Csv => sheet(source),
    }
}

/// SHA-256 of a record's content in one canonical form: equal for the same content whatever the format.
pub fn content_digest(record: &Record) -> [u8; 32] {
    wire::content_digest(record)
}

/// A list's bytes as text: UTF-8, or UTF-16, as spreadsheets save it; for lists that are no records.
///
/// # Errors
/// A sentence with the line of the first bytes that are neither.
pub fn decoded(name: &str, bytes: &[u8]) -> Result<String, String> {
    let source = Source::decode(name, bytes);
    let Some(damage) = source.damage_in(&(0..source.text.len().max(1))) else { return Ok(source.text) };
    let (line, column) = source.place(damage.at);
    let (name, found) = (&source.name, &damage.found);
    Err(format!("{name}:{line}:{column}: found {found}; expected UTF-8 text: save the list as `CSV UTF-8`"))
}

/// What separates the cells of a CSV text: comma, semicolon or tab.
pub fn delimiter(text: &str) -> u8 {
    csv::delimiter(text)
}

/// Whether a CSV text begins with a line for Excel, `sep=;`, that is no row.
pub fn begins_with_separator(text: &str) -> bool {
    csv::begins_with_separator(text)
}

/// JSON Schema (2020-12) of a record; the same for all formats.
pub fn schema() -> serde_json::Value {
    wire::schema()
}

fn of_file(name: &str, found: String, expected: &str) -> Problems {
    // No excerpt: there is no text to point into.
    let source = Arc::new(Source::decode(name, b""));
    let finding = Finding { at: At::Span(0..0), field: String::new(), found, expected: expected.into() };
    Place::of(&source).problems(Layout::Document, Findings::of(finding))
}

fn document(format: Format, source: Arc<Source>) -> Result<Parsed, Problems> {
    let place = Place::of(&source);
    let all = 0..source.text.len();
    if let Some(damage) = undecoded(&source, &all) {
        return Err(place.problems(Layout::Document, damage));
    }
    let parsed = match format {
        Format::Toml => toml::parse(&source.text),
        _ => json::parse(&source.text, 0).map_err(|fault| vec![fault]),
    };
    let root = match parsed {
        Ok(root) => root,
        Err(faults) => return Err(place.problems(Layout::Document, faults.into_iter().collect())),
    };
    if let (node::Value::List(_), At::Span(span)) = (&root.value, &root.at) {
        let at = At::Span(span.start..span.start + 1);
        let expected = "one record; many records go into a .jsonl file, one a line".to_owned();
        let finding = Finding { at, field: String::new(), found: "a list".into(), expected };
        return Err(place.problems(Layout::Document, Findings::of(finding)));
    }
    Ok(Parsed::new(format, Content::Document(root), vec![all], source))
}

fn lines(source: Arc<Source>) -> Parsed {
    let (mut rows, mut start) = (Vec::new(), 0);
    for line in source.text.split('\n') {
        let trimmed = line.trim_end();
        if !trimmed.trim_start().is_empty() {
            rows.push(start..start + trimmed.len());
        }
        start += line.len() + 1;
    }
    Parsed::new(Format::JsonLines, Content::Lines, rows, source)
}

fn sheet(source: Arc<Source>) -> Result<Parsed, Problems> {
    let file = csv::read(&source).map_err(|bad| header_problems(&source, bad.span, bad.faults))?;
    let csv::File { sheet, header, rows } = file;
    if undecoded(&source, &header).is_some() {
        return Err(header_problems(&source, header, Vec::new()));
    }
    if rows.is_empty() {
        return Err(of_file(&source.name, "a header without rows".into(), "at least one record below the header"));
    }
    Ok(Parsed::new(Format::Csv, Content::Sheet(sheet), rows, source))
}

/// The header's faults, each at its cell; damage to its text before all others.
fn header_problems(source: &Arc<Source>, head: Range<usize>, faults: Vec<Finding>) -> Problems {
    let damage = undecoded(source, &head);
    if damage.is_none() && faults.is_empty() {
        return of_file(&source.name, "an empty file".into(), "a header and at least one record below it");
    }
    let place = Place { source, row: Some(RowPlace::header(source, head)) };
    place.problems(Layout::Row, damage.unwrap_or(Findings { list: faults, more: 0 }))
}

/// A row that must not be parsed at all.
fn unreadable(source: &Source, span: &Range<usize>) -> Option<Findings> {
    if span.len() > LARGEST_ROW {
        let (found, expected) = (format!("{} bytes", span.len()), format!("a record of at most {LARGEST_ROW} bytes"));
        let at = At::Span(span.start..span.start);
        return Some(Findings::of(Finding { at, field: String::new(), found, expected }));
    }
    undecoded(source, span)
}

fn undecoded(source: &Source, span: &Range<usize>) -> Option<Findings> {
    let damage = source.damage_in(span)?;
    let at = At::Span(damage.at..damage.at + char::REPLACEMENT_CHARACTER.len_utf8());
    let expected = "text in UTF-8 (in a spreadsheet: save as \"CSV UTF-8\")".into();
    Some(Findings::of(Finding { at, field: String::new(), found: damage.found.clone(), expected }))
}

impl Findings {
    fn of(finding: Finding) -> Self {
        Self { list: vec![finding], more: 0 }
    }
}

impl FromIterator<json::Fault> for Findings {
    fn from_iter<I: IntoIterator<Item = json::Fault>>(faults: I) -> Self {
        let mut findings = Self::default();
        for fault in faults {
            findings.push(&At::Span(fault.span), String::new(), fault.found, fault.expected);
        }
        findings
    }
}

/// Turns places in the tree into lines and columns.
struct Place<'s> {
    source: &'s Arc<Source>,
    /// The CSV row in hand.
    row: Option<RowPlace>,
}

impl<'s> Place<'s> {
    fn of(source: &'s Arc<Source>) -> Self {
        Self { source, row: None }
    }

    fn problems(&self, layout: Layout, findings: Findings) -> Problems {
        let list = findings.list.into_iter().map(|f| self.problem(f)).collect();
        Problems::new(self.source.clone(), layout, list, findings.more)
    }

    fn problem(&self, finding: Finding) -> Problem {
        let Finding { at, field, found, expected } = finding;
        let ((line, column), span) = match (at, &self.row) {
            (At::Span(span), None) => (self.source.place(span.start), span),
            (At::Span(span), Some(row)) => {
                ((self.source.line(row.span.start), row.cell_at(self.source, span.start) + 1), span)
            }
            (At::Cell(cell), Some(row)) => ((self.source.line(row.span.start), cell + 1), row.cell(self.source, cell)),
            (At::Cell(cell), None) => ((1, cell + 1), 0..0),
        };
        Problem { line, column, field, found, expected, span }
    }
}

#[cfg(test)]
mod tests;
