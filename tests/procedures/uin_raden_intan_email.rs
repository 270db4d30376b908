//! The SOP of 2018: its good path, and every other branch. The mail accounts are in flat files.

use crate::branches;
use crate::daemon::Daemon;
use crate::institution::{Institution, corrected, edited, rows, unmet, without};
use crate::letter::today;
use crate::office::Engine;
use jiff::ToSpan;
use jiff::civil::{Date, Weekday};
use std::fs;

#[tokio::test(flavor = "multi_thread")]
async fn uin_raden_intan_email() {
    let lampung = Institution::open("uin-raden-intan-email", Engine::Files);
    let off = with_holidays(&lampung);
    let mut daemon = lampung.start();
    a_unit_gets_its_address_and_is_told_of_its_obligations(&lampung).await;
    its_working_day_ends_on_a_day_on_which_people_work(&lampung, &off);
    the_list_is_searched_by_address_and_by_unit(&lampung).await;
    the_chain_must_be_whole_and_in_order(&lampung);
    whoever_of_the_chain_refuses_refuses(&lampung);
    what_is_signed_by_others_is_no_request(&lampung);
    a_mail_server_that_refuses_undoes_nothing(&lampung).await;
    who_is_not_served_is_told(&lampung);
    a_procedure_may_demand_a_signature_of_every_source(&lampung, &mut daemon);
    lampung.close(daemon);
}

/// The shipped holidays in force, and with them today and the two days after it; these.
///
/// Today is one, because before its working hours it would be the working day itself.
fn with_holidays(lampung: &Institution) -> [Date; 3] {
    let shipped = include_str!("../../config/procedures/holidays-id-2026.txt");
    let today = today();
    let off = [0, 1, 2].map(|days| today.checked_add(days.days()).unwrap());
    let local = off.map(|day| format!("{day} Libur daerah\n")).concat();
    // A day stands once.
    let others: String = shipped
        .lines()
        .filter(|line| off.iter().all(|day| !line.starts_with(&day.to_string())))
        .map(|l| format!("{l}\n"))
        .collect();
    fs::write(lampung.office.site.path("procedures/holidays-id-2026.txt"), others + &local).unwrap();
    lampung.edits(&[("# holidays = ", "holidays = ")]);
    off
}

/// Row 6: within one working day of the account's creation.
fn its_working_day_ends_on_a_day_on_which_people_work(lampung: &Institution, off: &[Date; 3]) {
    let outcome = lampung.outcome("B-112/Un.16/2026@1");
    let [deadline] = &outcome["deadlines"].as_array().unwrap()[..] else { panic!("{outcome:#}") };
    assert_eq!((&deadline["step"], deadline["late"].is_null()), (&"6".into(), true), "{deadline}");
    let moment = |key: &str| deadline[key].as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
    assert!(moment("from_at") <= moment("met_at") && moment("met_at") <= moment("due_at"), "{deadline}");
    let due = moment("due_at").in_tz("Asia/Jakarta").unwrap().date();
    let weekend = matches!(due.weekday(), Weekday::Saturday | Weekday::Sunday);
    assert!(!weekend && !off.contains(&due) && due > off[2], "{deadline}");
}

/// The sample for another unit.
fn unit(lampung: &Institution, number: &str, name: &str, local: &str) -> String {
    lampung.good(&[
        ("B-112/Un.16", number),
        ("Perpustakaan Pusat", name),
        ("perpustakaan.pusat@", &format!("{local}.lama@")),
        ("perpustakaan@", &format!("{local}@")),
        ("yuliana.sari@", &format!("pj.{local}@")),
        ("UPT-03", &format!("KODE-{local}")),
    ])
}

async fn a_unit_gets_its_address_and_is_told_of_its_obligations(lampung: &Institution) {
    let text = lampung.sample("1-unit.toml");
    let (request, id) = ("B-112/Un.16/2026@1", "B-112/Un.16/2026");
    lampung.ask("unit.toml", &text, request, "done");
    let told = lampung.told("yuliana.sari@example.org", id);
    assert!(told.contains("sepenuhnya milik dan tanggung jawab pemegangnya"), "{told}");
    let (address, password) = ("perpustakaan@radenintan.ac.id", lampung.password("yuliana.sari@example.org", id));
    assert!(lampung.office.imap_takes(address, &password).await);
    assert!(lampung.office.mail.deliver(address, "Selamat datang"));
    lampung.office.mails(1, address, &password).await;
    let outcome = lampung.outcome(request);
    assert_eq!(unmet(&outcome), [""; 0]);
    // Row 7, the documentation, is the register's.
    assert_eq!(rows(&outcome), ["1", "2", "3", "4", "5", "6"].map(String::from).into());
    // Step 6's working day, from the account's creation to the handover, is measured from these.
    let times = |verb: &str| {
        let mut steps = outcome["steps"].as_array().unwrap().iter();
        let step = steps.rfind(|step| step["verb"] == verb).unwrap();
        step["done_at"].as_str().unwrap().parse::<jiff::Timestamp>().unwrap()
    };
    assert!(times("apply") <= times("deliver"));
    // The same file again is the same request; other words under its id are none.
    let before = lampung.everything_told().len();
    lampung.hand_in("again.toml", &text);
    lampung.hand_in("other.toml", &edited(&text, &[("Yuliana Sari", "Yuliana Dewi")]));
    let reason = lampung.rejected("other.toml");
    assert!(reason.contains("was accepted before with other content"), "{reason}");
    lampung.comes_to(request, "done");
    assert_eq!((lampung.office.site.states().len(), lampung.everything_told().len()), (1, before));
}

async fn the_list_is_searched_by_address_and_by_unit(lampung: &Institution) {
    let again = lampung.sample("2-same-unit.toml");
    let (first, second) = ("B-131/Un.16/2026@1", "B-131/Un.16/2026@2");
    lampung.ask(
        "same-unit.toml",
        &edited(&again, &[("unit = \"Perpustakaan Pusat\"", "unit = \"PERPUSTAKAAN Pusat\"")]),
        first,
        "conflicted",
    );
    let told = lampung.told("perpustakaan.pusat@example.org", "B-131/Un.16/2026");
    assert!(told.contains("PERPUSTAKAAN Pusat sudah memiliki akun (p…@radenintan.ac.id)"), "{told}");
    assert_eq!(unmet(&lampung.outcome(first)), ["unit has no account yet"]);
    // It meant a unit of its own, and wants an address that is taken.
    let other = edited(
        &corrected(&again),
        &[
            ("unit = \"Perpustakaan Pusat\"", "unit = \"Layanan Pustaka Fakultas\""),
            ("layanan.pustaka@", "perpustakaan@"),
            ("yuliana.sari@", "pj.pustaka@"),
        ],
    );
    lampung.ask("taken.toml", &other, second, "conflicted");
    let offered = lampung.outcome(second)["alternatives"][0].as_str().unwrap().to_owned();
    let third = edited(
        &other,
        &[("revision = 2", "revision = 3"), ("\"perpustakaan@radenintan.ac.id\"", &format!("{offered:?}"))],
    );
    lampung.ask("free.toml", &third, "B-131/Un.16/2026@3", "done");
    let password = lampung.password("pj.pustaka@example.org", "B-131/Un.16/2026");
    assert!(lampung.office.imap_takes(&offered, &password).await, "{offered}");
}

fn the_chain_must_be_whole_and_in_order(lampung: &Institution) {
    let text = unit(lampung, "B-140/Un.16", "Lembaga Bahasa", "bahasa");
    let bare = without(&text, "[[approval]]", "coordinator");
    lampung.ask("undecided.toml", &bare, "B-140/Un.16/2026@1", "held");
    let told = lampung.told("bahasa.lama@example.org", "B-140/Un.16/2026");
    assert!(told.contains("Persetujuan Koordinator Divisi Layanan belum ada."), "{told}");
    let (code, said) = lampung.akund(&["release", "B-140/Un.16/2026", "--reason", "lisan"]);
    assert_ne!(code, 0, "{said}");
    let roles = [("\"head\"", "\"x\""), ("\"coordinator\"", "\"head\""), ("\"x\"", "\"coordinator\"")];
    lampung.ask("wrong-order.toml", &corrected(&edited(&text, &roles)), "B-140/Un.16/2026@2", "held");
    assert_eq!(unmet(&lampung.outcome("B-140/Un.16/2026@2")), ["approval: coordinator"]);
    let right = edited(&corrected(&text), &[("revision = 2", "revision = 3")]);
    lampung.ask("right-order.toml", &right, "B-140/Un.16/2026@3", "done");
    // And so must the letter be.
    let text = unit(lampung, "B-141/Un.16", "Lembaga Penelitian", "lp2m");
    lampung.ask("no-letter.toml", &without(&text, "[[document]]", "\"letter\""), "B-141/Un.16/2026@1", "held");
    assert_eq!(unmet(&lampung.outcome("B-141/Un.16/2026@1")), ["document: letter"]);
}

fn whoever_of_the_chain_refuses_refuses(lampung: &Institution) {
    let text = unit(lampung, "B-142/Un.16", "Koperasi", "koperasi");
    let no = (
        "by = \"Lina Marlina\"\ndecision = \"approved\"",
        "by = \"Lina Marlina\"\ndecision = \"refused\"\nreason = \"Bukan unit kerja.\"",
    );
    lampung.ask("refused.toml", &edited(&text, &[no]), "B-142/Un.16/2026@1", "refused");
    let told = lampung.told("koperasi.lama@example.org", "B-142/Un.16/2026");
    assert!(told.contains("tidak disetujui oleh Koordinator Divisi Layanan: Bukan unit kerja."), "{told}");
}

fn what_is_signed_by_others_is_no_request(lampung: &Institution) {
    lampung.key("head", "head@uin-raden-intan-email");
    let text = unit(lampung, "B-143/Un.16", "Ma'had", "mahad");
    lampung.hand_in_signed("forged.toml", &edited(&text, &[("\"mahad@", "\"admin.mahad@")]), "head", &text);
    let reason = lampung.rejected("forged.toml");
    assert!(reason.contains("is not over this content"), "{reason}");
    branches::what_nobody_has_signed_is_no_request(lampung, &text);
    lampung.hand_in_signed("signed.toml", &text, "head", &text);
    lampung.comes_to("B-143/Un.16/2026@1", "done");
}

fn a_procedure_may_demand_a_signature_of_every_source(lampung: &Institution, daemon: &mut Daemon) {
    lampung.wants_signatures();
    lampung.reload(daemon);
    let text = unit(lampung, "B-144/Un.16", "Pusat Bisnis", "bisnis");
    lampung.ask("unsigned.toml", &text, "B-144/Un.16/2026@1", "held");
    let told = lampung.told("bisnis.lama@example.org", "B-144/Un.16/2026");
    assert!(told.contains("Kepala Pusat TIPD belum ditandatangani secara elektronik"), "{told}");
    let (code, said) = lampung.akund(&["release", "B-144/Un.16/2026", "--reason", "lisan"]);
    assert_ne!(code, 0, "{said}");
    let again = corrected(&text);
    lampung.hand_in_signed("signed-now.toml", &again, "head", &again);
    lampung.comes_to("B-144/Un.16/2026@2", "done");
}

async fn a_mail_server_that_refuses_undoes_nothing(lampung: &Institution) {
    let text = unit(lampung, "B-145/Un.16", "Pusat Karier", "karier");
    let (to, id) = ("pj.karier@example.org", "B-145/Un.16/2026");
    let password = branches::a_mail_server_that_refuses_holds_up_the_notice_and_undoes_nothing(lampung, &text, to, id);
    assert!(lampung.office.imap_takes("karier@radenintan.ac.id", &password).await);
}

fn who_is_not_served_is_told(lampung: &Institution) {
    let text = unit(lampung, "B-146/Un.16", "Warga Sekitar", "warga");
    branches::who_is_not_served_is_told(lampung, &text, "unit", "warga.lama@example.org", "B-146/Un.16/2026");
}
