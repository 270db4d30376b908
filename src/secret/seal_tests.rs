use super::*;
use crate::model::FaultClass;
use crate::secret::hash::new_credential;
use proptest::prelude::*;
use std::os::unix::fs::PermissionsExt;
use tempfile::TempDir;

fn key(byte: u8) -> SealingKey {
    SealingKey::from_bytes(&Zeroizing::new([byte; KEY_BYTES])).unwrap()
}

fn write(path: &Path, text: &str, mode: u32) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn a_missing_key_file_is_made_private_and_found_again() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("journal.key");
    let made = SealingKey::load_or_make(None, &path).unwrap();
    let meta = fs::metadata(&path).unwrap();
    assert_eq!(meta.mode() & 0o7777, 0o600);
    assert_eq!(fs::read_to_string(&path).unwrap().trim().len(), 64);
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "no temporary file is left");
    let again = SealingKey::load_or_make(Some(dir.path()), &path).unwrap();
    assert_eq!(made.key_id(), again.key_id());
    assert_eq!(&*again.open("a|b", &made.seal("a|b", b"x").unwrap()).unwrap(), b"x");
    let other = SealingKey::load_or_make(None, &dir.path().join("other.key")).unwrap();
    assert_ne!(made.key_id(), other.key_id());
}

#[test]
fn the_systemd_credential_goes_before_the_key_file() {
    let dir = TempDir::new().unwrap();
    let credentials = dir.path().join("credentials");
    fs::create_dir(&credentials).unwrap();
    write(&credentials.join("akund-key"), &"ab".repeat(32), 0o440);
    let path = dir.path().join("journal.key");
    let key = SealingKey::load_or_make(Some(&credentials), &path).unwrap();
    assert_eq!(key.key_id(), self::key(0xab).key_id());
    assert!(!path.exists(), "no second key is made");
}

#[test]
fn a_key_that_others_can_read_or_that_is_not_a_key_is_refused_with_the_reason() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("k");
    for mode in [0o640, 0o604, 0o620, 0o601, 0o666] {
        write(&path, &"0".repeat(64), mode);
        let told = SealingKey::load_or_make(None, &path).unwrap_err();
        assert!(told.contains(&format!("{mode:04o}")), "{told}");
    }
    let almost = format!("{}g", "0".repeat(63));
    for text in ["", "\n", "00", &"0".repeat(63), &"0".repeat(65), &almost, &"0".repeat(5000), "ÿ"] {
        write(&path, text, 0o600);
        let told = SealingKey::load_or_make(None, &path).unwrap_err();
        assert!(told.contains("64 hex digits"), "{told}");
        assert_eq!(fs::read_to_string(&path).unwrap(), text, "it is left as it was");
    }
    for text in ["0A".repeat(32), format!("  {}\r\n", "0a".repeat(32))] {
        write(&path, &text, 0o600);
        assert_eq!(SealingKey::load_or_make(None, &path).unwrap().key_id(), key(10).key_id());
    }
    let told = SealingKey::load_or_make(None, dir.path()).unwrap_err();
    assert!(told.contains("not a regular file") || told.contains("mode"), "{told}");
    let told = SealingKey::load_or_make(None, &dir.path().join("missing/k")).unwrap_err();
    assert!(told.contains("cannot be made"), "{told}");
}

#[test]
fn a_damaged_systemd_credential_never_falls_back_to_the_key_file() {
    let dir = TempDir::new().unwrap();
    write(&dir.path().join("akund-key"), "not a key", 0o600);
    let path = dir.path().join("journal.key");
    assert!(SealingKey::load_or_make(Some(dir.path()), &path).unwrap_err().contains("akund-key"));
    assert!(!path.exists());
}

#[test]
fn wrong_key_wrong_purpose_and_damage_are_told_apart() {
    let sealed = key(1).seal("0190|password", b"rahasia").unwrap();
    let wrong_key = key(2).open("0190|password", &sealed).unwrap_err();
    assert!(wrong_key.message.contains(&key(1).key_id()) && wrong_key.message.contains(&key(2).key_id()));
    for purpose in ["0191|password", "0190|hash", "0190", "", "0190|password "] {
        let moved = key(1).open(purpose, &sealed).unwrap_err();
        assert!(moved.message.contains("another request or field"), "{moved}");
    }
    for short in 0..HEADER_BYTES + NONCE_BYTES {
        let told = key(1).open("0190|password", &sealed[..short]).unwrap_err();
        assert!(told.message.contains("not sealed data"), "{told}");
        assert_eq!(told.class, FaultClass::Permanent);
    }
}

#[test]
fn a_credential_opens_as_it_was_and_sealed_bytes_show_nothing_of_it() {
    let schemes = [Scheme::Sha512Crypt, Scheme::Ssha512, Scheme::NtHash];
    let credential = new_credential(&schemes).unwrap();
    let sealed = key(7).seal_credential("r|credential", &credential).unwrap();
    let opened = key(7).open_credential("r|credential", &sealed).unwrap();
    assert_eq!(opened.password.expose(), credential.password.expose());
    assert_eq!(opened.hashes.len(), 3);
    for scheme in schemes {
        assert_eq!(opened.hash(scheme).unwrap().expose(), credential.hash(scheme).unwrap().expose());
    }
    for piece in credential.password.expose().split('-') {
        assert!(!sealed.windows(4).any(|w| w == piece.as_bytes()));
    }
    let not_a_credential = key(7).seal("r|credential", b"\x01\xff\xffx").unwrap();
    assert!(key(7).open_credential("r|credential", &not_a_credential).is_err());
}

proptest! {
    #[test]
    fn what_is_sealed_opens_and_a_flipped_bit_does_not(
        plain in proptest::collection::vec(any::<u8>(), 0..200), purpose in "[a-z0-9|]{0,20}", at in any::<prop::sample::Index>(), bit in 0..8u8,
    ) {
        let sealed = key(3).seal(&purpose, &plain).unwrap();
        prop_assert_eq!(&*key(3).open(&purpose, &sealed).unwrap(), &plain);
        let mut changed = sealed.clone();
        changed[at.index(sealed.len())] ^= 1 << bit;
        prop_assert!(key(3).open(&purpose, &changed).is_err());
        prop_assert_ne!(key(3).seal(&purpose, &plain).unwrap(), sealed);
    }

    #[test]
    fn any_bytes_decode_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
        let _ = decode(&bytes);
        prop_assert!(key(3).open("x", &bytes).is_err());
    }
}
