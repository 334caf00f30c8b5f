//! Tenantry's own API, and what belongs to no family.

use super::call::{Caller, Part};
use crate::reply::JSON;
use tenantry_api::accounts::{
    Account, CreateAccount, CreateAccounts, CreatedAccount, CreatedAccounts,
};
use tenantry_api::keys::{Effective, ImportKeys, ImportedKeys, Verdict, Verify, WhoAmI};
use tenantry_api::problem::Problem;
use utoipa::ToSchema;
use utoipa::openapi::path::HttpMethod::{Delete, Get, Post};

const TEXT: &str = "text/plain; charset=utf-8";
const WAIT: &str = "Answer only when the change holds on every node";
const INVALID: &[(u16, &str)] = &[(422, "Some fields break a rule")];

/// An OpenAPI 3.1 document.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what utoipa writes")]
struct OpenApiDocument {
    openapi: String,
    #[schema(value_type = Object)]
    info: (),
    #[schema(value_type = Object)]
    paths: (),
    #[schema(value_type = Object)]
    components: (),
}

pub(super) fn describe() -> Part {
    let about = "Tenantry's own API. Refusals are RFC 9457 documents with a stable `code`.";
    let mut part = Part::new::<Problem>("native", about, "application/problem+json");
    accounts(&mut part);
    keys(&mut part);
    others(&mut part);
    part
}

fn accounts(part: &mut Part) {
    part.call(
        Post,
        "/v1/accounts",
        (Caller::Key, "Make a sub-account with its first key"),
        |call| {
            call.takes::<CreateAccount<'_>>(JSON)
                .gives::<CreatedAccount<'_>>(
                    201,
                    JSON,
                    "The account, and the key's secret, shown once",
                )
                .repeatable()
                .refuses(INVALID)
                .refuses(&[(501, "A database of the account's own is asked for")])
        },
    );
    part.call(
        Post,
        "/v1/accounts/bulk",
        (Caller::Key, "Make up to 1,000 sub-accounts in one transaction"),
        |call| {
            call.takes::<CreateAccounts<'_>>(JSON)
                .gives::<CreatedAccounts<'_>>(200, JSON, "An answer for each, in its place")
                .repeatable()
                .refuses(INVALID)
        },
    );
    part.call(Get, "/v1/accounts/{id}", (Caller::Key, "Read an account of the tree"), |call| {
        call.gives::<Account<'_>>(200, JSON, "The account")
    });
}

fn keys(part: &mut Part) {
    part.call(Post, "/v1/keys/verify", (Caller::Key, "May this key do this, now?"), |call| {
        call.about(
            "Always 200 when the question was understood; `code` says why not. A key of a tree \
             that is not the caller's is NOT_FOUND.",
        )
        .takes::<Verify<'_>>(JSON)
        .gives::<Verdict<'_>>(200, JSON, "The verdict")
        .refuses(INVALID)
        .refuses(&[(501, "A lease is asked for")])
    });
    part.call(
        Post,
        "/v1/keys/import",
        (Caller::Key, "Take over keys of another system by their hashes"),
        |call| {
            call.takes::<ImportKeys<'_>>(JSON)
                .gives::<ImportedKeys>(200, JSON, "An answer for each, in its place")
                .repeatable()
                .refuses(INVALID)
        },
    );
    for (method, path) in [(Post, "/v1/keys/{id}/revoke"), (Delete, "/v1/keys/{id}")] {
        part.call(method, path, (Caller::Key, "End a key for good"), |call| {
            call.query::<bool>("wait", WAIT)
                .gives::<Effective>(200, JSON, "By when it holds on every node")
                .refuses(&[(409, "Others changed the key all the while")])
        });
    }
    part.call(Get, "/v1/whoami", (Caller::Key, "The presented key itself"), |call| {
        call.gives::<WhoAmI<'_>>(200, JSON, "The key, its account and permissions")
    });
}

fn others(part: &mut Part) {
    part.call(Get, "/livez", (Caller::Anybody, "Does the process answer?"), |call| {
        call.gives_text(200, TEXT, "It does")
    });
    part.call(Get, "/readyz", (Caller::Anybody, "Does the server want requests?"), |call| {
        call.gives_text(200, TEXT, "It does").gives_text(503, TEXT, "It does not")
    });
    part.call(Get, "/readyz/writes", (Caller::Anybody, "Does the server take changes?"), |call| {
        call.gives_text(200, TEXT, "It does").gives_text(503, TEXT, "It does not")
    });
    part.call(Get, "/openapi.json", (Caller::Anybody, "This document"), |call| {
        call.gives::<OpenApiDocument>(200, JSON, "OpenAPI 3.1")
    });
    part.call(Get, "/docs", (Caller::Anybody, "This document, for people"), |call| {
        call.gives_text(200, "text/html; charset=utf-8", "A page that asks no other host")
    });
}
