//! The allowed-signers file (ssh-keygen(1), ALLOWED SIGNERS): `PRINCIPALS [OPTIONS] KEYTYPE BASE64 [COMMENT]`.

use super::pattern::list_allows;
use super::shown;
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use ssh_key::PublicKey;
use ssh_key::public::KeyData;

/// Who may sign, parsed.
#[derive(Debug, Clone)]
pub struct AllowedSigners {
    file: String,
    signers: Vec<Signer>,
}

/// One line of the file.
#[derive(Debug, Clone)]
pub struct Signer {
    /// Line number, from 1.
    pub line: usize,
    /// Comma-separated patterns: the roles that the key may approve as.
    pub principals: String,
    key: KeyData,
    options: Options,
}

#[derive(Debug, Clone, Default)]
struct Options {
    namespaces: Option<String>,
    valid_after: Option<Timestamp>,
    valid_before: Option<Timestamp>,
}

impl AllowedSigners {
    /// Parses the file's text. Times without `Z` are in the system's time zone, as for ssh-keygen. `file_name` stands
    /// in messages. A key of a type that cannot sign records is no error here: the file may serve others too.
    ///
    /// # Errors
    /// One sentence with file and line for each bad line, certificate authorities among them: akund does not take certificates.
    pub fn parse(file_name: &str, text: &str) -> Result<Self, Vec<String>> {
        Self::parse_in(file_name, text, &TimeZone::system())
    }

    /// [`Self::parse`] with the time zone given.
    pub fn parse_in(file_name: &str, text: &str, zone: &TimeZone) -> Result<Self, Vec<String>> {
        let (mut signers, mut errors) = (Vec::new(), Vec::new());
        for (index, raw) in text.trim_start_matches('\u{feff}').lines().enumerate() {
            let line = raw.trim_matches([' ', '\t', '\r']);
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            match parse_line(index + 1, line, zone) {
                Ok(signer) => signers.push(signer),
                Err(why) => errors.push(format!("{file_name}: line {}: {why}", index + 1)),
            }
        }
        if errors.is_empty() { Ok(Self { file: file_name.to_owned(), signers }) } else { Err(errors) }
    }

    /// The lines, in the order of the file.
    pub fn signers(&self) -> &[Signer] {
        &self.signers
    }

    /// When each key that has an end may sign no longer, Unix time.
    pub fn ends(&self) -> Vec<i64> {
        self.signers.iter().filter_map(|signer| signer.options.valid_before).map(Timestamp::as_second).collect()
    }

    /// The principals of each line that lists `key` for `namespace` at `at`; else why none does, to follow "key FINGERPRINT".
    pub(super) fn principals_of(&self, key: &KeyData, namespace: &str, at: Timestamp) -> Result<Vec<String>, String> {
        let mut why = format!("is not listed in {}", self.file);
        let mut principals = Vec::new();
        for signer in self.signers.iter().filter(|s| s.key == *key) {
            match signer.options.refusal(namespace, at) {
                None => principals.push(signer.principals.clone()),
                Some(refusal) => why = format!("{refusal} ({} line {})", self.file, signer.line),
            }
        }
        if principals.is_empty() { Err(why) } else { Ok(principals) }
    }
}

impl Options {
    /// Both ends belong to the validity, as for ssh-keygen.
    fn refusal(&self, namespace: &str, at: Timestamp) -> Option<String> {
        if let Some(list) = self.namespaces.as_deref().filter(|list| !list_allows(list, &[namespace])) {
            return Some(format!("may sign for namespaces `{}`, not for `{namespace}`", shown(list)));
        }
        if let Some(from) = self.valid_after.filter(|&from| at < from) {
            return Some(format!("is not valid before {from}"));
        }
        self.valid_before.filter(|&until| at > until).map(|until| format!("has expired: it was valid until {until}"))
    }
}

fn parse_line(line: usize, text: &str, zone: &TimeZone) -> Result<Signer, String> {
    let (principals, rest) = principals_field(text)?;
    let mut key_text = rest.trim_start_matches([' ', '\t']);
    let mut options = Options::default();
    if starts_with_option(key_text) {
        let (field, after) = split_unquoted(key_text, |c| c == ' ' || c == '\t')?;
        options = parse_options(field, zone)?;
        key_text = after.unwrap_or("");
    }
    let key = parse_key(key_text)?;
    Ok(Signer { line, principals, key, options })
}

/// The first field, quoted where it holds blanks.
fn principals_field(text: &str) -> Result<(String, &str), String> {
    let (field, rest) = match text.strip_prefix('"') {
        Some(quoted) => quoted.split_once('"').ok_or("the quoted principals have no closing quote")?,
        None => text.split_at(text.find([' ', '\t']).unwrap_or(text.len())),
    };
    if field.split(',').any(|pattern| pattern.trim_start_matches('!').trim().is_empty()) {
        return Err("the principals (the roles that the key may approve as) hold an empty pattern".into());
    }
    if !rest.starts_with([' ', '\t']) {
        return Err(format!("after the principals `{}` a key is expected", shown(field)));
    }
    Ok((field.to_owned(), rest))
}

/// An option is `cert-authority` or has `=`; a key type never has.
fn starts_with_option(text: &str) -> bool {
    let word = text.split([' ', '\t']).next().unwrap_or("");
    let first = word.split(',').next().unwrap_or("");
    first.contains('=') || first.eq_ignore_ascii_case("cert-authority")
}

/// Splits at the first separator outside double quotes; `\"` inside quotes is a quote.
fn split_unquoted(text: &str, separator: impl Fn(char) -> bool) -> Result<(&str, Option<&str>), String> {
    let (mut quoted, mut escaped) = (false, false);
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            c if !quoted && separator(c) => return Ok((&text[..at], Some(&text[at + c.len_utf8()..]))),
            _ => {}
        }
    }
    if quoted { Err("an option's value has no closing quote".into()) } else { Ok((text, None)) }
}

fn parse_options(field: &str, zone: &TimeZone) -> Result<Options, String> {
    let mut options = Options::default();
    let mut rest = Some(field);
    while let Some(text) = rest {
        let (option, after) = split_unquoted(text, |c| c == ',')?;
        rest = after;
        if option.eq_ignore_ascii_case("cert-authority") {
            return Err("certificate authorities are not supported; list the signing keys themselves".into());
        }
        let (name, value) = option.split_once('=').ok_or_else(|| unknown_option(option))?;
        let value = value
            .strip_prefix('"')
            .and_then(|v| v.strip_suffix('"'))
            .ok_or_else(|| format!("the value of option `{}` must stand in double quotes", shown(name)))?
            .replace("\\\"", "\"");
        set_option(&mut options, name, &value, zone)?;
    }
    match (options.valid_after, options.valid_before) {
        (Some(after), Some(before)) if before <= after => Err("valid-before is not later than valid-after".into()),
        _ => Ok(options),
    }
}

fn set_option(options: &mut Options, name: &str, value: &str, zone: &TimeZone) -> Result<(), String> {
    let again = match name.to_ascii_lowercase().as_str() {
        "namespaces" => options.namespaces.replace(value.to_owned()).is_some(),
        "valid-after" => options.valid_after.replace(parse_time(name, value, zone)?).is_some(),
        "valid-before" => options.valid_before.replace(parse_time(name, value, zone)?).is_some(),
        _ => return Err(unknown_option(name)),
    };
    if again { Err(format!("option `{}` is given twice", shown(name))) } else { Ok(()) }
}

fn unknown_option(name: &str) -> String {
    format!("unknown option `{}`; expected namespaces, valid-after or valid-before", shown(name))
}

/// `YYYYMMDD[HHMM[SS]]`, in `zone`, or in UTC with a `Z` behind.
fn parse_time(name: &str, value: &str, zone: &TimeZone) -> Result<Timestamp, String> {
    let bad = || format!("`{}` of option {name} is no time; expected YYYYMMDD[HHMM[SS]][Z]", shown(value));
    let (digits, zone) = match value.strip_suffix(['Z', 'z']) {
        Some(digits) => (digits, &TimeZone::UTC),
        None => (value, zone),
    };
    if !matches!(digits.len(), 8 | 12 | 14) || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(bad());
    }
    let part = |range: std::ops::Range<usize>| digits.get(range).unwrap_or("0").parse::<i8>();
    let time = || -> Option<DateTime> {
        let year = digits.get(..4)?.parse().ok()?;
        let (month, day) = (part(4..6).ok()?, part(6..8).ok()?);
        let (hour, minute, second) = (part(8..10).ok()?, part(10..12).ok()?, part(12..14).ok()?);
        DateTime::new(year, month, day, hour, minute, second, 0).ok()
    };
    let zoned = time().ok_or_else(bad)?.to_zoned(zone.clone()).map_err(|_| bad())?;
    Ok(zoned.timestamp())
}

fn parse_key(text: &str) -> Result<KeyData, String> {
    let mut words = text.split_ascii_whitespace();
    let (Some(kind), Some(base64)) = (words.next(), words.next()) else {
        return Err("a key is expected: its type and its base64, as in the .pub file".into());
    };
    if kind.contains("-cert-") {
        return Err(format!(
            "`{}` is a certificate, and certificates are not supported; list the key itself",
            shown(kind)
        ));
    }
    let key = PublicKey::from_openssh(&format!("{kind} {base64}"))
        .map_err(|e| format!("the key of type `{}` cannot be read ({e})", shown(kind)))?;
    Ok(key.key_data().clone())
}

#[cfg(test)]
#[path = "allowed_tests.rs"]
mod tests;
