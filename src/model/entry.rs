//! An account as the register shows it: who has it, why, since and until when, and where it stands.

use super::Account;
use jiff::Timestamp;
use jiff::civil::Date;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One account of the register.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Entry {
    /// akund's id of the account; empty in a list from elsewhere.
    pub uid: String,
    /// Mail address; may be empty.
    pub address: String,
    /// User name.
    pub username: String,
    /// Further addresses.
    pub aliases: Vec<String>,
    /// The holder.
    pub name: String,
    /// The procedure's category.
    pub category: String,
    /// Work unit.
    pub unit: String,
    /// NIM, NIP or unit code.
    pub identifier: String,
    /// The responsible person, where there is one.
    pub responsible: String,
    /// That person's NIP or NIM.
    pub responsible_identifier: String,
    /// mail, hotspot …
    pub services: Vec<String>,
    /// Hotspot profile.
    pub group: String,
    /// Mailbox size, as a request writes it ("5GB").
    pub quota: String,
    /// Why: the documents, each `kind number, date, register`.
    pub documents: Vec<String>,
    /// Why: the approvals, each `role: by, date`.
    pub approvals: Vec<String>,
    /// By which procedure.
    pub procedure: String,
    /// By which request, `PROCEDURE:ID@REVISION`; empty for one that was imported.
    pub request: String,
    /// reserved, active, suspended, removed or imported.
    pub state: String,
    /// Since when.
    #[schemars(with = "Option<String>")]
    pub created_at: Option<Timestamp>,
    /// Last valid day, in the procedure's time zone.
    #[schemars(with = "Option<String>")]
    pub last_day: Option<Date>,
    /// Where it stands: targets.
    pub targets: Vec<String>,
}

/// The state of an account that akund has not made.
pub const IMPORTED: &str = "imported";

impl Entry {
    /// Its address, or else its user name.
    pub fn called(&self) -> &str {
        if self.address.is_empty() { &self.username } else { &self.address }
    }

    /// Whether a person who looks for this means it: part of an address, alias, user name, holder's or responsible person's name or
    /// unit, whatever the case; or a whole identifier.
    pub fn matches(&self, looked_for: &str) -> bool {
        let wanted = looked_for.trim().to_lowercase();
        let texts = [&self.address, &self.username, &self.name, &self.unit, &self.responsible];
        let identifiers = [&self.identifier, &self.responsible_identifier];
        !wanted.is_empty()
            && (texts.into_iter().chain(&self.aliases).any(|text| text.to_lowercase().contains(&wanted))
                || identifiers.into_iter().any(|identifier| identifier.to_lowercase() == wanted))
    }
}

/// An account of a list from elsewhere, ready to be entered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Import {
    /// Its line in the list.
    pub line: u32,
    /// As the list says it.
    pub entry: Entry,
    /// As an account; its uid is given when it is entered.
    pub account: Account,
}

impl Import {
    /// The names that it takes: address, aliases, and the user name if the list has one. Lower case, each once.
    pub fn names(&self) -> Vec<String> {
        let account = &self.account;
        let mut names: Vec<String> = Vec::new();
        let addresses = account.address.iter().chain(&account.aliases).map(|address| address.as_str());
        for name in addresses.chain([self.entry.username.as_str()]) {
            let name = name.to_lowercase();
            if !name.is_empty() && !names.contains(&name) {
                names.push(name);
            }
        }
        names
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_found_by_what_people_know_of_it_and_by_whole_identifiers_only() {
        let entry = Entry {
            address: "humas@example.ac.id".into(),
            username: "humas".into(),
            aliases: vec!["pers@example.ac.id".into()],
            name: "Biro Hubungan Masyarakat".into(),
            unit: "Rektorat".into(),
            identifier: "U-12".into(),
            responsible: "Siti Aminah".into(),
            responsible_identifier: "198501012015042001".into(),
            ..Entry::default()
        };
        for found in
            ["HUMAS@", "pers@example", "hubungan", "rektorat", "u-12", "Aminah", "198501012015042001", " humas "]
        {
            assert!(entry.matches(found), "{found}");
        }
        for missed in ["", " ", "U-1", "1985", "biro keuangan"] {
            assert!(!entry.matches(missed), "{missed}");
        }
    }
}
