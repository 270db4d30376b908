//! Reconciling: every target is read and compared with the register. Changes nothing.
//!
//! The register is read before a target and after it: what moved meanwhile, or is being worked on, is not compared. A target
//! that cannot be read to its end, or shows none of the accounts that stand there, is an error and never "no accounts".

pub mod compare;

use crate::journal::JournalError;
use crate::journal::read::Reader;
use crate::journal::reconcile::Placed;
use crate::model::{Action, Fault};
use crate::target::{Found, HeldState, Target, Work};
use compare::{Difference, Kind};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::Arc;

/// Names that are looked for, and accounts that are read back, in one go.
const AT_ONCE: usize = 2000;

/// What reconciling has found.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Report {
    /// Each target.
    pub targets: Vec<Summary>,
    /// Each account that is not as the register has it.
    pub differences: Vec<Difference>,
}

/// One target.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Summary {
    /// Its name.
    pub target: String,
    /// How many accounts of the register were compared.
    pub compared: usize,
    /// How many of them are as they shall be.
    pub same: usize,
    /// How many were being worked on.
    pub in_motion: usize,
    /// How many accounts there are that are not akund's; they are never looked at any closer.
    pub foreign: usize,
    /// Whether names, ends, quotas and groups were compared, too, and not only presence and state.
    pub in_full: bool,
    /// Why it could not be compared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// Compares targets with the register, one after the other.
///
/// # Errors
/// Where the journal cannot be read.
pub async fn reconcile(journal: &Path, targets: &[Arc<dyn Target>]) -> Result<Report, JournalError> {
    let mut report = Report::default();
    for target in targets {
        let mut summary = Summary { target: target.name().to_owned(), ..Summary::default() };
        match one(journal, &**target, &mut summary).await {
            Ok(mut differences) => {
                differences.sort_by(|a, b| (a.kind, &a.account).cmp(&(b.kind, &b.account)));
                report.differences.extend(differences);
            }
            Err(Trouble::Target(fault)) => summary.error = Some(fault.message),
            Err(Trouble::Journal(error)) => return Err(error),
        }
        report.targets.push(summary);
    }
    Ok(report)
}

enum Trouble {
    Target(Fault),
    Journal(JournalError),
}

impl From<Fault> for Trouble {
    fn from(fault: Fault) -> Self {
        Self::Target(fault)
    }
}

impl From<JournalError> for Trouble {
    fn from(error: JournalError) -> Self {
        Self::Journal(error)
    }
}

async fn one(journal: &Path, target: &dyn Target, summary: &mut Summary) -> Result<Vec<Difference>, Trouble> {
    let name = target.name();
    let before = register(journal, name)?;
    let held = target.list().await?;
    let after = register(journal, name)?;
    let stands = before.values().filter(|(placed, _)| !placed.state.is_removed()).count();
    if stands > 0 && !held.iter().any(|one| one.uid.is_some() && one.state != HeldState::Gone) {
        return Err(Trouble::Target(Fault::permanent(format!(
            "it shows none of the {stands} accounts that the register has there: the wrong place, or akund may not see them; \
             nothing is concluded from that"
        ))));
    }
    let settled: Vec<Placed> = after
        .into_values()
        .filter(|(placed, moving)| {
            !moving && before.get(&placed.account.uid.0).is_some_and(|(was, m)| !m && was == placed)
        })
        .map(|(placed, _)| placed)
        .collect();
    let now = Timestamp::now();
    let compared = compare::compare(name, &settled, &held, now);
    summary.compared = settled.len();
    summary.in_motion = before.len().saturating_sub(settled.len());
    summary.foreign = compared.foreign;
    let mut differences = compared.differences;
    for chunk in compared.absent.chunks(AT_ONCE) {
        let names: Vec<String> = chunk.iter().flat_map(|placed| placed.names()).collect();
        let found = target.find(&names).await?;
        let found: HashMap<&str, &Found> = found.iter().map(|found| (found.name.as_str(), found)).collect();
        differences.extend(chunk.iter().map(|placed| compare::of_absent(name, placed, &found)));
    }
    if target.reads_in_bulk() {
        summary.in_full = true;
        // Those that should be suspended and are not differ in that, and perhaps in more: both are put right.
        for chunk in compared.there.chunks(AT_ONCE) {
            differences.extend(read_back(target, chunk).await?);
        }
    }
    summary.same = settled.len().saturating_sub(differences.len());
    let reader = Reader::open(journal)?;
    for held in &compared.strangers {
        let Some(uid) = held.uid else { continue };
        if before.contains_key(&uid.0) {
            // It was there and has moved since.
            continue;
        }
        match reader.account_state(uid)? {
            Some((_, true)) => summary.in_motion += 1,
            known => {
                differences.push(compare::of_stranger(name, held, known.as_ref().map(|(state, _)| state.as_str())))
            }
        }
    }
    Ok(differences)
}

/// By uid: what the register has at a target, and whether a request works on it now.
fn register(journal: &Path, target: &str) -> Result<BTreeMap<uuid::Uuid, (Placed, bool)>, JournalError> {
    let placed = Reader::open(journal)?.placed_at(target)?;
    Ok(placed.into_iter().map(|(placed, moving)| (placed.account.uid.0, (placed, moving))).collect())
}

async fn read_back(target: &dyn Target, placed: &[&Placed]) -> Result<Vec<Difference>, Trouble> {
    let works: Vec<Work> = placed
        .iter()
        .map(|placed| Work {
            step: crate::model::StepId(0),
            action: Action::Change,
            account: placed.account.clone(),
            external_id: placed.external_id.clone(),
            credential: None,
            uncertain: false,
            adopted: placed.adopted.then(|| Box::new(placed.account.clone())),
        })
        .collect();
    let mut differences = Vec::new();
    for (placed, answer) in placed.iter().zip(target.read_back(&works).await) {
        if let Err(fault) = answer {
            let told = compare::of_read_back(target.name(), placed, &fault);
            differences.push(told.map_err(|_| Trouble::Target(fault))?);
        }
    }
    Ok(differences)
}

impl Report {
    /// Whether every target could be read.
    pub fn is_whole(&self) -> bool {
        self.targets.iter().all(|target| target.error.is_none())
    }

    /// What an order may put right.
    pub fn fixable(&self) -> impl Iterator<Item = &Difference> {
        self.differences.iter().filter(|difference| difference.kind.fix().is_some())
    }

    /// How many there are of each kind, in words.
    pub fn counts(&self) -> String {
        let mut counts: BTreeMap<Kind, usize> = BTreeMap::new();
        self.differences.iter().for_each(|difference| *counts.entry(difference.kind).or_default() += 1);
        counts.iter().map(|(kind, count)| format!("{count} {}", kind.as_str())).collect::<Vec<_>>().join(", ")
    }
}
