//! Statements for many rows: as few as the longest statement allows, and of few different lengths, so that the prepared
//! ones are used again.

use super::{Row, Session, Trouble, Value};
use std::collections::HashSet;
use std::fmt::Write;

/// Most keys or rows in one statement; a power of two.
const MOST: usize = 256;

/// `{select} WHERE {key} IN (…) {rest}` for all the values. Nothing is asked for no values.
///
/// # Errors
/// As the session's.
pub fn select(
    db: &mut dyn Session,
    select: &str,
    key: &str,
    values: &[Value],
    rest: &str,
) -> Result<Vec<Row>, Trouble> {
    let mut rows = Vec::new();
    for chunk in values.chunks(MOST) {
        let (marks, padded) = keys(chunk);
        rows.extend(db.rows(&format!("{select} WHERE {key} IN ({marks}) {rest}"), &padded)?);
    }
    Ok(rows)
}

/// Like [`select`] for names in lower case: each row with the name that it was found by. `column` is the place of the name among
/// the columns; `select` has no `?`.
///
/// A collation may take more for the same than the case of letters: MariaDB's `utf8mb4_general_ci` passes over accents and trailing
/// blanks, and so do the readers of the tables. A row whose name is none of those asked for has one of them all the same,
/// and then each name is asked about by itself.
///
/// # Errors
/// As the session's.
pub fn select_named(
    db: &mut dyn Session,
    head: &str,
    key: &str,
    names: &[String],
    column: usize,
    rest: &str,
) -> Result<Vec<(String, Row)>, Trouble> {
    let asked: HashSet<&str> = names.iter().map(String::as_str).collect();
    let values: Vec<Value> = names.iter().map(Value::from).collect();
    let mut found = Vec::new();
    for row in select(db, head, key, &values, rest)? {
        let name = row.peek(column)?.to_ascii_lowercase();
        if !asked.contains(name.as_str()) {
            return one_by_one(db, head, key, names, rest);
        }
        found.push((name, row));
    }
    Ok(found)
}

fn one_by_one(
    db: &mut dyn Session,
    head: &str,
    key: &str,
    names: &[String],
    rest: &str,
) -> Result<Vec<(String, Row)>, Trouble> {
    let mut found = Vec::new();
    for name in names {
        let rows = select(db, head, key, &[Value::from(name)], rest)?;
        found.extend(rows.into_iter().map(|row| (name.clone(), row)));
    }
    Ok(found)
}

/// `{head} WHERE {key} IN (…)`, with `first` for the `?` before it. Nothing is done for no values.
///
/// # Errors
/// As the session's.
pub fn change(db: &mut dyn Session, head: &str, first: &[Value], key: &str, values: &[Value]) -> Result<u64, Trouble> {
    let mut changed = 0;
    for chunk in values.chunks(MOST) {
        let (marks, padded) = keys(chunk);
        let all: Vec<Value> = first.iter().cloned().chain(padded).collect();
        changed += db.run(&format!("{head} WHERE {key} IN ({marks})"), &all)?;
    }
    Ok(changed)
}

/// `INSERT INTO {table} ({columns}) VALUES (…), (…)`.
///
/// # Errors
/// As the session's.
pub fn insert(db: &mut dyn Session, table: &str, columns: &str, rows: Vec<Vec<Value>>) -> Result<(), Trouble> {
    insert_with(db, table, columns, rows, "")
}

/// Like [`insert`], without the rows whose key, which is the first column, is there.
///
/// # Errors
/// As the session's.
pub fn insert_missing(db: &mut dyn Session, table: &str, columns: &str, rows: Vec<Vec<Value>>) -> Result<(), Trouble> {
    let key = columns.split(',').next().unwrap_or(columns);
    let tail = db.engine().or_leave_out(key);
    insert_with(db, table, columns, rows, &tail)
}

fn insert_with(
    db: &mut dyn Session,
    table: &str,
    columns: &str,
    rows: Vec<Vec<Value>>,
    tail: &str,
) -> Result<(), Trouble> {
    let width = columns.split(',').count();
    let mut left = rows.into_iter();
    while left.len() > 0 {
        let now = left.len().min(MOST);
        // The largest power of two that fits.
        let now = 1 << now.ilog2();
        let values: Vec<Value> = left.by_ref().take(now).flatten().collect();
        let row = format!("({})", marks(width));
        let all = vec![row; now].join(", ");
        db.run(&format!("INSERT INTO {table} ({columns}) VALUES {all} {tail}"), &values)?;
    }
    Ok(())
}

/// As many marks as the next power of two, and the values with the last one repeated up to that number.
fn keys(values: &[Value]) -> (String, Vec<Value>) {
    let mut padded = values.to_vec();
    if let Some(last) = values.last() {
        padded.resize(values.len().next_power_of_two(), last.clone());
    }
    (marks(padded.len()), padded)
}

fn marks(number: usize) -> String {
    let mut marks = String::with_capacity(3 * number);
    for n in 0..number {
        let _ = write!(marks, "{}?", if n == 0 { "" } else { ", " });
    }
    marks
}
