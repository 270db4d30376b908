//! Attributes as packets carry them (RFC 2865 §5, RFC 8044), and which of them an account's session is given. Pure.

use super::attributes::configured;
use super::dictionary::Dictionary;
use crate::config::target::RadiusConfig;
use crate::model::Account;
use crate::target::login::radius::packet::{Attributes, TooLong, attribute};
use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, Ipv6Addr};

const SESSION_TIMEOUT: &str = "session-timeout";

/// One attribute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attribute {
    /// None: one of the RFCs'.
    pub vendor: Option<u32>,
    /// Its number.
    pub number: u8,
    /// As it is sent.
    pub value: Vec<u8>,
}

/// A value of a type of dictionary(5); none for a type that akund does not send.
pub fn value(kind: &str, text: &str) -> Option<Vec<u8>> {
    Some(match kind {
        "string" => text.as_bytes().to_vec(),
        "octets" => bytes(text.strip_prefix("0x")?)?,
        "integer" | "uint32" | "date" => number(text)?.to_be_bytes().to_vec(),
        "signed" | "int32" => text.parse::<i32>().ok()?.to_be_bytes().to_vec(),
        "ipaddr" | "ipv4addr" => text.parse::<Ipv4Addr>().ok()?.octets().to_vec(),
        "ipv6addr" => text.parse::<Ipv6Addr>().ok()?.octets().to_vec(),
        _ => return None,
    })
}

fn number(text: &str) -> Option<u32> {
    match text.strip_prefix("0x") {
        Some(hex) => u32::from_str_radix(hex, 16).ok(),
        None => text.parse().ok(),
    }
}

fn bytes(hex: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> = hex.chars().map(|c| c.to_digit(16).and_then(|d| u8::try_from(d).ok())).collect();
    Some(digits?.chunks(2).map(|pair| pair.iter().fold(0, |byte, digit| byte * 16 + digit)).collect())
}

/// What the sessions of accounts are given, by the configuration.
#[derive(Debug, Default)]
pub struct Sessions {
    profiles: BTreeMap<String, Profile>,
    /// Without a profile of the configuration.
    others: Profile,
    groups: BTreeMap<String, String>,
    default_group: Option<String>,
}

#[derive(Debug, Default)]
struct Profile {
    attributes: Attributes,
    /// Seconds, as configured.
    session_timeout: Option<u32>,
    /// Whether these replace all that another profile may have given a session.
    replaces: bool,
}

impl Sessions {
    /// Reads the configuration.
    ///
    /// # Errors
    /// A sentence about an attribute that akund cannot send.
    pub fn configured(config: &RadiusConfig) -> Result<Self, String> {
        let (all, profiles) = configured(config)?;
        let lists = profiles.values().flat_map(|profile| &profile.reply).chain(&all.reply);
        let names: BTreeSet<&str> = lists.map(|attribute| attribute.name.as_str()).collect();
        // Without attributes there is nothing to look up.
        let dictionary = if names.is_empty() { Dictionary::default() } else { Dictionary::read(&config.dictionary)? };
        let read = |more: &[super::attributes::Attribute]| -> Result<Profile, String> {
            let own: BTreeSet<&str> = more.iter().map(|attribute| attribute.name.as_str()).collect();
            let mut profile = Profile { replaces: true, ..Profile::default() };
            // The profile's go before those that every account has: a NAS takes the first.
            let common = all.reply.iter().filter(|attribute| !own.contains(attribute.name.as_str()));
            for one in more.iter().chain(common) {
                let wire = dictionary.wire(&one.name, &one.value)?;
                if one.name.eq_ignore_ascii_case(SESSION_TIMEOUT) {
                    profile.session_timeout = wire.value.try_into().ok().map(u32::from_be_bytes);
                    continue;
                }
                let long = |long: TooLong| format!("{}: {long}", one.name);
                let add = std::mem::take(&mut profile.attributes);
                profile.attributes = match wire.vendor {
                    None => add.add(wire.number, &wire.value, "its value"),
                    Some(vendor) => add.add_vendors(vendor, wire.number, &wire.value, "its value"),
                }
                .map_err(long)?;
            }
            let has = |name: &str| own.contains(name) || all.reply.iter().any(|attribute| attribute.name == name);
            profile.replaces = names.iter().all(|name| has(name));
            Ok(profile)
        };
        Ok(Self {
            others: read(&[])?,
            profiles: profiles
                .iter()
                .map(|(name, profile)| Ok((name.clone(), read(&profile.reply)?)))
                .collect::<Result<_, String>>()?,
            groups: config.groups.clone(),
            default_group: config.default_group.clone(),
        })
    }

    /// What a NAS is told to give to the session of an account; none where the session must be ended instead: these attributes would
    /// not replace all that it has, nothing is known of what its profile gives, or its time is over. `now` in seconds since 1970.
    pub fn of(&self, account: &Account, now: i64) -> Option<Attributes> {
        let profile = match super::group_of(account, &self.groups, self.default_group.as_deref()) {
            // What somebody else has written for a profile is not known here.
            Some(name) => self.profiles.get(name)?,
            None => &self.others,
        };
        let left = match account.ends_at {
            Some(end) => Some(u32::try_from(end.as_second() - now).ok().filter(|left| *left > 0)?),
            None => None,
        };
        let attributes = profile.attributes.clone();
        let timeout = [left, profile.session_timeout].into_iter().flatten().min();
        let attributes = match timeout {
            Some(seconds) => attributes.add(attribute::SESSION_TIMEOUT, &seconds.to_be_bytes(), "the time").ok()?,
            None => attributes,
        };
        (profile.replaces && !attributes.is_empty()).then_some(attributes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn config(more: &str) -> RadiusConfig {
        toml::from_str(&format!("database = \"/nowhere/radius.db\"\n{more}")).unwrap()
    }

    fn account(group: Option<&str>) -> Account {
        let mut account = crate::target::nas::tests::work(crate::model::Action::Change).account;
        account.group = group.map(str::to_owned);
        account
    }

    fn bytes_of(attributes: &Attributes) -> Vec<u8> {
        use crate::target::login::radius::packet::{Request, code};
        Request::change(code::COA_REQUEST, 0, attributes, b"x").unwrap().bytes()[38..].to_vec()
    }

    #[test]
    fn what_freeradius_ships_is_sent_with_its_numbers() {
        let dictionary = Dictionary::read(Path::new("/usr/share/freeradius")).unwrap();
        for (name, value, vendor, number, sent) in [
            ("Mikrotik-Rate-Limit", "2M/5M", Some(14988), 8, b"2M/5M".to_vec()),
            ("Session-Timeout", "3600", None, 27, vec![0, 0, 14, 16]),
            ("Service-Type", "Framed-User", None, 6, vec![0, 0, 0, 2]),
            ("Framed-IP-Address", "192.0.2.7", None, 8, vec![192, 0, 2, 7]),
            ("Class", "0x00ff", None, 25, vec![0, 255]),
            ("WISPr-Bandwidth-Max-Down", "2000000", Some(14122), 8, vec![0, 0x1e, 0x84, 0x80]),
        ] {
            let expected = Attribute { vendor, number, value: sent };
            assert_eq!(dictionary.wire(name, value).unwrap(), expected, "{name}");
        }
        // Encrypted, tagged, and in a vendor's own format.
        for name in ["Tunnel-Password", "Tunnel-Type", "USR-Last-Number-Dialed-Out"] {
            assert!(dictionary.wire(name, "1").unwrap_err().contains("does not send"), "{name}");
        }
    }

    #[test]
    fn a_session_is_changed_only_where_its_attributes_replace_all_that_it_may_have() {
        let sessions = Sessions::configured(&config(
            "default_group = \"tamu\"\n[reply]\nSession-Timeout = 3600\n[profile.tamu.reply]\nMikrotik-Rate-Limit = \"1M/1M\"\n\
             [profile.staf.reply]\nMikrotik-Rate-Limit = \"9M/9M\"\n[profile.bebas.reply]\nFilter-Id = \"x\"\nMikrotik-Rate-Limit = \"8M/8M\"\n",
        ))
        .unwrap();
        assert!(sessions.of(&account(Some("staf")), 0).is_none(), "a Filter-Id of the session before would stay");
        assert!(sessions.of(&account(Some("bebas")), 0).is_some());
        assert!(sessions.of(&account(Some("lain")), 0).is_none(), "nobody knows what that profile gives");
        let sessions = Sessions::configured(&config(
            "[reply]\nSession-Timeout = 3600\n[profile.tamu.reply]\nMikrotik-Rate-Limit = \"1M/1M\"\n",
        ))
        .unwrap();
        let mut guest = account(Some("tamu"));
        let rate = b"\x1a\x0d\0\0\x3a\x8c\x08\x071M/1M";
        assert_eq!(bytes_of(&sessions.of(&guest, 0).unwrap()), [&rate[..], &[27, 6, 0, 0, 14, 16]].concat());
        guest.ends_at = Some(jiff::Timestamp::from_second(100).unwrap());
        assert_eq!(bytes_of(&sessions.of(&guest, 40).unwrap()), [&rate[..], &[27, 6, 0, 0, 0, 60]].concat());
        assert!(sessions.of(&guest, 100).is_none(), "its time is over");
        assert!(Sessions::configured(&config("")).unwrap().of(&account(None), 0).is_none(), "nothing to give");
    }
}
