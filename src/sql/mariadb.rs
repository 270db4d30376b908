//! A connection to MariaDB or MySQL.

use super::client::client;
use super::{Engine, Kind, Session, Trouble, Value, line};
use crate::config::database::{DatabaseServer, ServerPlace};
use crate::model::Secret;
use sqlx::mysql::{MySqlConnectOptions, MySqlRow, MySqlSslMode};
use sqlx::{Column, ConnectOptions, Row, TypeInfo};
use std::path::Path;
use tokio::runtime::Handle;

client!(MariaDb, sqlx::MySql, Engine::MariaDb, text: str::to_owned, cell: cell);

impl MariaDb {
    /// Connects and logs in.
    pub fn connect(
        server: &DatabaseServer,
        password: Option<&Secret>,
        ca_file: Option<&Path>,
        handle: &Handle,
    ) -> Result<Self, Trouble> {
        let mut mariadb = Self::dial(&options(server, password, ca_file), handle)?;
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
            Err(trouble) if trouble.kind == Kind::Disconnected => Err(trouble),
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

fn cell(row: &MySqlRow, n: usize) -> Result<Value, sqlx::Error> {
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
}
