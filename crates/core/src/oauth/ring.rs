//! The signing keys of a node, ready for use; read from the store now and then, and rotated.

use super::keys::{KeyState, PUBLISHED_BEFORE, SigningAlgorithm, SigningKey, SigningKeyView};
use crate::Plane;
use crate::actor::Context;
use crate::audit::{Action, AuditEvent, Target};
use crate::clock::Timestamp;
use crate::commit::Commit;
use crate::error::{Conflict, Error, Result};
use crate::ids::{AccountId, EventId};
use crate::limits;
use crate::rng;
use crate::secrets::Sealed;
use crate::verify::believed;
use arc_swap::ArcSwapOption;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256,
    RsaKeyPair,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::DecodingKey;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;

/// The keys as this node knows them.
#[derive(Default)]
pub(crate) struct Signing {
    ring: ArcSwapOption<KeyRing>,
    reading: Mutex<()>,
}

/// Keys by number, the newest first.
pub(crate) struct KeyRing {
    keys: Vec<Arc<RingKey>>,
    /// The highest number that is given out, to a key that can be read or not.
    last: u64,
    /// When it is to be read again.
    due: Duration,
}

/// A key, opened.
pub(crate) struct RingKey {
    number: u64,
    kid: Box<str>,
    pub(crate) algorithm: SigningAlgorithm,
    created_at: Timestamp,
    signs_from: Timestamp,
    pair: Pair,
    pub(crate) verifying: DecodingKey,
    public: PublicParts,
}

/// The key pair is kept parsed: doing that for each token takes longer than signing it.
enum Pair {
    Ec(EcdsaKeyPair),
    Ed(Ed25519KeyPair),
    Rsa(Box<RsaKeyPair>),
}

/// The members of a public JWK (RFC 7518 §6, RFC 8037 §2), base64url.
#[derive(Clone, Debug, PartialEq, Eq)]
enum PublicParts {
    Ec { x: String, y: String },
    Ed { x: String },
    Rsa { n: String, e: String },
}

/// A published key: the members of its JWK, by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKey(pub Vec<(&'static str, String)>);

impl RingKey {
    fn new(row: &SigningKey, pkcs8: &[u8]) -> Result<Self> {
        let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let (pair, verifying, public) = match row.algorithm {
            SigningAlgorithm::Es256 => {
                let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8)
                    .map_err(Error::internal)?;
                let point = pair.public_key().as_ref();
                let verifying = DecodingKey::from_ec_der(point);
                // An uncompressed point (SEC 1 §2.3.3): 4, then both coordinates.
                let (x, y) = point[1..].split_at(32);
                let public = PublicParts::Ec { x: encode(x), y: encode(y) };
                (Pair::Ec(pair), verifying, public)
            }
            SigningAlgorithm::EdDsa => {
                let pair = Ed25519KeyPair::from_pkcs8(pkcs8).map_err(Error::internal)?;
                let point = pair.public_key().as_ref();
                let verifying = DecodingKey::from_ed_der(point);
                let public = PublicParts::Ed { x: encode(point) };
                (Pair::Ed(pair), verifying, public)
            }
            SigningAlgorithm::Rs256 => {
                let pair = RsaKeyPair::from_pkcs8(pkcs8).map_err(Error::internal)?;
                let n = pair.public_key().modulus().big_endian_without_leading_zero().to_vec();
                let e = pair.public_key().exponent().big_endian_without_leading_zero().to_vec();
                let verifying = DecodingKey::from_rsa_raw_components(&n, &e);
                let public = PublicParts::Rsa { n: encode(&n), e: encode(&e) };
                (Pair::Rsa(Box::new(pair)), verifying, public)
            }
        };
        Ok(Self {
            number: row.number,
            kid: row.kid.clone(),
            algorithm: row.algorithm,
            created_at: row.created_at,
            signs_from: row.signs_from,
            pair,
            verifying,
            public,
        })
    }

    pub(crate) fn kid(&self) -> &str {
        &self.kid
    }

    /// Signs a JWS signing input (RFC 7515 §5.1). RSA, which takes ten times as long as the others,
    /// where nobody waits behind it.
    pub(crate) async fn sign(self: &Arc<Self>, input: &[u8]) -> Result<Vec<u8>> {
        if self.algorithm != SigningAlgorithm::Rs256 {
            return self.sign_now(input);
        }
        let (key, input) = (self.clone(), input.to_vec());
        tokio::task::spawn_blocking(move || key.sign_now(&input)).await.map_err(Error::internal)?
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "the library signs with its own randomness alone"
    )]
    fn sign_now(&self, input: &[u8]) -> Result<Vec<u8>> {
        let rng = SystemRandom::new();
        match &self.pair {
            Pair::Ec(pair) => {
                pair.sign(&rng, input).map(|it| it.as_ref().to_vec()).map_err(Error::internal)
            }
            Pair::Ed(pair) => Ok(pair.sign(input).as_ref().to_vec()),
            Pair::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &rng, input, &mut signature)
                    .map_err(Error::internal)?;
                Ok(signature)
            }
        }
    }

    fn to_public(&self) -> PublicKey {
        let mut members = vec![
            ("kid", self.kid.to_string()),
            ("use", "sig".to_owned()),
            ("alg", self.algorithm.as_str().to_owned()),
        ];
        let own = match self.public.clone() {
            PublicParts::Ec { x, y } => {
                vec![("kty", "EC".to_owned()), ("crv", "P-256".to_owned()), ("x", x), ("y", y)]
            }
            PublicParts::Ed { x } => {
                vec![("kty", "OKP".to_owned()), ("crv", "Ed25519".to_owned()), ("x", x)]
            }
            PublicParts::Rsa { n, e } => vec![("kty", "RSA".to_owned()), ("n", n), ("e", e)],
        };
        members.extend(own);
        PublicKey(members)
    }
}

impl KeyRing {
    /// Each key with what it does now, those that are gone left out, and until when it signs.
    fn states(
        &self,
        now: Timestamp,
    ) -> impl Iterator<Item = (&Arc<RingKey>, KeyState, Option<Timestamp>)> {
        let mut next = None;
        self.keys.iter().filter_map(move |key| {
            let until = next.replace(key.signs_from);
            KeyState::at(now, key.signs_from, until).map(|state| (key, state, until))
        })
    }

    /// The key that signs now.
    pub(crate) fn signer(&self, now: Timestamp) -> Option<&Arc<RingKey>> {
        let mut states = self.states(now);
        states.find(|(_, state, _)| *state == KeyState::Signing).map(|(key, ..)| key)
    }

    /// The published key of this `kid`.
    pub(crate) fn find(&self, kid: &str, now: Timestamp) -> Option<&RingKey> {
        self.states(now).find(|(key, ..)| &*key.kid == kid).map(|(key, ..)| &**key)
    }

    fn has_next(&self, now: Timestamp) -> bool {
        self.states(now).any(|(_, state, _)| state == KeyState::Next)
    }

    fn newest(&self) -> Option<&RingKey> {
        self.keys.first().map(|key| &**key)
    }
}

impl Plane {
    /// The published keys (RFC 7517 §5).
    ///
    /// # Errors
    /// [`Error::Unavailable`] where none were ever read.
    pub async fn list_public_keys(&self) -> Result<Vec<PublicKey>> {
        let ring = self.key_ring().await?;
        Ok(ring.states(self.clock.now()).map(|(key, ..)| key.to_public()).collect())
    }

    /// The keys as the operator sees them, the newest first.
    ///
    /// # Errors
    /// [`crate::error::Denial::OperatorOnly`], [`Error::Unavailable`].
    pub async fn list_signing_keys(&self, context: &Context) -> Result<Vec<SigningKeyView>> {
        context.actor.require_operator()?;
        let ring = self.key_ring().await?;
        Ok(views(&ring, self.clock.now()))
    }

    /// Makes the next signing key. It is published at once and signs once everybody has it.
    ///
    /// # Errors
    /// [`crate::error::Denial::OperatorOnly`]; [`Conflict::KeyPending`] where the last one that was
    /// made does not sign yet.
    pub async fn rotate_signing_key(&self, context: &Context) -> Result<Vec<SigningKeyView>> {
        context.actor.require_operator()?;
        let _turn = self.signing.reading.lock().await;
        let ring = self.read_key_ring().await?;
        let now = self.clock.now();
        if ring.has_next(now) {
            return Err(Error::Conflict(Conflict::KeyPending));
        }
        self.insert_signing_key(&ring, |row| {
            let target = Target::SigningKey(row.number);
            let root = AccountId::PLANE;
            self.audit_event(context, root, now, Action::SigningKeyCreated, target)
        })
        .await?;
        let ring = Arc::new(self.read_key_ring().await?);
        self.signing.ring.store(Some(ring.clone()));
        Ok(views(&ring, now))
    }

    /// Makes the first signing key, and the next where the newest has its age or another algorithm
    /// than is configured; forgets those that are gone. To be called now and then, so that a key is
    /// there before anybody asks for a token.
    ///
    /// # Errors
    /// What the store says.
    pub async fn keep_signing_keys(&self) -> Result<()> {
        let _turn = self.signing.reading.lock().await;
        let mut ring = self.read_key_ring().await?;
        let now = self.clock.now();
        let due = ring.newest().is_none_or(|newest| {
            newest.algorithm != self.policy.signing_algorithm
                || newest.created_at.plus(self.policy.signing_key_age) <= now
        });
        if due && !ring.has_next(now) {
            self.make_due_key(&ring).await?;
            ring = self.read_key_ring().await?;
        }
        let last = ring.states(now).last().map(|(key, ..)| key.number);
        let gone = ring.keys.iter().any(|key| last.is_some_and(|last| key.number < last));
        if let Some(last) = last.filter(|_| gone) {
            self.store.delete_signing_keys(last).await?;
        }
        self.signing.ring.store(Some(Arc::new(ring)));
        Ok(())
    }

    /// The keys, read again where that was long ago. Where they cannot be, those that were read
    /// before still hold: a key is never taken back before its time.
    pub(crate) async fn key_ring(&self) -> Result<Arc<KeyRing>> {
        if let Some(ring) = self.fresh_ring() {
            return Ok(ring);
        }
        let _turn = self.signing.reading.lock().await;
        if let Some(ring) = self.fresh_ring() {
            return Ok(ring);
        }
        let read = async {
            let ring = self.read_key_ring().await?;
            if ring.signer(self.clock.now()).is_some() {
                return Ok(ring);
            }
            self.make_due_key(&ring).await?;
            self.read_key_ring().await
        };
        match (read.await, self.signing.ring.load_full()) {
            (Ok(ring), _) => {
                let ring = Arc::new(ring);
                self.signing.ring.store(Some(ring.clone()));
                Ok(ring)
            }
            (Err(error), Some(old)) => {
                tracing::warn!(%error, "the signing keys could not be read again");
                let due = self.clock.monotonic() + limits::SIGNING_KEYS_RETRY_AFTER;
                let ring = Arc::new(KeyRing { keys: old.keys.clone(), last: old.last, due });
                self.signing.ring.store(Some(ring.clone()));
                Ok(ring)
            }
            (Err(error), None) => Err(error),
        }
    }

    fn fresh_ring(&self) -> Option<Arc<KeyRing>> {
        let ring = self.signing.ring.load_full()?;
        (self.clock.monotonic() < ring.due).then_some(ring)
    }

    /// A row that was forged or damaged is left out: it has raised its alarm.
    async fn read_key_ring(&self) -> Result<KeyRing> {
        let known = self.signing.ring.load_full();
        let rows = self.store.list_signing_keys(limits::SIGNING_KEYS_MAX).await?;
        let mut keys = Vec::with_capacity(rows.len());
        let last = rows.iter().map(|(number, _)| *number).max().unwrap_or(0);
        for (_, row) in rows {
            let Some(row) = believed(row.and_then(|row| row.open(&self.secrets)))? else {
                continue;
            };
            let old = known.iter().flat_map(|ring| &ring.keys).find(|key| key.kid == row.kid);
            match old {
                Some(key) => keys.push(key.clone()),
                None => keys.extend(believed(self.open_signing_key(&row))?.map(Arc::new)),
            }
        }
        let due = self.clock.monotonic() + limits::SIGNING_KEYS_RELOAD_EVERY;
        Ok(KeyRing { keys, last, due })
    }

    fn open_signing_key(&self, row: &SigningKey) -> Result<RingKey> {
        let purpose = SigningKey::purpose(row.number, row.algorithm);
        let pkcs8 = self.secrets.open_value(&purpose, &row.sealed);
        let pkcs8 = pkcs8.ok_or_else(|| {
            tracing::error!(alarm = "row_integrity", table = "signing_keys", id = %row.kid,
                "a signing key cannot be opened; it is not used");
            Error::Integrity {
                table: "signing_keys",
                id: row.kid.to_string(),
                problem: "it cannot be opened",
            }
        })?;
        RingKey::new(row, &pkcs8)
    }

    /// Nobody asked for it: its time has come.
    async fn make_due_key(&self, ring: &KeyRing) -> Result<()> {
        self.insert_signing_key(ring, |row| AuditEvent {
            id: EventId::generate(&*self.rng, row.created_at),
            root: AccountId::PLANE,
            at: row.created_at,
            actor: ("plane", "signing".to_owned()),
            action: Action::SigningKeyCreated,
            target: Target::SigningKey(row.number).describe(),
            facts: Vec::new(),
            request_id: "".into(),
            address: None,
        })
        .await
    }

    /// Stores a new key. Another node that was faster has made it then.
    async fn insert_signing_key(
        &self,
        ring: &KeyRing,
        event: impl FnOnce(&SigningKey) -> AuditEvent,
    ) -> Result<()> {
        let now = self.clock.now();
        let algorithm = self.policy.signing_algorithm;
        let number = ring.last + 1;
        let pkcs8 = algorithm.generate()?;
        let nonce = rng::draw(&*self.rng);
        let purpose = SigningKey::purpose(number, algorithm);
        // Where nothing is published nobody has to be waited for.
        let wait = if ring.signer(now).is_some() { PUBLISHED_BEFORE } else { Duration::ZERO };
        let row = SigningKey {
            number,
            kid: bs58::encode(rng::draw::<12>(&*self.rng)).into_string().into(),
            algorithm,
            sealed: self.secrets.seal_value(&purpose, nonce, &pkcs8)?,
            created_at: now,
            signs_from: now.plus(wait),
        };
        let audit = event(&row).with("kid", &row.kid).with("algorithm", algorithm.as_str());
        let commit = Commit::audited(self.seal(audit));
        match self.store.insert_signing_key(&Sealed::new(row, &self.secrets), commit).await {
            Ok(_) | Err(Error::Conflict(Conflict::Taken)) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

fn views(ring: &KeyRing, now: Timestamp) -> Vec<SigningKeyView> {
    let view =
        |(key, state, signs_until): (&Arc<RingKey>, KeyState, Option<Timestamp>)| SigningKeyView {
            kid: key.kid.clone(),
            algorithm: key.algorithm,
            state,
            created_at: key.created_at,
            signs_from: key.signs_from,
            signs_until,
        };
    ring.states(now).map(view).collect()
}
