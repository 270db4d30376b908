//! A failed attempt, classified. The implementor of a target or channel classifies; the lane decides.

use serde::{Deserialize, Serialize};
use std::fmt;

/// What sort of failure an attempt met. This alone decides what the lane does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FaultClass {
    /// Nothing happened, and the same attempt may succeed later (server down, busy, 4xx of SMTP).
    Transient,
    /// Nothing happened, and repeating it will not help (refused, not permitted, 5xx of SMTP).
    Permanent,
    /// The name belongs to somebody else: nothing was written.
    Conflict,
    /// It was sent and the answer was lost: it may or may not have happened. Look before acting again.
    Unknown,
}

impl FaultClass {
    /// The word used in logs, metrics and outcomes.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Transient => "transient",
            Self::Permanent => "permanent",
            Self::Conflict => "conflict",
            Self::Unknown => "unknown",
        }
    }
}

/// A failed attempt: its class, and a sentence for the person on call (object, action, cause).
///
/// The sentence never holds a secret and never an unmasked address of a person. Nor does it name the
/// target or channel: who shows it puts that before it, and the journal has it in the step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// What sort of failure it was.
    pub class: FaultClass,
    /// A sentence: what was being done to what, and why it failed.
    pub message: String,
}

impl Fault {
    /// A fault that may pass.
    pub fn transient(message: impl Into<String>) -> Self {
        Self { class: FaultClass::Transient, message: message.into() }
    }
    /// A fault that repeating will not mend.
    pub fn permanent(message: impl Into<String>) -> Self {
        Self { class: FaultClass::Permanent, message: message.into() }
    }
    /// The name is somebody else's.
    pub fn conflict(message: impl Into<String>) -> Self {
        Self { class: FaultClass::Conflict, message: message.into() }
    }
    /// Sent, and the answer lost.
    pub fn unknown(message: impl Into<String>) -> Self {
        Self { class: FaultClass::Unknown, message: message.into() }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.message, self.class.as_str())
    }
}

impl std::error::Error for Fault {}
