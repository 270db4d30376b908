//! "Did you mean …?"

/// The candidate nearest to `word`, if it is near enough to be what was meant: one slip for each three characters.
pub(super) fn nearest<'c>(word: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    let word: Vec<char> = word.to_lowercase().chars().take(41).collect();
    let most = (word.len() / 3).max(1);
    if word.len() > 40 {
        return None;
    }
    candidates
        .into_iter()
        .map(|c| (distance(&word, c), c))
        .filter(|(d, c)| *d <= most && *d < c.chars().count())
        .min_by_key(|(d, _)| *d)
        .map(|(_, c)| c)
}

/// Edits between two words, where two letters that changed places are one edit (optimal string alignment).
fn distance(a: &[char], b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut before = vec![0; b.len() + 1];
    let mut above: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut row = vec![i + 1; b.len() + 1];
        for (j, y) in b.iter().enumerate() {
            row[j + 1] = (above[j] + usize::from(x != y)).min(above[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && *x == b[j - 1] && a[i - 1] == *y {
                row[j + 1] = row[j + 1].min(before[j - 1] + 1);
            }
        }
        before = std::mem::replace(&mut above, row);
    }
    above[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_suggested_and_a_far_one_is_not() {
        let names = ["name", "given_name", "email", "phone", "category", "id"];
        for (word, wanted) in [
            ("nmae", Some("name")),
            ("e-mail", Some("email")),
            ("Phone", Some("phone")),
            ("catgory", Some("category")),
            ("given name", Some("given_name")),
            ("x", None),
            ("address", None),
            (&"e".repeat(1000), None),
        ] {
            assert_eq!(nearest(word, names), wanted, "{word}");
        }
    }
}
