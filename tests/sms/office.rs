//! An installation that hands over by text message, and what its tests ask of it.

use crate::daemon::mailbox::{Notice, notices};
use crate::daemon::{Setup, Site, records};
use akund::model::{Scheme, Secret};
use akund::secret::hash;
use serde_json::Value;

/// The recipient's number as an office types it, and as it travels.
pub const TYPED: &str = "0812-3456-7890";
pub const NUMBER: &str = "+6281234567890";

/// With the outbox as `email` and these further sections; the procedure hands over by `channels`.
pub fn office(sections: &str, delivery: &str) -> Site {
    office_with(sections, delivery, "retry_seconds = 1\nretry_max_seconds = 2")
}

pub fn office_with(sections: &str, delivery: &str, lane: &'static str) -> Site {
    let setup = Setup::default();
    let site = Site::with(Setup { channel: format!("{}{sections}", setup.channel), lane, ..setup });
    let procedure = records::PROCEDURE.replacen("\nchannels = [\"email\"] ", &format!("\n{delivery} "), 1);
    assert!(procedure.contains(delivery), "the procedure's [delivery] reads otherwise now");
    std::fs::write(site.path("procedures/generic.toml"), procedure).unwrap();
    site
}

/// A file with a secret, beside the configuration.
pub fn secret(site: &Site, name: &str, text: &str) {
    std::fs::write(site.path(name), text).unwrap();
}

/// A member of staff with a phone, who is to get LOCAL@example.ac.id.
pub fn with_phone(id: &str, local: &str, phone: &str) -> String {
    let record = records::good(id, local);
    let email = format!("email = \"{local}.pribadi@example.org\"\n");
    assert!(record.contains(&email));
    record.replace(&email, &format!("{email}phone = \"{phone}\"\n"))
}

/// The outcome document of a request.
pub fn outcome(site: &Site, id: &str) -> Value {
    let reader = site.reader();
    let request = reader.resolve(&records::key(id)).unwrap();
    serde_json::to_value(reader.outcome(request).unwrap()).unwrap()
}

/// The steps that handed something over, in order.
pub fn handed(site: &Site, id: &str) -> Vec<Value> {
    // It may not be there yet.
    if site.reader().resolve(&records::key(id)).is_err() {
        return Vec::new();
    }
    let outcome = outcome(site, id);
    outcome["steps"].as_array().unwrap().iter().filter(|step| step["verb"] == "deliver").cloned().collect()
}

/// The password in a text message: four groups of four.
pub fn password(text: &str) -> String {
    let word = |word: &&str| word.len() == 19 && word.split('-').count() == 4 && word.split('-').all(|p| p.len() == 4);
    let found: Vec<&str> = text.split_whitespace().filter(word).collect();
    assert_eq!(found.len(), 1, "one password in {text:?}");
    found[0].to_owned()
}

/// Whether an account's stored hash is this password's.
pub fn opens(site: &Site, address: &str, password: &str) -> bool {
    let sql = "SELECT password FROM mailboxes WHERE address = ?1";
    let stored: String = site.mail().query_row(sql, [address], |row| row.get(0)).unwrap();
    let stored = stored.trim_start_matches("{SHA512-CRYPT}").trim_start_matches("{CRYPT}").to_owned();
    hash::verify(&Secret::new(password), &stored, Scheme::Sha512Crypt)
}

pub fn mails(site: &Site) -> Vec<Notice> {
    notices(site)
}

/// The sealed passwords that are left.
pub fn sealed(site: &Site) -> usize {
    let journal = rusqlite::Connection::open(&site.journal).unwrap();
    crate::daemon::count(&journal, "SELECT count(*) FROM secret")
}
