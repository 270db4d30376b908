//! The line to a server: waiting on it from a thread that may block, and what its errors mean.

use super::{Engine, Kind, Trouble};
use crate::model::FaultClass;
use sqlx::error::{DatabaseError, Error};
use std::time::Duration;
use tokio::runtime::Handle;

/// How long a connection may take to be opened, TLS and login included.
pub(super) const CONNECT: Duration = Duration::from_secs(10);
/// How long the server may work on one statement; it ends it by itself.
pub(super) const STATEMENT: Duration = Duration::from_secs(30);
/// How long the server may wait for another's lock.
pub(super) const LOCK: Duration = Duration::from_secs(5);
/// A server that has said nothing for this long is gone, and so is the connection.
const SILENCE: Duration = Duration::from_secs(40);

/// One connection's way to wait. What was being waited for when it gave up is dropped together with the connection, which is never
/// used again: a future dropped by itself would leave half an answer, or an open transaction, behind.
#[derive(Debug)]
pub(super) struct Line {
    handle: Handle,
    engine: Engine,
    lost: bool,
}

impl Line {
    pub(super) fn new(handle: Handle, engine: Engine) -> Self {
        Self { handle, engine, lost: false }
    }

    /// Whether the connection is of no more use.
    pub(super) fn is_lost(&self) -> bool {
        self.lost
    }

    pub(super) fn engine(&self) -> Engine {
        self.engine
    }

    /// Waits for an answer.
    pub(super) fn wait<T>(&mut self, answer: impl Future<Output = Result<T, Error>>) -> Result<T, Trouble> {
        if self.lost {
            return Err(gone("the connection was lost before"));
        }
        let answered = within(&self.handle, SILENCE, answer);
        let trouble = match answered {
            Some(Ok(answer)) => return Ok(answer),
            Some(Err(error)) => trouble(self.engine, &error),
            None => gone(format!("the server said nothing for {} s", SILENCE.as_secs())),
        };
        self.lost |= trouble.kind == Kind::Disconnected;
        Err(trouble)
    }
}

/// Waits for an answer for so long, on a thread that may block.
pub(super) fn within<T>(handle: &Handle, limit: Duration, answer: impl Future<Output = T>) -> Option<T> {
    handle.block_on(async { tokio::time::timeout(limit, answer).await.ok() })
}

/// What a failed `COMMIT` means: once it was sent, a lost connection leaves open whether it happened.
pub(super) fn of_commit(trouble: Trouble) -> Trouble {
    if trouble.kind != Kind::Disconnected {
        return trouble;
    }
    let cause = format!("{}; the answer to COMMIT was lost", trouble.cause);
    Trouble { class: FaultClass::Unknown, cause, ..trouble }
}

fn gone(cause: impl Into<String>) -> Trouble {
    Trouble { class: FaultClass::Transient, cause: cause.into(), kind: Kind::Disconnected }
}

/// What an error means for the work that met it.
pub(super) fn trouble(engine: Engine, error: &Error) -> Trouble {
    match error {
        Error::Database(said) => match engine {
            Engine::MariaDb => of_mariadb(said.as_ref()),
            Engine::Postgres | Engine::Sqlite => of_postgres(said.as_ref()),
        },
        // What the handshake says comes as an error of the line.
        Error::Io(error) if error.kind() == std::io::ErrorKind::InvalidData => gone(format!("TLS failed: {error}")),
        Error::Io(error) => gone(format!("the connection failed: {error}")),
        Error::Tls(error) => gone(format!("TLS failed: {error}")),
        Error::Protocol(said) => gone(format!("the server answered what it should not: {said}")),
        Error::Encode(_) | Error::InvalidArgument(_) => Trouble::permanent("a value cannot be sent to the server"),
        other => gone(other.to_string()),
    }
}

/// By SQLSTATE: <https://www.postgresql.org/docs/current/errcodes-appendix.html>.
fn of_postgres(said: &dyn DatabaseError) -> Trouble {
    let code = said.code().unwrap_or_default().into_owned();
    let class = match code.get(..2).unwrap_or_default() {
        _ if code == "23505" => FaultClass::Conflict,
        // Serialisation, resources, operators, the system; a connection, a login, a right or a table that may be mended.
        "40" | "53" | "55" | "57" | "58" | "08" | "28" | "25" | "3D" | "3F" => FaultClass::Transient,
        _ if ["42501", "42P01", "42703"].contains(&code.as_str()) => FaultClass::Transient,
        _ => FaultClass::Permanent,
    };
    // `57014` is a statement that took too long; the others of the class end the connection, as do those of `08`.
    let kind = match code.as_str() {
        "42P01" => Kind::NoTable,
        "42501" => Kind::NoRight,
        "57014" => Kind::Other,
        "25P03" => Kind::Disconnected,
        code if code.starts_with("08") || code.starts_with("57") => Kind::Disconnected,
        _ => Kind::Other,
    };
    // Only this one repeats what was sent.
    let cause = if code == "22P02" {
        format!("a value does not fit its column ({code})")
    } else {
        format!("{} ({code})", said.message())
    };
    Trouble { class, cause, kind }
}

/// By number: <https://mariadb.com/kb/en/mariadb-error-code-reference/>.
fn of_mariadb(said: &dyn DatabaseError) -> Trouble {
    let number =
        said.try_downcast_ref::<sqlx::mysql::MySqlDatabaseError>().map_or(0, sqlx::mysql::MySqlDatabaseError::number);
    let class = match number {
        1062 => FaultClass::Conflict,
        // Deadlock, lock wait, statement time, interrupted; connections, memory, disk; shutdown, read-only.
        1213 | 1205 | 1969 | 3024 | 1317 | 1020 => FaultClass::Transient,
        1040 | 1037 | 1038 | 1041 | 1021 | 1114 | 1203 | 1226 => FaultClass::Transient,
        1053 | 1927 | 1290 | 1836 | 1158..=1161 | 1180 => FaultClass::Transient,
        // A login, a right, a database, a table or a column that may be mended.
        1044 | 1045 | 1049 | 1054 | 1130 | 1142 | 1143 | 1146 | 1227 | 1370 | 1698 => FaultClass::Transient,
        _ => FaultClass::Permanent,
    };
    let kind = match number {
        1146 => Kind::NoTable,
        1044 | 1142 | 1143 | 1227 | 1370 => Kind::NoRight,
        1053 | 1927 | 1158..=1161 => Kind::Disconnected,
        _ => Kind::Other,
    };
    // Some repeat what was sent.
    let cause = match number {
        1062 => "a row with the same key is there already (1062)".to_owned(),
        1292 | 1366 => format!("a value has what its column cannot hold ({number})"),
        _ => format!("{} ({number})", said.message()),
    };
    Trouble { class, cause, kind }
}
