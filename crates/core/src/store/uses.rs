//! The part of the port that remaining uses are drawn from.

use crate::error::Result;
use crate::uses::{Draw, Drawn, Unspent};
use async_trait::async_trait;

/// What was drawn of the uses that keys were given, by the store's own clock, as leases are.
#[async_trait]
pub trait UsesStore: Send + Sync {
    /// Draws uses of a line of keys, the more of `wanted` and of one part of what is left, which is `most`
    /// at most; no more than are left. What was drawn before counts where it is of this grant and of this
    /// period, which begins with the first draw and again each time that the uses come back. None where
    /// something was drawn of a later grant.
    async fn draw_uses(&self, draw: &Draw) -> Result<Option<Drawn>>;

    /// Takes back what was drawn and not spent, as far as its grant and period are still those of the line.
    async fn return_uses(&self, unspent: &[Unspent]) -> Result<()>;
}
