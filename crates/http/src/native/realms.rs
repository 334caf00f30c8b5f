//! `/v1/realms`

use crate::app::AppState;
use crate::body::JsonBody;
use crate::caller::{Caller, PathSegment};
use crate::once::{Attempt, once};
use crate::query::Query;
use crate::refusal::Refusal;
use crate::reply;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use std::time::Duration;
use tenantry_api::list::List;
use tenantry_api::realms as api;
use tenantry_core::error::{Error, Kind, Problem, Violation};
use tenantry_core::ids::RealmId;
use tenantry_core::json::Json;
use tenantry_core::limits;
use tenantry_core::oauth::{ClientKey, SigningAlgorithm};
use tenantry_core::realms::{ClaimPath, ClaimPaths, OwnKeys, OwnRealm, Preset, RealmSettings};
use tenantry_core::text::Name;

/// `POST /v1/realms`
pub(crate) async fn create(
    State(state): State<AppState>,
    Caller(context): Caller,
    attempt: Attempt,
    body: JsonBody,
) -> Result<Response, Refusal> {
    let settings = decode(&body)?;
    let encode =
        |realm: &OwnRealm| reply::keepable(StatusCode::CREATED, reply::JSON, &encode(realm)?);
    once(&state, &context, &attempt, &body.bytes, &encode, async |once| {
        state.plane.create_realm(&context, settings, once).await
    })
    .await
}

/// `GET /v1/realms`: all of them, there are few.
pub(crate) async fn list(
    State(state): State<AppState>,
    Caller(context): Caller,
    query: Query,
) -> Result<Response, Refusal> {
    query.finish()?;
    let realms = state.plane.list_realms(&context).await?;
    let data = realms.iter().map(encode).collect::<Result<_, Error>>()?;
    Ok(reply::json(StatusCode::OK, reply::JSON, &List { data, next_cursor: None }))
}

/// `DELETE /v1/realms/{id}`: the realm as it was. Its tokens admit nobody on any node any more.
pub(crate) async fn delete(
    State(state): State<AppState>,
    Caller(context): Caller,
    PathSegment(id): PathSegment,
    query: Query,
) -> Result<Response, Refusal> {
    query.finish()?;
    let id = RealmId::parse_native(&id).map_err(|_| Error::NotFound(Kind::Realm))?;
    let realm = state.plane.delete_realm(&context, id).await?;
    Ok(reply::json(StatusCode::OK, reply::JSON, &encode(&realm)?))
}

fn decode(body: &JsonBody) -> Result<RealmSettings, Refusal> {
    let asked: api::CreateRealm = super::decode(body)?;
    let name = Name::parse(&asked.name).map_err(|problem| Error::invalid("name", problem))?;
    let keys = match (body.value.get("jwks").filter(|jwks| **jwks != Json::Null), asked.jwks_url) {
        (Some(_), Some(_)) => return Err(Error::invalid("jwks", Problem::Repeated).into()),
        (Some(set), None) => OwnKeys::Given(decode_keys(set)?),
        (None, Some(url)) => OwnKeys::At(url.into()),
        (None, None) => OwnKeys::Discovered,
    };
    let algorithms = match &asked.algorithms {
        None => SigningAlgorithm::ALL.to_vec(),
        Some(words) => words
            .iter()
            .map(|word| SigningAlgorithm::parse(word))
            .collect::<Option<_>>()
            .ok_or_else(|| Error::invalid("algorithms", Problem::Malformed))?,
    };
    let preset = match asked.preset.as_deref() {
        None => Preset::default(),
        Some(word) => {
            Preset::parse(word).ok_or_else(|| Error::invalid("preset", Problem::Malformed))?
        }
    };
    let claims = asked.claims.unwrap_or_default();
    let path = |named: Option<Vec<String>>, usual: ClaimPath| {
        named.map_or(usual, |names| names.into_iter().map(Into::into).collect())
    };
    Ok(RealmSettings {
        name,
        issuer: asked.issuer.into(),
        audience: asked.audience.into(),
        keys,
        algorithms,
        claims: ClaimPaths {
            roles: path(claims.roles, preset.roles()),
            name: path(claims.name, preset.name()),
            email: path(claims.email, preset.email()),
        },
        lifetime_max: asked
            .lifetime_max_seconds
            .map_or(limits::JWT_LIFETIME_MAX, Duration::from_secs),
    })
}

fn decode_keys(set: &Json) -> Result<Vec<ClientKey>, Error> {
    let Some(Json::Array(jwks)) = set.get("keys") else {
        return Err(Error::invalid("jwks.keys", Problem::Missing));
    };
    let mut violations = Vec::new();
    let mut keys = Vec::with_capacity(jwks.len());
    for (index, jwk) in jwks.iter().enumerate() {
        match ClientKey::parse(jwk) {
            Ok(key) => keys.push(key),
            Err(problem) => {
                let field = format!("jwks.keys.{index}").into();
                violations.push(Violation { field, problem });
            }
        }
    }
    if violations.is_empty() { Ok(keys) } else { Err(Error::Invalid(violations)) }
}

fn encode(realm: &OwnRealm) -> Result<api::Realm, Error> {
    let settings = &realm.settings;
    let names = |path: &ClaimPath| path.iter().map(ToString::to_string).collect();
    let (jwks_url, jwks) = match &settings.keys {
        OwnKeys::Discovered => (None, None),
        OwnKeys::At(url) => (Some(url.to_string()), None),
        OwnKeys::Given(keys) => {
            let keys = keys.iter().map(|key| key.members().into_iter().collect()).collect();
            (None, Some(api::KeySet { keys }))
        }
    };
    Ok(api::Realm {
        id: realm.id.to_string(),
        name: settings.name.as_str().to_owned(),
        issuer: settings.issuer.to_string(),
        audience: settings.audience.to_string(),
        jwks_url,
        jwks,
        algorithms: settings.algorithms.iter().map(|algorithm| algorithm.as_str()).collect(),
        claims: api::Claims {
            roles: names(&settings.claims.roles),
            name: names(&settings.claims.name),
            email: names(&settings.claims.email),
        },
        lifetime_max_seconds: settings.lifetime_max.as_secs(),
        created_at: reply::time(realm.created_at)?,
    })
}
