//! A directory of files, for trying akund out, readable by its owner only: `.eml`, what SMTP would have sent; or, where it
//! stands in for an SMS gateway, `.txt` with the phone number and the text.
//!
//! Each notice is one file, named by its Message-ID: handing the same notice over again replaces the file with the like.
//! Notices handed over at the same time share one sync of the directory.

use super::message::{Sender, build};
use super::{Channel, Destination, Envelope, HandedOver, Uncertain};
use crate::config::channel::OutboxConfig;
use crate::durable;
use crate::model::Fault;
use crate::model::hex::hex;
use crate::model::{Answer, Finding};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use sha2::{Digest, Sha256};
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;
use tokio::sync::oneshot;
use zeroize::Zeroizing;

/// Notices in flight at once: enough that a sync of the directory is shared by many.
const PARALLEL: usize = 128;
/// Of these, how many are recorded in one commit.
const TOGETHER: usize = 64;
/// What a Message-ID may have in a file name. `.` only because none begins with one (see [`file_name`]).
const NAME: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'@').remove(b'+').remove(b'=');

/// `kind = "outbox"`
pub struct Outbox {
    name: String,
    /// None: it stands in for SMS.
    sender: Option<Sender>,
    desk: Arc<Desk>,
}

/// Where notices wait for the one writer.
struct Desk {
    directory: PathBuf,
    queue: Mutex<Queue>,
}

#[derive(Default)]
struct Queue {
    waiting: Vec<Job>,
    /// A blocking thread is writing; it takes what has come in meanwhile before it ends.
    writing: bool,
}

struct Job {
    path: PathBuf,
    bytes: Zeroizing<Vec<u8>>,
    done: oneshot::Sender<Result<(), (io::ErrorKind, String)>>,
}

impl Outbox {
    /// Checks the configuration; the directory is made at the first notice. An existing one that others can read is refused.
    pub fn open(name: &str, config: &OutboxConfig) -> Result<Self, String> {
        let problem = |cause: String| format!("channel {name}: {cause}");
        let sender = config.carries_email().then(|| Sender::parse(&config.from, None));
        let sender = sender.transpose().map_err(problem)?;
        if config.path.as_os_str().is_empty() {
            return Err(problem("path is empty: expected a directory".into()));
        }
        private(&config.path).map_err(problem)?;
        let desk = Desk { directory: config.path.clone(), queue: Mutex::default() };
        Ok(Self { name: name.to_owned(), sender, desk: Arc::new(desk) })
    }

    async fn deliver(&self, notice: &Envelope) -> Result<HandedOver, Fault> {
        let (bytes, ending) = match &self.sender {
            Some(sender) => (build(sender, notice, SystemTime::now())?.bytes, "eml"),
            None => (text_message(notice)?, "txt"),
        };
        let file = file_name(&notice.message_id, ending);
        let path = self.desk.directory.join(&file);
        match self.desk.write(path, bytes).await {
            Ok(()) => Ok(HandedOver { reply: format!("written to {file}"), reference: None }),
            Err(cause) => Err(Fault::transient(format!(
                "{file} could not be written to {}: {cause}",
                self.desk.directory.display()
            ))),
        }
    }

    fn look(&self) -> Finding {
        let directory = &self.desk.directory;
        let shown = format!("outbox {}", directory.display());
        private(directory)?;
        let (there, place) = match directory.is_dir() {
            true => (true, directory.as_path()),
            false => (false, existing_parent(directory)),
        };
        use nix::unistd::{AccessFlags, access};
        access(place, AccessFlags::W_OK | AccessFlags::X_OK)
            .map_err(|e| format!("{shown} cannot be written: {}: {}", place.display(), e.desc()))?;
        Ok(if there { format!("{shown} is writable") } else { format!("{shown} will be made at the first notice") })
    }
}

impl Channel for Outbox {
    fn name(&self) -> &str {
        &self.name
    }
    fn carries_email(&self) -> bool {
        self.sender.is_some()
    }
    /// The repeat replaces the same file.
    fn uncertain(&self) -> Uncertain {
        Uncertain::SendAgain
    }
    fn parallel(&self) -> usize {
        PARALLEL
    }
    /// Handed over again, a notice replaces its own file.
    fn together(&self) -> usize {
        TOGETHER
    }
    fn send<'a>(&'a self, notice: &'a Envelope) -> Answer<'a, Result<HandedOver, Fault>> {
        Box::pin(self.deliver(notice))
    }
    fn check<'a>(&'a self) -> Answer<'a, Vec<Finding>> {
        Box::pin(async move { vec![self.look()] })
    }
}

impl Desk {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns when the file and its name are on the disk. A caller that goes away early leaves the writing to be finished.
    async fn write(self: &Arc<Self>, path: PathBuf, bytes: Zeroizing<Vec<u8>>) -> Result<(), String> {
        let (done, outcome) = oneshot::channel();
        let first = {
            let mut queue = self.queue();
            queue.waiting.push(Job { path, bytes, done });
            !std::mem::replace(&mut queue.writing, true)
        };
        if first {
            let desk = self.clone();
            tokio::task::spawn_blocking(move || desk.drain());
        }
        match outcome.await {
            Ok(Ok(())) => Ok(()),
            Ok(Err((kind, cause))) => Err(advice(kind, &cause)),
            Err(_) => Err("the writer was stopped".into()),
        }
    }

    fn drain(&self) {
        let _turn = Turn(self);
        loop {
            let batch = {
                let mut queue = self.queue();
                let batch = std::mem::take(&mut queue.waiting);
                queue.writing = !batch.is_empty();
                batch
            };
            if batch.is_empty() {
                return;
            }
            self.write_batch(batch);
        }
    }

    fn write_batch(&self, batch: Vec<Job>) {
        let made = durable::make_dir(&self.directory, 0o700);
        let files: Vec<(PathBuf, &[u8])> = batch.iter().map(|j| (j.path.clone(), j.bytes.as_slice())).collect();
        let all = made.and_then(|()| durable::replace_all(&files, 0o600));
        let alone = batch.len() == 1;
        for job in batch {
            // One bad file does not fail the others: each is tried by itself, and a repeat does no harm.
            let outcome = match &all {
                Ok(()) => Ok(()),
                Err(error) if alone => Err((error.kind(), error.to_string())),
                Err(_) => durable::replace(&job.path, &job.bytes, 0o600).map_err(|e| (e.kind(), e.to_string())),
            };
            let _ = job.done.send(outcome);
        }
    }
}

/// Should the writer panic, the next notice starts another instead of waiting for ever.
struct Turn<'a>(&'a Desk);

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            *self.0.queue() = Queue::default();
        }
    }
}

fn advice(kind: io::ErrorKind, cause: &str) -> String {
    match kind {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => format!("{cause}; make room on that disk"),
        io::ErrorKind::ReadOnlyFilesystem => {
            format!("{cause}; mount it writable, or allow it in the unit (ReadWritePaths=)")
        }
        io::ErrorKind::PermissionDenied => format!("{cause}; the directory must belong to akund's user"),
        _ => cause.to_owned(),
    }
}

/// The number, an empty line, and the words: what a gateway would be given.
fn text_message(notice: &Envelope) -> Result<Zeroizing<Vec<u8>>, Fault> {
    let Destination::Phone(phone) = &notice.to else {
        return Err(Fault::permanent("the notice cannot leave by SMS: it is for a mail address"));
    };
    let (head, text) = (format!("To: {}\n\n", phone.as_str()), notice.text.expose());
    let mut bytes = Zeroizing::new(Vec::with_capacity(head.len() + text.len()));
    bytes.extend_from_slice(head.as_bytes());
    bytes.extend_from_slice(text.as_bytes());
    Ok(bytes)
}

/// `MESSAGE-ID.ENDING`, percent-encoded; a very long id is replaced by its digest.
fn file_name(message_id: &str, ending: &str) -> String {
    let encoded = utf8_percent_encode(message_id, NAME).to_string();
    let encoded = match encoded.strip_prefix('.') {
        Some(rest) => format!("%2E{rest}"),
        None => encoded,
    };
    if encoded.len() <= 200 {
        return format!("{encoded}.{ending}");
    }
    format!("{}.{ending}", hex(&Sha256::digest(message_id.as_bytes())))
}

/// The directory, if it is there, is one and lets nobody but its owner in.
fn private(directory: &Path) -> Result<(), String> {
    let Ok(found) = fs::metadata(directory) else { return Ok(()) };
    if !found.is_dir() {
        return Err(format!("outbox {} is not a directory", directory.display()));
    }
    let mode = found.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        let path = directory.display();
        return Err(format!("outbox {path} has mode {mode:04o}, but holds passwords: chmod 0700 {path}"));
    }
    Ok(())
}

fn existing_parent(directory: &Path) -> &Path {
    directory.ancestors().skip(1).find(|p| p.is_dir()).unwrap_or(Path::new("."))
}

impl std::fmt::Debug for Outbox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Outbox")
            .field("name", &self.name)
            .field("directory", &self.desk.directory)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::channel::OutboxCarries;
    use crate::model::{FaultClass, Secret};

    fn notice(id: &str, text: &str) -> Envelope {
        Envelope {
            message_id: id.into(),
            to: Destination::Email("humas@example.org".parse().unwrap()),
            to_name: String::new(),
            language: "en".into(),
            subject: "Your account".into(),
            text: Secret::new(text),
            html: Some(Secret::new(format!("<p>{text}</p>"))),
            receipt: None,
            attachments: Vec::new(),
        }
    }

    fn outbox(path: &Path) -> Outbox {
        Outbox::open("demo", &config(path, OutboxCarries::Email)).unwrap()
    }

    fn config(path: &Path, carries: OutboxCarries) -> OutboxConfig {
        let from = if carries == OutboxCarries::Email { "akun@example.org" } else { "" };
        OutboxConfig { path: path.into(), carries, from: from.into() }
    }

    #[tokio::test]
    async fn in_place_of_sms_it_writes_number_and_text_and_takes_no_mail() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("outbox");
        let outbox = Outbox::open("sms", &config(&path, OutboxCarries::Sms)).unwrap();
        assert!(!outbox.carries_email());
        let phone = Destination::Phone(crate::model::Phone::parse("0812-3456-7890", "ID").unwrap());
        let sms = Envelope { to: phone, ..notice("1@host", "Kata sandi awal: rahasia") };
        assert_eq!(outbox.send(&sms).await.unwrap().reply, "written to 1@host.txt");
        let text = fs::read_to_string(path.join("1@host.txt")).unwrap();
        assert_eq!(text, "To: +6281234567890\n\nKata sandi awal: rahasia");
        let fault = outbox.send(&notice("2@host", "text")).await.unwrap_err();
        assert_eq!(fault.class, FaultClass::Permanent);
    }

    fn files(path: &Path) -> Vec<String> {
        let mut names: Vec<String> =
            fs::read_dir(path).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[tokio::test]
    async fn the_same_message_id_replaces_the_same_private_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("outbox");
        let outbox = outbox(&path);
        for text in ["first", "second"] {
            let handed_over = outbox.send(&notice("0190.1@host", text)).await.unwrap();
            assert_eq!(handed_over.reply, "written to 0190.1@host.eml");
        }
        assert_eq!(files(&path), ["0190.1@host.eml"]);
        let file = path.join("0190.1@host.eml");
        assert!(fs::read_to_string(&file).unwrap().contains("second"));
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
    }

    #[tokio::test]
    async fn many_at_once_are_all_written() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("outbox");
        let outbox = outbox(&path);
        let notices: Vec<Envelope> = (0..200).map(|n| notice(&format!("{n:03}@host"), "text")).collect();
        let outcomes = futures_util::future::join_all(notices.iter().map(|n| outbox.send(n))).await;
        assert!(outcomes.iter().all(Result::is_ok));
        let expected: Vec<String> = (0..200).map(|n| format!("{n:03}@host.eml")).collect();
        assert_eq!(files(&path), expected);
    }

    #[tokio::test]
    async fn one_file_that_cannot_be_written_fails_alone_and_may_be_tried_again() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("outbox");
        let outbox = outbox(&path);
        outbox.send(&notice("0@host", "text")).await.unwrap();
        // A directory in the place of a notice's file.
        fs::create_dir(path.join("1@host.eml")).unwrap();
        let notices: Vec<Envelope> = (0..4).map(|n| notice(&format!("{n}@host"), "text")).collect();
        let outcomes = futures_util::future::join_all(notices.iter().map(|n| outbox.send(n))).await;
        for (number, outcome) in outcomes.into_iter().enumerate() {
            match number {
                1 => assert_eq!(outcome.unwrap_err().class, FaultClass::Transient),
                _ => assert!(outcome.is_ok(), "{number}"),
            }
        }
        fs::remove_dir(path.join("1@host.eml")).unwrap();
        outbox.send(&notices[1]).await.unwrap();
    }

    #[tokio::test]
    async fn a_directory_that_cannot_be_made_is_transient_and_a_full_disk_says_what_to_do() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        fs::write(&file, "").unwrap();
        let outbox = outbox(&file.join("outbox"));
        let fault = outbox.send(&notice("1@host", "text")).await.unwrap_err();
        assert_eq!(fault.class, FaultClass::Transient, "{fault}");
        assert!(advice(io::ErrorKind::StorageFull, "No space left").contains("make room"));
    }

    #[tokio::test]
    async fn check_writes_nothing_and_refuses_what_others_can_read() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("outbox");
        let outbox = outbox(&path);
        assert!(outbox.check().await[0].as_ref().unwrap().contains("will be made"));
        assert!(!path.exists());
        fs::create_dir(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        assert!(Outbox::open("demo", &config(&path, OutboxCarries::Email)).unwrap_err().contains("chmod 0700"));
        assert!(outbox.check().await[0].is_err());
        fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).unwrap();
        assert!(outbox.check().await[0].as_ref().unwrap().contains("is writable"));
    }

    #[test]
    fn file_names_are_one_plain_segment() {
        for (id, name) in [
            ("0190.3@akund.example.org", "0190.3@akund.example.org.eml"),
            ("../../etc/passwd@x", "%2E.%2F..%2Fetc%2Fpasswd@x.eml"),
            (".hidden@x", "%2Ehidden@x.eml"),
            ("a\0b", "a%00b.eml"),
        ] {
            assert_eq!(file_name(id, "eml"), name);
        }
        assert_eq!(file_name(&"a".repeat(1000), "eml").len(), 68);
    }
}
