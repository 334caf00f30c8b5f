//! Realms of an organization's own: issuers that it trusts for itself, and for nobody else.

use super::{ClaimPath, ClaimPaths, KeySource, PublishedKeys, Realm, TenantBinding};
use crate::Plane;
use crate::accounts::Account;
use crate::actor::Context;
use crate::audit::{Action, Target};
use crate::clock::Timestamp;
use crate::commit::Commit;
use crate::dialling::NamedBy;
use crate::error::{Conflict, Denial, Error, Kind, Problem, Result};
use crate::ids::{AccountId, RealmId};
use crate::limits;
use crate::oauth::{ClientKey, SigningAlgorithm};
use crate::permissions::{PermissionSet, Right};
use crate::replay::{Keep, Once};
use crate::secrets::{MacWriter, Protected, SealKey, Sealed};
use crate::text::Name;
use crate::verify::believed;
use std::sync::Arc;
use std::time::Duration;

/// A realm of an organization's own. It never changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnRealm {
    /// Its id, by which its members are known: another realm of the same name has others.
    pub id: RealmId,
    /// The organization, the only tenant that it speaks for.
    pub root: AccountId,
    /// What it says of itself.
    pub settings: RealmSettings,
    /// When it was made.
    pub created_at: Timestamp,
}

/// What is said of a realm.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RealmSettings {
    /// By which a request may select it.
    pub name: Name,
    /// The exact `iss` of its tokens, an https URL; unique in the plane.
    pub issuer: Box<str>,
    /// The exact `aud` of its tokens.
    pub audience: Box<str>,
    /// Where its keys are.
    pub keys: OwnKeys,
    /// With what its tokens may be signed.
    pub algorithms: Vec<SigningAlgorithm>,
    /// Where its claims are found.
    pub claims: ClaimPaths,
    /// Longest life of a token, `exp - iat`, in whole seconds.
    pub lifetime_max: Duration,
}

/// Where the keys of such a realm are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OwnKeys {
    /// Where the issuer's discovery document says.
    Discovered,
    /// The set at this https URL.
    At(Box<str>),
    /// These.
    Given(Vec<ClientKey>),
}

impl Protected for OwnRealm {
    const TABLE: &'static str = "realms";
    const KEY: SealKey = SealKey::Row;

    fn printed_id(&self) -> String {
        self.id.to_string()
    }

    fn write_to(&self, mac: &mut MacWriter) {
        let Self { id, root, settings, created_at } = self;
        let RealmSettings { name, issuer, audience, keys, algorithms, claims, lifetime_max } =
            settings;
        let ClaimPaths { roles, name: person, email } = claims;
        let count = |mac: &mut MacWriter, length: usize| {
            mac.number(i64::try_from(length).unwrap_or(i64::MAX));
        };
        mac.bytes(id.as_bytes());
        mac.bytes(root.as_bytes());
        for text in [name.as_str(), issuer, audience] {
            mac.text(text);
        }
        match keys {
            OwnKeys::Discovered => mac.text("discovered"),
            OwnKeys::At(url) => {
                mac.text("at");
                mac.text(url);
            }
            OwnKeys::Given(keys) => {
                mac.text("given");
                count(mac, keys.len());
                for (name, value) in keys.iter().flat_map(ClientKey::members) {
                    mac.text(name);
                    mac.text(&value);
                }
            }
        }
        count(mac, algorithms.len());
        for algorithm in algorithms {
            mac.text(algorithm.as_str());
        }
        for path in [roles, person, email] {
            count(mac, path.len());
            for name in path {
                mac.text(name);
            }
        }
        mac.number(i64::try_from(lifetime_max.as_secs()).unwrap_or(i64::MAX));
        mac.number(created_at.micros());
    }
}

impl OwnRealm {
    /// As tokens are admitted by it.
    pub(super) fn to_realm(&self) -> Realm {
        let settings = &self.settings;
        let published = |url: Option<Box<str>>| {
            let algorithms = settings.algorithms.clone();
            KeySource::Published(PublishedKeys::new(url, NamedBy::Customer, algorithms))
        };
        Realm {
            name: settings.name.as_str().into(),
            member_realm: self.id.to_string().into(),
            issuer: settings.issuer.clone(),
            audience: settings.audience.clone(),
            keys: match &settings.keys {
                OwnKeys::Discovered => published(None),
                OwnKeys::At(url) => published(Some(url.clone())),
                OwnKeys::Given(keys) => {
                    KeySource::Given(super::keys::usable(keys.clone(), &settings.algorithms))
                }
            },
            claims: settings.claims.clone(),
            binding: TenantBinding::Only(self.root),
            platform_wide: false,
            lifetime_max: settings.lifetime_max,
        }
    }
}

impl RealmSettings {
    fn check(&self) -> Result<()> {
        for (field, text) in [("issuer", &self.issuer), ("audience", &self.audience)] {
            check_length(field, text)?;
        }
        if !is_https(&self.issuer) {
            return Err(Error::invalid("issuer", Problem::Malformed));
        }
        match &self.keys {
            OwnKeys::At(url) => {
                check_length("jwks_url", url)?;
                if !is_https(url) {
                    return Err(Error::invalid("jwks_url", Problem::Malformed));
                }
            }
            OwnKeys::Given(keys) if keys.is_empty() => {
                return Err(Error::invalid("jwks", Problem::Blank));
            }
            OwnKeys::Given(keys) if keys.len() > limits::KEY_SET_KEYS_MAX => {
                let problem = Problem::TooMany(limits::KEY_SET_KEYS_MAX);
                return Err(Error::invalid("jwks", problem));
            }
            OwnKeys::Discovered | OwnKeys::Given(_) => {}
        }
        if self.algorithms.is_empty() {
            return Err(Error::invalid("algorithms", Problem::Blank));
        }
        let ClaimPaths { roles, name, email } = &self.claims;
        for (field, path) in
            [("claims.roles", roles), ("claims.name", name), ("claims.email", email)]
        {
            check_path(field, path)?;
        }
        let (seconds, most) = (self.lifetime_max.as_secs(), limits::JWT_LIFETIME_MAX.as_secs());
        if !(1..=most).contains(&seconds) {
            let most = i64::try_from(most).unwrap_or(i64::MAX);
            return Err(Error::invalid("lifetime_max_seconds", Problem::OutOfRange(1, most)));
        }
        Ok(())
    }
}

fn check_length(field: &'static str, text: &str) -> Result<()> {
    match text.len() {
        0 => Err(Error::invalid(field, Problem::Blank)),
        length if length > limits::ISSUER_BYTES_MAX => {
            Err(Error::invalid(field, Problem::TooLarge(limits::ISSUER_BYTES_MAX)))
        }
        _ if text.chars().any(char::is_control) => {
            Err(Error::invalid(field, Problem::ForbiddenCharacter))
        }
        _ => Ok(()),
    }
}

fn check_path(field: &'static str, path: &ClaimPath) -> Result<()> {
    if path.is_empty() || path.iter().any(|name| name.is_empty()) {
        return Err(Error::invalid(field, Problem::Blank));
    }
    if path.len() > limits::CLAIM_NAMES_MAX {
        return Err(Error::invalid(field, Problem::TooMany(limits::CLAIM_NAMES_MAX)));
    }
    if path.iter().any(|name| name.len() > limits::CLAIM_NAME_BYTES_MAX) {
        return Err(Error::invalid(field, Problem::TooLarge(limits::CLAIM_NAME_BYTES_MAX)));
    }
    Ok(())
}

/// By its form: whether it may be dialled is decided when it is.
fn is_https(url: &str) -> bool {
    url.strip_prefix("https://").is_some_and(|rest| {
        !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_graphic() && !b"@#\\\"<>".contains(&b))
    })
}

impl Plane {
    /// Makes a realm of the caller's organization. Its administrators may do whatever the
    /// organization's master key may.
    ///
    /// # Errors
    /// A missing permission; a caller who lacks any right of the organization, or whose own
    /// credential ends; [`Error::Invalid`]; [`Conflict::Taken`] for an issuer that the
    /// plane knows, or a name that the organization has; [`Error::LimitReached`] at
    /// the organization's maximum.
    pub async fn create_realm(
        &self,
        context: &Context,
        settings: RealmSettings,
        once: Once<'_, OwnRealm>,
    ) -> Result<OwnRealm> {
        let organization = self.realms_owner(context, Right::RealmsWrite).await?;
        context.actor.require_grant(&PermissionSet::master())?;
        context.actor.require_end(None)?;
        context.actor.require_unlimited()?;
        settings.check()?;
        if self.realms.knows(&settings.name, &settings.issuer) {
            return Err(Error::Conflict(Conflict::Taken));
        }
        let now = self.clock.now();
        let id = RealmId::generate(&*self.rng, now);
        let realm = OwnRealm { id, root: organization.id, settings, created_at: now };
        let audit = self
            .audit_event(context, realm.root, now, Action::RealmCreated, Target::Realm(id))
            .with("issuer", &realm.settings.issuer);
        let mut commit = Commit::audited(self.seal(audit));
        once.keep(self, &mut commit, id, Keep::Plain, &realm)?;
        let sealed = Sealed::new(realm.clone(), &self.secrets);
        self.store.insert_realm(&sealed, self.policy.realms_max, commit).await?;
        Ok(realm)
    }

    /// The realms of the caller's organization, oldest first.
    ///
    /// # Errors
    /// A missing permission.
    pub async fn list_realms(&self, context: &Context) -> Result<Vec<OwnRealm>> {
        let organization = self.realms_owner(context, Right::RealmsRead).await?;
        self.list_realms_of(&organization).await
    }

    /// Deletes a realm of the caller's organization: its tokens admit nobody from then on.
    ///
    /// # Errors
    /// A missing permission; [`Error::NotFound`] for one that does not exist or is somebody else's.
    pub async fn delete_realm(&self, context: &Context, id: RealmId) -> Result<OwnRealm> {
        let not_found = || Error::NotFound(Kind::Realm);
        let organization = self.acting_organization(&context.actor).await?;
        if context.actor.is_sub_account() {
            return Err(not_found());
        }
        let found = self.list_realms_of(&organization).await?;
        let realm = found.into_iter().find(|realm| realm.id == id).ok_or_else(not_found)?;
        context.actor.require(Right::RealmsWrite)?;
        let now = self.clock.now();
        let audit = self
            .audit_event(context, realm.root, now, Action::RealmDeleted, Target::Realm(id))
            .with("issuer", &realm.settings.issuer);
        let commit = Commit::audited(self.seal(audit));
        match self.store.delete_realm(realm.root, id, commit).await {
            Err(Error::Conflict(_)) => Err(not_found()),
            outcome => outcome.map(|_| realm),
        }
    }

    /// A realm of any organization by its exact issuer, with the keys that are known of it.
    pub(super) async fn find_own_realm(&self, issuer: &str) -> Result<Option<Arc<Realm>>> {
        if issuer.len() > limits::ISSUER_BYTES_MAX || !is_https(issuer) {
            return Ok(None);
        }
        let Some(found) = self.store.find_realm_by_issuer(issuer).await? else {
            return Ok(None);
        };
        let realm = believed(found.open(&self.secrets))?;
        Ok(realm.filter(|realm| *realm.settings.issuer == *issuer).map(|realm| {
            let made = || Ok::<_, std::convert::Infallible>(Arc::new(realm.to_realm()));
            match self.realms.own.get_or_insert_with(&realm.id, made) {
                Ok(realm) => realm,
                Err(never) => match never {},
            }
        }))
    }

    async fn list_realms_of(&self, organization: &Account) -> Result<Vec<OwnRealm>> {
        let rows = self.store.list_realms(organization.id, self.policy.realms_max).await?;
        let mut realms = Vec::with_capacity(rows.len());
        for (_, row) in rows {
            // A forged one has raised its alarm, and admits nobody.
            realms.extend(believed(row.and_then(|row| row.open(&self.secrets)))?);
        }
        Ok(realms)
    }

    /// The organization whose realms the caller may read or change.
    async fn realms_owner(&self, context: &Context, right: Right) -> Result<Account> {
        let organization = self.acting_organization(&context.actor).await?;
        context.actor.require(right)?;
        if context.actor.is_sub_account() {
            return Err(Error::Forbidden(Denial::OrganizationsOwn));
        }
        Ok(organization)
    }
}
