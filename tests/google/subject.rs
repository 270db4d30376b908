//! Google Workspace as the contract of all targets meets it.

use crate::bench::{configured, toml};
use crate::google::server::{ADMIN, Server};
use crate::shared::{Subject, all};
use akund::model::{Account, Proof};
use akund::target::Target;
use serde_json::json;
use tempfile::TempDir;

struct Office {
    server: Server,
    dir: TempDir,
}

impl Office {
    async fn new() -> Self {
        let server = Server::start().await;
        server.state().directory.domains.push("lain.example.net".into());
        Self { server, dir: tempfile::tempdir().unwrap() }
    }
}

impl Subject for Office {
    fn target(&self) -> Box<dyn Target> {
        let text = toml(&self.server, self.dir.path(), "").replace("\"unit.example.org\"", "\"lain.example.net\"");
        Box::new(configured(&text, self.dir.path()))
    }
    fn rows(&self) -> Vec<String> {
        let state = self.server.state();
        let users = state.directory.living().filter(|user| user.email() != ADMIN);
        // What changes by itself is left out.
        let mut rows: Vec<String> = users
            .map(|user| {
                let fields: Vec<_> = user.fields.iter().filter(|(name, _)| !name.ends_with("tag")).collect();
                format!("{} {:?} {fields:?}", user.email(), user.aliases)
            })
            .collect();
        rows.sort();
        rows
    }
    fn put_foreign(&self, account: &Account) {
        self.server.state().directory.put(json!({
            "primaryEmail": account.address.as_ref().unwrap().as_str(),
            "name": {"givenName": "Orang", "familyName": "Lain"}, "suspended": false, "orgUnitPath": "/"
        }));
    }
    fn shows_late(&self) -> bool {
        true
    }
    fn clear(&self) {
        self.server.state().directory.users.retain(|stored| stored.user.email() == ADMIN);
    }
    fn odd_locals(&self) -> [&'static str; 2] {
        // Google takes letters, digits, dashes, underscores, apostrophes and dots.
        ["o'hara.-s", "_-"]
    }
    fn proof(&self) -> Proof {
        Proof::Observed
    }
}

#[tokio::test(start_paused = true)]
async fn the_contract_holds_on_google_workspace() {
    let mut office = Office::new().await;
    all(&mut office).await;
    office.server.assert_no_complaints();
}
