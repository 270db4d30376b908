//! `akund template`

use super::exit::{Exit, Failure};
use super::output::say;
use super::{Common, output};
use crate::daemon::wiring;
use crate::model::NoticeKind;
use clap::{Args as ClapArgs, Subcommand};

/// Options of `akund template`.
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Example:
  akund template preview credentials --language en")]
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
}

fn kind(word: &str) -> Result<NoticeKind, String> {
    NoticeKind::ALL
        .into_iter()
        .find(|kind| kind.as_str() == word)
        .ok_or_else(|| format!("expected one of {}", NoticeKind::ALL.map(NoticeKind::as_str).join(", ")))
}

/// Renders a preview.
pub fn run(common: &Common, args: &Args) -> Result<Exit, Failure> {
    let What::Preview { notice, language } = &args.what;
    let config = common.load()?;
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
