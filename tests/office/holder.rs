//! The holder hears of what another contact has done to the account; and nothing waits for that.

use crate::daemon::{Setup, Site, mailbox, records};

const SOURCE: &str = "[[source]]\nname = \"local\"\nactions = [\"create\", \"suspend\", \"resume\"]\n";

fn ask(id: &str, action: &str, contact: &str) -> String {
    records::good(id, "rukmini")
        .replace("procedure = \"generic\"", &format!("procedure = \"generic\"\naction = {action:?}"))
        .replace("rukmini.pribadi@example.org", contact)
}

#[test]
fn a_suspension_that_another_contact_asked_for_is_told_the_holder_and_their_own_is_told_once() {
    let site = Site::with(Setup { more: SOURCE.into(), ..Setup::default() });
    let daemon = site.start();
    site.drop_in("a.toml", records::good("A/1", "rukmini"));
    site.until_rest(1);
    let told = |to: &str| {
        let to = format!("<{to}>");
        let all = mailbox::notices(&site).into_iter();
        all.filter(|notice| notice.text.contains("Akun ditangguhkan") && notice.text.contains(&to)).count()
    };
    let known = "rukmini.pribadi@example.org";
    assert_eq!(told(known), 0);
    site.drop_in("c.toml", ask("S/2", "suspend", "orang.lain@example.org"));
    site.until("it is suspended", || site.state("generic:S/2@1") == "done");
    site.until("both are told", || (told("orang.lain@example.org"), told(known)) == (1, 1));
    let (_, shown) = site.told(&["show", "S/2"]);
    assert!(shown.contains("deliver changed to holder"), "{shown}");
    let notice = mailbox::notices(&site)
        .into_iter()
        .find(|notice| notice.text.contains("Akun ditangguhkan") && notice.text.contains(&format!("<{known}>")));
    assert!(notice.unwrap().text.contains("sebagai pemegang akun"));
    // Who asks as the register knows them hears it once.
    site.drop_in("d.toml", ask("R/1", "resume", known));
    site.until("it is resumed", || site.state("generic:R/1@1") == "done");
    site.drop_in("e.toml", ask("S/3", "suspend", known));
    site.until("it is suspended", || site.state("generic:S/3@1") == "done");
    assert_eq!(told(known), 2);
    let (_, shown) = site.told(&["show", "S/3"]);
    assert!(!shown.contains("to holder"), "{shown}");
    daemon.terminate();
}
