use super::{Authority, Server, open_dir, run, shipped, write};
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use tempfile::TempDir;

const PACKAGE: &str = "samba, samba-ad-dc and samba-ad-provision";
const ADMIN: &str = "cn=Administrator,cn=Users,dc=akund,dc=test";
/// The password of akund's own account there.
const AKUNDS: &str = "Akund.Secret1";

/// A Samba domain controller: Active Directory's LDAP at `dc=akund,dc=test`. Its ports are fixed, so it has an address of its own.
pub struct Samba {
    server: Option<Server>,
    dir: TempDir,
    address: String,
    pub authority: Authority,
}

impl Samba {
    pub fn start() -> Self {
        let dir = open_dir();
        static STARTED: AtomicU32 = AtomicU32::new(0);
        let (id, n) = (std::process::id(), STARTED.fetch_add(1, Ordering::Relaxed));
        let address = format!("127.{}.{}.{}", 64 + id % 64, (id >> 6) % 256, 2 + ((id >> 14) + 16 * n) % 250);
        let authority = Authority::naming(dir.path(), &["dc1.akund.test", "127.0.0.1", &address]);
        let r = dir.path().join("dc");
        let option = |text: String| format!("--option={text}");
        let output = run(
            Command::new("samba-tool")
                .args(["domain", "provision", "--realm=AKUND.TEST", "--domain=AKUND", "--server-role=dc"])
                .args([
                    "--dns-backend=NONE",
                    "--adminpass=Adm1n.Secret",
                    "--use-rfc2307",
                    "--host-name=dc1",
                    &format!("--host-ip={address}"),
                    &format!("--targetdir={}", r.display()),
                    &option(format!("posix:eadb={}/eadb.tdb", dir.path().display())),
                    &option("vfs objects=dfs_samba4 acl_xattr xattr_tdb".into()),
                ]),
            PACKAGE,
        );
        assert!(output.status.success(), "{PACKAGE}: {}", String::from_utf8_lossy(&output.stderr));
        for part in ["log", "cache", "ncalrpc", "tls"] {
            std::fs::create_dir_all(r.join(part)).unwrap();
        }
        configure(&dir, &r.display().to_string(), &address);
        write(&dir.path().join("admin-password"), "Adm1n.Secret");
        write(&dir.path().join("password"), AKUNDS);
        let_akund_in(&r);
        let mut samba = Self { server: None, dir, address, authority };
        samba.start_again();
        samba
    }

    /// Starts it, again on its address.
    pub fn start_again(&mut self) {
        self.server = None;
        let mut command = Command::new("/usr/sbin/samba");
        command
            .args(["-F", "--no-process-group", "-M", "single", "--debug-stdout", "-d", "1", "-s"])
            .arg(self.path("dc/etc/run.conf"));
        let mut server = Server::spawn(&mut command, &self.path("stdout"), PACKAGE);
        let url = self.url();
        let ready = server.ready("Samba's answer", || {
            let asked = ["-x", "-LLL", "-H", &url, "-s", "base", "-b", "", "defaultNamingContext"];
            run(Command::new("ldapsearch").args(asked), PACKAGE).status.success()
        });
        assert!(ready, "Samba: {}", std::fs::read_to_string(self.path("stdout")).unwrap_or_default());
        self.server = Some(server);
    }

    /// Ends it as a power cut would.
    pub fn kill(&mut self) {
        if let Some(server) = &self.server {
            server.signal(nix::sys::signal::Signal::SIGKILL);
        }
        self.server = None;
    }

    /// Where it listens with TLS.
    pub fn tls_address(&self) -> std::net::SocketAddr {
        std::net::SocketAddr::new(self.address.parse().unwrap(), 636)
    }

    pub fn url(&self) -> String {
        format!("ldap://{}", self.address)
    }
    pub fn ldaps(&self) -> String {
        format!("ldaps://{}", self.address)
    }
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }
    pub fn logs_in(&self, dn: &str, password: &str) -> bool {
        // It does not know ldapwhoami's operation: a search of the own entry tells as well.
        let file = tempfile::NamedTempFile::new().unwrap();
        write(file.path(), password);
        let asked = ["-x", "-LLL", "-H", &self.ldaps(), "-D", dn, "-s", "base", "-b", dn, "-y"];
        let mut command = Command::new("ldapsearch");
        let output = run(command.args(asked).arg(file.path()).arg("cn").env("LDAPTLS_REQCERT", "never"), PACKAGE);
        match output.status.code() {
            Some(0) => true,
            Some(49) => false,
            other => panic!("ldapsearch ended with {other:?}: {}", String::from_utf8_lossy(&output.stderr)),
        }
    }
    pub fn search(&self, filter: &str, attributes: &[&str]) -> Vec<String> {
        super::search(&self.ldaps(), "dc=akund,dc=test", ADMIN, &self.path("admin-password"), filter, attributes)
    }
    /// Gives akund rights on an entry, by a shipped file.
    pub fn give(&self, dn: &str, rights: &str) {
        give(&self.path("dc"), dn, rights);
    }
    pub fn by_hand(&self, ldif: &str) {
        super::modify(&self.ldaps(), ADMIN, &self.path("admin-password"), ldif);
    }
}

/// `samba-tool`, on the domain controller itself.
fn tool(domain: &std::path::Path, arguments: &[&str]) -> String {
    let (conf, database) = (domain.join("etc/run.conf"), domain.join("private/sam.ldb"));
    let mut command = Command::new("samba-tool");
    let output = run(command.args(arguments).arg("-s").arg(&conf).arg("-H").arg(&database), PACKAGE);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{arguments:?}: {said}{}", String::from_utf8_lossy(&output.stderr));
    said
}

/// As config/integration/active-directory/README.md has it.
fn let_akund_in(domain: &std::path::Path) {
    tool(domain, &["ou", "create", "OU=Accounts"]);
    tool(domain, &["user", "create", "akund", AKUNDS]);
    tool(domain, &["user", "setexpiry", "akund", "--noexpiry"]);
    give(domain, "OU=Accounts,DC=akund,DC=test", "rights.sddl");
}

fn give(domain: &std::path::Path, dn: &str, rights: &str) {
    let shown = tool(domain, &["user", "show", "akund"]);
    let sid = shown.lines().find_map(|line| line.strip_prefix("objectSid: ")).unwrap();
    let rights = shipped(&format!("active-directory/{rights}")).replace("AKUND-SID", sid);
    tool(domain, &["dsacl", "set", &format!("--objectdn={dn}"), &format!("--sddl={}", rights.trim())]);
}

fn configure(dir: &TempDir, r: &str, address: &str) {
    let d = dir.path().display();
    let key = std::path::Path::new(r).join("tls/key.pem");
    std::fs::copy(dir.path().join("server.key"), &key).unwrap();
    std::fs::set_permissions(&key, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    write(
        &std::path::Path::new(r).join("etc/run.conf"),
        &format!(
            "[global]
netbios name = DC1
realm = AKUND.TEST
workgroup = AKUND
server role = active directory domain controller
server services = ldap, cldap, kdc
interfaces = {address}/8
bind interfaces only = yes
private dir = {r}/private
state directory = {r}/state
cache directory = {r}/cache
lock directory = {r}
pid directory = {r}
ncalrpc dir = {r}/ncalrpc
binddns dir = {r}/bind-dns
ntp signd socket directory = {r}/ntp
winbindd socket directory = {r}/winbindd
log file = {r}/log/log.samba
logging = file
ldap server require strong auth = no
tls enabled = yes
tls certfile = {d}/server.pem
tls keyfile = {r}/tls/key.pem
tls cafile = {d}/ca.pem
idmap_ldb:use rfc2307 = yes
disable netbios = yes
old password allowed period = 0
"
        ),
    );
}
