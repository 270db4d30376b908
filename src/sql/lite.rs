//! An SQLite connection as a session, and what SQLite's errors mean.

use super::{Engine, Kind, Row, Session, Stop, Trouble, Value};
use crate::model::FaultClass;
use rusqlite::types::{ToSql, ToSqlOutput, ValueRef};
use rusqlite::{Connection, ErrorCode, ffi, params_from_iter};
use std::time::Duration;

/// How long a lock held by another program is waited for.
pub(super) const BUSY: Duration = Duration::from_secs(5);

impl From<rusqlite::Error> for Trouble {
    fn from(error: rusqlite::Error) -> Self {
        let kind = kind(&error);
        Self { class: class(&error, kind), cause: cause(&error), kind }
    }
}
impl From<rusqlite::Error> for Stop {
    fn from(error: rusqlite::Error) -> Self {
        Self::Trouble(error.into())
    }
}

/// A connection as a session.
#[derive(Debug)]
pub struct Lite<'c>(pub &'c Connection);

impl Session for Lite<'_> {
    fn engine(&self) -> Engine {
        Engine::Sqlite
    }

    fn run(&mut self, sql: &str, values: &[Value]) -> Result<u64, Trouble> {
        if values.is_empty() && sql.contains(';') {
            self.0.execute_batch(sql)?;
            return Ok(0);
        }
        let changed = self.0.prepare_cached(sql)?.execute(params_from_iter(values))?;
        Ok(u64::try_from(changed).unwrap_or(u64::MAX))
    }

    fn rows(&mut self, sql: &str, values: &[Value]) -> Result<Vec<Row>, Trouble> {
        let mut statement = self.0.prepare_cached(sql)?;
        let width = statement.column_count();
        let mut found = statement.query(params_from_iter(values))?;
        let mut rows = Vec::new();
        while let Some(row) = found.next()? {
            let cells: Result<Vec<Value>, rusqlite::Error> = (0..width).map(|n| row.get_ref(n).map(cell)).collect();
            rows.push(Row(cells?));
        }
        Ok(rows)
    }

    fn commit(&mut self) -> Result<(), Trouble> {
        self.run("COMMIT", &[]).map(|_| ())
    }
}

impl ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Integer(Some(number)) => ValueRef::Integer(*number),
            Self::Text(Some(text)) => ValueRef::Text(text.as_bytes()),
            Self::Secret(secret) => ValueRef::Text(secret.expose().as_bytes()),
            Self::Integer(None) | Self::Text(None) => ValueRef::Null,
        }))
    }
}

/// SQLite gives each value the type that it was written with: a number is a number only by itself.
fn cell(value: ValueRef<'_>) -> Value {
    match value {
        ValueRef::Null => Value::Text(None),
        ValueRef::Integer(number) => Value::Integer(Some(number)),
        ValueRef::Real(number) => Value::Text(Some(number.to_string())),
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => Value::Text(Some(String::from_utf8_lossy(bytes).into_owned())),
    }
}

/// What an error asks for. A table that is not there has no code of its own.
fn kind(error: &rusqlite::Error) -> Kind {
    match error {
        rusqlite::Error::SqlInputError { msg, .. } | rusqlite::Error::SqliteFailure(_, Some(msg))
            if msg.starts_with("no such table") =>
        {
            Kind::NoTable
        }
        error if must_reopen(error) => Kind::Disconnected,
        _ => Kind::Other,
    }
}

/// What class of fault an error of SQLite is.
fn class(error: &rusqlite::Error, kind: Kind) -> FaultClass {
    use ErrorCode as C;
    // As on a server: a table may be mended.
    if kind == Kind::NoTable {
        return FaultClass::Transient;
    }
    match error.sqlite_error_code() {
        Some(C::ConstraintViolation) => match error.sqlite_error().map(|e| e.extended_code) {
            Some(ffi::SQLITE_CONSTRAINT_UNIQUE | ffi::SQLITE_CONSTRAINT_PRIMARYKEY) => FaultClass::Conflict,
            _ => FaultClass::Permanent,
        },
        Some(
            C::DiskFull
            | C::ReadOnly
            | C::DatabaseBusy
            | C::DatabaseLocked
            | C::SystemIoFailure
            | C::CannotOpen
            | C::OutOfMemory
            | C::FileLockingProtocolFailed
            | C::PermissionDenied
            | C::OperationInterrupted
            | C::OperationAborted
            | C::SchemaChanged,
        ) => FaultClass::Transient,
        _ => FaultClass::Permanent,
    }
}

fn must_reopen(error: &rusqlite::Error) -> bool {
    use ErrorCode as C;
    matches!(
        error.sqlite_error_code(),
        Some(
            C::SystemIoFailure
                | C::CannotOpen
                | C::DatabaseCorrupt
                | C::NotADatabase
                | C::ReadOnly
                | C::FileLockingProtocolFailed
        )
    )
}

/// The cause in words; SQLite's own text of a statement error never holds a bound value.
fn cause(error: &rusqlite::Error) -> String {
    use ErrorCode as C;
    match error.sqlite_error_code() {
        Some(C::DiskFull) => "the disk is full".into(),
        Some(C::ReadOnly) => "it cannot be written (read-only file or file system)".into(),
        Some(C::DatabaseBusy | C::DatabaseLocked) => {
            format!("another program has held its lock for more than {} s", BUSY.as_secs())
        }
        Some(C::SystemIoFailure) => format!("the file system reported an input/output error ({error})"),
        Some(C::CannotOpen) => "the file cannot be opened (missing, or no permission)".into(),
        Some(C::DatabaseCorrupt) => "the file is damaged; restore it, or let akund make a new one".into(),
        Some(C::NotADatabase) => "the file is not an SQLite database".into(),
        _ => error.to_string(),
    }
}
