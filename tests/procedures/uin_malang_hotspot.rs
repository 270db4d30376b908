//! SOP B-21: its good path, and every other branch.

use crate::branches;
use crate::institution::{Institution, corrected, edited, rows, unmet, without};
use crate::office::Engine;

#[tokio::test(flavor = "multi_thread")]
async fn uin_malang_hotspot() {
    let malang = Institution::open("uin-malang-hotspot", Engine::Sqlite);
    let daemon = malang.start();
    an_event_gets_a_hotspot_account_by_mail(&malang);
    accounts_of_students_exist_automatically_and_all_who_ask_are_redirected(&malang);
    without_a_form_it_is_sent_and_the_request_held(&malang);
    a_refusal_is_told_with_its_reason(&malang);
    a_taken_user_name_is_answered_by_a_corrected_request(&malang);
    a_missing_decision_is_supplied_by_a_higher_revision_alone(&malang);
    what_is_signed_by_others_is_no_request(&malang);
    a_decision_before_the_form_is_none(&malang);
    a_mail_server_that_refuses_undoes_nothing(&malang);
    malang.close(daemon);
}

/// The sample for another event of this user name, whose mail goes elsewhere.
fn event(malang: &Institution, id: &str, name: &str) -> String {
    malang.good(&[("T-2026-0201", id), ("semnas-matematika", name), ("nur.hasanah@", &format!("{name}@"))])
}

fn an_event_gets_a_hotspot_account_by_mail(malang: &Institution) {
    let text = malang.sample("1-event.toml");
    malang.ask("event.toml", &text, "T-2026-0201@1", "done");
    let password = malang.password("nur.hasanah@example.org", "T-2026-0201");
    assert!(malang.office.hotspot_takes("semnas-matematika", &password));
    assert!(!malang.office.hotspot_takes("semnas-matematika", "salah"));
    let outcome = malang.outcome("T-2026-0201@1");
    assert_eq!(unmet(&outcome), [""; 0]);
    assert_eq!(rows(&outcome), ["1", "2", "3", "4", "5", "6"].map(String::from).into());
    assert!(outcome["account"]["ends_at"].is_string() && outcome["account"]["address"].is_null(), "{outcome:#}");
    // The same file again is the same request.
    let told = malang.everything_told().len();
    malang.hand_in("again.toml", &text);
    malang.hand_in("other.toml", &edited(&text, &[("Nur Hasanah", "Nur Hasanuddin")]));
    let reason = malang.rejected("other.toml");
    assert!(reason.contains("was accepted before with other content"), "{reason}");
    malang.comes_to("T-2026-0201@1", "done");
    assert_eq!((malang.office.site.states().len(), malang.everything_told().len()), (1, told));
}

fn accounts_of_students_exist_automatically_and_all_who_ask_are_redirected(malang: &Institution) {
    let lecturer = malang.sample("2-lecturer.toml");
    malang.ask("lecturer.toml", &lecturer, "T-2026-0202@1", "redirected");
    let told = malang.told("siti.maryam@example.org", "T-2026-0202");
    assert!(told.contains("https://simpeg.uin-malang.ac.id/"), "{told}");
    let student = edited(
        &lecturer,
        &[
            ("T-2026-0202", "T-2026-0203"),
            ("\"lecturer\"", "\"student\""),
            ("198604122014042003", "260401110031"),
            ("siti.maryam", "mahasiswa"),
        ],
    );
    malang.ask("student.toml", &student, "T-2026-0203@1", "redirected");
    assert!(malang.told("mahasiswa@example.org", "T-2026-0203").contains("https://siakad.uin-malang.ac.id/"));

    malang.hand_in_by("siakad", "mahasiswa.toml", edited(&student, &[("T-2026-0203", "SIAKAD-260401110031")]));
    malang.comes_to("SIAKAD-260401110031@1", "done");
    let password = malang.password("mahasiswa@example.org", "SIAKAD-260401110031");
    assert!(malang.office.hotspot_takes("260401110031", &password));
    malang.hand_in_by("siakad", "dosen.toml", edited(&lecturer, &[("T-2026-0202", "SIAKAD-1")]));
    let reason = malang.rejected("dosen.toml");
    assert!(reason.contains("source siakad may not ask for the"), "{reason}");
}

fn without_a_form_it_is_sent_and_the_request_held(malang: &Institution) {
    let text = event(malang, "T-2026-0204", "semnas-fisika");
    let bare = without(&without(&text, "[[document]]", "\"form\""), "[[approval]]", "head");
    malang.ask("bare.toml", &bare, "T-2026-0204@1", "held");
    let told = malang.told("panitia.matematika@example.org", "T-2026-0204");
    assert!(told.contains("https://ptipd.uin-malang.ac.id/formulir-hotspot"), "{told}");
    let (code, said) = malang.akund(&["release", "T-2026-0204", "--reason", "mendesak"]);
    assert_ne!(code, 0, "{said}");
    malang.ask("whole.toml", &corrected(&text), "T-2026-0204@2", "done");
    let password = malang.password("semnas-fisika@example.org", "T-2026-0204");
    assert!(malang.office.hotspot_takes("semnas-fisika", &password));
}

fn a_refusal_is_told_with_its_reason(malang: &Institution) {
    let text = event(malang, "T-2026-0205", "semnas-kimia");
    let reason = "decision = \"refused\"\nreason = \"Kegiatan di luar kampus.\"";
    malang.ask("refused.toml", &edited(&text, &[("decision = \"approved\"", reason)]), "T-2026-0205@1", "refused");
    let told = malang.told("panitia.matematika@example.org", "T-2026-0205");
    assert!(told.contains("Kegiatan di luar kampus."), "{told}");
    assert!(!malang.office.hotspot_takes("semnas-kimia", "apa pun"));
}

fn a_taken_user_name_is_answered_by_a_corrected_request(malang: &Institution) {
    let text = edited(
        &event(malang, "T-2026-0206", "semnas-fisika"),
        &[("semnas-fisika@", "lain@"), ("panitia.matematika@", "panitia.lain@")],
    );
    malang.ask("taken.toml", &text, "T-2026-0206@1", "conflicted");
    let told = malang.told("panitia.lain@example.org", "T-2026-0206");
    let offered = malang.outcome("T-2026-0206@1")["alternatives"][0].as_str().unwrap().to_owned();
    assert!(told.contains("semnas-fisika sudah dipakai") && told.contains(&format!("- {offered}\n")), "{told}");
    let again = corrected(&edited(&text, &[("\"semnas-fisika\"", &format!("\"{offered}\""))]));
    malang.ask("free.toml", &again, "T-2026-0206@2", "done");
    assert!(malang.office.hotspot_takes(&offered, &malang.password("lain@example.org", "T-2026-0206")), "{offered}");
}

fn a_missing_decision_is_supplied_by_a_higher_revision_alone(malang: &Institution) {
    let text = event(malang, "T-2026-0207", "semnas-biologi");
    malang.ask("undecided.toml", &without(&text, "[[approval]]", "head"), "T-2026-0207@1", "held");
    let told = malang.told("panitia.matematika@example.org", "T-2026-0207");
    assert!(told.contains("Persetujuan Kepala Pusat TIPD belum ada."), "{told}");
    let (code, said) = malang.akund(&["release", "T-2026-0207", "--reason", "lisan"]);
    assert_ne!(code, 0, "{said}");
    malang.ask("decided.toml", &corrected(&text), "T-2026-0207@2", "done");
}

fn what_is_signed_by_others_is_no_request(malang: &Institution) {
    malang.key("head", "head@uin-malang-hotspot");
    malang.key("stranger", "head@another-procedure");
    let text = event(malang, "T-2026-0208", "semnas-statistika");
    malang.hand_in_signed("forged.toml", &edited(&text, &[("Fakultas Sains", "Fakultas Lain")]), "head", &text);
    let reason = malang.rejected("forged.toml");
    assert!(reason.contains("is not over this content"), "{reason}");
    malang.hand_in_signed("stranger.toml", &text, "stranger", &text);
    let reason = malang.rejected("stranger.toml");
    assert!(reason.contains("may not sign as head"), "{reason}");
    branches::what_nobody_has_signed_is_no_request(malang, &text);
    malang.hand_in_signed("signed.toml", &text, "head", &text);
    malang.comes_to("T-2026-0208@1", "done");
}

fn a_decision_before_the_form_is_none(malang: &Institution) {
    branches::a_decision_before_its_paper_is_none(
        malang,
        &event(malang, "T-2026-0209", "semnas-farmasi"),
        "T-2026-0209",
    );
}

fn a_mail_server_that_refuses_undoes_nothing(malang: &Institution) {
    let (text, to) = (event(malang, "T-2026-0210", "semnas-gizi"), "semnas-gizi@example.org");
    let password =
        branches::a_mail_server_that_refuses_holds_up_the_notice_and_undoes_nothing(malang, &text, to, "T-2026-0210");
    assert!(malang.office.hotspot_takes("semnas-gizi", &password));
}
