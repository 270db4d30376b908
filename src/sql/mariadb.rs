//! A connection to MariaDB or MySQL.

use super::line::{self, Line, of_commit};
use super::{Engine, Remote, Row, Session, Trouble, Value};
use crate::config::database::{DatabaseServer, ServerPlace};
use crate::model::Secret;
use sqlx::mysql::{MySqlArguments, MySqlConnectOptions, MySqlConnection, MySqlRow, MySqlSslMode};
use sqlx::query::Query;
use sqlx::{AssertSqlSafe, Column, ConnectOptions, Connection, Row as _, TypeInfo};
use std::path::Path;
use tokio::runtime::Handle;

/// One connection.
#[derive(Debug)]
pub struct MariaDb {
    connection: MySqlConnection,
    line: Line,
}

impl MariaDb {
    /// Connects and logs in.
    pub fn connect(
        server: &DatabaseServer,
        password: Option<&Secret>,
        ca_file: Option<&Path>,
        handle: &Handle,
    ) -> Result<Self, Trouble> {
        let options = options(server, password, ca_file);
        let connection = line::within(handle, line::CONNECT, options.connect())
            .ok_or_else(|| Trouble::transient(format!("no connection within {} s", line::CONNECT.as_secs())))?
            .map_err(|error| line::trouble(Engine::MariaDb, &error))?;
        let mut mariadb = Self { connection, line: Line::new(handle.clone(), Engine::MariaDb) };
        // What does not fit is refused and not cut off; readers that see each other's rows only when committed take no gap locks.
        mariadb.run(
            &format!(
                "SET SESSION sql_mode = concat(@@sql_mode, ',STRICT_ALL_TABLES'), innodb_lock_wait_timeout = {}; \
                 SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED",
                line::LOCK.as_secs()
            ),
            &[],
        )?;
        // MySQL has no such setting for statements that write.
        match mariadb.run(&format!("SET SESSION max_statement_time = {}", line::STATEMENT.as_secs()), &[]) {
            Err(trouble) if trouble.lost => Err(trouble),
            _ => Ok(mariadb),
        }
    }
}

fn options(server: &DatabaseServer, password: Option<&Secret>, ca_file: Option<&Path>) -> MySqlConnectOptions {
    let mut options = MySqlConnectOptions::new()
        .username(&server.user)
        .database(&server.name)
        .port(server.port)
        .ssl_mode(MySqlSslMode::Disabled)
        // What compares is the server's choice for the columns.
        .timezone(None)
        .disable_statement_logging();
    options = match &server.place {
        ServerPlace::Host(host) => options.host(host),
        ServerPlace::Socket(path) => options.socket(path),
    };
    if let Some(password) = password {
        options = options.password(password.expose());
    }
    if let Some(ca_file) = ca_file {
        options = options.ssl_mode(MySqlSslMode::VerifyIdentity).ssl_ca(ca_file);
    }
    options
}

impl Session for MariaDb {
    fn engine(&self) -> Engine {
        self.line.engine()
    }

    fn run(&mut self, sql: &str, values: &[Value]) -> Result<u64, Trouble> {
        let done = if values.is_empty() {
            // The text protocol: several statements, and those that cannot be prepared.
            self.line.wait(sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&mut self.connection))?
        } else {
            self.line.wait(query(sql, values).execute(&mut self.connection))?
        };
        Ok(done.rows_affected())
    }

    fn rows(&mut self, sql: &str, values: &[Value]) -> Result<Vec<Row>, Trouble> {
        let rows = self.line.wait(query(sql, values).fetch_all(&mut self.connection))?;
        rows.iter().map(|row| row_of(row).map_err(|error| line::trouble(Engine::MariaDb, &error))).collect()
    }

    fn commit(&mut self) -> Result<(), Trouble> {
        self.run("COMMIT", &[]).map(|_| ()).map_err(of_commit)
    }
}

impl Remote for MariaDb {
    fn is_lost(&self) -> bool {
        self.line.is_lost()
    }

    fn close(self: Box<Self>) {
        let Self { connection, mut line } = *self;
        let _ = line.wait(connection.close());
    }
}

/// What is bound is never part of the text.
fn query(sql: &str, values: &[Value]) -> Query<'static, sqlx::MySql, MySqlArguments> {
    values.iter().fold(sqlx::query(AssertSqlSafe(sql.to_owned())), |query, value| match value {
        Value::Integer(number) => query.bind(*number),
        Value::Text(text) => query.bind(text.as_deref()),
        Value::Secret(secret) => query.bind(secret.expose()),
    })
}

fn row_of(row: &MySqlRow) -> Result<Row, sqlx::Error> {
    let cell = |n: usize| -> Result<Value, sqlx::Error> {
        Ok(match row.column(n).type_info().name() {
            name if name.ends_with("UNSIGNED") => {
                let number = row.try_get_unchecked::<Option<u64>, _>(n)?;
                Value::Integer(number.map(|n| i64::try_from(n).unwrap_or(i64::MAX)))
            }
            "BOOLEAN" | "TINYINT" | "SMALLINT" | "INT" | "MEDIUMINT" | "BIGINT" => {
                Value::Integer(row.try_get_unchecked(n)?)
            }
            _ => Value::Text(row.try_get_unchecked(n)?),
        })
    };
    Ok(Row((0..row.len()).map(cell).collect::<Result<_, _>>()?))
}
