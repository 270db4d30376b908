//! A connection to PostgreSQL.

use super::client::client;
use super::{Engine, Session, Trouble, Value, line};
use crate::config::database::{DatabaseServer, ServerPlace};
use crate::model::Secret;
use sqlx::postgres::{PgConnectOptions, PgRow, PgSslMode};
use sqlx::{Column, ConnectOptions, Row, TypeInfo};
use std::fmt::Write;
use std::path::Path;
use tokio::runtime::Handle;

client!(Postgres, sqlx::Postgres, Engine::Postgres, text: numbered, cell: cell);

impl Postgres {
    /// Connects and logs in.
    pub fn connect(
        server: &DatabaseServer,
        password: Option<&Secret>,
        ca_file: Option<&Path>,
        handle: &Handle,
    ) -> Result<Self, Trouble> {
        let mut postgres = Self::dial(&options(server, password, ca_file), handle)?;
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

fn cell(row: &PgRow, n: usize) -> Result<Value, sqlx::Error> {
    Ok(match row.column(n).type_info().name() {
        "INT2" => Value::Integer(row.try_get::<Option<i16>, _>(n)?.map(i64::from)),
        "INT4" => Value::Integer(row.try_get::<Option<i32>, _>(n)?.map(i64::from)),
        "INT8" => Value::Integer(row.try_get(n)?),
        "BOOL" => Value::Integer(row.try_get::<Option<bool>, _>(n)?.map(i64::from)),
        _ => Value::Text(row.try_get_unchecked(n)?),
    })
}
