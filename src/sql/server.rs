//! A database on a server, with the one connection through which akund writes; opened when first needed and again after it
//! was lost. No pool: a pool hides why a server cannot be reached, and keeps connections in states that nobody asked for.

use super::certificate::Glance;
use super::mariadb::MariaDb;
use super::postgres::Postgres;
use super::{Engine, Remote, Schema, Session, Stop, Trouble};
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
    slot: Mutex<Option<(Box<dyn Remote>, Instant)>>,
    glance: Glance,
    /// A table was missed since they were last looked at.
    lacking: AtomicBool,
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
            slot: Mutex::new(None),
            glance: Glance::default(),
            lacking: AtomicBool::new(false),
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

    /// Whether a table was missed that the next use of the writing connection makes.
    pub(super) fn lacks_table(&self) -> bool {
        self.make_tables && self.lacking.load(Ordering::Relaxed)
    }

    /// Does something through the connection that writes, on a thread that may block.
    ///
    /// # Errors
    /// Transient: server down, login refused, no right, no table, busy. Permanent: made by a newer akund, a value that does not fit.
    pub fn with_writer<T>(
        &self,
        doing: &str,
        work: impl FnOnce(&mut dyn Session) -> Result<T, Stop>,
    ) -> Result<T, Fault> {
        // A connection may be older than the server's certificate.
        self.glance.look(&self.at, self.ca_file.as_deref());
        let mut slot = self.lock();
        let rested = slot.take().and_then(|(session, used)| still_there(session, used));
        let lacking = self.lacking.swap(false, Ordering::Relaxed);
        let mut session = match rested {
            Some(mut session) => {
                if lacking {
                    self.prepare_schema(session.as_mut())
                        .map_err(|stop| self.explain("looking at its tables", stop))?;
                }
                session
            }
            None => self.open().map_err(|stop| self.explain("opening it", stop))?,
        };
        let result = work(session.as_mut());
        let clean = result.is_ok() || session.run("ROLLBACK", &[]).is_ok();
        if clean && !session.is_lost() {
            *slot = Some((session, Instant::now()));
        }
        result.map_err(|stop| self.explain(doing, stop))
    }

    /// Does something through a connection opened for it.
    ///
    /// # Errors
    /// As [`Self::with_writer`].
    pub fn with_reader<T>(
        &self,
        doing: &str,
        work: impl FnOnce(&mut dyn Session) -> Result<T, Trouble>,
    ) -> Result<T, Fault> {
        let mut session = self.connect().map_err(|trouble| self.explain("connecting to it", trouble.into()))?;
        let result = work(session.as_mut());
        let _ = session.run("ROLLBACK", &[]);
        if !session.is_lost() {
            session.close();
        }
        result.map_err(|trouble| self.explain(doing, trouble.into()))
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
        if found == self.schema.version {
            return self.make_lost(db);
        }
        if self.make_tables {
            return self.make(db).map_err(|trouble| self.not_made(trouble).into());
        }
        self.missing(db)?.map_or(Ok(()), |missing| Err(Fault::transient(missing).into()))
    }

    /// Makes a table anew that was there once.
    fn make_lost(&self, db: &mut dyn Session) -> Result<(), Stop> {
        match self.first_wrong(db)? {
            Some(trouble) if trouble.lacks_table() && self.make_tables => {
                self.make(db).map_err(|trouble| self.not_made(trouble))?;
                tracing::warn!(
                    target_name = %self.target,
                    "the database had lost a table ({}): it was made anew and is empty; put its rows back from a backup",
                    trouble.cause
                );
                Ok(())
            }
            Some(trouble) if trouble.lacks_table() => Err(Fault::transient(self.lacks(&trouble)).into()),
            _ => Ok(()),
        }
    }

    fn make(&self, db: &mut dyn Session) -> Result<(), Trouble> {
        db.run((self.schema.ddl)(db.engine()), &[])?;
        let table = self.schema.versions;
        db.run(
            &format!(
                "CREATE TABLE IF NOT EXISTS {table} (version integer NOT NULL); DELETE FROM {table}; INSERT INTO {table} VALUES ({})",
                self.schema.version
            ),
            &[],
        )?;
        Ok(())
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
            "target {}: the database {} was made by a newer akund (schema {found}, this one knows {})",
            self.target, self.at, self.schema.version
        )
    }

    /// A sentence for the first table that is missing or lacks a column.
    pub(super) fn missing(&self, db: &mut dyn Session) -> Result<Option<String>, Trouble> {
        Ok(self.first_wrong(db)?.map(|trouble| self.lacks(&trouble)))
    }

    fn lacks(&self, trouble: &Trouble) -> String {
        format!(
            "target {}: the database {} lacks what akund needs: {}; set make_tables = true, or load \
             config/integration/sql into it",
            self.target, self.at, trouble.cause
        )
    }

    /// What the database says of the first table that is missing or lacks a column.
    pub(super) fn first_wrong(&self, db: &mut dyn Session) -> Result<Option<Trouble>, Trouble> {
        for probe in self.schema.probes {
            match db.rows(&format!("{probe} LIMIT 0"), &[]) {
                Ok(_) => {}
                Err(trouble) if trouble.lost => return Err(trouble),
                Err(trouble) => return Ok(Some(trouble)),
            }
        }
        Ok(None)
    }

    /// A fault from what stopped some work on this database.
    pub fn explain(&self, doing: &str, stop: Stop) -> Fault {
        match stop {
            Stop::Fault(fault) => fault,
            Stop::Trouble(trouble) => {
                if trouble.lacks_table() {
                    self.lacking.store(true, Ordering::Relaxed);
                }
                Fault {
                    class: trouble.class,
                    message: format!("target {}, database {}: {doing} failed: {}", self.target, self.at, trouble.cause),
                }
            }
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
