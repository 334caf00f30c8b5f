//! The head: what must be known before anything can be opened.
//!
//! | bytes | what |
//! |---|---|
//! | 0..8 | `TNTRYBAK` |
//! | 8..10 | version, 1 |
//! | 10, 11 | 1: Argon2id, version 1.3; 1: AES-256-GCM in chunks of 64 KiB |
//! | 12..24 | Argon2's memory in KiB, passes, lanes |
//! | 24..56 | salt |
//! | 56..88 | HMAC-SHA-256 of the bytes before: is it the right passphrase? |
//! | 88..120 | SHA-256 of the bytes before: is it the head that was written? |
//!
//! Numbers are big-endian.

use super::ArchiveError;
use super::passphrase::{Cost, Keys, Passphrase};
use aws_lc_rs::{digest, hmac};
use tenantry_core::rng::{self, Rng};

pub(super) const HEAD_BYTES: usize = 120;

const MAGIC: &[u8; 8] = b"TNTRYBAK";
const VERSION: u16 = 1;
const ALGORITHMS: [u8; 2] = [1, 1];
const SALT_AT: usize = 24;
const CHECK_AT: usize = 56;
const CHECKSUM_AT: usize = 88;

/// A new head, and the keys that it stands for.
pub(super) fn create(
    passphrase: &Passphrase,
    cost: Cost,
    rng: &dyn Rng,
) -> Result<([u8; HEAD_BYTES], Keys), ArchiveError> {
    let mut head = [0; HEAD_BYTES];
    head[..8].copy_from_slice(MAGIC);
    head[8..10].copy_from_slice(&VERSION.to_be_bytes());
    head[10..12].copy_from_slice(&ALGORITHMS);
    for (at, number) in [(12, cost.memory_kib), (16, cost.passes), (20, cost.lanes)] {
        head[at..at + 4].copy_from_slice(&number.to_be_bytes());
    }
    head[SALT_AT..CHECK_AT].copy_from_slice(&rng::draw::<32>(rng));
    let keys = Keys::derive(passphrase, cost, &head[SALT_AT..CHECK_AT], &head[..CHECK_AT])?;
    let check = hmac::sign(&keys.check, &head[..CHECK_AT]);
    head[CHECK_AT..CHECKSUM_AT].copy_from_slice(check.as_ref());
    let checksum = digest::digest(&digest::SHA256, &head[..CHECKSUM_AT]);
    head[CHECKSUM_AT..].copy_from_slice(checksum.as_ref());
    Ok((head, keys))
}

/// The keys of the file that begins with `head`.
pub(super) fn open(head: &[u8; HEAD_BYTES], passphrase: &Passphrase) -> Result<Keys, ArchiveError> {
    if &head[..8] != MAGIC {
        return Err(ArchiveError::NotABackup);
    }
    // Before the version: a flipped byte in it is damage and not a later version.
    if digest::digest(&digest::SHA256, &head[..CHECKSUM_AT]).as_ref() != &head[CHECKSUM_AT..] {
        return Err(ArchiveError::Damaged("its head is not what was written"));
    }
    let found = u16::from_be_bytes([head[8], head[9]]);
    if found != VERSION || head[10..12] != ALGORITHMS {
        return Err(ArchiveError::TooNew { found, known: VERSION });
    }
    let number =
        |at: usize| head[at..at + 4].iter().fold(0_u32, |sum, byte| (sum << 8) | u32::from(*byte));
    let cost = Cost { memory_kib: number(12), passes: number(16), lanes: number(20) };
    if !cost.is_sane() {
        return Err(ArchiveError::TooLarge("its head asks for more work than any backup needs"));
    }
    let keys = Keys::derive(passphrase, cost, &head[SALT_AT..CHECK_AT], &head[..CHECK_AT])?;
    hmac::verify(&keys.check, &head[..CHECK_AT], &head[CHECK_AT..CHECKSUM_AT])
        .map_err(|_| ArchiveError::WrongPassphrase)?;
    Ok(keys)
}
