//! The change budget of each target: what was taken away in the last 24 hours without an approval each.

use super::JournalError;
use super::tx::Tx;
use crate::model::{Judgement, TakenAway, Verb, Verdict};
use std::collections::{BTreeMap, BTreeSet};

/// Microseconds.
const DAY: i64 = 24 * 60 * 60 * 1_000_000;

/// By target. Loaded once for a batch, and kept up to date while it is judged.
#[derive(Debug, Default)]
pub(super) struct Budgets(Option<BTreeMap<String, TakenAway>>);

impl Budgets {
    /// Where each budget stands now.
    pub fn of(&mut self, tx: &mut Tx<'_>) -> Result<&BTreeMap<String, TakenAway>, JournalError> {
        if self.0.is_none() {
            self.0 = Some(load(tx)?);
        }
        Ok(self.0.get_or_insert_default())
    }

    /// Writes down what a permitted request takes away, at every target that it is carried out at.
    pub fn spend(&mut self, tx: &mut Tx<'_>, request: i64, judgement: &Judgement) -> Result<(), JournalError> {
        let Verdict::Permit { grant } = &judgement.verdict else { return Ok(()) };
        if !grant.budgeted {
            return Ok(());
        }
        let applied = judgement.plan.iter().filter(|step| step.verb == Verb::Apply);
        let targets: BTreeSet<&str> = applied.map(|step| step.lane.as_str()).collect();
        let now = tx.micros();
        for target in targets {
            tx.run("DELETE FROM taken WHERE target = ?1 AND at <= ?2", (target, now - DAY))?;
            tx.run("INSERT INTO taken (target, at, request) VALUES (?1, ?2, ?3)", (target, now, request))?;
            if let Some(taken) = self.0.as_mut().map(|known| known.entry(target.to_owned()).or_default()) {
                taken.in_a_day += 1;
                if taken.in_a_day == TakenAway::LEAST {
                    // From here on the number of accounts matters.
                    taken.accounts = accounts(tx, target)?;
                }
            }
        }
        Ok(())
    }
}

fn load(tx: &mut Tx<'_>) -> Result<BTreeMap<String, TakenAway>, JournalError> {
    let since = tx.micros() - DAY;
    let counts: Vec<(String, u64)> =
        tx.rows("SELECT target, count(*) FROM taken WHERE at > ?1 GROUP BY target", [since], |row| {
            Ok((row.get(0)?, row.get::<_, i64>(1)?.unsigned_abs()))
        })?;
    let mut all = BTreeMap::new();
    for (target, in_a_day) in counts {
        // Below the least budget the number of accounts, which takes long to count, does not matter.
        let accounts = if in_a_day < TakenAway::LEAST { 0 } else { accounts(tx, &target)? };
        all.insert(target, TakenAway { in_a_day, accounts });
    }
    Ok(all)
}

fn accounts(tx: &mut Tx<'_>, target: &str) -> Result<u64, JournalError> {
    let count: Option<i64> = tx.row(
        "SELECT count(*) FROM placed p JOIN account a ON a.uid = p.account
         WHERE p.target = ?1 AND a.state IN ('active', 'suspended')",
        [target],
        |row| row.get(0),
    )?;
    Ok(count.unwrap_or(0).unsigned_abs())
}
