//! Admitting an admin JWT (RFC 7519, RFC 8725).

use super::keys::find_key;
use super::{ClaimPath, Realm, TenantBinding};
use crate::Plane;
use crate::actor::MemberActor;
use crate::clock::Timestamp;
use crate::error::{Denial, Error, Result, Unauthenticated};
use crate::ids::AccountId;
use crate::json::Json;
use crate::jwt::{Compact, Refused, audience, text, time};
use crate::limits;
use crate::permissions::PermissionSet;
use crate::text::{Line, Name};
use std::net::IpAddr;
use std::sync::Arc;

/// A token whose signature and claims are right. What it may do depends on the tenant asked for.
pub struct Admitted {
    realm: Arc<Realm>,
    claims: Json,
    subject: Box<str>,
}

const INVALID: Error = Error::NotAuthenticated(Unauthenticated::Invalid);

impl Plane {
    /// Admits an admin JWT. `realm` is the realm that the request selects, if it selects one.
    ///
    /// # Errors
    /// [`Error::NotAuthenticated`], for whatever reason; [`Error::RateLimited`] where the address
    /// has presented too many tokens that are refused; [`Error::Unavailable`] where the realm's keys are
    /// not known.
    pub async fn authenticate_member(
        &self,
        token: &str,
        realm: Option<&str>,
        address: Option<IpAddr>,
    ) -> Result<Admitted> {
        match self.admit(token, realm).await {
            Err(error @ Error::NotAuthenticated(_)) => {
                Err(self.misses.refuse_token(error, address, self.clock.monotonic()))
            }
            outcome => outcome,
        }
    }

    async fn admit(&self, token: &str, selected: Option<&str>) -> Result<Admitted> {
        let (realms, now) = (&self.realms, self.clock.now());
        let token = Compact::parse(token, limits::JWT_BYTES_MAX).map_err(refuse)?;
        let Compact { header, claims, .. } = &token;
        let typ = header.get("typ").map(Json::as_str);
        if !matches!(typ, None | Some(Some("JWT" | "jwt" | "at+jwt"))) {
            return Err(INVALID);
        }

        let issuer = text(claims, "iss").ok_or(INVALID)?;
        let realm = match realms.by_issuer(issuer) {
            Some(realm) => realm.clone(),
            None => self.find_own_realm(issuer).await?.ok_or(INVALID)?,
        };
        if selected.is_some_and(|selected| selected != &*realm.name) {
            return Err(INVALID);
        }
        let kid = text(header, "kid").ok_or(INVALID)?;
        let key = find_key(&realm, kid, &realms.fetch, &self.clock).await?.ok_or(INVALID)?;
        token.check_signature(&key.key, key.algorithm).map_err(refuse)?;
        if audience(claims) != Some(&*realm.audience) {
            return Err(INVALID);
        }
        check_times(claims, &realm, now)?;
        let subject = text(claims, "sub")
            .filter(|subject| Line::parse(subject).is_ok() && !subject.is_empty())
            .ok_or(INVALID)?;
        let subject = subject.into();
        Ok(Admitted { realm, claims: token.claims, subject })
    }
}

impl Admitted {
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
            realm: self.realm.member_realm.clone(),
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

fn find<'a>(claims: &'a Json, path: &ClaimPath) -> Option<&'a Json> {
    path.iter().try_fold(claims, |value, name| value.get(name))
}

const fn refuse(_: Refused) -> Error {
    INVALID
}

fn check_times(claims: &Json, realm: &Realm, now: Timestamp) -> Result<()> {
    let now = now.seconds();
    let leeway = i64::try_from(limits::JWT_LEEWAY.as_secs()).unwrap_or(0);
    let expiry = time(claims, "exp").map_err(refuse)?.ok_or(INVALID)?;
    let issued = time(claims, "iat").map_err(refuse)?;
    if expiry.saturating_add(leeway) <= now
        || issued.is_some_and(|issued| issued > now + leeway)
        || time(claims, "nbf").map_err(refuse)?.is_some_and(|start| start > now + leeway)
    {
        return Err(INVALID);
    }
    let lifetime = expiry.saturating_sub(issued.unwrap_or(now));
    if lifetime > i64::try_from(realm.lifetime_max.as_secs()).unwrap_or(i64::MAX) {
        return Err(Error::NotAuthenticated(Unauthenticated::TokenTooLongLived));
    }
    Ok(())
}
