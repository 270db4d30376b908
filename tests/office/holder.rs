//! What somebody else asks about an account is approved, and its holder hears of it.

use crate::daemon::{Setup, Site, mailbox, records};

const SOURCE: &str = "[[source]]\nname = \"local\"\nactions = [\"create\", \"suspend\", \"resume\"]\n";

fn ask(id: &str, action: &str, contact: &str) -> String {
    records::good(id, "rukmini")
        .replace("procedure = \"generic\"", &format!("procedure = \"generic\"\naction = {action:?}"))
        .replace("rukmini.pribadi@example.org", contact)
}

#[test]
fn a_strangers_suspension_wants_an_approval_and_the_holder_is_told_of_it() {
    let site = Site::with(Setup { more: SOURCE.into(), ..Setup::default() });
    let daemon = site.start();
    site.drop_in("a.toml", records::good("A/1", "rukmini"));
    site.until_rest(1);
    let unapproved = ask("S/1", "suspend", "orang.lain@example.org");
    let (unapproved, _) = unapproved.split_once("[[approval]]").unwrap();
    site.drop_in("b.toml", unapproved);
    site.until_rest(2);
    assert_eq!(site.state("generic:S/1@1"), "held", "nobody has approved it");

    let told = |to: &str| {
        let to = format!("<{to}>");
        let all = mailbox::notices(&site).into_iter();
        all.filter(|notice| notice.text.contains("Akun ditangguhkan") && notice.text.contains(&to)).count()
    };
    let known = "rukmini.pribadi@example.org";
    assert_eq!(told(known), 0);
    site.drop_in("c.toml", ask("S/2", "suspend", "orang.lain@example.org"));
    site.until("it is suspended", || site.state("generic:S/2@1") == "done");
    assert_eq!((told("orang.lain@example.org"), told(known)), (1, 1));
    let (_, shown) = site.told(&["show", "S/2"]);
    assert!(shown.contains("deliver changed to holder"), "{shown}");

    // Who asks as the register knows them hears it once.
    site.drop_in("d.toml", ask("R/1", "resume", known));
    site.until("it is resumed", || site.state("generic:R/1@1") == "done");
    site.drop_in("e.toml", ask("S/3", "suspend", known));
    site.until("it is suspended", || site.state("generic:S/3@1") == "done");
    assert_eq!(told(known), 2);
    daemon.terminate();
}
