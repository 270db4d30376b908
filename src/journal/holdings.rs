//! The register as people read it, and accounts that are entered into it from a list.
//!
//! An imported account takes its names, so that no request is given them; its holder counts as having it. akund has not made it and
//! no target's entry bears its mark, so akund never acts on it: a request that asks for that is held.

use super::read::{Reader, time};
use super::tx::Tx;
use super::{JournalError, admit};
use crate::model::entry::{Entry, IMPORTED, Import};
use crate::model::verdict::TIME_ZONE;
use crate::model::{Account, AccountUid, Record};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use rusqlite::OptionalExtension;
use uuid::Uuid;

/// What an import comes to.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct Imported {
    /// Accounts that were entered.
    pub entered: usize,
    /// Accounts that the register had already.
    pub there: usize,
    /// Lines that could not be entered, and why.
    pub refused: Vec<(u32, String)>,
}

impl Imported {
    /// A sentence, with the first of the lines that were refused.
    pub fn sentence(&self) -> String {
        let mut text =
            format!("{} entered, {} there already, {} refused", self.entered, self.there, self.refused.len());
        for (line, why) in self.refused.iter().take(20) {
            text.push_str(&format!("\nline {line}: {why}"));
        }
        if self.refused.len() > 20 {
            text.push_str(&format!("\n… and {} more", self.refused.len() - 20));
        }
        text
    }
}

/// What becomes of one line. Pure but for the lookup.
enum Line {
    New,
    There,
    Refused(String),
}

fn decide(
    import: &Import,
    holder: &mut dyn FnMut(&str) -> Result<Option<Uuid>, JournalError>,
) -> Result<Line, JournalError> {
    let names = import.names();
    let mut held = Vec::new();
    for name in &names {
        if let Some(account) = holder(name)? {
            held.push((name, account));
        }
    }
    let called = import.account.address.as_ref().map_or(import.account.username.as_str(), |address| address.as_str());
    let called = called.to_lowercase();
    Ok(match held.first() {
        None => Line::New,
        Some(_) if held.iter().any(|(name, _)| **name == called) => Line::There,
        Some((name, _)) => Line::Refused(format!("{name} is another account's in the register")),
    })
}

impl Reader {
    /// Hands out every account of the register in the order in which they were entered, but those that came to nothing.
    ///
    /// # Errors
    /// Where they cannot be read, or what `each` says.
    pub fn entries<E: From<JournalError>>(&self, mut each: impl FnMut(Entry) -> Result<(), E>) -> Result<(), E> {
        let mut statement = self
            .connection
            .prepare_cached(
                "SELECT a.uid, a.account, a.state, a.procedure, a.created_at, a.ends_at, a.entry, p.record,
                   r.procedure || ':' || r.ext_id || '@' || r.revision, t.texts ->> ('$.' || ?1),
                   (SELECT json_group_array(target) FROM (SELECT target FROM placed WHERE account = a.uid ORDER BY target)), a.emptied
                 FROM account a LEFT JOIN request r ON r.id = a.request LEFT JOIN personal p ON p.request = r.id
                 LEFT JOIN texts t ON t.id = r.texts WHERE a.state <> 'void' ORDER BY a.created_at, a.uid",
            )
            .map_err(JournalError::from)?;
        let mut rows = statement.query([TIME_ZONE]).map_err(JournalError::from)?;
        while let Some(row) = rows.next().map_err(JournalError::from)? {
            each(entry(row)?)?;
        }
        Ok(())
    }

    /// What an import would come to.
    ///
    /// # Errors
    /// Where the register cannot be read.
    pub fn try_import(&self, imports: &[Import]) -> Result<Imported, JournalError> {
        let salt = self.name_salt()?;
        let mut imported = Imported::default();
        let mut taken: std::collections::HashMap<String, Uuid> = std::collections::HashMap::new();
        for import in imports {
            let mut find = |name: &str| -> Result<Option<Uuid>, JournalError> {
                if let Some(uid) = taken.get(name) {
                    return Ok(Some(*uid));
                }
                let hidden = super::retention::hidden_name(&salt, name);
                let mut statement =
                    self.connection.prepare_cached("SELECT account FROM name WHERE name IN (?1, ?2)")?;
                Ok(statement.query_row([name, &hidden], |row| row.get(0)).optional()?)
            };
            match decide(import, &mut find)? {
                Line::New => {
                    let uid = Uuid::now_v7();
                    taken.extend(import.names().into_iter().map(|name| (name, uid)));
                    imported.entered += 1;
                }
                Line::There => imported.there += 1,
                Line::Refused(why) => imported.refused.push((import.line, why)),
            }
        }
        Ok(imported)
    }
}

fn entry(row: &rusqlite::Row<'_>) -> Result<Entry, JournalError> {
    let uid: Uuid = row.get(0)?;
    if let Some(at) = super::read::maybe_time(row, 11)? {
        return emptied(row, uid, at);
    }
    let account: Account = serde_json::from_str(&row.get::<_, String>(1)?)?;
    let state: String = row.get(2)?;
    let procedure: String = row.get(3)?;
    let ends_at: Option<i64> = row.get(5)?;
    let list: Option<String> = row.get(6)?;
    let record: Option<String> = row.get(7)?;
    let zone: Option<String> = row.get(9)?;
    let targets: String = row.get(10)?;
    let zone = zone.and_then(|zone| TimeZone::get(&zone).ok()).unwrap_or(TimeZone::UTC);
    let told: Entry = list.map(|list| serde_json::from_str(&list)).transpose()?.unwrap_or_default();
    let record: Option<Record> = record.map(|record| serde_json::from_str(&record)).transpose()?;
    let mut entry = Entry {
        uid: uid.to_string(),
        address: account.address.as_ref().map(ToString::to_string).unwrap_or_default(),
        username: account.username.to_string(),
        aliases: account.aliases.iter().map(ToString::to_string).collect(),
        name: account.name,
        category: account.category,
        unit: account.unit,
        services: account.services,
        group: account.group.unwrap_or_default(),
        quota: account.quota.map(quota).unwrap_or_default(),
        procedure,
        request: row.get::<_, Option<String>>(8)?.unwrap_or_default(),
        created_at: Some(time(row, 4)?),
        last_day: ends_at.and_then(|at| last_day(at, &zone)),
        targets: serde_json::from_str(&targets)?,
        ..told
    };
    if state == IMPORTED {
        // As the list had it: its last day was read in another zone, perhaps.
        entry.last_day = told.last_day;
        (entry.quota, entry.username) = (told.quota, told.username);
        entry.targets = told.targets;
    }
    entry.state = state;
    if let Some(record) = record {
        why(&mut entry, &record, &zone);
    }
    Ok(entry)
}

/// An account whose personal data retention has removed: its names are still nobody else's.
fn emptied(row: &rusqlite::Row<'_>, uid: Uuid, at: Timestamp) -> Result<Entry, JournalError> {
    Ok(Entry {
        uid: uid.to_string(),
        name: format!("removed by retention on {}", at.strftime("%Y-%m-%d")),
        procedure: row.get(3)?,
        request: row.get::<_, Option<String>>(8)?.unwrap_or_default(),
        state: row.get(2)?,
        created_at: Some(time(row, 4)?),
        ..Entry::default()
    })
}

fn why(entry: &mut Entry, record: &Record, zone: &TimeZone) {
    entry.identifier.clone_from(&record.applicant.identifier);
    if let Some(responsible) = &record.responsible {
        entry.responsible.clone_from(&responsible.name);
        entry.responsible_identifier.clone_from(&responsible.identifier);
    }
    entry.documents = record
        .documents
        .iter()
        .map(|document| {
            let date = document.date.map(|date| date.to_string()).unwrap_or_default();
            let parts = [document.number.clone(), date, document.register.clone(), document.signed_by.clone()];
            let parts: Vec<String> = parts.into_iter().filter(|part| !part.is_empty()).collect();
            format!("{} {}", document.kind, parts.join(", ")).trim_end().to_owned()
        })
        .collect();
    let day = |at: Timestamp| at.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M").to_string();
    entry.approvals = record.approvals.iter().map(|one| format!("{}: {}, {}", one.role, one.by, day(one.at))).collect();
}

fn last_day(ends_at: i64, zone: &TimeZone) -> Option<Date> {
    let last = Timestamp::from_microsecond(ends_at).ok()?.checked_sub(1.second()).ok()?;
    Some(last.to_zoned(zone.clone()).date())
}

/// As requests write sizes: 1 GB = 10^9 bytes.
fn quota(quota: crate::model::Quota) -> String {
    for (unit, bytes) in [("TB", 1_000_000_000_000), ("GB", 1_000_000_000), ("MB", 1_000_000), ("kB", 1000)] {
        if quota.0 >= bytes && quota.0.is_multiple_of(bytes) {
            return format!("{}{unit}", quota.0 / bytes);
        }
    }
    quota.0.to_string()
}

/// Enters the accounts that an order to import brought, and forgets the list.
pub(super) fn import(tx: &mut Tx<'_>, order: i64) -> Result<String, JournalError> {
    let rows: Vec<String> =
        tx.rows("SELECT entry FROM import WHERE orders = ?1 ORDER BY row", [order], |row| row.get(0))?;
    let mut imported = Imported::default();
    for row in rows {
        let import: Import = serde_json::from_str(&row)?;
        let line = {
            let mut find = |name: &str| tx.holder_of_name(name);
            decide(&import, &mut find)?
        };
        match line {
            Line::New => {
                enter(tx, &import)?;
                imported.entered += 1;
            }
            Line::There => imported.there += 1,
            Line::Refused(why) => imported.refused.push((import.line, why)),
        }
    }
    tx.run("DELETE FROM import WHERE orders = ?1", [order])?;
    let counts = serde_json::json!({
        "order": order, "entered": imported.entered, "there": imported.there, "refused": imported.refused.len(),
    });
    tx.event(&[], "imported", &counts)?;
    Ok(imported.sentence())
}

fn enter(tx: &mut Tx<'_>, import: &Import) -> Result<(), JournalError> {
    let uid = AccountUid(Uuid::now_v7());
    let entry = &import.entry;
    let account = Account { uid, ..import.account.clone() };
    let created = entry.created_at.unwrap_or(tx.now).as_microsecond();
    tx.run(
        "INSERT INTO account (uid, request, procedure, state, holder, account, created_at, ends_at, entry)
         VALUES (?1, 0, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        (
            uid.0,
            &entry.procedure,
            IMPORTED,
            admit::holder(&entry.procedure, &entry.identifier),
            serde_json::to_string(&account)?,
            created,
            account.ends_at.map(|at| at.as_microsecond()),
            serde_json::to_string(entry)?,
        ),
    )?;
    for name in import.names() {
        tx.run("INSERT INTO name (name, account, request) VALUES (?1, ?2, 0)", (name, uid.0))?;
    }
    Ok(())
}
