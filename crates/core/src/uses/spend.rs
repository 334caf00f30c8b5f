//! Spending uses, from the node's block while that has some, and drawing the next one.

use super::blocks::{Block, Taken, UsesLeft};
use super::{Draw, Drawn, Uses};
use crate::Plane;
use crate::error::{Error, Result};
use crate::ids::{AccountId, CredentialId};
use crate::limits;
use std::sync::Arc;
use std::time::Duration;

/// A line of keys that was given uses.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Line {
    pub(crate) lineage: CredentialId,
    pub(crate) root: AccountId,
    pub(crate) uses: Uses,
}

/// Uses that were taken, until it is known whether they are spent.
pub(crate) struct Held {
    block: Arc<Block>,
    uses: Uses,
    cost: u64,
    /// The line of a block that is kept for this call alone.
    alone: Option<CredentialId>,
    /// What is left after them.
    pub(crate) left: UsesLeft,
}

impl Held {
    /// What is left where they are put back.
    pub(crate) const fn unspent(&self) -> UsesLeft {
        let UsesLeft { limit, remaining } = self.left;
        UsesLeft { limit, remaining: remaining.saturating_add(self.cost) }
    }
}

impl Plane {
    /// What is left of a line's uses, as far as this node knows; an error where that is known not to be
    /// enough. Nothing is spent.
    pub(crate) fn look_at_uses(&self, line: &Line, cost: u32) -> Result<UsesLeft, UsesLeft> {
        let now = self.clock.monotonic();
        match self.blocks.of(line.lineage) {
            Some(block) => block.look(&line.uses, cost.into(), now),
            None => Ok(UsesLeft { limit: line.uses.limit(), remaining: line.uses.limit() }),
        }
    }

    /// Takes `cost` uses of a line; what is left where it has not as many.
    ///
    /// # Errors
    /// What the store says.
    pub(crate) async fn take_uses(
        &self,
        line: &Line,
        cost: u32,
    ) -> Result<std::result::Result<Held, UsesLeft>> {
        let Line { lineage, uses, .. } = *line;
        let cost = u64::from(cost);
        let kept = self.blocks.of(lineage);
        let alone = kept.is_none();
        let block = kept.unwrap_or_default();
        let taken = self.take_from(&block, line, (cost, alone)).await?;
        let alone = alone.then_some(lineage);
        Ok(taken.map(|left| Held { block, uses, cost, alone, left }))
    }

    async fn take_from(
        &self,
        block: &Arc<Block>,
        line: &Line,
        (cost, alone): (u64, bool),
    ) -> Result<std::result::Result<UsesLeft, UsesLeft>> {
        let Line { lineage, root, uses } = *line;
        match block.take(&uses, cost, self.clock.monotonic()) {
            Taken::Spent(left) => return Ok(Ok(left)),
            Taken::Exceeded(left) => return Ok(Err(left)),
            Taken::Needs(_) => {}
        }
        let _one_at_a_time = block.drawing.lock().await;
        let none = UsesLeft { limit: uses.limit(), remaining: 0 };
        // Who does not have to draw may be quicker to spend what was drawn.
        for _ in 0..limits::RETRIES_MAX {
            let asked_at = self.clock.monotonic();
            let wanted = match block.take(&uses, cost, asked_at) {
                Taken::Spent(left) => return Ok(Ok(left)),
                Taken::Exceeded(left) => return Ok(Err(left)),
                Taken::Needs(wanted) => wanted,
            };
            let most = if alone { 0 } else { limits::USES_BLOCK_MAX };
            let draw = Draw { lineage, root, uses, wanted, parts: limits::USES_PARTS, most };
            if self.draw(block, draw, asked_at).await?.is_none() {
                // A later grant is there, which this node does not know of yet.
                return Ok(Err(none));
            }
        }
        Ok(Err(none))
    }

    /// Draws from the store into the block, in a task of its own: whoever hangs up meanwhile loses the
    /// answer, and nobody loses the block.
    async fn draw(
        &self,
        block: &Arc<Block>,
        draw: Draw,
        asked_at: Duration,
    ) -> Result<Option<Drawn>> {
        let (store, block) = (self.store.clone(), block.clone());
        let drawing = tokio::spawn(async move {
            let drawn = store.draw_uses(&draw).await;
            if let Ok(Some(drawn)) = &drawn {
                block.add(&draw.uses, drawn, asked_at);
            }
            drawn
        });
        drawing.await.map_err(Error::internal)?
    }

    /// Puts back what was taken and is not spent. What cannot be given back is lost.
    pub(crate) async fn put_uses_back(&self, held: &Held) {
        held.block.put_back(&held.uses, held.cost, self.clock.monotonic());
        if let Some(unspent) = held.alone.and_then(|lineage| held.block.drain(lineage))
            && let Err(error) = self.store.return_uses(&[unspent]).await
        {
            tracing::warn!(%error, "uses that were drawn for a refused request are lost");
        }
    }

    /// Gives the store back what this node drew and did not spend: of blocks that nobody has used for
    /// [`limits::USES_IDLE_AFTER`], or, with `all`, before it stops.
    ///
    /// # Errors
    /// What the store says; what was not given back is lost, and only that.
    pub async fn give_uses_back(&self, all: bool) -> Result<()> {
        let now = self.clock.monotonic();
        let before = if all { Duration::MAX } else { now.saturating_sub(limits::USES_IDLE_AFTER) };
        let unspent = self.blocks.take_idle(before);
        for batch in unspent.chunks(limits::USES_RETURN_BATCH) {
            self.store.return_uses(batch).await?;
        }
        Ok(())
    }
}
