//! One line of what `akund check` says.

use crate::cli::exit::Exit;
use crate::model::Finding;
use serde::Serialize;

/// What was found of one part.
#[derive(Serialize)]
pub struct Line {
    pub part: String,
    pub good: bool,
    /// Good, and yet something is to be done soon.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub warns: bool,
    pub said: String,
    /// How the command ends because of it: a server that is down is no mistake in the configuration.
    #[serde(skip)]
    pub exit: Exit,
}

impl Line {
    /// It is in order.
    pub fn good(part: &str, said: impl Into<String>) -> Self {
        Self { part: part.to_owned(), good: true, warns: false, said: said.into(), exit: Exit::Good }
    }

    /// It is in order, and something is to be done soon.
    pub fn warning(part: &str, said: impl Into<String>) -> Self {
        Self { warns: true, ..Self::good(part, said) }
    }

    /// It is not in order, and the command ends so.
    pub fn bad(part: &str, said: impl Into<String>, exit: Exit) -> Self {
        Self { good: false, exit, ..Self::good(part, said) }
    }

    /// As it was found; where it is not in order, the command ends so.
    pub fn found(part: &str, finding: Finding, exit: Exit) -> Self {
        finding.map_or_else(|problem| Self::bad(part, problem, exit), |said| Self::good(part, said))
    }

    /// For people: with a mark before it.
    pub fn shown(&self) -> String {
        let mark = match self {
            Self { good: false, .. } => "✗",
            Self { warns: true, .. } => "!",
            Self { .. } => "✓",
        };
        format!("{mark} {}: {}", self.part, self.said.trim_end())
    }
}
