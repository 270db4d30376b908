//! Categories, routes and sources; the three procedures as they should run.

use super::{generic_says, judged, says};
use crate::model::{Action, Facts, HoldReason, NoticeKind, Recipient, Verdict};
use crate::procedure::problem::Class;
use crate::procedure::testing::*;

fn from(source: &str) -> Facts {
    Facts { source: source.into(), ..Facts::default() }
}

#[test]
fn a_complete_request_is_permitted_with_everything_decided() {
    let judgement = judged(&lecturer(), &generic());
    let Verdict::Permit { grant } = &judgement.verdict else { panic!("{}", said(&judgement)) };
    assert_eq!(grant.account.address.as_ref().map(|a| a.as_str()), Some("budi.santoso@example.ac.id"));
    assert_eq!(grant.account.username.as_str(), "budi.santoso");
    assert_eq!((grant.account.given_name.as_str(), grant.account.family_name.as_str()), ("Budi", "Santoso"));
    assert_eq!(grant.account.name, "Dr. Budi Santoso, M.Kom.");
    assert_eq!(grant.account.services, ["mail", "hotspot"]);
    assert_eq!(grant.account.quota.map(|q| q.0), Some(10_000_000_000));
    assert_eq!(grant.account.group.as_deref(), Some("dosen"));
    assert_eq!(grant.account.uid, UID);
    assert_eq!(grant.names, ["budi.santoso@example.ac.id", "budi.santoso"]);
    assert!(judgement.checklist.iter().all(|c| c.met), "{:#?}", judgement.checklist);
    assert!(judgement.notices.is_empty());
    assert_eq!(judgement.procedure_sha256, generic().sha256());
    assert_eq!(judgement.texts["institution"], "Universitas Contoh");
}

#[test]
fn an_unknown_category_is_refused() {
    let mut record = lecturer();
    record.applicant.category = "alien".into();
    generic_says(&record, "refuse | Kategori pemohon \"alien\" tidak dikenal");
}

#[test]
fn a_category_may_be_refused_with_its_reason() {
    let mut record = lecturer();
    record.applicant.category = "alumni".into();
    generic_says(&record, "refuse | Akun bagi alumni tidak dilayani dalam prosedur ini.");
}

#[test]
fn a_redirected_applicant_gets_the_instructions_and_nothing_is_planned() {
    let mut record = lecturer();
    record.applicant.category = "student".into();
    record.approvals.clear();
    let judgement = judged(&record, &campus());
    assert_eq!(judgement.verdict, Verdict::Redirect { instructions: "siakad".into() });
    assert!(judgement.plan.is_empty());
    let [notice] = judgement.notices.as_slice() else { panic!("{:?}", judgement.notices) };
    assert_eq!(notice.detail.notice, Some(NoticeKind::Redirect));
    assert_eq!(notice.detail.to, Some(Recipient::Applicant));
    assert_eq!(notice.detail.sop.as_deref(), Some("2"));
    assert_eq!(judgement.texts["instructions"], "Aktifkan alamat Anda di Siakad, menu Profil.");
}

#[test]
fn the_source_decides() {
    let mut record = lecturer();
    record.applicant.category = "student".into();
    record.approvals.clear();
    assert_eq!(decided(&record, &campus(), &from("siakad")).verdict.as_str(), "permit");
    assert_eq!(decided(&record, &campus(), &from("simpeg")).verdict.as_str(), "redirect");
    assert_eq!(decided(&record, &campus(), &from("local")).verdict.as_str(), "redirect");
}

#[test]
fn without_its_form_a_request_is_held_and_the_form_sent() {
    let (procedure, mut record) = campus_unit();
    record.documents.clear();
    record.approvals.clear();
    let judgement = judged(&record, &procedure);
    let Verdict::Hold { reason, missing, grant } = &judgement.verdict else { panic!("{}", said(&judgement)) };
    assert_eq!((*reason, grant), (HoldReason::Form, &None));
    assert_eq!(missing, &["Formulir permohonan belum disertakan; mohon diisi dan disampaikan."]);
    assert_eq!(judgement.notices[0].detail.notice, Some(NoticeKind::Form));
    assert!(judgement.plan.is_empty());
    assert!(judgement.texts["instructions"].starts_with("Isi formulir"));
}

/// The campus procedure and a unit's request that it permits.
fn campus_unit() -> (crate::procedure::Procedure, crate::model::Record) {
    let mut record = unit();
    record.account.address = Some("humas@fakultas.kampus.example".parse().unwrap());
    record.documents = vec![document("form"), document("ticket")];
    (campus(), record)
}

#[test]
fn with_its_form_the_same_request_is_permitted_under_a_new_subdomain() {
    let (procedure, record) = campus_unit();
    let judgement = judged(&record, &procedure);
    assert_eq!(said(&judgement), "permit");
    let sops: Vec<_> = judgement.plan.iter().map(|s| s.detail.sop.clone().unwrap_or_default()).collect();
    assert_eq!(sops, ["5", "5", "5", "6"]);
    assert_eq!(judgement.plan[3].detail.to, Some(Recipient::Responsible));
    let check = judgement.checklist.iter().find(|c| c.requirement == "approval: head").unwrap();
    assert_eq!((check.met, check.found.as_str(), check.sop.as_deref()), (true, "Siti Aminah", Some("4")));
}

#[test]
fn a_form_without_the_leaders_signature_is_incomplete() {
    let (procedure, mut record) = campus_unit();
    record.documents[0].signed_by.clear();
    says(&record, &procedure, "hold incomplete | Formulir permohonan: penanda tangan belum disebutkan.");
}

#[test]
fn a_category_may_be_spoken_to_in_english() {
    let mut record = lecturer();
    record.applicant.category = "visitor".into();
    record.documents.clear();
    let judgement = judged(&record, &campus());
    assert_eq!(said(&judgement), "hold form | The application form is missing; please fill it in and hand it in.");
    assert_eq!(judgement.notices[0].detail.language.as_deref(), Some("en"));
    assert_eq!(judgement.texts["institution"], "Universitas Uji");
    assert_eq!(judgement.texts["title"], "New e-mail address");
    assert_eq!(judgement.texts["siakad"], "Activate your address in Siakad, menu Profile.");
}

#[test]
fn a_form_is_needed_only_with_the_actions_that_need_it() {
    let (mut record, facts) = existing(Action::Suspend);
    record.applicant.category = "unit".into();
    record.responsible = Some(person("Rina", "rina@example.org"));
    record.applicant.identifier = "1".into();
    let mut facts = facts;
    facts.account.as_mut().unwrap().category = "unit".into();
    let procedure = generic_with("required = [\"account.address\", \"responsible.identifier\"]", "required = []");
    assert_eq!(said(&decided(&record, &procedure, &facts)), "permit");
}

#[test]
fn a_category_under_review_is_held_with_its_grant_and_plan() {
    let mut record = lecturer();
    record.applicant.category = "guest".into();
    record.account.expires = Some(day("2026-12-01"));
    let judgement = judged(&record, &generic());
    let Verdict::Hold { reason, grant: Some(grant), .. } = &judgement.verdict else { panic!("{}", said(&judgement)) };
    assert_eq!(*reason, HoldReason::Review);
    assert_eq!(grant.account.address, None);
    assert_eq!(grant.account.services, ["hotspot"]);
    assert_eq!(
        judgement.plan.iter().map(|s| s.lane.as_str()).collect::<Vec<_>>(),
        ["credentials", "radius", "radius", "email"]
    );
    assert!(judgement.notices.is_empty());
}

#[test]
fn an_office_goes_through_its_chain_and_is_told_by_sms() {
    let judgement = judged(&office_record(), &office());
    assert_eq!(said(&judgement), "permit");
    let last = judgement.plan.last().unwrap();
    assert_eq!(
        (last.lane.as_str(), last.detail.to.clone(), last.detail.sop.as_deref()),
        ("sms", Some(Recipient::Responsible), Some("12"))
    );
}

/// An office's request that its procedure permits.
pub(super) fn office_record() -> crate::model::Record {
    let mut record = unit();
    record.applicant.category = "office".into();
    record.account.address = Some("bappeda@kab.example".parse().unwrap());
    record.documents = vec![document("letter")];
    record.approvals = vec![
        approval("secretary", "Agus", "2026-11-17T09:00:00+07:00"),
        approval("acting-kabid", "Bambang", "2026-11-18T09:00:00+07:00"),
        approval("kasi", "Citra", "2026-11-19T09:00:00+07:00"),
    ];
    record
}

#[test]
fn a_refusal_goes_before_everything_that_is_missing_and_names_all_reasons() {
    let mut record = lecturer();
    record.action = Action::Remove;
    record.applicant.identifier = "12".into();
    record.applicant.email = None;
    record.approvals.clear();
    let judgement = judged(&record, &generic());
    let Verdict::Refuse { reasons } = &judgement.verdict else { panic!("{}", said(&judgement)) };
    assert_eq!(reasons.len(), 3, "{reasons:#?}");
    assert!(judgement.checklist.iter().any(|c| c.requirement == "field: applicant.email" && !c.met));
    assert!(Class::Refuse < Class::Form && Class::Form < Class::Incomplete && Class::Incomplete < Class::Conflict);
}

#[test]
fn nobody_is_told_of_an_unknown_procedure_or_of_a_source_without_rights() {
    let judgement = crate::procedure::decide_unknown_procedure(&lecturer());
    assert_eq!(judgement.verdict.as_str(), "refuse");
    assert!(judgement.notices.is_empty() && judgement.plan.is_empty());
    let judgement = crate::procedure::refuse_by_source(vec!["no".into()]);
    assert_eq!(said(&judgement), "refuse | no");
}
