//! From the text of a procedure file to a [`Procedure`], or to everything that is wrong with it.
//!
//! First the shape (keys and types, against the schema), then the meaning: each reference must lead somewhere, each
//! pattern and template must compile, and no rule may contradict another.

mod account;
mod category;
mod chain;
mod letter;
#[cfg(test)]
mod tests;
mod texts;
mod time;

use super::compiled::{Procedure, SopIndex};
use super::file::{CheckKind, File, SopStep};
use super::report::{Finding, Report};
use super::shape::{Place, Spans, suggestion};
use crate::model::hex::hex;
use crate::model::{Action, NoticeKind};
use jiff::tz::TimeZone;
use regex::Regex;
use serde::Deserialize;
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;

/// Format version of procedure files.
const FORMAT: u32 = 1;

impl Procedure {
    /// Parses and checks a procedure file. `file_name` is shown in the report; its stem must be the file's `name`.
    ///
    /// # Errors
    /// Everything that is wrong with the file, each finding at its line.
    pub fn parse(file_name: &str, text: &str) -> Result<Self, Report> {
        procedure(file_name, text).map_err(|findings| Report::new(file_name, text, findings))
    }
}

/// Parses, checks and compiles.
fn procedure(file_name: &str, text: &str) -> Result<Procedure, Vec<Finding>> {
    let mut spans = Spans::parse(text)?;
    let mut findings = spans.compare(&super::schema());
    let unreadable = findings.iter().any(|f| !f.message.starts_with("unknown key"));
    if unreadable {
        return Err(findings);
    }
    let file = match File::deserialize(toml::de::Deserializer::from(spans.into_table())) {
        Ok(file) => file,
        Err(error) => {
            findings.push(Finding { span: error.span(), message: error.message().to_owned(), help: None });
            return Err(findings);
        }
    };
    let spans = Spans::parse(text)?;
    let mut checker = Checker { file: &file, spans: &spans, findings };
    let compiled = checker.compile(file_name, text);
    let findings = checker.findings;
    match compiled {
        Some(parts) if findings.is_empty() => Ok(parts.into_procedure(file)),
        _ => Err(findings),
    }
}

/// Everything but the file itself.
struct Compiled {
    sha256: String,
    zone: TimeZone,
    categories: std::collections::BTreeMap<String, super::compiled::CategoryRules>,
    chain: Vec<super::compiled::Link>,
    signers: Vec<String>,
    reserved: super::naming::Reserved,
    texts_id: std::collections::BTreeMap<String, String>,
    texts_en: std::collections::BTreeMap<String, String>,
    sop: SopIndex,
    calendar: super::calendar::Calendar,
    deadlines: Vec<super::standard::Deadline>,
}

impl Compiled {
    fn into_procedure(self, file: File) -> Procedure {
        let Self { sha256, zone, categories, chain, signers, reserved, texts_id, texts_en, sop, calendar, deadlines } =
            self;
        let documents = file.document.clone();
        let standards = [String::new(), String::new()];
        let mut procedure = Procedure {
            file,
            sha256,
            zone,
            categories,
            chain,
            documents,
            signers,
            reserved,
            texts_id,
            texts_en,
            sop,
            calendar,
            holidays_through: None,
            deadlines,
            standards,
        };
        procedure.write_standards();
        procedure
    }
}

/// Walks the file and collects findings.
struct Checker<'f> {
    file: &'f File,
    spans: &'f Spans<'f>,
    findings: Vec<Finding>,
}

impl Checker<'_> {
    fn compile(&mut self, file_name: &str, text: &str) -> Option<Compiled> {
        self.head(file_name);
        let zone = self.zone();
        let (texts_id, texts_en) = self.texts();
        let chain = self.chain();
        self.documents();
        let reserved = self.reserved();
        let categories = self.categories();
        self.delivery();
        self.reports();
        let signers = self.letter();
        let sop = self.steps();
        let calendar = self.calendar(zone.clone().unwrap_or(TimeZone::UTC));
        let deadlines = self.deadlines();
        let sha256 = hex(&Sha256::digest(text.as_bytes()));
        let (zone, reserved) = (zone?, reserved?);
        Some(Compiled {
            sha256,
            zone,
            categories,
            chain,
            signers,
            reserved,
            texts_id,
            texts_en,
            sop,
            calendar,
            deadlines,
        })
    }

    fn find(&mut self, place: &Place, message: impl Into<String>, help: impl Into<String>) {
        let help = help.into();
        let finding = Finding::at(self.spans.of(place), message);
        let finding = if help.is_empty() { finding } else { finding.help(help) };
        // A default that is wrong is met once for each category.
        if !self.findings.contains(&finding) {
            self.findings.push(finding);
        }
    }

    fn head(&mut self, file_name: &str) {
        let top = Place::default();
        if self.file.akund != FORMAT {
            let message = format!("format version {} is not known", self.file.akund);
            self.find(&top.key("akund"), message, format!("expected `akund = {FORMAT}`"));
        }
        let name = &self.file.name;
        if !is_word(name) {
            let message = format!("`{name}` is not a name for a procedure");
            self.find(&top.key("name"), message, "expected lower-case letters, digits and `-`");
        }
        let stem = std::path::Path::new(file_name).file_stem().and_then(|s| s.to_str()).unwrap_or(file_name);
        if stem != name {
            let message = format!("the procedure is named `{name}`, but its file `{stem}`");
            self.find(&top.key("name"), message, format!("write `name = \"{stem}\"`, or rename the file"));
        }
        if self.file.country.parse::<phonenumber::country::Id>().is_err() {
            let message = format!("`{}` is not a country", self.file.country);
            self.find(&top.key("country"), message, "expected two letters of ISO 3166-1, like `ID`");
        }
        for (key, text) in [("title", &self.file.title), ("institution", &self.file.institution)] {
            if text.trim().is_empty() {
                self.find(&top.key(key), format!("`{key}` is empty"), "expected a text; people read it");
            }
        }
        if self.file.actions.is_empty() {
            self.find(&top.key("actions"), "no action is allowed", "expected at least one, like `[\"create\"]`");
        }
        for (at, action) in self.file.adopt.clone().into_iter().enumerate() {
            let place = top.key("adopt").at(at);
            if action == Action::Create {
                self.find(&place, "an account that is there cannot be created", "leave `create` out of `adopt`");
            } else if !self.file.actions.contains(&action) {
                let message = format!("`{}` is not among this procedure's `actions`", action.as_str());
                self.find(&place, message, "name it there, too, or leave it out here");
            }
        }
    }

    fn zone(&mut self) -> Option<TimeZone> {
        let name = self.file.time_zone.as_str();
        match TimeZone::get(name) {
            Ok(zone) => Some(zone),
            Err(_) => {
                let help = "expected an IANA name, like `Asia/Jakarta`; the system's tzdata must have it";
                self.find(&Place::default().key("time_zone"), format!("the time zone `{name}` is not known"), help);
                None
            }
        }
    }

    fn delivery(&mut self) {
        let place = Place::default().key("delivery").key("channels");
        let channels = &self.file.delivery.channels;
        if channels.is_empty() {
            self.find(
                &place,
                "no channel is named",
                "expected the name of at least one [channel] of the configuration",
            );
        }
        self.unique(channels.iter().enumerate().map(|(i, c)| (c.as_str(), place.at(i))), "channel");
        let apart = &self.file.delivery.username_channels;
        let place = Place::default().key("delivery").key("username_channels");
        self.unique(apart.iter().enumerate().map(|(i, c)| (c.as_str(), place.at(i))), "channel");
        if !apart.is_empty() && channels.iter().all(|channel| apart.contains(channel)) {
            self.find(
                &place,
                "user name and password would go the same way",
                "expected a channel in `channels` that is not among these: the password goes by it",
            );
        }
        let place = Place::default().key("delivery").key("news_channels");
        let Some(news) = &self.file.delivery.news_channels else { return };
        if news.is_empty() {
            self.find(&place, "no channel is named", "leave `news_channels` out: then news goes by `channels`");
        }
        self.unique(news.iter().enumerate().map(|(i, c)| (c.as_str(), place.at(i))), "channel");
    }

    fn steps(&mut self) -> SopIndex {
        let top = Place::default().key("step");
        let steps = &self.file.step;
        self.unique(steps.iter().enumerate().map(|(i, s)| (s.number.as_str(), top.at(i).key("number"))), "step");
        let mut index = SopIndex::default();
        for (i, step) in steps.iter().enumerate() {
            self.step(&mut index, step, &top.at(i));
        }
        self.letter_steps();
        let documents = self.file.document.iter().map(|d| ("document", &d.step)).enumerate();
        let approvals = self.file.approval.iter().map(|a| ("approval", &a.step)).enumerate();
        for (i, (table, step)) in documents.chain(approvals) {
            self.step_known(step.as_ref(), &Place::default().key(table).at(i).key("step"));
        }
        for (i, step) in steps.iter().enumerate() {
            self.carried(step, &top.at(i));
            self.received(step, &top.at(i));
        }
        index
    }

    /// A number of a step must be that of a row of the table.
    fn step_known(&mut self, step: Option<&String>, place: &Place) {
        let steps = &self.file.step;
        let Some(step) = step.filter(|step| !steps.iter().any(|s| s.number == **step)) else { return };
        let known: Vec<&str> = steps.iter().map(|s| s.number.as_str()).collect();
        let help = format!("expected the `number` of a [[step]]: {}", listed(&known));
        self.find(place, format!("there is no step `{step}`"), help);
    }

    /// A row of the SOP is carried by something of akund's, or it is people's; a file that is silent on a row hides a gap.
    fn carried(&mut self, step: &SopStep, place: &Place) {
        let number = &step.number;
        let papers = self.file.document.iter().any(|d| d.step.as_ref() == Some(number))
            || self.file.approval.iter().any(|a| a.step.as_ref() == Some(number))
            || self.file.report.iter().any(|r| r.step.as_ref() == Some(number))
            || self.file.letter.as_ref().is_some_and(|letter| letter.steps().any(|step| step == number));
        let work = step.register
            || !step.receives.is_empty()
            || !(step.verbs.is_empty() && step.notices.is_empty() && step.checks.is_empty());
        if step.people && (work || papers) {
            let help = "leave out `people`, or what carries it";
            self.find(&place.key("people"), format!("step {number} is people's, but akund carries it, too"), help);
        }
        if !(step.people || work || papers) {
            let help = "expected `verbs`, `notices`, `checks`, `receives` or `register` here, a [[document]] or [[approval]] with this `step`, or \
                        `people = true` where people do it without akund";
            self.find(&place.key("number"), format!("nothing carries step {number}"), help);
        }
    }

    /// Enters what a step carries; each part of akund's work is carried by one step.
    fn step(&mut self, index: &mut SopIndex, step: &SopStep, place: &Place) {
        let number = || step.number.clone();
        let twice = |what: &str, other: String| {
            (format!("`{what}` is carried by step {other} already"), "expected each in one step only".to_owned())
        };
        let mut wrong: Vec<(&str, (String, String))> = Vec::new();
        for verb in &step.verbs {
            if let Some(other) = index.verbs.insert(*verb, number()) {
                wrong.push(("verbs", twice(verb.as_str(), other)));
            }
        }
        for notice in &step.notices {
            if let Some(other) = index.notices.insert(*notice, number()) {
                wrong.push(("notices", twice(notice.as_str(), other)));
            }
        }
        for check in &step.checks {
            if let Some(other) = index.checks.insert(*check, number()) {
                wrong.push(("checks", twice(check_word(*check), other)));
            }
        }
        for (key, (message, help)) in wrong {
            self.find(&place.key(key), message, help);
        }
    }

    /// What somebody receives must be something that is sent.
    fn received(&mut self, step: &SopStep, place: &Place) {
        for (i, kind) in step.receives.iter().enumerate() {
            if !self.file.sends(*kind) {
                let help = match kind {
                    NoticeKind::Report => "add a [[report]], or leave it out",
                    NoticeKind::Letter | NoticeKind::LetterDraft => "add a [letter], or leave it out",
                    _ => "leave it out",
                };
                self.find(&place.key("receives").at(i), format!("nothing sends the notice `{}`", kind.as_str()), help);
            }
        }
    }

    /// Names that may stand once only.
    fn unique<'n>(&mut self, names: impl Iterator<Item = (&'n str, Place)>, what: &str) {
        let mut seen = BTreeSet::new();
        for (name, place) in names {
            if !seen.insert(name) {
                self.find(&place, format!("the {what} `{name}` stands here twice"), "");
            }
        }
    }

    /// A word that must be one of those defined elsewhere.
    fn known(&mut self, word: &str, known: &[&str], place: &Place, what: &str) {
        if !known.contains(&word) {
            let all = what.strip_suffix('y').map_or_else(|| format!("{what}s"), |stem| format!("{stem}ies"));
            let help = format!("{}{all}: {}", suggestion(word, known.iter().copied()), listed(known));
            self.find(place, format!("there is no {what} `{word}`"), help);
        }
    }

    /// A regular expression that must match the whole text.
    fn pattern(&mut self, pattern: &str, place: &Place) -> Option<Regex> {
        match Regex::new(&format!("^(?:{pattern})$")) {
            Ok(regex) => Some(regex),
            Err(error) => {
                let cause = error.to_string();
                let cause = cause.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned();
                let help =
                    "expected a regular expression (without `^` and `$`: it is always held against the whole text)";
                self.find(place, format!("`{pattern}` is not a regular expression: {cause}"), help);
                None
            }
        }
    }
}

fn check_word(check: CheckKind) -> &'static str {
    match check {
        CheckKind::Category => "category",
        CheckKind::Fields => "fields",
        CheckKind::Documents => "documents",
        CheckKind::Approvals => "approvals",
        CheckKind::Contact => "contact",
        CheckKind::Account => "account",
        CheckKind::Expiry => "expiry",
        CheckKind::Register => "register",
        CheckKind::Targets => "targets",
        CheckKind::Holder => "holder",
    }
}

/// Lower-case letters, digits and single hyphens between them.
fn is_word(text: &str) -> bool {
    let inner = |part: &str| !part.is_empty() && part.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
    text.len() <= 64 && text.split('-').all(inner)
}

fn listed(words: &[&str]) -> String {
    if words.is_empty() { "there is none".into() } else { words.join(", ") }
}
