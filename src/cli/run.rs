//! `akund run`

use super::Common;
use super::exit::{Exit, Failure};
use crate::daemon;
use crate::observe::{logs, process};
use clap::Args as ClapArgs;

/// Options of `akund run`.
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Example:
  akund run --config /etc/akund/akund.toml

SIGTERM and SIGINT drain and end; SIGHUP reads procedures and templates anew.")]
pub struct Args {}

/// Runs the daemon until it is told to end.
pub fn run(common: &Common, _args: &Args) -> Result<Exit, Failure> {
    let config = common.load()?;
    logs::init(&config.log).map_err(|error| Failure::new(Exit::Config, error))?;
    process::harden().map_err(|error| Failure::new(Exit::Unavailable, error))?;
    runtime()?.block_on(async {
        let running = daemon::start(config).await?;
        running.until_ended().await
    })?;
    Ok(Exit::Good)
}

/// The runtime of the daemon: as many threads as cores.
pub(super) fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_name("akund")
        .build()
        .map_err(|error| Failure::new(Exit::Unavailable, format!("no threads can be started: {error}")))
}

impl From<daemon::EndError> for Failure {
    fn from(error: daemon::EndError) -> Self {
        let exit = match &error {
            daemon::EndError::Config(_) => Exit::Config,
            daemon::EndError::Unavailable(_) => Exit::Unavailable,
            daemon::EndError::Failed(_) => Exit::InputOutput,
        };
        Self::new(exit, error.to_string())
    }
}
