//! A target's lane: opens the sealed credentials and hands the batch to the target, verb by verb.

use super::look::{Looked, look};
use super::{Answers, Proven, Success, Worker, unanswered};
use crate::journal::Claim;
use crate::model::Answer;
use crate::model::{Fault, Verb};
use crate::secret::seal::SealingKey;
use crate::target::{Target, Work};
use jiff::Timestamp;
use std::sync::Arc;
use std::time::Instant;

/// Runs a target.
pub struct TargetWorker {
    target: Arc<dyn Target>,
    key: Arc<SealingKey>,
    batch: usize,
}

impl TargetWorker {
    /// `key` opens the credentials; `batch` is the most steps in a batch.
    pub fn new(target: Arc<dyn Target>, key: Arc<SealingKey>, batch: usize) -> Self {
        Self { target, key, batch }
    }
}

impl Worker for TargetWorker {
    fn lane(&self) -> &str {
        self.target.name()
    }
    fn slots(&self) -> usize {
        self.target.at_once()
    }
    fn batch(&self) -> usize {
        self.batch
    }
    fn never_blindly(&self) -> bool {
        false
    }
    fn hurries(&self) -> bool {
        true
    }
    fn keep_up<'a>(&'a self) -> Answer<'a, Result<Option<Timestamp>, Fault>> {
        self.target.keep_up()
    }
    fn answers<'a>(&'a self) -> Option<Answer<'a, Result<(), Fault>>> {
        Some(self.target.answers())
    }
    fn carry_out<'a>(&'a self, batch: &'a [Claim]) -> Answer<'a, Answers> {
        Box::pin(async move {
            let cannot = |claim: &Claim| Fault::permanent(format!("a target cannot {}", claim.verb.as_str()));
            let mut answers: Answers = batch.iter().map(|claim| Some(Err(cannot(claim)))).collect();
            let mut applied_now = Vec::new();
            for verb in [Verb::Undo, Verb::Adopt, Verb::Apply, Verb::Prove] {
                let mut places = Vec::new();
                let mut works = Vec::new();
                let mut restored = Vec::new();
                for (place, claim) in batch.iter().enumerate().filter(|(_, claim)| claim.verb == verb) {
                    match self.work(claim) {
                        Ok(work) if verb == Verb::Apply && claim.restored => restored.push((place, work)),
                        Ok(work) => {
                            places.push(place);
                            works.push(work);
                        }
                        Err(fault) => answers[place] = Some(Err(fault)),
                    }
                }
                for (place, work, looked) in self.look(restored).await {
                    match looked {
                        Looked::Settled(answer) => answers[place] = Some(answer),
                        Looked::Write => {
                            places.push(place);
                            works.push(work);
                        }
                    }
                }
                if works.is_empty() {
                    continue;
                }
                let mut answered = self.ask(verb, &works).await.into_iter().map(Some).collect::<Answers>();
                if verb != Verb::Prove || answered.is_empty() {
                    answered.resize_with(works.len(), || Some(Err(unanswered())));
                }
                // Proofs may be left for the next turn.
                answered.resize_with(works.len(), || None);
                for ((place, work), answer) in places.into_iter().zip(works).zip(answered) {
                    if let (Some(proof), Some(Ok(applied))) = (batch[place].proof, &answer) {
                        let external_id = applied.external_id.clone().or(work.external_id);
                        applied_now.push((place, Work { step: proof.step, external_id, uncertain: false, ..work }));
                    }
                    answers[place] = answer;
                }
            }
            self.prove_at_once(applied_now, &mut answers).await;
            answers
        })
    }
}

impl TargetWorker {
    fn work(&self, claim: &Claim) -> Result<Work, Fault> {
        let account = claim
            .account
            .clone()
            .ok_or_else(|| Fault::permanent("the account's data are gone from the journal; withdraw the request"))?;
        let credential = match &claim.sealed {
            Some(sealed) => Some(self.key.open_credential(&super::mint::purpose(claim.uid), sealed)?),
            None if claim.action.mints() && !matches!(claim.verb, Verb::Undo | Verb::Adopt) => {
                return Err(Fault::permanent("the password is gone from the journal; withdraw the request"));
            }
            None => None,
        };
        Ok(Work {
            step: claim.step,
            action: claim.action,
            account,
            external_id: claim.external_id.clone(),
            credential,
            uncertain: claim.uncertain,
            adopted: claim.adopted.clone().map(Box::new),
        })
    }

    /// Of what was applied in this turn, by its place in the batch. What the target does not come to is proven in a turn of its own.
    async fn prove_at_once(&self, applied: Vec<(usize, Work)>, answers: &mut Answers) {
        if applied.is_empty() {
            return;
        }
        crate::crash::point(&format!("{}-applied", self.target.name()));
        let (places, works): (Vec<usize>, Vec<Work>) = applied.into_iter().unzip();
        let begun = Instant::now();
        let shown = self.target.prove(&works).await;
        let took = begun.elapsed();
        for (place, answer) in places.into_iter().zip(shown) {
            if let Some(Ok(success)) = &mut answers[place] {
                success.proven = Some(Box::new(Proven { answer, took }));
            }
        }
    }

    async fn look(&self, restored: Vec<(usize, Work)>) -> Vec<(usize, Work, Looked)> {
        if restored.is_empty() {
            return Vec::new();
        }
        let (places, works): (Vec<usize>, Vec<Work>) = restored.into_iter().unzip();
        let looked = look(&*self.target, &works).await;
        places.into_iter().zip(works).zip(looked).map(|((place, work), looked)| (place, work, looked)).collect()
    }

    async fn ask(&self, verb: Verb, works: &[Work]) -> Vec<Result<Success, Fault>> {
        match verb {
            Verb::Apply | Verb::Adopt => {
                let answers = match verb {
                    Verb::Adopt => self.target.identify(works).await,
                    _ => self.target.apply(works).await,
                };
                let success = |applied: crate::target::Applied| Success {
                    external_id: applied.external_id,
                    ..Success::default()
                };
                answers.into_iter().map(|answer| answer.map(success)).collect()
            }
            Verb::Prove => {
                let answers = self.target.prove(works).await;
                answers
                    .into_iter()
                    .map(|a| a.map(|proof| Success { proof: Some(proof), ..Success::default() }))
                    .collect()
            }
            Verb::Undo => self.target.undo(works).await.into_iter().map(|a| a.map(|()| Success::default())).collect(),
            Verb::Mint | Verb::Deliver | Verb::Draft | Verb::Sign => Vec::new(),
        }
    }
}
