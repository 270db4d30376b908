//! Action, required fields, identifier, responsible person, contact.

use super::{Case, Sheet};
use crate::model::Record;
use crate::procedure::file::{CheckKind, Field, Language};
use crate::procedure::plan;
use crate::procedure::problem::{Problem, Who};
use crate::procedure::rules::DeliverTo;

impl Case<'_> {
    pub(super) fn check_fields(&self, sheet: &mut Sheet<'_>) {
        let action = self.record.action;
        let allowed = self.procedure.actions().contains(&action);
        let problems = if allowed { Vec::new() } else { vec![Problem::ActionNotAllowed { action }] };
        sheet.check(CheckKind::Fields, format!("action: {}", action.as_str()), "", problems);
        for field in &self.category.written.required {
            let missing = !is_filled(self.record, *field);
            let problems = if missing { vec![Problem::FieldMissing { field: *field }] } else { Vec::new() };
            sheet.check(CheckKind::Fields, format!("field: {}", field.as_str()), "", problems);
        }
        self.check_identifier(sheet);
        if self.category.written.responsible {
            let named = self.record.responsible.as_ref().is_some_and(|r| !r.name.trim().is_empty());
            let problems = if named { Vec::new() } else { vec![Problem::ResponsibleMissing] };
            sheet.check(CheckKind::Fields, "responsible person", "", problems);
        }
    }

    fn check_identifier(&self, sheet: &mut Sheet<'_>) {
        let identifier = &self.record.applicant.identifier;
        let Some(pattern) = self.category.identifier.as_ref().filter(|_| !identifier.is_empty()) else { return };
        let written = &self.category.written;
        let means = match self.category.language {
            Language::En => written.identifier_means_en.as_ref().or(written.identifier_means.as_ref()),
            Language::Id => written.identifier_means.as_ref(),
        };
        let problem = || Problem::IdentifierForm { identifier: identifier.clone(), means: means.cloned() };
        let problems = if pattern.is_match(identifier) { Vec::new() } else { vec![problem()] };
        sheet.check(CheckKind::Fields, "identifier", "", problems);
    }

    /// Whether what the plan hands over can reach anybody: looked at now, not when the account exists already.
    pub(super) fn check_contact(&self, sheet: &mut Sheet<'_>) {
        let reached = plan::reach(self.record, self.procedure, self.site);
        let found = reached.map_or("", |(channel, _)| channel.name.as_str());
        let problems = if reached.is_some() { Vec::new() } else { vec![self.no_contact()] };
        sheet.check(CheckKind::Contact, "contact", found, problems);
    }

    fn no_contact(&self) -> Problem {
        let delivery = &self.procedure.file.delivery;
        let who = match delivery.to {
            DeliverTo::Applicant => Who::Applicant,
            DeliverTo::Responsible => Who::Responsible,
            DeliverTo::ResponsibleOrApplicant if self.record.responsible.is_some() => Who::Responsible,
            DeliverTo::ResponsibleOrApplicant => Who::Applicant,
        };
        let named = if self.record.action.mints() { &delivery.channels } else { self.procedure.news_channels() };
        let channels = || self.site.channels.iter().filter(|c| named.contains(&c.name));
        let (email, phone) = (channels().any(|c| c.carries_email), channels().any(|c| !c.carries_email));
        Problem::NoContact { who, email, phone }
    }
}

fn is_filled(record: &Record, field: Field) -> bool {
    let (applicant, account) = (&record.applicant, &record.account);
    let responsible = record.responsible.as_ref();
    let text = |text: &str| !text.trim().is_empty();
    match field {
        Field::ApplicantGivenName => text(&applicant.given_name),
        Field::ApplicantFamilyName => text(&applicant.family_name),
        Field::ApplicantIdentifier => text(&applicant.identifier),
        Field::ApplicantUnit => text(&applicant.unit),
        Field::ApplicantEmail => applicant.email.is_some(),
        Field::ApplicantPhone => applicant.phone.is_some(),
        Field::ResponsibleName => responsible.is_some_and(|r| text(&r.name)),
        Field::ResponsibleIdentifier => responsible.is_some_and(|r| text(&r.identifier)),
        Field::ResponsibleEmail => responsible.is_some_and(|r| r.email.is_some()),
        Field::ResponsiblePhone => responsible.is_some_and(|r| r.phone.is_some()),
        Field::AccountAddress => account.address.is_some(),
        Field::AccountUsername => account.username.is_some(),
        Field::AccountServices => !account.services.is_empty(),
        Field::AccountExpires => account.expires.is_some(),
        Field::AccountQuota => account.quota.is_some(),
        Field::AccountGroup => account.group.as_deref().is_some_and(text),
    }
}
