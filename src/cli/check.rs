//! `akund check`

use super::exit::{Exit, Failure};
use super::{Common, output};
use crate::config::Config;
use crate::daemon::wiring;
use crate::intake::spool::Spool;
use crate::target::Finding;
use clap::Args as ClapArgs;
use serde::Serialize;

/// Options of `akund check`.
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Examples:
  akund check
  akund check --config ./akund.toml --json")]
pub struct Args {}

#[derive(Serialize)]
struct Line {
    part: String,
    good: bool,
    said: String,
}

/// Looks at everything that the configuration names; changes nothing.
pub fn run(common: &Common, _args: &Args) -> Result<Exit, Failure> {
    let config = common.load()?;
    let lines = super::run::runtime()?.block_on(look(&config));
    let good = lines.iter().all(|line| line.good);
    if common.json {
        output::json(&lines)?;
    } else {
        for line in &lines {
            println!("{} {}: {}", if line.good { "✓" } else { "✗" }, line.part, line.said.trim_end());
        }
        println!("{}", if good { "all is in order" } else { "something must be mended first" });
    }
    Ok(if good { Exit::Good } else { Exit::Config })
}

async fn look(config: &Config) -> Vec<Line> {
    let mut lines = Vec::new();
    let bad = |part: &str, problems: Vec<String>| -> Vec<Line> {
        problems.into_iter().map(|said| Line { part: part.to_owned(), good: false, said }).collect()
    };
    let good = |part: &str, said: String| Line { part: part.to_owned(), good: true, said };
    let problems = crate::config::problems(config);
    if problems.is_empty() {
        lines.push(good("configuration", "read and understood".into()));
    }
    lines.extend(bad("configuration", problems));
    lines.extend(bad("spool", Spool::problems(&config.spool, &config.source)));
    match wiring::templates(config) {
        Ok(_) => lines.push(good("templates", "every notice renders in every language".into())),
        Err(problems) => lines.extend(bad("templates", problems)),
    }
    let targets = wiring::targets(config).unwrap_or_else(|problems| {
        lines.extend(bad("targets", problems));
        Vec::new()
    });
    let channels = wiring::channels(config).unwrap_or_else(|problems| {
        lines.extend(bad("channels", problems));
        Vec::new()
    });
    let site = wiring::site_of(config);
    match wiring::procedures(config, &site) {
        Ok(procedures) => {
            let names: Vec<&str> = procedures.keys().map(String::as_str).collect();
            lines.push(good("procedures", names.join(", ")));
        }
        Err(problems) => lines.extend(bad("procedures", problems)),
    }
    for target in &targets {
        lines.extend(found(&format!("target {}", target.name()), target.check().await));
    }
    for open in &channels {
        lines.extend(found(&format!("channel {}", open.channel.name()), open.channel.check().await));
    }
    lines
}

fn found(part: &str, findings: Vec<Finding>) -> Vec<Line> {
    let line = |finding: Finding| {
        let good = finding.is_ok();
        Line { part: part.to_owned(), good, said: finding.unwrap_or_else(|problem| problem) }
    };
    findings.into_iter().map(line).collect()
}
