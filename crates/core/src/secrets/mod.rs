//! Secrets of the plane, and of its callers: how they are drawn, recognised, tagged and sealed.
//!
//! A plaintext credential exists while it is created and while it is presented, in
//! [`plain`] types that are erased when dropped and print nothing. What is stored is a [`Tag`].

mod integrity;
pub mod plain;

pub use integrity::{MacWriter, Protected, Sealed, Unverified};
pub use plain::{KeyFormat, PlainSecret, Presented, Start};

use aws_lc_rs::{hkdf, hmac};
use zeroize::Zeroizing;

/// The bytes that only the operator has: what `secrets.toml` holds.
pub struct SecretsMaterial {
    /// Number of the pepper, stored with each row that was tagged with it.
    pub pepper_id: u16,
    /// Key of every tag and, by derivation, of every row's seal.
    pub pepper: Zeroizing<[u8; 32]>,
    /// Key that wraps the data keys of sealed values.
    pub key_encryption_key: Zeroizing<[u8; 32]>,
    /// Private key of the built-in `local` realm: ES256, PKCS #8 DER.
    pub local_realm_key: Zeroizing<Vec<u8>>,
}

impl SecretsMaterial {
    /// Draws new secrets.
    ///
    /// # Errors
    /// [`crate::Error::Internal`] where no key pair could be made.
    pub fn generate(rng: &dyn crate::rng::Rng) -> crate::Result<Self> {
        let mut pepper = Zeroizing::new([0; 32]);
        let mut key_encryption_key = Zeroizing::new([0; 32]);
        rng.fill(&mut pepper[..]);
        rng.fill(&mut key_encryption_key[..]);
        let key = aws_lc_rs::signature::EcdsaKeyPair::generate(
            &aws_lc_rs::signature::ECDSA_P256_SHA256_FIXED_SIGNING,
        )
        .and_then(|pair| pair.to_pkcs8v1())
        .map_err(crate::Error::internal)?;
        Ok(Self {
            pepper_id: 1,
            pepper,
            key_encryption_key,
            local_realm_key: Zeroizing::new(key.as_ref().to_vec()),
        })
    }
}

/// What a credential is stored and found by: HMAC-SHA-256 of its plaintext under the pepper.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Tag([u8; 32]);

impl Tag {
    /// The tag of a stored row.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The bytes to store.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl std::fmt::Debug for Tag {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tag")
    }
}

/// Which key seals a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SealKey {
    /// Rows that the verify path reads.
    Row,
    /// Audit events.
    Audit,
}

/// The plane's secrets, ready for use.
pub struct Secrets {
    pepper_id: u16,
    tag_key: hmac::Key,
    row_key: hmac::Key,
    audit_key: hmac::Key,
    cursor_key: hmac::Key,
}

impl Secrets {
    /// Derives the keys.
    #[must_use]
    pub fn new(material: &SecretsMaterial) -> Self {
        Self {
            pepper_id: material.pepper_id,
            tag_key: hmac::Key::new(hmac::HMAC_SHA256, &material.pepper[..]),
            row_key: derive(&material.pepper, b"tenantry row seal v1"),
            audit_key: derive(&material.pepper, b"tenantry audit seal v1"),
            cursor_key: derive(&material.pepper, b"tenantry cursor v1"),
        }
    }

    /// Number of the pepper that new tags are made with.
    #[must_use]
    pub fn pepper_id(&self) -> u16 {
        self.pepper_id
    }

    /// The tag of a plaintext credential: HMAC-SHA-256(pepper, kind ‖ 0 ‖ secret).
    #[must_use]
    pub fn tag(&self, kind: plain::SecretKind, secret: &str) -> Tag {
        let mut context = hmac::Context::with_key(&self.tag_key);
        context.update(kind.label().as_bytes());
        context.update(&[0]);
        context.update(secret.as_bytes());
        let mut bytes = [0; 32];
        bytes.copy_from_slice(context.sign().as_ref());
        Tag(bytes)
    }

    /// Authenticates the cursor of a list: HMAC-SHA-256 of what was written.
    pub(crate) fn cursor_mac(&self, writer: &MacWriter) -> [u8; 32] {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(hmac::sign(&self.cursor_key, writer.written()).as_ref());
        bytes
    }

    fn seal_key(&self, key: SealKey) -> &hmac::Key {
        match key {
            SealKey::Row => &self.row_key,
            SealKey::Audit => &self.audit_key,
        }
    }
}

/// HKDF-SHA-256 (RFC 5869) of the pepper for one purpose.
fn derive(pepper: &[u8; 32], purpose: &[u8]) -> hmac::Key {
    let salt = hkdf::Salt::new(hkdf::HKDF_SHA256, b"tenantry");
    let prk = salt.extract(pepper);
    let purposes = [purpose];
    let key = prk.expand(&purposes, hmac::HMAC_SHA256).expect("32 bytes are within HKDF's output");
    hmac::Key::from(key)
}
