//! The demo's configuration and its sample requests. Written once, so that a second run hands in the very same files.

use super::five::{SHOWN, Shown, dated};
use super::{Exit, Failure, write_once};
use crate::intake::record;
use crate::journal::read::Listed;
use jiff::{Timestamp, ToSpan, tz::TimeZone};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// `DIR/akund.toml`
pub const CONFIG: &str = r#"# Made by `akund demo`. Paths are relative to this file.
akund = 1

[journal]
path = "state/journal.db"

[spool]
path = "spool"

[procedures]
path = "procedures"

[templates]
path = "templates"

[http]
listen = "127.0.0.1:9380"       # where that port is taken, `akund demo` writes a free one here

[control]
socket = "run/control.sock"

[target.mail]                   # Postfix and Dovecot read this database as it stands
kind = "mail-maps"
database = "targets/mail/mail.db"
mode = "0644"                   # for trying only: a real one is readable by the mail servers' group alone

[target.radius]                 # FreeRADIUS reads this one
kind = "radius"
database = "targets/radius/radius.db"
mode = "0644"

[channel.email]                 # a directory of messages, in place of a mail server
kind = "outbox"
path = "outbox"
from = "Helpdesk TIK <helpdesk@example.ac.id>"

[channel.sms]                   # the same in place of an SMS gateway
kind = "outbox"
carries = "sms"
path = "outbox-sms"

[[source]]                      # what an academic system hands in: spool/incoming/siakad
name = "siakad"
procedures = ["uin-malang-email", "uin-malang-hotspot"]
categories = ["student"]
"#;

/// The procedure that ships with akund.
const PROCEDURE: &str = include_str!("../../../config/procedures/generic.toml");

/// Rows of the bulk file; one of them is bad.
const STUDENTS: usize = 200;

/// One sample: a file, or the files that show one procedure.
pub struct Sample {
    /// Its name below `samples/`.
    pub name: String,
    /// What it shows.
    pub about: &'static str,
    /// In the order in which they are handed in.
    pub files: Vec<SampleFile>,
    /// How many requests it becomes.
    pub requests: usize,
    /// Its requests, `PROCEDURE:ID@REVISION`.
    keys: BTreeSet<String>,
    /// A signed letter to try with, where one of its requests waits for one.
    pub letter: Option<PathBuf>,
    /// How many requests should end in which state; `rejected` where something of it is.
    pub expected: BTreeMap<String, usize>,
}

/// One file of a sample.
pub struct SampleFile {
    /// Where it lies, to be handed in.
    pub path: PathBuf,
    /// Its name in the spool, with its source's directory.
    pub dropped: String,
    /// Its requests, `PROCEDURE:ID@REVISION`.
    keys: Vec<String>,
}

impl SampleFile {
    fn new(path: PathBuf, dropped: String) -> Result<Self, Failure> {
        let keys = keys(&path, &dropped)?;
        Ok(Self { path, dropped, keys })
    }

    /// Whether it holds a higher revision of a request that still has something to do: to tell the applicant what is wrong. What
    /// is not told by then akund tells no more.
    pub fn is_early(&self, listed: &[Listed]) -> bool {
        let told = |one: &Listed| one.step.is_none() || self.keys.contains(&one.request);
        let open: BTreeSet<_> =
            listed.iter().filter(|one| !told(one)).filter_map(|one| without_revision(&one.request)).collect();
        self.keys.iter().filter_map(|key| without_revision(key)).any(|id| open.contains(id))
    }
}

fn without_revision(request: &str) -> Option<&str> {
    request.rsplit_once('@').map(|(id, _)| id)
}

impl Sample {
    /// Whether what became of its requests is what should; whoever tries it may have let those go that wait.
    pub fn is_good(&self, found: &BTreeMap<String, usize>) -> bool {
        let mut gone_on = self.expected.clone();
        if let Some(waited) = gone_on.remove("waiting") {
            *gone_on.entry("done".to_owned()).or_default() += waited;
        }
        *found == self.expected || *found == gone_on
    }

    /// Whether a request (`PROCEDURE:ID@REVISION`) came from this sample.
    pub fn owns(&self, request: &str) -> bool {
        self.keys.contains(request)
    }

    /// How many of its requests stand in which state. One that was held, and that whoever tries it has corrected by a higher
    /// revision, counts as held: nothing else ended it.
    pub fn found(&self, listed: &[Listed]) -> BTreeMap<String, usize> {
        let others: BTreeSet<_> = listed
            .iter()
            .filter(|one| !self.owns(&one.request))
            .filter_map(|one| without_revision(&one.request))
            .collect();
        let mut counts = BTreeMap::new();
        for one in listed.iter().filter(|one| self.owns(&one.request)) {
            let corrected =
                one.state == "withdrawn" && without_revision(&one.request).is_some_and(|id| others.contains(id));
            let state = if corrected { "held" } else { &one.state };
            *counts.entry(state.to_owned()).or_default() += 1;
        }
        counts
    }
}

/// The requests of a file, `PROCEDURE:ID@REVISION`; of one that cannot be read, none.
fn keys(path: &Path, dropped: &str) -> Result<Vec<String>, Failure> {
    let bytes = std::fs::read(path)?;
    let Ok(mut parsed) = record::parse(dropped, &bytes) else { return Ok(Vec::new()) };
    let records = parsed.read(0..parsed.count(), &|_| None);
    Ok(records.into_iter().map(|(_, record)| record.key.to_string()).collect())
}

fn all_keys(files: &[SampleFile]) -> BTreeSet<String> {
    files.iter().flat_map(|file| file.keys.iter().cloned()).collect()
}

/// Writes what the demo needs into the directory.
pub fn prepare(dir: &Path) -> Result<Vec<Sample>, Failure> {
    for part in ["state", "procedures", "templates", "run", "samples", "targets/mail", "targets/radius"] {
        std::fs::create_dir_all(dir.join(part))
            .map_err(|error| Failure::new(Exit::InputOutput, format!("{}: {error}", dir.join(part).display())))?;
    }
    write_once(&dir.join("procedures/generic.toml"), PROCEDURE.as_bytes())?;
    let now = Timestamp::now();
    let approved_at = now
        .checked_sub(24.hours())
        .map_err(|error| Failure::new(Exit::InputOutput, error.to_string()))?
        .to_zoned(TimeZone::UTC);
    let at = approved_at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    let day = approved_at.strftime("%Y-%m-%d").to_string();
    let good = unit("DEMO/1/2026", "Biro Humas", "humas", &at, &day);
    let samples = [
        ("1-good.toml", "a work unit's address, approved", good, 1, "done", false),
        (
            "2-conflict.toml",
            "another unit wants the same address",
            unit("DEMO/2/2026", "Biro Hukum", "humas", &at, &day),
            1,
            "conflicted",
            false,
        ),
        ("3-refused.toml", "the head has refused", refused(&at), 1, "refused", false),
        ("4-malformed.toml", "a file with mistakes", malformed(&at), 0, "", true),
        ("5-form.toml", "a unit that has sent no form", formless(&at, &day), 1, "held", false),
        ("6-students.csv", "200 students from a spreadsheet, one row bad", bulk(&at), STUDENTS - 1, "done", true),
    ];
    let generic = samples.into_iter().map(|(name, about, text, requests, state, rejected)| {
        let path = dir.join("samples").join(name);
        write_once(&path, text.as_bytes())?;
        let mut expected = BTreeMap::new();
        if requests > 0 {
            expected.insert(state.to_owned(), requests);
        }
        if rejected {
            expected.insert("rejected".to_owned(), 1);
        }
        let files = vec![SampleFile::new(path, name.to_owned())?];
        Ok(Sample { name: name.to_owned(), about, keys: all_keys(&files), files, requests, letter: None, expected })
    });
    generic.chain(SHOWN.iter().map(|shown| procedure(dir, shown, now))).collect()
}

/// Writes a procedure that ships with akund, and the requests that show it.
fn procedure(dir: &Path, shown: &Shown, now: Timestamp) -> Result<Sample, Failure> {
    let name = shown.procedure;
    write_once(&dir.join(format!("procedures/{name}.toml")), shown.text.as_bytes())?;
    let samples = dir.join("samples").join(name);
    std::fs::create_dir_all(&samples)
        .map_err(|error| Failure::new(Exit::InputOutput, format!("{}: {error}", samples.display())))?;
    let mut files = Vec::with_capacity(shown.requests.len());
    for request in shown.requests {
        let path = samples.join(request.name);
        write_once(&path, dated(request.text, now).as_bytes())?;
        let source = request.source.map_or(String::new(), |source| format!("{source}/"));
        files.push(SampleFile::new(path, format!("{source}{name}-{}", request.name))?);
    }
    let letter = shown.letter.map(|_| samples.join("surat.pdf"));
    if let (Some(path), Some(bytes)) = (&letter, shown.letter) {
        write_once(path, bytes)?;
    }
    Ok(Sample {
        name: name.to_owned(),
        about: shown.about,
        keys: all_keys(&files),
        files,
        requests: shown.expected.iter().map(|(_, requests)| requests).sum(),
        letter,
        expected: shown.expected.iter().map(|(state, requests)| ((*state).to_owned(), *requests)).collect(),
    })
}

fn unit(id: &str, name: &str, address: &str, at: &str, day: &str) -> String {
    format!(
        r#"akund = 1
id = "{id}"
procedure = "generic"

[applicant]
name = "{name}"
category = "unit"
unit = "{name}"
email = "{address}.pribadi@example.org"
phone = "0812-3456-7890"

[responsible]
name = "Siti Aminah"
identifier = "198501012015042001"
email = "siti.aminah@example.org"
phone = "0813 1234 5678"

[account]
address = "{address}@example.ac.id"

[[document]]
kind = "form"
date = {day}
signed_by = "Kepala {name}"

[[document]]
kind = "letter"
number = "B-12/Un.03/2026"
date = {day}
signed_by = "Kepala {name}"

[[approval]]
role = "head"
by = "Kepala Pusat TIK"
decision = "approved"
at = {at}
"#
    )
}

fn refused(at: &str) -> String {
    format!(
        r#"akund = 1
id = "DEMO/3/2026"
procedure = "generic"

[applicant]
name = "Suparman"
category = "staff"
identifier = "197003031995031003"
unit = "Biro Umum"
email = "suparman@example.org"

[[approval]]
role = "head"
by = "Kepala Pusat TIK"
decision = "refused"
reason = "Pegawai sudah purnatugas."
at = {at}
"#
    )
}

fn malformed(at: &str) -> String {
    format!(
        r#"akund = 1
id = "DEMO/4/2026"
procedure = "generic"

[aplicant]
name = "Budi"

[applicant]
name = "Budi Santoso"
category = "staff"
identifier = "197003031995031003"
email = "budi.santoso(at)example.org"
phone = "12"

[[approval]]
role = "head"
by = "Kepala Pusat TIK"
decision = "aproved"
at = {at}
"#
    )
}

/// A unit's request before it has filled in the form.
fn formless(at: &str, day: &str) -> String {
    let whole = unit("DEMO/5/2026", "Biro Hukum", "hukum", at, day);
    match (whole.find("[[document]]\nkind = \"form\""), whole.find("[[document]]\nkind = \"letter\"")) {
        (Some(form), Some(letter)) => format!("{}{}", &whole[..form], &whole[letter..]),
        _ => whole,
    }
}

/// As a spreadsheet saves it: byte order mark, semicolons, CRLF.
fn bulk(at: &str) -> String {
    const GIVEN: [&str; 10] = ["Adi", "Budi", "Citra", "Dewi", "Eko", "Fitri", "Gilang", "Hana", "Indra", "Joko"];
    const FAMILY: [&str; 10] =
        ["Santoso", "Wijaya", "Lestari", "Saputra", "Rahayu", "Hidayat", "Kusuma", "Nugroho", "Permata", "Siregar"];
    let mut text = String::from(
        "\u{feff}akund;id;procedure;applicant.name;applicant.category;applicant.identifier;applicant.unit;applicant.email;\
         applicant.phone;approval.1.role;approval.1.by;approval.1.decision;approval.1.at\r\n",
    );
    for number in 0..STUDENTS {
        let name = format!("{} {}", GIVEN[number % 10], FAMILY[number / 10 % 10]);
        // What a spreadsheet makes of a long number when its column is not text.
        let phone = if number == 77 { "6,28123E+12".to_owned() } else { format!("0812{number:08}") };
        let _ = write!(
            text,
            "1;MHS-2026-{number:03};generic;{name};student;26{number:08};Fakultas Teknik;mhs{number}@example.org;{phone};\
             head;Kepala Pusat TIK;approved;{at}\r\n"
        );
    }
    text
}
