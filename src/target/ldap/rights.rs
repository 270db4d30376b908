//! Whether akund may write accounts: asked of the server without anything being changed. Each tells it in another way.
//!
//! - OpenLDAP: an account is added whose name is longer than any that its database takes. Of an entry of akund's that is there, values
//!   are deleted which it does not have. slapd looks at rights before it looks at either. Both bear the No-Op control, too, but it is
//!   never by that that nothing is written: slapd does not survive an entry that is only tried ([`super::familiar`]).
//! - 389 Directory Server: the rights that it says akund has on an entry which it makes up for the question.
//! - Active Directory: `allowedChildClassesEffective` and `allowedAttributesEffective` ([MS-ADTS] 3.1.1.4.5).

use super::connection::{Session, said};
use super::entry::Entry;
use super::layout::{Group, Layout};
use super::name::{Attribute, Dn, Filter, Rdn};
use super::operation::{Change, Operation, Value};
use super::world::World;
use super::{Directory, fault, plan, server};
use crate::config::target::ldap::{LdapServer, LdapSuspend};
use crate::model::{Account, AccountUid, Action, Address, Fault, Finding, Scheme, StepId, Username};
use crate::secret::hash;
use crate::target::{Target, Work};
use ldap3::controls::RawControl;
use ldap3::exop::WhoAmI;
use uuid::Uuid;

/// Among how many entries with the attribute of akund's mark one is sought that has the mark.
const MOST_LOOKED_AT: i32 = 100;
/// Characters. Where a page has 4 kB, a name and its normalised form must fit into one together (mdb, `dn2id`).
const TOO_LONG: usize = 4000;
/// What slapd says where its database does not take a name: "other", without a word.
const NOT_TAKEN: u32 = 80;

/// What a server told of akund's rights below the base.
#[derive(Debug, PartialEq, Eq)]
struct Rights {
    /// Whether it may add an account; else what keeps it from that, or why that is not to be seen.
    add: Result<(), Shut>,
    /// Attributes of accounts that it may not write.
    not_written: Vec<String>,
    /// Groups whose members it may not write.
    shut_groups: Vec<String>,
    /// There is no account of akund's yet, at which its rights to write it would be seen.
    no_account_yet: bool,
}

#[derive(Debug, PartialEq, Eq)]
enum Shut {
    /// In the server's words, if it has some.
    Refused(Option<String>),
    NotSeen(String),
}

impl Default for Rights {
    fn default() -> Self {
        Self { add: Ok(()), not_written: Vec::new(), shut_groups: Vec::new(), no_account_yet: false }
    }
}

impl Directory {
    pub(super) async fn rights(
        &self,
        session: &mut Session,
        root: &Entry,
        findings: &mut Vec<Finding>,
    ) -> Result<(), Fault> {
        let is_slapd = root.texts(&Attribute::known("objectClass")).any(|class| class == "OpenLDAProotDSE");
        let rights = match self.layout.server {
            LdapServer::OpenLdap if is_slapd => self.tried(session).await?,
            LdapServer::OpenLdap => not_seen("the server is none that akund knows how to ask"),
            LdapServer::Ds389 => self.told_by_389(session).await?,
            LdapServer::ActiveDirectory => self.told_by_active_directory(session).await?,
        };
        findings.extend(self.findings(rights));
        Ok(())
    }

    fn findings(&self, rights: Rights) -> Vec<Finding> {
        let base = &self.layout.base;
        let mut findings = vec![match rights.add {
            Ok(()) => Ok(format!("akund may add accounts under {base}")),
            Err(Shut::Refused(said)) => {
                let said = said.map(|said| format!(": {said}")).unwrap_or_default();
                Err(format!("akund's bind_dn may not add accounts under {base}{said}"))
            }
            Err(Shut::NotSeen(why)) => Ok(format!(
                "whether akund's bind_dn may write under {base} is not to be seen without writing ({why}): the first account will show it"
            )),
        }];
        if rights.no_account_yet {
            findings.push(Ok(
                "whether akund may change, reset and suspend accounts is seen at one of its own, and none is there yet: check again \
                 after the first; the right to delete one shows only when one is removed"
                    .into(),
            ));
        }
        if !rights.not_written.is_empty() {
            let names = rights.not_written.join(", ");
            findings.push(Err(format!("akund's bind_dn may not write {names} of the accounts under {base}")));
        }
        findings.extend(rights.shut_groups.iter().map(|group| Err(format!("akund's bind_dn may not write {group}"))));
        findings
    }

    /// What slapd says to writing that changes nothing.
    async fn tried(&self, session: &mut Session) -> Result<Rights, Fault> {
        let work = sample(self.schemes())?;
        let add = plan::decide(&work, &World::default(), &self.layout)?.operations.into_iter().next();
        let Some(add) = add.and_then(|add| named_too_long(add, &self.layout)) else {
            return Ok(not_seen("nothing would be added"));
        };
        let answer = session.carry_out(&add, Some(no_op())).await.map_err(|lost| fault::unanswered(&add, &lost))?;
        let mut rights = Rights { add: of_added(answer.rc, &answer.text, said(&answer)), ..Rights::default() };
        for group in &self.layout.groups {
            let nobody = Value::text(format!("cn=akund-asks-{},{}", Uuid::new_v4(), self.layout.base));
            if may_not_delete(session, &group.dn, group.attribute.clone(), nobody).await? {
                rights.shut_groups.push(members(group));
            }
        }
        let marker = &self.layout.marker;
        let found = session
            .some(MOST_LOOKED_AT, self.layout.base.as_str(), &Filter::present(marker), &[marker.as_str()])
            .await?;
        let Some(own) = found.into_iter().find(|entry| entry.uid(marker).is_some()) else {
            rights.no_account_yet = true;
            return Ok(rights);
        };
        for (attribute, value) in written(&self.layout) {
            let name = attribute.as_str().to_owned();
            if may_not_delete(session, &own.dn, attribute, value).await? {
                rights.not_written.push(name);
            }
        }
        Ok(rights)
    }

    async fn told_by_389(&self, session: &mut Session) -> Result<Rights, Fault> {
        let Some(class) = self.layout.object_classes.first() else { return Ok(not_seen("it has no object class")) };
        let whom = session.extended(WhoAmI.into()).await.ok().and_then(|(answer, _)| answer.val);
        let Some(whom) = whom else { return Ok(not_seen("the server does not say who akund is to it")) };
        let of_akund = || RawControl { ctype: server::EFFECTIVE_RIGHTS.into(), crit: true, val: Some(whom.clone()) };
        let rdn = self.layout.rdn_attribute().as_str();
        let asked: Vec<String> =
            written(&self.layout).iter().map(|(name, _)| format!("{}@{class}:{rdn}", name.as_str())).collect();
        let asked: Vec<&str> = asked.iter().map(String::as_str).collect();
        let mut rights = match session.entry_with(of_akund(), self.layout.base.as_str(), &asked).await {
            Ok(found) => of_389(&found, &self.layout.base),
            // Who may ask is for the server to say.
            Err(fault) => return Ok(not_seen(&fault.message)),
        };
        for group in &self.layout.groups {
            let found = session.entry_with(of_akund(), group.dn.as_str(), &[group.attribute.as_str()]).await?;
            if found.iter().any(|entry| !without_write(entry).is_empty()) {
                rights.shut_groups.push(members(group));
            }
        }
        Ok(rights)
    }

    async fn told_by_active_directory(&self, session: &mut Session) -> Result<Rights, Fault> {
        let attribute = Attribute::known("allowedChildClassesEffective");
        let entry = session.entry(self.layout.base.as_str(), &[attribute.as_str()]).await?;
        let may = entry.is_some_and(|e| e.texts(&attribute).any(|class| class == "user"));
        let mut rights = Rights { add: if may { Ok(()) } else { Err(Shut::Refused(None)) }, ..Rights::default() };
        let effective = Attribute::known("allowedAttributesEffective");
        for group in &self.layout.groups {
            let entry = session.entry(group.dn.as_str(), &[effective.as_str()]).await?;
            let written = group.attribute.as_str();
            if entry.is_some_and(|e| !e.texts(&effective).any(|name| name.eq_ignore_ascii_case(written))) {
                rights.shut_groups.push(members(group));
            }
        }
        Ok(rights)
    }
}

fn not_seen(why: &str) -> Rights {
    Rights { add: Err(Shut::NotSeen(why.to_owned())), ..Rights::default() }
}

fn members(group: &Group) -> String {
    format!("{} of {}", group.attribute.as_str(), group.dn)
}

fn no_op() -> RawControl {
    RawControl { ctype: server::NO_OP.into(), crit: true, val: None }
}

/// Whether slapd refuses, for want of rights, to delete a value that is not there.
async fn may_not_delete(session: &mut Session, dn: &Dn, attribute: Attribute, value: Value) -> Result<bool, Fault> {
    let change = Operation::Modify { dn: dn.clone(), changes: vec![Change::Delete(attribute, vec![value])] };
    let answer = session.carry_out(&change, Some(no_op())).await.map_err(|lost| fault::unanswered(&change, &lost))?;
    Ok(answer.rc == fault::NO_RIGHTS)
}

/// The same new entry, with a name that no database takes.
fn named_too_long(add: Operation, layout: &Layout) -> Option<Operation> {
    let Operation::Add { mut attributes, .. } = add else { return None };
    let rdn = Rdn { attribute: layout.rdn_attribute().clone(), value: "a".repeat(TOO_LONG) };
    attributes.retain(|(name, _)| name.key() != rdn.attribute.key());
    attributes.push((rdn.attribute.clone(), vec![Value::text(rdn.value.as_str())]));
    Some(Operation::Add { dn: layout.base.child(&rdn), attributes })
}

/// What slapd's answer to the try says; `text` is its own word.
fn of_added(rc: u32, text: &str, said: String) -> Result<(), Shut> {
    match rc {
        server::NO_OPERATION => Ok(()),
        NOT_TAKEN if text.is_empty() => Ok(()),
        // A referral (it keeps a copy only), too weak a connection, no rights, read only.
        10 | 8 | 13 | fault::NO_RIGHTS | 53 => Err(Shut::Refused(Some(said))),
        _ => Err(Shut::NotSeen(said)),
    }
}

/// What 389 shows of the base and of the entry that it has made up below it.
fn of_389(found: &[Entry], base: &Dn) -> Rights {
    let entry_level = Attribute::known("entryLevelRights");
    let made_up: Vec<&Entry> = found.iter().filter(|entry| entry.dn.key() != base.key()).collect();
    let told: Vec<&str> = made_up.iter().flat_map(|entry| entry.texts(&entry_level)).collect();
    if told.is_empty() {
        return not_seen("the server says nothing of akund's rights");
    }
    let may_add = told.iter().all(|rights| rights.contains('a'));
    let not_written = made_up.iter().flat_map(|entry| without_write(entry)).collect();
    Rights { add: if may_add { Ok(()) } else { Err(Shut::Refused(None)) }, not_written, ..Rights::default() }
}

/// Attributes of an entry that 389 says akund may not write.
fn without_write(entry: &Entry) -> Vec<String> {
    entry
        .texts(&Attribute::known("attributeLevelRights"))
        .flat_map(|rights| rights.split(", "))
        .filter_map(|right| right.rsplit_once(':'))
        .filter(|(_, rights)| !rights.contains('w'))
        .map(|(name, _)| name.to_owned())
        .collect()
}

/// The attributes that akund writes of an account, each with a value that no account has.
fn written(layout: &Layout) -> Vec<(Attribute, Value)> {
    let nobodys = Value::text(format!("akund-asks-{}", Uuid::new_v4()));
    let password = server::password_attribute(layout.server);
    let mut written: Vec<(Attribute, Value)> =
        layout.filled_in().chain([&layout.marker, &password]).map(|name| (name.clone(), nobodys.clone())).collect();
    if layout.suspend == LdapSuspend::Lock {
        written.push((server::lock_attribute(layout.server), Value::text("19700101000000Z")));
    }
    if layout.must_change {
        let (name, value) = server::must_change(layout.server);
        written.push((Attribute::known(name), Value::text(value)));
    }
    let mut seen = std::collections::BTreeSet::new();
    written.retain(|(name, _)| seen.insert(name.key()));
    written
}

/// An account that nobody has asked for.
fn sample(schemes: &[Scheme]) -> Result<Work, Fault> {
    let uid = Uuid::now_v7();
    let name = format!("akund-check-{}", uid.simple());
    let internal = |_| Fault::permanent("a sample of an account cannot be made");
    let username = Username::read(name.get(..32).unwrap_or(&name)).map_err(internal)?;
    let address = Address::read(&format!("{username}@example.org")).map_err(internal)?;
    let mut account = Account::bare(AccountUid(uid), username);
    for name in [&mut account.name, &mut account.given_name, &mut account.family_name] {
        *name = "akund".into();
    }
    account.address = Some(address);
    Ok(Work {
        step: StepId(0),
        action: Action::Create,
        account,
        external_id: None,
        credential: Some(hash::new_credential(schemes)?),
        uncertain: false,
        adopted: None,
    })
}

#[cfg(test)]
mod tests {
    use super::super::entry::entry;
    use super::*;

    #[test]
    fn what_slapd_would_have_done_it_lets() {
        assert_eq!(of_added(server::NO_OPERATION, "", String::new()), Ok(()));
        assert_eq!(of_added(NOT_TAKEN, "", "80".into()), Ok(()));
        for rc in [8, 10, 13, 50, 53] {
            assert!(matches!(of_added(rc, "", "said".into()), Err(Shut::Refused(Some(_)))), "{rc}");
        }
        // It is no question of rights whether the sample is one that the server would take.
        for rc in [12, 19, 65, 80] {
            assert!(matches!(of_added(rc, "internal error", "said".into()), Err(Shut::NotSeen(_))), "{rc}");
        }
    }

    #[test]
    fn of_389_only_the_made_up_entry_counts() {
        let base = Dn::parse("ou=people,dc=example,dc=org").unwrap();
        let made_up = "uid=template_inetOrgPerson_objectclass,ou=people,dc=example,dc=org";
        let own = entry(base.as_str(), &[("entryLevelRights", &["v"]), ("attributeLevelRights", &["mail:rsc"])]);
        let may = entry(
            made_up,
            &[("entryLevelRights", &["vadn"]), ("attributeLevelRights", &["mail:rscwo, userPassword:rscwo"])],
        );
        let may_not = entry(
            made_up,
            &[("entryLevelRights", &["v"]), ("attributeLevelRights", &["mail:rscwo, userPassword:rsc"])],
        );
        assert_eq!(of_389(&[own.clone(), may], &base), Rights::default());
        assert_eq!(
            of_389(&[own.clone(), may_not], &base),
            Rights { add: Err(Shut::Refused(None)), not_written: vec!["userPassword".into()], ..Rights::default() }
        );
        assert!(matches!(of_389(&[own], &base).add, Err(Shut::NotSeen(_))));
    }
}
