//! Procedures: an institution's written SOP as a file, and what judging by it gives.
//!
//! 1. [`mod@file`] and [`rules`] are the file as it is written; `shape` and `check` say what is wrong with it, and
//!    turn it into a [`Procedure`], in which every pattern is compiled and every reference resolved.
//! 2. [`names_to_look_up`] says which names must be asked about before judging.
//! 3. [`judge()`] gives the verdict and the checklist, [`plan()`] the steps of a grant, [`notices`] the one notice of any
//!    other verdict. Pure: functions of their arguments, `now` included.
//! 4. [`decide`] is the three together, as the journal calls it inside the transaction that records the verdict.
//!
//! [`load_dir`] is the only function here that touches the disk.

pub mod calendar;
mod candidates;
mod check;
mod compiled;
pub mod file;
mod judge;
mod load;
mod naming;
mod parts;
mod plan;
mod problem;
pub mod report;
pub mod rules;
mod sentences;
#[cfg(test)]
mod sentences_tests;
mod shape;
mod site;
mod specimen;
pub mod standard;
mod template;
#[cfg(test)]
mod testing;

pub use candidates::{MAX_NAMES, names_to_look_up, unit_to_look_up};
pub use compiled::Procedure;
pub use file::Language;
pub use judge::judge;
pub use load::load_dir;
pub use plan::{notices, plan};
pub use report::{Finding, Report};
pub use site::{Site, SiteChannel, SiteTarget};

use crate::model::{AccountUid, Check, Facts, Judgement, Plan, Record, Verdict};
use jiff::Timestamp;
use std::collections::BTreeMap;

/// Judges and plans one record. Cheap: nothing is compiled or looked up here, so that it can run inside the
/// transaction that records the verdict.
///
/// `uid` is the id that a new account would have; `facts` must answer for every name of [`names_to_look_up`].
pub fn decide(
    record: &Record,
    procedure: &Procedure,
    site: &Site,
    facts: &Facts,
    uid: AccountUid,
    now: Timestamp,
) -> Judgement {
    judgement(record, procedure, site, facts, judge(record, procedure, site, facts, uid, now))
}

/// Judges and plans a redelivery (`judge::judge_anew`): a reset that an operator ordered.
pub fn decide_anew(record: &Record, procedure: &Procedure, site: &Site, facts: &Facts, now: Timestamp) -> Judgement {
    judgement(record, procedure, site, facts, judge::judge_anew(record, procedure, site, facts, now))
}

fn judgement(
    record: &Record,
    procedure: &Procedure,
    site: &Site,
    facts: &Facts,
    (verdict, checklist): (Verdict, Vec<Check>),
) -> Judgement {
    let plan = verdict.grant().map_or_else(Plan::new, |grant| plan(record, grant, procedure, site));
    let notices = notices(record, &verdict, procedure, site);
    Judgement {
        texts: procedure.texts_for(record, &facts.source),
        procedure_sha256: procedure.sha256().to_owned(),
        verdict,
        checklist,
        plan,
        notices,
    }
}

/// The judgement of a record that names a procedure which is not there. In Indonesian; nobody can be told, since the
/// channels are the procedure's.
pub fn decide_unknown_procedure(record: &Record) -> Judgement {
    refuse_by_source(vec![format!(
        "Prosedur \"{}\" tidak dikenal di sini (unknown procedure).",
        problem::quoted(&record.key.procedure)
    )])
}

/// The judgement of a record that no procedure here can judge: refused with these reasons, and nobody is told but the
/// source, since the record's contacts are not to be trusted.
pub fn refuse_by_source(reasons: Vec<String>) -> Judgement {
    Judgement {
        verdict: Verdict::Refuse { reasons },
        checklist: Vec::new(),
        procedure_sha256: String::new(),
        plan: Plan::new(),
        notices: Plan::new(),
        texts: BTreeMap::new(),
    }
}

/// The JSON Schema of procedure files, made from the types. For `akund schema procedure` and for editors.
pub fn schema() -> serde_json::Value {
    schemars::schema_for!(file::File).to_value()
}
