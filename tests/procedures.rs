//! The five procedures that ship with akund: their files, what judging by them gives, what they say, and each from its
//! approved request to its last step on real servers.
// Helpers of tests, too, may stop the test.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[allow(dead_code, reason = "shared with other tests, which use the rest")]
mod daemon;
mod peers;

#[path = "letter/fixture.rs"]
#[allow(dead_code, reason = "shared with the letter's own tests, which use the rest")]
mod letter;
#[path = "endtoend/office.rs"]
#[allow(dead_code, reason = "shared with other tests, which use the rest")]
mod office;

#[path = "procedures/branches.rs"]
mod branches;
#[path = "procedures/files.rs"]
mod files;
#[path = "procedures/gateway.rs"]
mod gateway;
#[path = "procedures/institution.rs"]
mod institution;
#[path = "procedures/judged.rs"]
mod judged;
#[path = "procedures/messages.rs"]
mod messages;
#[path = "procedures/requests.rs"]
mod requests;

#[path = "procedures/lumajang_email.rs"]
mod lumajang_email;
#[path = "procedures/uin_malang_email.rs"]
mod uin_malang_email;
#[path = "procedures/uin_malang_hotspot.rs"]
mod uin_malang_hotspot;
#[path = "procedures/uin_raden_intan_email.rs"]
mod uin_raden_intan_email;
#[path = "procedures/unja_email.rs"]
mod unja_email;

use akund::model::Scheme;
use akund::procedure::{Site, SiteChannel, SiteTarget};

/// Mail and hotspot, e-mail and SMS.
fn site() -> Site {
    let target = |name: &str, service: &str| SiteTarget {
        name: name.into(),
        services: vec![service.into()],
        schemes: vec![Scheme::Sha512Crypt],
    };
    let channel = |name: &str, carries_email| SiteChannel { name: name.into(), carries_email };
    Site {
        targets: vec![target("mail", "mail"), target("radius", "hotspot")],
        channels: vec![channel("email", true), channel("sms", false)],
    }
}
