//! `/v1/accounts/{id}/database`

use crate::openapi::part::{Caller, Part};
use crate::reply::JSON;
use tenantry_api::databases::{Connection, RotateDatabase, RotatedDatabase, TenantDatabase};
use utoipa::openapi::path::HttpMethod::{Get, Post};

const NONE: (u16, &str) = (404, "The account is not there, or has no database of its own");

pub(super) fn describe(part: &mut Part) {
    let caller = (Caller::Key, "What is known of an account's own database");
    part.call(Get, "/v1/accounts/{id}/database", caller, |call| {
        call.about("Without what it takes to connect.")
            .gives::<TenantDatabase>(200, JSON, "The database")
            .refuses(&[NONE])
    });
    let caller = (Caller::Key, "What it takes to connect to an account's own database");
    part.call(Post, "/v1/accounts/{id}/database/credentials", caller, |call| {
        call.about(
            "Asks for the permission `tenantry.databases:connect`; each time is in the audit trail.",
        )
        .gives::<Connection<'_>>(200, JSON, "Where, as whom, and with which password")
        .repeatable()
        .refuses(&[NONE, (409, "The database is still being made")])
    });
    let caller = (Caller::Key, "Give an account's own database out under another login");
    part.call(Post, "/v1/accounts/{id}/database/rotate", caller, |call| {
        call.about(
            "Two roles take turns: the one before goes on for `grace_seconds`, and then has a \
             password that nobody knows.",
        )
        .may_take::<RotateDatabase>(JSON)
        .gives::<RotatedDatabase<'_>>(200, JSON, "What it takes to connect from now on")
        .repeatable()
        .refuses(&[
            NONE,
            (409, "The credentials are the customer's own, or the login before goes on"),
            (503, "The database does not answer; all others do"),
        ])
    });
}
