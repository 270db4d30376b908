//! What must hold for the servers that prove accounts.

use super::{Findings, is_loopback, key};
use crate::config::place::{IMAP, Place, Protection, SUBMISSION, Starttls};
use crate::config::proof::{MailProofConfig, RadiusMethod, with_port};
use crate::config::target::RadiusConfig;
use crate::config::tree::Part;

pub fn mail(name: &str, proof: Option<&MailProofConfig>, found: &mut Findings) {
    let Some(proof) = proof else { return };
    let at = |field: &str| vec![key("target"), key(name), key("proof"), key(field)];
    let starttls = if proof.starttls { Starttls::Required } else { Starttls::Off };
    found.check(proof.imap.is_some() || proof.submission.is_some(), ["target", name, "proof"], || {
        format!("the proof of target {name} names neither imap nor submission: nobody would be asked")
    });
    let urls = [("imap", &proof.imap, IMAP), ("submission", &proof.submission, SUBMISSION)];
    for (field, url, kinds) in urls {
        match url.as_ref().map(|url| Place::parse(url, &kinds, starttls)) {
            Some(Err(wrong)) => {
                found.check_at(false, at(field), || format!("{field} of target {name}'s proof: {wrong}"));
            }
            Some(Ok(place)) => {
                let clear = place.protection == Protection::LoopbackOnly && !is_loopback(&place.host);
                found.check_at(!clear, at("starttls"), || {
                    format!(
                        "target {name} would show passwords to {place} in clear text: starttls = false is for loopback only"
                    )
                });
            }
            None => {}
        }
    }
    found.check_at(proof.master_user.is_some() == proof.master_password_file.is_some(), at("master_user"), || {
        format!("target {name}'s proof needs both of master_user and master_password_file, or neither")
    });
    found.check_at(proof.master_user.is_none() || proof.imap.is_some(), at("master_user"), || {
        format!("target {name}'s proof has a master_user, and no imap to ask")
    });
    found.check_at(
        proof.master_user.as_deref().is_none_or(|user| !user.is_empty() && !user.contains('\0')),
        at("master_user"),
        || format!("master_user of target {name}'s proof must have a name"),
    );
    limits(name, &["target", name, "proof"], proof.concurrency, proof.timeout_seconds, found);
}

pub fn radius(name: &str, radius: &RadiusConfig, found: &mut Findings) {
    for (i, nas) in radius.nas.iter().enumerate() {
        let at = |field: &str| vec![key("target"), key(name), key("nas"), Part::Index(i), key(field)];
        found.check_at(with_port(&nas.address, 3799).is_some(), at("address"), || {
            format!("target {name}: a nas has the address {:?}, which is not HOST or HOST:PORT", nas.address)
        });
        found.check_at((1..=60).contains(&nas.timeout_seconds), at("timeout_seconds"), || {
            format!("target {name}: timeout_seconds of nas {} must be from 1 to 60", nas.address)
        });
    }
    let Some(proof) = &radius.proof else { return };
    let at = |field: &str| vec![key("target"), key(name), key("proof"), key(field)];
    found.check_at(with_port(&proof.server, 1812).is_some(), at("server"), || {
        format!("the proof of target {name} has the server {:?}, which is not HOST or HOST:PORT", proof.server)
    });
    let methods = proof.methods.as_deref();
    found.check_at(methods.is_none_or(|methods| !methods.is_empty()), at("methods"), || {
        format!("the proof of target {name} has no methods: nothing would be tried")
    });
    let ms_chap = methods.is_some_and(|methods| methods.contains(&RadiusMethod::Mschapv2));
    found.check_at(!ms_chap || radius.password.serves_ms_chap(), at("methods"), || {
        format!("target {name} stores no nt-hash, so that mschapv2 would always be refused: take it out of methods")
    });
    found.check_at((1..=253).contains(&proof.nas_identifier.len()), at("nas_identifier"), || {
        format!("nas_identifier of target {name}'s proof must have from 1 to 253 bytes")
    });
    limits(name, &["target", name, "proof"], proof.concurrency, proof.timeout_seconds, found);
}

fn limits(name: &str, section: &[&str], concurrency: usize, seconds: u64, found: &mut Findings) {
    let at = |field: &str| section.iter().map(|part| key(part)).chain([key(field)]).collect::<Vec<_>>();
    found.check_at((1..=64).contains(&concurrency), at("concurrency"), || {
        format!("concurrency of target {name}'s proof must be from 1 to 64")
    });
    found.check_at((1..=60).contains(&seconds), at("timeout_seconds"), || {
        format!("timeout_seconds of target {name}'s proof must be from 1 to 60")
    });
}
