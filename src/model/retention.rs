//! How long what is kept where, and what may go. Pure.
//!
//! Indonesia's law on personal data protection (UU 27/2022) asks that their processing ends when the retention period is over or
//! the purpose is reached (article 42), that they are erased when no longer needed (43), and destroyed when the period is over
//! and the records schedule says so (44). Only the institution knows its schedule: without ages, nothing goes.
//!
//! **What is still on its way keeps what it is made of**, for a short and known time: handing it over is part of the purpose. An outcome
//! document that an outlet (a webhook, a queue's exchange) has not taken yet keeps its request's personal data until it is taken or
//! given up (`lane.give_up_hours`), and at most [`OUTLETS_MAY_TAKE`]: an outlet that is no longer configured keeps nobody's data
//! for ever. What was given up, or is kept back since the journal was put back, goes with the data at their age, and that is told: by
//! `akund check` before, and by log, metrics and audit record then.

use jiff::{SignedDuration, Timestamp};

/// How long a document that no outlet has taken keeps its request's personal data, from when it was made. Longer than akund tries.
pub const OUTLETS_MAY_TAKE: SignedDuration = SignedDuration::from_hours(30 * 24);

/// Ages, each counted from an end. None: kept for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Policy {
    /// Outcome documents, from the end of their request.
    pub outcomes: Option<SignedDuration>,
    /// What was handed in, and letters, from the end of the last request in it; what was rejected, from then.
    pub originals: Option<SignedDuration>,
    /// What the journal knows of the people of a request, from its end; the request that made an account keeps it while the account
    /// stands in the register, and any while a document of it is on its way to an outlet ([`OUTLETS_MAY_TAKE`]).
    pub personal: Option<SignedDuration>,
    /// What the register knows of an account, from its removal. Its names stay taken.
    pub register: Option<SignedDuration>,
}

/// What the register needs of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// Nothing: it made no account.
    Nothing,
    /// The account that it made is still there: whose it is, and why.
    Account,
    /// The account that it made was removed then.
    RemovedAt(Timestamp),
}

/// What is known of a request when it is asked what may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// None: it has not ended.
    pub ended_at: Option<Timestamp>,
    /// A notice of it is still on its way, or its outcome document due.
    pub busy: bool,
    /// When the newest of its documents was made that an outlet has not taken, and that is not given up.
    pub untaken: Option<Timestamp>,
    /// What the register needs of it.
    pub need: Need,
}

/// What may go of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Going {
    /// Its outcome document.
    pub outcome: bool,
    /// What the journal knows of its people.
    pub personal: bool,
    /// Its letters.
    pub original: bool,
}

impl Standing {
    /// Whether an outlet may still take a document of it.
    fn is_awaited(&self, now: Timestamp) -> bool {
        self.untaken.is_some_and(|made| now.duration_since(made) < OUTLETS_MAY_TAKE)
    }

    /// As it would be without outlets.
    pub fn without_outlets(self) -> Self {
        Self { untaken: None, ..self }
    }
}

fn past(age: Option<SignedDuration>, since: Timestamp, now: Timestamp) -> bool {
    age.is_some_and(|age| now.duration_since(since) >= age)
}

impl Policy {
    /// Whether anything ever goes.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// What may go of a request. Nothing of one that has not ended.
    pub fn request(&self, standing: &Standing, now: Timestamp) -> Going {
        let Some(ended) = standing.ended_at.filter(|_| !standing.busy) else { return Going::default() };
        let needed = match standing.need {
            Need::Nothing => false,
            Need::Account => true,
            Need::RemovedAt(at) => !past(self.register, at, now),
        };
        Going {
            outcome: past(self.outcomes, ended, now),
            personal: !needed && !standing.is_awaited(now) && past(self.personal, ended, now),
            original: past(self.originals, ended, now),
        }
    }

    /// Whether what the register knows of an account may go: `removed` says whether it was removed then, or came to nothing.
    pub fn account(&self, ended_at: Timestamp, removed: bool, now: Timestamp) -> bool {
        past(if removed { self.register } else { self.personal }, ended_at, now)
    }

    /// Whether something that ended, or came to lie there, then is older than its age.
    pub fn original(&self, since: Timestamp, now: Timestamp) -> bool {
        past(self.originals, since, now)
    }

    /// Whether what an order said may go.
    pub fn order(&self, done_at: Timestamp, now: Timestamp) -> bool {
        past(self.personal, done_at, now)
    }

    /// A sentence; also by which a changed policy is known.
    pub fn sentence(&self) -> String {
        let parts: Vec<String> = [
            ("outcome documents", self.outcomes, "after the request's end"),
            ("originals and letters", self.originals, "after the request's end"),
            ("personal data", self.personal, "after the request's end"),
            ("the register's personal data", self.register, "after the account's removal"),
        ]
        .into_iter()
        .filter_map(|(what, age, from)| Some(format!("{what} {} days {from}", age?.as_hours() / 24)))
        .collect();
        if parts.is_empty() { "everything is kept for ever".into() } else { parts.join(", ") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn day(day: i64) -> Timestamp {
        Timestamp::from_second(1_700_000_000 + day * 86_400).unwrap()
    }

    fn days(days: i64) -> Option<SignedDuration> {
        Some(SignedDuration::from_hours(days * 24))
    }

    #[test]
    fn what_goes_when() {
        let policy = Policy { outcomes: days(30), originals: days(60), personal: days(90), register: days(200) };
        let standing =
            |ended: Option<i64>, need: Need| Standing { ended_at: ended.map(day), busy: false, untaken: None, need };
        for (ended, need, today, expected) in [
            (None, Need::Nothing, 9999, (false, false, false)),
            (Some(0), Need::Nothing, 29, (false, false, false)),
            (Some(0), Need::Nothing, 30, (true, false, false)),
            (Some(0), Need::Nothing, 60, (true, true, false)),
            (Some(0), Need::Nothing, 90, (true, true, true)),
            (Some(0), Need::Account, 9999, (true, true, false)),
            (Some(0), Need::RemovedAt(day(100)), 299, (true, true, false)),
            (Some(0), Need::RemovedAt(day(100)), 300, (true, true, true)),
        ] {
            let going = policy.request(&standing(ended, need), day(today));
            assert_eq!((going.outcome, going.original, going.personal), expected, "{ended:?} {need:?} {today}");
        }
        let busy = Standing { busy: true, ..standing(Some(0), Need::Nothing) };
        assert_eq!(policy.request(&busy, day(9999)), Going::default());
        for (made, today, personal) in
            [(89, 90, false), (89, 118, false), (89, 119, true), (0, 90, true), (200, 90, false)]
        {
            let awaited = Standing { untaken: Some(day(made)), ..standing(Some(0), Need::Nothing) };
            let going = policy.request(&awaited, day(today));
            assert_eq!((going.outcome, going.original, going.personal), (true, true, personal), "{made} {today}");
        }
        assert!(!policy.account(day(0), true, day(199)) && policy.account(day(0), true, day(200)));
        assert!(!policy.account(day(0), false, day(89)) && policy.account(day(0), false, day(90)));
        let forever = Policy { register: None, ..policy };
        assert!(!forever.request(&standing(Some(0), Need::RemovedAt(day(1))), day(99_999)).personal);
        assert!(!forever.account(day(0), true, day(99_999)));
    }

    #[test]
    fn a_policy_says_what_it_does() {
        assert_eq!(Policy::default().sentence(), "everything is kept for ever");
        let policy = Policy { outcomes: days(90), register: days(365), ..Policy::default() };
        assert_eq!(
            policy.sentence(),
            "outcome documents 90 days after the request's end, the register's personal data 365 days after the account's removal"
        );
    }

    fn age() -> impl Strategy<Value = Option<SignedDuration>> {
        prop::option::of(0i64..4000).prop_map(|age| age.map(|days| SignedDuration::from_hours(days * 24)))
    }

    fn need() -> impl Strategy<Value = Need> {
        prop_oneof![Just(Need::Nothing), Just(Need::Account), (0i64..4000).prop_map(|at| Need::RemovedAt(day(at)))]
    }

    proptest! {
        #[test]
        fn nothing_goes_without_an_age_before_its_end_or_while_it_is_needed_and_what_may_go_may_go_later(
            outcomes in age(), originals in age(), personal in age(), register in age(),
            ended in prop::option::of(0i64..4000), busy: bool, untaken in prop::option::of(0i64..4000), need in need(),
            today in 0i64..9000, later in 0i64..9000,
        ) {
            let policy = Policy { outcomes, originals, personal, register };
            let standing = Standing { ended_at: ended.map(day), busy, untaken: untaken.map(day), need };
            let going = policy.request(&standing, day(today));
            if ended.is_none() || busy || policy.is_empty() {
                prop_assert_eq!(going, Going::default());
            }
            prop_assert!(!going.outcome || outcomes.is_some());
            prop_assert!(!going.original || originals.is_some());
            prop_assert!(!going.personal || (personal.is_some() && need != Need::Account));
            if let (true, Need::RemovedAt(at)) = (going.personal, need) {
                prop_assert!(day(today).duration_since(at) >= register.unwrap());
            }
            prop_assert!(!going.personal || untaken.is_none_or(|made| today - made >= 30));
            let after = policy.request(&standing, day(today + later));
            prop_assert!(after.outcome >= going.outcome && after.original >= going.original && after.personal >= going.personal);
        }
    }
}
