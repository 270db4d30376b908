//! A connection to PostgreSQL.

use super::line::{self, Line, of_commit};
use super::{Engine, Remote, Row, Session, Trouble, Value};
use crate::config::database::{DatabaseServer, ServerPlace};
use crate::model::Secret;
use sqlx::postgres::{PgArguments, PgConnectOptions, PgConnection, PgRow, PgSslMode};
use sqlx::query::Query;
use sqlx::{AssertSqlSafe, Column, ConnectOptions, Connection, Row as _, TypeInfo};
use std::fmt::Write;
use std::path::Path;
use tokio::runtime::Handle;

/// One connection.
#[derive(Debug)]
pub struct Postgres {
    connection: PgConnection,
    line: Line,
}

impl Postgres {
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
            .map_err(|error| line::trouble(Engine::Postgres, &error))?;
        let mut postgres = Self { connection, line: Line::new(handle.clone(), Engine::Postgres) };
        let (statement, lock) = (line::STATEMENT.as_millis(), line::LOCK.as_millis());
        postgres.run(
            &format!(
                "SET client_min_messages = warning; SET statement_timeout = {statement}; SET lock_timeout = {lock}; \
                 SET idle_in_transaction_session_timeout = {}; \
                 SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'",
                2 * statement
            ),
            &[],
        )?;
        Ok(postgres)
    }
}

fn options(server: &DatabaseServer, password: Option<&Secret>, ca_file: Option<&Path>) -> PgConnectOptions {
    let mut options = PgConnectOptions::new_without_pgpass()
        .username(&server.user)
        .database(&server.name)
        .port(server.port)
        .application_name("akund")
        .ssl_mode(PgSslMode::Disable)
        .disable_statement_logging();
    options = match &server.place {
        ServerPlace::Host(host) => options.host(host),
        ServerPlace::Socket(directory) => options.socket(directory),
    };
    if let Some(password) = password {
        options = options.password(password.expose());
    }
    if let Some(ca_file) = ca_file {
        options = options.ssl_mode(PgSslMode::VerifyFull).ssl_root_cert(ca_file);
    }
    options
}

impl Session for Postgres {
    fn engine(&self) -> Engine {
        self.line.engine()
    }

    fn run(&mut self, sql: &str, values: &[Value]) -> Result<u64, Trouble> {
        let done = if values.is_empty() {
            // The simple protocol: several statements, and those that cannot be prepared.
            self.line.wait(sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&mut self.connection))?
        } else {
            self.line.wait(query(sql, values).execute(&mut self.connection))?
        };
        Ok(done.rows_affected())
    }

    fn rows(&mut self, sql: &str, values: &[Value]) -> Result<Vec<Row>, Trouble> {
        let rows = self.line.wait(query(sql, values).fetch_all(&mut self.connection))?;
        rows.iter().map(|row| row_of(row).map_err(|error| line::trouble(Engine::Postgres, &error))).collect()
    }

    fn commit(&mut self) -> Result<(), Trouble> {
        self.run("COMMIT", &[]).map(|_| ()).map_err(of_commit)
    }
}

impl Remote for Postgres {
    fn is_lost(&self) -> bool {
        self.line.is_lost()
    }

    fn close(self: Box<Self>) {
        let Self { connection, mut line } = *self;
        let _ = line.wait(connection.close());
    }
}

/// What is bound is never part of the text: see `numbered`.
fn query(sql: &str, values: &[Value]) -> Query<'static, sqlx::Postgres, PgArguments> {
    values.iter().fold(sqlx::query(AssertSqlSafe(numbered(sql))), |query, value| match value {
        Value::Integer(number) => query.bind(*number),
        Value::Text(text) => query.bind(text.as_deref()),
        Value::Secret(secret) => query.bind(secret.expose()),
    })
}

/// PostgreSQL's placeholders have numbers. akund's statements have no `?` but placeholders.
fn numbered(sql: &str) -> String {
    let mut numbered = String::with_capacity(sql.len() + sql.len() / 4);
    for (n, part) in sql.split('?').enumerate() {
        if n > 0 {
            let _ = write!(numbered, "${n}");
        }
        numbered.push_str(part);
    }
    numbered
}

fn row_of(row: &PgRow) -> Result<Row, sqlx::Error> {
    let cell = |n: usize| -> Result<Value, sqlx::Error> {
        Ok(match row.column(n).type_info().name() {
            "INT2" => Value::Integer(row.try_get::<Option<i16>, _>(n)?.map(i64::from)),
            "INT4" => Value::Integer(row.try_get::<Option<i32>, _>(n)?.map(i64::from)),
            "INT8" => Value::Integer(row.try_get(n)?),
            "BOOL" => Value::Integer(row.try_get::<Option<bool>, _>(n)?.map(i64::from)),
            _ => Value::Text(row.try_get_unchecked(n)?),
        })
    };
    Ok(Row((0..row.len()).map(cell).collect::<Result<_, _>>()?))
}
