//! An institution that runs one of the five procedures: Postfix, Dovecot and FreeRADIUS as in the end-to-end tests, of which
//! Postfix takes what applicants are told (submission with TLS and AUTH); an SMS gateway; a source that an application feeds,
//! and one whose files are signed.

use crate::daemon::mailbox::Notice;
use crate::daemon::{Daemon, eventually};
use crate::gateway::Gateway;
use crate::office::{Engine, Office};
use crate::peers::SUBMITTER;
use crate::requests::{FIVE, file, text, with_signatures};
use akund::journal::read::Listed;
use akund::model::Phone;
use jiff::Timestamp;
use serde_json::Value;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;
use std::process::Command;

/// The procedure's sample requests are handed in as of now.
pub struct Institution {
    pub office: Office,
    pub procedure: &'static str,
    pub gateway: Gateway,
    now: Timestamp,
    /// Which requests name a phone, by their ids.
    phones: RefCell<BTreeMap<String, BTreeSet<String>>>,
}

/// What somebody was told.
pub struct Told {
    pub to: String,
    pub subject: String,
    /// Its text part.
    pub notice: Notice,
    /// Without transfer encoding.
    pub whole: String,
    /// As it came.
    pub raw: String,
}

impl Institution {
    /// Without an SMS gateway: a directory takes its place.
    pub fn open(procedure: &'static str, engine: Engine) -> Self {
        Self::with(procedure, engine, Gateway::Outbox)
    }

    pub fn with(procedure: &'static str, engine: Engine, gateway: Gateway) -> Self {
        let office = Office::on(engine);
        let site = &office.site;
        fs::write(site.path("smtp-password"), SUBMITTER.1).unwrap();
        let channel = format!(
            "[channel.email]\nkind = \"smtp\"\nhost = \"localhost\"\nport = {}\ntls = \"starttls\"\nca_file = {:?}\nusername = {:?}\n\
             password_file = {:?}\nfrom = \"Helpdesk TIK <helpdesk@example.ac.id>\"\n",
            office.mail.submission,
            office.mail.ca_file(),
            SUBMITTER.0,
            site.path("smtp-password"),
        );
        let config = fs::read_to_string(site.path("akund.toml")).unwrap();
        let (before, _outbox) = config.split_once("[channel.email]").unwrap();
        fs::write(site.path("akund.toml"), format!("{before}{channel}")).unwrap();
        let more = format!(
            "{}[[source]]\nname = \"siakad\"\ncategories = [\"student\"]\n\
             [[source]]\nname = \"bertanda\"\nsignature = \"required\"\nallowed_signers = {:?}\n",
            gateway.channel(site),
            site.path("signers"),
        );
        fs::write(site.path("conf.d/institution.toml"), more).unwrap();
        fs::write(site.path("signers"), "").unwrap();
        fs::write(site.path(&format!("procedures/{procedure}.toml")), file(procedure)).unwrap();
        Self { office, procedure, gateway, now: Timestamp::now(), phones: RefCell::default() }
    }

    /// Words of the procedure file replaced.
    pub fn edits(&self, replaced: &[(&str, &str)]) {
        let path = self.office.site.path(&format!("procedures/{}.toml", self.procedure));
        fs::write(&path, edited(&fs::read_to_string(&path).unwrap(), replaced)).unwrap();
    }

    /// Makes an edited procedure file count.
    pub fn reload(&self, daemon: &mut Daemon) {
        let before = self.office.site.log().matches(REREAD).count();
        daemon.signal(nix::sys::signal::Signal::SIGHUP);
        let read = || self.office.site.log().matches(REREAD).count() > before;
        self.office.site.until("the procedures are read anew", read);
    }

    /// With every `# signed = true` of the procedure in force.
    pub fn wants_signatures(&self) {
        let path = self.office.site.path(&format!("procedures/{}.toml", self.procedure));
        fs::write(path, with_signatures(self.procedure)).unwrap();
    }

    pub fn start(&self) -> Daemon {
        self.office.start()
    }

    /// A sample's text.
    pub fn sample(&self, name: &str) -> String {
        text(self.procedure, name, self.now)
    }

    /// The sample that the procedure permits, for another request of another account: words of it replaced by others.
    pub fn good(&self, replaced: &[(&str, &str)]) -> String {
        let (_, name) = FIVE.into_iter().find(|(procedure, _)| *procedure == self.procedure).unwrap();
        edited(&self.sample(name), replaced)
    }

    pub fn hand_in(&self, name: &str, text: &str) {
        self.note_phones(text);
        self.office.site.drop_in(name, text);
    }

    fn note_phones(&self, text: &str) {
        let value = |line: &str, key: &str| {
            let (_, quoted) = line.split_once(key)?;
            Some(quoted.trim_matches('"').to_owned())
        };
        let Some(id) = text.lines().find_map(|line| value(line, "id = ").filter(|_| line.starts_with("id"))) else {
            return;
        };
        for phone in text.lines().filter_map(|line| value(line, "phone = ")) {
            let phone = Phone::parse(&phone, "ID").unwrap().as_str().to_owned();
            self.phones.borrow_mut().entry(id.clone()).or_default().insert(phone);
        }
    }

    /// Into a source's own directory.
    pub fn hand_in_by(&self, source: &str, name: &str, bytes: impl AsRef<[u8]>) {
        let dir = self.office.site.spool.join("incoming").join(source);
        fs::write(dir.join(format!(".{name}")), bytes).unwrap();
        fs::rename(dir.join(format!(".{name}")), dir.join(name)).unwrap();
    }

    /// Hands in and waits until the request stands there.
    #[track_caller]
    pub fn ask(&self, name: &str, text: &str, request: &str, state: &str) {
        self.hand_in(name, text);
        self.comes_to(request, state);
    }

    /// `ID@REVISION`
    #[track_caller]
    pub fn comes_to(&self, request: &str, state: &str) {
        let (site, key) = (&self.office.site, format!("{}:{request}", self.procedure));
        let mut found = String::new();
        let came = eventually(&mut || {
            found = site.state(&key);
            let reader = site.reader();
            let at_rest = reader.list(&[], usize::MAX).unwrap().iter().all(Listed::rests) && !reader.moving().unwrap();
            found == state && at_rest
        });
        assert!(came, "{key} is {found:?}, not {state:?}\n{:#?}\n{}", self.outcome(request), site.log());
    }

    /// The outcome document of `ID@REVISION`; null where there is none.
    pub fn outcome(&self, request: &str) -> Value {
        let (id, revision) = request.rsplit_once('@').unwrap();
        let is_its = |document: &Value| {
            let of = &document["request"];
            of["id"] == id && of["revision"].as_u64() == revision.parse().ok() && of["procedure"] == self.procedure
        };
        self.office.site.outcomes().into_values().find(is_its).unwrap_or_default()
    }

    /// A command of the operator's, its exit code and what it printed.
    pub fn akund(&self, arguments: &[&str]) -> (i32, String) {
        self.office.site.told(arguments)
    }

    /// The steps that were done on a channel, by the requests' ids.
    fn handed_over(&self, lane: &str) -> Vec<(String, Value)> {
        let outcomes = self.office.site.outcomes().into_values();
        let of = |outcome: Value| {
            let id = outcome["request"]["id"].as_str().unwrap().to_owned();
            let steps = outcome["steps"].as_array().unwrap().clone();
            steps.into_iter().map(move |step| (id.clone(), step))
        };
        let done = |step: &Value| step["lane"] == lane && step["verb"] == "deliver" && step["state"] == "done";
        outcomes.flat_map(of).filter(|(_, step)| done(step)).collect()
    }

    /// Everything that was said so far, by mail and SMS, as it has come to its recipients. All requests are at rest.
    pub fn everything_told(&self) -> Vec<Told> {
        let sent = self.handed_over("email").len();
        self.office.site.until("Postfix has passed every message on", || self.office.mail.sent_away().len() >= sent);
        let by_mail = self.office.mail.sent_away().into_iter().map(|(to, raw)| {
            let unfolded = raw.replace("\r\n ", " ");
            let subject = unfolded.lines().find_map(|l| l.strip_prefix("Subject: ")).unwrap_or_default().to_owned();
            let whole = Notice::parse(PathBuf::new(), &raw);
            let text = text_part(&whole.text);
            let notice = Notice { text, file: PathBuf::new(), request: whole.request, message_id: whole.message_id };
            Told { to, subject, notice, whole: whole.text, raw }
        });
        let phones = self.phones.borrow();
        let by_sms = self.handed_over("sms").into_iter().map(|(id, step)| {
            let parts = step["reply"].as_str().map(parts_said).unwrap_or(1);
            let (to, text) = self.gateway.received(&self.office.site, &phones[&id], parts);
            // A text message does not spend letters on the request's number.
            let text = format!("[{id}] {text}");
            let notice =
                Notice { text: text.clone(), request: self.uid(&id), message_id: String::new(), file: PathBuf::new() };
            Told { to, subject: String::new(), notice, whole: text.clone(), raw: text }
        });
        by_mail.chain(by_sms).collect()
    }

    fn uid(&self, id: &str) -> String {
        let listed = self.office.site.reader().list(&[], usize::MAX).unwrap();
        let prefix = format!("{}:{id}@", self.procedure);
        let mut found = listed.into_iter().filter(|one| one.request.starts_with(&prefix) && one.state == "done");
        found.next().unwrap().uid
    }

    /// What somebody was told of a request (its id); one message.
    #[track_caller]
    pub fn told(&self, to: &str, id: &str) -> String {
        let all = self.everything_told();
        let found: Vec<&Told> = all.iter().filter(|told| told.to == to && told.notice.text.contains(id)).collect();
        let tos: Vec<&str> = all.iter().map(|told| told.to.as_str()).collect();
        assert_eq!(found.len(), 1, "messages to {to} about {id}; there are some to {tos:?}");
        found[0].notice.text.clone()
    }

    /// The password that somebody was sent for a request.
    #[track_caller]
    pub fn password(&self, to: &str, id: &str) -> String {
        let text = self.told(to, id);
        let after = text.split_once("Kata sandi awal: ").and_then(|(_, after)| after.split_whitespace().next());
        after.unwrap_or_else(|| panic!("no password in\n{text}")).to_owned()
    }

    /// A new SSH key; it may sign for the principals.
    pub fn key(&self, name: &str, principals: &str) {
        let path = self.office.site.path(name);
        run(Command::new("ssh-keygen").args(["-q", "-N", "", "-C", "", "-t", "ed25519", "-f"]).arg(&path));
        let public = fs::read_to_string(path.with_extension("pub")).unwrap();
        let signers = self.office.site.path("signers");
        let line = format!("{principals} namespaces=\"akund-request\" {public}");
        fs::write(&signers, fs::read_to_string(&signers).unwrap() + &line).unwrap();
    }

    /// Hands a text in at the source whose files are signed, signed over `signed`.
    pub fn hand_in_signed(&self, name: &str, text: &str, key: &str, signed: &str) {
        self.note_phones(text);
        let file = self.office.site.path(&format!("to-sign-{name}"));
        fs::write(&file, signed).unwrap();
        run(Command::new("ssh-keygen")
            .args(["-q", "-Y", "sign", "-n", "akund-request", "-f"])
            .arg(self.office.site.path(key))
            .arg(&file));
        let mut signature = file.into_os_string();
        signature.push(".sig");
        self.hand_in_by("bertanda", &format!("{name}.sig"), fs::read(signature).unwrap());
        self.hand_in_by("bertanda", name, text);
    }

    /// Why a file was rejected.
    pub fn rejected(&self, name: &str) -> String {
        let reason = self.office.site.spool.join("rejected").join(format!("{name}.reason.txt"));
        let there = eventually(&mut || reason.exists());
        assert!(there, "{name} was not rejected\n{}", self.office.site.log());
        // On one line: reports are wrapped.
        let said = fs::read_to_string(reason).unwrap().replace('│', " ");
        said.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    /// Ends the daemon. What holds for every course of events: a whole audit record, no breach of protocol, no password in the
    /// logs; and each message is about one request, to somebody of that request, with a password that is in no other.
    pub fn close(self, daemon: Daemon) {
        let (code, said) = self.akund(&["audit", "verify"]);
        assert_eq!(code, 0, "{said}");
        let log = self.office.mail.log();
        let sent = self.handed_over("email").len();
        let logs_in = log.contains(&format!("sasl_method=PLAIN, sasl_username={}", SUBMITTER.0));
        assert_eq!(logs_in, sent > 0, "it logs in");
        daemon.terminate();
        let told = self.everything_told();
        assert_eq!(self.office.mail.sent_away().len(), sent, "nothing was sent twice");
        let outcomes: Vec<Value> = self.office.site.outcomes().into_values().collect();
        let ids: BTreeSet<&str> = outcomes.iter().map(|outcome| outcome["request"]["id"].as_str().unwrap()).collect();
        for one in &told {
            let own = outcomes.iter().find(|outcome| outcome["request"]["uid"] == one.notice.request.as_str()).unwrap();
            let own = own["request"]["id"].as_str().unwrap();
            assert!(one.notice.text.contains(own), "{own}: {}", one.notice.text);
            // A new password's request is called like the one that it repeats.
            let others = ids.iter().filter(|id| !own.starts_with(**id) && one.notice.text.contains(**id)).count();
            assert_eq!(others, 0, "{own}: {}", one.notice.text);
            let Some(password) = one.notice.password() else { continue };
            assert!(!one.subject.contains(password));
            let holding = told.iter().filter(|other| other.whole.contains(password)).count();
            assert_eq!(holding, 1, "the password of {own} is in another message");
            assert!(!self.office.site.log().contains(password) && !self.office.mail.log().contains(password));
            assert!(outcomes.iter().all(|outcome| !outcome.to_string().contains(password)));
        }
    }
}

const REREAD: &str = "procedures and templates were read anew";

/// `… (2 parts …)` in a gateway's answer.
fn parts_said(reply: &str) -> usize {
    let before = reply.split(" part").next().unwrap_or_default();
    before.rsplit(|c: char| !c.is_ascii_digit()).next().and_then(|digits| digits.parse().ok()).unwrap_or(1)
}

/// The plain text of a message, as a mail program shows it.
fn text_part(message: &str) -> String {
    let (_, part) = message.split_once("Content-Type: text/plain").unwrap();
    let (_, text) = part.split_once("\r\n\r\n").unwrap();
    // Two hyphens alone stand above the sender's name.
    let end = text.match_indices("\r\n--").find(|(at, _)| !text[at + 4..].starts_with("\r\n"));
    let text = end.map_or(text, |(at, _)| &text[..at]);
    text.replace("\r\n", "\n")
}

/// Words replaced, each of which must be there.
pub fn edited(text: &str, replaced: &[(&str, &str)]) -> String {
    let mut text = text.to_owned();
    for (from, to) in replaced {
        assert!(text.contains(from), "{from:?} is not in\n{text}");
        text = text.replace(from, to);
    }
    text
}

/// Without the tables that begin with a line and hold another, like `[[approval]]` and `role = "kabid"`.
pub fn without(text: &str, table: &str, line: &str) -> String {
    let mut left = String::new();
    let mut taken = 0;
    for part in text.split_inclusive("\n\n") {
        if part.starts_with(table) && part.contains(line) {
            taken += 1;
        } else {
            left += part;
        }
    }
    assert!(taken > 0, "there is no {table} with {line} in\n{text}");
    left
}

/// A corrected request: its revision is 2.
pub fn corrected(text: &str) -> String {
    edited(text, &[("\nprocedure = ", "\nrevision = 2\nprocedure = ")])
}

/// Which steps of the SOP an outcome's steps and checks belong to.
pub fn rows(outcome: &Value) -> std::collections::BTreeSet<String> {
    let lists = [&outcome["steps"], &outcome["checklist"]].into_iter().filter_map(Value::as_array).flatten();
    lists.filter_map(|one| one["sop"].as_str()).map(str::to_owned).collect()
}

/// The requirements that were not met.
pub fn unmet(outcome: &Value) -> Vec<String> {
    let checks = outcome["checklist"].as_array().unwrap().iter();
    checks.filter(|c| c["met"] == false).map(|c| c["requirement"].as_str().unwrap().to_owned()).collect()
}

fn run(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}
