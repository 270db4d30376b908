//! What holds for every record.

use crate::model::request::{Change, WantedAccount};
use crate::model::{
    AccountUid, Action, Address, Alternative, Approval, Decision, Document, Evidence, Facts, HoldReason, NameFact,
    NoticeKind, Person, Phone, Quota, Record, RequestKey, Verb, Verdict,
};
use crate::procedure::testing::*;
use crate::procedure::{MAX_NAMES, Procedure, names_to_look_up};
use jiff::Timestamp;
use jiff::civil::Date;
use proptest::option;
use proptest::prelude::*;
use std::sync::LazyLock;

static PROCEDURES: LazyLock<Vec<Procedure>> =
    LazyLock::new(|| [generic(), campus(), office()].into_iter().chain(five()).collect());

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => prop::sample::select(vec!["Budi Santoso", "Sukarno", "Biro Humas", "Dr. Ir. Siti Nur Aini, M.T", "", "Ω 漢字", "a"])
            .prop_map(str::to_owned),
        1 => "\\PC{0,60}",
    ]
}

fn address() -> impl Strategy<Value = Address> {
    let local =
        prop::sample::select(vec!["humas", "budi.santoso", "postmaster", "a..b", "bsantoso", "x+y", "biro-humas"]);
    let domain = prop::sample::select(vec![
        "example.ac.id",
        "kampus.example",
        "kab.example",
        "a.example.ac.id",
        "gmail.com",
        "uin-malang.ac.id",
        "baru.uin-malang.ac.id",
        "student.uin-malang.ac.id",
        "radenintan.ac.id",
        "unja.ac.id",
        "lumajangkab.go.id",
    ]);
    (local, domain).prop_map(|(l, d)| format!("{l}@{d}")).prop_filter_map("an address", |a| a.parse().ok())
}

fn date() -> impl Strategy<Value = Date> {
    prop_oneof![
        4 => (2026i16..2028, 1i8..=12, 1i8..=28).prop_map(|(y, m, d)| Date::constant(y, m, d)),
        1 => prop::sample::select(vec![Date::MIN, Date::MAX]),
    ]
}

fn instant() -> impl Strategy<Value = Timestamp> {
    prop_oneof![
        4 => (1_790_000_000i64..1_800_000_000).prop_filter_map("a time", |s| Timestamp::from_second(s).ok()),
        1 => prop::sample::select(vec![Timestamp::MIN, Timestamp::MAX]),
    ]
}

fn a_person() -> impl Strategy<Value = Person> {
    let category = prop::sample::select(vec![
        "lecturer",
        "student",
        "staff",
        "unit",
        "student-activity",
        "event",
        "guest",
        "office",
        "visitor",
        "alien",
        "",
    ]);
    let identifier = prop::sample::select(vec!["198501012015041003", "2026100123", "", "x"]);
    let phone = option::of(Just("+6281234567890")).prop_map(|p| p.and_then(|p| Phone::parse(p, "ID").ok()));
    (text(), text(), text(), category, identifier, text(), option::of(address()), phone).prop_map(
        |(name, given_name, family_name, category, identifier, unit, email, phone)| Person {
            name,
            given_name,
            family_name,
            category: category.into(),
            identifier: identifier.into(),
            unit,
            email,
            phone,
        },
    )
}

fn wanted() -> impl Strategy<Value = WantedAccount> {
    let username = prop::sample::select(vec!["budi", "root", "humas"]).prop_map(|u| u.parse().unwrap());
    let services =
        prop::collection::vec(prop::sample::select(vec!["mail", "hotspot", "vpn", ""]).prop_map(str::to_owned), 0..3);
    let group = option::of(prop::sample::select(vec!["dosen", "tamu", "root"]).prop_map(str::to_owned));
    (
        option::of(address()),
        option::of(username),
        services,
        option::of(date()),
        option::of(any::<u64>().prop_map(Quota)),
        group,
    )
        .prop_map(|(address, username, services, expires, quota, group)| WantedAccount {
            address,
            username,
            services,
            expires,
            quota,
            group,
        })
}

fn change() -> impl Strategy<Value = Change> {
    let aliases = option::of(prop::collection::vec(address(), 0..30));
    (option::of(address()), option::of(text()), option::of(any::<u64>().prop_map(Quota)), option::of(date()), aliases)
        .prop_map(|(address, name, quota, expires, aliases)| Change {
            address,
            name,
            quota,
            group: None,
            expires,
            aliases,
        })
}

fn documents() -> impl Strategy<Value = Vec<Document>> {
    let kind = prop::sample::select(vec!["form", "letter", "ticket", "disposition", "leter"]).prop_map(str::to_owned);
    let one = (kind, text(), option::of(date()), text(), text())
        .prop_map(|(kind, number, date, register, signed_by)| Document { kind, number, date, register, signed_by });
    prop::collection::vec(one, 0..4)
}

fn approvals() -> impl Strategy<Value = Vec<Approval>> {
    let role = prop::sample::select(vec![
        "head",
        "secretary",
        "kabid",
        "acting-kabid",
        "kasi",
        "acting-head",
        "coordinator",
        "staff",
        "chair",
        "boss",
    ]);
    let decision = prop_oneof![9 => Just(Decision::Approved), 1 => Just(Decision::Refused)];
    let one = (role, text(), decision, text(), instant()).prop_map(|(role, by, decision, reason, at)| Approval {
        role: role.into(),
        by,
        decision,
        reason,
        at,
    });
    prop_oneof![prop::collection::vec(one, 0..5), Just(vec![approval("head", "Siti", "2026-11-18T10:00:00+07:00")]),]
}

fn action() -> impl Strategy<Value = Action> {
    prop_oneof![
        4 => Just(Action::Create),
        1 => prop::sample::select(vec![Action::Change, Action::Reset, Action::Suspend, Action::Resume, Action::Remove]),
    ]
}

fn record() -> impl Strategy<Value = Record> {
    let arbitrary =
        (action(), a_person(), option::of(a_person()), wanted(), option::of(change()), documents(), approvals())
            .prop_map(|(action, applicant, responsible, account, change, documents, approvals)| Record {
                key: RequestKey { procedure: "generic".into(), id: "T-1".into(), revision: 1 },
                action,
                applicant,
                responsible,
                account,
                change,
                documents,
                approvals,
            });
    // What each of the five permits.
    let theirs = (0..5usize, option::of(address())).prop_map(|(which, address)| {
        let mut record = a_good_one_of_the_five(which);
        record.account.address = address.or(record.account.address);
        record
    });
    // Good ones as well, with a wish or a name of their own, so that permits and conflicts are met often.
    let good =
        (prop::bool::ANY, option::of(address()), text(), wanted()).prop_map(|(of_unit, address, name, wanted)| {
            let mut record = if of_unit { unit() } else { lecturer() };
            record.account.address = address.or(record.account.address);
            record.account.username = wanted.username;
            if !name.is_empty() {
                record.applicant.name = name;
            }
            record
        });
    prop_oneof![arbitrary, good, theirs]
}

/// A request that the procedure of this number among the five permits.
fn a_good_one_of_the_five(which: usize) -> Record {
    let mut record = unit();
    let address =
        ["humas@baru.uin-malang.ac.id", "", "humas@radenintan.ac.id", "humas@unja.ac.id", "humas@lumajangkab.go.id"];
    record.account.address = address[which].parse().ok();
    record.applicant.identifier = "U-7".into();
    record.applicant.category = if which == 4 { "office" } else { "unit" }.into();
    record.documents = match which {
        0 | 1 => vec![document("form"), document("ticket")],
        2 => vec![document("letter"), document("disposition")],
        3 => vec![document("form"), document("letter")],
        _ => vec![document("letter")],
    };
    let chain: &[&str] = match which {
        0 | 1 => &["head"],
        2 => &["head", "coordinator", "staff"],
        3 => &["chair"],
        _ => &["secretary", "kabid", "kasi"],
    };
    let given = chain.iter().zip(["Ani", "Bima", "Cici"]).zip(["17", "18", "19"]);
    let given = given.map(|((role, by), day)| approval(role, by, &format!("2026-11-{day}T10:00:00+07:00")));
    record.approvals = given.collect();
    record
}

#[test]
fn the_five_permit_what_the_property_begins_with() {
    for (which, procedure) in five().iter().enumerate() {
        let judgement = decided(&a_good_one_of_the_five(which), procedure, &Facts::default());
        assert_eq!(judgement.verdict.as_str(), "permit", "{}: {}", procedure.name(), said(&judgement));
    }
}

/// Facts in which some of the names that are asked about are held, by others or by the account itself.
fn facts(record: &Record, procedure: &Procedure, held: &[u8], source: &str, state: Option<&str>) -> Facts {
    let mut facts = Facts { source: source.into(), ..Facts::default() };
    for (name, how) in names_to_look_up(record, procedure).into_iter().zip(held) {
        let by = |account: AccountUid| NameFact::Register { account, request: "generic:T-0@1".into() };
        let fact = match how {
            0 => by(OTHER),
            1 => NameFact::Target { target: "maps".into() },
            2 => by(UID),
            _ => continue,
        };
        facts.names.insert(name, vec![fact]);
    }
    if let Some(state) = state {
        facts.account = existing(Action::Reset).1.account;
        facts.account_state = Some(state.into());
    }
    facts
}

fn held_by_another(facts: &Facts, name: &str, uid: AccountUid) -> bool {
    facts.names.get(name).into_iter().flatten().any(|fact| match fact {
        NameFact::Register { account, .. } => *account != uid,
        NameFact::Target { .. } => true,
    })
}

fn check_plan(plan: &crate::model::Plan, mints: bool) {
    let verbs: Vec<Verb> = plan.iter().map(|s| s.verb).collect();
    assert_eq!(verbs.last(), Some(&Verb::Deliver), "{verbs:?}");
    assert_eq!(verbs.first() == Some(&Verb::Mint), mints, "{verbs:?}");
    // The holder is told once, and last; officials and the letter in between.
    let told: Vec<NoticeKind> = plan.iter().filter_map(|step| step.detail.notice).collect();
    let (last, before) = told.split_last().unwrap();
    assert_eq!(*last, if mints { NoticeKind::Credentials } else { NoticeKind::Changed }, "{told:?}");
    let papers = [NoticeKind::Report, NoticeKind::LetterDraft, NoticeKind::Letter];
    assert!(before.iter().all(|kind| papers.contains(kind)), "{told:?}");
    let proven = verbs.iter().rposition(|verb| *verb == Verb::Prove).unwrap();
    assert!(
        verbs.iter().position(|verb| *verb == Verb::Deliver) > Some(proven),
        "nothing is said before it is proven: {verbs:?}"
    );
    assert!(verbs.contains(&Verb::Apply));
    for pair in plan.windows(2) {
        if pair[0].verb == Verb::Apply {
            assert_eq!((pair[1].verb, &pair[1].lane), (Verb::Prove, &pair[0].lane));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1536))]

    #[test]
    fn every_record_gets_a_verdict_that_keeps_its_promises(
        record in record(),
        which in 0usize..8,
        held in prop::collection::vec(0u8..6, MAX_NAMES),
        source in prop::sample::select(vec!["local", "siakad", "simpeg"]),
        state in option::of(prop::sample::select(vec!["active", "suspended", "removed"])),
        unit_has in prop::bool::ANY,
    ) {
        let procedure = &PROCEDURES[which];
        let names = names_to_look_up(&record, procedure);
        prop_assert!(names.len() <= MAX_NAMES);
        let mut facts = facts(&record, procedure, &held, source, state);
        if unit_has && crate::procedure::unit_to_look_up(&record, procedure).is_some() {
            facts.unit_has = vec!["pustaka@radenintan.ac.id".into()];
        }
        let judgement = decided(&record, procedure, &facts);
        prop_assert_eq!(&judgement, &decided(&record, procedure, &facts), "not deterministic");
        if let Some(grant) = judgement.verdict.grant() {
            for name in &grant.names {
                let had = facts.account.as_ref().filter(|a| a.uid == grant.account.uid).is_some_and(|a| {
                    a.username.as_str() == name || a.address.iter().chain(&a.aliases).any(|x| x.as_str() == name)
                });
                prop_assert!(had || !held_by_another(&facts, name, grant.account.uid), "{} is held", name);
                prop_assert!(had || names.contains(name), "{} was not looked up", name);
            }
            let emails = [Some(&record.applicant), record.responsible.as_ref()].into_iter().flatten().filter_map(|p| p.email.as_ref());
            let own = grant.account.address.as_ref();
            prop_assert!(!grant.action.mints() || emails.into_iter().all(|e| Some(e) != own));
            check_plan(&judgement.plan, grant.action.mints());
        } else {
            prop_assert!(judgement.plan.is_empty());
        }
        match &judgement.verdict {
            Verdict::Permit { .. } => {
                prop_assert!(facts.unit_has.is_empty(), "a second account of the unit");
                prop_assert!(judgement.notices.is_empty());
                prop_assert!(judgement.checklist.iter().all(|c| c.met), "{:#?}", judgement.checklist);
            }
            Verdict::Conflict { reasons, alternatives } => {
                prop_assert!(!reasons.is_empty() && alternatives.len() <= 6);
                for alternative in alternatives {
                    let name = match alternative {
                        Alternative::Address(a) => a.as_str(),
                        Alternative::Username(u) => u.as_str(),
                    };
                    prop_assert!(!facts.names.contains_key(name) || !held_by_another(&facts, name, UID), "{} is held", name);
                    prop_assert!(names.iter().any(|n| n == name), "{} was not looked up", name);
                }
            }
            Verdict::Refuse { reasons } => prop_assert!(!reasons.is_empty()),
            Verdict::Hold { reason, missing, grant } => {
                prop_assert!(!missing.is_empty());
                prop_assert_eq!(grant.is_some(), *reason == HoldReason::Review);
            }
            Verdict::Redirect { instructions } => prop_assert!(judgement.texts.contains_key(instructions)),
        }
        prop_assert!(judgement.notices.len() <= 1);
        let kept = serde_json::to_string(&judgement).unwrap();
        let mut judgement = judgement;
        // All of it is kept but what a requirement was held against.
        judgement.checklist.iter_mut().for_each(|check| check.held_against = Evidence::default());
        prop_assert_eq!(serde_json::from_str::<crate::model::Judgement>(&kept).unwrap(), judgement);
    }
}
