//! Keys and verification.

use crate::accounts::Account;
use crate::limits::{KeyLimits, NewKeyLimits, UpdateKeyLimits};
use crate::patch::Patch;
use crate::problem::Problem;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;

/// The first key of an account to make.
#[derive(Debug, Deserialize, ToSchema)]
pub struct NewKey {
    /// A name.
    #[schema(min_length = 1, max_length = 100)]
    pub name: Option<String>,
    /// What it may do, `resource:action`; at most 64.
    #[schema(max_items = 64)]
    pub permissions: Option<Vec<String>>,
    /// When it ends, RFC 3339.
    #[schema(format = DateTime)]
    pub expires_at: Option<String>,
}

/// Body of `POST /v1/accounts/{id}/keys`.
#[derive(Debug, Deserialize, ToSchema)]
pub struct CreateKey<'a> {
    /// `native`, `sub_account` or `account`; as the account's first key unless given.
    pub format: Option<String>,
    /// A name.
    #[schema(min_length = 1, max_length = 100)]
    pub name: Option<String>,
    /// What it may do, `resource:action`; at most 64; `*:*` unless given.
    #[schema(max_items = 64)]
    pub permissions: Option<Vec<String>>,
    /// When it ends, RFC 3339.
    #[schema(format = DateTime)]
    pub expires_at: Option<String>,
    /// Addresses and networks that it may come from; at most 64; anywhere unless given.
    #[schema(max_items = 64)]
    pub allowed_ips: Option<Vec<String>>,
    /// A JSON object of the caller's own, at most 16 kB.
    #[serde(borrow)]
    #[schema(value_type = Option<Object>)]
    pub metadata: Option<&'a RawValue>,
    /// What it is limited to, beside its account.
    pub limits: Option<NewKeyLimits>,
}

/// Body of `PATCH /v1/keys/{id}`.
#[derive(Debug, Deserialize, ToSchema)]
pub struct UpdateKey<'a> {
    /// A name; null for none.
    #[serde(default)]
    #[schema(value_type = Option<String>, min_length = 1, max_length = 100)]
    pub name: Patch<String>,
    /// What it may do. Cannot be null.
    #[serde(default)]
    #[schema(value_type = Vec<String>, max_items = 64)]
    pub permissions: Patch<Vec<String>>,
    /// When it ends; null for never.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub expires_at: Patch<String>,
    /// Addresses and networks that it may come from; null for anywhere.
    #[serde(default)]
    #[schema(value_type = Option<Vec<String>>, max_items = 64)]
    pub allowed_ips: Patch<Vec<String>>,
    /// The whole object; null for an empty one.
    #[serde(default, borrow)]
    #[schema(value_type = Option<Object>)]
    pub metadata: Patch<&'a RawValue>,
    /// What it is limited to, each by itself; null for nothing.
    #[serde(default)]
    #[schema(value_type = Option<UpdateKeyLimits>)]
    pub limits: Patch<UpdateKeyLimits>,
}

/// Body of `POST /v1/keys/{id}/rotate`.
#[derive(Debug, Deserialize, ToSchema)]
pub struct RotateKey {
    /// For how long the old key goes on, 0 to 2,592,000 seconds; with 0 it is revoked.
    #[schema(minimum = 0, maximum = 2_592_000)]
    pub grace_seconds: i64,
}

/// A key.
#[derive(Serialize, ToSchema)]
pub struct Key<'a> {
    /// `key_…`
    pub id: String,
    /// The account that it belongs to; null for a platform key.
    #[schema(required)]
    pub account_id: Option<String>,
    /// Its name.
    #[schema(required)]
    pub name: Option<&'a str>,
    /// `native`, `sub_account`, `account` or `imported`.
    pub format: &'static str,
    /// Its first seven characters; of an imported one what was said of it.
    pub start: &'a str,
    /// What it may do.
    pub permissions: Vec<&'a str>,
    /// Networks that it may come from; empty for anywhere.
    pub allowed_ips: Vec<String>,
    /// The caller's own object.
    #[schema(value_type = Object)]
    pub metadata: &'a RawValue,
    /// `active`, `disabled` or `revoked`.
    pub status: &'static str,
    /// What it is limited to, beside its account.
    pub limits: KeyLimits,
    /// When it ends.
    #[schema(required, format = DateTime)]
    pub expires_at: Option<String>,
    /// The first key of the line that rotations made: its own id where it is the first.
    pub lineage: String,
    /// The key that took its place when it was rotated.
    #[schema(required)]
    pub superseded_by: Option<String>,
    /// When a rotated key ends, if it does not before.
    #[schema(required, format = DateTime)]
    pub grace_expires_at: Option<String>,
    /// When it was made.
    #[schema(format = DateTime)]
    pub created_at: String,
    /// When it was revoked.
    #[schema(required, format = DateTime)]
    pub revoked_at: Option<String>,
    /// When it was last found valid, or made a call of its own; up to a minute late.
    #[schema(required, format = DateTime)]
    pub last_used_at: Option<String>,
    /// The key itself: shown once, in the reply that made it; null ever after.
    #[schema(required)]
    pub secret: Option<&'a str>,
}

impl std::fmt::Debug for Key<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Key").field("id", &self.id).finish_non_exhaustive()
    }
}

/// Reply of `POST /v1/keys/{id}/rotate`.
#[derive(Debug, Serialize, ToSchema)]
pub struct RotatedKey<'a> {
    /// The key that took its place, with its secret.
    pub key: Key<'a>,
    /// The key that was rotated.
    pub superseded: Key<'a>,
    /// The place in the change log of what the rotation ends at once, where it ends something.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false)]
    pub revision: Option<String>,
    /// By when that has ended on every node.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, format = DateTime, required = false)]
    pub effective_everywhere_by: Option<String>,
}

/// Body of `POST /v1/keys/verify`: `key`, or `client_id` and `client_secret`.
#[derive(Deserialize)]
pub struct Verify<'a> {
    /// An API key.
    #[serde(borrow)]
    pub key: Option<std::borrow::Cow<'a, str>>,
    /// A service account's client id.
    #[serde(borrow)]
    pub client_id: Option<std::borrow::Cow<'a, str>>,
    /// One of its secrets.
    #[serde(borrow)]
    pub client_secret: Option<std::borrow::Cow<'a, str>>,
    /// What it must be allowed to do.
    pub permissions: Option<Vec<String>>,
    /// Where the request came from.
    pub ip: Option<String>,
    /// How often it counts in rates and uses, 1 to 1,000,000; once unless given.
    pub cost: Option<i64>,
    /// Asks for a lease too.
    #[serde(borrow)]
    pub lease: Option<&'a RawValue>,
}

/// Reply of `POST /v1/keys/verify`.
#[derive(Debug, Serialize, ToSchema)]
pub struct Verdict<'a> {
    /// True for `VALID` alone.
    pub valid: bool,
    /// `VALID`, or why not.
    pub code: &'static str,
    /// `api_key` or `client_secret`.
    #[schema(required)]
    pub kind: Option<&'static str>,
    /// `key_…`, or `sec_…` for a client secret.
    #[schema(required)]
    pub key_id: Option<String>,
    /// The account that it belongs to.
    #[schema(required)]
    pub account_id: Option<String>,
    /// The same id as a UUID.
    #[schema(required, format = "uuid")]
    pub account_uuid: Option<String>,
    /// The account above that one.
    #[schema(required)]
    pub parent_id: Option<String>,
    /// The key's or service account's name.
    #[schema(required)]
    pub name: Option<&'a str>,
    /// What it may do.
    pub permissions: Vec<&'a str>,
    /// When it ends.
    #[schema(required, format = DateTime)]
    pub expires_at: Option<String>,
    /// The caller's own object.
    #[schema(required, value_type = Option<Object>)]
    pub metadata: Option<&'a RawValue>,
    /// `svc_…`, for a client secret or an access token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_account_id: Option<String>,
    /// The `jti` of an access token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token_id: Option<String>,
    /// Whom an access token was issued to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
    /// Whom an access token is for: whoever was shown it has to find themselves here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub audience: Option<Vec<String>>,
    /// Limits that were looked at, where there are some or a lease was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limits: Option<crate::limits::VerifiedLimits>,
    /// The lease that was taken.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lease: Option<crate::leases::Lease>,
}

/// Reply of `GET /v1/whoami`.
#[derive(Debug, Serialize, ToSchema)]
pub struct WhoAmI<'a> {
    /// `api_key`, `platform_key`, `access_token`, `member` or `operator`.
    pub kind: &'static str,
    /// The presented key.
    #[schema(required)]
    pub key_id: Option<String>,
    /// Its name.
    #[schema(required)]
    pub name: Option<&'a str>,
    /// What it may do.
    pub permissions: Vec<&'a str>,
    /// Its account; null for a platform key.
    #[schema(required)]
    pub account: Option<Account<'a>>,
}

/// Reply of a change that takes a right away: by when it holds on every node.
#[derive(Debug, Serialize, ToSchema)]
pub struct Effective {
    /// The change's place in the change log.
    pub revision: String,
    /// From then on no node answers as if it had not happened.
    #[schema(format = DateTime)]
    pub effective_everywhere_by: String,
}

/// Body of `POST /v1/keys/import`.
#[derive(Debug, Deserialize, ToSchema)]
pub struct ImportKeys<'a> {
    /// Up to 1,000.
    #[serde(borrow)]
    #[schema(value_type = Vec<ImportKey>, max_items = 1000)]
    pub keys: Vec<&'a RawValue>,
}

/// A key of another system, by its hash.
#[derive(Debug, Deserialize, ToSchema)]
pub struct ImportKey<'a> {
    /// The account that it is to belong to; the caller's own unless given.
    pub account_id: Option<String>,
    /// A name.
    #[schema(min_length = 1, max_length = 100)]
    pub name: Option<String>,
    /// What it may do; `*:*` unless given.
    #[schema(max_items = 64)]
    pub permissions: Option<Vec<String>>,
    /// When it ends, RFC 3339.
    #[schema(format = DateTime)]
    pub expires_at: Option<String>,
    /// Networks that it may come from, CIDR; anywhere unless given.
    #[schema(max_items = 64)]
    pub allowed_ips: Option<Vec<String>>,
    /// A JSON object of the caller's own, at most 16 kB.
    #[serde(borrow)]
    #[schema(value_type = Option<Object>)]
    pub metadata: Option<&'a RawValue>,
    /// Its first characters, at most seven, for telling keys apart.
    #[schema(max_length = 7)]
    pub start: Option<String>,
    /// Its hash.
    pub hash: ForeignHash,
}

/// The hash of a key.
#[derive(Deserialize, ToSchema)]
pub struct ForeignHash {
    /// `sha256`, `sha512`, `hmac-sha256`, `bcrypt`, `scrypt` or `argon2id`.
    pub algorithm: String,
    /// In hex or base64; for the last three as the algorithm's own text (bcrypt, PHC).
    pub value: String,
    /// For `hmac-sha256`: the key, in base64.
    pub key: Option<String>,
    /// For the last three: the beginning of the key, up to one of its separators `.`, `:`, `_`
    /// or `-`, by which it is found.
    #[schema(min_length = 6, max_length = 64)]
    pub look_up: Option<String>,
}

impl std::fmt::Debug for ForeignHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ForeignHash").field("algorithm", &self.algorithm).finish_non_exhaustive()
    }
}

/// Reply of `POST /v1/keys/import`.
#[derive(Debug, Serialize, ToSchema)]
pub struct ImportedKeys {
    /// An answer for each, in the order of the request.
    pub results: Vec<ImportResult>,
}

/// What became of one key of many.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
pub enum ImportResult {
    /// It was taken over.
    Imported {
        /// 201
        status: u16,
        /// `key_…`
        key_id: String,
        /// The account that it belongs to.
        #[schema(required)]
        account_id: Option<String>,
    },
    /// It was refused; the others are not touched by that.
    Refused {
        /// The status that it would have had alone.
        status: u16,
        /// Why.
        error: Problem,
    },
}
