//! A procedure ready for judging: checked, with everything compiled and every reference resolved.

use super::calendar::Calendar;
use super::file::{ApprovalRule, Category, CheckKind, DocumentRule, File, Language, RouteKind};
use super::naming::{NameRule, Reserved};
use super::standard::Deadline;
use crate::model::{Action, Domain, NoticeKind, Quota, Record, Verb, role_text};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use regex::Regex;
use std::collections::BTreeMap;

/// A written procedure, parsed and checked. Made only by [`Procedure::parse`].
#[derive(Debug)]
pub struct Procedure {
    pub(super) file: File,
    pub(super) sha256: String,
    pub(super) zone: TimeZone,
    pub(super) categories: BTreeMap<String, CategoryRules>,
    pub(super) chain: Vec<Link>,
    pub(super) documents: Vec<DocumentRule>,
    /// Who may sign the letter, with alternatives and acting officials.
    pub(super) signers: Vec<String>,
    pub(super) reserved: Reserved,
    pub(super) texts_id: BTreeMap<String, String>,
    pub(super) texts_en: BTreeMap<String, String>,
    pub(super) sop: SopIndex,
    pub(super) calendar: Calendar,
    /// The last year of which its holidays file has all days.
    pub(super) holidays_through: Option<i16>,
    pub(super) deadlines: Vec<Deadline>,
    /// [`super::standard::Standard`] as JSON, Indonesian and English: kept with each request.
    pub(super) standards: [String; 2],
}

/// A category with the procedure's defaults filled in.
#[derive(Debug)]
pub(super) struct CategoryRules {
    pub written: Category,
    pub language: Language,
    pub identifier: Option<Regex>,
    pub services: Vec<String>,
    pub allowed_services: Vec<String>,
    pub quota: Option<Quota>,
    pub max_quota: Option<Quota>,
    pub group: Option<String>,
    pub groups: Vec<String>,
    pub domains: Vec<Domain>,
    /// None: no account of this procedure has an address.
    pub address: Option<NameRule>,
    pub username: NameRule,
    pub one_per_holder: bool,
    pub one_per_unit: bool,
    /// Whether addresses may be wished under subdomains of `domains`.
    pub subdomains: bool,
    pub default_days: Option<u32>,
    pub max_days: Option<u32>,
}

/// What becomes of one record's category, with its source taken into account.
#[derive(Debug, Clone, Copy)]
pub(super) struct Route<'p> {
    pub kind: RouteKind,
    pub instructions: Option<&'p str>,
    pub reason: Option<&'p str>,
    pub without_documents: &'p [String],
    pub without_approvals: &'p [String],
}

impl CategoryRules {
    /// The domains of its addresses, as [`crate::model::verdict::DOMAINS`] says.
    pub fn domains_text(&self) -> Option<(String, String)> {
        let domains: Vec<&str> = self.domains.iter().map(Domain::as_str).collect();
        (!domains.is_empty()).then(|| (crate::model::verdict::DOMAINS.to_owned(), domains.join(" ")))
    }

    /// The source's own route where it has one, else the category's.
    pub fn route(&self, source: &str) -> Route<'_> {
        let own = &self.written;
        let (instructions, reason) = (own.instructions.as_deref(), own.reason.as_deref());
        match own.source.iter().find(|s| s.source == source) {
            Some(s) => Route {
                kind: s.route,
                instructions: s.instructions.as_deref().or(instructions),
                reason: s.reason.as_deref().or(reason),
                without_documents: &s.without_documents,
                without_approvals: &s.without_approvals,
            },
            None => Route { kind: own.route, instructions, reason, without_documents: &[], without_approvals: &[] },
        }
    }
}

/// One link of the chain of approvals, with the roles that may decide in it.
#[derive(Debug)]
pub(super) struct Link {
    pub rule: ApprovalRule,
    pub title: Titled,
    pub accepts: Vec<(String, Standing)>,
}

/// In what standing somebody decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// The role itself.
    Own,
    /// A role that is as good.
    Alternative,
    /// An official who acts for it.
    Acting,
}

/// A title in both languages.
#[derive(Debug, Clone)]
pub(super) struct Titled {
    pub id: String,
    pub en: String,
}

impl Titled {
    /// English falls back to the plain title.
    pub fn new(title: &str, en: Option<&str>) -> Self {
        Self { id: title.to_owned(), en: en.unwrap_or(title).to_owned() }
    }
    pub fn in_language(&self, language: Language) -> &str {
        match language {
            Language::Id => &self.id,
            Language::En => &self.en,
        }
    }
}

/// Which SOP step each part of akund's work carries.
#[derive(Debug, Default)]
pub(super) struct SopIndex {
    pub verbs: BTreeMap<Verb, String>,
    pub notices: BTreeMap<NoticeKind, String>,
    pub checks: BTreeMap<CheckKind, String>,
}

impl SopIndex {
    pub fn verb(&self, verb: Verb) -> Option<String> {
        self.verbs.get(&verb).cloned()
    }
    pub fn notice(&self, notice: NoticeKind) -> Option<String> {
        self.notices.get(&notice).or_else(|| self.verbs.get(&Verb::Deliver)).cloned()
    }
    pub fn check(&self, kind: CheckKind) -> Option<String> {
        self.checks.get(&kind).cloned()
    }
}

impl Procedure {
    /// The word in `procedure` of a record.
    pub fn name(&self) -> &str {
        &self.file.name
    }
    /// What it is called, for people.
    pub fn title(&self) -> &str {
        &self.file.title
    }
    /// Who issued it, for people.
    pub fn institution(&self, language: Language) -> &str {
        match (language, &self.file.institution_en) {
            (Language::En, Some(english)) => english,
            _ => &self.file.institution,
        }
    }
    /// SHA-256 of the file's bytes, 64 hex digits.
    pub fn sha256(&self) -> &str {
        &self.sha256
    }
    /// ISO 3166-1 alpha-2: the country of phone numbers without a country code.
    pub fn country(&self) -> &str {
        &self.file.country
    }
    /// Working days and hours, with the holidays.
    pub fn calendar(&self) -> &Calendar {
        &self.calendar
    }
    /// The first year whose holidays its file lacks, where that matters now or soon ([`super::calendar::lacks`]). None, too, for
    /// a procedure that names no such file.
    pub fn lacks_holidays(&self, now: Timestamp) -> Option<i16> {
        super::calendar::lacks(self.holidays_through?, now.to_zoned(self.zone.clone()).date())
    }
    /// The zone in which its days begin and end.
    pub fn time_zone(&self) -> &TimeZone {
        &self.zone
    }
    /// Language of reasons and notices, "id" or "en"; a category may have its own.
    pub fn language(&self) -> &str {
        self.file.language.as_str()
    }
    /// The categories that it knows.
    pub fn categories(&self) -> impl Iterator<Item = &str> {
        self.categories.keys().map(String::as_str)
    }
    /// The written procedure's own table of steps.
    pub fn sop_steps(&self) -> &[super::file::SopStep] {
        &self.file.step
    }
    /// What may be asked for.
    pub fn actions(&self) -> &[Action] {
        &self.file.actions
    }

    /// The file name of the letter's template, where it has a letter.
    pub fn letter_template(&self) -> Option<&str> {
        self.file.letter.as_ref().map(|letter| letter.template.as_str())
    }

    /// Where notices without a password go, the preferred channel first.
    pub(super) fn news_channels(&self) -> &[String] {
        let delivery = &self.file.delivery;
        delivery.news_channels.as_ref().unwrap_or(&delivery.channels)
    }

    pub(super) fn category(&self, record: &Record) -> Option<&CategoryRules> {
        self.categories.get(&record.applicant.category)
    }

    /// The language of everything that is said about a record.
    pub(super) fn language_for(&self, record: &Record) -> Language {
        self.category(record).map_or(self.file.language, |c| c.language)
    }

    /// The texts in a language.
    pub(super) fn texts(&self, language: Language) -> &BTreeMap<String, String> {
        match language {
            Language::Id => &self.texts_id,
            Language::En => &self.texts_en,
        }
    }

    /// Whether reports or drafts go to a role.
    fn is_written_to(&self, role: &str) -> bool {
        self.file.report.iter().any(|report| report.to == role)
            || self.file.letter.as_ref().is_some_and(|letter| letter.draft_to.iter().any(|to| to == role))
    }

    /// Where officials who get reports or drafts are written to, under the keys that a judgement's texts have for it.
    pub fn officials(&self) -> BTreeMap<String, String> {
        let written_to = self.file.role.iter().filter(|role| self.is_written_to(&role.name));
        written_to.filter_map(|role| Some((role_text(&role.name, "email"), role.email.clone()?))).collect()
    }

    /// The texts for a record's notices, with the `instructions` of its route.
    pub(super) fn texts_for(&self, record: &Record, source: &str) -> BTreeMap<String, String> {
        let mut texts = self.texts(self.language_for(record)).clone();
        if let Some(zone) = self.time_zone().iana_name() {
            texts.insert(crate::model::verdict::TIME_ZONE.into(), zone.into());
        }
        let language = self.language_for(record);
        if !(self.file.step.is_empty() && self.deadlines.is_empty()) {
            let [id, en] = &self.standards;
            let standard = if language == Language::En { en } else { id };
            texts.insert(crate::model::verdict::STANDARD.into(), standard.clone());
        }
        texts.extend(self.officials());
        for role in &self.file.role {
            let title = Titled::new(&role.title, role.title_en.as_deref());
            if self.signers.contains(&role.name) || self.is_written_to(&role.name) {
                texts.insert(role_text(&role.name, "title"), title.in_language(language).to_owned());
            }
        }
        if let Some(category) = self.category(record) {
            texts.extend(category.domains_text());
            add_instructions(&mut texts, category.route(source).instructions);
        }
        texts
    }
}

/// The text that a route names, and its link, under the keys that templates know.
pub(super) fn add_instructions(texts: &mut BTreeMap<String, String>, key: Option<&str>) {
    let Some(key) = key else { return };
    let [text, url] = [texts.get(key).cloned(), texts.get(&format!("{key}_url")).cloned()];
    texts.extend(text.map(|text| ("instructions".to_owned(), text)));
    texts.extend(url.map(|url| ("instructions_url".to_owned(), url)));
}
