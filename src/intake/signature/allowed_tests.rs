//! What the allowed-signers parser takes and what it says of the rest.

use super::*;
use proptest::prelude::*;

const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJbVTOSUCqALbuCLg/8nKAi4N0tQmBJnGLHLnJSLB/kD";

fn utc(text: &str) -> Result<AllowedSigners, Vec<String>> {
    AllowedSigners::parse_in("signers", text, &TimeZone::UTC)
}

fn one(text: &str) -> Signer {
    utc(text).unwrap().signers.into_iter().next().unwrap()
}

fn error(text: &str) -> String {
    let errors = utc(text).unwrap_err();
    assert_eq!(errors.len(), 1, "{errors:?}");
    errors.into_iter().next().unwrap()
}

#[test]
fn comments_blank_lines_blanks_and_line_ends_do_not_matter() {
    let parsed = utc(&format!("\u{feff}# head of unit\r\n\r\n   \n  head \t {KEY}   Budi Someone\r\n")).unwrap();
    assert_eq!(parsed.signers.len(), 1);
    assert_eq!((parsed.signers[0].line, parsed.signers[0].principals.as_str()), (4, "head"));
}

#[test]
fn options_are_read_in_any_order_and_case() {
    let signer = one(&format!(
        r#"head,deputy Valid-Before="20300101",NAMESPACES="akund-request,git",valid-after="202001021530Z" {KEY}"#
    ));
    assert_eq!(signer.options.namespaces.as_deref(), Some("akund-request,git"));
    assert_eq!(signer.options.valid_after, Some("2020-01-02T15:30:00Z".parse().unwrap()));
    assert_eq!(signer.options.valid_before, Some("2030-01-01T00:00:00Z".parse().unwrap()));
}

#[test]
fn times_without_z_are_local() {
    let zone = TimeZone::fixed(jiff::tz::offset(7));
    let text = format!(r#"head valid-after="20260101080000" {KEY}"#);
    let parsed = AllowedSigners::parse_in("f", &text, &zone).unwrap();
    assert_eq!(parsed.signers[0].options.valid_after, Some("2026-01-01T01:00:00Z".parse().unwrap()));
}

#[test]
fn quoted_principals_may_hold_blanks() {
    assert_eq!(one(&format!(r#""head of unit,deputy" {KEY}"#)).principals, "head of unit,deputy");
}

#[test]
fn each_bad_line_is_named_and_explained() {
    for (text, expected) in [
        ("head".to_owned(), "signers: line 1: after the principals `head` a key is expected"),
        ("head ".to_owned(), "after the principals `head` a key is expected"),
        ("head ssh-ed25519".to_owned(), "a key is expected: its type and its base64"),
        ("head ssh-ed25519 AAAA".to_owned(), "the key of type `ssh-ed25519` cannot be read"),
        (format!("head cert-authority {KEY}"), "certificate authorities are not supported"),
        (format!(r#"head namespaces="a",cert-authority {KEY}"#), "certificate authorities are not supported"),
        (format!(r#"head color="red" {KEY}"#), "unknown option `color`"),
        (format!(r#"head namespaces="a {KEY}"#), "no closing quote"),
        (format!("head namespaces=a {KEY}"), "must stand in double quotes"),
        (format!(r#"head namespaces="a",namespaces="b" {KEY}"#), "is given twice"),
        (format!(r#"head valid-after="2026" {KEY}"#), "expected YYYYMMDD[HHMM[SS]][Z]"),
        (format!(r#"head valid-after="20261301" {KEY}"#), "expected YYYYMMDD[HHMM[SS]][Z]"),
        (format!(r#"head valid-after="２０２６" {KEY}"#), "expected YYYYMMDD[HHMM[SS]][Z]"),
        (format!(r#"head valid-after="20260102",valid-before="20260101" {KEY}"#), "not later than valid-after"),
        (format!("head,,deputy {KEY}"), "empty pattern"),
        (format!("! {KEY}"), "empty pattern"),
        (format!(r#""head {KEY}"#), "no closing quote"),
        ("head ssh-ed25519-cert-v01@openssh.com AAAA".to_owned(), "certificates are not supported"),
    ] {
        let error = error(&text);
        assert!(error.contains(expected), "{text}\n gave {error}\n not {expected}");
    }
}

#[test]
fn all_bad_lines_are_reported_at_once() {
    let errors = utc(&format!("a\nhead {KEY}\nb\n")).unwrap_err();
    assert_eq!(errors.len(), 2);
    assert!(errors[1].starts_with("signers: line 3: "), "{errors:?}");
}

#[test]
fn both_ends_belong_to_the_validity() {
    let signer = one(&format!(r#"head valid-after="20260101Z",valid-before="20270101Z" {KEY}"#));
    for (at, good) in [
        ("2025-12-31T23:59:59Z", false),
        ("2026-01-01T00:00:00Z", true),
        ("2027-01-01T00:00:00Z", true),
        ("2027-01-01T00:00:01Z", false),
    ] {
        assert_eq!(signer.options.refusal("akund-request", at.parse().unwrap()).is_none(), good, "{at}");
    }
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in any::<String>()) {
        let _ = utc(&text);
    }

    #[test]
    fn no_line_makes_it_panic(line in r#"[a-z"\\,=! ]{0,12}(namespaces|valid-after|cert-authority)?[="\\0-9Z, é]{0,16}( ssh-ed25519 AAAA)?"#) {
        let _ = utc(&line);
    }
}
