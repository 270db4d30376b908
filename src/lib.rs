//! akund turns an **approved request** into a **working account, exactly once**.
//!
//! Read the modules in the order in which a request flows through them:
//!
//! 1. [`config`] is loaded and checked; [`daemon`] wires everything below from it.
//! 2. [`intake`] takes a file or a message from a source, keeps its bytes as evidence and parses each record into [`model`]'s types,
//!    which cannot hold bad values.
//! 3. [`admission`] takes the records to the journal and gives back what cannot be accepted.
//! 4. [`procedure`] judges a record against the institution's written procedure and plans the steps.
//!    Pure: a function of the record, the procedure, the facts and the time.
//! 5. [`journal`] makes verdict, plan and reservation durable in one commit; only then is the file acknowledged.
//! 6. [`lane`] carries the steps out, one lane for each target and channel:
//!    `claim(batch) → apply(batch) → record(batch)`. Retry, back-off and recovery live here and nowhere else.
//! 7. [`secret`] makes passwords, hashes them and seals them at rest; [`target`] writes accounts and
//!    proves them; [`channel`] hands notices over.
//! 8. [`observe`] shows what happens: logs, metrics, health; [`register`] puts every account on paper and into spreadsheets, and
//!    reads lists back; [`reconcile`] compares it with what the targets hold.
//! 9. [`cli`] is what the operator types.
//!
//! [`tcp`], [`tls`] and [`web`] are how clients connect, [`amqp`] how they speak with a queue's broker, [`sql`] with the
//! databases that servers and gateways read. [`durable`] writes every file that must survive a power cut; [`crash`] is the tests'
//! way of dying at a chosen place, [`panics`] what is said of one that nobody chose.
#![deny(unsafe_code)]

pub mod admission;
pub mod amqp;
pub mod channel;
pub mod cli;
pub mod config;
pub mod crash;
pub mod daemon;
pub mod durable;
pub mod intake;
pub mod journal;
pub mod lane;
pub mod model;
pub mod observe;
pub mod panics;
pub mod procedure;
pub mod reconcile;
pub mod register;
pub mod secret;
pub mod sql;
pub mod target;
pub mod tcp;
pub mod tls;
pub mod web;
