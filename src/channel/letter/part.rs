//! One XML part of a letter: where its placeholders are, and the part with them filled.
//!
//! Word splits text over runs wherever it likes (spelling, formatting, editing sessions), so a placeholder is looked for in a
//! paragraph's text as a reader sees it. The value is written where the placeholder begins and has that run's formatting. Nothing
//! else of the part changes, not by one byte.

use quick_xml::NsReader;
use quick_xml::events::{BytesStart, Event};
use quick_xml::name::ResolveResult;
use std::ops::Range;

/// Namespaces of WordprocessingML: transitional and strict (ECMA-376 part 1 §17, part 4).
const WORD: [&[u8]; 2] = [
    b"http://schemas.openxmlformats.org/wordprocessingml/2006/main",
    b"http://purl.oclc.org/ooxml/wordprocessingml/main",
];

/// Stands in a paragraph's text for what is no text: a line break, a tab, a picture. No placeholder goes over one.
const BARRIER: char = '\n';

/// Longest piece of a paragraph that is shown in a problem, in characters.
const EXCERPT: usize = 60;

/// What is wrong in a part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Problem {
    /// From 1, in the order in which they begin; none where it is about the whole part.
    pub paragraph: Option<usize>,
    /// How that paragraph begins.
    pub excerpt: String,
    /// A sentence without the full stop.
    pub message: String,
}

impl Problem {
    fn whole(message: impl Into<String>) -> Self {
        Self { paragraph: None, excerpt: String::new(), message: message.into() }
    }
}

/// A part, and what is to be filled in.
#[derive(Debug)]
pub(super) struct Part {
    text: String,
    /// Those that have a placeholder, in the order in which they end.
    paragraphs: Vec<Paragraph>,
}

/// A paragraph's text elements (`w:t`) and placeholders.
#[derive(Debug, Default)]
struct Paragraph {
    number: usize,
    pieces: Vec<Piece>,
    /// The text as it is read, with barriers.
    joined: String,
    slots: Vec<Slot>,
}

/// A `w:t` element.
#[derive(Debug)]
struct Piece {
    /// From `<` to `>` in the part.
    element: Range<usize>,
    /// As it is written there: `w:t`.
    tag: String,
    text: String,
    /// Where its text begins in the paragraph's.
    at: usize,
}

/// A placeholder, by its place in the paragraph's text.
#[derive(Debug)]
struct Slot {
    place: Range<usize>,
    name: &'static str,
}

impl Part {
    /// Finds the placeholders. `known` gives a placeholder's own name for what was written between the braces, or what is wrong with it.
    pub fn read(text: &str, known: &dyn Fn(&str) -> Result<&'static str, String>) -> Result<Self, Vec<Problem>> {
        let mut found = walk(text).map_err(|problem| vec![problem])?;
        let mut problems = std::mem::take(&mut found.problems);
        for paragraph in &mut found.paragraphs {
            let (slots, wrong) = placeholders(&paragraph.joined, known);
            paragraph.slots = slots;
            let (number, excerpt) = (paragraph.number, excerpt(&paragraph.joined));
            problems.extend(wrong.into_iter().map(|message| Problem {
                paragraph: Some(number),
                excerpt: excerpt.clone(),
                message,
            }));
        }
        found.paragraphs.retain(|paragraph| !paragraph.slots.is_empty());
        if problems.is_empty() {
            Ok(Self { text: text.to_owned(), paragraphs: found.paragraphs })
        } else {
            Err(problems)
        }
    }

    /// The names of its placeholders, each as often as it stands there.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        self.paragraphs.iter().flat_map(|paragraph| &paragraph.slots).map(|slot| slot.name)
    }

    /// The part with every placeholder replaced. A line feed in a value becomes a line break.
    pub fn fill<'v>(&self, value: &dyn Fn(&str) -> &'v str) -> String {
        let mut changed: Vec<(Range<usize>, String)> = Vec::new();
        for paragraph in &self.paragraphs {
            for piece in &paragraph.pieces {
                if let Some(text) = paragraph.filled(piece, value) {
                    changed.push((piece.element.clone(), element(&piece.tag, &text)));
                }
            }
        }
        // A text box's paragraph lies within the one that holds the box.
        changed.sort_by_key(|(range, _)| range.start);
        let mut out = String::with_capacity(self.text.len() * 2);
        let mut from = 0;
        for (range, element) in changed {
            out.push_str(self.text.get(from..range.start).unwrap_or_default());
            out.push_str(&element);
            from = range.end;
        }
        out.push_str(self.text.get(from..).unwrap_or_default());
        out
    }
}

impl Paragraph {
    /// A piece's new text; none where no placeholder touches it.
    fn filled<'v>(&self, piece: &Piece, value: &dyn Fn(&str) -> &'v str) -> Option<String> {
        let own = piece.at..piece.at + piece.text.len();
        let mut text = None::<String>;
        let mut from = own.start;
        for slot in self.slots.iter().filter(|slot| slot.place.start < own.end && slot.place.end > own.start) {
            let text = text.get_or_insert_default();
            text.push_str(self.joined.get(from..slot.place.start.max(from)).unwrap_or_default());
            if own.contains(&slot.place.start) {
                text.push_str(value(slot.name));
            }
            from = slot.place.end.min(own.end);
        }
        if let Some(text) = &mut text {
            text.push_str(self.joined.get(from..own.end).unwrap_or_default());
        }
        text
    }
}

/// `w:t` with a text; a line break (§17.3.3.1) between its lines.
fn element(tag: &str, text: &str) -> String {
    let prefix = tag.rsplit_once(':').map_or(String::new(), |(prefix, _)| format!("{prefix}:"));
    let line = |line: &str| format!("<{tag} xml:space=\"preserve\">{}</{tag}>", escape(line));
    text.split('\n').map(line).collect::<Vec<_>>().join(&format!("<{prefix}br/>"))
}

/// For XML text. What XML 1.0 §2.2 does not allow is left out.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '\t' => out.push(' '),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => {}
            c => out.push(c),
        }
    }
    out
}

/// Every `{{ … }}` of a paragraph, and what is wrong with those that cannot be filled.
fn placeholders(text: &str, known: &dyn Fn(&str) -> Result<&'static str, String>) -> (Vec<Slot>, Vec<String>) {
    let (mut slots, mut wrong) = (Vec::new(), Vec::new());
    let mut at = 0;
    loop {
        let rest = text.get(at..).unwrap_or_default();
        let (open, close) = (rest.find("{{"), rest.find("}}"));
        let Some(open) = open else {
            if close.is_some() {
                wrong.push("a `}}` has no `{{` before it".to_owned());
            }
            break;
        };
        if close.is_some_and(|close| close < open) {
            wrong.push("a `}}` has no `{{` before it".to_owned());
        }
        let inside = rest.get(open + 2..).unwrap_or_default();
        let end = inside.find("}}").filter(|end| !inside[..*end].contains(['\n']) && !inside[..*end].contains("{{"));
        let Some(end) = end else {
            wrong.push("a `{{` has no `}}` after it on the same line".to_owned());
            at += open + 2;
            continue;
        };
        match known(&inside[..end]) {
            Ok(name) => slots.push(Slot { place: at + open..at + open + end + 4, name }),
            Err(message) => wrong.push(message),
        }
        at += open + end + 4;
    }
    (slots, wrong)
}

fn excerpt(text: &str) -> String {
    let text: String = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match text.char_indices().nth(EXCERPT) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

/// What was found in a part, paragraphs in the order in which they end.
#[derive(Default)]
struct Found {
    paragraphs: Vec<Paragraph>,
    problems: Vec<Problem>,
}

/// A `w:t` that is open.
struct OpenText {
    start: usize,
    tag: String,
    text: String,
}

struct Walker {
    found: Found,
    /// Paragraphs that are open: one within another where there is a text box.
    open: Vec<Paragraph>,
    numbered: usize,
    text: Option<OpenText>,
    /// Local names of the open elements.
    path: Vec<Vec<u8>>,
}

fn walk(text: &str) -> Result<Found, Problem> {
    let mut reader = NsReader::from_str(text);
    reader.config_mut().check_end_names = true;
    let mut walker = Walker { found: Found::default(), open: Vec::new(), numbered: 0, text: None, path: Vec::new() };
    loop {
        let before = place(reader.buffer_position());
        let event =
            reader.read_event().map_err(|error| Problem::whole(format!("it is not well-formed XML: {error}")))?;
        let after = place(reader.buffer_position());
        match event {
            Event::Eof => break,
            Event::DocType(_) => return Err(Problem::whole("it has a DOCTYPE, which no .docx has")),
            Event::Start(start) => {
                let word = is_word(&reader.resolver().resolve_element(start.name()).0);
                walker.start(&start, word, before);
            }
            Event::Empty(start) => {
                let word = is_word(&reader.resolver().resolve_element(start.name()).0);
                walker.empty(&start, word);
            }
            Event::End(end) => {
                let word = is_word(&reader.resolver().resolve_element(end.name()).0);
                walker.end(end.local_name().as_ref(), word, after);
            }
            Event::Text(part) => {
                let part = part.xml10_content().map_err(|error| Problem::whole(error.to_string()))?;
                walker.characters(&part);
            }
            Event::CData(part) => {
                let part = part.decode().map_err(|error| Problem::whole(error.to_string()))?;
                walker.characters(&part);
            }
            Event::GeneralRef(reference) => walker.characters(&resolved(&reference)?),
            Event::Decl(_) | Event::Comment(_) | Event::PI(_) => {}
        }
    }
    if !walker.path.is_empty() {
        return Err(Problem::whole("it is not well-formed XML: it ends within an element"));
    }
    Ok(walker.found)
}

fn place(position: u64) -> usize {
    usize::try_from(position).unwrap_or(usize::MAX)
}

fn is_word(namespace: &ResolveResult<'_>) -> bool {
    matches!(namespace, ResolveResult::Bound(namespace) if WORD.contains(&namespace.as_ref()))
}

fn resolved(reference: &quick_xml::events::BytesRef<'_>) -> Result<String, Problem> {
    let unknown = || Problem::whole("it has an entity that XML does not know");
    if let Some(c) = reference.resolve_char_ref().map_err(|_| unknown())? {
        return Ok(c.to_string());
    }
    let name = reference.decode().map_err(|_| unknown())?;
    quick_xml::escape::resolve_predefined_entity(&name).map(str::to_owned).ok_or_else(unknown)
}

impl Walker {
    fn start(&mut self, start: &BytesStart<'_>, word: bool, at: usize) {
        self.path.push(start.local_name().as_ref().to_vec());
        match (word, start.local_name().as_ref()) {
            (true, b"p") => {
                self.numbered += 1;
                self.open.push(Paragraph { number: self.numbered, ..Paragraph::default() });
            }
            (true, b"t") => {
                let tag = String::from_utf8_lossy(start.name().as_ref()).into_owned();
                self.text = Some(OpenText { start: at, tag, text: String::new() });
            }
            (true, local) => self.barrier(local),
            (false, _) => {}
        }
    }

    fn empty(&mut self, start: &BytesStart<'_>, word: bool) {
        match (word, start.local_name().as_ref()) {
            (true, b"p") => self.numbered += 1,
            (true, local) => self.barrier(local),
            (false, _) => {}
        }
    }

    fn end(&mut self, local: &[u8], word: bool, after: usize) {
        self.path.pop();
        match (word, local) {
            (true, b"p") => self.found.paragraphs.extend(self.open.pop()),
            (true, b"t") => {
                let (Some(text), Some(paragraph)) = (self.text.take(), self.open.last_mut()) else { return };
                let at = paragraph.joined.len();
                paragraph.joined.push_str(&text.text);
                paragraph.pieces.push(Piece { element: text.start..after, tag: text.tag, text: text.text, at });
            }
            _ => {}
        }
    }

    /// What stands between letters and is none: breaks, tabs, hyphens of their own, symbols, pictures (§17.3.3).
    fn barrier(&mut self, local: &[u8]) {
        let breaks = [
            b"br".as_slice(),
            b"cr",
            b"tab",
            b"ptab",
            b"noBreakHyphen",
            b"softHyphen",
            b"sym",
            b"drawing",
            b"pict",
            b"object",
        ];
        // `w:tab` is also a tab stop of the paragraph's properties.
        let in_run = self.path.iter().rev().take(2).any(|name| name == b"r");
        if in_run
            && breaks.contains(&local)
            && let Some(paragraph) = self.open.last_mut()
        {
            paragraph.joined.push(BARRIER);
        }
    }

    fn characters(&mut self, text: &str) {
        match &mut self.text {
            // A line feed in the file is a space to the reader (§17.3.3.31), and must not look like a barrier.
            Some(open) => open.text.extend(text.chars().map(|c| if c == '\n' || c == '\r' { ' ' } else { c })),
            // Deleted text and field codes are not read by anybody.
            None if text.contains("{{") => {
                let local = self.path.last().map(Vec::as_slice).unwrap_or_default();
                if !matches!(local, b"delText" | b"instrText" | b"delInstrText") {
                    let paragraph = self.open.last();
                    self.found.problems.push(Problem {
                        paragraph: paragraph.map(|p| p.number),
                        excerpt: paragraph.map(|p| excerpt(&p.joined)).unwrap_or_default(),
                        message: "a placeholder stands where akund cannot fill it (in a drawing or diagram); write it as ordinary text".into(),
                    });
                }
            }
            None => {}
        }
    }
}
