//! What is valid now and will not be for long: certificates of the servers that were asked, keys and certificates in files of the
//! configuration.

use super::Line;
use jiff::{Timestamp, Unit};
use std::path::PathBuf;

/// So long before its end something is told of, in days, as by the alerts in `config/monitoring`.
const BEFORE: i64 = 14;

/// Seconds.
const DAY: i64 = 86_400;

/// What ends soon. A server whose certificate has ended is not connected to, of which its own lines tell.
pub fn lines(now: Timestamp) -> Vec<Line> {
    told(&crate::tls::seen(), &crate::tls::files_that_end(now.as_second()), now)
}

/// Ends are Unix times, in seconds.
fn told(servers: &[(String, i64)], files: &[(PathBuf, i64)], now: Timestamp) -> Vec<Line> {
    let soon = |until: i64| until - now.as_second() < BEFORE * DAY;
    let servers =
        servers.iter().filter(|(_, until)| soon(*until) && *until > now.as_second()).map(|(server, until)| {
            let said = format!(
                "{server}: its certificate ends {}; from then on akund does not talk to it, so have it renewed",
                when(*until, now)
            );
            Line::warning("certificate", said)
        });
    let files = files.iter().filter(|(_, until)| soon(*until)).map(|(file, until)| {
        let verb = if *until > now.as_second() { "ends" } else { "ended" };
        Line::warning("certificate", format!("{}: what it holds {verb} {}", file.display(), when(*until, now)))
    });
    servers.chain(files).collect()
}

fn when(until: i64, now: Timestamp) -> String {
    let at = Timestamp::from_second(until).unwrap_or(Timestamp::MAX).round(Unit::Minute).unwrap_or(Timestamp::MAX);
    let days = (until - now.as_second()).div_euclid(DAY);
    let far = match days {
        ..0 => return format!("on {}", at.strftime("%F %R UTC")),
        0 => "within a day".to_owned(),
        1 => "in a day".to_owned(),
        days => format!("in {days} days"),
    };
    format!("{far}, on {}", at.strftime("%F %R UTC"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ends_within_two_weeks_is_told_and_nothing_else() {
        let now: Timestamp = "2026-11-24T00:00:00Z".parse().unwrap();
        let at = |text: &str| text.parse::<Timestamp>().unwrap().as_second();
        let servers = [
            ("ldap.example.ac.id:636", "2026-12-08T00:00:00Z"),
            ("mail.example.ac.id:993", "2026-12-07T23:59:59Z"),
            ("mail.example.ac.id:587", "2026-11-25T12:00:00Z"),
            ("db.example.ac.id:5432", "2026-11-24T00:00:30Z"),
            ("sms.example.ac.id:443", "2026-11-23T00:00:00Z"),
        ];
        let servers = servers.map(|(server, until)| (server.to_owned(), at(until)));
        let files = [("/etc/akund/ca.pem", "2026-11-20T00:00:00Z"), ("/etc/akund/signers", "2026-11-26T00:00:00Z")];
        let files = files.map(|(file, until)| (PathBuf::from(file), at(until)));
        let lines = told(&servers, &files, now);
        assert!(lines.iter().all(|line| line.good && line.warns));
        let said: Vec<&str> = lines.iter().map(|line| line.said.as_str()).collect();
        assert_eq!(said.len(), 5, "{said:#?}");
        assert!(
            said[0].starts_with("mail.example.ac.id:993: its certificate ends in 13 days, on 2026-12-08 00:00 UTC;")
        );
        assert!(said[1].starts_with("mail.example.ac.id:587: its certificate ends in a day, on 2026-11-25 12:00 UTC;"));
        assert!(
            said[2].starts_with("db.example.ac.id:5432: its certificate ends within a day, on 2026-11-24 00:01 UTC;")
        );
        assert_eq!(said[3], "/etc/akund/ca.pem: what it holds ended on 2026-11-20 00:00 UTC");
        assert_eq!(said[4], "/etc/akund/signers: what it holds ends in 2 days, on 2026-11-26 00:00 UTC");
    }
}
