//! `plan`: the steps of a grant, in order; `notices`: the one notice of any other verdict. Pure.

use super::compiled::Procedure;
use super::rules::{DeliverTo, ReportWhen};
use super::site::{Site, SiteChannel, SiteTarget};
use crate::model::{
    Action, Address, Grant, HoldReason, NoticeKind, Person, Plan, PlannedStep, Recipient, Record, Scheme, StepDetail,
    Verb, Verdict,
};

/// The steps of a grant: for each target, in the order of the services, apply and prove; before them the password
/// where there is a new one; then reports and the letter, where the procedure has them; last the notice, over the channels that
/// reach whom the procedure names, and the reports that follow it.
pub fn plan(record: &Record, grant: &Grant, procedure: &Procedure, site: &Site) -> Plan {
    let targets = targets(grant, site);
    let mut plan = Plan::with_capacity(2 * targets.len() + 2);
    let sop = |verb: Verb| procedure.sop.verb(verb);
    // Found everywhere before anything is changed anywhere.
    for target in targets.iter().filter(|_| grant.adopts.is_some()) {
        let detail = StepDetail { sop: sop(Verb::Adopt), ..StepDetail::default() };
        plan.push(PlannedStep { lane: target.name.clone(), verb: Verb::Adopt, detail });
    }
    if grant.action.mints() {
        let detail = StepDetail { schemes: schemes(&targets), sop: sop(Verb::Mint), ..StepDetail::default() };
        plan.push(PlannedStep { lane: Verb::MINT_LANE.into(), verb: Verb::Mint, detail });
    }
    for target in targets {
        for verb in [Verb::Apply, Verb::Prove] {
            let detail = StepDetail { sop: sop(verb), ..StepDetail::default() };
            plan.push(PlannedStep { lane: target.name.clone(), verb, detail });
        }
    }
    let (at_once, behind) = match holder(record, grant, procedure, site) {
        Holder::NotTold => (None, None),
        Holder::AtOnce(channels) => (aside(record, procedure, &channels, Vec::new()), None),
        Holder::Unless(channels, by) => (None, aside(record, procedure, &channels, by)),
    };
    plan.extend(at_once);
    let email = procedure.email_channel(site);
    plan.extend(reports(record, procedure, email, ReportWhen::Proven));
    plan.extend(letter(record, procedure, email));
    if let Some(reach) = reach(record, grant.action, procedure, site) {
        let kind = if grant.action.mints() { NoticeKind::Credentials } else { NoticeKind::Changed };
        if !reach.username.is_empty() {
            plan.extend(deliver(record, procedure, &reach.username, NoticeKind::Username, reach.to.clone()));
        }
        plan.extend(deliver(record, procedure, &reach.channels, kind, reach.to).map(|mut step| {
            step.detail.apart = !reach.username.is_empty();
            step
        }));
    }
    plan.extend(behind);
    plan.extend(reports(record, procedure, email, ReportWhen::HandedOver));
    plan
}

/// Where an account's holder is told what is taken from them.
enum Holder<'s> {
    /// Not by a notice of their own.
    NotTold,
    /// Over these channels, before the request's own notice.
    AtOnce(Vec<&'s SiteChannel>),
    /// Over the first ones, behind the request's own notice, unless that was handed over by one of the named ones.
    Unless(Vec<&'s SiteChannel>, Vec<String>),
}

/// What takes something from an account's holder is told them, too, at the contact that the register has; unless the request's own
/// notice goes there. Never at an address of the account, nor with a password, and nothing waits for it.
fn holder<'s>(record: &Record, grant: &Grant, procedure: &Procedure, site: &'s Site) -> Holder<'s> {
    if !grant.takes_away || !procedure.file.delivery.tell_holder {
        return Holder::NotTold;
    }
    let account = &grant.account;
    let mut own = account.address.iter().chain(&account.aliases);
    let email = account.recovery_email.as_ref().filter(|email| !own.any(|own| own == *email));
    let phone = account.recovery_phone.as_ref();
    let mut channels = ways(email.is_some(), phone.is_some(), procedure.news_channels(), site);
    let Some(first) = channels.first() else { return Holder::NotTold };
    let reach = reach(record, grant.action, procedure, site);
    let told =
        reach.as_ref().map(|reach| (record.person(&reach.to), [&reach.channels[..], &reach.username[..]].concat()));
    let (asks, by) = told.unwrap_or((&record.applicant, Vec::new()));
    let same = |channel: &SiteChannel| match channel.carries_email {
        true => email.is_some() && asks.email.as_ref() == email,
        false => phone.is_some() && asks.phone.as_ref() == phone,
    };
    let reached: Vec<String> = by.iter().filter(|channel| same(channel)).map(|channel| channel.name.clone()).collect();
    if !by.is_empty() && reached.len() == by.len() {
        return Holder::NotTold;
    }
    if !reached.is_empty() && (by.first().is_some_and(|channel| same(channel)) || same(first)) {
        return Holder::Unless(channels, reached);
    }
    // It leaves at once, and must not follow the other one to where that may go after a refusal.
    if !same(first) {
        channels.retain(|channel| !same(channel));
    }
    Holder::AtOnce(channels)
}

/// The holder's notice: nothing waits for it. With `unless` it has to show by which channel the request's own was handed over.
fn aside(
    record: &Record,
    procedure: &Procedure,
    channels: &[&SiteChannel],
    unless: Vec<String>,
) -> Option<PlannedStep> {
    let mut step = deliver(record, procedure, channels, NoticeKind::Changed, Recipient::Holder)?;
    (step.detail.aside, step.detail.unless, step.detail.sop) = (true, unless, None);
    Some(step)
}

fn reports(record: &Record, procedure: &Procedure, email: Option<&SiteChannel>, when: ReportWhen) -> Plan {
    let due = procedure.file.report.iter().filter(|r| r.when == when && r.actions.contains(&record.action));
    let Some(email) = email else { return Plan::new() };
    due.map(|rule| {
        let mut step = over(record, procedure, email, NoticeKind::Report, Recipient::Role(rule.to.clone()));
        step.detail.handed_over = when == ReportWhen::HandedOver;
        at_step(step, rule.step.as_ref())
    })
    .collect()
}

/// The draft is written, goes to each official in turn, comes back signed and is handed over.
fn letter(record: &Record, procedure: &Procedure, email: Option<&SiteChannel>) -> Plan {
    let Some((rules, email)) = procedure.file.letter.as_ref().zip(email) else { return Plan::new() };
    let Some(to) = letter_to(record).filter(|_| rules.actions.contains(&record.action)) else { return Plan::new() };
    let own = |verb: Verb, step: &Option<String>| PlannedStep {
        lane: Verb::LETTER_LANE.into(),
        verb,
        detail: StepDetail {
            template: (verb == Verb::Draft).then(|| rules.template.clone()),
            signed_by: procedure.signers.clone(),
            language: Some(procedure.language_for(record).as_str().to_owned()),
            sop: step.clone().or_else(|| procedure.sop.verb(verb)),
            ..StepDetail::default()
        },
    };
    let drafts = rules.draft_to.iter().enumerate().map(|(i, role)| {
        let to = Recipient::Role(role.clone());
        let mut step = over(record, procedure, email, NoticeKind::LetterDraft, to);
        step.detail.signed_by.clone_from(&procedure.signers);
        at_step(step, rules.draft_steps.get(i))
    });
    let sent = over(record, procedure, email, NoticeKind::Letter, to);
    std::iter::once(own(Verb::Draft, &rules.step))
        .chain(drafts)
        .chain([own(Verb::Sign, &rules.signed_step), at_step(sent, rules.sent_step.as_ref())])
        .collect()
}

/// Whom the letter goes to: the applicant, else the responsible person; none where neither has an e-mail address.
pub(super) fn letter_to(record: &Record) -> Option<Recipient> {
    let people = [Some((Recipient::Applicant, &record.applicant)), responsible(record)];
    people.into_iter().flatten().find(|(_, person)| person.email.is_some()).map(|(to, _)| to)
}

fn at_step(mut step: PlannedStep, number: Option<&String>) -> PlannedStep {
    if let Some(number) = number {
        step.detail.sop = Some(number.clone());
    }
    step
}

/// The notice that tells the applicant (or, where the applicant cannot be reached, the responsible person) of a verdict
/// other than `Permit`. Empty where nobody can be reached, and while a person must look.
pub fn notices(record: &Record, verdict: &Verdict, procedure: &Procedure, site: &Site) -> Plan {
    let kind = match verdict {
        Verdict::Permit { .. } | Verdict::Hold { reason: HoldReason::Review, .. } => return Plan::new(),
        Verdict::Redirect { .. } => NoticeKind::Redirect,
        Verdict::Refuse { .. } => NoticeKind::Refusal,
        Verdict::Conflict { .. } => NoticeKind::Conflict,
        Verdict::Hold { reason: HoldReason::Form, .. } => NoticeKind::Form,
        Verdict::Hold { reason: HoldReason::Incomplete, .. } => NoticeKind::Incomplete,
    };
    let people = [Some((Recipient::Applicant, &record.applicant)), responsible(record)];
    let mut ways = people.into_iter().flatten().filter_map(|(to, person)| {
        let email = person.email.as_ref().filter(|e| !may_be_a_strangers(record, e));
        let channels = ways(email.is_some(), person.phone.is_some(), procedure.news_channels(), site);
        (!channels.is_empty()).then_some((channels, to))
    });
    ways.next().and_then(|(channels, to)| deliver(record, procedure, &channels, kind, to)).into_iter().collect()
}

/// The targets of a grant's services, in the order of the services, each once.
fn targets<'s>(grant: &Grant, site: &'s Site) -> Vec<&'s SiteTarget> {
    let mut targets: Vec<&SiteTarget> = Vec::new();
    for service in &grant.account.services {
        for target in site.targets.iter().filter(|t| t.services.contains(service)) {
            if !targets.iter().any(|t| t.name == target.name) {
                targets.push(target);
            }
        }
    }
    targets
}

fn schemes(targets: &[&SiteTarget]) -> Vec<Scheme> {
    let mut schemes = Vec::new();
    for scheme in targets.iter().flat_map(|t| &t.schemes) {
        if !schemes.contains(scheme) {
            schemes.push(*scheme);
        }
    }
    schemes
}

/// Whom the procedure wants credentials (or, without new ones, the news) to go to, and over which channels, the preferred one first.
pub(super) struct Reach<'s> {
    /// Whom.
    pub to: Recipient,
    /// For the notice; where the user name goes apart, for the password alone. Never empty.
    pub channels: Vec<&'s SiteChannel>,
    /// For the user name, where it goes apart.
    pub username: Vec<&'s SiteChannel>,
}

/// None: nobody can be reached, or not over two ways where two are wanted.
pub(super) fn reach<'s>(record: &Record, action: Action, procedure: &Procedure, site: &'s Site) -> Option<Reach<'s>> {
    let applicant = (Recipient::Applicant, &record.applicant);
    let (to, person) = match procedure.file.delivery.to {
        DeliverTo::Applicant => applicant,
        DeliverTo::Responsible => responsible(record)?,
        DeliverTo::ResponsibleOrApplicant => responsible(record).unwrap_or(applicant),
    };
    let by = |names: &[String]| ways(person.email.is_some(), person.phone.is_some(), names, site);
    let [password, username] = procedure.file.delivery.split(action);
    let reach = Reach { to, channels: by(&password), username: by(&username) };
    let whole = !reach.channels.is_empty() && (username.is_empty() || !reach.username.is_empty());
    whole.then_some(reach)
}

fn responsible(record: &Record) -> Option<(Recipient, &Person)> {
    record.responsible.as_ref().map(|r| (Recipient::Responsible, r))
}

/// Those of the named channels that such a contact can be reached over, in their order.
fn ways<'s>(email: bool, phone: bool, names: &[String], site: &'s Site) -> Vec<&'s SiteChannel> {
    let channels = names.iter().filter_map(|name| site.channels.iter().find(|c| c.name == *name));
    channels.filter(|c| if c.carries_email { email } else { phone }).collect()
}

/// An address that the request wants to have made may belong to somebody else, or to nobody.
fn may_be_a_strangers(record: &Record, email: &Address) -> bool {
    record.action == Action::Create && record.account.address.as_ref() == Some(email)
}

fn deliver(
    record: &Record,
    procedure: &Procedure,
    channels: &[&SiteChannel],
    kind: NoticeKind,
    to: Recipient,
) -> Option<PlannedStep> {
    let (first, next) = channels.split_first()?;
    let mut step = over(record, procedure, first, kind, to);
    step.detail.next = next.iter().map(|channel| channel.name.clone()).collect();
    Some(step)
}

/// The step that hands a notice over to one channel.
fn over(record: &Record, procedure: &Procedure, channel: &SiteChannel, kind: NoticeKind, to: Recipient) -> PlannedStep {
    let detail = StepDetail {
        notice: Some(kind),
        to: Some(to),
        language: Some(procedure.language_for(record).as_str().to_owned()),
        sop: procedure.sop.notice(kind),
        ..StepDetail::default()
    };
    PlannedStep { lane: channel.name.clone(), verb: Verb::Deliver, detail }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::procedure::testing::*;

    fn steps(record: &Record, facts: &crate::model::Facts) -> Vec<String> {
        let judgement = decided(record, &generic(), facts);
        let detail = |s: &PlannedStep| s.detail.notice.map_or(String::new(), |n| format!(" {}", n.as_str()));
        judgement.plan.iter().map(|s| format!("{} {}{}", s.lane, s.verb.as_str(), detail(s))).collect()
    }

    #[test]
    fn a_new_account_is_minted_made_proven_and_handed_over() {
        let judgement = decided(&lecturer(), &generic(), &Default::default());
        assert_eq!(
            steps(&lecturer(), &Default::default()),
            [
                "credentials mint",
                "maps apply",
                "maps prove",
                "radius apply",
                "radius prove",
                "email deliver credentials",
            ]
        );
        assert_eq!(judgement.plan[0].detail.schemes, [Scheme::Sha512Crypt, Scheme::NtHash]);
        assert_eq!(judgement.plan[5].detail.language.as_deref(), Some("id"));
        let sops: Vec<_> = judgement.plan.iter().filter_map(|s| s.detail.sop.as_deref()).collect();
        assert_eq!(sops, ["5", "5", "5", "5", "5", "6"]);
    }

    #[test]
    fn targets_come_in_the_order_of_the_services_and_each_once() {
        let mut record = lecturer();
        record.account.services = vec!["hotspot".into(), "mail".into(), "hotspot".into()];
        assert_eq!(
            steps(&record, &Default::default())[1..5],
            ["radius apply", "radius prove", "maps apply", "maps prove"]
        );
        // One target that provides both is written to once.
        let mut both = site();
        both.targets.truncate(1);
        both.targets[0].services.push("hotspot".into());
        let judgement = crate::procedure::decide(&record, &generic(), &both, &Default::default(), UID, now());
        assert_eq!(judgement.plan.iter().filter(|s| s.verb == Verb::Apply).count(), 1);
    }

    #[test]
    fn a_service_of_two_targets_is_brought_about_at_both() {
        let mut two = site();
        let mut directory = two.targets[0].clone();
        directory.name = "directory".into();
        directory.schemes = vec![Scheme::Ssha512];
        two.targets.push(directory);
        let judgement = crate::procedure::decide(&lecturer(), &generic(), &two, &Default::default(), UID, now());
        let applied: Vec<_> =
            judgement.plan.iter().filter(|s| s.verb == Verb::Apply).map(|s| s.lane.as_str()).collect();
        assert_eq!(applied, ["maps", "directory", "radius"]);
        assert_eq!(judgement.plan[0].detail.schemes, [Scheme::Sha512Crypt, Scheme::Ssha512, Scheme::NtHash]);
    }

    #[test]
    fn only_what_hands_out_a_password_mints_one() {
        let (record, facts) = existing(Action::Reset);
        let reset = steps(&record, &facts);
        assert_eq!((reset[0].as_str(), reset[5].as_str()), ("credentials mint", "email deliver credentials"));
        for action in [Action::Change, Action::Suspend, Action::Resume] {
            let (record, facts) = existing(action);
            let steps = steps(&record, &facts);
            assert_eq!(steps, ["maps apply", "maps prove", "radius apply", "radius prove", "email deliver changed"]);
        }
    }

    /// Where and behind how many of the plan's other steps the holder is told: `sms, email after 4 unless email`.
    fn holder_is_told(channels: &str, action: Action, asks: (&str, &str), holder: (&str, &str)) -> String {
        let procedure = generic_with("channels = [\"email\"]", &format!("channels = [{channels}]"));
        let (mut record, mut facts) = existing(action);
        if action == Action::Change {
            let expires = Some("2026-12-24".parse().unwrap());
            record.change = Some(crate::model::request::Change { expires, ..Default::default() });
        }
        record.applicant.email = asks.0.parse().ok();
        record.applicant.phone = crate::model::Phone::parse(asks.1, "ID").ok();
        let account = facts.account.as_mut().unwrap();
        (account.recovery_email, account.recovery_phone) =
            (holder.0.parse().ok(), crate::model::Phone::parse(holder.1, "ID").ok());
        let plan = decided(&record, &procedure, &facts).plan;
        assert!(!plan.is_empty(), "{action:?}");
        let Some(place) = plan.iter().position(|step| step.detail.to == Some(Recipient::Holder)) else {
            assert!(plan.iter().all(|step| !step.detail.aside));
            return String::new();
        };
        let step = &plan[place];
        assert!(step.detail.aside && step.detail.sop.is_none() && step.detail.notice == Some(NoticeKind::Changed));
        let by = [std::slice::from_ref(&step.lane), &step.detail.next[..]].concat().join(", ");
        let own = plan.iter().position(|s| s.verb == Verb::Deliver && !s.detail.aside).unwrap();
        assert!(plan[..place].iter().any(|step| step.verb == Verb::Prove), "it is carried out before");
        let place = if place < own { "at once".into() } else { format!("unless {}", step.detail.unless.join(", ")) };
        format!("{by} {place}")
    }

    #[test]
    fn the_holder_is_told_of_what_another_contact_asked_for_and_never_twice_at_one_address() {
        let (own, other) = ("budi.pribadi@example.org", "orang.lain@example.org");
        let (phone, another) = ("+6281234567890", "+6281200000001");
        let both = "\"sms\", \"email\"";
        for (channels, asks, holder, expected) in [
            ("\"email\"", (own, ""), (own, ""), ""),
            ("\"email\"", (other, ""), (own, ""), "email at once"),
            // The contact of the register is no contact of the channel: nobody can be told.
            ("\"email\"", (other, phone), ("", phone), ""),
            // The channel that is really used is the one that is compared.
            (both, (own, phone), (own, phone), ""),
            (both, (own, another), (own, phone), "sms at once"),
            (both, (other, phone), (own, phone), "sms, email unless sms"),
            (both, (own, ""), (own, phone), ""),
            (both, (other, ""), (own, phone), "sms, email at once"),
            (both, (own, another), (own, ""), "email unless email"),
            // Never at the mailbox that was closed, nor at an alias of it.
            ("\"email\"", (other, ""), ("budi@example.ac.id", ""), ""),
            ("\"email\"", (other, ""), ("b.santoso@example.ac.id", ""), ""),
            (both, (other, another), ("budi@example.ac.id", phone), "sms at once"),
        ] {
            let told = holder_is_told(channels, Action::Suspend, asks, holder);
            assert_eq!(told, expected, "{channels} {asks:?} {holder:?}");
        }
        for (action, expected) in [
            (Action::Suspend, "email at once"),
            (Action::Reset, "email at once"),
            (Action::Change, "email at once"),
            (Action::Resume, ""),
        ] {
            assert_eq!(holder_is_told("\"email\"", action, (other, ""), (own, "")), expected, "{action:?}");
        }
    }

    #[test]
    fn a_procedure_may_say_that_its_holders_are_told_otherwise() {
        let (record, mut facts) = existing(Action::Suspend);
        facts.account.as_mut().unwrap().recovery_email = Some("pemegang@example.org".parse().unwrap());
        let told = |procedure: &Procedure| {
            let plan = decided(&record, procedure, &facts).plan;
            plan.iter().filter(|step| step.detail.to == Some(Recipient::Holder)).count()
        };
        assert_eq!(told(&generic()), 1);
        assert_eq!(told(&generic_with("tell_holder = true", "")), 1, "the default");
        assert_eq!(told(&generic_with("tell_holder = true", "tell_holder = false")), 0);
    }

    #[test]
    fn the_first_channel_that_reaches_the_recipient_is_used() {
        let procedure = generic_with("channels = [\"email\"]", "channels = [\"email\", \"sms\"]");
        let lane = |record: &Record| {
            let judgement = decided(record, &procedure, &Default::default());
            judgement.plan.last().map(|s| (s.lane.clone(), s.detail.to.clone()))
        };
        let mut record = unit();
        assert_eq!(lane(&record), Some(("email".into(), Some(Recipient::Responsible))));
        record.responsible.as_mut().unwrap().email = None;
        assert_eq!(lane(&record), Some(("sms".into(), Some(Recipient::Responsible))));
    }

    /// The office's procedure with a letter and reports.
    fn with_letter(more: &str) -> Procedure {
        let text = include_str!("../../tests/corpus/procedures/good/office-email.toml");
        let text = text.replace("name = \"kabid\"", "name = \"kabid\"\nemail = \"kabid@kab.example\"");
        let text = text.replace("name = \"kasi\"", "name = \"kasi\"\nemail = \"kasi@kab.example\"");
        parse("office-email.toml", &format!("{text}\n{more}"))
    }

    const LETTER: &str = "[letter]\ntemplate = \"surat-pemberitahuan.docx\"\ndraft_to = [\"kasi\", \"kabid\"]\n\
        signed_by = [\"head\"]\nstep = \"1\"\ndraft_steps = [\"2\", \"3\"]\nsent_step = \"5\"\n\
        [[report]]\nto = \"kasi\"\nstep = \"6\"\n[[report]]\nto = \"kabid\"\nwhen = \"handed-over\"\n";

    #[test]
    fn report_draft_signature_letter_and_credentials_come_in_the_sops_order() {
        let procedure = with_letter(LETTER);
        let mut record = unit();
        let (grant, site) =
            (decided(&record, &generic(), &Default::default()).verdict.grant().unwrap().clone(), site());
        let steps = |record: &Record| -> Vec<String> {
            let shown = |s: &PlannedStep| {
                let to = s.detail.to.as_ref().map_or("", Recipient::as_str);
                let notice = s.detail.notice.map_or("", NoticeKind::as_str);
                let step = s.detail.sop.as_deref().unwrap_or("-");
                format!("{step} {} {} {notice} {to}", s.lane, s.verb.as_str()).trim_end().to_owned()
            };
            plan(record, &grant, &procedure, &site).iter().skip(5).map(shown).collect()
        };
        assert_eq!(
            steps(&record),
            [
                "6 email deliver report kasi",
                "1 letter draft",
                "2 email deliver letter-draft kasi",
                "3 email deliver letter-draft kabid",
                "- letter sign",
                "5 email deliver letter applicant",
                "12 sms deliver credentials responsible",
                "12 email deliver report kabid",
            ]
        );
        let sign = plan(&record, &grant, &procedure, &site).into_iter().find(|s| s.verb == Verb::Sign).unwrap();
        assert_eq!(sign.detail.signed_by, ["head", "secretary"], "an alternative may sign, too");
        let texts = procedure.texts_for(&record, "local");
        assert_eq!(texts["role.kasi.email"], "kasi@kab.example");
        assert_eq!((texts["role.head.title"].as_str(), texts.get("role.head.email")), ("Kepala Dinas", None));
        record.applicant.email = None;
        assert_eq!(steps(&record)[5], "5 email deliver letter responsible");
        record.action = Action::Reset;
        assert_eq!(steps(&record), ["12 sms deliver credentials responsible"], "a reset needs no letter");
    }

    #[test]
    fn a_letter_that_can_reach_nobody_holds_the_request_before_anything_is_made() {
        let procedure = with_letter(LETTER);
        let mut record = unit();
        record.applicant.email = None;
        record.responsible.as_mut().unwrap().email = None;
        let judgement = decided(&record, &procedure, &Default::default());
        let check = judgement.checklist.iter().find(|c| c.requirement == "contact for the letter");
        // The category is another procedure's; what matters is what the checklist says where it gets so far.
        record.applicant.category = "office".into();
        let asked = decided(&record, &procedure, &Default::default());
        assert!(check.is_none() && asked.checklist.iter().any(|c| c.requirement == "contact for the letter" && !c.met));
    }

    #[test]
    fn a_site_without_email_cannot_send_letters() {
        let mut site = site();
        site.channels.retain(|c| !c.carries_email);
        let wrong = with_letter(LETTER).check_site(&site).join("\n");
        assert!(wrong.contains("no [channel] that carries e-mail"), "{wrong}");
    }

    #[test]
    fn the_other_channels_that_reach_the_recipient_stand_by_in_their_order() {
        let procedure = generic_with("channels = [\"email\"]", "channels = [\"sms\", \"nobody\", \"email\"]");
        let next = |record: &Record| {
            let judgement = decided(record, &procedure, &Default::default());
            judgement.plan.last().map(|s| (s.lane.clone(), s.detail.next.clone()))
        };
        let mut record = unit();
        assert_eq!(next(&record), Some(("sms".into(), vec!["email".into()])));
        record.responsible.as_mut().unwrap().phone = None;
        assert_eq!(next(&record), Some(("email".into(), vec![])));
    }

    #[test]
    fn user_name_and_password_go_two_ways_where_the_procedure_says_so() {
        let with = "channels = [\"sms\", \"email\"]\nusername_channels = [\"email\"]";
        let procedure = generic_with("channels = [\"email\"]", with);
        let judgement = decided(&unit(), &procedure, &Default::default());
        let sent: Vec<_> = judgement.plan.iter().filter(|s| s.verb == Verb::Deliver).collect();
        let shown: Vec<_> = sent.iter().map(|s| (s.lane.as_str(), s.detail.notice, s.detail.apart)).collect();
        assert_eq!(shown, [("email", Some(NoticeKind::Username), false), ("sms", Some(NoticeKind::Credentials), true)]);
        // The password never falls back to where the user name goes.
        assert!(sent[1].detail.next.is_empty());
        // Both ways must reach the recipient: it is asked before anything is made.
        let mut record = unit();
        record.responsible.as_mut().unwrap().phone = None;
        let judgement = decided(&record, &procedure, &Default::default());
        assert!(judgement.plan.is_empty());
        assert!(judgement.checklist.iter().any(|c| !c.met && c.requirement == "contact"));
        // An action without a password is told in one notice.
        let (record, facts) = existing(Action::Suspend);
        let judgement = decided(&record, &procedure, &facts);
        assert_eq!(judgement.plan.iter().filter(|s| s.verb == Verb::Deliver).count(), 1);
    }

    #[test]
    fn news_goes_to_the_applicant_or_else_to_the_responsible_person_or_to_nobody() {
        let mut record = unit();
        record.applicant.category = "alumni".into();
        let to = |record: &Record| {
            let notices = decided(record, &generic(), &Default::default()).notices;
            notices.first().and_then(|s| Some((s.detail.notice?, s.detail.to.clone()?)))
        };
        assert_eq!(to(&record), Some((NoticeKind::Refusal, Recipient::Applicant)));
        record.applicant.email = None;
        assert_eq!(to(&record), Some((NoticeKind::Refusal, Recipient::Responsible)));
        record.responsible = None;
        assert_eq!(to(&record), None);
    }
}
