//! The rest of the contract, for targets that reach a server over a line: the line cut at every point of a batch, the server ended
//! in its middle. Never twice, never lost, never a foreign account touched.

use crate::contract::Subject;
use crate::proxy::{Proxy, Way};
use crate::works::*;
use akund::model::{Action, Fault, FaultClass};
use akund::target::{Applied, Target, Work};
use std::time::{Duration, Instant};

/// How many accounts the batch has whose line is cut.
const SIZE: usize = 3;
/// How long a server may take to notice that a line was cut, or to come back.
const PATIENCE: Duration = Duration::from_secs(60);

/// Of the same length in each round.
fn batch(target: &dyn Target, size: usize, round: usize) -> Vec<Work> {
    let mut batch = creates((0..size).map(|n| named(&format!("r{round:05}n{n:03}"))), target.schemes());
    batch[0].account.aliases = vec![address(&format!("alias{round:05}@example.org"))];
    batch
}

/// Where to cut a batch of so many bytes: all along it, and at every second of its last bytes, which are the most telling (the answer to the commit).
fn places(length: u64, cuts: u64) -> impl Iterator<Item = u64> {
    let along = cuts / 2;
    (0..cuts).map(move |n| if n < along { length * n / along } else { length.saturating_sub(2 * (n - along)) })
}

/// Cuts the line at many points of a batch, each way. Whatever was told: nothing is there that was said not to be; and once the line
/// is mended, the same batch makes each account once.
pub async fn cut_at_every_point(subject: &mut dyn Subject) {
    let proxy = Proxy::before_address(subject.line());
    subject.put_foreign(&named("asing"));
    let foreign = subject.rows();
    let (mut unknown, mut transient) = (0, 0);
    for (round, way) in [Way::There, Way::Back].into_iter().enumerate() {
        let (length, rows) = length_of(subject, &proxy, way, SIZE).await;
        for (n, at) in places(length, subject.cuts()).enumerate() {
            let target = subject.through(proxy.port());
            let mut works = batch(&*target, SIZE, 1000 * (round + 1) + n);
            proxy.cut_after(way, at);
            let first = target.apply(&works).await;
            drop(target);
            proxy.mend();
            tokio::task::block_in_place(|| proxy.settle());
            subject.recover();
            let (done, open) = told(&first);
            unknown += open;
            transient += SIZE - done - open;
            let there = found(subject, &works).await;
            assert!((done..=done + open).contains(&there), "{way:?} {at}: {there} there, {first:?}");
            if subject.whole_batches() {
                assert!(there == 0 || there == SIZE, "{way:?} {at}: a batch is whole or not at all: {there}");
            }
            finished(subject, &mut works, &foreign, rows).await;
        }
    }
    assert!(unknown > 0 && transient > SIZE, "both were met: {unknown} unknown, {transient} transient");
    subject.clear();
    adopted_over_a_cut_line(subject, &proxy).await;
}

/// How many places of an adoption the line is cut at, each way.
const ADOPTION_CUTS: u64 = 6;

/// Somebody else's account gets a new password over a line that is cut, and is looked at again: it is that account or nothing, done
/// once, and its neighbour stays as it was.
async fn adopted_over_a_cut_line(subject: &mut dyn Subject, proxy: &Proxy) {
    let (asing, neighbour) = (named("asing"), named("tetangga"));
    for way in [Way::There, Way::Back] {
        let mut length = 0;
        for n in 0..=ADOPTION_CUTS {
            subject.put_foreign(&neighbour);
            let alone = subject.rows();
            subject.put_foreign(&asing);
            let direct = subject.target();
            let credential = create(&asing, direct.schemes()).credential;
            let mut step = Work { adopted: Some(Box::new(asing.clone())), ..work(Action::Reset, &asing, credential) };
            step.external_id = direct.identify(std::slice::from_ref(&step)).await.remove(0).unwrap().external_id;
            let before = proxy.passed(way);
            let target = subject.through(proxy.port());
            if n > 0 {
                proxy.cut_after(way, length * (n - 1) / ADOPTION_CUTS);
            }
            let first = target.apply(std::slice::from_ref(&step)).await;
            drop(target);
            if n == 0 {
                length = proxy.passed(way) - before;
                assert_eq!(told(&first).0, 1);
            }
            proxy.mend();
            tokio::task::block_in_place(|| proxy.settle());
            subject.recover();
            told(&first);
            step.uncertain = true;
            let begun = Instant::now();
            while told(&subject.target().apply(std::slice::from_ref(&step)).await).0 == 0 {
                assert!(begun.elapsed() < PATIENCE, "it does not come back");
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            let rows = subject.rows();
            subject.target().apply(std::slice::from_ref(&step)).await.remove(0).unwrap();
            assert_eq!(subject.rows(), rows, "{way:?} {n}: once more is as once");
            for row in &alone {
                assert!(rows.contains(row), "{way:?} {n}: the neighbour is as it was: {row}");
            }
            let found = subject.target().find(&[subject.name_of(&asing)]).await.unwrap();
            assert_eq!((found.len(), found[0].uid), (1, Some(asing.uid)), "{way:?} {n}");
            subject.clear();
        }
    }
}

/// Ends the server in the middle of a batch of many, and starts it again.
pub async fn ends_in_mid_batch(subject: &mut dyn Subject) {
    let proxy = Proxy::before_address(subject.line());
    subject.put_foreign(&named("asing"));
    let foreign = subject.rows();
    let many = subject.many();
    let (length, rows) = length_of(subject, &proxy, Way::There, many).await;
    for (round, share) in subject.ends_at().to_vec().into_iter().enumerate() {
        let target = subject.through(proxy.port());
        let mut works = batch(&*target, many, round + 1);
        let from = proxy.passed(Way::There);
        let under_way = {
            let works = works.clone();
            tokio::spawn(async move { target.apply(&works).await })
        };
        let begun = Instant::now();
        while proxy.passed(Way::There) - from < length * share / 100 && !under_way.is_finished() {
            assert!(begun.elapsed() < PATIENCE, "the batch does not get under way");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        tokio::task::block_in_place(|| subject.kill());
        let (done, open) = told(&under_way.await.unwrap());
        let down = subject.through(proxy.port()).apply(&works[..1]).await.remove(0);
        assert_eq!(class_of(&down), FaultClass::Transient, "{down:?}");
        tokio::task::block_in_place(|| subject.start_again());
        let there = found(subject, &works).await;
        assert!((done..=done + open).contains(&there), "at {share} %: {there} there, {done} told, {open} open");
        finished(subject, &mut works, &foreign, rows).await;
    }
    subject.clear();
}

/// How many bytes a batch has on a new line, and how many rows are there with it.
async fn length_of(subject: &dyn Subject, proxy: &Proxy, way: Way, size: usize) -> (u64, usize) {
    // The first one brings along what later ones find there (a mail domain).
    // The first one brings along what later ones find there (a mail domain).
    for round in [0, 1] {
        let target = subject.through(proxy.port());
        let works = batch(&*target, size, round);
        let before = proxy.passed(way);
        assert!(target.apply(&works).await.iter().all(Result::is_ok));
        let length = proxy.passed(way) - before;
        let rows = subject.rows().len();
        assert!(target.undo(&works).await.iter().all(Result::is_ok));
        if round == 1 {
            return (length, rows);
        }
    }
    unreachable!()
}

/// How many were told to be done, and of how many it was left open. The rest was told not to have happened.
fn told(answers: &[Result<Applied, Fault>]) -> (usize, usize) {
    for fault in answers.iter().filter_map(|answer| answer.as_ref().err()) {
        assert!(matches!(fault.class, FaultClass::Transient | FaultClass::Unknown), "{fault}");
    }
    let open = answers.iter().filter(|a| a.as_ref().is_err_and(|f| f.class == FaultClass::Unknown)).count();
    (answers.iter().filter(|a| a.is_ok()).count(), open)
}

/// How many of the accounts are there. What a server has not yet noticed, it has not yet taken back.
async fn found(subject: &dyn Subject, works: &[Work]) -> usize {
    let target = subject.target();
    let names: Vec<String> = works.iter().map(|w| subject.name_of(&w.account)).collect();
    let begun = Instant::now();
    loop {
        match target.find(&names).await {
            Ok(found) => return found.len(),
            Err(fault) => assert!(
                fault.class == FaultClass::Transient && begun.elapsed() < PATIENCE,
                "it does not come back: {fault}"
            ),
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// The same batch again, as a lane writes it after an answer was lost: each account is there once, works, and can be taken back.
async fn finished(subject: &mut dyn Subject, works: &mut [Work], foreign: &[String], rows: usize) {
    let target = subject.target();
    works.iter_mut().for_each(|work| work.uncertain = true);
    // A server that dies of the cut may do so only now.
    for _ in 0..5 {
        if told(&target.apply(works).await).0 == works.len() {
            break;
        }
        subject.recover();
    }
    assert_eq!(told(&target.apply(works).await).0, works.len());
    let there = subject.rows();
    assert_eq!(there.len(), rows, "nothing is there twice, and nothing is lost");
    let there = there.join("\n");
    for work in works.iter() {
        assert!(there.contains(&work.account.uid.to_string()), "by its mark");
    }
    for proof in target.prove(&works[..SIZE.min(works.len())]).await {
        proof.unwrap();
    }
    // And so here.
    for _ in 0..5 {
        let undone = target.undo(works).await;
        if undone.iter().all(Result::is_ok) {
            break;
        }
        for fault in undone.into_iter().filter_map(Result::err) {
            assert!(matches!(fault.class, FaultClass::Transient | FaultClass::Unknown), "{fault}");
        }
        subject.recover();
    }
    assert!(target.undo(works).await.iter().all(Result::is_ok));
    assert_eq!(subject.rows(), foreign);
}
