//! What judging by the five gives: the same branches of each, then what is particular to one. Pure.

use crate::requests::{FIVE, procedure, records, sample, text, that_wants_signatures};
use crate::site;
use akund::model::{
    AccountUid, Action, Alternative, Decision, Document, Facts, Judgement, NameFact, NoticeKind, Record, Verb, Verdict,
};
use akund::procedure::{Procedure, decide, names_to_look_up};
use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

const UID: AccountUid = AccountUid(Uuid::from_u128(7));
const OTHER: AccountUid = AccountUid(Uuid::from_u128(8));

/// Friday, 20 November 2026, 09:00 in Jakarta.
fn now() -> Timestamp {
    "2026-11-20T09:00:00+07:00".parse().unwrap()
}

fn good(name: &str) -> Record {
    let (_, file) = FIVE.into_iter().find(|(five, _)| *five == name).unwrap();
    sample(name, file, now())
}

fn from(source: &str) -> Facts {
    Facts { source: source.into(), ..Facts::default() }
}

fn judged(record: &Record, procedure: &Procedure, facts: &Facts) -> Judgement {
    decide(record, procedure, &site(), facts, UID, now())
}

/// The verdict's word and its sentences, as one text.
fn said(judgement: &Judgement) -> String {
    let (word, sentences) = match &judgement.verdict {
        Verdict::Permit { .. } => ("permit".to_owned(), Vec::new()),
        Verdict::Redirect { instructions } => ("redirect".to_owned(), vec![instructions.clone()]),
        Verdict::Refuse { reasons } => ("refuse".to_owned(), reasons.clone()),
        Verdict::Conflict { reasons, .. } => ("conflict".to_owned(), reasons.clone()),
        Verdict::Hold { reason, missing, .. } => (format!("hold {}", reason.as_str()), missing.clone()),
    };
    [vec![word], sentences].concat().join(" | ")
}

#[track_caller]
fn says(record: &Record, procedure: &Procedure, facts: &Facts, expected: &str) -> Judgement {
    let judgement = judged(record, procedure, facts);
    let said = said(&judgement);
    assert!(said.starts_with(expected) || said.contains(&format!("| {expected}")), "expected {expected:?} in {said:?}");
    let permitted = matches!(judgement.verdict, Verdict::Permit { .. });
    assert_eq!(judgement.plan.is_empty(), !permitted, "{said}: only a permit has a plan");
    assert_eq!(judgement.notices.len(), usize::from(!permitted), "{said}: and all else is told");
    judgement
}

/// One more way in which a good request may be bad, and what is said of it.
struct Branch {
    what: String,
    record: Record,
    says: String,
}

/// Title of a role, as the sentences have it.
fn title(procedure: &str, role: &str) -> String {
    let table: toml::Table = crate::requests::file(procedure).parse().unwrap();
    let roles = table["role"].as_array().unwrap();
    let role = roles.iter().find(|r| r["name"].as_str() == Some(role)).unwrap();
    role["title"].as_str().unwrap().to_owned()
}

/// The title of the link that a role's approval fills: an alternative's is that of the one whom it stands for.
fn link_title(procedure: &str, role: &str) -> String {
    title(procedure, if role == "secretary" { "head" } else { role })
}

fn documents_title(procedure: &str, kind: &str) -> String {
    let table: toml::Table = crate::requests::file(procedure).parse().unwrap();
    let documents = table["document"].as_array().unwrap();
    let document = documents.iter().find(|d| d["kind"].as_str() == Some(kind)).unwrap();
    document["title"].as_str().unwrap().to_owned()
}

/// Each approval missing, refused, in the future, too old, nameless; two in the wrong order, dates that run backwards, one
/// person twice.
fn approvals(name: &str) -> Vec<Branch> {
    let good = good(name);
    let mut branches = Vec::new();
    let mut add = |what: &str, says: String, change: &dyn Fn(&mut Record)| {
        let mut record = good.clone();
        change(&mut record);
        branches.push(Branch { what: what.to_owned(), record, says });
    };
    for (i, approval) in good.approvals.iter().enumerate() {
        let link = link_title(name, &approval.role);
        let own = title(name, &approval.role);
        add("missing", format!("hold incomplete | Persetujuan {link} belum ada."), &|r| {
            r.approvals.remove(i);
        });
        add("refused", format!("refuse | Permohonan tidak disetujui oleh {own}: data belum lengkap."), &|r| {
            r.approvals[i].decision = Decision::Refused;
            r.approvals[i].reason = "data belum lengkap".into();
        });
        add("future", format!("Persetujuan {own} bertanggal di masa depan."), &|r| {
            r.approvals[i].at = now() + SignedDuration::from_hours(1);
        });
        add("old", format!("Persetujuan {link} sudah lebih dari "), &|r| {
            r.approvals[i].at = now() - SignedDuration::from_hours(24 * 100);
        });
        add("nameless", format!("Persetujuan {link} tidak menyebutkan siapa"), &|r| r.approvals[i].by = " ".into());
        add("unknown", "hold incomplete | Persetujuan ".into(), &|r| r.approvals[i].role = "penjaga".into());
    }
    if good.approvals.len() > 1 {
        let (first, second) = (&good.approvals[0], &good.approvals[1]);
        let after = link_title(name, &first.role);
        let out =
            format!("Persetujuan {} harus diberikan sesudah persetujuan {after}.", link_title(name, &second.role));
        add("wrong order", format!("hold incomplete | {out}"), &|r| {
            let (a, b) = (r.approvals[0].at, r.approvals[1].at);
            r.approvals.swap(0, 1);
            (r.approvals[0].at, r.approvals[1].at) = (a, b);
        });
        let backwards = format!("Persetujuan {} bertanggal sebelum", title(name, &second.role));
        add("backwards", format!("hold incomplete | {backwards}"), &|r| {
            r.approvals[1].at = r.approvals[0].at - SignedDuration::from_hours(1);
        });
        let by = first.by.clone();
        add("one person twice", format!("hold incomplete | {by} memberikan lebih dari satu"), &|r| {
            r.approvals[1].by.clone_from(&by);
        });
    }
    branches
}

/// Each document missing, and each of its details; dated in the future, too old, after the approvals.
fn documents(name: &str) -> Vec<Branch> {
    let good = good(name);
    let table: toml::Table = crate::requests::file(name).parse().unwrap();
    let mut branches = Vec::new();
    for (i, document) in good.documents.iter().enumerate() {
        let rule = table["document"].as_array().unwrap().iter().find(|d| d["kind"].as_str() == Some(&document.kind));
        let rule = rule.unwrap();
        let title = documents_title(name, &document.kind);
        let is_form = name.starts_with("uin-malang") && document.kind == "form";
        let optional = rule.get("optional").is_some() && !is_form;
        let mut add = |what: &str, says: String, change: &dyn Fn(&mut Document)| {
            let mut record = good.clone();
            change(&mut record.documents[i]);
            branches.push(Branch { what: format!("{what} {}", document.kind), record, says });
        };
        for detail in rule["needs"].as_array().unwrap() {
            let (words, without): (_, fn(&mut Document)) = match detail.as_str().unwrap() {
                "number" => ("nomor", |d| d.number.clear()),
                "date" => ("tanggal", |d| d.date = None),
                "register" => ("nomor agenda", |d| d.register.clear()),
                _ => ("penanda tangan", |d| d.signed_by.clear()),
            };
            add(&format!("without {words}"), format!("hold incomplete | {title}: "), &without);
        }
        if document.date.is_some() {
            let today = jiff::civil::date(2026, 11, 20);
            add("future", format!("{title} bertanggal di masa depan."), &|d| d.date = today.tomorrow().ok());
            let old = Some(today - SignedDuration::from_hours(24 * 200));
            add("old", format!("{title} sudah lebih dari 90 hari."), &|d| d.date = old);
            add("after the decision", format!("{title} bertanggal sesudah"), &|d| d.date = Some(today));
        }
        if !optional {
            let mut record = good.clone();
            record.documents.remove(i);
            let says = if is_form { "hold form | " } else { "hold incomplete | " };
            let says = format!("{says}{title} belum disertakan");
            branches.push(Branch { what: format!("missing {}", document.kind), record, says });
        }
    }
    branches
}

#[test]
fn a_good_request_is_permitted_and_every_row_of_the_checklist_has_its_step() {
    for (name, _) in FIVE {
        let judgement = says(&good(name), &procedure(name), &from("local"), "permit");
        for check in &judgement.checklist {
            assert!(check.met, "{name}: {check:?}");
            assert!(check.sop.is_some(), "{name}: {check:?}");
        }
        for cross_check in ["free in the register", "free at the targets"] {
            let found = judgement.checklist.iter().filter(|c| c.requirement.ends_with(cross_check)).count();
            assert!(found >= 1, "{name}: {cross_check}");
        }
        assert!(judgement.plan.iter().all(|step| step.detail.sop.is_some()), "{name}: {:?}", judgement.plan);
        let last = judgement.plan.last().unwrap();
        assert_eq!((last.verb, last.detail.notice), (Verb::Deliver, Some(NoticeKind::Credentials)), "{name}");
        assert_eq!(last.lane, if name == "unja-email" { "sms" } else { "email" }, "{name}");
    }
}

#[test]
fn every_paper_and_every_decision_must_be_there_in_order_and_in_time() {
    for (name, _) in FIVE {
        let procedure = procedure(name);
        let branches = [approvals(name), documents(name)].concat_all();
        assert!(branches.len() >= 10, "{name}: {}", branches.len());
        for branch in branches {
            let judgement = judged(&branch.record, &procedure, &from("local"));
            let said = said(&judgement);
            assert!(said.contains(&branch.says), "{name}, {}: expected {:?} in {said:?}", branch.what, branch.says);
            assert!(judgement.plan.is_empty() && judgement.notices.len() == 1, "{name}, {}", branch.what);
            assert!(judgement.checklist.iter().any(|c| !c.met), "{name}, {}", branch.what);
        }
    }
}

trait Concat<T> {
    fn concat_all(self) -> Vec<T>;
}
impl<T, const N: usize> Concat<T> for [Vec<T>; N] {
    fn concat_all(self) -> Vec<T> {
        self.into_iter().flatten().collect()
    }
}

#[test]
fn where_a_signature_is_demanded_only_the_office_that_decides_can_give_it() {
    for (name, _) in FIVE {
        let (procedure, record) = (that_wants_signatures(name), good(name));
        let role = &record.approvals[0].role;
        says(&record, &procedure, &from("local"), "hold incomplete | Persetujuan ");
        let by = |role: &str| Facts { signed_as: vec![role.into()], ..from("local") };
        says(&record, &procedure, &by("penjaga"), "hold incomplete | Persetujuan ");
        says(&record, &procedure, &by(role), "permit");
    }
}

#[test]
fn a_taken_name_is_a_conflict_with_free_alternatives_and_one_of_them_answers_it() {
    for (name, _) in FIVE {
        let procedure = procedure(name);
        for by in
            [NameFact::Register { account: OTHER, request: "x:1@1".into() }, NameFact::Target { target: "mail".into() }]
        {
            let mut record = good(name);
            let wished = match &record.account.address {
                Some(address) => address.to_string(),
                None => record.account.username.as_ref().unwrap().to_string(),
            };
            let mut facts = from("local");
            facts.names.insert(wished.clone(), vec![by.clone()]);
            let judgement = says(&record, &procedure, &facts, &format!("conflict | {wished} sudah dipakai."));
            let Verdict::Conflict { alternatives, .. } = judgement.verdict else { panic!() };
            assert!(!alternatives.is_empty(), "{name}: {wished}");
            let half = |requirement: &str| {
                let mut checks = judgement.checklist.iter().filter(|c| c.requirement.ends_with(requirement));
                checks.all(|c| c.met)
            };
            let (register, targets) = (half("free in the register"), half("free at the targets"));
            let in_register = matches!(by, NameFact::Register { .. });
            assert_eq!((register, targets), (!in_register, in_register), "{name}: two results");
            let asked = names_to_look_up(&record, &procedure);
            for alternative in alternatives {
                match alternative {
                    Alternative::Address(address) => {
                        assert!(asked.contains(&address.to_string()));
                        record.account.address = Some(address);
                    }
                    Alternative::Username(username) => {
                        assert!(asked.contains(&username.to_string()));
                        record.account.username = Some(username);
                    }
                }
                record.key.revision = 2;
                says(&record, &procedure, &facts, "permit");
            }
        }
    }
}

#[test]
fn malang_directs_its_people_to_the_applications_unless_these_hand_them_in() {
    for (name, applications) in [
        ("uin-malang-email", &[("student", "siakad"), ("lecturer", "simpeg"), ("staff", "simpeg")][..]),
        ("uin-malang-hotspot", &[("student", "siakad"), ("lecturer", "simpeg")]),
    ] {
        let procedure = procedure(name);
        for category in ["student", "lecturer", "staff"] {
            let mut record = sample("uin-malang-email", "2-student.toml", now());
            record.applicant.category = category.into();
            if category != "student" {
                record.applicant.identifier = "198604122014042003".into();
            }
            for source in ["local", "helpdesk", "siakad", "simpeg"] {
                let feeds = applications.contains(&(category, source));
                let application = if category == "student" { "siakad" } else { "simpeg" };
                let expected = if feeds { "permit".to_owned() } else { format!("redirect | {application}") };
                let judgement = says(&record, &procedure, &from(source), &expected);
                if !feeds {
                    assert_eq!(judgement.notices[0].detail.notice, Some(NoticeKind::Redirect));
                    assert_eq!(judgement.notices[0].detail.sop.as_deref(), Some("2"));
                    assert!(judgement.texts["instructions"].contains("Masuk ke"), "{name}");
                    assert!(judgement.texts["instructions_url"].contains(application), "{name}");
                }
            }
        }
    }
}

#[test]
fn what_siakad_hands_in_gets_the_address_of_its_number_in_the_students_own_domain() {
    let procedure = procedure("uin-malang-email");
    let bulk = records("5-siakad.csv", &text("uin-malang-email", "5-siakad.csv", now()));
    for record in &bulk {
        let judgement = says(record, &procedure, &from("siakad"), "permit");
        let account = &judgement.verdict.grant().unwrap().account;
        let expected = format!("{}@student.uin-malang.ac.id", record.applicant.identifier);
        assert_eq!(account.address.as_ref().map(|a| a.as_str()), Some(expected.as_str()));
    }
    let mut other = bulk[0].clone();
    for wish in
        ["rektor.baru@student.uin-malang.ac.id", "260401110011@x.student.uin-malang.ac.id", "a@uin-malang.ac.id"]
    {
        other.account.address = wish.parse().ok();
        says(&other, &procedure, &from("siakad"), "refuse | ");
    }
    let mut facts = from("siakad");
    facts.holder_has = vec!["260401110011@student.uin-malang.ac.id".into()];
    says(&bulk[0], &procedure, &facts, "conflict | Pemegang nomor identitas ini sudah memiliki akun (2…@student.");
}

#[test]
fn a_new_subdomain_may_be_asked_for_where_the_sop_has_it_and_nowhere_else() {
    for (name, wish, expected) in [
        ("uin-malang-email", "humas@pusat.baru.uin-malang.ac.id", "permit"),
        ("uin-malang-email", "humas@uin-malang.ac.id.example.com", "refuse | "),
        ("uin-malang-email", "humas@evil-uin-malang.ac.id", "refuse | "),
        ("uin-raden-intan-email", "humas@pusat.radenintan.ac.id", "refuse | "),
        ("unja-email", "humas@pusat.unja.ac.id", "refuse | "),
        ("lumajang-email", "humas@dinas.lumajangkab.go.id", "refuse | "),
    ] {
        let mut record = good(name);
        record.account.address = wish.parse().ok();
        let judgement = says(&record, &procedure(name), &from("local"), expected);
        if expected == "permit" {
            assert_eq!(judgement.verdict.grant().unwrap().account.address, record.account.address);
        }
    }
}

#[test]
fn all_six_categories_are_provisioned_at_jambi_and_the_temporary_ones_end() {
    let procedure = procedure("unja-email");
    for category in ["unit", "student-activity", "lecturer", "staff", "student", "event"] {
        let mut record = sample("unja-email", "2-event.toml", now());
        record.applicant.category = category.into();
        let of_a_person = matches!(category, "lecturer" | "staff" | "student");
        if of_a_person {
            let person = sample("unja-email", "1-lecturer.toml", now());
            (record.applicant, record.responsible) = (person.applicant, None);
            record.applicant.category = category.into();
        }
        if category == "student" {
            record.applicant.identifier = "E1E120001".into();
        }
        says(&record, &procedure, &from("local"), "permit");
        record.account.expires = None;
        let temporary = matches!(category, "event" | "student-activity");
        let expected = if temporary { "hold incomplete | Tanggal berakhir akun belum disebutkan." } else { "permit" };
        says(&record, &procedure, &from("local"), expected);
        if temporary {
            record.account.expires = Some(jiff::civil::date(2029, 1, 1));
            says(&record, &procedure, &from("local"), "refuse | Tanggal berakhir 1 Januari 2029 terlalu jauh");
        }
        if !of_a_person {
            // Nobody is left who could be told.
            record.responsible = None;
            record.account.expires = Some(jiff::civil::date(2027, 1, 15));
            assert!(
                said(&judged(&record, &procedure, &from("local"))).contains("Penanggung jawab akun belum disebutkan.")
            );
        }
    }
}

#[test]
fn jambi_changes_according_to_the_letter_of_change() {
    let procedure = procedure("unja-email");
    let before = judged(&good("unja-email"), &procedure, &from("local"));
    let account = before.verdict.grant().unwrap().account.clone();
    let facts = Facts { account: Some(account), account_state: Some("active".into()), ..from("local") };
    let mut record = good("unja-email");
    record.action = Action::Change;
    let address = "r.dewi@unja.ac.id".parse().ok();
    record.change = Some(akund::model::request::Change { address, ..Default::default() });
    let judgement = says(&record, &procedure, &facts, "permit");
    let account = &judgement.verdict.grant().unwrap().account;
    assert_eq!(account.address.as_ref().map(|a| a.as_str()), Some("r.dewi@unja.ac.id"));
    assert_eq!(account.aliases.len(), 1, "the old address stays as an alias");
    let last = judgement.plan.last().unwrap();
    assert_eq!(
        (last.detail.notice, last.lane.as_str()),
        (Some(NoticeKind::Changed), "email"),
        "no password: not by SMS"
    );
    record.documents.clear();
    says(&record, &procedure, &facts, "hold incomplete | Formulir permohonan belum disertakan");
}

#[test]
fn raden_intan_looks_by_address_by_holder_and_by_unit() {
    let procedure = procedure("uin-raden-intan-email");
    let record = good("uin-raden-intan-email");
    let unit = Facts { unit_has: vec!["pustaka@radenintan.ac.id".into()], ..from("local") };
    let judgement =
        says(&record, &procedure, &unit, "conflict | Perpustakaan Pusat sudah memiliki akun (p…@radenintan.");
    let looked: Vec<(&str, bool, Option<&str>)> = judgement
        .checklist
        .iter()
        .filter(|c| c.requirement.contains("no account yet"))
        .map(|c| (c.requirement.as_str(), c.met, c.sop.as_deref()))
        .collect();
    assert_eq!(looked, [("holder has no account yet", true, Some("4")), ("unit has no account yet", false, Some("4"))]);
    let holder = Facts { holder_has: vec!["pustaka@radenintan.ac.id".into()], ..from("local") };
    says(&record, &procedure, &holder, "conflict | Pemegang nomor identitas ini sudah memiliki akun");
    assert_eq!(akund::procedure::unit_to_look_up(&record, &procedure), Some("Perpustakaan Pusat"));
    for (other, _) in FIVE.into_iter().filter(|(name, _)| *name != "uin-raden-intan-email") {
        assert_eq!(
            akund::procedure::unit_to_look_up(&good(other), &crate::requests::procedure(other)),
            None,
            "{other}"
        );
    }
}

#[test]
fn at_lumajang_head_or_secretary_or_who_acts_for_them_may_begin_the_order() {
    let procedure = procedure("lumajang-email");
    for (role, expected) in
        [("head", "permit"), ("secretary", "permit"), ("acting-head", "permit"), ("acting-kabid", "hold incomplete")]
    {
        let mut record = good("lumajang-email");
        record.approvals[0].role = role.into();
        says(&record, &procedure, &from("local"), expected);
    }
    let mut record = good("lumajang-email");
    record.responsible = None;
    says(&record, &procedure, &from("local"), "hold incomplete | ");
}

#[test]
fn credentials_go_to_whom_the_sop_names_and_never_into_the_account_itself() {
    for (name, _) in FIVE {
        let mut record = good(name);
        let Some(own) = record.account.address.clone() else { continue };
        record.applicant.email = Some(own);
        says(&record, &procedure(name), &from("local"), "refuse | ");
    }
}
