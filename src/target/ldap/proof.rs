//! Proof by log-in: a bind as the user, through a connection of its own.

use super::connection::{Session, said};
use super::entry::Entry;
use super::operation::{Change, Operation, Value};
use super::world::World;
use super::{Directory, batch, fault, lock, plan, server};
use crate::config::target::ldap::{LdapPassword, LdapServer, LdapSuspend};
use crate::model::{Action, Fault, Proof, Secret};
use crate::target::{PROVING, Work};
use futures_util::future::join_all;
use ldap3::LdapResult;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::time::Instant;

/// One log-in that is to be tried.
struct Login {
    work: usize,
    dn: String,
    password: Secret,
    expected: Expected,
}

/// The log-ins of a batch, which a few connections take one after the other.
struct Tries {
    lines: usize,
    /// After this no further one is begun.
    until: Instant,
    next: AtomicUsize,
    /// How many in a row got no answer.
    unanswered: AtomicUsize,
}

impl Tries {
    /// The next one and its place. Each is given out once, and in order; the first is never too late.
    fn next<'l>(&self, logins: &'l [Login]) -> Option<(usize, &'l Login)> {
        if self.next.load(Ordering::Relaxed) > 0 && Instant::now() >= self.until {
            return None;
        }
        let at = self.next.fetch_add(1, Ordering::Relaxed);
        logins.get(at).map(|login| (at, login))
    }
}

/// How a log-in must end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expected {
    /// It opens.
    Opens,
    /// It is refused, with the account's own password.
    Closed,
    /// It is refused, and since nobody but the user knows the password the server must say why.
    ClosedForAll,
    /// It is refused, because there is no such entry. Nobody has a password for it, so the server must say that.
    Gone,
}

impl Directory {
    pub(super) async fn prove_all(&self, batch: &[Work]) -> Vec<Result<Proof, Fault>> {
        if batch.is_empty() {
            return Vec::new();
        }
        let works: Vec<&Work> = batch.iter().collect();
        let seen = async {
            let session = self.dialer.open().await?;
            let world = self.look(&session, &works).await?;
            Ok::<_, Fault>((session, world))
        };
        let (session, world) = match seen.await {
            Ok(seen) => seen,
            Err(fault) => return vec![Err(fault); batch.len()],
        };
        let mut results: Vec<Result<Proof, Fault>> = Vec::with_capacity(batch.len());
        let mut logins = Vec::new();
        for (at, work) in batch.iter().enumerate() {
            let judged = self.judge(work, &world);
            results.push(judged.as_ref().map(|_| Proof::Observed).map_err(Clone::clone));
            if let Ok(Some((dn, password, expected))) = judged {
                if self.proofs == 0 {
                    results[at] = self.read_back(work, &world);
                    continue;
                }
                logins.push(Login { work: at, dn, password, expected });
            }
        }
        let tried = self.log_in(&logins, PROVING).await;
        if let Some(login) = logins.get(tried.len()) {
            results.truncate(login.work);
        }
        for (login, result) in logins.iter().zip(tried) {
            results[login.work] = result;
        }
        self.ask_policies(session.clone(), &logins, &mut results).await;
        if self.layout.must_change {
            self.set_must_change(&session, &works, &world, &mut results).await;
        }
        results
    }

    /// A server that keeps a history of passwords refuses one that it has already, and akund cannot see which it has where the server
    /// hashes by itself. So where an earlier attempt may have set it (its answer was lost, or the entry is there before its
    /// create was told to be done), a bind tells. Only then: a refused one counts as a failure of the user's.
    pub(super) async fn look_at_passwords(&self, works: &[&Work], world: &mut World) {
        if self.layout.stored != LdapPassword::Clear {
            return;
        }
        let mut session = None;
        for work in works.iter().filter(|work| work.action == Action::Create || work.uncertain) {
            let (Some(credential), Ok(Some(entry))) = (&work.credential, world.own(work, &self.layout)) else {
                continue;
            };
            let (dn, password) = (entry.dn.to_string(), credential.password.clone());
            let login = Login { work: 0, dn, password, expected: Expected::Opens };
            // Without an answer it is set again, as if nobody had asked.
            let Ok(answer) = self.try_one(&mut session, &login).await else { return };
            // Active Directory tells that of a disabled account, or one that must change it, only to whoever has the right one.
            if answer.rc == 0 || matches!(windows_code(&answer.text), Some("533" | "773")) {
                world.note_password(work.account.uid);
            }
        }
    }

    /// What the state of the entry says, and the log-in that must still be tried: name, password, and how it must end.
    fn judge(&self, work: &Work, world: &World) -> Result<Option<(String, Secret, Expected)>, Fault> {
        let uid = work.account.uid;
        let own = world.own(work, &self.layout)?;
        match (work.action, own) {
            (Action::Remove, Some(_)) => Err(Fault::transient(format!("account {uid}: its entry is still there"))),
            // Its name was not akund's to choose, and is not known any more.
            (Action::Remove, None) if work.adopted.is_some() => Ok(None),
            (Action::Remove, None) => {
                let dn = self.layout.base.child(&self.layout.rdn(&work.account)?);
                let expected = if work.credential.is_some() { Expected::Closed } else { Expected::Gone };
                Ok(Some((dn.to_string(), some_password(work)?, expected)))
            }
            (_, None) => {
                Err(Fault::permanent(format!("account {uid}: its entry is gone; it was there when it was written")))
            }
            (Action::Suspend, Some(entry)) if !lock::is_locked(entry, &self.layout) => {
                Err(Fault::transient(format!("account {uid}: it can still log in; its entry is not locked")))
            }
            (Action::Suspend, Some(entry)) => {
                let expected = if work.credential.is_some() { Expected::Closed } else { Expected::ClosedForAll };
                Ok(Some((entry.dn.to_string(), some_password(work)?, expected)))
            }
            (Action::Create | Action::Reset, Some(entry)) => {
                let credential = work
                    .credential
                    .as_ref()
                    .ok_or_else(|| Fault::permanent(format!("account {uid}: there is no password to prove it with")))?;
                Ok(Some((entry.dn.to_string(), credential.password.clone(), Expected::Opens)))
            }
            (Action::Change | Action::Resume, Some(entry)) => self.as_wanted(work, world, entry).map(|()| None),
        }
    }

    /// Where nobody shall log in: the stored hash is the one that was made of the password.
    fn read_back(&self, work: &Work, world: &World) -> Result<Proof, Fault> {
        let (true, Some(entry)) = (work.action.mints(), world.own(work, &self.layout)?) else {
            return Ok(Proof::Observed);
        };
        let stored = super::server::password_attribute(self.layout.server);
        let wanted = self.layout.password(work)?;
        match entry.values(&stored) {
            [one] if one.as_slice() == wanted.bytes() => Ok(Proof::Stored),
            [] => Err(Fault::permanent(format!(
                "account {}: its {} is not to be read; let akund's bind_dn read it, or let it log in (proofs)",
                work.account.uid,
                stored.as_str()
            ))),
            _ => Err(Fault::permanent(format!(
                "account {}: the stored hash is not the one that was written; somebody else has changed it",
                work.account.uid
            ))),
        }
    }

    fn as_wanted(&self, work: &Work, world: &World, entry: &Entry) -> Result<(), Fault> {
        let plan = plan::decide(work, world, &self.layout)?;
        if plan.operations.is_empty() {
            return Ok(());
        }
        Err(Fault::permanent(format!(
            "account {}: its entry {} is not as it was written; somebody else has changed it",
            work.account.uid,
            entry.dn.masked()
        )))
    }

    /// Tries them over a few connections at once: an answer for each, in order; after `patience` no further one is begun, and those
    /// that are left have none.
    async fn log_in(&self, logins: &[Login], patience: Duration) -> Vec<Result<Proof, Fault>> {
        let lines = self.proofs.min(logins.len()).max(1);
        let tries = Tries { lines, until: Instant::now() + patience, next: 0.into(), unanswered: 0.into() };
        let answered = join_all((0..lines).map(|_| self.log_in_one_by_one(logins, &tries))).await;
        let in_order: BTreeMap<usize, Result<Proof, Fault>> = answered.into_iter().flatten().collect();
        in_order.into_values().collect()
    }

    /// Once as many as there are lines have got no answer in a row, the rest is not tried: a batch must not wait for each.
    async fn log_in_one_by_one(&self, logins: &[Login], tries: &Tries) -> Vec<(usize, Result<Proof, Fault>)> {
        let mut session: Option<Session> = None;
        let mut results = Vec::new();
        while let Some((at, login)) = tries.next(logins) {
            if tries.unanswered.load(Ordering::Relaxed) >= tries.lines {
                let told = "a log-in to prove an account was not tried, for those before it got no answer";
                results.push((at, Err(Fault::transient(told))));
                continue;
            }
            let answer = self.try_one(&mut session, login).await;
            match &answer {
                Err(_) => tries.unanswered.fetch_add(1, Ordering::Relaxed),
                Ok(_) => tries.unanswered.swap(0, Ordering::Relaxed),
            };
            results.push((at, answer.and_then(|answer| self.weigh(login, &answer))));
        }
        results
    }

    /// The server's answer to one log-in; a fault where none came.
    async fn try_one(&self, kept: &mut Option<Session>, login: &Login) -> Result<LdapResult, Fault> {
        let mut session = match kept.take().filter(|s| !s.clone().ended()) {
            Some(session) => session,
            None => self.dialer.connect().await?,
        };
        let answer = session
            .bind_asking_why(&login.dn, &login.password)
            .await
            .map_err(|lost| Fault::transient(format!("a log-in to prove an account got no answer: {lost}")))?;
        *kept = Some(session);
        Ok(answer)
    }

    fn weigh(&self, login: &Login, answer: &LdapResult) -> Result<Proof, Fault> {
        let who = super::name::Dn::given(login.dn.clone()).masked();
        // Active Directory refuses the right password too while it must be changed first.
        let let_in = answer.rc == 0 || (self.layout.must_change && windows_code(&answer.text) == Some("773"));
        match (login.expected, let_in) {
            (Expected::Opens, true) => Ok(Proof::Login),
            (Expected::Opens, false) if fault::may_pass(answer.rc) => {
                Err(Fault::transient(format!("logging in as {who}: {}", said(answer))))
            }
            (Expected::Opens, false) => Err(Fault::permanent(format!(
                "logging in as {who} with the password about to be handed over was refused: {}{}",
                said(answer),
                meaning(answer)
            ))),
            (_, true) => Err(Fault::permanent(format!("{who} can still log in"))),
            (_, false) if !matches!(answer.rc, 19 | 32 | 48 | 49 | 53) => {
                Err(Fault::transient(format!("logging in as {who}: {}", said(answer))))
            }
            (Expected::Closed, false) => Ok(Proof::Login),
            (Expected::Gone, false) if says_gone(answer) => Ok(Proof::Login),
            (Expected::ClosedForAll, false) if says_locked(answer) => Ok(Proof::Login),
            // A wrong password is refused in any case. What is left is the state of the entry, read back.
            (Expected::ClosedForAll | Expected::Gone, false) => Ok(Proof::Observed),
        }
    }

    /// OpenLDAP's lock only counts where the policy says so. Where slapd did not say "locked" itself, the policies must.
    async fn ask_policies(&self, mut session: Session, logins: &[Login], results: &mut [Result<Proof, Fault>]) {
        if self.layout.server != LdapServer::OpenLdap || self.layout.suspend != LdapSuspend::Lock {
            return;
        }
        let doubtful = |login: &&Login| {
            login.expected == Expected::ClosedForAll && matches!(results.get(login.work), Some(Ok(Proof::Observed)))
        };
        let places: Vec<usize> = logins.iter().filter(doubtful).map(|login| login.work).collect();
        if places.is_empty() {
            return;
        }
        let fault = match self.policies(&mut session).await {
            Ok(policies) if !policies.is_empty() && policies.iter().all(|(_, lockout)| *lockout) => return,
            Ok(_) => Fault::permanent(
                "the account is marked as locked, but the server did not say so at a log-in and shows no policy with pwdLockout: \
                 TRUE: turn on ppolicy_use_lockout, or let akund read the policies, or set suspend = \"password\"",
            ),
            Err(fault) => fault,
        };
        for at in places {
            results[at] = Err(fault.clone());
        }
    }

    /// After the proof: a password that was handed out is for one log-in, where the server can enforce that.
    async fn set_must_change(
        &self,
        session: &Session,
        works: &[&Work],
        world: &World,
        results: &mut [Result<Proof, Fault>],
    ) {
        let (name, value) = server::must_change(self.layout.server);
        let mut places = Vec::new();
        let mut operations = Vec::new();
        for (at, work) in works.iter().enumerate() {
            let proven = results.get(at).is_some_and(Result::is_ok) && work.action.mints();
            let Ok(Some(entry)) = world.own(work, &self.layout) else { continue };
            if proven {
                let change = Change::Replace(super::name::Attribute::known(name), vec![Value::text(value)]);
                places.push(at);
                operations.push(Operation::Modify { dn: entry.dn.clone(), changes: vec![change] });
            }
        }
        let lists: Vec<&[Operation]> = operations.iter().map(std::slice::from_ref).collect();
        let outcomes = batch::carry_out(session, &lists, None).await;
        for ((at, operation), outcome) in places.into_iter().zip(&operations).zip(outcomes) {
            let fault = match outcome {
                batch::Outcome::Done => continue,
                batch::Outcome::Refused(_, answer) => fault::refused(operation, &answer),
                batch::Outcome::Lost(_, lost) => fault::unanswered(operation, &lost),
            };
            let message =
                format!("the account works, but its password could not be marked as to be changed: {}", fault.message);
            results[at] = Err(Fault { message, ..fault });
        }
    }
}

/// The account's password where the work has it, else one that nobody has.
fn some_password(work: &Work) -> Result<Secret, Fault> {
    match &work.credential {
        Some(credential) => Ok(credential.password.clone()),
        None => crate::secret::generate::password(),
    }
}

/// Whether a refused log-in was refused because the account is closed, by the server's own words: the password policy control's
/// `accountLocked` (draft-behera-ldap-password-policy-10 §6.2), 389's "inactivated", Active Directory's codes.
fn says_locked(answer: &LdapResult) -> bool {
    let policy = answer.ctrls.iter().find(|control| control.1.ctype == super::server::PASSWORD_POLICY);
    let locked =
        policy.and_then(|control| control.1.val.as_deref()).is_some_and(|value| policy_error(value) == Some(1));
    locked || answer.text.contains("inactivated") || matches!(windows_code(&answer.text), Some("533"))
}

/// Whether it was refused because there is nobody of that name: 389 says so; OpenLDAP and Active Directory say what they say of
/// a wrong password.
fn says_gone(answer: &LdapResult) -> bool {
    answer.rc == 32 || matches!(windows_code(&answer.text), Some("525"))
}

/// The error of `SEQUENCE { warning [0] CHOICE … OPTIONAL, error [1] ENUMERATED OPTIONAL }`, in BER.
fn policy_error(value: &[u8]) -> Option<u8> {
    let [0x30, length, rest @ ..] = value else { return None };
    let mut rest = rest.get(..usize::from(*length))?;
    while let [tag, length, more @ ..] = rest {
        let (content, after) = more.split_at_checked(usize::from(*length))?;
        if *tag == 0x81 {
            return content.first().copied();
        }
        rest = after;
    }
    None
}

/// `data 52e` of Active Directory's diagnostic text.
fn windows_code(text: &str) -> Option<&str> {
    text.split_once("data ")?.1.split([',', ' ']).next()
}

/// What such a code means ([MS-ERREF] 2.2, logon failures).
fn meaning(answer: &LdapResult) -> &'static str {
    match windows_code(&answer.text) {
        Some("52e") => " (wrong password)",
        Some("530" | "531") => " (not at this time or from here)",
        Some("532") => " (its password has expired)",
        Some("533") => " (the account is disabled)",
        Some("701") => " (the account has expired)",
        Some("773") => " (its password must be changed first)",
        Some("775") => " (the account is locked)",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn each_login_is_given_out_once_and_in_order_until_it_is_late() {
        let login = |work| Login { work, dn: String::new(), password: Secret::new("x"), expected: Expected::Opens };
        let logins: Vec<Login> = (0..5).map(login).collect();
        let tries = |seconds| Tries {
            lines: 2,
            until: Instant::now() + Duration::from_secs(seconds),
            next: 0.into(),
            unanswered: 0.into(),
        };
        let (late, patient) = (tries(0), tries(30));
        let given = |tries: &Tries| tries.next(&logins).map(|(at, login)| (at, login.work));
        assert_eq!((given(&late), given(&late)), (Some((0, 0)), None), "one at least");
        assert_eq!((given(&patient), given(&patient)), (Some((0, 0)), Some((1, 1))));
        tokio::time::advance(Duration::from_secs(30)).await;
        assert_eq!(given(&patient), None);
        let whole = tries(1);
        assert_eq!((0..7).filter_map(|_| given(&whole)).count(), 5);
    }

    #[test]
    fn the_password_policy_control_tells_why() {
        assert_eq!(policy_error(&[0x30, 0x03, 0x81, 0x01, 0x01]), Some(1));
        assert_eq!(policy_error(&[0x30, 0x08, 0xa0, 0x03, 0x80, 0x01, 0x05, 0x81, 0x01, 0x02]), Some(2));
        for none in [
            &[][..],
            &[0x30, 0x00],
            &[0x30, 0x05, 0xa0, 0x03, 0x80, 0x01, 0x05],
            &[0x30, 0x09, 0x81],
            &[0x31, 0x03, 0x81, 0x01, 0x01],
        ] {
            assert_eq!(policy_error(none), None, "{none:?}");
        }
    }

    #[test]
    fn active_directory_s_codes_are_found_in_its_text() {
        let text = "80090308: LdapErr: DSID-0C0903A9, comment: AcceptSecurityContext error, data 52e, v1db1";
        assert_eq!(windows_code(text), Some("52e"));
        assert_eq!(windows_code("Simple Bind Failed: NT_STATUS_LOGON_FAILURE"), None);
    }
}
