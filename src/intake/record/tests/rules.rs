//! Each rule of the format, by a table.

use super::*;
use crate::model::{Action, Decision};
use jiff::Timestamp;

#[test]
fn a_full_record_is_read_field_by_field() {
    let record = good("r.toml", FULL);
    assert_eq!(record.key.to_string(), "uin-malang-email:B-12/Un.03/2026@2");
    assert_eq!(record.action, Action::Change);
    assert_eq!(record.applicant.email.as_ref().unwrap().as_str(), "humas.pribadi@example.org");
    assert_eq!(record.applicant.phone.as_ref().unwrap().as_str(), "+6281234567890");
    assert_eq!(record.responsible.as_ref().unwrap().name, "Siti");
    assert_eq!(record.account.services, ["mail", "hotspot"]);
    assert_eq!(record.account.quota.unwrap().0, 5_000_000_000);
    assert_eq!(record.account.expires.unwrap().to_string(), "2027-06-30");
    let change = record.change.as_ref().unwrap();
    assert_eq!(change.quota.unwrap().0, 1000);
    assert_eq!(change.expires.unwrap().to_string(), "2028-06-30");
    assert_eq!(change.aliases.as_ref().unwrap().len(), 2);
    assert_eq!(record.documents[0].register, "SM-2026-881");
    assert_eq!(record.approvals[0].reason, "satu\ndua");
    assert_eq!(record.approvals[0].decision, Decision::Refused);
    // The second one has no offset: Jakarta's time, because nobody knows the procedure.
    assert_eq!(record.approvals[1].at, "2026-11-20T02:30:00Z".parse::<Timestamp>().unwrap());
}

#[test]
fn the_procedure_says_which_country_and_which_zone() {
    let rules = |name: &str| {
        assert_eq!(name, "berlin");
        Some(Rules { country: "DE".into(), time_zone: TimeZone::get("Europe/Berlin").unwrap() })
    };
    let text = minimal(
        "phone = \"030 901820\"",
        "[[approval]]\nrole = \"r\"\nby = \"b\"\ndecision = \"approved\"\nat = 2026-07-01 09:00:00",
    )
    .replace("\"p\"", "\"berlin\"");
    let parsed = parse("r.toml", text.as_bytes(), &rules).unwrap();
    let record = parsed.rows[0].record.as_ref().unwrap();
    assert_eq!(record.applicant.phone.as_ref().unwrap().as_str(), "+4930901820");
    assert_eq!(record.approvals[0].at.to_string(), "2026-07-01T07:00:00Z");
    for (at, why) in [("2026-03-29 02:30:00", "twice or not at all"), ("2026-10-25 02:30:00", "twice or not at all")] {
        let text = text.replace("2026-07-01 09:00:00", at);
        let parsed = parse("r.toml", text.as_bytes(), &rules).unwrap();
        assert!(parsed.rows[0].record.as_ref().unwrap_err().one_line().contains(why), "{at}");
    }
}

/// The smallest record, with lines added to `[applicant]` and behind it.
fn minimal(applicant: &str, more: &str) -> String {
    format!(
        "akund = 1\nid = \"1\"\nprocedure = \"p\"\n[applicant]\nname = \"Budi\"\ncategory = \"staff\"\n{applicant}\n{more}\n"
    )
}

#[test]
fn what_is_left_out_has_its_default() {
    let record = good("r.toml", minimal("email = \"\"\ngiven_name = \"\"", ""));
    assert_eq!((record.key.revision, record.action), (1, Action::Create));
    assert!(record.responsible.is_none() && record.change.is_none() && record.applicant.email.is_none());
    assert_eq!(record.account, crate::model::request::WantedAccount::default());
}

#[test]
fn sizes_are_read_by_their_unit() {
    for (text, bytes) in [
        ("\"5GB\"", 5_000_000_000_u64),
        ("\"500 MB\"", 500_000_000),
        ("\"1kB\"", 1000),
        ("\"2GiB\"", 2 << 30),
        ("\"3 mib\"", 3 << 20),
        ("\"4KiB\"", 4096),
        ("\"1TiB\"", 1 << 40),
        ("1000", 1000),
        ("0x10", 16),
        ("1_000", 1000),
        ("\"12\"", 12),
        ("\"1000 TB\"", 1_000_000_000_000_000),
    ] {
        let record = good("r.toml", minimal("", &format!("[account]\nquota = {text}")));
        assert_eq!(record.account.quota.unwrap().0, bytes, "{text}");
    }
    for text in [
        "0",
        "\"0GB\"",
        "\"1001 TB\"",
        "\"5 G\"",
        "\"-5GB\"",
        "-5",
        "5.5",
        "\"5.5GB\"",
        "\"GB\"",
        "true",
        "\"99999999999999999999\"",
    ] {
        let said = said("r.toml", minimal("", &format!("[account]\nquota = {text}")));
        assert!(said.starts_with("line 9, column 9: account.quota: found "), "{said}");
        assert!(said.contains("a size such as 5GB"), "{said}");
    }
}

#[test]
fn dates_are_year_month_day_and_nothing_else() {
    for (text, hint) in [
        ("30/06/2026", "(here: 2026-06-30)"),
        ("30.6.2026", "(here: 2026-06-30)"),
        ("06/05/2026", "such as 2026-06-30"),
        ("2026-6-30", "such as 2026-06-30"),
        ("2026-02-30", "in the calendar"),
        ("0026-06-30", "between 1900 and 2200"),
        ("30 Juni 2026", "such as 2026-06-30"),
        ("2026-06-30T00:00:00", "such as 2026-06-30"),
        ("46203", "such as 2026-06-30"),
    ] {
        let said = said("r.toml", minimal("", &format!("[account]\nexpires = \"{text}\"")));
        assert!(said.contains(hint) && said.contains("year-month-day"), "{said}");
    }
    for native in ["09:00:00", "2026-06-30T00:00:00Z", "20260630"] {
        assert!(said("r.toml", minimal("", &format!("[account]\nexpires = {native}"))).contains("account.expires"));
    }
}

#[test]
fn instants_are_rfc_3339_or_local() {
    let at = |text: &str| {
        minimal("", &format!("[[approval]]\nrole = \"r\"\nby = \"b\"\ndecision = \"approved\"\nat = {text}"))
    };
    for (text, instant) in [
        ("2026-11-20T09:00:00+07:00", "2026-11-20T02:00:00Z"),
        ("2026-11-20T09:00:00Z", "2026-11-20T09:00:00Z"),
        ("\"2026-11-20t09:00:00.5z\"", "2026-11-20T09:00:00.5Z"),
        ("\"2026-11-20 09:00\"", "2026-11-20T02:00:00Z"),
        ("\"2026-11-20T09:00:00-05:30\"", "2026-11-20T14:30:00Z"),
        ("2026-11-20T09:00:00", "2026-11-20T02:00:00Z"),
    ] {
        assert_eq!(good("r.toml", at(text)).approvals[0].at.to_string(), instant, "{text}");
    }
    for text in [
        "2026-11-20",
        "\"20/11/2026 09:00\"",
        "\"2026-11-20T9:00\"",
        "\"2026-11-20T25:00:00Z\"",
        "\"2026-13-20T09:00:00Z\"",
        "\"2026-11-20T09:00:00+7\"",
        "\"2026-11-20T09:00:00[Asia/Jakarta]\"",
        "\"2026-11-20T09:00:00.Z\"",
        "\"kemarin\"",
        "5",
        "\"9999-12-31T23:59:59-23:59\"",
        "\"2026-11-20T09:00:00+é1:0\"",
    ] {
        let said = said("r.toml", at(text));
        assert!(said.starts_with("line 12, column 6: approval.1.at: found"), "{said}");
    }
}

#[test]
fn texts_are_checked_by_their_rule() {
    let long = "x".repeat(201);
    for (line, expected) in [
        ("name = \"a\\u0000b\"", "a name without the NUL character (character 2 is U+0000)"),
        ("name = \"a\\r\\nBcc: x\"", "a name without a line break (character 2 is U+000D)"),
        ("name = \"a\\u202Eb\"", "a name without a character that turns the direction of text"),
        ("name = \"a\u{200b}b\"", "a name without an invisible character"),
        ("name = \"Ren\u{FFFD}\"", "lost when the text was converted"),
        ("name = \"=HYPERLINK(1)\"", "a name that begins with a letter or digit"),
        ("name = \"---\"", "a name that begins with a letter or digit"),
        ("name = \"...\"", "a name with at least one letter"),
        (&format!("name = \"{long}\""), "a name of at most 200 characters (this has 201)"),
        ("name = 5", "a name as text in quotation marks, such as \"5\""),
        ("name = [\"a\"]", "a name as text"),
        ("name = true", "a name as text"),
        ("name = 2026-01-01", "a name as text"),
        ("name = \"  \"", "the applicant's name"),
    ] {
        let text = minimal("", "").replace("name = \"Budi\"", line);
        let said = said("r.toml", text);
        assert!(said.starts_with("line 5, column 8: applicant.name: found ") && said.contains(expected), "{said}");
    }
    let record = good("r.toml", minimal("", "").replace("Budi", "  Jose\u{301} \u{2018}Abd  "));
    assert_eq!(record.applicant.name, "Jos\u{e9} \u{2018}Abd");
    for (field, value) in [("identifier", "1.98501E+17"), ("identifier", "1,98501E+17"), ("phone", "6.28123E+12")] {
        let said = said("r.toml", minimal(&format!("{field} = \"{value}\""), ""));
        assert!(said.contains("format the column as text"), "{said}");
    }
    assert_eq!(good("r.toml", minimal("identifier = \"1E5\"", "")).applicant.identifier, "1E5");
}

#[test]
fn keys_of_the_request_are_checked() {
    let long = format!("\"{}\"", "x".repeat(201));
    for (from, to, expected) in [
        ("id = \"1\"", "id = \".\"", "the ticket's or letter's number"),
        ("id = \"1\"", "id = \"..\"", "the ticket's or letter's number"),
        ("id = \"1\"", "id = \" \"", "the ticket's or letter's number"),
        ("id = \"1\"", "id = 12", "in quotation marks, such as \"12\""),
        ("id = \"1\"", "id = \"a\\nb\"", "without a line break"),
        ("id = \"1\"", "id = \"2.5E+11\"", "format the column as text"),
        ("id = \"1\"", &format!("id = {long}"), "at most 200 characters"),
        ("\"p\"", "\"../p\"", "letters, digits and - _ . only; character 3 is \"/\""),
        ("\"p\"", "\".p\"", "begins with a letter or digit"),
        ("\"p\"", "\"a:b\"", "character 2 is \":\""),
        ("id = \"1\"", "id = \"1\"\nrevision = 0", "a whole number from 1 to 1000000"),
        ("id = \"1\"", "id = \"1\"\nrevision = 1000001", "a whole number from 1 to 1000000"),
        ("id = \"1\"", "id = \"1\"\nrevision = \"1\"", "a whole number from 1 to 1000000"),
        ("id = \"1\"", "id = \"1\"\nrevision = 1.0", "a whole number from 1 to 1000000"),
        ("id = \"1\"", "id = \"1\"\naction = \"crate\"", "did you mean \"create\"?"),
        ("akund = 1", "", "akund = 1, the version of the format"),
    ] {
        let said = said("r.toml", minimal("", "").replace(from, to));
        assert!(said.contains(expected), "{to}: {said}");
    }
    assert_eq!(good("r.toml", minimal("", "").replace("id = \"1\"", "id = \" ../a b/ü \"")).key.id, "../a b/ü");
}

#[test]
fn a_record_of_another_version_gets_one_problem_only() {
    let text = minimal("", "future = true\n").replace("akund = 1", "akund = 2").replace("id =", "key =");
    assert_eq!(said("r.toml", text), "line 1, column 9: akund: found the number 2, expected the number 1");
}

#[test]
fn what_an_action_needs_is_checked_across_fields() {
    for (more, expected) in [
        ("[change]\nname = \"X\"", "change: found new values with action = \"create\""),
        (
            "[[approval]]\nrole = \"r\"\nby = \"b\"\ndecision = \"refused\"\nat = 2026-01-01T00:00:00Z",
            "approval.1.reason: found nothing, expected the reason for the refusal",
        ),
    ] {
        let said = said("r.toml", minimal("", more));
        assert!(said.contains(expected), "{said}");
    }
    let with = |action: &str, more: &str| minimal("", more).replace("id =", &format!("action = \"{action}\"\nid ="));
    for (action, more, expected) in [
        ("change", "[account]\nusername = \"a\"", "change: found nothing, expected a table with the new values"),
        ("change", "[account]\nusername = \"a\"\n[change]", "change: found no new value"),
        ("remove", "", "account: found nothing, expected the address or username of the account"),
        ("reset", "[account]\ngroup = \"x\"", "account: found nothing"),
    ] {
        let said = said("r.toml", with(action, more));
        assert!(said.contains(expected), "{said}");
    }
    let change = good("r.toml", with("change", "[account]\nusername = \"a\"\n[change]\naliases = []"));
    assert_eq!(change.change.unwrap().aliases, Some(vec![]));
}

#[test]
fn lists_are_bounded_and_each_value_has_its_place() {
    let said_services = said("r.toml", minimal("", "[account]\nservices = [\"mail\", 5, \"a\\u0000\"]"));
    assert_eq!(
        said_services,
        "line 9, column 21: account.services.2: found the number 5, expected a service as text in quotation marks, such as \"5\"\n\
         line 9, column 24: account.services.3: found \"a\\u{0}\", expected a service without the NUL character (character 2 is U+0000)"
    );
    let many = format!("[account]\nservices = [{}]", "\"a\",".repeat(33));
    assert!(said("r.toml", minimal("", &many)).contains("found 33 values, expected at most 32 values"));
    let documents = "[[document]]\nkind = \"letter\"\n".repeat(65);
    assert!(said("r.toml", minimal("", &documents)).contains("document: found 65, expected at most 64"));
    assert!(said("r.toml", minimal("", "[account]\nservices = \"mail\"")).contains("expected a list of texts"));
    assert!(
        said("r.toml", minimal("", "[document]\nkind = \"letter\""))
            .contains("expected a list of tables: [[document]]")
    );
}

#[test]
fn unknown_keys_are_named_with_what_was_probably_meant() {
    for (applicant, more, expected) in [
        (
            "emial = \"x\"",
            "",
            "line 7, column 1: applicant.emial: found the key \"emial\", expected a field of [applicant] (did you mean \"email\"?)",
        ),
        ("address = \"x\"", "", "did you mean \"account.address\"?"),
        ("", "[acount]\naddress = \"a@b.cd\"", "did you mean \"account\"?"),
        (
            "",
            "[[approval]]\nrole = \"r\"\nwho = \"x\"",
            "approval.1.who: found the key \"who\", expected a field of [approval.1]: role, by, decision, reason, at",
        ),
        ("\"a\\nb\" = 1", "", "applicant.a?b: found the key \"a\\nb\""),
    ] {
        let said = said("r.toml", minimal(applicant, more));
        assert!(said.contains(expected), "{said}");
    }
}
