//! Service accounts and their secrets.

use crate::patch::Patch;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// Body of `POST /v1/accounts/{id}/service-accounts`, which may be left out.
#[derive(Debug, Default, Deserialize, ToSchema)]
pub struct CreateServiceAccount {
    /// 1 to 100 characters, unique within the account; `service-account-YYYYMMDDHHMMSS` unless
    /// given.
    #[schema(min_length = 1, max_length = 100)]
    pub name: Option<String>,
    /// What it may do, `resource:action`; at most 64. `api:read` and `api:write` unless given.
    #[schema(max_items = 64)]
    pub permissions: Option<Vec<String>>,
    /// When its first secret ends, RFC 3339.
    #[schema(format = DateTime)]
    pub secret_expires_at: Option<String>,
}

/// Body of `PATCH /v1/service-accounts/{id}`.
#[derive(Debug, Default, Deserialize, ToSchema)]
pub struct UpdateServiceAccount {
    /// As when it was made.
    #[serde(default)]
    #[schema(value_type = String, min_length = 1, max_length = 100)]
    pub name: Patch<String>,
    /// As when it was made.
    #[serde(default)]
    #[schema(value_type = Vec<String>, max_items = 64)]
    pub permissions: Patch<Vec<String>>,
}

/// Body of `POST /v1/service-accounts/{id}/secrets`, which may be left out.
#[derive(Debug, Default, Deserialize, ToSchema)]
pub struct CreateClientSecret {
    /// When it ends, RFC 3339.
    #[schema(format = DateTime)]
    pub expires_at: Option<String>,
}

/// A service account.
#[derive(Debug, Serialize, ToSchema)]
pub struct ServiceAccount<'a> {
    /// `svc_…`
    pub id: String,
    /// The account that it belongs to.
    pub account_id: String,
    /// Its name.
    pub name: &'a str,
    /// What it calls itself.
    pub client_id: &'a str,
    /// What it may do.
    pub permissions: Vec<&'a str>,
    /// `active` or `disabled`.
    pub status: &'static str,
    /// When it was made.
    #[schema(format = DateTime)]
    pub created_at: String,
    /// Its secrets that live, two at most, oldest first.
    #[schema(max_items = 2)]
    pub secrets: Vec<ClientSecret>,
}

/// A secret of a service account, without the secret itself.
#[derive(Debug, Serialize, ToSchema)]
pub struct ClientSecret {
    /// `sec_…`
    pub id: String,
    /// When it ends.
    #[schema(required, format = DateTime)]
    pub expires_at: Option<String>,
    /// When its grace is over, where a rotation put another in its place.
    #[schema(required, format = DateTime)]
    pub grace_expires_at: Option<String>,
    /// When it was made.
    #[schema(format = DateTime)]
    pub created_at: String,
    /// When it was last presented and let in, up to a minute late.
    #[schema(required, format = DateTime)]
    pub last_used_at: Option<String>,
}

/// A secret that was made.
#[derive(Serialize, ToSchema)]
pub struct CreatedClientSecret<'a> {
    /// The rest of it.
    #[serde(flatten)]
    pub record: ClientSecret,
    /// The secret itself: shown here and nowhere else.
    pub secret: &'a str,
}

impl std::fmt::Debug for CreatedClientSecret<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CreatedClientSecret").field("id", &self.record.id).finish_non_exhaustive()
    }
}

/// Reply of `POST /v1/accounts/{id}/service-accounts`.
#[derive(Debug, Serialize, ToSchema)]
pub struct CreatedServiceAccount<'a> {
    /// The service account.
    pub service_account: ServiceAccount<'a>,
    /// Its first secret, shown here and nowhere else.
    pub secret: CreatedClientSecret<'a>,
}

/// The public keys that a service account may prove itself with, instead of a secret.
#[derive(Debug, Serialize, ToSchema)]
pub struct ClientKeys {
    /// JWKs.
    pub keys: Vec<BTreeMap<&'static str, String>>,
    /// Whether its assertions may name the token endpoint's URL as their audience, in the place of
    /// the issuer.
    pub token_endpoint_audience: bool,
}

/// Body of `PUT /v1/service-accounts/{id}/jwks`.
#[derive(Debug, Deserialize, ToSchema)]
pub struct SetClientKeys {
    /// JWKs, at most 4: EC P-256, Ed25519 or RSA from 2,048 bits on. All that there were are
    /// replaced.
    pub keys: Vec<BTreeMap<String, String>>,
    /// Whether its assertions may name the token endpoint's URL as their audience, in the place of
    /// the issuer; false unless given.
    pub token_endpoint_audience: Option<bool>,
}
