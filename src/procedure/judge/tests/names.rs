//! Names: wishes, candidates, conflicts and what is offered instead.

use super::{generic_says, judged, says};
use crate::model::{Alternative, Facts, NameFact, Record, Verdict};
use crate::procedure::testing::*;
use crate::procedure::{MAX_NAMES, Procedure, names_to_look_up};

fn conflict(record: &Record, procedure: &Procedure, facts: &Facts) -> (Vec<String>, Vec<String>) {
    let judgement = decided(record, procedure, facts);
    let Verdict::Conflict { reasons, alternatives } = &judgement.verdict else { panic!("{}", said(&judgement)) };
    let shown = alternatives.iter().map(|a| match a {
        Alternative::Address(a) => a.to_string(),
        Alternative::Username(u) => u.to_string(),
    });
    (reasons.clone(), shown.collect())
}

fn granted(record: &Record, facts: &Facts) -> (String, String) {
    let judgement = decided(record, &generic(), facts);
    let Verdict::Permit { grant } = &judgement.verdict else { panic!("{}", said(&judgement)) };
    (grant.account.address.as_ref().map(ToString::to_string).unwrap_or_default(), grant.account.username.to_string())
}

#[test]
fn a_wished_address_that_is_taken_is_a_conflict_with_free_alternatives() {
    let (reasons, alternatives) =
        conflict(&unit(), &generic(), &taken(&["humas@example.ac.id", "humas2@example.ac.id"]));
    assert_eq!(reasons, ["humas@example.ac.id sudah dipakai."]);
    assert_eq!(
        alternatives,
        ["biro-humas@example.ac.id", "biro.hubungan.masyarakat@example.ac.id", "biro-humas2@example.ac.id"]
    );
}

#[test]
fn register_and_targets_are_two_results_in_the_checklist() {
    let mut facts = Facts::default();
    facts.names.insert("humas@example.ac.id".into(), vec![NameFact::Target { target: "maps".into() }]);
    let judgement = decided(&unit(), &generic(), &facts);
    assert_eq!(judgement.verdict.as_str(), "conflict");
    let met = |requirement: &str| judgement.checklist.iter().find(|c| c.requirement == requirement).map(|c| c.met);
    assert_eq!(met("address free in the register"), Some(true));
    assert_eq!(met("address free at the targets"), Some(false));
    assert_eq!(met("user name free in the register"), Some(true));
    let sop = judgement.checklist.iter().find(|c| c.requirement == "address free at the targets").unwrap();
    assert_eq!(sop.sop.as_deref(), Some("3"));
}

#[test]
fn the_accounts_own_reservation_is_no_conflict() {
    let mut facts = Facts::default();
    let own = NameFact::Register { account: UID, request: "generic:T-1@1".into() };
    facts.names.insert("humas@example.ac.id".into(), vec![own]);
    assert_eq!(granted(&unit(), &facts).0, "humas@example.ac.id");
}

#[test]
fn without_a_wish_the_first_free_candidate_is_taken() {
    let names = |taken_names: &[&str]| granted(&lecturer(), &taken(taken_names));
    let pair = |a: &str, u: &str| (a.to_owned(), u.to_owned());
    assert_eq!(names(&[]), pair("budi.santoso@example.ac.id", "budi.santoso"));
    assert_eq!(names(&["budi.santoso@example.ac.id"]), pair("bsantoso@example.ac.id", "bsantoso"));
    assert_eq!(
        names(&["budi.santoso@example.ac.id", "bsantoso@example.ac.id"]),
        pair("budi.santoso2@example.ac.id", "budi.santoso2")
    );
    // A user name that is taken does not cost the address.
    assert_eq!(names(&["budi.santoso"]), pair("budi.santoso@example.ac.id", "bsantoso"));
}

#[test]
fn when_all_candidates_are_taken_the_applicant_must_name_another() {
    let names = names_to_look_up(&lecturer(), &generic());
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let (reasons, alternatives) = conflict(&lecturer(), &generic(), &taken(&names));
    assert_eq!(reasons, ["Semua nama menurut aturan penamaan sudah dipakai; mohon sebutkan nama lain."]);
    assert!(alternatives.is_empty());
}

#[test]
fn a_wished_user_name_that_is_taken_is_a_conflict_too() {
    let mut record = lecturer();
    record.account.username = Some("budi".parse().unwrap());
    let (reasons, alternatives) = conflict(&record, &generic(), &taken(&["budi"]));
    assert_eq!(reasons, ["budi sudah dipakai."]);
    assert_eq!(alternatives, ["budi.santoso", "bsantoso", "budi2"]);
}

#[test]
fn wished_names_must_be_of_the_domain_the_form_and_not_reserved() {
    let wish = |address: &str, expected: &str| {
        let mut record = unit();
        record.account.address = Some(address.parse().unwrap());
        generic_says(&record, expected);
    };
    wish(
        "humas@gmail.com",
        "refuse | Alamat humas@gmail.com tidak dapat dibuat; prosedur ini melayani @example.ac.id.",
    );
    wish("humas@evil-example.ac.id", "refuse | Alamat humas@evil-example.ac.id tidak dapat dibuat");
    wish("humas@biro.example.ac.id", "permit");
    wish("postmaster@example.ac.id", "refuse | Nama \"postmaster\" dicadangkan");
    wish("abuse@biro.example.ac.id", "refuse | Nama \"abuse\" dicadangkan");
    wish("rektor@example.ac.id", "refuse | Nama \"rektor\" dicadangkan");
    wish("admin-web@example.ac.id", "refuse | Nama \"admin-web\" dicadangkan");
    wish("info@example.ac.id", "permit");
    wish("a--b@example.ac.id", "refuse | Nama \"a--b\" tidak sesuai dengan bentuk");
    wish("humas+x@example.ac.id", "refuse | Nama \"humas+x\" tidak sesuai dengan bentuk");
    wish(&format!("{}@example.ac.id", "a".repeat(41)), "tidak sesuai dengan bentuk");
    let mut record = lecturer();
    record.account.username = Some("root".parse().unwrap());
    generic_says(&record, "refuse | Nama \"root\" dicadangkan");
}

#[test]
fn a_reserved_name_is_never_chosen() {
    let mut record = lecturer();
    record.applicant.name = "Postmaster".into();
    // The rule would give `postmaster`; the next template is taken.
    assert_eq!(granted(&record, &Facts::default()).0, "postmaster.ft@example.ac.id");
}

#[test]
fn where_the_rule_must_be_followed_a_wish_is_one_that_it_gives() {
    let mut record = lecturer();
    record.applicant.category = "student".into();
    record.applicant.identifier = "2026100123".into();
    let wish = |address: &str| {
        let mut record = record.clone();
        record.account.address = Some(address.parse().unwrap());
        said(&judged(&record, &generic()))
    };
    assert_eq!(wish("budi.santoso@student.example.ac.id"), "permit");
    assert_eq!(wish("budi.santoso4@student.example.ac.id"), "permit");
    assert_eq!(wish("boss@student.example.ac.id"), "refuse | Nama \"boss\" tidak sesuai dengan aturan penamaan.");
    assert!(wish("budi.santoso@example.ac.id").starts_with("refuse | Alamat"));
}

#[test]
fn a_name_without_latin_letters_needs_a_wish() {
    let mut record = lecturer();
    record.applicant.name = "Владимир Ленин".into();
    generic_says(&record, "hold incomplete | Nama akun tidak dapat dibentuk");
    record.account.address = Some("vladimir@example.ac.id".parse().unwrap());
    generic_says(&record, "permit");
}

#[test]
fn an_address_is_not_made_for_services_without_one() {
    let mut record = lecturer();
    record.account.services = vec!["hotspot".into()];
    assert_eq!(granted(&record, &Facts::default()), (String::new(), "budi.santoso".into()));
    record.account.address = Some("budi@example.ac.id".parse().unwrap());
    generic_says(&record, "refuse | Layanan yang dimohon tidak disertai alamat surel");
}

#[test]
fn one_account_per_holder_is_a_conflict_that_does_not_show_the_whole_address() {
    let mut record = lecturer();
    record.applicant.category = "student".into();
    record.applicant.identifier = "2026100123".into();
    let facts = Facts { holder_has: vec!["budi@student.example.ac.id".into()], ..Facts::default() };
    let (reasons, alternatives) = conflict(&record, &generic(), &facts);
    assert_eq!(reasons, ["Pemegang nomor identitas ini sudah memiliki akun (b…@student.example.ac.id)."]);
    assert!(alternatives.is_empty());
    // The procedure's own rule allows others more than one.
    assert_eq!(decided(&lecturer(), &generic(), &facts).verdict.as_str(), "permit");
}

#[test]
fn what_is_looked_up_is_bounded_and_begins_with_the_wish() {
    let mut record = lecturer();
    record.account.address = Some("budi@example.ac.id".parse().unwrap());
    record.account.username = Some("boedi".parse().unwrap());
    let names = names_to_look_up(&record, &generic());
    assert_eq!(names[0], "budi@example.ac.id");
    assert!(names.contains(&"boedi".to_owned()) && names.contains(&"budi2@example.ac.id".to_owned()));
    assert_eq!(names.len(), MAX_NAMES);
    record.applicant.category = "alien".into();
    assert!(names_to_look_up(&record, &generic()).is_empty());
}

#[test]
fn a_stranger_who_may_hold_the_wished_address_is_not_written_to() {
    let mut record = unit();
    record.applicant.email = record.account.address.clone();
    let judgement = decided(&record, &generic(), &taken(&["humas@example.ac.id"]));
    assert_eq!(judgement.verdict.as_str(), "refuse");
    assert_eq!(judgement.notices[0].detail.to, Some(crate::model::Recipient::Responsible));
    record.responsible = None;
    assert!(decided(&record, &generic(), &taken(&["humas@example.ac.id"])).notices.is_empty());
}

#[test]
fn a_hotspot_procedure_needs_no_addresses_at_all() {
    let procedure = parse(
        "hotspot.toml",
        r#"
akund = 1
name = "hotspot"
title = "Akun hotspot"
institution = "Uji"
[[category]]
name = "lecturer"
route = "provision"
[services]
default = ["hotspot"]
[delivery]
channels = ["sms"]
"#,
    );
    let judgement = judged(&lecturer(), &procedure);
    let grant = judgement.verdict.grant().unwrap_or_else(|| panic!("{}", said(&judgement)));
    assert_eq!(
        (grant.account.address.as_ref(), grant.names.as_slice()),
        (None, ["budi.santoso".to_owned()].as_slice())
    );
    let mut record = lecturer();
    record.account.address = Some("budi@example.ac.id".parse().unwrap());
    says(&record, &procedure, "refuse | Layanan yang dimohon tidak disertai alamat surel");
}
