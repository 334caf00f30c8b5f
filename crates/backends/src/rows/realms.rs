//! Realms of organizations' own.

use super::json::{keys_from_json, keys_to_json};
use super::{Cell, Columns, Source};
use serde::{Deserialize, Serialize};
use std::time::Duration;
use tenantry_core::error::{Error, Result};
use tenantry_core::ids::{AccountId, RealmId};
use tenantry_core::oauth::SigningAlgorithm;
use tenantry_core::realms::{ClaimPath, ClaimPaths, OwnKeys, OwnRealm, RealmSettings};
use tenantry_core::secrets::{Protected, Sealed, Unverified};
use tenantry_core::text::Name;

/// The column `settings`.
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct SettingsColumn {
    audience: String,
    /// The URL of the set; neither where the issuer's discovery document says it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    jwks_url: Option<String>,
    /// The keys, as JWKs in an array's text.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    keys: Option<String>,
    algorithms: Vec<String>,
    roles: Vec<String>,
    name: Vec<String>,
    email: Vec<String>,
    lifetime_max_seconds: u64,
}

fn settings_to_json(settings: &RealmSettings) -> Result<String> {
    let path = |path: &ClaimPath| path.iter().map(ToString::to_string).collect();
    let (jwks_url, keys) = match &settings.keys {
        OwnKeys::Discovered => (None, None),
        OwnKeys::At(url) => (Some(url.to_string()), None),
        OwnKeys::Given(keys) => (None, Some(keys_to_json(keys)?)),
    };
    let column = SettingsColumn {
        audience: settings.audience.to_string(),
        jwks_url,
        keys,
        algorithms: settings.algorithms.iter().map(|known| known.as_str().to_owned()).collect(),
        roles: path(&settings.claims.roles),
        name: path(&settings.claims.name),
        email: path(&settings.claims.email),
        lifetime_max_seconds: settings.lifetime_max.as_secs(),
    };
    serde_json::to_string(&column).map_err(Error::internal)
}

fn settings_from_json(name: Name, issuer: &str, text: &str) -> Option<RealmSettings> {
    let column: SettingsColumn = serde_json::from_str(text).ok()?;
    let path = |names: Vec<String>| -> ClaimPath { names.into_iter().map(Into::into).collect() };
    let keys = match (column.jwks_url, column.keys) {
        (None, None) => OwnKeys::Discovered,
        (Some(url), None) => OwnKeys::At(url.into()),
        (None, Some(keys)) => OwnKeys::Given(keys_from_json(&keys)?),
        (Some(_), Some(_)) => return None,
    };
    Some(RealmSettings {
        name,
        issuer: issuer.into(),
        audience: column.audience.into(),
        keys,
        algorithms: column
            .algorithms
            .iter()
            .map(|word| SigningAlgorithm::parse(word))
            .collect::<Option<_>>()?,
        claims: ClaimPaths {
            roles: path(column.roles),
            name: path(column.name),
            email: path(column.email),
        },
        lifetime_max: Duration::from_secs(column.lifetime_max_seconds),
    })
}

/// Reads a realm from the columns at `from`: id, `root_id`, name, issuer, settings, `created_at`,
/// `row_mac`.
pub(crate) fn read_realm(row: &impl Source, from: usize) -> Result<Unverified<OwnRealm>> {
    let id = |bytes| RealmId::from_bytes(bytes).to_string();
    let mut columns = Columns::new(row, from, OwnRealm::TABLE, id);
    let id = RealmId::from_bytes(columns.bytes("column id")?);
    let root = AccountId::from_bytes(columns.bytes("column root_id")?);
    let name = columns.parse("column name", |text| Name::parse(text).ok())?;
    let issuer = columns.text("column issuer")?;
    let settings =
        columns.parse("column settings", |text| settings_from_json(name, issuer, text))?;
    let created_at = columns.time("column created_at")?;
    let record = OwnRealm { id, root, settings, created_at };
    Ok(Unverified::new(record, columns.bytes("column row_mac")?))
}

/// A realm's columns in the order of [`read_realm`].
pub(crate) fn realm_cells(sealed: &Sealed<OwnRealm>) -> Result<[Cell<'_>; 7]> {
    let OwnRealm { id, root, settings, created_at } = sealed.record();
    Ok([
        Cell::bytes(id.as_bytes()),
        Cell::bytes(root.as_bytes()),
        Cell::text(settings.name.as_str()),
        Cell::text(&*settings.issuer),
        Cell::text(settings_to_json(settings)?),
        Cell::number(created_at.micros()),
        Cell::bytes(sealed.seal()),
    ])
}
