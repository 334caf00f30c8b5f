//! Admitting an admin JWT (RFC 7519, RFC 8725): strict where the library is lenient.
//!
//! The library checks the signature. Header and claims are read here, strictly, before and after:
//! a duplicate member, an unknown critical header, a float where a time belongs or a list of
//! audiences is a refusal. No header can make the server fetch or open anything.

use super::{ClaimPath, Realm, Realms, TenantBinding};
use crate::Plane;
use crate::actor::MemberActor;
use crate::clock::Timestamp;
use crate::error::{Denial, Error, Result, Unauthenticated};
use crate::ids::AccountId;
use crate::json::{self, Json};
use crate::limits;
use crate::permissions::PermissionSet;
use crate::text::{Line, Name};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, Validation};
use std::net::IpAddr;
use std::sync::Arc;

/// A token whose signature and claims are right. What it may do depends on the tenant asked for.
pub struct Admitted<'a> {
    realm: &'a Realm,
    claims: Json,
    subject: Box<str>,
}

/// Headers that name a key or change how the token is read. None is needed, so none is accepted.
const HEADERS_REFUSED: [&str; 8] = ["jku", "jwk", "x5u", "x5c", "crit", "b64", "zip", "enc"];

const INVALID: Error = Error::NotAuthenticated(Unauthenticated::Invalid);

impl Plane {
    /// Admits an admin JWT. `realm` is the realm that the request selects, if it selects one.
    ///
    /// # Errors
    /// [`Error::NotAuthenticated`], for whatever reason; [`Error::RateLimited`] where the address
    /// has presented too many tokens that are refused.
    pub fn authenticate_member(
        &self,
        token: &str,
        realm: Option<&str>,
        address: Option<IpAddr>,
    ) -> Result<Admitted<'_>> {
        let admitted = self.realms.admit(token, realm, self.clock.now());
        admitted.map_err(|error| self.misses.refuse_token(error, address, self.clock.monotonic()))
    }
}

impl Realms {
    fn admit(&self, token: &str, selected: Option<&str>, now: Timestamp) -> Result<Admitted<'_>> {
        if token.len() > limits::JWT_BYTES_MAX {
            return Err(INVALID);
        }
        let mut parts = token.split('.');
        let (Some(header), Some(payload), Some(signature), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(INVALID);
        };
        if signature.is_empty() {
            return Err(INVALID);
        }
        let header = part(header)?;
        let claims = part(payload)?;
        if HEADERS_REFUSED.iter().any(|name| header.get(name).is_some()) {
            return Err(INVALID);
        }
        let typ = header.get("typ").map(Json::as_str);
        if !matches!(typ, None | Some(Some("JWT" | "jwt" | "at+jwt"))) {
            return Err(INVALID);
        }

        let realm =
            text(&claims, "iss").and_then(|issuer| self.by_issuer(issuer)).ok_or(INVALID)?;
        if selected.is_some_and(|selected| selected != &*realm.name) {
            return Err(INVALID);
        }
        let kid = text(&header, "kid").ok_or(INVALID)?;
        let key = realm.keys.iter().find(|key| &*key.kid == kid).ok_or(INVALID)?;
        if text(&header, "alg") != Some(name_of(key.algorithm)) {
            return Err(INVALID);
        }
        let mut validation = Validation::new(key.algorithm);
        validation.set_issuer(&[&realm.issuer]);
        validation.set_audience(&[&realm.audience]);
        // Times are checked below, by the plane's clock and without rounding.
        validation.validate_exp = false;
        validation.validate_nbf = false;
        validation.required_spec_claims.clear();
        jsonwebtoken::decode::<serde::de::IgnoredAny>(token, &key.key, &validation)
            .map_err(|_| INVALID)?;

        if audience(&claims) != Some(&*realm.audience) {
            return Err(INVALID);
        }
        check_times(&claims, realm, now)?;
        let subject = text(&claims, "sub")
            .filter(|subject| Line::parse(subject).is_ok() && !subject.is_empty())
            .ok_or(INVALID)?;
        let subject = subject.into();
        Ok(Admitted { realm, claims, subject })
    }
}

impl Admitted<'_> {
    /// The actor, acting for `tenant`.
    ///
    /// # Errors
    /// [`Denial::Role`] without an administrator's role, [`Denial::TenantMismatch`] where the
    /// realm may not speak for the tenant.
    pub fn act_for(&self, tenant: AccountId) -> Result<MemberActor> {
        let roles = self.roles();
        let super_admin = roles.contains(&"super_admin");
        if !super_admin && !roles.contains(&"tenant_admin") {
            return Err(Error::Forbidden(Denial::Role));
        }
        let own_tenant = self.own_tenant();
        if own_tenant != Some(tenant) && !(super_admin && self.realm.platform_wide) {
            return Err(Error::Forbidden(Denial::TenantMismatch));
        }
        let claim = |path: &ClaimPath| find(&self.claims, path).and_then(Json::as_str);
        Ok(MemberActor {
            realm: self.realm.name.clone(),
            subject: self.subject.clone(),
            name: claim(&self.realm.claims.name).and_then(|text| Name::parse(text).ok()),
            email: claim(&self.realm.claims.email)
                .and_then(|text| Line::parse(text).ok())
                .filter(|line| !line.as_str().is_empty()),
            tenant,
            own_tenant,
            // An administrator may do and grant whatever the tenant's master key may.
            permissions: Arc::new(PermissionSet::master()),
        })
    }

    /// Role names; none at all where the claim is anything but an array of strings.
    fn roles(&self) -> Vec<&str> {
        match find(&self.claims, &self.realm.claims.roles) {
            Some(Json::Array(values)) => {
                values.iter().map(Json::as_str).collect::<Option<Vec<_>>>().unwrap_or_default()
            }
            _ => Vec::new(),
        }
    }

    fn own_tenant(&self) -> Option<AccountId> {
        let claim = |path: &ClaimPath| find(&self.claims, path).and_then(Json::as_str);
        match &self.realm.binding {
            TenantBinding::ClaimedId(path) => {
                claim(path).and_then(|text| AccountId::parse_uuid(text).ok())
            }
            TenantBinding::Mapped(path, tenants) => {
                claim(path).and_then(|text| tenants.get(text).copied())
            }
            TenantBinding::Only(tenant) => Some(*tenant),
        }
    }
}

/// Decodes a part of a compact JWS: base64url without padding (RFC 7515 §2) of a JSON object.
fn part(encoded: &str) -> Result<Json> {
    let bytes = URL_SAFE_NO_PAD.decode(encoded).map_err(|_| INVALID)?;
    let value = json::parse(&bytes).map_err(|_| INVALID)?;
    if matches!(value, Json::Object(_)) { Ok(value) } else { Err(INVALID) }
}

fn text<'a>(object: &'a Json, name: &str) -> Option<&'a str> {
    object.get(name).and_then(Json::as_str)
}

fn find<'a>(claims: &'a Json, path: &ClaimPath) -> Option<&'a Json> {
    path.iter().try_fold(claims, |value, name| value.get(name))
}

/// The single audience of a token; `None` for several, which might be meant for somebody else.
fn audience(claims: &Json) -> Option<&str> {
    match claims.get("aud")? {
        Json::String(audience) => Some(audience),
        Json::Array(values) => match &values[..] {
            [Json::String(audience)] => Some(audience),
            _ => None,
        },
        _ => None,
    }
}

/// A NumericDate (RFC 7519 §2), whole seconds since the epoch. `Ok(None)` where absent.
fn time(claims: &Json, name: &str) -> Result<Option<i64>> {
    match claims.get(name) {
        None => Ok(None),
        Some(Json::Number(number)) => {
            number.as_i64().filter(|seconds| *seconds >= 0).map(Some).ok_or(INVALID)
        }
        Some(_) => Err(INVALID),
    }
}

fn check_times(claims: &Json, realm: &Realm, now: Timestamp) -> Result<()> {
    let now = now.seconds();
    let leeway = i64::try_from(limits::JWT_LEEWAY.as_secs()).unwrap_or(0);
    let expiry = time(claims, "exp")?.ok_or(INVALID)?;
    let issued = time(claims, "iat")?;
    if expiry.saturating_add(leeway) <= now
        || issued.is_some_and(|issued| issued > now + leeway)
        || time(claims, "nbf")?.is_some_and(|start| start > now + leeway)
    {
        return Err(INVALID);
    }
    let lifetime = expiry.saturating_sub(issued.unwrap_or(now));
    if lifetime > i64::try_from(realm.lifetime_max.as_secs()).unwrap_or(i64::MAX) {
        return Err(Error::NotAuthenticated(Unauthenticated::TokenTooLongLived));
    }
    Ok(())
}

/// The `alg` of RFC 7518 §3.1 and RFC 8037 §3.1. Symmetric algorithms have none here: a realm's
/// keys are public.
const fn name_of(algorithm: Algorithm) -> &'static str {
    match algorithm {
        Algorithm::ES256 => "ES256",
        Algorithm::ES384 => "ES384",
        Algorithm::RS256 => "RS256",
        Algorithm::RS384 => "RS384",
        Algorithm::RS512 => "RS512",
        Algorithm::PS256 => "PS256",
        Algorithm::PS384 => "PS384",
        Algorithm::PS512 => "PS512",
        Algorithm::EdDSA => "EdDSA",
        _ => "",
    }
}
