//! Which account a request brings about, when others have changed the account since it was judged.
//!
//! A request for an existing account is judged by the register as it stands then, and carried out after the earlier requests
//! for that account (or after a release, much later). What it does not itself change must then be as those left it. So the
//! register's account of the judging is kept with the request, and at its turn only the difference is applied.

use super::JournalError;
use super::tx::Tx;
use crate::model::Account;
use serde_json::Value;

/// Top-level fields in which `wanted` differs from `base` are taken from it, all others from `current`. Pure.
fn rebase(base: &Value, wanted: Value, current: Value) -> Value {
    let (Value::Object(wanted), Value::Object(mut current)) = (wanted, current) else { return Value::Null };
    let mut gone: Vec<String> = Vec::new();
    if let Value::Object(base) = base {
        gone.extend(base.keys().filter(|key| !wanted.contains_key(*key)).cloned());
    }
    for key in gone {
        current.remove(&key);
    }
    for (key, value) in wanted {
        if base.get(&key) != Some(&value) {
            current.insert(key, value);
        }
    }
    Value::Object(current)
}

/// What [`Accounts::read`] reads, of a query over request `r` with [`JOIN`]. What is damaged is read as it is: it is one request's
/// trouble, and not that of the others in the query.
pub(super) const COLUMNS: &str = "p.account,
    CASE WHEN r.action <> 'create' THEN iif(json_valid(p.judgement), p.judgement -> '$.base', p.judgement) END,
    CASE WHEN r.action <> 'create' THEN a.account END";
/// The tables that [`COLUMNS`] come from.
pub(super) const JOIN: &str =
    "LEFT JOIN personal p ON p.request = r.id LEFT JOIN account a ON a.uid = r.account AND r.action <> 'create'";

/// The account of a request, as JSON: as it was wanted, and for one there was, how it was judged and how it is now.
pub(super) struct Accounts {
    wanted: Option<String>,
    base: Option<String>,
    current: Option<String>,
}

impl Accounts {
    /// From the columns that begin at `first`.
    pub fn read(row: &rusqlite::Row<'_>, first: usize) -> rusqlite::Result<Self> {
        Ok(Self { wanted: row.get(first)?, base: row.get(first + 1)?, current: row.get(first + 2)? })
    }

    /// As the register has it now; none for one that the request makes.
    pub fn current(&self) -> Result<Option<Account>, JournalError> {
        Ok(self.current.as_deref().map(serde_json::from_str).transpose()?)
    }

    /// As the request shall leave it, by the register as it stands now; none where it has no grant or its data are gone.
    pub fn wanted(&self) -> Result<Option<Account>, JournalError> {
        let Some(wanted) = &self.wanted else { return Ok(None) };
        let (Some(base), Some(current)) = (&self.base, &self.current) else {
            return Ok(Some(serde_json::from_str(wanted)?));
        };
        let base: Value = serde_json::from_str(base)?;
        if base.is_null() {
            return Ok(Some(serde_json::from_str(wanted)?));
        }
        let rebased = rebase(&base, serde_json::from_str(wanted)?, serde_json::from_str(current)?);
        match serde_json::from_value(rebased) {
            Ok(account) => Ok(Some(account)),
            // The register's data of the account were emptied.
            Err(_) => Ok(Some(serde_json::from_str(wanted)?)),
        }
    }
}

/// [`Accounts::wanted`] of one request.
pub(super) fn account(tx: &mut Tx<'_>, request: i64) -> Result<Option<Account>, JournalError> {
    let sql = format!("SELECT {COLUMNS} FROM request r {JOIN} WHERE r.id = ?1");
    tx.row(&sql, [request], |row| Accounts::read(row, 0))?.map_or(Ok(None), |accounts| accounts.wanted())
}

#[cfg(test)]
mod tests {
    use super::rebase;
    use serde_json::json;

    #[test]
    fn only_what_a_request_changes_is_taken_from_it() {
        let base = json!({"address": "a", "quota": 1, "group": "g", "aliases": []});
        let wanted = json!({"address": "a", "quota": 5, "aliases": []});
        let current = json!({"address": "b", "quota": 1, "group": "g", "aliases": ["a"]});
        let rebased = rebase(&base, wanted, current);
        assert_eq!(rebased, json!({"address": "b", "quota": 5, "aliases": ["a"]}));
    }

    #[test]
    fn without_a_change_meanwhile_it_is_what_was_wanted() {
        let base = json!({"address": "a", "quota": 1});
        let wanted = json!({"address": "c", "quota": 1, "group": "g"});
        assert_eq!(rebase(&base, wanted.clone(), base.clone()), wanted);
    }
}
