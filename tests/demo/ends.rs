//! How `akund demo --exit` ends.

use crate::fixture::{ACCOUNTS, Demo};
use akund::config::target::MailMapsConfig;
use akund::target::mailmaps::MailMaps;
use rusqlite::Connection;

#[test]
fn it_ends_with_an_error_if_a_sample_did_not_end_as_it_should() {
    let demo = Demo::new();
    let database = demo.mail_database();
    std::fs::create_dir_all(database.parent().unwrap()).unwrap();
    let settings: MailMapsConfig = toml::from_str(&format!("database = {database:?}\nmode = \"0644\"")).unwrap();
    drop(MailMaps::open("mail", &settings).unwrap());
    // Somebody has given the address of the first sample away by hand.
    let db = Connection::open(&database).unwrap();
    db.execute("INSERT INTO aliases (address, destination) VALUES ('humas@example.ac.id', 'root@example.net')", [])
        .unwrap();
    let ended = demo.run();
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    let bad: Vec<_> = ended.samples.iter().filter(|sample| sample["good"] == false).collect();
    assert_eq!(bad.len(), 1, "{bad:?}");
    assert_eq!((&bad[0]["sample"], &bad[0]["found"]), (&"1-good.toml".into(), &"1 conflicted".into()));
    assert_eq!(demo.done(), ACCOUNTS - 1, "the others have their accounts");
}
