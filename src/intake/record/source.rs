//! A file's bytes as text that can be pointed into.

use crate::model::letters::hidden;
use encoding_rs::{UTF_16BE, UTF_16LE, WINDOWS_1252};
use std::ops::Range;

/// Decoded text, the places where its lines begin, and the places where decoding failed.
#[derive(Debug)]
pub(super) struct Source {
    /// The file's name, as the report says it.
    pub name: String,
    /// UTF-8, without a byte order mark. A byte sequence that could not be decoded is U+FFFD.
    pub text: String,
    line_starts: Vec<usize>,
    damages: Vec<Damage>,
}

/// A place that could not be decoded.
#[derive(Debug)]
pub(super) struct Damage {
    /// Offset of the U+FFFD in the text.
    pub at: usize,
    /// What the bytes were.
    pub found: String,
}

impl Source {
    /// UTF-8 with or without byte order mark; UTF-16 with one, or when every other one of its first bytes is NUL.
    pub fn decode(name: &str, bytes: &[u8]) -> Self {
        let (text, damages) = match bytes {
            [0xEF, 0xBB, 0xBF, rest @ ..] => utf8(rest),
            [0xFF, 0xFE, rest @ ..] => utf16(rest, UTF_16LE),
            [0xFE, 0xFF, rest @ ..] => utf16(rest, UTF_16BE),
            [1..=255, 0, 1..=255, 0, ..] => utf16(bytes, UTF_16LE),
            [0, 1..=255, 0, 1..=255, ..] => utf16(bytes, UTF_16BE),
            _ => utf8(bytes),
        };
        let line_starts = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        let name = name.chars().map(|c| if hidden(c).is_some() { '?' } else { c }).collect();
        Self { name, text, line_starts, damages }
    }

    /// Line and column of an offset, both from 1; columns count characters.
    pub fn place(&self, offset: usize) -> (usize, usize) {
        let line = self.line_starts.partition_point(|start| *start <= offset).max(1);
        let start = self.line_starts.get(line - 1).copied().unwrap_or(0);
        let before = self.text.get(start..offset).unwrap_or("");
        (line, before.chars().count() + 1)
    }

    /// The line (from 1) that holds an offset.
    pub fn line(&self, offset: usize) -> usize {
        self.line_starts.partition_point(|start| *start <= offset).max(1)
    }

    /// The bounds of the line that holds an offset, without its end.
    pub fn line_span(&self, offset: usize) -> Range<usize> {
        let line = self.line(offset);
        let start = self.line_starts.get(line - 1).copied().unwrap_or(0);
        let end = self.line_starts.get(line).map_or(self.text.len(), |next| next - 1);
        let end = if self.text.get(start..end).is_some_and(|l| l.ends_with('\r')) { end - 1 } else { end };
        start..end
    }

    /// The first damage inside a range.
    pub fn damage_in(&self, range: &Range<usize>) -> Option<&Damage> {
        let first = self.damages.partition_point(|d| d.at < range.start);
        self.damages.get(first).filter(|d| d.at < range.end)
    }

    /// The text of a range; empty where the range is not one of the text's.
    pub fn slice(&self, range: &Range<usize>) -> &str {
        self.text.get(range.clone()).unwrap_or("")
    }
}

fn utf8(bytes: &[u8]) -> (String, Vec<Damage>) {
    let mut text = String::with_capacity(bytes.len());
    let mut damages = Vec::new();
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        if let Some(first) = chunk.invalid().first() {
            let (guess, _, _) = WINDOWS_1252.decode(std::slice::from_ref(first));
            let guess = guess.chars().find(|c| !c.is_control()).map(|c| format!(" (\"{c}\" in Windows-1252)"));
            let found = format!("byte 0x{first:02X}{}", guess.unwrap_or_default());
            damages.push(Damage { at: text.len(), found });
            text.push(char::REPLACEMENT_CHARACTER);
        }
    }
    (text, damages)
}

fn utf16(bytes: &[u8], encoding: &'static encoding_rs::Encoding) -> (String, Vec<Damage>) {
    let (text, failed) = encoding.decode_without_bom_handling(bytes);
    let damage = |(at, _)| Damage { at, found: "half of a UTF-16 character".into() };
    let damages = if failed { text.match_indices(char::REPLACEMENT_CHARACTER).map(damage).collect() } else { vec![] };
    (text.into_owned(), damages)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_count_lines_and_characters_from_one() {
        let source = Source::decode("x", "ab\r\nçd\n\nx".as_bytes());
        for (offset, place) in
            [(0, (1, 1)), (2, (1, 3)), (4, (2, 1)), (6, (2, 2)), (8, (3, 1)), (9, (4, 1)), (99, (4, 1))]
        {
            assert_eq!(source.place(offset), place, "{offset}");
        }
        assert_eq!(source.line_span(1), 0..2);
        assert_eq!(source.line_span(5), 4..7);
        assert_eq!(source.line_span(9), 9..10);
    }

    #[test]
    fn every_byte_order_gives_the_same_text() {
        let wanted = "id;größe\n";
        let le: Vec<u8> = wanted.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let be: Vec<u8> = wanted.encode_utf16().flat_map(u16::to_be_bytes).collect();
        for bytes in [
            wanted.as_bytes().to_vec(),
            [b"\xEF\xBB\xBF", wanted.as_bytes()].concat(),
            [b"\xFF\xFE", &le[..]].concat(),
            [b"\xFE\xFF", &be[..]].concat(),
            le,
            be,
        ] {
            let source = Source::decode("x", &bytes);
            assert_eq!(source.text, wanted);
            assert!(source.damage_in(&(0..99)).is_none());
        }
    }

    #[test]
    fn what_cannot_be_decoded_is_remembered_with_its_place() {
        let source = Source::decode("x", b"Ren\xE9 ok \xFF\xC3");
        let first = source.damage_in(&(0..99)).unwrap();
        assert_eq!((first.at, first.found.as_str()), (3, "byte 0xE9 (\"é\" in Windows-1252)"));
        assert!(source.damage_in(&(0..3)).is_none());
        assert!(source.damage_in(&(4..99)).is_some());
        let odd = Source::decode("x", b"\xFF\xFEa\0\0\xD8b\0");
        assert_eq!(odd.damage_in(&(0..99)).unwrap().at, 1);
    }
}
