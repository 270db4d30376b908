//! `akund schema`

use super::exit::{Exit, Failure};
use super::output;
use clap::{Args as ClapArgs, ValueEnum};

/// Options of `akund schema`.
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Examples:
  akund schema request > akund-request.schema.json
  akund schema procedure")]
pub struct Args {
    /// Of which document.
    of: Document,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Document {
    /// A request record, version 1.
    Request,
    /// A procedure file.
    Procedure,
    /// An outcome document.
    Outcome,
}

/// Prints a JSON Schema.
pub fn run(args: &Args) -> Result<Exit, Failure> {
    let schema = match args.of {
        Document::Request => crate::intake::record::schema(),
        Document::Procedure => crate::procedure::schema(),
        Document::Outcome => crate::model::outcome::schema(),
    };
    output::json(&schema)?;
    Ok(Exit::Good)
}
