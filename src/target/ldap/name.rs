//! Names of attributes and entries, and search filters. Escaping is what these types are for: none can be made of raw text.

use std::fmt;

/// An attribute's name: letters, digits and hyphens, with options behind semicolons (RFC 4512 §2.5).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Attribute(String);

impl Attribute {
    /// Reads a name as the configuration writes it.
    ///
    /// # Errors
    /// A sentence that says what was expected.
    pub fn parse(text: &str) -> Result<Self, String> {
        let good = text.starts_with(|c: char| c.is_ascii_alphanumeric())
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-.;".contains(&b));
        if good { Ok(Self(text.to_owned())) } else { Err(format!("{text:?} is not the name of an attribute")) }
    }
    /// One that is written in akund itself.
    pub(super) fn known(name: &'static str) -> Self {
        Self(name.to_owned())
    }
    /// As it is sent.
    pub fn as_str(&self) -> &str {
        &self.0
    }
    /// For looking it up: names of attributes are the same in any case.
    pub fn key(&self) -> String {
        self.0.to_ascii_lowercase()
    }
}

/// The first part of an entry's name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rdn {
    /// The naming attribute.
    pub attribute: Attribute,
    /// Its value, as it is.
    pub value: String,
}

impl fmt::Display for Rdn {
    /// With what RFC 4514 §2.4 wants escaped, and control characters, as `\XX`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}=", self.attribute.as_str())?;
        let last = self.value.chars().count().saturating_sub(1);
        for (at, c) in self.value.chars().enumerate() {
            let edge = (at == 0 && (c == ' ' || c == '#')) || (at == last && c == ' ');
            if edge || c.is_ascii_control() || "\"+,;<>=\\".contains(c) {
                write!(f, "\\{:02X}", u32::from(c))?;
            } else {
                write!(f, "{c}")?;
            }
        }
        Ok(())
    }
}

/// The name of an entry (RFC 4514).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dn(String);

impl Dn {
    /// Reads a DN as the configuration writes it.
    ///
    /// # Errors
    /// A sentence that says what was expected.
    pub fn parse(text: &str) -> Result<Self, String> {
        let parts = split(text);
        let named =
            |part: &str| part.split_once('=').is_some_and(|(a, v)| Attribute::parse(a.trim()).is_ok() && !v.is_empty());
        if !parts.is_empty() && parts.iter().all(|part| named(part)) {
            Ok(Self(text.to_owned()))
        } else {
            Err(format!("{text:?} is not the name of an entry, like ou=people,dc=example,dc=org"))
        }
    }
    /// One that a server gave.
    pub(super) fn given(text: String) -> Self {
        Self(text)
    }
    /// As it is sent.
    pub fn as_str(&self) -> &str {
        &self.0
    }
    /// The entry of that name below this one.
    pub fn child(&self, rdn: &Rdn) -> Self {
        Self(format!("{rdn},{}", self.0))
    }
    /// The same entry after it was given another first part.
    pub fn renamed(&self, rdn: &Rdn) -> Self {
        match split(&self.0).first() {
            Some(first) => Self(format!("{rdn}{}", self.0.get(first.len()..).unwrap_or_default())),
            None => Self(rdn.to_string()),
        }
    }
    /// The value that the entry is named by, unescaped. None if it is named by another attribute than this or by several.
    pub fn value_of(&self, attribute: &Attribute) -> Option<String> {
        let parts = split(&self.0);
        let (name, value) = parts.first()?.split_once('=')?;
        name.trim().eq_ignore_ascii_case(attribute.as_str()).then(|| unescape(value.trim_start_matches(' ')))?
    }
    /// The first value of the name, as it is written.
    pub fn first_value(&self) -> Option<&str> {
        Some(split(&self.0).first()?.split_once('=')?.1)
    }
    /// What it ends in, from its first `dc=` on.
    pub fn suffix(&self) -> Self {
        let mut rest = self.0.as_str();
        for part in split(&self.0) {
            if part.trim_start().to_ascii_lowercase().starts_with("dc=") {
                return Self(rest.trim_start().to_owned());
            }
            rest = rest.get(part.len() + 1..).unwrap_or_default();
        }
        self.clone()
    }
    /// For comparing: in lower case, without the spaces around separators.
    pub fn key(&self) -> String {
        split(&self.0).iter().map(|part| part.trim().to_lowercase()).collect::<Vec<_>>().join(",")
    }
    /// For sentences: the first character of its first value, and the rest of the name.
    pub fn masked(&self) -> String {
        let parts = split(&self.0);
        let Some((name, value)) = parts.first().and_then(|p| p.split_once('=')) else { return "…".into() };
        let first: String = value.chars().take(1).collect();
        let rest = parts.get(1..).unwrap_or_default().join(",");
        format!("{name}={first}…,{rest}")
    }
}

impl fmt::Display for Dn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The parts between commas that are not escaped.
fn split(text: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let (mut start, mut escaped) = (0, false);
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            ',' => {
                parts.push(text.get(start..at).unwrap_or_default());
                start = at + 1;
            }
            _ => {}
        }
    }
    if !text.is_empty() {
        parts.push(text.get(start..).unwrap_or_default());
    }
    parts
}

/// RFC 4514 §3, `\XX` and `\c`. None for a value of several attributes or in hexadecimal form, which akund never writes.
fn unescape(value: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(value.len());
    let mut rest = value.bytes();
    while let Some(byte) = rest.next() {
        match byte {
            b'+' => return None,
            b'\\' => {
                let next = rest.next()?;
                let hex = |b: u8| char::from(b).to_digit(16).and_then(|d| u8::try_from(d).ok());
                match hex(next) {
                    Some(high) => bytes.push(high * 16 + hex(rest.next()?)?),
                    None => bytes.push(next),
                }
            }
            _ => bytes.push(byte),
        }
    }
    if value.starts_with('#') { None } else { String::from_utf8(bytes).ok() }
}

/// A search filter (RFC 4515). Values go in as bytes, whatever they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter(String);

impl Filter {
    /// An attribute has this value.
    pub fn equal(attribute: &Attribute, value: &[u8]) -> Self {
        Self(format!("({}={})", attribute.as_str(), Self::assertion(value)))
    }
    /// An attribute has a value that begins so.
    pub fn begins(attribute: &Attribute, value: &[u8]) -> Self {
        Self(format!("({}={}*)", attribute.as_str(), Self::assertion(value)))
    }
    /// A value as it stands in a filter (RFC 4515 §3).
    fn assertion(value: &[u8]) -> String {
        use fmt::Write as _;
        let mut text = String::with_capacity(value.len());
        for byte in value {
            if byte.is_ascii_alphanumeric() || b" @.-_:".contains(byte) {
                text.push(char::from(*byte));
            } else {
                let _ = write!(text, "\\{byte:02x}");
            }
        }
        text
    }
    /// An attribute is there.
    pub fn present(attribute: &Attribute) -> Self {
        Self(format!("({}=*)", attribute.as_str()))
    }
    /// One of these holds; none if there is nothing to hold.
    pub fn any(filters: impl IntoIterator<Item = Self>) -> Option<Self> {
        let joined: String = filters.into_iter().map(|f| f.0).collect();
        (!joined.is_empty()).then(|| Self(format!("(|{joined})")))
    }
    /// As the client library wants it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn rdn(value: &str) -> Rdn {
        Rdn { attribute: Attribute::known("uid"), value: value.into() }
    }

    #[test]
    fn what_means_something_in_a_name_is_escaped() {
        let base = Dn::parse("ou=people,dc=example,dc=org").unwrap();
        for (value, written) in [
            ("humas", "uid=humas,ou=people,dc=example,dc=org"),
            ("a,b+c", "uid=a\\2Cb\\2Bc,ou=people,dc=example,dc=org"),
            (" #x ", "uid=\\20#x\\20,ou=people,dc=example,dc=org"),
            ("#x", "uid=\\23x,ou=people,dc=example,dc=org"),
            ("a\nb\0\\\"<>;=", "uid=a\\0Ab\\00\\5C\\22\\3C\\3E\\3B\\3D,ou=people,dc=example,dc=org"),
            ("ñ-密码", "uid=ñ-密码,ou=people,dc=example,dc=org"),
            ("\u{3000}x\u{a0}", "uid=\u{3000}x\u{a0},ou=people,dc=example,dc=org"),
        ] {
            let dn = base.child(&rdn(value));
            assert_eq!(dn.as_str(), written);
            assert_eq!(dn.value_of(&Attribute::known("UID")).unwrap(), value);
            assert_eq!(dn.renamed(&rdn("x")).as_str(), "uid=x,ou=people,dc=example,dc=org");
            assert_eq!(dn.suffix().as_str(), "dc=example,dc=org");
        }
    }

    #[test]
    fn a_filter_holds_any_value_as_it_is() {
        let mail = Attribute::known("mail");
        assert_eq!(Filter::equal(&mail, b"a@b.org").as_str(), "(mail=a@b.org)");
        assert_eq!(Filter::equal(&mail, b"*)(uid=*\\").as_str(), "(mail=\\2a\\29\\28uid\\3d\\2a\\5c)");
        assert_eq!(Filter::equal(&mail, &[0, 0xff]).as_str(), "(mail=\\00\\ff)");
        assert_eq!(Filter::any([]), None);
    }

    #[test]
    fn text_that_is_no_name_is_refused() {
        for bad in ["", "people", "ou=", "=x", "ou=people,", "o u=x,dc=org"] {
            assert!(Dn::parse(bad).is_err(), "{bad}");
        }
        for bad in ["", "a b", "a=b", "(x", "-x"] {
            assert!(Attribute::parse(bad).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn whatever_goes_into_a_name_comes_out_again(value in "\\PC{1,40}|[ #,+\"\\\\\\n\\x00=]{1,10}") {
            let dn = Dn::parse("ou=a\\,b,dc=org").unwrap().child(&rdn(&value));
            prop_assert_eq!(dn.value_of(&Attribute::known("uid")), Some(value));
            prop_assert_eq!(split(dn.as_str()).len(), 3);
        }
        #[test]
        fn a_filter_of_any_value_is_one_that_the_library_reads(value in prop::collection::vec(any::<u8>(), 0..40)) {
            let filter = Filter::equal(&Attribute::known("uid"), &value);
            prop_assert!(ldap3::parse_filter(filter.as_str()).is_ok(), "{:?}", filter);
        }
    }
}
