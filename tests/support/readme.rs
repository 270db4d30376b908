//! The READMEs' fenced blocks.

use std::fs;
use std::path::Path;

/// One fenced block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// The file's language: toml, json, csv, sh, text.
    pub language: String,
    /// What it is: record, config, or nothing.
    pub kind: String,
    pub body: String,
}

/// The one block of the English README whose text has these words.
pub fn block(words: &str) -> String {
    let mut found = blocks(&read("README.md")).into_iter().filter(|(_, block)| block.body.contains(words));
    let block = found.next().unwrap_or_else(|| panic!("README.md has no block with {words:?}"));
    assert!(found.next().is_none(), "README.md has several blocks with {words:?}");
    block.1.body
}

pub fn read(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap()
}

/// Each fenced block with the line on which it begins.
pub fn blocks(markdown: &str) -> Vec<(usize, Block)> {
    let mut found = Vec::new();
    let mut open: Option<(usize, Block)> = None;
    for (index, line) in markdown.lines().enumerate() {
        match (line.strip_prefix("```"), open.take()) {
            (Some(info), None) => {
                let mut words = info.split_whitespace().map(str::to_owned);
                let (language, kind) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
                open = Some((index + 1, Block { language, kind, body: String::new() }));
            }
            (Some(_), Some(whole)) => found.push(whole),
            (None, Some((start, mut block))) => {
                block.body.push_str(line);
                block.body.push('\n');
                open = Some((start, block));
            }
            (None, None) => {}
        }
    }
    assert!(open.is_none(), "a block is not closed");
    found
}
