//! The head: what must be known before anything can be opened.
//!
//! | bytes | what |
//! |---|---|
//! | 0..8 | `TNTRYBAK` |
//! | 8..10 | version, 1 |
//! | 10 | 1: under a passphrase, Argon2id version 1.3; 2: to recipients, HPKE (RFC 9180) |
//! | 11 | 1: AES-256-GCM in chunks of 64 KiB |
//! | 12..24 | passphrase: Argon2's memory in KiB, passes, lanes; recipients: their number, zeros |
//! | 24..56 | salt |
//! | 56..88 | HMAC-SHA-256 of bytes 0..56 and the slots: is it the right key? |
//! | 88..120 | SHA-256 of the bytes before: is it what was written? |
//!
//! To recipients, there follow for each of them a slot of 80 bytes, HPKE's encapsulated key and the
//! file's key sealed with bytes 0..56 as `aad`, and the SHA-256 of all before. A slot does not say
//! whose it is.
//!
//! Numbers are big-endian. The keys follow from Argon2's result or from the file's key, and from
//! bytes 0..56 and the slots.

use super::keys::Keys;
use super::passphrase::Cost;
use super::recipient::{RECIPIENTS_MAX, SLOT_BYTES};
use super::{ArchiveError, OpenWith, SealTo, Sealing};
use aws_lc_rs::{digest, hmac};
use std::io::{ErrorKind, Read};
use tenantry_core::rng::Rng;
use zeroize::Zeroizing;

/// Bytes that every head begins with.
pub(super) const FIXED_BYTES: usize = 120;

const MAGIC: &[u8; 8] = b"TNTRYBAK";
const VERSION: u16 = 1;
const PASSPHRASE: u8 = 1;
const RECIPIENTS: u8 = 2;
const CHUNKS: u8 = 1;
const SALT_AT: usize = 24;
const CHECK_AT: usize = 56;
const CHECKSUM_AT: usize = 88;
const CHECKSUM_BYTES: usize = 32;

/// A new head, and the keys that it stands for.
pub(super) fn create(to: SealTo<'_>, rng: &dyn Rng) -> Result<(Vec<u8>, Keys), ArchiveError> {
    let mut head = vec![0; FIXED_BYTES];
    head[..8].copy_from_slice(MAGIC);
    head[8..10].copy_from_slice(&VERSION.to_be_bytes());
    head[11] = CHUNKS;
    match to {
        SealTo::Passphrase(_, cost) => {
            head[10] = PASSPHRASE;
            for (at, number) in [(12, cost.memory_kib), (16, cost.passes), (20, cost.lanes)] {
                head[at..at + 4].copy_from_slice(&number.to_be_bytes());
            }
        }
        SealTo::Recipients(recipients) => {
            head[10] = RECIPIENTS;
            let count = u16::try_from(recipients.count()).expect("16 are the limit");
            head[12..14].copy_from_slice(&count.to_be_bytes());
        }
    }
    rng.fill(&mut head[SALT_AT..CHECK_AT]);
    let (master, slots) = match to {
        SealTo::Passphrase(passphrase, cost) => {
            (passphrase.stretch(cost, &head[SALT_AT..CHECK_AT])?, Vec::new())
        }
        SealTo::Recipients(recipients) => {
            let mut key = Zeroizing::new([0; 32]);
            rng.fill(&mut key[..]);
            let slots = recipients.seal(&key, &head[..CHECK_AT])?;
            (key, slots)
        }
    };
    let covered = [&head[..CHECK_AT], &slots[..]].concat();
    let keys = Keys::derive(&master, &covered);
    let check = hmac::sign(&keys.check, &covered);
    head[CHECK_AT..CHECKSUM_AT].copy_from_slice(check.as_ref());
    let checksum = sha256(&head[..CHECKSUM_AT]);
    head[CHECKSUM_AT..].copy_from_slice(&checksum);
    if !slots.is_empty() {
        head.extend_from_slice(&slots);
        let checksum = sha256(&head);
        head.extend_from_slice(&checksum);
    }
    Ok((head, keys))
}

/// A head that was read, and is what was written.
#[derive(Debug)]
pub(super) struct Head {
    fixed: [u8; FIXED_BYTES],
    slots: Vec<u8>,
    kind: Kind,
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    Passphrase(Cost),
    Recipients,
}

impl Head {
    /// Reads the head that `from` begins with.
    pub(super) fn read(from: &mut impl Read) -> Result<Self, ArchiveError> {
        let mut fixed = [0; FIXED_BYTES];
        fill(from, &mut fixed, ArchiveError::NotABackup)?;
        if &fixed[..8] != MAGIC {
            return Err(ArchiveError::NotABackup);
        }
        // Before the version: a flipped byte in it is damage and not a later version.
        if sha256(&fixed[..CHECKSUM_AT]) != fixed[CHECKSUM_AT..] {
            return Err(DAMAGED);
        }
        let found = u16::from_be_bytes([fixed[8], fixed[9]]);
        if found != VERSION {
            return Err(ArchiveError::TooNew { found, known: VERSION });
        }
        let (kind, slots) = match [fixed[10], fixed[11]] {
            [PASSPHRASE, CHUNKS] => (Kind::Passphrase(cost(&fixed)?), Vec::new()),
            [RECIPIENTS, CHUNKS] => (Kind::Recipients, slots(&fixed, from)?),
            _ => return Err(ArchiveError::UnknownSealing),
        };
        Ok(Self { fixed, slots, kind })
    }

    pub(super) fn sealing(&self) -> Sealing {
        match self.kind {
            Kind::Passphrase(_) => Sealing::Passphrase,
            Kind::Recipients => Sealing::Recipients(self.slots.len() / SLOT_BYTES),
        }
    }

    /// The keys of the file that begins with it. Takes as long as the key takes to be made.
    pub(super) fn open(&self, with: OpenWith<'_>) -> Result<Keys, ArchiveError> {
        let head = &self.fixed[..CHECK_AT];
        let (master, wrong) = match (self.kind, with) {
            (Kind::Passphrase(cost), OpenWith::Passphrase(passphrase)) => {
                let key = passphrase.stretch(cost, &self.fixed[SALT_AT..CHECK_AT])?;
                (key, ArchiveError::WrongPassphrase)
            }
            (Kind::Recipients, OpenWith::Identity(identity)) => {
                let key = identity.open(&self.slots, head).ok_or(ArchiveError::WrongIdentity)?;
                (key, DAMAGED)
            }
            (Kind::Passphrase(_), OpenWith::Identity(_)) => {
                return Err(ArchiveError::UnderPassphrase);
            }
            (Kind::Recipients, OpenWith::Passphrase(_)) => return Err(ArchiveError::ToRecipients),
        };
        let covered = [head, &self.slots].concat();
        let keys = Keys::derive(&master, &covered);
        hmac::verify(&keys.check, &covered, &self.fixed[CHECK_AT..CHECKSUM_AT])
            .map_err(|_| wrong)?;
        Ok(keys)
    }
}

const DAMAGED: ArchiveError = ArchiveError::Damaged("its head is not what was written");

fn cost(fixed: &[u8; FIXED_BYTES]) -> Result<Cost, ArchiveError> {
    let number =
        |at: usize| fixed[at..at + 4].iter().fold(0_u32, |sum, byte| (sum << 8) | u32::from(*byte));
    let cost = Cost { memory_kib: number(12), passes: number(16), lanes: number(20) };
    if !cost.is_sane() {
        return Err(ArchiveError::TooLarge("its head asks for more work than any backup needs"));
    }
    Ok(cost)
}

/// The recipients' slots, which follow the fixed part.
fn slots(fixed: &[u8; FIXED_BYTES], from: &mut impl Read) -> Result<Vec<u8>, ArchiveError> {
    let count = usize::from(u16::from_be_bytes([fixed[12], fixed[13]]));
    if !(1..=RECIPIENTS_MAX).contains(&count) {
        return Err(ArchiveError::TooLarge("its head names no recipients, or too many"));
    }
    let mut slots = vec![0; count * SLOT_BYTES];
    let mut checksum = [0; CHECKSUM_BYTES];
    fill(from, &mut slots, DAMAGED)?;
    fill(from, &mut checksum, DAMAGED)?;
    if sha256(&[&fixed[..], &slots].concat()) != checksum {
        return Err(DAMAGED);
    }
    Ok(slots)
}

fn fill(from: &mut impl Read, to: &mut [u8], short: ArchiveError) -> Result<(), ArchiveError> {
    from.read_exact(to).map_err(|error| match error.kind() {
        ErrorKind::UnexpectedEof => short,
        _ => error.into(),
    })
}

fn sha256(bytes: &[u8]) -> [u8; CHECKSUM_BYTES] {
    let sum = digest::digest(&digest::SHA256, bytes);
    sum.as_ref().try_into().expect("SHA-256 has 32 bytes")
}
