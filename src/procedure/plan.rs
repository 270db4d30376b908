//! `plan`: the steps of a grant, in order; `notices`: the one notice of any other verdict. Pure.

use super::procedure::Procedure;
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
        Some((way(email.is_some(), person.phone.is_some(), procedure, site)?, to))
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

/// Whom the procedure wants credentials to go to, and over which channel that is possible. None: nobody can be reached.
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
    Some((way(person.email.is_some(), person.phone.is_some(), procedure, site)?, to))
}

fn responsible(record: &Record) -> Option<(Recipient, &Person)> {
    record.responsible.as_ref().map(|r| (Recipient::Responsible, r))
}

/// The first of the procedure's channels that such a contact can be reached over.
fn way<'s>(email: bool, phone: bool, procedure: &Procedure, site: &'s Site) -> Option<&'s SiteChannel> {
    let channels = procedure.file.delivery.channels.iter();
    let mut channels = channels.filter_map(|name| site.channels.iter().find(|c| c.name == *name));
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
