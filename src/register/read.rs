//! Reads a list of accounts: an export of akund's own, or one that an office has kept in a spreadsheet.
//!
//! A workbook, or text with comma, semicolon or tab; UTF-8 or UTF-16, with or without a mark. Columns are known by their titles in either language and by the usual
//! other words for them, in any order; columns that are not known are told, and not read. Every bad cell is told with its line.

use super::Column;
use super::columns::state_named;
use super::values::{parts, read_day, read_time, undefused};
use crate::model::entry::{Entry, Import};
use crate::model::letters::quoted;
use crate::model::{Account, AccountUid, Address, Username};
use jiff::ToSpan;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use std::collections::HashMap;

/// Most mistakes that are told of one list.
const MOST_MISTAKES: usize = 200;

/// How a zip archive begins, and so a workbook.
const WORKBOOK: &[u8] = b"PK\x03\x04";

/// What a list does not say itself.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The procedure of rows that name none.
    pub procedure: Option<String>,
    /// The category of rows that name none.
    pub category: String,
    /// Days begin in it.
    pub zone: TimeZone,
}

/// What a list holds.
#[derive(Debug, Clone, Default)]
pub struct Listed {
    /// Its accounts.
    pub accounts: Vec<Import>,
    /// Titles of columns that are not read.
    pub unknown: Vec<String>,
    /// Rows that are passed over: accounts that were removed.
    pub removed: usize,
}

/// Reads a list; `name` is for messages.
///
/// # Errors
/// Each mistake: file, line, column, what was found and expected.
pub fn read(name: &str, bytes: &[u8], settings: &Settings) -> Result<Listed, Vec<String>> {
    let sheet = bytes.starts_with(WORKBOOK).then(|| super::book::lines(bytes)).transpose();
    let sheet = sheet.map_err(|cause| vec![format!("{name}: {cause}")])?;
    let text = crate::intake::record::decoded(name, sheet.as_deref().unwrap_or(bytes)).map_err(|cause| vec![cause])?;
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .delimiter(crate::intake::record::delimiter(&text))
        .from_reader(text.as_bytes());
    // The csv crate counts a CRLF's lines late: a row's line is that of its first character.
    let (mut at, mut line) = (0, 1_u32);
    let mut rows = reader.records().map_while(Result::ok).map(|row| {
        let start = row.position().and_then(|p| usize::try_from(p.byte()).ok()).unwrap_or(at).clamp(at, text.len());
        let rest = text.as_bytes().get(start..).unwrap_or_default();
        let start = start + rest.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
        let passed = text.as_bytes().get(at..start).unwrap_or_default();
        let lines = passed.iter().filter(|byte| **byte == b'\n').count();
        (at, line) = (start, line.saturating_add(u32::try_from(lines).unwrap_or(u32::MAX)));
        (line, row)
    });
    if crate::intake::record::begins_with_separator(&text) {
        rows.next();
    }
    let blank = |row: &csv::StringRecord| row.iter().all(|cell| cell.trim().is_empty());
    let Some((head_line, head)) = rows.by_ref().find(|(_, row)| !blank(row)) else {
        return Err(vec![format!(
            "{name}: there is nothing in it; expected a line of column titles and the accounts below it"
        )]);
    };
    let (columns, unknown) = columns(name, head_line, &head)?;
    let mut listed = Listed { unknown, ..Listed::default() };
    let mut mistakes = Vec::new();
    let mut seen: HashMap<String, u32> = HashMap::new();
    for (line, row) in rows.filter(|(_, row)| !blank(row)) {
        let row = Row { name, line, columns: &columns, cells: &row, settings };
        match row.import() {
            Ok(Some(import)) => {
                for taken in import.names() {
                    if let Some(before) = seen.insert(taken.clone(), line).filter(|before| *before != line) {
                        mistakes.push(format!(
                            "{name}:{line}: {} is the name of the account in line {before}, too",
                            quoted(&taken)
                        ));
                    }
                }
                listed.accounts.push(import);
            }
            Ok(None) => listed.removed += 1,
            Err(wrong) => mistakes.extend(wrong),
        }
        if mistakes.len() > MOST_MISTAKES {
            mistakes.truncate(MOST_MISTAKES);
            mistakes.push(format!("{name}: … and more"));
            break;
        }
    }
    if mistakes.is_empty() { Ok(listed) } else { Err(mistakes) }
}

/// What each column is, and the titles of those that are not known.
type Head = (Vec<Option<Column>>, Vec<String>);

fn columns(name: &str, line: u32, head: &csv::StringRecord) -> Result<Head, Vec<String>> {
    let columns: Vec<Option<Column>> = head.iter().map(|cell| Column::named(undefused(cell))).collect();
    let titles = head.iter().zip(&columns);
    let unknown = titles.filter(|(title, column)| column.is_none() && !title.trim().is_empty());
    let unknown: Vec<String> = unknown.map(|(title, _)| title.trim().to_owned()).collect();
    let mut mistakes = Vec::new();
    for column in Column::ALL {
        if columns.iter().filter(|found| **found == Some(column)).count() > 1 {
            let title = column.title(crate::procedure::Language::En);
            mistakes.push(format!("{name}:{line}: two columns are {title}; expected each once"));
        }
    }
    if !columns.iter().any(|column| matches!(column, Some(Column::Address | Column::Username))) {
        let found = if unknown.is_empty() { "none".to_owned() } else { quoted(&unknown.join(", ")) };
        mistakes.push(format!(
            "{name}:{line}: no column holds the accounts' names: found {found}; expected `Alamat surel`, `Address` or \
             `Email`, or `Nama pengguna`, `User name` or `Username`"
        ));
    }
    if mistakes.is_empty() { Ok((columns, unknown)) } else { Err(mistakes) }
}

struct Row<'a> {
    name: &'a str,
    line: u32,
    columns: &'a [Option<Column>],
    cells: &'a csv::StringRecord,
    settings: &'a Settings,
}

impl Row<'_> {
    fn cell(&self, column: Column) -> &str {
        let place = self.columns.iter().position(|found| *found == Some(column));
        undefused(place.and_then(|place| self.cells.get(place)).unwrap_or("").trim()).trim()
    }

    fn wrong(&self, column: Column, expected: &str) -> String {
        let place = self.columns.iter().position(|found| *found == Some(column)).map_or(0, |place| place + 1);
        let title = column.title(crate::procedure::Language::En);
        let found = quoted(self.cell(column));
        format!("{}:{}: column {place} ({title}): found {found}; expected {expected}", self.name, self.line)
    }

    /// The account; none for one that was removed.
    fn import(&self) -> Result<Option<Import>, Vec<String>> {
        let mut wrong = Vec::new();
        if self.cells.len() > self.columns.len() {
            let (found, expected) = (self.cells.len(), self.columns.len());
            wrong.push(format!("{}:{}: it has {found} cells; expected at most {expected}", self.name, self.line));
        }
        if self.cells.iter().any(|cell| cell.chars().any(|c| c == '\u{fffd}' || (c.is_control() && c != '\t'))) {
            wrong.push(format!(
                "{}:{}: a cell has a line break or a character that cannot be read",
                self.name, self.line
            ));
        }
        let state = match self.cell(Column::State) {
            "" => "active",
            cell => state_named(cell).unwrap_or_else(|| {
                wrong.push(self.wrong(Column::State, "active, suspended, removed (aktif, ditangguhkan, dihapus)"));
                ""
            }),
        };
        let address = self.address(&mut wrong);
        let username = self.username(address.as_ref(), &mut wrong);
        let aliases: Vec<Address> = parts(self.cell(Column::Aliases))
            .iter()
            .filter_map(|alias| {
                let read = Address::read(alias).ok();
                if read.is_none() {
                    wrong.push(self.wrong(Column::Aliases, "addresses with | between them"));
                }
                read
            })
            .collect();
        let last_day = self.day(Column::LastDay, &mut wrong);
        let created = match self.cell(Column::Created) {
            "" => None,
            cell => read_time(cell, &self.settings.zone).or_else(|| {
                wrong.push(self.wrong(Column::Created, "a day, like 2026-11-20 or 20/11/2026"));
                None
            }),
        };
        for column in [Column::Identifier, Column::ResponsibleIdentifier] {
            if is_rounded(self.cell(column)) {
                wrong.push(
                    self.wrong(column, "all of its digits: the spreadsheet has rounded it; make the column text"),
                );
            }
        }
        let procedure = match (self.cell(Column::Procedure), &self.settings.procedure) {
            ("", Some(procedure)) => procedure.clone(),
            ("", None) => {
                wrong.push(format!(
                    "{}:{}: no procedure is named; add a column Procedure, or --procedure NAME",
                    self.name, self.line
                ));
                String::new()
            }
            (cell, _) => cell.to_owned(),
        };
        let (Some(username), true) = (username, wrong.is_empty()) else { return Err(wrong) };
        if state == "removed" {
            return Ok(None);
        }
        let entry = Entry {
            uid: String::new(),
            address: address.as_ref().map(ToString::to_string).unwrap_or_default(),
            // One that the list does not say takes no name.
            username: self.cell(Column::Username).to_lowercase(),
            aliases: aliases.iter().map(ToString::to_string).collect(),
            name: self.text(Column::Name),
            category: Some(self.text(Column::Category))
                .filter(|c| !c.is_empty())
                .unwrap_or_else(|| self.settings.category.clone()),
            unit: self.text(Column::Unit),
            identifier: self.text(Column::Identifier),
            responsible: self.text(Column::Responsible),
            responsible_identifier: self.text(Column::ResponsibleIdentifier),
            services: parts(self.cell(Column::Services)),
            group: self.text(Column::Group),
            quota: self.text(Column::Quota),
            documents: parts(self.cell(Column::Documents)),
            approvals: parts(self.cell(Column::Approvals)),
            procedure,
            request: self.text(Column::Request),
            state: state.to_owned(),
            created_at: created,
            last_day,
            targets: parts(self.cell(Column::Targets)),
        };
        let account = Account {
            address,
            aliases,
            name: entry.name.clone(),
            category: entry.category.clone(),
            unit: entry.unit.clone(),
            services: entry.services.clone(),
            ends_at: last_day.and_then(|day| self.end_of(day)),
            group: Some(entry.group.clone()).filter(|group| !group.is_empty()),
            ..Account::bare(AccountUid(uuid::Uuid::nil()), username)
        };
        Ok(Some(Import { line: self.line, entry, account }))
    }

    fn address(&self, wrong: &mut Vec<String>) -> Option<Address> {
        let cell = self.cell(Column::Address);
        if cell.is_empty() {
            return None;
        }
        match Address::read(cell) {
            Ok(address) => Some(address),
            Err(_) => {
                wrong.push(self.wrong(Column::Address, "a mail address, like humas@example.ac.id"));
                None
            }
        }
    }

    /// The user name, or else the local part of the address.
    fn username(&self, address: Option<&Address>, wrong: &mut Vec<String>) -> Option<Username> {
        let cell = self.cell(Column::Username);
        match (cell, address) {
            ("", Some(address)) => Username::read(address.local()).ok().or_else(|| {
                wrong.push(self.wrong(Column::Address, "a local part that can be a user name, or a column User name"));
                None
            }),
            ("", None) => {
                if self.cell(Column::Address).is_empty() {
                    wrong.push(format!("{}:{}: it names neither an address nor a user name", self.name, self.line));
                }
                None
            }
            (cell, _) => Username::read(cell).ok().or_else(|| {
                wrong.push(self.wrong(Column::Username, "a user name, like budi.santoso"));
                None
            }),
        }
    }

    fn day(&self, column: Column, wrong: &mut Vec<String>) -> Option<Date> {
        let cell = self.cell(column);
        if cell.is_empty() {
            return None;
        }
        let day = read_day(cell);
        if day.is_none() {
            wrong.push(self.wrong(column, "a day, like 2027-06-30 or 30/06/2027"));
        }
        day
    }

    fn text(&self, column: Column) -> String {
        self.cell(column).split_whitespace().collect::<Vec<_>>().join(" ")
    }

    fn end_of(&self, last_day: Date) -> Option<jiff::Timestamp> {
        let next = last_day.checked_add(1.day()).ok()?.to_datetime(jiff::civil::Time::midnight());
        self.settings.zone.to_ambiguous_zoned(next).compatible().ok().map(|zoned| zoned.timestamp())
    }
}

/// `1.98501E+17`: what a spreadsheet makes of a long number.
fn is_rounded(cell: &str) -> bool {
    let Some((number, exponent)) = cell.split_once(['E', 'e']) else { return false };
    let digits = |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_digit());
    digits(exponent.trim_start_matches('+')) && digits(&number.replace(['.', ','], ""))
}

#[cfg(test)]
mod tests;
