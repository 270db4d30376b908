//! What stands behind the user name in a line of the passwd-file:
//! `password:uid:gid:(gecos):home:(shell):extra fields` (doc.dovecot.org, "Passwd-file").

use super::entry::fits;
use crate::model::{Fault, Quota, Secret};

/// Stands before a suspended account's hash, as `passwd -l` does it: crypt(3) finds no such method, and nothing matches. The hash
/// behind it stays what it was.
const LOCK: &str = "{CRYPT}!";
/// Stands with it: Dovecot lets a master user in as an account whatever its hash, but not as one with this.
const CLOSED: &str = "nologin=y";
const QUOTA: &str = "userdb_quota_rule=*:bytes=";

/// Uid and gid that Dovecot is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Owner {
    /// Of the mail's files.
    pub uid: u32,
    /// Likewise.
    pub gid: u32,
}

/// One account's line.
#[derive(Debug, Clone)]
pub struct Login {
    /// With its `{SCHEME}` in front.
    pub hash: Secret,
    /// Suspended: the password opens nothing, mail still arrives.
    pub locked: bool,
    /// Where the mail is.
    pub home: String,
    /// In bytes; none: the server's default.
    pub quota: Option<u64>,
    /// Further fields, which somebody has added by hand.
    pub extra: Vec<String>,
    /// What stands in the fields that akund fills in only where they are empty.
    pub others: Others,
}

/// Fields as they stand.
#[derive(Debug, Clone, Default)]
pub struct Others {
    uid: String,
    gid: String,
    gecos: String,
    shell: String,
}

impl Login {
    /// Reads a line's fields. None: there is no home, so it is not as akund wrote it.
    pub fn read(value: &str) -> Option<Self> {
        let mut fields = value.splitn(7, ':');
        let password = fields.next()?;
        let mut next = || fields.next().unwrap_or_default().to_owned();
        let (uid, gid, gecos, home, shell) = (next(), next(), next(), next(), next());
        if home.is_empty() {
            return None;
        }
        let (mut quota, mut extra) = (None, Vec::new());
        for field in fields.next().unwrap_or_default().split_ascii_whitespace() {
            match field.strip_prefix(QUOTA).and_then(|bytes| bytes.parse().ok()) {
                Some(bytes) => quota = Some(bytes),
                None => extra.push(field.to_owned()),
            }
        }
        let (locked, hash) = match password.strip_prefix(LOCK) {
            Some(hash) => (true, hash),
            None => (false, password),
        };
        extra.retain(|field| !(locked && field == CLOSED));
        Some(Self { hash: Secret::new(hash), locked, home, quota, extra, others: Others { uid, gid, gecos, shell } })
    }

    /// The line's fields.
    pub fn write(&self, owner: Option<Owner>) -> Secret {
        let Others { uid, gid, gecos, shell } = self.others.clone();
        let stands = !(uid.is_empty() && gid.is_empty());
        let (uid, gid) = match owner.filter(|_| !stands) {
            Some(owner) => (owner.uid.to_string(), owner.gid.to_string()),
            None => (uid, gid),
        };
        let lock = if self.locked { LOCK } else { "" };
        let quota = self.quota.map(|bytes| format!("{QUOTA}{bytes}"));
        let closed = self.locked.then_some(CLOSED);
        let extra: Vec<&str> = quota.iter().chain(&self.extra).map(String::as_str).chain(closed).collect();
        Secret::new(format!(
            "{lock}{}:{uid}:{gid}:{gecos}:{}:{shell}:{}",
            self.hash.expose(),
            self.home,
            extra.join(" ")
        ))
    }

    /// The hash without its `{SCHEME}`, as [`crate::secret::hash::verify`] wants it.
    pub fn bare_hash(&self) -> &str {
        let stored = self.hash.expose();
        match stored.find("}$") {
            Some(brace) if stored.starts_with('{') => &stored[brace + 1..],
            _ => stored,
        }
    }
}

/// A hash as Dovecot reads it whatever its `default_pass_scheme`: with the `{SCHEME}` in front.
///
/// # Errors
/// Permanent, for what is no hash that Dovecot knows.
pub fn with_scheme(hash: &Secret) -> Result<Secret, Fault> {
    let text = hash.expose();
    let prefix = match text {
        _ if text.starts_with('{') => "",
        _ if text.starts_with("$6$") => "{SHA512-CRYPT}",
        _ if text.starts_with("$5$") => "{SHA256-CRYPT}",
        _ if text.starts_with("$2") => "{BLF-CRYPT}",
        _ if text.starts_with("$argon2id$") => "{ARGON2ID}",
        _ => return Err(Fault::permanent("the hash of its password is of no kind that a passwd-file can hold")),
    };
    // Argon2's have commas.
    if !fits(&text.replace(',', "")) {
        return Err(Fault::permanent(
            "the hash of its password has characters that would break a line of the passwd-file",
        ));
    }
    Ok(Secret::new(format!("{prefix}{text}")))
}

/// A quota as it is stored.
pub fn quota(quota: Option<Quota>) -> Option<u64> {
    quota.map(|q| q.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_read_as_it_was_written_and_fields_added_by_hand_stay() {
        let login = Login {
            hash: Secret::new("{SHA512-CRYPT}$6$salt$hash"),
            locked: false,
            home: "/srv/a".into(),
            quota: Some(5_000_000_000),
            extra: vec!["allow_nets=192.0.2.0/24".into(), "userdb_mail=maildir:~/M".into()],
            others: Others::default(),
        };
        let written = login.write(Some(Owner { uid: 5000, gid: 5001 }));
        assert_eq!(
            written.expose(),
            "{SHA512-CRYPT}$6$salt$hash:5000:5001::/srv/a::userdb_quota_rule=*:bytes=5000000000 allow_nets=192.0.2.0/24 userdb_mail=maildir:~/M"
        );
        let read = Login::read(written.expose()).unwrap();
        assert_eq!(read.write(Some(Owner { uid: 5000, gid: 5001 })).expose(), written.expose());
        assert_eq!((read.quota, read.extra.len(), read.bare_hash()), (Some(5_000_000_000), 2, "$6$salt$hash"));
    }

    #[test]
    fn a_line_that_a_person_wrote_keeps_its_owner_and_its_other_fields() {
        let value = "{PLAIN}x:6000:6001:Biro Humas:/srv/a:/bin/false:allow_nets=192.0.2.0/24";
        let mut login = Login::read(value).unwrap();
        assert_eq!(login.write(Some(Owner { uid: 5000, gid: 5001 })).expose(), value);
        login.locked = true;
        let locked = "{CRYPT}!{PLAIN}x:6000:6001:Biro Humas:/srv/a:/bin/false:allow_nets=192.0.2.0/24 nologin=y";
        assert_eq!(login.write(None).expose(), locked);
    }

    #[test]
    fn a_locked_hash_is_kept_and_comes_back() {
        let mut login = Login::read("{SSHA512}abc=::::/h::").unwrap();
        login.locked = true;
        let locked = login.write(None);
        assert_eq!(locked.expose(), "{CRYPT}!{SSHA512}abc=::::/h::nologin=y");
        let read = Login::read(locked.expose()).unwrap();
        assert!(read.locked && read.extra.is_empty());
        assert_eq!(read.bare_hash(), "{SSHA512}abc=");
    }

    #[test]
    fn what_would_break_a_line_is_no_hash() {
        for bad in ["", "x", "$6$a:b", "$6$a\nb", "$6$a b", "{SSHA512}a:b", "{PLAIN}%u"] {
            assert!(with_scheme(&Secret::new(bad)).is_err(), "{bad:?}");
        }
        for (good, stored) in [
            ("$6$a$b", "{SHA512-CRYPT}$6$a$b"),
            ("{SSHA512}a/b+c==", "{SSHA512}a/b+c=="),
            ("$2y$10$abc./", "{BLF-CRYPT}$2y$10$abc./"),
            ("$argon2id$v=19$m=19456,t=2,p=1$a$b", "{ARGON2ID}$argon2id$v=19$m=19456,t=2,p=1$a$b"),
        ] {
            assert_eq!(with_scheme(&Secret::new(good)).unwrap().expose(), stored);
        }
    }
}
