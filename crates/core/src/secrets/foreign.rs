//! Hashes of keys that another system issued, and how a presented key is recognised by one.
//!
//! A fast hash (SHA-256, SHA-512, HMAC-SHA-256) is as good as the key for finding it: the presented
//! key is hashed the same way and looked up by the tag of that. A slow hash (bcrypt, scrypt,
//! argon2id) is salted and finds nothing, so its importer names the beginning of the key, which is
//! looked up instead; the first use that fits puts a fast hash in its place.

use super::{Secrets, Tag};
use crate::error::{Error, Problem, Result};
use crate::limits;
use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{self, PasswordVerifier as _};
use aws_lc_rs::{digest, hmac};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use zeroize::Zeroizing;

/// A hash that finds the key by itself, and how it was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FastHash {
    /// SHA-256 of the key.
    Sha256([u8; 32]),
    /// SHA-512 of the key.
    Sha512([u8; 64]),
    /// HMAC-SHA-256 of the key under the other system's own key.
    HmacSha256([u8; 32], HmacKey),
    /// SHA-256 of a key whose slow hash it has fitted.
    Used([u8; 32]),
}

/// The key under which another system hashed its keys.
#[derive(Clone, PartialEq, Eq)]
pub struct HmacKey(Zeroizing<Box<[u8]>>);

impl HmacKey {
    /// Reads base64 of 1 to [`limits::FOREIGN_HMAC_KEY_BYTES_MAX`] bytes.
    ///
    /// # Errors
    /// [`Problem::Malformed`] for anything else.
    pub fn parse(text: &str) -> Result<Self, Problem> {
        let bytes = STANDARD.decode(text).or_else(|_| URL_SAFE_NO_PAD.decode(text));
        let bytes = Zeroizing::new(bytes.map_err(|_| Problem::Malformed)?);
        if (1..=limits::FOREIGN_HMAC_KEY_BYTES_MAX).contains(&bytes.len()) {
            Ok(Self(Zeroizing::new(bytes[..].into())))
        } else {
            Err(Problem::Malformed)
        }
    }

    pub(crate) fn from_bytes(bytes: &[u8]) -> Self {
        Self(Zeroizing::new(bytes.into()))
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    fn digest(&self, key: &str) -> [u8; 32] {
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &self.0), key.as_bytes());
        let mut bytes = [0; 32];
        bytes.copy_from_slice(tag.as_ref());
        bytes
    }
}

impl std::fmt::Debug for HmacKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("HmacKey")
    }
}

impl FastHash {
    /// Reads a SHA-256 in hex or base64.
    ///
    /// # Errors
    /// [`Problem::Malformed`].
    pub fn sha256(text: &str) -> Result<Self, Problem> {
        read_digest(text).map(Self::Sha256)
    }

    /// Reads a SHA-512 in hex or base64.
    ///
    /// # Errors
    /// [`Problem::Malformed`].
    pub fn sha512(text: &str) -> Result<Self, Problem> {
        read_digest(text).map(Self::Sha512)
    }

    /// Reads an HMAC-SHA-256 in hex or base64.
    ///
    /// # Errors
    /// [`Problem::Malformed`].
    pub fn hmac_sha256(text: &str, key: HmacKey) -> Result<Self, Problem> {
        Ok(Self::HmacSha256(read_digest(text)?, key))
    }

    /// The hash of a presented key, made as `kind` says.
    #[must_use]
    pub fn of(kind: &FastKind, key: &str) -> Self {
        match kind {
            FastKind::Sha256 => {
                Self::Sha256(fixed(digest::digest(&digest::SHA256, key.as_bytes())))
            }
            FastKind::Sha512 => {
                Self::Sha512(fixed(digest::digest(&digest::SHA512, key.as_bytes())))
            }
            FastKind::Used => Self::Used(fixed(digest::digest(&digest::SHA256, key.as_bytes()))),
            FastKind::HmacSha256(secret) => Self::HmacSha256(secret.digest(key), secret.clone()),
        }
    }

    /// What the key is stored and found by.
    #[must_use]
    pub fn tag(&self, secrets: &Secrets) -> Tag {
        match self {
            Self::Sha256(hash) => secrets.foreign_tag(b"foreign sha256", &[hash]),
            Self::Sha512(hash) => secrets.foreign_tag(b"foreign sha512", &[hash]),
            Self::Used(hash) => secrets.foreign_tag(b"foreign used", &[hash]),
            Self::HmacSha256(hash, key) => {
                secrets.foreign_tag(b"foreign hmac-sha256", &[hash, key.as_bytes()])
            }
        }
    }
}

fn fixed<const N: usize>(digest: digest::Digest) -> [u8; N] {
    std::array::from_fn(|index| digest.as_ref()[index])
}

/// Hex where it is as long as hex would be, else base64 in either alphabet.
fn read_digest<const N: usize>(text: &str) -> Result<[u8; N], Problem> {
    let bytes = if text.len() == 2 * N {
        (0..N).map(|at| text.get(2 * at..2 * at + 2)).map(hex_byte).collect::<Option<Vec<u8>>>()
    } else {
        STANDARD.decode(text).or_else(|_| URL_SAFE_NO_PAD.decode(text)).ok()
    };
    bytes.and_then(|bytes| bytes.try_into().ok()).ok_or(Problem::Malformed)
}

fn hex_byte(pair: Option<&str>) -> Option<u8> {
    // The library's parser would take a sign.
    let pair = pair.filter(|pair| pair.bytes().all(|b| b.is_ascii_hexdigit()))?;
    u8::from_str_radix(pair, 16).ok()
}

/// How a fast hash was made; what is known of imports before a key is presented.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FastKind {
    /// SHA-256.
    Sha256,
    /// SHA-512.
    Sha512,
    /// HMAC-SHA-256 under this key.
    HmacSha256(HmacKey),
    /// SHA-256, put in the place of a slow hash.
    Used,
}

/// A slow hash, as its text: bcrypt's own form, else PHC.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SlowHash {
    text: Box<str>,
    kind: SlowKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum SlowKind {
    Bcrypt,
    Scrypt,
    Argon2id,
}

impl SlowHash {
    /// Reads `$2a$…`, `$2b$…` or `$2y$…` of bcrypt, or a PHC text of scrypt or argon2id. A hash
    /// that would take more work than a check may is refused here.
    ///
    /// # Errors
    /// [`Problem::Malformed`], or [`Problem::OutOfRange`] for its cost.
    pub fn parse(algorithm: &str, text: &str) -> Result<Self, Problem> {
        if text.len() > limits::FOREIGN_HASH_BYTES_MAX || !text.is_ascii() {
            return Err(Problem::Malformed);
        }
        let kind = match algorithm {
            "bcrypt" => SlowKind::Bcrypt,
            "scrypt" => SlowKind::Scrypt,
            "argon2id" => SlowKind::Argon2id,
            _ => return Err(Problem::Malformed),
        };
        let cost = match kind {
            SlowKind::Bcrypt => bcrypt_cost(text)?,
            SlowKind::Scrypt => scrypt_bytes(text)?,
            SlowKind::Argon2id => argon2_work(text)?,
        };
        let max = match kind {
            SlowKind::Bcrypt => limits::FOREIGN_BCRYPT_COST_MAX,
            SlowKind::Scrypt => limits::FOREIGN_SCRYPT_BYTES_MAX,
            SlowKind::Argon2id => limits::FOREIGN_ARGON2_WORK_KIB_MAX,
        };
        if cost > max {
            return Err(Problem::OutOfRange(0, max.into()));
        }
        Ok(Self { text: text.into(), kind })
    }

    /// The stored text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The algorithm's word.
    #[must_use]
    pub const fn algorithm(&self) -> &'static str {
        match self.kind {
            SlowKind::Bcrypt => "bcrypt",
            SlowKind::Scrypt => "scrypt",
            SlowKind::Argon2id => "argon2id",
        }
    }

    /// Whether it is the hash of `key`. Takes up to a second of a core: not for an async task.
    ///
    /// # Errors
    /// [`Error::Internal`] where the library cannot run it.
    pub fn matches(&self, key: &str) -> Result<bool> {
        let phc = || PasswordHash::new(&self.text).map_err(|error| failed(&error));
        let outcome = match self.kind {
            SlowKind::Bcrypt => {
                return match bcrypt::non_truncating_verify(key, &self.text) {
                    Ok(fits) => Ok(fits),
                    // bcrypt looks at no more than 72 bytes: what stands behind them is not
                    // checked, so a longer key is none.
                    Err(bcrypt::BcryptError::Truncation(_)) => Ok(false),
                    Err(error) => Err(failed(&error)),
                };
            }
            SlowKind::Scrypt => scrypt::Scrypt::default().verify_password(key.as_bytes(), &phc()?),
            SlowKind::Argon2id => Argon2::default().verify_password(key.as_bytes(), &phc()?),
        };
        match outcome {
            Ok(()) => Ok(true),
            Err(password_hash::Error::PasswordInvalid) => Ok(false),
            Err(error) => Err(failed(&error)),
        }
    }
}

fn failed(error: &impl std::fmt::Display) -> Error {
    Error::internal(error.to_string())
}

fn bcrypt_cost(text: &str) -> Result<u32, Problem> {
    let parts: bcrypt::HashParts = text.parse().map_err(|_| Problem::Malformed)?;
    Ok(parts.get_cost())
}

/// A PHC text of `algorithm` with a salt and a hash.
fn phc(text: &str, algorithm: &str) -> Result<PasswordHash, Problem> {
    let hash = PasswordHash::new(text).map_err(|_| Problem::Malformed)?;
    let whole = hash.algorithm.as_str() == algorithm && hash.salt.is_some() && hash.hash.is_some();
    if whole { Ok(hash) } else { Err(Problem::Malformed) }
}

fn scrypt_bytes(text: &str) -> Result<u32, Problem> {
    let params = scrypt::Params::try_from(&phc(text, "scrypt")?).map_err(|_| Problem::Malformed)?;
    let rows = 128_u32.checked_shl(params.log_n().into()).filter(|_| params.log_n() < 24);
    let bytes = rows.and_then(|rows| rows.checked_mul(params.r()));
    Ok(bytes.and_then(|bytes| bytes.checked_mul(params.p())).unwrap_or(u32::MAX))
}

fn argon2_work(text: &str) -> Result<u32, Problem> {
    let hash = phc(text, "argon2id")?;
    let params = argon2::Params::try_from(&hash).map_err(|_| Problem::Malformed)?;
    Ok(params.m_cost().saturating_mul(params.t_cost()))
}

/// The beginning of a key, up to one of its separators, by which a slow hash is found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LookUp(Box<str>);

const SEPARATORS: [char; 4] = ['.', ':', '_', '-'];

impl LookUp {
    /// Reads 6 to 64 visible ASCII characters.
    ///
    /// # Errors
    /// [`Problem::Malformed`] for anything else.
    pub fn parse(text: &str) -> Result<Self, Problem> {
        let length = limits::FOREIGN_LOOK_UP_BYTES_MIN..=limits::FOREIGN_LOOK_UP_BYTES_MAX;
        if length.contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic()) {
            Ok(Self(text.into()))
        } else {
            Err(Problem::Malformed)
        }
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What it is stored and found by.
    #[must_use]
    pub fn tag(&self, secrets: &Secrets) -> Tag {
        secrets.foreign_tag(b"foreign look-up", &[self.0.as_bytes()])
    }

    /// The beginnings of a presented key that may be one.
    pub fn of(key: &str) -> impl Iterator<Item = Self> {
        key.match_indices(SEPARATORS)
            .filter_map(|(at, _)| Self::parse(&key[..at]).ok())
            .take(limits::FOREIGN_LOOK_UPS_MAX)
    }
}

/// True for a text that may be the key of another system: visible ASCII, not too short to be
/// guessed and not too long to be looked at.
#[must_use]
pub fn may_be_foreign(text: &str) -> bool {
    (limits::FOREIGN_KEY_BYTES_MIN..=limits::CREDENTIAL_BYTES_MAX).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Test vectors of others: Openwall's of bcrypt, Python's hashlib, the reference of argon2.
    const VECTORS: [(&str, &str, &str); 3] = [
        ("bcrypt", "U*U", "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"),
        (
            "scrypt",
            "acme_live.c2VjcmV0LXBhcnQ",
            "$scrypt$ln=4,r=8,p=1$c2FsdHNhbHQ$84SBTCVsrh/2kOI5igAjpFB+B1fawaxDTQRNaatRjFA",
        ),
        (
            "argon2id",
            "password",
            "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
        ),
    ];

    #[test]
    fn a_slow_hash_fits_the_key_that_it_was_made_of_and_no_other() {
        for (algorithm, key, text) in VECTORS {
            let hash = SlowHash::parse(algorithm, text).expect("a hash");
            assert_eq!((hash.algorithm(), hash.as_str()), (algorithm, text));
            assert!(hash.matches(key).expect("checked"), "{algorithm}");
            assert!(!hash.matches(&format!("{key}x")).expect("checked"), "{algorithm}");
            for other in ["bcrypt", "scrypt", "argon2id", "md5"] {
                assert!(other == algorithm || SlowHash::parse(other, text).is_err(), "{other}");
            }
        }
    }

    #[test]
    fn bcrypt_takes_no_key_whose_end_it_would_not_look_at() {
        let long = "a".repeat(73);
        let text = bcrypt::hash(&long[..72], 4).expect("a hash");
        let hash = SlowHash::parse("bcrypt", &text).expect("a hash");
        assert!(!hash.matches(&long).expect("checked"), "only its first 72 bytes were hashed");
    }

    #[test]
    fn a_hash_that_would_take_too_much_work_is_refused() {
        for (algorithm, text) in [
            ("bcrypt", "$2b$15$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"),
            (
                "scrypt",
                "$scrypt$ln=20,r=8,p=1$c2FsdHNhbHQ$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
            ),
            (
                "scrypt",
                "$scrypt$ln=63,r=8,p=1$c2FsdHNhbHQ$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
            ),
            (
                "argon2id",
                "$argon2id$v=19$m=4194304,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
            ),
        ] {
            assert!(SlowHash::parse(algorithm, text).is_err(), "{text}");
        }
    }

    #[test]
    fn digests_are_read_in_hex_and_base64() {
        let hex = "2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b";
        let base64 = "K7gNU3sdo+OL0wNhqoVWhr3g6s1xYv72ol/pe/Unols=";
        let url = "K7gNU3sdo-OL0wNhqoVWhr3g6s1xYv72ol_pe_Unols";
        let expected = FastHash::of(&FastKind::Sha256, "secret");
        for text in [hex, &hex.to_uppercase(), base64, url] {
            assert_eq!(FastHash::sha256(text), Ok(expected.clone()), "{text}");
        }
        for text in ["", "2bb8", &hex.replace("2b", "+b"), &hex.replace('2', "g"), &hex[1..]] {
            assert!(FastHash::sha256(text).is_err(), "{text}");
        }
        assert!(FastHash::sha512(hex).is_err());
    }

    #[test]
    fn a_key_is_looked_up_by_its_beginnings() {
        let of = |key| LookUp::of(key).map(|look_up| look_up.0.to_string()).collect::<Vec<_>>();
        assert_eq!(of("acme_live_abc123.secret"), ["acme_live", "acme_live_abc123"]);
        assert_eq!(of("nothingtoseparate"), Vec::<String>::new());
        assert_eq!(of("abcdef.g.h.i.j.k.l").len(), limits::FOREIGN_LOOK_UPS_MAX);
    }

    #[test]
    fn hashes_of_different_kinds_have_different_tags() {
        let material = crate::secrets::SecretsMaterial::generate(&crate::rng::SeededRng::new(1));
        let secrets = Secrets::new(&material.expect("secrets"));
        let keys = [HmacKey::from_bytes(b"a"), HmacKey::from_bytes(b"b")];
        let digest = [7; 32];
        let tags = [
            FastHash::Sha256(digest).tag(&secrets),
            FastHash::HmacSha256(digest, keys[0].clone()).tag(&secrets),
            FastHash::HmacSha256(digest, keys[1].clone()).tag(&secrets),
            secrets.tag(crate::secrets::plain::SecretKind::Key, "secret"),
        ];
        for (index, tag) in tags.iter().enumerate() {
            assert!(!tags[..index].contains(tag));
        }
    }
}
