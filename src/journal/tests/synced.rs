//! What is answered, and what is seen, before and after a commit is on the disk.

use super::*;
use crate::journal::sync::Sync;
use std::io;
use std::sync::mpsc::{Receiver, Sender, channel};

/// The next sync: tells `asked` that it is wanted, and answers what it is given.
fn held(asked: Sender<()>, answer: Receiver<io::Result<()>>) -> Sync {
    Box::new(move || {
        let _ = asked.send(());
        answer.recv().unwrap_or(Ok(()))
    })
}

struct Slow {
    _dir: tempfile::TempDir,
    journal: Journal,
    writer: std::thread::JoinHandle<()>,
    asked: Receiver<()>,
    answer: Sender<io::Result<()>>,
    resting: Arc<std::sync::atomic::AtomicBool>,
}

/// A journal whose disk does nothing by itself.
fn slow() -> Slow {
    let dir = tempfile::tempdir().unwrap();
    let (ask, asked) = channel();
    let (answer, answered) = channel();
    let options = OpenOptions { path: dir.path().join("journal.db") };
    let resting = Arc::new(std::sync::atomic::AtomicBool::new(true));
    let rests = resting.clone();
    let observe = move |moment| match moment {
        Moment::Begins => rests.store(false, std::sync::atomic::Ordering::SeqCst),
        Moment::Rests => rests.store(true, std::sync::atomic::Ordering::SeqCst),
        Moment::Committed(_) | Moment::Failed => {}
    };
    let (journal, writer) =
        Journal::open_syncing(&options, &[], Box::new(observe), |_| Ok(held(ask, answered))).unwrap();
    Slow { _dir: dir, journal, writer, asked, answer, resting }
}

/// An event, so that the chain has another head.
fn event(journal: &Journal, subject: &'static [u8]) -> tokio::task::JoinHandle<Result<Head, JournalError>> {
    let call = journal.call(move |tx| tx.event(subject, "test", &serde_json::json!({})));
    tokio::spawn(call)
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_answered_before_it_is_on_the_disk_and_the_writer_goes_on_meanwhile() {
    let slow = slow();
    let before = slow.journal.head();
    let first = event(&slow.journal, b"1");
    slow.asked.recv().unwrap();
    // Carried out while the disk has not answered for the first.
    let (ran, run) = channel();
    let second = slow.journal.call(move |_| {
        ran.send(()).unwrap();
        Ok(())
    });
    let (second, third) = (tokio::spawn(second), event(&slow.journal, b"3"));
    run.recv().unwrap();
    assert!(!first.is_finished() && !second.is_finished() && !third.is_finished());
    assert_eq!(slow.journal.head(), before, "a head that a power cut could take back is told to nobody");
    assert!(!slow.resting.load(std::sync::atomic::Ordering::SeqCst));

    slow.answer.send(Ok(())).unwrap();
    let first = first.await.unwrap().unwrap();
    slow.asked.recv().unwrap();
    assert!(!second.is_finished() && !third.is_finished());
    slow.answer.send(Ok(())).unwrap();
    second.await.unwrap().unwrap();
    // The third came with the second, or after it.
    let third = match slow.asked.recv_timeout(std::time::Duration::from_millis(200)) {
        Ok(()) => {
            slow.answer.send(Ok(())).unwrap();
            third.await
        }
        Err(_) => third.await,
    };
    assert_eq!(third.unwrap().unwrap().seq, first.seq + 1);
    drop(slow.journal);
    slow.writer.join().unwrap();
    assert!(slow.resting.load(std::sync::atomic::Ordering::SeqCst));
}

#[tokio::test(flavor = "multi_thread")]
async fn commits_that_gather_are_brought_to_the_disk_together() {
    let slow = slow();
    let first = event(&slow.journal, b"1");
    slow.asked.recv().unwrap();
    let mut more = Vec::new();
    for _ in 0..5 {
        let (ran, run) = channel();
        more.push(tokio::spawn(slow.journal.call(move |tx| {
            ran.send(()).unwrap();
            tx.touch()
        })));
        // Each is a transaction of its own.
        run.recv().unwrap();
    }
    // The fifth may still be on its way to be committed when the first is answered.
    slow.answer.send(Ok(())).unwrap();
    first.await.unwrap().unwrap();
    let mut syncs = 0;
    while !more.iter().all(tokio::task::JoinHandle::is_finished) {
        if slow.asked.recv_timeout(std::time::Duration::from_millis(50)).is_ok() {
            slow.answer.send(Ok(())).unwrap();
            syncs += 1;
        }
    }
    assert!(syncs <= 2, "{syncs} syncs for five commits");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_cannot_be_synced_ends_the_journal_and_nobody_hears_yes() {
    let slow = slow();
    let first = event(&slow.journal, b"1");
    slow.asked.recv().unwrap();
    let second = event(&slow.journal, b"2");
    slow.answer.send(Err(io::Error::from_raw_os_error(nix::libc::EIO))).unwrap();
    let refused = first.await.unwrap().unwrap_err();
    assert!(refused.may_pass() && refused.to_string().contains("cannot be brought to the disk"), "{refused}");
    assert!(slow.journal.writable().borrow().is_err());
    // From now on every sync would succeed, as Linux has it after it has told an error once.
    drop(slow.answer);
    assert!(second.await.unwrap().is_err());
    let closed = loop {
        match event(&slow.journal, b"3").await.unwrap() {
            Err(JournalError::Closed) => break true,
            Err(_) => {}
            Ok(_) => break false,
        }
    };
    assert!(closed);
    slow.writer.join().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_is_lost_ends_the_journal_also_when_nobody_writes_any_more() {
    let slow = slow();
    let last = event(&slow.journal, b"1");
    slow.asked.recv().unwrap();
    slow.answer.send(Err(io::Error::from_raw_os_error(nix::libc::EIO))).unwrap();
    assert!(last.await.unwrap().is_err());
    slow.writer.join().unwrap();
    assert!(matches!(event(&slow.journal, b"2").await.unwrap(), Err(JournalError::Closed)));
}
