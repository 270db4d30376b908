use super::*;
use crate::model::{AccountUid, Quota};
use uuid::Uuid;

fn account() -> Account {
    Account {
        address: Some("humas@example.org".parse().unwrap()),
        aliases: vec!["a@example.org".parse().unwrap(), "b@example.org".parse().unwrap()],
        name: "Biro {name} Humas".into(),
        family_name: "Humas".into(),
        category: "unit".into(),
        services: vec!["mail".into()],
        ends_at: Some("2027-06-30T17:00:00Z".parse().unwrap()),
        quota: Some(Quota(5_000_000_000)),
        ..Account::bare(AccountUid(Uuid::nil()), "humas".parse().unwrap())
    }
}

fn values(template: &str) -> Vec<String> {
    Template::parse(template).unwrap().values(&account())
}

#[test]
fn a_template_is_filled_in_once_and_what_is_lacking_leaves_it_out() {
    assert_eq!(values("/home/{domain}/{local}"), ["/home/example.org/humas"]);
    assert_eq!(values("{name}"), ["Biro {name} Humas"], "a value is no template");
    assert_eq!(values("{{{username}}}"), ["{humas}"]);
    assert_eq!(values("forward: {aliases}"), ["forward: a@example.org", "forward: b@example.org"]);
    assert_eq!(values("{quota}B"), ["5000000000B"]);
    assert_eq!(
        values("{ends_at} {ends_at_unix} {ends_at_days} {ends_at_filetime}"),
        ["20270630170000Z 1814374800 20999 134588484000000000"]
    );
    let endless = Account { ends_at: None, ..account() };
    let of = |template: &str| Template::parse(template).unwrap().values(&endless);
    assert_eq!((of("{ends_at}"), of("{ends_at_filetime}")), (vec![], vec!["9223372036854775807".to_owned()]));
    for lacking in ["{group}", "vip {group}", "{unit}", " {given_name} "] {
        assert_eq!(values(lacking), Vec::<String>::new(), "{lacking}");
    }
}

#[test]
fn a_template_that_cannot_be_read_says_why() {
    for (text, why) in [("{user}", "known are"), ("{name", "brace"), ("name}", "brace"), ("{}", "known are")] {
        assert!(Template::parse(text).unwrap_err().contains(why), "{text}");
    }
}

#[test]
fn only_a_template_that_is_nothing_but_a_name_gives_names() {
    let names = |text: &str| Template::parse(text).unwrap().names();
    assert_eq!((names("{username}"), names("{aliases}")), (Some(Names::User), Some(Names::Address)));
    assert_eq!((names("/home/{username}"), names("{name}")), (None, None));
}
