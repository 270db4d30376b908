use super::{PORT_TRIES, Server, authority::Authority, free_tcp_port, open_dir, run, snippet, write};
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

const PACKAGE: &str = "slapd and ldap-utils";
const SUFFIX: &str = "dc=example,dc=org";
const ROOT: &str = "cn=root,dc=example,dc=org";

/// An OpenLDAP server with the shipped configuration; `dc=example,dc=org` holds the shipped entries and nothing else.
pub struct Slapd {
    server: Option<Server>,
    dir: TempDir,
    /// `ldap://`, StartTLS offered.
    pub port: u16,
    /// `ldaps://`
    pub tls_port: u16,
    pub authority: Authority,
}

impl Slapd {
    /// Starts one as the shipped files have it.
    pub fn start() -> Self {
        Self::with("")
    }

    /// With further lines inside the database.
    pub fn with(lines: &str) -> Self {
        Self::begin(open_dir(), "", lines)
    }

    /// That logs everything that is written, in a database beside.
    pub fn logging() -> Self {
        let dir = open_dir();
        let log = dir.path().join("log");
        std::fs::create_dir(&log).unwrap();
        let beside = format!(
            "moduleload accesslog\ndatabase mdb\nsuffix cn=accesslog\ndirectory {}\nindex reqStart eq\n",
            log.display()
        );
        Self::begin(dir, &beside, "overlay accesslog\nlogdb cn=accesslog\nlogops writes\n")
    }

    /// On a disk that is one: the temporary directory may be memory.
    pub fn on_disk(parent: &Path) -> Self {
        Self::begin(tempfile::tempdir_in(parent).unwrap(), "", "")
    }

    /// `beside`: lines before the database; `lines`: in it.
    fn begin(dir: TempDir, beside: &str, lines: &str) -> Self {
        let authority = Authority::new(dir.path());
        std::fs::create_dir(dir.path().join("db")).unwrap();
        configure(dir.path(), beside, lines);
        write(&dir.path().join("password"), "change-me\n");
        write(&dir.path().join("root-password"), "root-secret");
        let mut slapd = Self { server: None, dir, port: 0, tls_port: 0, authority };
        slapd.load();
        for _ in 0..PORT_TRIES {
            (slapd.port, slapd.tls_port) = (free_tcp_port(), free_tcp_port());
            if slapd.run_it() {
                return slapd;
            }
        }
        panic!("slapd did not start: {}", std::fs::read_to_string(slapd.dir.path().join("stderr")).unwrap_or_default());
    }

    fn load(&self) {
        let ldif = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/integration/openldap/akund.ldif");
        let output = run(
            Command::new("/usr/sbin/slapadd")
                .args(["-b", SUFFIX])
                .arg("-f")
                .arg(self.path("slapd.conf"))
                .arg("-l")
                .arg(ldif),
            PACKAGE,
        );
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    fn run_it(&mut self) -> bool {
        let urls = format!("ldap://127.0.0.1:{}/ ldaps://127.0.0.1:{}/ {}/", self.port, self.tls_port, self.ldapi());
        let mut command = Command::new("/usr/sbin/slapd");
        command.arg("-f").arg(self.path("slapd.conf")).args(["-h", &urls, "-d", "0"]);
        let mut server = Server::spawn(&mut command, &self.path("stderr"), PACKAGE);
        let ready = server.ready("slapd's answer", || {
            let asked = run(
                Command::new("ldapsearch").args(["-x", "-LLL", "-H", &self.url(), "-s", "base", "-b", ""]),
                PACKAGE,
            );
            asked.status.success()
        });
        self.server = ready.then_some(server);
        ready
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.server.as_ref().unwrap().child.id()
    }

    /// Processor time that it has taken (proc(5): in hundredths of a second).
    pub fn cpu(&self) -> std::time::Duration {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.pid())).unwrap();
        let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
        let ticks: u64 = fields[11..13].iter().map(|t| t.parse::<u64>().unwrap()).sum();
        std::time::Duration::from_millis(ticks * 10)
    }

    /// Stops it as a power cut would.
    pub fn kill(&mut self) {
        if let Some(server) = &self.server {
            server.signal(nix::sys::signal::Signal::SIGKILL);
        }
        self.server = None;
    }

    /// Starts it again on the same ports.
    pub fn start_again(&mut self) {
        self.server = None;
        assert!(self.run_it(), "slapd did not start again");
    }

    /// Whether it is there and answers; one that is just dying is waited for.
    pub fn is_up(&mut self) -> bool {
        std::thread::sleep(std::time::Duration::from_millis(30));
        let asked =
            run(Command::new("ldapsearch").args(["-x", "-LLL", "-H", &self.url(), "-s", "base", "-b", ""]), PACKAGE);
        asked.status.success() && self.server.as_mut().is_some_and(|server| !server.ended())
    }

    pub fn url(&self) -> String {
        format!("ldap://127.0.0.1:{}", self.port)
    }

    pub fn ldapi(&self) -> String {
        let path = self.path("ldapi");
        format!("ldapi://{}", path.to_str().unwrap().replace('/', "%2F"))
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// `ldapwhoami` with a name and a password: whether they open it.
    pub fn logs_in(&self, dn: &str, password: &str) -> bool {
        super::logs_in(&self.url(), dn, password)
    }

    /// All entries below a base that a filter matches, as `ldapsearch` shows them to the server's root, without operational
    /// attributes.
    pub fn search(&self, filter: &str, attributes: &[&str]) -> Vec<String> {
        let file = self.path("root-password");
        super::search(&self.url(), SUFFIX, ROOT, &file, filter, attributes)
    }

    /// What a person does by hand, as LDIF, as the server's root.
    pub fn by_hand(&self, ldif: &str) {
        super::modify(&self.url(), ROOT, &self.path("root-password"), ldif);
    }
}

fn configure(dir: &Path, beside: &str, lines: &str) {
    let shipped = snippet("openldap/akund.conf", &[]);
    let (access, overlays) = shipped.split_once("overlay ppolicy").unwrap();
    let own_uid = format!("gidNumber={}[+]uidNumber={}", nix::unistd::getgid(), nix::unistd::getuid());
    let modules = snippet("openldap/modules.conf", &[]).replace("gidNumber=991[+]uidNumber=991", &own_uid);
    let r = dir.display();
    write(
        &dir.join("slapd.conf"),
        &format!(
            "include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/nis.schema
include /etc/ldap/schema/inetorgperson.schema
pidfile {r}/slapd.pid
argsfile {r}/slapd.args
{modules}
loglevel none
TLSCACertificateFile {r}/ca.pem
TLSCertificateFile {r}/server.pem
TLSCertificateKeyFile {r}/server.key
TLSVerifyClient never
{beside}
database mdb
suffix {SUFFIX}
rootdn {ROOT}
rootpw root-secret
directory {r}/db
maxsize 1073741824
{lines}
{access}
overlay ppolicy{overlays}"
        ),
    );
}
