//! Rows of the RADIUS tables: what is held of an account, of a user name and of a group.

use super::attributes::{Attribute, Place};
use crate::model::Secret;
use std::collections::{BTreeSet, HashMap};

/// One account, by `akund_account`.
#[derive(Debug, Default)]
pub struct Own {
    pub(super) before: Option<Known>,
    pub(super) now: Option<Known>,
}

/// A row of `akund_account`, and the attributes that akund wrote beside the password.
#[derive(Debug, Clone)]
pub struct Known {
    pub(super) username: String,
    pub(super) groupname: Option<String>,
    pub(super) suspended: bool,
    /// The password row of a suspended account, kept for its return.
    pub(super) held: Option<(String, Secret)>,
    pub(super) written: BTreeSet<(Place, String)>,
}

impl Known {
    pub(super) fn same(&self, other: &Self) -> bool {
        let held = |known: &Self| known.held.as_ref().map(|(a, v)| (a.clone(), v.expose().to_owned()));
        self.username == other.username
            && self.groupname == other.groupname
            && self.suspended == other.suspended
            && held(self) == held(other)
    }
}

/// What is said of a user name.
#[derive(Debug, Default)]
pub struct Named {
    /// Accounts that have it.
    pub(super) holders: Vec<String>,
    /// Rows of `radcheck`, of `radreply`, in the order in which FreeRADIUS reads them.
    pub(super) pairs: HashMap<Place, Vec<Pair>>,
    pub(super) memberships: Vec<Membership>,
}

/// A row of `radcheck`, `radreply`, `radgroupcheck` or `radgroupreply`.
#[derive(Debug)]
pub struct Pair {
    /// None: to be written.
    pub(super) id: Option<i64>,
    /// User or group.
    pub(super) name: String,
    pub(super) attribute: String,
    pub(super) op: String,
    pub(super) value: Secret,
}

impl Pair {
    pub(super) fn of(name: &str, attribute: &Attribute) -> Self {
        Self {
            id: None,
            name: name.to_owned(),
            attribute: attribute.name.clone(),
            op: attribute.op.to_owned(),
            value: Secret::new(attribute.value.as_str()),
        }
    }

    pub(super) fn is(&self, attribute: &str) -> bool {
        self.attribute.eq_ignore_ascii_case(attribute)
    }

    /// Every row that decides by which password a user gets in. With two of them FreeRADIUS takes the first.
    pub(super) fn is_password(&self) -> bool {
        let name = self.attribute.to_ascii_lowercase();
        name.ends_with("-password") || name == "password-with-header"
    }

    /// The row that tells a suspended user so.
    pub(super) fn is_notice(&self) -> bool {
        self.is("Reply-Message") && self.value.expose() == SUSPENDED
    }

    /// The row that refuses a suspended user.
    pub(super) fn is_reject(&self) -> bool {
        self.is("Auth-Type") && self.value.expose().eq_ignore_ascii_case("Reject")
    }
}

/// What a suspended user is told, in `radreply`: FreeRADIUS says it with its Access-Reject, and only then, whatever the password.
/// So the server itself shows that the account is closed.
pub const SUSPENDED: &str = "Akun ditangguhkan (account suspended)";

/// A row of `radusergroup`.
#[derive(Debug)]
pub struct Membership {
    /// The user name with which it was read; none: to be written.
    pub(super) read_as: Option<String>,
    pub(super) username: String,
    pub(super) groupname: String,
}

/// What is said of a group.
#[derive(Debug, Default)]
pub struct Group {
    /// Whether akund wrote it.
    pub(super) ours: bool,
    pub(super) newly_ours: bool,
    pub(super) pairs: HashMap<Place, Vec<Pair>>,
    /// Numbers of rows to delete.
    pub(super) gone: HashMap<Place, Vec<i64>>,
}
