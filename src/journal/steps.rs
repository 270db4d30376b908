//! A lane's turn at the journal: what it has done is recorded, and what it does next is claimed, in one commit.
//!
//! The claim is the intent: a step is `running` in the journal before anything happens outside. Its number of attempts
//! is the fencing token: an outcome is recorded only for the attempt that is running.

use super::claim::{Turn, claim};
use super::settle::{Settled, settle};
use super::{Journal, JournalError, course};
use crate::model::Fault;
use std::sync::Arc;

impl Journal {
    /// Records what became of claimed steps, and claims at most `most` more, in one commit.
    ///
    /// # Errors
    /// Where nothing could be written; the same call may be repeated until it succeeds.
    pub async fn turn(&self, lane: &str, settled: Arc<Vec<Settled>>, most: usize) -> Result<Turn, JournalError> {
        let lane = lane.to_owned();
        self.call(move |tx| {
            let requests_ended = settle(tx, &lane, &settled)?;
            Ok(Turn { requests_ended, ..claim(tx, &lane, most)? })
        })
        .await
    }

    /// A server answers again: what waits for its next attempt because it did not is due now. How many steps.
    ///
    /// # Errors
    /// Where it could not be written.
    pub async fn hurry(&self, lane: &str) -> Result<usize, JournalError> {
        let lane = lane.to_owned();
        self.call(move |tx| {
            let now = tx.micros();
            let moved = tx.run(
                "UPDATE step SET due = ?2 WHERE lane = ?1 AND state = 'retry' AND due > ?2 AND fault_class IN ('transient', 'unknown')",
                (&lane, now),
            )?;
            if moved > 0 {
                tx.wake(&lane);
            }
            Ok(moved)
        })
        .await
    }

    /// At start: steps that were running when akund ended are made ready again, marked uncertain. With `stick` (a channel whose
    /// notices must never be repeated blindly, or a lane of which nobody knows what it was) notices are stuck instead. The number
    /// of them.
    ///
    /// # Errors
    /// Where it could not be written.
    pub async fn recover(&self, lane: &str, stick: bool) -> Result<usize, JournalError> {
        let lane = lane.to_owned();
        self.call(move |tx| {
            let running: Vec<(i64, i64, bool)> = tx.rows(
                "SELECT s.id, r.flow, s.verb = 'deliver' FROM step s JOIN request r ON r.id = s.id >> 8
                 WHERE s.lane = ?1 AND s.state = 'running' ORDER BY s.turn, s.id",
                [&lane],
                |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
            )?;
            for (id, flow, notice) in &running {
                tx.run("UPDATE step SET uncertain = 1 WHERE id = ?1", [id])?;
                if course::is_taken_back(tx, *id)? {
                    // Nobody is sent the password of an account that is being undone.
                    tx.run("UPDATE step SET state = 'cancelled' WHERE id = ?1", [id])?;
                } else if stick && *notice {
                    let fault =
                        Fault::unknown("akund ended while this was being sent; whether it was taken is not known");
                    course::stick_step(tx, *id, &fault)?;
                } else {
                    course::make_ready(tx, *id, &lane, *flow)?;
                    course::cancel_if_replaced(tx, *id)?;
                }
                course::settle_withdrawal(tx, id >> 8)?;
            }
            Ok(running.len())
        })
        .await
    }

    /// At start, of a lane that is no longer configured: what is in flight there is [recovered](Self::recover), and what tells
    /// somebody aside, or of a request that has ended (a refusal), is stuck. Nobody could withdraw it to be rid of the notice, and it
    /// would keep the request's personal data for ever.
    ///
    /// # Errors
    /// Where it could not be written.
    pub async fn orphan(&self, lane: &str) -> Result<(), JournalError> {
        self.recover(lane, true).await?;
        let lane = lane.to_owned();
        self.call(move |tx| {
            let fault = Fault::permanent(format!(
                "there is no channel {lane} any more; with one of that name `akund retry` sends it, `akund arrived` ends it"
            ));
            let open: Vec<i64> = tx.rows(
                &format!(
                    "SELECT s.id FROM step s JOIN request r ON r.id = s.id >> 8 WHERE s.lane = ?1 AND s.state IN ('ready', 'retry')
                       AND (s.part = 'notice' AND r.ended_at IS NOT NULL OR {}) ORDER BY s.id /* once */",
                    course::ASIDE
                ),
                [&lane],
                |row| row.get(0),
            )?;
            open.into_iter().try_for_each(|id| course::stick_step(tx, id, &fault))
        })
        .await
    }
}
