//! An institution that runs one of the five procedures: Postfix, Dovecot and FreeRADIUS as in the end-to-end tests, a mail
//! server with TLS and AUTH for what applicants are told, a source that an application feeds, and one whose files are signed.

use crate::daemon::mailbox::Notice;
use crate::daemon::{Daemon, files_under};
use crate::office::{Engine, Office};
use crate::requests::{FIVE, file, text, with_signatures};
use crate::smtp_server::{Options, Protection, Server};
use akund::journal::read::Listed;
use jiff::Timestamp;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

/// The procedure's sample requests are handed in as of now.
pub struct Institution {
    pub office: Office,
    pub procedure: &'static str,
    smtp: Server,
    now: Timestamp,
}

/// What somebody was told.
pub struct Told {
    pub to: String,
    pub subject: String,
    /// Its text part.
    pub notice: Notice,
    /// Without transfer encoding.
    pub whole: String,
}

const PASSWORD: &str = "rahasia-kanal-surel";

impl Institution {
    pub async fn open(procedure: &'static str, engine: Engine) -> Self {
        let auth = Some(("PLAIN", "akund", PASSWORD));
        let smtp = Server::start(Options { protection: Protection::Starttls, auth, ..Options::default() }).await;
        let office = Office::on(engine);
        let site = &office.site;
        fs::write(site.path("smtp-ca.pem"), &smtp.ca_pem).unwrap();
        fs::write(site.path("smtp-password"), PASSWORD).unwrap();
        let channel = format!(
            "[channel.email]\nkind = \"smtp\"\nhost = \"localhost\"\nport = {}\nca_file = {:?}\nusername = \"akund\"\n\
             password_file = {:?}\nfrom = \"Helpdesk TIK <helpdesk@example.ac.id>\"\n",
            smtp.address.port(),
            site.path("smtp-ca.pem"),
            site.path("smtp-password"),
        );
        let config = fs::read_to_string(site.path("akund.toml")).unwrap();
        let (before, _outbox) = config.split_once("[channel.email]").unwrap();
        fs::write(site.path("akund.toml"), format!("{before}{channel}")).unwrap();
        // In place of an SMS gateway: its own end-to-end tests are with the gateways.
        let more = format!(
            "[channel.sms]\nkind = \"outbox\"\ncarries = \"sms\"\npath = {:?}\n\
             [[source]]\nname = \"siakad\"\ncategories = [\"student\"]\n\
             [[source]]\nname = \"bertanda\"\nsignature = \"required\"\nallowed_signers = {:?}\n",
            site.path("outbox-sms"),
            site.path("signers"),
        );
        fs::write(site.path("conf.d/institution.toml"), more).unwrap();
        fs::write(site.path("signers"), "").unwrap();
        fs::write(site.path(&format!("procedures/{procedure}.toml")), file(procedure)).unwrap();
        Self { office, procedure, smtp, now: Timestamp::now() }
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
        self.office.site.drop_in(name, text);
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
        let came = crate::daemon::eventually(&mut || {
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

    /// Everything that was said so far, by mail and SMS.
    pub fn everything_told(&self) -> Vec<Told> {
        let by_mail = self.smtp.messages().into_iter().map(|received| {
            let header = |name: &str| {
                let unfolded = received.data.replace("\r\n ", " ");
                let line = unfolded.lines().find_map(|l| l.strip_prefix(name).map(str::to_owned));
                line.unwrap_or_default()
            };
            let to = received.rcpt.split(['<', '>']).find(|part| part.contains('@')).unwrap().to_owned();
            let whole = Notice::parse(PathBuf::new(), &received.data);
            let text = text_part(&whole.text);
            let notice = Notice { text, file: PathBuf::new(), request: whole.request, message_id: whole.message_id };
            Told { to, subject: header("Subject: "), notice, whole: whole.text }
        });
        let listed = self.office.site.reader().list(&[], usize::MAX).unwrap();
        let ids: BTreeMap<String, String> = listed.into_iter().map(|one| (one.uid, one.request)).collect();
        let by_sms = files_under(&self.office.site.path("outbox-sms")).into_iter().map(|path| {
            let message = fs::read_to_string(&path).unwrap();
            let (to, text) = message.strip_prefix("To: ").unwrap().split_once("\n\n").unwrap();
            let message_id = path.file_stem().unwrap().to_str().unwrap().to_owned();
            let request = message_id.split('.').next().unwrap().to_owned();
            // A text message does not spend letters on the request's number.
            let key = &ids[&request];
            let notice = Notice { text: format!("[{key}] {text}"), request, message_id, file: path };
            Told { to: to.to_owned(), subject: String::new(), notice, whole: message.clone() }
        });
        by_mail.chain(by_sms).collect()
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
        let there = crate::daemon::eventually(&mut || reason.exists());
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
        daemon.terminate();
        assert_eq!(self.smtp.breaches(), [""; 0]);
        assert!(self.smtp.commands().iter().any(|c| c.starts_with("AUTH")), "it logs in");
        let told = self.everything_told();
        let outcomes: Vec<Value> = self.office.site.outcomes().into_values().collect();
        let ids: std::collections::BTreeSet<&str> =
            outcomes.iter().map(|outcome| outcome["request"]["id"].as_str().unwrap()).collect();
        for one in &told {
            let own = outcomes.iter().find(|outcome| outcome["request"]["uid"] == one.notice.request.as_str()).unwrap();
            let own = own["request"]["id"].as_str().unwrap();
            assert!(one.notice.text.contains(own), "{own}: {}", one.notice.text);
            let others = ids.iter().filter(|id| **id != own && one.notice.text.contains(**id)).count();
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
