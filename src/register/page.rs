//! The register as a page that prints on A4: the record on paper. One file, no script, nothing fetched.

use super::Column;
use super::values::time;
use crate::model::entry::Entry;
use crate::procedure::Language;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use std::fmt::Write;

const STYLE: &str = "\
@page{size:A4 landscape;margin:12mm 10mm}\
body{font:8.5pt/1.35 'DejaVu Sans',Arial,sans-serif;color:#000;background:#fff;margin:0}\
table{border-collapse:collapse;width:100%;table-layout:fixed}\
col:nth-child(1){width:3%}col:nth-child(2){width:21%}col:nth-child(3){width:17%}col:nth-child(4){width:11%}\
col:nth-child(5){width:17%}col:nth-child(6){width:14%}col:nth-child(7){width:6%}col:nth-child(8){width:11%}\
thead{display:table-header-group}tr{page-break-inside:avoid;break-inside:avoid}\
th,td{border:0 solid #888;border-bottom-width:.4pt;padding:3pt 5pt 3pt 0;text-align:left;vertical-align:top;overflow-wrap:break-word}\
thead .office{border:0;padding:0 0 6pt;font-weight:normal}thead .office b{font-size:14pt;display:block;padding-right:60mm}\
thead .office span{float:right;padding-top:5pt}\
th{border-color:#000;border-width:1pt 0;font-size:8pt}\
td:nth-child(2),td:nth-child(3){font-weight:bold}\
.no{text-align:right;font-weight:normal}small{display:block;color:#333;font-size:7.5pt;font-weight:normal}\
.sign{margin-top:10mm;page-break-inside:avoid;width:60mm;margin-left:auto}\
@media screen{body{margin:8mm}}";

/// The page. The cells are grouped as a paper register has them: who, what, why, by which procedure, since when and until when.
pub fn page(entries: &[Entry], language: Language, zone: &TimeZone, office: &str, now: Timestamp) -> String {
    let word = |id: &'static str, en: &'static str| if language == Language::Id { id } else { en };
    let title = word("Daftar akun", "Register of accounts");
    let mut html = format!(
        "<!DOCTYPE html>\n<html lang=\"{}\">\n<head>\n<meta charset=\"utf-8\">\n<title>{title}: {}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<table>\n<colgroup>{}</colgroup>\n<thead>\n",
        language.as_str(),
        escaped(office),
        "<col>".repeat(8),
    );
    let printed = word("Dicetak", "Printed");
    let heads = [
        "No.",
        word("Akun", "Account"),
        word("Pemegang", "Holder"),
        word("Layanan", "Services"),
        word("Dasar", "Why"),
        word("Prosedur", "Procedure"),
        word("Keadaan", "State"),
        word("Berlaku", "Valid"),
    ];
    // Inside the head, which browsers repeat on each page.
    let _ = writeln!(
        html,
        "<tr><td class=\"office\" colspan=\"{}\"><span>{printed}: {} · {} {}</span><b>{}</b>{title}</td></tr>",
        heads.len(),
        time(now, zone),
        entries.len(),
        word("akun", "accounts"),
        escaped(office),
    );
    let _ = writeln!(html, "<tr>{}</tr>\n</thead>\n<tbody>", heads.map(|head| format!("<th>{head}</th>")).concat());
    for (number, entry) in entries.iter().enumerate() {
        let cell = |column: Column| escaped(&column.cell(entry, language, zone).replace(" | ", ", "));
        let small = |columns: &[Column]| {
            let lines = columns.iter().map(|column| cell(*column)).filter(|text| !text.is_empty());
            lines.map(|text| format!("<small>{text}</small>")).collect::<String>()
        };
        let responsible = match entry.responsible.is_empty() {
            true => String::new(),
            false => format!(
                "<small>{}: {} {}</small>",
                Column::Responsible.title(language),
                cell(Column::Responsible),
                cell(Column::ResponsibleIdentifier)
            ),
        };
        let _ = writeln!(
            html,
            "<tr><td class=\"no\">{}</td><td>{}{}</td><td>{}{}{responsible}</td><td>{}{}</td><td>{}{}</td><td>{}{}</td><td>{}</td><td>{}<small>{} {}</small></td></tr>",
            number + 1,
            // A long address breaks behind its @.
            escaped(entry.called()).replace('@', "@<wbr>"),
            small(&[Column::Username, Column::Aliases]),
            cell(Column::Name),
            small(&[Column::Identifier, Column::Category, Column::Unit]),
            cell(Column::Services),
            small(&[Column::Group, Column::Quota, Column::Targets]),
            cell(Column::Documents),
            small(&[Column::Approvals]),
            cell(Column::Procedure),
            small(&[Column::Request]),
            cell(Column::State),
            cell(Column::Created),
            word("s.d.", "to"),
            if entry.last_day.is_none() { word("tidak ditentukan", "open").to_owned() } else { cell(Column::LastDay) },
        );
    }
    let _ = write!(
        html,
        "</tbody>\n</table>\n<p class=\"sign\">{}<br><br><br><br>…………………………………</p>\n</body>\n</html>\n",
        word("Mengetahui,", "Seen,")
    );
    html
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#x27;"),
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::register) fn entries() -> Vec<Entry> {
        let entry = Entry {
            uid: "0190".into(),
            address: "humas@example.ac.id".into(),
            username: "humas".into(),
            aliases: vec!["pers@example.ac.id".into(), "info@example.ac.id".into()],
            name: "=HYPERLINK(\"http://x\")<script>alert(1)</script>".into(),
            category: "unit".into(),
            unit: "Biro Umum; \"Humas\"".into(),
            identifier: "198501012015042001".into(),
            responsible: "Siti Aminah".into(),
            responsible_identifier: "197003031995031003".into(),
            services: vec!["mail".into(), "hotspot".into()],
            group: "unit".into(),
            quota: "10GB".into(),
            documents: vec!["letter B-12/2026, 2026-11-18, SM-881".into()],
            approvals: vec!["head: Kepala, 2026-11-20 08:00".into()],
            procedure: "generic".into(),
            request: "generic:B-12/2026@1".into(),
            state: "active".into(),
            created_at: "2026-11-20T09:00:00+07:00".parse().ok(),
            last_day: "2027-06-30".parse().ok(),
            targets: vec!["mail".into(), "radius".into()],
        };
        let hotspot = Entry {
            address: String::new(),
            aliases: Vec::new(),
            username: "tamu1".into(),
            last_day: None,
            ..entry.clone()
        };
        vec![entry, hotspot]
    }

    #[test]
    fn a_page_prints_with_the_office_on_each_sheet_and_runs_nothing() {
        let zone = TimeZone::get("Asia/Jakarta").unwrap();
        let now = "2026-11-22T07:00:00+07:00".parse().unwrap();
        for (language, wanted) in [(Language::Id, "Daftar akun"), (Language::En, "Register of accounts")] {
            let page = page(&entries(), language, &zone, "Dinas <Kominfo> & Statistik", now);
            let (head, body) = page.split_once("</thead>").unwrap();
            assert!(head.contains("Dinas &lt;Kominfo&gt; &amp; Statistik</b>") && head.contains(wanted), "{head}");
            assert!(head.contains("2026-11-22 07:00") && head.contains("table-header-group") && head.contains("A4"));
            assert_eq!(body.matches("<tr>").count(), 2);
            for there in ["humas@<wbr>example.ac.id", "tamu1", "2027-06-30", "SM-881", "Kepala", "generic:B-12/2026@1"]
            {
                assert!(body.contains(there), "{there}");
            }
            assert!(!page.contains("<script") && !page.contains("href=") && !page.contains("src="), "self-contained");
        }
    }
}
