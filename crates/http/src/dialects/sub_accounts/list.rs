//! `GET /sub-accounts/all`

use crate::app::AppState;
use crate::caller::Caller;
use crate::query::Query;
use crate::refusal::Refusal;
use crate::reply;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use serde::Serialize;
use tenantry_core::accounts::{ListedSubAccount, SubAccountsAsked};
use tenantry_core::error::Error;
use tenantry_core::secrets::Start;
use utoipa::ToSchema;

/// A sub-account of a list.
#[derive(Serialize, ToSchema)]
#[schema(as = ListedSubAccount)]
pub(crate) struct Item<'a> {
    #[schema(format = "uuid")]
    id: String,
    name: &'a str,
    #[schema(format = "uuid")]
    organization_id: String,
    /// Secrets are shown once, where they are made.
    #[schema(required)]
    api_key: Option<&'a str>,
    /// The first characters of its key, where it has one.
    #[schema(required)]
    api_key_start: Option<&'a str>,
    multi_tenant: bool,
    allow_concurrent_calls: u32,
}

/// The sub-accounts that are not deleted, oldest first.
pub(crate) async fn list(
    State(state): State<AppState>,
    Caller(context): Caller,
    mut query: Query,
) -> Result<Response, Refusal> {
    let asked = take_page(&mut query)?;
    query.finish()?;
    let page = state.plane.list_sub_accounts(&context, asked).await?;
    let items: Vec<Item<'_>> = page.items.iter().map(encode).collect();
    let response = reply::json(StatusCode::OK, reply::JSON, &items);
    let next = page.more.then(|| next_page(asked));
    with_next(response, "/sub-accounts/all", next)
}

fn encode(item: &ListedSubAccount) -> Item<'_> {
    Item {
        id: item.account.id.to_uuid(),
        name: item.account.name.as_str(),
        organization_id: item.account.root().to_uuid(),
        api_key: None,
        api_key_start: item.key_start.as_ref().map(Start::as_str),
        multi_tenant: item.dedicated,
        allow_concurrent_calls: item.concurrent_calls.get(),
    }
}

/// Takes `page_number` and `page_size` out.
pub(super) fn take_page(query: &mut Query) -> Result<SubAccountsAsked, Error> {
    SubAccountsAsked::new(query.number("page_number")?, query.number("page_size")?)
}

/// The query of the page after `asked`.
pub(super) fn next_page(asked: SubAccountsAsked) -> String {
    format!("page_number={}&page_size={}", asked.number() + 1, asked.size())
}

/// Names the next page where there is one (RFC 8288).
pub(super) fn with_next(
    mut response: Response,
    path: &str,
    query: Option<String>,
) -> Result<Response, Refusal> {
    if let Some(query) = query {
        let link = format!("<{path}?{query}>; rel=\"next\"");
        let link = HeaderValue::try_from(link).map_err(Error::internal)?;
        response.headers_mut().insert(header::LINK, link);
    }
    Ok(response)
}
