use super::*;
use crate::config::{ChannelConfig, TargetConfig};

const EXAMPLE: &str = include_str!("../../../config/akund.toml");

fn parse(text: &str) -> Result<Config, ConfigReport> {
    from_text(text, Path::new("/base"))
}

fn complaints(text: &str) -> Vec<String> {
    parse(text).err().map(|report| report.lines()).unwrap_or_default()
}

/// Bad configurations (after `akund = 1` in line 1) and all that must be said of each.
const BAD: &[(&str, &[&str])] = &[
    ("[http]\nlisen = \"127.0.0.1:1\"", &["akund.toml:3:1: there is no key `lisen` in `http`; did you mean `listen`?"]),
    ("[https]\nx = 1", &["akund.toml:2:2: there is no key `https` at the top of the file; did you mean `http`?"]),
    (
        "[spool]\ncolour = 1",
        &["akund.toml:3:1: there is no key `colour` in `spool`; \
             known here: path, max_bytes, rescan_seconds, settle_ms, signature_wait_seconds"],
    ),
    (
        "[http]\nlisten = \"everywhere\"",
        &["akund.toml:3:1: `http.listen` is wrong: invalid socket address syntax; \
           address and port, as in 127.0.0.1:9380 or [::1]:9380"],
    ),
    (
        "[lane]\nbatch = \"many\"",
        &["akund.toml:3:1: `lane.batch` wants a whole number, not negative, and found string \"many\""],
    ),
    ("[lane]\nbatch = -1", &["akund.toml:3:1: `lane.batch` wants a whole number, not negative, and found integer -1"]),
    (
        "[lane]\nbatch = 1.5",
        &["akund.toml:3:1: `lane.batch` wants a whole number, not negative, and found floating point 1.5"],
    ),
    (
        "[lane]\nbatch = 2026-01-01",
        &["akund.toml:3:1: `lane.batch` wants a whole number, not negative, and found date 2026-01-01"],
    ),
    ("[journal]\npath = 5", &["akund.toml:3:1: `journal.path` wants a path in quotes, and found integer 5"]),
    ("journal = 5", &["akund.toml:2:1: `journal` wants a table, and found integer 5"]),
    (
        "[log]\nformat = \"xml\"",
        &["akund.toml:3:1: `log.format` cannot be \"xml\"; known here: auto, text, json, journald"],
    ),
    (
        "[log]\nfilter = \"akund=loud\"",
        &["akund.toml:3:1: the log filter \"akund=loud\" cannot be read: error parsing level filter: \
        expected one of \"off\", \"error\", \"warn\", \"info\", \"debug\", \"trace\", or a number 0-5"],
    ),
    (
        "[target.a]\nkind = \"mail-maps\"\ndatabase = \"postgresql://akund@db.example.org/m\"",
        &[
            "akund.toml:4:1: target a would send passwords and hashes in clear text to postgresql://akund@db.example.org:5432/m: \
             name the CA of its certificate as ca_file, or use a Unix socket or a loopback address",
        ],
    ),
    (
        "[target.a]\nkind = \"radius\"\ndatabase = \"/a\"\nca_file = \"/ca\"\npassword_file = \"p\"",
        &[
            "akund.toml:5:1: target a has a ca_file, and its database is not reached by TCP",
            "akund.toml:6:1: target a has a password_file, and its database is a file",
        ],
    ),
    (
        "[target.a]\nkind = \"radius\"\ndatabase = \"mysql://a@localhost/r\"\n[target.b]\nkind = \"mail-maps\"\n\
         database = \"mysql://a@localhost/r\"\n[target.c]\nkind = \"radius\"\ndatabase = \"mysql://a@localhost/r\"",
        &["akund.toml:10:1: target c has the database mysql://a@localhost:3306/r which is that of target a: \
             each needs a database of its own"],
    ),
    // Several mistakes at once, in the order in which a reader meets them.
    (
        "[http]\nlisen = \"x\"\n[lane]\nbatch = true\nretry = 1\n[[source]]\nname = 7\n[[source]]\nnamed = \"x\"",
        &[
            "akund.toml:3:1: there is no key `lisen` in `http`; did you mean `listen`?",
            "akund.toml:5:1: `lane.batch` wants a whole number, not negative, and found boolean true",
            "akund.toml:6:1: there is no key `retry` in `lane`; known here: batch, retry_seconds, retry_max_seconds, give_up_hours, settle_seconds, look_seconds",
            "akund.toml:8:1: `source[1].name` wants a text in quotes, and found integer 7",
            "akund.toml:9:1: the key `name` is missing in `source[2]`",
            "akund.toml:10:1: there is no key `named` in `source[2]`; did you mean `name`?",
        ],
    ),
    // Inside a kind: unknown keys, types, lack, kinds.
    (
        "[channel.mail]\nkind = \"smtp\"\nhosst = \"127.0.0.1\"\nfrom = \"a@example.org\"\nport = 70000",
        &[
            "akund.toml:2:10: the key `host` is missing in `channel.mail`",
            "akund.toml:4:1: there is no key `hosst` in `channel.mail`; did you mean `host`?",
            "akund.toml:6:1: `channel.mail.port` wants a whole number from 0 to 65535, and found integer 70000",
        ],
    ),
    (
        "[channel.mail]\nkind = \"smpt\"",
        &["akund.toml:3:1: `channel.mail.kind` cannot be \"smpt\"; did you mean `smtp`?"],
    ),
    ("[channel.mail]\nhost = \"x\"", &["akund.toml:2:10: the key `kind` is missing in `channel.mail`"]),
    (
        "[channel.mail]\nkind = 3",
        &[
            "akund.toml:3:1: `channel.mail.kind` wants one of the words smtp, outbox, sms-kannel, sms-gammu, sms-http, webhook, and found something else",
        ],
    ),
    (
        "[channel]\nmail = \"smtp\"",
        &["akund.toml:3:1: `channel.mail` wants a table with kind, and found a single word"],
    ),
    (
        "[target.mail]\nkind = \"mail-maps\"\ndatabase = \"/a.db\"\ndefault_group = \"x\"",
        &[
            "akund.toml:5:1: there is no key `default_group` in `target.mail`; known here: database, password_file, ca_file, make_tables, services, password, home, mode, proof",
        ],
    ),
    (
        "[target.mail]\nkind = \"mail-maps\"\ndatabase = \"/a.db\"\npassword = \"md5\"",
        &[
            "akund.toml:5:1: `target.mail.password` cannot be \"md5\"; known here: sha512-crypt, ssha512, bcrypt, argon2id, nt-hash",
        ],
    ),
    // Not TOML.
    ("[http\nlisten = 1", &["akund.toml:2:6: this is not TOML: unclosed table, expected `]`"]),
    ("[http]\n[http]", &["akund.toml:3:2: this is not TOML: duplicate key"]),
    // Meaning.
    (
        "[[source]]\nname = \"a\"\n[[source]]\nname = \"a\"",
        &["akund.toml:5:1: source a stands twice: each has one [[source]] entry; the other one is at akund.toml:3:1"],
    ),
    (
        "[[source]]\nname = \"../etc\"",
        &["akund.toml:3:1: \"../etc\" cannot be a source's name: names are of lower-case letters, digits and `-`, \
           begin with a letter or digit, and have at most 64 characters"],
    ),
    (
        "[[source]]\nname = \"a\"\nsignature = \"required\"",
        &["akund.toml:4:1: source a requires signatures, and allowed_signers does not say whose"],
    ),
    (
        "[[source]]\nname = \"a\"\nallowed_signers = \"f\"",
        &["akund.toml:4:1: source a names allowed_signers, but looks at no signature: set signature = \"required\""],
    ),
    (
        "[channel.m]\nkind = \"smtp\"\nhost = \"mail.example.org\"\ntls = \"none\"\nfrom = \"a@example.org\"",
        &[
            "akund.toml:5:1: channel m would send passwords to mail.example.org in clear text: tls = \"none\" is for loopback only",
        ],
    ),
    (
        "[channel.m]\nkind = \"smtp\"\nhost = \"localhost.evil.example\"\ntls = \"none\"\nfrom = \"nobody\"\nusername = \"u\"",
        &[
            "akund.toml:5:1: channel m would send passwords to localhost.evil.example in clear text: tls = \"none\" is for loopback only",
            "akund.toml:6:1: from of channel m is neither an address nor `Name <address>`: \"nobody\"",
            "akund.toml:7:1: channel m has a username without a password_file",
        ],
    ),
    (
        "[channel.m]\nkind = \"smtp\"\nhost = \"a\\r\\nb\"\nfrom = \"a@example.org\"\nconnections = 0\ntimeout_seconds = 0\nport = 0\npassword_file = \"p\"",
        &[
            "akund.toml:4:1: channel m: \"a\\r\\nb\" is no host name",
            "akund.toml:6:1: channel m: connections must be from 1 to 64",
            "akund.toml:7:1: channel m: timeout_seconds must be at least 1",
            "akund.toml:8:1: channel m: port 0 is no server's",
            "akund.toml:9:1: channel m has a password_file without a username",
        ],
    ),
    (
        "[target.x]\nkind = \"radius\"\ndatabase = \"/a\"\n[channel.x]\nkind = \"outbox\"\npath = \"/o\"\nfrom = \"a@example.org\"",
        &[
            "akund.toml:5:10: a target and a channel are both called x: each is a lane, and a lane's name stands once; the other one is at akund.toml:2:9",
        ],
    ),
    (
        "[target.credentials]\nkind = \"radius\"\ndatabase = \"/a\"\nservices = []",
        &[
            "akund.toml:2:9: a target cannot be called credentials: that is the lane that makes passwords",
            "akund.toml:5:1: target credentials provides no service: no request would ever reach it",
        ],
    ),
    (
        "[target.a]\nkind = \"radius\"\ndatabase = \"/a\"\n[target.b]\nkind = \"mail-maps\"\ndatabase = \"/a\"\npassword = \"nt-hash\"\nhome = \"{user}\"\nmode = \"0666\"",
        &[
            "akund.toml:7:1: target b has the database /a which is that of target a: each needs a file of its own",
            "akund.toml:8:1: target b cannot store nt-hash: Postfix's and Dovecot's readers must not see it; use sha512-crypt",
            "akund.toml:9:1: home of target b: {user} is unknown; {domain}, {local}, {address} and {uid} are known",
            "akund.toml:9:1: home of target b must be an absolute path, not {user}",
            "akund.toml:10:1: mode of target b must be \"0600\", \"0640\" or \"0644\", not \"0666\"",
        ],
    ),
    (
        "[target.a]\nkind = \"mail-maps\"\ndatabase = \"/a\"\n[target.a.proof]\nimap = \"http://x\"\nconcurrency = 0\ntimeout_seconds = 0",
        &[
            "akund.toml:6:1: imap of target a's proof: \"http://x\" is not imaps://HOST[:PORT] or imap://HOST[:PORT]",
            "akund.toml:7:1: concurrency of target a's proof must be from 1 to 64",
            "akund.toml:8:1: timeout_seconds of target a's proof must be from 1 to 60",
        ],
    ),
    (
        "[target.a]\nkind = \"mail-maps\"\ndatabase = \"/a\"\n[target.a.proof]\n[target.b]\nkind = \"mail-maps\"\ndatabase = \"/b\"\n[target.b.proof]\nimap = \"imap://mail.example.org\"\nstarttls = false",
        &[
            "akund.toml:5:11: the proof of target a names neither imap nor submission: nobody would be asked",
            "akund.toml:11:1: target b would show passwords to imap://mail.example.org in clear text: starttls = false is for loopback only",
        ],
    ),
    (
        "[target.a]\nkind = \"radius\"\ndatabase = \"/a\"\n[target.a.proof]\nserver = \"a b\"\nsecret_file = \"s\"\nmethods = [\"mschapv2\"]\nnas_identifier = \"\"\n[[target.a.nas]]\naddress = \"x:0\"\nsecret_file = \"s\"\ntimeout_seconds = 61",
        &[
            "akund.toml:6:1: the proof of target a has the server \"a b\", which is not HOST or HOST:PORT",
            "akund.toml:8:1: target a stores no nt-hash, so that mschapv2 would always be refused: take it out of methods",
            "akund.toml:9:1: nas_identifier of target a's proof must have from 1 to 253 bytes",
            "akund.toml:11:1: target a: a nas has the address \"x:0\", which is not HOST or HOST:PORT",
            "akund.toml:13:1: target a: timeout_seconds of nas x:0 must be from 1 to 60",
        ],
    ),
    (
        "[lane]\nbatch = 0\nretry_max_seconds = 1",
        &[
            "akund.toml:3:1: lane.batch must be at least 1",
            "akund.toml:4:1: the longest wait (lane.retry_max_seconds = 1) is shorter than the first one (lane.retry_seconds = 2)",
        ],
    ),
];

#[test]
fn every_bad_configuration_is_refused_with_its_line_and_what_was_expected() {
    for (text, expected) in BAD {
        assert_eq!(complaints(&format!("akund = 1\n{text}\n")), *expected, "\n{text}");
    }
}

#[test]
fn the_version_comes_first_and_another_one_is_not_read_any_further() {
    let missing = "akund.toml:1:1: the configuration's version is missing; the first line is `akund = 1`";
    assert_eq!(complaints("[http]\nlisen = 1"), [missing]);
    let other =
        "akund.toml:1:1: this version of the configuration is not known to this akund; the first line is `akund = 1`";
    assert_eq!(complaints("akund = 2\nnew_key = 1"), [other]);
    assert_eq!(complaints("akund = \"1\""), [other]);
    assert_eq!(complaints(""), [missing]);
}

#[test]
fn people_are_shown_the_line_with_the_mistake_underlined() {
    let report = parse("akund = 1\n[http]\n  lisen = \"127.0.0.1:1\" # di sini ä\n# other\n").unwrap_err().to_string();
    let expected = [
        "  × there is no key `lisen` in `http`",
        "   ╭─[akund.toml:3:3]",
        " 3 │   lisen = \"127.0.0.1:1\" # di sini ä",
        "   ·   ─────",
        "   ╰────",
        "  help: did you mean `listen`?",
    ];
    assert_eq!(report.lines().filter(|l| !l.trim().is_empty()).collect::<Vec<_>>(), expected, "{report}");
}

#[test]
fn a_line_that_may_hold_a_secret_is_named_and_not_shown() {
    let text =
        "akund = 1\n[channel.m]\nkind = \"smtp\"\nhost = \"h\"\nfrom = \"a@example.org\"\npassword = \"hunter2\"\n";
    let report = parse(text).unwrap_err();
    assert!(report.to_string().contains("akund.toml:6:1: there is no key `password`"), "{report}");
    for shown in [report.to_string(), report.lines().join("\n")] {
        assert!(!shown.contains("hunter2"), "{shown}");
    }
    let text = "akund = 1\n[target.m]\nkind = \"mail-maps\"\ndatabase = \"mysql://akund:hunter2@localhost/m\"\n";
    let report = parse(text).unwrap_err().to_string();
    assert!(report.contains("password_file") && !report.contains("hunter2"), "{report}");
    // Nor is a neighbour shown.
    let text = "akund = 1\nssl = 1\npassword = \"hunter2\"\n";
    assert!(parse(text).unwrap_err().to_string().contains("ssl = 1"));
    assert!(!parse(text).unwrap_err().to_string().contains("hunter2"));
    for text in [
        "akund = 1\npassword = \"hunter2",
        "akund = 1\n[smtp\nsecret=\"hunter2\"\n",
        "akund = 1\nAPI_TOKEN = hunter2\n",
    ] {
        let report = parse(text).unwrap_err().to_string();
        assert!(!report.contains("hunter2"), "{report}");
    }
}

#[test]
fn no_text_makes_the_loader_panic_or_forget_to_complain() {
    use proptest::prelude::*;
    let lines =
        prop::sample::select(EXAMPLE.lines().map(|l| l.trim_start_matches("# ").to_owned()).collect::<Vec<_>>());
    let mangled = prop::collection::vec((lines, ".{0,12}"), 0..30);
    proptest!(|(parts in mangled)| {
        let text: String = parts.iter().map(|(line, junk)| format!("{line}{junk}\n")).collect();
        if let Err(report) = parse(&format!("akund = 1\n{text}")) {
            prop_assert!(!report.lines().is_empty());
            prop_assert!(!report.to_string().is_empty());
        }
    });
}

// ---- files, conf.d, variables

fn write(dir: &Path, name: &str, text: &str) -> PathBuf {
    let path = dir.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, text).unwrap();
    path
}

fn with_variables(path: &Path, variables: &[(&str, &str)]) -> Result<Config, ConfigReport> {
    let variables: Vec<_> = variables.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    load_with(path, &variables)
}

#[test]
fn conf_d_is_laid_over_the_file_in_the_order_of_names() {
    let dir = tempfile::tempdir().unwrap();
    let path =
        write(dir.path(), "akund.toml", "akund = 1\n[lane]\nbatch = 1\nretry_seconds = 9\n[[source]]\nname = \"a\"\n");
    write(dir.path(), "conf.d/20.toml", "lane.batch = 20\n[[source]]\nname = \"c\"\n");
    write(dir.path(), "conf.d/10.toml", "lane.batch = 10\nlane.give_up_hours = 5\n[[source]]\nname = \"b\"\n");
    write(dir.path(), "conf.d/30.toml.dpkg-old", "nonsense");
    write(dir.path(), "conf.d/.40.toml", "nonsense");
    let config = with_variables(&path, &[]).unwrap();
    assert_eq!((config.lane.batch, config.lane.retry_seconds, config.lane.give_up_hours), (20, 9, 5));
    assert_eq!(config.source.iter().map(|s| s.name.as_str()).collect::<Vec<_>>(), ["a", "b", "c"]);
}

#[test]
fn a_mistake_in_conf_d_is_shown_in_its_own_file() {
    let dir = tempfile::tempdir().unwrap();
    let path = write(dir.path(), "akund.toml", "akund = 1\n[[source]]\nname = \"a\"\n");
    let extra = write(dir.path(), "conf.d/10.toml", "\n[[source]]\nname = \"a\"\n");
    let lines = with_variables(&path, &[]).unwrap_err().lines();
    let twice = "source a stands twice: each has one [[source]] entry";
    assert_eq!(lines, [format!("{}:3:1: {twice}; the other one is at {}:3:1", extra.display(), path.display())]);
}

#[test]
fn a_missing_or_unreadable_file_is_an_error_that_names_it() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("akund.toml");
    let lines = with_variables(&path, &[]).unwrap_err().lines();
    assert_eq!(
        lines,
        [format!("cannot read the configuration {}: No such file or directory (os error 2)", path.display())]
    );
    fs::write(&path, b"akund = 1\n# \xff\n").unwrap();
    let lines = with_variables(&path, &[]).unwrap_err().lines();
    assert_eq!(lines, [format!("{}:2: this line is not UTF-8 text", path.display())]);
    fs::write(&path, "akund = 1\n").unwrap();
    fs::create_dir_all(dir.path().join("conf.d/10.toml")).unwrap();
    let lines = with_variables(&path, &[]).unwrap_err().lines();
    assert!(lines[0].contains("conf.d/10.toml: Is a directory"), "{lines:?}");
}

#[test]
fn variables_go_over_files_and_are_read_as_what_the_key_wants() {
    let dir = tempfile::tempdir().unwrap();
    let path = write(
        dir.path(),
        "akund.toml",
        "akund = 1\n[target.mail-a]\nkind = \"mail-maps\"\ndatabase = \"/x\"\n[journal]\npath = \"/y\"\n",
    );
    let config = with_variables(
        &path,
        &[
            ("http.listen", "127.0.0.1:9999"),
            ("lane.batch", " 12 "),
            ("journal.path", "2026"),
            ("target.mail_a.services", "mail, lists"),
            ("target.mail_a.password", "ssha512"),
            ("channel.m.kind", "outbox"),
            ("channel.m.path", "/o"),
            ("channel.m.from", "a@example.org"),
        ],
    )
    .unwrap();
    assert_eq!(config.http.listen, "127.0.0.1:9999".parse().unwrap());
    assert_eq!(config.lane.batch, 12);
    assert_eq!(config.journal.path, dir.path().join("2026"));
    let TargetConfig::MailMaps(maps) = &config.target["mail-a"] else { panic!("{config:?}") };
    assert_eq!(maps.services, ["mail", "lists"]);
    assert_eq!(maps.password, crate::model::Scheme::Ssha512);
    assert!(matches!(&config.channel["m"], ChannelConfig::Outbox(o) if o.path == Path::new("/o")));
}

#[test]
fn a_mistake_in_a_variable_names_the_variable() {
    let dir = tempfile::tempdir().unwrap();
    let path = write(dir.path(), "akund.toml", "akund = 1\n[[source]]\nname = \"a\"\n");
    let lines = |key, value| with_variables(&path, &[(key, value)]).unwrap_err().lines();
    assert_eq!(
        lines("lane.batch", "many"),
        ["AKUND_LANE__BATCH: `lane.batch` wants a whole number, not negative, and found string \"many\""]
    );
    assert_eq!(
        lines("htp.listen", "x"),
        ["AKUND_HTP__LISTEN: there is no key `htp` at the top of the file; did you mean `http`?"]
    );
    assert_eq!(
        lines("source.0.name", "b"),
        [
            "AKUND_SOURCE__0__NAME: a variable cannot set `source.0.name`: what stands around it is not a table; set it in a file"
        ]
    );
}

/// Run in a child process by the next test: the environment cannot be changed safely within one.
#[test]
#[ignore = "the child of the_environment_is_read_and_reserved_names_are_not_keys"]
fn child_prints_what_the_environment_sets() {
    for (key, value) in variables() {
        println!("SET {key}={value}");
    }
}

#[test]
fn the_environment_is_read_and_reserved_names_are_not_keys() {
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "config::load::tests::child_prints_what_the_environment_sets", "--ignored", "--nocapture"])
        .env_clear()
        .envs([("AKUND_HTTP__LISTEN", "127.0.0.1:1"), ("AKUND_LANE__RETRY_SECONDS", "3"), ("AKUNDO", "x")])
        .envs(RESERVED_VARIABLES.map(|name| (name, "x")))
        .output()
        .unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    let mut set: Vec<_> = printed.lines().filter_map(|l| l.split_once("SET ").map(|(_, kv)| kv)).collect();
    set.sort();
    assert_eq!(set, ["http.listen=127.0.0.1:1", "lane.retry_seconds=3"], "{printed}");
}

mod channels;
mod example;
