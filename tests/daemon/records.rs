//! Request files for tests, all of the procedure that ships with akund.

use std::fmt::Write as _;
use std::sync::LazyLock;

pub const PROCEDURE: &str = include_str!("../../config/procedures/generic.toml");

/// The day before yesterday: the procedure takes no old approvals. One instant, so that a record written again is the same one,
/// also when a day begins in between.
static RECENTLY: LazyLock<jiff::Timestamp> =
    LazyLock::new(|| jiff::Timestamp::now() - jiff::SignedDuration::from_hours(48));

fn approved_at() -> String {
    RECENTLY.strftime("%Y-%m-%dT09:00:00Z").to_string()
}

fn approval(decision: &str) -> String {
    format!("[[approval]]\nrole = \"head\"\nby = \"Kepala Pusat TIK\"\n{decision}\nat = {}\n", approved_at())
}

fn staff(id: &str, address: &str, decision: &str) -> String {
    format!(
        "akund = 1\nid = {id:?}\nprocedure = \"generic\"\n[applicant]\nname = \"Rukmini Wulandari\"\ncategory = \"staff\"\n\
         identifier = \"197003031995031003\"\nunit = \"Biro Umum\"\nemail = \"{address}.pribadi@example.org\"\n\
         [account]\naddress = \"{address}@example.ac.id\"\n{}",
        approval(decision)
    )
}

/// A member of staff who is to get LOCAL@example.ac.id.
pub fn good(id: &str, local: &str) -> String {
    staff(id, local, "decision = \"approved\"")
}

/// The same, whom the head has refused.
pub fn refused(id: &str, local: &str) -> String {
    staff(id, local, "decision = \"refused\"\nreason = \"Sudah purnatugas.\"")
}

/// A unit that has sent no form, and is held.
pub fn formless(id: &str, local: &str) -> String {
    format!(
        "akund = 1\nid = {id:?}\nprocedure = \"generic\"\n[applicant]\nname = \"Biro Hukum\"\ncategory = \"unit\"\n\
         unit = \"Biro Hukum\"\nemail = \"{local}.pribadi@example.org\"\n[responsible]\nname = \"Siti Aminah\"\n\
         identifier = \"198501012015042001\"\nemail = \"siti.aminah@example.org\"\n[account]\n\
         address = \"{local}@example.ac.id\"\n[[document]]\nkind = \"letter\"\nnumber = \"B-9/2026\"\ndate = {day}\n{}",
        approval("decision = \"approved\""),
        day = RECENTLY.strftime("%Y-%m-%d"),
    )
}

/// Students `PREFIX0…`, one row each, as a spreadsheet saves it; the row of number `bad` has a phone that is none.
pub fn students(prefix: &str, rows: usize, bad: Option<usize>) -> String {
    let mut text = String::from(
        "\u{feff}akund;id;procedure;applicant.name;applicant.category;applicant.identifier;applicant.email;applicant.phone;\
         approval.1.role;approval.1.by;approval.1.decision;approval.1.at\r\n",
    );
    let at = approved_at();
    for number in 0..rows {
        let phone = if bad == Some(number) { "6,28123E+12".to_owned() } else { format!("0812{number:08}") };
        let letters: String = format!("{number:03}").bytes().map(|digit| char::from(digit - b'0' + b'a')).collect();
        let _ = write!(
            text,
            "1;{prefix}{number};generic;Mahasiswa {letters};student;26{number:08};{prefix}{number}@example.org;{phone};\
             head;Kepala Pusat TIK;approved;{at}\r\n"
        );
    }
    text
}

/// `generic:ID@1`
pub fn key(id: &str) -> String {
    format!("generic:{id}@1")
}
