//! A disk that is full when a test wants it to be.

use std::io::Write;
use std::path::PathBuf;
use std::process::Command;

/// A small file system of its own; unmounted at the end of the test.
pub struct Disk {
    at: PathBuf,
}

impl Disk {
    pub fn mount(at: PathBuf, size: &str) -> Self {
        std::fs::create_dir_all(&at).unwrap();
        run(Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={size},mode=0755"), "akund-test"])
            .arg(&at));
        Self { at }
    }

    pub fn remount(&self, how: &str) {
        run(Command::new("mount").args(["-o", &format!("remount,{how}")]).arg(&self.at));
    }

    /// Takes all the room there is.
    pub fn fill(&self) {
        let mut ballast = std::fs::File::create(self.at.join("ballast")).unwrap();
        while ballast.write_all(&[0; 4096]).is_ok() {}
    }

    pub fn make_room(&self) {
        std::fs::remove_file(self.at.join("ballast")).unwrap();
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.at).status();
    }
}

fn run(command: &mut Command) {
    let output = command.output().expect("util-linux's mount is installed (tests/run --prepare)");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "mounting a small file system takes root (tests/run asks for it): {said}");
}
