//! Secrets of the plane, and of its callers: how they are drawn, recognised, tagged and sealed.
//!
//! A plaintext credential exists while it is created and while it is presented, in
//! [`plain`] types that are erased when dropped and print nothing. What is stored is a [`Tag`].

mod data_keys;
pub mod foreign;
mod integrity;
mod key_encryption;
pub mod plain;
mod resealing;
mod rotation;
mod signing;

pub use data_keys::WrappedKey;
pub use integrity::{MacWriter, Protected, Sealed, Unverified};
pub use key_encryption::KeyEncryptionKey;
pub use plain::{KeyFormat, PlainSecret, Presented, Start};
pub use resealing::Resealed;
pub use rotation::OutOfTurn;
pub use signing::CheckpointKey;

use aws_lc_rs::signature::Ed25519KeyPair;
use aws_lc_rs::{aead, hkdf, hmac};
use zeroize::Zeroizing;

/// The bytes that only the operator has: what `secrets.toml` holds.
pub struct SecretsMaterial {
    /// Number of the pepper, stored with each row that was tagged with it.
    pub pepper_id: u16,
    /// Key of every tag and, by derivation, of every row's seal.
    pub pepper: Zeroizing<[u8; 32]>,
    /// What sealed values and data keys are sealed under.
    pub key_encryption_key: KeyEncryptionKey,
    /// What some of them are sealed under still, or will be, while that key is rotated.
    pub further_key_encryption_keys: Vec<KeyEncryptionKey>,
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
        rng.fill(&mut pepper[..]);
        let key_encryption_key = KeyEncryptionKey::draw(1, rng);
        let key = aws_lc_rs::signature::EcdsaKeyPair::generate(
            &aws_lc_rs::signature::ECDSA_P256_SHA256_FIXED_SIGNING,
        )
        .and_then(|pair| pair.to_pkcs8v1())
        .map_err(crate::Error::internal)?;
        Ok(Self {
            pepper_id: 1,
            pepper,
            key_encryption_key,
            further_key_encryption_keys: Vec::new(),
            local_realm_key: Zeroizing::new(key.as_ref().to_vec()),
        })
    }

    /// What tells these secrets from others without telling anything of them, once for each of the
    /// key-encryption keys, the current one first: an HMAC over all of them under a key that is
    /// drawn from the pepper.
    ///
    /// Nodes in the middle of a rotation have one of these in common.
    #[must_use]
    pub fn check_values(&self) -> Vec<[u8; 32]> {
        let key = derive(&self.pepper, b"tenantry secrets check v1");
        self.key_encryption_keys()
            .map(|key_encryption_key| {
                // Without the key's number: it was not written in the checks of earlier versions.
                let mut writer = MacWriter::new();
                writer.number(self.pepper_id.into());
                writer.bytes(&key_encryption_key.value[..]);
                writer.bytes(&self.local_realm_key);
                mac(&key, &writer)
            })
            .collect()
    }

    /// Every key-encryption key, the current one first.
    pub fn key_encryption_keys(&self) -> impl Iterator<Item = &KeyEncryptionKey> {
        std::iter::once(&self.key_encryption_key).chain(&self.further_key_encryption_keys)
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
    lease_key: hmac::Key,
    idempotency_key: hmac::Key,
    foreign_key: hmac::Key,
    key_encryption: key_encryption::Ring,
    // Of the replies that are kept: half of what opens one, the other half is the header.
    reply_secret: Zeroizing<[u8; 32]>,
    chain_key: hmac::Key,
    checkpoint_key: Ed25519KeyPair,
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
            lease_key: derive(&material.pepper, b"tenantry lease id v1"),
            foreign_key: derive(&material.pepper, b"tenantry foreign key v1"),
            key_encryption: key_encryption::Ring::new(material),
            idempotency_key: derive(&material.pepper, b"tenantry idempotency v1"),
            reply_secret: derive_bytes(&material.pepper, b"tenantry kept reply v1"),
            chain_key: derive(&material.pepper, b"tenantry audit chain v1"),
            checkpoint_key: signing::key_pair(&derive_bytes(
                &material.pepper,
                b"tenantry audit checkpoint v1",
            )),
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
        mac(&self.cursor_key, writer)
    }

    /// Authenticates the id of a lease: HMAC-SHA-256 of what was written.
    pub(crate) fn lease_mac(&self, writer: &MacWriter) -> [u8; 32] {
        mac(&self.lease_key, writer)
    }

    /// Binds the links of the audit trail: HMAC-SHA-256 of what was written.
    pub(crate) fn chain_mac(&self, writer: &MacWriter) -> [u8; 32] {
        mac(&self.chain_key, writer)
    }

    /// Hides what a client sent with an `Idempotency-Key`: HMAC-SHA-256 for one purpose.
    pub(crate) fn idempotency_mac(&self, purpose: &[u8], bytes: &[u8]) -> [u8; 32] {
        let mut context = hmac::Context::with_key(&self.idempotency_key);
        context.update(purpose);
        context.update(&[0]);
        context.update(bytes);
        let mut mac = [0; 32];
        mac.copy_from_slice(context.sign().as_ref());
        mac
    }

    /// Seals a reply so that it takes both the pepper and the header to open it: AES-256-GCM under
    /// a key that is drawn from both (RFC 5869), the nonce before it.
    pub(crate) fn seal_reply(
        &self,
        header: &str,
        associated: &[u8],
        nonce: [u8; aead::NONCE_LEN],
        reply: &[u8],
    ) -> crate::Result<Vec<u8>> {
        let mut body = reply.to_vec();
        let aad = aead::Aad::from(associated);
        self.reply_key(header)
            .seal_in_place_append_tag(aead::Nonce::assume_unique_for_key(nonce), aad, &mut body)
            .map_err(crate::Error::internal)?;
        Ok([&nonce[..], &body[..]].concat())
    }

    /// Opens what [`Self::seal_reply`] made; none where anything about it is not as it was.
    pub(crate) fn open_reply(
        &self,
        header: &str,
        associated: &[u8],
        sealed: &[u8],
    ) -> Option<Zeroizing<Vec<u8>>> {
        let (nonce, body) = sealed.split_first_chunk::<{ aead::NONCE_LEN }>()?;
        let mut body = Zeroizing::new(body.to_vec());
        let nonce = aead::Nonce::assume_unique_for_key(*nonce);
        let aad = aead::Aad::from(associated);
        let length = self.reply_key(header).open_in_place(nonce, aad, &mut body).ok()?.len();
        body.truncate(length);
        Some(body)
    }

    fn reply_key(&self, header: &str) -> aead::LessSafeKey {
        let salt = hkdf::Salt::new(hkdf::HKDF_SHA256, header.as_bytes());
        let prk = salt.extract(&self.reply_secret[..]);
        let key = prk.expand(&[b"reply"], &aead::AES_256_GCM).expect("a key is within the output");
        aead::LessSafeKey::new(aead::UnboundKey::from(key))
    }

    /// The tag of what a foreign key is found by: HMAC-SHA-256 of the parts, each with its length.
    pub(crate) fn foreign_tag(&self, label: &[u8], parts: &[&[u8]]) -> Tag {
        let mut writer = MacWriter::new();
        writer.bytes(label);
        for part in parts {
            writer.bytes(part);
        }
        let mut bytes = [0; 32];
        bytes.copy_from_slice(hmac::sign(&self.foreign_key, writer.written()).as_ref());
        Tag(bytes)
    }

    fn seal_key(&self, key: SealKey) -> &hmac::Key {
        match key {
            SealKey::Row => &self.row_key,
            SealKey::Audit => &self.audit_key,
        }
    }
}

fn mac(key: &hmac::Key, writer: &MacWriter) -> [u8; 32] {
    let mut bytes = [0; 32];
    bytes.copy_from_slice(hmac::sign(key, writer.written()).as_ref());
    bytes
}

/// HKDF-SHA-256 (RFC 5869) of the pepper for one purpose.
fn derive_bytes(pepper: &[u8; 32], purpose: &[u8]) -> Zeroizing<[u8; 32]> {
    const WITHIN: &str = "32 bytes are within HKDF's output";
    let salt = hkdf::Salt::new(hkdf::HKDF_SHA256, b"tenantry");
    let prk = salt.extract(pepper);
    let purposes = [purpose];
    let mut bytes = Zeroizing::new([0; 32]);
    let key = prk.expand(&purposes, hmac::HMAC_SHA256).expect(WITHIN);
    key.fill(&mut bytes[..]).expect(WITHIN);
    bytes
}

/// As [`derive_bytes`], for the key of an HMAC-SHA-256.
fn derive(pepper: &[u8; 32], purpose: &[u8]) -> hmac::Key {
    hmac::Key::new(hmac::HMAC_SHA256, &derive_bytes(pepper, purpose)[..])
}
