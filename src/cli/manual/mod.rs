//! `akund manual`: man pages and shell completions, from the command line, the schemas and the commented examples
//! themselves, so that they cannot say anything else than the program. For packages.

mod example;
mod fields;

use super::Cli;
use super::exit::{Exit, Failure};
use crate::observe::metrics::Metrics;
use clap::{Args as ClapArgs, CommandFactory};
use clap_complete::Shell;
use roff::{Roff, bold, roman};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// What an administrator copies, and what its page is made of.
const CONFIG: &str = include_str!("../../../config/akund.toml");
/// Written by hand, but for its list of metrics.
const SERVICE: &str = include_str!("../../../packaging/man/akund.8");
const PROCEDURE: &str = include_str!("../../../config/procedures/generic.toml");

/// Options of `akund manual`.
#[derive(Debug, ClapArgs)]
pub struct Args {
    /// Directory, made if need be; gets man1, man5, man8, bash, zsh and fish.
    directory: PathBuf,
}

/// Writes them all.
pub fn run(args: &Args) -> Result<Exit, Failure> {
    write(&args.directory).map_err(|error| {
        Failure::new(Exit::InputOutput, format!("{} cannot be written: {error}", args.directory.display()))
    })?;
    Ok(Exit::Good)
}

fn write(directory: &Path) -> io::Result<()> {
    let [commands, formats, services] = ["man1", "man5", "man8"].map(|name| directory.join(name));
    for made in [&commands, &formats, &services] {
        fs::create_dir_all(made)?;
    }
    clap_mangen::generate_to(Cli::command(), &commands)?;
    fs::write(formats.join("akund.toml.5"), configuration())?;
    fs::write(formats.join("akund-procedure.5"), procedure())?;
    fs::write(formats.join("akund-request.5"), request())?;
    fs::write(services.join("akund.8"), service())?;
    for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
        let made = directory.join(shell.to_string());
        fs::create_dir_all(&made)?;
        clap_complete::generate_to(shell, &mut Cli::command(), "akund", made)?;
    }
    Ok(())
}

/// A page's head: title, NAME and DESCRIPTION.
fn page(name: &str, what: &str, description: &str) -> Roff {
    let mut page = Roff::new();
    let source = format!("akund {}", env!("CARGO_PKG_VERSION"));
    page.control("TH", [name, "5", "", source.as_str(), "akund"]);
    page.control("SH", ["NAME"]).text([roman(format!("{name} - {what}"))]);
    page.control("SH", ["DESCRIPTION"]).text([roman(description)]);
    page
}

/// A page's end.
fn see_also(mut page: Roff, pages: &[(&str, &str)]) -> String {
    page.control("SH", ["SEE ALSO"]);
    let mut words = Vec::new();
    for (name, section) in pages {
        let end = if words.is_empty() { "" } else { ", " };
        words.extend([roman(end), bold(*name), roman(format!("({section})"))]);
    }
    page.text(words);
    page.to_roff()
}

fn configuration() -> String {
    let mut page = page(
        "akund.toml",
        "configuration of akund",
        "TOML, by default /etc/akund/akund.toml. Below is the example that comes with akund, section by section; a key stands \
         with its default, or with an example where there is none. Those that the example has commented out are shown \
         like the others.",
    );
    example::lay_out(&mut page, CONFIG);
    see_also(page, &[("akund", "1"), ("akund-procedure", "5"), ("akund-request", "5"), ("akund", "8")])
}

fn procedure() -> String {
    let mut page = page(
        "akund-procedure",
        "a written procedure (SOP), as akund carries it out",
        "TOML, one file for each procedure, /etc/akund/procedures/NAME.toml. Below is the commented file to copy from, section \
         by section.",
    );
    example::lay_out(&mut page, PROCEDURE);
    see_also(page, &[("akund", "1"), ("akund.toml", "5"), ("akund-request", "5")])
}

fn service() -> String {
    let mut metrics = Roff::new();
    for (name, meaning) in Metrics::described() {
        metrics.control("TP", []).text([bold(*name)]).text([roman(*meaning)]);
    }
    SERVICE.replace("@METRICS@\n", &metrics.to_roff())
}

fn request() -> String {
    let mut page = page(
        "akund-request",
        "an approved request, as it is handed in to akund",
        "Who wants which account, and who decided. One record is a TOML or JSON file (.toml, .json); many are a JSON Lines file \
         (.jsonl) or a CSV file (.csv) with commas or semicolons, whose header cells are the field names below with dots \
         (approval.1.role, counted from 1) and whose cells that are lists are separated by |. Unknown fields are errors. \
         Same id, revision and content: accepted once. A higher revision replaces a refused, conflicted or held request.",
    );
    fields::lay_out(&mut page, &crate::intake::record::schema());
    page.control("SH", ["EXAMPLE"]).control("nf", []);
    for line in fields::EXAMPLE.lines() {
        page.text([roman(line)]);
    }
    page.control("fi", []);
    see_also(page, &[("akund", "1"), ("akund-procedure", "5"), ("akund.toml", "5"), ("ssh-keygen", "1")])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What `man` makes of a page: what it would show, and what it complains of.
    fn shown(page: &str) -> (String, String) {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("page");
        fs::write(&file, page).unwrap();
        let output = std::process::Command::new("groff")
            .args(["-Kutf8", "-man", "-Tutf8", "-ww", "-rLL=100n", "-P-c"])
            .arg(&file)
            .output()
            .expect("groff runs: install groff-base");
        let plain = |bytes: &[u8]| {
            let text = String::from_utf8_lossy(bytes).into_owned();
            let marks = regex::Regex::new("\u{8}.|.\u{8}").unwrap();
            marks.replace_all(&text, "").replace('\u{ad}', "-").replace("‐\n", "-\n")
        };
        (plain(&output.stdout), plain(&output.stderr))
    }

    #[test]
    fn every_page_can_be_shown_without_a_complaint() {
        for page in [configuration(), procedure(), request(), service()] {
            let (text, complaints) = shown(&page);
            assert!(complaints.is_empty(), "{complaints}");
            assert!(text.lines().count() > 60, "{text}");
        }
    }

    #[test]
    fn every_key_of_the_examples_stands_in_its_page() {
        let key = regex::Regex::new(r"(?m)^(?:# )*(\[+[a-zA-Z][\w.-]*\]+|[a-zA-Z][\w-]*(?: = ))").unwrap();
        for (example, page) in [(CONFIG, configuration()), (PROCEDURE, procedure())] {
            let page = page.replace("\\-", "-").replace("\\.", ".").replace("\\&", "");
            let mut keys = 0;
            for found in key.captures_iter(example) {
                assert!(page.contains(&found[1]), "{}", &found[1]);
                keys += 1;
            }
            assert!(keys > 50);
        }
    }

    #[test]
    fn every_field_of_a_request_stands_in_its_page() {
        let page = request().replace("\\-", "-").replace("\\.", ".");
        for field in
            ["id", "applicant.name", "responsible.phone", "account.expires", "change.aliases", "approval.N.role"]
        {
            assert!(page.contains(&format!("\\fB{field}\\fR")), "{field}");
        }
    }

    #[test]
    fn the_example_of_a_request_can_be_handed_in() {
        let parsed = crate::intake::record::parse("example.toml", fields::EXAMPLE.as_bytes());
        assert!(parsed.is_ok());
    }
}
