//! OpenLDAP's own clients: what they see is the final word.

use super::{run, write};
use std::path::Path;
use std::process::{Command, Stdio};

const PACKAGE: &str = "ldap-utils";

/// `ldapwhoami`: whether a name and a password open the directory.
pub fn logs_in(url: &str, dn: &str, password: &str) -> bool {
    let file = tempfile::NamedTempFile::new().unwrap();
    write(file.path(), password);
    let output = run(
        Command::new("ldapwhoami")
            .args(["-x", "-H", url, "-D", dn, "-y"])
            .arg(file.path())
            .env("LDAPTLS_REQCERT", "never"),
        PACKAGE,
    );
    match output.status.code() {
        Some(0) => true,
        Some(49 | 53) => false,
        other => panic!("ldapwhoami ended with {other:?}: {}", String::from_utf8_lossy(&output.stderr)),
    }
}

/// `ldapsearch` under a base: one text per entry, lines sorted, long lines not folded.
pub fn search(url: &str, base: &str, dn: &str, password: &Path, filter: &str, attributes: &[&str]) -> Vec<String> {
    let output = run(
        Command::new("ldapsearch")
            .args(["-x", "-LLL", "-o", "ldif-wrap=no", "-z", "none", "-H", url, "-D", dn, "-y"])
            .arg(password)
            .args(["-b", base, filter])
            .args(attributes)
            .env("LDAPTLS_REQCERT", "never"),
        PACKAGE,
    );
    assert!(output.status.success(), "ldapsearch: {}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut entries: Vec<String> = text
        .split("\n\n")
        .filter(|entry| entry.starts_with("dn:"))
        .map(|entry| {
            let mut lines: Vec<&str> = entry.lines().collect();
            lines[1..].sort_unstable();
            lines.join("\n")
        })
        .collect();
    entries.sort_unstable();
    entries
}

/// `ldapmodify` with LDIF that may also add and delete.
pub fn modify(url: &str, dn: &str, password: &Path, ldif: &str) {
    use std::io::Write;
    let mut child = Command::new("ldapmodify")
        .args(["-x", "-H", url, "-D", dn, "-y"])
        .arg(password)
        .env("LDAPTLS_REQCERT", "never")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|e| panic!("ldapmodify cannot be run ({e}): install {PACKAGE}"));
    child.stdin.take().unwrap().write_all(ldif.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "ldapmodify: {}\n{ldif}", String::from_utf8_lossy(&output.stderr));
}
