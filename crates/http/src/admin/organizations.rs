//! Organizations.

use super::take;
use crate::app::AppState;
use crate::body::JsonBody;
use crate::caller::{Operator, PathSegment};
use crate::native;
use crate::once::{Attempt, once};
use crate::refusal::Refusal;
use crate::reply;
use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::response::Response;
use tenantry_api::operator as api;
use tenantry_core::accounts::{Account, CreatedOrganization, Entitlement, NewOrganization};
use tenantry_core::actor::{Actor, Context, OperatorActor};
use tenantry_core::error::{Error, Kind, Problem};
use tenantry_core::ids::AccountId;
use tenantry_core::text::{Line, Name};
use zeroize::Zeroizing;

/// The plane's first organization.
pub(crate) async fn initialize(
    State(state): State<AppState>,
    Operator(context): Operator,
    attempt: Attempt,
    body: JsonBody,
) -> Result<Response, Refusal> {
    let new = decode(&native::decode(&body)?)?;
    once(&state, &context, &attempt, &body.bytes, &keepable, async |once| {
        state.plane.initialize(&context, new, once).await
    })
    .await
}

/// A further organization.
pub(crate) async fn create(
    State(state): State<AppState>,
    Operator(context): Operator,
    attempt: Attempt,
    body: JsonBody,
) -> Result<Response, Refusal> {
    let new = decode(&native::decode(&body)?)?;
    once(&state, &context, &attempt, &body.bytes, &keepable, async |once| {
        state.plane.create_organization(&context, new, once).await
    })
    .await
}

/// A page of organizations, after `?after=`.
pub(crate) async fn list(
    State(state): State<AppState>,
    Operator(context): Operator,
    RawQuery(query): RawQuery,
) -> Result<Response, Refusal> {
    let after = query.as_deref().and_then(|query| query.strip_prefix("after="));
    let after = after
        .map(AccountId::parse_any)
        .transpose()
        .map_err(|_| Error::invalid("after", Problem::Malformed))?;
    let page = state.plane.list_organizations(&context, after).await?;
    let data = page.accounts.iter().map(encode).collect::<Result<_, Error>>()?;
    let next = page.next.map(|id| id.to_string());
    Ok(reply::json(StatusCode::OK, reply::JSON, &api::Organizations { data, next }))
}

/// Suspends an organization or lets it go on.
pub(crate) async fn set_suspended(
    State(state): State<AppState>,
    Operator(context): Operator,
    PathSegment(id): PathSegment,
    body: JsonBody,
) -> Result<Response, Refusal> {
    let wanted: api::SetSuspended = native::decode(&body)?;
    let id = parse_id(&id)?;
    // The path names the organization that is meant, and no account below it.
    let actor = Actor::Operator(OperatorActor { organization: Some(id) });
    let context = Context { actor, ..context };
    let (account, _) = if wanted.suspended {
        state.plane.suspend_account(&context, id).await?
    } else {
        state.plane.resume_account(&context, id).await?
    };
    Ok(reply::json(StatusCode::OK, reply::JSON, &encode(&account)?))
}

/// Gives or takes an entitlement.
pub(crate) async fn set_entitlement(
    State(state): State<AppState>,
    Operator(context): Operator,
    PathSegment(id): PathSegment,
    body: JsonBody,
) -> Result<Response, Refusal> {
    let wanted: api::SetEntitlement = native::decode(&body)?;
    let id = parse_id(&id)?;
    let entitlement = Entitlement::parse(&wanted.entitlement)
        .ok_or_else(|| Error::invalid("entitlement", Problem::Malformed))?;
    let (account, _) =
        state.plane.entitle_organization(&context, id, entitlement, wanted.given).await?;
    Ok(reply::json(StatusCode::OK, reply::JSON, &encode(&account)?))
}

fn parse_id(text: &str) -> Result<AccountId, Error> {
    AccountId::parse_any(text).map_err(|_| Error::NotFound(Kind::Account))
}

fn decode(body: &api::CreateOrganization) -> Result<NewOrganization, Error> {
    let mut violations = Vec::new();
    let name = take(&mut violations, "organization", Name::parse(&body.organization));
    let member_name = take(&mut violations, "name", Name::parse(&body.name));
    let email = Line::parse(&body.email).and_then(|email| {
        if email.as_str().contains('@') { Ok(email) } else { Err(Problem::Malformed) }
    });
    let member_email = take(&mut violations, "email", email);
    match (name, member_name, member_email) {
        (Some(name), Some(member_name), Some(member_email)) => {
            Ok(NewOrganization { name, member_name, member_email })
        }
        _ => Err(Error::Invalid(violations)),
    }
}

fn keepable(created: &CreatedOrganization) -> Result<Zeroizing<Vec<u8>>, Error> {
    reply::keepable(StatusCode::CREATED, reply::JSON, &encode_created(created))
}

fn encode_created(created: &CreatedOrganization) -> api::CreatedOrganization {
    api::CreatedOrganization {
        organization_id: created.account.id.to_uuid(),
        account_id: created.account.id.to_string(),
        member_id: created.member.id.to_uuid(),
        api_key: created.secret.reveal().to_owned(),
    }
}

fn encode(account: &Account) -> Result<api::Organization, Error> {
    let has = |entitlement: &Entitlement| account.entitlements.has(*entitlement);
    let entitlements = Entitlement::ALL.into_iter().filter(has).map(|e| e.to_string()).collect();
    Ok(api::Organization {
        organization_id: account.id.to_uuid(),
        account_id: account.id.to_string(),
        name: account.name.to_string(),
        status: account.status.as_str().to_owned(),
        entitlements,
        created_at: reply::time(account.created_at)?,
    })
}
