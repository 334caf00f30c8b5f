//! From a passphrase to a key.

use super::ArchiveError;
use argon2::{Algorithm, Argon2, Params, Version};
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

    /// The key that follows from it and the salt of one file.
    pub(super) fn stretch(
        &self,
        cost: Cost,
        salt: &[u8],
    ) -> Result<Zeroizing<[u8; 32]>, ArchiveError> {
        let bad = |_| ArchiveError::Damaged("its head asks for a key that cannot be made");
        let params =
            Params::new(cost.memory_kib, cost.passes, cost.lanes, Some(32)).map_err(bad)?;
        let mut key = Zeroizing::new([0; 32]);
        Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
            .hash_password_into(self.0.as_bytes(), salt, &mut key[..])
            .map_err(bad)?;
        Ok(key)
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
