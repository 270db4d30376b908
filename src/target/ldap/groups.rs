//! Membership in groups. An account leaves its groups before its entry goes or gets another name, and joins them when its entry is
//! there under its name.

use super::connection::Lost;
use super::layout::Group;
use super::name::Dn;
use super::operation::{Change, Operation, Value};
use super::plan::Plan;
use super::{Directory, Open, WINDOW, batch, fault};
use crate::model::{Action, Fault, FaultClass};
use crate::target::Work;
use crate::target::work::action_where;
use futures_util::stream::{self, StreamExt};

/// A membership that must come or go.
pub(super) struct Membership<'a> {
    work: usize,
    group: &'a Group,
    value: Value,
    wanted: bool,
}

impl Directory {
    /// For accounts whose entries are about to go or to get another name: while they are there, their names are known for theirs. After
    /// a death between the two, nobody would know whose the old name in a group was. Answers what was left.
    pub(super) async fn leave_groups<'a>(
        &'a self,
        open: &Open,
        works: &[&Work],
        mut decided: Vec<Result<Plan, Fault>>,
    ) -> (Vec<Result<Plan, Fault>>, Vec<Membership<'a>>) {
        let mut leaving = Vec::new();
        for (at, (work, plan)) in works.iter().zip(&decided).enumerate() {
            let Ok(Plan { was: Some(was), dn, was_called, .. }) = plan else { continue };
            let renamed = dn.as_ref().is_none_or(|dn| dn.key() != was.key());
            let called = match dn {
                // Of an adopted account only its entry says what it is called.
                None if work.adopted.is_some() => was_called.as_deref(),
                None => Some(work.account.username.as_str()),
                Some(_) => was_called.as_deref(),
            };
            let old = self.memberships(at, work, was, called.unwrap_or_default(), false);
            leaving.extend(old.filter(|m| if holds_names(m.group) { renamed } else { called.is_some() }));
        }
        let left = self.bring_about(open, leaving, &mut decided).await;
        (decided, left)
    }

    /// For accounts whose entries were made or changed.
    pub(super) async fn join_groups(&self, open: &Open, works: &[&Work], results: &mut [Result<Plan, Fault>]) {
        let mut joining = Vec::new();
        for (at, (work, plan)) in works.iter().zip(results.iter()).enumerate() {
            let Ok(Plan { dn: Some(dn), was, .. }) = plan else { continue };
            if matches!(action_where(work, was.is_some()), Action::Create | Action::Change) {
                joining.extend(self.memberships(at, work, dn, work.account.username.as_str(), true));
            }
        }
        self.bring_about(open, joining, results).await;
    }

    /// For accounts that have kept their names after all.
    pub(super) async fn rejoin_groups(
        &self,
        open: &Open,
        left: Vec<Membership<'_>>,
        results: &mut [Result<Plan, Fault>],
    ) {
        let kept = |m: &Membership<'_>| {
            results.get(m.work).is_some_and(|result| result.as_ref().is_err_and(|f| f.class != FaultClass::Unknown))
        };
        let back: Vec<_> = left.into_iter().filter(kept).map(|m| Membership { wanted: true, ..m }).collect();
        self.bring_about(open, back, results).await;
    }

    fn memberships<'a>(
        &'a self,
        at: usize,
        work: &Work,
        dn: &Dn,
        name: &str,
        stays: bool,
    ) -> impl Iterator<Item = Membership<'a>> + use<'a> {
        let (by_dn, by_name) = (Value::text(dn.as_str()), Value::text(name));
        let of = work.account.group.clone();
        let concerned = self.layout.groups.iter().filter(|group| super::adopt::concerns(work, group.only.as_ref()));
        concerned.collect::<Vec<_>>().into_iter().map(move |group| {
            let value = if holds_names(group) { by_dn.clone() } else { by_name.clone() };
            let chosen = group.only.is_none() || group.only == of;
            Membership { work: at, group, value, wanted: stays && chosen }
        })
    }

    /// Answers what was not so before.
    async fn bring_about<'a>(
        &self,
        open: &Open,
        memberships: Vec<Membership<'a>>,
        results: &mut [Result<Plan, Fault>],
    ) -> Vec<Membership<'a>> {
        if memberships.is_empty() {
            return Vec::new();
        }
        let mut questions = Vec::with_capacity(memberships.len());
        for m in memberships {
            let mut session = open.session.clone();
            questions.push(async move {
                let there = session.has(&m.group.dn, m.group.attribute.as_str(), m.value.bytes()).await;
                (m, there)
            });
        }
        let asked: Vec<(Membership<'_>, Result<bool, Lost>)> = stream::iter(questions).buffered(WINDOW).collect().await;
        let mut missing: Vec<(Membership<'_>, Operation)> = Vec::new();
        for (m, there) in asked {
            match there {
                Ok(there) if there == m.wanted => {}
                Ok(_) => {
                    let operation = operation(&m);
                    missing.push((m, operation));
                }
                Err(lost) => {
                    fail(results, m.work, Fault::transient(format!("looking at the group {}: {lost}", m.group.dn)))
                }
            }
        }
        let lists: Vec<&[Operation]> = missing.iter().map(|(_, operation)| std::slice::from_ref(operation)).collect();
        let outcomes = batch::carry_out(&open.session, &lists, open.batches.together(&self.doubted)).await;
        for ((m, operation), outcome) in missing.iter().zip(outcomes) {
            match outcome {
                batch::Outcome::Done => {}
                // It came or went by itself meanwhile, as with a referential integrity overlay.
                batch::Outcome::Refused(_, answer) if answer.rc == if m.wanted { 20 } else { 16 } => {}
                batch::Outcome::Refused(_, answer) => {
                    let told = fault::refused(operation, &answer);
                    fail(results, m.work, Fault { message: format!("group {}: {}", m.group.dn, told.message), ..told });
                }
                batch::Outcome::Lost(_, lost) => fail(results, m.work, fault::unanswered(operation, &lost)),
            }
        }
        missing.into_iter().map(|(m, _)| m).collect()
    }
}

fn operation(m: &Membership<'_>) -> Operation {
    let values = vec![m.value.clone()];
    let attribute = m.group.attribute.clone();
    let change = if m.wanted { Change::Add(attribute, values) } else { Change::Delete(attribute, values) };
    Operation::Modify { dn: m.group.dn.clone(), changes: vec![change] }
}

fn fail(results: &mut [Result<Plan, Fault>], at: usize, fault: Fault) {
    if let Some(result) = results.get_mut(at) {
        *result = Err(fault);
    }
}

/// `memberUid` (RFC 2307) holds user names; other attributes hold the names of entries.
fn holds_names(group: &Group) -> bool {
    group.attribute.key() != "memberuid"
}
