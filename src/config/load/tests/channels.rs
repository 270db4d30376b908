//! Gateways of text messages, and webhooks: each mistake with the sentence that it is told by.

use super::complaints;

const KANNEL: &str = "url = \"http://127.0.0.1:13013/cgi-bin/sendsms\"\nusername = \"akund\"\npassword_file = \"p\"\n";
const HTTP: &str = "url = \"https://sms.example.org/?to={to}\"\njson = { text = \"{text}\" }\n";

fn told(kind: &str, keys: &str) -> String {
    complaints(&format!("akund = 1\n[channel.x]\nkind = \"{kind}\"\n{keys}")).join("\n")
}

#[test]
fn good_ones_are_taken() {
    for (kind, keys) in [
        ("sms-kannel", KANNEL.to_owned()),
        ("sms-kannel", format!("{KANNEL}report_url = \"http://127.0.0.1:9380\"\n")),
        ("sms-gammu", "database = \"/var/lib/gammu/smsd.db\"\n".into()),
        ("sms-gammu", "database = \"mysql://a@127.0.0.1/smsd\"\npassword_file = \"p\"\n".into()),
        ("sms-http", HTTP.into()),
        ("sms-http", "url = \"https://x/?to={to}&t={text}\"\nmethod = \"GET\"\n".into()),
        ("webhook", "url = \"https://x/\"\nsecret_file = \"s\"\nsources = [\"local\"]\n".into()),
    ] {
        assert_eq!(told(kind, &keys), "", "{kind} {keys}");
    }
}

#[test]
fn each_mistake_has_its_sentence() {
    let kannel = |more: &str| format!("{KANNEL}{more}");
    let http = |more: &str| format!("{HTTP}{more}");
    for (kind, keys, expected) in [
        (
            "sms-kannel",
            KANNEL.replace("127.0.0.1", "kannel.example.org"),
            "clear text: http:// is for this machine only",
        ),
        ("sms-kannel", KANNEL.replace("http://", "http://a:b@"), "has a user in it"),
        ("sms-kannel", kannel("report_url = \"http://127.0.0.1:9381\"\n"), "has another port than [http] listen"),
        ("sms-kannel", kannel("report_url = \"http://10.0.0.1:9380\"\n"), "report_url of channel x"),
        ("sms-kannel", kannel("max_segments = 0\n"), "max_segments must be from 1 to 10"),
        ("sms-kannel", kannel("connections = 0\n"), "connections must be from 1 to 64"),
        (
            "sms-gammu",
            "database = \"mysql://a@db.example.org/smsd\"\n".into(),
            "in clear text to mysql://a@db.example.org",
        ),
        ("sms-gammu", "database = \"smsd.db\"\npassword_file = \"p\"\n".into(), "its database is a file"),
        ("sms-gammu", "database = \"smsd.db\"\nwait_seconds = 0\n".into(), "wait_seconds must be from 1"),
        ("sms-http", HTTP.replace("{text}", "{txt}"), "{txt} is unknown; known are {to}"),
        ("sms-http", HTTP.replace("{text}", "x"), "sends {text} nowhere"),
        ("sms-http", HTTP.replace("{to}", "x"), "says nowhere {to}"),
        ("sms-http", http("form = { a = \"b\" }\n"), "has both json and form"),
        ("sms-http", http("method = \"GET\"\n"), "GET carries none"),
        ("sms-http", http("secret_file = \"s\"\n"), "needs both secret_file and {secret}"),
        ("sms-http", http("username = \"u\"\n"), "needs both username and password_file"),
        ("sms-http", http("headers = { \"X Y\" = \"1\" }\n"), "is no name of a header"),
        ("sms-http", HTTP.replace("?to=", "{to}?to="), "outside the values of its query"),
        ("sms-http", http("[channel.x.answer]\nid = \"id\"\n"), "id is no JSON pointer"),
        ("sms-http", http("[channel.x.answer]\nsuccess_pattern = \"(\"\n"), "success_pattern is no pattern"),
        ("sms-http", http("[channel.x.answer]\nsuccess_status = [200, 422]\n"), "status 422 stands in two lists"),
        ("sms-http", http("[channel.x.answer]\nsuccess_status = [20]\n"), "is no status of an answer"),
        ("webhook", "url = \"http://tickets.example.org/\"\nsecret_file = \"s\"\n".into(), "clear text"),
        (
            "webhook",
            "url = \"https://x/\"\nsecret_file = \"s\"\nsources = [\"siakad\"]\n".into(),
            "names the source siakad, which has no [[source]]",
        ),
        ("webhook", "url = \"https://x/\"\n".into(), "the key `secret_file` is missing"),
        (
            "webhook",
            "url = \"https://x/\"\nsecret_file = \"s\"\n[queue.x]\nurl = \"amqp://akund@127.0.0.1/\"\nqueue = \"q\"\n\
             password_file = \"p\"\n[queue.x.outcomes]\nexchange = \"e\"\n"
                .into(),
            "a target or channel is called x, too",
        ),
    ] {
        let told = told(kind, &keys);
        assert!(told.contains(expected), "{kind} {keys}\n{told}");
    }
}

#[test]
fn an_outlet_that_is_a_queue_shares_its_name_with_no_lane() {
    let queue = |name: &str, outcomes: &str, more: &str| {
        complaints(&format!(
            "akund = 1\n[queue.{name}]\nurl = \"amqp://a@127.0.0.1/v\"\npassword_file = \"p\"\nqueue = \"q\"\n{outcomes}{more}\
             [[source]]\nname = \"helpdesk\"\nqueue = \"{name}\"\nusers = [\"h\"]\n"
        ))
        .join("\n")
    };
    let publishes = "[queue.NAME.outcomes]\nexchange = \"e\"\n";
    let outcomes = |name: &str| publishes.replace("NAME", name);
    for name in ["credentials", "letter"] {
        let told = queue(name, &outcomes(name), "");
        assert!(told.contains(&format!("{name} is a lane of akund's own: call the queue something else")), "{told}");
        assert_eq!(queue(name, "", ""), "", "one that publishes nothing is no lane");
    }
    let webhook = "[channel.requests]\nkind = \"webhook\"\nurl = \"https://x/\"\nsecret_file = \"s\"\n";
    let told = queue("requests", &outcomes("requests"), webhook);
    assert!(told.contains("a target or channel is called requests, too: call one of them something else"), "{told}");
    assert_eq!(queue("requests", &outcomes("requests"), ""), "");
}
