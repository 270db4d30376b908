//! The shipped example: what a user copies to `/etc/akund/akund.toml`.

use super::*;
use crate::config::tree::Place;
use crate::model::Action;
use std::collections::BTreeSet;

/// The example with its commented keys switched on; of the commented sections, all but the second `[channel.email]`.
fn switched_on() -> String {
    let mut text = String::new();
    let mut in_outbox = false;
    for line in EXAMPLE.lines() {
        let bare = line.strip_prefix("# ").unwrap_or(line);
        // A default in a section that is commented out itself.
        let bare = bare.strip_prefix("# ").unwrap_or(bare);
        let is_setting = bare.starts_with('[') || bare.split_once(" = ").is_some_and(|(k, _)| is_key(k));
        in_outbox = match bare {
            "[channel.email]" => line.starts_with('#'),
            "" => false,
            _ => in_outbox,
        };
        if is_setting {
            text.push_str(&match in_outbox {
                true => bare.replace("[channel.email]", "[channel.outbox]"),
                false => bare.to_owned(),
            });
            text.push('\n');
        }
    }
    text.replace("signature = \"none\"", "signature = \"required\"")
}

/// The same as a configuration: of the two bodies that a gateway's request may have, one.
fn loadable() -> String {
    switched_on().lines().filter(|line| !line.starts_with("form = ")).map(|line| format!("{line}\n")).collect()
}

fn is_key(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-')
}

/// What decoding says that it knows, when it is given `text` with a key or a kind `zz` that it does not.
fn known(text: &str) -> Vec<&'static str> {
    let table = toml::de::DeTable::parse(text).unwrap();
    let tree = Node::from_toml(table.get_ref(), Place { text: 0, span: 0..0 });
    match Config::deserialize(&tree).map_err(|m| m.what) {
        Err(What::UnknownKey { known, .. } | What::UnknownWord { known, .. }) => known.to_vec(),
        other => panic!("{other:?} of\n{text}"),
    }
}

/// Every key there is: `section.key`, or `section.kind.key` where there are kinds.
fn all_keys() -> BTreeSet<String> {
    let mut keys = BTreeSet::new();
    for section in known("zz = 1") {
        let plain = format!("akund = 1\n[{section}]\nzz = 1");
        match section {
            "akund" => keys.extend([section.to_owned()]),
            "source" => keys.extend(known("akund = 1\n[[source]]\nzz = 1").iter().map(|key| format!("source.{key}"))),
            "target" | "channel" => {
                for kind in known(&format!("[{section}.x]\nkind = \"zz\"")) {
                    let own = known(&format!("[{section}.x]\nkind = \"{kind}\"\nzz = 1"));
                    keys.extend(own.iter().chain(&["kind"]).map(|key| format!("{section}.{kind}.{key}")));
                    let parts =
                        [("proof", "[target.x.proof]"), ("nas", "[[target.x.nas]]"), ("answer", "[channel.x.answer]")];
                    for (part, table) in parts {
                        if own.contains(&part) {
                            let inner = known(&format!("[{section}.x]\nkind = \"{kind}\"\n{table}\nzz = 1"));
                            keys.extend(inner.iter().map(|key| format!("{section}.{kind}.{part}.{key}")));
                        }
                    }
                }
            }
            "queue" => {
                keys.extend(known("[queue.x]\nzz = 1").iter().map(|key| format!("queue.{key}")));
                let outcomes = known("[queue.x.outcomes]\nzz = 1");
                keys.extend(outcomes.iter().map(|key| format!("queue.outcomes.{key}")));
            }
            _ => keys.extend(known(&plain).iter().map(|key| format!("{section}.{key}"))),
        }
    }
    keys
}

/// Every key that the example shows, switched on or commented out.
fn shown_keys() -> BTreeSet<String> {
    let (mut section, mut kind, mut part, mut shown) = (String::new(), String::new(), String::new(), BTreeSet::new());
    let mut free = false;
    for line in switched_on().lines() {
        if line.starts_with('[') {
            let mut names = line.trim_matches(['[', ']']).split('.');
            section = names.next().unwrap().to_owned();
            // A table inside of a target's is a key of it, too.
            part = names.nth(1).map(|part| format!("{part}.")).unwrap_or_default();
            if let Some(key) = part.strip_suffix('.') {
                shown.insert(if section == "queue" {
                    format!("queue.{key}")
                } else {
                    format!("{section}.{kind}.{key}")
                });
            }
            // The keys of these are attributes and categories.
            free = ["groups.", "check.", "reply.", "profile.", "attributes.", "org_units."].contains(&part.as_str());
            continue;
        }
        if free {
            continue;
        }
        let (key, value) = line.split_once(" = ").unwrap();
        if key == "kind" {
            kind = value.trim_matches('"').to_owned();
        }
        shown.insert(match section.as_str() {
            "" => key.to_owned(),
            "target" | "channel" => format!("{section}.{kind}.{part}{key}"),
            "queue" => format!("queue.{part}{key}"),
            _ => format!("{section}.{key}"),
        });
    }
    shown
}

#[test]
fn the_example_shows_every_key_there_is_and_none_that_there_is_not() {
    let (all, shown) = (all_keys(), shown_keys());
    assert!(all.len() > 50, "{all:?}");
    assert_eq!(shown.difference(&all).collect::<Vec<_>>(), Vec::<&String>::new(), "invented");
    assert_eq!(all.difference(&shown).collect::<Vec<_>>(), Vec::<&String>::new(), "not shown");
}

#[test]
fn the_example_loads_as_it_stands_and_with_everything_loadable() {
    let plain = parse(EXAMPLE).map_err(|e| e.to_string()).unwrap();
    assert_eq!(plain.source.len(), 1);
    let text = loadable();
    let on = parse(&text).map_err(|e| format!("{e}\n{text}")).unwrap();
    assert_eq!(on.source.len(), 3);
    assert_eq!(on.source[0].actions, [Action::Create, Action::Reset]);
    assert_eq!(on.channel.len(), 7);
    assert_eq!(on.target.len(), 7);
}

#[test]
fn the_defaults_that_the_example_shows_are_the_defaults() {
    // Sections whose keys all have defaults: switched on, they change nothing.
    let nothing = parse("akund = 1").unwrap();
    let on = parse(&loadable()).unwrap();
    let debug = |value: &dyn std::fmt::Debug| format!("{value:?}");
    assert_eq!(debug(&on.spool), debug(&nothing.spool));
    assert_eq!(debug(&on.lane), debug(&nothing.lane));
    assert_eq!(debug(&on.http), debug(&nothing.http));
    assert_eq!(debug(&on.control), debug(&nothing.control));
    assert_eq!(debug(&on.procedures), debug(&nothing.procedures));
    assert_eq!(debug(&on.templates), debug(&nothing.templates));
    assert_eq!(on.journal.path, nothing.journal.path);
    assert_eq!(on.log.format, nothing.log.format);
    assert_eq!(on.log.filter.as_deref(), Some(crate::observe::logs::DEFAULT_FILTER));
}

#[test]
fn every_relative_path_is_relative_to_the_files_directory() {
    let keys = [
        "path",
        "key_file",
        "allowed_signers",
        "socket",
        "database",
        "ca_file",
        "password_file",
        "secret_file",
        "dictionary",
    ];
    let mut count = 0;
    let on = loadable();
    let lines = on.lines().map(|line| match line.split_once(" = ") {
        Some((key, value)) if keys.contains(&key) && !value.contains("://") => {
            count += 1;
            format!("{key} = \"rel/{count}\"\n")
        }
        _ => format!("{line}\n"),
    });
    let text: String = lines.collect();
    let debug = format!("{:?}", parse(&text).map_err(|e| e.to_string()).unwrap());
    assert!(count >= 10, "{text}");
    assert!(!debug.contains("\"rel/"), "{debug}");
    assert_eq!(debug.matches("\"/base/rel/").count(), count, "{debug}");
    let bare = parse(&loadable()).unwrap();
    assert!(
        matches!(&bare.channel["email"], ChannelConfig::Smtp(s) if s.password_file == Some("smtp-password".into()))
    );
}
