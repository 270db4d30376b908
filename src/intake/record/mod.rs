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
mod problem;
mod read;
mod source;
mod suggest;
mod toml;
mod values;
mod wire;

pub use problem::{Problem, Problems};
pub use wire::RequestRecord;

use crate::model::Record;
use csv::{RawRow, RowPlace, Sheet};
use fields::{Finding, Findings};
use jiff::tz::TimeZone;
use node::At;
use problem::Layout;
use read::Version;
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
}

/// One record's place in the file, and what became of it.
#[derive(Debug)]
pub struct Row {
    /// The line where it begins, from 1.
    pub line: usize,
    /// The record, or what is wrong with it.
    pub record: Result<Box<Record>, Problems>,
    /// Its text in the file.
    span: Range<usize>,
}

/// A file of which at least the outer form could be read. Has at least one row.
#[derive(Debug)]
pub struct Parsed {
    /// The file's form.
    pub format: Format,
    /// In the order of the file.
    pub rows: Vec<Row>,
    source: Arc<Source>,
    /// CSV only.
    sheet: Option<Sheet>,
}

impl Parsed {
    /// A file of just the bad rows, to be corrected and handed in again: UTF-8, in the original format. CSV keeps
    /// header and separator and gains a last column `akund.reason`, an object in JSON Lines a last key of that
    /// name; they are ignored when such a file is read. A line that is no object stays as it is. `None` where no
    /// row is bad, and for TOML and JSON, where the file is the row.
    pub fn bad_rows_file(&self) -> Option<Vec<u8>> {
        let bad =
            || self.rows.iter().filter_map(|row| Some((self.source.slice(&row.span), row.record.as_ref().err()?)));
        bad().next()?;
        match self.format {
            Format::Toml | Format::Json => None,
            Format::JsonLines => Some(
                bad()
                    .flat_map(|(text, problems)| json::with_reason(text, REASON, &problems.one_line()).into_bytes())
                    .collect(),
            ),
            Format::Csv => {
                let rows: Vec<(&str, String)> = bad().map(|(text, problems)| (text, problems.one_line())).collect();
                self.sheet.as_ref()?.bad_rows(&rows)
            }
        }
    }
}

impl Parsed {
    /// Marks a row that can be read, but that cannot be accepted for another reason, a sentence.
    pub fn refuse(&mut self, place: usize, reason: &str) {
        let Some(row) = self.rows.get_mut(place) else { return };
        let problem = Problem {
            line: row.line,
            column: 1,
            field: "id".into(),
            found: "a record that cannot be accepted".into(),
            expected: format!("another one: {reason}"),
            span: row.span.clone(),
        };
        row.record = Err(Problems::new(self.source.clone(), Layout::Row, vec![problem], 0));
    }

    /// The clerk's report on every bad row: the first ones with the places shown, the rest in a line each. Empty where none is bad.
    pub fn report(&self) -> String {
        const SHOWN_WHOLE: usize = 20;
        let bad = self.rows.iter().filter_map(|row| Some((row.line, row.record.as_ref().err()?)));
        let texts = bad.enumerate().map(|(count, (line, problems))| match count {
            0..SHOWN_WHOLE => problems.to_string(),
            _ => format!("line {line}: {}\n", problems.one_line()),
        });
        texts.collect()
    }
}

/// Reads a file of records. `rules` gives what the named procedure says about reading, `None` for one that is not
/// known.
///
/// # Errors
/// Nothing in the file can be read as a record: unknown extension, not text, empty, broken TOML or JSON, a CSV header that
/// cannot be understood.
pub fn parse(name: &str, bytes: &[u8], rules: &dyn Fn(&str) -> Option<Rules>) -> Result<Parsed, Problems> {
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
        Format::Toml | Format::Json => document(format, source, rules),
        Format::JsonLines => lines(source, rules),
        Format::Csv => sheet(source, rules),
    }
}

/// SHA-256 of a record's content in one canonical form: equal for the same content whatever the format.
pub fn content_digest(record: &Record) -> [u8; 32] {
    wire::content_digest(record)
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

fn document(format: Format, source: Arc<Source>, rules: &dyn Fn(&str) -> Option<Rules>) -> Result<Parsed, Problems> {
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
    let record = read::record(&root, Version::Required, rules).map_err(|f| place.problems(Layout::Document, f));
    Ok(Parsed { format, rows: vec![Row { line: 1, record, span: all }], source, sheet: None })
}

fn lines(source: Arc<Source>, rules: &dyn Fn(&str) -> Option<Rules>) -> Result<Parsed, Problems> {
    let place = Place::of(&source);
    let mut rows = Vec::new();
    let mut start = 0;
    for (number, line) in source.text.split('\n').enumerate() {
        let trimmed = line.trim_end();
        let span = start..start + trimmed.len();
        start += line.len() + 1;
        if trimmed.trim_start().is_empty() {
            continue;
        }
        let record = match unreadable(&source, &span) {
            Some(findings) => Err(findings),
            None => match json::parse(trimmed, span.start) {
                Ok(root) => read::record(&root.without(REASON), Version::Required, rules),
                Err(fault) => Err(std::iter::once(fault).collect()),
            },
        };
        let record = record.map_err(|findings| place.problems(Layout::Row, findings));
        rows.push(Row { line: number + 1, record, span });
    }
    Ok(Parsed { format: Format::JsonLines, rows, source, sheet: None })
}

fn sheet(source: Arc<Source>, rules: &dyn Fn(&str) -> Option<Rules>) -> Result<Parsed, Problems> {
    let read = csv::read(&source).map_err(|bad| header_problems(&source, bad.span, bad.faults))?;
    let csv::File { sheet, header, rows: raw } = read;
    if undecoded(&source, &header).is_some() {
        return Err(header_problems(&source, header, Vec::new()));
    }
    if raw.is_empty() {
        return Err(of_file(&source.name, "a header without rows".into(), "at least one record below the header"));
    }
    // Each row's cells go as soon as it is read: a large file is not held twice.
    let row = |raw: RawRow| {
        let place = Place { source: &source, row: Some(sheet.place(&raw)) };
        let record = sheet_row(&source, &sheet, &raw, rules).map_err(|f| place.problems(Layout::Row, f));
        Row { line: source.line(raw.span.start), record, span: raw.span }
    };
    let mut rows = Vec::with_capacity(raw.len());
    rows.extend(raw.into_iter().map(row));
    Ok(Parsed { format: Format::Csv, rows, source, sheet: Some(sheet) })
}

fn sheet_row(
    source: &Source,
    sheet: &Sheet,
    raw: &RawRow,
    rules: &dyn Fn(&str) -> Option<Rules>,
) -> Result<Box<Record>, Findings> {
    if let Some(findings) = unreadable(source, &raw.span) {
        return Err(findings);
    }
    if let Some((cell, found, expected)) = sheet.row_fault(raw) {
        return Err(Findings::of(Finding { at: At::Cell(cell), field: String::new(), found, expected }));
    }
    read::record(&sheet.node(raw), Version::Optional, rules)
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
