//! `akund check --send-to`: a real notice without any account behind it, over each channel that can carry it.

use crate::channel::{Destination, Envelope};
use crate::daemon::wiring::OpenChannel;
use crate::model::{Address, Finding, Phone, Secret};

/// Country of a phone number without a country code, as for records of an unknown procedure.
const COUNTRY: &str = "ID";

/// Reads what the operator typed: with an `@` an address, else a phone number.
///
/// # Errors
/// What was found and what was expected.
pub fn destination(text: &str) -> Result<Destination, String> {
    let digits = text.chars().filter(char::is_ascii_digit).count();
    if !text.contains('@') && digits < 3 {
        return Err("expected an e-mail address, as admin@example.org, or a phone number, as 081234567890".into());
    }
    let read = if text.contains('@') {
        Address::read(text).map(Destination::Email)
    } else {
        Phone::read(text, COUNTRY).map(Destination::Phone)
    };
    read.map_err(|invalid| invalid.to_string())
}

/// Whether a channel goes there.
pub fn carries(open: &OpenChannel, to: &Destination) -> bool {
    matches!(to, Destination::Email(_)) == open.channel.carries_email()
}

/// Sends the test notice once; whether the next system took it, in its words.
pub async fn send(open: &OpenChannel, to: &Destination) -> Finding {
    let channel = open.channel.name();
    let notice = Envelope {
        message_id: format!("check.{}@{}", uuid::Uuid::now_v7(), open.message_domain),
        to: to.clone(),
        to_name: String::new(),
        language: "id".into(),
        subject: "Pesan percobaan akund / akund test message".into(),
        text: Secret::new(text(channel, to)),
        html: None,
        receipt: None,
        attachments: Vec::new(),
    };
    match open.channel.send(&notice).await {
        Ok(handed_over) => Ok(format!("took the test notice: {}; see whether it arrives", handed_over.reply)),
        Err(fault) => Err(format!("the test notice was not handed over ({}): {}", fault.class.as_str(), fault.message)),
    }
}

/// Short, where each message is paid for.
fn text(channel: &str, to: &Destination) -> String {
    match to {
        Destination::Phone(_) => format!("akund: pesan percobaan ({channel}). Abaikan. / Test message, please ignore."),
        Destination::Email(_) => format!(
            "Ini pesan percobaan dari akund, kanal \"{channel}\". Tidak ada akun yang dibuat atau diubah; abaikan pesan ini.\n\n\
             This is a test message from akund, channel \"{channel}\". No account was made or changed; please ignore it.\n"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_and_a_phone_number_are_told_apart_and_anything_else_is_refused() {
        assert!(
            matches!(destination("Admin@Example.org"), Ok(Destination::Email(a)) if a.as_str() == "admin@example.org")
        );
        assert!(matches!(destination("0812-3456-7890"), Ok(Destination::Phone(p)) if p.as_str() == "+6281234567890"));
        for wrong in ["", "admin", "a@b", "@", "12"] {
            assert!(destination(wrong).unwrap_err().contains("expected"), "{wrong}");
        }
        // What is neither is not taken for a bad phone number.
        let neither = destination("notanaddress").unwrap_err();
        assert!(neither.contains("an e-mail address") && neither.contains("or a phone number"), "{neither}");
    }

    #[test]
    fn the_text_message_fits_one_segment() {
        let to = destination("+6281234567890").unwrap();
        assert!(text("sms-gateway-of-the-city", &to).len() <= 160);
    }
}
