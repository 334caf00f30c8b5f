//! Who asks, and for which tenant: the JWT, `realmname` and `x-tenantid`. The headers select among
//! what the token is good for; they never grant.

use crate::app::AppState;
use crate::caller::{bearer, context, peer};
use crate::refusal::Refusal;
use axum::extract::FromRequestParts;
use axum::http::HeaderMap;
use axum::http::request::Parts;
use tenantry_core::actor::{Actor, Context};
use tenantry_core::error::{Error, Unauthenticated};
use tenantry_core::ids::AccountId;

const TENANT: &str = "x-tenantid";
const REALM: &str = "realmname";

/// An administrator, acting for the tenant that the request names.
pub(crate) struct Administrator(pub(crate) Context);

impl FromRequestParts<AppState> for Administrator {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Refusal> {
        let realm = realm(&parts.headers)?;
        let address = peer(parts)?.address();
        let admitted = state.plane.authenticate_member(bearer(&parts.headers)?, realm, address);
        let admitted = admitted.await?;
        let member = admitted.act_for(tenant(&parts.headers)?)?;
        Ok(Self(context(parts, Actor::Member(member))?))
    }
}

/// One UUID in hyphenated form, either case.
fn tenant(headers: &HeaderMap) -> Result<AccountId, Refusal> {
    let mut values = headers.get_all(TENANT).iter();
    let value = values.next().filter(|_| values.next().is_none());
    value
        .and_then(|value| value.to_str().ok())
        .and_then(|text| AccountId::parse_uuid(text).ok())
        .ok_or(Refusal::InvalidTenant)
}

/// A realm that cannot be named is as unknown as one that does not exist.
fn realm(headers: &HeaderMap) -> Result<Option<&str>, Error> {
    let invalid = || Error::NotAuthenticated(Unauthenticated::Invalid);
    let mut values = headers.get_all(REALM).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    if values.next().is_some() {
        return Err(invalid());
    }
    value.to_str().map(Some).map_err(|_| invalid())
}
