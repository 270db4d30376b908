use super::write;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};

/// A server that ends with the test program, however that ends: a shell waits for the pipe from here to close.
pub struct Guard {
    shell: Child,
    pipe: Option<ChildStdin>,
}

impl Guard {
    /// Starts `program`; at the end it gets `signal`, and `leave` (if it is a directory) is removed.
    pub fn spawn(user: &str, program: &[&str], log: &Path, signal: &str, leave: Option<&Path>) -> Self {
        const SCRIPT: &str = r#"log=$1 signal=$2 leave=$3 user=$4; shift 4
setpriv --reuid="$user" --regid="$user" --init-groups -- "$@" </dev/null >>"$log" 2>&1 &
server=$!
read -r _
kill -s "$signal" "$server"
wait "$server"
if [ -n "$leave" ]; then rm -rf -- "$leave"; fi"#;
        // What an earlier start complained of is not this one's.
        write(log, "");
        let mut shell = Command::new("sh")
            .args(["-c", SCRIPT, "guard"])
            .arg(log)
            .arg(signal)
            .arg(leave.unwrap_or(Path::new("")))
            .arg(user)
            .args(program)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("starting a shell");
        let pipe = shell.stdin.take();
        Self { shell, pipe }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.pipe = None;
        let _ = self.shell.wait();
    }
}
