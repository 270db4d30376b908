//! What must hold for gateways of text messages and for webhooks.

use super::{Findings, key};
use crate::channel::sms::template::{pattern, split_url, strings, unknown_placeholder};
use crate::config::SourceConfig;
use crate::config::channel::{GammuConfig, KannelConfig, SmsHttpConfig, WebhookConfig};
use crate::config::database::ServerPlace;
use crate::config::tree::Part;
use crate::web::protected_url;
use std::net::SocketAddr;

/// As many parts as a message can have, by one octet of its header.
const MOST_PARTS: usize = 10;

pub fn kannel(name: &str, kannel: &KannelConfig, listen: SocketAddr, found: &mut Findings) {
    url(name, "url", protected_url(&kannel.url).map(drop), found);
    found.check(!kannel.username.is_empty(), ["channel", name, "username"], || {
        format!("channel {name}: the username is empty")
    });
    if let Some(report) = &kannel.report_url {
        let read = protected_url(report).and_then(|url| match url.scheme() {
            "http" if url.path() == "/" && url.query().is_none() => Ok(url),
            _ => Err("is not http://ADDRESS:PORT of akund's own [http] listen on this machine".into()),
        });
        let port = read.as_ref().ok().and_then(reqwest::Url::port_or_known_default);
        url(name, "report_url", read.map(drop), found);
        // A test may ask for any free port.
        let fits = listen.port() == 0 || port.is_none_or(|port| port == listen.port());
        found.check(fits, ["channel", name, "report_url"], || {
            format!("report_url of channel {name} has another port than [http] listen, {listen}: no report would come")
        });
    }
    limits(name, kannel.max_segments, Some(kannel.connections), kannel.timeout_seconds, "timeout_seconds", found);
}

pub fn gammu(name: &str, gammu: &GammuConfig, found: &mut Findings) {
    let server = gammu.database.server();
    let open = server.is_some_and(|server| !server.is_local()) && gammu.ca_file.is_none();
    found.check(!open, ["channel", name, "database"], || {
        format!(
            "channel {name} would send passwords in clear text to {}: name the CA of its certificate as ca_file, or use a Unix \
             socket or a loopback address",
            gammu.database
        )
    });
    let by_tcp = server.is_some_and(|server| matches!(server.place, ServerPlace::Host(_)));
    found.check(gammu.ca_file.is_none() || by_tcp, ["channel", name, "ca_file"], || {
        format!("channel {name} has a ca_file, and its database is not reached by TCP")
    });
    found.check(gammu.password_file.is_none() || server.is_some(), ["channel", name, "password_file"], || {
        format!("channel {name} has a password_file, and its database is a file")
    });
    limits(name, gammu.max_segments, None, gammu.wait_seconds, "wait_seconds", found);
}

pub fn http(name: &str, http: &SmsHttpConfig, found: &mut Findings) {
    let at = |part: &str| vec![key("channel"), key(name), key(part)];
    let read = split_url(&http.url);
    let query: Vec<String> = read.iter().flat_map(|(_, query)| query.iter().map(|(_, value)| value.clone())).collect();
    if let Err(why) = read {
        found.check_at(false, at("url"), || format!("channel {name}: {why}"));
    }
    let plain = !http.method.is_empty() && http.method.bytes().all(|b| b.is_ascii_alphabetic());
    found.check_at(plain, at("method"), || format!("channel {name}: {:?} is no method of HTTP", http.method));
    let body = http.json.is_some() || http.form.is_some();
    found.check_at(http.json.is_none() || http.form.is_none(), at("form"), || {
        format!("channel {name} has both json and form: a request has one body")
    });
    found.check_at(!body || !http.method.eq_ignore_ascii_case("GET"), at("method"), || {
        format!("channel {name} has a body, and GET carries none")
    });
    let form: Vec<&String> = http.form.iter().flatten().map(|(_, value)| value).collect();
    let json: Vec<&str> = http.json.iter().flat_map(strings).collect();
    let headers: Vec<&String> = http.headers.values().collect();
    let places = [
        ("url", query.iter().map(String::as_str).collect::<Vec<_>>()),
        ("form", form.iter().map(|s| s.as_str()).collect()),
        ("json", json),
        ("headers", headers.iter().map(|s| s.as_str()).collect()),
    ];
    for (part, templates) in &places {
        let unknown = templates.iter().find_map(|template| unknown_placeholder(template));
        found.check_at(unknown.is_none(), at(part), || {
            let known = crate::channel::sms::template::PLACEHOLDERS.join(" ");
            format!("{part} of channel {name}: {} is unknown; known are {known}", unknown.unwrap_or_default())
        });
    }
    let has =
        |word: &str, but: &str| places.iter().any(|(part, all)| *part != but && all.iter().any(|t| t.contains(word)));
    found.check_at(has("{text}", "headers"), at("url"), || {
        format!("channel {name} sends {{text}} nowhere: it belongs into json, form or the url's query")
    });
    found.check_at(has("{to", ""), at("url"), || format!("channel {name} says nowhere {{to}} whom the message goes"));
    found.check_at(has("{secret}", "") == http.secret_file.is_some(), at("secret_file"), || {
        format!("channel {name} needs both secret_file and {{secret}} where it goes, or neither")
    });
    found.check_at(http.username.is_some() == http.password_file.is_some(), at("username"), || {
        format!("channel {name} needs both username and password_file, or neither")
    });
    for header in http.headers.keys() {
        let good = reqwest::header::HeaderName::try_from(header.as_str()).is_ok();
        found.check_at(good, at("headers"), || format!("channel {name}: {header:?} is no name of a header"));
    }
    answer(name, http, found);
    limits(name, http.max_segments, Some(http.connections), http.timeout_seconds, "timeout_seconds", found);
}

fn answer(name: &str, http: &SmsHttpConfig, found: &mut Findings) {
    let answer = &http.answer;
    let at = |part: &str| vec![key("channel"), key(name), key("answer"), key(part)];
    let patterns = [
        ("success_pattern", &answer.success_pattern),
        ("permanent_pattern", &answer.permanent_pattern),
        ("temporary_pattern", &answer.temporary_pattern),
        ("id_pattern", &answer.id_pattern),
    ];
    for (part, text) in patterns {
        if let Err(why) = pattern(part, text.as_ref()) {
            found.check_at(false, at(part), || format!("channel {name}: {why}"));
        }
    }
    let pointers = [
        ("success", answer.success.as_ref().map(|f| &f.at)),
        ("permanent", answer.permanent.as_ref().map(|f| &f.at)),
        ("temporary", answer.temporary.as_ref().map(|f| &f.at)),
        ("id", answer.id.as_ref()),
    ];
    for (part, pointer) in pointers {
        found.check_at(pointer.is_none_or(|p| p.is_empty() || p.starts_with('/')), at(part), || {
            format!("channel {name}: {part} is no JSON pointer; expected one like /data/status")
        });
    }
    let statuses = [
        ("success_status", &answer.success_status),
        ("permanent_status", &answer.permanent_status),
        ("temporary_status", &answer.temporary_status),
    ];
    for (part, list) in statuses {
        found.check_at(list.iter().all(|status| (200..600).contains(status)), at(part), || {
            format!("channel {name}: {part} has a number that is no status of an answer (200 to 599)")
        });
        let others = statuses.iter().filter(|(other, _)| *other != part).flat_map(|(_, list)| list.iter());
        let twice = others.into_iter().find(|status| list.contains(status));
        found.check_at(twice.is_none(), at(part), || {
            format!("channel {name}: status {} stands in two lists", twice.copied().unwrap_or_default())
        });
    }
}

pub fn webhook(name: &str, webhook: &WebhookConfig, sources: &[SourceConfig], found: &mut Findings) {
    url(name, "url", protected_url(&webhook.url).map(drop), found);
    let known = |source: &String| source == "local" || sources.iter().any(|s| s.name == *source);
    let unknown = webhook.sources.iter().find(|source| !known(source));
    found.check(unknown.is_none(), ["channel", name, "sources"], || {
        format!("channel {name} names the source {}, which has no [[source]]", unknown.cloned().unwrap_or_default())
    });
    seconds(name, "timeout_seconds", webhook.timeout_seconds, found);
}

fn url(name: &str, part: &str, read: Result<(), String>, found: &mut Findings) {
    if let Err(why) = read {
        found.check(false, ["channel", name, part], || format!("{part} of channel {name} {why}"));
    }
}

fn limits(name: &str, parts: usize, connections: Option<usize>, limit: u64, part: &str, found: &mut Findings) {
    let at = |part: &str| -> Vec<Part> { vec![key("channel"), key(name), key(part)] };
    found.check_at((1..=MOST_PARTS).contains(&parts), at("max_segments"), || {
        format!("channel {name}: max_segments must be from 1 to {MOST_PARTS}")
    });
    found.check_at(connections.is_none_or(|n| (1..=64).contains(&n)), at("connections"), || {
        format!("channel {name}: connections must be from 1 to 64")
    });
    seconds(name, part, limit, found);
}

fn seconds(name: &str, part: &str, limit: u64, found: &mut Findings) {
    found.check((1..=600).contains(&limit), ["channel", name, part], || {
        format!("channel {name}: {part} must be from 1 to 600")
    });
}
