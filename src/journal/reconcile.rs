//! What `akund reconcile` asks of the register, and what its orders put right.
//!
//! Putting right is a request of its own, linked with the one that made the account, at one target: a suspend of what shall be
//! suspended, a change to what the register has. It takes nothing away that the register gives, makes no account and removes none,
//! and counts against the change budget: what exceeds it is held.

use super::JournalError;
use super::admit::{self, Admission, Submission};
use super::budget::Budgets;
use super::read::Reader;
use super::tx::Tx;
use crate::model::request::WantedAccount;
use crate::model::verdict::{Check, Evidence};
use crate::model::{
    Account, AccountUid, Action, Grant, HoldReason, Judgement, PlannedStep, Record, RequestKey, StepDetail, Verb,
    Verdict,
};
use rusqlite::OptionalExtension;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// What stands between the original's id and the order's number in the new request's id.
const LINK: &str = "+reconcile-";
/// Longest id of a request, characters.
const LONGEST_ID: usize = 200;

/// Where an account stands, as far as targets know it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stands {
    /// It can be used.
    Active,
    /// Logging in is stopped.
    Suspended,
    /// It is no more.
    Removed,
}

impl Stands {
    /// Whether it shall not be there.
    pub fn is_removed(self) -> bool {
        self == Self::Removed
    }
    /// Whether logging in shall be stopped.
    pub fn is_suspended(self) -> bool {
        self == Self::Suspended
    }
}

/// An account of the register at one target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placed {
    /// As it shall be.
    pub account: Account,
    /// Where it stands.
    pub state: Stands,
    /// What the target called it.
    pub external_id: Option<String>,
    /// The request that made it, `PROCEDURE:ID@REVISION`.
    pub request: String,
    /// When it was last written there, microseconds since 1970.
    pub written_at: i64,
    /// Whether akund adopted it: of such a one the register does not know everything.
    pub adopted: bool,
}

impl Placed {
    /// Its address, or else its user name.
    pub fn called(&self) -> &str {
        self.account.address.as_ref().map_or(self.account.username.as_str(), |address| address.as_str())
    }

    /// Its names, in lower case.
    pub fn names(&self) -> impl Iterator<Item = String> {
        let addresses = self.account.address.iter().chain(&self.account.aliases).map(|address| address.as_str());
        addresses.chain([self.account.username.as_str()]).map(str::to_lowercase)
    }
}

/// One thing to put right.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fix {
    /// Of which account.
    pub account: uuid::Uuid,
    /// Where.
    pub target: String,
    /// Suspend, or change.
    pub action: Action,
}

impl Reader {
    /// Whether the register has accounts at a target.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub fn has_accounts_at(&self, target: &str) -> Result<bool, JournalError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM placed p JOIN account a ON a.uid = p.account
               WHERE p.target = ?1 AND a.state IN ('active', 'suspended'))",
        )?;
        Ok(statement.query_row([target], |row| row.get(0))?)
    }

    /// The newest accounts that akund made at a target and that shall be there, as nobody works on them now; at most so many.
    ///
    /// # Errors
    /// Where they cannot be read.
    pub fn newest_at(&self, target: &str, most: usize) -> Result<Vec<AccountUid>, JournalError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT a.uid FROM placed p JOIN account a ON a.uid = p.account
             WHERE p.target = ?1 AND a.emptied IS NULL AND a.adopted IS NULL AND a.state IN ('active', 'suspended')
               AND NOT EXISTS (SELECT 1 FROM request o WHERE o.account = a.uid
                 AND o.state IN ('working', 'waiting', 'stuck', 'withdrawing'))
             ORDER BY p.at DESC LIMIT ?2",
        )?;
        let most = i64::try_from(most).unwrap_or(i64::MAX);
        let uids = statement.query_map((target, most), |row| row.get(0).map(AccountUid))?;
        Ok(uids.collect::<Result<_, _>>()?)
    }

    /// The accounts that the register has at a target, and whether a request works on each now.
    ///
    /// # Errors
    /// Where they cannot be read.
    pub fn placed_at(&self, target: &str) -> Result<Vec<(Placed, bool)>, JournalError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT a.account, a.state, p.external_id, p.at, coalesce(r.procedure || ':' || r.ext_id || '@' || r.revision, ''),
               EXISTS (SELECT 1 FROM request o WHERE o.account = a.uid
                 AND o.state IN ('working', 'waiting', 'stuck', 'withdrawing')), a.adopted IS NOT NULL
             FROM placed p JOIN account a ON a.uid = p.account LEFT JOIN request r ON r.id = coalesce(a.adopted, a.request)
             WHERE p.target = ?1 AND a.emptied IS NULL AND a.state IN ('reserved', 'active', 'suspended', 'removed')",
        )?;
        let mut rows = statement.query([target])?;
        let mut all = Vec::new();
        while let Some(row) = rows.next()? {
            let state: String = row.get(1)?;
            let stands = match state.as_str() {
                "removed" => Stands::Removed,
                "suspended" => Stands::Suspended,
                _ => Stands::Active,
            };
            let placed = Placed {
                account: serde_json::from_str(&row.get::<_, String>(0)?)?,
                state: stands,
                external_id: row.get(2)?,
                request: row.get(4)?,
                written_at: row.get(3)?,
                adopted: row.get(6)?,
            };
            all.push((placed, row.get::<_, bool>(5)? || state == "reserved"));
        }
        Ok(all)
    }

    /// The state of an account, and whether a request works on it now; none: the register does not have it.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub fn account_state(&self, uid: AccountUid) -> Result<Option<(String, bool)>, JournalError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT a.state, EXISTS (SELECT 1 FROM request o WHERE o.account = a.uid
               AND o.state IN ('working', 'waiting', 'stuck', 'withdrawing')) FROM account a WHERE a.uid = ?1",
        )?;
        Ok(statement.query_row([uid.0], |row| Ok((row.get(0)?, row.get(1)?))).optional()?)
    }
}

/// What came of an order.
#[derive(Debug, Default)]
struct Done {
    begun: usize,
    held: usize,
    left: Vec<String>,
}

/// Carries out an order to put things right, and forgets its list; a sentence.
pub(super) fn carry_out(tx: &mut Tx<'_>, order: i64, lanes: &[String]) -> Result<String, JournalError> {
    let rows: Vec<String> =
        tx.rows("SELECT entry FROM import WHERE orders = ?1 ORDER BY row", [order], |row| row.get(0))?;
    let (mut done, mut budgets) = (Done::default(), Budgets::default());
    for (row, entry) in rows.iter().enumerate() {
        let fix: Fix = serde_json::from_str(entry)?;
        match wanted(tx, &fix, lanes)? {
            Err(why) => done.left.push(format!("account {} at {}: {why}", fix.account, fix.target)),
            Ok(original) => {
                let used_up = budgets.of(tx)?.get(&fix.target).is_some_and(|taken| taken.is_used_up());
                put_right(tx, (order, row), &fix, &original, used_up, &mut budgets)?;
                *(if used_up { &mut done.held } else { &mut done.begun }) += 1;
            }
        }
    }
    tx.run("DELETE FROM import WHERE orders = ?1", [order])?;
    let counts = serde_json::json!({"order": order, "begun": done.begun, "held": done.held, "left": done.left.len()});
    tx.event(&[], "reconciled", &counts)?;
    let mut text = format!(
        "{} asked for: {} are being put right, {} are held by the change budget, {} are left as they are",
        rows.len(),
        done.begun,
        done.held,
        done.left.len()
    );
    done.left.iter().take(20).for_each(|line| text.push_str(&format!("\n{line}")));
    Ok(text)
}

/// What made the account, and the account as the register has it.
struct Original {
    uid: uuid::Uuid,
    key: RequestKey,
    source: String,
    record: Record,
    procedure_sha256: String,
    account: Account,
}

/// Whether what is to be put right is still to be, by the register; else why not.
fn wanted(tx: &mut Tx<'_>, fix: &Fix, lanes: &[String]) -> Result<Result<Original, String>, JournalError> {
    let found = tx.row(
        "SELECT a.state, a.account, r.uid, r.procedure, r.ext_id, r.revision, u.source, p.record, r.procedure_sha256
         FROM placed t JOIN account a ON a.uid = t.account JOIN request r ON r.id = a.request
         JOIN submission u ON u.id = r.submission JOIN personal p ON p.request = r.id
         WHERE t.account = ?1 AND t.target = ?2 AND a.emptied IS NULL AND a.adopted IS NULL",
        (fix.account, &fix.target),
        |row| {
            let key = RequestKey { procedure: row.get(3)?, id: row.get(4)?, revision: row.get(5)? };
            let (state, account, record): (String, String, String) = (row.get(0)?, row.get(1)?, row.get(7)?);
            let rest: (uuid::Uuid, String, String) = (row.get(2)?, row.get(6)?, row.get(8)?);
            Ok((state, account, record, key, rest))
        },
    )?;
    let Some((state, account, record, key, (uid, source, procedure_sha256))) = found else {
        return Ok(Err("the register does not have it there, or akund has only adopted it".into()));
    };
    if !lanes.contains(&fix.target) {
        return Ok(Err(format!("there is no target {}", fix.target)));
    }
    match (fix.action, state.as_str()) {
        (Action::Suspend, "suspended") | (Action::Change, "active" | "suspended") => {}
        (Action::Suspend | Action::Change, other) => return Ok(Err(format!("it is {other} in the register now"))),
        _ => return Ok(Err("only a suspension and a change are put right by an order".into())),
    }
    let busy: Option<i64> = tx.row(
        "SELECT id FROM request WHERE account = ?1 AND state IN ('working', 'waiting', 'stuck', 'withdrawing') LIMIT 1",
        [fix.account],
        |row| row.get(0),
    )?;
    if busy.is_some() {
        return Ok(Err("a request is working on it".into()));
    }
    let account = serde_json::from_str(&account)?;
    Ok(Ok(Original { uid, key, source, record: serde_json::from_str(&record)?, procedure_sha256, account }))
}

/// Makes the linked request.
fn put_right(
    tx: &mut Tx<'_>,
    (order, row): (i64, usize),
    fix: &Fix,
    original: &Original,
    used_up: bool,
    budgets: &mut Budgets,
) -> Result<(), JournalError> {
    let record = record(original, fix.action, order, row);
    let judgement = judgement(fix, original, used_up);
    let digest: [u8; 32] = Sha256::digest(serde_json::to_vec(&record)?).into();
    let submission = Submission {
        source: original.source.clone(),
        name: format!("order {order}"),
        sha256: Sha256::digest(format!("order {order}")).into(),
        evidence: String::new(),
        bulk: true,
    };
    let submission_id = admit::record_submission(tx, &submission)?;
    let admission = Admission {
        record,
        digest,
        row: u32::try_from(row).unwrap_or(u32::MAX).saturating_add(1),
        names: Vec::new(),
        live: Vec::new(),
        unit: None,
        signed_as: Vec::new(),
        not_permitted: Vec::new(),
    };
    let (id, uid, _) = admit::insert(tx, &submission, submission_id, &admission, &judgement, Some(&original.account))?;
    budgets.spend(tx, id, &judgement)?;
    let detail = serde_json::json!({"by": uid.0, "order": order, "target": fix.target, "action": fix.action.as_str()});
    tx.event(original.uid.as_bytes(), "reconciled", &detail).map(drop)
}

/// The same people and documents; the order stands for the approval. Pure.
fn record(original: &Original, action: Action, order: i64, row: usize) -> Record {
    let root = original.key.id.split(LINK).next().unwrap_or_default();
    let link = format!("{LINK}{order}.{}", row + 1);
    let root: String = root.chars().take(LONGEST_ID.saturating_sub(link.len())).collect();
    let account = &original.account;
    Record {
        key: RequestKey { procedure: original.key.procedure.clone(), id: format!("{root}{link}"), revision: 1 },
        action,
        change: None,
        account: WantedAccount {
            address: account.address.clone(),
            username: account.address.is_none().then(|| account.username.clone()),
            ..WantedAccount::default()
        },
        ..original.record.clone()
    }
}

/// At the one target, written and proven; no notice to anybody. Pure.
fn judgement(fix: &Fix, original: &Original, used_up: bool) -> Judgement {
    let grant = Grant {
        action: fix.action,
        account: original.account.clone(),
        names: Vec::new(),
        budgeted: true,
        takes_away: false,
        adopts: None,
    };
    let step = |verb| PlannedStep { lane: fix.target.clone(), verb, detail: StepDetail::default() };
    let found = match used_up {
        false => format!("it differs at {}, and an order puts it right", fix.target),
        true => format!("more changes at {} than in a day are made by themselves: look, then release", fix.target),
    };
    let check = Check {
        requirement: "reconciled by an order".into(),
        met: !used_up,
        found: found.clone(),
        sop: None,
        held_against: Evidence::Accounts,
    };
    Judgement {
        verdict: match used_up {
            false => Verdict::Permit { grant },
            true => Verdict::Hold { reason: HoldReason::Review, missing: vec![found], grant: Some(grant) },
        },
        checklist: vec![check],
        procedure_sha256: original.procedure_sha256.clone(),
        plan: vec![step(Verb::Apply), step(Verb::Prove)],
        notices: Vec::new(),
        texts: BTreeMap::new(),
    }
}
