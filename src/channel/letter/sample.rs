//! Made-up values for previews. No person and no office is meant.

use super::{LetterFacts, Values};
use crate::model::{Account, AccountUid, Action, Document, Person, Record, RequestKey};
use jiff::civil::date;
use uuid::Uuid;

/// A value for every placeholder.
pub(super) fn values(language: &str) -> Values {
    let applicant = Person {
        name: "Dinas Contoh".into(),
        category: "office".into(),
        identifier: "4.02.01".into(),
        unit: "Dinas Contoh Kabupaten Contoh".into(),
        ..Person::default()
    };
    let responsible =
        Person { name: "Penanggung Jawab Contoh".into(), identifier: "198501012015042001".into(), ..Person::default() };
    let record = Record {
        key: RequestKey { procedure: "contoh".into(), id: "005/77/2026".into(), revision: 1 },
        action: Action::Create,
        applicant,
        responsible: Some(responsible),
        account: Default::default(),
        change: None,
        documents: vec![Document {
            kind: "letter".into(),
            number: "005/77/2026".into(),
            date: Some(date(2026, 11, 16)),
            register: "SM-881".into(),
            signed_by: "Kepala Dinas Contoh".into(),
        }],
        approvals: Vec::new(),
    };
    let account = "dinas".parse().ok().map(|username| Account {
        address: "dinas@kabupaten.example".parse().ok(),
        name: "Dinas Contoh".into(),
        given_name: "Dinas".into(),
        family_name: "Contoh".into(),
        category: "office".into(),
        unit: "Dinas Contoh Kabupaten Contoh".into(),
        services: vec!["mail".into()],
        ..Account::bare(AccountUid(Uuid::nil()), username)
    });
    let texts = [
        ("institution", "Dinas Komunikasi dan Informatika Kabupaten Contoh"),
        ("title", "Pembuatan akun surel perangkat daerah"),
        ("sop", "SOP-01"),
        ("login_url", "https://surel.kabupaten.example/"),
        ("webmail_url", "https://surel.kabupaten.example/"),
        ("change_url", "https://surel.kabupaten.example/sandi"),
        ("help", "Seksi Infrastruktur\ntelepon (021) 555-0100"),
        ("obligations", "Akun ini dipakai untuk keperluan dinas."),
        ("instructions", "Masuk dengan alamat surel dan kata sandi yang disampaikan tersendiri."),
    ]
    .map(|(key, text)| (key.to_owned(), text.to_owned()))
    .into();
    Values::of(&LetterFacts {
        record: &record,
        account: account.as_ref(),
        last_day: Some(date(2027, 12, 31)),
        texts: &texts,
        signers: &["Kepala Dinas Contoh".to_owned(), "Sekretaris Dinas Contoh".to_owned()],
        today: date(2026, 11, 20),
        language,
    })
}
