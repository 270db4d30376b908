//! gammu-smsd, by the tables of its SQL service (gammu-smsd-sql(7), gammu-smsd-tables(7)).
//!
//! A message is a row of `outbox`, with its further parts in `outbox_multipart`; smsd sends it and moves it to `sentitems`, one row
//! per part, with what came of it. `CreatorID` names the notice, and smsd carries it over. So what became of a notice can always
//! be looked up, and is, before anything is written: unlike with other gateways, an attempt whose answer was lost may be made again,
//! and never makes a second message.
//!
//! A notice is handed over once the modem has sent every part, not when it lies in the outbox: only so does a refused number show in time for
//! another channel. What smsd keeps of the text is emptied then, unless `keep_text` says otherwise.

use super::addressed;
use super::segments::{Alphabet, Segments, split};
use crate::channel::{Arrival, Channel, Envelope, HandedOver, Uncertain};
use crate::config::channel::GammuConfig;
use crate::config::database::{Database, SqlAccess};
use crate::model::{Answer, Fault, FaultClass, Finding, Phone, Secret};
use crate::sql::lite::Lite;
use crate::sql::server::Server;
use crate::sql::{Engine, Row, Schema, Session, Trouble, Value};
use rusqlite::{Connection, OpenFlags};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How often smsd's tables are looked at while a notice is on its way.
const LOOK: Duration = Duration::from_millis(500);
/// How long a lock held by smsd is waited for (SQLite).
const BUSY: Duration = Duration::from_secs(10);
/// smsd's tables hold times without a zone, as the server's clock on the wall shows them, and sqlx's connections are in UTC. Which
/// zone the server has is not told to a client that brought its own; its log has the same.
const IN_ITS_TIME: &str = "SELECT set_config('TimeZone', current_setting('log_timezone'), false)";
/// Messages that wait for the modem at once; it sends them one after the other.
const PARALLEL: usize = 8;
/// What marks akund's own.
const MARK: &str = "akund:";
/// The version of the tables that akund was made for: smsd 1.38 and later.
const TABLES: i64 = 17;

/// `kind = "sms-gammu"`
pub struct Gammu {
    tables: Arc<Tables>,
    max_parts: usize,
    wait: Duration,
    reports: bool,
}

/// smsd's database.
struct Tables {
    name: String,
    place: Place,
    phone: Option<String>,
    reports: bool,
    keep_text: bool,
}

enum Place {
    File(PathBuf),
    Server(Box<Server>),
}

/// Where a message is.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Whereabouts {
    Nowhere,
    /// Written in part only, by an attempt that ended in the midst of it: on tables that know no transactions.
    Unfinished,
    Outbox,
    /// The state of each part.
    Sent(Vec<String>),
}

impl Gammu {
    /// Checks the configuration. Opens nothing. Errors are sentences.
    pub fn open(name: &str, config: &GammuConfig) -> Result<Self, String> {
        let place = match &config.database {
            Database::File(path) => Place::File(path.clone()),
            Database::Server(at) => {
                let access = SqlAccess {
                    database: &config.database,
                    password_file: config.password_file.as_deref(),
                    ca_file: config.ca_file.as_deref(),
                    make_tables: false,
                    mode: "0640",
                };
                // smsd's tables are smsd's: none is made or versioned by akund.
                let schema = Schema {
                    version: 0,
                    versions: "gammu",
                    scripts: "",
                    missing: "",
                    ddl: |_| "",
                    probes: &[],
                    writes: &[],
                    readers: (&[], ""),
                };
                Place::Server(Box::new(Server::new(name, at, access, schema)))
            }
        };
        let tables = Tables {
            name: name.to_owned(),
            place,
            phone: config.phone.clone(),
            reports: config.reports,
            keep_text: config.keep_text,
        };
        Ok(Self {
            tables: Arc::new(tables),
            max_parts: config.max_segments,
            wait: Duration::from_secs(config.wait_seconds),
            reports: config.reports,
        })
    }

    async fn ask<T: Send + 'static>(
        &self,
        ask: impl FnOnce(&Tables) -> Result<T, Trouble> + Send + 'static,
    ) -> Result<T, Trouble> {
        let tables = self.tables.clone();
        tokio::task::spawn_blocking(move || ask(&tables))
            .await
            .map_err(crate::panics::how)
            .unwrap_or_else(|error| Err(Trouble::transient(format!("asking it ended: {error}"))))
    }

    async fn hand_over(&self, notice: &Envelope) -> Result<HandedOver, Fault> {
        let (phone, taken) = addressed(notice, self.max_parts)?;
        let creator = creator(notice);
        let begun = Instant::now();
        // One that is there already is only waited for.
        let message = Message { creator: creator.clone(), phone: phone.clone(), text: notice.text.clone(), taken };
        let written = self.ask(move |tables| tables.write_once(&message)).await;
        let mut now = written.map_err(|trouble| self.fault("handing a message over", trouble))?;
        loop {
            match now {
                Whereabouts::Sent(states) => return self.outcome(&states, creator, phone, taken).await,
                Whereabouts::Outbox if begun.elapsed() < self.wait => tokio::time::sleep(LOOK).await,
                Whereabouts::Outbox => return Err(self.not_yet(phone)),
                Whereabouts::Nowhere | Whereabouts::Unfinished => {
                    return Err(Fault::unknown(format!(
                        "the message to {} was taken out of gammu's outbox by others",
                        phone.masked()
                    )));
                }
            }
            let asked = creator.clone();
            now = self
                .ask(move |tables| tables.with(|db| look(db, &asked)))
                .await
                // It is written: from here on it may have been sent.
                .map_err(|trouble| {
                    self.fault("looking for a message", Trouble { class: FaultClass::Unknown, ..trouble })
                })?;
        }
    }

    async fn outcome(
        &self,
        states: &[String],
        creator: String,
        phone: &Phone,
        taken: Segments,
    ) -> Result<HandedOver, Fault> {
        if !self.tables.keep_text {
            let asked = creator.clone();
            if let Err(trouble) = self.ask(move |tables| tables.with(|db| empty(db, &asked))).await {
                tracing::warn!(channel = self.tables.name, cause = %trouble.cause, "the text of a message could not be emptied in gammu's tables");
            }
        }
        match refused(states) {
            Some(state) => {
                if let Err(trouble) = self.ask(move |tables| tables.with(|db| set_aside(db, &creator))).await {
                    tracing::warn!(channel = self.tables.name, cause = %trouble.cause, "a message that gammu could not send could not be set aside; tried again by an order, it is refused again");
                }
                Err(Fault::permanent(format!("gammu could not send the message to {}: {state}", phone.masked())))
            }
            None => Ok(HandedOver {
                reply: format!("sent by gammu: {} ({taken})", states.first().map_or("", String::as_str)),
                reference: self.reports.then_some(creator),
            }),
        }
    }

    fn not_yet(&self, phone: &Phone) -> Fault {
        Fault::unknown(format!(
            "the message to {} lies in gammu's outbox and was not sent within {} s; see whether gammu-smsd runs and its \
             modem has a network",
            phone.masked(),
            self.wait.as_secs()
        ))
    }

    fn fault(&self, doing: &str, trouble: Trouble) -> Fault {
        // Before a statement was answered nothing was written; what is refused by the database is the operator's to mend.
        let class = if trouble.class == FaultClass::Unknown { FaultClass::Unknown } else { FaultClass::Transient };
        Fault { class, message: format!("gammu's database {}: {doing} failed: {}", self.tables.at(), trouble.cause) }
    }

    async fn seen(&self, reference: String) -> Result<Option<Arrival>, Fault> {
        let asked = self.ask(move |tables| tables.with(|db| look(db, &reference))).await;
        match asked.map_err(|trouble| self.fault("looking for a report", trouble))? {
            Whereabouts::Sent(states) => Ok(arrival(&states)),
            _ => Ok(None),
        }
    }

    async fn inspect(&self) -> Vec<Finding> {
        let at = self.tables.at();
        let found = self.ask(|tables| tables.with(|db| inspect(db))).await;
        match found {
            Err(trouble) => vec![Err(format!("gammu's database {at}: {}", trouble.cause))],
            Ok((version, _)) if version != TABLES => vec![Err(format!(
                "gammu's database {at} has tables of version {version}, and akund knows {TABLES} (gammu-smsd 1.38 and later)"
            ))],
            Ok((_, 0)) => {
                vec![Err(format!("gammu's database {at} can be used, but no gammu-smsd has its phone there now"))]
            }
            Ok((_, phones)) => vec![Ok(format!("gammu's database {at} can be used; phones at work: {phones}"))],
        }
    }
}

/// One message to be written.
struct Message {
    creator: String,
    phone: Phone,
    text: Secret,
    taken: Segments,
}

impl Tables {
    fn at(&self) -> String {
        match &self.place {
            Place::File(path) => path.display().to_string(),
            Place::Server(server) => server.at().to_string(),
        }
    }

    /// Through a connection opened for it: text messages are few, and smsd's database may be restarted at any time.
    fn with<T>(&self, work: impl FnOnce(&mut dyn Session) -> Result<T, Trouble>) -> Result<T, Trouble> {
        match &self.place {
            Place::File(path) => {
                let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
                let connection = Connection::open_with_flags(path, flags)?;
                connection.busy_timeout(BUSY)?;
                work(&mut Lite(&connection))
            }
            Place::Server(server) => {
                let mut session = server.connect()?;
                if session.engine() == Engine::Postgres {
                    session.run(IN_ITS_TIME, &[])?;
                }
                let result = work(session.as_mut());
                if result.is_err() {
                    let _ = session.run("ROLLBACK", &[]);
                }
                if !session.is_lost() {
                    session.close();
                }
                result
            }
        }
    }

    /// Writes a message unless it is there; where it is then.
    fn write_once(&self, message: &Message) -> Result<Whereabouts, Trouble> {
        self.with(|db| {
            db.run(db.engine().begin(), &[])?;
            let found = look(db, &message.creator)?;
            if found == Whereabouts::Unfinished {
                discard(db, &message.creator)?;
            } else if found != Whereabouts::Nowhere {
                db.run("ROLLBACK", &[])?;
                return Ok(found);
            }
            self.write(db, message)?;
            // A commit whose answer is lost is of class unknown: the next attempt looks.
            db.commit()?;
            crate::crash::point("gammu-written");
            Ok(Whereabouts::Outbox)
        })
    }

    fn write(&self, db: &mut dyn Session, message: &Message) -> Result<(), Trouble> {
        let engine = db.engine();
        let parts = split(message.text.expose());
        let coding = match message.taken.alphabet {
            Alphabet::Gsm7 => "Default_No_Compression",
            Alphabet::Ucs2 => "Unicode_No_Compression",
        };
        let several = parts.len() > 1;
        let part = |n: usize| Value::Secret(Secret::new(parts.get(n).copied().unwrap_or_default()));
        let due = match engine {
            // Held back until all parts are there, where smsd's tables know no transactions (MyISAM, as it ships them).
            Engine::MariaDb => (", \"SendingDateTime\"", ", NOW() + INTERVAL 1 DAY"),
            // smsd compares with its local time, and its tables' default is UTC: west of it that is hours away. A day ago
            // is past in every zone.
            Engine::Sqlite => {
                (", \"SendingDateTime\", \"SendingTimeOut\"", ", datetime('now', '-1 day'), datetime('now', '-1 day')")
            }
            Engine::Postgres => ("", ""),
        };
        let insert = format!(
            "INSERT INTO outbox (\"DestinationNumber\", \"TextDecoded\", \"CreatorID\", \"Coding\", \"UDH\", \"SenderID\", \"Class\",
               \"MultiPart\", \"DeliveryReport\"{}) VALUES (?, ?, ?, ?, ?, ?, -1, '{several}', '{}'{})",
            due.0,
            if self.reports { "yes" } else { "no" },
            due.1,
        );
        let values = [
            message.phone.as_str().into(),
            part(0),
            (&message.creator).into(),
            coding.into(),
            if several { header(&message.creator, parts.len(), 1).into() } else { Value::Text(None) },
            self.phone.as_deref().into(),
        ];
        db.run(&sql(engine, &insert), &values)?;
        let id = outbox_id(db, &message.creator)?;
        for n in 1..parts.len() {
            let insert = "INSERT INTO outbox_multipart (\"ID\", \"SequencePosition\", \"TextDecoded\", \"Coding\", \"UDH\", \"Class\")
                          VALUES (?, ?, ?, ?, ?, -1)";
            let position = i64::try_from(n + 1).unwrap_or(i64::MAX);
            let values = [
                id.into(),
                position.into(),
                part(n),
                coding.into(),
                header(&message.creator, parts.len(), n + 1).into(),
            ];
            db.run(&sql(engine, insert), &values)?;
        }
        if engine == Engine::MariaDb {
            db.run(&sql(engine, "UPDATE outbox SET \"SendingDateTime\" = NOW() WHERE \"ID\" = ?"), &[id.into()])?;
        }
        Ok(())
    }
}

/// MariaDB quotes names its own way.
fn sql(engine: Engine, text: &str) -> String {
    if engine == Engine::MariaDb { text.replace('"', "`") } else { text.to_owned() }
}

fn creator(notice: &Envelope) -> String {
    format!("{MARK}{}", notice.message_id.split('@').next().unwrap_or_default())
}

/// The header that joins parts (TS 23.040 §9.2.3.24.1): one octet tells messages to the same phone apart.
fn header(creator: &str, parts: usize, part: usize) -> String {
    use sha2::{Digest, Sha256};
    let reference = Sha256::digest(creator.as_bytes()).first().copied().unwrap_or_default();
    format!("050003{reference:02X}{parts:02X}{part:02X}")
}

/// Where a message is. The outbox is looked at first: smsd writes to `sentitems` before it takes a message out of there.
fn look(db: &mut dyn Session, creator: &str) -> Result<Whereabouts, Trouble> {
    let engine = db.engine();
    let held = match engine {
        Engine::MariaDb => "CASE WHEN \"SendingDateTime\" > NOW() + INTERVAL 1 HOUR THEN 'held' ELSE 'ready' END",
        Engine::Sqlite | Engine::Postgres => "'ready'",
    };
    let outbox =
        db.rows(&sql(engine, &format!("SELECT {held} FROM outbox WHERE \"CreatorID\" = ?")), &[creator.into()])?;
    let states: Vec<String> = outbox.into_iter().map(|mut row| row.text(0)).collect::<Result<_, _>>()?;
    if !states.is_empty() {
        let unfinished = states.iter().any(|state| state == "held");
        return Ok(if unfinished { Whereabouts::Unfinished } else { Whereabouts::Outbox });
    }
    let sent = "SELECT \"Status\" FROM sentitems WHERE \"CreatorID\" = ? ORDER BY \"SequencePosition\"";
    let rows: Vec<Row> = db.rows(&sql(engine, sent), &[creator.into()])?;
    let states: Vec<String> = rows.into_iter().map(|mut row| row.text(0)).collect::<Result<_, _>>()?;
    Ok(if states.is_empty() { Whereabouts::Nowhere } else { Whereabouts::Sent(states) })
}

fn outbox_id(db: &mut dyn Session, creator: &str) -> Result<i64, Trouble> {
    let rows = db.rows(&sql(db.engine(), "SELECT \"ID\" FROM outbox WHERE \"CreatorID\" = ?"), &[creator.into()])?;
    match rows.into_iter().next() {
        Some(mut row) => row.integer(0),
        None => Err(Trouble::transient("a message just written is not in the outbox")),
    }
}

/// Takes back what an attempt left unfinished.
fn discard(db: &mut dyn Session, creator: &str) -> Result<(), Trouble> {
    let (engine, id) = (db.engine(), outbox_id(db, creator)?);
    db.run(&sql(engine, "DELETE FROM outbox_multipart WHERE \"ID\" = ?"), &[id.into()])?;
    db.run(&sql(engine, "DELETE FROM outbox WHERE \"ID\" = ?"), &[id.into()])?;
    Ok(())
}

/// What the modem refused stays in smsd's table, and is no longer this notice's: tried again by an order, it is written anew.
fn set_aside(db: &mut dyn Session, creator: &str) -> Result<(), Trouble> {
    let update = "UPDATE sentitems SET \"CreatorID\" = ? WHERE \"CreatorID\" = ?";
    db.run(&sql(db.engine(), update), &[format!("{creator}:refused").into(), creator.into()]).map(drop)
}

/// Empties the text of what was sent.
fn empty(db: &mut dyn Session, creator: &str) -> Result<(), Trouble> {
    let update = "UPDATE sentitems SET \"TextDecoded\" = '', \"Text\" = '' WHERE \"CreatorID\" = ?";
    db.run(&sql(db.engine(), update), &[creator.into()]).map(drop)
}

/// The tables' version, that they have what is needed, and how many phones smsd has at work.
fn inspect(db: &mut dyn Session) -> Result<(i64, i64), Trouble> {
    let engine = db.engine();
    let number = |db: &mut dyn Session, query: &str| -> Result<i64, Trouble> {
        db.rows(&sql(engine, query), &[])?.into_iter().next().map_or(Ok(0), |mut row| row.integer(0))
    };
    let version = number(db, "SELECT max(\"Version\") FROM gammu")?;
    for probe in [
        "SELECT \"DestinationNumber\", \"TextDecoded\", \"CreatorID\", \"Coding\", \"UDH\", \"SenderID\", \"Class\", \"MultiPart\",
           \"DeliveryReport\", \"SendingDateTime\", \"SendingTimeOut\" FROM outbox LIMIT 0",
        "SELECT \"ID\", \"SequencePosition\", \"TextDecoded\", \"Coding\", \"UDH\", \"Class\" FROM outbox_multipart LIMIT 0",
        "SELECT \"CreatorID\", \"SequencePosition\", \"Status\", \"TextDecoded\", \"Text\" FROM sentitems LIMIT 0",
    ] {
        db.rows(&sql(engine, probe), &[])?;
    }
    // smsd renews TimeOut every few seconds.
    let now = match engine {
        Engine::Sqlite => "datetime('now', 'localtime')",
        Engine::Postgres => "LOCALTIMESTAMP",
        Engine::MariaDb => "NOW()",
    };
    let phones = number(db, &format!("SELECT count(*) FROM phones WHERE \"TimeOut\" >= {now}"))?;
    Ok((version, phones))
}

/// The state that says that a part was not sent.
fn refused(states: &[String]) -> Option<&str> {
    states.iter().map(String::as_str).find(|state| matches!(*state, "SendingError" | "Error"))
}

/// What the network reported, once it has for every part.
fn arrival(states: &[String]) -> Option<Arrival> {
    if states.iter().any(|state| state == "DeliveryFailed") {
        return Some(Arrival::Failed("the network could not deliver it".into()));
    }
    states.iter().all(|state| state == "DeliveryOK").then_some(Arrival::Confirmed)
}

impl Channel for Gammu {
    fn name(&self) -> &str {
        &self.tables.name
    }
    fn carries_email(&self) -> bool {
        false
    }
    /// Each attempt looks first, and what is there is never written again.
    fn uncertain(&self) -> Uncertain {
        Uncertain::SendAgain
    }
    fn parallel(&self) -> usize {
        PARALLEL
    }
    fn send<'a>(&'a self, notice: &'a Envelope) -> Answer<'a, Result<HandedOver, Fault>> {
        Box::pin(self.hand_over(notice))
    }
    fn check<'a>(&'a self) -> Answer<'a, Vec<Finding>> {
        Box::pin(self.inspect())
    }
    fn arrived<'a>(&'a self, reference: &'a str) -> Option<Answer<'a, Result<Option<Arrival>, Fault>>> {
        self.reports.then(|| Box::pin(self.seen(reference.to_owned())) as Answer<'a, _>)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_arrived_when_every_part_did_and_failed_when_one_did() {
        let states = |words: &[&str]| words.iter().map(|w| (*w).to_owned()).collect::<Vec<_>>();
        assert_eq!(arrival(&states(&["DeliveryOK", "SendingOK"])), None);
        assert_eq!(arrival(&states(&["DeliveryOK", "DeliveryOK"])), Some(Arrival::Confirmed));
        assert!(matches!(arrival(&states(&["DeliveryOK", "DeliveryFailed"])), Some(Arrival::Failed(_))));
        assert_eq!(refused(&states(&["SendingOK", "SendingError"])), Some("SendingError"));
        assert_eq!(refused(&states(&["SendingOKNoReport"])), None);
    }

    #[test]
    fn parts_say_how_many_and_which_they_are() {
        let (first, second) = (header("akund:1.2", 3, 1), header("akund:1.2", 3, 2));
        assert!(first.starts_with("050003") && first.len() == 12 && first.ends_with("0301"), "{first}");
        assert_eq!(first[..8], second[..8]);
    }
}
