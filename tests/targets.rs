//! The embedded targets: what every target must do, and what real servers make of what they wrote.

#[path = "targets/fixture.rs"]
mod fixture;
mod peers;

#[path = "targets/contract.rs"]
mod contract;
#[path = "targets/faults.rs"]
mod faults;
#[path = "targets/mail.rs"]
mod mail;
#[path = "targets/radius.rs"]
mod radius;
