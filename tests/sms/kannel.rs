//! Kannel with its fake SMS centre.

use crate::daemon::records::key;
use crate::office::*;
use crate::peers::{KANNEL_USER, Kannel, wait_for};
use std::net::TcpListener;

fn section(kannel: &Kannel, more: &str) -> String {
    let (user, _) = KANNEL_USER;
    format!(
        "[channel.sms]\nkind = \"sms-kannel\"\nurl = \"{}\"\nusername = \"{user}\"\npassword_file = \"./kannel-password\"\nfrom = \"12345\"\n{more}",
        kannel.url()
    )
}

/// How many parts went to a number.
fn parts(kannel: &Kannel, number: &str) -> usize {
    kannel.received().iter().filter(|(to, _)| to == number).count()
}

#[test]
fn a_new_account_is_handed_over_by_kannel_with_the_working_password() {
    let kannel = Kannel::start();
    let site = office(&section(&kannel, ""), "channels = [\"sms\", \"email\"]");
    secret(&site, "kannel-password", KANNEL_USER.1);
    let daemon = site.start();
    site.drop_in("a.toml", with_phone("a", "siti", TYPED));
    site.until_rest(1);
    assert_eq!(site.state(&key("a")), "done", "{}", site.log());
    wait_for("the SMS centre to have every part", || parts(&kannel, NUMBER) == 2);
    let text: String = kannel.received().into_iter().map(|(_, text)| text).collect();
    let password = password(&text);
    assert!(opens(&site, "siti@example.ac.id", &password), "{text}");
    let [step] = &handed(&site, "a")[..] else { panic!() };
    assert!(step["reply"].as_str().unwrap().starts_with("202 0: Accepted for delivery (2 parts"), "{step}");
    assert_eq!((sealed(&site), mails(&site).len()), (0, 0));
    assert!(!site.log().contains("1234567890") && !site.log().contains(&password));
    daemon.terminate();
}

#[test]
fn a_number_that_kannel_refuses_is_handed_over_by_e_mail_and_holds_nobody_up() {
    let kannel = Kannel::start();
    let site = office(&section(&kannel, ""), "channels = [\"sms\", \"email\"]");
    secret(&site, "kannel-password", KANNEL_USER.1);
    let daemon = site.start();
    // On Kannel's black list.
    site.drop_in("a.toml", with_phone("a", "siti", "0813-1111-2222"));
    site.drop_in("b.toml", with_phone("b", "budi", TYPED));
    site.until_rest(2);
    assert_eq!((site.state(&key("a")), site.state(&key("b"))), ("done".into(), "done".into()), "{}", site.log());
    let [step] = &handed(&site, "a")[..] else { panic!() };
    assert_eq!(step["lane"], "email");
    assert_eq!(step["refused"][0]["channel"], "sms", "{step}");
    assert_eq!(handed(&site, "b")[0]["lane"], "sms");
    assert_eq!(mails(&site).len(), 1);
    wait_for("the other's message to be there", || parts(&kannel, NUMBER) == 2);
    assert_eq!(kannel.received().len(), 2);
    daemon.terminate();
}

#[test]
fn kannel_keeps_a_message_while_the_sms_centre_is_away_and_a_wrong_password_costs_no_notice() {
    let mut kannel = Kannel::start();
    let site = office(&section(&kannel, ""), "channels = [\"sms\"]");
    secret(&site, "kannel-password", "salah");
    let (_, told) = site.told(&["check"]);
    assert!(told.contains("refuses the user akund with this password"), "{told}");
    let daemon = site.start();
    site.drop_in("a.toml", with_phone("a", "siti", TYPED));
    site.until("it was refused and waits", || handed(&site, "a").iter().any(|s| s["fault"].as_str().is_some()));
    let [step] = &handed(&site, "a")[..] else { panic!() };
    assert!(step["fault"].as_str().unwrap().contains("403 Authorization failed"), "{step}");
    assert_eq!(site.state(&key("a")), "working");
    daemon.terminate();
    kannel.lose_smsc();
    secret(&site, "kannel-password", KANNEL_USER.1);
    let (_, told) = site.told(&["check"]);
    assert!(told.contains("knows the user akund"), "{told}");
    let daemon = site.start();
    site.until_rest(1);
    assert_eq!(site.state(&key("a")), "done", "{}", site.log());
    let [step] = &handed(&site, "a")[..] else { panic!() };
    let reply = step["reply"].as_str().unwrap().to_owned();
    assert!(reply.starts_with("202 3: Queued for later delivery") || reply.starts_with("202 0: "), "{reply}");
    assert_eq!(parts(&kannel, NUMBER), 0);
    kannel.connect_smsc();
    wait_for("the SMS centre to have it", || parts(&kannel, NUMBER) == 2);
    daemon.terminate();
}

#[test]
fn an_arrival_that_kannel_reports_is_told_from_a_handing_over() {
    let kannel = Kannel::start();
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let site =
        office(&section(&kannel, &format!("report_url = \"http://127.0.0.1:{port}\"\n")), "channels = [\"sms\"]");
    let config = std::fs::read_to_string(site.path("akund.toml")).unwrap();
    let config = config.replace("listen = \"127.0.0.1:0\"", &format!("listen = \"127.0.0.1:{port}\""));
    std::fs::write(site.path("akund.toml"), config).unwrap();
    secret(&site, "kannel-password", KANNEL_USER.1);
    let daemon = site.start();
    site.drop_in("a.toml", with_phone("a", "siti", TYPED));
    site.until_rest(1);
    site.until("its arrival is reported", || handed(&site, "a")[0]["arrival"] == "confirmed");
    let (_, shown) = site.told(&["show", &key("a")]);
    assert!(shown.contains("arrival confirmed"), "{shown}");
    site.until("the outcome document says so", || {
        site.outcomes().values().any(|d| d["steps"].as_array().unwrap().iter().any(|s| s["arrival"] == "confirmed"))
    });
    let (_, audit) = site.told(&["audit", "show"]);
    assert!(audit.contains("arrival"), "{audit}");
    // Nobody else can say that something arrived.
    let uid = outcome(&site, "a")["request"]["uid"].as_str().unwrap().to_owned();
    for path in [format!("/receipt/sms/{uid}.5/{}/1", "0".repeat(32)), "/receipt/sms/x/y/1".into(), "/receipt".into()] {
        assert_eq!(daemon.get(&path).0, 404, "{path}");
    }
    daemon.terminate();
}
