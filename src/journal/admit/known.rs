//! What the register knows of a record's names, its holder and the account that it names.

use super::Admission;
use crate::journal::tx::{Tx, from_word};
use crate::journal::{JournalError, register};
use crate::model::{Account, AccountUid, Facts, NameFact};
use sha2::{Digest, Sha256};

/// What the register knows about the record's names, its holder and the account it names.
/// `proposed` is the uid of the account that it may make: what carries that at a target is no stranger's.
pub fn facts(
    tx: &mut Tx<'_>,
    source: &str,
    admission: &Admission,
    proposed: AccountUid,
) -> Result<Facts, JournalError> {
    let record = &admission.record;
    let mut facts = Facts { source: source.to_owned(), signed_as: admission.signed_as.clone(), ..Facts::default() };
    for (name, account, request) in holders_of(tx, &admission.names)? {
        facts.names.entry(name).or_default().push(NameFact::Register { account, request });
    }
    for (name, target, uid) in &admission.live {
        let known = *uid == Some(proposed)
            || facts.names.get(name).is_some_and(|held| {
                held.iter()
                    .any(|fact| matches!(fact, NameFact::Register { account, .. } if Some(account) == uid.as_ref()))
            });
        if !known {
            facts.names.entry(name.clone()).or_default().push(NameFact::Target { target: target.clone() });
        }
    }
    let named = record.account.address.as_ref().map(|a| a.as_str());
    let named = named.or(record.account.username.as_ref().map(|u| u.as_str()));
    if let Some(name) = named
        && let Some((account, state, made_for)) = account_by_name(tx, name, &record.key.procedure)?
    {
        let (procedure, by, adopted) = made_for;
        facts.other_holder = by != holder(&procedure, &record.applicant.identifier);
        facts.no_holder = by == holder(&procedure, "");
        facts.adopted = adopted;
        facts.account_state = Some(to_come(tx, account.uid, state)?);
        facts.account = Some(account);
    }
    if !record.applicant.identifier.is_empty() {
        let holder = holder(&record.key.procedure, &record.applicant.identifier);
        facts.holder_has = tx.rows(
            "SELECT account ->> 'address' FROM account WHERE holder = ?1 AND state IN ('reserved', 'active', 'suspended', 'imported')
               AND account ->> 'address' IS NOT NULL",
            [holder],
            |row| row.get(0),
        )?;
    }
    if let Some(unit) = &admission.unit {
        facts.unit_has = accounts_of_unit(tx, &record.key.procedure, unit)?;
    }
    Ok(facts)
}

/// Addresses (or user names, where there is none) of a unit's accounts of this procedure, some of them. The index
/// `account_unit` serves it.
fn accounts_of_unit(tx: &mut Tx<'_>, procedure: &str, unit: &str) -> Result<Vec<String>, JournalError> {
    tx.rows(
        "SELECT coalesce(account ->> 'address', account ->> 'username') FROM account
         WHERE procedure = ?1 AND lower(account ->> 'unit') = lower(?2) AND state IN ('reserved', 'active', 'suspended')
         ORDER BY created_at LIMIT 5",
        [procedure, unit],
        |row| row.get(0),
    )
}

/// Those of the names that an account holds or once held, each with the account and the request that made it.
fn holders_of(tx: &mut Tx<'_>, names: &[String]) -> Result<Vec<(String, AccountUid, String)>, JournalError> {
    let hidden: Vec<(String, &String)> =
        names.iter().filter_map(|name| tx.hidden_name(name).map(|hidden| (hidden, name))).collect();
    let sought: Vec<&String> = names.iter().chain(hidden.iter().map(|(hidden, _)| hidden)).collect();
    let mut found: Vec<(String, AccountUid, String)> = tx.rows(
        "SELECT n.name, n.account, coalesce(r.procedure || ':' || r.ext_id || '@' || r.revision, '')
         FROM json_each(?1) AS sought CROSS JOIN name n ON n.name = sought.value JOIN account a ON a.uid = n.account
           LEFT JOIN request r ON r.id = a.request",
        [serde_json::to_string(&sought)?],
        |row| Ok((row.get(0)?, AccountUid(row.get(1)?), row.get(2)?)),
    )?;
    for (name, ..) in &mut found {
        if let Some((_, open)) = hidden.iter().find(|(hidden, _)| hidden == name) {
            name.clone_from(open);
        }
    }
    Ok(found)
}

/// For whom an account was made: the procedure, the digest of [`holder`], and whether it was adopted.
type MadeFor = (String, [u8; 32], bool);

/// An account, its state, and for whom it was made.
type Registered = (Account, String, MadeFor);

/// The account that has a name, if it was made by this procedure: another one's approvals do not reach it.
fn account_by_name(tx: &mut Tx<'_>, name: &str, procedure: &str) -> Result<Option<Registered>, JournalError> {
    let found: Option<(String, String, MadeFor)> = tx.row(
        "SELECT a.account, a.state, a.procedure, a.holder, a.adopted IS NOT NULL FROM name n JOIN account a ON a.uid = n.account
         WHERE n.name = ?1 AND a.procedure = ?2 AND a.emptied IS NULL",
        [name, procedure],
        |row| Ok((row.get(0)?, row.get(1)?, (row.get(2)?, row.get(3)?, row.get(4)?))),
    )?;
    // One whose data are gone or damaged has its names still, and nothing that could be asked for: it must not stop intake.
    let read = |(account, state, made_for): (String, String, _)| match serde_json::from_str(&account) {
        Ok(account) => Some((account, state, made_for)),
        Err(error) => {
            tracing::error!(
                damage = crate::journal::damage(&error),
                "an account in the register cannot be read; what is asked of it is refused"
            );
            None
        }
    };
    Ok(found.and_then(read))
}

/// The state in which an account will be when its turn comes: what was granted before and is not done yet is done first. A resumption
/// that is handed in while the suspension before it still waits for a server must not be refused, or the account stays suspended; nor a
/// suspension while the account is still being made, or it is open in the end.
fn to_come(tx: &mut Tx<'_>, account: AccountUid, state: String) -> Result<String, JournalError> {
    if !matches!(state.as_str(), "reserved" | "active" | "suspended") {
        return Ok(state);
    }
    let last: Option<String> = tx.row(
        "SELECT action FROM request WHERE account = ?1 AND state IN ('working', 'waiting', 'stuck', 'withdrawing')
           AND state <> 'withdrawing' AND action IN ('create', 'suspend', 'resume', 'remove') ORDER BY +id DESC LIMIT 1",
        [account.0],
        |row| row.get(0),
    )?;
    let becomes = last.as_deref().map(from_word).transpose()?.and_then(register::becomes);
    Ok(becomes.map_or(state, str::to_owned))
}

/// Finds a holder's other accounts without keeping the identifier beside them.
pub fn holder(procedure: &str, identifier: &str) -> [u8; 32] {
    let mut hasher = Sha256::new();
    hasher.update((procedure.len() as u64).to_be_bytes());
    hasher.update(procedure);
    hasher.update(identifier);
    hasher.finalize().into()
}
