//! `/v1/leases` and `/v1/accounts/{id}/limits`

use crate::openapi::part::{Caller, Part};
use crate::reply::JSON;
use tenantry_api::leases::{
    Lease, LimitsInForce, ReleaseLease, ReleasedLease, RenewLease, RenewedLease, SetLimits,
    WantedLease,
};
use utoipa::ToSchema;
use utoipa::openapi::path::HttpMethod::{Get, Post, Put};

/// A lease, by the account whose call it is or by one of its keys.
#[derive(ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "describes which members of the API's struct belong together")]
enum AcquireLease {
    Account(AcquireByAccount),
    Key(AcquireByKey),
}

/// A lease for a call of this account.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes which members of the API's struct belong together")]
struct AcquireByAccount {
    /// `acc_…`, or the UUID.
    account_id: String,
    #[serde(flatten)]
    wanted: WantedLease,
}

/// A lease for a call of the account whose key this is.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes which members of the API's struct belong together")]
struct AcquireByKey {
    /// A key that verifies.
    key: String,
    #[serde(flatten)]
    wanted: WantedLease,
}

const ENDED: &[(u16, &str)] = &[(410, "The lease has expired or was given back")];

pub(super) fn describe(part: &mut Part) {
    leases(part);
    limits(part);
}

fn leases(part: &mut Part) {
    let caller = (Caller::Key, "Take a slot for a concurrent call");
    part.call(Post, "/v1/leases", caller, |call| {
        call.about(
            "Two caps hold at once: the account's own and its parent's. Where one is reached the \
             answer is 429 with `requested`, `available`, `account_limit` and `in_use`. The same \
             `request_id` again has the same lease.",
        )
        .takes::<AcquireLease>(JSON)
        .gives::<Lease>(201, JSON, "The lease")
        .refuses(ENDED)
        .refuses(&[
            (404, "The account or the key does not exist, or is somebody else's"),
            (409, "The account is suspended, closed or not ready yet"),
            (429, "Every concurrent call that there may be is in progress"),
            (507, "The store has no room left"),
        ])
    });
    let caller = (Caller::Key, "Let a lease last for longer");
    part.call(Post, "/v1/leases/{id}/renew", caller, |call| {
        call.may_take::<RenewLease>(JSON)
            .gives::<RenewedLease>(200, JSON, "The lease")
            .refuses(&[(507, "The store has no room left")])
            .refuses(ENDED)
    });
    let caller = (Caller::Key, "Give a lease back, with the record of its call");
    part.call(Post, "/v1/leases/{id}/release", caller, |call| {
        call.about(
            "A second time changes nothing and answers the same. The record of a call that outlived \
             its lease is kept, although the answer is 410.",
        )
        .may_take::<ReleaseLease>(JSON)
        .gives::<ReleasedLease>(200, JSON, "It is given back")
        .refuses(&[(507, "The store has no room left")])
        .refuses(ENDED)
    });
}

fn limits(part: &mut Part) {
    let path = "/v1/accounts/{id}/limits";
    part.call(Get, path, (Caller::Key, "Limits of an account, and what is in use"), |call| {
        call.gives::<LimitsInForce>(200, JSON, "The limits")
    });
    part.call(Put, path, (Caller::Key, "Set the limits of an account"), |call| {
        call.takes::<SetLimits>(JSON).gives::<LimitsInForce>(200, JSON, "The limits").refuses(&[
            (409, "More than the account above has to give, or less than was given"),
            (507, "The store has no room left"),
        ])
    });
}
