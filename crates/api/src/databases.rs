//! Databases of sub-accounts' own.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Reply of `GET /v1/accounts/{id}/database`: what is known of it, without credentials.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
pub struct TenantDatabase {
    /// The sub-account that it belongs to, `acc_…`.
    pub account_id: String,
    /// `provisioning`, `active`, `cleaning` or `failed`.
    pub state: String,
    /// The last step of its making that is done: `requested`, `dialled`, `role`, `database`,
    /// `migrated`, `renamed`, `owned`, `active`.
    pub step: String,
    /// Whether it is on a server of the operator's.
    pub managed: bool,
    /// The operator's server that it is on; null where the customer brought one.
    #[schema(required)]
    pub server: Option<String>,
    /// Host name or address.
    pub host: String,
    /// TCP port.
    #[schema(minimum = 1, maximum = 65_535)]
    pub port: u16,
    /// The database's name.
    pub name: String,
    /// `made`, or `adopted` where it was there, empty; null until that is known.
    #[schema(required)]
    pub origin: Option<String>,
    /// `limited`: roles that reach nothing else; `given`: the customer's user. Null until that is known.
    #[schema(required)]
    pub credential: Option<String>,
    /// The version of the product's schema.
    pub schema_version: u64,
    /// Until when the login before the last rotation goes on; null where none does.
    #[schema(required, format = DateTime)]
    pub overlap_until: Option<String>,
    /// Why it failed, or was last put off, in a word; null where nothing is wrong.
    #[schema(required)]
    pub failure: Option<String>,
    /// When it was asked for.
    #[schema(format = DateTime)]
    pub created_at: String,
    /// When its record last changed.
    #[schema(format = DateTime)]
    pub updated_at: String,
}

/// Reply of `POST /v1/accounts/{id}/database/credentials`: what it takes to connect.
#[derive(Serialize, ToSchema)]
pub struct Connection<'a> {
    /// Host name or address.
    pub host: &'a str,
    /// TCP port.
    #[schema(minimum = 1, maximum = 65_535)]
    pub port: u16,
    /// The database's name.
    pub name: &'a str,
    /// The role.
    pub user: &'a str,
    /// Its password.
    pub password: &'a str,
    /// `limited` or `given`.
    pub credential: &'static str,
}

/// Body of `POST /v1/accounts/{id}/database/rotate`.
#[derive(Debug, Default, Deserialize, ToSchema)]
pub struct RotateDatabase {
    /// For how many seconds the login before goes on: 0 to 2,592,000; 0 unless given.
    #[schema(minimum = 0, maximum = 2_592_000)]
    pub grace_seconds: Option<i64>,
}

/// Reply of `POST /v1/accounts/{id}/database/rotate`.
#[derive(Serialize, ToSchema)]
pub struct RotatedDatabase<'a> {
    /// What it takes to connect from now on.
    #[serde(flatten)]
    pub connection: Connection<'a>,
    /// Until when the login before goes on.
    #[schema(format = DateTime)]
    pub overlap_until: String,
}
