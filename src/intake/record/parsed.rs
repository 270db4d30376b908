//! The records of a file: where they stand, read when they are wanted. A bulk file is held as its text and the places of its
//! rows; of what was read, only the problems are kept.

use super::csv::{RawRow, Sheet};
use super::fields::{Finding, Findings};
use super::node::{At, Node};
use super::problem::{Layout, Problem, Problems};
use super::read::{self, Version};
use super::source::Source;
use super::{Format, Place, REASON, Rules, json, unreadable};
use crate::model::Record;
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

/// What a procedure of this name says about reading; `None` for one that is not known.
type RulesOf<'r> = &'r dyn Fn(&str) -> Option<Rules>;

/// A file of which at least the outer form could be read. Has at least one row.
#[derive(Debug)]
pub struct Parsed {
    /// The file's form.
    pub format: Format,
    content: Content,
    /// The texts of the records, in the order of the file.
    rows: Vec<Range<usize>>,
    source: Arc<Source>,
    /// By place, from 0.
    bad: BTreeMap<usize, Problems>,
}

/// How rows are read.
#[derive(Debug)]
pub(super) enum Content {
    /// The one record of a TOML or JSON file.
    Document(Node),
    Lines,
    Sheet(Sheet),
}

impl Parsed {
    pub(super) fn new(format: Format, content: Content, rows: Vec<Range<usize>>, source: Arc<Source>) -> Self {
        Self { format, content, rows, source, bad: BTreeMap::new() }
    }

    /// How many records the file has, good and bad.
    pub fn count(&self) -> usize {
        self.rows.len()
    }

    /// The line where a record begins, from 1.
    pub fn line(&self, place: usize) -> usize {
        self.rows.get(place).map_or(1, |span| self.source.line(span.start))
    }

    /// How long a record's text is, bytes.
    pub fn size(&self, place: usize) -> usize {
        self.rows.get(place).map_or(0, Range::len)
    }

    /// Reads the records of some places, from 0. What is wrong with the others of them is remembered.
    pub fn read(&mut self, places: Range<usize>, rules: RulesOf<'_>) -> Vec<(usize, Box<Record>)> {
        let results = match &self.content {
            Content::Document(root) => vec![self.document(root, rules)],
            Content::Lines => self.spans(&places).iter().map(|span| self.line_of_json(span, rules)).collect(),
            Content::Sheet(sheet) => self.sheet_rows(sheet, &places, rules),
        };
        // No row may go without a word.
        for place in places.clone().skip(results.len()) {
            self.refuse(place, "it cannot be told apart from the rows around it; hand it in by itself");
        }
        let mut good = Vec::with_capacity(results.len());
        for (place, result) in places.zip(results) {
            match result {
                Ok(record) if !self.bad.contains_key(&place) => good.push((place, record)),
                Ok(_) => {}
                Err(problems) => _ = self.bad.entry(place).or_insert(problems),
            }
        }
        good
    }

    fn spans(&self, places: &Range<usize>) -> &[Range<usize>] {
        self.rows.get(places.clone()).unwrap_or_default()
    }

    fn document(&self, root: &Node, rules: RulesOf<'_>) -> Result<Box<Record>, Problems> {
        read::record(root, Version::Required, rules)
            .map_err(|findings| Place::of(&self.source).problems(Layout::Document, findings))
    }

    fn line_of_json(&self, span: &Range<usize>, rules: RulesOf<'_>) -> Result<Box<Record>, Problems> {
        let record = match unreadable(&self.source, span) {
            Some(findings) => Err(findings),
            None => match json::parse(self.source.slice(span), span.start) {
                Ok(root) => read::record(&root.without(REASON), Version::Required, rules),
                Err(fault) => Err(std::iter::once(fault).collect()),
            },
        };
        record.map_err(|findings| Place::of(&self.source).problems(Layout::Row, findings))
    }

    fn sheet_rows(
        &self,
        sheet: &Sheet,
        places: &Range<usize>,
        rules: RulesOf<'_>,
    ) -> Vec<Result<Box<Record>, Problems>> {
        let rows = sheet.rows(&self.source, self.spans(places));
        rows.map(|raw| {
            let place = Place { source: &self.source, row: Some(sheet.place(&raw)) };
            self.sheet_row(sheet, &raw, rules).map_err(|findings| place.problems(Layout::Row, findings))
        })
        .collect()
    }

    fn sheet_row(&self, sheet: &Sheet, raw: &RawRow, rules: RulesOf<'_>) -> Result<Box<Record>, Findings> {
        if let Some(findings) = unreadable(&self.source, &raw.span) {
            return Err(findings);
        }
        if let Some((cell, found, expected)) = sheet.row_fault(raw) {
            return Err(Findings::of(Finding { at: At::Cell(cell), field: String::new(), found, expected }));
        }
        read::record(&sheet.node(raw), Version::Optional, rules)
    }

    /// Marks a record that can be read, but that cannot be accepted for another reason, a sentence.
    pub fn refuse(&mut self, place: usize, reason: &str) {
        let Some(span) = self.rows.get(place).cloned() else { return };
        let problem = Problem {
            line: self.line(place),
            column: 1,
            field: "id".into(),
            found: "a record that cannot be accepted".into(),
            expected: format!("another one: {reason}"),
            span,
        };
        self.bad.insert(place, Problems::new(self.source.clone(), Layout::Row, vec![problem], 0));
    }

    /// What is wrong with the bad ones of the records that were read, in the order of the file, with their places from 0.
    pub fn problems(&self) -> impl ExactSizeIterator<Item = (usize, &Problems)> {
        self.bad.iter().map(|(place, problems)| (*place, problems))
    }

    /// The clerk's report on every bad row: the first ones with the places shown, the rest in a line each. Empty where none is bad.
    pub fn report(&self) -> String {
        const SHOWN_WHOLE: usize = 20;
        let texts = self.problems().enumerate().map(|(count, (place, problems))| match count {
            0..SHOWN_WHOLE => problems.to_string(),
            _ => format!("line {}: {}\n", self.line(place), problems.one_line()),
        });
        texts.collect()
    }

    /// A file of just the bad rows, to be corrected and handed in again: UTF-8, in the original format. CSV keeps
    /// header and separator and gains a last column `akund.reason`, an object in JSON Lines a last key of that
    /// name; they are ignored when such a file is read. A line that is no object stays as it is. `None` where no
    /// row is bad, and for TOML and JSON, where the file is the row.
    pub fn bad_rows_file(&self) -> Option<Vec<u8>> {
        if self.bad.is_empty() {
            return None;
        }
        let text = |place: usize| self.rows.get(place).map_or("", |span| self.source.slice(span));
        let bad = self.problems().map(|(place, problems)| (text(place), problems.one_line()));
        match &self.content {
            Content::Document(_) => None,
            Content::Lines => {
                Some(bad.flat_map(|(text, reason)| json::with_reason(text, REASON, &reason).into_bytes()).collect())
            }
            Content::Sheet(sheet) => sheet.bad_rows(&bad.collect::<Vec<_>>()),
        }
    }
}
