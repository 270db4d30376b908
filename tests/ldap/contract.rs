//! What the target must do.

use crate::bench::*;
use crate::peers::Slapd;
use akund::model::Proof;
use akund::target::Target;

#[tokio::test]
async fn an_account_is_made_proven_by_a_log_in_and_undone() {
    let slapd = Slapd::start();
    let target = directory(&openldap_toml(&slapd));
    let work = create(&named("humas"), target.schemes());
    let before = slapd.search("(objectClass=*)", &["*"]);
    let id = apply(&target, &work).await.unwrap().external_id.unwrap();
    assert_eq!(slapd.search(&format!("(entryUUID={id})"), &["uid"]).len(), 1);
    assert_eq!(prove(&target, &work).await.unwrap(), Proof::Login);
    assert!(slapd.logs_in("uid=humas,ou=people,dc=example,dc=org", password(&work)));
    let found = find(&target, &["humas@example.org", "humas", "nobody"]).await;
    assert_eq!(found.len(), 2);
    assert!(found.iter().all(|f| f.uid == Some(work.account.uid)));
    undo(&target, &work).await.unwrap();
    assert_eq!(slapd.search("(objectClass=*)", &["*"]), before);
    undo(&target, &work).await.unwrap();
}
