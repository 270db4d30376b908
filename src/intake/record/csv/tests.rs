use super::*;
use proptest::prelude::*;

#[test]
fn the_separator_is_the_one_that_the_header_has_most_of() {
    for (head, wanted) in [
        ("id,procedure\na;b;c;d", b','),
        ("id;procedure;\"a,b,c,d\"", b';'),
        ("\r\nid\tprocedure", b'\t'),
        ("id", b','),
        ("", b','),
        ("sep=;\r\nid,a,b;procedure", b';'),
        ("\"Sep=\t\"\nid", b'\t'),
        ("sep=x\nid;procedure", b','),
        ("separator;x\nid,procedure", b';'),
        ("sep=;\n", b';'),
    ] {
        assert_eq!(delimiter(head), wanted, "{head:?}");
    }
}

#[test]
fn an_apostrophe_before_a_formula_is_the_spreadsheets_and_goes_away_again() {
    for cell in ["=1+1", "+6281", "-x", "@a", "plain", "'quoted'", ""] {
        assert_eq!(unmarked(&defused(cell)), cell);
    }
}

proptest! {
    #[test]
    fn cells_are_located_where_the_reader_reads_them(row in "[a\",; é\n]{0,24}") {
        let row = row.trim_matches('\n');
        let mut reader = ReaderBuilder::new().has_headers(false).flexible(true).delimiter(b';').from_reader(row.as_bytes());
        let first = reader.records().next().and_then(Result::ok);
        let (cells, unclosed) = cells_of(row, b';');
        // The scanner is given whole rows only: where the reader sees several, there is nothing to compare.
        if let Some(first) = first && reader.is_done() {
            prop_assert_eq!(first.len(), cells.len());
            for (at, (text, span)) in first.iter().zip(&cells).enumerate() {
                let raw = &row[span.clone()];
                let last_open = unclosed && at + 1 == cells.len();
                let plain = match raw.strip_prefix('"') {
                    Some(rest) if last_open => rest.replace("\"\"", "\""),
                    Some(rest) if rest.ends_with('"') && !rest.replace("\"\"", "").trim_end_matches('"').contains('"') =>
                        rest[..rest.len() - 1].replace("\"\"", "\""),
                    Some(_) => continue,
                    None => raw.to_owned(),
                };
                prop_assert_eq!(text, plain);
            }
        }
    }
}

#[test]
fn a_first_line_that_tells_excel_the_separator_is_no_header_and_lines_are_still_those_of_the_file() {
    for line in ["sep=;\r\n", "\"sep=;\"\n", "\u{feff}sep=;\r\n"] {
        let text = format!("{line}id;procedure;applicant.name;applicant.category\r\nA-1;p;Budi;staff\r\nA-2;p\r\n");
        let parsed = crate::intake::record::parse("x.csv", text.as_bytes()).unwrap();
        assert_eq!((parsed.count(), parsed.line(0), parsed.line(1)), (2, 3, 4), "{line:?}");
    }
}
