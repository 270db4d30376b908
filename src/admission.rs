//! Admission: from dropped files and messages to journaled requests. A file is acknowledged (unlinked), and a message too, only
//! after its evidence is safe and the journal has committed what became of every record in it. Below, a message is a file, too.
//!
//! A crash anywhere in between leaves the file where it was dropped: it is read again, its evidence is already there
//! under the same name, and the records that were admitted are duplicates.

use crate::config::SourceConfig;
use crate::intake::record::{self, Parsed, Problems, Rules};
use crate::intake::signature::VerifiedSigner;
use crate::intake::spool::{Bad, Spool};
use crate::intake::{GivenBack, Handed, Source};
use crate::journal::{Admission, Admitted, Journal, JournalError, Submission};
use crate::model::{AccountUid, Action, Facts, Record, RequestUid};
use crate::observe::metrics::{FileResult, Metrics};
use crate::procedure::{self, Procedure, Site};
use crate::target::Target;
use futures_util::future::join_all;
use jiff::Timestamp;
use sha2::Digest;
use std::collections::BTreeMap;
use std::io;
use std::ops::Range;
use std::sync::{Arc, PoisonError, RwLock};
use tokio_util::sync::CancellationToken;

/// The procedures in force; a reload puts new ones in their place.
pub type SharedProcedures = Arc<RwLock<Arc<Procedures>>>;

/// By name.
pub type Procedures = BTreeMap<String, Arc<Procedure>>;

/// Most records judged in one operation of the journal, so that a bulk file does not keep others waiting for the writer.
const CHUNK: usize = 128;
/// Records looked up and handed to the journal at once.
const WINDOW: usize = 512;
/// Text that is read into records at once, bytes: a record takes some times the memory of its text.
const WINDOW_BYTES: usize = 1 << 20;

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

/// Some rows of one file: what one operation of the journal admits.
struct Chunk {
    reading: usize,
    rows: Range<usize>,
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
                .map_err(|fault| Postponed::Target { target: target.name().to_owned(), cause: fault.to_string() })?;
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

/// What became of records that came together: one line for each source, however many there are.
#[derive(Default)]
struct Received(BTreeMap<String, Counted>);

#[derive(Default)]
struct Counted {
    states: BTreeMap<&'static str, usize>,
    again: usize,
    last: Option<RequestUid>,
}

impl Received {
    fn note(&mut self, source: &str, answer: &Admitted) {
        let counted = match self.0.get_mut(source) {
            Some(counted) => counted,
            None => self.0.entry(source.to_owned()).or_default(),
        };
        match answer {
            Admitted::New { uid, state, .. } => {
                *counted.states.entry(state.as_str()).or_default() += 1;
                counted.last = Some(*uid);
            }
            Admitted::Duplicate { .. } => counted.again += 1,
            Admitted::Rejected(_) => {}
        }
    }

    fn tell(&mut self) {
        for (source, Counted { states, again, last }) in std::mem::take(&mut self.0) {
            let requests: usize = states.values().sum();
            let states: Vec<String> = states.into_iter().map(|(state, count)| format!("{count} {state}")).collect();
            let states = states.join(", ");
            match (requests, last) {
                (1, Some(request)) => tracing::info!(source, %request, states, again, "a request was received"),
                (0, _) if again > 0 => tracing::info!(source, again, "records were handed in again and change nothing"),
                (0, _) => {}
                _ => tracing::info!(source, requests, states, again, "requests were received"),
            }
        }
    }
}

/// Cuts the files into chunks, and groups those into windows of about [`WINDOW`] records and [`WINDOW_BYTES`]. Pure.
fn windows<H>(readings: &[Reading<H>]) -> Vec<Vec<Chunk>> {
    let mut windows: Vec<Vec<Chunk>> = Vec::new();
    let (mut records, mut bytes) = (WINDOW, 0);
    for (reading, one) in readings.iter().enumerate() {
        let Ok(parsed) = &one.parsed else { continue };
        for rows in chunks(parsed.count(), |place| parsed.size(place)) {
            if records >= WINDOW || bytes >= WINDOW_BYTES {
                windows.push(Vec::new());
                (records, bytes) = (0, 0);
            }
            records += rows.len();
            bytes += rows.clone().map(|place| parsed.size(place)).sum::<usize>();
            if let Some(window) = windows.last_mut() {
                window.push(Chunk { reading, rows });
            }
        }
    }
    windows
}

/// Cuts rows into runs of at most [`CHUNK`] that end with the first row beyond [`WINDOW_BYTES`]. Pure.
fn chunks(rows: usize, size: impl Fn(usize) -> usize) -> Vec<Range<usize>> {
    let (mut chunks, mut start, mut bytes) = (Vec::new(), 0, 0);
    for place in 0..rows {
        bytes += size(place);
        let end = place + 1;
        if end - start == CHUNK || bytes >= WINDOW_BYTES || end == rows {
            chunks.push(start..end);
            (start, bytes) = (end, 0);
        }
    }
    chunks
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

/// The approving roles of a record that the key which signed its file holds. Pure.
pub fn signed_as(signer: Option<&VerifiedSigner>, record: &Record) -> Vec<String> {
    let Some(signer) = signer else { return Vec::new() };
    let mut roles: Vec<String> = record.approvals.iter().map(|approval| approval.role.clone()).collect();
    roles.sort_unstable();
    roles.dedup();
    roles.retain(|role| signer.holds(role, &record.key.procedure));
    roles
}

/// What a source may not ask for with such a signature, a sentence each; empty: it may. Pure.
pub fn not_permitted(source: &SourceConfig, signer: Option<&VerifiedSigner>, record: &Record) -> Vec<String> {
    let mut reasons = rights(source, record);
    if let Some(signer) = signer {
        let roles: Vec<&str> = record.approvals.iter().map(|approval| approval.role.as_str()).collect();
        if !roles.iter().any(|role| signer.holds(role, &record.key.procedure)) {
            reasons.push(format!(
                "it is signed by key {}, which may not sign as {}",
                signer.key_fingerprint,
                if roles.is_empty() { "anybody: the record names no approval".to_owned() } else { roles.join(" or ") }
            ));
        }
    }
    reasons
}

/// What a source may not ask for. Pure.
fn rights(source: &SourceConfig, record: &Record) -> Vec<String> {
    let mut reasons = Vec::new();
    let allowed = |list: &[String], value: &str| list.is_empty() || list.iter().any(|one| one == value);
    if !allowed(&source.procedures, &record.key.procedure) {
        reasons.push(format!("source {} may not use the procedure {}", source.name, record.key.procedure));
    }
    if !allowed(&source.categories, &record.applicant.category) {
        reasons.push(format!("source {} may not ask for the category {}", source.name, record.applicant.category));
    }
    let may_act = match source.actions.as_slice() {
        [] => record.action == Action::Create,
        some => some.contains(&record.action),
    };
    if !may_act {
        reasons.push(format!("source {} may not ask for {}", source.name, record.action.as_str()));
    }
    reasons
}

/// Runs something that waits for the disk off the async threads.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Postponed> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(crate::panics::how)
        .map_err(|error| Postponed::Internal(format!("reading files ended: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Person, RequestKey};

    fn source() -> SourceConfig {
        SourceConfig {
            name: "siakad".into(),
            procedures: vec!["p".into()],
            categories: vec!["student".into()],
            ..SourceConfig::default()
        }
    }

    fn record(procedure: &str, category: &str, action: Action) -> Record {
        Record {
            key: RequestKey { procedure: procedure.into(), id: "1".into(), revision: 1 },
            action,
            applicant: Person { category: category.into(), ..Person::default() },
            responsible: None,
            account: crate::model::request::WantedAccount::default(),
            change: None,
            documents: Vec::new(),
            approvals: Vec::new(),
        }
    }

    #[test]
    fn chunks_cover_every_row_once_and_are_bounded_in_rows_and_bytes() {
        for sizes in [vec![100; 1000], vec![WINDOW_BYTES; 3], vec![WINDOW_BYTES / 3; 7], vec![1], vec![]] {
            let chunks = chunks(sizes.len(), |place| sizes[place]);
            let rows: Vec<usize> = chunks.iter().cloned().flatten().collect();
            assert_eq!(rows, (0..sizes.len()).collect::<Vec<_>>());
            for chunk in chunks {
                let all_but_last = chunk.start..chunk.end - 1;
                assert!(chunk.len() <= CHUNK && all_but_last.map(|p| sizes[p]).sum::<usize>() < WINDOW_BYTES);
            }
        }
    }

    #[test]
    fn a_source_may_ask_only_for_what_the_configuration_lists() {
        assert_eq!(rights(&source(), &record("p", "student", Action::Create)), Vec::<String>::new());
        assert_eq!(rights(&source(), &record("q", "unit", Action::Remove)).len(), 3);
    }
}
