//! A commented example file as a reference: its headings, tables and keys become a page's.

use roff::{Roff, bold, roman};

/// One line of the example.
#[derive(Debug, PartialEq, Eq)]
enum Line<'a> {
    Empty,
    /// `# --- Title ---`
    Heading(&'a str),
    /// `[table]`, also commented out.
    Table(&'a str),
    /// `key = value  # why`, also commented out.
    Key(&'a str, &'a str),
    /// The explanation of the key above goes on.
    More(&'a str),
    /// Anything else that is said.
    Prose(&'a str),
}

impl<'a> Line<'a> {
    fn read(line: &'a str) -> Self {
        let mut bare = line.trim_end();
        if bare.is_empty() {
            return Self::Empty;
        }
        if let Some(title) = bare.strip_prefix("# ---") {
            return Self::Heading(title.trim_matches(|c| c == '-' || c == ' '));
        }
        let indented = bare.starts_with("#   ") || bare.starts_with("  ");
        while let Some(rest) = bare.strip_prefix('#') {
            bare = rest.trim_start();
        }
        bare = bare.trim_start();
        if bare.is_empty() {
            Self::Empty
        } else if indented {
            Self::More(bare.trim_start_matches('#').trim_start())
        } else if bare.starts_with('[') && bare.contains(']') {
            Self::Table(bare.split('#').next().unwrap_or(bare).trim_end())
        } else if is_key(bare) {
            let (pair, why) = comment(bare);
            Self::Key(pair, why)
        } else {
            Self::Prose(bare)
        }
    }
}

/// Whether it begins as `key = ` does.
fn is_key(text: &str) -> bool {
    text.split_once(" = ").is_some_and(|(key, _)| {
        !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.'))
    })
}

/// The pair and what is said of it: a `#` outside quotes, after a space, begins that.
fn comment(line: &str) -> (&str, &str) {
    let mut quoted = false;
    for (at, c) in line.char_indices() {
        match c {
            '"' => quoted = !quoted,
            '#' if !quoted && line[..at].ends_with(' ') => {
                return (line[..at].trim_end(), line[at + 1..].trim_start());
            }
            _ => {}
        }
    }
    (line, "")
}

/// Adds the example to a page.
pub(super) fn lay_out(page: &mut Roff, example: &str) {
    let mut headed = false;
    let mut after = Line::Empty;
    for line in example.lines().map(Line::read) {
        match &line {
            Line::Empty => {}
            Line::Heading(title) => {
                page.control("SH", [title.to_uppercase().as_str()]);
                headed = true;
            }
            Line::Table(table) => {
                if !headed {
                    page.control("SH", ["FILE"]);
                    headed = true;
                }
                page.control("SS", [*table]);
            }
            Line::Key(pair, why) => {
                page.control("TP", []).text([bold(*pair)]).text([roman(*why)]);
            }
            Line::More(text) => {
                page.text([roman(*text)]);
            }
            Line::Prose(text) => {
                if !matches!(after, Line::Prose(_)) {
                    page.control("PP", []);
                }
                page.text([roman(*text)]);
            }
        }
        after = line;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_told_apart() {
        for (line, read) in [
            ("", Line::Empty),
            ("#", Line::Empty),
            ("# --- The durable truth -----", Line::Heading("The durable truth")),
            ("[journal]", Line::Table("[journal]")),
            ("# [[target.hotspot.nas]]", Line::Table("[[target.hotspot.nas]]")),
            ("# path = \"/a#b\"  # where it is", Line::Key("path = \"/a#b\"", "where it is")),
            ("# # tls = \"none\"", Line::Key("tls = \"none\"", "")),
            ("Session-Timeout = 28800", Line::Key("Session-Timeout = 28800", "")),
            ("                    # \"cleartext\" serves CHAP", Line::More("\"cleartext\" serves CHAP")),
            (
                "# route = \"provision\"   the account is made",
                Line::Key("route = \"provision\"   the account is made", ""),
            ),
            ("# What others have written stays.", Line::Prose("What others have written stays.")),
            ("akund = 1", Line::Key("akund = 1", "")),
        ] {
            assert_eq!(Line::read(line), read, "{line}");
        }
    }
}
