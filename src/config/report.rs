//! What is wrong with the configuration, shown in its own lines.

use super::tree::Place;
use miette::{
    GraphicalReportHandler, GraphicalTheme, LabeledSpan, MietteDiagnostic, MietteError, MietteSpanContents, Severity,
    SourceCode, SourceSpan, SpanContents,
};
use std::fmt;

/// Everything that is wrong with the configuration, as far as it could be read. `Display` is for people and takes
/// several lines per problem; [`ConfigReport::lines`] gives one line per problem, for logs and `--json`.
#[derive(Debug, Default)]
pub struct ConfigReport {
    pub(super) texts: Vec<Text>,
    pub(super) problems: Vec<Problem>,
}

/// One text that the configuration is made of.
#[derive(Debug)]
pub(super) struct Text {
    /// The file's path, or the variable's name.
    pub name: String,
    pub content: String,
    /// Whether line and column mean something.
    pub is_file: bool,
}

/// One mistake.
#[derive(Debug)]
pub(super) struct Problem {
    pub sentence: String,
    pub place: Option<Place>,
    pub help: Option<String>,
}

impl ConfigReport {
    /// One problem that has no line: a file that cannot be read.
    pub(super) fn of(sentence: String) -> Self {
        Self { texts: Vec::new(), problems: vec![Problem { sentence, place: None, help: None }] }
    }

    /// Each problem in one line: `FILE:LINE:COLUMN: what is wrong; what to do`. Lines and columns count from 1, columns in characters.
    pub fn lines(&self) -> Vec<String> {
        self.problems.iter().map(|p| self.line(p)).collect()
    }

    /// Orders the problems as a reader meets them.
    pub(super) fn sort(&mut self) {
        self.problems.sort_by_key(|p| p.place.as_ref().map(|place| (place.text, place.span.start)));
    }

    fn text<'a>(&'a self, problem: &'a Problem) -> Option<(&'a Text, &'a Place)> {
        let place = problem.place.as_ref()?;
        self.texts.get(place.text).map(|text| (text, place))
    }

    fn line(&self, problem: &Problem) -> String {
        let help = problem.help.as_ref().map(|h| format!("; {h}")).unwrap_or_default();
        let place = problem.place.as_ref().and_then(|place| self.told(place));
        let place = place.map(|place| format!("{place}: ")).unwrap_or_default();
        format!("{place}{}{help}", problem.sentence)
    }

    /// A place in one word: `FILE:LINE:COLUMN`, or the variable's name.
    pub(super) fn told(&self, place: &Place) -> Option<String> {
        let text = self.texts.get(place.text)?;
        let (line, column) = position(&text.content, place.span.start);
        Some(if text.is_file { format!("{}:{line}:{column}", text.name) } else { text.name.clone() })
    }

    fn show(&self, problem: &Problem, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown =
            self.text(problem).filter(|(text, place)| !may_hold_secret(line_at(&text.content, place.span.start)));
        let Some((text, place)) = shown else { return writeln!(f, "  × {}", self.line(problem)) };
        let line = Line::at(text, place.span.start);
        let end = place.span.end.clamp(line.start, line.start + line.content.len());
        let mut diagnostic = MietteDiagnostic::new(&problem.sentence)
            .with_severity(Severity::Error)
            .with_label(LabeledSpan::underline(place.span.start.min(end)..end));
        diagnostic.help = problem.help.clone();
        GraphicalReportHandler::new_themed(GraphicalTheme::unicode_nocolor())
            .with_context_lines(1)
            .with_width(140)
            .render_report(f, miette::Report::new(diagnostic).with_source_code(line).as_ref())
    }
}

/// The one line that is shown: its neighbours are not at fault and may hold secrets.
#[derive(Debug)]
struct Line {
    name: String,
    content: String,
    /// Byte offset in the whole text.
    start: usize,
    /// From 0.
    number: usize,
}

impl Line {
    fn at(text: &Text, offset: usize) -> Self {
        let content = line_at(&text.content, offset);
        let number = position(&text.content, offset).0 - 1;
        let start = text.content.get(..offset).and_then(|before| before.rfind('\n')).map_or(0, |i| i + 1);
        Self { name: text.name.clone(), content: content.to_owned(), start, number }
    }
}

impl SourceCode for Line {
    /// Without context asked for: from the span on, for its column. With context: the whole line.
    fn read_span<'a>(
        &'a self,
        span: &SourceSpan,
        before: usize,
        _after: usize,
    ) -> Result<Box<dyn SpanContents<'a> + 'a>, MietteError> {
        let skipped = if before == 0 { span.offset().saturating_sub(self.start) } else { 0 };
        let (left, shown) = self.content.split_at_checked(skipped).ok_or(MietteError::OutOfBounds)?;
        Ok(Box::new(MietteSpanContents::new_named(
            self.name.clone(),
            shown.as_bytes(),
            (self.start + skipped, shown.len()).into(),
            self.number,
            left.chars().count(),
            1,
        )))
    }
}

impl fmt::Display for ConfigReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.problems.iter().try_for_each(|problem| self.show(problem, f))
    }
}

impl std::error::Error for ConfigReport {}

/// Line and column of a byte offset, from 1.
fn position(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |i| i + 1);
    (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
}

fn line_end(text: &str, offset: usize) -> usize {
    text.get(offset..).and_then(|rest| rest.find('\n')).map_or(text.len(), |i| offset + i)
}

fn line_at(text: &str, offset: usize) -> &str {
    let start = text.get(..offset).and_then(|before| before.rfind('\n')).map_or(0, |i| i + 1);
    text.get(start..line_end(text, offset)).unwrap_or_default()
}

/// A mistaken line in which somebody may have written a secret is named and not shown: reports end in logs.
fn may_hold_secret(line: &str) -> bool {
    let line = line.to_ascii_lowercase().replace("password_file", "").replace("key_file", "");
    let may_be_in_a_url = line.contains("://") && line.contains('@');
    may_be_in_a_url || ["pass", "secret", "token", "pwd", "key"].iter().any(|word| line.contains(word))
}

/// The known word that `word` was probably meant to be.
pub(super) fn meant<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    let near = known.iter().map(|k| (distance(word, k), *k)).min()?;
    (near.0 <= 1 + word.chars().count() / 4).then_some(near.1)
}

/// Levenshtein's edit distance.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, ca) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, cb) in b.iter().enumerate() {
            let change = diagonal + usize::from(ca != *cb);
            diagonal = row[j + 1];
            row[j + 1] = change.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_key_is_suggested_and_a_far_one_is_not() {
        let known = ["listen", "path", "max_bytes"];
        assert_eq!(meant("lisen", &known), Some("listen"));
        assert_eq!(meant("max-bytes", &known), Some("max_bytes"));
        assert_eq!(meant("colour", &known), None);
        assert_eq!(meant("x", &[]), None);
    }

    #[test]
    fn lines_and_columns_count_characters_from_one() {
        let text = "a = 1\nnamä = 2\n";
        assert_eq!(position(text, 0), (1, 1));
        assert_eq!(position(text, text.find('=').unwrap()), (1, 3));
        assert_eq!(position(text, text.rfind('=').unwrap()), (2, 6));
        assert_eq!(position(text, 9_999).0, 3);
    }
}
