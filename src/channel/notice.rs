//! What a notice says: templates, and the values that they may use.
//!
//! A notice is one of [`NoticeKind`], in a language, as text and (where there is such a template) as HTML. The built-in
//! templates are Indonesian and English; files in a directory go before them:
//!
//! * `KIND.LANG.txt`: the first line is `Subject: …`, the rest is the text. `LANG` is a language code of two or three
//!   letters; asked for a language that has no template, a notice falls back to `id`, then to `en`.
//! * `KIND.LANG.html`: the same as HTML. A site's own text without a site's own HTML goes as text alone.
//! * `KIND.LANG.sms`: the same as a text message, without a subject; a kind without one cannot go by text message. What others wrote
//!   is cut shorter there, and written without the characters that would make the message UCS-2.
//! * `operator-alert.LANG.txt`, `operator-digest.LANG.txt`: what the operator is told ([`OperatorNotice`]).
//! * `footer.LANG.txt`, `layout.LANG.html` and `parts.html`: what the built-in ones share.
//!
//! The language is Jinja's (`minijinja`), with trimmed blocks and strict undefined values. A template can use:
//!
//! | value | what it is |
//! |---|---|
//! | `number`, `action` | the request's id; what it asked for (`create`, `reset` …) |
//! | `recipient`, `applicant` | the name of whom the notice goes to; the applicant's |
//! | `wanted` | the address or user name that was asked for; may be empty |
//! | `account` | `.address` `.username` `.name` `.unit` `.category` `.group` `.services` `.has_mail` `.has_hotspot`; empty where there is none |
//! | `responsible` | the name of the responsible person; may be empty |
//! | `signers` | list of the titles of those who may sign the letter; in `letter-draft` |
//! | `letter` | in `letter`: `.number` `.date` `.signed_by`; empty elsewhere |
//! | `handed_over` | in `report`: whether the credentials have been handed over |
//! | `last_day` | the last valid day, written out; or empty |
//! | `password` | in `credentials` only, and never in its subject |
//! | `apart` | whether the password goes by itself: `account` and `wanted` are empty then, since another notice has them |
//! | `holder` | in `changed`: it goes to the account's holder, of what another contact asked for |
//! | `reasons`, `alternatives`, `missing` | lists of sentences and names |
//! | `checklist` | list of `.requirement` `.met` `.found` |
//! | `institution`, `title`, `login_url`, `webmail_url`, `hotspot_url`, `change_url`, `help`, `obligations`, `form_url`, `instructions`, `instructions_url` | the procedure's texts of that name; empty where it has none |
//! | `texts` | all of the procedure's texts; ask `texts.x is defined` first |
//! | `language` | the template's language |
//!
//! What applicants wrote is shortened and carries no link when it is shown (see [`plain`]); the procedure's texts and the names that the
//! verdict granted or proposed are shown as they are. HTML is escaped always. The password never enters the template engine:
//! a random token stands for it and is replaced in the finished text, so no error message and no cache can hold it.

mod context;
mod load;
pub mod plain;
mod sample;

use crate::model::{Account, Check, Fault, NoticeKind, Record, Secret, Specimen};
use jiff::civil::Date;
use minijinja::Environment;
use minijinja::value::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use uuid::Uuid;
use zeroize::Zeroizing;

pub(crate) use context::written_out;
pub use sample::SAMPLE_PASSWORD;

/// The languages that every notice has built in, in the order of the fallback.
pub const LANGUAGES: [&str; 2] = ["id", "en"];

/// Longest subject, in characters; more is cut.
const SUBJECT: usize = 200;

/// Everything that one notice may show.
#[derive(Debug, Clone, Copy)]
pub struct NoticeContext<'a> {
    /// The request.
    pub record: &'a Record,
    /// The name of whom it goes to; nobody else is greeted.
    pub recipient: &'a str,
    /// The account as it is after the request, if it has one.
    pub account: Option<&'a Account>,
    /// Its last valid day, in the procedure's time zone.
    pub last_day: Option<Date>,
    /// Why it was refused, or what the conflict is.
    pub reasons: &'a [String],
    /// Free names that would do instead.
    pub alternatives: &'a [String],
    /// What a request waits for.
    pub missing: &'a [String],
    /// The requirements and their results.
    pub checklist: &'a [Check],
    /// The procedure's texts, as kept with the request.
    pub texts: &'a BTreeMap<String, String>,
    /// Titles of those who may sign the letter.
    pub signers: &'a [String],
    /// The signed letter that goes with it.
    pub letter: Option<SignedLetter<'a>>,
    /// For [`NoticeKind::Report`]: the credentials have been handed over.
    pub handed_over: bool,
    /// For [`NoticeKind::Credentials`]; no other kind shows it.
    pub password: Option<&'a Secret>,
    /// The password goes by itself: neither address nor user name is shown beside it.
    pub apart: bool,
    /// For [`NoticeKind::Changed`]: it goes to the account's holder, of what another contact asked for.
    pub holder: bool,
}

/// What a notice says of the signed letter that goes with it.
#[derive(Debug, Clone, Copy)]
pub struct SignedLetter<'a> {
    /// Its number.
    pub number: &'a str,
    /// Title of the role that signed it.
    pub signed_by: &'a str,
    /// When it was signed.
    pub on: Date,
}

impl<'a> NoticeContext<'a> {
    /// Of a request and its procedure's texts, for somebody of this name; the rest is empty.
    pub fn new(record: &'a Record, recipient: &'a str, texts: &'a BTreeMap<String, String>) -> Self {
        Self {
            record,
            recipient,
            account: None,
            last_day: None,
            reasons: &[],
            alternatives: &[],
            missing: &[],
            checklist: &[],
            texts,
            signers: &[],
            letter: None,
            handed_over: false,
            password: None,
            apart: false,
            holder: false,
        }
    }
}

/// A text message's words, for one recipient.
#[derive(Debug)]
pub struct Short {
    /// The language that it came out in.
    pub language: String,
    /// The text.
    pub text: Secret,
}

/// A notice's words, for one recipient.
#[derive(Debug)]
pub struct Rendered {
    /// The language that it came out in.
    pub language: String,
    /// One line, without a secret.
    pub subject: String,
    /// Plain text.
    pub text: Secret,
    /// The same as HTML, if there is a template.
    pub html: Option<Secret>,
}

/// What the operator is told: notices that are about no single request. As templates they are text only; their values are those
/// of the built-in ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OperatorNotice {
    /// Something needs a person.
    Alert,
    /// The day's digest.
    Digest,
}

impl OperatorNotice {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Alert, Self::Digest];
    /// The template's name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Alert => "operator-alert",
            Self::Digest => "operator-digest",
        }
    }
    /// Made-up values, with every key that the real ones have.
    pub fn sample(self) -> Value {
        match self {
            Self::Alert => sample::operator_alert(),
            Self::Digest => sample::operator_digest(),
        }
    }
    /// The word in metrics.
    pub fn short(self) -> &'static str {
        match self {
            Self::Alert => "alert",
            Self::Digest => "digest",
        }
    }
}

/// Loaded and checked templates. Rendering changes nothing in them; a reload makes new ones.
#[derive(Debug)]
pub struct Templates {
    engine: Environment<'static>,
    /// Kinds and languages that have a text, and those that have HTML as well.
    texts: BTreeSet<(&'static str, String)>,
    pages: BTreeSet<(&'static str, String)>,
    /// Those that have a text message.
    shorts: BTreeSet<(&'static str, String)>,
    /// Template name → what to call it in messages.
    origins: BTreeMap<String, String>,
}

impl Templates {
    /// Loads the built-in templates and those of `directory` over them, and checks that each notice can be rendered.
    ///
    /// A directory that does not exist has no templates. Errors are sentences for the operator that name file and line.
    pub fn load(directory: Option<&Path>) -> Result<Self, Vec<String>> {
        load::load(directory)
    }

    /// Renders one notice for one recipient.
    ///
    /// Every fault is permanent: the templates were checked, so what goes wrong here goes wrong again. Messages hold no
    /// values, only file and line.
    pub fn render(&self, kind: NoticeKind, language: &str, context: &NoticeContext) -> Result<Rendered, Fault> {
        self.try_render(kind, language, context)
            .map_err(|e| Fault::permanent(format!("the notice {} cannot be rendered: {e}", kind.as_str())))
    }

    /// Renders one notice as a text message.
    ///
    /// # Errors
    /// As [`Self::render`]; and where the kind has no such form.
    pub fn render_short(&self, kind: NoticeKind, language: &str, context: &NoticeContext) -> Result<Short, Fault> {
        self.try_short(kind, language, context).map_err(|e| {
            Fault::permanent(format!("the notice {} cannot be rendered as a text message: {e}", kind.as_str()))
        })
    }

    /// Whether a kind can go as a text message.
    pub fn has_short(&self, kind: NoticeKind) -> bool {
        self.shorts.iter().any(|(short, _)| *short == kind.as_str())
    }

    /// As [`Self::preview`], as a text message.
    ///
    /// # Errors
    /// As [`Self::render_short`].
    pub fn preview_short(&self, kind: NoticeKind, language: &str) -> Result<Short, Fault> {
        self.render_short(kind, language, &sample::full().context(kind))
    }

    /// Renders one notice with made-up values: for `akund template preview`.
    pub fn preview(&self, kind: NoticeKind, language: &str) -> Result<Rendered, Fault> {
        self.render(kind, language, &sample::full().context(kind))
    }

    /// The same as an applicant of a procedure's category would get it.
    ///
    /// # Errors
    /// As [`Self::render`].
    pub fn preview_for(&self, kind: NoticeKind, language: &str, specimen: &Specimen) -> Result<Rendered, Fault> {
        self.render(kind, language, &sample::of(specimen, kind, language).context(kind))
    }

    /// The same as a text message.
    ///
    /// # Errors
    /// As [`Self::render_short`].
    pub fn preview_short_for(&self, kind: NoticeKind, language: &str, specimen: &Specimen) -> Result<Short, Fault> {
        self.render_short(kind, language, &sample::of(specimen, kind, language).context(kind))
    }

    /// Renders a notice to the operator.
    ///
    /// # Errors
    /// As [`Self::render`].
    pub fn render_operator(&self, notice: OperatorNotice, language: &str, values: Value) -> Result<Rendered, Fault> {
        let run = || {
            let language = choose(&self.texts, notice.as_str(), language).ok_or("it has no template")?;
            let stem = format!("{}.{language}.txt", notice.as_str());
            let part = |name: &str| {
                let template = self.engine.get_template(name).map_err(|e| self.sentence(&e))?;
                template.render(&values).map_err(|e| self.sentence(&e))
            };
            let subject = one_line(&part(&format!("{stem}:subject"))?)?;
            let text = Secret::new(part(&stem)?.trim_start_matches('\n').to_owned());
            Ok(Rendered { language, subject, text, html: None })
        };
        run().map_err(|e: String| Fault::permanent(format!("the notice {} cannot be rendered: {e}", notice.as_str())))
    }

    /// Renders a notice to the operator with made-up values.
    ///
    /// # Errors
    /// As [`Self::render`].
    pub fn preview_operator(&self, notice: OperatorNotice, language: &str) -> Result<Rendered, Fault> {
        self.render_operator(notice, language, notice.sample())
    }

    fn try_render(&self, kind: NoticeKind, language: &str, context: &NoticeContext) -> Result<Rendered, String> {
        let language = choose(&self.texts, kind.as_str(), language).ok_or("it has no template")?;
        let shown = shown(kind, context)?;
        let values = context::values(context, &language);
        let stem = format!("{}.{language}", kind.as_str());
        let subject = self.run(&format!("{stem}.txt:subject"), &values, None)?;
        let subject = one_line(&subject)?;
        let text = self.fill(&format!("{stem}.txt"), &values, shown.as_ref())?;
        let html = match self.pages.contains(&(kind.as_str(), language.clone())) {
            true => Some(self.fill(&format!("{stem}.html"), &values, shown.as_ref())?),
            false => None,
        };
        Ok(Rendered { language, subject, text, html })
    }

    fn try_short(&self, kind: NoticeKind, language: &str, context: &NoticeContext) -> Result<Short, String> {
        let language = choose(&self.shorts, kind.as_str(), language).ok_or("it has no template KIND.LANG.sms")?;
        let shown = shown(kind, context)?;
        let brief = context::Brief::of(context);
        let values = context::values(&brief.context(context), &language);
        let text = self.fill(&format!("{}.{language}.sms", kind.as_str()), &values, shown.as_ref())?;
        let text = Secret::new(text.expose().trim_end());
        if text.expose().is_empty() { Err("it is empty".into()) } else { Ok(Short { language, text }) }
    }

    fn run(&self, name: &str, values: &BTreeMap<&'static str, Value>, token: Option<&str>) -> Result<String, String> {
        let template = self.engine.get_template(name).map_err(|e| self.sentence(&e))?;
        let mut values = values.clone();
        if let Some(token) = token {
            values.insert("password", Value::from(token));
        }
        template.render(Value::from_pairs(values)).map_err(|e| self.sentence(&e))
    }

    fn fill(
        &self,
        name: &str,
        values: &BTreeMap<&'static str, Value>,
        shown: Option<&Shown>,
    ) -> Result<Secret, String> {
        let rendered = self.run(name, values, shown.map(|s| s.token.as_str()))?;
        let rendered = rendered.trim_start_matches('\n').to_owned();
        let Some(shown) = shown else { return Ok(Secret::new(rendered)) };
        if !rendered.contains(&shown.token) {
            return Err(format!("{} does not show the password as it is", self.origin(name)));
        }
        Ok(shown.reveal(&rendered, name.ends_with(".html")))
    }

    fn origin<'n>(&'n self, name: &'n str) -> &'n str {
        let file = name.strip_suffix(":subject").unwrap_or(name);
        self.origins.get(file).map_or(file, String::as_str)
    }

    /// Where it went wrong and why, without values: the innermost error names the place.
    fn sentence(&self, error: &minijinja::Error) -> String {
        let mut innermost = error;
        let mut next = std::error::Error::source(error);
        while let Some(source) = next {
            if let Some(inner) = source.downcast_ref::<minijinja::Error>() {
                innermost = inner;
            }
            next = source.source();
        }
        let place = self.origin(innermost.name().unwrap_or("a template"));
        match innermost.line() {
            Some(line) => format!("{place}:{line}: {}", innermost.kind()),
            None => format!("{place}: {}", innermost.kind()),
        }
    }
}

/// The language asked for (`id-ID` is `id`), else Indonesian, else English: the first that there is.
fn choose(there: &BTreeSet<(&'static str, String)>, kind: &'static str, language: &str) -> Option<String> {
    let asked = language.split(['-', '_']).next().unwrap_or_default().to_ascii_lowercase();
    let mut chain = std::iter::once(asked.as_str()).chain(LANGUAGES);
    chain.find(|l| there.contains(&(kind, (*l).to_owned()))).map(str::to_owned)
}

fn shown<'a>(kind: NoticeKind, context: &NoticeContext<'a>) -> Result<Option<Shown<'a>>, String> {
    match (kind, context.password) {
        (NoticeKind::Credentials, None) => Err("there is no password to show".into()),
        (NoticeKind::Credentials, Some(password)) => Ok(Some(Shown::new(password))),
        _ => Ok(None),
    }
}

/// A password while a notice is rendered, and the token that stands for it.
struct Shown<'a> {
    password: &'a Secret,
    token: String,
}

impl<'a> Shown<'a> {
    fn new(password: &'a Secret) -> Self {
        Self { password, token: format!("akund{}", Uuid::new_v4().simple()) }
    }

    /// Puts the password in the token's place, into a buffer that never grows, so that no copy is left behind.
    fn reveal(&self, rendered: &str, html: bool) -> Secret {
        let escaped = Zeroizing::new(if html { escape(self.password.expose()) } else { String::new() });
        let password = if html { escaped.as_str() } else { self.password.expose() };
        let times = rendered.matches(&self.token).count();
        let mut text = String::with_capacity(rendered.len() - times * self.token.len() + times * password.len());
        for (number, part) in rendered.split(&self.token).enumerate() {
            if number > 0 {
                text.push_str(password);
            }
            text.push_str(part);
        }
        Secret::new(text)
    }
}

/// For HTML text and quoted attributes. Grows at most once, before anything is written.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len() * 6);
    for c in text.chars() {
        match c {
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '&' => escaped.push_str("&amp;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#x27;"),
            other => escaped.push(other),
        }
    }
    escaped
}

fn one_line(subject: &str) -> Result<String, String> {
    let subject = subject.trim();
    if subject.is_empty() || subject.chars().any(char::is_control) {
        return Err("its subject is empty or has a line break".into());
    }
    Ok(subject.chars().take(SUBJECT).collect())
}

#[cfg(test)]
mod tests;
