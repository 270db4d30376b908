//! The tools that people use otherwise, one process per account, on the same slapd or with a database of their own. Debian's packages
//! ldapscripts, smbldap-tools and postfixadmin; nothing of theirs in `/etc` is read or changed.

use super::beside;
use crate::peers::Slapd;
use nix::sys::resource::UsageWho;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;
use tempfile::TempDir;

const ROOT: &str = "cn=root,dc=example,dc=org";

/// Each of them, with so many accounts.
pub fn all(slapd: &Slapd, accounts: usize) {
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    if there("ldapadduser", "/usr/sbin/ldapadduser", "ldapscripts") {
        ldapscripts(slapd, &dir, accounts);
    }
    if there("smbldap-useradd", "/usr/sbin/smbldap-useradd", "smbldap-tools") {
        smbldap(slapd, &dir, accounts);
    }
    let php = ["/usr/share/postfixadmin/scripts/postfixadmin-cli.php", "/usr/bin/php"];
    let packages = "postfixadmin, php-cli, php-sqlite3 and php-mbstring";
    if there("postfixadmin-cli", php[0], packages) && there("postfixadmin-cli", php[1], packages) {
        postfixadmin(&dir, accounts);
    }
}

/// Whether a tool is installed; else the line that says what it takes.
fn there(tool: &str, file: &str, packages: &str) -> bool {
    let there = Path::new(file).exists();
    if !there {
        println!("{tool:<58}  not measured: {file} is missing; apt-get install {packages}");
    }
    there
}

fn run(command: &mut Command, package: &str) {
    let output = command
        .stdin(Stdio::null())
        .output()
        .unwrap_or_else(|e| panic!("{:?} cannot be run ({e}): install {package}", command.get_program()));
    assert!(
        output.status.success(),
        "{command:?}: {}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

fn ldapscripts(slapd: &Slapd, dir: &TempDir, accounts: usize) {
    let password = dir.path().join("root-password");
    fs::write(&password, "root-secret").unwrap();
    let conf = dir.path().join("ldapscripts.conf");
    fs::write(
        &conf,
        format!(
            "SERVER=\"{}\"\nSUFFIX=\"dc=example,dc=org\"\nGSUFFIX=\"ou=groups\"\nUSUFFIX=\"ou=people\"\nMSUFFIX=\"ou=people\"\n\
             BINDDN=\"{ROOT}\"\nBINDPWDFILE=\"{}\"\nUIDSTART=\"20000\"\nGIDSTART=\"20000\"\nMIDSTART=\"30000\"\nGCLASS=\"posixGroup\"\n\
             PASSWORDGEN=\"echo Rahasia12345\"\nRECORDPASSWORDS=\"no\"\nLOGTOFILE=\"yes\"\nLOGFILE=\"{}\"\nLOGTOSYSLOG=\"no\"\n\
             LDAPSEARCHBIN=\"/usr/bin/ldapsearch\"\nLDAPADDBIN=\"/usr/bin/ldapadd\"\nLDAPDELETEBIN=\"/usr/bin/ldapdelete\"\n\
             LDAPMODIFYBIN=\"/usr/bin/ldapmodify\"\nLDAPMODRDNBIN=\"/usr/bin/ldapmodrdn\"\nLDAPPASSWDBIN=\"/usr/bin/ldappasswd\"\n\
             LDAPSEARCHOPTS=\"-o ldif-wrap=no\"\nGTEMPLATE=\"\"\nUTEMPLATE=\"\"\nMTEMPLATE=\"\"\nCREATEHOMES=\"no\"\nUSHELL=\"/bin/false\"\nUHOMES=\"/home/%u\"\nGETENTPWCMD=\"\"\nGETENTGRCMD=\"\"\n",
            slapd.url(),
            password.display(),
            dir.path().join("ldapscripts.log").display()
        ),
    )
    .unwrap();
    slapd.by_hand(
        "dn: cn=staf,ou=groups,dc=example,dc=org\nchangetype: add\nobjectClass: posixGroup\ncn: staf\ngidNumber: 20000\n",
    );
    beside(slapd, "ldapadduser (ldapscripts)", accounts, UsageWho::RUSAGE_CHILDREN, || {
        for n in 0..accounts {
            let mut command = Command::new("/usr/sbin/ldapadduser");
            run(command.args([&format!("ls{n}"), "staf"]).env("LDAPSCRIPTS_CONF", &conf), "ldapscripts");
        }
    });
}

fn smbldap(slapd: &Slapd, dir: &TempDir, accounts: usize) {
    let (conf, bind) = (dir.path().join("smbldap.conf"), dir.path().join("smbldap_bind.conf"));
    fs::write(
        &conf,
        format!(
            "SID=\"S-1-5-21-1-2-3\"\nsambaDomain=\"AKUND\"\nslaveLDAP=\"{url}\"\nmasterLDAP=\"{url}\"\nldapTLS=\"0\"\n\
             suffix=\"dc=example,dc=org\"\nusersdn=\"ou=people,dc=example,dc=org\"\ncomputersdn=\"ou=people,dc=example,dc=org\"\n\
             groupsdn=\"ou=groups,dc=example,dc=org\"\nsambaUnixIdPooldn=\"cn=NextFreeUnixId,dc=example,dc=org\"\nscope=\"sub\"\n\
             password_hash=\"SSHA\"\npassword_crypt_salt_format=\"%s\"\nuserLoginShell=\"/bin/false\"\nuserHome=\"/home/%U\"\n\
             userHomeDirectoryMode=\"700\"\nuserGecos=\"User\"\ndefaultUserGid=\"20000\"\ndefaultComputerGid=\"20000\"\n\
             skeletonDir=\"/nonexistent\"\nshadowAccount=\"0\"\nwith_smbpasswd=\"0\"\nwith_slappasswd=\"0\"\n",
            url = slapd.url()
        ),
    )
    .unwrap();
    fs::write(
        &bind,
        format!("slaveDN=\"{ROOT}\"\nslavePw=\"root-secret\"\nmasterDN=\"{ROOT}\"\nmasterPw=\"root-secret\"\n"),
    )
    .unwrap();
    let samba = dir.path().join("smb.conf");
    fs::write(&samba, "[global]\nworkgroup = AKUND\n").unwrap();
    beside(slapd, "smbldap-useradd (smbldap-tools), without a password", accounts, UsageWho::RUSAGE_CHILDREN, || {
        for n in 0..accounts {
            let mut command = Command::new("/usr/sbin/smbldap-useradd");
            command.args(["-u", &format!("{}", 40_000 + n), "-g", "20000", &format!("smb{n}")]);
            command.env("SMBLDAP_CONF", &conf).env("SMBLDAP_BIND_CONF", &bind).env("SMBLDAP_SMB_CONF", &samba);
            run(&mut command, "smbldap-tools");
        }
    });
}

/// A copy of it, with an SQLite file beside it.
fn postfixadmin(dir: &TempDir, accounts: usize) {
    let (place, database) = (dir.path().join("postfixadmin"), dir.path().join("postfixadmin.db"));
    let copied = Command::new("cp").args(["-rL", "/usr/share/postfixadmin"]).arg(&place).stderr(Stdio::null()).status();
    assert!(copied.is_ok() && place.join("config.inc.php").exists(), "install postfixadmin, php-cli and php-sqlite3");
    let config = fs::read_to_string(place.join("config.inc.php")).unwrap();
    fs::write(place.join("config.inc.php"), config.replace("require_once('dbconfig.inc.php');", "")).unwrap();
    fs::create_dir_all(place.join("templates_c")).unwrap();
    fs::write(&database, "").unwrap();
    fs::write(
        place.join("config.local.php"),
        format!(
            "<?php\n$CONF['configured'] = true;\n$CONF['database_type'] = 'sqlite';\n$CONF['database_name'] = '{}';\n\
             $CONF['encrypt'] = 'php_crypt:SHA512';\n$CONF['emailcheck_resolve_domain'] = 'NO';\n",
            database.display()
        ),
    )
    .unwrap();
    let php = |arguments: &[&str]| {
        let mut command = Command::new("php");
        run(command.args(arguments).current_dir(&place), "php-cli and php-sqlite3");
    };
    php(&["public/upgrade.php"]);
    let tool = "scripts/postfixadmin-cli.php";
    // As many mailboxes and aliases as one likes.
    php(&[tool, "domain", "add", "example.org", "--default-aliases", "0", "--mailboxes", "0", "--aliases", "0"]);
    let (before, begun) = (super::cpu(UsageWho::RUSAGE_CHILDREN), Instant::now());
    for n in 0..accounts {
        let (address, password) = (format!("pa{n}@example.org"), "Rahasia12345");
        php(&[
            tool,
            "mailbox",
            "add",
            &address,
            "--password",
            password,
            "--password2",
            password,
            "--name",
            "X",
            "--welcome-mail",
            "0",
        ]);
    }
    let processor = super::cpu(UsageWho::RUSAGE_CHILDREN) - before;
    super::told("postfixadmin-cli (SQLite, SHA-512-crypt)", accounts, begun.elapsed(), &[("it", processor)]);
    assert!(Path::new(&database).metadata().unwrap().len() > 0);
}
