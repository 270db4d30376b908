//! Printing: tables for people, one JSON document for programs.
//!
//! A reader that has seen enough (`akund list | head`) is no failure, and does not change the exit code; a full disk under
//! standard output is one.

use super::exit::Failure;
use comfy_table::{ColumnConstraint, ContentArrangement, Table, presets};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Serialize;
use std::fmt::Arguments;
use std::io::{self, IsTerminal, Write};
use std::sync::OnceLock;

static UNWRITABLE: OnceLock<io::Error> = OnceLock::new();

/// Prints a line on standard output, as `println!` does but without a panic where it cannot.
macro_rules! say {
    () => { $crate::cli::output::line(format_args!("")) };
    ($($text:tt)*) => { $crate::cli::output::line(format_args!($($text)*)) };
}
pub(super) use say;

/// Prints a line; what went wrong is kept for [`unwritable`].
pub fn line(text: Arguments) {
    let mut out = io::stdout().lock();
    keep(out.write_fmt(text).and_then(|()| out.write_all(b"\n")));
}

/// Why standard output did not take everything, if it should have.
pub fn unwritable() -> Option<&'static io::Error> {
    keep(io::stdout().flush());
    UNWRITABLE.get()
}

fn keep(written: io::Result<()>) {
    if let Err(error) = written
        && error.kind() != io::ErrorKind::BrokenPipe
    {
        let _ = UNWRITABLE.set(error);
    }
}

/// Prints why a command could not do what was asked: text on stderr, or with `--json` a document on stdout.
pub fn failure(failure: &Failure, json: bool) {
    if json {
        say!("{}", serde_json::json!({"error": failure.message, "exit": failure.exit.code()}));
    } else {
        eprintln!("akund: {}", failure.message.trim_end());
    }
}

/// Prints a document as JSON.
pub fn json(document: &impl Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(document)
        .map_err(|error| Failure::new(super::Exit::InputOutput, error.to_string()))?;
    line(format_args!("{text}"));
    Ok(())
}

/// A table with a head, as wide as the terminal or `COLUMNS` allows; in a pipe one line per row, for grep.
pub fn table(head: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
    if !std::io::stdout().is_terminal()
        && let Some(columns) = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok())
    {
        table.set_width(columns);
    }
    table.set_header(head.iter().map(|title| title.to_uppercase()));
    table
}

/// Columns that are never broken: names and times, which people copy.
pub fn keep_whole(table: &mut Table, columns: &[usize]) {
    for column in columns {
        if let Some(column) = table.column_mut(*column) {
            column.set_constraint(ColumnConstraint::ContentWidth);
        }
    }
}

/// A time in the system's zone, which it names, to the second.
pub fn time(at: Timestamp) -> String {
    let system = TimeZone::system();
    let zone = if system.is_unknown() { TimeZone::UTC } else { system };
    at.to_zoned(zone).strftime("%Y-%m-%d %H:%M:%S %Z").to_string()
}

/// So many of them: `1 record`, `2 records`.
pub fn counted(count: impl TryInto<u64>, what: &str) -> String {
    let count = count.try_into().unwrap_or(u64::MAX);
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_names_its_zone_and_one_is_no_plural() {
        let shown = time(Timestamp::UNIX_EPOCH);
        assert_eq!(shown.split(' ').count(), 3, "{shown}");
        assert_eq!([0, 1, 2].map(|n: usize| counted(n, "record")), ["0 records", "1 record", "2 records"]);
    }
}
