//! How `akund demo --exit` ends.

use crate::fixture::{ACCOUNTS, Demo, MESSAGES, WAITING, akund};
use crate::put_back::put_back;
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
    let program = akund();
    let typed = format!("\n  {} ", program.get_program().to_string_lossy());
    let (_, command) = shown.split_once(&typed).expect("a command to type");
    let command = command.split_once("\n\n").unwrap().0.replace("\\\n", " ");
    let script = format!("{typed}{command}");
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

#[test]
fn a_sample_that_was_corrected_as_the_readme_has_it_is_still_as_it_should_be() {
    let demo = Demo::new();
    assert_eq!(demo.run().code, Some(0));
    let config = demo.dir.join("akund.toml");
    let hand_in = |sample: &str, change: &dyn Fn(String) -> String| {
        let text = std::fs::read_to_string(demo.dir.join("samples").join(sample)).unwrap();
        let corrected = demo.dir.join("corrected.toml");
        std::fs::write(&corrected, change(text.replacen("\nprocedure", "\nrevision = 2\nprocedure", 1))).unwrap();
        let output = akund().arg("--config").arg(&config).arg("submit").arg(&corrected).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let ended = demo.run();
        assert_eq!(ended.code, Some(0), "{:?} {}", ended.samples, ended.stderr);
    };
    hand_in("2-conflict.toml", &|text| text.replace("humas@example", "biro.hukum@example"));
    // And one that was held, which the higher revision withdraws.
    let form = "[[document]]\nkind = \"letter\"";
    hand_in("5-form.toml", &|text| {
        let date = text.lines().find(|line| line.starts_with("date = ")).unwrap().to_owned();
        text.replace(form, &format!("[[document]]\nkind = \"form\"\n{date}\nsigned_by = \"x\"\n\n{form}"))
    });
    let states: Vec<_> = demo.requests().into_iter().filter(|one| one.request.contains("DEMO/5/")).collect();
    assert!(states.iter().any(|one| one.state == "withdrawn") && states.len() == 2, "{states:?}");
}

#[test]
fn a_journal_that_was_put_back_is_told_of_at_once_and_goes_on_once_it_is_told_to() {
    let demo = Demo::new();
    assert_eq!(demo.run().code, Some(0));
    let config = demo.dir.join("akund.toml");
    let copy = demo.dir.join("backup.db");
    let typed = |arguments: &[&str]| akund().arg("--config").arg(&config).args(arguments).output().unwrap();
    let output = typed(&["journal", "backup", copy.to_str().unwrap()]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    put_back(&copy, &demo.journal());
    let output = demo.start().wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(75), "{said}");
    assert!(said.contains("everything is paused") && said.contains("unpause --reason"), "{said}");
    // What it says to type is kept, and the next run carries it out.
    assert_eq!(typed(&["unpause", "--reason", "looked at"]).status.code(), Some(75));
    let ended = demo.run();
    assert_eq!(ended.code, Some(0), "{:?} {}", ended.samples, ended.stderr);
}

/// A child that does not outlive its test.
struct Ended(std::process::Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn its_http_port_is_the_documented_one_or_a_free_one_and_stands_in_its_configuration() {
    // Whoever has the documented port: this test; or another demo, which may end in the next moment.
    let taken = std::net::TcpListener::bind("127.0.0.1:9380");
    let demo = Demo::new();
    let mut child =
        Ended(akund().args(["demo", "--dir"]).arg(&demo.dir).stdout(std::process::Stdio::piped()).spawn().unwrap());
    let child = &mut child.0;
    let mut said = String::new();
    let mut lines = std::io::BufReader::new(child.stdout.take().unwrap());
    while !said.contains("Ctrl-C ends") {
        assert!(std::io::BufRead::read_line(&mut lines, &mut said).unwrap() > 0, "it ended: {said}");
    }
    let (_, at) = said.split_once("its health is at http://").unwrap();
    let at = at.split('/').next().unwrap();
    assert!(taken.is_err() || at != "127.0.0.1:9380", "{at}");
    assert!(std::fs::read_to_string(demo.dir.join("akund.toml")).unwrap().contains(&format!("listen = \"{at}\"")));
    let (_, commands) = said.split_once("Try, in another terminal:\n").unwrap();
    let commands: Vec<_> = commands.lines().filter_map(|line| line.strip_prefix("  ")).collect();
    assert!(commands.len() >= 5 && commands.iter().any(|command| command.ends_with("check --nagios")), "{said}");
    for command in commands {
        let output = std::process::Command::new("sh").args(["-c", command]).output().unwrap();
        let answer = [output.stdout, output.stderr].concat();
        assert!(output.status.success(), "{command}: {}", String::from_utf8_lossy(&answer));
    }
    let pid = nix::unistd::Pid::from_raw(i32::try_from(child.id()).unwrap());
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).unwrap();
    assert!(child.wait().unwrap().success());
    drop(taken);
}
