//! Where the three engines' SQL differs.

/// Whose SQL a database speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Engine {
    /// SQLite 3.
    Sqlite,
    /// PostgreSQL.
    Postgres,
    /// MariaDB, or MySQL.
    MariaDb,
}

impl Engine {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sqlite => "SQLite",
            Self::Postgres => "PostgreSQL",
            Self::MariaDb => "MariaDB",
        }
    }

    /// A column, so that it compares with lower-case text whatever the case of what is stored, and with an index.
    /// MariaDB's columns do so by their collation, which `check` looks at.
    pub fn folded(self, column: &str) -> String {
        match self {
            Self::Sqlite => format!("{column} COLLATE NOCASE"),
            Self::Postgres => format!("lower({column})"),
            Self::MariaDb => column.to_owned(),
        }
    }

    /// Begins a transaction that writes.
    pub fn begin(self) -> &'static str {
        match self {
            // Takes the lock now: a transaction that begins by reading cannot wait for it later.
            Self::Sqlite => "BEGIN IMMEDIATE",
            Self::Postgres | Self::MariaDb => "BEGIN",
        }
    }

    /// Begins a transaction that reads everything as it is at one moment.
    pub fn begin_snapshot(self) -> &'static str {
        match self {
            Self::Sqlite => "BEGIN",
            Self::Postgres => "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
            Self::MariaDb => {
                "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ; START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY"
            }
        }
    }

    /// What behind the values of an `INSERT INTO` leaves out rows whose key is there; `key` is a column. MariaDB's `INSERT IGNORE`
    /// will not do: it cuts off what does not fit, in strict mode too.
    pub fn or_leave_out(self, key: &str) -> String {
        match self {
            Self::Sqlite | Self::Postgres => "ON CONFLICT DO NOTHING".to_owned(),
            Self::MariaDb => format!("ON DUPLICATE KEY UPDATE {key} = {key}"),
        }
    }

    /// Whether two texts that differ in case only are the same to this engine's own comparison in FreeRADIUS's schema.
    pub fn ignores_case(self) -> bool {
        self == Self::MariaDb
    }
}
