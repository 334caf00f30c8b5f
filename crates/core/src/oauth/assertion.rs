//! `private_key_jwt`: a client proves itself with a JWT that it has signed (RFC 7523 §2.2, §3).
//!
//! Its audience is the issuer and nobody else: an assertion that also names another server could
//! be taken from there and used here. It is used once, on whichever node.

use super::client::{AuthenticatedClient, INVALID};
use super::{ClientCredential, TOKEN_PATH};
use crate::Plane;
use crate::clock::Timestamp;
use crate::error::{Conflict, Error, Result};
use crate::jwt::{Compact, Refused, audience, text, time};
use crate::limits;
use crate::secrets::Tag;
use crate::secrets::plain::is_client_id;
use crate::service_accounts::ServiceAccountStatus;
use crate::verify::{KnownClient, Source};
use std::net::IpAddr;
use std::time::Duration;

impl Plane {
    pub(super) async fn authenticate_assertion(
        &self,
        jwt: &str,
        named: Option<&str>,
        address: Option<IpAddr>,
    ) -> Result<AuthenticatedClient> {
        let now = self.clock.monotonic();
        let source = address.map(Source::bearer);
        // Before anything is looked up; given back where it was worth it.
        source.map_or(Ok(()), |source| self.misses.take(source, now))?;
        let client = self.check_assertion(jwt, named).await?.ok_or(INVALID)?;
        if let Some(source) = source {
            self.misses.give_back(source, now);
        }
        Ok(client)
    }

    async fn check_assertion(
        &self,
        jwt: &str,
        named: Option<&str>,
    ) -> Result<Option<AuthenticatedClient>> {
        let Ok(compact) = Compact::parse(jwt, limits::JWT_BYTES_MAX) else {
            return Ok(None);
        };
        let claims = &compact.claims;
        let id = text(claims, "iss").filter(|id| is_client_id(id));
        let id = id.filter(|id| text(claims, "sub") == Some(*id));
        let Some(id) = id.filter(|id| named.is_none_or(|named| named == *id)) else {
            return Ok(None);
        };
        let Some(client) = self.find_client(id).await? else {
            return Ok(None);
        };
        let now = self.clock.now();
        let Ok((kid, until)) = self.check_claims(&compact, &client, now) else {
            return Ok(None);
        };
        if client.status != ServiceAccountStatus::Active || !self.is_account_good(&client).await? {
            return Ok(None);
        }
        // Last: only what is good otherwise is written down.
        let jti = text(claims, "jti").unwrap_or_default();
        let used = Tag::from_bytes(
            self.secrets.idempotency_mac(b"client assertion", format!("{id} {jti}").as_bytes()),
        );
        match self.store.insert_used_assertion(&used, until, now).await {
            Ok(()) => {
                let credential = ClientCredential::Key(kid);
                Ok(Some(AuthenticatedClient { client, credential }))
            }
            Err(Error::Conflict(Conflict::Taken)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The `kid` of the key that signed, and until when the assertion could be used again.
    fn check_claims(
        &self,
        compact: &Compact<'_>,
        client: &KnownClient,
        now: Timestamp,
    ) -> Result<(Box<str>, Timestamp), Refused> {
        let Compact { header, claims, .. } = compact;
        let typ = header.get("typ").map(crate::json::Json::as_str);
        if !matches!(typ, None | Some(Some("JWT" | "jwt" | "client-authentication+jwt"))) {
            return Err(Refused);
        }
        let own = match (header.get("kid"), &client.keys[..]) {
            (None, [only]) => Some(only),
            (None, _) => None,
            (Some(_), keys) => {
                let kid = text(header, "kid");
                keys.iter().find(|key| Some(&*key.kid) == kid)
            }
        };
        let key = own.ok_or(Refused)?;
        compact.check_signature(&key.jwk.verifying(), key.jwk.algorithm().of_library())?;
        let meant = audience(claims).ok_or(Refused)?;
        let issuer = self.issuer();
        let at_token_endpoint =
            || client.token_endpoint_audience && meant.strip_prefix(issuer) == Some(TOKEN_PATH);
        if meant != issuer && !at_token_endpoint() {
            return Err(Refused);
        }
        let jti = text(claims, "jti").ok_or(Refused)?;
        if jti.is_empty() || jti.len() > limits::ASSERTION_ID_BYTES_MAX {
            return Err(Refused);
        }
        Ok((key.kid.clone(), check_times(compact, now)?))
    }
}

/// Until when an assertion holds: its `exp`, but not for long after it was issued, however far off
/// that is. Without `iat` its `exp` must be near.
fn check_times(compact: &Compact<'_>, now: Timestamp) -> Result<Timestamp, Refused> {
    let claims = &compact.claims;
    let seconds = |time: Duration| i64::try_from(time.as_secs()).unwrap_or(0);
    let (leeway, most) = (seconds(limits::JWT_LEEWAY), seconds(limits::ASSERTION_AGE_MAX));
    let now = now.seconds();
    let expiry = time(claims, "exp")?.ok_or(Refused)?;
    let issued = time(claims, "iat")?;
    let starts = time(claims, "nbf")?;
    if issued.max(starts).is_some_and(|start| start > now + leeway) {
        return Err(Refused);
    }
    let until = match issued {
        Some(issued) => expiry.min(issued.saturating_add(most)),
        None if expiry > now + most => return Err(Refused),
        None => expiry,
    };
    if until <= now { Err(Refused) } else { Ok(Timestamp::from_seconds(until)) }
}
