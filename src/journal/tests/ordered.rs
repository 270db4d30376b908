//! Orders in the audit record: who, what and why.

use super::*;
use crate::journal::audit::{Event, Said};

async fn carried(f: &Fixture, new: NewOrder) -> orders::CarriedOut {
    orders::place(&f.path(), &new).unwrap();
    let lanes: Vec<String> = ["credentials", "mail", "email"].map(str::to_owned).into();
    f.journal.carry_out_orders(lanes, None, Default::default()).await.unwrap().remove(0)
}

fn told(f: &Fixture) -> Vec<Event> {
    f.reader().events(None, Some("order"), 10).unwrap()
}

#[tokio::test]
async fn who_paused_what_and_why_is_in_the_audit_record() {
    let f = Fixture::new();
    f.admit(vec![record("1", "a@x.id")]).await;
    for (verb, lane, reason) in [
        (OrderVerb::Pause, "email", "the mail server moves"),
        (OrderVerb::Unpause, "email", "it has moved"),
        (OrderVerb::Pause, "", "the power goes"),
    ] {
        let new = NewOrder { reason: reason.into(), ..order(verb, lane) };
        assert!(carried(&f, new).await.done);
        let event = told(&f).pop().unwrap();
        assert_eq!(event.order, Some(Said { by: "admin".into(), reason: reason.into() }));
        assert_eq!((event.detail["verb"].as_str(), event.detail["lane"].as_str()), (Some(verb.as_str()), Some(lane)));
        assert_eq!(event.detail["login_uid"], 1000);
    }
    assert_eq!(told(&f).len(), 3, "and nothing but orders is asked for");
    assert!(f.reader().verify(None).unwrap().good);
}

#[tokio::test]
async fn the_record_names_nobody_and_yet_shows_that_a_reason_was_changed_afterwards() {
    let f = Fixture::new();
    assert!(carried(&f, order(OrderVerb::Pause, "email")).await.done);
    let by_hand = |sql: &str| rusqlite::Connection::open(f.path()).unwrap().execute_batch(sql).unwrap();
    let raw: String =
        f.reader().connection.query_row("SELECT group_concat(detail) FROM event", [], |r| r.get(0)).unwrap();
    assert!(!raw.contains("admin") && !raw.contains("test"), "{raw}");
    for change in ["reason = 'another'", "reason = ''", "login = 'somebody'"] {
        by_hand(&format!("UPDATE orders SET {change}"));
        let verified = f.reader().verify(None).unwrap();
        assert!(!verified.good && verified.deviations[0].contains("who gave order 1"), "{:?}", verified.deviations);
        by_hand("UPDATE orders SET reason = 'test', login = 'admin'");
        assert!(f.reader().verify(None).unwrap().good);
    }
    by_hand("DELETE FROM orders");
    assert!(!f.reader().verify(None).unwrap().good);
}

#[tokio::test]
async fn an_order_whose_reason_was_kept_no_longer_is_not_falsified_unless_somebody_else_gave_it() {
    let f = Fixture::new();
    for lane in ["email", "mail"] {
        assert!(carried(&f, order(OrderVerb::Pause, lane)).await.done);
    }
    let by_hand = |sql: &str| rusqlite::Connection::open(f.path()).unwrap().execute_batch(sql).unwrap();
    by_hand("UPDATE orders SET at = 0, done_at = 0 WHERE id = 1");
    super::retention::sweep(&f, super::retention::policy(99)).await;
    assert_eq!(told(&f)[0].order, Some(Said { by: "admin".into(), reason: String::new() }));
    let verified = f.reader().verify(None).unwrap();
    assert!(verified.good, "{:?}", verified.deviations);
    by_hand("UPDATE orders SET login = 'somebody' WHERE id = 1");
    assert!(!f.reader().verify(None).unwrap().good);
    by_hand("UPDATE orders SET login = 'admin'; UPDATE orders SET reason = '' WHERE id = 2");
    assert!(!f.reader().verify(None).unwrap().good, "nothing says that retention emptied it");
}
