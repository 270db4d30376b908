//! CSV as spreadsheets write it: RFC 4180 with comma, semicolon or tab, and dotted field names as header.

use super::fields::Finding;
use super::node::{At, Entry, Node, Value};
use super::source::Source;
use super::{REASON, fields, suggest};
use crate::model::letters::quoted;
use ::csv::{ReaderBuilder, StringRecord, Terminator, WriterBuilder};
use std::collections::HashSet;
use std::io::Read;
use std::ops::Range;

/// Most columns of a file.
const WIDEST: usize = 1000;
/// Most documents or approvals of one record.
pub(super) const MOST_NUMBERED: usize = 64;

/// The header, understood.
#[derive(Debug)]
pub(super) struct Sheet {
    delimiter: u8,
    /// Header cells as they were written, trimmed.
    names: Vec<String>,
    /// The column [`REASON`], if the file has one.
    reason: Option<usize>,
    shape: Shape,
    /// Where the row begins that a quotation mark was opened in and never closed.
    unclosed: Option<usize>,
}

/// One row, not yet a record.
#[derive(Debug)]
pub(super) struct RawRow {
    /// The row's text, without its line end.
    pub span: Range<usize>,
    cells: StringRecord,
}

/// A file whose header was understood.
#[derive(Debug)]
pub(super) struct File {
    pub sheet: Sheet,
    /// The header's text.
    pub header: Range<usize>,
    /// The texts of the rows, without their line ends. Those that are blank throughout are left out.
    pub rows: Vec<Range<usize>>,
}

/// A header that was not understood, or none at all: then without faults.
#[derive(Debug)]
pub(super) struct BadHeader {
    pub span: Range<usize>,
    pub faults: Vec<Finding>,
}

/// How the cells of a row become a tree.
#[derive(Debug)]
enum Shape {
    Cell(usize),
    Table(Vec<(String, Shape)>),
    List(Vec<Shape>),
}

/// Reads the header and finds the rows.
pub(super) fn read(source: &Source) -> Result<File, BadHeader> {
    let text = source.text.as_str();
    let delimiter = delimiter(text);
    let mut reader =
        ReaderBuilder::new().has_headers(false).flexible(true).delimiter(delimiter).from_reader(text.as_bytes());
    let (mut head, mut rows) = (None, Vec::new());
    let mut record = StringRecord::new();
    let mut passed = !begins_with_separator(text);
    // The text is UTF-8 and the reader is flexible, so that no row can fail.
    while let Ok(true) = reader.read_record(&mut record) {
        if !std::mem::replace(&mut passed, true) {
            continue;
        }
        let start = record.position().map_or(0, |p| usize::try_from(p.byte()).unwrap_or(usize::MAX));
        let end = usize::try_from(reader.position().byte()).unwrap_or(usize::MAX).min(text.len());
        let span = trimmed(text, start.min(end)..end);
        if is_blank(&record) {
            continue;
        }
        match head {
            None => head = Some((span, record.clone())),
            Some(_) => rows.push(span),
        }
    }
    let Some((header, names)) = head else { return Err(BadHeader { span: 0..0, faults: Vec::new() }) };
    match sheet(&names, delimiter) {
        Ok(mut sheet) => {
            let open = rows.last().filter(|last| cells_of(source.slice(last), delimiter).1);
            sheet.unclosed = open.map(|last| last.start);
            Ok(File { sheet, header, rows })
        }
        Err(faults) => Err(BadHeader { span: header, faults }),
    }
}

fn is_blank(record: &StringRecord) -> bool {
    record.iter().all(|cell| cell.trim().is_empty())
}

/// A row's bounds without the line ends around it.
fn trimmed(text: &str, span: Range<usize>) -> Range<usize> {
    let row = text.get(span.clone()).unwrap_or("");
    let start = span.start + (row.len() - row.trim_start_matches(['\r', '\n']).len());
    let end = span.start + row.trim_end_matches(['\r', '\n']).len();
    start..end.max(start)
}

/// The separator that Excel is told by a first line `sep=;`, also in quotation marks; none without such a line.
fn separator(text: &str) -> Option<u8> {
    let line = text.split(['\r', '\n']).next().unwrap_or_default().trim_end_matches(' ');
    let line = line.strip_prefix('"').and_then(|line| line.strip_suffix('"')).unwrap_or(line);
    let (word, separator) = line.split_at_checked(4)?;
    match separator {
        "," | ";" | "\t" if word.eq_ignore_ascii_case("sep=") => separator.bytes().next(),
        _ => None,
    }
}

/// Whether the first line is one for Excel, which says only what separates the cells.
pub(super) fn begins_with_separator(text: &str) -> bool {
    separator(text).is_some()
}

/// The separator that the first line says, else that the first line that is not blank has most of, outside quotation marks.
pub(super) fn delimiter(text: &str) -> u8 {
    if let Some(separator) = separator(text) {
        return separator;
    }
    let head = text.trim_start_matches(['\r', '\n']);
    let (mut counts, mut in_quotes) = ([0_usize; 3], false);
    for byte in head.bytes() {
        match byte {
            b'"' => in_quotes = !in_quotes,
            b'\n' | b'\r' if !in_quotes => break,
            b',' if !in_quotes => counts[0] += 1,
            b';' if !in_quotes => counts[1] += 1,
            b'\t' if !in_quotes => counts[2] += 1,
            _ => {}
        }
    }
    let [commas, semicolons, tabs] = counts;
    if tabs > commas && tabs > semicolons {
        b'\t'
    } else if semicolons > commas {
        b';'
    } else {
        b','
    }
}

fn sheet(head: &StringRecord, delimiter: u8) -> Result<Sheet, Vec<Finding>> {
    let names: Vec<String> = head.iter().map(|cell| cell.trim().to_owned()).collect();
    let mut faults = Vec::new();
    if names.len() > WIDEST {
        let expected = format!("at most {WIDEST} columns");
        let found = format!("{} columns", names.len());
        return Err(vec![Finding { at: At::Cell(WIDEST), field: String::new(), found, expected }]);
    }
    let mut shape = Vec::new();
    let (mut seen, mut reason) = (HashSet::new(), None);
    for (cell, name) in names.iter().enumerate() {
        let lower = name.to_lowercase();
        if !name.is_empty() && !seen.insert(lower.clone()) {
            faults.push(header_fault(cell, name, "each column once"));
        } else if lower == REASON {
            reason = Some(cell);
        } else if !name.is_empty() {
            match path(&lower) {
                Some(path) => insert(&mut shape, &path, cell),
                None => faults.push(header_fault(cell, name, &unknown_column(&lower))),
            }
        }
    }
    missing_columns(names.len(), &seen, &mut faults);
    if !faults.is_empty() {
        return Err(faults);
    }
    Ok(Sheet { delimiter, names, reason, shape: numbered(Shape::Table(shape)), unclosed: None })
}

fn header_fault(cell: usize, name: &str, expected: &str) -> Finding {
    Finding {
        at: At::Cell(cell),
        field: String::new(),
        found: format!("the column {}", quoted(name)),
        expected: expected.into(),
    }
}

/// Columns without which no row can be a record, as missing behind the last one, and gaps in the numbering of
/// documents and approvals.
fn missing_columns(columns: usize, seen: &HashSet<String>, faults: &mut Vec<Finding>) {
    let mut missing = |name: String, expected: &str| {
        faults.push(Finding {
            at: At::Cell(columns),
            field: name,
            found: "no such column".into(),
            expected: expected.into(),
        });
    };
    for name in ["id", "procedure", "applicant.name", "applicant.category"] {
        if !seen.contains(name) {
            missing(name.into(), "a column of this name");
        }
    }
    for group in ["document", "approval"] {
        let used =
            |n: usize| seen.iter().any(|s| s.strip_prefix(group).is_some_and(|s| s.starts_with(&format!(".{n}."))));
        let numbers: Vec<bool> = (1..=MOST_NUMBERED).map(used).collect();
        let last = numbers.iter().rposition(|used| *used).map_or(0, |at| at + 1);
        if let Some(gap) = numbers.iter().take(last).position(|used| !used) {
            missing(format!("{group}.{}", gap + 1), "columns counted from 1 without a gap");
        }
    }
}

/// `approval.1.role` as its parts, if it is a field of the record.
fn path(lower: &str) -> Option<Vec<&str>> {
    let parts: Vec<&str> = lower.split('.').collect();
    let known = match parts[..] {
        [name] => fields::SCALARS.contains(&name),
        [table, name] => fields::table(table).is_some_and(|names| names.contains(&name)),
        [list, number, name] => {
            let counts = !number.starts_with('0') && number.parse().is_ok_and(|n| (1..=MOST_NUMBERED).contains(&n));
            counts && fields::list(list).is_some_and(|names| names.contains(&name))
        }
        _ => false,
    };
    known.then_some(parts)
}

fn unknown_column(lower: &str) -> String {
    let known = fields::dotted();
    match suggest::nearest(lower, known.iter().map(String::as_str)) {
        Some(name) => format!("a field of the record (did you mean \"{name}\"?)"),
        None => match known.iter().find(|k| k.rsplit('.').next() == Some(lower)) {
            Some(name) => format!("a field of the record (did you mean \"{name}\"?)"),
            None => "a field of the record, such as applicant.name or approval.1.role".into(),
        },
    }
}

fn insert(into: &mut Vec<(String, Shape)>, path: &[&str], cell: usize) {
    let [name, rest @ ..] = path else { return };
    if rest.is_empty() {
        into.push(((*name).to_owned(), Shape::Cell(cell)));
        return;
    }
    let at = into.iter().position(|(n, _)| n == name).unwrap_or_else(|| {
        into.push(((*name).to_owned(), Shape::Table(Vec::new())));
        into.len() - 1
    });
    if let Some((_, Shape::Table(inner))) = into.get_mut(at) {
        insert(inner, rest, cell);
    }
}

/// Turns tables whose keys are 1, 2, 3 … into lists in that order.
fn numbered(shape: Shape) -> Shape {
    match shape {
        Shape::Table(entries) if entries.iter().all(|(k, _)| k.bytes().all(|b| b.is_ascii_digit())) => {
            let mut entries: Vec<(usize, Shape)> =
                entries.into_iter().map(|(k, s)| (k.parse().unwrap_or(0), numbered(s))).collect();
            entries.sort_by_key(|(n, _)| *n);
            Shape::List(entries.into_iter().map(|(_, s)| s).collect())
        }
        Shape::Table(entries) => Shape::Table(entries.into_iter().map(|(k, s)| (k, numbered(s))).collect()),
        done => done,
    }
}

/// Where the cells of a row stand in its text, quotation marks included, and whether a quotation mark stayed open.
pub(super) fn cells_of(row: &str, delimiter: u8) -> (Vec<Range<usize>>, bool) {
    let (mut cells, mut start) = (Vec::new(), 0);
    let (mut quoted, mut closing) = (false, false);
    for (at, byte) in row.bytes().enumerate() {
        if quoted && !closing {
            closing = byte == b'"';
        } else if quoted && byte == b'"' {
            closing = false;
        } else if byte == delimiter {
            cells.push(start..at);
            (start, quoted, closing) = (at + 1, false, false);
        } else if quoted {
            // Something behind the closing mark: an ordinary cell from here on.
            (quoted, closing) = (false, false);
        } else if at == start && byte == b'"' {
            quoted = true;
        }
    }
    cells.push(start..row.len());
    (cells, quoted && !closing)
}

/// A row of the file whose cells are to be pointed at.
#[derive(Debug, Clone)]
pub(super) struct RowPlace {
    pub span: Range<usize>,
    delimiter: u8,
}

impl RowPlace {
    /// The header, also one that could not be understood.
    pub fn header(source: &Source, span: Range<usize>) -> Self {
        Self { span, delimiter: delimiter(&source.text) }
    }

    /// Where a cell (from 0) stands in the file; one that the row does not have, at its end.
    pub fn cell(&self, source: &Source, cell: usize) -> Range<usize> {
        let (cells, _) = cells_of(source.slice(&self.span), self.delimiter);
        match cells.get(cell) {
            Some(within) => self.span.start + within.start..self.span.start + within.end,
            None => self.span.end..self.span.end,
        }
    }

    /// The cell (from 0) in which an offset of the file lies.
    pub fn cell_at(&self, source: &Source, offset: usize) -> usize {
        let (cells, _) = cells_of(source.slice(&self.span), self.delimiter);
        cells.iter().position(|c| offset < self.span.start + c.end).unwrap_or(cells.len().saturating_sub(1))
    }
}

impl Sheet {
    /// The header cell of a column.
    pub fn name(&self, cell: usize) -> &str {
        self.names.get(cell).map_or("", String::as_str)
    }

    /// The cells of rows that follow one another.
    pub fn rows<'s>(&self, source: &'s Source, spans: &'s [Range<usize>]) -> impl Iterator<Item = RawRow> + use<'s> {
        let whole = match spans {
            [first, .., last] => first.start..last.end,
            [only] => only.clone(),
            [] => 0..0,
        };
        // The line break keeps the reader from taking a byte order mark off the first row.
        let text = b"\n".chain(source.slice(&whole).as_bytes());
        let reader = ReaderBuilder::new().has_headers(false).flexible(true).delimiter(self.delimiter).from_reader(text);
        let records = reader.into_records().map_while(Result::ok).filter(|record| !is_blank(record));
        spans.iter().zip(records).map(|(span, cells)| RawRow { span: span.clone(), cells })
    }

    /// For pointing into a row.
    pub fn place(&self, row: &RawRow) -> RowPlace {
        RowPlace { span: row.span.clone(), delimiter: self.delimiter }
    }

    /// What is wrong with the row as a row: cell, found, expected.
    pub fn row_fault(&self, row: &RawRow) -> Option<(usize, String, String)> {
        let (has, wants) = (row.cells.len(), self.names.len());
        if self.unclosed == Some(row.span.start) {
            let expected = "a closing quotation mark; what follows it in the file was not read as rows";
            return Some((has.saturating_sub(1), "a quotation mark that is never closed".into(), expected.into()));
        }
        if has < wants {
            let expected = format!("{wants} cells, as in the header; is the row or the file cut off?");
            return Some((has.saturating_sub(1), format!("{has} cells"), expected));
        }
        let stray = |(at, cell): &(usize, &str)| self.name(*at).is_empty() && !cell.trim().is_empty();
        row.cells.iter().enumerate().find(stray).map(|(at, cell)| (at, quoted(cell), "a name for this column".into()))
    }

    /// The row as a tree.
    pub fn node(&self, row: &RawRow) -> Node {
        build(&self.shape, &row.cells)
    }

    /// The given rows (their text, and what was wrong) as a file like the one that they came from.
    pub fn bad_rows(&self, rows: &[(&str, String)]) -> Option<Vec<u8>> {
        let mut out = WriterBuilder::new()
            .flexible(true)
            .delimiter(self.delimiter)
            .terminator(Terminator::CRLF)
            .from_writer(b"\xEF\xBB\xBF".to_vec());
        let read = |text: &str| {
            let mut reader =
                ReaderBuilder::new().has_headers(false).delimiter(self.delimiter).from_reader(text.as_bytes());
            reader.records().next().and_then(Result::ok).unwrap_or_default()
        };
        let rows: Vec<(StringRecord, &String)> = rows.iter().map(|(text, reason)| (read(text), reason)).collect();
        let width = rows.iter().map(|(cells, _)| cells.len()).max().unwrap_or(0).max(self.names.len());
        let columns = || (0..width).filter(|at| Some(*at) != self.reason);
        out.write_record(columns().map(|at| self.name(at)).chain([REASON])).ok()?;
        for (cells, reason) in &rows {
            let cells = columns().map(|at| defused(cells.get(at).unwrap_or("")));
            out.write_record(cells.chain([defused(reason)])).ok()?;
        }
        out.into_inner().ok()
    }
}

/// A cell that a spreadsheet would take for a formula (and `+62…` for a number), marked as text with an apostrophe.
fn defused(cell: &str) -> String {
    if cell.starts_with(['=', '+', '-', '@']) { format!("'{cell}") } else { cell.to_owned() }
}

/// Takes the spreadsheet's text mark off again.
fn unmarked(cell: &str) -> &str {
    cell.strip_prefix('\'').filter(|rest| rest.starts_with(['=', '+', '-', '@'])).unwrap_or(cell)
}

fn build(shape: &Shape, row: &StringRecord) -> Node {
    match shape {
        Shape::Cell(at) => {
            let cell = row.get(*at).unwrap_or("").trim();
            let value = if cell.is_empty() { Value::Blank } else { Value::Cell(unmarked(cell).to_owned()) };
            Node { at: At::Cell(*at), value }
        }
        Shape::List(items) => {
            let items: Vec<Node> = items.iter().map(|s| build(s, row)).collect();
            Node { at: first_place(items.iter()), value: Value::List(items) }
        }
        Shape::Table(entries) => {
            let entry = |(key, shape): &(String, Shape)| {
                let node = build(shape, row);
                Entry { key: key.clone(), at: node.at.clone(), node }
            };
            let entries: Vec<Entry> = entries.iter().map(entry).collect();
            Node { at: first_place(entries.iter().map(|e| &e.node)), value: Value::Table(entries) }
        }
    }
}

fn first_place<'n>(mut nodes: impl Iterator<Item = &'n Node>) -> At {
    nodes.next().map_or(At::Cell(0), |n| n.at.clone())
}

#[cfg(test)]
mod tests;
