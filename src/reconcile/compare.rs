//! What of a target is not as the register has it. Pure.

use crate::journal::reconcile::Placed;
use crate::model::{AccountUid, Action, Fault, FaultClass};
use crate::target::{Found, Held, HeldState};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

/// How something differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// The register has it there, and nothing is.
    Missing,
    /// Its name is there, and bears no mark or another account's.
    Foreign,
    /// It is there with the mark, but not what akund made: its immutable id is another.
    Replaced,
    /// Two bear its mark.
    Twice,
    /// Suspended in the register, open there.
    Open,
    /// Open in the register, suspended there.
    Closed,
    /// It is there, and has other names, another end, quota, group …
    Differs,
    /// As it should be; but somebody has put a way in beside it.
    WayIn,
    /// Removed in the register, still there.
    Remains,
    /// It bears akund's mark, and the register does not have it there.
    Unknown,
}

impl Kind {
    /// What a person may do about it, where the account's procedure takes these actions. Of what is not listed here `--fix` takes care.
    pub fn advice(self, takes: impl Fn(Action) -> bool) -> &'static str {
        match self {
            Self::Missing if takes(Action::Reset) => {
                "not made anew by itself: its password is lost; put it back from the target's own backup, or hand in a reset, which makes \
                 it anew there (a user of Google Workspace is undeleted there)"
            }
            Self::Missing => {
                "not made anew by itself, and its procedure takes no reset: put it back there by hand, with akund's mark, from the \
                 target's own backup; or give the procedure `reset` among its actions"
            }
            Self::Foreign => "never touched: give akund's mark back to its entry, or rename the other one",
            Self::Replaced => "never touched: somebody made it anew; find out who, then remove one of them there",
            Self::Twice => "never touched: one of them is a copy that must lose the mark",
            Self::Open => "--fix suspends it again",
            Self::Closed if takes(Action::Suspend) => {
                "left alone: somebody may have had a reason; hand in a suspend, or open it there"
            }
            Self::Closed => "left alone: somebody may have had a reason; ask, and open it there",
            Self::Differs => "--fix writes it as the register has it",
            Self::WayIn if takes(Action::Reset) => {
                "never deleted by itself: delete the row that akund did not write, or hand in a reset, which leaves the new password alone"
            }
            Self::WayIn => "never deleted by itself: delete the row that akund did not write",
            Self::Remains => "never deleted: remove it there by hand",
            Self::Unknown => "never deleted: it is from before this journal, or from another akund",
        }
    }

    /// What an order may have done about it.
    pub fn fix(self) -> Option<Action> {
        match self {
            Self::Open => Some(Action::Suspend),
            Self::Differs => Some(Action::Change),
            _ => None,
        }
    }

    /// The word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Foreign => "foreign",
            Self::Replaced => "replaced",
            Self::Twice => "twice",
            Self::Open => "open",
            Self::Closed => "closed",
            Self::Differs => "differs",
            Self::WayIn => "way-in",
            Self::Remains => "remains",
            Self::Unknown => "unknown",
        }
    }
}

impl Difference {
    /// The procedure of the request that made it; empty where there is none.
    pub fn procedure(&self) -> &str {
        self.request.split(':').next().unwrap_or_default()
    }
}

/// One account that is not as the register has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Difference {
    /// Where.
    pub target: String,
    /// How.
    pub kind: Kind,
    /// Its address or user name.
    pub account: String,
    /// akund's uid of it.
    pub uid: String,
    /// The request that made it, `PROCEDURE:ID@REVISION`; empty where there is none.
    pub request: String,
    /// In words.
    pub said: String,
}

/// What a list shows.
#[derive(Debug, Default)]
pub struct Compared<'r> {
    /// Not as the register has it.
    pub differences: Vec<Difference>,
    /// Nothing bears their mark: their names must be looked for.
    pub absent: Vec<&'r Placed>,
    /// There, and theirs: what else is written there must be read back.
    pub there: Vec<&'r Placed>,
    /// Marked, and not in this list of the register's.
    pub strangers: Vec<&'r Held>,
    /// Without a mark.
    pub foreign: usize,
}

/// Compares all that stands at a target with what the register has there.
pub fn compare<'r>(target: &str, register: &'r [Placed], held: &'r [Held], now: Timestamp) -> Compared<'r> {
    let mut compared = Compared::default();
    let mut by_uid: HashMap<AccountUid, Vec<&Held>> = HashMap::with_capacity(held.len());
    for one in held {
        match one.uid {
            Some(uid) => by_uid.entry(uid).or_default().push(one),
            None => compared.foreign += 1,
        }
    }
    for placed in register {
        let there = by_uid.remove(&placed.account.uid).unwrap_or_default();
        let mut differs = |kind, said: String| compared.differences.push(difference(target, placed, kind, said));
        match (placed.state.is_removed(), there.as_slice()) {
            (true, []) => {}
            (true, [one, ..]) => differs(Kind::Remains, format!("removed in the register, and {} is there", one.name)),
            (false, []) => compared.absent.push(placed),
            (false, [one]) => match of_one(placed, one, now) {
                Some((kind, said)) => differs(kind, said),
                None => compared.there.push(placed),
            },
            (false, [one, other, ..]) => {
                differs(Kind::Twice, format!("{} and {} both bear its mark", one.name, other.name));
            }
        }
    }
    compared.strangers = by_uid.into_values().flatten().collect();
    compared.strangers.sort_by(|a, b| a.name.cmp(&b.name));
    compared
}

fn of_one(placed: &Placed, held: &Held, now: Timestamp) -> Option<(Kind, String)> {
    if let (Some(was), Some(is)) = (&placed.external_id, &held.external_id)
        && was != is
    {
        return Some((Kind::Replaced, format!("it was {was} when akund made it, and what has its mark is {is}")));
    }
    if held.state != HeldState::Gone && !placed.names().any(|name| name == held.name.to_lowercase()) {
        return Some((Kind::Differs, format!("it is called {} there", held.name)));
    }
    let ended = placed.account.ends_at.is_some_and(|end| end <= now);
    match (placed.state.is_suspended(), held.state) {
        (_, HeldState::Gone) => {
            Some((Kind::Missing, "akund's note of it is there, and nothing that it was made of".into()))
        }
        (true, HeldState::Open) => {
            Some((Kind::Open, "suspended in the register, and logging in is not stopped there".into()))
        }
        (false, HeldState::Closed) if !ended => {
            Some((Kind::Closed, "active in the register, and logging in is stopped there".into()))
        }
        (true, HeldState::Closed) | (false, HeldState::Open | HeldState::Closed) => {
            held.way_in.clone().map(|said| (Kind::WayIn, said))
        }
    }
}

/// What became of an account that nothing bears the mark of, by what has its names.
pub fn of_absent(target: &str, placed: &Placed, found: &HashMap<&str, &Found>) -> Difference {
    let holder = placed.names().find_map(|name| found.get(name.as_str()).map(|found| (name, found.uid)));
    match holder {
        None => difference(target, placed, Kind::Missing, "nothing there bears its mark or has a name of it".into()),
        Some((name, None)) => {
            difference(target, placed, Kind::Foreign, format!("{name} is there without akund's mark"))
        }
        Some((name, Some(other))) => {
            difference(target, placed, Kind::Foreign, format!("{name} is there with the mark of account {other}"))
        }
    }
}

/// What reading one account back says of it.
///
/// # Errors
/// A fault that is not about this account: the target could not be asked.
pub fn of_read_back(target: &str, placed: &Placed, fault: &Fault) -> Result<Difference, String> {
    if !fault.message.contains(&placed.account.uid.to_string()) {
        return Err(fault.message.clone());
    }
    // That the difference is about this account is said already.
    let said = fault.message.replacen(&format!("account {}: ", placed.account.uid), "", 1);
    let kind = if fault.class == FaultClass::Conflict { Kind::Foreign } else { Kind::Differs };
    Ok(difference(target, placed, kind, said))
}

/// An account that is marked as akund's, which the register does not have there.
pub fn of_stranger(target: &str, held: &Held, state: Option<&str>) -> Difference {
    let (kind, said) = match state {
        None => (Kind::Unknown, "it bears akund's mark, and no account of the register is its".to_owned()),
        Some(state @ ("removed" | "void")) => (Kind::Remains, format!("{state} in the register, and it is there")),
        Some(state) => (Kind::Unknown, format!("it bears the mark of an account that is {state}, and not placed here")),
    };
    Difference {
        target: target.to_owned(),
        kind,
        account: held.name.clone(),
        uid: held.uid.map(|uid| uid.to_string()).unwrap_or_default(),
        request: String::new(),
        said,
    }
}

fn difference(target: &str, placed: &Placed, kind: Kind, said: String) -> Difference {
    Difference {
        target: target.to_owned(),
        kind,
        account: placed.called().to_owned(),
        uid: placed.account.uid.to_string(),
        request: placed.request.clone(),
        said,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::reconcile::Stands;
    use crate::model::Account;
    use uuid::Uuid;

    fn placed(n: u128, state: Stands) -> Placed {
        let account = Account {
            address: Some(format!("a{n}@x.id").parse().unwrap()),
            category: "staff".into(),
            ..Account::bare(AccountUid(Uuid::from_u128(n)), format!("a{n}").parse().unwrap())
        };
        Placed {
            account,
            state,
            external_id: Some(format!("id{n}")),
            request: format!("p:{n}@1"),
            written_at: 1,
            adopted: false,
        }
    }

    fn held(n: u128, change: impl FnOnce(&mut Held)) -> Held {
        let mut held = Held {
            name: format!("A{n}@X.id"),
            uid: Some(AccountUid(Uuid::from_u128(n))),
            external_id: Some(format!("id{n}")),
            state: HeldState::Open,
            way_in: None,
        };
        change(&mut held);
        held
    }

    #[test]
    fn each_way_of_differing_is_told_from_the_others() {
        let now = Timestamp::now();
        let ended = {
            let mut one = placed(9, Stands::Active);
            one.account.ends_at = Some(now);
            one
        };
        let register = vec![
            placed(1, Stands::Active),
            placed(2, Stands::Suspended),
            placed(3, Stands::Active),
            placed(4, Stands::Removed),
            placed(5, Stands::Active),
            placed(6, Stands::Active),
            placed(7, Stands::Active),
            placed(8, Stands::Removed),
            ended,
            placed(10, Stands::Suspended),
            placed(11, Stands::Active),
            placed(12, Stands::Active),
            placed(13, Stands::Suspended),
            placed(14, Stands::Removed),
            placed(15, Stands::Active),
        ];
        let there = vec![
            held(1, |_| ()),
            held(2, |_| ()),
            held(3, |h| h.state = HeldState::Closed),
            held(4, |_| ()),
            held(6, |h| h.external_id = Some("other".into())),
            held(7, |_| ()),
            held(7, |h| h.name = "copy@x.id".into()),
            held(9, |h| h.state = HeldState::Closed),
            held(10, |h| h.state = HeldState::Closed),
            held(11, |h| h.name = "renamed@x.id".into()),
            held(12, |h| h.state = HeldState::Gone),
            held(13, |h| h.state = HeldState::Gone),
            held(14, |h| h.state = HeldState::Gone),
            held(15, |h| h.way_in = Some("two rows".into())),
            held(99, |_| ()),
            held(0, |h| h.uid = None),
        ];
        let compared = compare("mail", &register, &there, now);
        let kinds: Vec<(&str, Kind)> = compared.differences.iter().map(|d| (d.account.as_str(), d.kind)).collect();
        assert_eq!(
            kinds,
            [
                ("a2@x.id", Kind::Open),
                ("a3@x.id", Kind::Closed),
                ("a4@x.id", Kind::Remains),
                ("a6@x.id", Kind::Replaced),
                ("a7@x.id", Kind::Twice),
                ("a11@x.id", Kind::Differs),
                ("a12@x.id", Kind::Missing),
                ("a13@x.id", Kind::Missing),
                ("a14@x.id", Kind::Remains),
                ("a15@x.id", Kind::WayIn),
            ]
        );
        assert_eq!(compared.absent, [&register[4]]);
        assert_eq!(compared.there, [&register[0], &register[8], &register[9]]);
        assert_eq!(compared.strangers, [&there[14]]);
        assert_eq!(compared.foreign, 1);
    }

    #[test]
    fn who_has_the_names_of_an_absent_account_decides_what_it_is_called() {
        let placed = placed(1, Stands::Active);
        let kind =
            |found: &[Found]| of_absent("mail", &placed, &found.iter().map(|f| (f.name.as_str(), f)).collect()).kind;
        let found = |uid: Option<u128>| Found { name: "a1".into(), uid: uid.map(|n| AccountUid(Uuid::from_u128(n))) };
        assert_eq!(kind(&[]), Kind::Missing);
        assert_eq!(kind(&[found(None)]), Kind::Foreign);
        assert_eq!(kind(&[found(Some(7))]), Kind::Foreign);
    }

    #[test]
    fn what_is_not_about_the_account_is_no_difference() {
        let placed = placed(1, Stands::Active);
        let fault = Fault::transient("the directory cannot be reached");
        assert_eq!(of_read_back("ldap", &placed, &fault), Err("the directory cannot be reached".into()));
        let fault = Fault::permanent(format!("account {}: the quota is another", placed.account.uid));
        let told = of_read_back("ldap", &placed, &fault).unwrap();
        assert_eq!((told.kind, told.said.as_str()), (Kind::Differs, "the quota is another"));
        let fault = Fault::conflict(format!("account {}: it lost its mark", placed.account.uid));
        assert_eq!(of_read_back("ldap", &placed, &fault).unwrap().kind, Kind::Foreign);
    }

    #[test]
    fn nobody_is_sent_for_what_the_procedure_refuses() {
        for kind in [Kind::Missing, Kind::Closed, Kind::WayIn] {
            assert!(kind.advice(|_| true).contains("hand in a"), "{kind:?}");
            assert!(!kind.advice(|_| false).contains("hand in a"), "{kind:?}");
        }
    }

    #[test]
    fn only_what_takes_nothing_away_for_good_is_ever_put_right_by_itself() {
        let fixed: Vec<Kind> = [
            Kind::Missing,
            Kind::Foreign,
            Kind::Replaced,
            Kind::Twice,
            Kind::Open,
            Kind::Closed,
            Kind::Differs,
            Kind::WayIn,
            Kind::Remains,
            Kind::Unknown,
        ]
        .into_iter()
        .filter(|kind| kind.fix().is_some())
        .collect();
        assert_eq!(fixed, [Kind::Open, Kind::Differs]);
        for kind in fixed {
            assert!(
                matches!(kind.fix(), Some(Action::Suspend | Action::Change))
                    && kind.advice(|_| false).contains("--fix")
            );
        }
    }
}
