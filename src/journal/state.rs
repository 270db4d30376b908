//! The life of a request: one transition function, one exhaustive match, illegal moves are errors. Pure.
//!
//! ```text
//! judged ─► refused | redirected | conflicted            (ended; the applicant is told)
//!    │
//!    ├─► held ───────► working            akund release (review only)
//!    │                 withdrawn          akund withdraw, or a higher revision takes its place
//!    └─► working ───► waiting ─► working  a signed letter, a date
//!            │  ▲
//!            │  └──── stuck               akund retry
//!            ├──────► stuck               the lane gave up
//!            ├──────► withdrawing ─► withdrawn   akund withdraw: what was made is being undone
//!            └──────► done
//! ```

use crate::model::{Action, Verdict};
use serde::{Deserialize, Serialize};

/// Where a request stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// The verdict was no. A higher revision may take its place.
    Refused,
    /// The applicant activates it in the application. Nobody moves it.
    Redirected,
    /// A name is taken. A higher revision may take its place.
    Conflicted,
    /// Something is missing or a person must look: an operator, or a higher revision, moves it.
    Held,
    /// Lanes move it.
    Working,
    /// For something outside (a letter, a date): `akund release`, or time, moves it.
    Waiting,
    /// A lane gave up: `akund retry` or `akund withdraw` moves it.
    Stuck,
    /// Finished. Nobody moves it; the account ends by a request with action = "remove".
    Done,
    /// What it made is being undone; lanes move it.
    Withdrawing,
    /// Undone, or never begun. Nobody moves it.
    Withdrawn,
}

/// What can happen to a request after it was judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Move {
    /// `akund release`, for a hold that may be released.
    Release,
    /// The plan's next step waits for something outside.
    Wait,
    /// What it waited for has come.
    Resume,
    /// A lane gave up on a step.
    GiveUp,
    /// `akund retry`.
    Retry,
    /// The last step of the plan is done.
    Finish,
    /// `akund withdraw`.
    Withdraw,
    /// The last undo step is done, or there was nothing to undo.
    Undone,
    /// A higher revision takes its place.
    Supersede,
}

/// A move that the state does not allow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a request that is {} cannot {}", state.as_str(), moved.as_str())]
pub struct IllegalMove {
    /// Where it stands.
    pub state: State,
    /// What was asked.
    pub moved: Move,
}

/// Where a verdict puts a request.
pub fn judged(verdict: &Verdict) -> State {
    match verdict {
        Verdict::Permit { .. } => State::Working,
        Verdict::Redirect { .. } => State::Redirected,
        Verdict::Refuse { .. } => State::Refused,
        Verdict::Conflict { .. } => State::Conflicted,
        Verdict::Hold { .. } => State::Held,
    }
}

/// Where a move takes a request.
///
/// # Errors
/// [`IllegalMove`] where the design knows no such arrow.
pub fn transition(state: State, moved: Move) -> Result<State, IllegalMove> {
    use State as S;
    match (state, moved) {
        (S::Held, Move::Release) | (S::Waiting, Move::Release | Move::Resume) => Ok(S::Working),
        (S::Working, Move::Wait) => Ok(S::Waiting),
        (S::Working | S::Withdrawing, Move::GiveUp) => Ok(S::Stuck),
        (S::Stuck, Move::Retry) => Ok(S::Working),
        (S::Working, Move::Finish) => Ok(S::Done),
        (S::Held | S::Working | S::Waiting | S::Stuck, Move::Withdraw) => Ok(S::Withdrawing),
        (S::Withdrawing, Move::Undone) => Ok(S::Withdrawn),
        // The newer revision stands for it now: an ended one keeps its end.
        (S::Refused | S::Conflicted, Move::Supersede) => Ok(state),
        (S::Held, Move::Supersede) => Ok(S::Withdrawn),
        (
            S::Refused
            | S::Redirected
            | S::Conflicted
            | S::Held
            | S::Working
            | S::Waiting
            | S::Stuck
            | S::Done
            | S::Withdrawing
            | S::Withdrawn,
            Move::Release
            | Move::Wait
            | Move::Resume
            | Move::GiveUp
            | Move::Retry
            | Move::Finish
            | Move::Withdraw
            | Move::Undone
            | Move::Supersede,
        ) => Err(IllegalMove { state, moved }),
    }
}

/// Why a request cannot be withdrawn where it stands, in the operator's words; none where it can.
///
/// `stays`: it has reached a target, and is no create. That cannot be undone, for how it was before is not known. It is therefore not
/// withdrawn while it still moves; once it is stuck it may be, or it would keep every later request for the account waiting.
pub fn why_not_withdrawn(state: State, action: Action, stays: bool) -> Option<String> {
    let (state_word, action_word) = (state.as_str(), action.as_str());
    match state {
        State::Held | State::Working | State::Waiting | State::Done if stays => Some(format!(
            "the request is {state_word}, and a {action_word} that has reached a target cannot be taken back; hand in a new request \
             that says how the account shall be"
        )),
        State::Held | State::Working | State::Waiting | State::Stuck => None,
        State::Withdrawing => Some(format!("the request is {state_word} already: what it made is being taken back")),
        State::Done if action == Action::Create => Some(format!(
            "the request is {state_word} and cannot be withdrawn any more; its account ends by a request with action = \"remove\""
        )),
        State::Refused | State::Redirected | State::Conflicted | State::Done | State::Withdrawn => {
            Some(format!("the request is {state_word}: there is nothing to take back"))
        }
    }
}

impl State {
    /// All of them, in the order of the diagram.
    pub const ALL: [Self; 10] = [
        Self::Refused,
        Self::Redirected,
        Self::Conflicted,
        Self::Held,
        Self::Working,
        Self::Waiting,
        Self::Stuck,
        Self::Done,
        Self::Withdrawing,
        Self::Withdrawn,
    ];

    /// The word in the journal, logs, metrics and outcomes.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Redirected => "redirected",
            Self::Conflicted => "conflicted",
            Self::Held => "held",
            Self::Working => "working",
            Self::Waiting => "waiting",
            Self::Stuck => "stuck",
            Self::Done => "done",
            Self::Withdrawing => "withdrawing",
            Self::Withdrawn => "withdrawn",
        }
    }

    /// The state that a word names.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|s| s.as_str() == word)
    }

    /// Whether nothing more will happen to it by itself or by an operator.
    pub fn ended(self) -> bool {
        matches!(self, Self::Refused | Self::Redirected | Self::Conflicted | Self::Done | Self::Withdrawn)
    }

    /// Whether an outcome document is due on entering it: it ended, or it waits for somebody.
    pub fn reported(self) -> bool {
        self.ended() || matches!(self, Self::Held | Self::Waiting | Self::Stuck)
    }

    /// Whether it keeps later requests for the same account waiting.
    pub fn occupies_account(self) -> bool {
        matches!(self, Self::Working | Self::Waiting | Self::Stuck | Self::Withdrawing)
    }
}

impl Move {
    fn as_str(self) -> &'static str {
        match self {
            Self::Release => "be released",
            Self::Wait => "wait",
            Self::Resume => "resume",
            Self::GiveUp => "get stuck",
            Self::Retry => "be retried",
            Self::Finish => "finish",
            Self::Withdraw => "be withdrawn",
            Self::Undone => "be undone",
            Self::Supersede => "be replaced by a higher revision",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOVES: [Move; 9] = [
        Move::Release,
        Move::Wait,
        Move::Resume,
        Move::GiveUp,
        Move::Retry,
        Move::Finish,
        Move::Withdraw,
        Move::Undone,
        Move::Supersede,
    ];

    #[test]
    fn exactly_the_designs_arrows_exist() {
        let mut arrows = Vec::new();
        for state in State::ALL {
            for moved in MOVES {
                if let Ok(next) = transition(state, moved) {
                    arrows.push((state.as_str(), next.as_str()));
                }
            }
        }
        arrows.sort_unstable();
        arrows.dedup();
        assert_eq!(
            arrows,
            [
                ("conflicted", "conflicted"),
                ("held", "withdrawing"),
                ("held", "withdrawn"),
                ("held", "working"),
                ("refused", "refused"),
                ("stuck", "withdrawing"),
                ("stuck", "working"),
                ("waiting", "withdrawing"),
                ("waiting", "working"),
                ("withdrawing", "stuck"),
                ("withdrawing", "withdrawn"),
                ("working", "done"),
                ("working", "stuck"),
                ("working", "waiting"),
                ("working", "withdrawing"),
            ]
        );
    }

    #[test]
    fn done_and_withdrawn_are_final() {
        for moved in MOVES {
            assert!(transition(State::Done, moved).is_err());
            assert!(transition(State::Withdrawn, moved).is_err());
        }
    }

    #[test]
    fn what_can_be_withdrawn_is_what_the_diagram_lets_and_what_cannot_says_where_it_stands() {
        for state in State::ALL {
            let told = why_not_withdrawn(state, Action::Create, false);
            assert_eq!(told.is_none(), transition(state, Move::Withdraw).is_ok(), "{state:?}: {told:?}");
            assert!(told.is_none_or(|told| told.contains(&format!("is {}", state.as_str()))), "{state:?}");
        }
    }

    #[test]
    fn what_has_reached_a_target_is_withdrawn_only_once_it_is_stuck() {
        for (state, said) in [
            (State::Held, "cannot be taken back"),
            (State::Working, "cannot be taken back"),
            (State::Waiting, "cannot be taken back"),
            (State::Done, "cannot be taken back"),
            (State::Withdrawing, "already"),
            (State::Withdrawn, "nothing to take back"),
            (State::Refused, "nothing to take back"),
        ] {
            let told = why_not_withdrawn(state, Action::Reset, true).unwrap();
            assert!(told.contains(said), "{state:?}: {told}");
        }
        assert_eq!(why_not_withdrawn(State::Stuck, Action::Reset, true), None);
        assert_eq!(why_not_withdrawn(State::Working, Action::Reset, false), None);
        let told = why_not_withdrawn(State::Done, Action::Create, false).unwrap();
        assert!(told.contains("action = \"remove\""), "{told}");
    }

    #[test]
    fn every_word_names_its_state() {
        for state in State::ALL {
            assert_eq!(State::from_word(state.as_str()), Some(state));
        }
        assert_eq!(State::from_word("Done"), None);
    }
}
