//! Requests of the same id: what is a duplicate, and which revision takes the place of which.

use super::Admitted;
use crate::journal::JournalError;
use crate::journal::state::{self, Move, State};
use crate::journal::tx::Tx;
use crate::model::RequestKey;
use uuid::Uuid;

/// A request of the same id.
pub struct Earlier {
    pub id: i64,
    pub uid: Uuid,
    pub revision: u32,
    pub digest: [u8; 32],
    pub state: State,
}

/// The requests of this id, by revision.
pub fn earlier(tx: &mut Tx<'_>, key: &RequestKey) -> Result<Vec<Earlier>, JournalError> {
    tx.rows(
        "SELECT id, uid, revision, digest, state FROM request WHERE procedure = ?1 AND ext_id = ?2 ORDER BY revision",
        (&key.procedure, &key.id),
        |row| {
            let word: String = row.get(4)?;
            Ok(Earlier {
                id: row.get(0)?,
                uid: row.get(1)?,
                revision: row.get(2)?,
                digest: row.get(3)?,
                state: State::from_word(&word).unwrap_or(State::Stuck),
            })
        },
    )
}

/// What the earlier requests of the same id mean for this record: the place of the one that it replaces, if any. Pure.
///
/// # Errors
/// It becomes no request.
pub fn standing(key: &RequestKey, digest: &[u8; 32], earlier: &[Earlier]) -> Result<Option<usize>, Admitted> {
    if let Some(same) = earlier.iter().find(|e| e.revision == key.revision) {
        return Err(if same.digest == *digest {
            Admitted::Duplicate { state: same.state }
        } else {
            Admitted::Rejected(format!(
                "request {key} was accepted before with other content; a corrected request keeps its id and counts its revision up"
            ))
        });
    }
    let Some((place, last)) = earlier.iter().enumerate().next_back() else { return Ok(None) };
    if key.revision < last.revision {
        return Err(Admitted::Rejected(format!(
            "revision {} of {}:{} is older than revision {}, which is {}",
            key.revision,
            key.procedure,
            key.id,
            last.revision,
            last.state.as_str()
        )));
    }
    if state::transition(last.state, Move::Supersede).is_err() {
        return Err(Admitted::Rejected(format!(
            "revision {} of {}:{} is {}; a higher revision replaces only a refused, conflicted or held request",
            last.revision,
            key.procedure,
            key.id,
            last.state.as_str()
        )));
    }
    Ok(Some(place))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(revision: u32) -> RequestKey {
        RequestKey { procedure: "p".into(), id: "1".into(), revision }
    }

    fn before(revision: u32, state: State) -> Earlier {
        Earlier { id: 1, uid: Uuid::nil(), revision, digest: [1; 32], state }
    }

    #[test]
    fn a_higher_revision_replaces_only_what_is_refused_conflicted_or_held() {
        for state in State::ALL {
            let replaceable = matches!(state, State::Refused | State::Conflicted | State::Held);
            let standing = standing(&key(2), &[2; 32], &[before(1, state)]);
            assert_eq!(standing.is_ok(), replaceable, "{state:?}");
        }
    }

    #[test]
    fn the_same_content_is_a_duplicate_and_other_content_is_rejected() {
        let earlier = [before(1, State::Done)];
        assert_eq!(standing(&key(1), &[1; 32], &earlier).err(), Some(Admitted::Duplicate { state: State::Done }));
        assert!(matches!(standing(&key(1), &[2; 32], &earlier), Err(Admitted::Rejected(_))));
    }

    #[test]
    fn a_lower_revision_is_rejected() {
        assert!(matches!(standing(&key(1), &[9; 32], &[before(2, State::Refused)]), Err(Admitted::Rejected(_))));
    }
}
