//! Rates and remaining uses.

use crate::patch::Patch;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// So many requests in a window of time.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, ToSchema)]
pub struct Rate {
    /// Requests in the window, 1 to 1,000,000, and at most 100,000 a second.
    #[schema(minimum = 1, maximum = 1_000_000)]
    pub limit: i64,
    /// The window, 1 to 2,678,400 seconds (31 days).
    #[schema(minimum = 1, maximum = 2_678_400)]
    pub window_seconds: i64,
}

/// Uses that a key is given.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, ToSchema)]
pub struct Uses {
    /// How many, 1 to 1,000,000,000,000.
    #[schema(minimum = 1, maximum = 1_000_000_000_000i64)]
    pub limit: i64,
    /// After how long all of them are there again, counted from the first use: 60 to 31,622,400
    /// seconds. Never, unless given.
    #[schema(minimum = 60, maximum = 31_622_400)]
    pub refill_seconds: Option<i64>,
}

/// Limits of a key to make.
#[derive(Debug, Default, Deserialize, ToSchema)]
pub struct NewKeyLimits {
    /// Requests in windows of time, at most four, each with a window of its own.
    #[schema(max_items = 4)]
    pub rate: Option<Vec<Rate>>,
    /// Uses to give it; not counted unless given.
    pub uses: Option<Uses>,
}

/// Limits of a key that are to change: what is not named stays, what is null goes.
#[derive(Debug, Default, Deserialize, ToSchema)]
pub struct UpdateKeyLimits {
    /// Requests in windows of time.
    #[serde(default)]
    #[schema(value_type = Option<Vec<Rate>>, max_items = 4)]
    pub rate: Patch<Vec<Rate>>,
    /// Uses to give it anew, whatever is left of those before.
    #[serde(default)]
    #[schema(value_type = Option<Uses>)]
    pub uses: Patch<Uses>,
}

/// Limits of a key.
#[derive(Debug, Serialize, ToSchema)]
pub struct KeyLimits {
    /// Requests in windows of time, the shortest window first.
    pub rate: Vec<Rate>,
    /// Uses that it was given; null where they are not counted.
    #[schema(required)]
    pub uses: Option<GivenUses>,
}

/// Uses that a key was given.
#[derive(Debug, Serialize, ToSchema)]
pub struct GivenUses {
    /// How many.
    pub limit: u64,
    /// After how long all of them are there again; null for never.
    #[schema(required)]
    pub refill_seconds: Option<u64>,
    /// When they were given.
    #[schema(format = DateTime)]
    pub granted_at: String,
}

/// What a verification shows of limits that it looked at.
#[derive(Debug, Serialize, ToSchema)]
pub struct VerifiedLimits {
    /// The windows that the request counted in, or would have.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    pub rate: Vec<VerifiedRate>,
    /// Uses of the key, where they are counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = VerifiedUses, required = false)]
    pub uses: Option<VerifiedUses>,
    /// Concurrent calls, where a lease was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = VerifiedConcurrency, required = false)]
    pub concurrency: Option<VerifiedConcurrency>,
}

/// One window of time.
#[derive(Debug, Serialize, ToSchema)]
pub struct VerifiedRate {
    /// Whose requests it counts: those of the `key`, of its `account`, or of the whole `organization`.
    pub of: &'static str,
    /// Requests in the window.
    pub limit: u32,
    /// The window.
    pub window_seconds: u32,
    /// Requests that may follow at once.
    pub remaining: u32,
    /// After how long, if none follows, the window is as if there had been none; rounded up.
    pub reset_seconds: u64,
    /// Where this window refused the request: after how long it would let it in, rounded up; null where
    /// it never would, because it costs more than the limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<u64>, required = false)]
    pub retry_after_seconds: Option<Option<u64>>,
}

/// Uses of a key.
#[derive(Debug, Serialize, ToSchema)]
pub struct VerifiedUses {
    /// How many it was given.
    pub limit: u64,
    /// How many are left, those that other nodes hold ready left out.
    pub remaining: u64,
}

/// Concurrent calls of an account.
#[derive(Debug, Serialize, ToSchema)]
pub struct VerifiedConcurrency {
    /// How many it may have in progress.
    pub limit: u32,
    /// How many there are, one that was just taken included.
    pub in_use: u32,
}
