//! What is known of a client beside its service account: the public keys that it may prove itself
//! with, and since when its tokens count.

use super::jwk::Jwk;
use crate::Plane;
use crate::actor::Context;
use crate::audit::{Action, Target};
use crate::clock::Timestamp;
use crate::cluster::Effective;
use crate::commit::{Change, Commit};
use crate::error::{Conflict, Error, Problem, Result};
use crate::ids::{AccountId, ServiceAccountId};
use crate::json::Json;
use crate::jwt::text;
use crate::limits;
use crate::permissions::Right;
use crate::secrets::{MacWriter, Protected, SealKey, Sealed};
use crate::service_accounts::ServiceAccount;

/// A public key of a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientKey {
    /// Its `kid`: the client's own, or its thumbprint.
    pub kid: Box<str>,
    /// The key.
    pub jwk: Jwk,
}

impl ClientKey {
    /// Reads a JWK.
    ///
    /// # Errors
    /// As [`Jwk::parse`]; [`Problem::Malformed`] for a `kid` that is not 1 to 128 visible ASCII
    /// characters.
    pub fn parse(jwk: &Json) -> Result<Self, Problem> {
        let key = Jwk::parse(jwk)?;
        let kid = match jwk.get("kid") {
            None => key.thumbprint(),
            Some(_) => text(jwk, "kid")
                .filter(|kid| (1..=limits::KID_BYTES_MAX).contains(&kid.len()))
                .filter(|kid| kid.bytes().all(|b| b.is_ascii_graphic()))
                .ok_or(Problem::Malformed)?
                .to_owned(),
        };
        Ok(Self { kid: kid.into(), jwk: key })
    }

    /// Its members, by name, as they are stored and shown.
    #[must_use]
    pub fn members(&self) -> Vec<(&'static str, String)> {
        let mut members = vec![
            ("kid", self.kid.to_string()),
            ("use", "sig".to_owned()),
            ("alg", self.jwk.algorithm().as_str().to_owned()),
        ];
        members.extend(self.jwk.members());
        members
    }
}

/// What is known of a client beside its service account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientSettings {
    /// The service account.
    pub service_account: ServiceAccountId,
    /// The root account of its tree.
    pub root: AccountId,
    /// The keys that it may prove itself with.
    pub keys: Vec<ClientKey>,
    /// Whether its assertions may name the token endpoint's URL as their audience.
    pub token_endpoint_audience: bool,
    /// Tokens that were issued until then are over.
    pub not_before: Option<Timestamp>,
    /// Grows by one with every change.
    pub version: u64,
}

impl ClientSettings {
    /// What holds for a client of which nothing is stored.
    pub(crate) fn of(service_account: &ServiceAccount) -> Self {
        Self {
            service_account: service_account.id,
            root: service_account.root,
            keys: Vec::new(),
            token_endpoint_audience: false,
            not_before: None,
            version: 0,
        }
    }
}

impl Protected for ClientSettings {
    const TABLE: &'static str = "client_settings";
    const KEY: SealKey = SealKey::Row;

    fn printed_id(&self) -> String {
        self.service_account.to_string()
    }

    fn write_to(&self, mac: &mut MacWriter) {
        let Self { service_account, root, keys, token_endpoint_audience, not_before, version } =
            self;
        mac.bytes(service_account.as_bytes());
        mac.bytes(root.as_bytes());
        mac.number(i64::try_from(keys.len()).unwrap_or(i64::MAX));
        for (name, value) in keys.iter().flat_map(ClientKey::members) {
            mac.text(name);
            mac.text(&value);
        }
        mac.number((*token_endpoint_audience).into());
        mac.optional(*not_before, |mac, at| mac.number(at.micros()));
        mac.number(i64::try_from(*version).unwrap_or(i64::MAX));
    }
}

/// The keys that a client is to have, all of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewClientKeys {
    /// The keys.
    pub keys: Vec<ClientKey>,
    /// Whether its assertions may name the token endpoint's URL as their audience.
    pub token_endpoint_audience: bool,
}

/// A change to make.
enum Wanted<'a> {
    Keys(&'a NewClientKeys),
    TokensEnded(Timestamp),
}

impl Plane {
    /// The keys of a service account of the caller's tree.
    ///
    /// # Errors
    /// [`Error::NotFound`] for one that does not exist, is deleted or somebody else's; a missing
    /// permission.
    pub async fn find_client_keys(
        &self,
        context: &Context,
        id: ServiceAccountId,
    ) -> Result<ClientSettings> {
        let (service_account, _) = self.service_account_in_reach(context, id).await?;
        context.actor.require(Right::ServiceAccountsRead)?;
        self.settings_of(&service_account).await
    }

    /// Replaces the keys of a service account. Whoever holds one of them gets what the service
    /// account may do, for as long as it is among them; tokens got with one that is not among them
    /// any more are over.
    ///
    /// # Errors
    /// As [`Self::find_client_keys`]; a service account that has more than the caller, or a caller
    /// whose own credential ends; [`Error::Invalid`] for more than [`limits::CLIENT_KEYS_MAX`] keys
    /// and for two of one `kid`.
    pub async fn set_client_keys(
        &self,
        context: &Context,
        id: ServiceAccountId,
        new: &NewClientKeys,
    ) -> Result<(ClientSettings, Effective)> {
        if new.keys.len() > limits::CLIENT_KEYS_MAX {
            return Err(Error::invalid("keys", Problem::TooMany(limits::CLIENT_KEYS_MAX)));
        }
        for (index, key) in new.keys.iter().enumerate() {
            if new.keys[..index].iter().any(|other| other.kid == key.kid) {
                return Err(Error::invalid(format!("keys.{index}.kid"), Problem::Repeated));
            }
        }
        self.change_client(context, id, &Wanted::Keys(new)).await
    }

    /// Ends every access token that a service account of the caller's tree was given until now.
    ///
    /// # Errors
    /// As [`Self::find_client_keys`].
    pub async fn revoke_client_tokens(
        &self,
        context: &Context,
        id: ServiceAccountId,
    ) -> Result<Effective> {
        let wanted = Wanted::TokensEnded(self.clock.now());
        self.change_client(context, id, &wanted).await.map(|(_, effective)| effective)
    }

    async fn change_client(
        &self,
        context: &Context,
        id: ServiceAccountId,
        wanted: &Wanted<'_>,
    ) -> Result<(ClientSettings, Effective)> {
        for _ in 0..limits::RETRIES_MAX {
            let (service_account, organization) =
                self.service_account_in_reach(context, id).await?;
            context.actor.require(Right::ServiceAccountsWrite)?;
            let mut settings = self.settings_of(&service_account).await?;
            let action = match wanted {
                Wanted::Keys(new) => {
                    let added = new.keys.iter().any(|key| !settings.keys.contains(key));
                    if added || (new.token_endpoint_audience && !settings.token_endpoint_audience) {
                        context.actor.require_grant(&service_account.permissions)?;
                        context.actor.require_end(None)?;
                        context.actor.require_unlimited()?;
                    }
                    settings.keys.clone_from(&new.keys);
                    settings.token_endpoint_audience = new.token_endpoint_audience;
                    Action::ClientKeysChanged
                }
                Wanted::TokensEnded(at) => {
                    settings.not_before = settings.not_before.max(Some(*at));
                    Action::TokensRevoked
                }
            };
            settings.version += 1;
            let now = self.clock.now();
            let target = Target::ServiceAccount(id);
            let mut audit = self
                .audit_event(context, organization.id, now, action, target)
                .with("client_id", &service_account.client_id);
            if matches!(wanted, Wanted::Keys(_)) {
                let kids: Vec<String> =
                    settings.keys.iter().map(|key| key.jwk.thumbprint()).collect();
                audit = audit.with("thumbprints", kids.join(" "));
            }
            let subjects = [self.client_subject(&service_account.client_id)];
            let change = Change::new(&*self.rng, service_account.root, subjects);
            let commit = Commit::changing(self.seal(audit), change.clone());
            let sealed = Sealed::new(settings.clone(), &self.secrets);
            match self.store.save_client_settings(&sealed, commit).await {
                Err(Error::Conflict(Conflict::Changed)) => {}
                outcome => return Ok((settings, self.publish(&change, outcome)?)),
            }
        }
        Err(Error::Conflict(Conflict::Changed))
    }

    async fn settings_of(&self, service_account: &ServiceAccount) -> Result<ClientSettings> {
        let (root, id) = (service_account.root, service_account.id);
        match self.store.find_client_settings(root, id).await? {
            Some(found) => found.open(&self.secrets),
            None => Ok(ClientSettings::of(service_account)),
        }
    }
}
