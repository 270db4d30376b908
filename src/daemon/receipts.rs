//! Arrivals that a gateway reports by HTTP: whether a report is genuine, and what it says.

use crate::channel::Arrival;
use crate::channel::sms::kannel;
use crate::config::{ChannelConfig, Config};
use crate::journal::Journal;
use crate::journal::receipt::Report;
use crate::lane::deliver::receipt_path;
use crate::model::RequestUid;
use crate::observe::http::{Receipt, Receipts};
use crate::secret::seal::SealingKey;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Takes reports for the channels that ask for them; none where no channel does.
pub fn taker(config: &Config, journal: Journal, key: Arc<SealingKey>) -> Option<Receipts> {
    let asks = |channel: &ChannelConfig| matches!(channel, ChannelConfig::SmsKannel(k) if k.report_url.is_some());
    let channels: BTreeSet<String> =
        config.channel.iter().filter(|(_, channel)| asks(channel)).map(|(name, _)| name.clone()).collect();
    if channels.is_empty() {
        return None;
    }
    Some(Arc::new(move |receipt: Receipt| {
        let genuine = channels.contains(&receipt.channel) && is_genuine(&key, &receipt);
        let notice = parse(&receipt.notice).filter(|_| genuine);
        let journal = journal.clone();
        Box::pin(async move {
            let Some((request, place)) = notice else { return false };
            let (report, note) = match kannel::arrival(receipt.number) {
                Some(Arrival::Confirmed) => (Report::Confirmed, None),
                Some(Arrival::Failed(why)) => (Report::Failed, Some(why)),
                // Taken, and of no interest.
                None => return true,
            };
            if let Some(why) = &note {
                tracing::warn!(lane = receipt.channel, %request, why, "a notice that was handed over will not arrive; `akund redeliver` hands out a new password");
            }
            match journal.reported(request, place, receipt.channel, report, note).await {
                Ok(_) => true,
                Err(error) => {
                    tracing::warn!(%error, "a report of an arrival could not be recorded");
                    false
                }
            }
        })
    }))
}

/// Whether akund made its token; compared without telling by the time taken how much of it is right.
fn is_genuine(key: &SealingKey, receipt: &Receipt) -> bool {
    let Ok(path) = receipt_path(key, &receipt.channel, &receipt.notice) else { return false };
    let (made, given) = (path.rsplit('/').next().unwrap_or_default().as_bytes(), receipt.token.as_bytes());
    made.len() == given.len() && made.iter().zip(given).fold(0, |differs, (a, b)| differs | (a ^ b)) == 0
}

/// `UID.PLACE`
fn parse(notice: &str) -> Option<(RequestUid, u8)> {
    let (uid, place) = notice.split_once('.')?;
    Some((RequestUid(uid.parse().ok()?), place.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_token_of_this_notice_and_channel_is_genuine() {
        let dir = tempfile::tempdir().unwrap();
        let key = SealingKey::load_or_make(None, &dir.path().join("key")).unwrap();
        let notice = "0193a000-0000-7000-8000-000000000001.5";
        let path = receipt_path(&key, "sms", notice).unwrap();
        let token = path.rsplit('/').next().unwrap().to_owned();
        assert_eq!(token.len(), 32);
        let receipt = |channel: &str, notice: &str, token: &str| Receipt {
            channel: channel.into(),
            notice: notice.into(),
            token: token.into(),
            number: 1,
        };
        assert!(is_genuine(&key, &receipt("sms", notice, &token)));
        for wrong in [
            receipt("sms2", notice, &token),
            receipt("sms", "0193a000-0000-7000-8000-000000000001.6", &token),
            receipt("sms", notice, ""),
            receipt("sms", notice, &token[..31]),
            receipt("sms", notice, &format!("{}0", &token[..31])),
        ] {
            assert!(
                !is_genuine(&key, &wrong) || wrong.token == token && wrong.notice == notice && wrong.channel == "sms"
            );
        }
        assert!(parse(notice).is_some() && parse("x.1").is_none() && parse("").is_none());
    }
}
