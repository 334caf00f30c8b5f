//! Accounts.

use crate::keys::{Key, NewKey};
use crate::limits::Rate;
use crate::patch::Patch;
use crate::problem::Problem;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;

/// Body of `POST /v1/accounts`.
#[derive(Debug, Deserialize, ToSchema)]
pub struct CreateAccount<'a> {
    /// 1 to 100 characters.
    #[schema(min_length = 1, max_length = 100)]
    pub name: String,
    /// Optional attributes.
    pub profile: Option<Profile>,
    /// A JSON object of the caller's own, at most 16 kB.
    #[serde(borrow)]
    #[schema(value_type = Option<Object>)]
    pub metadata: Option<&'a RawValue>,
    /// Caps to set.
    pub limits: Option<Limits>,
    /// A database of the account's own.
    pub database: Option<Database>,
    /// The first key.
    pub key: Option<NewKey>,
}

/// Body of `PATCH /v1/accounts/{id}`: what is not named stays.
#[derive(Debug, Deserialize, ToSchema)]
pub struct UpdateAccount<'a> {
    /// 1 to 100 characters.
    #[serde(default)]
    #[schema(value_type = String, min_length = 1, max_length = 100)]
    pub name: Patch<String>,
    /// Optional attributes, each by itself; null takes all of them out.
    #[serde(default)]
    #[schema(value_type = Option<UpdateProfile>)]
    pub profile: Patch<UpdateProfile>,
    /// A JSON object of the caller's own, which takes the place of the one before; at most 16 kB.
    #[serde(borrow, default)]
    #[schema(value_type = Option<Object>)]
    pub metadata: Patch<&'a RawValue>,
}

/// Optional attributes of an account, to be changed.
#[derive(Debug, Default, Deserialize, ToSchema)]
pub struct UpdateProfile {
    /// Company name.
    #[serde(default)]
    #[schema(value_type = Option<String>, max_length = 200)]
    pub company: Patch<String>,
    /// VAT number.
    #[serde(default)]
    #[schema(value_type = Option<String>, max_length = 200)]
    pub vat: Patch<String>,
    /// Country.
    #[serde(default)]
    #[schema(value_type = Option<String>, max_length = 200)]
    pub country: Patch<String>,
    /// Street address.
    #[serde(default)]
    #[schema(value_type = Option<String>, max_length = 200)]
    pub address: Patch<String>,
    /// City.
    #[serde(default)]
    #[schema(value_type = Option<String>, max_length = 200)]
    pub city: Patch<String>,
    /// State or province.
    #[serde(default)]
    #[schema(value_type = Option<String>, max_length = 200)]
    pub state: Patch<String>,
    /// Postal code.
    #[serde(default)]
    #[schema(value_type = Option<String>, max_length = 200)]
    pub zip_code: Patch<String>,
}

/// Body of `POST /v1/accounts/bulk`.
#[derive(Debug, Deserialize, ToSchema)]
pub struct CreateAccounts<'a> {
    /// Up to 1,000, each as for `POST /v1/accounts`.
    #[serde(borrow)]
    #[schema(value_type = Vec<CreateAccount>, max_items = 1000)]
    pub accounts: Vec<&'a RawValue>,
}

/// Reply of `POST /v1/accounts/bulk`.
#[derive(Debug, Serialize, ToSchema)]
pub struct CreatedAccounts<'a> {
    /// An answer for each, in the order of the request.
    pub results: Vec<BulkResult<'a>>,
}

/// What became of one account of many.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
pub enum BulkResult<'a> {
    /// It was made.
    Created {
        /// 201
        status: u16,
        /// What `POST /v1/accounts` would have answered.
        #[serde(flatten)]
        created: Box<CreatedAccount<'a>>,
    },
    /// It was refused; the others are not touched by that.
    Refused {
        /// The status that it would have had alone.
        status: u16,
        /// Why.
        error: Problem,
    },
}

/// Optional attributes of an account.
#[derive(Debug, Default, Deserialize, Serialize, ToSchema)]
pub struct Profile {
    /// Company name.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 200)]
    pub company: Option<String>,
    /// VAT number.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 200)]
    pub vat: Option<String>,
    /// Country.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 200)]
    pub country: Option<String>,
    /// Street address.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 200)]
    pub address: Option<String>,
    /// City.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 200)]
    pub city: Option<String>,
    /// State or province.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 200)]
    pub state: Option<String>,
    /// Postal code.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 200)]
    pub zip_code: Option<String>,
}

/// Caps of an account.
#[derive(Clone, Debug, Default, Deserialize, Serialize, ToSchema)]
pub struct Limits {
    /// Concurrent calls, 1 to 1,000,000; null where the default counts.
    #[schema(minimum = 1, maximum = 1_000_000)]
    pub concurrency: Option<i64>,
    /// Requests of its credentials in windows of time, at most four; absent where there are none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_items = 4)]
    pub rate: Option<Vec<Rate>>,
}

/// A database of an account's own: on a server that is named, or on one of the operator's.
#[derive(Deserialize, ToSchema)]
pub struct Database {
    /// On a server of the operator's: true, and nothing else.
    #[serde(default)]
    pub managed: Option<bool>,
    /// Host name or address.
    pub host: Option<String>,
    /// TCP port; 5432 unless given.
    #[schema(minimum = 1, maximum = 65_535)]
    pub port: Option<i64>,
    /// Database to make or take over.
    pub name: Option<String>,
    /// Root user.
    pub user: Option<String>,
    /// Root password.
    pub password: Option<String>,
}

impl std::fmt::Debug for Database {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Database").field("host", &self.host).finish_non_exhaustive()
    }
}

/// An account.
#[derive(Debug, Serialize, ToSchema)]
pub struct Account<'a> {
    /// `acc_…`
    pub id: String,
    /// The same id as a UUID.
    #[schema(format = "uuid")]
    pub account_uuid: String,
    /// The account above it; null for a root account.
    #[schema(required)]
    pub parent_id: Option<String>,
    /// Its name.
    pub name: &'a str,
    /// Attributes that were set.
    pub profile: Profile,
    /// The caller's own object.
    #[schema(value_type = Object)]
    pub metadata: &'a RawValue,
    /// `provisioning`, `active`, `suspended` or `closed`.
    pub status: &'static str,
    /// Caps that were set.
    pub limits: Limits,
    /// When it was made.
    #[schema(format = DateTime)]
    pub created_at: String,
    /// When it last changed.
    #[schema(format = DateTime)]
    pub updated_at: String,
}

/// Reply of `POST /v1/accounts`.
#[derive(Debug, Serialize, ToSchema)]
pub struct CreatedAccount<'a> {
    /// The account.
    pub account: Account<'a>,
    /// Its first key, with the secret that is shown here and nowhere else.
    pub key: Key<'a>,
}
