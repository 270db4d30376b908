//! What the process itself must not leak, and how much it may open.

use nix::sys::prctl;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::stat::{Mode, umask};

/// Makes the process not dumpable (no core, no ptrace by its own user, /proc/PID of root), forbids core files, sets the umask
/// to 027 and raises the soft limit of open files to the hard one. Call it first, before any thread and any secret.
///
/// A process that is not dumpable cannot open its own `/proc/self/fd/N`, unless it is root.
///
/// # Errors
/// A sentence: what could not be set, and why. Secrets should then not be read.
pub fn harden() -> Result<(), String> {
    prctl::set_dumpable(false).map_err(|e| format!("the process cannot be made not dumpable: {e}"))?;
    setrlimit(Resource::RLIMIT_CORE, 0, 0).map_err(|e| format!("core files cannot be forbidden: {e}"))?;
    umask(Mode::from_bits_truncate(0o027));
    let (soft, hard) =
        getrlimit(Resource::RLIMIT_NOFILE).map_err(|e| format!("the limit of open files is unknown: {e}"))?;
    if soft < hard {
        setrlimit(Resource::RLIMIT_NOFILE, hard, hard)
            .map_err(|e| format!("the limit of open files cannot be raised: {e}"))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    /// Run in a child process by the next test: it changes the whole process.
    #[test]
    #[ignore = "the child of a_hardened_process_leaves_no_core_and_no_open_files"]
    fn child_hardens_itself() {
        harden().unwrap();
        println!("DUMPABLE {}", prctl::get_dumpable().unwrap());
        println!("CORE {:?}", getrlimit(Resource::RLIMIT_CORE).unwrap());
        let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
        println!("FILES {}", soft == hard);
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("x");
        std::fs::write(&file, "x").unwrap();
        println!("MODE {:o}", std::fs::metadata(&file).unwrap().permissions().mode() & 0o777);
    }

    #[test]
    fn a_hardened_process_leaves_no_core_and_no_open_files() {
        let output = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "observe::process::tests::child_hardens_itself", "--ignored", "--nocapture"])
            .output()
            .unwrap();
        let printed = String::from_utf8(output.stdout).unwrap();
        for line in ["DUMPABLE false", "CORE (0, 0)", "FILES true", "MODE 640"] {
            assert!(printed.contains(line), "{line}: {printed}");
        }
    }
}
