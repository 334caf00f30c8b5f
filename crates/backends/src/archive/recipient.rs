//! Recipients, who can open a backup without whoever makes it knowing how.
//!
//! The key of a file is sealed to each of them with HPKE (RFC 9180, base mode) in the suite
//! DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, AES-256-GCM, as rustls has it on `aws-lc-rs`.

use super::ArchiveError;
use aws_lc_rs::{agreement, digest};
use rustls::crypto::aws_lc_rs::hpke::DH_KEM_X25519_HKDF_SHA256_AES_256 as SUITE;
use rustls::crypto::hpke::{EncapsulatedSecret, Hpke as _, HpkePrivateKey, HpkePublicKey};
use tenantry_core::rng::Rng;
use zeroize::Zeroizing;

/// Most recipients of one backup.
pub const RECIPIENTS_MAX: usize = 16;

/// Bytes of a file's key that is sealed to one recipient: HPKE's encapsulated key, then 32 bytes
/// and their tag.
pub(super) const SLOT_BYTES: usize = ENCAPSULATED_BYTES + 32 + 16;

const ENCAPSULATED_BYTES: usize = 32;
const KEY_BYTES: usize = 32;
const CHECKSUM_BYTES: usize = 4;
/// The one suite that there is, in the text form of both halves.
const SUITE_NUMBER: u8 = 1;
/// HPKE's `info`: a key that is sealed for something else does not open here.
const INFO: &[u8] = b"tenantry backup recipient v1";

const RECIPIENT: &str = "tenantry-recipient-";
const IDENTITY: &str = "tenantry-identity-";

/// Longest text after the prefix; more is not decoded.
const ENCODED_CHARS_MAX: usize = 64;

/// Why a text is no recipient or identity. Does not repeat the text, which may be secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyTextError {
    /// Something else, where a recipient is wanted.
    #[error("a recipient begins with {RECIPIENT}")]
    NoRecipient,
    /// Something else, where an identity is wanted.
    #[error("an identity begins with {IDENTITY}")]
    NoIdentity,
    /// The secret half, where the public one is wanted.
    #[error(
        "that is an identity, the secret half, and should show nowhere: give its recipient, which \
         begins with {RECIPIENT}"
    )]
    Secret,
    /// The public half, where the secret one is wanted.
    #[error("that is a recipient, which only seals: an identity begins with {IDENTITY}")]
    Public,
    /// Some character is not the one that was printed.
    #[error("it is mistyped or incomplete: its checksum does not fit")]
    Mistyped,
    /// A later version's.
    #[error("it is of a kind that this Tenantry does not know: install a later one")]
    Unknown,
    /// More than one backup can be sealed to.
    #[error("a backup has at most {RECIPIENTS_MAX} recipients")]
    TooMany,
}

/// The public half of a key pair: what a backup is sealed to.
#[derive(Clone, PartialEq, Eq)]
pub struct Recipient([u8; KEY_BYTES]);

impl Recipient {
    /// Reads `tenantry-recipient-…`.
    ///
    /// # Errors
    /// [`KeyTextError`].
    pub fn parse(text: &str) -> Result<Self, KeyTextError> {
        if text.starts_with(IDENTITY) {
            return Err(KeyTextError::Secret);
        }
        let encoded = text.strip_prefix(RECIPIENT).ok_or(KeyTextError::NoRecipient)?;
        decode(RECIPIENT, encoded).map(|key| Self(*key))
    }

    /// Seals a file's key; `head` is what the slot belongs to.
    fn seal(&self, key: &[u8; 32], head: &[u8]) -> Result<[u8; SLOT_BYTES], ArchiveError> {
        let public = HpkePublicKey(self.0.to_vec());
        // HPKE draws its one-time key from the operating system's randomness itself.
        let (encapsulated, sealed) =
            SUITE.seal(INFO, head, key, &public).map_err(|_| ArchiveError::BadRecipient)?;
        let slot = [encapsulated.0, sealed].concat();
        slot.try_into().map_err(|_| ArchiveError::BadRecipient)
    }
}

impl std::fmt::Display for Recipient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&encode(RECIPIENT, &self.0))
    }
}

impl std::fmt::Debug for Recipient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}

/// One to [`RECIPIENTS_MAX`] recipients, each once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recipients(Vec<Recipient>);

impl Recipients {
    /// The recipients in their order. Nothing where there are none.
    ///
    /// # Errors
    /// [`KeyTextError::TooMany`].
    pub fn new(all: Vec<Recipient>) -> Result<Option<Self>, KeyTextError> {
        let mut each: Vec<Recipient> = Vec::with_capacity(all.len().min(RECIPIENTS_MAX));
        for recipient in all {
            if !each.contains(&recipient) {
                if each.len() == RECIPIENTS_MAX {
                    return Err(KeyTextError::TooMany);
                }
                each.push(recipient);
            }
        }
        Ok((!each.is_empty()).then_some(Self(each)))
    }

    /// How many there are, which [`RECIPIENTS_MAX`] bounds.
    pub(super) fn count(&self) -> usize {
        self.0.len()
    }

    /// A slot for each.
    pub(super) fn seal(&self, key: &[u8; 32], head: &[u8]) -> Result<Vec<u8>, ArchiveError> {
        let mut slots = Vec::with_capacity(self.0.len() * SLOT_BYTES);
        for recipient in &self.0 {
            slots.extend_from_slice(&recipient.seal(key, head)?);
        }
        Ok(slots)
    }
}

/// The secret half of a key pair: what opens backups that were sealed to its recipient. Erased
/// when dropped.
pub struct Identity(Zeroizing<[u8; KEY_BYTES]>);

impl Identity {
    /// A new one.
    pub fn generate(rng: &dyn Rng) -> Self {
        let mut key = Zeroizing::new([0; KEY_BYTES]);
        rng.fill(&mut key[..]);
        Self(key)
    }

    /// Reads `tenantry-identity-…`.
    ///
    /// # Errors
    /// [`KeyTextError`].
    pub fn parse(text: &str) -> Result<Self, KeyTextError> {
        if text.starts_with(RECIPIENT) {
            return Err(KeyTextError::Public);
        }
        let encoded = text.strip_prefix(IDENTITY).ok_or(KeyTextError::NoIdentity)?;
        decode(IDENTITY, encoded).map(Self)
    }

    /// The text that [`Identity::parse`] reads, which is as secret as the identity.
    #[must_use]
    pub fn reveal(&self) -> Zeroizing<String> {
        encode(IDENTITY, &self.0)
    }

    /// What backups that it opens are sealed to.
    ///
    /// # Panics
    /// Never: X25519 takes any 32 bytes for a private key.
    #[must_use]
    pub fn recipient(&self) -> Recipient {
        let public = agreement::PrivateKey::from_private_key(&agreement::X25519, &self.0[..])
            .and_then(|key| Ok(key.compute_public_key()?));
        let public = public.expect("X25519 takes any 32 bytes for a private key");
        Recipient(public.as_ref().try_into().expect("X25519 has public keys of 32 bytes"))
    }

    /// The file's key out of the one slot of `slots` that is this identity's. None where none is.
    pub(super) fn open(&self, slots: &[u8], head: &[u8]) -> Option<Zeroizing<[u8; 32]>> {
        let secret = HpkePrivateKey::from(self.0.to_vec());
        slots.chunks_exact(SLOT_BYTES).find_map(|slot| {
            let (encapsulated, sealed) = slot.split_at(ENCAPSULATED_BYTES);
            let encapsulated = EncapsulatedSecret(encapsulated.to_vec());
            let key = SUITE.open(&encapsulated, INFO, head, sealed, &secret).map(Zeroizing::new);
            key.ok()?[..].try_into().ok().map(Zeroizing::new)
        })
    }
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Identity")
    }
}

/// The prefix, then in base58: the suite, the key, four bytes of checksum over all before.
fn encode(prefix: &str, key: &[u8; KEY_BYTES]) -> Zeroizing<String> {
    let mut bytes = Zeroizing::new([0; 1 + KEY_BYTES + CHECKSUM_BYTES]);
    bytes[0] = SUITE_NUMBER;
    bytes[1..=KEY_BYTES].copy_from_slice(key);
    let sum = checksum(prefix, &bytes[..=KEY_BYTES]);
    bytes[1 + KEY_BYTES..].copy_from_slice(&sum);
    let encoded = Zeroizing::new(bs58::encode(&bytes[..]).into_string());
    // Roomy from the start: a string that grows leaves copies behind.
    let mut text = Zeroizing::new(String::with_capacity(prefix.len() + encoded.len()));
    text.push_str(prefix);
    text.push_str(&encoded);
    text
}

fn decode(prefix: &str, encoded: &str) -> Result<Zeroizing<[u8; KEY_BYTES]>, KeyTextError> {
    if encoded.len() > ENCODED_CHARS_MAX {
        return Err(KeyTextError::Mistyped);
    }
    let bytes = bs58::decode(encoded).into_vec().map_err(|_| KeyTextError::Mistyped)?;
    let bytes = Zeroizing::new(bytes);
    let (payload, sum) =
        bytes.split_last_chunk::<CHECKSUM_BYTES>().ok_or(KeyTextError::Mistyped)?;
    if *sum == checksum(prefix, payload)
        && let [suite, key @ ..] = payload
    {
        // Before the length: another suite's keys may have another.
        if *suite != SUITE_NUMBER {
            return Err(KeyTextError::Unknown);
        }
        return key.try_into().map(Zeroizing::new).map_err(|_| KeyTextError::Mistyped);
    }
    Err(KeyTextError::Mistyped)
}

/// The prefix is in it, so that one half is never read as the other.
fn checksum(prefix: &str, payload: &[u8]) -> [u8; CHECKSUM_BYTES] {
    let mut sum = digest::Context::new(&digest::SHA256);
    sum.update(prefix.as_bytes());
    sum.update(payload);
    let sum = sum.finish();
    let (first, _) = sum.as_ref().split_first_chunk().expect("SHA-256 has 32 bytes");
    *first
}

#[cfg(test)]
mod tests {
    use super::*;
    use tenantry_core::rng::SeededRng;

    fn identity() -> Identity {
        Identity::generate(&SeededRng::new(1))
    }

    #[test]
    fn both_halves_read_back_and_the_public_one_follows_from_the_secret_one() {
        let identity = identity();
        let again = Identity::parse(&identity.reveal()).expect("an identity");
        assert_eq!(*again.0, *identity.0);
        let recipient = Recipient::parse(&identity.recipient().to_string()).expect("a recipient");
        assert_eq!(recipient, again.recipient());
        let other = Identity::generate(&SeededRng::new(2));
        assert_ne!(other.recipient(), recipient);
    }

    #[test]
    fn a_public_half_is_x25519_of_the_secret_one() {
        // RFC 7748 §5.2, the first iteration.
        let mut nine = [0; KEY_BYTES];
        nine[0] = 9;
        let public = Identity(Zeroizing::new(nine)).recipient().0;
        let expected = "422c8e7a6227d7bca1350b3e2bb7279f7897b87bb6854b783c60e80311ae3079";
        assert_eq!(super::super::writer::hex(&public), expected);
    }

    #[test]
    fn every_slip_in_either_half_is_refused() {
        let recipient = identity().recipient().to_string();
        let secret = identity().reveal();
        for text in [&*recipient, &*secret] {
            let read = |text: &str| match Recipient::parse(text) {
                Err(KeyTextError::Secret) => Identity::parse(text).map(|_| ()),
                other => other.map(|_| ()),
            };
            assert_eq!(read(text), Ok(()));
            let prefix = text.rfind('-').expect("a prefix") + 1;
            for at in prefix..text.len() {
                for other in ["1", "z", "0", "é", ""] {
                    let slip = format!("{}{other}{}", &text[..at], &text[at + 1..]);
                    if slip != text {
                        assert_eq!(read(&slip), Err(KeyTextError::Mistyped), "{at} {other}");
                    }
                }
                assert_eq!(read(&text[..at]), Err(KeyTextError::Mistyped), "{at}");
                let mut swapped = text.as_bytes().to_vec();
                swapped.swap(at, prefix);
                let swapped = String::from_utf8(swapped).expect("ASCII");
                if swapped != text {
                    assert_eq!(read(&swapped), Err(KeyTextError::Mistyped), "{at}");
                }
            }
            assert_eq!(read(&format!("{text}{}", "1".repeat(10_000))), Err(KeyTextError::Mistyped));
        }
    }

    #[test]
    fn one_half_in_the_place_of_the_other_is_told_as_such_and_not_repeated() {
        let (identity, recipient) = (identity(), identity().recipient().to_string());
        let secret = identity.reveal();
        let refused = Recipient::parse(&secret).expect_err("secret");
        assert_eq!(refused, KeyTextError::Secret);
        assert!(!refused.to_string().contains(&secret[IDENTITY.len()..]));
        assert_eq!(Identity::parse(&recipient).expect_err("public"), KeyTextError::Public);
        assert_eq!(Recipient::parse("age1abc"), Err(KeyTextError::NoRecipient));
        assert_eq!(Identity::parse("").expect_err("empty"), KeyTextError::NoIdentity);
        // The one's payload behind the other's prefix.
        let moved = recipient.replace(RECIPIENT, IDENTITY);
        assert_eq!(Identity::parse(&moved).expect_err("moved"), KeyTextError::Mistyped);
        assert_eq!(format!("{identity:?}"), "Identity");
    }

    #[test]
    fn a_later_kind_is_told_as_such() {
        let mut payload = vec![2];
        payload.extend_from_slice(&[7; 40]);
        payload.extend_from_slice(&checksum(RECIPIENT, &payload));
        let text = format!("{RECIPIENT}{}", bs58::encode(payload).into_string());
        assert_eq!(Recipient::parse(&text), Err(KeyTextError::Unknown));
    }

    #[test]
    fn recipients_are_counted_once_each_and_up_to_their_limit() {
        let one = |seed| Identity::generate(&SeededRng::new(seed)).recipient();
        assert_eq!(Recipients::new(Vec::new()), Ok(None));
        let twice = Recipients::new(vec![one(1), one(2), one(1)]).expect("few").expect("some");
        assert_eq!(twice.0, [one(1), one(2)]);
        let all: Vec<Recipient> = (0..).take(RECIPIENTS_MAX).map(one).collect();
        assert!(Recipients::new(all.clone()).is_ok());
        let more = [&all[..], &[one(99)]].concat();
        assert_eq!(Recipients::new(more), Err(KeyTextError::TooMany));
    }
}
