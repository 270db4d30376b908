//! Attributes that the configuration adds to accounts and profiles.

use super::picture::Pair;

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

/// Whether the rows say what is wanted and no more, in the same order.
pub(super) fn same(rows: &[&Pair], wanted: &[Attribute]) -> bool {
    let row_says = |(row, wanted): (&&Pair, &Attribute)| {
        row.is(&wanted.name) && row.op == wanted.op && row.value.expose() == wanted.value
    };
    rows.len() == wanted.len() && rows.iter().zip(wanted).all(row_says)
}
