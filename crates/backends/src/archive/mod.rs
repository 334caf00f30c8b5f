//! A backup's file: one stream, sealed under a passphrase or to recipients, that is written and
//! read without holding more than a chunk of it in memory.
//!
//! ```text
//! head       in clear: version, how the key is found, checksums
//! chunks     AES-256-GCM, 64 KiB each and the last one shorter; together they hold
//!   database   kind, length, the database file
//!   secrets    kind, length, the file of secrets
//!   manifest   kind, length, JSON: lengths and SHA-256 of the others, schema, time, counts
//! ```
//!
//! Every primitive is a library's: Argon2id from `argon2`, HPKE from `rustls`, HKDF, HMAC and
//! AES-GCM from `aws-lc-rs`. How chunks are put together is the STREAM construction of Hoang,
//! Reyhanitabar, Rogaway and Vizár, with a key for each file, as age has it: a chunk's nonce is
//! its number and whether it is the last, so that none can be left out, moved, repeated or cut off.

mod head;
mod keys;
mod manifest;
mod passphrase;
mod reader;
mod recipient;
mod stream;
mod writer;

pub use manifest::{Content, Counts, Manifest};
pub use passphrase::{Cost, PASSPHRASE_CHARS_MIN, Passphrase};
pub use reader::{ArchiveReader, SealedArchive};
pub use recipient::{Identity, KeyTextError, RECIPIENTS_MAX, Recipient, Recipients};
pub use writer::ArchiveWriter;

/// What a new backup is sealed to. One or the other: a passphrase beside recipients would make
/// the file as weak as the passphrase, and recipients can be several.
#[derive(Clone, Copy, Debug)]
pub enum SealTo<'a> {
    /// Whoever knows the passphrase opens it; trying one takes this much.
    Passphrase(&'a Passphrase, Cost),
    /// Whoever has the identity of one of them opens it.
    Recipients(&'a Recipients),
}

impl SealTo<'_> {
    /// How that file will be sealed.
    #[must_use]
    pub fn sealing(&self) -> Sealing {
        match self {
            Self::Passphrase(..) => Sealing::Passphrase,
            Self::Recipients(recipients) => Sealing::Recipients(recipients.count()),
        }
    }
}

/// What a backup is opened with.
#[derive(Clone, Copy, Debug)]
pub enum OpenWith<'a> {
    /// The passphrase that it was made with.
    Passphrase(&'a Passphrase),
    /// The identity of one of its recipients.
    Identity(&'a Identity),
}

/// How a backup at hand is sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sealing {
    /// Under a passphrase.
    Passphrase,
    /// To so many recipients.
    Recipients(usize),
}

/// What a section of the stream holds. They come in this order, each once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Section {
    Database = 1,
    Secrets = 2,
    Manifest = 3,
}

/// Longest file of secrets.
pub const SECRETS_BYTES_MAX: u64 = 1 << 20;

/// Longest manifest.
const MANIFEST_BYTES_MAX: u64 = 1 << 20;

/// Why a backup's file was not written or not read.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// The file is something else.
    #[error("it is not a backup of Tenantry")]
    NotABackup,
    /// A later version wrote it.
    #[error("its format has version {found}, this Tenantry reads {known}: install a later one")]
    TooNew {
        /// Its version.
        found: u16,
        /// The newest that this version reads.
        known: u16,
    },
    /// The key that follows from the passphrase is not the one that sealed it.
    #[error("the passphrase is not the one that it was made with")]
    WrongPassphrase,
    /// No slot opens with the identity.
    #[error("it is not sealed to the recipient of this identity")]
    WrongIdentity,
    /// An identity was given.
    #[error("it is sealed under a passphrase, which an identity does not open")]
    UnderPassphrase,
    /// A passphrase was given.
    #[error("it is sealed to recipients: only the identity of one of them opens it")]
    ToRecipients,
    /// A later version wrote it, within the same format.
    #[error("it is sealed in a way that this Tenantry does not know: install a later one")]
    UnknownSealing,
    /// The checksum of the recipient's text is right, but it is no public key.
    #[error("nothing can be sealed to one of the recipients: it is no public key")]
    BadRecipient,
    /// The passphrase is short enough to be tried out.
    #[error("the passphrase needs at least {PASSPHRASE_CHARS_MIN} characters")]
    PassphraseTooShort,
    /// It is not what was written: some byte differs, or its end is missing.
    #[error("it is damaged or cut off: {0}")]
    Damaged(&'static str),
    /// A limit of the format.
    #[error("{0}")]
    TooLarge(&'static str),
    /// The file cannot be read or written.
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

#[cfg(test)]
mod tests;
