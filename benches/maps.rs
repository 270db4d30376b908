//! One account more when the tables hold few and when they hold many, and a batch of many: on SQLite, and on PostgreSQL and MariaDB
//! where their URLs are given. A database is filled with rows as akund writes them; the accounts measured are taken back.
//!
//! `cargo bench --bench maps [-- --sizes 1000,1000000 --times N --batch N --url URL --password-file FILE]`
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a bench that cannot go on ends")]

use akund::config::database::Database;
use akund::config::target::{MailMapsConfig, RadiusConfig};
use akund::model::{Account, AccountUid, Action, Credential, Scheme, StepId};
use akund::secret::hash;
use akund::target::mailmaps::MailMaps;
use akund::target::radius::Radius;
use akund::target::{Target, Work};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use uuid::Uuid;

const FILL: usize = 10_000;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if arguments.iter().any(|a| a == "--test") {
        return;
    }
    let value = |name: &str| {
        let at = arguments.iter().position(|a| a == name)?;
        arguments.get(at + 1).cloned()
    };
    let number = |name: &str, default: usize| value(name).map_or(default, |text| text.parse().expect("a number"));
    let sizes = value("--sizes").unwrap_or_else(|| "1000,20000".into());
    let sizes: Vec<usize> = sizes.split(',').map(|size| size.parse().expect("a number")).collect();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    println!("milliseconds to write accounts into tables that hold so many: median (least to most)");
    println!("{:<10} {:<10} {:>9} {:>28} {:>28}", "engine", "target", "hold", "one account", "a batch");
    for kind in ["mail", "hotspot"] {
        let (database, password) = place(value("--url"), value("--password-file"), dir.path(), kind);
        let engine = match &database {
            Database::File(_) => "SQLite",
            Database::Server(server) if server.port == 3306 || database.to_string().starts_with("mysql") => "MariaDB",
            Database::Server(_) => "PostgreSQL",
        };
        let target = open(kind, database, password);
        let mut held = 0;
        for size in &sizes {
            runtime.block_on(fill(target.as_ref(), held, *size));
            held = *size;
            let one = runtime.block_on(measure(target.as_ref(), number("--times", 50), 1));
            let many =
                runtime.block_on(measure(target.as_ref(), number("--times", 50).div_ceil(5), number("--batch", 256)));
            println!("{engine:<10} {kind:<10} {held:>9} {:>28} {:>28}", shown(one), shown(many));
        }
    }
}

/// The database given, or a file.
fn place(url: Option<String>, password: Option<String>, dir: &Path, kind: &str) -> (Database, Option<PathBuf>) {
    match url {
        Some(url) => (Database::parse(&url).expect("a URL"), password.map(PathBuf::from)),
        None => (Database::File(dir.join(format!("{kind}.db"))), None),
    }
}

fn open(kind: &str, database: Database, password_file: Option<PathBuf>) -> Box<dyn Target> {
    if kind == "mail" {
        let mut config: MailMapsConfig = serde_json::from_str(r#"{"database": "x"}"#).unwrap();
        (config.database, config.password_file) = (database, password_file);
        Box::new(MailMaps::open(kind, &config).unwrap())
    } else {
        let mut config: RadiusConfig = serde_json::from_str(r#"{"database": "x"}"#).unwrap();
        (config.database, config.password_file) = (database, password_file);
        Box::new(Radius::open(kind, &config).unwrap())
    }
}

fn work(name: &str, credential: &Credential) -> Work {
    let account = Account {
        address: Some(format!("{name}@example.org").parse().unwrap()),
        name: "Biro Humas".into(),
        given_name: "Biro".into(),
        family_name: "Humas".into(),
        category: "unit".into(),
        services: vec!["mail".into(), "hotspot".into()],
        group: Some("tamu".into()),
        ..Account::bare(AccountUid(Uuid::now_v7()), name.parse().unwrap())
    };
    let credential = Some(credential.clone());
    Work {
        step: StepId(1),
        action: Action::Create,
        account,
        external_id: None,
        credential,
        uncertain: false,
        adopted: None,
    }
}

/// Through akund itself, so that the rows are akund's.
async fn fill(target: &dyn Target, from: usize, to: usize) {
    let credential = hash::new_credential(&[Scheme::Sha512Crypt]).unwrap();
    let mut next = from;
    while next < to {
        let end = to.min(next + FILL);
        let batch: Vec<Work> = (next..end).map(|n| work(&format!("penghuni{n}"), &credential)).collect();
        target.apply(&batch).await.into_iter().for_each(|answer| drop(answer.unwrap()));
        next = end;
    }
}

async fn measure(target: &dyn Target, times: usize, batch: usize) -> Vec<Duration> {
    let credential = hash::new_credential(&[Scheme::Sha512Crypt]).unwrap();
    let mut took = Vec::with_capacity(times);
    for time in 0..=times {
        let works: Vec<Work> = (0..batch).map(|n| work(&format!("baru{time}x{n}"), &credential)).collect();
        let begun = Instant::now();
        let answers = target.apply(&works).await;
        // The first time prepares statements.
        if time > 0 {
            took.push(begun.elapsed());
        }
        answers.into_iter().for_each(|answer| drop(answer.unwrap()));
        target.undo(&works).await.into_iter().for_each(|answer| answer.unwrap());
    }
    took.sort_unstable();
    took
}

fn shown(took: Vec<Duration>) -> String {
    let ms = |took: &Duration| took.as_secs_f64() * 1000.0;
    format!("{:.2} ({:.2} to {:.2})", ms(&took[took.len() / 2]), ms(&took[0]), ms(&took[took.len() - 1]))
}
