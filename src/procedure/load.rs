//! Reading a directory of procedure files: the only place in this module that touches the disk.

use super::{Procedure, Report};
use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Largest procedure file, bytes. A page of SOP takes a few kilobytes.
const MAX_BYTES: u64 = 1024 * 1024;

/// Reads every `*.toml` of a directory (not its subdirectories; names that begin with `.` are left out).
///
/// Good files are loaded even where others are bad: each bad one gives a report, and so does a directory that cannot
/// be read or holds no procedure, because "no procedures" is never what somebody meant.
pub fn load_dir(dir: &Path) -> (BTreeMap<String, Arc<Procedure>>, Vec<Report>) {
    let mut procedures = BTreeMap::new();
    let mut reports = Vec::new();
    let files = match procedure_files(dir) {
        Ok(files) => files,
        Err(error) => {
            let message = format!("the directory of procedures cannot be read: {error}");
            return (procedures, vec![Report::unreadable(&dir.display().to_string(), message)]);
        }
    };
    if files.is_empty() {
        let message = "the directory holds no procedure; copy one to NAME.toml";
        reports.push(Report::unreadable(&dir.display().to_string(), message));
    }
    for path in files {
        let shown = path.display().to_string();
        match read(&path) {
            Ok(text) => match with_holidays(&shown, &text, dir) {
                Ok(procedure) => drop(procedures.insert(procedure.name().to_owned(), Arc::new(procedure))),
                Err(report) => reports.push(report),
            },
            Err(error) => reports.push(Report::unreadable(&shown, format!("the file cannot be read: {error}"))),
        }
    }
    (procedures, reports)
}

fn with_holidays(shown: &str, text: &str, dir: &Path) -> Result<Procedure, Report> {
    let mut procedure = Procedure::parse(shown, text)?;
    procedure.read_holidays(shown, text, dir)?;
    Ok(procedure)
}

/// In the order of their names, so that reports come in the same order each time.
fn procedure_files(dir: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        let hidden = path.file_name().is_none_or(|n| n.as_encoded_bytes().starts_with(b"."));
        if !hidden && path.extension().is_some_and(|e| e == "toml") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

pub(super) fn read(path: &Path) -> io::Result<String> {
    // Looked at before opening, so that a fifo cannot hang the start.
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::other("it is not a regular file"));
    }
    let mut text = String::new();
    fs::File::open(path)?.take(MAX_BYTES + 1).read_to_string(&mut text)?;
    if text.len() as u64 > MAX_BYTES {
        return Err(io::Error::other(format!("it is larger than {MAX_BYTES} bytes")));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GENERIC: &str = include_str!("../../config/procedures/generic.toml");

    #[test]
    fn good_files_are_loaded_beside_bad_ones() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("generic.toml"), GENERIC).unwrap();
        fs::write(dir.path().join("broken.toml"), "akund = ").unwrap();
        fs::write(dir.path().join(".hidden.toml"), "akund = ").unwrap();
        fs::write(dir.path().join("notes.txt"), "akund = ").unwrap();
        let (procedures, reports) = load_dir(dir.path());
        assert_eq!(procedures.keys().collect::<Vec<_>>(), ["generic"]);
        assert_eq!(reports.len(), 1);
        assert!(reports[0].file().ends_with("broken.toml"), "{}", reports[0]);
        assert!(reports[0].to_string().contains("broken.toml:1:"), "{}", reports[0]);
    }

    #[test]
    fn holidays_are_read_beside_the_procedure_and_their_mistakes_named() {
        let dir = tempfile::tempdir().unwrap();
        let named = GENERIC.replace("# holidays = ", "holidays = ");
        fs::write(dir.path().join("generic.toml"), &named).unwrap();
        let (_, reports) = load_dir(dir.path());
        let said = reports[0].to_string();
        assert!(said.contains("holidays-id-2026.txt cannot be read") && said.contains("generic.toml:"), "{said}");
        fs::write(dir.path().join("holidays-id-2026.txt"), "2026-08-17 Hari Kemerdekaan\n17 Agustus\n").unwrap();
        let said = load_dir(dir.path()).1[0].to_string();
        assert!(said.contains("holidays-id-2026.txt:2:"), "{said}");
        let shipped = include_str!("../../config/procedures/holidays-id-2026.txt");
        fs::write(dir.path().join("holidays-id-2026.txt"), shipped).unwrap();
        let (procedures, reports) = load_dir(dir.path());
        assert!(reports.is_empty());
        let calendar = procedures["generic"].calendar();
        let of = |year: i16| calendar.holidays.keys().filter(|day| day.year() == year).count();
        assert_eq!(of(2026), 25, "17 national holidays, one of them Sunday's second, and 8 of leave");
        assert_eq!((of(2027), calendar.holidays.len()), (5, 30), "those with fixed dates");
        let lacks = |now: &str| procedures["generic"].lacks_holidays(now.parse().unwrap());
        assert_eq!(lacks("2026-11-30T23:00:00+07:00"), None);
        assert_eq!(lacks("2026-12-01T00:00:00+07:00"), Some(2027));
        assert_eq!(lacks("2028-02-01T00:00:00+07:00"), Some(2027));
        assert!(!calendar.is_working_day("2026-12-24".parse().unwrap()));
        let standard = &procedures["generic"].standards[0];
        assert!(standard.contains("2026-12-24"), "they are kept with each request");
    }

    #[test]
    fn a_directory_that_is_not_there_or_holds_nothing_is_a_report() {
        let dir = tempfile::tempdir().unwrap();
        let (procedures, reports) = load_dir(dir.path());
        assert!(procedures.is_empty());
        assert!(reports[0].to_string().contains("holds no procedure"), "{}", reports[0]);
        let (_, reports) = load_dir(&dir.path().join("nowhere"));
        assert!(reports[0].to_string().contains("cannot be read"), "{}", reports[0]);
    }

    #[test]
    fn what_is_no_text_file_is_a_report_and_hangs_nothing() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("dir.toml")).unwrap();
        fs::write(dir.path().join("binary.toml"), [0xff, 0xfe, 0x00]).unwrap();
        fs::write(dir.path().join("huge.toml"), vec![b'#'; MAX_BYTES as usize + 1]).unwrap();
        nix::unistd::mkfifo(&dir.path().join("fifo.toml"), nix::sys::stat::Mode::S_IRWXU).unwrap();
        std::os::unix::fs::symlink("gone", dir.path().join("dangling.toml")).unwrap();
        let (procedures, reports) = load_dir(dir.path());
        assert!(procedures.is_empty());
        let said: Vec<String> = reports.iter().flat_map(Report::lines).collect();
        assert_eq!(said.len(), 5, "{said:#?}");
        for (line, expected) in
            said.iter().zip(["UTF-8", "No such file", "not a regular", "not a regular", "larger than"])
        {
            assert!(line.contains(expected), "{expected} in {line}");
        }
    }

    #[test]
    fn the_shipped_directory_loads_without_a_finding() {
        let (procedures, reports) = load_dir(&Path::new(env!("CARGO_MANIFEST_DIR")).join("config/procedures"));
        assert!(reports.is_empty(), "{}", reports.iter().map(ToString::to_string).collect::<String>());
        assert!(procedures.contains_key("generic"));
    }
}
