//! JSON with places: strict RFC 8259, through jsonc-parser's tree.

use super::node::{At, Entry, Node, Value};
use crate::model::letters::quoted;
use jsonc_parser::ast;
use jsonc_parser::common::Ranged;
use jsonc_parser::errors::{ParseError, ParseErrorKind};
use jsonc_parser::{CollectOptions, ParseOptions, parse_to_ast};
use std::ops::Range;

/// Deepest nesting of objects and arrays; a record needs three.
pub(super) const DEEPEST: usize = 64;

/// Why a text is not JSON: where, what was found, what was expected.
#[derive(Debug)]
pub(super) struct Fault {
    pub span: Range<usize>,
    pub found: String,
    pub expected: String,
}

/// Parses `text`, which begins at `base` of the file.
pub(super) fn parse(text: &str, base: usize) -> Result<Node, Fault> {
    if let Some(at) = too_deep(text) {
        let expected = format!("at most {DEEPEST} objects or arrays inside one another");
        return Err(Fault { span: base + at..base + at + 1, found: "deeper nesting".into(), expected });
    }
    let strict = ParseOptions {
        allow_comments: false,
        allow_loose_object_property_names: false,
        allow_trailing_commas: false,
        allow_missing_commas: false,
        allow_single_quoted_strings: false,
        allow_hexadecimal_numbers: false,
        allow_unary_plus_numbers: false,
        allow_bare_decimal_point_numbers: false,
        allow_non_finite_numbers: false,
        allow_extended_string_escapes: false,
    };
    match parse_to_ast(text, &CollectOptions::default(), &strict) {
        Ok(result) => match result.value {
            Some(value) => Ok(convert(value, base)),
            None => Err(Fault { span: base..base, found: "nothing".into(), expected: "a JSON object".into() }),
        },
        Err(error) => Err(fault(&error, text, base)),
    }
}

/// One line: the object of `text` with a last key added, which replaces an earlier last key of that name. What is
/// no object stays as it is.
pub(super) fn with_reason(text: &str, key: &str, reason: &str) -> String {
    let Ok(Node { value: Value::Table(entries), at: At::Span(whole) }) = parse(text, 0) else {
        return format!("{text}\n");
    };
    let kept = entries.len() - usize::from(entries.last().is_some_and(|e| e.key == key));
    let end = match kept.checked_sub(1).and_then(|last| entries.get(last)).map(|e| &e.node.at) {
        Some(At::Span(last)) => last.end,
        _ => whole.start + 1,
    };
    let comma = if kept == 0 { "" } else { "," };
    let (key, reason) = (serde_json::Value::from(key), serde_json::Value::from(reason));
    format!("{}{comma}{key}:{reason}}}\n", text.get(..end).unwrap_or(""))
}

/// The offset of the bracket that goes too deep. Runs before the parser, which recurses.
fn too_deep(text: &str) -> Option<usize> {
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            _ if in_string => {}
            b'{' | b'[' => {
                depth += 1;
                if depth > DEEPEST {
                    return Some(at);
                }
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    None
}

fn convert(value: ast::Value<'_>, base: usize) -> Node {
    let range = value.range();
    let span = |r: jsonc_parser::common::Range| At::Span(base + r.start..base + r.end);
    let at = span(range);
    let value = match value {
        ast::Value::StringLit(s) => Value::Text(s.value.into_owned()),
        ast::Value::NumberLit(n) => Value::Number(n.value.to_owned()),
        ast::Value::BooleanLit(b) => Value::Bool(b.value),
        ast::Value::NullKeyword(_) => Value::Null,
        ast::Value::Array(a) => Value::List(a.elements.into_iter().map(|e| convert(e, base)).collect()),
        ast::Value::Object(o) => Value::Table(
            o.properties
                .into_iter()
                .map(|p| {
                    let at = span(p.name.range());
                    Entry { key: p.name.into_string(), at, node: convert(p.value, base) }
                })
                .collect(),
        ),
    };
    Node { at, value }
}

fn fault(error: &ParseError, text: &str, base: usize) -> Fault {
    use ParseErrorKind as K;
    let range = error.range();
    let span = base + range.start..base + range.end;
    let found = match text.get(range.start..).and_then(|rest| rest.chars().next()) {
        _ if range.start >= text.trim_end().len() => "the end of the text".to_owned(),
        Some(_) if range.end > range.start => quoted(text.get(range.start..range.end).unwrap_or("")),
        Some(c) => quoted(c.encode_utf8(&mut [0; 4])),
        None => "the end of the text".to_owned(),
    };
    let expected = match error.kind() {
        K::CommentsNotAllowed => "no comment: JSON has none".to_owned(),
        K::ExpectedColonAfterObjectKey => "a colon between a key and its value".into(),
        K::ExpectedObjectValue => "a value after the colon".into(),
        K::ExpectedStringObjectProperty | K::SingleQuotedStringsNotAllowed => "text in \"quotation marks\"".into(),
        K::ExpectedComma => "a comma before this".into(),
        K::MultipleRootJsonValues => "the end of the record (many records go into a .jsonl file, one a line)".into(),
        K::TrailingCommasNotAllowed => "no comma after the last value".into(),
        K::UnterminatedArray => "a ] that ends this array".into(),
        K::UnterminatedObject => "a } that ends this object".into(),
        K::UnexpectedWord | K::UnexpectedToken => {
            "a value: text in \"quotation marks\", a number, an object or an array".into()
        }
        other => format!("valid JSON ({})", lower_first(&other.to_string())),
    };
    Fault { span, found, expected }
}

fn lower_first(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map(|c| c.to_lowercase().chain(chars).collect()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn depth_is_counted_outside_strings_only() {
        let nested = |n: usize| format!("{}{}", "[".repeat(n), "]".repeat(n));
        assert!(parse(&nested(DEEPEST), 0).is_ok());
        assert_eq!(parse(&nested(DEEPEST + 1), 10).unwrap_err().span, 10 + DEEPEST..11 + DEEPEST);
        assert!(parse(&nested(1_000_000), 0).is_err());
        assert!(parse(&"{\"a\":".repeat(1_000_000), 0).is_err());
        assert!(parse(&format!("\"{}\\\"{}\"", "[".repeat(100), "{".repeat(100)), 0).is_ok());
    }

    #[test]
    fn only_strict_json_is_accepted_and_the_fault_is_a_sentence() {
        for (text, start, found, expected) in [
            ("", 0, "nothing", "a JSON object"),
            ("{", 0, "\"{\"", "a } that ends"),
            ("{\"a\":1,}", 6, "\",\"", "no comma after the last value"),
            ("{\"a\":1 \"b\":2}", 6, "\" \"", "a comma before this"),
            ("{'a':1}", 1, "\"'\"", "quotation marks"),
            ("{a:1}", 1, "\"a\"", "quotation marks"),
            ("{\"a\" 1}", 5, "\"1\"", "a colon"),
            ("{\"a\":yes}", 5, "\"yes\"", "a value"),
            ("{} {}", 3, "\"{\"", "one a line"),
            ("// x\n{}", 0, "\"// x\"", "no comment"),
            ("{\"a\":0x1F}", 5, "\"0\"", "valid JSON"),
            ("{\"a\":\"x", 5, "\"\"x\"", "valid JSON"),
            ("{\"a\":\"\\ud800\"}", 6, "\"\\ud800\"\"", "valid JSON"),
        ] {
            let fault = parse(text, 0).unwrap_err();
            assert!(fault.expected.contains(expected), "{text}: {fault:?}");
            assert_eq!((fault.span.start, fault.found.as_str()), (start, found), "{text}: {fault:?}");
        }
    }
}
