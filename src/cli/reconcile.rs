//! `akund reconcile`: what stands at the targets, beside the register.

use super::exit::{Exit, Failure};
use super::output::say;
use super::{Common, order, output};
use crate::config::Config;
use crate::daemon::wiring;
use crate::journal::orders::{OrderResult, OrderVerb};
use crate::journal::read::Reader;
use crate::journal::reconcile::Fix;
use crate::reconcile::compare::Kind;
use crate::reconcile::{Report, reconcile};
use crate::target::Target;
use clap::Args as ClapArgs;
use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Largest report that is read, bytes.
const LARGEST_REPORT: u64 = 256 * 1024 * 1024;

/// Options of `akund reconcile`.
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Examples:
  akund-as-service reconcile                       look, with the service's credentials
  akund-as-service reconcile --target ldap --json > report.json
  akund reconcile --fix --from report.json --reason \"restored slapd from last night\"

--fix has two things done, by the daemon and within the change budget: what shall be suspended is suspended again, and what has
other names, another end, quota or group than the register is written as the register has it. It never makes an account (its
password would be lost), never removes one, never opens one that somebody has suspended there, and never touches what does not bear
akund's mark.

Exit code 0: no differences; 1: differences; 69: a target could not be read to its end.")]
pub struct Args {
    /// Only this target; may be repeated.
    #[arg(long, value_name = "NAME")]
    target: Vec<String>,
    /// Order what can be put right safely.
    #[arg(long, requires = "reason")]
    fix: bool,
    /// With --fix: by the report of an earlier `reconcile --json` (`-`: standard input), so that who gives the order needs no
    /// credentials of the service's.
    #[arg(long, value_name = "FILE", requires = "fix", conflicts_with = "target")]
    from: Option<PathBuf>,
    /// With --fix: why; kept with the order.
    #[arg(long, requires = "fix")]
    reason: Option<String>,
}

/// Runs the command.
pub fn run(common: &Common, args: &Args) -> Result<Exit, Failure> {
    let config = common.load()?;
    let report = match &args.from {
        Some(from) => read_report(from)?,
        None => super::run::runtime()?.block_on(reconcile(&config.journal.path, &targets(&config, &args.target)?))?,
    };
    if !args.fix {
        if common.json {
            output::json(&report)?;
        } else {
            print(&config, &report);
        }
        return Ok(exit(&report));
    }
    if !common.json {
        print(&config, &report);
    }
    fix(common, &config, &report, args.reason.as_deref().unwrap_or_default())
}

fn exit(report: &Report) -> Exit {
    match (report.is_whole(), report.differences.is_empty()) {
        (false, _) => Exit::Unavailable,
        (true, false) => Exit::Negative,
        (true, true) => Exit::Good,
    }
}

fn targets(config: &Config, names: &[String]) -> Result<Vec<Arc<dyn Target>>, Failure> {
    let problems = crate::config::problems(config);
    if !problems.is_empty() {
        return Err(Failure::new(Exit::Config, problems.join("\n")));
    }
    for name in names {
        if !config.target.contains_key(name) {
            let known: Vec<&str> = config.target.keys().map(String::as_str).collect();
            return Err(Failure::new(
                Exit::Usage,
                format!("there is no target {name}; there are {}", known.join(", ")),
            ));
        }
    }
    let all = wiring::targets(config).map_err(|problems| Failure::new(Exit::Config, problems.join("\n")))?;
    // Where it cannot be read, nothing is compared either.
    let _ = Reader::open(&config.journal.path).and_then(|register| wiring::expect_accounts(&all, &register));
    Ok(all.into_iter().filter(|target| names.is_empty() || names.iter().any(|name| name == target.name())).collect())
}

fn read_report(from: &Path) -> Result<Report, Failure> {
    let unreadable = |error: std::io::Error| Failure::new(Exit::InputOutput, format!("{}: {error}", from.display()));
    let mut text = String::new();
    match from.as_os_str() == "-" {
        true => std::io::stdin().take(LARGEST_REPORT).read_to_string(&mut text),
        false => std::fs::File::open(from).and_then(|file| file.take(LARGEST_REPORT).read_to_string(&mut text)),
    }
    .map_err(unreadable)?;
    serde_json::from_str(&text).map_err(|error| {
        let why = format!("{}: this is no report of `akund reconcile --json`: {error}", from.display());
        Failure::new(Exit::BadInput, why)
    })
}

fn print(config: &Config, report: &Report) {
    let mut table = output::table(&["target", "compared", "same", "in motion", "not akund's", ""]);
    for target in &report.targets {
        let note = match (&target.error, target.in_full) {
            (Some(error), _) => format!("NOT COMPARED: {error}"),
            (None, false) => "presence, names and state only".into(),
            (None, true) => String::new(),
        };
        let (compared, same) = (target.compared.to_string(), target.same.to_string());
        table.add_row([
            &target.target,
            &compared,
            &same,
            &target.in_motion.to_string(),
            &target.foreign.to_string(),
            &note,
        ]);
    }
    say!("{table}");
    if report.differences.is_empty() {
        say!("{}", if report.is_whole() { "no differences" } else { "no differences where it could be read" });
        return;
    }
    let mut table = output::table(&["target", "account", "is", "what was found"]);
    for one in &report.differences {
        table.add_row([one.target.as_str(), &one.account, one.kind.as_str(), &one.said]);
    }
    output::keep_whole(&mut table, &[1, 2]);
    say!("{table}");
    say!("{}", report.counts());
    advise(config, report);
}

/// What a person may do, kind by kind; where procedures differ in what they take, for each.
fn advise(config: &Config, report: &Report) {
    let (procedures, _) = crate::procedure::load_dir(&config.procedures.path);
    let takes = |name: &str, action| procedures.get(name).is_some_and(|found| found.actions().contains(&action));
    let mut advice: BTreeMap<(Kind, &str), BTreeSet<&str>> = BTreeMap::new();
    for one in &report.differences {
        let said = one.kind.advice(|action| takes(one.procedure(), action));
        advice.entry((one.kind, said)).or_default().insert(one.procedure());
    }
    for ((kind, said), of) in &advice {
        let alone = advice.keys().filter(|(other, _)| other == kind).count() == 1;
        let of =
            if alone { String::new() } else { format!(" ({})", of.iter().copied().collect::<Vec<_>>().join(", ")) };
        say!("  {}{of}: {said}", kind.as_str());
    }
}

fn fix(common: &Common, config: &Config, report: &Report, reason: &str) -> Result<Exit, Failure> {
    if reason.trim().is_empty() {
        return Err(Failure::new(Exit::Usage, "--reason says why, and must not be empty"));
    }
    let mut rows = Vec::new();
    for one in report.fixable() {
        let Some(action) = one.kind.fix() else { continue };
        let account = one.uid.parse().map_err(|_| {
            Failure::new(Exit::BadInput, format!("{:?} is no uid of an account; is this a report of akund's?", one.uid))
        })?;
        let fix = Fix { account, target: one.target.clone(), action };
        rows.push(serde_json::to_string(&fix).map_err(|error| Failure::new(Exit::InputOutput, error.to_string()))?);
    }
    if rows.is_empty() {
        if common.json {
            let nothing = OrderResult { order: 0, state: "done".into(), result: "nothing can be put right".into() };
            output::json(&nothing)?;
        } else {
            say!("nothing of it is put right by an order");
        }
        return Ok(exit(report));
    }
    let argument = output::counted(rows.len(), "difference");
    let (result, woken) = order::place_rows(config, (OrderVerb::Reconcile, &argument, reason), None, &rows)?;
    let ordered = order::tell(common, &result, woken)?;
    if !common.json {
        let (all, asked) = (report.differences.len(), rows.len());
        say!("of {all} differences {asked} were asked for; {} are left to you, as said above", all - asked);
    }
    // What is left is still a difference, and what was not read is not known.
    Ok(match (ordered, report.is_whole()) {
        (Exit::Good, false) => Exit::Unavailable,
        (Exit::Good, true) if rows.len() < report.differences.len() => Exit::Negative,
        (other, _) => other,
    })
}
