//! From the tree to a record, with every problem on the way.

use super::Rules;
use super::csv::MOST_NUMBERED;
use super::fields::{self, Findings, Table};
use super::node::{At, Node, Value};
use super::values::{self, IDENTIFIER, NAME, NUMBER, REASON, Rule, UNIT, WORD};
use crate::model::request::{Change, WantedAccount};
use crate::model::{
    Action, Address, Approval, Decision, Document, Invalid, Person, Phone, Record, RequestKey, Username,
};
use jiff::Timestamp;

/// The format version that this module reads.
const VERSION: u32 = 1;
const MOST_REVISIONS: u32 = 1_000_000;
const MOST_SERVICES: usize = 32;
const MOST_ALIASES: usize = 64;

const ACTIONS: &[(&str, Action)] = &[
    ("create", Action::Create),
    ("change", Action::Change),
    ("reset", Action::Reset),
    ("suspend", Action::Suspend),
    ("resume", Action::Resume),
    ("remove", Action::Remove),
];
const DECISIONS: &[(&str, Decision)] = &[("approved", Decision::Approved), ("refused", Decision::Refused)];

/// Whether a record must say `akund = 1`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Version {
    /// TOML and JSON.
    Required,
    /// CSV, whose column may be left out.
    Optional,
}

/// Reads one record.
pub(super) fn record(
    root: &Node,
    version: Version,
    rules: &dyn Fn(&str) -> Option<Rules>,
) -> Result<Box<Record>, Findings> {
    let mut findings = Findings::default();
    let mut early = Findings::default();
    if let Some(table) = Table::open(root, "", fields::RECORD, &mut findings) {
        if !version_fits(&table, version, &mut early) {
            // Another version's record would only give misleading findings.
            return Err(early);
        }
        let read = whole(&table, &mut findings, rules);
        if let (Some(record), true, true) = (read, findings.is_empty(), early.is_empty()) {
            return Ok(Box::new(record));
        }
    }
    early.list.append(&mut findings.list);
    early.more += findings.more;
    Err(early)
}

/// False only where the record says that it is of another version.
fn version_fits(table: &Table<'_>, version: Version, findings: &mut Findings) -> bool {
    if table.get("akund").is_none() {
        if version == Version::Required {
            table.missing("akund", "akund = 1, the version of the format", findings);
        }
        return true;
    }
    table.read("akund", findings, |n| values::integer(n, VERSION..=VERSION)).is_some()
}

/// `None` only where something is in the findings.
fn whole(table: &Table<'_>, findings: &mut Findings, rules: &dyn Fn(&str) -> Option<Rules>) -> Option<Record> {
    let id = table.must("id", "the ticket's or letter's number", findings, values::id);
    let revision = table.read("revision", findings, |n| values::integer(n, 1..=MOST_REVISIONS));
    let procedure = table.must("procedure", "the name of a procedure", findings, values::procedure);
    let action = table.read("action", findings, |n| values::choice(n, ACTIONS));
    let rules = procedure.as_deref().and_then(rules).unwrap_or_default();
    // A CSV row whose applicant is blank gets told which cells.
    let applicant = match table.node("applicant") {
        Some(node) => applicant(node, findings, &rules.country),
        None => {
            table.missing("applicant", "a table with name and category of the applicant", findings);
            None
        }
    };
    let responsible = table.get("responsible").map(|n| responsible(n, findings, &rules.country));
    let account = table.get("account").map(|n| account(n, findings));
    let change = table.get("change").map(|n| (n, change(n, findings)));
    let documents = each(table, "document", fields::DOCUMENT, findings, document);
    let approvals = each(table, "approval", fields::APPROVAL, findings, |t, f| approval(t, f, &rules));
    let account = account.unwrap_or_default();
    fits_action(table, action.unwrap_or_default(), &account, change.as_ref(), findings);
    Some(Record {
        key: RequestKey { procedure: procedure?, id: id?, revision: revision.unwrap_or(1) },
        action: action.unwrap_or_default(),
        applicant: applicant?,
        responsible: responsible.flatten(),
        account,
        change: change.map(|(_, c)| c),
        documents,
        approvals,
    })
}

/// What one action needs and another must not have.
fn fits_action(
    table: &Table<'_>,
    action: Action,
    account: &WantedAccount,
    change: Option<&(&Node, Change)>,
    findings: &mut Findings,
) {
    match change {
        Some((node, _)) if action != Action::Change => {
            let expected = "action = \"change\" where there are new values";
            findings.push(
                &node.at,
                "change".into(),
                format!("new values with action = \"{}\"", action.as_str()),
                expected,
            );
        }
        Some((node, change)) if *change == Change::default() && findings.is_empty() => {
            findings.push(&node.at, "change".into(), "no new value".into(), "at least one of the fields of [change]");
        }
        None if action == Action::Change => table.missing("change", "a table with the new values", findings),
        _ => {}
    }
    let named = account.address.is_some() || account.username.is_some();
    if action != Action::Create && !named && findings.is_empty() {
        let what =
            format!("the address or username of the account that is to be the object of \"{}\"", action.as_str());
        findings.push(table.place("account"), "account".into(), "nothing".into(), what);
    }
}

fn email(node: &Node) -> Result<Address, Invalid> {
    Address::read(values::plain(node, "an address")?)
}

fn phone(node: &Node, country: &str) -> Result<Phone, Invalid> {
    Phone::read(values::plain(node, "a phone number")?, country)
}

fn username(node: &Node) -> Result<Username, Invalid> {
    Username::read(values::plain(node, "a user name")?)
}

fn by(rule: Rule) -> impl Fn(&Node) -> Result<String, Invalid> {
    move |node| values::text(node, rule)
}

fn applicant(node: &Node, f: &mut Findings, country: &str) -> Option<Person> {
    let t = Table::open(node, "applicant", fields::APPLICANT, f)?;
    let name = t.must("name", "the applicant's name", f, by(NAME));
    let category = t.must("category", "one of the procedure's categories, such as staff", f, by(WORD));
    Some(Person {
        name: name.unwrap_or_default(),
        given_name: t.read("given_name", f, by(NAME)).unwrap_or_default(),
        family_name: t.read("family_name", f, by(NAME)).unwrap_or_default(),
        category: category.unwrap_or_default(),
        identifier: t.read("identifier", f, by(IDENTIFIER)).unwrap_or_default(),
        unit: t.read("unit", f, by(UNIT)).unwrap_or_default(),
        email: t.read("email", f, email),
        phone: t.read("phone", f, |n| phone(n, country)),
    })
}

fn responsible(node: &Node, f: &mut Findings, country: &str) -> Option<Person> {
    let t = Table::open(node, "responsible", fields::RESPONSIBLE, f)?;
    Some(Person {
        name: t.must("name", "the responsible person's name", f, by(NAME)).unwrap_or_default(),
        identifier: t.read("identifier", f, by(IDENTIFIER)).unwrap_or_default(),
        email: t.read("email", f, email),
        phone: t.read("phone", f, |n| phone(n, country)),
        ..Person::default()
    })
}

fn account(node: &Node, f: &mut Findings) -> WantedAccount {
    let Some(t) = Table::open(node, "account", fields::ACCOUNT, f) else { return WantedAccount::default() };
    WantedAccount {
        address: t.read("address", f, email),
        username: t.read("username", f, username),
        services: t.items("services", MOST_SERVICES, f, by(WORD.called("a service"))).unwrap_or_default(),
        expires: t.read("expires", f, values::date),
        quota: t.read("quota", f, values::quota),
        group: t.read("group", f, by(WORD.called("a group"))),
    }
}

fn change(node: &Node, f: &mut Findings) -> Change {
    let Some(t) = Table::open(node, "change", fields::CHANGE, f) else { return Change::default() };
    Change {
        address: t.read("address", f, email),
        name: t.read("name", f, by(NAME)),
        quota: t.read("quota", f, values::quota),
        group: t.read("group", f, by(WORD.called("a group"))),
        expires: t.read("expires", f, values::date),
        aliases: t.items("aliases", MOST_ALIASES, f, email),
    }
}

fn document(t: &Table<'_>, f: &mut Findings) -> Document {
    let kind = t.must("kind", "a kind of document, such as letter", f, by(WORD.called("a kind of document")));
    Document {
        kind: kind.unwrap_or_default(),
        number: t.read("number", f, by(NUMBER)).unwrap_or_default(),
        date: t.read("date", f, values::date),
        register: t.read("register", f, by(NUMBER)).unwrap_or_default(),
        signed_by: t.read("signed_by", f, by(NAME)).unwrap_or_default(),
    }
}

fn approval(t: &Table<'_>, f: &mut Findings, rules: &Rules) -> Approval {
    let role = t.must("role", "a role of the procedure", f, by(WORD.called("a role")));
    let person = t.must("by", "the name of who decided", f, by(NAME));
    let decision = t.must("decision", "approved or refused", f, |n| values::choice(n, DECISIONS));
    let reason = t.read("reason", f, by(REASON));
    let at = t.must("at", "the date and time of the decision", f, |n| values::instant(n, &rules.time_zone));
    if decision == Some(Decision::Refused) && t.get("reason").is_none() {
        t.missing("reason", "the reason for the refusal", f);
    }
    Approval {
        role: role.unwrap_or_default(),
        by: person.unwrap_or_default(),
        decision: decision.unwrap_or(Decision::Refused),
        reason: reason.unwrap_or_default(),
        at: at.unwrap_or(Timestamp::UNIX_EPOCH),
    }
}

/// Each table of `[[name]]`; groups of blank cells are left out.
fn each<T>(
    table: &Table<'_>,
    name: &str,
    names: &'static [&'static str],
    findings: &mut Findings,
    mut read: impl FnMut(&Table<'_>, &mut Findings) -> T,
) -> Vec<T> {
    let Some(node) = table.get(name) else { return Vec::new() };
    let Value::List(nodes) = &node.value else {
        findings.push(&node.at, name.to_owned(), node.shown(), format!("a list of tables: [[{name}]]"));
        return Vec::new();
    };
    if nodes.len() > MOST_NUMBERED {
        let beyond: &At = nodes.get(MOST_NUMBERED).map_or(&node.at, |n| &n.at);
        findings.push(beyond, name.to_owned(), nodes.len().to_string(), format!("at most {MOST_NUMBERED}"));
        return Vec::new();
    }
    let present = nodes.iter().enumerate().filter(|(_, n)| !n.is_absent());
    present
        .filter_map(|(n, node)| {
            let opened = Table::open(node, &format!("{name}.{}", n + 1), names, findings)?;
            Some(read(&opened, findings))
        })
        .collect()
}
