//! From a [`NoticeContext`] to the values that a template can reach: these and nothing else.

use super::plain::{plain, plain_keeping};
use super::{NoticeContext, SignedLetter};
use crate::channel::sms::segments::plainly;
use crate::model::verdict::DOMAINS;
use crate::model::{Account, Address, Record};
use jiff::civil::Date;
use minijinja::value::Value;
use std::collections::BTreeMap;

/// Longest text of an applicant, and longest sentence of a verdict, in characters.
const FREE_TEXT: usize = 200;
const SENTENCE: usize = 500;
/// Longest list that is shown.
const ITEMS: usize = 50;

/// The procedure's texts that every template may use without asking whether they are there.
pub(super) const TEXTS: [&str; 11] = [
    "institution",
    "title",
    "login_url",
    "webmail_url",
    "hotspot_url",
    "change_url",
    "help",
    "obligations",
    "form_url",
    "instructions",
    "instructions_url",
];

/// The other values; see the table in the module's documentation.
pub(super) const VALUES: [&str; 19] = [
    "apart",
    "holder",
    "number",
    "action",
    "recipient",
    "applicant",
    "responsible",
    "signers",
    "letter",
    "handed_over",
    "wanted",
    "account",
    "last_day",
    "password",
    "reasons",
    "alternatives",
    "missing",
    "checklist",
    "texts",
];

/// The parts of `account`.
pub(super) const ACCOUNT: [&str; 9] =
    ["address", "username", "name", "unit", "category", "group", "services", "has_mail", "has_hotspot"];

/// The parts of `letter`.
pub(super) const LETTER: [&str; 3] = ["number", "date", "signed_by"];

/// All values but `password`.
pub(super) fn values(context: &NoticeContext, language: &str) -> BTreeMap<&'static str, Value> {
    let record = context.record;
    let keep = keep(context);
    let keep: Vec<&str> = keep.iter().map(String::as_str).collect();
    let sentences = |list: &[String]| -> Value {
        list.iter().take(ITEMS).map(|s| Value::from(plain_keeping(s, SENTENCE, &keep))).collect()
    };
    let wanted = record.account.address.as_ref().map(Address::as_str);
    let wanted = wanted.or(record.account.username.as_ref().map(|u| u.as_str())).unwrap_or_default();
    let checklist = context.checklist.iter().take(ITEMS).map(|c| {
        Value::from_pairs([
            ("requirement", Value::from(plain(&c.requirement, FREE_TEXT))),
            ("met", Value::from(c.met)),
            ("found", Value::from(plain_keeping(&c.found, FREE_TEXT, &keep))),
        ])
    });
    // What goes apart from the password must not stand beside it.
    let (wanted, granted) = if context.apart { ("", None) } else { (wanted, context.account) };
    // Where officials are written to is nobody else's to read.
    let own = |(key, _): &(&String, &String)| !key.contains('.');
    let mut values: BTreeMap<&'static str, Value> = BTreeMap::from([
        ("apart", Value::from(context.apart)),
        ("holder", Value::from(context.holder)),
        ("language", Value::from(language)),
        ("number", Value::from(plain(&record.key.id, FREE_TEXT))),
        ("action", Value::from(record.action.as_str())),
        ("recipient", Value::from(plain(context.recipient, FREE_TEXT))),
        ("responsible", Value::from(record.responsible.as_ref().map_or(String::new(), |r| plain(&r.name, FREE_TEXT)))),
        ("signers", context.signers.iter().take(ITEMS).map(|s| Value::from(s.as_str())).collect()),
        ("letter", letter(context.letter, language)),
        ("handed_over", Value::from(context.handed_over)),
        ("applicant", Value::from(plain(&record.applicant.name, FREE_TEXT))),
        ("wanted", Value::from(plain_keeping(wanted, FREE_TEXT, &keep))),
        ("account", account(granted)),
        ("last_day", Value::from(context.last_day.map(|day| written_out(day, language)).unwrap_or_default())),
        ("reasons", sentences(context.reasons)),
        ("missing", sentences(context.missing)),
        ("alternatives", context.alternatives.iter().take(ITEMS).map(|a| Value::from(a.as_str())).collect()),
        ("checklist", checklist.collect()),
        ("texts", Value::from_pairs(context.texts.iter().filter(own).map(|(k, v)| (k.as_str(), v.as_str())))),
    ]);
    for key in TEXTS {
        let text = context.texts.get(key).map_or("", |t| t.trim());
        values.insert(key, Value::from(text));
    }
    values.insert("institution", Value::from(institution(context)));
    values
}

/// Longest name, sentence and request's id in a text message, characters; and most items of a list.
const BRIEF_NAME: usize = 40;
const BRIEF_SENTENCE: usize = 120;
const BRIEF_ITEMS: usize = 2;

/// What others wrote, cut for a text message and written without what would make it UCS-2.
pub(super) struct Brief {
    record: Record,
    reasons: Vec<String>,
    missing: Vec<String>,
    alternatives: Vec<String>,
    texts: BTreeMap<String, String>,
}

impl Brief {
    pub(super) fn of(context: &NoticeContext) -> Self {
        let mut record = context.record.clone();
        record.key.id = cut(&record.key.id, BRIEF_NAME);
        for person in std::iter::once(&mut record.applicant).chain(record.responsible.as_mut()) {
            person.name = cut(&person.name, BRIEF_NAME);
        }
        let sentences = |list: &[String]| list.iter().take(BRIEF_ITEMS).map(|s| cut(s, BRIEF_SENTENCE)).collect();
        // An address is shown as it is, or it leads elsewhere.
        let text = |(key, text): (&String, &String)| {
            (key.clone(), if key.ends_with("_url") { text.clone() } else { plainly(text) })
        };
        Self {
            record,
            reasons: sentences(context.reasons),
            missing: sentences(context.missing),
            alternatives: context.alternatives.iter().take(BRIEF_ITEMS).cloned().collect(),
            texts: context.texts.iter().map(text).collect(),
        }
    }

    pub(super) fn context<'a>(&'a self, context: &NoticeContext<'a>) -> NoticeContext<'a> {
        NoticeContext {
            record: &self.record,
            reasons: &self.reasons,
            missing: &self.missing,
            alternatives: &self.alternatives,
            texts: &self.texts,
            ..*context
        }
    }
}

fn cut(text: &str, limit: usize) -> String {
    let plain = plainly(text);
    match plain.char_indices().nth(limit) {
        Some((end, _)) => format!("{}...", plain.get(..end).unwrap_or_default().trim_end()),
        None => plain,
    }
}

/// Every notice names somebody: the institution, else the procedure's title, else the procedure.
fn institution(context: &NoticeContext) -> String {
    let texts = [context.texts.get("institution"), context.texts.get("title")];
    let named = texts.into_iter().flatten().map(|t| t.trim()).find(|t| !t.is_empty());
    named.unwrap_or(&context.record.key.procedure).to_owned()
}

/// Names that may be shown whole: granted or proposed ones; the wanted address if it is in a domain of the procedure or of such
/// a one; others' addresses in the procedure's domains, as the judge masks them.
fn keep(context: &NoticeContext) -> Vec<String> {
    let mut names: Vec<String> = context.alternatives.to_vec();
    if let Some(account) = context.account {
        names.extend(account.address.iter().chain(&account.aliases).map(|a| a.as_str().to_owned()));
        names.push(account.username.as_str().to_owned());
    }
    let own: Vec<&str> = context.texts.get(DOMAINS).map(|d| d.split(' ').collect()).unwrap_or_default();
    let below =
        |domain: &str, own: &str| domain.strip_suffix(own).is_some_and(|sub| sub.is_empty() || sub.ends_with('.'));
    let is_own = |domain: &str| own.iter().any(|own| !own.is_empty() && below(domain, own));
    let granted = |domain: &str| names.iter().any(|n| n.rsplit_once('@').is_some_and(|(_, d)| d == domain));
    let ours = |wanted: &&Address| is_own(wanted.domain()) || granted(wanted.domain());
    let wanted = context.record.account.address.as_ref().filter(ours).map(|wanted| wanted.as_str().to_owned());
    // How the judge shows another's address: `h…@example.ac.id`.
    let words = context.reasons.iter().flat_map(|said| said.split(|c: char| c.is_whitespace() || "(),".contains(c)));
    let masked = words.filter(|word| {
        let mut rest = word.chars();
        rest.next().is_some_and(char::is_alphanumeric) && rest.as_str().strip_prefix("…@").is_some_and(is_own)
    });
    let masked: Vec<String> = masked.map(str::to_owned).collect();
    names.extend(wanted.into_iter().chain(masked));
    names
}

fn letter(letter: Option<SignedLetter<'_>>, language: &str) -> Value {
    let (number, date, signed_by) = letter.map_or_else(Default::default, |letter| {
        (letter.number.to_owned(), written_out(letter.on, language), letter.signed_by.to_owned())
    });
    Value::from_pairs([
        ("number", Value::from(number)),
        ("date", Value::from(date)),
        ("signed_by", Value::from(signed_by)),
    ])
}

fn account(account: Option<&Account>) -> Value {
    let Some(account) = account else {
        let empty = ACCOUNT.map(|key| match key {
            "services" => (key, Value::from(Vec::<Value>::new())),
            "has_mail" | "has_hotspot" => (key, Value::from(false)),
            _ => (key, Value::from("")),
        });
        return Value::from_pairs(empty);
    };
    let has = |service: &str| account.services.iter().any(|s| s == service);
    Value::from_pairs([
        ("address", Value::from(account.address.as_ref().map_or("", Address::as_str))),
        ("username", Value::from(account.username.as_str())),
        ("name", Value::from(plain(&account.name, FREE_TEXT))),
        ("unit", Value::from(plain(&account.unit, FREE_TEXT))),
        ("category", Value::from(plain(&account.category, FREE_TEXT))),
        ("group", Value::from(plain(account.group.as_deref().unwrap_or_default(), FREE_TEXT))),
        ("services", account.services.iter().map(|s| Value::from(s.as_str())).collect()),
        ("has_mail", Value::from(has("mail"))),
        ("has_hotspot", Value::from(has("hotspot"))),
    ])
}

/// `30 Juni 2027`, `30 June 2027`; `2027-06-30` in any other language.
pub(crate) fn written_out(day: Date, language: &str) -> String {
    const INDONESIAN: [&str; 12] = [
        "Januari",
        "Februari",
        "Maret",
        "April",
        "Mei",
        "Juni",
        "Juli",
        "Agustus",
        "September",
        "Oktober",
        "November",
        "Desember",
    ];
    const ENGLISH: [&str; 12] = [
        "January",
        "February",
        "March",
        "April",
        "May",
        "June",
        "July",
        "August",
        "September",
        "October",
        "November",
        "December",
    ];
    let months = match language {
        "id" => &INDONESIAN,
        "en" => &ENGLISH,
        _ => return day.to_string(),
    };
    let month = usize::try_from(day.month() - 1).ok().and_then(|m| months.get(m)).copied().unwrap_or_default();
    format!("{} {month} {}", day.day(), day.year())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channel::notice::sample;
    use crate::model::NoticeKind;

    #[test]
    fn the_lists_of_names_are_what_a_template_gets() {
        for sample in [sample::full(), sample::bare()] {
            let values = values(&sample.context(NoticeKind::Credentials), "id");
            let mut expected: Vec<&str> = VALUES.iter().chain(&TEXTS).copied().chain(["language"]).collect();
            expected.retain(|v| *v != "password");
            expected.sort_unstable();
            assert_eq!(values.keys().copied().collect::<Vec<_>>(), expected);
            let mut parts: Vec<String> =
                values["account"].try_iter().unwrap().map(|k| k.as_str().unwrap().to_owned()).collect();
            parts.sort();
            let mut expected = ACCOUNT.map(str::to_owned).to_vec();
            expected.sort();
            assert_eq!(parts, expected);
        }
    }

    #[test]
    fn where_officials_are_written_to_is_no_templates_to_show() {
        let texts = ["help", "role.kasi.email", "role.kasi.title"].map(|key| (key.to_owned(), "x".to_owned())).into();
        let sample = sample::full();
        let context = NoticeContext { texts: &texts, ..sample.context(NoticeKind::Credentials) };
        let keys: Vec<String> = values(&context, "id")["texts"].try_iter().unwrap().map(|k| k.to_string()).collect();
        assert_eq!(keys, ["help"]);
    }

    #[test]
    fn days_are_written_out() {
        let day = jiff::civil::date(2027, 6, 30);
        assert_eq!(written_out(day, "id"), "30 Juni 2027");
        assert_eq!(written_out(day, "en"), "30 June 2027");
        assert_eq!(written_out(day, "jv"), "2027-06-30");
    }
}
