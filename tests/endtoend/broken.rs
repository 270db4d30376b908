//! A password that cannot be shown to work is not sent.

use crate::office::{Office, both};

/// A hash of somebody else's password takes the place of each that is written.
const TAMPER_MAIL: &str = "CREATE TRIGGER tamper AFTER INSERT ON mailboxes BEGIN
    UPDATE mailboxes SET password = '$6$saltstring$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjl/O817G3uBnIFNjnQJuesI68u4OTLiBFdcbYEdFCoEOfaS35inz1'
    WHERE address = NEW.address; END";
const TAMPER_RADIUS: &str = "CREATE TRIGGER tamper AFTER INSERT ON radcheck
    WHEN NEW.attribute = 'NT-Password' AND NEW.value <> '44EBBA8D5312B8D611474411F56989AE' BEGIN
    UPDATE radcheck SET value = '44EBBA8D5312B8D611474411F56989AE' WHERE id = NEW.id; END";

#[tokio::test(flavor = "multi_thread")]
async fn a_hash_that_somebody_changes_behind_akunds_back_leaves_the_request_stuck_with_the_servers_words() {
    let office = Office::open();
    office.site.mail().execute_batch(TAMPER_MAIL).unwrap();
    let daemon = office.start();
    let told = stuck(&office, "B-1", "rukmini", "mail");
    assert!(told.contains("refused the login of r…@example.ac.id: NO [AUTHENTICATIONFAILED]"), "{told}");

    office.site.mail().execute_batch("DROP TRIGGER tamper").unwrap();
    office.site.radius().execute_batch(TAMPER_RADIUS).unwrap();
    let told = stuck(&office, "B-2", "wulandari", "radius");
    assert!(told.contains("refused the login of w… by PAP"), "{told}");
    daemon.terminate();
}

/// What the outcome says of a request for an account that does not work; nothing may have been sent.
fn stuck(office: &Office, id: &str, local: &str, lane: &str) -> String {
    office.ask(id, "create", local);
    assert_eq!(office.site.state(&format!("generic:{id}@1")), "stuck");
    let steps = office.steps(id);
    let of = |verb: &str| steps.iter().find(|step| step.lane == lane && step.verb == verb).unwrap();
    assert_eq!((of("apply").state.as_str(), of("prove").state.as_str()), ("done", "stuck"), "what exists is told");
    assert_eq!(office.passwords(), Vec::<String>::new(), "nothing was sent");
    assert!(!of("prove").fault.contains(local), "names are masked");
    of("prove").fault.clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_servers_are_down_nothing_is_sent_and_it_goes_on_when_they_are_back() {
    let mut office = Office::open();
    office.mail.stop_dovecot();
    office.radius.stop();
    let daemon = office.start();
    office.hand_in("B-3", "create", "rukmini");
    office.site.until("Dovecot is found down", || office.site.log().contains("cannot be reached: Connection refused"));
    assert_eq!(office.passwords(), Vec::<String>::new());
    office.mail.start_dovecot();
    office
        .site
        .until("FreeRADIUS is found down", || office.site.log().contains("is not there: nothing listens on that port"));
    assert_eq!(office.passwords(), Vec::<String>::new());
    assert!(office.radius.go_on());
    office.site.until_rest(1);
    assert_eq!(office.proofs("B-3"), both("login"));
    let password = office.passwords().remove(0);
    assert!(office.imap_takes("rukmini@example.ac.id", &password).await && office.hotspot_takes("rukmini", &password));
    daemon.terminate();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_nas_that_does_not_answer_keeps_a_suspension_unproven_though_the_account_is_shut() {
    let office = Office::open();
    let silent = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let place = silent.local_addr().unwrap().to_string();
    let config = office.site.path("conf.d/proofs.toml");
    let text = std::fs::read_to_string(&config).unwrap();
    let nas = format!(
        "[[target.radius.nas]]\naddress = {place:?}\ntimeout_seconds = 1\nsecret_file = {:?}\n",
        office.site.path("secret")
    );
    std::fs::write(&config, format!("{text}{nas}")).unwrap();
    let daemon = office.start();
    office.ask("C-1", "create", "rukmini");
    let password = office.passwords().remove(0);
    office.hand_in("C-2", "suspend", "rukmini");
    office.site.until("the silent NAS is told of", || {
        office.site.log().contains(&format!("NAS {place} did not answer within 1 s"))
    });
    assert!(
        !office.imap_takes("rukmini@example.ac.id", &password).await && !office.hotspot_takes("rukmini", &password)
    );
    assert!(office.radius.disconnected().contains(&"rukmini".to_owned()), "the other NAS was told all the same");
    assert_ne!(office.site.state("generic:C-2@1"), "done");
    daemon.terminate();
}
