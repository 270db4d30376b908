//! `check` of a directory: looks, and changes nothing.

use super::connection::Session;
use super::entry::Entry;
use super::name::{Attribute, Dn};
use super::schema::Schema;
use super::transaction::{Through, Use, Why};
use super::{Directory, server};
use crate::config::target::ldap::{LdapServer, LdapSuspend};
use crate::model::{Fault, Finding};
use ldap3::Scope;

/// Whether an attribute, its options aside, has this name.
fn is_bare(attribute: &str, name: &str) -> bool {
    attribute.split(';').next().is_some_and(|bare| bare.eq_ignore_ascii_case(name))
}

const ROOT_DSE: [&str; 9] = [
    "objectClass",
    "vendorName",
    "vendorVersion",
    "namingContexts",
    "subschemaSubentry",
    "supportedExtension",
    "supportedControl",
    "supportedCapabilities",
    "supportedLDAPVersion",
];

impl Directory {
    pub(super) async fn look_over(&self) -> Vec<Finding> {
        let place = self.dialer.place();
        // Once without a log-in, so that it is plain which of the two fails.
        let mut findings = match self.dialer.connect().await {
            Ok(_) => vec![Ok(format!("{place} answers, protected {}", self.dialer.protected()))],
            Err(fault) => return vec![Err(fault.message)],
        };
        match self.dialer.open().await {
            Ok(session) => {
                findings.push(Ok(format!("{place} lets akund in as {}", self.dialer.bound_as())));
                let looked = self.look_inside(session, &mut findings).await;
                findings.extend(looked.err().map(|fault| Err(fault.message)));
            }
            Err(fault) => findings.push(Err(fault.message)),
        }
        findings
    }

    async fn look_inside(&self, mut session: Session, findings: &mut Vec<Finding>) -> Result<(), Fault> {
        let Some(root) = session.entry("", &ROOT_DSE).await? else {
            findings.push(Err("the server does not show its root DSE, by which akund knows what it offers".into()));
            return Ok(());
        };
        findings.push(self.is_the_one_configured(&root));
        findings.push(Ok(self.batches(&mut session, &root).await));
        for (what, dn) in [("base", &self.layout.base), ("search_base", &self.layout.search_base)] {
            let there = session.entry(dn.as_str(), &["1.1"]).await?.is_some();
            findings.push(if there {
                Ok(format!("{what} {dn} is there"))
            } else {
                Err(format!("{what} {dn} is not there, or akund's bind_dn may not see it"))
            });
        }
        for group in &self.layout.groups {
            if session.entry(group.dn.as_str(), &["1.1"]).await?.is_none() {
                findings.push(Err(format!("the group {} is not there, or akund's bind_dn may not see it", group.dn)));
            }
        }
        self.schema(&mut session, &root, findings).await?;
        self.locks(&mut session, &root, findings).await?;
        self.rights(&mut session, &root, findings).await?;
        findings.push(Ok(self.searched_by()));
        if !self.layout.writes_ends() {
            findings.push(Ok("no account ends here by itself: no template has {ends_at} or one of its kind".into()));
        }
        Ok(())
    }

    /// Which attributes a server that keeps indexes by hand must have one of.
    fn searched_by(&self) -> String {
        let own = [self.layout.marker.as_str(), server::id_attribute(self.layout.server)];
        let mut names: Vec<&str> = own.into_iter().chain(self.layout.naming().map(Attribute::as_str)).collect();
        let mut seen = std::collections::BTreeSet::new();
        names.retain(|name| seen.insert(name.to_lowercase()));
        format!(
            "entries are looked for by {}: each needs an equality index, or each search reads every entry",
            names.join(", ")
        )
    }

    fn is_the_one_configured(&self, root: &Entry) -> Finding {
        let offers =
            |attribute: &'static str, value: &str| root.texts(&Attribute::known(attribute)).any(|v| v == value);
        let vendor = root.text("vendorName").unwrap_or_default();
        let found = if offers("supportedCapabilities", server::ACTIVE_DIRECTORY) {
            Some((LdapServer::ActiveDirectory, "active-directory"))
        } else if vendor.starts_with("389 ") {
            Some((LdapServer::Ds389, "389ds"))
        } else if offers("objectClass", "OpenLDAProotDSE") {
            Some((LdapServer::OpenLdap, "openldap"))
        } else {
            None
        };
        let version = root.text("vendorVersion").unwrap_or("version not told");
        match found {
            Some((kind, word)) if kind == self.layout.server => Ok(format!("the server is {word}, {version}")),
            Some((_, word)) => {
                Err(format!("the server is {word} ({version}), and server = says otherwise: set server = \"{word}\""))
            }
            None => {
                Ok(format!("the server does not say what it is ({vendor} {version}); it is treated as server = says"))
            }
        }
    }

    async fn schema(&self, session: &mut Session, root: &Entry, findings: &mut Vec<Finding>) -> Result<(), Fault> {
        let place = root.text("subschemaSubentry").unwrap_or("cn=Subschema").to_owned();
        let entry = session.entry(&place, &["attributeTypes", "objectClasses"]).await?;
        let read = entry.map(|e| {
            let (types, classes) = (Attribute::known("attributeTypes"), Attribute::known("objectClasses"));
            Schema::of(e.texts(&types), e.texts(&classes))
        });
        let Some(schema) = read.filter(|schema| !schema.is_empty()) else {
            findings.push(Err(format!(
                "the server's schema ({place}) cannot be read, so that attributes cannot be checked"
            )));
            return Ok(());
        };
        let wrong = self.schema_problems(&schema);
        if wrong.is_empty() {
            findings.push(Ok("the server knows the object classes and attributes, and they go together".into()));
        }
        findings.extend(wrong.into_iter().map(Err));
        Ok(())
    }

    fn schema_problems(&self, schema: &Schema) -> Vec<String> {
        let classes = &self.layout.object_classes;
        let mut wrong: Vec<String> = classes
            .iter()
            .filter(|class| !schema.knows_class(class))
            .map(|class| format!("the server does not know the object class {class}"))
            .collect();
        let marker = &self.layout.marker;
        // Active Directory fills in what it requires, and does not show the auxiliary classes of its classes.
        let by_ad = self.layout.server == LdapServer::ActiveDirectory;
        for attribute in self.layout.filled_in().chain([marker]).map(Attribute::as_str) {
            if !schema.knows_attribute(attribute) {
                wrong.push(format!("the server does not know the attribute {attribute}"));
            } else if let Some(shown) = schema.shown_as(attribute).filter(|shown| !is_bare(attribute, shown)) {
                wrong.push(format!(
                    "{attribute} is another name of {shown}, by which the server shows it; write {shown}"
                ));
            } else if wrong.is_empty() && !by_ad && !schema.allows(classes, attribute) {
                wrong.push(format!("entries of {} may not have the attribute {attribute}", classes.join(", ")));
            }
        }
        if wrong.is_empty() && !by_ad {
            let password = server::password_attribute(self.layout.server);
            let given = self.layout.filled_in().chain([marker, &password]).map(Attribute::as_str);
            let missing = schema.missing(classes, given);
            if !missing.is_empty() {
                wrong.push(format!(
                    "entries of {} must have {}: give it a template",
                    classes.join(", "),
                    missing.join(", ")
                ));
            }
        }
        wrong
    }

    async fn locks(&self, session: &mut Session, root: &Entry, findings: &mut Vec<Finding>) -> Result<(), Fault> {
        if self.layout.server == LdapServer::Ds389 && self.layout.must_change {
            findings.push(Ok(
                "that passwords must be changed counts only where its policy has passwordMustChange: on, which is not \
                              to be seen"
                    .into(),
            ));
        }
        if self.layout.server != LdapServer::OpenLdap
            || (self.layout.suspend == LdapSuspend::Password && !self.layout.must_change)
        {
            return Ok(());
        }
        let offered = root.texts(&Attribute::known("supportedControl")).any(|oid| oid == server::PASSWORD_POLICY);
        if !offered {
            findings.push(Err("the server has no password policy overlay, without which accounts can be neither suspended nor made to \
                               change their passwords: load ppolicy, or set suspend = \"password\" and must_change = false"
                .into()));
            return Ok(());
        }
        let policies = self.policies(session).await?;
        let open: Vec<&str> = policies.iter().filter(|(_, lockout)| !lockout).map(|(dn, _)| dn.as_str()).collect();
        findings.push(match (policies.is_empty(), open.is_empty()) {
            (true, _) => Ok("the server has the password policy overlay; its policies are not to be seen: a suspension counts only \
                             where the policy has pwdLockout: TRUE"
                .into()),
            (false, true) => Ok("the server has the password policy overlay, with pwdLockout: TRUE".into()),
            (false, false) => Err(format!("pwdLockout is not TRUE in {}, so that a suspended account could log in", open.join(" and "))),
        });
        Ok(())
    }

    /// Password policies that akund sees, and whether they lock.
    pub(super) async fn policies(&self, session: &mut Session) -> Result<Vec<(Dn, bool)>, Fault> {
        let filter = super::name::Filter::equal(&Attribute::known("objectClass"), b"pwdPolicy");
        let found =
            session.search(self.layout.search_base.as_str(), Scope::Subtree, filter.as_str(), &["pwdLockout"]).await?;
        Ok(found.into_iter().map(|e| (e.dn.clone(), e.text("pwdLockout") == Some("TRUE"))).collect())
    }

    async fn batches(&self, session: &mut Session, root: &Entry) -> String {
        let used = Use::on(session, root, self.transactions, &self.layout.base).await;
        match used {
            Use::Together(Through::Shown(_)) => "new accounts of a batch go in one transaction, as configured",
            Use::Together(Through::Assumed) => {
                "new accounts of a batch go in one transaction, as configured. slapd can crash where that ends too soon: let akund read \
                 cn=Connections,cn=Monitor (integration/openldap/akund.conf), or leave out transactions"
            }
            Use::Singly(Why::NotOffered) => {
                "the server offers no transactions (RFC 5805): entries are written one by one, many at a time"
            }
            Use::Singly(Why::NotAskedFor) => "entries are written one by one, many at a time (without transactions)",
            Use::Singly(Why::Logged) => {
                "the server logs what is written (overlay accesslog), which together with transactions can make it stand still for good: \
                 entries are written one by one, many at a time"
            }
            Use::Singly(Why::LogNotShown) => {
                "the server does not let akund see entryUUID and auditContext of its suffix, so that it may be one that logs what is \
                 written (overlay accesslog), with which transactions are not safe: entries are written one by one, many at a time"
            }
        }
        .into()
    }
}
