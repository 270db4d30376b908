//! The chain of approvals.

use super::routes::office_record;
use super::{generic_says, judged, says};
use crate::model::{Decision, Record};
use crate::procedure::testing::*;

fn office_says(change: impl Fn(&mut Record), expected: &str) {
    let mut record = office_record();
    change(&mut record);
    says(&record, &office(), expected);
}

#[test]
fn a_missing_approval_holds_the_request_and_is_named() {
    office_says(|r| drop(r.approvals.remove(1)), "hold incomplete | Persetujuan Kabid Aptika belum ada.");
    office_says(
        |r| r.approvals.clear(),
        "hold incomplete | Persetujuan Kepala Dinas belum ada. | Persetujuan Kabid Aptika belum ada. | Persetujuan Kasi PPI SPBE belum ada.",
    );
}

#[test]
fn the_wrong_order_holds_the_request() {
    office_says(
        |r| r.approvals.swap(0, 1),
        "hold incomplete | Persetujuan Kabid Aptika harus diberikan sesudah persetujuan Kepala Dinas.",
    );
}

#[test]
fn dates_that_run_backwards_hold_the_request() {
    office_says(
        |r| r.approvals[2].at = at("2026-11-18T08:59:59+07:00"),
        "Persetujuan Kasi PPI SPBE bertanggal sebelum persetujuan Plt. Kabid Aptika yang mendahuluinya.",
    );
    // The same instant is no step back.
    office_says(|r| r.approvals[2].at = r.approvals[1].at, "permit");
}

#[test]
fn a_date_may_lie_five_minutes_ahead_and_no_more() {
    office_says(|r| r.approvals[2].at = at("2026-11-20T09:05:00+07:00"), "permit");
    office_says(
        |r| r.approvals[2].at = at("2026-11-20T09:05:01+07:00"),
        "hold incomplete | Persetujuan Kasi PPI SPBE bertanggal di masa depan.",
    );
}

#[test]
fn an_old_approval_holds_the_request() {
    let mut record = office_record();
    record.documents[0].date = Some(day("2026-10-01"));
    record.approvals.iter_mut().for_each(|a| a.at = at("2026-10-21T09:00:00+07:00"));
    says(&record, &office(), "permit");
    record.approvals.iter_mut().for_each(|a| a.at = at("2026-10-20T09:00:00+07:00"));
    says(&record, &office(), "hold incomplete | Persetujuan Kasi PPI SPBE sudah lebih dari 30 hari.");
}

#[test]
fn a_refusal_refuses_with_its_reason_whatever_else_is_there() {
    let refuse = |r: &mut Record| {
        r.approvals[1].decision = Decision::Refused;
        r.approvals[1].reason = "Sudah ada akun, lihat https://evil.example/x".into();
    };
    office_says(refuse, "refuse | Permohonan tidak disetujui oleh Plt. Kabid Aptika: Sudah ada akun, lihat (…).");
    let later = |r: &mut Record| {
        refuse(r);
        r.approvals.push(approval("kabid", "Bambang", "2026-11-19T10:00:00+07:00"));
    };
    office_says(later, "refuse | Permohonan tidak disetujui oleh Plt. Kabid Aptika");
}

#[test]
fn alternatives_and_acting_officials_count_and_the_checklist_says_so() {
    let judgement = judged(&office_record(), &office());
    let found = |requirement: &str| {
        let check = judgement.checklist.iter().find(|c| c.requirement == requirement).unwrap();
        (check.found.clone(), check.sop.clone().unwrap_or_default())
    };
    assert_eq!(found("approval: head"), ("Agus (Sekretaris)".into(), "2".into()));
    assert_eq!(found("approval: kabid"), ("Bambang (pejabat pengganti: Plt. Kabid Aptika)".into(), "3".into()));
    assert_eq!(found("approval: kasi"), ("Citra".into(), "5".into()));
    // The secretary stands in for the head, but nobody said that the head's acting official may.
    office_says(|r| r.approvals[0].role = "kasi".into(), "Persetujuan Kepala Dinas belum ada.");
}

#[test]
fn nobody_gives_two_approvals_whatever_the_spelling() {
    office_says(
        |r| r.approvals[2].by = " BAMBANG".into(),
        "hold incomplete | BAMBANG memberikan lebih dari satu persetujuan",
    );
}

#[test]
fn an_approval_by_an_unknown_role_or_by_nobody_is_not_passed_over() {
    office_says(
        |r| r.approvals.push(approval("boss", "X", "2026-11-19T11:00:00+07:00")),
        "hold incomplete | Jabatan \"boss\" pada persetujuan tidak dikenal",
    );
    office_says(|r| r.approvals[0].by = "  ".into(), "tidak menyebutkan siapa yang memberikannya");
}

#[test]
fn an_approval_is_needed_only_with_the_actions_that_need_it() {
    let (mut record, facts) = existing(crate::model::Action::Reset);
    record.approvals.clear();
    assert_eq!(said(&decided(&record, &generic(), &facts)), "permit");
    for action in [crate::model::Action::Suspend, crate::model::Action::Resume] {
        let (mut record, facts) = existing(action);
        record.approvals.clear();
        assert_eq!(
            said(&decided(&record, &generic(), &facts)),
            "hold incomplete | Persetujuan Kepala Pusat TIK belum ada."
        );
    }
    let mut record = lecturer();
    record.approvals.clear();
    generic_says(&record, "hold incomplete | Persetujuan Kepala Pusat TIK belum ada.");
}

#[test]
fn one_approval_does_not_fill_two_links() {
    let text = include_str!("../../../../tests/corpus/procedures/good/office-email.toml");
    let doubled = text.replacen(
        "[[approval]]\nrole = \"kabid\"",
        "[[approval]]\nrole = \"secretary\"\n\n[[approval]]\nrole = \"kabid\"",
        1,
    );
    assert_ne!(text, doubled);
    let procedure = parse("office-email.toml", &doubled);
    says(&office_record(), &procedure, "hold incomplete | Persetujuan Sekretaris belum ada.");
}
