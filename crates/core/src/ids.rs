//! Identifiers: one 128-bit number (`UUIDv7`) each, with several spellings.
//!
//! The native API prints a prefix and 22 base58 characters, two of the dialects print a UUID.
//! Each spelling has a parser of its own that accepts nothing else, so that an id has exactly one
//! text per spelling.

use crate::clock::Timestamp;
use crate::rng::{self, Rng};
use std::fmt::Write as _;
use uuid::Uuid;

/// Digits of a 128-bit number in base58.
pub const BASE58_DIGITS: usize = 22;

/// A text that does not spell an id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an id")]
pub struct InvalidId;

fn generate(rng: &dyn Rng, now: Timestamp) -> [u8; 16] {
    let millis = u64::try_from(now.micros().div_euclid(1000)).unwrap_or(0);
    *uuid::Builder::from_unix_timestamp_millis(millis, &rng::draw::<10>(rng)).as_uuid().as_bytes()
}

/// Base58 in the alphabet that `bs58` calls Bitcoin's, which has no `0`, `O`, `I` and `l`.
const ALPHABET: &[u8; 58] = b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";

/// Spells 16 bytes as 22 base58 digits, most significant first.
///
/// Written out because each verification prints three ids: the library's encoder, made for any
/// length, takes ten times as long. The library reads, and the tests hold the two together.
#[must_use]
pub fn to_base58(bytes: [u8; 16]) -> [u8; BASE58_DIGITS] {
    // Ten digits fit 64 bits: two wide divisions leave parts of two, ten and ten digits.
    const TEN_DIGITS: u128 = 58_u128.pow(10);
    let number = u128::from_be_bytes(bytes);
    let mut digits = [b'1'; BASE58_DIGITS];
    let (high, rest) = digits.split_at_mut(2);
    let (middle, low) = rest.split_at_mut(10);
    let parts = [
        (low, number % TEN_DIGITS),
        (middle, number / TEN_DIGITS % TEN_DIGITS),
        (high, number / TEN_DIGITS / TEN_DIGITS),
    ];
    for (places, part) in parts {
        #[expect(
            clippy::cast_possible_truncation,
            reason = "58^10 and 2^128 / 58^20 are below 2^64"
        )]
        let mut rest = part as u64;
        for place in places.iter_mut().rev() {
            *place = ALPHABET[usize::try_from(rest % 58).unwrap_or(0)];
            rest /= 58;
        }
    }
    digits
}

/// Reads what [`to_base58`] printed.
///
/// # Errors
/// [`InvalidId`] unless the text is 22 base58 digits of a number below 2^128.
pub fn from_base58(text: &str) -> Result<[u8; 16], InvalidId> {
    if text.len() != BASE58_DIGITS {
        return Err(InvalidId);
    }
    let mut buffer = [0_u8; BASE58_DIGITS];
    let length = bs58::decode(text.trim_start_matches('1')).onto(&mut buffer[..]);
    let length = length.map_err(|_| InvalidId)?;
    let mut bytes = [0; 16];
    let start = 16_usize.checked_sub(length).ok_or(InvalidId)?;
    bytes[start..].copy_from_slice(&buffer[..length]);
    Ok(bytes)
}

/// Reads a UUID in its hyphenated form (RFC 9562 §4), either case; no braces, no URN.
///
/// # Errors
/// [`InvalidId`] for anything else.
pub fn from_uuid(text: &str) -> Result<[u8; 16], InvalidId> {
    if text.len() != 36 {
        return Err(InvalidId);
    }
    Uuid::try_parse(text).map(Uuid::into_bytes).map_err(|_| InvalidId)
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; 16]);

        impl $name {
            /// What the native spelling begins with.
            pub const PREFIX: &'static str = $prefix;

            /// Draws a new id that sorts by time.
            #[must_use]
            pub fn generate(rng: &dyn Rng, now: Timestamp) -> Self {
                Self(generate(rng, now))
            }

            /// The id of a stored row.
            #[must_use]
            pub const fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(bytes)
            }

            /// The number itself, most significant byte first.
            #[must_use]
            pub const fn as_bytes(&self) -> &[u8; 16] {
                &self.0
            }

            /// Reads the native spelling, prefix and 22 base58 digits.
            ///
            /// # Errors
            /// [`InvalidId`] for anything else.
            pub fn parse_native(text: &str) -> Result<Self, InvalidId> {
                from_base58(text.strip_prefix($prefix).ok_or(InvalidId)?).map(Self)
            }

            /// Reads the UUID spelling.
            ///
            /// # Errors
            /// [`InvalidId`] for anything else.
            pub fn parse_uuid(text: &str) -> Result<Self, InvalidId> {
                from_uuid(text).map(Self)
            }

            /// Reads either spelling, as the native API and the command line do.
            ///
            /// # Errors
            /// [`InvalidId`] for anything else.
            pub fn parse_any(text: &str) -> Result<Self, InvalidId> {
                Self::parse_native(text).or_else(|_| Self::parse_uuid(text))
            }

            /// The UUID spelling, lower case.
            #[must_use]
            pub fn to_uuid(self) -> String {
                Uuid::from_bytes(self.0).hyphenated().to_string()
            }

            /// Appends the native spelling.
            pub fn write_native(self, out: &mut Vec<u8>) {
                out.extend_from_slice($prefix.as_bytes());
                out.extend_from_slice(&to_base58(self.0));
            }

            /// Appends the UUID spelling.
            pub fn write_uuid(self, out: &mut Vec<u8>) {
                let mut buffer = Uuid::encode_buffer();
                let text = Uuid::from_bytes(self.0).hyphenated().encode_lower(&mut buffer);
                out.extend_from_slice(text.as_bytes());
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str($prefix)?;
                to_base58(self.0).iter().try_for_each(|digit| f.write_char(char::from(*digit)))
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                std::fmt::Display::fmt(self, f)
            }
        }
    };
}

id!(
    /// An account: a root account (organization) or a sub-account.
    AccountId,
    "acc_"
);
id!(
    /// A credential: an API key, a platform key or a client secret.
    CredentialId,
    "key_"
);
id!(
    /// A service account.
    ServiceAccountId,
    "svc_"
);
id!(
    /// A member of a root account.
    MemberId,
    "mem_"
);
id!(
    /// A lease.
    LeaseId,
    "lea_"
);
id!(
    /// An audit event.
    EventId,
    "evt_"
);

id!(
    /// A realm of an organization's own.
    RealmId,
    "rlm_"
);

id!(
    /// An access token.
    TokenId,
    "tok_"
);

impl AccountId {
    /// Stands for the plane itself where a root account is asked for: the owner of platform keys
    /// and of the operator's own audit events. No account has it.
    pub const PLANE: Self = Self([0; 16]);
}

impl EventId {
    /// Lower than the id of any event at `at` or later, and higher than that of any event of an
    /// earlier millisecond.
    #[must_use]
    pub fn before(at: Timestamp) -> Self {
        let millis = u64::try_from(at.micros().div_euclid(1000)).unwrap_or(0);
        let mut bytes = [0; 16];
        bytes[..6].copy_from_slice(&millis.min((1 << 48) - 1).to_be_bytes()[2..]);
        Self(bytes)
    }
}

impl CredentialId {
    /// The spelling of a client secret's id, `sec_` and 22 base58 digits.
    #[must_use]
    pub fn to_secret(self) -> String {
        let mut text = Vec::with_capacity(4 + BASE58_DIGITS);
        self.write_secret(&mut text);
        text.iter().map(|&byte| char::from(byte)).collect()
    }

    /// Reads that spelling, or a UUID, as the native API does.
    ///
    /// # Errors
    /// [`InvalidId`] for anything else.
    pub fn parse_secret(text: &str) -> Result<Self, InvalidId> {
        match text.strip_prefix("sec_") {
            Some(digits) => from_base58(digits).map(Self),
            None => Self::parse_uuid(text),
        }
    }

    /// Appends that spelling.
    pub fn write_secret(self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"sec_");
        out.extend_from_slice(&to_base58(self.0));
    }
}

impl ServiceAccountId {
    /// The spelling of the service-accounts dialect, `sa-` and the UUID.
    #[must_use]
    pub fn to_dialect(self) -> String {
        format!("sa-{}", self.to_uuid())
    }

    /// Reads that spelling.
    ///
    /// # Errors
    /// [`InvalidId`] for anything else.
    pub fn parse_dialect(text: &str) -> Result<Self, InvalidId> {
        Self::parse_uuid(text.strip_prefix("sa-").ok_or(InvalidId)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_id_has_the_contracts_width() {
        assert_eq!(&to_base58([0; 16]), &[b'1'; 22]);
        assert_eq!(AccountId::from_bytes([0xff; 16]).to_string().len(), 4 + 22);
    }

    #[test]
    fn the_contracts_example_ids_are_ids() {
        let id = AccountId::parse_native("acc_G5aNFLDZd6es1brCrj7QFi").expect("an id");
        assert_eq!(id.to_string(), "acc_G5aNFLDZd6es1brCrj7QFi");
        assert!(CredentialId::parse_native("key_PD5omomyAxXscwKde4mpUS").is_ok());
    }

    #[test]
    fn other_spellings_are_refused() {
        for text in [
            "",
            "acc_",
            "acc_G5aNFLDZd6es1brCrj7QF",
            "acc_G5aNFLDZd6es1brCrj7QFii",
            "key_G5aNFLDZd6es1brCrj7QFi",
            "acc_G5aNFLDZd6es1brCrj7QF0",
            "acc_zzzzzzzzzzzzzzzzzzzzzz",
            "{3fa85f64-5717-4562-b3fc-2c963f66afa6}",
            "urn:uuid:3fa85f64-5717-4562-b3fc-2c963f66afa6",
            "3fa85f6457174562b3fc2c963f66afa6",
            "acc_ééééééééééé",
        ] {
            assert_eq!(AccountId::parse_any(text), Err(InvalidId), "{text}");
        }
    }

    proptest! {
        #[test]
        fn digits_are_those_of_the_library(bytes: [u8; 16], zeros in 0..=16_usize) {
            let mut bytes = bytes;
            bytes[..zeros].fill(0);
            let digits = bs58::encode(bytes).into_string();
            let digits = digits.trim_start_matches('1');
            prop_assert_eq!(to_base58(bytes).to_vec(), format!("{digits:1>22}").into_bytes());
        }

        #[test]
        fn every_spelling_reads_back(bytes: [u8; 16]) {
            let id = AccountId::from_bytes(bytes);
            prop_assert_eq!(AccountId::parse_native(&id.to_string()), Ok(id));
            prop_assert_eq!(AccountId::parse_uuid(&id.to_uuid()), Ok(id));
            let mut written = Vec::new();
            id.write_native(&mut written);
            id.write_uuid(&mut written);
            prop_assert_eq!(written, format!("{id}{}", id.to_uuid()).into_bytes());
            prop_assert_eq!(AccountId::parse_uuid(&id.to_uuid().to_uppercase()), Ok(id));
            let id = ServiceAccountId::from_bytes(bytes);
            prop_assert_eq!(ServiceAccountId::parse_dialect(&id.to_dialect()), Ok(id));
            let id = CredentialId::from_bytes(bytes);
            for text in [id.to_secret(), id.to_uuid()] {
                prop_assert_eq!(CredentialId::parse_secret(&text), Ok(id));
            }
            prop_assert!(CredentialId::parse_secret(&id.to_string()).is_err());
        }

        #[test]
        fn a_text_that_reads_is_the_text_that_is_printed(text in "acc_[1-9A-HJ-NP-Za-km-z]{22}") {
            if let Ok(id) = AccountId::parse_native(&text) {
                prop_assert_eq!(id.to_string(), text);
            }
        }
    }
}
