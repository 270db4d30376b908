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

/// The account as a request shall leave it, by the register as it stands now; none where it has no grant or its data are gone.
pub(super) fn account(tx: &mut Tx<'_>, request: i64) -> Result<Option<Account>, JournalError> {
    let found: Option<(Option<String>, Option<String>, Option<String>)> = tx.row(
        "SELECT p.account, p.judgement -> '$.base', CASE WHEN r.action <> 'create' THEN a.account END
         FROM request r JOIN personal p ON p.request = r.id LEFT JOIN account a ON a.uid = r.account WHERE r.id = ?1",
        [request],
        |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
    )?;
    let Some((Some(wanted), base, current)) = found else { return Ok(None) };
    let (Some(base), Some(current)) = (base, current) else { return Ok(Some(serde_json::from_str(&wanted)?)) };
    let base: Value = serde_json::from_str(&base)?;
    if base.is_null() {
        return Ok(Some(serde_json::from_str(&wanted)?));
    }
    let rebased = rebase(&base, serde_json::from_str(&wanted)?, serde_json::from_str(&current)?);
    match serde_json::from_value(rebased) {
        Ok(account) => Ok(Some(account)),
        // The register's data of the account were emptied.
        Err(_) => Ok(Some(serde_json::from_str(&wanted)?)),
    }
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
