//! What other people write into the files.

use crate::fixture::*;
use akund::config::target::MapKind;
use akund::model::{Action, FaultClass};
use akund::target::Target;
use akund::target::mapfiles::MapFiles;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

const PASSWD: &[u8] =
    b"# Staff\n\nroot:{PLAIN}x:1:1::/root::\r\n  odd line\nOld@Example.org:{CRYPT}$6$a$b:::::\n#gone:x\n\xff\xfe:y";
const MAILBOXES: &[u8] = b"# hand-made\nroot@example.org  root/\n# between\n\tand more\n\n\"with space\"@example.org x\n# akund was here\nz@example.net z";

fn seed(bench: &Bench) {
    fs::write(bench.path("passwd"), PASSWD).unwrap();
    fs::write(bench.path("mailboxes"), MAILBOXES).unwrap();
}

/// Whether a text begins with what was there before; what comes behind it is akund's.
fn added<'t>(text: &'t [u8], before: &[u8]) -> &'t [u8] {
    let rest = text.strip_prefix(before).expect("what others wrote is at the beginning, byte for byte");
    rest.strip_prefix(b"\n").expect("the last line gets its end")
}

#[tokio::test]
async fn what_others_wrote_stays_byte_for_byte_whatever_is_done_to_accounts() {
    for bench in Bench::each() {
        seed(&bench);
        let mut account = named("humas");
        account.aliases = vec![address("pers@example.org")];
        let create = bench.create(&account);
        let reset = work(Action::Reset, &account, bench.create(&account).credential);
        account.address = Some(address("info@example.org"));
        let change = plain(Action::Change, &account);
        for step in [create, reset, change, plain(Action::Suspend, &account), plain(Action::Resume, &account)] {
            bench.apply(&step).await.unwrap();
            bench.prove(&step).await.unwrap();
            let passwd = fs::read(bench.path("passwd")).unwrap();
            assert_eq!(added(&passwd, PASSWD).split(|b| *b == b'\n').count(), 3, "a mark, an entry, the end");
            added(&fs::read(bench.path("mailboxes")).unwrap(), MAILBOXES);
        }
        bench.apply(&plain(Action::Remove, &account)).await.unwrap();
        assert_eq!(fs::read(bench.path("mailboxes")).unwrap(), [MAILBOXES, b"\n"].concat());
        let left = fs::read(bench.path("passwd")).unwrap();
        let retired = format!("# akund-retired {} /var/mail/vhosts/example.org/humas\n", account.uid);
        assert_eq!(String::from_utf8_lossy(added(&left, PASSWD)), retired);
    }
}

#[tokio::test]
async fn entries_in_the_middle_are_changed_in_their_place_and_taken_out_of_it() {
    let bench = Bench::new(MapKind::Lmdb);
    let (first, second) = (named("satu"), named("dua"));
    bench.apply(&bench.create(&first)).await.unwrap();
    bench.append("mailboxes", "tengah@example.org x\n# a comment below\n");
    bench.apply(&bench.create(&second)).await.unwrap();
    let order = |bench: &Bench| {
        bench.text("mailboxes").lines().filter(|l| !l.starts_with("# akund")).map(str::to_owned).collect::<Vec<_>>()
    };
    let mut moved = first.clone();
    moved.address = Some(address("tiga@example.org"));
    bench.apply(&plain(Action::Change, &moved)).await.unwrap();
    assert_eq!(
        order(&bench),
        [
            "tiga@example.org tiga@example.org",
            "tengah@example.org x",
            "# a comment below",
            "dua@example.org dua@example.org"
        ]
    );
    bench.apply(&plain(Action::Remove, &moved)).await.unwrap();
    assert_eq!(order(&bench), ["tengah@example.org x", "# a comment below", "dua@example.org dua@example.org"]);
}

#[tokio::test]
async fn an_entry_whose_mark_was_taken_away_or_that_was_edited_is_somebody_elses() {
    type Edit = fn(&str) -> String;
    let edits: [(&str, Edit); 4] = [
        ("the mark deleted", |text| {
            text.lines().filter(|l| !l.starts_with("# akund")).map(|l| format!("{l}\n")).collect()
        }),
        ("a line put between", |text| text.replace("\nhumas@", "\nbaru@example.org x\nhumas@")),
        ("a line of continuation added", |text| format!("{text}  , more\n")),
        ("sorted", |text| {
            let mut lines: Vec<&str> = text.lines().collect();
            lines.sort_by_key(|line| !line.starts_with("zz"));
            lines.reverse();
            lines.join("\n") + "\n"
        }),
    ];
    for (what, edit) in edits {
        let bench = Bench::new(MapKind::Texthash);
        let account = named("humas");
        bench.apply(&bench.create(&account)).await.unwrap();
        fs::write(bench.path("mailboxes"), edit(&bench.text("mailboxes"))).unwrap();
        let before = bench.rows();
        let again = bench.create(&account);
        assert_eq!(class_of(&bench.apply(&again).await), FaultClass::Conflict, "{what}");
        assert_eq!(bench.rows(), before, "{what}");
        let found = bench.find(&["humas@example.org"]).await;
        assert_eq!((found.len(), found[0].uid), (1, None), "{what}");
        bench.undo(&again).await.unwrap();
        let left = bench.text("mailboxes");
        assert!(left.contains("humas@example.org humas@example.org"), "{what}: not akund's to take away: {left}");
    }
}

#[tokio::test]
async fn names_are_taken_in_whatever_letters_and_quotes_and_as_aliases_too() {
    let bench = Bench::new(MapKind::Hash);
    for (file, line, taken) in [
        ("mailboxes", "HUMAS@EXAMPLE.ORG x\n", "humas"),
        ("mailboxes", "\"pers@example.org\" x\n", "pers"),
        ("aliases", "Info@example.org\troot@example.net\n", "info"),
        ("passwd", "Arsip@Example.Org:{PLAIN}x\n", "arsip"),
    ] {
        bench.append(file, line);
        assert_eq!(class_of(&bench.apply(&bench.create(&named(taken))).await), FaultClass::Conflict, "{line}");
        let mut account = named("baru");
        account.aliases = vec![address(&format!("{taken}@example.org"))];
        assert_eq!(class_of(&bench.apply(&bench.create(&account)).await), FaultClass::Conflict, "{line} for an alias");
    }
}

#[tokio::test]
async fn a_catch_all_does_not_take_a_mailboxs_mail() {
    for bench in Bench::each() {
        bench.append("aliases", "@example.org root@example.net\n");
        let account = named("humas");
        let create = bench.create(&account);
        bench.apply(&create).await.unwrap();
        assert!(bench.text("aliases").contains("\nhumas@example.org humas@example.org\n"));
        bench.prove(&create).await.unwrap();
        let without = bench.text("aliases").replace("\nhumas@example.org humas", "\n#humas@example.org humas");
        fs::write(bench.path("aliases"), without).unwrap();
        MapFiles::open("mail", &bench.config).unwrap();
        let told = bench.prove(&create).await;
        assert!(told.unwrap_err().message.contains("catch-all"));
        bench.undo(&create).await.unwrap();
        assert!(bench.text("aliases").starts_with("@example.org root@example.net\n"));
        assert!(!bench.text("aliases").contains("humas"));
    }
}

/// A postmap that first does something else, as often as its file holds lines.
pub fn postmap_that(dir: &Path, first: &str) -> std::path::PathBuf {
    let path = dir.join("postmap-that");
    fs::write(&path, format!("#!/bin/sh\n{first}\nexec /usr/sbin/postmap \"$@\"\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path
}

#[tokio::test]
async fn an_edit_in_the_middle_of_a_batch_is_noticed_and_kept() {
    let bench = Bench::new(MapKind::Cdb);
    let dir = bench.config.passwd.parent().unwrap();
    let once = format!(
        "if [ ! -e {0}/done ]; then touch {0}/done; echo 'humas@example.org theirs' >>{0}/aliases; echo 'lain@example.org x' >>{0}/mailboxes; fi",
        dir.display()
    );
    let mut config = bench.config.clone();
    config.postmap = postmap_that(dir, &once);
    let target = MapFiles::open("mail", &config).unwrap();
    let batch = [bench.create(&named("humas")), bench.create(&named("pers"))];
    let answers = target.apply(&batch).await;
    assert_eq!(class_of(&answers[0]), FaultClass::Conflict, "somebody was faster");
    answers[1].as_ref().unwrap();
    assert!(bench.text("mailboxes").contains("lain@example.org x\n"));
    assert!(!bench.text("passwd").contains("humas@"), "nothing of a conflict is written");
    bench.prove(&batch[1]).await.unwrap();
}

#[tokio::test]
async fn files_that_never_stand_still_are_left_alone_and_nothing_stays_behind() {
    let bench = Bench::new(MapKind::Hash);
    let dir = bench.config.passwd.parent().unwrap();
    let mut config = bench.config.clone();
    config.postmap = postmap_that(dir, &format!("echo '# again' >>{}/domains", dir.display()));
    let target = MapFiles::open("mail", &config).unwrap();
    let before = bench.text("mailboxes");
    let told = target.apply(&[bench.create(&named("humas"))]).await.remove(0);
    assert_eq!(class_of(&told), FaultClass::Transient);
    assert!(told.unwrap_err().message.contains("changed by somebody else"));
    assert_eq!(bench.text("mailboxes"), before);
    let left: Vec<_> = fs::read_dir(dir).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert!(!left.iter().any(|name| name.to_string_lossy().contains("akund-tmp")), "{left:?}");
    bench.apply(&bench.create(&named("humas"))).await.unwrap();
}

#[tokio::test]
async fn two_writers_wait_for_each_other() {
    let bench = Bench::new(MapKind::Lmdb);
    let other = MapFiles::open("mail", &bench.config).unwrap();
    let works: Vec<_> = (0..24).map(|n| bench.create(&account(n))).collect();
    for pair in works.chunks(2) {
        let (one, two) = tokio::join!(bench.target.apply(&pair[..1]), other.apply(&pair[1..]));
        one[0].as_ref().unwrap();
        two[0].as_ref().unwrap();
    }
    for proof in bench.target.prove(&works).await {
        proof.unwrap();
    }
}
