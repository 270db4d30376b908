//! Made-up values for previews, and for checking templates when they are loaded. No person and no institution is meant.

use super::{NoticeContext, SignedLetter};
use crate::model::{
    Account, AccountUid, Action, Check, Evidence, NoticeKind, Person, Record, RequestKey, Secret, Specimen,
    request::WantedAccount,
};
use jiff::civil::Date;
use std::collections::BTreeMap;
use uuid::Uuid;

/// The password of previews.
pub const SAMPLE_PASSWORD: &str = "contoh-7Kq4-mWz9";

/// One made-up request with everything that belongs to it.
pub(super) struct Sample {
    pub(super) record: Record,
    account: Option<Account>,
    last_day: Option<Date>,
    reasons: Vec<String>,
    alternatives: Vec<String>,
    missing: Vec<String>,
    checklist: Vec<Check>,
    texts: BTreeMap<String, String>,
    official: Option<String>,
    signers: Vec<String>,
    letter_number: Option<String>,
    password: Secret,
}

impl Sample {
    /// As it would be for a notice of this kind.
    pub(super) fn context(&self, kind: NoticeKind) -> NoticeContext<'_> {
        let official = matches!(kind, NoticeKind::Report | NoticeKind::LetterDraft);
        let settled = official
            || matches!(
                kind,
                NoticeKind::Credentials | NoticeKind::Changed | NoticeKind::Username | NoticeKind::Letter
            );
        // As the plan addresses them: news and the letter go to the applicant, passwords to who answers for the account.
        let own = matches!(kind, NoticeKind::Credentials | NoticeKind::Username | NoticeKind::Changed);
        let person = if own { self.record.contact() } else { &self.record.applicant };
        NoticeContext {
            record: &self.record,
            recipient: self.official.as_deref().filter(|_| official).unwrap_or(&person.name),
            account: self.account.as_ref().filter(|_| settled),
            last_day: self.last_day.filter(|_| settled),
            reasons: &self.reasons,
            alternatives: &self.alternatives,
            missing: &self.missing,
            checklist: &self.checklist,
            texts: &self.texts,
            signers: &self.signers,
            letter: self.letter_number.as_deref().map(|number| SignedLetter {
                number,
                signed_by: "Kepala Dinas Contoh",
                on: jiff::civil::date(2026, 11, 20),
            }),
            handed_over: false,
            password: (kind == NoticeKind::Credentials).then_some(&self.password),
            apart: false,
            holder: false,
        }
    }

    pub(super) fn asking_for(mut self, action: Action) -> Self {
        self.record.action = action;
        self
    }
}

/// With every value there is.
pub(super) fn full() -> Sample {
    let address = "humas@universitas.example".parse().ok();
    let applicant = Person {
        name: "Biro Humas".into(),
        category: "unit".into(),
        identifier: "U-07".into(),
        unit: "Biro Administrasi".into(),
        ..Person::default()
    };
    let responsible = Person { name: "Penanggung Jawab Contoh, S.Kom".into(), ..Person::default() };
    let mut record = record("B-12/Un.03/2026", applicant);
    record.responsible = Some(responsible);
    record.account.address.clone_from(&address);
    let account = "humas".parse().ok().map(|username| Account {
        address,
        name: "Biro Humas".into(),
        given_name: "Biro".into(),
        family_name: "Humas".into(),
        category: "unit".into(),
        unit: "Biro Administrasi".into(),
        services: vec!["mail".into(), "hotspot".into()],
        group: Some("pegawai".into()),
        ..Account::bare(AccountUid(Uuid::nil()), username)
    });
    let check = Check {
        requirement: "alamat bebas di register".into(),
        met: false,
        found: "dipakai akun lain".into(),
        sop: Some("4".into()),
        held_against: Evidence::Record,
    };
    Sample {
        record,
        account,
        last_day: Date::new(2027, 6, 30).ok(),
        reasons: vec!["Alamat humas@universitas.example sudah dipakai oleh akun lain.".into()],
        alternatives: vec!["humas.biro@universitas.example".into(), "humas2@universitas.example".into()],
        missing: vec!["Persetujuan kepala pusat".into(), "Formulir yang ditandatangani pimpinan unit kerja".into()],
        checklist: vec![check],
        texts: texts(),
        official: Some("Kepala Seksi Contoh".into()),
        signers: vec!["Kepala Dinas Contoh".into(), "Sekretaris Dinas Contoh".into()],
        letter_number: Some("005/77.2/2026".into()),
        password: Secret::new(SAMPLE_PASSWORD),
    }
}

/// As [`full`], with a procedure's own texts and an account such as its category gets.
pub(super) fn of(specimen: &Specimen, kind: NoticeKind, language: &str) -> Sample {
    let mut sample = full();
    let name = |local: &str| specimen.domain.as_ref().map_or(local.to_owned(), |domain| format!("{local}@{domain}"));
    let address = specimen.domain.as_ref().and_then(|_| name("humas").parse().ok());
    sample.record.applicant.category.clone_from(&specimen.category);
    if !specimen.responsible {
        sample.record.responsible = None;
    }
    sample.record.account.username = "humas".parse().ok().filter(|_| address.is_none());
    sample.record.account.address.clone_from(&address);
    if let Some(account) = &mut sample.account {
        account.address = address;
        account.category.clone_from(&specimen.category);
        account.services.clone_from(&specimen.services);
        account.group = None;
    }
    sample.last_day = sample.last_day.filter(|_| specimen.temporary);
    let english = language.starts_with("en");
    let sentence = match (kind, english) {
        (NoticeKind::Conflict, true) => format!("{} is already in use.", name("humas")),
        (NoticeKind::Conflict, false) => format!("{} sudah dipakai.", name("humas")),
        (_, true) => "The approval was refused: the applicant's data are not complete.".into(),
        (_, false) => "Persetujuan ditolak: data pemohon belum lengkap.".into(),
    };
    let missing = match (kind, english) {
        (NoticeKind::Form, true) => "The application form is missing; please fill it in and hand it in.",
        (NoticeKind::Form, false) => "Formulir permohonan belum disertakan; mohon diisi dan disampaikan.",
        (_, true) => "The approval of the head is missing.",
        (_, false) => "Persetujuan kepala belum ada.",
    };
    sample.reasons = vec![sentence];
    sample.missing = vec![missing.to_owned()];
    sample.alternatives = vec![name("humas.biro"), name("humas2")];
    sample.checklist = Vec::new();
    sample.texts.clone_from(&specimen.texts);
    sample
}

/// With nothing that may be left out.
pub(super) fn bare() -> Sample {
    Sample {
        record: record("1", Person::default()),
        account: None,
        last_day: None,
        reasons: Vec::new(),
        alternatives: Vec::new(),
        missing: Vec::new(),
        checklist: Vec::new(),
        texts: BTreeMap::new(),
        official: None,
        signers: Vec::new(),
        letter_number: None,
        password: Secret::new(SAMPLE_PASSWORD),
    }
}

fn record(id: &str, applicant: Person) -> Record {
    Record {
        key: RequestKey { procedure: "contoh".into(), id: id.into(), revision: 1 },
        action: Action::Create,
        applicant,
        responsible: None,
        account: WantedAccount::default(),
        change: None,
        documents: Vec::new(),
        approvals: Vec::new(),
    }
}

fn texts() -> BTreeMap<String, String> {
    [
        ("institution", "Pusat TI Universitas Contoh"),
        ("title", "Akun surel unit kerja"),
        ("login_url", "https://akun.universitas.example/"),
        ("webmail_url", "https://surel.universitas.example/"),
        ("hotspot_url", "https://hotspot.universitas.example/"),
        ("change_url", "https://akun.universitas.example/sandi"),
        ("help", "Helpdesk, hari kerja 08.00-16.00\nhelpdesk@universitas.example"),
        ("obligations", "Akun ini sepenuhnya tanggung jawab pemegangnya.\nHanya untuk keperluan kedinasan."),
        ("form_url", "https://akun.universitas.example/formulir"),
        ("instructions", "1. Masuk ke aplikasi kepegawaian.\n2. Pilih menu Surel."),
        ("instructions_url", "https://kepegawaian.universitas.example/"),
    ]
    .map(|(key, text)| (key.to_owned(), text.to_owned()))
    .into()
}

/// The values of `operator-alert`.
pub(super) fn operator_alert() -> minijinja::Value {
    use minijinja::context;
    let stuck: Vec<_> =
        ["B-12", "B-13"].map(|id| context! { request => format!("unja-email:{id}/UN21/2026@1") }).into();
    context! {
        host => "akun.example.ac.id", total => 27, put_back => "",
        lanes => [
            context! { lane => "email", down => true, since => "2026-11-20 09:00", fault => "connection refused" },
            context! { lane => "directory", down => false, since => "2026-11-20 08:10", fault => "" },
        ],
        groups => [context! {
            lane => "email", verb => "deliver", fault => "550 5.1.1 <…@example.org>: Recipient address rejected", count => 22,
        }],
        more_groups => 0, stuck, stuck_count => 22, stuck_more => 20,
        held => [context! { request => "'unja-email:B 7@1'", why => "review" }], held_count => 1, held_more => 0,
        late => [
            context! { request => "unja-email:B-4/UN21/2026@1", name => "serah terima", breached => true, due => "2026-11-20 10:00" },
            context! { request => "unja-email:B-5/UN21/2026@1", name => "step 6", breached => false, due => "2026-11-20 11:00" },
        ],
        late_count => 2, late_more => 0,
    }
}

/// The values of `operator-digest`.
pub(super) fn operator_digest() -> minijinja::Value {
    use minijinja::context;
    let since = "2026-11-20 09:00";
    context! {
        host => "akun.example.ac.id", day => "2026-11-21", since => "2026-11-20 07:00",
        received => 41, done => 38, breached => 1,
        working => 2, waits => 0, stuck => 1, held => 3, withdrawing => 0,
        oldest => "unja-email:B-4/UN21/2026@1", oldest_since => since, more => 3,
        waiting => [context! { request => "unja-email:B-4/UN21/2026@1", state => "stuck", since }],
        lanes => [
            context! { lane => "email", waits => 5, stuck => 1, paused => false, down => true, since, fault => "connection refused" },
            context! { lane => "directory", waits => 0, stuck => 0, paused => true, down => false, since => "", fault => "" },
        ],
    }
}
