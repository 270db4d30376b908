//! Attributes that the configuration adds to accounts and profiles.

use super::dictionary::Dictionary;
use super::held::Pair;
use crate::config::target::{AttributeSet, AttributeValue, RadiusConfig};
use std::collections::BTreeMap;

/// Which of a pair of tables a row is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Place {
    /// `radcheck` and `radgroupcheck`: what must hold before somebody is let in, and limits that the server keeps.
    Check,
    /// `radreply` and `radgroupreply`: what the NAS is told.
    Reply,
}

impl Place {
    /// In `akund_attribute`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Check => "check",
            Self::Reply => "reply",
        }
    }

    /// The reverse of [`Self::word`].
    pub fn of_word(word: &str) -> Option<Self> {
        [Self::Check, Self::Reply].into_iter().find(|place| place.word() == word)
    }
}

/// One attribute and its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attribute {
    /// As the dictionary spells it.
    pub name: String,
    /// `:=` for the first value, `+=` for each further one.
    pub op: &'static str,
    /// The value, as text.
    pub value: String,
}

impl Attribute {
    /// The one value of an attribute.
    pub fn new(name: &str, value: impl Into<String>) -> Self {
        Self { name: name.to_owned(), op: ":=", value: value.into() }
    }
}

/// Attributes for both places.
#[derive(Debug, Clone, Default)]
pub struct Attributes {
    /// For `radcheck` or `radgroupcheck`.
    pub check: Vec<Attribute>,
    /// For `radreply` or `radgroupreply`.
    pub reply: Vec<Attribute>,
}

impl Attributes {
    /// Those of a place.
    pub fn of(&self, place: Place) -> &[Attribute] {
        match place {
            Place::Check => &self.check,
            Place::Reply => &self.reply,
        }
    }
}

/// What the configuration gives to all accounts, and to groups; every name and value held against FreeRADIUS's dictionary.
///
/// # Errors
/// A sentence for the first that FreeRADIUS would stumble over.
pub fn configured(config: &RadiusConfig) -> Result<(Attributes, BTreeMap<String, Attributes>), String> {
    let sets = || {
        let profiles = config.profile.values().flat_map(|profile| [&profile.check, &profile.reply]);
        [&config.check, &config.reply].into_iter().chain(profiles)
    };
    if sets().all(BTreeMap::is_empty) && config.profile.is_empty() {
        return Ok(Default::default());
    }
    let dictionary = Dictionary::read(&config.dictionary).map_err(|problem| {
        format!(
            "{problem}; without it nobody can say whether FreeRADIUS knows the attributes (Debian: freeradius-common)"
        )
    })?;
    let checked = |place: &str, check: &AttributeSet, reply: &AttributeSet| -> Result<Attributes, String> {
        Ok(Attributes {
            check: of_set(&dictionary, check).map_err(|e| format!("[{place}check]: {e}"))?,
            reply: of_set(&dictionary, reply).map_err(|e| format!("[{place}reply]: {e}"))?,
        })
    };
    let mut profiles = BTreeMap::new();
    for (name, profile) in &config.profile {
        if !super::name_fits(name) {
            return Err(format!(
                "profile {name:?} must have 1 to {} characters and no control character",
                super::LONGEST_NAME
            ));
        }
        profiles.insert(name.clone(), checked(&format!("profile.{name}."), &profile.check, &profile.reply)?);
    }
    Ok((checked("", &config.check, &config.reply)?, profiles))
}

fn of_set(dictionary: &Dictionary, set: &AttributeSet) -> Result<Vec<Attribute>, String> {
    let mut attributes = Vec::new();
    for (name, value) in set {
        let lower = name.to_ascii_lowercase();
        if lower.ends_with("-password") || ["password-with-header", "auth-type", "expiration"].contains(&lower.as_str())
        {
            return Err(format!("{name} is akund's to write for each account"));
        }
        let values: Vec<String> = match value {
            AttributeValue::Integer(number) => vec![number.to_string()],
            AttributeValue::Text(text) => vec![text.clone()],
            AttributeValue::List(texts) => texts.clone(),
        };
        for (n, value) in values.into_iter().enumerate() {
            let name = dictionary.check(name, &value)?.to_owned();
            attributes.push(Attribute { name, op: if n == 0 { ":=" } else { "+=" }, value });
        }
    }
    Ok(attributes)
}

/// Whether the rows say what is wanted and no more, in the same order.
pub(super) fn same(rows: &[&Pair], wanted: &[Attribute]) -> bool {
    let row_says = |(row, wanted): (&&Pair, &Attribute)| {
        row.is(&wanted.name) && row.op == wanted.op && row.value.expose() == wanted.value
    };
    rows.len() == wanted.len() && rows.iter().zip(wanted).all(row_says)
}
