//! `check` of a Workspace account: looks, and changes nothing.

use super::answer::{Kind, Missing};
use super::api::{self, Api, Failure};
use super::{LONGEST_BATCH, Workspace};
use crate::model::{Finding, said};
use std::collections::BTreeSet;
use tokio::time::Instant;

impl Workspace {
    pub(super) async fn look_over(&self) -> Vec<Finding> {
        let until = Instant::now() + LONGEST_BATCH;
        let mut findings = Vec::new();
        let mut scopes = vec![api::USERS];
        if !self.layout.groups.is_empty() {
            scopes.push(api::MEMBERS);
        }
        let units: BTreeSet<&str> = self.layout.org_units().filter(|path| *path != "/").collect();
        if !units.is_empty() {
            scopes.push(api::ORG_UNITS);
        }
        let everything = self.api.with_scope(&scopes.join(" "));
        if !self.delegation(&everything, &scopes, &mut findings).await {
            return findings;
        }
        findings.push(self.administrator(&everything, until).await);
        for domain in &self.layout.domains {
            findings.push(match everything.has_domain(domain, until).await {
                Ok(()) => Ok(format!("the mail domain {domain} is this Workspace account's")),
                Err(failure) => Err(said_of(
                    failure,
                    &format!("the mail domain {domain} is not this Workspace account's, or not to be seen"),
                )),
            });
        }
        for path in units {
            findings.push(match everything.org_unit(path, until).await {
                Ok(()) => Ok(format!("the organisational unit {path} is there")),
                Err(failure) => {
                    Err(said_of(failure, &format!("the organisational unit {path} is not there, or not to be seen")))
                }
            });
        }
        findings.push(Ok(
            "Google ends no account by itself: one with a last day needs a request to suspend or remove it then".into(),
        ));
        let groups: BTreeSet<&str> = self.layout.groups.iter().map(|group| group.email.as_str()).collect();
        for group in groups {
            findings.push(match everything.is_group(group, until).await {
                Ok(true) => Ok(format!("the group {group} is there")),
                Ok(false) => Err(format!("the group {group} is not there")),
                Err(failure) => Err(said_of(failure, &format!("the group {group} is not to be seen"))),
            });
        }
        findings
    }

    /// Whether there is a token for everything; where there is none, which of the scopes it lacks.
    async fn delegation(&self, everything: &Api, scopes: &[&str], findings: &mut Vec<Finding>) -> bool {
        let tokens = &self.api.tokens;
        let subject = said::masked(tokens.subject());
        let fault = match tokens.get(&everything.http, &scopes.join(" ")).await {
            Ok(_) => {
                findings.push(Ok(format!(
                    "Google lets the service account {} act as {subject}, with the scopes {}",
                    tokens.account().email,
                    scopes.join(", ")
                )));
                return true;
            }
            Err(fault) => fault,
        };
        let mut lacking = Vec::new();
        if scopes.len() > 1 {
            for scope in scopes {
                if tokens.get(&everything.http, scope).await.is_err() {
                    lacking.push(*scope);
                }
            }
        }
        let some = !lacking.is_empty() && lacking.len() < scopes.len();
        findings.push(Err(if some {
            format!("the delegation lacks the scope {}: {}", lacking.join(" and "), fault.message)
        } else {
            fault.message
        }));
        false
    }

    /// Whether the administrator may make accounts, as far as that is to be seen.
    async fn administrator(&self, everything: &Api, until: Instant) -> Finding {
        let subject = self.api.tokens.subject();
        let who = said::masked(subject);
        match everything.user(subject, until).await {
            Ok(Some(user)) if user.suspended => Err(format!("the administrator {who} (subject) is suspended")),
            Ok(Some(user)) if user.is_admin => Ok(format!("{who} is a super administrator")),
            Ok(Some(user)) if user.is_delegated_admin => Ok(format!(
                "{who} is a delegated administrator: Google's description says that these cannot create or undelete users. Whether \
                 its role may is not to be seen without writing: the first account will show it"
            )),
            Ok(Some(_)) => Err(format!("{who} (subject) is no administrator: accounts can't be made as it")),
            Ok(None) => Err(format!("{who} (subject) is no user of this Workspace account")),
            Err(failure) => Err(said_of(failure, "the users cannot be read")),
        }
    }
}

fn said_of(failure: Failure, what: &str) -> String {
    match failure.kind() {
        Some(Kind::Missing(Missing::Domain | Missing::OrgUnit | Missing::Group)) => what.to_owned(),
        _ => failure.fault(what).message,
    }
}
