//! The socket by which commands wake the daemon: it carries out the orders in the journal, and then closes the
//! connection. What is written to it says nothing; the orders stand in the journal.

use crate::admission::SharedProcedures;
use crate::channel::letter::Kind;
use crate::intake::spool::Spool;
use crate::journal::letters::KeptLetters;
use crate::journal::officials::InForce;
use crate::journal::orders::Lanes;
use crate::journal::{Journal, Kept};
use crate::model::{Facts, Record};
use crate::observe::metrics::{Metrics, OrderResult};
use crate::procedure::{self, Site};
use jiff::Timestamp;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::Path;
use std::sync::{Arc, PoisonError};
use tokio::io::AsyncReadExt;
use tokio::net::{UnixListener, UnixStream};
use tokio_util::sync::CancellationToken;

/// Binds the socket, in place of one that a dead daemon left.
///
/// # Errors
/// What the system says of the path.
pub fn bind(path: &Path) -> std::io::Result<UnixListener> {
    if let Some(dir) = path.parent() {
        std::fs::create_dir_all(dir)?;
    }
    match std::fs::symlink_metadata(path) {
        Ok(there) if there.file_type().is_socket() => std::fs::remove_file(path)?,
        Ok(_) => {
            return Err(std::io::Error::new(
                std::io::ErrorKind::AlreadyExists,
                "something that is no socket lies there",
            ));
        }
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        Err(_) => {}
    }
    let listener = UnixListener::bind(path)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o660))?;
    Ok(listener)
}

/// What carrying out orders needs.
#[derive(Clone)]
pub struct Control {
    /// Where orders stand.
    pub journal: Journal,
    /// Counts.
    pub metrics: Metrics,
    /// What can be paused.
    pub lanes: Lanes,
    /// By which what is handed out anew is judged.
    pub procedures: SharedProcedures,
    /// For planning it.
    pub site: Arc<Site>,
    /// Where signed letters are kept.
    pub spool: Arc<Spool>,
}

/// How long after orders could not be carried out, or a letter could not be kept, it is tried again.
const AGAIN: std::time::Duration = std::time::Duration::from_secs(10);

impl Control {
    /// Answers until shutdown. `left`: what [`Self::carry_out`] said at the start.
    pub async fn serve(self, listener: UnixListener, left: bool, shutdown: CancellationToken) {
        let mut left = left;
        loop {
            let connection = tokio::select! {
                () = shutdown.cancelled() => return,
                () = tokio::time::sleep(AGAIN), if left => {
                    left = self.carry_out().await;
                    continue;
                }
                connection = listener.accept() => connection,
            };
            match connection {
                Ok((stream, _)) => left = self.clone().answer(stream).await,
                Err(error) => {
                    tracing::warn!(%error, "a command could not be heard");
                    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
                }
            }
        }
    }

    /// Whether an order is left.
    async fn answer(self, stream: UnixStream) -> bool {
        let mut heard = [0; 64];
        let mut stream = stream;
        // A command writes a line at once; one that says nothing must not keep others waiting.
        let _ = tokio::time::timeout(std::time::Duration::from_secs(1), stream.read(&mut heard)).await;
        let left = self.carry_out().await;
        drop(stream);
        left
    }

    fn in_force(&self) -> Arc<InForce> {
        let procedures = self.procedures.read().unwrap_or_else(PoisonError::into_inner).clone();
        let site = self.site.clone();
        let officials = procedures.iter().map(|(name, procedure)| (name.clone(), procedure.officials())).collect();
        let judge = move |record: &Record, facts: &Facts, now: Timestamp| {
            let name = &record.key.procedure;
            let procedure = procedures.get(name).ok_or_else(|| format!("its procedure {name} is not here any more"))?;
            Ok(procedure::decide_anew(record, procedure, &site, facts, now))
        };
        Arc::new(InForce { judge: Box::new(judge), officials })
    }

    /// Carries out the orders that are new; whether one is left that is to be tried again: its letter could not be kept, or the
    /// journal not be written.
    pub async fn carry_out(&self) -> bool {
        let (kept, mut left) = match self.keep_letters().await {
            Ok(kept) => (kept, false),
            Err(error) => {
                tracing::error!(%error, "a signed letter could not be kept in the spool; its order waits, and is tried again");
                (KeptLetters::new(), true)
            }
        };
        if !kept.is_empty() {
            crate::crash::point("letter-kept");
        }
        match self.journal.carry_out_orders(self.lanes.clone(), Some(self.in_force()), kept).await {
            Ok(orders) => {
                for order in orders {
                    self.metrics
                        .order(order.verb.as_str(), if order.done { OrderResult::Done } else { OrderResult::Refused });
                    tracing::info!(order = order.verb.as_str(), by = %order.login, done = order.done, "an order was carried out");
                }
            }
            Err(error) => {
                tracing::error!(%error, "orders could not be carried out; they are kept, and tried again");
                left = true;
            }
        }
        left
    }

    /// Writes the signed letters of new orders to the spool's evidence, before anything is said of them in the journal.
    async fn keep_letters(&self) -> Result<KeptLetters, String> {
        let letters = self.journal.letters_to_keep().await.map_err(|error| error.to_string())?;
        if letters.is_empty() {
            return Ok(KeptLetters::new());
        }
        let spool = self.spool.clone();
        let kept = tokio::task::spawn_blocking(move || {
            let keep = |(order, bytes): (i64, Vec<u8>)| {
                // What is no letter was refused by the command already; whoever writes to the journal past it gets no further.
                let name = format!("letter.{}", Kind::of(&bytes).ok()?.extension());
                let kept = spool.keep_letter(&name, &bytes, jiff::Timestamp::now());
                Some(kept.map(|(evidence, sha256)| (order, Kept { evidence, sha256 })))
            };
            letters.into_iter().filter_map(keep).collect::<std::io::Result<KeptLetters>>()
        });
        kept.await.map_err(|error| crate::panics::how(error).to_owned())?.map_err(|error| error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::SpoolConfig;
    use crate::journal::OpenOptions;
    use crate::journal::orders::{self, NewOrder, OrderVerb};

    #[tokio::test]
    async fn orders_that_could_not_be_carried_out_are_tried_again_without_another_command() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal.db");
        let (journal, _writer) = Journal::open(&OpenOptions { path: path.clone() }, |_| {}).unwrap();
        let spool = SpoolConfig { path: dir.path().join("spool"), ..SpoolConfig::default() };
        let control = Control {
            journal,
            metrics: Metrics::new(),
            lanes: vec!["maps".to_owned()].into(),
            procedures: SharedProcedures::default(),
            site: Arc::default(),
            spool: Spool::open(&spool, &[]).unwrap(),
        };
        let order = NewOrder {
            login_uid: None,
            login: "admin".into(),
            verb: OrderVerb::Pause,
            argument: String::new(),
            reason: String::new(),
            letter: None,
        };
        let order = orders::place(&path, &order).unwrap();
        let by_hand = |sql| rusqlite::Connection::open(&path).unwrap().execute_batch(sql).unwrap();
        by_hand("ALTER TABLE lane RENAME TO away");
        by_hand("CREATE TRIGGER no BEFORE UPDATE ON orders BEGIN SELECT RAISE(ABORT, 'no'); END");
        assert!(control.carry_out().await, "it is left");
        by_hand("ALTER TABLE away RENAME TO lane; DROP TRIGGER no");
        let listener = bind(&dir.path().join("socket")).unwrap();
        let shutdown = CancellationToken::new();
        let serving = tokio::spawn(control.serve(listener, true, shutdown.clone()));
        let deadline = std::time::Instant::now() + 4 * AGAIN;
        while orders::result(&path, order).unwrap().state != "done" {
            assert!(std::time::Instant::now() < deadline);
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        shutdown.cancel();
        serving.await.unwrap();
    }
}
