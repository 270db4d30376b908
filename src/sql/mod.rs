//! The SQL databases through which akund and others work together, on SQLite, PostgreSQL and MariaDB: connections, transactions,
//! and what their errors mean. The journal's own database knows nothing of this.
//!
//! Statements are plain SQL with `?` for each value; where the engines differ, `dialect` knows.

pub mod certificate;
mod client;
mod dialect;
pub mod inspect;
mod inspect_server;
mod line;
pub mod lite;
pub mod many;
mod mariadb;
mod postgres;
mod schema;
pub mod server;
pub mod sqlite;
pub mod store;
mod transaction;

pub use dialect::Engine;
pub use schema::Schema;
pub use store::Store;

use crate::model::{Fault, FaultClass, Secret};

/// One connection, used by one thread at a time. Blocks.
pub trait Session {
    /// Whose SQL it speaks.
    fn engine(&self) -> Engine;
    /// Runs a statement; how many rows it changed. One without values may be several, separated by `;`.
    ///
    /// # Errors
    /// Whatever the database says, classified.
    fn run(&mut self, sql: &str, values: &[Value]) -> Result<u64, Trouble>;
    /// Runs a query; all its rows.
    ///
    /// # Errors
    /// Whatever the database says, classified.
    fn rows(&mut self, sql: &str, values: &[Value]) -> Result<Vec<Row>, Trouble>;
    /// Ends the transaction.
    ///
    /// # Errors
    /// Class unknown, where the answer was lost: it may have happened.
    fn commit(&mut self) -> Result<(), Trouble>;
}

/// A connection to a server.
pub trait Remote: Session + Send {
    /// Whether it is of no more use.
    fn is_lost(&self) -> bool;
    /// Says goodbye.
    fn close(self: Box<Self>);
}

/// A value bound to a `?`, or read from a column. A `NULL` has a type, because PostgreSQL wants to know it.
#[derive(Debug, Clone)]
pub enum Value {
    /// A whole number.
    Integer(Option<i64>),
    /// Text.
    Text(Option<String>),
    /// Text that must not leak.
    Secret(Secret),
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(Some(text.to_owned()))
    }
}
impl From<&String> for Value {
    fn from(text: &String) -> Self {
        Self::Text(Some(text.clone()))
    }
}
impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(Some(text))
    }
}
impl From<Option<&str>> for Value {
    fn from(text: Option<&str>) -> Self {
        Self::Text(text.map(ToOwned::to_owned))
    }
}
impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Integer(Some(number))
    }
}
impl From<Option<i64>> for Value {
    fn from(number: Option<i64>) -> Self {
        Self::Integer(number)
    }
}
impl From<&Secret> for Value {
    fn from(secret: &Secret) -> Self {
        Self::Secret(secret.clone())
    }
}

/// One row of an answer.
#[derive(Debug)]
pub struct Row(pub Vec<Value>);

impl Row {
    /// Text, or nothing where it is `NULL`. Numbers are text, too.
    ///
    /// # Errors
    /// Where there is no such column.
    pub fn maybe_text(&mut self, column: usize) -> Result<Option<String>, Trouble> {
        match self.take(column)? {
            Value::Text(text) => Ok(text),
            Value::Integer(number) => Ok(number.map(|n| n.to_string())),
            Value::Secret(secret) => Ok(Some(secret.expose().to_owned())),
        }
    }

    /// A text that stays in the row; none where it is `NULL` or no text.
    ///
    /// # Errors
    /// As [`Self::maybe_text`].
    fn peek(&self, column: usize) -> Result<&str, Trouble> {
        match self.0.get(column) {
            Some(Value::Text(text)) => Ok(text.as_deref().unwrap_or_default()),
            Some(_) => Ok(""),
            None => Err(Trouble::permanent(format!("the answer has no column {column}"))),
        }
    }

    /// Text; none where it is `NULL`.
    ///
    /// # Errors
    /// As [`Self::maybe_text`].
    pub fn text(&mut self, column: usize) -> Result<String, Trouble> {
        Ok(self.maybe_text(column)?.unwrap_or_default())
    }

    /// Text that must not leak.
    ///
    /// # Errors
    /// As [`Self::maybe_text`].
    pub fn secret(&mut self, column: usize) -> Result<Secret, Trouble> {
        Ok(Secret::new(self.text(column)?))
    }

    /// A whole number, or nothing where it is `NULL`.
    ///
    /// # Errors
    /// Where there is no such column, or no number in it.
    pub fn maybe_integer(&mut self, column: usize) -> Result<Option<i64>, Trouble> {
        match self.take(column)? {
            Value::Integer(number) => Ok(number),
            Value::Text(None) => Ok(None),
            Value::Text(Some(text)) => text.trim().parse().map(Some).map_err(|_| {
                Trouble::permanent(format!("column {column} of the answer is text where a number should be"))
            }),
            Value::Secret(_) => Err(Trouble::permanent(format!("column {column} of the answer is no number"))),
        }
    }

    /// A whole number; 0 where it is `NULL`.
    ///
    /// # Errors
    /// As [`Self::maybe_integer`].
    pub fn integer(&mut self, column: usize) -> Result<i64, Trouble> {
        Ok(self.maybe_integer(column)?.unwrap_or_default())
    }

    fn take(&mut self, column: usize) -> Result<Value, Trouble> {
        match self.0.get_mut(column) {
            Some(value) => Ok(std::mem::replace(value, Value::Text(None))),
            None => Err(Trouble::permanent(format!("the answer has no column {column}"))),
        }
    }
}

/// What a database said instead of doing what it was asked.
#[derive(Debug, Clone)]
pub struct Trouble {
    /// What sort of failure it is.
    pub class: FaultClass,
    /// In words; never a bound value.
    pub cause: String,
    /// What is to be done about it beside that.
    pub kind: Kind,
}

/// What a trouble asks for beside what its class says; told where the database's error is read, by its code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The connection is of no more use: open another.
    Disconnected,
    /// A table is not there: a connection opened anew makes it, where akund may.
    NoTable,
    /// A right is missing: a connection may go on without one that it lacked when it was opened, after that was given.
    NoRight,
    /// Nothing.
    Other,
}

impl Trouble {
    /// Repeating it will not help.
    pub fn permanent(cause: impl Into<String>) -> Self {
        Self { class: FaultClass::Permanent, cause: cause.into(), kind: Kind::Other }
    }
    /// It may pass.
    pub fn transient(cause: impl Into<String>) -> Self {
        Self { class: FaultClass::Transient, cause: cause.into(), kind: Kind::Other }
    }
}

/// Why something was not done.
#[derive(Debug)]
pub enum Stop {
    /// Decided by akund.
    Fault(Fault),
    /// Said by the database.
    Trouble(Trouble),
}

impl Stop {
    /// What the database said that asks for this.
    fn is(&self, kind: Kind) -> bool {
        matches!(self, Self::Trouble(trouble) if trouble.kind == kind)
    }
}

impl From<Fault> for Stop {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}
impl From<Trouble> for Stop {
    fn from(trouble: Trouble) -> Self {
        Self::Trouble(trouble)
    }
}
