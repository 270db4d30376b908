//! One notice as an Internet message (RFC 5322, MIME): the same bytes for every channel that carries e-mail.
//!
//! The headers are encoded by `lettre` (RFC 2047, folding), the bodies as 7bit, quoted-printable or base64, whichever is
//! shortest: the result is ASCII with short lines, so no server needs 8BITMIME or SMTPUTF8 for it. Whatever could end a
//! header early (CR, LF, any control character) is refused before it is built, never cleaned up in silence.

use super::{Destination, Envelope};
use crate::model::Fault;
use lettre::message::header::{ContentTransferEncoding, ContentType, HeaderName, HeaderValue};
use lettre::message::{Attachment, Body, Mailbox, MultiPart, SinglePart};
use std::time::SystemTime;
use zeroize::Zeroizing;

/// The `From:` and `Reply-To:` of a channel, checked once when it is opened.
#[derive(Debug, Clone)]
pub struct Sender {
    from: Mailbox,
    reply_to: Option<Mailbox>,
}

impl Sender {
    /// Reads `from` and `reply_to` as the configuration has them: `Name <address>`, or an address.
    pub fn parse(from: &str, reply_to: Option<&str>) -> Result<Self, String> {
        let from = mailbox(from).map_err(|e| format!("from = {from:?}: {e}"))?;
        let reply_to = reply_to.map(|r| mailbox(r).map_err(|e| format!("reply_to = {r:?}: {e}"))).transpose()?;
        Ok(Self { from, reply_to })
    }

    /// The sender's address, for MAIL FROM.
    pub fn address(&self) -> &lettre::Address {
        &self.from.email
    }
}

/// A notice ready to leave by e-mail. The bytes may hold a password and are zeroed when dropped.
pub struct Built {
    /// The only recipient.
    pub to: lettre::Address,
    /// Headers and bodies, ASCII, lines ended by CRLF.
    pub bytes: Zeroizing<Vec<u8>>,
}

/// Builds the message. `now` becomes its `Date:`.
///
/// What is wrong with the notice itself (control characters in a header, a phone number for an address) is permanent.
pub fn build(sender: &Sender, notice: &Envelope, now: SystemTime) -> Result<Built, Fault> {
    let to = recipient(notice)?;
    let (name, subject) = (notice.to_name.trim(), notice.subject.trim());
    one_line("recipient's name", name)?;
    one_line("subject", subject)?;
    check_message_id(&notice.message_id)?;
    let name = (!name.is_empty()).then(|| name.to_owned());
    let mut builder = lettre::Message::builder()
        .from(sender.from.clone())
        .to(Mailbox::new(name, to.clone()))
        .subject(subject)
        .date(now)
        .message_id(Some(format!("<{}>", notice.message_id)));
    if let Some(reply_to) = &sender.reply_to {
        builder = builder.reply_to(reply_to.clone());
    }
    // RFC 3834: nobody's vacation responder shall answer.
    builder = builder.raw_header(raw("Auto-Submitted", "auto-generated"));
    if !notice.language.is_empty() {
        check_language(&notice.language)?;
        builder = builder.raw_header(raw("Content-Language", &notice.language));
    }
    let text = SinglePart::plain(crlf(notice.text.expose()));
    let html = notice.html.as_ref().map(|html| SinglePart::html(crlf(html.expose())));
    let alternative = |text, html| MultiPart::alternative().singlepart(text).singlepart(html);
    let with_files = |body| attach(body, &notice.attachments);
    let built = match (html, notice.attachments.is_empty()) {
        (None, true) => builder.singlepart(text),
        (Some(html), true) => builder.multipart(alternative(text, html)),
        (None, false) => builder.multipart(with_files(MultiPart::mixed().singlepart(text))?),
        (Some(html), false) => builder.multipart(with_files(MultiPart::mixed().multipart(alternative(text, html)))?),
    };
    let message = built.map_err(|e| unfit(&e.to_string()))?;
    let bytes = Zeroizing::new(message.formatted());
    if !bytes.is_ascii() {
        return Err(unfit("a header could not be written in ASCII"));
    }
    Ok(Built { to, bytes })
}

fn attach(body: MultiPart, attachments: &[super::Attachment]) -> Result<MultiPart, Fault> {
    let plain = |name: &str| name.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b));
    attachments.iter().try_fold(body, |body, file| {
        if file.name.is_empty() || file.name.len() > 100 || !plain(&file.name) {
            return Err(unfit("the name of a file that goes with it is not plain"));
        }
        let media_type =
            ContentType::parse(file.media_type).map_err(|_| unfit("a file that goes with it has no media type"))?;
        // Whatever it looks like: in any other encoding line ends would be changed.
        let content = Body::new_with_encoding(file.bytes.clone(), ContentTransferEncoding::Base64)
            .map_err(|_| unfit("a file that goes with it cannot be encoded"))?;
        Ok(body.singlepart(Attachment::new(file.name.clone()).body(content, media_type)))
    })
}

fn recipient(notice: &Envelope) -> Result<lettre::Address, Fault> {
    match &notice.to {
        Destination::Email(address) => lettre::Address::new(address.local(), address.domain()).map_err(|e| {
            Fault::permanent(format!("the notice cannot go to {}: not a mail address ({e})", address.masked()))
        }),
        Destination::Phone(phone) => {
            Err(Fault::permanent(format!("the notice for {} cannot leave by e-mail: it is a phone", phone.masked())))
        }
    }
}

fn mailbox(text: &str) -> Result<Mailbox, String> {
    if text.chars().any(breaks_a_line) {
        return Err("control characters are not allowed".into());
    }
    let (name, address) = match text.trim().strip_suffix('>').and_then(|t| t.rsplit_once('<')) {
        Some((name, address)) => (name.trim().trim_matches('"').trim(), address.trim()),
        None => ("", text.trim()),
    };
    if !address.is_ascii() {
        return Err("the address must be ASCII".into());
    }
    let address = address.parse().map_err(|_| "expected an address, or Name <address>".to_owned())?;
    Ok(Mailbox::new((!name.is_empty()).then(|| name.to_owned()), address))
}

/// CR, LF and every other control character, and Unicode's own line and paragraph separators.
fn breaks_a_line(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}' | '\u{2029}')
}

fn one_line(what: &str, text: &str) -> Result<(), Fault> {
    if text.chars().any(breaks_a_line) {
        return Err(unfit(&format!("its {what} has a line break or another control character")));
    }
    Ok(())
}

/// Every line ended by CRLF, without a stray CR. lettre would insert them one by one, in quadratic time.
fn crlf(text: &str) -> String {
    let lines = text.bytes().filter(|b| *b == b'\n').count();
    let mut out = String::with_capacity(text.len() + lines);
    for c in text.chars().filter(|c| *c != '\r') {
        if c == '\n' {
            out.push('\r');
        }
        out.push(c);
    }
    out
}

/// `left@right` of RFC 5322 §3.6.4, narrowed to what needs no quoting.
fn check_message_id(id: &str) -> Result<(), Fault> {
    let plain =
        |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.+=".contains(&b));
    match id.split_once('@') {
        Some((left, right)) if plain(left) && plain(right) && id.len() <= 250 => Ok(()),
        _ => Err(unfit("its message id is not of the form left@right")),
    }
}

fn check_language(language: &str) -> Result<(), Fault> {
    if language.len() <= 35 && language.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') {
        return Ok(());
    }
    Err(unfit("its language is not a language tag"))
}

fn raw(name: &'static str, value: &str) -> HeaderValue {
    HeaderValue::new(HeaderName::new_from_ascii_str(name), value.to_owned())
}

fn unfit(cause: &str) -> Fault {
    Fault::permanent(format!("the notice cannot be written as an e-mail: {cause}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Secret;
    use proptest::prelude::*;

    fn notice() -> Envelope {
        Envelope {
            message_id: "0190.3@akund.example.org".into(),
            to: Destination::Email("humas@example.org".parse().unwrap()),
            to_name: "Biro Humas".into(),
            language: "id".into(),
            subject: "Akun baru".into(),
            text: Secret::new("Halo\nkata sandi: rahasia-12\n"),
            html: None,
            receipt: None,
            attachments: Vec::new(),
        }
    }

    fn sender() -> Sender {
        Sender::parse("Layanan Surel <akun@example.org>", Some("bantuan@example.org")).unwrap()
    }

    fn written(notice: &Envelope) -> String {
        String::from_utf8(build(&sender(), notice, SystemTime::UNIX_EPOCH).unwrap().bytes.to_vec()).unwrap()
    }

    /// The header block, unfolded: one entry per header.
    fn headers(message: &str) -> Vec<String> {
        let (head, _) = message.split_once("\r\n\r\n").unwrap();
        head.replace("\r\n ", " ").replace("\r\n\t", " ").split("\r\n").map(str::to_owned).collect()
    }

    #[test]
    fn a_text_notice_has_every_header_once() {
        let message = written(&notice());
        let names: Vec<String> = headers(&message).iter().map(|h| h.split(':').next().unwrap().to_owned()).collect();
        for name in ["From", "To", "Subject", "Date", "Message-ID", "Reply-To", "Auto-Submitted", "Content-Language"] {
            assert_eq!(names.iter().filter(|n| n.eq_ignore_ascii_case(name)).count(), 1, "{name} in {names:?}");
        }
        assert!(message.contains("Message-ID: <0190.3@akund.example.org>\r\n"), "{message}");
        assert!(message.contains("Date: Thu, 01 Jan 1970 00:00:00 +0000\r\n"), "{message}");
        assert!(message.ends_with("rahasia-12\r\n\r\n") || message.ends_with("rahasia-12\r\n"), "{message:?}");
    }

    #[test]
    fn html_makes_it_alternative_with_the_text_first() {
        let message = written(&Envelope { html: Some(Secret::new("<p>Halo</p>")), ..notice() });
        assert!(message.contains("multipart/alternative"));
        assert!(message.find("text/plain").unwrap() < message.find("text/html").unwrap());
    }

    #[test]
    fn a_file_goes_with_the_notice_whole_and_under_its_name() {
        let bytes: Vec<u8> = (0..=255).cycle().take(5000).collect();
        let file = crate::channel::Attachment { name: "surat.pdf".into(), media_type: "application/pdf", bytes };
        // What looks like a text, too, byte for byte.
        let text = crate::channel::Attachment { bytes: b"%PDF-1.4\nbaris\n".to_vec(), ..file.clone() };
        for (html, file) in [(None, &file), (Some(Secret::new("<p>Halo</p>")), &file), (None, &text)] {
            let message = written(&Envelope { html, attachments: vec![file.clone()], ..notice() });
            assert!(message.contains("multipart/mixed") && message.contains("rahasia-12"), "{message}");
            assert!(message.lines().all(|l| l.len() <= 998));
            let (_, attached) = message.split_once("Content-Type: application/pdf\r\n").unwrap();
            assert!(message.contains("Content-Disposition: attachment; filename=\"surat.pdf\"\r\n"), "{message}");
            let (_, encoded) = attached.split_once("\r\n\r\n").unwrap();
            let (encoded, _) = encoded.split_once("\r\n--").unwrap();
            use base64::Engine;
            let decoded = base64::engine::general_purpose::STANDARD.decode(encoded.replace("\r\n", "")).unwrap();
            assert_eq!(decoded, file.bytes);
        }
        for name in ["", "a b", "../x", "x\"y", "x\r\nBcc: y", "é.pdf"] {
            let odd = crate::channel::Attachment { name: name.into(), ..file.clone() };
            let notice = Envelope { attachments: vec![odd], ..notice() };
            assert!(build(&sender(), &notice, SystemTime::now()).is_err(), "{name}");
        }
    }

    #[test]
    fn no_line_is_longer_than_a_server_takes() {
        let text = Secret::new(format!("{}\n{}", "a".repeat(5000), "é".repeat(5000)));
        let subject = "panjang ".repeat(100);
        let message = written(&Envelope { text, subject, ..notice() });
        assert!(message.lines().all(|l| l.len() <= 998), "RFC 5322 §2.1.1");
    }

    #[test]
    fn a_line_break_in_a_header_is_refused_and_not_cleaned() {
        for bad in ["a\r\nBcc: x@example.net", "a\nb", "a\rb", "a\0b", "a\u{2028}b"] {
            let fault =
                build(&sender(), &Envelope { subject: bad.into(), ..notice() }, SystemTime::now()).err().unwrap();
            assert_eq!(fault.class, crate::model::FaultClass::Permanent);
            assert!(build(&sender(), &Envelope { to_name: bad.into(), ..notice() }, SystemTime::now()).is_err());
            assert!(Sender::parse(&format!("{bad} <a@example.org>"), None).is_err());
        }
        for bad in ["", "a", "a@b>\r\nBcc: c", "a b@c", "a@b@c", "<a@b>"] {
            assert!(
                build(&sender(), &Envelope { message_id: bad.into(), ..notice() }, SystemTime::now()).is_err(),
                "{bad}"
            );
        }
    }

    #[test]
    fn senders_are_read_with_and_without_a_name() {
        for (text, name, address) in [
            ("a@example.org", None, "a@example.org"),
            ("<a@example.org>", None, "a@example.org"),
            ("Layanan TI (UIN) <a@example.org>", Some("Layanan TI (UIN)"), "a@example.org"),
            ("\"Layanan, TI\" <a@example.org>", Some("Layanan, TI"), "a@example.org"),
        ] {
            let sender = Sender::parse(text, None).unwrap();
            assert_eq!(sender.from.name.as_deref(), name);
            assert_eq!(sender.address().to_string(), address);
        }
        assert!(Sender::parse("not an address", None).unwrap_err().contains("from = \"not an address\""));
    }

    proptest! {
        #[test]
        fn no_name_or_subject_ever_adds_a_header(name in any::<String>(), subject in any::<String>()) {
            let expected = headers(&written(&notice())).len();
            let notice = Envelope { to_name: name, subject, ..notice() };
            if let Ok(built) = build(&sender(), &notice, SystemTime::UNIX_EPOCH) {
                let message = String::from_utf8(built.bytes.to_vec()).unwrap();
                prop_assert_eq!(headers(&message).len(), expected);
                prop_assert!(!message.replace("\r\n", "").contains(['\r', '\n']));
            }
        }
    }
}
