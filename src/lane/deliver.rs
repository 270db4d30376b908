//! A channel's lane: renders one notice for one recipient immediately before it is handed over.

use super::{Success, Worker};
use crate::channel::notice::plain::plain;
use crate::channel::notice::{NoticeContext, Templates};
use crate::channel::{Channel, Destination, Envelope, Uncertain};
use crate::journal::{Claim, steps::NoticeFacts};
use crate::model::Answer;
use crate::model::{Account, Alternative, Fault, NoticeKind, Person, Recipient, Verdict};
use crate::secret::seal::SealingKey;
use jiff::{ToSpan, tz::TimeZone};
use std::sync::{Arc, PoisonError, RwLock};

/// The templates in force; a reload puts new ones in their place.
pub type SharedTemplates = Arc<RwLock<Arc<Templates>>>;

/// Longest display name of a recipient, characters.
const LONGEST_NAME: usize = 200;

/// Runs a channel.
pub struct ChannelWorker {
    /// The channel.
    pub channel: Arc<dyn Channel>,
    /// What notices are rendered from.
    pub templates: SharedTemplates,
    /// Opens the credentials.
    pub key: Arc<SealingKey>,
    /// The right side of Message-IDs (RFC 5322 §3.6.4): the sender's domain.
    pub message_domain: String,
}

impl Worker for ChannelWorker {
    fn lane(&self) -> &str {
        self.channel.name()
    }
    fn slots(&self) -> usize {
        self.channel.parallel()
    }
    fn batch(&self) -> usize {
        1
    }
    fn never_blindly(&self) -> bool {
        self.channel.uncertain() == Uncertain::Stuck
    }
    fn carry_out<'a>(&'a self, batch: &'a [Claim]) -> Answer<'a, Vec<Result<Success, Fault>>> {
        Box::pin(async move {
            let mut answers = Vec::with_capacity(batch.len());
            for claim in batch {
                answers.push(self.deliver(claim).await);
            }
            answers
        })
    }
}

impl ChannelWorker {
    async fn deliver(&self, claim: &Claim) -> Result<Success, Fault> {
        let envelope = self.envelope(claim)?;
        let handed_over = self.channel.send(&envelope).await?;
        Ok(Success { note: Some(handed_over.reply), ..Success::default() })
    }

    fn envelope(&self, claim: &Claim) -> Result<Envelope, Fault> {
        let kind = claim.detail.notice.ok_or_else(|| Fault::permanent("the plan names no notice for this step"))?;
        let facts =
            claim.notice.as_deref().ok_or_else(|| Fault::permanent("the personal data of this request are gone"))?;
        let person = recipient(facts, claim.detail.to);
        let to = self.destination(person)?;
        let credential = match (kind, &claim.sealed) {
            (NoticeKind::Credentials, Some(sealed)) => {
                Some(self.key.open_credential(&super::mint::purpose(claim.uid), sealed)?)
            }
            (NoticeKind::Credentials, None) => {
                return Err(Fault::permanent("the password is gone from the journal; ask for a reset"));
            }
            _ => None,
        };
        let told = told(&facts.verdict);
        let context = NoticeContext {
            account: claim.account.as_ref(),
            last_day: claim.account.as_ref().and_then(|account| last_day(account, facts)),
            reasons: &told.reasons,
            alternatives: &told.alternatives,
            missing: &told.missing,
            checklist: &facts.checklist,
            password: credential.as_ref().map(|credential| &credential.password),
            ..NoticeContext::new(&facts.record, &person.name, &facts.texts)
        };
        let language = claim.detail.language.as_deref().unwrap_or("id");
        let templates = self.templates.read().unwrap_or_else(PoisonError::into_inner).clone();
        let rendered = templates.render(kind, language, &context)?;
        Ok(Envelope {
            message_id: format!("{}.{}@{}", claim.uid, claim.step.0 & 0xff, self.message_domain),
            to,
            to_name: plain(&person.name, LONGEST_NAME),
            subject: rendered.subject,
            text: rendered.text,
            html: rendered.html,
            language: rendered.language,
        })
    }

    fn destination(&self, person: &Person) -> Result<Destination, Fault> {
        let missing = |what: &str| {
            Fault::permanent(format!("the recipient has no {what}, and {} needs one", self.channel.name()))
        };
        if self.channel.carries_email() {
            person.email.clone().map(Destination::Email).ok_or_else(|| missing("e-mail address"))
        } else {
            person.phone.clone().map(Destination::Phone).ok_or_else(|| missing("phone number"))
        }
    }
}

fn recipient(facts: &NoticeFacts, to: Option<Recipient>) -> &Person {
    match to {
        Some(Recipient::Responsible) => facts.record.contact(),
        Some(Recipient::Applicant) | None => &facts.record.applicant,
    }
}

/// What the verdict has to say.
#[derive(Default)]
struct Told {
    reasons: Vec<String>,
    alternatives: Vec<String>,
    missing: Vec<String>,
}

fn told(verdict: &Verdict) -> Told {
    match verdict {
        Verdict::Permit { .. } | Verdict::Redirect { .. } => Told::default(),
        Verdict::Refuse { reasons } => Told { reasons: reasons.clone(), ..Told::default() },
        Verdict::Hold { missing, .. } => Told { missing: missing.clone(), ..Told::default() },
        Verdict::Conflict { reasons, alternatives } => {
            let names = alternatives.iter().map(|alternative| match alternative {
                Alternative::Address(address) => address.to_string(),
                Alternative::Username(username) => username.to_string(),
            });
            Told { reasons: reasons.clone(), alternatives: names.collect(), ..Told::default() }
        }
    }
}

/// The last day on which the account is valid, in the procedure's zone.
fn last_day(account: &Account, facts: &NoticeFacts) -> Option<jiff::civil::Date> {
    let zone = facts.texts.get(crate::model::verdict::TIME_ZONE).and_then(|name| TimeZone::get(name).ok());
    let last = account.ends_at?.checked_sub(1.second()).ok()?;
    Some(last.to_zoned(zone.unwrap_or(TimeZone::UTC)).date())
}
