//! Every sentence, in both languages, as reviewed text: `snapshots/`.

use super::file::{DocumentField, Field, Language};
use super::problem::{Problem, Who};
use super::testing::day;
use crate::model::Action;
use std::fmt::Write;

fn own(text: &str) -> String {
    text.to_owned()
}

fn about_the_account() -> Vec<Problem> {
    vec![
        Problem::UnknownCategory { category: own("alien") },
        Problem::ActionNotAllowed { action: Action::Remove },
        Problem::IdentifierForm { identifier: own("12"), means: Some(own("NIP, 18 angka")) },
        Problem::IdentifierForm { identifier: own("12"), means: None },
        Problem::OwnAddress { who: Who::Applicant, address: own("humas@example.ac.id") },
        Problem::DomainNotAllowed { address: own("a@b.org"), domains: vec![own("x.id"), own("y.id")] },
        Problem::NameReserved { name: own("root") },
        Problem::NameForm { name: own("a--b") },
        Problem::NameNotByRule { name: own("boss") },
        Problem::NoAddressForServices { address: own("humas@example.ac.id") },
        Problem::ServiceNotAllowed { service: own("vpn") },
        Problem::ServiceWithoutTarget { service: own("mail") },
        Problem::QuotaTooLarge,
        Problem::QuotaNotChosen,
        Problem::GroupNotAllowed { group: own("vip") },
        Problem::ExpiresPast { day: day("2026-06-30") },
        Problem::ExpiresTooFar { day: day("2027-06-30"), latest: day("2027-01-31") },
        Problem::NoSuchAccount,
        Problem::AccountState { action: Action::Reset, state: own("suspended") },
        Problem::AccountState { action: Action::Resume, state: own("active") },
        Problem::AccountState { action: Action::Change, state: own("removed") },
        Problem::AccountOfOtherCategory,
        Problem::AccountOfOtherHolder,
        Problem::AccountEnded,
        Problem::TooManyAliases { most: 10 },
        Problem::NothingToChange,
        Problem::NameCannotBeMade,
        Problem::NameTaken { name: own("humas@example.ac.id") },
        Problem::AllNamesTaken,
        Problem::HolderHas { addresses: vec![own("h…@example.ac.id")] },
        Problem::UnitHas { unit: own("Biro Humas"), addresses: vec![own("h…@example.ac.id")] },
        Problem::AccountNotOurs { name: own("humas@example.ac.id"), targets: vec![own("mail")] },
        Problem::BudgetUsedUp { target: own("mail"), budget: 20 },
    ]
}

fn about_the_papers() -> Vec<Problem> {
    let letter = || own("Surat permohonan");
    let head = || own("Kepala Pusat");
    vec![
        Problem::FieldMissing { field: Field::ApplicantUnit },
        Problem::FieldMissing { field: Field::ResponsiblePhone },
        Problem::FieldMissing { field: Field::AccountAddress },
        Problem::ResponsibleMissing,
        Problem::ExpiresMissing,
        Problem::DocumentMissing { title: letter() },
        Problem::DocumentDetailMissing { title: letter(), field: DocumentField::Number },
        Problem::DocumentDetailMissing { title: letter(), field: DocumentField::Register },
        Problem::DocumentInFuture { title: letter() },
        Problem::DocumentTooOld { title: letter(), days: 90 },
        Problem::DocumentAfterApprovals { title: letter() },
        Problem::DocumentUnknown { kind: own("leter") },
        Problem::FormMissing { title: own("Formulir permohonan") },
        Problem::ApprovalMissing { title: head() },
        Problem::ApprovalOutOfOrder { title: own("Kabid"), after: head() },
        Problem::ApprovalsBackwards { earlier: head(), later: own("Kabid") },
        Problem::ApprovalInFuture { title: head() },
        Problem::ApprovalTooOld { title: head(), days: 30 },
        Problem::ApprovalUnknownRole { role: own("boss") },
        Problem::ApprovalWithoutName { title: head() },
        Problem::ApprovalUnsigned { title: head() },
        Problem::SamePersonTwice { by: own("Bambang") },
        Problem::ApprovalRefused { title: head(), reason: own("data belum lengkap") },
        Problem::ApprovalRefused { title: head(), reason: own(" ") },
        Problem::NoContact { who: Who::Applicant, email: true, phone: false },
        Problem::NoContact { who: Who::Responsible, email: true, phone: true },
        Problem::NoContact { who: Who::Responsible, email: false, phone: true },
    ]
}

#[test]
fn every_sentence_reads_as_it_was_reviewed() {
    let mut page = String::new();
    for problem in about_the_account().into_iter().chain(about_the_papers()) {
        let (id, en) = (problem.say(Language::Id), problem.say(Language::En));
        assert!(id.ends_with('.') && en.ends_with('.') && id != en, "{id} / {en}");
        let _ = writeln!(page, "{id}\n    {en}");
    }
    insta::assert_snapshot!(page);
}
