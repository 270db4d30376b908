//! The proof for mail: an IMAP login, AUTH at submission, or both.

use super::imap::Imap;
use super::submission::Submission;
use super::{Denial, Login, Standing};
use crate::model::{Account, Address, Answer, Finding, Secret};

/// The servers that must all accept the password.
pub struct MailLogin {
    imap: Option<Imap>,
    submission: Option<Submission>,
    master: Option<Master>,
    concurrency: usize,
}

/// A user whom the IMAP server lets in as any account that may log in.
pub struct Master {
    /// Its name.
    pub user: String,
    /// Its password.
    pub password: Secret,
}

impl MailLogin {
    /// At least one of them.
    pub fn new(imap: Option<Imap>, submission: Option<Submission>, master: Option<Master>, concurrency: usize) -> Self {
        Self { imap, submission, master, concurrency }
    }
}

impl Login for MailLogin {
    fn log_in<'a>(&'a self, user: &'a str, password: &'a Secret) -> Answer<'a, Result<(), Denial>> {
        Box::pin(async move {
            if let Some(imap) = &self.imap {
                imap.log_in(user, password).await?;
            }
            if let Some(submission) = &self.submission {
                submission.log_in(user, password).await?;
            }
            Ok(())
        })
    }
    fn standing<'a>(&'a self, user: &'a str) -> Answer<'a, Result<Standing, Denial>> {
        Box::pin(async move {
            match (&self.imap, &self.master) {
                (Some(imap), Some(master)) => imap.standing(user, &master.user, &master.password).await,
                _ => Ok(Standing::Untold),
            }
        })
    }
    fn user<'a>(&self, account: &'a Account) -> Option<&'a str> {
        account.address.as_ref().map(Address::as_str)
    }
    fn concurrency(&self) -> usize {
        self.concurrency
    }
    fn check<'a>(&'a self) -> Answer<'a, Vec<Finding>> {
        Box::pin(async move {
            let mut findings = Vec::new();
            if let Some(imap) = &self.imap {
                findings.push(imap.look().await);
            }
            if let (Some(imap), Some(master)) = (&self.imap, &self.master) {
                findings.push(imap.look_as(&master.user, &master.password).await);
            }
            if let Some(submission) = &self.submission {
                findings.push(submission.look().await);
            }
            findings
        })
    }
}
