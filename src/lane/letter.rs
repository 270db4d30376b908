//! The lane of letters: fills the letter of notification into a draft and keeps it in the spool's evidence.

use super::said::{last_day, titles};
use super::{Answers, Success, Worker};
use crate::channel::letter::{LetterFacts, Letters, Values};
use crate::intake::spool::Spool;
use crate::journal::{Claim, Kept};
use crate::model::{Answer, Fault, Verb};
use jiff::tz::TimeZone;
use std::sync::{Arc, PoisonError, RwLock};

/// The letter templates in force; a reload puts new ones in their place.
pub type SharedLetters = Arc<RwLock<Arc<Letters>>>;

/// The name of a draft in the evidence.
const DRAFT: &str = "draft.docx";

/// The drafting worker.
pub struct Drafter {
    /// What drafts are filled from.
    pub letters: SharedLetters,
    /// Where they are kept.
    pub spool: Arc<Spool>,
    /// Most steps in a batch.
    pub batch: usize,
}

impl Worker for Drafter {
    fn lane(&self) -> &str {
        Verb::LETTER_LANE
    }
    fn slots(&self) -> usize {
        1
    }
    fn batch(&self) -> usize {
        self.batch
    }
    /// The same values give the same file, and what is kept already is not kept again.
    fn never_blindly(&self) -> bool {
        false
    }
    fn carry_out<'a>(&'a self, batch: &'a [Claim]) -> Answer<'a, Answers> {
        let letters = self.letters.read().unwrap_or_else(PoisonError::into_inner).clone();
        let (spool, batch) = (self.spool.clone(), batch.to_vec());
        Box::pin(async move {
            let drafted = tokio::task::spawn_blocking(move || {
                batch.iter().map(|claim| Some(draft(claim, &letters, &spool))).collect::<Vec<_>>()
            });
            // If it was cut off, the lane makes an unknown fault of each missing answer, and drafts anew.
            drafted.await.unwrap_or_default()
        })
    }
}

fn draft(claim: &Claim, letters: &Letters, spool: &Spool) -> Result<Success, Fault> {
    let facts =
        claim.notice.as_deref().ok_or_else(|| Fault::permanent("the personal data of this request are gone"))?;
    let name = claim.detail.template.as_deref().unwrap_or_default();
    let template = letters.get(name).ok_or_else(|| {
        Fault::permanent(format!("the letter template {name} is not loaded: no procedure names it any more"))
    })?;
    let signers = titles(&claim.detail.signed_by, &facts.texts);
    let zone = facts.texts.get(crate::model::verdict::TIME_ZONE).and_then(|name| TimeZone::get(name).ok());
    let values = Values::of(&LetterFacts {
        record: &facts.record,
        account: claim.account.as_ref(),
        last_day: claim.account.as_ref().and_then(|account| last_day(account, facts)),
        texts: &facts.texts,
        signers: &signers,
        // Of the first attempt, so that a repeat writes the same letter.
        today: claim.first_at.to_zoned(zone.unwrap_or(TimeZone::UTC)).date(),
        language: claim.detail.language.as_deref().unwrap_or("id"),
    });
    let letter = template.fill(&values).map_err(Fault::permanent)?;
    let (evidence, sha256) = spool
        .keep_letter(DRAFT, &letter, claim.first_at)
        .map_err(|error| Fault::transient(format!("the draft of the letter could not be kept: {error}")))?;
    crate::crash::point("draft-kept");
    Ok(Success { note: Some(evidence.clone()), kept: Some(Kept { evidence, sha256 }), ..Success::default() })
}
