//! Where an institution's text messages go.

use crate::daemon::{Site, files_under};
use crate::peers::{Gammu, KANNEL_USER, Kannel};
use std::collections::BTreeSet;
use std::fs;

pub enum Gateway {
    /// A directory in its place.
    Outbox,
    /// Kannel with its fake SMS centre.
    Kannel(Box<Kannel>),
    /// gammu-smsd with its dummy phone.
    Gammu(Gammu),
}

impl Gateway {
    /// `[channel.sms]`
    pub fn channel(&self, site: &Site) -> String {
        match self {
            Self::Outbox => {
                format!("[channel.sms]\nkind = \"outbox\"\ncarries = \"sms\"\npath = {:?}\n", site.path("outbox-sms"))
            }
            Self::Kannel(kannel) => {
                let (user, password) = KANNEL_USER;
                fs::write(site.path("kannel-password"), password).unwrap();
                format!(
                    "[channel.sms]\nkind = \"sms-kannel\"\nurl = {:?}\nusername = {user:?}\npassword_file = {:?}\nfrom = \"12345\"\n",
                    kannel.url(),
                    site.path("kannel-password"),
                )
            }
            Self::Gammu(gammu) => format!(
                "[channel.sms]\nkind = \"sms-gammu\"\ndatabase = {:?}\nwait_seconds = 60\nkeep_text = true\n",
                gammu.database()
            ),
        }
    }

    /// The one message that one of these numbers has received, once all its parts are there.
    pub fn received(&self, site: &Site, numbers: &BTreeSet<String>, parts: usize) -> (String, String) {
        let read = |number: &str| -> Vec<String> {
            match self {
                Self::Outbox => {
                    let messages =
                        files_under(&site.path("outbox-sms")).into_iter().map(|path| fs::read_to_string(path).unwrap());
                    messages.filter_map(|m| Some(m.strip_prefix(&format!("To: {number}\n\n"))?.to_owned())).collect()
                }
                Self::Kannel(kannel) => {
                    kannel.received().into_iter().filter(|(to, _)| to == number).map(|(_, text)| text).collect()
                }
                Self::Gammu(gammu) => {
                    let sql = format!(
                        "SELECT TextDecoded FROM sentitems WHERE DestinationNumber = '{number}' AND Status LIKE 'SendingOK%' \
                         ORDER BY ID, SequencePosition"
                    );
                    gammu.rows(&sql).concat()
                }
            }
        };
        let parts = if matches!(self, Self::Outbox) { 1 } else { parts };
        let whole = || numbers.iter().find(|number| read(number).len() >= parts);
        site.until("every part has come", || whole().is_some());
        let number = whole().unwrap();
        let found = read(number);
        assert_eq!(found.len(), parts, "{number} got {found:?}");
        (number.clone(), found.concat())
    }
}
