//! Reads the configuration: the file, `conf.d/*.toml` beside it, `AKUND_*` variables; in that order, later over earlier.
//!
//! Tables merge, `[[source]]` entries add up, anything else is replaced. A variable's name is the key's path in capitals
//! with `__` between its parts: `AKUND_HTTP__LISTEN=127.0.0.1:9999`. Relative paths, wherever they are written, are
//! relative to the directory of the main file.

use super::check::findings;
use super::report::{ConfigReport, Problem, Text, meant};
use super::tree::{Mismatch, Node, Part, Place, Value, What};
use super::{Config, VERSION};
use figment::providers::Env;
use serde::Deserialize;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Variables that begin with `AKUND_` and are not keys: the log filter, the configuration's path, the tests' crash points.
pub const RESERVED_VARIABLES: [&str; 3] = ["AKUND_LOG", "AKUND_CONFIG", "AKUND_CRASH_AT"];

/// Most syntax errors shown of one file: the rest are mostly echoes of the first.
const SYNTAX_ERRORS_SHOWN: usize = 5;

/// Reads and checks the configuration at `path` with `conf.d` and the environment over it.
///
/// # Errors
/// All mistakes that could be found, each with its place. A missing file is a mistake; a missing `conf.d` is not.
pub fn load(path: &Path) -> Result<Config, ConfigReport> {
    let variables: Vec<(String, String)> = variables().collect();
    load_with(path, &variables)
}

/// Like [`load`] for a text that stands in no file (`demo`, tests): no `conf.d`, no environment. Relative paths are relative to `base`.
pub fn from_text(text: &str, base: &Path) -> Result<Config, ConfigReport> {
    let mut loading = Loading::default();
    loading.add_file("akund.toml".into(), text.into());
    loading.finish(base)
}

/// The keys that the environment sets: dotted path, raw value.
fn variables() -> impl Iterator<Item = (String, String)> {
    let reserved = RESERVED_VARIABLES.map(|name| name.trim_start_matches(PREFIX));
    let env = Env::prefixed(PREFIX).ignore(&reserved).split("__");
    env.iter().map(|(key, value)| (key.to_string(), value)).collect::<Vec<_>>().into_iter()
}

const PREFIX: &str = "AKUND_";

fn load_with(path: &Path, variables: &[(String, String)]) -> Result<Config, ConfigReport> {
    let base = base_of(path).map_err(|e| unreadable(path, &e))?;
    let mut loading = Loading::default();
    loading.read(path)?;
    for extra in conf_d(&base.join("conf.d"))? {
        loading.read(&extra)?;
    }
    for (key, value) in variables {
        loading.add_variable(key, value);
    }
    loading.finish(&base)
}

fn base_of(path: &Path) -> io::Result<PathBuf> {
    let absolute = std::path::absolute(path)?;
    Ok(absolute.parent().unwrap_or(Path::new("/")).to_owned())
}

fn unreadable(path: &Path, error: &io::Error) -> ConfigReport {
    ConfigReport::of(format!("cannot read the configuration {}: {error}", path.display()))
}

/// The files of `conf.d` in the order of their names; hidden ones and those that do not end in `.toml` are not read.
fn conf_d(dir: &Path) -> Result<Vec<PathBuf>, ConfigReport> {
    let entries = match fs::read_dir(dir) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(|e| unreadable(dir, &e))?,
    };
    let mut files = Vec::new();
    for entry in entries {
        let path = entry.map_err(|e| unreadable(dir, &e))?.path();
        let hidden = path.file_name().is_some_and(|n| n.as_encoded_bytes().starts_with(b"."));
        if path.extension().is_some_and(|e| e == "toml") && !hidden {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// The tree so far, and what is wrong with it.
#[derive(Default)]
struct Loading {
    tree: Option<Node>,
    report: ConfigReport,
}

impl Loading {
    fn read(&mut self, path: &Path) -> Result<(), ConfigReport> {
        let bytes = fs::read(path).map_err(|e| unreadable(path, &e))?;
        let name = path.display().to_string();
        match String::from_utf8(bytes) {
            Ok(content) => self.add_file(name, content),
            Err(e) => {
                let line = e.as_bytes()[..e.utf8_error().valid_up_to()].iter().filter(|b| **b == b'\n').count() + 1;
                let sentence = format!("{name}:{line}: this line is not UTF-8 text");
                self.report.problems.push(Problem { sentence, place: None, help: None });
            }
        }
        Ok(())
    }

    fn add_file(&mut self, name: String, content: String) {
        let text = self.report.texts.len();
        let (table, errors) = toml::de::DeTable::parse_recoverable(&content);
        for error in errors.iter().take(SYNTAX_ERRORS_SHOWN) {
            self.report.problems.push(Problem {
                sentence: format!("this is not TOML: {}", error.message().trim_end().replace('\n', ", ")),
                place: error.span().map(|span| Place { text, span }),
                help: None,
            });
        }
        let node = Node::from_toml(table.get_ref(), Place { text, span: 0..0 });
        match &mut self.tree {
            Some(tree) => tree.merge(node),
            None => self.tree = Some(node),
        }
        self.report.texts.push(Text { name, content, is_file: true });
    }

    fn add_variable(&mut self, key: &str, value: &str) {
        let name = format!("{PREFIX}{}", key.to_ascii_uppercase().replace('.', "__"));
        let content = format!("{name}={value}");
        let place = Place { text: self.report.texts.len(), span: 0..content.len() };
        self.report.texts.push(Text { name, content, is_file: false });
        let path: Vec<&str> = key.split('.').collect();
        let node = Node { value: Value::Variable(value.into()), place: place.clone() };
        if self.tree.as_mut().is_some_and(|tree| tree.set(&path, node).is_err()) {
            let sentence = format!("a variable cannot set `{key}`: what stands around it is not a table");
            let help = Some("set it in a file".into());
            self.report.problems.push(Problem { sentence, place: Some(place), help });
        }
    }

    /// Decodes the merged tree. Structure first; meaning only where the structure is right.
    fn finish(mut self, base: &Path) -> Result<Config, ConfigReport> {
        let config = match self.tree.take() {
            Some(mut tree) if self.report.problems.is_empty() => self.decode(&mut tree, base),
            _ => None,
        };
        self.report.sort();
        config.filter(|_| self.report.problems.is_empty()).ok_or(self.report)
    }

    fn decode(&mut self, tree: &mut Node, base: &Path) -> Option<Config> {
        self.version(tree)?;
        let mut config = self.structure(&mut tree.clone())?;
        config.anchor(base);
        for finding in findings(&config) {
            let path: Vec<Part> = finding.path;
            let place = tree.place_of(&path).clone();
            let other = finding.other.and_then(|other| self.report.told(tree.place_of(&other)));
            let help = other.map(|other| format!("the other one is at {other}"));
            self.report.problems.push(Problem { sentence: finding.sentence, place: Some(place), help });
        }
        Some(config)
    }

    /// A file of another version is not looked at any further: its keys mean something else.
    fn version(&mut self, tree: &mut Node) -> Option<()> {
        let path = [Part::Key("akund".into())];
        let wrong = match tree.at(&path).map(|n| &n.value) {
            Some(Value::Integer(v)) if *v == i128::from(VERSION) => return Some(()),
            Some(Value::Variable(v)) if v.trim() == VERSION.to_string() => return Some(()),
            found => found.is_some(),
        };
        let sentence = match wrong {
            true => "this version of the configuration is not known to this akund",
            false => "the configuration's version is missing",
        };
        let help = Some(format!("the first line is `akund = {VERSION}`"));
        self.report.problems.push(Problem {
            sentence: sentence.into(),
            place: Some(tree.place_of(&path).clone()),
            help,
        });
        None
    }

    /// Decodes, and after each mistake takes the faulty part out and decodes again, so as to find the next one.
    fn structure(&mut self, tree: &mut Node) -> Option<Config> {
        let mut struck: Vec<Vec<Part>> = Vec::new();
        loop {
            let mismatch = match Config::deserialize(&*tree) {
                Ok(config) => return struck.is_empty().then_some(config),
                Err(mismatch) => mismatch,
            };
            let (whole, faulty) = faulty_part(&mismatch);
            if !struck.contains(&whole) {
                self.report.problems.push(explain(tree, &mismatch));
            }
            tree.strike(&faulty);
            if faulty.is_empty() {
                return None;
            }
            struck.push(whole);
        }
    }
}

/// The path that the mistake is about, and the part of the tree that must go for decoding to get past it.
fn faulty_part(mismatch: &Mismatch) -> (Vec<Part>, Vec<Part>) {
    let with = |key: &str| mismatch.path.iter().cloned().chain([Part::Key(key.to_owned())]).collect::<Vec<_>>();
    match &mismatch.what {
        What::UnknownKey { key, .. } => (with(key), with(key)),
        What::MissingKey { key } => (with(key), mismatch.path.clone()),
        _ => (mismatch.path.clone(), mismatch.path.clone()),
    }
}

/// The mistake as a sentence, with its place.
fn explain(tree: &Node, mismatch: &Mismatch) -> Problem {
    let (whole, _) = faulty_part(mismatch);
    let (name, around) = (dotted(&whole), around(&mismatch.path));
    let (sentence, help) = match &mismatch.what {
        What::UnknownKey { key, known } => (format!("there is no key `{key}` {around}"), Some(hint(key, known))),
        What::MissingKey { key } => (format!("the key `{key}` is missing {around}"), None),
        What::UnknownWord { word, known } => (format!("`{name}` cannot be \"{word}\""), Some(hint(word, known))),
        What::WrongType { found, expected } => {
            (format!("`{name}` wants {}, and found {}", plain(expected), plain(found)), None)
        }
        What::Other(message) => (format!("`{name}` is wrong: {message}"), example(message)),
    };
    Problem { sentence, place: Some(tree.place_of(&whole).clone()), help }
}

fn hint(word: &str, known: &[&str]) -> String {
    match (meant(word, known), known) {
        (Some(near), _) => format!("did you mean `{near}`?"),
        (None, []) => "nothing is known here".into(),
        (None, _) => format!("known here: {}", known.join(", ")),
    }
}

fn example(message: &str) -> Option<String> {
    message.contains("socket address").then(|| "address and port, as in 127.0.0.1:9380 or [::1]:9380".into())
}

/// A path as people write it: `channel.mail.port`, `source[2].name` counted from 1.
fn dotted(path: &[Part]) -> String {
    path.iter().fold(String::new(), |mut text, part| {
        match part {
            Part::Key(key) if text.is_empty() => text.push_str(key),
            Part::Key(key) => text.extend([".", key]),
            Part::Index(i) => text.push_str(&format!("[{}]", i + 1)),
        }
        text
    })
}

fn around(path: &[Part]) -> String {
    match dotted(path) {
        top if top.is_empty() => "at the top of the file".into(),
        name => format!("in `{name}`"),
    }
}

/// What serde calls a type, in words for people.
fn plain(serde: &str) -> String {
    match serde {
        "u8" => "a whole number from 0 to 255".into(),
        "u16" => "a whole number from 0 to 65535".into(),
        "u32" | "u64" | "usize" => "a whole number, not negative".into(),
        "i8" | "i16" | "i32" | "i64" | "isize" => "a whole number".into(),
        "f32" | "f64" => "a number".into(),
        "a boolean" => "true or false".into(),
        "a string" => "a text in quotes".into(),
        "path string" => "a path in quotes".into(),
        "a sequence" => "a list".into(),
        "sequence" => "a list".into(),
        "map" | "a map" => "a table".into(),
        other if other.starts_with("struct ") || other.starts_with("enum ") => "a table".into(),
        other => other.replace('`', ""),
    }
}

#[cfg(test)]
mod tests;
