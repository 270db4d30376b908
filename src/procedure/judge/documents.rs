//! Documents: which must be named, with which details, and how their dates lie.

use super::{Case, Sheet};
use crate::model::Document;
use crate::procedure::compiled::Titled;
use crate::procedure::file::{CheckKind, DocumentField, DocumentRule, RouteKind};
use crate::procedure::problem::{Problem, quoted};
use jiff::civil::Date;

impl Case<'_> {
    pub(super) fn check_documents(&self, sheet: &mut Sheet<'_>) {
        let rules = &self.procedure.documents;
        for rule in rules {
            self.check_document(rule, sheet);
        }
        // Most likely a mistyped word; where the procedure lists no kinds, they are nobody's business.
        let unknown = |d: &&Document| !rules.is_empty() && !rules.iter().any(|r| r.kind == d.kind);
        for document in self.record.documents.iter().filter(unknown) {
            let problem = Problem::DocumentUnknown { kind: document.kind.clone() };
            sheet.unmet(CheckKind::Documents, format!("document: {}", quoted(&document.kind)), vec![problem]);
        }
    }

    fn check_document(&self, rule: &DocumentRule, sheet: &mut Sheet<'_>) {
        let category = &self.category.written;
        let form = self.route.kind == RouteKind::Form
            && rule.kind == category.form
            && category.form_actions.contains(&self.record.action);
        let waived = self.route.without_documents.contains(&rule.kind);
        let required = !waived && (form || (!rule.optional && self.applies(&rule.categories, &rule.actions)));
        let title = Titled::new(&rule.title, rule.title_en.as_deref()).in_language(sheet.language).to_owned();
        let mut named = self.record.documents.iter().filter(|d| d.kind == rule.kind).peekable();
        let requirement = format!("document: {}", rule.kind);
        if named.peek().is_none() {
            if required {
                let problem = if form { Problem::FormMissing { title } } else { Problem::DocumentMissing { title } };
                sheet.unmet(CheckKind::Documents, requirement, vec![problem]);
                sheet.at_step(rule.step.as_ref());
            }
            return;
        }
        for document in named {
            let problems = self.document_problems(document, rule, &title, required);
            sheet.check(CheckKind::Documents, requirement.clone(), &quoted(&document.number), problems);
            sheet.at_step(rule.step.as_ref());
        }
    }

    fn document_problems(&self, document: &Document, rule: &DocumentRule, title: &str, required: bool) -> Vec<Problem> {
        let title = || title.to_owned();
        let missing = rule.needs.iter().filter(|f| !has_detail(document, **f));
        let mut problems: Vec<Problem> =
            missing.map(|f| Problem::DocumentDetailMissing { title: title(), field: *f }).collect();
        let Some(date) = document.date else { return problems };
        if date > self.today {
            problems.push(Problem::DocumentInFuture { title: title() });
        }
        if let Some(days) = rule.max_age_days.filter(|days| age_days(date, self.today) > i64::from(*days)) {
            problems.push(Problem::DocumentTooOld { title: title(), days });
        }
        // Nobody can have decided on a document that was not written yet.
        let last = self.record.approvals.iter().map(|a| self.procedure.zone.to_datetime(a.at).date()).max();
        if required && last.is_some_and(|last| date > last) {
            problems.push(Problem::DocumentAfterApprovals { title: title() });
        }
        problems
    }
}

/// Whole days from `date` to `today`; negative for a day to come.
pub(super) fn age_days(date: Date, today: Date) -> i64 {
    i64::from((today - date).get_days())
}

fn has_detail(document: &Document, field: DocumentField) -> bool {
    match field {
        DocumentField::Number => !document.number.trim().is_empty(),
        DocumentField::Date => document.date.is_some(),
        DocumentField::Register => !document.register.trim().is_empty(),
        DocumentField::SignedBy => !document.signed_by.trim().is_empty(),
    }
}
