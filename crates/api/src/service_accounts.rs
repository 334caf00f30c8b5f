//! Service accounts and their secrets.

use crate::patch::Patch;
use serde::{Deserialize, Serialize};

/// Body of `POST /v1/accounts/{id}/service-accounts`, which may be left out.
#[derive(Debug, Default, Deserialize)]
pub struct CreateServiceAccount {
    /// 1 to 100 characters, unique within the account; `service-account-YYYYMMDDHHMMSS` unless
    /// given.
    pub name: Option<String>,
    /// What it may do, `resource:action`; at most 64. `api:read` and `api:write` unless given.
    pub permissions: Option<Vec<String>>,
    /// When its first secret ends, RFC 3339.
    pub secret_expires_at: Option<String>,
}

/// Body of `PATCH /v1/service-accounts/{id}`.
#[derive(Debug, Default, Deserialize)]
pub struct UpdateServiceAccount {
    /// As when it was made.
    #[serde(default)]
    pub name: Patch<String>,
    /// As when it was made.
    #[serde(default)]
    pub permissions: Patch<Vec<String>>,
}

/// Body of `POST /v1/service-accounts/{id}/secrets`, which may be left out.
#[derive(Debug, Default, Deserialize)]
pub struct CreateClientSecret {
    /// When it ends, RFC 3339.
    pub expires_at: Option<String>,
}

/// A service account.
#[derive(Debug, Serialize)]
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
    pub created_at: String,
    /// Its secrets that live, two at most, oldest first.
    pub secrets: Vec<ClientSecret>,
}

/// A secret of a service account, without the secret itself.
#[derive(Debug, Serialize)]
pub struct ClientSecret {
    /// `sec_…`
    pub id: String,
    /// When it ends.
    pub expires_at: Option<String>,
    /// When its grace is over, where a rotation put another in its place.
    pub grace_expires_at: Option<String>,
    /// When it was made.
    pub created_at: String,
    /// When it was last presented and let in, up to a minute late.
    pub last_used_at: Option<String>,
}

/// A secret that was made.
#[derive(Serialize)]
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
#[derive(Debug, Serialize)]
pub struct CreatedServiceAccount<'a> {
    /// The service account.
    pub service_account: ServiceAccount<'a>,
    /// Its first secret, shown here and nowhere else.
    pub secret: CreatedClientSecret<'a>,
}
