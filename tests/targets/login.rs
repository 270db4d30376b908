//! Proofs by login at real servers, target by target.

use crate::fixture::*;
use crate::peers::{FreeRadius, MASTER_USER, MailHost, SECRET, open_dir, setgid_dir};
use akund::config::proof::{MailProofConfig, RadiusMethod, RadiusProofConfig};
use akund::model::{Action, Fault, FaultClass, Proof, Scheme, Secret};
use akund::secret::hash;
use akund::target::login::Proofs;
use akund::target::mailmaps::MailMaps;
use akund::target::radius::Radius;
use akund::target::{Target, Work};
use std::path::PathBuf;
use tempfile::TempDir;

struct Mail {
    host: MailHost,
    database: PathBuf,
    _dir: TempDir,
}

impl Mail {
    fn start() -> Self {
        let dir = open_dir();
        let database = setgid_dir(dir.path(), "mail", "postfix").join("mail.db");
        drop(MailMaps::open("mail", &mail_config(&database)).unwrap());
        Self { host: MailHost::start(&database), database, _dir: dir }
    }

    fn proof(&self, imap: Option<String>, submission: Option<String>) -> MailProofConfig {
        let ca_file = Some(self.host.ca_file());
        MailProofConfig {
            imap,
            submission,
            starttls: true,
            ca_file,
            master_user: None,
            master_password_file: None,
            concurrency: 4,
            timeout_seconds: 60,
        }
    }

    fn target(&self, proof: &MailProofConfig) -> MailMaps {
        let mut config = mail_config(&self.database);
        config.home = self.host.homes();
        MailMaps::open("mail", &config)
            .unwrap()
            .proven_by(Proofs::of_mail(Some(proof), &|file| Ok(Secret::new(file.to_str().unwrap()))).unwrap())
    }
}

fn create(target: &dyn Target, local: &str) -> Work {
    work(Action::Create, &named(local), Some(hash::new_credential(target.schemes()).unwrap()))
}

async fn done(target: &dyn Target, work: &Work) {
    target.apply(std::slice::from_ref(work)).await.remove(0).unwrap();
}

async fn proven(target: &dyn Target, work: &Work) -> Result<Proof, Fault> {
    target.prove(std::slice::from_ref(work)).await.remove(0)
}

#[tokio::test]
async fn every_way_in_to_a_mail_server_proves_an_account_and_refuses_another_password() {
    let mail = Mail::start();
    let ports = (mail.host.imap, mail.host.imaps, mail.host.submission);
    let clear = MailProofConfig { starttls: false, ..mail.proof(Some(format!("imap://127.0.0.1:{}", ports.0)), None) };
    for (n, (proof, words)) in [
        (mail.proof(Some(format!("imaps://127.0.0.1:{}", ports.1)), None), "NO [AUTHENTICATIONFAILED]"),
        (mail.proof(Some(format!("imap://127.0.0.1:{}", ports.0)), None), "NO [AUTHENTICATIONFAILED]"),
        (clear, "NO [AUTHENTICATIONFAILED]"),
        (mail.proof(None, Some(format!("submission://localhost:{}", ports.2))), "535 5.7.8"),
    ]
    .into_iter()
    .enumerate()
    {
        let target = mail.target(&proof);
        for finding in target.check().await {
            finding.unwrap();
        }
        let mut work = create(&target, &format!("humas{n}"));
        done(&target, &work).await;
        assert_eq!(proven(&target, &work).await, Ok(Proof::Login), "{proof:?}");
        // The certificate is short-lived; of what goes in clear text the same server was seen before.
        let (place, until) = (proof.imap.as_deref().or(proof.submission.as_deref()).unwrap(), mail.host.until);
        let of_place = |(server, _): &(String, i64)| place.contains(server.as_str());
        assert_eq!(akund::tls::seen().into_iter().find(of_place).map(|(_, until)| until), Some(until), "{place}");

        // What is stored is not what is about to be sent.
        let mut other = work.clone();
        other.credential.as_mut().unwrap().password = Secret::new("s3 \"cr\\et} {5} ü");
        let fault = proven(&target, &other).await.unwrap_err();
        assert_eq!(fault.class, FaultClass::Permanent);
        assert!(fault.message.contains(words) && !fault.message.contains("humas"), "{fault}");

        // With the password at hand, a suspension is proven by a refusal.
        work.action = Action::Suspend;
        assert_eq!(class_of(&proven(&target, &work).await), FaultClass::Transient, "not suspended yet");
        done(&target, &work).await;
        assert_eq!(proven(&target, &work).await, Ok(Proof::Login));
        assert_eq!(proven(&target, &plain(Action::Suspend, &work.account)).await, Ok(Proof::Observed));
    }
}

#[tokio::test]
async fn a_master_user_shows_what_nobody_has_a_password_for() {
    let mail = Mail::start();
    let (user, password) = MASTER_USER;
    let imaps = Some(format!("imaps://127.0.0.1:{}", mail.host.imaps));
    // The reader of secrets gives back the file's name.
    let as_master = |password: &str| MailProofConfig {
        master_user: Some(user.into()),
        master_password_file: Some(password.into()),
        ..mail.proof(imaps.clone(), None)
    };
    let target = mail.target(&as_master(password));
    for finding in target.check().await {
        finding.unwrap();
    }
    let mut work = create(&target, "humas");
    done(&target, &work).await;
    let step = |action| plain(action, &work.account);
    for (action, proof) in [
        (Action::Suspend, Proof::Login),
        (Action::Resume, Proof::Login),
        (Action::Change, Proof::Observed),
        (Action::Remove, Proof::Login),
    ] {
        done(&target, &step(action)).await;
        assert_eq!(proven(&target, &step(action)).await, Ok(proof), "{action:?}");
    }
    // Of one whose password Dovecot does not take it learns nothing, and check says so.
    let stranger = mail.target(&as_master("salah"));
    work = create(&target, "humas2");
    done(&target, &work).await;
    let suspend = plain(Action::Suspend, &work.account);
    done(&target, &suspend).await;
    assert_eq!(proven(&stranger, &suspend).await, Ok(Proof::Observed));
    let told: Vec<String> = stranger.check().await.into_iter().filter_map(Result::err).collect();
    assert!(told.len() == 1 && told[0].contains("for the master user: NO [AUTHENTICATIONFAILED]"), "{told:?}");
    // What Dovecot still lets in is not suspended, whatever the tables say.
    assert_eq!(proven(&target, &suspend).await, Ok(Proof::Login));
    done(&target, &plain(Action::Resume, &work.account)).await;
    assert!(proven(&target, &suspend).await.is_err());
}

#[tokio::test]
async fn a_mail_server_that_cannot_be_asked_is_told_of_as_what_is_wrong_with_it() {
    let mut mail = Mail::start();
    let stranger = tempfile::NamedTempFile::new().unwrap();
    let other_ca = rcgen::generate_simple_self_signed(["ca.example.org".to_owned()]).unwrap();
    std::fs::write(stranger.path(), other_ca.cert.pem()).unwrap();
    let imaps = format!("imaps://127.0.0.1:{}", mail.host.imaps);
    let untrusted =
        MailProofConfig { ca_file: Some(stranger.path().to_owned()), ..mail.proof(Some(imaps.clone()), None) };
    for (proof, words) in [
        (untrusted, "shows a certificate that is not trusted"),
        (
            mail.proof(Some(format!("imaps://127.0.0.2:{}", mail.host.imaps)), None),
            "cannot be reached: Connection refused",
        ),
        (mail.proof(Some("imaps://mail.invalid".into()), None), "cannot be looked up"),
        (mail.proof(Some(format!("imap://127.0.0.1:{}", mail.host.smtp)), None), "does not speak IMAP"),
        (mail.proof(Some(format!("imaps://127.0.0.1:{}", mail.host.imap)), None), "could not agree on TLS"),
        (mail.proof(None, Some(format!("submission://127.0.0.1:{}", mail.host.imap))), "could not be used"),
    ] {
        let target = mail.target(&proof);
        let work = create(&target, "humas");
        done(&target, &work).await;
        let fault = proven(&target, &work).await.unwrap_err();
        assert_eq!(fault.class, FaultClass::Transient, "{fault}");
        assert!(fault.message.contains(words), "{words}: {fault}");
        let found: Vec<String> = target.check().await.into_iter().filter_map(Result::err).collect();
        assert!(found.len() == 1 && found[0].contains(words), "{words}: {found:?}");
        for undone in target.undo(&[work]).await {
            undone.unwrap();
        }
    }
    mail.host.stop_dovecot();
    let target = mail.target(&mail.proof(Some(imaps), None));
    let work = create(&target, "humas");
    done(&target, &work).await;
    assert_eq!(class_of(&proven(&target, &work).await), FaultClass::Transient);
    mail.host.start_dovecot();
    assert_eq!(proven(&target, &work).await, Ok(Proof::Login));
}

struct Hotspot {
    server: FreeRadius,
    database: PathBuf,
    secret: PathBuf,
    _dir: TempDir,
}

impl Hotspot {
    fn start() -> Self {
        let dir = open_dir();
        let database = setgid_dir(dir.path(), "radius", "freerad").join("radius.db");
        drop(Radius::open("hotspot", &radius_config(&database, Scheme::NtHash)).unwrap());
        let secret = dir.path().join("secret");
        Self { server: FreeRadius::start(&database, "Asia/Jakarta"), database, secret, _dir: dir }
    }

    fn target(&self, scheme: Scheme, methods: Option<Vec<RadiusMethod>>, secret: &str) -> Radius {
        let config = radius_config(&self.database, scheme);
        let proof = RadiusProofConfig {
            server: format!("127.0.0.1:{}", self.server.port),
            secret_file: self.secret.clone(),
            methods,
            nas_identifier: "akund".into(),
            concurrency: 4,
            // FreeRADIUS says nothing to who has another secret.
            timeout_seconds: if secret == SECRET { 60 } else { 5 },
        };
        let read = |_: &std::path::Path| Ok(Secret::new(secret));
        let mut proven = config.clone();
        proven.proof = Some(proof);
        let proofs = Proofs::of_radius(&proven, &read).unwrap();
        Radius::open("hotspot", &config).unwrap().proven_by(proofs)
    }
}

#[tokio::test]
async fn freeradius_proves_accounts_by_the_methods_that_what_is_stored_serves() {
    let hotspot = Hotspot::start();
    for (local, scheme, methods) in [
        ("humas", Scheme::NtHash, None),
        ("pers", Scheme::NtHash, Some(vec![RadiusMethod::Mschapv2])),
        ("arsip", Scheme::Sha512Crypt, None),
    ] {
        let target = hotspot.target(scheme, methods, SECRET);
        let mut work = create(&target, local);
        done(&target, &work).await;
        assert_eq!(proven(&target, &work).await, Ok(Proof::Login), "{local}");
        let mut other = work.clone();
        other.credential.as_mut().unwrap().password = Secret::new("kata sandi lain ü");
        let fault = proven(&target, &other).await.unwrap_err();
        assert!(fault.class == FaultClass::Permanent && fault.message.contains("refused the login of"), "{fault}");
        assert!(!fault.message.contains(local), "{fault}");
        // As the daemon asks, which no longer has the password: the server itself says that the account is closed.
        let suspend = plain(Action::Suspend, &work.account);
        work.action = Action::Suspend;
        assert!(proven(&target, &suspend).await.is_err(), "it is open still");
        done(&target, &work).await;
        assert_eq!(proven(&target, &work).await, Ok(Proof::Login), "refused");
        assert_eq!(proven(&target, &suspend).await, Ok(Proof::Login), "said to be closed");
        // Without its notice nothing tells it from an open one.
        let database = rusqlite::Connection::open(&hotspot.database).unwrap();
        database.execute("DELETE FROM radreply WHERE attribute = 'Reply-Message'", []).unwrap();
        assert_eq!(proven(&target, &suspend).await, Ok(Proof::Observed));
        done(&target, &plain(Action::Resume, &work.account)).await;
        let told: i64 = database.query_row("SELECT count(*) FROM radreply", [], |row| row.get(0)).unwrap();
        assert_eq!(told, 0);
    }
    // What is stored does not serve MS-CHAP: the server says no, though PAP would do.
    let target = hotspot.target(Scheme::Sha512Crypt, Some(vec![RadiusMethod::Pap, RadiusMethod::Mschapv2]), SECRET);
    let work = create(&target, "tamu");
    done(&target, &work).await;
    let fault = proven(&target, &work).await.unwrap_err();
    assert!(fault.class == FaultClass::Permanent && fault.message.contains("by MS-CHAPv2"), "{fault}");
}

/// FreeRADIUS's own listener, which logs what it is told.
#[tokio::test]
async fn a_changed_account_s_session_is_told_its_new_profile_and_end() {
    let hotspot = Hotspot::start();
    let config = |change: &str| -> akund::config::target::RadiusConfig {
        let text = format!(
            "database = \"{}\"\npassword = \"nt-hash\"\n[profile.tamu.reply]\nMikrotik-Rate-Limit = \"1M/1M\"\n\
             [profile.staf.reply]\nMikrotik-Rate-Limit = \"9M/9M\"\n[[nas]]\naddress = \"127.0.0.1:{}\"\n\
             secret_file = \"x\"\nchange = \"{change}\"\n",
            hotspot.database.display(),
            hotspot.server.nas_port
        );
        toml::from_str(&text).unwrap_or_else(|e| panic!("{e}"))
    };
    let target = |change: &str| {
        let config = config(change);
        let proofs = Proofs::of_radius(&config, &|_| Ok(Secret::new(SECRET))).unwrap();
        Radius::open("hotspot", &config).unwrap().proven_by(proofs)
    };
    let coa = target("coa");
    for finding in coa.check().await {
        finding.unwrap();
    }
    let mut work = create(&coa, "humas");
    work.account.group = Some("tamu".into());
    done(&coa, &work).await;
    proven(&coa, &work).await.unwrap();
    assert!(hotspot.server.changed().is_empty() && hotspot.server.disconnected().is_empty());
    (work.action, work.account.group) = (Action::Change, Some("staf".into()));
    (work.account.ends_at, work.credential) = (from_now(1000), None);
    done(&coa, &work).await;
    proven(&coa, &work).await.unwrap();
    let told = hotspot.server.changed();
    assert!(told.len() == 1 && told[0].starts_with("humas 9M/9M "), "{told:?}");
    let left: u32 = told[0].rsplit_once(' ').unwrap().1.parse().unwrap();
    assert!((900..=1000).contains(&left), "{told:?}");
    // A profile of somebody else's: nobody knows what it gives, so the user logs in anew.
    work.account.group = Some("lain".into());
    done(&coa, &work).await;
    proven(&coa, &work).await.unwrap();
    assert_eq!(hotspot.server.disconnected(), ["humas"]);
    for (change, ended) in [("none", 1), ("disconnect", 2)] {
        proven(&target(change), &work).await.unwrap();
        assert_eq!((hotspot.server.changed().len(), hotspot.server.disconnected().len()), (1, ended), "{change}");
    }
    // A comparison with the register reads every account back, and must end nobody's session.
    for change in ["coa", "disconnect"] {
        assert_eq!(target(change).read_back(std::slice::from_ref(&work)).await, [Ok(Proof::Observed)]);
    }
    assert_eq!((hotspot.server.changed().len(), hotspot.server.disconnected().len()), (1, 2));
}

#[tokio::test]
async fn another_secret_and_a_server_that_is_gone_are_told_apart() {
    let mut hotspot = Hotspot::start();
    let target = hotspot.target(Scheme::NtHash, None, "lain");
    let work = create(&target, "humas");
    done(&target, &work).await;
    let fault = proven(&target, &work).await.unwrap_err();
    assert!(
        fault.class == FaultClass::Transient && fault.message.contains("or when the shared secret is another one"),
        "{fault}"
    );
    assert!(
        target.check().await.iter().any(|finding| finding.as_ref().is_err_and(|told| told.contains("shared secret")))
    );
    hotspot.server.stop();
    let fault = proven(&target, &work).await.unwrap_err();
    assert!(fault.class == FaultClass::Transient && fault.message.contains("nothing listens on that port"), "{fault}");
    assert!(hotspot.server.go_on());
    let target = hotspot.target(Scheme::NtHash, None, SECRET);
    assert_eq!(proven(&target, &work).await, Ok(Proof::Login));
    for finding in target.check().await {
        finding.unwrap();
    }
}

#[tokio::test]
async fn a_batch_is_proven_entry_by_entry() {
    let hotspot = Hotspot::start();
    let target = hotspot.target(Scheme::NtHash, None, SECRET);
    let mut batch: Vec<Work> = (0..100).map(|n| create(&target, &format!("n{n:03}"))).collect();
    for made in target.apply(&batch).await {
        made.unwrap();
    }
    batch[7].credential.as_mut().unwrap().password = Secret::new("lain");
    for (n, answer) in target.prove(&batch).await.into_iter().enumerate() {
        match n {
            7 => assert_eq!(class_of(&answer), FaultClass::Permanent),
            _ => assert_eq!(answer, Ok(Proof::Login), "{n}"),
        }
    }
}
