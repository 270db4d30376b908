//! Lines that break: a connection cut at every point, a server that ends in mid-batch, one that is not there.

use crate::fixture::*;
use crate::peers::{MariaDb, Postgres};
use crate::proxy::{Proxy, Way};
use akund::config::database::Database;
use akund::model::{Action, FaultClass};
use akund::secret::hash;
use akund::target::mailmaps::MailMaps;
use akund::target::radius::Radius;
use akund::target::{Target, Work};

const CUTS: u64 = 40;

/// A target whose line goes through a proxy, and the database behind it.
fn behind_a_proxy(engine: Engine, radius: bool) -> (Bench, Proxy) {
    let base = Base::new(engine);
    let (proxy, url, password_file) = match &base {
        Base::File(..) => panic!("a file has no line"),
        Base::Postgres(server, name) => {
            let proxy = Proxy::before(server.port());
            let url = server.url(name, proxy.port());
            (proxy, url, server.password_file())
        }
        Base::MariaDb(server, name) => {
            let proxy = Proxy::before(server.port());
            let url = server.url(name, proxy.port());
            (proxy, url, server.password_file())
        }
    };
    let (database, password_file) = (Database::parse(&url).unwrap(), Some(password_file));
    let target: Box<dyn Target> = if radius {
        let mut config = base.radius_config(akund::model::Scheme::NtHash);
        (config.database, config.password_file) = (database, password_file);
        Box::new(Radius::open("hotspot", &config).unwrap())
    } else {
        let mut config = base.mail_config();
        (config.database, config.password_file) = (database, password_file);
        Box::new(MailMaps::open("mail", &config).unwrap())
    };
    (Bench::with(base, target), proxy)
}

fn batch(bench: &Bench, from: usize) -> Vec<Work> {
    let credential = hash::new_credential(bench.target.schemes()).unwrap();
    (from..from + 5).map(|n| work(Action::Create, &account(n), Some(credential.clone()))).collect()
}

/// A new connection, so that every batch has the same length on the line.
async fn fresh(bench: &Bench, proxy: &Proxy) {
    proxy.cut_after(Way::There, 0);
    let _ = bench.target.find(&["nobody".to_owned()]).await;
    proxy.mend();
    bench.target.find(&[]).await.unwrap();
}

/// Cuts the line at many points of one batch, each way. Whatever was told: nothing is there that was said not to be, all or
/// nothing of a batch is there, and once the line is mended the same batch makes each account once.
async fn cut_at_every_point(engine: Engine, radius: bool) {
    let (bench, proxy) = behind_a_proxy(engine, radius);
    fresh(&bench, &proxy).await;
    bench.put_foreign(&named("asing"));
    let foreign = bench.rows();
    let (there, back) = (proxy.passed(Way::There), proxy.passed(Way::Back));
    let first = batch(&bench, 0);
    for answer in bench.target.apply(&first).await {
        answer.unwrap();
    }
    let long = [proxy.passed(Way::There) - there, proxy.passed(Way::Back) - back];
    let (mut unknown, mut transient, mut from) = (0, 0, 5);
    for way in [Way::There, Way::Back] {
        let length = long[way as usize];
        for cut in 0..CUTS {
            // The last bytes are the most telling ones.
            let at = if cut < CUTS / 2 { length * cut / (CUTS / 2) } else { length.saturating_sub(cut - CUTS / 2) };
            fresh(&bench, &proxy).await;
            let works = batch(&bench, from);
            from += 5;
            proxy.cut_after(way, at);
            let answers = bench.target.apply(&works).await;
            proxy.mend();
            let names: Vec<String> = works.iter().map(|w| bench.name_of(&w.account)).collect();
            let found = loop {
                // What the server has not yet noticed, it has not yet taken back.
                match bench.target.find(&names).await {
                    Ok(found) => break found.len(),
                    Err(fault) => assert_eq!(fault.class, FaultClass::Transient, "{fault}"),
                }
            };
            assert!(found == 0 || found == 5, "{way:?} {at}: a batch is whole or not at all: {found}");
            match answers.iter().map(|a| a.as_ref().map(|_| ()).map_err(|f| f.class)).next().unwrap() {
                Ok(()) => assert_eq!(found, 5, "{way:?} {at}"),
                Err(FaultClass::Transient) => {
                    transient += 1;
                    assert_eq!(found, 0, "{way:?} {at}: it was said that nothing happened");
                }
                Err(FaultClass::Unknown) => unknown += 1,
                Err(other) => panic!("{way:?} {at}: {other:?}: {:?}", answers[0]),
            }
            for answer in bench.target.apply(&works).await {
                answer.unwrap();
            }
            for proof in bench.target.prove(&works).await {
                proof.unwrap();
            }
        }
    }
    assert!(unknown > 0 && transient > 10, "both were met: {unknown} unknown, {transient} transient");
    let rows = bench.rows();
    let kept = |row: &String| rows.contains(row) || row.contains("domains");
    assert!(foreign.iter().all(kept), "what is not akund's is as it was");
    let table = if radius { "radcheck:" } else { "mailboxes:" };
    let made = rows.iter().filter(|row| row.starts_with(table)).count();
    assert_eq!(made, from + 1, "each account once, and the foreign one");
}

#[tokio::test]
async fn a_line_to_postgresql_cut_at_any_point_makes_no_account_twice_and_loses_none() {
    for radius in [false, true] {
        cut_at_every_point(Engine::Postgres, radius).await;
    }
}

#[tokio::test]
async fn a_line_to_mariadb_cut_at_any_point_makes_no_account_twice_and_loses_none() {
    for radius in [false, true] {
        cut_at_every_point(Engine::MariaDb, radius).await;
    }
}

/// A server of its own, which ends while a batch is under way and comes back.
async fn ends_in_mid_batch(target: &dyn Target, mut end: impl FnMut() + Send, mut start: impl FnMut()) {
    let credential = hash::new_credential(target.schemes()).unwrap();
    let works: Vec<Work> = (0..1000).map(|n| work(Action::Create, &account(n), Some(credential.clone()))).collect();
    target.find(&[]).await.unwrap();
    let (answers, ()) = tokio::join!(target.apply(&works), async {
        tokio::time::sleep(std::time::Duration::from_millis(15)).await;
        tokio::task::block_in_place(&mut end);
    });
    let lost = answers.iter().filter(|a| a.is_err()).count();
    assert!(lost == 0 || lost == 1000, "all or nothing: {lost}");
    for answer in answers.iter().filter(|a| a.is_err()) {
        assert!([FaultClass::Transient, FaultClass::Unknown].contains(&class_of(answer)), "{answer:?}");
    }
    let down = target.apply(&works[..1]).await.remove(0);
    assert_eq!(class_of(&down), FaultClass::Transient, "{down:?}");
    tokio::task::block_in_place(&mut start);
    for answer in target.apply(&works).await {
        answer.unwrap();
    }
    for proof in target.prove(&works).await {
        proof.unwrap();
    }
    for undone in target.undo(&works).await {
        undone.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_postgresql_that_ends_in_mid_batch_and_comes_back_loses_nothing() {
    let server = std::sync::Mutex::new(Postgres::start());
    let (url, name) = {
        let server = server.lock().unwrap();
        let name = server.database();
        (server.socket_url(&name), name)
    };
    assert!(!name.is_empty());
    let mut config = mail_config(std::path::Path::new(""));
    config.database = Database::parse(&url).unwrap();
    let target = MailMaps::open("mail", &config).unwrap();
    ends_in_mid_batch(&target, || server.lock().unwrap().kill(), || server.lock().unwrap().start_again()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mariadb_that_ends_in_mid_batch_and_comes_back_loses_nothing() {
    let server = std::sync::Mutex::new(MariaDb::start());
    let mut config = radius_config(std::path::Path::new(""), akund::model::Scheme::NtHash);
    {
        let server = server.lock().unwrap();
        let name = server.database();
        config.database = Database::parse(&server.socket_url(&name)).unwrap();
        config.password_file = Some(server.password_file());
    }
    let target = Radius::open("hotspot", &config).unwrap();
    ends_in_mid_batch(&target, || server.lock().unwrap().kill(), || server.lock().unwrap().start_again()).await;
}
