//! A database on a server, with the one connection through which akund writes; opened when first needed and again after it
//! was lost. No pool: a pool hides why a server cannot be reached, and keeps connections in states that nobody asked for.

use super::certificate::Glance;
use super::mariadb::MariaDb;
use super::postgres::Postgres;
use super::{Engine, Kind, Remote, Schema, Session, Stop, Trouble};
use crate::config::database::{DatabaseServer, ServerKind, SqlAccess};
use crate::model::Fault;
use crate::secret::place::read_secret;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};
use tokio::runtime::Handle;

/// A connection that has rested for longer than this is tried before it is used: the server may have been restarted.
const RESTED: Duration = Duration::from_secs(1);

/// The database of a target.
pub struct Server {
    target: String,
    at: DatabaseServer,
    password_file: Option<PathBuf>,
    ca_file: Option<PathBuf>,
    make_tables: bool,
    schema: Schema,
    expected: AtomicBool,
    slot: Mutex<Option<(Box<dyn Remote>, Instant)>>,
    glance: Glance,
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server").field("target", &self.target).field("at", &self.at).finish_non_exhaustive()
    }
}

impl Server {
    /// Describes the database of a target; touches nothing yet.
    pub fn new(target: &str, at: &DatabaseServer, access: SqlAccess<'_>, schema: Schema) -> Self {
        Self {
            target: target.to_owned(),
            at: at.clone(),
            password_file: access.password_file.map(ToOwned::to_owned),
            ca_file: access.ca_file.map(ToOwned::to_owned),
            make_tables: access.make_tables,
            schema,
            expected: AtomicBool::new(false),
            slot: Mutex::new(None),
            glance: Glance::default(),
        }
    }

    /// The target that it belongs to.
    pub fn target(&self) -> &str {
        &self.target
    }
    /// Where it is.
    pub fn at(&self) -> &DatabaseServer {
        &self.at
    }
    /// Whether TLS is asked for.
    pub fn has_ca(&self) -> bool {
        self.ca_file.is_some()
    }
    /// Whether akund makes missing tables.
    pub fn makes_tables(&self) -> bool {
        self.make_tables
    }
    /// The tables that it should have.
    pub fn schema(&self) -> Schema {
        self.schema
    }

    /// There must be accounts: what held them is not made anew.
    pub(super) fn expect_accounts(&self) {
        self.expected.store(true, Ordering::Relaxed);
    }

    /// What the database says of a table that akund will not make anew.
    pub(super) fn lost(&self, db: &mut dyn Session, found: i64) -> Result<Option<String>, Trouble> {
        let lost = self.schema.lost(db, found, self.expected.load(Ordering::Relaxed))?;
        Ok(lost.map(|lost| self.schema.has_lost(&self.at, &lost.cause)))
    }

    /// Does something through the connection that writes, on a thread that may block.
    ///
    /// # Errors
    /// What the work was stopped by; or a fault, where the connection could not be opened: transient (server down, login refused, no
    /// table) or permanent (made by a newer akund).
    pub fn with_writer<T>(&self, work: impl FnOnce(&mut dyn Session) -> Result<T, Stop>) -> Result<T, Stop> {
        // A connection may be older than the server's certificate.
        self.glance.look(&self.at, self.ca_file.as_deref());
        let mut slot = self.lock();
        let rested = slot.take().and_then(|(session, used)| still_there(session, used));
        let mut session = match rested {
            Some(session) => session,
            None => self.open().map_err(|stop| self.explain("opening it", stop))?,
        };
        let result = work(session.as_mut());
        let clean = result.is_ok() || session.run("ROLLBACK", &[]).is_ok();
        // One opened anew looks at the tables first, and has the rights that were given meanwhile.
        let of_no_more_use = |stop: &Stop| stop.is(Kind::NoTable) || stop.is(Kind::NoRight);
        if clean && !session.is_lost() && !result.as_ref().is_err_and(of_no_more_use) {
            *slot = Some((session, Instant::now()));
        }
        result
    }

    /// Closes the connection that writes: the next use opens it anew, and looks at the tables first.
    pub(super) fn forget(&self) {
        *self.lock() = None;
    }

    /// Does something through a connection opened for it.
    ///
    /// # Errors
    /// As [`Self::with_writer`].
    pub fn with_reader<T>(&self, work: impl FnOnce(&mut dyn Session) -> Result<T, Trouble>) -> Result<T, Stop> {
        let mut session = self.connect().map_err(|trouble| self.explain("connecting to it", trouble.into()))?;
        let result = work(session.as_mut());
        let _ = session.run("ROLLBACK", &[]);
        if !session.is_lost() {
            session.close();
        }
        Ok(result?)
    }

    /// Connects and logs in; looks at no table.
    ///
    /// # Errors
    /// Transient, whatever it is.
    pub fn connect(&self) -> Result<Box<dyn Remote>, Trouble> {
        let handle = Handle::try_current().map_err(|e| Trouble::permanent(e.to_string()))?;
        self.glance.look(&self.at, self.ca_file.as_deref());
        // Read each time: a new password holds from the next connection on.
        let password = self.password_file.as_deref().map(read_secret).transpose().map_err(Trouble::transient)?;
        let (password, ca_file) = (password.as_ref(), self.ca_file.as_deref());
        if let Some(path) = ca_file {
            // The driver's own words have no name of a file in them.
            let read = std::fs::File::open(path);
            read.map_err(|error| Trouble::transient(format!("ca_file {}: {error}", path.display())))?;
        }
        let connected: Result<Box<dyn Remote>, Trouble> = match self.at.kind {
            ServerKind::Postgres => {
                Postgres::connect(&self.at, password, ca_file, &handle).map(|c| Box::new(c) as Box<dyn Remote>)
            }
            ServerKind::MariaDb => {
                MariaDb::connect(&self.at, password, ca_file, &handle).map(|c| Box::new(c) as Box<dyn Remote>)
            }
        };
        // Nothing has been asked of it yet: whatever it is, it may be mended.
        connected.map_err(|trouble| Trouble { class: crate::model::FaultClass::Transient, ..trouble })
    }

    fn open(&self) -> Result<Box<dyn Remote>, Stop> {
        let mut session = self.connect()?;
        self.prepare_schema(session.as_mut())?;
        Ok(session)
    }

    fn prepare_schema(&self, db: &mut dyn Session) -> Result<(), Stop> {
        let found = self.schema_version(db)?;
        if found > self.schema.version {
            return Err(Fault::permanent(self.is_newer(found)).into());
        }
        if self.make_tables {
            if let Some(lost) = self.lost(db, found)? {
                return Err(Fault::transient(lost).into());
            }
            if found < self.schema.version {
                self.schema.make(db, self.schema.versions).map_err(|trouble| self.not_made(trouble))?;
            }
        }
        let wrong = self.schema.first_wrong(db)?;
        wrong.map_or(Ok(()), |wrong| Err(Fault::transient(self.lacks(&wrong)).into()))
    }

    fn not_made(&self, trouble: Trouble) -> Trouble {
        let cause = format!(
            "{}: akund could not make its tables; give its user the right to, or load config/integration/sql and set \
             make_tables = false",
            trouble.cause
        );
        Trouble { cause, ..trouble }
    }

    /// The version in akund's own table; 0 where there is none.
    pub(super) fn schema_version(&self, db: &mut dyn Session) -> Result<i64, Trouble> {
        let table = self.schema.versions;
        let there = match db.engine() {
            Engine::Postgres => "SELECT count(*) FROM pg_catalog.pg_class WHERE oid = to_regclass(?)",
            Engine::MariaDb | Engine::Sqlite => {
                "SELECT count(*) FROM information_schema.tables WHERE table_schema = database() AND table_name = ?"
            }
        };
        let there = first(db.rows(there, &[table.into()])?)? > 0;
        if there { first(db.rows(&format!("SELECT coalesce(max(version), 0) FROM {table}"), &[])?) } else { Ok(0) }
    }

    pub(super) fn is_newer(&self, found: i64) -> String {
        format!(
            "the database {} was made by a newer akund (schema {found}, this one knows {})",
            self.at, self.schema.version
        )
    }

    /// A sentence for a table that is missing or lacks a column, which akund will not mend.
    pub(super) fn lacks(&self, wrong: &Trouble) -> String {
        // Akund changes no table that is there.
        let instead = if wrong.kind == Kind::NoTable { "set make_tables = true, or " } else { "" };
        format!(
            "the database {} lacks what akund needs: {}; {instead}load config/integration/sql into it, or mend it by what stands there",
            self.at, wrong.cause
        )
    }

    /// A fault from what stopped some work on this database.
    pub fn explain(&self, doing: &str, stop: Stop) -> Fault {
        match stop {
            Stop::Fault(fault) => fault,
            Stop::Trouble(trouble) => Fault {
                class: trouble.class,
                message: format!("database {}: {doing} failed: {}", self.at, trouble.cause),
            },
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<(Box<dyn Remote>, Instant)>> {
        self.slot.lock().unwrap_or_else(|poisoned| {
            // A panic in mid-transaction: the connection was dropped, and the server takes back what it had begun.
            self.slot.clear_poison();
            poisoned.into_inner()
        })
    }
}

/// The connection, if it is fresh or answers.
fn still_there(mut session: Box<dyn Remote>, used: Instant) -> Option<Box<dyn Remote>> {
    let good = used.elapsed() < RESTED || session.run("SELECT 1", &[]).is_ok();
    good.then_some(session)
}

fn first(rows: Vec<super::Row>) -> Result<i64, Trouble> {
    rows.into_iter().next().map_or(Ok(0), |mut row| row.integer(0))
}
