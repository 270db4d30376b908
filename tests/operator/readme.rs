//! What the two READMEs show works, and is the same in both languages.
//!
//! The second word after a fence's language says what a block is: `toml record`, `json record` and `csv record` are
//! requests, `toml config` is a piece of `akund.toml`, `sh` are commands; a `text` block (a picture, an excerpt) is
//! for reading only and may be translated.

use crate::blocks::{blocks, read};
use akund::config;
use akund::intake::record;
use std::path::Path;

pub const READMES: [&str; 2] = ["README.md", "README.id.md"];

#[test]
fn both_readmes_show_the_same_commands_and_records() {
    let [english, indonesian] = READMES.map(|name| {
        blocks(&read(name)).into_iter().map(|(_, block)| block).filter(|b| b.language != "text").collect::<Vec<_>>()
    });
    for (ours, theirs) in english.iter().zip(&indonesian) {
        assert_eq!(ours, theirs);
    }
    assert_eq!(english.len(), indonesian.len(), "one README has blocks that the other has not");
}

#[test]
fn every_record_shown_is_accepted_as_it_stands() {
    for name in READMES {
        let mut seen = 0;
        for (line, block) in blocks(&read(name)).into_iter().filter(|(_, block)| block.kind == "record") {
            let file = format!("readme.{}", block.language);
            let mut parsed = record::parse(&file, block.body.as_bytes())
                .unwrap_or_else(|problems| panic!("{name}:{line}: {problems:?}"));
            seen += parsed.read(0..parsed.count(), &|_| None).len();
            assert_eq!(parsed.report(), "", "{name}:{line}");
        }
        assert!(seen >= 3, "{name} shows only {seen} requests");
    }
}

#[test]
fn every_piece_of_configuration_shown_is_accepted() {
    for name in READMES {
        let shown: Vec<_> = blocks(&read(name)).into_iter().filter(|(_, block)| block.kind == "config").collect();
        assert!(!shown.is_empty(), "{name} shows no configuration");
        for (line, block) in shown {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("akund.toml");
            std::fs::write(&path, format!("akund = 1\n{}", block.body)).unwrap();
            config::load(&path).unwrap_or_else(|report| panic!("{name}:{line}: {report}"));
        }
    }
}

#[test]
fn every_block_says_what_it_is() {
    for name in READMES {
        for (line, block) in blocks(&read(name)) {
            let known = matches!(
                (block.language.as_str(), block.kind.as_str()),
                ("toml" | "json" | "csv", "record") | ("toml", "config") | ("sh" | "text", "")
            );
            assert!(known, "{name}:{line}: a block of {:?} {:?} is checked by nothing", block.language, block.kind);
        }
    }
}

#[test]
fn every_file_linked_or_named_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for name in READMES {
        let text = read(name);
        let linked = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
        let named = text
            .split(|c: char| c.is_whitespace() || c == '`')
            .filter(|word| ["config/", "systemd/", "tests/", "LICENSE"].iter().any(|start| word.starts_with(start)));
        let paths = linked.chain(named).map(|path| path.trim_end_matches([')', ':', ',', '.']));
        for path in paths.filter(|path| !path.contains("://")) {
            assert!(root.join(path).exists(), "{name} names {path}, which is not there");
        }
    }
}
