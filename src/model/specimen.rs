//! What a notice that nobody asked for is shown with: `akund template preview --procedure`.

use std::collections::BTreeMap;

/// An applicant of one category, as far as notices differ by it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Specimen {
    /// The category's name.
    pub category: String,
    /// The texts for its notices, as a judgement keeps them.
    pub texts: BTreeMap<String, String>,
    /// The domain of its addresses; none where its accounts have no address.
    pub domain: Option<String>,
    /// The services of its accounts.
    pub services: Vec<String>,
    /// Whether its accounts end.
    pub temporary: bool,
    /// Whether somebody else answers for its accounts.
    pub responsible: bool,
}
