//! `[retention]`: how long what is kept.

use crate::model::retention::Policy;
use jiff::SignedDuration;
use serde::Deserialize;

/// Fewer days than this would let a file that is handed in again within the month be taken for one that is about to go.
pub const LEAST_ORIGINALS: u32 = 32;
/// A hundred years.
pub const MOST_DAYS: u32 = 36_525;

/// `[retention]`. A key that is not there: kept for ever.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RetentionConfig {
    /// Outcome documents, days after their request's end.
    pub outcomes_days: Option<u32>,
    /// Originals (`accepted/`, `rejected/`, letters), days after the end of the last request in them.
    pub originals_days: Option<u32>,
    /// Personal data of requests in the journal, days after their end, at least [`LEAST_ORIGINALS`]; never while an account that they made
    /// stands, nor while an outlet may still take their outcome document ([`crate::model::retention::OUTLETS_MAY_TAKE`]).
    pub personal_days: Option<u32>,
    /// Personal data of accounts in the register, days after their removal.
    pub register_days: Option<u32>,
}

impl RetentionConfig {
    /// As ages.
    pub fn policy(&self) -> Policy {
        let age = |days: Option<u32>| days.map(|days| SignedDuration::from_hours(i64::from(days) * 24));
        Policy {
            outcomes: age(self.outcomes_days),
            originals: age(self.originals_days),
            personal: age(self.personal_days),
            register: age(self.register_days),
        }
    }

    /// What is wrong with it: the key, and a sentence.
    pub fn problems(&self) -> Vec<(&'static str, String)> {
        let mut problems = Vec::new();
        let ages = [
            ("outcomes_days", self.outcomes_days, 1),
            ("originals_days", self.originals_days, LEAST_ORIGINALS),
            // The originals may not outlive it.
            ("personal_days", self.personal_days, LEAST_ORIGINALS),
            ("register_days", self.register_days, 1),
        ];
        for (key, days, least) in ages {
            if days.is_some_and(|days| days < least || days > MOST_DAYS) {
                problems.push((
                    key,
                    format!("retention.{key} must be {least} to {MOST_DAYS} days; leave it out to keep for ever"),
                ));
            }
        }
        // What the journal forgets would still stand in the files.
        for (key, days) in [("outcomes_days", self.outcomes_days), ("originals_days", self.originals_days)] {
            if let Some(personal) = self.personal_days.filter(|personal| *personal >= LEAST_ORIGINALS)
                && days.is_none_or(|days| days > personal)
            {
                problems.push((
                    "personal_days",
                    format!(
                        "personal data would go after {personal} days and still stand in files: set retention.{key} to at most {personal}"
                    ),
                ));
            }
        }
        problems
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_are_bounded_and_files_do_not_outlive_the_personal_data() {
        let keys = |outcomes_days, originals_days, personal_days, register_days| {
            let config = RetentionConfig { outcomes_days, originals_days, personal_days, register_days };
            config.problems().into_iter().map(|(key, _)| key).collect::<Vec<_>>()
        };
        assert!(keys(None, None, None, None).is_empty());
        assert!(keys(Some(1), Some(32), Some(32), Some(1)).is_empty());
        assert!(keys(Some(90), Some(365), None, None).is_empty());
        assert_eq!(keys(Some(0), Some(31), None, Some(40_000)), ["outcomes_days", "originals_days", "register_days"]);
        assert_eq!(keys(None, None, Some(365), None), ["personal_days", "personal_days"]);
        assert_eq!(keys(Some(365), Some(366), Some(365), None), ["personal_days"]);
        // No age of the originals would do for fewer: then it is that number which is wrong, and nothing else.
        let few = RetentionConfig { personal_days: Some(30), ..RetentionConfig::default() }.problems();
        assert_eq!(few.len(), 1, "{few:?}");
        assert!(few[0].1.starts_with("retention.personal_days must be 32 to"), "{few:?}");
    }
}
