//! `[[category]]`: routes, and the procedure's defaults filled in.

use super::Checker;
use crate::procedure::compiled::CategoryRules;
use crate::procedure::file::{Category, Field, RouteKind, SourceRoute};
use crate::procedure::rules::DeliverTo;
use crate::procedure::shape::Place;
use std::collections::BTreeMap;

impl Checker<'_> {
    /// The categories by name.
    pub(super) fn categories(&mut self) -> BTreeMap<String, CategoryRules> {
        let file = self.file;
        let top = Place::default().key("category");
        if file.category.is_empty() {
            self.find(&top, "there is no category", "expected at least one [[category]]: nobody could apply");
        }
        let names = file.category.iter().enumerate().map(|(i, c)| (c.name.as_str(), top.at(i).key("name")));
        self.unique(names, "category");
        let mut compiled = BTreeMap::new();
        let account = self.account_rules();
        for (i, category) in file.category.iter().enumerate() {
            let place = top.at(i);
            self.routes(category, &place);
            self.expiry(category, &place);
            self.responsible(category, &place);
            if let Some(at) =
                category.required.iter().position(|f| *f == Field::AccountAddress && file.address.is_none())
            {
                let message = format!("`{}` requires account.address, but its accounts have no address", category.name);
                self.find(&place.key("required").at(at), message, "write [address], or take it out of `required`");
            }
            let identifier = category.identifier_pattern.as_deref();
            let identifier = identifier.and_then(|p| self.pattern(p, &place.key("identifier_pattern")));
            let names = self.category_names(category, account.as_ref(), &place);
            let grants = self.category_services(category, &place);
            let Some(names) = names else { continue };
            let rules = CategoryRules {
                language: category.language.unwrap_or(file.language),
                identifier,
                services: grants.services,
                allowed_services: grants.allowed,
                quota: grants.quota,
                max_quota: grants.max_quota,
                group: category.group.clone().or_else(|| file.services.group.clone()),
                groups: category.groups.clone().unwrap_or_else(|| file.services.groups.clone()),
                domains: names.domains,
                address: names.address,
                username: names.username,
                one_per_holder: category.one_account_per_holder.unwrap_or(file.one_account_per_holder),
                one_per_unit: category.one_account_per_unit.unwrap_or(file.one_account_per_unit),
                subdomains: category
                    .allow_subdomains
                    .unwrap_or(file.address.as_ref().is_some_and(|a| a.allow_subdomains)),
                default_days: if category.temporary {
                    None
                } else {
                    category.default_days.or(file.expiry.default_days)
                },
                max_days: category.max_days.or(file.expiry.max_days),
                written: category.clone(),
            };
            compiled.insert(category.name.clone(), rules);
        }
        self.global_expiry();
        compiled
    }

    fn routes(&mut self, category: &Category, place: &Place) {
        let own = RouteTexts { instructions: category.instructions.as_deref(), reason: category.reason.as_deref() };
        self.route(category.route, own, place);
        self.form_known(category.route, &category.form, &place.key("form"));
        let sources = category.source.iter().enumerate();
        let names = sources.clone().map(|(i, s)| (s.source.as_str(), place.key("source").at(i).key("source")));
        self.unique(names, "source");
        for (i, source) in sources {
            self.source_route(category, source, &place.key("source").at(i));
        }
    }

    fn source_route(&mut self, category: &Category, source: &SourceRoute, place: &Place) {
        let texts = RouteTexts {
            instructions: source.instructions.as_deref().or(category.instructions.as_deref()),
            reason: source.reason.as_deref().or(category.reason.as_deref()),
        };
        self.route(source.route, texts, place);
        self.form_known(source.route, &category.form, &place.key("route"));
        let file = self.file;
        let kinds: Vec<&str> = file.document.iter().map(|d| d.kind.as_str()).collect();
        for (i, kind) in source.without_documents.iter().enumerate() {
            self.known(kind, &kinds, &place.key("without_documents").at(i), "document");
        }
        let roles: Vec<&str> = file.approval.iter().map(|a| a.role.as_str()).collect();
        for (i, role) in source.without_approvals.iter().enumerate() {
            self.known(role, &roles, &place.key("without_approvals").at(i), "approval");
        }
    }

    /// A route must have the text that it sends, and each text that is named must exist.
    fn route(&mut self, route: RouteKind, texts: RouteTexts<'_>, place: &Place) {
        let needed = match route {
            RouteKind::Redirect => Some(("redirect", "instructions", texts.instructions)),
            RouteKind::Refuse => Some(("refuse", "reason", texts.reason)),
            RouteKind::Provision | RouteKind::Form => None,
        };
        if let Some((route, key, None)) = needed {
            let help = format!("write `{key} = \"KEY\"`, and the text under `KEY` in [texts]");
            self.find(&place.key("route"), format!("the route `{route}` needs `{key}`"), help);
        }
        for (key, text) in [("instructions", texts.instructions), ("reason", texts.reason)] {
            if let Some(text) = text.filter(|t| !self.has_text(t)) {
                let known: Vec<&str> = self.file.texts.keys().map(String::as_str).collect();
                self.known(text, &known, &place.key(key), "text");
            }
        }
    }

    fn responsible(&mut self, category: &Category, place: &Place) {
        let provisions = |r: RouteKind| matches!(r, RouteKind::Provision | RouteKind::Form);
        let ends_in_account = provisions(category.route) || category.source.iter().any(|s| provisions(s.route));
        if self.file.delivery.to == DeliverTo::Responsible && ends_in_account && !category.responsible {
            let message =
                format!("`{}` need not name the responsible person, who shall get the credentials", category.name);
            self.find(
                place,
                message,
                "write `responsible = true`, or `to = \"responsible-or-applicant\"` in [delivery]",
            );
        }
    }
}

#[derive(Clone, Copy)]
struct RouteTexts<'c> {
    instructions: Option<&'c str>,
    reason: Option<&'c str>,
}
