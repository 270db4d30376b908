use super::*;
use crate::model::FaultClass;
use proptest::prelude::*;

fn phone() -> Phone {
    Phone::parse("081234567890", "ID").unwrap()
}

fn gateway(more: &str) -> Gateway {
    let text = format!("akund = 1\n[channel.sms]\nkind = \"sms-http\"\nmethod = \"post\"\n{more}");
    let config = crate::config::load::from_text(&text, Path::new("/base")).unwrap_or_else(|e| panic!("{e}"));
    let crate::config::ChannelConfig::SmsHttp(config) = &config.channel["sms"] else { panic!("another kind") };
    Gateway::open("sms", config, &|_| Ok(Secret::new("s3cret&\"'"))).unwrap()
}

fn request(gateway: &Gateway, text: &str) -> Request {
    let phone = phone();
    let secret = gateway.secret.as_ref().map_or("", Secret::expose);
    let values = Values { phone: &phone, text, id: "0193.4".into(), secret, unicode: false };
    gateway.request(&values).unwrap()
}

fn body(request: &Request) -> String {
    String::from_utf8(request.body().and_then(|b| b.as_bytes()).unwrap_or_default().to_vec()).unwrap()
}

proptest! {
    #[test]
    fn no_text_breaks_out_of_its_place(text in "\\PC{0,60}|[\"\\\\{}&=%+\n\r#a-z]{0,60}") {
        let json = gateway("url = \"https://x/\"\njson = { to = \"{to}\", list = [{ message = \"a {text} b\" }], n = 1 }\n");
        let sent: Value = serde_json::from_str(&body(&request(&json, &text))).unwrap();
        prop_assert_eq!(sent, serde_json::json!({"to": "+6281234567890", "list": [{"message": format!("a {text} b")}], "n": 1}));
        let form = gateway("url = \"https://x/?fix=1&t={text}\"\nform = { text = \"{text}\", to = \"{to_local}\" }\n");
        let request = request(&form, &text);
        let pairs: Vec<_> = request.url().query_pairs().into_owned().collect();
        prop_assert_eq!(pairs, [("fix".to_owned(), "1".to_owned()), ("t".to_owned(), text.clone())]);
        let read = Url::parse(&format!("http://x/?{}", body(&request))).unwrap();
        let mut pairs: Vec<_> = read.query_pairs().into_owned().collect();
        pairs.sort();
        prop_assert_eq!(pairs, [("text".to_owned(), text), ("to".to_owned(), "081234567890".to_owned())]);
    }
}

#[test]
fn a_value_that_looks_like_a_placeholder_stays_as_it_is() {
    let gateway = gateway(
        "url = \"https://x/?to={to}\"\nsecret_file = \"s\"\njson = { m = \"{text}\", k = \"{secret}\", i = \"{id}\" }\n",
    );
    let sent: Value = serde_json::from_str(&body(&request(&gateway, "{secret} {to}"))).unwrap();
    assert_eq!(sent, serde_json::json!({"m": "{secret} {to}", "k": "s3cret&\"'", "i": "0193.4"}));
}

#[test]
fn headers_carry_the_secret_and_a_login_and_are_marked_sensitive() {
    let gateway = gateway(
        "url = \"https://x/?to={to}\"\nsecret_file = \"s\"\nusername = \"u\"\npassword_file = \"p\"\nheaders = { X-Key = \"k {secret}\" }\nform = { t = \"{text}\" }\n",
    );
    let request = request(&gateway, "x");
    assert_eq!(request.headers()["x-key"], "k s3cret&\"'");
    assert!(request.headers()["x-key"].is_sensitive() && request.headers()[AUTHORIZATION].is_sensitive());
    assert!(request.headers()[AUTHORIZATION].to_str().unwrap().starts_with("Basic dTpz"));
    assert_eq!(request.headers()[CONTENT_TYPE], "application/x-www-form-urlencoded");
    assert!(!format!("{request:?}").contains("s3cret"));
}

#[test]
fn an_answer_is_read_by_the_gateways_own_words_and_then_by_its_status() {
    let words = "url = \"https://x/\"\nform = { t = \"{text}\", to = \"{to}\" }\n[channel.sms.answer]\nsuccess = { at = \"/status\", is = [\"0\", \"OK\"] }\n\
                 permanent = { at = \"/status\", is = [\"12\"] }\ntemporary_pattern = \"saldo|quota\"\nid = \"/data/id\"\n";
    let patterns = "url = \"https://x/\"\nform = { t = \"{text}\", to = \"{to}\" }\n[channel.sms.answer]\nsuccess_pattern = \"^ID: \"\nid_pattern = \"^ID: (\\\\w+)\"\n";
    let nothing = "url = \"https://x/\"\nform = { t = \"{text}\", to = \"{to}\" }\n";
    use FaultClass::{Permanent, Transient, Unknown};
    for (config, status, body, expected) in [
        (words, 200, r#"{"status":0,"data":{"id":77}}"#, Ok(Some("77"))),
        (words, 200, r#"{"status":"OK"}"#, Ok(None)),
        (words, 200, r#"{"status":12}"#, Err(Permanent)),
        (words, 200, r#"{"status":13,"error":"saldo habis"}"#, Err(Transient)),
        (words, 200, r#"{"status":13}"#, Err(Unknown)),
        (words, 200, "<html>", Err(Unknown)),
        (patterns, 200, "ID: a7", Ok(Some("a7"))),
        (patterns, 200, "ERR: 105", Err(Unknown)),
        (nothing, 202, "", Ok(None)),
        (nothing, 400, "bad number", Err(Permanent)),
        (nothing, 401, "", Err(Transient)),
        (nothing, 429, "", Err(Transient)),
        (nothing, 503, "", Err(Transient)),
        (nothing, 500, "", Err(Unknown)),
        (nothing, 504, "", Err(Unknown)),
        (nothing, 303, "", Err(Unknown)),
        (nothing, 308, "", Err(Transient)),
    ] {
        let answered = Answered { status: reqwest::StatusCode::from_u16(status).unwrap(), body: body.into() };
        let found = match gateway(config).reading.read(&answered) {
            Meaning::Taken(id) => Ok(id),
            Meaning::Fault(make) => Err(make(String::new()).class),
        };
        assert_eq!(found, expected.map(|id| id.map(str::to_owned)), "{status} {body}");
    }
}

#[test]
fn a_placeholder_outside_the_query_is_refused() {
    for bad in ["https://x/{to}", "https://x/?{to}=1", "https://{to}/"] {
        assert!(split_url(bad).is_err(), "{bad}");
    }
    assert_eq!(unknown_placeholder("{to} {txt} {text}"), Some("{txt}".into()));
    assert_eq!(unknown_placeholder("{\"a\": \"{text}\"}"), Some("{\"a\": \"\"}".into()));
    assert_eq!(unknown_placeholder("{to}"), None);
}
