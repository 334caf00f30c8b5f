//! The service-accounts dialect.

use super::call::Call;
use super::part::{Caller, Part};
use super::values::{number, permission, uuid};
use crate::dialects::service_accounts::envelope::{Envelope, ListEnvelope};
use crate::dialects::service_accounts::problem::Body as Refused;
use crate::reply::JSON;
use tenantry_core::limits;
use tenantry_core::service_accounts::ServiceAccountStatus;
use utoipa::ToSchema;
use utoipa::openapi::path::HttpMethod::{Delete, Get, Patch, Post};

/// An object without any of the members that the server sets.
#[derive(ToSchema)]
struct NoFields {}

/// What can be changed of a service account: one of these at least.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what the handler reads member by member")]
struct ServiceAccountUpdate {
    /// 1 to 100 characters, unique within the tenant.
    #[schema(min_length = 1, max_length = 100)]
    #[serde(default)]
    name: String,
    /// What it may do, `resource:action`.
    #[schema(max_items = 64)]
    #[serde(default)]
    permissions: Vec<String>,
    #[serde(default)]
    status: ServiceAccountSwitch,
}

/// On or off.
#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
#[expect(dead_code, reason = "describes the words that the handler takes")]
enum ServiceAccountSwitch {
    Active,
    Disabled,
}

/// How a secret is rotated.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
#[expect(dead_code, reason = "describes what the handler reads member by member")]
struct RotateClientSecret {
    /// For how long the old secret goes on; it ends at once unless given.
    #[schema(minimum = 0, maximum = 2_592_000)]
    #[serde(default)]
    grace_period_seconds: u32,
}

pub(super) fn describe() -> Part {
    let about = "The service-accounts contract. An administrator's JWT, `x-tenantid` and, where \
                 an issuer has several realms, `realmname`.";
    let mut part = Part::new::<Refused<'_>>("service-accounts", about, JSON, 400);
    all(&mut part);
    single(&mut part);
    part.shape_entries("permissions", &permission());
    part.close(
        "ServiceAccountData",
        "status",
        ServiceAccountStatus::ALL.map(ServiceAccountStatus::as_str),
    );
    part
}

fn all(part: &mut Part) {
    part.call(
        Post,
        "/api/v1/admin/service-account/create",
        (Caller::Administrator, "Make a service account"),
        |call| {
            one(
                tenant(call).may_take::<NoFields>(JSON),
                "The service account; `clientSecret` is shown once",
            )
            .repeatable()
        },
    );
    part.call(
        Get,
        "/api/v1/admin/service-account",
        (Caller::Administrator, "List the tenant's own service accounts"),
        |call| {
            let pages = number(1, limits::SERVICE_ACCOUNTS_PAGES_MAX);
            let size = number(1, limits::LIST_PAGE_MAX);
            tenant(call)
                .query("page", pages, "Which page, from 1")
                .query("pageSize", size, "Entries of a page, 20 unless given")
                .gives::<ListEnvelope<'_>>(200, JSON, "A page")
        },
    );
}

fn single(part: &mut Part) {
    let path = "/api/v1/admin/service-account/{id}";
    part.call(Get, path, (Caller::Administrator, "Read a service account"), |call| {
        one(tenant(call), "The service account, without its secret")
    });
    part.call(Patch, path, (Caller::Administrator, "Change a service account"), |call| {
        one(tenant(call).takes::<ServiceAccountUpdate>(JSON), "The service account as it is then")
            .changes()
    });
    for (method, path, summary) in [
        (Delete, path, "Delete a service account for good"),
        (Post, "/api/v1/admin/service-account/{id}/enable", "Switch a service account on again"),
        (
            Post,
            "/api/v1/admin/service-account/{id}/disable",
            "Switch a service account off for now",
        ),
    ] {
        part.call(method, path, (Caller::Administrator, summary), |call| {
            one(tenant(call), "The service account as it is then").changes()
        });
    }
    part.call(
        Post,
        "/api/v1/admin/service-account/{id}/rotate",
        (Caller::Administrator, "Give a service account another secret"),
        |call| {
            one(
                tenant(call).may_take::<RotateClientSecret>(JSON),
                "The service account; `clientSecret` is shown once",
            )
            .repeatable()
        },
    );
}

fn one<'a>(call: Call<'a>, what: &str) -> Call<'a> {
    call.gives::<Envelope<'_>>(200, JSON, what)
}

/// The headers that every call of the family takes.
fn tenant(call: Call<'_>) -> Call<'_> {
    call.header("x-tenantid", uuid(), "The organization to act for")
        .may_have_header("realmname", "The realm of the token; found by its issuer unless given")
}
