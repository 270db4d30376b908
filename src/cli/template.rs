//! `akund template`

use super::exit::{Exit, Failure};
use super::output::say;
use super::{Common, output};
use crate::config::Config;
use crate::daemon::wiring;
use crate::model::NoticeKind;
use crate::procedure::{Language, Specimen};
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
  akund template preview refusal --language en
  akund template preview redirect --procedure uin-malang-email --category student")]
    Preview {
        /// credentials, refusal, redirect, form, incomplete, conflict or changed.
        #[arg(value_parser = kind)]
        notice: NoticeKind,
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
}

fn kind(word: &str) -> Result<NoticeKind, String> {
    NoticeKind::ALL
        .into_iter()
        .find(|kind| kind.as_str() == word)
        .ok_or_else(|| format!("expected one of {}", NoticeKind::ALL.map(NoticeKind::as_str).join(", ")))
}

/// Renders a preview.
pub fn run(common: &Common, args: &Args) -> Result<Exit, Failure> {
    let What::Preview { notice, language, procedure, category } = &args.what;
    let config = common.load()?;
    let templates = wiring::templates(&config).map_err(|problems| Failure::new(Exit::Config, problems.join("\n")))?;
    let rendered = match procedure {
        None => templates.preview(*notice, language),
        Some(name) => {
            let specimen = specimen(&config, name, *notice, language, category.as_deref())?;
            templates.preview_for(*notice, language, &specimen)
        }
    };
    let rendered = rendered.map_err(|fault| Failure::new(Exit::Config, fault.message))?;
    if common.json {
        output::json(&serde_json::json!({
            "subject": rendered.subject, "text": rendered.text.expose(), "html": rendered.html.as_ref().map(|html| html.expose()),
        }))?;
    } else {
        say!("Subject: {}\n\n{}", rendered.subject, rendered.text.expose());
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
