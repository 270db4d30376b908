//! What a source asks of a file whatever is in it, and the sentences for its submitter; each follows the file's name. For
//! [`super::Spool::take`], and for `akund submit`, which asks before it hands the file in.

use crate::config::SourceConfig;
use crate::intake::signature::NAMESPACE;
use nix::unistd::User;
use std::collections::BTreeSet;

/// The users whose files a source takes. `own` is akund's own uid.
///
/// # Errors
/// A sentence: an owner that is no user of this system.
pub fn owners(config: &SourceConfig, own: u32) -> Result<BTreeSet<u32>, String> {
    let named: BTreeSet<u32> = config.owners.iter().map(|owner| resolve_owner(owner)).collect::<Result<_, _>>()?;
    Ok(if named.is_empty() { BTreeSet::from([0, own]) } else { named })
}

/// A user's name or number, as a number.
pub(super) fn resolve_owner(owner: &str) -> Result<u32, String> {
    if let Ok(number) = owner.parse() {
        return Ok(number);
    }
    match User::from_name(owner) {
        Ok(Some(user)) => Ok(user.uid.as_raw()),
        Ok(None) => Err(format!("owner `{}` is no user of this system", owner.escape_debug())),
        Err(e) => Err(format!("owner `{}` cannot be looked up in the user database: {e}", owner.escape_debug())),
    }
}

/// A file of somebody whose files the source does not take.
pub fn not_accepted(owner: u32, source: &str) -> String {
    format!("belongs to user {owner}, whom source `{source}` does not accept")
}

/// A file of more bytes than are taken.
pub fn too_large(most: u64) -> String {
    format!("is larger than the {most} bytes that akund takes")
}

/// A file without a good signature, where the source requires one.
pub fn unsigned(why: &str) -> String {
    format!("is not taken without a good signature: {why}")
}

/// Why a signature that is not there is missed: `where_not` follows its name.
pub fn no_signature(name: &str, where_not: &str) -> String {
    format!("`{name}` {where_not} (make it with `ssh-keygen -Y sign -n {NAMESPACE} -f KEY FILE`)")
}
