//! Access tokens are made (RFC 9068 §2).

use super::client::AuthenticatedClient;
use super::scope;
use crate::Plane;
use crate::error::{Error, Problem, Result};
use crate::ids::TokenId;
use crate::limits;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use std::time::Duration;
use zeroize::Zeroizing;

/// What a client asks for.
#[derive(Clone, Copy, Debug)]
pub struct TokenRequest<'a> {
    /// Permissions with blanks between; all of its own unless given.
    pub scope: Option<&'a str>,
    /// Whom the token is for (RFC 8707); the issuer unless given.
    pub resources: &'a [String],
}

/// A token that was made.
pub struct IssuedAccessToken {
    token: Zeroizing<String>,
    /// What it grants, permissions with blanks between; none where that is nothing.
    pub scope: Option<String>,
    /// How long it lives.
    pub lifetime: Duration,
}

impl IssuedAccessToken {
    /// The token, for the reply.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.token
    }
}

impl Plane {
    /// Makes an access token for a client. Nothing is stored.
    ///
    /// # Errors
    /// [`Error::Invalid`] in `scope` for what is no permission or not the client's, in `resource`
    /// for what is no absolute URI, for too many, and for too long ones.
    pub async fn issue_access_token(
        &self,
        client: &AuthenticatedClient,
        request: &TokenRequest<'_>,
    ) -> Result<IssuedAccessToken> {
        let own = &client.client.permissions;
        let granted = match request.scope {
            None => own.clone(),
            Some(asked) => {
                let asked = scope::parse(asked)?;
                if !own.covers(&asked) {
                    return Err(Error::invalid("scope", Problem::NotGranted));
                }
                asked
            }
        };
        let audience = audience(request.resources, self.issuer())?;
        let ring = self.key_ring().await?;
        let now = self.clock.now();
        let signer = ring.signer(now).ok_or_else(|| Error::internal("no key signs"))?;
        let issued = now.seconds();
        let most = issued.saturating_add(seconds(limits::ACCESS_TOKEN_LIFETIME));
        // A token does not outlive what it was got with.
        let expiry = client.end().map_or(most, |end| end.seconds().min(most));
        let header =
            json!({ "typ": "at+jwt", "alg": signer.algorithm.as_str(), "kid": signer.kid() });
        let scope = scope::print(&granted);
        let mut claims = json!({
            "iss": self.issuer(),
            "sub": client.client.client_id,
            "client_id": client.client.client_id,
            "aud": audience,
            "iat": issued,
            "exp": expiry,
            "jti": TokenId::generate(&*self.rng, now).to_uuid(),
            "account_id": client.client.account.id.to_string(),
            "client_credential": client.credential.to_string(),
        });
        if !scope.is_empty() {
            claims["scope"] = scope.as_str().into();
        }
        let mut token = Zeroizing::new(String::with_capacity(1024));
        for part in [header, claims] {
            URL_SAFE_NO_PAD.encode_string(part.to_string(), &mut token);
            token.push('.');
        }
        let signature = signer.sign(token.trim_end_matches('.').as_bytes()).await?;
        URL_SAFE_NO_PAD.encode_string(signature, &mut token);
        let lifetime = u64::try_from(expiry - issued).map(Duration::from_secs);
        let lifetime = lifetime.map_err(Error::internal)?;
        Ok(IssuedAccessToken { token, scope: (!scope.is_empty()).then_some(scope), lifetime })
    }
}

fn seconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_secs()).unwrap_or(0)
}

/// The `aud` of a token: a string for one, an array for several.
fn audience(resources: &[String], issuer: &str) -> Result<Value> {
    let invalid = |problem| Error::invalid("resource", problem);
    if resources.len() > limits::RESOURCES_MAX {
        return Err(invalid(Problem::TooMany(limits::RESOURCES_MAX)));
    }
    let mut named: Vec<&str> = Vec::with_capacity(resources.len());
    for resource in resources {
        if resource.len() > limits::RESOURCE_BYTES_MAX {
            return Err(invalid(Problem::TooLarge(limits::RESOURCE_BYTES_MAX)));
        }
        if !is_absolute_uri(resource) {
            return Err(invalid(Problem::Malformed));
        }
        if !named.contains(&resource.as_str()) {
            named.push(resource);
        }
    }
    Ok(match named[..] {
        [] => issuer.into(),
        [one] => one.into(),
        _ => named.into(),
    })
}

/// RFC 3986 §4.3: a scheme and something after it; RFC 8707 §2 allows no fragment. What it names is
/// never fetched, so that nothing else of its form matters.
fn is_absolute_uri(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once(':') else {
        return false;
    };
    let is_scheme = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b));
    is_scheme
        && !rest.is_empty()
        && rest.bytes().all(|b| b.is_ascii_graphic() && !b"#\"<>\\^`{|}".contains(&b))
}
