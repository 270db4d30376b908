//! The pages as they are served, from a journal of their own.

use super::*;
use crate::observe::pulse::Pulse;

#[test]
fn placeholder() {}
