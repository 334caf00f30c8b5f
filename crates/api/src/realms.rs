//! Realms of an organization: the issuers whose admin JWTs it believes.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// A realm.
#[derive(Debug, Serialize, ToSchema)]
pub struct Realm {
    /// Its id.
    pub id: String,
    /// What the header `realmname` selects it by.
    pub name: String,
    /// The exact `iss` of its tokens.
    pub issuer: String,
    /// The exact and only `aud` of its tokens.
    pub audience: String,
    /// Where its keys are published.
    pub jwks_url: Option<String>,
    /// Its keys. Without these and a URL the issuer's discovery document names the URL.
    pub jwks: Option<KeySet>,
    /// With what its tokens may be signed.
    pub algorithms: Vec<&'static str>,
    /// Where its claims are.
    pub claims: Claims,
    /// Longest `exp - iat` of a token.
    pub lifetime_max_seconds: u64,
    /// When it was made.
    pub created_at: String,
}

/// A JWK set (RFC 7517 §5).
#[derive(Debug, Serialize, ToSchema)]
pub struct KeySet {
    /// JWKs.
    pub keys: Vec<BTreeMap<&'static str, String>>,
}

/// Where claims are: names from the outermost object inwards.
#[derive(Debug, Serialize, ToSchema)]
pub struct Claims {
    /// An array of role names.
    pub roles: Vec<String>,
    /// The person's name.
    pub name: Vec<String>,
    /// The person's e-mail address.
    pub email: Vec<String>,
}

/// Body of `POST /v1/realms`.
#[derive(Debug, Deserialize, ToSchema)]
pub struct CreateRealm {
    /// What the header `realmname` selects it by; unique within the organization.
    pub name: String,
    /// The exact `iss` of its tokens, an https URL; unique.
    pub issuer: String,
    /// The exact and only `aud` of its tokens.
    pub audience: String,
    /// Where its keys are published, an https URL; without it and `jwks` the issuer's discovery
    /// document names it.
    pub jwks_url: Option<String>,
    /// Its keys, at most 64, in the place of a URL.
    pub jwks: Option<NewKeySet>,
    /// With what its tokens may be signed; everything that is verified unless given.
    pub algorithms: Option<Vec<String>>,
    /// A product whose claims are known: `plain` unless given.
    pub preset: Option<String>,
    /// Where claims are that the product has elsewhere.
    pub claims: Option<ClaimNames>,
    /// Longest `exp - iat` of a token, 86400 unless given.
    pub lifetime_max_seconds: Option<u64>,
}

/// A JWK set.
#[derive(Debug, Deserialize, ToSchema)]
pub struct NewKeySet {
    /// JWKs: EC P-256, Ed25519 or RSA from 2,048 bits on.
    pub keys: Vec<BTreeMap<String, String>>,
}

/// Where claims are: names from the outermost object inwards.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default)]
pub struct ClaimNames {
    /// An array of role names.
    pub roles: Option<Vec<String>>,
    /// The person's name.
    pub name: Option<Vec<String>>,
    /// The person's e-mail address.
    pub email: Option<Vec<String>>,
}
