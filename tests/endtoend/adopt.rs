//! Accounts that were there before akund: acted on where the procedure allows it, and held where it does not.

use crate::daemon::records;
use crate::office::{Office, both};
use akund::model::Scheme;
use akund::secret::hash;
use std::fs;

const ADDRESS: &str = "lama@example.ac.id";

/// What a person put into the tables, and its password.
fn by_hand(office: &Office) -> String {
    let credential = hash::new_credential(&[Scheme::Sha512Crypt, Scheme::NtHash]).unwrap();
    let hash = |scheme| credential.hash(scheme).unwrap().expose().to_owned();
    let mail = rusqlite::Connection::open(office.site.path("targets/mail/mail.db")).unwrap();
    let home = office.mail.homes().replace("{domain}/{local}", "example.ac.id/lama-sekali");
    let row = (ADDRESS, hash(Scheme::Sha512Crypt), home);
    mail.execute("INSERT INTO mailboxes (address, password, home) VALUES (?1, ?2, ?3)", row).unwrap();
    let radius = rusqlite::Connection::open(office.site.path("targets/radius/radius.db")).unwrap();
    let row = ("lama", hash(Scheme::NtHash));
    radius
        .execute("INSERT INTO radcheck (username, attribute, op, value) VALUES (?1, 'NT-Password', ':=', ?2)", row)
        .unwrap();
    credential.password.expose().to_owned()
}

/// A request of the holder's, approved by the head, that says all of the account's names.
fn request(id: &str, action: &str) -> String {
    let record = records::good(id, "lama").replacen("akund = 1\n", &format!("akund = 1\naction = {action:?}\n"), 1);
    let names = "[account]\nusername = \"lama\"\nservices = [\"mail\", \"hotspot\"]\n";
    record.replacen("[account]\n", names, 1)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_that_akund_did_not_make_is_acted_on_only_where_the_procedure_allows_it() {
    let office = Office::open();
    let path = office.site.path("procedures/generic.toml");
    let written = fs::read_to_string(&path).unwrap();
    let procedure = written.replacen("adopt = []", "adopt = [\"reset\", \"suspend\"]", 1);
    let procedure = procedure.replacen(
        "actions = [\"create\", \"change\", \"suspend\", \"resume\"]     #",
        "actions = [\"create\", \"change\", \"reset\"] #",
        1,
    );
    assert!(procedure.contains("adopt = [\"reset") && procedure.contains("\"reset\"] #"), "{procedure}");
    fs::write(&path, procedure).unwrap();
    let daemon = office.start();
    office.ask("A-1", "create", "tetangga");
    let first = by_hand(&office);
    assert!(office.imap_takes(ADDRESS, &first).await && office.hotspot_takes("lama", &first));
    let ask = |id: &str, action: &str| {
        let before = office.site.states().len();
        office.site.drop_in(&format!("{id}.toml"), request(id, action));
        office.site.until_rest(before + 1);
        office.site.state(&format!("generic:{id}@1"))
    };
    // Not among what may be adopted; and a suspension, for which nobody had to approve anything.
    assert_eq!((ask("B-1", "resume").as_str(), ask("B-2", "suspend").as_str()), ("held", "held"));
    assert!(office.imap_takes(ADDRESS, &first).await && office.hotspot_takes("lama", &first));

    assert_eq!(ask("B-3", "reset"), "done", "{:#?}", office.steps("B-3"));
    assert_eq!(office.proofs("B-3"), both("login"));
    let verbs: Vec<String> =
        office.steps("B-3").into_iter().map(|step| format!("{} {}", step.lane, step.verb)).collect();
    assert_eq!(
        verbs[..3],
        ["mail adopt", "radius adopt", "credentials mint"],
        "found everywhere before anything is done"
    );
    let takes =
        async |password: &str| office.imap_takes(ADDRESS, password).await && office.hotspot_takes("lama", password);
    let mut taken = Vec::new();
    for password in office.passwords() {
        if takes(&password).await {
            taken.push(password);
        }
    }
    assert!(taken.len() == 1 && !office.imap_takes(ADDRESS, &first).await, "the new password, and no other");
    let (code, audit) = office.site.told(&["audit", "show", "B-3"]);
    assert!(code == 0 && audit.contains("adopted"), "{audit}");
    let (_, found) = office.site.told(&["register", "find", ADDRESS]);
    assert!(found.contains("generic:B-3@1"), "{found}");

    // It is akund's to suspend now: the register knows the holder, whom the new password went to.
    assert_eq!(ask("B-4", "suspend"), "done", "{:#?}", office.steps("B-4"));
    assert!(!takes(&taken[0]).await);
    assert_eq!(ask("B-5", "remove"), "refused", "the procedure has no removals");
    assert_eq!(ask("B-6", "resume"), "held", "nor may it resume what it did not make");
    daemon.terminate();
}
