//! A spool in a temporary directory.

use akund::config::SpoolConfig;
use akund::config::source::SourceConfig;
use akund::intake::spool::{Arrivals, Bad, Candidate, Dropped, Spool, Taken};
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Nobody waits longer for anything; only a failure does.
pub const PATIENCE: Duration = Duration::from_secs(60);
pub const NOBODY: u32 = 65534;

pub struct Bench {
    pub dir: tempfile::TempDir,
    pub config: SpoolConfig,
    pub sources: Vec<SourceConfig>,
}

pub fn source(name: &str) -> SourceConfig {
    SourceConfig { name: name.into(), ..SourceConfig::default() }
}

impl Bench {
    /// With a source `uin` beside the implied `local`. Rescans are so rare that inotify has to find everything.
    pub fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let config = SpoolConfig {
            path: dir.path().join("spool"),
            max_bytes: 1024 * 1024,
            rescan_seconds: 3600,
            settle_ms: 100,
            signature_wait_seconds: 1,
        };
        Self { dir, config, sources: vec![source("uin")] }
    }

    pub fn open(&self) -> Arc<Spool> {
        Spool::open(&self.config, &self.sources).unwrap()
    }

    pub fn root(&self) -> &Path {
        &self.config.path
    }

    pub fn incoming(&self, name: &str) -> PathBuf {
        self.root().join("incoming").join(name)
    }

    /// Writes beside and renames, as `akund submit` does.
    pub fn drop_file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.incoming(name);
        let temporary = path.with_file_name(".being-written");
        fs::write(&temporary, content).unwrap();
        fs::rename(&temporary, &path).unwrap();
        path
    }

    /// Every file under a directory of the spool, hidden ones too, by relative path.
    pub fn files(&self, under: &str) -> BTreeMap<String, Vec<u8>> {
        let mut found = BTreeMap::new();
        let mut dirs = vec![self.root().join(under)];
        while let Some(dir) = dirs.pop() {
            for entry in fs::read_dir(&dir).unwrap() {
                let path = entry.unwrap().path();
                if path.symlink_metadata().unwrap().is_dir() {
                    dirs.push(path);
                } else {
                    let name = path.strip_prefix(self.root().join(under)).unwrap().to_string_lossy().into_owned();
                    found.insert(name, fs::read(&path).unwrap_or_default());
                }
            }
        }
        found
    }
}

pub fn take(spool: &Spool, candidate: &Candidate) -> Taken {
    spool.take(candidate, Timestamp::now()).unwrap()
}

pub fn good(taken: Taken) -> Dropped {
    match taken {
        Taken::File(dropped) => dropped,
        other => panic!("not a good file: {other:?}"),
    }
}

pub fn bad(taken: Taken) -> Bad {
    match taken {
        Taken::Bad(bad) => bad,
        other => panic!("not a bad file: {other:?}"),
    }
}

/// The one file that lies there now.
pub fn only(spool: &Spool) -> Candidate {
    let mut found = spool.scan().unwrap();
    assert_eq!(found.len(), 1, "{found:?}");
    found.remove(0)
}

/// The next candidates, within [`PATIENCE`].
pub async fn next(arrivals: &mut Arrivals) -> Vec<Candidate> {
    tokio::time::timeout(PATIENCE, arrivals.next()).await.expect("nothing was offered")
}

/// The next one, which must come alone.
pub async fn next_one(arrivals: &mut Arrivals) -> Candidate {
    let mut offered = next(arrivals).await;
    assert_eq!(offered.len(), 1, "{offered:?}");
    offered.remove(0)
}

/// Returns when everything is being watched: a probe was offered.
pub async fn begin(bench: &Bench, arrivals: &mut Arrivals) {
    let probe = bench.drop_file("probe", "x");
    assert_eq!(next_one(arrivals).await.name(), "probe");
    fs::remove_file(probe).unwrap();
}

/// Nothing is offered for now.
pub async fn quiet(arrivals: &mut Arrivals) {
    let offered = tokio::time::timeout(Duration::from_millis(50), arrivals.next()).await;
    assert!(offered.is_err(), "{offered:?}");
}

/// Lets it work until the condition holds; nothing must be offered.
pub async fn until(arrivals: &mut Arrivals, what: &str, condition: impl Fn() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < PATIENCE, "waited in vain until {what}");
        quiet(arrivals).await;
    }
}

pub fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < PATIENCE, "waited in vain until {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Runs one ignored test of this binary through `wrapper`, with a directory for it in `AKUND_TEST_DIR`.
pub fn child(wrapper: &[&str], test: &str, dir: &Path) -> Command {
    let mut command = Command::new(wrapper[0]);
    command
        .args(&wrapper[1..])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", test, "--ignored", "--nocapture", "--test-threads=1"])
        .env("AKUND_TEST_DIR", dir)
        .stdin(Stdio::null());
    command
}

pub fn child_dir() -> PathBuf {
    std::env::var_os("AKUND_TEST_DIR").expect("run by its parent test only").into()
}

/// It must have run, and passed.
pub fn assert_passed(output: &Output) {
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
}
