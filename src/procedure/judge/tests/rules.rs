//! Fields, documents, contact, services, quota, group, end dates.

use super::super::documents::age_days;
use super::{generic_says, judged, says};
use crate::model::{Quota, Verdict};
use crate::procedure::testing::*;

#[test]
fn every_required_field_that_is_empty_is_named() {
    let mut record = lecturer();
    record.applicant.identifier.clear();
    record.applicant.unit = "  ".into();
    generic_says(&record, "hold incomplete | Nomor identitas pemohon belum diisi. | Unit kerja pemohon belum diisi.");
}

#[test]
fn an_identifier_must_match_as_a_whole() {
    for identifier in ["12345678901234567", "x198501012015041003", "198501012015041003 "] {
        let mut record = lecturer();
        record.applicant.identifier = identifier.into();
        generic_says(&record, "mohon isi NIP, 18 angka.");
    }
}

#[test]
fn a_unit_must_name_the_responsible_person() {
    let mut record = unit();
    record.responsible = None;
    generic_says(&record, "Penanggung jawab akun belum disebutkan.");
}

#[test]
fn documents_must_be_there_with_their_details_and_likely_dates() {
    let letter = |change: &dyn Fn(&mut crate::model::Document)| {
        let mut record = unit();
        change(&mut record.documents[1]);
        record
    };
    generic_says(&letter(&|d| d.kind = "form".into()), "Surat permohonan belum disertakan.");
    generic_says(&letter(&|d| d.number.clear()), "Surat permohonan: nomor belum disebutkan.");
    generic_says(&letter(&|d| d.date = None), "Surat permohonan: tanggal belum disebutkan.");
    generic_says(&letter(&|d| d.date = Some(day("2026-11-21"))), "Surat permohonan bertanggal di masa depan.");
    generic_says(&letter(&|d| d.date = Some(day("2026-11-19"))), "Surat permohonan bertanggal sesudah persetujuan");
    generic_says(&letter(&|d| d.kind = "leter".into()), "Jenis dokumen \"leter\" tidak dikenal");
    let mut record = unit();
    record.documents[0].date = Some(day("2026-05-01"));
    generic_says(&record, "Formulir permohonan akun sudah lebih dari 180 hari.");
    record.documents[0].date = Some(day("2026-05-24"));
    generic_says(&record, "permit");
    let mut record = super::routes::office_record();
    record.documents[0].register = " ".into();
    says(&record, &office(), "Surat permohonan: nomor agenda surat masuk belum disebutkan.");
}

#[test]
fn a_document_of_today_is_not_of_the_future_even_where_it_is_yesterday_in_utc() {
    // 06:30 in Jakarta is 23:30 of the day before in UTC.
    let mut record = unit();
    record.documents[1].date = Some(day("2026-11-20"));
    record.approvals = vec![approval("head", "Siti", "2026-11-20T06:00:00+07:00")];
    let judgement = crate::procedure::decide(
        &record,
        &generic(),
        &site(),
        &Default::default(),
        UID,
        at("2026-11-20T06:30:00+07:00"),
    );
    assert_eq!(said(&judgement), "permit");
}

#[test]
fn ages_are_counted_in_whole_days() {
    assert_eq!(age_days(day("2026-01-01"), day("2026-12-31")), 364);
    assert_eq!(age_days(day("2026-12-31"), day("2026-12-30")), -1);
}

#[test]
fn without_a_contact_that_a_channel_reaches_nothing_is_made() {
    let mut record = lecturer();
    record.applicant.email = None;
    generic_says(&record, "Surel pemohon belum ada, sehingga akun tidak dapat diserahkan.");
    let mut record = unit();
    record.responsible.as_mut().unwrap().email = None;
    generic_says(&record, "Surel penanggung jawab belum ada");
    let mut record = super::routes::office_record();
    record.responsible.as_mut().unwrap().phone = None;
    record.responsible.as_mut().unwrap().email = None;
    says(&record, &office(), "Surel atau nomor telepon penanggung jawab belum ada");
}

#[test]
fn credentials_never_go_into_the_account_that_they_open() {
    let mut record = unit();
    record.applicant.email = record.account.address.clone();
    generic_says(&record, "refuse | Surel pemohon (humas@example.ac.id) adalah alamat akun itu sendiri");
    let mut record = unit();
    record.responsible.as_mut().unwrap().email = record.account.address.clone();
    generic_says(&record, "refuse | Surel penanggung jawab (humas@example.ac.id)");
    // Also where the naming rule chose it.
    let mut record = lecturer();
    record.applicant.email = Some("budi.santoso@example.ac.id".parse().unwrap());
    let judgement = judged(&record, &generic());
    assert!(
        said(&judgement).starts_with("refuse | Surel pemohon (budi.santoso@example.ac.id)"),
        "{}",
        said(&judgement)
    );
}

#[test]
fn services_quota_and_group_are_what_the_category_allows() {
    let mut record = lecturer();
    record.account.services = vec!["mail".into(), "vpn".into()];
    generic_says(&record, "refuse | Layanan \"vpn\" tidak tersedia");
    let mut record = lecturer();
    record.account.quota = Some(Quota(50_000_000_001));
    generic_says(&record, "refuse | Kuota yang dimohon melebihi batas");
    record.account.quota = Some(Quota(50_000_000_000));
    generic_says(&record, "permit");
    let mut record = lecturer();
    record.account.group = Some("root".into());
    generic_says(&record, "refuse | Profil \"root\" tidak tersedia");
    let (mut record, procedure) = (super::routes::office_record(), office());
    record.account.quota = Some(Quota(1));
    says(&record, &procedure, "refuse | Kuota tidak dapat dipilih");
}

#[test]
fn a_service_that_no_target_provides_is_never_granted() {
    let mut bare = site();
    bare.targets.remove(1);
    let judgement = crate::procedure::decide(&lecturer(), &generic(), &bare, &Default::default(), UID, now());
    assert_eq!(said(&judgement), "refuse | Layanan \"hotspot\" saat ini tidak tersedia di sistem kami.");
}

#[test]
fn a_temporary_account_ends_with_its_last_valid_day_in_the_procedures_zone() {
    let mut record = unit();
    record.applicant.category = "event".into();
    generic_says(&record, "hold incomplete | Tanggal berakhir akun belum disebutkan.");
    let end = |expires: &str| {
        let mut record = record.clone();
        record.account.expires = Some(day(expires));
        let judgement = judged(&record, &generic());
        match &judgement.verdict {
            Verdict::Permit { grant } => grant.account.ends_at.map(|t| t.to_string()).unwrap_or_default(),
            _ => said(&judgement),
        }
    };
    assert_eq!(end("2027-06-30"), "2027-06-30T17:00:00Z");
    // Today is a day still.
    assert_eq!(end("2026-11-20"), "2026-11-20T17:00:00Z");
    assert_eq!(end("2026-11-19"), "refuse | Tanggal berakhir 19 November 2026 sudah lewat.");
    assert_eq!(end("2027-11-21"), "2027-11-21T17:00:00Z");
    assert_eq!(
        end("2027-11-22"),
        "refuse | Tanggal berakhir 22 November 2027 terlalu jauh; paling lambat 21 November 2027."
    );
    assert!(end("9999-12-31").starts_with("refuse"));
}

#[test]
fn a_default_end_is_counted_from_today() {
    let procedure = generic_with("# default_days = 1825", "default_days = 10");
    let judgement = judged(&lecturer(), &procedure);
    let ends_at = judgement.verdict.grant().and_then(|g| g.account.ends_at);
    assert_eq!(ends_at, Some(at("2026-12-01T00:00:00+07:00")));
}

#[test]
fn a_day_without_a_midnight_still_has_a_beginning() {
    // In Cairo the clocks go forward at midnight: 2026-04-24 begins at 01:00.
    let procedure = generic_with("time_zone = \"Asia/Jakarta\"", "time_zone = \"Africa/Cairo\"");
    let mut record = unit();
    record.applicant.category = "event".into();
    record.account.expires = Some(day("2026-04-23"));
    record.documents.iter_mut().for_each(|d| d.date = Some(day("2026-04-20")));
    record.approvals = vec![approval("head", "Siti", "2026-04-21T10:00:00+02:00")];
    let (now, facts) = (at("2026-04-22T10:00:00+02:00"), Default::default());
    let judgement = crate::procedure::decide(&record, &procedure, &site(), &facts, UID, now);
    let ends_at = judgement.verdict.grant().and_then(|g| g.account.ends_at);
    assert_eq!(ends_at, Some(at("2026-04-24T01:00:00+03:00")), "{}", said(&judgement));
}
