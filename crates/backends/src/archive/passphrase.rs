//! From a passphrase to keys.

use super::ArchiveError;
use argon2::{Algorithm, Argon2, Params, Version};
use aws_lc_rs::{hkdf, hmac};
use zeroize::Zeroizing;

/// Fewest characters of a passphrase: a stolen backup can be tried against for ever.
pub const PASSPHRASE_CHARS_MIN: usize = 12;

/// What only the operator knows. Erased when dropped.
pub struct Passphrase(Zeroizing<String>);

impl Passphrase {
    /// A passphrase for a new backup.
    ///
    /// # Errors
    /// [`ArchiveError::PassphraseTooShort`].
    pub fn new(text: Zeroizing<String>) -> Result<Self, ArchiveError> {
        if text.chars().count() < PASSPHRASE_CHARS_MIN {
            return Err(ArchiveError::PassphraseTooShort);
        }
        Ok(Self(text))
    }
}

impl std::fmt::Debug for Passphrase {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Passphrase")
    }
}

/// What it costs to try a passphrase (Argon2id).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cost {
    /// Memory in KiB.
    pub memory_kib: u32,
    /// Passes over it.
    pub passes: u32,
    /// Lanes.
    pub lanes: u32,
}

impl Cost {
    /// RFC 9106 §4, second choice: 64 MiB, three passes, four lanes.
    pub const STANDARD: Self = Self { memory_kib: 64 * 1024, passes: 3, lanes: 4 };

    /// The most that is spent on a head that anybody may have written.
    const MAX: Self = Self { memory_kib: 1024 * 1024, passes: 16, lanes: 16 };

    pub(super) fn is_sane(self) -> bool {
        self.memory_kib <= Self::MAX.memory_kib
            && self.passes <= Self::MAX.passes
            && self.lanes <= Self::MAX.lanes
    }
}

/// The keys of one file.
pub(super) struct Keys {
    pub(super) check: hmac::Key,
    pub(super) stream: Zeroizing<[u8; 32]>,
}

impl Keys {
    /// The keys of the file whose head begins with `head`, its random salt among it: another head
    /// gives other keys.
    pub(super) fn derive(
        passphrase: &Passphrase,
        cost: Cost,
        salt: &[u8],
        head: &[u8],
    ) -> Result<Self, ArchiveError> {
        let bad = |_| ArchiveError::Damaged("its head asks for a key that cannot be made");
        let params =
            Params::new(cost.memory_kib, cost.passes, cost.lanes, Some(32)).map_err(bad)?;
        let mut master = Zeroizing::new([0; 32]);
        Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
            .hash_password_into(passphrase.0.as_bytes(), salt, &mut master[..])
            .map_err(bad)?;
        let master = hkdf::Salt::new(hkdf::HKDF_SHA256, head).extract(&master[..]);
        let too_long = "32 bytes are within HKDF's output";
        let check = master.expand(&[b"tenantry backup check v1"], hmac::HMAC_SHA256);
        let mut stream = Zeroizing::new([0; 32]);
        master
            .expand(&[b"tenantry backup stream v1"], hkdf::HKDF_SHA256)
            .and_then(|okm| okm.fill(&mut stream[..]))
            .expect(too_long);
        Ok(Self { check: check.expect(too_long).into(), stream })
    }
}
