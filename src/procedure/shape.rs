//! The shape of a procedure file: its keys and the types of its values, laid beside the JSON Schema of [`File`], so
//! that every unknown key, missing key and wrong type is reported at once and at its place.
//!
//! [`File`]: super::file::File

use super::report::Finding;
use serde_json::Value as Json;
use std::ops::Range;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// A place in the file: keys and indices.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Place(Vec<String>);

impl Place {
    /// The key below here.
    pub fn key(&self, key: &str) -> Self {
        self.with(key.to_owned())
    }
    /// The element below here.
    pub fn at(&self, index: usize) -> Self {
        self.with(index.to_string())
    }
    fn with(&self, part: String) -> Self {
        let mut parts = self.0.clone();
        parts.push(part);
        Self(parts)
    }
}

/// A parsed text with the place of everything in it.
pub struct Spans<'a> {
    root: Spanned<DeTable<'a>>,
}

impl<'a> Spans<'a> {
    /// Parses; syntax errors become findings.
    pub fn parse(text: &'a str) -> Result<Self, Vec<Finding>> {
        let (root, errors) = DeTable::parse_recoverable(text);
        if errors.is_empty() {
            return Ok(Self { root });
        }
        Err(errors.iter().map(|e| Finding { span: e.span(), message: e.message().to_owned(), help: None }).collect())
    }

    /// The range of a place: its value; where that does not exist, the table that should hold it.
    pub fn of(&self, place: &Place) -> Range<usize> {
        let mut span = 0..0;
        let mut table = Some(self.root.get_ref());
        let mut array = None;
        for part in &place.0 {
            let found = match (table, array) {
                (Some(t), _) => t.get(part.as_str()).map(|v: &Spanned<DeValue<'_>>| v),
                (_, Some(a)) => part.parse::<usize>().ok().and_then(|i| <[Spanned<DeValue<'_>>]>::get(a, i)),
                _ => None,
            };
            let Some(value) = found else { break };
            span = value.span();
            table = value.get_ref().as_table();
            array = value.get_ref().as_array().map(|a| &**a);
        }
        span
    }

    /// Compares with a schema. Unknown keys are taken out, so that the rest can still be read.
    pub fn compare(&mut self, schema: &Json) -> Vec<Finding> {
        let mut walk = Walk { definitions: schema.get("$defs").unwrap_or(&Json::Null), findings: Vec::new() };
        let span = first_key(self.root.span());
        walk.table(schema, self.root.get_mut(), span);
        walk.findings
    }

    /// The tree, for deserialising.
    pub fn into_table(self) -> Spanned<DeTable<'a>> {
        self.root
    }
}

/// The root's own span is the whole text: point at its beginning.
fn first_key(span: Range<usize>) -> Range<usize> {
    span.start..span.start
}

struct Walk<'s> {
    definitions: &'s Json,
    findings: Vec<Finding>,
}

impl<'s> Walk<'s> {
    /// Follows `$ref`, and `anyOf` with null (an optional value), to the schema that says something.
    fn resolve(&self, schema: &'s Json) -> &'s Json {
        if let Some(name) = schema.get("$ref").and_then(Json::as_str).and_then(|r| r.strip_prefix("#/$defs/")) {
            return self.definitions.get(name).map_or(schema, |s| self.resolve(s));
        }
        let not_null = |s: &&Json| s.get("type").and_then(Json::as_str) != Some("null");
        match schema.get("anyOf").and_then(Json::as_array).and_then(|any| any.iter().find(not_null)) {
            Some(inner) => self.resolve(inner),
            None => schema,
        }
    }

    fn table(&mut self, schema: &'s Json, table: &mut DeTable<'_>, span: Range<usize>) {
        let properties = schema.get("properties").and_then(Json::as_object);
        let others = schema.get("additionalProperties").filter(|s| s.is_object());
        let mut unknown = Vec::new();
        for (key, value) in table.iter_mut() {
            match properties.and_then(|p| p.get(key.get_ref().as_ref())).or(others) {
                Some(inner) => {
                    let inner = self.resolve(inner);
                    self.value(inner, value, key.get_ref());
                }
                None => {
                    self.findings.push(unknown_key(key, properties));
                    unknown.push(key.get_ref().to_string());
                }
            }
        }
        unknown.iter().for_each(|key| drop(table.remove(key.as_str())));
        for key in schema.get("required").and_then(Json::as_array).into_iter().flatten().filter_map(Json::as_str) {
            if !table.contains_key(key) {
                let property = properties.and_then(|p| p.get(key));
                let what = property.and_then(|p| description(p).or(description(self.resolve(p))));
                let finding = Finding::at(span.clone(), format!("the key `{key}` is missing"));
                self.findings.push(match what {
                    Some(what) => finding.help(format!("`{key}`: {what}")),
                    None => finding,
                });
            }
        }
    }

    fn value(&mut self, schema: &'s Json, value: &mut Spanned<DeValue<'_>>, key: &str) {
        let span = value.span();
        let expected = type_of(schema);
        match (expected, value.get_mut()) {
            ("object", DeValue::Table(table)) => self.table(schema, table, span),
            ("array", DeValue::Array(array)) => {
                let Some(items) = schema.get("items").map(|s| self.resolve(s)) else { return };
                for item in array.iter_mut() {
                    self.value(items, item, key);
                }
            }
            ("string", DeValue::String(text)) => self.word(schema, text, span, key),
            ("integer", DeValue::Integer(number)) => {
                let whole = i64::from_str_radix(&number.as_str().replace('_', ""), number.radix()).ok();
                if !whole.is_some_and(|n| (0..=i64::from(u32::MAX)).contains(&n)) {
                    let message = format!("`{key}` is {}, which is out of range", number.as_str());
                    self.findings.push(Finding::at(span, message).help("expected a whole number from 0"));
                }
            }
            ("boolean", DeValue::Boolean(_)) => {}
            (_, found) => {
                let message = format!("`{key}` is {}", named(found.type_str()));
                self.findings.push(Finding::at(span, message).help(format!("expected {}", named(expected))));
            }
        }
    }

    /// A string; where the schema lists words, one of them.
    fn word(&mut self, schema: &Json, text: &str, span: Range<usize>, key: &str) {
        let words = words_of(schema);
        if words.is_empty() || words.contains(&text) {
            return;
        }
        let help = format!("{}expected one of: {}", suggestion(text, words.iter().copied()), words.join(", "));
        self.findings.push(Finding::at(span, format!("`{key}` is `{text}`, which is not a known word")).help(help));
    }
}

fn unknown_key(key: &Spanned<std::borrow::Cow<'_, str>>, known: Option<&serde_json::Map<String, Json>>) -> Finding {
    let name = key.get_ref();
    let known: Vec<&str> = known.into_iter().flat_map(|k| k.keys()).map(String::as_str).collect();
    let help = suggestion(name, known.iter().copied());
    Finding::at(key.span(), format!("unknown key `{name}`")).help(format!("{help}known keys: {}", known.join(", ")))
}

/// `did you mean …? `, or nothing.
pub fn suggestion<'w>(word: &str, known: impl Iterator<Item = &'w str>) -> String {
    let near = known.map(|k| (strsim::damerau_levenshtein(word, k), k)).min();
    match near {
        Some((distance, k)) if distance <= 1 + k.len() / 4 => format!("did you mean `{k}`? "),
        _ => String::new(),
    }
}

/// The first line of a schema's description.
fn description(schema: &Json) -> Option<&str> {
    schema.get("description").and_then(Json::as_str).and_then(|d| d.lines().next())
}

/// The words that a schema allows: `enum`, or `oneOf` with `const` (words that are described one by one).
fn words_of(schema: &Json) -> Vec<&str> {
    let listed = schema.get("enum").and_then(Json::as_array).into_iter().flatten().filter_map(Json::as_str);
    let alternatives = schema.get("oneOf").and_then(Json::as_array).into_iter().flatten();
    let described = alternatives.flat_map(|one| match one.get("const").and_then(Json::as_str) {
        Some(word) => vec![word],
        None => words_of(one),
    });
    listed.chain(described).collect()
}

fn type_of(schema: &Json) -> &str {
    match schema.get("type") {
        Some(Json::String(one)) => one,
        Some(Json::Array(many)) => many.iter().filter_map(Json::as_str).find(|t| *t != "null").unwrap_or("string"),
        _ if schema.get("oneOf").is_some() || schema.get("enum").is_some() => "string",
        _ => "object",
    }
}

/// A type as a person says it; takes TOML's and JSON Schema's names.
fn named(kind: &str) -> &str {
    match kind {
        "string" => "a text in quotes",
        "integer" => "a whole number",
        "float" => "a number with a point",
        "boolean" => "true or false",
        "datetime" => "a date",
        "array" => "a list in [ ]",
        "table" | "object" => "a table",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(text: &str) -> Vec<String> {
        let mut spans = Spans::parse(text).unwrap_or_else(|f| panic!("{f:?}"));
        let schema = super::super::schema();
        spans.compare(&schema).into_iter().map(|f| format!("{}; {}", f.message, f.help.unwrap_or_default())).collect()
    }

    #[test]
    fn unknown_missing_and_mistyped_keys_are_all_reported_at_once() {
        let found = findings("akund = \"1\"\ntitel = \"x\"\n[[category]]\nname = \"a\"\nroute = \"provison\"\n");
        let said = |what: &str| assert!(found.iter().any(|f| f.contains(what)), "{what} in {found:#?}");
        said("`akund` is a text in quotes; expected a whole number");
        said("unknown key `titel`; did you mean `title`?");
        said("the key `institution` is missing");
        said("the key `services` is missing");
        said("`route` is `provison`, which is not a known word; did you mean `provision`? expected one of: provision");
    }

    #[test]
    fn a_place_is_found_in_tables_and_lists() {
        let text = "[[category]]\nname = \"a\"\n[[category]]\nname = \"bc\"\n";
        let spans = Spans::parse(text).unwrap_or_else(|f| panic!("{f:?}"));
        let name = spans.of(&Place::default().key("category").at(1).key("name"));
        assert_eq!(&text[name], "\"bc\"");
        let missing = spans.of(&Place::default().key("category").at(1).key("route"));
        assert!(text[missing].starts_with("[[category]]"));
    }

    #[test]
    fn several_syntax_errors_are_reported_at_once() {
        let found = Spans::parse("a = \nb = \"x\nc = 1\n").err().unwrap_or_default();
        assert!(found.len() >= 2, "{found:?}");
    }
}
