//! `akund redeliver`: a new password for an account whose credentials were handed out, as a reset request of its own that is linked
//! with the request it repeats. The order (login uid and reason) stands for the approvals; the account's own rules hold.

use super::admit::{self, Admission, Submission};
use super::state::State;
use super::tx::{Tx, from_word};
use super::{JournalError, register};
use crate::model::request::WantedAccount;
use crate::model::{Account, Action, Facts, Judgement, Record, RequestKey, Verdict};
use jiff::Timestamp;
use sha2::{Digest, Sha256};

/// What stands between the original's id and the order's number in the new request's id.
const LINK: &str = "+redeliver-";
/// Longest id of a request, characters.
const LONGEST_ID: usize = 200;

/// Judges a redelivery: the reset record and what the register knows of the account. A sentence where there is no such procedure.
pub type Redeliver = dyn Fn(&Record, &Facts, Timestamp) -> Result<Judgement, String> + Send + Sync;

/// The request to be repeated, as the journal has it.
struct Original {
    uid: uuid::Uuid,
    key: RequestKey,
    action: Action,
    state: String,
    source: String,
    record: Option<String>,
    account: Option<(String, String)>,
}

fn original(tx: &mut Tx<'_>, request: i64) -> Result<Original, JournalError> {
    let found = tx.row(
        "SELECT r.uid, r.procedure, r.ext_id, r.revision, r.action, r.state, u.source, p.record, a.account, a.state
         FROM request r JOIN submission u ON u.id = r.submission LEFT JOIN personal p ON p.request = r.id
         LEFT JOIN account a ON a.uid = r.account WHERE r.id = ?1",
        [request],
        |row| {
            let key = RequestKey { procedure: row.get(1)?, id: row.get(2)?, revision: row.get(3)? };
            let account: (Option<String>, Option<String>) = (row.get(8)?, row.get(9)?);
            let (uid, action, state, source, record) =
                (row.get(0)?, row.get(4)?, row.get(5)?, row.get(6)?, row.get(7)?);
            Ok((uid, key, action, state, source, record, account.0.zip(account.1)))
        },
    )?;
    let Some((uid, key, action, state, source, record, account)) = found else {
        return Err(JournalError::NotFound(format!("request number {request} is not in the journal")));
    };
    let action: String = action;
    Ok(Original { uid, key, action: from_word(&action)?, state, source, record, account })
}

/// Makes the linked request; its key.
pub(super) fn redeliver(
    tx: &mut Tx<'_>,
    request: i64,
    order: i64,
    judge: Option<&Redeliver>,
) -> Result<RequestKey, JournalError> {
    let refused = |why: String| JournalError::Refused(why);
    let original = original(tx, request)?;
    let (record, account, state) = fit(&original).map_err(refused)?;
    under_way(tx, request)?;
    let judge = judge.ok_or_else(|| refused("no procedures are at hand to judge it".into()))?;
    let record = reset(record, &original.key, &account, order);
    let facts = Facts {
        source: original.source.clone(),
        account: Some(account.clone()),
        account_state: Some(state),
        ..Facts::default()
    };
    let judgement = judge(&record, &facts, tx.now).map_err(refused)?;
    if !matches!(judgement.verdict, Verdict::Permit { .. }) {
        let why: Vec<&str> = judgement.checklist.iter().filter(|c| !c.met).map(|c| c.found.as_str()).collect();
        return Err(refused(format!("its procedure does not let it: {}", why.join(" "))));
    }
    let key = record.key.clone();
    insert(tx, (request, &original), order, record, &judgement, &account)?;
    Ok(key)
}

/// Whether a request can be repeated at all; its record and its account. Pure.
fn fit(original: &Original) -> Result<(Record, Account, String), String> {
    if !original.action.mints() {
        return Err(format!("a {} hands out no password: name the request that did", original.action.as_str()));
    }
    match original.state.as_str() {
        state if state == State::Done.as_str() => {}
        "stuck" => {
            return Err("it is stuck: `akund retry` tries again, `akund withdraw` ends it; only what is done is handed out anew".into());
        }
        state => return Err(format!("it is {state}: only a request that is done is handed out anew")),
    }
    let Some(record) = &original.record else {
        return Err("its personal data were erased: nobody is known any more to whom it could go".into());
    };
    let Some((account, state)) = &original.account else { return Err("its account is not in the register".into()) };
    match state.as_str() {
        "active" => {}
        "suspended" => {
            return Err("its account is suspended: hand in a request with action = \"resume\" first".into());
        }
        other => return Err(format!("its account is {other}")),
    }
    let unreadable = |error: serde_json::Error| format!("what the journal has of it cannot be read: {error}");
    let record = serde_json::from_str(record).map_err(unreadable)?;
    Ok((record, serde_json::from_str(account).map_err(unreadable)?, state.clone()))
}

/// One at a time: two new passwords on their way would leave the holder with one that does not work.
fn under_way(tx: &mut Tx<'_>, request: i64) -> Result<(), JournalError> {
    let other: Option<(String, String)> = tx.row(
        "SELECT o.procedure || ':' || o.ext_id || '@' || o.revision, o.state FROM request r JOIN request o ON o.account = r.account
           AND o.state IN ('working', 'waiting', 'stuck', 'withdrawing')
         WHERE r.id = ?1 AND o.action = 'reset' AND o.state <> 'withdrawing' LIMIT 1",
        [request],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )?;
    match other {
        None => Ok(()),
        Some((key, state)) => Err(JournalError::Refused(format!(
            "`{key}` hands out a new password for this account already, and is {state}"
        ))),
    }
}

/// The same people and documents, asking for a new password for the account as it is now. Pure.
fn reset(mut record: Record, original: &RequestKey, account: &Account, order: i64) -> Record {
    let root = original.id.split(LINK).next().unwrap_or_default();
    let link = format!("{LINK}{order}");
    let root: String = root.chars().take(LONGEST_ID.saturating_sub(link.len())).collect();
    record.key = RequestKey { procedure: original.procedure.clone(), id: format!("{root}{link}"), revision: 1 };
    record.action = Action::Reset;
    record.change = None;
    record.account = WantedAccount {
        address: account.address.clone(),
        username: account.address.is_none().then(|| account.username.clone()),
        ..WantedAccount::default()
    };
    record
}

fn insert(
    tx: &mut Tx<'_>,
    (request, original): (i64, &Original),
    order: i64,
    record: Record,
    judgement: &Judgement,
    account: &Account,
) -> Result<(), JournalError> {
    let digest: [u8; 32] = Sha256::digest(serde_json::to_vec(&record)?).into();
    let submission = Submission {
        source: original.source.clone(),
        name: format!("order {order}"),
        sha256: digest,
        evidence: String::new(),
        bulk: false,
    };
    let submission_id = admit::record_submission(tx, &submission)?;
    let admission = Admission {
        record,
        digest,
        row: 1,
        names: Vec::new(),
        live: Vec::new(),
        unit: None,
        signed_as: Vec::new(),
        not_permitted: Vec::new(),
    };
    let (id, uid, _) = admit::insert(tx, &submission, submission_id, &admission, judgement, Some(account))?;
    tx.run("UPDATE request SET redelivers = ?2 WHERE id = ?1", (id, request))?;
    tx.event(original.uid.as_bytes(), "redelivered", &serde_json::json!({"by": uid.0, "order": order}))?;
    tx.event(uid.0.as_bytes(), "redelivers", &serde_json::json!({"request": original.uid, "order": order}))?;
    register::report(tx, request)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::AccountUid;

    fn account() -> Account {
        Account {
            address: Some("humas@example.ac.id".parse().unwrap()),
            name: "Humas".into(),
            category: "unit".into(),
            services: vec!["mail".into()],
            ..Account::bare(AccountUid(uuid::Uuid::nil()), "humas".parse().unwrap())
        }
    }

    fn record() -> Record {
        Record {
            key: RequestKey { procedure: "p".into(), id: "B-1".into(), revision: 3 },
            action: Action::Create,
            applicant: crate::model::Person::default(),
            responsible: None,
            account: WantedAccount::default(),
            change: None,
            documents: Vec::new(),
            approvals: Vec::new(),
        }
    }

    fn original(action: Action, state: &str, account_state: &str) -> Original {
        Original {
            uid: uuid::Uuid::nil(),
            key: record().key,
            action,
            state: state.into(),
            source: "local".into(),
            record: Some(serde_json::to_string(&record()).unwrap()),
            account: Some((serde_json::to_string(&account()).unwrap(), account_state.into())),
        }
    }

    #[test]
    fn what_cannot_be_handed_out_anew_is_refused_with_the_reason() {
        assert!(fit(&original(Action::Create, "done", "active")).is_ok());
        for (original, why) in [
            (original(Action::Suspend, "done", "active"), "hands out no password"),
            (original(Action::Create, "working", "active"), "it is working"),
            (original(Action::Create, "refused", "active"), "it is refused"),
            (original(Action::Reset, "stuck", "active"), "akund retry"),
            (original(Action::Create, "done", "suspended"), "action = \"resume\" first"),
            (original(Action::Create, "done", "removed"), "its account is removed"),
            (Original { record: None, ..original(Action::Create, "done", "active") }, "erased"),
            (Original { account: None, ..original(Action::Create, "done", "active") }, "register"),
        ] {
            let told = fit(&original).map(|_| ()).unwrap_err();
            assert!(told.contains(why), "{told}");
        }
    }

    #[test]
    fn its_id_names_the_original_and_the_order_and_is_never_too_long() {
        let made = |id: &str, order| {
            let key = RequestKey { id: id.into(), ..record().key };
            reset(record(), &key, &account(), order).key.id
        };
        assert_eq!(made("B-1", 7), "B-1+redeliver-7");
        assert_eq!(made("B-1+redeliver-7", 12), "B-1+redeliver-12");
        assert_eq!(made(&"é".repeat(200), 12).chars().count(), 200);
        let reset = reset(record(), &record().key, &account(), 1);
        assert_eq!((reset.action, reset.key.revision), (Action::Reset, 1));
        assert_eq!(reset.account.address, account().address);
    }
}
