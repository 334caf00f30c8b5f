//! Realms: trusted issuers of admin JWTs, and how their claims are read.
//!
//! The operator's own, built-in realm is `local`; its tokens come from `tenantry token`.

mod issue;
mod keys;
mod own;
mod preset;
mod token;

pub use issue::{IssuedToken, NewToken};
pub use keys::{KeySource, PublishedKeys, parse_key_set};
pub use own::{OwnKeys, OwnRealm, RealmSettings};
pub use preset::Preset;
pub use token::Admitted;

use crate::dialling::NamedBy;
use crate::error::{BoxError, Error, Result};
use crate::ids::{AccountId, RealmId};
use crate::limits;
use crate::secrets::SecretsMaterial;
use crate::text::Name;
use async_trait::async_trait;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey};
use quick_cache::sync::Cache;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

/// Name of the built-in realm.
pub const LOCAL: &str = "local";
/// Its issuer.
pub const LOCAL_ISSUER: &str = "urn:tenantry:local";
/// The audience that admin JWTs of the built-in realm are made for.
pub const LOCAL_AUDIENCE: &str = "tenantry";

/// A trusted issuer.
pub struct Realm {
    /// Its name, by which a request may select it.
    pub name: Box<str>,
    /// By what its members are told from those of other realms.
    pub member_realm: Box<str>,
    /// The exact `iss` of its tokens; unique in the plane.
    pub issuer: Box<str>,
    /// The exact `aud` of its tokens.
    pub audience: Box<str>,
    /// Its keys.
    pub keys: KeySource,
    /// Where its claims are found.
    pub claims: ClaimPaths,
    /// Which tenants it may speak for.
    pub binding: TenantBinding,
    /// Whether its `super_admin` may act for tenants other than the token's own.
    pub platform_wide: bool,
    /// Longest life of a token, `exp - iat`.
    pub lifetime_max: Duration,
}

/// A public key of a realm, good for exactly one algorithm.
#[derive(Clone)]
pub struct RealmKey {
    /// Its `kid`.
    pub kid: Box<str>,
    /// The one algorithm that it verifies.
    pub algorithm: Algorithm,
    /// The key.
    pub key: DecodingKey,
}

/// Member names on the way from the claims object to a value.
pub type ClaimPath = Vec<Box<str>>;

/// Where a realm's claims are found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimPaths {
    /// An array of role names.
    pub roles: ClaimPath,
    /// The person's name.
    pub name: ClaimPath,
    /// The person's e-mail address.
    pub email: ClaimPath,
}

/// Which tenants a realm may speak for. Decided on this side: a token never binds itself.
pub enum TenantBinding {
    /// The tenant whose id, as a UUID, stands at this path. Only for a realm whose tokens the
    /// operator alone can make.
    ClaimedId(ClaimPath),
    /// The tenant that the realm maps the value at this path to.
    Mapped(ClaimPath, HashMap<Box<str>, AccountId>),
    /// This one, whatever the claims say.
    Only(AccountId),
}

/// How documents of issuers are had.
#[async_trait]
pub trait KeyFetch: Send + Sync {
    /// The document at `url`, which `named_by` decides may be anywhere. Bounded in time and size; a
    /// redirect is a failure.
    async fn fetch(&self, url: &str, named_by: NamedBy) -> Result<Vec<u8>, BoxError>;
}

/// Fetches nothing.
struct NoFetch;

#[async_trait]
impl KeyFetch for NoFetch {
    async fn fetch(&self, _: &str, _: NamedBy) -> Result<Vec<u8>, BoxError> {
        Err("this process fetches nothing".into())
    }
}

/// All realms of a plane, and the key that signs the built-in one's tokens.
pub struct Realms {
    trusted: Vec<Arc<Realm>>,
    /// Realms of organizations, for the sake of their keys.
    own: Cache<RealmId, Arc<Realm>>,
    fetch: Arc<dyn KeyFetch>,
    local_kid: Box<str>,
    local_key: EncodingKey,
}

impl Realms {
    /// The built-in realm and `others`.
    ///
    /// # Errors
    /// [`Error::Internal`] where the built-in realm's key cannot be read, [`Error::Invalid`] where
    /// two realms share a name or an issuer.
    pub fn new(
        material: &SecretsMaterial,
        local_platform_wide: bool,
        others: Vec<Realm>,
    ) -> Result<Self> {
        let der = &material.local_realm_key[..];
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der)
            .map_err(Error::internal)?;
        let public = pair.public_key().as_ref();
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, public);
        let kid: Box<str> = bs58::encode(&digest.as_ref()[..12]).into_string().into();
        let path = |name: &str| vec![Box::from(name)];
        let mut realms = vec![Arc::new(Realm {
            name: LOCAL.into(),
            member_realm: LOCAL.into(),
            issuer: LOCAL_ISSUER.into(),
            audience: LOCAL_AUDIENCE.into(),
            keys: KeySource::Given(vec![RealmKey {
                kid: kid.clone(),
                algorithm: Algorithm::ES256,
                key: DecodingKey::from_ec_der(public),
            }]),
            claims: ClaimPaths { roles: path("roles"), name: path("name"), email: path("email") },
            binding: TenantBinding::ClaimedId(path("tenant_id")),
            platform_wide: local_platform_wide,
            lifetime_max: limits::JWT_LIFETIME_MAX,
        })];
        for realm in others {
            if realms.iter().any(|r| r.name == realm.name || r.issuer == realm.issuer) {
                return Err(Error::invalid("realms", crate::error::Problem::Reserved));
            }
            realms.push(Arc::new(realm));
        }
        let local_key = EncodingKey::from_ec_der(der);
        let own = Cache::new(limits::REALM_CACHE_ENTRIES);
        Ok(Self { trusted: realms, own, fetch: Arc::new(NoFetch), local_kid: kid, local_key })
    }

    /// The same, with a way to fetch the keys that issuers publish.
    #[must_use]
    pub fn fetching(self, fetch: Arc<dyn KeyFetch>) -> Self {
        Self { fetch, ..self }
    }

    /// Whether the operator has given this name or this issuer to a realm.
    fn knows(&self, name: &Name, issuer: &str) -> bool {
        let same = |realm: &Arc<Realm>| *realm.name == *name.as_str() || *realm.issuer == *issuer;
        self.trusted.iter().any(same)
    }

    fn by_issuer(&self, issuer: &str) -> Option<&Arc<Realm>> {
        self.trusted.iter().find(|realm| &*realm.issuer == issuer)
    }
}
