//! The keys of a realm: given by the operator, or fetched from where its issuer publishes them.
//!
//! A set is fetched when a token needs it, once for everybody who waits for it, and at most once a
//! minute whatever tokens say. A set that cannot be fetched again is believed for an hour more.

use super::{KeyFetch, Realm, RealmKey};
use crate::clock::Clock;
use crate::dialling::NamedBy;
use crate::error::{BoxError, Error, Result};
use crate::json::{self, Json};
use crate::jwt::text;
use crate::limits;
use crate::oauth::{ClientKey, SigningAlgorithm};
use arc_swap::ArcSwapOption;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;

/// What discovery adds to an issuer (`OpenID` Connect Discovery 1.0 §4).
const DISCOVERY: &str = "/.well-known/openid-configuration";

/// Where the keys of a realm are.
pub enum KeySource {
    /// Here.
    Given(Vec<RealmKey>),
    /// Where its issuer publishes them.
    Published(PublishedKeys),
}

/// Keys that an issuer publishes, as far as they are known.
pub struct PublishedKeys {
    /// The URL of the set; none where the issuer's discovery document names it.
    url: Option<Box<str>>,
    named_by: NamedBy,
    algorithms: Vec<SigningAlgorithm>,
    known: ArcSwapOption<KeySet>,
    /// When they were last asked for. Whoever asks holds it.
    asked: Mutex<Option<Duration>>,
}

struct KeySet {
    keys: Vec<RealmKey>,
    fetched: Duration,
}

impl KeySet {
    fn find(&self, kid: &str) -> Option<&RealmKey> {
        self.keys.iter().find(|key| &*key.kid == kid)
    }

    fn age(&self, now: Duration) -> Duration {
        now.saturating_sub(self.fetched)
    }
}

impl PublishedKeys {
    /// Keys for these algorithms, from the set at `url` or, without one, from where the issuer's
    /// discovery document says that it is.
    #[must_use]
    pub fn new(
        url: Option<Box<str>>,
        named_by: NamedBy,
        algorithms: Vec<SigningAlgorithm>,
    ) -> Self {
        let (known, asked) = (ArcSwapOption::empty(), Mutex::new(None));
        Self { url, named_by, algorithms, known, asked }
    }

    async fn fetch(&self, issuer: &str, fetch: &dyn KeyFetch) -> Result<Vec<RealmKey>, BoxError> {
        let url = if let Some(url) = &self.url {
            url.to_string()
        } else {
            let url = format!("{}{DISCOVERY}", issuer.trim_end_matches('/'));
            let document = read(&fetch.fetch(&url, self.named_by).await?)?;
            if text(&document, "issuer") != Some(issuer) {
                return Err("the discovery document is another issuer's".into());
            }
            text(&document, "jwks_uri").ok_or("the discovery document names no keys")?.to_owned()
        };
        let set = fetch.fetch(&url, self.named_by).await?;
        parse_key_set(&set, &self.algorithms)
    }
}

fn read(document: &[u8]) -> Result<Json, BoxError> {
    Ok(json::parse_within(document, limits::KEY_SET_NODES_MAX)?)
}

/// Reads a JWK set (RFC 7517 §5): the keys that verify one of these algorithms. What is private, weak
/// or for something else is left out.
///
/// # Errors
/// What is not a set, and one of more than [`limits::KEY_SET_KEYS_MAX`] keys.
pub fn parse_key_set(
    document: &[u8],
    algorithms: &[SigningAlgorithm],
) -> Result<Vec<RealmKey>, BoxError> {
    let document = read(document)?;
    let Some(Json::Array(jwks)) = document.get("keys") else {
        return Err("it is not a JWK set".into());
    };
    if jwks.len() > limits::KEY_SET_KEYS_MAX {
        return Err("the set has too many keys".into());
    }
    Ok(usable(jwks.iter().filter_map(|jwk| ClientKey::parse(jwk).ok()), algorithms))
}

/// Those of these keys that verify one of these algorithms.
pub(super) fn usable(
    keys: impl IntoIterator<Item = ClientKey>,
    algorithms: &[SigningAlgorithm],
) -> Vec<RealmKey> {
    let fits = |key: &ClientKey| algorithms.contains(&key.jwk.algorithm());
    keys.into_iter()
        .filter(fits)
        .map(|ClientKey { kid, jwk }| RealmKey {
            kid,
            algorithm: jwk.algorithm().of_library(),
            key: jwk.verifying(),
        })
        .collect()
}

/// The key of a realm with this `kid`.
///
/// # Errors
/// [`Error::Unavailable`] where the realm's keys are not known.
pub(super) async fn find_key(
    realm: &Arc<Realm>,
    kid: &str,
    fetch: &Arc<dyn KeyFetch>,
    clock: &Arc<dyn Clock>,
) -> Result<Option<RealmKey>> {
    let published = match &realm.keys {
        KeySource::Given(keys) => return Ok(keys.iter().find(|key| &*key.kid == kid).cloned()),
        KeySource::Published(published) => published,
    };
    let now = clock.monotonic();
    if let Some(set) = published.known.load_full()
        && set.age(now) < limits::KEY_SET_FRESH
        && let Some(key) = set.find(kid)
    {
        return Ok(Some(key.clone()));
    }
    // On a task of its own: a caller who goes away does not take back that it was asked for.
    let (realm, fetch, clock) = (realm.clone(), fetch.clone(), clock.clone());
    let refreshed = tokio::spawn(async move { refresh(&realm, &*fetch, &*clock).await }).await;
    let set = refreshed.map_err(Error::internal)?;
    let set = set.filter(|set| set.age(clock_now(now, set)) < limits::KEY_SET_STALE_MAX);
    match set {
        Some(set) => Ok(set.find(kid).cloned()),
        None => Err(Error::unavailable("the keys of a realm are not known")),
    }
}

/// A set that was fetched after the request began is new.
fn clock_now(began: Duration, set: &KeySet) -> Duration {
    began.max(set.fetched)
}

/// What is known of the keys, asked for again where that was not done a moment ago.
async fn refresh(realm: &Realm, fetch: &dyn KeyFetch, clock: &dyn Clock) -> Option<Arc<KeySet>> {
    let KeySource::Published(published) = &realm.keys else { return None };
    let mut asked = published.asked.lock().await;
    let now = clock.monotonic();
    if asked.is_none_or(|asked| now.saturating_sub(asked) >= limits::KEY_SET_ASK_EVERY) {
        *asked = Some(now);
        match published.fetch(&realm.issuer, fetch).await {
            Ok(keys) => {
                tracing::info!(realm = %realm.name, keys = keys.len(), "the keys of a realm were read");
                published.known.store(Some(Arc::new(KeySet { keys, fetched: now })));
            }
            Err(error) => {
                tracing::warn!(realm = %realm.name, %error, "the keys of a realm could not be read");
            }
        }
    }
    published.known.load_full()
}
