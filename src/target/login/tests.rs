use super::*;
use crate::model::{AccountUid, Credential, FaultClass, StepId};
use std::sync::Mutex;

/// Answers as it is told, and remembers whom it was asked about and how many at once.
#[derive(Default)]
struct Pretended {
    standing: Option<Standing>,
    answers: Vec<(&'static str, Denial)>,
    asked: Mutex<Vec<String>>,
    at_once: AtomicUsize,
    most: AtomicUsize,
    takes: Duration,
}

impl Login for Pretended {
    fn log_in<'a>(&'a self, user: &'a str, _password: &'a Secret) -> Answer<'a, Result<(), Denial>> {
        Box::pin(async move {
            let now = self.at_once.fetch_add(1, Ordering::SeqCst) + 1;
            self.most.fetch_max(now, Ordering::SeqCst);
            match self.takes {
                Duration::ZERO => tokio::task::yield_now().await,
                takes => tokio::time::sleep(takes).await,
            }
            self.at_once.fetch_sub(1, Ordering::SeqCst);
            self.asked.lock().unwrap().push(user.to_owned());
            match self.answers.iter().find(|(prefix, _)| user.starts_with(prefix)) {
                Some((_, denial)) => Err(denial.clone()),
                None => Ok(()),
            }
        })
    }
    fn standing<'a>(&'a self, _user: &'a str) -> Answer<'a, Result<Standing, Denial>> {
        Box::pin(async { self.standing.ok_or_else(|| Denial::Unreachable("is not there".into())) })
    }
    fn user<'a>(&self, account: &'a Account) -> Option<&'a str> {
        Some(account.username.as_str())
    }
    fn concurrency(&self) -> usize {
        4
    }
    fn check<'a>(&'a self) -> Answer<'a, Vec<Finding>> {
        Box::pin(async { Vec::new() })
    }
}

fn work(action: Action, username: &str, with_password: bool) -> Work {
    let account = Account::bare(AccountUid(uuid::Uuid::new_v4()), username.parse().unwrap());
    let credential = with_password.then(|| Credential { password: Secret::new("x"), hashes: Vec::new() });
    Work { step: StepId(1), action, account, external_id: None, credential, uncertain: false, adopted: None }
}

async fn proven(login: &Pretended, batch: &[Work], seen: Vec<Result<Proof, Fault>>) -> Vec<Result<Proof, Fault>> {
    log_each_in(login, batch, seen, PROVING).await
}

fn refused() -> Denial {
    Denial::Refused("NO".into())
}

#[tokio::test]
async fn what_a_login_must_come_to_depends_on_the_action() {
    let login = Pretended { answers: vec![("ditolak", refused())], ..Pretended::default() };
    for (action, user, with_password, expected) in [
        (Action::Create, "humas", true, Ok(Proof::Login)),
        (Action::Reset, "humas", true, Ok(Proof::Login)),
        (Action::Create, "ditolak", true, Err(FaultClass::Permanent)),
        (Action::Suspend, "ditolak", true, Ok(Proof::Login)),
        (Action::Remove, "ditolak", true, Ok(Proof::Login)),
        (Action::Suspend, "humas", true, Err(FaultClass::Transient)),
        // Nothing to try: what was read back is what there is.
        (Action::Suspend, "humas", false, Ok(Proof::Observed)),
        (Action::Remove, "humas", false, Ok(Proof::Observed)),
        (Action::Resume, "humas", true, Ok(Proof::Observed)),
        (Action::Change, "humas", false, Ok(Proof::Observed)),
    ] {
        let batch = [work(action, user, with_password)];
        let answer = proven(&login, &batch, vec![Ok(Proof::Observed)]).await.remove(0);
        assert_eq!(answer.map_err(|fault| fault.class), expected, "{action:?} {user}");
    }
}

#[tokio::test]
async fn without_a_password_only_what_the_server_says_of_the_account_is_a_login() {
    let (yes, no, seen) = (Ok(Proof::Login), Err(FaultClass::Transient), Ok(Proof::Observed));
    for (standing, [suspend, remove, resume]) in [
        (Some(Standing::Closed), [yes, yes, no]),
        (Some(Standing::Open), [no, no, yes]),
        (Some(Standing::Untold), [seen; 3]),
        (None, [seen; 3]),
    ] {
        let login = Pretended { standing, ..Pretended::default() };
        let actions =
            [(Action::Suspend, suspend), (Action::Remove, remove), (Action::Resume, resume), (Action::Change, seen)];
        for (action, expected) in actions {
            let answer = proven(&login, &[work(action, "humas", false)], vec![Ok(Proof::Observed)]).await.remove(0);
            assert_eq!(answer.map_err(|fault| fault.class), expected, "{action:?} {standing:?}");
        }
    }
}

#[tokio::test]
async fn what_was_read_back_as_wrong_is_not_tried_and_answers_keep_their_order() {
    let login = Pretended { answers: vec![("ditolak", refused())], ..Pretended::default() };
    let batch: Vec<Work> = (0..50)
        .map(|n| work(Action::Create, &if n % 3 == 0 { format!("ditolak{n}") } else { format!("humas{n}") }, true))
        .collect();
    let seen =
        (0..50).map(|n| if n % 5 == 0 { Err(Fault::transient("not there")) } else { Ok(Proof::Stored) }).collect();
    let answers = proven(&login, &batch, seen).await;
    for (n, answer) in answers.iter().enumerate() {
        let class = answer.as_ref().map_err(|fault| fault.class);
        match (n % 5, n % 3) {
            (0, _) => assert_eq!(class, Err(FaultClass::Transient)),
            (_, 0) => assert_eq!(class, Err(FaultClass::Permanent)),
            _ => assert_eq!(class, Ok(&Proof::Login)),
        }
    }
    assert_eq!(login.asked.lock().unwrap().len(), 40);
    assert_eq!(login.most.load(Ordering::SeqCst), 4, "as many at once as may be, and no more");
}

#[tokio::test(start_paused = true)]
async fn after_a_while_no_further_login_is_begun_and_the_first_is_never_too_late() {
    let batch: Vec<Work> = (0..50).map(|n| work(Action::Create, &format!("humas{n}"), true)).collect();
    for (patience, answered) in [(0, 1), (1, 4), (25, 12), (30, 12), (31, 16), (1000, 50)] {
        let login = Pretended { takes: Duration::from_secs(10), ..Pretended::default() };
        let seen = batch.iter().map(|_| Ok(Proof::Observed)).collect();
        let answers = log_each_in(&login, &batch, seen, Duration::from_secs(patience)).await;
        assert_eq!(answers, vec![Ok(Proof::Login); answered], "{patience} s");
        assert_eq!(login.asked.lock().unwrap().len(), answered, "{patience} s");
    }
}

#[tokio::test]
async fn a_server_that_is_down_is_not_asked_about_a_whole_batch() {
    let down = Denial::Unreachable("is not there".into());
    let login = Pretended { answers: vec![("", down)], ..Pretended::default() };
    let batch: Vec<Work> = (0..200).map(|n| work(Action::Create, &format!("humas{n}"), true)).collect();
    let answers = proven(&login, &batch, batch.iter().map(|_| Ok(Proof::Stored)).collect()).await;
    assert!(answers.iter().all(|answer| answer.as_ref().is_err_and(|fault| fault.class == FaultClass::Transient)));
    assert!(login.asked.lock().unwrap().len() < 12);
}
