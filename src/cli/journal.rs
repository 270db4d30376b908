//! `akund journal`: a copy while the daemon runs, and what belongs to putting one back.

use super::exit::{Exit, Failure};
use super::output::say;
use super::{Common, output};
use crate::config::Config;
use crate::daemon::key;
use crate::journal::backup::{self, BackupError, Copied};
use crate::journal::{restored, unknown};
use crate::secret::seal;
use clap::{Args as ClapArgs, Subcommand};
use serde::Serialize;
use std::path::{Path, PathBuf};

/// Options of `akund journal`.
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Examples:
  akund journal backup /var/backups/akund/journal-2026-11-20.db
  akund journal unknown           after a copy was put back: what was accepted since
  akund journal restored          this machine was put back whole from a snapshot")]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Copy the journal to a new file, verified, while the daemon runs or not. The sealing key is not in it.
    #[command(after_help = "\
Example:
  akund journal backup /var/backups/akund/journal-2026-11-20.db

A copy that is put back is recognised: akund starts paused, and no notice from before leaves without an order.")]
    Backup {
        /// The file to make; nothing is overwritten.
        file: PathBuf,
    },
    /// List the accepted files that the journal does not know: after a copy was put back, what came since.
    #[command(after_help = "\
Examples:
  akund journal unknown
  akund submit $(akund journal unknown --paths)    hand them in again, in the order in which they came

Exit code 1 if there are any. An account that such a request has made already is found by its mark and taken up.")]
    Unknown {
        /// Only the files' paths, a line each.
        #[arg(long)]
        paths: bool,
    },
    /// Tell akund that this machine was put back from a snapshot, journal and all, which it cannot see. The daemon must be stopped.
    #[command(after_help = "\
Example:
  systemctl stop akund; akund journal restored; systemctl start akund

akund then starts paused, as after any other copy that was put back.")]
    Restored,
}

/// Does it.
pub fn run(common: &Common, args: &Args) -> Result<Exit, Failure> {
    let config = common.load()?;
    match &args.what {
        What::Backup { file } => backup(common, &config, file),
        What::Unknown { paths } => unknown(common, &config, *paths),
        What::Restored => restored(common, &config),
    }
}

/// What is said of a copy.
#[derive(Serialize)]
struct Report<'r> {
    #[serde(flatten)]
    copied: &'r Copied,
    key: Key,
}

/// Where the key is that the copy is of no use without.
#[derive(Serialize)]
struct Key {
    in_the_copy: bool,
    place: String,
    advice: &'static str,
}

const ADVICE: &str = "keep a copy of the key apart from this file: whoever has both can read the passwords in it, and without \
                      the key a journal that is put back does not start";

fn kept_in(config: &Config) -> Key {
    let (_, file) = key::places(config);
    let place = match file.exists() {
        true => file.display().to_string(),
        false => format!("the systemd credential {} of the service, or {}", seal::CREDENTIAL, file.display()),
    };
    Key { in_the_copy: false, place, advice: ADVICE }
}

fn backup(common: &Common, config: &Config, file: &Path) -> Result<Exit, Failure> {
    let state = crate::durable::parent(&config.journal.path).to_owned();
    let copied = backup::copy(&config.journal.path, file, &[state, config.spool.path.clone()])?;
    let key = kept_in(config);
    if common.json {
        output::json(&Report { copied: &copied, key })?;
        return Ok(Exit::Good);
    }
    say!("{}: {} bytes, as of {}, verified", copied.file.display(), copied.bytes, output::time(copied.at));
    say!("{}, unbroken; head {}", output::counted(copied.events, "event"), copied.head);
    say!("the key that seals secrets ({}) is not in it: it is {}", copied.key_id, key.place);
    say!("{}", key.advice);
    Ok(Exit::Good)
}

impl From<BackupError> for Failure {
    fn from(error: BackupError) -> Self {
        match error {
            BackupError::Journal(error) => error.into(),
            BackupError::Place(why) => Self::new(Exit::InputOutput, why),
            BackupError::Io(ref io) if io.kind() == std::io::ErrorKind::PermissionDenied => {
                Self::new(Exit::NotPermitted, error.to_string())
            }
            other => Self::new(Exit::InputOutput, other.to_string()),
        }
    }
}

fn unknown(common: &Common, config: &Config, paths: bool) -> Result<Exit, Failure> {
    let unknown = unknown::evidence(&config.journal.path, &config.spool.path)?;
    if common.json {
        output::json(&unknown)?;
    } else if paths {
        unknown.iter().for_each(|one| say!("{}", one.file.display()));
    } else if unknown.is_empty() {
        say!("the journal knows every file that was accepted");
    } else {
        let mut table = output::table(&["accepted", "name", "bytes", "file"]);
        for one in &unknown {
            table.add_row([
                output::time(one.at),
                one.name.clone(),
                one.bytes.to_string(),
                one.file.display().to_string(),
            ]);
        }
        output::keep_whole(&mut table, &[0, 3]);
        say!("{table}");
    }
    Ok(if unknown.is_empty() { Exit::Good } else { Exit::Negative })
}

fn restored(common: &Common, config: &Config) -> Result<Exit, Failure> {
    super::order::become_owner(&config.journal.path)?;
    let mark = restored::mark(&config.journal.path)?;
    if common.json {
        output::json(&mark)?;
    } else {
        say!("the next start of akund finds everything paused; `akund unpause` lets it go on");
    }
    Ok(Exit::Good)
}
