//! `/v1/keys` and `/v1/accounts/{id}/keys`

use super::page;
use crate::openapi::part::{Caller, Part};
use crate::openapi::values::{address, flag};
use crate::reply::JSON;
use tenantry_api::keys::{
    CreateKey, Effective, ImportKeys, ImportedKeys, Key, RotateKey, RotatedKey, UpdateKey, Verdict,
};
use tenantry_api::leases::WantedLease;
use utoipa::ToSchema;
use utoipa::openapi::path::HttpMethod::{Delete, Get, Patch, Post};

/// A question about a credential: an API key, or a service account by one of its secrets.
#[derive(ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "describes which members of the API's struct belong together")]
enum Verify {
    Key(VerifyKey),
    Client(VerifyClient),
}

/// May this key do this?
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes which members of the API's struct belong together")]
struct VerifyKey {
    /// An API key.
    key: String,
    #[serde(flatten)]
    asked: Asked,
}

/// May this service account do this?
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes which members of the API's struct belong together")]
struct VerifyClient {
    /// A service account's client id.
    client_id: String,
    /// One of its secrets.
    client_secret: String,
    #[serde(flatten)]
    asked: Asked,
}

/// What is asked of either.
#[derive(ToSchema)]
#[schema(as = VerifyAsked)]
#[expect(dead_code, reason = "describes which members of the API's struct belong together")]
struct Asked {
    /// What it must be allowed to do.
    #[schema(max_items = 64)]
    permissions: Option<Vec<String>>,
    /// Where the request came from.
    #[schema(schema_with = address, required = false)]
    ip: (),
    /// How often it counts in rates and uses; once unless given.
    #[schema(minimum = 1, maximum = 1_000_000)]
    cost: Option<i64>,
    /// Takes a slot for a concurrent call too, where all else is well.
    lease: Option<WantedLease>,
}

pub(super) fn describe(part: &mut Part) {
    verification(part);
    life(part);
    ends(part);
}

fn verification(part: &mut Part) {
    part.call(Post, "/v1/keys/verify", (Caller::Key, "May this key do this, now?"), |call| {
        call.about(
            "Always 200 when the question was understood; `code` says why not. A key of a tree \
             that is not the caller's is NOT_FOUND. A yes counts in the rates of the key, of its \
             account and of the organization, and spends uses of the key; a no spends nothing. \
             `RateLimit` and `RateLimit-Policy` tell of the windows.",
        )
        .takes::<Verify>(JSON)
        .gives::<Verdict<'_>>(200, JSON, "The verdict")
        .refuses(&[
            (409, "Others changed the account all the while; with a `lease`"),
            (410, "The lease of this `request_id` has ended"),
            (507, "The store has no room left; with a `lease`"),
        ])
    });
    part.call(
        Post,
        "/v1/keys/import",
        (Caller::Key, "Take over keys of another system by their hashes"),
        |call| {
            call.takes::<ImportKeys<'_>>(JSON)
                .gives::<ImportedKeys>(200, JSON, "An answer for each, in its place")
                .repeatable()
        },
    );
}

fn life(part: &mut Part) {
    part.call(
        Post,
        "/v1/accounts/{id}/keys",
        (Caller::Key, "Make a further key of an account"),
        |call| {
            call.about("No key makes one that has more than it or outlives it.")
                .takes::<CreateKey<'_>>(JSON)
                .gives::<Key<'_>>(201, JSON, "The key, and its secret, shown once")
                .repeatable()
        },
    );
    part.call(Get, "/v1/accounts/{id}/keys", (Caller::Key, "List an account's keys"), |call| {
        page::<Key<'_>>(call, "A page, oldest first; revoked and expired ones included")
    });
    part.call(Get, "/v1/keys/{id}", (Caller::Key, "Read a key"), |call| {
        call.gives::<Key<'_>>(200, JSON, "The key, without its secret")
    });
    part.call(Patch, "/v1/keys/{id}", (Caller::Key, "Change a key"), |call| {
        call.about("What is not named stays as it is. No key gives one more than it has itself.")
            .takes::<UpdateKey<'_>>(JSON)
            .waits()
            .gives::<Key<'_>>(200, JSON, "The key as it is then")
            .changes()
    });
    part.call(Post, "/v1/keys/{id}/rotate", (Caller::Key, "Give a key another secret"), |call| {
        call.about(
            "A new key of the same line, with all that the old one had. The old one goes on \
                 for `grace_seconds`, and never longer than it would have.",
        )
        .takes::<RotateKey>(JSON)
        .waits()
        .gives::<RotatedKey<'_>>(201, JSON, "Both keys, and the new one's secret, shown once")
        .repeatable()
    });
}

fn ends(part: &mut Part) {
    for (method, path) in [(Post, "/v1/keys/{id}/revoke"), (Delete, "/v1/keys/{id}")] {
        part.call(method, path, (Caller::Key, "End a key for good"), |call| {
            call.query("lineage", flag(), "End also what rotations made of it, and it of")
                .waits()
                .gives::<Effective>(200, JSON, "By when it holds on every node")
                .changes()
        });
    }
    for (path, summary) in [
        ("/v1/keys/{id}/disable", "Switch a key off for now"),
        ("/v1/keys/{id}/enable", "Switch a key on again"),
    ] {
        part.call(Post, path, (Caller::Key, summary), |call| {
            call.waits().gives::<Effective>(200, JSON, "By when it holds on every node").changes()
        });
    }
}
