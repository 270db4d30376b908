//! `akund submit`: checks files as the daemon will, then puts them into the spool whole. Needs no journal.

mod house;

use super::exit::{Exit, Failure};
use super::output::say;
use super::{Common, asked, order, output};
use crate::admission;
use crate::config::Config;
use crate::daemon::wiring;
use crate::durable;
use crate::intake::record::{self, Parsed, Rules};
use crate::intake::spool::{LOCAL, is_record_name};
use crate::model::{AccountUid, Check, Evidence, Facts, Judgement, PlannedStep, Record, Verdict};
use crate::procedure::{self, Procedure, Site};
use clap::Args as ClapArgs;
use house::{House, Vouched};
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Rows read at once.
const ROWS: usize = 128;

/// Options of `akund submit`.
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Examples:
  akund submit humas.toml
  akund submit --dry-run mahasiswa-baru.csv       only say what would happen
  akund submit --source helpdesk humas.toml       with humas.toml.sig beside it, where the source asks for it")]
pub struct Args {
    /// Request files: .toml .json .jsonl .csv
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// The source to hand them in as: the name of a [[source]].
    #[arg(long, default_value = LOCAL)]
    source: String,
    /// Print verdict and plan of each record, and hand nothing in. Addresses are not looked up.
    #[arg(long)]
    dry_run: bool,
}

/// What was found in one file.
#[derive(Serialize)]
struct Report {
    file: String,
    records: usize,
    bad: usize,
    problems: String,
    /// The source may not hand it in, whatever else is wrong with it.
    #[serde(skip)]
    not_permitted: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    judged: Vec<Judged>,
    #[serde(skip_serializing_if = "Option::is_none")]
    handed_in: Option<PathBuf>,
    /// What it waits for, where no akund is running that would take it at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    waits: Option<String>,
}

/// What is handed in is kept: no mistake.
const WAITS: &str = "no akund is running now; it is taken when one starts";

fn waits(config: &Config) -> Option<String> {
    if order::is_away(&config.control.socket) {
        return Some(WAITS.to_owned());
    }
    asked::closed(config)
        .map(|why| format!("it is taken as soon as akund takes requests again, which it does not now: {why}"))
}

#[derive(Serialize)]
struct Judged {
    request: String,
    line: usize,
    /// permit redirect refuse conflict hold; none where it depends on the register and the targets, which a dry run does not ask.
    verdict: Option<&'static str>,
    /// Why it is not permitted, sentences.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    reasons: Vec<String>,
    checklist: Vec<Checked>,
    /// What would be sent at once, then what would be done, in order; none where the verdict is open.
    plan: Vec<Todo>,
}

/// A requirement, and whether the record meets it.
#[derive(Serialize)]
struct Checked {
    requirement: String,
    /// None where it is not looked up in a dry run.
    met: Option<bool>,
    /// What the record has there.
    #[serde(skip_serializing_if = "String::is_empty")]
    found: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    sop: Option<String>,
}

/// A step: lane, verb, and the notice that it hands over.
#[derive(Serialize)]
struct Todo {
    lane: String,
    verb: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    notice: Option<&'static str>,
}

impl Judged {
    fn of(request: String, line: usize, judgement: Judgement) -> Self {
        let Judgement { verdict, checklist, plan, notices, .. } = judgement;
        let depends = checklist.iter().any(|check| !check.met && !is_looked_up(check));
        let checked = |check: Check| {
            let looked_up = is_looked_up(&check);
            Checked {
                met: looked_up.then_some(check.met),
                found: if looked_up || check.met { check.found } else { String::new() },
                requirement: check.requirement,
                sop: check.sop,
            }
        };
        let steps = notices.into_iter().chain(plan).filter(|_| !depends);
        let reasons = match &verdict {
            Verdict::Refuse { reasons } | Verdict::Conflict { reasons, .. } => reasons.clone(),
            Verdict::Hold { missing, .. } => missing.clone(),
            Verdict::Permit { .. } | Verdict::Redirect { .. } => Vec::new(),
        };
        Self {
            request,
            line,
            verdict: (!depends).then(|| verdict.as_str()),
            reasons: if depends { Vec::new() } else { reasons },
            checklist: checklist.into_iter().map(checked).collect(),
            plan: steps.map(Todo::of).collect(),
        }
    }
}

impl Todo {
    fn of(step: PlannedStep) -> Self {
        let notice = step.detail.notice.map(|kind| kind.as_str());
        Self { lane: step.lane, verb: step.verb.as_str(), notice }
    }
}

/// Checks, then hands in. A file with a bad record is not handed in.
pub fn run(common: &Common, args: &Args) -> Result<Exit, Failure> {
    let config = common.load()?;
    let house = House::of(&config, &args.source)?;
    let known = known(&config, args.dry_run)?;
    let mut reports = Vec::new();
    for file in &args.files {
        reports.push(one(&house, args, file, &known)?);
    }
    if reports.iter().any(|report| report.handed_in.is_some())
        && let Some(waits) = waits(&config)
    {
        let handed_in = reports.iter_mut().filter(|report| report.handed_in.is_some());
        handed_in.for_each(|report| report.waits = Some(waits.clone()));
    }
    let bad = reports.iter().any(|report| report.bad > 0 && !report.not_permitted);
    let not_permitted = reports.iter().any(|report| report.not_permitted);
    let negative = reports.iter().flat_map(|r| &r.judged).any(|j| j.verdict != Some("permit"));
    if common.json {
        output::json(&reports)?;
    } else {
        reports.iter().for_each(print);
    }
    Ok(match (bad, not_permitted, negative) {
        (true, ..) => Exit::BadInput,
        (false, true, _) => Exit::NotPermitted,
        (false, false, true) => Exit::Negative,
        (false, false, false) => Exit::Good,
    })
}

/// What records are read and judged by.
struct Known {
    procedures: BTreeMap<String, Arc<Procedure>>,
    /// Whether these are all, so that another is unknown to the daemon, too.
    all: bool,
    site: Site,
}

/// The procedures, for country and zone of phones and dates; a dry run needs them and the site whole.
fn known(config: &Config, whole: bool) -> Result<Known, Failure> {
    let (procedures, reports) = procedure::load_dir(&config.procedures.path);
    if whole && !reports.is_empty() {
        let reports: Vec<String> = reports.iter().map(ToString::to_string).collect();
        return Err(Failure::new(Exit::Config, reports.join("\n")));
    }
    let site = if whole { wiring::site_of(config) } else { Site::default() };
    Ok(Known { procedures, all: reports.is_empty(), site })
}

fn unreadable(file: &Path, error: &std::io::Error) -> Failure {
    Failure::new(Exit::InputOutput, format!("{}: {error}", file.display()))
}

fn one(house: &House, args: &Args, file: &Path, known: &Known) -> Result<Report, Failure> {
    let name =
        file.file_name().filter(|name| is_record_name(name)).and_then(|name| name.to_str()).ok_or_else(|| {
            Failure::new(Exit::BadInput, format!("{} is not a name that the spool takes", file.display()))
        })?;
    let bytes = std::fs::read(file).map_err(|error| unreadable(file, &error))?;
    let rules = |procedure: &str| {
        known.procedures.get(procedure).map(|procedure| Rules {
            country: procedure.country().to_owned(),
            time_zone: procedure.time_zone().clone(),
        })
    };
    let mut report = Report {
        file: file.display().to_string(),
        records: 0,
        bad: 0,
        problems: String::new(),
        not_permitted: false,
        judged: Vec::new(),
        handed_in: None,
        waits: None,
    };
    let signature = house.signature(file)?;
    let vouched = match house.takes(name, &bytes, signature) {
        Ok(vouched) => vouched,
        Err(why) => {
            (report.not_permitted, report.bad, report.problems) = (true, 1, why);
            return Ok(report);
        }
    };
    match record::parse(name, &bytes) {
        Err(problems) => {
            report.bad = 1;
            report.problems = problems.to_string();
        }
        Ok(mut parsed) => {
            report.records = parsed.count();
            let mut refused = 0;
            for start in (0..parsed.count()).step_by(ROWS) {
                let mut records = parsed.read(start..(start + ROWS).min(parsed.count()), &rules);
                records.retain(|(place, record)| {
                    let reasons = not_permitted(house, &vouched, known, record);
                    if !reasons.is_empty() {
                        parsed.refuse(*place, &reasons.join("; "));
                        refused += 1;
                    }
                    reasons.is_empty()
                });
                if args.dry_run {
                    report.judged.extend(judge(&parsed, records, args, &vouched, known));
                }
            }
            report.bad = parsed.problems().len();
            report.not_permitted = refused > 0 && refused == report.bad;
            report.problems = parsed.report();
        }
    }
    if report.bad == 0 && !args.dry_run {
        report.handed_in = Some(hand_in(house, name, &vouched, &bytes)?);
    }
    Ok(report)
}

/// Why a record would be rejected, or refused without anybody being told, a sentence each. A refusal by the procedure is none: the
/// applicant is told of that one, and it is on record.
fn not_permitted(house: &House, vouched: &Vouched, known: &Known, record: &Record) -> Vec<String> {
    let reasons = house.not_permitted(vouched, record);
    if !reasons.is_empty() || !known.all || known.procedures.contains_key(&record.key.procedure) {
        return reasons;
    }
    match procedure::decide_unknown_procedure(record).verdict {
        Verdict::Refuse { reasons } => reasons,
        _ => Vec::new(),
    }
}

fn judge<'a>(
    parsed: &'a Parsed,
    records: Vec<(usize, Box<Record>)>,
    args: &'a Args,
    vouched: &'a Vouched,
    known: &'a Known,
) -> impl Iterator<Item = Judged> + 'a {
    let now = jiff::Timestamp::now();
    records.into_iter().map(move |(place, record)| {
        let signed_as = admission::signed_as(vouched.signer.as_ref(), &record);
        let facts = Facts { source: args.source.clone(), signed_as, ..Facts::default() };
        let uid = AccountUid(uuid::Uuid::now_v7());
        let judgement = match known.procedures.get(&record.key.procedure) {
            Some(procedure) => procedure::decide(&record, procedure, &known.site, &facts, uid, now),
            None => procedure::decide_unknown_procedure(&record),
        };
        Judged::of(record.key.to_string(), parsed.line(place), judgement)
    })
}

/// The signature first, then the record, each whole: the daemon never sees half a file.
fn hand_in(house: &House, name: &str, vouched: &Vouched, bytes: &[u8]) -> Result<PathBuf, Failure> {
    let dir = &house.dir;
    let failed = |error: std::io::Error| {
        let exit = match error.kind() {
            std::io::ErrorKind::PermissionDenied => Exit::NotPermitted,
            std::io::ErrorKind::NotFound => Exit::Unavailable,
            _ => Exit::InputOutput,
        };
        let advice = match error.kind() {
            std::io::ErrorKind::PermissionDenied => {
                "; only members of the directory's group may hand requests in there"
            }
            std::io::ErrorKind::NotFound => "; `akund run` makes it at a start with this configuration",
            _ => "",
        };
        Failure::new(exit, format!("{} cannot be written to: {error}{advice}", dir.display()))
    };
    let path = dir.join(name);
    let waits = |path: &Path, advice: &str| {
        Failure::new(Exit::TryAgain, format!("{} waits in the spool already{advice}", path.display()))
    };
    if path.exists() {
        return Err(waits(&path, ""));
    }
    let place = |path: &Path, bytes: &[u8], advice: &str| {
        durable::place_new(path, bytes, 0o640).map_err(|error| match error.kind() {
            std::io::ErrorKind::AlreadyExists => waits(path, advice),
            _ => failed(error),
        })
    };
    let Some(signature) = &vouched.signature else { return place(&path, bytes, "").map(|()| path) };
    let beside = dir.join(format!("{name}.sig"));
    place(&beside, signature, "; where its record does not follow, somebody was interrupted: remove it")?;
    if let Err(failure) = place(&path, bytes, "") {
        // The other record's signature it is not.
        let _ = std::fs::remove_file(&beside);
        return Err(failure);
    }
    Ok(path)
}

/// Whether a requirement is judged by the record alone. The others need the register and the targets, which a dry run does not ask.
fn is_looked_up(check: &Check) -> bool {
    check.held_against == Evidence::Record
}

fn print(report: &Report) {
    if !report.problems.is_empty() {
        say!("{}", report.problems.trim_end());
    }
    for judged in &report.judged {
        say!("{} (line {}): {}", judged.request, judged.line, judged.verdict.unwrap_or("depends on the register"));
        for check in &judged.checklist {
            let (tick, after) = match check.met {
                None => ("?", " (not looked up in a dry run)"),
                Some(true) => ("✓", ""),
                Some(false) => ("✗", ""),
            };
            say!("  {tick} {} {}{after}", check.requirement, check.found);
        }
        for step in &judged.plan {
            say!("  → {} {} {}", step.lane, step.verb, step.notice.unwrap_or_default());
        }
    }
    let records = output::counted(report.records, "record");
    match &report.handed_in {
        Some(path) => {
            let waits = report.waits.as_ref().map(|waits| format!("; {waits}")).unwrap_or_default();
            say!("{}: {records} handed in as {}{waits}", report.file, path.display());
        }
        None => say!("{}: {records}, {} bad; nothing was handed in", report.file, report.bad),
    }
}
