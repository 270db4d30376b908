//! An office: akund, Postfix, Dovecot and FreeRADIUS, which is the access point's NAS, too.

use crate::daemon::mailbox::notices;
use crate::daemon::{Daemon, Setup, Site};
use crate::peers::{FreeRadius, MASTER_USER, MailHost, MariaDb, Method, Postgres, SECRET, setgid_dir};
use async_imap::Client;
use futures_util::TryStreamExt;
use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

pub struct Office {
    pub site: Site,
    pub mail: MailHost,
    pub radius: FreeRadius,
}

const READERS_PASSWORD: &str = "rahasia-pembaca";

/// Where the accounts are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    Sqlite,
    Postgres,
    MariaDb,
    /// Mail accounts in flat files; hotspot accounts in SQLite.
    Files,
}

/// A target's database on a server; nothing is filled in where it is a file.
#[derive(Default)]
struct Database {
    engine: Option<Engine>,
    url: String,
    name: String,
    password_file: PathBuf,
    port: u16,
}

impl Engine {
    fn database(self) -> Database {
        let engine = Some(self);
        match self {
            Self::Sqlite | Self::Files => Database::default(),
            Self::Postgres => {
                let server = Postgres::shared();
                let (name, port, password_file) = (server.database(), server.port(), server.password_file());
                Database { engine, url: server.url(&name, port), name, password_file, port }
            }
            Self::MariaDb => {
                let server = MariaDb::shared();
                let (name, port, password_file) = (server.database(), server.port(), server.password_file());
                Database { engine, url: server.url(&name, port), name, password_file, port }
            }
        }
    }
}

/// Gives the mail target flat files in the place of tables, with directories as the integration notes want them; the
/// passwd-file, and Postfix's maps for domains, mailboxes and aliases.
fn on_files(site: &Site) -> (PathBuf, [String; 3]) {
    let passwd = setgid_dir(&site.path("targets"), "dovecot", "dovecot").join("passwd");
    let dir = setgid_dir(&site.path("targets"), "maps", "postfix");
    let maps = ["domains", "mailboxes", "aliases"].map(|name| format!("lmdb:{}", dir.join(name).display()));
    // For postmap; Postfix's programs wait until a main.cf that was just written is two seconds old.
    let (postfix, main_cf) = (site.path("postfix"), site.path("postfix/main.cf"));
    fs::create_dir(&postfix).unwrap();
    fs::write(&main_cf, "compatibility_level = 3.6\n").unwrap();
    fs::File::open(&main_cf).unwrap().set_modified(std::time::UNIX_EPOCH).unwrap();
    let tables = "kind = \"mail-maps\"\ndatabase = \"targets/mail/mail.db\"\n";
    let text = fs::read_to_string(site.path("akund.toml")).unwrap();
    assert!(text.contains(tables), "{text}");
    let [domains, mailboxes, aliases] = &maps;
    let files = format!(
        "kind = \"map-files\"\npasswd = {passwd:?}\ndomains = {domains:?}\nmailboxes = {mailboxes:?}\n\
         aliases = {aliases:?}\npostfix = {postfix:?}\n"
    );
    fs::write(site.path("akund.toml"), text.replace(tables, &files)).unwrap();
    (passwd, maps)
}

impl Database {
    fn config(&self, target: &str) -> String {
        match self.engine {
            None => String::new(),
            Some(_) => {
                format!("[target.{target}]\ndatabase = {:?}\npassword_file = {:?}\n", self.url, self.password_file)
            }
        }
    }

    /// Makes the tables, and lets the mail servers or FreeRADIUS read them, as the integration notes say.
    fn let_read(&self, target: &str) {
        let Some(engine) = self.engine else { return };
        let kind = if engine == Engine::Postgres { "postgresql" } else { "mysql" };
        let shipped = |name: String| {
            let path = format!("{}/config/integration/sql/{name}.{kind}.sql", env!("CARGO_MANIFEST_DIR"));
            fs::read_to_string(path).unwrap()
        };
        let tables = shipped(target.to_owned());
        let readers = shipped(format!("{target}-readers")).replace("CHANGE-ME", READERS_PASSWORD);
        match engine {
            Engine::Postgres => {
                Postgres::shared().sql(&self.name, &format!("SET ROLE akund;\n{tables}\nRESET ROLE;\n{readers}"))
            }
            _ => MariaDb::shared().sql(&self.name, &format!("{tables}\n{readers}")),
        };
    }
}

/// What an outcome says of one step.
#[derive(Debug, PartialEq, Eq)]
pub struct Step {
    pub lane: String,
    pub verb: String,
    pub state: String,
    pub proof: String,
    pub fault: String,
}

impl Office {
    /// Everything but akund runs; the accounts are in SQLite files.
    pub fn open() -> Self {
        Self::on(Engine::Sqlite)
    }

    /// Everything but akund runs.
    pub fn on(engine: Engine) -> Self {
        let lane = "retry_seconds = 1\nretry_max_seconds = 2\nsettle_seconds = 3";
        let site = Site::with(Setup { lane, ..Setup::default() });
        fs::set_permissions(site.path(""), fs::Permissions::from_mode(0o755)).unwrap();
        fs::set_permissions(site.path("targets"), fs::Permissions::from_mode(0o755)).unwrap();
        readable_by(&site.path("targets/mail"), "postfix");
        readable_by(&site.path("targets/radius"), "freerad");
        fs::create_dir_all(site.path("conf.d")).unwrap();
        let (mail, radius) = (engine.database(), engine.database());
        fs::write(site.path("conf.d/databases.toml"), format!("{}{}", mail.config("mail"), radius.config("radius")))
            .unwrap();
        let files = (engine == Engine::Files).then(|| on_files(&site));
        // FreeRADIUS wants its tables when it starts.
        site.start().terminate();
        for (database, name) in [(&mail, "mail"), (&radius, "radius")] {
            database.let_read(name);
        }
        let office = match engine {
            Engine::Sqlite | Engine::Files => {
                let mail = match files {
                    Some((passwd, maps)) => MailHost::start_on_files(&passwd, maps),
                    None => MailHost::start(&site.path("targets/mail/mail.db")),
                };
                let radius = FreeRadius::start(&site.path("targets/radius/radius.db"), "Asia/Jakarta");
                Self { site, mail, radius }
            }
            Engine::Postgres | Engine::MariaDb => {
                let (maps, module) =
                    if engine == Engine::Postgres { ("pgsql", "postgresql") } else { ("mysql", "mysql") };
                let mail = MailHost::start_on_server(maps, mail.port, &mail.name, READERS_PASSWORD);
                let radius = FreeRadius::start_on_server(module, radius.port, &radius.name, READERS_PASSWORD);
                Self { site, mail, radius }
            }
        };
        office.configure();
        office
    }

    fn configure(&self) {
        let Self { site, mail, radius } = self;
        let mut text = format!(
            "[[source]]\nname = \"local\"\nactions = [\"create\", \"change\", \"reset\", \"suspend\", \"resume\", \"remove\"]\n\
             [target.mail]\nhome = {:?}\n[target.radius]\npassword = \"nt-hash\"\n",
            mail.homes()
        );
        let _ = write!(
            text,
            "[target.mail.proof]\nimap = \"imaps://127.0.0.1:{}\"\nsubmission = \"submission://localhost:{}\"\nca_file = {:?}\n\
             master_user = \"{}\"\nmaster_password_file = {:?}\n\
             [target.radius.proof]\nserver = \"127.0.0.1:{}\"\nsecret_file = \"secret\"\n\
             [[target.radius.nas]]\naddress = \"127.0.0.1:{}\"\nsecret_file = \"{}\"\n",
            mail.imaps,
            mail.submission,
            mail.ca_file(),
            MASTER_USER.0,
            site.path("master"),
            radius.port,
            radius.nas_port,
            site.path("secret").display(),
        );
        let text = text.replace("secret_file = \"secret\"", &format!("secret_file = {:?}", site.path("secret")));
        fs::write(site.path("master"), MASTER_USER.1).unwrap();
        fs::write(site.path("secret"), format!("{SECRET}\n")).unwrap();
        fs::write(site.path("conf.d/proofs.toml"), text).unwrap();
    }

    pub fn start(&self) -> Daemon {
        self.site.start()
    }

    /// Hands a request in and waits until nothing moves any more.
    pub fn ask(&self, id: &str, action: &str, local: &str) {
        let before = self.site.states().len();
        self.hand_in(id, action, local);
        self.site.until_rest(before + 1);
    }

    pub fn hand_in(&self, id: &str, action: &str, local: &str) {
        let create = crate::daemon::records::good(id, local);
        let asked = create.replacen("akund = 1\n", &format!("akund = 1\naction = {action:?}\n"), 1);
        let record = match (action, asked.split_once("[[approval]]")) {
            ("create" | "suspend" | "resume", _) | (_, None) => asked,
            (_, Some((before, _approval))) => before.to_owned(),
        };
        self.site.drop_in(&format!("{id}.toml"), record);
    }

    /// Asks for new values, given as the lines of `[change]`, and waits as [`Office::ask`] does.
    pub fn ask_change(&self, id: &str, local: &str, change: &str) {
        let before = self.site.states().len();
        let create = crate::daemon::records::good(id, local);
        let record = create.replacen("akund = 1\n", "akund = 1\naction = \"change\"\n", 1);
        self.site.drop_in(&format!("{id}.toml"), format!("{record}[change]\n{change}"));
        self.site.until_rest(before + 1);
    }

    /// Waits until this many messages are in the user's inbox; each, whole.
    pub async fn mails(&self, count: usize, user: &str, password: &str) -> Vec<String> {
        for _ in 0..300 {
            let inbox = self.inbox(user, password).await;
            if inbox.len() >= count {
                assert_eq!(inbox.len(), count, "{inbox:#?}");
                return inbox;
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        panic!("{count} messages were not delivered:\n{}", self.mail.log());
    }

    /// The steps of a request, as its outcome has them.
    pub fn steps(&self, id: &str) -> Vec<Step> {
        let outcomes = self.site.outcomes();
        let outcome = outcomes.iter().find(|(path, _)| path.to_string_lossy().contains(&format!("/{id}@")));
        let (_, outcome) =
            outcome.unwrap_or_else(|| panic!("{id} has no outcome: {:?}\n{}", outcomes.keys(), self.site.log()));
        let text = |step: &serde_json::Value, key: &str| step[key].as_str().unwrap_or_default().to_owned();
        let steps = outcome["steps"].as_array().unwrap();
        let read = |step: &serde_json::Value| Step {
            lane: text(step, "lane"),
            verb: text(step, "verb"),
            state: text(step, "state"),
            proof: text(step, "proof"),
            fault: text(step, "fault"),
        };
        steps.iter().map(read).collect()
    }

    /// How each target proved a request that must be done: by lane.
    pub fn proofs(&self, id: &str) -> Vec<(String, String)> {
        assert_eq!(self.site.state(&format!("generic:{id}@1")), "done", "{:#?}\n{}", self.steps(id), self.mail.log());
        let mut proofs: Vec<_> = self
            .steps(id)
            .into_iter()
            .filter(|step| step.verb == "prove")
            .map(|step| (step.lane, step.proof))
            .collect();
        proofs.sort();
        proofs
    }

    /// The passwords in the notices, in no order.
    pub fn passwords(&self) -> Vec<String> {
        notices(&self.site).iter().filter_map(|notice| notice.password().map(str::to_owned)).collect()
    }

    /// Whether the hotspot lets the user in, by PAP and MS-CHAP alike.
    pub fn hotspot_takes(&self, user: &str, password: &str) -> bool {
        let accepted = [Method::Pap, Method::MsChap].map(|method| self.radius.login(method, user, password).is_some());
        assert!(accepted[0] == accepted[1], "PAP and MS-CHAP disagree: {accepted:?}");
        accepted[0]
    }

    /// Whether IMAP lets the user in; its own client, not akund's.
    pub async fn imap_takes(&self, user: &str, password: &str) -> bool {
        self.client().await.login(user, password).await.is_ok()
    }

    /// Every message in the user's inbox.
    pub async fn inbox(&self, user: &str, password: &str) -> Vec<String> {
        let mut session = self.client().await.login(user, password).await.map_err(|(e, _)| e).unwrap();
        let inbox = session.select("INBOX").await.unwrap();
        if inbox.exists == 0 {
            return Vec::new();
        }
        let fetched = session.fetch("1:*", "BODY[]").await.unwrap();
        let messages: Vec<_> = fetched.try_collect().await.unwrap();
        messages.iter().map(|m| String::from_utf8_lossy(m.body().unwrap_or_default()).into_owned()).collect()
    }

    async fn client(&self) -> Client<TlsStream<TcpStream>> {
        let config = akund::tls::client_config(Some(&self.mail.ca_file()), self.mail.imaps).unwrap();
        let tcp = TcpStream::connect(("127.0.0.1", self.mail.imaps)).await.unwrap();
        let name = akund::tls::server_name("127.0.0.1").unwrap();
        let mut client = Client::new(TlsConnector::from(config).connect(name, tcp).await.unwrap());
        client.read_response().await.unwrap();
        client
    }
}

/// As the integration notes want it: the group's readers may pass, files inherit the group.
fn readable_by(dir: &Path, group: &str) {
    let gid = nix::unistd::Group::from_name(group).unwrap().unwrap_or_else(|| panic!("there is no group {group}")).gid;
    nix::unistd::chown(dir, None, Some(gid)).expect("the tests with real servers run as root");
    fs::set_permissions(dir, fs::Permissions::from_mode(0o2750)).unwrap();
    for entry in fs::read_dir(dir).unwrap() {
        nix::unistd::chown(&entry.unwrap().path(), None, Some(gid)).unwrap();
    }
}

/// `mail` and `radius`, each proven so.
pub fn both(proof: &str) -> Vec<(String, String)> {
    vec![("mail".into(), proof.into()), ("radius".into(), proof.into())]
}
