//! Attributes and profiles that the configuration gives to hotspot accounts.

use crate::fixture::*;
use akund::config::target::{AttributeValue, RadiusConfig};
use akund::model::{Action, FaultClass, Scheme};
use akund::target::radius::Radius;

fn text(value: &str) -> AttributeValue {
    AttributeValue::Text(value.into())
}

fn with_attributes(engine: Engine, change: impl Fn(&mut RadiusConfig)) -> Bench {
    let base = Base::new(engine);
    let mut config = base.radius_config(Scheme::NtHash);
    change(&mut config);
    let open = || Radius::open("hotspot", &config).unwrap();
    make_tables(engine, open());
    let target = open();
    Bench::with(base, Box::new(target))
}

fn count(bench: &Bench, needles: &[&str]) -> usize {
    bench.rows().iter().filter(|row| needles.iter().all(|needle| row.contains(needle))).count()
}

#[tokio::test]
async fn every_account_gets_the_configured_attributes_and_an_undo_takes_back_these_and_no_others() {
    for engine in ENGINES {
        let bench = with_attributes(engine, |config| {
            config.check.insert("Simultaneous-Use".into(), AttributeValue::Integer(2));
            config.reply.insert("session-timeout".into(), AttributeValue::Integer(3600));
            config.reply.insert("Reply-Message".into(), AttributeValue::List(vec!["satu".into(), "dua".into()]));
        });
        let before = bench.rows();
        let create = bench.create(&named("humas"));
        bench.apply(&create).await.unwrap();
        bench.prove(&create).await.unwrap();
        assert_eq!(count(&bench, &["radcheck", "Simultaneous-Use", "2"]), 1);
        assert_eq!(count(&bench, &["radreply", "Session-Timeout", "3600"]), 1, "as the dictionary spells it");
        assert_eq!((count(&bench, &["radreply", "satu", ":="]), count(&bench, &["radreply", "dua", "+="])), (1, 1));
        let made = bench.rows();
        bench.apply(&create).await.unwrap();
        assert_eq!(bench.rows(), made);
        bench.by_hand("INSERT INTO radreply (username, attribute, op, value) VALUES ('humas', 'Filter-Id', ':=', 'x')");
        bench.undo(&create).await.unwrap();
        assert_eq!(bench.rows().len(), before.len() + 1, "{engine:?}: what a person added stays");
        bench.by_hand("DELETE FROM radreply");
        assert_eq!(bench.rows(), before);
    }
}

#[tokio::test]
async fn a_changed_attribute_is_not_proven_and_a_change_puts_it_right() {
    for engine in ENGINES {
        let bench = with_attributes(engine, |config| {
            config.reply.insert("Mikrotik-Rate-Limit".into(), text("2M/2M"));
        });
        let create = bench.create(&named("humas"));
        bench.apply(&create).await.unwrap();
        bench.by_hand("UPDATE radreply SET value = '9M/9M'");
        let told = bench.prove(&create).await;
        assert_eq!(class_of(&told), FaultClass::Permanent);
        assert!(told.unwrap_err().message.contains("Mikrotik-Rate-Limit"));
        bench.apply(&plain(Action::Change, &create.account)).await.unwrap();
        bench.prove(&create).await.unwrap();
    }
}

#[tokio::test]
async fn a_profile_is_written_when_an_account_joins_it_and_the_category_chooses_it() {
    for engine in ENGINES {
        let bench = with_attributes(engine, |config| {
            config.groups.insert("unit".into(), "kantor".into());
            let kantor = config.profile.entry("kantor".into()).or_default();
            kantor.reply.insert("Mikrotik-Rate-Limit".into(), text("10M/10M"));
            kantor.check.insert("Simultaneous-Use".into(), AttributeValue::Integer(3));
        });
        let (first, second) = (bench.create(&named("humas")), bench.create(&named("pers")));
        for create in [&first, &second] {
            bench.apply(create).await.unwrap();
            bench.prove(create).await.unwrap();
        }
        assert_eq!(count(&bench, &["radgroupreply", "kantor", "10M/10M"]), 1, "{engine:?}");
        assert_eq!(count(&bench, &["radgroupcheck", "kantor", "Simultaneous-Use"]), 1);
        assert_eq!(count(&bench, &["radusergroup", "kantor"]), 2);
        // A value changed in akund's own profile is put right with the next account.
        bench.by_hand("UPDATE radgroupreply SET value = '1M/1M'");
        bench.apply(&plain(Action::Change, &first.account)).await.unwrap();
        assert_eq!(count(&bench, &["radgroupreply", "kantor", "10M/10M"]), 1);
        bench.undo(&first).await.unwrap();
        assert_eq!(count(&bench, &["radgroupreply", "kantor"]), 1, "others are still in it");
    }
}

#[tokio::test]
async fn a_profile_that_somebody_else_wrote_is_theirs() {
    for engine in ENGINES {
        let bench = with_attributes(engine, |config| {
            let tamu = config.profile.entry("tamu".into()).or_default();
            tamu.reply.insert("Mikrotik-Rate-Limit".into(), text("1M/1M"));
        });
        bench.by_hand(
            "INSERT INTO radgroupreply (groupname, attribute, op, value) VALUES ('tamu', 'Filter-Id', ':=', 'x')",
        );
        let before = bench.rows();
        let mut account = named("humas");
        account.group = Some("tamu".into());
        let refused = bench.apply(&bench.create(&account)).await;
        assert_eq!(class_of(&refused), FaultClass::Permanent);
        assert!(refused.unwrap_err().message.contains("tamu"));
        assert_eq!(bench.rows(), before);
    }
}

#[test]
fn an_attribute_that_freeradius_would_stumble_over_is_refused_before_anything_is_written() {
    let base = Base::new(Engine::Sqlite);
    for (attribute, value, told) in [
        ("Mikrotik-Rate-Limits", text("1M"), "did you mean Mikrotik-Rate-Limit?"),
        ("Session-Timeout", text("1h"), "whole number"),
        ("Session-Timeout", AttributeValue::Integer(-1), "whole number"),
        ("NT-Password", text("x"), "akund's to write"),
        ("Expiration", text("x"), "akund's to write"),
    ] {
        let mut config = base.radius_config(Scheme::NtHash);
        config.reply.insert(attribute.into(), value);
        let refused = Radius::configured("hotspot", &config).map(|_| ()).unwrap_err();
        assert!(refused.message.contains(told), "{attribute}: {refused}");
    }
    let mut config = base.radius_config(Scheme::NtHash);
    config.reply.insert("Session-Timeout".into(), AttributeValue::Integer(1));
    config.dictionary = "/nonexistent".into();
    assert!(Radius::configured("hotspot", &config).map(|_| ()).unwrap_err().message.contains("freeradius-common"));
}

/// Administrations of RADIUS delete a user from FreeRADIUS's own tables; akund's remain, and say that it is still there.
#[tokio::test]
async fn a_reset_of_a_user_whose_every_row_somebody_deleted_gives_back_its_limits_with_the_password() {
    for engine in ENGINES {
        let bench = with_attributes(engine, |config| {
            config.check.insert("Simultaneous-Use".into(), AttributeValue::Integer(2));
            config.reply.insert("Session-Timeout".into(), AttributeValue::Integer(3600));
        });
        let mut account = named("humas");
        (account.group, account.ends_at) = (Some("tamu".into()), Some("2030-01-01T00:00:00Z".parse().unwrap()));
        bench.apply(&bench.create(&account)).await.unwrap();
        let limits = |bench: &Bench| -> Vec<String> {
            let mut rows = bench.rows();
            rows.retain(|row| !row.contains("NT-Password"));
            rows
        };
        let as_made = limits(&bench);
        let reset = || work(Action::Reset, &account, bench.create(&account).credential);
        let delete = |table: &str| bench.by_hand(&format!("DELETE FROM {table} WHERE username = 'humas'"));
        for table in ["radcheck", "radreply", "radusergroup"] {
            delete(table);
        }
        let anew = reset();
        bench.apply(&anew).await.unwrap();
        bench.prove(&anew).await.unwrap();
        assert_eq!(limits(&bench), as_made, "{engine:?}");
        // A limit that somebody took away from a user who is there stays away: that is told and not decided here.
        delete("radreply");
        let password_only = reset();
        bench.apply(&password_only).await.unwrap();
        bench.prove(&password_only).await.unwrap();
        assert_eq!(count(&bench, &["radreply", "Session-Timeout"]), 0, "{engine:?}");
        // One that is suspended stays so, whatever else is deleted.
        bench.apply(&plain(Action::Suspend, &account)).await.unwrap();
        delete("radcheck");
        bench.apply(&reset()).await.unwrap();
        assert_eq!(count(&bench, &["radcheck", "NT-Password"]), 0, "{engine:?}");
    }
}
