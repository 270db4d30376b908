//! A batch, from looking at what is there to what became of each work.

use super::batch::{self, Outcome};
use super::fault;
use super::layout::Layout;
use super::operation::Operation;
use super::plan::{self, Plan};
use super::world::World;
use super::{Directory, Open, claims_names};
use crate::model::{Fault, FaultClass};
use crate::target::Work;
use std::collections::{HashMap, HashSet};

/// What decides what a work needs: `plan::decide`, or `plan::undo`.
pub(super) type Decide = fn(&Work, &World, &Layout) -> Result<Plan, Fault>;

/// The immutable id of the entry, where it is known.
type Done = Result<Option<String>, Fault>;

impl Directory {
    /// Writes a batch; one answer per work, in order.
    pub(super) async fn write(&self, batch: &[Work], decide: Decide) -> Vec<Done> {
        let mut answers: Vec<Option<Done>> = vec![None; batch.len()];
        for round in rounds(batch) {
            let works: Vec<&Work> = round.iter().filter_map(|at| batch.get(*at)).collect();
            let done = match self.open().await {
                Ok(open) => {
                    let done = self.write_round(&open, &works, decide).await;
                    match done.iter().any(may_be_dead) {
                        false => self.keep(open),
                        true => self.give_up(open),
                    }
                    done
                }
                Err(fault) => vec![Err(fault); works.len()],
            };
            for (at, answer) in round.into_iter().zip(done) {
                if let Some(place) = answers.get_mut(at) {
                    *place = Some(answer);
                }
            }
        }
        let missing = || Err(Fault::unknown("the directory gave no answer for this account; this is a fault of akund"));
        answers.into_iter().map(|answer| answer.unwrap_or_else(missing)).collect()
    }

    /// Works of different accounts.
    async fn write_round(&self, open: &Open, works: &[&Work], decide: Decide) -> Vec<Done> {
        let mut world = match self.look(&open.session, works).await {
            Ok(world) => world,
            Err(fault) => return vec![Err(fault); works.len()],
        };
        self.look_at_passwords(works, &mut world).await;
        let mut decided: Vec<Result<Plan, Fault>> =
            works.iter().map(|work| decide(work, &world, &self.layout)).collect();
        let waiting = hold_back_rivals(works, &mut decided);
        let mut done = self.carry_out(open, works, decided, decide).await;
        for (later, earlier) in waiting {
            if let (Some(work), Some(rival), Some(Ok(_))) = (works.get(later), works.get(earlier), done.get(earlier)) {
                let shared = plan::names(&rival.account);
                let name = plan::names(&work.account).into_iter().find(|name| shared.contains(name));
                done[later] = Err(plan::taken(&work.account, &name.unwrap_or_default()));
            }
        }
        done
    }

    async fn carry_out(
        &self,
        open: &Open,
        works: &[&Work],
        decided: Vec<Result<Plan, Fault>>,
        decide: Decide,
    ) -> Vec<Done> {
        let (decided, left) = self.leave_groups(open, works, decided).await;
        let to_do: Vec<(usize, &[Operation])> = decided
            .iter()
            .enumerate()
            .filter_map(|(at, plan)| Some((at, plan.as_ref().ok()?.operations.as_slice())))
            .filter(|(_, operations)| !operations.is_empty())
            .collect();
        let lists: Vec<&[Operation]> = to_do.iter().map(|(_, operations)| *operations).collect();
        let together = open.batches.together(&self.doubted).filter(|_| open.familiar.has_all(&lists));
        let outcomes = batch::carry_out(&open.session, &lists, together).await;
        let done = lists.iter().zip(&outcomes).filter(|(_, outcome)| matches!(outcome, Outcome::Done));
        done.for_each(|(operations, _)| open.familiar.note(operations));
        let mut results: Vec<Result<Plan, Fault>> = decided.clone();
        let mut again = Vec::new();
        for ((at, operations), outcome) in to_do.iter().zip(outcomes) {
            let fault = match outcome {
                Outcome::Done => continue,
                Outcome::Refused(n, answer) => {
                    if matches!(answer.rc, fault::EXISTS | fault::CONSTRAINT) {
                        again.push(*at);
                    }
                    operations.get(n).map(|operation| fault::refused(operation, &answer))
                }
                Outcome::Lost(n, lost) => operations.get(n).map(|operation| fault::unanswered(operation, &lost)),
            };
            results[*at] = Err(fault.unwrap_or_else(|| Fault::unknown("an operation got no answer")));
        }
        if !again.is_empty() {
            self.look_again(open, works, &again, &mut results, decide).await;
        }
        self.join_groups(open, works, &mut results).await;
        self.rejoin_groups(open, left, &mut results).await;
        self.with_ids(open, works, results).await
    }

    /// For works that met "already exists" or a constraint: whose is it? An entry that is akund's own is made as wanted.
    async fn look_again(
        &self,
        open: &Open,
        works: &[&Work],
        which: &[usize],
        results: &mut [Result<Plan, Fault>],
        decide: Decide,
    ) {
        let again: Vec<&Work> = which.iter().filter_map(|at| works.get(*at).copied()).collect();
        let Ok(mut world) = self.look(&open.session, &again).await else { return };
        for at in which {
            let (Some(work), Some(result)) = (works.get(*at), results.get_mut(*at)) else { continue };
            if let Ok(rdn) = self.layout.rdn(&work.account) {
                let dn = self.layout.base.child(&rdn);
                if let Ok(Some(entry)) = open.session.clone().entry(dn.as_str(), &self.layout.asked()).await {
                    world.put(entry, &self.layout);
                }
                let foreign = world.at(&dn).is_some_and(|e| e.uid(&self.layout.marker) != Some(work.account.uid));
                if foreign {
                    *result = Err(plan::taken(&work.account, &rdn.value.to_lowercase()));
                    continue;
                }
            }
            match decide(work, &world, &self.layout) {
                // Still to be added: what forbids it is not to be seen, and the server's words stand.
                Ok(plan) if plan.was.is_none() => {}
                Ok(plan) => {
                    let outcome = batch::carry_out(&open.session, &[&plan.operations], None).await.pop();
                    *result = match outcome {
                        None | Some(Outcome::Done) => Ok(plan),
                        Some(Outcome::Refused(n, answer)) => Err(plan.operations.get(n).map_or_else(
                            || Fault::unknown("an operation got no answer"),
                            |operation| fault::refused(operation, &answer),
                        )),
                        Some(Outcome::Lost(n, lost)) => Err(plan.operations.get(n).map_or_else(
                            || Fault::unknown("an operation got no answer"),
                            |operation| fault::unanswered(operation, &lost),
                        )),
                    };
                }
                Err(fault) => *result = Err(fault),
            }
        }
    }

    /// The ids of new entries are asked for; an answer that does not come leaves them to the next look.
    async fn with_ids(&self, open: &Open, works: &[&Work], results: Vec<Result<Plan, Fault>>) -> Vec<Done> {
        let is_new = |plan: &Plan| plan.id.is_none() && plan.dn.is_some();
        let new: Vec<&Work> = works
            .iter()
            .zip(&results)
            .filter(|(_, result)| result.as_ref().is_ok_and(is_new))
            .map(|(work, _)| *work)
            .collect();
        let world = if new.is_empty() { None } else { self.look_for_marks(&open.session, &new).await.ok() };
        let id = |work: &Work| world.as_ref()?.own(work, &self.layout).ok()??.id(self.layout.server);
        works
            .iter()
            .zip(results)
            .map(|(work, result)| result.map(|plan| if is_new(&plan) { id(work) } else { plan.id }))
            .collect()
    }
}

/// Whether an answer leaves it open what its connection is good for.
fn may_be_dead(answer: &Done) -> bool {
    matches!(answer, Err(Fault { class: FaultClass::Transient | FaultClass::Unknown, .. }))
}

/// Places of works, so that no account stands twice in one round: what is asked of it is done in order.
fn rounds(batch: &[Work]) -> Vec<Vec<usize>> {
    let mut counts: HashMap<crate::model::AccountUid, usize> = HashMap::new();
    let mut rounds: Vec<Vec<usize>> = Vec::new();
    for (at, work) in batch.iter().enumerate() {
        let round = counts.entry(work.account.uid).or_default();
        match rounds.get_mut(*round) {
            Some(places) => places.push(at),
            None => rounds.push(vec![at]),
        }
        *round += 1;
    }
    rounds
}

/// Of two works that want the same name the first goes ahead. The other is held back (a fault that may pass), and stands here with
/// the place of the first: if that succeeds, the name is taken.
fn hold_back_rivals(works: &[&Work], decided: &mut [Result<Plan, Fault>]) -> Vec<(usize, usize)> {
    let mut claimed: HashMap<String, usize> = HashMap::new();
    let mut waiting = Vec::new();
    for (at, (work, plan)) in works.iter().zip(decided.iter_mut()).enumerate() {
        if !claims_names(work) || plan.as_ref().map_or(true, |plan| plan.dn.is_none()) {
            continue;
        }
        let names: HashSet<String> = plan::names(&work.account).into_iter().collect();
        match names.iter().find_map(|name| claimed.get(name)) {
            Some(earlier) => {
                waiting.push((at, *earlier));
                *plan = Err(Fault::transient(format!(
                    "account {}: another account of the same batch is just being given one of its names",
                    work.account.uid
                )));
            }
            None => claimed.extend(names.into_iter().map(|name| (name, at))),
        }
    }
    waiting
}
