//! SOP B-23: its good path, and every other branch.

use crate::branches;
use crate::institution::{Institution, corrected, edited, rows, unmet, without};
use crate::office::Engine;

#[tokio::test(flavor = "multi_thread")]
async fn uin_malang_email() {
    let malang = Institution::open("uin-malang-email", Engine::Sqlite);
    let daemon = malang.start();
    a_unit_gets_an_address_under_a_new_subdomain(&malang).await;
    students_go_to_siakad_unless_siakad_hands_them_in(&malang).await;
    without_a_form_it_is_sent_and_the_request_held(&malang).await;
    a_refusal_is_told_with_its_reason(&malang);
    a_taken_address_is_answered_by_a_corrected_request(&malang).await;
    a_missing_decision_is_supplied_by_a_higher_revision_alone(&malang);
    what_is_signed_by_others_is_no_request(&malang);
    a_decision_before_the_form_is_none(&malang);
    a_mail_server_that_refuses_undoes_nothing(&malang).await;
    who_is_not_served_is_told(&malang);
    malang.close(daemon);
}

async fn a_unit_gets_an_address_under_a_new_subdomain(malang: &Institution) {
    let text = malang.sample("1-unit.toml");
    malang.ask("unit.toml", &text, "T-2026-0101@1", "done");
    let (address, password) =
        ("humas@syariah.uin-malang.ac.id", malang.password("rina.wulandari@example.org", "T-2026-0101"));
    assert!(malang.office.imap_takes(address, &password).await);
    assert!(malang.office.mail.deliver(address, "Selamat datang"), "the new subdomain takes mail");
    malang.office.mails(1, address, &password).await;
    let outcome = malang.outcome("T-2026-0101@1");
    assert_eq!(unmet(&outcome), [""; 0]);
    assert_eq!(rows(&outcome), ["1", "2", "3", "4", "5", "6"].map(String::from).into());
    for half in ["address free in the register", "address free at the targets"] {
        let checks = outcome["checklist"].as_array().unwrap();
        assert!(checks.iter().any(|c| c["requirement"] == half && c["met"] == true), "{half}");
        assert!(malang.akund(&["show", "T-2026-0101"]).1.contains(half), "{half}");
    }
    let proven = outcome["steps"].as_array().unwrap().iter().find(|s| s["verb"] == "prove").unwrap();
    assert_eq!(proven["proof"], "login");
    // The same file again is the same request; other words under its id are none.
    let told = malang.everything_told().len();
    malang.hand_in("again.toml", &text);
    malang.hand_in("other.toml", &edited(&text, &[("Rina Wulandari", "Rina Wulansari")]));
    let reason = malang.rejected("other.toml");
    assert!(reason.contains("was accepted before with other content"), "{reason}");
    malang.comes_to("T-2026-0101@1", "done");
    assert_eq!(malang.office.site.states().len(), 1);
    assert_eq!(malang.everything_told().len(), told, "and nobody is told twice");
}

async fn students_go_to_siakad_unless_siakad_hands_them_in(malang: &Institution) {
    malang.ask("student.toml", &malang.sample("2-student.toml"), "T-2026-0102@1", "redirected");
    let told = malang.told("dewi.lestari@example.org", "T-2026-0102");
    assert!(told.contains("https://siakad.uin-malang.ac.id/") && told.contains("Masuk ke Siakad"), "{told}");
    let steps = malang.outcome("T-2026-0102@1")["steps"].clone();
    assert_eq!((steps.as_array().unwrap().len(), &steps[0]["sop"]), (1, &"2".into()), "nothing but the answer");

    let rows = malang.sample("5-siakad.csv");
    malang.hand_in_by("siakad", "mahasiswa.csv", &rows);
    for (number, mail) in [("260401110011", "adi.nugroho"), ("260401110012", "sri.rahayu")] {
        malang.comes_to(&format!("SIAKAD-{number}@1"), "done");
        let address = format!("{number}@student.uin-malang.ac.id");
        let password = malang.password(&format!("{mail}@example.org"), &format!("SIAKAD-{number}"));
        assert!(malang.office.imap_takes(&address, &password).await, "{address}");
    }
    // The right to it is the source's, not the record's.
    let lecturer = edited(&rows, &[("student", "lecturer"), ("SIAKAD-2604011100", "SIAKAD-9904011100")]);
    malang.hand_in_by("siakad", "dosen.csv", lecturer);
    let reason = malang.rejected("dosen.csv");
    assert!(reason.contains("source siakad may not ask for the"), "{reason}");
    malang.hand_in("titipan.csv", &edited(&rows, &[("SIAKAD-2604011100", "TITIP-2604011100")]));
    malang.comes_to("TITIP-260401110011@1", "redirected");
}

async fn without_a_form_it_is_sent_and_the_request_held(malang: &Institution) {
    let text = malang.sample("3-event-without-form.toml");
    malang.ask("event.toml", &text, "T-2026-0103@1", "held");
    let told = malang.told("panitia.ekonomi@example.org", "T-2026-0103");
    assert!(told.contains("https://ptipd.uin-malang.ac.id/formulir-surel"), "{told}");
    assert!(told.starts_with("Yth. Konferensi Ekonomi Syariah,"), "the applicant is greeted who gets it: {told}");
    let (code, said) = malang.akund(&["release", "T-2026-0103", "--reason", "mendesak"]);
    assert_ne!(code, 0, "release stands in for no form: {said}");
    let papers = malang.sample("1-unit.toml");
    let papers = papers.split_once("[[document]]\nkind = \"form\"").unwrap().1;
    let whole = corrected(&format!("{text}\n[[document]]\nkind = \"form\"{papers}"));
    malang.ask("event-2.toml", &whole, "T-2026-0103@2", "done");
    let account = malang.outcome("T-2026-0103@2")["account"].clone();
    let address = account["address"].as_str().unwrap();
    assert_eq!(address, "konferensi.ekonomi.syariah@uin-malang.ac.id");
    assert!(account["ends_at"].is_string(), "an event ends: {account}");
    let password = malang.password("bambang.prakoso@example.org", "T-2026-0103");
    assert!(malang.office.imap_takes(address, &password).await);
}

fn a_refusal_is_told_with_its_reason(malang: &Institution) {
    malang.ask("refused.toml", &malang.sample("4-refused.toml"), "T-2026-0104@1", "refused");
    let told = malang.told("paguyuban@example.org", "T-2026-0104");
    assert!(told.contains("Paguyuban bukan unit kerja universitas."), "{told}");
    assert!(malang.outcome("T-2026-0104@1")["account"].is_null());
}

async fn a_taken_address_is_answered_by_a_corrected_request(malang: &Institution) {
    let text = malang.good(&[
        ("T-2026-0101", "T-2026-0105"),
        ("humas.syariah@", "kehumasan@"),
        ("Bagian Humas Fakultas Syariah", "Kehumasan Syariah"),
        ("rina.wulandari@", "wati@"),
    ]);
    malang.ask("taken.toml", &text, "T-2026-0105@1", "conflicted");
    let told = malang.told("kehumasan@example.org", "T-2026-0105");
    assert!(told.contains("humas@syariah.uin-malang.ac.id sudah dipakai"), "{told}");
    let offered = malang.outcome("T-2026-0105@1")["alternatives"][0].as_str().unwrap().to_owned();
    assert!(told.contains(&format!("- {offered}\n")), "{offered}: {told}");
    let again = corrected(&edited(&text, &[("humas@syariah.uin-malang.ac.id", &offered)]));
    malang.ask("free.toml", &again, "T-2026-0105@2", "done");
    let password = malang.password("wati@example.org", "T-2026-0105");
    assert!(malang.office.imap_takes(&offered, &password).await, "{offered}");
}

fn a_missing_decision_is_supplied_by_a_higher_revision_alone(malang: &Institution) {
    let text =
        malang.good(&[("T-2026-0101", "T-2026-0106"), ("humas@syariah", "arsip@syariah"), ("humas.syariah", "arsip")]);
    let bare = without(&format!("{text}\n"), "[[approval]]", "role = \"head\"");
    malang.ask("undecided.toml", &bare, "T-2026-0106@1", "held");
    assert!(malang.told("arsip@example.org", "T-2026-0106").contains("Persetujuan Kepala Pusat TIPD belum ada."));
    assert_eq!(unmet(&malang.outcome("T-2026-0106@1")), ["approval: head"]);
    let (code, said) = malang.akund(&["release", "T-2026-0106", "--reason", "lisan"]);
    assert_ne!(code, 0, "{said}");
    malang.ask("decided.toml", &corrected(&text), "T-2026-0106@2", "done");
}

fn what_is_signed_by_others_is_no_request(malang: &Institution) {
    malang.key("head", "head@uin-malang-email");
    malang.key("staff", "staff@uin-malang-email");
    let text = malang.good(&[("T-2026-0101", "T-2026-0107"), ("humas@syariah", "prodi@syariah")]);
    malang.hand_in_signed("forged.toml", &edited(&text, &[("prodi@", "rahasia@")]), "head", &text);
    let reason = malang.rejected("forged.toml");
    assert!(reason.contains("is not over this content"), "{reason}");
    malang.hand_in_signed("by-staff.toml", &text, "staff", &text);
    let reason = malang.rejected("by-staff.toml");
    assert!(reason.contains("may not sign as head"), "{reason}");
    branches::what_nobody_has_signed_is_no_request(malang, &text);
    malang.hand_in_signed("signed.toml", &text, "head", &text);
    malang.comes_to("T-2026-0107@1", "done");
}

/// The sample for another unit.
fn unit(malang: &Institution, id: &str, local: &str) -> String {
    malang.good(&[
        ("T-2026-0101", id),
        ("humas@syariah", &format!("{local}@syariah")),
        ("humas.syariah", local),
        ("rina.wulandari@", &format!("pj.{local}@")),
    ])
}

fn a_decision_before_the_form_is_none(malang: &Institution) {
    branches::a_decision_before_its_paper_is_none(malang, &unit(malang, "T-2026-0108", "alumni"), "T-2026-0108");
}

async fn a_mail_server_that_refuses_undoes_nothing(malang: &Institution) {
    let (text, to) = (unit(malang, "T-2026-0109", "pmb"), "pj.pmb@example.org");
    let password =
        branches::a_mail_server_that_refuses_holds_up_the_notice_and_undoes_nothing(malang, &text, to, "T-2026-0109");
    assert!(malang.office.imap_takes("pmb@syariah.uin-malang.ac.id", &password).await);
}

fn who_is_not_served_is_told(malang: &Institution) {
    let text = unit(malang, "T-2026-0110", "tetangga");
    branches::who_is_not_served_is_told(malang, &text, "unit", "tetangga@example.org", "T-2026-0110");
}
