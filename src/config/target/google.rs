//! `[target.NAME]` with `kind = "google"`

use serde::Deserialize;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;

/// Where the Directory API answers.
pub const ROOT_URL: &str = "https://admin.googleapis.com/";
/// Where access tokens are given out.
pub const TOKEN_URL: &str = "https://oauth2.googleapis.com/token";

/// `kind = "google"`: the users of a Google Workspace account, by the Directory API.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GoogleConfig {
    /// The service account's key as Google's console gives it out (JSON), or the name of a systemd credential (a bare name
    /// without `/`).
    pub key_file: PathBuf,
    /// The administrator as whom akund acts: the service account has no rights of its own.
    pub subject: String,
    /// The mail domains in which accounts may be made. The first is the Workspace account's primary domain: targets with the same
    /// one share their quotas.
    pub domains: Vec<String>,
    /// Services it provides. Default `["mail"]`.
    #[serde(default = "super::mail_service")]
    pub services: Vec<String>,
    /// The organisational unit of accounts whose category has none in `org_units`. Default `"/"`.
    #[serde(default = "top")]
    pub org_unit: String,
    /// Category → organisational unit.
    #[serde(default)]
    pub org_units: BTreeMap<String, String>,
    /// Groups that accounts are put into.
    #[serde(default)]
    pub groups: Vec<GoogleGroup>,
    /// Whether a password handed out must be changed at the first log-in. Default `true`.
    #[serde(default = "yes")]
    pub must_change: bool,
    /// Whether the holder's own e-mail address and phone are set for recovery when the account is made. Default `true`.
    #[serde(default = "yes")]
    pub recovery: bool,
    /// Longest given and family name, characters. Google's documents say 40 in one place and 60 in another. Default 40.
    #[serde(default = "forty")]
    pub name_characters: usize,
    /// Accounts that may be made in a second. Default 10, Google's limit for a domain.
    #[serde(default = "ten")]
    pub creations_per_second: u32,
    /// Calls in a minute. Default 2400, Google's limit.
    #[serde(default = "queries")]
    pub queries_per_minute: u32,
    /// Calls under way at once. Default 8.
    #[serde(default = "eight")]
    pub concurrency: usize,
    /// Longest wait for one answer, seconds. Default 30.
    #[serde(default = "thirty")]
    pub timeout_seconds: u64,
    /// How long Google may take to show everywhere what it has taken, seconds. Default 600.
    #[serde(default = "ten_minutes")]
    pub settle_seconds: u64,
    /// How long an account that may or may not have been made must stay out of sight before akund makes it again, seconds.
    /// Default 60.
    #[serde(default = "one_minute")]
    pub recheck_seconds: u64,
    /// Default `https://admin.googleapis.com/`. `http://` is for loopback only.
    #[serde(default = "root_url")]
    pub root_url: String,
    /// Default `https://oauth2.googleapis.com/token`. `http://` is for loopback only.
    #[serde(default = "token_url")]
    pub token_url: String,
    /// CA certificates in PEM that alone are trusted, for a private endpoint. Default: the system's.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
}

/// A group, and who is put into it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GoogleGroup {
    /// The group's address; it must exist.
    pub email: String,
    /// Only accounts for which the request names this group. Default: all.
    #[serde(default)]
    pub group: Option<String>,
    /// Only accounts of this category. Default: all.
    #[serde(default)]
    pub category: Option<String>,
}

impl GoogleConfig {
    /// Everything that is wrong with it by itself: the key it is about, and a sentence.
    pub fn problems(&self) -> Vec<(&'static str, String)> {
        let mut found = Vec::new();
        let mut check = |holds: bool, key: &'static str, sentence: String| {
            if !holds {
                found.push((key, sentence));
            }
        };
        let subject = is_address(&self.subject);
        check(subject, "subject", format!("subject = {:?} is no address of an administrator", self.subject));
        check(!self.domains.is_empty(), "domains", "domains must name at least one mail domain".into());
        for domain in &self.domains {
            let known = domain.parse::<crate::model::Domain>().is_ok_and(|parsed| parsed.as_str() == domain);
            check(known, "domains", format!("{domain:?} in domains is no domain in lower case"));
        }
        let units = self.org_units.values().map(|path| ("org_units", path)).chain([("org_unit", &self.org_unit)]);
        for (key, path) in units {
            check(
                is_org_unit(path),
                key,
                format!("the organisational unit {path:?} is not like \"/\" or \"/Staf/Dosen\""),
            );
        }
        for group in &self.groups {
            check(is_address(&group.email), "groups", format!("the group's email {:?} is no address", group.email));
        }
        let ranges = [
            ("name_characters", self.name_characters as u64, 1..=60),
            ("creations_per_second", self.creations_per_second.into(), 1..=10),
            ("queries_per_minute", self.queries_per_minute.into(), 60..=1_000_000),
            ("concurrency", self.concurrency as u64, 1..=64),
            ("timeout_seconds", self.timeout_seconds, 1..=60),
            ("settle_seconds", self.settle_seconds, 0..=86_400),
            ("recheck_seconds", self.recheck_seconds, 0..=3600),
        ];
        for (key, value, range) in ranges {
            check(
                range.contains(&value),
                key,
                format!("{key} must be from {} to {}, not {value}", range.start(), range.end()),
            );
        }
        for (key, url) in [("root_url", &self.root_url), ("token_url", &self.token_url)] {
            check(
                is_protected(url),
                key,
                format!("{key} = {url:?} must be an https:// URL; http:// is for loopback only"),
            );
        }
        check(self.root_url.ends_with('/'), "root_url", format!("root_url = {:?} must end in /", self.root_url));
        found
    }

    /// The Workspace account's primary domain.
    pub fn primary_domain(&self) -> &str {
        self.domains.first().map_or("", String::as_str)
    }
}

/// Groups' and administrators' addresses are compared with what Google says, which is in lower case.
fn is_address(text: &str) -> bool {
    text.parse::<crate::model::Address>().is_ok_and(|address| address.as_str() == text)
}

fn is_org_unit(path: &str) -> bool {
    path == "/" || (path.starts_with('/') && path.split('/').skip(1).all(|part| !part.trim().is_empty()))
}

fn is_protected(url: &str) -> bool {
    let Ok(parsed) = reqwest::Url::parse(url) else { return false };
    let plain_ends = parsed.query().is_none() && parsed.fragment().is_none() && parsed.username().is_empty();
    let host = parsed.host_str().unwrap_or_default();
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let loopback = host == "localhost" || bare.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback());
    plain_ends && !host.is_empty() && (parsed.scheme() == "https" || (parsed.scheme() == "http" && loopback))
}

fn top() -> String {
    "/".into()
}
fn yes() -> bool {
    true
}
fn forty() -> usize {
    40
}
fn ten() -> u32 {
    10
}
fn queries() -> u32 {
    2400
}
fn eight() -> usize {
    8
}
fn thirty() -> u64 {
    30
}
fn ten_minutes() -> u64 {
    600
}
fn one_minute() -> u64 {
    60
}
fn root_url() -> String {
    ROOT_URL.into()
}
fn token_url() -> String {
    TOKEN_URL.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_go_over_https_or_to_this_machine_only() {
        for (url, good) in [
            (ROOT_URL, true),
            (TOKEN_URL, true),
            ("https://private.example.org:8443/google/", true),
            ("http://127.0.0.1:8080/", true),
            ("http://[::1]:8080/", true),
            ("http://localhost/", true),
            ("http://admin.googleapis.com/", false),
            ("http://127.0.0.1.example.org/", false),
            ("ftp://127.0.0.1/", false),
            ("https://user@example.org/", false),
            ("https://example.org/?key=1", false),
            ("admin.googleapis.com", false),
            ("", false),
        ] {
            assert_eq!(is_protected(url), good, "{url}");
        }
    }

    #[test]
    fn organisational_units_are_paths_from_the_top() {
        for (path, good) in [
            ("/", true),
            ("/Staf", true),
            ("/Staf/Dosen Tetap", true),
            ("Staf", false),
            ("/Staf/", false),
            ("//", false),
            ("", false),
        ] {
            assert_eq!(is_org_unit(path), good, "{path}");
        }
    }
}
