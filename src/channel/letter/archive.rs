//! The zip archive of a Word file (ECMA-376 part 2), read with bounds: whatever it claims, it takes no more memory than these.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::{Cursor, Read, Write};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipArchive, ZipWriter};

/// Largest archive, bytes.
pub const LARGEST: usize = 10 * 1024 * 1024;
/// Most files in it. A letter has about 15.
const MOST_ENTRIES: usize = 500;
/// Most bytes of all its files together, unpacked.
const MOST_UNPACKED: u64 = 48 * 1024 * 1024;
/// Most bytes of one XML part, unpacked.
const MOST_OF_PART: usize = 8 * 1024 * 1024;

/// Every file of an archive, by name, unpacked.
pub(super) type Entries = BTreeMap<String, Vec<u8>>;

/// Unpacks an archive. The error is a sentence about the file, without its name.
pub(super) fn unpack(bytes: &[u8]) -> Result<Entries, String> {
    if bytes.len() > LARGEST {
        return Err(format!("it has {} bytes, and at most {LARGEST} are taken", bytes.len()));
    }
    if bytes.starts_with(&[0xd0, 0xcf, 0x11, 0xe0]) {
        return Err("it is an old .doc or is protected with a password; save it as .docx without one".into());
    }
    let mut archive = ZipArchive::new(Cursor::new(bytes)).map_err(|error| not_an_archive(&error))?;
    if archive.len() > MOST_ENTRIES {
        return Err(format!("it holds {} files, and at most {MOST_ENTRIES} are taken", archive.len()));
    }
    if archive.has_duplicate_names() || archive.has_overlapping_entries().map_err(|error| not_an_archive(&error))? {
        return Err("two files in it have the same name or the same place".into());
    }
    let mut entries = Entries::new();
    let mut left = MOST_UNPACKED;
    for number in 0..archive.len() {
        let file = archive.by_index_raw(number).map_err(|error| not_an_archive(&error))?;
        let name = file.name().map_err(|error| not_an_archive(&error))?.into_owned();
        fit(&name, file.is_symlink(), file.encrypted(), file.compression())?;
        let is_dir = file.is_dir();
        drop(file);
        if is_dir {
            continue;
        }
        let file = archive.by_index(number).map_err(|error| format!("`{name}` in it cannot be unpacked: {error}"))?;
        let mut content = Vec::new();
        // One byte more than there may be shows that there is more.
        let read = file.take(left + 1).read_to_end(&mut content);
        let read = read.map_err(|error| format!("`{name}` in it cannot be unpacked: {error}"))? as u64;
        left = left.checked_sub(read).ok_or_else(|| {
            format!("its files have more than {MOST_UNPACKED} bytes unpacked; are there large pictures in it?")
        })?;
        entries.insert(name, content);
    }
    Ok(entries)
}

fn not_an_archive(error: &zip::result::ZipError) -> String {
    format!("it is no .docx: {error}")
}

fn fit(name: &str, link: bool, encrypted: bool, compression: CompressionMethod) -> Result<(), String> {
    let shown: Cow<'_, str> = name.chars().take(100).collect::<String>().escape_debug().to_string().into();
    let odd = |part: &str| part == ".." || part == ".";
    if name.is_empty() || name.starts_with('/') || name.contains(['\\', '\0', ':']) || name.split('/').any(odd) {
        return Err(format!("the name `{shown}` in it is none that a .docx has"));
    }
    if link {
        return Err(format!("`{shown}` in it is a link"));
    }
    if encrypted {
        return Err(format!("`{shown}` in it is encrypted; save the file without a password"));
    }
    if !matches!(compression, CompressionMethod::Stored | CompressionMethod::Deflated) {
        return Err(format!("`{shown}` in it is packed in a way that no .docx is ({compression})"));
    }
    Ok(())
}

/// A part as text. The error is a sentence without the part's name.
pub(super) fn text(bytes: &[u8]) -> Result<&str, String> {
    if bytes.len() > MOST_OF_PART {
        return Err(format!("it has {} bytes, and at most {MOST_OF_PART} are taken", bytes.len()));
    }
    // A zero byte is in no XML, but in every UTF-16.
    let text = std::str::from_utf8(bytes).ok().filter(|text| !text.contains('\0')).ok_or("it is not UTF-8")?;
    Ok(text.strip_prefix('\u{feff}').unwrap_or(text))
}

/// The archive with some of its files replaced; all others, their order and their dates stay. The same input gives the same bytes.
///
/// `original` has been through [`unpack`]. The error is a sentence.
pub(super) fn replace(original: &[u8], replaced: &BTreeMap<&str, String>) -> Result<Vec<u8>, String> {
    let cannot = |error: zip::result::ZipError| format!("the filled letter cannot be packed: {error}");
    let mut archive = ZipArchive::new(Cursor::new(original)).map_err(cannot)?;
    let mut writer = ZipWriter::new(Cursor::new(Vec::with_capacity(original.len() + original.len() / 4)));
    for number in 0..archive.len() {
        let file = archive.by_index_raw(number).map_err(cannot)?;
        let name = file.name().map_err(cannot)?.into_owned();
        match replaced.get(name.as_str()) {
            None => writer.raw_copy_file(file).map_err(cannot)?,
            Some(text) => {
                let made = file.last_modified().filter(DateTime::is_valid).unwrap_or(DateTime::DEFAULT);
                let options = SimpleFileOptions::default()
                    .compression_method(CompressionMethod::Deflated)
                    .last_modified_time(made);
                writer.start_file(name, options).map_err(cannot)?;
                writer
                    .write_all(text.as_bytes())
                    .map_err(|error| format!("the filled letter cannot be packed: {error}"))?;
            }
        }
    }
    Ok(writer.finish().map_err(cannot)?.into_inner())
}
