//! `akund register`: the register of accounts.

use super::exit::{Exit, Failure};
use super::output::say;
use super::{Common, order, output};
use crate::config::Config;
use crate::journal::orders::OrderVerb;
use crate::journal::read::Reader;
use crate::model::entry::Entry;
use crate::model::hex::hex;
use crate::procedure::{self, Language};
use crate::register::{self, Csv};
use clap::{Args as ClapArgs, Subcommand, ValueEnum};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};

/// Largest list that is read, bytes.
const LARGEST_LIST: u64 = 256 * 1024 * 1024;

/// Options of `akund register`.
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Examples:
  akund register find \"biro humas\"
  akund register export --output daftar-akun.xlsx --language id
  akund register import daftar-lama.csv --procedure unja-email --dry-run")]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Find accounts by address, alias, user name, name, unit, or a whole NIM or NIP. Exit code 1: there is none.
    #[command(after_help = "\
Examples:
  akund register find humas@example.ac.id
  akund register find 198501012015041003 --json")]
    Find(Find),
    /// Write the register as CSV or XLSX, or as a page that prints well.
    #[command(after_help = "\
Examples:
  akund register export --output daftar-akun.xlsx
  akund register export --output daftar-akun.html --office \"Dinas Kominfo\"
  akund register export --format csv --language id > daftar-akun.csv")]
    Export(Export),
    /// Enter accounts that exist already: nobody else is given their names, and their holders are known.
    #[command(after_help = "\
Examples:
  akund register import daftar-lama.csv --procedure unja-email --dry-run
  akund register import daftar-lama.csv --procedure unja-email --reason \"daftar tahun 2020\"

akund has not made these accounts and never changes them: a request that asks for that is held, and says so.
A list that is imported twice is entered once.")]
    Import(Import),
}

#[derive(Debug, ClapArgs)]
struct Find {
    /// What is known of it.
    text: String,
    /// At most this many.
    #[arg(long, default_value_t = 50, value_name = "N")]
    most: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For spreadsheets and programs; `register import` reads it.
    Csv,
    /// A workbook; `register import` reads it, too.
    Xlsx,
    /// A page to print.
    Html,
}

#[derive(Debug, ClapArgs)]
struct Export {
    /// The file; without it, standard output.
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Default: by the file's ending, else csv.
    #[arg(long)]
    format: Option<Format>,
    /// id or en; default: by LC_ALL, LC_MESSAGES or LANG.
    #[arg(long, value_name = "LANG")]
    language: Option<String>,
    /// Only accounts in this state; may be repeated. States: reserved active suspended removed imported.
    #[arg(long, value_name = "STATE", value_parser = ["reserved", "active", "suspended", "removed", "imported"])]
    state: Vec<String>,
    /// Only accounts of this procedure.
    #[arg(long, value_name = "NAME")]
    procedure: Option<String>,
    /// CSV: between cells. Default: ; in Indonesian, a comma in English.
    #[arg(long, value_name = "CHAR", value_parser = delimiter)]
    delimiter: Option<u8>,
    /// CSV: yes begins it with the mark (BOM) by which Excel knows that it is UTF-8; no leaves it out, for programs. Default: yes
    /// with --output, else no.
    #[arg(long, value_name = "YES|NO", value_parser = clap::builder::BoolishValueParser::new())]
    bom: Option<bool>,
    /// The office's name on each printed page; default: the institution of the first procedure.
    #[arg(long, value_name = "NAME")]
    office: Option<String>,
    /// Times in it.
    #[arg(long, value_name = "ZONE", default_value = "Asia/Jakarta")]
    time_zone: String,
}

#[derive(Debug, ClapArgs)]
struct Import {
    /// A list as CSV or XLSX: an export of akund's, or an office's own.
    file: PathBuf,
    /// The procedure of rows that name none.
    #[arg(long, value_name = "NAME")]
    procedure: Option<String>,
    /// The category of rows that name none.
    #[arg(long, value_name = "NAME", default_value = "")]
    category: String,
    /// Only say what would be entered.
    #[arg(long)]
    dry_run: bool,
    /// Why; kept with the order.
    #[arg(long, default_value = "")]
    reason: String,
    /// Days begin in it.
    #[arg(long, value_name = "ZONE", default_value = "Asia/Jakarta")]
    time_zone: String,
}

fn delimiter(text: &str) -> Result<u8, String> {
    match text {
        "," | "comma" => Ok(b','),
        ";" | "semicolon" => Ok(b';'),
        "\t" | "tab" => Ok(b'\t'),
        _ => Err("expected , or ; or tab".into()),
    }
}

/// Runs the command.
pub fn run(common: &Common, args: &Args) -> Result<Exit, Failure> {
    let config = common.load()?;
    match &args.what {
        What::Find(args) => find(common, &config, args),
        What::Export(args) => export(&config, args),
        What::Import(args) => import(common, &config, args),
    }
}

fn find(common: &Common, config: &Config, args: &Find) -> Result<Exit, Failure> {
    let mut found = Vec::new();
    Reader::open(&config.journal.path)?.entries(|entry| -> Result<(), Failure> {
        if found.len() < args.most && entry.matches(&args.text) {
            found.push(entry);
        }
        Ok(())
    })?;
    if common.json {
        output::json(&found)?;
    } else if found.is_empty() {
        say!("no account of the register is meant by that");
    } else {
        let mut table = output::table(&["account", "user name", "holder", "unit", "state", "until", "request", "at"]);
        for entry in &found {
            table.add_row([
                entry.called(),
                &entry.username,
                &entry.name,
                &entry.unit,
                &entry.state,
                &entry.last_day.map(|day| day.to_string()).unwrap_or_default(),
                &entry.request,
                &entry.targets.join(", "),
            ]);
        }
        output::keep_whole(&mut table, &[0, 1, 4, 5]);
        say!("{table}");
    }
    Ok(if found.is_empty() { Exit::Negative } else { Exit::Good })
}

fn zone(name: &str) -> Result<TimeZone, Failure> {
    TimeZone::get(name).map_err(|_| {
        Failure::new(
            Exit::Usage,
            format!("the time zone {name:?} is not known; expected an IANA name, like Asia/Jakarta"),
        )
    })
}

/// The language that was asked for, or that of the locale (locale(7)).
fn language(asked: Option<&str>) -> Result<Language, Failure> {
    let of = |text: &str| match text.split(['_', '-', '.', '@']).next() {
        Some("id") => Some(Language::Id),
        Some("en") => Some(Language::En),
        _ => None,
    };
    match asked {
        Some(asked) => of(asked).ok_or_else(|| {
            Failure::new(Exit::Usage, format!("{asked:?} is no language of the register: expected id or en"))
        }),
        None => {
            let variables = ["LC_ALL", "LC_MESSAGES", "LANG"];
            let set = variables.iter().filter_map(|name| std::env::var(name).ok()).find(|value| !value.is_empty());
            Ok(set.and_then(|locale| of(&locale)).unwrap_or(Language::En))
        }
    }
}

fn export(config: &Config, args: &Export) -> Result<Exit, Failure> {
    let (language, zone) = (language(args.language.as_deref())?, zone(&args.time_zone)?);
    let format = match (args.format, &args.output) {
        (Some(format), _) => format,
        (None, Some(path)) => by_ending(path)?,
        (None, None) => Format::Csv,
    };
    let mut entries: Vec<Entry> = Vec::new();
    Reader::open(&config.journal.path)?.entries(|entry| -> Result<(), Failure> {
        let state = args.state.is_empty() || args.state.contains(&entry.state);
        if state && args.procedure.as_ref().is_none_or(|name| *name == entry.procedure) {
            entries.push(entry);
        }
        Ok(())
    })?;
    let office = || args.office.clone().unwrap_or_else(|| institution(config, language));
    let bytes = match format {
        Format::Csv => {
            let csv = Csv {
                language,
                zone,
                delimiter: args.delimiter.unwrap_or(if language == Language::Id { b';' } else { b',' }),
                bom: args.bom.unwrap_or(args.output.is_some()),
            };
            let mut bytes = csv.head();
            entries.iter().for_each(|entry| bytes.extend(csv.row(entry)));
            bytes
        }
        Format::Xlsx => register::workbook(&entries, language, &zone, &office())
            .map_err(|cause| Failure::new(Exit::InputOutput, cause))?,
        Format::Html => register::page(&entries, language, &zone, &office(), Timestamp::now()).into_bytes(),
    };
    match &args.output {
        // It names people: only its owner reads it.
        Some(path) => {
            crate::durable::replace(path, &bytes, 0o600)?;
            eprintln!("{}: {}", path.display(), output::counted(entries.len(), "account"));
        }
        None => write_out(&bytes)?,
    }
    Ok(Exit::Good)
}

/// A reader that has seen enough is no failure.
fn write_out(bytes: &[u8]) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    match out.write_all(bytes).and_then(|()| out.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Failure::new(Exit::InputOutput, format!("standard output cannot be written: {error}")))
        }
        _ => Ok(()),
    }
}

fn by_ending(path: &Path) -> Result<Format, Failure> {
    match path.extension().and_then(|ending| ending.to_str()).map(str::to_ascii_lowercase).as_deref() {
        Some("csv") => Ok(Format::Csv),
        Some("xlsx") => Ok(Format::Xlsx),
        Some("html" | "htm") => Ok(Format::Html),
        _ => Err(Failure::new(
            Exit::Usage,
            format!("{}: by its name it is neither .csv nor .xlsx nor .html; say which with --format", path.display()),
        )),
    }
}

fn institution(config: &Config, language: Language) -> String {
    let (procedures, _) = procedure::load_dir(&config.procedures.path);
    procedures.values().next().map_or_else(String::new, |procedure| procedure.institution(language).to_owned())
}

fn import(common: &Common, config: &Config, args: &Import) -> Result<Exit, Failure> {
    let name = args.file.display().to_string();
    let bytes = read(&args.file).map_err(|error| Failure::new(Exit::InputOutput, format!("{name}: {error}")))?;
    let settings = register::ReadSettings {
        procedure: args.procedure.clone(),
        category: args.category.clone(),
        zone: zone(&args.time_zone)?,
    };
    let listed = register::read(&name, &bytes, &settings)
        .map_err(|mistakes| Failure::new(Exit::BadInput, mistakes.join("\n")))?;
    known(config, &listed.accounts, &args.category)?;
    if !listed.unknown.is_empty() {
        eprintln!("{name}: columns that are not read: {}", listed.unknown.join(", "));
    }
    if listed.removed > 0 {
        eprintln!("{name}: passed over, since removed: {}", output::counted(listed.removed, "account"));
    }
    let foreseen = Reader::open(&config.journal.path)?.try_import(&listed.accounts)?;
    if args.dry_run {
        if common.json {
            output::json(&foreseen)?;
        } else {
            say!("would be: {}", foreseen.sentence());
        }
        return Ok(if foreseen.refused.is_empty() { Exit::Good } else { Exit::Negative });
    }
    let file = args.file.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let digest = hex(&Sha256::digest(&bytes));
    let argument = format!("{file} sha256:{digest}");
    let (result, woken) = order::place(config, (OrderVerb::Import, &argument, &args.reason), None, &listed.accounts)?;
    let exit = order::tell(common, &result, woken)?;
    let refused = !foreseen.refused.is_empty();
    Ok(if exit == Exit::Good && refused { Exit::Negative } else { exit })
}

fn read(path: &Path) -> std::io::Result<Vec<u8>> {
    use std::io::Read;
    let file = std::fs::File::open(path)?;
    if !file.metadata()?.is_file() {
        return Err(std::io::Error::other("it is not a regular file"));
    }
    let mut bytes = Vec::new();
    file.take(LARGEST_LIST + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > LARGEST_LIST {
        return Err(std::io::Error::other(format!("it is larger than {LARGEST_LIST} bytes")));
    }
    Ok(bytes)
}

/// Every row's procedure is there, and knows the category that rows are given which name none. A category in the list itself may be
/// one of earlier years.
fn known(config: &Config, imports: &[crate::model::entry::Import], category: &str) -> Result<(), Failure> {
    let (procedures, _) = procedure::load_dir(&config.procedures.path);
    let mut unknown: Vec<String> = Vec::new();
    let mut without: BTreeMap<&str, String> = BTreeMap::new();
    for import in imports {
        let entry = &import.entry;
        match procedures.get(&entry.procedure) {
            None if unknown.len() < 20 => {
                unknown.push(format!("line {}: there is no procedure `{}`", import.line, entry.procedure));
            }
            Some(procedure) if entry.category == category && !category.is_empty() => {
                let known: Vec<&str> = procedure.categories().collect();
                if !known.contains(&category) {
                    without.insert(&entry.procedure, known.join(", "));
                }
            }
            _ => {}
        }
    }
    if !unknown.is_empty() {
        let known: Vec<&str> = procedures.keys().map(String::as_str).collect();
        unknown.push(format!("procedures: {}", known.join(", ")));
        return Err(Failure::new(Exit::BadInput, unknown.join("\n")));
    }
    let without = without.iter().map(|(procedure, known)| {
        format!("--category {category}: the procedure {procedure} does not know it; its categories: {known}")
    });
    let without: Vec<String> = without.collect();
    if without.is_empty() { Ok(()) } else { Err(Failure::new(Exit::BadInput, without.join("\n"))) }
}
