//! `akund template`

use super::exit::{Exit, Failure};
use super::output::say;
use super::{Common, output};
use crate::channel::letter::Letters;
use crate::channel::notice::OperatorNotice;
use crate::channel::sms::segments::segments;
use crate::config::Config;
use crate::daemon::wiring;
use crate::durable;
use crate::model::{Fault, NoticeKind, Specimen};
use crate::procedure::Language;
use clap::{Args as ClapArgs, Subcommand};
use std::path::{Path, PathBuf};

/// Options of `akund template`.
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Examples:
  akund template preview credentials --language en
  akund template letter surat-pemberitahuan.docx contoh.docx")]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Render a notice with sample values, as an applicant would get it.
    #[command(after_help = "\
Examples:
  akund template preview credentials
  akund template preview refusal --language en
  akund template preview redirect --procedure uin-malang-email --category student")]
    Preview {
        /// credentials, refusal, redirect, form, incomplete, conflict, changed, username, report, letter-draft or letter; or
        /// operator-alert, operator-digest.
        #[arg(value_parser = kind)]
        notice: Kind,
        /// id or en.
        #[arg(long, default_value = "id")]
        language: String,
        /// With this procedure's own texts, domain and services.
        #[arg(long, value_name = "NAME")]
        procedure: Option<String>,
        /// For an applicant of this category of it.
        #[arg(long, value_name = "NAME", requires = "procedure")]
        category: Option<String>,
    },
    /// Fill a letter template with sample values and write the Word file, for whoever edits it.
    #[command(after_help = "\
Example:
  akund template letter surat-pemberitahuan.docx contoh.docx")]
    Letter {
        /// The template's file name in the directory of templates; surat-pemberitahuan.docx is built in.
        template: String,
        /// Where the letter is written.
        #[arg(value_name = "FILE")]
        to: PathBuf,
        /// Language of dates: id or en.
        #[arg(long, default_value = "id")]
        language: String,
    },
}

/// To an applicant, or to the operator.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Applicant(NoticeKind),
    Operator(OperatorNotice),
}

fn kind(word: &str) -> Result<Kind, String> {
    let applicant = NoticeKind::ALL.into_iter().map(|kind| (kind.as_str(), Kind::Applicant(kind)));
    let operator = OperatorNotice::ALL.into_iter().map(|kind| (kind.as_str(), Kind::Operator(kind)));
    let mut kinds = applicant.chain(operator);
    kinds.clone().find(|(known, _)| *known == word).map(|(_, kind)| kind).ok_or_else(|| {
        let words: Vec<&str> = kinds.by_ref().map(|(word, _)| word).collect();
        format!("expected one of {}", words.join(", "))
    })
}

/// Writes a letter with sample values.
fn letter(common: &Common, config: &Config, (name, language): (&str, &str), to: &Path) -> Result<Exit, Failure> {
    let letters = Letters::load(&config.templates.path, [name]);
    let letters = letters.map_err(|problems| Failure::new(Exit::Config, problems.join("\n")))?;
    let letter = letters.preview(name, language).map_err(|problem| Failure::new(Exit::Config, problem))?;
    durable::replace(to, &letter.unwrap_or_default(), 0o644)?;
    if common.json {
        output::json(&serde_json::json!({"template": name, "written": to}))?;
    } else {
        say!("{} was written, filled with sample values", to.display());
    }
    Ok(Exit::Good)
}

/// Renders a preview.
pub fn run(common: &Common, args: &Args) -> Result<Exit, Failure> {
    let config = common.load()?;
    let (notice, language, procedure, category) = match &args.what {
        What::Preview { notice, language, procedure, category } => (notice, language, procedure, category),
        What::Letter { template, to, language } => return letter(common, &config, (template, language), to),
    };
    let templates = wiring::templates(&config).map_err(|problems| Failure::new(Exit::Config, problems.join("\n")))?;
    let shown = |fault: Fault| Failure::new(Exit::Config, fault.message);
    let (rendered, short) = match (notice, procedure) {
        (Kind::Applicant(kind), None) => {
            (templates.preview(*kind, language), templates.preview_short(*kind, language).ok())
        }
        (Kind::Applicant(kind), Some(name)) => {
            let specimen = specimen(&config, name, *kind, language, category.as_deref())?;
            let short = templates.preview_short_for(*kind, language, &specimen).ok();
            (templates.preview_for(*kind, language, &specimen), short)
        }
        (Kind::Operator(kind), _) => (templates.preview_operator(*kind, language), None),
    };
    let rendered = rendered.map_err(shown)?;
    let taken = short.as_ref().map(|short| segments(short.text.expose()));
    if common.json {
        output::json(&serde_json::json!({
            "sms": short.as_ref().map(|short| short.text.expose()), "segments": taken.map(|taken| taken.parts),
            "subject": rendered.subject, "text": rendered.text.expose(), "html": rendered.html.as_ref().map(|html| html.expose()),
        }))?;
    } else {
        say!("Subject: {}\n\n{}", rendered.subject, rendered.text.expose());
        match (short.zip(taken), notice) {
            (Some((short, taken)), _) => say!("\nAs a text message, {taken}:\n\n{}", short.text.expose()),
            (None, Kind::Applicant(kind)) => {
                say!("\nIt cannot go as a text message: there is no template {}.LANG.sms.", kind.as_str());
            }
            (None, Kind::Operator(_)) => {}
        }
    }
    Ok(Exit::Good)
}

/// An applicant of a procedure of the configuration.
fn specimen(
    config: &Config,
    name: &str,
    notice: NoticeKind,
    language: &str,
    category: Option<&str>,
) -> Result<Specimen, Failure> {
    let procedures = wiring::procedures(config, &wiring::site_of(config))
        .map_err(|problems| Failure::new(Exit::Config, problems.join("\n")))?;
    let procedure = procedures.get(name).ok_or_else(|| {
        let known: Vec<&str> = procedures.keys().map(String::as_str).collect();
        Failure::new(Exit::Usage, format!("there is no procedure {name}; there are {}", known.join(", ")))
    })?;
    let language = if language.starts_with("en") { Language::En } else { Language::Id };
    procedure.specimen(notice, language, category).map_err(|problem| Failure::new(Exit::Usage, problem))
}
