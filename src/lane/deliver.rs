//! A channel's lane: renders one notice for one recipient immediately before it is handed over.

use super::said::{last_day, titles};
use super::{Answers, Success, Worker};
use crate::channel::letter::Kind;
use crate::channel::notice::plain::plain;
use crate::channel::notice::{NoticeContext, SignedLetter, Templates};
use crate::channel::{Attachment, Channel, Destination, Envelope, Uncertain};
use crate::intake::spool::Spool;
use crate::journal::letters::Paper;
use crate::journal::{Claim, NoticeFacts};
use crate::model::Answer;
use crate::model::{Account, Alternative, Fault, NoticeKind, Person, Recipient, Secret, Verdict, role_text};
use crate::secret::seal::SealingKey;
use futures_util::future::join_all;
use std::borrow::Cow;
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
    /// Where letters are kept.
    pub spool: Arc<Spool>,
    /// The right side of Message-IDs (RFC 5322 §3.6.4): the sender's domain.
    pub message_domain: String,
    /// The most steps in a batch.
    pub batch: usize,
}

impl Worker for ChannelWorker {
    fn lane(&self) -> &str {
        self.channel.name()
    }
    fn slots(&self) -> usize {
        self.channel.parallel().div_ceil(self.batch())
    }
    fn batch(&self) -> usize {
        self.channel.together().min(self.batch).max(1)
    }
    fn never_blindly(&self) -> bool {
        self.channel.uncertain() == Uncertain::Stuck
    }
    fn carry_out<'a>(&'a self, batch: &'a [Claim]) -> Answer<'a, Answers> {
        Box::pin(join_all(batch.iter().map(async |claim| Some(self.deliver(claim).await))))
    }
}

impl ChannelWorker {
    async fn deliver(&self, claim: &Claim) -> Result<Success, Fault> {
        let attachments = self.attachments(claim).await?;
        let envelope = Envelope { attachments, ..self.envelope(claim)? };
        let handed_over = self.channel.send(&envelope).await?;
        Ok(Success { note: Some(handed_over.reply), reference: handed_over.reference, ..Success::default() })
    }

    fn envelope(&self, claim: &Claim) -> Result<Envelope, Fault> {
        let kind = claim.detail.notice.ok_or_else(|| Fault::permanent("the plan names no notice for this step"))?;
        let facts =
            claim.notice.as_deref().ok_or_else(|| Fault::permanent("the personal data of this request are gone"))?;
        let person = recipient(facts, claim.account.as_ref(), claim.detail.to.as_ref())?;
        let to = self.destination(&person)?;
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
        let signers = titles(&claim.detail.signed_by, &facts.texts);
        let signed = facts.paper.as_ref().and_then(|paper| paper.signed.as_ref());
        let letter = signed.map(|signed| SignedLetter {
            number: &signed.number,
            signed_by: facts.texts.get(&role_text(&signed.role, "title")).unwrap_or(&signed.role),
            on: signed.on,
        });
        let context = NoticeContext {
            signers: &signers,
            letter,
            handed_over: claim.detail.handed_over,
            account: claim.account.as_ref(),
            last_day: claim.account.as_ref().and_then(|account| last_day(account, facts)),
            reasons: &told.reasons,
            alternatives: &told.alternatives,
            missing: &told.missing,
            checklist: &facts.checklist,
            password: credential.as_ref().map(|credential| &credential.password),
            apart: claim.detail.apart,
            holder: claim.detail.to == Some(Recipient::Holder),
            ..NoticeContext::new(&facts.record, &person.name, &facts.texts)
        };
        let language = claim.detail.language.as_deref().unwrap_or("id");
        let templates = self.templates.read().unwrap_or_else(PoisonError::into_inner).clone();
        let notice = format!("{}.{}", claim.uid, claim.step.0 & 0xff);
        let mut envelope = Envelope {
            receipt: Some(receipt_path(&self.key, self.channel.name(), &notice)?),
            message_id: format!("{notice}@{}", self.message_domain),
            to,
            to_name: plain(&person.name, LONGEST_NAME),
            subject: String::new(),
            text: Secret::new(""),
            html: None,
            attachments: Vec::new(),
            language: String::new(),
        };
        if self.channel.carries_email() {
            let rendered = templates.render(kind, language, &context)?;
            envelope.language = rendered.language;
            (envelope.subject, envelope.text, envelope.html) = (rendered.subject, rendered.text, rendered.html);
        } else {
            let short = templates.render_short(kind, language, &context)?;
            (envelope.language, envelope.text) = (short.language, short.text);
        }
        Ok(envelope)
    }

    /// The letter that goes with the notice, if one does, as it was kept.
    async fn attachments(&self, claim: &Claim) -> Result<Vec<Attachment>, Fault> {
        if !matches!(claim.detail.notice, Some(NoticeKind::LetterDraft | NoticeKind::Letter)) {
            return Ok(Vec::new());
        }
        let facts = claim.notice.as_deref();
        let Paper { kept, signed } = facts
            .and_then(|facts| facts.paper.clone())
            .ok_or_else(|| Fault::permanent("there is no letter to go with this notice"))?;
        let kind = Kind::of_name(&kept.evidence).unwrap_or(Kind::Pdf);
        let id = facts.map_or("", |facts| &facts.record.key.id);
        let english = claim.detail.language.as_deref() == Some("en");
        let (stem, number) = match (&signed, english) {
            (None, false) => ("draf-surat", id),
            (None, true) => ("draft-letter", id),
            (Some(signed), false) => ("surat", signed.number.as_str()),
            (Some(signed), true) => ("letter", signed.number.as_str()),
        };
        let name = format!("{stem}-{}.{}", file_name(number), kind.extension());
        let spool = self.spool.clone();
        let read = tokio::task::spawn_blocking(move || {
            spool.read_letter(&kept.evidence, &kept.sha256, crate::channel::letter::LARGEST)
        });
        let read = read
            .await
            .map_err(crate::panics::how)
            .map_err(|error| Fault::transient(format!("the letter could not be read: {error}")))?;
        let bytes = read.map_err(|error| match error.kind() {
            std::io::ErrorKind::InvalidData => Fault::permanent(error.to_string()),
            _ => Fault::transient(error.to_string()),
        })?;
        Ok(vec![Attachment { name, media_type: kind.media_type(), bytes }])
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

/// Where the arrival of a notice is reported: `/receipt/CHANNEL/NOTICE/TOKEN`, of which only akund can make the token.
///
/// # Errors
/// Where the key cannot be used.
pub fn receipt_path(key: &SealingKey, channel: &str, notice: &str) -> Result<String, Fault> {
    let token = key.token(&format!("receipt|{channel}|{notice}"))?;
    Ok(format!("/receipt/{channel}/{notice}/{token}"))
}

/// Longest part of a number in the name of a file, characters.
const LONGEST_FILE_NAME: usize = 60;

/// What of a number may be in the name of a file: `B-12-Un.03-2026`.
fn file_name(number: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || c == '.' { c } else { '-' };
    number.chars().take(LONGEST_FILE_NAME).map(plain).collect()
}

/// Who the notice goes to. Of an official only the title and the address are known.
fn recipient<'f>(
    facts: &'f NoticeFacts,
    account: Option<&Account>,
    to: Option<&Recipient>,
) -> Result<Cow<'f, Person>, Fault> {
    Ok(match to {
        Some(Recipient::Responsible) => Cow::Borrowed(facts.record.contact()),
        Some(Recipient::Applicant) | None => Cow::Borrowed(&facts.record.applicant),
        Some(Recipient::Holder) => {
            let account = account.ok_or_else(|| Fault::permanent("the account's data are gone from the journal"))?;
            let (email, phone) = (account.recovery_email.clone(), account.recovery_phone.clone());
            Cow::Owned(Person { name: account.name.clone(), email, phone, ..Person::default() })
        }
        Some(Recipient::Role(role)) => {
            let text = |what: &str| facts.texts.get(&role_text(role, what));
            let email = text("email").and_then(|email| email.parse().ok());
            if email.is_none() {
                return Err(Fault::permanent(format!("the procedure had no e-mail address for the role {role}")));
            }
            Cow::Owned(Person { name: text("title").unwrap_or(role).clone(), email, ..Person::default() })
        }
    })
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
