//! The attributes that a FreeRADIUS knows: the dictionary that it ships, as far as names, types and named values go.
//!
//! The format is that of dictionary(5): `$INCLUDE FILE`, `ATTRIBUTE NAME NUMBER TYPE`, `VALUE ATTRIBUTE NAME NUMBER`. Vendors' attributes
//! stand between `BEGIN-VENDOR` and `END-VENDOR` and have names of their own.

use super::wire;
use std::collections::HashMap;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};

/// Longest value, bytes: FreeRADIUS's columns and a RADIUS attribute's value (RFC 2865, section 5).
const LONGEST_VALUE: usize = 253;
const DEEPEST_INCLUDE: usize = 16;
/// How much of a name may differ for another to be suggested.
const ALIKE: f64 = 0.75;

/// Names and types. Names differ in more than case.
#[derive(Debug, Default)]
pub struct Dictionary {
    attributes: HashMap<String, Known>,
    /// Attribute and word, in lower case → number.
    values: HashMap<(String, String), String>,
    /// By name, those whose attributes have the usual format (RFC 2865 §5.26).
    vendors: HashMap<String, u32>,
}

#[derive(Debug)]
struct Known {
    /// As the dictionary spells it.
    name: String,
    kind: String,
    /// As it stands there; and that of the vendor, none for a vendor whose attributes have a format of their own.
    number: String,
    vendor: Option<Option<u32>>,
    /// Whether a value is sent as it is (no tag, not encrypted).
    plain: bool,
}

impl Dictionary {
    /// Reads a directory's `dictionary`, or a file, and all that it includes.
    ///
    /// # Errors
    /// A sentence with file and line.
    pub fn read(place: &Path) -> Result<Self, String> {
        let file = if place.is_dir() { place.join("dictionary") } else { place.to_owned() };
        let mut dictionary = Self::default();
        dictionary.include(&file, DEEPEST_INCLUDE)?;
        Ok(dictionary)
    }

    fn include(&mut self, file: &Path, deeper: usize) -> Result<(), String> {
        // Some vendors' files have names in Latin-1 in their comments.
        let bytes =
            std::fs::read(file).map_err(|e| format!("the dictionary {} cannot be read: {e}", file.display()))?;
        let mut vendor = Some(None);
        for (n, line) in String::from_utf8_lossy(&bytes).lines().enumerate() {
            let at = || format!("{}:{}", file.display(), n + 1);
            let words: Vec<&str> = line.split('#').next().unwrap_or_default().split_whitespace().collect();
            match words.as_slice() {
                ["$INCLUDE", name] if deeper > 0 => self.include(&beside(file, name), deeper - 1)?,
                ["$INCLUDE-", name] if deeper > 0 => {
                    let included = beside(file, name);
                    if included.exists() {
                        self.include(&included, deeper - 1)?;
                    }
                }
                ["$INCLUDE" | "$INCLUDE-", _] => return Err(format!("{}: dictionaries include each other", at())),
                ["ATTRIBUTE", name, number, kind, flags @ ..] => {
                    let kind = kind.split('[').next().unwrap_or_default().to_ascii_lowercase();
                    let (name, number) = ((*name).to_owned(), (*number).to_owned());
                    let plain = !flags.iter().any(|flag| flag.contains("has_tag") || flag.contains("encrypt"));
                    self.attributes.insert(name.to_ascii_lowercase(), Known { name, kind, number, vendor, plain });
                }
                ["VENDOR", name, number, format @ ..] => {
                    let usual = format.iter().all(|format| *format == "format=1,1");
                    if let Some(number) = number.parse().ok().filter(|_| usual) {
                        self.vendors.insert((*name).to_owned(), number);
                    }
                }
                ["BEGIN-VENDOR", name, ..] => vendor = self.vendors.get(*name).copied().map(Some),
                ["END-VENDOR", ..] => vendor = Some(None),
                ["ATTRIBUTE", ..] => return Err(format!("{}: an ATTRIBUTE needs a name, a number and a type", at())),
                ["VALUE", attribute, name, number, ..] => {
                    let key = (attribute.to_ascii_lowercase(), name.to_ascii_lowercase());
                    self.values.insert(key, (*number).to_owned());
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// The attribute's own spelling, if it is known and takes this value.
    ///
    /// # Errors
    /// A sentence: unknown, with the nearest name; or what the value should be.
    pub fn check(&self, attribute: &str, value: &str) -> Result<&str, String> {
        let key = attribute.to_ascii_lowercase();
        let Some(Known { name, kind, .. }) = self.attributes.get(&key) else { return Err(self.unknown(attribute)) };
        if value.is_empty() || value.len() > LONGEST_VALUE || value.chars().any(char::is_control) {
            return Err(format!("{name} must have a value of 1 to {LONGEST_VALUE} bytes without control characters"));
        }
        let named = self.values.contains_key(&(key, value.to_ascii_lowercase()));
        let wants = match kind.as_str() {
            "integer" | "uint32" if !named && value.parse::<u32>().is_err() => {
                "a whole number below 4294967296, or a known word"
            }
            "integer64" | "uint64" if !named && value.parse::<u64>().is_err() => "a whole number",
            "short" | "uint16" if !named && value.parse::<u16>().is_err() => "a whole number below 65536",
            "byte" | "uint8" if !named && value.parse::<u8>().is_err() => "a whole number below 256",
            "signed" | "int32" if !named && value.parse::<i32>().is_err() => "a whole number",
            "ipaddr" | "ipv4addr" if value.parse::<Ipv4Addr>().is_err() => "an IPv4 address",
            "ipv6addr" if value.parse::<Ipv6Addr>().is_err() => "an IPv6 address",
            "ipv4prefix" if !is_prefix::<Ipv4Addr>(value, 32) => "an IPv4 network, as 192.0.2.0/24",
            "ipv6prefix" if !is_prefix::<Ipv6Addr>(value, 128) => "an IPv6 network, as 2001:db8::/64",
            "octets" if !is_hex(value) => "bytes as 0x and an even number of hex digits",
            "tlv" | "struct" | "vsa" | "extended" | "long-extended" | "evs" => {
                "no value: it only has parts, which have names"
            }
            _ => return Ok(name),
        };
        Err(format!("{name} has the value {value:?}; it takes {wants}"))
    }

    /// An attribute and its value as a packet carries them; they were found good by [`Self::check`].
    ///
    /// # Errors
    /// A sentence: it is of a type that akund does not send.
    pub fn wire(&self, attribute: &str, value: &str) -> Result<wire::Attribute, String> {
        let key = attribute.to_ascii_lowercase();
        let known = self.attributes.get(&key).ok_or_else(|| self.unknown(attribute))?;
        let not_sent = || format!("{} is of a type that akund does not send to a NAS", known.name);
        let number = known.number.parse::<u8>().ok().filter(|_| known.plain).ok_or_else(not_sent)?;
        let vendor = known.vendor.ok_or_else(not_sent)?;
        let value = self.values.get(&(key, value.to_ascii_lowercase())).map_or(value, String::as_str);
        let value = wire::value(&known.kind, value).ok_or_else(not_sent)?;
        Ok(wire::Attribute { vendor, number, value })
    }

    fn unknown(&self, attribute: &str) -> String {
        let key = attribute.to_ascii_lowercase();
        let alike = self.attributes.iter().map(|(other, known)| (strsim::jaro_winkler(&key, other), &known.name));
        let nearest = alike.max_by(|a, b| a.0.total_cmp(&b.0).then_with(|| b.1.cmp(a.1)));
        let hint = match nearest {
            Some((likeness, name)) if likeness >= ALIKE => format!("; did you mean {name}?"),
            _ => String::new(),
        };
        format!(
            "FreeRADIUS knows no attribute {attribute:?}, and refuses every user that has one it does not know{hint}"
        )
    }
}

fn beside(file: &Path, name: &str) -> PathBuf {
    file.parent().unwrap_or(Path::new(".")).join(name)
}

fn is_prefix<A: std::str::FromStr>(value: &str, longest: u8) -> bool {
    value
        .split_once('/')
        .is_some_and(|(net, length)| net.parse::<A>().is_ok() && length.parse::<u8>().is_ok_and(|n| n <= longest))
}

fn is_hex(value: &str) -> bool {
    value
        .strip_prefix("0x")
        .is_some_and(|hex| !hex.is_empty() && hex.len().is_multiple_of(2) && hex.bytes().all(|b| b.is_ascii_hexdigit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shipped() -> Dictionary {
        Dictionary::read(Path::new("/usr/share/freeradius"))
            .unwrap_or_else(|e| panic!("{e}: install freeradius-common"))
    }

    #[test]
    fn what_freeradius_ships_is_read_with_its_vendors() {
        let dictionary = shipped();
        assert!(dictionary.attributes.len() > 5000, "{}", dictionary.attributes.len());
        for (attribute, value) in [
            ("Simultaneous-Use", "1"),
            ("Session-Timeout", "3600"),
            ("mikrotik-rate-limit", "2M/2M"),
            ("Framed-IP-Address", "192.0.2.7"),
            ("Service-Type", "Framed-User"),
            ("Service-Type", "2"),
            ("Framed-IPv6-Prefix", "2001:db8::/64"),
            ("Class", "0x00ff"),
            ("WISPr-Bandwidth-Max-Down", "2000000"),
        ] {
            let name = dictionary.check(attribute, value).unwrap_or_else(|e| panic!("{e}"));
            assert!(name.eq_ignore_ascii_case(attribute));
        }
    }

    #[test]
    fn what_it_does_not_know_is_refused_with_the_nearest_name_and_a_bad_value_with_what_it_takes() {
        let dictionary = shipped();
        for (attribute, value, told) in [
            ("Mikrotik-Rate-Limits", "1M/1M", "did you mean Mikrotik-Rate-Limit?"),
            ("SHA2-512-Password", "x", "did you mean SSHA2-"),
            ("Simultanous-Use", "1", "did you mean Simultaneous-Use?"),
            ("qqq", "1", "knows no attribute"),
            ("Session-Timeout", "1h", "whole number"),
            ("Session-Timeout", "-1", "whole number"),
            ("Service-Type", "Nonsense", "whole number"),
            ("Framed-IP-Address", "192.0.2", "IPv4"),
            ("Class", "x", "hex"),
            ("Reply-Message", "", "1 to 253"),
            ("Reply-Message", "a\nb", "control"),
        ] {
            let said = dictionary.check(attribute, value).unwrap_err();
            assert!(said.contains(told), "{attribute}: {said}");
        }
    }

    #[test]
    fn a_dictionary_that_includes_itself_or_is_missing_is_told_of() {
        let dir = tempfile::tempdir().unwrap();
        assert!(Dictionary::read(dir.path()).unwrap_err().contains("cannot be read"));
        std::fs::write(dir.path().join("dictionary"), "$INCLUDE dictionary\n").unwrap();
        assert!(Dictionary::read(dir.path()).unwrap_err().contains("include each other"));
        std::fs::write(dir.path().join("dictionary"), "$INCLUDE- none\nATTRIBUTE X 1 string # y\n").unwrap();
        assert_eq!(Dictionary::read(dir.path()).unwrap().check("x", "1"), Ok("X"));
    }
}
