//! `/v1/service-accounts` and `/v1/accounts/{id}/service-accounts`

use super::page;
use crate::openapi::part::{Caller, Part};
use crate::reply::JSON;
use tenantry_api::keys::Effective;
use tenantry_api::service_accounts::{
    ClientKeys, CreateClientSecret, CreateServiceAccount, CreatedClientSecret,
    CreatedServiceAccount, ServiceAccount, SetClientKeys, UpdateServiceAccount,
};
use utoipa::openapi::path::HttpMethod::{Delete, Get, Patch, Post, Put};

pub(super) fn describe(part: &mut Part) {
    of_an_account(part);
    single(part);
    secrets(part);
    keys(part);
}

fn of_an_account(part: &mut Part) {
    part.call(
        Post,
        "/v1/accounts/{id}/service-accounts",
        (Caller::Key, "Make a service account with its first secret"),
        |call| {
            call.may_take::<CreateServiceAccount>(JSON)
                .gives::<CreatedServiceAccount<'_>>(
                    201,
                    JSON,
                    "The service account, and its secret, shown once",
                )
                .repeatable()
        },
    );
    part.call(
        Get,
        "/v1/accounts/{id}/service-accounts",
        (Caller::Key, "List an account's service accounts"),
        |call| page::<ServiceAccount<'_>>(call, "A page, oldest first"),
    );
}

fn single(part: &mut Part) {
    let path = "/v1/service-accounts/{id}";
    part.call(Get, path, (Caller::Key, "Read a service account"), |call| {
        call.gives::<ServiceAccount<'_>>(200, JSON, "The service account")
    });
    part.call(Patch, path, (Caller::Key, "Change a service account"), |call| {
        call.about("What is not named stays as it is.")
            .takes::<UpdateServiceAccount>(JSON)
            .waits()
            .gives::<ServiceAccount<'_>>(200, JSON, "The service account as it is then")
            .changes()
    });
    for (method, path, summary) in [
        (Delete, path, "Delete a service account for good"),
        (Post, "/v1/service-accounts/{id}/disable", "Switch a service account off for now"),
        (Post, "/v1/service-accounts/{id}/enable", "Switch a service account on again"),
    ] {
        part.call(method, path, (Caller::Key, summary), |call| {
            call.waits().gives::<Effective>(200, JSON, "By when it holds on every node").changes()
        });
    }
}

fn secrets(part: &mut Part) {
    part.call(
        Post,
        "/v1/service-accounts/{id}/secrets",
        (Caller::Key, "Make a further secret"),
        |call| {
            call.about("Two live at most.")
                .may_take::<CreateClientSecret>(JSON)
                .gives::<CreatedClientSecret<'_>>(201, JSON, "The secret, shown once")
                .repeatable()
        },
    );
    part.call(
        Delete,
        "/v1/service-accounts/{id}/secrets/{secret}",
        (Caller::Key, "End a secret for good"),
        |call| {
            call.waits().gives::<Effective>(200, JSON, "By when it holds on every node").changes()
        },
    );
}

fn keys(part: &mut Part) {
    let path = "/v1/service-accounts/{id}/jwks";
    part.call(Get, path, (Caller::Key, "Read the keys of a service account"), |call| {
        call.gives::<ClientKeys>(200, JSON, "The keys")
    });
    part.call(Put, path, (Caller::Key, "Replace the keys of a service account"), |call| {
        call.about("Whoever holds one of them gets what the service account may do.")
            .takes::<SetClientKeys>(JSON)
            .waits()
            .gives::<ClientKeys>(200, JSON, "The keys as they are then")
            .changes()
    });
    part.call(
        Post,
        "/v1/service-accounts/{id}/revoke-tokens",
        (Caller::Key, "End every access token of a service account"),
        |call| {
            call.waits().gives::<Effective>(200, JSON, "By when it holds on every node").changes()
        },
    );
}
