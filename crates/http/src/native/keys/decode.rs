//! Bodies that make or change a key.

use crate::native::accounts::{Violations, decode_metadata};
use crate::native::rates;
use ipnet::IpNet;
use std::net::IpAddr;
use tenantry_api::keys as api;
use tenantry_api::patch::Patch;
use tenantry_core::clock::Timestamp;
use tenantry_core::error::{Error, Problem};
use tenantry_core::keys::{KeyChanges, NewKey};
use tenantry_core::limits;
use tenantry_core::permissions::PermissionSet;
use tenantry_core::secrets::KeyFormat;
use tenantry_core::text::{Metadata, Name};

/// A key to make. Its permissions are those of a first key unless it says otherwise.
pub(super) fn new_key(body: api::CreateKey<'_>) -> Result<NewKey, Error> {
    let mut violations = Violations(Vec::new());
    let format = body.format.and_then(|word| {
        violations.take("format", KeyFormat::parse_made(&word).ok_or(Problem::Malformed))
    });
    let name = body.name.and_then(|text| violations.take("name", Name::parse(&text)));
    let permissions = match body.permissions {
        None => Some(PermissionSet::sub_account()),
        Some(texts) => violations.take("permissions", permissions(&texts)),
    };
    let expires_at =
        body.expires_at.and_then(|text| violations.take("expires_at", timestamp(&text)));
    let allowed_ips =
        violations.take("allowed_ips", networks(body.allowed_ips.as_deref().unwrap_or_default()));
    let metadata = decode_metadata(body.metadata, &mut violations);
    let limits = rates::decode_new(body.limits, &mut violations);
    match (permissions, allowed_ips, metadata) {
        (Some(permissions), Some(allowed_ips), Some(metadata)) if violations.0.is_empty() => {
            Ok(NewKey { format, name, permissions, expires_at, allowed_ips, metadata, limits })
        }
        _ => Err(Error::Invalid(violations.0)),
    }
}

/// What is to become of a key.
pub(super) fn changes(body: api::UpdateKey<'_>) -> Result<KeyChanges, Error> {
    let mut violations = Violations(Vec::new());
    let mut changes = KeyChanges {
        name: body
            .name
            .named()
            .map(|named| named.and_then(|text| violations.take("name", Name::parse(&text)))),
        expires_at: body
            .expires_at
            .named()
            .map(|named| named.and_then(|text| violations.take("expires_at", timestamp(&text)))),
        ..KeyChanges::default()
    };
    changes.permissions = match body.permissions {
        Patch::Keep => None,
        // Nothing is a set too, and is written as one.
        Patch::Clear => violations.take("permissions", Err(Problem::WrongType("an array"))),
        Patch::Set(texts) => violations.take("permissions", permissions(&texts)),
    };
    changes.allowed_ips = match body.allowed_ips {
        Patch::Keep => None,
        Patch::Clear => Some(Vec::new()),
        Patch::Set(texts) => violations.take("allowed_ips", networks(&texts)),
    };
    changes.metadata = match body.metadata {
        Patch::Keep => None,
        Patch::Clear => Some(Metadata::empty()),
        Patch::Set(text) => decode_metadata(Some(text), &mut violations),
    };
    rates::decode_changes(body.limits, &mut changes, &mut violations);
    if violations.0.is_empty() { Ok(changes) } else { Err(Error::Invalid(violations.0)) }
}

fn permissions(texts: &[String]) -> Result<PermissionSet, Problem> {
    PermissionSet::parse(texts.iter().map(String::as_str))
}

fn timestamp(text: &str) -> Result<Timestamp, Problem> {
    Timestamp::parse_rfc3339(text).ok_or(Problem::Malformed)
}

/// Networks in CIDR notation, and single addresses. Bits beyond the prefix say nothing and are
/// not kept.
pub(crate) fn networks(texts: &[String]) -> Result<Vec<IpNet>, Problem> {
    if texts.len() > limits::ALLOWED_IPS_MAX {
        return Err(Problem::TooMany(limits::ALLOWED_IPS_MAX));
    }
    let network = |text: &String| {
        let network = text.parse::<IpNet>().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
        network.map(|network| network.trunc()).map_err(|_| Problem::Malformed)
    };
    let mut networks: Vec<IpNet> = texts.iter().map(network).collect::<Result<_, _>>()?;
    networks.sort();
    networks.dedup();
    Ok(networks)
}
