//! What is said about each [`Problem`], in Indonesian and in English: polite, plain, one sentence each.

use super::file::{DocumentField, Field, Language};
use super::problem::{Problem, Who, bounded, quoted};
use crate::model::Action;
use jiff::civil::Date;

/// Longest reason of an official in a sentence, characters.
const LONGEST_REASON: usize = 500;

impl Problem {
    /// The sentence for people.
    pub fn say(&self, language: Language) -> String {
        match language {
            Language::Id => self.indonesian(),
            Language::En => self.english(),
        }
    }

    fn indonesian(&self) -> String {
        match self {
            Self::UnknownCategory { category } => {
                format!("Kategori pemohon \"{}\" tidak dikenal dalam prosedur ini.", quoted(category))
            }
            Self::CategoryRefused { reason } => reason.clone(),
            Self::ActionNotAllowed { action } => {
                format!("Prosedur ini tidak melayani {}.", action_id(*action))
            }
            Self::ApprovalRefused { title, reason } if reason.trim().is_empty() => {
                format!("Permohonan tidak disetujui oleh {}.", quoted(title))
            }
            Self::ApprovalRefused { title, reason } => {
                format!("Permohonan tidak disetujui oleh {}: {}", quoted(title), sentence(reason))
            }
            Self::IdentifierForm { identifier, means } => match means {
                Some(means) => format!("Nomor identitas \"{}\" tidak sesuai; mohon isi {means}.", quoted(identifier)),
                None => format!("Nomor identitas \"{}\" tidak sesuai dengan bentuk yang ditetapkan.", quoted(identifier)),
            },
            Self::OwnAddress { who, address } => format!(
                "Surel {} ({address}) adalah alamat akun itu sendiri; mohon berikan surel lain yang sudah dapat dibuka.",
                who_id(*who)
            ),
            Self::DomainNotAllowed { address, domains } => {
                format!("Alamat {address} tidak dapat dibuat; prosedur ini melayani {}.", at_domains(domains, "atau"))
            }
            Self::NameReserved { name } => format!("Nama \"{name}\" dicadangkan dan tidak dapat dipakai."),
            Self::NameForm { name } => format!("Nama \"{name}\" tidak sesuai dengan bentuk yang ditetapkan."),
            Self::NameNotByRule { name } => format!("Nama \"{name}\" tidak sesuai dengan aturan penamaan."),
            Self::NoAddressForServices { address } => {
                format!("Layanan yang dimohon tidak disertai alamat surel, sehingga {address} tidak dapat dibuat.")
            }
            Self::ServiceNotAllowed { service } => {
                format!("Layanan \"{}\" tidak tersedia bagi kategori pemohon ini.", quoted(service))
            }
            Self::ServiceWithoutTarget { service } => {
                format!("Layanan \"{}\" saat ini tidak tersedia di sistem kami.", quoted(service))
            }
            Self::QuotaTooLarge => "Kuota yang dimohon melebihi batas bagi kategori pemohon ini.".into(),
            Self::QuotaNotChosen => "Kuota tidak dapat dipilih dalam prosedur ini; mohon kosongkan.".into(),
            Self::GroupNotAllowed { group } => {
                format!("Profil \"{}\" tidak tersedia bagi kategori pemohon ini.", quoted(group))
            }
            Self::ExpiresPast { day } => format!("Tanggal berakhir {} sudah lewat.", day_id(*day)),
            Self::ExpiresTooFar { day, latest } => {
                format!("Tanggal berakhir {} terlalu jauh; paling lambat {}.", day_id(*day), day_id(*latest))
            }
            Self::NoSuchAccount => "Akun yang dimaksud tidak ditemukan dalam daftar akun.".into(),
            Self::AccountState { action, state } => {
                format!("Permohonan {} tidak dapat dilakukan karena akun {}.", action_id(*action), state_id(state))
            }
            Self::AccountOfOtherCategory => "Akun yang dimaksud bukan milik kategori pemohon ini.".into(),
            Self::AccountOfOtherHolder => "Akun yang dimaksud dibuat untuk pemegang dengan nomor identitas lain.".into(),
            Self::AdoptionOfOtherHolder => {
                "Menurut register, akun yang dimaksud milik pemegang dengan nomor identitas lain; petugas perlu memeriksanya.".into()
            }
            Self::AdoptionUnapproved => {
                "Pemegang akun yang dimaksud tidak tercatat, dan prosedur ini tidak mensyaratkan persetujuan; petugas perlu memeriksanya.".into()
            }
            Self::AdoptionUnclear { name } => {
                format!("Nama pengguna {name} bukan nama akun yang tercatat dengan alamat itu.")
            }
            Self::AdoptionNotFound { targets } if targets.is_empty() => {
                "Layanan akun yang dimaksud tidak diketahui; mohon sebutkan layanannya.".into()
            }
            Self::AdoptionNotFound { targets } => format!(
                "Akun yang dimaksud tidak ditemukan di {}; mohon sebutkan nama pengguna dan layanannya.",
                targets.join(", ")
            ),
            Self::AccountEnded => "Masa berlaku akun sudah berakhir; mohon ajukan perubahan tanggal berakhir.".into(),
            Self::TooManyAliases { most } => format!("Alamat alias terlalu banyak; paling banyak {most}."),
            Self::FieldMissing { field } => format!("{} belum diisi.", field_id(*field)),
            Self::ResponsibleMissing => "Penanggung jawab akun belum disebutkan.".into(),
            Self::ExpiresMissing => "Tanggal berakhir akun belum disebutkan.".into(),
            Self::DocumentMissing { title } => format!("{title} belum disertakan."),
            Self::DocumentDetailMissing { title, field } => format!("{title}: {} belum disebutkan.", detail_id(*field)),
            Self::DocumentInFuture { title } => format!("{title} bertanggal di masa depan."),
            Self::DocumentTooOld { title, days } => format!("{title} sudah lebih dari {days} hari."),
            Self::DocumentAfterApprovals { title } => format!("{title} bertanggal sesudah persetujuan terakhir."),
            Self::DocumentUnknown { kind } => {
                format!("Jenis dokumen \"{}\" tidak dikenal dalam prosedur ini.", quoted(kind))
            }
            Self::ApprovalMissing { title } => format!("Persetujuan {title} belum ada."),
            Self::ApprovalOutOfOrder { title, after } => {
                format!("Persetujuan {title} harus diberikan sesudah persetujuan {after}.")
            }
            Self::ApprovalsBackwards { earlier, later } => {
                format!("Persetujuan {later} bertanggal sebelum persetujuan {earlier} yang mendahuluinya.")
            }
            Self::ApprovalInFuture { title } => format!("Persetujuan {title} bertanggal di masa depan."),
            Self::ApprovalTooOld { title, days } => format!("Persetujuan {title} sudah lebih dari {days} hari."),
            Self::ApprovalUnknownRole { role } => {
                format!("Jabatan \"{}\" pada persetujuan tidak dikenal dalam prosedur ini.", quoted(role))
            }
            Self::ApprovalWithoutName { title } => format!("Persetujuan {title} tidak menyebutkan siapa yang memberikannya."),
            Self::ApprovalUnsigned { title } => {
                format!("Persetujuan {title} belum ditandatangani secara elektronik oleh pejabatnya.")
            }
            Self::SamePersonTwice { by } => {
                format!("{} memberikan lebih dari satu persetujuan; tiap persetujuan harus dari orang yang berbeda.", quoted(by))
            }
            Self::NoContact { who, email, phone } => {
                format!("{} {} belum ada, sehingga akun tidak dapat diserahkan.", contact_id(*email, *phone), who_id(*who))
            }
            Self::NothingToChange => "Permohonan perubahan tidak menyebutkan apa yang diubah.".into(),
            Self::NameCannotBeMade => {
                "Nama akun tidak dapat dibentuk dari data pemohon; mohon sebutkan alamat atau nama pengguna yang diinginkan.".into()
            }
            Self::FormMissing { title } => format!("{title} belum disertakan; mohon diisi dan disampaikan."),
            Self::NameTaken { name } => format!("{name} sudah dipakai."),
            Self::AllNamesTaken => "Semua nama menurut aturan penamaan sudah dipakai; mohon sebutkan nama lain.".into(),
            Self::HolderHas { addresses } => {
                format!("Pemegang nomor identitas ini sudah memiliki akun ({}).", addresses.join(", "))
            }
            Self::UnitHas { unit, addresses } => {
                format!("{} sudah memiliki akun ({}).", quoted(unit), addresses.join(", "))
            }
            Self::AccountNotOurs { name, targets } => format!(
                "Akun {name}{} tidak dibuat oleh akund, sehingga akund tidak mengubahnya; petugas perlu menanganinya langsung.",
                at_targets(" di ", targets)
            ),
            Self::BudgetUsedUp { target, budget } => format!(
                "Dalam 24 jam terakhir sudah {budget} akun di {target} ditangguhkan, dihapus atau dipersingkat tanpa persetujuan satu per satu; petugas perlu memeriksa sebelum diteruskan."
            ),
        }
    }

    fn english(&self) -> String {
        match self {
            Self::UnknownCategory { category } => {
                format!("This procedure does not know the applicant category \"{}\".", quoted(category))
            }
            Self::CategoryRefused { reason } => reason.clone(),
            Self::ActionNotAllowed { action } => format!("This procedure does not offer {}.", action_en(*action)),
            Self::ApprovalRefused { title, reason } if reason.trim().is_empty() => {
                format!("The request was not approved by the {}.", quoted(title))
            }
            Self::ApprovalRefused { title, reason } => {
                format!("The request was not approved by the {}: {}", quoted(title), sentence(reason))
            }
            Self::IdentifierForm { identifier, means } => match means {
                Some(means) => {
                    format!("The identifier \"{}\" will not do; please give the {means}.", quoted(identifier))
                }
                None => format!("The identifier \"{}\" does not have the required form.", quoted(identifier)),
            },
            Self::OwnAddress { who, address } => format!(
                "The e-mail of the {} ({address}) is the account's own address; please give another one that can be read already.",
                who_en(*who)
            ),
            Self::DomainNotAllowed { address, domains } => {
                format!("{address} cannot be made; this procedure serves {}.", at_domains(domains, "or"))
            }
            Self::NameReserved { name } => format!("The name \"{name}\" is reserved and cannot be used."),
            Self::NameForm { name } => format!("The name \"{name}\" does not have the required form."),
            Self::NameNotByRule { name } => format!("The name \"{name}\" does not follow the naming rule."),
            Self::NoAddressForServices { address } => {
                format!("The requested services come without an e-mail address, so that {address} cannot be made.")
            }
            Self::ServiceNotAllowed { service } => {
                format!("The service \"{}\" is not available to this category of applicants.", quoted(service))
            }
            Self::ServiceWithoutTarget { service } => {
                format!("The service \"{}\" is not available on our systems at present.", quoted(service))
            }
            Self::QuotaTooLarge => "The requested quota is more than this category of applicants may have.".into(),
            Self::QuotaNotChosen => "The quota cannot be chosen in this procedure; please leave it empty.".into(),
            Self::GroupNotAllowed { group } => {
                format!("The profile \"{}\" is not available to this category of applicants.", quoted(group))
            }
            Self::ExpiresPast { day } => format!("The last valid day, {day}, has passed."),
            Self::ExpiresTooFar { day, latest } => {
                format!("The last valid day, {day}, is too far away; {latest} is the latest.")
            }
            Self::NoSuchAccount => "The account is not in the register of accounts.".into(),
            Self::AccountState { state, .. } => {
                format!("The account is {}, so that this request cannot be carried out.", quoted(state))
            }
            Self::AccountOfOtherCategory => "The account does not belong to this category of applicants.".into(),
            Self::AccountOfOtherHolder => "The account was made for a holder with another identifier.".into(),
            Self::AdoptionOfOtherHolder => {
                "By the register the account is another holder's; an officer must look.".into()
            }
            Self::AdoptionUnapproved => {
                "The register does not know who holds the account, and this procedure requires no approval for this; an officer must look."
                    .into()
            }
            Self::AdoptionUnclear { name } => format!("The user name {name} is not the one of the account with that address."),
            Self::AdoptionNotFound { targets } if targets.is_empty() => {
                "The services of the account are not known; please name them.".into()
            }
            Self::AdoptionNotFound { targets } => {
                format!("The account was not found at {}; please name its user name and services.", targets.join(", "))
            }
            Self::AccountEnded => "The account has reached its end; please ask for a later last valid day.".into(),
            Self::TooManyAliases { most } => format!("There are too many aliases; {most} at most."),
            Self::FieldMissing { field } => format!("{} is missing.", field_en(*field)),
            Self::ResponsibleMissing => "The person responsible for the account is not named.".into(),
            Self::ExpiresMissing => "The account's last valid day is not named.".into(),
            Self::DocumentMissing { title } => format!("{title} is missing."),
            Self::DocumentDetailMissing { title, field } => format!("{title}: {} is missing.", detail_en(*field)),
            Self::DocumentInFuture { title } => format!("{title} is dated in the future."),
            Self::DocumentTooOld { title, days } => format!("{title} is more than {days} days old."),
            Self::DocumentAfterApprovals { title } => format!("{title} is dated after the last approval."),
            Self::DocumentUnknown { kind } => {
                format!("This procedure does not know the kind of document \"{}\".", quoted(kind))
            }
            Self::ApprovalMissing { title } => format!("The approval of the {title} is missing."),
            Self::ApprovalOutOfOrder { title, after } => {
                format!("The approval of the {title} must be given after that of the {after}.")
            }
            Self::ApprovalsBackwards { earlier, later } => {
                format!("The approval of the {later} is dated before that of the {earlier}, which precedes it.")
            }
            Self::ApprovalInFuture { title } => format!("The approval of the {title} is dated in the future."),
            Self::ApprovalTooOld { title, days } => {
                format!("The approval of the {title} is more than {days} days old.")
            }
            Self::ApprovalUnknownRole { role } => {
                format!("This procedure does not know the approving role \"{}\".", quoted(role))
            }
            Self::ApprovalWithoutName { title } => format!("The approval of the {title} does not say who gave it."),
            Self::ApprovalUnsigned { title } => {
                format!("The approval of the {title} is not signed electronically by that office.")
            }
            Self::SamePersonTwice { by } => {
                format!("{} gave more than one approval; each must come from a different person.", quoted(by))
            }
            Self::NoContact { who, email, phone } => {
                format!(
                    "The {} of the {} is missing, so that the account cannot be handed over.",
                    contact_en(*email, *phone),
                    who_en(*who)
                )
            }
            Self::NothingToChange => "The request for a change does not say what to change.".into(),
            Self::NameCannotBeMade => {
                "No account name can be made from the applicant's data; please name the wanted address or user name."
                    .into()
            }
            Self::FormMissing { title } => format!("{title} is missing; please fill it in and hand it in."),
            Self::NameTaken { name } => format!("{name} is in use already."),
            Self::AllNamesTaken => "All names by the naming rule are in use; please name another one.".into(),
            Self::HolderHas { addresses } => {
                format!("The holder of this identifier has an account already ({}).", addresses.join(", "))
            }
            Self::UnitHas { unit, addresses } => {
                format!("{} has an account already ({}).", quoted(unit), addresses.join(", "))
            }
            Self::AccountNotOurs { name, targets } => format!(
                "akund did not make the account {name}{}, and leaves it as it is; an officer must do this there by hand.",
                at_targets(" at ", targets)
            ),
            Self::BudgetUsedUp { target, budget } => format!(
                "In the last 24 hours {budget} accounts at {target} were suspended, removed or shortened without an approval each; an officer must look before more are."
            ),
        }
    }
}

/// An official's words, bounded, with a full stop.
fn sentence(reason: &str) -> String {
    let reason = bounded(reason, LONGEST_REASON);
    if reason.ends_with(['.', '!', '?', '…']) { reason } else { reason + "." }
}

fn at_domains(domains: &[String], or: &str) -> String {
    domains.iter().map(|d| format!("@{d}")).collect::<Vec<_>>().join(&format!(" {or} "))
}

fn who_id(who: Who) -> &'static str {
    match who {
        Who::Applicant => "pemohon",
        Who::Responsible => "penanggung jawab",
    }
}

fn who_en(who: Who) -> &'static str {
    match who {
        Who::Applicant => "applicant",
        Who::Responsible => "responsible person",
    }
}

fn contact_id(email: bool, phone: bool) -> &'static str {
    match (email, phone) {
        (true, true) => "Surel atau nomor telepon",
        (false, true) => "Nomor telepon",
        _ => "Surel",
    }
}

fn contact_en(email: bool, phone: bool) -> &'static str {
    match (email, phone) {
        (true, true) => "e-mail address or phone number",
        (false, true) => "phone number",
        _ => "e-mail address",
    }
}

fn action_id(action: Action) -> &'static str {
    match action {
        Action::Create => "pembuatan akun baru",
        Action::Change => "perubahan akun",
        Action::Reset => "penggantian kata sandi",
        Action::Suspend => "penangguhan akun",
        Action::Resume => "pengaktifan kembali akun",
        Action::Remove => "penghapusan akun",
    }
}

fn action_en(action: Action) -> &'static str {
    match action {
        Action::Create => "new accounts",
        Action::Change => "changes of accounts",
        Action::Reset => "new passwords",
        Action::Suspend => "the suspension of accounts",
        Action::Resume => "the resumption of accounts",
        Action::Remove => "the removal of accounts",
    }
}

fn state_id(state: &str) -> String {
    match state {
        "active" => "sedang aktif".into(),
        "suspended" => "sedang ditangguhkan".into(),
        "removed" => "sudah dihapus".into(),
        other => format!("berstatus \"{}\"", quoted(other)),
    }
}

fn detail_id(field: DocumentField) -> &'static str {
    match field {
        DocumentField::Number => "nomor",
        DocumentField::Date => "tanggal",
        DocumentField::Register => "nomor agenda surat masuk",
        DocumentField::SignedBy => "penanda tangan",
    }
}

fn detail_en(field: DocumentField) -> &'static str {
    match field {
        DocumentField::Number => "the number",
        DocumentField::Date => "the date",
        DocumentField::Register => "the number in the register of incoming letters",
        DocumentField::SignedBy => "who signed it",
    }
}

fn field_id(field: Field) -> &'static str {
    match field {
        Field::ApplicantGivenName => "Nama depan pemohon",
        Field::ApplicantFamilyName => "Nama belakang pemohon",
        Field::ApplicantIdentifier => "Nomor identitas pemohon",
        Field::ApplicantUnit => "Unit kerja pemohon",
        Field::ApplicantEmail => "Surel pemohon",
        Field::ApplicantPhone => "Nomor telepon pemohon",
        Field::ResponsibleName => "Nama penanggung jawab",
        Field::ResponsibleIdentifier => "Nomor identitas penanggung jawab",
        Field::ResponsibleEmail => "Surel penanggung jawab",
        Field::ResponsiblePhone => "Nomor telepon penanggung jawab",
        Field::AccountAddress => "Alamat surel yang diinginkan",
        Field::AccountUsername => "Nama pengguna yang diinginkan",
        Field::AccountServices => "Layanan yang diinginkan",
        Field::AccountExpires => "Tanggal berakhir akun",
        Field::AccountQuota => "Kuota yang diinginkan",
        Field::AccountGroup => "Profil yang diinginkan",
    }
}

fn field_en(field: Field) -> &'static str {
    match field {
        Field::ApplicantGivenName => "The applicant's given name",
        Field::ApplicantFamilyName => "The applicant's family name",
        Field::ApplicantIdentifier => "The applicant's identifier",
        Field::ApplicantUnit => "The applicant's unit",
        Field::ApplicantEmail => "The applicant's e-mail address",
        Field::ApplicantPhone => "The applicant's phone number",
        Field::ResponsibleName => "The responsible person's name",
        Field::ResponsibleIdentifier => "The responsible person's identifier",
        Field::ResponsibleEmail => "The responsible person's e-mail address",
        Field::ResponsiblePhone => "The responsible person's phone number",
        Field::AccountAddress => "The wanted address",
        Field::AccountUsername => "The wanted user name",
        Field::AccountServices => "The list of wanted services",
        Field::AccountExpires => "The account's last valid day",
        Field::AccountQuota => "The wanted quota",
        Field::AccountGroup => "The wanted profile",
    }
}

const MONTHS: [&str; 12] = [
    "Januari",
    "Februari",
    "Maret",
    "April",
    "Mei",
    "Juni",
    "Juli",
    "Agustus",
    "September",
    "Oktober",
    "November",
    "Desember",
];

/// `30 Juni 2027`
fn day_id(day: Date) -> String {
    let month = usize::try_from(day.month()).ok().and_then(|m| MONTHS.get(m.wrapping_sub(1))).copied();
    format!("{} {} {}", day.day(), month.unwrap_or_default(), day.year())
}

fn at_targets(word: &str, targets: &[String]) -> String {
    if targets.is_empty() { String::new() } else { format!("{word}{}", targets.join(", ")) }
}
