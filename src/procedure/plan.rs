//! `plan`: the steps of a grant, in order; `notices`: the one notice of any other verdict. Pure.

use super::compiled::Procedure;
use super::rules::DeliverTo;
use crate::model::{
    Action, Address, Grant, HoldReason, NoticeKind, Person, Plan, PlannedStep, Recipient, Record, Scheme, StepDetail,
    Verb, Verdict,
};

/// What this site has, as far as procedures must know it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Site {
    /// In the order of the configuration.
    pub targets: Vec<SiteTarget>,
    /// In the order of the configuration.
    pub channels: Vec<SiteChannel>,
}

/// A target of the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SiteTarget {
    /// Its name; the name of its lane.
    pub name: String,
    /// The services it provides.
    pub services: Vec<String>,
    /// The password schemes it needs.
    pub schemes: Vec<Scheme>,
}

/// A channel of the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SiteChannel {
    /// Its name; the name of its lane.
    pub name: String,
    /// Whether it carries e-mail (else SMS).
    pub carries_email: bool,
}

/// The steps of a grant: for each target, in the order of the services, apply and prove; before them the password
/// where there is a new one; last the notice, over the first channel that reaches whom the procedure names.
pub fn plan(record: &Record, grant: &Grant, procedure: &Procedure, site: &Site) -> Plan {
    let targets = targets(grant, site);
    let mut plan = Plan::with_capacity(2 * targets.len() + 2);
    let sop = |verb: Verb| procedure.sop.verb(verb);
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
    if let Some((channel, to)) = reach(record, procedure, site) {
        let kind = if grant.action.mints() { NoticeKind::Credentials } else { NoticeKind::Changed };
        plan.push(deliver(record, procedure, channel, kind, to));
    }
    plan
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
        Some((way(email.is_some(), person.phone.is_some(), procedure.news_channels(), site)?, to))
    });
    ways.next().map(|(channel, to)| deliver(record, procedure, channel, kind, to)).into_iter().collect()
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

/// Whom the procedure wants credentials (or, without new ones, the news) to go to, and over which channel that is possible.
/// None: nobody can be reached.
pub(super) fn reach<'s>(
    record: &Record,
    procedure: &Procedure,
    site: &'s Site,
) -> Option<(&'s SiteChannel, Recipient)> {
    let applicant = (Recipient::Applicant, &record.applicant);
    let (to, person) = match procedure.file.delivery.to {
        DeliverTo::Applicant => applicant,
        DeliverTo::Responsible => responsible(record)?,
        DeliverTo::ResponsibleOrApplicant => responsible(record).unwrap_or(applicant),
    };
    let channels = if record.action.mints() { &procedure.file.delivery.channels } else { procedure.news_channels() };
    Some((way(person.email.is_some(), person.phone.is_some(), channels, site)?, to))
}

fn responsible(record: &Record) -> Option<(Recipient, &Person)> {
    record.responsible.as_ref().map(|r| (Recipient::Responsible, r))
}

/// The first of the channels that such a contact can be reached over.
fn way<'s>(email: bool, phone: bool, channels: &[String], site: &'s Site) -> Option<&'s SiteChannel> {
    let mut channels = channels.iter().filter_map(|name| site.channels.iter().find(|c| c.name == *name));
    channels.find(|c| if c.carries_email { email } else { phone })
}

/// An address that the request wants to have made may belong to somebody else, or to nobody.
fn may_be_a_strangers(record: &Record, email: &Address) -> bool {
    record.action == Action::Create && record.account.address.as_ref() == Some(email)
}

fn deliver(
    record: &Record,
    procedure: &Procedure,
    channel: &SiteChannel,
    kind: NoticeKind,
    to: Recipient,
) -> PlannedStep {
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

    #[test]
    fn the_first_channel_that_reaches_the_recipient_is_used() {
        let procedure = generic_with("channels = [\"email\"]", "channels = [\"email\", \"sms\"]");
        let lane = |record: &Record| {
            let judgement = decided(record, &procedure, &Default::default());
            judgement.plan.last().map(|s| (s.lane.clone(), s.detail.to))
        };
        let mut record = unit();
        assert_eq!(lane(&record), Some(("email".into(), Some(Recipient::Responsible))));
        record.responsible.as_mut().unwrap().email = None;
        assert_eq!(lane(&record), Some(("sms".into(), Some(Recipient::Responsible))));
    }

    #[test]
    fn news_goes_to_the_applicant_or_else_to_the_responsible_person_or_to_nobody() {
        let mut record = unit();
        record.applicant.category = "alumni".into();
        let to = |record: &Record| {
            let notices = decided(record, &generic(), &Default::default()).notices;
            notices.first().and_then(|s| Some((s.detail.notice?, s.detail.to?)))
        };
        assert_eq!(to(&record), Some((NoticeKind::Refusal, Recipient::Applicant)));
        record.applicant.email = None;
        assert_eq!(to(&record), Some((NoticeKind::Refusal, Recipient::Responsible)));
        record.responsible = None;
        assert_eq!(to(&record), None);
    }
}
