//! Kannel's sendsms interface (Kannel user guide, "SMS Push (send-sms)").
//!
//! 202 with `0:` says that the SMS centre has the message, with `3:` that Kannel keeps it until the centre can be reached: either
//! way Kannel has taken it. Whether it arrived, Kannel says later by a delivery report: it calls akund's own HTTP listener on this
//! machine, with a token that only this notice has (`report_url`).

use super::segments::{Alphabet, Segments};
use super::{addressed, shown, unanswered};
use crate::channel::{Arrival, Channel, Envelope, HandedOver, Uncertain};
use crate::config::channel::KannelConfig;
use crate::model::{Answer, Fault, Finding, Phone, Secret};
use crate::web::{self, Answered};
use reqwest::{Client, Request, Url};
use std::path::Path;
use std::time::Duration;

/// Reports that are asked for: arrived (1), cannot arrive (2), refused by the SMS centre (16).
const MASK: &str = "19";

/// `kind = "sms-kannel"`
pub struct Kannel {
    name: String,
    url: Url,
    username: String,
    password: Secret,
    from: Option<String>,
    smsc: Option<String>,
    report_url: Option<String>,
    max_parts: usize,
    parallel: usize,
    client: Client,
}

impl Kannel {
    /// Checks the configuration and reads the password. Connects to nothing. Errors are sentences.
    pub fn open(
        name: &str,
        config: &KannelConfig,
        read_secret: &dyn Fn(&Path) -> Result<Secret, String>,
    ) -> Result<Self, String> {
        let problem = |cause: String| format!("channel {name}: {cause}");
        Ok(Self {
            name: name.to_owned(),
            url: web::protected_url(&config.url).map_err(|why| problem(format!("url {why}")))?,
            username: config.username.clone(),
            password: read_secret(&config.password_file).map_err(problem)?,
            from: config.from.clone(),
            smsc: config.smsc.clone(),
            report_url: config.report_url.as_ref().map(|url| url.trim_end_matches('/').to_owned()),
            max_parts: config.max_segments,
            parallel: config.connections,
            client: web::client(&config.url, config.ca_file.as_deref(), Duration::from_secs(config.timeout_seconds))
                .map_err(problem)?,
        })
    }

    fn gateway(&self) -> String {
        gateway(&self.url)
    }

    /// The values stand in a query (Kannel takes them nowhere else, but for headers): the client writes its URL to no log.
    fn request(&self, phone: Option<&Phone>, more: &[(&str, &str)]) -> Request {
        let mut url = self.url.clone();
        {
            let mut query = url.query_pairs_mut();
            query.append_pair("username", &self.username).append_pair("password", self.password.expose());
            if let Some(phone) = phone {
                query.append_pair("to", phone.as_str());
            }
            let fixed = [("from", &self.from), ("smsc", &self.smsc)];
            for (key, value) in fixed.into_iter().filter_map(|(key, value)| Some((key, value.as_ref()?))) {
                query.append_pair(key, value);
            }
            query.extend_pairs(more);
        }
        Request::new(reqwest::Method::GET, url)
    }

    fn message(&self, notice: &Envelope, phone: &Phone, taken: Segments) -> Request {
        let coding = if taken.alphabet == Alphabet::Gsm7 { "0" } else { "2" };
        let mut more = vec![("charset", "UTF-8"), ("coding", coding), ("text", notice.text.expose())];
        // Kannel puts the report's number in the place of %d.
        let report =
            self.report_url.as_ref().zip(notice.receipt.as_ref()).map(|(url, receipt)| format!("{url}{receipt}/%d"));
        if let Some(report) = &report {
            more.extend([("dlr-mask", MASK), ("dlr-url", report.as_str())]);
        }
        self.request(Some(phone), &more)
    }

    async fn hand_over(&self, notice: &Envelope) -> Result<HandedOver, Fault> {
        let (phone, taken) = addressed(notice, self.max_parts)?;
        let answer = web::exchange(&self.client, self.message(notice, phone, taken)).await;
        let answered = answer.map_err(|why| unanswered(&self.gateway(), phone, why))?;
        let said = shown(&answered.body, phone, notice.text.expose());
        match read(&answered) {
            Reading::Taken => Ok(HandedOver {
                reply: format!("{} {said} ({taken})", answered.status.as_u16()),
                reference: notice.receipt.clone().filter(|_| self.report_url.is_some()),
            }),
            Reading::Fault(make) => Err(make(format!(
                "Kannel at {} answered for {}: {} {said}",
                self.gateway(),
                phone.masked(),
                answered.status.as_u16()
            ))),
        }
    }

    /// A message to nobody: Kannel says whether it knows the user before it looks for a number.
    async fn look(&self) -> Vec<Finding> {
        let place = format!("Kannel at {}", self.gateway());
        let answered = match web::exchange(&self.client, self.request(None, &[])).await {
            Ok(answered) => answered,
            Err(why) => {
                let (web::Unanswered::NotSent(why) | web::Unanswered::Lost(why)) = why;
                return vec![Err(format!("{place}: {why}"))];
            }
        };
        let said = crate::model::said::tidy(&answered.body, "");
        vec![match answered.body.to_ascii_lowercase() {
            body if body.contains("missing receiver") => Ok(format!("{place} knows the user {}", self.username)),
            body if body.contains("authorization failed") => Err(format!(
                "{place} refuses the user {} with this password, or connections from here: {said}",
                self.username
            )),
            _ => Err(format!("{place} answers as Kannel does not: {} {said}; look at url", answered.status.as_u16())),
        }]
    }
}

/// Host and port, without what else the URL holds.
pub(super) fn gateway(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

enum Reading {
    Taken,
    Fault(fn(String) -> Fault),
}

/// What Kannel's answer means (smsbox's own words for each status).
fn read(answered: &Answered) -> Reading {
    let body = answered.body.trim_start();
    match answered.status.as_u16() {
        202 if body.starts_with("0:") || body.starts_with("3:") => Reading::Taken,
        // A wrong password is the operator's to mend, and costs no notice.
        403 if body.to_ascii_lowercase().contains("authorization failed") => Reading::Fault(Fault::transient),
        401 | 404 | 429 | 503 => Reading::Fault(Fault::transient),
        400 | 403 => Reading::Fault(Fault::permanent),
        _ => Reading::Fault(Fault::unknown),
    }
}

/// What a report says, by its number. None: it says nothing final.
pub fn arrival(number: u32) -> Option<Arrival> {
    match number {
        1 => Some(Arrival::Confirmed),
        2 => Some(Arrival::Failed("the SMS centre could not deliver it".into())),
        16 => Some(Arrival::Failed("the SMS centre refused it".into())),
        _ => None,
    }
}

impl Channel for Kannel {
    fn name(&self) -> &str {
        &self.name
    }
    fn carries_email(&self) -> bool {
        false
    }
    fn uncertain(&self) -> Uncertain {
        Uncertain::Stuck
    }
    fn parallel(&self) -> usize {
        self.parallel
    }
    fn send<'a>(&'a self, notice: &'a Envelope) -> Answer<'a, Result<HandedOver, Fault>> {
        Box::pin(self.hand_over(notice))
    }
    fn check<'a>(&'a self) -> Answer<'a, Vec<Finding>> {
        Box::pin(self.look())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::FaultClass;

    #[test]
    fn each_answer_of_kannels_has_its_meaning() {
        for (status, body, class) in [
            (202, "0: Accepted for delivery", None),
            (202, "3: Queued for later delivery", None),
            (202, "Sent.", Some(FaultClass::Unknown)),
            (200, "<html>", Some(FaultClass::Unknown)),
            (403, "Authorization failed for sendsms", Some(FaultClass::Transient)),
            (403, "Not routable. Do not try again.", Some(FaultClass::Permanent)),
            (400, "Number(s) has/have been denied by white- and/or black-lists.", Some(FaultClass::Permanent)),
            (503, "Temporal failure, try again later.", Some(FaultClass::Transient)),
            (502, "Bad Gateway", Some(FaultClass::Unknown)),
            (302, "", Some(FaultClass::Unknown)),
        ] {
            let answered = Answered { status: reqwest::StatusCode::from_u16(status).unwrap(), body: body.into() };
            let found = match read(&answered) {
                Reading::Taken => None,
                Reading::Fault(make) => Some(make(String::new()).class),
            };
            assert_eq!(found, class, "{status} {body}");
        }
    }

    #[test]
    fn only_final_reports_say_something() {
        assert_eq!(arrival(1), Some(Arrival::Confirmed));
        assert!(matches!(arrival(2), Some(Arrival::Failed(_))) && matches!(arrival(16), Some(Arrival::Failed(_))));
        assert!([0, 4, 8, 32].into_iter().all(|number| arrival(number).is_none()));
    }
}
