//! Leases: concurrent calls in progress.

use crate::limits::Rate;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// Body of `POST /v1/leases`: `account_id`, or `key`.
#[derive(Deserialize)]
pub struct AcquireLease<'a> {
    /// The account whose call it is.
    pub account_id: Option<String>,
    /// A key of that account, which must verify.
    #[serde(borrow)]
    pub key: Option<Cow<'a, str>>,
    /// How long it lasts unless it is renewed, 5 to 3600.
    pub ttl_seconds: i64,
    /// The same request, sent again with this, has the same lease; 1 to 128 visible ASCII characters.
    pub request_id: Option<String>,
    /// The caller's own word for the call, at most 200 characters.
    pub reference: Option<String>,
}

impl std::fmt::Debug for AcquireLease<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AcquireLease").field("account_id", &self.account_id).finish_non_exhaustive()
    }
}

/// A lease that is asked for together with a verification.
#[derive(Debug, Deserialize, ToSchema)]
pub struct WantedLease {
    /// How long it lasts unless it is renewed, 5 to 3600.
    #[schema(minimum = 5, maximum = 3600)]
    pub ttl_seconds: i64,
    /// The same request, sent again with this, has the same lease; 1 to 128 visible ASCII characters.
    #[schema(max_length = 128)]
    pub request_id: Option<String>,
    /// The caller's own word for the call, at most 200 characters.
    #[schema(max_length = 200)]
    pub reference: Option<String>,
}

/// Reply of `POST /v1/leases`, and what a verification shows of a lease that was taken with it.
#[derive(Debug, Serialize, ToSchema)]
pub struct Lease {
    /// `lea_…`
    pub id: String,
    /// Grows with each lease of the organization. A resource that refuses a lower one than it has
    /// seen is safe from a holder that was paused beyond its time.
    pub fencing_token: u64,
    /// From then on it holds nothing, by the store's clock. Whoever holds it counts `ttl_seconds`
    /// from before the request was sent, by a clock that nobody sets.
    #[schema(format = DateTime)]
    pub expires_at: String,
    /// Calls in progress of the account, this one included.
    pub in_use: u32,
    /// Calls that the account may have in progress.
    pub limit: u32,
}

/// Body of `POST /v1/leases/{id}/renew`.
#[derive(Debug, Default, Deserialize, ToSchema)]
pub struct RenewLease {
    /// How long it lasts from now on, 5 to 3600; as long as it was taken for unless given.
    #[schema(minimum = 5, maximum = 3600)]
    pub ttl_seconds: Option<i64>,
}

/// Reply of `POST /v1/leases/{id}/renew`.
#[derive(Debug, Serialize, ToSchema)]
pub struct RenewedLease {
    /// `lea_…`
    pub id: String,
    /// The one that it has had.
    pub fencing_token: u64,
    /// From then on it holds nothing, by the store's clock.
    #[schema(format = DateTime)]
    pub expires_at: String,
}

/// Body of `POST /v1/leases/{id}/release`: nothing, or the record of the call.
#[derive(Debug, Default, Deserialize, ToSchema)]
pub struct ReleaseLease {
    /// How the call ended, in the caller's words; needed where anything else is said of it.
    #[schema(max_length = 100)]
    pub status: Option<String>,
    /// How long it took.
    #[schema(minimum = 0)]
    pub duration_seconds: Option<f64>,
    /// What it cost.
    pub costs: Option<CallCosts>,
}

/// What a call cost, in cents.
#[derive(Debug, Default, Deserialize, ToSchema)]
pub struct CallCosts {
    /// For the platform itself.
    #[schema(minimum = 0)]
    pub platform: Option<f64>,
    /// For telephony.
    #[schema(minimum = 0)]
    pub telephony: Option<f64>,
    /// For speech synthesis, by provider, at most 32.
    pub synthesizer: Option<BTreeMap<String, f64>>,
    /// For transcription, by provider, at most 32.
    pub transcriber: Option<BTreeMap<String, f64>>,
    /// For language models, by provider, at most 32.
    pub llm: Option<BTreeMap<String, f64>>,
}

/// Reply of `POST /v1/leases/{id}/release`.
#[derive(Debug, Serialize, ToSchema)]
pub struct ReleasedLease {
    /// `lea_…`
    pub id: String,
    /// When it was given back first, by the store's clock.
    #[schema(format = DateTime)]
    pub released_at: String,
}

/// Body of `PUT /v1/accounts/{id}/limits`: what is absent or null follows its default.
#[derive(Debug, Deserialize, ToSchema)]
pub struct SetLimits {
    /// Concurrent calls, 1 to 1,000,000.
    #[schema(minimum = 1, maximum = 1_000_000)]
    pub concurrency: Option<i64>,
    /// Of a root account: concurrent calls of each sub-account for which none are set.
    #[schema(minimum = 1, maximum = 1_000_000)]
    pub sub_account_concurrency: Option<i64>,
    /// Requests of its credentials in windows of time, at most four; of a root account those of its
    /// whole tree.
    #[schema(max_items = 4)]
    pub rate: Option<Vec<Rate>>,
}

/// Reply of `GET` and `PUT /v1/accounts/{id}/limits`.
#[derive(Debug, Serialize, ToSchema)]
pub struct LimitsInForce {
    /// `acc_…`
    pub account_id: String,
    /// Concurrent calls that were set; null where the default counts.
    #[schema(required)]
    pub concurrency: Option<u32>,
    /// Concurrent calls that count; null for a root account without a limit.
    #[schema(required)]
    pub effective_concurrency: Option<u32>,
    /// Of a root account: concurrent calls of each sub-account for which none are set; null where
    /// that is the server's default.
    #[schema(required)]
    pub sub_account_concurrency: Option<u32>,
    /// Calls in progress; of a root account those of all its accounts.
    pub in_use: u32,
    /// Of a root account: what limits that were set on its sub-accounts sum up to.
    #[schema(required)]
    pub given: Option<u64>,
    /// Requests in windows of time; empty where none are limited.
    pub rate: Vec<Rate>,
}
