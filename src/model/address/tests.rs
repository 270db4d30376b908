use super::*;
use proptest::prelude::*;

#[test]
fn addresses_are_normalised() {
    for (text, wanted) in [
        ("humas@uin-malang.ac.id", "humas@uin-malang.ac.id"),
        ("  Humas.UIN@Uin-Malang.AC.ID ", "humas.uin@uin-malang.ac.id"),
        ("o'brien+sk_1=x-y@example.org", "o'brien+sk_1=x-y@example.org"),
        ("_x@example.org", "_x@example.org"),
        ("a@münchen.example", "a@xn--mnchen-3ya.example"),
        ("a@MU\u{308}NCHEN.example", "a@xn--mnchen-3ya.example"),
        ("a@xn--mnchen-3ya.example", "a@xn--mnchen-3ya.example"),
        ("a@例え.テスト", "a@xn--r8jz45g.xn--zckzah"),
        ("a@почта.рф", "a@xn--80a1acny.xn--p1ai"),
        ("a@ｅｘａｍｐｌｅ.org", "a@example.org"),
        ("1@4.example", "1@4.example"),
    ] {
        assert_eq!(Address::read(text).map(|a| a.0), Ok(wanted.to_owned()), "{text}");
    }
}

#[test]
fn what_is_no_address_is_refused_with_the_reason() {
    let long_local = format!("{}@example.org", "a".repeat(65));
    let long_label = format!("a@{}.org", "b".repeat(64));
    let long_total = format!("{}@{}example.org", "a".repeat(64), "b23456789.".repeat(20));
    let endless = "a".repeat(100_000);
    for (text, said) in [
        ("", "an address like name@example.org"),
        ("humas", "an address like name@example.org"),
        ("@example.org", "something before the @"),
        ("a@b@example.org", "one @ only"),
        ("\"a b\"@example.org", "character 1 is \"\"\""),
        ("a b@example.org", "character 2 is a space"),
        ("a%b@example.org", "character 2 is \"%\""),
        ("a!b@example.org", "character 2 is \"!\""),
        ("../a@example.org", "character 3 is \"/\""),
        ("a|b@example.org", "character 2 is \"|\""),
        ("a,b@example.org", "character 2 is \",\""),
        (".a@example.org", "no dot at the beginning"),
        ("a.@example.org", "no dot at the beginning"),
        ("a..b@example.org", "no two dots in a row"),
        ("-a@example.org", "begins with a letter, a digit or _"),
        (&long_local, "at most 64 characters before the @ (this has 65)"),
        (&long_label, "at most 63 characters between dots (one has 64)"),
        (&long_total, "at most 254 characters"),
        (&endless, "an address like"),
        ("hum\u{430}s@example.org", "character 4 is \"а\" (U+0430, Cyrillic), which looks like \"a\""),
        ("jos\u{e9}@example.org", "character 4 is \"é\" (U+00E9, Latin), which looks like \"e\""),
        ("漢@example.org", "character 1 is \"漢\" (U+6F22, Han)"),
        ("a\u{200b}b@example.org", "character 2 is U+200B, an invisible character"),
        ("a\u{200d}b@example.org", "character 2 is U+200D, an invisible character"),
        ("a\u{202e}b@example.org", "turns the direction of text"),
        ("a@exa\u{ad}mple.org", "an invisible character"),
        ("a@exam\0ple.org", "the NUL character"),
        ("a@example.org\r\nBcc: b@example.org", "a line break"),
        ("a@localhost", "a full domain name"),
        ("a@", "a domain name"),
        ("a@example..org", "something between its dots"),
        ("a@example.org.", "without a dot at the end"),
        ("a@-example.org", "without a hyphen at either end"),
        ("a@exam_ple.org", "character 5 is \"_\""),
        ("a@[192.0.2.1]", "not an IP address"),
        ("a@192.0.2.1", "not an IP address"),
        ("a@2001:db8::1", "not an IP address"),
        ("a@10.1", "not an IP address"),
        ("a@xn--a.org", "internationalised names"),
    ] {
        let error = Address::read(text).unwrap_err();
        assert!(error.expected.contains(said), "{text}: {error}");
        assert!(error.found.chars().count() < 70, "{error}");
    }
}

#[test]
fn domains_that_look_like_others_are_refused() {
    for (text, said) in [
        ("p\u{430}ypal.example", "mixes scripts: its character 2 is \"а\" (U+0430, Cyrillic), which looks like \"a\""),
        ("\u{440}\u{430}\u{443}\u{440}\u{430}.example", "looks like \"paypa\""),
        ("xn--80ak6aa92e.com", "looks like \"app"),
        ("\u{131}spa.example", "looks like \"ispa\""),
        ("☕.example", "everyday use"),
    ] {
        let error = Domain::read(text).unwrap_err();
        assert!(error.expected.contains(said), "{text}: {error}");
    }
}

#[test]
fn user_names_are_lower_case_ascii_words() {
    for (text, wanted) in [("Humas", "humas"), (" 198501 ", "198501"), ("a.b-c_d", "a.b-c_d")] {
        assert_eq!(Username::read(text).map(|u| u.0), Ok(wanted.to_owned()));
    }
    for (text, said) in [
        ("", "a user name"),
        (".a", "begins with a letter or digit"),
        ("a/b", "character 2 is \"/\""),
        ("a@b", "character 2 is \"@\""),
        ("hum\u{430}s", "which looks like \"a\""),
        ("a b", "a space"),
        (&"a".repeat(65), "at most 64 characters (this has 65)"),
    ] {
        let error = Username::read(text).unwrap_err();
        assert!(error.expected.contains(said), "{text}: {error}");
    }
}

#[test]
fn the_journal_cannot_bring_bad_values_back() {
    assert!(serde_json::from_str::<Address>("\"a b@example.org\"").is_err());
    assert!(serde_json::from_str::<Domain>("\"localhost\"").is_err());
    assert!(serde_json::from_str::<Username>("\"../x\"").is_err());
    assert!(serde_json::from_str::<Address>("5").is_err());
    assert_eq!("x".parse::<Domain>().unwrap_err(), "found \"x\", expected a full domain name like example.org");
}

proptest! {
    #[test]
    fn reading_never_panics_and_a_value_read_stays_as_it_is(
        text in "\\PC{0,12}@?\\PC{0,20}",
        near in "[a-zA-Z0-9.+'_-]{1,12}@[a-zäаο-]{1,8}\\.[a-z0-9-]{1,4}",
    ) {
        for t in [text, near] {
            if let Ok(a) = Address::read(&t) {
                prop_assert!(a.as_str().is_ascii() && a.as_str().len() <= 254);
                prop_assert_eq!(Address::read(a.as_str()).unwrap(), a.clone());
                let back: Address = serde_json::from_str(&serde_json::to_string(&a).unwrap()).unwrap();
                prop_assert_eq!(back, a.clone());
                prop_assert!(Domain::read(a.domain()).is_ok());
            }
            if let Ok(u) = Username::read(&t) {
                prop_assert_eq!(Username::read(u.as_str()).unwrap(), u);
            }
        }
    }

    #[test]
    fn a_plain_domain_is_its_own_normal_form(
        text in "[a-z0-9.-]{0,20}",
        near in "(xn--)?[a-z0-9-]{1,64}(\\.[a-z0-9-]{0,3}){1,3}",
        long in proptest::collection::vec("[a-z0-9]{50,64}", 2..6),
    ) {
        for t in [text, near, long.join(".")] {
            if is_plain(&t) {
                prop_assert_eq!(normalised(&t), Ok(t));
            }
        }
    }
}
