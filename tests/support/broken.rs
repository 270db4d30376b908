//! The rest of the contract, for targets that reach a server over a line: the line cut at every point of a batch, the server ended
//! in its middle. Never twice, never lost, never a foreign account touched.

use crate::contract::Subject;
use crate::proxy::{Proxy, Turn, Way};
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

/// How many bytes went this way.
fn length(turns: &[Turn], way: Way) -> u64 {
    turns.iter().filter(|turn| turn.way == way).map(|turn| turn.bytes).sum()
}

/// Where a line is cut, one way.
#[derive(Debug, Clone, Copy)]
enum Place {
    /// After so many bytes.
    At(u64),
    /// After so many bytes of the n-th turn that way. A login has nonces of any length, so that what comes after it is found in each
    /// run by its turn, and not by bytes.
    In(usize, u64),
}

/// Where to cut one way of a batch that went in these turns when nobody cut it: all along its last turn, from before its first byte (back:
/// all was asked, and nothing of the last answer comes) to its end; before each of the turns that led up to it; and all along the whole.
fn places(turns: &[Turn], way: Way, cuts: u64) -> Vec<Place> {
    let some = cuts / 4;
    let (last, bytes) = last_turn(turns, way);
    let mut places: Vec<Place> = (0..=some).map(|n| Place::In(last, bytes * n / some)).collect();
    places.extend((0..last).rev().zip(0..some).map(|(turn, _)| Place::In(turn, 0)));
    let (whole, along) = (length(turns, way), cuts - places.len() as u64);
    places.extend((0..along).map(|n| Place::At(whole * n / along)));
    places
}

/// Which turn is the last one that way, and how many bytes it has.
fn last_turn(turns: &[Turn], way: Way) -> (usize, u64) {
    let there = turns.iter().filter(|turn| turn.way == way).map(|turn| turn.bytes);
    there.enumerate().last().expect("the batch went over this line")
}

/// Cuts the line at many points of a batch, each way. Whatever was told: nothing is there that was said not to be; and once the line
/// is mended, the same batch makes each account once.
pub async fn cut_at_every_point(subject: &mut dyn Subject) {
    let proxy = Proxy::before_address(subject.line());
    subject.put_foreign(&named("asing"));
    let foreign = subject.rows();
    let (turns, rows) = uncut(subject, &proxy, SIZE).await;
    let (mut unknown, mut transient) = (0, 0);
    for (round, way) in [Way::There, Way::Back].into_iter().enumerate() {
        let (last, answered) = last_turn(&turns, way);
        for (n, at) in places(&turns, way, subject.cuts()).into_iter().enumerate() {
            let target = subject.through(proxy.port());
            let mut works = batch(&*target, SIZE, 1000 * (round + 1) + n);
            match at {
                Place::At(bytes) => proxy.cut_after(way, bytes),
                Place::In(turn, bytes) => proxy.cut_in_turn(way, turn, bytes),
            }
            let first = target.apply(&works).await;
            drop(target);
            proxy.mend();
            tokio::task::block_in_place(|| proxy.settle());
            subject.recover();
            let (done, open) = told(&first);
            unknown += open;
            transient += SIZE - done - open;
            let there = found(subject, &works).await;
            assert!((done..=done + open).contains(&there), "{way:?} {at:?}: {there} there, {first:?}");
            if subject.whole_batches() {
                assert!(there == 0 || there == SIZE, "{way:?} {at:?}: a batch is whole or not at all: {there}");
                // The last turn there is the commit, and the last one back its answer.
                if let Place::In(turn, bytes) = at
                    && turn == last
                {
                    let expected = if bytes < answered { (0, SIZE) } else { (SIZE, 0) };
                    assert_eq!((done, open), expected, "{way:?} {at:?}: {first:?}");
                }
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
        let mut whole = 0;
        for n in 0..=ADOPTION_CUTS {
            subject.put_foreign(&neighbour);
            let alone = subject.rows();
            subject.put_foreign(&asing);
            let direct = subject.target();
            let credential = create(&asing, direct.schemes()).credential;
            let mut step = Work { adopted: Some(Box::new(asing.clone())), ..work(Action::Reset, &asing, credential) };
            step.external_id = direct.identify(std::slice::from_ref(&step)).await.remove(0).unwrap().external_id;
            proxy.watch();
            let target = subject.through(proxy.port());
            if n > 0 {
                proxy.cut_after(way, whole * (n - 1) / ADOPTION_CUTS);
            }
            let first = target.apply(std::slice::from_ref(&step)).await;
            if n == 0 {
                whole = length(&proxy.turns(), way);
                assert_eq!(told(&first).0, 1);
            }
            drop(target);
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
    let (turns, rows) = uncut(subject, &proxy, many).await;
    let length = length(&turns, Way::There);
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
        let asked = subject.through(proxy.port());
        assert!(asked.answers().await.is_err());
        tokio::task::block_in_place(|| subject.start_again());
        asked.answers().await.unwrap();
        let there = found(subject, &works).await;
        assert!((done..=done + open).contains(&there), "at {share} %: {there} there, {done} told, {open} open");
        finished(subject, &mut works, &foreign, rows).await;
    }
    subject.clear();
}

/// In which turns a batch goes over a new line that nobody cuts, and how many rows are there with it.
async fn uncut(subject: &dyn Subject, proxy: &Proxy, size: usize) -> (Vec<Turn>, usize) {
    // The first one brings along what later ones find there (a mail domain).
    for round in [0, 1] {
        proxy.watch();
        let target = subject.through(proxy.port());
        let works = batch(&*target, size, round);
        assert!(target.apply(&works).await.iter().all(Result::is_ok));
        let turns = proxy.turns();
        let rows = subject.rows().len();
        assert!(target.undo(&works).await.iter().all(Result::is_ok));
        if round == 1 {
            return (turns, rows);
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
