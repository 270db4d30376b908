use super::super::entry::entry;
use super::*;
use crate::config::target::LdapConfig;
use crate::model::{AccountUid, FaultClass, Scheme, StepId};
use crate::secret::hash;
use uuid::Uuid;

fn layout(more: &str) -> Layout {
    let text = format!(
        "url = \"ldapi://%2Frun%2Fldapi\"\nbase = \"ou=people,dc=example,dc=org\"\nobject_classes = [\"inetOrgPerson\"]\n{more}\n\
         [attributes]\ncn = \"{{name}}\"\nsn = \"{{family_name}}\"\nmail = [\"{{address}}\", \"{{aliases}}\"]\nemployeeNumber = \"{{quota}}\""
    );
    Layout::read(&toml::from_str::<LdapConfig>(&text).unwrap()).unwrap()
}

fn account() -> Account {
    Account {
        address: Some("humas@example.org".parse().unwrap()),
        aliases: vec!["pers@example.org".parse().unwrap()],
        name: "Biro, Humas".into(),
        given_name: "Biro".into(),
        family_name: "Humas".into(),
        category: "unit".into(),
        services: vec!["mail".into()],
        ..Account::bare(AccountUid(Uuid::from_u128(7)), "humas".parse().unwrap())
    }
}

fn work(action: Action) -> Work {
    let credential = action.mints().then(|| hash::new_credential(&[Scheme::Sha512Crypt]).unwrap());
    Work { step: StepId(1), action, account: account(), external_id: None, credential, uncertain: false, adopted: None }
}

const DN: &str = "uid=humas,ou=people,dc=example,dc=org";

fn own(more: &[(&str, &[&str])]) -> Entry {
    let mark = mark(account().uid, "");
    let base: [(&str, &[&str]); 7] = [
        ("objectClass", &["top", "inetorgperson"]),
        ("uid", &["humas"]),
        ("cn", &["Biro, Humas"]),
        ("sn", &["Humas"]),
        ("mail", &["pers@example.org", "humas@example.org"]),
        ("labeledURI", &["https://example.org mine", &mark]),
        ("entryUUID", &["id-7"]),
    ];
    let kept = base.iter().filter(|(name, _)| !more.iter().any(|(n, _)| n.eq_ignore_ascii_case(name)));
    entry(DN, &kept.chain(more).copied().collect::<Vec<_>>())
}

fn decided(action: Action, entries: Vec<Entry>, more: &str) -> Result<Plan, Fault> {
    let layout = layout(more);
    decide(&work(action), &World::of(entries, &layout), &layout)
}

#[test]
fn a_new_entry_has_what_the_templates_give_and_nothing_that_is_empty() {
    let plan = decided(Action::Create, vec![], "").unwrap();
    let [Operation::Add { dn, attributes }] = plan.operations.as_slice() else { panic!("{plan:?}") };
    assert_eq!(dn.as_str(), DN);
    let names: Vec<&str> = attributes.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["objectClass", "cn", "mail", "sn", "uid", "labeledURI", "userPassword"]);
    assert!(attributes.last().unwrap().1[0].bytes().starts_with(b"{CRYPT}$6$"));
}

#[test]
fn an_entry_that_is_as_wanted_needs_nothing() {
    assert_eq!(decided(Action::Change, vec![own(&[])], "").unwrap().operations, []);
    let plan = decided(Action::Suspend, vec![own(&[("pwdAccountLockedTime", &["000001010000Z"])])], "").unwrap();
    assert_eq!(plan.operations, []);
    assert_eq!(decided(Action::Resume, vec![own(&[])], "").unwrap().operations, []);
    assert_eq!(decided(Action::Remove, vec![], "").unwrap(), Plan::NOTHING);
}

#[test]
fn another_name_renames_the_entry_and_then_changes_it() {
    let entry = own(&[("sn", &["Lama"])]);
    let mut moved = entry;
    moved.dn = Dn::given("uid=lama,ou=staff,dc=example,dc=org".into());
    let plan = decided(Action::Change, vec![moved], "").unwrap();
    let [Operation::Rename { rdn, .. }, Operation::Modify { dn, changes }] = plan.operations.as_slice() else {
        panic!("{plan:?}")
    };
    assert_eq!((rdn.to_string().as_str(), dn.as_str()), ("uid=humas", "uid=humas,ou=staff,dc=example,dc=org"));
    assert_eq!(changes, &[Change::Replace(Attribute::known("sn"), vec![Value::text("Humas")])]);
}

#[test]
fn names_of_others_are_conflicts_and_an_entry_without_its_mark_is_anothers() {
    for (attribute, value) in [("uid", "HUMAS"), ("mail", "Humas@example.org"), ("mail", "pers@example.org")] {
        let foreign = entry("uid=x,dc=example,dc=org", &[(attribute, &[value])]);
        for action in [Action::Create, Action::Change] {
            let entries =
                if action == Action::Change { vec![own(&[]), foreign.clone()] } else { vec![foreign.clone()] };
            let fault = decided(action, entries, "").unwrap_err();
            assert_eq!(fault.class, FaultClass::Conflict);
            assert!(!fault.message.contains("humas") && !fault.message.contains("pers"), "{fault}");
        }
    }
    let layout = layout("");
    let unmarked = own(&[("labeledURI", &["https://example.org"])]);
    let work = Work { external_id: Some("id-7".into()), ..work(Action::Remove) };
    let world = World::of([unmarked], &layout);
    assert_eq!(decide(&work, &world, &layout).unwrap_err().class, FaultClass::Conflict);
    let mut copy = own(&[("entryUUID", &["id-8"])]);
    copy.dn = Dn::given("uid=copy,dc=example,dc=org".into());
    let copies = [own(&[]), copy];
    assert_eq!(decided(Action::Remove, copies.to_vec(), "").unwrap_err().class, FaultClass::Conflict);
    // With the id it is plain which of them is the account's.
    assert_eq!(decide(&work, &World::of(copies, &layout), &layout).unwrap().was.unwrap().as_str(), DN);
}

#[test]
fn a_barred_password_stays_barred_at_a_reset_and_comes_back_at_a_resume() {
    let by_password = "suspend = \"password\"";
    let suspend = decided(Action::Suspend, vec![own(&[("userPassword", &["{CRYPT}$6$x$y"])])], by_password).unwrap();
    let barred = [Change::Replace(Attribute::known("userPassword"), vec![Value::text("{CRYPT}!$6$x$y")])];
    assert!(matches!(&suspend.operations[..], [Operation::Modify { changes, .. }] if *changes == barred));
    let locked = || vec![own(&[("userPassword", &["{CRYPT}!$6$x$y"])])];
    let resume = decided(Action::Resume, locked(), by_password).unwrap();
    let open = [Change::Replace(Attribute::known("userPassword"), vec![Value::text("{CRYPT}$6$x$y")])];
    assert!(matches!(&resume.operations[..], [Operation::Modify { changes, .. }] if *changes == open));
    for (action, start) in [(Action::Reset, &b"{CRYPT}!$6$"[..]), (Action::Create, b"{CRYPT}$6$")] {
        let plan = decided(action, locked(), by_password).unwrap();
        let [Operation::Modify { changes, .. }] = &plan.operations[..] else { panic!("{plan:?}") };
        let [Change::Replace(_, values)] = &changes[..] else { panic!("{changes:?}") };
        assert!(values[0].bytes().starts_with(start), "{action:?}");
    }
    assert!(decided(Action::Suspend, vec![own(&[])], by_password).unwrap_err().message.contains("may not read"));
}

#[test]
fn active_directory_makes_an_account_disabled_and_opens_it_with_its_password() {
    let layout = layout("server = \"active-directory\"");
    let plan = decide(&work(Action::Create), &World::default(), &layout).unwrap();
    let [Operation::Add { attributes, .. }, Operation::Modify { changes, .. }] = plan.operations.as_slice() else {
        panic!("{plan:?}")
    };
    let value = |name: &str| attributes.iter().find(|(n, _)| n.as_str() == name).map(|(_, v)| v[0].bytes().to_vec());
    assert_eq!(value("userAccountControl").unwrap(), b"514");
    assert_eq!(value("adminDescription").unwrap(), mark(account().uid, "").into_bytes());
    assert!(
        matches!(&changes[..], [Change::Replace(p, _), Change::Replace(_, c)] if p.as_str() == "unicodePwd" && c[0].bytes() == b"512")
    );
}
