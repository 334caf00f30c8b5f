//! Words of which a text is one. The rules know them, the API's own structs do not.

use crate::openapi::part::Part;
use crate::openapi::values::{network, permission};
use tenantry_core::accounts::AccountStatus;
use tenantry_core::clock::Timestamp;
use tenantry_core::credentials::CredentialStatus;
use tenantry_core::realms::Preset;
use tenantry_core::secrets::KeyFormat;
use tenantry_core::service_accounts::ServiceAccountStatus;
use tenantry_core::verify::{Code, Kind};

/// Once every schema is there.
pub(super) fn close(part: &mut Part) {
    part.close("Account", "status", AccountStatus::ALL.map(AccountStatus::as_str));
    let at = Timestamp::from_micros(0);
    let statuses =
        [CredentialStatus::Active, CredentialStatus::Disabled, CredentialStatus::Revoked { at }];
    part.close("Key", "status", statuses.map(CredentialStatus::as_str));
    part.close("Key", "format", KeyFormat::OF_KEYS.map(KeyFormat::as_str));
    part.close("CreateKey", "format", KeyFormat::MADE.map(KeyFormat::as_str));
    part.close("Verdict", "code", Code::ALL.map(Code::as_str));
    part.close("Verdict", "kind", Kind::ALL.map(Kind::as_str));
    // One that is deleted is not shown any more.
    let shown = [ServiceAccountStatus::Active, ServiceAccountStatus::Disabled];
    part.close("ServiceAccount", "status", shown.map(ServiceAccountStatus::as_str));
    part.close("CreateRealm", "preset", Preset::ALL.map(Preset::as_str));
    // Members and the operator ask over other ways than a network's.
    part.close(
        "WhoAmI",
        "kind",
        [Kind::ApiKey, Kind::PlatformKey, Kind::AccessToken].map(Kind::as_str),
    );
    part.shape_entries("permissions", &permission());
    part.shape_entries("allowed_ips", &network());
    part.close("ForeignHash", "algorithm", ALGORITHMS);
}

const ALGORITHMS: [&str; 6] = ["sha256", "sha512", "hmac-sha256", "bcrypt", "scrypt", "argon2id"];
