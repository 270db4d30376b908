//! `akund demo`: a whole installation on embedded databases in one directory, with sample requests. It may be killed
//! at any time and run again on the same directory: it completes what it began.

mod five;
mod place;
mod samples;

use super::exit::{Exit, Failure};
use super::output::say;
use super::{Common, order, output};
use crate::config::{self, Config};
use crate::daemon::{self, Running};
use crate::durable;
use crate::journal::read::{Listed, Reader};
use crate::observe::{logs, process};
use clap::Args as ClapArgs;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use samples::Sample;
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Options of `akund demo`.
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Examples:
  akund demo                        then drop request files into ./akund-demo/spool/incoming
  akund demo --exit --dir /tmp/try  end when every sample has ended

With --exit the exit code is 0 only if every sample ended as it should.")]
pub struct Args {
    /// Where everything is put.
    #[arg(long, default_value = "akund-demo", value_name = "DIR")]
    dir: PathBuf,
    /// End when every sample request has ended.
    #[arg(long)]
    exit: bool,
}

/// How often it is looked whether the samples have ended.
const LOOK: Duration = Duration::from_millis(100);
/// How often it is looked whether a sample has been taken.
const TAKEN: Duration = Duration::from_millis(5);
/// If nothing moves for this long, something is wrong.
const PATIENCE: Duration = Duration::from_secs(120);

/// Runs the demo.
pub fn run(common: &Common, args: &Args) -> Result<Exit, Failure> {
    let dir = std::path::absolute(&args.dir)?;
    let samples = samples::prepare(&dir)?;
    let path = dir.join("akund.toml");
    write_once(&path, samples::CONFIG.as_bytes())?;
    let mut config = config::load(&path).map_err(|report| Failure::new(Exit::Config, report.to_string()))?;
    let text = std::fs::read_to_string(&path)?;
    let quiet = config::LogConfig { filter: Some("error".into()), ..config.log.clone() };
    logs::init(&quiet).map_err(|error| Failure::new(Exit::Config, error))?;
    process::harden().map_err(|error| Failure::new(Exit::Unavailable, error))?;
    super::run::runtime()?.block_on(async {
        let configured = config.http.listen;
        let listener = place::listen(&mut config, &text).await?;
        let running = daemon::start_on(config.clone(), listener).await?;
        let shutdown = running.shutdown.clone();
        let http = running.http;
        place::note(&path, &text, configured, http)?;
        let mut served = tokio::spawn(Running::until_ended(running));
        if !common.json {
            say!("akund runs in {}; its health is at http://{http}/healthz\n", dir.display());
        }
        if let Some(why) = paused(&config, &path).await? {
            if args.exit {
                shutdown.cancel();
                served.await.map_err(|error| Failure::new(Exit::InputOutput, error.to_string()))??;
                return Err(Failure::new(Exit::TryAgain, format!("{why}\n\nand then the same once more")));
            }
            eprintln!("akund: {why}\n");
        }
        let shown = async {
            released(&config).await?;
            hand_in(&config, &samples).await?;
            until_ended(&config, &samples, common.json).await
        };
        let ended = tokio::select! {
            ended = shown => ended?,
            // Ctrl-C, or a part of the daemon ended.
            ended = &mut served => {
                ended.map_err(|error| Failure::new(Exit::InputOutput, error.to_string()))??;
                return Ok(Exit::Negative);
            }
        };
        let wrong = tell(common, &config, &samples, &ended)?;
        if args.exit {
            shutdown.cancel();
        } else if !common.json {
            place::try_out(&path, http);
            say!("\nDrop more request files into {}; Ctrl-C ends.", config.spool.path.join("incoming").display());
        }
        served.await.map_err(|error| Failure::new(Exit::InputOutput, error.to_string()))??;
        Ok(if wrong == 0 { Exit::Good } else { Exit::Negative })
    })
}

/// Writes a file of the demo, unless an earlier run or the user has.
fn write_once(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    if !path.exists() {
        durable::replace(path, bytes, 0o644)?;
    }
    Ok(())
}

/// Why nothing moves until somebody says so, and what to type; none: it moves. Orders that were given before are carried out first.
async fn paused(config: &Config, path: &Path) -> Result<Option<String>, Failure> {
    let socket = config.control.socket.clone();
    // What is not answered is seen in the journal.
    let _ = tokio::task::spawn_blocking(move || order::wake(&socket)).await;
    let reader = Reader::open(&config.journal.path)?;
    let unpause = format!("  {} unpause --reason \"looked at\"", place::akund(path));
    if let Some(hold) = reader.hold()? {
        return Ok(Some(format!(
            "{}: everything is paused, and no sample is taken. Look at what is there, then let it go on, from another \
             terminal:\n\n{unpause}",
            hold.why
        )));
    }
    let mut lanes = Vec::new();
    for lane in config.target.keys().chain(config.channel.keys()).map(String::as_str).chain(["credentials"]) {
        if reader.lane(lane)?.paused {
            lanes.push(lane);
        }
    }
    let lanes = lanes.join(", ");
    Ok((!lanes.is_empty())
        .then(|| format!("{lanes}: paused by an order, so that samples wait there. To let it go on:\n\n{unpause}")))
}

/// Waits until an order has let a journal go on that was put back.
async fn released(config: &Config) -> Result<(), Failure> {
    let reader = Reader::open(&config.journal.path)?;
    while reader.hold()?.is_some() {
        tokio::time::sleep(LOOK).await;
    }
    Ok(())
}

/// Drops each sample whole, and the next only when akund has taken it: of files that lie there together the spool takes
/// the small ones first, and some samples want the address that the one before them shall get. A corrected request waits, as
/// people do, until it was told what to correct.
async fn hand_in(config: &Config, samples: &[Sample]) -> Result<(), Failure> {
    let reader = Reader::open(&config.journal.path)?;
    for file in samples.iter().flat_map(|sample| &sample.files) {
        let since = Instant::now();
        while reader.moving()? && file.is_early(&reader.list(&[], usize::MAX)?) && since.elapsed() < PATIENCE {
            tokio::time::sleep(TAKEN).await;
        }
        let bytes = std::fs::read(&file.path)?;
        let dropped = config.spool.path.join("incoming").join(&file.dropped);
        durable::replace(&dropped, &bytes, 0o640)?;
        let since = Instant::now();
        while dropped.try_exists()? && since.elapsed() < PATIENCE {
            tokio::time::sleep(TAKEN).await;
        }
    }
    Ok(())
}

/// Where the samples' requests stand.
struct Ended {
    listed: Vec<Listed>,
}

/// Waits until every sample is where nothing moves it any more.
async fn until_ended(config: &Config, samples: &[Sample], json: bool) -> Result<Ended, Failure> {
    let reader = Reader::open(&config.journal.path)?;
    let expected: usize = samples.iter().map(|sample| sample.requests).sum();
    let bar = ProgressBar::new(expected as u64);
    if json {
        bar.set_draw_target(ProgressDrawTarget::hidden());
    }
    if let Ok(style) = ProgressStyle::with_template("{bar:40} {pos}/{len} requests have ended ({elapsed})") {
        bar.set_style(style);
    }
    let mut last_move = (Instant::now(), 0);
    loop {
        let listed: Vec<Listed> = reader.list(&[], usize::MAX)?;
        let resting = listed.iter().filter(|one| one.rests()).count();
        bar.set_position(resting.min(expected) as u64);
        if resting >= expected && !reader.moving()? && is_empty(&config.spool.path.join("incoming"))? {
            bar.finish_and_clear();
            return Ok(Ended { listed });
        }
        if resting != last_move.1 {
            last_move = (Instant::now(), resting);
        } else if last_move.0.elapsed() > PATIENCE {
            bar.abandon();
            return Ok(Ended { listed });
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// Whether no record waits in a directory.
fn is_empty(dir: &Path) -> std::io::Result<bool> {
    for entry in std::fs::read_dir(dir)? {
        let entry = entry?;
        // A source's directory is no record.
        if crate::intake::spool::is_record_name(&entry.file_name()) && !entry.file_type()?.is_dir() {
            return Ok(false);
        }
    }
    Ok(true)
}

#[derive(Serialize)]
struct Line {
    sample: String,
    about: &'static str,
    requests: usize,
    expected: String,
    found: String,
    good: bool,
}

/// Says what became of each sample; how many did not end as they should.
fn tell(common: &Common, config: &Config, samples: &[Sample], ended: &Ended) -> Result<usize, Failure> {
    let lines: Vec<Line> = samples.iter().map(|sample| judge(config, sample, &ended.listed)).collect();
    if common.json {
        output::json(&lines)?;
    } else {
        let mut table = output::table(&["", "sample", "about", "what became of it"]);
        for line in &lines {
            let found =
                if line.good { line.found.clone() } else { format!("{} (expected {})", line.found, line.expected) };
            table.add_row([if line.good { "✓" } else { "✗" }, &line.sample, line.about, &found]);
        }
        say!("{table}\n");
        next(config, samples, &ended.listed);
        places(config);
    }
    Ok(lines.iter().filter(|line| !line.good).count())
}

fn judge(config: &Config, sample: &Sample, listed: &[Listed]) -> Line {
    let mut counts = sample.found(listed);
    let reason = |name: &str| config.spool.path.join("rejected").join(format!("{name}.reason.txt")).exists();
    if sample.files.iter().any(|file| reason(&file.dropped)) {
        *counts.entry("rejected".into()).or_default() += 1;
    }
    let say = |counts: &std::collections::BTreeMap<String, usize>| {
        counts.iter().map(|(state, n)| format!("{n} {state}")).collect::<Vec<_>>().join(", ")
    };
    let (found, expected) = (say(&counts), say(&sample.expected));
    Line {
        sample: sample.name.clone(),
        about: sample.about,
        requests: sample.requests,
        good: sample.is_good(&counts),
        expected,
        found,
    }
}

/// What to type next: the signed letter that a request waits for is people's to bring.
fn next(config: &Config, samples: &[Sample], listed: &[Listed]) {
    let waiting = listed.iter().filter(|one| one.state == "waiting");
    for (one, sample) in waiting.filter_map(|one| Some((one, samples.iter().find(|sample| sample.owns(&one.request))?)))
    {
        let (Some(letter), Some(dir)) = (&sample.letter, config.spool.path.parent()) else { continue };
        say!(
            "{} waits for the signed letter; its draft is in an e-mail. Bring it, in another terminal:\n\n  \
             {} release {} \\\n    --letter {} \\\n    \
             --number 480/1/427.53/2026 --signed-by head --signed-on {} --reason \"signed on paper\"\n",
            one.request,
            place::akund(&dir.join("akund.toml")),
            in_shell(&one.request),
            in_shell(&letter.display().to_string()),
            today(),
        );
    }
}

/// Today where the procedure's office is.
fn today() -> jiff::civil::Date {
    let now = jiff::Timestamp::now();
    now.in_tz("Asia/Jakarta").unwrap_or_else(|_| now.to_zoned(jiff::tz::TimeZone::UTC)).date()
}

/// A word as a shell reads it whole.
fn in_shell(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-:@".contains(c);
    if word.chars().all(plain) { word.to_owned() } else { format!("'{}'", word.replace('\'', "'\\''")) }
}

/// Where to look.
fn places(config: &Config) {
    let spool = &config.spool.path;
    say!("requests, one file each    {}", spool.join("incoming").display());
    say!("what became of them        {}", spool.join("outcome").display());
    say!("rejected, with reasons     {}", spool.join("rejected").display());
    for target in config.target.values() {
        match target {
            config::TargetConfig::MailMaps(mail) => say!("mail accounts              {}", mail.database),
            config::TargetConfig::MapFiles(files) => say!("mail accounts              {}", files.passwd.display()),
            config::TargetConfig::Radius(radius) => {
                say!("hotspot accounts           {}", radius.database)
            }
            config::TargetConfig::Google(google) => say!("Google Workspace           {}", google.primary_domain()),
            config::TargetConfig::Ldap(ldap) => say!("directory                  {}", ldap.url),
        }
    }
    for channel in config.channel.values() {
        if let config::ChannelConfig::Outbox(outbox) = channel {
            let what = if outbox.carries_email() { "e-mails" } else { "SMS" };
            say!("{:<27}{}", format!("{what} to applicants"), outbox.path.display());
        }
    }
}
