//! `akund run`

use super::Common;
use super::exit::{Exit, Failure};
use crate::config::LogConfig;
use crate::daemon;
use crate::observe::{logs, process};
use crate::panics;
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
    prepare(&config.log)?;
    runtime()?.block_on(async {
        let running = daemon::start(config).await?;
        running.until_ended().await
    })?;
    Ok(Exit::Good)
}

/// What is set for the whole process, before any thread and any secret.
fn prepare(log: &LogConfig) -> Result<(), Failure> {
    logs::init(log).map_err(|error| Failure::new(Exit::Config, error))?;
    panics::keep_quiet();
    process::harden().map_err(|error| Failure::new(Exit::Unavailable, error))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::LogFormat;

    /// Run in a child process by the next test: the hook is the whole process's, and so is stderr.
    #[test]
    #[ignore = "the child of a_panic_is_told_with_its_place_and_without_its_words"]
    fn child_panics() {
        let log = LogConfig { filter: None, format: LogFormat::Text };
        prepare(&log).unwrap();
        let name = "Siti Rahmawati";
        let threads = std::thread::Builder::new().name("a reader".into());
        let ended =
            threads.spawn(move || "x".parse::<u8>().unwrap_or_else(|_| panic!("bad name {name:?}"))).unwrap().join();
        println!("ENDED {}", ended.is_err());
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let ended = runtime.block_on(async { tokio::task::spawn_blocking(move || panic!("{name}")).await });
        println!("SAID {}", panics::how(ended.map(|()| 0).unwrap_err()));
    }

    #[test]
    fn a_panic_is_told_with_its_place_and_without_its_words() {
        let output = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "cli::run::tests::child_panics", "--ignored", "--nocapture"])
            .env_remove(crate::observe::logs::FILTER_VARIABLE)
            .env_remove("JOURNAL_STREAM")
            .env("RUST_BACKTRACE", "1")
            .output()
            .unwrap();
        let (printed, told) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
        assert!(printed.contains("ENDED true") && printed.contains("SAID it panicked"), "{printed} {told}");
        assert!(!printed.contains("Siti") && !told.contains("Siti"), "{printed} {told}");
        let lines: Vec<&str> = told.lines().filter(|line| line.contains("ERROR")).collect();
        assert_eq!(lines.len(), 2, "{told}");
        let place = format!("{}:", file!());
        assert!(lines.iter().all(|line| line.contains(&place)) && lines[0].contains("a reader"), "{told}");
    }
}
