//! The written procedure's own table of steps, the working time in which it counts, and its deadlines.

use crate::model::{NoticeKind, Verb};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A group of requirements in the checklist.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum CheckKind {
    /// The applicant's category and its route.
    Category,
    /// Action, required fields, identifier, responsible person.
    Fields,
    /// Documents.
    Documents,
    /// Approvals.
    Approvals,
    /// Whether credentials can reach anybody.
    Contact,
    /// Domain, reserved names, naming, services, quota, group.
    Account,
    /// The last valid day.
    Expiry,
    /// Whether the names are free in the register.
    Register,
    /// Whether the names are free at the live targets.
    Targets,
    /// Whether the holder has an account already.
    Holder,
}

/// `[[step]]`: one row of the written procedure's table.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SopStep {
    /// Its number there ("3", "4a").
    pub number: String,
    /// What is done.
    pub title: String,
    /// The same in English.
    pub title_en: Option<String>,
    /// Who does it.
    pub actor: Option<String>,
    /// What it needs.
    pub needs: Option<String>,
    /// What it yields.
    pub yields: Option<String>,
    /// Minutes that the document allows.
    pub minutes: Option<u32>,
    /// The verbs of akund that carry it: `mint`, `adopt`, `apply`, `prove`, `draft`, `sign`, and `deliver` for notices that no step names.
    #[serde(default)]
    pub verbs: Vec<Verb>,
    /// The notices that carry it.
    #[serde(default)]
    pub notices: Vec<NoticeKind>,
    /// The groups of the checklist that carry it.
    #[serde(default)]
    pub checks: Vec<CheckKind>,
    /// The account's entry in akund's register carries it. Default false.
    #[serde(default)]
    pub register: bool,
    /// The row is somebody's receiving these notices: akund records from when to when the channel, and then the recipient's
    /// system, took them. The row that sends them is another.
    #[serde(default)]
    pub receives: Vec<NoticeKind>,
    /// People do it, and nothing of akund's carries it. Default false; a row that nothing carries must say so.
    #[serde(default)]
    pub people: bool,
}

/// `[calendar]`: working time, in which minutes and days are counted.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CalendarRules {
    /// Default `["monday", "tuesday", "wednesday", "thursday", "friday"]`.
    pub working_days: Option<Vec<String>>,
    /// `07:30-12:00, 13:00-16:00`. Default `07:30-16:00`.
    pub hours: Option<String>,
    /// Hours of single days of the week, over `hours`.
    pub other_hours: BTreeMap<String, String>,
    /// A file of days on which nobody works, a line each: `2026-08-17 Hari Kemerdekaan`. A line `complete 2026` says
    /// that of later years only some days are known yet. Relative to this file's directory.
    pub holidays: Option<String>,
}

/// A moment in a request's life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Milestone {
    /// The last approval was given.
    Approved,
    /// akund took the request.
    Received,
    /// The account was made: begins with the first target's answer, is met with the last one's.
    Applied,
    /// It was shown to work everywhere.
    Proven,
    /// The account information was handed over.
    HandedOver,
    /// Every step is done.
    Done,
}

/// `[[deadline]]`
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DeadlineRule {
    /// For people; stands in outcomes, events and notices to the operator.
    pub name: String,
    /// When it begins.
    pub from: Milestone,
    /// When it is met.
    pub to: Milestone,
    /// Working days. Either these or `working_minutes`.
    pub working_days: Option<u32>,
    /// Minutes of working time.
    pub working_minutes: Option<u32>,
    /// Warn so many minutes of working time before the end. Default: when a quarter of the time is left.
    pub warn_minutes: Option<u32>,
    /// Number of the SOP step it belongs to.
    pub step: Option<String>,
}
