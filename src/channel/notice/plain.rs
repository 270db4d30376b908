//! What applicants wrote, made fit to be shown to others: short, on one line, and nothing that a mail program would turn into a link.

/// `text` on one line of at most `limit` characters, without invisible characters and without anything link-like.
///
/// A dot, colon or slash that could join a host name, an address scheme or a path is set apart with a space, so that `S.Kom`
/// becomes `S. Kom`: still readable, and no link.
pub fn plain(text: &str, limit: usize) -> String {
    finish(&apart(text), limit)
}

/// Like [`plain`], but each of `keep` (addresses and names that a verdict granted or proposed) stays as it is where it
/// stands alone.
pub fn plain_keeping(text: &str, limit: usize, keep: &[&str]) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    let mut before = None;
    while let Some((start, kept)) = first_kept(rest, before, keep) {
        let (head, tail) = rest.split_at(start);
        out.push_str(&apart(head));
        out.push_str(kept);
        before = kept.chars().next_back();
        rest = tail.get(kept.len()..).unwrap_or_default();
    }
    out.push_str(&apart(rest));
    finish(&out, limit)
}

/// The first of `keep` in `text` that stands alone: where, and which.
fn first_kept<'k>(text: &str, before: Option<char>, keep: &[&'k str]) -> Option<(usize, &'k str)> {
    let found = keep.iter().filter(|k| !k.is_empty()).flat_map(|kept| {
        text.match_indices(kept).filter_map(|(start, _)| {
            let (head, tail) = (text.get(..start)?, text.get(start + kept.len()..)?);
            let alone = outside(head.chars().next_back().or(before)) && ends(tail);
            alone.then_some((start, *kept))
        })
    });
    found.min_by_key(|(start, kept)| (*start, usize::MAX - kept.len()))
}

fn outside(c: Option<char>) -> bool {
    c.is_none_or(|c| c.is_whitespace() || "()\"'“”‘’,;<>".contains(c))
}

/// A name may end a sentence, so one dot, comma or the like may follow it before the space.
fn ends(tail: &str) -> bool {
    let mut after = tail.chars();
    match after.next() {
        Some('.' | ':' | '!' | '?') => outside(after.next()),
        other => outside(other),
    }
}

/// Sets apart what could make a link.
fn apart(text: &str) -> String {
    let one_line = |c: char| if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}') { ' ' } else { dot(c) };
    let visible: Vec<char> = text.chars().filter(|c| !invisible(*c)).map(one_line).collect();
    let mut out = String::with_capacity(text.len() + 8);
    let (mut previous, mut at) = (' ', 0);
    // A run of numbers and dots is looked at whole: `427.53/4/2.04` is a letter's number, `10.0.0.1` an address.
    for run in visible.chunk_by(|a, b| in_numbers(*a) == in_numbers(*b)) {
        let four = run.split(|c| *c == '.').filter(|number| !number.is_empty()).count() >= 4;
        for c in run.iter().copied() {
            at += 1;
            out.push(c);
            if visible.get(at).is_some_and(|next| joins(previous, c, *next, four)) {
                out.push(' ');
            }
            previous = c;
        }
    }
    out
}

fn in_numbers(c: char) -> bool {
    c == '.' || c.is_numeric()
}

/// Whether `c`, between `previous` and `next`, could join parts of a link; `four`: in a run of four numbers or more.
fn joins(previous: char, c: char, next: char, four: bool) -> bool {
    match c {
        // A top-level domain begins with a letter; four numbers are an address.
        '.' => !previous.is_whitespace() && (next.is_alphabetic() || (four && next.is_numeric())),
        // `mailto:x`, `https://`, `C:\`; but not 10:30.
        ':' => previous.is_alphanumeric() && !next.is_whitespace() && !next.is_numeric(),
        '/' => next == '/' || next == '\\',
        '\\' => next == '\\' || next == '/',
        _ => false,
    }
}

/// The full stops that IDNA (RFC 3490 §3.1) takes for a dot.
fn dot(c: char) -> char {
    if matches!(c, '\u{3002}' | '\u{ff0e}' | '\u{ff61}' | '\u{2024}' | '\u{fe52}') { '.' } else { c }
}

/// Zero-width and direction-changing characters, by which a text can look different from what it is.
fn invisible(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{e0000}'..='\u{e0fff}')
}

fn finish(text: &str, limit: usize) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(limit) {
        Some((end, _)) => format!("{}…", line.get(..end).unwrap_or_default().trim_end()),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What mail programs look for when they turn text into links, written down independently of the code above.
    pub(crate) fn link_like(text: &str) -> bool {
        let lower = text.to_lowercase();
        let chars: Vec<char> = lower.chars().collect();
        let domain = chars.windows(3).any(|w| w[1] == '.' && !w[0].is_whitespace() && w[2].is_alphabetic());
        let numbers = |w: &str| w.split('.').filter(|n| !n.is_empty()).count() >= 4 && !w.contains("..");
        let mut runs = lower.split(|c: char| !c.is_numeric() && c != '.');
        let quad = runs.any(numbers);
        let scheme = ["http:/", "https:/", "mailto:a", "javascript:a", "data:t", "://", "\\\\"]
            .iter()
            .any(|s| lower.contains(s));
        domain || quad || scheme
    }

    #[test]
    fn links_become_words_and_names_stay_readable() {
        for (text, shown) in [
            ("Siti Aminah, S.Kom., M.Si", "Siti Aminah, S. Kom., M. Si"),
            ("see https://evil.example/login?x=1", "see https: / /evil. example/login?x=1"),
            ("www.evil.com", "www. evil. com"),
            ("evil．com and evil。com", "evil. com and evil. com"),
            ("mailto:a@evil.com", "mailto: a@evil. com"),
            ("ev\u{200b}il.\u{2060}com", "evil. com"),
            ("10.0.0.1", "10. 0. 0. 1"),
            ("ke 10.0.0.1.", "ke 10. 0. 0. 1."),
            ("045/77/427.61/2026", "045/77/427.61/2026"),
            ("427.53/4/2.04/2021", "427.53/4/2.04/2021"),
            ("a\r\nb\u{0}c\u{2028}d", "a b c d"),
            ("B-12/Un.03/2026, pukul 10:30", "B-12/Un.03/2026, pukul 10:30"),
            ("\\\\server\\share", "\\ \\server\\share"),
        ] {
            assert_eq!(plain(text, 200), shown);
        }
    }

    #[test]
    fn what_is_long_is_cut() {
        let cut = plain(&"é".repeat(1000), 200);
        assert_eq!(cut.chars().count(), 201);
        assert!(cut.ends_with('…'));
    }

    #[test]
    fn granted_names_stay_whole_only_where_they_stand_alone() {
        let keep = ["humas@uin.ac.id", "budi.santoso"];
        for (text, shown) in [
            ("Alamat humas@uin.ac.id sudah dipakai.", "Alamat humas@uin.ac.id sudah dipakai."),
            ("Gunakan \"budi.santoso\" atau humas@uin.ac.id.", "Gunakan \"budi.santoso\" atau humas@uin.ac.id."),
            ("http://humas@uin.ac.id/x", "http: / /humas@uin. ac. id/x"),
            ("humas@uin.ac.id.evil.com", "humas@uin. ac. id. evil. com"),
            ("xhumas@uin.ac.id", "xhumas@uin. ac. id"),
            ("budi.santoso budi.santoso", "budi.santoso budi.santoso"),
        ] {
            assert_eq!(plain_keeping(text, 200, &keep), shown);
        }
    }

    proptest! {
        #[test]
        fn nothing_link_like_is_left(text in any::<String>()) {
            let shown = plain(&text, 200);
            prop_assert!(!link_like(&shown), "{shown:?}");
        }
        #[test]
        fn nothing_link_like_is_left_of_texts_made_of_link_parts(
            parts in prop::collection::vec(prop::sample::select(vec![
                "http", "https", "://", "www", ".", "..", "。", "evil", "com", "/", "\\", ":", "@", "mailto", "1", "10", " ", "\u{200b}", "é", "-", "\n"
            ]), 0..20)
        ) {
            let text = parts.concat();
            let shown = plain(&text, 200);
            prop_assert!(!link_like(&shown), "{text:?} → {shown:?}");
            prop_assert!(shown.chars().count() <= 201 && !shown.chars().any(char::is_control));
            // Showing it again changes nothing more.
            prop_assert_eq!(plain(&shown, 300), shown);
        }
    }
}
