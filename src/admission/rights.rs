//! What a source and a signature may ask for. Pure.

use crate::config::SourceConfig;
use crate::intake::signature::VerifiedSigner;
use crate::model::{Action, Record};

/// The approving roles of a record that the key which signed its file holds.
pub fn signed_as(signer: Option<&VerifiedSigner>, record: &Record) -> Vec<String> {
    let Some(signer) = signer else { return Vec::new() };
    let mut roles: Vec<String> = record.approvals.iter().map(|approval| approval.role.clone()).collect();
    roles.sort_unstable();
    roles.dedup();
    roles.retain(|role| signer.holds(role, &record.key.procedure));
    roles
}

/// What a source may not ask for with such a signature, a sentence each; empty: it may.
pub fn not_permitted(source: &SourceConfig, signer: Option<&VerifiedSigner>, record: &Record) -> Vec<String> {
    let mut reasons = rights(source, record);
    if let Some(signer) = signer {
        let roles: Vec<&str> = record.approvals.iter().map(|approval| approval.role.as_str()).collect();
        if !roles.iter().any(|role| signer.holds(role, &record.key.procedure)) {
            reasons.push(format!(
                "it is signed by key {}, which may not sign as {}",
                signer.key_fingerprint,
                if roles.is_empty() { "anybody: the record names no approval".to_owned() } else { roles.join(" or ") }
            ));
        }
    }
    reasons
}

/// What a source may not ask for.
fn rights(source: &SourceConfig, record: &Record) -> Vec<String> {
    let mut reasons = Vec::new();
    let allowed = |list: &[String], value: &str| list.is_empty() || list.iter().any(|one| one == value);
    if !allowed(&source.procedures, &record.key.procedure) {
        reasons.push(format!("source {} may not use the procedure {}", source.name, record.key.procedure));
    }
    if !allowed(&source.categories, &record.applicant.category) {
        reasons.push(format!("source {} may not ask for the category {}", source.name, record.applicant.category));
    }
    let may_act = match source.actions.as_slice() {
        [] => record.action == Action::Create,
        some => some.contains(&record.action),
    };
    if !may_act {
        reasons.push(format!("source {} may not ask for {}", source.name, record.action.as_str()));
    }
    reasons
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Person, RequestKey};

    fn source() -> SourceConfig {
        SourceConfig {
            name: "siakad".into(),
            procedures: vec!["p".into()],
            categories: vec!["student".into()],
            ..SourceConfig::default()
        }
    }

    fn record(procedure: &str, category: &str, action: Action) -> Record {
        Record {
            key: RequestKey { procedure: procedure.into(), id: "1".into(), revision: 1 },
            action,
            applicant: Person { category: category.into(), ..Person::default() },
            responsible: None,
            account: crate::model::request::WantedAccount::default(),
            change: None,
            documents: Vec::new(),
            approvals: Vec::new(),
        }
    }

    #[test]
    fn a_source_may_ask_only_for_what_the_configuration_lists() {
        assert_eq!(rights(&source(), &record("p", "student", Action::Create)), Vec::<String>::new());
        assert_eq!(rights(&source(), &record("q", "unit", Action::Remove)).len(), 3);
    }
}
