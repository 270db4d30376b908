//! What no file of the tree may say.
#![allow(clippy::unwrap_used)] // clippy.toml's exception does not reach the helper functions of an integration test

use std::fs;
use std::path::{Path, PathBuf};

/// Hosts of package registries: each machine has its own way to them. Put together here, so that this file passes too.
const REGISTRIES: [&str; 8] = [
    concat!("crates", ".io"),
    concat!("pypi", ".org"),
    concat!("python", "hosted.org"),
    concat!("npm", "js.org"),
    concat!("npm", "js.com"),
    concat!("deb.", "debian.org"),
    concat!("security.", "debian.org"),
    concat!("archive.", "ubuntu.com"),
];

/// Directories that exist only where somebody works on akund.
const WORKPLACES: [&str; 2] = [concat!("/wo", "rk/"), concat!("/ro", "ot/")];

#[test]
fn no_file_names_the_host_of_a_package_registry() {
    let found = lines_with(|line| REGISTRIES.iter().any(|host| line.contains(host)));
    assert!(found.is_empty(), "name the package, not the host it comes from:\n{}", found.join("\n"));
}

#[test]
fn no_file_names_a_directory_of_the_machine_it_was_written_on() {
    let found = lines_with(|line| WORKPLACES.iter().any(|directory| begins_a_path(line, directory)));
    assert!(found.is_empty(), "these paths mean nothing elsewhere:\n{}", found.join("\n"));
}

#[test]
fn a_path_below_another_is_not_taken_for_a_workplace() {
    let [directory, _] = WORKPLACES;
    assert!(begins_a_path(&format!("see {directory}x"), directory));
    assert!(begins_a_path(&format!("\"{directory}x\""), directory));
    assert!(!begins_a_path(&format!("/var/lib{directory}x"), directory));
}

/// Whether `directory` occurs in the line as the beginning of an absolute path.
fn begins_a_path(line: &str, directory: &str) -> bool {
    line.match_indices(directory).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        before.is_none_or(|c| !c.is_alphanumeric() && !matches!(c, '_' | '-' | '.' | '}' | '*' | '~'))
    })
}

/// `FILE:LINE: text` of each line of the tree that is so.
fn lines_with(is_so: impl Fn(&str) -> bool) -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    for file in files(root) {
        let bytes = fs::read(&file).unwrap();
        let name = file.strip_prefix(root).unwrap().display().to_string();
        for (number, line) in String::from_utf8_lossy(&bytes).lines().enumerate() {
            if is_so(line) {
                found.push(format!("{name}:{}: {}", number + 1, line.trim()));
            }
        }
    }
    found
}

/// The files that belong to the tree: not the build's (marked with CACHEDIR.TAG), the demo's, git's, nor the lock
/// file, in which cargo itself writes where each crate comes from.
fn files(root: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut directories = vec![root.to_path_buf()];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(&directory).unwrap() {
            let entry = entry.unwrap();
            let (path, kind) = (entry.path(), entry.file_type().unwrap());
            let skipped = [".git", "akund-demo", "Cargo.lock"].iter().any(|name| entry.file_name() == *name);
            if skipped || path.join("CACHEDIR.TAG").exists() {
                continue;
            }
            if kind.is_dir() {
                directories.push(path);
            } else if kind.is_file() {
                files.push(path);
            }
        }
    }
    assert!(files.iter().any(|file| file.ends_with("src/lib.rs")), "{} is not akund's tree", root.display());
    files
}
