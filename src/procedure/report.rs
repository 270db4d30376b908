//! What is wrong with a procedure file: every finding with its line, for the sysadmin who edits it.

use miette::{Diagnostic, GraphicalReportHandler, GraphicalTheme, LabeledSpan, NamedSource, SourceCode};
use std::fmt;
use std::ops::Range;

/// One mistake in a procedure file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Where, as a range of bytes of the text; none where it is about the whole file.
    pub span: Option<Range<usize>>,
    /// What was found and why it will not do; a sentence without the full stop.
    pub message: String,
    /// What was expected, or what to write instead.
    pub help: Option<String>,
}

impl Finding {
    /// A finding at a place.
    pub fn at(span: Range<usize>, message: impl Into<String>) -> Self {
        Self { span: Some(span), message: message.into(), help: None }
    }
    /// A finding about the whole file.
    pub fn whole(message: impl Into<String>) -> Self {
        Self { span: None, message: message.into(), help: None }
    }
    /// With what was expected.
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

/// Everything that is wrong with one file. `Display` shows each finding with its line, for a terminal or a log,
/// without colours.
#[derive(Debug)]
pub struct Report {
    file: String,
    source: NamedSource<String>,
    findings: Vec<Finding>,
}

impl Report {
    /// Findings about the text of a file; sorted by place.
    pub fn new(file: &str, text: &str, mut findings: Vec<Finding>) -> Self {
        findings.sort_by_key(|f| f.span.as_ref().map(|s| s.start));
        Self { file: file.to_owned(), source: NamedSource::new(file, text.to_owned()), findings }
    }
    /// A file that could not even be read.
    pub fn unreadable(file: &str, message: impl Into<String>) -> Self {
        Self::new(file, "", vec![Finding::whole(message)])
    }
    /// The file's name or path, as it was given.
    pub fn file(&self) -> &str {
        &self.file
    }
    /// Each mistake, in the order of the file.
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }
    /// One line for each finding: `file:line:column: what; help`. For logs and `--json`.
    pub fn lines(&self) -> Vec<String> {
        self.findings.iter().map(|f| self.line(f)).collect()
    }

    fn line(&self, finding: &Finding) -> String {
        let place = finding.span.as_ref().map_or(String::new(), |s| {
            let (line, column) = line_and_column(self.source.inner(), s.start);
            format!("{line}:{column}:")
        });
        let help = finding.help.as_ref().map_or(String::new(), |h| format!("; {h}"));
        format!("{}:{place} {}{help}", self.file, finding.message)
    }
}

/// Line and column, both from 1; the column counts characters.
fn line_and_column(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |n| n + 1);
    let line = before.matches('\n').count() + 1;
    (line, before.get(line_start..).map_or(0, |s| s.chars().count()) + 1)
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let handler =
            GraphicalReportHandler::new_themed(GraphicalTheme::unicode_nocolor()).with_width(100).with_context_lines(1);
        for (n, finding) in self.findings.iter().enumerate() {
            if n > 0 {
                writeln!(f)?;
            }
            handler.render_report(f, &Shown { source: &self.source, finding, file: &self.file })?;
        }
        Ok(())
    }
}

impl std::error::Error for Report {}

/// A finding together with its text, as miette wants it.
#[derive(Debug)]
struct Shown<'a> {
    source: &'a NamedSource<String>,
    finding: &'a Finding,
    file: &'a str,
}

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.finding.span {
            Some(_) => f.write_str(&self.finding.message),
            None => write!(f, "{}: {}", self.file, self.finding.message),
        }
    }
}

impl std::error::Error for Shown<'_> {}

impl Diagnostic for Shown<'_> {
    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.finding.help.as_ref().map(|h| Box::new(h) as Box<dyn fmt::Display>)
    }
    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.finding.span.as_ref().map(|_| self.source as &dyn SourceCode)
    }
    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let span = self.finding.span.clone()?;
        Some(Box::new(std::iter::once(LabeledSpan::new_with_span(Some("here".into()), span))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_is_shown_with_its_file_line_column_and_help() {
        let text = "name = \"x\"\n  colour = 1\n";
        let finding = Finding::at(13..19, "unknown key `colour`").help("did you mean `country`?");
        let report = Report::new("x.toml", text, vec![finding]);
        let shown = report.to_string();
        assert!(shown.contains("x.toml:2:3"), "{shown}");
        assert!(shown.contains("colour = 1"), "{shown}");
        assert!(shown.contains("did you mean `country`?"), "{shown}");
        assert_eq!(report.lines(), ["x.toml:2:3: unknown key `colour`; did you mean `country`?"]);
    }

    #[test]
    fn findings_come_in_the_order_of_the_file() {
        let report = Report::new("x.toml", "a\nb\n", vec![Finding::at(2..3, "second"), Finding::at(0..1, "first")]);
        assert_eq!(report.lines(), ["x.toml:1:1: first", "x.toml:2:1: second"]);
    }

    #[test]
    fn a_column_counts_characters_and_not_bytes() {
        assert_eq!(line_and_column("é = 1", 3), (1, 3));
    }
}
