//! A workbook (.xlsx) as a list: the first sheet's cells as text, for [`super::read`] (ECMA-376 part 1, §18).
//!
//! A cell is what is written in it. What a spreadsheet only shows (dates, numbers with groups) is not made up: a date in a cell of
//! its own kind comes as its number, and the list's columns say that it is none.

use quick_xml::Reader;
use quick_xml::events::{BytesRef, BytesStart, Event};
use std::io::{Cursor, Read};
use zip::ZipArchive;

/// Most bytes of one part, unpacked: whatever the archive claims, no more memory is taken.
const MOST_OF_PART: u64 = 128 * 1024 * 1024;
/// Most columns that are read: the register has far fewer.
const MOST_COLUMNS: usize = 200;
/// Most rows, ECMA-376's own limit.
const MOST_ROWS: usize = 1 << 20;
/// Digits that a spreadsheet keeps of a number (IEEE 754): of a longer one the rest is lost.
const EXACT_DIGITS: usize = 15;

/// The first sheet as CSV, a line for each row from the first on.
///
/// # Errors
/// A sentence about the file, without its name.
pub(super) fn lines(bytes: &[u8]) -> Result<Vec<u8>, String> {
    let mut archive = ZipArchive::new(Cursor::new(bytes)).map_err(|error| format!("it is no workbook: {error}"))?;
    let sheet = first_sheet(&mut archive)?;
    let shared = match part(&mut archive, "xl/sharedStrings.xml")? {
        Some(text) => strings(&text)?,
        None => Vec::new(),
    };
    let text = part(&mut archive, &sheet)?.ok_or_else(|| format!("it is no workbook: it has no {sheet}"))?;
    let mut writer = csv::WriterBuilder::new().flexible(true).from_writer(Vec::new());
    for row in rows(&text, &shared)? {
        // A line is a row: where a cell has several, they become one.
        let cells = row.iter().map(|cell| cell.replace(['\r', '\n'], " "));
        writer
            .write_record(if row.is_empty() { vec![String::new()] } else { cells.collect() })
            .map_err(|e| e.to_string())?;
    }
    writer.into_inner().map_err(|error| error.to_string())
}

type Archive<'a> = ZipArchive<Cursor<&'a [u8]>>;

fn part(archive: &mut Archive<'_>, name: &str) -> Result<Option<String>, String> {
    let file = match archive.by_name(name) {
        Ok(file) => file,
        Err(zip::result::ZipError::FileNotFound) => return Ok(None),
        Err(error) => return Err(format!("`{name}` in it cannot be unpacked: {error}")),
    };
    let mut bytes = Vec::new();
    file.take(MOST_OF_PART + 1)
        .read_to_end(&mut bytes)
        .map_err(|e| format!("`{name}` in it cannot be unpacked: {e}"))?;
    if bytes.len() as u64 > MOST_OF_PART {
        return Err(format!("`{name}` in it has more than {MOST_OF_PART} bytes unpacked; export CSV"));
    }
    String::from_utf8(bytes).map(Some).map_err(|_| format!("`{name}` in it is not UTF-8"))
}

/// The part that holds the sheet which is shown first.
fn first_sheet(archive: &mut Archive<'_>) -> Result<String, String> {
    let book = part(archive, "xl/workbook.xml")?.ok_or("it is no workbook: it has no xl/workbook.xml")?;
    let mut id = None;
    each(&book, |event, _| {
        match event {
            Event::Start(start) | Event::Empty(start) if start.local_name().as_ref() == b"sheet" && id.is_none() => {
                id = attribute(start, "r:id")?;
            }
            _ => {}
        }
        Ok(())
    })?;
    let id = id.ok_or("it has no sheet")?;
    let rels =
        part(archive, "xl/_rels/workbook.xml.rels")?.ok_or("it is no workbook: nothing says where its sheets are")?;
    let mut target = None;
    each(&rels, |event, _| {
        let (Event::Start(start) | Event::Empty(start)) = event else { return Ok(()) };
        if attribute(start, "Id")?.as_deref() == Some(id.as_str()) {
            target = attribute(start, "Target")?;
        }
        Ok(())
    })?;
    let target = target.ok_or("its first sheet is nowhere")?;
    Ok(target.strip_prefix('/').map_or_else(|| format!("xl/{target}"), str::to_owned))
}

/// The texts that cells share. Phonetic readings (`rPh`) are no part of them.
fn strings(text: &str) -> Result<Vec<String>, String> {
    let mut found: Vec<String> = Vec::new();
    each(text, |event, path| {
        match event {
            Event::Start(start) | Event::Empty(start) if start.local_name().as_ref() == b"si" => {
                found.push(String::new())
            }
            event if is_text(path) => {
                if let (Some(last), Some(more)) = (found.last_mut(), characters(event)?) {
                    last.push_str(&more);
                }
            }
            _ => {}
        }
        Ok(())
    })?;
    Ok(found)
}

fn is_text(path: &[Vec<u8>]) -> bool {
    path.last().is_some_and(|last| last == b"t") && !path.iter().any(|name| name == b"rPh")
}

/// A cell that is being read.
#[derive(Default)]
struct Cell {
    place: (usize, usize),
    kind: String,
    text: String,
}

fn rows(text: &str, shared: &[String]) -> Result<Vec<Vec<String>>, String> {
    let mut all: Vec<Vec<String>> = Vec::new();
    let mut cell = Cell::default();
    each(text, |event, path| {
        match event {
            Event::Start(start) if start.local_name().as_ref() == b"c" => {
                let named = attribute(start, "r")?.unwrap_or_default();
                let place = place(&named).ok_or_else(|| format!("a cell of it is called `{named}`"))?;
                cell = Cell { place, kind: attribute(start, "t")?.unwrap_or_default(), text: String::new() };
            }
            Event::End(end) if end.local_name().as_ref() == b"c" => {
                let (column, row) = cell.place;
                if column >= MOST_COLUMNS || row >= MOST_ROWS {
                    return Ok(());
                }
                let value = value(&cell, shared)?;
                if all.len() <= row {
                    all.resize_with(row + 1, Vec::new);
                }
                let cells = &mut all[row];
                if cells.len() <= column {
                    cells.resize_with(column + 1, String::new);
                }
                cells[column] = value;
            }
            event if path.last().is_some_and(|last| last == b"v") || is_text(path) => {
                cell.text.extend(characters(event)?);
            }
            _ => {}
        }
        Ok(())
    })?;
    Ok(all)
}

fn value(cell: &Cell, shared: &[String]) -> Result<String, String> {
    let text = cell.text.trim();
    let named = || format!("{}{}", letters(cell.place.0), cell.place.1 + 1);
    match cell.kind.as_str() {
        "s" => {
            let found = text.parse::<usize>().ok().and_then(|number| shared.get(number));
            found.cloned().ok_or_else(|| format!("its cell {} holds a text that is not there", named()))
        }
        "e" => Err(format!("its cell {} shows the error {text}", named())),
        "" | "n" => {
            let exact = text.len() <= EXACT_DIGITS && !text.contains(['e', 'E']);
            let lost =
                format!("its cell {} is a number ({text}) of which digits are lost; make the column text", named());
            if exact { Ok(text.to_owned()) } else { Err(lost) }
        }
        _ => Ok(cell.text.clone()),
    }
}

/// `C7` → (2, 6)
fn place(name: &str) -> Option<(usize, usize)> {
    let digits = name.find(|c: char| c.is_ascii_digit())?;
    let (letters, number) = name.split_at(digits);
    if letters.is_empty() || letters.len() > 3 || !letters.bytes().all(|b| b.is_ascii_uppercase()) {
        return None;
    }
    let column = letters.bytes().fold(0, |column, letter| column * 26 + usize::from(letter - b'A') + 1);
    Some((column - 1, number.parse::<usize>().ok()?.checked_sub(1)?))
}

/// 2 → `C`
fn letters(column: usize) -> String {
    let last = char::from(b'A' + u8::try_from(column % 26).unwrap_or(0));
    if column < 26 { last.to_string() } else { format!("{}{last}", letters(column / 26 - 1)) }
}

/// Looks at each event with the names of the elements that it is in, its own among them at its start.
fn each(text: &str, mut look: impl FnMut(&Event<'_>, &[Vec<u8>]) -> Result<(), String>) -> Result<(), String> {
    let mut reader = Reader::from_str(text);
    let mut path: Vec<Vec<u8>> = Vec::new();
    loop {
        let event = reader.read_event().map_err(|error| format!("it is not well-formed XML: {error}"))?;
        match &event {
            Event::Eof => return Ok(()),
            Event::DocType(_) => return Err("it has a DOCTYPE, which no workbook has".into()),
            Event::Start(start) => path.push(start.local_name().as_ref().to_vec()),
            _ => {}
        }
        look(&event, &path)?;
        if matches!(event, Event::End(_)) {
            path.pop();
        }
    }
}

fn characters(event: &Event<'_>) -> Result<Option<String>, String> {
    let bad = |error: &dyn std::fmt::Display| format!("it is not well-formed XML: {error}");
    Ok(match event {
        Event::Text(text) => Some(text.xml10_content().map_err(|error| bad(&error))?.into_owned()),
        Event::CData(text) => Some(text.decode().map_err(|error| bad(&error))?.into_owned()),
        Event::GeneralRef(reference) => Some(resolved(reference)?),
        _ => None,
    })
}

fn resolved(reference: &BytesRef<'_>) -> Result<String, String> {
    let unknown = || "it has an entity that XML does not know".to_owned();
    if let Some(c) = reference.resolve_char_ref().map_err(|_| unknown())? {
        return Ok(c.to_string());
    }
    let name = reference.decode().map_err(|_| unknown())?;
    quick_xml::escape::resolve_predefined_entity(&name).map(str::to_owned).ok_or_else(unknown)
}

fn attribute(start: &BytesStart<'_>, name: &str) -> Result<Option<String>, String> {
    let bad = |error: &dyn std::fmt::Display| format!("it is not well-formed XML: {error}");
    let Some(found) = start.try_get_attribute(name).map_err(|error| bad(&error))? else { return Ok(None) };
    let value = std::str::from_utf8(&found.value).map_err(|error| bad(&error))?;
    quick_xml::escape::unescape(value).map(|value| Some(value.into_owned())).map_err(|error| bad(&error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::procedure::Language;
    use crate::register::page::tests::entries;
    use jiff::tz::TimeZone;

    #[test]
    fn an_export_as_a_workbook_holds_what_the_one_as_csv_does() {
        let zone = TimeZone::get("Asia/Jakarta").unwrap();
        for language in [Language::Id, Language::En] {
            let entries = entries();
            let book = crate::register::workbook(&entries, language, &zone, "Dinas & Co").unwrap();
            let lines = String::from_utf8(lines(&book).unwrap()).unwrap();
            let csv = crate::register::Csv { language, zone: zone.clone(), delimiter: b',', bom: false };
            let rows: Vec<Vec<u8>> = std::iter::once(csv.head()).chain(entries.iter().map(|e| csv.row(e))).collect();
            let expected = String::from_utf8(rows.concat()).unwrap().replace("\r\n", "\n");
            // In a workbook nothing is a formula: only CSV defuses.
            assert_eq!(lines.replace('\'', ""), expected.replace('\'', ""));
        }
    }

    /// A workbook with this as its sheet and as its shared strings.
    fn book(sheet: &str, shared: &str) -> Vec<u8> {
        use std::io::Write;
        let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
        let rels = "<Relationships><Relationship Id=\"rId7\" Target=\"/xl/worksheets/daftar.xml\"/></Relationships>";
        for (name, text) in [
            (
                "xl/workbook.xml",
                "<workbook><sheets><sheet name=\"A\" r:id=\"rId7\"/><sheet r:id=\"rId8\"/></sheets></workbook>",
            ),
            ("xl/_rels/workbook.xml.rels", rels),
            ("xl/worksheets/daftar.xml", &format!("<worksheet><sheetData>{sheet}</sheetData></worksheet>")),
            ("xl/sharedStrings.xml", &format!("<sst>{shared}</sst>")),
        ] {
            writer.start_file(name, zip::write::SimpleFileOptions::default()).unwrap();
            writer.write_all(text.as_bytes()).unwrap();
        }
        writer.finish().unwrap().into_inner()
    }

    #[test]
    fn cells_of_every_kind_are_read_where_they_stand() {
        let shared =
            "<si><t>Alamat surel</t></si><si><r><t>Biro </t></r><r><t>A &amp; B</t></r><rPh><t>x</t></rPh></si>";
        let sheet = "<row r=\"2\"><c r=\"A2\" t=\"s\"><v>0</v></c><c r=\"C2\" t=\"inlineStr\"><is><t>NIP\nlama</t></is></c></row>\
                     <row r=\"4\"><c r=\"A4\" t=\"str\"><v>a@b.id</v></c><c r=\"B4\" t=\"s\"><v>1</v></c><c r=\"C4\"><v>1985</v></c></row>";
        let lines = String::from_utf8(lines(&book(sheet, shared)).unwrap()).unwrap();
        assert_eq!(lines, "\"\"\nAlamat surel,,NIP lama\n\"\"\na@b.id,Biro A & B,1985\n");
    }

    #[test]
    fn what_cannot_be_read_is_told_with_its_cell() {
        for (sheet, said) in [
            (
                "<row><c r=\"AB3\"><v>1.98501012015042E+17</v></c></row>",
                "its cell AB3 is a number (1.98501012015042E+17) of which",
            ),
            ("<row><c r=\"B3\"><v>198501012015042001</v></c></row>", "make the column text"),
            ("<row><c r=\"B3\" t=\"e\"><v>#REF!</v></c></row>", "its cell B3 shows the error #REF!"),
            ("<row><c r=\"B3\" t=\"s\"><v>9</v></c></row>", "its cell B3 holds a text that is not there"),
            ("<row><c r=\"3B\" t=\"s\"><v>9</v></c></row>", "called `3B`"),
            ("<row><c r=\"B3\" t=\"str\"><v>&unknown;</v></c></row>", "an entity"),
        ] {
            let told = lines(&book(sheet, "")).unwrap_err();
            assert!(told.contains(said), "{told}");
        }
        assert!(lines(b"PK\x03\x04 nothing").unwrap_err().contains("it is no workbook"));
    }
}
