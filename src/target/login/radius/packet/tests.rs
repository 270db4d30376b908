use super::*;
use proptest::prelude::*;

const SECRET: &[u8] = b"xyzzy5461";

fn bytes(hex: &str) -> Vec<u8> {
    hex.split_whitespace().map(|pair| u8::from_str_radix(pair, 16).unwrap()).collect()
}

/// RFC 2865 §7.1.
const AUTHENTICATOR: [u8; 16] =
    [0x0f, 0x40, 0x3f, 0x94, 0x73, 0x97, 0x80, 0x57, 0xbd, 0x83, 0xd5, 0xcb, 0x98, 0xf4, 0x22, 0x7a];

#[test]
fn a_password_is_hidden_as_in_the_rfcs_example() {
    let hidden = hidden_password(b"arctangent", &AUTHENTICATOR, SECRET).unwrap();
    assert_eq!(*hidden, bytes("0d be 70 8d 93 d4 13 ce 31 96 e4 3f 78 2a 0a ee"));
    assert_eq!(hidden_password(&[b'x'; 128], &AUTHENTICATOR, SECRET).unwrap().len(), 128);
    assert_eq!(hidden_password(&[b'x'; 129], &AUTHENTICATOR, SECRET), Err(TooLong("the password")));
    assert_eq!(hidden_password(b"", &AUTHENTICATOR, SECRET).unwrap().len(), 16);
}

#[test]
fn the_rfcs_answer_is_taken_and_with_one_bit_changed_is_not() {
    let request = Request::access(code::ACCESS_REQUEST, 0, AUTHENTICATOR, &Attributes::default(), SECRET).unwrap();
    let answer = bytes(
        "02 00 00 26 86 fe 22 0e 76 24 ba 2a 10 05 f6 bf 9b 55 e0 b2 06 06 00 00 00 01 0f 06 00 00 00 00 0e 06 c0 a8 01 03",
    );
    let read = request.answer(&answer, SECRET, Signed::IfThere).unwrap();
    assert_eq!((read.code, read.attributes.len()), (code::ACCESS_ACCEPT, 3));
    assert_eq!(request.answer(&answer, SECRET, Signed::Required), Err(NoAnswer::Unsigned));
    assert_eq!(request.answer(&answer, b"other", Signed::IfThere), Err(NoAnswer::OtherSecret));
    for bit in 0..answer.len() * 8 {
        let mut changed = answer.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        assert!(request.answer(&changed, SECRET, Signed::IfThere).is_err(), "bit {bit}");
    }
    let mut padded = answer.clone();
    padded.extend([0; 7]);
    assert!(request.answer(&padded, SECRET, Signed::IfThere).is_ok(), "RFC 2865 §3: what lies beyond is padding");
}

/// RFC 5997 §6.1.
#[test]
fn a_status_server_is_signed_as_in_the_rfcs_example() {
    let authenticator = bytes("8a 54 f4 68 6f b3 94 c5 28 66 e3 02 18 5d 06 23").try_into().unwrap();
    let request = Request::access(code::STATUS_SERVER, 0xda, authenticator, &Attributes::default(), SECRET).unwrap();
    let expected = bytes(
        "0c da 00 26 8a 54 f4 68 6f b3 94 c5 28 66 e3 02 18 5d 06 23 50 12 5a 66 5e 2e 1e 84 11 f3 e2 43 82 20 97 c8 4f a3",
    );
    assert_eq!(request.bytes(), expected);
    let answer = bytes("02 da 00 14 ef 0d 55 2a 4b f2 d6 93 ec 2b 6f e8 b5 41 1d 66");
    assert_eq!(request.answer(&answer, SECRET, Signed::IfThere).unwrap().code, code::ACCESS_ACCEPT);
}

#[test]
fn what_is_too_long_is_named() {
    let attributes = Attributes::default().add(attribute::USER_NAME, &[b'x'; 253], "the user name").unwrap();
    assert_eq!(
        attributes.clone().add(attribute::USER_NAME, &[b'x'; 254], "the user name").unwrap_err(),
        TooLong("the user name")
    );
    let vendors = |length| Attributes::default().add_vendors(311, 11, &vec![0; length], "the challenge").map(|_| ());
    assert_eq!((vendors(247), vendors(248)), (Ok(()), Err(TooLong("the challenge"))));
    let many = (0..16).fold(attributes, |all, _| all.add(attribute::USER_NAME, &[b'x'; 253], "it").unwrap());
    assert!(Request::access(code::ACCESS_REQUEST, 0, AUTHENTICATOR, &many, SECRET).is_err());
}

/// An answer as a server makes it.
fn made(request: &Request, code: u8, attributes: &[u8], secret: &[u8], signed: bool) -> Vec<u8> {
    let mut packet = vec![code, request.bytes()[1], 0, 0];
    packet.extend(request.authenticator);
    if signed {
        packet.extend([80, 18]);
        packet.extend([0; 16]);
    }
    packet.extend(attributes);
    let length = u16::try_from(packet.len()).unwrap();
    packet[2..4].copy_from_slice(&length.to_be_bytes());
    if signed {
        let signature = hmac_md5(secret, &packet);
        packet[22..38].copy_from_slice(&signature);
    }
    let authenticator = Md5::new().chain_update(&packet).chain_update(secret).finalize();
    packet[4..20].copy_from_slice(&authenticator);
    packet
}

#[test]
fn a_message_authenticator_that_is_wrong_is_refused_also_where_none_is_needed() {
    let request = Request::access(code::ACCESS_REQUEST, 9, AUTHENTICATOR, &Attributes::default(), SECRET).unwrap();
    let good = made(&request, code::ACCESS_ACCEPT, b"", SECRET, true);
    assert!(request.answer(&good, SECRET, Signed::Required).is_ok());
    // Forged in the way of CVE-2024-3596: the Response Authenticator fits, the Message-Authenticator does not.
    let mut forged = good;
    forged[30] ^= 1;
    let mut hashed = forged.clone();
    hashed[4..20].copy_from_slice(&request.authenticator);
    let authenticator = Md5::new().chain_update(&hashed).chain_update(SECRET).finalize();
    forged[4..20].copy_from_slice(&authenticator);
    for signed in [Signed::Required, Signed::IfThere] {
        assert_eq!(request.answer(&forged, SECRET, signed), Err(NoAnswer::OtherSecret));
    }
}

proptest! {
    #[test]
    fn every_packet_that_goes_out_states_its_length_and_is_signed_first(
        identifier: u8, authenticator in any::<[u8; 16]>(), user in "\\PC{1,60}", secret in "[ -~]{1,40}"
    ) {
        let attributes = Attributes::default().add(attribute::USER_NAME, user.as_bytes(), "the user name").unwrap();
        let request =
            Request::access(code::ACCESS_REQUEST, identifier, authenticator, &attributes, secret.as_bytes()).unwrap();
        let bytes = request.bytes();
        prop_assert_eq!(usize::from(u16::from_be_bytes([bytes[2], bytes[3]])), bytes.len());
        prop_assert_eq!(&bytes[20..22], &[80, 18][..]);
        prop_assert_eq!(split(&bytes[20..]).unwrap().len(), 2);
        let mut zeroed = bytes.to_vec();
        zeroed[22..38].fill(0);
        prop_assert_eq!(&hmac_md5(secret.as_bytes(), &zeroed), &bytes[22..38]);
    }

    #[test]
    fn an_answer_of_the_server_is_read_back(
        code: u8, texts in proptest::collection::vec("\\PC{0,60}", 0..4), cause: u32, secret in "[ -~]{1,40}"
    ) {
        let attributes = Attributes::default();
        let request = Request::change(code::DISCONNECT_REQUEST, 3, &attributes, secret.as_bytes()).unwrap();
        let mut wire = Vec::new();
        for text in &texts {
            wire.extend([18, u8::try_from(text.len() + 2).unwrap()]);
            wire.extend(text.as_bytes());
        }
        wire.extend([101, 6]);
        wire.extend(cause.to_be_bytes());
        let answer = made(&request, code, &wire, secret.as_bytes(), true);
        let read = request.answer(&answer, secret.as_bytes(), Signed::Required).unwrap();
        prop_assert_eq!(read.message(), texts.join(" "));
        prop_assert_eq!(read.error_cause(), Some(cause));
    }

    #[test]
    fn any_datagram_is_read_without_a_panic(datagram in proptest::collection::vec(any::<u8>(), 0..200), signed: bool) {
        let request = Request::access(code::ACCESS_REQUEST, 0, AUTHENTICATOR, &Attributes::default(), SECRET).unwrap();
        let signed = if signed { Signed::Required } else { Signed::IfThere };
        prop_assert!(request.answer(&datagram, SECRET, signed).is_err());
    }

    #[test]
    fn attributes_of_any_shape_in_a_signed_packet_are_read_without_a_panic(
        junk in proptest::collection::vec(any::<u8>(), 0..200)
    ) {
        let request = Request::access(code::ACCESS_REQUEST, 0, AUTHENTICATOR, &Attributes::default(), SECRET).unwrap();
        let answer = made(&request, code::ACCESS_REJECT, &junk, SECRET, false);
        if let Ok(reply) = request.answer(&answer, SECRET, Signed::IfThere) {
            let _ = (reply.message(), reply.error_cause(), reply.vendors(311, 26));
        }
    }
}
