//! `akund template`

use super::exit::{Exit, Failure};
use super::output::say;
use super::{Common, output};
use crate::channel::letter::Letters;
use crate::config::Config;
use crate::daemon::wiring;
use crate::durable;
use crate::model::NoticeKind;
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
  akund template preview refusal --language en")]
    Preview {
        /// credentials, refusal, redirect, form, incomplete, conflict, changed, report, letter-draft or letter.
        #[arg(value_parser = kind)]
        notice: NoticeKind,
        /// id or en.
        #[arg(long, default_value = "id")]
        language: String,
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

fn kind(word: &str) -> Result<NoticeKind, String> {
    NoticeKind::ALL
        .into_iter()
        .find(|kind| kind.as_str() == word)
        .ok_or_else(|| format!("expected one of {}", NoticeKind::ALL.map(NoticeKind::as_str).join(", ")))
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
    let (notice, language) = match &args.what {
        What::Preview { notice, language } => (notice, language),
        What::Letter { template, to, language } => return letter(common, &config, (template, language), to),
    };
    let templates = wiring::templates(&config).map_err(|problems| Failure::new(Exit::Config, problems.join("\n")))?;
    let rendered = templates.preview(*notice, language).map_err(|fault| Failure::new(Exit::Config, fault.message))?;
    if common.json {
        output::json(&serde_json::json!({
            "subject": rendered.subject, "text": rendered.text.expose(), "html": rendered.html.as_ref().map(|html| html.expose()),
        }))?;
    } else {
        say!("Subject: {}\n\n{}", rendered.subject, rendered.text.expose());
    }
    Ok(Exit::Good)
}
