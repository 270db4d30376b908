//! Admission: from dropped files and messages to journaled requests. A file is acknowledged (unlinked), and a message too, only
//! after its evidence is safe and the journal has committed what became of every record in it. Below, a message is a file, too.
//!
//! A crash anywhere in between leaves the file where it was dropped: it is read again, its evidence is already there
//! under the same name, and the records that were admitted are duplicates.

mod cut;
mod received;
mod rights;

use crate::config::SourceConfig;
use crate::intake::record::{self, Parsed, Problems, Rules};
use crate::intake::spool::{Bad, Spool};
use crate::intake::{GivenBack, Handed, Source};
use crate::journal::{Admission, Admitted, Journal, JournalError, Submission};
use crate::model::{AccountUid, Facts};
use crate::observe::metrics::{FileResult, Metrics};
use crate::procedure::{self, Procedure, Site};
use crate::target::Target;
use cut::{Chunk, windows};
use futures_util::future::join_all;
use jiff::Timestamp;
use received::Received;
use sha2::Digest;
use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, PoisonError, RwLock};
use tokio_util::sync::CancellationToken;

pub use rights::{not_permitted, signed_as};

/// The procedures in force; a reload puts new ones in their place.
pub type SharedProcedures = Arc<RwLock<Arc<Procedures>>>;

/// By name.
pub type Procedures = BTreeMap<String, Arc<Procedure>>;

/// Why a file is left where it is and tried again later. Nothing of it is lost.
#[derive(Debug, thiserror::Error)]
pub enum Postponed {
    /// The journal cannot be written.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The spool cannot be written, or the source does not answer.
    #[error("the spool cannot be written, or the source does not answer: {0}")]
    Source(#[from] io::Error),
    /// A target cannot be asked whether an address is taken.
    #[error("target {target} cannot be asked which addresses are taken: {cause}")]
    Target {
        /// Its name.
        target: String,
        /// Its words.
        cause: String,
    },
    /// akund ends in the midst of a large file: the rest is admitted at the next start.
    #[error("akund is ending")]
    Ending,
    /// A fault of akund's own.
    #[error("{0}")]
    Internal(String),
}

/// What admission needs.
#[derive(Clone)]
pub struct Admitter {
    /// Where evidence goes, and files come from and go to.
    pub spool: Arc<Spool>,
    /// Where requests go.
    pub journal: Journal,
    /// By which they are judged.
    pub procedures: SharedProcedures,
    /// Which targets and channels there are, for planning.
    pub site: Arc<Site>,
    /// Asked for names that are taken.
    pub targets: Vec<Arc<dyn Target>>,
    /// What each source may ask for.
    pub sources: Arc<BTreeMap<String, SourceConfig>>,
    /// Counts.
    pub metrics: Metrics,
    /// Cancelled when nothing more is to be taken.
    pub ending: CancellationToken,
}

/// One file on its way, with what was read of it.
struct Reading<H> {
    file: H,
    evidence: String,
    parsed: Result<Parsed, Problems>,
}

/// What the good rows of a chunk ask for.
struct Batch {
    reading: usize,
    /// Place in the file and procedure.
    rows: Vec<(usize, String)>,
    admissions: Vec<Admission>,
}

impl Admitter {
    /// Admits files that were handed in together, in their order: of two that want one address, the first gets it. A file that
    /// cannot be admitted now is left where it is.
    ///
    /// # Errors
    /// [`Postponed`]: those not yet acknowledged are read again later.
    pub async fn admit<S: Source>(&self, source: &S, files: Vec<S::Item>) -> Result<(), Postponed> {
        let procedures = self.procedures.read().unwrap_or_else(PoisonError::into_inner).clone();
        let spool = self.spool.clone();
        let mut readings = blocking(move || read(&spool, files)).await??;
        crate::crash::point("evidence-kept");
        let mut received = Received::default();
        for window in windows(&readings) {
            if self.ending.is_cancelled() {
                received.tell();
                return Err(Postponed::Ending);
            }
            let admitted = self.admit_window(readings, window, &procedures, &mut received).await;
            if admitted.is_err() {
                received.tell();
            }
            readings = admitted?;
        }
        received.tell();
        crate::crash::point("admitted");
        let mut finished = Vec::with_capacity(readings.len());
        for reading in readings {
            finished.push(self.finish(source, reading).await?);
        }
        source.acknowledge(finished).await?;
        crate::crash::point("acknowledged");
        Ok(())
    }

    /// Reads the records of a window, looks their names up once for all of them, then hands the chunks to the journal all at once,
    /// in order: it commits them together.
    async fn admit_window<H: Handed>(
        &self,
        mut readings: Vec<Reading<H>>,
        window: Vec<Chunk>,
        procedures: &Arc<Procedures>,
        received: &mut Received,
    ) -> Result<Vec<Reading<H>>, Postponed> {
        let (admitter, rules) = (self.clone(), procedures.clone());
        let (mut readings, mut batches) = blocking(move || {
            let batch = |chunk: &Chunk| admitter.batch(chunk, &mut readings[chunk.reading], &rules);
            let batches: Vec<Batch> = window.iter().map(batch).collect();
            (readings, batches)
        })
        .await?;
        self.look_up(batches.iter_mut().flat_map(|batch| &mut batch.admissions)).await?;
        let decide = self.decide(procedures.clone());
        let mut admitted = Vec::with_capacity(batches.len());
        for batch in &mut batches {
            let admissions = std::mem::take(&mut batch.admissions);
            admitted.push(self.journal.admit(submission(&readings[batch.reading]), admissions, decide.clone()));
        }
        for (batch, answers) in batches.into_iter().zip(join_all(admitted).await) {
            let Reading { file, parsed: Ok(parsed), .. } = &mut readings[batch.reading] else { continue };
            for ((row, procedure), answer) in batch.rows.into_iter().zip(answers?) {
                self.count(file.source(), &answer, &procedure, procedures);
                received.note(file.source(), &answer);
                if let Admitted::Rejected(reason) = answer {
                    parsed.refuse(row, &reason);
                }
            }
        }
        Ok(readings)
    }

    /// Gives back to the submitter what could not be accepted of a file.
    async fn finish<S: Source>(&self, source: &S, reading: Reading<S::Item>) -> Result<S::Item, Postponed> {
        let submission = submission(&reading);
        let Reading { file, parsed, .. } = reading;
        let (result, bad_rows, report, problems) = match parsed {
            Err(problems) => (FileResult::Rejected, None, problems.to_string(), problems.count()),
            Ok(parsed) => {
                let bad = parsed.problems().len();
                let result = if bad < parsed.count() { FileResult::Accepted } else { FileResult::Rejected };
                (result, parsed.bad_rows_file(), parsed.report(), bad)
            }
        };
        let file = if problems > 0 {
            self.give_back(source, file, submission, bad_rows, (report, problems)).await?
        } else {
            file
        };
        self.metrics.intake_file(file.source(), result);
        Ok(file)
    }

    /// Gives something back to its submitter, with the reasons and how many there are, and records that.
    ///
    /// # Errors
    /// [`Postponed`]: it is offered again.
    pub async fn give_back<S: Source>(
        &self,
        source: &S,
        item: S::Item,
        submission: Submission,
        bytes: Option<Vec<u8>>,
        (reasons, problems): (String, usize),
    ) -> Result<S::Item, Postponed> {
        let Submission { source: from, name, sha256, .. } = submission.clone();
        let known = item.again() && self.journal.was_rejected(from, name, sha256).await?;
        let (item, given_back) = source.give_back(item, bytes, reasons, known).await?;
        self.rejected(submission, problems, &given_back).await?;
        Ok(item)
    }

    /// The good rows of a chunk, with which names to look up for them.
    fn batch<H: Handed>(&self, chunk: &Chunk, reading: &mut Reading<H>, procedures: &Procedures) -> Batch {
        let mut batch = Batch { reading: chunk.reading, rows: Vec::new(), admissions: Vec::new() };
        let Ok(parsed) = &mut reading.parsed else { return batch };
        let rules = |name: &str| {
            procedures.get(name).map(|procedure| Rules {
                country: procedure.country().to_owned(),
                time_zone: procedure.time_zone().clone(),
            })
        };
        for (place, record) in parsed.read(chunk.rows.clone(), &rules) {
            let names = procedures
                .get(&record.key.procedure)
                .map(|procedure| procedure::names_to_look_up(&record, procedure))
                .unwrap_or_default();
            batch.rows.push((place, record.key.procedure.clone()));
            batch.admissions.push(Admission {
                digest: record::content_digest(&record),
                row: u32::try_from(parsed.line(place)).unwrap_or(u32::MAX),
                names,
                live: Vec::new(),
                unit: procedures
                    .get(&record.key.procedure)
                    .and_then(|procedure| procedure::unit_to_look_up(&record, procedure))
                    .map(str::to_owned),
                signed_as: signed_as(reading.file.signer(), &record),
                not_permitted: self
                    .sources
                    .get(reading.file.source())
                    .map(|source| not_permitted(source, reading.file.signer(), &record))
                    .unwrap_or_default(),
                record: *record,
            });
        }
        batch
    }

    /// Asks every target which of the names it knows: once per target for all of them.
    async fn look_up(&self, admissions: impl Iterator<Item = &mut Admission>) -> Result<(), Postponed> {
        let mut admissions: Vec<&mut Admission> = admissions.collect();
        let mut names: Vec<String> = admissions.iter().flat_map(|admission| admission.names.iter().cloned()).collect();
        names.sort_unstable();
        names.dedup();
        if names.is_empty() {
            return Ok(());
        }
        for target in &self.targets {
            let found = target
                .find(&names)
                .await
                .map_err(|fault| Postponed::Target { target: target.name().to_owned(), cause: fault.message })?;
            let found: BTreeMap<String, Option<AccountUid>> = found.into_iter().map(|f| (f.name, f.uid)).collect();
            for admission in &mut admissions {
                let known = admission.names.iter().filter_map(|name| found.get_key_value(name));
                admission.live.extend(known.map(|(name, uid)| (name.clone(), target.name().to_owned(), *uid)));
            }
        }
        Ok(())
    }

    fn decide(&self, procedures: Arc<Procedures>) -> Arc<crate::journal::admit::Decide> {
        let site = self.site.clone();
        Arc::new(move |admission: &Admission, facts: &Facts, uid: AccountUid, now: Timestamp| {
            let record = &admission.record;
            match procedures.get(&record.key.procedure) {
                Some(procedure) => procedure::decide(record, procedure, &site, facts, uid, now),
                None => procedure::decide_unknown_procedure(record),
            }
        })
    }

    /// Rejects what can be no record at all: wrong owner, a link, a bad signature …
    ///
    /// # Errors
    /// [`Postponed`]: they are offered again.
    pub async fn reject_files(&self, files: Vec<Bad>) -> Result<(), Postponed> {
        let spool = self.spool.clone();
        let (files, kept) = blocking(move || {
            let kept = spool.reject(&files.iter().map(Bad::rejection).collect::<Vec<_>>());
            (files, kept)
        })
        .await?;
        for (file, kept) in files.iter().zip(kept?) {
            self.metrics.intake_file(&file.source, FileResult::Rejected);
            let submission = Submission {
                source: file.source.clone(),
                name: file.name.clone(),
                sha256: sha2::Sha256::digest(file.bytes.as_deref().unwrap_or_default()).into(),
                evidence: String::new(),
                bulk: false,
            };
            let given_back = GivenBack { place: kept.reason_path.display().to_string(), repeated: kept.repeated };
            self.rejected(submission, 1, &given_back).await?;
        }
        let spool = self.spool.clone();
        blocking(move || Spool::acknowledge(&spool, &files.iter().map(|file| &file.seen).collect::<Vec<_>>()))
            .await??;
        Ok(())
    }

    /// Records that something, or rows of it, could not be accepted and was given back.
    ///
    /// # Errors
    /// [`Postponed`]: it is offered again.
    pub async fn rejected(
        &self,
        submission: Submission,
        problems: usize,
        given_back: &GivenBack,
    ) -> Result<(), Postponed> {
        let source = submission.source.clone();
        if self.journal.rejected(submission, problems, given_back.repeated).await? {
            self.metrics.records_rejected(&source, problems);
            tracing::warn!(source, problems, reasons = %given_back.place, "records were rejected");
        }
        Ok(())
    }

    fn count(&self, source: &str, answer: &Admitted, procedure: &str, procedures: &Procedures) {
        match answer {
            Admitted::New { uid, state, verdict } => {
                let known = procedures.contains_key(procedure);
                self.metrics.request_judged(if known { procedure } else { "unknown" }, verdict);
                tracing::debug!(source, request = %uid, state = state.as_str(), verdict, "a request was received");
            }
            Admitted::Duplicate { state } => {
                self.metrics.duplicate(source);
                tracing::debug!(source, state = state.as_str(), "a record was handed in again and changes nothing");
            }
            Admitted::Rejected(_) => {}
        }
    }
}

fn submission<H: Handed>(reading: &Reading<H>) -> Submission {
    Submission {
        source: reading.file.source().to_owned(),
        name: reading.file.name().to_owned(),
        sha256: reading.file.sha256(),
        evidence: reading.evidence.clone(),
        bulk: reading.parsed.as_ref().is_ok_and(|parsed| parsed.count() > 1),
    }
}

/// Keeps the evidence of all files, then finds the records in each.
fn read<H: Handed>(spool: &Spool, files: Vec<H>) -> io::Result<Vec<Reading<H>>> {
    let evidence = spool.keep_evidence(&files.iter().collect::<Vec<_>>())?;
    let readings = files.into_iter().zip(evidence).map(|(mut file, evidence)| {
        let parsed = record::parse(file.name(), file.bytes());
        if parsed.as_ref().is_ok_and(|parsed| parsed.format.is_bulk()) {
            // Only its bad rows ever go back.
            file.let_go();
        }
        Reading { evidence: evidence.to_string_lossy().into_owned(), parsed, file }
    });
    Ok(readings.collect())
}

/// Runs something that waits for the disk off the async threads.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Postponed> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(crate::panics::how)
        .map_err(|error| Postponed::Internal(format!("reading files ended: {error}")))
}
