//! What a signed letter may be: a PDF, or a Word file.

use super::archive;

/// Largest signed letter, bytes.
pub const LARGEST: usize = archive::LARGEST;

/// What kind of file a letter is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// ISO 32000.
    Pdf,
    /// ECMA-376.
    Docx,
}

impl Kind {
    /// Looks at the bytes, never at a name.
    ///
    /// # Errors
    /// A sentence about the file, without its name.
    pub fn of(bytes: &[u8]) -> Result<Self, String> {
        if bytes.len() > LARGEST {
            return Err(format!("it has {} bytes, and at most {LARGEST} are taken", bytes.len()));
        }
        // ISO 32000-1 §7.5.2.
        if bytes.starts_with(b"%PDF-") {
            return Ok(Self::Pdf);
        }
        if bytes.starts_with(b"PK\x03\x04") {
            return super::content_types(&archive::unpack(bytes)?).map(|_| Self::Docx);
        }
        Err("it is neither a PDF nor a Word file (.docx)".into())
    }

    /// The ending of its name.
    pub fn extension(self) -> &'static str {
        match self {
            Self::Pdf => "pdf",
            Self::Docx => "docx",
        }
    }

    /// The media type with which it is attached.
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Pdf => "application/pdf",
            Self::Docx => super::MEDIA_TYPE,
        }
    }

    /// By the ending of a name that akund gave.
    pub fn of_name(name: &str) -> Option<Self> {
        [Self::Pdf, Self::Docx].into_iter().find(|kind| name.ends_with(&format!(".{}", kind.extension())))
    }
}
