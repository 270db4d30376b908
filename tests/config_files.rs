//! The files that a package installs: the example configuration and what systemd reads. They must be right by themselves and
//! agree with each other.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use akund::config::{self, Config, TargetConfig};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn shipped(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// The shipped configuration, read as the daemon reads it from `/etc/akund`.
fn example() -> Config {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("akund.toml");
    std::fs::write(&path, shipped("config/akund.toml")).unwrap();
    config::load(&path).unwrap_or_else(|report| panic!("{report}"))
}

/// The unit's directives: all values of each, in order.
fn unit() -> BTreeMap<String, Vec<String>> {
    let mut directives: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for line in shipped("systemd/akund.service").lines() {
        if line.is_empty() || line.starts_with(['#', '[']) {
            continue;
        }
        let (name, value) = line.split_once('=').unwrap_or_else(|| panic!("no directive: {line}"));
        directives.entry(name.into()).or_default().push(value.into());
    }
    directives
}

fn value(name: &str) -> String {
    let values = unit().remove(name).unwrap_or_else(|| panic!("the unit has no {name}="));
    values.join(" ")
}

/// Runs a program of systemd's. That it is missing fails the test: package systemd.
fn run(program: &str, arguments: &[&str]) -> Output {
    let output = Command::new(program).args(arguments).env("LC_ALL", "C").output();
    output.unwrap_or_else(|e| panic!("{program} (package systemd) cannot be run: {e}"))
}

/// The unit in a directory of its own, with akund where it was built in place of where it will be installed.
fn unit_of_this_build(dir: &Path) -> PathBuf {
    let text = shipped("systemd/akund.service").replace("/usr/bin/akund", env!("CARGO_BIN_EXE_akund"));
    let path = dir.join("akund.service");
    std::fs::write(&path, text).unwrap();
    path
}

#[test]
fn the_example_is_a_configuration_that_akund_takes() {
    let example = example();
    assert_eq!((example.target.len(), example.channel.len(), example.source.len()), (2, 1, 1));
    assert_eq!(config::problems(&example), Vec::<String>::new());
}

/// What stands commented out behind a line of the example, with one `# ` taken off each line, up to an empty line.
fn commented_out(first: &str) -> String {
    let text = shipped("config/akund.toml");
    let block = text.lines().skip_while(|line| *line != format!("# {first}")).take_while(|line| !line.is_empty());
    block.map(|line| line.strip_prefix("# ").unwrap_or_default()).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_example_of_map_files_fits_the_snippets_and_the_directories_that_are_made() {
    let block = commented_out("[target.mail-files]");
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("akund.toml");
    std::fs::write(&path, format!("akund = 1\n{block}\n")).unwrap();
    let config = config::load(&path).unwrap_or_else(|report| panic!("{report}"));
    let TargetConfig::MapFiles(files) = &config.target["mail-files"] else { panic!("another kind") };
    assert_eq!((files.mail_uid, files.reload.as_deref()), (Some(5000), Some(&[][..])));
    let made: Vec<PathBuf> = directories().into_iter().map(|(path, ..)| path).collect();
    for file in files.paths() {
        assert!(made.iter().any(|dir| Some(dir.as_path()) == file.parent()), "{}", file.display());
    }
    let main_cf = shipped("config/integration/postfix/akund-files.cf");
    for map in [&files.mailboxes, &files.aliases, &files.domains] {
        assert!(main_cf.contains(&map.to_string()), "{map}");
    }
    let dovecot = shipped("config/integration/dovecot/auth-akund-files.conf.ext");
    assert!(dovecot.contains(files.passwd.to_str().unwrap()));
}

#[test]
fn the_directory_and_the_workspace_of_the_example_are_ones_that_akund_takes_with_and_without_their_defaults() {
    for (name, but) in [("directory", "tls = \"starttls\""), ("workspace", "ca_file = \"/etc/akund/ca.pem\"")] {
        let block = commented_out(&format!("[target.{name}]"));
        let explicit: String = block
            .lines()
            .map(|l| l.strip_prefix("# ").filter(|l| l.contains(" = ")).unwrap_or(l))
            .collect::<Vec<_>>()
            .join("\n");
        assert_ne!(block, explicit);
        let dir = tempfile::tempdir().unwrap();
        let mut read = Vec::new();
        for text in [block, explicit.replace(but, "")] {
            let path = dir.path().join("akund.toml");
            std::fs::write(&path, format!("akund = 1\n{text}\n")).unwrap();
            let config = config::load(&path).unwrap_or_else(|report| panic!("{report}"));
            assert_eq!(config::problems(&config), Vec::<String>::new());
            let target = config.target.get(name);
            assert!(matches!(target, Some(TargetConfig::Ldap(_) | TargetConfig::Google(_))), "{name}");
            read.push(format!("{target:?}"));
        }
        assert!(name != "workspace" || read[0] == read[1], "what is shown as default is the default: {read:#?}");
    }
}

#[test]
fn the_queue_of_the_example_is_one_that_akund_takes_and_shows_its_defaults() {
    let block = commented_out("[queue.requests]");
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("akund.toml");
    let read = |text: &str| {
        std::fs::write(&path, format!("akund = 1\n{text}\n")).unwrap();
        config::load(&path).unwrap_or_else(|report| panic!("{report}"))
    };
    let given = read(&block);
    assert_eq!(config::problems(&given), Vec::<String>::new());
    let defaults = ["delivery_limit", "dead_letter_exchange", "prefetch", "max_bytes", "sources"];
    let without = |line: &&str| !defaults.iter().any(|key| line.starts_with(&format!("{key} =")));
    let bare = read(&block.lines().filter(without).collect::<Vec<_>>().join("\n"));
    assert_eq!(format!("{:?}", given.queue), format!("{:?}", bare.queue));
    assert_eq!((given.source[0].queue.as_deref(), given.source[0].users.len()), (Some("requests"), 1));
    let page = shipped("config/examples/rabbitmq/README.md");
    for name in [&given.queue["requests"].queue, &given.queue["requests"].dead_letter_exchange] {
        assert!(page.contains(name.as_str()), "{name}");
    }
}

#[test]
fn nothing_goes_by_age_unless_it_is_written_and_the_ages_of_the_example_are_ones_that_akund_takes() {
    assert!(example().retention.policy().is_empty());
    let text = shipped("config/akund.toml");
    let (_, block) = text.split_once("\n[retention]\n").unwrap();
    let lines = block.lines().take_while(|line| !line.is_empty()).filter_map(|line| line.strip_prefix("# "));
    let ages: Vec<&str> = lines.filter(|line| line.contains("_days = ")).collect();
    assert_eq!(ages.len(), 4);
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("akund.toml");
    std::fs::write(&path, format!("akund = 1\n[retention]\n{}\n", ages.join("\n"))).unwrap();
    let policy = config::load(&path).unwrap_or_else(|report| panic!("{report}")).retention.policy();
    assert!([policy.outcomes, policy.originals, policy.personal, policy.register].iter().all(Option::is_some));
}

/// There is no RouterOS to ask: what can be held against akund is.
#[test]
fn the_routers_snippet_takes_disconnect_requests_where_akund_sends_them() {
    let snippet = shipped("config/integration/mikrotik/akund.rsc");
    let example = shipped("config/akund.toml");
    let port = example
        .lines()
        .find_map(|line| line.strip_prefix("# address = \"")?.strip_suffix('"')?.rsplit(':').next())
        .unwrap();
    assert!(snippet.contains(&format!("set accept=yes port={port}")) && snippet.contains(&format!("dst-port={port}")));
    let secrets: Vec<&str> =
        snippet.split("secret=").skip(1).filter_map(|rest| rest.split_whitespace().next()).collect();
    assert!(secrets.len() == 2 && secrets.iter().all(|secret| secret.starts_with("CHANGE-ME")), "{secrets:?}");
}

#[test]
fn the_unit_starts_the_installed_program_and_is_told_when_it_is_ready() {
    assert_eq!(value("ExecStart"), "/usr/bin/akund run");
    assert_eq!(value("Type"), "notify");
    assert_eq!(value("ExecReload"), "/bin/kill -HUP $MAINPID");
    assert_eq!(value("Restart"), "on-failure");
    assert_eq!(value("RestartPreventExitStatus"), "64 78");
    let watchdog: u64 = value("WatchdogSec").parse().unwrap();
    assert!((10..=300).contains(&watchdog));
}

#[test]
fn systemd_understands_every_line_of_the_unit() {
    let dir = tempfile::tempdir().unwrap();
    let path = unit_of_this_build(dir.path());
    let output = run("systemd-analyze", &["verify", "--man=no", path.to_str().unwrap()]);
    let said = String::from_utf8_lossy(&output.stderr);
    // It also looks at the units around it, which are not ours.
    let ours: Vec<&str> = said.lines().filter(|line| line.contains("akund")).collect();
    assert!(output.status.success() && ours.is_empty(), "{said}");
}

#[test]
fn a_misspelt_directive_would_be_noticed() {
    let dir = tempfile::tempdir().unwrap();
    let path = unit_of_this_build(dir.path());
    let text = std::fs::read_to_string(&path).unwrap().replace("ProtectHome=", "ProtectHouse=");
    std::fs::write(&path, text).unwrap();
    let output = run("systemd-analyze", &["verify", "--man=no", path.to_str().unwrap()]);
    assert!(String::from_utf8_lossy(&output.stderr).contains("ProtectHouse"));
}

#[test]
fn the_unit_leaves_little_exposed() {
    let dir = tempfile::tempdir().unwrap();
    let path = unit_of_this_build(dir.path());
    let output = run("systemd-analyze", &["security", "--offline=true", "--threshold=16", path.to_str().unwrap()]);
    let table = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && table.contains("Overall exposure level for akund.service"), "{table}");
}

/// Each line of the tmpfiles: path, mode, user, group.
fn directories() -> Vec<(PathBuf, u32, String, String)> {
    let text = shipped("systemd/akund.tmpfiles");
    let lines = text.lines().filter(|l| !l.is_empty() && !l.starts_with('#'));
    lines
        .map(|line| match line.split_whitespace().collect::<Vec<_>>().as_slice() {
            ["d", path, mode, user, group, "-"] => {
                let mode = u32::from_str_radix(mode, 8).unwrap();
                (PathBuf::from(path), mode, (*user).to_owned(), (*group).to_owned())
            }
            _ => panic!("not `d PATH MODE USER GROUP -`: {line}"),
        })
        .collect()
}

#[test]
fn what_the_example_writes_to_the_unit_lets_it_write_to() {
    let example = example();
    assert_eq!((value("StateDirectory"), value("RuntimeDirectory")), ("akund".into(), "akund".into()));
    assert!(example.journal.path.starts_with("/var/lib/akund"));
    assert!(example.control.socket.starts_with("/run/akund"));
    assert_eq!(value("ReadWritePaths").trim_start_matches('-'), example.spool.path.to_str().unwrap());
    let made: Vec<PathBuf> = directories().into_iter().map(|(path, ..)| path).collect();
    assert!(made.contains(&example.spool.path));
    for target in example.target.values() {
        let files = match target {
            TargetConfig::MailMaps(maps) => vec![maps.database.file().unwrap()],
            TargetConfig::MapFiles(files) => files.paths().map(PathBuf::as_path).to_vec(),
            TargetConfig::Radius(radius) => vec![radius.database.file().unwrap()],
            TargetConfig::Ldap(_) | TargetConfig::Google(_) => continue,
        };
        for file in files {
            assert!(made.iter().any(|dir| Some(dir.as_path()) == file.parent()), "{}", file.display());
        }
    }
    assert!(made.contains(&example.procedures.path) && made.contains(&example.templates.path));
}

#[test]
fn directories_belong_to_akund_or_root_and_nobody_else_may_write_there() {
    let directories = directories();
    assert!(directories.len() >= 8);
    for (path, mode, user, group) in &directories {
        assert_eq!(user, group, "{}", path.display());
        assert_eq!(user == "root", path.starts_with("/etc"), "{}", path.display());
        assert_eq!(mode & 0o002, 0, "{} is for everybody to write", path.display());
    }
    let mode_of = |path: &str| directories.iter().find(|(p, ..)| p == Path::new(path)).map(|(_, mode, ..)| *mode);
    assert_eq!(mode_of("/var/spool/akund/incoming"), Some(0o2771));
    assert_eq!(mode_of("/etc/akund/secrets"), Some(0o700));
    // What systemd sets at each start and what tmpfiles sets at boot is the same.
    assert_eq!(mode_of("/var/lib/akund"), Some(u32::from_str_radix(&value("StateDirectoryMode"), 8).unwrap()));
}

#[test]
fn systemd_makes_the_user_that_the_unit_runs_as() {
    let root = tempfile::tempdir().unwrap();
    let file = root.path().join("akund.conf");
    std::fs::write(&file, shipped("systemd/akund.sysusers")).unwrap();
    std::fs::create_dir(root.path().join("etc")).unwrap();
    let root_flag = format!("--root={}", root.path().display());
    let output = run("systemd-sysusers", &[&root_flag, file.to_str().unwrap()]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let users = std::fs::read_to_string(root.path().join("etc/passwd")).unwrap();
    let fields: Vec<&str> = users.lines().find(|l| l.starts_with("akund:")).unwrap().split(':').collect();
    assert_eq!(fields[5..], ["/var/lib/akund", "/usr/sbin/nologin"]);
    assert_eq!((value("User"), value("Group")), ("akund".into(), "akund".into()));
}
