//! The register for spreadsheets: CSV and XLSX.

use super::Column;
use super::values::defused;
use crate::model::entry::Entry;
use crate::procedure::Language;
use jiff::tz::TimeZone;
use rust_xlsxwriter::{Format, FormatAlign, Workbook, XlsxError};

/// Most rows of a sheet besides its head (ECMA-376's limit of 2^20).
const MOST_ROWS: usize = 1_048_575;
/// Most characters of a cell.
const LONGEST_CELL: usize = 32_767;

/// How CSV is written.
#[derive(Debug, Clone)]
pub struct Csv {
    /// Titles and words.
    pub language: Language,
    /// Times in it.
    pub zone: TimeZone,
    /// Between cells. Spreadsheets of the Indonesian locale take `;`.
    pub delimiter: u8,
    /// Begin with a byte order mark, by which Excel knows UTF-8.
    pub bom: bool,
}

impl Csv {
    /// The file's first bytes: the mark and the head.
    pub fn head(&self) -> Vec<u8> {
        let mut bytes = if self.bom { "\u{feff}".as_bytes().to_vec() } else { Vec::new() };
        bytes.extend(self.line(Column::ALL.map(|column| column.title(self.language).to_owned())));
        bytes
    }

    /// The line of an entry.
    pub fn row(&self, entry: &Entry) -> Vec<u8> {
        self.line(Column::ALL.map(|column| column.cell(entry, self.language, &self.zone)))
    }

    fn line(&self, cells: [String; Column::ALL.len()]) -> Vec<u8> {
        let mut writer = csv::WriterBuilder::new()
            .delimiter(self.delimiter)
            .terminator(csv::Terminator::CRLF)
            .from_writer(Vec::new());
        // Into memory, with the same number of cells each time: it cannot fail.
        let _ = writer.write_record(cells.iter().map(|cell| defused(cell)));
        writer.into_inner().unwrap_or_default()
    }
}

/// The register as a workbook: one sheet, its head repeated on each printed page. Every cell is text, so that nothing is a formula and no
/// NIP becomes a number.
///
/// # Errors
/// A sentence, where there are more rows than a sheet has.
pub fn workbook(entries: &[Entry], language: Language, zone: &TimeZone, office: &str) -> Result<Vec<u8>, String> {
    if entries.len() > MOST_ROWS {
        return Err(format!(
            "a sheet has at most {MOST_ROWS} rows, and the register has {}; export CSV",
            entries.len()
        ));
    }
    build(entries, language, zone, office).map_err(|error| format!("the workbook cannot be made: {error}"))
}

fn build(entries: &[Entry], language: Language, zone: &TimeZone, office: &str) -> Result<Vec<u8>, XlsxError> {
    let mut workbook = Workbook::new();
    let sheet = workbook.add_worksheet();
    sheet.set_name(match language {
        Language::Id => "Daftar akun",
        Language::En => "Accounts",
    })?;
    let head = Format::new().set_bold().set_text_wrap().set_align(FormatAlign::Top);
    let body = Format::new().set_text_wrap().set_align(FormatAlign::Top).set_num_format("@");
    for (place, column) in (0_u16..).zip(Column::ALL) {
        sheet.write_string_with_format(0, place, column.title(language), &head)?;
        sheet.set_column_width(place, width(column))?;
    }
    for (row, entry) in (1_u32..).zip(entries) {
        for (place, column) in (0_u16..).zip(Column::ALL) {
            let cell: String = column.cell(entry, language, zone).chars().take(LONGEST_CELL).collect();
            sheet.write_string_with_format(row, place, cell, &body)?;
        }
    }
    let last = u32::try_from(entries.len()).unwrap_or(u32::MAX);
    sheet.autofilter(0, 0, last, u16::try_from(Column::ALL.len() - 1).unwrap_or(0))?;
    sheet.set_freeze_panes(1, 0)?.set_repeat_rows(0, 0)?;
    sheet.set_landscape().set_paper_size(9).set_print_fit_to_pages(1, 0);
    // In a header `&` begins a code (ECMA-376, headerFooter).
    let office: String = office.replace('&', "&&").chars().take(150).collect();
    sheet.set_header(format!("&L{office}&R&D")).set_footer("&C&P / &N");
    workbook.save_to_buffer()
}

fn width(column: Column) -> f64 {
    match column {
        Column::Address | Column::Documents | Column::Approvals | Column::Aliases => 34.0,
        Column::Name | Column::Unit | Column::Responsible | Column::Request => 26.0,
        Column::Identifier | Column::ResponsibleIdentifier => 21.0,
        _ => 15.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::register::page::tests::entries;

    fn csv(language: Language, delimiter: u8, bom: bool) -> Csv {
        Csv { language, zone: TimeZone::get("Asia/Jakarta").unwrap(), delimiter, bom }
    }

    #[test]
    fn csv_for_a_spreadsheet_of_the_indonesian_locale() {
        let csv = csv(Language::Id, b';', true);
        let text = String::from_utf8([csv.head(), csv.row(&entries()[0])].concat()).unwrap();
        assert!(text.starts_with("\u{feff}Alamat surel;Nama pengguna;Alias;Nama;"), "{text}");
        let row = text.lines().nth(1).unwrap();
        assert!(
            row.starts_with("humas@example.ac.id;humas;pers@example.ac.id | info@example.ac.id;\"'=HYPERLINK"),
            "{row}"
        );
        assert!(row.contains(";198501012015042001;") && row.contains(";aktif;2026-11-20 09:00;2027-06-30;"), "{row}");
        assert!(text.ends_with("\r\n"));
    }

    #[test]
    fn a_workbook_holds_text_only_and_repeats_its_head() {
        let zone = TimeZone::get("Asia/Jakarta").unwrap();
        let bytes = workbook(&entries(), Language::Id, &zone, "Universitas A & B").unwrap();
        let mut archive = zip::ZipArchive::new(std::io::Cursor::new(bytes)).unwrap();
        let mut part = |name: &str| {
            let mut text = String::new();
            std::io::Read::read_to_string(&mut archive.by_name(name).unwrap(), &mut text).unwrap();
            text
        };
        let sheet = part("xl/worksheets/sheet1.xml");
        assert!(!sheet.contains("<f>"), "no cell is a formula");
        assert!(!sheet.contains("<c r=\"E2\" s=\"2\"><v>"), "a NIP is no number");
        assert!(sheet.contains("A &amp;&amp; B"), "{sheet}");
        assert!(part("xl/sharedStrings.xml").contains("198501012015042001"));
        assert!(part("xl/workbook.xml").contains("Print_Titles"));
    }
}
