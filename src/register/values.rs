//! How cells are written and read.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

/// Between the parts of a cell that is a list.
pub const BETWEEN: &str = " | ";

/// A list as a cell.
pub fn list(parts: &[String]) -> String {
    // What separates the parts cannot be in one of them.
    parts.iter().map(|part| part.replace('|', "/")).collect::<Vec<_>>().join(BETWEEN)
}

/// The parts of a cell that is a list.
pub fn parts(cell: &str) -> Vec<String> {
    cell.split('|').map(|part| part.trim().to_owned()).filter(|part| !part.is_empty()).collect()
}

pub fn day(day: Date) -> String {
    day.to_string()
}

pub fn time(at: Timestamp, zone: &TimeZone) -> String {
    at.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M").to_string()
}

/// A day as people and spreadsheets write it: `2027-06-30`, `30/06/2027`, `30-6-2027`, `30.06.2027`.
pub fn read_day(cell: &str) -> Option<Date> {
    let cell = cell.trim();
    // Of a time only the day counts.
    let cell = cell.split_once([' ', 'T']).map_or(cell, |(day, _)| day);
    if let Ok(day) = cell.parse() {
        return Some(day);
    }
    let parts: Vec<&str> = cell.split(['/', '-', '.']).collect();
    let [day, month, year] = parts.as_slice() else { return None };
    (year.len() == 4).then_some(())?;
    Date::new(year.parse().ok()?, month.parse().ok()?, day.parse().ok()?).ok()
}

/// A moment: as [`time`] writes it, or a day, which then begins in `zone`.
pub fn read_time(cell: &str, zone: &TimeZone) -> Option<Timestamp> {
    let cell = cell.trim();
    let at = jiff::civil::DateTime::strptime("%Y-%m-%d %H:%M", cell).ok();
    let at = at.or_else(|| read_day(cell).map(|day| day.to_datetime(jiff::civil::Time::midnight())))?;
    zone.to_ambiguous_zoned(at).compatible().ok().map(|zoned| zoned.timestamp())
}

/// Spreadsheets carry out what begins so; with an apostrophe before it, it is text (CWE-1236).
const FORMULA: [char; 7] = ['=', '+', '-', '@', '\t', '\r', '\n'];

/// A cell that no spreadsheet takes for a formula.
pub fn defused(cell: &str) -> String {
    // One that begins with an apostrophe by itself is told from one that was given it.
    match cell.starts_with(FORMULA) || cell.starts_with('\'') {
        true => format!("'{cell}"),
        false => cell.to_owned(),
    }
}

/// The cell as it was before [`defused`].
pub fn undefused(cell: &str) -> &str {
    match cell.strip_prefix('\'') {
        Some(rest) if rest.starts_with(FORMULA) || rest.starts_with('\'') => rest,
        _ => cell,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn days_and_times_are_read_as_people_write_them() {
        for text in ["2027-06-30", "30/06/2027", "30-6-2027", "30.06.2027", " 2027-06-30 14:20", "2027-06-30T00:00:00"]
        {
            assert_eq!(read_day(text), "2027-06-30".parse().ok(), "{text}");
        }
        for text in ["", "30/06/27", "2027-06-31", "06/30/2027", "besok", "45838"] {
            assert_eq!(read_day(text), None, "{text}");
        }
        let zone = TimeZone::get("Asia/Jakarta").unwrap();
        assert_eq!(read_time("2026-11-20 09:00", &zone), "2026-11-20T09:00:00+07:00".parse().ok());
        assert_eq!(read_time("20/11/2026", &zone), "2026-11-20T00:00:00+07:00".parse().ok());
    }

    #[test]
    fn a_cell_that_a_spreadsheet_would_carry_out_becomes_text() {
        for formula in ["=1+1", "+62812", "-1", "@SUM(A1)", "\t=1", "\r=1", "=HYPERLINK(\"http://x\")"] {
            let defused = defused(formula);
            assert!(defused.starts_with('\''), "{formula}");
            assert_eq!(undefused(&defused), formula);
        }
        assert_eq!(defused("Biro Umum"), "Biro Umum");
        assert_eq!(undefused("'Aisyiyah"), "'Aisyiyah", "an office's own apostrophe stays");
    }

    proptest! {
        #[test]
        fn what_was_defused_is_read_back_and_is_no_formula(cell in any::<String>()) {
            let defused = defused(&cell);
            prop_assert!(!defused.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']));
            prop_assert_eq!(undefused(&defused), cell);
        }

        #[test]
        fn lists_are_read_back(parts_in in proptest::collection::vec("[a-z@.]{1,10}", 0..5)) {
            prop_assert_eq!(parts(&list(&parts_in)), parts_in);
        }
    }
}
