//! What clients and resource servers find out by themselves: the keys (RFC 7517), the authorization
//! server (RFC 8414), the protected resource that the native API is (RFC 9728).

use crate::app::AppState;
use crate::refusal::Refusal;
use crate::reply;
use axum::extract::State;
use axum::response::Response;
use bytes::Bytes;
use serde::Serialize;
use std::collections::BTreeMap;
use tenantry_core::error::Error;
use tenantry_core::oauth::TOKEN_PATH;
use utoipa::ToSchema;

/// The media type of a JWK set.
pub(crate) const JWK_SET: &str = "application/jwk-set+json";

const METHODS: [&str; 3] = ["client_secret_basic", "client_secret_post", "private_key_jwt"];

/// Public keys.
#[derive(Serialize, ToSchema)]
pub(crate) struct JwkSet {
    keys: Vec<BTreeMap<&'static str, String>>,
}

/// What RFC 8414 §2 names, as far as there is something to say.
#[derive(Serialize, ToSchema)]
pub(crate) struct ServerMetadata {
    issuer: String,
    token_endpoint: String,
    jwks_uri: String,
    introspection_endpoint: String,
    revocation_endpoint: String,
    /// None: there is no authorization endpoint.
    response_types_supported: [&'static str; 0],
    grant_types_supported: [&'static str; 1],
    token_endpoint_auth_methods_supported: [&'static str; 3],
    token_endpoint_auth_signing_alg_values_supported: [&'static str; 4],
    introspection_endpoint_auth_methods_supported: [&'static str; 3],
    introspection_endpoint_auth_signing_alg_values_supported: [&'static str; 4],
    revocation_endpoint_auth_methods_supported: [&'static str; 3],
    revocation_endpoint_auth_signing_alg_values_supported: [&'static str; 4],
}

/// What RFC 9728 §2 names, as far as there is something to say.
#[derive(Serialize, ToSchema)]
pub(crate) struct ResourceMetadata {
    resource: String,
    authorization_servers: [String; 1],
    bearer_methods_supported: [&'static str; 1],
    resource_name: &'static str,
}

/// `GET /oauth2/jwks.json`
pub(crate) async fn jwks(State(state): State<AppState>) -> Result<Response, Refusal> {
    let keys = state.plane.list_public_keys().await?;
    let keys = keys.into_iter().map(|key| key.0.into_iter().collect()).collect();
    publish(JWK_SET, &JwkSet { keys })
}

/// `GET /.well-known/oauth-authorization-server`
pub(crate) async fn server(State(state): State<AppState>) -> Result<Response, Refusal> {
    let issuer = state.plane.issuer();
    let below = |path: &str| format!("{issuer}{path}");
    // The third is the second's further name (RFC 9864 §2.2).
    let algorithms = ["ES256", "EdDSA", "Ed25519", "RS256"];
    let metadata = ServerMetadata {
        issuer: issuer.to_owned(),
        token_endpoint: below(TOKEN_PATH),
        jwks_uri: below("/oauth2/jwks.json"),
        introspection_endpoint: below("/oauth2/introspect"),
        revocation_endpoint: below("/oauth2/revoke"),
        response_types_supported: [],
        grant_types_supported: ["client_credentials"],
        token_endpoint_auth_methods_supported: METHODS,
        token_endpoint_auth_signing_alg_values_supported: algorithms,
        introspection_endpoint_auth_methods_supported: METHODS,
        introspection_endpoint_auth_signing_alg_values_supported: algorithms,
        revocation_endpoint_auth_methods_supported: METHODS,
        revocation_endpoint_auth_signing_alg_values_supported: algorithms,
    };
    publish(reply::JSON, &metadata)
}

/// `GET /.well-known/oauth-protected-resource`
pub(crate) async fn resource(State(state): State<AppState>) -> Result<Response, Refusal> {
    let issuer = state.plane.issuer().to_owned();
    let metadata = ResourceMetadata {
        resource: issuer.clone(),
        authorization_servers: [issuer],
        bearer_methods_supported: ["header"],
        resource_name: "Tenantry",
    };
    publish(reply::JSON, &metadata)
}

fn publish(media: &'static str, body: &impl Serialize) -> Result<Response, Refusal> {
    let bytes = serde_json::to_vec(body).map_err(Error::internal)?;
    Ok(reply::public(media, Bytes::from(bytes)))
}
