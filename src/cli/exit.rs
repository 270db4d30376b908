//! Exit codes (sysexits.h), and a failure that ends a command.

use crate::journal::JournalError;
use std::process::ExitCode;

/// How a command ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// 0
    Good,
    /// 1: a negative answer (refused, differences, deviations).
    Negative,
    /// 2: critical, in the words of Nagios; `check --nagios` only.
    Critical,
    /// 3: unknown, in the words of Nagios; `check --nagios` only.
    Unknown,
    /// 64: the command line is wrong.
    Usage,
    /// 65: the input is wrong.
    BadInput,
    /// 69: something that is needed is not there.
    Unavailable,
    /// 74: reading or writing failed.
    InputOutput,
    /// 75: try again later.
    TryAgain,
    /// 77: not permitted.
    NotPermitted,
    /// 78: the configuration is wrong.
    Config,
}

impl Exit {
    /// As the process gives it.
    pub fn code(self) -> u8 {
        match self {
            Self::Good => 0,
            Self::Negative => 1,
            Self::Critical => 2,
            Self::Unknown => 3,
            Self::Usage => 64,
            Self::BadInput => 65,
            Self::Unavailable => 69,
            Self::InputOutput => 74,
            Self::TryAgain => 75,
            Self::NotPermitted => 77,
            Self::Config => 78,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        exit.code().into()
    }
}

/// A command could not do what was asked; a sentence why.
#[derive(Debug)]
pub struct Failure {
    /// The exit code.
    pub exit: Exit,
    /// For the person at the terminal.
    pub message: String,
}

impl Failure {
    /// A failure.
    pub fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, message: message.into() }
    }
}

impl From<JournalError> for Failure {
    fn from(error: JournalError) -> Self {
        let exit = match &error {
            JournalError::Unwritable { .. } => Exit::TryAgain,
            JournalError::Unusable { path, .. }
                if std::fs::File::open(path).is_err_and(|e| e.kind() == std::io::ErrorKind::PermissionDenied) =>
            {
                Exit::NotPermitted
            }
            JournalError::Unusable { .. } | JournalError::Closed => Exit::Unavailable,
            JournalError::Refused(_) | JournalError::NotFound(_) => Exit::Negative,
            JournalError::Internal(_) => Exit::InputOutput,
        };
        Self::new(exit, error.to_string())
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::new(Exit::InputOutput, error.to_string())
    }
}
