//! What Google is to hold of an account, by the configuration. Pure.

use crate::config::target::GoogleConfig;
use crate::config::target::google::GoogleGroup;
use crate::model::{Account, Address, Fault};
use std::collections::BTreeMap;

/// Most aliases of a user.
const MOST_ALIASES: usize = 30;
/// Longest display name, characters.
const LONGEST_DISPLAY_NAME: usize = 256;

/// The part of the configuration that says what accounts look like.
pub struct Layout {
    /// Mail domains in which accounts may be made.
    pub domains: Vec<String>,
    org_unit: String,
    org_units: BTreeMap<String, String>,
    /// Groups.
    pub groups: Vec<GoogleGroup>,
    /// Whether a password handed out must be changed.
    pub must_change: bool,
    recovery: bool,
    name_characters: usize,
}

/// What Google is to hold of one account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// The first address.
    pub address: String,
    /// Given name; never empty.
    pub given_name: String,
    /// Family name; never empty.
    pub family_name: String,
    display_name: Option<String>,
    /// The organisational unit, with its leading `/`.
    pub org_unit: String,
    /// Further addresses.
    pub aliases: Vec<String>,
    /// Addresses of the groups that it is in.
    pub groups: Vec<String>,
    /// For recovery.
    pub recovery_email: Option<String>,
    /// For recovery, E.164.
    pub recovery_phone: Option<String>,
}

impl Wanted {
    /// Given, family and display name.
    pub fn name(&self) -> (String, String, Option<String>) {
        (self.given_name.clone(), self.family_name.clone(), self.display_name.clone())
    }
}

impl Layout {
    /// By the configuration.
    pub fn of(config: &GoogleConfig) -> Self {
        Self {
            domains: config.domains.clone(),
            org_unit: config.org_unit.clone(),
            org_units: config.org_units.clone(),
            groups: config.groups.clone(),
            must_change: config.must_change,
            recovery: config.recovery,
            name_characters: config.name_characters,
        }
    }

    /// Every organisational unit that accounts may be put into.
    pub fn org_units(&self) -> impl Iterator<Item = &str> {
        self.org_units.values().chain([&self.org_unit]).map(String::as_str)
    }

    /// Whether a name can be one of this Workspace account's.
    pub fn may_be_here(&self, name: &str) -> bool {
        name.rsplit_once('@').is_some_and(|(_, domain)| self.domains.iter().any(|d| d.eq_ignore_ascii_case(domain)))
    }

    /// What Google is to hold of it.
    ///
    /// # Errors
    /// Permanent: what Google would never take, told before it is asked.
    pub fn wanted(&self, account: &Account) -> Result<Wanted, Fault> {
        let wrong = |what: String| Fault::permanent(format!("account {}: {what}", account.uid));
        let Some(address) = &account.address else {
            return Err(wrong("it has no mail address, which is a Google account's name".into()));
        };
        for name in [address].into_iter().chain(&account.aliases) {
            if !self.may_be_here(name.as_str()) {
                return Err(wrong(format!("{} is in none of the target's domains", name.masked())));
            }
            if let Some(odd) = odd_character(name) {
                return Err(wrong(format!("{} holds {odd}, which Google does not take in an address", name.masked())));
            }
        }
        if account.aliases.len() > MOST_ALIASES {
            return Err(wrong(format!("Google takes at most {MOST_ALIASES} aliases of an account")));
        }
        let (given, family) = both_names(account);
        for (what, name) in [("given name", given), ("family name", family)] {
            let characters = name.chars().count();
            if characters == 0 || characters > self.name_characters {
                return Err(wrong(format!(
                    "its {what} has {characters} characters, and Google takes from 1 to {} (name_characters)",
                    self.name_characters
                )));
            }
        }
        let chosen = |group: &&GoogleGroup| {
            group.group.as_ref().is_none_or(|name| account.group.as_ref() == Some(name))
                && group.category.as_ref().is_none_or(|category| *category == account.category)
        };
        let display_name =
            Some(account.name.trim()).filter(|n| (1..=LONGEST_DISPLAY_NAME).contains(&n.chars().count()));
        let recovery_email = account.recovery_email.as_ref().filter(|own| self.recovery && *own != address);
        Ok(Wanted {
            address: address.to_string(),
            given_name: given.to_owned(),
            family_name: family.to_owned(),
            display_name: display_name.map(str::to_owned),
            org_unit: self.org_units.get(&account.category).unwrap_or(&self.org_unit).clone(),
            aliases: account.aliases.iter().map(ToString::to_string).collect(),
            groups: self.groups.iter().filter(chosen).map(|group| group.email.clone()).collect(),
            recovery_email: recovery_email.map(ToString::to_string),
            recovery_phone: account.recovery_phone.as_ref().filter(|_| self.recovery).map(ToString::to_string),
        })
    }
}

/// Google wants both names; where the procedure leaves one empty, the other stands for both.
fn both_names(account: &Account) -> (&str, &str) {
    let (given, family, whole) = (account.given_name.trim(), account.family_name.trim(), account.name.trim());
    match (given.is_empty(), family.is_empty()) {
        (false, false) => (given, family),
        (false, true) => (given, given),
        (true, false) => (family, family),
        (true, true) => (whole, whole),
    }
}

/// Before the `@`, Google takes letters, digits, `-`, `_`, `.` and `'`; no two dots in a row are in any address.
fn odd_character(address: &Address) -> Option<char> {
    address.local().chars().find(|c| !(c.is_ascii_alphanumeric() || "-_.'".contains(*c)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{AccountUid, FaultClass};
    use uuid::Uuid;

    fn layout(more: &str) -> Layout {
        let text = format!(
            "akund = 1\n[target.w]\nkind = \"google\"\nkey_file = \"k\"\nsubject = \"admin@example.org\"\n\
             domains = [\"example.org\", \"unit.example.org\"]\n{more}"
        );
        let config =
            crate::config::load::from_text(&text, std::path::Path::new("/etc/akund")).unwrap_or_else(|e| panic!("{e}"));
        let Some(crate::config::TargetConfig::Google(google)) = config.target.get("w") else { panic!("another kind") };
        Layout::of(google)
    }

    fn account(address: &str) -> Account {
        Account {
            address: Some(address.parse().unwrap()),
            name: "Dr. Siti Aminah".into(),
            given_name: "Siti".into(),
            family_name: "Aminah".into(),
            category: "staff".into(),
            services: vec!["mail".into()],
            recovery_email: Some("siti@example.net".parse().unwrap()),
            recovery_phone: Some(crate::model::Phone::parse("081234567890", "ID").unwrap()),
            ..Account::bare(AccountUid(Uuid::nil()), "humas".parse().unwrap())
        }
    }

    #[test]
    fn who_has_only_one_name_has_it_twice() {
        for (given, family, wanted) in [
            ("Siti", "Aminah", ("Siti", "Aminah")),
            ("Sukarno", "", ("Sukarno", "Sukarno")),
            ("", "Sukarno", ("Sukarno", "Sukarno")),
            (" ", "", ("Dr. Siti Aminah", "Dr. Siti Aminah")),
        ] {
            let mut account = account("humas@example.org");
            (account.given_name, account.family_name) = (given.into(), family.into());
            let made = layout("").wanted(&account).unwrap();
            assert_eq!((made.given_name.as_str(), made.family_name.as_str()), wanted);
            assert_eq!(made.name().2.as_deref(), Some("Dr. Siti Aminah"));
        }
    }

    #[test]
    fn unit_and_groups_follow_the_category_and_the_request() {
        let layout = layout(
            "org_unit = \"/Lain\"\n[target.w.org_units]\nstaff = \"/Staf\"\n[[target.w.groups]]\nemail = \"semua@example.org\"\n\
             [[target.w.groups]]\nemail = \"dosen@example.org\"\ncategory = \"lecturer\"\n\
             [[target.w.groups]]\nemail = \"tamu@example.org\"\ngroup = \"tamu\"\n",
        );
        let mut account = account("humas@example.org");
        let made = layout.wanted(&account).unwrap();
        assert_eq!((made.org_unit.as_str(), made.groups.as_slice()), ("/Staf", &["semua@example.org".to_owned()][..]));
        (account.category, account.group) = ("lecturer".into(), Some("tamu".into()));
        let made = layout.wanted(&account).unwrap();
        assert_eq!((made.org_unit.as_str(), made.groups.len()), ("/Lain", 3));
    }

    #[test]
    fn recovery_data_are_sent_where_wanted_and_never_the_address_itself() {
        let mut account = account("humas@example.org");
        let made = layout("").wanted(&account).unwrap();
        assert_eq!(made.recovery_email.as_deref(), Some("siti@example.net"));
        assert_eq!(made.recovery_phone.as_deref(), Some("+6281234567890"));
        account.recovery_email = account.address.clone();
        assert_eq!(layout("").wanted(&account).unwrap().recovery_email, None);
        let without = layout("recovery = false\n").wanted(&account).unwrap();
        assert_eq!((without.recovery_email, without.recovery_phone), (None, None));
    }

    #[test]
    fn what_google_would_refuse_is_told_before_it_is_asked() {
        let refused = |change: &dyn Fn(&mut Account), says: &str| {
            let mut account = account("humas@example.org");
            change(&mut account);
            let fault = layout("").wanted(&account).unwrap_err();
            assert_eq!(fault.class, FaultClass::Permanent);
            assert!(fault.message.contains(says) && !fault.message.contains("humas"), "{}", fault.message);
        };
        refused(&|a| a.address = None, "no mail address");
        refused(&|a| a.address = Some("humas@example.com".parse().unwrap()), "none of the target's domains");
        refused(&|a| a.address = Some("humas+x@example.org".parse().unwrap()), "holds +");
        refused(&|a| a.aliases = vec!["humas=x@example.org".parse().unwrap()], "holds =");
        refused(&|a| a.family_name = "x".repeat(41), "41 characters");
        let many = |n: usize| (0..n).map(|i| format!("humas{i}@example.org").parse().unwrap()).collect();
        refused(&|a| a.aliases = many(31), "at most 30 aliases");
    }
}
