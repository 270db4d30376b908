//! A server's schema, as far as `check` asks about it (RFC 4512 §4.1 and §4.2). Pure.

use std::collections::{BTreeSet, HashMap};

/// Names of attributes and object classes, in lower case.
#[derive(Debug, Default)]
pub struct Schema {
    /// Name or OID → all names of that attribute.
    attributes: HashMap<String, Vec<String>>,
    /// Operational attributes that a client may write: no object class has to allow them (RFC 4512 §3.4).
    operational: BTreeSet<String>,
    classes: HashMap<String, Class>,
}

#[derive(Debug, Default, Clone)]
struct Class {
    superior: Vec<String>,
    must: Vec<String>,
    may: Vec<String>,
}

impl Schema {
    /// Of the values of `attributeTypes` and `objectClasses`.
    pub fn of<'a>(attributes: impl Iterator<Item = &'a str>, classes: impl Iterator<Item = &'a str>) -> Self {
        let mut schema = Self::default();
        for definition in attributes {
            let tokens = tokens(definition);
            let names = field(&tokens, "NAME");
            let usage = field(&tokens, "USAGE").pop();
            let is_operational = usage.is_some_and(|usage| usage != "userapplications");
            if is_operational && !tokens.iter().any(|token| token == "NO-USER-MODIFICATION") {
                schema.operational.extend(names.iter().cloned());
            }
            for name in &names {
                schema.attributes.insert(name.clone(), names.clone());
            }
        }
        for definition in classes {
            let tokens = tokens(definition);
            let class =
                Class { superior: field(&tokens, "SUP"), must: field(&tokens, "MUST"), may: field(&tokens, "MAY") };
            for name in field(&tokens, "NAME") {
                schema.classes.insert(name, class.clone());
            }
        }
        schema
    }

    /// Whether there was anything to read.
    pub fn is_empty(&self) -> bool {
        self.attributes.is_empty() || self.classes.is_empty()
    }

    /// Whether the server knows an attribute.
    pub fn knows_attribute(&self, name: &str) -> bool {
        self.attributes.contains_key(&bare(name))
    }

    /// The name by which the server shows an attribute that has several.
    pub fn shown_as(&self, name: &str) -> Option<&str> {
        self.attributes.get(&bare(name))?.first().map(String::as_str)
    }

    /// Whether the server knows an object class.
    pub fn knows_class(&self, name: &str) -> bool {
        self.classes.contains_key(&name.to_lowercase())
    }

    /// Whether an entry of these classes may have the attribute.
    pub fn allows(&self, classes: &[String], attribute: &str) -> bool {
        if self.operational.contains(&bare(attribute)) {
            return true;
        }
        let wanted = self.names(&bare(attribute));
        let all = self.with_superiors(classes);
        if all.contains("extensibleobject") {
            return true;
        }
        let of = |class: &String| self.classes.get(class).into_iter().flat_map(|c| c.must.iter().chain(&c.may));
        all.iter().flat_map(of).any(|allowed| wanted.contains(allowed))
    }

    /// What an entry of these classes must have and these attributes do not give it.
    pub fn missing<'a>(&self, classes: &[String], given: impl Iterator<Item = &'a str>) -> Vec<String> {
        let given: BTreeSet<String> = given.flat_map(|name| self.names(&bare(name))).collect();
        let all = self.with_superiors(classes);
        let must: BTreeSet<&String> = all.iter().filter_map(|c| self.classes.get(c)).flat_map(|c| &c.must).collect();
        must.into_iter().filter(|name| *name != "objectclass" && !given.contains(*name)).cloned().collect()
    }

    fn names(&self, name: &str) -> Vec<String> {
        self.attributes.get(name).cloned().unwrap_or_else(|| vec![name.to_owned()])
    }

    fn with_superiors(&self, classes: &[String]) -> BTreeSet<String> {
        let mut all = BTreeSet::new();
        let mut open: Vec<String> = classes.iter().map(|c| c.to_lowercase()).collect();
        while let Some(class) = open.pop() {
            open.extend(
                self.classes.get(&class).into_iter().flat_map(|c| c.superior.clone()).filter(|s| !all.contains(s)),
            );
            all.insert(class);
        }
        all
    }
}

/// Without its options.
fn bare(name: &str) -> String {
    name.split(';').next().unwrap_or_default().to_lowercase()
}

/// Words, quoted texts and brackets.
fn tokens(definition: &str) -> Vec<String> {
    let mut tokens = Vec::new();
    let mut rest = definition;
    while let Some(c) = rest.chars().next() {
        let end = match c {
            '\'' => rest.get(1..).and_then(|r| r.find('\'')).map_or(rest.len(), |at| at + 2),
            '(' | ')' | '$' => 1,
            _ if c.is_whitespace() => {
                rest = rest.trim_start();
                continue;
            }
            _ => rest.find(|c: char| c.is_whitespace() || "()$'".contains(c)).unwrap_or(rest.len()),
        };
        let (token, after) = rest.split_at(end);
        tokens.push(token.to_owned());
        rest = after;
    }
    tokens
}

/// The words behind a keyword: one, or several in brackets. In lower case.
fn field(tokens: &[String], keyword: &str) -> Vec<String> {
    let Some(at) = tokens.iter().position(|t| t == keyword) else { return Vec::new() };
    let behind = tokens.get(at + 1..).unwrap_or_default();
    let words = match behind.first().map(String::as_str) {
        Some("(") => behind.iter().skip(1).take_while(|t| *t != ")").collect::<Vec<_>>(),
        Some(_) => behind.iter().take(1).collect(),
        None => Vec::new(),
    };
    words.into_iter().filter(|t| *t != "$").map(|t| t.trim_matches('\'').to_lowercase()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_classes_must_and_may_have_is_read_from_their_definitions() {
        let attributes = [
            "( 2.5.4.4 NAME ( 'sn' 'surname' ) DESC 'RFC2256: (last) name' SUP name )",
            "( 2.5.4.3 NAME ( 'cn' 'commonName' ) SUP name )",
            "( 0.9.2342.19200300.100.1.3 NAME ( 'mail' 'rfc822Mailbox' ) EQUALITY caseIgnoreIA5Match )",
            "( 1.3.6.1.4.1.250.1.57 NAME 'labeledURI' )",
            "( 2.5.4.0 NAME 'objectClass' )",
            "( 1.3.6.1.4.1.42.2.27.8.1.32 NAME 'pwdEndTime' SINGLE-VALUE USAGE directoryOperation )",
            "( 2.5.18.1 NAME 'createTimestamp' NO-USER-MODIFICATION USAGE directoryOperation )",
            "( 2.5.4.20 NAME 'telephoneNumber' USAGE userApplications )",
        ];
        let classes = [
            "( 2.5.6.0 NAME 'top' DESC 'top of the superclass chain' ABSTRACT MUST objectClass )",
            "( 2.5.6.6 NAME 'person' SUP top STRUCTURAL MUST ( sn $ cn ) MAY ( userPassword $ description ) )",
            "( 2.16.840.1.113730.3.2.2 NAME 'inetOrgPerson' SUP person STRUCTURAL MAY (mail$labeledURI) )",
        ];
        let schema = Schema::of(attributes.into_iter(), classes.into_iter());
        let person = ["inetOrgPerson".to_owned()];
        assert!(
            schema.allows(&person, "rfc822mailbox")
                && schema.allows(&person, "SN")
                && schema.allows(&person, "labeleduri;x-a")
        );
        assert!(!schema.allows(&["person".into()], "mail") && !schema.allows(&person, "uidNumber"));
        assert!(schema.allows(&person, "pwdEndTime"), "no object class has to allow it");
        assert!(!schema.allows(&person, "createTimestamp") && !schema.allows(&person, "telephoneNumber"));
        assert!(
            schema.knows_class("INETORGPERSON") && schema.knows_attribute("surname") && !schema.knows_attribute("last")
        );
        assert_eq!(schema.missing(&person, ["surname"].into_iter()), ["cn"]);
        assert!(schema.missing(&person, ["sn", "commonName"].into_iter()).is_empty());
        assert!(Schema::of(["(", "'", "( NAME", "( x NAME ( 'a"].into_iter(), [""].into_iter()).is_empty());
    }
}
