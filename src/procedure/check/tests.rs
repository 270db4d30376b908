//! A corpus of bad procedure files, each with the finding it must give: whole files under `tests/corpus/procedures/bad`
//! (the expected lines in `NAME.expect`), and the template with one thing wrong.

use crate::procedure::testing::{campus, five, generic, office, site};
use crate::procedure::{Procedure, Site};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

const GENERIC: &str = include_str!("../../../config/procedures/generic.toml");

/// The template with one piece replaced: what is wrong, what stands there, what is put there, what must be said.
const WRONG: [(&str, &str, &str, &str); 68] = [
    ("format version", "akund = 1 ", "akund = 2 ", "format version 2 is not known; expected `akund = 1`"),
    (
        "name and file differ",
        "name = \"generic\"",
        "name = \"other\"",
        "the procedure is named `other`, but its file `generic`",
    ),
    ("name's form", "name = \"generic\"", "name = \"Generic!\"", "`Generic!` is not a name for a procedure"),
    ("country", "country = \"ID\"", "country = \"Indonesia\"", "`Indonesia` is not a country"),
    ("time zone", "\"Asia/Jakarta\"", "\"Asia/Jakrta\"", "the time zone `Asia/Jakrta` is not known"),
    ("empty title", "title = \"Pembuatan akun surel dan hotspot\"", "title = \" \"", "`title` is empty"),
    (
        "unknown action",
        "actions = [\"create\"",
        "actions = [\"crate\"",
        "`actions` is `crate`, which is not a known word; did you mean `create`?",
    ),
    (
        "no action",
        "actions = [\"create\", \"change\", \"reset\", \"suspend\", \"resume\"]",
        "actions = []",
        "no action is allowed",
    ),
    (
        "unknown key",
        "nobody_twice = true",
        "nobody_twise = true",
        "unknown key `nobody_twise`; did you mean `nobody_twice`?",
    ),
    (
        "wrong type",
        "nobody_twice = true",
        "nobody_twice = \"yes\"",
        "`nobody_twice` is a text in quotes; expected true or false",
    ),
    (
        "missing key",
        "institution = \"Universitas Contoh\"",
        "",
        "the key `institution` is missing; `institution`: Who issued it",
    ),
    ("number out of range", "max_days = 366", "max_days = -1", "`max_days` is -1, which is out of range"),
    (
        "text for an own key",
        "help = \"Helpdesk",
        "sop = \"x\"\nhelp = \"Helpdesk",
        "the text `sop` is filled in by akund itself",
    ),
    ("text's key", "help = \"Helpdesk", "Tolong-1 = \"x\"\nhelp = \"Helpdesk", "`Tolong-1` is not a key for a text"),
    ("translation of nothing", "help_en", "halp_en", "`halp_en` has no `halp` to stand for"),
    ("link", "\"https://mail.example.ac.id/\"", "\"mail.example.ac.id\"", "`login_url` is no link; expected `https://"),
    (
        "empty text",
        "closed_en = \"This procedure does not serve alumni.\"",
        "closed_en = \"\"",
        "the text `closed_en` is empty",
    ),
    (
        "redirect without instructions",
        "name = \"staff\"\ntitle = \"tenaga kependidikan\"\ntitle_en = \"staff\"\nroute = \"provision\"",
        "name = \"staff\"\nroute = \"redirect\"",
        "the route `redirect` needs `instructions`",
    ),
    ("refusal without reason", "reason = \"closed\"", "", "the route `refuse` needs `reason`"),
    (
        "reason that is no text",
        "reason = \"closed\"",
        "reason = \"close\"",
        "there is no text `close`; did you mean `closed`?",
    ),
    (
        "instructions that are no text",
        "instructions = \"form_steps\"",
        "instructions = \"form_stebs\"",
        "there is no text `form_stebs`; did you mean `form_steps`?",
    ),
    (
        "source that redirects without instructions",
        "source = \"siakad\"\nroute = \"provision\"",
        "source = \"siakad\"\nroute = \"redirect\"",
        "the route `redirect` needs `instructions`",
    ),
    (
        "unknown route",
        "route = \"refuse\"",
        "route = \"deny\"",
        "`route` is `deny`, which is not a known word; expected one of: provision, redirect, refuse, form",
    ),
    ("form that is no document", "form = \"form\" ", "form = \"blanko\" ", "there is no document `blanko`"),
    ("category twice", "name = \"lecturer\"", "name = \"staff\"", "the category `staff` stands here twice"),
    (
        "source twice",
        "[[category.source]]\nsource = \"siakad\"",
        "[[category.source]]\nsource = \"siakad\"\nroute = \"provision\"\n[[category.source]]\nsource = \"siakad\"",
        "the source `siakad` stands here twice",
    ),
    (
        "waived approval that is none",
        "without_approvals = [\"head\"]",
        "without_approvals = [\"haed\"]",
        "there is no approval `haed`; did you mean `head`?",
    ),
    (
        "waived document that is none",
        "without_documents = []",
        "without_documents = [\"surat\"]",
        "there is no document `surat`",
    ),
    (
        "unknown field",
        "\"applicant.unit\", \"applicant.email\"]",
        "\"applicant.unit\", \"applicant.mail\"]",
        "`required` is `applicant.mail`, which is not a known word; did you mean `applicant.email`?",
    ),
    (
        "broken pattern",
        "identifier_pattern = \"[0-9]{18}\"",
        "identifier_pattern = \"[0-9{18}\"",
        "`[0-9{18}` is not a regular expression: unclosed character class",
    ),
    (
        "broken pattern of names",
        "# pattern = \"[a-z0-9]+([._-][a-z0-9]+)*\"",
        "pattern = \"(a\"",
        "`(a` is not a regular expression: unclosed group",
    ),
    ("broken reserved pattern", "\"(admin|root|akun).*\"", "\"*\"", "`*` is not a regular expression"),
    ("quota", "quota = \"5GB\"", "quota = \"5GiB\"", "`5GiB` is not a size; expected one like `5GB`"),
    (
        "quota over its limit",
        "max_quota = \"20GB\"",
        "max_quota = \"4GB\"",
        "the quota is larger than the largest that may be asked for",
    ),
    (
        "end of an account that does not end",
        "review = true                           # held until `akund release`\ntemporary = true",
        "review = true",
        "`max_days` needs an account that ends",
    ),
    (
        "end that is required and given",
        "max_days = 30",
        "max_days = 30\ndefault_days = 20",
        "`default_days` has no effect with `temporary = true`",
    ),
    (
        "default end behind the latest",
        "# default_days = 1825 ",
        "default_days = 1825\nmax_days = 30 # ",
        "1825 days are more than `max_days` (30) allows",
    ),
    ("days out of range", "max_days = 366", "max_days = 99999", "99999 days are out of range; expected 1 to 36500"),
    (
        "unknown placeholder",
        "naming = [\"{unit}\", \"{name}\"]",
        "naming = [\"{units}\"]",
        "unknown placeholder `{units}`; did you mean `unit`?",
    ),
    (
        "template with an odd letter",
        "\"{initial}{family}\"",
        "\"{initial} {family}\"",
        "has ` ` between its placeholders",
    ),
    ("domain", "domains = [\"example.ac.id\"]", "domains = [\"example\"]", "`example` is not a domain"),
    (
        "domain with a blank",
        "domains = [\"student.example.ac.id\"]",
        "domains = [\"student example.ac.id\"]",
        "`student example.ac.id` is not a domain",
    ),
    ("no domain", "domains = [\"example.ac.id\"]", "domains = []", "no domain is named"),
    ("length", "max_length = 40", "max_length = 65", "the length 65 is out of range; expected 1 to 64"),
    (
        "service that is given but not allowed",
        "default = [\"mail\", \"hotspot\"]",
        "default = [\"mail\", \"hotspt\"]",
        "the service `hotspt` is given by default, but not allowed for `staff`",
    ),
    ("no service", "default = [\"mail\", \"hotspot\"]", "default = []", "no service is named"),
    (
        "address for an unknown service",
        "services = [\"mail\"]                     # an account",
        "services = [\"email\"] # an account",
        "there is no service `email`; did you mean `mail`?",
    ),
    (
        "role that is not defined",
        "role = \"head\"",
        "role = \"boss\"",
        "there is no role `boss`; roles: head, secretary, acting-head",
    ),
    (
        "alternative that is not defined",
        "alternatives = [\"secretary\"]",
        "alternatives = [\"secretery\"]",
        "there is no role `secretery`; did you mean `secretary`?",
    ),
    (
        "cyclic alternatives",
        "title = \"Sekretaris Pusat TIK\"",
        "title = \"Sekretaris Pusat TIK\"\nalternatives = [\"head\"]",
        "the role `head` is its own alternative: head → secretary → head",
    ),
    ("role twice", "name = \"acting-head\"", "name = \"secretary\"", "the role `secretary` stands here twice"),
    (
        "approval for an unknown category",
        "# categories = [\"unit\", \"event\"]",
        "categories = [\"units\"]",
        "there is no category `units`; did you mean `unit`?",
    ),
    (
        "optional document that is required",
        "kind = \"ticket\"",
        "kind = \"ticket\"\ncategories = [\"unit\"]",
        "the document `ticket` is optional, so nobody is required to name it",
    ),
    ("no channel", "channels = [\"email\"]", "channels = []", "no channel is named"),
    (
        "credentials for nobody",
        "to = \"responsible-or-applicant\"",
        "to = \"responsible\"",
        "`staff` need not name the responsible person, who shall get the credentials",
    ),
    (
        "step that is not in the table",
        "step = \"4\"",
        "step = \"44\"",
        "there is no step `44`; expected the `number` of a [[step]]: 1, 2, 3, 4, 5, 6",
    ),
    (
        "row that nothing carries",
        "notices = [\"credentials\", \"username\", \"changed\"]\nchecks = [\"contact\"]",
        "",
        "nothing carries step 6; expected `verbs`, `notices`, `checks`, `receives` or `register` here",
    ),
    (
        "row of people's that akund carries",
        "notices = [\"credentials\", \"username\", \"changed\"]",
        "notices = [\"credentials\", \"username\", \"changed\"]\npeople = true",
        "step 6 is people's, but akund carries it, too",
    ),
    (
        "row of people's with a paper",
        "checks = [\"approvals\"]\nnotices = [\"refusal\"]",
        "people = true",
        "step 4 is people's, but akund carries it, too",
    ),
    (
        "row of people's in the register",
        "notices = [\"credentials\", \"username\", \"changed\"]\nchecks = [\"contact\"]",
        "register = true\npeople = true",
        "step 6 is people's, but akund carries it, too",
    ),
    (
        "signature's type",
        "# signed = true ",
        "signed = \"head\" ",
        "`signed` is a text in quotes; expected true or false",
    ),
    (
        "news by no channel",
        "# news_channels = [\"email\"]",
        "news_channels = []",
        "no channel is named; leave `news_channels` out",
    ),
    (
        "news twice by one channel",
        "# news_channels = [\"email\"]",
        "news_channels = [\"email\", \"email\"]",
        "the channel `email` stands here twice",
    ),
    (
        "subdomains of no domain",
        "[address]\ndomains = [\"example.ac.id\"]",
        "[adress]\ndomains = [\"example.ac.id\"]",
        "subdomains are allowed or not, but there is no [address]",
    ),
    (
        "one account per unit's type",
        "one_account_per_unit = false",
        "one_account_per_unit = 1",
        "`one_account_per_unit` is a whole number; expected true or false",
    ),
    (
        "text that is akund's own",
        "help = \"Helpdesk",
        "domains = \"x\"\nhelp = \"Helpdesk",
        "the text `domains` is filled in by akund itself",
    ),
    (
        "link of instructions",
        "form_steps = ",
        "form_steps_url = \"tik.example.ac.id\"\nform_steps = ",
        "`form_steps_url` is no link; expected `https://",
    ),
    (
        "verb carried twice",
        "notices = [\"credentials\", \"username\", \"changed\"]",
        "notices = [\"credentials\", \"form\"]",
        "`form` is carried by step 2 already",
    ),
];

fn lines(name: &str, text: &str) -> Vec<String> {
    Procedure::parse(name, text).err().map(|report| report.lines()).unwrap_or_default()
}

#[test]
fn each_mistake_is_found_and_named() {
    for (what, old, new, expected) in WRONG {
        assert!(GENERIC.contains(old), "{what}: the template has no {old:?}");
        let found = lines("generic.toml", &GENERIC.replacen(old, new, 1));
        assert!(found.iter().any(|l| l.contains(expected)), "{what}: expected {expected:?} in {found:#?}");
    }
}

#[test]
fn one_mistake_gives_no_crowd_of_findings() {
    for (what, old, new, _) in WRONG {
        let found = lines("generic.toml", &GENERIC.replacen(old, new, 1));
        assert!(found.len() <= 6, "{what}: {found:#?}");
        assert_eq!(found.iter().collect::<BTreeSet<_>>().len(), found.len(), "{what}: twice in {found:#?}");
    }
}

#[test]
fn a_finding_stands_at_the_line_of_the_mistake() {
    let text = GENERIC.replacen("identifier_pattern = \"[0-9]{18}\"", "identifier_pattern = \"[0-9{18}\"", 1);
    let line = text.lines().position(|l| l.contains("[0-9{18}")).map_or(0, |n| n + 1);
    assert!(
        lines("generic.toml", &text)[0].starts_with(&format!("generic.toml:{line}:22: ")),
        "{:?}",
        lines("generic.toml", &text)
    );
}

#[test]
fn unknown_keys_and_mistakes_of_meaning_are_reported_together() {
    let text = GENERIC
        .replacen("nobody_twice", "nobody_twise", 1)
        .replacen("role = \"head\"", "role = \"boss\"", 1)
        .replacen("domains = [\"example.ac.id\"]", "domains = [\"example\"]", 1);
    let found = lines("generic.toml", &text);
    assert_eq!(found.len(), 4, "{found:#?}");
    for expected in ["unknown key `nobody_twise`", "no approval `head`", "no role `boss`", "`example` is not a domain"]
    {
        assert!(found.iter().any(|l| l.contains(expected)), "{expected} in {found:#?}");
    }
}

#[test]
fn whole_bad_files_give_what_their_expectations_say() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus/procedures/bad");
    let mut seen = 0;
    let mut wrong = Vec::new();
    for entry in fs::read_dir(&dir).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|e| e == "toml") {
            let text = fs::read_to_string(&path).unwrap();
            let expected = fs::read_to_string(path.with_extension("expect")).unwrap();
            let found = lines(path.file_name().unwrap().to_str().unwrap(), &text).join("\n");
            let missing: Vec<&str> = expected.lines().filter(|line| !found.contains(line)).collect();
            if !missing.is_empty() {
                wrong.push(format!("{}: expected {missing:#?} in\n{found}", path.display()));
            }
            assert!(!expected.trim().is_empty(), "{}", path.display());
            seen += 1;
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
    assert!(seen >= 24, "{seen} files in {}", dir.display());
}

#[test]
fn the_shipped_procedures_have_no_findings_and_can_be_carried_out() {
    for procedure in [generic(), campus(), office()].into_iter().chain(five()) {
        assert_eq!(procedure.check_site(&site()), [""; 0], "{}", procedure.name());
        assert_eq!(procedure.sha256().len(), 64);
    }
    assert_eq!(generic().country(), "ID");
    assert_eq!(generic().language(), "id");
    assert_eq!(generic().time_zone().iana_name(), Some("Asia/Jakarta"));
}

#[test]
fn the_hash_is_that_of_the_files_bytes() {
    // sha256sum of the same bytes.
    let one = Procedure::parse("generic.toml", GENERIC).unwrap();
    let two = Procedure::parse("generic.toml", &format!("{GENERIC}\n")).unwrap();
    assert_ne!(one.sha256(), two.sha256());
}

#[test]
fn what_a_site_lacks_is_said_as_sentences() {
    let wrong = generic().check_site(&Site::default());
    assert_eq!(wrong.len(), 3, "{wrong:#?}");
    assert!(wrong[0].contains("grants the service `hotspot`, but no [target] provides it"), "{}", wrong[0]);
    assert!(wrong[2].contains("no [channel.email]"), "{}", wrong[2]);
}

#[test]
fn the_schema_allows_what_the_template_writes() {
    let schema = crate::procedure::schema();
    assert_eq!(schema["additionalProperties"], false);
    let required: Vec<&str> = schema["required"].as_array().unwrap().iter().filter_map(|v| v.as_str()).collect();
    assert!(
        required.contains(&"category") && required.contains(&"delivery") && !required.contains(&"step"),
        "{required:?}"
    );
    let template: toml::Table = GENERIC.parse().unwrap();
    let known = schema["properties"].as_object().unwrap();
    assert!(template.keys().all(|k| known.contains_key(k)));
    // Or it shows how, commented out.
    let shown =
        |key: &str| GENERIC.contains(&format!("\n# [{key}]\n")) || GENERIC.contains(&format!("\n# [[{key}]]\n"));
    assert!(
        known.keys().all(|k| template.contains_key(k) || shown(k)),
        "the template leaves out a key: {:?}",
        known.keys()
    );
}

/// The template with its letter and report, and the addresses that they need.
fn with_letter() -> String {
    let (before, rest) = GENERIC.split_once("# --- Reports and the letter").unwrap();
    let (part, after) = rest.split_once("# --- The SOP's own table").unwrap();
    let is_toml =
        |line: &str| line.starts_with('[') || line.split_once(" = ").is_some_and(|(key, _)| !key.contains(' '));
    let part: Vec<&str> = part.lines().filter_map(|l| l.strip_prefix("# ")).filter(|l| is_toml(l)).collect();
    let before = before.replace("# email = ", "email = ");
    let secretary = "title = \"Sekretaris Pusat TIK\"\n";
    assert!(before.contains(secretary) && part.len() > 10, "{part:#?}");
    let before = before.replace(secretary, &format!("{secretary}email = \"sekretaris@tik.example.ac.id\"\n"));
    format!("{before}\n{}\n# --- The SOP's own table{after}", part.join("\n"))
}

#[test]
fn the_letter_that_the_template_shows_is_good_once_it_is_no_comment() {
    let procedure = Procedure::parse("generic.toml", &with_letter()).unwrap_or_else(|report| panic!("{report}"));
    assert_eq!(procedure.letter_template(), Some("surat-pemberitahuan.docx"));
    assert_eq!(procedure.signers, ["head", "secretary", "acting-head"]);
}

#[test]
fn what_is_wrong_with_letters_and_reports_is_said_at_its_line() {
    let good = with_letter();
    for (old, new, expected) in [
        (
            "template = \"surat-pemberitahuan.docx\"",
            "template = \"../surat.docx\"",
            "is not the name of a letter template",
        ),
        ("template = \"surat-pemberitahuan.docx\"", "template = \"surat.doc\"", "is not the name of a letter template"),
        ("signed_by = [\"head\"]", "signed_by = []", "nobody may sign the letter"),
        ("signed_by = [\"head\"]", "signed_by = [\"haed\"]", "there is no role `haed`; did you mean `head`?"),
        ("draft_to = [\"head\", \"secretary\"]", "draft_to = [\"head\", \"head\"]", "stands here twice"),
        (
            "draft_to = [\"head\", \"secretary\"]",
            "draft_to = [\"acting-head\"]",
            "the role `acting-head` has no e-mail address",
        ),
        ("draft_steps = [\"5\", \"5\"]", "draft_steps = [\"5\", \"5\", \"6\"]", "more steps than roles"),
        ("signed_step = \"6\"", "signed_step = \"66\"", "there is no step `66`"),
        ("to = \"head\"\nwhen", "to = \"acting-head\"\nwhen", "the role `acting-head` has no e-mail address"),
        ("when = \"proven\"", "when = \"later\"", "proven"),
        ("email = \"kepala@tik.example.ac.id\"", "email = \"kepala\"", "`kepala` is not a mail address"),
    ] {
        let text = good.lines().map(|line| line.split(" #").next().unwrap().trim_end()).collect::<Vec<_>>().join("\n");
        assert!(text.contains(old), "{old}");
        let found = lines("generic.toml", &text.replacen(old, new, 1)).join("\n");
        assert!(found.contains(expected) && found.starts_with("generic.toml:"), "{expected}: {found}");
    }
}

#[test]
fn the_template_names_every_key_that_there_is() {
    let schema = crate::procedure::schema();
    for (table, definition) in schema["$defs"].as_object().unwrap() {
        let keys = definition.get("properties").and_then(|p| p.as_object()).into_iter().flat_map(|p| p.keys());
        for key in keys {
            assert!(GENERIC.contains(key.as_str()), "the template never mentions `{key}` of {table}");
        }
    }
}
