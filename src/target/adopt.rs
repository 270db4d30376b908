//! What targets share of adoption: the name by which an account is found, and why one is not adopted.

use super::Work;
use crate::model::hex::hex;
use crate::model::said::masked;
use crate::model::{Account, AccountUid, Address, Fault};
use sha2::{Digest, Sha256};

/// The account as it is before the request.
pub fn known(work: &Work) -> &Account {
    work.adopted.as_deref().unwrap_or(&work.account)
}

/// Its address, or, where it has none, its user name; in lower case.
pub fn name(work: &Work) -> String {
    let account = known(work);
    let address = account.address.as_ref().map(Address::as_str);
    address.unwrap_or(account.username.as_str()).to_lowercase()
}

/// There is none.
pub fn none(uid: AccountUid, name: &str) -> Fault {
    Fault::permanent(format!("account {uid}: nothing here has the name {}, so there is nothing to adopt", masked(name)))
}

/// Which of them it would be is not to be told.
pub fn several(uid: AccountUid, name: &str) -> Fault {
    Fault::conflict(format!(
        "account {uid}: more than one entry here has the name {}; akund adopts none of them",
        masked(name)
    ))
}

/// It is akund's already, as another account.
pub fn anothers(uid: AccountUid, name: &str, other: &str) -> Fault {
    Fault::conflict(format!("account {uid}: {} belongs to account {other}", masked(name)))
}

/// What has the name now is not what was adopted.
pub fn replaced(uid: AccountUid, name: &str) -> Fault {
    Fault::conflict(format!(
        "account {uid}: what has the name {} here is not the entry that was adopted; somebody has replaced it",
        masked(name)
    ))
}

/// The id of a row that has no number of its own: a digest of what stays the same while it is the same account.
pub fn row_id(parts: &[&str]) -> String {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update((part.len() as u64).to_be_bytes());
        hasher.update(part);
    }
    format!("row {}", hex(&hasher.finalize()[..16]))
}
