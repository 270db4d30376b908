//! SOP 427.53/4/2.04/2021: its good path, and every other branch. Accounts are in a directory and at the mail server.
//!
//! The report to Kasi (rows 7 and 8) and the letter (rows 9 to 13) are tested with the letter's own servers and programs.

use crate::institution::{Institution, corrected, edited, rows, unmet, without};
use crate::office::Engine;
use crate::peers::Slapd;
use std::fs;

const PEOPLE: &str = "ou=people,dc=example,dc=org";

#[tokio::test(flavor = "multi_thread")]
async fn lumajang_email() {
    let lumajang = Institution::open("lumajang-email", Engine::Sqlite).await;
    let slapd = with_directory(&lumajang);
    let daemon = lumajang.start();
    an_office_gets_its_account_by_the_order_of_three(&lumajang, &slapd).await;
    an_address_that_only_the_directory_knows_is_taken(&lumajang, &slapd);
    the_letter_stands_in_the_register_and_names_who_answers(&lumajang);
    the_order_comes_down_in_its_way(&lumajang);
    whoever_of_the_three_refuses_refuses(&lumajang);
    what_is_signed_by_others_is_no_request(&lumajang);
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

async fn an_office_gets_its_account_by_the_order_of_three(lumajang: &Institution, slapd: &Slapd) {
    let text = lumajang.sample("1-office.toml");
    let (request, id) = ("045/318/427.58/2026@1", "045/318/427.58/2026");
    lumajang.ask("office.toml", &text, request, "done");
    let (address, password) = ("pertanian@lumajangkab.go.id", lumajang.password("eko.prasetyo@example.org", id));
    assert!(lumajang.office.imap_takes(address, &password).await);
    assert!(slapd.logs_in(&format!("uid=pertanian,{PEOPLE}"), &password));
    assert!(lumajang.office.mail.deliver(address, "Selamat datang"));
    let outcome = lumajang.outcome(request);
    assert_eq!(unmet(&outcome), [""; 0]);
    assert_eq!(rows(&outcome), ["1", "2", "3", "5", "6", "12"].map(String::from).into());
    let shown = lumajang.akund(&["show", id]).1;
    assert!(shown.contains("Endang Sulastri (Sekretaris Dinas)"), "who decided in whose place: {shown}");
    // The same file again is the same request.
    let told = lumajang.everything_told().len();
    lumajang.hand_in("again.toml", &text);
    lumajang.hand_in("other.toml", &edited(&text, &[("Eko Prasetyo", "Eko Prasetya")]));
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
    lumajang.ask("free.toml", &free, "045/12/427.60/2026@2", "done");
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
    lumajang.ask("registered.toml", &whole, "045/13/427.62/2026@3", "done");
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
    lumajang.ask("right-order.toml", &right, &format!("{id}@3"), "done");
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
    lumajang.hand_in_signed("signed.toml", &text, "secretary", &text);
    lumajang.comes_to("045/15/427.64/2026@1", "done");
}
