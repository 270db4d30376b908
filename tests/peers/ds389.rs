use super::{PORT_TRIES, authority::Authority, free_tcp_port, open_dir, run, snippet, wait_for, write};
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

const PACKAGE: &str = "389-ds-base";
const SHARE: &str = "/usr/share/dirsrv";
const ROOT: &str = "cn=Directory Manager";

/// A 389 Directory Server with `dc=example,dc=org`. Takes a quarter of a minute to make: tests share one.
pub struct Ds389 {
    dir: TempDir,
    pub port: u16,
    pub tls_port: u16,
}

impl Ds389 {
    pub fn start() -> Self {
        for _ in 0..PORT_TRIES {
            let made = Self { dir: open_dir(), port: free_tcp_port(), tls_port: free_tcp_port() };
            made.lay_out();
            let output = made.tool("dscreate").args(["-v", "from-file"]).arg(made.path("inst.inf")).output().unwrap();
            if output.status.success() {
                made.wait();
                made.fill();
                return made;
            }
            let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
            assert!(said.contains("port") && said.contains("in use"), "dscreate ({PACKAGE}): {said}");
        }
        panic!("no free port for 389 Directory Server");
    }

    /// Everything under one prefix, without systemd, and listening on loopback from the first moment on.
    fn lay_out(&self) {
        let x = self.dir.path().display().to_string();
        let script = format!(
            "set -e; cd {x}; mkdir -p var/log/dirsrv var/lib/dirsrv var/dbhome run/lock/dirsrv run/dirsrv etc/dirsrv/ssca \
             share/dirsrv/inf etc/default lib tmpfiles; cp -r {SHARE}/data {SHARE}/schema share/dirsrv/; \
             cp -r /etc/dirsrv/config /etc/dirsrv/schema etc/dirsrv/; \
             sed -i 's/^nsslapd-port: .*/&\\nnsslapd-listenhost: 127.0.0.1\\nnsslapd-securelistenhost: 127.0.0.1/' \
             share/dirsrv/data/template-dse.ldif; \
             sed -e 's/^with_systemd = .*/with_systemd = 0/' -e 's#^data_dir = .*#data_dir = {x}/share#' \
             -e 's#^tmp_dir = .*#tmp_dir = {x}/run#' -e 's#= /etc#= {x}/etc#' -e 's#= /var#= {x}/var#' -e 's#= /run#= {x}/run#' \
             -e 's#^db_home_dir = .*#db_home_dir = {x}/var/dbhome#' -e 's#^inst_dir = .*#inst_dir = {x}/lib/slapd-{{instance_name}}#' \
             -e 's#^system_schema_dir = .*#system_schema_dir = {x}/share/dirsrv/schema#' -e 's#^prefix = .*#prefix = {x}#' \
             {SHARE}/inf/defaults.inf > share/dirsrv/inf/defaults.inf; chown -R dirsrv: {x}; chmod -R a+rX {x}"
        );
        let output = run(Command::new("bash").args(["-c", &script]), PACKAGE);
        assert!(output.status.success(), "{PACKAGE}: {}", String::from_utf8_lossy(&output.stderr));
        write(
            &self.path("inst.inf"),
            &format!(
                "[general]\nconfig_version = 2\nfull_machine_name = localhost\nstrict_host_checking = False\nselinux = False\n\
                 systemd = False\nstart = True\n[slapd]\ninstance_name = akund\nport = {}\nsecure_port = {}\nroot_dn = {ROOT}\n\
                 root_password = root-secret\nself_sign_cert = True\n[backend-userroot]\nsuffix = dc=example,dc=org\n\
                 sample_entries = no\ncreate_suffix_entry = True\n",
                self.port, self.tls_port
            ),
        );
        write(&self.path("root-password"), "root-secret");
        write(&self.path("password"), "change-me\n");
    }

    fn wait(&self) {
        wait_for("389 Directory Server's answer", || {
            let asked = ["-x", "-LLL", "-H", &self.url(), "-s", "base", "-b", "", "vendorVersion"];
            run(Command::new("ldapsearch").args(asked), PACKAGE).status.success()
        });
    }

    /// The tree, and akund with the rights that it needs.
    fn fill(&self) {
        self.by_hand(&snippet("389ds/akund.ldif", &[]));
        wait_for("the index of the mark", || {
            let root = self.path("root-password");
            let done =
                super::search(&self.url(), "cn=index,cn=tasks,cn=config", ROOT, &root, "(nsTaskExitCode=0)", &["cn"]);
            !done.is_empty()
        });
    }

    fn tool(&self, name: &str) -> Command {
        let mut command = Command::new(name);
        command.env("PREFIX", self.dir.path());
        command
    }

    /// Ends it as a power cut would.
    pub fn kill(&mut self) {
        let pid = std::fs::read_to_string(self.path("run/dirsrv/slapd-akund.pid")).expect("389's process id");
        let pid = nix::unistd::Pid::from_raw(pid.trim().parse().expect("a process id"));
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL).expect("ending 389");
        wait_for("389 to end", || nix::sys::signal::kill(pid, None).is_err());
    }

    /// Starts it again on the same ports.
    pub fn start_again(&mut self) {
        let output = self.tool("dsctl").args(["akund", "start"]).output().unwrap();
        assert!(output.status.success(), "dsctl start: {}", String::from_utf8_lossy(&output.stderr));
        self.wait();
    }

    pub fn url(&self) -> String {
        format!("ldap://127.0.0.1:{}", self.port)
    }
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }
    /// The CA that signed its certificate.
    pub fn ca(&self) -> PathBuf {
        self.path("etc/dirsrv/ssca/ca.crt")
    }
    pub fn logs_in(&self, dn: &str, password: &str) -> bool {
        super::logs_in(&self.url(), dn, password)
    }
    pub fn search(&self, filter: &str, attributes: &[&str]) -> Vec<String> {
        super::search(&self.url(), "dc=example,dc=org", ROOT, &self.path("root-password"), filter, attributes)
    }
    pub fn by_hand(&self, ldif: &str) {
        super::modify(&self.url(), ROOT, &self.path("root-password"), ldif);
    }
}

impl Drop for Ds389 {
    fn drop(&mut self) {
        let _ = self.tool("dsctl").args(["akund", "stop"]).output();
    }
}
