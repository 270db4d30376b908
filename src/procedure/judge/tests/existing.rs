//! Actions on accounts that exist.

use crate::model::{Action, Alternative, Facts, NameFact, Quota, Record, Verdict};
use crate::procedure::names_to_look_up;
use crate::procedure::testing::*;

fn said_of(record: &Record, facts: &Facts) -> String {
    said(&decided(record, &generic(), facts))
}

fn account_after(record: &Record, facts: &Facts) -> crate::model::Account {
    let judgement = decided(record, &generic(), facts);
    let Verdict::Permit { grant } = &judgement.verdict else { panic!("{}", said(&judgement)) };
    grant.account.clone()
}

#[test]
fn an_account_that_the_register_does_not_have_is_refused() {
    let (record, _) = existing(Action::Reset);
    assert_eq!(said_of(&record, &Facts::default()), "refuse | Akun yang dimaksud tidak ditemukan dalam daftar akun.");
}

#[test]
fn each_action_fits_the_states_it_fits() {
    let table = [
        (Action::Change, ["active", "suspended"].as_slice()),
        (Action::Reset, &["active"]),
        (Action::Suspend, &["active"]),
        (Action::Resume, &["suspended"]),
    ];
    for (action, fitting) in table {
        for state in ["active", "suspended", "removed", "reserved"] {
            let (record, mut facts) = existing(action);
            facts.account_state = Some(state.into());
            let expected = if fitting.contains(&state) { "permit" } else { "refuse" };
            assert_eq!(decided(&record, &generic(), &facts).verdict.as_str(), expected, "{action:?} while {state}");
        }
    }
}

#[test]
fn what_a_target_has_and_the_register_has_not_is_held_for_an_officer() {
    let (record, _) = existing(Action::Suspend);
    let mut facts = Facts::default();
    facts.names.insert("budi@example.ac.id".into(), vec![NameFact::Target { target: "maps".into() }]);
    let said = said_of(&record, &facts);
    assert!(said.starts_with("hold incomplete | Akun budi@example.ac.id di maps tidak dibuat oleh akund"), "{said}");
    // Another procedure's account is out of reach, and nobody is told of it.
    let other = NameFact::Register { account: OTHER, request: "other:1@1".into() };
    facts.names.entry("budi@example.ac.id".into()).or_default().push(other);
    assert!(said_of(&record, &facts).starts_with("refuse"), "{facts:?}");
}

#[test]
fn what_takes_away_is_held_beyond_the_change_budget_unless_somebody_approved_it_by_itself() {
    use crate::model::TakenAway;
    let ends = |day: Option<&str>| {
        let (mut record, facts) = existing(Action::Change);
        record.change =
            Some(crate::model::request::Change { expires: day.map(|d| d.parse().unwrap()), ..Default::default() });
        (record, facts)
    };
    let without_approvals = || {
        generic_with(
            "actions = [\"create\", \"change\", \"suspend\", \"resume\"]     # default",
            "actions = [\"create\"] # default",
        )
    };
    let table = [
        (existing(Action::Suspend), without_approvals(), true),
        (existing(Action::Suspend), generic(), false),
        (existing(Action::Resume), generic(), false),
        (existing(Action::Reset), generic(), false),
        // With the head's approval, and without any.
        (ends(Some("2027-01-31")), generic(), false),
        (ends(Some("2027-01-31")), without_approvals(), true),
        (existing(Action::Change), without_approvals(), false),
    ];
    for ((record, mut facts), procedure, budgeted) in table {
        for (taken, used_up) in [
            (TakenAway { in_a_day: 19, accounts: 0 }, false),
            (TakenAway { in_a_day: 20, accounts: 419 }, true),
            (TakenAway { in_a_day: 20, accounts: 420 }, false),
            (TakenAway { in_a_day: 500, accounts: 10_000 }, true),
        ] {
            facts.taken_away = [("radius".to_owned(), taken)].into();
            let judgement = decided(&record, &procedure, &facts);
            let expected = if budgeted && used_up { "hold review" } else { "permit" };
            let said = said(&judgement);
            assert_eq!(said.split(" | ").next(), Some(expected), "{:?} {taken:?}: {said}", record.action);
            assert_eq!(judgement.verdict.grant().unwrap().budgeted, budgeted);
        }
    }
}

#[test]
fn removal_is_refused_where_the_procedure_does_not_offer_it() {
    let (record, facts) = existing(Action::Remove);
    assert_eq!(said_of(&record, &facts), "refuse | Prosedur ini tidak melayani penghapusan akun.");
    let procedure = generic_with("\"resume\"]", "\"resume\", \"remove\"]");
    assert_eq!(said(&decided(&record, &procedure, &facts)), "permit");
}

#[test]
fn an_account_of_another_category_is_out_of_reach() {
    let (mut record, facts) = existing(Action::Reset);
    record.applicant.category = "staff".into();
    assert_eq!(said_of(&record, &facts), "refuse | Akun yang dimaksud bukan milik kategori pemohon ini.");
}

#[test]
fn a_new_password_goes_only_to_the_holder_for_whom_the_account_was_made() {
    let (record, mut facts) = existing(Action::Reset);
    facts.other_holder = true;
    assert_eq!(
        said_of(&record, &facts),
        "refuse | Akun yang dimaksud dibuat untuk pemegang dengan nomor identitas lain."
    );
    let (record, mut facts) = existing(Action::Suspend);
    facts.other_holder = true;
    assert_eq!(said_of(&record, &facts), "permit", "who asks for a suspension need not be the holder");
}

#[test]
fn a_new_password_never_goes_to_the_account_itself() {
    for own in ["budi@example.ac.id", "b.santoso@example.ac.id"] {
        let (mut record, facts) = existing(Action::Reset);
        record.applicant.email = Some(own.parse().unwrap());
        assert!(said_of(&record, &facts).starts_with("refuse | Surel pemohon"), "{own}");
        // News without a password may.
        let (mut record, facts) = existing(Action::Suspend);
        record.applicant.email = Some(own.parse().unwrap());
        assert_eq!(said_of(&record, &facts), "permit");
    }
}

#[test]
fn a_changed_address_keeps_the_old_one_as_an_alias() {
    let (record, facts) = existing(Action::Change);
    let account = account_after(&record, &facts);
    assert_eq!(account.uid, OTHER);
    assert_eq!(account.address.unwrap().as_str(), "budi.santoso@example.ac.id");
    let aliases: Vec<&str> = account.aliases.iter().map(|a| a.as_str()).collect();
    assert_eq!(aliases, ["b.santoso@example.ac.id", "budi@example.ac.id"]);
    let judgement = decided(&record, &generic(), &facts);
    let names = &judgement.verdict.grant().unwrap().names;
    assert_eq!(names.len(), 4, "{names:?}");
    let procedure = generic_with("keep_old_as_alias = true", "keep_old_as_alias = false");
    let judgement = decided(&record, &procedure, &facts);
    assert_eq!(judgement.verdict.grant().unwrap().account.aliases.len(), 1);
}

#[test]
fn an_alias_may_become_the_address() {
    let (mut record, mut facts) = existing(Action::Change);
    record.change.as_mut().unwrap().address = Some("b.santoso@example.ac.id".parse().unwrap());
    let own = NameFact::Register { account: OTHER, request: "generic:T-0@1".into() };
    facts.names.insert("b.santoso@example.ac.id".into(), vec![own, NameFact::Target { target: "maps".into() }]);
    let account = account_after(&record, &facts);
    assert_eq!(account.aliases.iter().map(|a| a.as_str()).collect::<Vec<_>>(), ["budi@example.ac.id"]);
}

#[test]
fn other_values_are_changed_and_the_rest_stays() {
    let (mut record, facts) = existing(Action::Change);
    let change = record.change.as_mut().unwrap();
    change.address = None;
    change.name = Some("Budi Wahyu Santoso".into());
    change.quota = Some(Quota(20_000_000_000));
    change.expires = Some(day("2027-01-31"));
    change.aliases = Some(vec!["bws@example.ac.id".parse().unwrap()]);
    let account = account_after(&record, &facts);
    assert_eq!((account.given_name.as_str(), account.family_name.as_str()), ("Budi Wahyu", "Santoso"));
    assert_eq!(account.quota, Some(Quota(20_000_000_000)));
    assert_eq!(account.ends_at, Some(at("2027-02-01T00:00:00+07:00")));
    assert_eq!(account.aliases.iter().map(|a| a.as_str()).collect::<Vec<_>>(), ["bws@example.ac.id"]);
    assert_eq!(account.address.unwrap().as_str(), "budi@example.ac.id");
    assert_eq!(account.username.as_str(), "budi");
}

#[test]
fn a_change_is_held_to_the_same_rules_as_a_new_account() {
    let with = |change: &dyn Fn(&mut crate::model::request::Change)| {
        let (mut record, facts) = existing(Action::Change);
        change(record.change.as_mut().unwrap());
        said_of(&record, &facts)
    };
    assert!(with(&|c| c.address = Some("x@gmail.com".parse().unwrap())).starts_with("refuse | Alamat x@gmail.com"));
    assert!(with(&|c| c.address = Some("root@example.ac.id".parse().unwrap())).contains("dicadangkan"));
    assert!(with(&|c| c.aliases = Some(vec!["root@example.ac.id".parse().unwrap()])).contains("dicadangkan"));
    assert!(with(&|c| c.quota = Some(Quota(u64::MAX))).contains("Kuota"));
    assert!(with(&|c| c.group = Some("root".into())).contains("Profil"));
    assert!(with(&|c| c.expires = Some(day("2020-01-01"))).contains("sudah lewat"));
    let many = |n: usize| (0..n).map(|i| format!("a{i}@example.ac.id").parse().unwrap()).collect::<Vec<_>>();
    assert!(with(&|c| c.aliases = Some(many(11))).contains("paling banyak 10"));
    assert_eq!(with(&|c| c.aliases = Some(many(10))), "permit");
    let nothing = with(&|c| *c = Default::default());
    assert_eq!(nothing, "hold incomplete | Permohonan perubahan tidak menyebutkan apa yang diubah.");
}

#[test]
fn a_new_address_or_alias_that_is_taken_is_a_conflict() {
    let (record, mut facts) = existing(Action::Change);
    facts.names.insert("budi.santoso@example.ac.id".into(), vec![NameFact::Target { target: "maps".into() }]);
    let judgement = decided(&record, &generic(), &facts);
    let Verdict::Conflict { alternatives, .. } = &judgement.verdict else { panic!("{}", said(&judgement)) };
    assert_eq!(alternatives[0], Alternative::Address("bsantoso@example.ac.id".parse().unwrap()));
    let (mut record, mut facts) = existing(Action::Change);
    record.change.as_mut().unwrap().aliases = Some(vec!["bs@example.ac.id".parse().unwrap()]);
    let other = NameFact::Register { account: UID, request: "generic:T-5@1".into() };
    facts.names.insert("bs@example.ac.id".into(), vec![other]);
    assert_eq!(said_of(&record, &facts), "conflict | bs@example.ac.id sudah dipakai.");
}

#[test]
fn everything_that_a_change_may_take_is_looked_up() {
    let (mut record, _) = existing(Action::Change);
    let aliases: Vec<crate::model::Address> = (0..30).map(|i| format!("a{i}@example.ac.id").parse().unwrap()).collect();
    record.change.as_mut().unwrap().aliases = Some(aliases.clone());
    record.account.username = Some("budi".parse().unwrap());
    let names = names_to_look_up(&record, &generic());
    assert!(aliases[..10].iter().all(|a| names.contains(&a.to_string())), "{names:?}");
    assert!(names.contains(&"budi.santoso@example.ac.id".to_owned()));
    assert!(names.len() <= crate::procedure::MAX_NAMES);
}

#[test]
fn an_account_that_has_ended_is_not_opened_again_by_a_new_password() {
    for action in [Action::Reset, Action::Resume] {
        let (record, mut facts) = existing(action);
        facts.account.as_mut().unwrap().ends_at = Some(now());
        assert!(said_of(&record, &facts).starts_with("refuse | Masa berlaku akun sudah berakhir"), "{action:?}");
    }
}

#[test]
fn an_account_that_was_imported_is_akunds_for_nothing() {
    for action in [Action::Change, Action::Reset, Action::Suspend, Action::Resume] {
        let (record, mut facts) = existing(action);
        facts.account_state = Some(crate::model::entry::IMPORTED.into());
        let said = said_of(&record, &facts);
        assert!(
            said.starts_with("hold incomplete | Akun budi@example.ac.id tidak dibuat oleh akund"),
            "{action:?}: {said}"
        );
    }
}

/// The generic procedure, which lets accounts be adopted for these actions, and wants the head's approval of everything.
fn adopting(actions: &str) -> crate::procedure::Procedure {
    let text = include_str!("../../../../config/procedures/generic.toml");
    let text = text.replacen("adopt = []", &format!("adopt = [{actions}]"), 1);
    let text = text.replacen("\"resume\"]    # default", "\"resume\", \"remove\"]    # default", 1);
    parse(
        "generic.toml",
        &text.replacen("actions = [\"create\", \"change\", \"suspend\", \"resume\"]     # default", "# default", 1),
    )
}

/// Somebody's account that targets know, with the names that the record says.
fn foreign(action: Action) -> (crate::model::Record, Facts) {
    let (mut record, _) = existing(action);
    record.account.username = Some("budi".parse().unwrap());
    record.account.services = vec!["mail".into(), "hotspot".into()];
    let mut facts = Facts::default();
    facts.names.insert("budi@example.ac.id".into(), vec![NameFact::Target { target: "maps".into() }]);
    facts.names.insert("budi".into(), vec![NameFact::Target { target: "radius".into() }]);
    (record, facts)
}

const ALL: &str = "\"change\", \"reset\", \"suspend\", \"resume\"";

#[test]
fn an_account_that_targets_know_is_adopted_where_the_procedure_says_so_and_somebody_approves() {
    let procedure = adopting(ALL);
    for action in [Action::Change, Action::Reset, Action::Suspend, Action::Resume] {
        let (record, facts) = foreign(action);
        let judgement = decided(&record, &procedure, &facts);
        assert_eq!(said(&judgement), "permit", "{action:?}");
        let grant = judgement.verdict.grant().unwrap();
        let known = grant.adopts.as_ref().unwrap();
        assert_eq!((known.uid, known.address.as_ref().unwrap().as_str()), (UID, "budi@example.ac.id"), "as it was");
        let verbs: Vec<_> =
            judgement.plan.iter().take(2).map(|step| (step.lane.as_str(), step.verb.as_str())).collect();
        assert_eq!(verbs, [("maps", "adopt"), ("radius", "adopt")]);
    }
    let (record, facts) = foreign(Action::Remove);
    assert!(
        said(&decided(&record, &procedure, &facts)).contains("tidak dibuat oleh akund"),
        "removal is named by itself"
    );
    let with_removal = adopting("\"remove\"");
    let grant = decided(&record, &with_removal, &facts).verdict.grant().cloned().unwrap();
    assert!(grant.budgeted, "and obeys the change budget though it was approved");
}

#[test]
fn what_is_not_sure_is_not_adopted() {
    let procedure = adopting(ALL);
    let held = |change: &dyn Fn(&mut crate::model::Record, &mut Facts)| {
        let (mut record, mut facts) = foreign(Action::Reset);
        change(&mut record, &mut facts);
        let judgement = decided(&record, &procedure, &facts);
        assert!(judgement.plan.is_empty(), "{}", said(&judgement));
        said(&judgement)
    };
    // A user name made of the address may be somebody else's.
    assert!(held(&|record, _| record.account.username = None).contains("tidak ditemukan di radius"));
    assert!(held(&|_, facts| drop(facts.names.remove("budi"))).contains("tidak ditemukan di radius"));
    assert!(
        held(&|record, facts| {
            record.account.address = Some("budi@elsewhere.example".parse().unwrap());
            facts.names.insert("budi@elsewhere.example".into(), vec![NameFact::Target { target: "maps".into() }]);
        })
        .starts_with("refuse")
    );
    assert!(
        held(&|record, facts| {
            record.account.address = Some("postmaster@example.ac.id".parse().unwrap());
            facts.names.insert("postmaster@example.ac.id".into(), vec![NameFact::Target { target: "maps".into() }]);
        })
        .starts_with("refuse")
    );
    // Never to the address whose password it is.
    let own = held(&|record, _| record.applicant.email = Some("budi@example.ac.id".parse().unwrap()));
    assert!(own.starts_with("refuse"), "{own}");
    assert!(held(&|record, _| record.approvals.clear()).starts_with("hold incomplete"));
    // Where nobody has to approve, only a register that knows the holder vouches.
    let (record, facts) = foreign(Action::Reset);
    let text = include_str!("../../../../config/procedures/generic.toml");
    let unapproved = text.replacen("adopt = []", "adopt = [\"reset\"]", 1);
    let judgement = decided(&record, &parse("generic.toml", &unapproved), &facts);
    assert!(said(&judgement).contains("tidak mensyaratkan persetujuan"), "{}", said(&judgement));
    // What another procedure's register has is out of reach.
    let other = NameFact::Register { account: OTHER, request: "other:1@1".into() };
    assert!(held(&|_, facts| facts.names.get_mut("budi").unwrap().push(other.clone())).starts_with("refuse"));
}

#[test]
fn a_listed_account_is_its_holders() {
    let procedure = adopting(ALL);
    let listed = |no_holder: bool, other_holder: bool| {
        let (record, mut facts) = foreign(Action::Reset);
        let (_, known) = existing(Action::Reset);
        facts.account = known.account;
        facts.account_state = Some(crate::model::entry::IMPORTED.into());
        (facts.no_holder, facts.other_holder) = (no_holder, other_holder);
        (record, facts)
    };
    let (record, facts) = listed(false, false);
    let judgement = decided(&record, &procedure, &facts);
    let grant = judgement.verdict.grant().unwrap_or_else(|| panic!("{}", said(&judgement)));
    assert_eq!((grant.account.uid, grant.adopts.is_some()), (OTHER, true));
    let (record, facts) = listed(false, true);
    assert!(said(&decided(&record, &procedure, &facts)).starts_with("hold incomplete | Menurut register"));
    let (mut record, facts) = listed(true, true);
    assert_eq!(said(&decided(&record, &procedure, &facts)), "permit", "the approvals are the authority");
    record.account.username = Some("siti".parse().unwrap());
    assert!(said(&decided(&record, &procedure, &facts)).contains("siti"), "another account's user name");
}

#[test]
fn an_adopted_account_stays_what_the_procedure_lets_be_done_to_it() {
    let adopted = |action| {
        let (record, mut facts) = existing(action);
        (facts.adopted, facts.no_holder, facts.other_holder) = (true, true, true);
        (record, facts)
    };
    let (record, facts) = adopted(Action::Suspend);
    assert_eq!(said(&decided(&record, &adopting("\"suspend\""), &facts)), "permit");
    assert!(said(&decided(&record, &adopting("\"reset\""), &facts)).contains("tidak dibuat oleh akund"));
    let (record, facts) = adopted(Action::Reset);
    assert_eq!(said(&decided(&record, &adopting("\"reset\""), &facts)), "permit");
    let (record, facts) = adopted(Action::Remove);
    assert!(decided(&record, &adopting("\"remove\""), &facts).verdict.grant().unwrap().budgeted);
}
