//! What the contract's replies are made of.

use crate::reply;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;
use tenantry_core::clock::Timestamp;
use tenantry_core::error::{Error, Kind};
use tenantry_core::ids::ServiceAccountId;
use tenantry_core::secrets::PlainSecret;
use tenantry_core::service_accounts::ServiceAccountDetails;
use tenantry_core::text::{Line, Name};
use utoipa::ToSchema;
use zeroize::Zeroizing;

/// RFC 3339 in UTC with milliseconds, as the contract prints times.
pub(super) fn time(at: Timestamp) -> Result<String, Error> {
    reply::format(at, "%Y-%m-%dT%H:%M:%S.%3fZ")
}

/// Reads a service account's id in the contract's spelling.
pub(super) fn parse_id(text: &str) -> Result<ServiceAccountId, Error> {
    ServiceAccountId::parse_dialect(text).map_err(|_| Error::NotFound(Kind::ServiceAccount))
}

/// The contract's reply about one service account.
#[derive(Serialize, ToSchema)]
#[schema(as = ServiceAccountsReply)]
pub(crate) struct Envelope<'a> {
    success: bool,
    message: &'static str,
    data: Data<'a>,
    #[schema(format = DateTime)]
    timestamp: String,
}

/// The contract's reply about a page of them.
#[derive(Serialize, ToSchema)]
#[schema(as = ServiceAccountsListReply)]
pub(crate) struct ListEnvelope<'a> {
    pub(super) success: bool,
    pub(super) message: &'static str,
    pub(super) data: Vec<Data<'a>>,
    pub(super) pagination: Pagination,
    #[schema(format = DateTime)]
    pub(super) timestamp: String,
}

/// Where a page stands in its list.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ServiceAccountsPage)]
pub(crate) struct Pagination {
    pub(super) page: u32,
    pub(super) page_size: u32,
    pub(super) has_more: bool,
}

/// A service account in the contract's order.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ServiceAccountData)]
pub(crate) struct Data<'a> {
    id: String,
    name: &'a str,
    client_id: &'a str,
    #[schema(required)]
    client_secret: Option<&'a str>,
    r#type: &'static str,
    status: &'static str,
    permissions: Vec<&'a str>,
    #[schema(format = DateTime)]
    created_at: String,
    created_by: Person<'a>,
    tenant: Tenant<'a>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = ServiceAccountCreator)]
struct Person<'a> {
    #[schema(format = "uuid")]
    id: String,
    #[schema(required)]
    name: Option<&'a str>,
    #[schema(required)]
    email: Option<&'a str>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = ServiceAccountTenant)]
struct Tenant<'a> {
    #[schema(format = "uuid")]
    id: String,
    name: &'a str,
}

/// A service account, with the secret that was just made, where one was.
pub(super) fn encode<'a>(
    details: &'a ServiceAccountDetails,
    secret: Option<&'a PlainSecret>,
) -> Result<Data<'a>, Error> {
    let ServiceAccountDetails { service_account, created_by, organization, .. } = details;
    let created_by = created_by.as_ref();
    Ok(Data {
        id: service_account.id.to_dialect(),
        name: service_account.name.as_str(),
        client_id: &service_account.client_id,
        client_secret: secret.map(PlainSecret::reveal),
        r#type: "service_account",
        status: service_account.status.as_str(),
        permissions: service_account.permissions.iter().collect(),
        created_at: time(service_account.created_at)?,
        created_by: Person {
            id: service_account.created_by.to_uuid(),
            name: created_by.and_then(|member| member.name.as_ref()).map(Name::as_str),
            email: created_by.and_then(|member| member.email.as_ref()).map(Line::as_str),
        },
        tenant: Tenant { id: organization.id.to_uuid(), name: organization.name.as_str() },
    })
}

/// The reply about one service account.
pub(super) fn reply(
    message: &'static str,
    data: Data<'_>,
    at: Timestamp,
) -> Result<Response, Error> {
    Ok(reply::json(StatusCode::OK, reply::JSON, &envelope(message, data, at)?))
}

/// As [`reply`], as it is kept for a repetition.
pub(super) fn keepable(
    message: &'static str,
    data: Data<'_>,
    at: Timestamp,
) -> Result<Zeroizing<Vec<u8>>, Error> {
    reply::keepable(StatusCode::OK, reply::JSON, &envelope(message, data, at)?)
}

fn envelope<'a>(
    message: &'static str,
    data: Data<'a>,
    at: Timestamp,
) -> Result<Envelope<'a>, Error> {
    Ok(Envelope { success: true, message, data, timestamp: time(at)? })
}
