//! Signing keys: what is stored of them, and when each is published, signs and goes.
//!
//! Of a row only the sealing of its private key ever changes. A key signs from its own time on until the next one's has come; it is
//! published before that, so that whoever keeps the published set has it in time, and stays
//! published after that, until the last token that it signed has ended.

use crate::clock::Timestamp;
use crate::error::{Error, Result};
use crate::limits;
use crate::secrets::{MacWriter, Protected, SealKey};
use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, RsaKeyPair,
};
use std::time::Duration;
use zeroize::Zeroizing;

/// The algorithm of a signing key (RFC 7518 §3.1, RFC 8037 §3.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SigningAlgorithm {
    /// ECDSA with P-256 and SHA-256.
    #[default]
    Es256,
    /// Ed25519.
    EdDsa,
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    Rs256,
}

impl SigningAlgorithm {
    /// Every algorithm.
    pub const ALL: [Self; 3] = [Self::Es256, Self::EdDsa, Self::Rs256];

    /// The word in rows, headers and settings.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Es256 => "ES256",
            Self::EdDsa => "EdDSA",
            Self::Rs256 => "RS256",
        }
    }

    /// Reads that word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.as_str() == word)
    }

    /// As the library names it.
    pub(crate) const fn of_library(self) -> jsonwebtoken::Algorithm {
        match self {
            Self::Es256 => jsonwebtoken::Algorithm::ES256,
            Self::EdDsa => jsonwebtoken::Algorithm::EdDSA,
            Self::Rs256 => jsonwebtoken::Algorithm::RS256,
        }
    }

    /// Draws a private key: PKCS #8 DER.
    pub(super) fn generate(self) -> Result<Zeroizing<Vec<u8>>> {
        let der = match self {
            Self::Es256 => EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING)
                .and_then(|pair| pair.to_pkcs8v1())
                .map(|document| document.as_ref().to_vec()),
            Self::EdDsa => Ed25519KeyPair::generate()
                .and_then(|pair| pair.to_pkcs8())
                .map(|document| document.as_ref().to_vec()),
            Self::Rs256 => RsaKeyPair::generate(KeySize::Rsa2048)
                .and_then(|pair| pair.as_der())
                .map(|der| der.as_ref().to_vec()),
        };
        der.map(Zeroizing::new).map_err(Error::internal)
    }
}

/// A key that signs, did or will.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SigningKey {
    /// Grows by one with each key.
    pub number: u64,
    /// Its `kid`.
    pub kid: Box<str>,
    /// The one algorithm that it is good for.
    pub algorithm: SigningAlgorithm,
    /// The private key under the key-encryption key.
    pub sealed: Vec<u8>,
    /// When it was made; it is published from then on.
    pub created_at: Timestamp,
    /// From when on it signs.
    pub signs_from: Timestamp,
}

impl SigningKey {
    /// What its sealed private key is bound to: under another number it does not open.
    pub(crate) fn purpose(number: u64, algorithm: SigningAlgorithm) -> Vec<u8> {
        format!("signing key {number} {}", algorithm.as_str()).into_bytes()
    }
}

impl Protected for SigningKey {
    const TABLE: &'static str = "signing_keys";
    const KEY: SealKey = SealKey::Row;

    fn printed_id(&self) -> String {
        self.kid.to_string()
    }

    fn write_to(&self, mac: &mut MacWriter) {
        let Self { number, kid, algorithm, sealed, created_at, signs_from } = self;
        mac.number(i64::try_from(*number).unwrap_or(i64::MAX));
        mac.text(kid);
        mac.text(algorithm.as_str());
        mac.bytes(sealed);
        mac.number(created_at.micros());
        mac.number(signs_from.micros());
    }
}

/// How long before its first signature a key is published: nobody who keeps the set for as long as
/// they may is without it then.
pub(super) const PUBLISHED_BEFORE: Duration =
    limits::JWKS_MAX_AGE.saturating_add(limits::SIGNING_KEY_MARGIN);

/// How long after its last signature a key stays published.
pub(super) const PUBLISHED_AFTER: Duration = limits::ACCESS_TOKEN_LIFETIME
    .saturating_add(limits::JWT_LEEWAY)
    .saturating_add(limits::SIGNING_KEYS_RELOAD_EVERY);

// A node that has not read the keys again since one was made knows it before it signs.
const _: () = assert!(limits::SIGNING_KEYS_RELOAD_EVERY.as_secs() < PUBLISHED_BEFORE.as_secs());

/// What a key does at some time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyState {
    /// It is published and does not sign yet.
    Next,
    /// It signs.
    Signing,
    /// It signs no more and is published still.
    Retiring,
}

impl KeyState {
    /// The word in replies.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Next => "next",
            Self::Signing => "signing",
            Self::Retiring => "retiring",
        }
    }

    /// The state of a key that signs from `from` until `until`; `None` once it is gone.
    pub(super) fn at(now: Timestamp, from: Timestamp, until: Option<Timestamp>) -> Option<Self> {
        match until {
            _ if now < from => Some(Self::Next),
            Some(until) if until.plus(PUBLISHED_AFTER) <= now => None,
            Some(until) if until <= now => Some(Self::Retiring),
            _ => Some(Self::Signing),
        }
    }
}

/// A key as its operator sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SigningKeyView {
    /// Its `kid`.
    pub kid: Box<str>,
    /// Its algorithm.
    pub algorithm: SigningAlgorithm,
    /// What it does now.
    pub state: KeyState,
    /// When it was made.
    pub created_at: Timestamp,
    /// From when on it signs.
    pub signs_from: Timestamp,
    /// Until when it signs, where the next key is known.
    pub signs_until: Option<Timestamp>,
}
