//! The Debian package, in a booted Debian of its own (systemd-nspawn): installed, configured, killed, frozen, upgraded, purged.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

#[allow(dead_code, reason = "others ask more of it")]
#[path = "support/readme.rs"]
mod readme;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// What `tests/package/walk.sh` shows, in its order.
const CLAIMS: [&str; 12] = [
    "it is installed, starts nothing and says what to do next",
    "a bad configuration keeps it down and the status says why",
    "check runs with the service's user, sandbox and credentials",
    "an approved file dropped by a member of the source's group becomes an account",
    "nobody else reads its secrets, its journal or its notices",
    "it is started again after kill -9",
    "the watchdog starts it again when it hangs",
    "an upgrade under load loses nothing and keeps the edited configuration",
    "map files are made with postmap inside the sandbox with its drop-in",
    "the register agrees with the targets, and a backup put back starts paused and doubles nothing",
    "purge leaves the records that it names, and nothing else",
    "installed by hand as the README has it, it makes an account and sends a test notice",
];

/// Runs a program to its end; its output, which the test shows if it fails.
fn run(command: &mut Command) -> String {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.stdin(Stdio::null()).output().unwrap_or_else(|e| panic!("{program} cannot be run: {e}"));
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{program}: {said}");
    said
}

/// The package of the akund under test.
fn package(revision: &str, to: &Path) -> PathBuf {
    let said = run(Command::new(format!("{ROOT}/packaging/build")).args([
        "--quick",
        "--binary",
        env!("CARGO_BIN_EXE_akund"),
        "--revision",
        revision,
        "--to",
        to.to_str().unwrap(),
    ]));
    PathBuf::from(said.lines().last().unwrap())
}

/// A minimal Debian with systemd and Postfix, made once and never written to again.
fn debian() -> PathBuf {
    let tmp = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let root = tmp.join("debian-12");
    if !root.join("etc/debian_version").exists() {
        let making = tempfile::tempdir_in(tmp).unwrap();
        let made = making.path().join("root");
        run(Command::new("debootstrap")
            .args([
                "--variant=minbase",
                "--include=systemd,systemd-sysv,dbus,libgcc-s1,postfix,postfix-lmdb",
                "bookworm",
            ])
            .arg(&made));
        let _ = fs::rename(&made, &root);
    }
    root
}

#[test]
fn the_package_is_installed_operated_upgraded_and_purged_in_a_booted_debian() {
    let dir = tempfile::tempdir().unwrap();
    let [packages, result] = ["packages", "result"].map(|name| dir.path().join(name));
    for made in [&packages, &result] {
        fs::create_dir(made).unwrap();
    }
    package("1", &packages);
    let next = dir.path().join("next");
    fs::create_dir(&next).unwrap();
    package("2", &next);
    fs::write(
        dir.path().join("walk.service"),
        "[Unit]\nAfter=multi-user.target\n[Service]\nType=oneshot\nTimeoutStartSec=infinity\nExecStart=/bin/bash /walk.sh\n",
    )
    .unwrap();
    // The clone in which the README's commands are typed: what was built is there, and cannot be built inside.
    let commands = dir.path().join("commands");
    fs::create_dir(&commands).unwrap();
    for (name, words) in [
        ("package", "apt install "),
        ("install", "cargo build --release"),
        ("key", "openssl rand"),
        ("start", "systemctl daemon-reload"),
        ("send-to", "--send-to"),
    ] {
        let typed: String = readme::block(words)
            .lines()
            .filter(|line| !line.starts_with("cargo build ") && *line != "packaging/build")
            .fold(String::new(), |text, line| text + line + "\n");
        fs::write(commands.join(name), typed).unwrap();
    }
    let bind = |from: &Path, to: &str| format!("{}:{to}", from.display());
    let mut booted = Command::new("systemd-nspawn");
    booted
        .args(["--quiet", "--boot", "--volatile=overlay", "--register=no", "--keep-unit", "--private-network"])
        .arg("--machine=akund-test")
        .arg("--directory")
        .arg(debian())
        .arg("--bind-ro")
        .arg(bind(&packages, "/clone/target/package"))
        .arg("--bind-ro")
        .arg(bind(Path::new(env!("CARGO_BIN_EXE_akund")), "/clone/target/release/akund"))
        .arg("--bind-ro")
        .arg(bind(&Path::new(ROOT).join("systemd"), "/clone/systemd"))
        .arg("--bind-ro")
        .arg(bind(&Path::new(ROOT).join("config"), "/clone/config"))
        .arg("--bind-ro")
        .arg(bind(&Path::new(ROOT).join("packaging"), "/clone/packaging"))
        .arg("--bind-ro")
        .arg(bind(&commands, "/commands"))
        .arg("--bind-ro")
        .arg(bind(dir.path().join("next").as_path(), "/next"))
        .arg("--bind-ro")
        .arg(bind(&Path::new(ROOT).join("tests/package/walk.sh"), "/walk.sh"))
        .arg("--bind-ro")
        .arg(bind(&dir.path().join("walk.service"), "/etc/systemd/system/walk.service"))
        .arg("--bind")
        .arg(bind(&result, "/result"))
        .arg("systemd.wants=walk.service");
    let console = run(&mut booted);
    let claims = fs::read_to_string(result.join("claims")).unwrap_or_else(|_| panic!("nothing was claimed: {console}"));
    let expected: String = CLAIMS.iter().map(|claim| format!("ok {claim}\n")).chain(["all\n".into()]).collect();
    let log = fs::read_to_string(result.join("log")).unwrap_or_default();
    assert_eq!(claims, expected, "{log}");
}

/// Errors and warnings of lintian(1) fail; what the package says of itself otherwise is in its overrides.
#[test]
fn lintian_finds_nothing_wrong() {
    let dir = tempfile::tempdir().unwrap();
    let package = package("1", dir.path());
    run(Command::new("lintian").args(["--allow-root", "--fail-on", "error,warning"]).arg(package));
}

/// `systemd-analyze security`, from 0 (nothing exposed) to 10, here as tenths.
#[test]
fn the_sandbox_is_as_tight_as_promised() {
    for (drop_in, most) in [(None, "15"), (Some("map-files"), "17"), (Some("ldapi"), "16")] {
        let dir = tempfile::tempdir().unwrap();
        let mut unit = fs::read_to_string(format!("{ROOT}/systemd/akund.service")).unwrap();
        if let Some(name) = drop_in {
            unit.push_str(&fs::read_to_string(format!("{ROOT}/systemd/drop-ins/{name}.conf")).unwrap());
        }
        let file = dir.path().join("akund.service");
        fs::write(&file, unit).unwrap();
        let threshold = format!("--threshold={most}");
        run(Command::new("systemd-analyze").args(["security", "--offline=true", "--no-pager", &threshold]).arg(file));
    }
}
