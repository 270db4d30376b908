//! What a letter's placeholders stand for. No password is among the values, so none can ever be in a letter.

use crate::channel::notice::plain::plain;
use crate::channel::notice::written_out;
use crate::model::{Account, Record};
use jiff::civil::Date;
use std::collections::BTreeMap;

/// A placeholder: its Indonesian name, its English one, and what it stands for.
#[derive(Debug, Clone, Copy)]
pub struct Placeholder {
    /// The name that templates in Indonesian use.
    pub name: &'static str,
    /// The same in English.
    pub english: &'static str,
    /// What it stands for, for the secretary who edits the template.
    pub means: &'static str,
}

const fn placeholder(name: &'static str, english: &'static str, means: &'static str) -> Placeholder {
    Placeholder { name, english, means }
}

/// Every placeholder there is.
pub const PLACEHOLDERS: [Placeholder; 29] = [
    placeholder("nomor", "number", "dots, where the secretary writes the number of this letter"),
    placeholder("tanggal", "date", "the day on which the draft is made, written out"),
    placeholder("nomor_permohonan", "request_number", "number (id) of the request"),
    placeholder("nama", "name", "name of the applicant"),
    placeholder("tujuan", "addressee", "name of the applicant, and below it the work unit where that is another"),
    placeholder("identitas", "identifier", "NIP, NIM or unit code of the applicant"),
    placeholder("unit", "work_unit", "work unit of the applicant"),
    placeholder("kategori", "category", "category of the applicant"),
    placeholder("penanggung_jawab", "responsible", "name of the responsible person, else of the applicant"),
    placeholder("identitas_penanggung_jawab", "responsible_identifier", "that person's NIP or NIM"),
    placeholder("alamat", "address", "mail address of the account"),
    placeholder("nama_pengguna", "username", "user name of the account"),
    placeholder("atas_nama", "account_name", "whose name the account bears"),
    placeholder("layanan", "services", "services of the account"),
    placeholder("berlaku_sampai", "valid_until", "last valid day, written out; a hyphen where there is none"),
    placeholder("nomor_surat", "letter_number", "number of the letter of request"),
    placeholder("tanggal_surat", "letter_date", "its date, written out"),
    placeholder("nomor_register", "letter_register", "its number in the register of incoming letters"),
    placeholder("penanda_tangan_surat", "letter_signed_by", "who signed it"),
    placeholder("penanda_tangan", "signer", "titles of those who may sign this letter"),
    placeholder("instansi", "institution", "the procedure's institution"),
    placeholder("prosedur", "procedure", "the procedure's title"),
    placeholder("sop", "sop_number", "number of the written procedure"),
    placeholder("tautan_masuk", "login_url", "where to log in"),
    placeholder("tautan_surel", "webmail_url", "where mail is read in a browser"),
    placeholder("tautan_sandi", "change_url", "where the password is changed"),
    placeholder("bantuan", "help", "the procedure's text `help`"),
    placeholder("ketentuan", "obligations", "the procedure's text `obligations`"),
    placeholder("petunjuk", "instructions", "the procedure's text `instructions`"),
];

/// Longest value, in characters; more is cut.
pub(super) const LONGEST: usize = 2000;
/// Longest text of an applicant, in characters.
const FREE_TEXT: usize = 200;
/// Most lines of a value.
const MOST_LINES: usize = 40;

/// What a letter is written from.
#[derive(Debug, Clone, Copy)]
pub struct LetterFacts<'a> {
    /// The request.
    pub record: &'a Record,
    /// The account that was made.
    pub account: Option<&'a Account>,
    /// Its last valid day.
    pub last_day: Option<Date>,
    /// The procedure's texts, as kept with the request.
    pub texts: &'a BTreeMap<String, String>,
    /// Titles of those who may sign.
    pub signers: &'a [String],
    /// The day of the draft.
    pub today: Date,
    /// Language of dates: `id` or `en`.
    pub language: &'a str,
}

/// A value for each placeholder, by its Indonesian name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Values(BTreeMap<&'static str, String>);

impl Values {
    /// What the placeholders stand for in one letter. What applicants wrote is bounded and carries no link.
    pub fn of(facts: &LetterFacts<'_>) -> Self {
        let LetterFacts { record, account, texts, language, .. } = *facts;
        let applicant = |text: &str| plain(text, FREE_TEXT);
        let exact = |text: &str| number(text);
        let own = |key: &str| texts.get(key).map_or(String::new(), |text| text.trim().to_owned());
        let day = |day: Date| written_out(day, language);
        let contact = record.contact();
        let letter = record.documents.iter().find(|d| d.kind == "letter").or_else(|| record.documents.first());
        let none = || "-".to_owned();
        let mut values = BTreeMap::from([
            ("nomor", "....................".to_owned()),
            ("tanggal", day(facts.today)),
            ("nomor_permohonan", exact(&record.key.id)),
            ("nama", applicant(&record.applicant.name)),
            ("tujuan", addressee(&applicant(&record.applicant.name), &applicant(&record.applicant.unit))),
            ("identitas", exact(&record.applicant.identifier)),
            ("unit", applicant(&record.applicant.unit)),
            ("kategori", applicant(&record.applicant.category)),
            ("penanggung_jawab", applicant(&contact.name)),
            ("identitas_penanggung_jawab", exact(&contact.identifier)),
            ("alamat", account.and_then(|a| a.address.as_ref()).map_or_else(none, ToString::to_string)),
            ("nama_pengguna", account.map_or_else(none, |a| a.username.to_string())),
            ("atas_nama", account.map_or_else(none, |a| applicant(&a.name))),
            ("layanan", account.map_or_else(none, |a| a.services.join(", "))),
            ("berlaku_sampai", facts.last_day.map_or_else(none, day)),
            ("nomor_surat", letter.map_or_else(none, |l| exact(&l.number))),
            ("tanggal_surat", letter.and_then(|l| l.date).map_or_else(none, day)),
            ("nomor_register", letter.map_or_else(none, |l| exact(&l.register))),
            ("penanda_tangan_surat", letter.map_or_else(none, |l| applicant(&l.signed_by))),
            ("penanda_tangan", facts.signers.join(" / ")),
            ("instansi", own("institution")),
            ("prosedur", own("title")),
            ("sop", own("sop")),
            ("tautan_masuk", own("login_url")),
            ("tautan_surel", own("webmail_url")),
            ("tautan_sandi", own("change_url")),
            ("bantuan", own("help")),
            ("ketentuan", own("obligations")),
            ("petunjuk", own("instructions")),
        ]);
        for value in values.values_mut() {
            *value = bounded(value);
        }
        Self(values)
    }

    /// The value of a placeholder; empty for a name that is none.
    pub(super) fn get(&self, name: &str) -> &str {
        self.0.get(name).map_or("", String::as_str)
    }

    #[cfg(test)]
    pub(super) fn each(value: &str) -> Self {
        Self(PLACEHOLDERS.iter().map(|p| (p.name, value.to_owned())).collect())
    }
}

/// A unit that applies for itself is named once.
fn addressee(name: &str, unit: &str) -> String {
    match unit.is_empty() || unit.to_lowercase() == name.to_lowercase() {
        true => name.to_owned(),
        false => format!("{name}\n{unit}"),
    }
}

/// Like [`plain`], but a dot between digits stays as it is: the number of a letter must be that of the letter.
fn number(text: &str) -> String {
    // A character of private use (Unicode §23.5) that stands for the dot meanwhile.
    const DOT: char = '\u{e000}';
    let text: Vec<char> = text.chars().filter(|c| *c != DOT).collect();
    let digit = |place: Option<usize>| place.and_then(|place| text.get(place)).is_some_and(char::is_ascii_digit);
    let between = |place: usize| digit(place.checked_sub(1)) && digit(place.checked_add(1));
    let kept: String = text.iter().enumerate().map(|(i, c)| if *c == '.' && between(i) { DOT } else { *c }).collect();
    plain(&kept, FREE_TEXT).replace(DOT, ".")
}

fn bounded(text: &str) -> String {
    let lines: Vec<&str> = text.lines().take(MOST_LINES).collect();
    let text = lines.join("\n");
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text,
    }
}

/// The placeholder that was meant, by its Indonesian name; else a sentence.
pub(super) fn known(written: &str) -> Result<&'static str, String> {
    let invisible = |c: char| matches!(c, '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{feff}' | '\u{ad}');
    let visible: String = written.chars().filter(|c| !invisible(*c)).collect();
    let word = visible.trim().to_lowercase();
    if let Some(found) = PLACEHOLDERS.iter().find(|p| p.name == word || p.english == word) {
        return Ok(found.name);
    }
    let shown: String = visible.trim().chars().take(40).collect::<String>().escape_debug().to_string();
    if ["password", "kata_sandi", "sandi", "kata sandi"].contains(&word.as_str()) {
        return Err(format!("there is no placeholder `{shown}`: no password is ever in a letter"));
    }
    let names = PLACEHOLDERS.iter().flat_map(|p| [p.name, p.english]);
    let like = names.max_by(|a, b| strsim::jaro_winkler(a, &word).total_cmp(&strsim::jaro_winkler(b, &word)));
    let like = like.filter(|like| strsim::jaro_winkler(like, &word) > 0.8);
    Err(match like {
        Some(like) => format!("there is no placeholder `{shown}`; did you mean `{{{{ {like} }}}}`?"),
        None => format!(
            "there is no placeholder `{shown}`; there are {}",
            PLACEHOLDERS.iter().map(|p| p.name).collect::<Vec<_>>().join(", ")
        ),
    })
}
