//! OpenSSH's pattern lists (ssh_config(5), PATTERNS): `*`, `?`, comma-separated, `!` negates.

/// Whether one of `names` matches a pattern of the list and none matches a negated one.
pub(super) fn list_allows(list: &str, names: &[&str]) -> bool {
    let mut allowed = false;
    for entry in list.split(',') {
        let (negated, pattern) = entry.strip_prefix('!').map_or((false, entry), |p| (true, p));
        if names.iter().any(|name| matches(pattern, name)) {
            if negated {
                return false;
            }
            allowed = true;
        }
    }
    allowed
}

/// Whole match; letters' case counts. Linear in `pattern × name`, whatever the number of `*`.
fn matches(pattern: &str, name: &str) -> bool {
    let (pattern, name) = (pattern.as_bytes(), name.as_bytes());
    let (mut p, mut n) = (0, 0);
    // Where to go on after a mismatch: behind the last `*`, which then swallows one byte more.
    let mut star: Option<(usize, usize)> = None;
    while n < name.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p + 1, n));
                p += 1;
            }
            Some(&c) if c == b'?' || c == name[n] => {
                p += 1;
                n += 1;
            }
            _ => match star {
                Some((after, from)) => {
                    star = Some((after, from + 1));
                    p = after;
                    n = from + 1;
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|&c| c == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn patterns_match_as_in_openssh() {
        for (pattern, name, expected) in [
            ("a", "a", true),
            ("a", "ab", false),
            ("a*", "ab", true),
            ("*b", "aab", true),
            ("*b*", "abc", true),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("*", "", true),
            ("", "", true),
            ("", "a", false),
            ("**a", "ba", true),
            ("*aab", "aaab", true),
        ] {
            assert_eq!(matches(pattern, name), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn a_negated_match_wins_wherever_it_stands() {
        assert!(!list_allows("!a,*", &["a"]));
        assert!(!list_allows("*,!a", &["a"]));
        assert!(list_allows("*,!a", &["b"]));
        assert!(!list_allows("!a", &["b"]));
    }

    /// The obvious definition, exponential.
    fn reference(pattern: &[u8], name: &[u8]) -> bool {
        match (pattern.split_first(), name.split_first()) {
            (None, None) => true,
            (Some((b'*', rest)), _) => reference(rest, name) || (!name.is_empty() && reference(pattern, &name[1..])),
            (Some((&c, rest)), Some((&d, tail))) => (c == b'?' || c == d) && reference(rest, tail),
            _ => false,
        }
    }

    proptest! {
        #[test]
        fn matching_agrees_with_the_definition(pattern in "[ab?*]{0,8}", name in "[ab]{0,8}") {
            prop_assert_eq!(matches(&pattern, &name), reference(pattern.as_bytes(), name.as_bytes()));
        }
    }
}
