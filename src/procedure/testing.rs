//! What the tests of this module share: procedures, sites, records and facts.

use super::{Procedure, Site, SiteChannel, SiteTarget, decide};
use crate::model::request::{Change, WantedAccount};
use crate::model::{
    Account, AccountUid, Action, Approval, Decision, Document, Facts, Judgement, NameFact, Person, Phone, Record,
    RequestKey, Scheme, Verdict,
};
use jiff::Timestamp;
use jiff::civil::Date;
use uuid::Uuid;

/// The shipped procedure.
pub fn generic() -> Procedure {
    parse("generic.toml", include_str!("../../config/procedures/generic.toml"))
}

/// A procedure shaped like a university's e-mail SOP: redirects, a form, sources that feed in bulk, subdomains.
pub fn campus() -> Procedure {
    parse("campus-email.toml", include_str!("../../tests/corpus/procedures/good/campus-email.toml"))
}

/// A procedure shaped like a local government's SOP: a letter in the register and a chain of three.
pub fn office() -> Procedure {
    parse("office-email.toml", include_str!("../../tests/corpus/procedures/good/office-email.toml"))
}

/// The five institutions' procedures.
pub fn five() -> [Procedure; 5] {
    [
        parse("uin-malang-email.toml", include_str!("../../config/procedures/uin-malang-email.toml")),
        parse("uin-malang-hotspot.toml", include_str!("../../config/procedures/uin-malang-hotspot.toml")),
        parse("uin-raden-intan-email.toml", include_str!("../../config/procedures/uin-raden-intan-email.toml")),
        parse("unja-email.toml", include_str!("../../config/procedures/unja-email.toml")),
        parse("lumajang-email.toml", include_str!("../../config/procedures/lumajang-email.toml")),
    ]
}

/// A procedure that must be good.
pub fn parse(name: &str, text: &str) -> Procedure {
    Procedure::parse(name, text).unwrap_or_else(|report| panic!("{report}"))
}

/// The generic procedure with one piece of its text replaced.
pub fn generic_with(old: &str, new: &str) -> Procedure {
    let text = include_str!("../../config/procedures/generic.toml");
    assert!(text.contains(old), "the template has no {old:?}");
    parse("generic.toml", &text.replacen(old, new, 1))
}

/// Mail and hotspot, e-mail and SMS.
pub fn site() -> Site {
    let target = |name: &str, service: &str, schemes: &[Scheme]| SiteTarget {
        name: name.into(),
        services: vec![service.into()],
        schemes: schemes.to_vec(),
    };
    let channel = |name: &str, carries_email| SiteChannel { name: name.into(), carries_email };
    Site {
        targets: vec![
            target("maps", "mail", &[Scheme::Sha512Crypt]),
            target("radius", "hotspot", &[Scheme::Sha512Crypt, Scheme::NtHash]),
        ],
        channels: vec![channel("email", true), channel("sms", false)],
    }
}

pub const UID: AccountUid = AccountUid(Uuid::from_u128(7));
pub const OTHER: AccountUid = AccountUid(Uuid::from_u128(8));

/// Friday, 20 November 2026, 09:00 in Jakarta.
pub fn now() -> Timestamp {
    at("2026-11-20T09:00:00+07:00")
}

pub fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

pub fn day(text: &str) -> Date {
    text.parse().unwrap()
}

pub fn person(name: &str, email: &str) -> Person {
    let phone = Phone::parse("+6281234567890", "ID").ok();
    Person { name: name.into(), email: email.parse().ok(), phone, ..Person::default() }
}

pub fn approval(role: &str, by: &str, when: &str) -> Approval {
    Approval { role: role.into(), by: by.into(), decision: Decision::Approved, reason: String::new(), at: at(when) }
}

pub fn document(kind: &str) -> Document {
    Document {
        kind: kind.into(),
        number: "B-12/2026".into(),
        date: Some(day("2026-11-16")),
        register: "SM-881".into(),
        signed_by: "Kepala Biro".into(),
    }
}

/// A lecturer's request that the generic procedure permits.
pub fn lecturer() -> Record {
    Record {
        key: RequestKey { procedure: "generic".into(), id: "T-1".into(), revision: 1 },
        action: Action::Create,
        applicant: Person {
            category: "lecturer".into(),
            identifier: "198501012015041003".into(),
            unit: "Fakultas Teknik".into(),
            ..person("Dr. Budi Santoso, M.Kom.", "budi.pribadi@example.org")
        },
        responsible: None,
        account: WantedAccount::default(),
        change: None,
        documents: Vec::new(),
        approvals: vec![approval("head", "Siti Aminah", "2026-11-18T10:00:00+07:00")],
    }
}

/// A unit's request that the generic procedure permits.
pub fn unit() -> Record {
    let mut record = lecturer();
    record.applicant = Person {
        category: "unit".into(),
        unit: "Biro Humas".into(),
        ..person("Biro Hubungan Masyarakat", "humas.lama@example.org")
    };
    record.responsible = Some(Person { identifier: "1990".into(), ..person("Rina Wati", "rina.pribadi@example.org") });
    record.account.address = Some("humas@example.ac.id".parse().unwrap());
    record.documents = vec![document("form"), document("letter")];
    record
}

/// A request about an account that exists.
pub fn existing(action: Action) -> (Record, Facts) {
    let mut record = lecturer();
    record.action = action;
    record.account.address = Some("budi@example.ac.id".parse().unwrap());
    if action == Action::Change {
        let address = Some("budi.santoso@example.ac.id".parse().unwrap());
        record.change = Some(Change { address, ..Change::default() });
    }
    let account = Account {
        address: Some("budi@example.ac.id".parse().unwrap()),
        aliases: vec!["b.santoso@example.ac.id".parse().unwrap()],
        name: "Budi Santoso".into(),
        given_name: "Budi".into(),
        family_name: "Santoso".into(),
        category: "lecturer".into(),
        unit: "Fakultas Teknik".into(),
        services: vec!["mail".into(), "hotspot".into()],
        ..Account::bare(OTHER, "budi".parse().unwrap())
    };
    let state = if action == Action::Resume { "suspended" } else { "active" };
    let facts = Facts { account: Some(account), account_state: Some(state.into()), ..Facts::default() };
    (record, facts)
}

/// Facts in which the register holds some names for another account.
pub fn taken(names: &[&str]) -> Facts {
    let mut facts = Facts::default();
    for name in names {
        let fact = NameFact::Register { account: OTHER, request: "generic:T-0@1".into() };
        facts.names.entry((*name).into()).or_default().push(fact);
    }
    facts
}

/// Judges with the usual site, uid and time.
pub fn decided(record: &Record, procedure: &Procedure, facts: &Facts) -> Judgement {
    decide(record, procedure, &site(), facts, UID, now())
}

/// What a judgement says, as one text: the verdict's word and its sentences.
pub fn said(judgement: &Judgement) -> String {
    let sentences: &[String] = match &judgement.verdict {
        Verdict::Permit { .. } => &[],
        Verdict::Redirect { instructions } => std::slice::from_ref(instructions),
        Verdict::Refuse { reasons } | Verdict::Conflict { reasons, .. } => reasons,
        Verdict::Hold { missing, .. } => missing,
    };
    let word = match &judgement.verdict {
        Verdict::Hold { reason, .. } => format!("hold {}", reason.as_str()),
        other => other.as_str().to_owned(),
    };
    [vec![word], sentences.to_vec()].concat().join(" | ")
}
