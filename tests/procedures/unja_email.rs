//! SOP-LPTIK-DAT-004: its good path, and every other branch, with Kannel and its fake SMS centre; and the good path over gammu-smsd
//! with its dummy phone.

use crate::branches;
use crate::daemon::Daemon;
use crate::gateway::Gateway;
use crate::institution::{Institution, corrected, edited, rows, unmet, without};
use crate::office::Engine;
use crate::peers::{Gammu, Kannel};

#[tokio::test(flavor = "multi_thread")]
async fn unja_email() {
    let gateway = Gateway::Kannel(Box::new(Kannel::start()));
    let jambi = Institution::with("unja-email", Engine::Sqlite, gateway);
    let mut daemon = jambi.start();
    a_lecturer_gets_address_and_password_by_sms(&jambi).await;
    an_event_ends_and_somebody_answers_for_it(&jambi).await;
    a_student_is_served_like_everybody_else(&jambi).await;
    a_problem_is_told_and_answered_by_a_corrected_request(&jambi).await;
    papers_and_decision_are_supplied_by_a_higher_revision_alone(&jambi);
    a_refusal_is_told_with_its_reason(&jambi);
    who_is_not_served_is_told(&jambi);
    what_is_signed_by_others_is_no_request(&jambi);
    an_address_is_changed_according_to_the_letter_of_change(&jambi).await;
    a_number_that_the_gateway_refuses_holds_up_the_notice_alone(&jambi).await;
    what_a_channel_refuses_goes_by_the_next_that_is_named(&jambi, &mut daemon).await;
    jambi.close(daemon);
}

#[tokio::test(flavor = "multi_thread")]
async fn unja_email_over_a_modem() {
    let jambi = Institution::with("unja-email", Engine::Sqlite, Gateway::Gammu(Gammu::start()));
    let daemon = jambi.start();
    a_lecturer_gets_address_and_password_by_sms(&jambi).await;
    an_event_ends_and_somebody_answers_for_it(&jambi).await;
    jambi.close(daemon);
}

/// The sample for another lecturer.
fn lecturer(jambi: &Institution, id: &str, name: &str, local: &str, digits: &str) -> String {
    jambi.good(&[
        ("F-2026-031", id),
        ("Dr. Ratna Dewi, M.Pd.", name),
        ("ratna.dewi@", &format!("{local}@")),
        ("ratna.pribadi@", &format!("{local}.pribadi@")),
        ("198502172010122005", &format!("19850217201012{digits}")),
        ("0812-3456-7807", &format!("0812-3456-{digits}")),
    ])
}

fn phone(digits: &str) -> String {
    format!("+628123456{digits}")
}

async fn a_lecturer_gets_address_and_password_by_sms(jambi: &Institution) {
    let text = jambi.sample("1-lecturer.toml");
    jambi.ask("lecturer.toml", &text, "F-2026-031@1", "done");
    let (address, password) = ("ratna.dewi@unja.ac.id", jambi.password(&phone("7807"), "F-2026-031"));
    assert!(jambi.office.imap_takes(address, &password).await);
    assert!(jambi.office.mail.deliver(address, "Selamat datang"));
    jambi.office.mails(1, address, &password).await;
    let outcome = jambi.outcome("F-2026-031@1");
    assert_eq!(unmet(&outcome), [""; 0]);
    assert_eq!(rows(&outcome), ["1", "2", "3", "5", "6"].map(String::from).into(), "row 4 is for problems");
    let checks = outcome["checklist"].as_array().unwrap();
    for half in ["address free in the register", "address free at the targets"] {
        assert!(checks.iter().any(|c| c["requirement"] == half && c["sop"] == "3"), "{half}: checked by two methods");
    }
    // The same file again is the same request.
    let told = jambi.everything_told().len();
    jambi.hand_in("again.toml", &text);
    jambi.hand_in("other.toml", &edited(&text, &[("Ratna Dewi", "Ratna Sari")]));
    let reason = jambi.rejected("other.toml");
    assert!(reason.contains("was accepted before with other content"), "{reason}");
    jambi.comes_to("F-2026-031@1", "done");
    assert_eq!((jambi.office.site.states().len(), jambi.everything_told().len()), (1, told));
}

async fn an_event_ends_and_somebody_answers_for_it(jambi: &Institution) {
    // Numbers of 0813 are on Kannel's black list.
    let text = edited(&jambi.sample("2-event.toml"), &[("0813-2222-7808", "0812-2222-7808")]);
    jambi.ask("event.toml", &text, "F-2026-032@1", "done");
    let password = jambi.password("+6281222227808", "F-2026-032");
    assert!(jambi.office.imap_takes("jambi.expo@unja.ac.id", &password).await);
    assert!(jambi.outcome("F-2026-032@1")["account"]["ends_at"].is_string());
}

async fn a_student_is_served_like_everybody_else(jambi: &Institution) {
    let text = edited(
        &lecturer(jambi, "F-2026-034", "Joko Susilo", "joko.susilo", "7834"),
        &[("\"lecturer\"", "\"student\""), ("198502172010127834", "E1E123034")],
    );
    jambi.ask("student.toml", &text, "F-2026-034@1", "done");
    let password = jambi.password(&phone("7834"), "F-2026-034");
    assert!(jambi.office.imap_takes("joko.susilo@unja.ac.id", &password).await);
}

async fn a_problem_is_told_and_answered_by_a_corrected_request(jambi: &Institution) {
    jambi.ask("conflict.toml", &jambi.sample("3-conflict.toml"), "F-2026-033@1", "conflicted");
    // Without a password it goes by e-mail.
    let told = jambi.told("ratna.feb@example.org", "F-2026-033");
    assert!(told.contains("ratna.dewi@unja.ac.id sudah dipakai") && told.contains("- rdewi@unja.ac.id\n"), "{told}");
    jambi.ask("corrected.toml", &jambi.sample("4-corrected.toml"), "F-2026-033@2", "done");
    let password = jambi.password(&phone("7809"), "F-2026-033");
    assert!(jambi.office.imap_takes("rdewi@unja.ac.id", &password).await);
}

fn papers_and_decision_are_supplied_by_a_higher_revision_alone(jambi: &Institution) {
    let text = lecturer(jambi, "F-2026-035", "Wulan Sari", "wulan.sari", "7835");
    let bare = without(&without(&text, "[[document]]", "\"letter\""), "[[approval]]", "chair");
    jambi.ask("bare.toml", &bare, "F-2026-035@1", "held");
    let told = jambi.told("wulan.sari.pribadi@example.org", "F-2026-035");
    for missing in ["Surat permohonan belum disertakan.", "Persetujuan Ketua LPTIK belum ada."] {
        assert!(told.contains(missing), "{missing}: {told}");
    }
    let (code, said) = jambi.akund(&["release", "F-2026-035", "--reason", "lisan"]);
    assert_ne!(code, 0, "{said}");
    // A decision that was given before the letter was written is none on it.
    let letter = text.lines().find(|line| line.starts_with("date = ")).unwrap();
    let today = format!("date = {}", crate::letter::today());
    jambi.ask("late-letter.toml", &corrected(&edited(&text, &[(letter, &today)])), "F-2026-035@2", "held");
    let right = edited(&corrected(&text), &[("revision = 2", "revision = 3")]);
    jambi.ask("whole.toml", &right, "F-2026-035@3", "done");
}

fn a_refusal_is_told_with_its_reason(jambi: &Institution) {
    let text = lecturer(jambi, "F-2026-036", "Tono Hartono", "tono.hartono", "7836");
    let reason = "decision = \"refused\"\nreason = \"Data belum lengkap.\"";
    jambi.ask("refused.toml", &edited(&text, &[("decision = \"approved\"", reason)]), "F-2026-036@1", "refused");
    let told = jambi.told("tono.hartono.pribadi@example.org", "F-2026-036");
    assert!(told.contains("tidak disetujui oleh Ketua LPTIK: Data belum lengkap."), "{told}");
}

fn what_is_signed_by_others_is_no_request(jambi: &Institution) {
    jambi.key("chair", "chair@unja-email");
    let text = lecturer(jambi, "F-2026-037", "Intan Permata", "intan.permata", "7837");
    jambi.hand_in_signed("forged.toml", &edited(&text, &[("0812-3456-7837", "0812-9999-0000")]), "chair", &text);
    let reason = jambi.rejected("forged.toml");
    assert!(reason.contains("is not over this content"), "{reason}");
    branches::what_nobody_has_signed_is_no_request(jambi, &text);
    jambi.hand_in_signed("signed.toml", &text, "chair", &text);
    jambi.comes_to("F-2026-037@1", "done");
}

async fn an_address_is_changed_according_to_the_letter_of_change(jambi: &Institution) {
    let password = jambi.password(&phone("7807"), "F-2026-031");
    let text = jambi.good(&[("F-2026-031", "F-2026-038"), ("\nprocedure = ", "\naction = \"change\"\nprocedure = ")]);
    let (before, papers) = text.split_once("[[document]]").unwrap();
    let change = format!("{before}[change]\naddress = \"ratnadewi@unja.ac.id\"\n\n[[document]]{papers}");
    jambi.ask("change.toml", &change, "F-2026-038@1", "done");
    assert!(jambi.told("ratna.pribadi@example.org", "F-2026-038").contains("mengubah data akun"));
    assert!(jambi.office.imap_takes("ratnadewi@unja.ac.id", &password).await, "with the password that it had");
    assert!(jambi.office.mail.deliver("ratna.dewi@unja.ac.id", "Alamat lama"), "the old address is an alias");
}

async fn a_number_that_the_gateway_refuses_holds_up_the_notice_alone(jambi: &Institution) {
    let text = lecturer(jambi, "F-2026-039", "Yusuf Hakim", "yusuf.hakim", "7839");
    let barred = edited(&text, &[("0812-3456-7839", "0813-3456-7839")]);
    jambi.ask("barred.toml", &barred, "F-2026-039@1", "stuck");
    let outcome = jambi.outcome("F-2026-039@1");
    let (handing, before) = outcome["steps"].as_array().unwrap().split_last().unwrap();
    assert!(before.iter().all(|step| step["state"] == "done"), "the account is made and proven: {outcome:#}");
    assert_eq!((&handing["lane"], &handing["state"]), (&"sms".into(), &"stuck".into()), "{outcome:#}");
    // The number was wrong: what was made is taken back, and the right request makes it anew.
    let (code, said) = jambi.akund(&["withdraw", "F-2026-039", "--reason", "nomor keliru"]);
    assert_eq!(code, 0, "{said}");
    jambi.comes_to("F-2026-039@1", "withdrawn");
    jambi.ask("right-number.toml", &edited(&text, &[("F-2026-039", "F-2026-040")]), "F-2026-040@1", "done");
    let password = jambi.password(&phone("7839"), "F-2026-040");
    assert!(jambi.office.imap_takes("yusuf.hakim@unja.ac.id", &password).await);
}

async fn what_a_channel_refuses_goes_by_the_next_that_is_named(jambi: &Institution, daemon: &mut Daemon) {
    jambi.edits(&[("\nchannels = [\"sms\"]", "\nchannels = [\"sms\", \"email\"]")]);
    jambi.reload(daemon);
    let text = lecturer(jambi, "F-2026-041", "Hana Pertiwi", "hana.pertiwi", "7841");
    jambi.ask("next.toml", &edited(&text, &[("0812-3456-7841", "0813-3456-7841")]), "F-2026-041@1", "done");
    let password = jambi.password("hana.pertiwi.pribadi@example.org", "F-2026-041");
    assert!(jambi.office.imap_takes("hana.pertiwi@unja.ac.id", &password).await);
    let outcome = jambi.outcome("F-2026-041@1");
    let handing = outcome["steps"].as_array().unwrap().last().unwrap();
    assert_eq!((&handing["lane"], &handing["refused"][0]["channel"]), (&"email".into(), &"sms".into()), "{handing}");
}

fn who_is_not_served_is_told(jambi: &Institution) {
    let text = lecturer(jambi, "F-2026-042", "Tetangga Kampus", "tetangga", "7842");
    branches::who_is_not_served_is_told(jambi, &text, "lecturer", "tetangga.pribadi@example.org", "F-2026-042");
}
