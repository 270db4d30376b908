//! A site with the shipped procedure that has a letter, its requests, and its mail taken apart.

use crate::daemon::{Setup, Site, files_under};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};
use std::path::{Path, PathBuf};
use std::process::Command;

const PROCEDURE: &str = include_str!("../../config/procedures/lumajang-email.toml");
/// Smallest that every reader of PDF takes for one; akund looks at the beginning.
pub const PDF: &[u8] = b"%PDF-1.4\n1 0 obj<</Type/Catalog>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF\n";

/// A site on which notices go to the outbox.
pub fn site() -> Site {
    with(Setup::default())
}

pub fn with(setup: Setup) -> Site {
    let site = Site::with(setup);
    std::fs::write(site.path("procedures/lumajang-email.toml"), PROCEDURE).unwrap();
    std::fs::write(site.path("signed.pdf"), PDF).unwrap();
    site
}

/// A request that is granted: LOCAL@lumajangkab.go.id.
pub fn request(id: &str, local: &str) -> String {
    let at =
        |hours: i64| (Timestamp::now() - SignedDuration::from_hours(hours)).strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    let day = (Timestamp::now() - SignedDuration::from_hours(96)).strftime("%Y-%m-%d").to_string();
    let mut text = format!(
        "akund = 1\nid = {id:?}\nprocedure = \"lumajang-email\"\n[applicant]\nname = \"Dinas <Perhubungan> & Co\"\n\
         category = \"office\"\nunit = \"Dinas Perhubungan\"\nemail = \"dishub@lama.example\"\n[responsible]\n\
         name = \"Siti Aminah\"\nidentifier = \"198501012015042001\"\nemail = \"siti@lama.example\"\nphone = \"0813-2222-7810\"\n[account]\n\
         address = \"{local}@lumajangkab.go.id\"\n[[document]]\nkind = \"letter\"\nnumber = \"005/77.2/2026\"\ndate = {day}\n\
         register = \"SM-881\"\nsigned_by = \"Kepala Dishub\"\n"
    );
    for (hours, role) in [(72, "head"), (60, "kabid"), (48, "kasi")] {
        text.push_str(&format!(
            "[[approval]]\nrole = {role:?}\nby = \"Pejabat {role}\"\ndecision = \"approved\"\nat = {}\n",
            at(hours)
        ));
    }
    text
}

pub fn key(id: &str) -> String {
    format!("lumajang-email:{id}@1")
}

/// Today, as the procedure counts days.
pub fn today() -> Date {
    Timestamp::now().in_tz("Asia/Jakarta").unwrap().date()
}

/// `akund release` with a signed letter: exit code, and what was printed.
pub fn release(site: &Site, id: &str, letter: &str, number: &str, role: &str, on: Date) -> (i32, String) {
    let (letter, on) = (site.path(letter).display().to_string(), on.to_string());
    let options = [
        "--letter",
        &letter,
        "--number",
        number,
        "--signed-by",
        role,
        "--signed-on",
        &on,
        "--reason",
        "tanda tangan basah",
    ];
    site.told(&[&["release", id], options.as_slice()].concat())
}

/// Whether a request is in a state; no, while the journal is still being made.
pub fn stands(site: &Site, id: &str, state: &str) -> bool {
    let Ok(reader) = akund::journal::read::Reader::open(&site.journal) else { return false };
    reader.list(&[], usize::MAX).unwrap().iter().any(|one| one.request == key(id) && one.state == state)
}

pub fn until(site: &Site, id: &str, state: &str) {
    site.until(&format!("{id} is {state}"), || stands(site, id, state));
}

/// The outcome document of a request, once it says this state.
pub fn outcome(site: &Site, id: &str, state: &str) -> serde_json::Value {
    let mut found = None;
    site.until(&format!("the outcome of {id} says {state}"), || {
        let of = |(path, document): (PathBuf, serde_json::Value)| {
            (path.to_string_lossy().contains(&format!("{id}@1")) && document["state"] == state).then_some(document)
        };
        found = site.outcomes().into_iter().find_map(of);
        found.is_some()
    });
    found.unwrap()
}

/// A message, taken apart.
#[derive(Debug, Clone)]
pub struct Mail {
    pub message_id: String,
    pub subject: String,
    /// Headers and bodies as they came, quoted-printable undone.
    pub text: String,
    /// Name and content.
    pub files: Vec<(String, Vec<u8>)>,
}

impl Mail {
    pub fn parse(message: &str) -> Self {
        let header = |name: &str| {
            let unfolded = message.replace("\r\n ", " ");
            unfolded.lines().find_map(|l| l.strip_prefix(&format!("{name}: "))).unwrap().trim().to_owned()
        };
        let mut files = Vec::new();
        for part in message.split("Content-Disposition: attachment;").skip(1) {
            let (head, body) = part.split_once("\r\n\r\n").unwrap();
            assert!(head.contains("base64"), "{head}");
            // A long name comes in pieces (RFC 2231 §3), a line each.
            let disposition =
                head.split("\r\n").enumerate().take_while(|(n, line)| *n == 0 || line.starts_with([' ', '\t']));
            let name: String = disposition.filter_map(|(_, line)| line.split('"').nth(1)).collect();
            let encoded: String = body.split("\r\n--").next().unwrap().split_whitespace().collect();
            files.push((name, STANDARD.decode(encoded).unwrap()));
        }
        let text = message.replace("=\r\n", "").replace("=20", " ");
        Self { message_id: header("Message-ID"), subject: header("Subject"), text, files }
    }

    pub fn password(&self) -> Option<&str> {
        let line = self.text.lines().find_map(|line| line.strip_prefix("Kata sandi awal: "))?;
        Some(line.trim())
    }
}

/// What lies in the outbox, in the order of the plan.
pub fn outbox(site: &Site) -> Vec<Mail> {
    let read = |path: PathBuf| Mail::parse(&std::fs::read_to_string(path).unwrap());
    let mut mails: Vec<Mail> = files_under(&site.path("outbox")).into_iter().map(read).collect();
    let place = |mail: &Mail| {
        let (uid, rest) = mail.message_id.split_once('.').unwrap();
        (uid.to_owned(), rest.split_once('@').unwrap().0.parse::<u32>().unwrap())
    };
    mails.sort_by_key(place);
    mails
}

/// What LibreOffice reads in a Word file or PDF that it made of it.
pub fn read_by_libreoffice(name: &str, bytes: &[u8]) -> String {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join(name), bytes).unwrap();
    let convert = |to: &str, file: &str| {
        let output = Command::new("soffice")
            .arg(format!("-env:UserInstallation=file://{}/profile", dir.path().display()))
            .args(["--headless", "--convert-to", to, "--outdir"])
            .arg(dir.path())
            .arg(dir.path().join(file))
            .env("HOME", dir.path())
            .output()
            .expect("soffice (package libreoffice-writer-nogui) must be installed");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    };
    convert("txt:Text (encoded):UTF8", name);
    convert("pdf", name);
    let made = |extension: &str| dir.path().join(Path::new(name).with_extension(extension));
    assert!(std::fs::read(made("pdf")).unwrap().starts_with(b"%PDF-"));
    std::fs::read_to_string(made("txt")).unwrap()
}

/// A Word file with the text of one part edited.
pub fn edited(docx: &[u8], part: &str, edit: impl Fn(&str) -> String) -> Vec<u8> {
    use std::io::{Cursor, Read, Write};
    let mut archive = zip::ZipArchive::new(Cursor::new(docx)).unwrap();
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for number in 0..archive.len() {
        let mut file = archive.by_index(number).unwrap();
        let name = file.name().unwrap().into_owned();
        let mut content = Vec::new();
        file.read_to_end(&mut content).unwrap();
        if name == part {
            let text = String::from_utf8(content).unwrap();
            content = edit(&text).into_bytes();
            assert_ne!(content, text.into_bytes());
        }
        writer.start_file(name, zip::write::SimpleFileOptions::default()).unwrap();
        writer.write_all(&content).unwrap();
    }
    writer.finish().unwrap().into_inner()
}
