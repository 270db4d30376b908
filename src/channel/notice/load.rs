//! Templates from the binary and from a directory, and the check that each notice can be rendered from them.

use super::context::{ACCOUNT, LETTER, TEXTS, VALUES};
use super::sample::{Sample, bare, full};
use super::{LANGUAGES, NoticeContext, OperatorNotice, Templates};
use crate::model::{Action, NoticeKind};
use minijinja::syntax::SyntaxConfig;
use minijinja::{AutoEscape, Environment, UndefinedBehavior};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Instructions that one rendering may take; the built-in ones take a few hundred.
const FUEL: u64 = 100_000;
/// Largest template file, bytes.
const LARGEST: u64 = 256 * 1024;

macro_rules! built_in {
    ($($name:literal),* $(,)?) => {
        &[$(($name, include_str!(concat!("../templates/", $name)))),*]
    };
}

const BUILT_IN: &[(&str, &str)] = built_in![
    "credentials.id.txt",
    "credentials.id.html",
    "credentials.en.txt",
    "credentials.en.html",
    "refusal.id.txt",
    "refusal.id.html",
    "refusal.en.txt",
    "refusal.en.html",
    "redirect.id.txt",
    "redirect.id.html",
    "redirect.en.txt",
    "redirect.en.html",
    "form.id.txt",
    "form.id.html",
    "form.en.txt",
    "form.en.html",
    "incomplete.id.txt",
    "incomplete.id.html",
    "incomplete.en.txt",
    "incomplete.en.html",
    "conflict.id.txt",
    "conflict.id.html",
    "conflict.en.txt",
    "conflict.en.html",
    "changed.id.txt",
    "changed.id.html",
    "changed.en.txt",
    "changed.en.html",
    "username.id.txt",
    "username.id.html",
    "username.en.txt",
    "username.en.html",
    "credentials.id.sms",
    "credentials.en.sms",
    "username.id.sms",
    "username.en.sms",
    "refusal.id.sms",
    "refusal.en.sms",
    "redirect.id.sms",
    "redirect.en.sms",
    "form.id.sms",
    "form.en.sms",
    "incomplete.id.sms",
    "incomplete.en.sms",
    "conflict.id.sms",
    "conflict.en.sms",
    "changed.id.sms",
    "changed.en.sms",
    "operator-alert.id.txt",
    "operator-alert.en.txt",
    "operator-digest.id.txt",
    "operator-digest.en.txt",
    "report.id.txt",
    "report.id.html",
    "report.en.txt",
    "report.en.html",
    "letter-draft.id.txt",
    "letter-draft.id.html",
    "letter-draft.en.txt",
    "letter-draft.en.html",
    "letter.id.txt",
    "letter.id.html",
    "letter.en.txt",
    "letter.en.html",
    "footer.id.txt",
    "footer.en.txt",
    "layout.id.html",
    "layout.en.html",
    "parts.html",
];

/// One template file.
struct Source {
    text: String,
    /// What to call it in messages.
    origin: String,
}

pub(super) fn load(directory: Option<&Path>) -> Result<Templates, Vec<String>> {
    let mut sources: BTreeMap<String, Source> = BUILT_IN
        .iter()
        .map(|(name, text)| {
            ((*name).to_owned(), Source { text: (*text).to_owned(), origin: format!("built-in template {name}") })
        })
        .collect();
    if let Some(directory) = directory {
        let own = read(directory)?;
        for name in own.keys() {
            // A site's own text does not go out beside the built-in HTML, which says something else.
            if let Some(stem) = name.strip_suffix(".txt").filter(|_| notice(name).is_some()) {
                sources.remove(&format!("{stem}.html"));
            }
        }
        sources.extend(own);
    }
    let templates = compile(sources)?;
    let problems = check(&templates);
    if problems.is_empty() { Ok(templates) } else { Err(problems) }
}

/// The directory's templates. A file with a template's ending but no template's name is an error, not silence.
fn read(directory: &Path) -> Result<BTreeMap<String, Source>, Vec<String>> {
    let shown = directory.display();
    let entries = match std::fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
        Err(error) => return Err(vec![format!("templates in {shown} cannot be listed: {error}")]),
    };
    let (mut found, mut problems) = (BTreeMap::new(), Vec::new());
    for entry in entries {
        let path = match entry {
            Ok(entry) => entry.path(),
            Err(error) => {
                problems.push(format!("templates in {shown} cannot be listed: {error}"));
                continue;
            }
        };
        let Some(name) = path.file_name().and_then(|n| n.to_str()) else { continue };
        if name.starts_with('.') || ![".txt", ".html", ".sms"].iter().any(|ending| name.ends_with(ending)) {
            continue;
        }
        if notice(name).is_none() && !shared(name) {
            problems.push(format!(
                "{}: no notice has this name; expected KIND.LANG.txt, .html or .sms, with KIND one of {}; or {}.LANG.txt",
                path.display(),
                NoticeKind::ALL.map(NoticeKind::as_str).join(" "),
                OperatorNotice::ALL.map(OperatorNotice::as_str).join(".LANG.txt, ")
            ));
            continue;
        }
        match text_of(&path) {
            Ok(text) => {
                found.insert(name.to_owned(), Source { text, origin: path.display().to_string() });
            }
            Err(cause) => problems.push(format!("{}: {cause}", path.display())),
        }
    }
    if problems.is_empty() { Ok(found) } else { Err(problems) }
}

fn text_of(path: &Path) -> Result<String, String> {
    let size = std::fs::metadata(path).map_err(|e| e.to_string())?;
    if !size.is_file() || size.len() > LARGEST {
        return Err(format!("expected a file of at most {LARGEST} bytes"));
    }
    let bytes = std::fs::read(path).map_err(|e| e.to_string())?;
    String::from_utf8(bytes).map_err(|_| "expected UTF-8 text".into())
}

/// `KIND.LANG.txt`, `KIND.LANG.html`, `KIND.LANG.sms` → kind and language.
fn notice(name: &str) -> Option<(&'static str, &str)> {
    let stem = [".txt", ".html", ".sms"].iter().find_map(|ending| name.strip_suffix(ending))?;
    let (kind, language) = stem.split_once('.')?;
    let operator = OperatorNotice::ALL.map(OperatorNotice::as_str).into_iter().filter(|_| name.ends_with(".txt"));
    let kind = NoticeKind::ALL.map(NoticeKind::as_str).into_iter().chain(operator).find(|k| *k == kind)?;
    is_language(language).then_some((kind, language))
}

fn shared(name: &str) -> bool {
    let part = |prefix: &str, suffix: &str| {
        name.strip_prefix(prefix).and_then(|n| n.strip_suffix(suffix)).is_some_and(is_language)
    };
    name == "parts.html" || part("footer.", ".txt") || part("layout.", ".html")
}

fn is_language(text: &str) -> bool {
    matches!(text.len(), 2 | 3) && text.bytes().all(|b| b.is_ascii_lowercase())
}

fn engine() -> Result<Environment<'static>, minijinja::Error> {
    let mut engine = Environment::new();
    engine.set_undefined_behavior(UndefinedBehavior::Strict);
    engine.set_fuel(Some(FUEL));
    let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).keep_trailing_newline(true).build()?;
    engine.set_syntax(syntax);
    engine.set_auto_escape_callback(|name| if name.ends_with(".html") { AutoEscape::Html } else { AutoEscape::None });
    // Nothing turns escaping off, and nothing prints all values at once.
    engine.remove_filter("safe");
    engine.remove_global("debug");
    Ok(engine)
}

fn compile(sources: BTreeMap<String, Source>) -> Result<Templates, Vec<String>> {
    let engine = engine().map_err(|e| vec![format!("the template engine cannot be set up: {}", e.kind())])?;
    let mut templates = Templates {
        engine,
        texts: BTreeSet::new(),
        pages: BTreeSet::new(),
        shorts: BTreeSet::new(),
        origins: BTreeMap::new(),
    };
    let mut problems = Vec::new();
    for (name, source) in sources {
        templates.origins.insert(name.clone(), source.origin);
        let place = notice(&name).map(|(kind, language)| (kind, language.to_owned()));
        let body = match (place, name.ends_with(".txt")) {
            (Some(place), true) => {
                templates.texts.insert(place);
                match split_subject(&source.text) {
                    Ok((subject, body)) => {
                        add(&mut templates, &mut problems, format!("{name}:subject"), subject);
                        body
                    }
                    Err(cause) => {
                        problems.push(format!("{}:1: {cause}", templates.origin(&name)));
                        continue;
                    }
                }
            }
            (Some(place), false) if name.ends_with(".sms") => {
                templates.shorts.insert(place);
                source.text.strip_prefix('\u{feff}').unwrap_or(&source.text).replace("\r\n", "\n")
            }
            (Some(place), false) => {
                templates.pages.insert(place);
                source.text
            }
            (None, _) => source.text,
        };
        add(&mut templates, &mut problems, name, body);
    }
    if problems.is_empty() { Ok(templates) } else { Err(problems) }
}

fn add(templates: &mut Templates, problems: &mut Vec<String>, name: String, text: String) {
    let tag = |l: &str| l.split("{%").skip(1).any(|t| t.trim_start_matches(['-', '+', ' ']).starts_with("autoescape"));
    if let Some(line) = text.lines().position(tag) {
        problems.push(format!("{}:{}: autoescape cannot be changed", templates.origin(&name), line + 1));
        return;
    }
    if let Err(error) = templates.engine.add_template_owned(name.clone(), text) {
        let line = error.line().unwrap_or(1);
        let detail = error.detail().map(|d| format!(": {d}")).unwrap_or_default();
        problems.push(format!("{}:{line}: {}{detail}", templates.origin(&name), error.kind()));
    }
}

/// The first line's subject, and the rest with that line left empty, so that line numbers stay right.
fn split_subject(text: &str) -> Result<(String, String), String> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text).replace("\r\n", "\n");
    let (first, rest) = text.split_once('\n').unwrap_or((&text, ""));
    let subject = first.strip_prefix("Subject:").map(str::trim).filter(|s| !s.is_empty());
    let subject = subject.ok_or("expected the first line to be `Subject: …`")?;
    Ok((subject.to_owned(), format!("\n{rest}")))
}

/// Looks at the names that each template uses, and renders each notice with all values and with as few as there can be.
fn check(templates: &Templates) -> Vec<String> {
    let mut problems: Vec<String> =
        templates.engine.templates().flat_map(|(name, _)| unknown(templates, name)).collect();
    for kind in NoticeKind::ALL {
        let own: Vec<&String> =
            templates.texts.iter().filter(|(k, _)| *k == kind.as_str()).map(|(_, language)| language).collect();
        for language in LANGUAGES.into_iter().filter(|l| !own.iter().any(|o| o == l)) {
            problems.push(format!("the notice {} has no template in {language}", kind.as_str()));
        }
        let pages = templates.pages.iter().filter(|(k, l)| *k == kind.as_str() && !own.contains(&l));
        problems.extend(
            pages.map(|(kind, language)| format!("{kind}.{language}.html needs {kind}.{language}.txt beside it")),
        );
        let shorts = templates.shorts.iter().filter(|(k, l)| *k == kind.as_str() && !own.contains(&l)).map(|(_, l)| l);
        let own: Vec<&String> = own.iter().copied().chain(shorts).collect();
        if problems.is_empty() {
            problems.extend(own.into_iter().flat_map(|language| trial(templates, kind, language)));
        }
    }
    for notice in OperatorNotice::ALL {
        for (_, language) in templates.texts.iter().filter(|(kind, _)| *kind == notice.as_str()) {
            let attempt = templates.preview_operator(notice, language);
            problems.extend(attempt.err().map(|fault| fault.message));
        }
    }
    problems.sort();
    problems.dedup();
    problems
}

fn trial(templates: &Templates, kind: NoticeKind, language: &str) -> Vec<String> {
    let short = templates.shorts.contains(&(kind.as_str(), language.to_owned()));
    let actions = [Action::Create, Action::Change, Action::Reset, Action::Suspend, Action::Resume, Action::Remove];
    let samples = actions.into_iter().map(|a| full().asking_for(a)).chain(std::iter::once(bare()));
    let attempt = |sample: Sample| {
        let others =
            if matches!(kind, NoticeKind::Credentials | NoticeKind::Changed) { &[false, true][..] } else { &[false] };
        let attempts = others.iter().flat_map(|other| {
            let (apart, holder) = (*other && kind == NoticeKind::Credentials, *other && kind == NoticeKind::Changed);
            let context = NoticeContext { apart, holder, ..sample.context(kind) };
            let text = templates.try_render(kind, language, &context).err();
            text.into_iter().chain(short.then(|| templates.try_short(kind, language, &context).err()).flatten())
        });
        attempts.collect::<Vec<_>>()
    };
    samples.flat_map(attempt).collect()
}

/// Names that no template is given; and the password where it may not be.
fn unknown(templates: &Templates, name: &str) -> Vec<String> {
    let Ok(template) = templates.engine.get_template(name) else { return Vec::new() };
    let subject = name.ends_with(":subject");
    let file = name.strip_suffix(":subject").unwrap_or(name);
    if notice(file).is_some_and(|(kind, _)| OperatorNotice::ALL.iter().any(|operator| operator.as_str() == kind)) {
        // Its values are its own; whether it uses others shows when it is rendered.
        return Vec::new();
    }
    let problem = |used: &str, why: &str| {
        let last = used.rsplit('.').next().unwrap_or(used);
        let line = template.source().lines().position(|l| has_word(l, last)).map_or(1, |n| n + 1);
        format!("{}:{line}: {why} `{used}`", templates.origin(name))
    };
    let mut used: Vec<String> = template.undeclared_variables(true).into_iter().collect();
    used.sort();
    used.iter()
        .filter_map(|used| {
            let (first, part) = used.split_once('.').map_or((used.as_str(), None), |(f, p)| (f, Some(p)));
            let password_may_be =
                !subject && notice(name).is_none_or(|(kind, _)| kind == NoticeKind::Credentials.as_str());
            match (first, part) {
                ("password", _) if subject => Some(problem(used, "a subject must not show the")),
                ("password", _) if !password_may_be => Some(problem(used, "only the notice credentials has a")),
                ("letter", Some(part)) if !LETTER.contains(&part) => Some(problem(used, "unknown value")),
                ("account", Some(part)) if !ACCOUNT.contains(&part) => Some(problem(used, "unknown value")),
                ("self" | "super" | "loop" | "caller" | "language" | "range" | "dict" | "namespace", _) => None,
                _ if VALUES.contains(&first) || TEXTS.contains(&first) => None,
                _ => Some(problem(used, "unknown value")),
            }
        })
        .collect()
}

fn has_word(line: &str, word: &str) -> bool {
    line.split(|c: char| !c.is_alphanumeric() && c != '_').any(|w| w == word)
}
