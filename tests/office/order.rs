//! What is handed in is judged in the order in which it came.

use crate::daemon::{Setup, Site, records};
use std::os::unix::fs::MetadataExt;

fn ask(id: &str, action: &str) -> String {
    records::good(id, "rukmini")
        .replace("procedure = \"generic\"", &format!("procedure = \"generic\"\naction = {action:?}"))
}

/// Drops a file that the kernel notes as changed after `before`: its clock has ticks.
fn drop_after(site: &Site, before: &str, name: &str, text: String) {
    let changed = |name: &str| {
        let found = std::fs::metadata(site.spool.join("incoming").join(name)).unwrap();
        (found.ctime(), found.ctime_nsec())
    };
    loop {
        site.drop_in(name, &text);
        if changed(name) > changed(before) {
            return;
        }
    }
}

#[test]
fn a_suspension_and_then_a_resumption_that_came_while_akund_was_stopped_leave_the_account_open() {
    let more = "[[source]]\nname = \"local\"\nactions = [\"create\", \"suspend\", \"resume\"]\n";
    let site = Site::with(Setup { more: more.into(), ..Setup::default() });
    let daemon = site.start();
    site.drop_in("a.toml", records::good("A/1", "rukmini"));
    site.until_rest(1);
    daemon.terminate();
    // Neither their names nor their sizes say which was first.
    let names = ["z", "m", "y", "b"];
    site.drop_in("z.toml", format!("# {}\n{}", "x".repeat(2000), ask("S/1", "suspend")));
    for (before, (name, (id, action))) in
        names.iter().zip(names[1..].iter().zip([("R/1", "resume"), ("S/2", "suspend"), ("R/2", "resume")]))
    {
        drop_after(&site, &format!("{before}.toml"), &format!("{name}.toml"), ask(id, action));
    }
    let daemon = site.start();
    site.until_rest(5);
    assert!(site.states().values().all(|state| state == "done"), "{:?}", site.states());
    let enabled: bool = site.mail().query_row("SELECT enabled FROM mailboxes", [], |row| row.get(0)).unwrap();
    assert!(enabled);
    daemon.terminate();
}

#[test]
fn an_account_that_is_still_being_made_may_be_suspended_and_is_shut_in_the_end() {
    let more = "[[source]]\nname = \"local\"\nactions = [\"create\", \"suspend\", \"resume\"]\n";
    let site = Site::with(Setup { more: more.into(), ..Setup::default() });
    let daemon = site.start();
    assert_eq!(site.told(&["pause", "mail"]).0, 0);
    site.drop_in("a.toml", records::good("A/1", "rukmini"));
    site.until("it is judged", || site.states().contains_key(&records::key("A/1")));
    for (id, action, state) in [("R/1", "resume", "refused"), ("S/1", "suspend", "working")] {
        site.drop_in("next.toml", ask(id, action));
        site.until("it is judged", || site.states().contains_key(&records::key(id)));
        assert_eq!(site.state(&records::key(id)), state);
    }
    assert_eq!(site.told(&["unpause"]).0, 0);
    site.until_rest(3);
    assert_eq!(["A/1", "S/1"].map(|id| site.state(&records::key(id))), ["done", "done"]);
    let enabled: bool = site.mail().query_row("SELECT enabled FROM mailboxes", [], |row| row.get(0)).unwrap();
    assert!(!enabled);
    // Of one that is never made nothing can be suspended, and somebody is told.
    assert_eq!(site.told(&["pause", "mail"]).0, 0);
    site.drop_in("b.toml", records::good("A/2", "tuti"));
    site.until("it is judged", || site.states().contains_key(&records::key("A/2")));
    site.drop_in("next.toml", ask("S/2", "suspend").replace("rukmini", "tuti"));
    site.until("it is judged", || site.states().contains_key(&records::key("S/2")));
    assert_eq!(site.told(&["withdraw", "A/2", "--reason", "salah"]).0, 0);
    assert_eq!(site.told(&["unpause"]).0, 0);
    site.until("it is over", || site.state(&records::key("S/2")) == "stuck");
    assert_eq!(site.state(&records::key("A/2")), "withdrawn");
    daemon.terminate();
}

#[test]
fn an_account_is_judged_by_what_was_granted_before_also_while_that_waits() {
    let more = "[[source]]\nname = \"local\"\nactions = [\"create\", \"reset\", \"suspend\", \"resume\"]\n";
    let site = Site::with(Setup { more: more.into(), ..Setup::default() });
    let daemon = site.start();
    site.drop_in("a.toml", records::good("A/1", "rukmini"));
    site.until_rest(1);
    assert_eq!(site.told(&["pause", "mail"]).0, 0);
    for (id, action, state) in [
        ("S/1", "suspend", "working"),
        ("P/1", "reset", "refused"),
        ("S/2", "suspend", "refused"),
        ("R/1", "resume", "working"),
        ("R/2", "resume", "refused"),
        ("P/2", "reset", "working"),
    ] {
        site.drop_in("next.toml", ask(id, action));
        let key = records::key(id);
        site.until("it is judged", || site.states().contains_key(&key));
        assert_eq!(site.state(&key), state, "{id}");
    }
    assert_eq!(site.told(&["unpause"]).0, 0);
    site.until_rest(7);
    for id in ["S/1", "R/1", "P/2"] {
        assert_eq!(site.state(&records::key(id)), "done", "{id}");
    }
    let enabled: bool = site.mail().query_row("SELECT enabled FROM mailboxes", [], |row| row.get(0)).unwrap();
    assert!(enabled);
    daemon.terminate();
}
