//! The columns of the register, in the order in which they are written.

use super::values::{day, list, time};
use crate::model::entry::Entry;
use crate::procedure::Language;
use jiff::tz::TimeZone;

/// A column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Column {
    /// Mail address.
    Address,
    /// User name.
    Username,
    /// Further addresses.
    Aliases,
    /// The holder.
    Name,
    /// NIM, NIP or unit code.
    Identifier,
    /// Category.
    Category,
    /// Work unit.
    Unit,
    /// Responsible person.
    Responsible,
    /// That person's NIP or NIM.
    ResponsibleIdentifier,
    /// Services.
    Services,
    /// Hotspot profile.
    Group,
    /// Mailbox size.
    Quota,
    /// Documents.
    Documents,
    /// Approvals.
    Approvals,
    /// Procedure.
    Procedure,
    /// Request.
    Request,
    /// State.
    State,
    /// Since when.
    Created,
    /// Last valid day.
    LastDay,
    /// Where it stands.
    Targets,
}

impl Column {
    /// All, in order.
    pub const ALL: [Self; 20] = [
        Self::Address,
        Self::Username,
        Self::Aliases,
        Self::Name,
        Self::Identifier,
        Self::Category,
        Self::Unit,
        Self::Responsible,
        Self::ResponsibleIdentifier,
        Self::Services,
        Self::Group,
        Self::Quota,
        Self::Documents,
        Self::Approvals,
        Self::Procedure,
        Self::Request,
        Self::State,
        Self::Created,
        Self::LastDay,
        Self::Targets,
    ];

    /// Its title: Indonesian, English, and other words by which offices call it (lower case).
    fn words(self) -> (&'static str, &'static str, &'static [&'static str]) {
        match self {
            Self::Address => {
                ("Alamat surel", "Address", &["email", "e-mail", "surel", "alamat email", "mail", "email address"])
            }
            Self::Username => ("Nama pengguna", "User name", &["username", "user", "login"]),
            Self::Aliases => ("Alias", "Aliases", &[]),
            Self::Name => ("Nama", "Name", &["nama lengkap", "nama pemegang", "pemegang", "holder", "full name"]),
            Self::Identifier => {
                ("NIM/NIP/kode unit", "Identifier", &["nim", "nip", "nim/nip", "nip/nim", "nomor identitas", "nidn"])
            }
            Self::Category => ("Kategori", "Category", &["jenis", "status kepegawaian"]),
            Self::Unit => ("Unit kerja", "Unit", &["fakultas", "prodi", "opd", "dinas", "department"]),
            Self::Responsible => ("Penanggung jawab", "Responsible", &["responsible person", "pic"]),
            Self::ResponsibleIdentifier => {
                ("NIP/NIM penanggung jawab", "Responsible's identifier", &["nip penanggung jawab"])
            }
            Self::Services => ("Layanan", "Services", &["service"]),
            Self::Group => ("Profil", "Profile", &["grup", "group"]),
            Self::Quota => ("Kuota", "Quota", &[]),
            Self::Documents => ("Dokumen", "Documents", &["surat", "nomor surat", "dasar"]),
            Self::Approvals => ("Persetujuan", "Approvals", &["disposisi"]),
            Self::Procedure => ("Prosedur", "Procedure", &["sop"]),
            Self::Request => ("Permohonan", "Request", &[]),
            Self::State => ("Keadaan", "State", &["status"]),
            Self::Created => ("Dibuat", "Created", &["tanggal dibuat", "tanggal pembuatan", "since"]),
            Self::LastDay => {
                ("Berlaku sampai", "Valid until", &["berakhir", "tanggal berakhir", "expires", "masa berlaku"])
            }
            Self::Targets => ("Sistem", "Systems", &["targets"]),
        }
    }

    /// Its title.
    pub fn title(self, language: Language) -> &'static str {
        let (id, en, _) = self.words();
        match language {
            Language::Id => id,
            Language::En => en,
        }
    }

    /// The column that a header cell names, in either language.
    pub fn named(header: &str) -> Option<Self> {
        let wanted = header.trim().to_lowercase();
        let is = |column: &Self| {
            let (id, en, others) = column.words();
            id.to_lowercase() == wanted || en.to_lowercase() == wanted || others.contains(&wanted.as_str())
        };
        Self::ALL.into_iter().find(is)
    }

    /// The cell of an entry. Times in `zone`.
    pub fn cell(self, entry: &Entry, language: Language, zone: &TimeZone) -> String {
        match self {
            Self::Address => entry.address.clone(),
            Self::Username => entry.username.clone(),
            Self::Aliases => list(&entry.aliases),
            Self::Name => entry.name.clone(),
            Self::Identifier => entry.identifier.clone(),
            Self::Category => entry.category.clone(),
            Self::Unit => entry.unit.clone(),
            Self::Responsible => entry.responsible.clone(),
            Self::ResponsibleIdentifier => entry.responsible_identifier.clone(),
            Self::Services => list(&entry.services),
            Self::Group => entry.group.clone(),
            Self::Quota => entry.quota.clone(),
            Self::Documents => list(&entry.documents),
            Self::Approvals => list(&entry.approvals),
            Self::Procedure => entry.procedure.clone(),
            Self::Request => entry.request.clone(),
            Self::State => state(&entry.state, language).to_owned(),
            Self::Created => entry.created_at.map(|at| time(at, zone)).unwrap_or_default(),
            Self::LastDay => entry.last_day.map(day).unwrap_or_default(),
            Self::Targets => list(&entry.targets),
        }
    }
}

/// The states, in the journal's word, Indonesian, and other words of lists.
const STATES: [(&str, &str, &[&str]); 5] = [
    ("reserved", "dalam proses", &[]),
    ("active", "aktif", &["ya", "yes"]),
    ("suspended", "ditangguhkan", &["nonaktif", "non-aktif", "inactive", "disabled"]),
    ("removed", "dihapus", &["deleted"]),
    ("imported", "dicatat dari daftar", &[]),
];

/// A state for people.
pub fn state(word: &str, language: Language) -> &str {
    match language {
        Language::En => word,
        Language::Id => STATES.iter().find(|(state, ..)| *state == word).map_or(word, |(_, id, _)| id),
    }
}

/// The state that a cell names.
pub fn state_named(cell: &str) -> Option<&'static str> {
    let wanted = cell.trim().to_lowercase();
    let is = |(state, id, others): &&(&str, &str, &[&str])| {
        *state == wanted || *id == wanted || others.contains(&wanted.as_str())
    };
    STATES.iter().find(is).map(|(state, ..)| *state)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn every_title_names_its_own_column_and_no_other() {
        let mut seen = HashSet::new();
        for column in Column::ALL {
            let (id, en, others) = column.words();
            for word in [id, en].into_iter().chain(others.iter().copied()) {
                assert_eq!(Column::named(word), Some(column), "{word}");
                assert_eq!(Column::named(&format!(" {} ", word.to_uppercase())), Some(column), "{word}");
                assert!(seen.insert(word.to_lowercase()) || id.eq_ignore_ascii_case(en), "{word} stands twice");
            }
        }
        assert_eq!(Column::named("No."), None);
    }

    #[test]
    fn every_state_is_read_back_in_both_languages() {
        for (word, ..) in STATES {
            for language in [Language::Id, Language::En] {
                assert_eq!(state_named(state(word, language)), Some(word));
            }
        }
        assert_eq!(state_named("entah"), None);
    }
}
