//! Data keys: what an account's own secrets are sealed under, one key an account.
//!
//! A data key is stored wrapped under a key-encryption key, so that a new one of those takes a few
//! bytes an account to be written anew, and nothing that a data key sealed.

use super::key_encryption::{Derived, open, seal};
use super::{MacWriter, Secrets};
use crate::error::{Error, Result};
use crate::ids::AccountId;
use crate::rng::{self, Rng};
use aws_lc_rs::aead;
use zeroize::Zeroizing;

/// Where data keys and what they seal is stored.
const TABLE: &str = "tenant_databases";

const ID_BYTES: usize = 8;
const KEY_BYTES: usize = 32;

/// A data key as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrappedKey {
    /// Number of the key-encryption key that it is wrapped under.
    pub kek: u16,
    /// The nonce, then the data key's id and bytes under AES-256-GCM, and the tag.
    pub bytes: Vec<u8>,
}

/// The key of one account's sealed fields. Erased when dropped; prints nothing.
pub(crate) struct DataKey {
    /// Its id, then its bytes: what is wrapped.
    whole: Zeroizing<[u8; ID_BYTES + KEY_BYTES]>,
}

impl DataKey {
    /// Seals a field of `account`: AES-256-GCM under this key, the nonce before it.
    ///
    /// # Errors
    /// [`Error::Internal`] for a value that is longer than AES-GCM takes (64 GiB).
    pub(crate) fn seal(
        &self,
        rng: &dyn Rng,
        account: AccountId,
        field: &'static str,
        value: &[u8],
    ) -> Result<Vec<u8>> {
        seal(&self.key(), rng::draw(rng), &self.associated(account, field), value)
    }

    /// Opens what [`Self::seal`] made for the same field of the same account.
    ///
    /// # Errors
    /// [`Error::Integrity`], with its alarm, where anything about it is not as it was.
    pub(crate) fn open(
        &self,
        account: AccountId,
        field: &'static str,
        sealed: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>> {
        open(&self.key(), &self.associated(account, field), sealed)
            .ok_or_else(|| broken(account, "a sealed field does not open"))
    }

    fn key(&self) -> aead::LessSafeKey {
        let key = aead::UnboundKey::new(&aead::AES_256_GCM, &self.whole[ID_BYTES..]);
        aead::LessSafeKey::new(key.expect("32 bytes are a key of AES-256"))
    }

    /// Account, field and key: a sealed field that is moved to another place does not open there,
    /// and neither does one that an earlier key of the same account sealed.
    fn associated(&self, account: AccountId, field: &'static str) -> Vec<u8> {
        let mut writer = MacWriter::new();
        writer.bytes(account.as_bytes());
        writer.text(field);
        writer.bytes(&self.whole[..ID_BYTES]);
        writer.written().to_vec()
    }
}

impl Secrets {
    /// Draws a data key for `account`, and gives it with what to store of it.
    ///
    /// # Errors
    /// None that is known.
    pub(crate) fn draw_data_key(
        &self,
        rng: &dyn Rng,
        account: AccountId,
    ) -> Result<(DataKey, WrappedKey)> {
        let mut whole = Zeroizing::new([0; ID_BYTES + KEY_BYTES]);
        rng.fill(&mut whole[..]);
        let key = DataKey { whole };
        let wrapped = self.wrap(rng, account, &key)?;
        Ok((key, wrapped))
    }

    /// Opens the data key of `account`.
    ///
    /// # Errors
    /// [`Error::Integrity`], with its alarm, where it is not what was stored for this account;
    /// [`Error::Internal`] where the plane has no key-encryption key of that number.
    pub(crate) fn open_data_key(
        &self,
        account: AccountId,
        wrapped: &WrappedKey,
    ) -> Result<DataKey> {
        let Some(Derived { data_keys, .. }) = self.key_encryption.find(wrapped.kek) else {
            return Err(Error::internal(format!(
                "the secrets have no key-encryption key {}",
                wrapped.kek
            )));
        };
        open(data_keys, &associated(account, wrapped.kek), &wrapped.bytes)
            .and_then(|opened| {
                let whole = Zeroizing::new(opened[..].try_into().ok()?);
                Some(DataKey { whole })
            })
            .ok_or_else(|| broken(account, "the data key does not open"))
    }

    /// The data key of `account` under the current key-encryption key; none where it is already.
    /// What it sealed stays as it is.
    ///
    /// # Errors
    /// As [`Self::open_data_key`].
    pub(crate) fn rewrap_data_key(
        &self,
        rng: &dyn Rng,
        account: AccountId,
        wrapped: &WrappedKey,
    ) -> Result<Option<WrappedKey>> {
        if wrapped.kek == self.key_encryption_key_id() {
            return Ok(None);
        }
        let key = self.open_data_key(account, wrapped)?;
        self.wrap(rng, account, &key).map(Some)
    }

    fn wrap(&self, rng: &dyn Rng, account: AccountId, key: &DataKey) -> Result<WrappedKey> {
        let kek = self.key_encryption_key_id();
        let data_keys = &self.key_encryption.current.data_keys;
        let bytes = seal(data_keys, rng::draw(rng), &associated(account, kek), &key.whole[..])?;
        Ok(WrappedKey { kek, bytes })
    }
}

/// What a wrapped key is bound to.
fn associated(account: AccountId, kek: u16) -> Vec<u8> {
    let mut writer = MacWriter::new();
    writer.bytes(account.as_bytes());
    writer.number(kek.into());
    writer.written().to_vec()
}

fn broken(account: AccountId, problem: &'static str) -> Error {
    tracing::error!(alarm = "row_integrity", table = TABLE, id = %account, problem,
        "a stored row is not what was written; it is not used");
    Error::Integrity { table: TABLE, id: account.to_string(), problem }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;
    use crate::rng::SeededRng;
    use crate::secrets::key_encryption::tests::secrets;
    use crate::secrets::{KeyEncryptionKey, SecretsMaterial};
    use proptest::prelude::*;

    const FIELD: &str = "limited_password";

    fn account(seed: u64) -> AccountId {
        AccountId::generate(&SeededRng::new(seed), Timestamp::from_micros(1_800_000_000_000_000))
    }

    fn is_broken<T>(result: Result<T>) -> bool {
        matches!(result.err(), Some(Error::Integrity { table: "tenant_databases", .. }))
    }

    #[test]
    fn what_a_stored_data_key_sealed_opens_again() {
        let (plane, rng) = (secrets(&[1]), SeededRng::new(2));
        let (key, wrapped) = plane.draw_data_key(&rng, account(1)).expect("drawn");
        assert_eq!(wrapped.kek, 1);
        let sealed = key.seal(&rng, account(1), FIELD, b"a password").expect("sealed");
        let opened = plane.open_data_key(account(1), &wrapped).expect("opens");
        assert_eq!(
            opened.open(account(1), FIELD, &sealed).expect("opens").as_slice(),
            b"a password"
        );
        assert!(!sealed.windows(10).any(|part| part == b"a password"));
    }

    #[test]
    fn nothing_opens_for_another_account_field_or_key() {
        let (plane, rng) = (secrets(&[1]), SeededRng::new(2));
        let (key, wrapped) = plane.draw_data_key(&rng, account(1)).expect("drawn");
        let (other, _) = plane.draw_data_key(&rng, account(1)).expect("drawn");
        let sealed = key.seal(&rng, account(1), FIELD, b"a password").expect("sealed");
        assert!(is_broken(plane.open_data_key(account(2), &wrapped)));
        assert!(is_broken(key.open(account(2), FIELD, &sealed)));
        assert!(is_broken(key.open(account(1), "given_password", &sealed)));
        assert!(is_broken(other.open(account(1), FIELD, &sealed)));
    }

    #[test]
    fn a_wrapped_key_under_the_number_of_another_key_does_not_open() {
        let (plane, rng) = (secrets(&[1, 2]), SeededRng::new(2));
        let (_, mut wrapped) = plane.draw_data_key(&rng, account(1)).expect("drawn");
        wrapped.kek = 2;
        assert!(is_broken(plane.open_data_key(account(1), &wrapped)));
        // Not for its number alone: the same key under another number opens it neither.
        let mut material = SecretsMaterial::generate(&SeededRng::new(1)).expect("secrets");
        material.key_encryption_key =
            KeyEncryptionKey { id: 2, ..KeyEncryptionKey::draw(1, &SeededRng::new(1)) };
        assert!(is_broken(Secrets::new(&material).open_data_key(account(1), &wrapped)));
    }

    #[test]
    fn a_rewrapped_data_key_is_the_same_and_the_old_key_is_not_needed_any_more() {
        let rng = SeededRng::new(2);
        let (key, wrapped) = secrets(&[1]).draw_data_key(&rng, account(1)).expect("drawn");
        let sealed = key.seal(&rng, account(1), FIELD, b"a password").expect("sealed");

        let both = secrets(&[2, 1]);
        let rewrapped = both.rewrap_data_key(&rng, account(1), &wrapped).expect("opens");
        let rewrapped = rewrapped.expect("it was under the old key");
        assert_eq!(rewrapped.kek, 2);
        assert_eq!(both.rewrap_data_key(&rng, account(1), &rewrapped).expect("opens"), None);

        let opened = secrets(&[2]).open_data_key(account(1), &rewrapped).expect("opens");
        assert_eq!(
            opened.open(account(1), FIELD, &sealed).expect("opens").as_slice(),
            b"a password"
        );
        assert!(is_broken(both.rewrap_data_key(&rng, account(2), &wrapped)));
    }

    #[test]
    fn a_key_encryption_key_that_is_missing_is_told_from_a_row_that_is_broken() {
        let rng = SeededRng::new(2);
        let (_, wrapped) = secrets(&[1]).draw_data_key(&rng, account(1)).expect("drawn");
        let only_new = secrets(&[2]);
        let opened = only_new.open_data_key(account(1), &wrapped);
        assert!(matches!(opened.err(), Some(Error::Internal { .. })));
        let rewrapped = only_new.rewrap_data_key(&rng, account(1), &wrapped);
        assert!(matches!(rewrapped.err(), Some(Error::Internal { .. })));
    }

    proptest! {
        #[test]
        fn one_flipped_bit_or_a_missing_byte_does_not_open(
            value in prop::collection::vec(any::<u8>(), 0..80),
            at in any::<prop::sample::Index>(),
            bit in 0..8_u32,
            seed in any::<u64>(),
        ) {
            let (plane, rng) = (secrets(&[1]), SeededRng::new(seed));
            let (key, wrapped) = plane.draw_data_key(&rng, account(1)).expect("drawn");
            let sealed = key.seal(&rng, account(1), FIELD, &value).expect("sealed");
            let opened = key.open(account(1), FIELD, &sealed).expect("opens");
            prop_assert_eq!(opened.as_slice(), &value[..]);

            let mut flipped = sealed.clone();
            flipped[at.index(sealed.len())] ^= 1 << bit;
            prop_assert!(is_broken(key.open(account(1), FIELD, &flipped)));
            prop_assert!(is_broken(key.open(account(1), FIELD, &sealed[..at.index(sealed.len())])));

            let mut flipped = wrapped.clone();
            flipped.bytes[at.index(wrapped.bytes.len())] ^= 1 << bit;
            prop_assert!(is_broken(plane.open_data_key(account(1), &flipped)));
            let mut cut = wrapped.clone();
            cut.bytes.truncate(at.index(wrapped.bytes.len()));
            prop_assert!(is_broken(plane.open_data_key(account(1), &cut)));
        }
    }
}
