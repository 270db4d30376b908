//! What a connection to a server does, whatever the engine: the drivers' types differ, and what is done with them does not.

/// A connection: its type, and what it does as [`Session`](super::Session) and [`Remote`](super::Remote). `text` gives a statement
/// the engine's placeholders, `cell` reads a column of a row.
macro_rules! client {
    ($client:ident, $driver:ty, $engine:expr, text: $text:expr, cell: $cell:expr) => {
        /// One connection.
        #[derive(Debug)]
        pub struct $client {
            connection: <$driver as sqlx::Database>::Connection,
            line: $crate::sql::line::Line,
        }

        impl $client {
            fn dial(
                options: &<<$driver as sqlx::Database>::Connection as sqlx::Connection>::Options,
                handle: &tokio::runtime::Handle,
            ) -> Result<Self, $crate::sql::Trouble> {
                use $crate::sql::line::{self, Line};
                let connection = line::within(handle, line::CONNECT, sqlx::ConnectOptions::connect(options))
                    .ok_or_else(|| {
                        let limit = line::CONNECT.as_secs();
                        $crate::sql::Trouble::transient(format!("no connection within {limit} s"))
                    })?
                    .map_err(|error| line::trouble($engine, &error))?;
                Ok(Self { connection, line: Line::new(handle.clone(), $engine) })
            }

            /// What is bound is never part of the text.
            fn query(
                sql: &str,
                values: &[$crate::sql::Value],
            ) -> sqlx::query::Query<'static, $driver, <$driver as sqlx::Database>::Arguments> {
                use $crate::sql::Value;
                values.iter().fold(sqlx::query(sqlx::AssertSqlSafe($text(sql))), |query, value| match value {
                    Value::Integer(number) => query.bind(*number),
                    Value::Text(text) => query.bind(text.as_deref()),
                    Value::Secret(secret) => query.bind(secret.expose()),
                })
            }
        }

        impl $crate::sql::Session for $client {
            fn engine(&self) -> $crate::sql::Engine {
                self.line.engine()
            }

            fn run(&mut self, sql: &str, values: &[$crate::sql::Value]) -> Result<u64, $crate::sql::Trouble> {
                let done = if values.is_empty() {
                    // As text: several statements, and those that cannot be prepared.
                    let plain = sqlx::raw_sql(sqlx::AssertSqlSafe(sql.to_owned()));
                    self.line.wait(plain.execute(&mut self.connection))?
                } else {
                    self.line.wait(Self::query(sql, values).execute(&mut self.connection))?
                };
                Ok(done.rows_affected())
            }

            fn rows(
                &mut self,
                sql: &str,
                values: &[$crate::sql::Value],
            ) -> Result<Vec<$crate::sql::Row>, $crate::sql::Trouble> {
                let rows = self.line.wait(Self::query(sql, values).fetch_all(&mut self.connection))?;
                let read = |row| {
                    let cells = (0..sqlx::Row::len(row)).map(|column| $cell(row, column));
                    cells.collect::<Result<_, sqlx::Error>>().map($crate::sql::Row)
                };
                let rows: Result<Vec<_>, _> = rows.iter().map(read).collect();
                rows.map_err(|error| $crate::sql::line::trouble($engine, &error))
            }

            fn commit(&mut self) -> Result<(), $crate::sql::Trouble> {
                self.run("COMMIT", &[]).map(drop).map_err($crate::sql::line::of_commit)
            }
        }

        impl $crate::sql::Remote for $client {
            fn is_lost(&self) -> bool {
                self.line.is_lost()
            }

            fn close(self: Box<Self>) {
                let Self { connection, mut line } = *self;
                let _ = line.wait(sqlx::Connection::close(connection));
            }
        }
    };
}

pub(super) use client;
