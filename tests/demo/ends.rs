//! How `akund demo --exit` ends.

use crate::fixture::{ACCOUNTS, Demo, MESSAGES, WAITING, akund};
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
    assert_eq!(demo.done(), ACCOUNTS - WAITING - 1, "the others have their accounts");
}

#[test]
fn what_it_says_to_type_next_brings_the_signed_letter_and_ends_the_request_that_waits() {
    let demo = Demo::new();
    let shown = demo.shows();
    let (_, command) = shown.split_once("\n  akund ").expect("a command to type");
    let command = command.split_once("\n\n").unwrap().0.replace("\\\n", " ");
    let program = akund();
    let script = format!("{} {command}", program.get_program().to_string_lossy());
    let mut shell = std::process::Command::new("sh");
    for (name, _) in program.get_envs() {
        shell.env_remove(name);
    }
    let output = shell.args(["-c", &script]).output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    // Nobody runs any more: the order is kept, and carried out by the next run.
    assert_eq!(output.status.code(), Some(75), "{script}: {}", String::from_utf8_lossy(&said));
    let again = demo.shows();
    assert!(!again.contains("waits for the signed letter"), "{again}");
    assert_eq!(demo.done(), ACCOUNTS);
    assert_eq!(demo.messages().len(), MESSAGES + 2, "the letter, and the credentials apart from it");
    demo.credentials_of("pertanian@lumajangkab.go.id");
}
