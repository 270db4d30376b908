//! `[texts]`: keys, languages, links.

use super::Checker;
use crate::procedure::file::Language;
use crate::procedure::shape::Place;
use std::collections::BTreeMap;

/// Keys that akund fills in itself.
const OWN_KEYS: [&str; 7] = ["institution", "title", "sop", "procedure", "instructions", "instructions_url", "domains"];

/// Texts of one language, by key.
type Texts = BTreeMap<String, String>;

impl Checker<'_> {
    /// The texts in Indonesian and in English.
    pub(super) fn texts(&mut self) -> (Texts, Texts) {
        let place = Place::default().key("texts");
        let file = self.file;
        for (key, text) in &file.texts {
            self.text(key, text, &place.key(key));
        }
        (self.texts_in(Language::Id), self.texts_in(Language::En))
    }

    fn text(&mut self, key: &str, text: &str, place: &Place) {
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        if !key.starts_with(|c: char| c.is_ascii_lowercase()) || !key.chars().all(plain) {
            self.find(place, format!("`{key}` is not a key for a text"), "expected lower-case letters, digits and `_`");
        }
        let (base, language) = split_language(key);
        if OWN_KEYS.contains(&base) {
            let message = format!("the text `{key}` is filled in by akund itself");
            self.find(place, message, "`title` and `institution` stand at the top of the file; choose another key");
        }
        if language.is_some() && !self.file.texts.contains_key(base) {
            self.find(
                place,
                format!("`{key}` has no `{base}` to stand for"),
                format!("write `{base} = \"…\"` as well"),
            );
        }
        if base.ends_with("_url") && !(text.starts_with("https://") || text.starts_with("http://")) {
            self.find(place, format!("`{key}` is no link"), "expected `https://…`");
        }
        if text.trim().is_empty() {
            self.find(place, format!("the text `{key}` is empty"), "write it, or leave the key out");
        }
    }

    /// Whether a text with this key exists.
    pub(super) fn has_text(&self, key: &str) -> bool {
        self.file.texts.contains_key(key)
    }

    fn texts_in(&self, language: Language) -> Texts {
        let mut texts = Texts::new();
        let written = &self.file.texts;
        for (key, text) in written.iter().filter(|(k, _)| split_language(k).1.is_none()) {
            let translated = written.get(&format!("{key}_{}", language.as_str()));
            texts.insert(key.clone(), translated.unwrap_or(text).clone());
        }
        let english = |en: &Option<String>, plain: &str| match (language, en) {
            (Language::En, Some(en)) => en.clone(),
            _ => plain.to_owned(),
        };
        texts.insert("title".into(), english(&self.file.title_en, &self.file.title));
        texts.insert("institution".into(), english(&self.file.institution_en, &self.file.institution));
        texts.insert("procedure".into(), self.file.name.clone());
        if let Some(sop) = &self.file.sop {
            texts.insert("sop".into(), sop.clone());
        }
        texts
    }
}

fn split_language(key: &str) -> (&str, Option<Language>) {
    for language in [Language::Id, Language::En] {
        let base = key.strip_suffix(language.as_str()).and_then(|k| k.strip_suffix('_'));
        if let Some(base) = base.filter(|b| !b.is_empty()) {
            return (base, Some(language));
        }
    }
    (key, None)
}
