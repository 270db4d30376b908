//! What akund refuses to believe or to do, and how it says so.

use crate::fixture::*;
use crate::foreign::postmap_that;
use akund::config::target::{MapFilesConfig, MapKind};
use akund::model::{Action, FaultClass, Scheme};
use akund::target::Target;
use akund::target::mapfiles::MapFiles;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};

#[tokio::test]
async fn a_file_that_was_emptied_lost_or_cut_is_an_error_and_never_no_accounts() {
    type Damage = fn(&std::path::Path);
    let damages: [(&str, Damage); 3] = [
        ("emptied", |path| fs::write(path, "").unwrap()),
        ("lost", |path| fs::remove_file(path).unwrap()),
        ("cut", |path| {
            let text = fs::read(path).unwrap();
            fs::write(path, &text[..text.len() / 3]).unwrap();
        }),
    ];
    let bench = Bench::new(MapKind::Lmdb);
    let batch: Vec<_> = (0..60).map(|n| bench.create(&account(n))).collect();
    for applied in bench.target.apply(&batch).await {
        applied.unwrap();
    }
    for name in ["passwd", "mailboxes"] {
        for (what, damage) in damages {
            let whole = bench.text(name);
            damage(bench.path(name));
            let rest = fs::read(bench.path(name)).ok();
            let more = bench.create(&named("humas"));
            let told = bench.apply(&more).await;
            assert_eq!(class_of(&told), FaultClass::Transient, "{name} {what}");
            let told = told.unwrap_err().message;
            assert!(
                told.contains("and had 60 after akund's last write") && told.contains(".passwd.akund-state"),
                "{told}"
            );
            assert!(bench.target.find(&["n001@example.org".into()]).await.is_err(), "{name} {what}");
            assert!(bench.prove(&plain(Action::Remove, &batch[1].account)).await.is_err(), "{name} {what}");
            assert_eq!(class_of(&bench.undo(&batch[0]).await), FaultClass::Transient, "{name} {what}");
            assert!(MapFiles::open("mail", &bench.config).is_ok(), "the daemon starts, and the lane waits");
            assert_eq!(fs::read(bench.path(name)).ok(), rest, "{name} {what}: nothing is written");
            fs::write(bench.path(name), whole).unwrap();
            bench.apply(&more).await.unwrap();
            bench.undo(&more).await.unwrap();
        }
    }
    fs::write(bench.path("aliases"), "").unwrap();
    fs::write(bench.path("mailboxes"), "").unwrap();
    fs::remove_file(bench.config.passwd.with_file_name(".passwd.akund-state")).unwrap();
    bench.apply(&bench.create(&named("humas"))).await.unwrap();
}

/// A disk that was lost takes what akund remembers beside the files with it: only the register knows then that there were accounts.
#[tokio::test]
async fn files_that_are_gone_with_all_beside_them_are_not_made_anew_where_the_register_has_accounts() {
    let bench = Bench::new(MapKind::Lmdb);
    let dir = bench.config.passwd.parent().unwrap();
    for name in ["passwd", "mailboxes", "aliases", "domains", ".passwd.akund-state"] {
        let _ = fs::remove_file(dir.join(name));
    }
    let registered = MapFiles::configured("mail", &bench.config).unwrap();
    registered.expect_accounts();
    registered.make_ready().unwrap();
    let create = bench.create(&named("humas"));
    let told = registered.apply(std::slice::from_ref(&create)).await.remove(0).unwrap_err();
    assert!(told.class == FaultClass::Transient && told.message.contains("is gone, and the register has"), "{told}");
    assert!(registered.find(&["humas@example.org".into()]).await.is_err());
    assert!(registered.answers().await.unwrap_err().message.contains("is gone, and the register has"));
    let wrong: Vec<String> = registered.check().await.into_iter().filter_map(Result::err).collect();
    assert!(wrong.iter().any(|told| told.contains("is gone, and the register has")), "{wrong:?}");
    assert!(!bench.config.passwd.exists() && !dir.join("mailboxes").exists());
    fs::write(&bench.config.passwd, "").unwrap();
    fs::write(dir.join("mailboxes"), "").unwrap();
    registered.answers().await.unwrap();
    registered.apply(&[create]).await.remove(0).unwrap();
    fs::write(dir.join("mailboxes"), "").unwrap();
    let told = registered.answers().await.unwrap_err();
    assert!(told.message.contains("mailboxes has 0 entries, and had 1"), "{told}");
}

/// How many may go is decided where each is approved: an approved removal is carried out, the 21st of a day as the first.
#[tokio::test]
async fn every_approved_removal_of_a_day_is_carried_out_and_akund_believes_its_files_afterwards() {
    let bench = Bench::new(MapKind::Cdb);
    let batch: Vec<_> = (0..60).map(|n| bench.create(&account(n))).collect();
    bench.target.apply(&batch).await;
    let removals: Vec<_> = batch.iter().map(|work| plain(Action::Remove, &work.account)).collect();
    for part in removals.chunks(29) {
        for removed in bench.target.apply(part).await {
            removed.unwrap();
        }
        for proof in bench.target.prove(part).await {
            proof.unwrap();
        }
    }
    assert_eq!(bench.text("mailboxes"), "");
    bench.apply(&bench.create(&named("humas"))).await.unwrap();
}

#[tokio::test]
async fn a_postmap_that_fails_changes_nothing_and_says_why() {
    let bench = Bench::new(MapKind::Hash);
    let dir = bench.config.passwd.parent().unwrap();
    let before = bench.rows();
    for (postmap, words) in [
        (postmap_that(dir, "echo 'postmap: fatal: no disk left' >&2; exit 1"), "no disk left"),
        (dir.join("no-such-postmap"), "cannot be run"),
    ] {
        let mut config = bench.config.clone();
        config.postmap = postmap;
        let target = MapFiles::open("mail", &config).unwrap();
        let told = target.apply(&[bench.create(&named("humas"))]).await.remove(0);
        assert_eq!(class_of(&told), FaultClass::Transient);
        assert!(told.unwrap_err().message.contains(words));
        assert_eq!(bench.rows(), before);
    }
    bench.apply(&bench.create(&named("humas"))).await.unwrap();
}

/// As `postmap` does on a nearly full disk: with lmdb it ends with success and has made an empty map.
#[tokio::test]
async fn an_index_that_lacks_entries_of_its_text_never_takes_the_place_of_a_whole_one() {
    for kind in [MapKind::Hash, MapKind::Lmdb, MapKind::Cdb] {
        let bench = Bench::new(kind);
        let dir = bench.config.passwd.parent().unwrap();
        bench.append("mailboxes", "Tangan@Example.org x\n\"dua kata\"@example.org y\ntanpa-nilai\n");
        let first = bench.create(&named("humas"));
        bench.apply(&first).await.unwrap();
        let before = bench.rows();
        let mut config = bench.config.clone();
        // Asked, it answers; making a map it is given nothing to put in.
        let real = config.postmap.display().to_string();
        let script = format!(
            "case \"$3\" in *akund-tmp) d=$(mktemp -d); : > $d/m; {real} -c $2 ${{3%%:*}}:$d/m; \
             for f in $d/m.*; do mv $f ${{3#*:}}.${{f##*.}}; done; exit 0;; esac"
        );
        config.postmap = postmap_that(dir, &script);
        let target = MapFiles::open("mail", &config).unwrap();
        let told = target.apply(&[bench.create(&named("dekan"))]).await.remove(0);
        assert_eq!(class_of(&told), FaultClass::Transient);
        let told = told.unwrap_err().message;
        assert!(told.contains("has left out") && told.contains("disk full"), "{told}");
        assert_eq!(bench.rows(), before);
        bench.prove(&first).await.unwrap();
        // Made by hand on a full disk, with the time stamp of a whole one: check reads it.
        let (text, suffix) = (&bench.config.mailboxes.path, kind.suffix().unwrap());
        let empty = dir.join("leer");
        fs::write(&empty, "").unwrap();
        let map = format!("{}:{}", kind.as_str(), empty.display());
        let made = std::process::Command::new(&real).arg("-c").arg(&bench.config.postfix).arg(map).status();
        assert!(made.unwrap().success());
        let index = format!("{}{suffix}", text.display());
        fs::rename(format!("{}{suffix}", empty.display()), &index).unwrap();
        let stamp = fs::metadata(text).unwrap().modified().unwrap();
        fs::File::options().write(true).open(&index).unwrap().set_modified(stamp).unwrap();
        let told: Vec<String> = target.check().await.into_iter().filter_map(Result::err).collect();
        assert!(told.iter().any(|told| told.contains("has left out")), "{told:?}");
    }
}

#[tokio::test]
async fn what_a_postmap_left_behind_on_a_full_disk_does_not_hold_up_the_next_one() {
    let bench = Bench::new(MapKind::Hash);
    for map in ["mailboxes", "aliases", "domains"] {
        // Berkeley DB makes an index under this name, and waits for ever for whoever seems to be making it.
        let path = bench.path(map);
        let begun = format!("__db..{}.akund-tmp.db", path.file_name().unwrap().to_str().unwrap());
        fs::write(path.with_file_name(begun), "").unwrap();
    }
    let create = bench.create(&named("humas"));
    let done = tokio::time::timeout(std::time::Duration::from_secs(60), bench.apply(&create)).await;
    done.expect("postmap waits").unwrap();
    bench.prove(&create).await.unwrap();
    assert!(!bench.path("mailboxes").with_file_name("__db..mailboxes.akund-tmp.db").exists());
}

#[tokio::test]
async fn an_index_that_is_missing_or_not_that_of_its_text_is_made_anew() {
    for kind in [MapKind::Hash, MapKind::Lmdb, MapKind::Cdb] {
        let bench = Bench::new(kind);
        let create = bench.create(&named("humas"));
        bench.apply(&create).await.unwrap();
        let index = format!("{}{}", bench.config.mailboxes.path.display(), kind.suffix().unwrap());
        fs::remove_file(&index).unwrap();
        assert!(bench.prove(&create).await.is_err());
        bench.apply(&create).await.unwrap();
        bench.prove(&create).await.unwrap();
        // Somebody edits the text and forgets postmap.
        bench.append("mailboxes", "tangan@example.org x\n");
        bench.apply(&create).await.unwrap();
        let stamps = [&index, &bench.config.mailboxes.path.display().to_string()].map(|path| {
            let meta = fs::metadata(path).unwrap();
            (meta.mtime(), meta.mtime_nsec(), meta.mode() & 0o777)
        });
        assert_eq!(stamps[0], stamps[1]);
        assert_eq!(stamps[0].2, 0o640);
    }
}

#[tokio::test]
async fn a_link_and_a_directory_that_cannot_be_written_are_waited_for() {
    let bench = Bench::new(MapKind::Lmdb);
    let real = bench.config.passwd.with_file_name("elsewhere");
    fs::rename(&bench.config.passwd, &real).unwrap();
    std::os::unix::fs::symlink(&real, &bench.config.passwd).unwrap();
    let told = bench.apply(&bench.create(&named("humas"))).await;
    assert_eq!(class_of(&told), FaultClass::Transient);
    assert!(told.unwrap_err().message.contains("symbolic link"));
    assert_eq!(fs::read_to_string(&real).unwrap(), "");
}

#[test]
fn nt_hashes_and_homes_that_will_not_do_are_refused() {
    let bench = Bench::new(MapKind::Texthash);
    let spoils: [fn(&mut MapFilesConfig); 3] = [
        |config| config.password = Scheme::NtHash,
        |config| config.mode = "0666".into(),
        |config| config.home = "mail/{local}".into(),
    ];
    for spoil in spoils {
        let mut config = bench.config.clone();
        spoil(&mut config);
        assert_eq!(class_of(&MapFiles::open("mail", &config).map(|_| ())), FaultClass::Permanent);
    }
}

#[tokio::test]
async fn a_home_that_would_break_a_line_is_refused() {
    let bench = Bench::new(MapKind::Texthash);
    let mut config = bench.config.clone();
    for home in ["/srv/a:b/{local}", "/srv/a b/{local}", "/srv/%u/{local}"] {
        config.home = home.into();
        let target = MapFiles::open("mail", &config).unwrap();
        let told = target.apply(&[bench.create(&named("humas"))]).await.remove(0);
        assert_eq!(class_of(&told), FaultClass::Permanent, "{home}");
        assert_eq!(bench.text("passwd"), "");
    }
}

#[tokio::test]
async fn an_account_whose_end_comes_is_closed_in_time_and_opened_again_by_a_change() {
    let bench = Bench::new(MapKind::Lmdb);
    let mut account = named("humas");
    account.aliases = vec![address("pers@example.org")];
    account.ends_at = from_now(15);
    let create = bench.create(&account);
    bench.apply(&create).await.unwrap();
    let due = bench.target.keep_up().await.unwrap();
    assert_eq!(due, account.ends_at.map(|end| end.round(jiff::Unit::Second).unwrap()));
    crate::peers::wait_for("the account's end", || account.ends_at.unwrap() <= jiff::Timestamp::now());
    assert_eq!(bench.target.keep_up().await.unwrap(), None);
    for name in ["passwd", "mailboxes", "aliases"] {
        assert!(bench.text(name).lines().all(|line| line.starts_with('#')), "{name}: {}", bench.text(name));
    }
    assert_eq!(class_of(&bench.prove(&create).await), FaultClass::Permanent);
    let taken = bench.apply(&bench.create(&named("pers"))).await;
    assert_eq!(class_of(&taken), FaultClass::Conflict, "its names stay its own");
    account.ends_at = None;
    bench.apply(&plain(Action::Change, &account)).await.unwrap();
    bench.prove(&work(Action::Create, &account, create.credential)).await.unwrap();
}

#[tokio::test]
async fn nobody_is_ever_given_the_mail_of_the_one_who_had_the_address_before() {
    let bench = Bench::new(MapKind::Lmdb);
    let (first, second) = (named("humas"), named("humas"));
    bench.apply(&bench.create(&first)).await.unwrap();
    bench.apply(&plain(Action::Remove, &first)).await.unwrap();
    bench.apply(&bench.create(&second)).await.unwrap();
    assert!(bench.text("passwd").contains(&format!(":/var/mail/vhosts/example.org/humas.{}:", second.uid)));
    bench.append(
        "passwd",
        "x:y:::/:/var/mail/vhosts/example.org/pers::\ny:y:1:1::/var/mail/vhosts/example.org/info::\n",
    );
    let third = named("info");
    bench.apply(&bench.create(&third)).await.unwrap();
    assert!(bench.text("passwd").contains(&format!("/example.org/info.{}:", third.uid)));
    bench.undo(&bench.create(&second)).await.unwrap();
    // The first account itself, made again, finds its mail.
    bench.apply(&bench.create(&first)).await.unwrap();
    assert!(bench.text("passwd").contains(":/var/mail/vhosts/example.org/humas:"));
}

#[tokio::test]
async fn the_domain_that_came_with_an_account_goes_with_it_unless_somebody_lives_there() {
    let bench = Bench::new(MapKind::Hash);
    bench.append("domains", "example.org  hand-made\n");
    let mut stranger = named("a");
    stranger.address = Some(address("a@baru.example.net"));
    let create = bench.create(&stranger);
    bench.apply(&create).await.unwrap();
    bench.append("aliases", "info@BARU.example.net root@example.org\n");
    bench.undo(&create).await.unwrap();
    assert!(bench.text("domains").contains("\nbaru.example.net "), "an alias of somebody else's is in it");
    fs::write(bench.path("aliases"), "info@example.org root@example.org\n").unwrap();
    bench.undo(&create).await.unwrap();
    assert_eq!(bench.text("domains"), "example.org  hand-made\n");
}

#[test]
fn files_have_the_mode_asked_for_and_a_group_given_by_hand_stays() {
    let bench = Bench::new(MapKind::Lmdb);
    let daemon = nix::unistd::Group::from_name("daemon").unwrap().unwrap().gid;
    nix::unistd::chown(&bench.config.passwd, None, Some(daemon)).unwrap();
    fs::set_permissions(&bench.config.passwd, fs::Permissions::from_mode(0o666)).unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(bench.apply(&bench.create(&named("humas")))).unwrap();
    let meta = fs::metadata(&bench.config.passwd).unwrap();
    assert_eq!((meta.mode() & 0o777, meta.gid()), (0o640, daemon.as_raw()));
}
