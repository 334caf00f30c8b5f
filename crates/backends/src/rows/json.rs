//! Columns that hold JSON. What is not exactly what was written does not read.

use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use tenantry_core::accounts::Profile;
use tenantry_core::error::{Error, Result};
use tenantry_core::json::{self, Json};
use tenantry_core::limits;
use tenantry_core::oauth::ClientKey;
use tenantry_core::permissions::PermissionSet;
use tenantry_core::text::Line;

/// The column `profile`. A member that is not here does not read.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ProfileColumn {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    company: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    vat: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    country: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    address: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    city: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    state: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    zip_code: Option<String>,
}

pub(super) fn profile_to_json(profile: &Profile) -> Result<String> {
    let mut values = profile.iter().map(|(_, value)| value.map(str::to_owned));
    let mut next = || values.next().flatten();
    // In the order of `Profile::FIELDS`.
    let column = ProfileColumn {
        company: next(),
        vat: next(),
        country: next(),
        address: next(),
        city: next(),
        state: next(),
        zip_code: next(),
    };
    serde_json::to_string(&column).map_err(Error::internal)
}

pub(super) fn profile_from_json(text: &str) -> Option<Profile> {
    if text == "{}" {
        return Some(Profile::default());
    }
    let column: ProfileColumn = serde_json::from_str(text).ok()?;
    let ProfileColumn { company, vat, country, address, city, state, zip_code } = column;
    let mut profile = Profile::default();
    let values = [company, vat, country, address, city, state, zip_code];
    for (index, value) in values.into_iter().enumerate() {
        if let Some(value) = value {
            profile.set(index, Some(Line::parse_paragraph(&value).ok()?));
        }
    }
    Some(profile)
}

pub(super) fn permissions_to_json(permissions: &PermissionSet) -> Result<String> {
    let texts: Vec<&str> = permissions.iter().collect();
    serde_json::to_string(&texts).map_err(Error::internal)
}

pub(super) fn permissions_from_json(text: &str) -> Option<PermissionSet> {
    // None is written with an escape, so each is read where it stands.
    let texts: Vec<&str> = serde_json::from_str(text).ok()?;
    PermissionSet::parse(texts).ok()
}

pub(super) fn networks_to_json(networks: &[IpNet]) -> Result<String> {
    let texts: Vec<String> = networks.iter().map(ToString::to_string).collect();
    serde_json::to_string(&texts).map_err(Error::internal)
}

pub(super) fn networks_from_json(text: &str) -> Option<Vec<IpNet>> {
    if text == "[]" {
        return Some(Vec::new());
    }
    let texts: Vec<String> = serde_json::from_str(text).ok()?;
    if texts.len() > limits::ALLOWED_IPS_MAX {
        return None;
    }
    texts.iter().map(|text| text.parse().ok()).collect()
}

/// The column `keys`: JWKs as they are shown.
pub(super) fn keys_to_json(keys: &[ClientKey]) -> Result<String> {
    let keys: Vec<BTreeMap<&str, String>> =
        keys.iter().map(|key| key.members().into_iter().collect()).collect();
    serde_json::to_string(&keys).map_err(Error::internal)
}

pub(super) fn keys_from_json(text: &str) -> Option<Vec<ClientKey>> {
    match json::parse(text.as_bytes()).ok()? {
        Json::Array(keys) => keys.iter().map(|key| ClientKey::parse(key).ok()).collect(),
        _ => None,
    }
}
