//! What every target must do, whatever it writes to: one suite, held against each real server.
//!
//! **To add a target**: in its test program include `support/works.rs`, `support/contract.rs` and, if it is reached over a line,
//! `support/proxy.rs` and `support/broken.rs`; implement [`Subject`] for the server that it writes to; then run
//! [`all`] on it in one test (where the server takes long to start), or name the parts with [`contract!`] (a test for each).
//! With [`Subject::line`] and [`Subject::through`], run `broken::cut_at_every_point` too; with [`Subject::kill`] and
//! [`Subject::start_again`], `broken::ends_in_mid_batch`. Every part leaves the server without accounts.
//!
//! What a target without a line must survive instead (files: a death between any two renames; SQLite: one in mid-transaction) has
//! tests of its own beside it.

use crate::works::*;
use akund::model::{Account, Action, Fault, FaultClass, Proof, Quota};
use akund::target::{Applied, HeldState, Target, Work};
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

/// What a target writes to, seen with other eyes than the target's.
#[allow(dead_code, reason = "not every target has a line")]
pub trait Subject: Send {
    /// A target that writes there, as akund makes it when it starts.
    fn target(&self) -> Box<dyn Target>;
    /// Everything that is there of accounts, as other programs see it, sorted; without what changes by itself.
    fn rows(&self) -> Vec<String>;
    /// Makes an account of somebody else's with this account's names.
    fn put_foreign(&self, account: &Account);
    /// Makes two entries of somebody else's with this account's name; false: there can be no two.
    fn put_foreign_twice(&self, _account: &Account) -> bool {
        false
    }
    /// Takes every account away, whosever it is.
    fn clear(&self);
    /// Whether what was just written may not be seen for a while: then nothing is made anew by a reset that does not see it.
    fn shows_late(&self) -> bool {
        false
    }
    /// How a create is proven. With `Observed` nobody can tell one password from another.
    fn proof(&self) -> Proof;
    /// The name by which this target finds an account.
    fn name_of(&self, account: &Account) -> String {
        account.address.as_ref().unwrap().to_string()
    }
    /// Whether an account's further addresses are names here.
    fn has_aliases(&self) -> bool {
        true
    }
    /// The oddest local parts of an address and of an alias that can stand here.
    fn odd_locals(&self) -> [&'static str; 2] {
        ["o'hara+=s", "_-"]
    }
    /// Whether a text of an applicant's is one that cannot stand here, so that it is refused.
    fn refuses(&self, _text: &str) -> bool {
        false
    }
    /// Whether a real client gets in with a work's password; none where there is nobody to ask.
    fn opens(&self, _work: &Work) -> Option<bool> {
        None
    }
    /// Whether a batch is there as a whole or not at all, whatever breaks.
    fn whole_batches(&self) -> bool {
        false
    }
    /// Where the server listens.
    fn line(&self) -> SocketAddr {
        panic!("this one has no line")
    }
    /// A target that reaches the server through a port of this machine.
    fn through(&self, _port: u16) -> Box<dyn Target> {
        panic!("this one has no line")
    }
    /// How many places of a batch the line is cut at, each way.
    fn cuts(&self) -> u64 {
        40
    }
    /// After a cut: a server that does not survive one is started again.
    fn recover(&mut self) {}
    /// Ends the server as a power cut would.
    fn kill(&mut self) {
        panic!("this one cannot be ended")
    }
    /// Starts it again.
    fn start_again(&mut self) {
        panic!("this one cannot be started")
    }
    /// At which hundredths of a batch on the line the server is ended.
    fn ends_at(&self) -> &[u64] {
        &[10, 60, 90]
    }
    /// How many accounts are listed: more than one page.
    fn listed(&self) -> usize {
        600
    }
    /// How many accounts the batch has in which the server ends.
    fn many(&self) -> usize {
        1000
    }
}

/// A test for each part, on a subject of its own.
#[allow(unused_macros, reason = "where a server takes long to start, `all` is used")]
macro_rules! contract {
    ($subjects:expr; $($part:ident),* $(,)?) => {$(
        #[tokio::test]
        async fn $part() {
            for mut subject in $subjects {
                $crate::contract::$part(&mut subject).await;
            }
        }
    )*};
    ($subjects:expr) => {
        $crate::contract::contract!($subjects;
            made_found_proven_and_undone,
            written_twice_is_as_written_once,
            names_of_others_are_conflicts,
            a_change_to_a_taken_name_changes_nothing,
            undo_is_for_creates_and_may_be_repeated,
            suspended_and_resumed,
            a_reset_replaces_the_password,
            a_reset_makes_anew_what_the_target_has_lost,
            what_is_not_there,
            hostile_values_change_nothing_else,
            one_bad_among_a_thousand,
            nothing_asked_nothing_answered,
            secrets_show_up_nowhere,
            all_is_listed,
            some_are_known_by_their_marks_whatever_they_are_called,
            an_account_of_others_is_adopted_where_that_was_asked,
            what_cannot_be_told_apart_is_not_adopted,
        );
    };
}
#[allow(unused_imports, reason = "as above")]
pub(crate) use contract;

/// Asks as a lane does: where a target cannot know yet what became of something, again after a while.
async fn known<T>(batch: &[Work], mut ask: impl AsyncFnMut(&[Work]) -> Vec<Result<T, Fault>>) -> Vec<Result<T, Fault>> {
    let unknown = |answer: &Result<T, Fault>| answer.as_ref().is_err_and(|fault| fault.class == FaultClass::Unknown);
    let mut answers = ask(batch).await;
    for _ in 0..20 {
        let open: Vec<usize> = (0..answers.len()).filter(|n| unknown(&answers[*n])).collect();
        if open.is_empty() {
            break;
        }
        tokio::time::sleep(Duration::from_secs(61)).await;
        let again: Vec<Work> = open.iter().map(|n| Work { uncertain: true, ..batch[*n].clone() }).collect();
        for (n, answer) in open.into_iter().zip(ask(&again).await) {
            answers[n] = answer;
        }
    }
    answers
}

async fn apply(target: &dyn Target, work: &Work) -> Result<Applied, Fault> {
    known(std::slice::from_ref(work), async |batch| target.apply(batch).await).await.remove(0)
}

async fn undo(target: &dyn Target, work: &Work) -> Result<(), Fault> {
    undo_all(target, std::slice::from_ref(work)).await.remove(0)
}

async fn undo_all(target: &dyn Target, batch: &[Work]) -> Vec<Result<(), Fault>> {
    known(batch, async |batch| target.undo(batch).await).await
}

/// All parts, on one server.
#[allow(dead_code, reason = "where a server starts quickly, each part is a test")]
pub async fn all(subject: &mut dyn Subject) {
    made_found_proven_and_undone(subject).await;
    written_twice_is_as_written_once(subject).await;
    names_of_others_are_conflicts(subject).await;
    a_change_to_a_taken_name_changes_nothing(subject).await;
    undo_is_for_creates_and_may_be_repeated(subject).await;
    suspended_and_resumed(subject).await;
    a_reset_replaces_the_password(subject).await;
    a_reset_makes_anew_what_the_target_has_lost(subject).await;
    what_is_not_there(subject).await;
    hostile_values_change_nothing_else(subject).await;
    one_bad_among_a_thousand(subject).await;
    nothing_asked_nothing_answered(subject).await;
    secrets_show_up_nowhere(subject).await;
    all_is_listed(subject).await;
    some_are_known_by_their_marks_whatever_they_are_called(subject).await;
    an_account_of_others_is_adopted_where_that_was_asked(subject).await;
    what_cannot_be_told_apart_is_not_adopted(subject).await;
}

/// What a proof says of an account that is not there: after its writing it was seen, unless what is new shows late.
fn not_there(subject: &dyn Subject) -> FaultClass {
    if subject.shows_late() { FaultClass::Transient } else { FaultClass::Permanent }
}

pub async fn made_found_proven_and_undone(subject: &mut dyn Subject) {
    let target = subject.target();
    target.answers().await.unwrap();
    let before = subject.rows();
    let mut account = named("humas");
    account.aliases = vec![address("pers@example.org")];
    let work = create(&account, target.schemes());
    assert_eq!(class_of(&prove(&*target, &work).await), not_there(subject), "not there");
    apply(&*target, &work).await.unwrap();
    assert_eq!(prove(&*target, &work).await.unwrap(), subject.proof());
    assert_ne!(subject.opens(&work), Some(false));
    let name = subject.name_of(&account);
    let found = find(&*target, &[&name, "nobody", "*", "nobody@example.org"]).await;
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].name.as_str(), found[0].uid), (name.as_str(), Some(account.uid)));
    if subject.has_aliases() {
        assert_eq!(find(&*target, &["pers@example.org"]).await[0].uid, Some(account.uid));
    }
    for _ in 0..2 {
        undo(&*target, &work).await.unwrap();
        assert_eq!(subject.rows(), before);
    }
    assert_ne!(subject.opens(&work), Some(true));
}

pub async fn written_twice_is_as_written_once(subject: &mut dyn Subject) {
    let target = subject.target();
    let before = subject.rows();
    let mut account = named("humas");
    account.aliases = vec![address("pers@example.org")];
    (account.group, account.ends_at) = (Some("tamu".into()), from_now(3600));
    let mut step = create(&account, target.schemes());
    let id = apply(&*target, &step).await.unwrap().external_id;
    let first = subject.rows();
    for uncertain in [false, true] {
        step.uncertain = uncertain;
        // Another process: what it does cannot come from memory.
        let again = subject.target();
        assert_eq!(apply(&*again, &step).await.unwrap().external_id, id, "the same account is found");
        assert_eq!(subject.rows(), first);
        prove(&*again, &step).await.unwrap();
    }
    let reset = work(Action::Reset, &account, create(&account, target.schemes()).credential);
    account.username = "kantor-humas".parse().unwrap();
    account.aliases = vec![account.address.clone().unwrap(), address("info@example.org")];
    account.address = Some(address("kantor-humas@example.org"));
    (account.name, account.group, account.ends_at) = ("Kantor Humas".into(), Some("staf".into()), None);
    account.quota = Some(Quota(5_000_000_000));
    let actions = [Action::Change, Action::Suspend, Action::Resume];
    for mut step in [reset].into_iter().chain(actions.map(|action| plain(action, &account))) {
        step.external_id = id.clone();
        assert_eq!(apply(&*target, &step).await.unwrap().external_id, id);
        let once = subject.rows();
        apply(&*target, &step).await.unwrap();
        assert_eq!(subject.rows(), once, "{:?}", step.action);
        prove(&*target, &step).await.unwrap_or_else(|e| panic!("{:?}: {e}", step.action));
    }
    assert!(subject.rows().iter().any(|row| row.contains("kantor-humas")));
    let remove = plain(Action::Remove, &account);
    for _ in 0..2 {
        apply(&*target, &remove).await.unwrap();
        assert!(!subject.rows().iter().any(|row| row.contains("humas")));
        prove(&*target, &remove).await.unwrap();
    }
    subject.clear();
    assert_eq!(subject.rows(), before);
}

pub async fn names_of_others_are_conflicts(subject: &mut dyn Subject) {
    let target = subject.target();
    subject.put_foreign(&named("asing"));
    apply(&*target, &create(&named("humas"), target.schemes())).await.unwrap();
    let before = subject.rows();
    for taken in ["humas", "asing"] {
        let other = create(&named(taken), target.schemes());
        let refused = apply(&*target, &other).await;
        assert_eq!(class_of(&refused), FaultClass::Conflict, "{taken}");
        assert!(!refused.unwrap_err().message.contains(taken), "names are masked");
        assert_eq!(class_of(&prove(&*target, &other).await), not_there(subject));
        if subject.has_aliases() {
            let mut by_alias = named("baru");
            by_alias.aliases = vec![named(taken).address.unwrap()];
            assert_eq!(class_of(&apply(&*target, &create(&by_alias, target.schemes())).await), FaultClass::Conflict);
        }
        undo(&*target, &other).await.unwrap();
        assert_eq!(subject.rows(), before);
    }
    let found = find(&*target, &[&subject.name_of(&named("asing"))]).await;
    assert_eq!(found[0].uid, None, "what a person put there is found, without a mark");
    subject.clear();
}

pub async fn a_change_to_a_taken_name_changes_nothing(subject: &mut dyn Subject) {
    let target = subject.target();
    let mut mine = named("humas");
    apply(&*target, &create(&mine, target.schemes())).await.unwrap();
    apply(&*target, &create(&named("pers"), target.schemes())).await.unwrap();
    let before = subject.rows();
    (mine.address, mine.username, mine.name) = (named("pers").address, named("pers").username, "Lain".into());
    mine.ends_at = from_now(3600);
    assert_eq!(class_of(&apply(&*target, &plain(Action::Change, &mine)).await), FaultClass::Conflict);
    assert_eq!(subject.rows(), before);
    subject.clear();
}

pub async fn undo_is_for_creates_and_may_be_repeated(subject: &mut dyn Subject) {
    let target = subject.target();
    apply(&*target, &create(&named("tetangga"), target.schemes())).await.unwrap();
    let neighbour = subject.rows();
    let mut account = named("humas");
    account.aliases = vec![address("humas@lain.example.net")];
    (account.group, account.ends_at) = (Some("tamu".into()), from_now(3600));
    let work = create(&account, target.schemes());
    undo(&*target, &work).await.unwrap();
    assert_eq!(subject.rows(), neighbour, "nothing there is a success");
    apply(&*target, &work).await.unwrap();
    let before = subject.rows();
    for action in [Action::Change, Action::Reset, Action::Suspend, Action::Resume, Action::Remove] {
        assert_eq!(class_of(&undo(&*target, &plain(action, &account)).await), FaultClass::Permanent);
        assert_eq!(subject.rows(), before);
    }
    for _ in 0..2 {
        undo(&*target, &work).await.unwrap();
        assert_eq!(subject.rows(), neighbour);
    }
    apply(&*target, &work).await.unwrap();
    prove(&*target, &work).await.unwrap();
    subject.clear();
}

pub async fn suspended_and_resumed(subject: &mut dyn Subject) {
    let target = subject.target();
    let account = named("humas");
    let work = create(&account, target.schemes());
    apply(&*target, &work).await.unwrap();
    let (suspend, resume) = (plain(Action::Suspend, &account), plain(Action::Resume, &account));
    assert_eq!(class_of(&prove(&*target, &suspend).await), FaultClass::Transient, "not suspended yet");
    apply(&*target, &suspend).await.unwrap();
    prove(&*target, &suspend).await.unwrap();
    let with_password = crate::works::work(Action::Suspend, &account, work.credential.clone());
    prove(&*target, &with_password).await.unwrap();
    assert_ne!(subject.opens(&work), Some(true));
    assert!(prove(&*target, &work).await.is_err(), "its password opens nothing");
    assert!(prove(&*target, &resume).await.is_err());
    apply(&*target, &resume).await.unwrap();
    prove(&*target, &resume).await.unwrap();
    prove(&*target, &work).await.unwrap();
    assert_ne!(subject.opens(&work), Some(false));
    // A create that is written again opens what was suspended meanwhile.
    apply(&*target, &suspend).await.unwrap();
    apply(&*target, &work).await.unwrap();
    prove(&*target, &work).await.unwrap();
    subject.clear();
}

pub async fn a_reset_replaces_the_password(subject: &mut dyn Subject) {
    let target = subject.target();
    let account = named("humas");
    let first = create(&account, target.schemes());
    apply(&*target, &first).await.unwrap();
    let second = work(Action::Reset, &account, create(&account, target.schemes()).credential);
    apply(&*target, &second).await.unwrap();
    assert_eq!(prove(&*target, &second).await.unwrap(), subject.proof());
    if subject.proof() != Proof::Observed {
        assert_eq!(class_of(&prove(&*target, &first).await), FaultClass::Permanent, "the old password is gone");
    }
    apply(&*target, &plain(Action::Suspend, &account)).await.unwrap();
    let third = work(Action::Reset, &account, create(&account, target.schemes()).credential);
    apply(&*target, &third).await.unwrap();
    prove(&*target, &plain(Action::Suspend, &account)).await.unwrap();
    assert_ne!(subject.opens(&third), Some(true), "a suspended account stays so");
    apply(&*target, &plain(Action::Resume, &account)).await.unwrap();
    prove(&*target, &third).await.unwrap();
    assert!(subject.proof() == Proof::Observed || prove(&*target, &second).await.is_err());
    subject.clear();
}

/// The holder would be without an account for good, and of several targets the others would have a password that nobody knows.
pub async fn a_reset_makes_anew_what_the_target_has_lost(subject: &mut dyn Subject) {
    if subject.shows_late() {
        return;
    }
    let target = subject.target();
    let mut account = named("humas");
    if subject.has_aliases() {
        account.aliases = vec![address("kabag.humas@example.org")];
    }
    (account.group, account.ends_at) = (Some("tamu".into()), from_now(3600));
    let first = create(&account, target.schemes());
    let made = apply(&*target, &first).await.unwrap();
    let as_made = subject.rows().len();
    subject.clear();
    let lost = Work {
        external_id: made.external_id,
        ..work(Action::Reset, &account, create(&account, target.schemes()).credential)
    };
    // What has a name of it now is not touched.
    subject.put_foreign(&account);
    let foreign = subject.rows();
    assert_eq!(class_of(&apply(&*target, &lost).await), FaultClass::Conflict);
    assert_eq!(subject.rows(), foreign);
    subject.clear();
    let anew = apply(&*target, &lost).await.unwrap();
    assert_eq!(subject.rows().len(), as_made, "as it was made: {:?}", subject.rows());
    assert_eq!(prove(&*target, &lost).await.unwrap(), subject.proof());
    assert_ne!(subject.opens(&lost), Some(false));
    let again = Work { external_id: anew.external_id, uncertain: true, ..lost };
    apply(&*target, &again).await.unwrap();
    assert_eq!(subject.rows().len(), as_made);
    prove(&*target, &again).await.unwrap();
    subject.clear();
}

pub async fn what_is_not_there(subject: &mut dyn Subject) {
    let target = subject.target();
    let before = subject.rows();
    let account = named("humas");
    let credential = create(&account, target.schemes()).credential;
    for action in [Action::Change, Action::Reset, Action::Suspend, Action::Resume] {
        // A reset makes anew what akund has made.
        let adopted = (action == Action::Reset && !subject.shows_late()).then(|| Box::new(account.clone()));
        let step = Work { adopted, ..work(action, &account, credential.clone()) };
        assert_eq!(class_of(&apply(&*target, &step).await), FaultClass::Permanent, "{action:?}");
    }
    apply(&*target, &plain(Action::Remove, &account)).await.unwrap();
    let without = apply(&*target, &plain(Action::Create, &account)).await;
    assert_eq!(class_of(&without), FaultClass::Permanent, "no password");
    assert_eq!(subject.rows(), before);
}

const HOSTILE: [&str; 19] = [
    "*)(uid=*",
    "a,ou=people,dc=example,dc=org",
    "Dr. \"Budi\" Santoso, S.T.+M.T.; <x>=\\ #1",
    "#hash",
    "o'hara'; DROP TABLE radcheck; --",
    "%{User-Name}`id`$(id)",
    "baris satu\nbaris dua",
    "humas@example.org:{PLAIN}x:0:0::/::",
    "\u{202e}terbalik",
    "محمد الأمين",
    "ñ-密码-🙂",
    "{local}%s%%",
    "  ",
    "\\2a\\00",
    "\\",
    " a  ",
    "-",
    "\u{0}",
    "\t",
];

/// Whatever an applicant writes is stored as it is or refused as a whole, and changes nothing else.
pub async fn hostile_values_change_nothing_else(subject: &mut dyn Subject) {
    let target = subject.target();
    apply(&*target, &create(&named("tetangga"), target.schemes())).await.unwrap();
    let before = subject.rows();
    let mut batch = creates((0..HOSTILE.len()).map(account), target.schemes());
    for ((n, text), work) in HOSTILE.iter().enumerate().zip(&mut batch) {
        let account = &mut work.account;
        let [odd, odder] = subject.odd_locals();
        account.address = Some(address(&format!("{odd}{n}@example.org")));
        account.aliases = vec![address(&format!("{odder}{n}@example.org"))];
        (account.name, account.unit, account.category) = ((*text).into(), (*text).into(), (*text).into());
        account.group = Some((*text).into());
    }
    // All in one batch, so that each would be hurt by any other.
    let made = target.apply(&batch).await;
    let proven = target.prove(&batch).await;
    for (((text, work), made), proven) in HOSTILE.iter().zip(&batch).zip(made).zip(proven) {
        if subject.refuses(text) {
            assert_eq!(class_of(&made), FaultClass::Permanent, "{text:?}");
            assert!(proven.is_err(), "{text:?}");
            continue;
        }
        made.unwrap_or_else(|e| panic!("{text:?}: {e}"));
        proven.unwrap_or_else(|e| panic!("{text:?}: {e}"));
        assert_eq!(find(&*target, &[&subject.name_of(&work.account), text]).await.len(), 1, "{text:?}");
    }
    let good: Vec<Work> = batch.iter().filter(|work| !subject.refuses(&work.account.name)).cloned().collect();
    let there = subject.rows();
    let changes: Vec<Work> = good.iter().map(|work| plain(Action::Change, &work.account)).collect();
    assert!(target.apply(&changes).await.iter().all(Result::is_ok));
    assert_eq!(subject.rows(), there, "as they are");
    assert!(undo_all(&*target, &batch).await.iter().all(Result::is_ok));
    assert_eq!(subject.rows(), before);
    // The longest names that akund's types hold, and a text that is longer than any server's field.
    let mut long = create(&named(&"x".repeat(64)), target.schemes());
    for name in ["n".repeat(64), "n".repeat(40_000)] {
        long.account.name = name;
        let made = apply(&*target, &long).await;
        assert!(made.is_ok() || class_of(&made) == FaultClass::Permanent, "{made:?}");
        if made.is_ok() {
            prove(&*target, &long).await.unwrap();
        }
        undo(&*target, &long).await.unwrap();
        assert_eq!(subject.rows(), before);
    }
    subject.clear();
}

pub async fn one_bad_among_a_thousand(subject: &mut dyn Subject) {
    let target = subject.target();
    let mut batch = creates((0..1000).map(account), target.schemes());
    subject.put_foreign(&batch[500].account);
    let before = subject.rows();
    batch[700].credential = None;
    batch[900].account = named("n899");
    let applied = target.apply(&batch).await;
    assert_eq!(applied.len(), 1000);
    for (n, result) in applied.iter().enumerate() {
        match n {
            500 | 900 => assert_eq!(class_of(result), FaultClass::Conflict, "{n}"),
            700 => assert_eq!(class_of(result), FaultClass::Permanent, "{n}"),
            _ => assert!(result.is_ok(), "{n}: {result:?}"),
        }
    }
    let sample = [0, 499, 500, 501, 700, 899, 900, 999].map(|n| batch[n].clone());
    for (n, proof) in target.prove(&sample).await.into_iter().enumerate() {
        assert_eq!(proof.is_ok(), ![2, 4, 6].contains(&n), "{proof:?}");
    }
    let names: Vec<String> = batch.iter().map(|w| subject.name_of(&w.account)).collect();
    let found = target.find(&names).await.unwrap();
    let ours: BTreeSet<&str> = found.iter().filter(|f| f.uid.is_some()).map(|f| f.name.as_str()).collect();
    assert_eq!(ours.len(), 997);
    for undone in undo_all(&*target, &batch).await {
        undone.unwrap();
    }
    assert_eq!(subject.rows(), before, "the foreign one stays");
    subject.clear();
}

pub async fn nothing_asked_nothing_answered(subject: &mut dyn Subject) {
    let target = subject.target();
    assert!(target.apply(&[]).await.is_empty());
    assert!(target.prove(&[]).await.is_empty());
    assert!(target.undo(&[]).await.is_empty());
    assert!(target.find(&[]).await.unwrap().is_empty());
}

pub async fn secrets_show_up_nowhere(subject: &mut dyn Subject) {
    let target = subject.target();
    let (work, other) = (create(&named("humas"), target.schemes()), create(&named("humas"), target.schemes()));
    apply(&*target, &work).await.unwrap();
    let refused = apply(&*target, &other).await.unwrap_err();
    let mut unknown = work.clone();
    unknown.credential = other.credential.clone();
    // Where passwords are looked at, this one is refused.
    let unproven = prove(&*target, &unknown).await.map(|proof| assert_eq!(proof, Proof::Observed));
    let shown = format!("{refused} {refused:?} {unproven:?} {work:?} {other:?}");
    for secret in [password(&work), password(&other), "$6$"] {
        assert!(!shown.contains(secret), "{secret} in {shown}");
    }
    subject.clear();
}

pub async fn all_is_listed(subject: &mut dyn Subject) {
    let target = subject.target();
    assert!(target.list().await.unwrap().iter().all(|held| held.uid.is_none()), "nothing is akund's");
    subject.put_foreign(&named("asing"));
    let credential = create(&named("humas"), target.schemes()).credential;
    let accounts: Vec<Account> = (0..subject.listed()).map(|n| named(&format!("daftar{n}"))).collect();
    let works: Vec<Work> = accounts.iter().map(|account| work(Action::Create, account, credential.clone())).collect();
    let made: Vec<Applied> =
        known(&works, async |batch| target.apply(batch).await).await.into_iter().map(Result::unwrap).collect();
    let mut suspend = plain(Action::Suspend, &accounts[0]);
    suspend.external_id = made[0].external_id.clone();
    apply(&*target, &suspend).await.unwrap();
    // One that shows what was made only after a while is asked again.
    let mut held = target.list().await.unwrap();
    for _ in 0..20 {
        let ours = held.iter().filter(|one| one.uid.is_some());
        if ours.clone().count() == accounts.len() && ours.clone().any(|one| one.state == HeldState::Closed) {
            break;
        }
        tokio::time::sleep(Duration::from_secs(61)).await;
        held = subject.target().list().await.unwrap();
    }
    let by_uid: std::collections::BTreeMap<_, _> = held.iter().filter_map(|one| Some((one.uid?, one))).collect();
    assert_eq!(by_uid.len(), accounts.len());
    for (at, (account, made)) in accounts.iter().zip(&made).enumerate() {
        let one = by_uid[&account.uid];
        let names = [subject.name_of(account), account.username.to_string()];
        assert!(names.contains(&one.name), "{one:?}");
        assert_eq!((&one.external_id, one.state), (&made.external_id, HeldState::of(at == 0)), "{one:?}");
    }
    let foreign: Vec<&str> = held.iter().filter(|one| one.uid.is_none()).map(|one| one.name.as_str()).collect();
    assert!(foreign.iter().any(|name| name.to_lowercase().starts_with("asing")), "{foreign:?}");
    subject.clear();
}

pub async fn some_are_known_by_their_marks_whatever_they_are_called(subject: &mut dyn Subject) {
    let target = subject.target();
    subject.put_foreign(&named("asing"));
    let (humas, umum, absent) = (named("humas"), named("umum"), named("absent"));
    let mut works = Vec::new();
    for account in [&humas, &umum] {
        let mut work = create(account, target.schemes());
        work.external_id = apply(&*target, &work).await.unwrap().external_id;
        works.push(work);
    }
    let mut renamed = plain(Action::Change, &humas);
    renamed.account.username = "lain".parse().unwrap();
    renamed.account.address = Some(address("lain@example.org"));
    renamed.external_id = works[0].external_id.clone();
    apply(&*target, &renamed).await.unwrap();
    let mut suspend = plain(Action::Suspend, &umum);
    suspend.external_id = works[1].external_id.clone();
    apply(&*target, &suspend).await.unwrap();
    let asked = [humas.uid, absent.uid, umum.uid];
    let expected = BTreeSet::from([humas.uid, umum.uid]);
    let mut there = target.marked(&asked).await.unwrap();
    for _ in 0..20 {
        if there == expected {
            break;
        }
        tokio::time::sleep(Duration::from_secs(61)).await;
        there = target.marked(&asked).await.unwrap();
    }
    assert_eq!(there, expected);
    assert!(target.marked(&[absent.uid]).await.unwrap().is_empty());
    assert!(target.marked(&[]).await.unwrap().is_empty());
    let mut remove = plain(Action::Remove, &umum);
    remove.external_id = works[1].external_id.clone();
    apply(&*target, &remove).await.unwrap();
    subject.clear();
}

/// Acts on what somebody else has made, as the register knows it.
fn adopting(action: Action, account: &Account, known: &Account, id: Option<&String>) -> Work {
    Work { adopted: Some(Box::new(known.clone())), external_id: id.cloned(), ..plain(action, account) }
}

async fn identify(target: &dyn Target, work: &Work) -> Result<Applied, Fault> {
    known(std::slice::from_ref(work), async |batch| target.identify(batch).await).await.remove(0)
}

pub async fn an_account_of_others_is_adopted_where_that_was_asked(subject: &mut dyn Subject) {
    let target = subject.target();
    let (asing, neighbour) = (named("asing"), named("tetangga"));
    subject.put_foreign(&neighbour);
    let alone = subject.rows();
    subject.put_foreign(&asing);
    let foreign = subject.rows();
    let credential = create(&asing, target.schemes()).credential;
    for action in [Action::Change, Action::Reset, Action::Suspend, Action::Resume] {
        let refused = apply(&*target, &work(action, &asing, credential.clone())).await;
        assert!(
            matches!(class_of(&refused), FaultClass::Permanent | FaultClass::Conflict),
            "{action:?} of what was not adopted"
        );
    }
    apply(&*target, &plain(Action::Remove, &asing)).await.unwrap();
    assert_eq!(subject.rows(), foreign, "untouched");
    // Found by its name, by the account as it was, whatever the request makes of it.
    let mut renamed = asing.clone();
    renamed.address = Some(address("lain@example.org"));
    let question = adopting(Action::Change, &renamed, &asing, None);
    let id = identify(&*target, &question).await.unwrap().external_id.expect("what stays the same");
    let again = identify(&*subject.target(), &question).await.unwrap();
    assert_eq!(again.external_id.as_ref(), Some(&id), "asked again");
    let nobody = named("nobody");
    let none = identify(&*target, &adopting(Action::Suspend, &nobody, &nobody, None)).await;
    assert_eq!(class_of(&none), FaultClass::Permanent);
    assert_eq!(subject.rows(), foreign, "looking changes nothing");
    // Acted on twice is as once.
    let reset = Work { credential, ..adopting(Action::Reset, &asing, &asing, Some(&id)) };
    apply(&*target, &reset).await.unwrap();
    let mut more = asing.clone();
    more.aliases = vec![address("baru@example.org")];
    (more.quota, more.ends_at) = (Some(Quota(5_000_000_000)), from_now(3600));
    let steps = [
        (Action::Resume, &asing),
        (Action::Suspend, &asing),
        (Action::Suspend, &asing),
        (Action::Resume, &asing),
        (Action::Change, &more),
        (Action::Change, &asing),
    ];
    let mut before = asing.clone();
    for (action, account) in steps {
        let mut step = adopting(action, account, &before, Some(&id));
        for uncertain in [false, true] {
            step.uncertain = uncertain;
            let again = subject.target();
            apply(&*again, &step).await.unwrap_or_else(|e| panic!("{action:?}: {e}"));
            let once = subject.rows();
            apply(&*again, &step).await.unwrap();
            assert_eq!(subject.rows(), once, "{action:?}");
            prove(&*again, &step).await.unwrap_or_else(|e| panic!("{action:?}: {e}"));
        }
        before = account.clone();
        if *account == more && subject.has_aliases() {
            assert_eq!(find(&*target, &["baru@example.org"]).await[0].uid, Some(asing.uid));
        }
        // A withdrawal deletes nothing.
        let there = subject.rows();
        assert_eq!(class_of(&undo(&*target, &step).await), FaultClass::Permanent);
        assert_eq!(subject.rows(), there);
    }
    assert_eq!(prove(&*target, &reset).await.unwrap(), subject.proof());
    assert_eq!(find(&*target, &[&subject.name_of(&asing)]).await[0].uid, Some(asing.uid), "it is marked");
    let marked = identify(&*target, &adopting(Action::Reset, &asing, &asing, None)).await.unwrap();
    assert!(marked.external_id.is_some());
    let other = named("asing");
    let anothers = identify(&*target, &adopting(Action::Reset, &other, &other, None)).await;
    assert_eq!(class_of(&anothers), FaultClass::Conflict, "it is another account's already");
    for row in &alone {
        assert!(subject.rows().contains(row), "the neighbour is as it was: {row}");
    }
    let remove = adopting(Action::Remove, &asing, &asing, Some(&id));
    for _ in 0..2 {
        apply(&*target, &remove).await.unwrap();
        prove(&*target, &remove).await.unwrap();
        assert!(find(&*target, &[&subject.name_of(&asing)]).await.is_empty());
    }
    for row in &alone {
        assert!(subject.rows().contains(row), "the neighbour is as it was: {row}");
    }
    subject.clear();
}

pub async fn what_cannot_be_told_apart_is_not_adopted(subject: &mut dyn Subject) {
    let target = subject.target();
    let asing = named("asing");
    subject.put_foreign(&asing);
    let id = identify(&*target, &adopting(Action::Suspend, &asing, &asing, None)).await.unwrap().external_id;
    // Somebody puts another one in its place before akund acts on it.
    subject.clear();
    subject.put_foreign(&named("tetangga"));
    subject.put_foreign(&named("asing"));
    let replaced = subject.rows();
    let credential = create(&asing, target.schemes()).credential;
    for action in [Action::Reset, Action::Suspend, Action::Resume, Action::Change] {
        let step = Work { credential: credential.clone(), ..adopting(action, &asing, &asing, id.as_ref()) };
        assert!(apply(&*target, &step).await.is_err(), "{action:?}");
        assert_eq!(subject.rows(), replaced, "{action:?}");
    }
    subject.clear();
    let twice = named("ganda");
    if subject.put_foreign_twice(&twice) {
        let there = subject.rows();
        let several = identify(&*target, &adopting(Action::Reset, &twice, &twice, None)).await;
        assert_eq!(class_of(&several), FaultClass::Conflict);
        assert!(!several.unwrap_err().message.contains("ganda"), "names are masked");
        assert_eq!(subject.rows(), there);
    }
    subject.clear();
}
