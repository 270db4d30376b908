//! The letter of notification: a Word file that an office's own secretary edits, filled into a draft.
//!
//! A template is an ordinary `.docx`. Wherever it has text (the letter itself, tables, text boxes, headers, footers, notes) it may
//! hold placeholders, `{{ nama }}`; [`PLACEHOLDERS`] lists them, in Indonesian and English. How Word splits one over runs does
//! not matter. One that is not known is an error when the template is loaded, and so at start and in `akund check`.
//!
//! No value is a password. Templates lie beside those of the notices; `surat-pemberitahuan.docx` is built in.

mod archive;
mod part;
mod sample;
mod signed;
mod values;

pub use signed::{Kind, LARGEST};
pub use values::{LetterFacts, PLACEHOLDERS, Placeholder, Values};

use archive::Entries;
use part::Part;
use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

/// The media type of a Word file (ECMA-376 part 1 §11.3.10, without macros).
pub const MEDIA_TYPE: &str = "application/vnd.openxmlformats-officedocument.wordprocessingml.document";
/// What the content types of its parts begin with.
const WORD_TYPE: &str = "application/vnd.openxmlformats-officedocument.wordprocessingml.";
/// The parts that a reader sees as text on the page.
const FILLED: [&str; 5] = ["document.main+xml", "header+xml", "footer+xml", "footnotes+xml", "endnotes+xml"];
/// Most placeholders in one template.
const MOST_PLACEHOLDERS: usize = 1000;
/// The template that needs no file.
const BUILT_IN: (&str, &[u8]) =
    ("surat-pemberitahuan.docx", include_bytes!("../../../config/templates/surat-pemberitahuan.docx"));

/// A template, read and checked.
#[derive(Debug)]
pub struct LetterTemplate {
    bytes: Vec<u8>,
    /// The parts with placeholders, by their names in the archive.
    parts: BTreeMap<String, Part>,
}

impl LetterTemplate {
    /// Reads a template. `file` is what to call it in problems.
    ///
    /// # Errors
    /// Everything that is wrong with it, a sentence each that names the file and, where there is one, the part and the paragraph.
    pub fn parse(file: &str, bytes: Vec<u8>) -> Result<Self, Vec<String>> {
        let whole = |message: String| vec![format!("{file}: {message}")];
        let entries = archive::unpack(&bytes).map_err(whole)?;
        let filled = content_types(&entries).map_err(whole)?;
        let mut problems: Vec<String> =
            relationships(&entries).into_iter().map(|message| format!("{file}: {message}")).collect();
        let mut parts = BTreeMap::new();
        for (name, content) in entries.iter().filter(|(name, _)| name.ends_with(".xml")) {
            let wrong = |message: String| format!("{file}: {name}: {message}");
            if !filled.contains(name) {
                // What is hidden or in a comment is not filled, and must not leave as it is either.
                if name.starts_with("word/") && content.windows(2).any(|two| two == b"{{") {
                    problems.push(wrong("a placeholder stands here, in no text of the letter; take it out".into()));
                }
                continue;
            }
            match archive::text(content).map(|text| Part::read(text, &values::known)) {
                Err(message) => problems.push(wrong(message)),
                Ok(Ok(part)) => drop(parts.insert(name.clone(), part)),
                Ok(Err(found)) => problems.extend(found.into_iter().map(|problem| match problem.paragraph {
                    None => wrong(problem.message),
                    Some(number) if problem.excerpt.is_empty() => {
                        format!("{file}: {name}, paragraph {number}: {}", problem.message)
                    }
                    Some(number) => {
                        format!("{file}: {name}, paragraph {number} (\"{}\"): {}", problem.excerpt, problem.message)
                    }
                })),
            }
        }
        if parts.values().flat_map(Part::names).count() > MOST_PLACEHOLDERS {
            problems.push(format!("{file}: it has more than {MOST_PLACEHOLDERS} placeholders"));
        }
        parts.retain(|_, part| part.names().next().is_some());
        let template = Self { bytes, parts };
        if problems.is_empty() { Ok(template) } else { Err(problems) }
    }

    /// The names of the placeholders that it uses.
    pub fn names(&self) -> BTreeSet<&'static str> {
        self.parts.values().flat_map(Part::names).collect()
    }

    /// The letter: the template with every placeholder filled. Equal values give equal bytes.
    ///
    /// # Errors
    /// A sentence; only where the archive cannot be written again.
    pub fn fill(&self, values: &Values) -> Result<Vec<u8>, String> {
        let value = |name: &str| values.get(name);
        let filled = self.parts.iter().map(|(name, part)| (name.as_str(), part.fill(&value))).collect();
        archive::replace(&self.bytes, &filled)
    }
}

/// The templates that procedures name, by name.
#[derive(Debug, Default)]
pub struct Letters(BTreeMap<String, Arc<LetterTemplate>>);

impl Letters {
    /// Loads templates: from the directory, else the built-in one of that name.
    ///
    /// # Errors
    /// Every problem, a sentence each.
    pub fn load<'n>(directory: &Path, names: impl IntoIterator<Item = &'n str>) -> Result<Self, Vec<String>> {
        let mut letters = BTreeMap::new();
        let mut problems = Vec::new();
        for name in names.into_iter().collect::<BTreeSet<_>>() {
            let path = directory.join(name);
            let read = match read(&path) {
                Ok(Some(bytes)) => LetterTemplate::parse(&path.display().to_string(), bytes),
                Ok(None) if name == BUILT_IN.0 => LetterTemplate::parse("built-in letter", BUILT_IN.1.to_vec()),
                Ok(None) => {
                    Err(vec![format!("{}: there is no such letter template; put the Word file there", path.display())])
                }
                Err(message) => Err(vec![format!("{}: {message}", path.display())]),
            };
            match read {
                Ok(template) => drop(letters.insert(name.to_owned(), Arc::new(template))),
                Err(found) => problems.extend(found),
            }
        }
        if problems.is_empty() { Ok(Self(letters)) } else { Err(problems) }
    }

    /// The template of this name.
    pub fn get(&self, name: &str) -> Option<&Arc<LetterTemplate>> {
        self.0.get(name)
    }

    /// A letter with made-up values, for the secretary who edits the template; none where there is no such template.
    ///
    /// # Errors
    /// As [`LetterTemplate::fill`].
    pub fn preview(&self, name: &str, language: &str) -> Result<Option<Vec<u8>>, String> {
        self.get(name).map(|template| template.fill(&sample::values(language))).transpose()
    }

    /// The names of those that are loaded.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
}

/// A template's bytes; none where there is no such file.
fn read(path: &Path) -> Result<Option<Vec<u8>>, String> {
    use std::io::Read;
    // Looked at before it is opened, so that a fifo cannot hang the start.
    match std::fs::metadata(path) {
        Ok(found) if !found.is_file() => return Err("it is not a regular file".into()),
        Ok(_) => {}
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.to_string()),
    }
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(|error| error.to_string())?;
    file.take(LARGEST as u64 + 1).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    Ok(Some(bytes))
}

/// The names of the parts to fill. The error is a sentence: it is no Word file, or one that is not taken.
fn content_types(entries: &Entries) -> Result<BTreeSet<String>, String> {
    let list = entries.get("[Content_Types].xml").ok_or("it is a zip archive, but no .docx")?;
    let mut filled = BTreeSet::new();
    let mut main = 0;
    for (part, kind) in attributes(archive::text(list)?, b"Override", "PartName", "ContentType")? {
        if kind.contains("macroEnabled") || kind.contains("vbaProject") {
            return Err("it has macros; save it as .docx, without them".into());
        }
        let Some(word) = kind.strip_prefix(WORD_TYPE) else { continue };
        if word == "template.main+xml" {
            return Err("it is a Word template (.dotx); save it as .docx".into());
        }
        main += usize::from(word == FILLED[0]);
        if FILLED.contains(&word) {
            let name = part.trim_start_matches('/').to_owned();
            if !entries.contains_key(&name) {
                return Err(format!("its list of contents names `{name}`, which is not in it"));
            }
            filled.insert(name);
        }
    }
    if main != 1 {
        return Err("it is an Office file, but no Word file (.docx)".into());
    }
    if entries.keys().any(|name| name.to_ascii_lowercase().ends_with("vbaproject.bin")) {
        return Err("it has macros; save it as .docx, without them".into());
    }
    Ok(filled)
}

/// What lies outside the file and would be fetched when the letter is opened (part 2 §8.3). Links to click are well, and so is the name of
/// the template that the file was made from.
fn relationships(entries: &Entries) -> Vec<String> {
    let mut problems = Vec::new();
    for (name, content) in entries.iter().filter(|(name, _)| name.ends_with(".rels")) {
        let read = archive::text(content).and_then(|text| {
            let outside = attributes(text, b"Relationship", "TargetMode", "Type")?;
            let targets = attributes(text, b"Relationship", "TargetMode", "Target")?;
            Ok(outside.into_iter().zip(targets))
        });
        match read {
            Err(message) => problems.push(format!("{name}: {message}")),
            Ok(all) => {
                for ((mode, kind), (_, target)) in all {
                    let harmless =
                        kind.ends_with("/hyperlink") || kind.ends_with("/attachedTemplate") && is_local(&target);
                    if mode.eq_ignore_ascii_case("external") && !harmless {
                        problems.push(format!(
                            "{name}: it fetches something from outside when it is opened ({}); put pictures into the file itself",
                            kind.rsplit('/').next().unwrap_or_default()
                        ));
                    }
                }
            }
        }
    }
    problems
}

/// A file of the machine that the letter was written on, as Word notes it: `file:///C:\…`, or a name. Never of another host.
fn is_local(target: &str) -> bool {
    let path = target.strip_prefix("file:///").unwrap_or(target);
    !path.contains("//") && !path.contains(r"\\") && (path.len() < target.len() || !target.contains(':'))
}

/// Two attributes of each element of a name; an attribute that is not there is empty.
fn attributes(text: &str, element: &[u8], first: &str, second: &str) -> Result<Vec<(String, String)>, String> {
    let not_xml = |error: &dyn std::fmt::Display| format!("its list of contents is not well-formed XML: {error}");
    let mut reader = Reader::from_str(text);
    let mut found = Vec::new();
    loop {
        match reader.read_event().map_err(|error| not_xml(&error))? {
            Event::Eof => return Ok(found),
            Event::DocType(_) => return Err("it has a DOCTYPE, which no .docx has".into()),
            Event::Start(start) | Event::Empty(start) if start.local_name().as_ref() == element => {
                found.push((attribute(&start, first)?, attribute(&start, second)?));
            }
            _ => {}
        }
    }
}

fn attribute(start: &BytesStart<'_>, name: &str) -> Result<String, String> {
    let wrong = |error: &dyn std::fmt::Display| format!("its list of contents is not well-formed XML: {error}");
    let Some(found) = start.try_get_attribute(name).map_err(|error| wrong(&error))? else { return Ok(String::new()) };
    let value = std::str::from_utf8(&found.value).map_err(|error| wrong(&error))?;
    quick_xml::escape::unescape(value).map(std::borrow::Cow::into_owned).map_err(|error| wrong(&error))
}

#[cfg(test)]
mod tests;
