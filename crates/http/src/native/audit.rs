//! `/v1/audit-events`

mod csv;

pub(crate) use csv::MEDIA as CSV;

use crate::app::AppState;
use crate::caller::Caller;
use crate::query::{Query, whole_number};
use crate::refusal::Refusal;
use crate::reply;
use axum::extract::State;
use axum::http::header::ACCEPT;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::Response;
use tenantry_api::audit as api;
use tenantry_api::list::List;
use tenantry_core::audit::StoredAuditEvent;
use tenantry_core::audit::list::EventFilter;
use tenantry_core::audit::trail::Finding;
use tenantry_core::clock::Timestamp;
use tenantry_core::error::Error;
use tenantry_core::ids::AccountId;
use tenantry_core::limits;
use tenantry_core::page::PageRequest;

/// Where the next document begins, beside a format that has no place for it.
pub(crate) const NEXT_CURSOR: HeaderName = HeaderName::from_static("tenantry-next-cursor");

/// The two forms of the list.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Format {
    Json,
    Csv,
}

/// `GET /v1/audit-events`: a page of the caller's trail, as JSON or CSV.
pub(crate) async fn list(
    State(state): State<AppState>,
    Caller(context): Caller,
    headers: HeaderMap,
    mut query: Query,
) -> Result<Response, Refusal> {
    let asked = query.read("format", |text| match text {
        "json" => Some(Format::Json),
        "csv" => Some(Format::Csv),
        _ => None,
    })?;
    let format = asked.unwrap_or_else(|| accepted(&headers));
    let filter = EventFilter {
        actor: query.take("actor").map(Into::into),
        action: query.take("action").map(Into::into),
        target: query.take("target").map(Into::into),
        from: query.read("from", Timestamp::parse_rfc3339)?,
        to: query.read("to", Timestamp::parse_rfc3339)?,
    };
    let max = match format {
        Format::Json => limits::LIST_PAGE_MAX,
        Format::Csv => limits::AUDIT_CSV_EVENTS_MAX,
    };
    let limit = query.read("limit", whole_number)?;
    let cursor = query.take("cursor");
    query.finish()?;
    let page = PageRequest::within(max, limit, cursor.as_deref())?;
    let page = state.plane.list_audit_events(&context, filter, &page).await?;
    match format {
        Format::Json => {
            let data = page.items.iter().map(encode).collect::<Result<_, Error>>()?;
            let reply = List::<api::AuditEvent> { data, next_cursor: page.next };
            Ok(reply::json(StatusCode::OK, reply::JSON, &reply))
        }
        Format::Csv => {
            let mut response = reply::text(CSV, csv::write(&page.items)?);
            if let Some(next) = page.next.and_then(|next| HeaderValue::from_str(&next).ok()) {
                response.headers_mut().insert(NEXT_CURSOR, next);
            }
            Ok(response)
        }
    }
}

/// CSV where the client names it and not JSON.
fn accepted(headers: &HeaderMap) -> Format {
    let named = |media: &str| {
        let values = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
        let mut ranges = values.flat_map(|value| value.split(','));
        ranges.any(|range| range.split(';').next().is_some_and(|range| range.trim() == media))
    };
    if named("text/csv") && !named(reply::JSON) { Format::Csv } else { Format::Json }
}

/// `GET /v1/audit-events/verify`: a part of the caller's chain, looked over.
pub(crate) async fn verify(
    State(state): State<AppState>,
    Caller(context): Caller,
    mut query: Query,
) -> Result<Response, Refusal> {
    let cursor = query.take("cursor");
    query.finish()?;
    let verified = state.plane.verify_audit_chain(&context, cursor.as_deref()).await?;
    let reply = api::VerifiedTrail {
        intact: verified.findings.wrong == 0,
        length: verified.length,
        from: verified.after.saturating_add(1),
        to: verified.to,
        wrong: verified.findings.wrong,
        findings: verified.findings.first.iter().map(encode_finding).collect(),
        next_cursor: verified.next,
    };
    Ok(reply::json(StatusCode::OK, reply::JSON, &reply))
}

fn encode(event: &StoredAuditEvent) -> Result<api::AuditEvent, Error> {
    let named = |(kind, id): &(String, String)| api::Named { kind: kind.clone(), id: id.clone() };
    Ok(api::AuditEvent {
        id: event.id.to_string(),
        at: reply::time(event.at)?,
        actor: named(&event.actor),
        action: event.action.clone(),
        target: named(&event.target),
        facts: event.facts.iter().cloned().collect(),
        request_id: event.request_id.clone(),
        address: event.address.clone(),
    })
}

fn encode_finding(finding: &Finding) -> api::Finding {
    let organization = finding.root.filter(|root| *root != AccountId::PLANE);
    api::Finding {
        code: finding.problem.code().to_owned(),
        organization_id: organization.map(|root| root.to_string()),
        sequence: finding.sequence,
        detail: finding.problem.to_string(),
    }
}
