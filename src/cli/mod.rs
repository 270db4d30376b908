//! What the operator types: one file per command.

mod asked;
mod audit;
mod check;
mod demo;
mod exit;
mod journal;
mod list;
mod manual;
mod order;
mod output;
mod reconcile;
mod register;
mod retry;
mod run;
mod schema;
mod show;
mod submit;
mod template;

pub use exit::Exit;

use crate::config::{Config, load};
use clap::{Parser, Subcommand};
use exit::Failure;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

/// Turns an approved request into a working account, exactly once.
#[derive(Debug, Parser)]
#[command(name = "akund", version, about, long_about = None, propagate_version = true, after_help = EXAMPLES)]
struct Cli {
    /// The configuration file.
    #[arg(
        long,
        short = 'c',
        global = true,
        env = "AKUND_CONFIG",
        default_value = "/etc/akund/akund.toml",
        value_name = "FILE"
    )]
    config: PathBuf,
    /// Print one JSON document instead of text.
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "\
Examples:
  akund demo                        try everything on embedded databases, in ./akund-demo
  akund check                       is everything in order before I start the service?
  akund submit humas.toml           hand a request in
  akund list --state stuck          what needs a person?
  akund show B-12/Un.03/2026        one request, step by step
  akund retry B-12/Un.03/2026 --reason \"server repaired\"

Exit codes: 0 good, 1 a negative answer, 64 usage, 65 bad input, 69 something unavailable,
74 input/output, 75 try again, 77 not permitted, 78 configuration.";

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the daemon.
    Run(run::Args),
    /// Check configuration, procedures, templates, every target and every channel. Changes nothing.
    Check(check::Args),
    /// Check request files, then hand them in.
    Submit(submit::Args),
    /// List requests.
    List(list::Args),
    /// Show one request: verdict, checklist and every step.
    Show(show::Args),
    /// Try a stuck request again, or everything that an outage left stuck in a lane.
    Retry(retry::Args),
    /// Let a request go that is held for review, or that waits for its signed letter.
    #[command(after_help = order::RELEASE_EXAMPLES)]
    Release(order::ReleaseArgs),
    /// Count a notice as handed over that may have been taken, since somebody knows that it arrived.
    #[command(after_help = order::ARRIVED_EXAMPLES)]
    Arrived(order::ArrivedArgs),
    /// Hand out a new password for the account of a request that is done, to the same people.
    #[command(
        after_help = "Example:\n  akund redeliver B-12/Un.03/2026 --reason \"text message never arrived\"\n\nMakes a reset request of its own, linked with the first: `akund show` names both. The old password ends."
    )]
    Redeliver(order::OnRequest),
    /// Undo exactly what a request made, and end it.
    #[command(
        after_help = "Examples:\n  akund withdraw B-12/Un.03/2026 --reason \"asked for by mistake\"\n\nA request that is done is not withdrawn: hand in one with action = \"remove\"."
    )]
    Withdraw(order::OnRequest),
    /// Let a lane (or all) claim nothing more. Survives a restart.
    #[command(
        after_help = "Examples:\n  akund pause email --reason \"mail server moves tonight\"\n  akund pause tickets --reason \"ticket system is upgraded\"    outcome documents wait\n  akund pause                     all lanes, and all that outcome documents go to"
    )]
    Pause(order::OnLane),
    /// Let a lane (or all) work again.
    #[command(after_help = "Examples:\n  akund unpause email\n  akund unpause                   all lanes")]
    Unpause(order::OnLane),
    /// Find accounts, export the register, or enter accounts that exist already.
    Register(register::Args),
    /// Verify or show the audit record.
    Audit(audit::Args),
    /// Copy the journal while the daemon runs, and what to do after a copy was put back.
    Journal(journal::Args),
    /// Compare every target with the register. Changes nothing; with --fix orders what can be put right safely.
    Reconcile(reconcile::Args),
    /// Print a JSON Schema.
    Schema(schema::Args),
    /// Look at the notices that applicants get.
    Template(template::Args),
    /// Write man pages and shell completions.
    #[command(hide = true)]
    Manual(manual::Args),
    /// Try akund out: a whole installation on embedded databases in one directory.
    Demo(demo::Args),
}

/// What every command is given.
pub(crate) struct Common {
    config: PathBuf,
    json: bool,
}

impl Common {
    fn load(&self) -> Result<Config, Failure> {
        load::load(&self.config).map_err(|report| Failure::new(Exit::Config, report.to_string()))
    }
}

/// Runs the command line; the process's exit code.
pub fn main(arguments: impl Iterator<Item = OsString>) -> ExitCode {
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => {
            let _ = error.print();
            return if error.use_stderr() { Exit::Usage.into() } else { Exit::Good.into() };
        }
    };
    // One provider of cryptography for every TLS connection of the process. It fails only if there is one already.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let common = Common { config: cli.config, json: cli.json };
    let done = dispatch(&common, cli.command).and_then(|exit| match output::unwritable() {
        Some(error) => Err(Failure::new(Exit::InputOutput, format!("standard output cannot be written: {error}"))),
        None => Ok(exit),
    });
    match done {
        Ok(exit) => exit.into(),
        Err(failure) => {
            output::failure(&failure, common.json);
            failure.exit.into()
        }
    }
}

fn dispatch(common: &Common, command: Command) -> Result<Exit, Failure> {
    use crate::journal::orders::OrderVerb;
    match command {
        Command::Run(args) => run::run(common, &args),
        Command::Check(args) => check::run(common, &args),
        Command::Submit(args) => submit::run(common, &args),
        Command::List(args) => list::run(common, &args),
        Command::Show(args) => show::run(common, &args),
        Command::Retry(args) => retry::run(common, args),
        Command::Release(args) => order::release(common, &args),
        Command::Arrived(args) => order::arrived(common, &args),
        Command::Redeliver(args) => order::on_request(common, OrderVerb::Redeliver, &args),
        Command::Withdraw(args) => order::on_request(common, OrderVerb::Withdraw, &args),
        Command::Pause(args) => order::on_lane(common, OrderVerb::Pause, &args),
        Command::Unpause(args) => order::on_lane(common, OrderVerb::Unpause, &args),
        Command::Register(args) => register::run(common, &args),
        Command::Audit(args) => audit::run(common, &args),
        Command::Journal(args) => journal::run(common, &args),
        Command::Reconcile(args) => reconcile::run(common, &args),
        Command::Schema(args) => schema::run(&args),
        Command::Template(args) => template::run(common, &args),
        Command::Manual(args) => manual::run(&args),
        Command::Demo(args) => demo::run(common, &args),
    }
}
