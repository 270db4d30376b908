//! SOP 427.53/4/2.04/2021: its good path from the registered letter to the register of outgoing letters, and every other branch.
//! Accounts are in a directory and at the mail server.

use crate::branches;
use crate::daemon::Daemon;
use crate::institution::{Institution, Told, corrected, edited, rows, unmet, without};
use crate::letter::{Mail, PDF, read_by_libreoffice, today};
use crate::office::Engine;
use crate::peers::Slapd;
use jiff::civil::Date;
use serde_json::Value;
use std::fs;

const PEOPLE: &str = "ou=people,dc=example,dc=org";
/// "Write your own": the officials' mail is not at the server under test.
const KASI: &str = "kasi@example.org";
const KABID: &str = "kabid@example.org";

#[tokio::test(flavor = "multi_thread")]
async fn lumajang_email() {
    let lumajang = Institution::open("lumajang-email", Engine::Sqlite);
    lumajang.edits(&[("kasi.spbe@lumajangkab.go.id", KASI), ("kabid.aptika@lumajangkab.go.id", KABID)]);
    fs::write(lumajang.office.site.path("surat.pdf"), PDF).unwrap();
    let slapd = with_directory(&lumajang);
    let mut daemon = lumajang.start();
    an_office_gets_its_account_and_its_letter(&lumajang, &slapd).await;
    an_address_that_only_the_directory_knows_is_taken(&lumajang, &slapd);
    the_letter_stands_in_the_register_and_names_who_answers(&lumajang);
    the_order_comes_down_in_its_way(&lumajang);
    whoever_of_the_three_refuses_refuses(&lumajang);
    what_is_signed_by_others_is_no_request(&lumajang);
    a_new_password_needs_no_letter(&lumajang).await;
    a_mail_server_that_refuses_undoes_nothing(&lumajang, &slapd);
    who_is_not_served_is_told(&lumajang);
    an_official_with_another_address_is_written_to_there(&lumajang, &mut daemon);
    lumajang.close(daemon);
}

fn with_directory(lumajang: &Institution) -> Slapd {
    let slapd = Slapd::start();
    let text = format!(
        "[target.direktori]\nkind = \"ldap\"\nurl = {:?}\nca_file = {:?}\nbind_dn = \"cn=akund,ou=services,dc=example,dc=org\"\n\
         password_file = {:?}\nservices = [\"mail\"]\nbase = \"{PEOPLE}\"\nobject_classes = [\"inetOrgPerson\"]\n\
         [target.direktori.attributes]\ncn = \"{{name}}\"\nsn = \"{{family_name}}\"\nmail = [\"{{address}}\", \"{{aliases}}\"]\n",
        slapd.url(),
        slapd.authority.ca,
        slapd.path("password"),
    );
    fs::write(lumajang.office.site.path("conf.d/directory.toml"), text).unwrap();
    slapd
}

/// The sample for another office.
fn office(lumajang: &Institution, number: &str, name: &str, local: &str) -> String {
    lumajang.good(&[
        ("045/318/427.58", number),
        ("Dinas Pertanian", name),
        ("distan@", &format!("{local}.lama@")),
        ("pertanian@", &format!("{local}@")),
        ("eko.prasetyo@", &format!("pj.{local}@")),
    ])
}

/// `akund release` with the signed letter: exit code, and what was said.
fn release(lumajang: &Institution, id: &str, number: &str, role: &str) -> (i32, String) {
    let (letter, on) = (lumajang.office.site.path("surat.pdf").display().to_string(), today().to_string());
    let signed = ["--letter", &letter, "--number", number, "--signed-by", role, "--signed-on", &on];
    lumajang.akund(&[&["release", id, "--reason", "tanda tangan basah"], &signed[..]].concat())
}

/// Brings the signed letter of a request that waits for it, and the request to its end.
#[track_caller]
fn brings_the_letter(lumajang: &Institution, request: &str) {
    let (id, _) = request.split_once('@').unwrap();
    lumajang.comes_to(request, "waiting");
    let (code, said) = release(lumajang, id, &format!("480/{id}"), "head");
    assert_eq!(code, 0, "{said}");
    lumajang.comes_to(request, "done");
}

/// The messages to somebody about a request, in the order of its plan.
fn to(lumajang: &Institution, who: &str, id: &str) -> Vec<Told> {
    let mut told = lumajang.everything_told();
    told.retain(|one| one.to == who && one.notice.text.contains(id));
    told.sort_by_key(|one| {
        let place = one.notice.message_id.split(['.', '@']).nth(1).unwrap();
        place.parse::<u32>().unwrap()
    });
    told
}

async fn an_office_gets_its_account_and_its_letter(lumajang: &Institution, slapd: &Slapd) {
    let text = lumajang.sample("1-office.toml");
    let (request, id) = ("045/318/427.58/2026@1", "045/318/427.58/2026");
    lumajang.ask("office.toml", &text, request, "waiting");
    let waiting = lumajang.outcome(request);
    assert_eq!((&waiting["ended"], &waiting["waits_for"]), (&false.into(), &"signed-letter".into()));
    let proofs: Vec<&Value> = waiting["steps"].as_array().unwrap().iter().filter(|s| s["verb"] == "prove").collect();
    assert!(proofs.len() == 2 && proofs.iter().all(|step| step["proof"] == "login"), "{proofs:?}");
    assert!(lumajang.office.mail.deliver("pertanian@lumajangkab.go.id", "Selamat datang"), "the account is there");
    the_officials_have_report_and_draft(lumajang, id);
    // Nothing stands in for the head's signature, and only who may sign has signed.
    let (code, said) = lumajang.akund(&["release", id, "--reason", "mendesak"]);
    assert!(code == 1 && said.contains("it waits for the signed letter"), "{said}");
    let (code, said) = release(lumajang, id, "480/1/427.53/2026", "kasi");
    assert!(code == 1 && said.contains("may not sign this letter"), "{said}");
    assert!(to(lumajang, "eko.prasetyo@example.org", id).is_empty(), "no password before the letter");
    let brought = today();
    let (code, said) = release(lumajang, id, "480/1/427.53/2026", "secretary");
    assert_eq!(code, 0, "{said}");
    lumajang.comes_to(request, "done");
    let [letter] = &to(lumajang, "distan@example.org", id)[..] else { panic!("one letter to the office") };
    let files = Mail::parse(&letter.raw).files;
    assert_eq!(files, [("surat-480-1-427.53-2026.pdf".to_owned(), PDF.to_vec())]);
    let password = lumajang.password("eko.prasetyo@example.org", id);
    assert!(!letter.whole.contains(&password), "the credentials go apart from the letter");
    let address = "pertanian@lumajangkab.go.id";
    assert!(lumajang.office.imap_takes(address, &password).await);
    lumajang.office.mails(1, address, &password).await;
    assert!(slapd.logs_in(&format!("uid=pertanian,{PEOPLE}"), &password));
    every_row_of_the_sop_has_its_minutes(lumajang, request);
    let signed_on: Date = lumajang.outcome(request)["letter"]["signed_on"].as_str().unwrap().parse().unwrap();
    assert!((brought..=today()).contains(&signed_on), "{signed_on}");
    let shown = lumajang.akund(&["show", id]).1;
    assert!(shown.contains("Endang Sulastri (Sekretaris Dinas)"), "who decided in whose place: {shown}");
    assert!(shown.contains("480/1/427.53/2026, signed by secretary on"), "{shown}");
    let (code, said) = lumajang.akund(&["register", "find", address]);
    assert!(code == 0 && said.contains(id), "{said}");
    the_same_file_again_is_the_same_request(lumajang, &text, request);
}

fn the_officials_have_report_and_draft(lumajang: &Institution, id: &str) {
    let kasi = to(lumajang, KASI, id);
    let [report, draft] = &kasi[..] else { panic!("report and draft to Kasi, not {} messages", kasi.len()) };
    assert!(report.subject.starts_with("Laporan: akun pertanian@lumajangkab.go.id sudah dibuat"), "{}", report.subject);
    assert!(report.notice.text.contains("Yth. Kepala Seksi PPI SPBE,"), "{}", report.notice.text);
    let [kabids] = &to(lumajang, KABID, id)[..] else { panic!("the draft to Kabid, once") };
    assert!(kabids.notice.text.contains("Yth. Kepala Bidang Aptika,"), "{}", kabids.notice.text);
    let [draft, kabids] = [draft, kabids].map(|told| Mail::parse(&told.raw).files.remove(0));
    assert_eq!(draft, kabids, "both get the same draft");
    let read = read_by_libreoffice("draf.docx", &draft.1);
    for expected in ["Yth. Dinas Pertanian", "pertanian@lumajangkab.go.id", id, "SM-2026-881", "Eko Prasetyo"] {
        assert!(read.contains(expected), "{expected}\n{read}");
    }
    assert!(!read.contains("Kata sandi awal"), "{read}");
}

/// The record laid beside the SOP's table: each row is there, with the minutes that it may take and those that it took.
fn every_row_of_the_sop_has_its_minutes(lumajang: &Institution, request: &str) {
    let outcome = lumajang.outcome(request);
    assert_eq!(unmet(&outcome), [""; 0]);
    let carried = ["1", "2", "3", "5", "6", "7", "9", "10", "11", "12"];
    assert_eq!(rows(&outcome), carried.map(String::from).into());
    let table = outcome["table"].as_array().unwrap();
    let planned: Vec<(&str, Option<u64>)> =
        table.iter().map(|row| (row["step"].as_str().unwrap(), row["planned_minutes"].as_u64())).collect();
    let none = ["1", "2", "3", "5"].map(|row| (row, None));
    let timed = [("6", 5), ("7", 5), ("8", 5), ("9", 10), ("10", 10), ("11", 10), ("12", 10)];
    let timed = timed.map(|(row, minutes)| (row, Some(minutes)));
    assert_eq!(planned, [&none[..], &timed[..], &[("13", None)]].concat());
    for row in table {
        let ended: jiff::Timestamp = row["ended_at"].as_str().unwrap_or_else(|| panic!("{row}")).parse().unwrap();
        // When the first of three was asked for a decision is not known.
        let Some(began) = row["began_at"].as_str() else {
            assert_eq!(row["step"], "2", "{row}");
            continue;
        };
        assert!(began.parse::<jiff::Timestamp>().unwrap() <= ended, "{row}");
        assert!(row["actual_minutes"].is_u64(), "{row}");
    }
    let order: Vec<String> = outcome["steps"].as_array().unwrap().iter().map(said).collect();
    let own = ["6 mint", "6 apply", "6 prove", "6 apply", "6 prove"];
    let officials =
        ["7 deliver report kasi", "9 draft", "9 deliver letter-draft kasi", "10 deliver letter-draft kabid", "11 sign"];
    let last = ["12 deliver letter applicant", "12 deliver credentials responsible"];
    assert_eq!(order, [&own[..], &officials, &last].concat());
    let letter = &outcome["letter"];
    assert_eq!((&letter["number"], &letter["signed_by"]), (&"480/1/427.53/2026".into(), &"secretary".into()));
    let evidence = lumajang.office.site.spool.join(letter["evidence"].as_str().unwrap());
    assert_eq!(fs::read(evidence).unwrap(), PDF);
}

/// Row, verb, notice and recipient of a step.
fn said(step: &Value) -> String {
    let words = ["sop", "verb", "notice", "to"].map(|key| step[key].as_str().unwrap_or_default());
    words.join(" ").trim_end().to_owned()
}

fn the_same_file_again_is_the_same_request(lumajang: &Institution, text: &str, request: &str) {
    let told = lumajang.everything_told().len();
    lumajang.hand_in("again.toml", text);
    lumajang.hand_in("other.toml", &edited(text, &[("Eko Prasetyo", "Eko Prasetya")]));
    let reason = lumajang.rejected("other.toml");
    assert!(reason.contains("was accepted before with other content"), "{reason}");
    lumajang.comes_to(request, "done");
    assert_eq!((lumajang.office.site.states().len(), lumajang.everything_told().len()), (1, told));
}

fn an_address_that_only_the_directory_knows_is_taken(lumajang: &Institution, slapd: &Slapd) {
    slapd.by_hand(&format!(
        "dn: uid=kesehatan,{PEOPLE}\nchangetype: add\nobjectClass: inetOrgPerson\nuid: kesehatan\ncn: Dinas Kesehatan\nsn: -\n\
         mail: kesehatan@lumajangkab.go.id\n"
    ));
    let text = office(lumajang, "045/12/427.60", "Dinas Kesehatan", "kesehatan");
    lumajang.ask("taken.toml", &text, "045/12/427.60/2026@1", "conflicted");
    let outcome = lumajang.outcome("045/12/427.60/2026@1");
    assert_eq!(unmet(&outcome), ["address free at the targets"], "the register does not know it");
    let offered = outcome["alternatives"][0].as_str().unwrap().to_owned();
    let told = lumajang.told("kesehatan.lama@example.org", "045/12/427.60/2026");
    assert!(told.contains(&format!("- {offered}\n")), "{told}");
    let free = corrected(&edited(&text, &[("\"kesehatan@lumajangkab.go.id\"", &format!("{offered:?}"))]));
    lumajang.hand_in("free.toml", &free);
    brings_the_letter(lumajang, "045/12/427.60/2026@2");
}

fn the_letter_stands_in_the_register_and_names_who_answers(lumajang: &Institution) {
    let text = office(lumajang, "045/13/427.62", "Dinas Pariwisata", "pariwisata");
    let bare = edited(&text, &[("register = \"SM-2026-881\"\n", "")]);
    lumajang.ask("unregistered.toml", &bare, "045/13/427.62/2026@1", "held");
    assert_eq!(unmet(&lumajang.outcome("045/13/427.62/2026@1")), ["document: letter"]);
    let anonymous = corrected(&without(&text, "[responsible]", "pj.pariwisata"));
    lumajang.ask("anonymous.toml", &anonymous, "045/13/427.62/2026@2", "held");
    assert!(unmet(&lumajang.outcome("045/13/427.62/2026@2")).contains(&"responsible person".to_owned()));
    let whole = edited(&corrected(&text), &[("revision = 2", "revision = 3")]);
    lumajang.hand_in("registered.toml", &whole);
    brings_the_letter(lumajang, "045/13/427.62/2026@3");
}

fn the_order_comes_down_in_its_way(lumajang: &Institution) {
    let text = lumajang.sample("2-without-kabid.toml");
    let id = "045/77/427.61/2026";
    lumajang.ask("without-kabid.toml", &text, &format!("{id}@1"), "held");
    let told = lumajang.told("dishub@example.org", id);
    assert!(told.contains("Persetujuan Kepala Bidang Aptika belum ada."), "{told}");
    assert!(told.contains("Permohonan nomor 045/77/427.61/2026 "), "the letter's number stays whole: {told}");
    let (code, said) = lumajang.akund(&["release", id, "--reason", "lisan"]);
    assert_ne!(code, 0, "{said}");
    let whole = office(lumajang, "045/77/427.61", "Dinas Perhubungan", "perhubungan");
    let roles = [("\"kabid\"", "\"x\""), ("\"kasi\"", "\"kabid\""), ("\"x\"", "\"kasi\"")];
    lumajang.ask("wrong-order.toml", &corrected(&edited(&whole, &roles)), &format!("{id}@2"), "held");
    assert_eq!(unmet(&lumajang.outcome(&format!("{id}@2"))), ["approval: kasi"]);
    let right = edited(&corrected(&whole), &[("revision = 2", "revision = 3")]);
    lumajang.hand_in("right-order.toml", &right);
    brings_the_letter(lumajang, &format!("{id}@3"));
}

fn whoever_of_the_three_refuses_refuses(lumajang: &Institution) {
    let text = office(lumajang, "045/14/427.63", "Kelompok Tani", "tani");
    let yes = "by = \"Wahyu Hidayat\"\ndecision = \"approved\"";
    let no = "by = \"Wahyu Hidayat\"\ndecision = \"refused\"\nreason = \"Bukan perangkat daerah.\"";
    lumajang.ask("refused.toml", &edited(&text, &[(yes, no)]), "045/14/427.63/2026@1", "refused");
    let told = lumajang.told("tani.lama@example.org", "045/14/427.63/2026");
    assert!(told.contains("tidak disetujui oleh Kepala Bidang Aptika: Bukan perangkat daerah."), "{told}");
}

fn what_is_signed_by_others_is_no_request(lumajang: &Institution) {
    lumajang.key("secretary", "secretary@lumajang-email");
    let text = office(lumajang, "045/15/427.64", "Dinas Sosial", "sosial");
    lumajang.hand_in_signed("forged.toml", &edited(&text, &[("pj.sosial@", "orang.lain@")]), "secretary", &text);
    let reason = lumajang.rejected("forged.toml");
    assert!(reason.contains("is not over this content"), "{reason}");
    branches::what_nobody_has_signed_is_no_request(lumajang, &text);
    lumajang.hand_in_signed("signed.toml", &text, "secretary", &text);
    brings_the_letter(lumajang, "045/15/427.64/2026@1");
}

/// A new password is handed out to the same person without another letter.
async fn a_new_password_needs_no_letter(lumajang: &Institution) {
    let id = "045/15/427.64/2026";
    let old = lumajang.password("pj.sosial@example.org", id);
    let (code, said) = lumajang.akund(&["redeliver", id, "--reason", "kata sandi terlupa"]);
    assert_eq!(code, 0, "{said}");
    let linked = || {
        let by = lumajang.outcome(&format!("{id}@1"))["request"]["redelivered_by"][0].clone();
        by.as_str().and_then(|by| by.split_once(':')).map(|(_, request)| request.to_owned())
    };
    lumajang.office.site.until("the reset is linked", || linked().is_some());
    let request = linked().unwrap();
    lumajang.comes_to(&request, "done");
    let (own, _) = request.rsplit_once('@').unwrap();
    let new = lumajang.password("pj.sosial@example.org", own);
    assert_ne!(old, new);
    assert!(lumajang.office.imap_takes("sosial@lumajangkab.go.id", &new).await);
}

fn a_mail_server_that_refuses_undoes_nothing(lumajang: &Institution, slapd: &Slapd) {
    let text = office(lumajang, "045/16/427.65", "Dinas Pendidikan", "pendidikan");
    let (request, who) = ("045/16/427.65/2026@1", "pj.pendidikan@example.org");
    lumajang.office.mail.refuse(who);
    lumajang.hand_in("refusing.toml", &text);
    lumajang.comes_to(request, "waiting");
    let (code, said) = release(lumajang, "045/16/427.65/2026", "480/16", "head");
    assert_eq!(code, 0, "{said}");
    lumajang.comes_to(request, "stuck");
    assert_eq!(to(lumajang, "pendidikan.lama@example.org", "045/16/427.65/2026").len(), 1, "the letter has left");
    lumajang.office.mail.take_again(who);
    let (code, said) = lumajang.akund(&["retry", "045/16/427.65/2026", "--reason", "kotak surat sudah ada"]);
    assert_eq!(code, 0, "{said}");
    lumajang.comes_to(request, "done");
    let password = lumajang.password(who, "045/16/427.65/2026");
    assert!(slapd.logs_in(&format!("uid=pendidikan,{PEOPLE}"), &password));
}

/// The procedure file has a wrong address of Kasi's: it is mended there, and the request goes on.
fn an_official_with_another_address_is_written_to_there(lumajang: &Institution, daemon: &mut Daemon) {
    let wrong = "pensiun@example.org";
    lumajang.edits(&[(KASI, wrong)]);
    lumajang.reload(daemon);
    lumajang.office.mail.refuse(wrong);
    let text = office(lumajang, "045/17/427.66", "Dinas Perikanan", "perikanan");
    let (request, id) = ("045/17/427.66/2026@1", "045/17/427.66/2026");
    lumajang.ask("retired.toml", &text, request, "stuck");
    lumajang.edits(&[(wrong, KASI)]);
    lumajang.reload(daemon);
    let (code, said) = lumajang.akund(&["retry", id, "--reason", "alamat Kasi diperbaiki"]);
    assert_eq!(code, 0, "{said}");
    brings_the_letter(lumajang, request);
    assert_eq!(to(lumajang, KASI, id).len(), 2, "report and draft");
    assert!(to(lumajang, wrong, id).is_empty());
}

fn who_is_not_served_is_told(lumajang: &Institution) {
    let text = office(lumajang, "045/18/427.67", "Karang Taruna", "karang-taruna");
    branches::who_is_not_served_is_told(
        lumajang,
        &text,
        "office",
        "karang-taruna.lama@example.org",
        "045/18/427.67/2026",
    );
}
