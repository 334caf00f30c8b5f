//! `POST /v1/keys/import`

use super::keys::decode::networks;
use super::problem;
use crate::app::AppState;
use crate::body::BulkJsonBody;
use crate::caller::Caller;
use crate::once::{Attempt, once};
use crate::refusal::Refusal;
use crate::reply;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::value::RawValue;
use tenantry_api::keys as api;
use tenantry_core::clock::Timestamp;
use tenantry_core::credentials::Credential;
use tenantry_core::error::{Error, Problem, Violation};
use tenantry_core::ids::AccountId;
use tenantry_core::json::{self, Json};
use tenantry_core::keys::{ImportedHash, NewImport};
use tenantry_core::limits;
use tenantry_core::permissions::PermissionSet;
use tenantry_core::secrets::foreign::{FastHash, HmacKey, LookUp, SlowHash};
use tenantry_core::text::{Metadata, Name};

/// Takes over up to 1,000 keys in one transaction, with an answer for each in its place.
pub(crate) async fn import(
    State(state): State<AppState>,
    Caller(context): Caller,
    attempt: Attempt,
    BulkJsonBody(body): BulkJsonBody,
) -> Result<Response, Refusal> {
    let asked: api::ImportKeys<'_> = super::typed(&body)?;
    let Some(Json::Array(values)) = body.value.get("keys") else {
        return Err(Error::invalid("keys", Problem::Missing).into());
    };
    if values.len() > limits::IMPORT_KEYS_MAX {
        let problem = Problem::TooMany(limits::IMPORT_KEYS_MAX);
        return Err(Error::invalid("keys", problem).into());
    }
    let mut new = Vec::with_capacity(values.len());
    let mut refused = Vec::with_capacity(values.len());
    for (value, text) in values.iter().zip(asked.keys) {
        match super::typed_value(value, text.get().as_bytes()).and_then(decode) {
            Ok(import) => {
                new.push(import);
                refused.push(None);
            }
            Err(error) => refused.push(Some(error)),
        }
    }
    let encode = |made: &Vec<Result<Credential, Error>>| {
        let mut made = made.iter();
        let results = refused.iter().map(|refused| match refused {
            Some(error) => Ok(encode_refused(error)),
            None => match made.next() {
                Some(Ok(key)) => Ok(encode_imported(key)),
                Some(Err(error)) => Ok(encode_refused(error)),
                None => Err(Error::internal("an answer is missing")),
            },
        });
        let results = results.collect::<Result<_, Error>>()?;
        reply::keepable(StatusCode::OK, reply::JSON, &api::ImportedKeys { results })
    };
    once(&state, &context, &attempt, &body.bytes, &encode, async |once| {
        state.plane.import_keys(&context, new, once).await
    })
    .await
}

fn decode(key: api::ImportKey<'_>) -> Result<NewImport, Error> {
    let mut violations = Vec::new();
    let mut refuse = |field: &'static str, problem: Problem| {
        violations.push(Violation { field: field.into(), problem });
    };
    let mut import = NewImport {
        account: None,
        name: None,
        permissions: PermissionSet::sub_account(),
        expires_at: None,
        allowed_ips: Vec::new(),
        metadata: Metadata::empty(),
        start: None,
        hash: match decode_hash(&key.hash) {
            Ok(hash) => hash,
            Err((field, problem)) => return Err(Error::invalid(field, problem)),
        },
    };
    match key.account_id.as_deref().map(AccountId::parse_any).transpose() {
        Ok(account) => import.account = account,
        Err(_) => refuse("account_id", Problem::Malformed),
    }
    match key.name.as_deref().map(Name::parse).transpose() {
        Ok(name) => import.name = name,
        Err(problem) => refuse("name", problem),
    }
    if let Some(texts) = &key.permissions {
        match PermissionSet::parse(texts.iter().map(String::as_str)) {
            Ok(set) => import.permissions = set,
            Err(problem) => refuse("permissions", problem),
        }
    }
    if let Some(text) = &key.expires_at {
        import.expires_at = Timestamp::parse_rfc3339(text);
        if import.expires_at.is_none() {
            refuse("expires_at", Problem::Malformed);
        }
    }
    match networks(key.allowed_ips.as_deref().unwrap_or_default()) {
        Ok(networks) => import.allowed_ips = networks,
        Err(problem) => refuse("allowed_ips", problem),
    }
    if let Some(text) = key.metadata.map(RawValue::get).filter(|text| *text != "null") {
        let value = json::parse(text.as_bytes()).map_err(|_| Problem::Malformed);
        match value.and_then(|value| Metadata::from_json(&value)) {
            Ok(metadata) => import.metadata = metadata,
            Err(problem) => refuse("metadata", problem),
        }
    }
    if let Some(start) = key.start {
        if start.len() <= 7 && start.bytes().all(|b| b.is_ascii_graphic()) {
            import.start = Some(start.into());
        } else {
            refuse("start", Problem::Malformed);
        }
    }
    if violations.is_empty() { Ok(import) } else { Err(Error::Invalid(violations)) }
}

fn decode_hash(hash: &api::ForeignHash) -> Result<ImportedHash, (&'static str, Problem)> {
    let value = |problem| ("hash.value", problem);
    let fast = match &*hash.algorithm {
        "sha256" => FastHash::sha256(&hash.value),
        "sha512" => FastHash::sha512(&hash.value),
        "hmac-sha256" => {
            let key = hash.key.as_deref().ok_or(("hash.key", Problem::Missing))?;
            let key = HmacKey::parse(key).map_err(|problem| ("hash.key", problem))?;
            FastHash::hmac_sha256(&hash.value, key)
        }
        algorithm @ ("bcrypt" | "scrypt" | "argon2id") => {
            let slow = SlowHash::parse(algorithm, &hash.value).map_err(value)?;
            let look_up = hash.look_up.as_deref().ok_or(("hash.look_up", Problem::Missing))?;
            let look_up = LookUp::parse(look_up).map_err(|problem| ("hash.look_up", problem))?;
            return Ok(ImportedHash::Slow(slow, look_up));
        }
        _ => return Err(("hash.algorithm", Problem::Malformed)),
    };
    fast.map(ImportedHash::Fast).map_err(value)
}

fn encode_imported(key: &Credential) -> api::ImportResult {
    api::ImportResult::Imported {
        status: StatusCode::CREATED.as_u16(),
        key_id: key.id.to_string(),
        account_id: key.owner.account().map(|account| account.to_string()),
    }
}

fn encode_refused(error: &Error) -> api::ImportResult {
    let (status, problem) = problem::of(error);
    api::ImportResult::Refused { status: status.as_u16(), error: problem }
}
