//! Access tokens: what they say, whether that is still so, and the cache of those that were seen.
//!
//! The cache finds a token by its id, so that its revocation takes it out whatever its text is: an
//! ECDSA signature can be rewritten into another good one. A token that was seen is neither read nor
//! checked against its signature again: the digest of its text leads to its id, and has to be that of
//! the text that was seen.

use super::cache::{CacheKey, VerifyCache};
use super::clients::{Hold, KnownClient};
use super::known::{Known, Standing, State};
use crate::Plane;
use crate::clock::Timestamp;
use crate::error::Result;
use crate::ids::from_uuid;
use crate::json::Json;
use crate::jwt::{Compact, text, time};
use crate::limits;
use crate::oauth::ClientCredential;
use crate::permissions::{Grants, PermissionSet};
use crate::secrets::Tag;
use crate::secrets::plain::SecretKind;
use crate::service_accounts::ServiceAccountStatus;
use aws_lc_rs::digest;
use std::sync::Arc;

/// What an access token says of itself. Its signature was ours.
#[derive(Debug, PartialEq, Eq)]
pub struct AccessToken {
    /// Its `jti`.
    pub id: Box<str>,
    /// Whom it was issued to.
    pub client_id: Box<str>,
    /// Whom it is for.
    pub audience: Vec<Box<str>>,
    /// What was granted; what it may do now is that and what its service account may.
    pub scope: PermissionSet,
    /// Its `iat`, in seconds.
    pub issued_at: i64,
    /// Its `exp`, in seconds.
    pub expires_at: i64,
    /// To the millisecond, from its id.
    pub(crate) issued: Timestamp,
    pub(crate) credential: ClientCredential,
}

impl AccessToken {
    /// True for a token that is for `audience` and nobody else.
    pub(crate) fn is_only_for(&self, audience: &str) -> bool {
        matches!(&self.audience[..], [own] if **own == *audience)
    }
}

/// A token that was seen, and the client as it was then.
#[derive(Debug)]
pub(crate) struct KnownToken {
    pub(super) digest: [u8; 32],
    token: Arc<AccessToken>,
    client: Arc<KnownClient>,
    client_key: CacheKey,
    known: Known,
}

/// What a text is that has the form of a token.
pub(crate) enum PresentedToken {
    Malformed,
    /// Not one of ours, or of a client that is gone.
    Unknown,
    /// It is, or was, good.
    Known(Known),
}

/// A token as the store has it.
pub(super) struct ReadToken {
    pub(super) known: Known,
    pub(super) token: Arc<AccessToken>,
    pub(super) client: KnownClient,
    pub(super) standing: Standing,
}

impl Plane {
    /// What is known of a token: from the cache where it was seen before.
    pub(crate) async fn find_token(&self, presented: &str) -> Result<PresentedToken> {
        // Before the cache is looked at, as for every credential.
        self.require_fresh()?;
        let cache = &self.cluster.cache;
        let digest = digest_of(presented);
        let seen = cache.find_token(&digest);
        if let Some(seen) = seen.as_ref().filter(|seen| cache.has_client_of(seen)) {
            return Ok(PresentedToken::Known(seen.known.clone()));
        }
        let token = match &seen {
            Some(seen) => seen.token.clone(),
            None => match self.check_presented(presented).await? {
                Ok(token) => Arc::new(token),
                Err(not_known) => return Ok(not_known),
            },
        };
        let client = self.find_client_with(&token.client_id, &token.credential).await?;
        let Some(client) = client else {
            return Ok(PresentedToken::Unknown);
        };
        if let Some(seen) = seen.filter(|seen| Arc::ptr_eq(&seen.client, &client)) {
            return Ok(PresentedToken::Known(seen.known.clone()));
        }
        let epoch = cache.epoch();
        let tag = self.token_tag(&token.id);
        let (head, revoked) = self.store.find_revocation(client.account.root(), &tag).await?;
        let known = known(&client, &token, revoked);
        let client_key = CacheKey::of(&self.client_tag(&token.client_id));
        let seen = Arc::new(KnownToken { digest, token, client, client_key, known: known.clone() });
        cache.fill_token(&tag, &seen, head, epoch);
        Ok(PresentedToken::Known(known))
    }

    /// What the store says of a token; none for one that is not ours, or whose client is gone.
    pub(super) async fn read_token(&self, presented: &str) -> Result<Option<ReadToken>> {
        let Ok(compact) = Compact::parse(presented, limits::ACCESS_TOKEN_BYTES_MAX) else {
            return Ok(None);
        };
        let Some(token) = self.check_token(&compact).await? else {
            return Ok(None);
        };
        let Some(read) = self.read_client(&token.client_id).await? else {
            return Ok(None);
        };
        let (root, tag) = (read.service_account.root, self.token_tag(&token.id));
        let (_, revoked) = self.store.find_revocation(root, &tag).await?;
        let (client, token, standing) = (read.alone(), Arc::new(token), read.standing());
        let known = known(&client, &token, revoked);
        Ok(Some(ReadToken { known, token, client, standing }))
    }

    /// What a token is revoked, and found in the cache, by.
    pub(crate) fn token_tag(&self, id: &str) -> Tag {
        self.secrets.tag(SecretKind::AccessToken, id)
    }

    /// A token that was not seen before, or what is to be said of the text.
    async fn check_presented(
        &self,
        presented: &str,
    ) -> Result<std::result::Result<AccessToken, PresentedToken>> {
        let compact = Compact::parse(presented, limits::ACCESS_TOKEN_BYTES_MAX).ok();
        let Some(compact) = compact.filter(|it| text(&it.claims, "jti").is_some()) else {
            return Ok(Err(PresentedToken::Malformed));
        };
        Ok(self.check_token(&compact).await?.ok_or(PresentedToken::Unknown))
    }

    /// The claims of a token that this plane has signed (RFC 9068 §4).
    async fn check_token(&self, compact: &Compact<'_>) -> Result<Option<AccessToken>> {
        let Compact { header, claims, .. } = compact;
        if text(header, "typ") != Some("at+jwt") || text(claims, "iss") != Some(self.issuer()) {
            return Ok(None);
        }
        let Some(kid) = text(header, "kid") else {
            return Ok(None);
        };
        let (ring, now) = (self.key_ring().await?, self.clock.now());
        let signed = ring.find(kid, now).is_some_and(|key| {
            compact.check_signature(&key.verifying, key.algorithm.of_library()).is_ok()
        });
        Ok(if signed { read_claims(claims, now) } else { None })
    }
}

impl VerifyCache {
    /// The token whose text has this digest.
    fn find_token(&self, digest: &[u8; 32]) -> Option<Arc<KnownToken>> {
        let id = self.texts.get(&CacheKey::of_digest(digest))?;
        self.tokens.get(&id).filter(|seen| seen.digest == *digest)
    }

    /// Whether the client of a token is as it was when the token was seen, and has its credential.
    fn has_client_of(&self, seen: &KnownToken) -> bool {
        let client = self.clients.get(&seen.client_key);
        client.is_some_and(|client| Arc::ptr_eq(&client, &seen.client))
            && seen.client.hold(&seen.token.credential) != Hold::Gone
    }
}

/// `None` unless every claim is there and of its form.
fn read_claims(claims: &Json, now: Timestamp) -> Option<AccessToken> {
    let leeway = i64::try_from(limits::JWT_LEEWAY.as_secs()).unwrap_or(0);
    let client_id = text(claims, "client_id").filter(|id| text(claims, "sub") == Some(*id))?;
    let expires_at = time(claims, "exp").ok()??;
    let issued_at = time(claims, "iat").ok()??;
    let starts = time(claims, "nbf").ok()?.unwrap_or(issued_at).max(issued_at);
    if starts > now.seconds() + leeway {
        return None;
    }
    let id = text(claims, "jti")?;
    let scope = match claims.get("scope") {
        None => PermissionSet::default(),
        Some(scope) => PermissionSet::parse(scope.as_str()?.split(' ')).ok()?,
    };
    Some(AccessToken {
        id: id.into(),
        client_id: client_id.into(),
        audience: audience(claims)?,
        scope,
        issued_at,
        expires_at,
        issued: issued(id)?,
        credential: ClientCredential::parse(text(claims, "client_credential")?)?,
    })
}

fn audience(claims: &Json) -> Option<Vec<Box<str>>> {
    match claims.get("aud")? {
        Json::String(one) => Some(vec![one.as_str().into()]),
        Json::Array(several) if !several.is_empty() => {
            several.iter().map(|one| one.as_str().map(Box::from)).collect()
        }
        _ => None,
    }
}

/// The time in a `UUIDv7` (RFC 9562 §5.7).
fn issued(id: &str) -> Option<Timestamp> {
    let bytes = from_uuid(id).ok()?;
    let mut millis = [0; 8];
    millis[2..].copy_from_slice(&bytes[..6]);
    Some(Timestamp::from_micros(i64::from_be_bytes(millis).checked_mul(1000)?))
}

fn digest_of(presented: &str) -> [u8; 32] {
    let mut bytes = [0; 32];
    bytes.copy_from_slice(digest::digest(&digest::SHA256, presented.as_bytes()).as_ref());
    bytes
}

/// A token as its client is now.
fn known(client: &KnownClient, token: &Arc<AccessToken>, revoked: bool) -> Known {
    let hold = client.hold(&token.credential);
    let over = revoked
        || hold == Hold::Gone
        || client.not_before.is_some_and(|not_before| token.issued <= not_before);
    let state = match client.status {
        ServiceAccountStatus::Deleted => State::Revoked,
        _ if over => State::Revoked,
        ServiceAccountStatus::Disabled => State::Disabled,
        ServiceAccountStatus::Active => State::Active,
    };
    let own = Timestamp::from_seconds(token.expires_at);
    let end = match hold {
        Hold::Until(end) => end.min(own),
        Hold::Open | Hold::Gone => own,
    };
    let grants = Grants::new(token.scope.meet(&client.permissions));
    Known::of_token(client, token.clone(), grants, state, end)
}
