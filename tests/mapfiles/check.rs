//! `akund check` on the files.

use crate::fixture::*;
use crate::peers::open_dir;
use akund::config::target::{MapFilesConfig, MapKind};
use akund::target::Target;
use akund::target::mapfiles::MapFiles;
use std::fs;

async fn told(config: &MapFilesConfig) -> String {
    let findings = MapFiles::configured("mail", config).unwrap().check().await;
    findings.into_iter().filter_map(Result::err).collect::<Vec<_>>().join("\n")
}

#[tokio::test]
async fn check_is_content_with_what_akund_has_made_and_changes_nothing() {
    for kind in MapKind::ALL {
        let dir = open_dir();
        let mut config = config(dir.path(), kind);
        config.reload = Some(Vec::new());
        let entries = || fs::read_dir(dir.path()).unwrap().count();
        let before = entries();
        assert_eq!(told(&config).await, "", "{kind:?}: nothing is there yet");
        assert_eq!(entries(), before);
        let target = MapFiles::open("mail", &config).unwrap();
        let credential = akund::secret::hash::new_credential(target.schemes()).unwrap();
        target.apply(&[work(akund::model::Action::Create, &named("humas"), Some(credential))]).await.remove(0).unwrap();
        let before = entries();
        assert_eq!(told(&config).await, "", "{kind:?}");
        assert_eq!(entries(), before);
    }
}

#[tokio::test]
async fn check_says_what_is_wrong() {
    let dir = open_dir();
    let config = config(dir.path(), MapKind::Hash);
    let target = MapFiles::open("mail", &config).unwrap();
    let credential = akund::secret::hash::new_credential(target.schemes()).unwrap();
    target.apply(&[work(akund::model::Action::Create, &named("humas"), Some(credential))]).await.remove(0).unwrap();

    let mut other = config.clone();
    for map in [&mut other.mailboxes, &mut other.aliases, &mut other.domains] {
        map.kind = MapKind::Texthash;
    }
    assert!(told(&other).await.contains("does not read texthash:"));
    other.postmap = dir.path().join("nowhere");
    assert!(told(&other).await.contains("cannot be run"));

    let text = fs::read_to_string(&config.mailboxes.path).unwrap();
    fs::write(&config.mailboxes.path, format!("{text}a@b.org x\nA@b.org y\n")).unwrap();
    let wrong = told(&config).await;
    assert!(wrong.contains("1 keys more than once") && wrong.contains("index of"), "{wrong}");
    fs::write(&config.mailboxes.path, text.replace("\nhumas", "\nother@example.org x\nhumas")).unwrap();
    assert!(told(&config).await.contains("1 marks of akund's"));
    fs::write(&config.mailboxes.path, "").unwrap();
    assert!(told(&config).await.contains("has 0 entries, and had 1"));
    fs::remove_file(&config.passwd).unwrap();
    fs::create_dir(&config.passwd).unwrap();
    assert!(told(&config).await.contains("is not a file"));
}
