//! The hash of a foreign key that is not found by itself, as it is stored until its first use.

use crate::ids::{AccountId, CredentialId};
use crate::secrets::foreign::SlowHash;
use crate::secrets::{MacWriter, Protected, SealKey, Tag};

/// A slow hash, by what it is looked up and which credential it opens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForeignHash {
    /// What it is found by: the tag of the key's beginning.
    pub look_up: Tag,
    /// The credential that it opens.
    pub credential: CredentialId,
    /// The root account of that credential's tree.
    pub root: AccountId,
    /// The hash.
    pub hash: SlowHash,
}

impl Protected for ForeignHash {
    const TABLE: &'static str = "foreign_hashes";
    const KEY: SealKey = SealKey::Row;

    fn printed_id(&self) -> String {
        self.credential.to_string()
    }

    fn write_to(&self, mac: &mut MacWriter) {
        let Self { look_up, credential, root, hash } = self;
        mac.bytes(look_up.as_bytes());
        mac.bytes(credential.as_bytes());
        mac.bytes(root.as_bytes());
        mac.text(hash.algorithm());
        mac.text(hash.as_str());
    }
}

/// A kind of foreign hash that was imported: what a presented foreign key is hashed by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForeignKind {
    /// `sha256`, `sha512`, `hmac-sha256`, or `slow` for all that are not found by themselves.
    pub word: &'static str,
    /// Which HMAC key; all zero where there is none.
    pub key_id: [u8; 16],
    /// The HMAC key, sealed; empty where there is none.
    pub sealed_key: Vec<u8>,
}

impl ForeignKind {
    /// Words of the kinds.
    pub const WORDS: [&'static str; 4] = ["sha256", "sha512", "hmac-sha256", "slow"];

    /// Reads a stored word.
    #[must_use]
    pub fn word_from_stored(word: &str) -> Option<&'static str> {
        Self::WORDS.into_iter().find(|known| *known == word)
    }
}
