//! Meters that all nodes share, in a store that is fast and may lose them.

use super::meters::{Meter, Metered};
use crate::error::Result;
use crate::ids::AccountId;
use async_trait::async_trait;

/// Whether a request is to count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spending {
    /// Only looks whether it would be let in.
    Look,
    /// Counts it where it is let in.
    Spend,
}

/// Windows in one place for all nodes.
#[async_trait]
pub trait SharedMeters: Send + Sync {
    /// Asks all windows about a request of `root`'s tree that counts `cost` times, and spends from all of
    /// them where all let it in and it is to count: in one step, by the clock of that place. Their answers
    /// are those of [`super::ask`].
    ///
    /// # Errors
    /// `Unavailable` where it does not answer within its time-outs, or refuses to remember.
    async fn spend(
        &self,
        root: AccountId,
        meters: &[Meter],
        spending: Spending,
        cost: u32,
    ) -> Result<Vec<Metered>>;
}
