//! Postfix's `postmap`: makes an index from a text, and asks it.

use super::entry::fits;
use crate::config::target::{MapFile, MapKind};
use std::collections::HashMap;
use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

/// A million entries in a Berkeley DB take six seconds.
const PATIENCE: Duration = Duration::from_secs(120);
/// Keys that one `postmap` is asked for: some two megabytes each way.
const ASKED_AT_ONCE: usize = 50_000;
/// How long a pipe that is still open after its child's end is listened to.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// The program, and the Postfix that it belongs to.
#[derive(Debug, Clone)]
pub struct Postmap {
    /// The program.
    pub program: PathBuf,
    /// Directory with `main.cf`.
    pub config: PathBuf,
}

impl Postmap {
    /// Makes the index of a text file, beside it.
    ///
    /// # Errors
    /// A sentence, with Postfix's own words.
    pub fn index(&self, kind: MapKind, text: &Path) -> Result<(), String> {
        let map = format!("{}:{}", kind.as_str(), text.display());
        let (status, _, said) = self.run(&[&map], "")?;
        match status.success() {
            true => Ok(()),
            false => Err(format!("{} {map} failed: {}", self.program.display(), one_line(&said))),
        }
    }

    /// Whether the index of a text holds what stands in it. `postmap` ends with success, too, where a full disk left it nothing, or not
    /// all: Postfix would then know nobody's mailbox.
    ///
    /// # Errors
    /// As [`Self::index`]; and where an entry is not found.
    pub fn holds(&self, kind: MapKind, path: &Path, text: &[u8]) -> Result<(), String> {
        let map = MapFile { kind, path: path.to_owned() };
        let (mut all, mut found) = (0, 0);
        let mut keys = plain_keys(text).peekable();
        while keys.peek().is_some() {
            let asked: Vec<String> = keys.by_ref().take(ASKED_AT_ONCE).collect();
            all += asked.len();
            found += self.ask(&map, &asked)?.lines().filter(|line| line.contains('\t')).count();
        }
        match all.saturating_sub(found) {
            0 => Ok(()),
            lacking => Err(format!(
                "{} has left out {lacking} of {all} entries of {}; is the disk full?",
                self.program.display(),
                path.display()
            )),
        }
    }

    /// Asks a map for many keys; what was found, by key.
    ///
    /// # Errors
    /// As [`Self::index`].
    pub fn query(&self, map: &MapFile, keys: &[String]) -> Result<HashMap<String, String>, String> {
        let found = self.ask(map, keys)?;
        let pairs = found.lines().filter_map(|line| line.split_once('\t'));
        Ok(pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).collect())
    }

    /// A line for each key that is found, in their order: the key, a tab, the value.
    fn ask(&self, map: &MapFile, keys: &[String]) -> Result<String, String> {
        if keys.is_empty() {
            return Ok(String::new());
        }
        let (status, found, said) = self.run(&["-q", "-", &map.to_string()], &(keys.join("\n") + "\n"))?;
        // 1 is also "nothing found".
        if !status.success() && (said.contains("fatal:") || said.contains("error:") || status.code() != Some(1)) {
            return Err(format!("{} -q - {map} failed: {}", self.program.display(), one_line(&said)));
        }
        Ok(found)
    }

    /// Tries a type of map on a small one, in a temporary directory that is deleted again.
    ///
    /// # Errors
    /// As [`Self::index`].
    pub fn works(&self, kind: MapKind) -> Result<(), String> {
        let dir = std::env::temp_dir().join(format!("akund-check-{}", uuid::Uuid::new_v4()));
        let made = fs::DirBuilder::new().mode(0o700).create(&dir);
        made.map_err(|e| format!("cannot make {} to try {} maps in: {e}", dir.display(), kind.as_str()))?;
        let map = MapFile { kind, path: dir.join("probe") };
        let tried = fs::write(&map.path, "a@example.org b@example.org\n").map_err(|e| e.to_string()).and_then(|()| {
            if kind.suffix().is_some() {
                self.index(kind, &map.path)?;
            }
            match self.query(&map, &["a@example.org".into()])?.get("a@example.org").map(String::as_str) {
                Some("b@example.org") => Ok(()),
                _ => Err(format!("postmap does not find in {map} what it was made of")),
            }
        });
        let _ = fs::remove_dir_all(&dir);
        tried
    }

    fn run(&self, arguments: &[&str], input: &str) -> Result<(ExitStatus, String, String), String> {
        let mut child = Command::new(&self.program)
            .arg("-c")
            .arg(&self.config)
            .args(arguments)
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .env("LC_ALL", "C")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|e| format!("{} cannot be run: {e}", self.program.display()))?;
        let (to, from, errors) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let input = input.to_owned();
        thread::spawn(move || to.map(|mut to| to.write_all(input.as_bytes())));
        let (found, said) = (drain(from), drain(errors));
        let status = end_of(&mut child).map_err(|why| format!("{} {why}", self.program.display()))?;
        let (found, whole) = drained(&found);
        if !whole {
            return Err(format!("{} has ended, and its answer has no end", self.program.display()));
        }
        Ok((status, found, drained(&said).0))
    }
}

/// The keys of a text that no reading of it can doubt: `KEY whitespace VALUE` on one line, the key of ordinary characters (postmap(1)).
fn plain_keys(text: &[u8]) -> impl Iterator<Item = String> {
    let lines = text.split(|byte| *byte == b'\n').filter(|line| !line.first().is_some_and(u8::is_ascii_whitespace));
    let pairs = lines.filter_map(|line| std::str::from_utf8(line).ok()?.split_once([' ', '\t']));
    pairs.filter(|(key, value)| fits(key) && key.is_ascii() && !value.trim().is_empty()).map(|(key, _)| key.to_owned())
}

/// Runs a program with arguments to its end, for its effect.
///
/// # Errors
/// A sentence, with the program's own words.
pub fn run_command(command: &[String]) -> Result<(), String> {
    let Some((program, arguments)) = command.split_first() else { return Ok(()) };
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|e| format!("{program} cannot be run: {e}"))?;
    let said = drain(child.stderr.take());
    let status = end_of(&mut child).map(|status| (status, drained(&said).0));
    match status {
        Ok((status, _)) if status.success() => Ok(()),
        Ok((status, said)) => Err(format!("{program} ended with {status}: {}", one_line(&said))),
        Err(why) => Err(format!("{program} {why}")),
    }
}

/// Reads to the end, on a thread of its own: a process that the child has left behind may hold the pipe for ever.
fn drain(from: Option<impl Read + Send + 'static>) -> Receiver<Vec<u8>> {
    let (pieces, received) = mpsc::channel();
    thread::spawn(move || {
        let Some(mut from) = from else { return };
        let mut piece = vec![0; 1 << 14];
        while let Ok(length @ 1..) = from.read(&mut piece) {
            if pieces.send(piece[..length].to_vec()).is_err() {
                return;
            }
        }
    });
    received
}

/// What came, and whether that is all; to be asked for after the child's end.
fn drained(from: &Receiver<Vec<u8>>) -> (String, bool) {
    let mut bytes = Vec::new();
    let end = Instant::now() + LAST_WORDS;
    let whole = loop {
        match from.recv_timeout(end.saturating_duration_since(Instant::now())) {
            Ok(piece) => bytes.extend(piece),
            Err(why) => break why == RecvTimeoutError::Disconnected,
        }
    };
    (String::from_utf8_lossy(&bytes).into_owned(), whole)
}

/// Waits for a child's end; one that takes too long is killed.
fn end_of(child: &mut Child) -> Result<ExitStatus, String> {
    let begun = Instant::now();
    let mut pause = Duration::from_micros(500);
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return Ok(status),
            Ok(None) if begun.elapsed() < PATIENCE => {
                thread::sleep(pause);
                pause = (pause * 2).min(Duration::from_millis(20));
            }
            Ok(None) => {
                let _ = child.kill();
                let _ = child.wait();
                return Err(format!("did not end within {} s, and was killed", PATIENCE.as_secs()));
            }
            Err(e) => return Err(format!("cannot be waited for: {e}")),
        }
    }
}

fn one_line(said: &str) -> String {
    let lines: Vec<&str> = said.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    lines.join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_plain_where_postmap_can_take_it_for_nothing_else() {
        let text = "# akund 0199 a@x\na@x a@x\n#b@x b@x\n  goes on\n\n\"c d\"@x x\nE@X\ty\nnothing\nempty  \n@x z";
        assert_eq!(plain_keys(text.as_bytes()).collect::<Vec<_>>(), ["a@x", "E@X", "@x"]);
    }

    #[test]
    fn a_process_that_a_reload_leaves_behind_does_not_hold_the_lane() {
        let begun = Instant::now();
        let command = ["sh", "-c", "echo gagal >&2; sleep 60 & exit 3"].map(str::to_owned);
        let told = run_command(&command).unwrap_err();
        assert!(told.contains("gagal"), "{told}");
        assert!(begun.elapsed() < Duration::from_secs(30), "{:?}", begun.elapsed());
    }
}
