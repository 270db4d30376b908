//! The configuration, read: what an account looks like as an entry. Pure.

use super::entry::Entry;
use super::name::{Attribute, Dn, Filter, Rdn};
use super::operation::Value;
use super::server;
use super::template::{Names, Template};
use crate::config::target::ldap::{LdapConfig, LdapPassword, LdapServer, LdapSuspend};
use crate::model::{Account, Fault, Secret};
use crate::target::Work;
use std::collections::BTreeSet;

/// How accounts are laid out in one directory.
#[derive(Debug)]
pub struct Layout {
    /// The target's name, which is part of its mark.
    pub target: String,
    /// What answers there.
    pub server: LdapServer,
    /// Under which accounts are made.
    pub base: Dn,
    /// Under which they are looked for.
    pub search_base: Dn,
    /// Object classes of a new entry.
    pub object_classes: Vec<String>,
    /// The attribute with akund's mark.
    pub marker: Attribute,
    /// How the password is stored.
    pub stored: LdapPassword,
    /// How log-in is stopped.
    pub suspend: LdapSuspend,
    /// Whether a password handed out must be changed.
    pub must_change: bool,
    /// Groups that accounts are put into.
    pub groups: Vec<Group>,
    rdn: (Attribute, Template),
    attributes: Vec<(Attribute, Vec<Template>)>,
    /// In which a user name counts as taken.
    user_names: Vec<Attribute>,
    /// In which an address counts as taken.
    addresses: Vec<Attribute>,
}

/// A group that accounts are put into.
#[derive(Debug)]
pub struct Group {
    /// Its name.
    pub dn: Dn,
    /// Where it lists its members.
    pub attribute: Attribute,
    /// Only accounts for which the request names this group.
    pub only: Option<String>,
}

impl Layout {
    /// Reads the configuration.
    ///
    /// # Errors
    /// Everything that is wrong with it: the key that it is about, and a sentence.
    pub fn read(config: &LdapConfig) -> Result<Self, Vec<(&'static str, String)>> {
        let mut wrong = Vec::new();
        let base = noted("base", Dn::parse(&config.base), &mut wrong);
        let search_base = config.search_base.as_ref().map(|s| noted("search_base", Dn::parse(s), &mut wrong));
        let server = config.server;
        let marker = noted("marker", attribute(config.marker_attribute(), server), &mut wrong);
        let rdn = noted("rdn", rdn(config.entry_name(), server), &mut wrong);
        let attributes: Vec<_> = config
            .attributes
            .iter()
            .filter_map(|(name, texts)| noted("attributes", templates(name, &texts.0, server), &mut wrong))
            .collect();
        let unique: Vec<_> =
            config.unique.iter().filter_map(|name| noted("unique", attribute(name, server), &mut wrong)).collect();
        let groups: Vec<_> =
            config.groups.iter().filter_map(|g| noted("groups", group(g, server), &mut wrong)).collect();
        let Some((base, marker, rdn)) = base.zip(marker).zip(rdn).map(|((b, m), r)| (b, m, r)) else {
            return Err(wrong);
        };
        let own = [marker.key(), "objectclass".into(), server::password_attribute(config.server).key()];
        if let Some((name, _)) = attributes.iter().find(|(name, _)| own.contains(&name.key())) {
            wrong.push(("attributes", format!("{} is akund's to fill in: it has a key of its own", name.as_str())));
        }
        if !wrong.is_empty() {
            return Err(wrong);
        }
        let named = |kind: Names| {
            let in_templates = attributes.iter().filter(|(_, t)| t.iter().any(|t| t.names() == Some(kind)));
            let mut found: Vec<Attribute> = in_templates.map(|(name, _)| name.clone()).collect();
            found.extend((rdn.1.names() == Some(kind)).then(|| rdn.0.clone()));
            found.extend(unique.iter().cloned());
            let mut seen = BTreeSet::new();
            found.retain(|name| seen.insert(name.key()));
            found
        };
        Ok(Self {
            target: String::new(),
            server: config.server,
            search_base: search_base.flatten().unwrap_or_else(|| base.suffix()),
            base,
            object_classes: config.object_classes.clone(),
            marker,
            stored: config.stored(),
            suspend: config.suspend,
            must_change: config.must_change,
            groups,
            user_names: named(Names::User),
            addresses: named(Names::Address),
            rdn,
            attributes,
        })
    }

    /// The first part of an account's name.
    ///
    /// # Errors
    /// Permanent, where the account lacks what it is made of.
    pub fn rdn(&self, account: &Account) -> Result<Rdn, Fault> {
        let value = self.rdn.1.values(account).into_iter().next().ok_or_else(|| {
            Fault::permanent(format!("account {}: it has nothing to make the name of its entry of (rdn)", account.uid))
        })?;
        Ok(Rdn { attribute: self.rdn.0.clone(), value })
    }

    /// All attributes that the templates are about, with the values that they shall have; also those that shall have none.
    /// Not the object classes, the mark or the password.
    pub fn wanted(&self, account: &Account, rdn: &Rdn) -> Vec<(Attribute, Vec<Value>)> {
        let mut wanted: Vec<(Attribute, Vec<Value>)> = Vec::with_capacity(self.attributes.len() + 1);
        for (name, templates) in &self.attributes {
            let texts: BTreeSet<String> = templates.iter().flat_map(|t| t.values(account)).collect();
            wanted.push((name.clone(), texts.into_iter().map(Value::text).collect()));
        }
        let value = Value::text(rdn.value.as_str());
        match wanted.iter_mut().find(|(name, _)| name.key() == rdn.attribute.key()) {
            Some((_, values)) if !values.contains(&value) => values.push(value),
            Some(_) => {}
            None => wanted.push((rdn.attribute.clone(), vec![value])),
        }
        wanted
    }

    /// The password as it is stored.
    ///
    /// # Errors
    /// Permanent, where the work has none.
    pub fn password(&self, work: &Work) -> Result<Value, Fault> {
        let lacks = || {
            Fault::permanent(format!("account {}: there is no password to store in the directory", work.account.uid))
        };
        let credential = work.credential.as_ref().ok_or_else(lacks)?;
        let Some(scheme) = self.stored.scheme() else {
            return Ok(match self.server {
                LdapServer::ActiveDirectory => unicode_pwd(&credential.password),
                LdapServer::OpenLdap | LdapServer::Ds389 => Value::text(credential.password.expose()),
            });
        };
        let hash = credential.hash(scheme).ok_or_else(lacks)?.expose();
        Ok(Value::text(match self.stored {
            LdapPassword::Sha512Crypt | LdapPassword::Bcrypt => format!("{{CRYPT}}{hash}"),
            LdapPassword::Argon2id => format!("{{ARGON2}}{hash}"),
            LdapPassword::Ssha512 | LdapPassword::Clear => hash.to_owned(),
        }))
    }

    /// Finds whoever has one of these names, whatever the case of its letters.
    pub fn holders<'n>(&self, names: impl IntoIterator<Item = &'n str>) -> Vec<Filter> {
        let mut filters = Vec::new();
        for name in names {
            let mut attributes: Vec<&Attribute> = self.user_names.iter().collect();
            if name.contains('@') {
                let more = self.addresses.iter().filter(|a| !self.user_names.contains(a));
                attributes.extend(more);
            }
            filters.extend(attributes.into_iter().map(|a| Filter::equal(a, name.as_bytes())));
        }
        filters
    }

    /// The user name that an entry has.
    pub fn user_name_of<'e>(&self, entry: &'e Entry) -> Option<&'e str> {
        self.user_names.iter().find_map(|attribute| entry.texts(attribute).next())
    }

    /// The attributes in which names are.
    pub fn naming(&self) -> impl Iterator<Item = &Attribute> {
        self.user_names.iter().chain(&self.addresses)
    }

    /// Everything that akund wants to see of an entry. What templates fill in is named one by one: `*` leaves out operational
    /// attributes (RFC 4511 §4.5.1.8), and some of these are for akund to write.
    pub fn asked(&self) -> Vec<&str> {
        let mut asked = vec!["*", self.marker.as_str(), server::id_attribute(self.server)];
        asked.push(match self.server {
            LdapServer::OpenLdap => "pwdAccountLockedTime",
            LdapServer::Ds389 => "nsAccountLock",
            LdapServer::ActiveDirectory => "userAccountControl",
        });
        asked.extend(self.naming().chain(self.filled_in()).map(Attribute::as_str));
        asked.sort_unstable();
        asked.dedup();
        asked
    }

    /// Whether an account's end is written.
    pub fn writes_ends(&self) -> bool {
        self.attributes.iter().flat_map(|(_, templates)| templates).any(Template::has_end)
    }

    /// The attribute that an entry is named by.
    pub fn rdn_attribute(&self) -> &Attribute {
        &self.rdn.0
    }

    /// The attributes of the templates, and that of the name; for `check`.
    pub fn filled_in(&self) -> impl Iterator<Item = &Attribute> {
        self.attributes.iter().map(|(name, _)| name).chain([&self.rdn.0])
    }
}

/// Notes what is wrong with the value of a key.
fn noted<T>(key: &'static str, read: Result<T, String>, wrong: &mut Vec<(&'static str, String)>) -> Option<T> {
    read.map_err(|what| wrong.push((key, format!("{key}: {what}")))).ok()
}

/// An attribute by the name under which the server shows it. By another one it would be written, and not be found again.
fn attribute(text: &str, server: LdapServer) -> Result<Attribute, String> {
    let name = Attribute::parse(text)?;
    if name.as_str().starts_with(|c: char| c.is_ascii_digit()) {
        return Err(format!("{text:?} is a number (OID); write the attribute's name"));
    }
    let shown = name.key();
    let shown = shown.split(';').next().unwrap_or_default();
    // Active Directory has one name for each, and some of these for others.
    let other = server != LdapServer::ActiveDirectory;
    match server::ALIASES.iter().find(|(alias, _)| other && alias.eq_ignore_ascii_case(shown)) {
        Some((_, shown)) => {
            Err(format!("{text:?} is another name of {shown}, by which the server shows it; write {shown}"))
        }
        None => Ok(name),
    }
}

fn rdn(text: &str, server: LdapServer) -> Result<(Attribute, Template), String> {
    let (name, template) =
        text.split_once('=').ok_or_else(|| format!("{text:?} is not ATTRIBUTE=TEMPLATE, like uid={{username}}"))?;
    let (name, template) = (attribute(name, server)?, Template::parse(template)?);
    if template.tells_apart() { Ok((name, template)) } else { Err(format!("{text:?} is one name for all accounts")) }
}

fn templates(name: &str, texts: &[String], server: LdapServer) -> Result<(Attribute, Vec<Template>), String> {
    let templates: Result<Vec<_>, String> = texts.iter().map(|text| Template::parse(text)).collect();
    Ok((attribute(name, server)?, templates.map_err(|what| format!("{name} = {what}"))?))
}

fn group(group: &crate::config::target::ldap::LdapGroup, server: LdapServer) -> Result<Group, String> {
    Ok(Group { dn: Dn::parse(&group.dn)?, attribute: attribute(&group.attribute, server)?, only: group.group.clone() })
}

/// The password in quotes, UTF-16LE ([MS-ADTS] 3.1.1.3.1.5.1).
fn unicode_pwd(password: &Secret) -> Value {
    let quoted = ['"'].into_iter().chain(password.expose().chars()).chain(['"']);
    let mut bytes = Vec::with_capacity(2 * password.expose().len() + 4);
    let mut units = [0u16; 2];
    for c in quoted {
        bytes.extend(c.encode_utf16(&mut units).iter().flat_map(|unit| unit.to_le_bytes()));
    }
    Value::of(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(more: &str, server: &str) -> Vec<String> {
        let text = format!(
            "url = \"ldapi://%2Frun%2Fldapi\"\nserver = \"{server}\"\nbase = \"dc=example,dc=org\"\nobject_classes = [\"x\"]\n{more}"
        );
        let config: LdapConfig = toml::from_str(&text).unwrap();
        Layout::read(&config).err().unwrap_or_default().into_iter().map(|(_, what)| what).collect()
    }

    #[test]
    fn an_attribute_is_named_as_the_server_shows_it() {
        for (more, shown) in [
            ("rdn = \"userid={username}\"", "uid"),
            ("unique = [\"rfc822mailbox\"]", "mail"),
            ("[attributes]\ncommonName = \"{name}\"", "cn"),
            ("[attributes]\n\"surname;lang-id\" = \"{name}\"", "sn"),
            ("[attributes]\n\"2.5.4.3\" = \"{name}\"", "the attribute's name"),
        ] {
            let told = told(more, "openldap");
            assert!(told.len() == 1 && told[0].ends_with(&format!("write {shown}")), "{more}: {told:?}");
        }
        assert!(told("rdn = \"uid={username}\"\n[attributes]\ncn = \"{name}\"", "389ds").is_empty());
        assert!(
            told("[attributes]\nstreetAddress = \"{unit}\"", "active-directory").is_empty(),
            "another attribute there"
        );
    }
}
