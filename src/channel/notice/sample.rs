//! Made-up values for previews, and for checking templates when they are loaded. No person and no institution is meant.

use super::NoticeContext;
use crate::model::{
    Account, AccountUid, Action, Check, NoticeKind, Person, Record, RequestKey, Secret, request::WantedAccount,
};
use crate::procedure::Specimen;
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
    password: Secret,
}

impl Sample {
    /// As it would be for a notice of this kind.
    pub(super) fn context(&self, kind: NoticeKind) -> NoticeContext<'_> {
        let settled = matches!(kind, NoticeKind::Credentials | NoticeKind::Changed);
        NoticeContext {
            record: &self.record,
            recipient: &self.record.contact().name,
            account: self.account.as_ref().filter(|_| settled),
            last_day: self.last_day.filter(|_| settled),
            reasons: &self.reasons,
            alternatives: &self.alternatives,
            missing: &self.missing,
            checklist: &self.checklist,
            texts: &self.texts,
            password: (kind == NoticeKind::Credentials).then_some(&self.password),
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
        uid: AccountUid(Uuid::nil()),
        address,
        username,
        aliases: Vec::new(),
        name: "Biro Humas".into(),
        given_name: "Biro".into(),
        family_name: "Humas".into(),
        category: "unit".into(),
        unit: "Biro Administrasi".into(),
        services: vec!["mail".into(), "hotspot".into()],
        ends_at: None,
        quota: None,
        group: Some("pegawai".into()),
    });
    let check = Check {
        requirement: "alamat bebas di register".into(),
        met: false,
        found: "dipakai akun lain".into(),
        sop: Some("4".into()),
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
