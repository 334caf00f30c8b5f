//! Key-encryption keys: what the values and data keys in the store are sealed under.
//!
//! A plane has one that seals. While it is rotated it has others too, which open what is sealed
//! under them still, and what other nodes seal under the next one already.

use super::{Secrets, SecretsMaterial};
use crate::error::{Error, Result};
use crate::rng::{self, Rng};
use aws_lc_rs::{aead, hkdf};
use zeroize::Zeroizing;

/// A key that only the operator has, with the number that it is told from others by.
pub struct KeyEncryptionKey {
    /// Stored with every data key that is wrapped under it.
    pub id: u16,
    /// 32 random bytes.
    pub value: Zeroizing<[u8; 32]>,
}

impl KeyEncryptionKey {
    /// Draws a key.
    #[must_use]
    pub fn draw(id: u16, rng: &dyn Rng) -> Self {
        let mut value = Zeroizing::new([0; 32]);
        rng.fill(&mut value[..]);
        Self { id, value }
    }
}

/// What one key-encryption key is used for, each under a key of its own.
pub(super) struct Derived {
    id: u16,
    values: aead::LessSafeKey,
    pub(super) data_keys: aead::LessSafeKey,
}

impl Derived {
    fn new(key: &KeyEncryptionKey) -> Self {
        let salt = hkdf::Salt::new(hkdf::HKDF_SHA256, b"tenantry");
        let prk = salt.extract(&key.value[..]);
        let of = |purpose: &[u8]| {
            let key = prk.expand(&[purpose], &aead::AES_256_GCM).map(aead::UnboundKey::from);
            aead::LessSafeKey::new(key.expect("a key is within the output"))
        };
        Self {
            id: key.id,
            values: of(b"tenantry sealed value v1"),
            data_keys: of(b"tenantry wrapped data key v1"),
        }
    }
}

/// The key-encryption keys of a plane, ready for use.
pub(super) struct Ring {
    pub(super) current: Derived,
    further: Vec<Derived>,
}

impl Ring {
    pub(super) fn new(material: &SecretsMaterial) -> Self {
        Self {
            current: Derived::new(&material.key_encryption_key),
            further: material.further_key_encryption_keys.iter().map(Derived::new).collect(),
        }
    }

    pub(super) fn find(&self, id: u16) -> Option<&Derived> {
        self.all().find(|key| key.id == id)
    }

    fn all(&self) -> impl Iterator<Item = &Derived> {
        std::iter::once(&self.current).chain(&self.further)
    }
}

impl Secrets {
    /// Number of the key-encryption key that seals.
    #[must_use]
    pub fn key_encryption_key_id(&self) -> u16 {
        self.key_encryption.current.id
    }

    /// Whether what is sealed under the key-encryption key of this number can be opened.
    #[must_use]
    pub fn has_key_encryption_key(&self, id: u16) -> bool {
        self.key_encryption.find(id).is_some()
    }

    /// Seals a value for the store under the current key-encryption key: AES-256-GCM, the nonce
    /// before it.
    pub(crate) fn seal_value(
        &self,
        purpose: &[u8],
        nonce: [u8; aead::NONCE_LEN],
        value: &[u8],
    ) -> Result<Vec<u8>> {
        seal(&self.key_encryption.current.values, nonce, purpose, value)
    }

    /// Opens what [`Self::seal_value`] made for the same purpose, under any of the keys: which of
    /// them it was is not stored with a value.
    pub(crate) fn open_value(&self, purpose: &[u8], sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        self.key_encryption.all().find_map(|key| open(&key.values, purpose, sealed))
    }

    /// What [`Self::seal_value`] made, under the current key; none where it is already.
    ///
    /// # Errors
    /// [`Error::Internal`] where it opens under none of the keys.
    pub(crate) fn reseal_value(
        &self,
        rng: &dyn Rng,
        purpose: &[u8],
        sealed: &[u8],
    ) -> Result<Option<Vec<u8>>> {
        if open(&self.key_encryption.current.values, purpose, sealed).is_some() {
            return Ok(None);
        }
        let value = self.open_value(purpose, sealed);
        let value = value.ok_or_else(|| {
            Error::internal("a sealed value opens under none of the key-encryption keys")
        })?;
        self.seal_value(purpose, rng::draw(rng), &value).map(Some)
    }
}

/// AES-256-GCM, the nonce before what is sealed.
pub(super) fn seal(
    key: &aead::LessSafeKey,
    nonce: [u8; aead::NONCE_LEN],
    associated: &[u8],
    value: &[u8],
) -> Result<Vec<u8>> {
    // With room for the tag: a vector that grew would leave the value behind in clear.
    let mut body = Zeroizing::new(Vec::with_capacity(value.len() + key.algorithm().tag_len()));
    body.extend_from_slice(value);
    let nonce_of = aead::Nonce::assume_unique_for_key(nonce);
    key.seal_in_place_append_tag(nonce_of, aead::Aad::from(associated), &mut *body)
        .map_err(Error::internal)?;
    Ok([&nonce[..], &body[..]].concat())
}

/// Opens what [`seal`] made; none where anything about it is not as it was.
pub(super) fn open(
    key: &aead::LessSafeKey,
    associated: &[u8],
    sealed: &[u8],
) -> Option<Zeroizing<Vec<u8>>> {
    let (nonce, body) = sealed.split_first_chunk::<{ aead::NONCE_LEN }>()?;
    let mut body = Zeroizing::new(body.to_vec());
    let nonce = aead::Nonce::assume_unique_for_key(*nonce);
    let length = key.open_in_place(nonce, aead::Aad::from(associated), &mut body).ok()?.len();
    body.truncate(length);
    Some(body)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::rng::{SeededRng, draw};

    /// The same secrets with other key-encryption keys, the current one first.
    pub(in crate::secrets) fn secrets(keys: &[u16]) -> Secrets {
        let mut material = SecretsMaterial::generate(&SeededRng::new(1)).expect("secrets");
        let mut keys =
            keys.iter().map(|id| KeyEncryptionKey::draw(*id, &SeededRng::new(u64::from(*id))));
        material.key_encryption_key = keys.next().expect("one");
        material.further_key_encryption_keys = keys.collect();
        Secrets::new(&material)
    }

    #[test]
    fn a_value_opens_under_every_key_of_the_plane_and_under_no_other() {
        let rng = SeededRng::new(9);
        let [first, second] = [&[1][..], &[2]].map(secrets);
        let sealed = first.seal_value(b"purpose", draw(&rng), b"value").expect("sealed");
        for keys in [&[1][..], &[1, 2], &[2, 1], &[3, 2, 1]] {
            let opened = secrets(keys).open_value(b"purpose", &sealed);
            assert_eq!(opened.expect("opens").as_slice(), b"value", "{keys:?}");
            assert!(secrets(keys).open_value(b"other purpose", &sealed).is_none());
        }
        assert!(second.open_value(b"purpose", &sealed).is_none());
        assert!(secrets(&[2, 3]).open_value(b"purpose", &sealed).is_none());
    }

    #[test]
    fn a_resealed_value_no_longer_needs_the_key_of_before() {
        let rng = SeededRng::new(9);
        let sealed = secrets(&[1]).seal_value(b"purpose", draw(&rng), b"value").expect("sealed");
        let resealed = secrets(&[2, 1]).reseal_value(&rng, b"purpose", &sealed).expect("opens");
        let resealed = resealed.expect("it was under the key of before");
        let opened = secrets(&[2]).open_value(b"purpose", &resealed).expect("opens");
        assert_eq!(opened.as_slice(), b"value");
        let again = secrets(&[2, 1]).reseal_value(&rng, b"purpose", &resealed).expect("opens");
        assert_eq!(again, None);
        assert!(secrets(&[2]).reseal_value(&rng, b"purpose", &sealed).is_err());
        assert!(secrets(&[2, 1]).reseal_value(&rng, b"other purpose", &sealed).is_err());
    }

    #[test]
    fn the_current_key_seals() {
        let sealed = secrets(&[2, 1]).seal_value(b"purpose", [7; 12], b"value").expect("sealed");
        assert!(secrets(&[2]).open_value(b"purpose", &sealed).is_some());
        assert!(secrets(&[1]).open_value(b"purpose", &sealed).is_none());
        assert_eq!(secrets(&[2, 1]).key_encryption_key_id(), 2);
        assert!(secrets(&[2, 1]).has_key_encryption_key(1));
        assert!(!secrets(&[2, 1]).has_key_encryption_key(3));
    }
}
