//! `/v1/accounts`

use super::page;
use crate::openapi::part::{Caller, Part};
use crate::reply::JSON;
use tenantry_api::accounts::{
    Account, CreateAccount, CreateAccounts, CreatedAccount, CreatedAccounts, UpdateAccount,
};
use tenantry_api::keys::Effective;
use utoipa::openapi::path::HttpMethod::{Get, Patch, Post};

pub(super) fn describe(part: &mut Part) {
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
                .refuses(&[(429, "Too many databases were asked for in a minute")])
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
        },
    );
    part.call(
        Get,
        "/v1/accounts",
        (Caller::Key, "List the caller's own account and those below it"),
        |call| page::<Account<'_>>(call, "A page, oldest first"),
    );
    part.call(Get, "/v1/accounts/{id}", (Caller::Key, "Read an account of the tree"), |call| {
        call.gives::<Account<'_>>(200, JSON, "The account")
    });
    part.call(
        Patch,
        "/v1/accounts/{id}",
        (Caller::Key, "Change an account's name, profile or metadata"),
        |call| {
            call.about("What is not named stays as it is.")
                .takes::<UpdateAccount<'_>>(JSON)
                .gives::<Account<'_>>(200, JSON, "The account as it is then")
                .changes()
        },
    );
    for (path, summary, about) in [
        (
            "/v1/accounts/{id}/suspend",
            "Stop an account for now",
            "Its keys and service accounts, and those of the accounts below it, refuse from then on.",
        ),
        (
            "/v1/accounts/{id}/resume",
            "Let a suspended account go on",
            "What was valid before is valid again.",
        ),
        ("/v1/accounts/{id}/close", "Close an account for good", "A closed account stays closed."),
    ] {
        part.call(Post, path, (Caller::Key, summary), |call| {
            call.about(about)
                .waits()
                .gives::<Effective>(200, JSON, "By when it holds on every node")
                .changes()
        });
    }
}
