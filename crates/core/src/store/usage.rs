//! The part of the port that usage is kept behind.

use crate::error::Result;
use crate::ids::LeaseId;
use crate::usage::{SumQuery, UnrolledCall, UsageBatch, UsageEnds, UsageRow, UsageSum};
use async_trait::async_trait;

/// Sums of what accounts took, by hour and by day, and the records of calls that are not in them yet.
#[async_trait]
pub trait UsageStore: Send + Sync {
    /// Adds a batch to the sums of hours and of days and notes its number, or does nothing where the
    /// number is the node's last.
    ///
    /// # Errors
    /// `Conflict(Changed)` unless the batch before was the node's last; of number 1, unless the node
    /// has none.
    async fn add_usage(&self, batch: &UsageBatch) -> Result<()>;

    /// Lists at most `limit` records of calls that are not in the sums. One that cannot be read keeps
    /// its place.
    async fn list_unrolled_calls(&self, limit: u32) -> Result<Vec<Result<UnrolledCall>>>;

    /// Marks the records of these leases' calls as being in the sums, and adds `rows` to those of
    /// hours and of days: both or neither.
    ///
    /// # Errors
    /// `Conflict(Changed)` unless all of them are there and were not marked.
    async fn roll_calls(&self, calls: &[LeaseId], rows: &[UsageRow]) -> Result<()>;

    /// The sums of a question, of one instant: group by group in the order of their places, of calls
    /// also what is not in the rows yet. Of names of one measure within a group only
    /// [`crate::limits::USAGE_NAMES_MAX`] are told, those of the largest amounts.
    async fn sum_usage(&self, query: &SumQuery) -> Result<Vec<UsageSum>>;

    /// Of at most `limit` rows each, forgets records of calls, hours, days and nodes' last batches
    /// that are older than `ends`, and says how many. What is not in the sums stays.
    async fn sweep_usage(&self, ends: &UsageEnds, limit: u32) -> Result<u64>;
}
