//! Who calls: extractors that put into a handler's signature what is needed to be let in.

use crate::app::{AppState, Peer, RequestId};
use crate::refusal::Refusal;
use crate::routes::{Family, PathParameters};
use axum::extract::FromRequestParts;
use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use tenantry_api::operator::ORGANIZATION_HEADER;
use tenantry_core::actor::{Actor, Context, OperatorActor};
use tenantry_core::error::{Error, Kind, Unauthenticated};
use tenantry_core::ids::AccountId;
use tenantry_core::jwt::looks_like_jwt;
use tenantry_core::verify::Verifier;

/// The holder of a key or access token, read from the store; or the operator, on their own socket.
pub(crate) struct Caller(pub(crate) Context);

/// The operator, on their own socket.
pub(crate) struct Operator(pub(crate) Context);

/// The first variable segment of a path.
pub(crate) struct PathSegment(pub(crate) Box<str>);

/// The two variable segments of a path.
pub(crate) struct PathSegments(pub(crate) Box<str>, pub(crate) Box<str>);

impl FromRequestParts<AppState> for Caller {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Refusal> {
        let actor = match peer(parts)? {
            Peer::Operator => operator(&parts.headers)?,
            Peer::Network(address) => {
                let (plane, bearer) = (&state.plane, bearer(&parts.headers)?);
                // The contracts of the dialects know keys alone.
                let native = Family::of(parts.uri.path()) == Family::Native;
                if native && looks_like_jwt(bearer) {
                    plane.authenticate_token(bearer, Some(address)).await?
                } else {
                    plane.authenticate(bearer, Some(address)).await?
                }
            }
        };
        Ok(Self(context(parts, actor)?))
    }
}

impl FromRequestParts<AppState> for Operator {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &AppState) -> Result<Self, Refusal> {
        match peer(parts)? {
            Peer::Operator => Ok(Self(context(parts, operator(&parts.headers)?)?)),
            Peer::Network(_) => Err(Error::NotFound(Kind::Path).into()),
        }
    }
}

impl FromRequestParts<AppState> for PathSegment {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &AppState) -> Result<Self, Refusal> {
        let parameters = parts.extensions.get::<PathParameters>();
        let segment = parameters.and_then(|parameters| parameters.0.first()).cloned();
        segment.map(Self).ok_or_else(|| Error::internal("the path has no variable segment").into())
    }
}

impl FromRequestParts<AppState> for PathSegments {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &AppState) -> Result<Self, Refusal> {
        match parts.extensions.get::<PathParameters>().map(|parameters| &parameters.0[..]) {
            Some([first, second]) => Ok(Self(first.clone(), second.clone())),
            _ => Err(Error::internal("the path has not two variable segments").into()),
        }
    }
}

/// Who asks for a verification: the holder of a key, from the cache where it is there, or the
/// operator.
pub(crate) async fn verifier(
    state: &AppState,
    headers: &HeaderMap,
    peer: Peer,
) -> Result<Verifier, Error> {
    match peer {
        Peer::Operator => operator_organization(headers).map(Verifier::operator),
        Peer::Network(address) => {
            state.plane.authenticate_verifier(bearer(headers)?, Some(address)).await
        }
    }
}

/// The context of an actor's request.
pub(crate) fn context(parts: &Parts, actor: Actor) -> Result<Context, Error> {
    let request_id = parts.extensions.get::<RequestId>();
    let request_id = request_id.ok_or_else(|| Error::internal("the request has no id"))?.0.clone();
    Ok(Context { actor, request_id, address: peer(parts)?.address() })
}

pub(crate) fn peer(parts: &Parts) -> Result<Peer, Error> {
    parts
        .extensions
        .get::<Peer>()
        .copied()
        .ok_or_else(|| Error::internal("the request has no peer"))
}

fn operator(headers: &HeaderMap) -> Result<Actor, Error> {
    Ok(Actor::Operator(OperatorActor { organization: operator_organization(headers)? }))
}

/// The organization that the operator acts for.
fn operator_organization(headers: &HeaderMap) -> Result<Option<AccountId>, Error> {
    let Some(value) = headers.get(ORGANIZATION_HEADER) else {
        return Ok(None);
    };
    let text = value.to_str().unwrap_or_default();
    AccountId::parse_any(text).map(Some).map_err(|_| Error::NotFound(Kind::Account))
}

/// The bearer token of a request (RFC 6750 §2.1): exactly one, in its header and nowhere else.
pub(crate) fn bearer(headers: &HeaderMap) -> Result<&str, Error> {
    let invalid = || Error::NotAuthenticated(Unauthenticated::Invalid);
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let Some(value) = values.next() else {
        return Err(Error::NotAuthenticated(Unauthenticated::Missing));
    };
    if values.next().is_some() || headers.contains_key("x-api-key") {
        return Err(Error::AmbiguousCredentials);
    }
    let (scheme, token) =
        value.to_str().ok().and_then(|text| text.split_once(' ')).ok_or_else(invalid)?;
    let is_token = |b: u8| b.is_ascii_alphanumeric() || b"-._~+/=:".contains(&b);
    if scheme.eq_ignore_ascii_case("bearer") && !token.is_empty() && token.bytes().all(is_token) {
        Ok(token)
    } else {
        Err(invalid())
    }
}
