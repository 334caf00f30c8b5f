//! Plaintext credentials: their formats, how they are drawn, and how a presented one is recognised.

use super::{Secrets, Tag};
use crate::ids::{self, CredentialId};
use crate::limits;
use crate::rng::{self, Rng};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use zeroize::Zeroizing;

const BASE62: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const LOWER_ALPHANUMERIC: &[u8; 36] = b"abcdefghijklmnopqrstuvwxyz0123456789";
const NATIVE_RANDOM: usize = 32;
const NATIVE_CHECKSUM: usize = 6;
const CLIENT_SECRET: &str = "sa_secret_";
const CLIENT_SECRET_RANDOM: usize = 32;
const CLIENT_ID: &str = "sa_client_";
const CLIENT_ID_RANDOM: usize = 12;

/// How an API key is spelled. Rotation keeps it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyFormat {
    /// `<prefix>_`, 32 base62 characters, 6 of checksum.
    Native,
    /// `sa-` and 32 hex digits: the sub-accounts contract.
    SubAccount,
    /// `key_<22>:<43>`: the accounts contract.
    Account,
    /// Another system's own, known by its hash. What it is rotated into is native.
    Imported,
    /// `sa_secret_` and 32 characters: the client secret of the service-accounts contract.
    ClientSecret,
}

/// What a plaintext is presented as; part of what its tag covers, so that a client secret never
/// opens what a bearer key opens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SecretKind {
    /// API keys and platform keys.
    Key,
    /// Client secrets.
    ClientSecret,
    /// Not a secret: the id by which a client is known.
    Client,
    /// Not a secret: the id of an access token.
    AccessToken,
}

impl SecretKind {
    pub(super) const fn label(self) -> &'static str {
        match self {
            Self::Key => "api_key",
            Self::ClientSecret => "client_secret",
            Self::Client => "client",
            Self::AccessToken => "access_token",
        }
    }
}

/// The first seven characters of a key, shown where a list must tell keys apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Start(Box<str>);

impl Start {
    /// A stored row's start.
    #[must_use]
    pub fn from_stored(text: &str) -> Self {
        Self(text.into())
    }

    /// The characters.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Prefix of native keys: 2 to 12 lower-case letters or digits, letters first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyPrefix(Box<str>);

impl KeyPrefix {
    /// Reads a prefix. `sa` and `key` begin other formats and are not free.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::is_prefix(text).then(|| Self(text.into()))
    }

    fn is_prefix(text: &str) -> bool {
        (2..=12).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
            && text.bytes().next().is_some_and(|b| b.is_ascii_lowercase())
            && !["sa", "key"].contains(&text)
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for KeyPrefix {
    fn default() -> Self {
        Self("tnt".into())
    }
}

/// A plaintext credential that was just drawn. Can be shown once and tagged, nothing else.
pub struct PlainSecret {
    text: Zeroizing<String>,
    kind: SecretKind,
}

impl PlainSecret {
    /// Draws the plaintext of an API key in `format`.
    #[must_use]
    pub fn generate(
        rng: &dyn Rng,
        format: KeyFormat,
        id: CredentialId,
        prefix: &KeyPrefix,
    ) -> Self {
        let mut text = Zeroizing::new(String::with_capacity(80));
        match format {
            KeyFormat::SubAccount => {
                let bytes = Zeroizing::new(rng::draw::<16>(rng));
                text.push_str("sa-");
                for byte in bytes.iter() {
                    use std::fmt::Write as _;
                    write!(text, "{byte:02x}").expect("strings take every write");
                }
            }
            KeyFormat::Account => {
                let bytes = Zeroizing::new(rng::draw::<32>(rng));
                text.push_str(&id.to_string());
                text.push(':');
                URL_SAFE_NO_PAD.encode_string(&bytes[..], &mut text);
            }
            KeyFormat::Native | KeyFormat::Imported => {
                text.push_str(prefix.as_str());
                text.push('_');
                text.push_str(&rng::draw_text(rng, BASE62, NATIVE_RANDOM));
                let sum = checksum(&text);
                text.push_str(&sum);
            }
            KeyFormat::ClientSecret => {
                text.push_str(CLIENT_SECRET);
                text.push_str(&rng::draw_text(rng, LOWER_ALPHANUMERIC, CLIENT_SECRET_RANDOM));
            }
        }
        let kind = match format {
            KeyFormat::ClientSecret => SecretKind::ClientSecret,
            KeyFormat::Native
            | KeyFormat::SubAccount
            | KeyFormat::Account
            | KeyFormat::Imported => SecretKind::Key,
        };
        Self { text, kind }
    }

    /// What is stored in its place.
    #[must_use]
    pub fn tag(&self, secrets: &Secrets) -> Tag {
        secrets.tag(self.kind, &self.text)
    }

    /// Its first seven characters.
    #[must_use]
    pub fn start(&self) -> Start {
        Start(self.text[..7].into())
    }

    /// The plaintext itself, for the one reply that shows it.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.text
    }
}

impl std::fmt::Debug for PlainSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PlainSecret")
    }
}

/// Draws a client id, `sa_client_` and 12 hex digits. An index makes it unique.
#[must_use]
pub fn generate_client_id(rng: &dyn Rng) -> String {
    format!("{CLIENT_ID}{}", *rng::draw_text(rng, b"0123456789abcdef", CLIENT_ID_RANDOM))
}

/// A presented text that has the form of a credential. Nothing is known of it yet.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Presented<'a> {
    text: &'a str,
    kind: SecretKind,
}

impl<'a> Presented<'a> {
    /// Recognises an API key or platform key in any of its formats.
    ///
    /// Length, pattern and checksum are looked at before anything is hashed; `None` costs nothing
    /// more than that.
    #[must_use]
    pub fn key(text: &'a str) -> Option<Self> {
        if text.len() > limits::CREDENTIAL_BYTES_MAX {
            return None;
        }
        (is_sub_account(text) || is_account(text) || is_native(text))
            .then_some(Self { text, kind: SecretKind::Key })
    }

    /// Recognises a client secret.
    #[must_use]
    pub fn client_secret(text: &'a str) -> Option<Self> {
        let random = text.strip_prefix(CLIENT_SECRET)?;
        let fits = random.len() == CLIENT_SECRET_RANDOM
            && random.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
        fits.then_some(Self { text, kind: SecretKind::ClientSecret })
    }

    /// What it would be stored as.
    #[must_use]
    pub fn tag(&self, secrets: &Secrets) -> Tag {
        secrets.tag(self.kind, self.text)
    }
}

impl std::fmt::Debug for Presented<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Presented")
    }
}

/// True for a text that has the form of any credential: for keeping them out of logs and URLs.
#[must_use]
pub fn looks_like_secret(text: &str) -> bool {
    Presented::key(text).is_some() || Presented::client_secret(text).is_some()
}

/// True for a text that has the form of a client id.
#[must_use]
pub fn is_client_id(text: &str) -> bool {
    text.strip_prefix(CLIENT_ID)
        .is_some_and(|hex| hex.len() == CLIENT_ID_RANDOM && is_lower_hex(hex))
}

fn is_lower_hex(text: &str) -> bool {
    text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

fn is_sub_account(text: &str) -> bool {
    text.strip_prefix("sa-").is_some_and(|hex| hex.len() == 32 && is_lower_hex(hex))
}

fn is_account(text: &str) -> bool {
    // key_ + 22 + : + 43; the last base64url character of 32 bytes carries two unused bits, which
    // are zero in the one spelling that is accepted.
    text.len() == 4 + ids::BASE58_DIGITS + 1 + 43
        && text.is_ascii()
        && text.as_bytes()[26] == b':'
        && CredentialId::parse_native(&text[..26]).is_ok()
        && text[27..].bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
        && b"AEIMQUYcgkosw048".contains(&text.as_bytes()[69])
}

/// With any prefix: the checksum covers it, and a plane that changes its prefix keeps its keys.
fn is_native(text: &str) -> bool {
    let Some((prefix, rest)) = text.rsplit_once('_') else {
        return false;
    };
    rest.len() == NATIVE_RANDOM + NATIVE_CHECKSUM
        && rest.bytes().all(|b| b.is_ascii_alphanumeric())
        && KeyPrefix::is_prefix(prefix)
        && checksum(&text[..text.len() - NATIVE_CHECKSUM]) == text[text.len() - NATIVE_CHECKSUM..]
}

/// CRC-32 of all that goes before it, as six base62 digits: refuses typos without a look-up.
fn checksum(text: &str) -> String {
    let mut rest = crc32fast::hash(text.as_bytes());
    let mut digits = [b'0'; NATIVE_CHECKSUM];
    for digit in digits.iter_mut().rev() {
        *digit = BASE62[(rest % 62) as usize];
        rest /= 62;
    }
    digits.iter().map(|&digit| char::from(digit)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;
    use crate::rng::SeededRng;
    use proptest::prelude::*;

    const ALL: [KeyFormat; 4] =
        [KeyFormat::Native, KeyFormat::SubAccount, KeyFormat::Account, KeyFormat::ClientSecret];

    fn drawn(format: KeyFormat, seed: u64) -> PlainSecret {
        let rng = SeededRng::new(seed);
        let id = CredentialId::generate(&rng, Timestamp::from_seconds(1_700_000_000));
        PlainSecret::generate(&rng, format, id, &KeyPrefix::default())
    }

    fn recognised(text: &str) -> bool {
        looks_like_secret(text)
    }

    #[test]
    fn drawn_secrets_have_their_contracts_lengths() {
        let lengths = ALL.map(|format| drawn(format, 1).reveal().len());
        assert_eq!(lengths, [4 + 38, 3 + 32, 26 + 1 + 43, 10 + 32]);
    }

    #[test]
    fn the_contracts_examples_are_recognised() {
        assert!(recognised("sa-b33f4fbf011d4661a273a46b11d185f8"));
        assert!(recognised(
            "key_PD5omomyAxXscwKde4mpUS:MFV6n8TpDjNYfaLH7BE2W4Clyu8UOV6DqM3yFzxhhqs"
        ));
    }

    #[test]
    fn a_service_accounts_id_is_not_a_key() {
        assert!(!recognised("sa-550e8400-e29b-41d4-a716-446655440001"));
    }

    #[test]
    fn a_key_and_a_client_secret_of_one_text_have_different_tags() {
        let secrets = Secrets::new(
            &super::super::SecretsMaterial::generate(&SeededRng::new(1)).expect("secrets"),
        );
        assert!(secrets.tag(SecretKind::Key, "x") != secrets.tag(SecretKind::ClientSecret, "x"));
    }

    #[test]
    fn keys_of_an_earlier_prefix_are_still_recognised() {
        let rng = SeededRng::new(1);
        let id = CredentialId::generate(&rng, Timestamp::from_seconds(1));
        let prefix = KeyPrefix::parse("acme2").expect("a prefix");
        let key = PlainSecret::generate(&rng, KeyFormat::Native, id, &prefix);
        assert!(key.reveal().starts_with("acme2_") && recognised(key.reveal()));
        let other = key.reveal().replacen("acme2", "acme3", 1);
        assert!(!recognised(&other), "the checksum covers the prefix");
    }

    #[test]
    fn prefixes_of_other_formats_are_not_free() {
        for text in ["sa", "key", "a", "Tnt", "9a", "a_b", "abcdefghijklm", ""] {
            assert!(KeyPrefix::parse(text).is_none(), "{text}");
        }
        assert!(KeyPrefix::parse("acme2").is_some());
    }

    proptest! {
        #[test]
        fn what_is_drawn_is_recognised(seed: u64, index in 0..4_usize) {
            prop_assert!(recognised(drawn(ALL[index], seed).reveal()));
        }

        #[test]
        fn one_changed_character_of_a_native_key_is_refused(
            seed: u64, at in 0..42_usize, with in "[0-9A-Za-z]",
        ) {
            let mut text = drawn(KeyFormat::Native, seed).reveal().to_owned();
            prop_assume!(text[at..=at] != with);
            text.replace_range(at..=at, &with);
            prop_assert!(!recognised(&text));
        }

        #[test]
        fn no_text_makes_the_recogniser_panic(text in ".{0,140}") {
            let _ = recognised(&text);
        }
    }
}
