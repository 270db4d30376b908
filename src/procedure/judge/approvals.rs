//! Approvals: the chain, in its order, by the right roles, with dates that can be true.

use super::documents::age_days;
use super::{Case, Sheet, TOLERANCE_SECONDS};
use crate::model::{Approval, Decision};
use crate::procedure::compiled::{Link, Standing};
use crate::procedure::file::{CheckKind, Language};
use crate::procedure::problem::{Problem, quoted};

/// Which of the record's approvals fills each link of the chain.
struct Filled<'c> {
    link: &'c Link,
    /// Index into the record's approvals.
    approval: Option<usize>,
    standing: Standing,
    /// It was found, but before the approval of the link before it.
    out_of_order: bool,
}

impl Case<'_> {
    pub(super) fn check_approvals(&self, sheet: &mut Sheet<'_>) {
        let chain = self.fill_chain();
        let mut before: Option<&Link> = None;
        for filled in &chain {
            self.check_link(filled, before, sheet);
            before = Some(filled.link);
        }
        self.check_refusals(sheet);
        self.check_others(&chain, sheet);
        self.check_dates(sheet);
        if self.procedure.file.nobody_twice && chain.len() > 1 {
            self.check_nobody_twice(&chain, sheet);
        }
    }

    /// The links of the chain that this request needs.
    pub(super) fn required_approvals(&self) -> impl Iterator<Item = &Link> {
        let waived = |l: &Link| self.route.without_approvals.contains(&l.rule.role);
        let links = self.procedure.chain.iter();
        links.filter(move |l| self.applies(&l.rule.categories, &l.rule.actions) && !waived(l))
    }

    /// Lays the record's approvals along the chain: for each link the first that fits behind the one before it.
    fn fill_chain(&self) -> Vec<Filled<'_>> {
        let mut used = vec![false; self.record.approvals.len()];
        let mut next = 0;
        let mut chain = Vec::new();
        for link in self.required_approvals() {
            let find = |from: usize| {
                let approvals = self.record.approvals.iter().enumerate().skip(from);
                let mut fitting = approvals
                    .filter(|(i, a)| a.decision == Decision::Approved && used.get(*i) == Some(&false))
                    .filter_map(|(i, a)| Some((i, standing(link, &a.role)?)));
                fitting.next()
            };
            let behind = find(next);
            let (found, out_of_order) = match behind {
                Some(found) => (Some(found), false),
                None => (find(0), true),
            };
            if let Some((index, _)) = found {
                used[index] = true;
                next = if out_of_order { next } else { index + 1 };
            }
            let (approval, standing) = found.map_or((None, Standing::Own), |(i, s)| (Some(i), s));
            chain.push(Filled { link, approval, standing, out_of_order: out_of_order && approval.is_some() });
        }
        chain
    }

    fn check_link(&self, filled: &Filled<'_>, before: Option<&Link>, sheet: &mut Sheet<'_>) {
        let language = sheet.language;
        let title = || filled.link.title.in_language(language).to_owned();
        let approval = filled.approval.and_then(|i| self.record.approvals.get(i));
        let mut problems = Vec::new();
        let mut found = String::new();
        match approval {
            // A refusal by this role has a line of its own, and says more than "missing".
            None if self.refused_by(filled.link) => return,
            None => problems.push(Problem::ApprovalMissing { title: title() }),
            Some(approval) => {
                if filled.out_of_order {
                    let after = before.map_or(String::new(), |l| l.title.in_language(language).to_owned());
                    problems.push(Problem::ApprovalOutOfOrder { title: title(), after });
                }
                problems.extend(self.too_old(approval, filled.link, title()));
                if approval.by.trim().is_empty() {
                    problems.push(Problem::ApprovalWithoutName { title: title() });
                }
                if filled.link.rule.signed && !self.facts.signed_as.contains(&approval.role) {
                    problems.push(Problem::ApprovalUnsigned { title: title() });
                }
                found = self.said(approval, filled.standing, language);
            }
        }
        sheet.check(CheckKind::Approvals, format!("approval: {}", filled.link.rule.role), &found, problems);
        sheet.at_step(filled.link.rule.step.as_ref());
    }

    fn refused_by(&self, link: &Link) -> bool {
        let mut approvals = self.record.approvals.iter();
        approvals.any(|a| a.decision == Decision::Refused && standing(link, &a.role).is_some())
    }

    fn too_old(&self, approval: &Approval, link: &Link, title: String) -> Option<Problem> {
        let day = self.procedure.zone.to_datetime(approval.at).date();
        let days = link.rule.max_age_days.filter(|days| age_days(day, self.today) > i64::from(*days))?;
        Some(Problem::ApprovalTooOld { title, days })
    }

    /// Who decided, and in what standing.
    fn said(&self, approval: &Approval, standing: Standing, language: Language) -> String {
        let by = quoted(&approval.by);
        let title = self.role_title(&approval.role, language);
        match (standing, language) {
            (Standing::Own, _) => by,
            (Standing::Alternative, _) => format!("{by} ({title})"),
            (Standing::Acting, Language::Id) => format!("{by} (pejabat pengganti: {title})"),
            (Standing::Acting, Language::En) => format!("{by} (acting: {title})"),
        }
    }

    fn role_title(&self, role: &str, language: Language) -> String {
        let known = self.procedure.file.role.iter().find(|r| r.name == role);
        known.map_or_else(
            || quoted(role),
            |r| match language {
                Language::En => r.title_en.as_ref().unwrap_or(&r.title).clone(),
                Language::Id => r.title.clone(),
            },
        )
    }

    /// Whoever refuses, in whatever role: the request is refused.
    fn check_refusals(&self, sheet: &mut Sheet<'_>) {
        for approval in self.record.approvals.iter().filter(|a| a.decision == Decision::Refused) {
            let title = self.role_title(&approval.role, sheet.language);
            let problem = Problem::ApprovalRefused { title, reason: approval.reason.clone() };
            sheet.unmet(CheckKind::Approvals, format!("approval: {}", quoted(&approval.role)), vec![problem]);
            let link = self.procedure.chain.iter().find(|l| standing(l, &approval.role).is_some());
            sheet.at_step(link.and_then(|l| l.rule.step.as_ref()));
        }
    }

    /// Approvals by roles that the procedure does not know: most likely a mistyped word. Where it knows no roles at all,
    /// approvals are nobody's business.
    fn check_others(&self, chain: &[Filled<'_>], sheet: &mut Sheet<'_>) {
        let roles = &self.procedure.file.role;
        let known = |role: &str| roles.is_empty() || roles.iter().any(|r| r.name == role);
        let used = |index: usize| chain.iter().any(|f| f.approval == Some(index));
        for (index, approval) in self.record.approvals.iter().enumerate() {
            if approval.decision == Decision::Approved && !used(index) && !known(&approval.role) {
                let problem = Problem::ApprovalUnknownRole { role: approval.role.clone() };
                sheet.unmet(CheckKind::Approvals, format!("approval: {}", quoted(&approval.role)), vec![problem]);
            }
        }
    }

    /// Dates do not run backwards in the order in which the approvals were given, and none lies ahead.
    fn check_dates(&self, sheet: &mut Sheet<'_>) {
        let approvals = &self.record.approvals;
        if approvals.is_empty() {
            return;
        }
        let title = |a: &Approval| self.role_title(&a.role, sheet.language);
        let mut problems = Vec::new();
        for approval in approvals {
            if approval.at.as_second().saturating_sub(self.now.as_second()) > TOLERANCE_SECONDS {
                problems.push(Problem::ApprovalInFuture { title: title(approval) });
            }
        }
        for pair in approvals.windows(2) {
            if let [earlier, later] = pair
                && later.at < earlier.at
            {
                problems.push(Problem::ApprovalsBackwards { earlier: title(earlier), later: title(later) });
            }
        }
        sheet.check(CheckKind::Approvals, "approvals: dates", "", problems);
    }

    fn check_nobody_twice(&self, chain: &[Filled<'_>], sheet: &mut Sheet<'_>) {
        let mut names: Vec<(String, &Approval)> = Vec::new();
        let mut problems = Vec::new();
        for approval in chain.iter().filter_map(|f| self.record.approvals.get(f.approval?)) {
            let name = one_spelling(&approval.by);
            if !name.is_empty() && names.iter().any(|(n, _)| *n == name) {
                problems.push(Problem::SamePersonTwice { by: approval.by.clone() });
            }
            names.push((name, approval));
        }
        sheet.check(CheckKind::Approvals, "approvals: nobody twice", "", problems);
    }
}

fn standing(link: &Link, role: &str) -> Option<Standing> {
    link.accepts.iter().find(|(r, _)| r == role).map(|(_, s)| *s)
}

/// A name without differences of case and spacing.
fn one_spelling(name: &str) -> String {
    name.split_whitespace().map(str::to_lowercase).collect::<Vec<_>>().join(" ")
}
