//! Where an account's mail is kept, by template.

use crate::model::{Address, Fault};

/// Where an account's mail is kept: text with `{domain}`, `{local}`, `{address}` and `{uid}`.
#[derive(Debug, Clone)]
pub struct HomeTemplate(String);

impl HomeTemplate {
    /// Reads a template.
    ///
    /// # Errors
    /// A sentence, for what would not make one directory per account.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut rest = text;
        let mut distinct = false;
        while let Some(open) = rest.find(['{', '}']) {
            let (_, after) = rest.split_at(open);
            let (name, after) = after
                .strip_prefix('{')
                .and_then(|inner| inner.split_once('}'))
                .ok_or_else(|| format!("home = {text:?} has a brace without its other half"))?;
            match name {
                "local" | "address" | "uid" => distinct = true,
                "domain" => {}
                _ => {
                    return Err(format!(
                        "home = {text:?} has {{{name}}}; known are {{domain}}, {{local}}, {{address}} and {{uid}}"
                    ));
                }
            }
            rest = after;
        }
        if !text.starts_with('/') {
            return Err(format!("home = {text:?} is not an absolute path"));
        }
        if !distinct {
            return Err(format!(
                "home = {text:?} is one directory for all; it needs {{local}}, {{address}} or {{uid}}"
            ));
        }
        Ok(Self(text.to_owned()))
    }

    /// The directory of an account.
    ///
    /// # Errors
    /// Permanent, for an address with a part that would lead out of its place.
    pub fn home(&self, address: &Address, uid: &str) -> Result<String, Fault> {
        let tricky =
            |part: &str| part.is_empty() || part.starts_with('.') || part.contains(['/', '\0', '{', '}', '\n']);
        if tricky(address.local()) || tricky(address.domain()) {
            return Err(Fault::permanent(format!(
                "account {uid}: {} cannot be made into the name of a directory",
                address.masked()
            )));
        }
        Ok(self
            .0
            .replace("{domain}", address.domain())
            .replace("{local}", address.local())
            .replace("{address}", address.as_str())
            .replace("{uid}", uid))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_home_is_filled_in_and_never_leads_out_of_its_place() {
        let template = HomeTemplate::parse("/srv/{domain}/{local}").unwrap();
        let home = |address: &str| template.home(&address.parse().unwrap(), "0190");
        assert_eq!(home("humas@example.org").unwrap(), "/srv/example.org/humas");
        for tricky in
            ["../x@example.org", "a/b@example.org", ".@example.org", ".x@example.org", "x@../y", "{uid}@e.org"]
        {
            // Some of them are no address in the first place; the template does not rely on that.
            assert!(tricky.parse().map_or(true, |address| template.home(&address, "0190").is_err()), "{tricky}");
        }
        let template = HomeTemplate::parse("/srv/{uid}/{address}").unwrap();
        assert_eq!(template.home(&"a@b.org".parse().unwrap(), "0190").unwrap(), "/srv/0190/a@b.org");
    }

    #[test]
    fn a_home_that_cannot_work_is_refused_with_the_reason() {
        for (text, reason) in [
            ("mail/{local}", "absolute"),
            ("/srv/{domain}", "one directory for all"),
            ("/srv/{user}", "known are"),
            ("/srv/{local", "brace"),
            ("/srv/local}", "brace"),
            ("/srv/{{local}}", "known are"),
        ] {
            let told = HomeTemplate::parse(text).unwrap_err();
            assert!(told.contains(reason), "{text}: {told}");
        }
    }
}
