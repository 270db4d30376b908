//! Headless Chromium, driven through a pipe (Chrome DevTools Protocol, `--remote-debugging-pipe`): no port, no other program, and
//! it ends when its test does, however that ends, because the pipe closes.

use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

/// The longest that anything may take, on a machine that is busy with other tests.
const PATIENCE: Duration = Duration::from_secs(120);

/// Its commands come on descriptor 3 and its answers go to 4: the shell puts the pipes of the test there.
const SCRIPT: &str = r#"exec "$@" 3<&0 4>&1 </dev/null >/dev/null"#;

#[derive(Default)]
struct Heard {
    messages: Mutex<(Vec<Value>, bool)>,
    more: Condvar,
}

/// A browser of our own, with an empty profile.
pub struct Chromium {
    child: Child,
    commands: Mutex<ChildStdin>,
    heard: Arc<Heard>,
    number: AtomicU64,
    profile: tempfile::TempDir,
}

impl Chromium {
    pub fn start() -> Self {
        let profile = tempfile::tempdir().unwrap();
        let mut command = Command::new("sh");
        command.args(["-c", SCRIPT, "sh", "chromium", "--headless", "--remote-debugging-pipe"]);
        command.arg(format!("--user-data-dir={}", profile.path().display()));
        // Its sandbox makes user namespaces, which root and containers often may not; it sees nothing but akund's own pages here.
        command.args([
            "--no-sandbox",
            "--disable-gpu",
            "--hide-scrollbars",
            "--disable-dev-shm-usage",
            "--force-color-profile=srgb",
        ]);
        // What a browser asks of its maker by itself is not what is tested; and no name but this machine's has an address.
        command.args([
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
        ]);
        command.args(["--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1", "about:blank"]);
        let path = std::env::var_os("PATH").unwrap();
        command.env_clear().env("PATH", path).env("HOME", profile.path()).env("LANG", "C.UTF-8");
        let log = std::fs::File::create(profile.path().join("log")).unwrap();
        let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(log).spawn();
        let mut child = child.unwrap_or_else(|e| panic!("Chromium (package chromium) cannot be started: {e}"));
        let (commands, answers) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let heard = Arc::new(Heard::default());
        let listener = heard.clone();
        std::thread::spawn(move || {
            for message in BufReader::new(answers).split(0).map_while(Result::ok) {
                if let Ok(message) = serde_json::from_slice(&message) {
                    listener.messages.lock().unwrap().0.push(message);
                    listener.more.notify_all();
                }
            }
            listener.messages.lock().unwrap().1 = true;
            listener.more.notify_all();
        });
        Self { child, commands: Mutex::new(commands), heard, number: AtomicU64::new(1), profile }
    }

    /// Waits for a message from `begin` on; what it holds, and where the next one begins.
    fn await_message(&self, what: &str, begin: usize, wanted: impl Fn(&Value) -> bool) -> (Value, usize) {
        let begun = Instant::now();
        let mut seen = begin;
        let mut messages = self.heard.messages.lock().unwrap();
        loop {
            if let Some(place) = messages.0.iter().skip(seen).position(&wanted) {
                return (messages.0[seen + place].clone(), seen + place + 1);
            }
            seen = messages.0.len();
            let log = || std::fs::read_to_string(self.profile.path().join("log")).unwrap_or_default();
            assert!(!messages.1, "Chromium (package chromium) has ended before {what}: {}", log());
            assert!(begun.elapsed() < PATIENCE, "Chromium: not within {PATIENCE:?}: {what}\n{}", log());
            messages = self.heard.more.wait_timeout(messages, Duration::from_millis(200)).unwrap().0;
        }
    }

    fn heard(&self) -> usize {
        self.heard.messages.lock().unwrap().0.len()
    }

    fn call(&self, session: Option<&str>, method: &str, parameters: Value) -> Value {
        let id = self.number.fetch_add(1, Ordering::Relaxed);
        let mut command = json!({"id": id, "method": method, "params": parameters});
        if let Some(session) = session {
            command["sessionId"] = session.into();
        }
        let mut bytes = serde_json::to_vec(&command).unwrap();
        bytes.push(0);
        let begin = self.heard();
        // Where it has ended, what follows says so.
        let _ = self.commands.lock().unwrap().write_all(&bytes);
        let (answer, _) = self.await_message(method, begin, |message| message["id"] == id);
        assert!(answer.get("error").is_none(), "{method} {parameters}: {}", answer["error"]);
        answer["result"].clone()
    }

    /// A page of its own, which shares no cookie or cache with others.
    pub fn tab(&self) -> Tab<'_> {
        let context = self.call(None, "Target.createBrowserContext", json!({}))["browserContextId"].clone();
        let target = self.call(None, "Target.createTarget", json!({"url": "about:blank", "browserContextId": context}));
        let attached =
            self.call(None, "Target.attachToTarget", json!({"targetId": target["targetId"], "flatten": true}));
        let tab =
            Tab { browser: self, session: attached["sessionId"].as_str().unwrap().to_owned(), begin: self.heard() };
        for domain in ["Page", "Runtime", "Network", "Log", "Audits", "DOM", "Accessibility"] {
            tab.call(&format!("{domain}.enable"), json!({}));
        }
        // Keys go to it as if it were in front, also while other tests drive other tabs.
        tab.call("Emulation.setFocusEmulationEnabled", json!({"enabled": true}));
        tab
    }
}

impl Drop for Chromium {
    fn drop(&mut self) {
        // An error means that it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// One page.
pub struct Tab<'a> {
    browser: &'a Chromium,
    session: String,
    begin: usize,
}

impl Tab<'_> {
    pub fn call(&self, method: &str, parameters: Value) -> Value {
        self.browser.call(Some(&self.session), method, parameters)
    }

    /// Everything that Chromium has said of this page under a name.
    pub fn said(&self, method: &str) -> Vec<Value> {
        let messages = self.browser.heard.messages.lock().unwrap();
        let own = messages.0.iter().skip(self.begin);
        let own = own.filter(|message| message["sessionId"] == *self.session && message["method"] == method);
        own.map(|message| message["params"].clone()).collect()
    }

    /// Loads a page, whole.
    pub fn go(&self, url: &str) {
        let begin = self.browser.heard();
        let answer = self.call("Page.navigate", json!({"url": url}));
        assert!(answer.get("errorText").is_none(), "{url}: {answer}");
        self.until_loaded(begin, url);
    }

    fn until_loaded(&self, begin: usize, what: &str) {
        self.browser.await_message(what, begin, |message| {
            message["sessionId"] == *self.session && message["method"] == "Page.loadEventFired"
        });
    }

    /// Waits until it has loaded itself anew, counted from its beginning.
    pub fn until_loads(&self, times: usize) {
        let mut begin = self.begin;
        for n in 0..times {
            let (_, next) = self.browser.await_message(&format!("load number {}", n + 1), begin, |message| {
                message["sessionId"] == *self.session && message["method"] == "Page.loadEventFired"
            });
            begin = next;
        }
    }

    /// What an expression is, in the page; the page's policy does not hold for the one who looks from outside.
    pub fn eval(&self, expression: &str) -> Value {
        let parameters = json!({"expression": expression, "returnByValue": true, "awaitPromise": true});
        let answer = self.call("Runtime.evaluate", parameters);
        assert!(answer.get("exceptionDetails").is_none(), "{expression}: {answer}");
        answer["result"]["value"].clone()
    }

    pub fn size(&self, width: u32, height: u32, mobile: bool) {
        let parameters = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": mobile});
        self.call("Emulation.setDeviceMetricsOverride", parameters);
    }

    /// `light` or `dark`; on `screen` or in `print`.
    pub fn scheme(&self, scheme: &str, medium: &str) {
        let feature = json!([{"name": "prefers-color-scheme", "value": scheme}]);
        self.call("Emulation.setEmulatedMedia", json!({"media": medium, "features": feature}));
    }

    pub fn without_scripts(&self) {
        self.call("Emulation.setScriptExecutionDisabled", json!({"value": true}));
    }

    pub fn press(&self, key: &str, code: u32) {
        for kind in ["rawKeyDown", "keyUp"] {
            let parameters = json!({"type": kind, "key": key, "code": key, "windowsVirtualKeyCode": code});
            self.call("Input.dispatchKeyEvent", parameters);
            if kind == "rawKeyDown" && key == "Enter" {
                self.call("Input.dispatchKeyEvent", json!({"type": "char", "text": "\r"}));
            }
        }
    }

    /// The whole page as a picture.
    pub fn shot(&self, name: &str) -> PathBuf {
        let picture = self.call("Page.captureScreenshot", json!({"format": "png", "captureBeyondViewport": true}));
        keep(&format!("{name}.png"), picture["data"].as_str().unwrap())
    }

    /// On paper, as the page itself wants it.
    pub fn print(&self, name: &str) -> PathBuf {
        let paper = self.call("Page.printToPDF", json!({"preferCSSPageSize": true, "printBackground": false}));
        keep(&format!("{name}.pdf"), paper["data"].as_str().unwrap())
    }

    /// What went wrong in it, whatever it is: errors and warnings of the console, exceptions, breaches of the page's policy,
    /// anything that was asked of anybody but `base`, and anything that was not got.
    pub fn complaints(&self, base: &str) -> Vec<String> {
        let mut found = Vec::new();
        found.extend(self.said("Runtime.consoleAPICalled").iter().map(ToString::to_string));
        found.extend(self.said("Runtime.exceptionThrown").iter().map(ToString::to_string));
        found.extend(self.said("Audits.issueAdded").iter().map(ToString::to_string));
        let entries = self.said("Log.entryAdded");
        found.extend(entries.iter().filter(|one| one["entry"]["level"] != "verbose").map(ToString::to_string));
        let asked = self.said("Network.requestWillBeSent");
        let outside = |one: &&Value| !one["request"]["url"].as_str().unwrap().starts_with(base);
        found.extend(asked.iter().filter(outside).map(|one| format!("asked for {}", one["request"]["url"])));
        let failed = self.said("Network.responseReceived");
        let bad = |one: &&Value| one["response"]["status"].as_u64().unwrap_or(0) >= 400;
        found.extend(failed.iter().filter(bad).map(ToString::to_string));
        found.extend(self.said("Network.loadingFailed").iter().map(ToString::to_string));
        found
    }
}

/// Where pictures are left for people: `screenshots` in Cargo's directory for what tests make (target/tmp).
pub fn pictures() -> PathBuf {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("screenshots");
    std::fs::create_dir_all(&dir).unwrap();
    dir
}

fn keep(name: &str, base64: &str) -> PathBuf {
    use base64::Engine;
    let bytes = base64::engine::general_purpose::STANDARD.decode(base64).unwrap();
    let path = pictures().join(name);
    std::fs::write(&path, bytes).unwrap();
    path
}
