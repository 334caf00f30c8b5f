//! Verifications on their way from memory into the store: counted once, whatever is lost on the way.
//!
//! They leave in numbered batches. The store adds a batch only where the one before was the node's
//! last, and notes its number in the same transaction; so one whose answer was lost is sent again, the
//! same under the same number, until the store has answered. What is counted meanwhile stays where it
//! is counted, so that what waits has a limit.

use super::{UsageBatch, UsageRow};
use crate::Plane;
use crate::error::{Conflict, Error, Result};
use crate::leads::NodeId;
use crate::limits;
use std::collections::VecDeque;
use std::sync::Arc;

/// What is on its way.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    /// Whose batches these are.
    node: Option<NodeId>,
    /// The number of the last batch that the store has answered for.
    settled: u64,
    /// Batches that it has not, in order.
    waiting: VecDeque<Arc<[UsageRow]>>,
    /// Whether the first of them was ever sent.
    sent: bool,
}

impl Outbox {
    fn fill(&mut self, rows: &[UsageRow]) {
        self.waiting.extend(rows.chunks(limits::USAGE_BATCH).map(Arc::from));
    }

    fn settle(&mut self) {
        self.waiting.pop_front();
        self.settled += 1;
        self.sent = false;
    }

    /// Begins anew, as a node that the store has never heard of.
    fn begin_anew(&mut self) {
        (self.node, self.settled, self.sent) = (None, 0, false);
    }
}

impl Plane {
    /// Adds what verifications have left in memory to the store's sums. What is not answered for is
    /// sent again by the next call.
    ///
    /// # Errors
    /// What the store says.
    pub async fn flush_usage(&self) -> Result<()> {
        // One at a time: batches arrive in the order of their numbers.
        let mut outbox = self.outbox.lock().await;
        if outbox.waiting.is_empty() {
            outbox.fill(&self.tally.take_counts());
        }
        while let Some(rows) = outbox.waiting.front().cloned() {
            let node = *outbox.node.get_or_insert_with(|| NodeId::generate(&*self.rng));
            let number = outbox.settled + 1;
            let sent_before = outbox.sent;
            // Before it is: of a call that is dropped on the way nobody knows what became.
            outbox.sent = true;
            let batch = UsageBatch { node, number, at: self.clock.now(), rows };
            match self.store.add_usage(&batch).await {
                Ok(()) => outbox.settle(),
                // The store has forgotten a node that was silent for long.
                Err(Error::Conflict(Conflict::Changed)) if number > 1 => {
                    outbox.begin_anew();
                    if sent_before {
                        // Whether it was added before that nobody knows any more. Once too few is
                        // better than twice.
                        outbox.waiting.pop_front();
                        let lost = batch.rows.iter().map(|(_, count)| *count).sum();
                        self.tally.note_uncounted(lost);
                        tracing::warn!(
                            lost,
                            "verifications were left out of usage: the store \
                            was away for too long to say whether it has them"
                        );
                    }
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Verifications since the start that usage does not tell of: too many keys were verified between
    /// two flushes, or the store was away for a day.
    #[must_use]
    pub fn usage_uncounted(&self) -> u64 {
        self.tally.uncounted()
    }
}
