//! Officials' addresses. A request keeps those that its procedure had when it was judged; where one of them is wrong, the procedure
//! file is mended, and `akund retry` takes the addresses that are in force then. Nothing else of the request changes.

use super::redeliver::Redeliver;
use super::tx::Tx;
use super::{JournalError, admit};
use crate::model::{Recipient, StepDetail};
use std::collections::BTreeMap;

/// For each procedure, where its officials are written to: [`crate::model::role_text`] of `email` → address.
pub type Officials = BTreeMap<String, BTreeMap<String, String>>;

/// What orders need of the procedures in force.
pub struct InForce {
    /// Judges what is handed out anew.
    pub judge: Box<Redeliver>,
    /// Where officials are written to.
    pub officials: Officials,
}

/// Takes the addresses in force for a request of which a notice to an official is stuck; the roles whose address is another now.
pub(super) fn readdress(
    tx: &mut Tx<'_>,
    request: i64,
    order: i64,
    officials: &Officials,
) -> Result<Vec<String>, JournalError> {
    let stuck: Vec<String> = tx.rows(
        "SELECT detail FROM step WHERE id BETWEEN ?1 << 8 AND ?1 << 8 | 255 AND state = 'stuck'",
        [request],
        |row| row.get(0),
    )?;
    let details: Vec<StepDetail> = stuck.iter().map(|text| serde_json::from_str(text)).collect::<Result<_, _>>()?;
    if !details.iter().any(|detail| matches!(detail.to, Some(Recipient::Role(_)))) {
        return Ok(Vec::new());
    }
    let found: Option<(uuid::Uuid, String, String)> = tx.row(
        "SELECT r.uid, r.procedure, t.texts FROM request r JOIN texts t ON t.id = r.texts WHERE r.id = ?1",
        [request],
        |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
    )?;
    let Some((uid, procedure, texts)) = found else { return Ok(Vec::new()) };
    let mut texts: BTreeMap<String, String> = serde_json::from_str(&texts)?;
    let Some(in_force) = officials.get(&procedure) else { return Ok(Vec::new()) };
    let mut changed = Vec::new();
    for (key, address) in in_force {
        // Only whom the plan writes to already.
        let Some(kept) = texts.get_mut(key).filter(|kept| *kept != address) else { continue };
        kept.clone_from(address);
        changed.push(key.split('.').nth(1).unwrap_or_default().to_owned());
    }
    if !changed.is_empty() {
        let texts = admit::texts(tx, &texts)?;
        tx.run("UPDATE request SET texts = ?2 WHERE id = ?1", (request, texts))?;
        tx.event(uid.as_bytes(), "readdressed", &serde_json::json!({"order": order, "roles": changed}))?;
    }
    Ok(changed)
}
