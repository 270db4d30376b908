//! Claims about judging, by concern.

mod approvals;
mod existing;
mod names;
mod properties;
mod routes;
mod rules;

use crate::model::{Facts, Judgement, Record};
use crate::procedure::Procedure;
use crate::procedure::testing::{decided, generic, said};

/// Judges with no facts.
fn judged(record: &Record, procedure: &Procedure) -> Judgement {
    decided(record, procedure, &Facts::default())
}

/// Claims that a record, changed, gives a verdict that says this (a part of the verdict's text).
fn says(record: &Record, procedure: &Procedure, expected: &str) {
    let said = said(&judged(record, procedure));
    assert!(said.contains(expected), "expected {expected:?} in {said:?}");
}

/// As [`says`], for the generic procedure.
fn generic_says(record: &Record, expected: &str) {
    says(record, &generic(), expected);
}
