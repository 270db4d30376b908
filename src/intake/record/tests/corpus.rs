//! Bad files, each with the report that it must give.

use super::properties::as_csv;
use super::*;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

const HEAD: &str = "id,procedure,applicant.name,applicant.category,applicant.phone,applicant.email\n";

fn csv(rows: &str) -> String {
    format!("{HEAD}{rows}")
}

#[test]
fn a_file_that_cannot_be_read_at_all_says_why() {
    let utf16 = |text: &str| -> Vec<u8> {
        [0xFEFF].into_iter().chain(text.encode_utf16()).flat_map(u16::to_le_bytes).collect()
    };
    let deep_json = format!("{{\"akund\":{}", "[".repeat(1_000_000));
    let deep_toml = format!("akund = {}", "[".repeat(1_000_000));
    let deep_inline = format!("akund = {}", "{a=".repeat(100_000));
    let deep_key = format!("{}x = 1", "a.".repeat(100_000));
    let deep_header = format!("[{}x]", "a.".repeat(100_000));
    let wide = ",".repeat(2000);
    let cases: Vec<(&str, &[u8], &str)> = vec![
        ("x", b"", "found the extension none, expected a file name that ends in .toml, .json, .jsonl or .csv"),
        ("x.xlsx", b"PK\x03\x04", "found the extension \".xlsx\", expected a file name"),
        (
            "x.csv",
            b"PK\x03\x04rest",
            "found a spreadsheet workbook, expected text: save the spreadsheet as \"CSV UTF-8\"",
        ),
        ("x.csv", b"\xD0\xCF\x11\xE0\xA1", "found a spreadsheet workbook"),
        ("x.toml", b"", "found an empty file, expected at least one record"),
        ("x.json", b"\xEF\xBB\xBF \r\n", "found an empty file"),
        ("x.jsonl", b"\n\n", "found an empty file"),
        ("x.csv", b",,,\n,,\n", "found an empty file, expected a header and at least one record below it"),
        ("x.csv", HEAD.as_bytes(), "found a header without rows, expected at least one record below the header"),
        ("x.toml", b"akund = 1\nid = \"Ren\xE9\"", "line 2, column 10: found byte 0xE9 (\"é\" in Windows-1252)"),
        ("x.json", b"{\"id\":\"\xC3\"}", "line 1, column 8: found byte 0xC3"),
        ("x.csv", b"id,Ren\xE9,procedure\n1,2,3", "line 1, column 2: found byte 0xE9"),
        ("x.toml", b"\x7FELF\x02\x01\x01\0\0\0", "valid TOML"),
        ("x.json", b"\x7FELF\x02\x01\x01\0\0\0", "expected a value"),
        ("x.csv", b"\x7FELF\x02\x01\x01\0\0\0", "column 1: found the column \"\\u{7f}ELF"),
        ("x.toml", b"akund = 1\nid = \"1", "line 2, column 8: found the end of the file, expected valid TOML"),
        ("x.toml", b"id = \"1\"\nid = \"2\"", "line 2, column 1: found \"id\", expected valid TOML (duplicate key)"),
        ("x.toml", b"[applicant]\n[applicant]", "expected valid TOML (duplicate key)"),
        ("x.toml", deep_toml.as_bytes(), "recurs"),
        ("x.toml", deep_inline.as_bytes(), "recurs"),
        ("x.toml", deep_key.as_bytes(), "recurs"),
        ("x.toml", deep_header.as_bytes(), "recurs"),
        (
            "x.json",
            deep_json.as_bytes(),
            "line 1, column 73: found deeper nesting, expected at most 64 objects or arrays inside one another",
        ),
        (
            "x.json",
            b"[{}, {}]",
            "line 1, column 1: found a list, expected one record; many records go into a .jsonl file, one a line",
        ),
        (
            "x.json",
            b"{\"akund\":1}\n{\"akund\":1}",
            "line 2, column 1: found \"{\", expected the end of the record (many records go into a .jsonl file, one a line)",
        ),
        ("x.json", b"{\"akund\":1,\n\"id\":\"a", "line 2, column 6: found"),
        ("x.csv", wide.as_bytes(), "found an empty file"),
    ];
    for (name, bytes, expected) in cases {
        let problems = parse(name, bytes, &no_rules).expect_err(name);
        let said: Vec<String> = problems.iter().map(ToString::to_string).collect();
        assert!(said.iter().any(|line| line.contains(expected)), "{name} {expected}: {said:?}");
        assert!(problems.to_string().len() < 20_000);
    }
    let odd = utf16("{\"akund\":1}").split_last().map(|(_, rest)| rest.to_vec()).unwrap();
    assert!(said("x.json", odd).contains("found half of a UTF-16 character"));
}

#[test]
fn a_document_shows_all_its_problems_under_its_own_text() {
    let text = "akund = 1\nid = \"1\"\nprocedure = \"p\"\n\n[applicant]\nnama = \"Budi\"\ncategory = \"staff\"\nemail = \"bud\u{456}@example.org\"\n\n[account]\nexpires = \"30/06/2027\"\n";
    let parsed = parse("permohonan.toml", text.as_bytes(), &no_rules).unwrap();
    let report = parsed.rows[0].record.as_ref().unwrap_err();
    insta::assert_snapshot!(report, @r##"
 × permohonan.toml: 4 problems
   ╭─[permohonan.toml:5:1]
 4 │ 
 5 │ [applicant]
   · ─────┬─────
   ·      ╰── line 5, column 1: applicant.name: found nothing, expected the applicant's name
 6 │ nama = "Budi"
   · ──┬─
   ·   ╰── line 6, column 1: applicant.nama: found the key "nama", expected a field of [applicant] (did you mean "name"?)
 7 │ category = "staff"
 8 │ email = "budі@example.org"
   ·         ─────────┬────────
   ·                  ╰── line 8, column 9: applicant.email: found "budі@example.org", expected only the letters a to z, digits and . _ + - ' = before the @; character 4 is "і" (U+0456, Cyrillic), which looks like "i"
 9 │ 
10 │ [account]
11 │ expires = "30/06/2027"
   ·           ──────┬─────
   ·                 ╰── line 11, column 11: account.expires: found "30/06/2027", expected a date as year-month-day, such as 2026-06-30 (here: 2027-06-30)
   ╰────
"##);
    assert!(parsed.bad_rows_file().is_none());
}

#[test]
fn a_row_shows_each_problem_with_its_own_piece_of_text() {
    let text = csv("1,p,Budi,staff,6.28123E+12,budi@example.org\n2,p,,staff,081234567890,\n");
    let parsed = parse("massal.csv", text.as_bytes(), &no_rules).unwrap();
    insta::assert_snapshot!(parsed.rows[0].record.as_ref().unwrap_err(), @r##"
  × massal.csv, line 2: 1 problem

Error: 
  × applicant.phone: found "6.28123E+12", expected a phone number with all its digits; the spreadsheet has
  │ rounded it: format the column as text and type it again
   ╭─[massal.csv, line 2, column 5]
 2 │ 1,p,Budi,staff,6.28123E+12,budi@example.org
   ·                ─────┬─────
   ·                     ╰── applicant.phone
   ╰────
"##);
    insta::assert_snapshot!(parsed.rows[1].record.as_ref().unwrap_err(), @r##"
  × massal.csv, line 3: 1 problem

Error: 
  × applicant.name: found an empty cell, expected the applicant's name
   ╭─[massal.csv, line 3, column 3]
 3 │ 2,p,,staff,081234567890,
   ·     ▲
   ·     ╰── applicant.name
   ╰────
"##);
}

#[test]
fn a_header_is_refused_once_for_all_rows() {
    let said =
        said("x.csv", "id;procedur;applicant name;applicant.category;approval.2.role;id;foo;phone\n1;2;3;4;5;6;7;8\n");
    insta::assert_snapshot!(said, @r##"
line 1, column 2: found the column "procedur", expected a field of the record (did you mean "procedure"?)
line 1, column 3: found the column "applicant name", expected a field of the record (did you mean "applicant.name"?)
line 1, column 6: found the column "id", expected each column once
line 1, column 7: found the column "foo", expected a field of the record, such as applicant.name or approval.1.role
line 1, column 8: found the column "phone", expected a field of the record (did you mean "applicant.phone"?)
line 1, column 9: procedure: found no such column, expected a column of this name
line 1, column 9: applicant.name: found no such column, expected a column of this name
line 1, column 9: approval.1: found no such column, expected columns counted from 1 without a gap
"##);
    assert!(
        super::said("x.csv", csv("").replace("email\n", "email,approval.0.role,approval.65.role,approval.1\n"))
            .contains("approval.65.role")
    );
}

#[test]
fn one_bad_row_does_not_hold_up_the_others() {
    let mut bytes = csv("1,p,Budi,staff,,\n2,p,Ren").into_bytes();
    bytes.extend(b"\xE9,staff,,\n3,p,\"two\r\nlines\",staff,,\n\n  , ,,,,\n4,p,N\0L,staff,,\n5,p,short\n6,p,Long,staff,,,stray\n7,p,Good,STAFF,,\r\n8,p,\"open,staff,,\n9,p,Lost,staff,,\n");
    let parsed = parse("x.csv", &bytes, &no_rules).unwrap();
    let told: Vec<String> = parsed
        .rows
        .iter()
        .map(|row| match &row.record {
            Ok(record) => format!("{} good {}", row.line, record.key.id),
            Err(problems) => format!("{} {}", row.line, problems.iter().next().unwrap()),
        })
        .collect();
    insta::assert_snapshot!(told.join("\n"), @r##"
2 good 1
3 line 3, column 3: found byte 0xE9 ("é" in Windows-1252), expected text in UTF-8 (in a spreadsheet: save as "CSV UTF-8")
4 line 4, column 3: applicant.name: found "two\r\nlines", expected a name without a line break (character 4 is U+000D)
8 line 8, column 3: applicant.name: found "N\u{0}L", expected a name without the NUL character (character 2 is U+0000)
9 line 9, column 3: found 3 cells, expected 6 cells, as in the header; is the row or the file cut off?
10 line 10, column 7: found "stray", expected a name for this column
11 good 7
12 line 12, column 3: found a quotation mark that is never closed, expected a closing quotation mark; what follows it in the file was not read as rows
"##);
}

#[test]
fn bad_rows_come_back_as_a_file_that_can_be_corrected_and_handed_in_again() {
    let text = csv("1,p,Budi,staff,6.28E+12,\n2,p,Siti,staff,+6281234567890,\n3,p,=1+1,staff,+6281234567890,x\n")
        .replace(',', ";");
    let parsed = parse("x.csv", text.as_bytes(), &no_rules).unwrap();
    let file = parsed.bad_rows_file().unwrap();
    let shown = String::from_utf8(file.clone()).unwrap();
    assert!(shown.starts_with('\u{FEFF}'));
    insta::assert_snapshot!(shown.trim_start_matches('\u{FEFF}').replace("\r\n", "\n"), @r##"
id;procedure;applicant.name;applicant.category;applicant.phone;applicant.email;akund.reason
1;p;Budi;staff;6.28E+12;;"applicant.phone: found ""6.28E+12"", expected a phone number with all its digits; the spreadsheet has rounded it: format the column as text and type it again"
3;p;'=1+1;staff;'+6281234567890;x;"applicant.name: found ""=1+1"", expected a name that begins with a letter or digit; applicant.email: found ""x"", expected an address like name@example.org"
"##);
    // Uncorrected it is refused with the same reasons, and does not grow a second column.
    let again = parse("x.csv", &file, &no_rules).unwrap();
    assert_eq!(again.bad_rows_file().unwrap(), file);
    let corrected = shown.replace("6.28E+12", "0812 3456 7890").replace("'=1+1", "Ali").replace(";x;", ";;");
    let parsed = parse("x.csv", corrected.as_bytes(), &no_rules).unwrap();
    let records: Vec<&Record> = parsed.rows.iter().map(|r| &**r.record.as_ref().unwrap()).collect();
    assert_eq!(records[1].applicant.phone.as_ref().unwrap().as_str(), "+6281234567890");
    assert_eq!(records[1].applicant.name, "Ali");
    assert!(parsed.bad_rows_file().is_none());
}

#[test]
fn bad_lines_come_back_with_their_reason_as_last_key() {
    let good = r#"{"akund":1,"id":"1","procedure":"p","applicant":{"name":"Budi","category":"staff"}}"#;
    let bad = good.replace("\"Budi\"", "5");
    let text = format!("{good}\n  {bad}\n{{}}\n{{oops\n[1]\n");
    let parsed = parse("x.jsonl", text.as_bytes(), &no_rules).unwrap();
    assert_eq!(
        parsed.rows.iter().map(|r| (r.line, r.record.is_ok())).collect::<Vec<_>>(),
        [(1, true), (2, false), (3, false), (4, false), (5, false)]
    );
    let file = String::from_utf8(parsed.bad_rows_file().unwrap()).unwrap();
    insta::assert_snapshot!(file, @r##"
  {"akund":1,"id":"1","procedure":"p","applicant":{"name":5,"category":"staff"},"akund.reason":"applicant.name: found the number 5, expected a name as text in quotation marks, such as \"5\""}
{"akund.reason":"akund: found nothing, expected akund = 1, the version of the format; id: found nothing, expected the ticket's or letter's number; procedure: found nothing, expected the name of a procedure; applicant: found nothing, expected a table with name and category of the applicant"}
{oops
[1]
"##);
    let again = parse("x.jsonl", file.as_bytes(), &no_rules).unwrap();
    assert_eq!(String::from_utf8(again.bad_rows_file().unwrap()).unwrap(), file);
    let corrected =
        parse("x.jsonl", file.lines().next().unwrap().replacen('5', "\"Budi\"", 1).as_bytes(), &no_rules).unwrap();
    assert_eq!(
        content_digest(corrected.rows[0].record.as_ref().unwrap()),
        content_digest(&super::good("x.json", good))
    );
}

#[test]
fn spreadsheets_ways_of_writing_are_understood() {
    let plain = good("x.csv", csv("1,p,\"Biro; Humas\",staff,081234567890,a@example.org\n"));
    for text in [
        csv("1,p,\"Biro; Humas\",staff,'+6281234567890,a@example.org").replace('\n', "\r\n"),
        csv("1,p,Biro; Humas,staff,0812 3456 7890,A@Example.org\n,,,,,\n"),
        "\u{FEFF}Applicant.Email; APPLICANT.PHONE ;applicant.category;applicant.name;Procedure;ID;akund;account.services;;\r\n\
         a@example.org;081234567890;staff;\"Biro; Humas\";p;1;1;;;\r\n"
            .to_owned(),
        "akund\tid\tprocedure\tapplicant.name\tapplicant.category\tapplicant.phone\tapplicant.email\tAction\n\
         1\t1\tp\tBiro; Humas\tstaff\t081234567890\ta@example.org\tCreate\n"
            .to_owned(),
        // Old Macintosh line ends.
        csv("1,p,Biro; Humas,staff,081234567890,a@example.org").replace('\n', "\r"),
    ] {
        assert_eq!(good("x.csv", &text), plain, "{text}");
        let utf16: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert_eq!(good("X.CSV", [b"\xFF\xFE", &utf16[..]].concat()), plain, "{text}");
    }
    let lists =
        good("x.csv", "id,procedure,applicant.name,applicant.category,account.services\n1,p,B,s,mail | hotspot|\n");
    assert_eq!(lists.account.services, ["mail", "hotspot"]);
    let numbered = good(
        "x.csv",
        "id,procedure,applicant.name,applicant.category,approval.2.role,approval.2.by,approval.2.decision,approval.2.at,approval.1.role,document.1.kind\n\
         1,p,B,s,chair,Ketua,Approved,2026-11-20 09:00,,\n",
    );
    assert_eq!(numbered.approvals.len(), 1);
    assert!(numbered.documents.is_empty());
    assert!(
        said("x.csv", csv("1,p,B,s,,\n").replace("id,", "akund,id,").replace("\n1,", "\n2,1,"))
            .contains("akund: found \"2\", expected the number 1")
    );
}

#[test]
fn huge_rows_and_endless_problems_are_bounded() {
    let huge = csv(&format!("1,p,{},staff,,\n2,p,Siti,staff,,\n", "x".repeat(2 << 20)));
    let parsed = parse("x.csv", huge.as_bytes(), &no_rules).unwrap();
    assert!(
        parsed.rows[0].record.as_ref().unwrap_err().one_line().contains("expected a record of at most 1048576 bytes")
    );
    assert!(parsed.rows[0].record.as_ref().unwrap_err().to_string().len() < 2000);
    assert!(parsed.rows[1].record.is_ok());
    let keys: Vec<String> = (0..100_000).map(|n| format!("\"k{n}\":1")).collect();
    let parsed = parse("x.json", format!("{{{}}}", keys.join(",")).as_bytes(), &no_rules).unwrap();
    let problems = parsed.rows[0].record.as_ref().unwrap_err();
    assert!(problems.count() > 100_000 && problems.iter().count() <= 100);
    assert!(problems.to_string().len() < 20_000 && problems.to_string().contains("more problems"));
    assert!(problems.one_line().len() < 10_000);
}

/// Places are found from an index of line starts; with a search from the top for each, this would take minutes.
#[test]
fn ten_thousand_rows_half_of_them_bad_are_told_apart() {
    let mut rows = String::from(HEAD);
    for n in 0..10_000 {
        let phone = if n % 2 == 0 { "081234567890" } else { "6.28E+12" };
        rows.push_str(&format!("B-{n}/2026,p,Nama {n},staff,{phone},user{n}@example.org\n"));
    }
    let parsed = parse("x.csv", rows.as_bytes(), &no_rules).unwrap();
    assert_eq!(parsed.rows.len(), 10_000);
    assert_eq!(parsed.rows.iter().filter(|r| r.record.is_ok()).count(), 5_000);
    let last = &parsed.rows[9_999];
    let problem = last.record.as_ref().unwrap_err().iter().next().unwrap();
    assert_eq!((last.line, problem.line, problem.column), (10_001, 10_001, 5));
    assert_eq!(parse("x.csv", &parsed.bad_rows_file().unwrap(), &no_rules).unwrap().rows.len(), 5_000);
}

/// A changed digest would turn every duplicate of an accepted request into a contradiction.
#[test]
fn the_digest_of_a_record_stays_what_it_is() {
    let record = good("r.toml", FULL);
    let hex: String = content_digest(&record).iter().map(|b| format!("{b:02x}")).collect();
    insta::assert_snapshot!(hex, @r##"6e70a810c2c4f5a42509fccfdc244997dd849e825ebf7fbd18e9b41c23dbfb86"##);
    let csv = as_csv(&record, b';');
    assert_eq!(content_digest(&good("r.csv", csv)), content_digest(&record));
}

/// A file cut off anywhere is refused, or it is a CSV file that ends behind a whole row.
#[test]
fn a_truncated_file_is_never_taken_for_a_whole_one() {
    let mut runner = TestRunner::deterministic();
    let record = super::properties::record().new_tree(&mut runner).unwrap().current();
    let text = serde_json::to_string(&super::super::wire::RequestRecord::from(&record)).unwrap();
    for cut in 0..text.len() {
        for name in ["x.json", "x.jsonl"] {
            let read = parse(name, &text.as_bytes()[..cut], &no_rules);
            assert!(!read.is_ok_and(|p| p.rows.iter().any(|r| r.record.is_ok())), "{name} {cut}");
        }
    }
    let rows = csv("1,p,Budi,staff,081234567890,budi@example.org");
    let last_comma = rows.rfind(',').unwrap();
    for cut in 0..=last_comma {
        let read = parse("x.csv", &rows.as_bytes()[..cut], &no_rules);
        assert!(!read.is_ok_and(|p| p.rows.iter().any(|r| r.record.is_ok())), "{cut}");
    }
}
