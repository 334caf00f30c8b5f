//! Tenantry's own API.

pub(crate) mod account_changes;
pub(crate) mod accounts;
pub(crate) mod audit;
pub(crate) mod bulk;
pub(crate) mod client_keys;
pub(crate) mod databases;
mod effective;
pub(crate) mod import;
pub(crate) mod keys;
pub(crate) mod leases;
pub(crate) mod limits;
pub(crate) mod problem;
pub(crate) mod rates;
pub(crate) mod realms;
pub(crate) mod service_accounts;
pub(crate) mod usage;
pub(crate) mod verify;
pub(crate) mod whoami;

use crate::body::{self, JsonBody};
use crate::refusal::Refusal;
use serde::Deserialize;
use tenantry_core::error::{Error, Problem};
use tenantry_core::json::Json;

/// Reads a body as one of the API's own structs. Members that only the server sets are refused.
pub(crate) fn decode<'a, T: Deserialize<'a>>(body: &'a JsonBody) -> Result<T, Refusal> {
    Ok(decode_value(&body.value, &body.bytes)?)
}

/// As [`decode`], for what has permissions that are the caller's to choose.
pub(crate) fn decode_grantee<'a, T: Deserialize<'a>>(body: &'a JsonBody) -> Result<T, Refusal> {
    decode_but(body, &["permissions"])
}

/// As [`decode`], where some members that mostly only the server sets are the caller's to name.
pub(crate) fn decode_but<'a, T: Deserialize<'a>>(
    body: &'a JsonBody,
    callers: &[&str],
) -> Result<T, Refusal> {
    Ok(decode_value_but(&body.value, &body.bytes, callers)?)
}

/// As [`decode_but`], for a value and the text that it was read from.
pub(crate) fn decode_value_but<'a, T: Deserialize<'a>>(
    value: &Json,
    text: &'a [u8],
    callers: &[&str],
) -> Result<T, Error> {
    let mut violations = body::server_set(value, "");
    violations.retain(|violation| !callers.contains(&&*violation.field));
    if !violations.is_empty() {
        return Err(Error::Invalid(violations));
    }
    typed_value(value, text)
}

/// As [`decode`], for a value and the text that it was read from.
pub(crate) fn decode_value<'a, T: Deserialize<'a>>(
    value: &Json,
    text: &'a [u8],
) -> Result<T, Error> {
    let mut violations = body::server_set(value, "");
    if let Some(key) = value.get("key") {
        // Of a key, its permissions are the maker's to choose.
        let of_key = body::server_set(key, "key.");
        violations.extend(of_key.into_iter().filter(|v| v.field != "key.permissions"));
    }
    if !violations.is_empty() {
        return Err(Error::Invalid(violations));
    }
    typed_value(value, text)
}

/// As [`decode`], for a body whose members are credentials themselves.
pub(crate) fn typed<'a, T: Deserialize<'a>>(body: &'a JsonBody) -> Result<T, Refusal> {
    Ok(typed_value(&body.value, &body.bytes)?)
}

pub(super) fn typed_value<'a, T: Deserialize<'a>>(
    value: &Json,
    text: &'a [u8],
) -> Result<T, Error> {
    if !matches!(value, Json::Object(_)) {
        return Err(Error::Malformed("the body is not a JSON object"));
    }
    let mut deserializer = serde_json::Deserializer::from_slice(text);
    serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        let inner = error.inner().to_string();
        let path: Vec<String> = error.path().iter().filter_map(segment).collect();
        let path = path.join(".");
        // The library names a missing member in its message and not in the path.
        if let Some(name) =
            inner.strip_prefix("missing field `").and_then(|rest| rest.split('`').next())
        {
            let field = if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
            return Error::invalid(field, Problem::Missing);
        }
        Error::invalid(path, Problem::WrongType("of the type that the API's description names"))
    })
}

fn segment(segment: &serde_path_to_error::Segment) -> Option<String> {
    use serde_path_to_error::Segment;
    match segment {
        Segment::Seq { index } => Some(index.to_string()),
        Segment::Map { key } => Some(key.clone()),
        Segment::Enum { variant } => Some(variant.clone()),
        Segment::Unknown => None,
    }
}
