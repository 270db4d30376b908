use super::*;
use crate::model::{Account, AccountUid, FaultClass, Secret, StepId};
use md5::{Digest, Md5};
use std::time::Duration;
use tokio::net::UdpSocket;

const SECRET: &str = "rahasia bersama";

/// A NAS that gives every request this answer, and the requests that it was given.
async fn nas(code: u8, attributes: &'static [u8]) -> (Peer, tokio::sync::mpsc::UnboundedReceiver<Vec<u8>>) {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let place = socket.local_addr().unwrap().to_string();
    let (told, requests) = tokio::sync::mpsc::unbounded_channel();
    tokio::spawn(async move {
        let mut buffer = [0; 4096];
        while let Ok((length, from)) = socket.recv_from(&mut buffer).await {
            let request = &buffer[..length];
            let mut answer = vec![code, request[1], 0, 0];
            answer.extend(&request[4..20]);
            answer.extend(attributes);
            let length = u16::try_from(answer.len()).unwrap();
            answer[2..4].copy_from_slice(&length.to_be_bytes());
            let authenticator = Md5::new().chain_update(&answer).chain_update(SECRET).finalize();
            answer[4..20].copy_from_slice(&authenticator);
            socket.send_to(&answer, from).await.unwrap();
            let _ = told.send(request.to_vec());
        }
    });
    (Peer::new(&place, Secret::new(SECRET), Duration::from_secs(5)), requests)
}

pub(in crate::target) fn work(action: Action) -> Work {
    let account = Account::bare(AccountUid(uuid::Uuid::new_v4()), "humas".parse().unwrap());
    Work { step: StepId(1), action, account, external_id: None, credential: None, uncertain: false, adopted: None }
}

fn servers(peers: Vec<Peer>) -> AccessServers {
    let nas = |peer| Nas { peer, change: NasChange::None };
    AccessServers::new(peers.into_iter().map(nas).collect(), Sessions::default())
}

async fn told(peers: Vec<Peer>, action: Action) -> Result<Proof, Fault> {
    servers(peers).after_reading_back(&[work(action)], vec![Ok(Proof::Observed)]).await.remove(0)
}

#[tokio::test]
async fn a_request_names_the_user_and_is_signed_as_the_rfc_wants_it() {
    let (peer, mut requests) = nas(code::DISCONNECT_ACK, b"").await;
    assert_eq!(told(vec![peer], Action::Suspend).await, Ok(Proof::Observed));
    let request = requests.recv().await.unwrap();
    assert_eq!(request[0], 40);
    assert!(request.windows(7).any(|attribute| attribute == b"\x01\x07humas"));
    // RFC 5176 §2.3: MD5 over the packet with a zero authenticator, and the secret.
    let mut zeroed = request.clone();
    zeroed[4..20].fill(0);
    let authenticator = Md5::new().chain_update(&zeroed).chain_update(SECRET).finalize();
    assert_eq!(request[4..20], authenticator[..]);
}

#[tokio::test]
async fn what_a_nas_answers_decides() {
    for (code, attributes, expected) in [
        (code::DISCONNECT_ACK, &b""[..], Ok(())),
        (code::DISCONNECT_NAK, b"\x65\x06\0\0\x01\xf7", Ok(())),
        (
            code::DISCONNECT_NAK,
            b"\x65\x06\0\0\x01\xf5",
            Err((FaultClass::Permanent, "its administrator forbids it (Error-Cause 501)")),
        ),
        (
            code::DISCONNECT_NAK,
            b"\x65\x06\0\0\x01\xfa",
            Err((FaultClass::Transient, "it has no resources left (Error-Cause 506)")),
        ),
        (code::DISCONNECT_NAK, b"\x12\x07penuh", Err((FaultClass::Permanent, "it does not say why; it said: penuh"))),
        (code::ACCESS_ACCEPT, b"", Err((FaultClass::Transient, "an answer that does not fit (code 2)"))),
    ] {
        let (peer, _requests) = nas(code, attributes).await;
        let answer = told(vec![peer], Action::Remove).await;
        match (answer, expected) {
            (Ok(proof), Ok(())) => assert_eq!(proof, Proof::Observed),
            (Err(fault), Err((class, words))) => {
                assert!(fault.class == class && fault.message.contains(words), "{fault}");
                assert!(
                    fault.message.contains("it can no longer log in, but a session may still be open: NAS 127.0.0.1:")
                );
                assert!(!fault.message.contains("humas"));
            }
            (answer, expected) => panic!("{answer:?} instead of {expected:?}"),
        }
    }
}

#[tokio::test]
async fn only_suspend_and_remove_end_sessions_and_only_once_the_account_is_shut() {
    let (peer, mut requests) = nas(code::DISCONNECT_ACK, b"").await;
    for action in [Action::Create, Action::Change, Action::Reset, Action::Resume] {
        assert_eq!(told(vec![peer.clone()], action).await, Ok(Proof::Observed));
    }
    let open = vec![Err(Fault::transient("it can still log in"))];
    let servers = servers(vec![peer.clone()]);
    assert!(servers.after_reading_back(&[work(Action::Suspend)], open).await.remove(0).is_err());
    assert!(requests.try_recv().is_err(), "nobody was told anything");
    assert!(told(vec![peer], Action::Suspend).await.is_ok() && requests.recv().await.is_some());
}

#[tokio::test]
async fn every_nas_is_told_and_each_that_fails_is_named() {
    let (good, mut requests) = nas(code::DISCONNECT_ACK, b"").await;
    let (forbids, _requests) = nas(code::DISCONNECT_NAK, b"\x65\x06\0\0\x01\xf5").await;
    let gone = Peer::new("127.0.0.1:9", Secret::new(SECRET), Duration::from_secs(5));
    let fault = told(vec![forbids.clone(), gone, good], Action::Suspend).await.unwrap_err();
    assert_eq!(fault.class, FaultClass::Transient, "what may pass goes before what will not");
    assert!(fault.message.contains("127.0.0.1:9 is not there") && fault.message.contains(forbids.place()), "{fault}");
    assert!(requests.recv().await.is_some());
}

#[tokio::test]
async fn a_batch_does_not_wait_for_a_silent_nas_with_every_account() {
    let silent = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let limit = Duration::from_millis(200);
    let peer = Peer::new(&silent.local_addr().unwrap().to_string(), Secret::new(SECRET), limit);
    let batch: Vec<Work> = (0..600 * AT_ONCE).map(|_| work(Action::Suspend)).collect();
    let seen = batch.iter().map(|_| Ok(Proof::Observed)).collect();
    let begun = std::time::Instant::now();
    let proven = servers(vec![peer]).after_reading_back(&batch, seen).await;
    // With every sixteen after the other it would take two minutes.
    assert!(begun.elapsed() < 300 * limit, "{:?}", begun.elapsed());
    assert_eq!(proven.len(), batch.len());
    for answer in proven {
        assert_eq!(answer.unwrap_err().class, FaultClass::Transient, "nobody passes for shut out");
    }
}

/// What a changed account's session is given: a rate, for everybody.
fn rates() -> Sessions {
    let text = "database = \"/nowhere/radius.db\"\n[reply]\nMikrotik-Rate-Limit = \"2M/5M\"\n";
    Sessions::configured(&toml::from_str(text).unwrap()).unwrap()
}

async fn changed(peer: &Peer, change: NasChange, work: &Work) -> Result<Proof, Fault> {
    let servers = AccessServers::new(vec![Nas { peer: peer.clone(), change }], rates());
    servers.after_reading_back(std::slice::from_ref(work), vec![Ok(Proof::Observed)]).await.remove(0)
}

#[tokio::test]
async fn a_change_gives_the_session_its_new_attributes_where_the_nas_is_to_be_told() {
    let (peer, mut requests) = nas(code::COA_ACK, b"").await;
    assert_eq!(changed(&peer, NasChange::None, &work(Action::Change)).await, Ok(Proof::Observed));
    assert!(requests.try_recv().is_err(), "nobody was told anything");
    assert_eq!(changed(&peer, NasChange::Coa, &work(Action::Change)).await, Ok(Proof::Observed));
    let request = requests.recv().await.unwrap();
    assert_eq!(request[0], 43);
    for attribute in [&b"\x01\x07humas"[..], b"\x1a\x0d\0\0\x3a\x8c\x08\x072M/5M"] {
        assert!(request.windows(attribute.len()).any(|part| part == attribute), "{request:02x?}");
    }
    for action in [Action::Create, Action::Reset, Action::Resume] {
        changed(&peer, NasChange::Coa, &work(action)).await.unwrap();
    }
    assert!(requests.try_recv().is_err());
}

#[tokio::test]
async fn a_session_that_cannot_be_changed_as_wanted_is_ended() {
    let (peer, mut requests) = nas(code::DISCONNECT_ACK, b"").await;
    let mut over = work(Action::Change);
    over.account.ends_at = Some(Timestamp::from_second(1).unwrap());
    let mut unknown = work(Action::Change);
    unknown.account.group = Some("lain".into());
    for (change, work) in
        [(NasChange::Coa, over), (NasChange::Coa, unknown), (NasChange::Disconnect, work(Action::Change))]
    {
        changed(&peer, change, &work).await.unwrap();
        assert_eq!(requests.recv().await.unwrap()[0], 40);
    }
}

#[tokio::test]
async fn what_a_nas_answers_to_a_change_decides() {
    let cannot = "refused to change the session of h…: it cannot change sessions; set change = \"disconnect\"";
    for (code, attributes, expected) in [
        (code::COA_NAK, &b"\x65\x06\0\0\x01\xf7"[..], Ok(())),
        (code::COA_NAK, b"\x65\x06\0\0\x01\x96", Err((FaultClass::Permanent, cannot))),
        (code::COA_NAK, b"\x65\x06\0\0\x01\x91", Err((FaultClass::Permanent, "(Error-Cause 401)"))),
        (code::COA_NAK, b"\x65\x06\0\0\x01\xfa", Err((FaultClass::Transient, "no resources left"))),
        (code::DISCONNECT_ACK, b"", Err((FaultClass::Transient, "an answer that does not fit (code 41)"))),
    ] {
        let (peer, _requests) = nas(code, attributes).await;
        match (changed(&peer, NasChange::Coa, &work(Action::Change)).await, expected) {
            (Ok(_), Ok(())) => {}
            (Err(fault), Err((class, words))) => {
                assert!(fault.class == class && fault.message.contains(words), "{fault}");
                assert!(fault.message.contains("it is changed, but a session may go on as it was: NAS 127.0.0.1:"));
            }
            (answer, expected) => panic!("{answer:?} instead of {expected:?}"),
        }
    }
    let silent = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let place = silent.local_addr().unwrap().to_string();
    let peer = Peer::new(&place, Secret::new(SECRET), Duration::from_millis(200));
    let fault = changed(&peer, NasChange::Coa, &work(Action::Change)).await.unwrap_err();
    assert!(fault.class == FaultClass::Transient && fault.message.contains("did not answer"), "{fault}");
}
