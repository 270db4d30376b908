//! Who stands for a category in a notice that nobody asked for: `akund template preview --procedure`.

use super::Procedure;
use super::candidates::has_address;
use super::compiled::CategoryRules;
use super::file::{File, Language, RouteKind};
use crate::model::{NoticeKind, Specimen, verdict::TIME_ZONE};

impl File {
    /// Whether any course of events comes to this kind of notice.
    pub(super) fn sends(&self, kind: NoticeKind) -> bool {
        let route = |wanted: RouteKind| {
            self.category.iter().any(|c| c.route == wanted || c.source.iter().any(|source| source.route == wanted))
        };
        let mints = self.actions.iter().any(|action| action.mints());
        match kind {
            NoticeKind::Credentials => mints,
            NoticeKind::Username => mints && !self.delivery.username_channels.is_empty(),
            NoticeKind::Changed => self.actions.iter().any(|action| !action.mints()),
            NoticeKind::Redirect => route(RouteKind::Redirect),
            NoticeKind::Form => route(RouteKind::Form),
            NoticeKind::Report => !self.report.is_empty(),
            NoticeKind::LetterDraft => self.letter.as_ref().is_some_and(|letter| !letter.draft_to.is_empty()),
            NoticeKind::Letter => self.letter.is_some(),
            NoticeKind::Refusal | NoticeKind::Conflict | NoticeKind::Incomplete => true,
        }
    }
}

impl Procedure {
    /// An applicant of a category; without one, of the first whose requests come to this kind of notice.
    ///
    /// # Errors
    /// A sentence with the categories, where it has no such one.
    pub fn specimen(&self, kind: NoticeKind, language: Language, category: Option<&str>) -> Result<Specimen, String> {
        let written = self.file.category.iter();
        let mut rules = written.filter_map(|c| self.categories.get(&c.name));
        let fits = |rules: &&CategoryRules| match kind {
            NoticeKind::Redirect => rules.written.route == RouteKind::Redirect,
            NoticeKind::Form => rules.written.route == RouteKind::Form,
            NoticeKind::Refusal => rules.written.route != RouteKind::Redirect,
            _ => matches!(rules.written.route, RouteKind::Provision | RouteKind::Form),
        };
        let found = match category {
            _ if !self.file.sends(kind) => None,
            Some(name) => self.categories.get(name),
            None => rules.find(fits),
        };
        let rules = found.ok_or_else(|| {
            let known: Vec<&str> = self.file.category.iter().map(|c| c.name.as_str()).collect();
            match category.filter(|name| !known.contains(name)) {
                Some(name) => {
                    format!("procedure {} has no category {name}; it has {}", self.name(), known.join(", "))
                }
                None => format!("procedure {} never sends the notice {}", self.name(), kind.as_str()),
            }
        })?;
        let mut texts = self.texts(language).clone();
        texts.extend(self.time_zone().iana_name().map(|zone| (TIME_ZONE.to_owned(), zone.to_owned())));
        texts.extend(rules.domains_text());
        let route = rules.written.instructions.as_deref();
        super::compiled::add_instructions(&mut texts, route);
        let with_address = has_address(&rules.services, self);
        Ok(Specimen {
            category: rules.written.name.clone(),
            texts,
            domain: rules.domains.first().filter(|_| with_address).map(|d| d.as_str().to_owned()),
            services: rules.services.clone(),
            temporary: rules.written.temporary,
            responsible: rules.written.responsible,
        })
    }
}
