//! One of three targets fails.

use crate::campus::{Campus, three};
use crate::daemon::count;
use crate::office::Engine;

/// Hands a request in, and puts somebody else's entry into the directory after it was judged and before it is written there.
fn overtaken(campus: &Campus, id: &str, user: &str) {
    let office = &campus.office;
    campus.akund(&["pause", "tree", "--reason", "sebentar"]);
    office.hand_in(id, "create", user);
    office.site.until("the other two targets have the account", || campus.rows(user).iter().all(|rows| *rows > 0));
    campus.put_foreign(user);
    campus.akund(&["unpause", "tree"]);
    // Its outcome is written after the state is in the journal.
    office.site.until_rest(1);
    assert_eq!(office.site.state(&format!("generic:{id}@1")), "stuck");
}

fn stuck_step(campus: &Campus, id: &str) -> String {
    let steps = campus.office.steps(id);
    let of = |lane: &str, verb: &str| {
        let step = steps.iter().find(|step| step.lane == lane && step.verb == verb);
        step.unwrap_or_else(|| panic!("no step {lane} {verb}: {steps:#?}"))
    };
    for lane in ["mail", "radius"] {
        assert_eq!((of(lane, "apply").state.as_str(), of(lane, "prove").proof.as_str()), ("done", "login"));
    }
    assert_eq!((of("tree", "apply").state.as_str(), of("tree", "prove").state.as_str()), ("stuck", "blocked"));
    of("tree", "apply").fault.clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_request_made_before_it_got_stuck_is_shown_and_a_withdrawal_undoes_that_and_nothing_else() {
    let campus = Campus::directory_last();
    let daemon = campus.start();
    let office = &campus.office;
    office.ask("P-0", "create", "wulandari");
    let others = (campus.entries("wulandari"), campus.rows("wulandari"));
    overtaken(&campus, "P-1", "rukmini");
    let foreign = campus.entries("rukmini");

    let fault = stuck_step(&campus, "P-1");
    assert!(fault.contains("belongs to another entry of the directory") && !fault.contains("rukmini"), "{fault}");
    let shown = campus.akund(&["show", "P-1"]);
    let line = |step: &str| {
        let found = shown.lines().find(|line| line.contains(step));
        found.unwrap_or_else(|| panic!("no line for {step}:\n{shown}")).to_owned()
    };
    for (step, words) in [
        ("mail apply", "done"),
        ("mail prove", "login"),
        ("radius apply", "done"),
        ("radius prove", "login"),
        ("tree apply", "stuck"),
        ("email deliver", "blocked"),
    ] {
        assert!(line(step).contains(words), "{step}: {shown}");
    }
    assert!(campus.akund(&["list", "--state", "stuck"]).contains("P-1"));
    assert_eq!(office.passwords().len(), 1, "only the neighbour has a password");

    campus.akund(&["withdraw", "P-1", "--reason", "salah orang"]);
    office.site.until_rest(2);
    assert_eq!(office.site.state("generic:P-1@1"), "withdrawn");
    assert_eq!(campus.rows("rukmini"), [0, 0]);
    assert_eq!(campus.entries("rukmini"), foreign, "what was somebody else's is untouched");
    assert_eq!((campus.entries("wulandari"), campus.rows("wulandari")), others);
    assert_eq!(office.passwords().len(), 1, "no credentials went out");
    daemon.terminate();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retry_after_the_cause_is_gone_completes_the_request_with_each_account_once() {
    let campus = Campus::directory_last();
    let daemon = campus.start();
    let office = &campus.office;
    overtaken(&campus, "P-2", "rukmini");
    stuck_step(&campus, "P-2");
    let before = campus.rows("rukmini");
    assert_eq!(office.passwords(), Vec::<String>::new());
    // As long as the cause is there, it is stuck again.
    campus.akund(&["retry", "P-2", "--reason", "coba lagi"]);
    office.site.until_rest(1);
    assert_eq!(office.site.state("generic:P-2@1"), "stuck");

    campus.take_away("rukmini");
    campus.akund(&["retry", "P-2", "--reason", "entri lain sudah dihapus"]);
    office.site.until_rest(1);
    assert_eq!(office.proofs("P-2"), three(["login"; 3]));
    assert_eq!((campus.rows("rukmini"), campus.entries("rukmini").len()), (before, 1), "each account once");
    let passwords = office.passwords();
    assert_eq!(passwords.len(), 1);
    assert_eq!(campus.takes("rukmini@example.ac.id", "rukmini", &passwords[0]).await, [true; 3]);
    daemon.terminate();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_entry_that_the_schema_forbids_is_stuck_until_the_configuration_is_mended() {
    let campus = Campus::directory_last();
    let office = &campus.office;
    let config = office.site.path("conf.d/tree.toml");
    let good = std::fs::read_to_string(&config).unwrap();
    let bad = good.replace("sn = \"{family_name}\"\n", "");
    assert_ne!(bad, good);
    std::fs::write(&config, bad).unwrap();
    let daemon = campus.start();
    office.ask("P-3", "create", "rukmini");
    assert_eq!(office.site.state("generic:P-3@1"), "stuck");
    let fault = stuck_step(&campus, "P-3");
    assert!(fault.contains("objectClassViolation") && fault.contains("'sn'"), "the server's words: {fault}");
    assert_eq!((campus.entries("rukmini").len(), office.passwords().len()), (0, 0));
    daemon.terminate();

    std::fs::write(&config, good).unwrap();
    let daemon = campus.start();
    campus.akund(&["retry", "P-3", "--reason", "sn ditambahkan"]);
    office.site.until_rest(1);
    assert_eq!(office.proofs("P-3"), three(["login"; 3]));
    let password = office.passwords().remove(0);
    assert_eq!(campus.takes("rukmini@example.ac.id", "rukmini", &password).await, [true; 3]);
    daemon.terminate();
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_directory_is_down_its_lane_waits_and_it_goes_on_by_itself() {
    let mut campus = Campus::on(Engine::Sqlite);
    let daemon = campus.start();
    // One request was judged while the directory was there, the other comes while it is not.
    campus.akund(&["pause", "tree", "--reason", "pindah"]);
    campus.office.hand_in("D-1", "create", "rukmini");
    campus.office.site.until("the mailbox is there", || campus.rows("rukmini")[0] == 1);
    campus.slapd.kill();
    campus.akund(&["unpause", "tree"]);
    let site = &campus.office.site;
    let tried = || {
        let journal = rusqlite::Connection::open(&site.journal).unwrap();
        count(&journal, "SELECT coalesce(sum(attempts), 0) FROM step WHERE lane = 'tree'")
    };
    site.until("slapd is found down", || site.log().contains("Connection refused") && tried() >= 3);
    campus.office.hand_in("D-2", "create", "wulandari");
    assert_eq!(daemon.get("/healthz").0, 200);
    assert_eq!(site.state("generic:D-1@1"), "working");
    assert_eq!(campus.office.passwords(), Vec::<String>::new());

    campus.slapd.start_again();
    let office = &campus.office;
    office.site.until_rest(2);
    for (id, user) in [("D-1", "rukmini"), ("D-2", "wulandari")] {
        assert_eq!(office.proofs(id), three(["login"; 3]));
        assert_eq!(campus.entries(user).len(), 1);
    }
    let mut opened = 0;
    for password in office.passwords() {
        for user in ["rukmini", "wulandari"] {
            let takes = campus.takes(&format!("{user}@example.ac.id"), user, &password).await;
            assert!(takes == [true; 3] || takes == [false; 3], "{takes:?}");
            opened += usize::from(takes[0]);
        }
    }
    assert_eq!(opened, 2, "each password opens its own three accounts");
    daemon.terminate();
}
