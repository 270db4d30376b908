//! The tables of a procedure file that rule the account itself: names, services, end dates, delivery.

use crate::model::Action;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// `[person]`
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct PersonRules {
    /// What a target that wants a family name gets for somebody with one name. Default `repeat`.
    pub single_name: SingleName,
    /// Words before a name that are titles and never part of an address (compared without dots, in any case).
    /// Whatever follows a comma is a title too.
    pub titles: Vec<String>,
}

impl Default for PersonRules {
    fn default() -> Self {
        let titles = ["prof", "dr", "drs", "dra", "ir", "h", "hj", "kh"];
        Self { single_name: SingleName::default(), titles: titles.map(String::from).to_vec() }
    }
}

/// The family name of somebody with one name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SingleName {
    /// The one name again.
    #[default]
    Repeat,
    /// `-`.
    Dash,
    /// Empty.
    GivenOnly,
}

/// `[address]`
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AddressRules {
    /// Domains in which addresses are made; the first where the request wishes no address.
    pub domains: Vec<String>,
    /// Addresses under subdomains of these may be wished too. Default false.
    #[serde(default)]
    pub allow_subdomains: bool,
    /// An account has an address when it has one of these services. Default `["mail"]`.
    #[serde(default = "mail")]
    pub services: Vec<String>,
    /// Templates of the local part, tried in order. Placeholders: see the template file.
    #[serde(default)]
    pub naming: Vec<String>,
    /// The same for people with one name. Default: those of `naming` without a family name, or else `{given}`.
    #[serde(default)]
    pub single_naming: Vec<String>,
    /// A wished address must be one that the naming rule gives (with or without a number). Default false.
    #[serde(default)]
    pub must_follow_naming: bool,
    /// Regular expression that the whole local part must match. Default: letters and digits, with single `.`, `-`
    /// or `_` between them.
    #[serde(default = "plain_local_part")]
    pub pattern: String,
    /// Longest local part; at most 64 (RFC 5321 §4.5.3.1.1). Default 64.
    #[serde(default = "sixty_four")]
    pub max_length: usize,
    /// Whether a number is added when a name is taken: 2, 3, … Default true.
    #[serde(default = "yes")]
    pub numbering: bool,
    /// With a change of address the old one stays as an alias. Default true.
    #[serde(default = "yes")]
    pub keep_old_as_alias: bool,
}

/// `[username]`. Where there is an address, its local part is tried first.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct UsernameRules {
    /// Templates, tried in order. Default: those of `[address]`, or else `{given}.{family}`.
    pub naming: Vec<String>,
    /// The same for people with one name. Default: as in `[address]`.
    pub single_naming: Vec<String>,
    /// A wished user name must be one that the naming rule gives. Default false.
    pub must_follow_naming: bool,
    /// Regular expression that the whole user name must match. Default as for local parts.
    pub pattern: String,
    /// Longest user name; at most 64. Default 64.
    pub max_length: usize,
    /// Whether a number is added when a name is taken. Default true.
    pub numbering: bool,
}

impl Default for UsernameRules {
    fn default() -> Self {
        Self {
            naming: Vec::new(),
            single_naming: Vec::new(),
            must_follow_naming: false,
            pattern: plain_local_part(),
            max_length: sixty_four(),
            numbering: true,
        }
    }
}

/// `[reserved]`
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ReservedNames {
    /// Whether the built-in list counts: RFC 2142's mailboxes and the accounts of common servers. Default true.
    pub defaults: bool,
    /// Further names, whole.
    pub names: Vec<String>,
    /// Regular expressions that a whole reserved name matches.
    pub patterns: Vec<String>,
}

impl Default for ReservedNames {
    fn default() -> Self {
        Self { defaults: true, names: Vec::new(), patterns: Vec::new() }
    }
}

/// The built-in reserved names: the mailboxes of RFC 2142, and what operating systems and common servers use.
pub const RESERVED: [&str; 44] = [
    // RFC 2142 §3 to §6
    "info",
    "marketing",
    "sales",
    "support",
    "abuse",
    "noc",
    "security",
    "postmaster",
    "hostmaster",
    "usenet",
    "news",
    "webmaster",
    "www",
    "uucp",
    "ftp",
    "list",
    "list-request",
    // what mail servers send as and report to
    "mailer-daemon",
    "mailerdaemon",
    "noreply",
    "no-reply",
    "bounce",
    "bounces",
    "dmarc",
    "tlsrpt",
    // who may ask for a certificate of a domain (CA/Browser Forum Baseline Requirements §3.2.2.4.4)
    "admin",
    "administrator",
    // accounts of the system and its servers
    "root",
    "daemon",
    "nobody",
    "bin",
    "sys",
    "mail",
    "mailnull",
    "operator",
    "www-data",
    "postfix",
    "dovecot",
    "vmail",
    "freerad",
    "radius",
    "ldap",
    "openldap",
    "akund",
];

/// `[services]`
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ServiceRules {
    /// What an account has where the request names nothing.
    pub default: Vec<String>,
    /// What may be asked for. Default: the same.
    pub allowed: Option<Vec<String>>,
    /// Mailbox size where the request names none ("5GB"). Default: the target's.
    pub quota: Option<String>,
    /// Largest mailbox that may be asked for. Default: `quota`; without either, none may be.
    pub max_quota: Option<String>,
    /// Hotspot profile where the request names none. Default: the target's.
    pub group: Option<String>,
    /// Further profiles that may be asked for.
    #[serde(default)]
    pub groups: Vec<String>,
}

/// `[expiry]`
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Expiry {
    /// Where the request names no last valid day: this many days from today. Default: no end.
    pub default_days: Option<u32>,
    /// The last valid day is at most this many days away.
    pub max_days: Option<u32>,
}

/// `[delivery]`
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Delivery {
    /// Names of channels in the configuration, the preferred one first. One that refuses for good passes a notice on to the next
    /// that reaches the same person.
    pub channels: Vec<String>,
    /// Where this is not empty, credentials go as two notices: address and user name by these channels, the password alone by
    /// those of `channels` that are not among these. Default: one notice.
    #[serde(default)]
    pub username_channels: Vec<String>,
    /// The same for every notice without a password (refusals, forms, conflicts …). Default: `channels`.
    pub news_channels: Option<Vec<String>>,
    /// Who gets credentials. Default `responsible-or-applicant`.
    #[serde(default)]
    pub to: DeliverTo,
    /// Whether the holder of an account is told when another contact than theirs has it suspended or removed, its end brought forward
    /// or its password replaced. Default true.
    #[serde(default = "yes")]
    pub tell_holder: bool,
}

impl Delivery {
    /// The channels of the notice (without a password: of the news), or of the password alone; and those of the user name where it goes apart.
    pub(super) fn split(&self, action: Action) -> [Vec<String>; 2] {
        if !action.mints() {
            return [self.news_channels.as_ref().unwrap_or(&self.channels).clone(), Vec::new()];
        }
        let password = self.channels.iter().filter(|c| !self.username_channels.contains(c));
        [password.cloned().collect(), self.username_channels.clone()]
    }
}

/// Who gets credentials.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum DeliverTo {
    /// The applicant.
    Applicant,
    /// The responsible person.
    Responsible,
    /// The responsible person where the request names one, else the applicant.
    #[default]
    ResponsibleOrApplicant,
}

/// `[[report]]`: an official is told, by e-mail, that the account was made or handed over.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReportRule {
    /// The role; it needs an `email`.
    pub to: String,
    /// Default `proven`.
    #[serde(default)]
    pub when: ReportWhen,
    /// Only with these actions. Default `["create"]`.
    #[serde(default = "create_only")]
    pub actions: Vec<Action>,
    /// Number of the SOP step; default: that of the notice `report`.
    pub step: Option<String>,
}

/// When a report is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ReportWhen {
    /// When the account is proven to work, before anything is handed over.
    #[default]
    Proven,
    /// When the credentials have been handed over.
    HandedOver,
}

/// `[letter]`: the letter of notification. Its draft goes to officials, the request waits until it comes back signed
/// (`akund release ID --letter …`), and then the letter is handed over, and the credentials separately.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LetterRules {
    /// A Word file in the directory of templates, `NAME.docx`; `surat-pemberitahuan.docx` is built in.
    pub template: String,
    /// The roles that get the draft, one after the other; each needs an `email`.
    pub draft_to: Vec<String>,
    /// The roles that may sign it; their alternatives and those who act for them may, too.
    pub signed_by: Vec<String>,
    /// Only with these actions. Default `["create"]`.
    #[serde(default = "create_only")]
    pub actions: Vec<Action>,
    /// Numbers of the SOP steps in which each of `draft_to` gets the draft; default: that of the notice `letter-draft`.
    #[serde(default)]
    pub draft_steps: Vec<String>,
    /// Number of the SOP step in which the draft is written; default: that of the verb `draft`.
    pub step: Option<String>,
    /// Number of the SOP step in which it is signed; default: that of the verb `sign`.
    pub signed_step: Option<String>,
    /// Number of the SOP step in which it is sent; default: that of the notice `letter`.
    pub sent_step: Option<String>,
}

impl LetterRules {
    /// The rows of the SOP that it names.
    pub(super) fn steps(&self) -> impl Iterator<Item = &String> {
        self.draft_steps.iter().chain(&self.step).chain(&self.signed_step).chain(&self.sent_step)
    }
}

fn create_only() -> Vec<Action> {
    vec![Action::Create]
}
fn mail() -> Vec<String> {
    vec!["mail".into()]
}
fn plain_local_part() -> String {
    "[a-z0-9]+([._-][a-z0-9]+)*".into()
}
fn sixty_four() -> usize {
    64
}
fn yes() -> bool {
    true
}
