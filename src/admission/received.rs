//! What is logged of records that came together.

use crate::journal::Admitted;
use crate::model::RequestUid;
use std::collections::BTreeMap;

/// What became of records that came together: one line for each source, however many there are.
#[derive(Default)]
pub(super) struct Received(BTreeMap<String, Counted>);

#[derive(Default)]
struct Counted {
    states: BTreeMap<&'static str, usize>,
    again: usize,
    last: Option<RequestUid>,
}

impl Received {
    /// Counts one.
    pub(super) fn note(&mut self, source: &str, answer: &Admitted) {
        let counted = match self.0.get_mut(source) {
            Some(counted) => counted,
            None => self.0.entry(source.to_owned()).or_default(),
        };
        match answer {
            Admitted::New { uid, state, .. } => {
                *counted.states.entry(state.as_str()).or_default() += 1;
                counted.last = Some(*uid);
            }
            Admitted::Duplicate { .. } => counted.again += 1,
            Admitted::Rejected(_) => {}
        }
    }

    /// Logs them, and begins anew.
    pub(super) fn tell(&mut self) {
        for (source, Counted { states, again, last }) in std::mem::take(&mut self.0) {
            let requests: usize = states.values().sum();
            let states: Vec<String> = states.into_iter().map(|(state, count)| format!("{count} {state}")).collect();
            let states = states.join(", ");
            match (requests, last) {
                (1, Some(request)) => tracing::info!(source, %request, states, again, "a request was received"),
                (0, _) if again > 0 => tracing::info!(source, again, "records were handed in again and change nothing"),
                (0, _) => {}
                _ => tracing::info!(source, requests, states, again, "requests were received"),
            }
        }
    }
}
