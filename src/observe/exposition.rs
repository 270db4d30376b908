//! From OpenMetrics text, which the metrics library writes, to Prometheus's text format 0.0.4, which everything reads.
//!
//! The samples are the same in both. They differ in the metadata: a counter's family is called `x` in OpenMetrics and
//! `x_total` in the older format, units are not known there, and `# EOF` means nothing.

/// The text in format 0.0.4.
pub(super) fn plain(open: &str) -> String {
    let mut text = String::with_capacity(open.len() + 256);
    let mut lines = open.lines().peekable();
    while let Some(line) = lines.next() {
        if line == "# EOF" || line.starts_with("# UNIT ") {
            continue;
        }
        // HELP comes before TYPE, and only TYPE says what it is.
        let is_counter = match line.starts_with("# HELP ") {
            true => lines.peek().is_some_and(|next| is_counter_type(next)),
            false => is_counter_type(line),
        };
        match (is_counter, line.splitn(4, ' ').collect::<Vec<_>>().as_slice()) {
            (true, [hash, word, family, rest]) => text.extend([*hash, " ", word, " ", family, "_total ", rest]),
            _ => text.push_str(line),
        }
        text.push('\n');
    }
    text
}

fn is_counter_type(line: &str) -> bool {
    line.starts_with("# TYPE ") && line.ends_with(" counter")
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use std::collections::{BTreeMap, BTreeSet};

    /// What a scraper would have read.
    #[derive(Debug, Default)]
    pub struct Exposition {
        /// By name and labels as written.
        pub samples: BTreeMap<String, f64>,
        /// Type by family.
        pub types: BTreeMap<String, String>,
    }

    /// Reads either format by its grammar and its rules (OpenMetrics 1.0 or text format 0.0.4), and fails the test at a breach.
    pub fn parse(text: &str, open: bool) -> Exposition {
        let mut found = Exposition::default();
        let (mut current, mut seen_eof, mut families) = (String::new(), false, BTreeSet::new());
        assert!(text.ends_with('\n'), "the last line has no end");
        for line in text.lines() {
            assert!(!seen_eof, "something follows # EOF: {line}");
            if line == "# EOF" {
                assert!(open, "# EOF means nothing in 0.0.4");
                seen_eof = true;
            } else if let Some(rest) = line.strip_prefix("# TYPE ") {
                let (family, kind) = rest.split_once(' ').unwrap();
                let known = ["counter", "gauge", "histogram"];
                assert!(known.contains(&kind), "unknown type: {line}");
                assert_eq!(family.ends_with("_total"), !open && kind == "counter", "{line}");
                found.types.insert(family.to_owned(), kind.to_owned());
                current = family.to_owned();
            } else if let Some(rest) = line.strip_prefix("# HELP ") {
                let (family, help) = rest.split_once(' ').unwrap();
                assert!(families.insert(family.to_owned()), "two families are called {family}");
                assert!(!help.is_empty() && found.samples.keys().all(|s| name_of(s) != family), "{line}");
            } else {
                assert!(!line.starts_with('#'), "unknown metadata: {line}");
                sample(line, &current, &mut found);
            }
        }
        assert_eq!(seen_eof, open, "# EOF");
        histograms_add_up(&found);
        found
    }

    fn name_of(sample: &str) -> &str {
        sample.split('{').next().unwrap()
    }

    fn sample(line: &str, family: &str, found: &mut Exposition) {
        let (key, number) = line.rsplit_once(' ').unwrap_or_else(|| panic!("no value: {line}"));
        let name = name_of(key);
        let good = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        assert!(name.starts_with("akund_") && name.chars().all(good), "bad name: {line}");
        let suffixes: &[&str] = match found.types.get(family).map(String::as_str) {
            Some("counter") => &["_total"],
            Some("gauge") => &[""],
            Some("histogram") => &["_sum", "_count", "_bucket"],
            other => panic!("{other:?} before {line}"),
        };
        let base = family.strip_suffix("_total").unwrap_or(family);
        assert!(suffixes.iter().any(|s| format!("{base}{s}") == name), "{line} does not belong to {family}");
        labels(&key[name.len()..]);
        let value: f64 = number.parse().unwrap_or_else(|_| panic!("not a number: {line}"));
        assert!(found.samples.insert(key.to_owned(), value).is_none(), "twice: {key}");
    }

    /// `{name="value",…}` with `\\`, `\"` and `\n` escaped, each name once.
    fn labels(text: &str) {
        let Some(mut rest) = text.strip_prefix('{') else { return assert!(text.is_empty(), "{text}") };
        let mut names = BTreeSet::new();
        loop {
            let (name, value) = rest.split_once("=\"").unwrap_or_else(|| panic!("no value: {text}"));
            assert!(name.chars().all(|c| c.is_ascii_lowercase() || c == '_') && names.insert(name), "{text}");
            let mut chars = value.char_indices();
            let end = loop {
                match chars.next() {
                    Some((_, '\\')) => assert!(matches!(chars.next(), Some((_, '\\' | '"' | 'n'))), "{text}"),
                    Some((i, '"')) => break i,
                    Some(_) => {}
                    None => panic!("no closing quote: {text}"),
                }
            };
            match &value[end + 1..] {
                "}" => return,
                more => rest = more.strip_prefix(',').unwrap_or_else(|| panic!("{text}")),
            }
        }
    }

    /// Buckets never fall, and the last one holds what the count says.
    fn histograms_add_up(found: &Exposition) {
        for (key, count) in found.samples.iter().filter(|(k, _)| name_of(k).ends_with("_count")) {
            let base = name_of(key).trim_end_matches("_count");
            let own = key[name_of(key).len()..].trim_matches(['{', '}']);
            let mut buckets: Vec<(f64, f64)> = found
                .samples
                .iter()
                .filter(|(k, _)| name_of(k) == format!("{base}_bucket") && k.contains(own))
                .map(|(k, v)| (k.split("le=\"").nth(1).unwrap().split('"').next().unwrap().parse().unwrap(), *v))
                .collect();
            buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
            assert!(buckets.windows(2).all(|w| w[0].1 <= w[1].1), "{key}: {buckets:?}");
            assert_eq!(buckets.last(), Some(&(f64::INFINITY, *count)), "{key}");
        }
    }

    #[test]
    fn counters_get_their_suffix_and_the_rest_stays() {
        let open = "# HELP a_x How many.\n# TYPE a_x counter\n# UNIT a_x seconds\na_x_total{v=\"1 counter\"} 1\n\
                    # HELP a_y How much counter\n# TYPE a_y gauge\na_y 2\n# EOF\n";
        let expected = "# HELP a_x_total How many.\n# TYPE a_x_total counter\na_x_total{v=\"1 counter\"} 1\n\
                        # HELP a_y How much counter\n# TYPE a_y gauge\na_y 2\n";
        assert_eq!(plain(open), expected);
    }
}
