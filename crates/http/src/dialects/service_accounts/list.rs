//! `GET /api/v1/admin/service-account`

use super::envelope::{self, ListEnvelope, Pagination};
use super::tenant::Administrator;
use crate::app::AppState;
use crate::query::{Query, whole_number};
use crate::refusal::Refusal;
use crate::reply;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use tenantry_core::error::Error;
use tenantry_core::service_accounts::NumberedPage;

/// A page of the tenant's own service accounts; one of a sub-account is reached by its id.
pub(crate) async fn list(
    State(state): State<AppState>,
    Administrator(context): Administrator,
    mut query: Query,
) -> Result<Response, Refusal> {
    let number = query.read("page", whole_number)?;
    let asked = NumberedPage::new(number, query.read("pageSize", whole_number)?)?;
    query.finish()?;
    let tenant = context.actor.organization()?;
    let page = state.plane.list_numbered_service_accounts(&context, tenant, asked).await?;
    let data = page.items.iter().map(|item| envelope::encode(item, None));
    let envelope = ListEnvelope {
        success: true,
        message: "Service accounts retrieved successfully",
        data: data.collect::<Result<Vec<_>, Error>>()?,
        pagination: Pagination {
            page: asked.number(),
            page_size: asked.size(),
            has_more: page.more,
        },
        timestamp: envelope::time(state.plane.clock().now())?,
    };
    Ok(reply::json(StatusCode::OK, reply::JSON, &envelope))
}
