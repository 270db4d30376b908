//! `[operator]`: who is told when something needs a person.

use serde::Deserialize;

/// Notices to the operator, and the daily digest.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OperatorConfig {
    /// Where they go.
    pub address: String,
    /// By which `[channel]`; one that carries e-mail. Default `email`.
    #[serde(default = "email")]
    pub channel: String,
    /// `id` or `en`. Default `id`.
    #[serde(default = "indonesian")]
    pub language: String,
    /// Times are told, and days begin, in it. Default `Asia/Jakarta`.
    #[serde(default = "jakarta")]
    pub time_zone: String,
    /// When the daily digest leaves, `HH:MM`; empty: there is none. Default `07:00`.
    #[serde(default = "seven")]
    pub digest: String,
    /// Two notices are at least so many minutes apart; what comes between waits for the next. Default 15.
    #[serde(default = "fifteen")]
    pub every_minutes: u32,
    /// How many seconds the first one waits for what has the same cause. Default 60.
    #[serde(default = "sixty")]
    pub gather_seconds: u32,
    /// A lane in which nothing has succeeded for so many minutes is down. Default 5.
    #[serde(default = "five")]
    pub lane_down_minutes: u32,
}

impl OperatorConfig {
    /// When the digest leaves; none: there is none.
    ///
    /// # Errors
    /// A sentence.
    pub fn digest_time(&self) -> Result<Option<jiff::civil::Time>, String> {
        if self.digest.is_empty() {
            return Ok(None);
        }
        let wrong = || {
            format!(
                "the digest's time {:?} is none: expected HH:MM, like \"07:00\", or \"\" for no digest",
                self.digest
            )
        };
        let (hour, minute) = self.digest.split_once(':').ok_or_else(wrong)?;
        let number = |text: &str| (text.len() == 2).then(|| text.parse::<i8>().ok()).flatten();
        let (Some(hour), Some(minute)) = (number(hour), number(minute)) else { return Err(wrong()) };
        jiff::civil::Time::new(hour, minute, 0, 0).map(Some).map_err(|_| wrong())
    }
}

fn email() -> String {
    "email".into()
}
fn indonesian() -> String {
    "id".into()
}
fn jakarta() -> String {
    "Asia/Jakarta".into()
}
fn seven() -> String {
    "07:00".into()
}
fn fifteen() -> u32 {
    15
}
fn sixty() -> u32 {
    60
}
fn five() -> u32 {
    5
}
