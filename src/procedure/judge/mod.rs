//! `judge`: one record held against one procedure. Pure, and the same answer for the same arguments.
//!
//! The order is that of the requirements in the checklist: category and route, fields, documents, approvals, contact,
//! then the account itself (services, names, end), then whether its names are free. Every requirement is looked at
//! even when an earlier one failed, so that an applicant hears everything at once.

mod account;
mod adopt;
mod approvals;
mod create;
mod documents;
mod existing;
mod fields;
#[cfg(test)]
mod tests;

use super::compiled::{CategoryRules, Procedure, Route};
use super::file::{CheckKind, Language, RouteKind};
use super::problem::{Class, Problem};
use super::site::Site;
use crate::model::{
    AccountUid, Action, Alternative, Check, Evidence, Facts, Grant, HoldReason, NameFact, Record, Verdict,
};
use jiff::Timestamp;
use jiff::civil::Date;

/// Clocks may differ by this much before a date counts as lying in the future.
const TOLERANCE_SECONDS: i64 = 5 * 60;

/// Most free names offered of one kind.
const MOST_ALTERNATIVES: usize = 3;

/// Judges a record. `uid` is the id that a new account would have; `facts` must answer for every name of
/// [`super::names_to_look_up`]: a name it does not list counts as free.
///
/// Where a record has several problems, a reason to refuse goes before a missing form, that before anything else that
/// is missing, that before a taken name, and that before what a person must look at; the verdict names all problems of its kind, the checklist all of them.
pub fn judge(
    record: &Record,
    procedure: &Procedure,
    site: &Site,
    facts: &Facts,
    uid: AccountUid,
    now: Timestamp,
) -> (Verdict, Vec<Check>) {
    let mut sheet = Sheet::new(procedure, procedure.language_for(record));
    let requirement = format!("category: {}", super::problem::quoted(&record.applicant.category));
    let Some(category) = procedure.category(record) else {
        let problem = Problem::UnknownCategory { category: record.applicant.category.clone() };
        sheet.unmet(CheckKind::Category, requirement, vec![problem]);
        return sheet.verdict(None, false);
    };
    let route = category.route(&facts.source);
    let reason = || route.reason.and_then(|key| procedure.texts(sheet.language).get(key)).cloned().unwrap_or_default();
    match route.kind {
        RouteKind::Redirect => {
            sheet.met(CheckKind::Category, requirement, "redirect");
            let instructions = route.instructions.unwrap_or_default().to_owned();
            return (Verdict::Redirect { instructions }, sheet.checks);
        }
        RouteKind::Refuse => {
            let problem = Problem::CategoryRefused { reason: reason() };
            sheet.unmet(CheckKind::Category, requirement, vec![problem]);
            return sheet.verdict(None, false);
        }
        RouteKind::Provision | RouteKind::Form => sheet.met(CheckKind::Category, requirement, ""),
    }
    let today = procedure.zone.to_datetime(now).date();
    let case = Case { record, procedure, site, facts, uid, now, today, category, route };
    let grant = case.check_all(&mut sheet);
    sheet.verdict(grant, category.written.review)
}

/// Judges a record that hands an account's credentials out anew by an operator's order: the order stands for documents and
/// approvals; that the account is there, active and its recipient can be reached must be so now.
pub fn judge_anew(
    record: &Record,
    procedure: &Procedure,
    site: &Site,
    facts: &Facts,
    now: Timestamp,
) -> (Verdict, Vec<Check>) {
    let mut sheet = Sheet::new(procedure, procedure.language_for(record));
    let Some(category) = procedure.category(record) else {
        let problem = Problem::UnknownCategory { category: record.applicant.category.clone() };
        sheet.unmet(CheckKind::Category, "category", vec![problem]);
        return sheet.verdict(None, false);
    };
    let (today, route) = (procedure.zone.to_datetime(now).date(), category.route(&facts.source));
    // No account is made, so no id is proposed.
    let uid = AccountUid(uuid::Uuid::nil());
    let case = Case { record, procedure, site, facts, uid, now, today, category, route };
    case.check_contact(&mut sheet);
    let grant = case.check_existing(&mut sheet);
    sheet.verdict(grant, false)
}

/// What is judged, and by what.
struct Case<'a> {
    record: &'a Record,
    procedure: &'a Procedure,
    site: &'a Site,
    facts: &'a Facts,
    uid: AccountUid,
    now: Timestamp,
    /// Today in the procedure's zone.
    today: Date,
    category: &'a CategoryRules,
    route: Route<'a>,
}

impl Case<'_> {
    fn check_all(&self, sheet: &mut Sheet<'_>) -> Option<Grant> {
        self.check_fields(sheet);
        self.check_documents(sheet);
        self.check_approvals(sheet);
        self.check_contact(sheet);
        match self.record.action {
            Action::Create => self.check_create(sheet),
            _ => self.check_existing(sheet),
        }
    }

    /// Whether a rule that names categories and actions applies here; an empty list means all.
    fn applies(&self, categories: &[String], actions: &[Action]) -> bool {
        (categories.is_empty() || categories.contains(&self.record.applicant.category))
            && (actions.is_empty() || actions.contains(&self.record.action))
    }

    /// Whether the register, and whether a target, holds a name for anybody but this account.
    fn held(&self, name: &str, uid: AccountUid) -> Held {
        let mut held = Held::default();
        for fact in self.facts.names.get(name).into_iter().flatten() {
            match fact {
                NameFact::Register { account, .. } => held.register |= *account != uid,
                NameFact::Target { .. } => held.target = true,
            }
        }
        held
    }

    fn is_free(&self, name: &str, uid: AccountUid) -> bool {
        let held = self.held(name, uid);
        !held.register && !held.target
    }
}

/// Where a name is held.
#[derive(Debug, Clone, Copy, Default)]
struct Held {
    register: bool,
    target: bool,
}

/// What requirements of a kind are held against.
fn evidence(kind: CheckKind) -> Evidence {
    match kind {
        CheckKind::Register | CheckKind::Targets | CheckKind::Holder => Evidence::Accounts,
        CheckKind::Category
        | CheckKind::Fields
        | CheckKind::Documents
        | CheckKind::Approvals
        | CheckKind::Contact
        | CheckKind::Account
        | CheckKind::Expiry => Evidence::Record,
    }
}

/// The checklist in the making.
struct Sheet<'p> {
    procedure: &'p Procedure,
    language: Language,
    checks: Vec<Check>,
    problems: Vec<Problem>,
    alternatives: Vec<Alternative>,
}

impl<'p> Sheet<'p> {
    fn new(procedure: &'p Procedure, language: Language) -> Self {
        Self { procedure, language, checks: Vec::with_capacity(16), problems: Vec::new(), alternatives: Vec::new() }
    }

    /// A requirement that is met, and what was found.
    fn met(&mut self, kind: CheckKind, requirement: impl Into<String>, found: impl Into<String>) {
        let check = Check {
            requirement: requirement.into(),
            met: true,
            found: found.into(),
            sop: self.procedure.sop.check(kind),
            held_against: evidence(kind),
        };
        self.checks.push(check);
    }

    /// A requirement that is not met.
    fn unmet(&mut self, kind: CheckKind, requirement: impl Into<String>, problems: Vec<Problem>) {
        let said: Vec<String> = problems.iter().map(|p| p.say(self.language)).collect();
        let (requirement, sop) = (requirement.into(), self.procedure.sop.check(kind));
        let (found, held_against) = (said.join(" "), evidence(kind));
        self.checks.push(Check { requirement, met: false, found, sop, held_against });
        self.problems.extend(problems);
    }

    /// A requirement that is met where there is no problem.
    fn check(&mut self, kind: CheckKind, requirement: impl Into<String>, found: &str, problems: Vec<Problem>) {
        if problems.is_empty() { self.met(kind, requirement, found) } else { self.unmet(kind, requirement, problems) }
    }

    /// Says which SOP step the last requirement belongs to, where its own rule says so.
    fn at_step(&mut self, step: Option<&String>) {
        if let (Some(check), Some(step)) = (self.checks.last_mut(), step) {
            check.sop = Some(step.clone());
        }
    }

    fn verdict(self, grant: Option<Grant>, review: bool) -> (Verdict, Vec<Check>) {
        let Self { checks, problems, alternatives, language, .. } = self;
        let Some(class) = problems.iter().map(Problem::class).min() else {
            return (granted(grant, review, language), checks);
        };
        let mut reasons: Vec<String> = Vec::new();
        for said in problems.iter().filter(|p| p.class() == class).map(|p| p.say(language)) {
            if !reasons.contains(&said) {
                reasons.push(said);
            }
        }
        let verdict = match class {
            Class::Refuse => Verdict::Refuse { reasons },
            Class::Form => Verdict::Hold { reason: HoldReason::Form, missing: reasons, grant: None },
            Class::Incomplete => Verdict::Hold { reason: HoldReason::Incomplete, missing: reasons, grant: None },
            Class::Conflict => Verdict::Conflict { reasons, alternatives },
            Class::Review => Verdict::Hold { reason: HoldReason::Review, missing: reasons, grant },
        };
        (verdict, checks)
    }
}

fn granted(grant: Option<Grant>, review: bool, language: Language) -> Verdict {
    match grant {
        Some(grant) if review => {
            let look = match language {
                Language::Id => "Permohonan ini perlu diperiksa petugas sebelum akun dibuat.",
                Language::En => "This request must be looked at by an officer before it is carried out.",
            };
            Verdict::Hold { reason: HoldReason::Review, missing: vec![look.into()], grant: Some(grant) }
        }
        Some(grant) => Verdict::Permit { grant },
        // Without a problem there is a grant; should a rule ever forget to say why, nothing is provisioned.
        None => Verdict::Hold {
            reason: HoldReason::Incomplete,
            missing: vec![Problem::NameCannotBeMade.say(language)],
            grant: None,
        },
    }
}
