//! What is wrong with a record, and the report that a clerk reads.

use super::source::Source;
use crate::model::letters::hidden;
use miette::{
    Diagnostic, GraphicalReportHandler, GraphicalTheme, LabeledSpan, MietteError, MietteSpanContents, SourceCode,
    SourceSpan, SpanContents,
};
use serde::{Serialize, Serializer};
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

/// One thing that is wrong, and where.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// Line of the file, from 1. In CSV the line where the row begins.
    pub line: usize,
    /// From 1: the character in the line; in CSV the cell in the row.
    pub column: usize,
    /// Dotted name of the field (`approval.1.role`); empty where it is not about a field.
    pub field: String,
    /// What stands there.
    pub found: String,
    /// What should; reads on from "expected".
    pub expected: String,
    #[serde(skip)]
    pub(super) span: Range<usize>,
}

impl Problem {
    /// `applicant.phone: found …, expected …`
    pub fn sentence(&self) -> String {
        let colon = if self.field.is_empty() { "" } else { ": " };
        format!("{}{colon}found {}, expected {}", self.field, self.found, self.expected)
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}: {}", self.line, self.column, self.sentence())
    }
}

/// How a report shows the places.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Layout {
    /// One excerpt of the file with all labels: TOML, JSON.
    Document,
    /// An excerpt for each problem: rows are long, and one report is one row's.
    Row,
}

/// All that is wrong with one record, or with a file as a whole. Never empty. `Display` is the clerk's report:
/// several lines of text, no colour, with the places underlined.
#[derive(Clone)]
pub struct Problems {
    source: Arc<Source>,
    layout: Layout,
    list: Vec<Problem>,
    /// Found but not kept.
    more: usize,
}

/// Most problems that a report shows; the rest is counted.
const SHOWN: usize = 20;
/// Longest line, in bytes, that a report shows whole.
const LONG_LINE: usize = 160;
/// Characters shown on each side of a place in a longer line.
const AROUND: usize = 30;
/// Width of a report in columns.
const WIDTH: usize = 110;

impl Problems {
    pub(super) fn new(source: Arc<Source>, layout: Layout, mut list: Vec<Problem>, more: usize) -> Self {
        list.sort_by_key(|p| (p.line, p.column));
        Self { source, layout, list, more }
    }

    /// The problems in the order of their places.
    pub fn iter(&self) -> std::slice::Iter<'_, Problem> {
        self.list.iter()
    }

    /// Whether there are none; never so in what [`super::parse`] returns.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// How many problems there are, those that are not kept counted.
    pub fn count(&self) -> usize {
        self.list.len() + self.more
    }

    /// The file's name.
    pub fn file(&self) -> &str {
        &self.source.name
    }

    /// All problems in one line of text, for a cell or an event.
    pub fn one_line(&self) -> String {
        let mut out = self.list.iter().take(SHOWN).map(Problem::sentence).collect::<Vec<_>>().join("; ");
        let hidden = self.count() - self.list.len().min(SHOWN);
        if hidden > 0 {
            out.push_str(&format!("; and {hidden} more"));
        }
        out
    }

    fn title(&self) -> String {
        let count = match self.count() {
            1 => "1 problem".to_owned(),
            n => format!("{n} problems"),
        };
        match (self.layout, self.list.first()) {
            (Layout::Row, Some(first)) => format!("{}, line {}: {count}", self.source.name, first.line),
            _ => format!("{}: {count}", self.source.name),
        }
    }

    fn together(&self) -> bool {
        let short = |p: &Problem| self.source.line_span(p.span.start).len() <= LONG_LINE;
        self.layout == Layout::Document && !self.source.text.is_empty() && self.list.iter().all(short)
    }
}

impl<'p> IntoIterator for &'p Problems {
    type Item = &'p Problem;
    type IntoIter = std::slice::Iter<'p, Problem>;
    fn into_iter(self) -> Self::IntoIter {
        self.list.iter()
    }
}

impl Serialize for Problems {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.list.serialize(serializer)
    }
}

impl fmt::Debug for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Problems").field("file", &self.source.name).field("list", &self.list).finish_non_exhaustive()
    }
}

impl std::error::Error for Problems {}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let handler = GraphicalReportHandler::new_themed(GraphicalTheme::unicode_nocolor())
            .with_width(WIDTH)
            .with_links(false)
            .without_syntax_highlighting()
            .without_cause_chain();
        let report = Report::of(self);
        if self.together() {
            return handler.render_report(f, &report);
        }
        handler.without_primary_span_start().render_report(f, &report)
    }
}

/// What miette renders.
#[derive(Debug)]
struct Report {
    title: String,
    help: Option<String>,
    excerpt: Option<Excerpt>,
    labels: Vec<LabeledSpan>,
    parts: Vec<Report>,
}

impl Report {
    fn of(problems: &Problems) -> Self {
        let shown = problems.list.iter().take(SHOWN);
        let hidden = problems.count() - shown.len();
        let help = (hidden > 0).then(|| format!("and {hidden} more problems"));
        let mut report = Self { title: problems.title(), help, excerpt: None, labels: vec![], parts: vec![] };
        if problems.together() {
            report.excerpt = Some(Excerpt::whole(&problems.source));
            report.labels = shown.map(|p| label(p.to_string(), one_line(&problems.source, &p.span))).collect();
        } else {
            report.parts = shown.map(|p| Self::part(&problems.source, p)).collect();
        }
        report
    }

    /// One problem with the piece of text around it.
    fn part(source: &Source, problem: &Problem) -> Self {
        let span = one_line(source, &problem.span);
        let line = source.line_span(span.start);
        if line.is_empty() {
            return Self { title: problem.sentence(), help: None, excerpt: None, labels: vec![], parts: vec![] };
        }
        let before = last_chars(source.slice(&(line.start..span.start)), AROUND);
        let within = first_chars(source.slice(&span), LONG_LINE);
        let cut = within.len() < span.len();
        let after = if cut { "" } else { first_chars(source.slice(&(span.end..line.end)), AROUND) };
        let ellipsis = |missing: bool| if missing { "…" } else { "" };
        let head = format!("{}{before}", ellipsis(line.start + before.len() < span.start));
        let tail = format!("{after}{}", ellipsis(span.start + within.len() + after.len() < line.end));
        // Lets miette point behind the last character.
        let room = if within.is_empty() && tail.is_empty() { " " } else { "" };
        let labelled = head.len()..head.len() + within.len();
        let excerpt = Excerpt {
            name: format!("{}, line {}, column {}", source.name, problem.line, problem.column),
            text: harmless(&format!("{head}{within}{tail}{room}")),
            first_line: source.line(span.start) - 1,
        };
        let name = if problem.field.is_empty() { "here" } else { &problem.field };
        let labels = vec![label(name.to_owned(), labelled)];
        Self { title: problem.sentence(), help: None, excerpt: Some(excerpt), labels, parts: vec![] }
    }
}

fn label(text: String, span: Range<usize>) -> LabeledSpan {
    LabeledSpan::new(Some(text), span.start, span.len())
}

/// A span that ends with the line that it begins in.
fn one_line(source: &Source, span: &Range<usize>) -> Range<usize> {
    let line = source.line_span(span.start);
    let start = span.start.min(line.end);
    start..span.end.clamp(start, line.end)
}

fn first_chars(text: &str, count: usize) -> &str {
    text.char_indices().nth(count).map_or(text, |(at, _)| &text[..at])
}

fn last_chars(text: &str, count: usize) -> &str {
    text.char_indices().rev().nth(count.saturating_sub(1)).map_or(text, |(at, _)| &text[at..])
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.title)
    }
}

impl std::error::Error for Report {}

impl Diagnostic for Report {
    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.help.as_ref().map(|h| Box::new(h) as Box<dyn fmt::Display>)
    }
    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.excerpt.as_ref().map(|e| e as &dyn SourceCode)
    }
    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        (!self.labels.is_empty())
            .then(|| Box::new(self.labels.iter().cloned()) as Box<dyn Iterator<Item = LabeledSpan>>)
    }
    fn related<'a>(&'a self) -> Option<Box<dyn Iterator<Item = &'a dyn Diagnostic> + 'a>> {
        (!self.parts.is_empty())
            .then(|| Box::new(self.parts.iter().map(|p| p as &dyn Diagnostic)) as Box<dyn Iterator<Item = _>>)
    }
}

/// Control and hidden characters as question marks, as many as they have bytes: a report must not drive a
/// terminal, and the labels keep their places.
fn harmless(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\n' | '\t' => out.push(c),
            '\r' if chars.peek() == Some(&'\n') => out.push(c),
            c if hidden(c).is_some() => out.extend(std::iter::repeat_n('?', c.len_utf8())),
            c => out.push(c),
        }
    }
    out
}

/// Text that begins at some line of the file.
#[derive(Debug)]
struct Excerpt {
    name: String,
    text: String,
    /// From 0.
    first_line: usize,
}

impl Excerpt {
    fn whole(source: &Source) -> Self {
        Self { name: source.name.clone(), text: harmless(&source.text), first_line: 0 }
    }
}

impl SourceCode for Excerpt {
    fn read_span<'a>(
        &'a self,
        span: &SourceSpan,
        before: usize,
        after: usize,
    ) -> Result<Box<dyn SpanContents<'a> + 'a>, MietteError> {
        let inner = self.text.read_span(span, before, after)?;
        let line = inner.line() + self.first_line;
        Ok(Box::new(MietteSpanContents::new_named(
            self.name.clone(),
            inner.data(),
            *inner.span(),
            line,
            inner.column(),
            inner.line_count(),
        )))
    }
}
